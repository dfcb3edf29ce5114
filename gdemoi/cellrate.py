"""A steady rate: the generic cell rate algorithm (ITU-T I.371), time an argument.

Idle time saves nothing up, so that no burst follows a quiet hour.
"""

from __future__ import annotations

from typing import Final

# A cell may leave this much before its exact time, so that one timer serves a few
# of them; over any second that is at most one twentieth too many.
TOLERANCE_S: Final = 0.05


class CellRate:
    """When the next cell may leave.  `rate` is in cells per second, None: no limit.

    It is given with each call, since it changes while cells wait.
    """

    __slots__ = ("free_at",)

    def __init__(self) -> None:
        self.free_at = 0.0

    def wait_s(self, rate: float | None, now: float) -> float:
        """Return how long until the next cell may leave; 0: now."""
        if rate is None:
            return 0.0
        early = self.free_at - now
        tolerance = min(TOLERANCE_S, 1.0 / rate)
        return early - tolerance if early > tolerance + 1e-9 else 0.0

    def spend(self, cells: int, rate: float | None, now: float) -> None:
        """Count so many cells as leaving now."""
        if rate is not None:
            self.free_at = max(self.free_at, now) + cells / rate
