"""How one account of the sandbox SMSC behaves: well, or in a way seen in the wild.

Each account (system_id) has a personality, written as words in the ini:
``account.USER = password=secret receipts=mensatek ids=hex receipt_ids=dec``.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Final

from attrs import fields, frozen

from gdemoi.ini import boolean, duration, integer, rate

ID_FORMS: Final = ("dec", "hex", "HEX", "padded", "uuid", "empty")
RECEIPT_FORMS: Final = ("spec", "mensatek", "tlv", "none")


@frozen
class Refusal:
    """Submits to numbers (or of texts) that match are answered with a status."""

    pattern: str
    command_status: int


@frozen
class Failure:
    """Messages to numbers that match get this receipt."""

    pattern: str
    stat: str
    err: str


@frozen(kw_only=True)
class SmscPersonality:
    """One account's behaviour; the defaults behave well."""

    password: str = ""
    # the text of receipts, or TLVs alone, or none at all
    receipts: str = "spec"
    # message ids in submit_sm_resp and in receipts ("same": as there)
    ids: str = "dec"
    receipt_ids: str = "same"
    response_delay_s: float = 0.0
    receipt_delay_s: float = 0.5
    # submits per second; what is over is ESME_RTHROTTLED
    throttle: float | None = None
    # every n-th submit is taken and never answered
    silent: int = 0
    refuse: tuple[Refusal, ...] = ()
    refuse_text: tuple[Refusal, ...] = ()
    fail: tuple[Failure, ...] = ()
    # every receipt comes twice
    duplicates: bool = False
    # responses come in pairs, the later one first
    disorder: bool = False
    # the receipt comes before the response
    early: bool = False
    # an intermediate receipt (ENROUTE) comes first
    intermediate: bool = False
    one_session: bool = False
    # a device behind each number answers texts that end in a question mark
    tracker: bool = True
    # sc_interface_version; 0: not told
    version: int = 0x34
    transceiver: bool = True
    # binds are refused with this status; 0: not
    refuse_bind: int = 0

    def refusal_of(self, to: str, text: str) -> int:
        """Return the command_status for a submit, 0: taken."""
        for refusal in self.refuse:
            if fnmatchcase(to, refusal.pattern):
                return refusal.command_status
        for refusal in self.refuse_text:
            if fnmatchcase(text, refusal.pattern):
                return refusal.command_status
        return 0

    def final_state_of(self, to: str) -> tuple[str, str]:
        """Return the stat and err of a message's receipt."""
        for failure in self.fail:
            if fnmatchcase(to, failure.pattern):
                return failure.stat, failure.err
        return "DELIVRD", "000"


def _refusals(value: str) -> tuple[Refusal, ...]:
    found = []
    for item in value.split(","):
        pattern, colon, status = item.rpartition(":")
        if not colon:
            raise ValueError(f"{item!r} is not PATTERN:0xNN")
        found.append(Refusal(pattern, integer(1, 0xFFFFFFFF)(status)))
    return tuple(found)


def _failures(value: str) -> tuple[Failure, ...]:
    found = []
    for item in value.split(","):
        parts = item.split(":")
        if len(parts) != 3:
            raise ValueError(f"{item!r} is not PATTERN:STAT:ERR")
        found.append(Failure(*parts))
    return tuple(found)


def _one_of(*words: str) -> Any:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(f"{value!r} is not one of {', '.join(words)}")
        return value

    return read


_READ: Final[dict[str, Any]] = {
    "password": str,
    "receipts": _one_of(*RECEIPT_FORMS),
    "ids": _one_of(*ID_FORMS),
    "receipt_ids": _one_of("same", *ID_FORMS),
    "response_delay": duration,
    "receipt_delay": duration,
    "throttle": rate,
    "silent": integer(0),
    "refuse": _refusals,
    "refuse_text": _refusals,
    "fail": _failures,
    "version": integer(0, 255),
    "refuse_bind": integer(0),
}


def read_personality(value: str) -> SmscPersonality:
    """Read the words of an account; ValueError says what is wrong."""
    names = {one.name.removesuffix("_s"): one.name for one in fields(SmscPersonality)}
    values: dict[str, Any] = {}
    for word in value.split():
        name, equals, what = word.partition("=")
        if not equals or name not in names:
            raise ValueError(f"{word!r}: the words are {', '.join(names)}, each with =")
        values[names[name]] = _READ.get(name, boolean)(what)
    return SmscPersonality(**values)
