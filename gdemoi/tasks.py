"""Where work starts: the one place that turns coroutines into Deferreds."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure


def background(
    coroutine: Coroutine[Any, Any, Any], log: Logger, what: str
) -> Deferred[Any]:
    """Start `coroutine`; log its failure, since nobody awaits it.

    Returns the Deferred, so that the owner can cancel it; a cancellation is not
    logged.  The Deferred never fails.
    """

    def tell(failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            log.failure("{what} failed", failure=failure, what=what)

    return Deferred.fromCoroutine(coroutine).addErrback(tell)


def spawn(coroutine: Coroutine[Any, Any, Any], log: Logger, what: str) -> None:
    """Start `coroutine` and let it run to its end; log its failure."""
    background(coroutine, log, what)  # type: ignore[unused-awaitable]
