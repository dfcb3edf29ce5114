"""HTTP → journal → SMSC → receipts → events: one request per message, and batches.

One gateway process, its journal fsynced, three events per message, which a platform
reads by ``GET /v1/events`` while they come.  A line's rate counts from the first
request to the last event read.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any, Final

from bench import kannel
from bench.figures import Line
from bench.rig import (
    EventReader,
    Gateway,
    Work,
    free_port,
    http_load,
    ini,
    milliseconds,
    running,
    scratch,
    smsc,
)

BATCH: Final = 500
EVENTS_EACH: Final = 3
WARM: Final = 1_000
BODY: Final = (
    '{"id":"%s-{id}","to":"+{id}","from":"GdeMoi","class":"command","text":"{text}"}'
)
ONE_EACH: Final = "HTTP, one request per message, {} connections"
TARGETS: Final[dict[int, dict[str, float]]] = {
    8: {"rate": 3_000, "cpu_us": 250},
    64: {"rate": 5_000, "cpu_us": 220, "p99_ms": 50},
}
Sender = Callable[[Gateway, int, str], dict[str, float]]


def measured(
    work: Work, count: int, send: Sender, *, receipts: bool = True
) -> dict[str, Any]:
    """Run one load through a warm gateway; return the figures of a line."""
    each = EVENTS_EACH if receipts else EVENTS_EACH - 1
    port = free_port()
    with scratch() as folder, smsc(folder, port, receipts=receipts, tools=work.tools):
        text = ini(port, receipts=receipts)
        with running(folder, text, work.tree) as gateway:
            reader = EventReader(gateway)
            warm = work.count(WARM)
            send(gateway, warm, "warm")
            reader.await_count(warm * each)
            cpu_s, began = gateway.cpu_s(), time.monotonic()
            found = send(gateway, count, "run")
            ended = reader.await_count((warm + count) * each)
            spent_s = gateway.cpu_s() - cpu_s
            reader.end()
            return {
                "rate": count / (ended - began),
                "cpu_us": spent_s / count * 1e6,
                "rss_mb": gateway.rss_mb(),
                **found,
            }


def one_each(work: Work, connections: int) -> list[Line]:
    """Measure one request per message."""
    name = ONE_EACH.format(connections)
    if work.peer:
        count = work.count(6_000)
        return [Line(name=name, **kannel.http_work(work, count, connections))]

    def send(gateway: Gateway, count: int, run: str) -> dict[str, float]:
        options = ["--path", "/v1/messages", "--type", "application/json"]
        options += ["--conns", str(connections), "--count", str(count)]
        options += ["--prefix", "7", "--body", BODY % run]
        return milliseconds(http_load(work.tools, gateway.port, options))

    figures = measured(work, work.count(6_000), send)
    return [Line(name=name, target=TARGETS[connections], **figures)]


def with_8(work: Work) -> list[Line]:
    """Measure one request per message over 8 connections."""
    return one_each(work, 8)


def with_64(work: Work) -> list[Line]:
    """Measure one request per message over 64 connections."""
    return one_each(work, 64)


def bodies(run: str, count: int, to: int = 0) -> list[bytes]:
    """Return batches of so many messages, each to a number of its own."""
    messages = [
        {
            "id": f"{run}-{n}",
            "to": f"+7916{to + n:07}",
            "from": "GdeMoi",
            "class": "command",
            "text": f"setparam {n:08};server gps.example.org:2004",
        }
        for n in range(count)
    ]
    return [
        json.dumps(messages[start : start + BATCH]).encode()
        for start in range(0, count, BATCH)
    ]


def post(port: int, batches: list[bytes]) -> None:
    """Hand batches in over one connection; all must be taken."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in batches:
        connection.request("POST", "/v1/messages", body)
        answer = connection.getresponse()
        taken = answer.read()
        if answer.status != 202 or b'"error"' in taken:
            raise RuntimeError(f"{answer.status} {taken[:200]!r}")
    connection.close()


def in_batches(work: Work) -> list[Line]:
    """Measure batches of 500, with receipts and without."""
    count = work.count(10_000)
    made = {
        run: bodies(run, n) for run, n in (("warm", work.count(WARM)), ("run", count))
    }

    def send(gateway: Gateway, _: int, run: str) -> dict[str, float]:
        post(gateway.port, made[run])
        return {}

    name = f"HTTP, batches of {BATCH}"
    target = {"rate": 8_000, "cpu_us": 110}
    return [
        Line(name=name, target=target, **measured(work, count, send)),
        Line(
            name=f"{name}, no receipts", **measured(work, count, send, receipts=False)
        ),
    ]
