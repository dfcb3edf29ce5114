"""Optional parameters: tag, length, value (SMPP 3.4 §3.2.4, §5.3).

Knows the tags of SMPP 3.4 and the sizes their values may have.  What was received
is never refused for its size or an unknown tag: a TLV is the pair (tag, octets),
kept in order.  What we write of the known ones must have the right size.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

import msgspec

from gdemoi.errors import OurFault

# The tag and the octets of the value.
Tlv = tuple[int, bytes]


class Tag(IntEnum):
    """The tags of SMPP 3.4 §5.3.2, by the names of the specification."""

    dest_addr_subunit = 0x0005
    dest_network_type = 0x0006
    dest_bearer_type = 0x0007
    dest_telematics_id = 0x0008
    source_addr_subunit = 0x000D
    source_network_type = 0x000E
    source_bearer_type = 0x000F
    source_telematics_id = 0x0010
    qos_time_to_live = 0x0017
    payload_type = 0x0019
    additional_status_info_text = 0x001D
    receipted_message_id = 0x001E
    ms_msg_wait_facilities = 0x0030
    privacy_indicator = 0x0201
    source_subaddress = 0x0202
    dest_subaddress = 0x0203
    user_message_reference = 0x0204
    user_response_code = 0x0205
    source_port = 0x020A
    destination_port = 0x020B
    sar_msg_ref_num = 0x020C
    language_indicator = 0x020D
    sar_total_segments = 0x020E
    sar_segment_seqnum = 0x020F
    sc_interface_version = 0x0210
    callback_num_pres_ind = 0x0302
    callback_num_atag = 0x0303
    number_of_messages = 0x0304
    callback_num = 0x0381
    dpf_result = 0x0420
    set_dpf = 0x0421
    ms_availability_status = 0x0422
    network_error_code = 0x0423
    message_payload = 0x0424
    delivery_failure_reason = 0x0425
    more_messages_to_send = 0x0426
    message_state = 0x0427
    ussd_service_op = 0x0501
    display_time = 0x1201
    sms_signal = 0x1203
    ms_validity = 0x1204
    alert_on_message_delivery = 0x130C
    its_reply_type = 0x1380
    its_session_info = 0x1383


class Shape(msgspec.Struct, frozen=True):
    """The sizes of a value; `text` ones end in a NUL that counts."""

    least: int
    most: int
    text: bool = False


_ONE_OCTET: Final = Shape(1, 1)

# Those that are not one octet long.
_OTHERS: Final[dict[int, Shape]] = {
    Tag.dest_telematics_id: Shape(2, 2),
    Tag.qos_time_to_live: Shape(4, 4),
    Tag.additional_status_info_text: Shape(1, 256, text=True),
    Tag.receipted_message_id: Shape(1, 65, text=True),
    Tag.source_subaddress: Shape(2, 23),
    Tag.dest_subaddress: Shape(2, 23),
    Tag.user_message_reference: Shape(2, 2),
    Tag.source_port: Shape(2, 2),
    Tag.destination_port: Shape(2, 2),
    Tag.sar_msg_ref_num: Shape(2, 2),
    Tag.callback_num_atag: Shape(0, 65),
    Tag.callback_num: Shape(4, 19),
    Tag.network_error_code: Shape(3, 3),
    Tag.message_payload: Shape(0, 65535),
    Tag.sms_signal: Shape(2, 2),
    # SMPP 5.0 gives it an octet
    Tag.alert_on_message_delivery: Shape(0, 1),
    Tag.its_session_info: Shape(2, 2),
}

SHAPES: Final[dict[int, Shape]] = dict.fromkeys(map(int, Tag), _ONE_OCTET) | _OTHERS

# A full message_payload, and some for the others.
MOST_OCTETS: Final = 68_000

_HEAD: Final = struct.Struct(">HH")
_unpack: Final = _HEAD.unpack_from
_pack: Final = _HEAD.pack


def name_of(tag: int) -> str:
    """Return the specification's name of a tag, or its number: ``0x1403``."""
    try:
        return Tag(tag).name
    except ValueError:
        return f"0x{tag:04X}"


class CutTlv(ValueError):
    """The TLVs from `offset` on run past the end; `read` are those before."""

    def __init__(self, offset: int, tag: int, read: tuple[Tlv, ...]) -> None:
        super().__init__(offset, tag, read)
        self.offset = offset
        self.tag = tag
        self.read = read


def read(octets: bytes, offset: int) -> tuple[Tlv, ...]:
    """Return the TLVs from `offset` to the end; raise `CutTlv`."""
    found: list[Tlv] = []
    size = len(octets)
    while offset + 4 <= size:
        tag, length = _unpack(octets, offset)
        value = octets[offset + 4 : offset + 4 + length]
        if len(value) != length:
            raise CutTlv(offset, tag, tuple(found))
        found.append((tag, value))
        offset += 4 + length
    if offset != size:
        raise CutTlv(offset, -1, tuple(found))
    return tuple(found)


def write(tlvs: Sequence[Tlv]) -> bytes:
    """Return the octets of `tlvs`; `OurFault` for a value of a wrong size."""
    octets = b""
    for tag, value in tlvs:
        length = len(value)
        shape = SHAPES.get(tag)
        if shape is not None and not shape.least <= length <= shape.most:
            raise OurFault(f"TLV {name_of(tag)} cannot have {length} octets")
        try:
            octets += _pack(tag, length) + value
        except struct.error as error:
            raise OurFault(f"TLV {tag!r} of {length} octets: {error}") from None
    if len(octets) > MOST_OCTETS:
        raise OurFault(f"{len(octets)} octets of TLVs are no PDU's")
    return octets


def integer(tag: int, value: int) -> Tlv:
    """Return a TLV that holds a number, as wide as the specification says."""
    shape = SHAPES.get(tag, _ONE_OCTET)
    try:
        return int(tag), value.to_bytes(shape.least or 1, "big")
    except OverflowError:
        raise OurFault(f"TLV {name_of(tag)} cannot hold {value}") from None


def text(tag: int, value: str) -> Tlv:
    """Return a TLV that holds a C-octet string."""
    if "\0" in value:
        raise OurFault(f"TLV {name_of(tag)} cannot hold a NUL")
    try:
        return int(tag), value.encode("latin-1") + b"\0"
    except UnicodeEncodeError as error:
        raise OurFault(f"TLV {name_of(tag)}: {error}") from None
