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
from gdemoi.smpp.wire import HEADER_OCTETS, Integer, Reader, Writer, table_of

_OCTET: Final = {number: chr(number) for number in range(256)}
_HEAD: Final = struct.Struct(">IIII")


M = TypeVar("M", bound=Pdu)


def make_encoder(cls: type[M]) -> Callable[[M], bytes]:
    """Generate the function that writes a whole PDU of class `cls`."""
    table = table_of(cls)
    code = Writer()
    for name, kind in table.items():
        kind.writes(code, name)
    code.close()
    size = " + ".join([str(HEADER_OCTETS), *(f"len({piece})" for piece in code.octets)])
    body = "".join(f" + {piece}" for piece in code.octets)
    lines = [
        *code.lines,
        "if pdu.tlvs or pdu.rest:",
        "    tail = write_tlvs(pdu.tlvs) + pdu.rest",
        f"    return head({size} + len(tail), {cls.command_id}, pdu.command_status,"
        f" pdu.sequence_number){body} + tail",
        f"return head({size}, {cls.command_id}, pdu.command_status,"
        f" pdu.sequence_number){body}",
    ]
    known = {
        "OCTET": _OCTET,
        "head": _HEAD.pack,
        "kinds": table,
        "write_tlvs": write_tlvs,
    }
    made: Callable[[M], bytes] = _function(cls, "encode", "pdu", lines, known)
    return made


def make_decoder(cls: type[M]) -> Callable[[bytes, int, int, int], M]:
    """Generate the function that reads a whole PDU of class `cls`.

    It takes the octets, their number, command_status and sequence_number; raises
    `ValueError` or `IndexError` when the body is not what it should be.
    """
    table = table_of(cls)
    code = Reader()
    for name, kind in table.items():
        kind.reads(code, name)
    place = code.place()
    needs_text = any("text" in line for line in code.lines)
    lines = [
        *(["text = octets.decode('latin-1')"] if needs_text else []),
        *code.lines,
        f"tlvs = read_tlvs(octets, {place}) if {place} < size else ()",
        f"return cls({', '.join(['status', 'number', 'tlvs', 'NOTHING', *table])})",
    ]
    known = {
        "NOTHING": b"",
        "cls": cls,
        "kinds": table,
        "number": lambda octets, at, size: Integer(size).read(octets, at)[0],
        "read_tlvs": read_tlvs,
    }
    made: Callable[[bytes, int, int, int], M] = _function(
        cls, "decode", "octets, size, status, number", lines, known
    )
    return made


def _function(
    cls: type, verb: str, arguments: str, lines: list[str], known: dict[str, Any]
) -> Any:
    name = f"{verb}_{cls.__name__}"
    source = f"def {name}({arguments}):\n" + "".join(f"    {line}\n" for line in lines)
    exec(compile(source, f"<{verb} {cls.__name__}>", "exec"), known)
    return known[name]
