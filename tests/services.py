"""PostgreSQL and RabbitMQ for tests: there, or skipped with one clear line.

With ``GDEMOI_REQUIRE_SERVICES=1`` (continuous integration) a missing service is
a failure, so that nothing is skipped unseen.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from unittest import SkipTest

POSTGRES = ("127.0.0.1", 5432)
RABBITMQ = ("127.0.0.1", 5672)


@cache
def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def _require(name: str, address: tuple[str, int]) -> None:
    if _listens(*address):
        return
    line = f"{name} is not listening on {address[0]}:{address[1]}"
    if os.environ.get("GDEMOI_REQUIRE_SERVICES") == "1":
        raise AssertionError(line)
    raise SkipTest(line)


def require_postgres() -> None:
    """Skip the test (or fail it, see above) without PostgreSQL."""
    _require("PostgreSQL", POSTGRES)


def require_rabbitmq() -> None:
    """Skip the test (or fail it, see above) without RabbitMQ."""
    _require("RabbitMQ", RABBITMQ)
