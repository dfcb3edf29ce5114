"""Datagrams that devices send unasked: which are taken, which are repeats.

`SourceFilter` admits datagrams by source and rate.  `InboundRepeats` recognises
what a device repeats because our OK was lost.  `LongSmsJoiner` numbers the SMS that
may be parts of a long one.
"""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from attrs import define, field

from gdemoi.kit.recent import Recent
from gdemoi.message import InboundSegment

Address = tuple[str, int]

# "GOIP SMS Interface": 3 repeats within 12 s; the rest is for wrong clocks
REMEMBER_S: Final = 600.0
IN_FLIGHT_LIMIT: Final = 2000
STORED_LIMIT: Final = 20_000
# Repeats of one arrival that are answered after its commit.
ANSWERS_LIMIT: Final = 8

# (line, verb, count, digest of the content)
InboundKey = tuple[str, str, bytes, bytes]


def key_of(line: str, verb: str, count: bytes, *content: bytes) -> InboundKey:
    """Return what makes an arrival the same as another."""
    digest = blake2b(b"\x00".join(content), digest_size=8).digest()
    return line, verb, count, digest


@define(eq=False)
class _PendingArrival:
    answer: bytes
    addresses: list[Address] = field(factory=list)


class InboundRepeats:
    """The arrivals in flight, and those that are committed.

    A device sends RECEIVE and DELIVER again after 3 s, up to three times, so that
    the whole chance to acknowledge is about 12 s.  The first datagram goes to the
    journal; repeats that come meanwhile wait beside it; after the commit every
    datagram received gets its OK, and later repeats get it at once.  When it could
    not be committed, the entry is forgotten and the next repeat is a first again.

    The key holds a digest of the content: counters restart with the device.
    """

    def __init__(self) -> None:
        self._waiting: dict[InboundKey, _PendingArrival] = {}
        self._stored: Recent[InboundKey, float] = Recent(STORED_LIMIT)

    def arrive(
        self, key: InboundKey, answer: bytes, address: Address, now: float
    ) -> tuple[bool, bool]:
        """Return (is a first: report it, is committed: answer at once)."""
        self._stored.forget(lambda at: now - at >= REMEMBER_S)
        if key in self._stored:
            return False, True
        waiting = self._waiting.get(key)
        if waiting is not None:
            if len(waiting.addresses) < ANSWERS_LIMIT:
                waiting.addresses.append(address)
            return False, False
        if len(self._waiting) >= IN_FLIGHT_LIMIT:
            # no answer: the device repeats it
            return False, False
        self._waiting[key] = _PendingArrival(answer, [address])
        return True, False

    def stored(self, key: InboundKey, now: float) -> list[tuple[bytes, Address]]:
        """Return the answers that may go out now."""
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return []
        self._stored[key] = now
        return [(waiting.answer, address) for address in waiting.addresses]

    def not_stored(self, key: InboundKey) -> None:
        """Let the device's next repeat be a first."""
        self._waiting.pop(key, None)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._stored)


# -- segments of a long SMS --------------------------------------------------
# A GoIP hands up the parts of a long SMS as independent RECEIVE datagrams, 0 to 30 s
# apart, without part numbers; recvid counts down.  With a window set, what one number
# sends to one line within it is reported as segments of one SMS of unknown length: the
# journal joins them, and publishes them as incomplete when the window is over.

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
    """Numbers the SMS of each (line, sender) within the window; 0: joins nothing."""

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self._count = 0
        self._groups: Recent[tuple[str, str], _LongSms] = Recent(GROUPS_LIMIT)

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


# -- which sources are admitted ----------------------------------------------
# A registered line has a bucket of its own, under (IP, port), so that a flood from its
# neighbourhood does not silence it; all other datagrams of one IP share one, and all
# unknown sources together another.  Source addresses can be forged: the tables are
# bounded, and a full one forgets the source that was silent longest.

TABLE_LIMIT: Final = 4096
# All unknown sources together: many devices that register at once still pass, a
# flood of forged sources does not use up the CPU.
STRANGERS_RATE: Final = 5000.0


@define(eq=False, slots=True)
class TokenBucket:
    """`rate` tokens a second, at most `burst`."""

    rate: float
    burst: float
    tokens: float
    at: float

    def take(self, now: float) -> bool:
        """Take one token, if there is one."""
        passed_s = now - self.at
        self.at = now
        if passed_s > 0.0:
            self.tokens = min(self.burst, self.tokens + passed_s * self.rate)
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


class SourceFilter:
    """Admits datagrams by where they come from."""

    def __init__(
        self,
        rate: float | None,
        allowed: tuple[IPv4Network | IPv6Network, ...],
        strangers_rate: float = STRANGERS_RATE,
    ) -> None:
        self._rate = rate
        self._allowed = allowed
        self._verdicts: Recent[str, bool] = Recent(TABLE_LIMIT)
        self._buckets: Recent[Hashable, TokenBucket] = Recent(TABLE_LIMIT)
        self._strangers = TokenBucket(
            strangers_rate, strangers_rate, strangers_rate, 0.0
        )

    def is_allowed(self, host: str) -> bool:
        """Whether the network of `host` is one of `allow_src`."""
        if not self._allowed:
            return True
        verdict = self._verdicts.get(host)
        if verdict is None:
            verdict = self._judge(host)
            self._verdicts[host] = verdict
        return verdict

    def _judge(self, host: str) -> bool:
        try:
            found = ip_address(host)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self._allowed)

    def admit(self, address: tuple[str, int], known: bool, now: float) -> bool:
        """Whether one more datagram of this source is taken."""
        if self._rate is None:
            return True
        if not known and not self._strangers.take(now):
            return False
        name: Hashable = address if known else address[0]
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = TokenBucket(self._rate, 2 * self._rate, 2 * self._rate, now)
        self._buckets[name] = bucket
        return bucket.take(now)

    def __len__(self) -> int:
        return len(self._buckets)
