"""A gateway process under load: started on free ports, measured from outside."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Sources of a fast SMSC, where a checkout has them beside it; see `sink_command`.
TOOLS = Path(os.environ.get("GDEMOI_BENCH_TOOLS", ROOT.parent / "shared" / "bench"))
TWISTD = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int, limit_s: float = 20.0) -> None:
    """Wait until something listens on `port`."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")


def twistd(plugin: str, config: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a twistd plugin in the foreground of a process of its own."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-c", TWISTD, "-n", "--pidfile="),
                *(plugin, "--config", str(config)),
            ],
            stdout=output,
            stderr=output,
            cwd=config.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


def sink_binary(folder: Path) -> Path | None:
    """Build the C sink, if its source and a compiler are here."""
    source = TOOLS / "smsc_sink.c"
    if not source.exists() or shutil.which("gcc") is None:
        return None
    binary = folder / "smsc_sink"
    subprocess.run(["gcc", "-O2", "-w", "-o", binary, source], check=True)
    return binary


@contextmanager
def smsc(
    folder: Path, port: int, *, receipts: bool, delay_ms: int = 0
) -> Iterator[str]:
    """Run an SMSC that takes everything; yields what it is."""
    binary = sink_binary(folder)
    if binary is not None:
        options = ["--port", str(port), "--quickack", "--resp-delay-ms", str(delay_ms)]
        if receipts:
            options += ["--dlr-ms", "0"]
        process = subprocess.Popen(
            [binary, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        what = "C sink"
    else:
        config = folder / "sandbox.ini"
        config.write_text(
            f"[sandbox-smsc:sink]\nlisten = tcp:{port}:interface=127.0.0.1\n"
            "account.bench = password=bench receipt_delay=0 tracker=no\n"
        )
        process = twistd("gdemoi-sandbox", config, folder / "sandbox.log")
        what = "sandbox SMSC"
    try:
        await_port(port)
        yield what
    finally:
        process.terminate()
        process.wait(20)


class Gateway:
    """One gateway process and its HTTP door."""

    def __init__(self, folder: Path, ini: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "gateway.ini"
        self.config.write_text(
            ini + f"\n[http]\nlisten = tcp:{self.port}:interface=127.0.0.1\n"
        )
        self.process = twistd("gdemoi-sms", self.config, folder / "gateway.log")
        await_port(self.port)
        self.await_channels()

    def call(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Ask the gateway; return the JSON of its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body)
        answer = connection.getresponse()
        found = json.load(answer)
        connection.close()
        return found

    def await_channels(self, limit_s: float = 20.0) -> None:
        """Wait until every channel can send."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            channels = self.call("GET", "/v1/channels")["channels"]
            if not any(channel["unable"] for channel in channels):
                return
            time.sleep(0.1)
        raise TimeoutError((self.folder / "gateway.log").read_text()[-2000:])

    def last_event(self) -> int:
        """Return the number of the newest event."""
        return int(self.call("GET", "/v1/events?after=now")["after"])

    def await_event(self, number: int, limit_s: float = 120.0) -> None:
        """Wait until so many events have been told."""
        deadline = time.monotonic() + limit_s
        while self.last_event() < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.last_event()} of {number} events")
            time.sleep(0.02)

    def cpu_s(self) -> float:
        """Return the CPU seconds that the process has used."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def stop(self) -> None:
        """End it orderly."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="gdemoi-bench-") as folder:
        yield Path(folder)
