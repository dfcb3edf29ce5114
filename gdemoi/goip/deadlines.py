"""Many deadlines, one earliest: a heap that forgets lazily."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count

# what rings, and for whom
Key = tuple[str, str | int]


class DeadlineHeap:
    """Deadlines by key; setting one again replaces it."""

    def __init__(self) -> None:
        self._at: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._count = count()

    def set(self, key: Key, at: float | None) -> None:
        """Ring for `key` at `at`, or not at all."""
        if at is None:
            self._at.pop(key, None)
        elif self._at.get(key) != at:
            self._at[key] = at
            heappush(self._heap, (at, next(self._count), key))
            if len(self._heap) > 64 + 4 * len(self._at):
                self._rebuild()

    def next(self) -> float | None:
        """Return the earliest deadline."""
        while self._heap:
            at, _, key = self._heap[0]
            if self._at.get(key) == at:
                return at
            heappop(self._heap)
        return None

    def due(self, now: float) -> list[Key]:
        """Take out the keys whose time has come, in order."""
        found = []
        while (at := self.next()) is not None and at <= now:
            key = heappop(self._heap)[2]
            del self._at[key]
            found.append(key)
        return found

    def __contains__(self, key: Key) -> bool:
        return key in self._at

    def __len__(self) -> int:
        return len(self._at)

    def _rebuild(self) -> None:
        self._heap = [(at, next(self._count), key) for key, at in self._at.items()]
        heapify(self._heap)
