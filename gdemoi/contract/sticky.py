"""The way that a tracker knows, as HTTP takes and tells it and the journal keeps it.

Each account has its own memory of a number.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gdemoi.contract.fields import check_names, invalid
from gdemoi.moments import rfc3339

_Word = Annotated[str, Meta(min_length=1, max_length=64)]


class Basis(StrEnum):
    """What the memory of a way rests on."""

    SUBMITTED = "submitted"
    DELIVERED = "delivered"
    ANSWER = "answer"
    # by hand
    SET = "set"


# Weaker ones do not replace stronger ones.
STRENGTH: Final = {basis: strength for strength, basis in enumerate(Basis)}


class KnownWay(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The channel, line and sender by which a tracker gets its commands.

    `sender` None: whatever the channel and the route say.  Stored as it is: fields are
    only ever added at the end, with defaults.
    """

    channel: str
    line: str | None
    sender: str | None
    basis: Basis = Basis.SET
    # seconds since the epoch
    at: float = 0.0

    def goes_as(self, other: KnownWay) -> bool:
        """Tell whether another one is the same way."""
        mine = self.channel, self.line, self.sender
        return mine == (other.channel, other.line, other.sender)


class SenderBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``PUT /v1/trackers/NUMBER/sender``."""

    channel: _Word
    sender: _Word | None = None


_decode = msgspec.json.Decoder(SenderBody).decode


def read_sender(body: bytes) -> SenderBody:
    """Read what is to be set; raise `InvalidMessage` naming the field."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        text, _, place = str(fault).partition(" - at `$.")
        named = text.partition("field `")[2].rstrip("`")
        raise invalid(text, place.rstrip("`") or named or None) from None
    check_names(body, {})
    return found


def way_json(number: str, account: str | None, way: KnownWay) -> dict[str, Any]:
    """Return the way to a number, JSON-ready."""
    return {
        "number": number,
        "account": account,
        "channel": way.channel,
        "line": way.line,
        "sender": way.sender,
        "basis": way.basis.value,
        "at": rfc3339(way.at),
    }
