"""Whether a journal can be believed: what its database said about itself.

SQLite and PostgreSQL tell damage when they meet it, whoever asks: a commit, a
query, a checkpoint.  Whoever hears it first says it for all connections of the
journal, and from then on nothing is read or written until the gateway is started
anew: pages that are still in memory would let a commit pass that nobody can read
again.
"""

from __future__ import annotations

import sqlite3
import struct
import threading
from pathlib import Path
from typing import Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from gdemoi.errors import Unavailable
from gdemoi.journal.faults import is_damage, of_damage, of_database

# A start waits no longer for the check: 100,000 messages (77 MB) take 0.5 s.
CHECK_S: Final = 3.0
_HEAD: Final = struct.Struct(">16xH10xI")


class Damaged(Unavailable):
    """The journal's database is malformed: nothing it says is to be relied on."""


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
        """Raise `Damaged` if somebody has met damage."""
        if self.damage is not None:
            raise Damaged(self.damage)

    def judged(self, failure: Failure) -> Failure:
        """Return a failure as callers are told it: damage as `Damaged`.

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
        # whoever opens it for good tells why it cannot be done
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
