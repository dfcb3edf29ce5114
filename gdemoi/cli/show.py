"""What the gateway's answers look like: tables, timelines, colours.

Knows the JSON of the API (CONTRACT §1, §4, §6) and rich.  Everything that came
from outside is printed as plain text, never as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

Json = Mapping[str, Any]

_STATES: Final = {
    "accepted": ("○", "cyan"),
    "waiting": ("…", "yellow"),
    "submitted": ("→", "blue"),
    "uncertain": ("?", "magenta"),
    "enroute": ("»", "blue"),
    "delivered": ("✓", "bold green"),
    "undelivered": ("✗", "bold red"),
    "expired": ("✗", "red"),
    "rejected": ("✗", "bold red"),
    "cancelled": ("–", "bright_black"),
    "up": ("●", "green"),
    "degraded": ("●", "yellow"),
    "down": ("●", "red"),
}
# What a channel tells about itself beside the columns of the table.
_OF_LINES: Final = ("name", "state", "reason")
# Ids that only --json tells: they say nothing at a glance.
_LONG: Final = ("imei", "imsi", "iccid", "smsc", "status", "span")


def _state(word: str) -> Text:
    glyph, style = _STATES.get(word, ("·", ""))
    return Text(f"{glyph} {word}", style=style)


def plain(value: Any, style: str = "") -> Text:
    """Return a value as text that is never markup."""
    return Text("" if value is None else str(value), style=style)


def _moment(at: str | None) -> datetime | None:
    if not at:
        return None
    try:
        return datetime.fromisoformat(at).astimezone()
    except ValueError:
        return None


def _clock(at: str | None) -> str:
    found = _moment(at)
    if found is None:
        return at or ""
    return f"{found:%H:%M:%S}.{found.microsecond // 1000:03d}"


def _day(at: str | None) -> str:
    found = _moment(at)
    return at or "" if found is None else f"{found:%Y-%m-%d %H:%M:%S %z}"


def error_words(error: Json | None) -> str:
    """Return code and text of an error, "" when there is none."""
    if not error:
        return ""
    return f"{error.get('code', '')} {error.get('text', '')}".strip()


def _joined(*words: Any) -> str:
    return "  ".join(str(word) for word in words if word not in (None, "", 0))


def _columns(box: None = None) -> Table:
    return Table(box=box, pad_edge=False, header_style="bold", expand=False)


# -- messages --------------------------------------------------------------


def taken(console: Console, answer: Json) -> None:
    """Show the answer to a message that was sent."""
    line = Text(f"{answer['id']} ")
    line.append_text(_state(str(answer["state"])))
    if answer.get("current"):
        line.append(f" (it is {answer['current']})", style="dim")
    console.print(line)


def event(console: Console, one: Json, whose: bool = False) -> None:
    """Show one event on one line; `whose` names its message."""
    line = Text(_clock(one.get("at") or one.get("received_at")) + "  ", style="dim")
    match one.get("type"):
        case "status":
            line.append_text(_state(str(one.get("state"))))
            if whose:
                line.append(f"  {one.get('id')}", style="bold")
            line.append("  " + _details(one), style="dim")
        case "inbound":
            line.append("← inbound", style="bold cyan")
            line.append(f"  {one.get('from')} → {one.get('to')}  ")
            line.append(repr(one.get("text")))
            line.append("  " + _joined(one.get("channel"), one.get("line")), "dim")
        case _:
            name = "/".join(
                str(part)
                for part in (one.get("channel") or one.get("name"), one.get("line"))
                if part
            )
            line.append_text(_state(str(one.get("state"))))
            line.append(f"  {one.get('type')} {name}  {one.get('reason') or ''}")
    console.print(line, soft_wrap=True)


def _details(one: Json) -> str:
    segments = one.get("segments") or {}
    total = segments.get("total") or 0
    counted = ""
    if total > 1:
        counted = f"{segments.get('delivered', 0)} of {total} segments delivered"
    ids = ", ".join(str(word) for word in one.get("provider_ids") or ())
    attempt = one.get("attempt") or 0
    return _joined(
        one.get("channel"),
        one.get("line"),
        f"attempt {attempt}" if attempt > 1 else None,
        counted,
        f"id {ids}" if ids else None,
        error_words(one.get("error")),
    )


def story(console: Console, told: Json) -> None:
    """Show all that happened to a message as a timeline."""
    console.print(_head(told))
    # of one moment: what left and what was answered before the state it led to
    rows = sorted(_moments(told), key=lambda row: row[:2])
    start = _moment(str(told.get("accepted_at") or (rows[0][0] if rows else "")))
    table = _columns()
    for name, style in (("time", "dim"), ("after", "dim"), ("", ""), ("", "dim")):
        justify: Any = "right" if name == "after" else "left"
        fold: Any = "fold" if not name else "ellipsis"
        table.add_column(name, style=style, justify=justify, overflow=fold)
    for at, _, what, detail in rows:
        table.add_row(_clock(at), _after(start, at), what, plain(detail))
    console.print(table)
    if told.get("omitted"):
        console.print(f"{told['omitted']} entries in between are omitted", style="dim")


def _head(told: Json) -> Panel:
    message = told.get("message") or {}
    lines = Table.grid(padding=(0, 2))
    content = message.get("text")
    content = repr(content) if content is not None else message.get("binary")
    segments = (told.get("segments") or {}).get("total")
    for name, value in (
        ("to", told.get("to")),
        ("from", told.get("from")),
        ("text" if message.get("text") is not None else "binary", content),
        ("class", told.get("class")),
        ("segments", segments),
        ("channel", told.get("channel")),
        ("account", told.get("account")),
        ("accepted", _day(told.get("accepted_at"))),
        ("expires", _day(told.get("expires_at"))),
        ("due", _day(told.get("due"))),
        ("error", error_words(told.get("error"))),
    ):
        if value:
            lines.add_row(plain(name, "dim"), plain(value))
    title = Text(f" {told.get('id')} ", style="bold")
    title.append_text(_state(str(told.get("state"))))
    title.append(" ")
    return Panel(lines, title=title, title_align="left", expand=False)


def _moments(told: Json) -> Iterable[tuple[str, int, Text, str]]:
    """Yield (when, order within that moment, what, details)."""
    for one in told.get("events") or ():
        state = str(one.get("state"))
        order = 0 if state == "accepted" else 4
        yield str(one.get("at")), order, _state(state), _details(one)
    for one in told.get("attempts") or ():
        number, channel = one.get("attempt"), one.get("channel")
        what = Text(f"  attempt {number}", style="bright_black")
        yield str(one.get("at")), 1, what, f"leaves by {channel}"
        if one.get("answered_at"):
            ids = ", ".join(str(word) for word in one.get("provider_ids") or ())
            said = _joined(
                one.get("outcome"),
                one.get("line"),
                f"id {ids}" if ids else None,
                error_words(one.get("error")),
            )
            what = Text("  answer", style="bright_black")
            yield str(one["answered_at"]), 2, what, said
    for one in told.get("receipts") or ():
        said = _joined(
            one.get("state"),
            f"id {one.get('provider_id')}",
            error_words(one.get("error")),
            None if one.get("counted", True) else "(too late to matter)",
            None if one.get("verified", True) else "(not verified)",
            one.get("raw"),
        )
        yield str(one.get("at")), 3, Text("  receipt", style="bright_black"), said


def _after(start: datetime | None, at: str) -> str:
    moment = _moment(at)
    if start is None or moment is None:
        return ""
    seconds = (moment - start).total_seconds()
    if abs(seconds) < 60:
        return f"{seconds:+.3f} s"
    hours, rest = divmod(int(seconds), 3600)
    return f"+{hours}:{rest // 60:02d}:{rest % 60:02d}"


def messages(console: Console, page: Json) -> None:
    """Show a page of a search."""
    found = page["messages"]
    if not found:
        console.print("nothing found", style="dim")
        return
    table = _columns()
    for name in ("accepted", "id", "state", "to", "from", "channel", "error"):
        table.add_column(name, no_wrap=name in ("accepted", "state", "to"))
    for one in found:
        accepted = _moment(one.get("accepted_at"))
        table.add_row(
            plain(f"{accepted:%m-%d %H:%M:%S}" if accepted else "", "dim"),
            plain(one.get("id"), "bold"),
            _state(str(one.get("state"))),
            plain(one.get("to")),
            plain(one.get("from")),
            plain(one.get("channel")),
            plain(error_words(one.get("error")), "red"),
        )
    console.print(table)
    if page.get("cursor"):
        console.print(f"more: --cursor {page['cursor']}", style="dim", markup=False)


# -- channels --------------------------------------------------------------


def status(console: Console, url: str, ready: Json, channels: Sequence[Json]) -> None:
    """Show the gateway, its channels, and the lines of those that have any."""
    good = ready.get("status") == "ready"
    line = Text(f"{url}  ")
    line.append("ready" if good else "not ready", "bold green" if good else "bold red")
    line.append(f"  {ready.get('reason') or ''}")
    console.print(line)
    table = _columns()
    for name in ("channel", "kind", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("backlog", "in flight", "rate", "sent"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold", style="dim")
    for channel in channels:
        table.add_row(*_channel(channel))
    console.print(table if channels else Text("no channels", style="dim"))
    lines = [(str(c.get("name")), c.get("lines") or ()) for c in channels]
    if any(found for _, found in lines):
        console.print()
        console.print(_lines(lines))


def _channel(channel: Json) -> list[Text]:
    state = _state(str(channel.get("state")))
    if channel.get("paused"):
        state = Text("‖ paused", style="yellow")
    rate = channel.get("rate")
    present = channel.get("present_rate")
    shown = "" if rate is None else f"{rate:g}/s"
    if present is not None and present != rate:
        shown = f"{present:.3g} of {shown}" if shown else f"{present:.3g}/s"
    why = channel.get("reason") or ""
    unable = channel.get("unable")
    balance = channel.get("balance")
    notes = _joined(
        why,
        unable if unable and unable != why else None,
        f"balance {balance}" if balance is not None else None,
    )
    return [
        plain(channel.get("name"), "bold"),
        plain(channel.get("kind")),
        state,
        plain(channel.get("backlog")),
        plain(f"{channel.get('in_flight', 0)} / {channel.get('window', '')}"),
        plain(shown),
        plain(channel.get("sent")),
        plain(notes),
    ]


def _lines(channels: Iterable[tuple[str, Sequence[Json]]]) -> Table:
    table = _columns()
    for name in ("line", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("", overflow="fold", style="dim")
    for channel, found in channels:
        for line in found:
            more = _pairs(line)
            table.add_row(
                plain(f"{channel}/{line.get('name')}", "bold"),
                _state(str(line.get("state"))),
                plain(_joined(line.get("reason"), *more)),
            )
    return table


def _pairs(line: Json) -> Iterable[str]:
    """Yield what a line tells beside its columns; dicts within it too."""
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from _pairs(value)
        elif value and name not in _OF_LINES + _LONG:
            yield f"{name.replace('_', ' ')} {value}"
