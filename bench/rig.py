"""Programs under load: started on free ports, fed, and measured from outside.

The gateway is a process of its own (``twistd gdemoi-sms``) out of the source tree that
is asked for; CPU and memory are those of the process, by the kernel's account.  The far
sides are the C programs of ``GDEMOI_BENCH_TOOLS`` where that names their folder, else
`bench.sink` and `bench.load`.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import frozen

from bench.figures import NEEDS

ROOT: Final = Path(__file__).resolve().parents[1]
TOOLS: Final = "GDEMOI_BENCH_TOOLS"
TOOL_NAMES: Final = ("smsc_sink", "http_load", "http_sink")
TWISTD: Final = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
TICK_S: Final = 1.0 / os.sysconf("SC_CLK_TCK")
PAGE_MB: Final = resource.getpagesize() / 1e6


@frozen
class Work:
    """What a benchmark is run on: a tree or a peer, tools, how much of everything.

    ``size`` scales every number of messages; ``stored`` is how many the journal of the
    start-up benchmark holds; ``tools`` is the folder with the built C programs, if any;
    ``peer`` is "" for a gateway, else the store of Kannel.
    """

    tree: str = str(ROOT)
    size: float = 1.0
    stored: int = 1_000_000
    tools: str | None = None
    peer: str = ""

    def count(self, whole: int) -> int:
        """Return so many messages, by the size that was asked for; at least 50."""
        return max(50, int(whole * self.size))


# what is here


def build_tools(folder: Path) -> tuple[str | None, str]:
    """Build the C programs into `folder`; return it, or None, and what is missing."""
    named = os.environ.get(TOOLS)
    if not named:
        return None, f"{TOOLS} is not set: bench.sink and bench.load instead"
    source = Path(named)
    absent = [name for name in TOOL_NAMES if not (source / f"{name}.c").exists()]
    if absent or shutil.which("gcc") is None:
        what = f"{', '.join(absent)}.c in {TOOLS}" if absent else "gcc"
        return None, f"no {what}: bench.sink and bench.load instead"
    for name in TOOL_NAMES:
        files = [str(folder / name), str(source / f"{name}.c")]
        subprocess.run(["gcc", "-O2", "-w", "-o", *files], check=True)
    return str(folder), ""


def free_port() -> int:
    """Return a TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Tell whether something listens on `port`."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def await_port(port: int, limit_s: float = 20.0) -> None:
    """Wait until something listens on `port`."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if listens(port):
            return
        time.sleep(0.01)
    raise TimeoutError(f"nothing listens on {port}")


def need_broker(address: str) -> None:
    """End this process with one line when no broker listens at an AMQP address."""
    found = urlsplit(address)
    host, port = found.hostname or "127.0.0.1", found.port or 5672
    try:
        socket.create_connection((host, port), timeout=5.0).close()
    except OSError:
        raise SystemExit(f"{NEEDS}RabbitMQ; none is at {host}:{port}") from None


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="gdemoi-bench-") as folder:
        yield Path(folder)


def run_reactor(work: Coroutine[Any, Any, Any], limit_s: float = 600.0) -> Any:
    """Run the reactor of this process until `work` is done; return what it returned."""
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    loop: Any = reactor
    found: list[Any] = []
    done: Deferred[Any] = Deferred.fromCoroutine(work)
    done.addTimeout(limit_s, loop)
    done.addBoth(found.append)
    done.addBoth(lambda _: loop.callLater(0, loop.stop))
    loop.run()
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return found[0]


# the kernel's account


def cpu_s(*processes: int) -> float:
    """Return the CPU seconds that processes have used, user and system."""
    spent = 0.0
    for number in processes:
        stat = Path(f"/proc/{number}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        spent += (int(fields[11]) + int(fields[12])) * TICK_S
    return spent


def rss_mb(*processes: int) -> float:
    """Return the memory that processes hold."""
    pages = [Path(f"/proc/{one}/statm").read_text().split()[1] for one in processes]
    return sum(map(int, pages)) * PAGE_MB


def threads(process: int) -> int:
    """Return how many threads a process has."""
    return len(os.listdir(f"/proc/{process}/task"))


def open_files(process: int) -> int:
    """Return how many file handles a process has."""
    return len(os.listdir(f"/proc/{process}/fd"))


def switches(process: int) -> int:
    """Return how often a process has waited for something."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)
    return int(found[1]) if found else 0


# the SMSC


class Smsc:
    """A running SMSC; its log and its last words are there when it has ended."""

    def __init__(
        self,
        folder: Path,
        port: int,
        tools: str | None,
        options: Sequence[str],
    ) -> None:
        self.port = port
        self.log = folder / f"smsc-{port}.log"
        command = [sys.executable, "-m", "bench.sink"]
        if tools is not None:
            command = [f"{tools}/smsc_sink"]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), "--quickack", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.told = ""
        await_port(port)

    def end(self) -> None:
        """End it; read what it says."""
        self.process.terminate()
        self.told, _ = self.process.communicate(timeout=20)

    def final(self) -> dict[str, float]:
        """Return its last words: ``submits``, ``span_s``, ``mean_rate`` …"""
        line = self.told.rpartition("FINAL ")[2]
        found: dict[str, float] = json.loads(line)
        return found

    def arrivals(self) -> dict[str, int]:
        """Return when each text arrived first (ns), by its first word."""
        found: dict[str, int] = {}
        for line in self.log.read_text("ascii").splitlines():
            fields = line.split()
            text = bytes.fromhex(fields[6]).decode("latin-1")
            found.setdefault(text.replace("+", " ").split(" ")[0], int(fields[0]))
        return found


@contextmanager
def smsc(
    folder: Path,
    port: int,
    *,
    receipts: bool,
    delay_ms: int = 0,
    logged: bool = False,
    tools: str | None = None,
    drop_after: int = 0,
) -> Iterator[Smsc]:
    """Run an SMSC that takes everything."""
    options = ["--resp-delay-ms", str(delay_ms)]
    if receipts:
        options += ["--dlr-ms", "0"]
    if logged:
        options += ["--log", str(folder / f"smsc-{port}.log")]
    if drop_after:
        options += ["--drop-after", str(drop_after)]
    running = Smsc(folder, port, tools, options)
    try:
        yield running
    finally:
        running.end()


# the gateway


INI: Final = """\
[gateway]
name = bench
home_country = RU
journal = sqlite:///journal.sqlite
log_level = warn
{gateway}
[smpp:sink]
host = 127.0.0.1
port = {port}
system_id = bench
password = bench
window = {window}
receipts = {receipts}
reconnect_min = 0.1s
reconnect_max = 1s
"""


def ini(
    port: int,
    *,
    receipts: bool = True,
    window: int = 200,
    gateway: str = "",
    more: str = "",
) -> str:
    """Return the configuration of a gateway with one SMPP channel."""
    word = "final" if receipts else "none"
    text = INI.format(port=port, receipts=word, window=window, gateway=gateway)
    return f"{text}\n{more}"


def twistd(
    plugin: str,
    config: Path,
    log: Path,
    tree: str = str(ROOT),
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a twistd plugin of a tree, in the foreground of a process of its own."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-c", TWISTD, "-n", "--pidfile="),
                *(plugin, "--config", str(config)),
            ],
            stdout=output,
            stderr=output,
            cwd=config.parent,
            env={**os.environ, "PYTHONPATH": tree, **(environment or {})},
        )


class Gateway:
    """One gateway process and its HTTP port."""

    def __init__(
        self,
        folder: Path,
        text: str,
        tree: str = str(ROOT),
        *,
        wait: bool = True,
        limit_s: float = 20.0,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "gateway.ini"
        self.config.write_text(
            f"{text}\n[http]\nlisten = tcp:{self.port}:interface=127.0.0.1\n"
        )
        self.log = folder / "gateway.log"
        self.process = twistd("gdemoi-sms", self.config, self.log, tree)
        try:
            await_port(self.port, limit_s)
            if wait:
                self.await_channels()
        except TimeoutError as late:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"{late}: {self.log.read_text()[-2000:]}") from late

    def call(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Ask the gateway; return the JSON of its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body)
        answer = connection.getresponse()
        found = json.load(answer)
        connection.close()
        return found

    def channel(self) -> dict[str, Any]:
        """Return what it tells of its channel."""
        found: dict[str, Any] = self.call("GET", "/v1/channels")["channels"][0]
        return found

    def await_channels(self, limit_s: float = 20.0) -> None:
        """Wait until every channel can send."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            channels = self.call("GET", "/v1/channels")["channels"]
            if not any(channel["unable"] for channel in channels):
                return
            time.sleep(0.05)
        raise TimeoutError("a channel cannot send")

    def last_event(self) -> int:
        """Return the place of the newest event."""
        return int(self.call("GET", "/v1/events?after=now")["after"])

    def cpu_s(self) -> float:
        """Return the CPU seconds that the process has used."""
        return cpu_s(self.process.pid)

    def rss_mb(self) -> float:
        """Return the memory that it holds."""
        return rss_mb(self.process.pid)

    def stop(self) -> None:
        """End it orderly."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(folder: Path, text: str, tree: str) -> Iterator[Gateway]:
    """Run a gateway, and end it whatever happens."""
    gateway = Gateway(folder, text, tree)
    try:
        yield gateway
    finally:
        gateway.stop()


class EventReader(threading.Thread):
    """The platform's side of ``GET /v1/events``: reads pages as they fill.

    It asks again at once after a full page, else after `PAUSE_S`, so that its own
    questions cost the gateway little.
    """

    PAUSE_S: Final = 0.05
    LIMIT: Final = 1000

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(daemon=True)
        self.after = gateway.last_event()
        self.count = 0
        self.last_at = time.monotonic()
        self._port = gateway.port
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Read until told to end."""
        try:
            self._read()
        except (OSError, http.client.HTTPException, ValueError) as fault:
            self._failure = fault

    def _read(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._ended.is_set():
            path = f"/v1/events?after={self.after}&limit={self.LIMIT}"
            connection.request("GET", path)
            page = connection.getresponse().read()
            found = self.heard(page)
            if found < self.LIMIT:
                self._ended.wait(self.PAUSE_S)
        connection.close()

    def heard(self, page: bytes) -> int:
        """Take a page; return how many events are in it."""
        found = page.count(b'"event_id"')
        if found:
            self.after = int(re.findall(rb'"after": ?(\d+)', page)[-1])
            self.last_at = time.monotonic()
            self.count += found
        return found

    def await_count(self, count: int, limit_s: float = 120.0) -> float:
        """Wait until so many events have been read; return when (monotonic)."""
        deadline = time.monotonic() + limit_s
        while self.count < count:
            if self._failure is not None:
                raise RuntimeError(f"events: {self._failure!r}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.count} of {count} events")
            time.sleep(0.01)
        return self.last_at

    def end(self) -> None:
        """Stop reading."""
        self._ended.set()
        self.join(70)


# the load


def http_load(
    tools: str | None, port: int, options: Sequence[str], limit_s: float = 300.0
) -> dict[str, float]:
    """Send requests; return what the load generator tells.  All must be taken."""
    command = [sys.executable, "-m", "bench.load"]
    if tools is not None:
        command = [f"{tools}/http_load"]
    done = subprocess.run(
        [*command, "--port", str(port), *options],
        capture_output=True,
        text=True,
        timeout=limit_s,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    told: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    if done.returncode:
        raise RuntimeError(f"not every request was taken: {told} {done.stderr[-500:]}")
    return told


def milliseconds(told: dict[str, float]) -> dict[str, Any]:
    """Return the latencies that a load generator tells, as figures of a line."""
    return {f"{word}_ms": told[f"{word}_us"] / 1e3 for word in ("p50", "p99", "max")}


def spread(latencies_ns: Sequence[int]) -> dict[str, Any]:
    """Return p50, p99 and max of latencies, as figures of a line."""
    ordered = sorted(latencies_ns)
    last = len(ordered) - 1
    return {
        "p50_ms": ordered[int(last * 0.5)] / 1e6,
        "p99_ms": ordered[int(last * 0.99)] / 1e6,
        "max_ms": ordered[last] / 1e6,
    }
