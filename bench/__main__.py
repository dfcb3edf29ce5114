"""``make bench``: every benchmark in one table, beside Kannel or another commit.

Each sample runs in a process of its own.  Subjects (this tree, the commit of
``--base``, Kannel) take turns, several samples each, so that what else the machine does
meets all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import asdict, evolve, frozen
from rich.console import Console

from bench import figures, kannel
from bench.figures import OURS, Line
from bench.rig import ROOT, Work, build_tools

SAMPLES: Final = 3
MEMORY_MB: Final = 120.0
LIMIT_S: Final = 900.0
TIDY_S: Final = 20.0
# `gdemoi` and `tests` come from the tree under test, `bench` from this one.
RUN_ONE: Final = """\
import sys
tree, ours, module, function, work = sys.argv[1:]
sys.path.insert(0, tree)
import gdemoi, tests
sys.path[0] = ours
import importlib, json
from attrs import asdict
from bench.rig import Work
measure = getattr(importlib.import_module("bench." + module), function)
lines = measure(Work(**json.loads(work)))
print("\\nLINES " + json.dumps([asdict(line) for line in lines]))
"""


@frozen
class Benchmark:
    """A function of a module that returns lines; `peers`: Kannel can do it too."""

    module: str
    function: str = "main"
    peers: bool = False
    samples: int = SAMPLES


# what ONLY= names, in the order of the table
MODULES: Final[Mapping[str, Benchmark]] = {
    "http8": Benchmark("http_work", "with_8", peers=True),
    "http64": Benchmark("http_work", "with_64", peers=True),
    "batches": Benchmark("http_work", "in_batches"),
    "quorum": Benchmark("amqp_work", "quorum", peers=True),
    "classic": Benchmark("amqp_work", "classic", samples=1),
    "drain": Benchmark("drain", peers=True, samples=2),
    "latency": Benchmark("latency", peers=True, samples=1),
    "amqp-latency": Benchmark("amqp_work", "latencies", samples=1),
    "startup": Benchmark("startup", samples=1),
    "journal": Benchmark("journal"),
    "journal-postgresql": Benchmark("journal", "on_postgresql", samples=1),
    "cluster": Benchmark("cluster", samples=1),
    "smpp": Benchmark("smpp"),
    "smpp-server": Benchmark("smpp_server"),
    "codec": Benchmark("codec", samples=1),
    "amqp": Benchmark("amqp", samples=1),
    "goip": Benchmark("goip", samples=1),
    "calls": Benchmark("calls", samples=1),
}


def options(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; raise `SystemExit` when it is wrong."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--only", type=names, default=list(MODULES), help=", ".join(MODULES)
    )
    parser.add_argument("--peers", action="store_true", help="Kannel beside it")
    parser.add_argument("--base", help="a commit to run beside this tree")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--beside", type=Path, help="show an earlier JSON beside it")
    parser.add_argument("--size", type=positive, default=1.0, help="of every load")
    parser.add_argument("--samples", type=int, help="of each line")
    return parser.parse_args(words)


def names(text: str) -> list[str]:
    """Read names of benchmarks, by blanks or commas; in the order of the table."""
    asked = text.replace(",", " ").split()
    unknown = sorted(set(asked) - set(MODULES))
    if unknown or not asked:
        what = f"no benchmark {', '.join(unknown)}" if unknown else "no benchmark"
        raise argparse.ArgumentTypeError(f"{what}; there are {', '.join(MODULES)}")
    return [name for name in MODULES if name in asked]


def positive(text: str) -> float:
    """Read a number above 0."""
    number = float(text)
    if number <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return number


@frozen
class Subject:
    """A program under test: its name in the table, and the work it is given."""

    name: str
    work: Work


def sample(subject: Subject, benchmark: Benchmark, key: str) -> list[Line]:
    """Measure once; a failure is a line that says why."""
    arguments = [subject.work.tree, str(ROOT), benchmark.module, benchmark.function]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_ONE, *arguments, json.dumps(asdict(subject.work))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, error = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        out, error = "", f"not done after {LIMIT_S:g} s"
    finally:
        if process.poll() is None:
            end(process)
    for line in reversed(out.splitlines()):
        if line.startswith("LINES "):
            found = [Line(**fields) for fields in json.loads(line[6:])]
            return [told_of(subject, one) for one in found]
    why = (error.strip().splitlines() or ["no output"])[-1]
    return [Line(name=key, subject=subject.name, failed=why[:300])]


def end(process: subprocess.Popen[str]) -> None:
    """End a sample with all that it has started, which is of its session.

    It may tidy up first: its folder may hold a journal of a gigabyte.
    """
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.communicate(timeout=TIDY_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def told_of(subject: Subject, line: Line) -> Line:
    """Return a line with its subject, unless it names one; targets are ours only."""
    if line.subject != OURS:
        return line
    target = line.target if subject.name == OURS else {}
    return evolve(line, subject=subject.name, target=target)


def only_good(taken: Sequence[Line]) -> list[Line]:
    """Return lines without the failures of subjects that have succeeded as well."""
    good = {line.subject for line in taken if line.failed is None}
    return [line for line in taken if line.failed is None or line.subject not in good]


def rounds(samples: int, subjects: Sequence[Subject]) -> Iterator[Subject]:
    """Return whose turn it is: all take turns, and each begins a round once."""
    for number in range(samples):
        turn = number % len(subjects)
        yield from (*subjects[turn:], *subjects[:turn])


def measure(
    asked: argparse.Namespace, gateways: Sequence[Subject], peers: Sequence[Subject]
) -> list[Line]:
    """Run what was asked for; return one line per work and subject."""
    found: list[Line] = []
    for key in asked.only:
        benchmark = MODULES[key]
        subjects = [*gateways, *(peers if benchmark.peers else ())]
        count = asked.samples or benchmark.samples
        taken: list[Line] = []
        for subject in rounds(count, subjects):
            print(f"{key}: {subject.name}", file=sys.stderr, flush=True)
            lines = sample(subject, benchmark, key)
            for line in lines:
                if line.failed:
                    print(f"{key}: {line.failed}", file=sys.stderr, flush=True)
            taken += lines
        found += figures.combine(only_good(taken))
    return found


@contextmanager
def checkout(commit: str) -> Iterator[tuple[str, str]]:
    """Give a worktree of a commit, that goes away; with its short name."""
    short = git("rev-parse", "--short", f"{commit}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="gdemoi-base-") as folder:
        tree = f"{folder}/tree"
        git("worktree", "add", "--quiet", "--detach", tree, short)
        try:
            yield tree, short
        finally:
            git("worktree", "remove", "--force", tree)


def git(*arguments: str) -> str:
    """Return what git says; raise `SystemExit` with its complaint."""
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def about(asked: argparse.Namespace, subjects: Sequence[Subject]) -> dict[str, Any]:
    """Return when, where and what was measured."""
    return {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}",
        "python": platform.python_version(),
        "size": asked.size,
        "subjects": [subject.name for subject in subjects],
    }


def peers_here(asked: argparse.Namespace, work: Work) -> list[Subject]:
    """Return Kannel with each of its stores, or say why there is none."""
    if not asked.peers:
        return []
    why = kannel.absent(work.tools)
    if why:
        print(why, file=sys.stderr)
        return []
    return [
        Subject(f"Kannel, {store}", evolve(work, peer=store)) for store in kannel.STORES
    ]


def main(words: Sequence[str]) -> int:
    """Print the table; return 1 when a benchmark failed (not: when it lacks a tool)."""
    asked = options(words)
    earlier = figures.read(asked.beside.read_text("utf-8")) if asked.beside else []
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="gdemoi-tools-")
        )
        tools, missing = build_tools(Path(folder))
        if missing:
            print(missing, file=sys.stderr)
        work = Work(size=asked.size, tools=tools)
        gateways = [Subject(OURS, work)]
        if asked.base:
            tree, short = stack.enter_context(checkout(asked.base))
            gateways.append(Subject(f"base {short}", evolve(work, tree=tree)))
        peers = peers_here(asked, work)
        lines = measure(asked, gateways, peers)
    lines += figures.most_memory(lines, MEMORY_MB)
    if asked.json:
        told = figures.written(lines, about(asked, [*gateways, *peers]))
        asked.json.write_text(told, "utf-8")
    if earlier:
        lines = figures.beside(lines, earlier, asked.beside.stem)
    title = f"gdemoi beside its targets; {os.cpu_count()} CPUs, size {asked.size:g}"
    width = None if sys.stdout.isatty() else 170
    Console(width=width).print(figures.table(lines, title))
    return 1 if any(map(figures.is_failure, lines)) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
