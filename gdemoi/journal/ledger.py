"""The writing side: what the jobs of one batch do, in one transaction.

This file knows how facts become rows: it loads the records that a batch is
about, lets `record` change them, and writes each changed record once, with its
events, by `executemany`.  It refuses to know threads and Deferreds.

Records of messages that are not over stay in memory between batches (bounded,
written through), except on PostgreSQL, where another gateway may write them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from gdemoi.journal.database import Database
from gdemoi.journal.entry import (
    WORDS,
    Entry,
    decode_message,
    decode_record,
    encode_record,
)
from gdemoi.journal.record import apply, begin, deadline
from gdemoi.journal.story import Told
from gdemoi.journal.telling import (
    Outboxed,
    encode_chunk,
    outboxed,
)
from gdemoi.life import (
    Acceptance,
    Duplicate,
    Fact,
    Reused,
    Taken,
    Verdict,
)
from gdemoi.message import (
    Report,
    State,
    provider_key,
)

# How many unfinished messages are kept in memory.
CACHED: Final = 20_000
# An attempt that is open needs no look before its message's expiry, and then seldom.
OPEN_LOOK_S: Final = 300.0
# How many events share a row.
CHUNK: Final = 100
_TAKEN: Final = Taken()
_LOAD_SIZES: Final = (256, 64, 16, 4, 1)


class Ledger:
    """Facts in, rows and events out; one transaction at a time."""

    def __init__(
        self,
        database: Database,
        *,
        owner: str,
        token: str,
        keep_s: float,
        receipt_ttl_s: float,
        cached: int = CACHED,
    ) -> None:
        self.database = database
        self.statements = database.statements
        self.owner = owner
        self.keep_s = keep_s
        self.receipt_ttl_s = receipt_ttl_s
        self.shared = database.shared
        self._cached = cached
        # makes ids that no other process makes
        self._token = token
        self._made = 0
        self._loads: dict[int, str] = {}
        self._live: dict[str, Entry] = {}
        self._by_provider: dict[tuple[str, str], Entry] = {}
        self.counters: dict[str, int] = {}
        self.unmatched_count = 0
        self.now = 0.0
        self._clear()

    def _clear(self) -> None:
        """Forget what the batch was about to write."""
        self._looked: set[str] = set()
        # provider keys that were looked up: their rows
        self._found: dict[tuple[str, str], list[Any]] = {}
        self._over: list[Entry] = []
        self._touched: dict[int, Entry] = {}
        self._provider_rows: list[tuple[str, str, int, str]] = []
        self._outbox: dict[str, list[Outboxed]] = defaultdict(list)
        self._cursor_rows: dict[str, str] = {}
        self._counted: dict[str, int] = {}
        # (owner, state before, state after) -> how many messages
        self._moves: dict[tuple[str, State | None, State], int] = {}
        self._lanes: dict[str, int] = {}

    # --- one transaction -------------------------------------------------

    def transact(
        self,
        work: Callable[[], Any],
        ids: Iterable[str],
        keys: Iterable[tuple[str, str]],
        now: float,
    ) -> Any:
        """Run `work` and commit all that it did, or nothing.

        `ids` are the messages that it is about, `keys` the (account, provider key)
        of its receipts: what is not in memory is read at once, not one by one.
        """
        self.now = now
        database = self.database
        try:
            database.begin()
            if self.shared:
                self._live.clear()
                self._by_provider.clear()
            if self.shared or not self.counters:
                self.load_counters()
            self._load(ids)
            if self.shared:
                self._look_up(keys)
            answers = work()
            lanes = self._flush()
            database.commit()
        except BaseException:
            self._abandon()
            raise
        events = self._outbox[self.owner]
        self._forget()
        return answers, events, lanes

    def load_counters(self) -> None:
        """Read the numbers that go on from batch to batch."""
        self.counters = dict(self.database.rows(self.statements.counters))
        self.unmatched_count = self.database.rows(self.statements.count_unmatched)[0][0]

    def _abandon(self) -> None:
        """Give up the batch: memory says again what the database says."""
        self.database.rollback()
        self._live.clear()
        self._by_provider.clear()
        self._clear()
        self.counters.clear()

    def _flush(self) -> dict[str, int]:
        """Write everything down; return how the backlogs changed."""
        lanes = self._lanes
        many, s = self.database.many, self.statements
        self._flush_inserts(lanes)
        self._flush_updates(lanes)
        self._flush_provider_ids()
        for (owner, before, after), count in self._moves.items():
            if before is not None:
                self.bump(f"state:{owner}:{before}", -count)
            self.bump(f"state:{owner}:{after}", count)
        if self._outbox:
            many(s.insert_events, self._chunks())
        if self._cursor_rows:
            owner = self.owner
            many(s.put_cursor, [(owner, k, v) for k, v in self._cursor_rows.items()])
        if self._counted:
            many(s.put_counter, list(self._counted.items()))
        return lanes

    def _flush_inserts(self, lanes: dict[str, int]) -> None:
        fresh = [entry for entry in self._touched.values() if entry.fresh]
        if fresh:
            self.database.many(
                self.statements.insert_message,
                [self._inserted(entry) for entry in fresh],
            )
            for entry in fresh:
                self._count(entry, lanes)
                # written, unless a later job of this batch changes it again
                del self._touched[entry.n]

    def _flush_updates(self, lanes: dict[str, int]) -> None:
        """Write changed records, each with as few columns as may be."""
        records: list[tuple[Any, ...]] = []
        ends: list[tuple[Any, ...]] = []
        rows: list[tuple[Any, ...]] = []
        for entry in self._touched.values():
            record = entry.record
            state = WORDS[record.state]
            encoded = encode_record(record)
            at = self._deadline(entry)
            moved = entry.moved()
            if not moved and at == entry.deadline:
                records.append((state, encoded, entry.n))
            elif not moved and at is None:
                ends.append((state, encoded, entry.n))
            else:
                waits = entry.waits()
                rows.append(
                    (state, record.channel, record.lane, waits, at, encoded, entry.n)
                )
            entry.deadline = at
            self._count(entry, lanes)
        s = self.statements
        for statement, values in (
            (s.update_record, records),
            (s.end_message, ends),
            (s.update_message, rows),
        ):
            if values:
                self.database.many(statement, values)

    def _deadline(self, entry: Entry) -> float | None:
        """Return when a sweep shall look at the message; rather early than late.

        A deadline that only moves away is left as it is in the row: a sweep finds
        nothing to do then, and writes the next one.
        """
        record = entry.record
        if record.final:
            return None
        at = deadline(record, self.receipt_ttl_s)
        known = entry.deadline
        if at is None:
            at = max(record.expires_at, self.now + OPEN_LOOK_S)
        if known is not None and self.now < known <= at:
            return known
        return at

    def _chunks(self) -> list[tuple[int, str, float, bytes]]:
        """Return the rows of the outbox; their time is that of the commit."""
        return [
            (chunk[-1].seq, owner, self.now, encode_chunk(chunk))
            for owner, rows in self._outbox.items()
            for chunk in (
                rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)
            )
        ]

    def _flush_provider_ids(self) -> None:
        if self._provider_rows:
            self.database.many(self.statements.insert_provider_id, self._provider_rows)
            self._provider_rows = []

    def _count(self, entry: Entry, lanes: dict[str, int]) -> None:
        """Carry what changed of an entry into counts and backlogs."""
        record = entry.record
        state, lane = record.state, record.lane
        if entry.state is not state:
            move = (entry.owner, entry.state, state)
            self._moves[move] = self._moves.get(move, 0) + 1
            entry.state = state
        if entry.lane != lane:
            if entry.owner == self.owner:
                if entry.lane is not None:
                    lanes[entry.lane] = lanes.get(entry.lane, 0) - 1
                if lane is not None:
                    lanes[lane] = lanes.get(lane, 0) + 1
            entry.lane = lane
        entry.channel = record.channel
        entry.due = record.due

    def _inserted(self, entry: Entry) -> tuple[Any, ...]:
        entry.deadline = self._deadline(entry)
        return entry.row()

    def _forget(self) -> None:
        """After the commit: keep in memory only what is not over."""
        live = self._live
        for entry in self._over:
            self.drop(entry)
        for looked in self._looked:
            found = live.get(looked)
            if found is not None and found.record.final:
                self.drop(found)
        while len(live) > self._cached:
            self.drop(next(iter(live.values())))
        self._clear()

    def drop(self, entry: Entry) -> None:
        """Let an entry go from memory."""
        self._live.pop(entry.id, None)
        for attempt in entry.record.attempts:
            for provider_id in attempt.provider_ids:
                key = (attempt.account or "", provider_id)
                if self._by_provider.get(key) is entry:
                    del self._by_provider[key]

    # --- loading ---------------------------------------------------------

    def _load(self, ids: Iterable[str]) -> None:
        """Read the records of `ids` that are not in memory."""
        live = self._live
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
            self._loads[size] = self.statements.messages_by_id(size)
        for row in self.database.rows(self._loads[size], ids):
            self.adopt(row)

    def _look_up(self, keys: Iterable[tuple[str, str]]) -> None:
        """Read the messages of many provider keys."""
        by_account: dict[str, set[str]] = defaultdict(set)
        for account, key in keys:
            by_account[account].add(key)
            self._found[account, key] = []
        for account, wanted in by_account.items():
            rest = sorted(wanted)
            for size in _LOAD_SIZES:
                while len(rest) >= size:
                    if -size not in self._loads:
                        self._loads[-size] = self.statements.messages_by_key(size)
                    for row in self.database.rows(
                        self._loads[-size], (account, *rest[:size])
                    ):
                        self._found[row[0], row[1]].append(row[1:])
                    rest = rest[size:]

    def found(self, account: str, key: str) -> list[Any]:
        """Return (key, provider id, message …) of all that have a provider key."""
        rows = self._found.get((account, key))
        if rows is None:
            # a query must see what this batch has not written yet
            self._flush_inserts(self._lanes)
            self._flush_provider_ids()
            find = self.statements.find_provider_id
            rows = self._found[account, key] = self.database.rows(find, (account, key))
        return rows

    def adopt(self, row: Sequence[Any]) -> Entry:
        """Return the entry of a row; what memory knows is newer."""
        found = self._live.get(row[0])
        if found is not None:
            return found
        _, owner, n, message, record, fingerprint, at = row[:7]
        entry = Entry(
            n,
            owner,
            decode_message(message),
            decode_record(record),
            bytes(fingerprint),
        )
        entry.deadline = at
        self._live[entry.id] = entry
        self._looked.add(entry.id)
        return entry

    def entry(self, message_id: str) -> Entry | None:
        """Return a message, read if need be."""
        if message_id not in self._live and message_id not in self._looked:
            self._load((message_id,))
        return self._live.get(message_id)

    # --- numbers and events ----------------------------------------------

    def bump(self, name: str, by: int) -> int:
        """Add to a counter and return it."""
        value = self.counters[name] = self.counters.get(name, 0) + by
        self._counted[name] = value
        return value

    def new_id(self) -> str:
        """Return an id that no other event or inbound SMS has."""
        self._made += 1
        return f"{self._token}-{self._made:x}"

    def publish(self, routing_key: str, event_id: str, body: bytes) -> None:
        """Put an event that is about no message into our outbox."""
        row = Outboxed(
            self.bump("seq", 1), event_id, routing_key=routing_key, body=body
        )
        self._outbox[self.owner].append(row)

    def changed(self, entry: Entry, told: Sequence[Told]) -> None:
        """Note that an entry must be written, with its new events."""
        self._touched[entry.n] = entry
        if entry.record.final:
            self._over.append(entry)
        message = entry.message
        report = message.report
        for event in told:
            event.event_id = self.new_id()
            if report is Report.ALL or (event.final and report is Report.FINAL):
                row = outboxed(self.bump("seq", 1), message, event)
                self._outbox[entry.owner].append(row)

    # --- the jobs --------------------------------------------------------

    def accept(self, batch: Sequence[Acceptance]) -> list[Verdict]:
        """Write new messages down."""
        return [self._accept(acceptance) for acceptance in batch]

    def _accept(self, acceptance: Acceptance) -> Verdict:
        message = acceptance.message
        known = self.entry(message.id)
        if known is not None:
            if known.fingerprint == acceptance.fingerprint:
                return Duplicate(known.record.state)
            return Reused()
        record, told = begin(acceptance)
        entry = Entry(
            self.bump("n", 1),
            self.owner,
            message,
            record,
            acceptance.fingerprint,
            fresh=True,
        )
        self._live[message.id] = entry
        self.changed(entry, told)
        return _TAKEN

    def note(self, fact: Fact) -> bool:
        """Record a fact; False when the message has moved past it."""
        entry = self.entry(fact.id)
        if entry is None:
            return False
        counted, told = apply(entry.record, fact)
        self.changed(entry, told)
        return counted

    def remove(self, entry: Entry) -> None:
        """Delete a message that is over, with its provider ids."""
        self.bump(f"state:{entry.owner}:{entry.state}", -1)
        self.drop(entry)
        self._found.clear()
        self._touched.pop(entry.n, None)
        self._flush_provider_ids()
        for attempt in entry.record.attempts:
            for provider_id in attempt.provider_ids:
                self.database.run(
                    self.statements.delete_provider_id,
                    (attempt.account or "", provider_key(provider_id), entry.n),
                )
        self.database.run(self.statements.delete_message, (entry.n,))

    def provided(self, entry: Entry, account: str, key: str, provider_id: str) -> None:
        """Keep a provider id, under the key by which receipts are found."""
        self._provider_rows.append((key, account, entry.n, provider_id))
        self._found.pop((account, key), None)
        if not entry.record.final:
            self._by_provider[account, provider_id] = entry

    def known_by(self, account: str, provider_id: str) -> Entry | None:
        """Return the unfinished message in memory that has this very id."""
        return self._by_provider.get((account, provider_id))

    def set_cursor(self, name: str, value: str) -> None:
        """Move a bookmark."""
        self._cursor_rows[name] = value
