"""Framing: whole blocks from any chunks, whatever a device prints."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault
from gdemoi.sandbox.tg_dialects import content
from gdemoi.yeastar.ami import (
    BLOCK_LIMIT,
    HEADER_LIMIT,
    AmiBanner,
    AmiBlock,
    AmiFramer,
    Item,
    NotAmi,
    action,
    decode_text,
    encode_text,
)

BANNER = b"Asterisk Call Manager/1.1\r\n"
SUCCESS = b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n"
EVENT = (
    b"Event: UpdateSMSSend\r\nPrivilege: all,smscommand\r\nID: 7\r\nStatus: 1\r\n"
    b"--END SMS EVENT--\r\n\r\n"
)
TAKEN = b"Response: Follows\r\nPrivilege: SMSCommand\r\n--END COMMAND--\r\n\r\n"
SPAN = (
    b"Response: Follows\r\nPrivilege: SMSCommand\r\nActionID: 9\r\n"
    b"D-channel: 2\nStatus: Power on, Up\n\nState: READY\n"
    b"Last send AT: AT+CREG?\\r\\n--END COMMAND--\r\n\r\n"
)
STREAM = BANNER + SUCCESS + TAKEN + EVENT + SPAN + EVENT


def blocks(*chunks: bytes) -> list[Item]:
    """Return all items of a stream that comes in these chunks."""
    framer = AmiFramer()
    return [item for chunk in chunks for item in framer.feed(chunk)]


class FramerTests(SynchronousTestCase):
    def test_banner_is_one_line(self) -> None:
        """The greeting has no empty line after it; what is glued on is a block."""
        banner, success = blocks(BANNER + SUCCESS)
        self.assertEqual(banner, AmiBanner("Asterisk Call Manager/1.1"))
        assert isinstance(success, AmiBlock)
        self.assertEqual(success.word("response"), "success")
        self.assertEqual(success.get("message"), "Authentication accepted")

    def test_banner_before_any_block(self) -> None:
        """A greeting between two blocks does not spoil the next one."""
        items = blocks(SUCCESS + b"Asterisk AMI Test Server 0.1.4\r\n" + EVENT)
        self.assertEqual(
            [type(item) for item in items], [AmiBlock, AmiBanner, AmiBlock]
        )
        last = items[-1]
        assert isinstance(last, AmiBlock)
        self.assertEqual(last.word("event"), "updatesmssend")

    def test_output_ends_at_the_marker_only(self) -> None:
        """Blank lines and header-like lines belong to a command's output."""
        (block,) = blocks(SPAN)
        assert isinstance(block, AmiBlock)
        self.assertEqual(block.get("actionid"), "9")
        self.assertEqual(
            block.output,
            "D-channel: 2\nStatus: Power on, Up\n\nState: READY\n"
            "Last send AT: AT+CREG?",
        )

    def test_output_may_quote_the_marker(self) -> None:
        """The marker without an empty line after it is output."""
        (block,) = blocks(
            b"Response: Follows\r\nsays --END COMMAND-- here\n--END COMMAND--\r\n\r\n"
        )
        assert isinstance(block, AmiBlock)
        self.assertEqual(block.output, "says --END COMMAND-- here")

    def test_no_output_is_an_empty_one(self) -> None:
        """An accepted send prints nothing, which is not the same as no output."""
        taken, success = blocks(TAKEN, SUCCESS)
        assert isinstance(taken, AmiBlock) and isinstance(success, AmiBlock)
        self.assertEqual(taken.output, "")
        self.assertEqual(taken.get("privilege"), "SMSCommand")
        self.assertIsNone(success.output)

    def test_line_feeds_alone_end_lines(self) -> None:
        """Bare LF is a line's end, and two of them a block's."""
        items = blocks(STREAM.replace(b"\r\n", b"\n"))
        self.assertEqual(len(items), 6)

    def test_values_keep_their_blanks(self) -> None:
        """One blank after the colon is the header's, all others the value's."""
        (block,) = blocks(b"Event: X\r\nContent:  two \r\nID:\r\n\r\n")
        assert isinstance(block, AmiBlock)
        self.assertEqual(block.headers["content"], b" two ")
        self.assertEqual(block.headers["id"], b"")

    def test_odd_headers(self) -> None:
        """No colon, doubles, NUL, broken UTF-8: the first of each name is kept."""
        (block,) = blocks(
            b"Event: A\r\nnonsense\r\nID: 1\r\nid: 2\r\nX: \x00\xff\r\n: empty\r\n\r\n"
        )
        assert isinstance(block, AmiBlock)
        self.assertEqual(block.get("id"), "1")
        self.assertEqual(block.get("x"), "\x00\ufffd")

    def test_ten_thousand_headers(self) -> None:
        """Headers beyond a bound are passed over; the next block is whole."""
        many = b"".join(b"a%d:\r\n" % number for number in range(5000))
        first, second = blocks(b"Event: A\r\n" + many + b"\r\n" + EVENT)
        assert isinstance(first, AmiBlock) and isinstance(second, AmiBlock)
        self.assertEqual(len(first.headers), HEADER_LIMIT)
        self.assertEqual(second.get("id"), "7")
        more = b"".join(b"header%d:\r\n" % number for number in range(10000))
        self.assertIsInstance(blocks(b"Event: A\r\n" + more)[-1], NotAmi)

    def test_endless_line(self) -> None:
        """Ten megabytes without a line's end are given up at 64 KiB."""
        framer = AmiFramer()
        chunk = b"x" * 4096
        fed = 0
        while not (items := framer.feed(b"Event: " + chunk if not fed else chunk)):
            fed += len(chunk)
            self.assertLess(fed, BLOCK_LIMIT + 8192)
        self.assertIsInstance(items[0], NotAmi)
        self.assertEqual(framer.feed(chunk * 100), [])

    def test_endless_output(self) -> None:
        """Output without an end is given up, too."""
        items = blocks(b"Response: Follows\r\n" + b"line\n" * 20000)
        self.assertIsInstance(items[-1], NotAmi)

    def test_not_a_manager(self) -> None:
        """A first line that is neither greeting nor header is another protocol."""
        for line in (b"SSH-2.0-OpenSSH_8.9\r\n", b"HTTP/1.1 400 Bad\r\n", b"220 hi\n"):
            (foreign,) = blocks(line)
            self.assertIsInstance(foreign, NotAmi)

    @given(st.lists(st.integers(0, len(STREAM)), max_size=12))
    def test_chunks_do_not_matter(self, cuts: list[int]) -> None:
        """However the stream is cut, the same items come out."""
        borders = [0, *sorted(cuts), len(STREAM)]
        chunks = [STREAM[a:b] for a, b in itertools.pairwise(borders)]
        self.assertEqual(blocks(*chunks), blocks(STREAM))

    def test_octet_by_octet(self) -> None:
        """The same, one octet at a time."""
        octets = [STREAM[at : at + 1] for at in range(len(STREAM))]
        self.assertEqual(blocks(*octets), blocks(STREAM))
        self.assertEqual(len(blocks(*octets)), 6)

    @given(st.lists(st.binary(max_size=60), max_size=20))
    def test_any_octets_give_values(self, chunks: list[bytes]) -> None:
        """Nothing raises; after `NotAmi` comes nothing."""
        items = blocks(*chunks)
        foreign = [isinstance(item, NotAmi) for item in items]
        self.assertNotIn(True, foreign[:-1])

    @given(
        st.lists(
            st.sampled_from(
                [
                    b"Response: Follows\r\n",
                    b"--END COMMAND--",
                    b"\r\n",
                    b"\n",
                    b"\\r\\n",
                    b"ActionID: 1\r\n",
                    b"Event: X",
                    b"Asterisk",
                    b": ",
                    b"\x00",
                    b"a",
                ]
            ),
            max_size=40,
        )
    )
    def test_likely_octets_in_any_chunks(self, pieces: list[bytes]) -> None:
        """The oddities in any order read the same whole and in pieces."""
        self.assertEqual(blocks(*pieces), blocks(b"".join(pieces)))


class ActionTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """Each header is a line, and an empty one ends the action."""
        self.assertEqual(
            action("smscommand", [("ActionID", "7"), ("command", "gsm show spans")]),
            b"Action: smscommand\r\nActionID: 7\r\ncommand: gsm show spans\r\n\r\n",
        )

    @given(st.text(max_size=40))
    def test_no_second_action(self, value: str) -> None:
        """A value that would end its line is refused; any other is one line."""
        if set(value) & set("\r\n\x00"):
            self.assertRaises(OurFault, action, "x", [("A", value)])
            return
        try:
            value.encode()
        except UnicodeEncodeError:
            return
        written = action("x", [("A", value)])
        self.assertEqual(written.count(b"\r\n"), 3)
        (block,) = blocks(written)
        assert isinstance(block, AmiBlock)
        self.assertEqual(block.headers["a"], value.encode())


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


class PercentTests(SynchronousTestCase):
    def test_letters_that_a_command_line_would_take(self) -> None:
        """Quotes, percent, plus, backslash and line feed leave as %XX."""
        text = 'Привет "мир" 100% a+b\nx\\y'
        written = encode_text(text)
        self.assertTrue(re.fullmatch(r"[A-Za-z0-9%._~-]+", written))
        for expected in ("%20", "%2B", "%22", "%0A", "%5C", "%25"):
            self.assertIn(expected, written)
        self.assertEqual(decode_text(written.encode()).text, text)

    def test_manual_sample(self) -> None:
        """The Chinese sample of the manual begins with a mark that is no text."""
        read = decode_text(b"%EF%BB%BF%E8%BF%87%E5%8E%BB")
        self.assertEqual(read.text, "过去")
        self.assertFalse(read.broken)

    def test_plus_and_coded_plus(self) -> None:
        """A plus is a blank, %2B is a plus."""
        self.assertEqual(decode_text(b"a+b%2Bc").text, "a b+c")

    def test_broken_coding_is_still_read(self) -> None:
        """Stray percent signs and cut letters are told as broken, with octets."""
        for raw, text, octets in (
            (b"50%", "50%", b"50%"),
            (b"%zz+x", "%zz x", b"%zz x"),
            (b"ok%D0", "ok\ufffd", b"ok\xd0"),
            (b"\xff", "\ufffd", b"\xff"),
        ):
            read = decode_text(raw)
            self.assertEqual((read.text, read.octets), (text, octets))
            self.assertTrue(read.broken)

    def test_only_the_mark_is_stripped(self) -> None:
        """One mark goes, blanks at the end stay, a second mark stays."""
        read = decode_text(b"%EF%BB%BF%EF%BB%BF+%D0%9E+")
        self.assertEqual(read.text, "\ufeff О ")

    @given(TEXTS)
    def test_round_trip(self, text: str) -> None:
        """What is encoded reads back, but for a mark that leads it."""
        read = decode_text(encode_text(text).encode("ascii"))
        self.assertEqual(read.text, text.removeprefix("\ufeff"))
        self.assertFalse(read.broken)

    @given(TEXTS)
    def test_reads_what_a_box_writes(self, text: str) -> None:
        """GSM and UCS2 forms of received texts read back to the letter."""
        self.assertEqual(decode_text(content(text).encode()).text, text)

    @given(st.binary(max_size=80))
    def test_any_octets_read(self, raw: bytes) -> None:
        """Nothing raises, and what is not broken is exact."""
        read = decode_text(raw)
        if not read.broken:
            self.assertEqual(read.text.encode("utf-8"), read.octets)
