"""Commands about channels and lines: status, pause, resume, line."""

from __future__ import annotations

from typing import Any

import click

from gdemoi.cli import show
from gdemoi.cli.asking import Remote, Trouble, quoted, remote


@click.command()
@remote
def status(asked: Remote) -> None:
    """Show the gateway, its channels and their lines."""
    channels = asked.get("/v1/channels")["channels"]
    try:
        ready = asked.get("/health/ready")
    except Trouble as trouble:
        ready = {"status": "unready", "reason": trouble.message}
    if asked.as_json:
        asked.print_json({"url": asked.url, "ready": ready, "channels": channels})
    else:
        show.status(asked.console, asked.url, ready, channels)


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
        raise Trouble(f"there are several lines {name}: {ways}")
    if slash:
        # The channel may know lines that it does not list.
        return wanted, rest
    lines = ", ".join(pair[1] for pair in known) or "none"
    raise Trouble(f"there is no line {name}; lines are: {lines}")
