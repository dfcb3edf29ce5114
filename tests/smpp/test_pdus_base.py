import struct

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.smpp import pdus
from gdemoi.smpp.pdus import Tag


class TlvAccessTests(SynchronousTestCase):
    def test_values_of_any_size(self) -> None:
        """Numbers of a wrong width and ids without their NUL are taken."""
        pdu = pdus.DeliverSm(
            tlvs=(
                (Tag.message_state, b"\0\0\0\2"),
                (Tag.receipted_message_id, b"4d0fe926"),
                (Tag.additional_status_info_text, b"late\0junk"),
                (Tag.network_error_code, b""),
                (Tag.callback_num, b"1"),
                (Tag.callback_num, b"2"),
            )
        )
        self.assertEqual(pdu.tlv_int(Tag.message_state), 2)
        self.assertEqual(pdu.tlv_text(Tag.receipted_message_id), "4d0fe926")
        self.assertEqual(pdu.tlv_text(Tag.additional_status_info_text), "late")
        self.assertIsNone(pdu.tlv_int(Tag.network_error_code))
        self.assertEqual(pdu.tlv(Tag.network_error_code), b"")
        self.assertEqual(pdu.tlv(Tag.callback_num), b"1")
        self.assertIsNone(pdu.tlv(Tag.message_payload))
        self.assertIsNone(pdu.tlv_int(Tag.sar_msg_ref_num))
        self.assertIsNone(pdu.tlv_text(Tag.sar_msg_ref_num))


class ReprTests(SynchronousTestCase):
    def test_g56_no_password_and_no_control_octets(self) -> None:
        """Neither reaches a log; what differs from the default does."""
        bind = pdus.BindTransceiver(
            system_id="es\nme", password="hush", sequence_number=4
        )
        self.assertNotIn("hush", repr(bind))
        self.assertNotIn("\n", repr(bind))
        self.assertIn(r"system_id='es\nme'", repr(bind))
        cut = pdus.decode(struct.pack(">IIII", 25, 0x0B, 0, 1) + b"smsc\0hush")
        self.assertNotIn("hush", repr(cut))
        self.assertIn("password", repr(cut))
        nack = pdus.GenericNack(command_status=3)
        self.assertEqual(
            repr(nack), "GenericNack(command_status=0x03, sequence_number=0)"
        )
