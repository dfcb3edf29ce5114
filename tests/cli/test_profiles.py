"""``gdemoi-sms profiles``: a list, one of them, and the tests of a file."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cli import main
from gdemoi.profiles.library import built_in_names, built_in_octets


class ProfilesTests(SynchronousTestCase):
    def run_it(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["profiles", *words])

    def file(self, content: bytes) -> str:
        path = Path(self.mktemp())
        path.write_bytes(content)
        return str(path)

    def test_a_list(self) -> None:
        """Each with how sure it is."""
        answer = self.run_it()
        self.assertEqual(answer.exit_code, 0)
        for name in built_in_names():
            self.assertIn(name, answer.output)
        told = json.loads(self.run_it("--json").output)
        self.assertEqual({one["name"] for one in told}, built_in_names())

    def test_one_of_them(self) -> None:
        """Its form, its answers, its sources; an unknown one with a guess."""
        answer = self.run_it("show", "queclink")
        self.assertEqual(answer.exit_code, 0)
        self.assertIn("TRACGL300AN001", answer.output)
        self.assertIn("(?&serial)", answer.output)
        told = json.loads(self.run_it("show", "queclink", "--json").output)
        self.assertEqual(told["sms"]["max_units"], 160)
        answer = self.run_it("show", "teltonica")
        self.assertEqual(answer.exit_code, 1)
        self.assertIn("did you mean teltonika?", answer.output)

    def test_the_tests_of_a_good_file(self) -> None:
        """Exit status 0, with what was tried."""
        answer = self.run_it("test", self.file(built_in_octets("gt06")), "umka")
        self.assertEqual(answer.exit_code, 0)
        self.assertIn("good (7 examples, 4 answers)", answer.output)

    def test_an_example_that_is_not_as_it_says(self) -> None:
        """Exit status 1, the place, and what is found."""
        content = built_in_octets("gt06").replace(b'["tail"]', b'["form"]')
        file = self.file(content)
        answer = self.run_it("test", file)
        self.assertEqual(answer.exit_code, 1)
        self.assertIn(
            "example[4].findings: ['tail'] is found, ['form'] is expected",
            answer.output,
        )
        (told,) = json.loads(self.run_it("--json", "test", file).output)
        self.assertFalse(told["good"])
        self.assertEqual(told["wrong"][0]["key"], "example[4].findings")

    def test_an_answer_that_is_not_as_it_says(self) -> None:
        """Also what a text answers."""
        content = built_in_octets("gt06").replace(b'pattern = "cut"', b'pattern = "x"')
        answer = self.run_it("test", self.file(content))
        self.assertEqual(answer.exit_code, 1)
        self.assertIn("example[0].answer[0].pattern", answer.output)

    def test_a_pattern_that_may_not_end(self) -> None:
        """TR49: told with file and key, exit status 1."""
        content = built_in_octets("gt06").replace(b"'''OK!?'''", b"'''(OK+)+'''")
        file = self.file(content)
        answer = self.run_it("test", file)
        self.assertEqual(answer.exit_code, 1)
        self.assertIn(f"{file}: answer[3].match: may not end", answer.output)

    def test_a_pattern_without_an_example(self) -> None:
        """It is named, and hinders nothing."""
        content = built_in_octets("umka").split(b"[[example]]")[0]
        answer = self.run_it("test", self.file(content))
        self.assertEqual(answer.exit_code, 0)
        self.assertIn("no example fits answer ok", answer.output)

    def test_those_of_a_configuration(self) -> None:
        """With --config, before the word or in front of all."""
        folder = Path(self.mktemp())
        folder.mkdir()
        mine = built_in_octets("gt06").replace(b'name = "gt06"', b'name = "acme"')
        (folder / "acme.toml").write_bytes(mine)
        config = folder / "g.ini"
        config.write_text("[gateway]\n[trackers]\nprofiles = .\n")
        answer = self.run_it("--config", str(config), "show", "acme")
        self.assertEqual(answer.exit_code, 0, answer.output)
        words = ["--config", str(config), "profiles"]
        answer = CliRunner().invoke(main, words)
        self.assertIn("acme", answer.output)
        self.assertEqual(self.run_it("show", "acme").exit_code, 1)
        (folder / "bad.toml").write_bytes(b"x")
        answer = self.run_it("--config", str(config), "show", "acme")
        self.assertEqual(answer.exit_code, 1)
        self.assertIn("bad.toml", answer.output)

    def test_no_file(self) -> None:
        """Exit status 2."""
        self.assertEqual(self.run_it("test", "nowhere.toml").exit_code, 2)
