"""Times of a submit_sm: YYMMDDhhmmsstnnp (SMPP 3.4 §7.1.1), read and written."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final

_FORM: Final = re.compile(
    r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d)(\d\d)([-+R])"
).fullmatch
# A quarter of an hour; local times are at most 48 of them from UTC.
_QUARTER_S: Final = 900
_MOST_QUARTERS: Final = 48


def read_time(value: str, now: float) -> float | None:
    """Return the moment in epoch seconds, None for an empty value.

    Relative times (`R`) count from `now`.  Raises `ValueError` for what is no time.
    """
    if not value:
        return None
    found = _FORM(value)
    if found is None:
        raise ValueError(f"{value!r} is not YYMMDDhhmmsstnnp")
    *numbers, quarters = (int(one) for one in found.groups()[:8])
    years, months, days, hours, minutes, seconds, tenths = numbers
    if found[9] == "R":
        return _relative(years, months, days, hours, minutes, seconds, now)
    if quarters > _MOST_QUARTERS:
        raise ValueError(f"{quarters} quarters of an hour are no time zone")
    moment = datetime(2000 + years, months, days, hours, minutes, seconds, tzinfo=UTC)
    offset_s = quarters * _QUARTER_S * (1 if found[9] == "+" else -1)
    return moment.timestamp() + tenths / 10 - offset_s


def _relative(
    years: int,
    months: int,
    days: int,
    hours: int,
    minutes: int,
    seconds: int,
    now: float,
) -> float:
    """Count years and months by the calendar, the rest in seconds."""
    begin = datetime.fromtimestamp(now, UTC)
    month = begin.month - 1 + months
    year, month = begin.year + years + month // 12, month % 12 + 1
    day = min(begin.day, monthrange(year, month)[1])
    moved = begin.replace(year=year, month=month, day=day)
    more = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return (moved + more).timestamp()


def write_time(at: float) -> str:
    """Return a moment as an absolute time, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%y%m%d%H%M%S") + "000+"
