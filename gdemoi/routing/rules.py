"""Rules in file order: message → ordered channels, with the reason for each.

Pure: knows messages and rules, asks nobody but the two functions handed in
(`able` and `country_of`).  What the ini calls ``[route:NAME]`` is a `Rule` here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final
from zlib import crc32

import msgspec
import phonenumbers
from attrs import frozen

from gdemoi.message import (
    Charset,
    MessageClass,
    OnUnencodable,
    OnUnsure,
    Outbound,
    Transliteration,
    Turn,
    filled,
)


@frozen(kw_only=True)
class Rule:
    """One route: conditions (all must hold; empty: any) and where it leads.

    `channels` are (name, weight) in order of preference.  The rest are defaults
    for messages that do not say otherwise (None: leave them).
    """

    name: str
    channels: tuple[tuple[str, int], ...]
    weighted: bool = False
    classes: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    from_: tuple[str, ...] = ()
    account: tuple[str, ...] = ()
    country: tuple[str, ...] = ()
    sender: str | None = None
    charset: Charset | None = None
    on_unencodable: OnUnencodable | None = None
    transliteration: Transliteration | None = None
    on_unsure: OnUnsure | None = None
    max_segments: int | None = None
    ttl_s: float | None = None
    priority: int | None = None
    turn: Turn | None = None

    @property
    def conditional(self) -> bool:
        """Whether it asks anything of a message."""
        return bool(
            self.classes or self.to or self.from_ or self.account or self.country
        )


@frozen
class RuleVerdict:
    """What one rule said to a message: `why` names the condition."""

    name: str
    matched: bool
    why: str


@frozen
class Route:
    """The way of one message; `rule` is None when nothing matched."""

    rule: Rule | None
    channels: tuple[str, ...]


_NOWHERE: Final = Route(None, ())


@lru_cache(maxsize=65536)
def country_of(number: str) -> str | None:
    """Return the ISO 3166 country of ``+E.164``, None for short numbers."""
    if not number.startswith("+"):
        return None
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(parsed)
    return str(region) if region else None


def _globs(value: str | None, patterns: Sequence[str]) -> bool:
    return value is not None and any(fnmatchcase(value, glob) for glob in patterns)


def refusal_of(rule: Rule, message: Outbound) -> str | None:
    """Return which condition of `rule` the message fails, None when it matches."""
    if rule.classes and not _globs(message.class_, rule.classes):
        return f"class {message.class_} is not {', '.join(rule.classes)}"
    if rule.to and not _globs(message.to, rule.to):
        return f"to {message.to} is not {', '.join(rule.to)}"
    if rule.from_ and not _globs(message.from_, rule.from_):
        return f"from {message.from_ or '(none)'} is not {', '.join(rule.from_)}"
    if rule.account and not _globs(message.account, rule.account):
        return f"account {message.account or '(none)'} is not {', '.join(rule.account)}"
    if rule.country:
        country = country_of(message.to)
        if not _globs(country, rule.country):
            return f"country {country or '(none)'} is not {', '.join(rule.country)}"
    return None


class Router:
    """The rules of one configuration and the names of its channels.

    Without any rule every channel is a way, in file order.
    """

    def __init__(self, rules: Sequence[Rule], channels: Sequence[str]) -> None:
        everything = Rule(
            name="(all channels)", channels=tuple((name, 1) for name in channels)
        )
        self.rules = tuple(rules) or (everything,)
        self.known = frozenset(channels)
        # (rule, whether it asks anything, its way where that is the same for all)
        self._ways = [(rule, rule.conditional, self._same(rule)) for rule in self.rules]

    def route(self, message: Outbound) -> Route:
        """Return the first matching rule and its channels in order of preference."""
        for rule, conditional, fixed in self._ways:
            if conditional and refusal_of(rule, message) is not None:
                continue
            if fixed is not None and not message.channels:
                return fixed
            return Route(rule, self._order(rule, message))
        return _NOWHERE

    def _same(self, rule: Rule) -> Route | None:
        if rule.weighted:
            return None
        names = tuple(name for name, _ in rule.channels if name in self.known)
        return Route(rule, names)

    def verdicts(self, message: Outbound) -> list[RuleVerdict]:
        """Return what each rule says, for `explain`; those after a match too."""
        verdicts = []
        decided = False
        for rule in self.rules:
            why = refusal_of(rule, message)
            if why is None and decided:
                verdicts.append(RuleVerdict(rule.name, False, "an earlier rule won"))
                continue
            verdicts.append(
                RuleVerdict(rule.name, why is None, why or _conditions(rule))
            )
            decided = decided or why is None
        return verdicts

    def _order(self, rule: Rule, message: Outbound) -> tuple[str, ...]:
        allowed = [
            (name, weight)
            for name, weight in rule.channels
            if name in self.known and (not message.channels or name in message.channels)
        ]
        if not rule.weighted or len(allowed) < 2:
            return tuple(name for name, _ in allowed)
        return _weighted(allowed, crc32(message.id.encode()))


def _weighted(allowed: list[tuple[str, int]], dice: int) -> tuple[str, ...]:
    """Draw the first channel by weight, from the id so that a repeat agrees.

    The others follow by weight, as the way out when the first is not able.
    """
    throw = dice % sum(weight for _, weight in allowed)
    first = allowed[0]
    for candidate in allowed:
        if throw < candidate[1]:
            first = candidate
            break
        throw -= candidate[1]
    rest = sorted(
        (other for other in allowed if other is not first), key=lambda c: -c[1]
    )
    return (first[0], *(name for name, _ in rest))


def _conditions(rule: Rule) -> str:
    said = [
        f"{word} {', '.join(values)}"
        for word, values in (
            ("class", rule.classes),
            ("to", rule.to),
            ("from", rule.from_),
            ("account", rule.account),
            ("country", rule.country),
        )
        if values
    ]
    return "; ".join(said) or "no conditions"


def with_defaults(message: Outbound, rule: Rule) -> Outbound:
    """Fill in what the rule says and the message left unsaid.

    No byte of a command is changed, whoever asks for letters that look alike:
    what does not fit is refused.
    """
    unsaid = message.unsaid
    changes: dict[str, object] = {}
    if rule.sender is not None and message.from_ is None:
        changes["from_"] = rule.sender
    if rule.max_segments is not None and message.max_segments is None:
        changes["max_segments"] = rule.max_segments
    if rule.transliteration is not None:
        changes["transliteration"] = rule.transliteration
    if rule.ttl_s is not None and "ttl" in unsaid:
        start = max(message.accepted_at, message.not_before or 0.0)
        changes["expires_at"] = start + rule.ttl_s
    for word, value in (
        ("charset", rule.charset),
        ("on_unencodable", rule.on_unencodable),
        ("on_unsure", rule.on_unsure),
        ("priority", rule.priority),
    ):
        if value is not None and word in unsaid:
            changes[word] = value
    if rule.turn is not None and message.class_ is not MessageClass.NOTIFICATION:
        changes["turn"] = filled(message.turn, rule.turn)
    wanted = changes.get("on_unencodable", message.on_unencodable)
    if (
        wanted is OnUnencodable.TRANSLITERATE
        and message.class_ is not MessageClass.NOTIFICATION
    ):
        changes["on_unencodable"] = OnUnencodable.REJECT
    return msgspec.structs.replace(message, **changes) if changes else message


def first_able(
    channels: Sequence[str], unable: Callable[[str], str | None]
) -> str | None:
    """Return the first channel that can send now, else the first of all."""
    for name in channels:
        if unable(name) is None:
            return name
    return channels[0] if channels else None
