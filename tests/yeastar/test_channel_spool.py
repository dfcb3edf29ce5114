"""Received SMS that the journal cannot take yet."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import Unavailable
from gdemoi.message import Inbound
from gdemoi.yeastar.channel_spool import Spool


def sms(text: str) -> Inbound:
    """Return an SMS."""
    return Inbound(channel="tg", from_="+7900", to=None, received_at=0.0, text=text)


class SpoolTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.offered: list[str | None] = []
        self.answers: list[Deferred[None]] = []
        self.spool = Spool("tg", self.clock, self.take, limit=3)

    def take(self, inbound: Inbound) -> Deferred[None]:
        """Be the journal: note what is offered, answer when the test says."""
        self.offered.append(inbound.text)
        self.answers.append(Deferred())
        return self.answers[-1]

    def test_one_after_another(self) -> None:
        """The next is offered when the last was taken."""
        self.spool.put(sms("a"))
        self.spool.put(sms("b"))
        self.assertEqual(self.offered, ["a"])
        self.answers[0].callback(None)
        self.assertEqual(self.offered, ["a", "b"])
        emptied = self.spool.emptied()
        self.assertNoResult(emptied)
        self.answers[1].callback(None)
        self.successResultOf(emptied)
        self.assertEqual(len(self.spool), 0)
        self.successResultOf(self.spool.emptied())

    def test_again_until_taken(self) -> None:
        """After 1, 2, 4 … 30 s the same SMS is offered again, and kept till then."""
        self.spool.put(sms("a"))
        for pause_s in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
            self.answers[-1].errback(Unavailable("full"))
            self.clock.advance(pause_s - 0.01)
            count = len(self.offered)
            self.clock.advance(0.01)
            self.assertEqual(len(self.offered), count + 1)
        self.answers[-1].callback(None)
        self.assertEqual(set(self.offered), {"a"})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bounded(self) -> None:
        """What finds no room is told as an error, with its sender, not silently."""
        for text in "abcd":
            self.spool.put(sms(text))
        self.assertEqual((len(self.spool), self.spool.refused), (3, 1))

    def test_stop_tells_what_is_lost(self) -> None:
        """No timer and no offer is left."""
        self.spool.put(sms("a"))
        self.answers[-1].errback(Unavailable("full"))
        self.spool.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.spool), 1)

    def test_taken_at_once(self) -> None:
        """A journal that answers before it returns leaves nothing behind."""
        taken: list[str | None] = []

        def take(inbound: Inbound) -> Deferred[None]:
            taken.append(inbound.text)
            done: Deferred[None] = Deferred()
            done.callback(None)
            return done

        spool = Spool("tg", self.clock, take)
        spool.put(sms("a"))
        spool.put(sms("b"))
        self.assertEqual((taken, len(spool)), (["a", "b"], 0))

    def test_another_failure_does_not_stop_the_next(self) -> None:
        """A bug above is logged; the SMS is offered again with the next one."""
        spool = Spool("tg", self.clock, lambda _: fail(ValueError("bug")))
        spool.put(sms("a"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        spool.put(sms("b"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(len(spool), 2)
