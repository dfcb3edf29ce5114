"""Sections to settings: includes, secrets, complaints with their places."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.ini import (
    duration,
    integer,
    key,
    parse,
    path,
    rate,
    secret,
    text,
    words,
)
from gdemoi.ini.units import FileConverter
from tests.ini.sources import Memory


@frozen(kw_only=True)
class SmscSettings:
    """A carrier."""

    host: tuple[str, ...] = key(words, doc="addresses")
    port: int = key(integer(1, 65535), default=2775, doc="TCP port")
    password: str | None = key(secret, default=None, doc="password")
    link_timeout_s: float = key(duration, default=30.0, doc="silence")
    rate: float | None = key(rate, default=None, name="throughput", doc="limit")
    sender: str = key(text, default="", doc="sender")
    tlvs: dict[str, int] = key(integer(), name="tlv.*", default={}, doc="TLVs")
    ca: str | None = key(path, default=None, doc="file")
    own: str | None = key(
        FileConverter("path", str, private=True), default=None, doc="file with a key"
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        if self.port == 13:
            yield "port", "brings bad luck"
        if self.sender == self.host[0]:
            yield "", "sender and host are the same"


def smsc(
    lines: str, memory: Memory | None = None
) -> tuple[SmscSettings | None, list[str]]:
    """Read one section; return it and what was said."""
    memory = memory or Memory()
    memory.files["g.ini"] = f"[smpp:a]\n{lines}".encode()
    document = parse("g.ini", memory)
    settings = document.sections[0].read(SmscSettings)
    return settings, [str(one) for one in document.complaints]


class ReadTests(SynchronousTestCase):
    def test_values_and_defaults(self) -> None:
        """Set keys are converted, others have their defaults."""
        settings, said = smsc("host = a, b\nthroughput = 60/min\nlink_timeout = 5m\n")
        self.assertEqual(said, [])
        self.assertEqual(
            settings, SmscSettings(host=("a", "b"), rate=1.0, link_timeout_s=300.0)
        )

    def test_quotes_keep_spaces(self) -> None:
        """What is between the outer quotes is the value."""
        for written, wanted in {
            '"  a  "': "  a  ",
            '""a""': '"a"',
            'say "x"': 'say "x"',
            '""': "",
        }.items():
            settings, _ = smsc(f"host = a\nsender = {written}\n")
            assert settings is not None
            self.assertEqual(settings.sender, wanted)

    def test_a_quote_that_is_not_closed(self) -> None:
        """It is a complaint, since spaces may be lost."""
        settings, said = smsc('host = a\nsender = "a\n')
        self.assertIsNone(settings)
        self.assertIn("a quote is opened and not closed", said[0])

    def test_all_complaints_at_once(self) -> None:
        """Unknown, bad and missing keys are told together, each at its line."""
        settings, said = smsc("prot = 1\nport = abc\nthroughput = 5/mn\nsenderr = x\n")
        self.assertIsNone(settings)
        self.assertEqual(
            said,
            [
                "g.ini:2: [smpp:a] prot: is unknown here; did you mean port?",
                "g.ini:5: [smpp:a] senderr: is unknown here; did you mean sender?",
                "g.ini:1: [smpp:a] host: is required and missing",
                "g.ini:3: [smpp:a] port: 'abc' is not a whole number",
                "g.ini:4: [smpp:a] throughput: '5/mn' is not a rate"
                " (20/s 30/min 300/day); did you mean 5/min?",
            ],
        )

    def test_a_misspelt_required_key_is_told_once(self) -> None:
        """The slip is told; that the right key is missing follows from it."""
        _, said = smsc("hosts = a\n")
        self.assertEqual(
            said, ["g.ini:2: [smpp:a] hosts: is unknown here; did you mean host?"]
        )

    def test_patterns(self) -> None:
        """`tlv.0x1403 = 7` goes into the dict under its tail."""
        settings, _ = smsc("host = a\ntlv.0x1403 = 7\ntlv.x = 0x10\n")
        assert settings is not None
        self.assertEqual(settings.tlvs, {"0x1403": 7, "x": 16})
        _, said = smsc("host = a\ntlv.y = no\n")
        self.assertEqual(said, ["g.ini:3: [smpp:a] tlv.y: 'no' is not a whole number"])

    def test_complaints_between_keys_have_places(self) -> None:
        """What the class complains about stands at the key's line."""
        settings, said = smsc("host = a\nport = 13\nsender = a\n")
        self.assertIsNone(settings)
        self.assertEqual(
            said,
            [
                "g.ini:3: [smpp:a] port: brings bad luck",
                "g.ini:1: [smpp:a]: sender and host are the same",
            ],
        )

    def test_milliseconds_are_suspected(self) -> None:
        """`link_timeout = 3000` is taken as seconds, with a warning."""
        settings, said = smsc("host = a\nlink_timeout = 3000\n")
        assert settings is not None
        self.assertEqual(settings.link_timeout_s, 3000.0)
        self.assertEqual(
            said,
            [
                "g.ini:3: [smpp:a] link_timeout: warning: 3000 is in seconds;"
                " did you mean 3000ms?"
            ],
        )

    def test_a_converter_that_reads_a_file(self) -> None:
        """When its file cannot be read, that is a complaint like any other."""

        def table(name: str) -> str:
            raise PermissionError(13, "Permission denied", name)

        @frozen(kw_only=True)
        class Settings:
            codes: str = key(table, doc="a file")

        document = parse("g.ini", Memory(files={"g.ini": b"[a]\ncodes = x\n"}))
        self.assertIsNone(document.sections[0].read(Settings))
        self.assertEqual(
            [str(one) for one in document.complaints],
            ["g.ini:2: [a] codes: cannot be read: Permission denied"],
        )

    def test_a_strange_value_is_not_told_at_length(self) -> None:
        """A complaint stays readable."""
        _, said = smsc(f"host = a\nport = {'x' * 5000}\n")
        self.assertLess(len(said[0]), 400)

    def test_paths_are_relative_to_the_file(self) -> None:
        """A relative path is resolved by the sources."""
        settings, _ = smsc("host = a\nca = ca.pem\n")
        assert settings is not None
        self.assertEqual(settings.ca, "/here/ca.pem")


class CommentTests(SynchronousTestCase):
    """``port = 2775 # x``: a comment behind a value is a part of it."""

    def test_a_value_that_a_comment_spoils(self) -> None:
        """What was meant is told, for every unit; a quote before it too."""
        for written, meant in (
            ("port = 99 # the usual", "99"),
            ("link_timeout = 5m ; short", "5m"),
            ("throughput = 20/s\t# by contract", "20/s"),
            ('sender = "GPS" # ours', '"GPS"'),
            ("password = env:PW # ours", "env:PW"),
            ("password = file:/pw # ours", "file:/pw"),
        ):
            settings, said = smsc(f"host = a\n{written}\n")
            self.assertIsNone(settings, written)
            (line,) = said
            self.assertIn("; a comment is a line of its own", line)
            self.assertTrue(line.endswith(f"; did you mean {meant}?"), line)

    def test_a_value_that_takes_a_comment_in(self) -> None:
        """Text, lists and paths become something else: a warning."""
        for written, meant in (
            ("host = smsc.example # the first", "smsc.example"),
            ("host = a, b # both", "a, b"),
            ("host = a\nca = ca.pem ; ours", "ca.pem"),
        ):
            settings, said = smsc(f"{written}\n")
            self.assertIsNotNone(settings)
            self.assertEqual(len(said), 1, said)
            self.assertIn("warning: the value goes on to the end of its line", said[0])
            self.assertTrue(said[0].endswith(f"did you mean {meant}?"), said[0])

    def test_a_secret_that_takes_a_comment_in(self) -> None:
        """The warning does not tell the secret."""
        settings, said = smsc("host = a\npassword = hush #x\n")
        assert settings is not None
        self.assertEqual(settings.password, "hush #x")
        self.assertIn("warning: the value goes on", said[0])
        self.assertNotIn("hush", said[0])

    def test_signs_that_begin_no_comment(self) -> None:
        """Within a word or in quotes they are meant."""
        for written in ("*100#", "a#b", '"a # b"', '"#1; #2"'):
            settings, said = smsc(f"host = a\nsender = {written}\n")
            self.assertEqual(said, [], written)
            self.assertIsNotNone(settings)
        settings, said = smsc('host = "a # b", c\n')
        assert settings is not None
        self.assertEqual((said, settings.host), ([], ("a # b", "c")))


class SecretTests(SynchronousTestCase):
    def read(self, written: str, memory: Memory) -> tuple[str | None, str]:
        settings, said = smsc(f"host = a\npassword = {written}\n", memory)
        return settings.password if settings else None, "\n".join(said)

    def test_from_the_environment(self) -> None:
        """env:NAME is the variable; a missing or empty one is told by name."""
        memory = Memory(environment={"P": "s3cret", "E": ""})
        self.assertEqual(self.read("env:P", memory), ("s3cret", ""))
        self.assertIn("variable Q is not set", self.read("env:Q", memory)[1])
        self.assertIn("variable E is empty", self.read("env:E", memory)[1])

    def test_from_a_file(self) -> None:
        """file:/path is its one line, spaces and all."""
        memory = Memory(files={"/s": b" s3 \r\n", "/b": b"\xef\xbb\xbfx"})
        self.assertEqual(self.read("file:/s", memory)[0], " s3 ")
        self.assertEqual(self.read("file:/b", memory)[0], "x")

    def test_files_that_cannot_be_used(self) -> None:
        """Missing, empty, several lines, not UTF-8: each is told."""
        memory = Memory(files={"/e": b"\n", "/m": b"a\nb\n", "/u": b"\xff"})
        cases = {"/no": "No such file", "/e": "empty", "/m": "one line", "/u": "UTF-8"}
        for file, wanted in cases.items():
            value, said = self.read(f"file:{file}", memory)
            self.assertIsNone(value)
            self.assertIn("g.ini:3: [smpp:a] password: ", said)
            self.assertIn(wanted, said)

    def test_literal_secrets(self) -> None:
        """The text itself, with any character; quoted it is never looked up."""
        self.assertEqual(self.read("p#;= x", Memory()), ("p#;= x", ""))
        self.assertEqual(self.read('"env:P"', Memory()), ("env:P", ""))

    def test_a_literal_secret_that_everybody_can_read(self) -> None:
        """It is a warning, once for each file; what was looked up is none."""
        memory = Memory(open_to_all={"g.ini"}, environment={"P": "x"})
        value, said = self.read("geheim", memory)
        self.assertEqual(value, "geheim")
        self.assertIn("warning: a secret in a file that everybody may read", said)
        self.assertNotIn("geheim", said)
        self.assertEqual(self.read("env:P", memory)[1], "")

    def test_a_secret_file_that_everybody_can_read(self) -> None:
        """A file of a password and one with a private key: warned of once each."""
        memory = Memory(files={"/pw": b"x\n"}, open_to_all={"/pw", "/here/own.pem"})
        settings, said = smsc("host = a\npassword = file:/pw\nown = own.pem\n", memory)
        self.assertIsNotNone(settings)
        self.assertEqual(
            said,
            [
                f"g.ini:{line}: [smpp:a] {key}: warning: {file} holds a secret and"
                " everybody may read it; chmod o-r it"
                for line, key, file in (
                    (3, "password", "/pw"),
                    (4, "own", "/here/own.pem"),
                )
            ],
        )

    def test_a_secret_file_for_us_alone(self) -> None:
        """Nothing is said, and where the ini itself is open that is no matter."""
        memory = Memory(files={"/pw": b"x\n"}, open_to_all={"g.ini"})
        _, said = smsc("host = a\npassword = file:/pw\n", memory)
        self.assertEqual(said, [])

    def test_secrets_stay_out_of_repr(self) -> None:
        """A settings record can be logged."""
        settings, _ = smsc("host = a\npassword = geheim\n")
        self.assertNotIn("geheim", repr(settings))


class IncludeTests(SynchronousTestCase):
    def labels(self, memory: Memory) -> tuple[list[str], list[str]]:
        document = parse("g.ini", memory)
        return (
            [section.label for section in document.sections],
            [str(one) for one in document.complaints],
        )

    def test_included_files_follow(self) -> None:
        """Sections of included files come after, in the order of the names."""
        memory = Memory(
            files={
                "g.ini": b"[gateway]\ninclude = c.d/*.ini\n[smpp:a]\n",
                "c.d/2.ini": b"[smpp:c]\n",
                "c.d/1.ini": b"[smpp:b]\n",
            }
        )
        self.assertEqual(
            self.labels(memory), (["gateway", "smpp:a", "smpp:b", "smpp:c"], [])
        )

    def test_includes_of_includes(self) -> None:
        """An included file may include, and only that, in its [gateway]."""
        memory = Memory(
            files={
                "g.ini": b"[gateway]\ninclude = a.ini\n",
                "a.ini": b"[gateway]\ninclude = b.ini\n[smpp:a]\n",
                "b.ini": b"[gateway]\nname = x\n[smpp:b]\n",
            }
        )
        labels, said = self.labels(memory)
        self.assertEqual(labels, ["gateway", "smpp:a", "smpp:b"])
        self.assertEqual(said, ["b.ini:1: [gateway]: is already at g.ini:1"])

    def test_a_loop(self) -> None:
        """A file that includes itself, by whatever way, is told with the way."""
        memory = Memory(
            files={
                "g.ini": b"[gateway]\ninclude = a.ini\n",
                "a.ini": b"[gateway]\ninclude = g.ini\n",
            }
        )
        self.assertEqual(
            self.labels(memory)[1],
            ["a.ini:2: [gateway] include: a loop: g.ini includes a.ini includes g.ini"],
        )

    def test_a_file_that_is_not_there(self) -> None:
        """A name without * must exist; a glob that matches nothing is warned of."""
        memory = Memory(files={"g.ini": b"[gateway]\ninclude = no.ini, c.d/*\n"})
        self.assertEqual(
            self.labels(memory)[1],
            [
                "g.ini:2: [gateway] include: there is no file no.ini",
                "g.ini:2: [gateway] include: warning: no file matches c.d/*",
            ],
        )

    def test_a_section_twice(self) -> None:
        """The second place is the error, across files too."""
        memory = Memory(
            files={
                "g.ini": b"[gateway]\ninclude = a.ini\n[smpp:a]\n",
                "a.ini": b"[smpp:a]\n",
            }
        )
        self.assertEqual(
            self.labels(memory)[1], ["a.ini:1: [smpp:a]: is already at g.ini:3"]
        )

    def test_the_first_file_must_be_readable(self) -> None:
        """Without it there is nothing to complain about: OSError."""
        with self.assertRaises(OSError):
            parse("no.ini", Memory())
