"""The gateways that faults happen to, and what stands around each.

Each `Node` is an ini file, a port, an SMSC or a GoIP box of its own, perhaps a broker
behind a proxy, and the process that runs just now.  Two have their journals in SQLite,
on small disks of their own where root may mount them; two share one in PostgreSQL, with
all else that the contract says must be the same: channels, routes, queues.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pika
import psycopg

from bench.amqp_work import ADDRESS
from bench.rig import ROOT, Smsc, await_port, free_port, twistd
from chaos.box import secret
from chaos.proxy import Loop, TcpProxy, UdpProxy

POSTGRES: Final = 5432
SERVER: Final = f"postgresql://postgres@127.0.0.1:{POSTGRES}"
# gateways by name: on PostgreSQL, with AMQP, with a GoIP box in place of an SMSC
NAMES: Final = ("a", "b", "c", "d")
SHARED: Final = ("b", "c")
BROKERS: Final = ("a", "b", "c")
GOIPS: Final = ("d",)
# the first word of queues and databases
RUN: Final = f"chaos_{uuid.uuid4().hex[:8]}"
LINES: Final = 16
DISK_MB: Final = 384
# slow enough that something is under way whenever a fault begins
ANSWER_MS, RECEIPT_MS = 60, 40
# struct faults of shim.c
SHIM: Final = struct.Struct("=qiiii")
START_S: Final = 60.0
# shutdown_grace, and then some
STOP_S: Final = 30.0

INI: Final = """\
[gateway]
name = {name}
home_country = RU
journal = {journal}
journal_keep = 120s
unsure_hold = 1s
receipt_ttl = 10s
resend_first = 500ms
retry_first = 500ms
retry_last = 2s
shutdown_grace = 5s

[http]
listen = tcp:{port}:interface=127.0.0.1

[route:commands]
class = command
channels = {channels}

[route:all]
channels = {reversed}
"""
SMPP: Final = """\
[smpp:{name}]
host = 127.0.0.1
port = {port}
system_id = {name}
password = chaos
window = 50
link_timeout = 3s
enquire_link = 3s
response_timeout = 3s
reconnect_min = 100ms
reconnect_max = 1s
"""
GOIP: Final = """\
[goip:{name}]
listen = 127.0.0.1:{port}
answer_timeout = 500ms
repeats = 6
poll_interval = 1s
source_rate = 1000/s
"""
GOIP_LINE: Final = """\
[goip-line:{id}]
channel = {name}
password = {password}
min_interval = 0s
"""
BROKER: Final = """\
[amqp]
url = amqp://{who}@127.0.0.1:{port}/%2F
prefix = {prefix}
heartbeat = 4s
"""


def free_udp_port() -> int:
    """Return a UDP port that nobody listens on just now."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def build_shim(folder: Path) -> Path | None:
    """Build the shim; None without a compiler."""
    if shutil.which("gcc") is None:
        return None
    made = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(made), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return made


class Shim:
    """What the shim of one gateway does just now."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._path = folder / "shim"
        self.environment = {"LD_PRELOAD": str(library), "CHAOS_SHIM": str(self._path)}
        self._path.write_bytes(bytes(SHIM.size))

    def set(
        self,
        *,
        clock_s: float = 0.0,
        sync_errno: int = 0,
        sync_ms: int = 0,
        write_errno: int = 0,
    ) -> None:
        """Let that be wrong, and nothing else."""
        ns = int(clock_s * 1e9)
        octets = SHIM.pack(ns, sync_errno, sync_ms, write_errno, 0)
        with self._path.open("r+b") as file:
            file.write(octets)


class Disk:
    """A small file system that can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        with contextlib.suppress(OSError), self._ballast.open("ab") as file:
            while True:
                file.write(bytes(1 << 20))
                file.flush()

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk | None]:
    """Mount a small disk; None where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        yield None
        return
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


class Database:
    """A database of this run."""

    def __init__(self) -> None:
        self.name = RUN
        self._do(f"CREATE DATABASE {self.name}")

    @property
    def url(self) -> str:
        """Return the address of the journal in it."""
        return f"{SERVER}/{self.name}"

    def _do(self, what: str) -> None:
        with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as connection:
            connection.execute(what.encode())

    def end_backends(self) -> None:
        """Terminate all connections to it."""
        where = f"FROM pg_stat_activity WHERE datname = '{self.name}'"
        # another lane may restart the server just now: then they have ended
        with contextlib.suppress(psycopg.OperationalError):
            self._do(f"SELECT pg_terminate_backend(pid) {where}")

    def remove(self) -> None:
        """Drop it."""
        self._do(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


class Broker:
    """The broker as one gateway sees it: a prefix, behind a proxy."""

    def __init__(self, loop: Loop, prefix: str) -> None:
        self.prefix = prefix
        self.proxy = TcpProxy(loop, urlsplit(ADDRESS).port or 5672)

    def section(self) -> str:
        """Return the gateway's section."""
        who = urlsplit(ADDRESS).netloc.rpartition("@")[0] or "guest:guest"
        return BROKER.format(who=who, port=self.proxy.port, prefix=self.prefix)

    @staticmethod
    def connect() -> Any:
        """Return a connection of the platform's, past the proxy."""
        parameters = pika.URLParameters(ADDRESS + "/%2F")
        parameters.heartbeat = 30
        return pika.BlockingConnection(parameters)

    def waiting(self, word: str) -> int:
        """Return how many messages wait in a queue; -1: it is not there."""
        connection = self.connect()
        try:
            found = connection.channel().queue_declare(
                f"{self.prefix}.{word}", passive=True
            )
            return int(found.method.message_count)
        except pika.exceptions.ChannelClosedByBroker:
            return -1
        finally:
            connection.close()

    def remove(self) -> None:
        """Delete all queues and exchanges."""
        connection = self.connect()
        channel = connection.channel()
        for word in ("outbound", "status", "inbound", "invalid", "retry"):
            channel.queue_delete(f"{self.prefix}.{word}")
        for exchange in (self.prefix, f"{self.prefix}.events"):
            channel.exchange_delete(exchange)
        connection.close()
        self.proxy.end()


class Centre:
    """An SMSC as a process of its own, which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._lock = threading.Lock()
        self.log = folder / f"smsc-{self.port}.log"
        self.log.touch()
        self._options = ["--resp-delay-ms", str(ANSWER_MS), "--write-through"]
        self._options += ["--dlr-ms", str(RECEIPT_MS), "--log", str(self.log)]
        self._running: Smsc | None = None
        self.start()

    def start(self) -> None:
        """Start it, unless it runs."""
        with self._lock:
            if self._running is None:
                self._running = Smsc(self._folder, self.port, None, self._options)

    def signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        with self._lock:
            if self._running is not None:
                self._running.process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        with self._lock:
            if self._running is not None:
                self._running.process.kill()
                self._running.process.communicate()
                self._running = None

    def section(self, name: str) -> str:
        """Return the gateway's section."""
        return SMPP.format(name=name, port=self.port)

    def arrivals(self) -> Iterator[str]:
        """Yield the lines of its log."""
        with self.log.open("r", encoding="ascii") as log:
            yield from log


class Box:
    """A GoIP box as a process of its own, behind a network that may lose datagrams."""

    def __init__(self, folder: Path, loop: Loop) -> None:
        self.log = folder / "box.log"
        self.log.touch()
        self.port: int = free_udp_port()
        self.network = UdpProxy(loop, self.port)
        words = ["--port", str(self.network.port), "--lines", str(LINES)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.box", *words, "--log", str(self.log)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def kill(self) -> None:
        """End it, and the network."""
        self._process.kill()
        self._process.wait()
        self.network.end()

    def section(self, name: str) -> str:
        """Return the gateway's sections."""
        found = [GOIP.format(name=name, port=self.port)]
        for number in range(LINES):
            id_, password = secret(number)
            found.append(GOIP_LINE.format(id=id_, name=name, password=password))
        return "".join(found)

    def arrivals(self) -> Iterator[str]:
        """Yield the lines of its log."""
        with self.log.open("r", encoding="utf-8") as log:
            yield from log


class Node:
    """One gateway: its files, what stands around it, its process."""

    def __init__(
        self,
        name: str,
        folder: Path,
        journal: str,
        far: Centre | Box,
        partners: Sequence[str],
        *,
        broker: Broker | None = None,
        database: Database | None = None,
        disk: Disk | None = None,
        library: Path | None = None,
    ) -> None:
        self.name, self.folder, self.port = name, folder, free_port()
        self.broker, self.database, self.disk = broker, database, disk
        self.shim = None if library is None else Shim(library, folder)
        self.far, self.partners = far, partners
        self.lives = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        text = INI.format(
            name=name,
            journal=journal,
            port=self.port,
            channels=", ".join(partners),
            reversed=", ".join(reversed(partners)),
        )
        self._config, self.log = folder / "gateway.ini", folder / "gateway.log"
        self._text = text + ("" if broker is None else broker.section())

    def configure(self, all_nodes: Sequence[Node]) -> None:
        """Write its file: its own channel, and those of all who share its journal."""
        channels = [
            one.far.section(one.name) for one in all_nodes if one.name in self.partners
        ]
        self._config.write_text(self._text + "".join(channels))
        self._config.chmod(0o600)

    def start(self) -> None:
        """Start its process, unless it runs."""
        with self._lock:
            if self._process is None:
                environment = self.shim.environment if self.shim else {}
                self.lives += 1
                self._process = twistd(
                    "gdemoi-sms", self._config, self.log, environment=environment
                )

    def signal(self, number: int) -> None:
        """Send its process a signal, if there is one."""
        with self._lock:
            if self._process is not None:
                self._process.send_signal(number)

    def kill(self) -> None:
        """End its process at once."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process = None

    def supervise(self) -> int | None:
        """Start it anew if it ended by itself, as systemd does; return its status."""
        with self._lock:
            status = None if self._process is None else self._process.poll()
            if status is not None:
                self._process = None
        if status is not None:
            self.start()
        return status

    def stop(self) -> int:
        """End its process orderly; return its exit status."""
        with self._lock:
            if self._process is None:
                return 0
            process, self._process = self._process, None
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                return process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                return process.wait()

    def await_ready(self) -> None:
        """Wait until it listens, and its queues are there."""
        await_port(self.port, START_S)
        deadline = time.monotonic() + START_S
        while self.broker is not None and self.broker.waiting("status") < 0:
            if time.monotonic() > deadline:
                raise TimeoutError("the gateway has not declared its queues")
            time.sleep(0.2)


@contextmanager
def nodes(folder: Path) -> Iterator[Sequence[Node]]:
    """Run all gateways, and end all that was started for them."""
    library = build_shim(folder)
    if library is None:
        print("no gcc: no faults of the clock and of fsync", file=sys.stderr)
    with ExitStack() as stack:
        loop = Loop()
        stack.callback(loop.end)
        made: list[Node] = []
        for name in NAMES:
            made.append(_node(stack, loop, folder / name, made, library))
        for node in made:
            node.configure(made)
            node.start()
        for node in made:
            node.await_ready()
        yield made


def _node(
    stack: ExitStack,
    loop: Loop,
    folder: Path,
    made: Sequence[Node],
    library: Path | None,
) -> Node:
    """Return one more gateway; what it is, its name says."""
    folder.mkdir()
    name = folder.name
    broker, disk, database = None, None, None
    if name in BROKERS:
        # those that share a journal share their queues
        prefix = f"{RUN}-{SHARED[0] if name in SHARED else name}"
        broker = Broker(loop, prefix)
        stack.callback(broker.remove)
    if name in SHARED:
        others = [one.database for one in made if one.database is not None]
        database = others[0] if others else Database()
        if not others:
            stack.callback(database.remove)
        journal = database.url
    else:
        disk = stack.enter_context(small_disk(folder / "disk"))
        journal = f"sqlite:///{folder}/disk/journal.sqlite"
    far = Box(folder, loop) if name in GOIPS else Centre(folder)
    stack.callback(far.kill)
    node = Node(
        name,
        folder,
        journal,
        far,
        SHARED if name in SHARED else (name,),
        broker=broker,
        database=database,
        disk=disk,
        library=library,
    )
    stack.callback(node.kill)
    return node
