"""The gateways that faults happen to, and what stands around each.

Each `Node` is an ini file, a port, an SMSC of its own, perhaps a broker behind a proxy,
and the process that runs just now.  One has its journal in SQLite, on a small disk of
its own where root may mount one; two share a journal in PostgreSQL.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
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
from bench.rig import Smsc, await_port, free_port, twistd
from chaos.proxy import Loop, TcpProxy

POSTGRES: Final = 5432
SERVER: Final = f"postgresql://postgres@127.0.0.1:{POSTGRES}"
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
receipt_ttl = {receipt_ttl}s
resend_first = 500ms
retry_first = 500ms
retry_last = 2s
shutdown_grace = 5s

[http]
listen = tcp:{port}:interface=127.0.0.1

[smpp:{name}]
host = 127.0.0.1
port = {smsc}
system_id = {name}
password = chaos
window = 50
link_timeout = 3s
enquire_link = 3s
response_timeout = 3s
reconnect_min = 100ms
reconnect_max = 1s

[route:{name}]
channels = {name}
"""
BROKER: Final = """\
[amqp]
url = amqp://guest:guest@127.0.0.1:{port}/%2F
prefix = {prefix}
heartbeat = 4s
"""


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
        self.name = f"chaos_{uuid.uuid4().hex[:8]}"
        self._do(f"CREATE DATABASE {self.name}")

    @property
    def url(self) -> str:
        """Return the address of the journal in it."""
        return f"{SERVER}/{self.name}"

    def _do(self, what: str) -> int:
        with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as connection:
            return connection.execute(what.encode()).rowcount

    def end_backends(self) -> int:
        """Terminate all connections to it; return how many there were."""
        where = f"FROM pg_stat_activity WHERE datname = '{self.name}'"
        return self._do(f"SELECT pg_terminate_backend(pid) {where}")

    def remove(self) -> None:
        """Drop it."""
        self._do(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")


class Broker:
    """The broker as one gateway sees it: a prefix, behind a proxy."""

    def __init__(self, loop: Loop) -> None:
        self.prefix = f"chaos-{uuid.uuid4().hex[:8]}"
        self.proxy = TcpProxy(loop, urlsplit(ADDRESS).port or 5672)

    def section(self) -> str:
        """Return the gateway's section."""
        return BROKER.format(port=self.proxy.port, prefix=self.prefix)

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


class Node:
    """One gateway: its files, what stands around it, its process."""

    def __init__(
        self,
        name: str,
        folder: Path,
        journal: str,
        *,
        broker: Broker | None = None,
        database: Database | None = None,
        disk: Disk | None = None,
        library: Path | None = None,
        receipt_ttl_s: int = 10,
    ) -> None:
        self.name, self.folder, self.port = name, folder, free_port()
        self.broker, self.database, self.disk = broker, database, disk
        self.shim = None if library is None else Shim(library, folder)
        self.centre = Centre(folder)
        self.lives = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        text = INI.format(
            name=name,
            journal=journal,
            port=self.port,
            smsc=self.centre.port,
            receipt_ttl=receipt_ttl_s,
        )
        self._config, self.log = folder / "gateway.ini", folder / "gateway.log"
        self._config.write_text(text + ("" if broker is None else broker.section()))
        self._config.chmod(0o600)
        self.start()

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
def nodes(
    folder: Path, *, lonely: bool = False, receipt_ttl_s: int = 10
) -> Iterator[Sequence[Node]]:
    """Run one gateway on SQLite (`lonely`: only that), and two on PostgreSQL."""
    library = build_shim(folder)
    if library is None:
        print("no gcc: no faults of the clock and of fsync", file=sys.stderr)
    with ExitStack() as stack:
        loop = Loop()
        stack.callback(loop.end)
        made: list[Node] = []
        for name in ("a",) if lonely else ("a", "b", "c"):
            own = folder / name
            own.mkdir()
            broker, disk, database = None, None, None
            if name != "c":
                broker = Broker(loop)
                stack.callback(broker.remove)
            if name == "a":
                disk = stack.enter_context(small_disk(own / "disk"))
                journal = f"sqlite:///{own}/disk/journal.sqlite"
            elif name == "b":
                database = Database()
                stack.callback(database.remove)
                journal = database.url
            else:
                database = made[-1].database
            node = Node(
                name,
                own,
                journal,
                broker=broker,
                database=database,
                disk=disk,
                library=library,
                receipt_ttl_s=receipt_ttl_s,
            )
            stack.callback(node.centre.kill)
            stack.callback(node.kill)
            made.append(node)
        for node in made:
            node.await_ready()
        yield made
