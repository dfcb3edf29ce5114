"""The Asterisk manager interface as TG devices speak it: octets ↔ blocks and texts.

A banner is one line without a blank one after it; a block ends with an empty line; a
``Response: Follows`` block ends only with ``--END COMMAND--`` and an empty line, and
its output has bare LF, blank lines and perhaps the four characters ``\\r\\n`` right
before the end.  Lines may end with CRLF or LF.  What the headers mean is not known
here.

Any octets give values; what cannot be this protocol gives `NotAmi`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote_to_bytes

import msgspec

from gdemoi.errors import OurFault

# A block is a few hundred octets; the longest are lists of spans.
BLOCK_LIMIT: Final = 65536
# Headers beyond these are passed over.
HEADER_LIMIT: Final = 128

_END: Final = b"--END COMMAND--"
_is_header: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_-]{0,63}[ \t]*:").match
_is_follows: Final = re.compile(rb"Response[ \t]*:[ \t]*Follows", re.IGNORECASE).match
_empty_line: Final = re.compile(rb"\r?\n\r?\n").match
_TAIL: Final = len(b"\r\n\r\n")
# Headers that stand before the output of a Follows block; all else is output.
_BEFORE_OUTPUT: Final = frozenset({"privilege", "actionid"})


class AmiBanner(msgspec.Struct, frozen=True):
    """The line that says who listens, ``Asterisk Call Manager/1.1``."""

    text: str


class AmiBlock(msgspec.Struct, frozen=True):
    """A response or event: headers by folded name, the first of each name.

    `output` is what a command printed (``Response: Follows``), else None.
    `disputed` are the names that came again with another value.
    """

    headers: dict[str, bytes]
    output: str | None = None
    disputed: frozenset[str] = frozenset()

    def get(self, name: str) -> str | None:
        """Return a header as text."""
        value = self.headers.get(name)
        return None if value is None else value.decode("utf-8", "replace")

    def word(self, name: str) -> str:
        """Return a header as one folded word, empty when it is not there."""
        return (self.get(name) or "").strip().casefold()


class NotAmi(msgspec.Struct, frozen=True):
    """This is not, or no longer, a manager connection; nothing more is read."""

    why: str


Item = AmiBanner | AmiBlock | NotAmi


class AmiFramer:
    """Cuts a stream into blocks; chunks may be cut anywhere."""

    def __init__(self, limit: int = BLOCK_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._headers: dict[str, bytes] = {}
        self._disputed: set[str] = set()
        self._used = 0
        self._follows = False
        self._virgin = True
        self._ended = False

    def feed(self, data: bytes) -> list[Item]:
        """Return what is complete with `data`; after `NotAmi`, nothing."""
        found: list[Item] = []
        if self._ended:
            return found
        self._buffer += data
        while (item := self._next()) is not None:
            found.append(item)
            if isinstance(item, NotAmi):
                self._ended = True
                self._buffer.clear()
                break
        return found

    def _next(self) -> Item | None:
        while not self._follows:
            end = self._buffer.find(b"\n", self._scanned)
            if end < 0:
                self._scanned = len(self._buffer)
                return self._overlong()
            line = bytes(self._buffer[:end]).removesuffix(b"\r")
            del self._buffer[: end + 1]
            self._scanned = 0
            self._used += end + 1
            if (item := self._line(line)) is not None:
                return item
        return self._output() or self._overlong()

    def _overlong(self) -> NotAmi | None:
        if self._used + len(self._buffer) <= self._limit:
            return None
        return NotAmi(f"a block of more than {self._limit} octets")

    def _line(self, line: bytes) -> Item | None:
        if not line:
            if self._headers:
                return self._complete(None)
            self._used = 0
            return None
        if not self._headers and line.startswith(b"Asterisk") and b": " not in line:
            self._virgin = False
            self._used = 0
            return AmiBanner(line.decode("utf-8", "replace"))
        if self._virgin:
            self._virgin = False
            if not _is_header(line):
                return NotAmi(f"not a manager's greeting: {line[:40]!r}")
        if self._used > self._limit:
            return NotAmi(f"a block of more than {self._limit} octets")
        self._follows = _is_follows(line) is not None
        self._header(line)
        return None

    def _header(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        if not colon or len(self._headers) >= HEADER_LIMIT:
            return
        folded = name.strip().decode("latin-1").casefold()
        # one blank belongs to the header, any further one to the value
        value = value.removeprefix(b" ")
        if self._headers.setdefault(folded, value) != value:
            self._disputed.add(folded)

    def _output(self) -> AmiBlock | None:
        """Return the Follows block when its end is there."""
        at = self._buffer.find(_END, self._scanned)
        while at >= 0:
            after = at + len(_END)
            end = _empty_line(self._buffer, after)
            if end is not None:
                printed = bytes(self._buffer[:at])
                del self._buffer[: end.end()]
                self._scanned = 0
                return self._complete(self._before_output(printed))
            if len(self._buffer) < after + _TAIL:
                self._scanned = at
                return None
            at = self._buffer.find(_END, after)
        self._scanned = max(0, len(self._buffer) - len(_END))
        return None

    def _before_output(self, printed: bytes) -> str:
        """Take the headers off the output, and the end that is no output."""
        while True:
            line, newline, rest = printed.partition(b"\n")
            name = line.partition(b":")[0].strip().decode("latin-1").casefold()
            if not newline or name not in _BEFORE_OUTPUT or name in self._headers:
                break
            self._header(line.removesuffix(b"\r"))
            printed = rest
        # Some firmware prints the characters backslash r backslash n here.
        printed = printed.removesuffix(b"\\r\\n").removesuffix(b"\n")
        return printed.removesuffix(b"\r").decode("utf-8", "replace")

    def _complete(self, output: str | None) -> AmiBlock:
        block = AmiBlock(self._headers, output, frozenset(self._disputed))
        self._headers = {}
        self._disputed.clear()
        self._used = 0
        self._follows = False
        return block


def action(name: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return the octets of an action; raises `OurFault` for what would break it."""
    lines = [("Action", name), *headers]
    for key, value in lines:
        if any(char in "\r\n\x00" for char in value):
            raise OurFault(f"{key} of an action holds a line break or NUL")
    written = "".join(f"{key}: {value}\r\n" for key, value in lines)
    return written.encode("utf-8") + b"\r\n"


# -- the text of an SMS in a line --------------------------------------------
# Outbound: every octet of UTF-8 outside ``A-Za-z0-9-._~`` as ``%XX``, which reads the
# same whether or not a device takes ``+`` for a blank.  Inbound: form encoding (``+``
# is a blank), UTF-8, with a byte order mark before what came as UCS2.  Nothing is ever
# stripped, save that one mark.

_BOM: Final = b"\xef\xbb\xbf"
_find_unexpected: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})").search
# What ends a header, what Asterisk's command parser takes for its own, and what
# a device would decode.
UNCARRIED_RAW: Final = frozenset('\r\n"\\%\x00')


class Content(msgspec.Struct, frozen=True):
    """A received text: as read, the octets behind it, and whether it was whole."""

    text: str
    octets: bytes
    broken: bool = False


def encode_text(text: str) -> str:
    """Return `text` percent-encoded; raises `UnicodeEncodeError`."""
    return quote(text.encode("utf-8"), safe="")


def decode_text(raw: bytes) -> Content:
    """Return what a ``Content`` header says; never raises."""
    octets = unquote_to_bytes(raw.replace(b"+", b" ")).removeprefix(_BOM)
    broken = _find_unexpected(raw) is not None
    try:
        return Content(octets.decode("utf-8"), octets, broken)
    except UnicodeDecodeError:
        return Content(octets.decode("utf-8", "replace"), octets, broken=True)
