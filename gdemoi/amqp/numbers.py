"""Phone numbers as platforms write them, brought to the one stored form.

The rules are those of docs/contract.rst, "Numbers".

The stored form is ``+E.164``, or a short number of three to six digits as it
was given.  This file knows the numbering plans through `phonenumbers`; it does
not know which carrier or channel a number belongs to.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers

from gdemoi.errors import InvalidMessage

# ITU-T E.164 §6.2: at most 15 digits, the country code never begins with 0.
INTERNATIONAL: Final = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
_SHORT: Final = re.compile(r"[0-9]{3,6}").fullmatch
_DIGITS: Final = re.compile(r"\+?[0-9]{7,20}").fullmatch
# ITU-T E.123: what people put between the digits.
_BETWEEN_DIGITS: Final = str.maketrans("", "", " -.()/")


@lru_cache(maxsize=65536)
def normalise(number: str, home_country: str | None) -> str:
    """Return `number` in the stored form; raise `bad_number`.

    Digits without ``+`` are read as a number of `home_country` first (with or
    without its trunk prefix or country code), then as an international one.
    """
    if INTERNATIONAL(number) or _SHORT(number):
        return number
    digits = number.translate(_BETWEEN_DIGITS)
    if INTERNATIONAL(digits):
        return digits
    if _DIGITS(digits) and digits[0] != "+":
        candidates: list[tuple[str, str | None]] = []
        if home_country:
            candidates.append((digits, home_country))
        candidates.append(("+" + digits.removeprefix("00"), None))
        for candidate, country in candidates:
            found = _valid(candidate, country)
            if found is not None:
                return found
    raise InvalidMessage("bad_number", f"{number[:40]!r} is not a phone number", "to")


def _valid(digits: str, country: str | None) -> str | None:
    try:
        parsed = phonenumbers.parse(digits, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
