"""The alphabet of GSM 03.38 (3GPP TS 23.038 §6.2.1), unpacked and packed.

Knows the default table, its extension, the national tables that phones may use
(decoding only) and how septets are packed into octets.  Refuses to know
data_coding, segments, and any other alphabet; never substitutes a letter.

"Septets" here are octets of one septet each, as SMPP carries them.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

ESCAPE: Final = 0x1B

BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)

# After the escape; each costs two septets.
EXTENSION: Final[dict[int, str]] = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}


def _places(text: str) -> dict[int, str]:
    """Return {septet: character} of a table written as "47Ğ 49İ …"."""
    return {int(cell[:2], 16): cell[2:] for cell in text.split()}


# Languages of UDH elements 24 and 25 (TS 23.038 §6.2.1.2.4): 1 Turkish,
# 2 Spanish, 3 Portuguese.  Others are read by the default tables, as §6.2.1.2.2
# asks of receivers that do not know them.
_SINGLE_SHIFT: Final[dict[int, dict[int, str]]] = {
    1: EXTENSION | _places("47Ğ 49İ 53Ş 63ç 65€ 67ğ 69ı 73ş"),
    2: EXTENSION | _places("09ç 41Á 49Í 4FÓ 55Ú 61á 65€ 69í 6Fó 75ú"),
    3: EXTENSION
    | _places(
        "05ê 09ç 0BÔ 0Cô 0EÁ 0Fá 12Φ 13Γ 15Ω 16Π 17Ψ 18Σ 19Θ 1FÊ 41À 49Í 4FÓ"
        " 55Ú 5BÃ 5CÕ 61Â 65€ 69í 6Fó 75ú 7Bã 7Cõ 7Fâ"
    ),
}


def _locked(text: str) -> str:
    table = list(BASIC)
    for septet, char in _places(text).items():
        table[septet] = char
    return "".join(table)


_LOCKING_SHIFT: Final[dict[int, str]] = {
    1: _locked("04€ 07ı 0BĞ 0Cğ 1CŞ 1Dş 40İ 60ç"),
    3: _locked(
        "04ê 06ú 07í 08ó 09ç 0BÔ 0Cô 0EÁ 0Fá 12ª 13Ç 14À 15∞ 16^ 17\\ 18€ 19Ó"
        " 1A| 1CÂ 1Dâ 1EÊ 24º 40Í 5BÃ 5CÕ 5DÚ 60~ 7Bã 7Cõ 7D`"
    ),
}

# Decoding by codecs.charmap_decode: 256 characters, those over 0x7F are not of
# this alphabet.
_DECODING: Final = BASIC + "\ufffd" * 128
_LOCKED_DECODING: Final = {
    language: table + "\ufffd" * 128 for language, table in _LOCKING_SHIFT.items()
}

# The quick way of encoding: text within Latin-1 goes through one bytes.translate;
# 0xFF marks what is not a single septet of this alphabet.
_OUTSIDE: Final = 0xFF
_LATIN1: Final = bytes(
    BASIC.index(char) if (char := chr(octet)) in BASIC else _OUTSIDE
    for octet in range(256)
).replace(bytes([ESCAPE]), bytes([_OUTSIDE]))

# The general way: codecs.charmap_encode by character.
_ENCODING: Final[dict[int, int | bytes]] = {
    ord(char): septet for septet, char in enumerate(BASIC) if septet != ESCAPE
}
_ENCODING.update(
    {ord(char): bytes((ESCAPE, septet)) for septet, char in EXTENSION.items()}
)

_find_foreign: Final = re.compile(
    "[^" + re.escape("".join(map(chr, _ENCODING))) + "]"
).search


class Unencodable(ValueError):
    """This text cannot be said in this alphabet.

    A fact about a text and not a fault of anybody's, so no `GdemoiError`;
    `position` and `char` name the first character at fault.
    """

    def __init__(self, position: int, char: str, alphabet: str = "GSM 03.38") -> None:
        super().__init__(
            f"{char!r} (U+{ord(char):04X}) at position {position} is not in {alphabet}"
        )
        self.position = position
        self.char = char
        self.alphabet = alphabet


def fits(text: str) -> bool:
    """Tell whether every character of `text` is in the alphabet."""
    return _find_foreign(text) is None


def encode(text: str) -> bytes:
    """Return the septets of `text`, one per octet; raise `Unencodable`."""
    try:
        septets = text.encode("latin-1").translate(_LATIN1)
        if _OUTSIDE not in septets:
            return septets
    except UnicodeEncodeError:
        pass  # Greek, the euro: the general way knows them
    try:
        return codecs.charmap_encode(text, "strict", _ENCODING)[0]
    except UnicodeEncodeError as error:
        raise Unencodable(error.start, text[error.start]) from None


def decode(septets: bytes, single_shift: int = 0, locking_shift: int = 0) -> str:
    """Return the text of `septets`; never raises.

    The receiver's rules of TS 23.038 §6.2.1.1: an escape before a place that the
    extension leaves empty gives the letter of the basic table, two escapes give a
    blank and the next septet stands for itself, an escape at the end is a blank.
    Octets over 0x7F become U+FFFD.
    """
    table = _LOCKED_DECODING.get(locking_shift, _DECODING)
    if ESCAPE not in septets:
        return codecs.charmap_decode(septets, "strict", table)[0]
    extension = _SINGLE_SHIFT.get(single_shift, EXTENSION)
    first, *pieces = septets.split(b"\x1b")
    found = [codecs.charmap_decode(first, "strict", table)[0]]
    escaped = True
    for piece in pieces:
        plain = piece
        if escaped and piece:
            found.append(extension.get(piece[0]) or table[piece[0]])
            plain = piece[1:]
        elif escaped:
            found.append(" ")
            escaped = False
            continue
        found.append(codecs.charmap_decode(plain, "strict", table)[0])
        escaped = True
    return "".join(found)


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Return `septets` packed eight into seven octets (TS 23.038 §6.1.2.1).

    `fill_bits` zero bits come first, so that text after a user data header begins
    on a septet's border (TS 23.040 §9.2.3.24).
    """
    number = 0
    for septet in reversed(septets):
        number = number << 7 | septet
    octets = (len(septets) * 7 + fill_bits + 7) // 8
    return (number << fill_bits).to_bytes(octets, "little")


def unpack(octets: bytes, count: int, fill_bits: int = 0) -> bytes:
    """Return the first `count` septets of packed `octets`, fewer if cut short."""
    count = max(0, min(count, (len(octets) * 8 - fill_bits) // 7))
    number = int.from_bytes(octets, "little") >> fill_bits
    return bytes(number >> shift & 0x7F for shift in range(0, count * 7, 7))


def fill_bits(header_octets: int) -> int:
    """Return how many bits stand between a header of that size and the text."""
    return -header_octets * 8 % 7
