"""What a channel cannot carry unchanged: the checks that all encoders share.

An encoder raises `Unfit` where it meets such a thing, and `refusing` makes a value of
it on arrival: to callers what becomes of a message is never an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from gdemoi.message import Charset, Error, Outbound, Refused
from gdemoi.text import charset as charsets
from gdemoi.text.segments import Segment, TooLong

P = ParamSpec("P")
T = TypeVar("T")


class Unfit(Exception):
    """Raised inside an encoder: this message can never go this way.

    `code` is an error word of the gateway (docs/contract.rst, "Error words").
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.refusal = Refused(error=Error(f"gateway:{code}", text))


def refusing(prepare: Callable[P, T]) -> Callable[P, T | Refused]:
    """Return `prepare` as its callers see it: what is unfit is a `Refused`."""

    @wraps(prepare)
    def prepared(*args: P.args, **kwargs: P.kwargs) -> T | Refused:
        try:
            return prepare(*args, **kwargs)
        except Unfit as unfit:
            return unfit.refusal

    return prepared


def check_kind(
    message: Outbound, who: str, *, binary: bool = False, flash: bool = False
) -> None:
    """Raise `Unfit` when a message is of a kind that `who` does not carry.

    Nobody who calls this carries ports, or a user data header of a text.
    """
    unable = None
    if message.text is None and message.binary is None:
        unable = "needs a text, and nobody can say what these octets say alone"
    elif message.binary is not None and not binary:
        unable = "sends texts only, no binary SMS"
    elif message.udh is not None and message.binary is None:
        unable = "takes no user data header"
    elif message.dest_port is not None or message.source_port is not None:
        unable = "cannot send to application ports"
    elif message.flash and not flash:
        unable = "sends no flash SMS"
    if unable is not None:
        raise Unfit("unsupported", f"{who} {unable}")


def chosen(message: Outbound, default_charset: str = "gsm8") -> tuple[str, Charset]:
    """Return the text that goes out and its alphabet, as the message allows.

    `default_charset` is what data_coding 0 means there (`gdemoi.text.charset`).
    Raises `Unfit` when no alphabet that is allowed has all its characters.
    """
    try:
        return charsets.choose(
            message.text or "",
            message.charset,
            message.on_unencodable,
            default_charset,
            message.transliteration,
        )
    except charsets.Unencodable as why:
        raise Unfit("unencodable", str(why)) from None


def check_count(segments: int, limit: int | None) -> None:
    """Raise `Unfit` when there are more segments than allowed; None: no limit."""
    if limit is not None and segments > limit:
        raise Unfit("too_long", f"{segments} segments of {limit}")


def all_of(parts: list[Segment] | TooLong) -> list[Segment]:
    """Return the segments of a message; raise `Unfit` when they are too many."""
    if not isinstance(parts, TooLong):
        return parts
    if parts.limit == 0:
        raise Unfit("too_long", "the user data header leaves no room for the text")
    raise Unfit("too_long", f"{parts.count} segments of {parts.limit}")
