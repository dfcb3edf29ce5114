"""The text of an SMS as it stands in an AMI line.

Outbound: every octet of UTF-8 outside ``A-Za-z0-9-._~`` as ``%XX``, which reads
the same whether or not a device takes ``+`` for a blank.  Inbound: form encoding
(``+`` is a blank), UTF-8, with a byte order mark before what came as UCS2.

Nothing is ever stripped, save that one mark.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

import msgspec

_BOM: Final = b"\xef\xbb\xbf"
_find_unexpected: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})").search
# What ends a header, what Asterisk's command parser takes for its own, and what
# a device would decode.
UNSPEAKABLE_RAW: Final = frozenset('\r\n"\\%\x00')


class Content(msgspec.Struct, frozen=True):
    """A received text: as read, the octets behind it, and whether it was whole."""

    text: str
    octets: bytes
    broken: bool = False


def encode(text: str) -> str:
    """Return `text` percent-encoded; raises `UnicodeEncodeError`."""
    return quote(text.encode("utf-8"), safe="")


def decode(raw: bytes) -> Content:
    """Return what a ``Content`` header says; never raises."""
    octets = unquote_to_bytes(raw.replace(b"+", b" ")).removeprefix(_BOM)
    broken = _find_unexpected(raw) is not None
    try:
        return Content(octets.decode("utf-8"), octets, broken)
    except UnicodeDecodeError:
        return Content(octets.decode("utf-8", "replace"), octets, broken=True)
