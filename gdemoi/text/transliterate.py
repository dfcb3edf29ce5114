"""The nearest letters of the GSM alphabet, for texts that people read.

Knows which characters look alike.  Never used for commands: whether it may be
used at all is the caller's decision (`OnUnencodable.TRANSLITERATE`).  Cyrillic is
written by a table (`cyrillic`); letters of other scripts (Arabic, …) have no nearest
letter and stay as they are, so that the result may still not fit.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from gdemoi.message import Transliteration
from gdemoi.text import gsm7
from gdemoi.text.cyrillic import to_latin

# What neither the alphabet has nor Unicode's decomposition finds.
_NEAREST: Final[dict[str, str]] = {
    # letters
    "ç": "c",
    "ı": "i",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ð": "d",
    "Ð": "D",
    "þ": "th",
    "Þ": "Th",
    "ħ": "h",
    "Ħ": "H",
    "ŧ": "t",
    "Ŧ": "T",
    "ŋ": "n",
    "Ŋ": "N",
    "ĸ": "k",
    "œ": "oe",
    "Œ": "OE",
    "ẞ": "ß",
    "ƒ": "f",
    "ə": "e",
    "Ə": "E",
    "º": "o",
    "ª": "a",
    # quotes
    **dict.fromkeys("‘’‚‛′`´ʹʼʻˈ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    "‹": "<",
    "›": ">",
    # dashes, dots, signs
    **dict.fromkeys("‐‑‒–—―−", "-"),
    "…": "...",
    "•": "*",
    "·": ".",
    "×": "x",
    "÷": "/",
    "⁄": "/",
    "±": "+/-",
    "°": "deg",
    "©": "(c)",
    "®": "(r)",
    "™": "(tm)",
    "№": "No",
    "¢": "c",
    "¦": "|",
    "≤": "<=",
    "≥": ">=",
    # blanks
    "\t": " ",
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\u205f\u3000", " "),
    "\u2028": "\n",
    "\u2029": "\n",
    # what is not seen
    **dict.fromkeys("\u00ad\u200b\u200c\u200e\u200f\u2060\ufeff", ""),
    # Greek small letters and those capitals that Latin ones look like, as Greek
    # phones write them
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    **dict(zip("αβγδεζηθικλμνξοπρςστυφχψω", "ABΓΔEZHΘIKΛMNΞOΠPΣΣTYΦXΨΩ", strict=True)),
}


@lru_cache(maxsize=4096)
def _nearest(char: str) -> str:
    if gsm7.fits(char):
        return char
    known = _NEAREST.get(char)
    if known is not None:
        return known
    stripped = "".join(
        part
        for part in unicodedata.normalize("NFKD", char)
        if not unicodedata.combining(part)
    )
    if stripped == char:
        return char
    nearest = "".join(_NEAREST.get(part, part) for part in stripped)
    return nearest if nearest and gsm7.fits(nearest) else char


def to_gsm7(text: str, table: Transliteration = Transliteration.ICAO) -> str:
    """Return `text` with each character as near to the GSM alphabet as known."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(map(_nearest, to_latin(composed, table)))
