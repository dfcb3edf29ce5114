"""A process to be killed: accepts messages and says what was acknowledged."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from gdemoi.journal import Journal
from tests.journal.builders import acceptance, taken


async def load(url: str) -> None:
    """Accept and answer messages, many at a time, until somebody kills us."""
    journal = Journal(url, reactor)
    await journal.open()

    async def lives(lane: int) -> None:
        for number in range(100_000):
            name = f"m{lane}-{number}"
            await journal.accept([acceptance(name, attempting=True)])
            sys.stdout.write(f"accepted {name}\n")
            if number % 3:
                await journal.note(taken(f"id-{name}", name=name))
                sys.stdout.write(f"submitted {name}\n")
            sys.stdout.flush()

    for lane in range(20):
        running: Deferred[Any] = Deferred.fromCoroutine(lives(lane))
        running.addErrback(lambda failure: failure.printTraceback())


if __name__ == "__main__":
    started: Deferred[Any] = Deferred.fromCoroutine(load(sys.argv[1]))
    started.addErrback(lambda failure: failure.printTraceback())
    reactor.run()  # type: ignore[attr-defined]
