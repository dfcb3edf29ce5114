"""What the settings of cloud channels complain about."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.channel import PROVIDERS
from gdemoi.cloud.settings import CloudSettings, is_private
from gdemoi.ini import reference
from tests.cloud.net import ACCOUNT, TOKEN, textlocal, twilio, tyntec, vonage


class SettingsTests(SynchronousTestCase):
    def keys(self, settings: CloudSettings) -> list[str]:
        return [key for key, _ in settings.complaints()]

    def test_good_settings_have_no_complaints(self) -> None:
        """Of each kind."""
        for settings in (
            twilio(),
            vonage(),
            vonage(api="messages"),
            textlocal(),
            tyntec(),
        ):
            self.assertEqual(self.keys(settings), [])

    def test_plain_http_leads_to_this_machine_only(self) -> None:
        """Unless it is said that it may."""
        away = "http://192.0.2.1:8080"
        self.assertEqual(self.keys(twilio(base_url=away)), ["base_url"])
        self.assertEqual(self.keys(twilio(base_url=away, insecure_http=True)), [])
        self.assertEqual(self.keys(twilio(base_url="http://127.0.0.1:1")), [])
        for private in ("http://[::1]:80/x", "http://localhost/", "https://x.example"):
            self.assertTrue(is_private(private), private)
        self.assertFalse(is_private("http://127.0.0.1.example.org/"))

    def test_twilio(self) -> None:
        """Sids, senders, tokens."""
        cases: list[tuple[dict[str, Any], str]] = [
            ({"account_sid": "AC1"}, "account_sid"),
            ({"messaging_service_sid": "MG1"}, "messaging_service_sid"),
            ({"allowed_sender": ()}, "allowed_sender"),
            ({"allowed_sender": ("*",)}, "allowed_sender"),
            ({"api_key": "SK1"}, "api_key"),
            (
                {"auth_token": None, "receipts": "poll", "inbound": "none"},
                "auth_token",
            ),
            (
                {"auth_token": None, "api_key": "SK1", "api_secret": "s"},
                "auth_token",
            ),
            ({"inbound": "poll", "allowed_sender": ("GDEMOI",)}, "inbound_numbers"),
        ]
        for changes, key in cases:
            self.assertEqual(self.keys(twilio(**changes)), [key], changes)
        self.assertEqual(twilio(inbound="poll").polled_numbers, ("+14155552345",))

    def test_vonage(self) -> None:
        """Secrets, applications, paid reports."""
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({"allowed_sender": ()}, ["allowed_sender"]),
            ({"api_secret": None}, ["api_secret"]),
            ({"api": "messages", "application_id": "a"}, ["application_id"]),
            (
                {"application_id": "a", "private_key": "/k.pem"},
                ["application_id"],
            ),
            ({"receipts": "poll"}, ["reports"]),
            ({"webhook_age_s": 299.0}, ["webhook_age"]),
            ({"webhook_age_s": 7 * 86400.0 + 1}, ["webhook_age"]),
            ({"webhook_age_s": 7 * 86400.0}, []),
            ({"signature_secret": None}, ["signature_secret"]),
            ({"signature_secret": None, "webhook_token": TOKEN}, []),
            (
                {"api": "messages", "signature_secret": None, "webhook_token": TOKEN},
                ["signature_secret"],
            ),
        ]
        for changes, keys in cases:
            self.assertEqual(self.keys(vonage(**changes)), keys, changes)

    def test_textlocal_and_tyntec(self) -> None:
        """Nothing is signed: webhooks need a token in their path."""
        for make in (textlocal, tyntec):
            self.assertEqual(self.keys(make(webhook_token=None)), ["webhook_token"])
            self.assertEqual(self.keys(make(webhook_token="short")), ["webhook_token"])
            self.assertEqual(
                self.keys(make(webhook_token="with/slash/and/more")), ["webhook_token"]
            )
        polled = textlocal(webhook_token=None, receipts="poll", inbound="poll")
        self.assertEqual((self.keys(polled), polled.wants_webhooks), ([], False))
        self.assertEqual(self.keys(tyntec(webhook_age_s=1.0)), ["webhook_age"])
        self.assertEqual(self.keys(tyntec(inbound="poll")), ["inbound"])
        self.assertEqual(self.keys(tyntec(allowed_sender=())), ["allowed_sender"])

    def test_a_fixed_sender_must_be_there(self) -> None:
        """sender_policy = fixed needs one."""
        self.assertEqual(
            self.keys(textlocal(allowed_sender=(), sender_policy="fixed")),
            ["sender_policy"],
        )

    def test_secrets_are_not_in_reprs(self) -> None:
        """Of settings classes."""
        shown = repr(
            [
                twilio(webhook_shared_key="sh4red"),
                vonage(),
                textlocal(),
                tyntec(api_key="k3y", signature_secret="s1gn"),
            ]
        )
        for secret in ("sh4red", "s3cr3tXY", "abcdefgh", "k3y", "s1gn", TOKEN, "'tok'"):
            self.assertNotIn(secret, shown)
        self.assertIn(ACCOUNT, shown)

    def test_every_key_is_documented(self) -> None:
        """The generated reference says what each is for."""
        for kind in PROVIDERS:
            for one in reference(kind.settings):
                self.assertTrue(one.doc, one.name)
