"""`import`: another program's settings as an ini file of ours.  Nothing is sent."""

from __future__ import annotations

import os

import click

from gdemoi.cli.asking import REFUSED, UNREADABLE, CliError, json_option
from gdemoi.cli.configured import complaint_json, wants_json
from gdemoi.cli.terminal import json_text, printable_lines
from gdemoi.importing import FORMS, BadImport, imported
from gdemoi.settings import Disk


@click.command("import")
@click.argument("file")
@click.option(
    "--from",
    "form",
    type=click.Choice(FORMS),
    help="What FILE is, when that is not recognised.",
)
@click.option(
    "--output",
    metavar="FILE",
    help="Write it there, readable by you alone; never over a file that is there.",
)
@json_option
@click.pass_context
def import_(
    context: click.Context,
    file: str,
    form: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Turn the settings of another program into sections of the ini file.

    FILE holds rows of the platform's table sms_gates in JSON (navixy), a kannel.conf
    with its includes (kannel), or what Jasmin's smppccm -s and -l print (jasmin).
    What has no counterpart is a comment that tells why.  Secrets are kept as they are.

    Exit status: 0 done, 1 FILE is not what it should be, 2 it cannot be read or
    written.
    """
    sources, as_json = Disk(), wants_json(context, as_json)
    try:
        octets = sources.read(file)
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}", UNREADABLE) from None
    try:
        text = imported(file, octets, sources, form)
    except BadImport as fault:
        if as_json:
            click.echo(json_text([complaint_json(one) for one in fault.complaints]))
            context.exit(REFUSED)
        lines = "\n".join(str(one) for one in fault.complaints)
        raise CliError(printable_lines(lines), REFUSED) from None
    if output is None:
        click.echo(json_text({"ini": text}) if as_json else text, nl=as_json)
        return
    try:
        _write(output, text)
    except FileExistsError:
        raise CliError(f"{output} is there already", UNREADABLE) from None
    except OSError as error:
        raise CliError(f"{output}: {error.strerror}", UNREADABLE) from None
    told = f"{output}: written; now: gdemoi-sms check {output}"
    click.echo(json_text({"output": output}) if as_json else told)


def _write(output: str, text: str) -> None:
    """Write a new file, for its owner only: it holds secrets."""
    opened = os.open(output, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with open(opened, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
