"""What a benchmark found: lines, how samples become one, the table, the JSON.

Pure: no process, no clock.  A `Line` is what one program (a *subject*: this tree,
another commit, Kannel) needed for one kind of work.  Lines of the same name are the
same work, and are compared.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import asdict, evolve, field, frozen
from rich.box import SIMPLE_HEAD
from rich.table import Table

OURS: Final = "gdemoi"
JSON_VERSION: Final = 1
# so begins what is told in place of figures when something is not here
NEEDS: Final = "needs "
# figure: its heading in the table, and its digits after the point
FIGURES: Final[Mapping[str, tuple[str, int]]] = {
    "rate": ("messages/s", 0),
    "cpu_us": ("CPU µs", 1),
    "p50_ms": ("p50 ms", 1),
    "p99_ms": ("p99 ms", 1),
    "max_ms": ("max ms", 1),
    "rss_mb": ("RSS MB", 0),
    "value": ("other", 2),
}
# of what the last column gives ratios (and of what misses its target)
COMPARED: Final = ("rate", "cpu_us", "p99_ms")
# what a target and a ratio call them
WORDS: Final[Mapping[str, str]] = {
    "rate": "rate",
    "cpu_us": "CPU",
    "p50_ms": "p50",
    "p99_ms": "p99",
    "max_ms": "max",
    "rss_mb": "RSS",
    "value": "value",
}
UNITS: Final[Mapping[str, str]] = {
    "rate": "/s",
    "cpu_us": " µs",
    "p50_ms": " ms",
    "p99_ms": " ms",
    "max_ms": " ms",
    "rss_mb": " MB",
}


@frozen(kw_only=True)
class Line:
    """One line of the table.

    ``cpu_us``: CPU of the program under test per message, user and system, in
    microseconds.  ``value`` with ``unit``: a figure that has no column.  ``target``:
    what it should keep, by the name of the figure; ``rate`` is a floor, all others are
    ceilings.  ``failed``: why there are no figures.
    """

    name: str
    subject: str = OURS
    rate: float | None = None
    cpu_us: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    rss_mb: float | None = None
    value: float | None = None
    unit: str = ""
    target: Mapping[str, float] = field(factory=dict)
    failed: str | None = None
    samples: int = 1

    def figures(self) -> dict[str, float]:
        """Return the figures that it has, in the order of the columns."""
        found = {name: getattr(self, name) for name in FIGURES}
        return {name: number for name, number in found.items() if number is not None}


def is_kept(name: str, figure: float, target: float) -> bool:
    """Tell whether a figure is as good as its target."""
    return figure >= target if name == "rate" else figure <= target


def is_failure(line: Line) -> bool:
    """Tell whether a line has no figures although all that it needs was there."""
    return line.failed is not None and not line.failed.startswith(NEEDS)


def missed(line: Line) -> list[str]:
    """Return the names of the figures that miss their targets."""
    return [
        name
        for name, figure in line.figures().items()
        if name in line.target and not is_kept(name, figure, line.target[name])
    ]


def combined(samples: Sequence[Line]) -> Line:
    """Return one line for all samples of the same work and subject.

    CPU is the least of them, since what else a machine does only adds; all other
    figures are medians.  A sample that failed counts only when none succeeded.
    """
    good = [line for line in samples if line.failed is None]
    if not good:
        return samples[0]
    found: dict[str, Any] = {}
    for name in FIGURES:
        numbers = [getattr(line, name) for line in good]
        numbers = [number for number in numbers if number is not None]
        if numbers:
            best = min if name == "cpu_us" else statistics.median
            found[name] = best(numbers)
    return evolve(good[0], **found, samples=len(good))


def combine(samples: Iterable[Line]) -> list[Line]:
    """Combine samples by name and subject, in the order in which they were met."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in samples:
        groups.setdefault((line.name, line.subject), []).append(line)
    return [combined(group) for group in groups.values()]


def by_name(lines: Iterable[Line]) -> list[list[Line]]:
    """Return the lines of each work together, ours first."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.name, []).append(line)
    return [
        sorted(group, key=lambda line: (line.subject != OURS, line.subject))
        for group in groups.values()
    ]


def ratios(ours: Line, other: Mapping[str, float]) -> dict[str, float]:
    """Return our figures divided by others, of those that both have."""
    return {
        name: figure / other[name]
        for name, figure in ours.figures().items()
        if other.get(name)
    }


def most_memory(lines: Iterable[Line], target_mb: float) -> list[Line]:
    """Return a line of each subject: the most memory it held in any of `lines`."""
    most: dict[str, float] = {}
    for line in lines:
        if line.rss_mb is not None:
            most[line.subject] = max(line.rss_mb, most.get(line.subject, 0.0))
    name = "memory, the most of all lines"
    return [
        Line(
            name=name,
            subject=subject,
            rss_mb=size,
            target={"rss_mb": target_mb} if subject == OURS else {},
        )
        for subject, size in most.items()
    ]


# the table


def _number(number: float, digits: int) -> str:
    """Write a number so that it can be read: fewer digits the larger it is."""
    if number >= 100 or digits == 0:
        digits = 0
    return f"{number:,.{digits}f}"


def _targets(line: Line) -> str:
    """Write what a line should keep: ≥ 3,000/s, ≤ 250 µs."""
    said = []
    for name, target in line.target.items():
        sign = "≥" if name == "rate" else "≤"
        unit = UNITS.get(name, f" {line.unit}".rstrip())
        word = "" if name in ("rate", "cpu_us", "value") else f"{WORDS[name]} "
        said.append(f"{word}{sign} {target:,g}{unit}")
    return ", ".join(said)


def _ratios(found: Mapping[str, float], bad: Sequence[str] = ()) -> str:
    """Write ratios; a name in `bad` is marked as missed."""
    return ", ".join(
        f"{WORDS[name]} {ratio:.2f}{'!' if name in bad else ''}"
        for name, ratio in found.items()
        if name in bad or name in COMPARED or len(found) == 1
    )


def _cells(line: Line) -> list[str]:
    """Return the cells of a line's figures."""
    figures = line.figures()
    cells = []
    for name, (_, digits) in FIGURES.items():
        if name not in figures:
            cells.append("")
            continue
        if name == "value" and float(figures[name]).is_integer():
            digits = 0
        unit = f" {line.unit}" if name == "value" and line.unit else ""
        cells.append(_number(figures[name], digits) + unit)
    return cells


def table(lines: Iterable[Line], title: str) -> Table:
    """Return the table: ours beside its targets, then each other subject beside ours.

    The last column divides our figures: by the target on our own line, by the other
    program's on its line.  ``!`` marks a target that is missed.
    """
    shown = Table(title=title, title_justify="left", pad_edge=False, box=SIMPLE_HEAD)
    shown.add_column("work", min_width=44)
    shown.add_column("program", no_wrap=True)
    for heading, _ in FIGURES.values():
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("target")
    shown.add_column("gdemoi ÷ it", min_width=30)
    for group in by_name(lines):
        ours = group[0] if group[0].subject == OURS else None
        for place, line in enumerate(group):
            name = line.name if place == 0 else ""
            if line.failed is not None:
                shown.add_row(name, line.subject, *[""] * 7, "", line.failed)
                continue
            if line is ours:
                against = _ratios(ratios(line, line.target), missed(line))
            else:
                against = _ratios(ratios(ours, line.figures())) if ours else ""
            shown.add_row(name, line.subject, *_cells(line), _targets(line), against)
    return shown


# the JSON


def written(lines: Iterable[Line], about: Mapping[str, Any]) -> str:
    """Return lines as JSON; `about` says when, where and what was measured."""
    content = {
        "version": JSON_VERSION,
        **about,
        "lines": [asdict(one) for one in lines],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read(text: str) -> list[Line]:
    """Return the lines of such a JSON; raise `ValueError` when it is none."""
    content = json.loads(text)
    if not isinstance(content, dict) or content.get("version") != JSON_VERSION:
        raise ValueError("not a JSON that `make bench JSON=…` has written")
    try:
        return [Line(**fields) for fields in content["lines"]]
    except (KeyError, TypeError) as fault:
        raise ValueError(f"a line cannot be read: {fault}") from fault


def beside(lines: Sequence[Line], earlier: Sequence[Line], subject: str) -> list[Line]:
    """Return `lines` with our lines of an earlier run beside them, as `subject`."""
    names = {line.name for line in lines}
    found = [
        evolve(line, subject=subject, target={})
        for line in earlier
        if line.subject == OURS and line.name in names
    ]
    return [*lines, *found]


def of_rows(rows: Iterable[Sequence[Any]]) -> list[Line]:
    """Return lines for rows of (name, value, unit, target), as small benchmarks tell.

    A unit that begins with µs goes into the CPU column, one that ends with /s into
    the rate.
    """
    found = []
    for name, value, unit, target in rows:
        if unit.startswith("µs"):
            column = "cpu_us"
        elif unit.endswith("/s"):
            column = "rate"
        else:
            column = "value"
        given = {} if target is None else {column: target}
        spelled = unit if column == "value" else ""
        figures: dict[str, Any] = {column: value}
        found.append(Line(name=name, unit=spelled, target=given, **figures))
    return found
