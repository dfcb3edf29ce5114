"""A message made ready for a cloud provider: alphabet, sender, limits.

Pure.  What a provider would change, cut or not carry is refused here, with the
reason, before anything leaves: text is payload.
"""

from __future__ import annotations

from typing import Any

from attrs import define

from gdemoi.cloud.provider import CloudMessage, Provider
from gdemoi.cloud.settings import CloudSettings
from gdemoi.message import Charset, Error, Outbound, Refused
from gdemoi.text import gsm7
from gdemoi.text.charset import Unencodable, choose
from gdemoi.text.segments import Segment, TooLong, split


@define
class CloudEncodedMessage:
    """What the lane keeps while it retries.

    `segments` is how many SMS it is on the air, as far as we can tell; `sender` is
    None when the provider chooses.
    """

    message: Outbound
    segments: int
    sender: str | None
    charset: str
    draft: CloudMessage
    provider: Provider[Any]
    parts: tuple[Segment, ...]
    data_coding: int | None = None

    def user_data(self) -> list[tuple[str, int]]:
        """Return (hex, units) of each segment, as the provider will cut it."""
        return [(part.user_data.hex(), part.units) for part in self.parts]

    def wire(self) -> list[list[str]]:
        """Return the one request that would leave, secrets hidden.

        It carries the whole text, so that nothing leaves for further segments.
        """
        request = self.provider.request_for(self.draft, self.message.accepted_at)
        return [request.lines(), *([] for _ in self.parts[1:])]


def prepare(
    message: Outbound,
    provider: Provider[Any],
    settings: CloudSettings,
    callback: str | None,
) -> CloudEncodedMessage | Refused:
    """Return the message ready to go, or why it cannot go here."""
    sender = sender_of(message, settings)
    if isinstance(sender, Error):
        return Refused(error=sender)
    unable = _uncarried(message, provider)
    if unable is not None:
        return Refused(error=Error("gateway:unsupported", unable))
    found = _written(message)
    if isinstance(found, Error):
        return Refused(error=found)
    text, charset, parts = found
    draft = CloudMessage(
        message=message,
        text=text,
        sender=sender,
        unicode=charset is Charset.UCS2,
        callback=callback,
    )
    refusal = too_long(draft, parts, provider) or provider.refusal(draft)
    if refusal is not None:
        return Refused(error=refusal)
    word = "binary" if text is None else charset.value
    return CloudEncodedMessage(
        message, len(parts), sender, word, draft, provider, tuple(parts)
    )


def sender_of(message: Outbound, settings: CloudSettings) -> str | Error | None:
    """Return the sender by the channel's policy; None: the provider's own."""
    wanted = message.from_
    if wanted is not None and wanted in settings.sender_map:
        return settings.sender_map[wanted]
    if wanted is None or settings.sender_policy == "fixed":
        return None if settings.provider_chooses_sender else settings.default_sender
    if wanted in settings.allowed_sender or "*" in settings.allowed_sender:
        return wanted
    return Error("gateway:sender_not_allowed", f"{wanted} may not be used here")


def too_long(
    draft: CloudMessage, parts: list[Segment], provider: Provider[Any]
) -> Error | None:
    """Return why the text is longer than the provider or the message allows."""
    limit = draft.message.max_segments
    if limit is not None and len(parts) > limit:
        return Error("gateway:too_long", f"{len(parts)} segments of {limit}")
    if draft.text is None:
        return None
    able = provider.capabilities
    most = able.ucs2_units if draft.unicode else able.gsm_units
    units = len(draft.text.encode("utf-16-be")) // 2
    if not draft.unicode:
        units = len(gsm7.encode(draft.text))
    if units <= most:
        return None
    if able.cuts:
        why = f"{provider.name} cuts text after {most} characters without an error"
        return Error("gateway:provider_alters_text", why)
    return Error("gateway:too_long", f"{units} of {most} characters")


def _uncarried(message: Outbound, provider: Provider[Any]) -> str | None:
    able = provider.capabilities
    if message.binary is not None and not able.binary:
        return f"{provider.name} carries text only"
    if message.udh is not None and message.binary is None:
        return f"{provider.name} takes a user data header with binary messages only"
    if message.dest_port is not None or message.source_port is not None:
        return f"{provider.name} carries no ports"
    if message.flash and not able.flash:
        return f"{provider.name} has no flash messages"
    return None


def _written(
    message: Outbound,
) -> tuple[str | None, Charset, list[Segment]] | Error:
    """Return the text, its alphabet and its segments."""
    if message.text is None:
        octets = (message.udh or b"") + (message.binary or b"")
        part = Segment(user_data=octets, units=len(octets))
        return None, Charset.GSM8, [part]
    try:
        text, chosen = choose(
            message.text,
            message.charset,
            message.on_unencodable,
            transliteration=message.transliteration,
        )
    except Unencodable as why:
        return Error("gateway:unencodable", str(why))
    if chosen is Charset.LATIN1:
        # no provider carries Latin-1: what is in it and not in GSM is UCS2 there
        chosen = Charset.GSM8 if gsm7.fits(text) else Charset.UCS2
    parts = split(text, chosen)
    if isinstance(parts, TooLong):
        return Error("gateway:too_long", f"{parts.count} segments of {parts.limit}")
    return text, chosen, parts
