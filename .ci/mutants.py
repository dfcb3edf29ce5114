"""How many mutants of the pure modules the package's own tests kill.

    make mutants                       a sample of each package
    make mutants ARGS="text"           every mutant of one package
    make mutants ARGS="goip.lines"         ... of one module
    make mutants ARGS="--each 40 smpp" a sample of forty of each module
    make mutants ARGS="--check"        what .ci/run does: a small sample, and a ratchet

mutmut changes one operator, word or number at a time, and runs the tests that come
by.  A mutant that no test notices stands for a rule that somebody can break unseen.
A mutant counts as killed when a test fails or never ends.  The sample of a module is
always the same one as long as its code is.

Results are kept under build/mutants, so that a second run only tries what is new;
`cd build/mutants/PACKAGE && ../../../.venv/bin/mutmut show NAME` shows a mutant.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
WORK: Final = ROOT / "build" / "mutants"
RATCHET: Final = Path(__file__).with_suffix(".toml")
EACH: Final = 25
# what mutmut writes for a mutant (its `status_by_exit_code`)
KILLED: Final = {1, 3, 24, 36, 152, 255, -24, -9, -11}
NO_TESTS: Final = {5, 33}


class Group(NamedTuple):
    """Modules whose mutants are tried together, by the same tests.

    `but`: names of modules that are no values but shells around them (reactor,
    sockets, disk), or settings.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    but: tuple[str, ...] = ("__init__", "channel*", "protocol", "settings", "view")


FLOOD: Final = "tests/smpp/test_conformance_hostile.py::FloodTests"
GROUPS: Final = {
    "text": Group(("text/*",), ("tests/text",)),
    "smpp": Group(
        ("smpp/*", "smpp/pdu/*"),
        # thousands of PDUs, and mutmut counts each call
        ("tests/smpp", f"--deselect={FLOOD}"),
        ("__init__", "channel*", "protocol", "settings", "pcap"),
    ),
    "goip": Group(("goip/*",), ("tests/goip",)),
    "yeastar": Group(
        ("yeastar/*",), ("tests/yeastar", "--ignore=tests/yeastar/test_peers.py")
    ),
    "cloud": Group(
        ("cloud/*", "cloud/twilio/*", "cloud/vonage/*"),
        ("tests/cloud",),
        ("__init__", "channel*", "settings", "http", "webhooks", "poller"),
    ),
    "routing": Group(
        tuple(f"routing/{name}" for name in ("retry", "pace", "rules", "ready_queue")),
        ("tests/routing",),
    ),
    "journal": Group(
        tuple(
            f"journal/{name}"
            for name in ("message_state", "attempts", "stored_form", "receipts")
        ),
        tuple(
            f"tests/journal/test_{name}.py"
            for name in ("message_state", "receipts", "verdicts", "journal")
        ),
    ),
}


class Tally(NamedTuple):
    """What became of the mutants of one module."""

    killed: int
    tried: int
    survivors: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def percent(self) -> float:
        """Return the share of killed ones."""
        return 100.0 * self.killed / self.tried if self.tried else 100.0


class Bench:
    """A copy of the project in which one group's mutants live."""

    def __init__(self, name: str, group: Group) -> None:
        self.group = group
        self.folder = WORK / name
        self.folder.mkdir(parents=True, exist_ok=True)
        for part in ("gdemoi", "tests", "etc", "docs"):
            shutil.rmtree(self.folder / part, ignore_errors=True)
            shutil.copytree(
                ROOT / part,
                self.folder / part,
                ignore=shutil.ignore_patterns("__pycache__", "node_modules"),
            )
        # a test runs the provider that it shows
        shutil.copy(ROOT / "CONTRIBUTING.rst", self.folder)
        self._forget_what_is_gone()
        self._configure()

    def _forget_what_is_gone(self) -> None:
        """Leave no file of an earlier run that has another name now."""
        made = self.folder / "mutants"
        for part in ("tests", "etc", "docs"):
            shutil.rmtree(made / part, ignore_errors=True)
        for path in (made / "gdemoi").rglob("*.py"):
            if not (self.folder / path.relative_to(made)).exists():
                path.unlink()

    def _files(self) -> list[Path]:
        package = self.folder / "gdemoi"
        found = []
        for one in self.group.modules:
            there = list(package.glob(f"{one}.py"))
            if not there:
                raise SystemExit(f"there is no module gdemoi/{one}.py any more")
            found += there
        return sorted(
            path
            for path in found
            if not any(fnmatch(path.stem, one) for one in self.group.but)
        )

    def _configure(self) -> None:
        # the tests' own settings, without what is only for whole runs
        settings = (ROOT / "setup.cfg").read_text(encoding="utf-8")
        files = [str(path.relative_to(self.folder)) for path in self._files()]
        lists = {
            "only_mutate": files,
            "also_copy": ["etc", "docs", "CONTRIBUTING.rst"],
            "pytest_add_cli_args_test_selection": self.group.tests,
            "pytest_add_cli_args": ["-q", "-x", "-p", "no:cacheprovider"],
        }
        lines = ["", "[mutmut]", "source_paths=gdemoi", "use_git_change_detection=0"]
        lines += ["track_dependencies=0"]
        # a loaded machine takes its time, and a timeout counts as a kill
        lines += ["timeout_constant=15"]
        for key, values in lists.items():
            lines += [f"{key}=", *(f"    {value}" for value in values)]
        text = settings + "\n".join(lines) + "\n"
        (self.folder / "setup.cfg").write_text(text, encoding="utf-8")

    # -- mutants ------------------------------------------------------------

    def mutmut(self, *names: str) -> subprocess.CompletedProcess[str]:
        """Let mutmut make all mutants and try some."""
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        command = [sys.executable, "-m", "mutmut", "run", *names]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def results(self) -> dict[str, dict[str, int | None]]:
        """Return by module the exit code of each mutant; None: not tried."""
        found = {}
        for path in self._files():
            meta = self.folder / "mutants" / path.relative_to(self.folder)
            meta = meta.with_name(f"{meta.name}.meta")
            if meta.exists():
                data = json.loads(meta.read_text(encoding="utf-8"))
                parts = path.relative_to(self.folder / "gdemoi").with_suffix("").parts
                found[".".join(parts)] = data["exit_code_by_key"]
        return found

    def seen(self) -> set[str]:
        """Return the functions that some test calls."""
        path = self.folder / "mutants" / "mutmut-stats.json"
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        return {
            k for k, tests in data["tests_by_mangled_function_name"].items() if tests
        }

    def run(self, only: str | None, each: int | None) -> dict[str, Tally]:
        """Try a sample of each module, or all; return what became of them."""
        # a name that there is not: mutants are made and tests are timed, no more
        log = self.mutmut("none")
        if not self.results() or not self._timed():
            raise SystemExit(f"{log.stdout[-4000:]}\n{log.stderr[-4000:]}")
        seen, codes = self.seen(), self.results()
        wanted = {
            module: sample(list(names), each)
            for module, names in codes.items()
            if only in (None, module)
        }
        ask = [
            name
            for module, names in wanted.items()
            for name in names
            if function_of(name) in seen and codes[module][name] not in KILLED
        ]
        if ask:
            log = self.mutmut(*ask)
            codes = self.results()
            if any(codes[module_of(name)][name] is None for name in ask):
                raise SystemExit(f"{log.stdout[-4000:]}\n{log.stderr[-4000:]}")
        return {
            module: tally(codes[module], names, seen)
            for module, names in wanted.items()
        }

    def _timed(self) -> bool:
        return (self.folder / "mutants" / "mutmut-stats.json").exists()


def module_of(mutant: str) -> str:
    """Return the module of a mutant, as tables name it."""
    return ".".join(mutant.split(".")[1:-1])


def function_of(mutant: str) -> str:
    """Return the function that a mutant is one of."""
    return re.sub(r"__mutmut_\d+$", "", mutant)


def sample(names: list[str], each: int | None) -> list[str]:
    """Return some of the mutants, the same ones each time."""
    if each is None or len(names) <= each:
        return names
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:each]


def tally(codes: dict[str, int | None], names: list[str], seen: set[str]) -> Tally:
    """Count what became of some mutants."""
    unseen = [one for one in names if function_of(one) not in seen]
    tried = [one for one in names if one not in unseen]
    killed = [one for one in tried if codes[one] in KILLED]
    survivors = [one for one in tried if one not in killed]
    return Tally(len(killed), len(names), tuple(survivors), tuple(unseen))


def show(name: str, tallies: dict[str, Tally]) -> float:
    """Print a table of one group, and who survived; return the percentage."""
    whole = Tally(
        sum(one.killed for one in tallies.values()),
        sum(one.tried for one in tallies.values()),
        (),
        (),
    )
    for module, one in {**tallies, name: whole}.items():
        print(f"{module:28} {one.killed:5} of {one.tried:5} {one.percent:6.1f} %")
    for one in tallies.values():
        for mutant in one.survivors:
            print(f"  survived: {mutant}")
        for function, count in Counter(map(function_of, one.unseen)).items():
            print(f"  no test comes by: {function} ({count})")
    sys.stdout.flush()
    return whole.percent


def check() -> int:
    """Try the small sample; fail when fewer are killed than the ratchet says."""
    ratchet = tomllib.loads(RATCHET.read_text(encoding="utf-8"))
    group = Group(tuple(ratchet["modules"]), tuple(ratchet["tests"]))
    killed = show("sample", Bench("sample", group).run(None, ratchet["each"]))
    if killed >= ratchet["killed"]:
        return 0
    print(f"fewer than {ratchet['killed']} % of the sample are killed")
    return 1


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", help="package or package.module")
    parser.add_argument("--each", type=int, help="so many mutants of each module")
    parser.add_argument("--check", action="store_true", help="the sample of .ci/run")
    given = parser.parse_args()
    if given.check:
        return check()
    each = given.each or (None if given.what else EACH)
    for what in given.what or GROUPS:
        name, _, module = what.partition(".")
        show(name, Bench(name, GROUPS[name]).run(what if module else None, each))
    return 0


if __name__ == "__main__":
    sys.exit(main())
