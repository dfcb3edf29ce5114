"""How fast a lane may send, with numbers for time."""

import heapq
from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.routing.pace import PAUSE_LAST_S, Pace


def send_for(pace: Pace, seconds: float, *, segments: int = 1) -> list[float]:
    """Send as fast as the pace allows; return the times."""
    now, times = 0.0, []
    while now < seconds:
        wait_s = pace.wait_s(now)
        if wait_s > 0:
            now += wait_s
            continue
        pace.spend(segments, now)
        times.append(now)
        now += 0.0001
    return times


class PaceTests(SynchronousTestCase):
    def test_twenty_per_second_is_twenty_over_any_five(self) -> None:
        """`throughput = 20/s` sends 20 ± 1 per second over any 5 s."""
        times = send_for(Pace(20.0), 30)
        for tenth in range(250):
            start = tenth / 10
            sent = sum(start <= at < start + 5 for at in times)
            self.assertLessEqual(abs(sent / 5 - 20), 1)

    def test_an_idle_lane_saves_no_burst(self) -> None:
        """After an hour of silence a second brings no more than that."""
        pace = Pace(10.0)
        pace.spend(1, 0.0)
        sent, now = 0, 3600.0
        while now < 3601.0:
            if pace.wait_s(now) <= 0:
                pace.spend(1, now)
                sent += 1
            now += 0.001
        self.assertLessEqual(sent, 11)

    def test_counts_segments(self) -> None:
        """Three segments take the time of three messages."""
        sent = len(send_for(Pace(30.0), 10, segments=3))
        self.assertApproximates(sent, 100, 2)

    def test_no_rate_is_no_limit(self) -> None:
        """Without a rate nothing waits."""
        pace = Pace(None)
        pace.spend(10_000, 0.0)
        self.assertEqual(pace.wait_s(0.0), 0.0)

    def test_pauses_double_and_end_at_thirty_seconds(self) -> None:
        """Nothing is taken at all: 1 s, 2 s, 4 s … 30 s."""
        pace, now, pauses = Pace(100.0), 0.0, []
        for _ in range(8):
            pause_s = pace.throttled(now)
            pauses.append(pause_s)
            now += pause_s
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 30, 30, 30])

    def test_a_window_full_of_throttled_answers_counts_as_one(self) -> None:
        """One pause, one lower rate."""
        pace = Pace(100.0)
        for _ in range(50):
            self.assertEqual(pace.throttled(0.0), 1.0)
        self.assertTrue(pace.slowed)

    def test_what_was_taken_is_the_new_rate(self) -> None:
        """A little under the 40 per second that were taken."""
        pace = Pace(100.0)
        for n in range(80):
            pace.went_well(n / 40)
        self.assertEqual(pace.throttled(2.0), 0.0)
        assert pace.present is not None
        self.assertTrue(33.0 < pace.present < 40.0, pace.present)

    def test_recovers_in_small_steps(self) -> None:
        """Quiet time lifts the rate back to the configured one, not above."""
        pace = Pace(100.0)
        for at in (0.0, 2.0, 5.0, 10.0):
            pace.throttled(at)
        steps = []
        for second in range(20, 90):
            pace.went_well(float(second))
            steps.append(pace.present or 0.0)
        self.assertEqual(steps[-1], 100.0)
        self.assertFalse(pace.slowed)
        self.assertEqual(steps, sorted(steps))
        for low, high in pairwise(steps):
            self.assertLess(high, max(2.5 * low, low + 1))

    def test_a_lane_without_limit_gets_one_and_loses_it_again(self) -> None:
        """Throttling an unlimited lane limits it for a while."""
        pace = Pace(None)
        for n in range(200):
            pace.went_well(n / 100)
        pace.throttled(2.0)
        self.assertIsNotNone(pace.present)
        for second in range(3, 300):
            pace.went_well(float(second))
        self.assertIsNone(pace.present)

    def test_a_pause_that_was_asked_for(self) -> None:
        """Retry-After, or the pause of a status rule, whatever was taken."""
        pace = Pace(None)
        for n in range(100):
            pace.went_well(n / 100)
        self.assertEqual(pace.throttled(1.0, 7.0), 7.0)
        self.assertEqual(pace.wait_s(2.0), 6.0)

    def busy(self, pace: Pace, begin: float, seconds: float, per_s: float) -> float:
        """Take so many per second; return when."""
        now = begin
        while now < begin + seconds - 1e-9:
            now += 1 / per_s
            pace.went_well(now)
        return now

    def test_one_throttling_by_what_was_taken(self) -> None:
        """The rate after it: 95 % of the last second, one per second at least."""
        for taken_per_s, rate, present in (
            (40.0, 100.0, 38.0),
            (40.0, None, 38.0),
            (100.0, 50.0, 50.0),
            (10.0, 100.0, 9.5),
            (0.8, 100.0, 1.0),
            (4.0, 0.5, 0.5),
        ):
            pace = Pace(rate)
            now = self.busy(pace, 0.0, 5.0, taken_per_s)
            self.assertEqual(pace.throttled(now), 0.0)
            assert pace.present is not None
            self.assertApproximates(pace.present, present, present * 0.15)

    def test_when_the_lane_pauses(self) -> None:
        """Refused more often than taken, counted from the last change of the rate."""
        for good, bad, pauses in (
            (100, 1, False),
            (100, 2, True),
            (0, 1, True),
            (1, 1, False),
            (2, 1, False),
        ):
            pace = Pace(100.0)
            now = self.busy(pace, 0.0, good / 50, 50.0) if good else 0.0
            waits = [pace.throttled(now) for _ in range(bad)]
            self.assertEqual((good, bad, waits[-1] > 0), (good, bad, pauses))
            self.assertEqual(waits[:-1], [0.0] * (bad - 1))

    def test_four_in_a_row(self) -> None:
        """Among many that were taken they are a pause, unless one is in between."""
        for story, pauses in (("bbb", 0), ("bbbb", 1), ("bbbgb", 0), ("bbgbbgbb", 0)):
            pace = Pace(100.0)
            now = self.busy(pace, 0.0, 2.0, 50.0)
            self.assertEqual(pace.throttled(now), 0.0)
            now = self.busy(pace, now, 0.8, 50.0)
            found = 0
            for letter in story:
                if letter == "g":
                    pace.went_well(now)
                else:
                    found += pace.throttled(now) > 0
            self.assertEqual((story, found), (story, pauses))

    def test_a_message_that_was_taken_ends_the_pauses(self) -> None:
        """The next pause is one second again."""
        for taken, then in ((False, 8.0), (True, 1.0)):
            pace, now = Pace(100.0), 0.0
            for expected in (1.0, 2.0, 4.0):
                self.assertEqual(pace.throttled(now), expected)
                for part in (0.0, 0.5):
                    left = expected * (1 - part)
                    self.assertEqual(pace.wait_s(now + expected * part), left)
                now += expected
            now += 2.0
            if taken:
                pace.went_well(now)
                self.assertEqual(pace.throttled(now), 0.0)
            self.assertEqual(pace.throttled(now), then)

    def test_a_pause_that_was_asked_for_is_not_cut_short(self) -> None:
        """By a shorter one, nor by the pace's own; a longer one counts."""
        pace = Pace(100.0)
        self.assertEqual(pace.throttled(0.0, 20.0), 20.0)
        self.assertEqual(pace.throttled(5.0, 3.0), 15.0)
        self.assertEqual(pace.wait_s(19.0), 1.0)
        pace = Pace(100.0)
        self.assertEqual(pace.throttled(0.0, 0.2), 1.0)

    def test_a_cause_that_the_rate_does_not_touch(self) -> None:
        """As many refusals at the lower rate: the old rate, for half a minute."""
        pace, now = Pace(50.0), 0.0
        seen = [pace.present]
        for n in range(1, 1000):
            now += 0.05
            if n % 5:
                pace.went_well(now)
            else:
                pace.throttled(now)
            if pace.present != seen[-1]:
                seen.append(pace.present)
        self.assertEqual(seen[0], 50.0)
        assert seen[1] is not None
        self.assertLess(seen[1], 20.0)
        self.assertIn(50.0, seen[1:])
        again = seen.index(50.0, 1)
        self.assertLessEqual(len(seen) - again, 3)

    def test_a_cause_that_the_rate_takes_away(self) -> None:
        """Fewer refusals at the lower rate: it stays, and rises slowly."""
        pace, now = Pace(50.0), 0.0
        for n in range(400):
            now += 0.05
            pace.went_well(now) if n % 5 else pace.throttled(now)
            if pace.slowed:
                break
        low = pace.present
        assert low is not None
        for n in range(1, 400):
            now += 0.05
            pace.went_well(now) if n % 40 else pace.throttled(now)
            assert pace.present is not None
            self.assertLess(pace.present, 1.6 * low)

    @given(
        st.none() | st.floats(0.01, 1000),
        st.lists(st.tuples(st.sampled_from("stw"), st.floats(0, 10)), max_size=40),
    )
    def test_never_waits_longer_than_its_reasons(
        self, rate: float | None, story: list[tuple[str, float]]
    ) -> None:
        """Whatever happens, the wait is finite and the rate positive."""
        pace, now = Pace(rate), 0.0
        for what, seconds in story:
            now += seconds
            if what == "s":
                pace.spend(1, now)
            elif what == "t":
                self.assertLessEqual(pace.throttled(now), PAUSE_LAST_S)
            else:
                pace.went_well(now)
            self.assertGreaterEqual(pace.wait_s(now), 0.0)
            if pace.present is not None:
                self.assertGreater(pace.present, 0.0)


class Fixed:
    """An SMSC that takes `limit` in any second, and throttles the rest."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.times: list[float] = []

    def __call__(self, now: float) -> bool:
        self.times = [at for at in self.times if at > now - 1.0]
        if len(self.times) >= self.limit:
            return False
        self.times.append(now)
        return True


class Bucket:
    """The same as a token bucket that holds one second's worth."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.tokens = float(limit)
        self.at = 0.0

    def __call__(self, now: float) -> bool:
        more = (now - self.at) * self.limit
        self.tokens, self.at = min(self.limit, self.tokens + more), now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


class EveryFifth:
    """An SMSC that throttles every fifth submit, at any rate."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, now: float) -> bool:
        self.count += 1
        return self.count % 5 != 0


def run(
    rate: float | None,
    takes: Callable[[float], bool],
    *,
    seconds: float = 120.0,
    messages: int = 1_000_000,
    round_trip_s: float = 0.05,
    window: int = 10,
) -> tuple[float, int, int]:
    """Send against an SMSC; return (seconds, taken, throttled)."""
    pace, now, taken, throttled, count = Pace(rate), 0.0, 0, 0, 0
    flights: list[tuple[float, int, bool]] = []
    while now < seconds and taken < messages:
        while flights and flights[0][0] <= now + 1e-9:
            if heapq.heappop(flights)[2]:
                pace.went_well(now)
                taken += 1
            else:
                pace.throttled(now)
                throttled += 1
        room = len(flights) < window and taken + len(flights) < messages
        wait_s = pace.wait_s(now)
        if room and wait_s <= 0.0:
            pace.spend(1, now)
            count += 1
            heapq.heappush(flights, (now + round_trip_s, count, takes(now)))
            continue
        ahead = [flights[0][0]] if flights else []
        ahead += [now + wait_s] if room else []
        if ahead:
            now = max(now + 1e-6, min(ahead))
    return now, taken, throttled


class FarSideTests(SynchronousTestCase):
    """The whole control loop in virtual time."""

    def test_a_fixed_limit_is_used_and_rarely_hit(self) -> None:
        """At least 80 % of it used, at most 5 % throttled."""
        for limit in (20, 50, 100):
            for make in (Fixed, Bucket):
                for rate in (None, 1000.0, 2.0 * limit):
                    with self.subTest(limit=limit, far=make.__name__, rate=rate):
                        seconds, taken, throttled = run(rate, make(limit))
                        self.assertGreaterEqual(taken / seconds, 0.8 * limit)
                        self.assertLessEqual(throttled, 0.05 * (taken + throttled))

    def test_every_fifth_refused_costs_little(self) -> None:
        """Thirty messages in seconds, and most of the rate for ever."""
        for rate in (10.0, 100.0):
            with self.subTest(rate=rate):
                seconds, taken, _ = run(rate, EveryFifth(), messages=30)
                self.assertEqual(taken, 30)
                self.assertLess(seconds, 8.0)
                seconds, taken, _ = run(rate, EveryFifth(), seconds=600)
                self.assertGreaterEqual(taken / seconds, 0.65 * rate)

    def test_a_far_side_that_takes_nothing_is_left_alone(self) -> None:
        """A few tries in ten minutes, not one in each second."""
        _, taken, throttled = run(None, lambda now: False, seconds=600)
        self.assertEqual(taken, 0)
        self.assertLessEqual(throttled, 10 * 30)

    def test_an_smsc_that_recovers_gets_its_rate_back(self) -> None:
        """After a minute at 5/s the full 100/s is reached within another two."""
        slow, fast = Fixed(5), Fixed(120)
        late = run(100.0, lambda now: (slow if now < 60 else fast)(now), seconds=180.0)[
            1
        ]
        early = run(100.0, lambda now: slow(now), seconds=60.0)[1]
        self.assertGreater(late - early, 6000)
