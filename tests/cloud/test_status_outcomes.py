"""What an answer to a send means for the message, status by status: a table.

A status that is taken for "surely not accepted" although the provider may have the
message is a blind repeat; each wrong cell here is one.
"""

from __future__ import annotations

from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.encoded import prepare
from gdemoi.cloud.exchange import HttpAnswer, SignatureProof, WebhookContent
from gdemoi.cloud.provider import (
    ErrorClass,
    error_class_of_problem,
    error_class_of_status,
    outcome_of_error_class,
)
from gdemoi.message import Error, Outcome, Refused, Scope, Uncertain
from tests.cloud.net import NOW, message, textlocal, twilio, tyntec, vonage
from tests.cloud.test_provider import PROVIDERS

UNCERTAIN: Final = "may have been accepted: never blindly repeated"
LATER: Final = "surely not accepted: may be sent again later"
REFUSED: Final = "surely not accepted, and never will be"
HALTED: Final = "surely not accepted: the channel halts"

# RFC 9110 section 15; 408 and every 5xx come after the request was read in part or
# whole, and say nothing of what was done with it.
TABLE: Final = {
    **dict.fromkeys(range(300, 400), HALTED),
    **dict.fromkeys(range(400, 500), REFUSED),
    **dict.fromkeys(range(500, 600), UNCERTAIN),
    **dict.fromkeys((401, 402, 403, 404, 405, 410, 415), HALTED),
    100: UNCERTAIN,
    102: UNCERTAIN,
    408: UNCERTAIN,
    429: LATER,
    600: UNCERTAIN,
    999: UNCERTAIN,
}


def kind_of(outcome: Outcome) -> str:
    """Return which of the four an outcome is."""
    if isinstance(outcome, Uncertain):
        return UNCERTAIN
    assert isinstance(outcome, Refused)
    if outcome.scope is Scope.CHANNEL_HALTED:
        return HALTED
    return LATER if outcome.error.retryable else REFUSED


class StatusTests(SynchronousTestCase):
    def test_every_status_without_a_readable_body(self) -> None:
        """Of every provider: the status alone decides, as the table says."""
        for provider in PROVIDERS:
            for status, expected in TABLE.items():
                for body in (b"", b"<html>gateway</html>"):
                    outcome = provider.outcome_of(
                        HttpAnswer(status=status, body=body), NOW
                    )
                    self.assertEqual(
                        (provider.name, status, kind_of(outcome)),
                        (provider.name, status, expected),
                    )

    def test_a_refusal_in_words_is_about_whom_it_names(self) -> None:
        """Sender, recipient or neither: 403 and 404 halt only when it is neither."""
        for status in range(300, 600):
            alone = error_class_of_status(status)
            narrows = alone is ErrorClass.REJECT or status in (403, 404)
            for words, named in (
                ("invalid sender", ErrorClass.SENDER),
                ("`from` is not yours", ErrorClass.SENDER),
                ("unknown from", ErrorClass.SENDER),
                ("no route to the recipient", ErrorClass.REJECT),
                ("invalid 'to' number", ErrorClass.REJECT),
                ("requests from your address go to nowhere", alone),
                ("", alone),
            ):
                self.assertEqual(
                    (status, words, error_class_of_problem(status, words)),
                    (status, words, named if narrows else alone),
                )

    def test_what_an_outcome_says(self) -> None:
        """The code and words for the story; the pause only where one was asked for."""
        for error_class, outcome in (
            (ErrorClass.UNCERTAIN, Uncertain(why="x:1: no")),
            (ErrorClass.REJECT, Refused(error=Error("x:1", "no"))),
            (
                ErrorClass.SENDER,
                Refused(
                    error=Error("x:1", "no"), scope=Scope.SENDER, retry_after_s=7.0
                ),
            ),
            (
                ErrorClass.SENDER_BUSY,
                Refused(
                    error=Error("x:1", "no", retryable=True),
                    scope=Scope.SENDER,
                    retry_after_s=7.0,
                ),
            ),
            (
                ErrorClass.HALT,
                Refused(
                    error=Error("x:1", "no", retryable=True),
                    scope=Scope.CHANNEL_HALTED,
                    retry_after_s=7.0,
                ),
            ),
            (
                ErrorClass.RETRY,
                Refused(
                    error=Error("x:1", "no", retryable=True),
                    scope=Scope.CHANNEL_FOR_A_WHILE,
                    throttled=True,
                    retry_after_s=7.0,
                ),
            ),
        ):
            self.assertEqual(
                outcome_of_error_class(error_class, "x:1", "no", 7.0), outcome
            )

    def test_a_mark_of_a_signature(self) -> None:
        """What a webhook told is remembered under it, for as long as it is good."""
        fields = SignatureProof(signed_at=5.0, mark="m").of(
            WebhookContent(ignored="x"), 90.0
        )
        self.assertEqual(
            (
                fields.ignored,
                fields.replay_key,
                fields.replay_window_s,
                fields.signed_at,
            ),
            ("x", "m", 90.0, 5.0),
        )


class PauseTests(SynchronousTestCase):
    def test_the_longest_pause(self) -> None:
        """Whatever a provider asks for, a channel is asked again within the hour."""
        for said, pause_s in (
            ("7", 7.0),
            ("3599", 3599.0),
            ("3600", 3600.0),
            ("3601", 3600.0),
            ("86400", 3600.0),
            ("9" * 400, 3600.0),
            ("Tue, 03 Feb 2026 12:14:32 GMT", 7.0),
            ("Tue, 03 Feb 2026 12:14:24 GMT", 0.0),
            ("Wed, 04 Feb 2026 12:14:25 GMT", 3600.0),
            ("soon", None),
        ):
            answer = HttpAnswer(status=429, headers={"retry-after": said})
            for provider in PROVIDERS:
                outcome = provider.outcome_of(answer, NOW)
                assert isinstance(outcome, Refused)
                self.assertEqual(
                    (provider.name, said, outcome.retry_after_s),
                    (provider.name, said, pause_s),
                )


class UnitsTests(SynchronousTestCase):
    def test_what_counts_as_a_character(self) -> None:
        """UTF-16 units in UCS2, septets in GSM: an emoji or a bracket counts two."""
        for provider, settings, letters in (
            (PROVIDERS[0], twilio(), "я😀"),
            (PROVIDERS[1], vonage(), "я😀a[€"),
            (PROVIDERS[3], textlocal(), "я😀a[€"),
            (PROVIDERS[4], tyntec(), "я😀a[€"),
        ):
            able = provider.capabilities
            for letter in letters:
                most = able.ucs2_units if letter in "я😀" else able.gsm_units
                each = 1 if letter in "яa" else 2
                for count, refused in ((most // each, False), (most // each + 1, True)):
                    found = prepare(message(letter * count), provider, settings, None)
                    self.assertEqual(
                        (provider.name, letter, count, isinstance(found, Refused)),
                        (provider.name, letter, count, refused),
                    )

    def test_what_counts_as_a_sender(self) -> None:
        """Numbers, short codes and names, each within its length."""
        settings = twilio(allowed_sender=("*",))
        for sender, able in (
            ("+1415555", True),
            ("+141555", False),
            ("+141555523456789", True),
            ("+1415555234567890", False),
            ("123", True),
            ("12", False),
            ("GDEMOI", True),
            ("GDEMOI Alarm", False),
            ("", False),
        ):
            found = prepare(message("x", from_=sender), PROVIDERS[0], settings, None)
            self.assertEqual((sender, not isinstance(found, Refused)), (sender, able))
