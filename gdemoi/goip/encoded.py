"""From a message to what one bulk exchange carries.

Text goes as UTF-8 by its length and is never changed (unless the message asks
for transliteration).  The device chooses 7-bit or UCS2 by itself and splits long
texts by itself, so `charset`, `data_coding` and `segments` say what it will do:
7-bit when the text is in the GSM alphabet.  What a GoIP cannot carry is refused
here, before any datagram: binary SMS, user data headers, flash, over 3000 bytes.
"""

from __future__ import annotations

from typing import Final

from attrs import define

from gdemoi.goip.datagrams import (
    TEXT_LIMIT,
    bulk_request,
    end_request,
    is_number,
    number_request,
    password_request,
)
from gdemoi.goip.exchange import TELID
from gdemoi.goip.lines import Line, NoUsableLine
from gdemoi.kit.unfit import Unfit, check_count, check_kind, chosen, refusing
from gdemoi.message import Charset, Outbound
from gdemoi.text import gsm7, segments

# What stands for the random number of an exchange in `wire`.
_SENDID: Final = 1


@define(eq=False)
class GoipEncodedMessage:
    """One message, ready for any line (or for the one that its sender names)."""

    message: Outbound
    text: bytes
    segments: int
    charset: str
    data_coding: int | None
    sender: str | None
    # the only line that may send it
    line: str | None
    # the number as the likely line spells it
    shown_number: str
    # the line that its intent counts it for, or why there is none
    reserved: str | NoUsableLine | None = None

    def user_data(self) -> list[tuple[str, int]]:
        """The text goes whole: one entry, in UTF-8 bytes."""
        return [(self.text.hex(), len(self.text))]

    def wire(self) -> list[list[str]]:
        """The server's datagrams of one exchange; the password is not shown.

        The number 1 stands for the random sendid.
        """
        datagrams = [
            bulk_request(_SENDID, self.text),
            password_request(_SENDID, b"********"),
            number_request(_SENDID, TELID, self.shown_number.encode("ascii")),
            end_request(_SENDID),
        ]
        return [[datagram.decode("utf-8") for datagram in datagrams]]


@refusing
def prepare(
    message: Outbound, bound: Line | None, likely: Line | None, most_segments: int
) -> GoipEncodedMessage:
    """Make a message ready; `bound` is the line of its sender, if it names one."""
    _check(message)
    text, _ = chosen(message)
    octets = text.encode("utf-8")
    plain = gsm7.fits(text)
    charset = Charset.GSM7 if plain else Charset.UCS2
    count = segments.count(text, charset)
    if len(octets) > TEXT_LIMIT:
        raise Unfit("too_long", f"{len(octets)} bytes of {TEXT_LIMIT}")
    check_count(count, min(message.max_segments or most_segments, most_segments))
    line = bound or likely
    return GoipEncodedMessage(
        message=message,
        text=octets,
        segments=count,
        charset=charset.value,
        data_coding=0 if plain else 8,
        sender=None if line is None else line.number or line.name,
        line=None if bound is None else bound.name,
        shown_number=message.to if line is None else line.in_line_form(message.to),
    )


def _check(message: Outbound) -> None:
    """Raise `Unfit` for what the protocol has no words for."""
    if not is_number(message.to):
        raise Unfit("bad_number", f"{message.to!r} cannot stand in a datagram")
    check_kind(message, "a GoIP")
    if not message.text:
        raise Unfit("invalid", "an empty text cannot be sent over a GoIP")
    if "\x00" in message.text:
        # the device's text ends at a NUL: the command would be cut
        raise Unfit("unencodable", "a NUL cannot be sent over a GoIP")
