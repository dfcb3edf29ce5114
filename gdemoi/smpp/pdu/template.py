"""submit_sm from a template: what does not change is encoded once (SMPP 3.4 §4.4.1).

Messages of one sender over one channel differ in destination, esm_class,
validity_period, data_coding and short_message alone.  Equal to `pdus.encode` of the
whole PDU, octet for octet; what breaks a limit is left to it, which says what and
where.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from gdemoi.smpp.pdu.headers import HEADER_OCTETS
from gdemoi.smpp.pdu.pdus import SubmitSm, encode
from gdemoi.smpp.pdu.tlvs import Tlv

_LENGTH: Final = struct.Struct(">I").pack
_MOST_OCTETS: Final = 254
_LONGEST_ADDRESS: Final = 20
_TIME_OCTETS: Final = 16


def _is_time(value: str) -> bool:
    return len(value) == _TIME_OCTETS and "\0" not in value


class SubmitTemplate:
    """A submit_sm without destination and short_message.

    Raises `OurFault` when a field of `pdu` breaks a limit of the specification.
    """

    __slots__ = (
        *("_after_time", "_before_time", "_last", "_source", "pdu"),
        "registered_delivery",
    )

    def __init__(self, pdu: SubmitSm) -> None:
        self.pdu = pdu
        # which receipts the PDU asks for (§5.2.17)
        self.registered_delivery = pdu.registered_delivery
        bare = msgspec.structs.replace(
            pdu, destination_addr="", validity_period="", short_message=b"", tlvs=()
        )
        octets = encode(bare)
        source = (
            HEADER_OCTETS + len(pdu.service_type) + 1 + 2 + len(pdu.source_addr) + 1
        )
        # after the destination's TON, NPI and NUL, and esm_class
        flags = source + 4
        schedule_end = flags + 2 + len(pdu.schedule_delivery_time) + 1
        self._source = octets[4:source]
        self._before_time = octets[flags:schedule_end]
        # after the NUL of validity_period
        self._after_time = octets[schedule_end : schedule_end + 3]
        self._last = octets[schedule_end + 4 : schedule_end + 5]

    def encode(
        self,
        ton: int,
        npi: int,
        destination_addr: str,
        data_coding: int,
        short_message: bytes,
        *,
        esm_class: int = 0,
        validity_period: str = "",
        tlvs: tuple[Tlv, ...] = (),
    ) -> bytes:
        """Return the octets with sequence_number 0; raise `OurFault` as `encode`."""
        size = len(short_message)
        if (
            size > _MOST_OCTETS
            or len(destination_addr) > _LONGEST_ADDRESS
            or not (destination_addr.isascii() and validity_period.isascii())
            or "\0" in destination_addr
            or (validity_period and not _is_time(validity_period))
            or tlvs
        ):
            return self._encode_whole(
                dest_addr_ton=ton,
                dest_addr_npi=npi,
                destination_addr=destination_addr,
                data_coding=data_coding,
                short_message=short_message,
                esm_class=esm_class,
                validity_period=validity_period,
                tlvs=tlvs,
            )
        body = b"".join(
            (
                self._source,
                b"%c%c%b\0%c" % (ton, npi, destination_addr.encode("ascii"), esm_class),
                self._before_time,
                validity_period.encode("ascii"),
                self._after_time,
                b"%c%b%c" % (data_coding, self._last, size),
                short_message,
            )
        )
        return _LENGTH(len(body) + 4) + body

    def _encode_whole(self, **fields: object) -> bytes:
        return encode(msgspec.structs.replace(self.pdu, **fields))
