"""Which alphabet a text goes in, and how its octets read back.

Knows the charsets of a message (`Charset`), what data_coding means (SMPP 3.4
§5.2.19, 3GPP TS 23.038 §4) and what a carrier means by data_coding 0: the
*default charset*, one of `DEFAULT_CHARSETS`.  Refuses to know PDUs.  Nothing is
ever changed in a text unless `OnUnencodable.TRANSLITERATE` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gdemoi.message import Charset, OnUnencodable, Transliteration
from gdemoi.text import gsm7, transliterate
from gdemoi.text.gsm7 import Unencodable

__all__ = [
    "DEFAULT_CHARSETS",
    "Unencodable",
    "charset_of",
    "choose",
    "data_coding_of",
    "decode",
    "encode",
    "fits",
    "has_mark",
    "joined_with_mark",
    "without_mark",
]

# What data_coding 0 may mean to a carrier; gsm7 is packed, gsm8 one septet an
# octet.
DEFAULT_CHARSETS: Final = ("gsm8", "gsm7", "latin1", "ascii", "utf8")

_GSM: Final = frozenset({Charset.AUTO, Charset.GSM7, Charset.GSM8})

# data_coding -> codec, where Python has one (SMPP 3.4 §5.2.19).
_CODED: Final[dict[int, str]] = {
    2: "binary",
    3: "latin1",
    4: "binary",
    5: "shift_jis",
    6: "iso8859_5",
    7: "iso8859_8",
    8: "ucs2",
    9: "binary",
    10: "iso2022_jp",
    13: "euc_jp",
    14: "euc_kr",
}

# Byte order marks of UTF-16, and what they are as characters.
_LITTLE: Final = b"\xff\xfe"
_BIG: Final = b"\xfe\xff"
_MARK: Final = "\ufeff"
_SWAPPED: Final = "\ufffe"

# The GSM alphabet over SMPP: an octet for each septet, or packed.
_GSM_FORMS: Final = frozenset({"gsm8", "gsm7"})
_CODECS: Final = {"latin1": "latin-1", "ascii": "ascii", "utf8": "utf-8"}


def data_coding_of(charset: Charset) -> int:
    """Return the data_coding that says `charset` (after `choose`: never auto)."""
    if charset is Charset.UCS2:
        return 8
    return 3 if charset is Charset.LATIN1 else 0


def charset_of(data_coding: int, default: str = "gsm8", ia5: str | None = None) -> str:
    """Return the word of the alphabet that `data_coding` announces.

    Words: gsm8, gsm7, latin1, ascii, utf8, ucs2, binary, or a codec's name.  1 is
    `ia5`, or else read as 0: carriers that say "0 or 1: GSM" are many, and ASCII
    proper is a part of every other default.

    Only 0 (and what is reserved) means whatever the carrier likes; the codings that
    TS 23.038 §4 gives to the GSM alphabet are that alphabet, packed or not.
    """
    if data_coding == 1:
        return ia5 or default
    if data_coding <= 0x0F:
        return _CODED.get(data_coding, default)
    gsm = default if default in _GSM_FORMS else "gsm8"
    group = data_coding >> 4
    if group <= 7:
        # general data coding (and automatic deletion): bit 5 compressed, bits 3-2
        # the alphabet
        if data_coding & 0x20:
            return "binary"
        return (gsm, "binary", "ucs2", default)[data_coding >> 2 & 3]
    if group == 0xE:
        return "ucs2"  # message waiting, UCS2
    if group == 0xF:
        return "binary" if data_coding & 0x04 else gsm
    # message waiting (0xC0-0xDF); reserved codings are to be read as the default
    return gsm if group in (0xC, 0xD) else default


def fits(text: str, charset: Charset, default_charset: str = "gsm8") -> bool:
    """Tell whether `text` can be said in `charset` without a change.

    With a default charset other than GSM, a text must be both in GSM 03.38 (what
    phones get) and in that charset (what the carrier takes).
    """
    if charset in _GSM:
        codec = _CODECS.get(default_charset)
        return gsm7.fits(text) and (codec is None or _encodable(text, codec))
    return _encodable(text, "latin-1" if charset is Charset.LATIN1 else "utf-16-be")


def _encodable(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def choose(
    text: str,
    charset: Charset,
    on_unencodable: OnUnencodable = OnUnencodable.REJECT,
    default_charset: str = "gsm8",
    transliteration: Transliteration = Transliteration.ICAO,
) -> tuple[str, Charset]:
    """Return the text that goes out, and the alphabet (never auto) it goes in.

    `auto` is GSM when the text fits and else UCS2; asked to transliterate, it does
    so only when the result is GSM.  Raises `Unencodable` when the text fits no
    alphabet that the message allows.
    """
    wanted = Charset.GSM8 if charset is Charset.AUTO else charset
    if fits(text, wanted, default_charset):
        return text, wanted
    if on_unencodable is OnUnencodable.TRANSLITERATE:
        nearest = transliterate.to_gsm7(text, transliteration)
        if fits(nearest, wanted, default_charset) or charset is not Charset.AUTO:
            # what has no near letter is the fault, not what has one
            encode(nearest, wanted, default_charset)
            return nearest, wanted
    if charset is Charset.AUTO or on_unencodable is OnUnencodable.UCS2:
        wanted = Charset.UCS2
    encode(text, wanted, default_charset)
    return text, wanted


def encode(text: str, charset: Charset, default_charset: str = "gsm8") -> bytes:
    """Return the octets of `text`; raise `Unencodable`.

    `gsm7`, `gsm8` and `auto` mean "the GSM alphabet in the form which data_coding
    0 has there": the carrier's default charset.
    """
    if charset in _GSM:
        codec = _CODECS.get(default_charset)
        if codec is None:
            septets = gsm7.encode(text)
            return gsm7.pack(septets) if default_charset == "gsm7" else septets
        if not gsm7.fits(text):
            gsm7.encode(text)
    else:
        codec = "latin-1" if charset is Charset.LATIN1 else "utf-16-be"
    try:
        return text.encode(codec)
    except UnicodeEncodeError as error:
        raise Unencodable(error.start, text[error.start], codec) from None


def decode(
    octets: bytes,
    charset: str,
    single_shift: int = 0,
    locking_shift: int = 0,
    fill_bits: int = 0,
) -> str:
    """Return the text of `octets`, as far as it can be read; never raises.

    What cannot be read becomes U+FFFD, a lone surrogate too, since no database
    and no JSON can hold one; `binary` reads as Latin-1, an octet a character.
    `fill_bits` counts only for packed septets after a user data header.
    """
    if charset == "gsm8":
        return gsm7.decode(octets, single_shift, locking_shift)
    if charset == "ucs2":
        codec = "utf-16-le" if octets.startswith(_LITTLE) else "utf-16-be"
        return (octets[2:] if has_mark(octets) else octets).decode(codec, "replace")
    if charset == "gsm7":
        septets = _unpacked(octets, fill_bits)
        return gsm7.decode(septets, single_shift, locking_shift)
    codec = "latin-1" if charset == "binary" else _CODECS.get(charset, charset)
    try:
        return octets.decode(codec, "replace")
    except LookupError:
        return octets.decode("latin-1")


def has_mark(octets: bytes) -> bool:
    """Tell whether UCS2 begins with a byte order mark (Unicode §23.8)."""
    return octets.startswith((_LITTLE, _BIG))


def joined_with_mark(pieces: Sequence[bytes]) -> bytes:
    """Return the octets of segments joined, with the first one's mark only."""
    mark = pieces[0][:2]
    return mark + b"".join(piece.removeprefix(mark) for piece in pieces)


def without_mark(text: str) -> str:
    """Return a text without its byte order mark.

    U+FFFE is no character: it is the mark of UCS2 whose octets were read in the
    wrong order, by whoever made a text of them.
    """
    if text.startswith(_SWAPPED):
        octets = text.encode("utf-16-be", "surrogatepass")
        return octets[2:].decode("utf-16-le", "replace")
    return text.removeprefix(_MARK)


def _unpacked(octets: bytes, fill_bits: int) -> bytes:
    """Return the septets of octets that come without a count of septets.

    Seven spare bits look like an eighth septet, an `@`; TS 23.038 §6.1.2.3.1
    fills them with CR instead.  A zero there is far more often nothing than `@`.
    """
    septets = gsm7.unpack(octets, len(octets) * 8 // 7, fill_bits)
    spare = len(octets) * 8 - fill_bits - len(septets) * 7
    if septets and not spare and septets[-1] in (0x00, 0x0D):
        return septets[:-1]
    return septets
