"""What goes wrong: each fault a small class with a begin and an end.

A fault is of one gateway, and says at which it is possible; `concerns` are the gateways
that feel it.  Restarts of the broker and of the database concern everybody who uses
them, and happen only with ``GDEMOI_CHAOS_RESTARTS=1``.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from chaos.rig import Box, Centre, Node
from chaos.schedule import Kind

RESTARTS: Final = "GDEMOI_CHAOS_RESTARTS"


class Fault:
    """Something that goes wrong at a gateway, and what it means to end it."""

    longest_s = 2.0
    shortest_s = 0.2

    @property
    def kind(self) -> Kind:
        """Return it as the schedule sees it."""
        return Kind(self.name, self.longest_s, self.shortest_s)

    name = ""

    def possible(self, node: Node) -> bool:
        """Tell whether it can happen there."""
        return True

    def concerned(self, node: Node, all_nodes: Sequence[Node]) -> Sequence[Node]:
        """Return the gateways that feel it: it and its partners."""
        return [one for one in all_nodes if one.name in node.partners]

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Let it happen."""

    def end(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Let it be over."""


# processes


class KillGateway(Fault):
    """kill -9 of a gateway, which is started again."""

    name = "gateway killed"

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Kill it."""
        node.kill()

    def end(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Start it."""
        node.start()


class KillGateways(Fault):
    """kill -9 of all gateways at once."""

    name = "all gateways killed"

    def possible(self, node: Node) -> bool:
        """In one lane is enough."""
        return node.name == "a"

    def concerned(self, node: Node, all_nodes: Sequence[Node]) -> Sequence[Node]:
        """All of them."""
        return all_nodes

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Kill them."""
        for one in all_nodes:
            one.kill()

    def end(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Start them."""
        for one in all_nodes:
            one.start()


class StopGateway(Fault):
    """SIGSTOP of a gateway, then SIGCONT."""

    name = "gateway stopped"
    # longer than the patience of the SMSC's and the broker's side
    longest_s = 6.0

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Stop it."""
        node.signal(signal.SIGSTOP)

    def end(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Let it go on."""
        node.signal(signal.SIGCONT)


class EndGateway(Fault):
    """SIGTERM, and a new start."""

    name = "gateway restarted"
    shortest_s = longest_s = 0.2

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """End it orderly."""
        node.stop()

    def end(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Start it."""
        node.start()


class CentreFault(Fault):
    """What an SMSC does."""

    number = 0

    def possible(self, node: Node) -> bool:
        """Where there is one."""
        return isinstance(node.far, Centre)

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Send it the signal."""
        assert isinstance(node.far, Centre)
        node.far.signal(self.number)


class KillCentre(CentreFault):
    """kill -9 of the SMSC: receipts that it had yet to send are gone."""

    name = "SMSC killed"

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Kill it."""
        node.far.kill()

    def end(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Start it."""
        assert isinstance(node.far, Centre)
        node.far.start()


class StopCentre(CentreFault):
    """An SMSC that says nothing for longer than its clients wait."""

    name = "SMSC stopped"
    number = signal.SIGSTOP
    longest_s = 6.0

    def end(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Let it go on."""
        assert isinstance(node.far, Centre)
        node.far.signal(signal.SIGCONT)


class HangUp(CentreFault):
    """An SMSC that hangs up in the middle of its window: answers none of it."""

    name = "SMSC hangs up"
    number = signal.SIGUSR1
    longest_s = 0.3


class LoseDatagrams(Fault):
    """Three of ten datagrams are lost each way, and one of ten comes twice."""

    name = "datagrams lost"
    longest_s = 8.0
    shortest_s = 2.0
    lost, doubled = 0.3, 0.1

    def possible(self, node: Node) -> bool:
        """Where there are any."""
        return isinstance(node.far, Box)

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Lose them."""
        assert isinstance(node.far, Box)
        dice = random.Random(1)
        node.far.network.fate = lambda: self.copies(dice.random())

    def copies(self, thrown: float) -> int:
        """Return how often a datagram comes, by a number from 0 to 1."""
        if thrown < self.lost:
            return 0
        return 2 if thrown < self.lost + self.doubled else 1

    def end(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Lose no more."""
        assert isinstance(node.far, Box)
        node.far.network.fate = lambda: 1


# broker and database


class CutBroker(Fault):
    """The connections to the broker are reset, and again at the end."""

    name = "broker cut"

    def possible(self, node: Node) -> bool:
        """Where there is a broker."""
        return node.broker is not None

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Cut."""
        assert node.broker is not None
        node.broker.proxy.cut()

    end = begin


class EndBackends(Fault):
    """PostgreSQL terminates the gateways' backends."""

    name = "backends terminated"
    longest_s = 1.0

    def possible(self, node: Node) -> bool:
        """Where the journal is in PostgreSQL."""
        return node.database is not None

    def concerned(self, node: Node, all_nodes: Sequence[Node]) -> Sequence[Node]:
        """All that share it."""
        return [one for one in all_nodes if one.database is not None]

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Terminate them."""
        assert node.database is not None
        node.database.end_backends()

    end = begin


class RestartBroker(Fault):
    """The broker stops and starts; only where that is nobody else's."""

    name = "broker restarted"

    def possible(self, node: Node) -> bool:
        """Where it is allowed, in one lane."""
        allowed = os.environ.get(RESTARTS) == "1" and node.name == "a"
        return allowed and shutil.which("rabbitmqctl") is not None

    def concerned(self, node: Node, all_nodes: Sequence[Node]) -> Sequence[Node]:
        """All that have a broker."""
        return [one for one in all_nodes if one.broker is not None]

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Stop it."""
        subprocess.run(["rabbitmqctl", "-q", "stop_app"], check=True)

    def end(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Start it."""
        subprocess.run(["rabbitmqctl", "-q", "start_app"], check=True)


class RestartDatabase(Fault):
    """PostgreSQL restarts; only where that is nobody else's."""

    name = "database restarted"

    def possible(self, node: Node) -> bool:
        """Where it is allowed, in one lane."""
        allowed = os.environ.get(RESTARTS) == "1" and node.name == "b"
        return allowed and shutil.which("pg_ctlcluster") is not None

    concerned = EndBackends.concerned

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Restart the newest version's main cluster."""
        version = max(Path("/etc/postgresql").iterdir(), key=lambda one: int(one.name))
        words = ["pg_ctlcluster", "--skip-systemctl-redirect", version.name, "main"]
        subprocess.run([*words, "restart", "-m", "fast"], check=True)


# disk and clock


class FullDisk(Fault):
    """The journal's disk is full, then is not."""

    name = "disk full"

    def possible(self, node: Node) -> bool:
        """On a disk of its own, or with the shim."""
        return node.database is None and bool(node.disk or node.shim)

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Fill it."""
        if node.disk is not None:
            node.disk.fill()
        elif node.shim is not None:
            node.shim.set(write_errno=errno.ENOSPC)

    def end(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Free it."""
        if node.disk is not None:
            node.disk.free()
        elif node.shim is not None:
            node.shim.set()


class ShimFault(Fault):
    """What the shim does; only gateways that were started with it feel it."""

    def possible(self, node: Node) -> bool:
        """With the shim."""
        return node.shim is not None

    def end(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Let all be well."""
        assert node.shim is not None
        node.shim.set()


class FailingSync(ShimFault):
    """EIO on fsync of the journal."""

    name = "EIO on fsync"

    def possible(self, node: Node) -> bool:
        """Where the gateway itself has the file."""
        return super().possible(node) and node.database is None

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Let fsync fail."""
        assert node.shim is not None
        node.shim.set(sync_errno=errno.EIO)


class SlowSync(FailingSync):
    """An fsync that takes 200 ms."""

    name = "fsync of 200 ms"
    longest_s = 4.0

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Let fsync take its time."""
        assert node.shim is not None
        node.shim.set(sync_ms=200)


class ClockAhead(ShimFault):
    """The clock steps ahead by half a minute, and back at the end."""

    name = "clock +30 s"
    step_s = 30.0
    longest_s = 3.0

    def begin(self, node: Node, all_nodes: Sequence[Node]) -> None:
        """Step."""
        assert node.shim is not None
        node.shim.set(clock_s=self.step_s)


class ClockBack(ClockAhead):
    """The clock steps back by half a minute, and ahead at the end."""

    name = "clock -30 s"
    step_s = -30.0


ALL: Final[Sequence[Fault]] = (
    *(KillGateway(), KillGateways(), StopGateway(), EndGateway()),
    *(KillCentre(), StopCentre(), HangUp(), LoseDatagrams()),
    *(CutBroker(), EndBackends(), RestartBroker(), RestartDatabase()),
    *(FullDisk(), FailingSync(), SlowSync(), ClockAhead(), ClockBack()),
)
BY_NAME: Final = {fault.name: fault for fault in ALL}


def kinds(node: Node, only: Collection[str] = ()) -> list[Kind]:
    """Return what may happen to a gateway; of `only` these, if any are named."""
    return [
        fault.kind
        for fault in ALL
        if fault.possible(node) and (not only or fault.name in only)
    ]
