"""Who owns what among gateways that share a journal: pure, by numbers.

A *lease* is the right to do alone what only one gateway may do: to use a channel
(``channel:NAME``), to publish the outbox to the broker (``outbox``), to post it to
webhooks (``callbacks``), to tell an SMPP client its events (``client:NAME``), to let
time pass for all messages (``clock``).

Each gateway comes to the journal every `BEAT_S`, says that it lives and what it wishes,
sees all gateways and leases (`Cluster`), and acts on `plan`. All of this is one
transaction under the turn of the journal's writers, so that everyone decides on the
same facts and no two take the same lease.

Ages are differences of the database server's clock; no machine's clock is compared
with another's.

What holds:

* a gateway that was not seen for `LEASE_S` is dead; what it owned is free;
* what is free goes to the gateway that wishes it most, then to the one with the
  fewest channels, then by name;
* what is owned changes hands only to a gateway that has been up for long enough (its
  own ``takes_back_after``): one that wishes it more, or one that owns at least two
  fewer.  The owner lets go of one at a time, after its last answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

CHANNEL: Final = "channel:"
OUTBOX: Final = "outbox"
CLOCK: Final = "clock"
CALLBACKS: Final = "callbacks"
CLIENT: Final = "client:"
# The PostgreSQL channel on which gateways wake each other; NOTIFY carries 8000 octets.
NEWS: Final = "gdemoi"
TOLD_AT_ONCE: Final = 40

BEAT_S: Final = 1.5
# Two beats may be late, and the next gateway takes over within 10 s.
LEASE_S: Final = 6.0
# What a gateway that is gone knew of (its channels) is remembered for a day, so that
# messages wait for one that only restarts.
REMEMBERED_S: Final = 86_400.0


class Wishes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a gateway can do and wishes to own."""

    # of all channels that it has, and the other leases
    can: tuple[str, ...] = ()
    # `[gateway] owns`
    owns: tuple[str, ...] = ()
    takes_back_after_s: float = 60.0
    # it ends: it takes nothing, and lets go of what it has
    leaving: bool = False

    def rank(self, lease: str) -> int:
        """Return how much it wishes a lease: 2 preferred, 1 able to, 0 not.

        The first pattern of `owns` that matches a channel decides.
        """
        if self.leaving or lease not in self.can:
            return 0
        if not lease.startswith(CHANNEL):
            return 1
        name = lease.removeprefix(CHANNEL)
        for pattern in self.owns:
            if fnmatchcase(name, pattern.removeprefix("!")):
                return 0 if pattern.startswith("!") else 2
        return 1


class Member(msgspec.Struct, frozen=True):
    """A gateway as the journal shows it; ages in seconds."""

    name: str
    wishes: Wishes
    seen_s: float
    up_s: float

    @property
    def alive(self) -> bool:
        """Whether it may own anything."""
        return self.seen_s < LEASE_S

    @property
    def settled(self) -> bool:
        """Whether it has been up for long enough to take from others."""
        return self.alive and self.up_s >= self.wishes.takes_back_after_s


class Lease(msgspec.Struct, frozen=True):
    """A lease; `holder` is None after its last holder let go of it."""

    name: str
    holder: str | None = None
    # JSON-ready, as its holder told it last
    report: dict[str, Any] = {}


class Cluster(msgspec.Struct, frozen=True):
    """All gateways and leases, as one transaction saw them."""

    members: tuple[Member, ...] = ()
    leases: tuple[Lease, ...] = ()

    def owner(self, lease: str) -> str | None:
        """Return the live gateway that owns a lease."""
        living = {member.name for member in self.members if member.alive}
        for one in self.leases:
            if one.name == lease:
                return one.holder if one.holder in living else None
        return None

    def report(self, lease: str) -> dict[str, Any]:
        """Return what its holder told of a lease last."""
        return next((one.report for one in self.leases if one.name == lease), {})

    def of(self, name: str) -> frozenset[str]:
        """Return the leases that a gateway holds."""
        return frozenset([one.name for one in self.leases if one.holder == name])

    def known_channels(self) -> frozenset[str]:
        """Return the channels that any gateway has, or had when it was seen last."""
        return frozenset(
            [
                can.removeprefix(CHANNEL)
                for member in self.members
                for can in member.wishes.can
                if can.startswith(CHANNEL)
            ]
        )


class Plan(msgspec.Struct, frozen=True):
    """What a gateway is to do with leases."""

    take: tuple[str, ...] = ()
    let_go: tuple[str, ...] = ()


def plan(me: str, cluster: Cluster) -> Plan:
    """Return what gateway `me` takes at once, and what it lets go of when it can."""
    living = {m.name: m for m in cluster.members if m.alive}
    holders = _holders(cluster, living)
    load = Counter(dict.fromkeys(living, 0))
    load.update(
        holder
        for name, holder in holders.items()
        if name.startswith(CHANNEL) and holder
    )
    return Plan(
        tuple(_taken(me, holders, living, load)),
        tuple(_let_go(me, holders, living, load)),
    )


def _holders(cluster: Cluster, living: Mapping[str, Member]) -> dict[str, str | None]:
    """Return each lease that somebody can have with its live holder."""
    holders: dict[str, str | None] = {
        can: None for member in living.values() for can in member.wishes.can
    }
    for lease in cluster.leases:
        if lease.holder in living:
            holders[lease.name] = lease.holder
    return dict(sorted(holders.items()))


def _taken(
    me: str,
    holders: dict[str, str | None],
    living: Mapping[str, Member],
    load: Counter[str],
) -> Iterable[str]:
    """Give each free lease to somebody; yield those that are for `me`."""
    for name, holder in holders.items():
        if holder is not None:
            continue
        best = _best(name, living.values(), load)
        if best is None:
            continue
        load[best.name] += name.startswith(CHANNEL)
        if best.name == me:
            yield name


def _best(lease: str, members: Collection[Member], load: Counter[str]) -> Member | None:
    able = [one for one in members if one.wishes.rank(lease)]
    return min(
        able,
        key=lambda one: (-one.wishes.rank(lease), load[one.name], one.name),
        default=None,
    )


def _let_go(
    me: str,
    holders: Mapping[str, str | None],
    living: Mapping[str, Member],
    load: Counter[str],
) -> Sequence[str]:
    """Return what `me` must not keep, or one that another should rather have."""
    mine = [name for name, holder in holders.items() if holder == me]
    if me not in living:
        return mine
    unwanted = [name for name in mine if not living[me].wishes.rank(name)]
    if unwanted:
        return unwanted
    others = [one for one in living.values() if one.settled and one.name != me]
    ranks = {name: living[me].wishes.rank(name) for name in mine}
    wished = [n for n in mine if any(o.wishes.rank(n) > ranks[n] for o in others)]
    lighter = [one for one in others if load[me] - load[one.name] >= 2]
    spare = [
        name
        for name in mine
        if name.startswith(CHANNEL)
        and any(one.wishes.rank(name) == ranks[name] for one in lighter)
    ]
    return [*wished, *spare][:1]


class News(msgspec.Struct, array_like=True):
    """What a commit tells the other gateways."""

    by: str
    # the last event, 0: none
    seq: int = 0
    # channels for which something waits now
    lanes: list[str] = []
    # commands that others to their number wait for no longer (None), or until then
    freed: list[tuple[str, str, float | None]] = []
    # ownership changed: come and see
    changed: bool = False


def encode_news(news: News) -> str:
    """Return what NOTIFY carries."""
    return msgspec.json.encode(news).decode()


decode_news: Final = msgspec.json.Decoder(News).decode
