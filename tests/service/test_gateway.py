"""The running gateway, as the platform's side sees it."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gdemoi.contract.envelope import Defaults, fingerprint
from gdemoi.contract.gateway import Search
from gdemoi.errors import InvalidMessage, OurFault
from gdemoi.interfaces import IChannel, ITraced
from gdemoi.journal import Journal, queries
from gdemoi.message import (
    Error,
    Inbound,
    MessageState,
    Numbering,
    OnUnsure,
    Outbound,
    Receipt,
    Refused,
    Scope,
    Uncertain,
)
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router
from gdemoi.service.gateway import PAUSED, RunningGateway
from tests.routing.channels import HandChannel

NOW = 1_795_000_000.0


@implementer(IChannel, ITraced)
@define(eq=False)
class TracedChannel(HandChannel):
    """A channel that keeps what passed."""

    kept: list[dict[str, Any]] = field(factory=lambda: [{"number": 1}, {"number": 2}])

    def traced(self, after: int) -> list[dict[str, Any]]:
        return [one for one in self.kept if one["number"] > after]

    def capture(self) -> bytes:
        return b"pcap"


class GatewayTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.journal = Journal("sqlite://", self.clock, inline=True)
        self.result(self.journal.open())
        self.channel = TracedChannel()
        self.plain = HandChannel(name="b", account="b")
        self.dispatcher = Dispatcher(
            self.journal, self.clock, Router([], ["a", "b"]), [self.channel, self.plain]
        )
        self.result(self.dispatcher.start())
        self.gateway = RunningGateway(
            self.dispatcher, self.journal, self.clock, Defaults("RU"), "test"
        )

    def tearDown(self) -> None:
        self.result(self.dispatcher.stop(0.0))
        self.result(self.journal.close())

    def result(self, work: Awaitable[Any]) -> Any:
        """Return what something comes to."""

        async def awaited() -> Any:
            return await work

        return self.successResultOf(Deferred.fromCoroutine(awaited()))

    def send(self, id_: str, **fields: Any) -> None:
        """Take a message."""
        message = Outbound(
            id=id_, to="+79161234567", text="x", accepted_at=NOW,
            expires_at=NOW + 60, **fields,
        )  # fmt: skip
        self.result(self.gateway.accept([(message, fingerprint(message))]))

    def test_texts_are_found_in_any_case(self) -> None:
        """Part of a text, page by page, also when no page is full."""
        for number, text in enumerate(("Где ты", "stop", "ГДЕ оно", "нигде")):
            message = Outbound(
                id=f"m{number}", to="+79161234567", text=text, accepted_at=NOW,
                expires_at=NOW + 60,
            )  # fmt: skip
            self.result(self.gateway.accept([(message, fingerprint(message))]))
        page = self.result(self.gateway.search(Search(text="где", limit=2)))
        self.assertEqual([one["id"] for one in page.messages], ["m3", "m2"])
        self.assertIsNotNone(page.cursor)
        page = self.result(
            self.gateway.search(Search(text="где", limit=2, cursor=page.cursor))
        )
        self.assertEqual([one["id"] for one in page.messages], ["m0"])
        self.assertIsNone(page.cursor)
        self.patch(queries, "TEXT_SEARCH_LIMIT", 1)
        seen, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            page = self.result(
                self.gateway.search(Search(text="stop", limit=2, cursor=cursor))
            )
            seen += [one["id"] for one in page.messages]
            cursor, pages = page.cursor, pages + 1
        self.assertEqual((seen, pages), (["m1"], 4))

    def test_the_overview_tells_what_to_do(self) -> None:
        """What was done, the last error, and words about each thing that ails."""
        self.send("m1")
        self.channel.answer(Refused(error=Error("smpp:0x0A", "ESME_RINVSRCADR", False)))
        self.send("m2")
        self.channel.down = "Connection was refused by other side"
        told = self.result(self.gateway.overview())
        [a, b] = told["channels"]
        self.assertEqual((a["name"], b["name"]), ("a", "b"))
        self.assertEqual(a["today"]["failed"], 1)
        self.assertEqual(a["last_error"]["code"], "smpp:0x0A")
        self.assertIn("sender", a["last_error"]["remedy"]["en"])
        self.assertIn("отправител", a["last_error"]["remedy"]["ru"])
        self.assertIn("host and port", a["remedies"][0]["en"])
        self.assertEqual((b["last_error"], b["remedies"]), (None, []))

    def test_the_age_of_a_backlog_is_asked_for_now_and_then(self) -> None:
        """However many pages ask, one query answers for ten seconds."""
        asked = []
        ask = self.journal.stored_figures

        def counted() -> Any:
            asked.append(self.clock.seconds())
            return ask()

        self.patch(self.journal, "stored_figures", counted)
        self.channel.down = "cut"
        self.send("m1", channels=("a",))
        self.clock.advance(30)
        for _ in range(3):
            told = self.result(self.gateway.overview())
            self.assertEqual(told["channels"][0]["oldest_s"], 30.0)
            self.clock.advance(3)
        self.clock.advance(1)
        told = self.result(self.gateway.overview())
        self.assertEqual(told["channels"][0]["oldest_s"], 40.0)
        self.assertEqual(asked, [NOW + 30, NOW + 40])

    def test_inbound_of_one_number(self) -> None:
        """Those of that number alone, in their order, within the time."""
        for number, sender in enumerate(("+7916", "+79161", "+7916", "+7916")):
            came = Inbound(
                account="account-a", channel="a", from_=sender, to="x",
                text=f"t{number}", charset="gsm8", received_at=self.clock.seconds(),
                dedup=f"d{number}", numbering=Numbering.AS_GIVEN,
            )  # fmt: skip
            self.result(self.dispatcher.inbound(came))
            self.clock.advance(10)

        def texts(*asked: Any) -> list[str]:
            found = self.result(self.gateway.inbound("+7916", *asked))
            return [msgspec.json.decode(one.body)["text"] for one in found]

        self.assertEqual(texts(NOW, NOW + 99, 9), ["t0", "t2", "t3"])
        self.assertEqual(texts(NOW + 1, NOW + 30, 9), ["t2"])
        self.assertEqual(texts(NOW, NOW + 99, 1), ["t0"])

    def test_a_message_that_was_taken_is_explained(self) -> None:
        """Its octets, by the settings of now."""
        self.send("m1")
        told = self.result(self.gateway.explain_stored("m1"))
        self.assertEqual(
            told["segments"], [{"user_data": "00", "units": 1, "wire": ["00"]}]
        )
        self.assertIsNone(self.result(self.gateway.explain_stored("nobody")))

    def test_counts_by_state(self) -> None:
        """As the journal has them."""
        self.send("m1", not_before=NOW + 30)
        self.send("m2")
        self.channel.answer()
        self.assertEqual(
            self.result(self.gateway.counts()), {"accepted": 1, "submitted": 1}
        )

    def test_a_lane_that_rests_says_so(self) -> None:
        """In the channels of the API, and so on the page and in the figures."""
        self.send("m1", from_="BAD", channels=("a",))
        no = Error("twilio:21606", "not yours")
        self.channel.answer(Refused(error=no, scope=Scope.SENDER))
        first, _ = self.gateway.channels()
        why = "sender BAD is refused for RU (twilio:21606 not yours)"
        self.assertEqual((first["state"], first["reason"]), ("degraded", why))
        self.assertEqual(
            first["refused_senders"],
            [
                {
                    "sender": "BAD",
                    "country": "RU",
                    "code": "twilio:21606",
                    "text": "not yours",
                    "next_try_at": NOW + 60,
                }
            ],
        )
        self.assertIsNone(first["unable"])
        self.send("m2", channels=("a",))
        halt = Error("twilio:20003", "bad token", True)
        self.channel.answer(Refused(error=halt, scope=Scope.CHANNEL_HALTED))
        first, _ = self.gateway.channels()
        halted = ("down", "twilio:20003: bad token")
        self.assertEqual((first["state"], first["reason"]), halted)
        self.assertEqual(first["unable"], halted[1])
        self.assertEqual(first["next_try_at"], NOW + 300)
        self.result(self.gateway.resume("a"))
        first, _ = self.gateway.channels()
        self.assertEqual((first["state"], first["reason"]), ("up", ""))
        self.assertEqual((first["refused_senders"], first["unable"]), ([], None))
        self.assertIsNone(first["next_try_at"])

    def test_a_channel_whose_submits_are_not_answered_says_so(self) -> None:
        """In its state, with how many and since when, until the first answer."""
        for number in range(4):
            self.send(f"m{number}", channels=("a",), on_unsure=OnUnsure.HOLD)
            self.channel.answer(Uncertain(why="no answer in 30 s", unanswered=True))
        first, second = self.gateway.channels()
        self.assertEqual(first["state"], "degraded")
        self.assertIn("4 submits unanswered since ", first["reason"])
        self.assertEqual((first["unanswered"], first["unanswered_since"]), (4, NOW))
        self.assertEqual((second["state"], second["unanswered"]), ("up", 0))
        self.send("m9", channels=("a",))
        self.channel.answer()
        first, _ = self.gateway.channels()
        self.assertEqual((first["state"], first["reason"]), ("up", ""))
        self.assertIsNone(first["unanswered_since"])

    def test_unmatched_receipts(self) -> None:
        """With the time when they came, JSON-ready, newest first."""
        for number, error in ((1, None), (2, Error("smpp:0x58", "no"))):
            receipt = Receipt(
                account="account-a", channel="a", provider_id=f"X{number}",
                state=MessageState.DELIVERED, keys=(f"x{number}",),
                error=error, at=NOW - 60,
            )  # fmt: skip
            self.assertIsNone(self.result(self.dispatcher.receipt(receipt)))
            self.clock.advance(1)
        newest, first = self.result(self.gateway.unmatched(10))
        self.assertEqual(newest["provider_id"], "X2")
        self.assertEqual(newest["error"]["code"], "smpp:0x58")
        self.assertEqual(first["at"], "2026-11-18T11:05:40.000Z")
        self.assertEqual(first["received_at"], "2026-11-18T11:06:40.000Z")
        self.assertEqual(first["state"], "delivered")
        self.assertEqual(self.result(self.gateway.count_unmatched()), 2)
        self.assertEqual(len(self.result(self.gateway.unmatched(1))), 1)

    def test_what_passed(self) -> None:
        """Of a channel that keeps it; others say so, unknown ones are None."""
        self.assertEqual(self.gateway.trace("a", 1), [{"number": 2}])
        self.assertEqual(self.gateway.capture("a"), b"pcap")
        self.assertIsNone(self.gateway.trace("nobody", 0))
        self.assertIsNone(self.gateway.capture("nobody"))
        for ask in (
            lambda: self.gateway.trace("b", 0),
            lambda: self.gateway.capture("b"),
        ):
            fault = self.assertRaises(OurFault, ask)
            self.assertIn("kind hand keep no trace", str(fault))

    def test_pause_is_remembered(self) -> None:
        """In the journal, until the operator resumes."""
        self.assertTrue(self.result(self.gateway.pause("a")))
        self.assertTrue(self.result(self.journal.cursor(PAUSED.format("a"))))
        self.send("m1", channels=("a",))
        self.assertEqual(self.channel.submitted, [])
        self.assertTrue(self.result(self.gateway.resume("a")))
        self.assertFalse(self.result(self.journal.cursor(PAUSED.format("a"))))
        self.assertEqual(self.channel.ids, ["m1"])
        self.assertFalse(self.result(self.gateway.pause("nobody")))
        self.assertFalse(self.result(self.gateway.resume("nobody")))

    def test_cancel(self) -> None:
        """What waits is taken back, what left is not, what is unknown is None."""
        self.send("m1", not_before=NOW + 30)
        self.send("m2")
        self.assertIs(self.result(self.gateway.cancel("m1")), True)
        self.assertIs(self.result(self.gateway.cancel("m2")), False)
        self.assertIsNone(self.result(self.gateway.cancel("m3")))
        self.clock.advance(31)
        self.assertEqual(self.channel.ids, ["m2"])

    def test_search(self) -> None:
        """By what is said; a broken cursor is named."""
        self.send("m1")
        self.send("m2", from_="X")
        page = self.result(self.gateway.search(Search(from_="X")))
        self.assertEqual([one["id"] for one in page.messages], ["m2"])
        asking = Deferred.fromCoroutine(self.gateway.search(Search(cursor="rubbish")))
        fault = self.failureResultOf(asking, InvalidMessage).value
        self.assertEqual(fault.field, "cursor")

    def test_waiting_for_events(self) -> None:
        """It ends with the next event, at once when there is one, or by cancelling."""
        last = self.gateway.last_event()
        waiting, other = (
            self.gateway.events_after(last),
            self.gateway.events_after(last),
        )
        other.cancel()
        self.failureResultOf(other)
        self.assertNoResult(waiting)
        self.send("m1")
        self.assertIsNone(self.successResultOf(waiting))
        self.successResultOf(self.gateway.events_after(last))
        events = self.result(self.gateway.events(last, 1))
        self.assertEqual(events[0].seq, last + 1)

    def test_channels_as_operators_see_them(self) -> None:
        """The channel's own words, and its lane's figures."""
        self.send("m1")
        first, second = self.gateway.channels()
        self.assertEqual((first["name"], first["kind"]), ("a", "hand"))
        self.assertEqual((first["in_flight"], first["window"]), (1, 10))
        self.assertEqual(second["backlog"], 0)

    def test_unready(self) -> None:
        """While it stops, and while the backlog is full."""
        self.assertIsNone(self.gateway.unready())
        self.dispatcher.intake.backlog_limit = 1
        self.send("m1", not_before=NOW + 30)
        self.assertEqual(self.gateway.unready(), "the backlog is full")
        self.dispatcher.stopping = True
        self.assertEqual(self.gateway.unready(), "the gateway is stopping")

    def test_all_reasons_at_once(self) -> None:
        """An operator who mends one of two is not to find the other afterwards."""
        self.assertEqual(self.gateway.unready_reasons(), [])
        self.dispatcher.intake.backlog_limit = 1
        self.send("m1", not_before=NOW + 30)
        self.dispatcher.stopping = True
        self.assertEqual(
            self.gateway.unready_reasons(),
            ["the gateway is stopping", "the backlog is full"],
        )

    def test_not_ready_before_it_has_started(self) -> None:
        """Nothing is taken then, and readiness says so."""
        self.dispatcher.intake.closed = True
        self.assertEqual(self.gateway.unready(), "the gateway is starting")

    def test_figures(self) -> None:
        """One look at lanes, journal and channels."""
        self.send("m1", channels=("a",))
        self.clock.advance(0.5)
        self.channel.answer()
        found = self.result(self.gateway.figures())
        self.assertEqual(found.at, NOW + 0.5)
        self.assertEqual([one["name"] for one in found.channels], ["a", "b"])
        self.assertEqual(found.lanes["a"].submit_to_response.sum, 0.5)
        self.assertEqual(found.journal.states["a", MessageState.SUBMITTED], 1)
        self.assertEqual(found.stored.states, {"submitted": 1})
        self.assertEqual(found.last_event, self.gateway.last_event())
        self.assertIsNone(found.amqp)

    def test_figures_while_the_disk_hangs(self) -> None:
        """What memory knows is told after a few seconds; nobody waits for ever."""
        self.journal._reads.hold()  # type: ignore[attr-defined]
        asked = Deferred.fromCoroutine(self.gateway.figures())
        self.assertNoResult(asked)
        self.clock.advance(5)
        found = self.successResultOf(asked)
        self.assertIsNone(found.stored)
        self.assertEqual(len(found.channels), 2)
        self.journal._reads.release()  # type: ignore[attr-defined]
        self.assertIsNotNone(self.result(self.gateway.figures()).stored)

    def test_figures_without_a_journal(self) -> None:
        """What memory knows is told all the same."""
        self.result(self.journal.close())
        found = self.result(self.gateway.figures())
        self.assertIsNone(found.stored)
        self.assertEqual(len(found.channels), 2)

    def test_unready_without_a_journal(self) -> None:
        """What posts are told, readiness says beforehand."""
        real = self.journal._database.commit

        def locked() -> None:
            raise sqlite3.OperationalError("database is locked")

        self.journal._database.commit = locked  # type: ignore[method-assign]
        self.journal.beat()
        self.journal.beat()
        said = "the journal cannot be written: database is locked"
        self.assertEqual(self.gateway.unready(), said)
        self.journal._database.commit = real  # type: ignore[method-assign]
        self.journal.beat()
        self.assertIsNone(self.gateway.unready())

    def test_line_commands(self) -> None:
        """They go to the channel."""
        said = self.result(self.gateway.line_command("a", "l1", "ussd", ["*100#"]))
        self.assertEqual(said, "l1 ussd *100#")
        asking = Deferred.fromCoroutine(self.gateway.line_command("x", "l", "v", []))
        self.failureResultOf(asking, OurFault)
