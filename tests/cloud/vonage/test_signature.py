"""Vonage's signatures against independent implementations (VS-12, VM-04, VM-07)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.exchange import Webhook, WebhookContent, WebhookDenied, WebhookKind
from gdemoi.cloud.vonage.messages import VonageMessages
from gdemoi.cloud.vonage.signature import (
    ApplicationTokens,
    is_signed,
    sms_signature,
    unix_time,
    webhook_claims,
)
from gdemoi.errors import TheirFault
from tests.cloud.net import NOW, vectors, vonage

JWT = vectors("vonage_messages_jwt")


class SmsSignatureTests(SynchronousTestCase):
    def test_every_verdict_of_the_vectors(self) -> None:
        """All five methods, `sig` in upper or lower case."""
        cases = vectors("vonage_sms_signature")
        self.assertEqual(len(cases), 5)
        for case in cases:
            fields, secret, method = case["params"], case["secret"], case["method"]
            for sig in (fields["sig"].lower(), fields["sig"].upper()):
                self.assertEqual(
                    is_signed({**fields, "sig": sig}, secret, method),
                    case["valid"],
                    method,
                )

    def test_missing_empty_and_foreign_signatures(self) -> None:
        """Whatever `sig` holds, the verdict is no, and never an exception."""
        fields = dict(vectors("vonage_sms_signature")[4]["params"])
        secret = vectors("vonage_sms_signature")[4]["secret"]
        for sig in ("", "é", "0" * 32):
            self.assertFalse(is_signed({**fields, "sig": sig}, secret, "md5hash"))
        del fields["sig"]
        self.assertFalse(is_signed(fields, secret, "md5hash"))

    def test_every_field_is_signed(self) -> None:
        """A field that was added spoils the signature; & and = in values do not."""
        for case in vectors("vonage_sms_signature"):
            fields, secret, method = case["params"], case["secret"], case["method"]
            self.assertFalse(is_signed({**fields, "x": "1"}, secret, method))
            self.assertIn("&", fields["client-ref"])
            self.assertTrue(is_signed(fields, secret, method))

    def test_the_time_of_a_call(self) -> None:
        """Digits, and nothing else."""
        self.assertEqual(unix_time("1770120865"), 1770120865.0)
        for bad in ("", None, "1e9", "٣", "9" * 40):
            self.assertIsNone(unix_time(bad), bad)

    @given(
        st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=6),
        st.text(min_size=1, max_size=20),
        st.sampled_from(["md5hash", "md5", "sha1", "sha256", "sha512"]),
    )
    def test_what_is_signed_is_believed(
        self, fields: dict[str, str], secret: str, method: str
    ) -> None:
        """Any fields, any secret: our own signature is right."""
        fields.pop("sig", None)
        sig = sms_signature(fields, secret, method)
        self.assertTrue(is_signed({**fields, "sig": sig.upper()}, secret, method))
        self.assertFalse(is_signed({**fields, "sig": sig[:-1]}, secret, method))


class TokenTests(SynchronousTestCase):
    def answer(
        self, authorization: str | None, body: str = JWT["body"], **changes: Any
    ) -> Any:
        settings = vonage(api="messages", signature_secret=JWT["secret"], **changes)
        headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
        if authorization is not None:
            headers = (*headers, ("authorization", authorization))
        hook = Webhook(
            kind=WebhookKind.STATUS,
            method="POST",
            url="https://gw.example.org/sms/ch/status",
            headers=headers,
            body=body.encode(),
        )
        return VonageMessages(settings, "ch").events_of(hook, float(JWT["now"]))

    def test_every_verdict_of_the_vectors(self) -> None:
        """A good token is believed; every other one is 401.

        But one of an hour ago is a repeat, for Vonage repeats for a day.
        """
        self.assertGreaterEqual(len(JWT["cases"]), 7)
        self.assertIn("iat one hour old", [case["name"] for case in JWT["cases"]])
        for case in JWT["cases"]:
            answer = self.answer(case["authorization"])
            if case["valid"] or case["name"] == "iat one hour old":
                self.assertIsInstance(answer, WebhookContent, case["name"])
            else:
                assert isinstance(answer, WebhookDenied), case["name"]
                self.assertEqual(answer.status, 401, case["name"])

    def test_a_token_is_good_for_as_long_as_vonage_repeats(self) -> None:
        """25 hours back, an hour ahead, or what the setting says."""
        body = JWT["body"]
        for age_s, changes, good in (
            (90_000, {}, True),
            (90_001, {}, False),
            (-3600, {}, True),
            (-3601, {}, False),
            (601, {"webhook_age_s": 600.0}, False),
            (600, {"webhook_age_s": 600.0}, True),
        ):
            claims = {
                "iat": JWT["now"] - age_s,
                "payload_hash": hashlib.sha256(body.encode()).hexdigest(),
                "api_key": "abcd1234",
            }
            token = jwt.encode(claims, JWT["secret"], algorithm="HS256")
            answer = self.answer(f"Bearer {token}", **changes)
            self.assertIsInstance(
                answer, WebhookContent if good else WebhookDenied, age_s
            )

    def test_a_missing_token_asks_vonage_to_come_again(self) -> None:
        """Vonage says that it may send an unsigned call by a fault: 503."""
        self.assertEqual(self.answer(None), WebhookDenied(503, "no token"))

    def test_other_ways_to_be_wrong(self) -> None:
        """Another secret, another account, no hash, alg none: 401."""
        claims = {
            "iat": JWT["now"],
            "jti": "1",
            "payload_hash": "f5ad3a2e9f67f73de2adb6bd2714523"
            "2dcd14a9b90530ae322ff82f2f77c4d06",
            "api_key": "abcd1234",
        }
        secret = JWT["secret"]
        none = ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
            for part in ({"alg": "none"}, claims)
        )
        nobody = {**claims, "api_key": "other123"}
        no_hash = {k: v for k, v in claims.items() if k != "payload_hash"}
        for token in (
            jwt.encode(claims, "x" * 32, algorithm="HS256"),
            jwt.encode(nobody, secret, algorithm="HS256"),
            jwt.encode(no_hash, secret, algorithm="HS256"),
            f"{none}.",
        ):
            answer = self.answer(f"Bearer {token}")
            assert isinstance(answer, WebhookDenied)
            self.assertEqual(answer.status, 401)
        good = jwt.encode(claims, secret, algorithm="HS256")
        self.assertIsInstance(self.answer(f"Bearer {good}"), WebhookContent)
        self.assertIsInstance(self.answer(f"bearer {good}"), WebhookContent)

    def test_a_token_is_for_one_body(self) -> None:
        """With another body it is 401; with the same it bears the same mark."""
        good = JWT["cases"][0]["authorization"]
        first, second = self.answer(good), self.answer(good)
        self.assertEqual(first.replay_key, second.replay_key)
        answer = self.answer(good, JWT["body"].replace("delivered", "rejected"))
        assert isinstance(answer, WebhookDenied)
        self.assertEqual(answer.status, 401)

    @given(st.text(max_size=80))
    def test_any_authorization_gets_a_verdict(self, word: str) -> None:
        """Whatever stands there is a fault of theirs and nothing else."""
        with self.assertRaises(TheirFault):
            webhook_claims(f"Bearer {word}", b"{}", "secret", NOW, 90_000.0)

    def test_our_own_tokens(self) -> None:
        """RS256, fifteen minutes at most, backdated 30 s, renewed a minute early."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        tokens = ApplicationTokens("app-1", pem)
        self.assertNotIn("BEGIN", repr(tokens))
        first = tokens.token(NOW)
        claims = jwt.decode(
            first,
            key.public_key(),
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False},
        )
        self.assertEqual(claims["application_id"], "app-1")
        self.assertEqual(claims["iat"], int(NOW) - 30)
        self.assertLessEqual(claims["exp"] - claims["iat"], 900)
        until = claims["exp"] - 60
        self.assertEqual(tokens.token(until - 1), first)
        self.assertNotEqual(tokens.token(until), first)
