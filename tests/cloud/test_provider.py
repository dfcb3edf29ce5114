"""Values that all providers share: validity, Retry-After, a webhook's fields."""

from __future__ import annotations

import contextlib
import json
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.channel import PROVIDERS as KINDS
from gdemoi.cloud.exchange import (
    LONGEST_PAUSE_S,
    HttpAnswer,
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
    retry_after_s,
)
from gdemoi.cloud.provider import (
    Balance,
    InboundPage,
    SenderForm,
    StatusAnswer,
    ValidityLimits,
    not_digits,
    not_international,
)
from gdemoi.cloud.reading import FORM
from gdemoi.errors import TheirFault
from gdemoi.message import Accepted, Error, MessageState, Receipt, Refused, Uncertain
from tests.cloud.net import (
    NOW,
    demo_settings,
    message,
    provider_of,
    textlocal,
    twilio,
    tyntec,
    vonage,
)

PROVIDERS = [
    provider_of("ch", settings)
    for settings in (
        twilio(),
        vonage(signature_secret=None, reports=True),
        vonage(api="messages", signature_secret=None, reports=True),
        textlocal(),
        tyntec(),
        # one that is new: its channel of the demo is here without a word
        *(
            demo_settings(kind.name)
            for kind in KINDS
            if kind.name not in ("twilio", "vonage", "textlocal", "tyntec")
        ),
    )
]
# the words that answers are made of, so that examples go deep
NAMES = """status messages message parts errors records sid code id message_id to
    from message-id message-price remaining-balance num_segments num_parts balance cost
    requestId size deliveryState errorCode direction inbound date date_sent body
    inboxes _links next href recipient success failure 0 1 D delivered DELIVERED
    message_uuid messageId concat concat-total concat-part true contentList sentDate
    missingParts number sender content msisdn text type binary data error title
    invalid_parameters name sms value"""
WORDS = st.sampled_from(NAMES.split())
VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | WORDS
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=6)
    ),
    max_leaves=20,
)
BODIES = st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode())


class ProviderTests(SynchronousTestCase):
    def test_validity_in_every_unit(self) -> None:
        """Seconds, milliseconds, minutes as text, a timestamp; within bounds."""
        for unit, low, high, left, spelled in (
            ("seconds", 1, 36000, 3600, "3600"),
            ("seconds", 1, 36000, 10**6, "36000"),
            ("milliseconds", 20, 604800, 10, "20000"),
            ("minutes", 60, 172800, 3600, "60"),
            ("minutes", 60, 172800, 1, "1"),
            ("timestamp", 60, 259200, 3600, str(int(NOW) + 3600)),
        ):
            self.assertEqual(
                ValidityLimits(unit, low, high).spelled(left, NOW), spelled
            )

    def test_retry_after(self) -> None:
        """Seconds or a date, an hour at most; anything else is nothing."""
        for value, seconds in (
            ("7", 7.0),
            ("Tue, 03 Feb 2026 12:15:25 GMT", 60.0),
            ("Tue, 03 Feb 2026 12:00:00 GMT", 0.0),
            ("soon", None),
            ("", None),
            ("-1", None),
            ("9" * 400, LONGEST_PAUSE_S),
            ("Fri, 03 Feb 2096 12:00:00 GMT", LONGEST_PAUSE_S),
        ):
            answer = HttpAnswer(status=429, headers={"retry-after": value})
            self.assertEqual(retry_after_s(answer, NOW), seconds, value)

    def test_an_answer_that_is_of_use(self) -> None:
        """200, whole, a JSON object, whose broken texts keep their octets."""
        good = HttpAnswer(status=200, body=b'{"a": 1}')
        self.assertEqual(good.read(), ({"a": 1}, {}))
        broken = HttpAnswer(status=200, body=b'{"a": "\xff"}')
        self.assertEqual(broken.read(), ({"a": "\ufffd"}, {"\ufffd": b"\xff"}))
        for answer, why in (
            (HttpAnswer(status=500, body=b'{"a": 1}'), "HTTP 500"),
            (HttpAnswer(status=201, body=b'{"a": 1}'), "HTTP 201"),
            (HttpAnswer(status=200, body=b'{"a": 1}', cut=True), "HTTP 200"),
            (HttpAnswer(status=200, body=b"[1]"), "not a JSON object"),
            (HttpAnswer(status=200, body=b"hello"), "not JSON"),
        ):
            with self.assertRaisesRegex(TheirFault, why):
                answer.read()

    def test_forms_of_senders_and_numbers(self) -> None:
        """Digits and names within their lengths; the others have a reason."""
        form = SenderForm(digits=range(3, 6), name=range(2, 5), words="short")
        for good in ("123", "+12345", "AB", "a 1x"):
            self.assertIsNone(form.refusal(good), good)
        wrong = Error("gateway:sender_not_allowed", "sender must be short")
        for bad in ("12", "123456", "A", "ABCDE", "А1", "a-b", " ", "", None):
            self.assertEqual(form.refusal(bad), wrong, bad)
        self.assertIsNone(SenderForm(required=False).refusal(None))
        self.assertIsNone(not_international("+79161234567", "Acme"))
        self.assertEqual(
            not_international("79161234567", "Acme"),
            Error("gateway:bad_number", "Acme takes +E.164 only"),
        )
        for number in ("+1234567", "1234567", "+123456789012345"):
            self.assertIsNone(not_digits(number, "Acme"), number)
        for number in ("+123456", "1234567890123456"):
            self.assertEqual(
                not_digits(number, "Acme"),
                Error("gateway:bad_number", "Acme takes 7 to 15 digits"),
            )

    def test_what_a_status_word_says(self) -> None:
        """Its code, else the word, where something went wrong; or that it is new."""
        enroute, delivered = MessageState.ENROUTE, MessageState.DELIVERED
        lost = MessageState.UNDELIVERED
        for state, code, text, wanted in (
            (enroute, None, None, (enroute, None)),
            (delivered, None, "fine", (delivered, None)),
            (delivered, "7", None, (delivered, Error("tyntec:7", "w"))),
            (lost, None, None, (lost, Error("tyntec:w", "w"))),
            (lost, None, "gone", (lost, Error("tyntec:w", "gone"))),
            (lost, "7", "gone", (lost, Error("tyntec:7", "gone"))),
            (None, "7", None, (enroute, Error("tyntec:7", "w"))),
            (None, None, "x", (enroute, Error("tyntec:status", "unknown status 'w'"))),
        ):
            provider = provider_of("ch", tyntec())
            found = provider.status_receipt("r1", state, "w", code, text, raw="w")
            self.assertEqual((found.state, found.error), wanted)
            self.assertEqual((found.provider_id, found.raw), ("r1", "w"))
        again = provider.status_receipt("r", lost, "w", "7", retryable=True)
        self.assertEqual(again.error, Error("tyntec:7", "w", retryable=True))

    def test_requests_bear_the_credentials(self) -> None:
        """One header in each request, and its secret word is never shown."""
        for provider in PROVIDERS:
            made = (
                provider.get("https://x.example/a", [("b", "c")]),
                provider.post_form("https://x.example/a", [("b", "c")]),
                provider.post_json("https://x.example/a", {"b": "c"}),
            )
            for request in made:
                self.assertEqual(request.secrets, provider.secrets)
                if provider.credentials is None:
                    continue
                self.assertIn(provider.credentials, request.headers)
                word = provider.credentials[1].rpartition(" ")[2]
                self.assertNotIn(word, "\n".join(request.lines()))

    def test_a_webhooks_fields(self) -> None:
        """Out of a query, a form or JSON; blank values stay, shapes do not mix."""
        for method, kind, body, fields in (
            ("GET", "", b"", {"q": " 1", "e": ""}),
            (
                "POST",
                "application/x-www-form-urlencoded",
                b"a=&b=+2",
                {"a": "", "b": " 2"},
            ),
            (
                "POST",
                "application/json",
                b'{"a": 1, "b": [1], "c": true}',
                {"a": "1", "c": "true"},
            ),
        ):
            hook = Webhook(
                kind=WebhookKind.STATUS,
                method=method,
                url="https://x.example/?q=+1&e=",
                headers=(("content-type", kind),),
                body=body,
            )
            self.assertEqual(hook.fields(), fields)

    def test_a_form_that_is_not_utf8_is_their_fault(self) -> None:
        """Raw octets have no place in a form."""
        hook = Webhook(kind=WebhookKind.STATUS, method="POST", url="/", body=b"a=\xff")
        with self.assertRaises(TheirFault):
            hook.form()


# Dates, and the ends of calendars and numbers.
ENDS = (
    *("2026-02-03 12:14:25", "9999-12-31 23:59:59", "0001-01-01 00:00:00"),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-02-29"),
    *("Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359"),
    *(10**400, "9" * 5000, "-1e400", "9912312359", -(10**30), "٣"),
)


def any_object(random: Random, depth: int = 3) -> dict[str, Any]:
    """Return an object out of the words that providers use, in any wrong place."""

    def value(left: int) -> Any:
        chance = random.random()
        if left <= 0 or chance < 0.35:
            odd = [None, True, 0, -1, 2.5, 10**30, 1e300, "", "1e400", "nan", "x"]
            return random.choice([*odd, *ENDS, *NAMES.split()])
        if chance < 0.6:
            return [value(left - 1) for _ in range(random.randrange(4))]
        return any_object(random, left - 1)

    return {
        random.choice(NAMES.split()): value(depth) for _ in range(random.randrange(9))
    }


class RobustnessTests(SynchronousTestCase):
    """Whatever a provider says, or whoever claims to be one."""

    @given(st.sampled_from([200, 201, 202, 204, 301, 400, 429, 500]), BODIES)
    def test_any_answer_to_a_send_is_an_outcome(self, status: int, body: bytes) -> None:
        """And tells a balance and a price, or none."""
        answer = HttpAnswer(status=status, body=body)
        for provider in PROVIDERS:
            outcome = provider.outcome_of(answer, NOW)
            self.assertIsInstance(outcome, (Accepted, Refused, Uncertain))
            self.assertIsInstance(provider.balance_of(answer), (Balance, type(None)))
            provider.price_of(answer)

    def test_the_right_words_in_the_wrong_places(self) -> None:
        """A thousand objects that look almost like answers."""
        random = Random(7)
        for _ in range(1000):
            fields = any_object(random)
            fields["status"] = random.choice(
                ["success", "failure", "0", "D", "REJECTED"]
            )
            for status in (200, 201, 400):
                body = json.dumps(fields).encode()
                self.read_everything(HttpAnswer(status=status, body=body))

    def read_everything(self, answer: HttpAnswer) -> None:
        for provider in PROVIDERS:
            outcome = provider.outcome_of(answer, NOW)
            self.assertIsInstance(outcome, (Accepted, Refused, Uncertain))
            if isinstance(outcome, Accepted):
                self.assertLessEqual(outcome.segments, 255)
            provider.balance_of(answer)
            provider.price_of(answer)
            with contextlib.suppress(TheirFault):
                provider.status_of(answer, ["1", "A1"], NOW)
            with contextlib.suppress(TheirFault):
                provider.found_in(answer, message())
            with contextlib.suppress(TheirFault):
                self.page_of(answer)(provider)

    @given(st.sampled_from([200, 404, 500]), BODIES)
    def test_any_answer_to_a_question_is_read_or_their_fault(
        self, status: int, body: bytes
    ) -> None:
        """Statuses, searches, inboxes, pages."""
        answer = HttpAnswer(status=status, body=body)
        for provider in PROVIDERS:
            for read, kind in (
                (lambda p: p.status_of(answer, ["1", "A1"], NOW), StatusAnswer),
                (lambda p: p.found_in(answer, message()), (Receipt, type(None))),
                (lambda p: p.sources_of(answer), tuple),
                (self.page_of(answer), InboundPage),
            ):
                try:
                    self.assertIsInstance(read(provider), kind)
                except TheirFault:
                    continue

    def page_of(self, answer: HttpAnswer) -> Any:
        def read(provider: Any) -> Any:
            if not provider.capabilities.polls_inbound:
                return InboundPage()
            asked = provider.inbound_request("10", NOW - 600, NOW, NOW)
            return provider.inbound_of(answer, asked, NOW)

        return read

    @given(
        st.sampled_from(list(WebhookKind)),
        st.sampled_from(["application/json", FORM, ""]),
        st.sampled_from(["GET", "POST"]),
        BODIES,
        st.text(max_size=30),
    )
    def test_any_webhook_is_told_denied_or_their_fault(
        self, endpoint: WebhookKind, kind: str, method: str, body: bytes, query: str
    ) -> None:
        """Never another exception."""
        hook = Webhook(
            kind=endpoint,
            method=method,
            url=f"https://x.example/?{query}",
            headers=(("content-type", kind),),
            body=body,
        )
        for provider in PROVIDERS:
            try:
                fields = provider.events_of(hook, NOW)
            except TheirFault:
                continue
            self.assertIsInstance(fields, (WebhookContent, WebhookDenied))
