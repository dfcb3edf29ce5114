"""Queries: the head of a lane, the outbox, a message's story, a search, counts.

They run on a connection of their own, so that reads never block writes; each sees one
snapshot of what has been committed, and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, func, select

from gdemoi.contract.event_json import plain
from gdemoi.contract.figures import StoredFigures
from gdemoi.facts import InterruptedAttempt, OutboxEvent, QueuedBatch, QueuedMessage
from gdemoi.journal import schema as s
from gdemoi.journal.answers import event_of as answer_event
from gdemoi.journal.database import Database
from gdemoi.journal.receipts import decode_receipt
from gdemoi.journal.stored_form import (
    MessageRecord,
    StoredAttempt,
    StoredReceipt,
    decode_message,
    decode_record,
    events_of,
    status_event,
    uncertain_attempts_of,
)
from gdemoi.message import Outbound, Receipt
from gdemoi.moments import rfc3339

SEARCH_LIMIT: Final = 1_000
# rows that one search for a text looks through
TEXT_SEARCH_LIMIT: Final = 2_000
# rows of the outbox that are read at a time
_CHUNKS: Final = 32
_NULL: Final = msgspec.Raw(b"null")
_INBOUND: Final = "inbound."
_m = s.messages.c
_COLUMNS: Final = {
    "to": _m.recipient,
    "from": _m.sender,
    "state": _m.state,
    "channel": _m.channel,
}


class Queries:
    """What may be read; each method runs as a job in the reading thread."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    def take(
        self, channel: str, limit: int, now: float, skip: frozenset[str]
    ) -> QueuedBatch:
        """Read what is due in a lane at `now`, by priority, then by age.

        Rows whose `due` is 0 are in that order in the index.  Those that became due
        since the last sweep (`expiry.promote`) are not: they are merged in.
        """
        here = (_m.lane == channel, _m.lane.is_not(None))
        head = select(_m.rank, _m.n, _m.id, _m.message, _m.record).where(*here)
        count = limit + len(skip)
        ready = head.where(_m.due == 0).order_by(_m.rank, _m.n).limit(count)
        risen = head.where(_m.due > 0, _m.due <= now).order_by(_m.due).limit(count)
        rows = [*self._database.select(ready), *self._database.select(risen)]
        rows.sort(key=lambda row: (row[0], row[1]))
        rows = [row for row in rows if row[2] not in skip][:limit]
        return QueuedBatch(
            [self._queued(row[3], row[4], channel) for row in rows],
            self._next_due(channel, now),
        )

    @staticmethod
    def _queued(message: bytes, record_bytes: bytes, channel: str) -> QueuedMessage:
        record = decode_record(record_bytes)
        return QueuedMessage(
            decode_message(message),
            channel,
            record.tried,
            record.due,
            record.attempt,
            uncertain_attempts_of(record),
            record.progress,
        )

    def _next_due(self, channel: str, after: float) -> float | None:
        """Return the earliest due time in a lane that is later than `after`."""
        rows = self._database.select(
            select(func.min(_m.due)).where(
                _m.lane == channel,
                _m.lane.is_not(None),
                _m.due > after,
                _m.due > 0,
            )
        )
        return None if rows[0][0] is None else float(rows[0][0])

    def ahead_s(self, seconds: Callable[[], float]) -> float:
        """Return how far the server's clock is ahead of one of ours, in seconds."""
        began = seconds()
        now = func.extract("epoch", func.clock_timestamp())
        [row] = self._database.select(select(now))
        return float(row[0]) - (began + seconds()) / 2

    def backlog(self) -> dict[str, int]:
        """Count what waits, by lane."""
        rows = self._database.select(
            select(_m.lane, func.count()).where(_m.lane.is_not(None)).group_by(_m.lane)
        )
        return {lane: int(count) for lane, count in rows}

    def figures(self, now: float) -> StoredFigures:
        """Return what is counted by queries alone."""
        return StoredFigures(
            states=self.counts(),
            unmatched=self.count_unmatched(),
            oldest_s={lane: self._oldest_s(lane, now) for lane in self.backlog()},
            octets=self._octets(),
        )

    def _oldest_s(self, lane: str, now: float) -> float:
        """Return how long the oldest message of a lane waits that could leave, in s.

        Its age begins with its acceptance, or when it was to leave (`not_before`).
        """
        here = (_m.lane == lane, _m.lane.is_not(None))
        ready, risen = (_m.due == 0,), (_m.due > 0, _m.due <= now)
        oldest_s = 0.0
        for due in (ready, risen):
            first = select(func.min(_m.n)).where(*here, *due).scalar_subquery()
            rows = self._database.select(select(_m.message).where(_m.n == first))
            for (body,) in rows:
                message = decode_message(body)
                since = max(message.accepted_at, message.not_before or 0.0)
                oldest_s = max(oldest_s, now - since)
        return oldest_s

    def _octets(self) -> int:
        """Return the size of the journal: its files, or its tables with indexes."""
        database = self._database
        if database.shared:
            sizes = select(
                *[
                    func.pg_total_relation_size(one.name)
                    for one in s.metadata.sorted_tables
                ]
            )
            return sum(int(size) for size in database.select(sizes)[0])
        found = 0
        for path in (database.path, f"{database.path}-wal"):
            if database.path and os.path.exists(path):
                found += os.path.getsize(path)
        return found

    def interrupted(
        self, channels: Collection[str] | None = None
    ) -> list[InterruptedAttempt]:
        """Read the attempts that have no outcome, and those of held messages.

        Those on `channels` alone, or (None) all.
        """
        of_channels = () if channels is None else (_m.channel.in_(channels),)
        rows = self._database.select(
            select(_m.message, _m.record)
            .where(_m.deadline.is_not(None), *of_channels)
            .order_by(_m.n)
        )
        found = []
        for message, record_bytes in rows:
            record = decode_record(record_bytes)
            held = record.held_until is not None
            if record.open or (held and record.attempts):
                last = record.attempts[-1]
                found.append(
                    InterruptedAttempt(
                        decode_message(message),
                        last.channel,
                        last.number,
                        record.tried,
                        held,
                        last.provider_ids,
                        uncertain_attempts_of(record),
                        record.progress,
                    )
                )
        return found

    def events(self, after: int, limit: int) -> list[OutboxEvent]:
        """Read the outbox in order."""
        e = s.events.c
        found: list[OutboxEvent] = []
        more = True
        while more and len(found) < limit:
            rows = self._database.select(
                select(e.seq, e.body)
                .where(e.seq > after)
                .order_by(e.seq)
                .limit(min(limit, _CHUNKS))
            )
            for seq, body in rows:
                found += [event for event in events_of(body) if event.seq > after]
                after = seq
            more = len(rows) == _CHUNKS
        return found[:limit]

    def inbound_of(
        self, sender: str, since: float, until: float, limit: int
    ) -> list[OutboxEvent]:
        """Read the inbound SMS of a number from the outbox, the oldest first.

        The times are those of commits.  No index knows senders: a number of rows is
        looked through.
        """
        e = s.events.c
        rows = self._database.select(
            select(e.body)
            .where(e.owner == self._owner, e.at >= since, e.at < until)
            .order_by(e.seq)
            .limit(TEXT_SEARCH_LIMIT)
        )
        return [
            event
            for (body,) in rows
            for event in events_of(body)
            if event.routing_key.startswith(_INBOUND) and _is_from(event, sender)
        ][:limit]

    def last_seq(self) -> int:
        """Return the number of the newest event."""
        e = s.events.c
        rows = self._database.select(select(func.max(e.seq)))
        return int(rows[0][0] or 0)

    def newest_seq(self) -> int:
        """Return the highest number that an event ever had; events are swept away."""
        c = s.counters.c
        rows = self._database.select(select(c.value).where(c.name == "seq"))
        return int(rows[0][0]) if rows else 0

    def cursor(self, name: str) -> str | None:
        """Read a cursor."""
        c = s.cursors.c
        owner = self._owner if name.startswith(s.PRIVATE) else ""
        rows = self._database.select(
            select(c.value).where(c.owner == owner, c.name == name)
        )
        return str(rows[0][0]) if rows else None

    def counts(self) -> dict[str, int]:
        """Return how many messages stand in each state."""
        c = s.counters.c
        prefix = "state::"
        rows = self._database.select(select(c.name, c.value))
        return {
            name.removeprefix(prefix): int(value)
            for name, value in rows
            if name.startswith(prefix) and value
        }

    def unmatched(self, limit: int) -> list[tuple[float, Receipt]]:
        """Read the newest receipts that matched nothing, with their times."""
        u = s.unmatched.c
        rows = self._database.select(
            select(u.at, u.receipt).order_by(u.at.desc()).limit(limit)
        )
        return [(float(at), decode_receipt(body)) for at, body in rows]

    def count_unmatched(self) -> int:
        """Return how many receipts matched nothing and are still kept."""
        [row] = self._database.select(select(func.count()).select_from(s.unmatched))
        return int(row[0])

    def story(self, message_id: str) -> dict[str, Any] | None:
        """Return a message and all that happened to it; None: unknown.

        JSON-ready, as in docs/events.rst, "The story of a message".
        """
        rows = self._database.select(
            select(_m.owner, _m.message, _m.record).where(_m.id == message_id)
        )
        if not rows:
            return None
        owner, message_bytes, record_bytes = rows[0]
        message, record = decode_message(message_bytes), decode_record(record_bytes)
        return {
            **summary(message, record),
            "gateway": owner or None,
            "message": _message_json(message),
            "tried": list(record.tried),
            "due": rfc3339(record.due) if record.lane and record.due else None,
            "events": [
                plain(
                    status_event(
                        message.id, _NULL, event, message.account, message.traceparent
                    )
                )
                | {"correlation": message.correlation}
                for event in record.events
            ],
            "attempts": [_attempt_json(attempt) for attempt in record.attempts],
            "provider_ids": [i for a in record.attempts for i in a.provider_ids],
            "receipts": [_receipt_json(receipt) for receipt in record.receipts],
            "answers": [plain(answer_event(message, one)) for one in record.answers],
            "omitted": record.omitted,
        }

    def search(
        self, filters: Mapping[str, Any], limit: int, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Find messages, newest first.

        `filters`: to, from, state, channel (exact), since, until (seconds, of the
        acceptance), text (part of it, in any case).  The second value is the cursor of
        the next page, if any.
        """
        limit = max(1, min(limit, SEARCH_LIMIT))
        filters = dict(filters)
        part = filters.pop("text", None)
        query = select(_m.n, _m.message, _m.record).where(*_conditions(filters))
        if cursor is not None:
            # more digits than a row number has would not fit its column
            if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
                raise ValueError("cursor: not one of ours")
            query = query.where(_m.n < int(cursor))
        query = query.order_by(_m.n.desc())
        if part is not None:
            return self._with_text(query, part.casefold(), limit)
        rows = self._database.select(query.limit(limit + 1))
        found = [summary(decode_message(m), decode_record(r)) for _, m, r in rows]
        more = len(rows) > limit
        return found[:limit], str(rows[limit - 1][0]) if more else None

    def _with_text(
        self, query: Select[Any], part: str, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Look through the newest messages of a query for a text.

        No index knows texts, and dispatching waits for reads: after a number of rows
        the page ends, and the next one goes on.
        """
        rows = self._database.select(query.limit(TEXT_SEARCH_LIMIT + 1))
        found: list[dict[str, Any]] = []
        for place, (n, body, record) in enumerate(rows):
            message = decode_message(body)
            if part in (message.text or "").casefold():
                found.append(summary(message, decode_record(record)))
            last = place + 1 == len(rows)
            if not last and (len(found) == limit or place + 1 == TEXT_SEARCH_LIMIT):
                return found, str(n)
        return found, None


def _is_from(event: OutboxEvent, sender: str) -> bool:
    # most are of somebody else: they are not decoded
    return sender.encode() in event.body and (
        msgspec.json.decode(event.body).get("from") == sender
    )


def _message_json(message: Outbound) -> dict[str, Any]:
    """Return a message JSON-ready, its correlation as the platform wrote it.

    That is not decoded: a number in it may be larger than a float holds (1e999).
    """
    found: dict[str, Any] = plain(msgspec.structs.replace(message, correlation=_NULL))
    if message.correlation != _NULL:
        found["correlation"] = message.correlation
    return found


def _conditions(filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return what a search asks for, as SQL."""
    conditions: list[ColumnElement[bool]] = []
    for name, value in filters.items():
        if value is None:
            continue
        if name == "since":
            conditions.append(_m.accepted_at >= value)
        elif name == "until":
            conditions.append(_m.accepted_at < value)
        elif name in _COLUMNS:
            conditions.append(_COLUMNS[name] == value)
        else:
            raise ValueError(f"no filter is called {name}")
    return conditions


def summary(message: Outbound, record: MessageRecord) -> dict[str, Any]:
    """Return the main fields of a message and its state, JSON-ready."""
    last = record.events[-1] if record.events else None
    return {
        "id": message.id,
        "state": record.state.value,
        "final": record.final,
        "to": message.to,
        "from": message.from_,
        "class": message.class_.value,
        "account": message.account,
        "channel": record.channel,
        "attempts_made": record.attempt,
        "segments": dict(
            zip(
                ("total", "submitted", "delivered", "failed"),
                last.segments if last else (0, 0, 0, 0),
                strict=True,
            )
        ),
        "accepted_at": rfc3339(message.accepted_at),
        "expires_at": rfc3339(message.expires_at),
        "at": rfc3339(record.at),
        "error": None if record.error is None else msgspec.to_builtins(record.error),
    }


def _attempt_json(attempt: StoredAttempt) -> dict[str, Any]:
    answered = attempt.answered_at
    return {
        "attempt": attempt.number,
        "channel": attempt.channel,
        "line": attempt.line,
        "account": attempt.account,
        "at": rfc3339(attempt.at),
        "answered_at": None if answered is None else rfc3339(answered),
        "outcome": attempt.outcome,
        "segments": attempt.segments,
        "provider_ids": list(attempt.provider_ids),
        "receipts": [
            None if state is None else state.value for state in attempt.states
        ],
        "error": plain(attempt.error),
    }


def _receipt_json(receipt: StoredReceipt) -> dict[str, Any]:
    return {
        "at": rfc3339(receipt.at),
        "channel": receipt.channel,
        "provider_id": receipt.provider_id,
        "state": receipt.state.value,
        "counted": receipt.counted,
        "error": plain(receipt.error),
        "stamp": None if receipt.stamp is None else rfc3339(receipt.stamp),
        "matched_by": receipt.by or receipt.provider_id,
        "raw": receipt.raw,
        "verified": receipt.verified,
    }
