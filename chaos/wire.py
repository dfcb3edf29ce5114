"""What is sent, and what of it came: texts, their octets, the logs of the far sides.

Every message has a number, and a phone of its own made from it, so that whatever comes
to the SMSC tells which message it belongs to even when its text were broken.  Octets
are made here from the tables of 3GPP TS 23.038 and not by the gateway's codec: this is
the second opinion.
"""

from __future__ import annotations

import json
from typing import Any, Final

from attrs import frozen

BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final = {
    **{"\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F},
    **{"[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65},
}
# what trackers are told, and what a careless programmer would tidy up
TEXTS: Final = (
    "{n} setparam 2004:gps.example.org;2005:12050",
    "  {n} leading and trailing spaces  ",
    "#{n}#cut off*[oil]~^|\\{{}}€#",
    "{n} Где ты? Двигатель выключен.",
    "@£$¥èéùìò {n} ÄÖÑÜ§¿ ΔΦΓΛΩ",
    "{n},A,\tB" + "\u00a0" + "C",
    "{n}\r\nAT+CSQ\r\n",
    "{n} «»…“quoted” – №",
    "{n} " + "0123456789" * 19 + "€",
    "{n} " + "Долгий путь домой. " * 5,
)
UDH: Final = 0x40
PREFIX: Final = "7916"


def stream_of(number: int, streams: int) -> int:
    """Return which stream hands in a message."""
    return number % streams


def may_be_repeated(number: int, streams: int) -> bool:
    """Tell whether a message asks to be sent again when nobody knows."""
    return number // streams % 2 == 1


def text_of(number: int, streams: int) -> str:
    """Return the text of a message; no two are alike."""
    return TEXTS[number // (2 * streams) % len(TEXTS)].format(n=number)


def message(number: int, streams: int) -> dict[str, Any]:
    """Return a message as a platform would hand it in."""
    repeats = may_be_repeated(number, streams)
    return {
        "id": f"x-{number}",
        "to": f"+{PREFIX}{number:07}",
        "from": "GdeMoi",
        "class": "notification" if repeats else "command",
        "on_unsure": "resend" if repeats else "hold",
        "text": text_of(number, streams),
    }


def gsm(text: str) -> bytes | None:
    """Return a text in the default alphabet, an octet each; None: it does not fit."""
    octets = bytearray()
    for letter in text:
        if letter in EXTENSION:
            octets += bytes((0x1B, EXTENSION[letter]))
        elif letter in BASIC and letter != "\x1b":
            octets.append(BASIC.index(letter))
        else:
            return None
    return bytes(octets)


def octets_of(text: str) -> tuple[int, bytes]:
    """Return data_coding and octets of a text: the default alphabet, else UCS2."""
    found = gsm(text)
    return (0, found) if found is not None else (8, text.encode("utf-16-be"))


@frozen
class Arrival:
    """A segment as the SMSC took it; `at_ns` is of the monotonic clock."""

    at_ns: int
    number: int
    coding: int
    part: int
    parts: int
    octets: bytes


def arrival(line: str) -> Arrival:
    """Read a line of the SMSC's log; raises `ValueError` for what nobody sent."""
    at_ns, _, _, phone, coding, esm_class, text = line.split()[:7]
    if not phone.startswith(PREFIX) or len(phone) != len(PREFIX) + 7:
        raise ValueError(f"a phone that nobody named: {phone}")
    octets, part, parts = bytes.fromhex(text), 1, 1
    if int(esm_class) & UDH:
        if octets[:3] != b"\x05\x00\x03":
            raise ValueError(f"a header that nobody asked for: {text[:12]}")
        parts, part = octets[4], octets[5]
        octets = octets[6:]
    number = int(phone.removeprefix(PREFIX))
    return Arrival(int(at_ns), number, int(coding), part, parts, octets)


def aired(line: str) -> Arrival:
    """Read a line of a GoIP box's log; raises `ValueError` for what nobody sent.

    The device is given the text itself, so the text is compared and no coding.
    """
    said = json.loads(line)
    phone = said["number"].removeprefix("+")
    if not phone.startswith(PREFIX) or len(phone) != len(PREFIX) + 7:
        raise ValueError(f"a phone that nobody named: {phone}")
    coding, octets = octets_of(said["text"])
    number = int(phone.removeprefix(PREFIX))
    return Arrival(said["at_ns"], number, coding, 1, 1, octets)
