"""X-Twilio-Signature, against the verdicts of Twilio's own validator (TW-17)."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.exchange import Webhook, WebhookKind
from gdemoi.cloud.reading import FORM, JSON
from gdemoi.cloud.twilio.signature import (
    is_signed,
    is_valid,
    signature,
    url_spellings,
)
from tests.cloud.net import vectors

texts = st.text(max_size=30)


class SignatureTests(SynchronousTestCase):
    def test_every_verdict_of_the_official_validator(self) -> None:
        """Each stored case; one that our own URL's fragment spoilt becomes valid."""
        cases = vectors("twilio_signature")
        self.assertGreaterEqual(len(cases), 18)
        for case in cases:
            expected = case["valid"] or case["name"].startswith("fragment")
            self.assertEqual(self.verdict(case), expected, case["name"])

    def verdict(self, case: dict[str, object]) -> bool:
        params, url = case["params"], str(case["url"])
        digest = {None: "sha1", "HMAC_SHA256": "sha256"}.get(case["algorithm"])  # type: ignore[arg-type]
        if digest is None:
            return False
        pairs: list[tuple[str, str]] = []
        if isinstance(params, str):
            found = hashlib.sha256(params.encode()).hexdigest()
            if f"bodySHA256={found}" not in url:
                return False
        else:
            assert isinstance(params, dict)
            for name, value in params.items():
                values = value if isinstance(value, list) else [value]
                pairs += [(name, one) for one in values]
        given, token = str(case["signature"]), str(case["token"])
        return is_valid(url, pairs, given, token, digest)

    def test_the_documented_example(self) -> None:
        """Twilio's documentation shows this one."""
        pairs = [
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+12349013030"),
            ("Digits", "1234"),
            ("From", "+12349013030"),
            ("To", "+18005551212"),
        ]
        url = "https://mycompany.com/myapp.php?foo=1&bar=2"
        self.assertEqual(signature("12345", url, pairs), "0/KCTR6DLpKmkAf8muzZqo1nDgQ=")

    def test_ports_and_users_in_the_address(self) -> None:
        """With and without a port; users and passwords stay."""
        self.assertEqual(
            url_spellings("https://u:p@gw.example.org/x?y#rc=3"),
            ("https://u:p@gw.example.org/x?y", "https://u:p@gw.example.org:443/x?y"),
        )
        self.assertEqual(
            url_spellings("http://gw.example.org:8080/x"),
            ("http://gw.example.org/x", "http://gw.example.org:8080/x"),
        )
        self.assertEqual(
            url_spellings("http://gw.example.org")[1], "http://gw.example.org:80"
        )

    @given(st.binary(max_size=200), st.text(max_size=40), st.sampled_from([FORM, JSON]))
    def test_any_octets_get_a_verdict(self, body: bytes, given: str, kind: str) -> None:
        """Whatever comes is refused without an exception."""
        hook = Webhook(
            kind=WebhookKind.STATUS,
            method="POST",
            url="https://gw.example.org/sms/x/status",
            headers=(("content-type", kind), ("x-twilio-signature", given)),
            body=body,
        )
        self.assertFalse(is_signed(hook, "tok", None))

    @given(st.lists(st.tuples(texts, texts), max_size=6), texts)
    def test_the_order_of_fields_does_not_matter(
        self, pairs: list[tuple[str, str]], token: str
    ) -> None:
        """Fields are sorted, repeats are counted once."""
        url = "https://gw.example.org/"
        self.assertEqual(
            signature(token, url, pairs),
            signature(token, url, [*reversed(pairs), *pairs]),
        )
