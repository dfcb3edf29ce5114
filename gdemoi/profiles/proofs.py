"""A profile's own examples, tried: command and answer, and what is found in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from attrs import frozen

from gdemoi.profiles.answers import OutstandingCommand, find
from gdemoi.profiles.findings import findings
from gdemoi.profiles.format import Example, ExampleAnswer
from gdemoi.profiles.profile import Profile

# when the answer comes, in seconds after the command
_SOON_S = 1.0


@frozen
class Difference:
    """What was expected of an example and what was found; `key` is its place."""

    key: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.key}: {self.found!r} is found, {self.expected!r} is expected"


def tried(profile: Profile, others: Iterable[Profile] = ()) -> list[Difference]:
    """Return what is otherwise than the examples of a profile say."""
    others = list(others)
    return [
        difference
        for number, one in enumerate(profile.file.example)
        for difference in _command(profile, others, f"example[{number}]", one)
    ]


def _command(
    profile: Profile, others: Sequence[Profile], key: str, one: Example
) -> Iterator[Difference]:
    codes = tuple(found.code for found in findings(profile, one.command, others))
    if codes != one.findings:
        yield Difference(f"{key}.findings", list(one.findings), list(codes))
    command = profile.read(one.command)
    if one.verb is not None and command.verb != one.verb:
        yield Difference(f"{key}.verb", one.verb, command.verb)
    if one.masked is not None and profile.masked(one.command) != one.masked:
        yield Difference(f"{key}.masked", one.masked, profile.masked(one.command))
    parts = 0
    for number, answer in enumerate(one.answer):
        waiting = OutstandingCommand(
            id=key,
            command=command,
            left_at=0.0,
            deadline=command.within_s,
            parts=parts if command.answers > 1 else 0,
            parts_until=_SOON_S + profile.parts_gap_s,
        )
        parts += answer.state != "none"
        yield from _answer(profile, waiting, f"{key}.answer[{number}]", answer)


def _answer(
    profile: Profile, waiting: OutstandingCommand, key: str, one: ExampleAnswer
) -> Iterator[Difference]:
    found = find(one.text, [waiting], _SOON_S)
    by_pattern = found is not None and found.pattern is not None
    state = str(found.state) if found is not None else "none"
    if found is not None and not by_pattern and one.state == "none":
        # taken by its order only: no pattern knows it
        state = "unknown, by order only"
    for name, expected, seen in (
        ("state", one.state, state),
        ("pattern", one.pattern, found.pattern if found else None),
        ("by", one.by, str(found.by) if found else None),
        ("masked", one.masked, profile.masked_answer(one.text)),
    ):
        if expected is not None and expected != seen:
            yield Difference(f"{key}.{name}", expected, seen)
    if found is not None and found.repaired != one.repaired:
        yield Difference(f"{key}.repaired", one.repaired, found.repaired)


def unproved(profile: Profile) -> list[str]:
    """Return the patterns for answers that no example of the profile fits."""
    seen: set[str] = set()
    by_itself: set[str] = set()
    for one in profile.file.example:
        command = profile.read(one.command)
        for parts in (0, 1):
            waiting = OutstandingCommand(
                id="x", command=command, left_at=0.0, deadline=9.0, parts=parts
            )
            for answer in one.answer:
                found = find(answer.text, [waiting], _SOON_S)
                if found is not None and found.pattern is not None:
                    seen.add(found.pattern)
        for answer in one.answer:
            text = answer.text.rstrip()
            by_itself |= {
                name
                for name, pattern in profile.unsolicited
                if pattern.fullmatch(text) is not None
            }
    missing = [f"answer {r.name}" for r in profile.answers if r.name not in seen]
    return missing + [
        f"unsolicited {name}"
        for name, _ in profile.unsolicited
        if name not in by_itself
    ]
