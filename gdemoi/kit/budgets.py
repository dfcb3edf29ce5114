"""What a SIM may send: so many SMS an hour, a day, a month, and when it is quiet.

A `Budget` belongs to one line and counts in memory; the journal has the same counts,
written in the commit of each intent (`Spend`), and gives them back after a restart.
Units are segments: what carriers count.  Pure; times are arguments.

A message fits whole or not at all.  It is counted when it is about to leave; only a
refusal, which proves that nothing left, gives it back.  Of what nobody knows about it
is assumed that it left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from math import inf
from typing import Final
from zoneinfo import ZoneInfo

from attrs import define, field, frozen

from gdemoi.facts import Spend
from gdemoi.ini import Converter, boolean, decimal, duration, integer, key, text
from gdemoi.ini.units import time_zone
from gdemoi.kit.calendar import Calendar, CalendarUnit, Period, QuietHours, quiet_hours
from gdemoi.message import Error, MessageClass, Outbound, Refused, Scope

UTC: Final = ZoneInfo("UTC")
# What is counted of one number stands under the line's name and this, and the number.
TO: Final = ">"
QUIET: Final = "quiet"
# That a line sent anything on a day stands under this and the day.
SENT: Final = "sent:"
_E164: Final = re.compile(r"\+[1-9][0-9]{5,14}").fullmatch
DAY_S: Final = 86_400.0
# The error word of a message that waits for a budget or quiet hours.
BUDGET: Final = "gateway:budget"
# Some line has enough left and is down: it is looked for so often.
DOWN_LOOK_S: Final = 300.0


@frozen(kw_only=True)
class BudgetSettings:
    """The keys of a line's budget; a channel's settings class inherits them."""

    timezone: ZoneInfo = key(
        time_zone,
        default=UTC,
        doc="the time zone that hours, days, months and quiet hours are of",
        example="Europe/Moscow",
    )
    per_hour: int = key(
        integer(0), default=0, doc="SMS (segments) per hour from a SIM; 0: no limit"
    )
    per_day: int = key(
        integer(0), default=0, doc="SMS (segments) per day from a SIM; 0: no limit"
    )
    per_month: int = key(
        integer(0), default=0, doc="SMS (segments) per month from a SIM; 0: no limit"
    )
    month_starts: int = key(
        integer(1, 31),
        default=1,
        doc="day on which a month begins; the last one where there is no such day",
    )
    per_destination: int = key(
        integer(0),
        default=0,
        doc="SMS (segments) per day from a SIM to one number; 0: no limit",
    )
    reserve_commands: int = key(
        integer(0),
        default=0,
        doc="so many of each limit are kept for commands and activations",
    )
    quiet: QuietHours | None = key(
        Converter("time of day", quiet_hours),
        default=None,
        doc="hours in which no notification leaves",
        example="22:00-08:00",
    )
    quiet_commands: bool = key(
        boolean, default=False, doc="commands and activations keep quiet hours too"
    )
    cooldown_s: float = key(
        duration,
        default=0.0,
        doc="least time from the end of an SMS to the next of the same SIM",
    )
    weight: float = key(
        decimal(0.01, 1000.0),
        default=1.0,
        doc="share of the SMS of the day, beside other SIMs that could send as well",
    )

    keepalive_s: float = key(
        duration,
        default=0.0,
        doc="an SMS goes out when none has left a SIM for so many days; 0: never",
        example="60d",
    )
    keepalive_to: str = key(
        text, default="", doc="the number that it goes to", example="+79161112255"
    )
    keepalive_text: str = key(text, default="keepalive", doc="what it says")

    def limits(self) -> tuple[tuple[CalendarUnit, int], ...]:
        """Return what is limited, as (unit, segments)."""
        given = (
            (CalendarUnit.HOUR, self.per_hour),
            (CalendarUnit.DAY, self.per_day),
            (CalendarUnit.MONTH, self.per_month),
        )
        return tuple((unit, limit) for unit, limit in given if limit)

    @property
    def has_budget(self) -> bool:
        """Whether anything is to be counted or kept."""
        counts = self.limits() or self.per_destination or self.keepalive_s
        return bool(counts or self.quiet)

    def budget_complaints(self) -> Iterator[tuple[str, str]]:
        """Yield what does not go together."""
        if self.keepalive_s and not _E164(self.keepalive_to):
            yield "keepalive_to", "keepalive needs a number here, such as +79161112255"
        if 0 < self.keepalive_s < DAY_S:
            yield "keepalive", "must be a day at least"
        if not self.reserve_commands:
            return
        if not self.limits():
            yield "reserve_commands", "there is no limit to keep them of"
        for unit, limit in self.limits():
            if self.reserve_commands >= limit:
                yield (
                    "reserve_commands",
                    f"leaves nothing of per_{unit} = {limit} for notifications",
                )


@frozen
class Spent:
    """Why a line may not send a message now, and until when.

    `word`: ``budget:hour``, ``budget:day``, ``budget:month``, ``budget:destination``
    or ``quiet``.
    """

    word: str
    text: str
    until: float


@frozen
class KeepAlive:
    """An SMS that is to keep a SIM from expiring; `day` is the line's own."""

    line: str
    sender: str
    to: str
    text: str
    day: str


@define
class Budget:
    """The budget of one line; `scope` names it in the journal."""

    scope: str
    settings: BudgetSettings
    _calendar: Calendar = field(init=False)
    # (scope, period) -> segments
    _used: dict[tuple[str, str], int] = field(factory=dict, init=False)
    # when each of them may be forgotten
    _ends: dict[tuple[str, str], float] = field(factory=dict, init=False)
    _forgotten_at: float = field(default=0.0, init=False)
    # what names the line as the sender of a message; None: nothing does
    sender: str | None = None
    # the day for which the last keep-alive was asked for
    kept_day: str = field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        given = self.settings
        self._calendar = Calendar(given.timezone, given.month_starts)

    # -- may it leave -------------------------------------------------------

    def refusal(self, units: int, to: str, command: bool, now: float) -> Spent | None:
        """Return why a message may not leave here now; None: it may."""
        found = list(self._refusals(units, to, command, now))
        return max(found, key=lambda spent: spent.until, default=None)

    def _refusals(
        self, units: int, to: str, command: bool, now: float
    ) -> Iterator[Spent]:
        given = self.settings
        kept = 0 if command else given.reserve_commands
        for unit, limit in given.limits():
            period = self._calendar.period(unit, now)
            used = self._used.get((self.scope, period.key), 0)
            if used + units > limit - kept:
                yield self._spent(unit.value, used, limit, kept, period.ends)
        if given.per_destination:
            period = self._calendar.period(CalendarUnit.DAY, now)
            used = self._used.get((self._scope_of(to), period.key), 0)
            if used + units > given.per_destination:
                yield self._spent(
                    "destination", used, given.per_destination, 0, period.ends
                )
        if given.quiet is not None and (not command or given.quiet_commands):
            until = given.quiet.until(now, self._calendar)
            if until is not None:
                text = f"quiet hours until {self._clock(until)}"
                yield Spent(QUIET, text, until)

    def exhausted(self, now: float) -> Spent | None:
        """Return why not even one segment of a command may leave; None: one may."""
        return self.refusal(1, "", True, now)

    def limited(self, now: float) -> Spent | None:
        """Return why not even one segment of a notification may leave."""
        return self.refusal(1, "", False, now)

    def _spent(self, of: str, used: int, limit: int, kept: int, until: float) -> Spent:
        reserve = f", {kept} kept for commands" if kept else ""
        text = f"{used} of {limit} SMS used{reserve}; until {self._clock(until)}"
        return Spent(f"budget:{of}", text, until)

    def _clock(self, at: float) -> str:
        local = datetime.fromtimestamp(at, self._calendar.zone)
        return local.isoformat(" ", "minutes")

    # -- it leaves ----------------------------------------------------------

    def spend(self, units: int, to: str, now: float) -> tuple[Spend, ...]:
        """Count a message that is about to leave; return what the journal counts."""
        self._forget(now)
        spends = tuple(self._spends(units, to, now))
        for spend in spends:
            self._add(spend, spend.units)
        return spends

    def _spends(self, units: int, to: str, now: float) -> Iterator[Spend]:
        given = self.settings
        for unit, _ in given.limits():
            period = self._calendar.period(unit, now)
            yield Spend(self.scope, period.key, units, period.ends)
        if given.per_destination:
            period = self._calendar.period(CalendarUnit.DAY, now)
            yield Spend(self._scope_of(to), period.key, units, period.ends)
        if given.keepalive_s:
            # kept until the SIM needs another one
            period = self._calendar.period(CalendarUnit.DAY, now)
            ends = period.ends - DAY_S + given.keepalive_s
            yield Spend(self.scope, SENT + period.key, units, ends)

    def keepalive(self, now: float) -> KeepAlive | None:
        """Return the SMS that the SIM needs now; once for each day that it does."""
        given = self.settings
        if not given.keepalive_s or self.sender is None:
            return None
        day = self._calendar.period(CalendarUnit.DAY, now).key.removeprefix("day:")
        if day == self.kept_day:
            return None
        for (scope, period), units in self._used.items():
            lately = self._ends[scope, period] > now and period.startswith(SENT)
            if lately and units > 0 and scope == self.scope:
                return None
        self.kept_day = day
        line = self.scope.partition("/")[2]
        return KeepAlive(
            line, self.sender, given.keepalive_to, given.keepalive_text, day
        )

    def give_back(self, spends: Iterable[Spend]) -> None:
        """Nothing left after all."""
        for spend in spends:
            self._add(spend, -spend.units)

    def load(self, rows: Iterable[tuple[str, str, int, float]]) -> None:
        """Take over what the journal has counted, as (scope, period, units, ends)."""
        for scope, period, units, ends in rows:
            self._used[scope, period] = units
            self._ends[scope, period] = ends

    def _add(self, spend: Spend, units: int) -> None:
        at = (spend.scope, spend.period)
        self._used[at] = max(0, self._used.get(at, 0) + units)
        self._ends[at] = spend.ends

    def _forget(self, now: float) -> None:
        if now < self._forgotten_at + 3600.0:
            return
        self._forgotten_at = now
        for at in [at for at, ends in self._ends.items() if ends <= now]:
            del self._ends[at]
            self._used.pop(at, None)

    def _scope_of(self, to: str) -> str:
        return f"{self.scope}{TO}{to}"

    # -- what an operator sees ------------------------------------------------

    def standing(self, now: float) -> Spent | None:
        """Return which limit is reached, for commands too or not; quiet is none."""
        found = [
            spent for spent in self._refusals(1, "", False, now) if spent.word != QUIET
        ]
        return max(found, key=lambda spent: spent.until, default=None)

    def used(self, unit: CalendarUnit, now: float) -> int:
        """Return the segments of the present hour, day or month."""
        period = self._calendar.period(unit, now)
        return self._used.get((self.scope, period.key), 0)

    def describe(self, now: float) -> dict[str, object]:
        """Return what is used and left, JSON-ready; times are epoch seconds."""
        given = self.settings
        periods = [
            (self._calendar.period(unit, now), limit) for unit, limit in given.limits()
        ]
        shown: dict[str, object] = {
            period.unit.value: self._row(period, limit) for period, limit in periods
        }
        waits = self.limited(now)
        shown["reason"] = waits.word if waits else None
        shown["until"] = waits.until if waits else None
        if given.quiet is not None:
            shown["quiet"] = str(given.quiet)
        return shown

    def _row(self, period: Period, limit: int) -> dict[str, object]:
        used = self._used.get((self.scope, period.key), 0)
        return {"used": used, "limit": limit, "ends": period.ends}


class Budgets:
    """The budgets of a channel's lines."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._of: dict[str, Budget] = {}
        # what the journal has counted, of lines that are not known yet too
        self._rows: list[tuple[str, str, int, float]] = []

    def add(
        self, line: str, settings: BudgetSettings, sender: str | None
    ) -> Budget | None:
        """Return the budget of a line; None: it has none.

        `sender` is what a message names to leave over this line.
        """
        if not settings.has_budget:
            return None
        budget = Budget(f"{self._channel}/{line}", settings)
        budget.sender = sender
        budget.load(row for row in self._rows if _line_of(row[0]) == budget.scope)
        self._of[budget.scope] = budget
        return budget

    def load(self, rows: Sequence[tuple[str, str, int, float]]) -> None:
        """Take over what the journal has counted."""
        self._rows = list(rows)
        for budget in self._of.values():
            budget.load(row for row in rows if _line_of(row[0]) == budget.scope)

    def give_back(self, spends: Iterable[Spend]) -> None:
        """Nothing left after all."""
        for spend in spends:
            budget = self._of.get(_line_of(spend.scope))
            if budget is not None:
                budget.give_back((spend,))

    def keepalives(self, now: float) -> list[KeepAlive]:
        """Return the SMS that lines need now so that their SIMs do not expire."""
        found = [budget.keepalive(now) for budget in self._of.values()]
        return [due for due in found if due is not None]

    def ask_again(self) -> None:
        """Hear that what they needed could not be taken now."""
        for budget in self._of.values():
            budget.kept_day = ""

    def standings(self, now: float) -> dict[str, str]:
        """Return which limit each line has reached; nothing for the others."""
        found = {}
        for scope, budget in self._of.items():
            spent = budget.standing(now)
            if spent is not None:
                found[scope.removeprefix(f"{self._channel}/")] = spent.word
        return found


def _line_of(scope: str) -> str:
    return scope.partition(TO)[0]


def refused(line: str, spent: Spent, now: float, most_s: float = inf) -> Refused:
    """Return what a message hears that may not leave now; another way may be open.

    `most_s`: it is looked at again after this, since another line may be there then.
    """
    return Refused(
        error=Error(BUDGET, f"line {line}: {spent.text}", retryable=True),
        scope=Scope.SENDER,
        retry_after_s=min(most_s, max(0.0, spent.until - now)),
        by_us=True,
    )


@frozen
class Passed:
    """The lines that may send a message, and why the first of the others may not."""

    open: frozenset[str]
    # the one that may soonest
    first: tuple[str, Spent] | None


def passed(
    budgets: Iterable[tuple[str, Budget | None]],
    message: Outbound,
    units: int,
    now: float,
) -> Passed:
    """Look which lines have enough left for a message."""
    command = message.class_ is not MessageClass.NOTIFICATION
    open_, first = set(), None
    for line, budget in budgets:
        spent = None
        if budget is not None:
            spent = budget.refusal(units, message.to, command, now)
        if spent is None:
            open_.add(line)
        elif first is None or spent.until < first[1].until:
            first = (line, spent)
    return Passed(frozenset(open_), first)
