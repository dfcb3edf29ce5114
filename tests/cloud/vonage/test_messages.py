"""The Vonage Messages API (cases VM)."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.exchange import HttpAnswer, Webhook, WebhookContent, WebhookKind
from gdemoi.cloud.provider import CloudMessage
from gdemoi.cloud.vonage.messages import VonageMessages
from gdemoi.cloud.vonage.signature import ApplicationTokens
from gdemoi.errors import TheirFault
from gdemoi.message import Accepted, MessageState, Refused, Scope, Uncertain
from tests.cloud.net import NOW, json_answer, message, vonage

PROVIDER = VonageMessages(vonage(api="messages", signature_secret=None), "ch")
UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"


def draft(**changes: Any) -> CloudMessage:
    fields: dict[str, Any] = {
        "message": message(),
        "text": "Привет",
        "sender": "GDEMOI",
        "unicode": True,
        "callback": "https://gw.example.org/v/status",
    }
    return CloudMessage(**{**fields, **changes})


def hook(fields: Any, kind: WebhookKind = WebhookKind.STATUS) -> Any:
    return PROVIDER.events_of(
        Webhook(
            kind=kind,
            method="POST",
            url="https://gw.example.org/sms/ch/status",
            headers=(("content-type", "application/json"),),
            body=json.dumps(fields).encode(),
        ),
        NOW,
    )


class SendTests(SynchronousTestCase):
    def test_the_body_is_exactly_this(self) -> None:
        """The JSON, the address and the credentials."""
        request = PROVIDER.request_for(draft(), NOW)
        self.assertEqual(request.url, "https://api.nexmo.com/v1/messages")
        self.assertEqual(
            json.loads(request.body),
            {
                "message_type": "text",
                "channel": "sms",
                "to": "79001234567",
                "from": "GDEMOI",
                "text": "Привет",
                "client_ref": "g1",
                "ttl": 3600,
                "sms": {"encoding_type": "unicode"},
                "webhook_url": "https://gw.example.org/v/status",
            },
        )
        self.assertIn(
            ("Authorization", "Basic YWJjZDEyMzQ6czNjcjN0WFk="), request.headers
        )
        plain = json.loads(
            PROVIDER.request_for(
                draft(text="a", unicode=False, callback=None), NOW
            ).body
        )
        self.assertEqual(plain["sms"], {"encoding_type": "text"})
        self.assertNotIn("webhook_url", plain)

    def test_an_application_sends_a_bearer_token(self) -> None:
        """With an application's key there is a token, and it is not shown."""

        class Tokens(ApplicationTokens):
            def token(self, now: float) -> str:
                return "tok.tok.tok"

        provider = VonageMessages(vonage(api="messages"), "ch", Tokens("app", "pem"))
        request = provider.request_for(draft(), NOW)
        self.assertIn(("Authorization", "Bearer tok.tok.tok"), request.headers)
        self.assertNotIn("tok.tok.tok", "\n".join(request.lines()))

    def test_ttl_is_in_seconds(self) -> None:
        """Twenty seconds at least."""
        one = draft(message=message(expires_at=NOW + 1))
        self.assertEqual(json.loads(PROVIDER.request_for(one, NOW).body)["ttl"], 20)


class OutcomeTests(SynchronousTestCase):
    def test_accepted(self) -> None:
        """202 names one id for the whole message."""
        outcome = PROVIDER.outcome_of(json_answer(202, message_uuid=UUID), NOW)
        self.assertEqual(outcome, Accepted(provider_ids=(UUID,), segments=0))

    def test_refused(self) -> None:
        """401 and 402 are the account's, 422 the message's, 429 the pace's."""
        problem = {
            "type": "https://example.org/x",
            "title": "Invalid params",
            "detail": "The value of one or more parameters is invalid.",
            "instance": "1",
            "invalid_parameters": [{"name": "from", "reason": "no"}, {"name": "ttl"}],
        }
        for status, scope in (
            (401, Scope.CHANNEL_HALTED),
            (402, Scope.CHANNEL_HALTED),
            (422, Scope.MESSAGE),
            (429, Scope.CHANNEL_FOR_A_WHILE),
        ):
            outcome = PROVIDER.outcome_of(json_answer(status, **problem), NOW)
            assert isinstance(outcome, Refused)
            self.assertEqual(outcome.scope, scope, status)
            self.assertIn("invalid: from, ttl", outcome.error.text)

    def test_a_bad_sender_is_not_the_account(self) -> None:
        """The problem's type says so, or `from` alone is invalid."""
        url = "https://developer.nexmo.com/api-errors/messages-olympus"
        for problem in (
            {"type": f"{url}#1120", "title": "Refused"},
            {"type": "x", "invalid_parameters": [{"name": "from", "reason": "no"}]},
            {"type": "x", "title": "Illegal Sender Address - rejected"},
        ):
            outcome = PROVIDER.outcome_of(json_answer(422, **problem), NOW)
            assert isinstance(outcome, Refused)
            self.assertEqual(outcome.scope, Scope.SENDER, problem)

    def test_unsure(self) -> None:
        """A server error, or a 202 that names nothing."""
        for answer in (
            json_answer(500, title="x"),
            json_answer(202),
            HttpAnswer(status=202, body=b"\xff"),
            HttpAnswer(status=202, body=b"{}", cut=True),
        ):
            self.assertIsInstance(PROVIDER.outcome_of(answer, NOW), Uncertain)


class StatusTests(SynchronousTestCase):
    def receipt(self, status: str, **changes: Any) -> Any:
        fields = hook(
            {
                "message_uuid": UUID,
                "channel": "sms",
                "to": "79001234567",
                "from": "GDEMOI",
                "timestamp": "2026-02-03T12:14:25Z",
                "status": status,
                "client_ref": "g1",
                **changes,
            }
        )
        assert isinstance(fields, WebhookContent)
        return fields.receipts[0]

    def test_statuses(self) -> None:
        """rejected with 1360 is expired; the others by their word."""
        error = {"type": "x", "title": "1360", "detail": "TTL was exceeded"}
        self.assertEqual(
            self.receipt("rejected", error=error).state, MessageState.EXPIRED
        )
        other = {**error, "title": "1330"}
        self.assertEqual(
            self.receipt("rejected", error=other).state, MessageState.REJECTED
        )
        self.assertEqual(
            self.receipt("rejected", error=other).error.code, "vonage:1330"
        )
        self.assertEqual(self.receipt("undeliverable").state, MessageState.UNDELIVERED)
        self.assertEqual(self.receipt("submitted").state, MessageState.ENROUTE)
        delivered = self.receipt("delivered")
        self.assertEqual(
            (delivered.state, delivered.at, delivered.message_id),
            (MessageState.DELIVERED, NOW, "g1"),
        )

    def test_what_is_no_status(self) -> None:
        """Nothing named is ignored; no object is their fault."""
        self.assertEqual(hook({"status": "delivered"}).ignored, "no message_uuid")
        for broken in ([], None, 5, "x"):
            with self.assertRaises(TheirFault):
                hook(broken)


class InboundTests(SynchronousTestCase):
    def test_an_inbound_message_is_whole(self) -> None:
        """Segments are joined by Vonage already."""
        fields = hook(
            {
                "channel": "sms",
                "message_uuid": UUID,
                "to": "34600000000",
                "from": "79001234567",
                "timestamp": "2026-02-03T12:14:25Z",
                "text": " ok ",
                "sms": {"num_messages": "2", "keyword": "OK"},
            },
            WebhookKind.INCOMING,
        )
        (inbound,) = fields.inbounds
        self.assertEqual(
            (inbound.text, inbound.segments, inbound.from_, inbound.to),
            (" ok ", 2, "+79001234567", "+34600000000"),
        )
        self.assertEqual(inbound.sent_at, NOW)
