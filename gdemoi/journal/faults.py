"""Why a journal cannot be opened, in words: what is wrong, and what to do.

This file knows the errors of the file system, of SQLite and of PostgreSQL; it
opens nothing but to look.
"""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import sqlite3
from itertools import islice
from typing import Final

import msgspec

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


def _no_folder(folder: str) -> str:
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
