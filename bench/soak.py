"""``make soak``: a gateway under a steady rate and steady faults, until it is boring.

So many messages go in over HTTP at so many per second.  Meanwhile the SMSC hangs up in
the middle of its window every few seconds, clients send half requests and leave, post
what is no message, and abandon event streams.  Messages are kept for a sixth of the
run, so that retention deletes as fast as messages come.

Three things are judged.  The books: every message has one final event, no gap and no
repeat in its `seq`, and has been at the SMSC once; never only if it was told as
uncertain, more often only if it asked for that (``on_unsure`` = resend).  The process:
memory, file handles, threads, rows and files are no more at the end than in the middle.
The start: the same journal is opened again within 5 s.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from bench import goip, soak_codec, soak_smpp
from bench.__main__ import positive
from bench.figures import is_kept
from bench.rig import (
    EventReader,
    Gateway,
    Work,
    build_tools,
    free_port,
    ini,
    open_files,
    running,
    scratch,
    smsc,
    threads,
)
from bench.startup import STARTS, TARGET_S, started

COUNT: Final = 1_000_000
RATE: Final = 1_000.0
# the SMSC hangs up that often
HANG_UP_S: Final = 5.0
# its delay: something is under way when it hangs up
ANSWER_MS: Final = 20
BATCHES_PER_S: Final = 20
UNSURE_S, RECEIPT_S = 2, 10
GATEWAY: Final = """\
journal_keep = {keep}s
unsure_hold = {unsure}s
receipt_ttl = {receipt}s
resend_first = 1s
"""


# the books


@define
class Books:
    """What was told of each message, by its number."""

    count: int
    seqs: bytearray = field(init=False)
    finals: bytearray = field(init=False)
    states: Counter[str] = field(factory=Counter)
    uncertain: set[int] = field(factory=set)
    wrong: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.seqs, self.finals = bytearray(self.count), bytearray(self.count)

    def heard(self, event: Mapping[str, Any]) -> None:
        """Take a status event; other kinds are passed over."""
        if event.get("type") != "status":
            return
        number = int(event["id"].removeprefix("s-"))
        if event["seq"] != self.seqs[number] + 1:
            self.wrong.append(
                f"{event['id']}: {self.seqs[number]}, then {event['seq']}"
            )
        self.seqs[number] = event["seq"]
        if event["final"]:
            self.states[event["state"]] += 1
            if event["state"] == "uncertain":
                self.uncertain.add(number)
            self.finals[number] += 1

    def over(self) -> int:
        """Return how many messages have come to their end."""
        return self.count - self.finals.count(0)

    def close(self, arrivals: Mapping[int, int]) -> list[str]:
        """Compare with what came to the SMSC; return all that is wrong."""
        found = list(self.wrong)
        for number in range(self.count):
            times = arrivals.get(number, 0)
            if self.finals[number] != 1:
                found.append(f"s-{number}: {self.finals[number]} final events")
            # what was told as uncertain may have been lost with the connection
            if times == 0 and number not in self.uncertain:
                found.append(f"s-{number}: never came to the SMSC")
            if times > 1 and not may_be_repeated(number):
                found.append(f"s-{number}: {times} times at the SMSC")
        return found


def may_be_repeated(number: int) -> bool:
    """Tell whether a message asks to be sent again when nobody knows."""
    return number % 4 == 0


def message(number: int) -> dict[str, Any]:
    """Return a message; every fourth may be repeated."""
    found = {
        "id": f"s-{number}",
        "to": f"+7916{number % 10_000_000:07}",
        "from": "GdeMoi",
        "class": "command",
        "text": f"s-{number} setparam 2004;server gps.example.org",
    }
    return found | {"on_unsure": "resend"} if may_be_repeated(number) else found


def arrivals_in(lines: Iterable[str]) -> Counter[int]:
    """Count how often each message came to the SMSC, by its log."""
    found: Counter[int] = Counter()
    for line in lines:
        text = bytes.fromhex(line.split()[6])
        found[int(text[2 : text.index(b" ")])] += 1
    return found


# what must stay flat


@frozen
class Sample:
    """What was seen of the process at one moment."""

    at_s: float
    rss_mb: float
    files: int
    threads: int
    journal_mb: float
    wal_mb: float
    stored: int
    backlog: int


@frozen
class Flat:
    """How much a figure may grow from the middle of a run to its end."""

    name: str
    share: float
    slack: float


FLAT: Final = (
    Flat("rss_mb", 0.05, 4.0),
    Flat("files", 0.0, 8.0),
    Flat("threads", 0.0, 2.0),
    Flat("journal_mb", 0.10, 4.0),
    Flat("wal_mb", 0.50, 16.0),
    Flat("stored", 0.15, 2_000.0),
)


def growth(samples: Sequence[Sample], name: str) -> tuple[float, float]:
    """Return the medians of a figure in the middle of the run and at its end."""
    numbers = [float(getattr(sample, name)) for sample in samples]
    tenth = max(1, len(numbers) // 10)
    middle = numbers[4 * tenth : 6 * tenth] or numbers
    return statistics.median(middle), statistics.median(numbers[-2 * tenth :])


def risen(samples: Sequence[Sample]) -> list[str]:
    """Return what has grown by more than it may."""
    found = []
    for rule in FLAT:
        middle, end = growth(samples, rule.name)
        if end > middle * (1 + rule.share) + rule.slack:
            found.append(f"{rule.name} grew from {middle:,.1f} to {end:,.1f}")
    return found


# the run


class BookReader(EventReader):
    """Reads all events into the books."""

    def __init__(self, gateway: Gateway, books: Books) -> None:
        self.books = books
        super().__init__(gateway)

    def heard(self, page: bytes) -> int:
        """Take a page."""
        for event in json.loads(page)["events"]:
            self.books.heard(event)
        return super().heard(page)


class Feeder(threading.Thread):
    """Hands messages in at a steady rate, and again what was not taken."""

    def __init__(self, port: int, count: int, rate: float) -> None:
        super().__init__(daemon=True)
        self.port, self.count, self.rate = port, count, rate
        self.sent = self.refused = 0
        self.failure: str | None = None

    def run(self) -> None:
        """Send all batches, each when its time has come."""
        try:
            self._feed()
        except (OSError, http.client.HTTPException, RuntimeError) as fault:
            self.failure = repr(fault)

    def _feed(self) -> None:
        began = time.monotonic()
        size = max(1, int(self.rate / BATCHES_PER_S))
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for first in range(0, self.count, size):
            wait_s = began + first / self.rate - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            batch = [message(n) for n in range(first, min(first + size, self.count))]
            while not self.post(link, json.dumps(batch).encode()):
                self.refused += 1
                time.sleep(0.1)
            self.sent += len(batch)
        link.close()

    def post(self, link: http.client.HTTPConnection, body: bytes) -> bool:
        """Post a batch; return whether it was taken (503: come again)."""
        link.request("POST", "/v1/messages", body)
        answer = link.getresponse()
        told = answer.read()
        if answer.status == 503:
            return False
        if answer.status != 202 or b'"error"' in told:
            raise RuntimeError(f"{answer.status} {told[:200]!r}")
        return True


class Nuisance(threading.Thread):
    """Clients as one would not wish them, once a second each."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.done: Counter[str] = Counter()
        self.ended = threading.Event()
        self._stream: socket.socket | None = None

    def run(self) -> None:
        """Be a nuisance until told to stop."""
        kinds: tuple[Callable[[], None], ...] = (
            self.half_a_request,
            self.no_message,
            self.abandoned_stream,
        )
        while not self.ended.wait(1.0):
            for kind in kinds:
                with contextlib.suppress(OSError):
                    kind()
                    self.done[kind.__name__.replace("_", " ")] += 1

    def _link(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def half_a_request(self) -> None:
        """Promise more than is sent, and leave."""
        head = (
            b"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n"
        )
        with self._link() as link:
            link.sendall(head + b'\r\n[{"id": "s-0", "to"')

    def no_message(self) -> None:
        """Post what cannot be taken."""
        head = (
            b"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 12\r\n"
        )
        with self._link() as link:
            link.sendall(head + b'\r\n{"to": "no"}')
            if b" 422 " not in link.recv(4096):
                raise OSError("not refused")

    def abandoned_stream(self) -> None:
        """Open an event stream, never read it, leave it the next time."""
        if self._stream is not None:
            self._stream.close()
        self._stream = self._link()
        head = (
            b"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream"
        )
        self._stream.sendall(head + b"\r\n\r\n")


def look(gateway: Gateway, began: float) -> Sample:
    """Look at a gateway."""
    process = gateway.process.pid
    files = {one.name: one.stat().st_size for one in gateway.folder.glob("journal*")}
    states = gateway.call("GET", "/v1/status")["messages"]
    return Sample(
        at_s=time.monotonic() - began,
        rss_mb=gateway.rss_mb(),
        files=open_files(process),
        threads=threads(process),
        journal_mb=files.get("journal.sqlite", 0) / 1e6,
        wal_mb=files.get("journal.sqlite-wal", 0) / 1e6,
        stored=sum(states.values()),
        backlog=gateway.channel()["backlog"],
    )


def shown(sample: Sample, over: int) -> str:
    """Return a sample as a line."""
    return (
        f"{sample.at_s:7.0f} s  {over:>10,} over  RSS {sample.rss_mb:6.1f} MB  "
        f"{sample.files} files  {sample.threads} threads  "
        f"journal {sample.journal_mb:6.1f} MB + {sample.wal_mb:5.1f} MB  "
        f"{sample.stored:,} stored  {sample.backlog:,} waiting"
    )


def watch(gateway: Gateway, feeder: Feeder, books: Books, rate: float) -> list[Sample]:
    """Look once a second while messages come; tell a tenth of what is seen."""
    began = time.monotonic()
    limit_s = 3 * books.count / rate + 120
    every = max(1, int(books.count / rate / 20))
    samples: list[Sample] = []
    while feeder.is_alive():
        time.sleep(1.0)
        samples.append(look(gateway, began))
        if len(samples) % every == 0:
            print(shown(samples[-1], books.over()), flush=True)
        if samples[-1].at_s > limit_s:
            raise TimeoutError(f"{feeder.sent} of {books.count} taken")
    if feeder.failure:
        raise RuntimeError(feeder.failure)
    return samples


def await_end(books: Books) -> None:
    """Wait until every message has its final event, or time is up."""
    deadline = time.monotonic() + 4 * (RECEIPT_S + UNSURE_S)
    while books.over() < books.count and time.monotonic() < deadline:
        time.sleep(0.2)


def soak(work: Work, count: int, rate: float) -> list[str]:
    """Run the soak; print what is seen; return what is wrong."""
    keep_s = max(5, int(count / rate / 6))
    settings = GATEWAY.format(keep=keep_s, unsure=UNSURE_S, receipt=RECEIPT_S)
    books, port = Books(count), free_port()
    with scratch() as folder:
        text = ini(port, gateway=settings)
        with (
            smsc(
                folder,
                port,
                receipts=True,
                delay_ms=ANSWER_MS,
                logged=True,
                tools=work.tools,
                drop_after=int(rate * HANG_UP_S),
            ) as sink,
            running(folder, text, work.tree) as gateway,
        ):
            reader = BookReader(gateway, books)
            feeder, nuisance = Feeder(gateway.port, count, rate), Nuisance(gateway.port)
            cpu_s = gateway.cpu_s()
            feeder.start()
            nuisance.start()
            samples = watch(gateway, feeder, books, rate)
            nuisance.ended.set()
            await_end(books)
            cost_us = (gateway.cpu_s() - cpu_s) / count * 1e6
            reader.end()
        wrong = books.close(arrivals_in(sink.log.read_text("ascii").splitlines()))
        wrong += risen(samples)
        seconds = min(started(folder, text, work.tree, 0)[0] for _ in range(STARTS))
    if not is_kept("seconds", seconds, TARGET_S):
        wrong.append(f"the start took {seconds:.1f} s")
    print(f"final states: {dict(books.states)}; {cost_us:.0f} µs of CPU per message")
    print(
        f"the SMSC hung up {int(sink.final()['dropped'])} times; {dict(nuisance.done)}"
    )
    print(f"503, and come again: {feeder.refused}; kept for {keep_s} s")
    for rule in FLAT:
        middle, end = growth(samples, rule.name)
        print(f"{rule.name:12} {middle:12,.1f} in the middle {end:12,.1f} at the end")
    print(f"the start with what is stored then: {seconds:.2f} s")
    return wrong


def of_gateway(asked: argparse.Namespace) -> int:
    """Soak a gateway."""
    with scratch() as folder:
        tools, missing = build_tools(Path(folder))
        if missing:
            print(missing, file=sys.stderr)
        wrong = soak(Work(tools=tools), asked.count, asked.rate)
    for one in wrong[:20]:
        print(f"WRONG: {one}")
    print(f"{asked.count:,} messages, {len(wrong)} faults")
    return 1 if wrong else 0


def of_codec(asked: argparse.Namespace) -> int:
    """Soak the codec with random PDUs; raises when something is wrong."""
    for what, number in sorted(soak_codec.soak(asked.count).items()):
        print(f"{what:30} {number:12,}")
    return 0


def of_smpp(asked: argparse.Namespace) -> int:
    """Soak a bound SMPP channel with random PDUs."""
    return soak_smpp.main(asked.count)


def of_goip(asked: argparse.Namespace) -> int:
    """Soak a GoIP channel over a lossy network."""
    rows = goip.soak(asked.hours)
    for name, value, unit, _ in rows:
        print(f"{name:70} {value:12,.1f} {unit}")
    return any(limit is not None and value > limit for _, value, _, limit in rows)


SOAKS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "gateway": of_gateway,
    "codec": of_codec,
    "smpp": of_smpp,
    "goip": of_goip,
}


def options(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; raise `SystemExit` when it is wrong."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--only", choices=list(SOAKS), default="gateway")
    parser.add_argument("--count", type=int, default=COUNT, help="messages, or PDUs")
    parser.add_argument("--rate", type=positive, default=RATE, help="per second")
    parser.add_argument("--hours", type=positive, default=1.0, help="of a GoIP's time")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Run one soak; return 1 when something is wrong."""
    asked = options(words)
    return SOAKS[asked.only](asked)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
