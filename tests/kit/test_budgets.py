"""What a SIM may send, in numbers."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.kit.budgets import Budget, BudgetSettings
from gdemoi.kit.calendar import quiet_hours

MOSCOW = ZoneInfo("Europe/Moscow")
TO = "+79161112233"
OTHER = "+79161112244"


def at(clock: str) -> float:
    """Return the moment of a date and time of day in Moscow."""
    return datetime.fromisoformat(clock).replace(tzinfo=MOSCOW).timestamp()


NOON = at("2026-05-01T12:00")


def budget(**given: Any) -> Budget:
    """Return a budget of Moscow's calendar."""
    return Budget("goip1/line1", BudgetSettings(timezone=MOSCOW, **given))


def refused(
    of: Budget, units: int = 1, command: bool = False, now: float = NOON
) -> Any:
    """Return the word and the end of a refusal, None when there is none."""
    spent = of.refusal(units, TO, command, now)
    return None if spent is None else (spent.word, spent.until)


class LimitsTests(SynchronousTestCase):
    def test_a_message_fits_whole_or_not_at_all(self) -> None:
        """TR66: two segments do not fit where two of three are used; one does."""
        line = budget(per_day=3)
        line.spend(2, TO, NOON)
        midnight = at("2026-05-02T00:00")
        self.assertEqual(refused(line, 2), ("budget:day", midnight))
        self.assertIsNone(refused(line, 1))
        self.assertIsNone(refused(line, 3, now=midnight))

    def test_what_did_not_leave_is_given_back(self) -> None:
        """TR66: after a refusal the count is what it was."""
        line = budget(per_day=3, per_hour=3, per_destination=3)
        spends = line.spend(3, TO, NOON)
        self.assertEqual(refused(line)[0], "budget:day")
        line.give_back(spends)
        self.assertIsNone(refused(line, 3))

    def test_the_last_end_of_several_counts(self) -> None:
        """When hour and month are used up, the month says until when."""
        line = budget(per_hour=1, per_month=1, month_starts=20)
        line.spend(1, TO, NOON)
        self.assertEqual(refused(line), ("budget:month", at("2026-05-20T00:00")))
        self.assertEqual(
            refused(budget(per_hour=1), 2), ("budget:hour", at("2026-05-01T13:00"))
        )

    def test_a_number_has_a_limit_of_its_own(self) -> None:
        """What one number got does not count for another."""
        line = budget(per_destination=1)
        line.spend(1, TO, NOON)
        self.assertEqual(refused(line)[0], "budget:destination")
        self.assertIsNone(line.refusal(1, OTHER, False, NOON))
        self.assertIsNone(line.exhausted(NOON))

    def test_some_are_kept_for_commands(self) -> None:
        """With a reserve of 2, notifications end at 3 of 5; commands at 5."""
        line = budget(per_day=5, reserve_commands=2)
        line.spend(3, TO, NOON)
        self.assertEqual(refused(line)[0], "budget:day")
        self.assertIsNone(refused(line, 2, command=True))
        self.assertIsNone(line.exhausted(NOON))
        limited = line.limited(NOON)
        assert limited is not None
        self.assertIn("3 of 5 SMS used, 2 kept for commands", limited.text)
        self.assertIn("until 2026-05-02 00:00+03:00", limited.text)

    def test_quiet_hours_are_for_notifications(self) -> None:
        """TR68: a notification waits for the morning, a command does not."""
        line = budget(quiet=quiet_hours("22:00-08:00"))
        night, morning = at("2026-05-01T22:00"), at("2026-05-02T08:00")
        self.assertIsNone(refused(line, now=night - 1))
        self.assertEqual(refused(line, now=night), ("quiet", morning))
        self.assertIsNone(refused(line, now=night, command=True))
        strict = budget(quiet=quiet_hours("22:00-08:00"), quiet_commands=True)
        self.assertEqual(refused(strict, now=night, command=True), ("quiet", morning))

    def test_the_counts_of_the_journal(self) -> None:
        """A budget that is loaded with what was spent refuses the same."""
        line, again = budget(per_day=2, per_destination=1), budget(per_day=2)
        spends = line.spend(2, TO, NOON)
        self.assertEqual(
            [s.scope for s in spends], ["goip1/line1", f"goip1/line1>{TO}"]
        )
        again.load([(s.scope, s.period, s.units, s.ends) for s in spends])
        self.assertEqual(refused(again), refused(budget_used(2)))

    def test_old_periods_are_forgotten(self) -> None:
        """A line that lives for years keeps no count of each day."""
        line = budget(per_day=9, per_hour=9, per_destination=9)
        for day in range(100):
            line.spend(1, f"+7916{day:07}", NOON + 86_400.0 * day)
        self.assertLess(len(line._used), 7)

    def test_what_is_shown(self) -> None:
        """Used and limit of each unit, and why it waits."""
        line = budget(per_day=2, per_month=9, quiet=quiet_hours("22:00-08:00"))
        line.spend(2, TO, NOON)
        midnight = at("2026-05-02T00:00")
        self.assertEqual(
            line.describe(NOON),
            {
                "day": {"used": 2, "limit": 2, "ends": midnight},
                "month": {"used": 2, "limit": 9, "ends": at("2026-06-01T00:00")},
                "reason": "budget:day",
                "until": midnight,
                "quiet": "22:00-08:00",
            },
        )


def budget_used(units: int) -> Budget:
    """Return one of two a day, with so many used."""
    line = budget(per_day=2)
    line.spend(units, TO, NOON)
    return line


class SettingsTests(SynchronousTestCase):
    def test_a_reserve_leaves_something(self) -> None:
        """Kept for commands is less than each limit, and of some limit."""
        for given, said in (
            ({"reserve_commands": 5}, ["there is no limit to keep them of"]),
            (
                {"reserve_commands": 5, "per_day": 5, "per_month": 50},
                ["leaves nothing of per_day = 5 for notifications"],
            ),
            ({"reserve_commands": 4, "per_day": 5}, []),
        ):
            found = BudgetSettings(**given).budget_complaints()
            self.assertEqual([why for _, why in found], said)

    def test_only_what_limits_is_a_budget(self) -> None:
        """Weight and cooldown count nothing."""
        self.assertFalse(BudgetSettings(weight=2.0, cooldown_s=9.0).has_budget)
        for given in ({"per_hour": 1}, {"per_destination": 1}):
            self.assertTrue(BudgetSettings(**given).has_budget)
