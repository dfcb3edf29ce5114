"""Cyrillic in Latin letters, by table.

``icao``: ICAO Doc 9303 part 3, section 6, table B, as in passports; the base
column, not the notes for one language each.  ``gost``: GOST 7.79-2000, system B.
Both are ASCII and so within GSM 03.38; what GOST writes with a grave accent, which
GSM has not, has an apostrophe.  Letters that a table lacks come from the other
one, those of Kazakh from BGN/PCGN 1979 without its marks.

Tables and not a library: those that are kept up know Russian only, or ask for the
language of each text, which nobody tells us.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

from gdemoi.message import Transliteration

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
_SOFTENING: Final = ("e", "i", "j", "y")


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
        if latin == "cz" and _softened(letters, text, place):
            latin = "c"
        if char.isupper():
            loud = len(latin) > 1 and _among_large(text, place)
            latin = latin.upper() if loud else latin[:1].upper() + latin[1:]
        written.append(latin)
    return "".join(written)


def _softened(letters: Mapping[str, str], text: str, place: int) -> bool:
    following = text[place + 1 : place + 2].lower()
    return letters.get(following, following).startswith(_SOFTENING)


def _among_large(text: str, place: int) -> bool:
    """Whether the letters beside it are large; alone, whether all others are."""
    for beside in (text[place + 1 : place + 2], text[max(place - 1, 0) : place]):
        if beside.isalpha():
            return beside.isupper()
    return text.isupper() and sum(map(str.isalpha, text)) > 1
