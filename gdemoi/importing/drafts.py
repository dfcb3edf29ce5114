"""Sections of an ini file while another program's settings are put into them.

A `Draft` is one section to be.  What has a counterpart becomes a key; what has none
becomes a comment with its word, its value and why, so that nothing is dropped
unseen.  A section that could not be used as it is (something required is missing)
is written switched off, with what is missing above it: a file made of drafts is
always one that the gateway takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from attrs import define, field, frozen

from gdemoi.errors import GdemoiError
from gdemoi.ini import Complaint, Place
from gdemoi.ini.declared import Key, keys_of
from gdemoi.ini.units import secret, unquoted
from gdemoi.message import Transliteration
from gdemoi.settings import examine
from gdemoi.text.transliterate import to_latin

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")
# what a value may not begin with, else it would be looked up or unquoted
_MEANT_OTHERWISE: Final = ("env:", "file:", "credential:", '"')
BETTER: Final = (
    "a secret is better as file:/path, env:NAME or credential:NAME than in this file"
)
UNKNOWN: Final = "import does not know this key"


class BadImport(GdemoiError):
    """What is to be imported is not what it should be; `complaints` tell where."""

    def __init__(self, complaints: list[Complaint]) -> None:
        super().__init__("\n".join(str(one) for one in complaints))
        self.complaints = complaints


def bad(place: Place, what: str) -> BadImport:
    """Return the fault of one line."""
    return BadImport([Complaint(place, what)])


@frozen
class Found:
    """One setting of the other program: its word, its value, and where it stands."""

    word: str
    value: str
    place: Place

    def fault(self, expected: str) -> BadImport:
        """Return the fault of a value that its own program would not take."""
        return bad(
            self.place, f"{self.word} = {shown(self.value)}: expected {expected}"
        )

    def whole(self, least: int | None = None, most: int | None = None) -> int:
        """Return a whole number, decimal or ``0x…``; raises `BadImport`."""
        expected = "a whole number"
        if least is not None:
            expected += f" of {least} or more" if most is None else f" {least}..{most}"
        if not re.fullmatch(r"-?[0-9]+|0[xX][0-9a-fA-F]+", self.value):
            raise self.fault(expected)
        number = int(self.value, 16 if self.value[:2] in ("0x", "0X") else 10)
        if (least is not None and number < least) or (
            most is not None and number > most
        ):
            raise self.fault(expected)
        return number

    def decimal(self) -> float:
        """Return a number that is not negative; raises `BadImport`."""
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?|\.[0-9]+", self.value):
            raise self.fault("a number of 0 or more")
        return float(self.value)

    def one_of(self, words: dict[str, str]) -> str:
        """Return what the table says of the value; raises `BadImport`."""
        folded = self.value.casefold()
        if folded not in words:
            raise self.fault("one of " + ", ".join(words))
        return words[folded]


def shown(value: str) -> str:
    """Return a value that fits a line."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", value)


def quoted(value: str) -> str:
    """Return a value as the ini file reads it back; raises `ValueError`."""
    if _CONTROL.search(value.replace("\t", "")):
        raise ValueError("a control character cannot stand in the file")
    if (
        not value
        or value != value.strip(" \t")
        or value.startswith(_MEANT_OTHERWISE)
        or re.search(r"[ \t][#;]", value)
    ):
        return f'"{value}"'
    return value


def item(value: str) -> str:
    """Return one value of a list; raises `ValueError`."""
    if '"' in value:
        raise ValueError("a quote cannot stand in a list")
    return f'"{value}"' if "," in value else quoted(value)


def name_of(wish: str, taken: Iterable[str]) -> str:
    """Return the name of a channel: letters, digits, _ and -, and not taken yet."""
    latin = to_latin(wish, Transliteration.ICAO)
    plain = _NOT_IN_NAMES.sub("-", latin).strip("-") or "imported"
    known, number, name = set(taken), 1, plain
    while name in known:
        number += 1
        name = f"{plain}-{number}"
    return name


@define
class Draft:
    """One section to be; `settings` declares the keys it may have."""

    kind: str
    name: str
    settings: type
    origin: str
    # it is not to be used as it is, and why
    off: str | None = None
    # its messages go only one way: no route may name it
    receives_only: bool = False
    lines: list[str] = field(factory=list)
    keys: set[str] = field(factory=set)

    def put(self, key: str, value: str, found: Found | None = None) -> None:
        """Set a key; a value that it cannot have becomes a comment."""
        declared = self._declared(key)
        try:
            written = quoted(value)
            if declared.converter is not secret:
                declared.converter(value)
        except ValueError as error:
            self._cannot(key, value, str(error), found)
            return
        if declared.converter is secret:
            self.say(BETTER)
        self._set(key, written)

    def put_list(self, key: str, values: Iterable[str], found: Found) -> None:
        """Set a key that holds a list."""
        try:
            written = ", ".join(item(value) for value in values)
            self._declared(key).converter(written)
        except ValueError as error:
            self._cannot(key, found.value, str(error), found)
            return
        self._set(key, written)

    def _cannot(self, key: str, value: str, why: str, found: Found | None) -> None:
        word = key if found is None else found.word
        raw = value if found is None else found.value
        self.lines.append(f"# {word} = {shown(raw)}: {key} cannot be that: {why}")

    def _set(self, key: str, written: str) -> None:
        if key in self.keys:
            self.say(f"{key} = {written}: {key} is set already")
            return
        self.keys.add(key)
        self.lines.append(f"{key} = {written}")

    def _declared(self, key: str) -> Key:
        for one in keys_of(self.settings):
            if one.name == key or (
                one.pattern is not None and key.startswith(one.pattern)
            ):
                return one
        raise KeyError(key)

    def note(self, found: Found, why: str) -> None:
        """Tell of a setting that has no counterpart."""
        self.lines.append(f"# {found.word} = {shown(found.value)}: {why}")

    def say(self, words: str) -> None:
        """Add a comment."""
        self.lines.append(f"# {words}")

    @property
    def active(self) -> str:
        """Return the section as if it were not switched off."""
        head = [f"# from {self.origin}", f"[{self.kind}:{self.name}]"]
        return "\n".join([*head, *self.lines]) + "\n"

    def text(self) -> str:
        """Return the section; switched off when the gateway would not take it."""
        why = self.off or _wrong_with(self.active)
        if why is None:
            return self.active
        self.off = why
        rest = [line if line.startswith("#") else f"#{line}" for line in self.lines]
        head = [
            f"# from {self.origin}",
            f"# switched off: {why}",
            f"#[{self.kind}:{self.name}]",
        ]
        return "\n".join([*head, *rest]) + "\n"


def seconds(milliseconds: int) -> str:
    """Return a duration as the ini file has it."""
    if milliseconds % 1000:
        return f"{milliseconds}ms"
    return f"{milliseconds // 1000}s"


def per_second(number: float) -> str:
    """Return a rate as the ini file has it."""
    return f"{number:.6f}".rstrip("0").rstrip(".") + "/s"


def route(
    name: str, channels: Iterable[Draft], conditions: tuple[str, ...] = ()
) -> str | None:
    """Return a route to what can send, in their order; None: nothing can."""
    able = [one.name for one in channels if not one.off and not one.receives_only]
    if not able:
        return None
    return "\n".join(
        [f"[route:{name}]", *conditions, f"channels = {', '.join(able)}", ""]
    )


def file_of(origin: str, program: str, parts: Iterable[str]) -> str:
    """Return a whole file: what it is, then its parts."""
    head = (
        f"# Imported from {origin} ({program}) by gdemoi-sms import.\n"
        "# A comment with a key and a value is a setting that has no counterpart, and\n"
        "# why.  Read it through, and then:  gdemoi-sms check FILE\n"
        "# [gateway] include = FILE takes it into a configuration.\n"
    )
    return "\n".join([head, *parts])


def _wrong_with(section: str) -> str | None:
    _, complaints = examine(_ONLY, sources=_Text(section))
    wrong = [
        f"{one.key}: {one.what}" if one.key else one.what
        for one in complaints
        if not one.warning
    ]
    return shown("; ".join(wrong)) or None


_ONLY: Final = "import.ini"


@frozen
class _Text:
    """A text as the only file there is: `gdemoi.ini.Sources`."""

    text: str

    def read(self, path: str) -> bytes:
        """Return the text."""
        if path != _ONLY:
            raise FileNotFoundError(2, "No such file or directory")
        return self.text.encode()

    def expand(self, pattern: str, beside: str) -> list[str]:
        """Return no file."""
        return []

    def resolve(self, path: str, beside: str) -> str:
        """Return the path as it is."""
        return path

    def world_readable(self, path: str) -> bool:
        """Tell that nobody else may read it."""
        return False

    def variable(self, name: str) -> str | None:
        """Return no variable."""
        return None


# what a table says of a setting: put it somewhere, or tell why not
Rule = Callable[[Draft, Found], None]


def to(key: str, read: Callable[[Found], str] = lambda found: found.value) -> Rule:
    """Return the rule of a setting that is one key of ours."""

    def rule(draft: Draft, found: Found) -> None:
        draft.put(key, read(found), found)

    return rule


def no(why: str) -> Rule:
    """Return the rule of a setting that has no counterpart."""
    return lambda draft, found: draft.note(found, why)


def number(least: int | None = None, most: int | None = None) -> Callable[[Found], str]:
    """Return a reader of whole numbers."""
    return lambda found: str(found.whole(least, most))


def in_seconds(found: Found) -> str:
    """Read seconds."""
    return f"{found.whole(0)}s"


def in_milliseconds(found: Found) -> str:
    """Read milliseconds."""
    return seconds(found.whole(0))


def throughput(draft: Draft, found: Found) -> None:
    """Put messages per second; 0 is no limit."""
    rate = found.decimal()
    if rate:
        draft.put("throughput", per_second(rate), found)
    else:
        draft.note(found, "no limit, as without the key")


def reconnect(milliseconds: int) -> Rule:
    """Return the rule of a pause between connections, in units of so much."""

    def rule(draft: Draft, found: Found) -> None:
        pause = found.whole(0) * milliseconds
        draft.put("reconnect_min", seconds(pause), found)
        # the default of reconnect_max: it may not be the shorter one
        if pause > 60_000:
            draft.put("reconnect_max", seconds(pause), found)

    return rule


def optional(key: str) -> Rule:
    """Return the rule of a text that is left out when it is empty."""

    def rule(draft: Draft, found: Found) -> None:
        if found.value:
            draft.put(key, found.value, found)

    return rule


def take(draft: Draft, settings: Iterable[Found], rules: dict[str, Rule]) -> None:
    """Put all settings into a draft; raises `BadImport` with every fault."""
    wrong: list[Complaint] = []
    for found in settings:
        try:
            rules.get(found.word, no(UNKNOWN))(draft, found)
        except BadImport as fault:
            wrong += fault.complaints
    if wrong:
        raise BadImport(wrong)


def finished_smpp(draft: Draft) -> None:
    """Add what follows from the keys of an SMPP section."""
    limits = {"system_id": 15, "password": 8, "system_type": 12, "address_range": 40}
    values = dict(
        line.split(" = ", 1) for line in draft.lines if not line.startswith("#")
    )
    if any(len(unquoted(values.get(k, ""))) > most for k, most in limits.items()):
        draft.say("longer than SMPP allows; the carrier took it so far")
        draft.put("long_credentials", "yes")
