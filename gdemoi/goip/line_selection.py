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


class Affinity:
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
class NoUsableLine:
    """No line can take the message now; `after_s` is when to ask again.

    `one`: it is about the one line that may send it, others may be usable.
    """

    why: str
    after_s: float
    one: bool = False


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
    patient: bool = True,
) -> Line | NoUsableLine:
    """Return the line to send from.

    `bound` is the only choice when given, and so is `known` (it last talked with
    the number) when `required`.  Else `known` comes first while it is usable; an
    SMS that is not `patient` goes elsewhere when others wait there.  A line that
    failed to answer is tried out with one SMS, while others can take the rest.
    """
    only = bound or (known if required else None)
    if only is not None:
        why = only.unusable(now)
        return (
            only
            if why is None
            else NoUsableLine(f"line {only.name}: {why}", 60.0, True)
        )
    if known is not None and known.unusable(now) is None:
        kept = patient or not known.waiting
        if kept and not known.on_trial:
            return known
    best: Line | None = None
    best_rank: tuple[bool, int, int, float, str] | None = None
    for line in lines:
        if line.unusable(now) is not None:
            continue
        busy = line.exchange is not None and not line.exchange.released
        begins = max(line.next_at, now)
        load = len(line.waiting) + busy
        rank = (line.on_trial, load, line.counted(now), begins, line.name)
        if best_rank is None or rank < best_rank:
            best, best_rank = line, rank
    return best or NoUsableLine("no usable line", 5.0)
