"""How fast a lane may send: a steady rate, and slowing down when asked to.

Time is an argument.  Rates are segments per second.
"""

from __future__ import annotations

from typing import Final

# A message may leave this much before its exact time, so that one timer serves
# a few messages; over any second that is at most one twentieth too many.
TOLERANCE_S: Final = 0.05
PAUSE_FIRST_S: Final = 1.0
PAUSE_LAST_S: Final = 30.0
# A quiet time without throttling after which the rate is raised a step.
RECOVERY_S: Final = 5.0
RECOVERY_FACTOR: Final = 2.0
# Slower would starve a lane on a few refusals; the pauses do the rest.
SLOWEST_PER_S: Final = 1.0
# A channel without a limit of its own has none again above this.
LIMITLESS_PER_S: Final = 2000.0


class Pace:
    """The pacing of one lane: generic cell rate, halved by each throttling.

    When the channel has no limit of its own, throttling sets one from what was
    lately sent, and quiet time lifts it again.
    """

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self.present = rate
        self.throttled_count = 0
        self._free_at = 0.0
        self._paused_until = 0.0
        self._pause_s = 0.0
        self._changed_at = 0.0
        self._window_from = 0.0
        self._window_sent = 0
        self._seen_per_s = 0.0

    def wait_s(self, now: float) -> float:
        """Return how long until the next message may leave; 0: now."""
        if now < self._paused_until:
            return self._paused_until - now
        if self.present is None:
            return 0.0
        early = self._free_at - now
        tolerance = min(TOLERANCE_S, 1.0 / self.present)
        return early - tolerance if early > tolerance + 1e-9 else 0.0

    def spend(self, segments: int, now: float) -> None:
        """Count a message of so many segments as leaving now."""
        if now - self._window_from >= 1.0:
            elapsed = now - self._window_from
            self._seen_per_s = self._window_sent / elapsed
            self._window_from, self._window_sent = now, 0
        self._window_sent += segments
        if self.present is not None:
            self._free_at = max(self._free_at, now) + segments / self.present

    def throttled(self, now: float, pause_s: float | None = None) -> float:
        """Slow down; return the pause.  Many at once count as one."""
        self.throttled_count += 1
        if now < self._paused_until:
            return self._paused_until - now
        if now - self._changed_at > PAUSE_LAST_S:
            self._pause_s = 0.0
        self._pause_s = min(PAUSE_LAST_S, max(PAUSE_FIRST_S, self._pause_s * 2))
        self._paused_until = now + max(self._pause_s, pause_s or 0.0)
        current = self.present
        if current is None:
            current = max(self._seen_per_s, float(self._window_sent), 1.0)
        slowest = min(SLOWEST_PER_S, self.rate or SLOWEST_PER_S)
        self.present = max(slowest, current / 2)
        self._changed_at = self._free_at = self._paused_until
        return self._paused_until - now

    def went_well(self, now: float) -> None:
        """A message was taken: after a quiet while, recover one step."""
        if self.present == self.rate or now - self._changed_at < RECOVERY_S:
            return
        self._changed_at = now
        self._pause_s = 0.0
        raised = (self.present or 0.0) * RECOVERY_FACTOR
        if self.rate is None:
            self.present = None if raised >= LIMITLESS_PER_S else raised
        else:
            self.present = min(self.rate, raised)

    @property
    def slowed(self) -> bool:
        """Whether the present rate is below the configured one."""
        return self.present != self.rate
