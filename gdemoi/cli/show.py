"""What the gateway's answers look like: tables, timelines, colours.

Knows the JSON of the API (docs/http.rst, docs/events.rst) and rich.  Everything
that came from outside is printed as plain text, never as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from gdemoi.cli.terminal import PlainText as Text
from gdemoi.cli.terminal import listing
from gdemoi.message import ChannelState

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
    ChannelState.UP: ("●", "green"),
    ChannelState.DEGRADED: ("●", "yellow"),
    ChannelState.DOWN: ("●", "red"),
}


def state_of(word: str) -> Text:
    """Return a state with its sign and colour."""
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


def day(at: str | None) -> str:
    """Return a time with its day, as it is here."""
    found = _moment(at)
    return at or "" if found is None else f"{found:%Y-%m-%d %H:%M:%S %z}"


def error_words(error: Json | None) -> str:
    """Return code and text of an error, "" when there is none."""
    if not error:
        return ""
    return f"{error.get('code', '')} {error.get('text', '')}".strip()


def joined(*words: Any) -> str:
    """Return what there is of `words`, with room between."""
    return "  ".join(str(word) for word in words if word not in (None, "", 0))


def columns(box: None = None) -> Table:
    """Return an empty table of our style."""
    return Table(box=box, pad_edge=False, header_style="bold", expand=False)


# -- messages --------------------------------------------------------------


def taken(console: Console, answer: Json) -> None:
    """Show the answer to a message that was sent."""
    line = Text(f"{answer['id']} ")
    line.append_text(state_of(str(answer["state"])))
    if answer.get("current"):
        line.append(f" (it is {answer['current']})", style="dim")
    console.print(line)
    for one in answer.get("findings") or ():
        console.print(finding(one), soft_wrap=True)


def finding(one: Json) -> Text:
    """Return what a tracker's profile finds in a command, as a line."""
    line = Text("! ", style="yellow")
    line.append(str(one.get("code")), style="bold yellow")
    line.append(f"  {one.get('text', '')}")
    return line


def event(console: Console, one: Json, whose: bool = False) -> None:
    """Show one event on one line; `whose` names its message."""
    line = Text(_clock(one.get("at") or one.get("received_at")) + "  ", style="dim")
    match one.get("type"):
        case "status":
            line.append_text(state_of(str(one.get("state"))))
            if whose:
                line.append(f"  {one.get('id', '')}", style="bold")
            line.append("  " + _details(one), style="dim")
        case "inbound":
            line.append("← inbound", style="bold cyan")
            line.append(f"  {_ends(one)}  ")
            line.append(_content(one))
            line.append(_addressed(one), style="dim")
            line.append("  " + joined(one.get("channel"), one.get("line")), "dim")
        case "answer":
            state = str(one.get("state"))
            style = {"ok": "green", "error": "bold red"}.get(state, "yellow")
            line.append(f"↩ answer {state}", style=style)
            if whose:
                line.append(f"  {one.get('id', '')}", style="bold")
            if one.get("text") is not None:
                line.append("  " + _content(one))
        case "alert":
            state = str(one.get("state"))
            style = "green" if state == "recovered" else "bold red"
            line.append(f"! {state}", style=style)
            line.append(f"  {one.get('name')}  {one.get('text') or ''}")
        case _:
            name = "/".join(
                str(part)
                for part in (one.get("channel") or one.get("name"), one.get("line"))
                if part
            )
            line.append_text(state_of(str(one.get("state"))))
            line.append(f"  {one.get('type')} {name}  {one.get('reason') or ''}")
    console.print(line, soft_wrap=True)


def _ends(one: Json) -> str:
    """Return who sent an inbound SMS (and how that came, if otherwise), and to whom."""
    raw = f" ({one['from_raw']})" if one.get("from_raw") else ""
    ends = [f"{one['from']}{raw}" if one.get("from") else None, one.get("to")]
    return " → ".join(filter(None, ends)) or "from nobody"


def _content(one: Json) -> str:
    """Return the text as it can be typed, or the octets of an SMS without any."""
    text, octets = one.get("text"), one.get("binary")
    if text is not None:
        return repr(text)
    return f"binary {octets}" if octets else "nothing"


def _addressed(one: Json) -> str:
    """Return the ports and the header of an inbound SMS, if it had any."""
    words = [
        f"{word} {one[name]}"
        for word, name in (
            ("port", "dest_port"),
            ("from port", "source_port"),
            ("udh", "udh"),
        )
        if one.get(name) is not None
    ]
    return "  " + ", ".join(words) if words else ""


def _details(one: Json) -> str:
    segments = one.get("segments") or {}
    total = segments.get("total") or 0
    counted = ""
    if total > 1:
        counted = f"{segments.get('delivered', 0)} of {total} segments delivered"
    ids = ", ".join(str(word) for word in one.get("provider_ids") or ())
    attempt = one.get("attempt") or 0
    return joined(
        one.get("channel"),
        one.get("line"),
        f"attempt {attempt}" if attempt > 1 else None,
        counted,
        f"id {ids}" if ids else None,
        error_words(one.get("error")),
    )


def story(console: Console, data: Json) -> None:
    """Show all that happened to a message as a timeline."""
    console.print(_head(data))
    # of one moment: what left and what was answered before the state it led to
    rows = sorted(_moments(data), key=lambda row: row[:2])
    start = _moment(str(data.get("accepted_at") or (rows[0][0] if rows else "")))
    table = columns()
    for name, style in (("time", "dim"), ("after", "dim"), ("", ""), ("", "dim")):
        justify: Any = "right" if name == "after" else "left"
        fold: Any = "fold" if not name else "ellipsis"
        table.add_column(name, style=style, justify=justify, overflow=fold)
    for at, _, what, detail in rows:
        table.add_row(_clock(at), _after(start, at), what, plain(detail))
    console.print(table)
    if data.get("omitted"):
        console.print(f"{data['omitted']} entries in between are omitted", style="dim")


def _head(data: Json) -> Panel:
    message = data.get("message") or {}
    lines = Table.grid(padding=(0, 2))
    content = message.get("text")
    content = repr(content) if content is not None else message.get("binary")
    segments = (data.get("segments") or {}).get("total")
    for name, value in (
        ("to", data.get("to")),
        ("from", data.get("from")),
        ("text" if message.get("text") is not None else "binary", content),
        ("class", data.get("class")),
        ("profile", (message.get("tracker") or {}).get("profile")),
        ("segments", segments),
        ("channel", data.get("channel")),
        ("account", data.get("account")),
        ("accepted", day(data.get("accepted_at"))),
        ("expires", day(data.get("expires_at"))),
        ("due", day(data.get("due"))),
        ("error", error_words(data.get("error"))),
    ):
        if value:
            lines.add_row(plain(name, "dim"), plain(value))
    for one in (message.get("tracker") or {}).get("findings") or ():
        lines.add_row(plain("finding", "dim"), finding(one))
    title = Text(f" {data.get('id')} ", style="bold")
    title.append_text(state_of(str(data.get("state"))))
    title.append(" ")
    return Panel(lines, title=title, title_align="left", expand=False)


def _moments(data: Json) -> Iterable[tuple[str, int, Text, str]]:
    """Yield (when, order within that moment, what, details)."""
    for one in data.get("events") or ():
        state = str(one.get("state"))
        order = 0 if state == "accepted" else 4
        yield str(one.get("at")), order, state_of(state), _details(one)
    for one in data.get("attempts") or ():
        number, channel = one.get("attempt"), one.get("channel")
        what = Text(f"  attempt {number}", style="bright_black")
        yield str(one.get("at")), 1, what, f"leaves by {channel}"
        if one.get("answered_at"):
            ids = ", ".join(str(word) for word in one.get("provider_ids") or ())
            said = joined(
                one.get("outcome"),
                one.get("line"),
                f"id {ids}" if ids else None,
                error_words(one.get("error")),
            )
            what = Text("  answer", style="bright_black")
            yield str(one["answered_at"]), 2, what, said
    for one in data.get("receipts") or ():
        said = joined(
            one.get("state"),
            f"id {one.get('provider_id')}",
            _matched_by(one),
            error_words(one.get("error")),
            None if one.get("counted", True) else "(too late to matter)",
            None if one.get("verified", True) else "(not verified)",
            one.get("raw"),
        )
        yield str(one.get("at")), 3, Text("  receipt", style="bright_black"), said


def _matched_by(one: Json) -> str | None:
    """Return the id that led here, when it is not the first that a receipt names."""
    by = one.get("matched_by")
    return f"matched by {by}" if by and by != one.get("provider_id") else None


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
    names = ("accepted", "id", "state", "to", "from", "channel", "error")
    listing(console, names, [_row(one) for one in found], "id")
    if page.get("cursor"):
        more = Text(f"more: --cursor {page['cursor']}", style="dim")
        console.print(more, soft_wrap=True)


def _row(one: Json) -> list[Text]:
    accepted = _moment(one.get("accepted_at"))
    return [
        plain(f"{accepted:%m-%d %H:%M:%S}" if accepted else "", "dim"),
        plain(one.get("id"), "bold"),
        state_of(str(one.get("state"))),
        plain(one.get("to")),
        plain(one.get("from")),
        plain(one.get("channel")),
        plain(error_words(one.get("error")), "red"),
    ]
