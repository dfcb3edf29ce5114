"""Phone numbers as one line's operator wants them, and whether two agree.

A number goes into a blank-separated datagram, so it is checked here again, close
to the wire.  No country tables: a line says its own country code.
"""

from __future__ import annotations

import re
from typing import Final, Literal

NumberFormat = Literal["as_is", "plus", "noplus", "local"]

_NUMBER: Final = re.compile(r"\+?[0-9]{3,20}\Z")
# National and international spellings share at least so many last digits.
_SAME_TAIL: Final = 9


def is_number(number: str) -> bool:
    """Whether `number` may stand in a SEND datagram."""
    return _NUMBER.match(number) is not None and number.isascii()


def spell(number: str, form: NumberFormat, country_code: str, trunk: str) -> str:
    """Return `number` (``+E.164`` or a short number) in the line's form.

    Short numbers, which have no plus, are never changed.
    """
    if not number.startswith("+") or form in ("as_is", "plus"):
        return number
    if form == "local" and country_code and number.startswith("+" + country_code):
        return trunk + number[1 + len(country_code) :]
    return number[1:] if form == "noplus" else number


def unspell(number: str, form: NumberFormat, country_code: str, trunk: str) -> str:
    """Return the ``+E.164`` form of a number that came from this line.

    What does not look like a whole number comes back as it was.
    """
    if number.startswith("+") or not number.isdigit() or not number.isascii():
        return number
    if form == "noplus" and len(number) > 10:
        return "+" + number
    if form == "local" and country_code:
        national = number[len(trunk) :] if number.startswith(trunk) else ""
        if len(national) >= _SAME_TAIL:
            return f"+{country_code}{national}"
        if number.startswith(country_code) and len(number) > 10:
            return "+" + number
    return number


def tail(number: str) -> str:
    """Return what all spellings of a number share."""
    digits = "".join(char for char in number if char in "0123456789")
    return digits[-_SAME_TAIL:] if len(digits) >= _SAME_TAIL else number


def agree(one: str, other: str) -> bool:
    """Whether two spellings may be of one phone."""
    return tail(one) == tail(other)
