"""What a TG prints in answer to commands, read leniently.

Knows the phrases of several firmwares (Yeastar's API pages print other words
than its own screenshots, and later firmware others again), so words are matched
and never whole lines.  Knows nothing of the connection.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

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
    """Return what ``gsm show span N`` tells."""
    told: dict[str, str] = {}
    for found in _detail_line(output):
        name = re.sub(r"\s*\(.*", "", found[1]).casefold()
        told.setdefault(name, found[2])
    signal = told.get("signal quality", "")
    registration = told.get("network status")
    return SpanDetails(
        status=told.get("status"),
        operator=told.get("network name") or told.get("operator"),
        registration=registration,
        signal=int(signal) if signal.isdecimal() else None,
        imei=told.get("model imei") or told.get("imei"),
        imsi=told.get("sim imsi") or told.get("imsi"),
        smsc=told.get("sim sms center number"),
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
