"""Where work starts."""

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.tasks import background, spawn


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
