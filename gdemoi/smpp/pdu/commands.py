"""The PDUs of SMPP 3.4: each class's body is its wire table (§4).

Knows what all PDUs have in common (§3.2), the whole set by the names of the
specification, which of them SMPP 3.3 has not, and the value for what is no PDU.
`gdemoi.smpp.pdu.pdus` turns them into octets and back.  Who may send what when is
the session's rule.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

import msgspec

from gdemoi.smpp.pdu.tlvs import Tlv
from gdemoi.smpp.pdu.wire import (
    CString,
    Integer,
    Row,
    Rows,
    ShortMessage,
    Time,
    table_of,
)


class Pdu(msgspec.Struct, gc=False):
    """Any PDU: the fields of the header, and the optional parameters.

    `rest` are octets at the end of a received PDU that are no TLVs; they are
    written again as they came, so that nothing of it is lost.
    """

    command_id: ClassVar[int]
    # what answers it; None for responses, outbind, alert_notification
    response: ClassVar[type[Pdu] | None] = None
    # the command as the specification writes it: submit_sm
    command: ClassVar[str] = ""
    # SMPP 3.3 has it too
    in_33: ClassVar[bool] = True

    command_status: int = 0
    sequence_number: int = 0
    tlvs: tuple[Tlv, ...] = ()
    rest: bytes = b""

    def tlv(self, tag: int) -> bytes | None:
        """Return the value of the first TLV of that tag."""
        for known, value in self.tlvs:
            if known == tag:
                return value
        return None

    def tlv_int(self, tag: int) -> int | None:
        """Return a TLV's value as a number, whatever its width."""
        value = self.tlv(tag)
        return int.from_bytes(value, "big") if value else None

    def tlv_text(self, tag: int) -> str | None:
        """Return a TLV's value as a string, up to its NUL if it has one."""
        value = self.tlv(tag)
        return None if value is None else value.split(b"\0", 1)[0].decode("latin-1")

    def __repr__(self) -> str:
        """Name the fields that differ from the default; never a password."""
        said = [f"command_status=0x{self.command_status:02X}"] * bool(
            self.command_status
        )
        said.append(f"sequence_number={self.sequence_number}")
        for name in (*table_of(type(self)), "tlvs", "rest"):
            value = getattr(self, name)
            if value:
                said.append(f"{name}={'…' if name == 'password' else repr(value)}")
        return f"{type(self).__name__}({', '.join(said)})"


class UnparsedPdu(msgspec.Struct, frozen=True, gc=False):
    """A whole frame whose body cannot be read, or whose command nobody knows.

    `status` is the command_status that answers it (see `answer`), `field` and
    `offset` (from the frame's first octet) say where reading ended.
    """

    command_id: int
    command_status: int
    sequence_number: int
    # without the header
    body: bytes
    field: str
    offset: int
    why: str
    status: int

    def __repr__(self) -> str:
        """Leave out the body: an outbind's holds a password."""
        return (
            f"UnparsedPdu(command_id=0x{self.command_id:08X},"
            f" sequence_number={self.sequence_number}, field={self.field!r},"
            f" offset={self.offset}, why={self.why!r}, status=0x{self.status:02X},"
            f" {len(self.body)} octets)"
        )


V33: Final = 0x33
V34: Final = 0x34

Octet = Annotated[int, Integer(1)]
Address = Annotated[str, CString(21)]
LongAddress = Annotated[str, CString(65)]
ServiceType = Annotated[str, CString(6)]
MessageId = Annotated[str, CString(65)]
SystemId = Annotated[str, CString(16)]
When = Annotated[str, Time()]
Text = Annotated[bytes, ShortMessage(254)]


# Bits of esm_class (§5.2.12), from the SMSC: bits 5-2 are the type of the message,
# bit 6 (UDHI) says that the user data begins with a header (3GPP TS 23.040 §9.2.3.24).
TYPE_MASK: Final = 0x3C
TYPE_RECEIPT: Final = 0x04
TYPE_INTERMEDIATE: Final = 0x20
UDHI: Final = 0x40


# -- binding


class _Bind(Pdu):
    system_id: SystemId = ""
    password: Annotated[str, CString(9)] = ""
    system_type: Annotated[str, CString(13)] = ""
    interface_version: Octet = V34
    addr_ton: Octet = 0
    addr_npi: Octet = 0
    address_range: Annotated[str, CString(41)] = ""


class _BindResp(Pdu):
    system_id: SystemId = ""


class BindReceiverResp(_BindResp):
    """§4.1.4."""

    command_id = 0x80000001
    command = "bind_receiver_resp"


class BindReceiver(_Bind):
    """§4.1.3."""

    command_id = 0x00000001
    command = "bind_receiver"
    response = BindReceiverResp


class BindTransmitterResp(_BindResp):
    """§4.1.2."""

    command_id = 0x80000002
    command = "bind_transmitter_resp"


class BindTransmitter(_Bind):
    """§4.1.1."""

    command_id = 0x00000002
    command = "bind_transmitter"
    response = BindTransmitterResp


class BindTransceiverResp(_BindResp):
    """§4.1.6."""

    command_id = 0x80000009
    command = "bind_transceiver_resp"


class BindTransceiver(_Bind):
    """§4.1.5; not in SMPP 3.3, but centres of that version take it."""

    command_id = 0x00000009
    command = "bind_transceiver"
    response = BindTransceiverResp


class Outbind(Pdu):
    """§4.1.7: a centre asks an ESME to bind as receiver.  Has no answer."""

    command_id = 0x0000000B
    command = "outbind"
    in_33 = False
    system_id: SystemId = ""
    password: Annotated[str, CString(9)] = ""


class UnbindResp(Pdu):
    """§4.2.2."""

    command_id = 0x80000006
    command = "unbind_resp"


class Unbind(Pdu):
    """§4.2.1."""

    command_id = 0x00000006
    command = "unbind"
    response = UnbindResp


class GenericNack(Pdu):
    """§4.3.1: answers what could not be understood."""

    command_id = 0x80000000
    command = "generic_nack"


class EnquireLinkResp(Pdu):
    """§4.11.2."""

    command_id = 0x80000015
    command = "enquire_link_resp"


class EnquireLink(Pdu):
    """§4.11.1."""

    command_id = 0x00000015
    command = "enquire_link"
    response = EnquireLinkResp


# -- messages


class _MessageIdResp(Pdu):
    message_id: MessageId = ""


class SubmitSmResp(_MessageIdResp):
    """§4.4.2."""

    command_id = 0x80000004
    command = "submit_sm_resp"


class _Sm(Pdu):
    service_type: ServiceType = ""
    source_addr_ton: Octet = 0
    source_addr_npi: Octet = 0
    source_addr: Address = ""
    dest_addr_ton: Octet = 0
    dest_addr_npi: Octet = 0
    destination_addr: Address = ""
    esm_class: Octet = 0
    protocol_id: Octet = 0
    priority_flag: Octet = 0
    schedule_delivery_time: When = ""
    validity_period: When = ""
    registered_delivery: Octet = 0
    replace_if_present_flag: Octet = 0
    data_coding: Octet = 0
    sm_default_msg_id: Octet = 0
    short_message: Text = b""


class SubmitSm(_Sm):
    """§4.4.1."""

    command_id = 0x00000004
    command = "submit_sm"
    response = SubmitSmResp


class DeliverSmResp(_MessageIdResp):
    """§4.6.2; its message_id is unused."""

    command_id = 0x80000005
    command = "deliver_sm_resp"


class DeliverSm(_Sm):
    """§4.6.1."""

    command_id = 0x00000005
    command = "deliver_sm"
    response = DeliverSmResp


class DestAddress(Row):
    """§4.5.1.1, dest_flag 1: an SME address."""

    dest_addr_ton: Octet = 0
    dest_addr_npi: Octet = 0
    destination_addr: Address = ""


class DistributionList(Row):
    """§4.5.1.2, dest_flag 2: the name of a list that the centre keeps."""

    dl_name: Annotated[str, CString(21)] = ""


class UnsuccessSme(Row):
    """§4.5.2.1: a destination that was not served, and why."""

    dest_addr_ton: Octet = 0
    dest_addr_npi: Octet = 0
    destination_addr: Address = ""
    error_status_code: Annotated[int, Integer(4)] = 0


class SubmitMultiResp(Pdu):
    """§4.5.2."""

    command_id = 0x80000021
    command = "submit_multi_resp"
    message_id: MessageId = ""
    unsuccess_sme: Annotated[
        tuple[UnsuccessSme, ...], Rows((UnsuccessSme,), most=255)
    ] = ()


class SubmitMulti(Pdu):
    """§4.5.1."""

    command_id = 0x00000021
    command = "submit_multi"
    response = SubmitMultiResp
    service_type: ServiceType = ""
    source_addr_ton: Octet = 0
    source_addr_npi: Octet = 0
    source_addr: Address = ""
    dest_address: Annotated[
        tuple[DestAddress | DistributionList, ...],
        Rows((DestAddress, DistributionList), flag=True),
    ] = ()
    esm_class: Octet = 0
    protocol_id: Octet = 0
    priority_flag: Octet = 0
    schedule_delivery_time: When = ""
    validity_period: When = ""
    registered_delivery: Octet = 0
    replace_if_present_flag: Octet = 0
    data_coding: Octet = 0
    sm_default_msg_id: Octet = 0
    short_message: Text = b""


class DataSmResp(_MessageIdResp):
    """§4.7.2."""

    command_id = 0x80000103
    command = "data_sm_resp"
    in_33 = False


class DataSm(Pdu):
    """§4.7.1: the text is in the TLV message_payload."""

    command_id = 0x00000103
    command = "data_sm"
    response = DataSmResp
    in_33 = False
    service_type: ServiceType = ""
    source_addr_ton: Octet = 0
    source_addr_npi: Octet = 0
    source_addr: LongAddress = ""
    dest_addr_ton: Octet = 0
    dest_addr_npi: Octet = 0
    destination_addr: LongAddress = ""
    esm_class: Octet = 0
    registered_delivery: Octet = 0
    data_coding: Octet = 0


# -- about messages


class QuerySmResp(Pdu):
    """§4.8.2; final_date has 1 or 17 octets, in answers seen 13 too."""

    command_id = 0x80000003
    command = "query_sm_resp"
    message_id: MessageId = ""
    final_date: Annotated[str, CString(17)] = ""
    message_state: Octet = 0
    error_code: Octet = 0


class QuerySm(Pdu):
    """§4.8.1."""

    command_id = 0x00000003
    command = "query_sm"
    response = QuerySmResp
    message_id: MessageId = ""
    source_addr_ton: Octet = 0
    source_addr_npi: Octet = 0
    source_addr: Address = ""


class CancelSmResp(Pdu):
    """§4.9.2."""

    command_id = 0x80000008
    command = "cancel_sm_resp"


class CancelSm(Pdu):
    """§4.9.1."""

    command_id = 0x00000008
    command = "cancel_sm"
    response = CancelSmResp
    service_type: ServiceType = ""
    message_id: MessageId = ""
    source_addr_ton: Octet = 0
    source_addr_npi: Octet = 0
    source_addr: Address = ""
    dest_addr_ton: Octet = 0
    dest_addr_npi: Octet = 0
    destination_addr: Address = ""


class ReplaceSmResp(Pdu):
    """§4.10.2."""

    command_id = 0x80000007
    command = "replace_sm_resp"


class ReplaceSm(Pdu):
    """§4.10.1."""

    command_id = 0x00000007
    command = "replace_sm"
    response = ReplaceSmResp
    message_id: MessageId = ""
    source_addr_ton: Octet = 0
    source_addr_npi: Octet = 0
    source_addr: Address = ""
    schedule_delivery_time: When = ""
    validity_period: When = ""
    registered_delivery: Octet = 0
    sm_default_msg_id: Octet = 0
    short_message: Text = b""


class AlertNotification(Pdu):
    """§4.12.1: a phone can be reached again.  Has no answer."""

    command_id = 0x00000102
    command = "alert_notification"
    in_33 = False
    source_addr_ton: Octet = 0
    source_addr_npi: Octet = 0
    source_addr: LongAddress = ""
    esme_addr_ton: Octet = 0
    esme_addr_npi: Octet = 0
    esme_addr: LongAddress = ""
