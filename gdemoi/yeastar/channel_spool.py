"""Received SMS on their way into the journal.

A TG neither waits for an acknowledgement nor repeats an SMS: what the journal
cannot take at the moment is kept here, in order, and offered until it is taken.
It is memory, bounded and not durable: the device's own inbox has what is lost in
a crash.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gdemoi.errors import Unavailable
from gdemoi.message import Inbound
from gdemoi.tasks import background

log = Logger()

# At one SMS in 10 s from each of 32 ports: almost an hour.
SPOOL_LIMIT: Final = 10_000
PAUSE_FIRST_S: Final = 1.0
PAUSE_LAST_S: Final = 30.0


class Spool:
    """Hands SMS to `take` one after another, each until it is taken."""

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        take: Callable[[Inbound], Deferred[None]],
        limit: int = SPOOL_LIMIT,
    ) -> None:
        self.refused = 0
        self._name = name
        self._clock = clock
        self._take = take
        self._limit = limit
        self._waiting: deque[Inbound] = deque()
        self._is_waiting = False
        self._work: Deferred[Any] | None = None
        self._empty: Deferred[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, inbound: Inbound) -> None:
        """Take an SMS over; when there is no room, say so loudly."""
        if len(self._waiting) >= self._limit:
            self.refused += 1
            log.error(
                "{channel}: no room for an SMS from {sender} ({octets} octets):"
                " it is only in the device's inbox",
                channel=self._name,
                sender=inbound.from_,
                octets=len((inbound.text or "").encode("utf-8", "replace")),
            )
            return
        self._waiting.append(inbound)
        if self._work is None:
            self._work = Deferred()  # work may end before `background` returns
            work = background(self._empty_it(), log, f"recording SMS of {self._name}")
            if self._work is not None:
                self._work = work

    async def _empty_it(self) -> None:
        pause_s = PAUSE_FIRST_S
        try:
            while self._waiting:
                try:
                    await self._take(self._waiting[0])
                except Unavailable as fault:
                    self._tell_waiting(fault)
                    await deferLater(self._clock, pause_s)
                    pause_s = min(PAUSE_LAST_S, pause_s * 2)
                    continue
                pause_s = PAUSE_FIRST_S
                self._waiting.popleft()
                self._tell_taken()
        finally:
            self._work = None
            waited, self._empty = self._empty, None
            if waited is not None:
                waited.callback(None)

    def _tell_waiting(self, fault: Unavailable) -> None:
        """Log it; that it is still so, the log counts (so no number is in it)."""
        self._is_waiting = True
        log.warn(
            "{channel}: received SMS wait for the journal ({fault}); they are offered"
            " until it takes them",
            channel=self._name,
            fault=fault,
        )

    def _tell_taken(self) -> None:
        if self._is_waiting:
            log.info("{channel}: received SMS are recorded again", channel=self._name)
        self._is_waiting = False

    def emptied(self) -> Deferred[None]:
        """Fire when nothing waits any more, or work was stopped."""
        done: Deferred[None] = Deferred()
        if self._work is None:
            done.callback(None)
        else:
            self._empty = done
        return done

    def stop(self) -> None:
        """Give up; log which SMS are left only in the device."""
        if self._work is not None:
            self._work.cancel()
        for inbound in self._waiting:
            log.error(
                "{channel}: an SMS from {sender} was not recorded:"
                " it is only in the device's inbox",
                channel=self._name,
                sender=inbound.from_,
            )
