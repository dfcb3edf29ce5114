"""What a command_status means for a message and for its channel.

The classes are those of SMPP 3.4 §5.1.3 read with the experience of carriers;
an operator overrides any of them (``status.0x58 = later 5s``).  Numbers that no
document names are data: they have a class like all others.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from attrs import frozen

from gdemoi.message import Error, Refused, Scope
from gdemoi.smpp.pdu.statuses import name_of


class Verdict(StrEnum):
    """What to do after a command_status other than ESME_ROK."""

    # tell the sender that it failed
    FINAL = "final"
    # keep the message and try again
    LATER = "later"
    # the same, and send more slowly
    THROTTLED = "throttled"
    # keep the message; its number has to wait, other numbers go on
    QUEUE_FULL = "queue_full"
    # its sender cannot be used there: another channel, or it has failed
    SENDER = "sender"
    # about the session: bind again, then try the message again
    LINK = "link"
    # the channel is of no use until someone acts
    MENDED = "mended"


@frozen
class StatusRule:
    """The verdict on one command_status, with the pause for `later`."""

    verdict: Verdict
    pause_s: float | None = None


_FINAL: Final = StatusRule(Verdict.FINAL)
_LATER: Final = StatusRule(Verdict.LATER)
_SLOWER: Final = StatusRule(Verdict.THROTTLED)
_QUEUE_FULL: Final = StatusRule(Verdict.QUEUE_FULL)
_SENDER: Final = StatusRule(Verdict.SENDER)
_LINK: Final = StatusRule(Verdict.LINK)
_MENDED: Final = StatusRule(Verdict.MENDED)

RULES: Final[dict[int, StatusRule]] = {
    0x04: _LINK,  # INVBNDSTS
    0x05: _LINK,  # ALYBND
    0x08: _LATER,  # SYSERR
    0x0A: _SENDER,  # INVSRCADR
    0x0D: _LINK,  # BINDFAIL
    0x0E: _MENDED,  # INVPASWD
    0x0F: _MENDED,  # INVSYSID
    0x14: _QUEUE_FULL,  # MSGQFUL: often the queue of one number
    0x45: _LATER,  # SUBMITFAIL
    0x48: _SENDER,  # INVSRCTON
    0x49: _SENDER,  # INVSRCNPI
    0x53: _MENDED,  # INVSYSTYP
    0x58: _SLOWER,  # THROTTLED
    0x64: _LATER,  # RX_T_APPN
    0x105: _SENDER,  # INVSRCADDRSUBUNIT (SMPP 5.0)
    0xFE: _LATER,  # DELIVERYFAILURE, unless delivery_failure_reason says more
    0xFF: _LATER,  # UNKNOWNERR
}
# Reserved for vendors by SMPP 3.4 §5.1.3: without a table nobody knows.
VENDOR: Final = range(0x400, 0x500)

# Credentials that are refused stay refused until someone changes them.
BAD_CREDENTIALS: Final = frozenset({0x0E, 0x0F, 0x53})
INVCMDID: Final = 0x03
DELIVERYFAILURE: Final = 0xFE
# delivery_failure_reason (§5.3.2.33): 1 and 2 are permanent
_PERMANENT_REASONS: Final = frozenset({1, 2})

_RULE: Final = re.compile(r"(\w+)(?:\s+(\d+(?:\.\d+)?)s)?")


def rule_for(
    command_status: int, overrides: dict[int, StatusRule] | None = None
) -> StatusRule:
    """Return the rule for a command_status; any number has one."""
    if overrides and command_status in overrides:
        return overrides[command_status]
    rule = RULES.get(command_status)
    if rule is not None:
        return rule
    return _LATER if command_status in VENDOR else _FINAL


def refusal(
    command_status: int,
    overrides: dict[int, StatusRule] | None = None,
    delivery_failure_reason: int | None = None,
    said: str = "",
) -> Refused:
    """Return the outcome of a request that was answered with an error."""
    rule = rule_for(command_status, overrides)
    if (
        command_status == DELIVERYFAILURE
        and delivery_failure_reason in _PERMANENT_REASONS
    ):
        rule = _FINAL
    text = name_of(command_status)
    if said:
        text = f"{text}: {said}"
    return Refused(
        error=Error(
            f"smpp:0x{command_status:02X}", text, rule.verdict not in _LAST_WORDS
        ),
        scope=_SCOPES[rule.verdict],
        retry_after_s=rule.pause_s,
        throttled=rule.verdict is Verdict.THROTTLED,
        queue_full=rule.verdict is Verdict.QUEUE_FULL,
    )


# The message will not be taken there another time either.
_LAST_WORDS: Final = frozenset({Verdict.FINAL, Verdict.SENDER})
_SCOPES: Final[dict[Verdict, Scope]] = {
    Verdict.SENDER: Scope.SENDER,
    Verdict.FINAL: Scope.MESSAGE,
    Verdict.LATER: Scope.MESSAGE,
    Verdict.THROTTLED: Scope.MESSAGE,
    Verdict.QUEUE_FULL: Scope.MESSAGE,
    Verdict.LINK: Scope.CHANNEL_FOR_A_WHILE,
    Verdict.MENDED: Scope.CHANNEL_UNTIL_MENDED,
}


def read_status(key: str) -> int:
    """Read ``0x58``, the tail of an ini key; ValueError says what is wrong."""
    try:
        command_status = int(key, 0)
    except ValueError:
        raise ValueError(f"{key!r} is not a number such as 0x58") from None
    if not 0 < command_status <= 0xFFFFFFFF:
        raise ValueError(f"{key} is out of range")
    return command_status


def read_rule(value: str) -> StatusRule:
    """Read ``later 5s`` of the ini; ValueError says what is wrong."""
    found = _RULE.fullmatch(value.strip())
    if found is None or found[1] not in set(Verdict):
        words = ", ".join(Verdict)
        raise ValueError(f"{value!r} is not one of {words}, with a pause such as 30s")
    return StatusRule(Verdict(found[1]), float(found[2]) if found[2] else None)
