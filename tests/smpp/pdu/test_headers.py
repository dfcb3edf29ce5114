"""Headers, and a stream cut into PDUs by them."""

import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import TheirFault
from gdemoi.smpp.pdu import headers, pdus
from gdemoi.smpp.pdu.headers import (
    MOST_OCTETS,
    RESPONSE,
    LostFrame,
    PduFramer,
    header,
    numbered,
    response,
)

NUMBER = 0x7FFFFFFF


class HeaderTests(SynchronousTestCase):
    def test_the_numbers_are_those_of_the_classes(self) -> None:
        """Each command's number is the command_id of the class of its name."""
        found = {
            cls.command: getattr(headers, cls.command.upper())
            for cls in pdus.ALL
            if hasattr(headers, cls.command.upper())
        }
        self.assertEqual(
            found,
            {
                cls.command: cls.command_id
                for cls in pdus.ALL
                if not cls.command_id & RESPONSE or cls is pdus.GenericNack
            },
        )

    def test_octets_are_the_codecs(self) -> None:
        """What is written by hand is what `encode` writes."""
        for cls in (pdus.EnquireLink, pdus.Unbind, pdus.GenericNack):
            for status in (0, 3):
                pdu = cls(command_status=status, sequence_number=NUMBER)
                octets = header(cls.command_id, status, NUMBER)
                self.assertEqual(octets, pdus.encode(pdu))

    def test_answers_are_the_codecs(self) -> None:
        """With a body where the codec writes one, and without one where not."""
        for cls in (pdus.DeliverSm, pdus.DataSm, pdus.EnquireLink, pdus.Unbind):
            request = cls(sequence_number=NUMBER)
            for status in (0, 0x64):
                self.assertEqual(
                    response(cls.command_id, status, NUMBER),
                    pdus.encode(pdus.answer(request, status)),
                )

    def test_a_number_is_put_into_encoded_octets(self) -> None:
        """And nothing else changes."""
        pdu = pdus.SubmitSm(short_message=b"hello", sequence_number=1)
        octets = numbered(pdus.encode(pdu), NUMBER)
        pdu.sequence_number = NUMBER
        self.assertEqual(octets, pdus.encode(pdu))


def frame(body: bytes, number: int = 1) -> bytes:
    return struct.pack(">IIII", 16 + len(body), 5, 0, number) + body


bodies = st.lists(st.binary(max_size=80), max_size=8)


class FramerTests(SynchronousTestCase):
    @given(bodies, st.lists(st.integers(0, 700), max_size=12))
    def test_chunking_does_not_matter(
        self, given_bodies: list[bytes], cuts: list[int]
    ) -> None:
        """The same PDUs come out, however the stream was cut."""
        frames = [frame(body) for body in given_bodies]
        stream = b"".join(frames)
        framer = PduFramer()
        found = []
        places = sorted(min(cut, len(stream)) for cut in cuts)
        for start, end in zip([0, *places], [*places, len(stream)], strict=True):
            found += framer.feed(stream[start:end])
        self.assertEqual(found, frames)
        self.assertEqual(framer.pending, 0)

    def test_octet_by_octet(self) -> None:
        """A dribble gives each PDU with its last octet."""
        framer = PduFramer()
        pdu = frame(b"abc")
        found = [framer.feed(pdu[at : at + 1]) for at in range(len(pdu))]
        self.assertEqual(found, [[]] * (len(pdu) - 1) + [[pdu]])

    def test_the_limits_themselves_are_legal(self) -> None:
        """16 octets and 70,000 octets are PDUs."""
        for body in (b"", bytes(MOST_OCTETS - 16)):
            self.assertEqual(PduFramer().feed(frame(body)), [frame(body)])

    def test_what_is_no_length_loses_the_stream(self) -> None:
        """Too short, too long, or not SMPP at all; known at the fourth octet."""
        for data in (
            b"\0\0\0\0", b"\0\0\0\4", b"\0\0\0\x0f", struct.pack(">I", MOST_OCTETS + 1),
            b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00", bytes(1 << 20),
        ):  # fmt: skip
            error = self.assertRaises(LostFrame, PduFramer().feed, data)
            self.assertIsInstance(error, TheirFault)
            self.assertEqual(error.command_status, 0x02)

    def test_names_the_bad_pdus_number_where_it_is_known(self) -> None:
        """Its sequence_number when 16 octets are there, else 0."""
        bad = struct.pack(">IIII", 15, 4, 0, 77)
        self.assertEqual(
            self.assertRaises(LostFrame, PduFramer().feed, bad).sequence_number, 77
        )
        self.assertEqual(
            self.assertRaises(LostFrame, PduFramer().feed, bad[:15]).sequence_number, 0
        )

    def test_pdus_before_the_bad_one_are_handed_out(self) -> None:
        """What came whole in the same data is not lost with the stream."""
        framer = PduFramer()
        framer.feed(frame(b"first")[:7])
        data = frame(b"first")[7:] + frame(b"second") + bytes(16)
        error = self.assertRaises(LostFrame, framer.feed, data)
        self.assertEqual(error.frames, [frame(b"first"), frame(b"second")])

    def test_a_bad_length_that_dribbles_in(self) -> None:
        """It is found with its fourth octet."""
        framer = PduFramer()
        for octet in (b"\0", b"\0", b"\0"):
            self.assertEqual(framer.feed(octet), [])
        self.assertRaises(LostFrame, framer.feed, b"\1")

    def test_nothing_comes_after_the_end(self) -> None:
        """Octets after a lost frame are thrown away, and not kept."""
        framer = PduFramer()
        self.assertRaises(LostFrame, framer.feed, bytes(16))
        self.assertEqual(framer.feed(frame(b"x")), [])
        self.assertEqual(framer.pending, 0)

    @given(st.lists(st.binary(max_size=60), max_size=20))
    def test_any_octets_are_pdus_or_the_end(self, chunks: list[bytes]) -> None:
        """Nothing but frames and one LostFrame; never more kept than came."""
        framer = PduFramer()
        came = 0
        ends = 0
        for chunk in chunks:
            came += len(chunk)
            try:
                frames = framer.feed(chunk)
            except LostFrame as lost:
                frames = lost.frames
                ends += 1
            for found in frames:
                self.assertEqual(int.from_bytes(found[:4], "big"), len(found))
            self.assertLessEqual(framer.pending, came)
        self.assertLessEqual(ends, 1)

    def test_an_announced_length_reserves_nothing(self) -> None:
        """Only octets that came are kept."""
        framer = PduFramer()
        framer.feed(struct.pack(">I", 69_999))
        self.assertEqual(framer.pending, 4)
