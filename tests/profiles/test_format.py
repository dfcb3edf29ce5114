"""The file of a profile: what is wrong with one is told with its key."""

from __future__ import annotations

import textwrap
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.profiles.format import BadProfile, read
from gdemoi.profiles.profile import load
from gdemoi.profiles.proofs import tried, unproved
from tests.profiles.builders import FORM, HEAD, LIBRARY, mine

ROOT = Path(__file__).resolve().parents[2]

ANSWER = "[[answer]]\nname = 'a'\nstate = 'ok'\nmatch = 'x'\n"


class FormatTests(SynchronousTestCase):
    def wrong(self, content: str) -> BadProfile:
        with self.assertRaises(BadProfile) as caught:
            load(content.encode(), "f.toml")
        self.assertEqual(caught.exception.file, "f.toml")
        self.assertTrue(str(caught.exception).startswith("f.toml: "))
        return caught.exception

    def test_a_small_one(self) -> None:
        """A form is enough."""
        self.assertEqual(mine().name, "mine")
        self.assertEqual(mine().read("GO now").verb, "GO")

    def test_what_is_wrong_has_its_key(self) -> None:
        """One row for each kind of mistake: the file, the key, the words."""
        whole = HEAD + FORM
        for content, key, what in (
            ("", "format", "is 1, not None"),
            ("x", "", "is not TOML"),
            (whole.replace("format = 1", "format = 2"), "format", "is 1, not 2"),
            (whole.replace("mine", "Mine!"), "name", "regex"),
            (whole.replace('"B"', '"D"'), "sure", "Invalid enum value"),
            (HEAD, "command", "missing required field"),
            (whole + "frm = 'x'\n", "command.frm", "unknown field"),
            (whole + "[sms]\nmax_units = -1\n", "sms.max_units", ">= 0"),
            (whole + "password = 'pw'\n", "command.password", "no group pw"),
            (whole + "[secrets]\ncommand = ['pw']\n", "secrets.command", "no group pw"),
            (
                whole + "[secrets.verbs]\nGO = ['pw']\n",
                "secrets.verbs.GO",
                "no group pw",
            ),
            (whole + "[secrets]\nanswer = ['x']\n", "secrets.answer[0]", "no group"),
            (whole + "[answers]\nwithin = 'soon'\n", "answers.within", "soon"),
            (
                whole + "[verbs.GO]\nanswer_within = '1x'\n",
                "verbs.GO.answer_within",
                "1x",
            ),
            (
                whole + "[verbs.GO.effect]\nsettle = 'x'\n",
                "verbs.GO.effect.settle",
                "x",
            ),
            (whole + ANSWER + ANSWER, "answer[1].name", "already"),
            (
                whole + ANSWER.replace("'x'", "'(?&id)'"),
                "answer[0].match",
                "no such group",
            ),
            (
                whole + "[[command.check]]\ncode='x'\nwhen='('\ntext='t'\n",
                "command.check[0].when",
                "no regular expression",
            ),
            (
                whole + "[[unsolicited]]\nname='x'\nmatch='(a+)+'\n",
                "unsolicited[0].match",
                "may not end",
            ),
            (
                whole.replace("(?P<args>.*)", "(a+)+"),
                "command.form",
                "may not end",
            ),
        ):
            with self.subTest(key):
                found = self.wrong(content)
                self.assertEqual(found.key, key)
                self.assertIn(what, found.what)

    def test_octets_that_are_no_text(self) -> None:
        """UTF-8, and not more than a profile can be."""
        for octets, what in ((b"\xff", "not UTF-8"), (b"#" * 200_001, "over 200000")):
            with self.assertRaises(BadProfile) as caught:
                read(octets, "f")
            self.assertIn(what, caught.exception.what)

    @given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    def test_any_octets_are_a_profile_or_one_known_error(self, octets: bytes) -> None:
        """Nothing else comes out of a file."""
        for content in (octets, (HEAD + FORM).encode() + octets):
            try:
                load(content, "f.toml")
            except BadProfile:
                continue


class DocumentTests(SynchronousTestCase):
    def test_the_one_in_the_document(self) -> None:
        """docs/trackers.rst, "A profile of your own": it loads, and is as it says."""
        text = (ROOT / "docs/trackers.rst").read_text("utf-8")
        _, _, rest = text.partition("a small one::\n\n")
        shown, _, _ = rest.partition("\n====")
        profile = load(textwrap.dedent(shown).encode(), "acme.toml")
        self.assertEqual(profile.name, "acme")
        self.assertEqual([str(one) for one in tried(profile, LIBRARY)], [])
        self.assertEqual(unproved(profile), [])
