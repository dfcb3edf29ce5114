"""Messages in memory, by our own id and by provider id, read from their rows on demand.

At hand without a query are unfinished messages (a bounded number, written through),
and what the running batch has read.  On PostgreSQL nothing is kept from one batch to
the next, since another gateway may write the row in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from gdemoi.journal.database import Database
from gdemoi.journal.stored_form import (
    WORDS,
    MessageRecord,
    blob,
    decode_message,
    decode_record,
    encode_message,
    encode_record,
)
from gdemoi.journal.turns import held_until
from gdemoi.message import MessageState, Outbound


class CachedMessage:
    """One message in memory, with the values of its row that are compared."""

    __slots__ = (
        "begun",
        "channel",
        "deadline",
        "due",
        "fingerprint",
        "fresh",
        "hold",
        "id",
        "lane",
        "message",
        "n",
        "owner",
        "record",
        "state",
    )

    def __init__(
        self,
        n: int,
        owner: str,
        message: Outbound,
        record: MessageRecord,
        fingerprint: bytes,
        fresh: bool = False,
    ) -> None:
        self.n = n
        self.id = message.id
        self.owner = owner
        self.message = message
        self.record = record
        self.fingerprint = fingerprint
        self.fresh = fresh
        # as in the row: what differs from `record` at the end of a batch is written
        self.lane = None if fresh else record.lane
        self.state: MessageState | None = None if fresh else record.state
        self.channel = record.channel
        self.due = record.due
        self.deadline: float | None = None
        # of a command, as in its row of `turns`
        self.hold: float | None = None
        self.begun = False

    def moved(self) -> bool:
        """Tell whether lane, channel or due time differ from the row."""
        record = self.record
        return (
            self.lane != record.lane
            or self.channel != record.channel
            or (self.due != record.due and record.lane is not None)
        )

    def waits(self) -> float:
        """Return the column `due`: when it may leave, 0 for at once."""
        record = self.record
        return record.due if record.due > record.at else 0.0

    def row(self) -> tuple[Any, ...]:
        """Return the whole row of a new message, in the order of the table."""
        message, record = self.message, self.record
        self.fresh = False
        return (
            self.n,
            message.id,
            self.owner,
            blob(self.fingerprint),
            WORDS[record.state],
            record.channel,
            message.from_,
            message.to,
            message.accepted_at,
            record.lane,
            self.waits(),
            # one ascending index gives the order of a lane
            9 - message.priority,
            self.deadline,
            blob(encode_message(message)),
            blob(encode_record(record)),
        )


# How many unfinished messages are kept in memory.
CACHED: Final = 20_000
_LOAD_SIZES: Final = (256, 64, 16, 4, 1)


class MessageCache:
    """Entries by id and by provider id."""

    def __init__(self, database: Database, cached: int) -> None:
        self._database = database
        self._cached = cached
        self._loads: dict[int, str] = {}
        self.live: dict[str, CachedMessage] = {}
        # of unfinished messages, by (account, provider id as it was spelled)
        self.by_provider: dict[tuple[str, str], CachedMessage] = {}
        # provider keys that this batch has looked up: their rows
        self.found: dict[tuple[str, str], list[Any]] = {}
        # what this batch has asked for, and what it has read
        self._looked: set[str] = set()
        self._read_now: list[CachedMessage] = []

    def clear(self) -> None:
        """Forget everything."""
        self.live.clear()
        self.by_provider.clear()
        self._next()

    def _next(self) -> None:
        self.found = {}
        self._looked = set()
        self._read_now = []

    def forget(self, over: Iterable[CachedMessage]) -> None:
        """After a commit: drop final messages, and the oldest above the limit."""
        live = self.live
        for entry in over:
            self.drop(entry)
        for entry in self._read_now:
            if entry.record.final:
                self.drop(entry)
        while len(live) > self._cached:
            self.drop(next(iter(live.values())))
        self._next()

    def drop(self, entry: CachedMessage) -> None:
        """Remove an entry and its provider ids."""
        self.live.pop(entry.id, None)
        by_provider = self.by_provider
        for attempt in entry.record.attempts:
            for provider_id in attempt.provider_ids:
                key = (attempt.account or "", provider_id)
                if by_provider.get(key) is entry:
                    del by_provider[key]

    def load(self, ids: Iterable[str]) -> None:
        """Read the messages of `ids` that are not in memory, many per query."""
        live = self.live
        wanted = list({i for i in ids if i not in live})
        self._looked.update(wanted)
        start = 0
        for size in _LOAD_SIZES:
            while len(wanted) - start >= size:
                self._read(wanted[start : start + size])
                start += size

    def _read(self, ids: Sequence[str]) -> None:
        size = len(ids)
        if size not in self._loads:
            self._loads[size] = self._database.statements.messages_by_id(size)
        for row in self._database.rows(self._loads[size], ids):
            self.adopt(row)

    def look_up(self, keys: Iterable[tuple[str, str]]) -> None:
        """Read the rows of many (account, provider key) into `found`."""
        by_account: dict[str, set[str]] = defaultdict(set)
        for account, key in keys:
            by_account[account].add(key)
            self.found[account, key] = []
        for account, wanted in by_account.items():
            rest = sorted(wanted)
            for size in _LOAD_SIZES:
                while len(rest) >= size:
                    if -size not in self._loads:
                        spelled = self._database.statements.messages_by_key(size)
                        self._loads[-size] = spelled
                    for row in self._database.rows(
                        self._loads[-size], (account, *rest[:size])
                    ):
                        self.found[row[0], row[1]].append(row[1:])
                    rest = rest[size:]

    def adopt(self, row: Sequence[Any]) -> CachedMessage:
        """Return the entry of a row; one that is in memory is newer than its row."""
        found = self.live.get(row[0])
        if found is not None:
            return found
        _, owner, n, message, record, fingerprint, at = row[:7]
        entry = CachedMessage(
            n,
            owner,
            decode_message(message),
            decode_record(record),
            bytes(fingerprint),
        )
        entry.deadline = at
        if entry.message.in_turn:
            entry.hold = held_until(entry.message, entry.record)
            entry.begun = entry.record.attempt > 0
        self.live[entry.id] = entry
        self._looked.add(entry.id)
        self._read_now.append(entry)
        return entry

    def entry(self, message_id: str) -> CachedMessage | None:
        """Return a message by id, from memory or its row; None: there is none."""
        found = self.live.get(message_id)
        if found is None and message_id not in self._looked:
            self.load((message_id,))
            found = self.live.get(message_id)
        return found
