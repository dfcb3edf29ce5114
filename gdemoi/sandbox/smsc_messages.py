"""The sandbox SMSC's messages: ids in many forms, receipts in many dialects.

Facts and octets only; when what is sent is `gdemoi.sandbox.smsc`'s.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from attrs import define

from gdemoi.sandbox.smsc_personality import SmscPersonality
from gdemoi.smpp.pdu.commands import UDHI
from gdemoi.smpp.pdu.pdus import DeliverSm, SubmitSm
from gdemoi.smpp.pdu.tlvs import Tag, Tlv
from gdemoi.smpp.receipts import MESSAGE_STATES
from gdemoi.text import charset as charsets
from gdemoi.text import udh as headers

RECEIPT: Final = 0x04
INTERMEDIATE: Final = 0x20
_STATE_OF: Final = {word: number for number, word in MESSAGE_STATES.items()}


@define
class SmscMessage:
    """A submit_sm that the sandbox took."""

    number: int
    message_id: str
    system_id: str
    pdu: SubmitSm
    text: str
    at: float
    state: int = 1
    err: str = "000"


def spelled(number: int, form: str) -> str:
    """Return a message's id in one of the forms that carriers use."""
    match form:
        case "hex":
            return f"{number:x}"
        case "HEX":
            return f"{number:X}"
        case "padded":
            return f"{number:010d}"
        case "uuid":
            return f"0e999f21-81ef-4974-a414-{number:012x}"
        case "empty":
            return ""
        case _:
            return str(number)


def text_of(pdu: SubmitSm) -> str:
    """Return the text of a submit, as far as it can be read."""
    octets = pdu.short_message or pdu.tlv(Tag.message_payload) or b""
    fill_bits = 0
    if pdu.esm_class & UDHI:
        header, octets = headers.parse(octets)
        fill_bits = header.fill_bits
    charset = charsets.charset_of(pdu.data_coding)
    return charsets.decode(octets, charset, fill_bits=fill_bits)


def receipt(
    taken: SmscMessage, how: SmscPersonality, stat: str, err: str, now: float
) -> DeliverSm:
    """Return a receipt for a message, in the account's dialect."""
    form = how.ids if how.receipt_ids == "same" else how.receipt_ids
    spelling = spelled(taken.number, form)
    final = stat not in ("ENROUTE", "ACCEPTD")
    tlvs: tuple[Tlv, ...] = ()
    if how.receipts != "mensatek" and how.version >= 0x34:
        tlvs = (
            (Tag.receipted_message_id, spelling.encode() + b"\0"),
            (Tag.message_state, bytes((_STATE_OF.get(stat, 7),))),
        )
    text = _receipt_text(taken, spelling, stat, err, now)
    if how.receipts == "spec":
        text += f" text:{taken.text[:20]}"
    return DeliverSm(
        source_addr_ton=taken.pdu.dest_addr_ton,
        source_addr_npi=taken.pdu.dest_addr_npi,
        source_addr=taken.pdu.destination_addr,
        dest_addr_ton=taken.pdu.source_addr_ton,
        dest_addr_npi=taken.pdu.source_addr_npi,
        destination_addr=taken.pdu.source_addr,
        esm_class=RECEIPT if final else INTERMEDIATE,
        short_message=(
            b"" if how.receipts == "tlv" else text.encode("latin-1", "replace")
        ),
        tlvs=tlvs,
    )


def _receipt_text(
    taken: SmscMessage, spelling: str, stat: str, err: str, now: float
) -> str:
    delivered = "001" if stat == "DELIVRD" else "000"
    return (
        f"id:{spelling} sub:001 dlvrd:{delivered}"
        f" submit date:{_date(taken.at)} done date:{_date(now)} stat:{stat} err:{err}"
    )


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%y%m%d%H%M")
