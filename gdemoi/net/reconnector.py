"""Keeps one logged-in connection: connect, ready, over, pause, again.

For conversations with a login (SMPP bind, TG login, AMQP open), where Twisted's
`ClientService` does not fit: it leaves the connection of a failed
`prepareConnection` open, raises when the peer hangs up during it, and resets
its pause on every connection, so that a refused bind hammers the SMSC.

This file knows when to try again.  It does not know what is said on the line,
nor which host comes next: `connect` does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
)
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gdemoi.errors import TheirFault, Unavailable
from gdemoi.net.faults import in_words
from gdemoi.tasks import background


class LoginRefused(Unavailable):
    """The far side said no to our login.

    `pause_s` is how long to leave it alone (None: the ordinary pause); it is set
    when someone must act first, so that the far side is not hammered.
    """

    def __init__(self, text: str, pause_s: float | None = None) -> None:
        super().__init__(text)
        self.pause_s = pause_s


class Conversation(Protocol):
    """What a protocol offers to its keeper."""

    def ready(self) -> Deferred[Any]:
        """Fire when logged in; fail with `LoginRefused` or another fault."""

    def over(self) -> Deferred[str]:
        """Fire with the reason when the conversation has ended."""

    def abort(self) -> None:
        """Close at once; harmless when already closed."""

    @property
    def worked(self) -> bool:
        """Whether it did what it is for: an answered submit, a confirmed publish.

        A login alone proves nothing: some far sides drop each session after it.
        """


class ReconnectorState(Enum):
    """Where the loop stands."""

    IDLE = "idle"
    CONNECTING = "connecting"
    LOGGING_IN = "logging in"
    UP = "up"
    PAUSED = "paused"
    REFUSED = "refused"
    STOPPED = "stopped"


@frozen
class Backoff:
    """Pauses that double from `first_s` to `last_s`, spread by ±`jitter`.

    Short pauses are spread more widely, by up to ±`spread_s`, so that those who
    were thrown out together do not all come back within one second.
    Failures are forgotten only after a conversation that worked or stayed up for
    `stable_s`, so that "login, drop, login, drop" is slowed down too.  After one
    that worked the first reconnection is at once, but logins are at least
    `first_s` apart.
    """

    first_s: float = 1.0
    last_s: float = 60.0
    jitter: float = 0.3
    spread_s: float = 0.6
    stable_s: float = 10.0

    def pause_s(self, failures: int, random: float) -> float:
        """Return the pause after `failures` (≥ 1) in a row; `random` in [0, 1)."""
        exponent = min(max(failures, 1) - 1, 30)
        plain = min(self.last_s, self.first_s * 2.0**exponent)
        spread = max(self.jitter * plain, min(0.6 * plain, self.spread_s))
        return plain + spread * (2.0 * random - 1.0)

    def return_s(self, lasted_s: float) -> float:
        """Return the pause after a conversation that worked for `lasted_s`."""
        return max(0.0, self.first_s - lasted_s)


C = TypeVar("C", bound=Conversation)

# What connecting, logging in and hanging up may raise; anything else is a bug
# and goes to `spawn`'s log.
FAULTS = (Unavailable, TheirFault, ConnectError, ConnectionClosed, OSError)
TIMEOUTS = (DeferredTimeoutError, ConnectTimeoutError)


class Reconnector(Generic[C]):
    """Runs the loop.  `on_state(state, reason)` hears of each change of state.

    `connect()` awaits a fresh, connected conversation (and picks the host);
    `connect_timeout_s` bounds it, `ready_timeout_s` bounds the login.  `has_others()`
    tells whether the next try goes to a place that has not refused us: it need not
    wait until someone acts.
    """

    def __init__(
        self,
        clock: IReactorTime,
        log: Logger,
        name: str,
        connect: Callable[[], Awaitable[C]],
        on_state: Callable[[ReconnectorState, str], None],
        random: Callable[[], float],
        *,
        backoff: Backoff | None = None,
        connect_timeout_s: float = 10.0,
        ready_timeout_s: float = 10.0,
        has_others: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = name
        self.state = ReconnectorState.IDLE
        self.reason = ""
        self.conversation: C | None = None
        self.failures = 0
        # the last conversation worked, or stayed up for a while
        self.held = False
        self.next_try_at: float | None = None
        self._clock = clock
        self._log = log
        self._connect = connect
        self._on_state = on_state
        self._random = random
        self._backoff = backoff or Backoff()
        self._connect_timeout_s = connect_timeout_s
        self._ready_timeout_s = ready_timeout_s
        self._has_others = has_others
        self._loop: Deferred[Any] | None = None
        self._pause: Deferred[None] | None = None
        # the pause after a conversation that worked
        self._return_s: float | None = None

    def start(self) -> None:
        """Begin; harmless when already begun."""
        if self._loop is None:
            self._loop = background(self._keep(), self._log, f"keeping {self.name}")

    def stop(self) -> None:
        """End at once, at any stage; no timer and no connection is left."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.cancel()
        self._enter(ReconnectorState.STOPPED, "stopped")

    def hurry(self) -> None:
        """Cut the present pause short (someone changed something)."""
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.callback(None)

    async def _keep(self) -> None:
        while True:
            self._return_s, self.held = None, False
            reason, pause_s = await self._converse()
            self.failures += 1
            if self._has_others():
                pause_s = None
            refused = pause_s is not None
            if pause_s is None:
                pause_s = self._return_s
            if pause_s is None:
                pause_s = self._backoff.pause_s(self.failures, self._random())
            self.next_try_at = self._clock.seconds() + pause_s
            self._enter(
                ReconnectorState.REFUSED if refused else ReconnectorState.PAUSED, reason
            )
            await self._sleep(pause_s)
            self.next_try_at = None

    async def _converse(self) -> tuple[str, float | None]:
        """Hold one conversation; return why it ended and a pause asked for."""
        conversation: C | None = None
        try:
            self._enter(ReconnectorState.CONNECTING, "")
            conversation = await self._in_time(
                self._connect(), self._connect_timeout_s, "no connection"
            )
            self._enter(ReconnectorState.LOGGING_IN, "")
            await self._in_time(
                conversation.ready(), self._ready_timeout_s, "no answer to the login"
            )
            self.conversation = conversation
            since = self._clock.seconds()
            self._enter(ReconnectorState.UP, "")
            reason = await conversation.over()
            lasted_s = self._clock.seconds() - since
            self.held = conversation.worked or lasted_s >= self._backoff.stable_s
            if conversation.worked:
                self.failures = -1
                self._return_s = self._backoff.return_s(lasted_s)
            elif self.held:
                self.failures = 0
            return reason, None
        except LoginRefused as refusal:
            return str(refusal), refusal.pause_s
        except FAULTS as fault:
            return in_words(fault), None
        finally:
            self.conversation = None
            if conversation is not None:
                conversation.abort()

    async def _in_time(self, work: Awaitable[Any], limit_s: float, what: str) -> Any:
        waiting = _deferred(work).addTimeout(limit_s, self._clock)
        try:
            return await waiting
        except TIMEOUTS as timeout:
            raise Unavailable(f"{what} in {limit_s:g} s") from timeout
        except ConnectingCancelledError as cancelled:
            # So an endpoint spells CancelledError: it was the limit, or `stop`.
            if self._loop is None:
                raise CancelledError from cancelled
            raise Unavailable(f"{what} in {limit_s:g} s") from cancelled

    async def _sleep(self, pause_s: float) -> None:
        self._pause = Deferred()
        call = self._clock.callLater(pause_s, self.hurry)
        try:
            await self._pause
        finally:
            self._pause = None
            if call.active():
                call.cancel()

    def _enter(self, state: ReconnectorState, reason: str) -> None:
        self.state = state
        self.reason = reason
        self._on_state(state, reason)


def _deferred(work: Awaitable[Any]) -> Deferred[Any]:
    if isinstance(work, Deferred):
        return work
    return Deferred.fromCoroutine(work)  # type: ignore[arg-type]
