"""A backlog goes out when its channel comes back, at several delays of the SMSC.

The SMSC is away while the messages are taken; then it comes, answers each submit_sm
after its delay, and gives no receipts.  The rate counts from the first submit_sm to the
last answer.  With a window of `WINDOW` a delay of 100 ms allows 10,000 per second.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from bench import kannel
from bench.figures import Line
from bench.http_work import bodies, post
from bench.rig import (
    EventReader,
    Gateway,
    Smsc,
    Work,
    cpu_s,
    free_port,
    http_load,
    ini,
    rss_mb,
    scratch,
    smsc,
    switches,
)

DELAYS_MS: Final = (0, 20, 100)
WINDOW: Final = 1_000
EVENTS_EACH: Final = 2
COUNT: Final = 10_000
NAME: Final = "drain of a backlog, SMSC answers after {} ms"


def main(work: Work) -> list[Line]:
    """Measure the drain at each delay."""
    found = []
    for delay_ms in DELAYS_MS:
        with scratch() as folder:
            run = of_kannel if work.peer else of_gateway
            figures = run(work, folder, delay_ms)
        found.append(Line(name=NAME.format(delay_ms), **figures))
    return found


def of_gateway(work: Work, folder: Path, delay_ms: int) -> dict[str, Any]:
    """Drain a gateway's backlog."""
    count, port = work.count(COUNT), free_port()
    gateway = Gateway(
        folder, ini(port, receipts=False, window=WINDOW), work.tree, wait=False
    )
    try:
        post(gateway.port, bodies("drain", count))
        reader = EventReader(gateway)
        with smsc(
            folder, port, receipts=False, delay_ms=delay_ms, tools=work.tools
        ) as sink:
            spent_s = gateway.cpu_s()
            # one event of each message (accepted) was before the reader came
            reader.await_count(count * (EVENTS_EACH - 1))
            spent_s = gateway.cpu_s() - spent_s
        reader.end()
        return {
            "rate": rate_of(sink, count, delay_ms),
            "cpu_us": spent_s / count * 1e6,
            "rss_mb": gateway.rss_mb(),
        }
    finally:
        gateway.stop()


def of_kannel(work: Work, folder: Path, delay_ms: int) -> dict[str, Any]:
    """Drain Kannel's backlog."""
    count, port = work.count(COUNT), free_port()
    with kannel.running(folder, work.peer, port, WINDOW) as boxes:
        options = ["--path", kannel.send_path(None), "--conns", "8"]
        options += ["--prefix", "7", "--count", str(count)]
        http_load(work.tools, boxes.sendsms, options)
        with smsc(
            folder, port, receipts=False, delay_ms=delay_ms, tools=work.tools
        ) as sink:
            spent_s = cpu_s(*boxes.pids)
            await_silence(sink)
            spent_s = cpu_s(*boxes.pids) - spent_s
        return {
            "rate": rate_of(sink, count, delay_ms),
            "cpu_us": spent_s / count * 1e6,
            "rss_mb": rss_mb(*boxes.pids),
        }


def rate_of(sink: Smsc, count: int, delay_ms: int) -> float:
    """Return messages per second, from the first submit_sm to the last answer."""
    final = sink.final()
    if final["submits"] != count:
        raise RuntimeError(f"{final['submits']} submit_sm for {count} messages")
    return count / (final["span_s"] + delay_ms / 1000)


def await_silence(sink: Smsc, limit_s: float = 120.0) -> None:
    """Wait until the SMSC hears nothing for two seconds, after it has heard much."""
    began = last_at = time.monotonic()
    first = seen = switches(sink.process.pid)
    while time.monotonic() - last_at < 2.0 or seen - first < 20:
        time.sleep(0.05)
        now = switches(sink.process.pid)
        if now - seen > 2:
            last_at, seen = time.monotonic(), now
        if time.monotonic() - began > limit_s:
            raise TimeoutError("the backlog does not end")
