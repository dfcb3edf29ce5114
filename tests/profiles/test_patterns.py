"""Patterns: what is compiled, and what is refused because it may not end."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.profiles.format import BadProfile
from gdemoi.profiles.patterns import (
    LONGEST,
    BadPattern,
    answer_pattern,
    compiled,
    group_source,
)
from tests.profiles.builders import LIBRARY, mine

# what takes years, or hours, on a text of 1,600 characters
ENDLESS = (
    r"(a+)+",
    r"(a|a)*b",
    r"(a|ab)*c",
    r"(a?)*",
    r"(a*)*b",
    r"([a-z]+)*!",
    r"(x+x+)+y",
    r"(?:.*,)*x",
    r"(?:a{1,9}){2,}",
    r".*a.*b.*c.*",
    r".*.*.*x",
    r"(?:.*,){5}x",
    r"\w+\s*\w+\s*\w+!",
    r"[^,]*[^;]*[^x]*z",
    r"(?=(?:a+)+b).*",
    r"(?:(?:ab)?)+",
)
QUICK = (
    r"\+ACK:GT[A-Z]{3},[^,]*,[^,]*,[^,]*,[0-9A-F]{4},.*",
    r"(?:,[^,]*){20}",
    r"(ab)*",
    r"(?:abc|abd)?x",
    r"(?i:[a-z ]*data incorrect)",
    r".*https?://.*",
    r"[a-z]{1,20}[0-9]{6}",
    r"(?>.*)",
    r"a*+b",
    r"(?!SOS).*",
    r"\d+ \d+",
)


class EndlessTests(SynchronousTestCase):
    def test_what_may_not_end_is_refused(self) -> None:
        """Each of these would hold the gateway; none is compiled."""
        for source in ENDLESS:
            with self.assertRaises(BadPattern, msg=source):
                compiled(source)

    def test_what_is_quick_is_taken(self) -> None:
        """Patterns as profiles need them."""
        for source in QUICK:
            compiled(source)

    def test_no_clock_is_needed_to_refuse(self) -> None:
        """The refusal itself is quick, also of a pattern as long as may be."""
        began = time.process_time()
        for source in ("(" * 400 + "a" + ")*" * 400, "a?" * 480, "(a|b)*" * 150):
            try:
                compiled(source)
            except BadPattern:
                continue
        self.assertLess(time.process_time() - began, 5.0)

    def test_what_no_profile_may_have(self) -> None:
        """Back references, broken and overlong patterns."""
        for source, why in (
            (r"(a)\1", "groupref"),
            ("(", "no regular expression"),
            ("a{99999999999}", "no regular expression"),
            ("a" * 1001, "over 1000"),
            ("(?&verb)", "for answers only"),
            ("(?:ab){65}", "more than 64"),
        ):
            with self.assertRaises(BadPattern, msg=source) as caught:
                compiled(source)
            self.assertIn(why, str(caught.exception))

    @given(st.text(alphabet="ab.,*+?()[]|\\{}1", max_size=24), st.text("ab,1"))
    def test_whatever_is_taken_ends(self, source: str, unit: str) -> None:
        """A pattern that passes ends soon on a text made to hurt it."""
        try:
            found = compiled(source)
        except BadPattern:
            return
        text = (unit or "a") * LONGEST
        began = time.process_time()
        found.fullmatch(text[: LONGEST // 4] + "!")
        self.assertLess(time.process_time() - began, 1.0, source)

    def test_check_names_file_and_key(self) -> None:
        """TR49: ``(a+)+`` in a profile is told with the file and the key."""
        rest = "[[answer]]\nname = 'a'\nstate = 'ok'\nmatch = '(a+)+'\n"
        with self.assertRaises(BadProfile) as caught:
            mine(rest)
        self.assertEqual(caught.exception.file, "mine.toml")
        self.assertEqual(caught.exception.key, "answer[0].match")
        self.assertIn("may not end", caught.exception.what)


HURTING = (
    *("a", "A", ",", " ", "¤", "O", "0", "(", ";", "\n", "a¤", "1,", "APN: "),
    *("M:1 O:N", "http://", "ID:", "+ACK:GTGLM,1,2,,", "Param ID:1", "ok ", "OK@"),
    *("lat:", "pw,", "#1#A", "ST300", "GT", "No ", "C(", "Already in the state of "),
)


class HostileTests(SynchronousTestCase):
    def test_ten_thousand_characters(self) -> None:
        """TR50: no built-in profile takes 50 ms for any of these texts."""
        from gdemoi.profiles.answers import OutstandingCommand, find

        for profile in LIBRARY:
            for example in profile.file.example:
                command = profile.read(example.command)
                waiting = [
                    OutstandingCommand(
                        id="a", command=command, left_at=0, deadline=9, parts=n
                    )
                    for n in (0, 1)
                ]
                for unit in HURTING:
                    text = (unit * 10_000)[:10_000]
                    began = time.process_time()
                    find(text, waiting, 1.0)
                    profile.masked_answer(text)
                    taken = time.process_time() - began
                    self.assertLess(taken, 0.05, (profile.name, unit))


class KeyTests(SynchronousTestCase):
    def test_a_key_is_letters_and_no_pattern(self) -> None:
        """TR51: ``*!SETOUT 1Y`` and ``(`` in a command mean themselves."""
        form = "(?P<verb>.*)"
        pattern, any_key = answer_pattern("(?&verb) OK", form)
        for verb in ("*!SETOUT 1Y", "(", "a+", "[x", "\\", ".*", "(?&verb)"):
            caught = {"verb": verb}
            self.assertIsNotNone(pattern.match(f"{verb} OK", caught), verb)
            self.assertIsNone(pattern.match("xx OK", caught), verb)
        assert any_key is not None
        self.assertIsNotNone(any_key.fullmatch("whatever OK"))

    def test_a_key_that_was_not_caught_fits_nothing(self) -> None:
        """An empty key, or none, proves nothing."""
        pattern, _ = answer_pattern("(?&verb) OK", "(?P<verb>.*)")
        self.assertIsNone(pattern.match(" OK", {"verb": ""}))
        self.assertIsNone(pattern.match("X OK", {}))

    def test_letters_of_any_case_where_the_family_has_them(self) -> None:
        """``Reset OK`` answers ``reset123456``."""
        pattern, _ = answer_pattern("(?&verb) OK", "(?P<verb>.*)")
        self.assertIsNone(pattern.match("Reset OK", {"verb": "reset"}))
        self.assertIsNotNone(pattern.match("Reset OK", {"verb": "reset"}, fold=True))

    def test_the_source_of_a_group(self) -> None:
        """Brackets in classes and behind backslashes are letters."""
        form = r"x(?P<a>[)\]]\)(?:b|(?P<c>d)))(?P<e>[]()])(?P<f>[^]])"
        self.assertEqual(group_source(form, "a"), r"[)\]]\)(?:b|(?:d))")
        self.assertEqual(group_source(form, "c"), "d")
        self.assertEqual(group_source(form, "e"), "[]()]")
        self.assertEqual(group_source(form, "f"), "[^]]")
        self.assertRaises(BadPattern, group_source, form, "z")
