"""Octets of texts, and the log of the SMSC, read without the gateway's codec."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chaos.wire import BASIC, EXTENSION, aired, arrival, octets_of


class OctetsTests(SynchronousTestCase):
    def test_the_default_alphabet(self) -> None:
        """3GPP TS 23.038 §6.2.1: 128 places, ten letters behind an escape."""
        self.assertEqual((len(BASIC), len(set(BASIC)), len(EXTENSION)), (128, 128, 10))
        for text, octets in (
            ("@", "00"),
            ("Az09", "417a3039"),
            ("à", "7f"),
            ("€[", "1b651b3c"),
            ("\n\r\f", "0a0d1b0a"),
        ):
            self.assertEqual(octets_of(text), (0, bytes.fromhex(octets)), text)
        self.assertEqual(octets_of("Где"), (8, bytes.fromhex("041304340435")))

    def test_a_line_of_the_log(self) -> None:
        """What it is, and which segment."""
        one = arrival("5 7 GdeMoi 79160000012 0 0 417a 99 ok")
        self.assertEqual((one.at_ns, one.number, one.octets), (5, 12, b"Az"))
        self.assertEqual((one.part, one.parts), (1, 1))
        one = arrival("5 7 GdeMoi 79160000012 8 64 0500030702020413 99 dropped")
        self.assertEqual((one.part, one.parts, one.octets), (2, 2, b"\x04\x13"))

    def test_what_nobody_sent(self) -> None:
        """A strange phone or a strange header is told."""
        for line in (
            "5 7 GdeMoi 34600000012 0 0 417a 99 ok",
            "5 7 GdeMoi 7916000001 0 0 417a 99 ok",
            "5 7 GdeMoi 79160000012 0 64 060804070702 99 ok",
            "nonsense",
        ):
            with self.subTest(line=line):
                self.assertRaises(ValueError, arrival, line)

    def test_a_line_of_the_box(self) -> None:
        """The text itself, as the device was given it."""
        one = aired('{"at_ns": 5, "number": "+79160000012", "text": "Az"}')
        self.assertEqual((one.at_ns, one.number, one.coding), (5, 12, 0))
        self.assertEqual((one.part, one.parts, one.octets), (1, 1, b"Az"))
        strange = '{"at_ns": 5, "number": "112", "text": "Az"}'
        self.assertRaises(ValueError, aired, strange)
