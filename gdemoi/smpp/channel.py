"""A channel over one SMPP account: one bind, or a pair of them.

Puts together what the other modules do: `encoder` (from messages to PDUs),
`channel_sender` with `submit_attempts` (from answers to outcomes; `error_codes`: what
a command_status means), `channel_deliveries` with `inbound` (deliver_sm and data_sm),
`channel_links` (staying bound).  Tells the state of the whole, and shows it to
operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.logger import Logger
from zope.interface import implementer

from gdemoi.errors import CannotListen, OurFault, Unavailable
from gdemoi.interfaces import (
    ChannelContext,
    ChannelKind,
    EncodedMessage,
    IChannel,
    IChannelEvents,
    IContinuing,
    IHalting,
    IListening,
    IPaced,
    ITraced,
    Rate,
)
from gdemoi.message import ChannelState, Outbound, Outcome, Progress, Receipt, Refused
from gdemoi.net.reconnector import ReconnectorState
from gdemoi.smpp.addresses import NO_ADDRESS, address
from gdemoi.smpp.channel_deliveries import Deliveries
from gdemoi.smpp.channel_links import Connect, Link, OutbindPort, secured, tcp
from gdemoi.smpp.channel_sender import SmppSender, query, receipt_of, unavailable
from gdemoi.smpp.encoder import SmppEncodedMessage, SmppEncoder
from gdemoi.smpp.pdu.headers import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    INVCMDID,
)
from gdemoi.smpp.pdu.statuses import name_of
from gdemoi.smpp.protocol import EsmeProtocol
from gdemoi.smpp.receipts import IdForms
from gdemoi.smpp.session_types import (
    BindRefused,
    Bound,
    DeliveryReceived,
    LateResponseReceived,
    ResponseMissing,
    ResponseReceived,
    SessionEnded,
    SessionEvent,
    SessionNotice,
    UnbindReceived,
)
from gdemoi.smpp.settings import BindAs, PduLog, SmppSettings, Tlvs
from gdemoi.smpp.trace import Trace, TracedPdu, line, masked
from gdemoi.tasks import background

log = Logger()

BINDS: Final = {
    BindAs.TRANSCEIVER: (BIND_TRANSCEIVER,),
    BindAs.TRANSMITTER: (BIND_TRANSMITTER,),
    BindAs.RECEIVER: (BIND_RECEIVER,),
    BindAs.PAIR: (BIND_TRANSMITTER, BIND_RECEIVER),
}

# Kinds of oddities that are told and counted.
_MOST_NOTED: Final = 1000


@implementer(IChannel, IContinuing, IHalting, IListening, IPaced, ITraced)
class SmppChannel:
    """One ``[smpp:NAME]``."""

    kind = "smpp"

    def __init__(
        self,
        name: str,
        settings: SmppSettings,
        context: ChannelContext,
        connect: Connect | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.account = settings.account_name
        self.window = settings.window
        self.rate = settings.rate
        self.ids = IdForms(settings.receipt_id)
        self.trace = self._make_trace()
        clock = context.clock
        self.sender = SmppSender(settings, clock)
        self.deliveries = Deliveries(name, self.account, settings, clock, self.ids)
        self.outbind = OutbindPort(name, settings, context, self.deliveries, self.trace)
        self.state = ChannelState.DOWN
        self.reason = "not started"
        self.noted: dict[str, int] = {}
        self._context = context
        self._clock = clock
        self._connect = secured(settings, connect or tcp(context.reactor))
        self._encoder = SmppEncoder(settings, context.random)
        self._events: IChannelEvents | None = None
        # whether TLVs may be sent: as the settings say, until a bind says more
        self._tlvs = settings.version == "3.4" and settings.tlvs is not Tlvs.NO
        self._stopping = False
        self._alarmed = False
        self.links = self._make_links(BINDS[settings.bind])

    # -- gdemoi.interfaces.IChannel

    def start(self, events: IChannelEvents) -> None:
        """Begin to connect."""
        self._events = self.deliveries.events = self.sender.events = events
        for link in self.links:
            link.start()
        self.outbind.start()

    def listening(self) -> Deferred[CannotListen | None]:
        """Fire after the first try to listen for outbind (`IListening`)."""
        return self.outbind.port.first

    def paced_by(self, rate: Rate) -> None:
        """Space segments by the lane's rate (`gdemoi.interfaces.IPaced`)."""
        self.sender.rate = rate

    def stop(self, grace_s: float) -> Deferred[None]:
        """Drain, unbind, close."""
        self._stopping = True
        self.sender.give_back("the gateway is stopping")
        stopping = [
            background(link.stop(grace_s), log, f"stopping {self.name}")
            for link in self.links
        ]
        stopping.append(
            background(self.outbind.stop(grace_s), log, f"stopping {self.name}")
        )
        return DeferredList(stopping).addCallback(lambda _: None)

    def unable(self) -> str | None:
        """Return why nothing can be sent now."""
        if self._stopping:
            return "stopping"
        link = self.submitting
        if link is None:
            return "bound for receiving only"
        esme = link.esme
        if esme is None:
            return link.why
        return None if esme.session.bound else esme.session.state.value

    def prepare(self, message: Outbound) -> EncodedMessage | Refused:
        """Split and encode."""
        return self._encoder.prepare(message, self._clock.seconds(), tlvs=self._tlvs)

    def resume(
        self, message: Outbound, progress: Progress
    ) -> SmppEncodedMessage | None:
        """Make ready what the SMSC does not have yet, in the form of what it has."""
        now = self._clock.seconds()
        return self._encoder.resume(message, progress, now, tlvs=self._tlvs)

    def submit(self, prepared: EncodedMessage, attempt: int) -> Deferred[Outcome]:
        """Send what of the message the SMSC does not have yet."""
        assert isinstance(prepared, SmppEncodedMessage)
        esme = self.sender.esme
        if esme is None or not esme.session.bound:
            # the link was lost in the commit
            return succeed(unavailable(self.unable() or "not bound"))
        return self.sender.submit(prepared, attempt, tlvs=self._tlvs)

    def ask(
        self, message: Outbound, provider_ids: Sequence[str]
    ) -> Deferred[Receipt | None]:
        """Ask by query_sm, where the operator says that it can be asked."""
        return Deferred.fromCoroutine(self._ask(message, provider_ids))

    async def _ask(
        self, message: Outbound, provider_ids: Sequence[str]
    ) -> Receipt | None:
        if not self.settings.query or self.unable() is not None:
            return None
        source = NO_ADDRESS
        if message.from_ is not None:
            settings = self.settings
            source = address(
                message.from_,
                settings.source_ton,
                settings.source_npi,
                keep_plus=settings.keep_plus,
            )
        found: Receipt | None = None
        for provider_id in provider_ids:
            answer = await self.sender.ask(query(provider_id, source))
            receipt = receipt_of(self.name, self.account, provider_id, answer)
            if receipt is None:
                continue
            if found is not None:
                await self._also(found)
            found = receipt
        return found

    async def _also(self, receipt: Receipt) -> None:
        """The caller takes one answer; what the others say goes up too."""
        if self._events is None:
            return
        try:
            await self._events.receipt(receipt)
        except Unavailable as fault:
            log.warn(
                "{channel}: an answer to query_sm is lost: {fault}",
                channel=self.name,
                fault=fault,
            )

    def end_halt(self) -> None:
        """Connect at once, whatever the pause was for."""
        for link in self.links:
            link.reconnector.hurry()

    def describe(self) -> dict[str, Any]:
        """Return state, binds, what was learned, counters: JSON-ready, no secrets."""
        sender, deliveries, ids = self.sender, self.deliveries, self.ids
        learned = ids.learned
        return {
            "state": self.state,
            "reason": self.reason,
            "lines": [],
            "balance": None,
            "account": self.account,
            "system_id": self.settings.system_id,
            "binds": [_bind_view(link) for link in self.links],
            "outbinds": len(self.outbind.sessions),
            "window": self.settings.window,
            "queued": len(sender),
            "receipt_id": {
                "form": None if learned is None else learned.value,
                "seen": {form.value: count for form, count in ids.counts.items()},
            },
            "counters": {
                "accepted": sender.accepted,
                "refused": sender.refused,
                "unsure": sender.unsure,
                "late": sender.late,
                "receipts": deliveries.receipts,
                "receipts_unmatched": deliveries.unmatched,
                "messages_in": deliveries.messages,
                "deliveries_deferred": deliveries.deferred,
                "deliveries_waiting": deliveries.waiting,
            },
            "throttled": sender.statuses[0x58] + sender.statuses[0x14],
            "refusals": {
                f"0x{status:02X} {name_of(status)}": count
                for status, count in sender.statuses.most_common(20)
            },
            "noted": dict(sorted(self.noted.items(), key=lambda item: -item[1])[:20]),
        }

    def command(self, line: str, verb: str, arguments: Sequence[str]) -> Deferred[str]:
        """Do what an operator asks of a bind (its name, or ``-`` for all).

        ``hurry``: end the present pause and connect.
        """
        links = [link for link in self.links if line in ("-", link.name)]
        if not links or verb != "hurry":
            names = ", ".join(link.name for link in self.links)
            return fail(OurFault(f"{self.name} has: hurry, for one of {names}, -"))
        for link in links:
            link.reconnector.hurry()
        return succeed("connecting")

    # -- links

    def _make_links(self, commands: Sequence[int]) -> list[Link]:
        links = [
            Link(
                self.name,
                command,
                self.settings,
                self._context,
                self,
                self._connect,
                self.trace,
            )
            for command in commands
        ]
        submitting = [one for one in links if one.bind_command != BIND_RECEIVER]
        # the link that submits, if there is to be one
        self.submitting = submitting[0] if submitting else None
        return links

    def session_event(
        self, link: Link, esme: EsmeProtocol, events: Sequence[SessionEvent]
    ) -> None:
        """Take what happened on a link (`gdemoi.smpp.channel_links.LinkListener`)."""
        for event in events:
            if isinstance(event, ResponseReceived):
                self.sender.answered(event.context, event.pdu)
            elif isinstance(event, DeliveryReceived):
                self.deliveries.came(esme, event.pdu)
            else:
                self._rare_event(link, esme, event)
        self.sender.pump()

    def _rare_event(self, link: Link, esme: EsmeProtocol, event: SessionEvent) -> None:
        """Take what happens seldom."""
        match event:
            case ResponseMissing():
                # a session that breaks may have answered soon; one that never
                # answered anything is no better than silence
                silent = event.timed_out or not esme.worked
                self.sender.unanswered(event.context, event.why, silent=silent)
            case LateResponseReceived():
                self.sender.answered_late(event.context, event.pdu)
            case Bound() if link is self.submitting:
                self._tlvs = event.tlvs
            case UnbindReceived() if esme is self.sender.esme:
                self.sender.give_back("the SMSC unbound")
            case BindRefused(command_status=status) if status == INVCMDID:
                self._become_a_pair(link)
            case SessionEnded():
                self._ended(esme, event.why)
            case SessionNotice():
                self._note(link, event)
            case _:
                pass

    def _ended(self, esme: EsmeProtocol, why: str) -> None:
        if esme is self.sender.esme:
            self.sender.esme = None
            self.sender.give_back(why)
        now = self._clock.seconds()
        self.deliveries.reader.session_ended(esme.serial, now)

    def _note(self, link: Link, noted: SessionNotice) -> None:
        """Log each kind of oddity once, and count them; there is an end to both."""
        key = noted.what[:80]
        if key in self.noted:
            self.noted[key] += 1
            return
        if len(self.noted) >= _MOST_NOTED:
            return
        self.noted[key] = 1
        log.info(
            "{channel} ({link}): {what!a}, number {number}",
            channel=self.name,
            link=link.name,
            what=noted.what,
            number=noted.sequence_number,
        )

    def _become_a_pair(self, link: Link) -> None:
        """The SMSC knows no transceiver (SMPP 3.4 §4.1.5): remember it."""
        if link.bind_command != BIND_TRANSCEIVER or self._stopping:
            return
        log.info(
            "{channel}: the SMSC knows no transceiver; binding twice from now on",
            channel=self.name,
        )
        link.retire()
        self.links = self._make_links(BINDS[BindAs.PAIR])
        for one in self.links:
            one.start()

    def link_changed(self, link: Link, state: ReconnectorState, reason: str) -> None:
        """Take note of a link's state, and tell the channel's."""
        if link not in self.links:
            return
        if state is ReconnectorState.UP:
            self._alarmed = False
            if link is self.submitting:
                self.sender.esme = link.esme
                self.sender.pump()
        elif state is ReconnectorState.REFUSED and not self._alarmed:
            self._alarmed = True
            log.critical(
                "{channel}: {reason}; next try in {pause:g} s",
                channel=self.name,
                reason=reason,
                pause=self.settings.credential_retry_s,
            )
        self._tell()

    def _tell(self) -> None:
        """Tell the state of all binds together, when it changed."""
        away = [
            link
            for link in self.links
            if link.reconnector.state is not ReconnectorState.UP
        ]
        state = ChannelState.of(len(self.links) - len(away), len(self.links))
        why = "; ".join(f"{link.name}: {link.why}" for link in away)
        self.reason = why
        events = self._events
        if events is None:
            return
        if state != self.state:
            self.state = state
            events.changed(self, state, why)
        events.able(self)

    # -- seen from outside

    def _make_trace(self) -> Trace | None:
        settings = self.settings
        if not settings.pdu_ring and settings.pdu_log is PduLog.OFF:
            return None
        logged = settings.pdu_log is not PduLog.OFF
        return Trace(settings.pdu_ring, self._log_pdu if logged else None)

    def traced(self, after: int) -> list[dict[str, Any]]:
        """Return the last PDUs, one line each (`ITraced`)."""
        return self._kept().records(after=after, texts=self.settings.pdu_log_texts)

    def capture(self) -> bytes:
        """Return the last PDUs as a capture file (`ITraced`)."""
        return self._kept().pcap(texts=self.settings.pdu_log_texts)

    def _kept(self) -> Trace:
        if self.trace is None or not self.settings.pdu_ring:
            raise OurFault(f"{self.name} keeps no PDUs (pdu_ring = 0)")
        return self.trace

    def _log_pdu(self, traced: TracedPdu) -> None:
        texts = self.settings.pdu_log_texts
        if self.settings.pdu_log is PduLog.HEX:
            shown = masked(traced.octets, texts).hex()
        else:
            shown = line(traced.octets, texts=texts)
        log.info(
            "{channel} ({link}) {arrow} {pdu}",
            channel=self.name,
            link=traced.link,
            arrow=traced.direction.value,
            pdu=shown,
            each=True,
        )


def _bind_view(link: Link) -> dict[str, Any]:
    reconnector = link.reconnector
    session = link.esme.session if link.esme is not None else None
    bound = link.bound_as
    return {
        "name": link.name,
        "state": reconnector.state.value,
        "reason": reconnector.reason,
        "host": str(link.hosts.present),
        "failures": reconnector.failures,
        "next_try_at": reconnector.next_try_at,
        "connections": link.connections,
        "smsc": bound.system_id if session is not None and bound is not None else None,
        "version": _version(bound.sc_interface_version) if bound is not None else None,
        "tlvs": session.tlvs if session is not None else None,
        "session": session.state.value if session is not None else None,
        "unanswered": session.unanswered if session is not None else 0,
        "round_trip_ms": _ms(session.round_trip_s) if session is not None else None,
    }


def _version(number: int | None) -> str | None:
    return None if number is None else f"{number >> 4}.{number & 15}"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


KIND: Final = ChannelKind(
    name="smpp",
    settings=SmppSettings,
    make=lambda name, settings, parts, context: SmppChannel(name, settings, context),
)
