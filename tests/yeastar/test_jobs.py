"""Ids that never come again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.yeastar.jobs import SmsIds


class SmsIdsTests(SynchronousTestCase):
    @given(st.floats(0, 4e9), st.integers(2, 60))
    def test_digits_that_a_device_can_hold(self, now: float, count: int) -> None:
        """Distinct, at most ten digits, within 32 bits with sign."""
        ids = SmsIds()
        given_out = [ids.next(now) for _ in range(count)]
        self.assertEqual(len(set(given_out)), count)
        for one in given_out:
            self.assertTrue(one.isdecimal() and 0 < int(one) < 2**31 + count)

    def test_a_restarted_gateway_has_new_ids(self) -> None:
        """Those of an earlier process do not come again for years."""
        now = 1_790_000_000.0
        before = SmsIds()
        old = {before.next(now + at * 0.4) for at in range(10_000)}
        after = SmsIds()
        new = {after.next(now + 4_000.0 + at * 0.4) for at in range(10_000)}
        self.assertEqual(old & new, set())

    def test_goes_on_over_the_end(self) -> None:
        """After the largest id the numbers begin anew, and stay distinct."""
        ids = SmsIds()
        end_s = (2**31 - 1) / 8
        given_out = [ids.next(end_s - 2.0 + at * 0.2) for at in range(20)]
        self.assertEqual(len(set(given_out)), 20)
        self.assertLess(int(given_out[-1]), 100)
