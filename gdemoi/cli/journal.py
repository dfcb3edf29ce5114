"""Commands about the journal itself: backup, restore, and what is in it.

They work on the journal that a configuration names, not through a gateway.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
from attrs import asdict

from gdemoi.cli.asking import UNREADABLE, Choices, CliError, json_option
from gdemoi.cli.configured import loaded
from gdemoi.cli.terminal import json_text, printable_lines
from gdemoi.errors import ConfigurationError, Unavailable
from gdemoi.journal import care
from gdemoi.journal.database import NOT_NOW, Database
from gdemoi.moments import rfc3339

_MIB = 1024 * 1024


def config_option(command: Any) -> Any:
    """Add --config."""
    return click.option("--config", metavar="FILE", help="The configuration.")(command)


def _database(config: str | None, *, readonly: bool = True) -> Database:
    whole = click.get_current_context().obj
    if config is None and isinstance(whole, Choices):
        config = whole.config
    configuration = loaded(config)
    name = configuration.gateway.name
    return Database(configuration.journal, name, readonly=readonly)


def _as_json(as_json: bool) -> bool:
    whole = click.get_current_context().obj
    return as_json or (isinstance(whole, Choices) and whole.as_json)


def _tell(text: str) -> None:
    click.echo(printable_lines(text))


def _done(function: Any, *args: Any) -> Any:
    """Return what `function` returns; its faults are told without a traceback."""
    try:
        return function(*args)
    except (ConfigurationError, Unavailable) as fault:
        raise CliError(str(fault)) from None
    except NOT_NOW as fault:
        raise CliError(f"the journal cannot be read: {fault}") from None


@click.command()
@click.argument("file")
@config_option
@json_option
def backup(file: str, config: str | None, as_json: bool) -> None:
    """Copy the journal to FILE; the gateway may be running.

    The copy is whole and of one moment.  For a PostgreSQL journal use pg_dump.
    """
    copy = _done(care.backup, _database(config), file)
    if _as_json(as_json):
        click.echo(json_text(asdict(copy)))
    else:
        _tell(f"{file}: {copy.messages} messages, {_size(copy.octets)}")


@click.command()
@click.argument("file")
@config_option
def restore(file: str, config: str | None) -> None:
    """Put the copy FILE in the journal's place; the gateway must be stopped.

    What was there is kept beside it (.before-restore).
    """
    database = _database(config, readonly=False)
    mark = _done(care.restore, file, database)
    _tell(f"{file} is the journal {database.path} now")
    if mark is not None:
        _tell(
            "the journal had come further than this copy: what happened since the"
            " backup is not in it. Receipts of that time will match nothing, a platform"
            " may hand its messages in again, and what waits in the copy may have left:"
            " it follows its on_unsure (commands become uncertain and are not sent)."
            " Start the gateway once with --accept-loss"
        )


@click.group()
def journal() -> None:
    """Look into the journal, tidy it up, export or upgrade it."""


@journal.command()
@config_option
@json_option
def info(config: str | None, as_json: bool) -> None:
    """Show size, age, messages by state, and what an upgrade would do."""
    found: care.JournalState = _done(care.state, _database(config))
    if _as_json(as_json):
        click.echo(json_text(asdict(found)))
        return
    _tell(
        f"{found.where}: {_size(found.octets)}, {_size(found.free_octets)} of it free"
    )
    for name, count in sorted(found.states.items()):
        _tell(f"  {name:12} {count}")
    if found.oldest is not None and found.newest is not None:
        _tell(f"  messages of {rfc3339(found.oldest)} to {rfc3339(found.newest)}")
    _tell(f"  {found.events} rows of events, {found.inbound} inbound SMS remembered")
    _tell(f"  version of the tables: {found.revision or 'none'}")
    for step in found.pending:
        _tell(f"  an upgrade would do {step}")


@journal.command()
@config_option
def vacuum(config: str | None) -> None:
    """Give the room back that is free in the file; the gateway must be stopped."""
    before, after = _done(care.vacuum, _database(config, readonly=False))
    _tell(f"{_size(before)} before, {_size(after)} now")


@journal.command()
@click.option("--since", metavar="TIME", help="Only those accepted since (RFC 3339).")
@click.option("--output", metavar="FILE", default="-", help="Where to; -: stdout.")
@config_option
def export(config: str | None, since: str | None, output: str) -> None:
    """Write each message's whole story as a line of JSON, newest first."""
    moment = None if since is None else _moment(since)
    database = _database(config)
    lines = _done(care.stories, database, moment)
    count = 0
    try:
        with click.open_file(output, "wb") as target:
            while (line := _done(next, lines, None)) is not None:
                target.write(line)
                count += 1
    except OSError as error:
        raise CliError(f"{output}: {error.strerror}", UNREADABLE) from None
    click.echo(f"{count} messages", err=True)


@journal.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@config_option
def upgrade(config: str | None, dry_run: bool) -> None:
    """Bring the tables to the newest version, as a start of the gateway does."""
    database = _database(config, readonly=dry_run)
    if dry_run:
        steps = _done(care.state, database).pending
    else:
        steps = _done(care.upgrade, database)
    for step in steps:
        _tell(step)
    if not steps:
        _tell("nothing to do: the tables are of the newest version")


def _moment(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"{text!r} is not a time like 2026-11-21T03:00Z"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _size(octets: int) -> str:
    return f"{octets / _MIB:.1f} MiB"
