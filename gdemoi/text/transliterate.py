"""The nearest letters of the GSM alphabet, for texts that people read.

Knows which characters look alike.  Never used for commands: whether it may be
used at all is the caller's decision (`OnUnencodable.TRANSLITERATE`).  Cyrillic is
written by a table (`to_latin`); letters of other scripts (Arabic, …) have no nearest
letter and stay as they are, so that the result may still not fit.

Cyrillic's tables.  ``icao``: ICAO Doc 9303 part 3, section 6, table B, as in
passports; the base column, not the notes for one language each.  ``gost``: GOST
7.79-2000, system B.  Both are ASCII and so within GSM 03.38; what GOST writes with a
grave accent, which GSM has not, has an apostrophe.  Letters that a table lacks come
from the other one, those of Kazakh from BGN/PCGN 1979 without its marks.

Tables and not a library: those that are kept up know Russian only, or ask for the
language of each text, which nobody tells us.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from gdemoi.message import Transliteration
from gdemoi.text import gsm7

_SHARED: Final = {
    **dict(zip("абвгдезиклмнопрстуфы", "abvgdeziklmnoprstufy", strict=True)),
    **dict(zip("іјќћ", "ijkc", strict=True)),
    **{"ж": "zh", "ч": "ch", "ш": "sh", "ђ": "d"},
    # Kazakh
    **{"ә": "a", "ғ": "gh", "қ": "q", "ң": "ng", "ө": "o"},
    **dict(zip("ұүһ", "uuh", strict=True)),
}  # fmt: skip

_ICAO: Final = {
    **_SHARED,
    **{"ё": "e", "й": "i", "х": "kh", "ц": "ts", "щ": "shch", "ъ": "ie", "ь": ""},
    **{"э": "e", "ю": "iu", "я": "ia"},
    **{"ґ": "g", "є": "ie", "ї": "i", "ў": "u", "ѫ": "u", "ѵ": "y"},
    **{"ѓ": "g", "ѕ": "dz", "љ": "lj", "њ": "nj", "џ": "dz"},
}

_GOST: Final = {
    **_SHARED,
    **{"ё": "yo", "й": "j", "х": "x", "ц": "cz", "щ": "shh", "ъ": "''", "ь": "'"},
    **{"ы": "y'", "э": "e'", "ю": "yu", "я": "ya"},
    **{"ґ": "g'", "є": "ye", "ї": "yi", "ў": "u'", "ѫ": "o'", "ѵ": "yh"},
    **{"ѓ": "g'", "ќ": "k'", "ѕ": "z'", "љ": "l'", "њ": "n'", "џ": "dh"},
    **{"ѣ": "ye", "ѳ": "fh"},
}

_TABLES: Final[Mapping[Transliteration, Mapping[str, str]]] = {
    Transliteration.ICAO: {**_ICAO, "ѣ": "ie", "ѳ": "f"},
    Transliteration.GOST: _GOST,
}

# GOST: c, not cz, before the letters that begin so in Latin.
_FRONT_VOWELS: Final = ("e", "i", "j", "y")


def to_latin(text: str, table: Transliteration) -> str:
    """Return `text` with its Cyrillic letters in Latin; the rest stays as it is.

    A large letter that becomes several is large throughout among large ones
    (``ЩУКА``, ``Я ЗДЕСЬ``), else only at its beginning (``Щука``).  Marks above a
    Cyrillic letter (stress) are left out.
    """
    letters = _TABLES[table]
    written: list[str] = []
    after_letter = False
    for place, char in enumerate(text):
        latin = letters.get(char.lower())
        if latin is None:
            if not (after_letter and unicodedata.combining(char)):
                after_letter = False
                written.append(char)
            continue
        after_letter = True
        if latin == "cz" and _before_front_vowel(letters, text, place):
            latin = "c"
        if char.isupper():
            all_capitals = len(latin) > 1 and _among_large(text, place)
            latin = latin.upper() if all_capitals else latin[:1].upper() + latin[1:]
        written.append(latin)
    return "".join(written)


def _before_front_vowel(letters: Mapping[str, str], text: str, place: int) -> bool:
    following = text[place + 1 : place + 2].lower()
    return letters.get(following, following).startswith(_FRONT_VOWELS)


def _among_large(text: str, place: int) -> bool:
    """Whether the letters beside it are large; alone, whether all others are."""
    for beside in (text[place + 1 : place + 2], text[max(place - 1, 0) : place]):
        if beside.isalpha():
            return beside.isupper()
    return text.isupper() and sum(map(str.isalpha, text)) > 1


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
