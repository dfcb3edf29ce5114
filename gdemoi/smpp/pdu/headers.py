"""The header of a PDU, and the PDUs that are a header alone (SMPP 3.4 §3.2, §5.1).

These are most of what a session sends besides messages, so they are written by hand;
whatever has a body of its own is for `gdemoi.smpp.pdu.pdus`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from gdemoi.smpp.pdu.statuses import Status

# command_length, command_id, command_status, sequence_number
HEADER: Final = Struct(">IIII")
HEADER_OCTETS: Final = 16
# The last sequence_number (§3.2); after it comes 1.
LAST_NUMBER: Final = 0x7FFFFFFF

# command_id (§5.1.2.1); a response's is its request's with this bit set.
RESPONSE: Final = 0x80000000
BIND_RECEIVER: Final = 0x01
BIND_TRANSMITTER: Final = 0x02
QUERY_SM: Final = 0x03
SUBMIT_SM: Final = 0x04
DELIVER_SM: Final = 0x05
UNBIND: Final = 0x06
REPLACE_SM: Final = 0x07
CANCEL_SM: Final = 0x08
BIND_TRANSCEIVER: Final = 0x09
OUTBIND: Final = 0x0B
ENQUIRE_LINK: Final = 0x15
SUBMIT_MULTI: Final = 0x21
ALERT_NOTIFICATION: Final = 0x102
DATA_SM: Final = 0x103
GENERIC_NACK: Final = 0x80000000
BINDS: Final = frozenset({BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER})

# The values of command_status that a session compares with: plain integers, since an
# IntEnum is slower to compare and to pack.
ROK: Final = int(Status.ROK)
INVCMDLEN: Final = int(Status.RINVCMDLEN)
INVCMDID: Final = int(Status.RINVCMDID)
INVBNDSTS: Final = int(Status.RINVBNDSTS)


def header(command_id: int, status: int, number: int) -> bytes:
    """Return a PDU without a body."""
    return HEADER.pack(HEADER_OCTETS, command_id, status, number)


def response(command_id: int, status: int, number: int) -> bytes:
    """Return what answers a request of the SMSC.

    deliver_sm_resp and data_sm_resp have a body on success, an empty message_id
    (SMPP 3.4 §4.6.2); no other answer of an ESME has one.
    """
    answer_id = command_id | RESPONSE
    if status == ROK and command_id in (DELIVER_SM, DATA_SM):
        return HEADER.pack(HEADER_OCTETS + 1, answer_id, ROK, number) + b"\0"
    return header(answer_id, status, number)


def numbered(octets: bytes, number: int) -> bytes:
    """Return an encoded PDU under another sequence number."""
    return octets[:12] + number.to_bytes(4, "big") + octets[16:]
