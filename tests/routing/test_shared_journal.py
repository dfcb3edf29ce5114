"""Two dispatchers on one PostgreSQL journal: who sends, and what is handed over."""

from __future__ import annotations

import select
from typing import Any

import msgspec
from twisted.internet.defer import Deferred

from gdemoi.facts import Holding
from gdemoi.journal import Journal
from gdemoi.journal.leases import CHANNEL, LEASE_S, Wishes
from gdemoi.journal.membership import Registry
from gdemoi.message import MessageClass, OnUnsure, Outbound
from gdemoi.routing.dispatcher import ASK_AFTER_S, FAILOVER_AFTER_S, Dispatcher
from gdemoi.routing.lanes import Elsewhere
from gdemoi.routing.rules import Router
from tests.journal.postgres import PostgresCase
from tests.routing.channels import HandChannel
from tests.routing.test_dispatcher import POLICY

NAMES = ("a", "b")


class Node:
    """A gateway without its thread: the test beats, and carries the news."""

    def __init__(self, case: SharedJournalTests, journal: Journal, name: str) -> None:
        self.case, self.journal, self.name = case, journal, name
        self.hands = {n: HandChannel(name=n, account=f"account-{n}") for n in NAMES}
        self.dispatcher = Dispatcher(
            journal,
            case.clock,
            Router([], NAMES),
            self.hands.values(),
            policy=POLICY,
            shared=True,
        )
        self.registry = Registry(case.url, name, case.clock.seconds)
        journal.join()
        case.ran(self.dispatcher.start())

    def end(self) -> None:
        self.case.ran(self.dispatcher.stop(1.0))
        self.registry.close()

    def takes(self, *channels: str) -> None:
        """Own these channels, from its next beat on."""
        can = tuple(CHANNEL + one for one in channels)
        mine = self.registry.beat(Wishes(can, takes_back_after_s=0.0)).mine
        self.case.assertEqual(mine, set(can))
        for one in channels:
            self.case.ran(self.dispatcher.own(one))

    def hears(self) -> None:
        """Hear what the other one told with its commits, up to now."""
        while select.select([self.registry.fileno()], [], [], 0.3)[0]:
            for news in self.registry.news():
                self.journal.heard(news.seq)
                freed = [Holding(*command) for command in news.freed]
                self.dispatcher.turns.heard(freed)
                self.dispatcher.woken(news.lanes)

    def accepts(self, *messages: Outbound) -> list[Any]:
        marked = [(one, b"") for one in messages]
        return self.case.did(self.dispatcher.intake.accept(marked))


class SharedJournalTests(PostgresCase):
    def setUp(self) -> None:
        """Start both; nobody owns anything."""
        super().setUp()
        self.first = Node(self, self.journal, "gdemoi")
        self.second = Node(self, self.opened(name="gdemoi-2"), "gdemoi-2")
        self.addCleanup(self.first.end)
        self.addCleanup(self.second.end)

    def ran(self, coroutine: Any) -> Any:
        return self.did(Deferred.fromCoroutine(coroutine))

    def message(self, id_: str, channel: str = "a", **fields: Any) -> Outbound:
        now = self.clock.seconds()
        whole: dict[str, Any] = {
            "id": id_,
            "to": "+79161234567",
            "text": id_,
            "accepted_at": now,
            "expires_at": now + 3600,
            "channels": (channel,),
        }
        return Outbound(**{**whole, **fields})

    def command(self, id_: str, channel: str = "a", **fields: Any) -> Outbound:
        given = self.message(id_, channel, **fields)
        return msgspec.structs.replace(
            given, class_=MessageClass.COMMAND, on_unsure=OnUnsure.HOLD
        )

    def test_the_owner_sends_what_another_accepted(self) -> None:
        """It hears of it with the commit; the other one starts no channel."""
        self.first.takes("a")
        self.second.registry.beat(Wishes())
        self.second.accepts(self.message("m1"))
        self.assertEqual(self.second.hands["a"].submitted, [])
        self.assertIsNone(self.second.hands["a"].events)
        self.first.hears()
        self.assertEqual(self.first.hands["a"].ids, ["m1"])

    def test_a_message_for_the_other_ones_channel(self) -> None:
        """A retry that goes another way is handed over too."""
        self.first.takes("a")
        self.second.takes("b")
        self.first.accepts(self.message("m1", "b"))
        self.second.hears()
        self.assertEqual(self.second.hands["b"].ids, ["m1"])

    def test_what_its_owner_left_open_is_uncertain(self) -> None:
        """The next owner settles it by the message's policy, and sends the rest."""
        self.first.hands["a"].window = 2
        self.first.takes("a")
        self.first.accepts(
            self.command("c1", to="+79160000001"),
            self.message("m1"),
            self.message("m2"),
        )
        self.assertEqual(self.first.hands["a"].ids, ["c1", "m1"])
        self.registry_forgets("gdemoi")
        self.second.takes("a")
        # a notification is sent again after a while, a command is not
        self.assertEqual(self.second.hands["a"].ids, ["m2"])
        self.clock.advance(POLICY.resend_first_s + 1.0)
        self.assertEqual(self.second.hands["a"].ids, ["m2", "m1"])
        self.clock.advance(ASK_AFTER_S)
        self.assertEqual(self.second.hands["a"].asked[0][0], "c1")

    def registry_forgets(self, name: str) -> None:
        """Let a gateway not have been seen for long."""
        self.did(
            self.journal._writes.put(
                self.journal._transaction.database.run,
                f"UPDATE gateways SET seen_at = seen_at - {LEASE_S} WHERE name = %s",
                (name,),
            )
        )

    def test_one_that_was_replaced_sends_nothing_more(self) -> None:
        """Though it does not know it yet; the new owner sends each once."""
        self.first.takes("a")
        self.registry_forgets("gdemoi")
        self.second.takes("a")
        self.first.accepts(self.message("m1"), self.message("m2"))
        self.assertEqual(self.first.hands["a"].submitted, [])
        self.second.hears()
        self.assertEqual(self.second.hands["a"].ids, ["m1", "m2"])

    def test_a_channel_that_is_given_up(self) -> None:
        """Its last answers are written down; what waits is the next owner's."""
        self.first.hands["a"].window = 1
        self.first.takes("a")
        self.first.accepts(self.message("m1"), self.message("m2"))
        old, fresh = self.first.hands["a"], HandChannel(name="a", account="account-a")
        stopping: Deferred[None] = Deferred()
        self.patch(old, "stop", lambda grace_s: stopping)
        ending = Deferred.fromCoroutine(self.first.dispatcher.give_up("a", fresh, 5.0))
        self.assertNoResult(ending)
        old.answer()
        stopping.callback(None)
        self.did(ending)
        self.first.registry.beat(Wishes(), None, frozenset({CHANNEL + "a"}))
        self.second.takes("a")
        self.assertEqual(self.second.hands["a"].ids, ["m2"])
        self.assertEqual(
            self.did(self.journal.counts()), {"accepted": 1, "submitted": 1}
        )

    def test_commands_to_one_number_over_both_gateways(self) -> None:
        """One at a time, in the order of their acceptance, whoever accepted them."""
        self.first.takes("a")
        self.second.takes("b")
        self.second.accepts(self.command("c1", "a"))
        self.first.accepts(self.command("c2", "b"))
        self.second.accepts(self.command("c3", "a"))
        self.second.hears()
        self.first.hears()
        self.assertEqual(self.first.hands["a"].ids, ["c1"])
        self.assertEqual(self.second.hands["b"].ids, [])
        self.first.hands["a"].answer()
        self.second.hears()
        self.assertEqual(self.second.hands["b"].ids, ["c2"])
        self.second.hands["b"].answer()
        self.first.hears()
        self.assertEqual(self.first.hands["a"].ids, ["c1", "c3"])

    def test_a_channel_that_nobody_owns(self) -> None:
        """What waits for it goes another way, moved by the one that keeps the time."""
        self.second.takes("b")
        self.first.accepts(self.message("m1", channels=("a", "b")))
        self.ran(self.second.dispatcher.keep_time())
        self.first.dispatcher.lanes["b"].elsewhere = Elsewhere("gdemoi-2", None)
        for _ in range(int(FAILOVER_AFTER_S) + 2):
            self.clock.advance(1.0)
        self.assertEqual(self.second.hands["b"].ids, ["m1"])
