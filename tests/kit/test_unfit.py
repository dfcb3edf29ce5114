"""What no channel of a kind can carry is refused alike, and with which words."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.kit.unfit import (
    Unfit,
    all_of,
    check_count,
    check_kind,
    chosen,
    refusing,
)
from gdemoi.message import (
    Charset,
    Error,
    OnUnencodable,
    Outbound,
    RawUserData,
    Refused,
)
from gdemoi.text.segments import TooLong, split


def message(text: str | None = "a", **fields: Any) -> Outbound:
    """Return a message to send."""
    given = {"id": "m", "to": "+79161234567", "accepted_at": 0.0, "expires_at": 60.0}
    return Outbound(**{**given, "text": text, **fields})


class UnfitTests(SynchronousTestCase):
    def refusal(self, check: Any, *args: Any, **kwargs: Any) -> Error:
        """Return the error that a check raises."""
        return self.assertRaises(Unfit, check, *args, **kwargs).refusal.error

    def test_kinds_that_are_not_carried(self) -> None:
        """Each kind has its words; what is carried passes."""
        octets = {"text": None, "binary": b"\0"}
        raw = message(None, raw=RawUserData(octets=b"\1", data_coding=4))
        unread = "needs a text, and nobody can say what these octets say alone"
        for sms, able, words in (
            (raw, {}, unread),
            (raw, {"binary": True, "flash": True}, unread),
            (message(**octets), {}, "sends texts only, no binary SMS"),
            (message(udh=b"\x02\x70\x00"), {}, "takes no user data header"),
            (message(dest_port=1), {}, "cannot send to application ports"),
            (message(source_port=1), {}, "cannot send to application ports"),
            (message(flash=True), {"binary": True}, "sends no flash SMS"),
            (message(udh=b"\x00"), {"binary": True}, "takes no user data header"),
        ):
            found = self.refusal(check_kind, sms, "a box", **able)
            self.assertEqual(found, Error("gateway:unsupported", f"a box {words}"))
        for sms, able in (
            (message(), {}),
            (message(flash=True), {"flash": True}),
            (message(**octets, udh=b"\x00"), {"binary": True}),
        ):
            check_kind(sms, "a box", **able)

    def test_the_alphabet_is_chosen_as_the_message_allows(self) -> None:
        """Auto is GSM or UCS2; a strict alphabet that does not fit is refused."""
        self.assertEqual(chosen(message("a{")), ("a{", Charset.GSM8))
        self.assertEqual(chosen(message("я")), ("я", Charset.UCS2))
        # a carrier whose data_coding 0 is Latin-1 has no Greek
        self.assertEqual(chosen(message("Δ"), "latin1"), ("Δ", Charset.UCS2))
        strict = message("я", charset=Charset.GSM7, on_unencodable=OnUnencodable.REJECT)
        found = self.refusal(chosen, strict)
        self.assertEqual(found.code, "gateway:unencodable")
        self.assertIn("я", found.text)
        # half of an emoji is in no alphabet
        half = self.refusal(chosen, message("\ud83d"))
        self.assertEqual(half.code, "gateway:unencodable")

    def test_more_segments_than_allowed(self) -> None:
        """The limit itself is allowed; no limit allows all."""
        check_count(3, 3)
        check_count(255, None)
        found = self.refusal(check_count, 4, 3)
        self.assertEqual(found, Error("gateway:too_long", "4 segments of 3"))

    def test_a_text_that_was_not_cut(self) -> None:
        """`TooLong` is refused by its numbers; segments pass as they are."""
        parts = split("a" * 161, Charset.GSM8)
        self.assertIs(all_of(parts), parts)
        found = self.refusal(all_of, TooLong(3, 2))
        self.assertEqual(found, Error("gateway:too_long", "3 segments of 2"))
        found = self.refusal(all_of, TooLong(200, 0))
        self.assertEqual(found.code, "gateway:too_long")
        self.assertIn("no room", found.text)

    def test_at_the_door_it_is_a_value(self) -> None:
        """`refusing` returns the refusal, or what was made; faults pass through."""

        @refusing
        def prepare(word: str, *, good: bool) -> str:
            if not good:
                raise Unfit("unsupported", word)
            return word

        refused = Refused(error=Error("gateway:unsupported", "no"))
        self.assertEqual(prepare("no", good=False), refused)
        self.assertEqual(prepare("yes", good=True), "yes")
        self.assertEqual(prepare.__name__, "prepare")

        @refusing
        def fail() -> None:
            raise KeyError("ours")

        self.assertRaises(KeyError, fail)
