"""GoIP datagrams: bytes ↔ values; phone numbers as an operator wants them.

Two forms share the wire ("GOIP SMS Interface").  What a device sends unasked is
``VERB:count;key:value;…`` (`Push`); what belongs to an exchange that the server
opened is ``WORD sendid rest`` (`ExchangeStep`).  One datagram is one message.

This file knows the spelling and its limits.  It does not know who may say what,
nor what follows; a datagram that it cannot read is a value too (`UnparsedDatagram`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

# No datagram of the documents comes near this; text has 3000 of it.
DATAGRAM_LIMIT: Final = 4096
# "GOIP SMS Interface", step 1 of bulk SMS: 3000 bytes or less
TEXT_LIMIT: Final = 3000
WORD_LIMIT: Final = 64
FIELD_LIMIT: Final = 64

_PUSH: Final = re.compile(rb"([A-Za-z_]{1,16}):(-?[0-9]{1,20});", re.DOTALL)
_SAID: Final = re.compile(rb"([A-Za-z_]{1,24}) ([0-9]{1,10})(?: (.*))?\Z", re.DOTALL)
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_TAIL: Final = b"\x00\r\n"
# The device puts the SMS last, and everything to the end is text.
_WITH_TEXT: Final = frozenset({"RECEIVE", "USSN"})
_TEXT_MARK: Final = b";msg:"
# Missing values as C programs print them.
NOTHING: Final = frozenset({b"", b"(null)", b"<NULL>"})


class Push(msgspec.Struct, frozen=True):
    """``VERB:count;key:value;…``: what a device sends unasked.

    `count` is kept as bytes, because the answer repeats it unchanged.
    """

    verb: str
    count: bytes
    fields: dict[str, bytes]
    text: bytes | None = None

    @property
    def id(self) -> bytes:
        """The authentication id."""
        return self.fields.get("id", b"")

    @property
    def password(self) -> bytes:
        """The password; one edition's example spells it `pass` in RECEIVE too."""
        given = self.fields.get("password")
        return self.fields.get("pass", b"") if given is None else given


class ExchangeStep(msgspec.Struct, frozen=True):
    """``WORD sendid rest``: a step of an exchange, in either direction."""

    word: str
    sendid: int
    rest: bytes = b""


class UnparsedDatagram(msgspec.Struct, frozen=True):
    """Not a datagram of this protocol."""

    why: str


Datagram = Push | ExchangeStep | UnparsedDatagram


def parse(data: bytes) -> Datagram:
    """Read what a device sent; any bytes."""
    if len(data) > DATAGRAM_LIMIT:
        return UnparsedDatagram("longer than 4096 bytes")
    opening = _PUSH.match(data)
    if opening is not None:
        return _push(opening[1].decode("ascii"), opening[2], data[opening.end() - 1 :])
    said = _SAID.match(data.rstrip(_TAIL))
    if said is None:
        return UnparsedDatagram("neither VERB:count; nor WORD sendid")
    return ExchangeStep(said[1].decode("ascii"), int(said[2]), said[3] or b"")


def _push(verb: str, count: bytes, body: bytes) -> Push | UnparsedDatagram:
    """Read the fields; `body` begins with the semicolon after the count."""
    text: bytes | None = None
    if verb in _WITH_TEXT:
        head, mark, tail = body.partition(_TEXT_MARK)
        if not mark:
            return UnparsedDatagram(f"{verb} without msg")
        body, text = head, tail.rstrip(b"\x00")
        if len(text) > TEXT_LIMIT:
            return UnparsedDatagram(f"{verb} with more than {TEXT_LIMIT} bytes of text")
    else:
        body = body.rstrip(_TAIL)
    fields: dict[str, bytes] = {}
    for piece in body.split(b";")[:FIELD_LIMIT]:
        name, colon, value = piece.partition(b":")
        if colon:
            # the first one counts: nothing later overrides it
            fields.setdefault(name.decode("latin-1"), value)
    for name_ in ("id", "pass", "password", "srcnum"):
        given = fields.get(name_, b"")
        if len(given) > WORD_LIMIT:
            return UnparsedDatagram(f"{verb} with {name_} over {WORD_LIMIT} bytes")
        if name_ != "srcnum" and _CONTROL.search(given):
            return UnparsedDatagram(f"{verb} with a control character in {name_}")
    return Push(verb, count, fields, text)


# -- what the server answers and asks ------------------------------------------


def registered(count: bytes, status: int) -> bytes:
    """Return the keepalive's acknowledgement."""
    return b"reg:%s;status:%d;" % (count, status)


def taken(verb: str, count: bytes) -> bytes:
    """Return ``VERB count OK``: what was sent is committed."""
    return b"%s %s OK\n" % (verb.encode("ascii"), count)


def not_taken(verb: str, count: bytes, why: bytes) -> bytes:
    """Return ``VERB count ERROR why``; never echoes what was sent."""
    return b"%s %s ERROR %s" % (verb.encode("ascii"), count, why[:32])


def bulk_request(sendid: int, text: bytes) -> bytes:
    """Return MSG: opens a bulk exchange; the length counts UTF-8 bytes."""
    return b"MSG %d %d %s\n" % (sendid, len(text), text)


def password_request(sendid: int, password: bytes) -> bytes:
    """Return PASSWORD: what the device asked for."""
    return b"PASSWORD %d %s\n" % (sendid, password)


def number_request(sendid: int, telid: int, number: bytes) -> bytes:
    """Return SEND: to this number; repeated, it asks for the status."""
    return b"SEND %d %d %s\n" % (sendid, telid, number)


def end_request(sendid: int) -> bytes:
    """Return DONE: the device may release the exchange."""
    return b"DONE %d\n" % sendid


def line_request(verb: str, sendid: int, values: Iterable[bytes]) -> bytes:
    """Return a line command.

    Without a newline at the end: it would become part of a USSD code.
    """
    return b" ".join([verb.encode("ascii"), b"%d" % sendid, *values])


# -- the device's side of the wire (used by the sandbox) --------------------------


def push(
    verb: str,
    count: int | bytes,
    fields: Iterable[tuple[str, bytes]],
    text: bytes | None = None,
) -> bytes:
    """Return a push as devices write it: only `req` ends with a semicolon."""
    number = count if isinstance(count, bytes) else b"%d" % count
    pieces = [b"%s:%s" % (verb.encode("ascii"), number)]
    pieces += [b"%s:%s" % (name.encode("latin-1"), value) for name, value in fields]
    if text is not None:
        pieces.append(b"msg:" + text)
    return b";".join(pieces) + (b";" if verb == "req" else b"")


def say(word: str, sendid: int, rest: bytes = b"") -> bytes:
    """Return a device's answer inside an exchange, with its newline."""
    tail = b" " + rest if rest else b""
    return b"%s %d%s\n" % (word.encode("ascii"), sendid, tail)


def parse_request(data: bytes) -> ExchangeStep | UnparsedDatagram:
    """Read what a server sent; MSG's text is cut at its stated length."""
    said = _SAID.match(data if data.startswith(b"MSG ") else data.rstrip(_TAIL))
    if said is None:
        return UnparsedDatagram("not WORD sendid")
    word, rest = said[1].decode("ascii"), said[3] or b""
    if word != "MSG":
        return ExchangeStep(word, int(said[2]), rest)
    length, blank, text = rest.partition(b" ")
    if not blank or not length.isdigit() or len(text) != int(length) + 1:
        return UnparsedDatagram("MSG whose length is not that of its text")
    return ExchangeStep(word, int(said[2]), text[:-1])


# -- phone numbers -----------------------------------------------------------
# A number goes into a blank-separated datagram, so it is checked here again.  There
# are no tables of countries: the settings of a line give its country code.

NumberFormat = Literal["as_is", "plus", "noplus", "local"]

_NUMBER: Final = re.compile(r"\+?[0-9]{3,20}\Z")
# National and international spellings share at least so many last digits.
_SAME_TAIL: Final = 9


def is_number(number: str) -> bool:
    """Whether `number` may stand in a SEND datagram."""
    return _NUMBER.match(number) is not None and number.isascii()


def in_line_form(number: str, form: NumberFormat, country_code: str, trunk: str) -> str:
    """Return `number` (``+E.164`` or a short number) in the line's form.

    Short numbers, which have no plus, are never changed.
    """
    if not number.startswith("+") or form in ("as_is", "plus"):
        return number
    if form == "local" and country_code and number.startswith("+" + country_code):
        return trunk + number[1 + len(country_code) :]
    return number[1:] if form == "noplus" else number


def to_e164(number: str, form: NumberFormat, country_code: str, trunk: str) -> str:
    """Return the ``+E.164`` form of a number that came from this line.

    What does not look like a whole number comes back as it was.
    """
    if number.startswith("+") or not number.isdigit() or not number.isascii():
        return number
    if form == "noplus" and len(number) > 10:
        return "+" + number
    if form == "local" and country_code:
        national = number[len(trunk) :] if number.startswith(trunk) else ""
        if len(national) >= _SAME_TAIL:
            return f"+{country_code}{national}"
        if number.startswith(country_code) and len(number) > 10:
            return "+" + number
    return number


def tail(number: str) -> str:
    """Return what all spellings of a number share."""
    digits = "".join(char for char in number if char in "0123456789")
    return digits[-_SAME_TAIL:] if len(digits) >= _SAME_TAIL else number


def agree(one: str, other: str) -> bool:
    """Whether two spellings may be of one phone."""
    return tail(one) == tail(other)
