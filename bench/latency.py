"""How soon an HTTP request becomes a submit_sm, at a rate that leaves time to spare."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from bench import kannel
from bench.figures import Line
from bench.http_work import BODY
from bench.rig import (
    Smsc,
    Work,
    cpu_s,
    free_port,
    http_load,
    ini,
    rss_mb,
    running,
    scratch,
    smsc,
    spread,
)

RATES: Final = (10, 100)
SECONDS: Final = 10
NAME: Final = "HTTP request to submit_sm, {}/s"


def main(work: Work) -> list[Line]:
    """Measure each rate."""
    found = []
    for rate in RATES:
        port = free_port()
        with scratch() as folder:
            run = of_kannel if work.peer else of_gateway
            with smsc(
                folder, port, receipts=True, logged=True, tools=work.tools
            ) as sink:
                figures = run(work, folder, port, rate)
            times = latencies(folder / "load.log", sink)
            found.append(Line(name=NAME.format(rate), **figures, **spread(times)))
    return found


def latencies(log: Path, sink: Smsc) -> list[int]:
    """Return how long (ns) each request took to arrive as a submit_sm."""
    arrived = sink.arrivals()
    sent = {}
    for line in log.read_text("ascii").splitlines():
        fields = line.split()
        sent[fields[2]] = int(fields[0])
    return [arrived[word] - at for word, at in sent.items()]


def load_options(work: Work, folder: Path, rate: int, path: str) -> list[str]:
    """Return the options of the load; its texts begin with a word of their own."""
    count = max(50, int(rate * SECONDS * min(1.0, work.size)))
    options = ["--conns", "8", "--rate", str(rate), "--count", str(count)]
    return [*options, "--path", path, "--log", str(folder / "load.log")]


def of_gateway(work: Work, folder: Path, port: int, rate: int) -> dict[str, Any]:
    """Load a gateway."""
    with running(folder, ini(port), work.tree) as gateway:
        options = ["--path", "/v1/messages", "--type", "application/json"]
        warming = ["--count", "100", "--prefix", "71", "--body", BODY % "warm"]
        http_load(work.tools, gateway.port, [*options, *warming])
        options += load_options(work, folder, rate, "/v1/messages")
        options += ["--prefix", "72", "--body", BODY % "run"]
        spent_s = gateway.cpu_s()
        told = http_load(work.tools, gateway.port, options)
        spent_s = gateway.cpu_s() - spent_s
        return _figures(told, spent_s, gateway.rss_mb())


def of_kannel(work: Work, folder: Path, port: int, rate: int) -> dict[str, Any]:
    """Load Kannel."""
    assert work.tools is not None
    with kannel.running(folder, work.peer, port) as boxes:
        boxes.await_link()
        callbacks = kannel.Callbacks(work.tools)
        try:
            path = kannel.send_path(callbacks.port)
            warming = ["--count", "100", "--prefix", "71", "--path", path]
            http_load(work.tools, boxes.sendsms, warming)
            options = load_options(work, folder, rate, path)
            spent_s = cpu_s(*boxes.pids)
            told = http_load(work.tools, boxes.sendsms, [*options, "--prefix", "72"])
            callbacks.await_silence()
            spent_s = cpu_s(*boxes.pids) - spent_s
            return _figures(told, spent_s, rss_mb(*boxes.pids))
        finally:
            callbacks.end()


def _figures(
    told: dict[str, float], spent_s: float, memory_mb: float
) -> dict[str, Any]:
    return {
        "rate": told["rate"],
        "cpu_us": spent_s / told["ok"] * 1e6,
        "rss_mb": memory_mb,
    }
