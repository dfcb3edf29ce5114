"""Commands on a configuration file: check, keys, explain.  Nothing is sent."""

from __future__ import annotations

import json
import random
import time
from typing import Any, Final

import click
from twisted.internet.defer import Deferred, succeed

from gdemoi.accounts.settings import AccountSettings
from gdemoi.alerts.settings import AlertSettings
from gdemoi.amqp.settings import AmqpMapSettings, AmqpSettings
from gdemoi.cli.asking import (
    REFUSED,
    UNREADABLE,
    Choices,
    CliEnvironment,
    CliError,
    Remote,
    json_option,
)
from gdemoi.cli.messages import Once, envelope, message_options
from gdemoi.cli.show_configured import difference as show_difference
from gdemoi.cli.show_configured import explanation as show_explanation
from gdemoi.cli.show_configured import keys as show_keys
from gdemoi.cli.terminal import json_text, printable_lines, terminal
from gdemoi.contract.envelope import Defaults, parse_many
from gdemoi.doors.settings import (
    AliasSettings,
    JasminSettings,
    KannelSettings,
    WebhookSettings,
)
from gdemoi.errors import InvalidMessage
from gdemoi.http.settings import HttpSettings
from gdemoi.ini import Complaint, reference
from gdemoi.ini.units import likely
from gdemoi.interfaces import ChannelContext, IChannel
from gdemoi.routing.explain import explain as explained
from gdemoi.routing.rules import Router
from gdemoi.routing.settings import RouteSettings
from gdemoi.routing.trackers import Trackers, TrackerSettings, TrackersSettings
from gdemoi.settings import (
    BadConfiguration,
    Configuration,
    GatewaySettings,
    examine,
    known_kinds,
    load,
)
from gdemoi.settings.difference import secrets_in, shown, shown_differences
from gdemoi.settings.machine import look
from gdemoi.smppserver.settings import SmppClientSettings, SmppServerSettings

_OWN: Final[dict[str, type]] = {
    "gateway": GatewaySettings,
    "http": HttpSettings,
    "amqp": AmqpSettings,
    "amqp-map": AmqpMapSettings,
    "route": RouteSettings,
    "account": AccountSettings,
    "smpp-server": SmppServerSettings,
    "smpp-client": SmppClientSettings,
    "webhook": WebhookSettings,
    "kannel": KannelSettings,
    "jasmin": JasminSettings,
    "door-alias": AliasSettings,
    "alert": AlertSettings,
    "trackers": TrackersSettings,
    "tracker": TrackerSettings,
}
_NAMELESS: Final = ("gateway", "http", "amqp", "trackers")


def wants_json(context: click.Context, as_json: bool) -> bool:
    """Tell whether --json was given, before the command or after it."""
    whole = context.obj
    return as_json or (isinstance(whole, Choices) and whole.as_json)


def _print(body: Any) -> None:
    click.echo(json_text(body))


@click.command()
@click.argument("file")
@click.option(
    "--diff", "running", metavar="URL", help="Tell what changes at the gateway there."
)
@json_option
@click.pass_context
def check(
    context: click.Context, file: str, running: str | None, as_json: bool
) -> None:
    """Check a configuration: every mistake, with its file and line.

    Exit status: 0 good (warnings may be), 1 complaints, 2 unreadable.
    """
    try:
        configuration, complaints = examine(file)
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}", UNREADABLE) from None
    if configuration is not None:
        complaints += _made(configuration) or look(configuration)
        if any(not one.warning for one in complaints):
            configuration = None
    difference = None
    if running is not None and configuration is not None:
        difference = _difference(context, running, configuration)
    if wants_json(context, as_json):
        listed = [complaint_json(one) for one in complaints]
        _print(listed if difference is None else {"complaints": listed, **difference})
    else:
        for one in complaints:
            click.secho(
                printable_lines(str(one)), fg="yellow" if one.warning else "red"
            )
        if configuration is not None:
            channels, routes = len(configuration.channels), len(configuration.routes)
            click.secho(
                f"{file}: good ({channels} channels, {routes} routes)", fg="green"
            )
        if difference is not None:
            show_difference(terminal(), difference)
    if configuration is None:
        context.exit(REFUSED)


def _difference(
    context: click.Context, url: str, configuration: Configuration
) -> dict[str, Any]:
    """Return what a file would change at the gateway that answers at `url`."""
    choices = (
        context.obj if isinstance(context.obj, Choices) else Choices(CliEnvironment())
    )
    running = Remote(choices.over(None, url, None, False)).get("/v1/configuration")
    before, after = running["sections"], shown(configuration)
    known = secrets_in(before)
    return {
        "changes": [one.described() for one in shown_differences(before, after)],
        "not_compared": [key for key in secrets_in(after) if key in known],
    }


def _made(configuration: Configuration) -> list[Complaint]:
    """Return what keeps channels from being made, such as a key that is missing."""
    try:
        offline_channels(configuration)
    except BadConfiguration as bad:
        return list(bad.complaints)
    return []


def complaint_json(one: Complaint) -> dict[str, Any]:
    """Return a complaint as `check --json` tells it."""
    return {
        "file": one.place.file,
        "line": one.place.line or None,
        "section": one.section,
        "key": one.key,
        "what": one.what,
        "hint": one.hint,
        "warning": one.warning,
    }


def sections() -> dict[str, type]:
    """Return every section that a configuration may have, with its settings."""
    found = dict(_OWN)
    for kind in known_kinds():
        found[kind.name] = kind.settings
        found |= kind.parts
    return found


@click.command()
@click.argument("kind", required=False)
@json_option
@click.pass_context
def keys(context: click.Context, kind: str | None, as_json: bool) -> None:
    """Show the sections of the configuration and their keys.

    KIND is a section's word: gateway, http, amqp, route, smpp, goip …
    """
    known = sections()
    for one in known_kinds():
        if kind in one.aliases:
            kind = one.name
    wanted = known
    if kind is not None:
        if kind not in known:
            meant = likely(kind, list(known))
            hint = f"; did you mean {meant}?" if meant else ""
            raise CliError(f"there is no section {kind}{hint}", UNREADABLE)
        parts = next((k.parts for k in known_kinds() if k.name == kind), {})
        wanted = {kind: known[kind], **parts}
    if wants_json(context, as_json):
        _print(
            {
                name: [
                    {field: getattr(one, field) for field in _REFERENCE}
                    for one in reference(settings)
                ]
                for name, settings in wanted.items()
            }
        )
        return
    console = terminal()
    for name, settings in wanted.items():
        label = name if name in _NAMELESS else f"{name}:NAME"
        show_keys(console, label, settings.__doc__ or "", reference(settings))


_REFERENCE: Final = ("name", "unit", "default", "required", "secret", "doc", "example")


@click.command(cls=Once)
@click.option("--config", metavar="FILE", help="The configuration.")
@message_options
@json_option
def explain(config: str | None, as_json: bool, **options: Any) -> None:
    """Tell which way a message would go, and the exact bytes; sends nothing."""
    context = click.get_current_context()
    whole = context.obj
    if config is None and isinstance(whole, Choices):
        config = whole.config
    data = explanation(loaded(config), envelope(options))
    if wants_json(context, as_json):
        _print(data)
    else:
        show_explanation(terminal(), data)
    if data["error"] is not None:
        context.exit(REFUSED)


def loaded(config: str | None) -> Configuration:
    """Return the configuration that a command is to work from."""
    if config is None:
        raise click.UsageError("--config FILE is missing")
    try:
        return load(config)
    except OSError as error:
        raise CliError(f"{config}: {error.strerror}", UNREADABLE) from None
    except BadConfiguration as bad:
        raise CliError(f"the configuration cannot be used:\n{bad}") from None


def explanation(configuration: Configuration, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what would happen to a message, from a configuration alone.

    Every channel counts as able: none is connected here.
    """
    settings = configuration.gateway
    trackers = Trackers(configuration.profiles, configuration.trackers)
    defaults = Defaults(
        settings.home_country, settings.default_ttl_s, configuration.profiles
    )
    body = json.dumps(fields).encode()
    (message,) = parse_many(body, defaults=defaults, now=time.time())
    if isinstance(message, InvalidMessage):
        return _unexplained(fields, message)
    channels = offline_channels(configuration)
    router = Router(configuration.rules, list(channels))
    return explained(message, router, channels, lambda name: None, trackers)


def _unexplained(fields: dict[str, Any], invalid: InvalidMessage) -> dict[str, Any]:
    nothing = dict.fromkeys(("country", "route", "charset", "data_coding"))
    error = {"code": f"gateway:{invalid.code}", "text": invalid.text}
    return {
        "to": fields["to"],
        **nothing,
        "sender": fields.get("from"),
        "rules": [],
        "channels": [],
        "segments": [],
        "error": {**error, "retryable": False, "field": invalid.field},
    }


def offline_channels(configuration: Configuration) -> dict[str, IChannel]:
    """Make the channels of a configuration without starting any."""
    from twisted.internet import reactor

    def no_cursor(name: str) -> Deferred[str | None]:
        return succeed(None)

    def forget(name: str, value: str) -> Deferred[None]:
        return succeed(None)

    http = configuration.http
    context = ChannelContext(
        reactor=reactor,
        clock=reactor,
        random=random.random,
        public_url=http.public_url if http is not None else None,
        mount=lambda channel, resource: None,
        cursor=no_cursor,
        set_cursor=forget,
    )
    return {
        one.name: configuration.make(one, context) for one in configuration.channels
    }
