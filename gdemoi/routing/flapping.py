"""Changes of channels and lines, told so that a flapping one floods nobody.

The first changes of a channel or line are told at once.  One that has changed so
often lately is told to be flapping, and then only when it has held a state for a
while, with the count of what was not told.  Whether it can be used is not decided
here: that is asked of the channel itself, at any moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from gdemoi.tasks import Alarm

# (channel, line or None)
Key = tuple[str, str | None]
# So many changes within so long are told one by one: a device that is restarted
# makes two, a bad evening of the network a few more.
CHANGES: Final = 4
PERIOD_S: Final = 600.0
# What flaps is told anew when it has held for so long.
HOLD_S: Final = 120.0
FLAPPING: Final = "changes often: told again when it has held for 2 min"


@define(eq=False)
class _StateHistory:
    """What one channel or line did lately; `state` and `reason` are the latest."""

    alarm: Alarm
    state: str = ""
    reason: str = ""
    untold: int = 0
    flaps: bool = False
    at: deque[float] = field(factory=lambda: deque(maxlen=CHANGES + 1))


class Flapping:
    """Passes changes on to `tell(channel, line, state, reason)`, or holds them."""

    def __init__(
        self, clock: IReactorTime, tell: Callable[[str, str | None, str, str], None]
    ) -> None:
        self._clock = clock
        self._tell = tell
        self._courses: dict[Key, _StateHistory] = {}

    def changed(self, channel: str, line: str | None, state: str, reason: str) -> None:
        """Hear of a change."""
        key = (channel, line)
        course = self._courses.get(key)
        if course is None:
            alarm = Alarm(self._clock, lambda: self._held(key))
            course = self._courses[key] = _StateHistory(alarm)
        now = self._clock.seconds()
        course.state, course.reason = state, reason
        course.at.append(now)
        if course.flaps:
            course.untold += 1
            course.alarm.set(now + HOLD_S)
            return
        if len(course.at) > CHANGES and now - course.at[0] < PERIOD_S:
            course.flaps = True
            course.alarm.set(now + HOLD_S)
            reason = f"{reason}; {FLAPPING}" if reason else FLAPPING
        self._say(key, course, reason)

    def forget(self, channel: str) -> None:
        """Tell what is held of a channel that goes, and leave no timer behind."""
        for key in [key for key in self._courses if key[0] == channel]:
            self._held(key)
            self._courses.pop(key).alarm.cancel()

    def stop(self) -> None:
        """Tell what is held, and leave no timer behind."""
        for channel in {channel for channel, _ in self._courses}:
            self.forget(channel)

    def _held(self, key: Key) -> None:
        """The latest state has held, or nothing more will come."""
        course = self._courses[key]
        if not course.flaps:
            return
        course.flaps = False
        course.at.clear()
        if not course.untold:
            return
        counted = f"after {course.untold} changes more"
        reason = f"{course.reason}; {counted}" if course.reason else counted
        self._say(key, course, reason)

    def _say(self, key: Key, course: _StateHistory, reason: str) -> None:
        course.untold = 0
        self._tell(*key, course.state, reason)
