"""What Jasmin's smppccm prints, and what its connectors become."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.importing import BadImport
from tests.importing.test_importing import configuration, converted


class JasminTests(SynchronousTestCase):
    def test_connectors_without_prompts(self) -> None:
        """A key that comes again, or an empty line, begins the next connector."""
        text = converted("cid a\nhost h\ncid b\nhost h\n\nhost k\ncid c\n")
        names = [one.name for one in configuration(text).channels]
        self.assertEqual(names, ["a", "b", "c"])

    def test_what_a_new_connector_does_not_say(self) -> None:
        """Jasmin's own defaults hold: one message per second, user and password."""
        (one,) = configuration(converted("cid a\n")).channels
        found = one.settings
        self.assertEqual((found.rate, found.system_id), (1.0, "smppclient"))
        self.assertEqual((found.password, found.host), ("password", ("127.0.0.1",)))

    def test_a_terminal_s_colours(self) -> None:
        """They are no part of a value; a CR before the line end neither."""
        text = converted("\x1b[1mjcli : \x1b[0msmppccm -s a\r\ncid a\r\nhost h\r\n")
        (one,) = configuration(text).channels
        self.assertEqual(one.settings.host, ("h",))

    def test_a_listing_alone(self) -> None:
        """It names connectors and no settings: what to import is told."""
        text = converted("jcli : smppccm -l\n#a  started None  0  0\n")
        self.assertIn("import what `smppccm -s a` prints", text)
        self.assertEqual(configuration(text).channels, ())

    def test_faults(self) -> None:
        """Each is told with its line and what was expected there."""
        for text, told in (
            (
                "cid a\nport x\nbind both\n",
                "in:2: port = x: expected a whole number 1..65535\n"
                "in:3: bind = both: expected one of transceiver, transmitter, receiver",
            ),
            ("cid a\n= what\n", "in:2: '= what': expected a line like `key value`"),
            ("host h\n", "in:1: expected a line `cid …` among these settings"),
            (
                "Unknown connector: q\n",
                "in:1: Unknown connector: q: expected the settings of a connector",
            ),
            (
                "cid a\ncustom_tlvs 0x1403,Int1,300\n",
                "in:2: custom_tlvs = 0x1403,Int1,300: expected a number of 1 octets",
            ),
            (
                "hello\n",
                "in: expected what `smppccm -s CID` or `smppccm -l` prints",
            ),
        ):
            with self.subTest(text):
                fault = self.assertRaises(BadImport, converted, text, "jasmin")
                self.assertEqual(str(fault), told)
