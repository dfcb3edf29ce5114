"""The faults really happen: the shim's in a process, the proxies' on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import SkipTest

from attrs import define
from twisted.trial.unittest import SynchronousTestCase

from chaos import faults
from chaos.__main__ import SHORT
from chaos.proxy import Loop, TcpProxy, UdpProxy
from chaos.rig import NAMES, SHARED, Box, Centre, Shim, build_shim
from chaos.schedule import plan

CHILD = """
import os, sys, time
for name in ("journal.sqlite", "other"):
    file = os.open(name, os.O_CREAT | os.O_WRONLY)
    begun = time.monotonic()
    for work in (lambda: os.write(file, b"x"), lambda: os.fdatasync(file)):
        try:
            work()
            print(0, end=" ")
        except OSError as fault:
            print(fault.errno, end=" ")
    print(int(time.monotonic() - begun >= 0.2), end=" ")
print(time.time())
"""


@define
class Place:
    """What a fault looks at to say whether it is possible."""

    name: str
    far: Any
    broker: Any = None
    database: Any = None
    disk: Any = None
    shim: Any = True


def places() -> list[Place]:
    """Return what the gateways of a run look like to a fault."""
    far = [Centre.__new__(Centre)] * 3 + [Box.__new__(Box)]
    return [
        Place(name, far[n], n < 3 or None, (name in SHARED) or None)
        for n, name in enumerate(NAMES)
    ]


class ShimTests(SynchronousTestCase):
    def setUp(self) -> None:
        if shutil.which("gcc") is None:
            if os.environ.get("GDEMOI_REQUIRE_SERVICES") == "1":
                raise AssertionError("no gcc")
            raise SkipTest("no gcc")
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        library = build_shim(self.folder)
        assert library is not None
        self.shim = Shim(library, self.folder)

    def child(self) -> tuple[str, float]:
        """Return errors of write and fsync and slowness, of two files; its clock."""
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            cwd=self.folder,
            env={**os.environ, **self.shim.environment},
            capture_output=True,
            text=True,
            check=True,
        )
        told, _, clock = done.stdout.strip().rpartition(" ")
        return told, float(clock) - time.time()

    def test_what_the_shim_does(self) -> None:
        """Faults of the journal's files and no others; a clock that is wrong."""
        for how, told, step_s in (
            ({}, "0 0 0 0 0 0", 0.0),
            ({"sync_errno": 5}, "0 5 0 0 0 0", 0.0),
            ({"write_errno": 28}, "28 0 0 0 0 0", 0.0),
            ({"sync_ms": 200}, "0 0 1 0 0 0", 0.0),
            ({"clock_s": -30.0}, "0 0 0 0 0 0", -30.0),
        ):
            with self.subTest(how=how):
                self.shim.set(**how)
                found, clock_s = self.child()
                self.assertEqual(found, told)
                self.assertLess(abs(clock_s - step_s), 10.0)


class ProxyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.loop = Loop()
        self.addCleanup(self.loop.end)

    def test_connections_are_passed_on_until_they_are_cut(self) -> None:
        """Both ways; then both sides see the end."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            proxy = TcpProxy(self.loop, server.getsockname()[1])
            with socket.create_connection(("127.0.0.1", proxy.port), 10) as near:
                far, _ = server.accept()
                with far:
                    far.settimeout(10)
                    near.sendall(b"there")
                    self.assertEqual(far.recv(99), b"there")
                    far.sendall(b"back")
                    self.assertEqual(near.recv(99), b"back")
                    proxy.cut()
                    for side in (near, far):
                        self.assertRaises(ConnectionResetError, side.recv, 99)
            proxy.end()

    def test_datagrams_are_lost_and_doubled(self) -> None:
        """As often as it is said, each way; answers find their peer."""
        with socket.socket(type=socket.SOCK_DGRAM) as far:
            far.bind(("127.0.0.1", 0))
            far.settimeout(10)
            proxy = UdpProxy(self.loop, far.getsockname()[1])
            with socket.socket(type=socket.SOCK_DGRAM) as near:
                near.settimeout(10)
                near.connect(("127.0.0.1", proxy.port))
                near.send(b"one")
                octets, back = far.recvfrom(99)
                self.assertEqual(octets, b"one")
                fates = iter((0, 2, 1))
                proxy.fate = lambda: next(fates)
                near.send(b"lost")
                near.send(b"twice")
                self.assertEqual([far.recv(99) for _ in "12"], [b"twice", b"twice"])
                far.sendto(b"answer", back)
                self.assertEqual(near.recv(99), b"answer")
            self.assertEqual((proxy.lost, proxy.doubled), (1, 1))
            proxy.end()


class FaultTests(SynchronousTestCase):
    def test_the_short_form_has_every_kind(self) -> None:
        """All but restarts of what others use."""
        kinds = {lane: faults.kinds(one) for lane, one in enumerate(places())}
        planned = plan(kinds, SHORT["faults"], 60 * SHORT["minutes"], SHORT["seed"])
        restarts = {"broker restarted", "database restarted"}
        self.assertEqual({one.kind for one in planned}, set(faults.BY_NAME) - restarts)

    def test_where_faults_are_possible(self) -> None:
        """What needs a broker, a file, a database or datagrams is where these are."""
        found = {
            fault.name: "".join(one.name for one in places() if fault.possible(one))
            for fault in faults.ALL
        }
        self.assertEqual(found["gateway killed"], "abcd")
        self.assertEqual(found["all gateways killed"], "a")
        self.assertEqual(found["SMSC killed"], "abc")
        self.assertEqual(found["datagrams lost"], "d")
        self.assertEqual(found["broker cut"], "abc")
        self.assertEqual(found["backends terminated"], "bc")
        self.assertEqual(found["EIO on fsync"], "ad")
        self.assertEqual(found["disk full"], "ad")
        self.assertEqual(found["broker restarted"], "")

    def test_how_many_datagrams_are_lost(self) -> None:
        """Three of ten are, and one of ten comes twice."""
        lossy = faults.LoseDatagrams()
        copies = [lossy.copies(n / 10 + 0.05) for n in range(10)]
        self.assertEqual(copies, [0, 0, 0, 2, 1, 1, 1, 1, 1, 1])
