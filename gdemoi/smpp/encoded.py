"""A message made ready for SMPP, with its progress; references of long messages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

from gdemoi.message import Outbound, Progress
from gdemoi.smpp.pdu.headers import numbered
from gdemoi.text.segments import Segment

# Octets of the digest of a form: two forms of one message are hardly ever alike.
_DIGEST_OCTETS: Final = 8


class SmppEncodedMessage:
    """A message made ready, and how far its segments have got."""

    __slots__ = (
        *("_compose", "_octets", "_tlvs", "account", "charset", "data_coding"),
        *("message", "parts", "receipt_expected", "segments", "sender", "taken"),
    )

    def __init__(
        self,
        message: Outbound,
        sender: str | None,
        charset: str,
        data_coding: int,
        compose: Callable[[bool], tuple[list[Segment], list[bytes]]],
        *,
        account: str,
        tlvs: bool,
        receipt_expected: bool,
    ) -> None:
        self.account = account
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

        Where the segments are others then, all begins anew: those of both do not mix.
        """
        if tlvs is not self._tlvs:
            before = self.parts
            self._tlvs = tlvs
            self.parts, self._octets = self._compose(tlvs)
            if self.parts != before:
                self.segments = len(self.parts)
                self.taken = [None] * len(self.parts)
        return self._octets

    def fits(self, *, tlvs: bool) -> bool:
        """Tell whether what is missing can follow on a link that takes TLVs, or not."""
        if tlvs is self._tlvs or not self.partly_taken:
            return True
        return self._compose(tlvs)[0] == self.parts

    @property
    def partly_taken(self) -> bool:
        """Whether the SMSC has some segments."""
        taken = self.taken
        return len(taken) > 1 and taken.count(None) < len(taken)

    def progress(self) -> Progress | None:
        """Return how far it has got; None when no segment of several is taken."""
        if not self.partly_taken:
            return None
        part = self.parts[0].part
        return Progress(
            account=self.account,
            ids=tuple(self.taken),
            segments=len(self.taken),
            reference=None if part is None else int(part.reference, 16),
            form=self.form,
        )

    @property
    def form(self) -> str:
        """A digest of what a phone needs to put the segments together, and to read."""
        digest = blake2b(digest_size=_DIGEST_OCTETS)
        digest.update(repr((self.sender, self.message.to, self.data_coding)).encode())
        for part in self.parts:
            digest.update(repr((part.user_data, part.part, part.sar)).encode())
        return digest.hexdigest()

    def go_on(self, taken: Sequence[str | None]) -> None:
        """Take over which segments the SMSC has from an earlier try."""
        self.taken = list(taken)

    def user_data(self) -> list[tuple[str, int]]:
        """Return (hex of the user data, units in it) for each segment."""
        return [(part.user_data.hex(), part.units) for part in self.parts]

    def wire(self) -> list[list[str]]:
        """Return each segment's PDU in hex, with sequence number 1, 2, 3…"""
        shown = []
        for number, octets in enumerate(self._octets, 1):
            shown.append([numbered(octets, number).hex()])
        return shown


class References:
    """Reference numbers of long messages: a counter per (sender, destination)."""

    def __init__(self, random: Callable[[], float], limit: int = 10_000) -> None:
        self._random = random
        self._limit = limit
        self._last: OrderedDict[tuple[str, str], int] = OrderedDict()

    def seen(self, sender: str, destination: str, reference: int) -> None:
        """Go on behind a reference that was used before a restart."""
        self._last.setdefault((sender, destination), reference & 0xFFFF)

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
