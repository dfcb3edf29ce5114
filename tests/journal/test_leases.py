"""Who owns what, by numbers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.journal.leases import (
    CHANNEL,
    CLOCK,
    LEASE_S,
    OUTBOX,
    Cluster,
    Lease,
    Member,
    News,
    Plan,
    Wishes,
    decode_news,
    encode_news,
    plan,
)

ABC = ("a", "b", "c")


def member(
    name: str,
    *owns: str,
    can: tuple[str, ...] = ABC,
    seen_s: float = 0.5,
    up_s: float = 600.0,
    leaving: bool = False,
) -> Member:
    """Return a gateway that has the channels `can`."""
    channels = tuple(CHANNEL + one for one in can)
    return Member(name, Wishes(channels, owns, 60.0, leaving), seen_s, up_s)


def cluster(*members: Member, **held: str | None) -> Cluster:
    """Return a cluster where the channels `held` have holders."""
    leases = [Lease(CHANNEL + name, holder) for name, holder in held.items()]
    return Cluster(members, tuple(leases))


def planned(me: str, seen: Cluster) -> tuple[str, str]:
    """Return the channels that `me` takes, and those that it lets go of."""
    found: Plan = plan(me, seen)
    take, let_go = (
        "".join(one.removeprefix(CHANNEL) for one in some)
        for some in (found.take, found.let_go)
    )
    return take, let_go


class TakingTests(SynchronousTestCase):
    """What is free goes to who wishes it most, then to who has least, then by name."""

    def test_table(self) -> None:
        """(the gateways, who holds what, what g1 takes, what g2 takes)."""
        late, dead = LEASE_S - 0.1, LEASE_S + 0.1
        for line, (members, held, first, second) in enumerate(
            (
                # alone
                ([member("g1")], {}, "abc", ""),
                # two that start together share
                ([member("g1"), member("g2")], {}, "ac", "b"),
                # a preference
                ([member("g1"), member("g2", "b*", "c")], {}, "a", "bc"),
                # … also of one that has just come
                ([member("g1"), member("g2", "*", up_s=0.0)], {}, "", "abc"),
                # excluded here, whoever else there is
                ([member("g1", "!a", "!b")], {}, "c", ""),
                # the first pattern that matches decides
                ([member("g1", "a", "!*"), member("g2")], {}, "a", "bc"),
                # what one does not have it does not take
                ([member("g1", can=("a",)), member("g2", can=("b",))], {}, "a", "b"),
                # what a live one holds is not free
                ([member("g1"), member("g2")], {"a": "g2", "b": "g2"}, "c", ""),
                # … until its last beat is too old
                (
                    [member("g1"), member("g2", seen_s=late)],
                    {"a": "g2"},
                    "bc",
                    "",
                ),
                ([member("g1"), member("g2", seen_s=dead)], {"a": "g2"}, "abc", ""),
                # let go, for the other to take
                (
                    [member("g1"), member("g2")],
                    {"a": None, "b": "g1", "c": "g1"},
                    "",
                    "a",
                ),
                # one that leaves takes nothing
                ([member("g1", leaving=True), member("g2")], {}, "", "abc"),
                # a holder that nobody knows any more
                ([member("g1")], {"a": "gone"}, "abc", ""),
            )
        ):
            with self.subTest(line=line):
                seen = cluster(*members, **held)
                self.assertEqual(planned("g1", seen)[0], first)
                self.assertEqual(planned("g2", seen)[0], second)

    def test_no_two_take_the_same(self) -> None:
        """Everyone decides on the same facts; all that can be is taken, once."""
        members = [member(f"g{n}", can=tuple("abcdefgh")) for n in range(3)]
        seen = cluster(*members, a="g0", b="g7")
        taken = [one for m in members for one in plan(m.name, seen).take]
        self.assertEqual(sorted(taken), [CHANNEL + one for one in "bcdefgh"])
        counts = sorted(len(plan(m.name, seen).take) for m in members)
        self.assertEqual(counts, [2, 2, 3])

    def test_leases_that_are_no_channel(self) -> None:
        """Neither patterns nor the number of channels decide about these."""
        wishes = Wishes((CHANNEL + "a", CLOCK, OUTBOX), ("!*",))
        seen = Cluster((Member("g1", wishes, 0.0, 0.0),))
        self.assertEqual(plan("g1", seen).take, (CLOCK, OUTBOX))


class LettingGoTests(SynchronousTestCase):
    """What is owned moves to who wishes it more and has been up long enough."""

    def test_table(self) -> None:
        """(the gateways, who holds what, what g1 lets go of)."""
        mine = {"a": "g1", "b": "g1", "c": "g1"}
        for line, (members, held, let_go) in enumerate(
            (
                ([member("g1")], mine, ""),
                # no pattern allows it any more, or it is configured no more
                ([member("g1", "!a", "!b")], mine, "ab"),
                ([member("g1", can=("b",))], mine, "ac"),
                # it ends
                ([member("g1", leaving=True)], mine, "abc"),
                # one that wishes it more, up for long enough, or not yet
                ([member("g1"), member("g2", "b")], mine, "b"),
                ([member("g1"), member("g2", "b", up_s=59.0)], mine, ""),
                ([member("g1"), member("g2", "b", seen_s=7.0)], mine, ""),
                # both wish it: it stays where it is
                ([member("g1", "*"), member("g2", "*")], {"a": "g1"}, ""),
                # one that has two fewer gets one; a difference of one is none
                ([member("g1"), member("g2")], mine, "a"),
                ([member("g1"), member("g2")], {**mine, "c": "g2"}, ""),
                ([member("g1"), member("g2", up_s=5.0)], mine, ""),
                # … but not what is preferred here
                ([member("g1", "*"), member("g2")], mine, ""),
                # … nor what it cannot have
                ([member("g1"), member("g2", can=("c",))], mine, "c"),
            )
        ):
            with self.subTest(line=line):
                self.assertEqual(planned("g1", cluster(*members, **held))[1], let_go)

    def test_it_comes_to_rest(self) -> None:
        """Beat after beat channels move one by one, and then no more."""
        held: dict[str, str | None] = dict.fromkeys("abcdefg", "g1")
        names = ("g1", "g2", "g3")
        members = [member(n, can=tuple("abcdefg")) for n in names]
        moves = 0
        for _ in range(50):
            for me in names:
                found = plan(me, cluster(*members, **held))
                moves += len(found.take)
                held.update({one.removeprefix(CHANNEL): me for one in found.take})
                # in order: it lets go, and takes nothing in that beat
                held.update({one.removeprefix(CHANNEL): None for one in found.let_go})
        # what one lets go of last is taken at once by the next
        self.assertEqual(moves, 4)
        counts = sorted(list(held.values()).count(name) for name in names)
        self.assertEqual(counts, [2, 2, 3])

    def test_one_that_is_not_seen_keeps_nothing(self) -> None:
        """As far as others can know its leases are free."""
        seen = cluster(member("g1", seen_s=30.0), a="g1")
        self.assertEqual(plan("g1", seen).take, ())
        self.assertEqual(seen.owner(CHANNEL + "a"), None)


class ClusterTests(SynchronousTestCase):
    def test_owner_and_report(self) -> None:
        """As the holder told it last; of a lease that nobody has there is nothing."""
        told = Lease(CHANNEL + "a", "g1", {"state": "up"})
        seen = Cluster((member("g1"),), (told,))
        self.assertEqual(seen.owner(CHANNEL + "a"), "g1")
        self.assertEqual(seen.report(CHANNEL + "a"), {"state": "up"})
        self.assertEqual((seen.owner("x"), seen.report("x")), (None, {}))
        self.assertEqual(seen.of("g1"), {CHANNEL + "a"})

    def test_channels_of_those_that_are_gone_are_known(self) -> None:
        """So that what waits for them waits on while they restart."""
        seen = cluster(member("g1", can=("a",)), member("g2", can=("z",), seen_s=999.0))
        self.assertEqual(seen.known_channels(), {"a", "z"})

    def test_news(self) -> None:
        """Go as JSON that NOTIFY can carry."""
        for news in (News("g1", 7, ["a", "é"]), News("g1", changed=True)):
            self.assertEqual(decode_news(encode_news(news)), news)
