"""``make bench``: every benchmark in a process of its own, one table at the end.

``make bench ONLY=codec`` runs one of them.  Rows are (name, value, unit, budget);
a budget of None is a figure without a promise.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

MODULES = ("codec", "smpp", "journal", "goip", "amqp", "calls", "path")
RUN_ONE = (
    "import importlib, json, sys;"
    "rows = importlib.import_module('bench.' + sys.argv[1]).main();"
    "print('\\nROWS ' + json.dumps([list(row) for row in rows]))"
)


def rows_of(module: str) -> list[tuple[str, float | str, str, float | None]]:
    """Run one benchmark; return its rows, or one that says why it has none."""
    done = subprocess.run(
        [sys.executable, "-c", RUN_ONE, module],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("ROWS "):
            return [tuple(row) for row in json.loads(line[5:])]
    why = (done.stderr.strip().splitlines() or ["no output"])[-1]
    return [(module, f"failed: {why}", "", None)]


def main() -> int:
    """Print the table; exit 1 when a budget is not kept or a benchmark failed."""
    wanted = sys.argv[1:] or [
        name for name in MODULES if (Path(__file__).parent / f"{name}.py").exists()
    ]
    table = Table(title="gdemoi: what things cost here")
    for heading in ("what", "value", "unit", "budget", ""):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    kept = True
    for module in wanted:
        for name, value, unit, budget in rows_of(module):
            failed = isinstance(value, str)
            # "per second" figures are floors, all others are ceilings
            good = not failed and (
                budget is None
                or (value >= budget if unit.endswith("/s") else value <= budget)
            )
            kept = kept and good
            table.add_row(
                name,
                value if isinstance(value, str) else f"{value:,.2f}",
                unit,
                "" if budget is None else f"{budget:,g}",
                "" if budget is None and good else ("ok" if good else "OVER"),
            )
        table.add_section()
    Console(width=110).print(table)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
