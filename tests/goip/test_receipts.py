"""Which SMS a receipt is about: slots, keys, receipts that came early."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.datagrams import Push
from gdemoi.goip.inbound import (
    key_of,
)
from gdemoi.goip.lines import Line
from gdemoi.goip.receipts import EARLY_LIMIT, REMEMBERED, EarlyReceipts, SentTable
from gdemoi.message import provider_key
from tests.goip.rig import line_settings


class SentTableTests(SynchronousTestCase):
    @given(
        st.floats(1.6e9, 1.9e9),
        st.floats(0, 3599),
        st.integers(0, 255).map(str),
    )
    def test_keys_of_a_later_process_hold_the_id(
        self, at: float, later: float, sms_no: str
    ) -> None:
        """Within the hour a table that remembers nothing still finds the key."""
        sms = SentTable("goip1").note(sms_no, "+79", at)
        keys = SentTable("goip1").keys(sms_no, "+79", at + later)
        self.assertIn(provider_key(sms.provider_id), keys)
        self.assertLessEqual(len(keys), 7)

    @given(st.floats(1.6e9, 1.9e9), st.floats(4201, 1e6))
    def test_keys_do_not_reach_back(self, at: float, later: float) -> None:
        """An SMS of long ago has none of the keys of now."""
        sms = SentTable("goip1").note("5", "+79", at)
        keys = SentTable("goip1").keys("5", "+79", at + later)
        self.assertNotIn(provider_key(sms.provider_id), keys)

    def test_table_is_bounded(self) -> None:
        """Only the latest SMS of a line are remembered."""
        table = SentTable("a")
        for number in range(1000):
            table.note(str(number), "+79", float(number))
        self.assertEqual(len(table), REMEMBERED)
        self.assertIsNotNone(table.match("999", "+79", 999.0))

    def test_line_names_do_not_mix(self) -> None:
        """Two lines with one sms_no have two keys."""
        one = SentTable("a").note("5", "+79", 0.0)
        two = SentTable("b").note("5", "+79", 0.0)
        self.assertNotEqual(one.provider_id, two.provider_id)


class EarlyReceiptsTests(SynchronousTestCase):
    def test_early_receipts_are_bounded(self) -> None:
        """Too many are told at once instead."""
        early, line = EarlyReceipts(), Line("a", line_settings())
        fields = {"sms_no": b"1", "state": b"0", "num": b"+79"}
        push = Push("DELIVER", b"1", fields)
        key = key_of("a", "DELIVER", b"1")
        kept = [early.keep(line, key, push, 0.0) for _ in range(EARLY_LIMIT + 1)]
        self.assertEqual(kept[-2:], [True, False])
        self.assertEqual(len(early.due(10.0)), EARLY_LIMIT)
        self.assertEqual((len(early), early.next()), (0, None))
