"""What an SMSC's error codes mean: command_status of answers, `err` of receipts.

A command_status has a `Verdict`: what is to be done with the message and the channel.
The verdicts are SMPP 3.4 §5.1.3 read with the experience of carriers; an operator
overrides any of them (``status.0x58 = later 5s``).  Numbers that no document names
have a verdict like all others.

The values of `err` are a carrier's own and come as data.  A table is a TOML file:
`name`, and one `[codes.N]` per code with `state` (delivered, enroute, undelivered,
expired, rejected), `retryable`, and the meaning in any of `en`, `ru`, `es` (and
`es_meaning`, the manual's long text).  Those that come with gdemoi lie in
``tables/``; an operator names another file by its path
(``error_table = /etc/gdemoi/carrier.toml``).
"""

from __future__ import annotations

import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from gdemoi.message import Error, MessageState, Refused, Scope
from gdemoi.smpp.pdu.statuses import VENDOR, Status, name_of


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
    HALT = "mended"


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
_HALT: Final = StatusRule(Verdict.HALT)

RULES: Final[dict[int, StatusRule]] = {
    0x04: _LINK,  # INVBNDSTS
    0x05: _LINK,  # ALYBND
    0x08: _LATER,  # SYSERR
    0x0A: _SENDER,  # INVSRCADR
    0x0D: _LINK,  # BINDFAIL
    0x0E: _HALT,  # INVPASWD
    0x0F: _HALT,  # INVSYSID
    0x14: _QUEUE_FULL,  # MSGQFUL: often the queue of one number
    0x45: _LATER,  # SUBMITFAIL
    0x48: _SENDER,  # INVSRCTON
    0x49: _SENDER,  # INVSRCNPI
    0x53: _HALT,  # INVSYSTYP
    0x58: _SLOWER,  # THROTTLED
    0x64: _LATER,  # RX_T_APPN
    0x105: _SENDER,  # INVSRCADDRSUBUNIT (SMPP 5.0)
    0xFE: _LATER,  # DELIVERYFAILURE, unless delivery_failure_reason says more
    0xFF: _LATER,  # UNKNOWNERR
}
# Credentials that are refused stay refused until someone changes them.
BAD_CREDENTIALS: Final = frozenset({0x0E, 0x0F, 0x53})
DELIVERYFAILURE: Final = int(Status.RDELIVERYFAILURE)
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
    # what a vendor reserves for itself nobody knows without a table
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
    Verdict.HALT: Scope.CHANNEL_HALTED,
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


# -- err of receipts

OURS: Final = Path(__file__).parent / "tables"
LANGUAGES: Final = ("en", "ru", "es")
_STATES: Final = frozenset(
    {
        *(MessageState.DELIVERED, MessageState.ENROUTE, MessageState.UNDELIVERED),
        *(MessageState.EXPIRED, MessageState.REJECTED),
    }
)
_KEYS: Final = frozenset({"state", "retryable", "es_meaning", *LANGUAGES})


@frozen
class CodeMeaning:
    """What one value of `err` means."""

    code: str
    state: MessageState
    retryable: bool
    text: dict[str, str]
    # the manual's own explanation, at length
    es_meaning: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing more is to come after this code."""
        return self.state is not MessageState.ENROUTE

    def tell(self, language: str) -> str:
        """Return the meaning in `language`, or in the first one that there is."""
        for word in (language, *LANGUAGES):
            if word in self.text:
                return self.text[word]
        return f"code {self.code}"


@frozen
class ErrorTable:
    """All codes of one carrier; `name` is the namespace of its error codes."""

    name: str
    codes: dict[str, CodeMeaning] = field(factory=dict)

    def find(self, err: str | None) -> CodeMeaning | None:
        """Look a code up as it came; ``053`` is 53."""
        if not err:
            return None
        return self.codes.get(err.strip().lstrip("0") or "0")

    def error(self, err: str, language: str = "en") -> Error:
        """Return the event's error for a code, known or not."""
        meaning = self.find(err)
        if meaning is None:
            return Error(f"{self.name}:{err}", f"code {err}, not in the table")
        return Error(
            f"{self.name}:{meaning.code}", meaning.tell(language), meaning.retryable
        )


# Without a table, codes are told as they came.
NO_TABLE: Final = ErrorTable("receipt")


def load_table(name_or_path: str) -> ErrorTable:
    """Read a table of ours by its name, or any by its path.

    Raises ValueError with what is wrong, for the ini reader to tell.
    """
    if "/" in name_or_path:
        path = Path(name_or_path)
    else:
        path = OURS / f"{name_or_path}.toml"
        if not path.is_file():
            ours = ", ".join(sorted(file.stem for file in OURS.glob("*.toml")))
            raise ValueError(f"no table {name_or_path!r}; there are: {ours}, or a path")
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
    return read_table(content, path.stem)


def read_table(content: dict[str, Any], stem: str) -> ErrorTable:
    """Make a table of a parsed file; ValueError names the code that is wrong."""
    codes = content.get("codes")
    if not isinstance(codes, dict) or not codes:
        raise ValueError("an error table needs [codes.N] sections")
    name = content.get("name", stem)
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"name of an error table must be one word, not {name!r}")
    found = {code: _meaning(code, entry) for code, entry in codes.items()}
    return ErrorTable(
        name, {code.lstrip("0") or "0": meaning for code, meaning in found.items()}
    )


def _meaning(code: str, entry: Any) -> CodeMeaning:
    if not isinstance(entry, dict):
        raise ValueError(f"code {code}: a section is needed")
    unknown = set(entry) - _KEYS
    if unknown:
        raise ValueError(f"code {code}: unknown {', '.join(sorted(unknown))}")
    state = entry.get("state")
    if state not in _STATES:
        known = ", ".join(sorted(_STATES))
        raise ValueError(f"code {code}: state must be one of {known}, not {state!r}")
    retryable = entry.get("retryable", False)
    if not isinstance(retryable, bool):
        raise ValueError(f"code {code}: retryable must be true or false")
    text = {word: entry[word] for word in LANGUAGES if word in entry}
    if not all(isinstance(meaning, str) for meaning in text.values()):
        raise ValueError(f"code {code}: meanings are strings")
    return CodeMeaning(
        code.lstrip("0") or "0",
        MessageState(state),
        retryable,
        text,
        str(entry.get("es_meaning", "")),
    )
