"""The sample configuration cannot lie: it is loaded, and names every key."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cli.configured import sections
from gdemoi.ini import parse, reference
from gdemoi.profiles.library import built_in_octets
from gdemoi.settings import Disk, examine
from tests.ini.sources import Memory
from tests.smpp.test_tls import CERTIFICATE, KEY

SAMPLE = Path(__file__).parent.parent / "etc" / "gdemoi.ini"
SWITCHED_OFF = re.compile(r"^#(?=\[|[a-z_0-9]+(\.\w+)? = )", re.MULTILINE)


# Lines of the sample that exclude each other.
EXCLUSIVE = (
    "either text or binary is to be mapped",
    "an SQLite journal has no password",
    "there is a get_url already",
)


class Anything(Memory):
    """Every variable and every secret file is there."""

    def read(self, path: str) -> bytes:
        # as long as an SMPP password may be
        other = CERTIFICATE + KEY if path.endswith(".pem") else b"01234567\n"
        return self.files.get(path, other)

    def expand(self, pattern: str, beside: str) -> list[str]:
        if pattern.endswith(".toml"):
            return ["gt06.toml"]
        return super().expand(pattern, beside) or ["empty.ini"]

    def variable(self, name: str) -> str:
        # two words that are not to be the same
        return "fedcba9876543210" if "VIEWER" in name else "0123456789abcdef0123"


def switched_on() -> Anything:
    """Return the sample with everything in it switched on."""
    content = SWITCHED_OFF.sub("", SAMPLE.read_text(encoding="utf-8"))
    return Anything(
        files={
            "sample.ini": content.encode(),
            "empty.ini": b"",
            "gt06.toml": built_in_octets("gt06"),
        }
    )


class SampleTests(SynchronousTestCase):
    def test_it_is_a_configuration_as_it_stands(self) -> None:
        """The file in the repository loads; it only lacks a channel."""
        configuration, complaints = examine(str(SAMPLE), sources=Disk())
        self.assertIsNotNone(configuration)
        self.assertEqual(
            [one.what for one in complaints],
            ["there is no channel, so that nothing can be sent"],
        )

    def test_every_line_of_it_can_be_switched_on(self) -> None:
        """With all lines switched on nothing is wrong but what excludes itself."""
        _, complaints = examine("sample.ini", sources=switched_on())
        self.assertEqual(
            [str(one) for one in complaints if one.what not in EXCLUSIVE],
            [],
        )

    def test_it_names_every_key(self) -> None:
        """A key that is declared stands in the sample, in its section."""
        document = parse("sample.ini", switched_on())
        missing = []
        for kind, settings in sections().items():
            written = {
                name
                for section in document.of_kind(kind)
                for name in section.block.words
            }
            for one in reference(settings):
                stem = one.name.removesuffix("*")
                if not any(
                    name == stem or (stem != one.name and name.startswith(stem))
                    for name in written
                ):
                    line = f"#{one.name} = {one.default or one.example}"
                    missing.append(f"[{kind}]: # {one.doc}\n{line}")
        self.assertEqual(missing, [], "etc/gdemoi.ini lacks:\n" + "\n".join(missing))


# What people and mishaps put where a value was.
ODD = (
    '""',
    '"',
    "-1",
    "9" * 400,
    "é",
    ",",
    "a,,b",
    "nan",
    "/",
    "env:",
    "file:",
    "[::1",
    "http://[",
    "amqp://h:99999/",
    "1/0",
    "٣",
    "=",
    "{0}",
    "tcp:",
    "1.2.3.4/99",
    "x" * 5000,
    "\u202e",
    "0x",
    "a*b*c",
    "+",
)


class HostileTests(SynchronousTestCase):
    @given(
        st.lists(
            st.tuples(st.integers(0, 10_000), st.sampled_from(ODD) | st.text()),
            min_size=1,
            max_size=4,
        )
    )
    def test_whatever_stands_there_is_told_and_nothing_breaks(
        self, changes: list[tuple[int, str]]
    ) -> None:
        """No value of no key of any kind makes the check end in a traceback."""
        sources = switched_on()
        lines = sources.files["sample.ini"].decode().splitlines()
        for place, value in changes:
            name, equals, _ = lines[place % len(lines)].partition(" = ")
            lines[place % len(lines)] = f"{name}{equals}{value}"
        content = "\n".join(lines).encode("utf-8", "surrogatepass")
        sources.files["sample.ini"] = content
        configuration, complaints = examine("sample.ini", sources=sources)
        if configuration is None:
            self.assertTrue(any(not one.warning for one in complaints))
        for one in complaints:
            self.assertTrue(str(one).startswith("sample.ini:"), str(one))
