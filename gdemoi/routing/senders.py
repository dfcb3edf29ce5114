"""Senders that a channel's far side refuses: which, why, and until when.

A refusal of a sender says nothing of the channel: others go on.  The sender is
tried no more for a while, longer each time, until a message of it is taken or
someone lifts the rest.  Far sides refuse senders by country (an alphanumeric one
must be registered in some), so a rest is for the recipient's country alone.
Pure; time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from attrs import define

from gdemoi.message import Outbound, Refused
from gdemoi.routing.rules import country_of

REST_FIRST_S: Final = 60.0
REST_LAST_S: Final = 3600.0
# Platforms choose senders freely where `allowed_sender = *`: the oldest go first.
LIMIT: Final = 1000
# So many are named in a channel's reason.
NAMED: Final = 2

# the sender as it leaves (None: the far side's own), the recipient's country
Key = tuple[str | None, str | None]


@define
class _Rest:
    """What was said of a sender; `pause_s` is how long it rested the last time."""

    refused: Refused
    pause_s: float
    until: float


class Senders:
    """The refused senders of one channel."""

    def __init__(self) -> None:
        self._rests: dict[Key, _Rest] = {}

    def refused(
        self, sender: str | None, message: Outbound, refused: Refused, now: float
    ) -> float:
        """Let the sender rest; return until when.

        Refusals of what was under way at the time make the rest no longer.
        """
        key = (sender, country_of(message.to))
        rest = self._rests.pop(key, None)
        if rest is None:
            pause_s = refused.retry_after_s or REST_FIRST_S
            rest = _Rest(refused, pause_s, now + pause_s)
        elif rest.until <= now:
            longer_s = max(2 * rest.pause_s, refused.retry_after_s or 0.0)
            rest.pause_s = min(REST_LAST_S, longer_s)
            rest.until = now + rest.pause_s
        rest.refused = refused
        self._rests[key] = rest
        if len(self._rests) > LIMIT:
            del self._rests[next(iter(self._rests))]
        return rest.until

    def taken(self, sender: str | None, message: Outbound) -> bool:
        """A message of the sender was taken; True when that ends a rest."""
        if not self._rests:
            return False
        key = (sender, country_of(message.to))
        return self._rests.pop(key, None) is not None

    def refusal(
        self, sender: str | None, message: Outbound, now: float
    ) -> Refused | None:
        """Return what the far side would say, while the sender rests."""
        if not self._rests:
            return None
        rest = self._rests.get((sender, country_of(message.to)))
        if rest is None or rest.until <= now:
            return None
        return msgspec.structs.replace(
            rest.refused, retry_after_s=rest.until - now, progress=None, line=None
        )

    def lift(self) -> None:
        """Forget all of it: someone acted."""
        self._rests.clear()

    def next_end(self, now: float) -> float | None:
        """Return when the next rest ends."""
        return min((rest.until for _, rest in self._resting(now)), default=None)

    def describe(self, now: float) -> list[dict[str, Any]]:
        """Return who rests, JSON-ready; times are epoch seconds."""
        return [
            {
                "sender": sender,
                "country": country,
                "code": rest.refused.error.code,
                "text": rest.refused.error.text,
                "next_try_at": rest.until,
            }
            for (sender, country), rest in self._resting(now)
        ]

    def reason(self, now: float) -> str:
        """Return who rests and why in one line; empty: nobody."""
        resting = [
            _sentence(key, rest.refused)
            for key, rest in sorted(self._resting(now), key=lambda one: str(one[0]))
        ]
        more = len(resting) - NAMED
        return "; ".join(resting[:NAMED]) + (f"; {more} more" if more > 0 else "")

    def _resting(self, now: float) -> Iterable[tuple[Key, _Rest]]:
        return [one for one in self._rests.items() if one[1].until > now]


def _sentence(key: Key, refused: Refused) -> str:
    sender, country = key
    who = "the default sender" if sender is None else f"sender {sender}"
    where = f" for {country}" if country else ""
    # the far side has nothing against who has only to wait
    does = "has to wait" if refused.error.retryable else "is refused"
    return f"{who} {does}{where} ({refused.error.code} {refused.error.text})"
