"""What an account has used: its rate, its day and month, what it sent a moment ago.

The counts of day and month are a cursor of the journal, written before the messages
that they count: a crash may count one that was not taken, never the other way round.
"""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gdemoi.accounts.settings import AccountSettings
from gdemoi.errors import Unavailable
from gdemoi.interfaces import IJournal
from gdemoi.kit.calendar import Calendar, CalendarUnit
from gdemoi.kit.recent import Recent
from gdemoi.tasks import spawn

CURSOR: Final = "account:{}"
# Messages that `dedup_window` remembers, of one account.
_REMEMBERED: Final = 100_000


# Seconds since 1970 have seven digits behind the point.
_ROUNDING: Final = 1e-3


class Limit(Enum):
    """Why an account may not send now."""

    RATE = "faster than its rate"
    DAILY = "over its messages of a day"
    MONTHLY = "over its messages of a month"


class Account:
    """One account and its counters; all doors share it."""

    log = Logger()

    def __init__(
        self,
        name: str,
        settings: AccountSettings,
        journal: IJournal,
        clock: IReactorTime,
    ) -> None:
        self.name = name
        self.settings = settings
        self.taken = 0
        self.refused: dict[str, int] = {}
        self._journal = journal
        self._clock = clock
        # how many messages may come at once now: one second's worth, one at least
        self._spare = float("inf")
        self._spare_at = 0.0
        self._calendar = Calendar(settings.timezone, settings.month_starts)
        # messages of the present day and month, by what these are called
        self._counts: dict[str, int] = {}
        self._repeats: Recent[bytes, tuple[float, str]] = Recent(_REMEMBERED)

    async def load(self) -> None:
        """Read how many messages day and month have had; raises `Unavailable`."""
        told = await self._journal.cursor(CURSOR.format(self.name)) or ""
        words = told.split(" ")
        for period, count in zip(words[::2], words[1::2], strict=False):
            if count.isdecimal():
                # before there were months, a day was its number since 1970
                self._counts[_named(period)] = int(count)

    @property
    def today(self) -> int:
        """How many messages were taken since midnight."""
        return self._counts.get(self._present(CalendarUnit.DAY), 0)

    @property
    def month(self) -> int:
        """How many messages were taken since the month began."""
        return self._counts.get(self._present(CalendarUnit.MONTH), 0)

    @property
    def left(self) -> int | None:
        """How many more may be taken in this day and month; None: any number."""
        given = self.settings
        limits = ((given.daily, self.today), (given.monthly, self.month))
        left = [max(0, limit - used) for limit, used in limits if limit]
        return min(left, default=None)

    def _present(self, unit: CalendarUnit) -> str:
        return self._calendar.period(unit, self._clock.seconds()).key

    def admit(self, count: int = 1) -> Limit | None:
        """Count messages as taken; return why they may not be, if so.

        All of them or none.  What could not be written down after all is given back
        by `returned`.
        """
        settings, now = self.settings, self._clock.seconds()
        if settings.daily and self.today + count > settings.daily:
            return self._refuse(Limit.DAILY)
        if settings.monthly and self.month + count > settings.monthly:
            return self._refuse(Limit.MONTHLY)
        if settings.rate is not None:
            most = max(1.0, settings.rate)
            grown = self._spare + (now - self._spare_at) * settings.rate
            self._spare, self._spare_at = min(most, grown), now
            if self._spare + _ROUNDING < min(count, most):
                return self._refuse(Limit.RATE)
            self._spare -= count
        self.taken += count
        if settings.daily or settings.monthly:
            self._counts = {
                self._present(CalendarUnit.DAY): self.today + count,
                self._present(CalendarUnit.MONTH): self.month + count,
            }
            spawn(self._write(), self.log, "counting the messages of an account")
        return None

    def returned(self, count: int) -> None:
        """Take back what was admitted and is not in the journal."""
        self.taken -= count
        for period, counted in self._counts.items():
            self._counts[period] = max(0, counted - count)

    def _refuse(self, limit: Limit) -> Limit:
        self.refused[limit.name.lower()] = self.refused.get(limit.name.lower(), 0) + 1
        return limit

    async def _write(self) -> None:
        value = " ".join(f"{period} {count}" for period, count in self._counts.items())
        try:
            await self._journal.set_cursor(CURSOR.format(self.name), value)
        except Unavailable as fault:
            # nothing is taken either while the journal cannot be written
            self.log.warn(
                "account {name}: its counts are not written: {fault}",
                name=self.name,
                fault=fault,
            )

    def takes_inbound(self, channel: str | None, to: str | None) -> bool:
        """Tell whether an inbound SMS is for this account."""
        settings = self.settings
        if channel in settings.inbound_channels or "*" in settings.numbers:
            return True
        number = (to or "").removeprefix("+")
        return bool(number) and any(
            one.removeprefix("+") == number for one in settings.numbers
        )

    # -- repeats

    def first_of(self, fingerprint: bytes) -> str | None:
        """Return the id under which the same was taken within `dedup_window`."""
        window_s, now = self.settings.dedup_window_s, self._clock.seconds()
        self._repeats.forget(lambda taken: taken[0] + window_s <= now)
        known = self._repeats.get(fingerprint)
        return None if known is None else known[1]

    def remember(self, fingerprint: bytes, message_id: str) -> None:
        """Keep the id of a message that was taken, for `first_of`."""
        if self.settings.dedup_window_s:
            self._repeats[fingerprint] = (self._clock.seconds(), message_id)

    def describe(self) -> dict[str, Any]:
        """Return the account as an operator wants to see it."""
        settings = self.settings
        return {
            "name": self.name,
            "taken": self.taken,
            "today": self.today if settings.daily else None,
            "daily": settings.daily or None,
            "month": self.month if settings.monthly else None,
            "monthly": settings.monthly or None,
            "rate": settings.rate,
            "refused": dict(self.refused),
        }


def _named(period: str) -> str:
    if not period.isdecimal():
        return period
    return f"day:{date.fromordinal(date(1970, 1, 1).toordinal() + int(period))}"
