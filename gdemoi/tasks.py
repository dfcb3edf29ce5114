"""Where work starts: coroutines that nobody awaits, and the timer of a session."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeadlinePassed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure


def unattended(done: Deferred[Any], log: Logger, what: str, *args: Any) -> None:
    """Let a Deferred end without anybody who awaits it; log its failure.

    `what` says what was being done, with a ``%s`` for each of `args`.  A cancellation
    is not logged.  The Deferred never fails after this.
    """
    done.addErrback(_log_failure, log, what, args)  # type: ignore[unused-awaitable]


def _log_failure(
    failure: Failure, log: Logger, what: str, args: tuple[Any, ...]
) -> None:
    if failure.check(CancelledError) is None:
        log.failure("{what} failed", failure=failure, what=what % args)


def background(
    coroutine: Coroutine[Any, Any, Any], log: Logger, what: str
) -> Deferred[Any]:
    """Start `coroutine`; log its failure, since nobody awaits it.

    Returns the Deferred, so that the owner can cancel it; a cancellation is not
    logged.  The Deferred never fails.
    """
    done = Deferred.fromCoroutine(coroutine)
    unattended(done, log, "%s", what)
    return done


async def in_time(waiting: Deferred[Any], limit_s: float, clock: IReactorTime) -> bool:
    """Wait until `waiting` fires, `limit_s` at most; return whether it did."""
    try:
        await waiting.addTimeout(limit_s, clock)
    except DeadlinePassed:
        return False
    return True


def spawn(coroutine: Coroutine[Any, Any, Any], log: Logger, what: str) -> None:
    """Start `coroutine` and let it run to its end; log its failure."""
    background(coroutine, log, what)  # type: ignore[unused-awaitable]


# epoll and poll refuse to wait for more than 2^31 ms (24.8 days), so that a reactor
# whose next timer is further away would not come to rest.
LONGEST_S: Final = 86400.0


class Alarm:
    """Calls `ring()` at the time last set, as a session's `next_deadline()` says.

    Setting it again costs little: a later time does not move the running timer, which
    rings early, finds that it is not yet time, and goes to sleep again.  So a session
    that pushes its deadline forward with every PDU pays for one timer per quiet period.
    """

    def __init__(self, clock: IReactorTime, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._at: float | None = None
        self._call: IDelayedCall | None = None
        self._call_at = 0.0

    def set(self, at: float | None) -> None:
        """Ring at `at` (epoch seconds), or not at all."""
        self._at = at
        if at is None:
            return
        if self._call is not None:
            if at >= self._call_at:
                return
            self._call.cancel()
        self._sleep(at)

    def cancel(self) -> None:
        """Forget the time and leave no timer behind."""
        self._at = None
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _sleep(self, at: float) -> None:
        now = self._clock.seconds()
        self._call_at = min(at, now + LONGEST_S)
        pause_s = max(0.0, self._call_at - now)
        self._call = self._clock.callLater(pause_s, self._wake)

    def _wake(self) -> None:
        self._call = None
        if self._at is None:
            return
        if self._at > self._clock.seconds():
            self._sleep(self._at)
            return
        self._at = None
        self._ring()
