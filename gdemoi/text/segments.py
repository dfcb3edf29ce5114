"""Cutting a text or octets into segments, and joining what came in segments.

Knows the sizes of an SMS (3GPP TS 23.040 §9.2.3.24: 140 octets, header
included), the ways a long message is said (`Method`) and where it may be cut:
never inside an escape pair or a surrogate pair, nor between a letter and the
marks that sit on it.  Refuses to know PDUs and references: the caller counts
those per (sender, destination).  More segments than allowed is a value
(`TooLong`), never a cut.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from gdemoi.message import Charset, InboundSegment
from gdemoi.text import charset as charsets
from gdemoi.text import gsm7
from gdemoi.text.udh import CONCATENATION_8, CONCATENATION_16, Udh

SMS_OCTETS: Final = 140
SMS_SEPTETS: Final = 160
# TS 23.040: total and number are one octet each.
MOST_SEGMENTS: Final = 255
# Any one character of any alphabet (UTF-8 needs four octets).
LEAST_ROOM: Final = 4

_NO_UDH: Final = Udh()


class Method(StrEnum):
    """How a long message is said: the words of the key `long_messages`."""

    UDH = "udh"
    UDH16 = "udh16"
    SAR = "sar"
    PAYLOAD = "payload"


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One SMS on the air.

    `user_data` is header and octets as they stand in short_message; `units` are
    what of the SMS's room the text takes (septets, UCS2 units or octets).  `part`
    is None for a message that stands alone or goes as one payload.
    """

    user_data: bytes
    units: int
    udh: bytes = b""
    text: str | None = None
    part: InboundSegment | None = None
    # SAR TLVs carry `part` (there is no header for it)
    sar: bool = False


class TooLong(msgspec.Struct, frozen=True):
    """The message needs `count` segments and may have `limit`.

    With `limit` 0 the header leaves no room for a text of `count` units.
    """

    count: int
    limit: int


class Unit(StrEnum):
    """What the room of an SMS is counted in."""

    SEPTET = "septet"
    OCTET = "octet"
    UCS2 = "ucs2"


def room(unit: Unit, header_octets: int) -> int:
    """Return how many units fit beside a header of that size."""
    octets = SMS_OCTETS - header_octets
    if unit is Unit.SEPTET:
        return octets * 8 // 7
    return octets // 2 if unit is Unit.UCS2 else octets


# -- where one may cut


_JOINER: Final = "\u200d"


def _sits_on(char: str) -> bool:
    """Tell whether `char` belongs to the character before it."""
    code = ord(char)
    return (
        char == _JOINER
        or 0x1F3FB <= code <= 0x1F3FF  # skin tones
        or 0xE0020 <= code <= 0xE007F  # tags of regional flags
        or unicodedata.category(char) in ("Mn", "Me", "Mc")
    )


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def is_border(text: str, index: int) -> bool:
    """Tell whether a reader sees two characters on the two sides of `index`.

    `index` is inside the text.  Knows that part of Unicode's UAX 29 which
    SMS meet: marks, joiners, skin tones and flags.  CR LF may be cut, as every
    counter of segments does.
    """
    before, after = text[index - 1], text[index]
    if ord(after) < 0x300:
        return True
    if _sits_on(after) or before == _JOINER:
        return False
    if _is_regional(after) and _is_regional(before):
        run = 0
        while run < index and _is_regional(text[index - 1 - run]):
            run += 1
        return run % 2 == 0
    return True


def _last_border(text: str, start: int, end: int) -> int:
    """Return the last border in (start, end]; `end` when there is none."""
    if end == len(text):
        return end
    index = end
    while index > start and not is_border(text, index):
        index -= 1
    return index if index > start else end


# -- how much of a text fits


def _septets_end(text: str, start: int, limit: int) -> int:
    septets = gsm7.encode(text[start : start + limit])[:limit]
    if septets[-1] == gsm7.ESCAPE:
        septets = septets[:-1]
    return start + len(septets) - septets.count(gsm7.ESCAPE)


def _ucs2_end(text: str, start: int, limit: int) -> int:
    octets = text[start : start + limit].encode("utf-16-be")[: limit * 2]
    return start + len(octets.decode("utf-16-be", "ignore"))


def _latin1_end(text: str, start: int, limit: int) -> int:
    return min(len(text), start + limit)


def _utf8_end(text: str, start: int, limit: int) -> int:
    octets = text[start : start + limit].encode("utf-8")[:limit]
    return start + len(octets.decode("utf-8", "ignore"))


class _Measure(msgspec.Struct, frozen=True):
    """How a text is measured on its way to one carrier."""

    unit: Unit
    units: Callable[[str], int]
    # the end of the longest beginning from `start` within `limit` units
    end: Callable[[str, int, int], int]


def _septets(text: str) -> int:
    return len(gsm7.encode(text))


_SEPTETS: Final = _Measure(Unit.SEPTET, _septets, _septets_end)
_UCS2: Final = _Measure(
    Unit.UCS2, lambda text: len(text.encode("utf-16-be")) // 2, _ucs2_end
)
_LATIN1: Final = _Measure(Unit.OCTET, len, _latin1_end)
# A carrier whose data_coding 0 is UTF-8 is given no more octets than an SMS has:
# safe whatever it makes of them, and never over short_message's 254.
_UTF8: Final = _Measure(Unit.OCTET, lambda text: len(text.encode("utf-8")), _utf8_end)


def _measure(charset: Charset, default_charset: str) -> _Measure:
    """Return the measure; Latin-1 and ASCII at data_coding 0 become septets."""
    if charset is Charset.UCS2:
        return _UCS2
    if charset is Charset.LATIN1:
        return _LATIN1
    return _UTF8 if default_charset == "utf8" else _SEPTETS


def _cut(text: str, measure: _Measure, limit: int) -> list[str]:
    pieces = []
    start = 0
    while start < len(text):
        end = measure.end(text, start, limit)
        end = _last_border(text, start, end)
        pieces.append(text[start:end])
        start = end
    return pieces


# -- the header of a segment


def _concatenation(method: Method, reference: int, udh: Udh) -> tuple[bytes, bytes]:
    """Return what stands before and after (total, number) in every header."""
    if method is Method.UDH:
        element = bytes((CONCATENATION_8, 3, reference & 0xFF))
    else:
        number = (reference & 0xFFFF).to_bytes(2, "big")
        element = bytes((CONCATENATION_16, 4)) + number
    own = udh.build()[1:]
    return bytes((len(element) + 2 + len(own),)) + element, own


def _overhead(method: Method, udh: Udh) -> int:
    """Return the octets of header that each of several segments bears.

    SAR TLVs become a header with a 16-bit reference at many carriers.
    """
    element = 2 + (3 if method is Method.UDH else 4)
    return element + (len(udh) or 1)


def _assumed(method: Method, udh: Udh) -> Method:
    """SMPP 3.4 §5.3.2.22: SAR TLVs must not go with a user data header."""
    return Method.UDH16 if method is Method.SAR and udh else method


def _reference(method: Method, reference: int) -> str:
    width = 2 if method is Method.UDH else 4
    return f"{reference % (1 << width * 4):0{width}x}"


def _alone(
    octets: bytes, units: int, text: str | None, head: bytes, packed: bool = False
) -> Segment:
    """Return the one segment of a message that is not cut."""
    if packed:
        octets = gsm7.pack(octets, gsm7.fill_bits(len(head)))
    return Segment(user_data=head + octets, units=units, udh=head, text=text)


def _segments(
    pieces: Sequence[tuple[bytes, int, str | None]],
    method: Method,
    reference: int,
    udh: Udh,
    packed: bool = False,
) -> list[Segment]:
    """Return a segment for each (octets, units, text)."""
    total = len(pieces)
    before, after = _concatenation(method, reference, udh)
    known = _reference(method, reference)
    sar = method is Method.SAR
    segments = []
    for number, (octets, units, text) in enumerate(pieces, 1):
        head = b"" if sar else before + bytes((total, number)) + after
        if packed:
            octets = gsm7.pack(octets, gsm7.fill_bits(len(head)))
        segments.append(
            Segment(
                user_data=head + octets,
                units=units,
                udh=head,
                text=text,
                part=InboundSegment(known, total, number),
                sar=sar,
            )
        )
    return segments


# -- what others call


def split(
    text: str,
    charset: Charset,
    *,
    method: Method | str = Method.UDH,
    reference: int = 0,
    udh: Udh = _NO_UDH,
    limit: int = MOST_SEGMENTS,
    default_charset: str = "gsm8",
) -> list[Segment] | TooLong:
    """Return the segments of `text`, which `charsets.choose` has passed.

    `udh` holds further elements (ports) that every segment bears.  Raises
    `Unencodable` when the text was not chosen first.
    """
    measure = _measure(charset, default_charset)
    packed = default_charset == "gsm7" and measure is _SEPTETS
    written = "gsm8" if packed else default_charset
    if measure is _SEPTETS and written == "gsm8":
        octets = gsm7.encode(text)
        units = len(octets)
        if units <= SMS_SEPTETS and not (packed or udh.elements):
            # what most messages are
            return [Segment(user_data=octets, units=units, text=text)]
    else:
        octets = charsets.encode(text, charset, written)
        units = measure.units(text)
    if units <= room(measure.unit, len(udh)):
        return [_alone(octets, units, text, udh.build(), packed)]
    method = _assumed(Method(method), udh)
    size = room(measure.unit, _overhead(method, udh))
    if size < LEAST_ROOM:
        return TooLong(units, 0)
    texts = _cut(text, measure, size)
    if len(texts) > min(limit, MOST_SEGMENTS):
        return TooLong(len(texts), min(limit, MOST_SEGMENTS))
    if method is Method.PAYLOAD:
        return [_alone(octets, units, text, udh.build(), packed)]
    pieces = [
        (charsets.encode(piece, charset, written), measure.units(piece), piece)
        for piece in texts
    ]
    return _segments(pieces, method, reference, udh, packed)


def split_binary(
    octets: bytes,
    *,
    method: Method | str = Method.UDH,
    reference: int = 0,
    udh: Udh = _NO_UDH,
    limit: int = MOST_SEGMENTS,
) -> list[Segment] | TooLong:
    """Return the segments of octets that are no text."""
    if len(octets) <= room(Unit.OCTET, len(udh)):
        return [_alone(octets, len(octets), None, udh.build())]
    method = _assumed(Method(method), udh)
    size = room(Unit.OCTET, _overhead(method, udh))
    if size < LEAST_ROOM:
        return TooLong(len(octets), 0)
    starts = range(0, len(octets), size)
    if len(starts) > min(limit, MOST_SEGMENTS):
        return TooLong(len(starts), min(limit, MOST_SEGMENTS))
    if method is Method.PAYLOAD:
        return [_alone(octets, len(octets), None, udh.build())]
    pieces = [octets[start : start + size] for start in starts]
    return _segments(
        [(piece, len(piece), None) for piece in pieces], method, reference, udh
    )


def count(
    text: str,
    charset: Charset,
    *,
    method: Method | str = Method.UDH,
    udh: Udh = _NO_UDH,
    default_charset: str = "gsm8",
) -> int:
    """Return how many SMS `text` is on the air, without encoding them."""
    measure = _measure(charset, default_charset)
    if measure.units(text) <= room(measure.unit, len(udh)):
        return 1
    size = room(measure.unit, _overhead(_assumed(Method(method), udh), udh))
    return len(_cut(text, measure, max(size, LEAST_ROOM)))


def join(parts: Iterable[tuple[str | None, bytes, str]]) -> str:
    """Return the text of segments given as (text, octets, charset), in order.

    Segments of one alphabet other than GSM are joined as octets, since some
    carriers cut surrogate pairs and the like between segments; those of GSM as
    their texts, which know their national tables and fill bits.
    """
    given = list(parts)
    words = {charset for _, _, charset in given}
    if len(words) == 1 and not words & {"gsm8", "gsm7"}:
        return charsets.decode(b"".join(octets for _, octets, _ in given), words.pop())
    return "".join(
        charsets.decode(octets, charset) if text is None else text
        for text, octets, charset in given
    )
