"""Tables of the inbound datagrams: buckets, repeats, parts of a long SMS."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.inbound import (
    GROUPS_LIMIT,
    STORED_LIMIT,
    InboundRepeats,
    LongSmsJoiner,
    TokenBucket,
    key_of,
)
from tests.goip.rig import HOME


class BucketTests(SynchronousTestCase):
    @given(st.lists(st.floats(0, 3), max_size=200))
    def test_never_more_than_rate_and_burst(self, pauses: list[float]) -> None:
        """In any time, no more than burst + rate × time."""
        bucket = TokenBucket(5.0, 10.0, 10.0, 0.0)
        now, taken = 0.0, 0
        for pause in pauses:
            now += pause
            taken += bucket.take(now)
            self.assertLessEqual(taken, 10 + 5 * now + 1e-6)


class InboundRepeatsTests(SynchronousTestCase):
    def test_remembered_for_ten_minutes(self) -> None:
        """A later datagram of the same content is a new arrival."""
        arrivals, key = InboundRepeats(), key_of("a", "RECEIVE", b"1", b"x")
        self.assertEqual(arrivals.arrive(key, b"OK", HOME, 0.0), (True, False))
        arrivals.stored(key, 0.0)
        self.assertEqual(arrivals.arrive(key, b"OK", HOME, 599.0), (False, True))
        self.assertEqual(arrivals.arrive(key, b"OK", HOME, 600.0), (True, False))

    def test_bounded(self) -> None:
        """Neither what is safe nor what is in flight grows without end."""
        arrivals = InboundRepeats()
        for number in range(STORED_LIMIT + 500):
            key = key_of("a", "RECEIVE", b"%d" % number)
            arrivals.arrive(key, b"OK", HOME, 0.0)
            arrivals.stored(key, 0.0)
        self.assertLessEqual(len(arrivals), STORED_LIMIT)

    def test_content_is_in_the_key(self) -> None:
        """Fields that run into one another are told apart."""
        self.assertNotEqual(
            key_of("a", "RECEIVE", b"1", b"ab", b"c"),
            key_of("a", "RECEIVE", b"1", b"a", b"bc"),
        )


class LongSmsJoinerTests(SynchronousTestCase):
    def test_joiner_is_bounded_and_never_repeats_a_place(self) -> None:
        """Each part has its own place; the sixteenth begins a new SMS."""
        joiner = LongSmsJoiner(60.0)
        parts = [joiner.part("a", "+79", "100", 0.0) for _ in range(16)]
        places = {(one.reference, one.number) for one in parts if one}
        self.assertEqual(len(places), 16)
        for number in range(GROUPS_LIMIT + 100):
            joiner.part("a", str(number), "1", 0.0)
        self.assertLessEqual(len(joiner._groups), GROUPS_LIMIT)
