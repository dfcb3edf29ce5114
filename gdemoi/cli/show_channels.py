"""What the answers about channels, lines and receipts look like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console

from gdemoi.cli.show import (
    day,
    error_words,
    joined,
    plain,
    state_of,
)
from gdemoi.cli.terminal import PlainText as Text
from gdemoi.cli.terminal import listing
from gdemoi.contract.remedies import remedy_of_reason

Json = Mapping[str, Any]

# What a line tells about itself beside the columns of the table.
_CHANNEL: Final = (
    *("channel", "kind", "state", "backlog", "in flight", "rate", "sent"),
    "",
)
# What a line tells at a glance: values that speak for themselves, then named ones.
_BARE: Final = ("number", "operator", "host")
_SUMMARY: Final = ("signal", "waiting", "round_trip_ms", "balance", "next_try_at")
_OF_LINES: Final = ("name", "state", "reason")
# Ids that only --json tells: they say nothing at a glance.
_LONG: Final = ("imei", "imsi", "iccid", "smsc", "status", "span")


def status(
    console: Console,
    url: str,
    ready: Json,
    channels: Sequence[Json],
    every: bool = False,
) -> None:
    """Show the gateway, its channels, and the lines of those that have any.

    `every`: all that the lines tell, not only what one asks at a glance.
    """
    good = ready.get("status") == "ready"
    line = Text(f"{url}  ")
    line.append("ready" if good else "not ready", "bold green" if good else "bold red")
    line.append(f"  {ready.get('reason') or ''}")
    console.print(line)
    if ready.get("lost"):
        console.print(Text(f"lost: {ready['lost']}", "bold red"))
    for alert in ready.get("alerts") or ():
        since = datetime.fromtimestamp(float(alert["since"]))
        told = f"! {alert['name']}: {alert['text']} (since {since:%d %b %H:%M})"
        console.print(Text(told, "bold red"))
    _messages(console, ready)
    _doors(console, ready.get("doors") or ())
    _gateways(console, ready.get("gateways") or ())
    if not channels:
        console.print(Text("no channels", style="dim"))
        return
    listing(console, _CHANNEL, [_channel(one) for one in channels], "channel")
    lines = [
        _line(str(c.get("name")), one, every)
        for c in channels
        for one in (*(c.get("binds") or ()), *(c.get("lines") or ()))
    ]
    if lines:
        console.print()
        listing(console, ("line", "state", ""), lines, "line")
    for words in _what_to_do(channels):
        console.print(Text(f"→ {words}", style="yellow"))


def _what_to_do(channels: Sequence[Json]) -> Iterator[str]:
    """Yield what to do about what ails channels, binds and lines, each once."""
    told: dict[str, list[str]] = {}
    for channel in channels:
        parts = (*(channel.get("binds") or ()), *(channel.get("lines") or ()))
        name = str(channel.get("name"))
        reasons = [(name, channel.get("reason") or channel.get("unable"))]
        reasons += [(f"{name}/{one.get('name')}", one.get("reason")) for one in parts]
        for subject, reason in reasons:
            remedy = remedy_of_reason(str(reason or ""))
            if remedy is not None:
                told.setdefault(remedy.en, []).append(subject)
    for words, subjects in told.items():
        yield f"{', '.join(subjects)}: {words}"


def _gateways(console: Console, gateways: Sequence[Json]) -> None:
    """Show those that share the journal, and what each of them owns."""
    if gateways:
        rows = [
            [
                Text(str(one.get("name"))),
                state_of(str(one.get("state"))),
                Text(", ".join(one.get("owns") or ())),
            ]
            for one in gateways
        ]
        listing(console, ("gateway", "state", "owns"), rows, "gateway")
        console.print()


_DOORS: Final = ("door", "kind", "sessions", "taken", "")


def _doors(console: Console, doors: Sequence[Json]) -> None:
    """Show servers, clients, webhooks and accounts, one row each."""
    if doors:
        listing(console, _DOORS, [_door(one) for one in doors], "door")
        console.print()


def _door(door: Json) -> list[Text]:
    sessions = door.get("sessions")
    count = door.get("bound") if sessions is None else len(sessions)
    taken = door.get("submitted", door.get("taken"))
    told = [f"{word} {n}" for word, n in (door.get("refused") or {}).items()]
    rest = [f"refused: {', '.join(told)}"] if told else []
    for word, key in (("at", "listen"), ("waiting", "waiting"), ("today", "today")):
        if door.get(key):
            rest.insert(0, f"{word} {door[key]}")
    if door.get("state") in ("down", "disabled"):
        rest.insert(0, f"{door['state']}: {door.get('reason')}")
    if door.get("given_up"):
        rest.append(f"given up {door['given_up']}: {door.get('last_given_up')}")
    cells = (door.get("name"), door.get("kind"), count, taken, "; ".join(rest))
    return [Text("" if one is None else str(one)) for one in cells]


def _messages(console: Console, whole: Json) -> None:
    """Show the journal's messages by state, and the receipts that match none."""
    line = Text()
    for word, count in (whole.get("messages") or {}).items():
        if count:
            line.append_text(state_of(word))
            line.append(f" {count}   ")
    if whole.get("receipts_unmatched"):
        line.append(
            f"{whole['receipts_unmatched']} receipts match no message", "yellow"
        )
    if line:
        console.print(line)


def _channel(channel: Json) -> list[Text]:
    state = state_of(str(channel.get("state")))
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
    notes = joined(
        why,
        unable if unable and unable not in why else None,
        f"balance {balance}" if balance is not None else None,
        _next_try(channel),
    )
    return [
        plain(channel.get("name"), "bold"),
        plain(channel.get("kind")),
        state,
        plain(channel.get("backlog")),
        plain(f"{channel.get('in_flight', 0)} / {channel.get('window', '')}"),
        plain(shown),
        plain(channel.get("sent")),
        plain(notes, "dim"),
    ]


def _next_try(channel: Json) -> str | None:
    """Return when what rests (the channel, else its senders) is tried again."""
    at = channel.get("next_try_at")
    if at is None:
        ends = [one["next_try_at"] for one in channel.get("refused_senders") or ()]
        at = min(ends, default=None)
    return None if at is None else _measure("next_try_at", at)


def _line(channel: str, line: Json, every: bool) -> list[Text]:
    more = _pairs(line) if every else _summary(line)
    return [
        plain(f"{channel}/{line.get('name')}", "bold"),
        state_of(str(line.get("state"))),
        plain(joined(line.get("reason"), *more), "dim"),
    ]


def _summary(line: Json) -> Iterable[str]:
    """Yield what fits beside the state: whose line it is, and what it does now."""
    for name in _BARE:
        if line.get(name):
            yield str(line[name])
    for name in _SUMMARY:
        if line.get(name):
            yield _measure(name, line[name])
    sent, limit = line.get("sent_today"), line.get("daily_limit")
    if limit:
        yield f"today {sent} of {limit}"
    yield from _budget(line)


def _budget(line: Json) -> Iterable[str]:
    """Yield what is used of each limit, and when a line waits for which."""
    budget = line.get("budget") or {}
    for unit, row in budget.items():
        if isinstance(row, Mapping):
            yield f"{unit} {row['used']} of {row['limit']}"
    if budget.get("reason") == "quiet":
        yield f"quiet {budget.get('quiet')}"


def _pairs(line: Json) -> Iterable[str]:
    """Yield what a line tells beside its columns; dicts within it too."""
    for name, value in line.items():
        if name == "budget":
            yield from _budget(line)
        elif isinstance(value, Mapping):
            yield from _pairs(value)
        elif value and name not in _OF_LINES + _LONG:
            yield _measure(name, value)


def _measure(name: str, value: Any) -> str:
    """Return a figure with its unit, which its name ends with."""
    spoken = name.replace("_", " ")
    if isinstance(value, bool | str) or not isinstance(value, int | float):
        return f"{spoken} {value}"
    if name.endswith("_at"):
        return f"{spoken} {datetime.fromtimestamp(value):%H:%M:%S}"
    for unit in ("ms", "s"):
        if name.endswith(f"_{unit}"):
            return f"{spoken.removesuffix(f' {unit}')} {round(value, 1):g} {unit}"
    return (
        f"{spoken} {round(value, 1):g}"
        if isinstance(value, float)
        else (f"{spoken} {value}")
    )


# -- what passed -----------------------------------------------------------


def trace(console: Console, page: Json) -> None:
    """Show what passed on a channel lately."""
    for one in page["records"]:
        passed(console, one)
    if not page["records"]:
        console.print("nothing passed yet", style="dim")


def passed(console: Console, one: Json) -> None:
    """Show one thing that passed, on one line."""
    at = datetime.fromtimestamp(float(one["at"]))
    ours = one.get("direction") == "out"
    line = Text(f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} ", style="dim")
    line.append("→ " if ours else "← ", style="green" if ours else "cyan")
    line.append(f"{one.get('link')} ", style="dim")
    line.append(str(one.get("line")), style="")
    console.print(line, soft_wrap=True)


def unmatched(console: Console, page: Json) -> None:
    """Show receipts that are about no message we know."""
    if not page["receipts"]:
        console.print("every receipt found its message", style="dim")
        return
    rows = [
        [
            plain(day(one.get("received_at")), "dim"),
            plain(one.get("channel")),
            plain(one.get("account")),
            plain(one.get("provider_id"), "bold"),
            state_of(str(one.get("state"))),
            plain(one.get("about")),
            plain(error_words(one.get("error")), "red"),
        ]
        for one in page["receipts"]
    ]
    names = ("came", "channel", "account", "id", "state", "about", "error")
    listing(console, names, rows, "id")
    more = page.get("total", 0) - len(page["receipts"])
    if more > 0:
        console.print(f"and {more} older ones", style="dim")


_RELOADED: Final = {
    "changed": "the configuration has changed",
    "unchanged": "nothing has changed",
    "would_change": "this would change",
    "refused": "the file is refused; the running configuration is kept",
}


def reload(console: Console, report: Json) -> None:
    """Print what reading the configuration again came to."""
    console.print(Text(_RELOADED[report["status"]]))
    for change in report["changes"]:
        console.print(Text(f"  {change['text']}"))
    for line in (*report["complaints"], *report["warnings"]):
        console.print(Text(f"  {line}"))
