"""The migrations and the schema say the same."""

from __future__ import annotations

import os

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import ConfigurationError
from gdemoi.journal.database import migrate
from gdemoi.journal.schema import metadata


class MigrationTests(SynchronousTestCase):
    def test_migrations_build_the_schema(self) -> None:
        """Alembic finds nothing to do after the migrations; twice is no harm."""
        url = f"sqlite:///{os.path.abspath(self.mktemp())}"
        migrate(url)
        migrate(url)
        engine = create_engine(url)
        self.addCleanup(engine.dispose)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            # the only difference: an index that PostgreSQL alone has
            missing = [
                (change, thing.name)
                for change, thing in compare_metadata(context, metadata)
            ]
            self.assertEqual(missing, [("add_index", "turns_recipient")])

    def test_a_file_that_is_no_database(self) -> None:
        """The configuration names the wrong file; it is left as it is."""
        path = self.mktemp()
        with open(path, "w") as file:
            file.write("[gateway]\nname = gdemoi-1\n" * 100)
        error = self.assertRaises(
            ConfigurationError, migrate, f"sqlite:///{os.path.abspath(path)}"
        )
        self.assertIn("not a database", str(error))
