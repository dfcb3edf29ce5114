"""Commands about messages: send, story, list, events, cancel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import click

from gdemoi.cli import show
from gdemoi.cli.asking import CliError, Remote, quoted, remote
from gdemoi.ini import duration
from gdemoi.message import (
    Charset,
    CommandPace,
    MessageClass,
    MessageState,
    OnFailure,
    OnUnencodable,
    OnUnsure,
    Report,
    Sticky,
)
from gdemoi.moments import rfc3339

_POLL_S: Final = 0.5
# so long a request for an answer stays open
_POLL_ANSWER_S: Final = 20


class Duration(click.ParamType[float]):
    """A duration as the ini writes it: 30s, 5m, 2h."""

    name = "duration"

    def convert(self, value: Any, param: Any, context: Any) -> float:
        """Return seconds."""
        try:
            return duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, context)


class Moment(click.ParamType[str]):
    """A time (RFC 3339), or how long ago: 2h."""

    name = "time"

    def convert(self, value: Any, param: Any, context: Any) -> str:
        """Return RFC 3339."""
        text = str(value)
        try:
            if re.fullmatch(r"[0-9.]+(ms|s|m|min|h|d|w)", text):
                at = datetime.now(UTC).timestamp() - duration(text)
            else:
                at = datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is not a time like 2026-11-21T03:00:00Z or 2h")
        return rfc3339(at)


class Once(click.Command):
    """A command whose options are each given once, or may be given often.

    Of two texts click would take the last, and send what may not be meant.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what is given twice, then read as ever."""
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        for option in order:
            if (
                isinstance(option, click.Option)
                and not (option.multiple or option.is_flag)
                and order.count(option) > 1
            ):
                raise click.UsageError(f"{option.opts[0]} is given twice", ctx)
        return super().parse_args(ctx, args)


def words(values: type[Any]) -> click.Choice[str]:
    """Return the option type of an enum's words."""
    return click.Choice([str(one) for one in values])


_MESSAGE_OPTIONS: Final = (
    click.option("--to", required=True, help="The number."),
    click.option("--text", help="The text, byte for byte."),
    click.option("--from", "from_", metavar="SENDER", help="The sender."),
    click.option("--class", "class_", type=words(MessageClass), help="What it is for."),
    click.option("--binary", metavar="HEX", help="Octets, instead of a text."),
    click.option("--charset", type=words(Charset)),
    click.option("--on-unencodable", type=words(OnUnencodable)),
    click.option("--udh", metavar="HEX", help="User data header of --binary."),
    click.option("--dest-port", type=click.IntRange(0, 65535)),
    click.option("--source-port", type=click.IntRange(0, 65535)),
    click.option("--flash", is_flag=True, help="Show it at once (class 0)."),
    click.option("--max-segments", type=click.IntRange(1, 255)),
    click.option("--account", help="Label for routes."),
    click.option(
        "--channel", "channels", multiple=True, help="Only this one (repeatable)."
    ),
    click.option("--profile", help="The tracker's profile, to look at the command."),
    click.option(
        "--pace", type=words(CommandPace), help="When the next command may leave."
    ),
    click.option("--sticky", type=words(Sticky), help="Go the way the tracker knows."),
    click.option("--sequence", help="Stop with the others of it at a failure."),
    click.option("--on-failure", type=words(OnFailure)),
)


def message_options(command: Any) -> Any:
    """Add the options that describe a message, for `send` and `explain`."""
    for option in reversed(_MESSAGE_OPTIONS):
        command = option(command)
    return command


def envelope(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of a message from the options; what is unsaid is absent."""
    given = dict(options)
    for name, value in given.items():
        _check_letters(name, value)
    if (given.get("text") is None) is (given.get("binary") is None):
        raise click.UsageError("give either --text or --binary")
    if given.get("binary") is not None:
        given["binary"] = _base64(given["binary"])
    asked = {name: given.pop(name, None) for name in ("profile", "pace", "sticky")}
    given["tracker"] = {n: value for n, value in asked.items() if value} or None
    given["channels"] = list(given.get("channels") or ())
    return {
        name.rstrip("_"): value
        for name, value in given.items()
        if value is not None and value is not False and value != []
    }


def _check_letters(name: str, value: Any) -> None:
    try:
        for word in [value] if isinstance(value, str) else value or ():
            word.encode()
    except UnicodeEncodeError:
        option = "--" + name.strip("_").replace("_", "-")
        raise click.UsageError(f"{option} is not UTF-8") from None
    except TypeError:
        return  # a number


def _base64(digits: str) -> str:
    import base64

    try:
        return base64.b64encode(bytes.fromhex(digits)).decode()
    except ValueError:
        raise click.UsageError("--binary is not hexadecimal") from None


@click.command(cls=Once)
@message_options
@click.option("--id", "id_", help="Your own id: the same one is sent only once.")
@click.option("--priority", type=click.IntRange(0, 9))
@click.option("--ttl", type=Duration(), help="Send it within this time or not at all.")
@click.option("--not-before", help="Send it not before (RFC 3339 with zone).")
@click.option("--on-unsure", type=words(OnUnsure))
@click.option("--report", type=words(Report), help="Which events are published.")
@click.option(
    "--wait", type=Duration(), help="Wait so long for the end; 0 unless delivered is 1."
)
@click.option(
    "--wait-answer", type=Duration(), help="Wait so long for the tracker's answer."
)
@remote
def send(
    asked: Remote, wait: float | None, wait_answer: float | None, **options: Any
) -> None:
    """Send a message."""
    if wait is not None and wait_answer is not None:
        raise click.UsageError("give either --wait or --wait-answer")
    answer = asked.post("/v1/messages", envelope(options))
    message_id = str(answer["id"])
    if wait_answer is not None:
        _show_answer(asked, message_id, wait_answer)
        return
    if wait is None:
        if asked.as_json:
            asked.print_json(answer)
        else:
            show.taken(asked.console, answer)
        return
    if not asked.as_json:
        show.taken(asked.console, answer)
    data = _follow(asked, message_id, wait)
    if asked.as_json:
        asked.print_json(data)
    if data["state"] != MessageState.DELIVERED:
        ending = "is" if data["final"] else "is still"
        raise CliError(f"{message_id} {ending} {data['state']}", body=data)


def _show_answer(asked: Remote, message_id: str, wait_s: float) -> None:
    """Show what the tracker answers, when it does in time; 0 when it says ok."""
    until = asked.environment.monotonic() + wait_s
    while True:
        left_s = max(1, round(until - asked.environment.monotonic()))
        timeout = str(min(left_s, _POLL_ANSWER_S))
        path = f"/v1/messages/{quoted(message_id)}"
        data = asked.get(path, wait="answer", timeout=timeout)
        over = asked.environment.monotonic() >= until
        if data["answers"] or over or _unsent(data):
            break
    if asked.as_json:
        asked.print_json(data)
    else:
        for one in data["answers"]:
            show.event(asked.console, one)
    state = data["answers"][-1]["state"] if data["answers"] else None
    if state in (None, "none"):
        raise CliError(f"{message_id} is {data['state']}, and not answered", body=data)
    if state == "error":
        raise CliError(f"{message_id} was answered with an error", body=data)


def _unsent(data: Any) -> bool:
    """Tell whether a message has ended without having come to anybody."""
    ended = (MessageState.DELIVERED, MessageState.SUBMITTED)
    return bool(data["final"] and data["state"] not in ended)


def _follow(asked: Remote, message_id: str, wait_s: float) -> Any:
    """Show a message's events as they come, until the last or the time is over."""
    until = asked.environment.monotonic() + wait_s
    shown = 0
    while True:
        data = asked.get(f"/v1/messages/{quoted(message_id)}")
        fresh = [event for event in data.get("events", ()) if event["seq"] > shown]
        for event in fresh:
            shown = event["seq"]
            if not asked.as_json:
                show.event(asked.console, event)
        if data["final"] or asked.environment.monotonic() >= until:
            return data
        asked.environment.sleep(_POLL_S)


@click.command()
@click.argument("message_id", metavar="ID")
@remote
def story(asked: Remote, message_id: str) -> None:
    """Tell all that happened to a message."""
    data = asked.get(f"/v1/messages/{quoted(message_id)}")
    if asked.as_json:
        asked.print_json(data)
    else:
        show.story(asked.console, data)


@click.command("list")
@click.option("--to", help="The number.")
@click.option("--from", "from_", metavar="SENDER", help="The sender.")
@click.option("--state", type=words(MessageState))
@click.option("--channel")
@click.option("--since", type=Moment(), help="Accepted since: a time, or 2h.")
@click.option("--until", type=Moment(), help="Accepted before: a time, or 2h.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--cursor", help="The cursor of the page before.")
@remote
def list_(asked: Remote, **options: Any) -> None:
    """Find messages, newest first."""
    query = {name.rstrip("_"): value for name, value in options.items()}
    page = asked.get("/v1/messages", **query)
    if asked.as_json:
        asked.print_json(page)
    else:
        show.messages(asked.console, page)


@click.command()
@click.option("--after", help="Seq of the last event seen; absent: the last ones.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--follow", "-f", is_flag=True, help="Go on as they happen.")
@remote
def events(asked: Remote, after: str | None, limit: int, follow: bool) -> None:
    """Show events: of messages, inbound SMS, channels and lines."""
    if not follow:
        if after is None:
            last = asked.get("/v1/events", after="now", limit=1)["after"]
            after = str(max(0, last - limit))
        masked = None if asked.as_json else "yes"
        page = asked.get("/v1/events", after=after, limit=limit, masked=masked)
        if asked.as_json:
            asked.print_json(page)
            return
        for one in page["events"]:
            show.event(asked.console, one, whose=True)
        asked.console.print(f"--after {page['after']}", style="dim")
        return
    try:
        masked = "" if asked.as_json else "&masked=yes"
        path = f"/v1/events?after={quoted(after or 'now')}{masked}"
        for one in asked.stream(path):
            if asked.as_json:
                asked.print_json(one)
            else:
                show.event(asked.console, one, whose=True)
    except KeyboardInterrupt:
        return


@click.command()
@click.argument("message_id", metavar="ID")
@remote
def cancel(asked: Remote, message_id: str) -> None:
    """Take a message back that has not left yet."""
    answer = asked.delete(f"/v1/messages/{quoted(message_id)}")
    if asked.as_json:
        asked.print_json(answer)
    else:
        asked.console.print(f"{message_id} is cancelled")
