"""What people see of commands and answers: without the passwords in them.

The platform's own events have the texts whole; stories, and events that are asked for
masked, have not.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gdemoi.facts import OutboxEvent
from gdemoi.message import Outbound
from gdemoi.profiles.profile import Profile
from gdemoi.routing.trackers import Trackers

_INBOUND = "inbound."


def masked_story(story: dict[str, Any], trackers: Trackers) -> dict[str, Any]:
    """Return a story with the text of its message as people may see it."""
    message = story["message"]
    if message.get("text") is None:
        return story
    profile = _profile_of(message, trackers)
    if profile is None:
        return story
    text = profile.masked(message["text"])
    if text == message["text"]:
        return story
    shown = {**message, "text": text, "masked": True}
    # the same text once more, as an SMPP client coded it
    shown.pop("raw", None)
    if "origin" in shown:
        shown["origin"] = {**shown["origin"], "text": ""}
    return {**story, "message": shown}


def _profile_of(message: dict[str, Any], trackers: Trackers) -> Profile | None:
    """Return the profile that a message left with, or would have now."""
    known = message.get("tracker")
    if known is not None:
        return trackers.library.get(known["profile"])
    plain = {name: value for name, value in message.items() if name != "correlation"}
    choice = trackers.choice(msgspec.convert(plain, Outbound))
    return None if choice is None else choice.profile


def masked_event(event: OutboxEvent, trackers: Trackers) -> bytes:
    """Return an event's JSON, of an answer without the password that it tells."""
    if not event.routing_key.startswith(_INBOUND):
        return event.body
    inbound = msgspec.json.decode(event.body)
    text = inbound.get("text")
    profile = None if text is None else trackers.profile_of(inbound["from"])
    if profile is None:
        return event.body
    masked = profile.masked_answer(text)
    if masked == text:
        return event.body
    return msgspec.json.encode({**inbound, "text": masked, "masked": True})
