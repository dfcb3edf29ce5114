"""The Twisted shell of a TG connection: octets in and out, one timer.

Knows the transport and how a `TgSession` is driven; satisfies the
`Conversation` of a `Reconnector`.  No rule of the protocol is here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from gdemoi.errors import Unavailable
from gdemoi.message import Outcome, Uncertain
from gdemoi.net.reconnector import LoginRefused
from gdemoi.tasks import Alarm
from gdemoi.yeastar import session_events
from gdemoi.yeastar.jobs import SmsCommand
from gdemoi.yeastar.session import ConnectionStage, TgSession

# A refused login is not tried again sooner: someone must act.
REFUSED_PAUSE_S: Final = 60.0

ConnectionEvent = (
    session_events.TgSmsReceived
    | session_events.UnexpectedResult
    | session_events.PortsChanged
    | session_events.PortReady
    | session_events.ConnectionNotice
)


class TgProtocol(Protocol):
    """One connection to a TG; `on_event` gets the events that answer nothing."""

    def __init__(
        self,
        begin: Callable[[float], TgSession],
        clock: IReactorTime,
        on_event: Callable[[ConnectionEvent], None],
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._on_event = on_event
        self._alarm = Alarm(clock, self._on_timer)
        self._session: TgSession | None = None
        self._ready: Deferred[None] = Deferred()
        self._over: Deferred[str] = Deferred()
        self._gone: Deferred[None] = Deferred()
        self._sending: dict[int, Deferred[Outcome]] = {}
        self._asking: dict[int, Deferred[str]] = {}
        # the device has settled an SMS, or received one
        self.worked = False

    # -- for the reconnector -------------------------------------------------

    def ready(self) -> Deferred[None]:
        """Fire when logged in."""
        return self._ready

    def over(self) -> Deferred[str]:
        """Fire with the reason when the conversation has ended."""
        return self._over

    def abort(self) -> None:
        """Close at once; what was written and unanswered is unsure."""
        self._lost("closed by us")

    # -- for the channel -------------------------------------------------------

    @property
    def banner(self) -> str:
        """What the device called itself."""
        return self._session.banner if self._session is not None else ""

    def send(self, sms: SmsCommand) -> Deferred[Outcome]:
        """Send an SMS; fires with what became of it, never fails."""
        session = self._live()
        now = self._clock.seconds()
        answer: Deferred[Outcome] = Deferred()
        self._sending[session.submit(sms, now)] = answer
        self._do(session, session.tick(now))
        return answer

    def query(self, command: str, limit_s: float) -> Deferred[str]:
        """Run a command; fires with its output, fails with `Unavailable`."""
        session = self._live()
        answer: Deferred[str] = Deferred()
        self._asking[session.query(command, limit_s)] = answer
        self._do(session, session.tick(self._clock.seconds()))
        return answer

    def log_off(self) -> Deferred[None]:
        """Log off; fires when the connection is closed."""
        session = self._live()
        if session.stage is not ConnectionStage.READY:
            return succeed(None)
        session.log_off()
        self._do(session, session.tick(self._clock.seconds()))
        return self._gone

    # -- for Twisted --------------------------------------------------------------

    def connectionMade(self) -> None:
        """Begin the conversation."""
        self._session = self._begin(self._clock.seconds())
        self._alarm.set(self._session.next_deadline())

    def dataReceived(self, data: bytes) -> None:
        """Let the session read."""
        session = self._live()
        self._do(session, session.receive(data, self._clock.seconds()))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Settle what is open."""
        self._lost(reason.getErrorMessage())
        gone, self._gone = self._gone, Deferred()
        gone.callback(None)

    # -- between them ----------------------------------------------------------------

    def _live(self) -> TgSession:
        assert self._session is not None, "no connection yet"
        return self._session

    def _on_timer(self) -> None:
        session = self._live()
        self._do(session, session.tick(self._clock.seconds()))

    def _lost(self, why: str) -> None:
        if self._session is not None:
            lost = self._session.lost(why, self._clock.seconds())
            self._do(self._session, lost)
        self._close()

    def _close(self) -> None:
        self._alarm.cancel()
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def _do(
        self, session: TgSession, events: list[session_events.SessionEvent]
    ) -> None:
        """Write the outbox, set the timer, then hand on the events."""
        out = session.outbox()
        if out and self.transport is not None:
            self.transport.write(out)
        self._alarm.set(session.next_deadline())
        for event in events:
            self._dispatch(event)

    def _dispatch(self, event: session_events.SessionEvent) -> None:
        match event:
            case session_events.SmsSettled(ticket, outcome):
                self.worked = self.worked or not isinstance(outcome, Uncertain)
                self._sending.pop(ticket).callback(outcome)
            case session_events.CommandOutput(ticket, output, error):
                self._print(self._asking.pop(ticket), output, error)
            case session_events.LoggedIn():
                self._ready.callback(None)
            case session_events.LoginFailed(text):
                self._end(LoginRefused(f"login refused: {text}", REFUSED_PAUSE_S))
            case session_events.ConnectionEnded(why):
                self._end(Unavailable(why))
                self._close()
            case _:
                if isinstance(
                    event,
                    session_events.TgSmsReceived | session_events.UnexpectedResult,
                ):
                    self.worked = True
                self._on_event(event)

    def _end(self, fault: Unavailable) -> None:
        """Fail the Deferred that the reconnector still waits for."""
        if not self._ready.called:
            self._ready.errback(fault)
        elif not self._over.called:
            self._over.callback(str(fault))

    def _print(self, answer: Deferred[str], output: str | None, error: str) -> None:
        if output is None:
            answer.errback(Unavailable(error))
        else:
            answer.callback(output)
