"""The user data header of an SMS (3GPP TS 23.040 §9.2.3.24).

Knows how elements are laid out, and the few that matter here: concatenation (00,
08), ports (04, 05), national tables (24, 25).  Every other element is kept as
data.  Never raises on what was received: a header that contradicts itself is
marked `broken`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gdemoi.message import InboundSegment
from gdemoi.text import gsm7

CONCATENATION_8: Final = 0x00
PORTS_8: Final = 0x04
PORTS_16: Final = 0x05
CONCATENATION_16: Final = 0x08
SINGLE_SHIFT: Final = 0x24
LOCKING_SHIFT: Final = 0x25

# Data octets that an element must have to mean anything.
_SIZES: Final = {
    CONCATENATION_8: 3,
    PORTS_8: 2,
    PORTS_16: 4,
    CONCATENATION_16: 4,
    SINGLE_SHIFT: 1,
    LOCKING_SHIFT: 1,
}


class Udh(msgspec.Struct, frozen=True):
    """A header: its elements (identifier, data) in order."""

    elements: tuple[tuple[int, bytes], ...] = ()
    # the octets contradicted themselves; `elements` are those that could be read
    broken: bool = False

    def __len__(self) -> int:
        """Return its size on the air, the length octet included; 0: no header."""
        if not self.elements:
            return 0
        return 1 + sum(2 + len(data) for _, data in self.elements)

    def __bool__(self) -> bool:
        return bool(self.elements)

    def build(self) -> bytes:
        """Return the octets, the length octet first; none for no elements."""
        if not self.elements:
            return b""
        body = b"".join(bytes((iei, len(data))) + data for iei, data in self.elements)
        return bytes((len(body),)) + body

    def get(self, identifier: int) -> bytes | None:
        """Return the data of the last element of that kind.

        TS 23.040: of elements that exclude each other the last one counts.
        Elements of a wrong size are no elements.
        """
        size = _SIZES.get(identifier)
        found = None
        for iei, data in self.elements:
            if iei == identifier and (size is None or len(data) == size):
                found = data
        return found

    @property
    def part(self) -> InboundSegment | None:
        """Which segment of a long SMS this is; None for one that stands alone.

        A total or number of 0, or a number over the total, is to be ignored
        (TS 23.040 §9.2.3.24.1).
        """
        for identifier in (CONCATENATION_16, CONCATENATION_8):
            data = self.get(identifier)
            if data is None:
                continue
            total, number = data[-2], data[-1]
            if 1 <= number <= total:
                return InboundSegment(data[:-2].hex(), total, number)
        return None

    @property
    def ports(self) -> tuple[int, int] | None:
        """The (destination, source) application ports."""
        for identifier in (PORTS_16, PORTS_8):
            data = self.get(identifier)
            if data is not None:
                half = len(data) // 2
                return (
                    int.from_bytes(data[:half], "big"),
                    int.from_bytes(data[half:], "big"),
                )
        return None

    @property
    def single_shift(self) -> int:
        """The language of the national extension table; 0: the default."""
        return int.from_bytes(self.get(SINGLE_SHIFT) or b"\0", "big")

    @property
    def locking_shift(self) -> int:
        """The language of the national basic table; 0: the default."""
        return int.from_bytes(self.get(LOCKING_SHIFT) or b"\0", "big")

    @property
    def fill_bits(self) -> int:
        """How many bits stand between this header and packed septets."""
        return gsm7.fill_bits(len(self))


def ports(destination: int, source: int = 0) -> Udh:
    """Return a header that addresses an application port, 16 bits wide."""
    data = destination.to_bytes(2, "big") + source.to_bytes(2, "big")
    return Udh(((PORTS_16, data),))


def parse(octets: bytes) -> tuple[Udh, bytes]:
    """Return the header at the beginning of `octets`, and what follows it.

    A length that runs past the end makes everything user data; an element that
    runs past the header ends the header's reading.  Both mark it `broken`.
    """
    if not octets:
        return Udh(broken=True), b""
    end = 1 + octets[0]
    if end > len(octets):
        return Udh(broken=True), octets
    elements: list[tuple[int, bytes]] = []
    offset = 1
    while offset + 2 <= end:
        identifier, size = octets[offset], octets[offset + 1]
        offset += 2
        if offset + size > end:
            return Udh(tuple(elements), broken=True), octets[octets[0] + 1 :]
        elements.append((identifier, octets[offset : offset + size]))
        offset += size
    return Udh(tuple(elements), broken=offset != end), octets[end:]
