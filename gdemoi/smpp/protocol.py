"""The Twisted shell around `gdemoi.smpp.session`: octets, one timer, two Deferreds.

No rule of SMPP lives here.  All that is submitted in one turn of the reactor
leaves in one write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet import protocol
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from gdemoi.net.faults import ANSWERS_TLS, NOT_AGREED, of_loss, speaks_tls
from gdemoi.net.reconnector import LoginRefused
from gdemoi.net.regulated import RegulatedProtocol
from gdemoi.smpp.error_codes import BAD_CREDENTIALS
from gdemoi.smpp.pdu.pdus import DataSm, DeliverSm
from gdemoi.smpp.session import EsmeSession
from gdemoi.smpp.session_types import (
    BindRefused,
    Bound,
    OutbindReceived,
    SessionEnded,
    SessionEvent,
    SessionParameters,
)
from gdemoi.smpp.trace import Trace
from gdemoi.tasks import Alarm


class SessionListener(Protocol):
    """Whoever holds a conversation and hears what happens in it."""

    def session_event(self, esme: EsmeProtocol, events: Sequence[SessionEvent]) -> None:
        """Take what happened, in order."""


class EsmeProtocol(RegulatedProtocol):
    """One connection to an SMSC; a `gdemoi.net.reconnector.Conversation`.

    Binds as soon as it is connected; with `may_bind`, when an outbind asks to and
    `may_bind` consents.
    """

    def __init__(
        self,
        parameters: SessionParameters,
        clock: IReactorTime,
        listener: SessionListener,
        trace: Trace | None = None,
        *,
        credential_retry_s: float = 300.0,
        may_bind: Callable[[OutbindReceived], bool] | None = None,
    ) -> None:
        super().__init__(clock)
        self.session = EsmeSession(parameters, clock.seconds(), trace)
        self._listener = listener
        self._credential_retry_s = credential_retry_s
        self._may_bind = may_bind
        self._alarm = Alarm(clock, self._on_timer)
        self._flushing: IDelayedCall | None = None
        self._refusal: LoginRefused | None = None
        self._why = "the connection was closed"
        self._heard = False
        self._held = False
        self._in_turn = False
        self._bound = False
        self._await_ready: list[Deferred[None]] = []
        self._await_over: list[Deferred[str]] = []
        # which connection this is, for those who hold several
        self.serial = 0

    # -- gdemoi.net.reconnector.Conversation

    def ready(self) -> Deferred[None]:
        """Fire when bound; fail with `LoginRefused` when the SMSC said no."""
        if self._bound:
            return succeed(None)
        if self.ended:
            return fail(self._refusal or LoginRefused(self._why))
        waiting: Deferred[None] = Deferred()
        self._await_ready.append(waiting)
        return waiting

    def over(self) -> Deferred[str]:
        """Fire with the reason when the connection is closed."""
        if self.ended:
            return succeed(self._why)
        waiting: Deferred[str] = Deferred()
        self._await_over.append(waiting)
        return waiting

    def abort(self) -> None:
        """Close at once; what is unanswered is settled as unsure."""
        self._tell(self.session.lost("the connection was given up"))
        self.cut()

    @property
    def worked(self) -> bool:
        """Whether the SMSC answered a submit in this session."""
        return self.session.answered > 0

    # -- for the channel

    def submit(self, octets: bytes, context: Any) -> int:
        """Send a request in this turn of the reactor."""
        number = self.session.submit(octets, context, self._clock.seconds())
        self._flush_soon()
        return number

    def answer(self, request: DeliverSm | DataSm, status: int) -> None:
        """Answer a deliver_sm or data_sm that came over this connection."""
        self._tell(self.session.answer(request, status, self._clock.seconds()))
        self._flush_soon()

    def enquire(self) -> None:
        """Ask whether the far side lives, and measure the round trip."""
        self.session.enquire(self._clock.seconds())
        self._flush_soon()

    def drain(self, grace_s: float) -> None:
        """Submit no more, unbind, close; `over` tells when it is done."""
        self._tell(self.session.drain(self._clock.seconds(), grace_s))
        self._flush_soon()

    def hold(self, held: bool) -> None:
        """Read nothing for now (too much is being written down), or go on."""
        self._held = held
        self.regulate()

    def may_read(self) -> bool:
        """Tell whether more may be read now."""
        # TLS calls itself full until its handshake has been read
        return not ((self.full and self._bound) or self._held)

    # -- IProtocol

    def connectionMade(self) -> None:
        """Bind, unless the SMSC is to ask us first."""
        super().connectionMade()
        if self._may_bind is None:
            self.session.bind(self._clock.seconds())
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        """Hand octets to the session and tell what happened."""
        if not self._heard:
            self._heard = True
            if speaks_tls(data):
                self._close(f"{ANSWERS_TLS} (tls = yes)")
                return
        # what is submitted meanwhile leaves in the write at the end
        self._in_turn = True
        self._tell(self.session.receive(data, self._clock.seconds()))
        self._in_turn = False
        self._flush()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """Settle everything; nothing of this connection is left behind."""
        super().connectionLost(reason)
        lost = of_loss(reason.value, self.transport, self.agreed)
        if lost is not None:
            in_time = self._refusal
            if lost == NOT_AGREED and in_time is not None:
                # we waited in vain: both are of use
                lost = f"{in_time}; {lost}"
                self._refusal = LoginRefused(lost, in_time.pause_s)
            self._why = lost
        self._tell(self.session.lost(self._why))
        self._alarm.cancel()
        if self._flushing is not None and self._flushing.active():
            self._flushing.cancel()
        waiting, self._await_ready = self._await_ready, []
        for ready in waiting:
            ready.errback(self._refusal or LoginRefused(self._why))
        ending, self._await_over = self._await_over, []
        for over in ending:
            over.callback(self._why)

    # -- inside

    def _on_timer(self) -> None:
        self._in_turn = True
        self._tell(self.session.tick(self._clock.seconds()))
        self._in_turn = False
        self._flush()

    def _tell(self, events: list[SessionEvent]) -> None:
        if not events:
            return
        # whoever waits for `ready` finds that the channel knows what the bind agreed on
        self._listener.session_event(self, events)
        for event in events:
            match event:
                case Bound():
                    self._bound = True
                    waiting, self._await_ready = self._await_ready, []
                    for ready in waiting:
                        ready.callback(None)
                case BindRefused():
                    fatal = event.command_status in BAD_CREDENTIALS
                    pause_s = self._credential_retry_s if fatal else None
                    self._refusal = LoginRefused(event.why, pause_s)
                case OutbindReceived() if self._may_bind is not None:
                    self._on_outbind(event)
                case SessionEnded():
                    self._close(event.why)
                case _:
                    pass

    def _on_outbind(self, outbind: OutbindReceived) -> None:
        if self._may_bind is not None and self._may_bind(outbind):
            self.session.bind(self._clock.seconds())
        else:
            self._close("an outbind that is not welcome")

    def _close(self, why: str) -> None:
        self._why = why
        self._flush()
        self.hang_up()

    def _flush_soon(self) -> None:
        if self._flushing is None and not self._in_turn:
            self._flushing = self._clock.callLater(0, self._flush)

    def _flush(self) -> None:
        flushing, self._flushing = self._flushing, None
        if flushing is not None and flushing.active():
            flushing.cancel()
        if self.ended:
            return
        octets = self.session.outbox()
        if octets and self.transport is not None:
            self.transport.write(octets)
        self._alarm.set(self.session.next_deadline())


class EsmeFactory(protocol.Factory):
    """Makes protocols for connections that an SMSC opens to us (outbind)."""

    noisy = False

    def __init__(self, make: Callable[[], EsmeProtocol]) -> None:
        self._make = make

    def buildProtocol(self, addr: IAddress | None) -> EsmeProtocol:
        """Return a protocol for one connection."""
        return self._make()
