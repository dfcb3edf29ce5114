"""A Kannel configuration: its form, its includes, what its smsc groups become."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.importing import BadImport
from tests.importing.test_importing import configuration, converted

SMPP = """\
group = smsc
smsc = smpp
smsc-id = a
host = h
smsc-username = u
smsc-password = p
"""


def settings(more: str, group: str = SMPP) -> Any:
    """Return the settings that a group becomes."""
    (one,) = configuration(converted(group + more)).channels
    return one.settings


class BindTests(SynchronousTestCase):
    def test_ports_say_which_binds(self) -> None:
        """Two ports are two binds, one is a transmitter or a receiver."""
        for more, port, bind in (
            ("port = 1\n", 1, "transmitter"),
            ("receive-port = 2\n", 2, "receiver"),
            ("port = 0\nreceive-port = 2\n", 2, "receiver"),
            ("port = 1\nreceive-port = 1\n", 1, "pair"),
            ("port = 1\ntransceiver-mode = true\n", 1, "transceiver"),
            ("port = 1\ntransceiver-mode = 0\n", 1, "transmitter"),
        ):
            with self.subTest(more):
                found = settings(more)
                self.assertEqual((found.port, found.bind.value), (port, bind))

    def test_a_receiver_is_in_no_route(self) -> None:
        """Messages do not go where none can leave."""
        text = converted(SMPP + "receive-port = 2\n")
        self.assertNotIn("[route:", text)

    def test_the_form_of_ids(self) -> None:
        """msg-id-type: bit 1 is the response, bit 2 the receipt."""
        words = ["same", "hex-dec", "dec-hex", "same"]
        for value, word in enumerate(words):
            found = settings(f"port = 1\nmsg-id-type = {value}\n")
            self.assertEqual(found.receipt_id.value, word)

    def test_ton_is_forced_only_without_autodetection(self) -> None:
        """Kannel derives it for names, unless that is switched off."""
        forced = "port = 1\nsource-addr-ton = 2\n"
        self.assertIsNone(settings(forced).source_ton)
        off = forced + "source-addr-autodetect = false\n"
        self.assertEqual(settings(off).source_ton, 2)


class FormTests(SynchronousTestCase):
    def test_includes(self) -> None:
        """A file, or all files of a folder; what is included may include."""
        text = converted(
            "include = d/\n\ngroup = core\n",
            **{
                "d/a": SMPP + "port = 1\n",
                "d/b": "include = c\n",
                "c": SMPP + "port = 2",
            },
        )
        names = [one.name for one in configuration(text).channels]
        self.assertEqual(names, ["a", "a-2"])

    def test_faults(self) -> None:
        """Each is told with its line and what was expected there."""
        for text, told in (
            ("group = smsc\nhost\n", "in:2: 'host': expected a line like name = value"),
            (
                "group = core\ngroup = smsc\n",
                "in:2: expected an empty line before the next group",
            ),
            ("host = x\n", "in:1: expected a line `group = …` in this group"),
            ("group = core\n", "in: expected at least one `group = smsc`"),
            (
                "group = smsc\nsmsc = smpp\nhost = x\n",
                "in:1: this group has no smsc-username: expected one for SMPP",
            ),
            (SMPP, "in:1: expected a port, or a receive-port"),
            (
                SMPP + "port = high\n",
                "in:7: port = high: expected a whole number 0..65535",
            ),
            (
                SMPP + "port = 1\nuse-ssl = perhaps\nthroughput = -1\n",
                "in:8: use-ssl = perhaps: expected one of true, yes, on, 1, false,"
                " no, off, 0\nin:9: throughput = -1: expected a number of 0 or more",
            ),
            (
                "include = gone.conf\n",
                "in:1: include = gone.conf: expected a file or folder that can be"
                " read (No such file or directory)",
            ),
        ):
            with self.subTest(text):
                fault = self.assertRaises(BadImport, converted, text, "kannel")
                self.assertEqual(str(fault), told)

    def test_a_file_that_includes_itself(self) -> None:
        """It is told, and does not go on for ever."""
        loop = "group = core\n\ninclude = in\n"
        fault = self.assertRaises(BadImport, converted, loop, **{"in": loop})
        self.assertEqual(str(fault), "in:3: include = in: includes itself")
