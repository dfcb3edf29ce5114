"""One connection to SQLite or PostgreSQL, as raw DBAPI; the migration of its tables.

What differs between the two is here: pragmas, locks, transactions, bulk statements,
and which errors mean "not now".  The tables are in schema.py; what changes from version
to version is in migrations/versions, which Alembic runs.

One gateway per journal: a SQLite file is guarded by a lock file beside it (the kernel
frees it however the process ends), a gateway's name on PostgreSQL by an advisory lock
of its session.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Select, create_engine, inspect, text
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.engine import URL, Connection, Dialect, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from gdemoi.errors import ConfigurationError, Unavailable
from gdemoi.journal.faults import DRIVER, of_database, of_file, see_that_it_is_whole
from gdemoi.journal.schema import BulkStatements, Statements, metadata

_NO_DRIVER = ""
try:
    import psycopg
except ImportError as missing:  # the extra `postgres` is not installed, or libpq
    psycopg = None  # type: ignore[assignment]
    _NO_DRIVER = str(missing)

TAKEN: Final = "another gateway has this journal open"
# All gateways on one PostgreSQL journal commit one after the other: so receipts
# and messages of different processes never pass each other unseen, and events
# become visible in the order of their numbers.
TURN: Final = 0x6764656D6F69
_BUSY_MS: Final = 5_000
# rows per statement
_SIZES: Final = (256, 128, 64, 32, 16, 8, 4, 2, 1)


class Gone(Unavailable):
    """The journal's files are not those that were opened: nothing is safe there."""


# What means "not now", as against a fault in what was asked.
_NOT_NOW: tuple[type[Exception], ...] = (
    sqlite3.OperationalError,
    OSError,
    Unavailable,
)
if psycopg is not None:
    # InternalError: a server that became read-only, or is at fault itself
    _NOT_NOW += (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        psycopg.InternalError,
    )
NOT_NOW: Final = _NOT_NOW
# A malformed file is not even left without a complaint.
_STUCK: Final[tuple[type[Exception], ...]] = (*NOT_NOW, sqlite3.DatabaseError)


CONNECT_S: Final = 5
# A host that is gone without a word is known as such, here and on the server.
_KEEPALIVES: Final[dict[str, Any]] = {
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


_SEVERAL: Final = re.compile(r"(postgresql[^:]*://(?:[^@/]*@)?)([^@/?]*,[^@/?]*)(.*)")


_PORT: Final = re.compile(r":(\d+)$")


def url_of(address: str) -> URL:
    """Return the address of a journal as SQLAlchemy's URL.

    Several servers are written as libpq has it, ``postgresql://a:5432,b:5432/base``;
    SQLAlchemy would take what follows the first colon for a port.
    """
    several = _SEVERAL.fullmatch(address)
    if several is None:
        return make_url(address)
    begin, places, rest = several.groups()
    hosts, ports = [], []
    for place in places.split(","):
        host, _, port = (
            place.rpartition(":") if _PORT.search(place) else (place, "", "")
        )
        hosts.append(host.strip("[]"))
        ports.append(port)
    query = {
        "host": ",".join(hosts),
        **({"port": ",".join(ports)} if any(ports) else {}),
    }
    return make_url(f"{begin}{rest}").update_query_dict(query)


def conninfo(url: URL) -> str:
    """Return what libpq connects by."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def connected(url: URL, application: str) -> Any:
    """Return a connection to PostgreSQL that neither side holds on to in vain.

    Of several servers each is tried in turn, `CONNECT_S` long, until one is as
    ``target_session_attrs`` asks.
    """
    connection = psycopg.connect(
        conninfo(url),
        autocommit=True,
        connect_timeout=CONNECT_S,
        application_name=application,
        **_KEEPALIVES,
    )
    for setting, value in (
        # nobody may hold the turn for long
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "5s"),
        # of a gateway whose host is gone: its name is free when it comes back
        ("tcp_keepalives_idle", "4"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
    ):
        connection.execute(f"SET {setting} = '{value}'")
    return connection


class Database:
    """A connection that is opened when it is first needed, and again after loss."""

    def __init__(self, url: str, name: str, readonly: bool = False) -> None:
        self.url: URL = url_of(url)
        kind = self.url.get_backend_name()
        if kind not in ("sqlite", "postgresql"):
            raise ConfigurationError(f"journal: {kind} is not supported")
        if kind == "postgresql" and psycopg is None:
            raise ConfigurationError(f"journal: {DRIVER.format(why=_NO_DRIVER)}")
        self.name = name
        path = self.url.database or ""
        self._path = "" if path == ":memory:" else path
        self.shared = kind == "postgresql"
        self.in_memory = kind == "sqlite" and not self.path
        self._readonly = readonly
        self.dialect: Dialect = (
            psycopg_dialect.dialect(paramstyle="format")
            if self.shared
            else pysqlite.dialect(paramstyle="qmark")
        )
        self.statements = Statements(self.dialect)
        self._connection: Any = None
        self._cursor: Any = None
        self._lock: IO[str] | None = None
        # device and inode of the file and its write-ahead log, after the first commit
        self._files: tuple[int, ...] | None = None
        self._size = 0

    @property
    def path(self) -> str:
        """The file of a SQLite journal; empty when it lives in memory."""
        return self._path

    @property
    def lost(self) -> bool:
        """Whether the connection must be made anew."""
        return self._connection is None or (
            self.shared and bool(self._connection.closed or self._connection.broken)
        )

    def guard(self) -> None:
        """Make sure that no other gateway has this journal; raise if one has."""
        if self.shared:
            self._guard_postgresql()
        elif not self.in_memory and self._lock is None:
            self._guard_sqlite()

    def _guard_postgresql(self) -> None:
        try:
            self.connect()
        except Unavailable as error:
            raise ConfigurationError(str(error)) from error
        except NOT_NOW as error:
            raise Unavailable(f"journal: {of_database('', error)}") from error

    def _guard_sqlite(self) -> None:
        """Take the lock file; make the journal ours alone to read if it is new."""
        try:
            lock = open(self.path + ".lock", "a+")  # noqa: SIM115
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as error:
            raise ConfigurationError(f"journal: {of_file(self.path, error)}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise ConfigurationError(
                f"journal: {TAKEN}: {self.path} (process {holder})"
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def connect(self) -> None:
        """Open the connection (again)."""
        self._drop()
        if self.shared:
            self._connect_postgresql()
        else:
            self._connect_sqlite()
        self._cursor = self._connection.cursor()

    def _connect_sqlite(self) -> None:
        connection = sqlite3.connect(
            self.path or ":memory:",
            timeout=_BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        self._connection = connection
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={_BUSY_MS}",
            # SQLite 3.40 walks all of it at each commit; the kernel has the rest
            "cache_size=-8000",
            "temp_store=MEMORY",
            "wal_autocheckpoint=4000",
            "journal_size_limit=16777216",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if self._readonly:
            connection.execute("PRAGMA query_only=ON")

    def _connect_postgresql(self) -> None:
        self._connection = connection = connected(self.url, f"gdemoi {self.name}")
        if self._readonly:
            connection.execute("SET default_transaction_read_only = on")
            return
        # what is acknowledged is on the server's disk, whatever its default is
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
        # every statement of the writer goes by an index; a planner that has no
        # statistics yet would rather read whole tables
        for way in ("seqscan", "hashjoin", "mergejoin"):
            connection.execute(f"SET enable_{way} = off")
        row = connection.execute(
            "SELECT pg_try_advisory_lock(hashtextextended(%s, 1))",
            (f"gdemoi {self.name}",),
        ).fetchone()
        if row is None or not row[0]:
            self._drop()
            raise Unavailable(f"journal: {TAKEN}: gateway {self.name}")

    def begin(self) -> None:
        """Start a transaction; connect first where that is needed.

        One that only reads sees one snapshot of the database until it ends.
        """
        if self.lost:
            if self._files is not None:
                # before connecting: that would make a new, empty journal
                self._check_files()
            self.connect()
        if self.shared and self._readonly:
            # PostgreSQL's default would show each query what was committed before it;
            # SQLite shows a transaction one snapshot anyway
            self._cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        elif self.shared:
            self._cursor.execute("BEGIN")
            self._cursor.execute(f"SELECT pg_advisory_xact_lock({TURN})")
        else:
            self._cursor.execute("BEGIN" if self._readonly else "BEGIN IMMEDIATE")

    def commit(self) -> None:
        """End the transaction; what it wrote is on disk when this returns.

        Raises `Gone` when it was written to files that nobody will find again.
        """
        self._cursor.execute("COMMIT")
        if not (self.shared or self.in_memory or self._readonly):
            self._check_files()

    def _check_files(self) -> None:
        """See that the files have their names and length still; SQLite never looks."""
        try:
            file, log = os.stat(self._path), os.stat(self._path + "-wal")
        except FileNotFoundError as error:
            raise Gone(f"{error.filename} was deleted under the gateway") from error
        found = (file.st_dev, file.st_ino, log.st_dev, log.st_ino)
        size, before = file.st_size, self._size
        if size < before:
            see_that_it_is_whole(self._path, size)
        self._size = size
        if self._files is None:
            self._files = found
        elif found != self._files:
            raise Gone(f"{self._path} was replaced under the gateway")

    def checkpoint(self) -> None:
        """Carry the write-ahead log into the file, as far as readers let us.

        What stands in the log only is lost with it.
        """
        if not self.shared and self._connection is not None:
            self._cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def rollback(self) -> None:
        """Give the transaction up; a connection that cannot is dropped."""
        try:
            if self._connection is not None and self._in_transaction():
                self._cursor.execute("ROLLBACK")
            if self.shared and not self.lost and self._turned_readonly():
                # another server may answer now, or other settings hold
                self._drop()
        except _STUCK:
            self._drop()

    def _turned_readonly(self) -> bool:
        """Tell whether the server lets the writer read only; it tells us unasked."""
        status = self._connection.info.parameter_status
        return not self._readonly and "on" in (
            status("default_transaction_read_only"),
            status("in_hot_standby"),
        )

    def _in_transaction(self) -> bool:
        if self.shared:
            return bool(self._connection.info.transaction_status)
        return bool(self._connection.in_transaction)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run a query and return all its rows."""
        return list(self._cursor.execute(statement, values).fetchall())

    def select(self, clause: Select[Any]) -> list[Any]:
        """Run a query that is spelled on the spot."""
        compiled: Any = clause.compile(
            dialect=self.dialect, compile_kwargs={"render_postcompile": True}
        )
        values = [compiled.params[name] for name in compiled.positiontup or ()]
        return self.rows(str(compiled), values)

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it touched."""
        return int(self._cursor.execute(statement, values).rowcount)

    def many(self, statement: BulkStatements, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each of `rows`."""
        if self.shared:
            self._cursor.executemany(statement.single, rows)
            return
        execute, start = self._cursor.execute, 0
        for size in _SIZES:
            while len(rows) - start >= size:
                chunk = rows[start : start + size]
                execute(statement.of(size), list(chain.from_iterable(chunk)))
                start += size

    def update(self, statement: BulkStatements, rows: Sequence[Sequence[Any]]) -> None:
        """Run an update of rows that must be there."""
        before = None if self.shared else self._cursor.lastrowid
        self.many(statement, rows)
        if not self.shared and self._cursor.lastrowid != before:
            # only an INSERT that found no row moves it
            raise sqlite3.IntegrityError("a message's row has gone")

    def close(self) -> None:
        """Let go of the connection and of the lock."""
        self._drop()
        self._files, self._size = None, 0
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


MIGRATIONS: Final = Path(__file__).parent / "migrations"
# Two gateways that start together on one PostgreSQL must not both migrate.
_LOCK: Final = 0x6764656D6F6A


def migrate(url: str) -> None:
    """Create the tables, or change them to the newest version."""
    made = url_of(url)
    if made.get_backend_name() == "postgresql":
        engine = create_engine(
            "postgresql+psycopg://",
            poolclass=NullPool,
            creator=lambda: psycopg.connect(conninfo(made), connect_timeout=CONNECT_S),
        )
    else:
        engine = create_engine(made, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            upgrade(connection)
    except DBAPIError as error:
        path = made.database if made.get_backend_name() == "sqlite" else None
        why = of_database(path or "", error.orig or error)
        raise ConfigurationError(f"journal: {why}") from error
    finally:
        engine.dispose()


def upgrade(connection: Connection) -> None:
    """Run what is missing, in the transaction of `connection`."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    head = ScriptDirectory.from_config(config).get_current_head()
    if inspect(connection).has_table("alembic_version"):
        rows = connection.execute(text("SELECT version_num FROM alembic_version"))
        if rows.scalars().all() == [head]:
            return
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigurationError(
            f"journal: it was written by a newer gdemoi: {error}"
        ) from error


def create(database: Database) -> None:
    """Make the tables of a journal that lives in memory only."""
    database.connect()
    for table in metadata.sorted_tables:
        database.run(str(CreateTable(table).compile(dialect=database.dialect)))
        for index in table.indexes:
            database.run(str(CreateIndex(index).compile(dialect=database.dialect)))
