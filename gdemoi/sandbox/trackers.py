"""Trackers behind the sandbox's far sides: they answer as their family does.

Each is a number with a family, a password and a memory: what is set can be asked for,
a wrong password meets silence (or a refusal, where the family has one), a restart takes
a while in which nothing is answered until it is over.  Written from what is known of
the families (docs/families.rst) and not from the profiles, which are tried against it.

``NUMBER/FAMILY/PASSWORD`` says one tracker, ``NUMBER/FAMILY`` one without password.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define, field

from gdemoi.ini import Converter, each

# What comes back: the text, and seconds after the command arrived.
Answers = list[tuple[str, float]]

ANSWER_S: Final = 2.0
REBOOT_S: Final = 10.0
# between two SMS of one answer
NEXT_S: Final = 1.0
_IMEI: Final = "863071016796615"


@define(eq=False)
class SandboxTracker(ABC):
    """One device; `password` is "" where none is set."""

    number: str
    password: str = ""
    settings: dict[str, str] = field(factory=dict)
    # it is starting until then, in seconds of the far side's clock
    busy_until: float = float("-inf")
    heard: list[str] = field(factory=list)

    @abstractmethod
    def said(self, text: str, now: float) -> Iterator[str]:
        """Yield the SMS that a command is answered with; none: silence."""

    def take(self, text: str, now: float) -> Answers:
        """Take an SMS; return what comes back."""
        self.heard.append(text)
        del self.heard[:-1000]
        # while it starts the network keeps what is for it
        wait_s = max(0.0, self.busy_until - now)
        begin_s = wait_s + ANSWER_S
        found = self.said(text, now + wait_s)
        return [(one, begin_s + NEXT_S * n) for n, one in enumerate(found)]

    def reboot(self, now: float) -> None:
        """Start anew."""
        self.busy_until = now + REBOOT_S


class Teltonika(SandboxTracker):
    """``LOGIN PASSWORD command``: the password here is ``login:password``."""

    def said(self, text: str, now: float) -> Iterator[str]:
        login, _, password = self.password.partition(":")
        head = f"{login} {password} "
        if not text.startswith(head):
            return
        verb, _, rest = text[len(head) :].partition(" ")
        match verb:
            case "getver":
                yield f"Ver:03.27.07_00 GPS:AXN_5.10 Hw:FMB120 Mod:1 IMEI:{_IMEI}"
            case "getinfo":
                yield "RTC:2026/11/28 10:00 Init:2026/11/28 9:00 UpTime:3600s"
            case "getparam":
                yield from self._values(rest)
            case "setparam":
                yield self._set(rest)
            case "setdigout":
                yield f"Digital Outputs are set to: {rest}"
            case "cpureset":
                self.reboot(now)

    def _values(self, rest: str) -> Iterator[str]:
        ids = [one for one in rest.split(";") if one]
        if not ids or not all(one.isdecimal() for one in ids):
            yield "Invalid parameter id provided"
        elif len(ids) == 1 and int(ids[0]) > 90_000:
            yield f"Param ID:{ids[0]} doesn’t exist"
        elif len(ids) == 1:
            yield f"Param ID:{ids[0]} Value:{self.settings.get(ids[0], '')}"
        else:
            known = [f"{one}:{self.settings.get(one, '')}" for one in ids]
            yield f"Param ID:{';'.join(known)}"

    def _set(self, rest: str) -> str:
        pairs = [one.partition(":") for one in rest.split(";")]
        if not all(name.isdecimal() and colon for name, colon, _ in pairs):
            return "WARNING: Not supported Param ID or Value detected"
        self.settings |= {name: value for name, _, value in pairs}
        return f"New value {rest}"


class Ruptela(SandboxTracker):
    """``PASSWORD command``, in letters of any case."""

    def said(self, text: str, now: float) -> Iterator[str]:
        password, blank, rest = text.partition(" ")
        if not blank or password != self.password:
            return
        verb, _, words = rest.partition(" ")
        match verb.lower():
            case "reset":
                self.reboot(now)
                yield "Resetting device"
            case "imei":
                yield f"IMEI: {_IMEI}"
            case "connect":
                good = len(words.split(",")) == 3
                yield f"connection data {'ok' if good else 'incorrect'}"
            case "setconnection":
                good = len(words.split(",")) >= 5
                yield f"Set connection data {'ok' if good else 'incorrect'}"
            case "coords":
                yield (
                    "2026-11-28 10:00, lat. 55.7558000, long. 37.617300, alt. 150,"
                    " sat. 12, dir. 0, hdop 0.8, state 3"
                )


class Queclink(SandboxTracker):
    """``AT+GT…=PASSWORD,…,SERIAL$``: the serial comes back."""

    _is_command = re.compile(
        r"AT\+(GT[A-Z]{3})=([^,]*),(?:.*,)?([0-9A-F]{4})\$"
    ).fullmatch
    count: int = 0

    def said(self, text: str, now: float) -> Iterator[str]:
        found = self._is_command(text)
        if found is None or found[2] != (self.password or "gl300"):
            return
        yield f"+ACK:{found[1]},1A0102,{_IMEI},,{found[3]},{self._stamp()}"
        if found[1] == "GTRTO":
            place = "0,0,1,1,0.0,0,150.0,37.6,55.7"
            yield f"+RESP:GTRTL,1A0102,{_IMEI},,{place},{self._stamp()}"

    def _stamp(self) -> str:
        self.count += 1
        return f"20261128100000,{self.count:04X}$"


class Gt06(SandboxTracker):
    """``VERB,…#``: sentences, and OK without a word of the command."""

    def said(self, text: str, now: float) -> Iterator[str]:
        head = f"{self.password}," if self.password else ""
        if not text.endswith("#") or not text.startswith(head):
            return
        verb, _, rest = text[len(head) : -1].partition(",")
        match verb:
            case "RELAY" if rest in ("0", "1"):
                yield self._relay(rest == "1")
            case "RESET" | "FACTORY":
                yield "OK!"
                self.reboot(now)
            case "STATUS":
                yield "Battery:4.05V,NORMAL;GPRS:Link Up;GPS:OFF;ACC:OFF;"
            case "SERVER" | "APN" | "TIMER":
                self.settings[verb] = rest
                yield "OK!"

    def _relay(self, cut: bool) -> str:
        was = self.settings.get("RELAY") == "1"
        self.settings["RELAY"] = "1" if cut else "0"
        if cut and was:
            return (
                "Already in the state of fuel supply cut off, the command is not"
                " running!"
            )
        return f"{'Cut off the' if cut else 'Restore'} fuel supply: Success!"


class Coban(SandboxTracker):
    """The word and the password are one word; a wrong one is refused."""

    _is_command = re.compile(r"([A-Za-z*]+?)([0-9]{6})(?: (.*))?").fullmatch

    def said(self, text: str, now: float) -> Iterator[str]:
        found = self._is_command(text)
        if found is None:
            return
        verb, rest = found[1].lower(), found[3] or ""
        if found[2] != (self.password or "123456"):
            yield "pwd fail!"
            return
        if verb == "check":
            apn = self.settings.get("apn", "")
            yield f"Power: ON\nBat: 100%\nAPN: {apn}\nIP: 10.0.0.1\nPORT: 5001"
            return
        if verb == "password":
            self.password = rest
        self.settings[verb] = rest
        yield f"{verb} ok{'!' if verb == 'begin' else ''}"


FAMILIES: Final[dict[str, type[SandboxTracker]]] = {
    "teltonika": Teltonika,
    "ruptela": Ruptela,
    "queclink": Queclink,
    "gt06": Gt06,
    "coban": Coban,
}


def _spec(value: str) -> str:
    number, _, rest = value.partition("/")
    family = rest.partition("/")[0]
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number):
        raise ValueError(f"{value!r} does not begin with a number like +79161234567")
    if family not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ValueError(f"{family!r} is not a family that is known here: {known}")
    return value


# the key `trackers` of a far side
TRACKERS: Final = each(Converter("number/family/password", _spec))


class TrackerPark:
    """The trackers of one far side, by their numbers."""

    def __init__(self, specs: Iterable[str] = ()) -> None:
        self.by_number: dict[str, SandboxTracker] = {}
        for one in specs:
            number, _, rest = one.partition("/")
            family, _, password = rest.partition("/")
            self.by_number[number] = FAMILIES[family](number, password)

    def take(self, number: str, text: str, now: float) -> Answers | None:
        """Let a tracker take an SMS; None: the number is no tracker of these."""
        one = self.by_number.get(number) or self.by_number.get(f"+{number}")
        return None if one is None else one.take(text, now)
