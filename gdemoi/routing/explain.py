"""What would happen to a message, and why: nothing is sent.

The JSON of `gdemoi-sms explain --json` and ``POST /v1/explain``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from gdemoi.interfaces import EncodedMessage
from gdemoi.message import Charset, Error, OnUnencodable, Outbound, Refused
from gdemoi.routing.rules import Router, country_of, with_defaults
from gdemoi.routing.trackers import CHECKED, Choice, Trackers
from gdemoi.text.charset import fits
from gdemoi.text.transliterate import to_gsm7

# The alphabets that not all texts fit.
_NARROW: Final = frozenset({Charset.GSM7, Charset.GSM8, Charset.LATIN1})


class Preparing(Protocol):
    """A lane, or a channel by itself: it makes a message ready, or says why not."""

    def prepare(self, message: Outbound) -> EncodedMessage | Refused:
        """Split and encode; Refused when it cannot carry the message."""


def explain(
    message: Outbound,
    router: Router,
    channels: Mapping[str, Preparing],
    unable: Callable[[str], str | None],
    trackers: Trackers | None = None,
) -> dict[str, Any]:
    """Return the way of `message`: rules, channels, encoding, exact bytes.

    The encoding shown is that of the first able channel which can carry it, and
    `transliterated` is there when its text goes out in other letters; `error` says
    why none can.  With a profile ``tracker`` tells what it finds; each letter of a
    password is shown as a star then.
    """
    route = router.route(message)
    if route.rule is not None:
        message = with_defaults(message, route.rule)
    choice = None if trackers is None else trackers.choice(message)
    looked_at = _looked_at(message, trackers, choice)
    if choice is not None:
        shown = choice.profile.masked_alike(message.text or "")
        message = msgspec.structs.replace(message, text=shown)
    answer: dict[str, Any] = {
        "to": message.to,
        "country": country_of(message.to),
        "route": route.rule.name if route.rule is not None else None,
        "rules": [
            {"name": v.name, "matched": v.matched, "why": v.why}
            for v in router.verdicts(message)
        ],
        "channels": [],
        "sender": message.from_,
        "charset": None,
        "data_coding": None,
        "segments": [],
        "error": None,
    }
    answer.update(looked_at)
    refusals = []
    fallback = None
    for name in route.channels:
        prepared = channels[name].prepare(message)
        why = unable(name)
        if isinstance(prepared, Refused):
            refusals.append(prepared.error)
            why = prepared.error.text
        else:
            fallback = fallback or prepared
            if why is None and answer["charset"] is None:
                answer.update(_encoding(prepared, message))
        answer["channels"].append({"name": name, "able": why is None, "why": why})
    if answer["charset"] is None and fallback is not None:
        answer.update(_encoding(fallback, message))
    if fallback is None:
        answer["error"] = _error(
            refusals[0]
            if refusals
            else Error("gateway:no_route", "no route leads anywhere for this message")
        )
    if answer["error"] is None and looked_at and looked_at["tracker"]["refused"]:
        tracker = looked_at["tracker"]
        why = f"{tracker['profile']}: {tracker['refused']}"
        answer["error"] = _error(Error(CHECKED, why))
    return answer


def _looked_at(
    message: Outbound, trackers: Trackers | None, choice: Choice | None
) -> dict[str, Any]:
    """Return what a profile says of a message; nothing without one."""
    if trackers is None or choice is None:
        return {}
    found = trackers.found(choice, message)
    wrong = [one.code for one in found if one.code in choice.refused]
    tracker = {
        "profile": choice.profile.name,
        "sure": str(choice.profile.file.sure),
        "by": choice.by,
        "findings": msgspec.to_builtins(found),
        "refused": ", ".join(wrong) or None,
    }
    return {"tracker": tracker}


def _encoding(prepared: Any, message: Outbound) -> dict[str, Any]:
    text = _text(message, prepared.charset)
    changed = {} if text == message.text else {"transliterated": text}
    return {
        **changed,
        "sender": prepared.sender,
        "charset": prepared.charset,
        "data_coding": prepared.data_coding,
        "segments": [
            {"user_data": user_data, "units": units, "wire": wire}
            for (user_data, units), wire in zip(
                prepared.user_data(), prepared.wire(), strict=True
            )
        ],
    }


def _text(message: Outbound, charset: str) -> str | None:
    """Return the text that goes out: what does not fit is transliterated."""
    asked = message.on_unencodable is OnUnencodable.TRANSLITERATE
    if message.text is None or not asked or charset not in _NARROW:
        return message.text
    if fits(message.text, Charset(charset)):
        return message.text
    return to_gsm7(message.text, message.transliteration)


def _error(error: Error) -> dict[str, Any]:
    return {"code": error.code, "text": error.text, "retryable": error.retryable}
