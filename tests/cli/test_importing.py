"""`gdemoi-sms import`: files in, an ini file out, what goes wrong on the way."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from click.testing import CliRunner, Result
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cli import main
from tests.importing.test_importing import GOLDEN


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


class ImportTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.output = self.folder / "out.ini"

    def test_what_it_writes_passes_check(self) -> None:
        """`import --output`, then `check`: good, for each form; only we may read it."""
        for name in ("kannel.conf", "jasmin.txt", "gates.json"):
            with self.subTest(name):
                self.output.unlink(missing_ok=True)
                done = run("import", GOLDEN / name, "--output", self.output)
                self.assertEqual(done.exit_code, 0, done.output)
                self.assertEqual(stat.S_IMODE(self.output.stat().st_mode), 0o600)
                checked = run("check", self.output)
                self.assertEqual(checked.exit_code, 0, checked.output)
                self.assertNotIn("warning", checked.output)

    def test_without_output_it_prints(self) -> None:
        """The file goes to stdout, and nothing else does."""
        done = run("import", GOLDEN / "jasmin.txt", "--from", "jasmin")
        self.assertEqual(done.exit_code, 0)
        self.assertTrue(done.stdout.startswith("# Imported from "))
        self.assertTrue(done.stdout.endswith("channels = Demo\n"))

    def test_as_json(self) -> None:
        """The file within JSON, where it was written, or complaints as `check` has."""
        done = run("--json", "import", GOLDEN / "jasmin.txt")
        self.assertIn("[smpp:Demo]", json.loads(done.stdout)["ini"])
        done = run("import", GOLDEN / "jasmin.txt", "--json", "--output", self.output)
        self.assertEqual(json.loads(done.stdout), {"output": str(self.output)})
        bad = self.folder / "kannel.conf"
        bad.write_text("group = smsc\nport\n")
        done = run("import", bad, "--json")
        self.assertEqual(done.exit_code, 1)
        (complaint,) = json.loads(done.stdout)
        self.assertEqual((complaint["file"], complaint["line"]), (str(bad), 2))

    def test_it_never_overwrites(self) -> None:
        """A file that is there stays what it is."""
        self.output.write_text("mine")
        done = run("import", GOLDEN / "jasmin.txt", "--output", self.output)
        self.assertEqual(done.exit_code, 2)
        self.assertIn("is there already", done.output)
        self.assertEqual(self.output.read_text(), "mine")

    def test_faults(self) -> None:
        """Bad input is 1 with its line and writes nothing, an absent file is 2."""
        bad = self.folder / "kannel.conf"
        bad.write_text("group = smsc\nport\n")
        done = run("import", bad, "--output", self.output)
        self.assertEqual(done.exit_code, 1)
        self.assertIn(f"{bad}:2: 'port': expected a line like", done.output)
        self.assertFalse(self.output.exists())
        for words in (
            ("import", self.folder / "gone"),
            ("import", GOLDEN / "jasmin.txt", "--output", self.folder / "no" / "o"),
            ("import", self.folder),
        ):
            done = run(*words)
            self.assertEqual(done.exit_code, 2, done.output)
            self.assertNotIn("Traceback", done.output)
