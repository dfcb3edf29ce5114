"""The file of a profile (TOML, ``format = 1``), read strictly.

docs/trackers.rst, "A profile of your own", tells it to its writers.  This file knows
the words and their types; what a pattern does stands in `profile`.
"""

from __future__ import annotations

import re
import tomllib
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from gdemoi.ini.units import duration

FORMAT: Final = 1
_LONGEST_FILE: Final = 200_000
_place_of_error: Final = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$").search
_named_field: Final = re.compile(r"(?:unknown|missing required) field `([^`]*)`").search

Name = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}$")]
Group = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,31}$")]
Code = Annotated[str, Meta(pattern=r"^[a-z_]{1,32}$")]
Line = Annotated[str, Meta(min_length=1, max_length=300)]


class BadProfile(ValueError):
    """A profile that cannot be used: `file`, `key` (dotted), and what is wrong."""

    def __init__(self, file: str, key: str, what: str) -> None:
        super().__init__(f"{file}: {key}: {what}" if key else f"{file}: {what}")
        self.file = file
        self.key = key
        self.what = what


class Grade(StrEnum):
    """How sure a fact is."""

    # the maker's own document was read
    A = "A"
    # another's code, guide or test was read
    B = "B"
    # it is often said; no document was read
    C = "C"


class AnswerState(StrEnum):
    """What an answer says of its command."""

    OK = "ok"
    ERROR = "error"
    UNKNOWN = "unknown"
    PART = "part"


class SmsLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the tracker can read; 0: not known."""

    charset: Literal["gsm7", "ascii", "ucs2-ok"] = "gsm7"
    max_units: Annotated[int, Meta(ge=0, le=39_015)] = 0
    max_segments: Annotated[int, Meta(ge=0, le=255)] = 0


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding of its own: told when `when` fits the whole command."""

    code: Code
    when: str
    text: Line
    sure: Grade | None = None


class CommandForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a command looks like."""

    form: str
    # the group that must not be empty; "": there is none
    password: str = ""
    case: Literal["exact", "ignore"] = "exact"
    # blanks before a command without login and password
    leading_spaces: Annotated[int, Meta(ge=0, le=8)] = 0
    # verbs that are known to be this family's; there may be others
    verbs: tuple[Line, ...] = ()
    check: tuple[Check, ...] = ()


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a command changes in the tracker, beyond its settings."""

    reboot: bool = False
    sets: tuple[Literal["password", "authorised", "server", "sim"], ...] = ()
    settle: str = "0s"


class Verb(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is special about one verb."""

    # messages expected; 0: it never answers
    answers: Annotated[int, Meta(ge=0, le=20)] | None = None
    answer_within: str | None = None
    effect: Effect = Effect()
    sure: Grade | None = None


class AnswerRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many answers, and when."""

    default: Annotated[int, Meta(ge=0, le=20)] = 1
    within: str = "120s"
    late: str = "24h"
    parts_gap: str = "20s"
    # an answer looks like what the tracker sends by itself
    no_echo: bool = False


class AnswerForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an answer looks like, and what it says."""

    name: Name
    state: AnswerState
    match: str
    sure: Grade | None = None
    # to these verbs only
    verbs: tuple[Line, ...] = ()
    # only after a first answer to the same command
    follows: bool = False


class Unsolicited(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the tracker sends by itself."""

    name: Name
    match: str
    sure: Grade | None = None


class PaceRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the next command may leave."""

    mode: Literal["none", "submitted", "delivered", "answered"] = "submitted"
    gap: str = "0s"


class Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is masked: groups of the command, patterns with a group `secret`.

    `verbs` are further groups of commands with that verb.
    """

    command: tuple[Group, ...] = ()
    verbs: dict[Line, tuple[Group, ...]] = {}
    # for commands that do not fit the form: the first that fits tells
    unread: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()


class ExampleAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text that comes back, and what is to be found in it."""

    text: Annotated[str, Meta(min_length=1)]
    state: Literal["ok", "error", "unknown", "part", "none"]
    pattern: str | None = None
    by: Literal["key", "pattern"] | None = None
    repaired: bool = False
    masked: str | None = None


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command, and what is to be found in it; these are the profile's tests."""

    command: Annotated[str, Meta(min_length=1)]
    # codes, in the order in which they are told
    findings: tuple[Code, ...] = ()
    verb: str | None = None
    masked: str | None = None
    answer: tuple[ExampleAnswer, ...] = ()


class ProfileFile(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """A whole file."""

    format: Literal[1]
    name: Name
    title: Line
    sure: Grade
    sources: tuple[Line, ...]
    # more that people should know; not read by the gateway
    notes: tuple[Line, ...] = ()
    sms: SmsLimits = SmsLimits()
    command: CommandForm
    verbs: dict[Line, Verb] = {}
    answers: AnswerRules = AnswerRules()
    answer: tuple[AnswerForm, ...] = ()
    unsolicited: tuple[Unsolicited, ...] = ()
    pace: PaceRules = PaceRules()
    secrets: Secrets = Secrets()
    example: tuple[Example, ...] = ()


def read(octets: bytes, file: str) -> ProfileFile:
    """Return what stands in a file; raise `BadProfile` for the first thing wrong."""
    if len(octets) > _LONGEST_FILE:
        raise BadProfile(file, "", f"is over {_LONGEST_FILE} octets")
    try:
        found: dict[str, Any] = tomllib.loads(octets.decode("utf-8"))
    except UnicodeDecodeError as fault:
        raise BadProfile(file, "", f"is not UTF-8: {fault}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        raise BadProfile(file, "", f"is not TOML: {fault}") from None
    version = found.get("format")
    if version != FORMAT:
        raise BadProfile(file, "format", f"is {FORMAT}, not {version!r}")
    try:
        return msgspec.convert(found, ProfileFile)
    except msgspec.ValidationError as fault:
        raise _of_field(file, str(fault)) from None


def _of_field(file: str, text: str) -> BadProfile:
    """Turn msgspec's sentence into ours, with the key that it speaks of."""
    place = _place_of_error(text)
    key = place[1] if place else ""
    named = _named_field(text)
    if named:
        key = f"{key}.{named[1]}" if key else named[1]
    return BadProfile(file, key, text[: place.start()] if place else text)


def seconds(file: str, key: str, text: str) -> float:
    """Return a duration in seconds; raise `BadProfile`."""
    try:
        return duration(text)
    except ValueError as fault:
        raise BadProfile(file, key, str(fault)) from None
