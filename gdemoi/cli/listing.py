"""Rows of things on terminals of any width: no word is ever cut.

What one command prints is what the next one is given (an id, a cursor), so that
half of it is of no use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from gdemoi.cli.printable import PlainConsole
from gdemoi.cli.printable import PlainText as Text

# Where nobody looks at (a pipe, a file) a line may be as long as it is.
_ENDLESS: Final = 10_000
_GAP: Final = 2
# What the last column may be folded to.
_LEAST: Final = 24


def terminal() -> Console:
    """Return the console that commands print to."""
    watched = sys.stdout.isatty() or "COLUMNS" in os.environ
    return PlainConsole(highlight=False, width=None if watched else _ENDLESS)


def listing(
    console: Console, names: Sequence[str], rows: Sequence[Sequence[Text]], key: str
) -> None:
    """Show rows as a table where they fit, else each on lines of its own.

    `names` head the columns; the last one may be folded.  `key` names the column
    that tells the rows apart: it comes first when there is no table.
    """
    widths = [
        max(len(name), *(row[at].cell_len for row in rows))
        for at, name in enumerate(names)
    ]
    fixed = sum(widths[:-1]) + _GAP * (len(names) - 1)
    if fixed + min(widths[-1], _LEAST) <= console.width:
        console.print(_table(names, rows))
        return
    at = names.index(key)
    for row in rows:
        rest = [cell for cell in (*row[:at], *row[at + 1 :]) if cell]
        console.print(row[at], soft_wrap=True)
        console.print(Text("    ") + Text("  ").join(rest), soft_wrap=True)


def _table(names: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    for name in names[:-1]:
        table.add_column(name, no_wrap=True)
    table.add_column(names[-1], overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
