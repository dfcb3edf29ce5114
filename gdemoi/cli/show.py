"""What the answers look like: tables, timelines, colours.

Knows the JSON of the API (CONTRACT §1, §4, §6) and rich.  Everything that came
from outside is printed as plain text, never as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gdemoi.ini import KeyReference

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


def _text(value: Any, style: str = "") -> Text:
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


def _error(error: Json | None) -> str:
    if not error:
        return ""
    return f"{error.get('code', '')} {error.get('text', '')}".strip()


def _joined(*words: Any) -> str:
    return "  ".join(str(word) for word in words if word not in (None, "", 0))


def _plain(box: None = None) -> Table:
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
        _error(one.get("error")),
    )


def story(console: Console, told: Json) -> None:
    """Show all that happened to a message as a timeline."""
    console.print(_head(told))
    rows = sorted(_moments(told), key=lambda row: row[0])
    start = _moment(str(told.get("accepted_at") or (rows[0][0] if rows else "")))
    table = _plain()
    for name, style in (("time", "dim"), ("after", "dim"), ("", ""), ("", "dim")):
        justify: Any = "right" if name == "after" else "left"
        fold: Any = "fold" if not name else "ellipsis"
        table.add_column(name, style=style, justify=justify, overflow=fold)
    for at, what, detail in rows:
        table.add_row(_clock(at), _after(start, at), what, _text(detail))
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
        ("error", _error(told.get("error"))),
    ):
        if value:
            lines.add_row(_text(name, "dim"), _text(value))
    title = Text(f" {told.get('id')} ", style="bold")
    title.append_text(_state(str(told.get("state"))))
    title.append(" ")
    return Panel(lines, title=title, title_align="left", expand=False)


def _moments(told: Json) -> Iterable[tuple[str, Text, str]]:
    for one in told.get("events") or ():
        yield str(one.get("at")), _state(str(one.get("state"))), _details(one)
    for one in told.get("attempts") or ():
        number, channel = one.get("attempt"), one.get("channel")
        what = Text(f"  attempt {number}", style="bright_black")
        yield str(one.get("at")), what, f"leaves by {channel}"
        if one.get("answered_at"):
            ids = ", ".join(str(word) for word in one.get("provider_ids") or ())
            said = _joined(
                one.get("outcome"),
                one.get("line"),
                f"id {ids}" if ids else None,
                _error(one.get("error")),
            )
            yield str(one["answered_at"]), Text("  answer", style="bright_black"), said
    for one in told.get("receipts") or ():
        said = _joined(
            one.get("state"),
            f"id {one.get('provider_id')}",
            _error(one.get("error")),
            None if one.get("counted", True) else "(too late to matter)",
            None if one.get("verified", True) else "(not verified)",
            one.get("raw"),
        )
        yield str(one.get("at")), Text("  receipt", style="bright_black"), said


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
    table = _plain()
    for name in ("accepted", "id", "state", "to", "from", "channel", "error"):
        table.add_column(name, no_wrap=name in ("accepted", "state", "to"))
    for one in found:
        accepted = _moment(one.get("accepted_at"))
        table.add_row(
            _text(f"{accepted:%m-%d %H:%M:%S}" if accepted else "", "dim"),
            _text(one.get("id"), "bold"),
            _state(str(one.get("state"))),
            _text(one.get("to")),
            _text(one.get("from")),
            _text(one.get("channel")),
            _text(_error(one.get("error")), "red"),
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
    table = _plain()
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
        _text(channel.get("name"), "bold"),
        _text(channel.get("kind")),
        state,
        _text(channel.get("backlog")),
        _text(f"{channel.get('in_flight', 0)} / {channel.get('window', '')}"),
        _text(shown),
        _text(channel.get("sent")),
        _text(notes),
    ]


def _lines(channels: Iterable[tuple[str, Sequence[Json]]]) -> Table:
    table = _plain()
    for name in ("line", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("", overflow="fold", style="dim")
    for channel, found in channels:
        for line in found:
            more = [
                f"{name.replace('_', ' ')} {value}"
                for name, value in line.items()
                if value and name not in _OF_LINES + _LONG
            ]
            table.add_row(
                _text(f"{channel}/{line.get('name')}", "bold"),
                _state(str(line.get("state"))),
                _text(_joined(line.get("reason"), *more)),
            )
    return table


# -- configuration ---------------------------------------------------------


def keys(console: Console, label: str, doc: str, found: Sequence[KeyReference]) -> None:
    """Show a section's keys: name, default, unit; below it what it means."""
    console.print(Text(f"[{label}]", style="bold cyan"))
    for paragraph in doc.strip().split("\n\n"):
        console.print(_text(" ".join(paragraph.split())))
    for one in found:
        line = Text("  ")
        line.append(one.name, style="bold")
        if one.required:
            line.append("  required", style="bold red")
        elif one.default:
            line.append(f" = {one.default}", style="green")
        line.append(f"  ({one.unit})", style="dim")
        console.print(line)
        console.print(Padding(_text(one.doc), (0, 0, 0, 6), expand=False))
        if one.example:
            example = one.example.removeprefix(f"{one.name} = ")
            shown = _text(f"{one.name} = {example}", "dim")
            console.print(Padding(shown, (0, 0, 0, 6), expand=False))
    console.print()


def explanation(console: Console, told: Json) -> None:
    """Show which way a message would go, and its bytes."""
    head = Table.grid(padding=(0, 2))
    for name in ("to", "country", "route", "sender", "charset", "data_coding"):
        value = told.get(name)
        if name == "data_coding" and isinstance(value, int):
            value = f"0x{value:02x}"
        head.add_row(_text(name, "dim"), _text("–" if value is None else value))
    console.print(head)
    console.print(Group(*_rules(told), *_ways(told)))
    for number, segment in enumerate(told.get("segments") or (), 1):
        count = len(told["segments"])
        title = Text(f"segment {number} of {count}", style="bold")
        title.append(f"  {segment['units']} units", style="dim")
        console.print(title)
        console.print(_text(segment["user_data"]), soft_wrap=True)
        for piece in segment["wire"]:
            console.print(_text(piece, "dim"), soft_wrap=True)
    if told.get("error"):
        console.print(Text(f"✗ {_error(told['error'])}", style="bold red"))


def _rules(told: Json) -> list[Text]:
    return [
        _mark(bool(rule["matched"]), f"route {rule['name']}", rule["why"])
        for rule in told.get("rules") or ()
    ]


def _ways(told: Json) -> list[Text]:
    return [
        _mark(bool(way["able"]), f"channel {way['name']}", way["why"])
        for way in told.get("channels") or ()
    ]


def _mark(good: bool, what: str, why: Any) -> Text:
    line = Text("✓ " if good else "✗ ", style="green" if good else "red")
    line.append(what, style="bold" if good else "")
    line.append(f"  {why or ''}", style="dim")
    return line
