"""From the bytes of one file to words with places.

Knows the form of a line (docs/contract.rst, "The ini file") and nothing of what
sections and keys mean.  Whatever is wrong with a line becomes a `Complaint`, and
reading goes on.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import field, frozen

_HEADER: Final = re.compile(r"\[([^\[\]]+)\](.*)")
_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.*-]*")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BOM: Final = b"\xef\xbb\xbf"


@frozen(order=True)
class Place:
    """A line of a file; line 0 is the file as a whole."""

    file: str
    line: int

    def __str__(self) -> str:
        """Return it as compilers write it."""
        return f"{self.file}:{self.line}" if self.line else self.file


@frozen
class Complaint:
    """One thing that is wrong, and where; a `warning` hinders nothing."""

    place: Place
    what: str
    section: str | None = None
    key: str | None = None
    hint: str | None = None
    warning: bool = False

    def __str__(self) -> str:
        """Return ``file:line: [section] key: what; did you mean …``."""
        where = f"[{self.section}] " if self.section is not None else ""
        key = f"{self.key}: " if self.key is not None else ""
        head = f"{self.place}: {where}{key}".rstrip().rstrip(":")
        kind = "warning: " if self.warning else ""
        hint = f"; did you mean {self.hint}?" if self.hint else ""
        return f"{head}: {kind}{self.what}{hint}"


@frozen
class Word:
    """The value of a key as it was written, and where."""

    value: str
    place: Place


@frozen
class Block:
    """A section as it was written."""

    kind: str
    name: str | None
    place: Place
    words: dict[str, Word] = field(factory=dict)

    @property
    def label(self) -> str:
        """Return what stands between the brackets."""
        return self.kind if self.name is None else f"{self.kind}:{self.name}"


class Reading:
    """The state of reading one file, line by line."""

    def __init__(self, file: str) -> None:
        self.blocks: list[Block] = []
        self.complaints: list[Complaint] = []
        self._file = file
        self._block: Block | None = None
        # keys under a broken header are not complained about one by one
        self._skipping = False

    def _complain(
        self, line: int, what: str, key: str | None = None, hint: str | None = None
    ) -> None:
        section = self._block.label if self._block else None
        place = Place(self._file, line)
        self.complaints.append(Complaint(place, what, section, key, hint))

    def line(self, number: int, raw: bytes) -> None:
        """Take one line, without its end."""
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            bad = raw[error.start]
            self._complain(
                number,
                f"octet 0x{bad:02x} in column {error.start + 1} is not UTF-8;"
                " save the file as UTF-8",
            )
            return
        control = _CONTROL.search(text)
        if control is not None:
            self._complain(
                number,
                f"control character U+{ord(control[0]):04X}"
                f" in column {control.start() + 1}",
            )
            return
        body = text.strip(" \t")
        if not body or text[0] in "#;":
            return
        if text[0] in " \t":
            self._complain(
                number,
                "an indented line; a value ends with its line, and a comment"
                " begins in the first column",
            )
        elif text[0] == "[":
            self._header(number, body)
        else:
            self._pair(number, body)

    def _header(self, number: int, body: str) -> None:
        self._block, self._skipping = None, True
        match = _HEADER.fullmatch(body)
        if match is None:
            self._complain(number, f"{body} is not a section like [kind:name]")
            return
        if match[2]:
            self._complain(
                number,
                f"{match[2].strip()!r} after the section; a comment is a line of"
                " its own",
            )
        kind, colon, name = match[1].partition(":")
        kind, name = kind.strip(" \t"), name.strip(" \t")
        if not kind or (colon and not name):
            self._complain(number, f"{body} is not a section like [kind:name]")
            return
        place = Place(self._file, number)
        self._block = Block(kind, name if colon else None, place)
        self._skipping = False
        self.blocks.append(self._block)

    def _pair(self, number: int, body: str) -> None:
        name, equals, value = body.partition("=")
        name, value = name.strip(" \t"), value.strip(" \t")
        if not equals:
            name, colon, rest = body.partition(":")
            hint = f"{name.strip()} = {rest.strip()}" if colon and rest else None
            self._complain(number, "not a line like key = value", hint=hint)
        elif self._skipping:
            return
        elif self._block is None:
            self._complain(number, "a key before the first [section]", key=name)
        elif not _KEY.fullmatch(name):
            self._complain(number, f"{name!r} is not a key")
        elif name in self._block.words:
            before = self._block.words[name].place
            self._complain(number, f"is already set at {before}", key=name)
        elif not value:
            self._complain(
                number, 'has no value; remove the line, or write ""', key=name
            )
        else:
            self._block.words[name] = Word(value, Place(self._file, number))


def read(file: str, octets: bytes) -> tuple[list[Block], list[Complaint]]:
    """Return the sections of a file, and everything that is wrong with its lines."""
    reading = Reading(file)
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        whole = Complaint(Place(file, 1), "is UTF-16; save the file as UTF-8")
        return [], [whole]
    lines = octets.removeprefix(_BOM).split(b"\n")
    for number, raw in enumerate(lines, 1):
        reading.line(number, raw.removesuffix(b"\r"))
    return reading.blocks, reading.complaints
