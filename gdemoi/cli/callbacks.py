"""``gdemoi-sms callbacks``: what platforms were called with, and what was given up."""

from __future__ import annotations

from typing import Any

import click

from gdemoi.cli.asking import Remote, quoted, remote
from gdemoi.cli.show import plain
from gdemoi.cli.terminal import PlainText as Text
from gdemoi.cli.terminal import listing


@click.group()
def callbacks() -> None:
    """Show what a section could not hand over, and send it again.

    SECTION is as in the configuration: webhook:erp, kannel:vts, jasmin:fleet.
    """


def _path(section: str) -> str:
    kind, colon, name = section.partition(":")
    if not colon:
        raise click.UsageError("a section is written KIND:NAME, as webhook:erp")
    return f"/v1/callbacks/{quoted(kind)}/{quoted(name)}"


@callbacks.command("show")
@click.argument("section")
@remote
def show_(asked: Remote, section: str) -> None:
    """Show how SECTION stands, and the events that were given up."""
    found = asked.get(_path(section))
    if asked.as_json:
        asked.print_json(found)
        return
    line = Text(found["section"], style="bold")
    line.append(f" {found['state']}  {found['reason']}".rstrip())
    counts = ("waiting", "delivered", "failed", "given_up")
    told = ", ".join(f"{word.replace('_', ' ')} {found[word]}" for word in counts)
    line.append(f"  {told}", style="dim")
    asked.console.print(line, soft_wrap=True)
    if found["parked"]:
        heads = ("event", "given up", "about", "why")
        listing(asked.console, heads, [_row(one) for one in found["parked"]], "event")


def _row(one: dict[str, Any]) -> list[Text]:
    event = one["event"] or {}
    about = " ".join(str(event.get(word) or "") for word in ("type", "id", "state"))
    return [
        plain(str(one["seq"]), "bold"),
        plain(one["given_up_at"], "dim"),
        plain(about.strip() or "gone from the journal"),
        plain(one["why"]),
    ]


@callbacks.command("replay")
@click.argument("section")
@click.argument("events", nargs=-1, type=click.IntRange(0))
@remote
def replay(asked: Remote, section: str, events: tuple[int, ...]) -> None:
    """Send again what was given up: all of it, or EVENTS by their numbers."""
    body = list(events) if events else None
    _tell(asked, asked.post(f"{_path(section)}/replay", body))


@callbacks.command("resume")
@click.argument("section")
@remote
def resume(asked: Remote, section: str) -> None:
    """Send again to a far side that answered 410, or rests."""
    _tell(asked, asked.post(f"{_path(section)}/resume"))


def _tell(asked: Remote, one: dict[str, Any]) -> None:
    if asked.as_json:
        asked.print_json(one)
    elif "replayed" in one:
        numbers = ", ".join(map(str, one["replayed"])) or "nothing"
        asked.console.print(f"{one['section']}: {numbers} again")
    else:
        asked.console.print(f"{one['section']} {one['state']}")
