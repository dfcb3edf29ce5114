"""How fast a lane may send: a steady rate, and slowing down when asked to.

Time is an argument.  Rates are segments per second.

Theory of operation.  A far side that says "throttled" has a limit that we do not
know.  What it took lately is the best estimate of it, so a throttling lowers the
rate to a little under that, and quiet time raises it slowly, to find out whether
the limit is higher now.  Two things are told apart by the share of submits that
are throttled:

* Nearly all are: the far side wants to be left alone.  We pause, longer each time.
* Lowering the rate does not lower the share: the refusals have a cause that our
  rate has no influence on (some carriers throttle by number, or at random).  The
  rate goes back to what it was, and is left alone for a while.

Halving at each throttling, as TCP does, starves a lane when refusals do not depend
on its rate: with every fifth submit refused it ends at its lowest rate.
"""

from __future__ import annotations

from typing import Final

from gdemoi.cellrate import CellRate

PAUSE_FIRST_S: Final = 1.0
PAUSE_LAST_S: Final = 30.0
# Slower would starve a lane on a few refusals; the pauses do the rest.
SLOWEST_PER_S: Final = 1.0
# A channel without a limit of its own has none again above this.
LIMITLESS_PER_S: Final = 2000.0
# What was taken lately is counted over so long.
MEASURED_S: Final = 1.0
# The rate after a throttling, as a part of what was taken lately.
UNDER: Final = 0.95
# Quiet time raises the rate by this part per second, faster the longer it is quiet.
RAISE_PER_S: Final = 0.01
RAISE_MOST_PER_S: Final = 0.25
QUIET_S: Final = 5.0
# A verdict on the share of throttled submits needs so many of them.
ENOUGH: Final = 20
# The share is that of the last so many, about.
REMEMBERED: Final = 200
# So many in a row, with nothing taken between them, are "nearly all" too.
IN_A_ROW: Final = 4
# Above this share the lane pauses, and refusals always count as about its rate.
MOST: Final = 0.5
# Under this share a throttling is the price of finding the limit.
FEW: Final = 0.1
# The share fell when it is under this part of what it was.
FELL: Final = 0.6
# How long a rate is left alone that has no influence on the refusals.
LEFT_ALONE_S: Final = 30.0


class _Taken:
    """Segments that were taken lately, counted in tenths of `MEASURED_S`."""

    def __init__(self) -> None:
        self._counts: list[tuple[int, int]] = []

    def add(self, segments: int, now: float) -> None:
        slot = int(now * 10 / MEASURED_S)
        if self._counts and self._counts[-1][0] == slot:
            segments += self._counts.pop()[1]
        self._counts.append((slot, segments))
        if len(self._counts) > 10:
            del self._counts[0]

    def per_s(self, now: float) -> float:
        oldest = int(now * 10 / MEASURED_S) - 10
        return sum(n for slot, n in self._counts if slot > oldest) / MEASURED_S


class Pace:
    """The pacing of one lane: generic cell rate, lowered to what is taken.

    When the channel has no limit of its own, throttling sets one from what was
    lately taken, and quiet time lifts it again.
    """

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self.present = rate
        self.throttled_count = 0
        self._cells = CellRate()
        self._paused_until = 0.0
        self._pause_s = 0.0
        self._taken = _Taken()
        # since the last change of the rate
        self._good = 0
        self._bad = 0
        self._row = 0
        self._lowered_at = float("-inf")
        self._bad_at = float("-inf")
        self._raised_at = 0.0
        # the rate before it was lowered, and the share of throttled ones then
        self._before: tuple[float | None, float] | None = None
        self._alone_until = float("-inf")

    def wait_s(self, now: float) -> float:
        """Return how long until the next message may leave; 0: now."""
        if now < self._paused_until:
            return self._paused_until - now
        present = self.present
        return 0.0 if present is None else self._cells.wait_s(present, now)

    def paused(self, now: float) -> bool:
        """Whether nothing may leave because the far side asked us to wait."""
        return now < self._paused_until

    def lift(self, now: float) -> None:
        """End the present pause: someone acted."""
        if self.paused(now):
            self._paused_until = self._pause_s = 0.0
            self._row = 0
            self._cells.free_at = now

    def spend(self, segments: int, now: float) -> None:
        """Count a message of so many segments as leaving now."""
        if self.present is not None:
            self._cells.spend(segments, self.present, now)

    def throttled(self, now: float, pause_s: float | None = None) -> float:
        """Slow down as far as it helps; return how long nothing may leave.

        `pause_s` is what the far side asked for.
        """
        self.throttled_count += 1
        self._count(bad=1)
        self._row += 1
        self._bad_at = self._raised_at = now
        if now < self._paused_until:
            return self._paused_until - now
        share = self._bad / (self._good + self._bad)
        if share > MOST or self._row >= IN_A_ROW:
            self._pause_s = min(PAUSE_LAST_S, max(PAUSE_FIRST_S, self._pause_s * 2))
            self._paused_until = now + self._pause_s
            self._lower(now, share)
        elif now >= self._alone_until and now - self._lowered_at >= MEASURED_S:
            self._judge(now, share)
        if pause_s is not None:
            self._paused_until = max(self._paused_until, now + pause_s)
        return max(0.0, self._paused_until - now)

    def _count(self, good: int = 0, bad: int = 0) -> None:
        self._good += good
        self._bad += bad
        if self._good + self._bad > REMEMBERED:
            self._good //= 2
            self._bad -= self._bad // 2

    def _judge(self, now: float, share: float) -> None:
        """Lower the rate, or raise it again when lowering it did not help."""
        before = self._before
        if before is not None and share >= FEW:
            if self._good + self._bad < ENOUGH:
                return
            if before[1] >= FEW and share >= FELL * before[1]:
                self.present, self._before = before[0], None
                self._alone_until = now + LEFT_ALONE_S
                self._good = self._bad = 0
                return
        self._lower(now, share)

    def _lower(self, now: float, share: float) -> None:
        if self._before is None or share < FEW:
            self._before = (self.present, share)
        taken = max(self._taken.per_s(now), SLOWEST_PER_S) * UNDER
        slowest = min(SLOWEST_PER_S, self.rate or SLOWEST_PER_S)
        present = self.present if self.present is not None else taken
        self.present = max(slowest, min(present, taken))
        self._cells.free_at = max(self._paused_until, now)
        self._lowered_at = now
        self._good = self._bad = 0

    def went_well(self, now: float, segments: int = 1) -> None:
        """A message was taken: after a quiet while, raise the rate a little."""
        self._taken.add(segments, now)
        self._count(good=segments)
        self._pause_s = 0.0
        self._row = 0
        if self.present == self.rate:
            return
        quiet_s = now - max(self._bad_at, self._lowered_at)
        if quiet_s < MEASURED_S or now <= self._raised_at:
            return
        per_s = min(RAISE_MOST_PER_S, RAISE_PER_S * (1.0 + quiet_s / QUIET_S))
        elapsed_s = min(now - self._raised_at, 5.0)
        self._raised_at = now
        raised = (self.present or 0.0) * (1.0 + per_s) ** elapsed_s
        if self.rate is not None:
            self.present = min(self.rate, raised)
        else:
            self.present = None if raised >= LIMITLESS_PER_S else raised

    @property
    def slowed(self) -> bool:
        """Whether the present rate is below the configured one."""
        return self.present != self.rate
