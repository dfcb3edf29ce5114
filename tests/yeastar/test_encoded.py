"""Messages made into commands: whole, split or refused, never cut."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import (
    Charset,
    MessageClass,
    OnUnencodable,
    Outbound,
    Refused,
    Transliteration,
)
from gdemoi.yeastar.ami import decode_text
from gdemoi.yeastar.encoded import TgEncodedMessage, command_line, prepare
from gdemoi.yeastar.settings import YeastarSettings

TO = "+79001234567"


def settings(**more: Any) -> YeastarSettings:
    """Return the settings of a device with one port."""
    usual = {"host": "tg", "username": "u", "password": "p", "ports": (1,)}
    return YeastarSettings(**{**usual, **more})


def command(text: str, **more: Any) -> Outbound:
    """Return a message of class command."""
    fields = {"to": TO, "class_": MessageClass.COMMAND, **more}
    return Outbound(id="m", accepted_at=0.0, expires_at=1e12, text=text, **fields)


def note(text: str, **more: Any) -> Outbound:
    """Return a notification."""
    return command(text, class_=MessageClass.NOTIFICATION, **more)


class PrepareTests(SynchronousTestCase):
    def prepared(self, message: Outbound, **more: Any) -> TgEncodedMessage:
        """Return what is prepared of a message that can be sent."""
        found = prepare(message, settings(**more))
        assert isinstance(found, TgEncodedMessage), found
        return found

    def refused(self, message: Outbound, **more: Any) -> str:
        """Return the code with which a message is refused."""
        found = prepare(message, settings(**more))
        assert isinstance(found, Refused), found
        self.assertFalse(found.error.retryable)
        return found.error.code

    def test_wire(self) -> None:
        """What `explain` shows is what leaves, but for the id."""
        found = self.prepared(command("Hi"))
        self.assertEqual(
            found.wire(),
            [["Action: smscommand", f'command: gsm send sms 2 {TO} "Hi" <id>']],
        )
        self.assertEqual(found.user_data(), [("4869", 2)])
        self.assertEqual((found.segments, found.charset), (1, "gsm8"))

    def test_which_span_is_shown(self) -> None:
        """Of the port whose number the sender is, else of the first one."""
        numbers = {"3": "+79160000003", "4": "+79160000004"}
        for ports, sender, span in (
            ((), None, 2),
            ((3, 4), None, 4),
            ((3, 4), "+79160000004", 5),
            ((3, 4), "+79160000003", 4),
        ):
            found = self.prepared(
                command("Hi", from_=sender), ports=ports, numbers=numbers
            )
            self.assertIn(f"gsm send sms {span} ", found.wire()[0][1])
        refused = prepare(
            command("Hi", from_="GdeMoi"),
            settings(numbers=numbers, unknown_sender="refuse"),
        )
        assert isinstance(refused, Refused)
        self.assertEqual(refused.error.text, "no port has the number 'GdeMoi'")

    def test_one_line_of_plain_letters(self) -> None:
        """Quotes, line feeds and backslashes do not reach the command parser."""
        text = 'Привет "мир" 100% a+b\nx\\y'
        (piece,) = self.prepared(command(text)).pieces
        self.assertRegex(piece.quoted, r"\A[A-Za-z0-9%._~-]+\Z")
        self.assertEqual(decode_text(piece.quoted.encode()).text, text)

    def test_up_to_1024_octets_in_a_line(self) -> None:
        """1024 octets go if the line may be so long; else they are refused."""
        long = command("a" * 1024)
        self.assertEqual(len(self.prepared(long, max_line=1100).pieces), 1)
        self.assertEqual(self.refused(long), "gateway:too_long")
        self.assertEqual(
            self.refused(command("a" * 1025), max_line=4000), "gateway:too_long"
        )
        self.assertEqual(self.refused(command("a\x00b")), "gateway:unencodable")

    def test_the_line_is_never_too_long(self) -> None:
        """The longest text that is taken makes a line of exactly max_line."""
        line = len(f"command: {command_line(2, TO, '', '2147483646')}\r\n")
        room = 500 - line
        fits = command("a" * room)
        self.assertEqual(len(self.prepared(fits, max_line=500).pieces), 1)
        self.assertEqual(
            self.refused(command("a" * (room + 1)), max_line=500), "gateway:too_long"
        )
        # six octets for each Cyrillic letter
        self.assertEqual(self.refused(command("я" * 200)), "gateway:too_long")
        self.assertEqual(len(self.prepared(command("я" * 150)).pieces), 1)

    def test_notifications_are_split_where_words_end(self) -> None:
        """Into separate SMS that together are the text, to the octet."""
        text = "Внимание: автомобиль покинул геозону «Склад №1».  " * 12
        found = self.prepared(note(text))
        texts = [decode_text(piece.quoted.encode()).text for piece in found.pieces]
        self.assertEqual("".join(texts), text)
        self.assertGreater(len(texts), 1)
        self.assertTrue(all(one[-1].isspace() for one in texts[:-1]))
        self.assertEqual(found.segments, len(found.user_data()))
        self.assertEqual(found.segments, len(found.wire()))
        self.assertEqual(
            self.refused(note(text), long_messages="refuse"), "gateway:too_long"
        )
        self.assertEqual(
            self.refused(command(text, class_=MessageClass.ACTIVATION)),
            "gateway:too_long",
        )

    def test_a_text_without_blanks_is_split_between_characters(self) -> None:
        """A letter keeps its accent, an emoji its skin tone."""
        for one in ("я", "е\u0301", "\U0001f44d\U0001f3fd"):
            found = self.prepared(note(one * 300))
            texts = [decode_text(piece.quoted.encode()).text for piece in found.pieces]
            self.assertGreater(len(texts), 1)
            self.assertEqual("".join(texts), one * 300)
            for text in texts:
                self.assertEqual(text, one * (len(text) // len(one)))

    def test_max_segments(self) -> None:
        """More SMS on the air than allowed is refused, not cut."""
        text = "я" * 100
        self.assertEqual(self.prepared(command(text, max_segments=2)).segments, 2)
        self.assertEqual(
            self.refused(command(text, max_segments=1)), "gateway:too_long"
        )

    def test_raw(self) -> None:
        """UTF-8 between the quotes; what a command line would take is refused."""
        (piece,) = self.prepared(command("Привет мир+"), encoding="raw").pieces
        self.assertEqual(piece.quoted, "Привет мир+")
        for char in '"\\\r\n%\x00':
            self.assertEqual(
                self.refused(command(f"a{char}b"), encoding="raw"),
                "gateway:unencodable",
            )

    def test_raw_after_transliteration(self) -> None:
        """A quote that transliteration brings in is refused, too."""
        fancy = note("“hi”", on_unencodable=OnUnencodable.TRANSLITERATE)
        self.assertEqual(self.refused(fancy, encoding="raw"), "gateway:unencodable")

    def test_destinations(self) -> None:
        """Only what can be dialled; nothing that ends a line or a quote."""
        for to in ('+7900"1', "1\r\nAction: Logoff", "", "+7900 1", "abc", "1" * 22):
            self.assertEqual(self.refused(command("x", to=to)), "gateway:bad_number")
        for to in ("+79001234567", "10086", "*100#"):
            self.prepared(command("x", to=to))

    def test_what_a_tg_cannot_carry(self) -> None:
        """Binary, ports and flash are refused, so that another channel is tried."""
        odd: list[dict[str, Any]] = [
            {"binary": b"x", "text": None},
            {"text": None},
            {"dest_port": 5},
            {"flash": True},
        ]
        for more in odd:
            fields: dict[str, Any] = {"text": "x", **more}
            text = fields.pop("text")
            self.assertEqual(
                self.refused(command(text, **fields)), "gateway:unsupported"
            )

    def test_alphabets(self) -> None:
        """A text must fit the alphabet asked for, if nothing else is allowed."""
        strict = {"charset": Charset.GSM7, "on_unencodable": OnUnencodable.REJECT}
        self.assertEqual(self.refused(command("я", **strict)), "gateway:unencodable")
        self.assertEqual(
            self.refused(command("a\ud800", **strict)), "gateway:unencodable"
        )
        self.assertEqual(
            self.refused(command("\udc00", charset=Charset.UCS2)),
            "gateway:unencodable",
        )
        latin = self.prepared(command("{ç}", charset=Charset.LATIN1))
        self.assertEqual(latin.charset, "latin1")
        nearest = note("“да” №1 [x]", on_unencodable=OnUnencodable.TRANSLITERATE)
        self.assertEqual(self.prepared(nearest).charset, "gsm8")

    def test_cyrillic_in_latin_letters(self) -> None:
        """By the table that the route names."""
        wish = OnUnencodable.TRANSLITERATE
        for table, latin in ((Transliteration.ICAO, "Eshche"),
                             (Transliteration.GOST, "Eshhyo")):  # fmt: skip
            asked = note("Ещё", on_unencodable=wish, transliteration=table)
            (piece,) = self.prepared(asked).pieces
            self.assertEqual(piece.quoted, latin)

    def test_blanks_stay(self) -> None:
        """Leading and trailing blanks are text."""
        (piece,) = self.prepared(command("  a \n")).pieces
        self.assertEqual(piece.quoted, "%20%20a%20%0A")

    def test_sender_chooses_the_port(self) -> None:
        """The number of a SIM is its port; any other is ignored or refused."""
        numbers = {"ports": (1, 2), "numbers": {"2": "+79160000002"}}
        found = self.prepared(command("x", from_="+79160000002"), **numbers)
        self.assertEqual((found.only, found.sender), ((2,), "+79160000002"))
        other = command("x", from_="GdeMoi")
        found = self.prepared(other, **numbers)
        self.assertEqual((found.only, found.sender), ((), None))
        self.assertEqual(
            self.refused(other, unknown_sender="refuse", **numbers),
            "gateway:sender_not_allowed",
        )

    @given(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=600),
        st.integers(200, 1000),
    )
    def test_no_octet_is_lost(self, text: str, max_line: int) -> None:
        """The pieces are the text, and each command fits the line."""
        found = self.prepared(note(text), max_line=max_line)
        texts = [
            decode_text(b"x" + piece.quoted.encode()).text[1:] for piece in found.pieces
        ]
        self.assertEqual("".join(texts), text)
        for piece in found.pieces:
            line = command_line(2, TO, piece.quoted, "2147483646")
            self.assertLessEqual(len(f"command: {line}\r\n"), max_line)
