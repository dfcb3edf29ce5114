"""Twilio's words: error codes, statuses and what may stand as a sender.

It obeys Twilio's error dictionary; only the class of a code is ours.
"""

from __future__ import annotations

from typing import Final

from gdemoi.cloud.provider import ErrorClass
from gdemoi.message import MessageState

MAX_NAME: Final = 11  # alphanumeric sender

_R, _U, _J, _H = (
    ErrorClass.RETRY,
    ErrorClass.UNCERTAIN,
    ErrorClass.REJECT,
    ErrorClass.HALT,
)
_S = ErrorClass.SENDER
SUBMIT_FATES: Final[dict[int, ErrorClass]] = {
    20429: _R,
    # the queue of this From holds hours of messages
    21611: ErrorClass.SENDER_BUSY,
    **dict.fromkeys((20500, 20503, 20504), _U),
    **dict.fromkeys((20003, 20005, 20006, 20008, 20403, 20404, 10001, 90010), _H),
    # 63038: the day's limit of the account; 21609: our address for receipts
    **dict.fromkeys((63038, 21609), _H),
    # From: missing, not ours, not able to send, not allowed (on a trial account)
    **dict.fromkeys((21212, 21603, 21606, 21607, 21267), _S),
    # since 2024: not a number of Twilio, not of this account, not able to send SMS
    **dict.fromkeys((21659, 21660, 21661), _S),
    # a messaging service that is empty or unknown; no channel for this From
    **dict.fromkeys((21701, 21703, 21704, 21705, 21709, 63007), _S),
    **dict.fromkeys((21211, 21217, 21604, 21612, 21614, 21608, 21408), _J),
    # 14107: many messages between the same two numbers, a loop guard
    # 21624: the validity period of this message
    **dict.fromkeys((21610, 21602, 21617, 21618, 21619, 21624, 14107), _J),
}

# None: the provider has it and nothing more is known, so nothing is told.
STATUSES: Final[dict[str, MessageState | None]] = {
    "accepted": None,
    "scheduled": None,
    "queued": None,
    "sending": None,
    "sent": MessageState.ENROUTE,
    "partially_delivered": MessageState.ENROUTE,
    "delivered": MessageState.DELIVERED,
    "read": MessageState.DELIVERED,
    "undelivered": MessageState.UNDELIVERED,
    "failed": MessageState.REJECTED,
    "canceled": MessageState.REJECTED,
}

# ErrorCode of a failed or undelivered message: (state, worth another message)
ASYNC_CODES: Final[dict[str, tuple[MessageState, bool]]] = {
    **dict.fromkeys(
        ("30001", "30003", "30008", "30017", "30022", "30410", "63017", "63018"),
        (MessageState.UNDELIVERED, True),
    ),
    **dict.fromkeys(("30005", "30006", "30023"), (MessageState.UNDELIVERED, False)),
    **dict.fromkeys(
        ("30002", "30004", "30007", "30010", "30018", "30024", "30032", "30034"),
        (MessageState.REJECTED, False),
    ),
    **dict.fromkeys(("30450", "21610"), (MessageState.REJECTED, False)),
    "30036": (MessageState.EXPIRED, False),
}


def is_sender(word: str) -> bool:
    """Tell whether Twilio can send from this: number, short code or name."""
    if word.startswith("+"):
        digits = word[1:]
        return digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15
    if word.isascii() and word.isdigit():
        return 3 <= len(word) <= 8
    letters = [character for character in word if character not in " +-_&"]
    return (
        len(word) <= MAX_NAME
        and word.isascii()
        and all(character.isalnum() for character in letters)
        and any(character.isalpha() for character in letters)
    )
