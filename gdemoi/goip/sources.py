"""Who may speak, and how much: token buckets in a bounded table.

A registered line has a bucket of its own, under (IP, port), so that a flood from
its neighbourhood does not silence it; all other datagrams of one IP share one,
and all strangers together another.  Source addresses can be forged: the tables
are bounded, and a full one forgets who was silent longest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from attrs import define

TABLE_LIMIT: Final = 4096
# All strangers together: a home of many devices that all register at once still
# passes, a flood of forged sources does not eat the core.
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
        self._verdicts: OrderedDict[str, bool] = OrderedDict()
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()
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
            if len(self._verdicts) > TABLE_LIMIT:
                self._verdicts.popitem(last=False)
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
            if len(self._buckets) > TABLE_LIMIT:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
        return bucket.take(now)

    def __len__(self) -> int:
        return len(self._buckets)
