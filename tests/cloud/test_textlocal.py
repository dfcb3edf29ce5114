"""Textlocal (cases TL)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.encoded import prepare
from gdemoi.cloud.exchange import (
    HttpAnswer,
    HttpRequest,
    Webhook,
    WebhookContent,
    WebhookKind,
)
from gdemoi.cloud.provider import CloudMessage
from gdemoi.cloud.textlocal import (
    ERRORS,
    SENDERS,
    STATUSES,
    Textlocal,
    seconds_to_opening,
)
from gdemoi.errors import TheirFault
from gdemoi.message import (
    Accepted,
    MessageClass,
    MessageState,
    Outbound,
    Refused,
    Scope,
    Uncertain,
)
from tests.cloud.net import NOW, TOKEN, json_answer, message, textlocal, vectors

SETTINGS = textlocal()
PROVIDER = Textlocal(SETTINGS, "ch")
FORM = "application/x-www-form-urlencoded"


def form(request: HttpRequest | None) -> dict[str, str]:
    assert request is not None
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def draft(**changes: Any) -> CloudMessage:
    fields: dict[str, Any] = {
        "message": message(),
        "text": "setparam 1;2 #€",
        "sender": "GDEMOI",
        "unicode": False,
        "callback": f"https://gw.example.org/sms/ch/status/{TOKEN}",
    }
    return CloudMessage(**{**fields, **changes})


def hook(
    fields: dict[str, str], kind: WebhookKind = WebhookKind.STATUS
) -> WebhookContent:
    content = PROVIDER.events_of(
        Webhook(
            kind=kind,
            method="POST",
            url=f"https://gw.example.org/sms/ch/{kind.value}/{TOKEN}",
            headers=(("content-type", FORM),),
            body=urlencode(fields).encode(),
        ),
        NOW,
    )
    assert isinstance(content, WebhookContent)
    return content


class SendTests(SynchronousTestCase):
    def test_a_text(self) -> None:
        """The form and the address; the key is in the body only, and not shown."""
        request = PROVIDER.request_for(draft(), NOW)
        self.assertEqual(
            (request.method, request.url), ("POST", "https://api.txtlocal.com/send/")
        )
        self.assertEqual(
            form(request),
            {
                "apikey": "abcdefgh",
                "numbers": "79001234567",
                "sender": "GDEMOI",
                "message": "setparam 1;2 #€",
                "custom": "g1",
                "receipt_url": f"https://gw.example.org/sms/ch/status/{TOKEN}",
                "validity": str(int(NOW) + 3600),
            },
        )
        self.assertNotIn("abcdefgh", request.url)
        for shown in (repr(request), "\n".join(request.lines())):
            self.assertNotIn("abcdefgh", shown)
            self.assertNotIn(TOKEN, shown)

    def test_unicode_is_said(self) -> None:
        """What is not GSM needs the flag."""
        fields = form(PROVIDER.request_for(draft(text="Привет", unicode=True), NOW))
        self.assertEqual((fields["unicode"], fields["message"]), ("1", "Привет"))

    def test_india_has_its_own_host(self) -> None:
        """host = in."""
        provider = Textlocal(textlocal(host="in"), "ch")
        request = provider.request_for(draft(), NOW)
        self.assertEqual(request.url, "https://api.textlocal.in/send/")

    def refused(self, sms: Outbound) -> str:
        found = prepare(sms, PROVIDER, SETTINGS, None)
        assert isinstance(found, Refused), found
        return found.error.code

    def test_what_would_be_cut_is_refused(self) -> None:
        """766 GSM characters, or 336 of UCS2; an extension character takes two."""
        for text in ("a" * 766, "я" * 336, "€" * 383):
            self.assertEqual(
                self.refused(message(text)), "gateway:provider_alters_text"
            )
        for text in ("a" * 765, "я" * 335, "€" * 382):
            self.assertNotIsInstance(
                prepare(message(text), PROVIDER, SETTINGS, None), Refused
            )

    def test_percent_n_is_refused(self) -> None:
        """Textlocal would make a line end of it."""
        sms = message("set%name", class_=MessageClass.COMMAND)
        self.assertEqual(self.refused(sms), "gateway:provider_alters_text")
        self.assertNotIsInstance(
            prepare(message("100% now"), PROVIDER, SETTINGS, None), Refused
        )

    def test_senders(self) -> None:
        """3 to 11 letters and digits, or up to 13 digits."""
        for good in ("GDEMOI", "My Firm", "447123456789", "+447123456789"):
            self.assertTrue(SENDERS.takes(good), good)
        for bad in ("AB", "TWELVELETTER", "12345678901234", "Фирма"):
            self.assertFalse(SENDERS.takes(bad), bad)


class OutcomeTests(SynchronousTestCase):
    def failure(self, *codes: int, warnings: tuple[str, ...] = ()) -> Any:
        fields: dict[str, Any] = {
            "errors": [{"code": code, "message": f"error {code}"} for code in codes],
            "status": "failure",
        }
        if warnings:
            fields["warnings"] = [{"code": 3, "message": text} for text in warnings]
        return PROVIDER.outcome_of(json_answer(200, **fields), NOW)

    def test_success_in_both_currencies(self) -> None:
        """Cost and balance are credits or, after the move, money."""
        for cost, balance in ((2, 1162), (0.04, 9.5)):
            answer = json_answer(
                200,
                balance=balance,
                cost=cost,
                message={"num_parts": 2, "sender": "GDEMOI", "content": "x"},
                messages=[{"id": "1151895224", "recipient": 447123456789}],
                status="success",
            )
            self.assertEqual(
                PROVIDER.outcome_of(answer, NOW),
                Accepted(provider_ids=("1151895224",), segments=2),
            )
            known = PROVIDER.balance_of(answer)
            self.assertEqual(known and known.value, float(balance))
            self.assertEqual(str(PROVIDER.price_of(answer)), str(cost))

    def test_errors(self) -> None:
        """7 and 3 are the account's, 51 the number's, 192 passes, others refuse."""
        for code in (7, 3):
            self.assertEqual(self.failure(code).scope, Scope.CHANNEL_HALTED)
        number = self.failure(51, warnings=("Invalid number",))
        self.assertEqual(number.scope, Scope.MESSAGE)
        self.assertIn("Invalid number", number.error.text)
        later = self.failure(192)
        self.assertEqual(later.scope, Scope.CHANNEL_FOR_A_WHILE)
        # 12:14:25 UTC is 17:44:25 in India: 15 h 15 min 35 s until nine
        self.assertEqual(later.retry_after_s, 54935.0)
        unseen = self.failure(9999)
        self.assertEqual(
            (unseen.scope, unseen.error.code), (Scope.MESSAGE, "textlocal:9999")
        )

    def test_a_bad_sender_is_not_the_account(self) -> None:
        """43 and 44 are about the name that the message wanted."""
        for code in (43, 44):
            refused = self.failure(code)
            self.assertEqual(refused.scope, Scope.SENDER)
            self.assertFalse(refused.error.retryable)

    def test_while_india_sleeps_others_may_carry_it(self) -> None:
        """It is no question of pace: the message need not keep its place here."""
        self.assertFalse(self.failure(192).throttled)

    def test_every_code_of_the_vectors(self) -> None:
        """The class of each known error and status."""
        classes = vectors("error_and_status_classes")
        for code, error_class in classes["textlocal"].items():
            if code.isdigit():
                self.assertEqual(ERRORS[code].name.lower(), error_class, code)
        for word, ours in classes["status_map"]["textlocal"].items():
            state = (
                MessageState.ENROUTE
                if ours in ("sent", "unknown")
                else MessageState(ours)
            )
            self.assertEqual(STATUSES[word], state, word)

    def test_unreadable_answers_are_unsure(self) -> None:
        """Two objects glued together, a gateway's HTML, no status at all."""
        for answer in (
            HttpAnswer(status=200, body=b'{"status":"success"}{"status":"success"}'),
            HttpAnswer(status=502, body=b"<html>Bad Gateway</html>"),
            HttpAnswer(status=200, body=b"{}"),
            HttpAnswer(status=200, body=b'{"status":"failure"}'),
            HttpAnswer(status=200, body=b"\xff"),
        ):
            self.assertIsInstance(PROVIDER.outcome_of(answer, NOW), Uncertain, answer)

    def test_india_opens_at_nine(self) -> None:
        """The pause ends at nine in the morning there, today or tomorrow."""
        self.assertEqual(seconds_to_opening(1770175800.0), 86400.0)  # 09:00 sharp
        self.assertEqual(seconds_to_opening(1770175799.0), 1.0)


class StatusTests(SynchronousTestCase):
    def test_a_receipt_proves_nothing(self) -> None:
        """It names our reference and number, no id, and is not verified."""
        fields = hook({"number": "79001234567", "status": "D", "customID": "g1"})
        (receipt,) = fields.receipts
        self.assertEqual(
            (receipt.state, receipt.verified, receipt.message_id, receipt.about),
            (MessageState.DELIVERED, False, "g1", "+79001234567"),
        )
        self.assertEqual((receipt.provider_id, receipt.keys), ("", ()))
        self.assertEqual(fields.reply.status, 200)

    def test_a_question_proves_it(self) -> None:
        """status_message is authenticated: what it says is verified."""
        request = PROVIDER.status_request(["1151895224"], NOW)
        self.assertEqual(form(request)["message_id"], "1151895224")
        answer = json_answer(
            200,
            message={"id": 1151895224, "recipient": 79001234567, "status": "D"},
            status="success",
        )
        (receipt,) = PROVIDER.status_of(answer, ["1151895224"], NOW).receipts
        self.assertEqual(
            (receipt.state, receipt.verified), (MessageState.DELIVERED, True)
        )

    def test_every_status(self) -> None:
        """Each letter, and one that nobody has seen."""
        for word, state in (
            ("U", MessageState.UNDELIVERED),
            ("I", MessageState.REJECTED),
            ("E", MessageState.EXPIRED),
            ("P", MessageState.ENROUTE),
            ("?", MessageState.ENROUTE),
            ("B", MessageState.REJECTED),
            ("X", MessageState.ENROUTE),
        ):
            fields = hook({"number": "79001234567", "status": word, "customID": "g1"})
            self.assertEqual(fields.receipts[0].state, state, word)
            self.assertEqual(fields.ignored is not None, word == "X")
        self.assertEqual(
            hook({"number": "7", "status": "?"}).receipts[0].error.code, "textlocal:?"
        )

    def test_a_receipt_about_nobody_is_ignored(self) -> None:
        """Without status, or number and reference, there is nothing to tell."""
        for fields in ({}, {"status": "D"}, {"number": "79001234567"}):
            self.assertIsNotNone(hook(fields).ignored)

    def test_an_account_on_the_proxy_cannot_be_asked(self) -> None:
        """404, or failure with code 2: no question is of use any more."""
        failure = {"errors": [{"code": 2, "message": "x"}], "status": "failure"}
        for answer in (HttpAnswer(status=404), json_answer(200, **failure)):
            self.assertIsNotNone(PROVIDER.status_of(answer, ["1"], NOW).stopped)
        request = PROVIDER.inbound_request("10", NOW, NOW, NOW)
        for answer in (HttpAnswer(status=404), json_answer(200, **failure)):
            self.assertIsNotNone(PROVIDER.inbound_of(answer, request, NOW).stopped)

    def test_other_failures_of_a_question(self) -> None:
        """A wrong key is asked again, a wrong id is missing, 5xx asked again."""
        for code, missing in ((3, False), (8, True)):
            fields = {"errors": [{"code": code, "message": "x"}], "status": "failure"}
            answer = json_answer(200, **fields)
            if missing:
                self.assertTrue(PROVIDER.status_of(answer, ["1"], NOW).missing)
                continue
            with self.assertRaisesRegex(TheirFault, "textlocal:3: x"):
                PROVIDER.status_of(answer, ["1"], NOW)
        with self.assertRaisesRegex(TheirFault, "HTTP 502"):
            PROVIDER.status_of(HttpAnswer(status=502), ["1"], NOW)


class InboundTests(SynchronousTestCase):
    def test_an_inbound_post(self) -> None:
        """Sender gets its plus; a repeat within a minute is the same message."""
        fields = {"sender": "79001234567", "inNumber": "60777", "content": " ok? "}
        content = hook(fields, WebhookKind.INCOMING)
        (inbound,) = content.inbounds
        self.assertEqual(inbound.account, PROVIDER.account)
        self.assertEqual(
            (inbound.from_, inbound.to, inbound.text),
            ("+79001234567", "60777", " ok? "),
        )
        self.assertEqual(inbound.dedup_window_s, 60.0)
        self.assertEqual(
            hook(fields, WebhookKind.INCOMING).inbounds[0].dedup, inbound.dedup
        )
        other = hook({**fields, "content": "no"}, WebhookKind.INCOMING).inbounds[0]
        self.assertNotEqual(other.dedup, inbound.dedup)
        with self.assertRaises(TheirFault):
            hook({"content": "x"}, WebhookKind.INCOMING)

    def test_a_text_in_a_wrong_charset_comes_with_its_octets(self) -> None:
        """As far as it can be read, and whole beside it; U+FFFD itself is a letter."""
        for written, text, octets in (
            (b"%CF%F0%E8+a%2B", "\ufffd\ufffd\ufffd a+", b"\xcf\xf0\xe8 a+"),
            (b"%EF%BF%BD%00", "\ufffd\0", None),
        ):
            fields = PROVIDER.events_of(
                Webhook(
                    kind=WebhookKind.INCOMING,
                    method="POST",
                    url=f"https://gw.example.org/sms/ch/incoming/{TOKEN}",
                    headers=(("content-type", FORM),),
                    body=b"sender=79001234567&inNumber=60777&content=" + written,
                ),
                NOW,
            )
            assert isinstance(fields, WebhookContent)
            (inbound,) = fields.inbounds
            self.assertEqual((inbound.text, inbound.binary), (text, octets))

    def test_only_form_posts(self) -> None:
        """JSON is 415, GET 405: the resource asks `takes`."""
        self.assertEqual(PROVIDER.takes(WebhookKind.STATUS), {"POST": (FORM,)})

    def test_inboxes_are_polled_page_by_page(self) -> None:
        """min_time is what the poller says; a full page has a next."""
        self.assertEqual(form(PROVIDER.sources_request()), {"apikey": "abcdefgh"})
        answer = json_answer(200, inboxes=[{"id": 10}, {"id": "11"}], status="success")
        self.assertEqual(PROVIDER.sources_of(answer), ("10", "11"))
        with self.assertRaisesRegex(TheirFault, "HTTP 500"):
            PROVIDER.sources_of(HttpAnswer(status=500, body=answer.body))
        own = Textlocal(textlocal(inboxes=("5",)), "ch")
        self.assertEqual((own.sources_request(), own.sources_of(None)), (None, ("5",)))
        first = PROVIDER.inbound_request("10", NOW - 600, NOW, NOW)
        asked = form(first)
        self.assertEqual(
            (asked["inbox_id"], asked["min_time"], asked["start"]),
            ("10", str(int(NOW) - 600), "0"),
        )
        rows = [
            {
                "id": str(n),
                "number": 79001234567,
                "message": "x",
                "date": "2026-02-03 12:14:25",
                "keyword": None,
            }
            for n in range(100)
        ]
        page = PROVIDER.inbound_of(
            json_answer(200, messages=rows, status="success"), first, NOW
        )
        self.assertEqual(len({one.dedup for one in page.inbounds}), 100)
        self.assertEqual(form(page.next)["start"], "100")
        self.assertEqual(form(page.next)["min_time"], asked["min_time"])
        self.assertEqual(page.newest, NOW)
        last = PROVIDER.inbound_of(
            json_answer(200, messages=rows[:1], status="success"), first, NOW
        )
        self.assertIsNone(last.next)

    def test_a_wrong_charset_is_replaced(self) -> None:
        """A text that is not UTF-8 still arrives."""
        row = b'{"id":"1","number":1,"message":"a\xe9b"}'
        body = b'{"messages":[%s],"status":"success"}' % row
        request = PROVIDER.inbound_request("10", NOW, NOW, NOW)
        page = PROVIDER.inbound_of(HttpAnswer(status=200, body=body), request, NOW)
        self.assertEqual(page.inbounds[0].text, "a�b")
