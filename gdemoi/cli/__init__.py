"""``gdemoi-sms``: the command line.

What scripts may rely on: docs/contract.rst, "Commands and exit statuses".

Modules: `configured` (check, keys, explain: work on a file), `importing` (another
program's file), `probing` (tries a far side), `messages` and `operating` (talk to a
running gateway), `asking` (their HTTP), `show…` (what it looks like).  Nothing here
ends in a traceback.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper

import click

from gdemoi.cli.asking import Choices, CliEnvironment, shared_options
from gdemoi.cli.callbacks import callbacks
from gdemoi.cli.configured import check, explain, keys
from gdemoi.cli.importing import import_
from gdemoi.cli.journal import backup, journal, restore
from gdemoi.cli.messages import cancel, events, list_, send, story
from gdemoi.cli.operating import (
    line,
    pause,
    reload,
    resume,
    status,
    trace,
    unmatched,
)
from gdemoi.cli.probing import probe
from gdemoi.cli.profiles import profiles
from gdemoi.cli.trackers import trackers

__all__ = ["main"]

EXITS = """\b
Exit status:
  0  done (check: good; send --wait: delivered)
  1  refused, unknown, not delivered (check: complaints)
  2  wrong use of the command, or a file that cannot be read
  3  no gateway answers there
"""


@click.group(epilog=EXITS, context_settings={"help_option_names": ["-h", "--help"]})
@shared_options
@click.version_option(package_name="gdemoi", prog_name="gdemoi-sms")
@click.pass_context
def main(
    context: click.Context,
    config: str | None,
    url: str | None,
    token: str | None,
    as_json: bool,
) -> None:
    """SMS gateway: check a configuration, send messages, see what became of them.

    The gateway itself runs as: twistd -n gdemoi-sms --config FILE
    """
    for stream in (sys.stdout, sys.stderr):
        # a terminal that cannot show a sign shows "?"
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    environment = (
        context.obj if isinstance(context.obj, CliEnvironment) else CliEnvironment()
    )
    context.obj = Choices(environment, config, url, token, as_json)


for command in (
    check,
    keys,
    explain,
    import_,
    send,
    story,
    list_,
    events,
    cancel,
    status,
    pause,
    reload,
    resume,
    line,
    trace,
    unmatched,
    probe,
    profiles,
    trackers,
    callbacks,
    backup,
    restore,
    journal,
):
    main.add_command(command)
