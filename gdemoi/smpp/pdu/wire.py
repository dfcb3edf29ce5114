"""The types of fields in the body of a PDU (SMPP 3.4 §3.1), and how times are written.

A PDU class's annotations are its table: ``Annotated[str, CString(21)]``.  Each
type knows how it is read and checked by hand, and which lines of code do the same
in the encoders and decoders that `gdemoi.smpp.pdu.pdus` generates.

Strict in what is written, lenient in what is read: strings over their size and
values outside the specification are taken, as long as the frame holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol, get_args, get_type_hints

import msgspec
from attrs import frozen

from gdemoi.errors import OurFault
from gdemoi.smpp.pdu.headers import HEADER_OCTETS
from gdemoi.smpp.pdu.statuses import Status

# command_status values that answer a body we cannot read (SMPP 3.4 §5.1.3).
INVALID_MESSAGE_LENGTH: Final = int(Status.RINVMSGLEN)
INVALID_COMMAND_LENGTH: Final = int(Status.RINVCMDLEN)
INVALID_DESTINATION_FLAG: Final = int(Status.RINVDESTFLAG)


class Unwritable(OurFault):
    """A PDU that we wanted to send breaks a limit of the specification."""

    def __init__(self, pdu: str, field: str, why: str) -> None:
        super().__init__(f"{pdu}.{field} {why}")
        self.pdu = pdu
        self.field = field
        self.why = why


class InvalidBody(ValueError):
    """A received body contradicts itself; `status` is what answers it."""

    def __init__(self, offset: int, why: str, status: int) -> None:
        super().__init__(why)
        self.offset = offset
        self.why = why
        self.status = status


class EncoderSource:
    """Lines of an encoder: pieces of text, broken by pieces of octets.

    In generated code the fields have their own names; all else begins with an
    underscore.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.octets: list[str] = []
        self._texts: list[str] = []

    def text(self, *expressions: str) -> None:
        """Append strings of Latin-1 characters."""
        self._texts += expressions

    def bytes(self, expression: str) -> None:
        """Append octets."""
        self.close()
        self.octets.append(expression)

    def close(self) -> None:
        """End the running piece of text."""
        if self._texts:
            name = f"_piece{len(self.octets)}"
            joined = ", ".join(self._texts)
            # not an f-string: that would write None as "None"
            self.lines.append(f"{name} = ''.join(({joined},)).encode('latin-1')")
            self.octets.append(name)
            self._texts = []


class DecoderSource:
    """Lines of a decoder: where it stands is `cursor` + `ahead`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.cursor = str(HEADER_OCTETS)
        self.ahead = 0

    def place(self) -> str:
        """Return the expression for where the decoder stands."""
        return f"{self.cursor} + {self.ahead}" if self.ahead else self.cursor

    def move(self, cursor: str, ahead: int = 0) -> None:
        """Go on from the variable `cursor`."""
        self.cursor = cursor
        self.ahead = ahead


class FieldType(Protocol):
    """A type of field."""

    def complaint(self, value: Any) -> str | None:
        """Return why `value` must not be written."""

    def read(self, octets: bytes, offset: int) -> tuple[Any, int]:
        """Return the value at `offset` and where the next field begins."""

    def writes(self, code: EncoderSource, name: str) -> None:
        """Generate what appends the field."""

    def reads(self, code: DecoderSource, name: str) -> None:
        """Generate what takes the field."""


@frozen
class Integer:
    """An unsigned number of one octet, or of several, the highest first."""

    octets: int = 1

    def complaint(self, value: Any) -> str | None:
        """Return why `value` does not fit."""
        if isinstance(value, int) and 0 <= value < 1 << self.octets * 8:
            return None
        return f"is {value!r}, not a number of {self.octets} octets"

    def read(self, octets: bytes, offset: int) -> tuple[int, int]:
        """Return the number at `offset`."""
        end = offset + self.octets
        if end > len(octets):
            raise InvalidBody(offset, "runs past the end", INVALID_COMMAND_LENGTH)
        return int.from_bytes(octets[offset:end], "big"), end

    def writes(self, code: EncoderSource, name: str) -> None:
        """Generate a look-up, which also refuses what is no octet."""
        if self.octets == 1:
            code.text(f"_octet[_pdu.{name}]")
        else:
            code.lines.append(f"{name} = _pdu.{name}.to_bytes({self.octets}, 'big')")
            code.bytes(name)

    def reads(self, code: DecoderSource, name: str) -> None:
        """Generate an index."""
        if self.octets == 1:
            code.lines.append(f"{name} = _octets[{code.place()}]")
        else:
            code.lines.append(
                f"{name} = _integer(_octets, {code.place()}, {self.octets})"
            )
        code.ahead += self.octets


@frozen
class CString:
    """A C-octet string of at most `size` octets, its NUL included."""

    size: int

    def _too_long(self, length: int) -> bool:
        return length >= self.size

    def _test(self, name: str) -> str:
        return f"len({name}) >= {self.size}"

    def complaint(self, value: Any) -> str | None:
        """Return why `value` does not fit."""
        if not isinstance(value, str):
            return f"is {value!r}, not a string"
        if "\0" in value:
            return "holds a NUL"
        if not all(char <= "\xff" for char in value):
            return "holds characters outside Latin-1"
        if value and self._too_long(len(value)):
            return f"has {len(value)} characters; its size is {self.size} with the NUL"
        return None

    def read(self, octets: bytes, offset: int) -> tuple[str, int]:
        """Return the string at `offset`, whatever its length."""
        end = octets.find(0, offset)
        if end < 0:
            raise InvalidBody(offset, "has no NUL", INVALID_COMMAND_LENGTH)
        return octets[offset:end].decode("latin-1"), end + 1

    def writes(self, code: EncoderSource, name: str) -> None:
        """Generate the checks and the string with its NUL."""
        code.lines.append(f"{name} = _pdu.{name}")
        code.lines.append(
            f"if {name} and ({self._test(name)} or '\\0' in {name}): raise ValueError"
        )
        code.text(name, "'\\0'")

    def reads(self, code: DecoderSource, name: str) -> None:
        """Generate the search for the NUL."""
        end = f"_{name}_end"
        code.lines.append(f"{end} = _text.index('\\0', {code.place()})")
        code.lines.append(f"{name} = _text[{code.place()}:{end}]")
        code.move(end, 1)


@frozen
class Time(CString):
    """A time of 16 characters, or none (SMPP 3.4 §7.1)."""

    size: int = 17

    def _too_long(self, length: int) -> bool:
        return length != self.size - 1

    def _test(self, name: str) -> str:
        return f"len({name}) != {self.size - 1}"


@frozen
class ShortMessage:
    """sm_length and the octets it counts; 255 is not a length (§5.2.21)."""

    most: int = 254

    def complaint(self, value: Any) -> str | None:
        """Return why `value` does not fit."""
        if not isinstance(value, bytes):
            return f"is {type(value).__name__}, not bytes"
        if len(value) > self.most:
            return f"has {len(value)} octets; the most is {self.most}"
        return None

    def read(self, octets: bytes, offset: int) -> tuple[bytes, int]:
        """Return the octets that the length at `offset` counts."""
        length, start = Integer().read(octets, offset)
        end = start + length
        if end > len(octets):
            raise InvalidBody(offset, "runs past the end", INVALID_MESSAGE_LENGTH)
        return octets[start:end], end

    def writes(self, code: EncoderSource, name: str) -> None:
        """Generate the length as the last character of the text before."""
        code.lines.append(f"{name} = _pdu.{name}")
        code.lines.append(f"_{name}_size = len({name})")
        code.lines.append(f"if _{name}_size > {self.most}: raise ValueError")
        code.text(f"_octet[_{name}_size]")
        code.bytes(name)

    def reads(self, code: DecoderSource, name: str) -> None:
        """Generate a slice."""
        start, end = f"_{name}_start", f"_{name}_end"
        code.lines.append(f"{start} = {code.place()} + 1")
        code.lines.append(f"{end} = {start} + _octets[{start} - 1]")
        code.lines.append(f"if {end} > _size: raise ValueError")
        code.lines.append(f"{name} = _octets[{start}:{end}]")
        code.move(end)


class Row(msgspec.Struct):
    """A repeated group of fields; its annotations are its table."""


@frozen
class Rows:
    """A count of one octet and so many groups of fields.

    With a `flag` each group begins with an octet that says which of `rows` it is
    (submit_multi's dest_flag: 1, 2).
    """

    rows: tuple[type[Row], ...]
    flag: bool = False
    most: int = 254

    def complaint(self, value: Any) -> str | None:
        """Return why the groups cannot be written."""
        if not isinstance(value, tuple | list):
            return "is no tuple"
        if len(value) > self.most:
            return f"has {len(value)} entries; the most is {self.most}"
        for index, row in enumerate(value):
            if type(row) not in self.rows:
                return f"has {row!r} at {index}"
            for name, kind in table_of(type(row)).items():
                why = kind.complaint(getattr(row, name))
                if why is not None:
                    return f"[{index}].{name} {why}"
        return None

    def read(self, octets: bytes, offset: int) -> tuple[tuple[Row, ...], int]:
        """Return the groups at `offset`."""
        count, offset = Integer().read(octets, offset)
        found = []
        for _ in range(count):
            which = 1
            if self.flag:
                which, offset = Integer().read(octets, offset)
            if not 1 <= which <= len(self.rows):
                raise InvalidBody(
                    offset - 1, f"has a flag {which}", INVALID_DESTINATION_FLAG
                )
            row, offset = _read_row(self.rows[which - 1], octets, offset)
            found.append(row)
        return tuple(found), offset

    def write(self, rows: Sequence[Row]) -> bytes:
        """Return the octets of the groups; `ValueError` when they cannot be."""
        if self.complaint(rows) is not None:
            raise ValueError
        pieces = [bytes((len(rows),))]
        for row in rows:
            if self.flag:
                pieces.append(bytes((self.rows.index(type(row)) + 1,)))
            pieces += [
                _octets(kind, getattr(row, name))
                for name, kind in table_of(type(row)).items()
            ]
        return b"".join(pieces)

    def writes(self, code: EncoderSource, name: str) -> None:
        """Generate a call: groups are too rare to be unrolled."""
        code.lines.append(f"{name} = _kinds[{name!r}].write(_pdu.{name})")
        code.bytes(name)

    def reads(self, code: DecoderSource, name: str) -> None:
        """Generate a call."""
        end = f"_{name}_end"
        code.lines.append(
            f"{name}, {end} = _kinds[{name!r}].read(_octets, {code.place()})"
        )
        code.move(end)


def _read_row(row: type[Row], octets: bytes, offset: int) -> tuple[Row, int]:
    values = []
    for kind in table_of(row).values():
        value, offset = kind.read(octets, offset)
        values.append(value)
    return row(*values), offset


def _octets(kind: FieldType, value: Any) -> bytes:
    """Return a field of a group; its complaint was heard before."""
    if isinstance(kind, Integer):
        return int(value).to_bytes(kind.octets, "big")
    return str(value).encode("latin-1") + b"\0"


_TABLES: Final[dict[type, dict[str, FieldType]]] = {}


def table_of(cls: type) -> dict[str, FieldType]:
    """Return the wire table of a PDU class or `Row`: field -> kind, in order."""
    known = _TABLES.get(cls)
    if known is None:
        known = _TABLES[cls] = {
            name: get_args(hint)[1]
            for name, hint in get_type_hints(cls, include_extras=True).items()
            if hasattr(hint, "__metadata__")
        }
    return known


# -- times: YYMMDDhhmmsstnnp (SMPP 3.4 §7.1.1)

# A relative time has no months of its own here: thirty days is its last.
_LONGEST_S: Final = 30 * 86400
_FARTHEST_S: Final = 366 * 86400


def relative(seconds: float) -> str:
    """Return a time counted from the SMSC's now, in whole seconds and at least one."""
    whole = max(1, min(int(seconds), _LONGEST_S))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02}{hour:02}{minute:02}{second:02}000R"


def absolute(at: float, now: float) -> str:
    """Return a moment, in UTC, of the next year.

    Of a year only two digits are told: what is far ahead would be long ago.
    """
    near = min(at, now + _FARTHEST_S)
    return datetime.fromtimestamp(near, UTC).strftime("%y%m%d%H%M%S") + "000+"
