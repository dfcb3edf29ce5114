"""One lane per channel: a bounded window, a pace, a pause switch, an order.

Theory of operation.  A lane holds the head of its backlog in memory; the
journal holds the rest and is read again when the head runs low.  A message
leaves in three steps: the intent is committed, the channel submits, the outcome
is committed together with what was decided.  A slot of the window is taken from
the first step to the channel's answer.

Which message is next is the `ReadyQueue`'s business; a throttled message goes back
there with its segments' progress, and so does one that found the channel halted, or
its link lost.

A refused sender is no fault of the channel (`Senders`): its messages look for
another way, or wait here in memory when it may be used again soon.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gdemoi.contract.figures import LaneFigures
from gdemoi.errors import Unavailable
from gdemoi.facts import (
    AttemptEnded,
    AttemptStarted,
    Decided,
    Decision,
    Fact,
    Final,
    Hold,
    Wait,
)
from gdemoi.interfaces import EncodedMessage, IChannel, IHalting, IJournal, IPaced
from gdemoi.message import (
    Accepted,
    Error,
    Outbound,
    Outcome,
    Progress,
    Refused,
    Scope,
    Uncertain,
)
from gdemoi.routing.pace import Pace
from gdemoi.routing.ready_queue import QueueEntry, ReadyQueue, prepare
from gdemoi.routing.rest import Rest
from gdemoi.routing.senders import Senders
from gdemoi.routing.silence import Silence
from gdemoi.tasks import Alarm, spawn

log = Logger()

# Messages of a lane that memory holds ready; the rest stay in the journal.
HEAD_LIMIT = 5000
# When fewer are left, the journal is read for more.
LOW_MARK = 1000
# How long a lane leaves a channel alone that cannot serve for a while, or until
# someone acts (then it tries one message again).
REST_S = 5.0
MENDED_S = 300.0
# The journal could not write: try again after this.
JOURNAL_PAUSE_S = 1.0
# "Queue full" for so many numbers within so long is about the channel.
FULL_NUMBERS = 3
FULL_LATELY_S = 5.0
# A command that waits for its next try comes out of the journal within this.
BLOCK_SPARE_S = 30.0
# A pause that the far side asked for is told like a rest from this length on.
LONG_PAUSE_S = 30.0
EXPIRED = Error("gateway:expired", "the time to live has passed")


class LaneOwner(Protocol):
    """What a lane asks of the dispatcher."""

    def decide(self, lane: Lane, entry: QueueEntry, outcome: Outcome) -> Decision:
        """Decide what follows an outcome; the entry's `tried` includes it."""

    def decided(
        self, lane: Lane, entry: QueueEntry, outcome: Outcome, after: Decision
    ) -> None:
        """Hear that it is committed."""

    def refused_here(self, lane: Lane, entry: QueueEntry, refused: Refused) -> Decision:
        """Decide what follows when the channel cannot carry the message."""

    def rested(self, lane: Lane) -> None:
        """Hear that the lane rests, or no longer, or that its senders do."""


class Lane:
    """The way to one channel."""

    def __init__(
        self,
        channel: IChannel,
        journal: IJournal,
        clock: IReactorTime,
        owner: LaneOwner,
        figures: LaneFigures | None = None,
    ) -> None:
        self.channel = channel
        self.name = channel.name
        self.pace = Pace(channel.rate)
        if IPaced.providedBy(channel):
            IPaced(channel).paced_by(self.pace)
        self.paused = False
        self.stopping = False
        self.in_flight: set[QueueEntry] = set()
        # ids in flight, with how often: a repeat holds a slot until it is known
        self._flying: dict[str, int] = {}
        self.sent = 0
        self.figures = figures or LaneFigures()
        self.unable_since: float | None = None
        self._journal = journal
        self._clock = clock
        self._owner = owner
        self._head = ReadyQueue()
        self._more = True
        self._refilling = False
        self._pumping = False
        self._rest = Rest()
        self.senders = Senders()
        self.silence = Silence()
        # those of memory that wait for their sender, by id
        self._senderless: dict[str, QueueEntry] = {}
        self._long_pause = False
        self._due_at: float | None = None
        # numbers whose queue was full at the far side, and when that was said
        self._full: dict[str, float] = {}
        self._pace_alarm = Alarm(clock, self._paced)
        self._due_alarm = Alarm(clock, self._due)
        self._suspend_alarm = Alarm(clock, self._rested)
        self._sender_alarm = Alarm(clock, self._sender_rested)

    # -- what others ask ---------------------------------------------------

    def unable(self) -> str | None:
        """Return why nothing can leave here now, None when it can."""
        if self.paused:
            return "paused by an operator"
        return self._rest.reason(self._clock.seconds()) or self.channel.unable()

    def rests_until(self) -> float | None:
        """Return when the lane tries its channel again; None: it does not rest."""
        until = self._rest.until
        return until if until > self._clock.seconds() else None

    def seconds(self) -> float:
        """Return the time."""
        return self._clock.seconds()

    def standing(
        self, state: str, reason: str, *, present: bool = False
    ) -> tuple[str, str]:
        """Return state and reason of the channel as it is used.

        Given are those that the channel itself tells.  While the lane rests nothing
        leaves, however well the channel is; with a refused sender not all does; and
        what is not answered, or not clearly, has become of nobody knows what.
        `present`: with the figures of this moment, where those that were told last
        would do.
        """
        now = self._clock.seconds()
        if state == "down":
            return state, reason
        resting = self._rest.reason(now)
        if resting is not None:
            return "down", resting
        limited = self.senders.reason(now)
        if self._long_pause and self.pace.paused(now):
            limited = "the far side asks us to wait"
        if self.silence.reason:
            silent = self.silence.present if present else self.silence.reason
            limited = f"{silent}; {limited}" if limited else silent
        if not limited:
            return state, reason
        return "degraded", f"{reason}; {limited}" if reason else limited

    def prepare(
        self, message: Outbound, progress: Progress | None = None
    ) -> EncodedMessage | Refused:
        """Let the channel prepare a message, unless its sender rests here."""
        prepared = prepare(self.channel, message, progress)
        if isinstance(prepared, Refused):
            return prepared
        now = max(self._clock.seconds(), message.not_before or 0.0)
        return self.senders.refusal(prepared.sender, message, now) or prepared

    @property
    def waiting(self) -> int:
        """How many messages stand ready in memory."""
        return len(self._head) + self._head.blocked + len(self._senderless)

    def entries(self) -> list[QueueEntry]:
        """Return the messages that stand ready, in order."""
        return list(self._head)

    def may_use_fast_path(self, message: Outbound) -> bool:
        """Whether attempt 1 may ride in the commit of the acceptance."""
        return (
            not self.stopping
            and not len(self._head)
            and not self._more
            and not self._refilling
            and len(self.in_flight) < self.channel.window
            and message.not_before is None
            and not self._head.is_busy(message.to)
            and self.unable() is None
            and self.pace.wait_s(self._clock.seconds()) <= 0.0
        )

    # -- messages come -----------------------------------------------------

    def reserve(self, entry: QueueEntry) -> None:
        """Take a slot for a message whose attempt rides with its acceptance."""
        self._take_slot(entry)

    def release(self, entry: QueueEntry) -> None:
        """Give the slot back: the message was not taken."""
        self._free_slot(entry)
        self.pump()

    def launch(self, entry: QueueEntry) -> None:
        """Send a message whose slot is reserved and whose intent is committed."""
        spawn(self._send(entry, committed=True), log, f"sending {entry.message.id}")

    def admit(self, entry: QueueEntry) -> None:
        """Let a committed message in, to memory or by the journal's word."""
        not_before = entry.message.not_before or 0.0
        if not_before > self._clock.seconds():
            self._due_alarm_at(not_before)
        elif self._more or self._refilling or len(self._head) >= HEAD_LIMIT:
            # older ones come from the journal first
            self._more = True
        elif not self._has(entry.message.id):
            # a refill may have seen the commit before we heard of it
            self._head.push(entry)

    def more(self, until: float = 0.0) -> None:
        """Tell that the journal has (or will have, at `until`) more for us."""
        if until > self._clock.seconds():
            self._due_alarm_at(until)
        else:
            self._more = True

    def remove(self, message_id: str) -> QueueEntry | None:
        """Take a waiting message out of memory (cancelled, or moved away)."""
        entry = self._senderless.pop(message_id, None)
        if entry is None:
            return self._head.remove(message_id)
        self._head.in_memory.discard(message_id)
        return entry

    def pause(self) -> None:
        """Send nothing until `resume`."""
        self.paused = True

    def resume(self) -> None:
        """Go on, and try again at once whatever was left alone: someone acted."""
        self.paused = False
        self._rest.lift()
        self.senders.lift()
        self.pace.lift(self._clock.seconds())
        if IHalting.providedBy(self.channel):
            IHalting(self.channel).mended()
        self._owner.rested(self)
        self._sender_rested()

    def able(self) -> bool:
        """Hear that the channel may be able again; True when a rest ended by it."""
        if self.channel.unable() is not None:
            return False
        now = self._clock.seconds()
        ended = self._rest.able(now)
        if self._rest.until > now and not self.stopping:
            self._suspend_alarm.set(self._rest.until)
        return ended

    def stop(self) -> None:
        """Start nothing new; what is in flight goes on."""
        self.stopping = True
        for alarm in (self._pace_alarm, self._due_alarm, self._suspend_alarm):
            alarm.cancel()
        self._sender_alarm.cancel()

    # -- messages go -------------------------------------------------------

    def pump(self) -> None:
        """Let go what may go now, and see that the head does not run dry."""
        if self._pumping or self.stopping:
            return
        self._pumping = True
        try:
            while (len(self._head) or self._head.blocked) and self._may_go():
                entry = self._head.pop()
                if entry is None:
                    break
                self._go(entry)
        finally:
            self._pumping = False
        if self._more and not self._refilling and len(self._head) < LOW_MARK:
            self._refilling = True
            spawn(self._refill(), log, f"reading the backlog of {self.name}")

    def _may_go(self) -> bool:
        if len(self.in_flight) >= self.channel.window or self.unable() is not None:
            return False
        now = self._clock.seconds()
        wait_s = self.pace.wait_s(now)
        if wait_s > 0.0:
            self._pace_alarm.set(now + wait_s)
            return False
        return True

    def _go(self, entry: QueueEntry) -> None:
        message = entry.message
        found: EncodedMessage | Refused
        if entry.prepared is None:
            found = self.prepare(message, entry.progress)
        else:
            sender, now = entry.prepared.sender, self._clock.seconds()
            found = self.senders.refusal(sender, message, now) or entry.prepared
        if isinstance(found, Refused):
            after = self._owner.refused_here(self, entry, found)
            self._head.in_memory.add(message.id)
            if self._waits_for_sender(found, after):
                self._block(entry, after)
                self._senderless[message.id] = entry
            else:
                spawn(self._decide(entry, found, after), log, "deciding")
            return
        entry.prepared = found
        self._take_slot(entry)
        spawn(self._send(entry, committed=False), log, f"sending {message.id}")

    async def _send(self, entry: QueueEntry, *, committed: bool) -> None:
        message = entry.message
        attempt = entry.attempts + 1
        now = self._clock.seconds()
        if not committed:
            try:
                intent = AttemptStarted(message.id, attempt, self.name, now)
                may_leave = await self._journal.note(intent)
            except Unavailable:
                self._free_slot(entry)
                self._suspend("the journal cannot write", JOURNAL_PAUSE_S)
                self._head.push(entry)
                return
            if not may_leave:
                self._free_slot(entry)
                self.pump()
                return
        left_at = self._clock.seconds()
        if left_at < message.expires_at:
            if attempt == 1:
                since = max(message.accepted_at, message.not_before or 0.0)
                self.figures.publish_to_submit.observe(left_at - since)
            outcome = await self._submit(entry, attempt)
            answered_s = self._clock.seconds() - left_at
            self.figures.submit_to_response.observe(answered_s)
        else:
            # the commit took its time: it certainly does not go out
            outcome = Refused(error=EXPIRED, by_us=True)
        entry.tried = (*entry.tried, self.name)
        entry.attempts = attempt
        entry.uncertain_attempts += isinstance(outcome, Uncertain)
        self._free_slot(entry)
        await self._answered(entry, attempt, outcome)

    async def _submit(self, entry: QueueEntry, attempt: int) -> Outcome:
        assert entry.prepared is not None
        try:
            return await self.channel.submit(entry.prepared, attempt)
        except Exception:  # noqa: BLE001 - the boundary of one message
            log.failure(
                "{lane} cannot submit {id}", lane=self.name, id=entry.message.id
            )
            why = "a fault of the gateway; see the log"
            return Uncertain(why=why, unclear=True)

    async def _answered(
        self, entry: QueueEntry, attempt: int, outcome: Outcome
    ) -> None:
        now = self._clock.seconds()
        self.heard(outcome)
        if isinstance(outcome, Refused):
            outcome = self._back_off(entry, outcome, now)
        if isinstance(outcome, Accepted):
            self.sent += 1
            self.pace.went_well(now, outcome.segments)
            self._sender_taken(entry)
        if not isinstance(outcome, Accepted) and outcome.progress is not None:
            entry.progress = outcome.progress
        after = self._owner.decide(self, entry, outcome)
        waits = entry.throttled = False
        if isinstance(outcome, Refused):
            waits = self._waits_for_sender(outcome, after)
            after = self._keep(entry, outcome, after, now)
        fact = AttemptEnded(
            entry.message.id,
            attempt,
            self.name,
            self.channel.account,
            outcome,
            after,
            now,
        )
        noted = self.persist(fact)
        self.pump()
        await noted
        if entry.throttled and isinstance(after, Wait):
            self._head.push(entry)
            self.pump()
        elif waits:
            self._senderless[entry.message.id] = entry
            if self.senders.next_end(self._clock.seconds()) is None:
                self._sender_rested()
        else:
            self._owner.decided(self, entry, outcome, after)

    def heard(self, outcome: Outcome) -> None:
        """Take note whether the far side answers, in time or late."""
        self.figures.heard(outcome)
        if not self.silence.heard(outcome, self._clock.seconds()):
            return
        if self.silence.reason:
            log.warn("{lane}: {why}", lane=self.name, why=self.silence.reason)
        else:
            log.info("{lane} answers submits again, and clearly", lane=self.name)
        self._owner.rested(self)

    def _keep(
        self, entry: QueueEntry, refused: Refused, after: Decision, now: float
    ) -> Decision:
        """Let memory answer for what stays; return what follows for the journal."""
        stays = _stays_at_the_head(refused, after, self)
        # a lane that is stopping has no head to come back to
        entry.throttled = stays and not self.stopping
        if not refused.throttled:
            # by the next try the channel may want it otherwise
            entry.prepared = None
        if entry.throttled and isinstance(after, Wait):
            self._head.in_memory.add(entry.message.id)
            wait_until = now + self.pace.wait_s(now)
            return Wait(max(after.until, wait_until), self.name, after.error)
        if self._waits_for_sender(refused, after):
            self._head.in_memory.add(entry.message.id)
            self._block(entry, after)
        elif refused.queue_full:
            self._queue_full(entry, after, now)
        return after

    async def _decide(
        self, entry: QueueEntry, refused: Refused, after: Decision
    ) -> None:
        assert isinstance(after, Wait | Hold | Final)
        fact = Decided(entry.message.id, after, self._clock.seconds())
        await self.persist(fact)
        self._head.in_memory.discard(entry.message.id)
        self._owner.decided(self, entry, refused, after)

    def persist(self, fact: Fact) -> Deferred[Any]:
        """Write a fact that must not be forgotten: try until it is written."""
        writing = self._journal.note(fact)
        return writing.addErrback(
            lambda failure: self._again(failure.trap(Unavailable), fact)
        )

    async def _persist_later(self, fact: Fact) -> bool:
        self._suspend("the journal cannot write", JOURNAL_PAUSE_S)
        while True:
            await deferLater(self._clock, JOURNAL_PAUSE_S)
            try:
                return bool(await self._journal.note(fact))
            except Unavailable as fault:
                log.error("{lane}: {fault}", lane=self.name, fault=fault)

    def _again(self, _trapped: Any, fact: Fact) -> Deferred[bool]:
        return Deferred.fromCoroutine(self._persist_later(fact))

    def _back_off(self, entry: QueueEntry, refused: Refused, now: float) -> Refused:
        """Slow down or rest, as the refusal asks; return it with the pause."""
        if refused.scope is Scope.SENDER:
            return self._sender_refused(entry, refused, now)
        if refused.throttled:
            pause_s = self.pace.throttled(now, refused.retry_after_s)
            self._pace_alarm.set(now + pause_s)
            if pause_s >= LONG_PAUSE_S and not self._long_pause:
                self._long_pause = True
                self._owner.rested(self)
        elif refused.scope is Scope.CHANNEL_FOR_A_WHILE:
            self._leave_alone(refused)
        elif refused.scope is Scope.CHANNEL_UNTIL_MENDED:
            pause_s = refused.retry_after_s or MENDED_S
            log.error(
                "{lane} halts: {code} {text}; it tries one message again"
                " in {pause:g} s, or at once on resume",
                lane=self.name,
                code=refused.error.code,
                text=refused.error.text,
                pause=pause_s,
            )
            self._suspend(_words(refused), pause_s)
            self._owner.rested(self)
        return refused

    def _leave_alone(self, refused: Refused) -> None:
        """Rest for a while, unless the channel itself tells when it is over."""
        pause_s = refused.retry_after_s or REST_S
        if refused.until_able and self.channel.unable() is not None:
            if not self.stopping:
                # look then, should it not
                look_at = self._clock.seconds() + pause_s
                self._suspend_alarm.set(max(look_at, self._rest.until))
            return
        self._suspend(_words(refused), pause_s, until_able=refused.until_able)
        self._owner.rested(self)

    # -- senders -----------------------------------------------------------

    def _sender_refused(
        self, entry: QueueEntry, refused: Refused, now: float
    ) -> Refused:
        """Let the sender rest here, and no other."""
        sender = None if entry.prepared is None else entry.prepared.sender
        known = self.senders.refusal(sender, entry.message, now)
        until = self.senders.refused(sender, entry.message, refused, now)
        if known is None:
            log.warn("{lane}: {why}", lane=self.name, why=self.senders.reason(now))
            self._sender_alarm_at(now)
            self._owner.rested(self)
        return msgspec.structs.replace(refused, retry_after_s=until - now)

    def _sender_taken(self, entry: QueueEntry) -> None:
        sender = None if entry.prepared is None else entry.prepared.sender
        if self.senders.taken(sender, entry.message):
            self._sender_rested()

    def _waits_for_sender(self, refused: Refused, after: Decision) -> bool:
        """Whether a message is kept in memory until its sender may be used again."""
        return (
            refused.scope is Scope.SENDER
            and isinstance(after, Wait)
            and after.channel == self.name
            and not self.stopping
            and len(self._senderless) < HEAD_LIMIT
        )

    def _block(self, entry: QueueEntry, after: Decision) -> None:
        """Let later commands to the number wait behind one that is tried again."""
        if isinstance(after, Wait) and after.channel == self.name:
            self._head.block(entry, after.until + BLOCK_SPARE_S)
            self._due_alarm_at(after.until)

    def _sender_alarm_at(self, now: float) -> None:
        end = self.senders.next_end(now)
        if end is not None and not self.stopping:
            self._sender_alarm.set(end)

    def _sender_rested(self) -> None:
        """A sender may be used again: those who waited for one stand in line."""
        waiting, self._senderless = self._senderless, {}
        for entry in waiting.values():
            self._head.push(entry)
        self._sender_alarm_at(self._clock.seconds())
        self._owner.rested(self)
        self.pump()

    def _queue_full(self, entry: QueueEntry, after: Decision, now: float) -> None:
        """Let the number wait; slow down when it is not the only one."""
        self._block(entry, after)
        full = self._full
        full[entry.message.to] = now
        for number in [one for one, at in full.items() if now - at > FULL_LATELY_S]:
            del full[number]
        if len(full) >= FULL_NUMBERS:
            self._pace_alarm.set(now + self.pace.throttled(now))

    def _suspend(self, why: str, pause_s: float, *, until_able: bool = False) -> None:
        until = self._clock.seconds() + pause_s
        self._rest.begin(why, until, until_able=until_able)
        if not self.stopping:
            self._suspend_alarm.set(self._rest.until)

    def _rested(self) -> None:
        self._owner.rested(self)
        self.pump()

    def _paced(self) -> None:
        if self._long_pause and not self.pace.paused(self._clock.seconds()):
            self._long_pause = False
            self._owner.rested(self)
        self.pump()

    # -- the head ----------------------------------------------------------

    def _take_slot(self, entry: QueueEntry) -> None:
        self._head.begin(entry)
        self.in_flight.add(entry)
        message_id = entry.message.id
        self._flying[message_id] = self._flying.get(message_id, 0) + 1
        segments = entry.prepared.segments if entry.prepared is not None else 1
        self.pace.spend(segments, self._clock.seconds())

    def _free_slot(self, entry: QueueEntry) -> None:
        self.in_flight.discard(entry)
        left = self._flying.pop(entry.message.id) - 1
        if left:
            self._flying[entry.message.id] = left
        self._head.end(entry)

    def _due_alarm_at(self, at: float) -> None:
        if not self.stopping and (self._due_at is None or at < self._due_at):
            self._due_at = at
            self._due_alarm.set(at)

    def _due(self) -> None:
        self._due_at = None
        self._more = True
        self._head.unblock(self._clock.seconds())
        blocked_until = self._head.blocked_until()
        if blocked_until is not None:
            self._due_alarm_at(blocked_until)
        self.pump()

    def _has(self, message_id: str) -> bool:
        return message_id in self._head.in_memory or message_id in self._flying

    async def _refill(self) -> None:
        """Read the next messages of this lane out of the journal."""
        room = HEAD_LIMIT - len(self._head)
        now = self._clock.seconds()
        skip = frozenset(self._head.in_memory.union(self._flying))
        self._more = False
        try:
            batch = await self._journal.take(self.name, room, now, skip)
        except Unavailable:
            self._more = True
            self._suspend("the journal cannot read", JOURNAL_PAUSE_S)
            return
        finally:
            self._refilling = False
        for item in batch.messages:
            message = item.message
            if not self._has(message.id):
                entry = QueueEntry(
                    message, item.tried, None, item.attempts, item.uncertain_attempts
                )
                entry.progress = item.progress
                self._head.push(entry)
        self._more = self._more or len(batch.messages) >= room
        if batch.next_due is not None:
            self._due_alarm_at(batch.next_due)
        self.pump()


def _stays_at_the_head(refused: Refused, after: Decision, lane: Lane) -> bool:
    """Whether a message stands at the head again, to leave when the lane may."""
    if refused.throttled:
        return True
    halted = refused.scope is Scope.CHANNEL_UNTIL_MENDED
    # nothing of it left, for want of a way
    given_back = refused.by_us and refused.until_able
    stays = halted or given_back
    return stays and isinstance(after, Wait) and after.channel == lane.name


def _words(refused: Refused) -> str:
    return f"{refused.error.code}: {refused.error.text}"
