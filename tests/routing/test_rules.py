"""Which way a message goes, rule by rule."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import (
    Charset,
    MessageClass,
    OnUnencodable,
    Outbound,
    Transliteration,
)
from gdemoi.routing.rules import (
    Router,
    Rule,
    country_of,
    first_able,
    with_defaults,
)


def message(**fields: Any) -> Outbound:
    """Return a message to a Russian mobile phone unless told otherwise."""
    given = {"id": "m1", "to": "+79161234567", "accepted_at": 0.0, "expires_at": 7200.0}
    return Outbound(**{**given, "text": "hi", **fields})


def rule(name: str, *channels: str, **fields: Any) -> Rule:
    """Return a rule that leads to `channels`, each of weight one."""
    return Rule(name=name, channels=tuple((c, 1) for c in channels), **fields)


class RouterTests(SynchronousTestCase):
    def test_the_first_rule_that_matches_wins(self) -> None:
        """Rules are asked in file order."""
        router = Router(
            [
                rule("commands", "a", classes=("command",)),
                rule("russia", "b", country=("RU",)),
                rule("rest", "c"),
            ],
            ["a", "b", "c"],
        )
        command = message(class_=MessageClass.COMMAND)
        self.assertEqual(router.route(command).channels, ("a",))
        self.assertEqual(router.route(message()).channels, ("b",))
        self.assertEqual(router.route(message(to="+34600000000")).channels, ("c",))

    def test_says_why_each_rule_matched_or_not(self) -> None:
        """`explain` shows the condition that failed."""
        router = Router(
            [
                rule("commands", "a", classes=("command",)),
                rule("moscow", "a", to=("+7495*", "+7499*")),
                rule("fleet", "a", account=("fleet-*",)),
                rule("brand", "a", from_=("GdeMoi",)),
                rule("spain", "a", country=("ES",)),
                rule("rest", "a"),
                rule("never", "a"),
            ],
            ["a"],
        )
        verdicts = router.verdicts(message(from_="Other"))
        self.assertEqual(
            [(v.name, v.matched, v.why) for v in verdicts],
            [
                ("commands", False, "class notification is not command"),
                ("moscow", False, "to +79161234567 is not +7495*, +7499*"),
                ("fleet", False, "account (none) is not fleet-*"),
                ("brand", False, "from Other is not GdeMoi"),
                ("spain", False, "country RU is not ES"),
                ("rest", True, "no conditions"),
                ("never", False, "an earlier rule won"),
            ],
        )

    def test_without_rules_every_channel_is_a_way(self) -> None:
        """A file without routes sends by its channels in order."""
        self.assertEqual(Router([], ["x", "y"]).route(message()).channels, ("x", "y"))

    def test_nothing_matches(self) -> None:
        """No rule, no way."""
        route = Router([rule("es", "a", country=("ES",))], ["a"]).route(message())
        self.assertIsNone(route.rule)
        self.assertEqual(route.channels, ())

    def test_the_message_may_restrict_the_channels(self) -> None:
        """`channels` in the message leaves only those of the route."""
        router = Router([rule("all", "a", "b", "c")], ["a", "b", "c"])
        self.assertEqual(
            router.route(message(channels=("c", "b", "z"))).channels, ("b", "c")
        )

    def test_weighted_ways_out_go_by_weight(self) -> None:
        """Whichever is drawn first, the heaviest of the others is next."""
        weights = {"a": 1, "b": 2, "c": 5}
        router = Router(
            [Rule(name="w", channels=tuple(weights.items()), weighted=True)],
            tuple(weights),
        )
        firsts = set()
        for number in range(60):
            first, *rest = router.route(message(id=f"m{number}")).channels
            firsts.add(first)
            left = sorted(weights.keys() - {first}, key=lambda name: -weights[name])
            self.assertEqual(rest, left)
        self.assertEqual(firsts, set(weights))

    def test_weights_are_kept_over_many_messages(self) -> None:
        """a*3, b*1 gives a three quarters of the messages, b as the way out."""
        shared = Rule(name="w", channels=(("a", 3), ("b", 1)), weighted=True)
        router = Router([shared], ["a", "b"])
        routes = [router.route(message(id=f"m{n}")).channels for n in range(4000)]
        share = routes.count(("a", "b")) / len(routes)
        self.assertApproximates(share, 0.75, 0.03)
        self.assertEqual(set(routes), {("a", "b"), ("b", "a")})

    def test_a_repeat_goes_the_same_way(self) -> None:
        """The draw hangs on the id alone."""
        shared = Rule(name="w", channels=(("a", 1), ("b", 1)), weighted=True)
        router = Router([shared], ["a", "b"])
        self.assertEqual(
            {router.route(message(id="same")).channels for _ in range(20)}.__len__(), 1
        )


class DefaultsTests(SynchronousTestCase):
    def test_a_rule_fills_in_what_was_left_unsaid(self) -> None:
        """Charset, priority, ttl and sender come from the rule."""
        spoken = with_defaults(
            message(unsaid=("charset", "priority", "ttl")),
            rule("r", "a", charset=Charset.GSM8, priority=9, ttl_s=60.0, sender="Me"),
        )
        self.assertEqual(
            (spoken.charset, spoken.priority, spoken.expires_at, spoken.from_),
            (Charset.GSM8, 9, 60.0, "Me"),
        )

    def test_what_the_message_says_stays(self) -> None:
        """A rule never overrides the message."""
        said = message(charset=Charset.UCS2, priority=1, from_="You", max_segments=2)
        ruled = rule("r", "a", charset=Charset.GSM8, priority=9, sender="Me")
        self.assertEqual(with_defaults(said, ruled), said)

    def test_the_table_is_the_routes(self) -> None:
        """A route names the table, also for messages that ask for letters."""
        gost = Transliteration.GOST
        wish = OnUnencodable.TRANSLITERATE
        one = with_defaults(
            message(on_unencodable=wish), rule("r", "a", transliteration=gost)
        )
        self.assertEqual((one.on_unencodable, one.transliteration), (wish, gost))
        plain = with_defaults(message(on_unencodable=wish), rule("r", "a"))
        self.assertEqual(plain.transliteration, Transliteration.ICAO)
        # what waits in a journal keeps it, and what waited before has the default
        octets = msgspec.msgpack.encode(one)
        self.assertEqual(msgspec.msgpack.decode(octets, type=Outbound), one)
        octets = msgspec.msgpack.encode(plain)
        self.assertNotIn(b"transliteration", octets)

    def test_commands_are_never_transliterated(self) -> None:
        """Neither the message nor a route may change the letters of a command."""
        wish = OnUnencodable.TRANSLITERATE
        plain, ruled = rule("r", "a"), rule("r", "a", on_unencodable=wish)
        for class_ in (MessageClass.COMMAND, MessageClass.ACTIVATION):
            for one in (
                with_defaults(message(class_=class_, on_unencodable=wish), plain),
                with_defaults(
                    message(class_=class_, unsaid=("on_unencodable",)), ruled
                ),
            ):
                self.assertEqual(one.on_unencodable, OnUnencodable.REJECT)
        said = message(on_unencodable=wish)
        self.assertEqual(with_defaults(said, plain).on_unencodable, wish)

    def test_ttl_counts_from_not_before(self) -> None:
        """A message for later lives its ttl from then on."""
        later = message(unsaid=("ttl",), not_before=1000.0)
        self.assertEqual(
            with_defaults(later, rule("r", "a", ttl_s=60.0)).expires_at, 1060.0
        )


class CountryTests(SynchronousTestCase):
    def test_shared_calling_codes_are_told_apart(self) -> None:
        """+7 is Russia or Kazakhstan, +1 the United States or Canada."""
        self.assertEqual(country_of("+79161234567"), "RU")
        self.assertEqual(country_of("+77011234567"), "KZ")
        self.assertEqual(country_of("+14165550123"), "CA")

    def test_short_and_strange_numbers_have_none(self) -> None:
        """A short number belongs to no country."""
        self.assertIsNone(country_of("3434"))
        self.assertIsNone(country_of("+999"))


class AbilityTests(SynchronousTestCase):
    def test_first_able(self) -> None:
        """The first that can send now; when none can, the first of all."""
        down = {"a": "down", "b": None}
        self.assertEqual(first_able(("a", "b"), down.get), "b")
        self.assertEqual(first_able(("a",), down.get), "a")
        self.assertIsNone(first_able((), down.get))
