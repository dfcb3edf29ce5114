"""GoIP as a channel: `IChannel` over a `GoipSession` at one UDP port.

`GoipChannel` turns the events of the session into calls of `IChannelEvents`.
`InboundForwarder` hands inbound SMS and receipts to the journal, and lets the device
be acknowledged only after the commit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, assert_never

import msgspec
from attrs import define
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from gdemoi.errors import CannotListen, ConfigurationError, OurFault, Unavailable
from gdemoi.facts import Spend
from gdemoi.goip.channel_memory import ChannelMemory
from gdemoi.goip.datagrams import WORD_LIMIT
from gdemoi.goip.encoded import GoipEncodedMessage, prepare
from gdemoi.goip.inbound import LongSmsJoiner
from gdemoi.goip.lines import Line, NoUsableLine, bound_line, line_view
from gdemoi.goip.outcomes import inbound_of, outcome_of, receipt_of
from gdemoi.goip.protocol import GoipProtocol
from gdemoi.goip.receipts import UnmatchedReceipt, provider_id_of
from gdemoi.goip.sender import without_line
from gdemoi.goip.session import GoipSession
from gdemoi.goip.session_events import (
    DatagramRejected,
    GoipJob,
    JobEnded,
    LateResult,
    LineAddressChanged,
    LineAvailable,
    LineCommandEnded,
    LineReported,
    LineStateChanged,
    ReceiptReceived,
    SessionEvent,
    SmsReceived,
)
from gdemoi.goip.settings import GoipLineSettings, GoipSettings
from gdemoi.interfaces import (
    ChannelContext,
    ChannelKind,
    EncodedMessage,
    IBudgeted,
    IChannel,
    IChannelEvents,
    IHalting,
    IListening,
)
from gdemoi.kit.budgets import DOWN_LOOK_S, Budgets, Passed, passed, refused
from gdemoi.message import (
    Accepted,
    ChannelState,
    Error,
    MessageClass,
    Outbound,
    Outcome,
    Receipt,
    Refused,
    Uncertain,
)
from gdemoi.net.port import PersistentPort
from gdemoi.tasks import in_time, spawn

# So many lines are named in a channel's reason.
REASONS: Final = 3
_ID: Final = re.compile(r"[^\s;:\x00-\x1f\x7f]+\Z")


@implementer(IChannel, IBudgeted, IHalting, IListening)
class GoipChannel:
    """The lines of one ``[goip:…]`` section."""

    kind = "goip"
    rate: float | None = None
    log = Logger()

    def __init__(
        self,
        name: str,
        settings: GoipSettings,
        lines: Sequence[tuple[str, GoipLineSettings]],
        surroundings: ChannelContext,
    ) -> None:
        self.name = name
        self.account = settings.account or name
        self.settings = settings
        self._reactor = surroundings.reactor
        self._clock = surroundings.clock
        self.session = GoipSession(
            settings,
            [Line(line, given, settings.line_timeout_s) for line, given in lines],
            surroundings.random,
        )
        self.lines = self.session.lines
        self.budgets = Budgets(name)
        for line, given in lines:
            self.lines[line].budget = self.budgets.add(line, given, line)
        self.has_budgets = any(given.has_budget for _, given in lines)
        self.window = max(1, sum(given.enabled for _, given in lines))
        self.protocol = GoipProtocol(name, self.session, self._clock, self._on_events)
        self._memory = ChannelMemory(
            name,
            self.lines,
            self.session.sender.affinity,
            self._clock,
            surroundings.cursor,
            surroundings.set_cursor,
        )
        self._joiner = LongSmsJoiner(settings.join_window_s)
        self._events: IChannelEvents
        self._upward: InboundForwarder
        host, port = settings.listen
        self._port = PersistentPort(
            self._clock,
            self.log,
            "listen",
            f"{host}:{port}",
            lambda: self._reactor.listenUDP(port, self.protocol, interface=host),
            self._port_changed,
        )
        self._jobs: dict[GoipJob, Deferred[Outcome]] = {}
        self._commands: dict[int, Deferred[str]] = {}
        self._up: set[str] = set()
        self._state = ""
        self._idle: Deferred[None] | None = None

    # -- IChannel ----------------------------------------------------------

    def start(self, events: IChannelEvents) -> None:
        """Load what was known, and listen."""
        self._events = events
        self._upward = InboundForwarder(
            self.name, self.account, self.protocol, self._joiner, self._clock, events
        )
        spawn(self._start(), self.log, f"starting {self.name}")

    def listening(self) -> Deferred[CannotListen | None]:
        """Fire after the first try to listen (`IListening`)."""
        return self._port.first

    def stop(self, grace_s: float) -> Deferred[None]:
        """End exchanges that have not said SEND; wait for the others; close."""
        return Deferred.fromCoroutine(self._stop(grace_s))

    def unable(self) -> str | None:
        """Return why nothing can be sent now."""
        if self._port.port is None:
            return self._port.why
        now = self._clock.seconds()
        usable = [line for line in self.lines.values() if line.unusable(now) is None]
        if not usable:
            return self.session.state_at(now)[1]
        spent = [(line.name, line.out_of_budget(now)) for line in usable]
        if any(why is None for _, why in spent):
            return None
        return "; ".join(f"line {name}: {why}" for name, why in spent[:REASONS])

    def prepare(self, message: Outbound) -> EncodedMessage | Refused:
        """Make a message ready for any line, or for that of its sender."""
        bound = bound_line(message.from_, self.lines)
        if bound is None and message.from_ and self.settings.unknown_sender == "refuse":
            text = f"{message.from_!r} is no line of {self.name}, nor its number"
            return Refused(error=Error("gateway:sender_not_allowed", text))
        likely = self.lines.get(self.session.sender.affinity.line(message.to) or "")
        if likely is None and len(self.lines) == 1:
            likely = next(iter(self.lines.values()))
        return prepare(message, bound, likely, self.settings.max_segments)

    def submit(self, prepared: EncodedMessage, attempt: int) -> Deferred[Outcome]:
        """Send it over a line."""
        assert isinstance(prepared, GoipEncodedMessage)
        message = prepared.message
        unusable = prepared.reserved
        reserved = self.release(prepared)
        job = GoipJob(
            message_id=message.id,
            attempt=attempt,
            to=message.to,
            text=prepared.text,
            units=prepared.segments,
            expires_at=message.expires_at,
            line=reserved or prepared.line,
            # trackers obey the numbers they know; people read any
            patient=message.class_ is not MessageClass.NOTIFICATION,
            command=message.class_ is not MessageClass.NOTIFICATION,
            movable=reserved is not None and prepared.line is None,
        )
        if isinstance(unusable, NoUsableLine):
            # nothing leaves that is not counted
            return succeed(self._outcome(without_line(job, unusable)))
        waiting: Deferred[Outcome] = Deferred()
        self._jobs[job] = waiting
        self.protocol.settle(self.session.submit(job, self._clock.seconds()))
        return waiting

    # -- IBudgeted ---------------------------------------------------------

    def spent(self, prepared: EncodedMessage, now: float) -> Refused | None:
        """Return why no line that could send it may at `now`; None: one may."""
        assert isinstance(prepared, GoipEncodedMessage)
        found = self._passed(prepared, now)
        return None if found.open or found.first is None else refused(*found.first, now)

    def reserve(self, prepared: EncodedMessage) -> tuple[Spend, ...] | Refused:
        """Choose its line, and count it there."""
        assert isinstance(prepared, GoipEncodedMessage)
        self.release(prepared)
        now, message = self._clock.seconds(), prepared.message
        found = self._passed(prepared, now)
        if not found.open and found.first is not None:
            return refused(*found.first, now)
        patient = message.class_ is not MessageClass.NOTIFICATION
        line = self.session.sender.choose(
            message.to, prepared.line, now, patient=patient, among=found.open
        )
        if isinstance(line, NoUsableLine):
            if found.first is not None and not line.one:
                return refused(*found.first, now, DOWN_LOOK_S)
            # `submit` says so
            prepared.reserved = line
            return ()
        line.reserved += 1
        prepared.reserved = line.name
        if line.budget is None:
            return ()
        return line.budget.spend(prepared.segments, message.to, now)

    def release(self, prepared: EncodedMessage) -> str | None:
        """It stands at its line no longer; return which that was."""
        assert isinstance(prepared, GoipEncodedMessage)
        reserved, prepared.reserved = prepared.reserved, None
        if not isinstance(reserved, str):
            return None
        self.lines[reserved].reserved -= 1
        return reserved

    def _passed(self, prepared: GoipEncodedMessage, now: float) -> Passed:
        """Look which of the lines that may send it have enough left."""
        only = prepared.line
        if only is None and self.settings.affinity == "require":
            only = self.session.sender.affinity.line(prepared.message.to)
        lines = [one for one in self.lines.values() if only in (None, one.name)]
        return passed(
            [(line.name, line.budget) for line in lines if line.settings.enabled],
            prepared.message,
            prepared.segments,
            now,
        )

    def ask(
        self, message: Outbound, provider_ids: Sequence[str]
    ) -> Deferred[Receipt | None]:
        """A GoIP forgets an SMS with its exchange: there is nobody to ask."""
        return succeed(None)

    def describe(self) -> dict[str, Any]:
        """Return state, lines and counters."""
        now = self._clock.seconds()
        state, reason = self.session.state_at(now)
        if self._port.port is None:
            state, reason = ChannelState.DOWN, self._port.why
        sender = self.session.sender
        return {
            "state": state,
            "reason": reason,
            "listen": "{}:{}".format(*self.settings.listen),
            "lines": [line_view(line, now) for line in self.lines.values()],
            "balance": None,
            "counts": {
                **self.session.counts,
                "unexpected": sender.unexpected,
                "unwritten": self.protocol.unwritten,
            },
        }

    def end_halt(self) -> None:
        """End the suspension of all lines: try them at once."""
        if self._port.port is not None:
            self.protocol.settle(self.session.end_halt(self._clock.seconds()))
            self._events.able(self)

    def command(self, line: str, verb: str, arguments: Sequence[str]) -> Deferred[str]:
        """Do a line command; `balance` dials the line's code for it."""
        found = self.lines.get(line)
        asks_balance = verb == "balance" and found is not None
        if asks_balance and found is not None and not arguments:
            verb, arguments = "ussd", [found.settings.balance_ussd]
        try:
            sendid = self.session.begin_command(
                line, verb, arguments, self._clock.seconds()
            )
        except (OurFault, Unavailable):
            return fail()
        answer: Deferred[str] = Deferred()
        self._commands[sendid] = answer
        self.protocol.flush()
        if asks_balance and found is not None:
            return answer.addCallback(self._keep_balance, found)
        return answer

    # -- events of the session ---------------------------------------------

    def _on_events(self, events: Sequence[SessionEvent]) -> None:
        for event in events:
            self._hear(event)
        if self._idle is not None and not self.session.sender.unfinished:
            idle, self._idle = self._idle, None
            idle.callback(None)

    def _hear(self, event: SessionEvent) -> None:
        match event:
            case JobEnded():
                self._over(event)
            case LateResult():
                outcome = self._outcome(event)
                self._events.late(event.job.message_id, event.job.attempt, outcome)
            case SmsReceived():
                spawn(self._upward.sms(event), self.log, f"{self.name}: an inbound SMS")
            case ReceiptReceived():
                spawn(self._upward.receipt(event), self.log, f"{self.name}: a receipt")
            case LineStateChanged():
                self._line_state_changed(event)
            case LineAddressChanged():
                self._line_moved(event)
            case LineCommandEnded():
                self._command_ended(event)
            case LineAvailable():
                self._events.able(self)
            case LineReported() | DatagramRejected():
                pass
            case _:
                assert_never(event)

    def _outcome(self, event: JobEnded | LateResult) -> Outcome:
        given = self.settings
        able = self.unable() is None
        return outcome_of(event, given.receipts, given.retry_errors, able)

    def _over(self, over: JobEnded) -> None:
        outcome = self._outcome(over)
        if not isinstance(outcome, Accepted):
            self.log.info(
                "{channel}: line {line}: {id}: {outcome}",
                channel=self.name,
                line=over.line,
                id=over.job.message_id,
                outcome=_in_words(outcome),
            )
        self._memory.changed()
        self._jobs.pop(over.job).callback(outcome)

    def _line_state_changed(self, event: LineStateChanged) -> None:
        if event.state == ChannelState.UP:
            self._up.add(event.line)
        else:
            self._up.discard(event.line)
        self._events.changed(self, event.state, event.reason, event.line)
        self._report_state()
        self._events.able(self)

    def _report_state(self) -> None:
        """Tell the channel's own state when the lines have changed it."""
        up, total = len(self._up), len(self.lines)
        state = ChannelState.of(up, total)
        if state != self._state:
            self._state = state
            self._events.changed(self, state, f"{up} of {total} lines are up")

    def _line_moved(self, event: LineAddressChanged) -> None:
        self.log.info(
            "{channel}: line {line} is at {host}:{port}",
            channel=self.name,
            line=event.line,
            host=event.host,
            port=event.port,
        )

    def _command_ended(self, event: LineCommandEnded) -> None:
        waiting = self._commands.pop(event.sendid)
        if event.fault is not None:
            waiting.errback(Unavailable(f"line {event.line}: {event.fault}"))
        else:
            waiting.callback(event.answer or "")

    @staticmethod
    def _keep_balance(answer: str, line: Line) -> str:
        line.reported["balance"] = " ".join(answer.split())[:160]
        return answer

    # -- coming and going --------------------------------------------------

    async def _start(self) -> None:
        await self._memory.load()
        self._port.start()

    def _port_changed(self, why: str | None) -> None:
        if why is None:
            self._events.able(self)
        else:
            self._events.changed(self, ChannelState.DOWN, why)

    async def _stop(self, grace_s: float) -> None:
        self.protocol.settle(self.session.stop(self._clock.seconds()))
        if self.session.sender.unfinished and grace_s > 0:
            self._idle = Deferred()
            await in_time(self._idle, grace_s, self._clock)
            self._idle = None
        self.protocol.settle(self.session.abort(self._clock.seconds()))
        await self._memory.save()
        await self._port.stop()
        self.protocol.stopProtocol()


def make(
    name: str,
    settings: GoipSettings,
    parts: list[tuple[str, str, Any]],
    surroundings: ChannelContext,
) -> GoipChannel:
    """Make a channel of its section and those of its lines."""
    lines = [(line, given) for _, line, given in parts]
    if not lines:
        raise ConfigurationError(
            f"[goip:{name}] has no lines: write [goip-line:ID] with channel = {name}"
        )
    for line, _ in lines:
        if not _ID.match(line) or len(line.encode()) > WORD_LIMIT:
            raise ConfigurationError(
                f"[goip-line:{line}]: this id cannot be sent in a datagram"
            )
    return GoipChannel(name, settings, lines, surroundings)


KIND: Final = ChannelKind(
    name="goip",
    settings=GoipSettings,
    make=make,
    parts={"goip-line": GoipLineSettings},
)


# -- inbound SMS and receipts ------------------------------------------------


@define
class InboundForwarder:
    """Hands inbound SMS and receipts to the journal; then acknowledges them."""

    log = Logger()

    _name: str
    _account: str
    _protocol: GoipProtocol
    _joiner: LongSmsJoiner
    _clock: IReactorTime
    _events: IChannelEvents

    @property
    def _session(self) -> GoipSession:
        return self._protocol.session

    async def sms(self, received: SmsReceived) -> None:
        """Hand an SMS to the journal; acknowledge it after the commit."""
        now = self._clock.seconds()
        number = self._session.lines[received.line].number
        inbound = inbound_of(received, self._name, number, now)
        part = self._joiner.part(received.line, received.srcnum, received.recvid, now)
        if part is not None:
            inbound = msgspec.structs.replace(
                inbound, part=part, join_window_s=self._joiner.window_s
            )
        await self._recorded(self._events.inbound(inbound), received)

    async def receipt(self, received: ReceiptReceived) -> None:
        """Hand a receipt to the journal; acknowledge it after the commit."""
        now = self._clock.seconds()
        receipt = receipt_of(received, self._account, self._name, now)
        safe, match = await self._recorded(self._events.receipt(receipt), received)
        if safe and match is None and not received.known:
            self._unmatched(received, now)

    def _unmatched(self, received: ReceiptReceived, now: float) -> None:
        """A receipt about no SMS that we know: perhaps the unsure one.

        When the OK was lost, DELIVER is the device's later word on the same fact;
        it counts when exactly one SMS of this line to this number is unsure, or
        is waiting for its verdict.
        """
        sender, job = self._session.sender, None
        if received.keys and sender.is_open_with(
            self._session.lines[received.line], received.about
        ):
            if sender.unsure.is_empty_for(received.line, received.about):
                sender.unsure.keep(
                    UnmatchedReceipt(
                        received.line, received.about, received.sms_no, now
                    )
                )
        elif received.keys:
            job = sender.unsure.claim(received.line, received.about, now)
        if job is None:
            self.log.info(
                "{channel}: line {line}: a receipt for the unknown sms_no {sms_no}",
                channel=self._name,
                line=received.line,
                sms_no=received.sms_no,
            )
            return
        outcome = Accepted(
            provider_ids=(provider_id_of(received.line, received.sms_no, now),),
            segments=job.units,
            line=received.line,
        )
        self._events.late(job.message_id, job.attempt, outcome)

    async def _recorded(
        self, writing: Deferred[Any], received: SmsReceived | ReceiptReceived
    ) -> tuple[bool, Any]:
        """Return whether it is on the disk, and with what answer; acknowledge it."""
        safe, answer = False, None
        try:
            answer = await writing
            safe = True
            self._session.stored(received.key, self._clock.seconds())
        except Unavailable as fault:
            self.log.warn(
                "{channel}: line {line}: not acknowledged, since {fault}",
                channel=self._name,
                line=received.line,
                fault=str(fault),
            )
        finally:
            if not safe:
                self._session.not_stored(received.key)
            self._protocol.flush()
        return safe, answer


def _in_words(outcome: Refused | Uncertain) -> str:
    """Return an outcome as the log has it."""
    if isinstance(outcome, Uncertain):
        return f"nobody knows whether it was sent: {outcome.why}"
    return f"refused: {outcome.error.code} {outcome.error.text}"
