from twisted.trial.unittest import SynchronousTestCase

from gdemoi.smpp.pdu import headers, pdus
from gdemoi.smpp.pdu.headers import RESPONSE, header, numbered, response

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
