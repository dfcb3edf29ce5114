"""``make chaos``: gateways under load while everything around them fails.

So many messages go into four real gateways (two on SQLite, one of them with a GoIP
box; two on one PostgreSQL journal) by HTTP and AMQP.  Half of them are commands (held
when nobody knows), half notifications (sent again).  So many faults are spread over as
many minutes.  Then what was accepted, what came to the far sides and what was told in
events is compared; the table says for each kind of fault what came of it.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import define, field

from bench.amqp_work import ADDRESS
from bench.figures import NEEDS
from bench.rig import listens, need_broker, scratch
from chaos import faults, schedule
from chaos.books import Blame, Books, Fault, Row, Span, table
from chaos.load import (
    AmqpReader,
    AmqpStream,
    HttpReader,
    HttpStream,
    Stream,
    Worker,
    until,
)
from chaos.rig import POSTGRES, Box, Node, nodes
from chaos.wire import aired, arrival

FAULTS: Final = 200
MESSAGES: Final = 100_000
MINUTES: Final = 10.0
# --short: every kind once or more, and over in a minute and a half
SHORT: Final = {"faults": 28, "messages": 3_500, "minutes": 0.5, "seed": 3}
EACH: Final = 3
# hold, receipt_ttl and resends, several times over; on a busy machine GSM lines that
# were not answered in time rest for 40 s and more
SETTLE_S: Final = 240.0
WORDS: Final = ("lost", "doubled", "changed", "gap", "finals", "failed")
SHOWN: Final = 10


class Lane(Worker):
    """Lets the faults of one gateway happen, one after the other."""

    def __init__(
        self, node: Node, all_nodes: Sequence[Node], planned: Sequence[schedule.Planned]
    ) -> None:
        super().__init__(f"{node.name} faults")
        self.node, self.all_nodes, self.planned = node, all_nodes, planned
        self.spans: list[Span] = []

    def work(self) -> None:
        """Begin and end each in its time."""
        began = time.monotonic()
        for one in self.planned:
            if self.ended.wait(max(0.0, began + one.at_s - time.monotonic())):
                return
            fault = faults.BY_NAME[one.kind]
            begun = time.monotonic()
            fault.begin(self.node, self.all_nodes)
            self.ended.wait(one.lasts_s)
            fault.end(self.node, self.all_nodes)
            concerned = fault.concerned(self.node, self.all_nodes)
            places = [self.all_nodes.index(node) for node in concerned]
            self.spans.append(Span(one.kind, places, begun, time.monotonic()))


class Supervisor(Worker):
    """Starts anew what ended by itself, as systemd would, and counts it."""

    def __init__(self, all_nodes: Sequence[Node]) -> None:
        super().__init__("supervisor")
        self.all_nodes = all_nodes
        self.found: Counter[str] = Counter()

    def work(self) -> None:
        """Look twice a second."""
        while not self.ended.wait(0.5):
            for node in self.all_nodes:
                status = node.supervise()
                if status is not None:
                    self.found[f"{node.name} ended with {status}"] += 1


@define
class Run:
    """One run: what it was, and what came of it."""

    books: Books
    owners: list[int]
    spans: list[Span] = field(factory=list)
    complaints: list[str] = field(factory=list)
    ended: Counter[str] = field(factory=Counter)
    found: list[Fault] = field(factory=list)
    stories: list[str] = field(factory=list)
    taken: Counter[str] = field(factory=Counter)
    again: Counter[str] = field(factory=Counter)
    seconds: float = 0.0
    lives: int = 0

    @property
    def is_good(self) -> bool:
        """Tell whether every promise was kept."""
        return not self.found and not self.complaints

    def rows(self) -> dict[str, Row]:
        """Return the table."""
        return table(self.books, self.found, self.spans, self.owners)


def ways(all_nodes: Sequence[Node]) -> list[tuple[Node, type[Stream]]]:
    """Return the streams: by HTTP, and by AMQP where there is a broker.

    `EACH` of a kind at once; a GoIP, whose SIMs are slow, has one.
    """
    found: list[tuple[Node, type[Stream]]] = []
    for node in all_nodes:
        times = 1 if isinstance(node.far, Box) else EACH
        found += [(node, HttpStream)] * times
        if node.broker is not None:
            found += [(node, AmqpStream)] * times
    return found


def run(
    folder: Path,
    *,
    count: int,
    fault_count: int,
    seconds: float,
    seed: int,
    only: Sequence[str] = (),
    told: bool = False,
) -> Run:
    """Run load and faults; wait for the end of every message; compare."""
    began = time.monotonic()
    with nodes(folder) as all_nodes:
        streams = ways(all_nodes)
        books = Books(count, len(streams))
        made = Run(books, [all_nodes.index(node) for node, _ in streams])
        readers = _readers(all_nodes, books)
        lanes = _lanes(all_nodes, fault_count, seconds, seed, only)
        supervisor = Supervisor(all_nodes)
        ends_at = time.monotonic() + 1.5 * seconds
        load = [
            kind(node, number, books, count / len(streams) / seconds, ends_at)  # type: ignore[arg-type]
            for number, (node, kind) in enumerate(streams)
        ]
        workers: list[Worker] = [*readers, supervisor, *load, *lanes]
        for worker in workers:
            worker.start()
        _watch([*load, *lanes], books, told)
        until(lambda: not books.open(), SETTLE_S, 0.5)
        _await_queues(all_nodes, made.complaints)
        made.stories = _stories(all_nodes, made)
        supervisor.ended.set()
        for worker in workers:
            worker.ended.set()
        for worker in workers:
            worker.join(60)
            made.complaints += worker.complaints
            if worker.failure:
                made.complaints.append(worker.failure)
        for one in load:
            made.taken[one.name] += one.taken
            made.again[one.name] += one.again
        for lane in lanes:
            made.spans += lane.spans
        for node in all_nodes:
            if status := node.stop():
                made.complaints.append(f"{node.name}: SIGTERM, and status {status}")
            _arrived(books, node, made.complaints)
        made.ended, made.found = supervisor.found, books.close()
        made.lives = sum(node.lives for node in all_nodes)
    made.seconds = time.monotonic() - began
    return made


def _readers(all_nodes: Sequence[Node], books: Books) -> list[Worker]:
    """Return who reads events: HTTP at each gateway, and the queues there are."""
    found: list[Worker] = []
    queues: set[str] = set()
    for node in all_nodes:
        found.append(HttpReader(node, books.telling(f"{node.name} /v1/events")))
        if node.broker is not None and node.broker.prefix not in queues:
            queues.add(node.broker.prefix)
            telling = books.telling(f"{node.name} status queue", at_least_once=True)
            found.append(AmqpReader(node, telling))
    return found


def _lanes(
    all_nodes: Sequence[Node],
    count: int,
    seconds: float,
    seed: int,
    only: Sequence[str],
) -> list[Lane]:
    """Return the lanes with their faults."""
    kinds = {place: faults.kinds(node, only) for place, node in enumerate(all_nodes)}
    planned = schedule.plan(kinds, count, seconds, seed)
    return [
        Lane(node, all_nodes, [one for one in planned if one.lane == place])
        for place, node in enumerate(all_nodes)
    ]


def _watch(working: Sequence[Worker], books: Books, told: bool) -> None:
    """Wait until load and faults are over; tell now and then how far they are."""
    began = looked = time.monotonic()
    while any(worker.is_alive() for worker in working):
        time.sleep(0.2)
        now = time.monotonic()
        if told and now - looked >= 30:
            looked = now
            taken = sum(one.taken for one in working if isinstance(one, Stream))
            done = sum(len(one.spans) for one in working if isinstance(one, Lane))
            print(f"{now - began:6.0f} s: {done} faults, {taken:,} taken", flush=True)


def _await_queues(all_nodes: Sequence[Node], complaints: list[str]) -> None:
    """Wait until all queues are empty; what is invalid was not sent by us."""
    for node in all_nodes:
        if (broker := node.broker) is None:
            continue
        for word in ("outbound", "status"):
            if not until(lambda b=broker, w=word: b.waiting(w) <= 0, 30.0):  # type: ignore[misc]
                waiting = broker.waiting(word)
                complaints.append(f"{node.name}: {waiting} left in {word}")
        if (invalid := broker.waiting("invalid")) > 0:
            complaints.append(f"{node.name}: {invalid} in the queue of the invalid")


def _stories(all_nodes: Sequence[Node], made: Run) -> list[str]:
    """Return what the gateways say of messages that did not end."""
    found = []
    for number in made.books.open()[:SHOWN]:
        node = all_nodes[made.owners[number % made.books.streams]]
        url = f"http://127.0.0.1:{node.port}/v1/messages/x-{number}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                found.append(json.dumps(json.load(answer)))
        except (OSError, urllib.error.URLError, ValueError) as fault:
            found.append(f"x-{number}: {fault!r}")
    return found


def _arrived(books: Books, node: Node, complaints: list[str]) -> None:
    """Put what came to a far side into the books."""
    node.far.kill()
    read = aired if isinstance(node.far, Box) else arrival
    for line in node.far.arrivals():
        try:
            books.arrived(read(line))
        except ValueError as fault:
            complaints.append(f"{node.name}: {fault}")


# what is printed


HEAD: Final = ("fault", "times", "messages", "uncertain", "sent again", *WORDS)


def cells(name: str, row: Row) -> list[str]:
    """Return one line of the table."""
    numbers = [row.times, row.messages, row.uncertain, row.repeated]
    return [
        name,
        *(f"{number:,}" for number in numbers + [row.faults[w] for w in WORDS]),
    ]


def printed(made: Run) -> str:
    """Return the table, and whatever else is to be said."""
    rows = made.rows()
    total = Row()
    for row in rows.values():
        total.times += row.times
        total.messages += row.messages
        total.uncertain += row.uncertain
        total.repeated += row.repeated
        total.faults += row.faults
    lines = [cells(name, rows[name]) for name in sorted(rows)]
    lines = [list(HEAD), *lines, cells("all", total)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEAD))]
    shown = [
        "  ".join(
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    ends = ", ".join(f"{n:,} {state}" for state, n in made.books.ends().most_common())
    shown.append(f"ended: {ends}; {made.lives} lives of gateways")
    shown.append(
        f"{made.seconds:.0f} s; each message stands with the fault that it met"
    )
    ways_in = [f"{name} {n:,} ({made.again[name]:,})" for name, n in made.taken.items()]
    shown.append(f"taken (and handed in again): {', '.join(ways_in)}")
    if made.ended:
        shown.append(f"ended by itself and started anew: {dict(made.ended)}")
    blame = Blame(made.spans, max(made.owners) + 1)
    for one in made.found[:SHOWN]:
        owner = made.owners[one.number % made.books.streams]
        after = blame.kind(owner, one.at_s)
        shown.append(f"WRONG: x-{one.number} ({after}): {one.what}: {one.detail}")
    shown += [f"WRONG: {one}" for one in made.complaints[:SHOWN]]
    shown += made.stories
    return "\n".join(shown)


def options(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; raise `SystemExit` when it is wrong."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=FAULTS)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--seed", type=int, default=0, help="0: another each time")
    known = ", ".join(faults.BY_NAME)
    parser.add_argument(
        "--only", action="append", default=[], metavar="FAULT", help=known
    )
    parser.add_argument("--short", action="store_true", help="as .ci/run does")
    parser.add_argument("--keep", type=Path, help="a folder for files, left there")
    asked = parser.parse_args(words)
    if unknown := set(asked.only) - set(faults.BY_NAME):
        parser.error(f"{sorted(unknown)}; there are {known}")
    if asked.short:
        vars(asked).update(SHORT)
    return asked


def main(words: Sequence[str]) -> int:
    """Run it; return 1 when a promise was broken."""
    asked = options(words)
    need_broker(ADDRESS)
    if not listens(POSTGRES):
        raise SystemExit(f"{NEEDS}PostgreSQL; none is at 127.0.0.1:{POSTGRES}")
    # what is mounted, made and started is taken away again
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    seed = asked.seed or time.time_ns() % 1_000_000
    print(f"seed {seed}", flush=True)
    with scratch() as folder:
        if asked.keep:
            folder = asked.keep.resolve()
            folder.mkdir(parents=True)
        made = run(
            folder,
            count=asked.messages,
            fault_count=asked.faults,
            seconds=60 * asked.minutes,
            seed=seed,
            only=asked.only,
            told=True,
        )
    print(printed(made))
    return 0 if made.is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
