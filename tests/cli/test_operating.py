"""Commands about channels: traces, receipts that match nothing, the state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.fake_terminal import Terminal
from tests.http.gateway import Client, FakeGateway
from tests.http.test_operators import passed


class Watching(Terminal):
    def sleep(self, seconds: float) -> None:
        """Let something pass, thrice."""
        super().sleep(seconds)
        if len(self.slept) > 2:
            raise KeyboardInterrupt
        last = len(self.client.gateway.passed)
        self.client.gateway.passed.append(passed(last + 1))


def watching(*numbers: int) -> Watching:
    return Watching(Client(FakeGateway(passed=[passed(number) for number in numbers])))


class TraceTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """One line for each, with its arrow and its link; square brackets stay."""
        inward: dict[str, Any] = passed(2) | {"direction": "in", "line": "[bold]x"}
        terminal = Terminal(Client(FakeGateway(passed=[passed(1), inward])))
        result = terminal.type("trace", "smsc")
        first, second = result.stdout.splitlines()
        self.assertIn("→ transceiver EnquireLink(sequence_number=1)", first)
        self.assertIn("← transceiver [bold]x", second)
        self.assertIn("nothing passed", Terminal().type("trace", "smsc").stdout)

    def test_json(self) -> None:
        """The page as it came."""
        terminal = Terminal(Client(FakeGateway(passed=[passed(1)])))
        page = json.loads(terminal.type("trace", "smsc", "--json").stdout)
        self.assertEqual(page["records"], [passed(1)])

    def test_following(self) -> None:
        """Each is shown once, as it passes, until Ctrl-C."""
        terminal = watching(1)
        result = terminal.type("trace", "smsc", "-f", "--json")
        self.assertEqual(result.exit_code, 0)
        shown = [json.loads(line)["number"] for line in result.stdout.splitlines()]
        self.assertEqual(shown, [1, 2, 3])

    def test_a_capture_file(self) -> None:
        """It is written where it was asked for; - is stdout."""
        file = Path(self.mktemp())
        result = Terminal().type("trace", "smsc", "--pcap", str(file))
        self.assertEqual((result.exit_code, result.stdout), (0, ""))
        self.assertEqual(file.read_bytes(), b"\xd4\xc3\xb2\xa1")
        result = Terminal().type("trace", "smsc", "--pcap", "-")
        self.assertEqual(result.stdout_bytes, b"\xd4\xc3\xb2\xa1")

    def test_what_cannot_be(self) -> None:
        """A channel without a trace, an unwritable file, two wishes at once."""
        for words, exit_code, text in (
            (("office",), 1, "kind goip keep no trace"),
            (("nobody", "--pcap", "x"), 1, "there is no channel nobody"),
            (("smsc", "--pcap", "/nonexistent/x"), 2, "No such file or directory"),
            (("smsc", "--pcap", "x", "-f"), 2, "cannot follow"),
        ):
            result = Terminal().type("trace", *words)
            self.assertEqual(result.exit_code, exit_code, words)
            self.assertIn(text, result.stderr)


class WholeTests(SynchronousTestCase):
    def test_status_counts(self) -> None:
        """Messages by state, and receipts that match none."""
        gateway = FakeGateway(
            states={"delivered": 3, "uncertain": 1}, lost_receipts=[{}]
        )
        result = Terminal(Client(gateway)).type("status")
        for text in ("delivered 3", "uncertain 1", "1 receipts match no message"):
            self.assertIn(text, result.stdout)

    def test_status_tells_what_to_do(self) -> None:
        """About channels, binds and lines, each remedy once; nothing when well."""
        away = "Connection was refused by other side: 111: Connection refused."
        bind = {"name": "tx", "state": "paused", "reason": away}
        sim = {"name": "sim1", "state": "down", "reason": "no keepalive"}
        gateway = FakeGateway(
            described=[
                {"name": "a", "kind": "smpp", "state": "down", "reason": f"tx: {away}",
                 "binds": [bind]},
                {"name": "b", "kind": "goip", "state": "up", "lines": [sim]},
            ]
        )  # fmt: skip
        said = " ".join(Terminal(Client(gateway)).type("status").stdout.split())
        self.assertEqual(said.count("nothing listens there: look at host and port"), 1)
        self.assertIn("→ a, a/tx: nothing listens", said)
        self.assertIn("→ b/sim1: the device does not report", said)
        self.assertNotIn("→", Terminal().type("status").stdout)

    def test_status_without_a_journal(self) -> None:
        """The channels are shown all the same."""
        from gdemoi.errors import Unavailable

        terminal = Terminal(Client(FakeGateway(broken=Unavailable("disk is full"))))
        result = terminal.type("status")
        self.assertIn("not ready", result.stdout)
        self.assertIn("disk is full", result.stdout)
        self.assertIn("smsc", result.stdout)

    def test_unmatched(self) -> None:
        """A row for each, and how many are not shown."""
        receipt = {
            "received_at": "2026-11-21T03:00:00.000Z",
            "channel": "smsc",
            "account": "me@carrier",
            "provider_id": "0A1B",
            "state": "delivered",
            "about": "+79161234567",
            "error": None,
        }
        terminal = Terminal(Client(FakeGateway(lost_receipts=[receipt] * 3)))
        result = terminal.type("unmatched", "--limit", "2")
        self.assertEqual(result.stdout.count("0A1B"), 2)
        self.assertIn("and 1 older ones", result.stdout)
        result = terminal.type("unmatched", "--json")
        self.assertEqual(json.loads(result.stdout)["total"], 3)
        self.assertIn("found its message", Terminal().type("unmatched").stdout)


class ReloadTests(SynchronousTestCase):
    def test_what_has_changed(self) -> None:
        terminal = Terminal()
        result = terminal.type("reload")
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertEqual(
            result.stdout.splitlines(),
            [
                "the configuration has changed",
                "  [smpp:carrier] window = 50 (was 10)",
            ],
        )
        self.assertEqual(terminal.client.gateway.reloads, [False])

    def test_what_would_change(self) -> None:
        terminal = Terminal()
        result = terminal.type("reload", "--dry-run", "--json")
        self.assertEqual(json.loads(result.stdout)["status"], "would_change")
        self.assertEqual(terminal.client.gateway.reloads, [True])

    def test_a_refused_file_is_1(self) -> None:
        """With every complaint."""

        class Refusing(FakeGateway):
            async def reload(self, dry_run: bool) -> dict[str, Any]:
                complaint = "gateway.ini:3: [smpp:a] hots: is unknown here"
                return {
                    "status": "refused",
                    "changes": [],
                    "complaints": [complaint],
                    "warnings": [],
                }

        result = Terminal(Client(Refusing())).type("reload")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("is refused; the running configuration is kept", result.stdout)
        self.assertIn("gateway.ini:3: [smpp:a] hots: is unknown here", result.stdout)
