"""What each channel did lately: today, minute by minute of the last hour, just now.

Made from differences of the figures that are counted anyway, so that no message costs
more; looked at every few seconds and whenever somebody asks.  The day is this
machine's own; what was counted before a restart is remembered.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from gdemoi.contract.figures import JournalFigures
from gdemoi.errors import Unavailable
from gdemoi.message import MessageState

log = Logger()

MINUTES: Final = 60
# over which "just now" is measured
LATELY_S: Final = 60.0
LOOK_EVERY_S: Final = 10.0
SAVE_EVERY_S: Final = 60.0
# The cursor that holds the day's counts.
CURSOR: Final = "today"
# as docs/http.rst, "The gateway itself" names them
WORDS: Final = {
    MessageState.SUBMITTED: "sent",
    MessageState.DELIVERED: "delivered",
    MessageState.UNDELIVERED: "failed",
    MessageState.REJECTED: "failed",
    MessageState.EXPIRED: "failed",
    MessageState.UNCERTAIN: "uncertain",
}
KINDS: Final = ("sent", "delivered", "failed", "uncertain")
_NOTHING: Final[Counter[str]] = Counter()
States = Mapping[tuple[str | None, MessageState], int]


class _Saved(msgspec.Struct):
    day: str
    since: float
    counts: dict[str, dict[str, int]]


def day_of(at: float) -> str:
    """Return the day of a moment on this machine, like 2026-11-28."""
    return datetime.fromtimestamp(at).astimezone().date().isoformat()


class Activity:
    """Counts of each channel; `look` at the figures first."""

    def __init__(self, now: float, day: Callable[[float], str] = day_of) -> None:
        self._day_of = day
        self._day = day(now)
        self.since = now
        self._seen: dict[tuple[str | None, MessageState], int] = {}
        self._today: dict[str, Counter[str]] = {}
        # channel -> minute (epoch / 60) -> counts
        self._minutes: dict[str, dict[int, Counter[str]]] = {}
        # (at, channel, sent) of the last minute
        self._lately: deque[tuple[float, str, int]] = deque()

    @property
    def counted(self) -> bool:
        """Tell whether there is anything to remember."""
        return bool(self._today)

    def look(self, now: float, states: States) -> None:
        """Take what was counted until `now`; counts only ever grow."""
        self._turn(now)
        for (channel, state), count in states.items():
            more = count - self._seen.get((channel, state), 0)
            kind = WORDS.get(state)
            if more > 0:
                self._seen[channel, state] = count
                if channel is not None and kind is not None:
                    self._add(now, channel, kind, more)
        while self._lately and self._lately[0][0] <= now - LATELY_S:
            self._lately.popleft()

    def _turn(self, now: float) -> None:
        """Begin a new day, and forget minutes that are too old."""
        day = self._day_of(now)
        if day != self._day:
            self._day, self.since, self._today = day, now, {}
        first = int(now // 60) - MINUTES + 1
        for minutes in self._minutes.values():
            for minute in [one for one in minutes if one < first]:
                del minutes[minute]

    def _add(self, now: float, channel: str, kind: str, more: int) -> None:
        self._today.setdefault(channel, Counter())[kind] += more
        minutes = self._minutes.setdefault(channel, {})
        minutes.setdefault(int(now // 60), Counter())[kind] += more
        if kind == "sent":
            self._lately.append((now, channel, more))

    def of(self, channel: str, now: float) -> dict[str, Any]:
        """Return what a channel did, JSON-ready.

        ``today`` and ``hour`` by kind; those of ``hour`` are 60 counts, the last one of
        the minute that runs; ``rate_now`` messages per second.
        """
        today = self._today.get(channel, _NOTHING)
        minutes = self._minutes.get(channel, {})
        first = int(now // 60) - MINUTES + 1
        hour = {
            kind: [
                minutes.get(minute, _NOTHING)[kind]
                for minute in range(first, first + MINUTES)
            ]
            for kind in KINDS
        }
        sent = sum(count for _, name, count in self._lately if name == channel)
        return {
            "today": {kind: today[kind] for kind in KINDS},
            "hour": hour,
            "rate_now": round(sent / LATELY_S, 2),
        }

    def saved(self) -> str:
        """Return what is to be remembered over a restart."""
        counts = {name: dict(one) for name, one in self._today.items()}
        return msgspec.json.encode(_Saved(self._day, self.since, counts)).decode()

    def restore(self, saved: str | None, now: float) -> None:
        """Go on with what was saved, if that was today."""
        if not saved:
            return
        found = msgspec.json.decode(saved, type=_Saved)
        if found.day != self._day_of(now):
            return
        self.since = min(self.since, found.since)
        for name, counts in found.counts.items():
            self._today.setdefault(name, Counter()).update(counts)


class CountsAndCursors(Protocol):
    """What is asked of the journal."""

    def figures(self) -> JournalFigures:
        """Return what is counted of commits since the start."""

    def cursor(self, name: str) -> Deferred[str | None]:
        """Read a named cursor."""

    def set_cursor(self, name: str, value: str) -> Deferred[None]:
        """Write a named cursor."""


class ActivityWatch:
    """Looks every few seconds, and remembers the day's counts in the journal."""

    def __init__(self, journal: CountsAndCursors, clock: Any) -> None:
        self._journal = journal
        self._clock = clock
        self.activity = Activity(clock.seconds())
        self._saved = ""
        self._save_at = 0.0
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    async def start(self) -> None:
        """Go on with the day's counts, and begin to look."""
        try:
            self._saved = await self._journal.cursor(CURSOR) or ""
            self.activity.restore(self._saved, self._clock.seconds())
        except (Unavailable, msgspec.MsgspecError) as fault:
            log.warn("the day's counts begin anew: {fault}", fault=fault)
        # It runs until `stop`.
        self._loop.start(LOOK_EVERY_S, now=False)  # type: ignore[unused-awaitable]

    def stop(self) -> None:
        """Look no more, and save once more while the journal still writes."""
        if self._loop.running:
            self._loop.stop()
            self.look()
            self._save()

    def look(self) -> None:
        """Take what was counted until now."""
        # the writing thread may be counting
        states = self._journal.figures().states.copy()
        self.activity.look(self._clock.seconds(), states)

    def _look(self) -> None:
        self.look()
        if self._clock.seconds() >= self._save_at:
            self._save_at = self._clock.seconds() + SAVE_EVERY_S
            self._save()

    def _save(self) -> None:
        saved = self.activity.saved()
        if saved != self._saved and self.activity.counted:
            self._saved = saved
            kept = self._journal.set_cursor(CURSOR, saved)
            kept.addErrback(self._unsaved)  # type: ignore[unused-awaitable]

    def _unsaved(self, failure: Failure) -> None:
        failure.trap(Unavailable)
        self._saved = ""
