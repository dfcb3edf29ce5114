"""How fast a lane may send, with numbers for time."""

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
    def test_g27_twenty_per_second_is_twenty_over_any_five(self) -> None:
        """`throughput = 20/s` sends 20 ± 1 per second over any 5 s."""
        times = send_for(Pace(20.0), 30)
        for tenth in range(250):
            start = tenth / 10
            sent = sum(start <= at < start + 5 for at in times)
            self.assertLessEqual(abs(sent / 5 - 20), 1)

    def test_g27_an_idle_lane_saves_no_burst(self) -> None:
        """Case 27: after an hour of silence a second brings no more than that."""
        pace = Pace(10.0)
        pace.spend(1, 0.0)
        sent, now = 0, 3600.0
        while now < 3601.0:
            if pace.wait_s(now) <= 0:
                pace.spend(1, now)
                sent += 1
            now += 0.001
        self.assertLessEqual(sent, 11)

    def test_g27_counts_segments(self) -> None:
        """Case 27: three segments take the time of three messages."""
        sent = len(send_for(Pace(30.0), 10, segments=3))
        self.assertApproximates(sent, 100, 2)

    def test_g27_no_rate_is_no_limit(self) -> None:
        """Without a rate nothing waits."""
        pace = Pace(None)
        pace.spend(10_000, 0.0)
        self.assertEqual(pace.wait_s(0.0), 0.0)

    def test_g31_pauses_double_and_end_at_thirty_seconds(self) -> None:
        """Case 31: 1 s, 2 s, 4 s … 30 s."""
        pace, now, pauses = Pace(100.0), 0.0, []
        for _ in range(8):
            pause_s = pace.throttled(now)
            pauses.append(pause_s)
            now += pause_s
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 30, 30, 30])

    def test_g31_the_rate_is_halved_once_per_pause(self) -> None:
        """A window full of throttled answers counts as one."""
        pace = Pace(100.0)
        for _ in range(50):
            pace.throttled(0.0)
        self.assertEqual(pace.present, 50.0)
        self.assertTrue(pace.slowed)

    def test_g31_recovers_step_by_step(self) -> None:
        """Quiet time lifts the rate back to the configured one, not above."""
        pace = Pace(100.0)
        for at in (0.0, 2.0, 5.0, 10.0):
            pace.throttled(at)
        steps = []
        for second in range(20, 90):
            pace.went_well(float(second))
            steps.append(pace.present)
        self.assertEqual(steps[-1], 100.0)
        self.assertFalse(pace.slowed)
        self.assertEqual(steps, sorted(steps))
        self.assertGreater(len(set(steps)), 2)

    def test_a_lane_without_limit_gets_one_and_loses_it_again(self) -> None:
        """Throttling an unlimited lane limits it for a while."""
        pace = Pace(None)
        for n in range(200):
            pace.spend(1, n / 100)
        pace.throttled(2.0)
        self.assertIsNotNone(pace.present)
        for second in range(3, 300):
            pace.went_well(float(second))
        self.assertIsNone(pace.present)

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
