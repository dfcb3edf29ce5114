"""Answers that take a message and refuse it: unsure, and never repeated blindly."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted, MessageState, Outcome, Refused, Uncertain
from tests.cloud.net import (
    CLOUDS,
    NOW,
    Answers,
    ChannelRig,
    Net,
    answered,
    json_answer,
    message,
    provider_of,
    textlocal,
    twilio,
    tyntec,
    vonage,
)

TWILIO = provider_of("ch", twilio())
SMS = provider_of("ch", vonage(signature_secret=None))
MESSAGES = provider_of("ch", vonage(api="messages", signature_secret=None))
TEXTLOCAL = provider_of("ch", textlocal())
TYNTEC = provider_of("ch", tyntec())


class AnswerTests(SynchronousTestCase):
    def outcome(self, provider: Any, status: int, fields: dict[str, Any]) -> Outcome:
        """Return what an answer means."""
        found: Outcome = provider.outcome_of(json_answer(status, **fields), NOW)
        return found

    def unsure(self, provider: Any, status: int, fields: dict[str, Any]) -> Uncertain:
        """Return the outcome, which is that nobody knows."""
        outcome = self.outcome(provider, status, fields)
        assert isinstance(outcome, Uncertain), (status, fields, outcome)
        self.assertIn("contradicts itself", outcome.why)
        return outcome

    def entries(self, *entries: dict[str, str]) -> dict[str, Any]:
        """Return the body of a Vonage answer."""
        return {"message-count": str(len(entries)), "messages": list(entries)}

    def test_an_error_with_the_id_of_a_message(self) -> None:
        """Whatever the status says; 429 would have been sent again."""
        for status in (400, 401, 422, 429, 500, 503):
            for provider, fields in (
                (TWILIO, {"sid": "X1", "status": "queued", "code": 20429}),
                (SMS, self.entries({"status": "0", "message-id": "X1"})),
                (MESSAGES, {"message_uuid": "X1", "title": "no"}),
                (
                    TEXTLOCAL,
                    {"status": "success", "messages": [{"id": "X1"}]},
                ),
                (TYNTEC, {"requestId": "X1", "status": "ACCEPTED"}),
            ):
                unsure = self.unsure(provider, status, fields)
                self.assertEqual(unsure.provider_ids, ("X1",))

    def test_a_good_answer_with_an_error(self) -> None:
        """By the id it can be asked which of the two is true."""
        for provider, status, fields in (
            (TWILIO, 201, {"sid": "X1", "status": "queued", "error_code": 30003}),
            (TWILIO, 201, {"sid": "X1", "status": "failed", "error_code": None}),
            (TWILIO, 200, {"sid": "X1", "code": 21610, "message": "stop"}),
            (
                SMS,
                200,
                self.entries({"status": "0", "message-id": "X1", "error-text": "no"}),
            ),
            (SMS, 200, self.entries({"status": "1", "message-id": "X1"})),
            (MESSAGES, 202, {"message_uuid": "X1", "title": "Invalid params"}),
            (
                TEXTLOCAL,
                200,
                {
                    "status": "success",
                    "messages": [{"id": "X1"}],
                    "errors": [{"code": 51, "message": "no valid numbers"}],
                },
            ),
            (TEXTLOCAL, 200, {"status": "failure", "messages": [{"id": "X1"}]}),
            (TYNTEC, 200, {"requestId": "X1", "status": "ACCEPTED", "errorCode": "5"}),
        ):
            unsure = self.unsure(provider, status, fields)
            self.assertEqual(unsure.provider_ids, ("X1",), fields)

    def test_a_success_that_is_about_no_message(self) -> None:
        """Textlocal counts none."""
        fields = {"status": "success", "num_messages": 0, "messages": []}
        self.unsure(TEXTLOCAL, 200, fields)

    def test_success_without_an_id(self) -> None:
        """Nobody knows; only Vonage's status 0 is a plain word without it."""
        for provider, status in ((TWILIO, 201), (MESSAGES, 202), (TYNTEC, 200)):
            self.assertIsInstance(self.outcome(provider, status, {}), Uncertain)
        taken = self.outcome(SMS, 200, self.entries({"status": "0"}))
        self.assertEqual(taken, Accepted(provider_ids=(), segments=1))

    def test_what_does_not_contradict_itself(self) -> None:
        """Plain refusals stay refusals, and their trace ids are no messages."""
        for provider, status, fields in (
            (TWILIO, 400, {"code": 21211, "message": "bad", "status": 400}),
            (SMS, 200, self.entries({"status": "4", "error-text": "bad"})),
            (MESSAGES, 422, {"title": "Invalid", "instance": "trace-1"}),
            (TEXTLOCAL, 200, {"status": "failure", "errors": [{"code": 7}]}),
            (TYNTEC, 400, {"requestId": "trace-1", "title": "bad", "status": 400}),
            (
                TYNTEC,
                200,
                {"requestId": "r", "status": "REJECTED", "errorCode": "1"},
            ),
        ):
            self.assertIsInstance(self.outcome(provider, status, fields), Refused)


class ChannelTests(SynchronousTestCase):
    def test_the_provider_is_asked_by_the_id(self) -> None:
        """Which of the two it was; the message is not sent again."""
        net = Net()
        row = {"sid": "SM1", "status": "delivered", "error_code": None}
        far = Answers(
            answered({"code": 20429, "sid": "SM1"}, 503), *[answered(row)] * 9
        )
        net.serve(22080, far)
        rig = ChannelRig(
            twilio(base_url=CLOUDS, receipts="poll", inbound="none"), net=net
        ).start()
        outcome = rig.submit(message(), 2)
        assert isinstance(outcome, Uncertain)
        rig.net.advance(60)
        receipts = [
            one for one in rig.recorder.receipts if one.state is MessageState.DELIVERED
        ]
        self.assertEqual(receipts[0].provider_id, "SM1")
        methods = [method for method, *_ in far.requests]
        self.assertEqual(methods.count("POST"), 1)
