"""One TG device as a channel: its ports are the lines.

Puts the parts of this package together and reports to `IChannelEvents`.  A device
reports of an SMS only whether the network took it, so that `submitted` is its final
state; an SMS waits for a pausing port in the lane and not here, since `window` counts
only ports that are ready.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from zope.interface import implementer

from gdemoi.errors import OurFault, Unavailable
from gdemoi.facts import Spend
from gdemoi.interfaces import (
    ChannelContext,
    ChannelKind,
    EncodedMessage,
    IBudgeted,
    IChannel,
    IChannelEvents,
    IContinuing,
    IHalting,
)
from gdemoi.kit.budgets import DOWN_LOOK_S, Budgets, Passed, passed, refused
from gdemoi.kit.recent import Recent
from gdemoi.message import (
    Accepted,
    ChannelState,
    Error,
    Inbound,
    MessageClass,
    Outbound,
    Outcome,
    Progress,
    Receipt,
    Refused,
    Uncertain,
)
from gdemoi.net.endpoints import HostEndpoint
from gdemoi.net.hosts import Host
from gdemoi.net.reconnector import Reconnector, ReconnectorState
from gdemoi.tasks import in_time
from gdemoi.yeastar import session_events as events
from gdemoi.yeastar.channel_spool import Spool
from gdemoi.yeastar.commands import commands_of, ussd_of
from gdemoi.yeastar.encoded import SmsText, TgEncodedMessage, prepare
from gdemoi.yeastar.inbound import InboundReader
from gdemoi.yeastar.jobs import FAILED, NOT_TAKEN, SENT, SmsCommand, SmsIds, no_port
from gdemoi.yeastar.ports import Ports
from gdemoi.yeastar.protocol import ConnectionEvent, TgProtocol
from gdemoi.yeastar.session import TgSession
from gdemoi.yeastar.settings import YeastarSettings

log = Logger()

# So many ports are named in a channel's reason.
_REASONS: Final = 3
# Unsure SMS that are remembered for a late result.
UNSURE_LIMIT: Final = 1000
# A part of a message that was refused after others went out is tried again.
PART_TRIES: Final = 3
LOGOFF_TIMEOUT_S: Final = 2.0

Connect = Callable[[Factory], Awaitable[IProtocol]]


@implementer(IChannel, IBudgeted, IContinuing, IHalting)
class YeastarChannel:
    """The channel of one ``[yeastar:name]`` section."""

    kind = "yeastar"
    rate: float | None = None

    def __init__(
        self,
        name: str,
        settings: YeastarSettings,
        around: ChannelContext,
        connect: Connect | None = None,
    ) -> None:
        self.name = name
        self.account = settings.account or name
        self._settings = settings
        self._clock = around.clock
        self._host = Host(settings.host, settings.port)
        self._connect_to = connect or self._tcp(around.reactor)
        self._ids = SmsIds()
        self.budgets = Budgets(name)
        self.has_budgets = settings.has_budget
        self._ports = Ports(
            settings.ports,
            span_offset=settings.span_offset,
            interval_s=settings.interval_s,
            phones=settings.phones,
            cooldown_s=settings.cooldown_s,
            weight_of=settings.weight_of,
            budget_of=lambda port: self.budgets.add(
                str(port), settings, settings.phones.get(port)
            ),
        )
        self._arrivals = InboundReader(
            name,
            phones=settings.phones,
            join_window_s=settings.join_window_s,
            utc_offset_s=settings.utc_offset_s,
            epoch=f"{around.clock.seconds():.3f}.{around.random():.9f}",
        )
        self._spool = Spool(name, around.clock, self._record)
        self._reconnector: Reconnector[TgProtocol] = Reconnector(
            around.clock,
            log,
            f"yeastar:{name}",
            self._connect,
            self._connection_changed,
            around.random,
            connect_timeout_s=settings.connect_timeout_s,
            ready_timeout_s=settings.answer_timeout_s,
            has_others=lambda: self._host.has_others,
        )
        self._events: IChannelEvents | None = None
        self._active = 0
        self._stopping = False
        self._idle: Deferred[None] | None = None
        self._reported_state: ReconnectorState | None = None
        self._reported_lines: dict[int, str | None] = {}
        # by the ids of SMS: what a result may still change
        self._late: Recent[str, tuple[TgEncodedMessage, int, Uncertain | Refused]]
        self._late = Recent(UNSURE_LIMIT)

    # -- IChannel: life -------------------------------------------------------

    def start(self, events: IChannelEvents) -> None:
        """Begin to connect."""
        self._events = events
        self._reconnector.start()

    def stop(self, grace_s: float) -> Deferred[None]:
        """Let unanswered SMS and unrecorded ones finish, log off, close."""
        return Deferred.fromCoroutine(self._stop(grace_s))

    async def _stop(self, grace_s: float) -> None:
        self._stopping = True
        began = self._clock.seconds()
        if self._active:
            self._idle = Deferred()
            await self._for_at_most(self._idle, grace_s)
        conversation = self._reconnector.conversation
        if conversation is not None:
            await self._for_at_most(conversation.log_off(), LOGOFF_TIMEOUT_S)
        self._reconnector.stop()
        left_s = max(0.0, grace_s - (self._clock.seconds() - began))
        await self._for_at_most(self._spool.emptied(), left_s)
        self._spool.stop()

    async def _for_at_most(self, waiting: Deferred[None], limit_s: float) -> None:
        if not await in_time(waiting, limit_s, self._clock):
            log.warn("{channel}: not finished in time at stop", channel=self.name)

    @property
    def window(self) -> int:
        """How many SMS may be unanswered: those that are, and the ready ports."""
        return self._active + self._ports.ready(self._clock.seconds())

    def unable(self) -> str | None:
        """Return why nothing can be sent now."""
        if self._stopping:
            return "stopping"
        if self._reconnector.state is not ReconnectorState.UP:
            return self._reconnector.reason or self._reconnector.state.value
        now = self._clock.seconds()
        return self._ports.unable(now) or self._ports.out_of_budget(now)

    # -- IBudgeted ---------------------------------------------------------------

    def spent(self, prepared: EncodedMessage, now: float) -> Refused | None:
        """Return why no port that could send it may at `now`; None: one may."""
        assert isinstance(prepared, TgEncodedMessage)
        found = self._passed(prepared, now)
        return None if found.open or found.first is None else refused(*found.first, now)

    def reserve(self, prepared: EncodedMessage) -> tuple[Spend, ...] | Refused:
        """Choose its port, and count there what is left of it."""
        assert isinstance(prepared, TgEncodedMessage)
        self.release(prepared)
        now = self._clock.seconds()
        found = self._passed(prepared, now)
        if not found.open and found.first is not None:
            return refused(*found.first, now)
        open_ = [int(one) for one in found.open]
        pinned = self._ports.by_number.get(prepared.pinned or 0)
        port = None
        if pinned is not None and pinned.number in open_:
            port = pinned if pinned.unusable(now) is None else None
        if port is None and open_:
            port = self._ports.choose_early(now, open_, ())
        prepared.port = None if port is None else port.number
        if port is None:
            # `submit` says so
            spent = found.first
            return () if spent is None else refused(*spent, now, DOWN_LOOK_S)
        port.reserved += 1
        prepared.reserved = True
        if port.budget is None:
            return ()
        return port.budget.spend(prepared.segments_left, prepared.message.to, now)

    def release(self, prepared: EncodedMessage) -> str | None:
        """It does not wait to be submitted any longer; return where it stood."""
        assert isinstance(prepared, TgEncodedMessage)
        if not prepared.reserved or prepared.port is None:
            return None
        prepared.reserved = False
        self._ports.by_number[prepared.port].reserved -= 1
        return str(prepared.port)

    def _passed(self, prepared: TgEncodedMessage, now: float) -> Passed:
        """Look which of the ports that may send it have enough left."""
        only, ports = prepared.only, self._ports.by_number
        return passed(
            [
                (str(number), port.budget)
                for number, port in ports.items()
                if not only or number in only
            ],
            prepared.message,
            prepared.segments_left,
            now,
        )

    # -- IChannel: messages ------------------------------------------------------

    def prepare(self, message: Outbound) -> TgEncodedMessage | Refused:
        """Make the commands, or say why a TG can never carry it."""
        return prepare(message, self._settings)

    def resume(self, message: Outbound, progress: Progress) -> TgEncodedMessage | None:
        """Make the commands of the pieces that have not gone out."""
        prepared = self.prepare(message)
        if isinstance(prepared, Refused) or progress.account != self.account:
            return None
        return prepared if prepared.go_on(progress) else None

    def submit(self, prepared: EncodedMessage, attempt: int) -> Deferred[Outcome]:
        """Send what is not yet taken of a message."""
        assert isinstance(prepared, TgEncodedMessage)
        self.release(prepared)
        return Deferred.fromCoroutine(self._submit(prepared, attempt))

    async def _submit(self, prepared: TgEncodedMessage, attempt: int) -> Outcome:
        self._active += 1
        try:
            return await self._pieces(prepared, attempt)
        finally:
            self._active -= 1
            if self._idle is not None and not self._active:
                idle, self._idle = self._idle, None
                idle.callback(None)

    async def _pieces(self, prepared: TgEncodedMessage, attempt: int) -> Outcome:
        line = None
        while prepared.taken < len(prepared.pieces):
            piece = prepared.pieces[prepared.taken]
            outcome = await self._send(prepared, piece, attempt)
            match outcome:
                case Refused(error=error) if (
                    error.code == NOT_TAKEN and _may_be_half_out(prepared)
                ):
                    # it names no id: a result was the last that will be heard
                    unsure = Uncertain(
                        why=f"{error.text}; some of it may have gone out"
                    )
                    return self._unsure(prepared, attempt, unsure)
                case Refused():
                    return self._partly(prepared, outcome)
                case Uncertain():
                    return self._unsure(prepared, attempt, outcome)
                case Accepted():
                    line = outcome.line
                    prepared.taken += 1
                    prepared.provider_ids += outcome.provider_ids
                    prepared.pinned = int(line) if line else None
        return Accepted(
            provider_ids=tuple(prepared.provider_ids),
            segments=prepared.segments,
            line=line,
            receipt_expected=False,
        )

    async def _send(
        self, prepared: TgEncodedMessage, piece: SmsText, attempt: int
    ) -> Outcome:
        conversation = self._reconnector.conversation
        if conversation is None:
            return no_port(f"not connected: {self._reconnector.reason}")
        only = prepared.only
        pinned = self._ports.by_number.get(prepared.pinned or 0)
        if pinned is not None and pinned.unusable(self._clock.seconds()) is None:
            only = (pinned.number,)
        if self.has_budgets:
            # nothing leaves that is not counted
            if prepared.port is None:
                return no_port("no port can send it", whole=not only)
            only = (prepared.port,)
        sms = SmsCommand(prepared.message.to, piece.quoted, len(piece.segments), only)
        outcome = await conversation.send(sms)
        if isinstance(outcome, Refused) and sms.segments == 1:
            # the device may contradict itself; of several results for one command
            # nobody knows what each is about
            self._may_come(sms.ids, prepared, attempt, outcome)
        return outcome

    def _may_come(
        self,
        sms_ids: Sequence[str],
        prepared: TgEncodedMessage,
        attempt: int,
        outcome: Uncertain | Refused,
    ) -> None:
        """Remember what a result that comes late would be about."""
        for sms_id in sms_ids:
            self._late[sms_id] = (prepared, attempt, outcome)

    def _partly(self, prepared: TgEncodedMessage, refused: Refused) -> Refused:
        """Nothing is repeated of a message whose first parts went out."""
        if not prepared.taken:
            return refused
        prepared.tries += 1
        progress = prepared.progress(self.account)
        text = f"{prepared.taken} of {len(prepared.pieces)} SMS went out, then: "
        code = "yeastar:partly_sent"
        if refused.error.retryable and prepared.tries <= PART_TRIES:
            # "throttled" keeps its place in the lane, before what came later
            return Refused(
                error=Error(code, text + refused.error.text, retryable=True),
                throttled=True,
                retry_after_s=self._settings.interval_s,
                line=refused.line,
                progress=progress,
            )
        error = Error(code, text + refused.error.text)
        return Refused(error=error, line=refused.line, progress=progress)

    def _unsure(
        self, prepared: TgEncodedMessage, attempt: int, outcome: Uncertain
    ) -> Uncertain:
        self._may_come(outcome.provider_ids, prepared, attempt, outcome)
        return Uncertain(
            why=outcome.why,
            provider_ids=(*prepared.provider_ids, *outcome.provider_ids),
            segments=prepared.segments,
            line=outcome.line,
            progress=prepared.progress(self.account),
            unanswered=outcome.unanswered and not prepared.taken,
            unclear=outcome.unclear,
        )

    def ask(
        self, message: Outbound, provider_ids: Sequence[str]
    ) -> Deferred[Receipt | None]:
        """A TG cannot be asked."""
        return succeed(None)

    # -- IChannel: operators -------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return the state of the device and of its ports."""
        now = self._clock.seconds()
        why = self.unable()
        lines = [port.describe(now) for port in self._ports.by_number.values()]
        down = [
            f"port {line['name']}: {line['reason']}"
            for line in lines
            if line["state"] == ChannelState.DOWN
        ]
        conversation = self._reconnector.conversation
        connected = ChannelState.DEGRADED if down else ChannelState.UP
        return {
            "state": ChannelState.DOWN if why else connected,
            "reason": why or _some(down),
            "lines": lines,
            "balance": None,
            "address": str(self._host),
            "device": conversation.banner if conversation is not None else "",
            "next_try_at": self._reconnector.next_try_at,
            "unrecorded_sms": len(self._spool),
        }

    def end_halt(self) -> None:
        """Connect and use the ports at once, whatever they failed at."""
        for port in self._ports.by_number.values():
            self._ports.works(port)
        self._reconnector.hurry()
        if self._events is not None:
            self._report_lines()
            self._events.able(self)

    def command(self, line: str, verb: str, arguments: Sequence[str]) -> Deferred[str]:
        """Do a line command: ussd, at, on, off, reboot, show."""
        return Deferred.fromCoroutine(self._command(line, verb, arguments))

    async def _command(self, line: str, verb: str, arguments: Sequence[str]) -> str:
        port = self._ports.by_number.get(int(line) if line.isdecimal() else 0)
        if port is None:
            raise OurFault(f"{self.name} has no port {line!r}")
        wait_s = self._settings.ussd_timeout_s
        commands = commands_of(port.span, verb, arguments, wait_s)
        limit_s = self._settings.answer_timeout_s + (wait_s if verb == "ussd" else 0.0)
        printed = []
        for command in commands:
            conversation = self._reconnector.conversation
            if conversation is None:
                raise Unavailable(self.unable() or "not connected")
            printed.append(await conversation.query(command, limit_s))
        if verb != "ussd":
            return "\n".join(one for one in printed if one)
        went_well, text = ussd_of(printed[0])
        if not went_well:
            raise Unavailable(text)
        return text

    # -- from below -----------------------------------------------------------------

    def _tcp(self, reactor: Any) -> Connect:
        """Return what connects over TCP."""
        timeout_s = self._settings.connect_timeout_s
        return HostEndpoint(reactor, self._host, timeout_s).connect

    async def _connect(self) -> TgProtocol:
        factory = Factory()
        factory.protocol = self._protocol
        factory.noisy = False
        conversation = await self._connect_to(factory)
        assert isinstance(conversation, TgProtocol)
        return conversation

    def _protocol(self) -> TgProtocol:
        def begin(now: float) -> TgSession:
            return TgSession(self._settings, self._ports, self._ids, now)

        return TgProtocol(begin, self._clock, self._on_event)

    def _connection_changed(self, state: ReconnectorState, reason: str) -> None:
        """Report a change of the connection once, not each vain try."""
        if state in (ReconnectorState.PAUSED, ReconnectorState.REFUSED):
            if self._reconnector.held:
                self._host.held()
            else:
                self._host.failed()
        events = self._events
        reported = (
            ReconnectorState.UP,
            ReconnectorState.PAUSED,
            ReconnectorState.REFUSED,
        )
        if events is None or state not in reported or state is self._reported_state:
            return
        self._reported_state = state
        up = state is ReconnectorState.UP
        events.changed(self, ChannelState.UP if up else ChannelState.DOWN, reason)
        if up:
            self._report_lines()
            events.able(self)

    def _on_event(self, event: ConnectionEvent) -> None:
        assert self._events is not None
        match event:
            case events.TgSmsReceived(sms):
                for inbound in self._arrivals.take(sms, self._clock.seconds()):
                    self._spool.put(inbound)
            case events.UnexpectedResult(sms_id, status):
                self._late_result(sms_id, status)
            case events.PortsChanged():
                self._report_lines()
                self._events.able(self)
            case events.PortReady():
                self._report_lines()
                self._events.able(self)
            case events.ConnectionNotice(what):
                log.warn("{channel}: {what}", channel=self.name, what=what)

    def _record(self, inbound: Inbound) -> Deferred[None]:
        assert self._events is not None
        return self._events.inbound(inbound)

    def _report_lines(self) -> None:
        """Report the ports whose state has changed since the last report."""
        assert self._events is not None
        now = self._clock.seconds()
        for number, port in self._ports.by_number.items():
            why = port.unusable(now)
            if why != self._reported_lines.get(number):
                self._reported_lines[number] = why
                state = ChannelState.UP if why is None else ChannelState.DOWN
                self._events.changed(self, state, why or "", line=str(number))

    def _late_result(self, sms_id: str, status: str) -> None:
        """A result for an SMS that nobody waits for: late, or not ours."""
        assert self._events is not None
        found = self._late.pop(sms_id, None)
        if found is None or status not in (SENT, FAILED):
            log.warn(
                "{channel}: a result ({status}) for SMS {id}, which is not waited for",
                channel=self.name,
                status=status,
                id=sms_id,
            )
            return
        prepared, attempt, before = found
        if status == SENT and before.line is not None:
            self._ports.works(self._ports.by_number[int(before.line)])
        outcome: Outcome
        if status == SENT and prepared.taken == len(prepared.pieces) - 1:
            outcome = Accepted(
                provider_ids=(*prepared.provider_ids, sms_id),
                segments=prepared.segments,
                line=before.line,
                receipt_expected=False,
            )
        elif isinstance(before, Refused):
            return  # as it was, or about a part
        elif status == FAILED and not (prepared.taken or _may_be_half_out(prepared)):
            text = "the device reports late that the SMS was not sent (Status: 0)"
            error = Error(NOT_TAKEN, text, retryable=True)
            outcome = Refused(error=error, line=before.line)
        else:
            return  # what came is about a part, and says nothing of the whole
        self._events.late(prepared.message.id, attempt, outcome)


def _may_be_half_out(prepared: TgEncodedMessage) -> bool:
    """Whether a phone may have a part of a command that the network did not take.

    The device cuts a long text itself, and says one word about all of its SMS.
    """
    command = prepared.message.class_ is not MessageClass.NOTIFICATION
    return command and prepared.segments > 1


KIND: Final = ChannelKind(
    name="yeastar",
    settings=YeastarSettings,
    make=lambda name, settings, parts, around: YeastarChannel(name, settings, around),
)


def _some(reasons: Sequence[str]) -> str:
    """Return a few reasons, and how many more there are."""
    more = len(reasons) - _REASONS
    return "; ".join(reasons[:_REASONS]) + (f"; {more} more" if more > 0 else "")
