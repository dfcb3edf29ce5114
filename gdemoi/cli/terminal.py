"""What came from outside, as a terminal may show it: one place for every command.

A sender, an id or a receipt may hold escape sequences (ECMA-48), which a terminal
obeys: they clear it, rename its window, or show one thing and mean another.  So may
C1 controls, and what turns the direction of writing (Unicode UAX #9, "Trojan
source").  All of them are shown as Python and JSON write them: ``\\x1b``, ``\\u202e``.

Commands print with these instead of rich's own `Text` and `Console`.  Rows
(`listing`) fit terminals of any width without a word being cut: what one command
prints is what the next one is given (an id, a cursor).
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

_UNSAFE: Final = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_line: Final = re.compile(f"[{_UNSAFE}]")
_lines: Final = re.compile(f"(?![\n\t])[{_UNSAFE}]")


def printable(text: str) -> str:
    """Return what one line may show: no controls, no line breaks."""
    return text if text.isprintable() else _line.sub(_escape, text)


def printable_lines(text: str) -> str:
    """Return what may be several lines; their breaks stay."""
    return text if text.isprintable() else _lines.sub(_escape, text)


def json_text(body: Any, indent: int | None = None) -> str:
    """Return JSON that says the same, and holds nothing that a terminal obeys."""
    text = json.dumps(body, ensure_ascii=False, indent=indent)
    return _lines.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]


class PlainText(Text):
    """A line, or a part of one, that shows no more than its letters."""

    def __init__(self, text: str = "", style: Any = "", **layout: Any) -> None:
        super().__init__(printable(text), style, **layout)

    def append(self, text: Text | str, style: Any = None) -> Text:
        """Add letters, or what is such text already."""
        return super().append(printable(text) if isinstance(text, str) else text, style)


class PlainConsole(Console):
    """A terminal that is given plain words too: they are never markup."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return words as text (called by rich, for cells too)."""
        options["markup"] = False
        return super().render_str(printable_lines(text), **options)


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
    console: Console,
    names: Sequence[str],
    rows: Sequence[Sequence[PlainText]],
    key: str,
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
        console.print(PlainText("    ") + PlainText("  ").join(rest), soft_wrap=True)


def _table(names: Sequence[str], rows: Sequence[Sequence[PlainText]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    for name in names[:-1]:
        table.add_column(name, no_wrap=True)
    table.add_column(names[-1], overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
