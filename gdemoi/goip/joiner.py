"""Guesses which inbound SMS are parts of a long one; off unless asked for.

A GoIP hands up the parts of a long SMS as independent RECEIVE datagrams, 0 to 30 s
apart, without part numbers; recvid counts down.  With a window set, what one
sender sends to one line within it is told as parts of one SMS of unknown length:
the journal joins them and tells them, as incomplete, when the window is over.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from attrs import define, field

from gdemoi.message import InboundSegment

# "at most 15 parts" (vendor's notes): more of one sender begin a new SMS
MOST_PARTS: Final = 15
# The first to come is set in the middle, since an earlier part may come later.
_MIDDLE: Final = 8
GROUPS_LIMIT: Final = 1000


@define(eq=False)
class _LongSms:
    reference: str
    first: int
    until: float
    taken: set[int] = field(factory=set)


class LongSmsJoiner:
    """Numbers the SMS of each (line, sender) within the window."""

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self._count = 0
        self._groups: OrderedDict[tuple[str, str], _LongSms] = OrderedDict()

    def part(
        self, line: str, sender: str, recvid: str, now: float
    ) -> InboundSegment | None:
        """Return the place of an SMS, or None when nothing is joined."""
        if not self.window_s:
            return None
        group = self._groups.get((line, sender))
        place = (
            None
            if group is None or now >= group.until
            else self._place(group, int(recvid))
        )
        if group is None or place is None:
            self._count += 1
            reference = f"{recvid}@{int(now)}.{self._count}"
            group = _LongSms(reference, int(recvid), now + self.window_s)
            self._groups[line, sender] = group
            self._groups.move_to_end((line, sender))
            if len(self._groups) > GROUPS_LIMIT:
                self._groups.popitem(last=False)
            place = _MIDDLE
        group.taken.add(place)
        return InboundSegment(group.reference, MOST_PARTS, place)

    def _place(self, group: _LongSms, recvid: int) -> int | None:
        """Return a free place: by recvid, which counts down, else after all."""
        place = _MIDDLE + group.first - recvid
        if 1 <= place <= MOST_PARTS and place not in group.taken:
            return place
        place = max(group.taken) + 1
        return place if place <= MOST_PARTS else None
