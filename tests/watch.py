"""Waiting for what is told: no test waits for time to pass.

A fake far side, or whatever else hears what our code does, calls `Watch.look`; a
test waits with `Watch.until`.  `until` is for what has nobody to tell us (the state
of a broker, a file of another process): it looks again and again.  The deadlines
are only there so that a broken test ends; a busy machine never comes near them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

LIMIT_S: Final = 60.0
LOOK_EVERY_S: Final = 0.05


class Watch:
    """Lets coroutines wait until something is true; `look` when it may be."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def look(self) -> None:
        """Look again at all that is waited for."""
        for entry in list(self._waiting):
            true, waiting = entry
            found = true()
            if found and entry in self._waiting:
                self._waiting.remove(entry)
                waiting.callback(found)

    async def until(self, true: Callable[[], Any], what: str) -> Any:
        """Return what `true()` returns, as soon as that is something."""
        found = true()
        if found:
            return found
        waiting: Deferred[Any] = Deferred()
        entry = (true, waiting)
        self._waiting.append(entry)
        waiting.addTimeout(LIMIT_S, reactor, lambda _, __: self._late(entry, what))
        found = await waiting
        # not in the middle of what was being told
        await turn()
        return found

    def _late(self, entry: Any, what: str) -> None:
        if entry in self._waiting:
            self._waiting.remove(entry)
        raise AssertionError(f"not in {LIMIT_S:g} s: {what}")


def turn() -> Deferred[None]:
    """Let the reactor do what it has to do now."""
    return deferLater(reactor, 0.0, lambda: None)


async def until(
    true: Callable[[], Any],
    what: Callable[[], str] = lambda: "it",
    limit_s: float = LIMIT_S,
) -> Any:
    """Look until `true()` returns something; return it."""
    ends_at = reactor.seconds() + limit_s
    while not (found := true()):
        if reactor.seconds() > ends_at:
            raise AssertionError(f"not in {limit_s:g} s: {what()}")
        await deferLater(reactor, LOOK_EVERY_S)
    return found
