"""From bytes to sections, with everything that can be wrong with a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.ini.words import Complaint, Place, read


def complaints(octets: bytes) -> list[str]:
    return [str(one) for one in read("x.ini", octets)[1]]


class WordsTests(SynchronousTestCase):
    def test_sections_and_keys_with_their_lines(self) -> None:
        """Each word knows its file and line."""
        blocks, wrong = read("x.ini", b"# c\n\n[smpp:a]\nhost = b\n; c\n[gateway]\n")
        self.assertEqual(wrong, [])
        self.assertEqual([block.label for block in blocks], ["smpp:a", "gateway"])
        self.assertEqual(blocks[0].place, Place("x.ini", 3))
        self.assertEqual(blocks[0].words["host"].value, "b")
        self.assertEqual(blocks[0].words["host"].place, Place("x.ini", 4))

    def test_nothing_after_a_value_is_a_comment(self) -> None:
        """Passwords may hold # and ; and =."""
        blocks, _ = read("x", b"[a]\npassword = p#a;s=s # w\n")
        self.assertEqual(blocks[0].words["password"].value, "p#a;s=s # w")

    def test_bom_tabs_and_crlf(self) -> None:
        """What Windows editors leave behind does no harm."""
        blocks, wrong = read("x", b"\xef\xbb\xbf[a]\r\nkey\t=\tvalue\t\r\n\t\r\n")
        self.assertEqual(wrong, [])
        self.assertEqual(blocks[0].words["key"].value, "value")

    def test_utf16(self) -> None:
        """A file in UTF-16 is told as such, once."""
        self.assertEqual(
            complaints("[a]\n".encode("utf-16")),
            ["x.ini:1: is UTF-16; save the file as UTF-8"],
        )

    def test_an_octet_that_is_not_utf8(self) -> None:
        """The octet and its column are told, and the rest is read."""
        blocks, wrong = read("x.ini", b"[a]\nname = caf\xe9\nb = c\n")
        self.assertEqual(
            str(wrong[0]),
            "x.ini:2: [a]: octet 0xe9 in column 11 is not UTF-8;"
            " save the file as UTF-8",
        )
        self.assertEqual(blocks[0].words["b"].value, "c")

    def test_control_characters(self) -> None:
        """A NUL or a lone CR is told, not kept."""
        self.assertIn("U+0000 in column 5", complaints(b"[a]\nb = \0\n")[0])
        self.assertIn("U+000D", complaints(b"[a]\nb = x\ry = z\n")[0])

    def test_an_indented_line(self) -> None:
        """A continuation line of other ini dialects is an error here."""
        for line in (b" b = c", b"\tb = c", b"  # comment", b"  more"):
            (said,) = complaints(b"[a]\nx = y\n" + line + b"\n")
            self.assertIn("x.ini:3: [a]: an indented line", said)

    def test_a_key_twice(self) -> None:
        """The second one is the error, and it names the first."""
        (said,) = complaints(b"[a]\nb = 1\nb = 2\n")
        self.assertEqual(said, "x.ini:3: [a] b: is already set at x.ini:2")

    def test_lines_that_are_nothing(self) -> None:
        """Lines without =, without value, without section, broken headers."""
        cases = {
            b"[a]\nhost\n": "not a line like key = value",
            b"[a]\nhost: b\n": "did you mean host = b?",
            b"[a]\nhost =\n": "has no value",
            b"[a]\n= b\n": "is not a key",
            b"[a]\nho st = b\n": "is not a key",
            b"host = b\n": "a key before the first [section]",
            b"[a\n": "is not a section",
            b"[]\n": "is not a section",
            b"[a:]\n": "is not a section",
            b"[:a]\n": "is not a section",
            b"[a] # c\n": "a comment is a line of its own",
        }
        for octets, wanted in cases.items():
            said = complaints(octets)
            self.assertEqual(len(said), 1, octets)
            self.assertIn(wanted, said[0])

    def test_keys_under_a_broken_header_are_not_complained_about(self) -> None:
        """One mistake, one complaint."""
        self.assertEqual(len(complaints(b"[a\nb = c\nd = e\n")), 1)

    def test_all_complaints_at_once(self) -> None:
        """Reading goes on after each mistake."""
        self.assertEqual(len(complaints(b"x\n[a]\ny\n z\nb =\n")), 4)

    def test_how_a_complaint_reads(self) -> None:
        """file:line: [section] key: what; did you mean …"""
        place = Place("g.ini", 7)
        self.assertEqual(
            str(Complaint(place, "is unknown here", "smpp:a", "prot", "port")),
            "g.ini:7: [smpp:a] prot: is unknown here; did you mean port?",
        )
        self.assertEqual(
            str(Complaint(Place("g.ini", 0), "odd", warning=True)),
            "g.ini: warning: odd",
        )

    @given(st.binary())
    def test_any_octets_are_read(self, octets: bytes) -> None:
        """Whatever a file holds, there are sections and complaints, no exception."""
        blocks, wrong = read("x", octets)
        for block in blocks:
            self.assertTrue(block.kind)
        for one in wrong:
            self.assertGreaterEqual(one.place.line, 1)

    @given(
        st.dictionaries(
            st.from_regex(r"[a-z][a-z_.]{0,9}", fullmatch=True),
            st.text(
                st.characters(
                    codec="utf-8", min_codepoint=0x21, exclude_characters="\x7f"
                ),
                min_size=1,
            ),
        )
    )
    def test_values_come_back_as_they_were_written(self, pairs: dict[str, str]) -> None:
        """No octet of a value is changed."""
        lines = "".join(f"{name} = {value}\n" for name, value in pairs.items())
        blocks, wrong = read("x", f"[a]\n{lines}".encode())
        self.assertEqual(wrong, [])
        self.assertEqual({n: w.value for n, w in blocks[0].words.items()}, pairs)
