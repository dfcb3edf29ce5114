"""What is found in commands; the text itself is never touched."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Finding
from gdemoi.profiles.findings import CODES, findings
from tests.profiles.builders import HEAD, LIBRARY, codes, found, mine, profile


class FindingTests(SynchronousTestCase):
    def test_a_good_command(self) -> None:
        """TR1: two leading blanks and nothing odd."""
        self.assertEqual(codes("teltonika", "  getinfo"), [])

    def test_no_leading_blanks(self) -> None:
        """TR2: one finding, two blanks are expected and none is found."""
        (one,) = found("teltonika", "getinfo")
        self.assertEqual((one.code, one.expected, one.found), ("leading_space", 2, 0))

    def test_one_leading_blank(self) -> None:
        """TR3: no other family is named when several have one blank."""
        (one,) = found("teltonika", " getinfo")
        self.assertEqual((one.code, one.expected, one.found), ("leading_space", 2, 1))

    def test_the_only_other_family_is_named(self) -> None:
        """TR3: with one other such family only, it is named."""
        known = [profile("teltonika"), profile("teltonika-ft"), profile("queclink")]
        told = findings(known[0], " getinfo", known)
        self.assertEqual([one.code for one in told], ["leading_space", "other_family"])
        self.assertIn("(teltonika-ft)", told[1].text)

    def test_with_login_and_password(self) -> None:
        """TR4: nothing is found, and neither word is shown."""
        self.assertEqual(codes("teltonika", "login pass getinfo"), [])
        masked = profile("teltonika").masked("login pass getinfo")
        self.assertEqual(masked, "*** *** getinfo")

    def test_a_letter_too_many(self) -> None:
        """TR5: 161 units are too long, 160 are not."""
        (one,) = found("teltonika", "  " + "a" * 159)
        self.assertEqual((one.code, one.found, one.expected), ("too_long", 161, 160))
        self.assertEqual(codes("teltonika", "  " + "a" * 158), [])

    def test_the_tail_is_missing(self) -> None:
        """TR6: Queclink's commands end with $."""
        command = "AT+GTGLM=gl300,1,1,2,13813888888,13913999999,,,,,000D"
        self.assertEqual(codes("queclink", command), ["tail"])
        self.assertEqual(codes("queclink", command + "$"), [])

    def test_brackets_cost_two(self) -> None:
        """TR8: 156 letters and [x] are 161 units, and it is told why."""
        start = "  setparam 2004:"
        told = found("teltonika", start + "a" * 140 + "[x]")
        self.assertEqual([one.code for one in told], ["too_long", "extension_units"])
        self.assertEqual((told[0].found, told[1].found), (161, 2))
        self.assertEqual(codes("teltonika", start + "a" * 139 + "[x]"), [])

    def test_a_cyrillic_letter(self) -> None:
        """TR9: position and name of a letter that only looks right."""
        (one,) = found("gt06", "SERVER,1,h\u0421st,5023,0#")
        self.assertEqual((one.code, one.at), ("charset", 10))
        self.assertIn("CYRILLIC CAPITAL LETTER ES", one.text)

    def test_as_the_first_letter(self) -> None:
        """TR9: then it explains why the form does not fit, too."""
        (one,) = found("gt06", "\u0421ERVER,1,host,5023,0#")
        self.assertEqual((one.code, one.at), ("charset", 0))

    def test_a_no_break_space(self) -> None:
        """TR10: U+00A0 is no blank for a tracker."""
        for text, blanks in (("\u00a0 getinfo", 1), (" \u00a0getinfo", 1)):
            told = {one.code: one for one in found("teltonika", text)}
            self.assertIn("leading_space", told)
            self.assertIn("NO-BREAK SPACE", told["charset"].text)
            self.assertEqual(told["leading_space"].found, blanks)

    def test_a_zero_width_space(self) -> None:
        """A letter that nobody sees."""
        told = {one.code: one for one in found("teltonika", "\u200b  getinfo")}
        self.assertIn("ZERO WIDTH SPACE", told["charset"].text)

    def test_a_blank_that_is_a_value(self) -> None:
        """TR11: Arnavi clears a value by a blank, so nothing is odd."""
        self.assertEqual(codes("arnavi", "123456*SETP*#2= , , "), [])

    def test_no_password(self) -> None:
        """TR12: Arnavi has a password in each command."""
        self.assertEqual(codes("arnavi", "*SETP*#1=h,1,4"), ["password_missing"])

    def test_no_tail(self) -> None:
        """TR13: GT06 ends with #."""
        self.assertEqual(codes("gt06", "RELAY,1"), ["tail"])
        self.assertEqual(codes("gt06", "RELAY,1#"), [])

    def test_two_commands_in_two_lines(self) -> None:
        """TR18: BW32 takes several commands, one to a line."""
        text = "#6666#APN,internet#\n#6666#SERVER,host,50100,TCP#"
        self.assertEqual(codes("bw32", text), [])

    def test_a_command_that_is_never_answered(self) -> None:
        """TR59: cpureset says so, and that the tracker starts anew."""
        self.assertEqual(codes("teltonika", "  cpureset"), ["no_answer", "reboot"])
        self.assertEqual(profile("teltonika").read("  cpureset").answers, 0)

    def test_too_many_segments(self) -> None:
        """Where the units are not limited but the segments are."""
        limits = "[sms]\nmax_segments = 1\n"
        told = findings(mine(limits), "GO " + "a" * 158)
        self.assertEqual([one.code for one in told], ["too_many_segments"])
        self.assertEqual((told[0].found, told[0].expected), (2, 1))
        self.assertEqual(findings(mine(limits), "GO " + "a" * 157), ())

    def test_what_the_tracker_reads(self) -> None:
        """ASCII, the GSM alphabet, or anything at all."""
        for charset, text, expected in (
            ("ascii", "GO é", ["charset"]),
            ("gsm7", "GO é", []),
            ("gsm7", "GO Ж", ["charset"]),
            ("ucs2-ok", "GO Ж", []),
        ):
            told = findings(mine(f"[sms]\ncharset = '{charset}'\n"), text)
            self.assertEqual([one.code for one in told], expected, (charset, text))

    def test_a_weak_source(self) -> None:
        """Of a family without a document it is told with each command."""
        weak = mine(head=HEAD.replace('"B"', '"C"'))
        self.assertEqual([o.code for o in findings(weak, "GO x")], ["weak_source"])

    def test_no_text_of_a_finding_holds_a_password(self) -> None:
        """Whatever is wrong with it."""
        for one in LIBRARY:
            for text in ("topsecret", "topsecret topsecret", "topsecret,topsecret#"):
                for told in findings(one, text, LIBRARY):
                    self.assertNotIn("topsecret", told.text)

    def test_its_json(self) -> None:
        """What is not said is not there."""
        import msgspec

        octets = msgspec.json.encode(Finding("tail", "the closing # is missing"))
        self.assertEqual(octets, b'{"code":"tail","text":"the closing # is missing"}')

    @given(st.sampled_from(LIBRARY.names()), st.text(max_size=400))
    def test_any_text_has_findings(self, name: str, text: str) -> None:
        """Whatever a platform writes: known codes, and no fault."""
        one = profile(name)
        for told in findings(one, text, LIBRARY):
            own = {check.code for check in one.checks}
            self.assertIn(told.code, {*CODES, *own})
        one.masked(text)
        one.masked_answer(text)
