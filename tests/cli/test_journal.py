"""backup, restore and journal, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.facts import Acceptance
from gdemoi.journal import Journal
from gdemoi.message import Outbound
from tests.cli.fake_terminal import Terminal

NOW = 1_795_000_000.0


class JournalTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        self.folder = folder
        self.config = folder / "gateway.ini"
        self.config.write_text("[gateway]\nname = a\njournal = sqlite:///j.sqlite\n")
        self.terminal = Terminal()
        clock = Clock()
        clock.rightNow = NOW
        journal = Journal(f"sqlite:///{folder}/j.sqlite", clock, inline=True)
        self.successResultOf(journal.open())
        message = Outbound(
            id="m1", to="+79161234567", text="x", accepted_at=NOW, expires_at=NOW + 60
        )
        self.successResultOf(journal.accept([Acceptance(message, b"m1", "a")]))
        self.successResultOf(journal.close())

    def type(self, *words: str) -> tuple[int, str]:
        result = self.terminal.type(*words, "--config", str(self.config))
        return result.exit_code, result.output

    def test_backup_and_restore(self) -> None:
        copy = str(self.folder / "copy")
        code, said = self.type("backup", copy)
        self.assertEqual((code, said.split(",")[0]), (0, f"{copy}: 1 messages"))
        code, said = self.type("backup", copy)
        self.assertEqual(code, 1)
        self.assertIn("exists; nothing is overwritten", said)
        code, said = self.type("restore", copy)
        self.assertEqual(code, 0, said)
        self.assertNotIn("--accept-loss", said)

    def test_a_copy_that_lacks_something(self) -> None:
        copy = str(self.folder / "copy")
        self.type("backup", copy)
        mark = self.folder / "j.sqlite.mark"
        from gdemoi.journal.high_water_mark import HighWaterMark

        mark.write_bytes(HighWaterMark(9, 9).encode())
        code, said = self.type("restore", copy)
        self.assertEqual(code, 0, said)
        self.assertIn("--accept-loss", said)

    def test_info(self) -> None:
        code, said = self.type("journal", "info")
        self.assertEqual(code, 0, said)
        self.assertIn("accepted     1", said)
        code, said = self.type("journal", "info", "--json")
        self.assertEqual(json.loads(said)["states"], {"accepted": 1})

    def test_export(self) -> None:
        file = self.folder / "stories.jsonl"
        code, said = self.type("journal", "export", "--output", str(file))
        self.assertEqual(code, 0, said)
        [line] = file.read_text().splitlines()
        self.assertEqual(json.loads(line)["id"], "m1")
        code, said = self.type("journal", "export", "--since", "yesterday")
        self.assertEqual(code, 2)

    def test_vacuum_and_upgrade(self) -> None:
        self.assertEqual(self.type("journal", "vacuum")[0], 0)
        for more in ((), ("--dry-run",)):
            code, said = self.type("journal", "upgrade", *more)
            self.assertEqual(code, 0, said)
            self.assertIn("nothing to do", said)

    def test_without_a_configuration(self) -> None:
        result = self.terminal.type("backup", "x")
        self.assertEqual(result.exit_code, 2)

    def test_a_journal_that_is_not_there(self) -> None:
        self.config.write_text("[gateway]\nname = a\njournal = sqlite:///none.sqlite\n")
        for words in (("backup", "x"), ("journal", "info"), ("journal", "vacuum")):
            code, said = self.type(*words)
            self.assertEqual(code, 1, said)
            self.assertIn("there is no journal at", said)
