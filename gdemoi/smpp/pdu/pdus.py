"""PDUs to octets and back (SMPP 3.4 §3, §4): the interface of the codec.

`encode` refuses what breaks a limit of the specification (`OurFault`).  `decode`
turns every whole frame into a value: a PDU, or `UnparsedPdu`, which says what is
wrong and what answers it.  A response is read as far as it goes, since what it
answers has happened whatever its body looks like.

One encoder and one decoder for each class are generated at import from the class's
table, as attrs and dataclasses generate their methods.  Generated code only knows
well-formed PDUs, and is as fast as unrolled code; where it fails, the table is walked
field by field, to say what is wrong and where or to take what can be read.

The classes are in `gdemoi.smpp.pdu.commands`; all of them can be imported from here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, TypeVar

from gdemoi.errors import OurFault, TheirFault
from gdemoi.smpp.pdu import wire
from gdemoi.smpp.pdu.commands import (
    V33,
    V34,
    AlertNotification,
    BindReceiver,
    BindReceiverResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    CancelSm,
    CancelSmResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    DestAddress,
    DistributionList,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
    UnparsedPdu,
    UnsuccessSme,
)
from gdemoi.smpp.pdu.headers import HEADER, HEADER_OCTETS, RESPONSE
from gdemoi.smpp.pdu.statuses import Status
from gdemoi.smpp.pdu.tlvs import CutTlv, Tag, Tlv
from gdemoi.smpp.pdu.tlvs import read as read_tlvs
from gdemoi.smpp.pdu.tlvs import write as write_tlvs
from gdemoi.smpp.pdu.wire import DecoderSource, EncoderSource, Integer, table_of

__all__ = [
    "ALL",
    "BY_ID",
    "RESPONSE",
    "V33",
    "V34",
    "AlertNotification",
    "BindReceiver",
    "BindReceiverResp",
    "BindTransceiver",
    "BindTransceiverResp",
    "BindTransmitter",
    "BindTransmitterResp",
    "CancelSm",
    "CancelSmResp",
    "DataSm",
    "DataSmResp",
    "DeliverSm",
    "DeliverSmResp",
    "DestAddress",
    "DistributionList",
    "EnquireLink",
    "EnquireLinkResp",
    "GenericNack",
    "Outbind",
    "Pdu",
    "QuerySm",
    "QuerySmResp",
    "ReplaceSm",
    "ReplaceSmResp",
    "SubmitMulti",
    "SubmitMultiResp",
    "SubmitSm",
    "SubmitSmResp",
    "Tag",
    "Tlv",
    "Unbind",
    "UnbindResp",
    "UnparsedPdu",
    "UnsuccessSme",
    "answer",
    "decode",
    "encode",
]

ALL: Final[tuple[type[Pdu], ...]] = (
    GenericNack,
    BindReceiver,
    BindReceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    QuerySm,
    QuerySmResp,
    SubmitSm,
    SubmitSmResp,
    DeliverSm,
    DeliverSmResp,
    Unbind,
    UnbindResp,
    ReplaceSm,
    ReplaceSmResp,
    CancelSm,
    CancelSmResp,
    BindTransceiver,
    BindTransceiverResp,
    Outbind,
    EnquireLink,
    EnquireLinkResp,
    SubmitMulti,
    SubmitMultiResp,
    AlertNotification,
    DataSm,
    DataSmResp,
)

BY_ID: Final[dict[int, type[Pdu]]] = {cls.command_id: cls for cls in ALL}

# An octet as the character of Latin-1 that it is encoded from.
_OCTET: Final = {number: chr(number) for number in range(256)}
_WORD: Final = 1 << 32


# -- generated code


M = TypeVar("M", bound=Pdu)


def make_encoder(cls: type[M]) -> Callable[[M], bytes]:
    """Generate the function that writes a whole PDU of class `cls`."""
    table = table_of(cls)
    code = EncoderSource()
    for name, kind in table.items():
        kind.writes(code, name)
    code.close()
    size = " + ".join([str(HEADER_OCTETS), *(f"len({piece})" for piece in code.octets)])
    body = "".join(f" + {piece}" for piece in code.octets)
    header = f"{cls.command_id}, _pdu.command_status, _pdu.sequence_number"
    lines = [
        *code.lines,
        "if _pdu.tlvs or _pdu.rest:",
        "    _tail = _write_tlvs(_pdu.tlvs) + _pdu.rest",
        f"    return _head({size} + len(_tail), {header}){body} + _tail",
        f"return _head({size}, {header}){body}",
    ]
    known = {
        "_octet": _OCTET,
        "_head": HEADER.pack,
        "_kinds": table,
        "_write_tlvs": write_tlvs,
    }
    made: Callable[[M], bytes] = _function(cls, "encode", "_pdu", lines, known)
    return made


def make_decoder(cls: type[M]) -> Callable[[bytes, int, int, int], M]:
    """Generate the function that reads a whole PDU of class `cls`.

    It takes the octets, their number, command_status and sequence_number; raises
    `ValueError` or `IndexError` when the body is not what it should be.
    """
    table = table_of(cls)
    code = DecoderSource()
    for name, kind in table.items():
        kind.reads(code, name)
    place = code.place()
    needs_text = any("_text" in line for line in code.lines)
    values = ", ".join(["_status", "_number", "_tlvs", "_nothing", *table])
    lines = [
        *(["_text = _octets.decode('latin-1')"] if needs_text else []),
        *code.lines,
        f"_tlvs = _read_tlvs(_octets, {place}) if {place} < _size else ()",
        f"return _class({values})",
    ]
    known = {
        "_class": cls,
        "_integer": _integer,
        "_kinds": table,
        "_nothing": b"",
        "_read_tlvs": read_tlvs,
    }
    made: Callable[[bytes, int, int, int], M] = _function(
        cls, "decode", "_octets, _size, _status, _number", lines, known
    )
    return made


def _integer(octets: bytes, offset: int, size: int) -> int:
    return Integer(size).read(octets, offset)[0]


def _function(
    cls: type, verb: str, arguments: str, lines: list[str], known: dict[str, Any]
) -> Any:
    name = f"{verb}_{cls.__name__}"
    source = f"def {name}({arguments}):\n" + "".join(f"    {line}\n" for line in lines)
    exec(compile(source, f"<{verb} {cls.__name__}>", "exec"), known)
    return known[name]


_encoders: Final[dict[type[Pdu], Callable[[Any], bytes]]] = {
    cls: make_encoder(cls) for cls in ALL
}
_decoders: Final[dict[int, Callable[[bytes, int, int, int], Pdu]]] = {
    cls.command_id: make_decoder(cls) for cls in ALL
}


# -- writing


def encode(pdu: Pdu, version: int = V34) -> bytes:
    """Return the whole PDU in octets; `OurFault` when it breaks a limit.

    A response with an error has no body unless it has something to say (§4.1.2,
    §4.4.2).  For `version` 0x33, what that version has not is refused: TLVs,
    data_sm, alert_notification, outbind.
    """
    if version < V34:
        _fits_33(pdu)
    try:
        if pdu.command_status and pdu.command_id & RESPONSE and _says_nothing(pdu):
            status, number = pdu.command_status, pdu.sequence_number
            return HEADER.pack(HEADER_OCTETS, pdu.command_id, status, number)
        if pdu.tlvs and type(pdu) in _ONE_TEXT:
            _one_text(pdu)
        return _encoders[type(pdu)](pdu)
    except OurFault:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise _complaint(pdu) from error


def _says_nothing(pdu: Pdu) -> bool:
    if pdu.tlvs or pdu.rest:
        return False
    return not any(getattr(pdu, name) for name in wire.table_of(type(pdu)))


def _fits_33(pdu: Pdu) -> None:
    if not pdu.in_33:
        raise wire.Unwritable(pdu.command, "command_id", "is not of SMPP 3.3")
    if pdu.tlvs:
        raise wire.Unwritable(pdu.command, "tlvs", "do not exist in SMPP 3.3")


# §5.3.2.32: text goes in short_message or in message_payload.
_ONE_TEXT: Final = frozenset({SubmitSm, SubmitMulti})


def _one_text(pdu: Any) -> None:
    if pdu.short_message and pdu.tlv(Tag.message_payload) is not None:
        why = "goes with message_payload"
        raise wire.Unwritable(pdu.command, "short_message", why)


def _complaint(pdu: Pdu) -> OurFault:
    """Say which field could not be written."""
    for name in ("command_status", "sequence_number"):
        value = getattr(pdu, name)
        if not (isinstance(value, int) and 0 <= value < _WORD):
            return wire.Unwritable(pdu.command, name, f"is {value!r}")
    for name, kind in wire.table_of(type(pdu)).items():
        why = kind.complaint(getattr(pdu, name))
        if why is not None:
            return wire.Unwritable(pdu.command, name, why)
    return wire.Unwritable(pdu.command, "tlvs", f"cannot be written: {pdu.tlvs!r}")


# -- reading


def decode(octets: bytes) -> Pdu | UnparsedPdu:
    """Return the PDU in one whole frame, as `PduFramer.feed` returns them.

    Any octets that are a frame give a value.  Others raise `TheirFault`.
    """
    size = len(octets)
    if size < HEADER_OCTETS:
        raise TheirFault(f"{size} octets are no PDU")
    length, command_id, status, number = HEADER.unpack_from(octets)
    if length != size:
        raise TheirFault(f"command_length {length} on a PDU of {size} octets")
    reading = _decoders.get(command_id)
    if reading is None:
        return UnparsedPdu(
            command_id,
            status,
            number,
            octets[HEADER_OCTETS:],
            "command_id",
            4,
            f"nobody knows command 0x{command_id:08X}",
            int(Status.RINVCMDID),
        )
    try:
        return reading(octets, size, status, number)
    except (ValueError, IndexError):
        return _walk(BY_ID[command_id], octets, status, number)


def _walk(cls: type[Pdu], octets: bytes, status: int, number: int) -> Pdu | UnparsedPdu:
    """Read field by field a body that the generated decoder stumbled over."""
    values: dict[str, Any] = {}
    offset = HEADER_OCTETS
    is_response = bool(cls.command_id & RESPONSE)
    try:
        for name, kind in wire.table_of(cls).items():
            values[name], offset = kind.read(octets, offset)
    except wire.InvalidBody as trouble:
        if not is_response:
            return UnparsedPdu(
                cls.command_id,
                status,
                number,
                octets[HEADER_OCTETS:],
                name,
                trouble.offset,
                trouble.why,
                trouble.status,
            )
        values |= _remains(kind, name, octets, offset)
        offset = len(octets)
    return _tail(cls, octets, offset, values, (status, number))


def _remains(
    kind: wire.FieldType, name: str, octets: bytes, offset: int
) -> dict[str, Any]:
    """Return what a cut response still says: a string without its NUL."""
    left = octets[offset:]
    if isinstance(kind, wire.CString) and left:
        return {name: left.decode("latin-1")}
    return {"rest": left}


def _tail(
    cls: type[Pdu],
    octets: bytes,
    offset: int,
    values: dict[str, Any],
    header: tuple[int, int],
) -> Pdu | UnparsedPdu:
    """Take the TLVs before the one that is cut, and keep the rest as octets.

    Unless the text itself was in the part that is lost: then the sender has to
    hear of it.
    """
    status, number = header
    try:
        found = read_tlvs(octets, offset)
    except CutTlv as cut:
        found = cut.read
        values["rest"] = octets[cut.offset :]
        if _lacks_text(cls, values) and not any(
            tag == Tag.message_payload for tag, _ in found
        ):
            return UnparsedPdu(
                cls.command_id,
                status,
                number,
                octets[HEADER_OCTETS:],
                "tlvs",
                cut.offset,
                "an optional parameter runs past the end",
                int(Status.RINVOPTPARSTREAM),
            )
    return cls(command_status=status, sequence_number=number, tlvs=found, **values)


def _lacks_text(cls: type[Pdu], values: dict[str, Any]) -> bool:
    return cls is DataSm or values.get("short_message") == b""


# -- answering


def answer(request: Pdu | UnparsedPdu, status: int = 0, **fields: Any) -> Pdu:
    """Return what answers `request`, with its sequence_number.

    Its own response with `status` and `fields`; generic_nack for a command that
    nobody knows or that has no response.  An `UnparsedPdu` is answered with its own
    `status` when none is given.
    """
    if isinstance(request, UnparsedPdu):
        known = BY_ID.get(request.command_id)
        response = known.response if known is not None else None
        status = status or request.status
    else:
        response = request.response
    cls = response or GenericNack
    return cls(command_status=status, sequence_number=request.sequence_number, **fields)
