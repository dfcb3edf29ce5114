"""Commands on a configuration file."""

from __future__ import annotations

import json
import socket
from io import StringIO
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from rich.console import Console
from twisted.trial.unittest import SynchronousTestCase

import gdemoi.cli.configured as configured
import gdemoi.settings
from gdemoi.cli.show_configured import explanation
from gdemoi.errors import ConfigurationError
from gdemoi.ini import key, secret, text
from gdemoi.interfaces import ChannelKind
from gdemoi.message import Error, Outbound, Refused
from gdemoi.smpp.pdu.pdus import SubmitSm, encode
from tests.cli.fake_terminal import Terminal

SEGMENT = {"user_data": "78", "units": 1}


@frozen(kw_only=True)
class PigeonSettings:
    """Pigeons.

    They carry ASCII.
    """

    loft: str = key(text, doc="where they live", example="the roof")
    password: str | None = key(secret, default=None, doc="what they coo")


@frozen(kw_only=True)
class RingSettings:
    """A pigeon's ring."""

    channel: str = key(text, doc="its loft")


@frozen
class Ready:
    message: Outbound
    segments: int = 1
    sender: str | None = "DOVE"
    charset: str = "latin1"
    data_coding: int | None = 3

    def user_data(self) -> list[tuple[str, int]]:
        octets = (self.message.text or "").encode("latin-1")
        return [(octets.hex(), len(octets))]

    def wire(self) -> list[list[str]]:
        return [[f"COO {self.message.to} {self.message.text}"]]


@frozen
class Pigeons:
    """Carries Latin-1 only; the rest of a channel is not asked of it."""

    name: str
    surroundings: Any

    def prepare(self, message: Outbound) -> Ready | Refused:
        try:
            (message.text or "").encode("latin-1")
        except UnicodeEncodeError:
            return Refused(error=Error("gateway:unencodable", "pigeons coo Latin-1"))
        return Ready(message)


def make(name: str, settings: Any, parts: Any, surroundings: Any) -> Pigeons:
    return Pigeons(name, surroundings)


KINDS = (
    ChannelKind(
        "pigeon", PigeonSettings, make, ("dove",), {"pigeon-ring": RingSettings}
    ),
)
GOOD = """\
[gateway]
home_country = RU
[pigeon:roof]
loft = the roof
[route:orders]
class = command
channels = roof
[route:rest]
channels = roof
"""


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(gdemoi.settings, "known_kinds", lambda: KINDS)
        self.patch(configured, "known_kinds", lambda: KINDS)
        self.file = Path(self.mktemp())
        self.terminal = Terminal()

    def write(self, content: str) -> str:
        self.file.write_text(content)
        self.file.chmod(0o600)
        return str(self.file)


class CheckTests(FileTests):
    def test_good(self) -> None:
        """A good file is 0, and says what is in it."""
        result = self.terminal.type("check", self.write(GOOD))
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("good (1 channels, 2 routes)", result.output)

    def test_complaints(self) -> None:
        """Every complaint on a line of its own, with its place: 1."""
        file = self.write("[pigeon:a]\nlof = x\n[rute:b]\n")
        result = self.terminal.type("check", file)
        self.assertEqual(result.exit_code, 1)
        self.assertEqual(
            result.output.splitlines(),
            [
                f"{file}:2: [pigeon:a] lof: is unknown here; did you mean loft?",
                f"{file}:3: [rute:b]: is an unknown section; did you mean route?",
            ],
        )

    def test_warnings_are_good(self) -> None:
        """A file with warnings only is 0, and the warnings are told."""
        self.write(GOOD + "[pigeon:b]\nloft = x\npassword = coo\n")
        self.file.chmod(0o644)
        result = self.terminal.type("check", str(self.file))
        self.assertEqual(result.exit_code, 0)
        self.assertIn("warning: a secret in a file", result.output)
        self.assertNotIn("= coo", result.output)

    def test_what_the_machine_says(self) -> None:
        """A port in use is a warning: the gateway itself may have it."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            http = f"[http]\nlisten = tcp:{port}:interface=127.0.0.1\n"
            result = self.terminal.type("check", self.write(GOOD + http))
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn(f":11: [http] listen: warning: 127.0.0.1:{port}", result.output)
        self.assertIn("good (1 channels, 2 routes)", result.output)

    def test_a_channel_that_cannot_be_made(self) -> None:
        """What comes out when it is made is a complaint as any other: 1."""

        def refuse(*_: Any) -> None:
            raise ConfigurationError("[pigeon:roof] private_key: no such file")

        kinds = (evolve(KINDS[0], make=refuse),)
        self.patch(gdemoi.settings, "known_kinds", lambda: kinds)
        file = self.write(GOOD)
        result = self.terminal.type("check", file)
        self.assertEqual(result.exit_code, 1)
        line = f"{file}:3: [pigeon:roof] private_key: no such file"
        self.assertEqual(result.output.splitlines(), [line])

    def test_unreadable(self) -> None:
        """No such file is 2."""
        result = self.terminal.type("check", "/no/such.ini")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("/no/such.ini: No such file", result.output)

    def test_as_json(self) -> None:
        """--json has the parts of each complaint."""
        result = self.terminal.type(
            "check", "--json", self.write("[pigeon:a]\nlof=x\n")
        )
        (one,) = json.loads(result.output)
        self.assertEqual(
            (one["line"], one["section"], one["key"], one["hint"], one["warning"]),
            (2, "pigeon:a", "lof", "loft", False),
        )


class KeysTests(FileTests):
    def test_all(self) -> None:
        """Every section is there: the gateway's own, the kinds', their parts'."""
        result = self.terminal.type("keys")
        labels = ("gateway", "http", "amqp", "amqp-map:NAME", "route:NAME")
        for label in (*labels, "pigeon:NAME", "pigeon-ring:NAME"):
            self.assertIn(f"[{label}]", result.output)

    def test_one_kind_with_its_parts(self) -> None:
        """A kind, or its alias, with docs, defaults and examples."""
        for word in ("pigeon", "dove"):
            result = self.terminal.type("keys", word)
            self.assertEqual(result.exit_code, 0, result.output)
            for words in (
                "They carry ASCII.",
                "required",
                "loft = the roof",
                "its loft",
            ):
                self.assertIn(words, result.output)
            self.assertNotIn("[gateway]", result.output)

    def test_an_unknown_kind(self) -> None:
        """A slip is hinted."""
        result = self.terminal.type("keys", "pidgeon")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("did you mean pigeon?", result.output)

    def test_as_json(self) -> None:
        """--json is the reference for machines."""
        found = json.loads(self.terminal.type("keys", "pigeon", "--json").output)
        self.assertEqual(found["pigeon"][0]["name"], "loft")
        self.assertTrue(found["pigeon"][0]["required"])
        self.assertTrue(found["pigeon"][1]["secret"])


class ExplainTests(FileTests):
    def explain(self, *words: str) -> Any:
        return self.terminal.type(
            "explain", "--config", self.write(GOOD), "--to", "89161234567", *words
        )

    def test_the_way_and_the_bytes(self) -> None:
        """Rules, channel, encoding and what would leave."""
        result = self.explain("--text", " [b]x ", "--class", "command")
        self.assertEqual(result.exit_code, 0, result.output)
        for words in (
            "+79161234567",
            "✓ route orders",
            "✗ route rest",
            "✓ channel roof",
            "latin1",
            "0x03",
            "205b625d7820",
            "COO +79161234567  [b]x ",
        ):
            self.assertIn(words, result.output)

    def test_addresses_of_a_submit_sm(self) -> None:
        """TON and NPI are shown in words where the bytes are a submit_sm's."""
        pdu = SubmitSm(
            sequence_number=1,
            source_addr_ton=5,
            source_addr="DOVE",
            dest_addr_ton=1,
            dest_addr_npi=1,
            destination_addr="79161234567",
        )
        octets = encode(pdu).hex()
        for wire, shown in (
            (octets, "source 5/0, destination 1/1"),
            (octets[:-2], ""),
            ("beef", ""),
            ("COO +79161234567 x", ""),
        ):
            console = Console(file=StringIO(), width=80)
            explanation(console, {"segments": [{**SEGMENT, "wire": [wire]}]})
            said = console.file.getvalue()  # type: ignore[attr-defined]
            self.assertEqual("TON/NPI" in said, bool(shown), wire)
            self.assertIn(shown, said)

    def test_as_json(self) -> None:
        """The shape of docs/http.rst, "Messages"."""
        reported = json.loads(self.explain("--text", "x", "--json").output)
        self.assertEqual(
            set(reported),
            {"to", "country", "route", "rules", "channels", "sender", "charset",
             "data_coding", "segments", "error"},
        )  # fmt: skip
        self.assertEqual((reported["route"], reported["country"]), ("rest", "RU"))
        self.assertEqual(
            reported["segments"],
            [{"user_data": "78", "units": 1, "wire": ["COO +79161234567 x"]}],
        )

    def test_what_no_channel_can_carry(self) -> None:
        """The reason is told, and the exit is 1."""
        result = self.explain("--text", "привет", "--json")
        self.assertEqual(result.exit_code, 1)
        self.assertEqual(
            json.loads(result.output)["error"]["code"], "gateway:unencodable"
        )

    def test_one_reason_of_many_channels(self) -> None:
        """It is told once, with all their names, and with what can be done."""
        many = "".join(f"[pigeon:p{n}]\nloft = roof\n" for n in range(10))
        names = [f"p{n}" for n in range(10)]
        file = self.write(many + f"[route:all]\nchannels = {', '.join(names)}\n")
        result = self.terminal.type(
            *("explain", "--config", file, "--to", "+79161234567"),
            *("--text", "привет"),
        )
        self.assertEqual(result.exit_code, 1)
        self.assertIn(f"✗ channels {', '.join(names)}  ", result.output)
        why = "pigeons coo Latin-1"
        self.assertEqual(result.output.count(why), 2, "once for all, once as the end")
        self.assertIn("→ --charset auto or ucs2", result.output)

    def test_each_refusal_has_a_remedy(self) -> None:
        """What the gateway itself says no with comes with what can be done."""
        for code in (
            *("unencodable", "sender_not_allowed", "no_route", "bad_number"),
            *("too_long", "unsupported", "provider_alters_text"),
        ):
            console = Console(file=StringIO(), width=80)
            error = {"code": f"gateway:{code}", "text": "no"}
            explanation(console, {"error": error})
            said = console.file.getvalue()  # type: ignore[attr-defined]
            self.assertIn("→ ", said, code)

    def test_a_message_that_is_none(self) -> None:
        """A bad number is explained in the same shape."""
        result = self.terminal.type(
            "--json",
            "--config",
            self.write(GOOD),
            "explain",
            "--to",
            "x",
            "--text",
            "x",
        )
        self.assertEqual(result.exit_code, 1)
        reported = json.loads(result.output)
        self.assertEqual(reported["error"]["code"], "gateway:bad_number")
        self.assertEqual((reported["to"], reported["segments"]), ("x", []))

    def test_a_bad_configuration(self) -> None:
        """Its complaints are told instead."""
        result = self.terminal.type(
            "explain",
            "--config",
            self.write("[pigeon:a]\n"),
            "--to",
            "1",
            "--text",
            "x",
        )
        self.assertEqual(result.exit_code, 1)
        self.assertIn("loft: is required and missing", result.output)
