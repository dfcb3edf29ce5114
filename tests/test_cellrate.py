"""A steady rate, with numbers for time."""

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cellrate import TOLERANCE_S, CellRate


class CellRateTests(SynchronousTestCase):
    def test_cells_leave_at_their_rate(self) -> None:
        """Ten per second: the second one 100 ms later, less the tolerance."""
        cells = CellRate()
        cells.spend(1, 10.0, 5.0)
        self.assertAlmostEqual(cells.wait_s(10.0, 5.0), 0.1 - TOLERANCE_S)
        self.assertEqual(cells.wait_s(10.0, 5.1), 0.0)

    def test_idle_time_saves_nothing_up(self) -> None:
        """After an hour the next two are as far apart as ever."""
        cells = CellRate()
        cells.spend(1, 1.0, 0.0)
        cells.spend(1, 1.0, 3600.0)
        self.assertAlmostEqual(cells.wait_s(1.0, 3600.0), 1.0 - TOLERANCE_S)

    def test_no_rate_is_no_limit(self) -> None:
        """Nothing waits, and nothing is counted."""
        cells = CellRate()
        cells.spend(1000, None, 0.0)
        self.assertEqual(cells.wait_s(None, 0.0), 0.0)
        self.assertEqual(cells.wait_s(1.0, 0.0), 0.0)
