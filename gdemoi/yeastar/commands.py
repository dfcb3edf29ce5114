"""What we ask of a TG, one action at a time, and what it prints in answer.

A TG serves the actions of a connection in order, a USSD code holding up the rest
for half a minute, and some firmware may not echo ActionID; so the next action is
written only when the last was answered, and an answer counts only for it
(`ActionQueue`).  Time is an argument.

What it prints is read leniently: the words differ by firmware (Yeastar's API pages
print other ones than its own screenshots), so phrases are matched and never whole
lines.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Final

import msgspec
from attrs import define

from gdemoi.errors import OurFault
from gdemoi.yeastar.ami import AmiBlock, action


class ActionPurpose(Enum):
    """What an action is for."""

    LOGIN = "login"
    PING = "ping"
    SEND = "send"
    SPANS = "gsm show spans"
    SPAN = "gsm show span"
    QUERY = "command"
    LOGOFF = "logoff"


@define(eq=False)
class Action:
    """An action, waiting or written; `about` is a ticket or a span."""

    purpose: ActionPurpose
    name: str
    headers: tuple[tuple[str, str], ...]
    limit_s: float
    about: int = 0
    id: str = ""


def sms_command(
    purpose: ActionPurpose, command: str, limit_s: float, about: int = 0
) -> Action:
    """Return the action that runs one command of the device."""
    return Action(purpose, "smscommand", (("command", command),), limit_s, about)


class ActionQueue:
    """The queue of actions, the one that is unanswered, and what to write."""

    def __init__(self) -> None:
        self.current: Action | None = None
        self.deadline: float | None = None
        self.answered_at = 0.0
        self._waiting: deque[Action] = deque()
        self._count = 0
        self._out = bytearray()

    def ask(self, *actions: Action) -> None:
        """Queue actions; `pump` writes each when its turn comes."""
        self._waiting += actions

    def forget(self, purpose: ActionPurpose, about: int) -> None:
        """Drop what is not written yet."""
        kept = [
            one for one in self._waiting if (one.purpose, one.about) != (purpose, about)
        ]
        self._waiting = deque(kept)

    def pump(self, now: float) -> Action | None:
        """Write the next action, if nothing is unanswered; return it."""
        if self.current is not None or not self._waiting:
            return None
        one = self._waiting.popleft()
        self._count += 1
        one.id = str(self._count)
        headers = one.headers
        if one.purpose is ActionPurpose.LOGIN:
            headers = (*headers, ("ActionID", one.id))
        else:
            headers = (("ActionID", one.id), *headers)
        self._out += action(one.name, headers)
        self.current = one
        self.deadline = now + one.limit_s
        return one

    def answered(self, block: AmiBlock, now: float) -> Action | None:
        """Return the action that a response answers; None: it answers none."""
        one = self.current
        echoed = block.get("actionid")
        if one is None or (echoed is not None and echoed.strip() != one.id):
            return None
        self.current = None
        self.deadline = None
        self.answered_at = now
        return one

    @property
    def idle(self) -> bool:
        """Whether nothing is unanswered and nothing waits."""
        return self.current is None and not self._waiting

    def outbox(self) -> bytes:
        """Return what to write now."""
        out = bytes(self._out)
        self._out.clear()
        return out


# -- what a device prints -----------------------------------------------------

# Status words of a span (``gsm show spans``); "Up" must be among them, too.
_BAD: Final = ("undetected sim card", "unregistered network", "power off")
_span_line: Final = re.compile(
    r"^\s*GSM\s+span\s+(\d{1,4})\s*:\s*(.*?)\s*$", re.IGNORECASE | re.MULTILINE
).finditer
_detail_line: Final = re.compile(
    r"^[ \t]*([A-Za-z][^:\n]{0,40}?)[ \t]*:[ \t]*(.*?)[ \t\r]*$", re.MULTILINE
).finditer
_ussd_text: Final = re.compile(r"USSD Message:[ \t]?(.*)\Z", re.DOTALL).search
_ussd_code: Final = re.compile(r"USSD Code:\s*(\d+)").search
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{4})+").fullmatch
# USSD data coding scheme 72: UCS2 (3GPP TS 23.038 §5)
_UCS2: Final = "72"


class SpanDetails(msgspec.Struct, frozen=True):
    """One span as ``gsm show span N`` describes it; None: not said."""

    status: str | None = None
    operator: str | None = None
    registration: str | None = None
    signal: int | None = None
    imei: str | None = None
    imsi: str | None = None
    smsc: str | None = None


class SmsNotTried(msgspec.Struct, frozen=True):
    """The device said that it did not even try.

    `port_is_down`: the port is at fault, not the message.
    """

    code: str
    text: str
    port_is_down: bool = False


def trouble_of(status: str) -> str | None:
    """Return why a span with this status cannot send, None when it can."""
    words = [word.strip().casefold() for word in status.split(",")]
    for bad in _BAD:
        if bad in words:
            return bad
    return None if "up" in words else f"not up: {status}"


def spans_of(output: str) -> dict[int, str]:
    """Return {span: status} from ``gsm show spans``."""
    return {int(found[1]): found[2] for found in _span_line(output)}


def details_of(output: str) -> SpanDetails:
    """Return what ``gsm show span N`` prints."""
    fields: dict[str, str] = {}
    for found in _detail_line(output):
        name = re.sub(r"\s*\(.*", "", found[1]).casefold()
        fields.setdefault(name, found[2])
    signal = fields.get("signal quality", "")
    registration = fields.get("network status")
    return SpanDetails(
        status=fields.get("status"),
        operator=fields.get("network name") or fields.get("operator"),
        registration=registration,
        signal=int(signal) if signal.isdecimal() else None,
        imei=fields.get("model imei") or fields.get("imei"),
        imsi=fields.get("sim imsi") or fields.get("imsi"),
        smsc=fields.get("sim sms center number"),
    )


def refusal_of(output: str) -> SmsNotTried | None:
    """Return why ``gsm send sms`` was not done; None: it was taken, as far as said.

    Success prints nothing, so that unknown words are no refusal: the result
    event, or its absence, decides.
    """
    said = output.strip()
    folded = said.casefold()
    if folded.startswith("no gsm running"):
        return SmsNotTried("yeastar:no_gsm", said, port_is_down=True)
    if re.match(r"command '.*' failed", folded, re.DOTALL):
        return SmsNotTried("yeastar:command_failed", said[:200])
    if folded.startswith(("no such command", "usage:", "invalid span")):
        return SmsNotTried("yeastar:command_refused", said[:200])
    return None


def ussd_of(output: str) -> tuple[bool, str]:
    """Return (whether the network answered, its answer or the device's words)."""
    said = output.strip()
    found = _ussd_text(said)
    if not said.startswith("1") or found is None:
        return said.startswith("1"), said
    text = found[1]
    code = _ussd_code(said)
    if code is not None and code[1] == _UCS2 and _HEX(text):
        return True, bytes.fromhex(text).decode("utf-16-be", "replace")
    return True, text


# -- commands of an operator for one port ------------------------------------
# Verbs: ``ussd CODE``, ``at COMMAND``, ``on``, ``off``, ``reboot``, ``show``.  An
# argument that could become another command, or another action, is `OurFault`.

_is_ussd: Final = re.compile(r"[0-9*#+]{1,64}").fullmatch
_is_at: Final = re.compile(r"AT[ -!#-\[\]-~]{0,100}", re.IGNORECASE).fullmatch
VERBS: Final = ("ussd", "at", "on", "off", "reboot", "show")


def commands_of(
    span: int, verb: str, arguments: Sequence[str], ussd_wait_s: float
) -> list[str]:
    """Return the commands that a verb needs, in order; raise `OurFault`."""
    wanted = 1 if verb in ("ussd", "at") else 0
    if verb not in VERBS:
        raise OurFault(f"a TG line knows {', '.join(VERBS)}, not {verb!r}")
    if len(arguments) != wanted:
        raise OurFault(f"{verb} takes {wanted} argument(s), not {len(arguments)}")
    match verb:
        case "ussd":
            if not _is_ussd(arguments[0]):
                raise OurFault(f"{arguments[0]!r} is not a USSD code")
            return [f'gsm send ussd {span} "{arguments[0]}" {ussd_wait_s:g}']
        case "at":
            if not _is_at(arguments[0]):
                raise OurFault(f"{arguments[0]!r} is not an AT command")
            return [f"gsm send at {span} {arguments[0]}"]
        case "on" | "off":
            return [f"gsm power {verb} {span}"]
        case "reboot":
            return [f"gsm power off {span}", f"gsm power on {span}"]
    return [f"gsm show span {span}"]
