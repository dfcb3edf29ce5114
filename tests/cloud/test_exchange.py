"""Our requests against those of the official SDKs, field by field."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.exchange import HttpRequest, basic, form_request
from gdemoi.cloud.provider import CloudMessage
from gdemoi.cloud.twilio.provider import Twilio
from gdemoi.cloud.vonage.messages import VonageMessages
from gdemoi.cloud.vonage.sms import VonageSms
from tests.cloud.net import NOW, message, twilio, vectors, vonage

SERVICE = "MG0123456789abcdef0123456789abcdef"
SID = "SM0123456789abcdef0123456789abcdef"
GOLDEN = {
    case["label"].partition(" (SDK")[0]: case for case in vectors("golden_requests")
}


def draft(text: str, sender: str | None, callback: str | None = None) -> CloudMessage:
    unicode = any(character > "\u0400" and character != "€" for character in text)
    return CloudMessage(
        message=message(text),
        text=text,
        sender=sender,
        unicode=unicode,
        callback=callback,
    )


class GoldenTests(SynchronousTestCase):
    def agree(
        self, label: str, ours: HttpRequest, without: frozenset[str] = frozenset()
    ) -> dict[str, str]:
        """Compare with the SDK's request; return our fields that it has not."""
        case = GOLDEN[label]
        self.assertEqual(ours.method, case["method"], label)
        split_ours, split_theirs = urlsplit(ours.url), urlsplit(case["url"])
        self.assertEqual(split_ours[:3], split_theirs[:3], label)
        self.assertEqual(
            parse_qsl(split_ours.query), parse_qsl(split_theirs.query), label
        )
        headers = dict(ours.headers)
        self.assertEqual(
            headers["Authorization"], case["headers"]["Authorization"], label
        )
        if ours.method == "GET":
            return {}
        self.assertEqual(
            headers["Content-Type"], case["headers"]["Content-Type"], label
        )
        fields = dict(parse_qsl(ours.body.decode(), keep_blank_values=True))
        for name, value in case["form"].items():
            if name not in without:
                self.assertEqual(fields.pop(name), value, f"{label}: {name}")
        return fields

    def test_twilio_agrees_with_its_sdk(self) -> None:
        """Every field that the SDK sends is ours, spelled the same."""
        provider = Twilio(twilio(), "ch")
        callback = frozenset({"StatusCallback"})
        ours = provider.request_for(
            draft(
                "setparam 1;2 #€",
                "+14155552345",
                "https://gw.example.org/twilio/status",
            ),
            NOW,
        )
        rest = self.agree("twilio send from number", ours, callback)
        # the SDK's caller chose an address without our reference
        self.assertEqual(
            rest, {"StatusCallback": "https://gw.example.org/twilio/status?m=g1"}
        )
        served = Twilio(twilio(messaging_service_sid=SERVICE), "ch")
        rest = self.agree(
            "twilio send messaging service, cyrillic",
            served.request_for(draft("Привет", None), NOW),
        )
        extra = {"ValidityPeriod": "3600", "SmartEncoded": "false"}
        self.assertEqual(rest, extra)
        keyed = Twilio(
            twilio(
                api_key="SK0123456789abcdef0123456789abcdef", api_secret="keysecret"
            ),
            "ch",
        )
        rest = self.agree(
            "twilio send with API key", keyed.request_for(draft("x", "GDEMOI"), NOW)
        )
        self.assertEqual(rest, extra)

    def test_twilio_questions_agree_with_its_sdk(self) -> None:
        """Fetch, list since, balance."""
        provider = Twilio(twilio(), "ch")
        fetch = provider.status_request([SID], NOW)
        balance = provider.balance_request(NOW)
        assert fetch is not None and balance is not None
        self.agree("twilio fetch", fetch)
        self.agree("twilio balance", balance)
        since = 1795226400.0  # 2026-11-21T02:00:00Z
        self.agree(
            "twilio list inbound since",
            provider.inbound_request("+14155552345", since, since, NOW),
        )

    def test_vonage_sms_agrees_with_its_sdk(self) -> None:
        """Text and unicode; receipts are the default, so the SDK's word is left out."""
        provider = VonageSms(vonage(), "ch")
        rest = self.agree(
            "vonage sms text",
            provider.request_for(
                draft("setparam 1;2 #€", "GDEMOI", "https://gw.example.org/v/dlr"), NOW
            ),
            frozenset({"status-report-req"}),
        )
        self.assertEqual(rest, {})
        rest = self.agree(
            "vonage sms unicode", provider.request_for(draft("Привет", "GDEMOI"), NOW)
        )
        self.assertEqual(rest, {"ttl": "3600000", "client-ref": "g1"})
        balance = provider.balance_request(NOW)
        assert balance is not None
        self.agree("vonage balance", balance)

    def test_vonage_messages_agree_with_the_sdk(self) -> None:
        """The same JSON object."""
        provider = VonageMessages(vonage(api="messages"), "ch")
        ours = provider.request_for(
            draft("Привет", "GDEMOI", "https://gw.example.org/v/status"), NOW
        )
        case = GOLDEN["vonage messages sms (basic)"]
        self.assertEqual((ours.method, ours.url), (case["method"], case["url"]))
        self.assertEqual(json.loads(ours.body), json.loads(case["body"]))
        self.assertEqual(
            dict(ours.headers)["Authorization"], case["headers"]["Authorization"]
        )


class FormTests(SynchronousTestCase):
    def test_a_plus_travels_as_percent_2b(self) -> None:
        """A raw plus would be read as a space."""
        request = form_request("https://a.example/", [("To", "+1"), ("B", "")])
        self.assertEqual(request.body, b"To=%2B1&B=")

    def test_requests_show_no_secrets(self) -> None:
        """Neither as text nor percent-encoded, in lines nor in repr."""
        secret = "s+/= ёt"
        request: Any = form_request(
            f"https://a.example/{secret}",
            [("key", secret)],
            [basic("u", "p"), ("x", secret)],
            (secret, basic("u", "p")[1].split()[1]),
        )
        shown = repr(request) + "\n".join(request.lines())
        for form in (secret, "s%2B%2F%3D+%D1%91t", "dTpw"):
            self.assertNotIn(form, shown)
