"""Bring the journal's tables to the version that this gateway needs.

This file knows how to run Alembic from within; what changes from version to
version is written in `migrations/versions`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from gdemoi.errors import ConfigurationError
from gdemoi.journal.database import Database
from gdemoi.journal.faults import of_database
from gdemoi.journal.schema import events, metadata

MIGRATIONS: Final = Path(__file__).parent / "migrations"
# Two gateways that start together on one PostgreSQL must not both migrate.
_LOCK: Final = 0x6764656D6F6A


def migrate(url: str) -> None:
    """Create the tables, or change them to the newest version."""
    made = make_url(url)
    if made.get_backend_name() == "postgresql":
        made = made.set(drivername="postgresql+psycopg")
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
        if table is not events:
            for index in table.indexes:
                database.run(str(CreateIndex(index).compile(dialect=database.dialect)))
