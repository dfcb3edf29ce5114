"""Which host to connect to next, and which of the addresses that its name has.

A name may have several addresses (A and AAAA records), and one of them may take
a connection and then refuse the login, say nothing, or hang up.  So what counts
is the login, not the connection: an address where it failed is left for the next
one of its name, and a name all of whose addresses failed for the next host.

The first host is the primary.  After a session that held, the next connection
begins at the primary again, unless that one failed lately, so that a half-dead
primary does not flap.

Knows no resolver and no socket (`gdemoi.net.endpoints` does); time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

# A primary that failed so lately is not gone back to (seconds).
FAILED_LATELY_S: Final = 60.0


class Host:
    """A host name (or a plain address) with its port, and how its addresses fared.

    A round goes over all addresses of the name: each is tried until a login
    succeeds, and none a second time before all were.
    """

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        # the address that the present (or last) connection is to
        self.address: str | None = None
        # what the name had when it was looked up last, in the resolver's order
        self._found: tuple[str, ...] = ()
        # those that are being connected to, until one of them answers
        self._tried: tuple[str, ...] = ()
        # those that failed in this round
        self._spent: set[str] = set()
        # address: which failure of this host was its last, since it worked
        self._failed: dict[str, int] = {}
        self._failures = 0

    def __str__(self) -> str:
        """``name:port``, and the address in brackets where it is another."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        if self.address is None or self.address == self.name:
            return f"{name}:{self.port}"
        return f"{name}:{self.port} ({self.address})"

    def looking_up(self) -> None:
        """Forget what the name had; it is being looked up anew."""
        self.address = None
        self._found = self._tried = ()

    def choose(self, found: Iterable[str]) -> tuple[str, ...]:
        """Return which of the addresses that were found to try now, best first.

        Those that failed in this round are left out; those that failed before it
        come last, the oldest failure first.
        """
        self._found = tuple(dict.fromkeys(found))
        self._failed = {
            address: number
            for address, number in self._failed.items()
            if address in self._found
        }
        if self._spent.issuperset(self._found):
            self._spent.clear()
        left = (address for address in self._found if address not in self._spent)
        self._tried = tuple(sorted(left, key=lambda one: self._failed.get(one, 0)))
        return self._tried

    def connected(self, address: str) -> None:
        """Take note of the address that answered first."""
        self.address = address

    @property
    def has_others(self) -> bool:
        """Whether addresses beside the present one are left in this round."""
        return bool(set(self._found) - self._spent - {self.address})

    def failed(self) -> bool:
        """Take note that there was no login; return whether the round is over.

        Without a connection, that is true of all addresses that were tried.
        """
        tried = self._tried if self.address is None else (self.address,)
        for address in tried:
            self._failures += 1
            self._failed[address] = self._failures
        self._spent.update(tried)
        over = self._spent.issuperset(self._found)
        if over:
            self._spent.clear()
        return over

    def held(self) -> None:
        """Take note that a session here was a good one; the round is over."""
        self._spent.clear()
        if self.address is not None:
            self._failed.pop(self.address, None)


class Hosts:
    """The choice among (name, port) pairs, in order of preference."""

    def __init__(self, hosts: Iterable[tuple[str, int]]) -> None:
        self.hosts = tuple(Host(name, port) for name, port in hosts)
        self.failures = [0] * len(self.hosts)
        self.index = 0
        self._failed_at = [float("-inf")] * len(self.hosts)
        self._to_primary = False

    @property
    def present(self) -> Host:
        """The host in use, or to be tried next."""
        return self.hosts[self.index]

    @property
    def on_primary(self) -> bool:
        """Whether the present host is the first."""
        return self.index == 0

    def failed(self, now: float) -> None:
        """The present host could not be reached, refused us, or dropped us at once.

        The next is another address of it, or else another host.
        """
        self.failures[self.index] += 1
        if self.present.failed():
            self._failed_at[self.index] = now
            self.index = (self.index + 1) % len(self.hosts)
        self._move_if_asked()

    def ended(self, now: float) -> None:
        """A session that held has ended: begin at the primary, if it may be well."""
        self.present.held()
        if now - self._failed_at[0] >= FAILED_LATELY_S:
            self.index = 0
        self._move_if_asked()

    def go_to_primary(self) -> None:
        """When the present session ends, try the first host, whatever was before."""
        self._to_primary = True

    def _move_if_asked(self) -> None:
        if self._to_primary:
            self.index = 0
        self._to_primary = False
