"""``gdemoi-sms trackers``, and what other commands say of profiles."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cli import main
from gdemoi.cli.show import taken
from gdemoi.cli.terminal import terminal
from gdemoi.message import Finding, Tracker
from tests.cli.fake_terminal import Terminal
from tests.http.gateway import Client, FakeGateway

T = "+79161234567"
CONFIG = """\
[gateway]
home_country = RU
[smpp:carrier]
host = 127.0.0.1
port = 2775
system_id = s
password = env:HOME
allowed_sender = *
{more}"""


class TrackersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.gateway = FakeGateway()
        self.gateway.defaults = type(self.gateway.defaults)("RU", profiles=("gt06",))
        self.terminal = Terminal(client=Client(self.gateway))

    def test_set_shown_listed_and_forgotten(self) -> None:
        """One after the other, as an operator does."""
        run = self.terminal.type
        self.assertIn("nothing is set", run("trackers", "list").output)
        answer = run("trackers", "set", "89161234567", "--profile", "gt06", "--strict")
        self.assertEqual(
            (answer.exit_code, answer.output), (0, f"{T} gt06  strict yes\n")
        )
        self.assertIn("gt06", run("trackers", "show", T).output)
        self.assertIn(T, run("trackers", "list").output)
        told = json.loads(run("--json", "trackers", "list").output)
        self.assertEqual(told["trackers"][0]["strict"], True)
        run("trackers", "set", T, "--none")
        self.assertIn("no profile", run("trackers", "show", T).output)
        self.assertEqual(run("trackers", "forget", T).exit_code, 0)
        self.assertEqual(run("trackers", "show", T).exit_code, 1)

    def test_wrong_use(self) -> None:
        """Either a profile or none; one that there is; a number."""
        run = self.terminal.type
        self.assertEqual(run("trackers", "set", T).exit_code, 2)
        answer = run("trackers", "set", T, "--none", "--profile", "x")
        self.assertEqual(answer.exit_code, 2)
        self.assertEqual(run("trackers", "set", T, "--profile", "x").exit_code, 1)
        self.assertEqual(run("trackers", "show", "hello").exit_code, 1)

    def test_a_command_with_its_profile(self) -> None:
        """``send --profile`` asks for it; one that there is not is refused."""
        words = ("send", "--to", T, "--text", "RELAY,1#", "--class", "command")
        answer = self.terminal.type(*words, "--id", "c", "--profile", "gt06")
        self.assertEqual(answer.exit_code, 0, answer.output)
        self.assertEqual(self.gateway.taken["c"][0].tracker, Tracker("gt06"))
        answer = self.terminal.type(*words, "--profile", "gt07")
        self.assertEqual(answer.exit_code, 1)
        self.assertIn("there is no profile gt07", answer.output)

    def test_findings_are_shown(self) -> None:
        """Below the answer, and in the story."""
        odd = Finding("tail", "the closing # is missing")
        answer = {"id": "c", "state": "accepted", "findings": [{"code": "tail",
                  "text": odd.text}]}  # fmt: skip
        console = terminal()
        with console.capture() as shown:
            taken(console, answer)
        self.assertIn("! tail  the closing # is missing", shown.get())

    def test_people_see_masked_events(self) -> None:
        """Programs (--json) see them whole."""
        event = {"type": "inbound", "from": T, "to": None, "text": "secret"}
        self.gateway.tell(json.dumps(event))
        shown = self.terminal.type("events", "--after", "0").output
        self.assertIn("***", shown)
        self.assertNotIn("secret", shown)
        whole = self.terminal.type("events", "--after", "0", "--json").output
        self.assertIn("secret", whole)


class ExplainTests(SynchronousTestCase):
    """What a file alone says; the octets are those of the SMPP encoder."""

    def explain(self, text: str, *words: str, more: str = "") -> dict:
        path = Path(self.mktemp())
        path.write_text(CONFIG.format(more=more))
        line = ["explain", "--config", str(path), "--json", "--to", T, "--text", text]
        line += ["--class", "command", *words]
        return json.loads(CliRunner(env={"HOME": "pw"}).invoke(main, line).output)

    def octets(self, text: str, *words: str) -> str:
        (segment,) = self.explain(text, *words)["segments"]
        return str(segment["user_data"])

    def test_two_blanks_leave(self) -> None:
        """TR1: 20 20 first."""
        found = self.octets("  getinfo", "--profile", "teltonika")
        self.assertEqual(found, "2020676574696e666f")

    def test_a_dollar(self) -> None:
        """TR6: 02 in the GSM alphabet, 24 in Latin-1."""
        command = "AT+GTGLM=gl300,1,000D$"
        words = ("--profile", "queclink", "--charset")
        self.assertTrue(self.octets(command, *words, "gsm8").endswith("4402"))
        self.assertTrue(self.octets(command, *words, "latin1").endswith("4424"))

    def test_underscore_and_at(self) -> None:
        """TR7: 11 and 00, and nothing is cut behind the 00."""
        found = self.octets("  setparam 2004:a_b@c", "--profile", "teltonika")
        self.assertTrue(found.endswith("6111620063"), found)

    def test_brackets(self) -> None:
        """TR8: five units for three letters."""
        (segment,) = self.explain("[x]")["segments"]
        self.assertEqual(segment["units"], 5)

    def test_the_last_blank_leaves(self) -> None:
        """TR11: it is a value."""
        found = self.octets("123456*SETP*#2= , , ", "--profile", "arnavi")
        self.assertTrue(found.endswith("2c20"), found)

    def test_a_line_feed_stays_one_octet(self) -> None:
        """TR18: 0A, and no CR."""
        text = "#6666#APN,internet#\n#6666#SERVER,host,50100,TCP#"
        found = bytes.fromhex(self.octets(text))
        self.assertEqual((found.count(0x0A), found.count(0x0D)), (1, 0))

    def test_neither_word_is_there(self) -> None:
        """TR4: not in clear, not in hexadecimal; the length is the same."""
        told = self.explain("login pass getinfo", "--profile", "teltonika")
        octets = json.dumps(told)
        for word in ("login", "pass"):
            self.assertNotIn(word, octets)
            self.assertNotIn(word.encode().hex(), octets)
        self.assertEqual(told["segments"][0]["units"], 18)
        self.assertEqual(told["tracker"]["by"], "message")

    def test_by_a_section(self) -> None:
        """A strict one makes it an error, exit status 1."""
        section = "[tracker:vans]\nprofile = gt06\nto = +7916*\nstrict = yes\n"
        told = self.explain("RELAY,1", more=section)
        self.assertEqual(told["tracker"]["refused"], "tail")
        self.assertEqual(told["error"]["code"], "gateway:tracker_check")
        told = self.explain("RELAY,1#", more=section)
        self.assertIsNone(told["error"])

    def test_for_people(self) -> None:
        """The profile, how sure it is, and each finding."""
        path = Path(self.mktemp())
        path.write_text(CONFIG.format(more="[tracker:vans]\nprofile = gt06\n"))
        line = ["explain", "--config", str(path), "--to", T, "--text", "RELAY,1"]
        answer = CliRunner(env={"HOME": "pw"}).invoke(
            main, [*line, "--class", "command"]
        )
        self.assertIn("profile gt06  sure B, by section vans", answer.output)
        self.assertIn("tail  the closing # is missing", answer.output)


class SenderTests(SynchronousTestCase):
    """``trackers sender``: the way that a tracker knows."""

    NUMBER = "+79161234567"

    def test_shown_set_and_forgotten(self) -> None:
        """For each account by itself."""
        gateway = FakeGateway()
        terminal = Terminal(Client(gateway))
        command = ("trackers", "sender", self.NUMBER)
        self.assertEqual(terminal.type(*command).exit_code, 1)
        set_ = (*command, "--account", "fleet", "--set", "smsc", "--from", "MINE")
        result = terminal.type(*set_)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn(f"{self.NUMBER} by smsc  MINE", result.output)
        self.assertIn("set ", result.output)
        self.assertEqual(terminal.type(*command).exit_code, 1)
        result = terminal.type(*command, "--account", "fleet", "--json")
        self.assertEqual(json.loads(result.output)["sender"], "MINE")
        result = terminal.type(*command, "--account", "fleet", "--forget")
        self.assertIn("no way to", result.output)
        self.assertEqual(gateway.ways, {})

    def test_wrong_use(self) -> None:
        """A channel that there is not, and words that exclude one another."""
        terminal = Terminal(Client(FakeGateway()))
        command = ("trackers", "sender", self.NUMBER)
        result = terminal.type(*command, "--set", "nowhere")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("nowhere", result.output)
        for wrong in (("--set", "smsc", "--forget"), ("--from", "MINE")):
            self.assertEqual(terminal.type(*command, *wrong).exit_code, 2)
