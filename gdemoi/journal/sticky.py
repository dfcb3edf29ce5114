"""Which channel, line and sender a tracker knows: a table, and all of it in memory.

Trackers accept commands from numbers that they know, so a number that got commands one
way gets the next ones the same way, where that is asked for (`Sticky`).  What it rests
on, strongest first: set by hand; an answer came in there; delivered; submitted.  The
newest of equal strength counts.  A sender that the carrier refuses is forgotten.

Rows are written in the commit of what they rest on.  One that is forgotten stays as one
that is gone: gateways that share a journal read what has a higher version than they
have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from sqlalchemy import select

from gdemoi.contract.sticky import STRENGTH, Basis, KnownWay
from gdemoi.journal import schema as s
from gdemoi.journal.database import Database
from gdemoi.journal.message_cache import CachedMessage
from gdemoi.journal.stored_form import StoredEvent
from gdemoi.message import Inbound, MessageState, Outbound, is_sticky

if TYPE_CHECKING:
    from gdemoi.journal.transaction import Transaction

_VERSION: Final = "sticky"
_t = s.sticky.c
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(KnownWay).decode
_BASES: Final = {
    MessageState.SUBMITTED: Basis.SUBMITTED,
    MessageState.DELIVERED: Basis.DELIVERED,
}
# (account, number), version, way (None: forgotten)
Key = tuple[str, str]
Row = tuple[Key, int, KnownWay | None]


class KnownWays:
    """The ways in memory; `seen` is the version up to which all rows were read."""

    def __init__(self) -> None:
        self._rows: dict[Key, tuple[int, KnownWay | None]] = {}
        self.seen = 0

    def get(self, account: str | None, number: str) -> KnownWay | None:
        """Return the way to a number."""
        row = self._rows.get((account or "", number))
        return None if row is None else row[1]

    def take(self, rows: Iterable[Row]) -> None:
        """Take over rows that were committed; others may have been before them."""
        for key, version, way in rows:
            known = self._rows.get(key)
            if known is None or known[0] < version:
                self._rows[key] = (version, way)

    def read(self, rows: Sequence[Row]) -> None:
        """Take over all rows after `seen`, in the order of their versions."""
        self.take(rows)
        if rows:
            self.seen = rows[-1][1]


def went(
    transaction: Transaction, entry: CachedMessage, events: Sequence[StoredEvent]
) -> None:
    """Remember the way of a command that came there."""
    for event in events:
        basis = _BASES.get(event.state)
        if basis is not None and event.channel is not None:
            sender = entry.message.from_
            way = KnownWay(event.channel, event.line, sender, basis, event.at)
            learn(transaction, entry.message, way)


def answered(transaction: Transaction, entry: CachedMessage, inbound: Inbound) -> None:
    """Remember where an answer came in: that number is known to the tracker."""
    message = entry.message
    if not is_sticky(message):
        return
    last = entry.record.attempts[-1]
    here = last.channel == inbound.channel
    sender = message.from_ if here else None
    way = KnownWay(inbound.channel, inbound.line, sender, Basis.ANSWER, transaction.now)
    learn(transaction, message, way)


def mark(known_channel: str, events: Sequence[StoredEvent]) -> None:
    """Let events say that a command goes another way than its tracker knows."""
    for event in events:
        if event.attempt and event.channel not in (None, known_channel):
            event.changed_from = known_channel


def learn(transaction: Transaction, message: Outbound, way: KnownWay) -> None:
    """Remember a way, unless what is known rests on something stronger."""
    key = message.account or "", message.to
    known = _known(transaction, key)
    if known is not None:
        if STRENGTH[known.basis] > STRENGTH[way.basis]:
            return
        if known.goes_as(way) and known.basis is way.basis:
            return
    put(transaction, key, way)


def refused(transaction: Transaction, entry: CachedMessage, channel: str) -> None:
    """Forget a way whose sender the carrier refuses."""
    key = entry.message.account or "", entry.message.to
    known = _known(transaction, key)
    if known is not None and known.channel == channel and known.basis is not Basis.SET:
        put(transaction, key, None)


def _known(transaction: Transaction, key: Key) -> KnownWay | None:
    rows = transaction.database.rows(transaction.statements.find_sticky, key)
    if not rows or rows[0][0]:
        return None
    return _decode(rows[0][1])


def put(transaction: Transaction, key: Key, way: KnownWay | None) -> None:
    """Write down the way to a number, or (None) that there is none any more."""
    version = transaction.bump(_VERSION, 1)
    gone = way is None
    kept = KnownWay("", None, None) if way is None else way
    row = (*key, version, int(gone), _encode(kept))
    transaction.database.run(transaction.statements.put_sticky, row)
    transaction.ways.append((key, version, way))


def changed_since(database: Database, version: int) -> list[Row]:
    """Read what was learned after a version, in that order."""
    rows = database.select(
        select(_t.account, _t.number, _t.version, _t.gone, _t.way)
        .where(_t.version > version)
        .order_by(_t.version)
    )
    return [((a, n), v, None if gone else _decode(w)) for a, n, v, gone, w in rows]
