"""Nothing that came from outside gives a terminal orders."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cli import show
from gdemoi.cli.terminal import (
    PlainConsole,
    json_text,
    printable,
    printable_lines,
)
from gdemoi.contract.gateway import MessagePage, Search
from tests.cli.fake_terminal import Terminal
from tests.http.gateway import Client, FakeGateway

CLI = Path(__file__).parents[2] / "gdemoi" / "cli"
ESCAPE = "e\x1b[2J\r\x07\x9b31m\u202e\u2066\u2028\n"
SHOWN = r"e\x1b[2J\r\x07\x9b31m\u202e\u2066\u2028"
ORDERS = {*"\x1b\r\x07\x9b\u202e\u2066\u2028"}


class Foreign(FakeGateway):
    """A gateway that a carrier told nothing but orders for terminals."""

    async def story(self, message_id: str) -> dict[str, Any] | None:
        error = {"code": f"smpp:{ESCAPE}", "text": ESCAPE}
        return {
            **dict.fromkeys(("id", "to", "from", "channel", "account"), ESCAPE),
            "state": ESCAPE,
            "final": True,
            "error": error,
            "message": {"binary": ESCAPE},
            "events": [{"seq": 1, "state": ESCAPE, "at": ESCAPE, "error": error,
                        "provider_ids": [ESCAPE], "line": ESCAPE}],
            "attempts": [{"attempt": 1, "channel": ESCAPE, "at": ESCAPE,
                          "answered_at": ESCAPE, "provider_ids": [ESCAPE]}],
            "receipts": [{"at": ESCAPE, "provider_id": ESCAPE, "raw": ESCAPE,
                          "matched_by": ESCAPE + "x", "error": error}],
        }  # fmt: skip

    async def search(self, wanted: Search) -> MessagePage:
        names = ("id", "to", "from", "channel", "accepted_at", "state")
        return MessagePage([dict.fromkeys(names, ESCAPE)], ESCAPE)

    async def unmatched(self, limit: int) -> list[dict[str, Any]]:
        names = ("received_at", "channel", "account", "provider_id", "state", "about")
        return [dict.fromkeys(names, ESCAPE)]

    def channels(self) -> list[dict[str, Any]]:
        words = dict.fromkeys(("reason", "unable", "kind", "state"), ESCAPE)
        line = words | {"name": "L1", "operator": ESCAPE, "balance": ESCAPE}
        return [words | {"name": "c", "balance": ESCAPE, "lines": [line]}]

    def trace(self, channel: str, after: int) -> list[dict[str, Any]]:
        return [{"number": 1, "at": 0.0, "direction": "in", "link": ESCAPE,
                 "line": ESCAPE}]  # fmt: skip

    async def line_command(self, *_: Any) -> str:
        return ESCAPE


class CommandsTests(SynchronousTestCase):
    COMMANDS = (
        ("story", "a1"),
        ("list",),
        ("unmatched",),
        ("status",),
        ("status", "--all"),
        ("trace", "c"),
        ("line", "c/L1", "ussd", "*100#"),
    )

    def test_no_command_passes_orders_on(self) -> None:
        """A sender cleared the screen of whoever looked at it, an id coloured it."""
        for columns in (None, 80, 160):
            terminal = Terminal(Client(Foreign()), columns=columns)
            for words in self.COMMANDS:
                said = terminal.type(*words)
                self.assertEqual(said.exit_code, 0, said.output)
                self.assertFalse(ORDERS & set(said.output), (words, said.output))
                self.assertIn("x1b[2J", said.output.replace("\n", ""), words)

    def test_events(self) -> None:
        """Of messages, of inbound SMS, of channels and lines: one line each."""
        words = ("id", "state", "channel", "line", "reason", "name", "at")
        for more in (
            {"type": "status", "provider_ids": [ESCAPE], "error": {"text": ESCAPE}},
            {"type": "inbound", "from": ESCAPE, "from_raw": ESCAPE, "text": ESCAPE},
            {"type": "inbound", "to": ESCAPE, "binary": ESCAPE, "udh": ESCAPE},
            {"type": "channel"},
            {"type": ESCAPE},
        ):
            out = io.StringIO()
            console = PlainConsole(file=out, width=80)
            show.event(console, dict.fromkeys(words, ESCAPE) | more, whose=True)
            self.assertFalse(ORDERS & set(out.getvalue()), more)
            self.assertEqual(out.getvalue().count("\n"), 1, out.getvalue())

    def test_json_stays_json(self) -> None:
        """It says the same, and holds none of them either."""
        terminal = Terminal(Client(Foreign()))
        for words in self.COMMANDS:
            said = terminal.type("--json", *words)
            self.assertFalse(ORDERS & set(said.output), words)
            self.assertIn(ESCAPE, self._words(json.loads(said.output)), words)

    def _words(self, value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [word for one in value.values() for word in self._words(one)]
        if isinstance(value, list):
            return [word for one in value for word in self._words(one)]
        return [value]

    def test_what_a_command_complains_of(self) -> None:
        """The name of a file or a message, as it was typed."""
        terminal = Terminal()
        for words in (("story", ESCAPE), ("check", f"/{ESCAPE}"), ("trace", ESCAPE)):
            said = terminal.type(*words)
            self.assertNotEqual(said.exit_code, 0)
            self.assertFalse(ORDERS & set(said.output), (words, said.output))

    def test_no_command_has_another_way_out(self) -> None:
        """Rich's own texts and consoles pass controls on, so none is made."""
        for path in CLI.glob("*.py"):
            if path.name == "terminal.py":
                continue
            tree = ast.parse(path.read_text("utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom):
                    self.assertNotEqual(node.module, "rich.text", path)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    self.assertNotEqual(node.func.id, "Console", path)


class WordsTests(SynchronousTestCase):
    def test_words(self) -> None:
        """Escaped as Python does; letters of any alphabet stay."""
        self.assertEqual(printable(ESCAPE), SHOWN + r"\n")
        self.assertEqual(printable_lines(ESCAPE), SHOWN + "\n")
        self.assertEqual(printable("Двигатель 🚗 a\u0301"), "Двигатель 🚗 a\u0301")

    @given(st.text())
    def test_any_words(self, text: str) -> None:
        """What is escaped as JSON is read back as it was."""
        self.assertFalse(ORDERS & set(printable(text)))
        self.assertEqual(json.loads(json_text({"a": text})), {"a": text})
