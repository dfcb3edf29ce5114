"""Encoders and decoders, generated from the tables of the PDU classes.

One of each for every class, made once at import, as attrs and dataclasses make
their methods.  The generated code knows only the ways that go well and is as fast
as unrolled code; when it stumbles, `pdus` walks the table field by field to say
what is wrong and where, or to take what can be read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, TypeVar

from gdemoi.smpp.pdus_base import Pdu
from gdemoi.smpp.tlvs import read as read_tlvs
from gdemoi.smpp.tlvs import write as write_tlvs
from gdemoi.smpp.wire import (
    HEADER_OCTETS,
    DecoderSource,
    EncoderSource,
    Integer,
    table_of,
)

_OCTET: Final = {number: chr(number) for number in range(256)}
_HEAD: Final = struct.Struct(">IIII")


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
        "_head": _HEAD.pack,
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
