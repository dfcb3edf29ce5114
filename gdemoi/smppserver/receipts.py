"""From events of the outbox to the deliver_sm that tell them (SMPP 3.4 §4.6, app. B).

A receipt has its text in the form that parsers expect, all eight fields in their order,
and the TLVs of 3.4; its addresses are those of the submit_sm, swapped, as they were
written.  An inbound SMS goes as GSM 03.38 or UCS2, in parts with a header or as one
message_payload.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from gdemoi.errors import OurFault
from gdemoi.facts import OutboxEvent
from gdemoi.message import Charset, Error, MessageState, SmppOrigin
from gdemoi.smpp.addresses import address
from gdemoi.smpp.pdu.commands import TYPE_INTERMEDIATE, TYPE_RECEIPT, UDHI
from gdemoi.smpp.pdu.pdus import V34, DeliverSm, encode
from gdemoi.smpp.pdu.tlvs import Tag, Tlv, integer
from gdemoi.smpp.pdu.tlvs import text as text_tlv
from gdemoi.smppserver.settings import LongInbound
from gdemoi.smppserver.submits import FAILURE_RECEIPT, FINAL_RECEIPT, INTERMEDIATE
from gdemoi.text import charset as charsets
from gdemoi.text import udh as headers
from gdemoi.text.segments import Method, TooLong, split, split_binary
from gdemoi.text.udh import Udh

# state -> (stat of the text, message_state of §5.2.28)
STATES: Final[dict[MessageState, tuple[str, int]]] = {
    MessageState.DELIVERED: ("DELIVRD", 2),
    MessageState.EXPIRED: ("EXPIRED", 3),
    MessageState.CANCELLED: ("DELETED", 4),
    MessageState.UNDELIVERED: ("UNDELIV", 5),
    MessageState.REJECTED: ("REJECTD", 8),
}
ENROUTE: Final = ("ENROUTE", 1)
ACCEPTED: Final = ("ACCEPTD", 6)
UNKNOWN: Final = ("UNKNOWN", 7)
# The end of a message of which nobody knows what became.
_NOBODY_KNOWS: Final = "gateway:uncertain"
_ASKS: Final = FINAL_RECEIPT | FAILURE_RECEIPT | INTERMEDIATE
_NEVER_TOLD: Final = frozenset(
    (MessageState.ACCEPTED.value, MessageState.WAITING.value)
)
_ON_THE_WAY: Final = frozenset({MessageState.SUBMITTED, MessageState.ENROUTE})
_OK: Final = "000"
_FAILED: Final = "001"
_THREE_DIGITS: Final = re.compile(r":(\d{1,3})$").search
_HEX: Final = re.compile(r":0x([0-9A-Fa-f]+)$").search
_DATE: Final = "%y%m%d%H%M"
# What a part may hold beside its header, in octets of short_message.
SHORT_MESSAGE_LIMIT: Final = 254
_BINARY: Final = 4
_UCS2: Final = 8


class Told(msgspec.Struct, frozen=True):
    """What a status event says that a receipt needs."""

    state: MessageState
    final: bool
    at: datetime
    error: Error | None = None


class Arrived(msgspec.Struct, frozen=True):
    """What an inbound event says that a deliver_sm needs."""

    id: str
    from_: str = msgspec.field(name="from")
    to: str | None = None
    text: str | None = None
    binary: bytes | None = None
    udh: str | None = None
    channel: str = ""
    received_at: str = ""
    source_port: int | None = None
    dest_port: int | None = None


_read_told: Final = msgspec.json.Decoder(Told).decode
_read_arrived: Final = msgspec.json.Decoder(Arrived).decode


def arrived(event: OutboxEvent) -> Arrived:
    """Read an inbound event."""
    return _read_arrived(event.body)


def may_be_told(routing_key: str, registered: int) -> bool:
    """Tell whether a status event may have a receipt, by its routing key alone.

    Most events have none; they need not be read.
    """
    state = routing_key.split(".", 2)[1]
    return bool(registered & _ASKS) and state not in _NEVER_TOLD


def stat_of(told: Told, registered: int, no_receipt: str) -> tuple[str, int] | None:
    """Return what is told of an event under a registered_delivery; None: nothing.

    Bits 0 and 1 ask for the final outcome (2: only of a failure), bit 4 for what is on
    the way (§5.2.17).  `no_receipt` is about a message that no receipt will follow.
    """
    wanted = registered & (FINAL_RECEIPT | FAILURE_RECEIPT)
    known = STATES.get(told.state)
    if known is None:
        if told.state not in _ON_THE_WAY and not told.final:
            return None
        if not told.final:
            return ENROUTE if registered & INTERMEDIATE else None
        # the last word, though nobody knows whether the phone has it
        if told.state is MessageState.SUBMITTED:
            asked = wanted and wanted != FAILURE_RECEIPT
            return ACCEPTED if asked and no_receipt == "accepted" else None
        return UNKNOWN if wanted else None
    if not wanted or (
        told.state is MessageState.DELIVERED and wanted == FAILURE_RECEIPT
    ):
        return None
    if told.error is not None and told.error.code == _NOBODY_KNOWS:
        return UNKNOWN
    return known


def error_digits(told: Told) -> str:
    """Return the three digits of ``err:``: the provider's own where it has them."""
    if told.error is None:
        delivered = told.state is MessageState.DELIVERED or not told.final
        return _OK if delivered else _FAILED
    found = _THREE_DIGITS(told.error.code)
    if found is not None:
        return found[1].zfill(3)
    hexadecimal = _HEX(told.error.code)
    number = int(hexadecimal[1], 16) if hexadecimal is not None else 0
    return f"{number:03}" if 0 < number < 1000 else _FAILED


def text_of(
    word: str,
    told: Told,
    message_id: str,
    submitted_at: float,
    beginning: str,
    zone: ZoneInfo,
) -> str:
    """Return the text of a receipt (appendix B); `word` is its ``stat``."""
    submitted = datetime.fromtimestamp(submitted_at, zone)
    return (
        f"id:{message_id} sub:001"
        f" dlvrd:{'001' if word == 'DELIVRD' else '000'}"
        f" submit date:{submitted.strftime(_DATE)}"
        f" done date:{told.at.astimezone(zone).strftime(_DATE)}"
        f" stat:{word} err:{error_digits(told)} text:{beginning}"
    )


def receipt(
    event: OutboxEvent,
    origin: SmppOrigin,
    version: int,
    zone: ZoneInfo,
    no_receipt: str,
) -> bytes | None:
    """Return the deliver_sm that tells an event, numbered 0; None: none is wanted."""
    told = _read_told(event.body)
    stat = stat_of(told, origin.registered_delivery, no_receipt)
    if stat is None:
        return None
    word, state = stat
    is_final = stat is not ENROUTE
    text = text_of(
        word, told, origin.message_id, origin.submitted_at, origin.text, zone
    )
    tlvs: tuple[Tlv, ...] = ()
    if version >= V34:
        tlvs = (
            text_tlv(Tag.receipted_message_id, origin.message_id),
            integer(Tag.message_state, state),
        )
    ton, npi, source = origin.destination
    dest_ton, dest_npi, destination = origin.source
    pdu = DeliverSm(
        service_type=origin.service_type[:5],
        source_addr_ton=ton,
        source_addr_npi=npi,
        source_addr=source,
        dest_addr_ton=dest_ton,
        dest_addr_npi=dest_npi,
        destination_addr=destination[:20],
        esm_class=TYPE_RECEIPT if is_final else TYPE_INTERMEDIATE,
        short_message=text.encode("ascii"),
        tlvs=tlvs,
    )
    return encode(pdu)


def inbound(told: Arrived, version: int, long: LongInbound) -> list[bytes]:
    """Return the deliver_sm of an inbound SMS, each numbered 0, in order.

    Raises `OurFault` for what no deliver_sm can hold.
    """
    source = address(told.from_)
    target = address(told.to or "")
    parts, coding = _parts(told, version, long)
    pdus = []
    for octets, is_headed in parts:
        as_payload = len(octets) > SHORT_MESSAGE_LIMIT
        pdu = DeliverSm(
            source_addr_ton=source.ton,
            source_addr_npi=source.npi,
            source_addr=source.addr[:20],
            dest_addr_ton=target.ton,
            dest_addr_npi=target.npi,
            destination_addr=target.addr[:20],
            esm_class=UDHI if is_headed else 0,
            data_coding=coding,
            short_message=b"" if as_payload else octets,
            tlvs=((int(Tag.message_payload), octets),) if as_payload else (),
        )
        pdus.append(encode(pdu))
    return pdus


def _parts(
    told: Arrived, version: int, long: LongInbound
) -> tuple[list[tuple[bytes, bool]], int]:
    """Return (user data, whether with a header) of each part, and data_coding."""
    method = Method.UDH
    if long is LongInbound.PAYLOAD and version >= V34:
        method = Method.PAYLOAD
    reference = sum(told.id.encode()) & 0xFF
    header = _header(told)
    text = told.text
    if text is None:
        octets = told.binary or b""
        cut = split_binary(octets, method=method, reference=reference, udh=header)
        coding = _BINARY
    else:
        if charsets.fits(text, Charset.GSM8):
            charset, coding = Charset.GSM8, 0
        else:
            charset, coding = Charset.UCS2, _UCS2
        cut = split(text, charset, method=method, reference=reference, udh=header)
    if isinstance(cut, TooLong):
        raise OurFault(
            f"{cut.count} segments beside the header of inbound SMS {told.id}"
        )
    return [(part.user_data, bool(part.udh)) for part in cut], coding


def _header(told: Arrived) -> Udh:
    """Return the header that an SMS came with, but for its parts' numbers."""
    if told.udh:
        known, _ = headers.parse(bytes.fromhex(told.udh))
        joined = (headers.CONCATENATION_8, headers.CONCATENATION_16)
        return Udh(tuple(one for one in known.elements if one[0] not in joined))
    if told.dest_port is not None:
        return headers.ports(told.dest_port, told.source_port or 0)
    return Udh()
