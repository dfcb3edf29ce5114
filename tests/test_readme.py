"""The README does not lie: its file loads, its documents and commands are there."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cli import main
from gdemoi.settings import examine

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.rst").read_text(encoding="utf-8")


class Shelf:
    """The README's ini block as the only file there is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, path: str) -> bytes:
        if path == "readme.ini":
            return self.text.encode()
        if path.endswith("secrets/mensatek"):
            return b"secret\n"
        raise FileNotFoundError(2, "No such file or directory")

    def expand(self, pattern: str, beside: str) -> list[str]:
        return []

    def resolve(self, path: str, beside: str) -> str:
        return path

    def world_readable(self, path: str) -> bool:
        return False

    def variable(self, name: str) -> str | None:
        return None


class ReadmeTests(SynchronousTestCase):
    def test_its_configuration_is_good(self) -> None:
        """The block under `code-block:: ini` has no complaint, not even a warning."""
        block = re.search(r"code-block:: ini\n\n((?:    .*\n|\n)+)", README)
        assert block is not None
        text = textwrap.dedent(block[1])
        configuration, complaints = examine("readme.ini", sources=Shelf(text))
        self.assertEqual([str(one) for one in complaints], [])
        assert configuration is not None
        self.assertEqual([c.name for c in configuration.channels], ["mensatek"])

    def test_its_documents_are_there(self) -> None:
        """Each file that it names exists."""
        for name in set(re.findall(r"``((?:docs|etc|gdemoi)/[\w./]+)``", README)):
            self.assertTrue((ROOT / name).exists(), name)

    def test_its_commands_are_there(self) -> None:
        """Each command that it names has a help text."""
        words = "check keys explain send story list events status pause resume cancel"
        for word in [*words.split(), "line", "trace", "probe"]:
            self.assertIn(word, README)
            result = CliRunner().invoke(main, [word, "--help"])
            self.assertEqual(result.exit_code, 0, word)
