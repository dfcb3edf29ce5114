"""How old a signed webhook may be, and whether the sender's clock is ours.

A provider repeats what we did not answer with the time of its first try (some for
24 hours, some for 48): a window that is narrower loses what an outage held up.  So
age only bounds how long an id has to be remembered; the ids tell the repeats.  Pure.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

# A sender's clock may be wrong by a time zone's hour; nobody means more.
AHEAD_S: Final = 3600.0
# Clocks that are kept by NTP differ by less than a second.
DIFFER_S: Final = 120.0
TELL_EVERY_S: Final = 3600.0


def stale(at: float | None, now: float, age_s: float) -> str | None:
    """Return why what was signed at `at` is not taken any more, None when it is."""
    if at is None or at != at:  # NaN
        return "no time that can be read"
    if now - at > age_s:
        return f"signed {now - at:.0f} s ago, webhook_age allows {age_s:.0f} s"
    if at - now > AHEAD_S:
        return f"signed {at - now:.0f} s ahead of our time"
    return None


def remembered_s(age_s: float) -> float:
    """Return how long an id is kept, longer than a webhook with it can be taken.

    One that came with a time an hour ahead is taken for an hour more.
    """
    return age_s + 2 * AHEAD_S


@define
class ClockWatch:
    """Says now and then that webhooks bear another time than ours."""

    _quiet_until: float = field(default=float("-inf"), init=False)
    _unsaid: int = field(default=0, init=False)

    def seen(self, at: float, now: float) -> str | None:
        """Return what is to be told about a webhook signed at `at`, if anything."""
        if not differs(at, now):
            return None
        if now < self._quiet_until:
            self._unsaid += 1
            return None
        more = f" ({self._unsaid} more in the last hour)" if self._unsaid else ""
        self._quiet_until, self._unsaid = now + TELL_EVERY_S, 0
        if at > now:
            return f"signed {at - now:.0f} s ahead of our time: the clocks differ{more}"
        return f"signed {now - at:.0f} s ago: a repeat, or the clocks differ{more}"


def differs(at: float, now: float) -> bool:
    """Tell whether two clocks are further apart than transport explains."""
    return abs(now - at) > DIFFER_S
