"""Which jobs share a batch, and when it goes to the thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.journal.threads import BATCH_LIMIT, LARGE, PATIENCE_S, Batches, Job


def job(name: str, *ids: str) -> Job:
    return Job(str, (name,), ids)


class BatchesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.handed: list[list[str]] = []
        self.at_end: list[Callable[[], None]] = []
        self.batches = Batches(self.clock, self.at_end.append, self._hand_over)

    def _hand_over(self, jobs: list[Job]) -> None:
        self.handed.append([job.args[0] for job in jobs])

    def put(self, name: str, *ids: str, patient: bool = False) -> None:
        self.batches.put(job(name, *ids), patient=patient)

    def turn(self) -> None:
        """End a turn of the reactor."""
        ends, self.at_end[:] = list(self.at_end), []
        for end in ends:
            end()

    def test_a_turn_is_a_batch(self) -> None:
        self.put("a")
        self.put("b")
        self.assertEqual(self.handed, [])
        self.turn()
        self.assertEqual(self.handed, [["a", "b"]])
        self.assertEqual(len(self.batches), 0)

    def test_one_batch_at_a_time(self) -> None:
        """What comes meanwhile goes together, with what the answers bring."""
        self.put("a")
        self.turn()
        self.put("b")
        self.turn()
        self.assertEqual(self.handed, [["a"]])
        self.batches.done()
        self.put("c")
        self.turn()
        self.assertEqual(self.handed, [["a"], ["b", "c"]])

    def test_nothing_follows_when_nothing_came(self) -> None:
        self.put("a")
        self.turn()
        self.batches.done()
        self.assertEqual((self.clock.getDelayedCalls(), self.at_end), ([], []))

    def test_a_clock_that_is_put_back(self) -> None:
        """Nobody who waits for a commit waits for the old time to come again."""
        self.clock.rightNow = 1000.0
        self.put("answer", patient=True)
        self.put("message")
        self.clock.rightNow = 970.0
        self.turn()
        self.assertEqual(self.handed, [["answer", "message"]])

    def test_a_large_batch_does_not_wait_for_the_end_of_the_turn(self) -> None:
        for number in range(LARGE // 2):
            self.put(str(number), "id")
        self.assertEqual([len(jobs) for jobs in self.handed], [LARGE // 2])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_patient_wait(self) -> None:
        self.put("answer", patient=True)
        self.clock.advance(PATIENCE_S * 0.9)
        self.put("receipt", patient=True)
        self.assertEqual(self.handed, [])
        self.clock.advance(PATIENCE_S * 0.2)
        self.assertEqual(self.handed, [["answer", "receipt"]])

    def test_the_patient_go_with_whoever_comes(self) -> None:
        """And in order: an answer is written before what came later."""
        self.put("answer", patient=True)
        self.put("message")
        self.put("receipt", patient=True)
        self.turn()
        self.assertEqual(self.handed, [["answer", "message", "receipt"]])

    def test_patience_does_not_hold_up_a_turn(self) -> None:
        self.put("message")
        self.put("answer", patient=True)
        self.turn()
        self.assertEqual(self.handed, [["message", "answer"]])

    def test_the_patient_do_not_wait_behind_a_batch(self) -> None:
        """They have waited while it was worked on."""
        self.put("a")
        self.turn()
        self.put("answer", patient=True)
        self.batches.done()
        self.turn()
        self.assertEqual(self.handed, [["a"], ["answer"]])

    def test_too_many_go_in_several(self) -> None:
        self.put("first")
        self.turn()
        for number in range(3):
            self.put(str(number), *["id"] * (BATCH_LIMIT - 1))
        for expected in (["0"], ["1"], ["2"]):
            self.batches.done()
            self.turn()
            self.assertEqual(self.handed[-1], expected)
        self.assertEqual(len(self.batches), 0)

    def test_flush(self) -> None:
        """Stopping waits for no turn."""
        self.put("answer", patient=True)
        self.batches.flush()
        self.assertEqual(self.handed, [["answer"]])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ThreadedTests(SynchronousTestCase):
    """With a thread of its own; the reactor is played by the test."""

    def test_all_that_was_taken_is_done_before_the_end(self) -> None:
        from queue import SimpleQueue

        from gdemoi.journal.threads import Threaded

        calls: SimpleQueue[Any] = SimpleQueue()
        clock: Any = Clock()
        clock.callFromThread = lambda *call: calls.put(call)

        class Runner:
            def work(self, jobs: list[Job]) -> Any:
                return [(job.answer, job.do()) for job in jobs]

            def deliver(self, done: Any) -> None:
                for answer, value in done:
                    answer.callback(value)

            def failed(self, jobs: Any, failure: Any) -> None:
                raise AssertionError(failure)

        threaded = Threaded(Runner(), clock, "test")
        threaded.start()
        first = threaded.put(str, 1)
        second = threaded.put(str, 2, patient=True)
        stopped = threaded.stop()
        refused = threaded.put(str, 3)
        while not stopped.called:
            function, *args = calls.get(timeout=10.0)
            function(*args)
        self.assertEqual(self.successResultOf(first), "1")
        self.assertEqual(self.successResultOf(second), "2")
        self.assertIsInstance(refused, Deferred)
        self.failureResultOf(refused)
        self.assertEqual(clock.getDelayedCalls(), [])
