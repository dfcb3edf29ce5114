"""Gateways that share a PostgreSQL journal: batches over HTTP, one and two of them.

Each gateway has an SMPP channel of its own (`owns`) and gets the same number of
messages; one platform reads all events from the first.  They commit one after the
other, on the same machine as the server and the SMSC: the figures say what a commit
costs there, not what more machines would give.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bench.figures import Line
from bench.http_work import BATCH, EVENTS_EACH, WARM, bodies, post
from bench.rig import EventReader, Gateway, Work, free_port, running, scratch, smsc

SERVER: Final = os.environ.get(
    "GDEMOI_POSTGRES", "postgresql://postgres@127.0.0.1:5432"
)
INI: Final = """\
[gateway]
name = bench-{number}
home_country = RU
journal = {journal}
log_level = warn
owns = sink-{number}
"""
CHANNEL: Final = """\
[smpp:sink-{number}]
host = 127.0.0.1
port = {port}
system_id = bench
password = bench
window = 200
receipts = final
"""
ROUTES: Final = """\
[route:{number}]
to = +791{number}*
channels = sink-{number}
"""


@contextmanager
def database() -> Iterator[str]:
    """Make a database, and drop it."""
    import psycopg

    name = f"gdemoi_bench_{secrets.token_hex(6)}"
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{SERVER}/{name}"
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def shared(work: Work, gateways: int) -> Line:
    """Measure so many gateways on one journal."""
    count = work.count(6_000) // gateways
    warm = work.count(WARM) // gateways
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        journal = stack.enter_context(database())
        ports = [free_port() for _ in range(gateways)]
        for port in ports:
            tools = work.tools
            stack.enter_context(smsc(folder, port, receipts=True, tools=tools))
        channels = "".join(
            CHANNEL.format(number=n, port=port) + ROUTES.format(number=n)
            for n, port in enumerate(ports)
        )
        nodes: list[Gateway] = []
        for number in range(gateways):
            (folder / str(number)).mkdir()
            text = INI.format(number=number, journal=journal) + channels
            if number:
                nodes[0].await_channels()
            nodes.append(
                stack.enter_context(running(folder / str(number), text, work.tree))
            )
        return measured(nodes, warm, count)


def measured(nodes: list[Gateway], warm: int, count: int) -> Line:
    """Give each node its messages, and read all events at the first."""
    for node in nodes:
        node.await_channels()
    reader = EventReader(nodes[0])
    send(nodes, "warm", warm)
    total = len(nodes) * count
    reader.await_count(len(nodes) * warm * EVENTS_EACH)
    cpu_s, began = sum(node.cpu_s() for node in nodes), time.monotonic()
    send(nodes, "run", count)
    ended = reader.await_count((len(nodes) * warm + total) * EVENTS_EACH)
    spent_s = sum(node.cpu_s() for node in nodes) - cpu_s
    reader.end()
    several = "1 gateway" if len(nodes) == 1 else f"{len(nodes)} gateways"
    return Line(
        name=f"PostgreSQL, {several}, batches of {BATCH}",
        rate=total / (ended - began),
        cpu_us=spent_s / total * 1e6,
        rss_mb=max(node.rss_mb() for node in nodes),
    )


def send(nodes: list[Gateway], run: str, count: int) -> None:
    """Post to all nodes at once; each message goes by its node's own channel."""
    posting = [
        threading.Thread(
            target=post,
            args=(
                node.port,
                [
                    # the node's digit is the one that the routes look at
                    body.replace(b"+7916", b"+791%d" % number)
                    for body in bodies(f"{run}-{number}", count)
                ],
            ),
        )
        for number, node in enumerate(nodes)
    ]
    for one in posting:
        one.start()
    for one in posting:
        one.join()


def main(work: Work) -> list[Line]:
    """Measure one, then two."""
    return [shared(work, 1), shared(work, 2)]
