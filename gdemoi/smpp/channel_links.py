"""The connections of a channel: binds that are kept alive, and a port for outbind.

A `Link` is one bind: address after address, again and again.  It knows when to
connect to which host and how a bind is worded; what happens on it goes to the channel.
The pauses are those of `gdemoi.net.reconnector`.

An `OutbindPort` listens for SMSCs that connect to us (SMPP 3.4 §2.2.1, §4.1.7).  Off
unless configured.  Whoever opens a connection there and says the agreed password is
answered with a bind as receiver; anyone else learns nothing, least of all our own
credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hmac import compare_digest
from itertools import count
from typing import Any, Final, Protocol

from twisted.internet import protocol
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IStreamClientEndpoint,
)
from twisted.logger import Logger

from gdemoi.interfaces import ChannelContext
from gdemoi.net.certificates import client_options
from gdemoi.net.endpoints import HostEndpoint
from gdemoi.net.faults import in_words
from gdemoi.net.hosts import Host, Hosts
from gdemoi.net.port import PersistentPort, server_endpoint
from gdemoi.net.reconnector import (
    FAULTS,
    TIMEOUTS,
    Backoff,
    Reconnector,
    ReconnectorState,
)
from gdemoi.smpp.channel_deliveries import Deliveries
from gdemoi.smpp.pdu.headers import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    HEADER,
    HEADER_OCTETS,
)
from gdemoi.smpp.pdu.pdus import BindReceiver, BindTransceiver, BindTransmitter, encode
from gdemoi.smpp.protocol import EsmeFactory, EsmeProtocol
from gdemoi.smpp.session_types import (
    Bound,
    DeliveryReceived,
    OutbindReceived,
    SessionEnded,
    SessionEvent,
    SessionParameters,
)
from gdemoi.smpp.settings import SmppSettings
from gdemoi.smpp.trace import Trace
from gdemoi.tasks import spawn

log = Logger()

BIND_PDUS: Final = {
    BIND_RECEIVER: BindReceiver,
    BIND_TRANSMITTER: BindTransmitter,
    BIND_TRANSCEIVER: BindTransceiver,
}
BIND_NAMES: Final = {
    BIND_RECEIVER: "receiver",
    BIND_TRANSMITTER: "transmitter",
    BIND_TRANSCEIVER: "transceiver",
}
# A session that held so long was a good one.
STABLE_S: Final = 10.0
# The session's own timeout of the bind comes first; this is for a lost timer.
_SPARE_S: Final = 5.0
# When there is a better host, outstanding answers are awaited so long.
_MOVE_GRACE_S: Final = 5.0

Connect = Callable[[Host], IStreamClientEndpoint]


class SingleProtocolFactory(protocol.Factory):
    """Makes the one connection that it was made for, without a word in the log."""

    noisy = False

    def __init__(self, made: protocol.Protocol) -> None:
        self._made = made

    def buildProtocol(self, addr: IAddress | None) -> protocol.Protocol:
        """Return it."""
        return self._made


class LinkListener(Protocol):
    """What a link tells its channel."""

    def session_event(
        self, link: Link, esme: EsmeProtocol, events: Sequence[SessionEvent]
    ) -> None:
        """Take what happened on a link."""

    def link_changed(self, link: Link, state: ReconnectorState, reason: str) -> None:
        """Take note that a link is up, or why it is not."""


def session_parameters(settings: SmppSettings, bind_command: int) -> SessionParameters:
    """Return the parameters of a session as the settings have them."""
    version = 0x34 if settings.version == "3.4" else 0x33
    bind = BIND_PDUS[bind_command]

    def bind_request() -> bytes:
        if settings.long_credentials:
            return _long_bind(settings, bind_command, version)
        return encode(
            bind(
                system_id=settings.system_id,
                password=settings.password,
                system_type=settings.system_type,
                interface_version=version,
                addr_ton=settings.address_ton,
                addr_npi=settings.address_npi,
                address_range=settings.address_range,
            )
        )

    return SessionParameters(
        bind_request=bind_request,
        bind_command=bind_command,
        version=version,
        tlvs=settings.tlvs,
        window=settings.window,
        bind_timeout_s=_or(settings.bind_timeout_s, settings.link_timeout_s),
        response_timeout_s=settings.response_timeout_s,
        enquire_link_s=settings.enquire_link_s,
        link_timeout_s=settings.link_timeout_s,
    )


def _long_bind(settings: SmppSettings, bind_command: int, version: int) -> bytes:
    """Return a bind (SMPP 3.4 §4.1.1) whose strings may be over their sizes."""
    *names, address_range = (
        word.encode("ascii") + b"\0"
        for word in (
            settings.system_id,
            settings.password,
            settings.system_type,
            settings.address_range,
        )
    )
    numbers = bytes((version, settings.address_ton, settings.address_npi))
    body = b"".join((*names, numbers, address_range))
    # the session puts the sequence number in
    return HEADER.pack(HEADER_OCTETS + len(body), bind_command, 0, 0) + body


def tcp(reactor: Any) -> Connect:
    """Return what makes the endpoint of a host."""
    return lambda host: HostEndpoint(reactor, host)


def secured(settings: SmppSettings, connect: Connect) -> Connect:
    """Return `connect` as the settings want it: as it is, or with TLS.

    The certificate must be valid for the host (or `tls_name`), and signed by an
    authority that this machine trusts (or the one of `tls_ca`).
    """
    if not settings.tls:
        return connect

    def secure(host: Host) -> IStreamClientEndpoint:
        options = client_options(settings.tls_name or host.name, settings.tls_ca)
        return wrapClientTLS(options, connect(host))

    return secure


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


class Link:
    """One bind, kept alive."""

    _serials = count(1)

    def __init__(
        self,
        channel: str,
        bind_command: int,
        settings: SmppSettings,
        context: ChannelContext,
        listener: LinkListener,
        connect: Connect,
        trace: Trace | None,
    ) -> None:
        self.name = BIND_NAMES[bind_command]
        self.bind_command = bind_command
        self.hosts = Hosts(settings.hosts)
        self.bound_as: Bound | None = None
        self.connections = 0
        # tells the sessions of all links apart
        self.serial = 0
        self._channel = channel
        self._settings = settings
        self._clock = context.clock
        self._listener = listener
        self._endpoint = connect
        self._trace = None if trace is None else trace.for_link(self.name)
        self._parameters = session_parameters(settings, bind_command)
        self._up_since: float | None = None
        self._last_reason = ""
        self._return_call: IDelayedCall | None = None
        timeout_s = settings.link_timeout_s or 30.0
        self.reconnector: Reconnector[EsmeProtocol] = Reconnector(
            context.clock,
            log,
            f"{channel} ({self.name})",
            self._connect,
            self._state_changed,
            context.random,
            backoff=Backoff(
                settings.reconnect_min_s, settings.reconnect_max_s, stable_s=STABLE_S
            ),
            connect_timeout_s=_or(settings.connect_timeout_s, timeout_s),
            ready_timeout_s=_or(settings.bind_timeout_s, timeout_s) + _SPARE_S,
            has_others=lambda: self.hosts.present.has_others,
        )

    @property
    def esme(self) -> EsmeProtocol | None:
        """The bound protocol, None while there is none."""
        return self.reconnector.conversation

    @property
    def why(self) -> str:
        """Why the link is not up: what happened last, or what it is doing."""
        return (
            self.reconnector.reason or self._last_reason or self.reconnector.state.value
        )

    def start(self) -> None:
        """Begin to connect."""
        self.reconnector.start()

    def retire(self) -> None:
        """End at once and for good; the far side has no use for this bind."""
        self._cancel_return()
        # not in the middle of a report to the reconnector
        self._clock.callLater(0, self.reconnector.stop)

    async def stop(self, grace_s: float) -> None:
        """Drain, unbind, close; at once when not bound."""
        self._cancel_return()
        esme = self.esme
        if esme is not None:
            over = esme.over()
            esme.drain(grace_s)
            await over
        self.reconnector.stop()

    async def _connect(self) -> EsmeProtocol:
        self.connections += 1
        esme = EsmeProtocol(
            self._parameters,
            self._clock,
            self,
            self._trace,
            credential_retry_s=self._settings.credential_retry_s,
        )
        self.serial = next(Link._serials)
        esme.serial = self.serial
        await self._endpoint(self.hosts.present).connect(SingleProtocolFactory(esme))
        return esme

    def session_event(self, esme: EsmeProtocol, events: Sequence[SessionEvent]) -> None:
        """Pass on what happened (`gdemoi.smpp.protocol.SessionListener`)."""
        for event in events:
            if isinstance(event, Bound):
                self.bound_as = event
        self._listener.session_event(self, esme, events)

    def _state_changed(self, state: ReconnectorState, reason: str) -> None:
        now = self._clock.seconds()
        if state is ReconnectorState.UP:
            self._up_since = now
            self._plan_return()
        elif state in (ReconnectorState.PAUSED, ReconnectorState.REFUSED):
            self._cancel_return()
            since, self._up_since = self._up_since, None
            if since is None and state is ReconnectorState.PAUSED:
                self._log_failure(reason)
            if self.reconnector.held:
                self.hosts.ended(now)
            else:
                self.hosts.failed(now)
        if reason or state is ReconnectorState.UP:
            self._last_reason = reason
        self._listener.link_changed(self, state, reason)

    def _log_failure(self, reason: str) -> None:
        """Log why there is no bind; that it is the same again, the log counts."""
        log.warn(
            "{channel} ({link}): {host}: {reason}; trying again and again",
            channel=self._channel,
            link=self.name,
            host=str(self.hosts.present),
            reason=reason.rstrip("."),
        )

    # -- back to the primary

    def _plan_return(self) -> None:
        pause_s = self._settings.primary_return_s
        if pause_s > 0 and not self.hosts.on_primary and self._return_call is None:
            self._return_call = self._clock.callLater(pause_s, self._return_due)

    def _cancel_return(self) -> None:
        call, self._return_call = self._return_call, None
        if call is not None and call.active():
            call.cancel()

    def _return_due(self) -> None:
        self._return_call = None
        spawn(self._try_primary(), log, f"looking for the first host of {self.name}")

    async def _try_primary(self) -> None:
        """Leave a working session only when the primary can at least be reached."""
        try:
            connecting: Deferred[Any] = self._endpoint(self.hosts.hosts[0]).connect(
                SingleProtocolFactory(protocol.Protocol())
            )
            connection = await connecting.addTimeout(10.0, self._clock)
        except (*FAULTS, *TIMEOUTS) as fault:
            log.warn(
                "{link}: the first host is still away: {fault}",
                link=self.reconnector.name,
                fault=in_words(fault),
            )
            self._plan_return()
            return
        connection.transport.abortConnection()
        esme = self.esme
        if esme is not None:
            log.info("{link}: back to the first host", link=self.reconnector.name)
            self.hosts.go_to_primary()
            esme.drain(_MOVE_GRACE_S)


# -- outbind

# Connections of SMSCs that may be open at once.
_MOST_OUTBINDS: Final = 4
# Serial numbers apart from those of the links.
_FIRST_SERIAL: Final = 1_000_000_000


class OutbindPort:
    """The listening port of one channel, and the sessions that began there."""

    def __init__(
        self,
        channel: str,
        settings: SmppSettings,
        context: ChannelContext,
        deliveries: Deliveries,
        trace: Trace | None,
    ) -> None:
        self.sessions: list[EsmeProtocol] = []
        self._channel = channel
        self._settings = settings
        self._context = context
        self._deliveries = deliveries
        self._trace = None if trace is None else trace.for_link("outbind")
        self._parameters = session_parameters(settings, BIND_RECEIVER)
        where = settings.outbind_listen
        self.port = PersistentPort(
            context.clock, log, "outbind_listen", where, self._listen, self._changed
        )
        self._serial = _FIRST_SERIAL

    def start(self) -> None:
        """Listen, when configured."""
        if self._settings.outbind_listen:
            self.port.start()
        else:
            self.port.first.callback(None)

    async def stop(self, grace_s: float) -> None:
        """Listen no more and end the sessions."""
        await self.port.stop()
        for esme in list(self.sessions):
            over = esme.over()
            esme.drain(grace_s)
            await over

    def _listen(self) -> Any:
        where = self._settings.outbind_listen
        endpoint = server_endpoint(self._context.reactor, where)
        return endpoint.listen(EsmeFactory(self.make))

    def _changed(self, why: str | None) -> None:
        """Log another reason than the first, which whoever waits for it logs."""
        if why is not None and self.port.first.called:
            log.error("{channel}: {why}", channel=self._channel, why=why)

    def make(self) -> EsmeProtocol:
        """Return the protocol of a connection that the SMSC opened."""
        esme = EsmeProtocol(
            self._parameters,
            self._context.clock,
            self,
            self._trace,
            may_bind=self._may_bind,
        )
        self._serial += 1
        esme.serial = self._serial
        self.sessions.append(esme)
        if len(self.sessions) > _MOST_OUTBINDS:
            self.sessions[0].abort()
        return esme

    def _may_bind(self, outbind: OutbindReceived) -> bool:
        agreed = self._settings.outbind_password.encode()
        good = compare_digest(outbind.password.encode(), agreed)
        if not good:
            log.warn(
                "{channel}: an outbind of {system_id!a} with a wrong password",
                channel=self._channel,
                system_id=outbind.system_id,
            )
        return good

    def session_event(self, esme: EsmeProtocol, events: Sequence[SessionEvent]) -> None:
        """Pass deliveries up (`gdemoi.smpp.protocol.SessionListener`)."""
        for event in events:
            if isinstance(event, DeliveryReceived):
                self._deliveries.came(esme, event.pdu)
            elif isinstance(event, SessionEnded) and esme in self.sessions:
                self.sessions.remove(esme)
                now = self._context.clock.seconds()
                self._deliveries.reader.session_ended(esme.serial, now)
