"""Why a journal cannot be opened, as people read it."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
from twisted.trial.unittest import SynchronousTestCase

import gdemoi.journal.database as database_file
from gdemoi.errors import ConfigurationError
from gdemoi.journal.database import Database, migrate
from gdemoi.journal.faults import foreseen, is_damage, of_database, of_file


class FileTests(SynchronousTestCase):
    def test_each_error_of_the_system(self) -> None:
        """The file or folder, what is wrong, what to do; no [Errno …]."""
        for number, words in (
            (errno.ENOENT, "the folder /no/such does not exist: create it, owned by"),
            (errno.EACCES, "/no/such/j may not be opened by user"),
            (errno.EPERM, "see its owner and that of /no/such"),
            (errno.EROFS, "the disk of /no/such is mounted read-only"),
            (errno.EISDIR, "/no/such/j is a folder; name a file in it"),
            (errno.ENOSPC, "the disk of /no/such is full: make room"),
            (errno.EDQUOT, "the disk of /no/such is full: make room"),
            (errno.EIO, "/no/such/j: Input/output error"),
        ):
            said = of_file("/no/such/j", OSError(number, os.strerror(number)))
            self.assertIn(words, said)
            self.assertNotIn("Errno", said)

    def test_three_slashes_where_four_were_meant(self) -> None:
        """sqlite:///var/x beside a file in /etc is /etc/var/x, which is not there."""
        top = Path(self.mktemp()).absolute()
        (top / "etc").mkdir(parents=True)
        (top / "var").mkdir()
        meant = f"{top}/var"
        said = foreseen(f"{top}/etc{meant}/j.sqlite") or ""
        self.assertIn("an absolute path has four slashes", said)
        self.assertIn(f"sqlite:///{meant}/…", said)
        self.assertNotIn(
            "has four slashes", foreseen(f"{top}/etc/nowhere/j.sqlite") or ""
        )

    def test_a_folder_that_cannot_be_created(self) -> None:
        """A file stands in its way, or it is the kernel's: no word of creating it."""
        file = Path(self.mktemp()).absolute()
        file.write_text("x")
        link = Path(self.mktemp()).absolute()
        link.symlink_to("/nowhere/at/all")
        for path, words in (
            (f"{file}/j.sqlite", f"{file} is a file and no folder"),
            (f"{file}/a/b/j.sqlite", f"{file} is a file and no folder"),
            (f"{link}/j.sqlite", f"{link} is a file and no folder"),
            ("/proc/j.sqlite", "/proc is the kernel's"),
            ("/proc/nowhere/j.sqlite", "/proc/nowhere is the kernel's"),
            ("/sys/j.sqlite", "/sys is the kernel's"),
        ):
            fault = NotADirectoryError(errno.ENOTDIR, "x")
            for said in (foreseen(path) or "", of_file(path, fault)):
                self.assertIn(words, said)
                self.assertNotIn("create it", said)


class DamageTests(SynchronousTestCase):
    def test_which_errors_of_sqlite_are_damage(self) -> None:
        """What cannot be read back; not what may be tried again, nor a bad question."""
        for name, expected in (
            ("SQLITE_CORRUPT", True),
            ("SQLITE_CORRUPT_INDEX", True),
            ("SQLITE_CORRUPT_VTAB", True),
            ("SQLITE_NOTADB", True),
            ("SQLITE_IOERR_READ", True),
            ("SQLITE_IOERR_SHORT_READ", True),
            ("SQLITE_IOERR_DATA", True),
            ("SQLITE_IOERR_CORRUPTFS", True),
            ("SQLITE_IOERR", False),
            ("SQLITE_IOERR_WRITE", False),
            ("SQLITE_IOERR_FSYNC", False),
            ("SQLITE_FULL", False),
            ("SQLITE_BUSY", False),
            ("SQLITE_READONLY", False),
            ("SQLITE_CANTOPEN", False),
            ("SQLITE_CONSTRAINT_UNIQUE", False),
            ("SQLITE_ERROR", False),
        ):
            with self.subTest(name=name):
                error = sqlite3.DatabaseError(name)
                error.sqlite_errorcode = getattr(sqlite3, name)
                self.assertIs(is_damage(error), expected)

    def test_what_sqlite_has_no_code_for(self) -> None:
        """Octets that are no text, rows that no decoder takes; not our own faults."""
        with closing(sqlite3.connect(":memory:")) as memory:
            with self.assertRaises(sqlite3.OperationalError) as caught:
                memory.execute("SELECT CAST(x'ff' AS TEXT)").fetchall()
            self.assertTrue(is_damage(caught.exception))
            self.assertIn("j is damaged", of_database("j", caught.exception))
            with self.assertRaises(sqlite3.OperationalError) as caught:
                memory.execute("SELECT nothing")
            self.assertFalse(is_damage(caught.exception))
        with self.assertRaises(msgspec.DecodeError) as undecoded:
            msgspec.msgpack.decode(b"\xc1")
        self.assertTrue(is_damage(undecoded.exception))
        for ours in (ValueError("cursor"), OSError(5, "x"), KeyError("n")):
            self.assertFalse(is_damage(ours))

    def test_the_file_in_the_advice(self) -> None:
        """The command can be pasted, whatever the file is called."""
        error = sqlite3.DatabaseError("malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        self.assertIn("`sqlite3 '/a b/j' .recover |", of_database("/a b/j", error))


class ForeseenTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "j.sqlite"

    def test_nothing(self) -> None:
        """A new journal, an empty file, one that is there; nothing is made."""
        self.assertIsNone(foreseen(str(self.path)))
        self.assertEqual(list(self.folder.iterdir()), [])
        self.path.touch()
        self.assertIsNone(foreseen(str(self.path)))
        migrate(f"sqlite:///{self.path}")
        self.assertIsNone(foreseen(str(self.path)))

    def test_something_else_in_its_place(self) -> None:
        """A folder, garbage."""
        self.assertIn("is a folder", foreseen(str(self.folder)) or "")
        self.path.write_bytes(b"hello")
        self.assertIn("is no SQLite database", foreseen(str(self.path)) or "")

    def test_what_may_not_be_written(self) -> None:
        """The folder's, then the file's owner; as who asks is told."""
        self.patch(os, "access", lambda path, mode: path == str(self.path))
        self.assertIn(f"may not write in {self.folder}", foreseen(str(self.path)) or "")
        self.patch(os, "access", lambda path, mode: path != str(self.path))
        self.path.touch()
        self.assertIn(f"may not write {self.path}", foreseen(str(self.path)) or "")


class DatabaseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = str(self.folder / "j.sqlite")

    def refused(self) -> str:
        """Open what cannot be opened; return what is said, in one line."""
        with self.assertRaises(ConfigurationError) as caught:
            Database(f"sqlite:///{self.path}", "g").guard()
            migrate(f"sqlite:///{self.path}")
        said = str(caught.exception)
        self.assertEqual(len(said.splitlines()), 1)
        return said

    def test_garbage(self) -> None:
        """Not a database at all."""
        Path(self.path).write_bytes(b"\x93garbage" * 1000)
        self.assertIn(f"journal: {self.path} is no SQLite database", self.refused())

    def test_another_programs_database(self) -> None:
        """With tables of our names that are not ours."""
        other = sqlite3.connect(self.path)
        other.execute("CREATE TABLE messages (text)")
        other.close()
        said = self.refused()
        self.assertIn("is the database of another program", said)
        self.assertIn("name another file", said)

    def test_a_damaged_one(self) -> None:
        """A head that is right, and nothing behind it that is."""
        migrate(f"sqlite:///{self.path}")
        octets = bytearray(Path(self.path).read_bytes())
        octets[100:] = b"\xff" * (len(octets) - 100)
        Path(self.path).write_bytes(octets)
        said = self.refused()
        self.assertIn(f"{self.path} is damaged: put a good copy back", said)

    def test_a_folder_in_its_place(self) -> None:
        """It is said to be one."""
        Path(self.path).mkdir()
        self.assertIn(f"{self.path} is a folder", self.refused())

    def test_no_driver(self) -> None:
        """PostgreSQL without psycopg: what to install, and why it is not there."""
        self.patch(database_file, "psycopg", None)
        self.patch(database_file, "_NO_DRIVER", "No module named 'psycopg'")
        with self.assertRaises(ConfigurationError) as caught:
            Database("postgresql://u@h/b", "g")
        said = str(caught.exception)
        self.assertIn("pip install 'gdemoi[postgres]'", said)
        self.assertIn("No module named 'psycopg'", said)

    def test_what_postgresql_says(self) -> None:
        """On one line, with what to do where that is known."""
        for text, advice in (
            ('FATAL:  database "x" does not exist', "; make it with `createdb`"),
            ('FATAL:  password authentication failed for user "u"', "journal_password"),
            ("fe_sendauth: no password supplied", "; see journal_password"),
            ('FATAL:  role "u" does not exist', "`createuser`"),
            ("FATAL: no pg_hba.conf entry for host", "; let this user in"),
            (
                "Connection refused\n\tIs the server running on that host?",
                "Connection refused; see whether it runs",
            ),
        ):
            said = of_database("", Exception(text))
            self.assertIn(advice, said)
            self.assertNotIn("\n", said)
            self.assertNotIn("Is the server", said)
        self.assertEqual(of_database("", Exception("odd")), "odd")
