"""The settings of ``[route:NAME]``: conditions, channels, defaults for messages.

Knows how a route is written; what a route does is `gdemoi.routing.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import phonenumbers
from attrs import frozen

from gdemoi.ini import (
    Converter,
    choice,
    duration,
    each,
    integer,
    key,
    text,
    words,
)
from gdemoi.message import (
    Charset,
    CommandPace,
    MessageClass,
    OnUnencodable,
    OnUnsure,
    Sticky,
    Transliteration,
    Turn,
)
from gdemoi.routing.rules import Rule

_WEIGHTED: Final = re.compile(r"([^*\s]+)(?:\s*\*\s*([0-9]+))?")
_GLOB: Final = re.compile(r"[*?\[]")


def _weighted(value: str) -> tuple[str, int]:
    match = _WEIGHTED.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is not a channel, or a channel with weight (a*3)")
    weight = int(match[2] or 1)
    if not 1 <= weight <= 1000:
        raise ValueError(f"the weight of {match[1]} is not from 1 to 1000")
    return match[1], weight


def _shown(pair: tuple[str, int]) -> str:
    return f"{pair[0]}*{pair[1]}"


def region(value: str) -> str:
    """Return an ISO 3166 country that the numbering plans know."""
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{value!r} is not a country like RU or ES")
    return value


def _country(value: str) -> str:
    return value if _GLOB.search(value) else region(value)


_CHANNEL: Final = Converter("channel or channel*weight", _weighted, _shown)
_COUNTRY: Final = Converter("country (ISO 3166, glob)", _country)


def turn_of(
    pace: CommandPace | None, gap_s: float | None, sticky: Sticky | None
) -> Turn | None:
    """Return what keys say of the turns of commands; None: nothing."""
    said = Turn(pace, gap_s, sticky=sticky)
    return None if said == Turn() else said


@frozen(kw_only=True)
class RouteSettings:
    """Which messages go which way; the first match in file order wins.

    All conditions that are set must hold; a condition holds when one of its
    values does.
    """

    class_: tuple[MessageClass, ...] = key(
        each(choice(MessageClass)),
        default=(),
        doc="condition: the message's class",
        example="command, activation",
    )
    to: tuple[str, ...] = key(
        words, default=(), doc="condition: globs of the number", example="+79*, +7?95*"
    )
    from_: tuple[str, ...] = key(
        words, default=(), doc="condition: globs of the sender that was asked for"
    )
    account: tuple[str, ...] = key(
        words, default=(), doc="condition: globs of the message's account"
    )
    country: tuple[str, ...] = key(
        each(_COUNTRY),
        default=(),
        doc="condition: countries of the number",
        example="RU, KZ",
    )
    channels: tuple[tuple[str, int], ...] = key(
        each(_CHANNEL),
        doc="where to, in order of preference; with policy = weighted: a*3, b*1",
        example="mensatek, office",
    )
    policy: str = key(
        choice("failover", "weighted"),
        default="failover",
        doc="failover: the first that is able; weighted: shared out by weight",
    )
    sender: str | None = key(
        text, default=None, doc="sender for messages that name none"
    )
    charset: Charset | None = key(
        choice(Charset), default=None, doc="charset for messages that name none"
    )
    on_unencodable: OnUnencodable | None = key(
        choice(OnUnencodable),
        default=None,
        doc="what to do with text that its charset cannot carry; commands are"
        " never transliterated",
    )
    transliteration: Transliteration | None = key(
        choice(Transliteration),
        default=None,
        doc="how Cyrillic is transliterated: icao (passports), gost (7.79-2000 B);"
        " none: icao",
        example="icao",
    )
    on_unsure: OnUnsure | None = key(
        choice(OnUnsure),
        default=None,
        doc="what to do when a message may or may not have gone out",
    )
    max_segments: int | None = key(
        integer(1, 255), default=None, doc="more segments than this are rejected"
    )
    ttl_s: float | None = key(
        duration, default=None, doc="life of messages that name none"
    )
    priority: int | None = key(
        integer(0, 9), default=None, doc="priority of messages that name none"
    )
    pace: CommandPace | None = key(
        choice(CommandPace),
        default=None,
        doc="when the next command to a number may leave, for commands that do not say",
        example="delivered",
    )
    gap_s: float | None = key(
        duration,
        default=None,
        doc="what passes between two commands to a number, for those that do not say",
        example="5s",
    )

    sticky: Sticky | None = key(
        choice(Sticky),
        default=None,
        doc="whether a command goes the way that its tracker knows, for commands that"
        " do not say",
        example="prefer",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        names = [name for name, _ in self.channels]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield "channels", f"{name} stands there twice"
        if self.policy == "failover" and any(weight > 1 for _, weight in self.channels):
            yield "channels", "weights need policy = weighted"
        if self.ttl_s is not None and self.ttl_s <= 0:
            yield "ttl", "nothing could ever be sent"

    @property
    def unconditional(self) -> bool:
        """Whether every message matches."""
        return not (
            self.class_ or self.to or self.from_ or self.account or self.country
        )

    def rule(self, name: str) -> Rule:
        """Return the rule of the router."""
        return Rule(
            name=name,
            channels=self.channels,
            weighted=self.policy == "weighted",
            classes=self.class_,
            to=self.to,
            from_=self.from_,
            account=self.account,
            country=self.country,
            sender=self.sender,
            charset=self.charset,
            on_unencodable=self.on_unencodable,
            transliteration=self.transliteration,
            on_unsure=self.on_unsure,
            max_segments=self.max_segments,
            ttl_s=self.ttl_s,
            priority=self.priority,
            turn=turn_of(self.pace, self.gap_s, self.sticky),
        )
