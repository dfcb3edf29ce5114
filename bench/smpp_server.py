"""The SMPP door: submits accepted and journalled, the whole path, and idle binds.

The load is `smpp_blast`, a client in C, where a checkout has it beside it (see `rig`).
"""

from __future__ import annotations

import json
import shutil
import socket
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.rig import TOOLS, Gateway, free_port, scratch, smsc
from gdemoi.smpp.pdu import pdus

COUNT = 20_000
RUNS = 3
IDLE = 500
IDLE_S = 20.0

INI = """\
[gateway]
name = bench
home_country = RU
journal = sqlite:///journal.sqlite
log_level = warn
backlog_limit = 10000000

[smpp:sink]
host = 127.0.0.1
port = {sink}
system_id = bench
password = bench
window = 200
receipts = final

[account:blast]
class = notification

[smpp-server:door]
listen = tcp:{door}:interface=127.0.0.1
unbound_connections = 1000

[smpp-client:blast]
password = blast
window = 1000
max_binds = 1000
deliver_window = 200
"""


def blast_binary(folder: Path) -> Path | None:
    """Build the load, if its source and a compiler are here."""
    source = TOOLS / "smpp_blast.c"
    if not source.exists() or shutil.which("gcc") is None:
        return None
    binary = folder / "smpp_blast"
    command = ["gcc", "-O2", "-w", f"-I{TOOLS}", "-o", str(binary), str(source)]
    subprocess.run(command, check=True)
    return binary


def blast(binary: Path, port: int, *options: str) -> dict[str, Any]:
    """Submit COUNT messages over two binds; return what the load says of it."""
    told = subprocess.run(
        [
            *(binary, "--port", str(port), "--count", str(COUNT)),
            *("--conns", "2", "--window", "400", *options),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    if found["ok"] != COUNT:
        raise RuntimeError(told.stdout)
    return found


def idle_cpu(gateway: Gateway, port: int) -> float:
    """Return how much of a core IDLE binds cost, in percent."""
    binds = []
    bind = pdus.BindTransceiver(sequence_number=1, system_id="blast", password="blast")
    for _ in range(IDLE):
        one = socket.create_connection(("127.0.0.1", port))
        one.sendall(pdus.encode(bind))
        one.recv(1000)
        binds.append(one)
    time.sleep(2.0)
    before = gateway.cpu_s()
    time.sleep(IDLE_S)
    cost = (gateway.cpu_s() - before) / IDLE_S * 100.0
    for one in binds:
        one.close()
    return cost


def main() -> list[tuple[str, float | str, str, float | None]]:
    """Return the rows of the table."""
    rows: list[tuple[str, float | str, str, float | None]] = []
    with scratch() as folder:
        binary = blast_binary(folder)
        if binary is None:
            return [("SMPP door", f"no smpp_blast.c in {TOOLS}, or no gcc", "", None)]
        sink, door = free_port(), free_port()
        with smsc(folder, sink, receipts=True) as what:
            gateway = Gateway(folder, INI.format(sink=sink, door=door))
            whole = []
            for _ in range(RUNS):
                told = blast(binary, door, "--registered", "1", "--wait-dlr", "10")
                if told["receipts"] < COUNT:
                    raise RuntimeError(f"{told['receipts']} receipts of {COUNT}")
                whole.append(COUNT / told["receipts_after_s"])
            gateway.call("POST", "/v1/channels/sink/pause")
            accepted, costs, latest = [], [], []
            for _ in range(RUNS):
                cpu_s = gateway.cpu_s()
                told = blast(binary, door)
                accepted.append(told["rate"])
                latest.append(told["p99_us"] / 1000)
                costs.append((gateway.cpu_s() - cpu_s) / COUNT * 1e6)
            idle = idle_cpu(gateway, door)
            gateway.stop()
    median = statistics.median
    rows.append(("SMPP door: submit_sm journalled", median(accepted), "msg/s", 4000.0))
    rows.append(("SMPP door: gateway CPU", median(costs), "µs/msg", None))
    rows.append(("SMPP door: answer, p99 at window 800", median(latest), "ms", None))
    rows.append((f"SMPP door → {what} → receipts back", median(whole), "msg/s", None))
    rows.append((f"SMPP door: {IDLE} idle binds", idle, "% core", 1.0))
    return rows


if __name__ == "__main__":
    for name, value, unit, budget in main():
        print(f"{name:45} {value:>12} {unit} (budget {budget})")
