"""A tracker gets its commands by the channel and sender that it knows."""

from __future__ import annotations

from typing import Any

from gdemoi.contract.sticky import Basis, KnownWay
from gdemoi.facts import Rejected
from gdemoi.message import (
    Error,
    MessageState,
    Outbound,
    Refused,
    Scope,
    Sticky,
    Turn,
)
from tests.routing.test_answered_commands import AnswersCase

PREFER = Turn(sticky=Sticky.PREFER)
REQUIRE = Turn(sticky=Sticky.REQUIRE)
NUMBER = "+79161234567"
NOT_YOURS = Refused(error=Error("smpp:0x0A", "bad source"), scope=Scope.SENDER)


class StickyTests(AnswersCase):
    def sticky(self, id_: str, turn: Turn = PREFER, **fields: Any) -> Outbound:
        return self.command(id_, turn=turn, **fields)

    def way(self, account: str | None = None) -> tuple[str, str | None, str] | None:
        found = self.journal.known_way(account, NUMBER)
        return found and (found.channel, found.sender, found.basis.value)

    def know(self, channel: str, sender: str | None = None) -> None:
        """Set the way by hand."""
        way = KnownWay(channel, None, sender, Basis.SET, 1.0)
        self.successResultOf(self.journal.set_way(None, NUMBER, way))

    def test_off(self) -> None:
        """Nothing is remembered for who asks nothing."""
        self.accept(self.command("c1"))
        self.hands["a"].answer()
        self.assertIsNone(self.way())

    def test_the_next_one_goes_the_same_way(self) -> None:
        """The first went by b, since a was down; the route says a first."""
        self.hands["a"].down = "no bind"
        self.accept(self.sticky("c1"))
        self.hands["a"].down = None
        # known before it is submitted, too
        self.accept(self.sticky("c2"))
        self.hands["b"].answer()
        self.assertEqual(self.way(), ("b", None, "submitted"))
        self.hands["b"].answer()
        self.accept(self.sticky("c3"), self.sticky("other", to="+79160000000"))
        self.assertEqual(self.hands["b"].ids, ["c1", "c2", "c3"])
        self.assertEqual(self.hands["a"].ids, ["other"])
        self.assertNotIn("sender_changed", self.events("c3")[-1])

    def test_prefer_changes_and_says_so(self) -> None:
        """The way is down: another one is taken, and the events name both."""
        self.know("b")
        self.hands["b"].down = "no bind"
        self.accept(self.sticky("c1"))
        self.hands["a"].answer()
        told = self.events("c1")[-1]
        self.assertEqual(told["sender_changed"], {"from": "b", "to": "a"})
        # what was set by hand stays
        self.assertEqual(self.way(), ("b", None, "set"))

    def test_require_waits(self) -> None:
        """For that way, until it expires; never by another one."""
        self.know("b")
        self.hands["b"].down = "no bind"
        now = self.clock.seconds()
        self.accept(self.sticky("c1", REQUIRE, expires_at=now + 60.0))
        self.passes(62.0)
        self.assertEqual(self.states("c1")[-1], "expired")
        self.assertEqual(self.left, [])
        self.accept(self.sticky("c2", REQUIRE))
        self.hands["b"].down = None
        self.dispatcher.able(self.hands["b"])
        self.assertEqual(self.left, ["c2"])

    def test_require_of_a_channel_that_is_gone(self) -> None:
        """It is refused, and the error says what to forget."""
        self.know("gone")
        (verdict,) = self.accept(self.sticky("c1", REQUIRE))
        assert isinstance(verdict, Rejected)
        self.assertEqual(verdict.error.code, "gateway:no_route")
        self.assertIn("gone", verdict.error.text)

    def test_what_the_message_names_wins(self) -> None:
        """Its channels, and its sender."""
        self.know("b")
        self.accept(self.sticky("c1", REQUIRE, channels=("a",)))
        self.hands["a"].answer()
        self.accept(self.sticky("c2", REQUIRE, from_="MINE"))
        self.assertEqual(self.hands["a"].ids, ["c1", "c2"])

    def test_the_sender_is_part_of_it(self) -> None:
        """It goes by the same sender, on the channel that has it."""
        self.know("b", "MINE")
        self.accept(self.sticky("c1"))
        ready, _, _ = self.hands["b"].submitted[-1]
        self.assertEqual(ready.sender, "MINE")

    def test_strength(self) -> None:
        """An answer is worth more than a delivery, that more than a submit."""
        self.accept(self.sticky("c1", text="hi", channels=("a",)))
        self.hands["a"].answer()
        self.receipt("a", "c1", MessageState.DELIVERED)
        self.assertEqual(self.way(), ("a", None, "delivered"))
        self.accept(self.sticky("c2", text="hi", channels=("b",)))
        self.hands["b"].answer()
        self.assertEqual(self.way(), ("a", None, "delivered"))
        self.receipt("b", "c2", MessageState.DELIVERED)
        self.assertEqual(self.way(), ("b", None, "delivered"))
        self.passes(121.0)
        self.accept(self.sticky("c3", text="hi", channels=("b",)))
        self.hands["b"].answer()
        self.comes("hello", channel="a")
        self.assertEqual(self.way(), ("a", None, "answer"))
        self.receipt("b", "c3", MessageState.DELIVERED)
        self.assertEqual(self.way(), ("a", None, "answer"))

    def test_a_refused_sender_is_forgotten(self) -> None:
        """The carrier says that it is not ours."""
        self.accept(self.sticky("c1", channels=("a",)))
        self.hands["a"].answer()
        self.assertEqual(self.way(), ("a", None, "submitted"))
        self.accept(self.sticky("c2", channels=("a",)))
        self.hands["a"].answer(NOT_YOURS)
        self.assertIsNone(self.way())

    def test_each_account_has_its_own(self) -> None:
        """What another one is known by is no matter of ours."""
        self.accept(self.sticky("c1", account="fleet", channels=("b",)))
        self.hands["b"].answer()
        self.assertEqual(self.way("fleet"), ("b", None, "submitted"))
        self.assertIsNone(self.way())

    def test_after_a_restart(self) -> None:
        """It is read again, and what was forgotten is not."""
        self.know("b")
        seen = self.journal._ways
        self.journal._ways = type(seen)()
        self.successResultOf(self.journal.read_others())
        self.assertEqual(self.way(), ("b", None, "set"))
        self.successResultOf(self.journal.set_way(None, NUMBER, None))
        self.journal._ways = type(seen)()
        self.successResultOf(self.journal.read_others())
        self.assertIsNone(self.way())
