"""The Vonage SMS API (cases VS)."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.exchange import (
    HttpAnswer,
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
)
from gdemoi.cloud.provider import CloudMessage
from gdemoi.cloud.vonage.account import ERROR_TEXTS, RESENDABLE, STATUSES
from gdemoi.cloud.vonage.signature import sms_signature
from gdemoi.cloud.vonage.sms import ERRORS, VonageSms, scts_time
from gdemoi.errors import TheirFault
from gdemoi.message import (
    Accepted,
    InboundSegment,
    MessageState,
    Refused,
    Scope,
    Uncertain,
)
from tests.cloud.net import NOW, json_answer, message, vectors, vonage

SETTINGS = vonage()
PROVIDER = VonageSms(SETTINGS, "ch")
SECRET = "abcdefghijklmnopqrstuvwxyz012345"


def draft(**changes: Any) -> CloudMessage:
    fields: dict[str, Any] = {
        "message": message(),
        "text": "setparam 1;2 #€",
        "sender": "GDEMOI",
        "unicode": False,
        "callback": "https://gw.example.org/sms/ch/status",
    }
    return CloudMessage(**{**fields, **changes})


def form(one: CloudMessage) -> dict[str, str]:
    body = PROVIDER.request_for(one, NOW).body.decode()
    return dict(parse_qsl(body, keep_blank_values=True))


def signed(fields: dict[str, str], **changes: str) -> dict[str, str]:
    """Return fields with everything that Vonage adds, and `sig` over them."""
    whole = {
        "api-key": "abcd1234",
        "timestamp": str(int(NOW)),
        "nonce": "n1",
        **fields,
        **changes,
    }
    return {**whole, "sig": sms_signature(whole, SECRET, "md5hash").upper()}


def hook(
    fields: dict[str, str], shape: str = "form", kind: WebhookKind = WebhookKind.STATUS
) -> Any:
    url, body, media_type = "https://gw.example.org/sms/ch/status", b"", ""
    if shape == "get":
        url += "?" + urlencode(fields)
    elif shape == "form":
        body, media_type = (
            urlencode(fields).encode(),
            "application/x-www-form-urlencoded",
        )
    else:
        body, media_type = json.dumps(fields).encode(), "application/json"
    return Webhook(
        kind=kind,
        method="GET" if shape == "get" else "POST",
        url=url,
        headers=(("content-type", media_type),),
        body=body,
    )


DLR = {
    "msisdn": "79001234567",
    "to": "GDEMOI",
    "network-code": "25001",
    "messageId": "0A0000001234567B",
    "price": "0.03330000",
    "status": "delivered",
    "scts": "2001011400",
    "err-code": "0",
    "message-timestamp": "2020-01-01 12:00:00",
    "client-ref": "g1",
}


class SendTests(SynchronousTestCase):
    def test_a_text(self) -> None:
        """The form, the address and the credentials; no plus anywhere."""
        request = PROVIDER.request_for(draft(), NOW)
        self.assertEqual(
            (request.method, request.url), ("POST", "https://rest.nexmo.com/sms/json")
        )
        self.assertIn(
            ("Authorization", "Basic YWJjZDEyMzQ6czNjcjN0WFk="), request.headers
        )
        self.assertEqual(
            form(draft()),
            {
                "to": "79001234567",
                "from": "GDEMOI",
                "text": "setparam 1;2 #€",
                "type": "text",
                "ttl": "3600000",
                "client-ref": "g1",
                "callback": "https://gw.example.org/sms/ch/status",
            },
        )

    def test_unicode_is_said_by_us(self) -> None:
        """What is not GSM would arrive as question marks otherwise."""
        fields = form(draft(text="Привет", unicode=True))
        self.assertEqual((fields["type"], fields["text"]), ("unicode", "Привет"))

    def test_a_short_validity_is_raised(self) -> None:
        """Ten seconds become Vonage's least, in milliseconds."""
        self.assertEqual(
            form(draft(message=message(expires_at=NOW + 10)))["ttl"], "20000"
        )
        self.assertEqual(
            form(draft(message=message(expires_at=NOW + 10**7)))["ttl"], "604800000"
        )

    def test_binary_and_flash(self) -> None:
        """Octets and header in hex; class 0 for flash; no text with octets."""
        binary = message(None, binary=b"\x01\xff", udh=b"\x06\x05\x04\x0b\x84\x0b\x84")
        fields = form(draft(message=binary, text=None))
        self.assertEqual(
            (fields["type"], fields["body"], fields["udh"]),
            ("binary", "01ff", "0605040b840b84"),
        )
        self.assertNotIn("text", fields)
        self.assertEqual(form(draft(message=message(flash=True)))["message-class"], "0")
        refusal = PROVIDER.refusal(
            draft(message=message(None, binary=b"x" * 141), text=None)
        )
        assert refusal is not None
        self.assertEqual(refusal.code, "gateway:too_long")

    def test_numbers_and_senders_that_vonage_refuses(self) -> None:
        """Seven to fifteen digits; a sender is needed."""
        for to in ("+7900", "12345"):
            refusal = PROVIDER.refusal(draft(message=message(to=to)))
            self.assertEqual(refusal and refusal.code, "gateway:bad_number")
        for sender in (None, "TWELVELETTER", "Фирма"):
            refusal = PROVIDER.refusal(draft(sender=sender))
            self.assertEqual(refusal and refusal.code, "gateway:sender_not_allowed")
        self.assertIsNone(PROVIDER.refusal(draft(sender="+34600000000")))
        self.assertEqual(form(draft(sender="+34600000000"))["from"], "34600000000")


class OutcomeTests(SynchronousTestCase):
    def outcome(self, *entries: dict[str, str]) -> Any:
        fields = {"message-count": str(len(entries)), "messages": list(entries)}
        return PROVIDER.outcome_of(json_answer(200, **fields), NOW)

    def test_two_segments(self) -> None:
        """Two ids; the price is summed exactly, the balance is the last one."""
        entries = [
            {
                "status": "0",
                "message-id": name,
                "message-price": "0.03330000",
                "remaining-balance": balance,
            }
            for name, balance in (("A1", "3.2"), ("A2", "3.1"))
        ]
        answer = json_answer(200, **{"message-count": "2", "messages": entries})
        self.assertEqual(
            PROVIDER.outcome_of(answer, NOW),
            Accepted(provider_ids=("A1", "A2"), segments=2),
        )
        self.assertEqual(PROVIDER.price_of(answer), Decimal("0.0666"))
        balance = PROVIDER.balance_of(answer)
        self.assertEqual(balance and balance.value, 3.1)

    def test_a_partial_failure_is_unsure(self) -> None:
        """One segment is out: the message can neither be repeated nor called sent."""
        outcome = self.outcome(
            {"status": "0", "message-id": "A1"},
            {"status": "5", "error-text": "Internal Error"},
        )
        assert isinstance(outcome, Uncertain)
        self.assertEqual((outcome.provider_ids, outcome.segments), (("A1",), 2))
        # the rest cannot be sent alone
        assert outcome.progress is not None
        self.assertEqual(
            (outcome.progress.ids, outcome.progress.form), (("A1", None), "")
        )

    def test_throttling_says_how_long(self) -> None:
        """The text may tell milliseconds; else a second."""
        text = "Throughput Rate Exceeded - please wait [ 250 ] and retry"
        for given, pause_s in ((text, 0.25), ("Throttled", 1.0)):
            outcome = self.outcome({"status": "1", "error-text": given})
            assert isinstance(outcome, Refused)
            self.assertTrue(outcome.throttled)
            self.assertEqual(outcome.retry_after_s, pause_s)

    def test_statuses(self) -> None:
        """4, 9 and 23 are the account's, 7 the message's."""
        for code in ("4", "9", "23"):
            outcome = self.outcome({"status": code, "error-text": "no"})
            assert isinstance(outcome, Refused)
            self.assertEqual(outcome.scope, Scope.CHANNEL_HALTED, code)
        outcome = self.outcome({"status": "7", "error-text": "barred"})
        assert isinstance(outcome, Refused)
        self.assertEqual(
            (outcome.scope, outcome.error.code), (Scope.MESSAGE, "vonage:7")
        )

    def test_what_says_nothing_is_unsure(self) -> None:
        """HTTP 200 with HTML, with no entries, or cut."""
        for body in (b"<html>", b'{"messages": []}', b"\xff", b"[]"):
            answer = HttpAnswer(status=200, body=body)
            self.assertIsInstance(PROVIDER.outcome_of(answer, NOW), Uncertain, body)
        cut = HttpAnswer(status=200, body=b'{"messages": [{"status":"0"}]}', cut=True)
        self.assertIsInstance(PROVIDER.outcome_of(cut, NOW), Uncertain)

    def test_every_status_of_the_vectors(self) -> None:
        """The class of each known status, err-code and word."""
        classes = vectors("error_and_status_classes")
        for code, error_class in classes["vonage_sms_submit"].items():
            if error_class != "ok":
                self.assertEqual(ERRORS[code].name.lower(), error_class, code)
        for code, (_, may) in classes["vonage_dlr_err"].items():
            self.assertEqual(code in RESENDABLE, may.startswith("may resend"), code)
            self.assertTrue(code == "0" or code in ERROR_TEXTS)
        for api in ("vonage_sms", "vonage_messages"):
            for word, ours in classes["status_map"][api].items():
                state = (
                    MessageState.ENROUTE
                    if ours in ("sent", "unknown")
                    else MessageState(ours)
                )
                self.assertEqual(STATUSES[word], state, word)

    def test_http_errors(self) -> None:
        """429 is surely not taken, 401 is the account, 500 who knows."""
        throttled = PROVIDER.outcome_of(
            HttpAnswer(status=429, headers={"retry-after": "3"}), NOW
        )
        assert isinstance(throttled, Refused)
        self.assertEqual(throttled.retry_after_s, 3.0)
        self.assertIsInstance(
            PROVIDER.outcome_of(HttpAnswer(status=502), NOW), Uncertain
        )


class StatusTests(SynchronousTestCase):
    def test_three_shapes_tell_the_same(self) -> None:
        """GET, form POST and JSON POST give equal receipts."""
        fields = [
            PROVIDER.events_of(hook(signed(DLR), shape), NOW)
            for shape in ("get", "form", "json")
        ]
        self.assertEqual(fields[0], fields[1])
        self.assertEqual(fields[1], fields[2])
        (receipt,) = fields[0].receipts
        self.assertEqual(receipt.state, MessageState.DELIVERED)
        self.assertEqual(receipt.message_id, "g1")
        # 2020-01-01 14:00, the provider's time
        self.assertEqual(receipt.at, 1577887200.0)
        self.assertIn("scts=2001011400", receipt.raw)
        self.assertTrue(receipt.verified)

    def test_each_segment_has_a_receipt(self) -> None:
        """The ids tell the segments apart; a failed one says why."""
        one = PROVIDER.events_of(hook(signed(DLR)), NOW)
        two = PROVIDER.events_of(
            hook(
                signed({**DLR, "messageId": "B2", "status": "failed", "err-code": "8"})
            ),
            NOW,
        )
        first, second = one.receipts[0], two.receipts[0]
        self.assertNotEqual(first.provider_id, second.provider_id)
        self.assertEqual(second.state, MessageState.UNDELIVERED)
        self.assertEqual(second.error.code, "vonage:8")

    def test_old_calls_are_refused(self) -> None:
        """A right signature of more than 25 hours ago is 401."""
        old = signed(DLR, timestamp=str(int(NOW) - 90_001))
        why = "timestamp: signed 90001 s ago, webhook_age allows 90000 s"
        self.assertEqual(PROVIDER.events_of(hook(old), NOW), WebhookDenied(401, why))
        soon = signed(DLR, timestamp="soon")
        self.assertIsInstance(PROVIDER.events_of(hook(soon), NOW), WebhookDenied)
        fresh = PROVIDER.events_of(hook(signed(DLR)), NOW)
        self.assertEqual(fresh.replay_key, "nonce:n1")

    def test_without_a_nonce_no_call_is_a_repeat(self) -> None:
        """A signature that covers none leaves no mark: two calls are two."""
        fields = {**DLR, "api-key": "abcd1234", "timestamp": str(int(NOW))}
        fields["sig"] = sms_signature(fields, SECRET, "md5hash")
        content = PROVIDER.events_of(hook(fields), NOW)
        self.assertEqual((content.replay_key, len(content.receipts)), (None, 1))

    def test_status_words_without_a_code(self) -> None:
        """Each has its state, and a bad one says which it was."""
        for word, state, code in (
            ("delivered", MessageState.DELIVERED, None),
            ("accepted", MessageState.ENROUTE, None),
            ("buffered", MessageState.ENROUTE, None),
            ("expired", MessageState.EXPIRED, "vonage:expired"),
            ("failed", MessageState.UNDELIVERED, "vonage:failed"),
            ("rejected", MessageState.REJECTED, "vonage:rejected"),
            ("REJECTED", MessageState.REJECTED, "vonage:rejected"),
            ("deleted", MessageState.UNDELIVERED, "vonage:deleted"),
            ("undeliverable", MessageState.UNDELIVERED, "vonage:undeliverable"),
            ("unknown", MessageState.ENROUTE, "vonage:unknown"),
            ("odd", MessageState.ENROUTE, "vonage:status"),
        ):
            fields = {**DLR, "status": word, "err-code": "0"}
            (receipt,) = PROVIDER.events_of(hook(signed(fields)), NOW).receipts
            found = None if receipt.error is None else receipt.error.code
            self.assertEqual((word, receipt.state, found), (word, state, code))

    def test_bad_signatures_are_401(self) -> None:
        """Missing, empty and foreign `sig`."""
        fields = signed(DLR)
        for sig in ("", "é", "0"):
            answer = PROVIDER.events_of(hook({**fields, "sig": sig}), NOW)
            self.assertEqual(answer, WebhookDenied(401, "signature"))

    def test_another_account_is_403(self) -> None:
        """A well-signed call with another api-key."""
        fields = signed(DLR, **{"api-key": "other123"})
        self.assertEqual(
            PROVIDER.events_of(hook(fields), NOW), WebhookDenied(403, "another account")
        )

    def test_without_a_secret_nothing_is_proven(self) -> None:
        """Where the account does not sign, receipts are not verified."""
        provider = VonageSms(vonage(signature_secret=None), "ch")
        fields = provider.events_of(hook(DLR), NOW)
        assert isinstance(fields, WebhookContent)
        self.assertFalse(fields.receipts[0].verified)
        self.assertIsNone(fields.replay_key)
        empty = provider.events_of(hook({}), NOW)
        assert isinstance(empty, WebhookContent)
        self.assertEqual(empty.ignored, "no messageId")

    def test_scts(self) -> None:
        """Ten digits, or nothing."""
        self.assertIsNone(scts_time("x"))
        self.assertIsNone(scts_time(None))


class InboundTests(SynchronousTestCase):
    def inbound(self, **fields: str) -> Any:
        whole = {
            "msisdn": "79001234567",
            "to": "34600000000",
            "messageId": "M1",
            "text": " a&b=c ",
            "type": "text",
            **fields,
        }
        content = PROVIDER.events_of(
            hook(signed(whole), kind=WebhookKind.INCOMING), NOW
        )
        (inbound,) = content.inbounds
        self.assertEqual(inbound.account, PROVIDER.account)
        return inbound

    def test_a_text_with_signs_in_it(self) -> None:
        """& and = in a text are signed as underscores and arrive as they are."""
        inbound = self.inbound()
        self.assertEqual(inbound.text, " a&b=c ")
        self.assertEqual((inbound.from_, inbound.to), ("+79001234567", "+34600000000"))
        self.assertIsNone(inbound.part)

    def test_the_header_of_a_binary_sms(self) -> None:
        """Ports and place are read of it; what is none is left."""
        binary = {"type": "binary", "data": "6869"}
        one = self.inbound(**binary, udh="0605040b8423f0")
        self.assertEqual(
            (one.dest_port, one.source_port, one.binary), (2948, 9200, b"hi")
        )
        self.assertEqual(one.udh, bytes.fromhex("0605040b8423f0"))
        part = self.inbound(**binary, udh="0500032a0201").part
        self.assertEqual(part, InboundSegment("2a", 2, 1))
        for udh in ("", "zz"):
            one = self.inbound(**binary, udh=udh)
            self.assertEqual((one.udh, one.dest_port, one.part), (None, None, None))

    def test_segments_go_up_one_by_one(self) -> None:
        """Reference, total and number go with each; the journal joins them."""
        part = self.inbound(
            **{
                "concat": "true",
                "concat-ref": "7",
                "concat-total": "3",
                "concat-part": "2",
            }
        ).part
        self.assertEqual(part, InboundSegment("7", 3, 2))

    def test_broken_segment_numbers_make_a_whole_message(self) -> None:
        """What cannot be joined is told alone."""
        for total, number in (("2", "3"), ("x", "1"), ("300", "1"), ("2", "0")):
            inbound = self.inbound(
                **{
                    "concat": "true",
                    "concat-ref": "7",
                    "concat-total": total,
                    "concat-part": number,
                }
            )
            self.assertIsNone(inbound.part)

    def test_binary(self) -> None:
        """Octets come in hex; anything else is their fault."""
        self.assertEqual(self.inbound(type="binary", data="01FF").binary, b"\x01\xff")
        with self.assertRaises(TheirFault):
            self.inbound(type="binary", data="zz")


class CredentialsTests(SynchronousTestCase):
    def test_the_credentials_are_basic(self) -> None:
        """Key and secret, as the 1.5 specification says."""
        given = base64.b64decode(PROVIDER.secrets[0]).decode()
        self.assertEqual(given, "abcd1234:s3cr3tXY")
