"""A stream of octets cut into PDUs by their command_length (SMPP 3.4 §3.2).

Knows only the first sixteen octets.  A length under the header's or over
`MOST_OCTETS` loses the frame: what follows cannot be found again, so the stream
ends (`LostFrame`).  Nothing is ever reserved for a length that was announced.
"""

from __future__ import annotations

import struct
from typing import Final

from gdemoi.errors import TheirFault
from gdemoi.smpp.pdu.headers import HEADER_OCTETS, INVCMDLEN

# message_payload of 64 K octets and the rest of a submit_multi, rounded up.
MOST_OCTETS: Final = 70_000

_length_of: Final = struct.Struct(">I").unpack_from
_number_of: Final = struct.Struct(">12xI").unpack_from


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
