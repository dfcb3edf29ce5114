"""How old a signed webhook may be, and when the clocks are said to differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.freshness import (
    AHEAD_S,
    ClockWatch,
    remembered_s,
    stale,
)
from tests.cloud.net import NOW

HOUR_S = 3600.0


class StaleTests(SynchronousTestCase):
    def test_as_old_as_the_provider_repeats(self) -> None:
        """25 hours back and one hour ahead, to the second."""
        for age_s in (0.0, 301.0, 25 * HOUR_S, -301.0, -HOUR_S):
            self.assertIsNone(stale(NOW - age_s, NOW, 25 * HOUR_S), age_s)
        self.assertEqual(
            stale(NOW - 25 * HOUR_S - 1, NOW, 25 * HOUR_S),
            "signed 90001 s ago, webhook_age allows 90000 s",
        )
        self.assertEqual(
            stale(NOW + HOUR_S + 1, NOW, 25 * HOUR_S), "signed 3601 s ahead of our time"
        )

    def test_no_time_is_stale(self) -> None:
        """What bears no time that can be read proves nothing."""
        self.assertEqual(stale(None, NOW, 25 * HOUR_S), "no time that can be read")
        self.assertIsNotNone(stale(float("nan"), NOW, 25 * HOUR_S))

    @given(
        st.floats(300.0, 7 * 86400.0),
        st.floats(-40 * 86400.0, 40 * 86400.0),
        st.floats(0.0, 40 * 86400.0),
    )
    def test_whatever_is_accepted_again_is_still_known(
        self, age_s: float, back_s: float, later_s: float
    ) -> None:
        """A webhook outlives its id nowhere."""
        at = NOW - back_s
        if stale(at, NOW, age_s) is None and stale(at, NOW + later_s, age_s) is None:
            self.assertLess(later_s, remembered_s(age_s))
        self.assertGreater(remembered_s(age_s), age_s + AHEAD_S)


class ClockWatchTests(SynchronousTestCase):
    def test_two_minutes_are_told(self) -> None:
        """Beyond them, either way, with what it may mean."""
        watch = ClockWatch()
        for off_s in (0.0, 120.0, -120.0):
            self.assertIsNone(watch.seen(NOW + off_s, NOW))
        self.assertEqual(
            watch.seen(NOW + 121, NOW),
            "signed 121 s ahead of our time: the clocks differ",
        )
        self.assertEqual(
            ClockWatch().seen(NOW - 7200, NOW),
            "signed 7200 s ago: a repeat, or the clocks differ",
        )

    def test_an_hour_of_them_is_one_line(self) -> None:
        """Told once, then counted."""
        watch = ClockWatch()
        fields = [watch.seen(NOW + i + 200, NOW + i) for i in range(3600)]
        self.assertEqual(len([line for line in fields if line]), 1)
        self.assertEqual(
            watch.seen(NOW + 3600 + 200, NOW + 3600),
            "signed 200 s ahead of our time: the clocks differ"
            " (3599 more in the last hour)",
        )
