"""A journal that is damaged in place, while the gateway runs and before it starts."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

import gdemoi.journal.journal as journal_file
from gdemoi.errors import ConfigurationError, Unavailable
from gdemoi.journal import Journal
from gdemoi.journal.faults import found_in
from tests.journal.builders import NOW, acceptance, attempting
from tests.journal.test_files import FileTestCase

MANY = 300


def garble(path: str, start: int, end: int | None = None) -> None:
    """Overwrite a part of a file in place with octets that mean nothing."""
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * ((end or os.path.getsize(path)) - start))


class DamageTestCase(FileTestCase):
    """A journal with messages that stand in the file, not in its log alone."""

    def setUp(self) -> None:
        """Fill it."""
        super().setUp()
        self.path = os.path.abspath(self.path)
        self.accept(*[acceptance(f"m{number}") for number in range(MANY)])
        self.journal._database.checkpoint()

    def unavailable(self, deferred: Deferred[Any]) -> str:
        """Return why something cannot be done now."""
        return str(self.failureResultOf(deferred, Unavailable).value)

    def forget_pages(self) -> None:
        """Let the writer's connection read the file again, not its memory."""
        database = self.journal._database
        database.rows("PRAGMA cache_size=1")
        database.rows("PRAGMA shrink_memory")


class RunningTests(DamageTestCase):
    """As bad as files that vanished: nothing more is taken, and that is told."""

    def stopped(self, words: str = "is damaged: put a good copy back") -> None:
        """See that nothing is taken or read any more, and health tells why."""
        self.assertIn(f"{self.path} {words}", self.journal.trouble() or "")
        for asked in (
            self.journal.accept([acceptance("late")]),
            self.journal.story("m1"),
            self.journal.counts(),
            self.journal.take("mts", 9, NOW, frozenset()),
            self.journal.sweep(NOW),
        ):
            self.assertIn(words, self.unavailable(asked))

    def logged(self, meet: Callable[[], object]) -> list[str]:
        """Damage it, meet it, and go on; return what was critical."""
        with capturedLogs() as events:
            meet()
            self.stopped()
            self.journal.beat()
            self.stopped()
        self.assertEqual([e for e in events if "log_failure" in e], [])
        return [formatEvent(e) for e in events if e["log_level"].name == "critical"]

    def test_a_reader_hears_it(self) -> None:
        """Not 500: the reader's connection says malformed, and intake stops."""
        garble(self.path, 8192)
        story = self.journal.story
        [line] = self.logged(lambda: self.unavailable(story("m7")))
        self.assertIn("nothing is taken and nothing sent", line)
        self.assertIn(f"sqlite3 {self.path} .recover", line)

    def test_a_lane_hears_it(self) -> None:
        """A lane that reads what is due is told, and no Deferred is left alone."""
        garble(self.path, 8192)
        take = self.journal.take
        self.assertEqual(
            len(
                self.logged(lambda: self.unavailable(take("mts", 9, NOW, frozenset())))
            ),
            1,
        )

    def test_the_sweep_hears_it(self) -> None:
        """By its reads or by its writes; it fails as when the journal is locked."""
        garble(self.path, 8192)
        self.forget_pages()
        sweep = self.journal.sweep
        lines = self.logged(lambda: self.unavailable(sweep(NOW + 10_000)))
        self.assertEqual(len(lines), 1)

    def test_the_writer_hears_it(self) -> None:
        """A fact of a message whose page cannot be read; the batch is refused."""
        self.journal._transaction.cache.clear()
        garble(self.path, 8192)
        self.forget_pages()
        note = self.journal.note
        lines = self.logged(lambda: self.unavailable(note(attempting("m5"))))
        self.assertEqual(len(lines), 1)

    def test_no_database_any_more(self) -> None:
        """Another head in place of SQLite's (SQLITE_NOTADB)."""
        garble(self.path, 0)
        # a connection that looks at the head: those that are open do not
        self.journal._reading._drop()
        self.unavailable(self.journal.story("m7"))
        self.stopped()
        self.assertIn("file is not a database", self.journal.trouble() or "")

    def test_cut_short(self) -> None:
        """Truncated in place: the very next batch is refused, what is cached or not."""
        for size in (16384, 50, 0):
            with self.subTest(size=size):
                self.setUp()
                os.truncate(self.path, size)
                accept = self.journal.accept
                [line] = self.logged(
                    lambda accept=accept: self.unavailable(accept([acceptance("x")]))
                )
                self.assertIn(f"it was cut to {size} octets", line)

    def test_a_vacuum_is_no_damage(self) -> None:
        """It makes the file smaller, and rightly so."""
        self.journal._database.rows("DELETE FROM messages WHERE n % 9")
        before = os.path.getsize(self.path)
        other = sqlite3.connect(self.path)
        other.execute("VACUUM")
        other.close()
        self.journal._database.checkpoint()
        self.assertLess(os.path.getsize(self.path), before)
        self.accept(acceptance("late"))
        self.assertIsNone(self.journal.trouble())

    def test_the_log_is_garbled(self) -> None:
        """The write-ahead log in place: who reads it there hears it."""
        self.accept(*[acceptance(f"w{number}") for number in range(MANY)])
        garble(self.path + "-wal", 32)
        story = self.journal.story
        self.assertEqual(len(self.logged(lambda: self.unavailable(story("w7")))), 1)

    def test_a_checkpoint_hears_it(self) -> None:
        """The log cut under it: what it holds cannot be carried into the file."""
        self.accept(*[acceptance(f"w{number}") for number in range(MANY)])
        self.journal._writer._checkpoint_at = 0.0
        os.truncate(self.path + "-wal", 32)
        with capturedLogs() as events:
            self.journal._writer._checkpoint()
        self.stopped("cannot be read or written, the disk fails")
        lines = [e for e in events if e["log_level"].name == "critical"]
        self.assertEqual(len(lines), 1)

    def test_a_row_that_means_nothing(self) -> None:
        """The page is whole, the record in it is not; a search is no bad question."""
        for column, value in (
            ("record", "x'ffff'"),
            ("message", "x'7b'"),
            ("id", "CAST(x'6d37ff' AS TEXT)"),
        ):
            with self.subTest(column=column):
                self.setUp()
                other = sqlite3.connect(self.path, isolation_level=None)
                other.execute(f"UPDATE messages SET {column} = {value} WHERE id = 'm7'")
                other.close()
                ask: Callable[[], Deferred[Any]] = (
                    (lambda: self.journal.take("mts", 999, NOW, frozenset()))
                    if column == "id"
                    else (lambda: self.journal.search({}, 999))
                )
                lines = self.logged(lambda ask=ask: self.unavailable(ask()))
                self.assertEqual(len(lines), 1)

    def test_what_is_no_damage(self) -> None:
        """A bad question, and a lock that is not ours, stop nothing."""
        self.failureResultOf(self.journal.search({"x": "y"}, 1), ValueError)
        other = sqlite3.connect(self.path, isolation_level=None)
        self.journal._database.rows("PRAGMA busy_timeout=1")
        other.execute("BEGIN IMMEDIATE")
        self.unavailable(self.journal.accept([acceptance("late")]))
        other.close()
        self.accept(acceptance("late"))
        self.assertIsNone(self.journal.trouble())

    def test_it_stays_so_until_the_next_start(self) -> None:
        """Put back under the gateway's feet, it is taken by a new start only."""
        whole = Path(self.path).read_bytes()
        garble(self.path, 8192)
        self.unavailable(self.journal.story("m7"))
        with open(self.path, "r+b") as file:
            file.write(whole)
        self.stopped()
        self.again()
        self.assertIsNone(self.journal.trouble())
        self.assertIsNotNone(self.did(self.journal.story("m7")))


class StartTests(DamageTestCase):
    def refused(self, **settings: bool) -> str:
        """Try to open it; return why it is not."""
        journal = Journal(self.url, Clock(), inline=True, **settings)
        said = str(self.failureResultOf(journal.open(), ConfigurationError).value)
        self.assertEqual(len(said.splitlines()), 1)
        return said

    def test_damaged_in_the_middle(self) -> None:
        """Told in words; an accepted loss is none of that; nothing is written."""
        self.did(self.journal.close())
        size = os.path.getsize(self.path)
        for start, end in ((size // 2, size - 100), (100, 3000), (8192, 12288)):
            with self.subTest(start=start):
                whole = Path(self.path).read_bytes()
                garble(self.path, start, end)
                octets = Path(self.path).read_bytes()
                for settings in ({}, {"accept_loss": True}):
                    said = self.refused(**settings)
                    self.assertIn(f"journal: {self.path} is damaged: put a good", said)
                    self.assertIn(f"sqlite3 {self.path} .recover", said)
                self.assertEqual(Path(self.path).read_bytes(), octets)
                Path(self.path).write_bytes(whole)
        self.journal = self.opened()
        self.assertEqual(self.journal.backlog(), {"mts": MANY})

    def test_cut_short(self) -> None:
        """Half of it, while it stood."""
        self.did(self.journal.close())
        os.truncate(self.path, os.path.getsize(self.path) // 2)
        for settings in ({}, {"accept_loss": True}):
            self.assertIn("is damaged: put a good copy", self.refused(**settings))

    def test_no_time_to_look_at_all_of_it(self) -> None:
        """Then those who read at the start meet it, and say the same."""
        self.did(self.journal.close())
        garble(self.path, 8192)
        self.patch(journal_file, "found_in", lambda path: None)
        said = self.refused(accept_loss=True)
        self.assertIn(f"journal: {self.path} is damaged: put a good copy", said)


class FoundTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = os.path.abspath(self.mktemp()) + " %23.sqlite"

    def test_nothing(self) -> None:
        """A file that is not there is not made; an empty one is a new journal."""
        self.assertIsNone(found_in(self.path))
        self.assertFalse(os.path.exists(self.path))
        Path(self.path).touch()
        self.assertIsNone(found_in(self.path))

    def test_the_log_is_read_too_and_left(self) -> None:
        """What stands in it alone counts, and is not carried into the file."""
        writer = sqlite3.connect(self.path, isolation_level=None)
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE t (a)")
        octets = Path(self.path).read_bytes()
        self.assertIsNone(found_in(self.path))
        self.assertEqual(Path(self.path).read_bytes(), octets)
        writer.close()

    def test_it_takes_no_longer_than_it_may(self) -> None:
        """A large journal starts in time; what is not looked at is not blamed."""
        writer = sqlite3.connect(self.path, isolation_level=None)
        writer.execute("CREATE TABLE t (a)")
        writer.execute(
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c"
            " LIMIT 200000) INSERT INTO t SELECT hex(randomblob(100)) FROM c"
        )
        writer.close()
        garble(self.path, os.path.getsize(self.path) - 8192)
        self.assertIsNone(found_in(self.path, 0.0))
        self.assertIn("is damaged", found_in(self.path) or "")
