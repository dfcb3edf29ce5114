"""Which line sends: pure choice among lines.

In this order: the line that the message names by its sender; the line that last
talked with the number, since trackers obey the numbers they know; the line with
the least to do, then the fewest SMS today.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from gdemoi.goip.lines import Line
from gdemoi.goip.numbers import agree, is_number, tail

TALKS_LIMIT: Final = 10_000
# A bound line with so many waiting takes no more: the lane keeps them.
QUEUE_LIMIT: Final = 8


class Talks:
    """Which line last talked with which number; bounded, the oldest go first."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, str] = OrderedDict()
        self.changed = False

    def note(self, number: str, line: str) -> None:
        """Remember a talk."""
        key = tail(number)
        if self._lines.get(key) != line:
            self._lines[key] = line
            self.changed = True
            if len(self._lines) > TALKS_LIMIT:
                self._lines.popitem(last=False)
        self._lines.move_to_end(key)

    def line(self, number: str) -> str | None:
        """Return the line of the last talk."""
        return self._lines.get(tail(number))

    def saved(self) -> dict[str, str]:
        """Return all of it, to keep over a restart."""
        self.changed = False
        return dict(self._lines)

    def load(self, saved: Mapping[str, str]) -> None:
        """Take back what was saved, under what was learned since."""
        merged = {**saved, **self._lines}
        self._lines = OrderedDict(list(merged.items())[-TALKS_LIMIT:])

    def __len__(self) -> int:
        return len(self._lines)


@frozen
class NoLine:
    """No line can take the message now; `after_s` is when to ask again."""

    why: str
    after_s: float


def bound_line(sender: str | None, lines: Mapping[str, Line]) -> Line | None:
    """Return the line that a sender names: its name, or its SIM's number."""
    if not sender:
        return None
    named = lines.get(sender)
    if named is not None or not is_number(sender):
        return named
    for line in lines.values():
        number = line.number
        if number and (number == sender or (len(number) > 6 and agree(number, sender))):
            return line
    return None


def choose(
    lines: Iterable[Line],
    bound: Line | None,
    known: Line | None,
    now: float,
    *,
    required: bool = False,
) -> Line | NoLine:
    """Return the line to send from.

    `bound` is the only choice when given; `known` (it last talked with the
    number) comes before all others while it is usable, and is the only choice
    when `required`.
    """
    only = bound or (known if required else None)
    preferred = only or known
    if preferred is not None:
        why = preferred.unusable(now)
        if why is None and len(preferred.waiting) < QUEUE_LIMIT:
            return preferred
        if only is not None:
            return NoLine(f"line {only.name}: {why or 'too many wait'}", 15.0)
        if why is None:
            return NoLine(f"line {preferred.name}: too many wait", 15.0)
    best: Line | None = None
    best_rank: tuple[int, int, float, str] | None = None
    for line in lines:
        if line.unusable(now) is not None or len(line.waiting) >= QUEUE_LIMIT:
            continue
        busy = line.exchange is not None and not line.exchange.released
        begins = max(line.next_at, now)
        rank = (len(line.waiting) + busy, line.counted(now), begins, line.name)
        if best_rank is None or rank < best_rank:
            best, best_rank = line, rank
    return best or NoLine("no usable line", 5.0)
