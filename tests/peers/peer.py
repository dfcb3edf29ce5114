"""A program of others, driven over its stdin and heard over its stdout.

Both ways one JSON object per line.  What it tells is kept in order; a test waits
for what it expects, so that nothing sleeps and nothing is missed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from twisted.internet import protocol, reactor
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.watch import LIMIT_S, Watch

Seen = dict[str, Any]


class Peer(protocol.ProcessProtocol):
    """The program, running."""

    def __init__(self) -> None:
        self.reported: list[Seen] = []
        self.errors = b""
        self.watch = Watch()
        self.port = 0
        self._rest = b""
        self._orders = 0
        self._ended: Deferred[None] = Deferred()

    async def start(
        self, command: Sequence[str], environment: dict[str, str] | None = None
    ) -> None:
        """Run it, and wait until it listens."""
        reactor.spawnProcess(self, command[0], command, env=environment)
        first = await self.saw("listening")
        self.port = first["port"]

    def stop(self) -> Deferred[None]:
        """Close its stdin, at which it ends."""
        self.transport.closeStdin()
        return self._ended.addTimeout(LIMIT_S, reactor)

    async def order(self, do: str, **words: Any) -> None:
        """Tell it to do something, and wait until it has done so."""
        self._orders += 1
        order = {"do": do, "order": self._orders, **words}
        self.transport.write(json.dumps(order).encode() + b"\n")
        await self.saw("done", order=self._orders)

    async def catch_up(self) -> None:
        """Hear all that it told so far: answers may be here before its tellings."""
        await self.order("nothing")

    # -- what it saw

    def all(self, event: str, **facts: Any) -> list[Seen]:
        """Return all that it told so far with these facts."""
        wanted = {"event": event, **facts}
        return [seen for seen in self.reported if wanted.items() <= seen.items()]

    async def saw(self, event: str, count: int = 1, **facts: Any) -> Seen:
        """Wait for the `count`-th telling with these facts."""
        what = f"{count} times {event} {facts}"

        def reported() -> list[Seen]:
            gone = self.all("gone")
            return self.all(event, **facts)[count - 1 :] or gone

        seen: Seen = (await self.watch.until(reported, what))[0]
        if seen["event"] == "gone" != event:
            raise AssertionError(f"it ended before {what}: {seen['errors']}")
        return seen

    async def saw_pdu(self, command: str, count: int = 1, **facts: Any) -> Seen:
        """Wait for the `count`-th PDU of a kind to come in there."""
        return await self.saw("pdu", count, command=command, **facts)

    def pdus(self, *commands: str) -> list[Seen]:
        """Return the PDUs (of some kinds) that came in there, in order."""
        return [
            seen
            for seen in self.all("pdu")
            if not commands or seen["command"] in commands
        ]

    # -- ProcessProtocol

    def outReceived(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.reported.append(json.loads(line))
        self.watch.look()

    def errReceived(self, data: bytes) -> None:
        self.errors += data

    def processEnded(self, reason: Failure) -> None:
        ended, self._ended = self._ended, Deferred()
        self._ended.callback(None)
        self.reported.append({"event": "gone", "errors": self.errors.decode()})
        self.watch.look()
        ended.callback(None)
