"""The clock that gateways share: the reactor's, set by the database server's.

Machines may differ by half a minute, and a message carries times from one to another
(when it was accepted, when it expires).  Timers run as they do; only what time it is
is corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

log = Logger()

# Less is the way to the server and back, and no harm.
STEP_S: Final = 0.5
# So much is worth a line in the log.
WORTH_A_WORD_S: Final = 2.0


@implementer(IReactorTime)
class ServerClock:
    """A reactor's time, with `ahead_s` added: the server's clock less the machine's."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.ahead_s = 0.0

    def set(self, ahead_s: float) -> None:
        """Hear how far the server's clock is ahead of the machine's, in seconds."""
        change_s = ahead_s - self.ahead_s
        if abs(change_s) < STEP_S:
            return
        if abs(change_s) >= WORTH_A_WORD_S:
            log.warn(
                "the database server's clock is {ahead} s ahead of this machine's;"
                " the server's is used",
                ahead=f"{ahead_s:+.1f}",
            )
        self.ahead_s = ahead_s

    def machine_seconds(self) -> float:
        """Return what time the machine says it is."""
        return float(self._reactor.seconds())

    def seconds(self) -> float:
        """Return what time it is."""
        return float(self._reactor.seconds()) + self.ahead_s

    def callLater(
        self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any
    ) -> IDelayedCall:
        """Call later, by the reactor."""
        call: IDelayedCall = self._reactor.callLater(delay, callable, *args, **kw)
        return call

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        """Return the reactor's calls."""
        calls: Sequence[IDelayedCall] = self._reactor.getDelayedCalls()
        return calls

    def callFromThread(self, callable: Callable[..., Any], *args: Any) -> None:
        """Call in the reactor's thread."""
        self._reactor.callFromThread(callable, *args)
