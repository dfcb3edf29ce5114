"""The short PDUs of a session, as octets: headers alone, and the plain answers.

Written and read by hand since they are most of what is sent besides messages;
everything with a body of its own is the codec's.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.tlvs import Tag
from gdemoi.smpp.states import BINDS, DATA_SM, DELIVER_SM, RESPONSE, ROK

HEADER: Final = Struct(">IIII")
BIND_ANSWERS: Final = frozenset(command | RESPONSE for command in BINDS)
_BIND_ANSWER_PDUS: Final = (
    pdus.BindReceiverResp,
    pdus.BindTransmitterResp,
    pdus.BindTransceiverResp,
)


def header(command_id: int, status: int, number: int) -> bytes:
    """Return a PDU without a body."""
    return HEADER.pack(16, command_id, status, number)


def response(command_id: int, status: int, number: int) -> bytes:
    """Return what answers a request of the SMSC.

    deliver_sm_resp and data_sm_resp have a body on success, an empty message_id
    (SMPP 3.4 §4.6.2); no other answer of an ESME has one.
    """
    if status == ROK and command_id in (DELIVER_SM, DATA_SM):
        return HEADER.pack(17, command_id | RESPONSE, ROK, number) + b"\0"
    return header(command_id | RESPONSE, status, number)


def numbered(octets: bytes, number: int) -> bytes:
    """Return an encoded PDU under another sequence number."""
    return octets[:12] + number.to_bytes(4, "big") + octets[16:]


def bind_answer(frame: bytes) -> tuple[str, int | None]:
    """Return what can be read of a bind's answer: system_id, version."""
    pdu = pdus.decode(frame)
    if isinstance(pdu, _BIND_ANSWER_PDUS):
        return pdu.system_id, pdu.tlv_int(Tag.sc_interface_version)
    return "", None
