"""Times of any size, spelled as the contract does."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.moments import EARLIEST, LATEST, rfc3339, within


class MomentsTests(SynchronousTestCase):
    def test_milliseconds(self) -> None:
        """They are rounded, and carried over."""
        self.assertEqual(rfc3339(1_795_230_000.1234), "2026-11-21T03:00:00.123Z")
        self.assertEqual(rfc3339(1_795_230_000.9996), "2026-11-21T03:00:01.000Z")

    def test_the_ends_of_the_calendar(self) -> None:
        """What lies beyond is that end; a year has four digits."""
        first, last = "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z"
        for at, reported in (
            (EARLIEST, first),
            (EARLIEST - 1, first),
            (-1e300, first),
            (float("-inf"), first),
            (float("nan"), first),
            (LATEST, last),
            (LATEST + 0.9999, last),
            (LATEST + 86_340, last),
            (1e300, last),
            (float("inf"), last),
        ):
            self.assertEqual(rfc3339(at), reported, at)

    @given(st.floats())
    def test_any_number(self, at: float) -> None:
        """It is spelled so that it can be read, and as itself within the calendar."""
        reported = rfc3339(at)
        self.assertEqual(len(reported), 24)
        read = datetime.fromisoformat(reported)
        self.assertIs(read.tzinfo, UTC)
        self.assertLess(abs(read.timestamp() - within(at)), 0.001)
