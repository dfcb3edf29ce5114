"""The header of a PDU, and the PDUs that are a header alone (SMPP 3.4 §3.2, §5.1).

These are most of what a session sends besides messages, so they are written by hand;
whatever has a body of its own is for `gdemoi.smpp.pdu.pdus`.

`PduFramer` cuts a stream of octets into PDUs by their command_length.  A length under
the header's or over `MOST_OCTETS` loses the frame: what follows cannot be found again,
so the stream ends (`LostFrame`).  Nothing is ever reserved for a length that was
announced.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from gdemoi.errors import TheirFault
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


# message_payload of 64 K octets and the rest of a submit_multi, rounded up.
MOST_OCTETS: Final = 70_000

_length_of: Final = Struct(">I").unpack_from
_number_of: Final = Struct(">12xI").unpack_from


class LostFrame(TheirFault):
    """The peer sent no command_length; answer generic_nack and close.

    `sequence_number` is the bad PDU's, 0 when it could not be read;
    `command_status` is what the generic_nack says; `frames` are the PDUs that
    came whole before it in the same data.
    """

    command_status = INVCMDLEN

    def __init__(
        self, length: int, sequence_number: int, frames: list[bytes], head: bytes
    ) -> None:
        super().__init__(f"command_length {length}; the stream begins {head!r}")
        self.length = length
        self.sequence_number = sequence_number
        self.frames = frames


class PduFramer:
    """Splits one direction of a connection into PDUs."""

    __slots__ = ("_lost", "_most", "_pending")

    def __init__(self, most_octets: int = MOST_OCTETS) -> None:
        self._pending = bytearray()
        self._most = most_octets
        self._lost = False

    @property
    def pending(self) -> int:
        """How many octets of an unfinished PDU are kept."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the PDUs that `data` completes, each with its header.

        Raises `LostFrame` once; octets after that are thrown away.
        """
        if self._lost:
            return []
        pending = self._pending
        if pending:
            pending += data
            data = bytes(pending) if self._ready(pending) else b""
            if not data:
                return []
            pending.clear()
        frames: list[bytes] = []
        start = 0
        size = len(data)
        while size - start >= 4:
            (length,) = _length_of(data, start)
            if not HEADER_OCTETS <= length <= self._most:
                raise self._lose(data, start, length, frames)
            end = start + length
            if end > size:
                break
            frames.append(data[start:end])
            start = end
        pending += data[start:]
        return frames

    def _ready(self, pending: bytearray) -> bool:
        """Tell whether the first PDU is whole, or known to be none.

        Keeps a PDU that dribbles in octet by octet from being copied each time.
        """
        if len(pending) < 4:
            return False
        length = int(_length_of(pending)[0])
        if not HEADER_OCTETS <= length <= self._most:
            return True
        return len(pending) >= length

    def _lose(
        self, data: bytes, start: int, length: int, frames: list[bytes]
    ) -> LostFrame:
        self._lost = True
        self._pending.clear()
        number = 0
        if len(data) - start >= HEADER_OCTETS:
            (number,) = _number_of(data, start)
        return LostFrame(length, number, frames, data[start : start + 16])
