"""What would happen to a message, told without sending it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import (
    Error,
    MessageClass,
    OnUnencodable,
    Outbound,
    Transliteration,
)
from gdemoi.routing.explain import explain
from gdemoi.routing.rules import Router
from tests.routing.channels import HandChannel
from tests.routing.test_rules import message, rule


class ExplainTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.hands = {name: HandChannel(name=name) for name in ("a", "b")}
        self.router = Router(
            [rule("es", "a", country=("ES",)), rule("rest", "a", "b")], ["a", "b"]
        )

    def explain(self, one: Outbound) -> dict[str, object]:
        return explain(
            one, self.router, self.hands, lambda name: self.hands[name].unable()
        )

    def test_its_shape(self) -> None:
        """Every key of docs/http.rst, "Messages", is there."""
        self.assertEqual(
            set(self.explain(message())),
            {
                *("to", "country", "route", "rules", "channels", "sender"),
                *("charset", "data_coding", "segments", "error"),
            },
        )

    def test_what_is_transliterated_is_shown(self) -> None:
        """By the table that the route names; nothing for a command."""
        wish = OnUnencodable.TRANSLITERATE
        for table, latin in (
            (None, "Eto mashina"),
            (Transliteration.ICAO, "Eto mashina"),
            (Transliteration.GOST, "E'to mashina"),
        ):
            ruled = rule("r", "a", on_unencodable=wish, transliteration=table)
            self.router = Router([ruled], ["a"])
            asked = message(text="Это машина", unsaid=("on_unencodable",))
            answer = self.explain(asked)
            self.assertEqual(answer["transliterated"], latin)
            self.assertNotIn("transliterated", self.explain(message(text="plain")))
            command = message(
                text="Это", class_=MessageClass.COMMAND, unsaid=("on_unencodable",)
            )
            self.assertNotIn("transliterated", self.explain(command))

    def test_names_the_rule_and_why_the_others_did_not_match(self) -> None:
        """Each rule with its verdict, in file order."""
        answer = self.explain(message())
        self.assertEqual(answer["route"], "rest")
        self.assertEqual(
            answer["rules"],
            [
                {"name": "es", "matched": False, "why": "country RU is not ES"},
                {"name": "rest", "matched": True, "why": "no conditions"},
            ],
        )

    def test_a_channel_that_is_down_is_passed_over(self) -> None:
        """The encoding shown is that of the channel that would send."""
        self.hands["a"].down = "no bind"
        self.hands["b"].segments = 3
        answer = self.explain(message())
        self.assertEqual(
            answer["channels"],
            [
                {"name": "a", "able": False, "why": "no bind"},
                {"name": "b", "able": True, "why": None},
            ],
        )
        self.assertEqual(len(answer["segments"]), 3)  # type: ignore[arg-type]

    def test_with_all_down_it_still_shows_what_would_leave(self) -> None:
        """A message waits for its first channel; its bytes are known."""
        self.hands["a"].down = self.hands["b"].down = "no bind"
        answer = self.explain(message())
        self.assertEqual(len(answer["segments"]), 1)  # type: ignore[arg-type]
        self.assertIsNone(answer["error"])

    def test_what_nobody_can_carry_is_an_error(self) -> None:
        """The first channel's reason is the answer's."""
        for hand in self.hands.values():
            hand.refuses = Error("gateway:unencodable", f"not by {hand.name}")
        answer = self.explain(message())
        self.assertEqual(
            answer["error"],
            {"code": "gateway:unencodable", "text": "not by a", "retryable": False},
        )

    def test_no_route_is_an_error(self) -> None:
        """A message that no rule matches goes nowhere."""
        self.router = Router([rule("es", "a", country=("ES",))], ["a"])
        answer = self.explain(message())
        self.assertEqual(answer["route"], None)
        self.assertIn("no_route", str(answer["error"]))
