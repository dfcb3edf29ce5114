"""A gateway and its far sides as processes of their own, for `demo`.

Both run on ports that were free, from copies of etc/demo.ini and etc/sandbox.ini in a
new temporary folder, and under a name that nobody else has: whatever else runs on this
machine, a gateway with real carriers too, is neither asked nor disturbed.
"""

from __future__ import annotations

import json
import re
import secrets
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, Final

from attrs import define, field

ROOT: Final = Path(__file__).resolve().parents[2]
# What the files in etc/ listen on; a copy has a free port in the place of each.
STREAMS: Final = (18990, 12000, 12013, 12080, 12775, 12776, 15038, 22080)
DATAGRAMS: Final = (14444,)
API_PORT: Final = STREAMS[0]
DOOR_PORT: Final = 12776
HTTP_DOORS_PORT: Final = 12013
PLATFORM_PORT: Final = 12080
_NAME: Final = "gdemoi-demo"
_JOURNAL: Final = "sqlite:///../demo.sqlite"
_TWISTD: Final = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
_TAIL_LINES: Final = 8
_GRACE_S: Final = 25.0
_ANSWER_S: Final = 60.0


class DemoFailed(Exception):
    """The demo cannot go on; the text says why."""


def free_ports() -> dict[int, int]:
    """Return a free port of this machine for each one of the files in etc/."""
    found = {}
    with ExitStack() as held:
        kinds = ((socket.SOCK_STREAM, STREAMS), (socket.SOCK_DGRAM, DATAGRAMS))
        for kind, ports in kinds:
            for port in ports:
                probe = held.enter_context(socket.socket(socket.AF_INET, kind))
                probe.bind(("127.0.0.1", 0))
                found[port] = int(probe.getsockname()[1])
    return found


def moved(text: str, ports: Mapping[int, int], name: str) -> str:
    """Return a file of etc/ with other ports, a name and a journal of its own."""
    numbers = "|".join(str(port) for port in ports)
    text = re.sub(rf"\b({numbers})\b", lambda found: str(ports[int(found[1])]), text)
    text = text.replace(_JOURNAL, "sqlite:///journal.sqlite")
    return re.sub(rf"^name = {_NAME}$", f"name = {name}", text, flags=re.MULTILINE)


@define
class Child:
    """One process, and the file that it logs to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def end(self) -> str | None:
        """Return how it ended, with the end of its log; None: it runs."""
        status = self.process.poll()
        if status is None:
            return None
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        lines = self.log.read_text("utf-8", "replace").splitlines()[-_TAIL_LINES:]
        tail = "\n".join(f"    {line}" for line in lines)
        return f"{self.name} has ended ({how}); the end of {self.log}:\n{tail}"

    def stop(self) -> None:
        """End it orderly, or by force when it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _open(request: urllib.request.Request) -> IO[bytes]:
    """Open a request, never by way of a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answer: IO[bytes] = opener.open(request, timeout=_ANSWER_S)
    return answer


@define
class DemoProcesses:
    """The processes of a demo in a folder, and how to ask its gateway."""

    folder: Path
    ports: Mapping[int, int] = field(factory=free_ports)
    name: str = field(factory=lambda: f"{_NAME}-{secrets.token_hex(4)}")
    children: list[Child] = field(factory=list)
    open: Callable[[urllib.request.Request], IO[bytes]] = _open

    @property
    def url(self) -> str:
        """Return where the gateway's API listens."""
        return f"http://127.0.0.1:{self.ports[API_PORT]}"

    def start(self) -> None:
        """Write the files, and start the far sides and the gateway."""
        for plugin, file in (
            ("gdemoi-sandbox", "sandbox.ini"),
            ("gdemoi-sms", "demo.ini"),
        ):
            config = self.folder / file
            text = (ROOT / "etc" / file).read_text(encoding="utf-8")
            config.write_text(moved(text, self.ports, self.name), encoding="utf-8")
            config.chmod(0o600)
            twistd = (sys.executable, "-c", _TWISTD, "-n", "--pidfile=")
            self.run(plugin, [*twistd, plugin, "--config", str(config)])

    def run(self, name: str, command: Iterable[str]) -> None:
        """Start one process, in a session of its own.

        Ctrl-C is for the demo, which ends the gateway before its far sides.
        """
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                start_new_session=True,
            )
        self.children.append(Child(name, process, log))

    def stop(self) -> None:
        """End all; the gateway first, so that it can say goodbye."""
        for child in reversed(self.children):
            child.stop()

    def check(self) -> None:
        """Raise `DemoFailed` when one of the processes has ended."""
        for child in self.children:
            ended = child.end()
            if ended is not None:
                raise DemoFailed(ended)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the gateway; raises `DemoFailed` when refused, OSError unanswered."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with self.open(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                said = refused.read().decode("utf-8", "replace")
            raise DemoFailed(f"{method} {path}: {refused.code} {said}") from refused
        except HTTPException as fault:
            # a process that ends in the middle of its answer
            raise ConnectionError(str(fault)) from fault
        except ValueError as fault:
            raise DemoFailed(f"what answers at {self.url} is no gateway") from fault

    def check_name(self) -> None:
        """Raise `DemoFailed` when the gateway that answers is not this demo's own."""
        name = self.call("GET", "/v1/status").get("name")
        if name != self.name:
            raise DemoFailed(
                f"another gateway ({name}) answers at {self.url}, and not this demo's:"
                " nothing was sent"
            )
