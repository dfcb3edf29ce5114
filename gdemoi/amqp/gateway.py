"""What the platform's side needs of the gateway, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from gdemoi.message import Outbound


class Gateway(Protocol):
    """Takes messages; the dispatcher behind it is not known here."""

    def accept(self, messages: Sequence[Outbound]) -> Deferred[list[Any]]:
        """Take messages; fires after the commit with one verdict each, in order.

        A verdict is `life.Taken`, `life.Duplicate`, `life.Reused`, or another
        value for a message that was taken down as rejected.  Fails with
        `Unavailable` when nothing could be taken; asking again later is safe.
        """

    def full(self) -> bool:
        """Whether the backlog is over its mark, so that nothing may be handed in."""
