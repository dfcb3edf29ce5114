"""Message ids that every client can keep: decimal digits, each once and for ever.

Up to 19 of them, no zero in front: they fit a signed 64-bit column.  SMPP 3.3 has room
for eight characters: hexadecimal digits from a counter that the journal keeps.  The id
is the gateway's own id of the message too, so the journal refuses one that was used
before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gdemoi.interfaces import IJournal

CURSOR: Final = "smpp-server:short-ids"
# Microseconds, and room for gateways that share a journal.
_MARKS: Final = 1024
# Eight hexadecimal digits without a zero in front.
_FIRST_SHORT: Final = 0x1000_0000
_LAST_SHORT: Final = 0xFFFF_FFFF
BLOCK: Final = 1000


class MessageIds:
    """Makes ids for one gateway."""

    def __init__(self, journal: IJournal, random: Callable[[], float]) -> None:
        self._journal = journal
        self._mark = int(random() * _MARKS)
        self._last = 0
        self._short = 0
        self._short_end = 0

    def long(self, now: float) -> str:
        """Return the next decimal id."""
        self._last = max(self._last + 1, int(now * 1_000_000))
        return str(self._last * _MARKS + self._mark)

    def has_short(self, count: int) -> bool:
        """Tell whether so many short ids are reserved."""
        return self._short + count <= self._short_end

    async def reserve(self, count: int) -> None:
        """Reserve short ids in the journal; raises `Unavailable`."""
        told = await self._journal.cursor(CURSOR) or ""
        begin = int(told) if told.isdecimal() else _FIRST_SHORT
        # another reservation may have come first
        begin = max(begin, self._short_end)
        end = begin + max(count, BLOCK)
        if end > _LAST_SHORT:
            begin, end = _FIRST_SHORT, _FIRST_SHORT + max(count, BLOCK)
        await self._journal.set_cursor(CURSOR, str(end))
        self._short, self._short_end = begin, end

    def short(self) -> str:
        """Return the next id of eight hexadecimal digits, of those reserved."""
        self._short += 1
        return f"{self._short - 1:X}"
