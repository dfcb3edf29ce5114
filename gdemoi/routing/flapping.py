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
    suppressed: int = 0
    flaps: bool = False
    at: deque[float] = field(factory=lambda: deque(maxlen=CHANGES + 1))


class Flapping:
    """Passes changes on to `report_change(channel, line, state, reason)`, or waits."""

    def __init__(
        self,
        clock: IReactorTime,
        report_change: Callable[[str, str | None, str, str], None],
    ) -> None:
        self._clock = clock
        self._report_change = report_change
        self._histories: dict[Key, _StateHistory] = {}

    def changed(self, channel: str, line: str | None, state: str, reason: str) -> None:
        """Hear of a change."""
        key = (channel, line)
        history = self._histories.get(key)
        if history is None:
            alarm = Alarm(self._clock, lambda: self._on_stable(key))
            history = self._histories[key] = _StateHistory(alarm)
        now = self._clock.seconds()
        history.state, history.reason = state, reason
        history.at.append(now)
        if history.flaps:
            history.suppressed += 1
            history.alarm.set(now + HOLD_S)
            return
        if len(history.at) > CHANGES and now - history.at[0] < PERIOD_S:
            history.flaps = True
            history.alarm.set(now + HOLD_S)
            reason = f"{reason}; {FLAPPING}" if reason else FLAPPING
        self._report(key, history, reason)

    def forget(self, channel: str) -> None:
        """Tell what is held of a channel that goes, and leave no timer behind."""
        for key in [key for key in self._histories if key[0] == channel]:
            self._on_stable(key)
            self._histories.pop(key).alarm.cancel()

    def stop(self) -> None:
        """Tell what is held, and leave no timer behind."""
        for channel in {channel for channel, _ in self._histories}:
            self.forget(channel)

    def _on_stable(self, key: Key) -> None:
        """The latest state has held, or nothing more will come."""
        history = self._histories[key]
        if not history.flaps:
            return
        history.flaps = False
        history.at.clear()
        if not history.suppressed:
            return
        counted = f"after {history.suppressed} changes more"
        reason = f"{history.reason}; {counted}" if history.reason else counted
        self._report(key, history, reason)

    def _report(self, key: Key, history: _StateHistory, reason: str) -> None:
        history.suppressed = 0
        self._report_change(*key, history.state, reason)
