"""Making messages ready for clouds: alphabets, senders, what is refused."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.encoded import CloudEncodedMessage, prepare
from gdemoi.cloud.settings import CloudSettings
from gdemoi.message import (
    Charset,
    MessageClass,
    OnUnencodable,
    Outbound,
    Refused,
    Transliteration,
)
from tests.cloud.net import message, provider_of, textlocal, twilio, tyntec, vonage


class PreparedTests(SynchronousTestCase):
    def ready(self, sms: Outbound, settings: CloudSettings) -> CloudEncodedMessage:
        found = prepare(sms, provider_of("ch", settings), settings, None)
        assert isinstance(found, CloudEncodedMessage), found
        return found

    def refused(self, sms: Outbound, settings: CloudSettings) -> str:
        found = prepare(sms, provider_of("ch", settings), settings, None)
        assert isinstance(found, Refused), found
        return found.error.code

    def test_the_alphabet_is_chosen_and_counted(self) -> None:
        """GSM when it fits, else UCS2; segments as on the air."""
        for text, charset, segments in (
            ("setparam 1;2 #€", "gsm8", 1),
            ("a" * 161, "gsm8", 2),
            ("Привет", "ucs2", 1),
            ("я" * 71, "ucs2", 2),
        ):
            ready = self.ready(message(text), twilio())
            self.assertEqual((ready.charset, ready.segments), (charset, segments))
            self.assertEqual(len(ready.user_data()), segments)

    def test_a_command_that_does_not_fit_is_refused(self) -> None:
        """Its charset is kept; nothing is degraded."""
        for charset in (Charset.GSM7, Charset.LATIN1):
            sms = message(
                "Привет",
                charset=charset,
                class_=MessageClass.COMMAND,
                on_unencodable=OnUnencodable.REJECT,
            )
            self.assertEqual(self.refused(sms, twilio()), "gateway:unencodable")

    def test_latin1_goes_as_what_providers_have(self) -> None:
        """In GSM where it fits, else in UCS2, and never changed."""
        for text, charset in (("plain", "gsm8"), ("façade", "ucs2")):
            sms = message(text, charset=Charset.LATIN1)
            ready = self.ready(sms, twilio())
            self.assertEqual((ready.charset, ready.draft.text), (charset, text))

    def test_transliteration_only_when_asked(self) -> None:
        """The nearest letters of the GSM alphabet; Cyrillic by table."""
        sms = message(
            "façade ž", charset=Charset.GSM7, on_unencodable=OnUnencodable.TRANSLITERATE
        )
        self.assertEqual(self.ready(sms, twilio()).draft.text, "facade z")
        sms = message(
            "Ещё",
            on_unencodable=OnUnencodable.TRANSLITERATE,
            transliteration=Transliteration.GOST,
        )
        ready = self.ready(sms, twilio())
        self.assertEqual((ready.charset, ready.draft.text), ("gsm8", "Eshhyo"))

    def test_too_long_or_a_wrong_sender(self) -> None:
        """1601 characters, or a name of twelve: nothing is sent."""
        self.ready(message("a" * 1600), twilio())
        self.assertEqual(
            self.refused(message("a" * 1601), twilio()), "gateway:too_long"
        )
        settings = twilio(allowed_sender=("*",), messaging_service_sid="MG" + "0" * 32)
        self.assertEqual(
            self.refused(message(from_="TWELVELETTER"), settings),
            "gateway:sender_not_allowed",
        )

    def test_spaces_that_twilio_would_trim_are_refused(self) -> None:
        """Unless the settings say that it does not."""
        for text in (" x", "x ", "\tx", "x\n"):
            self.assertEqual(
                self.refused(message(text), twilio()),
                "gateway:provider_alters_text",
            )
            self.ready(message(text), twilio(trims_text=False))
            self.ready(message(text), vonage())

    def test_more_segments_than_allowed_is_refused(self) -> None:
        """Never cut."""
        sms = message("a" * 161, max_segments=1)
        self.assertEqual(self.refused(sms, vonage()), "gateway:too_long")

    def test_what_a_provider_cannot_carry(self) -> None:
        """Binary, ports, headers, flash."""
        binary: dict[str, Any] = {"text": None, "binary": b"\x01"}
        for changes, settings in (
            # octets of which nobody knows the text: an empty SMS must not go instead
            ({"text": None}, twilio()),
            ({"text": None}, vonage()),
            (binary, twilio()),
            (binary, tyntec()),
            (binary, vonage(api="messages")),
            ({"flash": True}, twilio()),
            ({"flash": True}, textlocal()),
            ({"dest_port": 2948}, vonage()),
            ({"udh": b"\x00"}, vonage()),
        ):
            self.assertEqual(
                self.refused(message(**changes), settings), "gateway:unsupported"
            )
        ready = self.ready(message(**binary, udh=b"\x05"), vonage())
        self.assertEqual((ready.charset, ready.user_data()), ("binary", [("0501", 2)]))
        self.ready(message(flash=True), vonage())
        self.ready(message(flash=True), tyntec())

    def test_numbers_that_a_provider_cannot_reach(self) -> None:
        """Short codes are for networks."""
        for settings in (twilio(), tyntec(), vonage(), textlocal()):
            self.assertEqual(
                self.refused(message(to="12345"), settings), "gateway:bad_number"
            )

    def test_senders(self) -> None:
        """The default, an allowed one, any, a mapped one, the fixed one."""
        settings = twilio(sender_map={"GdeMoi": "+15005550006"})
        for wanted, sent in (
            (None, "+14155552345"),
            ("GDEMOI", "GDEMOI"),
            ("GdeMoi", "+15005550006"),
        ):
            self.assertEqual(self.ready(message(from_=wanted), settings).sender, sent)
        self.assertEqual(
            self.refused(message(from_="+12025550123"), settings),
            "gateway:sender_not_allowed",
        )
        anybody = twilio(allowed_sender=("GDEMOI", "*"))
        self.assertEqual(
            self.ready(message(from_="+12025550123"), anybody).sender, "+12025550123"
        )
        fixed = twilio(sender_policy="fixed")
        self.assertEqual(
            self.ready(message(from_="+12025550123"), fixed).sender, "+14155552345"
        )
        service = twilio(messaging_service_sid="MG" + "0" * 32, allowed_sender=())
        self.assertIsNone(self.ready(message(), service).sender)

    def test_explain_shows_the_request_without_secrets(self) -> None:
        """Address, headers and body, as they would leave."""
        for settings, secrets in (
            (twilio(), ("tok", "OnRvaw")),
            (textlocal(), ("abcdefgh",)),
            (tyntec(api_key="k3ys3cr3t"), ("k3ys3cr3t",)),
            (vonage(), ("s3cr3tXY", "YWJjZDEyMzQ6czNjcjN0WFk")),
        ):
            (lines,) = self.ready(message(), settings).wire()
            shown = "\n".join(lines)
            self.assertIn("POST https://", shown)
            self.assertIn("setparam", shown)
            for secret in secrets:
                self.assertNotIn(secret, shown)

    def test_one_request_carries_all_segments(self) -> None:
        """Nothing more leaves for the second one."""
        ready = self.ready(message("я" * 71), vonage())
        self.assertEqual([bool(lines) for lines in ready.wire()], [True, False])
        self.assertEqual(len(ready.user_data()), 2)
