"""Counting: histograms and the statuses of submits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.contract.figures import OTHER, STATUSES, Histogram, LaneFigures
from gdemoi.message import Accepted, Error, Refused, Uncertain

INFINITE = float("inf")


class HistogramTests(SynchronousTestCase):
    def test_where_values_fall(self) -> None:
        """A value that is a bound counts below it, as Prometheus' `le` says."""
        for value, expected in {
            -0.5: [1, 1, 1], 0.0: [1, 1, 1], 1.0: [1, 1, 1], 1.0001: [0, 1, 1],
            5.0: [0, 1, 1], 5.1: [0, 0, 1],
        }.items():  # fmt: skip
            histogram = Histogram((1.0, 5.0))
            histogram.observe(value)
            found = histogram.cumulative()
            self.assertEqual([count for _, count in found], expected, value)
            self.assertEqual([bound for bound, _ in found], [1.0, 5.0, INFINITE])

    def test_the_sum_never_falls(self) -> None:
        """A clock that was put back counts as no time at all."""
        histogram = Histogram((1.0,))
        histogram.observe(2.0)
        histogram.observe(-3.0)
        self.assertEqual((histogram.sum, histogram.count), (2.0, 2))

    @given(st.lists(st.floats(-10, 10)))
    def test_all_values_are_counted(self, values: list[float]) -> None:
        """The last bucket holds every value, and buckets never fall."""
        histogram = Histogram((0.1, 1.0, 5.0))
        for value in values:
            histogram.observe(value)
        counts = [count for _, count in histogram.cumulative()]
        self.assertEqual(counts[-1], len(values))
        self.assertEqual(counts, sorted(counts))


class StatusTests(SynchronousTestCase):
    def test_by_outcome(self) -> None:
        """Accepted, uncertain, and each code that the far side said itself."""
        figures = LaneFigures()
        throttled = Refused(error=Error("smpp:0x58", "throttled"))
        ours = Refused(error=Error("gateway:expired", "too late"), by_us=True)
        for outcome in (Accepted(), throttled, throttled, ours, Uncertain(why="?")):
            figures.heard(outcome)
        self.assertEqual(
            figures.statuses(), {"accepted": 1, "uncertain": 1, "smpp:0x58": 2}
        )

    def test_codes_without_end(self) -> None:
        """A far side that invents codes does not make figures without end."""
        figures = LaneFigures()
        for number in range(STATUSES + 50):
            figures.heard(Refused(error=Error(f"smpp:0x{number:X}", "odd")))
        figures.heard(Refused(error=Error("smpp:0x0", "known before")))
        found = figures.statuses()
        self.assertEqual(found[OTHER], 50)
        self.assertEqual(found["smpp:0x0"], 2)
        self.assertEqual(len(found), STATUSES + 3)
