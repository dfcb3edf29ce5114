"""Moments as seconds since the epoch, and as events spell them (RFC 3339).

The calendar has years 1 to 9999 and nothing else; but a zone's offset, a time to
live or a provider's slip leads beyond either end.  What comes from outside is
brought `within` the calendar where it is read, and `rfc3339` never fails: a time
that cannot be spelled must not hide a message, a receipt or an inbound SMS.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import floor
from typing import Final

# 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z
EARLIEST: Final = -62135596800.0
LATEST: Final = 253402300799.0
_EPOCH: Final = datetime(1970, 1, 1)


def within(at: float) -> float:
    """Return the moment of the calendar that is nearest to `at`.

    What is no number at all (NaN) becomes the earliest.
    """
    return max(EARLIEST, min(at, LATEST))


class _Second:
    """The last second that was spelled out; facts come in bunches."""

    number = -1
    text = ""


def rfc3339(at: float) -> str:
    """Spell a time as all events do: RFC 3339, UTC, milliseconds."""
    if not EARLIEST <= at <= LATEST:
        at = within(at)
    millis = floor(at * 1000 + 0.5)
    second = millis // 1000
    if second != _Second.number:
        text = (_EPOCH + timedelta(seconds=second)).isoformat() + "."
        _Second.text, _Second.number = text, second
    return f"{_Second.text}{millis % 1000:03d}Z"
