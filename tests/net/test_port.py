"""A port is tried until it is had; why it is not is told once."""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.net.port import (
    BACKLOG,
    LISTEN_AGAIN_S,
    PersistentPort,
    server_endpoint,
)

IN_USE = CannotListenError("", 1, OSError(errno.EADDRINUSE, "Address already in use"))
DENIED = CannotListenError("", 1, OSError(errno.EACCES, "Permission denied"))


class Opened:
    """A port that is open; `closing` fires when it is closed."""

    def __init__(self) -> None:
        self.stopped = False
        self.closing: Deferred[None] = Deferred()

    def stopListening(self) -> Deferred[None]:
        self.stopped = True
        return self.closing


class PortTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.opened = Opened()
        self.changes: list[str | None] = []

    def port(self, *tries: Any) -> PersistentPort:
        """Return a port whose tries end so, each later one well."""
        ends = list(tries)

        def listen() -> Any:
            end = ends.pop(0) if ends else self.opened
            if isinstance(end, Exception):
                raise end
            return end

        return PersistentPort(
            self.clock, Logger(), "listen", "tcp:1", listen, self.changes.append
        )

    def test_at_once(self) -> None:
        """Whoever waits hears that it is open; the port may come as a Deferred."""
        for end in (self.opened, succeed(self.opened)):
            port = self.port(end)
            self.assertEqual(port.why, "not started")
            port.start()
            self.assertIsNone(self.successResultOf(port.first))
            self.assertIs(port.port, self.opened)
        self.assertEqual(self.changes, [None, None])

    def test_each_reason_is_told_once(self) -> None:
        """The first one also to whoever waits, with the ini's key."""
        port = self.port(IN_USE, IN_USE, DENIED)
        port.start()
        why = self.successResultOf(port.first)
        assert why is not None
        self.assertEqual(why.key, "listen")
        self.assertIn("tcp:1: Address already in use", port.why)
        self.clock.advance(LISTEN_AGAIN_S)
        self.assertEqual(self.changes, [str(why)])
        self.clock.advance(LISTEN_AGAIN_S)
        self.assertIn("Permission denied", port.why)
        self.clock.advance(LISTEN_AGAIN_S)
        self.assertIs(port.port, self.opened)
        self.assertEqual(self.changes, [str(why), port.why, None])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopping_waits_until_it_is_closed(self) -> None:
        """The port is closed, and what follows may open it anew."""
        port = self.port()
        port.start()
        stopping = Deferred.fromCoroutine(port.stop())
        self.assertTrue(self.opened.stopped)
        self.assertNoResult(stopping)
        self.opened.closing.callback(None)
        self.successResultOf(stopping)
        self.assertEqual((port.port, port.why), (None, "stopped"))

    def test_stopped_while_it_waits(self) -> None:
        """It is tried no more, and no timer is left."""
        port = self.port(IN_USE)
        port.start()
        self.successResultOf(Deferred.fromCoroutine(port.stop()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertIsNone(port.port)

    def test_stopped_before_it_began(self) -> None:
        """A start that comes too late opens nothing."""
        port = self.port()
        self.successResultOf(Deferred.fromCoroutine(port.stop()))
        port.start()
        self.assertIsNone(port.port)
        self.assertEqual(self.changes, [])


class BacklogTests(SynchronousTestCase):
    """Sixty-four platforms connect in one moment: none waits a second for its SYN."""

    def test_room_for_many(self) -> None:
        for description, expected in (
            ("tcp:8990:interface=127.0.0.1", BACKLOG),
            ("tcp6:8990:interface=\\:\\:1", BACKLOG),
            ("tcp:port=8990:backlog=7", 7),
            ("unix:/run/gdemoi.sock", BACKLOG),
        ):
            with self.subTest(description):
                reactor = MemoryReactorClock()
                self.successResultOf(
                    server_endpoint(reactor, description).listen(Factory())
                )
                # (port, factory, backlog, …), (path, factory, backlog, …)
                [server] = reactor.tcpServers or reactor.unixServers
                self.assertEqual(server[2], expected)
