"""The octets of AMQP 0-9-1: field tables, method arguments, content headers.

Every length is counted in octets and every body stays octets: that is what
txamqp's own codec gets wrong for anything but ASCII.  Field types are RabbitMQ's
(its errata to the specification), all of them both ways.  Octets that contradict
themselves raise `TheirFault`; a value that AMQP cannot carry raises `OurFault`.

Strings are UTF-8 with surrogate escapes, so that any octets read as a string can
be written back unchanged.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from gdemoi.amqp.spec import FRAME_END
from gdemoi.errors import OurFault, TheirFault

END: Final = bytes([FRAME_END])
# Deeper nesting than this is not data but an attack on the stack.
DEEPEST_TABLE: Final = 32

_frame_head = struct.Struct(">BHI").pack
_u8 = struct.Struct(">B")
_u16 = struct.Struct(">H")
_u32 = struct.Struct(">I")
_u64 = struct.Struct(">Q")
_i32 = struct.Struct(">i")
_i64 = struct.Struct(">q")
_double = struct.Struct(">d")
_decimal = struct.Struct(">Bi")

# type octet -> its struct, for the types of a fixed size
_FIXED: Final = {
    ord("I"): _i32,
    ord("i"): _u32,
    ord("l"): _i64,
    ord("L"): _i64,
    ord("b"): struct.Struct(">b"),
    ord("B"): _u8,
    ord("s"): struct.Struct(">h"),
    ord("u"): _u16,
    ord("f"): struct.Struct(">f"),
    ord("d"): _double,
}


class Timestamp(int):
    """Seconds since the epoch in a table, as a type of its own."""


class UnknownFieldType(TheirFault):
    """A table holds a type that is not known, so that its rest cannot be read."""


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Return one whole frame."""
    return _frame_head(kind, channel, len(payload)) + payload + END


def short_string(text: str) -> bytes:
    """Encode a string of at most 255 octets."""
    octets = text.encode("utf-8", "surrogateescape")
    if len(octets) > 255:
        raise OurFault(f"{text[:40]!r}… is longer than 255 octets")
    return _u8.pack(len(octets)) + octets


def long_string(text: str | bytes) -> bytes:
    """Encode a string with a length of four octets."""
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogateescape")
    return _u32.pack(len(text)) + text


def read_short_string(data: bytes, at: int) -> tuple[str, int]:
    """Return the string at `at`, and where it ends."""
    end = at + 1 + data[at]
    if end > len(data):
        raise TheirFault("a string runs past its frame")
    return data[at + 1 : end].decode("utf-8", "surrogateescape"), end


def _read_octets(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 4 + int(_u32.unpack_from(data, at)[0])
    if end > len(data):
        raise TheirFault("a string runs past its frame")
    return data[at + 4 : end], end


# ---- tables ----------------------------------------------------------------


def encode_table(table: Mapping[str, Any]) -> bytes:
    """Encode a field table, its length first."""
    octets = b"".join(short_string(key) + _value(table[key]) for key in table)
    return _u32.pack(len(octets)) + octets


def _value(value: Any) -> bytes:
    # bool is an int, and Timestamp too: the narrower type is asked first.
    match value:
        case None:
            return b"V"
        case bool():
            return b"t\x01" if value else b"t\x00"
        case Timestamp():
            return b"T" + _u64.pack(value)
        case int():
            return _integer(value)
        case str():
            return b"S" + long_string(value)
        case bytes():
            return b"x" + long_string(value)
        case _:
            return _rarer_value(value)


def _rarer_value(value: Any) -> bytes:
    match value:
        case float():
            return b"d" + _double.pack(value)
        case Decimal():
            return _encode_decimal(value)
        case Mapping():
            return b"F" + encode_table(value)
        case list() | tuple():
            octets = b"".join(_value(each) for each in value)
            return b"A" + _u32.pack(len(octets)) + octets
        case _:
            raise OurFault(f"AMQP has no field type for {type(value).__name__}")


def _integer(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"I" + _i32.pack(value)
    if -(2**63) <= value < 2**63:
        return b"l" + _i64.pack(value)
    raise OurFault("AMQP has no integer over 64 bits")


def _encode_decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or not -255 <= exponent <= 0:
        raise OurFault("AMQP cannot carry this decimal")
    unscaled = int("".join(map(str, digits))) * (-1 if sign else 1)
    if not -(2**31) <= unscaled < 2**31:
        raise OurFault("AMQP cannot carry this decimal")
    return b"D" + _decimal.pack(-exponent, unscaled)


def decode_table(data: bytes, at: int, depth: int = 0) -> tuple[dict[str, Any], int]:
    """Return the table at `at`, and where it ends."""
    at, end = _span(data, at, depth)
    table: dict[str, Any] = {}
    while at < end:
        key, at = read_short_string(data, at)
        if key in table:
            # AMQP 0-9-1 §4.2.5.5: illegal; either could be the one that is meant
            raise TheirFault(f"a table has {key[:64]!r} twice")
        table[key], at = _read_value(data, at, depth)
    if at != end:
        raise TheirFault("a table's field runs past the table")
    return table, end


def _read_array(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    at, end = _span(data, at, depth)
    array = []
    while at < end:
        value, at = _read_value(data, at, depth)
        array.append(value)
    if at != end:
        raise TheirFault("an array's value runs past the array")
    return array, end


def _span(data: bytes, at: int, depth: int) -> tuple[int, int]:
    if depth > DEEPEST_TABLE:
        raise TheirFault(f"tables within tables, deeper than {DEEPEST_TABLE}")
    end = at + 4 + int(_u32.unpack_from(data, at)[0])
    if end > len(data):
        raise TheirFault("a table runs past its frame")
    return at + 4, end


def _read_value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    kind = data[at]
    at += 1
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return fixed.unpack_from(data, at)[0], at + fixed.size
    match chr(kind):
        case "S":
            octets, at = _read_octets(data, at)
            return octets.decode("utf-8", "surrogateescape"), at
        case "x":
            return _read_octets(data, at)
        case "t":
            return data[at] != 0, at + 1
        case "V":
            return None, at
        case "F":
            return decode_table(data, at, depth + 1)
        case "A":
            return _read_array(data, at, depth + 1)
        case _:
            return _read_rarer_value(data, at, kind)


def _read_rarer_value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind == ord("T"):
        return Timestamp(_u64.unpack_from(data, at)[0]), at + 8
    if kind == ord("D"):
        scale, unscaled = _decimal.unpack_from(data, at)
        return Decimal(unscaled).scaleb(-scale), at + 5
    raise UnknownFieldType(f"unknown field type {chr(kind)!r}")


# ---- methods ---------------------------------------------------------------


def encode_method(method: Any, args: tuple[Any, ...]) -> bytes:
    """Encode a method of txamqp's model and its arguments: a frame's payload."""
    out = [_u16.pack(method.klass.id), _u16.pack(method.id)]
    bits, count = 0, 0
    for field, arg in zip(method.fields, args, strict=True):
        if field.type == "bit":
            bits |= bool(arg) << count
            count += 1
            continue
        if count:
            out.append(_u8.pack(bits))
            bits, count = 0, 0
        out.append(_argument(field.type, arg))
    if count:
        out.append(_u8.pack(bits))
    return b"".join(out)


_NUMBERS: Final = {
    "octet": _u8,
    "short": _u16,
    "long": _u32,
    "longlong": _u64,
    "timestamp": _u64,
}


def _argument(type_: str, value: Any) -> bytes:
    number = _NUMBERS.get(type_)
    if number is not None:
        return number.pack(value)
    if type_ == "shortstr":
        return short_string(value)
    if type_ == "table":
        return encode_table(value)
    return long_string(value)


def decode_method(spec: Any, payload: bytes) -> tuple[Any, list[Any]]:
    """Return the method of txamqp's model, and its arguments."""
    try:
        class_id, method_id = struct.unpack_from(">HH", payload)
        method = spec.classes.byid[class_id].methods.byid[method_id]
    except KeyError:
        raise TheirFault(f"unknown method {class_id}.{method_id}") from None
    except struct.error:
        raise TheirFault("a method frame without a method") from None
    try:
        return method, _arguments(method, payload)
    except (struct.error, IndexError):
        raise TheirFault(f"{method.klass.name}.{method.name} is cut short") from None


def _arguments(method: Any, payload: bytes) -> list[Any]:
    at, bit = 4, 0
    args: list[Any] = []
    for field in method.fields:
        if field.type == "bit":
            if bit == 0:
                at += 1
            args.append(bool(payload[at - 1] >> bit & 1))
            bit = (bit + 1) % 8
            continue
        bit = 0
        value, at = _read_argument(field.type, payload, at)
        args.append(value)
    return args


def _read_argument(type_: str, data: bytes, at: int) -> tuple[Any, int]:
    number = _NUMBERS.get(type_)
    if number is not None:
        return number.unpack_from(data, at)[0], at + number.size
    if type_ == "shortstr":
        return read_short_string(data, at)
    if type_ == "table":
        return decode_table(data, at)
    return _read_octets(data, at)


# ---- content headers of class basic ----------------------------------------

# In the order of the flags, from bit 15 down (AMQP 0-9-1 reference, class basic).
_PROPERTIES: Final = (
    ("content-type", "shortstr"),
    ("content-encoding", "shortstr"),
    ("headers", "table"),
    ("delivery-mode", "octet"),
    ("priority", "octet"),
    ("correlation-id", "shortstr"),
    ("reply-to", "shortstr"),
    ("expiration", "shortstr"),
    ("message-id", "shortstr"),
    ("timestamp", "timestamp"),
    ("type", "shortstr"),
    ("user-id", "shortstr"),
    ("app-id", "shortstr"),
    ("cluster-id", "shortstr"),
)
_FLAGS: Final = {name: 1 << 15 - bit for bit, (name, _) in enumerate(_PROPERTIES)}
_TYPES: Final = dict(_PROPERTIES)

# flags -> the properties that are there
_layouts: dict[int, tuple[tuple[str, str], ...]] = {}


def encode_properties(properties: Mapping[str, Any]) -> bytes:
    """Encode flags and property list; names are those of the specification."""
    flags = 0
    out = []
    for name in sorted(properties, key=_FLAGS.__getitem__, reverse=True):
        flags |= _FLAGS[name]
        out.append(_argument(_TYPES[name], properties[name]))
    return _u16.pack(flags) + b"".join(out)


def decode_properties(data: bytes, at: int) -> dict[str, Any]:
    """Return the properties whose flags stand at `at`."""
    try:
        flags = int(_u16.unpack_from(data, at)[0])
        layout = _layouts.get(flags)
        if layout is None:
            layout = _layout(flags)
        at += 2
        properties: dict[str, Any] = {}
        for name, type_ in layout:
            if type_ == "shortstr":
                end = at + 1 + data[at]
                if end > len(data):
                    raise TheirFault(f"property {name} runs past its frame")
                properties[name] = data[at + 1 : end].decode("utf-8", "surrogateescape")
                at = end
            else:
                properties[name], at = _read_argument(type_, data, at)
    except (struct.error, IndexError):
        raise TheirFault("a content header is cut short") from None
    return properties


def _layout(flags: int) -> tuple[tuple[str, str], ...]:
    if flags & 3:
        raise TheirFault(f"unknown properties (flags {flags:#06x})")
    layout = tuple(pair for pair in _PROPERTIES if flags & _FLAGS[pair[0]])
    _layouts[flags] = layout
    return layout
