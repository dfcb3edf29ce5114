"""The command that tries a channel's far side."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import Result
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.smpp.channel_probe import Advice, Probed
from tests.cli.fake_terminal import Terminal

INI = """
[smpp:carrier]
host = smsc1.example.org, smsc2.example.org
system_id = esme
password = secret

[textlocal:cloud]
api_key = abcdefgh
webhook_token = a-long-webhook-token
"""
GOOD = Probed(
    host="smsc1.example.org", port=2775, bind="transceiver", connect_ms=12.5,
    bound=True, bind_ms=30.0, round_trip_ms=11.5, smsc="SMSC",
    sc_interface_version=0x34,
)  # fmt: skip
REFUSED = Probed(
    host="smsc2.example.org", port=2775, bind="transceiver", connect_ms=12.5,
    command_status=0x0E, advice=(Advice("password", "the SMSC refuses it"),),
)  # fmt: skip
AWAY = Probed(
    host="smsc2.example.org", port=2775, bind="transceiver", problem="no route to host"
)


class ProbeTests(SynchronousTestCase):
    def probe(self, *found: Probed, words: tuple[str, ...] = ("carrier",)) -> Result:
        """Run the command; the far sides answer `found`."""
        file = Path(self.mktemp())
        file.write_text(INI)
        file.chmod(0o600)
        self.terminal = Terminal(found=[one.as_data() for one in found])
        return self.terminal.type("probe", *words, "--config", str(file))

    def test_all_is_well(self) -> None:
        """What was measured, in one line; and a word of warning."""
        result = self.probe(GOOD)
        self.assertEqual(result.exit_code, 0)
        for text in (
            "smsc1.example.org:2775",
            "connected in 12.5 ms",
            "esme as transceiver bound in 30 ms",
            "SMSC SMSC (SMPP 3.4)",
            "round trip 11.5 ms",
        ):
            self.assertIn(text, result.stdout)
        self.assertIn("one session per login refuses this probe", result.stderr)
        self.assertEqual(self.terminal.probed[0].system_id, "esme")

    def test_what_would_mend_it(self) -> None:
        """The status by its name, then each key and why; one bad host is status 1."""
        result = self.probe(GOOD, REFUSED)
        self.assertEqual(result.exit_code, 1)
        self.assertIn("refused: 0x0E ESME_RINVPASWD", result.stdout)
        self.assertIn("password  the SMSC refuses it", result.stdout)
        self.assertNotIn("secret", result.output)

    def test_nobody_there(self) -> None:
        """What the network said."""
        result = self.probe(AWAY)
        self.assertIn("no connection: no route to host", result.stdout)
        self.assertEqual(result.exit_code, 1)

    def test_oddities_are_told(self) -> None:
        """No answer to enquire_link, no name, no version."""
        odd = Probed(
            host="h", port=1, bind="receiver", connect_ms=1.0, bound=True, bind_ms=1.0
        )
        said = self.probe(odd).stdout
        self.assertIn("does not answer enquire_link", said)
        self.assertIn("without a name", said)
        silent = Probed(
            host="h", port=1, bind="receiver", connect_ms=1.0, problem="no answer"
        )
        said = self.probe(silent).stdout
        self.assertIn("bind of esme as receiver failed: no answer", said)

    def test_json(self) -> None:
        """The findings, and nothing else on stdout."""
        result = self.probe(REFUSED, words=("carrier", "--json"))
        (found,) = json.loads(result.stdout)
        self.assertEqual(found["command_status"], 0x0E)
        self.assertEqual(found["advice"][0]["key"], "password")

    def test_what_cannot_be_probed(self) -> None:
        """Unknown channels, other kinds, no file; nothing is tried."""
        for words, text in (
            (("carier",), "there is no channel carier; did you mean carrier?"),
            (("cloud",), "cloud is of kind textlocal; only smpp"),
        ):
            result = self.probe(words=words)
            self.assertEqual(result.exit_code, 2)
            self.assertIn(text, result.stderr)
            self.assertEqual(self.terminal.probed, [])
        for words, text in (
            (("probe", "a"), "--config FILE is missing"),
            (("probe", "a", "--config", "/nonexistent"), "No such file"),
        ):
            result = Terminal().type(*words)
            self.assertEqual(result.exit_code, 2)
            self.assertIn(text, result.stderr)
