"""HTTP load over keep-alive connections, where the C one is not at hand.

The options, the templates and the JSON that it prints are those of ``http_load``:
``{id}`` in ``--path`` and ``--body`` is the prefix and ten digits, ``{text}`` that word
filled up to ``--length`` octets; one request at a time on each connection.  ``--log``:
for each request ``sent-ns answered-ns word status`` (monotonic clock).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

FILLER: Final = "+position+55.7558+37.6173+speed+0+sats+11"


def filled(template: str, word: str, length: int) -> str:
    """Return a template with its marks filled in."""
    if "{text}" in template:
        missing = max(0, length - len(word))
        filler = (FILLER * (missing // len(FILLER) + 1))[:missing]
        template = template.replace("{text}", word + filler)
    return template.replace("{id}", word)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of numbers in order; 0 of none."""
    return ordered[int((len(ordered) - 1) * share)] if ordered else 0.0


class Load:
    """All requests: which is next, when each was sent and answered."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.sent_ns: list[int] = []
        self.answered_ns: dict[int, int] = {}
        self.statuses: dict[int, int] = {}
        self.over: asyncio.Event = asyncio.Event()
        self.idle: list[Connection] = []
        self.began_ns = time.monotonic_ns()

    def request(self, number: int) -> bytes:
        """Return the octets of one request, counted from 1."""
        options = self.options
        word = f"{options.prefix}{number:010}"
        path = filled(options.path, word, options.length)
        head = f"Host: {options.host}:{options.port}\r\n"
        if not options.body:
            return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()
        body = filled(options.body, word, options.length).encode()
        head += f"Content-Type: {options.type}\r\nContent-Length: {len(body)}\r\n"
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body

    def next(self) -> int | None:
        """Return the number of the next request, or None when none may go now."""
        number = len(self.sent_ns) + 1
        if number > self.options.count:
            return None
        if self.options.rate:
            due_ns = self.began_ns + int((number - 1) / self.options.rate * 1e9)
            if time.monotonic_ns() < due_ns:
                return None
        self.sent_ns.append(time.monotonic_ns())
        return number

    def answered(self, number: int, status: int) -> None:
        """Note an answer; status -1: the connection was lost."""
        self.answered_ns[number] = time.monotonic_ns()
        self.statuses[number] = status
        if len(self.statuses) == self.options.count:
            self.over.set()

    async def pace(self) -> None:
        """Wake idle connections when a rate allows another request."""
        while not self.over.is_set():
            await asyncio.sleep(0.001)
            waiting, self.idle = self.idle, []
            for connection in waiting:
                connection.send()

    def report(self) -> dict[str, Any]:
        """Return what is printed."""
        good = [n for n, status in self.statuses.items() if 200 <= status < 300]
        times = sorted((self.answered_ns[n] - self.sent_ns[n - 1]) / 1e3 for n in good)
        lost = sum(status < 0 for status in self.statuses.values())
        last = max(self.answered_ns.values(), default=0)
        seconds = (last - self.sent_ns[0]) / 1e9 if last else 0.0
        return {
            "sent": len(self.sent_ns),
            "ok": len(good),
            "errors": len(self.statuses) - len(good) - lost,
            "lost": lost,
            "unanswered": len(self.sent_ns) - len(self.statuses),
            "seconds": seconds,
            "rate": len(good) / seconds if seconds else 0.0,
            "p50_us": quantile(times, 0.5),
            "p90_us": quantile(times, 0.9),
            "p99_us": quantile(times, 0.99),
            "max_us": quantile(times, 1.0),
        }

    def log(self) -> str:
        """Return the log of all requests."""
        return "".join(
            f"{sent} {self.answered_ns.get(number, 0)} "
            f"{self.options.prefix}{number:010} {self.statuses.get(number, 0)}\n"
            for number, sent in enumerate(self.sent_ns, 1)
        )


def is_whole(head: bytes, body: bytes) -> bool:
    """Tell whether all of an answer is there; `head` in lower case."""
    if b"\r\ntransfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    _, named, length = head.partition(b"\r\ncontent-length:")
    return bool(named) and len(body) >= int(length.split(b"\r\n")[0])


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    transport: asyncio.Transport

    def __init__(self, load: Load) -> None:
        self.load = load
        self.number: int | None = None
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self.transport = transport
        self.send()

    def send(self) -> None:
        """Send the next request, or wait for its time."""
        self.number = self.load.next()
        if self.number is None:
            self.load.idle.append(self)
            return
        self.transport.write(self.load.request(self.number))

    def data_received(self, data: bytes) -> None:
        """Hear an answer."""
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found or not is_whole(head.lower(), body):
            return
        self.received = b""
        if self.number is not None:
            self.load.answered(self.number, int(head.split(b" ", 2)[1]))
        self.send()

    def connection_lost(self, reason: Exception | None) -> None:
        """Count a request without an answer as lost."""
        if self.number is not None and self.number not in self.load.statuses:
            self.load.answered(self.number, -1)


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """Read the options; raise `SystemExit` when they are wrong."""
    parser = argparse.ArgumentParser(prog="bench.load")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/")
    parser.add_argument("--body")
    parser.add_argument("--type", default="application/x-www-form-urlencoded")
    parser.add_argument("--conns", type=int, default=16)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--length", type=int, default=45)
    parser.add_argument("--prefix", default="M")
    parser.add_argument("--timeout", type=float, default=30.0)
    parser.add_argument("--log")
    return parser.parse_args(words)


async def run(options: argparse.Namespace) -> int:
    """Send everything; return 0 when all answers were good."""
    load = Load(options)
    loop = asyncio.get_running_loop()
    for _ in range(options.conns):
        await loop.create_connection(
            lambda: Connection(load), options.host, options.port
        )
    pacing = asyncio.ensure_future(load.pace()) if options.rate else None
    expected_s = options.count / options.rate if options.rate else options.count / 50
    try:
        await asyncio.wait_for(load.over.wait(), expected_s + options.timeout)
    except TimeoutError:
        print("not all requests were answered", file=sys.stderr)
    if pacing is not None:
        pacing.cancel()
    report = load.report()
    print(json.dumps(report), flush=True)
    if options.log:
        with open(options.log, "w", encoding="ascii") as out:
            out.write(load.log())
    return 0 if report["ok"] == options.count else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(run(parsed(sys.argv[1:]))))
