"""The running gateway, as the platform's side (HTTP, AMQP) sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from msgspec import to_builtins
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeadlinePassed
from twisted.internet.interfaces import IReactorTime

from gdemoi.contract.envelope import Defaults
from gdemoi.contract.figures import AmqpStatus, Figures
from gdemoi.contract.gateway import CallbackQueue, MessagePage, Search
from gdemoi.contract.remedies import remedy_of, remedy_of_reason
from gdemoi.contract.sticky import KnownWay
from gdemoi.contract.trackers import TrackerSetting
from gdemoi.errors import InvalidMessage, OurFault, Unavailable
from gdemoi.facts import AcceptResult, Cancelled, OutboxEvent, Rejected
from gdemoi.interfaces import ITraced
from gdemoi.journal import Journal
from gdemoi.message import ChannelState, Error, Outbound, Receipt
from gdemoi.moments import rfc3339
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.explain import explain
from gdemoi.routing.lanes import Lane
from gdemoi.service.activity import ActivityWatch
from gdemoi.service.masked import masked_event, masked_story, outbound_of

# The cursor that tells, after a restart, that an operator paused a channel.
PAUSED = "paused:{}"
# How long the journal may take to tell its figures.
FIGURES_TIMEOUT_S: Final = 5.0
# How long an answer about the age of the backlogs is good for.
OLDEST_EVERY_S: Final = 10.0

T = TypeVar("T")


class BrokerFigures(Protocol):
    """What `figures` asks of the broker's side."""

    def status(self) -> AmqpStatus:
        """Return how it stands."""

    async def figures(self) -> AmqpStatus:
        """Return the same with how late events are; raises `Unavailable`."""


class Owners(Protocol):
    """What is asked about the gateways that share the journal."""

    name: str

    def owner(self, channel: str) -> str | None:
        """Return the gateway that uses a channel."""

    def describe(self) -> list[dict[str, Any]]:
        """Return all gateways, JSON-ready."""


class RunningGateway:
    """Implements `gdemoi.contract.gateway.Gateway` over a dispatcher and a journal."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        journal: Journal,
        clock: IReactorTime,
        defaults: Defaults,
        name: str = "gdemoi",
    ) -> None:
        self.name = name
        self.dispatcher = dispatcher
        self.journal = journal
        self.defaults = defaults
        self._clock = clock
        # set while there is a broker
        self.amqp: BrokerFigures | None = None
        # set while there are doors beside HTTP and AMQP
        self.describe_doors: Callable[[], Sequence[dict[str, Any]]] = tuple
        self.callback_queues: Callable[[], Mapping[str, CallbackQueue]] = dict
        # set while other gateways may share the journal
        self.ownership: Owners | None = None
        # set by the assembly, which makes the alerts over this gateway
        self.active_alerts: Callable[[], Sequence[dict[str, Any]]] = list
        # set by the assembly, which knows the configuration
        self.reload_now: Callable[[bool], Awaitable[dict[str, Any]]] | None = None
        self.shown_configuration: Callable[[], dict[str, Any]] = dict
        self.watch = ActivityWatch(journal, clock)
        self._oldest_at = float("-inf")
        self._oldest_s: Mapping[str, float] = {}
        self._waiting: list[tuple[int, Deferred[None]]] = []
        journal.on_events(self._on_journal_events)

    # -- messages ----------------------------------------------------------

    def seconds(self) -> float:
        """Return the time."""
        return self._clock.seconds()

    def full(self) -> bool:
        """Tell whether the backlog is over its mark."""
        return self.dispatcher.intake.full()

    def accept(
        self,
        messages: Sequence[tuple[Outbound, bytes]],
        *,
        keep_rejected: bool = False,
    ) -> Deferred[list[AcceptResult | Rejected]]:
        """Take messages; answers after the commit."""
        return self.dispatcher.intake.accept(messages, keep_rejected=keep_rejected)

    async def story(self, message_id: str) -> dict[str, Any] | None:
        """Return a message and all that happened to it."""
        found = await self.journal.story(message_id)
        trackers = self.dispatcher.intake.trackers
        if found is None or trackers is None:
            return found
        return masked_story(found, trackers)

    async def search(self, wanted: Search) -> MessagePage:
        """Find messages."""
        filters = {
            word: value
            for word, value in (
                ("to", wanted.to),
                ("from", wanted.from_),
                ("state", wanted.state),
                ("channel", wanted.channel),
                ("text", wanted.text),
                ("since", wanted.since),
                ("until", wanted.until),
            )
            if value is not None
        }
        try:
            rows, cursor = await self.journal.search(
                filters, wanted.limit, wanted.cursor
            )
        except ValueError as fault:
            raise InvalidMessage("invalid", str(fault), "cursor") from fault
        return MessagePage(rows, cursor)

    async def explain_stored(self, message_id: str) -> dict[str, Any] | None:
        """Return what `explain` says of a message that was taken."""
        found = await self.journal.story(message_id)
        return None if found is None else self.explain(outbound_of(found["message"]))

    async def cancel(self, message_id: str) -> bool | None:
        """Take a message back that has not left yet."""
        done = await self.journal.note(Cancelled(message_id, self.seconds()))
        if done:
            self.dispatcher.forget(message_id)
            return True
        known = await self.journal.story(message_id)
        return None if known is None else False

    # -- events ------------------------------------------------------------

    def events(self, after: int, limit: int) -> Awaitable[Sequence[OutboxEvent]]:
        """Return events beyond `after`."""
        return self.journal.events(after, limit)

    def inbound(
        self, sender: str, since: float, until: float, limit: int
    ) -> Awaitable[Sequence[OutboxEvent]]:
        """Return inbound SMS of a number whose events are kept, the oldest first."""
        return self.journal.inbound_of(sender, since, until, limit)

    def last_event(self) -> int:
        """Return the seq of the last event that is known now."""
        return self.journal.last_seq()

    def newest_event(self) -> Awaitable[int]:
        """Return the highest seq that an event ever had."""
        return self.journal.newest_seq()

    def events_after(self, after: int) -> Deferred[None]:
        """Return what fires when there is an event beyond `after`."""
        waiting: Deferred[None] = Deferred(self._forget)
        if self.journal.last_seq() > after:
            waiting.callback(None)
        else:
            self._waiting.append((after, waiting))
        return waiting

    def _forget(self, cancelled: Deferred[None]) -> None:
        self._waiting = [w for w in self._waiting if w[1] is not cancelled]

    def _on_journal_events(self, last: int) -> None:
        if not self._waiting:
            return
        ripe = [w for w in self._waiting if w[0] < last]
        self._waiting = [w for w in self._waiting if w[0] >= last]
        for _, waiting in ripe:
            waiting.callback(None)

    def masked(self, event: OutboxEvent) -> bytes:
        """Return an event's JSON as people may see it."""
        trackers = self.dispatcher.intake.trackers
        return event.body if trackers is None else masked_event(event, trackers)

    # -- trackers ----------------------------------------------------------

    def tracker(self, number: str) -> TrackerSetting | None:
        """Return what is set for a number."""
        return self.journal.tracker(number)

    async def set_tracker(self, number: str, setting: TrackerSetting | None) -> None:
        """Set it, or (None) take it away; answers after the commit."""
        await self.journal.set_tracker(number, setting)

    def known_way(self, account: str | None, number: str) -> KnownWay | None:
        """Return the way that a tracker knows."""
        return self.journal.known_way(account, number)

    async def set_way(
        self, account: str | None, number: str, way: KnownWay | None
    ) -> None:
        """Set it, or (None) forget it; answers after the commit."""
        self.dispatcher.intake.forget_way(account, number)
        await self.journal.set_way(account, number, way)

    def trackers(
        self, limit: int, cursor: str | None
    ) -> Awaitable[tuple[list[tuple[str, TrackerSetting]], str | None]]:
        """Return what is set, by number, and the cursor of the next page."""
        return self.journal.trackers(limit, cursor)

    # -- figures -----------------------------------------------------------

    def counts(self) -> Awaitable[dict[str, int]]:
        """Return how many messages of the journal stand in each state."""
        return self.journal.counts()

    async def unmatched(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest receipts that are about no message we know."""
        found = await self.journal.unmatched(limit)
        return [_unmatched(at, receipt) for at, receipt in found]

    def count_unmatched(self) -> Awaitable[int]:
        """Return how many of them are kept."""
        return self.journal.count_unmatched()

    def lost(self) -> Awaitable[str | None]:
        """Return when and what was lost of the journal, if anything."""
        return self.journal.lost()

    async def reload(self, dry_run: bool) -> dict[str, Any]:
        """Read the configuration file again; return what that changed."""
        if self.reload_now is None:
            raise Unavailable("this gateway runs without a configuration file")
        return await self.reload_now(dry_run)

    def configuration(self) -> dict[str, Any]:
        """Return the configuration that runs, without secrets."""
        return self.shown_configuration()

    def alerts(self) -> Sequence[dict[str, Any]]:
        """Return the alerts that are on."""
        return self.active_alerts()

    def doors(self) -> Sequence[dict[str, Any]]:
        """Return the doors beside HTTP and AMQP."""
        return self.describe_doors()

    def callbacks(self, section: str) -> CallbackQueue | None:
        """Return the callbacks of a section."""
        return self.callback_queues().get(section)

    async def figures(self) -> Figures:
        """Return what is counted and measured; never fails."""
        amqp, stored = self.amqp, None
        broker = None if amqp is None else amqp.status()
        try:
            if amqp is not None:
                broker = await self._in_time(Deferred.fromCoroutine(amqp.figures()))
            stored = await self._in_time(self.journal.stored_figures())
        except (Unavailable, DeadlinePassed):
            # the readiness says so; what memory knows is told all the same
            pass
        return Figures(
            at=self.seconds(),
            unready=self.unready_reasons(),
            channels=self.channels(),
            lanes=self.dispatcher.figures,
            journal=self.journal.figures(),
            stored=stored,
            last_event=self.journal.last_seq(),
            amqp=broker,
            doors=self.doors(),
            alerts=self.active_alerts(),
        )

    def _in_time(self, asked: Deferred[T]) -> Deferred[T]:
        """Return what fires with an answer of the journal, or fails after a while.

        A disk that hangs must keep neither Prometheus nor an alert waiting.
        """
        return asked.addTimeout(FIGURES_TIMEOUT_S, self._clock)

    # -- channels ----------------------------------------------------------

    def channels(self) -> list[dict[str, Any]]:
        """Return each channel with its lane, as an operator wants to see it."""
        backlog = self.journal.backlog()
        return [
            self._described(lane, backlog.get(lane.name, 0))
            for lane in self.dispatcher.lanes.values()
        ]

    async def overview(self) -> dict[str, Any]:
        """Return what each channel did lately, what ails it and what to do."""
        oldest = await self._oldest()
        self.watch.look()
        now, errors = self.seconds(), self.journal.figures().errors
        return {
            "at": now,
            "since": self.watch.activity.since,
            "channels": [
                {
                    "name": one["name"],
                    "oldest_s": oldest.get(one["name"]),
                    **self.watch.activity.of(one["name"], now),
                    **_ailing(one, errors.get(one["name"])),
                }
                for one in self.channels()
            ],
        }

    async def _oldest(self) -> Mapping[str, float]:
        """Return how long the oldest message of each lane waits.

        Many pages ask every few seconds, and a large backlog takes a while to look
        through: one query answers all of them for some time.
        """
        now = self.seconds()
        if not self._oldest_at <= now < self._oldest_at + OLDEST_EVERY_S:
            self._oldest_at = now
            stored = (await self.figures()).stored
            self._oldest_s = {} if stored is None else stored.oldest_s
        return self._oldest_s

    def channel(self, name: str) -> dict[str, Any]:
        """Return one channel in the same form."""
        lane = self.dispatcher.lanes[name]
        return self._described(lane, self.journal.backlog().get(name, 0))

    def _described(self, lane: Lane, backlog: int) -> dict[str, Any]:
        described = _described(lane, backlog)
        there = lane.elsewhere
        if there is not None:
            owner = there.owner
            text = f"owned by {owner}" if owner else "no gateway owns it"
            reason = there.described.get("reason")
            described.update(there.described)
            described.update(
                state=there.described.get("state", ChannelState.DOWN.value),
                reason=f"{text}; {reason}" if reason else text,
                unable=lane.unable(),
                paused=lane.paused,
                backlog=backlog,
                owner=owner,
                elsewhere=owner is not None,
            )
        elif self.ownership is not None:
            described["owner"] = self.name
        return described

    def gateways(self) -> list[dict[str, Any]]:
        """Return the gateways that share the journal; none when it is ours alone."""
        return [] if self.ownership is None else self.ownership.describe()

    async def pause(self, channel: str) -> bool:
        """Send nothing there until `resume`, also after a restart."""
        lane = self.dispatcher.lanes.get(channel)
        if lane is None:
            return False
        lane.pause()
        await self.journal.set_cursor(PAUSED.format(channel), "yes")
        await self._call_others()
        return True

    async def _call_others(self) -> None:
        if self.journal.shared:
            await self.journal.call_others()

    async def resume(self, channel: str) -> bool:
        """Send there again."""
        lane = self.dispatcher.lanes.get(channel)
        if lane is None:
            return False
        await self.journal.set_cursor(PAUSED.format(channel), "")
        lane.resume()
        await self._call_others()
        return True

    async def line_command(
        self, channel: str, line: str, verb: str, arguments: Sequence[str]
    ) -> str:
        """Do a line command."""
        lane = self.dispatcher.lanes.get(channel)
        if lane is None:
            raise OurFault(f"there is no channel {channel}")
        if lane.elsewhere is not None:
            owner = lane.elsewhere.owner or "no gateway"
            raise OurFault(f"{channel} is owned by {owner}, not by {self.name}")
        return await lane.channel.command(line, verb, arguments)

    def trace(self, channel: str, after: int) -> list[dict[str, Any]] | None:
        """Return what passed on a channel lately."""
        traced = self._traced(channel)
        return None if traced is None else traced.traced(after)

    def capture(self, channel: str) -> bytes | None:
        """Return the same as a pcap file."""
        traced = self._traced(channel)
        return None if traced is None else traced.capture()

    def _traced(self, channel: str) -> ITraced | None:
        lane = self.dispatcher.lanes.get(channel)
        if lane is None:
            return None
        traced = ITraced(lane.channel, None)
        if traced is None:
            kind = lane.channel.kind
            raise OurFault(f"channels of kind {kind} keep no trace yet ({channel})")
        return traced

    def explain(self, message: Outbound) -> dict[str, Any]:
        """Return what would happen to a message, and why."""
        lanes = self.dispatcher.lanes
        return explain(
            message,
            self.dispatcher.router,
            lanes,
            self.dispatcher.unable,
            self.dispatcher.intake.trackers,
        )

    def unready(self) -> str | None:
        """Return why no messages can be taken, None when they can."""
        reasons = self.unready_reasons()
        return reasons[0] if reasons else None

    def unready_reasons(self) -> list[str]:
        """Return all reasons why no messages can be taken, the gravest first."""
        reasons = []
        if self.dispatcher.stopping:
            reasons.append("the gateway is stopping")
        elif self.dispatcher.intake.closed:
            reasons.append("the gateway is starting")
        trouble = self.journal.trouble()
        if trouble is not None:
            reasons.append(trouble)
        if self.full():
            reasons.append("the backlog is full")
        return reasons


def _unmatched(at: float, receipt: Receipt) -> dict[str, Any]:
    """Return a receipt JSON-ready, with the time when it came."""
    found: dict[str, Any] = to_builtins(receipt)
    found["received_at"] = rfc3339(at)
    if receipt.at is not None:
        found["at"] = rfc3339(receipt.at)
    return found


def _ailing(
    channel: Mapping[str, Any], last: tuple[float, Error] | None
) -> dict[str, Any]:
    """Return a channel's last error, and what to do about each thing that ails it.

    ``remedies``: subject (the channel, binds, lines, the last error) and words.
    """
    parts = [*(channel.get("binds") or ()), *(channel.get("lines") or ())]
    ailing = [("", str(channel.get("reason") or channel.get("unable") or ""))]
    ailing += [(str(one.get("name")), str(one.get("reason") or "")) for one in parts]
    found = [
        {"subject": name, "about": reason, **remedy.told()}
        for name, reason in ailing
        if reason and (remedy := remedy_of_reason(reason)) is not None
    ]
    if last is None:
        return {"last_error": None, "remedies": found}
    at, error = last
    remedy = remedy_of(error.code)
    shown = {
        "at": rfc3339(at),
        "code": error.code,
        "text": error.text,
        "remedy": None if remedy is None else remedy.told(),
    }
    return {"last_error": shown, "remedies": found}


def _described(lane: Lane, backlog: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": lane.name,
        "kind": lane.channel.kind,
        "account": lane.channel.account,
        **lane.channel.describe(),
    }
    state, reason = str(described.get("state")), str(described.get("reason") or "")
    state, reason = lane.standing(state, reason, present=True)
    described.update(state=state, reason=reason)
    described.update(
        unable=lane.unable(),
        next_try_at=lane.rests_until() or described.get("next_try_at"),
        unanswered=lane.uncertain_streak.unanswered,
        unanswered_since=lane.uncertain_streak.unanswered_since,
        refused_senders=lane.back_off.senders.describe(lane.seconds()),
        paused=lane.paused,
        window=lane.channel.window,
        rate=lane.back_off.pace.rate,
        present_rate=lane.back_off.pace.present,
        throttled=lane.back_off.pace.throttled_count,
        in_flight=len(lane.in_flight),
        backlog=backlog,
        sent=lane.sent,
        owner=None,
        elsewhere=False,
    )
    return described
