"""What is set for single trackers: a table, and all of it in memory.

A number is looked up for each command, so the rows are read once, at the start.  A row
that is taken away stays as one that is gone: gateways that share a journal read what
has a higher version than they have seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import select

from gdemoi.contract.trackers import TrackerSetting
from gdemoi.journal import schema as s
from gdemoi.journal.database import Database
from gdemoi.journal.transaction import Transaction

_VERSION: Final = "trackers"
_t = s.trackers.c
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(TrackerSetting).decode
# number, version, setting (None: gone)
Row = tuple[str, int, TrackerSetting | None]


class KnownTrackers:
    """The settings in memory; `seen` is the version up to which all rows were read."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[int, TrackerSetting | None]] = {}
        self.seen = 0

    def get(self, number: str) -> TrackerSetting | None:
        """Return what is set for a number."""
        row = self._rows.get(number)
        return None if row is None else row[1]

    def take(self, row: Row) -> None:
        """Take over one row that was committed; others may have been before it."""
        number, version, setting = row
        known = self._rows.get(number)
        if known is None or known[0] < version:
            self._rows[number] = (version, setting)

    def read(self, rows: Iterable[Row]) -> None:
        """Take over all rows after `seen`, in the order of their versions."""
        for row in rows:
            self.take(row)
            self.seen = row[1]


def put(transaction: Transaction, number: str, setting: TrackerSetting | None) -> Row:
    """Write down what is set for a number, or (None) that nothing is any more."""
    version = transaction.bump(_VERSION, 1)
    gone = setting is None
    kept = TrackerSetting(None) if setting is None else setting
    transaction.database.run(
        transaction.statements.put_tracker, (number, version, int(gone), _encode(kept))
    )
    return number, version, setting


def changed_since(database: Database, version: int) -> list[Row]:
    """Read what was set after a version, in that order."""
    rows = database.select(
        select(_t.number, _t.version, _t.gone, _t.setting)
        .where(_t.version > version)
        .order_by(_t.version)
    )
    return [(n, v, None if gone else _decode(kept)) for n, v, gone, kept in rows]


def page(
    database: Database, limit: int, cursor: str | None
) -> tuple[list[tuple[str, TrackerSetting]], str | None]:
    """Read settings in the order of their numbers, and the cursor of what follows."""
    query: Any = select(_t.number, _t.setting).where(_t.gone == 0)
    if cursor is not None:
        query = query.where(_t.number > cursor)
    rows = database.select(query.order_by(_t.number).limit(limit + 1))
    found = [(number, _decode(kept)) for number, kept in rows[:limit]]
    return found, found[-1][0] if len(rows) > limit else None
