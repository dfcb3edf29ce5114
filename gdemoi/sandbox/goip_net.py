"""A network that loses, doubles, delays and reorders datagrams, by a seed.

And one that carries them in memory between a `GoipProtocol` and a box.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorTime

Address = tuple[str, int]


@frozen(kw_only=True)
class LinkQuality:
    """How bad the network is; shares of all datagrams, and seconds."""

    loss: float = 0.0
    doubled: float = 0.0
    # each datagram is late by up to this; so they overtake one another
    delay_s: float = 0.0


@define(eq=False)
class Wire:
    """One direction of the network."""

    clock: IReactorTime
    quality: LinkQuality
    random: Random
    lost: int = 0
    carried: int = 0

    def carry(self, deliver: Callable[..., Any], *what: Any) -> None:
        """Deliver once, twice, late, or not at all."""
        times = 2 if self.random.random() < self.quality.doubled else 1
        for _ in range(times):
            if self.random.random() < self.quality.loss:
                self.lost += 1
                continue
            self.carried += 1
            delay_s = self.random.random() * self.quality.delay_s
            if delay_s:
                self.clock.callLater(delay_s, deliver, *what)
            else:
                deliver(*what)


class Receiver(Protocol):
    """What a server's protocol is to the network."""

    transport: Any

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Take a datagram."""


@define(eq=False)
class MemoryNetwork:
    """Joins one server with many lines; it is the server's transport.

    `sent` counts what the server wrote, by address; `strangers` keeps what went
    to addresses that no line has.
    """

    clock: IReactorTime
    quality: LinkQuality = field(factory=LinkQuality)
    seed: int = 1
    server: Receiver | None = None
    ends: dict[Address, Callable[[bytes], None]] = field(factory=dict)
    sent: Counter[Address] = field(factory=Counter)
    strangers: list[tuple[bytes, Address]] = field(factory=list)
    up: Wire = field(init=False)
    down: Wire = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.up = Wire(self.clock, self.quality, Random(self.seed))
        self.down = Wire(self.clock, self.quality, Random(self.seed + 1))

    def attach(self, server: Receiver) -> None:
        """Put the server in."""
        self.server = server
        server.transport = self

    def plug(
        self, address: Address, receive: Callable[[bytes], None]
    ) -> Callable[[bytes], None]:
        """Put a line's end in; return how it sends."""
        self.ends[address] = receive
        return lambda datagram: self.up.carry(self._arrive, datagram, address)

    def write(self, datagram: bytes, address: Address) -> None:
        """Carry what the server writes."""
        self.sent[address] += 1
        end = self.ends.get(address)
        if end is None:
            self.strangers.append((datagram, address))
            return
        # never inside the server's own call, as no socket does
        self.clock.callLater(0, self.down.carry, end, datagram)

    def _arrive(self, datagram: bytes, address: Address) -> None:
        if self.server is not None and self.server.transport is self:
            self.server.datagramReceived(datagram, address)

    def stopListening(self) -> None:
        """The server has closed its socket."""
        self.server = None
