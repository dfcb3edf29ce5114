"""Hours, days and months of a time zone, and quiet hours: pure, times are arguments.

A day has 23 or 25 hours when the clocks change.  Moments are seconds since 1970; what
a period is called is the same for all who use the same zone, so that it can be a key.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from attrs import frozen

_HOUR_S: Final = 3600.0
_DAY: Final = timedelta(days=1)


class CalendarUnit(StrEnum):
    """What is counted in."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@frozen
class Period:
    """One hour, day or month; `ends`: when the next one begins."""

    unit: CalendarUnit
    key: str
    ends: float


@frozen
class Calendar:
    """The calendar of a zone; its months begin on day `month_starts`.

    In a month that has no such day, on its last one.
    """

    zone: ZoneInfo
    month_starts: int = 1

    def period(self, unit: CalendarUnit, now: float) -> Period:
        """Return the period that a moment is in."""
        local = datetime.fromtimestamp(now, self.zone)
        if unit is CalendarUnit.HOUR:
            into_s = local.minute * 60.0 + local.second + local.microsecond / 1e6
            # with the offset: an hour comes twice when the clocks go back
            key = local.strftime("%Y-%m-%dT%H%z")
            return Period(unit, f"hour:{key}", now - into_s + _HOUR_S)
        today = local.date()
        if unit is CalendarUnit.DAY:
            return Period(unit, f"day:{today}", self.moment(today + _DAY))
        first = self._first_day(today.year, today.month)
        if today < first:
            begins, ends = self._first_day(*_before(today)), first
        else:
            begins, ends = first, self._first_day(*_after(today))
        return Period(unit, f"month:{begins}", self.moment(ends))

    def moment(self, day: date, minute: int = 0) -> float:
        """Return when a day's clock shows so many minutes after midnight.

        What the clock skips is when it would have been; what it shows twice is the
        first time.
        """
        at = time(minute // 60, minute % 60)
        return datetime.combine(day, at, self.zone).timestamp()

    def _first_day(self, year: int, month: int) -> date:
        return date(year, month, min(self.month_starts, monthrange(year, month)[1]))


def _before(day: date) -> tuple[int, int]:
    return (day.year - 1, 12) if day.month == 1 else (day.year, day.month - 1)


def _after(day: date) -> tuple[int, int]:
    return (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)


@frozen
class QuietHours:
    """From one minute of the day to another, over midnight if that is earlier."""

    begins: int
    ends: int

    def until(self, now: float, calendar: Calendar) -> float | None:
        """Return when the quiet hours end that a moment is in; None: in none."""
        local = datetime.fromtimestamp(now, calendar.zone)
        minute = local.hour * 60 + local.minute
        over_midnight = self.begins > self.ends
        if over_midnight:
            quiet = minute >= self.begins or minute < self.ends
        else:
            quiet = self.begins <= minute < self.ends
        if not quiet:
            return None
        day = local.date()
        if over_midnight and minute >= self.begins:
            day += _DAY
        return calendar.moment(day, self.ends)

    def __str__(self) -> str:
        return f"{_clock(self.begins)}-{_clock(self.ends)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def quiet_hours(value: str) -> QuietHours:
    """Read ``22:00-08:00``."""
    begins, dash, ends = value.replace(" ", "").partition("-")
    if not dash:
        raise ValueError(f"{value!r} is no time of day such as 22:00-08:00")
    hours = QuietHours(_minute(begins), _minute(ends))
    if hours.begins == hours.ends:
        raise ValueError(f"{value!r} begins when it ends")
    return hours


def _minute(clock: str) -> int:
    hour, colon, minute = clock.partition(":")
    digits = hour.isascii() and hour.isdecimal() and minute.isdecimal()
    if not colon or not digits or len(minute) != 2:
        raise ValueError(f"{clock!r} is no time of day such as 22:00")
    if int(hour) > 23 or int(minute) > 59:
        raise ValueError(f"{clock!r} is no time of day")
    return int(hour) * 60 + int(minute)
