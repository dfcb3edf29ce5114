"""The middle of the gateway: messages in, facts to the journal, lanes and channels.

The dispatcher knows which channels there are and the rules between them.  It
decides (`retry.decide`), the journal records, the lanes act.  It implements
`IChannelEvents`, what channels call upward, and `LaneOwner`, what lanes ask.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final as Constant

import msgspec
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from zope.interface import implementer

from gdemoi.contract.figures import LaneFigures
from gdemoi.contract.numbers import certain
from gdemoi.errors import Unavailable
from gdemoi.facts import (
    AttemptEnded,
    Decided,
    Decision,
    Final,
    Hold,
    InterruptedAttempt,
    QueuedMessage,
    Rejected,
    Submitted,
    Wait,
)
from gdemoi.interfaces import IAttending, IChannel, IChannelEvents, IJournal
from gdemoi.message import (
    Accepted,
    Error,
    Inbound,
    MessageState,
    Numbering,
    Outbound,
    Outcome,
    Receipt,
    ReceiptMatch,
    Refused,
    Scope,
    Uncertain,
)
from gdemoi.routing.back_off import JOURNAL_PAUSE_S
from gdemoi.routing.flapping import Flapping
from gdemoi.routing.intake import Intake
from gdemoi.routing.keepalive import message_of
from gdemoi.routing.lanes import Elsewhere, Lane
from gdemoi.routing.ready_queue import QueueEntry, must_fit, stranded
from gdemoi.routing.retry import RetryPolicy, Situation, decide
from gdemoi.routing.rules import Router, first_able
from gdemoi.routing.turns import Turns
from gdemoi.tasks import background, spawn

log = Logger()

# How long a channel may be unable before its waiting messages go another way: a
# short reconnection should not scatter them.
FAILOVER_AFTER_S: Constant = 5.0
FAILOVER_EVERY_S: Constant = 1.0
FAILOVER_AT_ONCE: Constant = 200
SWEEP_EVERY_S: Constant = 1.0
# Unsure messages that are remembered for a late answer.
UNSURE_LIMIT: Constant = 10_000
# Refused ones that wait for another try, in case the far side contradicts itself.
REFUSED_LIMIT: Constant = 1_000
# Ask the provider about an unsure message after this, where it can be asked.
ASK_AFTER_S: Constant = 10.0
# Commits that are waited for, at most, after a channel has ended.
LAST_ROUNDS: Constant = 20
# Other gateways tell which commands hold their numbers no longer; what got lost of
# that is made good so often.
COMPARE_EVERY_S: Constant = 30.0


@implementer(IChannelEvents)
class Dispatcher:
    """Runs the lanes of one configuration over one journal."""

    def __init__(
        self,
        journal: IJournal,
        clock: IReactorTime,
        router: Router,
        channels: Iterable[IChannel],
        *,
        policy: RetryPolicy | None = None,
        backlog_limit: int = 100_000,
        home_country: str | None = None,
        shared: bool = False,
    ) -> None:
        # others have the same journal: a channel is used after `own` alone
        self._shared = shared
        # whether the passing of time is ours to see to, for all messages
        self.keeps_time = not shared
        # channels that some gateway has, of those that share the journal
        self.known_channels: frozenset[str] = frozenset()
        self._compare_at = 0.0
        # lanes of channels that were given up, while their last answers come
        self._closing: list[Lane] = []
        self.journal = journal
        self.clock = clock
        self.router = router
        self.policy = policy or RetryPolicy()
        self.home_country = home_country
        self.lanes: dict[str, Lane] = {}
        # of every channel that there was since the start
        self.figures: dict[str, LaneFigures] = {}
        self.turns = Turns(clock, shared=shared)
        journal.on_turns(self.turns.changed)
        self.intake = Intake(
            journal, clock, router, self.lanes, backlog_limit, self.turns
        )
        self.stopping = False
        self._unsure: OrderedDict[tuple[str, int], QueueEntry] = OrderedDict()
        self._refused: OrderedDict[tuple[str, int], QueueEntry] = OrderedDict()
        # state and reason of each channel that were told last
        self._standings: dict[str, tuple[str, str]] = {}
        for channel in channels:
            self.add_channel(channel)
        self._adopting = DeferredLock()
        self._flapping = Flapping(clock, self._notify_change)
        self._sweeper = LoopingCall(self._sweep_on)
        self._failover = LoopingCall(self._fail_over)
        self._sweeper.clock = self._failover.clock = clock

    # -- life --------------------------------------------------------------

    async def start(self) -> None:
        """Settle what a crash interrupted, then start channels and lanes.

        Among gateways that share a journal, `own` does so channel by channel.
        """
        if self._shared:
            for lane in self.lanes.values():
                self._attend(lane)
        else:
            for found in await self.journal.interrupted():
                await self._settle(found)
            await self.adopt_orphans()
        self.turns.load(await self.journal.holding())
        # Not before: what leaves now would be taken for interrupted.
        self.intake.closed = False
        for lane in self.lanes.values():
            if lane.elsewhere is None:
                await lane.budgets.load(self.journal)
                lane.channel.start(self)
                lane.pump()
        for loop, every_s in (
            (self._sweeper, SWEEP_EVERY_S),
            (self._failover, FAILOVER_EVERY_S),
        ):
            # It runs until `stop`; what fails is logged, and tried again.
            loop.start(every_s, now=False)  # type: ignore[unused-awaitable]

    def add_channel(self, channel: IChannel) -> Lane:
        """Open a lane for a channel; the caller starts both."""
        figures = self.figures.setdefault(channel.name, LaneFigures())
        lane = Lane(channel, self.journal, self.clock, self, self.turns, figures)
        if self._shared:
            lane.elsewhere = Elsewhere()
        self.lanes[channel.name] = lane
        self._standings.pop(channel.name, None)
        return lane

    async def stop(self, grace_s: float) -> None:
        """Start nothing new, let unanswered submits finish, say goodbye."""
        self.stopping = self.intake.closed = True
        for loop in (self._sweeper, self._failover):
            if loop.running:
                loop.stop()
        ours = [lane for lane in self.lanes.values() if lane.elsewhere is None]
        for lane in self.lanes.values():
            lane.stop()
        for ending in [lane.channel.stop(grace_s) for lane in ours]:
            await ending
        if self._shared:
            await self._last_words(ours)
        self._flapping.stop()
        self.turns.stop()

    # -- among gateways that share the journal -----------------------------

    async def _last_words(self, lanes: Sequence[Lane]) -> None:
        try:
            await self._written(lanes)
        except Unavailable as fault:
            log.warn("some outcomes are not written down: {why}", why=fault)

    async def own(self, name: str) -> None:
        """Use a channel from now on; settle first what its last owner left open.

        Raises `Unavailable` when the journal cannot say that: then it is not used.
        """
        lane = self.lanes[name]
        for found in await self.journal.interrupted([name]):
            if not any(one.is_out(found.message.id) for one in self._closing):
                await self._settle(found)
        await lane.budgets.load(self.journal)
        if lane.elsewhere is None or self.stopping:
            return
        lane.elsewhere = None
        log.info("{channel} is ours now", channel=name)
        lane.channel.start(self)
        lane.more()
        lane.pump()

    async def give_up(self, name: str, successor: IChannel, grace_s: float) -> None:
        """Use a channel no more; returns when its last answers are written down.

        `successor` takes its place here, for when it is ours again.  Raises
        `Unavailable` when the journal cannot be written.
        """
        old = self.lanes[name]
        old.stop()
        self._closing.append(old)
        lane = self.add_channel(successor)
        lane.paused = old.paused
        self._attend(lane)
        log.info("{channel} is no longer ours", channel=name)
        try:
            await old.channel.stop(grace_s)
            await self._written([old])
        finally:
            self._closing.remove(old)

    async def _written(self, lanes: Sequence[Lane]) -> None:
        """Wait until what became of all that these lanes sent is written down.

        An intent whose commit comes after the channel's end is refused by it, and that
        is written after it.
        """
        for _ in range(LAST_ROUNDS):
            if not any(lane.in_flight for lane in lanes):
                break
            await self.journal.flushed()
        await self.journal.flushed()

    def _attend(self, lane: Lane) -> None:
        attending = IAttending(lane.channel, None)
        if attending is not None:
            attending.attend(self)

    def woken(self, channels: Iterable[str]) -> None:
        """Hear from another gateway that something waits for `channels`."""
        for name in channels:
            lane = self.lanes.get(name)
            if lane is not None and lane.elsewhere is None:
                lane.more()
                lane.pump()

    async def keep_time(self) -> None:
        """See to the passing of time from now on, and to what is nobody's."""
        known = self.known_channels.union(self.lanes)
        for found in await self.journal.interrupted():
            if found.channel not in known:
                await self._settle(found)
        self.keeps_time = True

    # -- what a crash interrupted ------------------------------------------

    async def _settle(self, found: InterruptedAttempt) -> None:
        """Give an attempt that has no outcome the only honest one, and ask."""
        why = "the gateway stopped before the answer came"
        progress = found.progress
        ids, segments = found.provider_ids, 1
        if progress is not None:
            ids, segments = ids or progress.provider_ids, progress.segments
        outcome = Uncertain(
            why=why, provider_ids=ids, segments=segments, progress=progress
        )
        lane = self.lanes.get(found.channel)
        tried = found.tried if found.held else (*found.tried, found.channel)
        held = found.held
        uncertain_attempts = (
            found.uncertain_attempts if held else found.uncertain_attempts + 1
        )
        entry = QueueEntry(
            found.message, tried, None, found.attempt, uncertain_attempts
        )
        entry.progress = progress
        if not held:
            after = self._next(entry, outcome)
            held = isinstance(after, Hold)
            await self.journal.note(
                AttemptEnded(
                    found.message.id,
                    found.attempt,
                    found.channel,
                    lane.channel.account if lane is not None else found.channel,
                    outcome,
                    after,
                    self.clock.seconds(),
                )
            )
        if lane is not None and held:
            self._remember(entry)
            self._ask_later(lane, found.message, outcome)

    def open_channel(self, channel: IChannel, *, paused: bool = False) -> None:
        """Open a lane while the others run, and start its channel if it is ours."""
        lane = self.add_channel(channel)
        lane.paused = paused
        if lane.elsewhere is None:
            spawn(self._open(lane), log, f"opening {lane.name}")
        else:
            self._attend(lane)

    async def _open(self, lane: Lane) -> None:
        """Start a channel, when it is known what its lines may still send."""
        while not lane.stopping:
            try:
                await lane.budgets.load(self.journal)
                break
            except Unavailable as fault:
                log.error("{lane} waits: {fault}", lane=lane.name, fault=fault)
            await deferLater(self.clock, JOURNAL_PAUSE_S)
        if not lane.stopping:
            lane.channel.start(self)
            lane.pump()

    async def close_channel(self, name: str, grace_s: float) -> None:
        """Stop a lane while the others run; its messages stay in the journal.

        It keeps its place, so that messages for it are taken, until it is opened
        anew or forgotten.
        """
        lane = self.lanes[name]
        lane.stop()
        if lane.elsewhere is None:
            await lane.channel.stop(grace_s)

    def forget_channel(self, name: str) -> None:
        """Drop a lane that is closed and that no route leads to any more."""
        del self.lanes[name]
        self._flapping.forget(name)

    async def adopt_orphans(self) -> None:
        """Move what waits for a channel that is no longer configured, anywhere.

        One run at a time: a message that another run has moved on must not be
        taken back.
        """
        await self._adopting.acquire()
        try:
            for name in self._orphans():
                # all of them, due or not
                always, none = float("inf"), frozenset[str]()
                while (
                    batch := await self.journal.take(name, 500, always, none)
                ).messages:
                    for item in batch.messages:
                        await self._adopt(name, item)
        finally:
            self._adopting.release()

    def _orphans(self) -> set[str]:
        if not self.keeps_time:
            return set()
        return set(self.journal.backlog()) - set(self.lanes) - self.known_channels

    async def _adopt(self, name: str, item: QueuedMessage) -> None:
        ways = self.ways(item.message)
        error = Error("gateway:no_route", f"channel {name} is gone")
        now = self.clock.seconds()
        after: Wait | Hold | Final = Final(MessageState.REJECTED, error)
        if ways:
            after = Wait(item.due, ways[0])
        elif item.progress is not None and must_fit(item.message, item.progress):
            where = f"since channel {name} is gone"
            after = Hold(now, stranded(item.message, item.progress, where))
        await self.journal.note(Decided(item.message.id, after, now))
        if ways:
            self.lanes[ways[0]].more(item.due)
            self.lanes[ways[0]].pump()

    # -- what lanes ask (LaneOwner) ----------------------------------------

    def unable(self, name: str) -> str | None:
        """Return why a channel cannot send now, None when it can."""
        return self.lanes[name].unable()

    def ways(self, message: Outbound) -> tuple[str, ...]:
        """Return the present route of a message."""
        return self.router.route(message).channels

    def _next(self, entry: QueueEntry, outcome: Outcome) -> Decision:
        if isinstance(outcome, Accepted):
            # the common case: the route need not be looked at again
            return Submitted(final=not outcome.receipt_expected)
        known = Situation(
            entry.message,
            entry.tried,
            entry.attempts,
            self.ways(entry.message),
            self.unable,
            self.clock.seconds(),
            self.policy,
            entry.uncertain_attempts,
            must_fit(entry.message, entry.progress),
            lambda name: self._carries(name, entry),
        )
        return decide(outcome, known)

    def _carries(self, name: str, entry: QueueEntry) -> bool:
        found = self.lanes[name].prepare(entry.message, entry.progress)
        return not isinstance(found, Refused)

    def decide(self, lane: Lane, entry: QueueEntry, outcome: Outcome) -> Decision:
        """Decide what follows an outcome."""
        if isinstance(outcome, Uncertain):
            # now, since a late answer may come before this is written
            self._remember(entry)
        after = self._next(entry, outcome)
        if isinstance(outcome, Refused) and isinstance(after, Wait):
            _keep(self._refused, entry, REFUSED_LIMIT)
        return after

    def decided(
        self, lane: Lane, entry: QueueEntry, outcome: Outcome, after: Decision
    ) -> None:
        """Let the committed decision have its effect on the lanes."""
        if isinstance(after, Wait):
            there = self.lanes.get(after.channel)
            if there is not None:
                there.more(after.until)
                there.pump()
        if isinstance(outcome, Uncertain) and isinstance(after, Hold):
            self._ask_later(lane, entry.message, outcome)

    def refused_here(
        self, lane: Lane, entry: QueueEntry, refused: Refused
    ) -> Wait | Hold | Final:
        """Find another way for a message that this channel cannot carry.

        Never, or not soon; if soon, it waits where it is for want of another way.
        """
        now = self.clock.seconds()
        others = [name for name in self.ways(entry.message) if name != lane.name]
        ways = [name for name in others if self._carries(name, entry)]
        there = first_able(ways, self.unable)
        soon = refused.scope is Scope.SENDER and refused.error.retryable
        if soon and (there is None or self.unable(there) is not None):
            return Wait(now + (refused.retry_after_s or 0.0), lane.name, refused.error)
        if there is not None:
            return Wait(now, there)
        if must_fit(entry.message, entry.progress):
            # a part has left, and the rest can never follow
            return Hold(now, refused.error)
        return Final(MessageState.REJECTED, refused.error)

    # -- unsure messages ---------------------------------------------------

    def _remember(self, entry: QueueEntry) -> None:
        _keep(self._unsure, entry, UNSURE_LIMIT)

    def _ask_later(self, lane: Lane, message: Outbound, outcome: Uncertain) -> None:
        asking = self._ask(lane, message, outcome)
        spawn(asking, log, f"asking about {message.id}")

    async def _ask(self, lane: Lane, message: Outbound, outcome: Uncertain) -> None:
        await deferLater(self.clock, ASK_AFTER_S)
        if self.stopping:
            return
        found = await lane.channel.ask(message, outcome.provider_ids)
        if found is not None:
            await self.journal.receipt(found)

    # -- what channels tell (IChannelEvents) -------------------------------

    def able(self, channel: IChannel) -> None:
        """Send what waits, now that the channel may."""
        lane = self.lanes.get(channel.name)
        if lane is not None:
            if lane.able():
                self.rested(lane)
            lane.pump()

    def receipt(self, receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        """Record a receipt."""
        return self.journal.receipt(receipt)

    def inbound(self, inbound: Inbound) -> Deferred[None]:
        """Record an SMS that came in."""
        inbound = self._in_one_form(inbound)
        figures = self.figures.get(inbound.channel)
        if figures is not None:
            figures.inbound += 1
        return self.journal.inbound(inbound).addCallback(lambda _: None)

    def _in_one_form(self, inbound: Inbound) -> Inbound:
        """Return it with its sender as E.164, where that is certain."""
        came = inbound.from_
        if inbound.numbering is Numbering.AS_GIVEN:
            return inbound
        national = inbound.numbering is Numbering.NATIONAL
        from_ = certain(came, self.home_country, national=national)
        raw = came if inbound.from_raw is None else inbound.from_raw
        return msgspec.structs.replace(
            inbound, from_=from_, from_raw=None if raw == from_ else raw
        )

    def late(self, message_id: str, attempt: int, outcome: Outcome) -> None:
        """Record an answer that came after its time."""
        entry = self._unsure.get((message_id, attempt))
        if entry is None and isinstance(outcome, Accepted):
            # it was refused before: what may have gone out is not repeated
            entry = self._refused.pop((message_id, attempt), None)
        if entry is None:
            log.warn(
                "a late answer to attempt {attempt} of {id} is of no use any more",
                attempt=attempt,
                id=message_id,
            )
            return
        lane = self.lanes.get(entry.tried[-1])
        if lane is not None:
            lane.heard(outcome)
            lane.sent += isinstance(outcome, Accepted)
        news = not isinstance(outcome, Uncertain) or outcome.progress is not None
        if lane is not None and news:
            spawn(
                self._late(lane, entry, attempt, outcome),
                log,
                f"a late answer about {message_id}",
            )

    async def _late(
        self, lane: Lane, entry: QueueEntry, attempt: int, outcome: Outcome
    ) -> None:
        if isinstance(outcome, Accepted):
            self._unsure.pop((entry.message.id, attempt), None)
        elif outcome.progress is not None:
            entry.progress = outcome.progress
        after = self._next(entry, outcome)
        fact = AttemptEnded(
            entry.message.id,
            attempt,
            lane.name,
            lane.channel.account,
            outcome,
            after,
            self.clock.seconds(),
            lane.budgets.returned(entry, outcome),
        )
        if await lane.persist(fact):
            lane.budgets.ended(entry, outcome)
            self.decided(lane, entry, outcome, after)
        elif isinstance(outcome, Refused) and isinstance(after, Wait):
            # `uncertain` was told: there is no way back into a lane, but it is
            # certain now that the message did not go out.
            final = Final(MessageState.UNDELIVERED, outcome.error)
            now = self.clock.seconds()
            await lane.persist(Decided(entry.message.id, final, now))

    def changed(
        self, channel: IChannel, state: str, reason: str, line: str | None = None
    ) -> None:
        """Record and log that a channel or a line went up or down."""
        lane = self.lanes.get(channel.name)
        if line is None and lane is not None:
            lane.able()
            state, reason = lane.standing(state, reason)
            self._standings[channel.name] = (state, reason)
        self._flapping.changed(channel.name, line, state, reason)
        self.able(channel)

    def rested(self, lane: Lane) -> None:
        """Record and log that a lane rests, or no longer, if that is news."""
        if self.stopping or self.lanes.get(lane.name) is not lane:
            return
        described = lane.channel.describe()
        own = (str(described.get("state")), str(described.get("reason") or ""))
        standing = lane.standing(*own)
        if standing != self._standings.get(lane.name, own):
            self._standings[lane.name] = standing
            self._flapping.changed(lane.name, None, *standing)

    def _notify_change(
        self, channel: str, line: str | None, state: str, reason: str
    ) -> None:
        log.info(
            "{channel}{line} is {state} {reason}",
            channel=channel,
            line=f" line {line}" if line else "",
            state=state,
            reason=f"({reason})" if reason else "",
        )
        spawn(
            self._changed(channel, line, state, reason),
            log,
            f"recording that {channel} is {state}",
        )

    async def _changed(
        self, channel: str, line: str | None, state: str, reason: str
    ) -> None:
        try:
            await self.journal.changed(
                channel, line, state, reason, self.clock.seconds()
            )
        except Unavailable as fault:
            log.error(
                "{channel} is {state}, but the journal cannot be written: {fault}",
                channel=channel,
                state=state,
                fault=fault,
            )

    # -- now and then ------------------------------------------------------

    def _sweep_on(self) -> Deferred[None]:
        return background(self._sweep(), log, "sweeping the journal")

    def _fail_over(self) -> Deferred[None]:
        return background(self._move_from_unable(), log, "moving what cannot leave")

    def _look_again(self) -> None:
        """Let lanes read the journal that have nothing to do while it has some.

        They are woken when something comes.  Should that ever be missed, a command
        would wait for the next one: this costs a query a second where all that waits
        is for later.
        """
        for name, waiting in list(self.journal.backlog().items()):
            lane = self.lanes.get(name)
            if lane is None or lane.elsewhere is not None or not lane.settled:
                continue
            if waiting > 0:
                lane.more()
                lane.pump()

    async def _sweep(self) -> None:
        try:
            now = self.clock.seconds()
            if self.keeps_time:
                await self.journal.sweep(now)
            else:
                await self.journal.read_others()
            if self._shared and now >= self._compare_at:
                self._compare_at = now + COMPARE_EVERY_S
                known = self.turns.known()
                self.turns.compare(known, await self.journal.holding())
            self._look_again()
            if self._orphans():
                # decided for a channel while it was taken away
                await self.adopt_orphans()
        except Unavailable as fault:
            log.error("the journal cannot be swept: {fault}", fault=fault)

    async def _move_from_unable(self) -> None:
        """Send what waits for a channel that is down another way, if there is one."""
        for lane in list(self.lanes.values()):
            try:
                await self._look_after(lane)
            except Unavailable as fault:
                log.error(
                    "{lane}: nothing can be moved: {fault}", lane=lane.name, fault=fault
                )

    async def _look_after(self, lane: Lane) -> None:
        now = self.clock.seconds()
        self._tell_of_budgets(lane)
        lane.tell_busy()
        await self._keep_alive(lane)
        if lane.unable() is None:
            if lane.unable_since is not None:
                lane.unable_since = None
                lane.pump()
            return
        if lane.unable_since is None:
            lane.unable_since = now
        lane.pump()
        if now - lane.unable_since < FAILOVER_AFTER_S:
            return
        if lane.elsewhere is None:
            await self._move(lane)
        elif lane.elsewhere.owner is None and self.keeps_time:
            await self._move_unowned(lane)

    def _tell_of_budgets(self, lane: Lane) -> None:
        """Tell of lines that have reached a limit, or no longer."""
        changed = lane.budgets.changed(self.clock.seconds())
        if not changed or lane.elsewhere is not None:
            return
        for line in lane.channel.describe()["lines"]:
            if line["name"] in changed:
                state, reason = str(line["state"]), str(line["reason"])
                self.changed(lane.channel, state, reason, line["name"])

    async def _keep_alive(self, lane: Lane) -> None:
        """Send what keeps SIMs from expiring that nothing else has left."""
        if lane.elsewhere is not None:
            return
        now = self.clock.seconds()
        due = lane.budgets.keepalives(now)
        if not due:
            return
        messages = [message_of(lane.name, one, now) for one in due]
        try:
            verdicts = await self.intake.accept(messages)
        except Unavailable as fault:
            lane.budgets.ask_again()
            log.warn("{lane}: no keep-alive: {why}", lane=lane.name, why=fault)
            return
        for (message, _), verdict in zip(messages, verdicts, strict=True):
            if isinstance(verdict, Rejected):
                error = verdict.error
                log.error("{id} cannot be sent: {why}", id=message.id, why=error.text)

    async def _move(self, lane: Lane) -> None:
        for entry in lane.entries()[:FAILOVER_AT_ONCE]:
            ways = [
                name
                for name in self.ways(entry.message)
                if self.lanes[name].unable() is None
            ]
            there = first_able(ways, self.unable)
            if there is None or there == lane.name or not self._carries(there, entry):
                continue
            if not lane.hand_over(entry.message.id):
                continue
            now = self.clock.seconds()
            try:
                await lane.persist(Decided(entry.message.id, Wait(now, there), now))
            finally:
                lane.handed_over(entry.message.id)
            self.lanes[there].more()
            self.lanes[there].pump()

    async def _move_unowned(self, lane: Lane) -> None:
        """Move what waits for a channel that no gateway owns, if there is a way."""
        now, none = self.clock.seconds(), frozenset[str]()
        batch = await self.journal.take(lane.name, FAILOVER_AT_ONCE, now, none)
        for item in batch.messages:
            entry = QueueEntry(item.message, item.tried, None, item.attempts)
            entry.progress = item.progress
            there = first_able(self.ways(item.message), self.unable)
            if there is None or there == lane.name or self.unable(there) is not None:
                continue
            if self._carries(there, entry):
                now = self.clock.seconds()
                fact = Decided(item.message.id, Wait(now, there), now)
                await self.journal.note(fact)
                self.woken([there])

    # -- operators ---------------------------------------------------------

    def reconfigure(
        self,
        router: Router,
        *,
        policy: RetryPolicy,
        backlog_limit: int,
        home_country: str | None,
    ) -> None:
        """Decide by other settings from now on; the lanes stay as they are."""
        self.router = self.intake.router = router
        self.policy = policy
        self.intake.backlog_limit = backlog_limit
        self.home_country = home_country

    def forget(self, message_id: str) -> None:
        """Take a cancelled message out of the lanes' memory."""
        for lane in self.lanes.values():
            lane.remove(message_id)


def _keep(
    known: OrderedDict[tuple[str, int], QueueEntry], entry: QueueEntry, limit: int
) -> None:
    """Remember an entry by its message and its last attempt; forget the oldest."""
    known[(entry.message.id, entry.attempts)] = entry
    while len(known) > limit:
        known.popitem(last=False)
