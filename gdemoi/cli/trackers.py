"""``gdemoi-sms trackers``: which profile is set for which number."""

from __future__ import annotations

from typing import Any

import click

from gdemoi.cli.asking import Remote, quoted, remote
from gdemoi.cli.show import joined, plain
from gdemoi.cli.terminal import PlainText as Text
from gdemoi.cli.terminal import listing


@click.group()
def trackers() -> None:
    """Show and set which profile single trackers have.

    What is set for a number goes before the sections [tracker:NAME] of the
    configuration; what a message asks for goes before both.
    """


@trackers.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--cursor", help="The cursor of the page before.")
@remote
def list_(asked: Remote, limit: int, cursor: str | None) -> None:
    """Show what is set, by number."""
    page = asked.get("/v1/trackers", limit=limit, cursor=cursor)
    if asked.as_json:
        asked.print_json(page)
        return
    found = page["trackers"]
    if not found:
        asked.console.print("nothing is set for any number", style="dim")
        return
    rows = [_row(one) for one in found]
    listing(asked.console, ("number", "profile", "strict", "since"), rows, "number")
    if page.get("cursor"):
        more = Text(f"more: --cursor {page['cursor']}", style="dim")
        asked.console.print(more, soft_wrap=True)


def _row(one: dict[str, Any]) -> list[Text]:
    return [
        plain(one["number"], "bold"),
        plain(one["profile"] or "none", "" if one["profile"] else "dim"),
        plain(_strict(one)),
        plain(one["changed_at"], "dim"),
    ]


def _strict(one: dict[str, Any]) -> str:
    words = {True: "yes", False: "no", None: ""}
    return words[one["strict"]]


@trackers.command("show")
@click.argument("number")
@remote
def show_(asked: Remote, number: str) -> None:
    """Show what is set for NUMBER."""
    _tell(asked, asked.get(f"/v1/trackers/{quoted(number)}"))


@trackers.command("set")
@click.argument("number")
@click.option("--profile", help="The profile's name.")
@click.option("--none", "without", is_flag=True, help="No profile at all.")
@click.option("--strict/--no-strict", default=None, help="Refuse odd commands.")
@remote
def set_(
    asked: Remote, number: str, profile: str | None, without: bool, strict: bool | None
) -> None:
    """Set the profile of NUMBER."""
    if (profile is None) is not without:
        raise click.UsageError("give either --profile or --none")
    body = {"profile": profile, "strict": strict}
    _tell(asked, asked.put(f"/v1/trackers/{quoted(number)}", body))


@trackers.command("forget")
@click.argument("number")
@remote
def forget(asked: Remote, number: str) -> None:
    """Take away what is set for NUMBER: the sections hold again."""
    answer = asked.delete(f"/v1/trackers/{quoted(number)}")
    if asked.as_json:
        asked.print_json(answer)
    else:
        asked.console.print(f"nothing is set for {answer['number']} any more")


@trackers.command("sender")
@click.argument("number")
@click.option("--account", help="Whose memory; absent: of no account.")
@click.option("--set", "channel", metavar="CHANNEL", help="Go this way from now on.")
@click.option("--from", "sender", help="With --set: by this sender.")
@click.option("--forget", "forgets", is_flag=True, help="Forget it.")
@remote
def sender_(
    asked: Remote,
    number: str,
    account: str | None,
    channel: str | None,
    sender: str | None,
    forgets: bool,
) -> None:
    """Show, set or forget the channel and sender that NUMBER knows."""
    if (channel is not None and forgets) or (sender is not None and channel is None):
        raise click.UsageError("give --set (with --from), or --forget, or neither")
    path = f"/v1/trackers/{quoted(number)}/sender"
    whose = "" if account is None else f"?account={quoted(account)}"
    if channel is not None:
        found = asked.put(path + whose, {"channel": channel, "sender": sender})
    elif forgets:
        found = asked.delete(path + whose)
    else:
        found = asked.get(path, account=account)
    if asked.as_json:
        asked.print_json(found)
    elif forgets:
        asked.console.print(f"no way to {found['number']} is remembered any more")
    else:
        way = joined(found["channel"], found["line"], found["sender"])
        line = Text(found["number"], style="bold")
        line.append(f" by {way}")
        line.append(f"  {found['basis']} {found['at']}", style="dim")
        asked.console.print(line)


def _tell(asked: Remote, one: dict[str, Any]) -> None:
    if asked.as_json:
        asked.print_json(one)
        return
    strict = _strict(one)
    line = Text(one["number"], style="bold")
    line.append(f" {one['profile'] or 'no profile'}")
    line.append(f"  strict {strict}" if strict else "", style="dim")
    asked.console.print(line)
