"""The last PDUs of a link, for people: lines, hex, records, a capture file.

Knows where secrets and texts stand in a PDU and masks them: passwords always,
texts when asked.  What comes out is escaped: no PDU can forge a line of the log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from itertools import count
from typing import Any, Final

import msgspec

from gdemoi.smpp.pcap import pcap
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import (
    BINDS,
    DATA_SM,
    DELIVER_SM,
    HEADER_OCTETS,
    OUTBIND,
    REPLACE_SM,
    SUBMIT_MULTI,
    SUBMIT_SM,
)
from gdemoi.smpp.pdu.pdus import DeliverSm, SubmitSm
from gdemoi.smpp.pdu.statuses import name_of
from gdemoi.smpp.pdu.tlvs import Tag
from gdemoi.text import charset as charsets
from gdemoi.text import udh as headers

_WITH_PASSWORD: Final = BINDS | {OUTBIND}
_WITH_TEXT: Final = frozenset(
    {SUBMIT_SM, DELIVER_SM, REPLACE_SM, SUBMIT_MULTI, DATA_SM}
)
_UDHI: Final = 0x40
_LONGEST_LINE: Final = 1000


class Direction(Enum):
    """Who sent a PDU."""

    IN = "in"
    OUT = "out"


class TracedPdu(msgspec.Struct, frozen=True, gc=False):
    """One PDU as it passed; `octets` are as on the wire, secrets and all."""

    at: float
    direction: Direction
    link: str
    octets: bytes
    # counts the PDUs of a trace, from 1
    number: int = 0


class Trace:
    """A ring of the last PDUs, and an ear that hears of each.

    Several links of one channel share a ring (`for_link`).
    """

    def __init__(
        self, size: int, tell: Callable[[TracedPdu], None] | None = None, link: str = ""
    ) -> None:
        self.tell = tell
        self._link = link
        self._ring: deque[TracedPdu] = deque(maxlen=size)
        self._numbers = count(1)

    def for_link(self, link: str) -> Trace:
        """Return a trace that writes into the same ring under another name."""
        other = Trace(0, self.tell, link)
        other._ring = self._ring
        other._numbers = self._numbers
        return other

    def note(self, at: float, direction: Direction, octets: bytes) -> None:
        """Take note of a PDU."""
        traced = TracedPdu(at, direction, self._link, octets, next(self._numbers))
        self._ring.append(traced)
        if self.tell is not None:
            self.tell(traced)

    def records(self, *, after: int = 0, texts: bool = True) -> list[dict[str, Any]]:
        """Return PDUs beyond number `after` as data, oldest first.

        A number that this trace has not come to is from before a restart, and
        means all.  Texts are masked unless asked for.
        """
        ring = self._ring
        if ring and ring[-1].number < after:
            after = 0
        return [record(one, texts=texts) for one in ring if one.number > after]

    def pcap(self, *, texts: bool = True) -> bytes:
        """Return the ring as a capture file."""
        return pcap(
            (traced.at, traced.direction is Direction.OUT, masked(traced.octets, texts))
            for traced in self._ring
        )


def record(traced: TracedPdu, *, texts: bool = True) -> dict[str, Any]:
    """Return one PDU as JSON-ready data."""
    octets = masked(traced.octets, texts)
    return {
        "number": traced.number,
        "at": traced.at,
        "direction": traced.direction.value,
        "link": traced.link,
        "command_id": int.from_bytes(octets[4:8], "big"),
        "command_status": int.from_bytes(octets[8:12], "big"),
        "sequence_number": int.from_bytes(octets[12:16], "big"),
        "line": line(traced.octets, texts=texts),
        "hex": octets.hex(),
    }


def line(octets: bytes, *, texts: bool = True) -> str:
    """Return a PDU as one line: what it is, what it says, and its text.

    Secrets are masked, texts when asked; what is not printable is escaped, so
    that no PDU can forge a line.
    """
    pdu = pdus.decode(masked(octets, texts))
    said = ""
    if isinstance(pdu, SubmitSm | DeliverSm) and pdu.short_message:
        said = f" {len(pdu.short_message)} octets"
        if texts:
            said += f" {_text(pdu)!r}"
        pdu = msgspec.structs.replace(pdu, short_message=b"")
    shown = (repr(pdu) + said)[:_LONGEST_LINE]
    status = int.from_bytes(octets[8:12], "big")
    return f"{shown} {name_of(status)}" if status else shown


def _text(pdu: SubmitSm | DeliverSm) -> str:
    """Return the text, for people; data_coding 0 is shown as GSM 03.38."""
    octets, fill_bits = pdu.short_message, 0
    if pdu.esm_class & _UDHI:
        header, octets = headers.parse(octets)
        fill_bits = header.fill_bits
    charset = charsets.charset_of(pdu.data_coding)
    return charsets.decode(octets, charset, fill_bits=fill_bits)


def masked(octets: bytes, texts: bool = True) -> bytes:
    """Return a PDU without its secrets (and texts), of the same length."""
    command_id = int.from_bytes(octets[4:8], "big")
    if command_id in _WITH_PASSWORD:
        start = _after_nul(octets, HEADER_OCTETS)
        return _hide(octets, start, _end(octets, start))
    if texts or command_id not in _WITH_TEXT:
        return octets
    if command_id not in (SUBMIT_SM, DELIVER_SM):
        # rare here, and their layouts differ: nothing of the body is shown
        return _hide(octets, HEADER_OCTETS, len(octets))
    return _without_text(octets)


def _without_text(octets: bytes) -> bytes:
    """Mask short_message and message_payload of a submit_sm or deliver_sm."""
    at = _after_nul(octets, HEADER_OCTETS)
    at = _after_nul(octets, at + 2)
    at = _after_nul(octets, at + 2)
    at = _after_nul(octets, at + 3)
    at = _after_nul(octets, at)
    at += 4
    if at >= len(octets):
        return _hide(octets, HEADER_OCTETS, len(octets))
    end = at + 1 + octets[at]
    found = _hide(octets, at + 1, end)
    while end + 4 <= len(found):
        tag = int.from_bytes(found[end : end + 2], "big")
        size = int.from_bytes(found[end + 2 : end + 4], "big")
        if tag == Tag.message_payload:
            found = _hide(found, end + 4, end + 4 + size)
        end += 4 + size
    return found


def _end(octets: bytes, start: int) -> int:
    found = octets.find(b"\0", start)
    return len(octets) if found < 0 else found


def _after_nul(octets: bytes, start: int) -> int:
    return _end(octets, start) + 1


def _hide(octets: bytes, start: int, end: int) -> bytes:
    end = min(end, len(octets))
    if start >= end:
        return octets
    return octets[:start] + b"*" * (end - start) + octets[end:]
