"""Start-up with a journal full of messages: how soon HTTP answers and the lanes wait.

The journal is filled in this process, by the code of the tree under test: most
messages are delivered, `WAITING` of each hundred wait for their channel.  Nothing
listens where the SMSC should be, so that every start finds the same.  A start is the
time from the process's birth to ``/health/ready`` and a backlog of the right size.
"""

from __future__ import annotations

import gc
import json
import signal
import sqlite3
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from twisted.internet import reactor

from bench.figures import Line
from bench.journal import facts, last_of, live
from bench.rig import Gateway, Work, free_port, ini, run_reactor, scratch

STARTS: Final = 3
WAITING: Final = 1
TARGET_S: Final = 5.0
BATCH: Final = 500


def batches(first: int, end: int) -> list[tuple[int, int]]:
    """Return where each batch begins and how many it has, the last one the rest."""
    return [(at, min(BATCH, end - at)) for at in range(first, end, BATCH)]


async def _fill(path: Path, stored: int) -> int:
    from gdemoi.journal import Journal

    journal = Journal(f"sqlite:///{path}", reactor)
    await journal.open()
    waiting = stored * WAITING // 100
    for first, count in batches(0, stored - waiting):
        await live(journal, [facts(first, count, "sink")])
    for first, count in batches(stored - waiting, stored):
        acceptances, _, _ = facts(first, count, "sink", begun=False)
        await last_of([journal.accept([one]) for one in acceptances])
    await journal.close()
    return waiting


def fill(path: Path, stored: int) -> int:
    """Make a journal of so many messages; return how many of them wait."""
    gc.set_threshold(50_000, 20, 100)
    return int(run_reactor(_fill(path, stored)))


def is_ready(port: int) -> bool:
    """Tell whether the gateway takes messages."""
    try:
        url = f"http://127.0.0.1:{port}/health/ready"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def started(
    folder: Path, text: str, tree: str, waiting: int
) -> tuple[float, float, float]:
    """Start a gateway, and kill it.

    Returns the seconds that it took, those of CPU, and the memory it held (MB).
    """
    began = time.monotonic()
    gateway = Gateway(folder, text, tree, wait=False, limit_s=120.0)
    try:
        while not is_ready(gateway.port):
            time.sleep(0.01)
        while (backlog := gateway.channel()["backlog"]) < waiting:
            if time.monotonic() - began > 120:
                raise TimeoutError(f"{backlog} of {waiting} wait")
            time.sleep(0.01)
        return time.monotonic() - began, gateway.cpu_s(), gateway.rss_mb()
    finally:
        gateway.process.send_signal(signal.SIGKILL)
        gateway.process.wait()


def stored_in(path: Path) -> int:
    """Return how many messages a journal holds."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        return int(database.execute("SELECT count(*) FROM messages").fetchone()[0])


def main(work: Work) -> list[Line]:
    """Measure the start with and without messages."""
    stored = max(5_000, int(work.stored * work.size))
    with scratch() as folder:
        text = ini(free_port(), gateway=f"backlog_limit = {stored + 1}")
        path = folder / "journal.sqlite"
        empty = [started(folder, text, work.tree, 0) for _ in range(STARTS)]
        for file in folder.glob("journal.sqlite*"):
            file.unlink()
        waiting = fill(path, stored)
        full = [started(folder, text, work.tree, waiting) for _ in range(STARTS)]
        found = stored_in(path)
        if found != stored:
            raise RuntimeError(json.dumps({"stored": found, "not": stored}))
        size_mb = path.stat().st_size / 1e6
    name = f"start-up, {stored:,} messages stored"
    return [
        *_lines("start-up, an empty journal", empty, {}),
        *_lines(name, full, {"value": TARGET_S}),
        Line(name=f"{name}: the file", value=size_mb, unit="MB"),
    ]


def _lines(
    name: str, starts: list[tuple[float, float, float]], target: dict[str, float]
) -> list[Line]:
    seconds, cpu_s, memory_mb = map(min, zip(*starts, strict=True))
    return [
        Line(name=name, value=seconds, unit="s", rss_mb=memory_mb, target=target),
        Line(name=f"{name}: CPU", value=cpu_s, unit="s"),
    ]
