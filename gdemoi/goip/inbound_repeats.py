"""What devices repeat until we say OK: each told upward once, answered each time.

A device sends RECEIVE and DELIVER again after 3 s, up to three times, so that
the whole chance to acknowledge is about 12 s.  The first datagram goes upward
(to the journal); repeats that come meanwhile wait beside it; when it is safe, every
datagram received gets its OK, and later repeats get it at once.  When it could
not be written, the entry is forgotten and the next repeat is a first again.

The key holds a digest of the content: counters restart with the device.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

from attrs import define, field

Address = tuple[str, int]

# "GOIP SMS Interface": 3 repeats within 12 s; the rest is for wrong clocks
REMEMBER_S: Final = 600.0
IN_FLIGHT_LIMIT: Final = 2000
STORED_LIMIT: Final = 20_000
# Datagrams of one arrival that are answered when it is safe.
ANSWERS_LIMIT: Final = 8

Key = tuple[str, str, bytes, bytes]


def key_of(line: str, verb: str, count: bytes, *content: bytes) -> Key:
    """Return what makes an arrival the same as another."""
    digest = blake2b(b"\x00".join(content), digest_size=8).digest()
    return line, verb, count, digest


@define(eq=False)
class _PendingArrival:
    answer: bytes
    addresses: list[Address] = field(factory=list)


class InboundRepeats:
    """The arrivals in flight, and those that are safe."""

    def __init__(self) -> None:
        self._waiting: dict[Key, _PendingArrival] = {}
        self._stored: OrderedDict[Key, float] = OrderedDict()
        self.refused = 0

    def arrive(
        self, key: Key, answer: bytes, address: Address, now: float
    ) -> tuple[bool, bool]:
        """Return (is a first: tell it upward, is safe: answer at once)."""
        self._forget(now)
        if key in self._stored:
            return False, True
        waiting = self._waiting.get(key)
        if waiting is not None:
            if len(waiting.addresses) < ANSWERS_LIMIT:
                waiting.addresses.append(address)
            return False, False
        if len(self._waiting) >= IN_FLIGHT_LIMIT:
            self.refused += 1
            return False, False
        self._waiting[key] = _PendingArrival(answer, [address])
        return True, False

    def stored(self, key: Key, now: float) -> list[tuple[bytes, Address]]:
        """Return the answers that may go out now."""
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return []
        self._stored[key] = now
        if len(self._stored) > STORED_LIMIT:
            self._stored.popitem(last=False)
        return [(waiting.answer, address) for address in waiting.addresses]

    def not_stored(self, key: Key) -> None:
        """Let the device's next repeat be a first."""
        self._waiting.pop(key, None)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._stored)

    def _forget(self, now: float) -> None:
        while self._stored:
            key, at = next(iter(self._stored.items()))
            if now - at < REMEMBER_S:
                return
            del self._stored[key]
