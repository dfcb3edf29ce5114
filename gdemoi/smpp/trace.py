"""The last PDUs of a link, for people: lines, hex, records, a capture file.

Knows where secrets and texts stand in a PDU and masks them: passwords always,
texts when asked.  What comes out is escaped: no PDU can forge a line of the log.

A capture is a classic pcap file with raw IPv4 packets (LINKTYPE_RAW), which Wireshark
opens: each PDU travels in TCP packets made up for it, between an ESME and an SMSC with
addresses for documentation (RFC 5737), on port 2775, where Wireshark looks for SMPP.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import count
from struct import Struct, unpack
from typing import Any, Final

import msgspec

from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.commands import UDHI
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
    if pdu.esm_class & UDHI:
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


# -- a capture file

SMPP_PORT: Final = 2775
ESME_PORT: Final = 40000
_ESME: Final = bytes((192, 0, 2, 1))
_SMSC: Final = bytes((192, 0, 2, 2))
_LINKTYPE_RAW: Final = 101
_SNAPLEN: Final = 0x40000
# What one packet carries: an IPv4 packet has 65,535 octets, headers included.
_MOST_OCTETS: Final = 60_000
_TCP: Final = 6
_PUSH_ACK: Final = 0x18

_FILE_HEADER: Final = Struct("<IHHiIII")
_PACKET_HEADER: Final = Struct("<IIII")
_IPV4: Final = Struct(">BBHHHBBH4s4s")
_TCP_HEADER: Final = Struct(">HHIIBBHHH")


def pcap(passed: Iterable[tuple[float, bool, bytes]]) -> bytes:
    """Return a capture of (time, whether the ESME sent it, octets)."""
    file = [_FILE_HEADER.pack(0xA1B2C3D4, 2, 4, 0, 0, _SNAPLEN, _LINKTYPE_RAW)]
    sent = {True: 1, False: 1}
    for at, ours, octets in passed:
        for start in range(0, len(octets), _MOST_OCTETS):
            piece = octets[start : start + _MOST_OCTETS]
            packet = _packet(ours, sent[ours], sent[not ours], piece)
            sent[ours] = (sent[ours] + len(piece)) & 0xFFFFFFFF
            seconds = int(at)
            micros = min(999_999, int((at - seconds) * 1_000_000))
            size = len(packet)
            file.append(_PACKET_HEADER.pack(seconds, micros, size, size))
            file.append(packet)
    return b"".join(file)


def _packet(ours: bool, sequence: int, acknowledged: int, octets: bytes) -> bytes:
    source, target = (_ESME, _SMSC) if ours else (_SMSC, _ESME)
    ports = (ESME_PORT, SMPP_PORT) if ours else (SMPP_PORT, ESME_PORT)
    fields = (*ports, sequence, acknowledged, 0x50, _PUSH_ACK, 0xFFFF)
    size = _TCP_HEADER.size + len(octets)
    pseudo = source + target + bytes((0, _TCP)) + size.to_bytes(2, "big")
    checksum = _checksum(pseudo + _TCP_HEADER.pack(*fields, 0, 0) + octets)
    tcp = _TCP_HEADER.pack(*fields, checksum, 0)
    whole = _IPV4.size + size
    ip = (0x45, 0, whole, 0, 0x4000, 64, _TCP)
    checksum = _checksum(_IPV4.pack(*ip, 0, source, target))
    return _IPV4.pack(*ip, checksum, source, target) + tcp + octets


def _checksum(octets: bytes) -> int:
    """RFC 1071."""
    if len(octets) % 2:
        octets += b"\0"
    total: int = sum(unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
