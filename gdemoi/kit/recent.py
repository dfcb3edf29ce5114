"""A bounded memory: the newest entries, the oldest are forgotten.

Far sides repeat what we acknowledged, answer what we gave up, and name senders and
numbers without end.  What is remembered of it for a late answer or a repeat must not
grow with them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(OrderedDict[K, V]):
    """A mapping of at most `limit` entries, oldest first.

    Setting a key makes it the newest; the oldest goes when there are too many.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self.limit:
            self.popitem(last=False)

    def forget(self, is_old: Callable[[V], bool]) -> None:
        """Drop the oldest entries as long as they are old."""
        while self and is_old(next(iter(self.values()))):
            self.popitem(last=False)
