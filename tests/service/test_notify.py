"""What systemd is told, over a socket of our own."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.service.notify import ServiceManager


class NotifyTests(SynchronousTestCase):
    def setUp(self) -> None:
        # the path of a socket may have 107 octets only
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = str(Path(folder.name) / "notify")
        self.heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.heard.close)
        self.heard.bind(self.path)
        self.heard.setblocking(False)
        self.clock = Clock()
        self.alive = True

    def manager(self, **environment: str) -> ServiceManager:
        return ServiceManager(
            {"NOTIFY_SOCKET": self.path, **environment},
            self.clock,
            lambda: self.alive,
            lambda: 12.5,
        )

    def words(self) -> list[str]:
        """Return what was heard since the last time."""
        found = []
        while True:
            try:
                found.append(self.heard.recv(4096).decode())
            except BlockingIOError:
                return found

    def test_a_life(self) -> None:
        manager = self.manager()
        manager.ready("gdemoi with a, b")
        manager.reloading()
        manager.ready("gdemoi with a")
        manager.stopping()
        self.assertEqual(
            self.words(),
            [
                "READY=1\nSTATUS=gdemoi with a, b",
                "RELOADING=1\nMONOTONIC_USEC=12500000",
                "READY=1\nSTATUS=gdemoi with a",
                "STOPPING=1",
            ],
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_abstract_socket(self) -> None:
        name = f"gdemoi-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
            heard.bind(f"\0{name}")
            ServiceManager(
                {"NOTIFY_SOCKET": f"@{name}"}, self.clock, lambda: True
            ).stopping()
            self.assertEqual(heard.recv(100), b"STOPPING=1")

    def test_without_systemd(self) -> None:
        manager = ServiceManager({}, self.clock, lambda: True)
        manager.ready("x")
        manager.stopping()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_socket_that_is_gone(self) -> None:
        """Nothing fails by it."""
        os.unlink(self.path)
        self.manager().ready("x")

    def test_the_watchdog(self) -> None:
        """Fed thrice in its time; not while the journal's thread hangs."""
        manager = self.manager(WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid()))
        self.assertEqual(self.words(), [])
        manager.ready("x")
        self.clock.advance(10)
        self.clock.advance(10)
        self.assertEqual(self.words()[1:], ["WATCHDOG=1"] * 3)
        self.alive = False
        self.clock.advance(10)
        self.assertEqual(self.words(), [])
        self.alive = True
        self.clock.advance(10)
        self.assertEqual(self.words(), ["WATCHDOG=1"])
        manager.stopping()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_whose_watchdog_it_is(self) -> None:
        for environment, expected in (
            ({}, None),
            ({"WATCHDOG_USEC": "5000000"}, 5.0),
            ({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}, None),
            ({"WATCHDOG_USEC": "soon"}, None),
            ({"WATCHDOG_USEC": "0"}, None),
        ):
            self.assertEqual(self.manager(**environment).watchdog_s, expected)
