"""A whole configuration: every section, and what they say of one another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import ConfigurationError
from gdemoi.http.settings import HttpSettings, is_local
from gdemoi.ini import boolean, key, secret, text
from gdemoi.ini.listeners import Listener, listener
from gdemoi.interfaces import ChannelKind
from gdemoi.message import MessageClass, OnUnsure
from gdemoi.settings import BadConfiguration, Configuration, Disk, examine, load
from tests.ini.sources import Memory


@frozen(kw_only=True)
class BoxSettings:
    """A box."""

    password: str | None = key(secret, default=None, doc="password")
    wants_webhooks: bool = key(boolean, default=False, doc="webhooks")


@frozen(kw_only=True)
class LineSettings:
    """A line of a box."""

    channel: str = key(text, doc="its box")


def nothing(*_: Any) -> None:
    """Make no channel."""


KINDS = (
    ChannelKind("box", BoxSettings, nothing, parts={"box-line": LineSettings}),
    ChannelKind("cloud", BoxSettings, nothing, aliases=("nephos",)),
)


def said(content: str, memory: Memory | None = None) -> list[str]:
    """Return the complaints about a file."""
    memory = memory or Memory()
    memory.files["g.ini"] = content.encode()
    return [str(one) for one in examine("g.ini", kinds=KINDS, sources=memory)[1]]


def loaded(content: str) -> Configuration:
    """Return a configuration that is good."""
    memory = Memory(files={"g.ini": content.encode()})
    return load("g.ini", kinds=KINDS, sources=memory)


class GoodTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        """One channel is enough; everything else has a default."""
        found = loaded("[box:a]\n")
        self.assertEqual(found.gateway.backlog_limit, 100_000)
        self.assertEqual(found.gateway.retry_policy.hold_s, 120.0)
        self.assertEqual(found.journal, "sqlite:////here/gdemoi.sqlite")
        self.assertIsNone(found.http)
        self.assertIsNone(found.amqp)
        self.assertEqual(found.rules, ())

    def test_channels_have_their_parts(self) -> None:
        """Lines go to the box that they name, in file order; aliases are kinds."""
        found = loaded(
            "[box:a]\n[box-line:l1]\nchannel = a\n[nephos:n]\n[box:b]\n"
            "[box-line:l 2]\nchannel = b\n[box-line:l3]\nchannel = a\n"
        )
        self.assertEqual(
            [
                (c.kind.name, c.name, [(kind, name) for kind, name, _ in c.parts])
                for c in found.channels
            ],
            [
                ("box", "a", [("box-line", "l1"), ("box-line", "l3")]),
                ("cloud", "n", []),
                ("box", "b", [("box-line", "l 2")]),
            ],
        )

    def test_routes_in_file_order(self) -> None:
        """Routes become rules, with weights and defaults for messages."""
        found = loaded(
            "[box:a]\n[box:b]\n[route:one]\nclass = command, activation\n"
            "country = RU\nto = +79*\nfrom = GPS*\nchannels = a*3, b\n"
            "policy = weighted\nttl = 5m\non_unsure = fail\npriority = 9\n"
            "[route:two]\nchannels = b\n"
        )
        one, two = found.rules
        self.assertEqual(one.name, "one")
        self.assertEqual(one.channels, (("a", 3), ("b", 1)))
        self.assertTrue(one.weighted)
        self.assertEqual(one.classes, (MessageClass.COMMAND, MessageClass.ACTIVATION))
        self.assertEqual((one.country, one.from_), (("RU",), ("GPS*",)))
        self.assertEqual((one.ttl_s, one.priority), (300.0, 9))
        self.assertEqual(one.on_unsure, OnUnsure.FAIL)
        self.assertEqual((two.channels, two.weighted), ((("b", 1),), False))

    def test_a_journal_elsewhere(self) -> None:
        """Absolute paths stay, PostgreSQL gets its password, repr has none."""
        found = loaded("[gateway]\njournal = sqlite:////var/j.sqlite\n[box:a]\n")
        self.assertEqual(found.journal, "sqlite:////var/j.sqlite")
        found = loaded(
            "[gateway]\njournal = postgresql://u@db/j\njournal_password = p@ß/\n"
            "[box:a]\n"
        )
        self.assertEqual(found.journal, "postgresql://u:p%40%C3%9F%2F@db/j")
        self.assertNotIn("p%40", repr(found))
        self.assertNotIn("p@ß", repr(found))

    def test_warnings_do_not_hinder(self) -> None:
        """Warnings come with the configuration."""
        found = loaded("[gateway]\ndefault_ttl = 7200\n[box:a]\n")
        self.assertEqual(found.gateway.default_ttl_s, 7200.0)
        self.assertEqual(len(found.warnings), 1)


@frozen(kw_only=True)
class DoorSettings:
    """A box that listens, for the numbers of its SIMs."""

    listen: str = key(text, default="tcp:1", doc="where")
    datagrams: bool = key(boolean, default=False, doc="UDP")
    number: str | None = key(text, default=None, doc="of its SIM")

    def listeners(self) -> Iterator[Listener]:
        found = listener("listen", self.listen)
        assert found is not None
        yield evolve(found, transport="udp") if self.datagrams else found

    def phone_numbers(self) -> Iterator[tuple[str, str]]:
        if self.number is not None:
            yield "number", self.number


class TogetherTests(SynchronousTestCase):
    """What is right by itself and not beside the rest."""

    def said(self, content: str) -> list[str]:
        """Return the complaints about doors."""
        kinds = (ChannelKind("door", DoorSettings, nothing),)
        memory = Memory(files={"g.ini": content.encode()})
        return [str(one) for one in examine("g.ini", kinds=kinds, sources=memory)[1]]

    def test_two_listeners_on_one_port(self) -> None:
        """An error with both places; no matter whose ports they are."""
        reported = (
            "127.0.0.1:8990 is where [{}] {} listens (g.ini:{}); choose another port"
        )
        http = "[http]\nlisten = tcp:8990:interface=127.0.0.1\n"
        self.assertEqual(
            self.said(f"{http}webhooks = tcp:8990:interface=127.0.0.1\n[door:a]\n"),
            ["g.ini:3: [http] webhooks: " + reported.format("http", "listen", 2)],
        )
        door = "[door:a]\nlisten = tcp:8990:interface=127.0.0.1\n"
        self.assertEqual(
            self.said(http + door),
            ["g.ini:4: [door:a] listen: " + reported.format("http", "listen", 2)],
        )
        self.assertEqual(
            self.said(door + door.replace(":a", ":b")),
            ["g.ini:4: [door:b] listen: " + reported.format("door:a", "listen", 2)],
        )

    def test_a_default_that_clashes(self) -> None:
        """A port that no key names is told at its section."""
        (said,) = self.said("[http]\n[door:a]\nlisten = tcp:8990\n")
        self.assertEqual(
            said,
            "g.ini:3: [door:a] listen: 0.0.0.0:8990 is where [http] listen listens"
            " (g.ini:1); choose another port",
        )

    def test_ports_that_do_not_clash(self) -> None:
        """Other ports, other addresses, datagrams beside streams."""
        doors = (
            "[door:a]\n[door:b]\nlisten = tcp:2\n"
            "[door:c]\ndatagrams = yes\n[door:d]\n"
            "listen = tcp:3:interface=127.0.0.1\n[door:e]\n"
            "listen = tcp:3:interface=127.0.0.2\n"
        )
        self.assertEqual(self.said(doors), [])

    def test_two_lines_with_one_number(self) -> None:
        """A warning, also when one writes it in the country's own way."""
        content = (
            "[gateway]\nhome_country = RU\n[door:a]\nnumber = +79161112233\n"
            "[door:b]\nlisten = tcp:2\nnumber = 8 916 111-22-33\n"
            "[door:c]\nlisten = tcp:3\nnumber = GPS\n"
        )
        self.assertEqual(
            self.said(content),
            [
                "g.ini:7: [door:b] number: warning: 8 916 111-22-33 is the number of"
                " [door:a] too (g.ini:4)"
            ],
        )


class PlaceTests(SynchronousTestCase):
    def test_where_a_value_came_from(self) -> None:
        """Key, else section, else file; an alias goes by the kind's own word."""
        found = loaded("[gateway]\nname = g\n[nephos:n]\n\npassword = x\n[box:b]\n")
        for section, key_, place in (
            ("gateway", "name", "g.ini:2"),
            ("gateway", "journal", "g.ini:1"),
            ("cloud:n", "password", "g.ini:5"),
            ("box:b", "", "g.ini:6"),
            ("http", "listen", "/here/g.ini"),
        ):
            self.assertEqual(str(found.place(section, key_)), place)

    def test_a_channel_that_cannot_be_made(self) -> None:
        """The complaint bears the place of its section."""

        def make(*_: Any) -> None:
            raise ConfigurationError("[box:b] lacks a lid")

        memory = Memory(files={"g.ini": b"\n[box:b]\n"})
        kinds = (ChannelKind("box", BoxSettings, make),)
        found = load("g.ini", kinds=kinds, sources=memory)
        around: Any = None
        with self.assertRaises(BadConfiguration) as caught:
            found.make(found.channels[0], around)
        self.assertEqual(str(caught.exception), "g.ini:2: [box:b] lacks a lid")


class JournalTests(SynchronousTestCase):
    """The address of the journal, as people write it."""

    def test_what_was_meant(self) -> None:
        """A missing sqlite:/// and its like: told with the right address."""
        for written, meant in (
            ("j.sqlite", "sqlite:///j.sqlite"),
            ("/var/j.sqlite", "sqlite:////var/j.sqlite"),
            ("sqlite:j.sqlite", "sqlite:///j.sqlite"),
            ("sqlite:/var/j.sqlite", "sqlite:////var/j.sqlite"),
            ("sqlite://j.sqlite", "sqlite:///j.sqlite"),
            ("postgres://u:hush@h/b", "postgresql://…"),
        ):
            (line,) = said(f"[gateway]\njournal = {written}\n[box:a]\n")
            self.assertTrue(line.startswith("g.ini:2: [gateway] journal: "), line)
            self.assertTrue(line.endswith(f"; did you mean {meant}?"), line)
            self.assertNotIn("hush", line)

    def test_what_nobody_can_guess(self) -> None:
        """Other databases are refused without a hint."""
        (line,) = said("[gateway]\njournal = mysql://u@h/b\n[box:a]\n")
        self.assertNotIn("did you mean", line)


class BadTests(SynchronousTestCase):
    def test_every_complaint_is_in_the_error(self) -> None:
        """`load` raises once, with everything."""
        with self.assertRaises(BadConfiguration) as caught:
            loaded("[gatway]\n[box:a]\nx = 1\n")
        self.assertEqual(
            str(caught.exception).splitlines(),
            [
                "g.ini:1: [gatway]: is an unknown section; did you mean gateway?",
                "g.ini:3: [box:a] x: is unknown here",
            ],
        )

    def test_sections_that_do_not_belong(self) -> None:
        """Far sides, unnamed channels, named singles, odd names: each is told."""
        cases = {
            "[sandbox-smsc:a]\n[box:a]": "twistd gdemoi-sandbox",
            "[box]\n": "needs a name: write [box:NAME]",
            "[gateway:x]\n[box:a]": "takes no name: write [gateway]",
            "[box:a b]": "a channel's name is of letters",
            "[route]\nchannels=a\n[box:a]": "needs a name",
        }
        for content, wanted in cases.items():
            found = said(content)
            self.assertEqual(len(found), 1, found)
            self.assertIn(wanted, found[0])

    def test_a_name_of_two_kinds(self) -> None:
        """Routes name channels without their kind, so that names are unique."""
        self.assertEqual(
            said("[box:a]\n[cloud:a]\n"),
            ["g.ini:2: [cloud:a]: there is a channel a already: [box:a] at g.ini:1"],
        )

    def test_routes_to_nowhere(self) -> None:
        """A route's channel must be there; the complaint is at its line."""
        self.assertEqual(
            said("[box:office]\n[route:r]\nchannels = ofice\n"),
            [
                "g.ini:3: [route:r] channels: there is no channel ofice;"
                " did you mean office?"
            ],
        )

    def test_a_broken_channel_does_not_break_its_routes(self) -> None:
        """What follows from one mistake is not told too."""
        found = said(
            "[box:a]\nx = 1\n[box-line:l]\nchannel = a\n[route:r]\nchannels = a\n"
        )
        self.assertEqual(found, ["g.ini:2: [box:a] x: is unknown here"])

    def test_routes_that_contradict_themselves(self) -> None:
        """Doubled channels, weights without policy, unknown countries."""
        cases = {
            "channels = a, a": "a stands there twice",
            "channels = a*2": "weights need policy = weighted",
            "channels = a*0": "the weight of a is not from 1 to 1000",
            "channels = a*b": "is not a channel",
            "channels = a\ncountry = RUS": "'RUS' is not a country",
            "channels = a\nclass = comand": "did you mean command?",
            "channels = a\nttl = 0": "nothing could ever be sent",
        }
        for lines, wanted in cases.items():
            found = said(f"[box:a]\n[route:r]\n{lines}\n")
            self.assertEqual(len(found), 1, found)
            self.assertIn(wanted, found[0])

    def test_a_route_that_is_never_reached(self) -> None:
        """What follows a route without conditions is a warning."""
        (found,) = said(
            "[box:a]\n[route:all]\nchannels = a\n[route:b]\nto = 1*\nchannels = a\n"
        )
        self.assertEqual(
            found,
            "g.ini:4: [route:b]: warning: is never reached:"
            " [route:all] takes every message",
        )

    def test_lines_of_no_box(self) -> None:
        """A part's channel must be there, and of the right kind."""
        found = said(
            "[box:office]\n[cloud:c]\n[box-line:l]\nchannel = offce\n"
            "[box-line:m]\nchannel = c\n"
        )
        self.assertEqual(
            found,
            [
                "g.ini:4: [box-line:l] channel: there is no channel offce;"
                " did you mean office?",
                "g.ini:6: [box-line:m] channel: [cloud:c] is not of kind box",
            ],
        )

    def test_no_channel_at_all(self) -> None:
        """An empty file is a gateway that can send nothing: a warning."""
        self.assertEqual(
            said(""),
            ["g.ini: warning: there is no channel, so that nothing can be sent"],
        )

    def test_webhooks_without_a_server(self) -> None:
        """A channel that waits for webhooks needs [http] webhooks."""
        (found,) = said("[cloud:c]\nwants_webhooks = yes\n")
        self.assertIn("webhooks need `webhooks` and `public_url`", found)
        self.assertEqual(
            said(
                "[http]\nwebhooks = tcp:1\npublic_url = https://x.org\n"
                "[cloud:c]\nwants_webhooks = yes\n"
            ),
            [],
        )

    def test_a_map_that_is_not_there(self) -> None:
        """[amqp] map names an [amqp-map:…]."""
        (found,) = said(
            "[box:a]\n[amqp]\nurl = amqp://h\nformat = map\nmap = legcy\n"
            "[amqp-map:legacy]\nto = phone\ntext = message\n"
        )
        self.assertEqual(
            found,
            "g.ini:5: [amqp] map: there is no [amqp-map:legcy]; did you mean legacy?",
        )

    def test_journals_that_would_lose_messages(self) -> None:
        """A journal in memory, or of an unknown kind, is refused."""
        for url in ("sqlite://", "sqlite:///:memory:", "sqlite:///", "mysql://x", "j"):
            (found,) = said(f"[gateway]\njournal = {url}\n[box:a]\n")
            self.assertIn("g.ini:2: [gateway] journal: ", found)


class LogTests(SynchronousTestCase):
    def test_levels_of_parts(self) -> None:
        """A part and its level; a slip is told with what was meant."""
        for written, said in {
            "smpp=debug, http = warn": None,
            "smpp": "'smpp' is not a part and its level; did you mean smpp=debug?",
            "smmp=debug": "did you mean smpp=debug?",
            "smpp=debgu": "did you mean smpp=debug?",
            "smpp=loud": "is not one of debug info warn error critical",
        }.items():
            text = f"[gateway]\nlog_levels = {written}\n"
            sources = Memory(files={"g.ini": text.encode()})
            configuration, complaints = examine("g.ini", kinds=KINDS, sources=sources)
            if said is None:
                assert configuration is not None
                self.assertEqual(
                    configuration.gateway.log_levels,
                    (("smpp", "debug"), ("http", "warn")),
                )
            else:
                self.assertIn(said, "\n".join(map(str, complaints)))


class HttpTests(SynchronousTestCase):
    def complaints(self, **fields: Any) -> list[str]:
        return [key for key, _ in HttpSettings(**fields).complaints()]

    def test_a_token_is_needed_beyond_loopback(self) -> None:
        """Without one the API listens on this machine only."""
        self.assertEqual(self.complaints(), [])
        self.assertEqual(self.complaints(listen="tcp:8990"), ["token"])
        self.assertEqual(self.complaints(listen="tcp:8990", token="x" * 8), [])

    def test_tokens_that_cannot_work(self) -> None:
        """Too short ones, and ones that no header can carry."""
        self.assertEqual(self.complaints(token="short"), ["token"])
        self.assertEqual(self.complaints(token="пароль-пароль"), ["token"])

    def test_which_endpoints_are_local(self) -> None:
        """Loopback addresses and unix sockets are; wildcards are not."""
        for endpoint, local in {
            "tcp:8990:interface=127.0.0.1": True,
            "tcp:8990:interface=127.9.9.9": True,
            "tcp6:8990:interface=\\:\\:1": True,
            "tcp:8990:interface=localhost": True,
            "unix:/run/gdemoi.sock": True,
            "tcp:8990": False,
            "tcp:8990:interface=0.0.0.0": False,
            "tcp:8990:interface=10.0.0.1": False,
            "systemd:domain=INET:index=0": False,
        }.items():
            self.assertEqual(is_local(endpoint), local, endpoint)

    def test_endpoints_and_addresses_that_are_none(self) -> None:
        """A bare port is hinted, other nonsense refused; a last / goes."""
        cases = {
            "listen = 8990": "write tcp:8990",
            "listen = 127.0.0.1:8990": "is not an endpoint",
            "listen = tcp:port": "'port' is not a port",
            "listen = tcp:99999": "is not a port",
            "listen = tcp:8990:interfce=x": "has an option that its kind does not",
            "public_url = sms.example.org": "is not an address",
            "public_url = https://u:p@x.org": "without user",
        }
        for line, wanted in cases.items():
            (found,) = said(f"[box:a]\n[http]\n{line}\n")
            self.assertIn(wanted, found)
        found = loaded("[box:a]\n[http]\npublic_url = https://x.org/sms/\n").http
        assert found is not None
        self.assertEqual(found.public_url, "https://x.org/sms")


class DiskTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)

    def write(self, name: str, content: str, mode: int = 0o600) -> str:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        path.chmod(mode)
        return str(path)

    def test_real_files(self) -> None:
        """Includes, secret files and the journal are found beside the file."""
        self.write("conf.d/1.ini", "[box:b]\npassword = file:../secret\n")
        self.write("secret", "s3cret\n")
        file = self.write(
            "g.ini",
            "[gateway]\ninclude = conf.d/*.ini\njournal = sqlite:///j.sqlite\n",
        )
        found = load(file, kinds=KINDS)
        self.assertEqual(found.channels[0].settings.password, "s3cret")
        self.assertEqual(
            found.journal, f"sqlite:///{(self.folder / 'j.sqlite').resolve()}"
        )

    def test_a_loop_back_to_the_first_file(self) -> None:
        """The first file is recognised, however it was named."""
        self.write("g.ini", "[gateway]\ninclude = ../*/g.ini\n[box:a]\n")
        _, complaints = examine(f"{self.folder}/./g.ini", kinds=KINDS)
        self.assertEqual(len(complaints), 1)
        self.assertIn("a loop", str(complaints[0]))

    def test_permissions(self) -> None:
        """A literal password in a file that everybody may read is a warning."""
        file = self.write("g.ini", "[box:b]\npassword = x\n", 0o644)
        self.assertIn("everybody may read", str(examine(file, kinds=KINDS)[1][0]))
        os.chmod(file, 0o640)
        self.assertEqual(examine(file, kinds=KINDS)[1], [])

    def test_the_environment(self) -> None:
        """env: asks the environment of this process."""
        self.patch(os, "environ", {"GDEMOI_TEST": "x"})
        self.assertEqual(Disk().variable("GDEMOI_TEST"), "x")
        self.assertIsNone(Disk().variable("GDEMOI_OTHER"))

    def test_a_file_that_cannot_be_read(self) -> None:
        """The caller hears `OSError`."""
        with self.assertRaises(FileNotFoundError):
            load(str(self.folder / "no.ini"), kinds=KINDS)
