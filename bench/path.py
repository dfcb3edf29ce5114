"""The whole path: HTTP batches → journal → SMSC sink → receipts → events.

One gateway process, its journal fsynced; three events per message.  CPU is the
gateway's own, by the kernel's account.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time
from typing import Any

from bench.rig import Gateway, free_port, scratch, smsc

COUNT = 10_000
RUNS = 3
BATCH = 500

INI = """\
[gateway]
name = bench
home_country = RU
journal = sqlite:///journal.sqlite
log_level = warn

[smpp:sink]
host = 127.0.0.1
port = {port}
system_id = bench
password = bench
window = 200
receipts = {receipts}
"""


def batches(run: int) -> list[bytes]:
    """Return the bodies of one run: COUNT messages to COUNT numbers."""
    messages: list[dict[str, Any]] = [
        {
            "id": f"r{run}-{n}",
            "to": f"+7916{n:07}",
            "from": "GdeMoi",
            "text": f"setparam {n:08};server gps.example.org:2004",
        }
        for n in range(COUNT)
    ]
    return [
        json.dumps(messages[start : start + BATCH]).encode()
        for start in range(0, COUNT, BATCH)
    ]


def post(port: int, bodies: list[bytes]) -> None:
    """Hand the batches in over one connection; all must be taken."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in bodies:
        connection.request("POST", "/v1/messages", body)
        answer = connection.getresponse()
        taken = json.load(answer)
        if answer.status != 202 or any("error" in one for one in taken):
            raise RuntimeError(f"{answer.status} {taken[:1]}")


def run(receipts: bool) -> tuple[float, float, str]:
    """Return messages per second, CPU µs per message, and which SMSC it was."""
    rates, costs = [], []
    with scratch() as folder:
        port = free_port()
        with smsc(folder, port, receipts=receipts) as what:
            gateway = Gateway(
                folder,
                INI.format(port=port, receipts="final" if receipts else "none"),
            )
            events_each = 3 if receipts else 2
            for number in range(RUNS + 1):
                bodies = batches(number)
                base, cpu_s = gateway.last_event(), gateway.cpu_s()
                began = time.monotonic()
                post(gateway.port, bodies)
                gateway.await_event(base + COUNT * events_each)
                if number:  # the first run warms up
                    rates.append(COUNT / (time.monotonic() - began))
                    costs.append((gateway.cpu_s() - cpu_s) / COUNT * 1e6)
            gateway.stop()
    return statistics.median(rates), statistics.median(costs), what


def main() -> list[tuple[str, float, str, float | None]]:
    """Return the rows of the table."""
    rows: list[tuple[str, float, str, float | None]] = []
    for receipts in (True, False):
        rate, cost_us, what = run(receipts)
        kind = "with receipts" if receipts else "no receipts"
        rows.append((f"HTTP → {what}, {kind}: messages", rate, "msg/s", None))
        budget = 250.0 if receipts else None
        rows.append((f"HTTP → {what}, {kind}: gateway CPU", cost_us, "µs/msg", budget))
    return rows


if __name__ == "__main__":
    for name, value, unit, budget in main():
        print(f"{name:55} {value:10.1f} {unit} (budget {budget})")
