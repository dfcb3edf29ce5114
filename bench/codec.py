"""Microseconds per PDU of the SMPP codec.

The best of several runs, since everything else that a machine does only adds.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from time import process_time
from typing import Any

from bench.figures import Line, of_rows
from bench.rig import Work
from gdemoi.message import Charset
from gdemoi.smpp.pdu import pdus, tlvs
from gdemoi.smpp.pdu.headers import PduFramer
from gdemoi.smpp.pdu.pdus import Tag
from gdemoi.text import charset, segments

Row = tuple[str, float, str, float | None]

SUBMIT_SM = pdus.SubmitSm(
    sequence_number=77,
    source_addr_ton=5,
    source_addr="GdeMoi",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr="79161234567",
    registered_delivery=1,
    short_message=b"  setparam 2004:example.com;2005:5027;2006:12",
)
RECEIPT = pdus.DeliverSm(
    sequence_number=9,
    source_addr_ton=1,
    source_addr_npi=1,
    source_addr="79161234567",
    destination_addr="GdeMoi",
    esm_class=0x04,
    short_message=b"id:1292888358 sub:001 dlvrd:001 submit date:2611210239"
    b" done date:2611210240 stat:DELIVRD err:000 text:engine stop",
    tlvs=(
        tlvs.text(Tag.receipted_message_id, "4d0fe926"),
        tlvs.integer(Tag.message_state, 2),
        (Tag.network_error_code, b"\x03\x00\x00"),
    ),
)
COMMAND = SUBMIT_SM.short_message.decode("ascii")
LONG = "Двигатель заглушен, автомобиль стоит. " * 6


def microseconds(work: Callable[[], Any], number: int = 20_000) -> float:
    """Return the time of one call."""
    return (
        min(timeit.repeat(work, timer=process_time, number=number, repeat=7))
        / number
        * 1e6
    )


def codec(pdu: pdus.Pdu, name: str, budgets: tuple[float, float]) -> list[Row]:
    """Return the rows of encoding and decoding one PDU."""
    octets = pdus.encode(pdu)
    encode, decode = pdus.encode, pdus.decode
    assert decode(octets) == pdu
    return [
        (f"encode {name}", microseconds(lambda: encode(pdu)), "µs", budgets[0]),
        (f"decode {name}", microseconds(lambda: decode(octets)), "µs", budgets[1]),
    ]


def framing() -> list[Row]:
    """Return the time that one PDU of many in one read takes to cut off."""
    stream = pdus.encode(RECEIPT) * 100
    per_hundred = microseconds(lambda: PduFramer().feed(stream), 500)
    return [("frame one PDU of 100 in a read", per_hundred / 100, "µs", None)]


def text() -> list[Row]:
    """Return the times of choosing, encoding and cutting texts."""
    choose, encode, split = charset.choose, charset.encode, segments.split
    return [
        (
            "choose and encode a text of 45 characters",
            microseconds(
                lambda: encode(*choose(COMMAND, Charset.AUTO)),
            ),
            "µs",
            2.0,
        ),
        (
            "cut a text of 228 Cyrillic letters",
            microseconds(lambda: split(LONG, Charset.UCS2), 2_000),
            "µs",
            None,
        ),
    ]


def main(work: Work) -> list[Line]:
    """Return a line for each measure."""
    rows = [
        *codec(SUBMIT_SM, "submit_sm of 45 octets", (1.2, 2.0)),
        *codec(RECEIPT, "deliver_sm receipt with 3 TLVs", (2.0, 2.5)),
        *codec(pdus.SubmitSmResp(message_id="4d0fe926"), "submit_sm_resp", (1.2, 2.0)),
        *codec(pdus.DeliverSmResp(sequence_number=9), "deliver_sm_resp", (1.2, 2.0)),
        *framing(),
        *text(),
    ]
    return of_rows(rows)
