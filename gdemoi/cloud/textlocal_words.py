"""Textlocal's words: error codes, statuses, senders, and the hours of its countries.

It obeys the error and receipt pages of api.txtlocal.com; only the class of a code
is ours.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gdemoi.cloud.provider import ErrorClass
from gdemoi.message import MessageState

INDIA: Final = timezone(timedelta(hours=5, minutes=30))
OPENS_AT_H: Final = 9  # code 192: promotional messages go from 9 to 21 in India

_R, _J, _H = ErrorClass.RETRY, ErrorClass.REJECT, ErrorClass.HALT
SUBMIT_FATES: Final[dict[str, ErrorClass]] = {
    **dict.fromkeys(("1", "2", "3", "7"), _H),
    # a sender's name that is not allowed, or none at all
    **dict.fromkeys(("43", "44"), ErrorClass.SENDER),
    **dict.fromkeys(("4", "5", "6", "8", "9", "10", "11"), _J),
    **dict.fromkeys(("32", "33", "34", "51", "80", "191", "204"), _J),
    "192": _R,
}

STATUSES: Final[dict[str, MessageState]] = {
    "P": MessageState.ENROUTE,
    "D": MessageState.DELIVERED,
    "U": MessageState.UNDELIVERED,
    "E": MessageState.EXPIRED,
    "I": MessageState.REJECTED,
    "B": MessageState.REJECTED,
    "?": MessageState.ENROUTE,
}
STATUS_TEXTS: Final = {
    "U": "undelivered",
    "E": "expired",
    "I": "invalid number",
    "B": "blocked: do not disturb",
    "?": "no receipt after four days",
}


def is_sender(word: str) -> bool:
    """Tell whether Textlocal can send from this."""
    digits = word.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        return 3 <= len(digits) <= 13
    letters = word.replace(" ", "")
    return letters.isascii() and letters.isalnum() and 3 <= len(word) <= 11


def seconds_to_opening(now: float) -> float:
    """Return how long it is until promotional messages may be sent in India."""
    here = datetime.fromtimestamp(now, INDIA)
    opens = here.replace(hour=OPENS_AT_H, minute=0, second=0, microsecond=0)
    if opens <= here:
        opens += timedelta(days=1)
    return (opens - here).total_seconds()


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return UTC


ZONES: Final[dict[str, tzinfo]] = {"uk": _zone("Europe/London"), "in": INDIA}
