"""A message made into commands: how long, how many, in which words; pure.

One command is one message to the device, which cuts it into segments itself.  A
command line that is too long for the device is dropped by it without a word, so
it is never written: a notification is cut here into several messages, where a
word ends and never inside a character; a command or activation is refused, since
a tracker that gets half of it does not know the other half.

The device chooses the alphabet on the air itself (GSM when the text fits, else
UCS2): a text that does not fit the alphabet asked for is refused here as
everywhere, one that fits is sent although the device might say it otherwise.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from attrs import define, field

from gdemoi.kit.unfit import (
    Unfit,
    all_of,
    check_count,
    check_kind,
    chosen,
    refusing,
)
from gdemoi.message import Charset, MessageClass, Outbound, Progress
from gdemoi.text import charset as charsets
from gdemoi.text import segments as segmenting
from gdemoi.yeastar.ami import UNCARRIED_RAW, encode_text
from gdemoi.yeastar.settings import TEXT_LIMIT, YeastarSettings

_is_number: Final = re.compile(r"\+?[0-9*#]{1,20}").fullmatch
# What stands for the id before there is one; ids have up to ten digits.
ID_SHOWN: Final = "<id>"
_NUL: Final = frozenset("\x00")
_ID_ROOM: Final = "9999999999"
# Octets of the digest of a cut: two cuts of one text are hardly ever alike.
_DIGEST_OCTETS: Final = 8


@define
class SmsText:
    """One command: its text as written between the quotes, its SMS on the air."""

    quoted: str
    segments: list[tuple[str, int]]


@define
class TgEncodedMessage:
    """A message ready for a TG; `taken` counts the pieces that are gone.

    Satisfies `Prepared`: `user_data` and `wire` have one entry for each SMS on the
    air, and the command stands at the first of those which it makes.
    """

    message: Outbound
    pieces: list[SmsText]
    sender: str | None
    charset: str
    only: tuple[int, ...]
    span_shown: int
    # SMS on the air, by our count
    segments: int
    data_coding: int | None = None
    taken: int = 0
    provider_ids: list[str] = field(factory=list)
    pinned: int | None = None
    tries: int = 0
    # the port that its intent counts it for; None: there is none
    port: int | None = None
    # it stands there already, and is not yet submitted
    reserved: bool = False

    @property
    def segments_left(self) -> int:
        """The SMS of the pieces that are not gone."""
        return sum(len(piece.segments) for piece in self.pieces[self.taken :])

    def progress(self, account: str) -> Progress | None:
        """Return how far it has got; None when no piece of several is gone."""
        if not self.taken:
            return None
        missing = [None] * (len(self.pieces) - self.taken)
        return Progress(
            account=account,
            ids=(*self.provider_ids[: self.taken], *missing),
            segments=self.segments,
            form=self.form,
            line=None if self.pinned is None else str(self.pinned),
        )

    @property
    def form(self) -> str:
        """A digest of how the text is cut."""
        digest = blake2b(digest_size=_DIGEST_OCTETS)
        digest.update(repr([piece.quoted for piece in self.pieces]).encode())
        return digest.hexdigest()

    def go_on(self, progress: Progress) -> bool:
        """Take over how far an earlier try got; False: the pieces are others now."""
        if progress.form != self.form or len(progress.ids) != len(self.pieces):
            return False
        self.taken = progress.taken
        self.provider_ids = list(progress.provider_ids)
        if progress.line is not None:
            self.pinned = int(progress.line)
        return True

    def user_data(self) -> list[tuple[str, int]]:
        """Return the octets and units of each SMS, as the device will cut it."""
        return [segment for piece in self.pieces for segment in piece.segments]

    def wire(self) -> list[list[str]]:
        """Return the lines of each command."""
        shown: list[list[str]] = []
        for piece in self.pieces:
            line = command_line(
                self.span_shown, self.message.to, piece.quoted, ID_SHOWN
            )
            shown.append(["Action: smscommand", f"command: {line}"])
            shown += [[] for _ in piece.segments[1:]]
        return shown


def command_line(span: int, to: str, quoted: str, sms_id: str) -> str:
    """Return the command that sends one text."""
    return f'gsm send sms {span} {to} "{quoted}" {sms_id}'


@refusing
def prepare(message: Outbound, settings: YeastarSettings) -> TgEncodedMessage:
    """Return the commands for `message`, or why a TG can never carry it."""
    _check(message, settings)
    text, charset = chosen(message)
    char = _first_uncarried(text, settings)
    if char is not None:
        why = f"{char!r} cannot be sent with encoding = {settings.encoding}"
        raise Unfit("unencodable", why)
    texts = _cut(text, message, settings)
    pieces = [SmsText(_quoted(one, settings), _on_air(one)) for one in texts]
    only = _ports_of(message.from_, settings)
    prepared = TgEncodedMessage(
        message=message,
        pieces=pieces,
        sender=message.from_ if only else None,
        charset=charset.value,
        only=only,
        span_shown=(only or settings.ports or (1,))[0] + settings.span_offset,
        segments=sum(len(piece.segments) for piece in pieces),
    )
    check_count(prepared.segments, message.max_segments)
    return prepared


def _check(message: Outbound, settings: YeastarSettings) -> None:
    """Raise `Unfit` for what cannot go this way, whatever its text."""
    check_kind(message, "a TG")
    if not _is_number(message.to):
        raise Unfit("bad_number", f"{message.to!r} is not a number to dial")
    strange = message.from_ and not _ports_of(message.from_, settings)
    if strange and settings.unknown_sender == "refuse":
        raise Unfit("sender_not_allowed", f"no port has the number {message.from_!r}")


def _first_uncarried(text: str, settings: YeastarSettings) -> str | None:
    """Return the first character that a command line cannot hold."""
    never = UNCARRIED_RAW if settings.encoding == "raw" else _NUL
    return next((char for char in text if char in never), None)


def _ports_of(sender: str | None, settings: YeastarSettings) -> tuple[int, ...]:
    return tuple(
        port for port, number in settings.phones.items() if sender and number == sender
    )


def _quoted(text: str, settings: YeastarSettings) -> str:
    return text if settings.encoding == "raw" else encode_text(text)


def _cut(text: str, message: Outbound, settings: YeastarSettings) -> list[str]:
    """Return the text whole if one command can hold it, else its parts."""
    span = max(settings.ports or (_ANY_PORT,)) + settings.span_offset
    bare = len(f"command: {command_line(span, message.to, '', _ID_ROOM)}\r\n")
    room = settings.max_line - bare
    octets, written = len(text.encode("utf-8")), _length(text, settings)
    if octets <= TEXT_LIMIT and written <= room:
        return [text]
    apart = message.class_ is MessageClass.NOTIFICATION
    if apart and settings.long_messages == "split":
        return _parts(text, room, settings)
    raise Unfit(
        "too_long",
        f"{octets} octets of text (at most {TEXT_LIMIT}) make {written} in the command"
        f" line, where max_line = {settings.max_line} leaves {room}; this message is"
        " not to be split into separate SMS",
    )


# Without a list of ports, room is left for the largest.
_ANY_PORT: Final = 99


def _length(text: str, settings: YeastarSettings) -> int:
    return len(_quoted(text, settings).encode("utf-8"))


def _parts(text: str, room: int, settings: YeastarSettings) -> list[str]:
    """Cut where a word ends, if any ends in the last third, else at a character."""
    parts = []
    start = 0
    while start < len(text):
        end = _end_of_part(text, start, room, settings)
        if end < len(text):
            end = _word_border(text, start, end)
        parts.append(text[start:end])
        start = end
    return parts


def _end_of_part(text: str, start: int, room: int, settings: YeastarSettings) -> int:
    used = octets = 0
    for index in range(start, len(text)):
        used += _length(text[index], settings)
        octets += len(text[index].encode("utf-8"))
        if used > room or octets > TEXT_LIMIT:
            return index
    return len(text)


def _word_border(text: str, start: int, end: int) -> int:
    for index in range(end, start + (end - start) * 2 // 3, -1):
        if text[index - 1].isspace():
            return index
    index = end
    while index > start + 1 and not segmenting.is_border(text, index):
        index -= 1
    return index


def _on_air(text: str) -> list[tuple[str, int]]:
    """Return (octets in hex, units) of each SMS that the device will make."""
    # the alphabet on the air is GSM or UCS2, whatever was asked for
    spoken = Charset.GSM8 if charsets.fits(text, Charset.GSM8) else Charset.UCS2
    found = all_of(segmenting.split(text, spoken))
    return [(one.user_data.hex(), one.units) for one in found]
