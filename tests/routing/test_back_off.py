"""How long a lane leaves its channel alone: asked for, or for a link that is lost."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Error, Refused, Scope
from gdemoi.routing.back_off import Suspension
from tests.routing.test_dispatcher import Case

LOST = Refused(
    error=Error("gateway:unavailable", "the connection was closed", True),
    scope=Scope.CHANNEL_FOR_A_WHILE,
    by_us=True,
    until_able=True,
)
ASKED = Refused(
    error=Error("twilio:503", "come back later", True),
    scope=Scope.CHANNEL_FOR_A_WHILE,
    retry_after_s=60.0,
)


class SuspensionTests(SynchronousTestCase):
    def test_a_rest_that_was_asked_for_lasts_its_time(self) -> None:
        """Whatever the channel tells of its link."""
        rest = Suspension()
        rest.begin("slower", 60.0)
        self.assertFalse(rest.able(10.0))
        self.assertEqual((rest.reason(59.0), rest.reason(60.0)), ("slower", None))

    def test_one_for_want_of_a_way_ends_with_the_way(self) -> None:
        """True once: there is news to tell."""
        rest = Suspension()
        rest.begin("no bind", 5.0, until_able=True)
        self.assertEqual(rest.reason(1.0), "no bind")
        self.assertEqual([rest.able(1.0), rest.able(1.0)], [True, False])
        self.assertIsNone(rest.reason(1.0))

    def test_they_do_not_shorten_one_another(self) -> None:
        """A lost link ended a pause of ten minutes after five seconds."""
        rest = Suspension()
        rest.begin("slower", 600.0)
        rest.begin("no bind", 5.0, until_able=True)
        rest.begin("the journal cannot write", 1.0)
        self.assertFalse(rest.able(2.0))
        self.assertEqual((rest.reason(2.0), rest.until), ("slower", 600.0))

    def test_both_at_a_time(self) -> None:
        """The way is there: what was asked for goes on, no longer."""
        rest = Suspension()
        rest.begin("no bind", 50.0, until_able=True)
        rest.begin("slower", 20.0)
        self.assertEqual(rest.until, 50.0)
        self.assertFalse(rest.able(2.0))
        self.assertEqual((rest.reason(2.0), rest.until), ("slower", 20.0))

    def test_who_acted_ends_all(self) -> None:
        """`resume` of an operator."""
        rest = Suspension()
        rest.begin("slower", 60.0)
        rest.begin("no bind", 60.0, until_able=True)
        rest.lift()
        self.assertIsNone(rest.reason(0.0))


class LinkTests(Case):
    def test_what_was_given_back_goes_first_when_the_link_is_back(self) -> None:
        """Not five seconds after it, nor 15, nor behind those that came later."""
        hand = self.hands["a"]
        hand.window = 2
        self.accept(self.message("m1"), self.message("m2"), self.message("m3"))
        hand.down = "the connection was closed"
        hand.answer(LOST, 0)
        hand.answer(LOST, 1)
        self.assertEqual(hand.ids, ["m1", "m2"])
        self.clock.advance(0.5)
        hand.down = None
        self.dispatcher.able(hand)
        self.assertEqual(hand.ids, ["m1", "m2", "m1", "m2"])
        hand.answer(index=2)
        self.assertEqual(hand.ids[4:], ["m3"])
        self.assertEqual(self.states("m1"), ["accepted", "waiting", "submitted"])

    def test_a_channel_that_came_back_before_the_answer_did(self) -> None:
        """It rests for want of better, and ends that with the next word of it."""
        hand = self.hands["a"]
        self.accept(self.message("m1"))
        hand.answer(LOST)
        self.assertIsNotNone(self.dispatcher.lanes["a"].unable())
        self.assertEqual(self.changes()[-1][0], "down")
        self.dispatcher.changed(hand, "up", "")
        self.assertEqual(self.changes()[-1], ("up", ""))
        self.assertEqual(hand.ids, ["m1", "m1"])

    def test_able_alone_tells_that_the_rest_is_over(self) -> None:
        """A channel whose state did not change says no more."""
        hand = self.hands["a"]
        self.accept(self.message("m1"))
        hand.answer(LOST)
        self.dispatcher.able(hand)
        self.assertEqual([state for state, _ in self.changes()], ["down", "up"])
        self.assertEqual(hand.ids, ["m1", "m1"])

    def test_able_before_it_is_ends_nothing(self) -> None:
        """`able` tells that it may have changed, either way."""
        hand = self.hands["a"]
        self.accept(self.message("m1"))
        hand.answer(LOST)
        hand.down = "no bind"
        self.dispatcher.able(hand)
        hand.down = None
        self.assertIsNotNone(self.dispatcher.lanes["a"].unable())

    def test_a_channel_that_says_no_word_is_looked_at(self) -> None:
        """After five seconds, as before."""
        hand = self.hands["a"]
        self.accept(self.message("m1"))
        hand.down = "no bind"
        hand.answer(LOST)
        hand.down = None
        self.clock.advance(4.0)
        self.assertEqual(hand.ids, ["m1"])
        self.clock.advance(1.0)
        self.assertEqual(hand.ids, ["m1", "m1"])

    def test_a_pause_that_was_asked_for_is_kept(self) -> None:
        """A new connection, or a lost one, is no leave to hurry."""
        hand = self.hands["a"]
        self.accept(self.message("m1"), self.message("m2"))
        hand.answer(ASKED, 0)
        hand.down = "the connection was closed"
        hand.answer(LOST, 1)
        hand.down = None
        self.dispatcher.able(hand)
        self.clock.advance(59.0)
        self.assertEqual(hand.ids, ["m1", "m2"])
        self.assertIn("come back later", self.dispatcher.lanes["a"].unable() or "")
        self.clock.advance(1.0)
        self.assertIn("m2", hand.ids[2:])


class WaysTests(Case):
    channels = ("a", "b")

    def test_what_was_given_back_takes_another_way_at_once(self) -> None:
        """If there is one that can."""
        hand = self.hands["a"]
        self.accept(self.message("m1"))
        hand.down = "the connection was closed"
        hand.answer(LOST)
        self.assertEqual(self.hands["b"].ids, ["m1"])
        hand.down = None
        self.dispatcher.able(hand)
        self.assertEqual(hand.ids, ["m1"])

    def test_what_waits_for_the_link_moves_after_a_while(self) -> None:
        """It stands at the head, and other ways may open."""
        hand, other = self.hands["a"], self.hands["b"]
        hand.down = None
        other.down = "no bind"
        self.accept(self.message("m1"))
        hand.down = "the connection was closed"
        hand.answer(LOST)
        other.down = None
        self.clock.pump([1.0] * 15)
        self.assertEqual(other.ids, ["m1"])
        hand.down = None
        self.dispatcher.able(hand)
        self.assertEqual(hand.ids, ["m1"])
