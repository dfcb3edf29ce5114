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
from gdemoi.goip.lines import Line
from gdemoi.message import Charset, Error, Outbound, Refused
from gdemoi.text import charset as charsets
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


def prepare(
    message: Outbound, bound: Line | None, likely: Line | None, most_segments: int
) -> GoipEncodedMessage | Refused:
    """Make a message ready; `bound` is the line of its sender, if it names one."""
    refused = _unfit(message)
    if refused is not None:
        return refused
    assert message.text is not None
    try:
        text, _ = charsets.choose(
            message.text,
            message.charset,
            message.on_unencodable,
            transliteration=message.transliteration,
        )
        octets = text.encode("utf-8")
    except charsets.Unencodable as error:
        return _refused("unencodable", str(error))
    except UnicodeEncodeError:
        return _refused("unencodable", "half of a surrogate pair")
    plain = gsm7.fits(text)
    charset = Charset.GSM7 if plain else Charset.UCS2
    count = segments.count(text, charset)
    limit = min(message.max_segments or most_segments, most_segments)
    if len(octets) > TEXT_LIMIT:
        return _refused("too_long", f"{len(octets)} bytes of {TEXT_LIMIT}")
    if count > limit:
        return _refused("too_long", f"{count} segments of {limit}")
    line = bound or likely
    return GoipEncodedMessage(
        message=message,
        text=octets,
        segments=count,
        charset=charset.value,
        data_coding=0 if plain else 8,
        sender=None if line is None else line.number or line.name,
        line=None if bound is None else bound.name,
        shown_number=message.to if line is None else line.spelled(message.to),
    )


def _unfit(message: Outbound) -> Refused | None:
    """Refuse what the protocol has no words for."""
    if not is_number(message.to):
        return _refused("bad_number", f"{message.to!r} cannot stand in a datagram")
    if message.text is None:
        return _refused("unsupported", "a GoIP sends text, not binary SMS")
    if message.udh is not None or message.dest_port is not None:
        return _refused("unsupported", "a GoIP takes no user data header")
    if message.flash:
        return _refused("unsupported", "a GoIP sends no flash SMS")
    if not message.text:
        return _refused("invalid", "an empty text cannot be sent over a GoIP")
    if "\x00" in message.text:
        # the device's text ends at a NUL: the command would be cut
        return _refused("unencodable", "a NUL cannot be sent over a GoIP")
    return None


def _refused(code: str, text: str) -> Refused:
    return Refused(error=Error(f"gateway:{code}", text))
