"""Commands about profiles of trackers: which there are, what is in one, its tests."""

from __future__ import annotations

from typing import Any

import click
import msgspec
from rich.console import Console

from gdemoi.cli.asking import REFUSED, UNREADABLE, Choices, CliError, json_option
from gdemoi.cli.configured import loaded
from gdemoi.cli.show import plain
from gdemoi.cli.terminal import PlainText as Text
from gdemoi.cli.terminal import json_text, listing, printable_lines, terminal
from gdemoi.ini.units import likely
from gdemoi.profiles.format import BadProfile
from gdemoi.profiles.library import Library
from gdemoi.profiles.profile import Profile, load
from gdemoi.profiles.proofs import Difference, tried, unproved


def _wants_json(context: click.Context, as_json: bool) -> bool:
    """Tell whether this command, or one before it, was given --json."""
    found = as_json
    at: click.Context | None = context
    while at is not None:
        whole = at.obj
        found = found or bool(at.params.get("as_json"))
        found = found or (isinstance(whole, Choices) and whole.as_json)
        at = at.parent
    return found


@click.group(invoke_without_command=True)
@click.option("--config", metavar="FILE", help="With the profiles of its [trackers].")
@json_option
@click.pass_context
def profiles(context: click.Context, config: str | None, as_json: bool) -> None:
    """Show what is known of tracker families; test a profile of your own.

    Without a command: a list of all profiles, and how sure each is (A: the maker's
    document was read, B: another's code or guide, C: often said).
    """
    if context.invoked_subcommand is not None:
        return
    found = list(library_of(context))
    if _wants_json(context, as_json):
        click.echo(json_text([_summary(one) for one in found]))
        return
    rows = [
        [
            Text(one.name, style="bold"),
            plain(one.file.sure),
            plain(str(len(one.file.example))),
            plain(one.file.title),
        ]
        for one in found
    ]
    listing(terminal(), ("name", "sure", "examples", "family"), rows, "name")


def _summary(one: Profile) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.file.title,
        "sure": str(one.file.sure),
        "place": one.place,
        "examples": len(one.file.example),
    }


def library_of(context: click.Context) -> Library:
    """Return the profiles that there are: built in, and those of a configuration."""
    config = None
    at: click.Context | None = context
    while at is not None and config is None:
        config = at.params.get("config")
        if isinstance(at.obj, Choices):
            config = config or at.obj.config
        at = at.parent
    return Library() if config is None else loaded(config).profiles


@profiles.command("show")
@click.argument("name")
@json_option
@click.pass_context
def show_(context: click.Context, name: str, as_json: bool) -> None:
    """Show what a profile knows: commands, answers, what is secret."""
    known = library_of(context)
    found = known.get(name)
    if found is None:
        meant = likely(name, known.names())
        hint = f"; did you mean {meant}?" if meant else ""
        raise CliError(f"there is no profile {name}{hint}", REFUSED)
    if _wants_json(context, as_json):
        click.echo(json_text(msgspec.to_builtins(found.file) | {"place": found.place}))
    else:
        _show(terminal(), found)


def _show(console: Console, one: Profile) -> None:
    file = one.file
    console.print(Text(f"{file.name}", style="bold cyan"))
    for name, value in (
        ("family", file.title),
        ("sure", file.sure),
        ("sources", "; ".join(file.sources)),
        ("read from", one.place),
        ("letters", file.sms.charset),
        ("units", file.sms.max_units or None),
        ("command", file.command.form),
        ("case", file.command.case),
        ("password", file.command.password or None),
        ("secret", ", ".join(file.secrets.command) or None),
    ):
        if value is not None:
            line = Text(f"  {name}: ", style="dim")
            line.append(str(value))
            console.print(line, soft_wrap=True)
    for note in file.notes:
        console.print(plain(f"  {note}"), soft_wrap=True)
    for check in file.command.check:
        _row(console, "check", check.code, check.when, check.text)
    for word, verb in file.verbs.items():
        _row(console, "verb", word, *_of_verb(verb))
    for answer in file.answer:
        grade = f"sure {answer.sure}" if answer.sure else None
        _row(console, "answer", f"{answer.name} ({answer.state})", answer.match, grade)
    for own in file.unsolicited:
        grade = f"sure {own.sure}" if own.sure else None
        _row(console, "by itself", own.name, own.match, grade)
    for example in file.example:
        _row(
            console,
            "example",
            repr(example.command),
            " ".join(example.findings) or None,
        )


def _of_verb(verb: Any) -> list[str | None]:
    return [
        None if verb.answers is None else f"answers {verb.answers}",
        "starts anew" if verb.effect.reboot else None,
        f"sets {', '.join(verb.effect.sets)}" if verb.effect.sets else None,
        f"sure {verb.sure}" if verb.sure else None,
    ]


def _row(console: Console, kind: str, name: str, *more: str | None) -> None:
    line = Text(f"  {kind} ", style="dim")
    line.append(printable_lines(name), style="bold")
    line.append("  " + "  ".join(printable_lines(one) for one in more if one))
    console.print(line, soft_wrap=True)


@profiles.command("test")
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@json_option
@click.pass_context
def test_(context: click.Context, files: tuple[str, ...], as_json: bool) -> None:
    """Try the examples of profiles: files, or names of built-in ones.

    Each example is a command with what is to be found in it, and texts that come back
    with what they are to say.  Exit status: 0 all are as they say, 1 one is not, or
    the file is no profile, 2 it cannot be read.
    """
    known = library_of(context)
    told = [_tried(file, known) for file in files]
    if _wants_json(context, as_json):
        click.echo(json_text(told))
    else:
        for one in told:
            _tell(one)
    if not all(one["good"] for one in told):
        context.exit(REFUSED)


def _tried(file: str, known: Library) -> dict[str, Any]:
    """Return what came out of one file."""
    try:
        profile = known.get(file) or load(_octets(file), file)
    except BadProfile as bad:
        wrong = [{"key": bad.key, "what": bad.what}]
        return {"file": file, "good": False, "wrong": wrong, "unproved": []}
    differences = tried(profile, known)
    examples = profile.file.example
    return {
        "file": file,
        "name": profile.name,
        "good": not differences,
        "examples": len(examples),
        "answers": sum(len(one.answer) for one in examples),
        "wrong": [{"key": d.key, "what": _words(d)} for d in differences],
        "unproved": unproved(profile),
    }


def _words(one: Difference) -> str:
    return str(one).removeprefix(f"{one.key}: ")


def _octets(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read()
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}", UNREADABLE) from None


def _tell(one: dict[str, Any]) -> None:
    for wrong in one["wrong"]:
        where = (
            f"{one['file']}: {wrong['key']}: " if wrong["key"] else one["file"] + ": "
        )
        click.secho(printable_lines(where + wrong["what"]), fg="red")
    for what in one["unproved"]:
        text = f"{one['file']}: no example fits {what}"
        click.secho(printable_lines(text), fg="yellow")
    if one["good"]:
        text = (
            f"{one['file']}: good ({one['examples']} examples,"
            f" {one['answers']} answers)"
        )
        click.secho(printable_lines(text), fg="green")
