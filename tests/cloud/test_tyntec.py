"""Tyntec (cases TY)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.exchange import (
    HttpAnswer,
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
)
from gdemoi.cloud.provider import CloudMessage, StatusAnswer
from gdemoi.cloud.tyntec import (
    SENDERS,
    STATES,
    TAKEN,
    Tyntec,
    conversation_signature,
    worst_of,
)
from gdemoi.errors import OurFault, TheirFault
from gdemoi.message import Accepted, Charset, MessageState, Refused, Scope, Uncertain
from tests.cloud.net import NOW, TOKEN, json_answer, message, tyntec, vectors

PROVIDER = Tyntec(tyntec(), "ch")
URL = f"https://gw.example.org/sms/ch/status/{TOKEN}"

# the provider's own sample of an inbound message
SAMPLE = {
    "from": "+79001234567",
    "to": "+4915112345678",
    "message": " Привет ",
    "originMCC": "250",
    "originMNC": "01",
    "requestId": "b89dcd35",
    "size": 1,
    "missingParts": False,
    "contentList": [
        {"msgId": "1", "sentDate": "2026-02-03T12:14:25Z", "sequenceNumber": 1}
    ],
}


def draft(**changes: Any) -> CloudMessage:
    fields: dict[str, Any] = {
        "message": message("setparam a;B"),
        "text": "setparam a;B",
        "sender": "GDEMOI",
        "unicode": False,
        "callback": URL,
    }
    return CloudMessage(**{**fields, **changes})


def body(one: CloudMessage, provider: Tyntec = PROVIDER) -> dict[str, Any]:
    fields = json.loads(provider.request_for(one, NOW).body)
    assert isinstance(fields, dict)
    return fields


def hook(
    fields: Any,
    shape: str = "json",
    kind: WebhookKind = WebhookKind.STATUS,
    provider: Tyntec = PROVIDER,
    headers: tuple[tuple[str, str], ...] = (),
) -> Any:
    url, octets, media_type = URL, b"", "application/json"
    if shape == "get":
        url += "?" + urlencode(fields)
    elif shape == "form":
        octets, media_type = (
            urlencode(fields).encode(),
            "application/x-www-form-urlencoded",
        )
    elif shape == "raw":
        octets = fields
    else:
        octets = json.dumps(fields).encode()
    return provider.events_of(
        Webhook(
            kind=kind,
            method="GET" if shape == "get" else "POST",
            url=url,
            headers=(("content-type", media_type), *headers),
            body=octets,
        ),
        NOW,
    )


class SendTests(SynchronousTestCase):
    def test_a_text(self) -> None:
        """The JSON, the address and the key; validity is minutes, as a string."""
        request = PROVIDER.request_for(draft(), NOW)
        self.assertEqual(
            (request.method, request.url),
            ("POST", "https://api.tyntec.com/messaging/v1/sms"),
        )
        self.assertIn(("apikey", "k"), request.headers)
        self.assertIn(("Content-Type", "application/json"), request.headers)
        self.assertEqual(
            body(draft()),
            {
                "to": "+79001234567",
                "from": "GDEMOI",
                "message": "setparam a;B",
                "encoding": "AUTO",
                "upperCased": False,
                "trate": 0,
                "mrate": 0,
                "partLimit": 10,
                "validity": "60",
                "reference": "g1",
                "callbackUrl": URL,
                "callbackMethod": "POST",
            },
        )
        self.assertNotIn("callbackUrl", body(draft(callback=None)))

    def test_encodings(self) -> None:
        """ucs2 is UNICODE, gsm7 the configured word, auto their own choice."""
        ucs2 = draft(message=message(charset=Charset.UCS2), unicode=True)
        self.assertEqual(body(ucs2)["encoding"], "UNICODE")
        gsm = draft(message=message(charset=Charset.GSM7))
        self.assertEqual(body(gsm)["encoding"], "AUTO")
        for word in ("GSM7", "GDM7"):
            provider = Tyntec(tyntec(gsm_encoding=word), "ch")
            self.assertEqual(body(gsm, provider)["encoding"], word)

    def test_a_command_keeps_its_case(self) -> None:
        """Their default would make capitals of it."""
        fields = body(draft())
        self.assertEqual(fields["message"], "setparam a;B")
        self.assertIs(fields["upperCased"], False)

    def test_flash_and_senders(self) -> None:
        """flash only when asked; numbers or names of up to eleven characters."""
        self.assertNotIn("flash", body(draft()))
        self.assertIs(body(draft(message=message(flash=True)))["flash"], True)
        for good in ("+4915112345678", "GDEMOI", "12345"):
            self.assertTrue(SENDERS.takes(good), good)
        for bad in ("TWELVELETTER", "Фирма", ""):
            self.assertFalse(SENDERS.takes(bad), bad)
        refusal = PROVIDER.refusal(draft(message=message(to="12345")))
        self.assertEqual(refusal and refusal.code, "gateway:bad_number")

    def test_the_length_follows_the_part_limit(self) -> None:
        """Their own figures: 160 alone, 152 a part; 70 and 66."""
        able = PROVIDER.capabilities
        self.assertEqual((able.gsm_units, able.ucs2_units), (1520, 660))
        able = Tyntec(tyntec(part_limit=1), "ch").capabilities
        self.assertEqual((able.gsm_units, able.ucs2_units), (160, 70))


class OutcomeTests(SynchronousTestCase):
    def test_accepted(self) -> None:
        """200, 201 and 202 with a requestId; without one who knows."""
        for status in (200, 201, 202):
            answer = json_answer(status, requestId="r1", size=2, overallPrice="0.1")
            self.assertEqual(
                PROVIDER.outcome_of(answer, NOW),
                Accepted(provider_ids=("r1",), segments=2),
            )
            self.assertEqual(str(PROVIDER.price_of(answer)), "0.1")
        for answer in (
            json_answer(200),
            HttpAnswer(status=201),
            HttpAnswer(status=202),
        ):
            self.assertIsInstance(PROVIDER.outcome_of(answer, NOW), Uncertain)

    def test_refused(self) -> None:
        """REJECTED and 400 are the message's, 401 and 403 the account's."""
        rejected = PROVIDER.outcome_of(
            json_answer(
                200,
                requestId="r1",
                status="REJECTED",
                errorCode="0001",
                errorReason="unknown subscriber",
            ),
            NOW,
        )
        assert isinstance(rejected, Refused)
        self.assertEqual(
            (rejected.scope, rejected.error.code), (Scope.MESSAGE, "tyntec:0001")
        )
        for status, scope in (
            (400, Scope.MESSAGE),
            (401, Scope.CHANNEL_HALTED),
            (403, Scope.CHANNEL_HALTED),
        ):
            outcome = PROVIDER.outcome_of(
                json_answer(status, title="Bad Request", detail="to"), NOW
            )
            assert isinstance(outcome, Refused)
            self.assertEqual(outcome.scope, scope)
            self.assertEqual(outcome.error.text, "Bad Request; to")

    def test_a_sender_that_is_not_assigned_does_not_halt_the_key(self) -> None:
        """Tyntec has no code for it: the problem's words tell, whatever the status."""
        for status, detail in (
            (400, "from number is not assigned to this key"),
            (403, "the originator is not allowed"),
            (400, "invalid value in field 'from'"),
        ):
            answer = json_answer(status, title="Refused", detail=detail)
            outcome = PROVIDER.outcome_of(answer, NOW)
            assert isinstance(outcome, Refused)
            self.assertEqual(outcome.scope, Scope.SENDER, detail)
        fields = {"status": "REJECTED", "errorReason": "sender blocked by operator"}
        outcome = PROVIDER.outcome_of(json_answer(200, **fields), NOW)
        assert isinstance(outcome, Refused)
        self.assertEqual(outcome.scope, Scope.SENDER)

    def test_pace(self) -> None:
        """429 with Retry-After says how long; 500 is unsure."""
        answer = HttpAnswer(status=429, headers={"retry-after": "7"})
        outcome = PROVIDER.outcome_of(answer, NOW)
        assert isinstance(outcome, Refused)
        self.assertEqual((outcome.throttled, outcome.retry_after_s), (True, 7.0))
        self.assertIsInstance(
            PROVIDER.outcome_of(HttpAnswer(status=500), NOW), Uncertain
        )


class StatusTests(SynchronousTestCase):
    def test_a_receipt_is_a_hint(self) -> None:
        """It is not verified; the question that confirms it is one GET."""
        fields = hook({"requestId": "r1", "status": "DELIVERED"})
        (receipt,) = fields.receipts
        self.assertEqual(
            (receipt.state, receipt.verified), (MessageState.DELIVERED, False)
        )
        request = PROVIDER.status_request(["r1"], NOW)
        assert request is not None
        self.assertEqual(request.url, "https://api.tyntec.com/messaging/v1/messages/r1")
        odd = PROVIDER.status_request(["../r/1?x"], NOW)
        assert odd is not None
        self.assertEqual(
            odd.url, "https://api.tyntec.com/messaging/v1/messages/..%2Fr%2F1%3Fx"
        )
        answer = json_answer(200, requestId="r1", status="DELIVERED", reference="g1")
        (receipt,) = PROVIDER.status_of(answer, ["r1"], NOW).receipts
        self.assertEqual(
            (receipt.state, receipt.verified, receipt.message_id),
            (MessageState.DELIVERED, True, "g1"),
        )

    def test_three_shapes(self) -> None:
        """JSON, form and query tell the same; without requestId nothing."""
        fields = {"requestId": "r1", "status": "DELIVERED"}
        contents = [hook(fields, shape) for shape in ("json", "form", "get")]
        self.assertEqual(contents[0], contents[1])
        self.assertEqual(contents[1], contents[2])
        self.assertEqual(hook({"status": "DELIVERED"}).ignored, "no requestId")

    def test_parts(self) -> None:
        """Delivered when all are; one that failed spoils the message."""
        for states, expected in (
            (("DELIVERED", "UNDELIVERABLE"), "UNDELIVERABLE"),
            (("DELIVERED", "BUFFERED"), "BUFFERED"),
            (("DELIVERED", "ACCEPTED"), "BUFFERED"),
            (("DELIVERED", "DELIVERED"), "DELIVERED"),
            (("EXPIRED", "REJECTED"), "REJECTED"),
            (("ACCEPTED", "ACCEPTED"), "ACCEPTED"),
        ):
            parts = [{"deliveryState": state} for state in states]
            self.assertEqual(worst_of({"parts": parts})[0], expected)
        fields = hook(
            {
                "requestId": "r1",
                "status": "DELIVERED",
                "parts": [
                    {"deliveryState": "DELIVERED"},
                    {"deliveryState": "UNDELIVERABLE", "errorCode": "0006"},
                ],
            }
        )
        (receipt,) = fields.receipts
        self.assertEqual(receipt.state, MessageState.UNDELIVERED)
        self.assertEqual(
            (receipt.error.code, receipt.error.retryable), ("tyntec:0006", True)
        )

    def test_every_state_of_the_vectors(self) -> None:
        """The state of each known word, and of one that is not."""
        table = vectors("error_and_status_classes")["status_map"]["tyntec"]
        for word, ours in table.items():
            known = {"accepted": None, "sent": MessageState.ENROUTE}
            expected = known[ours] if ours in known else MessageState(ours)
            self.assertEqual(STATES.get(word), expected, word)
            self.assertEqual(word == TAKEN, expected is None, word)
        self.assertEqual(hook({"requestId": "r", "status": "ACCEPTED"}).receipts, ())
        odd = hook({"requestId": "r", "status": "TELEPORTED"}).receipts[0]
        self.assertEqual(
            (odd.state, odd.error.code), (MessageState.ENROUTE, "tyntec:status")
        )

    def test_a_question_may_come_too_early(self) -> None:
        """404 is missing; the poller knows how young the message is."""
        self.assertTrue(PROVIDER.status_of(HttpAnswer(status=404), ["r"], NOW).missing)
        with self.assertRaises(TheirFault):
            PROVIDER.status_of(HttpAnswer(status=503), ["r"], NOW)
        pending = json_answer(200, requestId="r", status="ACCEPTED")
        self.assertEqual(PROVIDER.status_of(pending, ["r"], NOW), StatusAnswer())


class InboundTests(SynchronousTestCase):
    def test_the_sample(self) -> None:
        """Text untouched, one segment, the network's time."""
        (inbound,) = hook(SAMPLE, kind=WebhookKind.INCOMING).inbounds
        self.assertEqual(inbound.account, PROVIDER.account)
        self.assertEqual(
            (inbound.from_, inbound.to, inbound.text, inbound.segments),
            ("+79001234567", "+4915112345678", " Привет ", 1),
        )
        self.assertEqual((inbound.complete, inbound.sent_at), (True, NOW))

    def test_gaps_are_kept(self) -> None:
        """missingParts makes it incomplete; the mark in the text stays."""
        fields = {**SAMPLE, "missingParts": True, "message": "a<...>b", "size": 3}
        (inbound,) = hook(fields, kind=WebhookKind.INCOMING).inbounds
        self.assertEqual(
            (inbound.complete, inbound.text, inbound.segments), (False, "a<...>b", 3)
        )

    def test_broken_letters_do_not_lose_an_sms(self) -> None:
        """Wrong UTF-8, or half an emoji: mended, with the octets beside it."""
        for written, text, octets in (
            (b"ok \xd0", "ok \ufffd", b"ok \xd0"),
            (b"ok \\ud83d", "ok \ufffd\ufffd\ufffd", b"ok \xed\xa0\xbd"),
        ):
            whole = json.dumps({**SAMPLE, "message": "TEXT"}).encode()
            raw = whole.replace(b"TEXT", written)
            (inbound,) = hook(raw, "raw", WebhookKind.INCOMING).inbounds
            self.assertEqual((inbound.text, inbound.binary), (text, octets))
            self.assertEqual(inbound.from_, "+79001234567")

    def test_a_repeat_is_recognised(self) -> None:
        """The requestId marks it for longer than Tyntec repeats."""
        first = hook(SAMPLE, kind=WebhookKind.INCOMING).inbounds[0]
        again = hook(SAMPLE, kind=WebhookKind.INCOMING).inbounds[0]
        self.assertEqual(first.dedup, again.dedup)
        self.assertGreater(first.dedup_window_s, 50 * 3600)
        week = Tyntec(tyntec(webhook_age_s=7 * 86400.0), "ch")
        longer = hook(SAMPLE, kind=WebhookKind.INCOMING, provider=week).inbounds[0]
        self.assertGreater(longer.dedup_window_s, 7 * 86400.0 + 3600)

    def test_broken_bodies_are_their_fault(self) -> None:
        """Whatever is not the documented object."""
        for fields in (
            {**SAMPLE, "contentList": "x"},
            {**SAMPLE, "contentList": [1]},
            {**SAMPLE, "message": 5},
            {"from": "+7900"},
            [],
            None,
        ):
            with self.assertRaises(TheirFault):
                hook(fields, kind=WebhookKind.INCOMING)
        for octets in (b"[" * 10_000, b'{"a":' * 10_000, b"\xff", b""):
            for kind in WebhookKind:
                with self.assertRaises(TheirFault):
                    hook(octets, "raw", kind)

    @given(st.binary(max_size=300))
    def test_any_octets_are_told_or_their_fault(self, octets: bytes) -> None:
        """Never another exception."""
        for kind in WebhookKind:
            try:
                fields = hook(octets, "raw", kind)
            except TheirFault:
                continue
            self.assertIsInstance(fields, WebhookContent)

    def test_inbound_messages_cannot_be_asked_for(self) -> None:
        """There are no sources, so nobody asks."""
        self.assertEqual(PROVIDER.sources_of(None), ())
        self.assertIsNone(PROVIDER.sources_request())
        with self.assertRaises(OurFault):
            PROVIDER.inbound_request("", NOW, NOW, NOW)
        self.assertIsNone(PROVIDER.balance_request(NOW))


class ConversationsTests(SynchronousTestCase):
    def answer(self, age_s: float = 0, **changes: str) -> Any:
        provider = Tyntec(tyntec(signature_secret="s3cret"), "ch")
        octets = json.dumps({"requestId": "r1", "status": "DELIVERED"}).encode()
        timestamp = changes.get("timestamp", str(int(NOW - age_s)))
        digest = changes.get("digest", "sha256")
        signed = changes.get("signed", octets.decode()).encode()
        good = conversation_signature("s3cret", timestamp, signed, digest)
        return hook(
            octets,
            "raw",
            provider=provider,
            headers=(
                ("x-signature", good + changes.get("padding", "")),
                ("x-request-timestamp", timestamp),
            ),
        )

    def test_signed_conversations(self) -> None:
        """Right, padded or not, by SHA-256 or SHA-512, seconds or milliseconds."""
        for changes in (
            {},
            {"padding": "="},
            {"digest": "sha512"},
            {"digest": "sha512", "padding": "=="},
            {"timestamp": str(int(NOW * 1000))},
            {"timestamp": "2026-02-03T12:14:25Z"},
        ):
            answer = self.answer(**changes)  # type: ignore[arg-type]
            self.assertIsInstance(answer, WebhookContent, changes)
            self.assertTrue(answer.receipts[0].verified)

    def test_as_old_as_tyntec_repeats(self) -> None:
        """48 hours and a bit, since so long it repeats."""
        for age_s in (301, 48 * 3600, 49 * 3600, -3600):
            answer = self.answer(age_s=age_s)
            self.assertIsInstance(answer, WebhookContent, age_s)
            self.assertEqual(answer.signed_at, int(NOW - age_s))
        for age_s in (49 * 3600 + 1, -3601):
            self.assertIsInstance(self.answer(age_s=age_s), WebhookDenied, age_s)

    def test_wrong_conversations(self) -> None:
        """Too old, about another body, without a time, without a signature: 401."""
        denied = WebhookDenied(401, "signature")
        self.assertEqual(self.answer(signed="{}"), denied)
        soon = WebhookDenied(401, "timestamp: no time that can be read")
        self.assertEqual(self.answer(timestamp="soon"), soon)
        provider = Tyntec(tyntec(signature_secret="s3cret"), "ch")
        self.assertEqual(hook({"requestId": "r1"}, provider=provider), denied)
