"""The SMPP door: submits journalled, the whole way there and back, idle binds.

The load is `smpp_blast`, a client in C with a window, of the tools of `rig`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from bench.figures import Line
from bench.rig import TOOLS, Gateway, Work, free_port, ini, running, scratch, smsc
from gdemoi.smpp.pdu import pdus

COUNT: Final = 10_000
IDLE: Final = 500
IDLE_S: Final = 10.0
ACCEPTED: Final = "SMPP door: submit_sm accepted and journalled"
WHOLE: Final = "SMPP door: submit_sm to the SMSC, receipts back"
IDLE_BINDS: Final = f"SMPP door: {IDLE} idle binds"

DOOR: Final = """\
[account:blast]
class = notification

[smpp-server:door]
listen = tcp:{port}:interface=127.0.0.1
unbound_connections = 1000

[smpp-client:blast]
password = blast
window = 1000
max_binds = 1000
deliver_window = 200
"""


def blast_binary(folder: Path) -> str | None:
    """Build the load, if its source and a compiler are here."""
    source = Path(os.environ.get(TOOLS) or "") / "smpp_blast.c"
    if not os.environ.get(TOOLS) or not source.exists() or not shutil.which("gcc"):
        return None
    binary = str(folder / "smpp_blast")
    subprocess.run(["gcc", "-O2", "-w", "-o", binary, str(source)], check=True)
    return binary


def blast(binary: str, port: int, count: int, *options: str) -> dict[str, Any]:
    """Submit messages over two binds; return what the load says of it."""
    told = subprocess.run(
        [
            *(binary, "--port", str(port), "--count", str(count)),
            *("--conns", "2", "--window", "400", *options),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    if found["ok"] != count:
        raise RuntimeError(told.stdout)
    return found


def main(work: Work) -> list[Line]:
    """Measure the whole way, then the door alone, then nothing."""
    count, sink, port = work.count(COUNT), free_port(), free_port()
    with scratch() as folder:
        binary = blast_binary(folder)
        if binary is None:
            why = f"needs smpp_blast.c in {TOOLS}, and gcc"
            return [Line(name=ACCEPTED, failed=why)]
        gateway_keys = "backlog_limit = 10000000\n"
        text = ini(sink, gateway=gateway_keys, more=DOOR.format(port=port))
        with (
            smsc(folder, sink, receipts=True, tools=work.tools),
            running(folder, text, work.tree) as gateway,
        ):
            whole = there_and_back(gateway, binary, port, count)
            # what is taken now stays: the door and the journal alone
            gateway.call("POST", "/v1/channels/sink/pause")
            accepted = accepting(gateway, binary, port, count)
            return [accepted, whole, idling(gateway, port)]


def there_and_back(gateway: Gateway, binary: str, port: int, count: int) -> Line:
    """Submit with receipts; the time counts until the last receipt is there."""
    spent_s = gateway.cpu_s()
    told = blast(binary, port, count, "--registered", "1", "--wait-dlr", "10")
    if told["receipts"] < count:
        raise RuntimeError(f"{told['receipts']} receipts of {count}")
    return Line(
        name=WHOLE,
        rate=count / told["receipts_after_s"],
        cpu_us=(gateway.cpu_s() - spent_s) / count * 1e6,
        rss_mb=gateway.rss_mb(),
    )


def accepting(gateway: Gateway, binary: str, port: int, count: int) -> Line:
    """Submit while the channel is paused."""
    spent_s = gateway.cpu_s()
    told = blast(binary, port, count)
    return Line(
        name=ACCEPTED,
        rate=told["rate"],
        cpu_us=(gateway.cpu_s() - spent_s) / count * 1e6,
        p50_ms=told["p50_us"] / 1000,
        p99_ms=told["p99_us"] / 1000,
        max_ms=told["max_us"] / 1000,
        rss_mb=gateway.rss_mb(),
        target={"rate": 4000.0},
    )


def idling(gateway: Gateway, port: int) -> Line:
    """Hold many binds that do nothing; the value is percent of a core."""
    bind = pdus.BindTransceiver(sequence_number=1, system_id="blast", password="blast")
    binds = []
    for _ in range(IDLE):
        one = socket.create_connection(("127.0.0.1", port))
        one.sendall(pdus.encode(bind))
        one.recv(1000)
        binds.append(one)
    time.sleep(1.0)
    spent_s = gateway.cpu_s()
    time.sleep(IDLE_S)
    spent_s = gateway.cpu_s() - spent_s
    for one in binds:
        one.close()
    return Line(
        name=IDLE_BINDS,
        value=spent_s / IDLE_S * 100.0,
        unit="% of a core",
        rss_mb=gateway.rss_mb(),
        target={"value": 1.0},
    )
