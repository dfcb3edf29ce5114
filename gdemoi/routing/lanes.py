"""One lane per channel: a bounded window, a pace, a pause switch, an order.

Theory of operation.  A lane holds the head of its backlog in memory (`ReadyQueue`);
the journal holds the rest and is read again when the head runs low (`Backlog`).  A
message leaves in three steps: the intent is committed, the channel submits, the
outcome is committed together with what was decided.  A slot of the window is taken
from the first step to the channel's answer.

What an outcome does to the lane as a whole (pace, rests, senders) is in `BackOff`;
where the message goes then, in `WaitingPlace`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from gdemoi.contract.figures import LaneFigures
from gdemoi.errors import Unavailable
from gdemoi.facts import (
    AttemptEnded,
    AttemptStarted,
    Decided,
    Decision,
    Fact,
    Hold,
    Permission,
    QueuedBatch,
    Wait,
)
from gdemoi.facts import Final as Ended
from gdemoi.interfaces import EncodedMessage, IChannel, IJournal
from gdemoi.kit.budgets import BUDGET
from gdemoi.message import (
    Accepted,
    ChannelState,
    Error,
    Outbound,
    Outcome,
    Progress,
    Refused,
    Scope,
    Uncertain,
)
from gdemoi.routing.back_off import JOURNAL_PAUSE_S, BackOff
from gdemoi.routing.line_budgets import LineBudgets
from gdemoi.routing.ready_queue import Backlog, QueueEntry, ReadyQueue, prepare
from gdemoi.routing.turns import Turns
from gdemoi.routing.uncertain_streak import UncertainStreak
from gdemoi.tasks import Alarm, unattended

log = Logger()

# Messages of a lane that memory holds ready; the rest stay in the journal.
HEAD_LIMIT: Final = 5000
# When fewer are left, the journal is read for more.
LOW_MARK: Final = 1000
# A command that waits so long for its turn says so; most wait a moment.
BUSY_TOLD_S: Final = 5.0
BUSY_AT_ONCE: Final = 200
BUSY: Final = Error(
    "gateway:tracker_busy", "another command to this number is under way", True
)
EXPIRED: Final = Error("gateway:expired", "the time to live has passed")


class Elsewhere(msgspec.Struct, frozen=True):
    """What is known of a channel that another gateway owns, or nobody (None)."""

    owner: str | None = None
    # as `Lane.unable` there
    unable: str | None = "no gateway owns it"
    # how its owner describes it, JSON-ready
    described: dict[str, Any] = {}


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


class WaitingPlace(Enum):
    """Where a message waits that was refused and will be tried again here."""

    # the journal has it, until it is due (or it does not wait here at all)
    JOURNAL = "journal"
    # at the head of the queue, to leave as soon as the lane may
    HEAD = "head"
    # in memory, until its sender may be used again
    SENDER = "sender"


class Lane:
    """The way to one channel."""

    def __init__(
        self,
        channel: IChannel,
        journal: IJournal,
        clock: IReactorTime,
        owner: LaneOwner,
        turns: Turns,
        figures: LaneFigures | None = None,
    ) -> None:
        self.channel = channel
        self.name = channel.name
        self.back_off = BackOff(
            channel,
            clock,
            go_on=self.pump,
            changed=self._changed,
            senders_free=self._senders_free,
        )
        self.uncertain_streak = UncertainStreak()
        self.budgets = LineBudgets(channel)
        self.paused = False
        self.stopping = False
        # set while the channel is not ours: messages for it are the journal's alone
        self.elsewhere: Elsewhere | None = None
        self.in_flight: set[QueueEntry] = set()
        # ids in flight, with how often: a repeat holds a slot until it is known
        self._flying: dict[str, int] = {}
        self.sent = 0
        self.figures = figures or LaneFigures()
        self.unable_since: float | None = None
        self._journal = journal
        self._clock = clock
        self._owner = owner
        self._turns = turns
        self._queue = ReadyQueue(turns, self.pump)
        self._backlog = Backlog.OLDER
        self._pumping = False
        # those of memory that wait for their sender, by id
        self._senderless: dict[str, QueueEntry] = {}
        self._due_at: float | None = None
        self._due_alarm = Alarm(clock, self._due)

    # -- what others ask ---------------------------------------------------

    def unable(self) -> str | None:
        """Return why nothing can leave here now, None when it can.

        Of a channel that another gateway owns: why nothing can leave there.
        """
        if self.paused:
            return "paused by an operator"
        if self.elsewhere is not None:
            return self.elsewhere.unable
        return self.back_off.unable(self._clock.seconds())

    def rests_until(self) -> float | None:
        """Return when the lane tries its channel again; None: it does not rest."""
        return self.back_off.rests_until(self._clock.seconds())

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
        if state == ChannelState.DOWN:
            return state, reason
        resting = self.back_off.rest_reason(now)
        if resting is not None:
            return ChannelState.DOWN, resting
        limited = self.back_off.limits(now)
        if self.uncertain_streak.reason:
            silent = (
                self.uncertain_streak.present
                if present
                else self.uncertain_streak.reason
            )
            limited = f"{silent}; {limited}" if limited else silent
        if not limited:
            return state, reason
        return ChannelState.DEGRADED, f"{reason}; {limited}" if reason else limited

    def prepare(
        self, message: Outbound, progress: Progress | None = None
    ) -> EncodedMessage | Refused:
        """Let the channel prepare a message, unless its sender rests here."""
        prepared = prepare(self.channel, message, progress)
        if isinstance(prepared, Refused):
            return prepared
        now = max(self._clock.seconds(), message.not_before or 0.0)
        return (
            self.back_off.senders.refusal(prepared.sender, message, now)
            or self.budgets.spent(prepared, now)
            or prepared
        )

    @property
    def waiting(self) -> int:
        """How many messages stand ready in memory."""
        return len(self._queue) + self._queue.blocked + len(self._senderless)

    @property
    def settled(self) -> bool:
        """Whether memory answers for nothing, in flight or waiting."""
        return not (self.waiting or self.in_flight or self._queue.in_memory)

    def is_out(self, message_id: str) -> bool:
        """Whether a message is in flight."""
        return message_id in self._flying

    def entries(self) -> list[QueueEntry]:
        """Return the messages that stand ready, in order; then those without sender."""
        return [*self._queue, *self._senderless.values()]

    def may_use_fast_path(self, message: Outbound) -> bool:
        """Whether attempt 1 may begin in the commit of the acceptance.

        The caller knows that the lane is able.
        """
        return (
            not self.stopping
            and self.elsewhere is None
            and self._backlog is Backlog.EMPTY
            # the intent has to name the line that it counts for
            and not self.budgets.used
            and not len(self._queue)
            and len(self.in_flight) < self.channel.window
            and message.not_before is None
            and self.back_off.pace.wait_s(self._clock.seconds()) <= 0.0
        )

    # -- messages come -----------------------------------------------------

    def reserve(self, entry: QueueEntry) -> None:
        """Take a slot for a message whose attempt begins with its acceptance."""
        self._take_slot(entry)

    def release(self, entry: QueueEntry) -> None:
        """Give the slot back: the message was not taken."""
        self._free_slot(entry)
        self.pump()

    def launch(self, entry: QueueEntry) -> None:
        """Send a message whose slot is reserved and whose intent is committed."""
        self._submit(entry)

    def admit(self, entry: QueueEntry) -> None:
        """Let a committed message in, to memory or by the journal's word."""
        if self.elsewhere is not None:
            return
        not_before = entry.message.not_before or 0.0
        if not_before > self._clock.seconds():
            self._due_alarm_at(not_before)
        elif self._backlog is not Backlog.EMPTY or len(self._queue) >= HEAD_LIMIT:
            # older ones come from the journal first
            self._backlog = self._backlog.add()
        elif not self._has(entry.message.id):
            # a refill may have seen the commit before we heard of it
            self._queue.push(entry)

    def more(self, until: float = 0.0) -> None:
        """Tell that the journal has (or will have, at `until`) more for us."""
        if until > self._clock.seconds():
            self._due_alarm_at(until)
        else:
            self._backlog = self._backlog.add()

    def remove(self, message_id: str) -> QueueEntry | None:
        """Take a waiting message out of memory (cancelled, or moved away)."""
        entry = self._senderless.pop(message_id, None)
        if entry is None:
            return self._queue.remove(message_id)
        self._queue.in_memory.discard(message_id)
        return entry

    def tell_busy(self) -> None:
        """Tell of commands that have waited for their turn for a while."""
        if self.stopping or self.elsewhere is not None:
            return
        now = self._clock.seconds()
        for entry in self._queue.long_blocked(now - BUSY_TOLD_S, BUSY_AT_ONCE):
            fact = Decided(entry.message.id, Wait(now, self.name, BUSY), now)
            self._journal.record(fact, _busy_told, _busy_untold)

    def hand_over(self, message_id: str) -> bool:
        """Take a waiting message out, to move it; False: it does not wait any more.

        Until `handed_over` no reading of the journal brings it back.
        """
        if self.remove(message_id) is None:
            return False
        self._queue.in_memory.add(message_id)
        return True

    def handed_over(self, message_id: str) -> None:
        """The journal knows that it has gone (or does not: then it comes again)."""
        self._queue.in_memory.discard(message_id)

    def pause(self) -> None:
        """Send nothing until `resume`."""
        self.paused = True

    def resume(self) -> None:
        """Go on, and try again at once whatever was left alone: someone acted."""
        self.paused = False
        self.back_off.lift()

    def able(self) -> bool:
        """Hear that the channel may be able again; True when a rest ended by it."""
        if self.channel.unable() is not None:
            return False
        return self.back_off.able(self._clock.seconds())

    def stop(self) -> None:
        """Start nothing new; what is in flight goes on."""
        self.stopping = True
        self.back_off.stop()
        self._queue.stop()
        self._due_alarm.cancel()

    # -- messages go -------------------------------------------------------

    def pump(self) -> None:
        """Let go what may go now, and see that the queue does not run dry."""
        if self._pumping or self.stopping or self.elsewhere is not None:
            return
        self._pumping = True
        queue = self._queue
        try:
            while len(queue) and self._may_go():
                entry = queue.pop()
                if entry is None:
                    break
                self._go(entry)
        finally:
            self._pumping = False
        if self._backlog is Backlog.OLDER and len(queue) < LOW_MARK:
            self._refill()

    def _may_go(self) -> bool:
        if len(self.in_flight) >= self.channel.window or self.unable() is not None:
            return False
        return self.back_off.in_pace(self._clock.seconds())

    def _go(self, entry: QueueEntry) -> None:
        """Write down that a message is about to leave; it leaves after that."""
        message = entry.message
        found: EncodedMessage | Refused
        if entry.prepared is None:
            found = self.prepare(message, entry.progress)
        else:
            sender, now = entry.prepared.sender, self._clock.seconds()
            found = (
                self.back_off.senders.refusal(sender, message, now) or entry.prepared
            )
        if isinstance(found, Refused):
            self._cannot_go(entry, found)
            return
        entry.prepared = found
        refused = self.budgets.reserve(entry)
        if refused is not None:
            self._cannot_go(entry, refused)
            return
        self._take_slot(entry)
        now = self._clock.seconds()
        intent = AttemptStarted(
            message.id, entry.attempts + 1, self.name, now, entry.spends
        )
        self._journal.begin(intent, self._intended, self._not_intended, entry)

    def _intended(self, permission: Permission, entry: QueueEntry) -> None:
        if permission is Permission.GO:
            self._submit(entry)
            return
        self._free_slot(entry)
        self.budgets.not_begun(entry)
        if permission is Permission.LATER:
            self._turns.elsewhere(entry.message)
            self._queue.push(entry)
        self.pump()

    def _not_intended(self, failure: Failure, entry: QueueEntry) -> None:
        """It did not leave: nothing says that it was about to."""
        self._free_slot(entry)
        self.budgets.not_begun(entry)
        if failure.check(Unavailable) is None:
            log.failure("{id} cannot begin", failure, id=entry.message.id)
        # a fault of ours is tried again too: the journal has it, and nobody else
        self.back_off.journal_fault("the journal cannot write")
        self._queue.push(entry)

    def _submit(self, entry: QueueEntry) -> None:
        """Hand a message to the channel, unless its time ran out in the commit."""
        entry.attempts += 1
        message = entry.message
        now = self._clock.seconds()
        if now >= message.expires_at:
            # the commit took its time: it certainly does not go out
            self.budgets.release(entry)
            self._answered(Refused(error=EXPIRED, by_us=True), entry, None)
            return
        if entry.attempts == 1:
            since = max(message.accepted_at, message.not_before or 0.0)
            self.figures.publish_to_submit.observe(now - since)
        assert entry.prepared is not None
        try:
            done = self.channel.submit(entry.prepared, entry.attempts)
        except Exception:  # noqa: BLE001 - the boundary of one message
            self._cannot_submit(Failure(), entry, now)
            return
        answered = done.addCallbacks(
            self._answered, self._cannot_submit, (entry, now), {}, (entry, now)
        )
        unattended(answered, log, "the answer about %s", message.id)

    def _cannot_submit(
        self, failure: Failure, entry: QueueEntry, left_at: float
    ) -> None:
        log.failure(
            "{lane} cannot submit {id}",
            failure,
            lane=self.name,
            id=entry.message.id,
        )
        why = "a fault of the gateway; see the log"
        self._answered(Uncertain(why=why, unclear=True), entry, left_at)

    def _answered(
        self, outcome: Outcome, entry: QueueEntry, left_at: float | None
    ) -> None:
        """Let an outcome have its effect on the lane, and write down what follows."""
        now = self._clock.seconds()
        if left_at is not None:
            self.figures.submit_to_response.observe(now - left_at)
        entry.tried = (*entry.tried, self.name)
        entry.uncertain_attempts += isinstance(outcome, Uncertain)
        self._free_slot(entry)
        self.heard(outcome)
        place = WaitingPlace.JOURNAL
        if isinstance(outcome, Accepted):
            self.sent += 1
            self.back_off.taken(entry, outcome, now)
            after = self._owner.decide(self, entry, outcome)
        else:
            if isinstance(outcome, Refused):
                outcome = self.back_off.refused(entry, outcome, now)
            entry.progress = outcome.progress or entry.progress
            after = self._owner.decide(self, entry, outcome)
            if isinstance(outcome, Refused):
                place, after = self._keep(entry, outcome, after, now)
        fact = AttemptEnded(
            entry.message.id,
            entry.attempts,
            self.name,
            self.channel.account,
            outcome,
            after,
            now,
            self.budgets.ended(entry, outcome),
        )
        self._journal.record(
            fact, self._recorded, self._not_recorded, fact, entry, place
        )
        self.pump()

    def _recorded(
        self, _counted: bool, fact: AttemptEnded, entry: QueueEntry, place: WaitingPlace
    ) -> None:
        """Put a message where it waits, now that the journal knows what was decided."""
        if self.stopping:
            # the lane that took our place has read the journal before this was there
            self._owner.decided(self, entry, fact.outcome, fact.next)
        elif place is WaitingPlace.HEAD:
            self._queue.push(entry)
            self.pump()
        elif place is WaitingPlace.SENDER:
            self._senderless[entry.message.id] = entry
            if not self.back_off.senders_rest:
                self.back_off.look_at_senders()
        else:
            self._owner.decided(self, entry, fact.outcome, fact.next)

    def _not_recorded(
        self,
        failure: Failure,
        fact: AttemptEnded,
        entry: QueueEntry,
        place: WaitingPlace,
    ) -> None:
        """What became of a message must not be forgotten: try until it is written."""
        recorded = self._persist_later(failure, fact).addCallback(
            self._recorded, fact, entry, place
        )
        unattended(recorded, log, "what became of %s", entry.message.id)

    def heard(self, outcome: Outcome) -> None:
        """Take note whether the far side answers, in time or late."""
        self.figures.heard(outcome)
        if not self.uncertain_streak.heard(outcome, self._clock.seconds()):
            return
        if self.uncertain_streak.reason:
            log.warn("{lane}: {why}", lane=self.name, why=self.uncertain_streak.reason)
        else:
            log.info("{lane} answers submits again, and clearly", lane=self.name)
        self._changed()

    # -- what was refused --------------------------------------------------

    def _place(self, refused: Refused, after: Decision) -> WaitingPlace:
        """Return where a refused message waits for what was decided.

        =====================================================  =======================
        the refusal, and the decision                          place
        =====================================================  =======================
        not to wait here, or the lane is stopping              JOURNAL
        throttled                                              HEAD
        the channel halts, or had no way (nothing left)        HEAD
        about the sender                                       SENDER (if there is
                                                               room, else JOURNAL)
        anything else, a spent budget too                      JOURNAL
        =====================================================  =======================
        """
        # a lane that is stopping has no head to come back to
        here = isinstance(after, Wait) and after.channel == self.name
        if not here or self.stopping:
            return WaitingPlace.JOURNAL
        halted = refused.scope is Scope.CHANNEL_HALTED
        if refused.throttled or halted or _given_back(refused):
            return WaitingPlace.HEAD
        if refused.error.code == BUDGET:
            return WaitingPlace.JOURNAL
        if refused.scope is Scope.SENDER and len(self._senderless) < HEAD_LIMIT:
            return WaitingPlace.SENDER
        return WaitingPlace.JOURNAL

    def _keep(
        self, entry: QueueEntry, refused: Refused, after: Decision, now: float
    ) -> tuple[WaitingPlace, Decision]:
        """Let memory answer for what waits there; return what the journal is told."""
        if not refused.throttled:
            # by the next try the channel may want it otherwise
            entry.prepared = None
        place = self._place(refused, after)
        if self.stopping and _given_back(refused) and isinstance(after, Wait):
            # nothing left, and the channel is only closed: no time is lost by that
            after = Wait(now, after.channel, after.error)
        if place is not WaitingPlace.JOURNAL:
            self._queue.in_memory.add(entry.message.id)
        if place is WaitingPlace.HEAD and isinstance(after, Wait):
            wait_until = now + self.back_off.pace.wait_s(now)
            after = Wait(max(after.until, wait_until), self.name, after.error)
        elif refused.queue_full:
            self.back_off.queue_full(entry.message.to, now)
        return place, after

    def _cannot_go(self, entry: QueueEntry, refused: Refused) -> None:
        """Find another way for a message that the channel refuses before it leaves."""
        after = self._owner.refused_here(self, entry, refused)
        self._queue.in_memory.add(entry.message.id)
        if self._place(refused, after) is WaitingPlace.SENDER:
            self._senderless[entry.message.id] = entry
            return
        assert isinstance(after, Wait | Hold | Ended)
        fact = Decided(entry.message.id, after, self._clock.seconds())
        noted = self.persist(fact).addCallbacks(
            self._moved, self._not_moved, (entry, refused, after), {}, (entry,)
        )
        unattended(noted, log, "deciding about %s", entry.message.id)

    def _moved(
        self, _counted: bool, entry: QueueEntry, refused: Refused, after: Decision
    ) -> None:
        self._queue.in_memory.discard(entry.message.id)
        self._owner.decided(self, entry, refused, after)

    def _not_moved(self, failure: Failure, entry: QueueEntry) -> Failure:
        """It is in the journal as it was: read it again from there."""
        self._queue.in_memory.discard(entry.message.id)
        self._backlog = self._backlog.add()
        self.back_off.journal_fault("the journal cannot write")
        return failure

    def _senders_free(self) -> None:
        waiting, self._senderless = self._senderless, {}
        for entry in waiting.values():
            self._queue.push(entry)

    def _changed(self) -> None:
        self._owner.rested(self)

    # -- what must not be forgotten ----------------------------------------

    def persist(self, fact: Fact) -> Deferred[bool]:
        """Write a fact that must not be forgotten: try until it is written."""
        return self._journal.note(fact).addErrback(self._persist_later, fact)

    def _persist_later(self, failure: Failure, fact: Fact) -> Deferred[bool]:
        failure.trap(Unavailable)
        self.back_off.journal_fault("the journal cannot write")
        return Deferred.fromCoroutine(self._persist_at_last(fact))

    async def _persist_at_last(self, fact: Fact) -> bool:
        while True:
            await deferLater(self._clock, JOURNAL_PAUSE_S)
            try:
                return bool(await self._journal.note(fact))
            except Unavailable as fault:
                log.error("{lane}: {fault}", lane=self.name, fault=fault)

    # -- the queue ---------------------------------------------------------

    def _take_slot(self, entry: QueueEntry) -> None:
        self._queue.begin(entry)
        self.in_flight.add(entry)
        message_id = entry.message.id
        self._flying[message_id] = self._flying.get(message_id, 0) + 1
        segments = entry.prepared.segments if entry.prepared is not None else 1
        self.back_off.pace.spend(segments, self._clock.seconds())

    def _free_slot(self, entry: QueueEntry) -> None:
        self.in_flight.discard(entry)
        left = self._flying.pop(entry.message.id) - 1
        if left:
            self._flying[entry.message.id] = left

    def _due_alarm_at(self, at: float) -> None:
        if not self.stopping and (self._due_at is None or at < self._due_at):
            self._due_at = at
            self._due_alarm.set(at)

    def _due(self) -> None:
        self._due_at = None
        self._backlog = self._backlog.add()
        self.pump()

    def _has(self, message_id: str) -> bool:
        return message_id in self._queue.in_memory or message_id in self._flying

    def _refill(self) -> None:
        """Read the next messages of this lane out of the journal."""
        self._backlog = Backlog.READING
        room = HEAD_LIMIT - len(self._queue)
        now = self._clock.seconds()
        skip = frozenset(self._queue.in_memory.union(self._flying))
        taken = self._journal.take(self.name, room, now, skip)
        read = taken.addCallbacks(self._refilled, self._not_refilled, (room,))
        unattended(read, log, "reading the backlog of %s", self.name)

    def _refilled(self, batch: QueuedBatch, room: int) -> None:
        messages = batch.messages
        for item in messages:
            message = item.message
            if not self._has(message.id):
                entry = QueueEntry(
                    message, item.tried, None, item.attempts, item.uncertain_attempts
                )
                entry.progress = item.progress
                self._queue.push(entry)
        self._backlog = self._backlog.read(all_of_it=len(messages) < room)
        if batch.next_due is not None:
            self._due_alarm_at(batch.next_due)
        self.pump()

    def _not_refilled(self, failure: Failure) -> None:
        self._backlog = self._backlog.read(all_of_it=False)
        self.back_off.journal_fault("the journal cannot read")
        failure.trap(Unavailable)


def _given_back(refused: Refused) -> bool:
    """Whether nothing left, for want of a way."""
    return refused.by_us and refused.until_able


def _busy_told(_counted: bool) -> None:
    """Nothing follows: it waits where it is."""


def _busy_untold(failure: Failure) -> None:
    """Leave it: the journal cannot write, and waiting is no state to insist on."""
    failure.trap(Unavailable)
