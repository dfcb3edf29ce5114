""" """

from __future__ import annotations

import struct

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.smpp.pdu import commands, pdus, wire
from gdemoi.smpp.pdu.pdus import Tag
from gdemoi.smpp.pdu.wire import CString, Integer, ShortMessage, Time

REQUESTS = [cls for cls in pdus.ALL if not cls.command_id & pdus.RESPONSE]


class TableTests(SynchronousTestCase):
    def test_the_whole_set(self) -> None:
        """Every command of SMPP 3.4 §5.1.2.1, by number."""
        numbers = {1, 2, 3, 4, 5, 6, 7, 8, 9, 0x15, 0x21, 0x103}
        numbers |= {number | pdus.RESPONSE for number in numbers}
        numbers |= {0x0B, 0x102, 0x80000000}
        self.assertEqual(set(pdus.BY_ID), numbers)

    def test_responses_belong_to_their_requests(self) -> None:
        """By number and by name; outbind and alert_notification have none."""
        for cls in REQUESTS:
            if cls in (pdus.Outbind, pdus.AlertNotification):
                self.assertIsNone(cls.response)
                continue
            response = cls.response
            assert response is not None
            self.assertEqual(response.command_id, cls.command_id | pdus.RESPONSE)
            self.assertEqual(response.command, f"{cls.command}_resp")

    def test_submit_sm_is_the_table_of_the_specification(self) -> None:
        """§4.4.1, row by row."""
        one = Integer(1)
        self.assertEqual(
            list(wire.table_of(commands.SubmitSm).items()),
            [
                ("service_type", CString(6)),
                ("source_addr_ton", one),
                ("source_addr_npi", one),
                ("source_addr", CString(21)),
                ("dest_addr_ton", one),
                ("dest_addr_npi", one),
                ("destination_addr", CString(21)),
                ("esm_class", one),
                ("protocol_id", one),
                ("priority_flag", one),
                ("schedule_delivery_time", Time()),
                ("validity_period", Time()),
                ("registered_delivery", one),
                ("replace_if_present_flag", one),
                ("data_coding", one),
                ("sm_default_msg_id", one),
                ("short_message", ShortMessage(254)),
            ],
        )

    def test_sizes_that_gateways_get_wrong(self) -> None:
        """Long addresses in data_sm only; cancel_sm and replace_sm as printed."""
        table = wire.table_of
        self.assertEqual(table(pdus.DataSm)["source_addr"], CString(65))
        self.assertEqual(table(pdus.AlertNotification)["esme_addr"], CString(65))
        self.assertEqual(table(pdus.CancelSm)["destination_addr"], CString(21))
        self.assertNotIn("service_type", table(pdus.ReplaceSm))
        self.assertEqual(table(pdus.BindTransceiver)["password"], CString(9))
        self.assertEqual(table(pdus.BindTransceiver)["address_range"], CString(41))

    def test_no_pdu_is_looked_at_by_the_collector(self) -> None:
        """They hold no cycles, and there are many of them."""
        for cls in pdus.ALL:
            self.assertFalse(cls.__struct_config__.gc)


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
    def test_no_password_and_no_control_octets(self) -> None:
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
