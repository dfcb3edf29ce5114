"""READMEs and the pages for beginners do not lie.

Their files load, their documents and commands are there, their messages are taken.
"""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner
from docutils import nodes
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cli import main
from gdemoi.contract.envelope import Defaults, parse_many
from gdemoi.message import Outbound
from gdemoi.settings import examine
from tests.test_docs import tree

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.rst").read_text(encoding="utf-8")
PAGES = (
    "README.rst",
    "README.ru.rst",
    "docs/ru/first-hour.rst",
    "docs/troubleshooting.rst",
    "docs/security.rst",
)


class Shelf:
    """A page's ini block as the only file there is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, path: str) -> bytes:
        if path == "readme.ini":
            return self.text.encode()
        if path.startswith("/etc/gdemoi/secrets/"):
            return b"secret\n"
        raise FileNotFoundError(2, "No such file or directory")

    def expand(self, pattern: str, beside: str) -> list[str]:
        return []

    def resolve(self, path: str, beside: str) -> str:
        return path

    def world_readable(self, path: str) -> bool:
        return False

    def variable(self, name: str) -> str | None:
        return "secret" if name.startswith(("GDEMOI_", "GOIP1_")) else None


def ini_blocks(page: str) -> list[str]:
    """Return what stands under `code-block:: ini`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"code-block:: ini\n\n((?:    .*\n|\n)+)", text)
    return [textwrap.dedent(block) for block in found]


def command_lines(page: str) -> Iterator[list[str]]:
    """Yield the words of each `gdemoi-sms …` in a block or within a sentence."""
    whole = tree(ROOT / page)
    for node in whole.findall(nodes.Element):
        if isinstance(node, nodes.literal_block | nodes.literal):
            for line in node.astext().splitlines():
                if line.startswith("gdemoi-sms "):
                    yield shlex.split(line)[1:]


def parsed(command: click.Command, name: str, words: list[str]) -> None:
    """Let click read a command line as it would to run it; raises UsageError."""
    if isinstance(command, click.Group) and words:
        context = command.make_context(name, list(words))
        word = context._protected_args[0] if context._protected_args else ""
        inner = command.get_command(context, word)
        if inner is None:
            raise click.UsageError(f"no command {word!r}")
        parsed(inner, word, [*context.args])
    elif not isinstance(command, click.Group):
        command.make_context(name, list(words))


class PageTests(SynchronousTestCase):
    def test_ini_blocks_are_good(self) -> None:
        """Each has no complaint, not even a warning; a part may lack channels."""
        count = 0
        for page in PAGES:
            for text in ini_blocks(page):
                _, complaints = examine("readme.ini", sources=Shelf(text))
                told = [str(c) for c in complaints if "no channel" not in c.what]
                self.assertEqual(told, [], page)
                count += 1
        self.assertGreater(count, 4)

    def test_command_lines_are_read(self) -> None:
        """Each command, option and argument is one that the command line takes."""
        wrong, count = [], 0
        for page in PAGES:
            for words in command_lines(page):
                count += 1
                try:
                    parsed(main, "gdemoi-sms", words)
                except click.UsageError as error:
                    wrong.append(f"{page}: {shlex.join(words)}: {error.message}")
        self.assertEqual("\n".join(wrong), "")
        self.assertGreater(count, 40, "nothing was found: is the search broken?")

    def test_messages_are_taken(self) -> None:
        """The JSON that is posted is that of a message, spaces and all."""
        count = 0
        for page in PAGES:
            text = (ROOT / page).read_text(encoding="utf-8")
            for body in re.findall(r"-d '(\{.*?\})'", text, re.S):
                (message,) = parse_many(
                    body.encode(), defaults=Defaults("RU", 7200.0), now=0.0
                )
                assert isinstance(message, Outbound), message
                self.assertEqual(message.text, json.loads(body)["text"])
                count += 1
        self.assertEqual(count, 3)

    def test_the_first_hour_is_run(self) -> None:
        """Its file passes `check`, and `explain` and `keys` do what it says."""
        folder = Path(self.mktemp())
        folder.mkdir()
        secret, file = folder / "carrier", folder / "gdemoi.ini"
        secret.write_text("secret\n")
        secret.chmod(0o600)
        text = ini_blocks("docs/ru/first-hour.rst")[0]
        text = text.replace("/etc/gdemoi/secrets/carrier", str(secret.resolve()))
        file.write_text(text.replace("/var/lib/gdemoi", str(folder.resolve())))
        ran = []
        for words in command_lines("docs/ru/first-hour.rst"):
            if {"check", "explain", "keys"} & set(words):
                line = [str(file) if "gdemoi.ini" in word else word for word in words]
                result = CliRunner().invoke(main, line)
                self.assertEqual(result.exit_code, 0, result.output)
                ran.append(words[0])
        self.assertEqual(ran, ["keys", "keys", "check", "--config"])


class ReadmeTests(SynchronousTestCase):
    def test_its_configuration_is_good(self) -> None:
        """The block under `code-block:: ini` has no complaint, not even a warning."""
        (text,) = ini_blocks("README.rst")
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
