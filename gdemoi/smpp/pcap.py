"""PDUs as a capture file that Wireshark opens.

The classic pcap format with raw IPv4 packets (LINKTYPE_RAW): each PDU travels in
TCP packets made up for it, between an ESME and an SMSC with addresses for
documentation (RFC 5737), on port 2775, where Wireshark looks for SMPP.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct, unpack
from typing import Final

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


def pcap(pdus: Iterable[tuple[float, bool, bytes]]) -> bytes:
    """Return a capture of (time, whether the ESME sent it, octets)."""
    file = [_FILE_HEADER.pack(0xA1B2C3D4, 2, 4, 0, 0, _SNAPLEN, _LINKTYPE_RAW)]
    sent = {True: 1, False: 1}
    for at, ours, octets in pdus:
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
