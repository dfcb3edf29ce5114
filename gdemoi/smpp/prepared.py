"""A message made ready for SMPP, with its progress; references of long messages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from gdemoi.message import Outbound
from gdemoi.text.segments import Segment


class Prepared:
    """A message made ready, and how far its segments have got."""

    __slots__ = (
        *("_compose", "_octets", "_tlvs", "charset", "data_coding", "message"),
        *("parts", "receipt_expected", "segments", "sender", "taken"),
    )

    def __init__(
        self,
        message: Outbound,
        sender: str | None,
        charset: str,
        data_coding: int,
        compose: Callable[[bool], tuple[list[Segment], list[bytes]]],
        *,
        tlvs: bool,
        receipt_expected: bool,
    ) -> None:
        self.message = message
        self.sender = sender
        self.charset = charset
        self.data_coding: int | None = data_coding
        self.receipt_expected = receipt_expected
        self._compose = compose
        self._tlvs = tlvs
        self.parts, self._octets = compose(tlvs)
        # how many PDUs this is
        self.segments = len(self.parts)
        # message_id of each segment that the SMSC has; None: not yet
        self.taken: list[str | None] = [None] * len(self.parts)

    def octets(self, *, tlvs: bool) -> list[bytes]:
        """Return the PDUs, numbered 0, for a link that takes TLVs, or not.

        Changing between the two begins anew: segments of both do not mix.
        """
        if tlvs is not self._tlvs:
            self._tlvs = tlvs
            self.parts, self._octets = self._compose(tlvs)
            self.segments = len(self.parts)
            self.taken = [None] * len(self.parts)
        return self._octets

    def user_data(self) -> list[tuple[str, int]]:
        """Return (hex of the user data, units in it) for each segment."""
        return [(part.user_data.hex(), part.units) for part in self.parts]

    def wire(self) -> list[list[str]]:
        """Return each segment's PDU in hex, with sequence number 1, 2, 3…"""
        shown = []
        for number, octets in enumerate(self._octets, 1):
            numbered = octets[:12] + number.to_bytes(4, "big") + octets[16:]
            shown.append([numbered.hex()])
        return shown


class References:
    """Reference numbers of long messages: a counter per (sender, destination)."""

    def __init__(self, random: Callable[[], float], limit: int = 10_000) -> None:
        self._random = random
        self._limit = limit
        self._last: OrderedDict[tuple[str, str], int] = OrderedDict()

    def next(self, sender: str, destination: str) -> int:
        """Return the next reference, 16 bits wide."""
        pair = (sender, destination)
        last = self._last.pop(pair, None)
        if last is None:
            # after a restart the counters must not begin where they began before
            last = int(self._random() * 0x10000)
        reference = (last + 1) & 0xFFFF
        self._last[pair] = reference
        if len(self._last) > self._limit:
            self._last.popitem(last=False)
        return reference
