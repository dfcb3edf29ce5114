"""The dispatcher over a real journal, with channels that the test leads by hand."""

from __future__ import annotations

import json
import sqlite3
from itertools import pairwise
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import Unavailable
from gdemoi.facts import Cancelled, Duplicate, IdReused, Rejected, Stored
from gdemoi.journal import Journal
from gdemoi.journal.threads import Job
from gdemoi.message import (
    Accepted,
    Error,
    Inbound,
    InboundSegment,
    MessageClass,
    MessageState,
    Numbering,
    OnUnsure,
    Outbound,
    Progress,
    Receipt,
    Refused,
    Scope,
    Uncertain,
    provider_key,
)
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.explain import explain
from gdemoi.routing.retry import RetryPolicy
from gdemoi.routing.rules import Router
from tests.routing.channels import HandChannel, PartChannel

POLICY = RetryPolicy(tries=3, first_s=10.0, last_s=60.0, hold_s=30.0)


class Case(SynchronousTestCase):
    """A gateway without the platform's side, in memory."""

    channels: tuple[str, ...] = ("a",)

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.hands = {
            name: HandChannel(name=name, account=f"account-{name}")
            for name in self.channels
        }
        self.journal = Journal("sqlite://", self.clock, inline=True)
        self.successResultOf(self.journal.open())
        self.dispatcher = self.build(self.journal)

    def build(self, journal: Journal) -> Dispatcher:
        """Start a dispatcher over `journal`; stop it at the end of the test."""
        dispatcher = Dispatcher(
            journal,
            self.clock,
            Router([], self.channels),
            self.hands.values(),
            policy=POLICY,
            backlog_limit=50,
        )
        self.run_to_end(dispatcher.start())
        self.addCleanup(self.end, dispatcher)
        return dispatcher

    def end(self, dispatcher: Dispatcher) -> None:
        self.run_to_end(dispatcher.stop(1.0))

    def run_to_end(self, coroutine: Any) -> Any:
        """Return what a coroutine that waits for nothing returns."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def message(self, id_: str = "m1", **fields: Any) -> Outbound:
        now = self.clock.seconds()
        given: dict[str, Any] = {
            "id": id_,
            "to": "+79161234567",
            "text": "hi",
            "accepted_at": now,
            "expires_at": now + 3600,
        }
        return Outbound(**{**given, **fields})

    def command(self, id_: str, **fields: Any) -> Outbound:
        fields.setdefault("on_unsure", OnUnsure.HOLD)
        return self.message(id_, class_=MessageClass.COMMAND, **fields)

    def accept(self, *messages: Outbound, keep_rejected: bool = False) -> list[Any]:
        marked = [(m, (m.text or "").encode()) for m in messages]
        accepting = self.dispatcher.intake.accept(marked, keep_rejected=keep_rejected)
        verdicts: list[Any] = self.successResultOf(accepting)
        return verdicts

    def refuse(self, message: Outbound) -> None:
        """See that no message is taken."""
        accepting = self.dispatcher.intake.accept([(message, b"")])
        self.failureResultOf(accepting, Unavailable)

    def states(self, id_: str = "m1") -> list[str]:
        """Return the states that were told of a message, in order."""
        return [event["state"] for event in self.events(id_)]

    def changes(self) -> list[tuple[str, str]]:
        """Return state and reason of the channel events that were told."""
        events = self.successResultOf(self.journal.events(0, 10_000))
        bodies = [json.loads(event.body) for event in events]
        return [(b["state"], b["reason"]) for b in bodies if b["type"] == "channel"]

    def events(self, id_: str = "m1") -> list[dict[str, Any]]:
        events = self.successResultOf(self.journal.events(0, 10_000))
        bodies = [json.loads(event.body) for event in events]
        return [b for b in bodies if b["type"] == "status" and b["id"] == id_]

    def receipt(
        self, provider_id: str, state: MessageState = MessageState.DELIVERED
    ) -> Receipt:
        return Receipt(
            account="account-a",
            channel="a",
            provider_id=provider_id,
            keys=(provider_key(provider_id),),
            state=state,
        )


class LoopTests(Case):
    """What runs now and then goes on whatever befalls it."""

    def test_a_sweep_that_fails_is_not_the_last(self) -> None:
        """A fault that is not the journal's silence: logged, and swept again."""
        self.hands["a"].down = "for now"
        self.accept(self.message("m1"))
        database = self.journal._database
        database.run(
            "CREATE TRIGGER odd BEFORE UPDATE ON messages"
            " BEGIN SELECT RAISE(ABORT, 'odd'); END"
        )
        self.clock.pump([1.0, 3600.0, 1.0, 1.0])
        self.assertTrue(self.flushLoggedErrors(sqlite3.IntegrityError))
        self.assertNotIn("expired", self.states("m1"))
        database.run("DROP TRIGGER odd")
        self.clock.pump([1.0, 1.0])
        self.assertEqual(self.states("m1")[-1], "expired")


class WayTests(Case):
    def test_a_message_goes_out_and_its_receipt_comes_back(self) -> None:
        """accepted, submitted, delivered: three events."""
        self.assertEqual(self.accept(self.message()), [Stored()])
        hand = self.hands["a"]
        self.assertEqual(hand.ids, ["m1"])
        hand.answer(Accepted(provider_ids=("77",)))
        self.successResultOf(self.dispatcher.receipt(self.receipt("77")))
        self.assertEqual(self.states(), ["accepted", "submitted", "delivered"])

    def test_a_receipt_before_the_answer_counts(self) -> None:
        """A fast SMSC sends its receipt first."""
        self.accept(self.message())
        self.successResultOf(self.dispatcher.receipt(self.receipt("77")))
        self.hands["a"].answer(Accepted(provider_ids=("77",)))
        self.assertEqual(self.states(), ["accepted", "submitted", "delivered"])

    def test_a_repeat_is_not_sent(self) -> None:
        """The same id with the same content is a duplicate, else it was reused."""
        self.accept(self.message())
        self.assertEqual(
            self.accept(self.message(), self.message(text="other")),
            [Duplicate(MessageState.ACCEPTED), IdReused()],
        )
        self.assertEqual(self.hands["a"].ids, ["m1"])

    def test_a_repeat_within_one_batch_is_not_sent(self) -> None:
        """Twice in one array is once on the air."""
        verdicts = self.accept(self.message(), self.message())
        self.assertEqual(verdicts[0], Stored())
        self.assertIsInstance(verdicts[1], Duplicate)
        self.assertEqual(self.hands["a"].ids, ["m1"])

    def test_an_expired_message_is_not_sent(self) -> None:
        """It is rejected on arrival."""
        verdicts = self.accept(self.message(expires_at=999.0))
        self.assertEqual(verdicts[0].error.code, "gateway:expired")
        self.assertEqual(self.hands["a"].ids, [])

    def test_what_waits_too_long_expires(self) -> None:
        """A message for a channel that is down ends as expired."""
        self.hands["a"].down = "no bind"
        self.accept(self.message(expires_at=1010.0))
        for _ in range(12):
            self.clock.advance(1)
        self.assertEqual(self.states(), ["accepted", "expired"])
        self.hands["a"].down = None
        self.dispatcher.able(self.hands["a"])
        self.assertEqual(self.hands["a"].ids, [])

    def test_not_before_is_kept(self) -> None:
        """A message for later leaves then, not now."""
        self.accept(self.message(not_before=1100.0))
        self.clock.advance(99)
        self.assertEqual(self.hands["a"].ids, [])
        for _ in range(3):
            self.clock.advance(1)
        self.assertEqual(self.hands["a"].ids, ["m1"])

    def test_rejected_by_the_channel(self) -> None:
        """A message that no channel can carry is answered with the reason."""
        self.hands["a"].refuses = Error("gateway:unencodable", "no Cyrillic")
        verdict = self.accept(self.message())[0]
        self.assertEqual(verdict, Rejected(Error("gateway:unencodable", "no Cyrillic")))
        self.assertEqual(self.states(), [])

    def test_rejected_and_kept_for_those_who_cannot_be_answered(self) -> None:
        """With `keep_rejected` the rejection is an event, and the id is used."""
        self.hands["a"].refuses = Error("gateway:unencodable", "no Cyrillic")
        self.accept(self.message(), keep_rejected=True)
        self.assertEqual(self.states(), ["rejected"])
        self.assertTrue(self.events()[0]["final"])

    def test_cancelled_before_it_left(self) -> None:
        """What waits can be taken back, what has left cannot."""
        self.hands["a"].window = 1
        self.accept(self.message("m1"), self.message("m2"))
        self.assertTrue(self.successResultOf(self.journal.note(Cancelled("m2", 1.0))))
        self.dispatcher.forget("m2")
        self.assertFalse(self.successResultOf(self.journal.note(Cancelled("m1", 1.0))))
        self.hands["a"].answer()
        self.assertEqual(self.hands["a"].ids, ["m1"])
        self.assertEqual(self.states("m2"), ["accepted", "cancelled"])

    def test_a_cancelled_message_in_memory_does_not_leave(self) -> None:
        """Even if the lane was not told, the journal stops the attempt."""
        self.hands["a"].window = 1
        self.accept(self.message("m1"), self.message("m2"))
        self.successResultOf(self.journal.note(Cancelled("m2", 1.0)))
        self.hands["a"].answer()
        self.assertEqual(self.hands["a"].ids, ["m1"])


class WindowTests(Case):
    def test_never_more_than_the_window(self) -> None:
        """With a window of three, the fourth waits for an answer."""
        hand = self.hands["a"]
        hand.window = 3
        self.accept(*(self.message(f"m{n}") for n in range(10)))
        self.assertEqual(hand.ids, ["m0", "m1", "m2"])
        hand.answer(index=1)
        self.assertEqual(hand.ids, ["m0", "m1", "m2", "m3"])

    def test_commands_go_before_notifications(self) -> None:
        """By priority, then by age."""
        hand = self.hands["a"]
        hand.window = 1
        self.accept(self.message("n1"), self.message("n2"))
        self.accept(self.command("c1", priority=7))
        hand.answer(index=0)
        hand.answer(index=1)
        self.assertEqual(hand.ids, ["n1", "c1", "n2"])

    def test_commands_to_one_number_do_not_overtake(self) -> None:
        """The second command waits for the first one's answer."""
        hand = self.hands["a"]
        self.accept(
            self.command("c1"),
            self.command("c2"),
            self.command("other", to="+79160000000"),
            self.command("c3"),
        )
        self.assertEqual(hand.ids, ["c1", "other"])
        hand.answer(index=0)
        self.assertEqual(hand.ids, ["c1", "other", "c2"])
        hand.answer(index=2)
        self.assertEqual(hand.ids, ["c1", "other", "c2", "c3"])

    def test_the_rest_waits_in_the_journal(self) -> None:
        """More than the head's worth is read again when the head runs low."""
        from gdemoi.routing import lanes

        self.patch(lanes, "HEAD_LIMIT", 4)
        self.patch(lanes, "LOW_MARK", 2)
        hand = self.hands["a"]
        hand.window = 1
        ids = [f"m{n:02}" for n in range(30)]
        self.accept(*(self.message(id_) for id_ in ids))
        self.assertLessEqual(self.dispatcher.lanes["a"].waiting, 4)
        for index in range(30):
            hand.answer(index=index)
        self.assertEqual(hand.ids, ids)

    def test_a_full_backlog_takes_nothing(self) -> None:
        """Over the mark nothing is taken until nine tenths are left."""
        hand = self.hands["a"]
        hand.down = "no bind"
        self.accept(*(self.message(f"m{n}") for n in range(50)))
        self.refuse(self.message("more"))
        hand.down = None
        self.dispatcher.able(hand)
        self.accept(self.message("more"))
        self.assertIn("m0", hand.ids)


class PauseTests(Case):
    def test_a_paused_lane_sends_nothing(self) -> None:
        """An operator's pause holds until resume."""
        lane = self.dispatcher.lanes["a"]
        lane.pause()
        self.accept(self.message())
        self.assertEqual(self.hands["a"].ids, [])
        lane.resume()
        self.assertEqual(self.hands["a"].ids, ["m1"])

    def test_the_rate_is_kept(self) -> None:
        """Ten per second, counted in segments."""
        hand = HandChannel(name="b", rate=10.0, window=100)
        self.dispatcher.router = self.dispatcher.intake.router = Router([], ["b"])
        self.hands["b"] = hand
        self.dispatcher.open_channel(hand)
        self.accept(*(self.message(f"m{n}") for n in range(40)))
        for _ in range(200):
            self.clock.advance(0.01)
        self.assertApproximates(len(hand.ids), 20, 2)

    def test_twenty_per_second_over_any_five_seconds(self) -> None:
        """20 ± 1 per second, also when each answer takes a tenth of a second."""
        hand = HandChannel(name="b", rate=20.0, window=50)
        self.dispatcher.router = self.dispatcher.intake.router = Router([], ["b"])
        self.dispatcher.intake.backlog_limit = 1000
        self.hands["b"] = hand
        self.dispatcher.open_channel(hand)
        self.accept(*(self.message(f"m{n}") for n in range(400)))
        sent, left = [], []
        for step in range(1500):
            self.clock.advance(0.01)
            left += [step] * (len(hand.ids) - len(left))
            while len(sent) < len(left) and left[len(sent)] <= step - 10:
                hand.answer(index=len(sent))
                sent.append(step)
        for start in range(50, 1000, 10):
            count = sum(start <= at < start + 500 for at in left)
            self.assertLessEqual(abs(count / 5 - 20), 1)


class ThrottleTests(Case):
    def throttle(self) -> Refused:
        return Refused(error=Error("smpp:0x58", "throttled", True), throttled=True)

    def test_a_throttled_message_goes_back_to_the_head(self) -> None:
        """It keeps its place and its prepared segments."""
        hand = self.hands["a"]
        hand.window = 1
        self.accept(self.message("m1"), self.message("m2"))
        prepared = hand.submitted[0][0]
        hand.answer(self.throttle())
        self.assertEqual(hand.ids, ["m1"])
        for _ in range(15):
            self.clock.advance(0.1)
        self.assertEqual(hand.ids, ["m1", "m1"])
        self.assertIs(hand.submitted[1][0], prepared)
        self.assertEqual(hand.submitted[1][1], 2)
        hand.answer()
        self.clock.advance(2)
        self.assertEqual(hand.ids, ["m1", "m1", "m2"])

    def test_order_is_kept_through_throttling(self) -> None:
        """The second command to a number waits until the throttled one is taken."""
        hand = self.hands["a"]
        self.accept(self.command("c1"), self.command("c2"))
        hand.answer(self.throttle())
        for _ in range(15):
            self.clock.advance(0.1)
        self.assertEqual(hand.ids, ["c1", "c1"])
        hand.answer()
        for _ in range(15):
            self.clock.advance(0.1)
        self.assertEqual(hand.ids, ["c1", "c1", "c2"])

    def test_throttling_slows_the_lane(self) -> None:
        """A throttled lane pauses and goes on at half its rate."""
        hand = self.hands["a"]
        self.accept(self.message())
        hand.answer(self.throttle())
        self.assertTrue(self.dispatcher.lanes["a"].back_off.pace.slowed)

    def test_throttled_for_long_ends_as_expired(self) -> None:
        """A message is retried no longer than its time to live."""
        hand = self.hands["a"]
        self.accept(self.message(expires_at=1060.0))
        for _ in range(900):
            if hand.submitted and not hand.submitted[-1][2].called:
                hand.answer(self.throttle())
            self.clock.advance(0.1)
        self.assertEqual(self.states()[-1], "expired")
        self.assertEqual(self.states().count("expired"), 1)


class OtherLanesTests(Case):
    channels = ("a", "b")

    def test_other_lanes_do_not_wait(self) -> None:
        """While one channel is throttled, the other goes on."""
        throttled = Refused(error=Error("smpp:0x58", "throttled", True), throttled=True)
        self.accept(*(self.message(f"m{n}", channels=("a",)) for n in range(20)))
        self.hands["a"].answer(throttled)
        before = len(self.hands["a"].ids)
        self.accept(self.message("x", channels=("b",)))
        self.assertEqual(self.hands["b"].ids, ["x"])
        self.assertEqual(len(self.hands["a"].ids), before)


class RefusalTests(Case):
    channels = ("a", "b")

    def test_a_final_refusal_is_told_once(self) -> None:
        """No other channel is tried with what is wrong in itself."""
        self.accept(self.message())
        self.hands["a"].answer(Refused(error=Error("smpp:0x0B", "bad number")))
        self.assertEqual(self.states(), ["accepted", "rejected"])
        self.assertEqual(self.events()[-1]["error"]["code"], "smpp:0x0B")
        self.assertEqual(self.hands["b"].ids, [])

    def test_a_channel_at_fault_hands_over(self) -> None:
        """The next channel takes the message at once."""
        self.accept(self.message())
        self.hands["a"].answer(
            Refused(
                error=Error("smpp:0x08", "system error", True),
                scope=Scope.CHANNEL_FOR_A_WHILE,
            )
        )
        self.assertEqual(self.hands["b"].ids, ["m1"])
        self.assertIsNotNone(self.dispatcher.lanes["a"].unable())

    def test_a_down_channel_is_passed_over(self) -> None:
        """New messages go the other way at once."""
        self.hands["a"].down = "no bind"
        self.accept(self.message())
        self.assertEqual(self.hands["b"].ids, ["m1"])

    def test_what_waits_for_a_down_channel_moves_after_a_while(self) -> None:
        """After five seconds the messages of a dead channel go the other way."""
        self.hands["a"].down = self.hands["b"].down = "no bind"
        self.accept(self.message("m1"), self.message("m2"))
        self.hands["b"].down = None
        for _ in range(4):
            self.clock.advance(1)
        self.assertEqual(self.hands["b"].ids, [])
        for _ in range(4):
            self.clock.advance(1)
        self.assertEqual(self.hands["b"].ids, ["m1", "m2"])
        self.assertEqual(self.hands["a"].ids, [])

    def test_until_someone_acts(self) -> None:
        """A halted channel is left alone, and `resume` sends again."""
        self.hands["b"].down = "no bind"
        self.accept(self.message("m1"), self.message("m2"))
        for index in range(2):
            self.hands["a"].answer(
                Refused(
                    error=Error("twilio:20003", "bad credentials"),
                    scope=Scope.CHANNEL_HALTED,
                ),
                index=index,
            )
        for _ in range(60):
            self.clock.advance(1)
        self.assertEqual(len(self.hands["a"].ids), 2)
        self.dispatcher.lanes["a"].resume()
        self.assertEqual(len(self.hands["a"].ids), 4)

    def test_temporary_errors_are_retried_and_end(self) -> None:
        """Three tries with growing pauses, then undelivered."""
        self.hands["b"].down = "no bind"
        hand = self.hands["a"]
        self.accept(self.message())
        temporary = Refused(error=Error("smpp:0x45", "submit failed", True))
        for tries in (1, 2, 3):
            self.assertEqual(len(hand.ids), tries)
            hand.answer(temporary)
            for _ in range(25):
                self.clock.advance(1)
        self.assertEqual(self.states()[-1], "undelivered")
        self.assertEqual(self.events()[-1]["error"]["code"], "smpp:0x45")


class UnsureTests(Case):
    def test_a_command_that_may_have_gone_out_is_told_uncertain(self) -> None:
        """Held, then `uncertain`; it is never sent again."""
        self.accept(self.command("c1"))
        self.hands["a"].answer(Uncertain(why="no answer in 30 s"))
        self.assertEqual(self.states("c1"), ["accepted"])
        for _ in range(40):
            self.clock.advance(1)
        self.assertEqual(self.states("c1"), ["accepted", "uncertain"])
        self.assertEqual(self.hands["a"].ids, ["c1"])

    def test_a_late_answer_settles_it(self) -> None:
        """The answer that came after its time counts."""
        self.accept(self.command("c1"))
        self.hands["a"].answer(Uncertain(why="no answer"))
        self.clock.advance(5)
        self.dispatcher.late("c1", 1, Accepted(provider_ids=("9",)))
        self.successResultOf(self.dispatcher.receipt(self.receipt("9")))
        self.assertEqual(self.states("c1"), ["accepted", "submitted", "delivered"])

    def test_a_late_refusal_is_certainly_not_sent(self) -> None:
        """After a late temporary refusal even a held command goes out again."""
        self.accept(self.command("c1"))
        self.hands["a"].answer(Uncertain(why="no answer"))
        self.dispatcher.late("c1", 1, Refused(error=Error("smpp:0x45", "no", True)))
        for _ in range(12):
            self.clock.advance(1)
        self.assertEqual(self.hands["a"].ids, ["c1", "c1"])

    def test_what_was_refused_and_is_taken_after_all_is_not_sent_again(self) -> None:
        """A far side that contradicts itself: the try that waited is given up."""
        self.accept(self.command("c1"))
        self.hands["a"].answer(Refused(error=Error("goip:38", "no network", True)))
        self.dispatcher.late("c1", 1, Accepted(provider_ids=("9",)))
        for _ in range(60):
            self.clock.advance(1)
        self.assertEqual(self.hands["a"].ids, ["c1"])
        self.assertEqual(self.states("c1"), ["accepted", "waiting", "submitted"])

    def test_a_refusal_for_good_stays_one(self) -> None:
        """It was told; what comes after it is of no use."""
        self.accept(self.command("c1"))
        self.hands["a"].answer(Refused(error=Error("smpp:0x0B", "bad number")))
        self.dispatcher.late("c1", 1, Accepted(provider_ids=("9",)))
        self.assertEqual(self.states("c1"), ["accepted", "rejected"])

    def test_a_late_refusal_after_uncertain_is_the_last_word(self) -> None:
        """Once `uncertain` was told there is no way back, but now it is certain."""
        self.accept(self.command("c1"))
        self.hands["a"].answer(Uncertain(why="no answer"))
        for _ in range(40):
            self.clock.advance(1)
        self.dispatcher.late("c1", 1, Refused(error=Error("smpp:0x45", "no", True)))
        self.assertEqual(self.states("c1"), ["accepted", "uncertain", "undelivered"])
        self.assertEqual(self.hands["a"].ids, ["c1"])

    def test_a_late_success_after_uncertain_as_the_manual_says(self) -> None:
        """Of a TG, which has no receipts: enroute, and final."""
        self.accept(self.command("c1"))
        self.hands["a"].answer(Uncertain(why="no result"))
        for _ in range(40):
            self.clock.advance(1)
        sent = Accepted(provider_ids=("9",), receipt_expected=False)
        self.dispatcher.late("c1", 1, sent)
        self.assertEqual(
            [(event["state"], event["final"]) for event in self.events("c1")],
            [("accepted", False), ("uncertain", False), ("enroute", True)],
        )

    def test_the_provider_is_asked(self) -> None:
        """Where it can be asked, its word settles the message."""
        hand = self.hands["a"]
        hand.knows = self.receipt("9")
        self.accept(self.command("c1"))
        hand.answer(Uncertain(why="no answer", provider_ids=("9",)))
        for _ in range(12):
            self.clock.advance(1)
        self.assertEqual(hand.asked, [("c1", "9")])
        self.assertEqual(self.states("c1")[-1], "delivered")

    def test_a_notification_is_sent_again(self) -> None:
        """`resend` is the policy of notifications, and only theirs."""
        self.accept(self.message("n1"))
        self.hands["a"].answer(Uncertain(why="no answer"))
        for _ in range(12):
            self.clock.advance(1)
        self.assertEqual(self.hands["a"].ids, ["n1", "n1"])


def in_part(*ids: str | None, account: str = "account-a", form: str = "f") -> Progress:
    """Return how far a message in parts has got."""
    return Progress(account=account, ids=ids, segments=len(ids), form=form)


BUSY_NOW = Error("smpp:0x08", "busy", True)


class PartTests(Case):
    """A message of which some parts have left."""

    channels = ("a", "b", "c")

    def setUp(self) -> None:
        super().setUp()
        # a and c are of one account; b is another carrier
        self.run_to_end(self.dispatcher.stop(1.0))
        self.replace()

    def replace(self, form: str = "f", names: tuple[str, ...] = channels) -> None:
        """Start anew with other channels, over the same journal."""
        accounts = {"a": "account-a", "b": "account-b", "c": "account-a"}
        self.hands = {
            name: PartChannel(name=name, account=accounts[name], segments=3)
            for name in names
        }
        for hand in self.hands.values():
            hand.form = form  # type: ignore[attr-defined]
        self.channels = names
        self.dispatcher = self.build(self.journal)

    def left(self) -> list[tuple[str, int]]:
        """Return by which channel what left, with how many parts gone before."""
        return [
            (name, ready.taken)
            for name, hand in self.hands.items()
            for ready, _, _ in hand.submitted
        ]

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)

    def refuse_in_part(self, **fields: Any) -> None:
        """Take one part of three, and refuse the rest for now."""
        self.hands["a"].answer(
            Refused(error=BUSY_NOW, progress=in_part("1", None, None), **fields)
        )

    def test_the_rest_leaves_by_the_same_channel(self) -> None:
        """Whatever the refusal was about."""
        for number, scope in enumerate(Scope):
            name = f"c{number}"
            self.accept(self.command(name, to=f"+7916000000{number}"))
            self.refuse_in_part(scope=scope)
            self.wait(320)
            self.hands["a"].answer()
            self.assertEqual(self.left()[-2:], [("a", 0), ("a", 1)], scope)
            self.assertEqual(self.states(name)[-1], "submitted")

    def test_another_channel_of_the_account_takes_it_over(self) -> None:
        """Its parts fit: same ids, same form."""
        self.accept(self.command("c1"))
        self.refuse_in_part()
        self.hands["a"].down = "no bind"
        self.hands["b"].down = "no bind"
        self.wait(20)
        self.assertEqual(self.left(), [("a", 0), ("c", 1)])

    def test_another_carrier_does_not(self) -> None:
        """A command stays where a part of it is."""
        self.accept(self.command("c1"))
        self.refuse_in_part(throttled=True)
        self.hands["a"].down = self.hands["c"].down = "no bind"
        self.wait(60)
        self.assertEqual(self.left(), [("a", 0)])
        self.hands["a"].down = None
        self.dispatcher.able(self.hands["a"])
        self.wait(5)
        # the throttled one stands at the head of its lane, as it was
        self.assertEqual([name for name, _ in self.left()], ["a", "a"])

    def test_a_channel_that_is_gone(self) -> None:
        """Only one of the account may do the rest; else it is uncertain."""
        for left_over, states, left in (
            (("b", "c"), "waiting", [("c", 1)]),
            (("b",), "uncertain", []),
        ):
            name = f"gone-{len(left_over)}"
            self.accept(self.command(name))
            self.refuse_in_part()
            self.run_to_end(self.dispatcher.stop(1.0))
            self.replace(names=left_over)
            self.wait(20)
            self.assertEqual(self.left(), left)
            self.assertEqual(self.states(name)[-1], states)
            for hand in self.hands.values():
                for _, _, waiting in hand.submitted:
                    waiting.callback(Accepted())
            self.run_to_end(self.dispatcher.stop(1.0))
            self.replace(names=("a", "b", "c"))

    def test_no_channel_is_left_for_it(self) -> None:
        """Not rejected: a part of it has left."""
        self.accept(self.command("c1", channels=("a",)))
        self.refuse_in_part()
        self.run_to_end(self.dispatcher.stop(1.0))
        self.replace(names=("b",))
        self.wait(20)
        self.assertEqual(self.states("c1")[-1], "uncertain")
        self.assertEqual(self.events("c1")[-1]["error"]["code"], "gateway:partly_sent")

    def test_a_channel_that_cuts_otherwise_now(self) -> None:
        """A command is uncertain, a notification leaves whole."""
        self.accept(self.command("c1", channels=("a",)))
        self.refuse_in_part()
        self.accept(self.message("n1", to="+79160000000", channels=("a",)))
        self.refuse_in_part()
        self.run_to_end(self.dispatcher.stop(1.0))
        self.replace(form="g")
        self.wait(20)
        self.assertEqual(self.hands["a"].ids, ["n1"])
        self.assertEqual(self.left(), [("a", 0)])
        self.assertEqual(self.states("c1")[-1], "uncertain")

    def test_resend_goes_on_where_it_stood(self) -> None:
        """Also a command's, and not by another carrier."""
        lost = Uncertain(
            why="?", provider_ids=("1",), progress=in_part("1", None, None)
        )
        for message in (
            self.command("c1", on_unsure=OnUnsure.RESEND),
            self.message("n1", to="+79160000000"),
        ):
            self.accept(message)
            self.hands["a"].answer(lost)
            self.wait(15)
            self.assertEqual(self.left()[-1], ("a", 1))
            self.hands["a"].answer()

    def test_resend_of_what_cannot_go_on(self) -> None:
        """A cloud took two entries of three: a command is not sent again."""
        cut = in_part("1", "2", None, form="")
        lost = Uncertain(why="?", provider_ids=("1", "2"), progress=cut)
        self.accept(self.command("c1", on_unsure=OnUnsure.RESEND))
        self.hands["a"].answer(lost)
        self.wait(60)
        self.assertEqual(self.left(), [("a", 0)])
        self.assertEqual(self.states("c1")[-1], "uncertain")
        self.accept(self.message("n1", to="+79160000000"))
        self.hands["a"].answer(lost)
        self.wait(15)
        self.assertEqual(self.left(), [("a", 0)] * 3)

    def test_a_notification_fails_over_whole(self) -> None:
        """As ever."""
        self.accept(self.message("n1"))
        self.refuse_in_part(scope=Scope.CHANNEL_FOR_A_WHILE)
        self.assertEqual(self.left(), [("a", 0), ("b", 0)])

    def test_interrupted_with_a_part_known(self) -> None:
        """Killed while the rest is under way: what is known is asked about."""
        self.accept(self.command("c1"))
        self.refuse_in_part()
        self.wait(12)
        self.assertEqual(self.left(), [("a", 0), ("a", 1)])
        self.run_to_end(self.dispatcher.stop(1.0))
        self.replace()
        self.wait(45)
        self.assertEqual(self.left(), [])
        self.assertEqual(self.hands["a"].asked, [("c1", "1")])
        self.assertEqual(self.states("c1")[-1], "uncertain")


class FullQueueTests(Case):
    """ESME_RMSGQFUL is about one number."""

    FULL = Refused(error=Error("smpp:0x14", "queue full", True), queue_full=True)
    OTHER = "+79160000000"

    def test_other_numbers_go_on(self) -> None:
        """One number that always says "full" stops nobody else."""
        hand = self.hands["a"]
        self.accept(self.message("full"))
        hand.answer(self.FULL)
        for n in range(30):
            self.accept(self.message(f"m{n}", to=self.OTHER))
            hand.answer(Accepted())
        self.assertEqual(hand.ids, ["full", *(f"m{n}" for n in range(30))])
        self.assertFalse(self.dispatcher.lanes["a"].back_off.pace.slowed)

    def test_it_waits_alone_and_longer_each_time(self) -> None:
        """10, 20, 40 s, and no last try: it expires when nobody takes it."""
        hand = self.hands["a"]
        self.accept(self.message("full"))
        times = []
        for _ in range(5):
            times.append(self.clock.seconds())
            hand.answer(self.FULL)
            count = len(hand.ids)
            while len(hand.ids) == count:
                self.clock.advance(1.0)
        pauses = [round(b - a) for a, b in pairwise(times)]
        self.assertEqual(pauses, [10, 20, 40, 60])

    def test_later_commands_to_the_number_wait_behind_it(self) -> None:
        """In order, also when they were taken after the refusal."""
        hand = self.hands["a"]
        self.accept(self.command("c1"), self.command("c2"))
        hand.answer(self.FULL)
        self.accept(self.command("c3"), self.command("other", to=self.OTHER))
        hand.answer(Accepted())
        self.assertEqual(hand.ids, ["c1", "other"])
        for _ in range(4):
            self.clock.pump([1.0] * 11)
            if not hand.submitted[-1][2].called:
                hand.answer(Accepted())
        self.assertEqual(hand.ids, ["c1", "other", "c1", "c2", "c3"])

    def test_a_command_that_is_cancelled_holds_nobody_up(self) -> None:
        """Its number is free again, at the latest when it would have been tried."""
        hand = self.hands["a"]
        self.accept(self.command("c1"), self.command("c2"))
        hand.answer(self.FULL)
        now = self.clock.seconds()
        cancelled = self.successResultOf(self.journal.note(Cancelled("c1", now)))
        self.assertTrue(cancelled)
        self.clock.pump([1.0] * 60)
        self.assertEqual(hand.ids, ["c1", "c2"])

    def test_full_for_several_numbers_is_about_the_channel(self) -> None:
        """Three numbers within five seconds slow it down."""
        hand = self.hands["a"]
        for n in range(3):
            self.assertEqual(
                self.dispatcher.lanes["a"].back_off.pace.throttled_count, 0
            )
            self.accept(self.message(f"m{n}", to=f"+7916000000{n}"))
            hand.answer(self.FULL)
        self.assertEqual(self.dispatcher.lanes["a"].back_off.pace.throttled_count, 1)


NOT_YOURS = Refused(error=Error("twilio:21606", "not yours"), scope=Scope.SENDER)
QUEUE_OF_SENDER = Refused(
    error=Error("twilio:21611", "the sender's queue is full", True),
    scope=Scope.SENDER,
    retry_after_s=60.0,
)
BROKEN = Refused(
    error=Error("twilio:20003", "bad credentials", True),
    scope=Scope.CHANNEL_HALTED,
)


class SenderTests(Case):
    """An error about one sender stops the channel no more."""

    def test_other_senders_go_on(self) -> None:
        """The message is rejected, and the channel sends for all others."""
        hand = self.hands["a"]
        self.accept(self.message("bad", from_="BAD"))
        hand.answer(NOT_YOURS)
        self.assertEqual(self.states("bad"), ["accepted", "rejected"])
        self.assertEqual(self.events("bad")[-1]["error"]["code"], "twilio:21606")
        lane = self.dispatcher.lanes["a"]
        self.assertIsNone(lane.unable())
        for n in range(20):
            self.accept(self.message(f"m{n}", from_="GOOD"))
            hand.answer()
        self.assertEqual(hand.ids, ["bad", *(f"m{n}" for n in range(20))])

    def test_a_refused_sender_is_tried_no_more_for_a_while(self) -> None:
        """Neither what comes nor what waits; then once, and longer after that."""
        hand = self.hands["a"]
        hand.window = 1
        self.accept(self.message("m1", from_="BAD"), self.message("m2", from_="BAD"))
        hand.answer(NOT_YOURS)
        self.assertEqual(self.states("m2"), ["accepted", "rejected"])
        (verdict,) = self.accept(self.message("m3", from_="BAD"))
        self.assertIsInstance(verdict, Stored)
        self.assertEqual(self.states("m3"), ["accepted", "rejected"])
        self.assertEqual(self.events("m3")[-1]["error"]["code"], "twilio:21606")
        self.assertEqual(hand.ids, ["m1"])
        self.clock.advance(60)
        self.accept(self.message("m4", from_="BAD"))
        hand.answer(NOT_YOURS)
        self.clock.advance(100)
        self.accept(self.message("m5", from_="BAD"))
        self.assertEqual(self.states("m5")[-1], "rejected")
        self.clock.advance(20)
        self.accept(self.message("m6", from_="BAD"))
        hand.answer()
        self.accept(self.message("m7", from_="BAD"))
        self.assertEqual(hand.ids, ["m1", "m4", "m6", "m7"])

    def test_what_may_leave_later_is_not_refused_now(self) -> None:
        """The rest is over when its time comes."""
        hand = self.hands["a"]
        self.accept(self.message("m1", from_="BAD"))
        hand.answer(NOT_YOURS)
        later = self.clock.seconds() + 90
        self.accept(self.message("m2", from_="BAD", not_before=later))
        self.clock.pump([10] * 10)
        self.assertEqual(hand.ids, ["m1", "m2"])

    def test_a_sender_of_another_country_is_another(self) -> None:
        """Networks take names by country; numbers of others do not wait."""
        hand = self.hands["a"]
        self.accept(self.message("m1", from_="GdeMoi"))
        hand.answer(NOT_YOURS)
        self.accept(self.message("m2", from_="GdeMoi", to="+34600000000"))
        self.assertEqual(hand.ids, ["m1", "m2"])

    def test_everywhere_the_state_says_so(self) -> None:
        """An event, and what channels, figures and the page are made of."""
        self.accept(self.message("m1", from_="BAD"))
        self.hands["a"].answer(NOT_YOURS)
        why = "sender BAD is refused for RU (twilio:21606 not yours)"
        standing = self.dispatcher.lanes["a"].standing("up", "")
        self.assertEqual(standing, ("degraded", why))
        self.clock.advance(60)
        self.assertEqual(self.changes(), [("degraded", why), ("up", "")])

    def test_resume_lifts_the_rest_at_once(self) -> None:
        """Someone has bought the number."""
        hand = self.hands["a"]
        self.accept(self.message("m1", from_="BAD"))
        hand.answer(NOT_YOURS)
        self.dispatcher.lanes["a"].resume()
        self.accept(self.message("m2", from_="BAD"))
        self.assertEqual(hand.ids, ["m1", "m2"])
        self.assertEqual(self.changes()[-1], ("up", ""))

    def test_a_sender_with_a_full_queue_waits_alone(self) -> None:
        """Its messages wait in order, those of others go on (Twilio 21611)."""
        hand = self.hands["a"]
        self.accept(*(self.command(f"c{n}", from_="BUSY") for n in (1, 2)))
        hand.answer(QUEUE_OF_SENDER)
        self.accept(self.message("n1", from_="BUSY"), self.message("m1", from_="GOOD"))
        hand.answer()
        self.assertEqual(hand.ids, ["c1", "m1"])
        self.assertFalse(self.dispatcher.lanes["a"].back_off.pace.slowed)
        self.clock.advance(59)
        self.assertEqual(hand.ids, ["c1", "m1"])
        self.clock.advance(1)
        self.assertEqual(hand.ids, ["c1", "m1", "c1", "n1"])
        hand.answer(index=2)
        self.assertEqual(hand.ids[4:], ["c2"])

    def test_resume_brings_back_what_waits_for_its_sender(self) -> None:
        """At once, and cancelled ones stay away."""
        hand = self.hands["a"]
        self.accept(self.message("m1", from_="BUSY"))
        hand.answer(QUEUE_OF_SENDER)
        self.accept(self.message("m2", from_="BUSY"), self.message("m3", from_="BUSY"))
        self.assertEqual(self.dispatcher.lanes["a"].waiting, 3)
        self.run_to_end(self.journal.note(Cancelled("m2", self.clock.seconds())))
        self.dispatcher.forget("m2")
        self.dispatcher.lanes["a"].resume()
        self.assertEqual(hand.ids, ["m1", "m1", "m3"])

    def run_to_end(self, work: Any) -> Any:
        """Return what work that waits for nothing brings."""
        if isinstance(work, Deferred):
            return self.successResultOf(work)
        return super().run_to_end(work)


class SenderElsewhereTests(Case):
    """With another channel the message is not lost for want of a sender."""

    channels = ("a", "b")

    def test_the_next_channel_takes_it(self) -> None:
        """At once; later ones of that sender go there directly."""
        a, b = self.hands["a"], self.hands["b"]
        self.accept(self.message("m1", from_="X"))
        a.answer(NOT_YOURS)
        b.answer()
        self.accept(self.message("m2", from_="X"), self.message("m3", from_="Y"))
        self.assertEqual((a.ids, b.ids), (["m1", "m3"], ["m1", "m2"]))
        self.assertEqual(self.states("m1"), ["accepted", "waiting", "submitted"])

    def test_refused_by_both_it_is_rejected_once(self) -> None:
        """No ball play; the last refusal is told."""
        self.accept(self.message("m1", from_="X"))
        self.hands["a"].answer(NOT_YOURS)
        error = Error("smpp:0x0A", "invalid source address")
        self.hands["b"].answer(Refused(error=error, scope=Scope.SENDER))
        self.assertEqual(self.states("m1"), ["accepted", "waiting", "rejected"])
        self.assertEqual(self.events("m1")[-1]["error"]["code"], "smpp:0x0A")
        self.assertEqual(len(self.hands["a"].ids + self.hands["b"].ids), 2)

    def test_the_other_channel_may_not_use_the_sender_either(self) -> None:
        """It is rejected then, with what the far side said."""
        self.hands["b"].refuses = Error("gateway:sender_not_allowed", "X")
        self.accept(self.message("m1", from_="X"))
        self.hands["a"].answer(NOT_YOURS)
        self.assertEqual(self.states("m1"), ["accepted", "rejected"])
        self.assertEqual(self.events("m1")[-1]["error"]["code"], "twilio:21606")

    def test_what_waits_for_a_down_channel_does_not_move_to_a_resting_sender(
        self,
    ) -> None:
        """It would come back at once."""
        a, b = self.hands["a"], self.hands["b"]
        self.accept(self.message("m1", from_="X"))
        b.down = "no bind"
        a.answer(NOT_YOURS)
        for _ in range(20):
            self.clock.advance(1)
        self.assertEqual((a.ids, b.ids), (["m1"], []))
        b.down = None
        self.dispatcher.able(b)  # type: ignore[arg-type]
        self.assertEqual(b.ids, ["m1"])

    def test_a_channel_that_is_explained(self) -> None:
        """`explain` tells that the sender rests there."""
        self.accept(self.message("m1", from_="X"))
        self.hands["a"].answer(NOT_YOURS)
        reported = explain(
            self.message("m2", from_="X"),
            self.dispatcher.router,
            self.dispatcher.lanes,
            self.dispatcher.unable,
        )
        self.assertEqual(
            [(one["able"], one["why"]) for one in reported["channels"]],
            [(False, "not yours"), (True, None)],
        )


class HaltTests(Case):
    """A lane that rests says so, and rests no longer than anyone wants."""

    def test_the_state_says_that_it_halts(self) -> None:
        """Down while it lasts, with the reason, also when the channel feels well."""
        self.accept(self.message("m1"))
        self.hands["a"].answer(BROKEN)
        lane = self.dispatcher.lanes["a"]
        why = "twilio:20003: bad credentials"
        self.assertEqual(lane.standing("up", ""), ("down", why))
        self.assertEqual(lane.standing("down", "no bind"), ("down", "no bind"))
        self.clock.advance(300)
        self.assertEqual(lane.standing("up", ""), ("up", ""))
        self.assertEqual(self.changes(), [("down", why), ("up", "")])

    def test_the_log_tells_when_it_tries_again(self) -> None:
        """It said that it halts until someone acts, and then went on by itself."""
        self.accept(self.message("m1"))
        with capturedLogs() as events:
            self.hands["a"].answer(BROKEN)
        said = [formatEvent(one) for one in events]
        (halts,) = [one for one in said if "halts" in one]
        self.assertIn("again in 300 s, or at once on resume", halts)

    def test_what_the_channel_tells_meanwhile(self) -> None:
        """A reconnection does not make a halted channel look well."""
        self.accept(self.message("m1"))
        self.hands["a"].answer(BROKEN)
        self.dispatcher.changed(self.hands["a"], "up", "")  # type: ignore[arg-type]
        self.assertEqual({state for state, _ in self.changes()}, {"down"})

    def test_resume_sends_again_what_was_refused(self) -> None:
        """At once, in its place, and the channel leaves its far side alone no more."""
        hand = self.hands["a"]
        hand.window = 1
        self.accept(self.message("m1"), self.message("m2"))
        hand.answer(BROKEN)
        self.dispatcher.lanes["a"].resume()
        self.assertEqual(hand.end_halt_count, 1)
        hand.answer()
        hand.answer()
        self.assertEqual(hand.ids, ["m1", "m1", "m2"])
        self.assertEqual([state for state, _ in self.changes()], ["down", "up"])

    def test_a_rest_for_a_while_is_told_too(self) -> None:
        """Five seconds are enough for a message to wait for."""
        self.accept(self.message("m1"))
        away = Error("twilio:unreachable", "connection refused", True)
        self.hands["a"].answer(
            Refused(error=away, scope=Scope.CHANNEL_FOR_A_WHILE, retry_after_s=20.0)
        )
        self.assertEqual(self.changes()[0][0], "down")
        self.clock.advance(20)
        self.assertEqual(self.changes()[1], ("up", ""))

    def test_a_long_pause_is_told_too(self) -> None:
        """Retry-After of ten minutes: nothing leaves, until `resume`."""
        hand = self.hands["a"]
        self.accept(self.message("m1"))
        slower = Error("twilio:20429", "too many requests", True)
        hand.answer(Refused(error=slower, throttled=True, retry_after_s=600.0))
        why = "the far side asks us to wait"
        self.assertEqual(self.changes(), [("degraded", why)])
        self.dispatcher.lanes["a"].resume()
        self.assertEqual(hand.ids, ["m1", "m1"])
        self.assertEqual(self.changes()[-1], ("up", ""))


class InboundTests(Case):
    """Numbers in one form: who sent an SMS is told as E.164 (home_country = RU)."""

    def setUp(self) -> None:
        super().setUp()
        self.dispatcher.home_country = "RU"

    def came(self, from_: str, **fields: Any) -> dict[str, Any]:
        """Bring an SMS, and return the last event."""
        now = self.clock.seconds()
        inbound = Inbound(
            channel="a", from_=from_, to=None, received_at=now, text="hi", **fields
        )
        self.successResultOf(self.dispatcher.inbound(inbound))
        events = self.successResultOf(self.journal.events(0, 10_000))
        return json.loads(events[-1].body) if events else {}

    def test_a_national_sender_is_told_as_e164(self) -> None:
        """And beside it as it came."""
        for came in ("89161234567", "9161234567", "79161234567"):
            reported = self.came(came)
            self.assertEqual(
                (reported["from"], reported["from_raw"]), ("+79161234567", came)
            )

    def test_what_is_told_as_it_came_has_no_raw_form(self) -> None:
        """E.164 already, short, a name, in doubt."""
        for came in ("+79161234567", "900", "MTS", "9607123456"):
            reported = self.came(came)
            self.assertEqual(reported["from"], came)
            self.assertNotIn("from_raw", reported)

    def test_what_the_far_side_says_of_the_number_counts(self) -> None:
        """National is no other country's; a name of digits is a name."""
        reported = self.came("9607123456", numbering=Numbering.NATIONAL)
        self.assertEqual(reported["from"], "+79607123456")
        reported = self.came("89161234567", numbering=Numbering.AS_GIVEN)
        self.assertEqual(reported["from"], "89161234567")

    def test_a_channel_that_knows_the_form_itself(self) -> None:
        """What it heard goes along, unless it is the same."""
        reported = self.came("+79161234567", from_raw="79161234567")
        self.assertEqual(reported["from_raw"], "79161234567")
        self.assertNotIn("from_raw", self.came("+79161234567", from_raw="+79161234567"))

    def test_without_a_home_country_nothing_is_certain(self) -> None:
        """It is told as it came."""
        self.dispatcher.home_country = None
        reported = self.came("89161234567")
        self.assertEqual(reported["from"], "89161234567")

    def test_segments_in_two_spellings_are_one_sms(self) -> None:
        """Two binds of one carrier may write the number otherwise."""
        self.came("89161234567", part=InboundSegment("1", 2, 1))
        reported = self.came("79161234567", part=InboundSegment("1", 2, 2))
        self.assertEqual((reported["text"], reported["complete"]), ("hihi", True))
        self.assertEqual(reported["from"], "+79161234567")
        self.assertEqual(reported["from_raw"], "89161234567")

    def test_a_receipt_that_names_the_phone_in_national_form(self) -> None:
        """Another spelling of the id counts only with the message's phone."""
        self.accept(self.message("m1"))
        self.hands["a"].answer(Accepted(provider_ids=("00AB",)))
        receipt = Receipt(
            account="account-a", channel="a", provider_id="AB",
            state=MessageState.DELIVERED, keys=("ab",), about="89161234567",
        )  # fmt: skip
        self.successResultOf(self.dispatcher.receipt(receipt))
        self.assertEqual(self.states("m1")[-1], "delivered")


class StopTests(Case):
    def test_stopping_takes_nothing_new(self) -> None:
        """After stop nothing is taken and the channels were stopped."""
        self.run_to_end(self.dispatcher.stop(7.0))
        self.refuse(self.message())
        self.assertEqual(self.hands["a"].stopped, 7.0)

    def test_what_waits_stays_for_the_next_start(self) -> None:
        """Queued messages stay queued, and leave after a restart."""
        self.hands["a"].down = "no bind"
        self.accept(self.message("m1"))
        self.run_to_end(self.dispatcher.stop(1.0))
        self.hands["a"] = HandChannel(account="account-a")
        self.build(self.journal)
        self.assertEqual(self.hands["a"].ids, ["m1"])

    def test_an_interrupted_command_is_uncertain_after_a_restart(self) -> None:
        """No answer was heard: nobody knows, and nobody repeats it."""
        self.accept(self.command("c1"), self.message("n1", to="+79160000000"))
        self.run_to_end(self.dispatcher.stop(1.0))
        self.hands["a"] = HandChannel(account="account-a")
        self.build(self.journal)
        for _ in range(45):
            self.clock.advance(1)
            for _, _, waiting in self.hands["a"].submitted:
                if not waiting.called:
                    waiting.callback(Accepted())
        self.assertEqual(self.states("c1"), ["accepted", "uncertain"])
        self.assertEqual(self.hands["a"].ids, ["n1"])

    def test_the_provider_is_asked_about_what_a_crash_interrupted(self) -> None:
        """A provider that can be asked settles even that."""
        self.accept(self.command("c1"))
        self.run_to_end(self.dispatcher.stop(1.0))
        knows = Receipt(
            account="account-a",
            channel="a",
            provider_id="9",
            state=MessageState.DELIVERED,
            message_id="c1",
        )
        self.hands["a"] = HandChannel(account="account-a", knows=knows)
        self.build(self.journal)
        for _ in range(15):
            self.clock.advance(1)
        self.assertEqual(self.hands["a"].asked, [("c1",)])
        self.assertEqual(self.states("c1"), ["accepted", "delivered"])

    def test_resends_are_counted_over_restarts(self) -> None:
        """A far side that hangs up at each submit gets three, not more."""
        hand = self.hands["a"]
        many = evolve(POLICY, tries=20)
        self.dispatcher.policy = many
        self.accept(self.message(on_unsure=OnUnsure.RESEND))
        hand.answer(Uncertain(why="the link was lost"))
        self.end(self.dispatcher)
        self.dispatcher = self.build(self.journal)
        self.clock.advance(POLICY.resend_first_s + 1)
        # the answer to the second never comes: the gateway stops before
        self.end(self.dispatcher)
        self.dispatcher = self.build(self.journal)
        self.dispatcher.policy = many
        self.clock.pump([1.0] * 12)
        hand.answer(Uncertain(why="the link was lost"))
        self.clock.pump([1.0] * 120)
        self.assertEqual(hand.ids, ["m1", "m1", "m1"])
        self.assertEqual(self.states()[-1], "uncertain")

    def test_a_held_message_is_asked_about_also_after_a_restart(self) -> None:
        """The ids that were known before the restart are asked for."""
        self.accept(self.command("c1"))
        self.hands["a"].answer(Uncertain(why="no answer", provider_ids=("9",)))
        self.run_to_end(self.dispatcher.stop(1.0))
        self.hands["a"] = HandChannel(account="account-a", knows=self.receipt("9"))
        self.build(self.journal)
        for _ in range(15):
            self.clock.advance(1)
        self.assertEqual(self.hands["a"].asked, [("c1", "9")])
        self.assertEqual(self.states("c1"), ["accepted", "delivered"])

    def test_the_door_is_closed_until_the_past_is_settled(self) -> None:
        """A message taken earlier could be mistaken for an interrupted one."""
        self.run_to_end(self.dispatcher.stop(1.0))
        self.dispatcher = Dispatcher(self.journal, self.clock, Router([], ["a"]), [])
        self.refuse(self.message())


class FaultTests(Case):
    """A fault of ours in one channel costs one message, and is in the log."""

    def test_a_channel_that_cannot_prepare(self) -> None:
        """The message is rejected, the batch goes on."""
        hand = self.hands["a"]
        good = hand.prepare

        def broken(message: Outbound) -> Any:
            if message.id == "bad":
                raise ZeroDivisionError
            return good(message)

        hand.prepare = broken  # type: ignore[method-assign]
        verdicts = self.accept(self.message("bad"), self.message("good"))
        self.assertEqual(verdicts[0].error.code, "gateway:fault")
        self.assertEqual(hand.ids, ["good"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_channel_that_cannot_submit(self) -> None:
        """Nobody knows how far it came: the message is unsure, not repeated."""
        hand = self.hands["a"]

        def broken(prepared: Any, attempt: int) -> Any:
            raise ZeroDivisionError

        hand.submit = broken  # type: ignore[method-assign]
        self.accept(self.command("c1"))
        for _ in range(40):
            self.clock.advance(1)
        self.assertEqual(self.states("c1"), ["accepted", "uncertain"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.dispatcher.lanes["a"].in_flight), 0)


class RaceTests(Case):
    def test_a_refill_brings_nothing_twice(self) -> None:
        """What stands ready in memory is not read once more."""
        hand = self.hands["a"]
        hand.window = 1
        self.accept(*(self.message(f"m{n}") for n in range(4)))
        lane = self.dispatcher.lanes["a"]
        self.assertEqual(lane.waiting, 3)
        for _ in range(3):
            lane.more()
            lane.pump()
            self.assertEqual(lane.waiting, 3)
        for _ in range(4):
            hand.answer()
        self.assertEqual(hand.ids, ["m0", "m1", "m2", "m3"])
        self.assertEqual(lane.waiting, 0)

    def test_a_message_that_a_refill_saw_first_leaves_once(self) -> None:
        """The commit was read from the journal before its acceptance was heard of."""
        self.accept(self.message("m0"))
        journal: Any = self.journal
        journal._writes.hold()
        self.dispatcher.lanes["a"].more()
        accepting = self.dispatcher.intake.accept([(self.message("m1"), b"")])
        # what was noted first is heard of first, and reads what was committed
        jobs = journal._writes._held
        first: Deferred[Any] = Deferred()
        first.addCallback(lambda _: self.dispatcher.lanes["a"].pump())
        jobs.insert(0, Job(lambda: None, (), answer=first))
        journal._writes.release()
        self.successResultOf(accepting)
        self.assertEqual(self.hands["a"].ids, ["m0", "m1"])

    def test_a_late_answer_before_the_unsure_one_is_written_counts(self) -> None:
        """The journal could not write that nobody knew; then it was known."""
        self.accept(self.message())
        journal: Any = self.journal
        journal._writes.hold()
        self.hands["a"].answer(Uncertain(why="silence"))
        self.dispatcher.late("m1", 1, Accepted(provider_ids=("77",)))
        journal._writes.release()
        self.clock.pump([1.0] * 60)
        self.assertEqual(self.hands["a"].ids, ["m1"])
        self.assertEqual(self.states()[-1], "submitted")
