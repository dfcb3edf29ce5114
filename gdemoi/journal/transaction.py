"""One transaction per batch: facts change records, and changed records become rows.

The jobs of a batch change messages in memory (message_state.py).  At the end each
changed record is written once, with its events, provider ids and counters, many rows
by one statement; then the transaction is committed.  A fault undoes all of it, in
memory too.  This is code of the writing thread: no Deferreds, no reactor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from gdemoi.contract.figures import JournalFigures
from gdemoi.facts import (
    Acceptance,
    AcceptResult,
    AttemptEnded,
    AttemptStarted,
    Duplicate,
    Fact,
    Holding,
    IdReused,
    MessageStep,
    Spend,
    Step,
    Stored,
)
from gdemoi.facts import (
    Final as Ended,
)
from gdemoi.journal import sticky, turns
from gdemoi.journal.answers import AnsweringRules
from gdemoi.journal.database import Database
from gdemoi.journal.leases import CHANNEL, NEWS, TOLD_AT_ONCE, News, encode_news
from gdemoi.journal.message_cache import CACHED, CachedMessage, MessageCache
from gdemoi.journal.message_state import apply, begin, deadline
from gdemoi.journal.schema import PRIVATE
from gdemoi.journal.stored_form import (
    WORDS,
    OutboxRow,
    StoredEvent,
    blob,
    encode_chunk,
    encode_record,
)
from gdemoi.message import (
    MessageClass,
    MessageState,
    Refused,
    Report,
    Scope,
    is_sticky,
    provider_key,
    why_stopped,
)

# An attempt that is open needs no look before its message's expiry, and then seldom.
OPEN_LOOK_S: Final = 300.0
# How many events share a row.
CHUNK: Final = 100
_TAKEN: Final = Stored()
_WAITS: Final = Stored(waits=True)
_NOTIFICATION: Final = MessageClass.NOTIFICATION
_NOT_OURS: Final = Stored(began=False)
_ALL: Final = Report.ALL
_FINAL: Final = Report.FINAL


class Transaction:
    """What the jobs of a batch write to; one transaction at a time."""

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
        self.cache = MessageCache(database, cached)
        self.owner = owner
        self.keep_s = keep_s
        self.receipt_ttl_s = receipt_ttl_s
        self.shared = database.shared
        # among gateways that own channels by leases; see leases.py
        self.is_member = False
        # makes ids that no other process makes
        self._prefix = f"{token}-"
        self._made = 0
        self.figures = JournalFigures()
        # somebody wants to hear of each step of a message
        self.keeps_steps = False
        self.counters: dict[str, int] = {}
        # the same as their rows say
        self._counted: dict[str, int] = {}
        self._committed_steps: list[Step] = []
        self.unmatched_count = 0
        self.answer_rules = AnsweringRules()
        self.now = 0.0
        self._clear()

    def _clear(self) -> None:
        """Forget what the batch was about to write."""
        self._over: list[CachedMessage] = []
        self._touched: dict[int, CachedMessage] = {}
        # those of them that go one at a time with others to their number
        self._in_turn: dict[int, CachedMessage] = {}
        self._holding: list[Holding] = []
        # of trackers, that were learned or forgotten
        self.ways: list[sticky.Row] = []
        self._provider_rows: list[tuple[str, str, int, str]] = []
        self._outbox: list[OutboxRow] = []
        self._cursor_rows: dict[str, str] = {}
        # (line, period) -> segments, and when the period ends
        self._spent: dict[tuple[str, str], tuple[int, float]] = {}
        # (state before, state after) -> how many messages
        self._moves: dict[tuple[MessageState | None, MessageState], int] = {}
        self._held: frozenset[str] | None = None
        self._lanes: dict[str, int] = {}
        # what is counted once it is committed
        self._new_events: list[StoredEvent] = []
        self.steps: list[Step] = []
        self._receipt_waits: list[tuple[str, float]] = []

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
                self.cache.clear()
            if self.shared or not self.counters:
                self.load_counters()
            self.cache.load(ids)
            if self.shared:
                self.cache.look_up(keys)
            answers = work()
            lanes = self._flush()
            database.commit()
        except BaseException:
            self._abandon()
            raise
        events, holding = self._outbox, self._holding
        ways = self.ways
        self._counted = dict(self.counters)
        self._count_figures()
        self._committed_steps = self.steps
        self.cache.forget(self._over)
        self._clear()
        return answers, events, lanes, holding, ways

    def _count_figures(self) -> None:
        figures = self.figures
        if self._new_events:
            figures.states.update(
                [(one.channel, one.state) for one in self._new_events]
            )
            for event in self._new_events:
                if event.error is not None:
                    figures.errors[event.channel] = (event.at, event.error)
        for channel, seconds in self._receipt_waits:
            figures.waited_for_receipt(channel, seconds)

    def load_counters(self) -> None:
        """Read the counters, which are kept in memory from batch to batch."""
        self.counters = dict(self.database.rows(self.statements.counters))
        for name in ("n", "seq"):
            self.counters.setdefault(name, 0)
        self._counted = dict(self.counters)
        self.unmatched_count = self.database.rows(self.statements.count_unmatched)[0][0]

    def _abandon(self) -> None:
        """Roll back, and forget everything in memory that may differ from the rows."""
        self.database.rollback()
        self.cache.clear()
        self._clear()
        self.counters.clear()

    def _flush(self) -> dict[str, int]:
        """Write everything down; return how the backlogs changed."""
        many, s = self.database.many, self.statements
        self._flush_inserts()
        self._flush_updates()
        self._flush_provider_ids()
        self.flush_turns()
        for (before, after), count in self._moves.items():
            if before is not None:
                self.bump(f"state::{before}", -count)
            self.bump(f"state::{after}", count)
        if self._outbox:
            many(s.insert_events, self._chunks())
        if self._spent:
            many(s.spend, [(*at, *spent) for at, spent in self._spent.items()])
        if self._cursor_rows:
            rows = [(self.keeper(k), k, v) for k, v in self._cursor_rows.items()]
            many(s.put_cursor, rows)
        if self.counters != self._counted:
            known = self._counted.get
            many(
                s.put_counter,
                [(k, v) for k, v in self.counters.items() if known(k) != v],
            )
        if self.is_member:
            self._wake_others()
        return self._lanes

    def _flush_inserts(self) -> None:
        touched = self._touched
        fresh = [entry for entry in touched.values() if entry.fresh]
        if fresh:
            rows = []
            for entry in fresh:
                entry.deadline = self._deadline(entry)
                rows.append(entry.row())
                self._count(entry)
                # written, unless a later job of this batch changes it again
                del touched[entry.n]
            self.database.many(self.statements.insert_message, rows)

    def _flush_updates(self) -> None:
        """Write changed records, each with as few columns as may be."""
        records: list[tuple[Any, ...]] = []
        ends: list[tuple[Any, ...]] = []
        rows: list[tuple[Any, ...]] = []
        for entry in self._touched.values():
            record = entry.record
            state = WORDS[record.state]
            encoded = blob(encode_record(record))
            at = None if record.final else self._deadline(entry)
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
            if moved or entry.state is not record.state:
                self._count(entry)
        s = self.statements
        for statement, values in (
            (s.update_record, records),
            (s.end_message, ends),
            (s.update_message, rows),
        ):
            if values:
                self.database.update(statement, values)

    def _deadline(self, entry: CachedMessage) -> float | None:
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
        rows = self._outbox
        chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        return [
            (chunk[-1].seq, self.owner, self.now, encode_chunk(chunk))
            for chunk in chunks
        ]

    def _flush_provider_ids(self) -> None:
        if self._provider_rows:
            self.database.many(self.statements.insert_provider_id, self._provider_rows)
            self._provider_rows = []

    def flush_turns(self) -> None:
        """Write down which commands others wait for."""
        if self._in_turn:
            entries = [self._in_turn[n] for n in sorted(self._in_turn)]
            self._in_turn.clear()
            self._holding += turns.write(self, entries)

    def _count(self, entry: CachedMessage) -> None:
        """Count an entry's change of state and lane, and remember what its row has."""
        record = entry.record
        state, lane = record.state, record.lane
        if entry.state is not state:
            move = (entry.state, state)
            self._moves[move] = self._moves.get(move, 0) + 1
            entry.state = state
        if entry.lane != lane:
            lanes = self._lanes
            if entry.lane is not None:
                lanes[entry.lane] = lanes.get(entry.lane, 0) - 1
            if lane is not None:
                lanes[lane] = lanes.get(lane, 0) + 1
            entry.lane = lane
        entry.channel = record.channel
        entry.due = record.due

    # --- provider ids ----------------------------------------------------

    def found(self, account: str, key: str) -> list[Any]:
        """Return (key, provider id, message …) of all that have a provider key."""
        rows = self.cache.found.get((account, key))
        if rows is None:
            # a query must see what this batch has not written yet
            self._flush_inserts()
            self._flush_provider_ids()
            find = self.statements.find_provider_id
            rows = self.database.rows(find, (account, key))
            self.cache.found[account, key] = rows
        return rows

    def provided(
        self, entry: CachedMessage, account: str, key: str, provider_id: str
    ) -> None:
        """Keep a provider id, under the key by which receipts are found."""
        known = self.cache
        self._provider_rows.append((key, account, entry.n, provider_id))
        if known.found:
            known.found.pop((account, key), None)
        if not entry.record.final:
            known.by_provider[account, provider_id] = entry

    # --- other gateways --------------------------------------------------

    def keeper(self, bookmark: str) -> str:
        """Return whose a bookmark is: ours, or everybody's (empty)."""
        return self.owner if bookmark.startswith(PRIVATE) else ""

    def owns(self, channel: str) -> bool:
        """Whether attempts may begin here on a channel.

        This is certain until the commit: leases change under the same turn, which
        this transaction has.
        """
        if not self.is_member:
            return True
        if self._held is None:
            rows = self.database.rows(self.statements.held_by, (self.owner,))
            self._held = frozenset([name for (name,) in rows])
        return f"{CHANNEL}{channel}" in self._held

    def _wake_others(self) -> None:
        """Tell them, with the commit, of new events and of what waits for whom."""
        lanes = [lane for lane, change in self._lanes.items() if change > 0]
        freed = [(one.to, one.id, one.until) for one in self._holding]
        seq = self._outbox[-1].seq if self._outbox else 0
        while seq or lanes or freed:
            some = freed[:TOLD_AT_ONCE], lanes[:TOLD_AT_ONCE]
            self.notify(News(self.owner, seq, some[1], some[0]))
            del freed[:TOLD_AT_ONCE], lanes[:TOLD_AT_ONCE]
            seq = 0

    def notify(self, news: News) -> None:
        """Tell the other gateways when this is committed."""
        self.database.run("SELECT pg_notify(%s, %s)", (NEWS, encode_news(news)))

    # --- numbers and events ----------------------------------------------

    def bump(self, name: str, by: int) -> int:
        """Add to a counter and return it."""
        value = self.counters[name] = self.counters.get(name, 0) + by
        return value

    def new_id(self) -> str:
        """Return an id that no other event or inbound SMS has."""
        self._made += 1
        return f"{self._prefix}{self._made:x}"

    def publish(self, routing_key: str, event_id: str, body: bytes) -> None:
        """Put an event that belongs to no message into our outbox."""
        row = OutboxRow(
            self.bump("seq", 1), event_id, routing_key=routing_key, body=body
        )
        self._outbox.append(row)

    def changed(self, entry: CachedMessage, events: Sequence[StoredEvent]) -> None:
        """Mark an entry to be written, and put its new events into the outbox.

        Events that the message did not ask for (`Report`) are in its record only.
        """
        self._touched[entry.n] = entry
        self._new_events += events
        if self.keeps_steps:
            self.steps += [_step_of(entry, event) for event in events]
        if entry.record.final:
            self._over.append(entry)
        message = entry.message
        if message.class_ is not _NOTIFICATION and message.in_turn:
            self._in_turn[entry.n] = entry
        report = message.report
        if message.turn is not None and message.turn.known_channel is not None:
            sticky.mark(message.turn.known_channel, events)
        for event in events:
            self._made = made = self._made + 1
            event.event_id = event_id = f"{self._prefix}{made:x}"
            if report is _ALL or (event.final and report is _FINAL):
                counters = self.counters
                counters["seq"] = seq = counters["seq"] + 1
                self._outbox.append(
                    OutboxRow(
                        seq,
                        event_id,
                        message.id,
                        message.reply_to,
                        message.correlation_id,
                        event,
                        bytes(message.correlation),
                        account=message.account,
                        origin=message.origin,
                        traceparent=message.traceparent,
                        http_origin=message.http_origin,
                    )
                )
        if message.turn is not None and events:
            if turns.failed(events):
                turns.stop_sequence(self, entry)
            if is_sticky(message):
                sticky.went(self, entry, events)

    def tell(
        self, entry: CachedMessage, routing_key: str, event_id: str, body: bytes
    ) -> None:
        """Put an event that is none of its states into the outbox of a message."""
        message = entry.message
        if message.report is Report.NONE:
            return
        row = OutboxRow(
            self.bump("seq", 1),
            event_id,
            message.id,
            message.reply_to,
            message.correlation_id,
            routing_key=routing_key,
            body=body,
            account=message.account,
            traceparent=message.traceparent,
        )
        self._outbox.append(row)

    # --- the jobs --------------------------------------------------------

    def accept(self, batch: Sequence[Acceptance]) -> list[AcceptResult]:
        """Write new messages down."""
        return [self._accept(acceptance) for acceptance in batch]

    def _accept(self, acceptance: Acceptance) -> AcceptResult:
        message = acceptance.message
        known = self.cache.entry(message.id)
        if known is not None:
            if known.fingerprint == acceptance.fingerprint:
                return Duplicate(known.record.state)
            return IdReused()
        taken = _TAKEN
        if message.class_ is not _NOTIFICATION and message.in_turn:
            acceptance, waits = self._in_line(acceptance)
            taken = _WAITS if waits else taken
        if acceptance.attempting and not self.owns(acceptance.channel or ""):
            acceptance = msgspec.structs.replace(acceptance, attempting=False)
            taken = _NOT_OURS
        record, events = begin(acceptance)
        n = self.counters["n"] = self.counters["n"] + 1
        entry = CachedMessage(
            n, self.owner, message, record, acceptance.fingerprint, True
        )
        self.cache.live[message.id] = entry
        self.changed(entry, events)
        return taken

    def _in_line(self, acceptance: Acceptance) -> tuple[Acceptance, bool]:
        """Let a command wait behind those of other gateways, or end with its sequence.

        Returns whether its attempt does not begin after all.
        """
        message = acceptance.message
        failed_id = turns.stopped_by(self, message)
        if failed_id is not None and acceptance.next is None:
            last = Ended(MessageState.CANCELLED, why_stopped(failed_id))
            return msgspec.structs.replace(
                acceptance, channel=None, attempting=False, next=last
            ), True
        held = acceptance.attempting and self.shared
        if not held or not turns.is_held(self, message, float("inf")):
            return acceptance, False
        return msgspec.structs.replace(acceptance, attempting=False), True

    def latest_to(self, number: str, limit: int) -> list[CachedMessage]:
        """Return the newest messages to a phone number, the newest first."""
        # a query must see what this batch has not written yet
        self._flush_inserts()
        rows = self.database.rows(self.statements.latest_to, (number, limit))
        return [self.cache.adopt(row) for row in rows]

    def by_number(self, n: int) -> CachedMessage | None:
        """Return the message of a row number, None when it was deleted."""
        self._flush_inserts()
        rows = self.database.rows(self.statements.message_by_number, (n,))
        return self.cache.adopt(rows[0]) if rows else None

    def note(self, fact: Fact) -> tuple[bool, CachedMessage | None]:
        """Record a fact; False when the message has moved past it."""
        entry = self.cache.entry(fact.id)
        if entry is None:
            return False, None
        if isinstance(fact, AttemptStarted) and not self.owns(fact.channel):
            return False, entry
        counted, events = apply(entry.record, fact)
        self.changed(entry, events)
        if isinstance(fact, AttemptEnded) and is_sticky(entry.message):
            outcome = fact.outcome
            if isinstance(outcome, Refused) and outcome.scope is Scope.SENDER:
                sticky.refused(self, entry, fact.channel)
        if counted and isinstance(fact, AttemptStarted):
            self._spend(fact.spends, 1)
        elif counted and isinstance(fact, AttemptEnded):
            self._spend(fact.returned, -1)
        return counted, entry

    def _spend(self, spends: Sequence[Spend], sign: int) -> None:
        """Count what is about to leave, or (-1) has not left, of a line's budget."""
        for spend in spends:
            at = (spend.scope, spend.period)
            units = self._spent.get(at, (0, 0.0))[0] + sign * spend.units
            self._spent[at] = (units, spend.ends)

    def take_steps(self) -> list[Step]:
        """Return the steps that the last transaction committed."""
        found, self._committed_steps = self._committed_steps, []
        return found

    def ended_by_receipt(self, entry: CachedMessage, event: StoredEvent) -> None:
        """Note how long the receipt that ended a message was waited for."""
        for attempt in reversed(entry.record.attempts):
            if attempt.number == event.attempt:
                self._receipt_waits.append((attempt.channel, event.at - attempt.at))
                return

    def remove(self, entry: CachedMessage) -> None:
        """Delete a message that is over, with its provider ids."""
        self.bump(f"state::{entry.state}", -1)
        self.cache.drop(entry)
        self.cache.found.clear()
        self._touched.pop(entry.n, None)
        self._flush_provider_ids()
        for attempt in entry.record.attempts:
            for provider_id in attempt.provider_ids:
                self.database.run(
                    self.statements.delete_provider_id,
                    (attempt.account or "", provider_key(provider_id), entry.n),
                )
        self.database.run(self.statements.delete_message, (entry.n,))

    def set_cursor(self, name: str, value: str) -> None:
        """Move a cursor."""
        self._cursor_rows[name] = value


def _step_of(entry: CachedMessage, event: StoredEvent) -> MessageStep:
    attempts = entry.record.attempts
    return MessageStep(
        entry.message,
        event.state,
        event.final,
        event.at,
        event.channel,
        event.line,
        event.attempt,
        event.segments,
        event.provider_ids,
        event.error,
        attempts[0].at if attempts else None,
    )
