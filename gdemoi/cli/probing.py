"""`probe`: a trial of a channel's far side, from here and without the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click
from rich.console import Console

from gdemoi.cli.asking import (
    REFUSED,
    UNREADABLE,
    Choices,
    CliEnvironment,
    CliError,
    json_option,
)
from gdemoi.cli.configured import loaded
from gdemoi.cli.show import plain
from gdemoi.cli.terminal import PlainText as Text
from gdemoi.cli.terminal import json_text, terminal
from gdemoi.ini.units import likely
from gdemoi.settings import Configuration
from gdemoi.smpp.settings import SmppSettings

_ONE_SESSION: Final = (
    "note: a carrier that allows one session per login refuses this probe while a"
    " gateway is bound with it"
)


@click.command()
@click.argument("channel")
@click.option("--config", metavar="FILE", help="The configuration.")
@json_option
@click.pass_context
def probe(
    context: click.Context, channel: str, config: str | None, as_json: bool
) -> None:
    """Connect and bind to CHANNEL's SMSC; tell what it answers and what to mend.

    Works from here and from the file alone; nothing is sent.  A carrier that
    allows one session per login refuses it while the gateway is bound.

    Exit status: 0 every host took the bind, 1 one did not, 2 unreadable.
    """
    whole = (
        context.obj if isinstance(context.obj, Choices) else Choices(CliEnvironment())
    )
    settings = _settings_of(loaded(config or whole.config), channel)
    as_json = as_json or whole.as_json
    if not as_json:
        click.secho(_ONE_SESSION, err=True, dim=True)
    found = whole.environment.probe(settings)
    if as_json:
        click.echo(json_text(found))
    else:
        _show(terminal(), channel, settings, found)
    if not all(one["bound"] for one in found):
        context.exit(REFUSED)


def _settings_of(configuration: Configuration, channel: str) -> SmppSettings:
    known = {one.name: one for one in configuration.channels}
    if channel not in known:
        meant = likely(channel, list(known))
        hint = f"; did you mean {meant}?" if meant else ""
        raise CliError(f"there is no channel {channel}{hint}", UNREADABLE)
    settings = known[channel].settings
    if not isinstance(settings, SmppSettings):
        kind = known[channel].kind.name
        raise CliError(
            f"{channel} is of kind {kind}; only smpp channels can be probed", UNREADABLE
        )
    return settings


def _show(
    console: Console,
    channel: str,
    settings: SmppSettings,
    found: Sequence[dict[str, Any]],
) -> None:
    console.print(Text(f"[smpp:{channel}]", style="bold cyan"))
    for one in found:
        good = bool(one["bound"])
        line = Text("✓ " if good else "✗ ", style="green" if good else "red")
        line.append(f"{one['host']}:{one['port']}", style="bold")
        if one["address"] not in (None, one["host"]):
            line.append(f" ({one['address']})")
        line.append(f"  {'; '.join(_facts(one, settings))}")
        console.print(line, soft_wrap=True)
        for advice in one["advice"]:
            tip = Text("    ")
            tip.append(f"{advice['key']}", style="bold yellow")
            tip.append_text(plain(f"  {advice['why']}"))
            console.print(tip, soft_wrap=True)


def _facts(one: dict[str, Any], settings: SmppSettings) -> list[str]:
    if one["connect_ms"] is None:
        return [f"no connection: {one['problem']}"]
    facts = [f"connected in {one['connect_ms']:g} ms"]
    who = f"{settings.system_id} as {one['bind']}"
    if one.get("status"):
        code = one["command_status"]
        facts.append(f"bind of {who} refused: 0x{code:02X} {one['status']}")
    elif one["bound"]:
        facts.append(f"{who} bound in {one['bind_ms']:g} ms")
        facts.append(f"SMSC {one['smsc'] or 'without a name'}{_version(one)}")
        if one["round_trip_ms"] is not None:
            facts.append(f"round trip {one['round_trip_ms']:g} ms")
        else:
            facts.append("it does not answer enquire_link")
    else:
        facts.append(f"bind of {who} failed: {one['problem']}")
    return facts


def _version(one: dict[str, Any]) -> str:
    version = one["sc_interface_version"]
    return "" if version is None else f" (SMPP {version >> 4}.{version & 15})"
