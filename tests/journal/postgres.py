"""A PostgreSQL database of its own for each test."""

from __future__ import annotations

import os
import secrets
from typing import Any
from unittest import TestCase

from tests.journal.builders import JournalTestCase
from tests.services import POSTGRES, require_postgres

HOST = f"{POSTGRES[0]}:{POSTGRES[1]}"
SERVER = os.environ.get("GDEMOI_POSTGRES", f"postgresql://postgres@{HOST}")


def fresh_database(case: TestCase) -> str:
    """Create a database, which is gone after the test; return its address."""
    require_postgres()
    import psycopg

    name = f"gdemoi_test_{secrets.token_hex(6)}"
    server = psycopg.connect(f"{SERVER}/postgres", autocommit=True)
    server.execute(f"CREATE DATABASE {name}")
    case.addCleanup(server.close)
    case.addCleanup(server.execute, f"DROP DATABASE {name} WITH (FORCE)")
    return f"{SERVER}/{name}"


class PostgresCase(JournalTestCase):
    """A journal on a fresh database."""

    def setUp(self) -> None:
        """Create the database."""
        self.url = fresh_database(self)
        super().setUp()

    def again(self, **settings: Any) -> None:
        """Close and open it once more."""
        self.did(self.journal.close())
        self.journal = self.opened(**settings)
