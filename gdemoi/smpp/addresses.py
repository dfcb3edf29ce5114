"""Numbers and names as SMPP addresses: TON, NPI, and the characters themselves.

SMPP 3.4 §5.2.5, §5.2.6.  Derived where nothing is configured: letters are
alphanumeric (5/0), ``+`` is international (1/1, written without it), short
numbers are unknown (0/1).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from gdemoi.message import Numbering

INTERNATIONAL: Final = 1
NATIONAL: Final = 2
ALPHANUMERIC: Final = 5
ISDN: Final = 1
# A number so long without a + is one in full international form.
_SHORTEST_INTERNATIONAL: Final = 10
# 3GPP TS 23.040 §9.1.2.5: eleven characters of the GSM alphabet.
LONGEST_NAME: Final = 11
# S21 of §5.2.8 without its NUL; E.164 has fifteen digits.
LONGEST_NUMBER: Final = 20


class Address(NamedTuple):
    """One address as its three fields."""

    ton: int
    npi: int
    addr: str


NO_ADDRESS: Final = Address(0, 0, "")


def is_number(word: str) -> bool:
    """Tell whether a sender is a number, with or without its +."""
    digits = word.removeprefix("+")
    return digits.isascii() and digits.isdigit()


def address(
    word: str,
    ton: int | None = None,
    npi: int | None = None,
    *,
    keep_plus: bool = False,
) -> Address:
    """Return the fields of a number or name; `ton` and `npi` None: derived."""
    if not is_number(word):
        derived = (ALPHANUMERIC, 0)
    elif word.startswith("+") or _is_international(word):
        derived = (INTERNATIONAL, ISDN)
    else:
        derived = (0, ISDN)
    return Address(
        derived[0] if ton is None else ton,
        derived[1] if npi is None else npi,
        word if keep_plus else word.removeprefix("+"),
    )


def _is_international(digits: str) -> bool:
    return len(digits) >= _SHORTEST_INTERNATIONAL and not digits.startswith("0")


# SMPP 3.4 §5.2.5; network specific, subscriber and abbreviated numbers stay.
_NUMBERINGS: Final = {
    0: Numbering.UNKNOWN,
    # with its plus by now, or called so by mistake
    INTERNATIONAL: Numbering.UNKNOWN,
    NATIONAL: Numbering.NATIONAL,
}
# E.164 §6.2: a short number that an SMSC calls international is none.
_E164: Final = re.compile(r"[1-9][0-9]{6,14}").fullmatch


def as_number(ton: int, addr: str) -> str:
    """Return how an address that came in is written upward: +E.164 where it is."""
    if ton == INTERNATIONAL and addr.isascii() and addr.isdigit():
        return f"+{addr}"
    return addr


def as_sender(ton: int, addr: str) -> str:
    """Return the same for who sent an SMS: short numbers stay, whatever their TON."""
    return as_number(ton, addr) if _E164(addr) else addr


def numbering_of(ton: int) -> Numbering:
    """Return what the TON of an address that came in says of it."""
    return _NUMBERINGS.get(ton, Numbering.AS_GIVEN)


def digits_of(word: str) -> str:
    """Return what two spellings of one number have in common."""
    return word.removeprefix("+").lstrip("0")


def complaint_of_sender(word: str) -> str | None:
    """Return what is wrong with a sender, None: nothing."""
    if not word.isascii() or not word.isprintable():
        return f"the sender {word!r} is not made of ASCII characters"
    if is_number(word):
        if len(word.removeprefix("+")) > LONGEST_NUMBER:
            return f"the sender {word} is longer than {LONGEST_NUMBER} digits"
    elif len(word) > LONGEST_NAME:
        return f"the sender {word} is longer than {LONGEST_NAME} characters"
    return None
