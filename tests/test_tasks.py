"""Where work starts, and the one timer of a session."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.tasks import Alarm, background, in_time, spawn


class TasksTests(SynchronousTestCase):
    def test_a_failure_is_logged_with_what_it_was(self) -> None:
        """Nobody awaits it, so the log must say it."""

        async def work() -> None:
            raise ZeroDivisionError

        spawn(work(), Logger(), "sending m1")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_cancellation_is_no_failure(self) -> None:
        """Who cancels its own work knows it."""
        waiting: Deferred[None] = Deferred()

        async def work() -> None:
            await waiting

        task = background(work(), Logger(), "waiting")
        task.cancel()
        self.successResultOf(task)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_waiting_has_an_end(self) -> None:
        """It tells whether there was time enough; no timer is left."""
        clock = Clock()
        soon: Deferred[None] = Deferred()
        there = Deferred.fromCoroutine(in_time(soon, 5.0, clock))
        clock.advance(4.0)
        soon.callback(None)
        self.assertTrue(self.successResultOf(there))
        self.assertEqual(clock.getDelayedCalls(), [])
        never: Deferred[None] = Deferred()
        over = Deferred.fromCoroutine(in_time(never, 5.0, clock))
        clock.advance(4.0)
        self.assertNoResult(over)
        clock.advance(1.0)
        self.assertFalse(self.successResultOf(over))
        # what comes all the same hurts nobody
        never.callback(None)

    def test_what_fails_meanwhile_is_no_timeout(self) -> None:
        """The failure is the waiter's."""
        bad: Deferred[None] = Deferred()
        work = Deferred.fromCoroutine(in_time(bad, 5.0, Clock()))
        bad.errback(ZeroDivisionError())
        self.failureResultOf(work, ZeroDivisionError)


DAY = 86_400.0


class AlarmTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.rang: list[float] = []
        self.alarm = Alarm(self.clock, lambda: self.rang.append(self.clock.seconds()))

    def test_rings_once_at_its_time(self) -> None:
        """It rings when the time comes and not again."""
        self.alarm.set(5.0)
        self.clock.advance(4.9)
        self.assertEqual(self.rang, [])
        self.clock.advance(0.1)
        self.clock.advance(100)
        self.assertEqual(self.rang, [5.0])

    def test_a_later_time_keeps_the_timer(self) -> None:
        """Moving the deadline forward makes no new timer."""
        self.alarm.set(5.0)
        timer = self.clock.getDelayedCalls()
        self.alarm.set(50.0)
        self.assertEqual(self.clock.getDelayedCalls(), timer)
        self.clock.pump([5, 45])
        self.assertEqual(self.rang, [50.0])

    def test_a_time_years_away(self) -> None:
        """No timer is longer than a day: reactors cannot wait for 25 of them."""
        for at in (40 * DAY, 253402300799.0, 1e300, float("inf")):
            self.alarm.set(at)
            (timer,) = self.clock.getDelayedCalls()
            self.assertLessEqual(timer.getTime(), DAY)
            self.alarm.cancel()
        self.alarm.set(2.5 * DAY)
        self.clock.pump([DAY, DAY, DAY / 4])
        self.assertEqual(self.rang, [])
        self.clock.advance(DAY / 4)
        self.assertEqual(self.rang, [2.5 * DAY])

    def test_an_earlier_time_is_kept(self) -> None:
        """Moving the deadline back rings earlier."""
        self.alarm.set(50.0)
        self.alarm.set(5.0)
        self.clock.advance(5)
        self.assertEqual(self.rang, [5.0])

    def test_none_means_silence(self) -> None:
        """Without a deadline it does not ring."""
        self.alarm.set(5.0)
        self.alarm.set(None)
        self.clock.advance(10)
        self.assertEqual(self.rang, [])

    def test_cancel_leaves_no_timer(self) -> None:
        """After cancel the clock is empty."""
        self.alarm.set(5.0)
        self.alarm.cancel()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @given(st.lists(st.none() | st.floats(0, 100), max_size=10))
    def test_the_last_time_set_counts(self, times: list[float | None]) -> None:
        """Whatever was set before, it rings at the last time only."""
        self.setUp()
        for at in times:
            self.alarm.set(at)
        self.clock.pump([1.0] * 101)
        expected = [times[-1]] if times and times[-1] is not None else []
        self.assertEqual(len(self.rang), len(expected))
        if expected and expected[0] is not None:
            self.assertGreaterEqual(self.rang[0], expected[0])
            self.assertLess(self.rang[0], expected[0] + 1.0001)
