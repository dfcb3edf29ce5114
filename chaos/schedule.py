"""Which fault begins when, where, and for how long: made once, from a number.

Each gateway has a lane.  In a lane one fault follows another, each in a slot of its
own with rest before the next; lanes know nothing of each other, so that faults of
several gateways meet.  All kinds come equally often.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

# of a slot: the latest begin, and the latest end
LATEST_BEGIN, LATEST_END = 0.2, 0.7


@frozen
class Kind:
    """A kind of fault; it lasts `longest_s` at most, and `shortest_s` at least."""

    name: str
    longest_s: float
    shortest_s: float = 0.2


@frozen(order=True)
class Planned:
    """A fault to come; seconds from the begin of the run."""

    at_s: float
    lane: int
    kind: str
    lasts_s: float


def dealt(kinds: Sequence[Kind], dice: random.Random) -> Iterator[Kind]:
    """Deal kinds for ever, all of them before one comes again."""
    while True:
        deck = list(kinds)
        dice.shuffle(deck)
        yield from deck


def plan(
    lanes: Mapping[int, Sequence[Kind]], faults: int, seconds: float, seed: int
) -> list[Planned]:
    """Return so many faults for these lanes, in the order of their begins.

    `lanes` has the kinds that are possible in each; raises `ValueError` without any.
    """
    able = [lane for lane in sorted(lanes) if lanes[lane]]
    if not able:
        raise ValueError("no fault is possible")
    dice, found = random.Random(seed), []
    for place, lane in enumerate(able):
        # what does not divide evenly goes to the first lanes
        count = faults // len(able) + (place < faults % len(able))
        slot_s = seconds / max(1, count)
        for number, kind in zip(range(count), dealt(lanes[lane], dice), strict=False):
            late_s = dice.uniform(0, LATEST_BEGIN) * slot_s
            room_s = LATEST_END * slot_s - late_s
            lasts_s = dice.uniform(kind.shortest_s, kind.longest_s)
            at_s = number * slot_s + late_s
            found.append(Planned(at_s, lane, kind.name, min(room_s, lasts_s)))
    return sorted(found)
