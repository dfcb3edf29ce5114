"""Phone numbers as platforms write them, brought to the one stored form.

The rules are those of docs/contract.rst, "Numbers".

The stored form is ``+E.164``, or a short number of three to six digits as it
was given.  What a platform writes is read generously (`normalise`); who sent an
SMS is told as E.164 only where no doubt is left (`certain`).  This file knows the
numbering plans through `phonenumbers`; it does not know which carrier or channel
a number belongs to.
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
_SILENT: Final = frozenset(
    {
        phonenumbers.PhoneNumberType.FIXED_LINE,
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.UAN,
        phonenumbers.PhoneNumberType.VOICEMAIL,
    }
)
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


@lru_cache(maxsize=65536)
def certain(number: str, home_country: str | None, *, national: bool = False) -> str:
    """Return a sender's number as ``+E.164`` if it can be read in one way only.

    Else as it came: short numbers, names, and digits that are a number of
    `home_country` and also one of another country that sends SMS.  `national`: the
    far side says that it is one of its own country.  A plus before what is no number
    of any country, but one of `home_country` without it, was put there by mistake.
    """
    digits = number.translate(_BETWEEN_DIGITS)
    if INTERNATIONAL(digits):
        if not home_country or _valid(digits, None) is not None:
            return digits
        return _valid(digits[1:], home_country) or digits
    if not home_country or not _DIGITS(digits) or digits[0] == "+":
        return number
    at_home = _valid(digits, home_country)
    if national:
        return at_home or number
    abroad = _valid("+" + digits.removeprefix("00"), None)
    if at_home is None or abroad is None or at_home == abroad:
        return at_home or abroad or number
    return number if _sends_sms(abroad) else at_home


@lru_cache(maxsize=65536)
def is_spelling_of(spelled: str, number: str) -> bool:
    """Tell whether `spelled` is ``+E.164`` `number`, as its own country writes it.

    With or without country code, trunk prefix and plus.
    """
    if spelled == number:
        return True
    digits = spelled.translate(_BETWEEN_DIGITS)
    if not INTERNATIONAL(number) or not _DIGITS(digits):
        return False
    country = phonenumbers.region_code_for_number(phonenumbers.parse(number, None))
    return number in (
        "+" + digits.removeprefix("+").removeprefix("00"),
        _valid(digits.removeprefix("+"), country),
    )


def _sends_sms(number: str) -> bool:
    """Tell whether a number is of a kind that sends SMS, other than by arrangement."""
    kind = phonenumbers.number_type(phonenumbers.parse(number, None))
    return kind not in _SILENT


def _valid(digits: str, country: str | None) -> str | None:
    try:
        parsed = phonenumbers.parse(digits, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
