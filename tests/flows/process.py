"""A real gateway process for tests of whole lives, and the platform's side of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.task import deferLater
from twisted.web.client import Agent, HTTPConnectionPool, ResponseFailed

from tests.watch import LIMIT_S, LOOK_EVERY_S

ROOT = Path(__file__).resolve().parents[2]
# a machine whose clock is off by so many seconds
TWISTD = """\
import sys, time
if {ahead_s}:
    time.time = lambda now=time.time: now() + {ahead_s}
from twisted.scripts.twistd import run
sys.exit(run())
"""
GONE = (ConnectError, ConnectionClosed, ResponseFailed)


def free_port() -> int:
    """Return a TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class GatewayProcess:
    """One ini file, and the processes that were started from it."""

    def __init__(self, folder: Path, ini: str, ahead_s: float = 0.0) -> None:
        self.ahead_s = ahead_s
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.config = folder / "gateway.ini"
        self.log = folder / "gateway.log"
        self.config.write_text(
            f"{ini}\n[http]\nlisten = tcp:{self.port}:interface=127.0.0.1\n"
        )
        self.config.chmod(0o600)
        self.process: subprocess.Popen[bytes] | None = None
        self._pool = HTTPConnectionPool(reactor, persistent=False)
        self._agent = Agent(reactor, pool=self._pool, connectTimeout=LIMIT_S)

    def start(self) -> None:
        """Start a process."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", TWISTD.format(ahead_s=self.ahead_s)),
                    *("-n", "--pidfile="),
                    *("gdemoi-sms", "--config", str(self.config)),
                ],
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End the process by a signal; return its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)

    def end(self) -> None:
        """Leave no process behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT_S)

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the gateway; raises one of `GONE` when it does not answer."""
        response = await treq.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            agent=self._agent,
            timeout=LIMIT_S,
        )
        content = await treq.content(response)
        return response.code, json.loads(content)

    async def ready(self) -> None:
        """Wait until every channel can send."""
        ends_at = reactor.seconds() + LIMIT_S
        while reactor.seconds() < ends_at:
            if self.process is None or self.process.poll() is not None:
                break
            try:
                _, answer = await self.call("GET", "/v1/channels")
            except GONE:
                answer = None
            if answer and not any(one["unable"] for one in answer["channels"]):
                return
            await deferLater(reactor, LOOK_EVERY_S)
        raise AssertionError(self.log.read_text()[-4000:])

    async def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Return all events there are beyond `after`."""
        found: list[dict[str, Any]] = []
        while True:
            _, answer = await self.call("GET", f"/v1/events?after={after}&limit=1000")
            if not answer["events"]:
                return found
            found += answer["events"]
            after = answer["after"]
