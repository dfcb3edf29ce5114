"""What people do with the journal from outside: copy, put back, look into, tidy up.

Copies are made by SQLite's backup API, so that a gateway may run meanwhile: what it
commits is in the copy, or not, but never half.  What changes the file wants the lock
that a gateway holds.  A PostgreSQL journal has tools of its own for most of it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from alembic.config import Config
from alembic.script import ScriptDirectory
from attrs import frozen
from sqlalchemy import func, select

from gdemoi.errors import ConfigurationError
from gdemoi.journal import schema as s
from gdemoi.journal.database import MIGRATIONS, Database, migrate
from gdemoi.journal.faults import found_in, of_database, of_file
from gdemoi.journal.high_water_mark import HighWaterMark, HighWaterMarkFile
from gdemoi.journal.queries import Queries

_STORIES: Final = 500


@frozen
class Copied:
    """What a copy holds: its size, and how far it has come."""

    path: str
    octets: int
    messages: int
    mark: HighWaterMark


@frozen
class JournalState:
    """How a journal stands; `oldest` and `newest` are epoch seconds.

    `revision` is the version of its tables, `pending` what an upgrade would do, a
    line for each step; `free_octets` is what a tidying up would give back.
    """

    where: str
    octets: int
    free_octets: int
    states: dict[str, int]
    oldest: float | None
    newest: float | None
    events: int
    inbound: int
    revision: str | None
    pending: tuple[str, ...]


def backup(database: Database, target: str) -> Copied:
    """Copy a SQLite journal to a new file, while a gateway may be running.

    Raises `ConfigurationError` when there is nothing to copy, or `target` exists.
    """
    path = _file_of(database)
    if os.path.exists(target):
        raise ConfigurationError(f"{target} exists; nothing is overwritten")
    unfinished = f"{target}.part"
    try:
        # a copy that was broken off is of no use
        Path(unfinished).unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_CREAT | os.O_WRONLY, 0o600))
        with _reading(path) as source, closing(sqlite3.connect(unfinished)) as copy:
            # all in one step: readers do not keep a writer out, and a copy in several
            # steps begins anew whenever somebody has written
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        _synced(unfinished)
        os.rename(unfinished, target)
    except (OSError, sqlite3.Error) as error:
        Path(unfinished).unlink(missing_ok=True)
        raise ConfigurationError(f"{target}: {_why(target, error)}") from error
    return copied(target)


def copied(path: str) -> Copied:
    """Look into a copy; raise `ConfigurationError` when it is no whole journal."""
    fault = found_in(path)
    if fault is not None:
        raise ConfigurationError(f"{path}: {fault}")
    try:
        with _reading(path) as connection:
            counters = dict(connection.execute("SELECT name, value FROM counters"))
            [(count,)] = connection.execute("SELECT count(*) FROM messages")
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path} is no journal: {error}") from error
    mark = HighWaterMark(int(counters.get("n", 0)), int(counters.get("seq", 0)))
    return Copied(path, os.path.getsize(path), int(count), mark)


def restore(source: str, database: Database) -> HighWaterMark | None:
    """Put a copy in the place of a SQLite journal; no gateway may be running.

    The journal that was there is kept beside it, under the suffix ``.before-restore``.
    Returns how far that one had come when the copy lacks some of it: the gateway will
    ask for that to be accepted; None: nothing is missing.
    """
    path = _file_of(database, must_exist=False)
    found = copied(source)
    database.guard()
    try:
        mark, _ = HighWaterMarkFile(path).read()
        fresh = f"{path}.restored"
        Path(fresh).unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_CREAT | os.O_WRONLY, 0o600))
        with _reading(source) as copy, closing(sqlite3.connect(fresh)) as target:
            copy.backup(target)
        _synced(fresh)
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(path + suffix):
                os.replace(path + suffix, f"{path}{suffix}.before-restore")
        os.rename(fresh, path)
        _synced(os.path.dirname(os.path.abspath(path)))
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(f"{path}: {_why(path, error)}") from error
    finally:
        database.close()
    return mark if mark is not None and mark.beyond(found.mark) else None


def vacuum(database: Database) -> tuple[int, int]:
    """Write a SQLite journal anew without the room that is free in it.

    Returns its octets before and after.  No gateway may be running.
    """
    path = _file_of(database)
    database.guard()
    try:
        before = os.path.getsize(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path}: {_why(path, error)}") from error
    finally:
        database.close()
    return before, os.path.getsize(path)


def state(database: Database) -> JournalState:
    """Look at a journal, of either kind, while a gateway may be running."""
    if not database.shared:
        _file_of(database)
    database.connect()
    try:
        messages = s.messages.c
        counts = database.select(
            select(messages.state, func.count()).group_by(messages.state)
        )
        [(oldest, newest)] = database.select(
            select(func.min(messages.accepted_at), func.max(messages.accepted_at))
        )
        revision = _revision(database)
        figures = Queries(database, "").figures(0.0)
        free = 0
        if not database.shared:
            [(pages,)] = database.rows("PRAGMA freelist_count")
            [(size,)] = database.rows("PRAGMA page_size")
            free = int(pages) * int(size)
        return JournalState(
            where=database.url.render_as_string(hide_password=True),
            octets=figures.octets,
            free_octets=free,
            states={str(name): int(count) for name, count in counts},
            oldest=oldest,
            newest=newest,
            events=_count(database, s.events),
            inbound=_count(database, s.arrivals),
            revision=revision,
            pending=pending(revision),
        )
    finally:
        database.close()


def _count(database: Database, table: Any) -> int:
    [(count,)] = database.select(select(func.count()).select_from(table))
    return int(count)


def _revision(database: Database) -> str | None:
    rows = database.rows("SELECT version_num FROM alembic_version")
    return str(rows[0][0]) if rows else None


def upgrade(database: Database) -> tuple[str, ...]:
    """Bring the tables to the newest version; return the steps that were done.

    No gateway may be running on a SQLite journal; several may on PostgreSQL, if their
    version knows the new tables.
    """
    steps = state(database).pending
    if not steps:
        return ()
    if not database.shared:
        database.guard()
    try:
        migrate(database.url.render_as_string(hide_password=False))
    finally:
        database.close()
    return steps


def pending(revision: str | None) -> tuple[str, ...]:
    """Return what an upgrade from `revision` (None: nothing there yet) would do."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    if revision == scripts.get_current_head():
        return ()
    steps = scripts.iterate_revisions("head", revision or "base")
    return tuple(
        f"{step.revision}: {(step.doc or '').strip()}" for step in reversed(list(steps))
    )


def stories(database: Database, since: float | None = None) -> Iterator[bytes]:
    """Yield each message's whole story as a line of JSON, newest first."""
    if not database.shared:
        _file_of(database)
    database.connect()
    try:
        queries = Queries(database, "")
        encode = msgspec.json.Encoder().encode
        cursor: str | None = None
        while True:
            found, cursor = queries.search({"since": since}, _STORIES, cursor)
            for one in found:
                whole = queries.story(str(one["id"]))
                if whole is not None:
                    yield encode(whole) + b"\n"
            if cursor is None:
                return
    finally:
        database.close()


def _why(path: str, error: Exception) -> str:
    if isinstance(error, OSError):
        return of_file(path, error)
    return of_database(path, error)


def _file_of(database: Database, *, must_exist: bool = True) -> str:
    if database.shared:
        raise ConfigurationError(
            "this journal is a PostgreSQL database: use pg_dump, pg_restore and VACUUM"
        )
    if must_exist and not os.path.exists(database.path):
        raise ConfigurationError(f"there is no journal at {database.path}")
    return database.path


@contextmanager
def _reading(path: str) -> Iterator[sqlite3.Connection]:
    """Open a file for reading only; a write-ahead log beside it is read too."""
    uri = f"{Path(path).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=10.0)) as connection:
        yield connection


def _synced(path: str) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
