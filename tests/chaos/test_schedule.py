"""Faults are spread evenly, one after the other in a lane, the same from one number."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chaos.schedule import Kind, plan

KINDS = [Kind("kill", 2.0), Kind("cut", 0.3), Kind("stop", 6.0)]


class PlanTests(SynchronousTestCase):
    @given(
        faults=st.integers(0, 100),
        lanes=st.integers(1, 4),
        seconds=st.floats(1.0, 3600.0),
        seed=st.integers(),
    )
    def test_what_holds_of_every_plan(
        self, faults: int, lanes: int, seconds: float, seed: int
    ) -> None:
        """All of them, in time, and none begins before the one before has ended."""
        planned = plan(dict.fromkeys(range(lanes), KINDS), faults, seconds, seed)
        self.assertEqual(len(planned), faults)
        self.assertEqual(planned, sorted(planned))
        for lane in range(lanes):
            over_s = 0.0
            for one in (one for one in planned if one.lane == lane):
                self.assertGreaterEqual(one.at_s, over_s)
                over_s = one.at_s + one.lasts_s
            self.assertLessEqual(over_s, seconds)

    def test_kinds_come_equally_often(self) -> None:
        """All before one comes again, and as long as they may last."""
        planned = plan({0: KINDS, 1: KINDS[:1]}, 60, 3600.0, 7)
        self.assertEqual(
            Counter(one.kind for one in planned if one.lane == 0),
            {"kill": 10, "cut": 10, "stop": 10},
        )
        self.assertEqual({one.kind for one in planned if one.lane == 1}, {"kill"})
        for one in planned:
            kind = next(kind for kind in KINDS if kind.name == one.kind)
            self.assertTrue(kind.shortest_s <= one.lasts_s <= kind.longest_s)

    def test_one_number_one_plan(self) -> None:
        """A run can be had again."""
        lanes = {0: KINDS, 1: KINDS}
        self.assertEqual(plan(lanes, 20, 60.0, 5), plan(lanes, 20, 60.0, 5))
        self.assertNotEqual(plan(lanes, 20, 60.0, 5), plan(lanes, 20, 60.0, 6))

    def test_a_lane_without_faults(self) -> None:
        """Others get them; where none is possible that is told."""
        self.assertEqual({one.lane for one in plan({0: [], 1: KINDS}, 9, 60.0, 1)}, {1})
        self.assertRaises(ValueError, plan, {0: []}, 1, 60.0, 1)
