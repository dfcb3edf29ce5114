"""Hours, days and months turn when the clock on the wall does."""

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.kit.calendar import Calendar, CalendarUnit, Period, QuietHours, quiet_hours

BERLIN = ZoneInfo("Europe/Berlin")
KOLKATA = ZoneInfo("Asia/Kolkata")
HOUR_S = 3600.0


def at(clock: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> float:
    """Return the moment of a date and time of day."""
    return datetime.fromisoformat(clock).replace(tzinfo=zone, fold=fold).timestamp()


class DayTests(SynchronousTestCase):
    def test_a_day_turns_at_midnight_of_the_zone(self) -> None:
        """TR67: also on the days of 23 and 25 hours."""
        calendar = Calendar(BERLIN)
        for day, following, hours in (
            ("2026-03-28", "2026-03-29", 24),
            ("2026-03-29", "2026-03-30", 23),
            ("2026-10-25", "2026-10-26", 25),
            ("2026-12-31", "2027-01-01", 24),
        ):
            begins, ends = at(f"{day}T00:00"), at(f"{following}T00:00")
            self.assertEqual(ends - begins, hours * HOUR_S)
            expected = Period(CalendarUnit.DAY, f"day:{day}", ends)
            for moment in (begins, begins + HOUR_S, ends - 0.001):
                self.assertEqual(calendar.period(CalendarUnit.DAY, moment), expected)
            turned = calendar.period(CalendarUnit.DAY, ends)
            self.assertEqual(turned.key, f"day:{following}")

    def test_a_midnight_that_the_clock_skips(self) -> None:
        """In Beirut the clocks go from 23:59 to 01:00: the day turns then."""
        beirut = ZoneInfo("Asia/Beirut")
        calendar = Calendar(beirut)
        one_o_clock = at("2026-03-29T01:00", beirut)
        before = calendar.period(CalendarUnit.DAY, one_o_clock - 1)
        self.assertEqual(
            before, Period(CalendarUnit.DAY, "day:2026-03-28", one_o_clock)
        )
        after = calendar.period(CalendarUnit.DAY, one_o_clock)
        self.assertEqual(after.key, "day:2026-03-29")

    def test_an_hour_that_comes_twice_is_two_hours(self) -> None:
        """The clocks go back from 03:00 to 02:00."""
        calendar = Calendar(BERLIN)
        first = calendar.period(CalendarUnit.HOUR, at("2026-10-25T02:30"))
        again = calendar.period(CalendarUnit.HOUR, at("2026-10-25T02:30", fold=1))
        self.assertNotEqual(first.key, again.key)
        self.assertEqual(first.ends, at("2026-10-25T02:00", fold=1))
        self.assertEqual(again.ends, at("2026-10-25T03:00"))

    def test_an_hour_is_one_of_the_zones_clock(self) -> None:
        """India is half an hour off."""
        found = Calendar(KOLKATA).period(
            CalendarUnit.HOUR, at("2026-05-01T10:59", KOLKATA)
        )
        self.assertEqual(found.ends, at("2026-05-01T11:00", KOLKATA))


class MonthTests(SynchronousTestCase):
    def test_a_month_turns_on_its_day(self) -> None:
        """TR67: `month_starts = 31` turns on the last day of shorter months."""
        for starts, moment, begins, ends in (
            (1, "2026-02-28T23:59", "2026-02-01", "2026-03-01"),
            (1, "2026-03-01T00:00", "2026-03-01", "2026-04-01"),
            (31, "2026-02-27T12:00", "2026-01-31", "2026-02-28"),
            (31, "2026-02-28T00:00", "2026-02-28", "2026-03-31"),
            (31, "2028-02-28T12:00", "2028-01-31", "2028-02-29"),
            (31, "2026-04-30T00:00", "2026-04-30", "2026-05-31"),
            (15, "2026-01-14T23:59", "2025-12-15", "2026-01-15"),
            (15, "2026-12-20T00:00", "2026-12-15", "2027-01-15"),
        ):
            found = Calendar(BERLIN, starts).period(CalendarUnit.MONTH, at(moment))
            expected = Period(
                CalendarUnit.MONTH, f"month:{begins}", at(f"{ends}T00:00")
            )
            self.assertEqual(found, expected, (starts, moment))

    @given(
        st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "UTC"]),
        st.integers(1, 31),
        st.floats(0, 4e9),
        st.sampled_from(CalendarUnit),
    )
    def test_periods_follow_one_another(
        self, zone: str, starts: int, now: float, unit: CalendarUnit
    ) -> None:
        """Each ends in the future, and another one begins at its end."""
        calendar = Calendar(ZoneInfo(zone), starts)
        period = calendar.period(unit, now)
        self.assertGreater(period.ends, now - 1e-3)
        following = calendar.period(unit, period.ends + 1e-3)
        self.assertNotEqual(following.key, period.key)


class QuietTests(SynchronousTestCase):
    def test_over_midnight(self) -> None:
        """TR68: quiet from 22:00 to 08:00 of the next morning."""
        hours, calendar = quiet_hours("22:00-08:00"), Calendar(BERLIN)
        morning = at("2026-05-02T08:00")
        for moment, until in (
            ("2026-05-01T21:59:59", None),
            ("2026-05-01T22:00", morning),
            ("2026-05-01T23:59:59", morning),
            ("2026-05-02T00:00", morning),
            ("2026-05-02T07:59:59", morning),
            ("2026-05-02T08:00", None),
        ):
            self.assertEqual(hours.until(at(moment), calendar), until, moment)

    def test_within_a_day_and_to_midnight(self) -> None:
        """13:00-14:30, and 22:00-00:00."""
        calendar = Calendar(BERLIN)
        noon = QuietHours(13 * 60, 14 * 60 + 30)
        self.assertIsNone(noon.until(at("2026-05-01T12:59"), calendar))
        until = noon.until(at("2026-05-01T13:00"), calendar)
        self.assertEqual(until, at("2026-05-01T14:30"))
        evening = quiet_hours("22:00-0:00")
        until = evening.until(at("2026-05-01T23:00"), calendar)
        self.assertEqual(until, at("2026-05-02T00:00"))
        self.assertIsNone(evening.until(at("2026-05-02T00:00"), calendar))

    def test_the_clocks_change_within_them(self) -> None:
        """They end at 08:00 of the clock on the wall, an hour sooner or later."""
        hours, calendar = quiet_hours("22:00-08:00"), Calendar(BERLIN)
        for evening, length in (("2026-03-28", 9), ("2026-10-24", 11)):
            begins = at(f"{evening}T22:00")
            self.assertEqual(hours.until(begins, calendar), begins + length * HOUR_S)

    def test_how_they_are_written(self) -> None:
        """As HH:MM-HH:MM; anything else is refused."""
        self.assertEqual(str(quiet_hours("22:00 - 8:05")), "22:00-08:05")
        for bad in (
            "",
            "22:00",
            "22-8",
            "24:00-8:00",
            "22:60-8:00",
            "8:00-8:00",
            "x:y-z",
        ):
            with self.assertRaises(ValueError, msg=bad):
                quiet_hours(bad)
