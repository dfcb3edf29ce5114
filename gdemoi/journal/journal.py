"""`IJournal` on the reactor thread: each call becomes a job for a thread.

Kept in memory here: how many messages wait for each channel, and the newest events, so
that publishers need no query.  Opening compares the database with the high-water mark;
`WriteProbe` sees from time to time whether the journal can still be written.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from gdemoi.contract.figures import JournalFigures, StoredFigures
from gdemoi.contract.sticky import KnownWay
from gdemoi.contract.trackers import TrackerSetting
from gdemoi.errors import ConfigurationError
from gdemoi.facts import (
    Acceptance,
    AcceptResult,
    AttemptEnded,
    AttemptStarted,
    Fact,
    Holding,
    InterruptedAttempt,
    OutboxEvent,
    QueuedBatch,
    Step,
)
from gdemoi.interfaces import IJournal
from gdemoi.journal import (
    budgets,
    expiry,
    inbound_sms,
    receipts,
    sticky,
    trackers,
    turns,
)
from gdemoi.journal.answers import AnsweringRules
from gdemoi.journal.database import Database, create, migrate
from gdemoi.journal.faults import Damaged, Soundness, found_in, of_file
from gdemoi.journal.high_water_mark import HighWaterMark, HighWaterMarkFile
from gdemoi.journal.leases import News
from gdemoi.journal.message_cache import CACHED
from gdemoi.journal.queries import Queries
from gdemoi.journal.receipts import all_keys_of
from gdemoi.journal.stored_form import OutboxRow, event_of
from gdemoi.journal.threads import (
    BatchResult,
    Inline,
    Job,
    JournalReader,
    JournalWriter,
    Reply,
    Threaded,
    Worker,
)
from gdemoi.journal.transaction import Transaction
from gdemoi.message import ChannelState, Inbound, Receipt, ReceiptMatch
from gdemoi.moments import rfc3339
from gdemoi.tasks import Alarm

# The newest events, from which publishers are served without a query.
TAIL: Final = 10_000
DAY_S: Final = 86_400.0
# Nobody has written for so long: see whether it can be done.
BEAT_S: Final = 5.0
# Longer than any commit takes; a lock that is not ours is waited for 5 s.
SILENT_S: Final = 3.0
# The cursor that says what was lost, for the status.
LOST: Final = "lost"
# Where an event names a channel and is about all of them.
NO_CHANNEL: Final = "-"
_BEAT: Final = "beat"
# So many numbers are left out after a loss: the mark may be behind what was told,
# and a platform's place among the events must not be met again.
LEFT_OUT: Final = 1_000_000


@implementer(IJournal)
class Journal:
    """The journal of one gateway.

    `url` is SQLAlchemy's; `reactor` gives time and threads.

    `inline` does all work in the caller, so that tests need neither.  `keep_for`
    names the cursors (of publishers) that an event must be behind before it may
    be forgotten; their values are event numbers.  `accept_loss` opens a journal in
    which messages are missing.
    """

    log = Logger()

    def __init__(
        self,
        url: str,
        reactor: Any,
        *,
        name: str = "gdemoi",
        keep_s: float = 30 * DAY_S,
        receipt_ttl_s: float = 3 * DAY_S,
        keep_for: Sequence[str] = (),
        inline: bool = False,
        cached: int = CACHED,
        accept_loss: bool = False,
    ) -> None:
        self._reactor = reactor
        self._accept_loss = accept_loss
        self._url = url
        self._keep_for = tuple(keep_for)
        self._database = Database(url, name)
        # SQLite belongs to one gateway whatever its name is now
        owner = name if self._database.shared else ""
        self._transaction = Transaction(
            self._database,
            owner=owner,
            token=os.urandom(6).hex(),
            keep_s=keep_s,
            receipt_ttl_s=receipt_ttl_s,
            cached=cached,
        )
        path = "" if self._database.shared else self._database.path
        self._soundness = Soundness(path)
        writer = JournalWriter(
            self._transaction,
            self._soundness,
            reactor.seconds,
            self._deliver,
            patient=not inline,
        )
        self._writer = writer
        self._mark: HighWaterMarkFile | None = None
        if path:
            self._mark = HighWaterMarkFile(path)
        self._writes: Worker = (
            Inline(writer) if inline else Threaded(writer, reactor, "journal")
        )
        self._reads: Worker = self._writes
        self._reading = self._database
        if not self._database.in_memory:
            self._reading = Database(url, name, readonly=True)
            reader = JournalReader(self._reading, self._soundness)
            self._reads = (
                Inline(reader)
                if inline
                else Threaded(reader, reactor, "journal-reader")
            )
        self._queries = Queries(self._reading, owner)
        self._backlog: dict[str, int] = {}
        self._trackers = trackers.KnownTrackers()
        self._ways = sticky.KnownWays()
        self._tail: deque[OutboxRow] = deque(maxlen=TAIL)
        self._last_seq = 0
        self._listeners: list[Callable[[int], None]] = []
        self._step_listeners: list[Callable[[Sequence[Step]], None]] = []
        self._turn_listeners: list[Callable[[Sequence[Holding]], None]] = []
        self.commits = 0
        self._commits_seen = 0
        # since when a beat waits for its answer
        self._beat_since: float | None = None

    # --- opening and closing ---------------------------------------------

    def open(self) -> Deferred[None]:
        """Migrate, take the lock, read what waits; fails if it cannot be had."""
        return Deferred.fromCoroutine(self._open())

    async def _open(self) -> None:
        database = self._database
        mark, accepted = self._marked()
        database.guard()
        try:
            if database.in_memory:
                create(database)
            else:
                self._see_that_it_is_sound()
                migrate(self._url)
            self._writes.start()
            if self._reads is not self._writes:
                self._reads.start()
            await self._writes.put(lambda: None)
            if mark is not None:
                await self._compare(mark, accepted)
            if self._mark is not None:
                self._mark.begin()
                self._writer.mark = self._mark
                # the first commit with a mark writes it
                await self._writes.put(lambda: None)
            self._backlog = await self._reads.put(self._queries.backlog)
            self._last_seq = await self._reads.put(self._queries.last_seq)
            await self._read_trackers()
            self._commits_seen = self.commits
        except Damaged as fault:
            await self._close()
            raise ConfigurationError(str(fault)) from fault
        except BaseException:
            await self._close()
            raise

    def _see_that_it_is_sound(self) -> None:
        """Raise when the file is damaged; whatever loss was accepted is not that."""
        if self._mark is not None:
            fault = found_in(self._database.path)
            if fault is not None:
                raise ConfigurationError(f"journal: {fault}")

    def _marked(self) -> tuple[HighWaterMark | None, bool]:
        """Read the mark; raise when it is of a journal that is not there at all.

        Then nothing is made in its place: it may only be elsewhere.
        """
        if self._mark is None:
            return None, False
        try:
            mark, accepted = self._mark.read()
        except OSError as error:
            why = of_file(self._mark.path, error)
            raise ConfigurationError(f"journal: {why}") from error
        accepted = accepted or self._accept_loss
        path = self._database.path
        is_empty = not os.path.exists(path) or not os.path.getsize(path)
        if mark is not None and mark.n + mark.seq and is_empty and not accepted:
            raise self._loss(mark, HighWaterMark(0, 0))
        return mark, accepted

    def _loss(self, mark: HighWaterMark, have: HighWaterMark) -> ConfigurationError:
        assert self._mark is not None
        return ConfigurationError(
            f"journal: {_missing(mark, have)} in {self._database.path}, by"
            f" {self._mark.path}: the file or its -wal was deleted, damaged, or put"
            " back from an older copy. Put the right files back; or, if what is"
            " missing is lost, start once with --accept-loss, or rename the mark to"
            f" {os.path.basename(self._mark.accepted)}"
        )

    async def _compare(self, mark: HighWaterMark, accepted: bool) -> None:
        """See whether the journal has all that the mark says it had."""
        counters = self._transaction.counters
        have = HighWaterMark(counters["n"], counters["seq"])
        if not mark.beyond(have):
            return
        if not accepted:
            raise self._loss(mark, have)
        text = _missing(mark, have)
        self.log.critical("{text}; that was accepted", text=text)
        await self._writes.put(self._record_loss, mark, text)

    def _record_loss(self, mark: HighWaterMark, text: str) -> None:
        """Record and publish the loss, and skip the numbers that were in use."""
        transaction, now = self._transaction, self._reactor.seconds()
        for name, value in (("n", mark.n), ("seq", mark.seq)):
            transaction.counters[name] = (
                max(transaction.counters[name], value) + LEFT_OUT
            )
        doubted = expiry.doubt_what_waits(transaction, now)
        if doubted:
            text = f"{text}; {doubted} that wait in it may have left since"
        transaction.set_cursor(LOST, f"{rfc3339(now)} {text}")
        inbound_sms.change(
            transaction, NO_CHANNEL, None, ChannelState.DEGRADED, text, now
        )

    def keep_events_for(self, cursors: Sequence[str]) -> None:
        """Keep events until these bookmarks have passed them, from now on."""
        self._keep_for = tuple(cursors)

    def close(self) -> Deferred[None]:
        """Finish what was taken, then let go of the database."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        self._writer.hurry.set()
        await self._writes.stop()
        if self._reads is not self._writes:
            await self._reads.stop()
            self._reading.close()
        if self._writer.mark is not None:
            self._writer.mark.close()
            self._writer.mark = None
        self._database.close()

    def _deliver(self, done: BatchResult) -> None:
        """Hand out what a batch came to (on the reactor thread)."""
        backlog = self._backlog
        for lane, change in done.lanes.items():
            backlog[lane] = count = backlog.get(lane, 0) + change
            if count <= 0:
                del backlog[lane]
        self.commits += done.commits
        if done.events:
            self._tail.extend(done.events)
            self._last_seq = max(self._last_seq, done.events[-1].seq)
        if done.steps:
            for listener in self._step_listeners:
                listener(done.steps)
        for deferred, answer in done.answers:
            deferred.callback(answer)
        self._ways.take(done.ways)
        if done.holding:
            for changed in self._turn_listeners:
                changed(done.holding)
        if done.events:
            self._notify()

    def _notify(self) -> None:
        for listener in self._listeners:
            listener(self._last_seq)

    # --- how it is -------------------------------------------------------

    def trouble(self) -> str | None:
        """Return why nothing can be written now, None when all is well."""
        trouble = self._soundness.damage or self._writer.trouble
        if trouble is not None:
            return trouble
        return None if self.answers() else "the journal does not answer"

    def answers(self) -> bool:
        """Tell whether the writing thread answers, be it with a fault."""
        since = self._beat_since
        return since is None or self._reactor.seconds() - since <= SILENT_S

    def beat(self) -> None:
        """Write something, if nobody has since the last call.

        So `trouble` is up to date also while no messages come, which may be because of
        the trouble: while there is some, they are refused.
        """
        if self._beat_since is not None:
            return
        if self.commits != self._commits_seen and self._writer.trouble is None:
            self._commits_seen = self.commits
            return
        self._beat_since = now = self._reactor.seconds()
        done = self.set_cursor(_BEAT, rfc3339(now))
        done.addBoth(self._beaten)  # type: ignore[unused-awaitable]

    def _beaten(self, _: object) -> None:
        # a failure needs no errback here: the writer logs it, `trouble` reports it
        self._beat_since = None
        self._commits_seen = self.commits

    def lost(self) -> Deferred[str | None]:
        """Return when and what was lost of this journal, if anything."""
        return self.cursor(LOST)

    # --- writing ---------------------------------------------------------

    def accept(self, batch: Sequence[Acceptance]) -> Deferred[list[AcceptResult]]:
        """Write new messages down; one verdict each, in order."""
        return self._writes.put(
            self._transaction.accept, batch, ids=[a.message.id for a in batch]
        )

    def note(self, fact: Fact) -> Deferred[bool]:
        """Record a fact; False when the message has moved past it."""
        return self._writes.put(
            receipts.note,
            self._transaction,
            fact,
            ids=(fact.id,),
            patient=isinstance(fact, AttemptEnded),
        )

    def record(
        self,
        fact: Fact,
        recorded: Callable[..., None],
        failed: Callable[..., None],
        *args: Any,
    ) -> None:
        """Record a fact as `note`; call back after the commit."""
        job = Job(
            receipts.note,
            (self._transaction, fact),
            (fact.id,),
            answer=Reply(recorded, failed, args),
        )
        self._writes.take(job, patient=isinstance(fact, AttemptEnded))

    def begin(
        self,
        fact: AttemptStarted,
        recorded: Callable[..., None],
        failed: Callable[..., None],
        *args: Any,
    ) -> None:
        """Record that an attempt is about to leave, if it may; call back then."""
        job = Job(
            turns.begin,
            (self._transaction, fact),
            (fact.id,),
            answer=Reply(recorded, failed, args),
        )
        self._writes.take(job)

    def receipt(self, receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        """Record a receipt, matched or kept unmatched."""
        keys = all_keys_of(receipt) if self._database.shared else ()
        return self._writes.put(
            receipts.note_receipt,
            self._transaction,
            receipt,
            self._reactor.seconds(),
            receipt_keys=[(receipt.account, key) for key in keys],
            patient=True,
        )

    def inbound(self, inbound: Inbound) -> Deferred[str | None]:
        """Record an inbound SMS; the id it got, None for a repeat."""
        return self._writes.put(
            inbound_sms.arrive, self._transaction, inbound, self._reactor.seconds()
        )

    def changed(
        self, channel: str, line: str | None, state: str, reason: str, at: float
    ) -> Deferred[None]:
        """Record that a channel or line went up or down, as an event."""
        return self._writes.put(
            inbound_sms.change, self._transaction, channel, line, state, reason, at
        )

    def write_event(self, key: str, body: Callable[[str], bytes]) -> Deferred[None]:
        """Record an event that is about no message; `body` is given its id."""
        return self._writes.put(_write_event, self._transaction, key, body)

    def set_cursor(self, name: str, value: str) -> Deferred[None]:
        """Write a named cursor."""
        return self._writes.put(self._transaction.set_cursor, name, value)

    # --- trackers --------------------------------------------------------

    def tracker(self, number: str) -> TrackerSetting | None:
        """Return what is set for a tracker; kept in memory."""
        return self._trackers.get(number)

    def set_tracker(
        self, number: str, setting: TrackerSetting | None
    ) -> Deferred[None]:
        """Write down what is set for a tracker; None: nothing any more."""
        done = self._writes.put(trackers.put, self._transaction, number, setting)
        return done.addCallback(self._trackers.take)

    def trackers(
        self, limit: int, cursor: str | None = None
    ) -> Deferred[tuple[list[tuple[str, TrackerSetting]], str | None]]:
        """Read what is set, by number; with the cursor of the next page."""
        return self._reads.put(trackers.page, self._reading, limit, cursor)

    async def _read_trackers(self) -> None:
        """Read what was set since we looked, also by other gateways."""
        seen = self._trackers.seen
        rows = await self._reads.put(trackers.changed_since, self._reading, seen)
        self._trackers.read(rows)
        ways = sticky.changed_since, self._reading, self._ways.seen
        self._ways.read(await self._reads.put(*ways))

    def known_way(self, account: str | None, number: str) -> KnownWay | None:
        """Return the way that a tracker knows; kept in memory."""
        return self._ways.get(account, number)

    def set_way(
        self, account: str | None, number: str, way: KnownWay | None
    ) -> Deferred[None]:
        """Write down the way to a tracker; None: it is forgotten."""
        key = account or "", number
        return self._writes.put(sticky.put, self._transaction, key, way)

    # --- budgets ---------------------------------------------------------

    def spent(self, channel: str) -> Deferred[list[tuple[str, str, int, float]]]:
        """Read what the lines of a channel have sent of their budgets."""
        return self._reads.put(budgets.spent, self._reading, channel)

    # --- turns -----------------------------------------------------------

    def read_answers_by(self, rules: AnsweringRules) -> None:
        """Know answers to commands by these rules from now on."""
        self._transaction.answer_rules = rules

    def holding(self) -> Deferred[list[Holding]]:
        """Read the commands that others wait for, in order."""
        return self._reads.put(turns.holding, self._reading)

    def on_turns(self, listener: Callable[[Sequence[Holding]], None]) -> None:
        """Call it on the reactor thread with commands that hold no longer."""
        self._turn_listeners.append(listener)

    # --- time ------------------------------------------------------------

    def sweep(self, now: float) -> Deferred[None]:
        """Apply deadlines, publish incomplete SMS, delete what is old.

        Events are kept until the slowest publisher of `keep_for` has passed them.
        """
        return Deferred.fromCoroutine(self._sweep(now))

    async def _sweep(self, now: float) -> None:
        transaction = self._transaction
        passed = None
        for name in self._keep_for:
            value = await self.cursor(name)
            seq = int(value) if value is not None and value.isdecimal() else 0
            passed = seq if passed is None else min(passed, seq)
        jobs: tuple[tuple[Any, ...], ...] = (
            (expiry.expire_messages, transaction, now),
            (expiry.promote, transaction, tuple(self._backlog), now),
            (expiry.forget_arrivals, transaction, now),
            (expiry.forget_receipts, transaction, now),
            (expiry.forget_turns, transaction, now),
            (budgets.forget, transaction, now),
            (expiry.forget_events, transaction, now, passed),
        )
        for job in jobs:
            while await self._writes.put(*job):
                pass
        after: int | None = 0
        while after is not None:
            after = await self._writes.put(
                expiry.forget_messages, transaction, now, after
            )
        if self.shared:
            await self.read_others()

    # --- other gateways --------------------------------------------------

    @property
    def shared(self) -> bool:
        """Whether other gateways may have the same journal."""
        return self._database.shared

    def join(self) -> None:
        """From now on begin attempts only on channels that we own (leases.py)."""
        self._transaction.is_member = True

    def ahead_s(self, seconds: Callable[[], float]) -> Deferred[float]:
        """Ask how far the server's clock is ahead of `seconds`, in seconds."""
        return self._reads.put(self._queries.ahead_s, seconds)

    def read_others(self) -> Deferred[None]:
        """Take over what other gateways changed: counts and events."""
        return Deferred.fromCoroutine(self._read_others())

    async def _read_others(self) -> None:
        self._backlog = await self._reads.put(self._queries.backlog)
        await self._read_trackers()
        self.heard(await self._reads.put(self._queries.last_seq))

    def heard(self, seq: int) -> None:
        """Hear of the last event of another gateway."""
        if seq > self._last_seq:
            self._last_seq = seq
            self._notify()

    def flushed(self) -> Deferred[None]:
        """Fire when all that was handed in before is committed."""
        return self._writes.put(lambda: None)

    def call_others(self) -> Deferred[None]:
        """Let the other gateways look at once what is owned and what is paused."""
        news = News(self._transaction.owner, changed=True)
        return self._writes.put(self._transaction.notify, news)

    # --- reading ---------------------------------------------------------

    def take(
        self, channel: str, limit: int, now: float, skip: frozenset[str]
    ) -> Deferred[QueuedBatch]:
        """Read what is due in a lane at `now`, by priority, then by age."""
        return self._reads.put(self._queries.take, channel, limit, now, skip)

    def interrupted(
        self, channels: Collection[str] | None = None
    ) -> Deferred[list[InterruptedAttempt]]:
        """Read the attempts that have no outcome and those of held messages.

        Of `channels`, None: of all.  Call it before anything leaves there.
        """
        return self._reads.put(self._queries.interrupted, channels)

    def backlog(self) -> dict[str, int]:
        """Return how many messages wait, by channel; kept in memory."""
        return self._backlog

    def events(self, after: int, limit: int) -> Deferred[list[OutboxEvent]]:
        """Read the outbox in order."""
        tail = self._tail
        if tail and not self._database.shared and after >= tail[0].seq - 1:
            start = after + 1 - tail[0].seq
            stop = min(start + limit, len(tail))
            return succeed([event_of(row) for row in islice(tail, start, stop)])
        return self._reads.put(self._queries.events, after, limit)

    def cursor(self, name: str) -> Deferred[str | None]:
        """Read a named cursor."""
        return self._reads.put(self._queries.cursor, name)

    def on_events(self, listener: Callable[[int], None]) -> None:
        """Call `listener(last seq)` on the reactor thread after commits with events."""
        self._listeners.append(listener)

    def on_steps(self, listener: Callable[[Sequence[Step]], None]) -> None:
        """Call `listener` on the reactor thread after commits, with what they recorded.

        Only while `want_steps` says so.  `listener` must not raise.
        """
        self._step_listeners.append(listener)

    def want_steps(self, wanted: bool) -> None:
        """Keep the steps of messages for listeners from now on, or no longer."""
        self._transaction.keeps_steps = wanted

    def last_seq(self) -> int:
        """Return the number of the newest event; kept in memory."""
        return self._last_seq

    def newest_seq(self) -> Deferred[int]:
        """Read the highest number that an event ever had, swept or not."""
        return self._reads.put(self._queries.newest_seq)

    def counts(self) -> Deferred[dict[str, int]]:
        """Return how many messages stand in each state."""
        return self._reads.put(self._queries.counts)

    def figures(self) -> JournalFigures:
        """Return what is counted of commits since the start."""
        return self._transaction.figures

    def stored_figures(self) -> Deferred[StoredFigures]:
        """Return what is counted by queries."""
        return self._reads.put(self._queries.figures, self._reactor.seconds())

    def unmatched(self, limit: int) -> Deferred[list[tuple[float, Receipt]]]:
        """Read the newest receipts that matched nothing, with their times."""
        return self._reads.put(self._queries.unmatched, limit)

    def count_unmatched(self) -> Deferred[int]:
        """Return how many such receipts there are."""
        return self._reads.put(self._queries.count_unmatched)

    def story(self, message_id: str) -> Deferred[dict[str, Any] | None]:
        """Return the whole story of a message, JSON-ready; None: unknown."""
        return self._reads.put(self._queries.story, message_id)

    def inbound_of(
        self, sender: str, since: float, until: float, limit: int
    ) -> Deferred[list[OutboxEvent]]:
        """Read the inbound SMS of a number whose events are kept, the oldest first."""
        return self._reads.put(self._queries.inbound_of, sender, since, until, limit)

    def search(
        self, filters: Mapping[str, Any], limit: int, cursor: str | None = None
    ) -> Deferred[tuple[list[dict[str, Any]], str | None]]:
        """Find messages, newest first; with the cursor of the next page.

        Fails with `ValueError` for a filter or cursor that does not exist.
        """
        return self._reads.put(self._queries.search, filters, limit, cursor)


def _write_event(
    transaction: Transaction, key: str, body: Callable[[str], bytes]
) -> None:
    event_id = transaction.new_id()
    transaction.publish(key, event_id, body(event_id))


def _missing(mark: HighWaterMark, have: HighWaterMark) -> str:
    """Say what is missing, in numbers; at least so many."""
    rows, events = max(0, mark.n - have.n), max(0, mark.seq - have.seq)
    return (
        f"at least {rows} messages and {events} events are missing"
        f" (there were {mark.n} and {mark.seq} in all, there are {have.n} and"
        f" {have.seq})"
    )


# In trouble: who waits for the gateway to be ready does not wait long for that.
AGAIN_S: Final = 1.0


class WriteProbe:
    """Lets a journal beat, more often while it is in trouble."""

    def __init__(self, journal: Journal, clock: IReactorTime) -> None:
        self._journal = journal
        self._clock = clock
        self._alarm = Alarm(clock, self._beat)

    def start(self) -> None:
        """Begin; the journal must be open."""
        self._alarm.set(self._clock.seconds() + BEAT_S)

    def stop(self) -> None:
        """Leave no timer."""
        self._alarm.cancel()

    def _beat(self) -> None:
        self._journal.beat()
        pause_s = BEAT_S if self._journal.trouble() is None else AGAIN_S
        self._alarm.set(self._clock.seconds() + pause_s)
