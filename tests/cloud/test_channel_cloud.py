"""A cloud channel from end to end: far sides below, a real journal above."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET

from gdemoi.cloud.exchange import HttpRequest
from gdemoi.errors import ConfigurationError, OurFault
from gdemoi.interfaces import IHalting
from gdemoi.message import Accepted, MessageState, Receipt, Refused, Scope, Uncertain
from tests.cloud.journal import JournalTestCase
from tests.cloud.net import (
    ACCOUNT,
    CLOUDS,
    NOW,
    PUBLIC,
    TOKEN,
    Answers,
    ChannelRig,
    Net,
    answered,
    clouds,
    message,
    textlocal,
    twilio,
    tyntec,
    vonage,
)

FORM = "application/x-www-form-urlencoded"


class SubmitTests(SynchronousTestCase):
    def rig(self, *replies: Any, **changes: Any) -> ChannelRig:
        """Return a started Twilio channel whose provider answers `replies`."""
        net = Net()
        self.far = Answers(*replies)
        net.serve(22080, self.far)
        settings = twilio(base_url=CLOUDS, receipts="none", inbound="none", **changes)
        return ChannelRig(settings, net=net).start()

    def test_a_throttled_send_is_repeated_once(self) -> None:
        """429, then 201 after a second and a half: accepted, with two requests."""
        rig = self.rig(answered({"code": 20429}, 429), answered({"sid": "SM1"}, 201))
        outcome = rig.submit(message(), 2)
        self.assertEqual(
            outcome,
            Accepted(provider_ids=("SM1",), segments=1, receipt_expected=False),
        )
        self.assertEqual(len(self.far.requests), 2)

    def test_throttled_twice_goes_back_to_the_lane(self) -> None:
        """The lane slows down and keeps the message."""
        rig = self.rig(answered({"code": 20429}, 429))
        outcome = rig.submit(message(), 3)
        assert isinstance(outcome, Refused)
        self.assertTrue(outcome.throttled)
        self.assertIsNone(rig.channel.unable())

    def test_a_broken_account_stops_the_channel(self) -> None:
        """The message may go another way; the channel rests, longer each time."""
        rig = self.rig(answered({"code": 20003, "message": "Authenticate"}, 401))
        for pause_s in (60.0, 120.0):
            outcome = rig.submit(message())
            assert isinstance(outcome, Refused)
            self.assertEqual(outcome.scope, Scope.CHANNEL_HALTED)
            self.assertTrue(outcome.error.retryable)
            self.assertIn("twilio:20003", rig.channel.unable() or "")
            rig.net.advance(pause_s - 1)
            self.assertIsNotNone(rig.channel.unable())
            rig.net.advance(1)
            self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.recorder.changes, [("down", "twilio:20003: Authenticate")])
        self.assertEqual(rig.channel.describe()["state"], "down")
        self.far.replies = [answered({"sid": "SM1"}, 201)]
        rig.submit(message())
        self.assertEqual(rig.channel.describe()["state"], "up")
        self.assertEqual(rig.recorder.changes[-1], ("up", ""))

    def test_a_refused_message_leaves_the_channel_alone(self) -> None:
        """21610 is about one recipient."""
        rig = self.rig(answered({"code": 21610, "message": "opted out"}, 400))
        outcome = rig.submit(message())
        assert isinstance(outcome, Refused)
        self.assertEqual(outcome.scope, Scope.MESSAGE)
        self.assertIsNone(rig.channel.unable())

    def test_nobody_there_is_a_refusal(self) -> None:
        """Nothing left, so nothing is uncertain; three times make it degraded."""
        rig = ChannelRig(twilio(base_url=CLOUDS)).start()
        for _ in range(3):
            outcome = rig.submit(message(), 3)
            assert isinstance(outcome, Refused)
            self.assertEqual(
                (outcome.scope, outcome.error.code),
                (Scope.CHANNEL_FOR_A_WHILE, "twilio:unreachable"),
            )
            self.assertTrue(outcome.error.retryable)
        self.assertEqual(rig.channel.describe()["state"], "degraded")

    def test_a_silent_provider_leaves_us_unsure(self) -> None:
        """After the deadline; a moment before it there is no outcome."""
        rig = self.rig(lambda request: NOT_DONE_YET)
        outcomes: list[Any] = []
        prepared = rig.channel.prepare(message("я" * 71))
        rig.channel.submit(prepared, 1).addCallback(outcomes.append)
        rig.net.advance(29.9)
        self.assertEqual(outcomes, [])
        rig.net.advance(0.2)
        (outcome,) = outcomes
        assert isinstance(outcome, Uncertain)
        self.assertIn("deadline passed", outcome.why)
        self.assertEqual(outcome.segments, 2)
        self.assertTrue(outcome.unanswered)
        self.assertFalse(outcome.unclear)

    def test_what_a_provider_answers_without_a_verdict_is_unclear(self) -> None:
        """503, or a page that is no answer: not silence, and no more use than it."""
        page = (200, b"<html>maintenance</html>", {})
        for settings in (twilio, vonage, tyntec, textlocal):
            for reply in ((503, b"", {}), page):
                net = Net()
                net.serve(22080, Answers(reply))
                own = settings(base_url=CLOUDS, receipts="none", inbound="none")
                outcome = ChannelRig(own, net=net).start().submit(message())
                assert isinstance(outcome, Uncertain), (own, outcome)
                self.assertTrue(outcome.unclear)
                self.assertFalse(outcome.unanswered)

    def test_a_refused_sender_does_not_halt_the_account(self) -> None:
        """21606 again and again, and the channel is as it was."""
        body = b'{"code":21606,"message":"not your number","status":400}'
        rig = self.rig((400, body, {}))
        for _ in range(3):
            outcome = rig.submit(message())
            assert isinstance(outcome, Refused)
            self.assertEqual(outcome.scope, Scope.SENDER)
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.channel.describe()["state"], "up")

    def test_someone_who_acted_need_not_wait(self) -> None:
        """The halt of the account ends at once, and so does its state."""
        body = b'{"code":20003,"message":"bad token","status":401}'
        rig = self.rig((401, body, {}))
        rig.submit(message())
        self.assertIsNotNone(rig.channel.unable())
        IHalting(rig.channel).end_halt()
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.channel.describe()["state"], "up")

    def test_a_redirect_halts(self) -> None:
        """Someone must look at it."""
        rig = self.rig((301, b"", {"location": "http://127.0.0.1:1/"}))
        outcome = rig.submit(message())
        assert isinstance(outcome, Refused)
        self.assertEqual(outcome.scope, Scope.CHANNEL_HALTED)

    def test_garbage_is_unsure(self) -> None:
        """Cut answers and broken UTF-8, whatever their status."""
        for reply in (
            (201, b"\xff\xfe{", {}),
            (201, b'{"sid":"SM1"' + b" " * (1 << 20) + b"}", {}),
        ):
            outcome = self.rig(reply).submit(message())
            self.assertIsInstance(outcome, Uncertain)

    def test_a_stop_waits_for_answers_and_then_lets_go(self) -> None:
        """What has left without an answer is unsure; nothing is left running."""
        rig = self.rig(lambda request: NOT_DONE_YET, in_flight=1)
        outcomes: list[Any] = []
        for name in ("g1", "g2"):
            prepared = rig.channel.prepare(message(id=name))
            rig.channel.submit(prepared, 1).addCallback(outcomes.append)
        rig.net.settle()
        stopped = rig.channel.stop(5)
        self.assertEqual(rig.channel.unable(), "stopping")
        rig.net.advance(4.9)
        self.assertNoResult(stopped)
        rig.net.advance(0.2)
        self.successResultOf(stopped)
        kinds = {type(outcome) for outcome in outcomes}
        self.assertEqual(kinds, {Uncertain, Refused})
        self.assertEqual(rig.net.clock.getDelayedCalls(), [])

    def test_a_stop_is_done_when_the_last_answer_came(self) -> None:
        """It does not wait for the whole grace."""
        rig = self.rig(
            lambda r: rig.net.clock.callLater(2, _finish, r) and NOT_DONE_YET
        )
        outcomes: list[Any] = []
        prepared = rig.channel.prepare(message())
        rig.channel.submit(prepared, 1).addCallback(outcomes.append)
        rig.net.settle()
        stopped = rig.channel.stop(20)
        rig.net.advance(3)
        self.successResultOf(stopped)
        self.assertIsInstance(outcomes[0], Accepted)

    def test_a_message_of_another_channel_is_our_fault(self) -> None:
        """Prepared messages are not exchanged."""
        rig = self.rig(answered({}))
        with self.assertRaises(OurFault):
            rig.channel.submit(object(), 1)  # type: ignore[arg-type]


def _finish(request: Any) -> None:
    request.setResponseCode(201)
    request.write(b'{"sid":"SM1"}')
    request.finish()


class BalanceTests(SynchronousTestCase):
    def test_the_balance_is_a_gauge(self) -> None:
        """Asked for at the start and now and then; the send answers tell it too."""
        net = Net()
        clouds(net)
        rig = ChannelRig(
            twilio(base_url=CLOUDS, balance_every_s=900.0), net=net
        ).start()
        shown = rig.channel.describe()
        self.assertEqual((shown["balance"], shown["currency"]), (100.0, "USD"))
        rig.submit(message())
        net.advance(901)
        self.assertEqual(rig.channel.describe()["balance"], 99.95)
        self.assertEqual(
            self.ask(rig, "balance"), "99.95 USD", "the command asks at once"
        )

    def ask(self, rig: ChannelRig, verb: str) -> Any:
        asked = rig.channel.command("", verb, [])
        rig.net.settle()
        return self.successResultOf(asked)

    def test_sends_tell_balance_and_cost(self) -> None:
        """Vonage says both with each segment."""
        net = Net()
        clouds(net)
        rig = ChannelRig(vonage(base_url=CLOUDS), net=net).start()
        rig.submit(message("я" * 71))
        shown = rig.channel.describe()
        self.assertEqual((shown["spent"], shown["currency"]), ("0.06660000", "EUR"))
        self.assertAlmostEqual(shown["balance"], 99.9)

    def test_other_commands_do_not_exist(self) -> None:
        """A cloud has no lines."""
        rig = ChannelRig(tyntec()).start()
        for verb in ("reboot", "balance"):
            self.failureResultOf(rig.channel.command("x", verb, []), OurFault)


class CallbackTests(SynchronousTestCase):
    def test_a_receipt_address_that_vonage_refuses(self) -> None:
        """More than a hundred characters fail at the start."""
        ChannelRig(vonage(), public_url="https://" + "x" * 70)
        with self.assertRaises(ConfigurationError):
            ChannelRig(vonage(), public_url="https://" + "x" * 93)

    def test_without_a_public_address_receipts_are_asked_for(self) -> None:
        """No callback is sent, and nothing is mounted."""
        net = Net()
        sandbox = clouds(net)
        rig = ChannelRig(twilio(base_url=CLOUDS), net=net, public_url=None).start()
        rig.submit(message())
        self.assertNotIn(b"StatusCallback", sandbox.requests[0].body)
        self.assertEqual(rig.sms.children, {})
        net.advance(10)
        self.assertEqual(rig.recorder.receipts[-1].state, MessageState.DELIVERED)


class AskTests(SynchronousTestCase):
    def ask(self, rig: ChannelRig, *ids: str) -> Receipt | None:
        asked: Deferred[Receipt | None] = rig.channel.ask(message(), ids)
        rig.net.settle()
        return self.successResultOf(asked)

    def test_a_lost_answer_is_settled_by_asking(self) -> None:
        """Twilio is searched by recipient and text; the sid is then followed."""
        net = Net()
        sandbox = clouds(net)
        sandbox.behaviour.push("lost")
        rig = ChannelRig(
            twilio(base_url=CLOUDS, receipts="poll", inbound="none"), net=net
        ).start()
        self.assertIsInstance(rig.submit(message()), Uncertain)
        found = self.ask(rig)
        assert found is not None
        self.assertEqual((found.message_id, found.state), ("g1", MessageState.ENROUTE))
        net.advance(10)
        self.assertEqual(rig.recorder.receipts[-1].state, MessageState.DELIVERED)

    def test_vonage_is_searched_by_our_reference(self) -> None:
        """Where the paid reports are allowed."""
        for reports in (True, False):
            net = Net()
            sandbox = clouds(net)
            sandbox.behaviour.push("lost")
            rig = ChannelRig(vonage(base_url=CLOUDS, reports=reports), net=net).start()
            self.assertIsInstance(rig.submit(message()), Uncertain)
            net.advance(5)
            found = self.ask(rig)
            self.assertEqual(found is not None, reports)

    def test_an_id_is_asked_for_where_it_is_known(self) -> None:
        """Every provider that can be asked."""
        for settings in (
            twilio(base_url=CLOUDS),
            textlocal(base_url=CLOUDS),
            tyntec(base_url=CLOUDS),
            vonage(base_url=CLOUDS, reports=True),
        ):
            net = Net()
            clouds(net)
            rig = ChannelRig(settings, net=net).start()
            outcome = rig.submit(message())
            assert isinstance(outcome, Accepted)
            net.advance(3)
            found = self.ask(rig, *outcome.provider_ids)
            assert found is not None
            self.assertEqual(
                (found.state, found.message_id), (MessageState.DELIVERED, "g1")
            )

    def test_who_cannot_be_asked_says_nothing(self) -> None:
        """No address, no answer, an answer that is none: None, and no failure."""
        self.assertIsNone(self.ask(ChannelRig(tyntec()).start()))
        self.assertIsNone(self.ask(ChannelRig(twilio(base_url=CLOUDS)).start(), "SM1"))
        net = Net()
        net.serve(22080, Answers((200, b"<html>", {})))
        rig = ChannelRig(twilio(base_url=CLOUDS), net=net).start()
        self.assertIsNone(self.ask(rig, "SM1"))


class TwilioTruthTests(JournalTestCase):
    def setUp(self) -> None:
        net = Net()
        self.sandbox = clouds(net)
        self.open(twilio(base_url=CLOUDS), net=net)

    def test_doubled_and_disordered_statuses(self) -> None:
        """Each state is told once; a late `sent` after `delivered` changes nothing."""
        for receipts in ("doubled", "disordered"):
            self.setUp()
            self.sandbox.network.receipts = receipts
            self.send(message())
            self.net.advance(30)
            states = self.states()
            self.assertEqual(states[-1], "delivered", receipts)
            self.assertEqual(len(states), len(set(states)), receipts)

    def test_nothing_is_lost_when_the_journal_was_away(self) -> None:
        """Twilio gives up soon; the question brings what the webhooks lost."""
        self.send(message())
        self.rig.recorder.down = True
        self.net.advance(60)
        self.assertEqual(self.states(), ["accepted", "submitted"])
        statuses = {status for _, status in self.sandbox.callbacks.tries}
        self.assertEqual(statuses, {503})
        self.rig.recorder.down = False
        self.net.advance(120)
        self.assertEqual(self.states()[-1], "delivered")


class VonageTruthTests(JournalTestCase):
    def setUp(self) -> None:
        self.open(vonage(signature_secret=None, webhook_token=TOKEN))

    def call(self, endpoint: str, **fields: str) -> None:
        body = urlencode({"api-key": "abcd1234", **fields}).encode()
        request = HttpRequest(
            method="POST",
            url=f"{PUBLIC}/sms/ch/{endpoint}/{TOKEN}",
            headers=(("Content-Type", FORM),),
            body=body,
        )
        asked = Deferred.fromCoroutine(self.rig.channel.poller.http.send(request))
        self.net.settle()
        self.assertEqual(self.successResultOf(asked).status, 200)

    def test_a_message_is_delivered_when_all_its_segments_are(self) -> None:
        """One of two: not yet; the second failed: undelivered."""
        entries = [{"status": "0", "message-id": name} for name in ("A1", "A2")]
        self.net.serve(22080, Answers(answered({"messages": entries})))
        self.open(
            vonage(signature_secret=None, webhook_token=TOKEN, base_url=CLOUDS),
            net=self.net,
        )
        self.send(message("я" * 71))
        self.call("status", messageId="A1", status="delivered", msisdn="79001234567")
        self.assertNotIn("delivered", self.states())
        self.call(
            "status",
            **{"messageId": "A2", "status": "failed", "err-code": "8"},
        )
        self.assertEqual(self.states()[-1], "undelivered")
        self.assertEqual(self.events()[-1]["error"]["code"], "vonage:8")

    def segment(self, number: int, sender: str = "79001234567", ref: str = "7") -> None:
        self.call(
            "incoming",
            **{
                "msisdn": sender,
                "to": "34600000000",
                "messageId": f"{sender}-{ref}-{number}",
                "text": f"<{number}>",
                "type": "text",
                "concat": "true",
                "concat-ref": ref,
                "concat-total": "3",
                "concat-part": str(number),
            },
        )

    def test_segments_in_any_order_make_one_message(self) -> None:
        """3, 1, 2, with 1 repeated; another sender's do not mix in."""
        for number in (3, 1, 1):
            self.segment(number)
        self.segment(2, sender="79007654321")
        self.assertEqual(self.events("inbound"), [])
        self.segment(2)
        (whole,) = self.events("inbound")
        self.assertEqual(
            (whole["text"], whole["complete"], whole["segments"]),
            ("<1><2><3>", True, 3),
        )

    def test_a_missing_segment_is_not_waited_for_for_ever(self) -> None:
        """After ten minutes what came is told, marked incomplete."""
        self.segment(1)
        self.segment(3)
        self.net.advance(601)
        self.sweep()
        (part,) = self.events("inbound")
        self.assertFalse(part["complete"])
        self.assertIn("<1>", part["text"])
        self.assertIn("<3>", part["text"])

    def test_a_partial_failure_waits_for_what_went_out(self) -> None:
        """One segment of two is out: held, never repeated."""
        net = Net()
        sandbox = clouds(net)
        sandbox.behaviour.push("partial")
        self.open(vonage(base_url=CLOUDS), net=net)
        outcome = self.send(message("я" * 71))
        assert isinstance(outcome, Uncertain)
        self.assertEqual((len(outcome.provider_ids), outcome.segments), (1, 2))
        net.advance(10)
        self.assertNotIn("delivered", self.states())


class HintTests(JournalTestCase):
    """Receipts that prove nothing."""

    def begin(self, settings: Any) -> None:
        net = Net()
        self.sandbox = clouds(net, delivery_s=3.0)
        # its own callbacks do not come; the tests bring others
        self.sandbox.apis["textlocal"].tell = lambda sms: None  # type: ignore[method-assign]
        self.sandbox.apis["tyntec"].tell = lambda sms: None  # type: ignore[method-assign]
        self.open(settings, net=net)

    def call(self, fields: dict[str, Any], kind: str = FORM) -> None:
        body = json.dumps(fields).encode()
        if kind == FORM:
            body = urlencode(fields).encode()
        request = HttpRequest(
            method="POST",
            url=f"{PUBLIC}/sms/ch/status/{TOKEN}",
            headers=(("Content-Type", kind),),
            body=body,
        )
        asked = Deferred.fromCoroutine(self.rig.channel.poller.http.send(request))
        self.net.settle()
        self.assertEqual(self.successResultOf(asked).status, 200)

    def questions(self) -> int:
        return sum("message" in asked.path for asked in self.sandbox.requests)

    def test_a_receipt_is_confirmed_by_a_question(self) -> None:
        """It is on record, not verified; what the question says is."""
        self.begin(textlocal(base_url=CLOUDS))
        self.send(message())
        self.net.advance(4)
        self.call({"number": "79001234567", "status": "D", "customID": "g1"})
        first, last = self.rig.recorder.receipts
        self.assertEqual((first.verified, first.message_id), (False, "g1"))
        self.assertIn("status=D", first.raw)
        self.assertEqual((last.verified, last.state), (True, MessageState.DELIVERED))
        self.assertEqual(self.states()[-1], "delivered")

    def test_a_forged_receipt_does_not_win(self) -> None:
        """D from the right address, but the question says U: undelivered."""
        self.begin(textlocal(base_url=CLOUDS))
        self.sandbox.network.unreachable = frozenset({"79001234567"})
        self.send(message())
        self.net.advance(4)
        self.call({"number": "79001234567", "status": "D", "customID": "g1"})
        self.assertEqual(self.states()[-1], "undelivered")
        self.assertNotIn("delivered", self.states())
        counts = self.rig.channel.describe()["counts"]
        self.assertEqual(counts["receipt to confirm"], 1)

    def test_an_unknown_reference(self) -> None:
        """By number when one open message goes there; else kept, not guessed."""
        self.begin(textlocal(base_url=CLOUDS))
        self.send(message())
        self.net.advance(4)
        self.call({"number": "79001234567", "status": "D", "customID": "old"})
        self.assertEqual(self.states()[-1], "delivered")
        self.begin(textlocal(base_url=CLOUDS))
        for name in ("g1", "g2"):
            self.send(message(id=name))
        self.call({"number": "79001234567", "status": "D", "customID": "old"})
        counts = self.rig.channel.describe()["counts"]
        self.assertEqual(counts, {"receipt for nobody": 1})
        self.assertEqual(self.rig.recorder.receipts[0].message_id, "old")

    def test_an_inbound_repeat_within_a_minute_is_one_message(self) -> None:
        """After 61 seconds it is another one."""
        self.begin(textlocal(base_url=CLOUDS))
        fields = {"sender": "79001234567", "inNumber": "60777", "content": "ok"}
        body = urlencode(fields).encode()
        for wait_s, count in ((0, 1), (59, 1), (62, 2)):
            self.net.advance(wait_s)
            request = HttpRequest(
                method="POST",
                url=f"{PUBLIC}/sms/ch/incoming/{TOKEN}",
                headers=(("Content-Type", FORM),),
                body=body,
            )
            asked = Deferred.fromCoroutine(self.rig.channel.poller.http.send(request))
            self.net.settle()
            self.assertEqual(self.successResultOf(asked).status, 200)
            self.assertEqual(len(self.events("inbound")), count)

    def test_an_account_on_the_proxy_is_believed(self) -> None:
        """One warning, no more questions; receipts are all there is."""
        self.begin(textlocal(base_url=CLOUDS))
        self.sandbox.apis["textlocal"].interact = True
        self.send(message())
        self.net.advance(700)
        self.assertEqual(self.questions(), 1)
        self.assertIn("Unknown command", self.rig.channel.describe()["reason"])
        self.call({"number": "79001234567", "status": "D", "customID": "g1"})
        self.assertEqual(self.states()[-1], "delivered")
        self.assertFalse(self.rig.recorder.receipts[-1].verified)
        # without a receipt the journal settles the message after three days
        self.send(message(id="g2"))
        self.net.advance(72 * 3600 + 1)
        self.sweep()
        self.assertEqual(self.events()[-1]["final"], True)
        self.assertEqual(self.questions(), 1)

    def test_a_receipt_is_told_only_when_confirmed(self) -> None:
        """200 at once; the receipt is what the question says."""
        self.begin(tyntec(base_url=CLOUDS))
        outcome = self.send(message())
        self.net.advance(4)
        before = self.questions()
        fields = {"requestId": outcome.provider_ids[0], "status": "DELIVERED"}
        self.call(fields, "application/json")
        self.assertEqual(self.questions(), before + 1)
        (receipt,) = self.rig.recorder.receipts
        self.assertEqual(
            (receipt.state, receipt.verified), (MessageState.DELIVERED, True)
        )
        self.assertEqual(self.states()[-1], "delivered")

    def test_nobody_can_make_us_ask(self) -> None:
        """Ids that we never sent are not asked for, however many come."""
        self.begin(tyntec(base_url=CLOUDS))
        for n in range(50):
            self.call({"requestId": f"x{n}", "status": "DELIVERED"}, "application/json")
        self.assertEqual((self.questions(), self.rig.recorder.receipts), (0, []))

    def test_a_question_that_comes_too_early(self) -> None:
        """404 within a minute: again; later: unknown there, and on record."""
        self.begin(tyntec(base_url=CLOUDS))
        self.send(message())
        self.sandbox.apis["tyntec"].books.clear()
        self.net.advance(55)
        self.assertGreaterEqual(self.questions(), 3)
        self.assertEqual(self.rig.recorder.receipts, [])
        self.net.advance(60)
        (receipt,) = self.rig.recorder.receipts
        self.assertEqual(receipt.error and receipt.error.code, "tyntec:unknown")
        asked = self.questions()
        self.net.advance(3600)
        self.assertEqual(self.questions(), asked)


class SecretTests(SynchronousTestCase):
    SECRETS = (
        "tok3n-of-tw1lio",
        "s3cr3tXY",
        "abcdefghijklmnopqrstuvwxyz012345",
        "t3xtl0cal-key",
        "tynt3c-key",
        TOKEN,
    )

    def test_secrets_are_shown_nowhere(self) -> None:
        """Not in logs, errors, receipts, reprs, nor in what operators see."""
        from twisted.logger import globalLogPublisher

        seen: list[str] = []

        def observe(event: Any) -> None:
            shown = {k: v for k, v in event.items() if k != "log_logger"}
            seen.append(repr(shown))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for settings in (
            twilio(base_url=CLOUDS, auth_token="tok3n-of-tw1lio"),
            vonage(base_url=CLOUDS),
            vonage(base_url=CLOUDS, api="messages"),
            textlocal(base_url=CLOUDS, api_key="t3xtl0cal-key"),
            tyntec(base_url=CLOUDS, api_key="tynt3c-key"),
        ):
            for behaviour in ("ok", "429", "500", "html", "lost"):
                net = Net()
                sandbox = clouds(
                    net,
                    twilio_auth_token="tok3n-of-tw1lio",
                    textlocal_api_key="t3xtl0cal-key",
                    tyntec_api_key="tynt3c-key",
                )
                sandbox.behaviour.push(behaviour)
                rig = ChannelRig(settings, net=net).start()
                seen.append(repr(rig.submit(message(), 40)))
                for path in ("status", f"status/{TOKEN}", "incoming"):
                    request = HttpRequest(
                        method="POST",
                        url=f"{PUBLIC}/sms/ch/{path}",
                        headers=(("Content-Type", "application/json"),),
                        body=json.dumps({"apikey": self.SECRETS}).encode(),
                    )
                    asked = Deferred.fromCoroutine(
                        rig.channel.poller.http.send(request)
                    )
                    net.settle()
                    seen.append(repr(self.successResultOf(asked)))
                seen += [
                    repr(rig.recorder.receipts),
                    repr(rig.recorder.inbounds),
                    repr(rig.channel.describe()),
                    repr(rig.cursors),
                    repr(settings),
                    repr(rig.provider),
                    repr(rig.channel.prepare(message())),
                ]
        text = "\n".join(seen)
        self.assertGreater(len(text), 10_000)
        for secret in self.SECRETS:
            self.assertNotIn(secret, text)

    def test_a_provider_that_echoes_a_secret(self) -> None:
        """Its error text is cleaned."""
        net = Net()
        fields = {"code": 20003, "message": "no such token: tok3n-of-tw1lio"}
        net.serve(22080, Answers(answered(fields, 401)))
        rig = ChannelRig(
            twilio(base_url=CLOUDS, auth_token="tok3n-of-tw1lio"), net=net
        ).start()
        outcome = rig.submit(message())
        assert isinstance(outcome, Refused)
        self.assertEqual(outcome.error.text, "no such token: ***")
        self.assertNotIn("tok3n", rig.channel.unable() or "")


__all__ = ["ACCOUNT", "NOW"]
