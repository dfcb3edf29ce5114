"""What is wrong with a journal: why it cannot be opened, or no longer be relied on.

Errors of the file system, of SQLite (by result code) and of PostgreSQL (by text, since
psycopg gives no code for a failed connection) become a sentence that says what to do.

SQLite and PostgreSQL report damage when they meet it, whoever asks: a commit, a query,
a checkpoint.  `Soundness` remembers it for all connections of the journal; from then on
nothing is read or written until the gateway is started anew: pages that are still in
memory would let a commit pass that nobody can read again.
"""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import sqlite3
import struct
import threading
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
from twisted.logger import Logger
from twisted.python.failure import Failure

from gdemoi.errors import Unavailable

# The first octets of an SQLite file (https://sqlite.org/fileformat.html, §1.3).
_MAGIC: Final = b"SQLite format 3\0"
_FOREIGN: Final = (
    "another file must be named here, or a good copy of the journal put back"
)
_DAMAGED: Final = (
    "is damaged: put a good copy back, or save what can be read with `sqlite3 FILE"
    " .recover | sqlite3 NEW` and put that in its place"
)
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# What was written cannot be read back.  Writes that fail may be tried again.
_READS: Final = (
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_IOERR_DATA,
)
# data_corrupted, index_corrupted (PostgreSQL, appendix A)
_STATES: Final = ("XX001", "XX002")
# The sqlite3 module gives it no code.
_NO_TEXT: Final = "Could not decode to UTF-8"
_CODES: Final = {
    sqlite3.SQLITE_NOTADB: f"is no SQLite database: {_FOREIGN}",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: "cannot grow, the disk is full: make room",
    sqlite3.SQLITE_READONLY: "cannot be written: see its owner and whether the disk is"
    " mounted read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: see its owner and that of its folder",
    sqlite3.SQLITE_IOERR: "cannot be read or written, the disk fails: see `dmesg`",
    sqlite3.SQLITE_BUSY: "is locked by another program: see `fuser FILE`",
    sqlite3.SQLITE_PERM: "may not be opened: see its owner and that of its folder",
}
# In the order in which they are looked for: psycopg gives no code with these.
_POSTGRESQL: Final = (
    ("read-only transaction", "see whether it is a standby, or ran out of disk"),
    ("No space left", "make room on its disk"),
    ("password", "see journal_password"),
    ("pg_hba.conf", "let this user in by pg_hba.conf"),
    ('role "', "see the user in its address, or make it with `createuser`"),
    ('database "', "make it with `createdb`"),
    ("permission denied", "grant CREATE on its schema to this user"),
    ("could not translate host name", "see the host in its address"),
    ("Connection refused", "see whether it runs, and the host and port"),
)
DRIVER: Final = (
    "the driver for PostgreSQL is missing: pip install 'gdemoi[postgres]' ({why})"
)


def of_file(path: str, error: OSError) -> str:
    """Return why a file of the journal cannot be had."""
    whole = os.path.abspath(error.filename or path)
    folder = os.path.dirname(whole)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return _no_folder(folder)
        case errno.EACCES | errno.EPERM:
            return (
                f"{whole} may not be opened by user {_user()}: see its owner and that"
                f" of {folder}"
            )
        case errno.EROFS:
            return f"the disk of {folder} is mounted read-only"
        case errno.EISDIR:
            return f"{whole} is a folder; name a file in it"
        case errno.ENOSPC | errno.EDQUOT:
            return f"the disk of {folder} is full: make room"
    return f"{whole}: {error.strerror or error}"


def of_database(path: str, error: BaseException) -> str:
    """Return why a database cannot be used; `path` is empty for PostgreSQL."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError):
        return of_file(path, error)
    if not path:
        # its own advice, which says less
        text = text.partition(" Is the server running")[0]
        if is_damage(error):
            return f"the database is damaged: {text}; restore a good copy, or REINDEX"
        found = (advice for sign, advice in _POSTGRESQL if sign in text)
        return "; ".join((text, *islice(found, 1)))
    if "already exists" in text:
        return f"{path} is the database of another program ({text}): name another file"
    code = getattr(error, "sqlite_errorcode", None)
    known = _CODES.get(code & 0xFF) if isinstance(code, int) else None
    if known:
        return f"{path} {known.replace('FILE', shlex.quote(path))} ({text})"
    return of_damage(path, text) if is_damage(error) else f"{path}: {text}"


def of_damage(path: str, text: str) -> str:
    """Return what to do about the file of a journal that is damaged."""
    return f"{path} {_DAMAGED.replace('FILE', shlex.quote(path))} ({text})"


def is_damage(error: BaseException) -> bool:
    """Tell whether an error means that what was written cannot be read.

    The lowest octet of SQLite's extended codes is the kind of error
    (https://sqlite.org/rescode.html).
    """
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        return code & 0xFF in _DAMAGE or code in _READS
    if isinstance(error, sqlite3.OperationalError):
        return _NO_TEXT in str(error)
    # a row's message or record: nobody but us wrote it
    if isinstance(error, msgspec.DecodeError):
        return True
    return getattr(error, "sqlstate", None) in _STATES


def foreseen(path: str) -> str | None:
    """Return why the file of a journal could not be opened now; None: it could."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        return _no_folder(folder)
    if _is_of_the_kernel(folder):
        return _of_the_kernel(folder)
    if os.path.isdir(path):
        return f"{path} is a folder; name a file in it"
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"the disk of {folder} is mounted read-only"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"user {_user()} may not write in {folder}: see its owner"
    try:
        with open(path, "rb") as file:
            first = file.read(len(_MAGIC))
    except FileNotFoundError:
        return None
    except OSError as error:
        return of_file(path, error)
    if first and first != _MAGIC:
        return f"{path} {_CODES[sqlite3.SQLITE_NOTADB]}"
    if not os.access(path, os.W_OK):
        return f"user {_user()} may not write {path}: see its owner"
    return None


def _is_of_the_kernel(folder: str) -> bool:
    return folder.split(os.sep)[1] in ("proc", "sys")


def _of_the_kernel(folder: str) -> str:
    return f"{folder} is the kernel's, no file can be made there: name another folder"


def _no_folder(folder: str) -> str:
    if _is_of_the_kernel(folder):
        return _of_the_kernel(folder)
    above = folder
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if not os.path.isdir(above):
        return f"{above} is a file and no folder: name another folder"
    text = f"the folder {folder} does not exist: create it, owned by user {_user()}"
    # sqlite:///var/lib/x, beside a file in /etc, is /etc/var/lib/x
    at, rest = folder, ""
    while not os.path.isdir(at) and at != os.path.dirname(at):
        at, name = os.path.split(at)
        rest = f"/{name}{rest}"
    if at != "/" and os.path.isdir(rest):
        text += f"; an absolute path has four slashes: sqlite:///{rest}/…"
    return text


def _user() -> str:
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# A start waits no longer for the check: 100,000 messages (77 MB) take 0.5 s.
CHECK_S: Final = 3.0
_HEAD: Final = struct.Struct(">16xH10xI")


class Damaged(Unavailable):
    """The database is malformed: neither its reads nor its commits can be relied on."""


class Soundness:
    """What is known of one journal's damage; for the threads of all connections.

    `path` is that of the file, empty for PostgreSQL.
    """

    log = Logger()

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        # in words; never taken back
        self.damage: str | None = None

    def check(self) -> None:
        """Raise `Damaged` if any connection has met damage."""
        if self.damage is not None:
            raise Damaged(self.damage)

    def judged(self, failure: Failure) -> Failure:
        """Return the failure that callers get: `Damaged` for damage, else the same.

        The first one is remembered, and logged.
        """
        error = failure.value
        assert error is not None
        if isinstance(error, Damaged):
            text = str(error)
        elif is_damage(error):
            text = f"journal: {self._words(error)}"
        else:
            return failure
        with self._lock:
            if self.damage is None:
                self.damage = text
                self.log.critical(
                    "{damage}; nothing is taken and nothing sent until the gateway is"
                    " started anew",
                    damage=self.damage,
                )
        return Failure(Damaged(self.damage))

    def _words(self, error: BaseException) -> str:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            # it was one
            return of_damage(self._path, str(error))
        return of_database(self._path, error)


def see_that_it_is_whole(path: str, size: int) -> None:
    """Raise `Damaged` when a file of `size` octets lacks pages that its head counts.

    A `VACUUM` makes it smaller too, but writes the head first.  Octets 16 and 28 of
    the head (https://sqlite.org/fileformat.html, §1.3): size and number of pages.
    """
    with open(path, "rb") as file:
        head = file.read(_HEAD.size)
    whole = 0
    if len(head) == _HEAD.size:
        page, count = _HEAD.unpack(head)
        whole = (65536 if page == 1 else page) * count
    if not 0 < whole <= size:
        text = of_damage(path, f"it was cut to {size} octets under the gateway")
        raise Damaged(f"journal: {text}")


def found_in(path: str, limit_s: float = CHECK_S) -> str | None:
    """Return what is wrong in the file of a journal, in words; None: nothing found.

    It looks at the structure of all tables for `limit_s` seconds at most; what it
    has not come to by then is left to those who read it.  Nothing is written, not
    even what a write-ahead log holds.
    """
    expired = threading.Event()
    try:
        connection = sqlite3.connect(
            f"{Path(path).absolute().as_uri()}?mode=ro",
            uri=True,
            check_same_thread=False,
        )
    except sqlite3.Error:
        # opening it for good fails too, and says why
        return None

    def interrupt() -> None:
        expired.set()
        connection.interrupt()

    timer = threading.Timer(limit_s, interrupt)
    timer.start()
    try:
        [(found,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        return of_database(path, error) if is_damage(error) else None
    finally:
        timer.cancel()
        timer.join()
        connection.close()
    if found == "ok" or expired.is_set():
        return None
    return of_damage(path, str(found).replace("\n", " "))
