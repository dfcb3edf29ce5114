"""Which of several hosts to connect to next.

The first is the primary.  A host that failed is left for the next, round and
round; after a session that held, the next connection begins at the primary
again, unless that one failed lately, so that a half-dead primary does not flap.
"""

from __future__ import annotations

from typing import Final

# A primary that failed so lately is not gone back to (seconds).
FAILED_LATELY_S: Final = 60.0


class Hosts:
    """The choice among (host, port) pairs; time is an argument."""

    def __init__(self, hosts: tuple[tuple[str, int], ...]) -> None:
        self.hosts = hosts
        self.failures = [0] * len(hosts)
        self._failed_at = [float("-inf")] * len(hosts)
        self._at = 0

    @property
    def present(self) -> tuple[str, int]:
        """The host in use, or to be tried next."""
        return self.hosts[self._at]

    @property
    def on_primary(self) -> bool:
        """Whether the present host is the first."""
        return self._at == 0

    def failed(self, now: float) -> None:
        """The present host could not be reached, refused us, or dropped us at once."""
        self.failures[self._at] += 1
        self._failed_at[self._at] = now
        self._at = (self._at + 1) % len(self.hosts)

    def ended(self, now: float) -> None:
        """A session that held has ended: begin at the primary, if it may be well."""
        if now - self._failed_at[0] >= FAILED_LATELY_S:
            self._at = 0

    def go_to_primary(self) -> None:
        """Try the first host next, whatever was before."""
        self._at = 0
