"""Kannel's escapes in dlr-url, get-url and post-url (its User's Guide, "Parameters").

A template is read once: what is put in is never looked at again, so that a text with
``%d`` in it stays a text.  Values are URL-encoded, a blank as ``+``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote_plus

from attrs import field, frozen

_ESCAPE: Final = re.compile(r"%(%|#[^#%]*#[^#%]*#|[A-Za-z])")


@frozen(kw_only=True)
class EscapeValues:
    """What the escapes stand for, of an inbound SMS or of a receipt.

    `text` is what the phone, or the network about the message, says; `octets` the same
    as it came.  `sender` and `receiver` are %p and %P.  Unset numbers are -1.
    """

    sender: str
    receiver: str
    text: str
    octets: bytes
    at: float
    smsc: str = ""
    id: str = ""
    status: int = -1
    # %A and %F: the reply of the network, and its own id of the message
    reply: str = ""
    foreign_id: str = ""
    service: str = ""
    coding: int = -1
    mclass: int = -1
    mwi: int = -1
    charset: str = "UTF-8"
    udh: bytes = b""
    dcs: int = 0
    billing: str = ""
    account: str = ""
    dlr_url: str = ""
    validity: str = ""
    deferred: str = ""
    meta: dict[str, dict[str, str]] = field(factory=dict)


def expanded(template: str, values: EscapeValues) -> str:
    """Return a template with its escapes replaced; unknown ones stay as they are."""
    words = values.text.split()
    rest = words[1:]

    def one(match: re.Match[str]) -> str:
        nonlocal rest
        code = match[1]
        if code == "%":
            return "%"
        if code.startswith("#"):
            group, key = code[1:-1].split("#")
            return quote_plus(values.meta.get(group, {}).get(key, ""))
        if code in "sS":
            word, rest = (rest[0], rest[1:]) if rest else ("", [])
            return word.replace("*", "~") if code == "S" else quote_plus(word)
        if code == "k":
            return quote_plus(words[0] if words else "")
        if code == "r":
            return quote_plus(" ".join(rest))
        made = _MADE.get(code)
        return match[0] if made is None else made(values)

    return _ESCAPE.sub(one, template)


def _plus(number: str) -> str:
    return f"+{number[2:]}" if number.startswith("00") else number


def moment_text(at: float) -> str:
    """Return a time as Kannel writes it: in UTC, with seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _meta(values: EscapeValues) -> str:
    shown = []
    for group, pairs in values.meta.items():
        told = "&".join(f"{quote_plus(k)}={quote_plus(v)}" for k, v in pairs.items())
        shown.append(f"?{group}?{told}&")
    return "".join(shown)


_MADE: Final[dict[str, Callable[[EscapeValues], str]]] = {
    "p": lambda v: quote_plus(v.sender),
    "P": lambda v: quote_plus(v.receiver),
    "q": lambda v: quote_plus(_plus(v.sender)),
    "Q": lambda v: quote_plus(_plus(v.receiver)),
    "a": lambda v: quote_plus(" ".join(v.text.split())),
    "A": lambda v: quote_plus(v.reply or " ".join(v.text.split())),
    "b": lambda v: quote_plus(v.octets),
    "e": lambda v: v.octets.hex(),
    "t": lambda v: quote_plus(moment_text(v.at)),
    "T": lambda v: str(int(v.at)),
    "i": lambda v: quote_plus(v.smsc),
    "I": lambda v: quote_plus(v.id),
    "d": lambda v: str(v.status),
    "F": lambda v: quote_plus(v.foreign_id),
    "n": lambda v: quote_plus(v.service),
    "c": lambda v: str(v.coding),
    "m": lambda v: str(v.mclass),
    "M": lambda v: str(v.mwi),
    "C": lambda v: quote_plus(v.charset),
    "u": lambda v: quote_plus(v.udh),
    "O": lambda v: f"{v.dcs:02x}",
    "B": lambda v: quote_plus(v.billing),
    "o": lambda v: quote_plus(v.account),
    "f": lambda v: "",
    "D": lambda v: quote_plus(_meta(v)),
    "R": lambda v: quote_plus(v.dlr_url),
    "v": lambda v: quote_plus(v.validity),
    "V": lambda v: quote_plus(v.deferred),
}


def meta_of(written: str) -> dict[str, dict[str, str]]:
    """Read meta-data: ``?smpp?tag=value&tag=value``, of one group or several."""
    found: dict[str, dict[str, str]] = {}
    for group, told in re.findall(r"\?([^?]+)\?([^?]*)", written):
        values = found.setdefault(group, {})
        for part in told.split("&"):
            name, equals, value = part.partition("=")
            if equals:
                values[name] = value
    return found
