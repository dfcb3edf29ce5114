"""What people see of commands and answers: without the passwords in them.

The platform's own events have the texts whole; stories, and events that are asked for
masked, have not.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gdemoi.facts import OutboxEvent
from gdemoi.message import Inbound, Outbound
from gdemoi.routing.trackers import Trackers

_INBOUND = "inbound."
_ANSWER = "answer."
# SMPP 3.4, appendix B: a receipt ends with the first characters of the message
_quoted_text = re.compile(r"(text:).*", re.IGNORECASE | re.DOTALL).sub


def masked_story(story: dict[str, Any], trackers: Trackers) -> dict[str, Any]:
    """Return a story with the text of its message as people may see it."""
    message = story["message"]
    told = [masked_reply(one, trackers) for one in story["answers"]]
    story = {**story, "answers": told}
    if message.get("text") is None:
        return story
    text = masked_text(outbound_of(message), trackers)
    if text == message["text"]:
        return story
    shown = {**message, "text": text, "masked": True}
    # the same text once more, as an SMPP client coded it
    shown.pop("raw", None)
    if "origin" in shown:
        shown["origin"] = {**shown["origin"], "text": ""}
    receipts = [
        {**one, "raw": _quoted_text(r"\1***", one["raw"])} for one in story["receipts"]
    ]
    return {**story, "message": shown, "receipts": receipts}


def outbound_of(message: dict[str, Any]) -> Outbound:
    """Return the message of a story as it was taken, without its correlation."""
    plain = {name: value for name, value in message.items() if name != "correlation"}
    return msgspec.convert(plain, Outbound)


def masked_text(message: Outbound | Inbound, trackers: Trackers) -> str | None:
    """Return the text of a message or of an answer, as people may see it."""
    text = message.text
    if text is None:
        return None
    if isinstance(message, Inbound):
        sender = trackers.profile_of(message.from_)
        return text if sender is None else sender.masked_answer(text)
    known = message.tracker
    if known is not None:
        profile = trackers.library.get(known.profile)
    else:
        choice = trackers.choice(message)
        profile = None if choice is None else choice.profile
    return text if profile is None else profile.masked(text)


def masked_reply(told: dict[str, Any], trackers: Trackers) -> dict[str, Any]:
    """Return what is told of an answer, without the password that it tells."""
    name = (told["answer"] or {}).get("profile")
    profile = None if name is None else trackers.library.get(name)
    if profile is None or told["text"] is None:
        return told
    masked = profile.masked_answer(told["text"])
    return told if masked == told["text"] else {**told, "text": masked, "masked": True}


def masked_event(event: OutboxEvent, trackers: Trackers) -> bytes:
    """Return an event's JSON, of an answer without the password that it tells."""
    if event.routing_key.startswith(_ANSWER):
        told = msgspec.json.decode(event.body)
        masked_told = masked_reply(told, trackers)
        return event.body if masked_told is told else msgspec.json.encode(masked_told)
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
