"""Gateways on one PostgreSQL journal, beat by beat; their clocks differ."""

from __future__ import annotations

import select

import msgspec
from sqlalchemy import make_url
from twisted.internet.task import Clock

from gdemoi.facts import Cancelled, Hold, Stored
from gdemoi.journal.database import connected
from gdemoi.journal.leases import (
    CHANNEL,
    CLOCK,
    LEASE_S,
    NEWS,
    News,
    Wishes,
    encode_news,
)
from gdemoi.journal.membership import Registry
from tests.journal.builders import NOW, acceptance, attempting, taken, unsure
from tests.journal.postgres import PostgresCase

MTS = CHANNEL + "mts"


class MembershipTests(PostgresCase):
    """Two gateways; the second one's clock is half a minute ahead."""

    def setUp(self) -> None:
        """Join them both."""
        super().setUp()
        self.other = self.opened(name="gdemoi-2")
        self.ahead = Clock()
        self.ahead.advance(NOW + 30.0)
        self.first = self.registry("gdemoi", self.clock)
        self.second = self.registry("gdemoi-2", self.ahead)
        self.wishes = Wishes((MTS, CLOCK), takes_back_after_s=0.0)
        self.journal.join()
        self.other.join()

    def registry(self, name: str, clock: Clock) -> Registry:
        made = Registry(self.url, name, clock.seconds)
        self.addCleanup(made.close)
        return made

    def pass_time(self, gateway: str, seconds: float) -> None:
        """Let a gateway have been seen so much earlier."""
        self.did(
            self.journal._writes.put(
                self.journal._transaction.database.run,
                f"UPDATE gateways SET seen_at = seen_at - {seconds} WHERE name = %s",
                (gateway,),
            )
        )

    def heard(self, registry: Registry, count: int) -> list[News]:
        """Return what a gateway hears, when there is so much: it comes by itself."""
        found = registry.news()
        while len(found) < count:
            self.assertTrue(select.select([registry.fileno()], [], [], 10.0)[0], found)
            found += registry.news()
        return found

    def test_news_that_come_during_a_beat(self) -> None:
        """They are read with the answers of its statements, and are not lost."""
        self.first.beat(self.wishes)
        told = encode_news(News("gdemoi-2", lanes=["mts"]))
        with connected(make_url(self.url), "a test") as another:
            another.execute("SELECT pg_notify(%s, %s)", (NEWS, told))
        self.first.beat(self.wishes)
        self.assertEqual([one.lanes for one in self.first.news()], [["mts"]])
        self.assertEqual(self.first.news(), [])

    def test_the_first_one_takes_all(self) -> None:
        """The second one sees that, and what the owner tells of its channel."""
        self.assertEqual(self.first.beat(self.wishes).mine, {MTS, CLOCK})
        report = msgspec.json.encode({"state": "up"})
        self.first.beat(self.wishes, {MTS: report})
        beat = self.second.beat(self.wishes)
        self.assertEqual(beat.mine, frozenset())
        self.assertEqual(beat.cluster.owner(MTS), "gdemoi")
        self.assertEqual(beat.cluster.report(MTS), {"state": "up"})

    def test_a_dead_one_is_replaced(self) -> None:
        """When it was not seen for `LEASE_S`, by the server's clock alone."""
        self.first.beat(self.wishes)
        self.pass_time("gdemoi", LEASE_S - 1.0)
        self.assertEqual(self.second.beat(self.wishes).mine, frozenset())
        self.pass_time("gdemoi", 1.0)
        self.assertEqual(self.second.beat(self.wishes).mine, {MTS, CLOCK})
        # it was only slow: it owns nothing any more
        self.assertEqual(self.first.beat(self.wishes).mine, frozenset())

    def test_an_orderly_one_is_replaced_at_once(self) -> None:
        """It lets go, and the other one takes with its next beat."""
        self.first.beat(self.wishes)
        leaving = msgspec.structs.replace(self.wishes, leaving=True)
        self.first.beat(leaving, None, frozenset({MTS, CLOCK}))
        beat = self.second.beat(self.wishes)
        self.assertEqual(beat.mine, {MTS, CLOCK})
        self.assertEqual(
            [m.wishes.leaving for m in beat.cluster.members], [True, False]
        )

    def test_a_new_life_begins_anew(self) -> None:
        """A restarted one has what it had, but has not been up for long."""
        self.first.beat(self.wishes)
        self.pass_time("gdemoi", 2.0)
        again = self.registry("gdemoi", self.clock).beat(self.wishes)
        self.assertEqual(again.mine, {MTS, CLOCK})
        self.assertLess(again.cluster.members[0].up_s, 1.0)

    def test_how_far_a_clock_is_off(self) -> None:
        """Each learns its own distance to the server's."""
        first, second = (one.beat(self.wishes) for one in (self.first, self.second))
        self.assertEqual(round((first.ahead_s - second.ahead_s) / 10), 3)

    def test_only_the_owner_begins_attempts(self) -> None:
        """Whatever a gateway believes: its intents are refused with the commit."""
        self.first.beat(self.wishes)
        self.accept(acceptance("m1"))
        self.assertEqual(self.did(self.other.note(attempting("m1"))), False)
        self.assertEqual(self.note(attempting("m1")), [True])
        # the other one takes over; the first does not know it yet
        self.accept(acceptance("m2"))
        self.pass_time("gdemoi", LEASE_S)
        self.second.beat(self.wishes)
        self.assertEqual(self.note(attempting("m2")), [False])
        self.assertEqual(self.did(self.other.note(attempting("m2"))), True)
        [left_open] = [
            one
            for one in self.did(self.other.interrupted(["mts"]))
            if one.message.id == "m1"
        ]
        self.assertFalse(left_open.held)
        self.assertEqual(self.did(self.other.interrupted(["other"])), [])

    def test_an_acceptance_that_would_begin_elsewhere(self) -> None:
        """It is taken, and waits for the owner."""
        self.second.beat(self.wishes)
        verdicts = self.accept(acceptance("m1", attempting=True))
        self.assertEqual(verdicts, [Stored(began=False)])
        taken = self.did(self.other.take("mts", 9, NOW, frozenset()))
        self.assertEqual([one.message.id for one in taken.messages], ["m1"])

    def test_an_answer_that_comes_after_the_owner_was_replaced(self) -> None:
        """It still counts: what left is known by who sent it."""
        self.first.beat(self.wishes)
        self.accept(acceptance("m1", attempting=True))
        self.pass_time("gdemoi", LEASE_S)
        self.second.beat(self.wishes)
        self.did(self.other.note(unsure(Hold(NOW + 120))))
        self.assertEqual(self.note(taken("a1")), [True])
        self.assertEqual(self.states()[-1], ("submitted", False))

    def test_a_commit_wakes_the_others(self) -> None:
        """With the number of the last event, and the lanes that have more."""
        self.first.beat(self.wishes)
        self.second.beat(self.wishes)
        self.did(self.other.accept([acceptance("own")]))
        self.accept(acceptance("m1"))
        self.did(self.journal.call_others())
        # its own is not among them
        self.assertEqual(
            self.heard(self.second, 2),
            [News("gdemoi", 2, ["mts"]), News("gdemoi", changed=True)],
        )
        self.did(self.other.note(Cancelled("m1", NOW)))
        self.assertEqual(self.heard(self.first, 2)[-1], News("gdemoi-2", 3))

    def test_gateways_that_are_long_gone_are_forgotten(self) -> None:
        """After a day; what waits for their channels is nobody's then."""
        self.first.beat(Wishes((CHANNEL + "old",)))
        self.pass_time("gdemoi", 3600.0)
        known = self.second.beat(self.wishes).cluster.known_channels()
        self.assertEqual(known, {"old", "mts"})
        self.pass_time("gdemoi", 86_400.0)
        known = self.second.beat(self.wishes).cluster.known_channels()
        self.assertEqual(known, {"mts"})

    def test_a_connection_that_is_lost(self) -> None:
        """The next beat makes a new one."""
        self.first.beat(self.wishes)
        self.first.close()
        self.assertEqual(self.first.beat(self.wishes).mine, {MTS, CLOCK})

    def test_a_session_does_not_outlive_its_host_for_long(self) -> None:
        """The server is told to look after its end of the connection."""
        connection = connected(make_url(self.url), "test")
        self.addCleanup(connection.close)
        for name, value in (
            ("tcp_keepalives_idle", "4"),
            ("tcp_keepalives_count", "3"),
            ("idle_in_transaction_session_timeout", "5s"),
        ):
            shown = connection.execute(f"SHOW {name}").fetchone()
            self.assertEqual(shown, (value,))
