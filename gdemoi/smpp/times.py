"""Times as SMPP writes them: YYMMDDhhmmsstnnp (SMPP 3.4 §7.1.1)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

# A relative time has no months of its own here: thirty days is its last.
_LONGEST_S: Final = 30 * 86400
_FARTHEST_S: Final = 366 * 86400


def relative(seconds: float) -> str:
    """Return a time from the SMSC's now, in whole seconds and at least one."""
    whole = max(1, min(int(seconds), _LONGEST_S))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02}{hour:02}{minute:02}{second:02}000R"


def absolute(at: float, now: float) -> str:
    """Return a moment, in UTC, of the next year.

    Of a year only two digits are told: what is far ahead would be long ago.
    """
    near = min(at, now + _FARTHEST_S)
    return datetime.fromtimestamp(near, UTC).strftime("%y%m%d%H%M%S") + "000+"
