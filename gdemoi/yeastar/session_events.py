"""The events of a `TgSession`."""

from __future__ import annotations

import msgspec

from gdemoi.message import Outcome
from gdemoi.yeastar.inbound import ReceivedSMS


class LoggedIn(msgspec.Struct, frozen=True):
    """The device took our login; SMS may be sent."""


class LoginFailed(msgspec.Struct, frozen=True):
    """The device said no to our login."""

    text: str


class SmsSettled(msgspec.Struct, frozen=True):
    """What became of the SMS of that ticket."""

    ticket: int
    outcome: Outcome


class UnexpectedResult(msgspec.Struct, frozen=True):
    """A result for an SMS that this session does not wait for (any more)."""

    id: str
    status: str


class TgSmsReceived(msgspec.Struct, frozen=True):
    """An SMS, or a segment of one, came in."""

    sms: ReceivedSMS


class CommandOutput(msgspec.Struct, frozen=True):
    """What the command of that ticket printed; None with `error`: nothing."""

    ticket: int
    output: str | None
    error: str = ""


class PortsChanged(msgspec.Struct, frozen=True):
    """The state of these ports is another one."""

    ports: tuple[int, ...]


class PortReady(msgspec.Struct, frozen=True):
    """A port has become ready."""


class ConnectionNotice(msgspec.Struct, frozen=True):
    """Something worth a line in the log."""

    what: str


class ConnectionEnded(msgspec.Struct, frozen=True):
    """The conversation has ended; the connection is to be closed."""

    why: str


SessionEvent = (
    LoggedIn
    | LoginFailed
    | SmsSettled
    | UnexpectedResult
    | TgSmsReceived
    | CommandOutput
    | PortsChanged
    | PortReady
    | ConnectionNotice
    | ConnectionEnded
)
