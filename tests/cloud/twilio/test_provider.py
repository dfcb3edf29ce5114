"""Twilio: requests, answers, webhooks and polls (cases TW)."""

from __future__ import annotations

import base64
import hashlib
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
from gdemoi.cloud.provider import CloudMessage, StatusAnswer
from gdemoi.cloud.twilio.messages import ASYNC_CODES, STATUSES, TAKEN, date_of
from gdemoi.cloud.twilio.provider import ERRORS, Twilio, is_sender
from gdemoi.cloud.twilio.signature import signature
from gdemoi.errors import TheirFault
from gdemoi.message import Accepted, MessageState, Refused, Scope, Uncertain
from tests.cloud.net import ACCOUNT, NOW, json_answer, message, twilio, vectors

BASE = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}"
STATUS_URL = "https://gw.example.org/sms/ch/status?m=g1"
PROVIDER = Twilio(twilio(), "ch")


def webhook(
    kind: WebhookKind,
    pairs: list[tuple[str, str]],
    url: str = STATUS_URL,
    **changes: Any,
) -> Webhook:
    """Return a form webhook, signed with the token unless `signed` says otherwise."""
    signed = changes.pop("signed", signature("tok", url, pairs))
    headers = [("content-type", "application/x-www-form-urlencoded")]
    if signed is not None:
        headers.append(("x-twilio-signature", signed))
    fields: dict[str, Any] = {
        "kind": kind,
        "method": "POST",
        "url": url,
        "headers": tuple(headers),
        "body": urlencode(pairs).encode(),
    }
    return Webhook(**{**fields, **changes})


def status(word: str, code: str | None = None, sid: str = "SM1", **changes: Any) -> Any:
    pairs = [
        ("MessageSid", sid),
        ("SmsSid", sid),
        ("MessageStatus", word),
        ("To", "+79001234567"),
        ("AccountSid", ACCOUNT),
    ]
    if code:
        pairs.append(("ErrorCode", code))
    return PROVIDER.events_of(webhook(WebhookKind.STATUS, pairs, **changes), NOW)


class SendTests(SynchronousTestCase):
    def draft(self, **changes: Any) -> CloudMessage:
        fields: dict[str, Any] = {
            "message": message(),
            "text": "setparam 1;2 #€",
            "sender": "+14155552345",
            "unicode": False,
            "callback": "https://gw.example.org/sms/ch/status",
        }
        return CloudMessage(**{**fields, **changes})

    def form(self, draft: CloudMessage, provider: Twilio = PROVIDER) -> dict[str, str]:
        request = provider.request_for(draft, NOW)
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))

    def test_a_send_has_these_fields_and_no_other(self) -> None:
        """The form, the address and the credentials are exactly as documented."""
        request = PROVIDER.request_for(self.draft(), NOW)
        self.assertEqual(
            (request.method, request.url), ("POST", f"{BASE}/Messages.json")
        )
        credentials = base64.b64encode(f"{ACCOUNT}:tok".encode()).decode()
        self.assertTrue(credentials.startswith("QUMwMTIz"))
        self.assertIn(("Authorization", f"Basic {credentials}"), request.headers)
        self.assertEqual(
            set(request.body.decode().split("&")),
            {
                "To=%2B79001234567",
                "From=%2B14155552345",
                "Body=setparam+1%3B2+%23%E2%82%AC",
                "ValidityPeriod=3600",
                "SmartEncoded=false",
                "StatusCallback="
                "https%3A%2F%2Fgw.example.org%2Fsms%2Fch%2Fstatus%3Fm%3Dg1",
            },
        )

    def test_a_messaging_service_stands_for_the_sender(self) -> None:
        """With a service there is no From, and Cyrillic goes as UTF-8."""
        service = "MG0123456789abcdef0123456789abcdef"
        provider = Twilio(twilio(messaging_service_sid=service), "ch")
        draft = self.draft(text="Привет", sender=None, unicode=True)
        form = self.form(draft, provider)
        self.assertEqual(form["MessagingServiceSid"], service)
        self.assertNotIn("From", form)
        body = provider.request_for(draft, NOW).body
        self.assertIn(b"Body=%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82", body)

    def test_polling_sends_no_callback(self) -> None:
        """A callback address that is no public one would be refused (21609)."""
        self.assertNotIn("StatusCallback", self.form(self.draft(callback=None)))

    def test_validity_stays_within_ten_hours(self) -> None:
        """What lives longer than Twilio's queue is capped, what is over gets 1 s."""
        long = self.draft(message=message(expires_at=NOW + 90000))
        short = self.draft(message=message(expires_at=NOW - 5))
        self.assertEqual(self.form(long)["ValidityPeriod"], "36000")
        self.assertEqual(self.form(short)["ValidityPeriod"], "1")

    def test_an_api_key_sends_with_the_account_in_the_path(self) -> None:
        """The key authenticates; the address keeps the account."""
        provider = Twilio(
            twilio(
                api_key="SK0123456789abcdef0123456789abcdef", api_secret="keysecret"
            ),
            "ch",
        )
        request = provider.request_for(self.draft(), NOW)
        self.assertTrue(
            dict(request.headers)["Authorization"].startswith("Basic U0swMTIz")
        )
        self.assertIn(ACCOUNT, request.url)

    def test_senders_that_twilio_knows(self) -> None:
        """A number, a short code, or a name of up to eleven characters."""
        for good in ("+14155552345", "12345", "GDEMOI", "My Firm 24"):
            self.assertTrue(is_sender(good), good)
        for bad in ("TWELVELETTER", "123456789012", "Фирма", "+12", "!!!", ""):
            self.assertFalse(is_sender(bad), bad)


HALT = Scope.CHANNEL_HALTED


class OutcomeTests(SynchronousTestCase):
    def test_accepted_with_one_sid_for_all_segments(self) -> None:
        """Segments are a string; "0" says that they are not known yet."""
        for segments, known in (("2", 2), ("0", 0)):
            answer = json_answer(
                201, sid="SM1", status="queued", num_segments=segments, price=None
            )
            outcome = PROVIDER.outcome_of(answer, NOW)
            self.assertEqual(
                outcome, Accepted(provider_ids=("SM1",), segments=known), segments
            )
            self.assertIsNone(PROVIDER.price_of(answer))

    def refused(self, status: int, code: int) -> Refused:
        answer = json_answer(status, code=code, message="no", status=status)
        outcome = PROVIDER.outcome_of(answer, NOW)
        assert isinstance(outcome, Refused)
        self.assertEqual(outcome.error.code, f"twilio:{code}")
        return outcome

    def test_errors_speak_of_message_account_or_pace(self) -> None:
        """21610 is the recipient's, 20003 and 21609 the account's, 20429 passes."""
        self.assertEqual(self.refused(400, 21610).scope, Scope.MESSAGE)
        self.assertFalse(self.refused(400, 21610).error.retryable)
        for status_, code in ((401, 20003), (400, 21609)):
            halt = self.refused(status_, code)
            self.assertEqual(halt.scope, Scope.CHANNEL_HALTED)
            self.assertTrue(halt.error.retryable)
        self.assertTrue(self.refused(429, 20429).throttled)

    def test_errors_about_the_sender_do_not_halt_the_account(self) -> None:
        """The From is wrong, or its queue is full: others of the account go on."""
        codes = (21212, 21603, 21606, 21607, 21659, 21660, 21661, 21703, 21705)
        for code in codes:
            no = self.refused(400, code)
            self.assertEqual(no.scope, Scope.SENDER, code)
            self.assertFalse(no.error.retryable)
        full = self.refused(400, 21611)
        self.assertEqual((full.scope, full.throttled), (Scope.SENDER, False))
        self.assertTrue(full.error.retryable)
        self.assertGreaterEqual(full.retry_after_s or 0, 60)

    def test_the_validity_of_one_message_does_not_halt_the_account(self) -> None:
        """21624 is about what this message asks for."""
        self.assertEqual(self.refused(400, 21624).scope, Scope.MESSAGE)

    def test_a_code_that_is_new_is_read_by_its_words(self) -> None:
        """What words say of the sender is the sender's, with a new code or without."""
        for status_, text, scope in (
            (400, "The 'From' number +15005550006 is not registered", Scope.SENDER),
            (403, "Sender is not approved for this destination", Scope.SENDER),
            (403, "Requests from this address are not allowed", HALT),
            (400, "Message blocked", Scope.MESSAGE),
            (403, "Destination country is not enabled", Scope.MESSAGE),
            (404, "The 'To' number is unknown", Scope.MESSAGE),
        ):
            for code, shown in (({"code": 29999}, "29999"), ({}, f"http{status_}")):
                answer = json_answer(status_, message=text, **code)
                outcome = PROVIDER.outcome_of(answer, NOW)
                assert isinstance(outcome, Refused)
                self.assertEqual(outcome.scope, scope, text)
                self.assertEqual(outcome.error.code, f"twilio:{shown}")

    def test_every_submit_code_of_the_vectors(self) -> None:
        """The class of each known error code."""
        table = vectors("error_and_status_classes")["twilio_submit"]
        self.assertEqual(set(ERRORS), set(table))
        for code, error_class in table.items():
            self.assertEqual(ERRORS[code].name.lower(), error_class, code)

    def test_every_http_status_of_the_vectors(self) -> None:
        """The class of a status alone, without a readable code."""
        table = vectors("error_and_status_classes")["http"]
        for word, error_class in table.items():
            if not word.isdigit():
                continue
            outcome = PROVIDER.outcome_of(HttpAnswer(status=int(word)), NOW)
            if error_class == "uncertain":
                self.assertIsInstance(outcome, Uncertain, word)
                continue
            assert isinstance(outcome, Refused)
            scope = {
                "retry": Scope.CHANNEL_FOR_A_WHILE,
                "halt": Scope.CHANNEL_HALTED,
            }.get(error_class, Scope.MESSAGE)
            self.assertEqual(outcome.scope, scope, word)

    def test_a_server_error_is_unsure_whatever_its_code_says(self) -> None:
        """5xx: the message may have been taken."""
        answer = json_answer(503, code=21211, message="x")
        self.assertIsInstance(PROVIDER.outcome_of(answer, NOW), Uncertain)

    def test_an_answer_without_a_sid_is_unsure(self) -> None:
        """201 with anything but a sid tells nothing."""
        for body in (b"{}", b"[]", b"\xff\xfe", b"", b'{"sid": 5}'):
            answer = HttpAnswer(status=201, body=body)
            self.assertIsInstance(PROVIDER.outcome_of(answer, NOW), Uncertain, body)


class StatusTests(SynchronousTestCase):
    def receipt(self, fields: Any) -> Any:
        assert isinstance(fields, WebhookContent)
        (receipt,) = fields.receipts
        return receipt

    def test_a_signed_status_is_a_verified_receipt(self) -> None:
        """delivered is final, verified, and names our own id; the answer is empty."""
        fields = status("delivered")
        receipt = self.receipt(fields)
        self.assertEqual(receipt.state, MessageState.DELIVERED)
        self.assertTrue(receipt.verified)
        self.assertEqual(
            (receipt.provider_id, receipt.message_id, receipt.about, receipt.account),
            ("SM1", "g1", "+79001234567", f"twilio:{ACCOUNT}"),
        )
        self.assertEqual((fields.reply.status, fields.reply.body), (204, b""))

    def test_error_codes_tell_expired_from_undelivered(self) -> None:
        """30036 is expired; other codes are kept raw."""
        self.assertEqual(
            self.receipt(status("undelivered", "30036")).state, MessageState.EXPIRED
        )
        receipt = self.receipt(status("undelivered", "30003"))
        self.assertEqual(receipt.state, MessageState.UNDELIVERED)
        self.assertEqual(receipt.error.code, "twilio:30003")
        self.assertTrue(receipt.error.retryable)
        for code in ("30004", "30007", "30034"):
            self.assertEqual(
                self.receipt(status("undelivered", code)).state, MessageState.REJECTED
            )
        self.assertEqual(self.receipt(status("failed")).state, MessageState.REJECTED)
        self.assertEqual(
            self.receipt(status("failed", "30001")).state, MessageState.UNDELIVERED
        )

    def test_every_status_and_code_of_the_vectors(self) -> None:
        """The state of each known status word and asynchronous code."""
        classes = vectors("error_and_status_classes")
        words = {"accepted": None, "sent": MessageState.ENROUTE}
        for word, ours in classes["status_map"]["twilio"].items():
            expected = words[ours] if ours in words else MessageState(ours)
            self.assertEqual(STATUSES.get(word), expected, word)
            self.assertEqual(word in TAKEN, expected is None, word)
        for code, (ours, _) in classes["twilio_async"].items():
            state = MessageState(ours.rpartition(" ")[2])
            self.assertEqual(ASYNC_CODES[code][0], state, code)

    def test_what_says_nothing_new_tells_nothing(self) -> None:
        """queued and sending: accepted was told by the answer already."""
        for word in ("queued", "sending", "accepted", "scheduled"):
            fields = status(word)
            self.assertEqual((fields.receipts, fields.reply.status), ((), 204), word)

    def test_an_unknown_word_is_kept_and_counted(self) -> None:
        """A new status of Twilio's does not disturb, and is not final."""
        fields = status("teleported")
        self.assertEqual(fields.reply.status, 204)
        self.assertEqual(self.receipt(fields).state, MessageState.ENROUTE)
        self.assertIn("teleported", self.receipt(fields).error.text)
        self.assertEqual(fields.ignored, "unknown status word")

    def test_a_repeat_bears_the_same_mark(self) -> None:
        """The door tells each (sid, status) once."""
        self.assertEqual(status("delivered").replay_key, status("delivered").replay_key)
        self.assertNotEqual(status("delivered").replay_key, status("sent").replay_key)

    def test_what_is_not_signed_is_refused(self) -> None:
        """Wrong, missing or doubled signature: 403, and nothing is told."""
        for signed in ("0/KCTR6DLpKmkAf8muzZqo1nDgQ=", "", None, "é"):
            self.assertEqual(
                status("delivered", signed=signed), WebhookDenied(403, "signature")
            )
        pairs = [("MessageSid", "SM1"), ("AccountSid", ACCOUNT)]
        good = signature("tok", STATUS_URL, pairs)
        doubled = webhook(
            WebhookKind.STATUS,
            pairs,
            headers=(
                ("content-type", "application/x-www-form-urlencoded"),
                ("x-twilio-signature", good),
                ("x-twilio-signature", good),
            ),
        )
        self.assertIsInstance(PROVIDER.events_of(doubled, NOW), WebhookDenied)

    def test_json_needs_the_hash_of_its_body(self) -> None:
        """JSON without bodySHA256 is 415; with it, URL and body are checked."""
        body = (
            b'{"MessageSid":"SM1","MessageStatus":"delivered","AccountSid":"%s"}'
            % ACCOUNT.encode()
        )
        url = "https://gw.example.org/sms/ch/status"
        for query, right, expected in (
            ("", True, WebhookDenied(415, "JSON without bodySHA256")),
            (f"?bodySHA256={hashlib.sha256(body).hexdigest()}", True, None),
            (f"?bodySHA256={'0' * 64}", True, WebhookDenied(403, "signature")),
            (
                f"?bodySHA256={hashlib.sha256(body).hexdigest()}",
                False,
                WebhookDenied(403, "signature"),
            ),
        ):
            signed = signature("tok" if right else "x", url + query, [])
            fields = PROVIDER.events_of(
                Webhook(
                    kind=WebhookKind.STATUS,
                    method="POST",
                    url=url + query,
                    headers=(
                        ("content-type", "application/json; charset=utf-8"),
                        ("x-twilio-signature", signed),
                    ),
                    body=body,
                ),
                NOW,
            )
            if expected is not None:
                self.assertEqual(fields, expected)
            else:
                self.assertEqual(self.receipt(fields).state, MessageState.DELIVERED)

    def test_another_account_is_refused(self) -> None:
        """A well-signed webhook about another AccountSid is not ours."""
        pairs = [("MessageSid", "SM1"), ("AccountSid", "AC" + "f" * 32)]
        fields = PROVIDER.events_of(webhook(WebhookKind.STATUS, pairs), NOW)
        self.assertEqual(fields, WebhookDenied(403, "another account"))

    def test_shared_keys(self) -> None:
        """SHA-256 with the shared key; unknown algorithms and missing keys fail."""
        pairs = [
            ("MessageSid", "SM1"),
            ("MessageStatus", "delivered"),
            ("AccountSid", ACCOUNT),
        ]
        with_key = Twilio(twilio(webhook_shared_key="shared"), "ch")
        signed = signature("shared", STATUS_URL, pairs, "sha256")
        settings = "x-twilio-webhooks-signature-settings"
        for provider, algorithm, good in (
            (with_key, "HMAC_SHA256", True),
            (with_key, "HMAC_MD5", False),
            (with_key, "", False),
            (PROVIDER, "HMAC_SHA256", False),
        ):
            hook = webhook(
                WebhookKind.STATUS,
                pairs,
                headers=(
                    ("content-type", "application/x-www-form-urlencoded"),
                    ("x-twilio-signature", signed),
                    (settings, f"key=webhooks_sharedkey_1,algorithm={algorithm}"),
                ),
            )
            fields = provider.events_of(hook, NOW)
            self.assertEqual(isinstance(fields, WebhookContent), good, algorithm)

    def test_a_get_webhook_is_signed_by_its_address(self) -> None:
        """All fields are in the query, which is signed as it came."""
        query = urlencode(
            {"m": "g1", "MessageSid": "SM1", "SmsStatus": "sent", "AccountSid": ACCOUNT}
        )
        url = f"https://gw.example.org/sms/ch/status?{query}"
        hook = Webhook(
            kind=WebhookKind.STATUS,
            method="GET",
            url=url,
            headers=(("x-twilio-signature", signature("tok", url, [])),),
        )
        fields = PROVIDER.events_of(hook, NOW)
        self.assertEqual(self.receipt(fields).state, MessageState.ENROUTE)

    def test_a_signed_body_without_a_sid_is_their_fault(self) -> None:
        """What Twilio cannot have meant is 400."""
        hook = webhook(WebhookKind.STATUS, [("AccountSid", ACCOUNT)])
        with self.assertRaises(TheirFault):
            PROVIDER.events_of(hook, NOW)


class InboundTests(SynchronousTestCase):
    def test_an_inbound_text_is_untouched_and_never_answered(self) -> None:
        """Spaces stay; the answer is empty TwiML, since any text would be an SMS."""
        pairs = [
            ("MessageSid", "SM2"),
            ("AccountSid", ACCOUNT),
            ("From", "+79001234567"),
            ("To", "+14155552345"),
            ("Body", " #ok "),
            ("NumSegments", "2"),
            ("Unheard", "of"),
        ]
        url = "https://gw.example.org/sms/ch/incoming"
        fields = PROVIDER.events_of(webhook(WebhookKind.INCOMING, pairs, url=url), NOW)
        assert isinstance(fields, WebhookContent)
        (inbound,) = fields.inbounds
        self.assertEqual(inbound.account, PROVIDER.account)
        self.assertEqual(
            (inbound.text, inbound.segments, inbound.from_, inbound.to),
            (" #ok ", 2, "+79001234567", "+14155552345"),
        )
        self.assertEqual(
            (fields.reply.status, fields.reply.content_type, fields.reply.body),
            (200, "text/xml", b"<Response/>"),
        )


class PollTests(SynchronousTestCase):
    def test_a_message_is_asked_for_by_its_sid(self) -> None:
        """One GET; 404 is missing, errors are asked again, queued is no news."""
        request = PROVIDER.status_request(["SM1"], NOW)
        assert request is not None
        self.assertEqual(request.url, f"{BASE}/Messages/SM1.json")
        self.assertIsNone(PROVIDER.status_request([], NOW))
        self.assertTrue(
            PROVIDER.status_of(HttpAnswer(status=404), ["SM1"], NOW).missing
        )
        with self.assertRaises(TheirFault):
            PROVIDER.status_of(HttpAnswer(status=500), ["SM1"], NOW)
        queued = json_answer(200, sid="SM1", status="queued")
        self.assertEqual(PROVIDER.status_of(queued, ["SM1"], NOW), StatusAnswer())
        failed = json_answer(
            200, sid="SM1", status="undelivered", error_code=30003, to="+79001234567"
        )
        (receipt,) = PROVIDER.status_of(failed, ["SM1"], NOW).receipts
        self.assertEqual(
            (receipt.state, receipt.error and receipt.error.code),
            (MessageState.UNDELIVERED, "twilio:30003"),
        )

    def test_an_unsure_message_is_found_by_recipient_and_text(self) -> None:
        """Exactly one outbound message of that text since ours began, or none."""
        ours = message("status")
        request = PROVIDER.search_request(ours, NOW)
        assert request is not None
        self.assertIn("To=%2B79001234567", request.url)
        row = {
            "sid": "SM9",
            "status": "queued",
            "direction": "outbound-api",
            "body": "status",
            "date_created": "Tue, 03 Feb 2026 12:14:30 +0000",
        }
        found = PROVIDER.found_in(json_answer(200, messages=[row]), ours)
        assert found is not None
        self.assertEqual(
            (found.provider_id, found.state), ("SM9", MessageState.ENROUTE)
        )
        sent = {**row, "status": "delivered"}
        found = PROVIDER.found_in(json_answer(200, messages=[sent]), ours)
        assert found is not None
        self.assertEqual(found.state, MessageState.DELIVERED)
        for rows in (
            [row, row],
            [],
            [{**row, "direction": "inbound"}],
            [{**row, "body": "other"}],
            [{**row, "date_created": "Tue, 03 Feb 2026 11:00:00 +0000"}],
        ):
            self.assertIsNone(
                PROVIDER.found_in(json_answer(200, messages=rows), ours), rows
            )

    def test_one_broken_text_does_not_stop_the_poll(self) -> None:
        """Half an emoji in one message: all of the page is told, it with octets."""
        row = (
            '{"sid":"%s","direction":"inbound","from":"+79001234567",'
            '"to":"+14155552345","body":"%s",'
            '"date_sent":"Tue, 03 Feb 2026 12:14:25 +0000"}'
        )
        rows = ",".join([row % ("SM1", "a\\ud83d"), row % ("SM2", "b")])
        body = f'{{"messages":[{rows}],"next_page_uri":null}}'.encode()
        asked = PROVIDER.inbound_request("+14155552345", NOW, NOW, NOW)
        page = PROVIDER.inbound_of(HttpAnswer(status=200, body=body), asked, NOW)
        self.assertEqual(
            [(one.text, one.binary) for one in page.inbounds],
            [("a\ufffd\ufffd\ufffd", b"a\xed\xa0\xbd"), ("b", None)],
        )
        self.assertEqual(page.newest, NOW)

    def test_the_balance(self) -> None:
        """Balance.json says it as a string, with its currency."""
        request = PROVIDER.balance_request(NOW)
        assert request is not None
        self.assertEqual(request.url, f"{BASE}/Balance.json")
        balance = PROVIDER.balance_of(json_answer(200, balance="9.5", currency="EUR"))
        assert balance is not None
        self.assertEqual((balance.value, balance.currency), (9.5, "EUR"))
        self.assertIsNone(PROVIDER.balance_of(HttpAnswer(status=200, body=b"x")))

    def test_dates(self) -> None:
        """RFC 2822, or nothing."""
        self.assertEqual(date_of("Tue, 03 Feb 2026 12:14:25 +0000"), NOW)
        self.assertIsNone(date_of(None))
        self.assertIsNone(date_of("yesterday"))

    def test_the_next_page_is_on_the_same_host(self) -> None:
        """Credentials follow a path, never another address."""
        asked = PROVIDER.inbound_request("+15005550006", NOW, NOW, NOW)
        for following, url in (
            ("/2010-04-01/x?Page=1", "https://api.twilio.com/2010-04-01/x?Page=1"),
            ("@evil.example/x", None),
            (".evil.example/x", None),
            (":1@evil.example/x", None),
            (None, None),
        ):
            answer = json_answer(200, messages=[], next_page_uri=following)
            page = PROVIDER.inbound_of(answer, asked, NOW)
            self.assertEqual(page.next and page.next.url, url, following)
