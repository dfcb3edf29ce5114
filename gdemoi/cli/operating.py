"""Commands about channels and lines: status, pause, resume, line, trace, unmatched."""

from __future__ import annotations

from typing import Any, Final

import click

from gdemoi.cli import show_channels as show
from gdemoi.cli.asking import (
    REFUSED,
    UNREADABLE,
    CliError,
    Remote,
    quoted,
    remote,
)

_FOLLOW_S: Final = 0.5


@click.command()
@click.option("--all", "every", is_flag=True, help="All that the lines tell.")
@remote
def status(asked: Remote, every: bool) -> None:
    """Show the gateway, its channels and their lines."""
    channels = asked.get("/v1/channels")["channels"]
    try:
        whole = asked.get("/v1/status")
    except CliError as trouble:
        whole = {"status": "unready", "reason": trouble.message}
    if asked.as_json:
        asked.print_json({"url": asked.url, "ready": whole, "channels": channels})
    else:
        show.status(asked.console, asked.url, whole, channels, every)


@click.command()
@click.option("--dry-run", is_flag=True, help="Change nothing, only tell.")
@remote
def reload(asked: Remote, dry_run: bool) -> None:
    """Let the gateway read its configuration file again; tell what that changed.

    Channels that stay the same keep their connections.  Exit status 1: the file is
    refused, and the running configuration kept.
    """
    report = asked.post("/v1/reload?dry_run=yes" if dry_run else "/v1/reload")
    if asked.as_json:
        asked.print_json(report)
    else:
        show.reload(asked.console, report)
    if report["status"] == "refused":
        click.get_current_context().exit(REFUSED)


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@remote
def unmatched(asked: Remote, limit: int) -> None:
    """Show receipts that are about no message we know, newest first.

    Such a receipt may be about a message that another program sent with the same
    login, or its id is written in another way (see receipt_id).
    """
    found = asked.get("/v1/receipts/unmatched", limit=limit)
    if asked.as_json:
        asked.print_json(found)
    else:
        show.unmatched(asked.console, found)


@click.command()
@click.argument("channel")
@click.option("--pcap", metavar="FILE", help="Write a capture file (-: to stdout).")
@click.option("--follow", "-f", is_flag=True, help="Go on as they pass.")
@remote
def trace(asked: Remote, channel: str, pcap: str | None, follow: bool) -> None:
    """Show what passed on CHANNEL lately; secrets are masked.

    Wireshark opens the file that --pcap writes.
    """
    path = f"/v1/channels/{quoted(channel)}/trace"
    if pcap is not None:
        if follow:
            raise click.UsageError("--pcap writes what there is; it cannot follow")
        _write(pcap, asked.download(f"{path}?format=pcap"))
        return
    page = asked.get(path)
    if not follow:
        if asked.as_json:
            asked.print_json(page)
        else:
            show.trace(asked.console, page)
        return
    try:
        while True:
            for one in page["records"]:
                if asked.as_json:
                    asked.print_json(one)
                else:
                    show.passed(asked.console, one)
            asked.environment.sleep(_FOLLOW_S)
            page = asked.get(path, after=page["after"])
    except KeyboardInterrupt:
        return


def _write(file: str, octets: bytes) -> None:
    try:
        with click.open_file(file, "wb") as opened:
            opened.write(octets)
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}", UNREADABLE) from None


@click.command()
@click.argument("channel")
@remote
def pause(asked: Remote, channel: str) -> None:
    """Send nothing through CHANNEL for now; messages wait, or go other ways."""
    _switch(asked, channel, "pause", "is paused")


@click.command()
@click.argument("channel")
@remote
def resume(asked: Remote, channel: str) -> None:
    """Send through CHANNEL again."""
    _switch(asked, channel, "resume", "goes on")


def _switch(asked: Remote, channel: str, verb: str, said: str) -> None:
    answer = asked.post(f"/v1/channels/{quoted(channel)}/{verb}")
    if asked.as_json:
        asked.print_json(answer)
    else:
        asked.console.print(f"{channel} {said}")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("verb")
@click.argument("arguments", nargs=-1)
@remote
def line(asked: Remote, name: str, verb: str, arguments: tuple[str, ...]) -> None:
    """Have a GSM line do VERB: ussd '*100#', reboot, number …

    NAME is the line's name, or CHANNEL/LINE where two lines have the same.
    """
    channel, one = _line(asked, name)
    path = f"/v1/channels/{quoted(channel)}/lines/{quoted(one)}/{quoted(verb)}"
    answer = asked.post(path, list(arguments))
    if asked.as_json:
        asked.print_json(answer)
    else:
        asked.console.print(str(answer["answer"]), markup=False)


def _line(asked: Remote, name: str) -> tuple[str, str]:
    """Return the channel and the line that are meant."""
    channels: list[dict[str, Any]] = asked.get("/v1/channels")["channels"]
    known = [
        (str(channel["name"]), str(found["name"]))
        for channel in channels
        for found in channel.get("lines") or ()
    ]
    wanted, slash, rest = name.partition("/")
    if slash and (wanted, rest) in known:
        return wanted, rest
    meant = [pair for pair in known if pair[1] == name]
    if len(meant) == 1:
        return meant[0]
    if meant:
        ways = ", ".join("/".join(pair) for pair in meant)
        raise CliError(f"there are several lines {name}: {ways}")
    if slash:
        # The channel may know lines that it does not list.
        return wanted, rest
    lines = ", ".join(pair[1] for pair in known) or "none"
    raise CliError(f"there is no line {name}; lines are: {lines}")
