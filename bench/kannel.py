"""Kannel, the peer: bearerbox and smsbox on the same work, in the same run.

Debian's package ``kannel`` and the C tools must be there.  It has two ways to keep
messages: in memory (lost at a crash), or spooled, one file each (never fsynced).  Each
message asks for a receipt, which Kannel tells by an HTTP request to ``http_sink``.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.rig import (
    Work,
    await_port,
    cpu_s,
    free_port,
    http_load,
    milliseconds,
    rss_mb,
    scratch,
    smsc,
    switches,
)

STORES: Final = ("memory", "spool")
PROGRAMS: Final = ("bearerbox", "smsbox")
WINDOW: Final = 200
PASSWORD: Final = "bench"
# so long without a sign of life, and all is over
SILENT_S: Final = 0.5


def absent(tools: str | None) -> str:
    """Return why Kannel cannot be run here; "" when it can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {' and '.join(missing)} (Debian: apt-get install kannel)"
    return "" if tools else "no C tools: Kannel needs http_sink (GDEMOI_BENCH_TOOLS)"


def configuration(
    folder: Path,
    *,
    store: str,
    admin: int,
    boxes: int,
    sendsms: int,
    smsc_port: int,
    window: int = WINDOW,
) -> str:
    """Return kannel.conf; `store` is one of `STORES`, the numbers are TCP ports."""
    core = {
        "admin-port": admin,
        "admin-password": PASSWORD,
        "status-password": PASSWORD,
        "smsbox-port": boxes,
        "box-allow-ip": "127.0.0.1",
        "log-file": f'"{folder}/bearerbox.log"',
        "log-level": 3,
        "dlr-storage": "internal",
    }
    if store == "spool":
        core |= {"store-type": "spool", "store-location": f'"{folder}/spool"'}
    groups: list[tuple[str, dict[str, Any]]] = [
        ("core", core),
        (
            "smsc",
            {
                "smsc": "smpp",
                "smsc-id": "sink",
                "host": "127.0.0.1",
                "port": smsc_port,
                "transceiver-mode": "true",
                "smsc-username": "bench",
                "smsc-password": "bench",
                "system-type": '""',
                "interface-version": 34,
                "max-pending-submits": window,
                "reconnect-delay": 1,
            },
        ),
        (
            "smsbox",
            {
                "bearerbox-host": "127.0.0.1",
                "sendsms-port": sendsms,
                "log-file": f'"{folder}/smsbox.log"',
                "log-level": 3,
            },
        ),
        (
            "sendsms-user",
            {"username": "bench", "password": PASSWORD, "max-messages": 1},
        ),
        ("sms-service", {"keyword": "default", "text": '""'}),
    ]
    return "\n".join(
        f"group = {name}\n"
        + "".join(f"{key} = {value}\n" for key, value in keys.items())
        for name, keys in groups
    )


def send_path(callback: int | None) -> str:
    """Return the request for one message, with the marks of the load generator.

    `callback`: the port that hears of the receipt; None: no receipt is wanted.
    """
    path = f"/cgi-bin/sendsms?username=bench&password={PASSWORD}&from=GdeMoi"
    path += "&to=%2B{id}&text={text}"
    if callback is None:
        return path
    told = f"http%3A%2F%2F127.0.0.1%3A{callback}%2Fdlr%3Fid%3D{{id}}%26state%3D%25d"
    return f"{path}&dlr-mask=1&dlr-url={told}"


class Kannel:
    """Both boxes, running."""

    def __init__(
        self, folder: Path, store: str, smsc_port: int, window: int = WINDOW
    ) -> None:
        self.admin, self.sendsms = free_port(), free_port()
        boxes = free_port()
        (folder / "spool").mkdir(exist_ok=True)
        config = folder / "kannel.conf"
        config.write_text(
            configuration(
                folder,
                store=store,
                admin=self.admin,
                boxes=boxes,
                sendsms=self.sendsms,
                smsc_port=smsc_port,
                window=window,
            )
        )
        self.boxes: list[subprocess.Popen[bytes]] = []
        for program, port in zip(PROGRAMS, (boxes, self.sendsms), strict=True):
            command = [program, "-v", "4", str(config)]
            with (folder / f"{program}.out").open("wb") as out:
                self.boxes.append(
                    subprocess.Popen(command, stdout=out, stderr=out, cwd=folder)
                )
            await_port(port)
        self.await_status("smsbox:")

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the process numbers."""
        return tuple(box.pid for box in self.boxes)

    def status(self) -> str:
        """Return the status page of bearerbox."""
        url = f"http://127.0.0.1:{self.admin}/status.txt?password={PASSWORD}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode("latin-1"))

    def await_link(self) -> None:
        """Wait until it is bound at the SMSC."""
        self.await_status("(online")

    def await_status(self, word: str, limit_s: float = 20.0) -> None:
        """Wait until the status page has a word."""
        deadline = time.monotonic() + limit_s
        while word not in self.status():
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {word} in Kannel's status: {self.status()}")
            time.sleep(0.1)

    def end(self) -> None:
        """End both, smsbox first."""
        for box in reversed(self.boxes):
            box.terminate()
        for box in reversed(self.boxes):
            try:
                box.wait(20)
            except subprocess.TimeoutExpired:
                box.kill()
                box.wait()


@contextmanager
def running(
    folder: Path, store: str, smsc_port: int, window: int = WINDOW
) -> Iterator[Kannel]:
    """Run Kannel, and end it whatever happens."""
    kannel = Kannel(folder, store, smsc_port, window)
    try:
        yield kannel
    finally:
        kannel.end()


class Callbacks:
    """`http_sink`: hears of receipts, counts them, falls silent when all are told."""

    def __init__(self, tools: str) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [f"{tools}/http_sink", "--port", str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        await_port(self.port)

    def await_silence(self, limit_s: float = 120.0) -> float:
        """Wait until nothing comes any more; return when the last came (monotonic).

        The sink waits in the kernel after each read; a process that does not wait
        anew has had nothing to read.
        """
        began = last_at = time.monotonic()
        seen = switches(self.process.pid)
        while time.monotonic() - last_at < SILENT_S:
            time.sleep(0.01)
            now = switches(self.process.pid)
            # its own second hand makes it wait anew as well
            if now - seen > 2:
                last_at, seen = time.monotonic(), now
            if time.monotonic() - began > limit_s:
                raise TimeoutError("the callbacks do not end")
        return last_at

    def end(self) -> int:
        """End it; return how many requests came."""
        self.process.terminate()
        told, _ = self.process.communicate(timeout=20)
        return int(told.rpartition(":")[2].strip(" }\n"))


def http_work(work: Work, count: int, connections: int) -> dict[str, Any]:
    """Send one request per message; return the figures of a line."""
    assert work.tools is not None
    port, warm = free_port(), work.count(1_000)
    with (
        scratch() as folder,
        smsc(folder, port, receipts=True, tools=work.tools),
        running(folder, work.peer, port) as kannel,
    ):
        kannel.await_link()
        callbacks = Callbacks(work.tools)
        path = send_path(callbacks.port)
        options = ["--path", path, "--conns", str(connections)]
        try:
            _send(work, kannel, [*options, "--prefix", "71", "--count", str(warm)])
            callbacks.await_silence()
            spent_s, began = cpu_s(*kannel.pids), time.monotonic()
            told = _send(
                work, kannel, [*options, "--prefix", "72", "--count", str(count)]
            )
            ended = callbacks.await_silence()
            spent_s = cpu_s(*kannel.pids) - spent_s
            memory_mb = rss_mb(*kannel.pids)
        finally:
            heard = callbacks.end()
        # the requests of warming up, and our own look at the port
        if heard != warm + count:
            raise RuntimeError(f"{heard} callbacks for {warm + count} messages")
        return {
            "rate": count / (ended - began),
            "cpu_us": spent_s / count * 1e6,
            "rss_mb": memory_mb,
            **milliseconds(told),
        }


def _send(work: Work, kannel: Kannel, options: list[str]) -> dict[str, float]:
    return http_load(work.tools, kannel.sendsms, options)
