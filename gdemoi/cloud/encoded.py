"""A message made ready for a cloud provider: alphabet, sender, limits.

Pure.  What a provider would change, cut or not carry is refused here, with the
reason, before anything leaves: text is payload.
"""

from __future__ import annotations

from typing import Any

from attrs import define

from gdemoi.cloud.provider import CloudMessage, Provider
from gdemoi.cloud.settings import CloudSettings
from gdemoi.kit.unfit import (
    Unfit,
    all_of,
    check_count,
    check_kind,
    chosen,
    refusing,
)
from gdemoi.message import Charset, Outbound, Refused
from gdemoi.text import gsm7
from gdemoi.text.segments import Segment, split


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


@refusing
def prepare(
    message: Outbound,
    provider: Provider[Any],
    settings: CloudSettings,
    callback: str | None,
) -> CloudEncodedMessage | Refused:
    """Return the message ready to go, or why it cannot go here."""
    sender = sender_of(message, settings)
    able = provider.capabilities
    check_kind(message, provider.name, binary=able.binary, flash=able.flash)
    text, charset, parts = _written(message)
    draft = CloudMessage(
        message=message,
        text=text,
        sender=sender,
        unicode=charset is Charset.UCS2,
        callback=callback,
    )
    check_count(len(parts), message.max_segments)
    _check_length(draft, provider)
    refusal = provider.refusal(draft)
    if refusal is not None:
        return Refused(error=refusal)
    word = "binary" if text is None else charset.value
    return CloudEncodedMessage(
        message, len(parts), sender, word, draft, provider, tuple(parts)
    )


def sender_of(message: Outbound, settings: CloudSettings) -> str | None:
    """Return the sender by the channel's policy; None: the provider's own."""
    wanted = message.from_
    if wanted is not None and wanted in settings.sender_map:
        return settings.sender_map[wanted]
    if wanted is None or settings.sender_policy == "fixed":
        return None if settings.provider_chooses_sender else settings.default_sender
    if wanted in settings.allowed_sender or "*" in settings.allowed_sender:
        return wanted
    raise Unfit("sender_not_allowed", f"{wanted} may not be used here")


def _check_length(draft: CloudMessage, provider: Provider[Any]) -> None:
    """Raise `Unfit` when the text is longer than the provider takes."""
    if draft.text is None:
        return
    able = provider.capabilities
    most = able.ucs2_units if draft.unicode else able.gsm_units
    units = len(draft.text.encode("utf-16-be")) // 2
    if not draft.unicode:
        units = len(gsm7.encode(draft.text))
    if units > most and able.cuts:
        why = f"{provider.name} cuts text after {most} characters without an error"
        raise Unfit("provider_alters_text", why)
    if units > most:
        raise Unfit("too_long", f"{units} of {most} characters")


def _written(message: Outbound) -> tuple[str | None, Charset, list[Segment]]:
    """Return the text, its alphabet and its segments."""
    if message.text is None:
        octets = (message.udh or b"") + (message.binary or b"")
        part = Segment(user_data=octets, units=len(octets))
        return None, Charset.GSM8, [part]
    text, charset = chosen(message)
    if charset is Charset.LATIN1:
        # no provider carries Latin-1: what is in it and not in GSM is UCS2 there
        charset = Charset.GSM8 if gsm7.fits(text) else Charset.UCS2
    return text, charset, all_of(split(text, charset))
