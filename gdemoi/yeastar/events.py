"""What the session tells its shell."""

from __future__ import annotations

import msgspec

from gdemoi.message import Outcome
from gdemoi.yeastar.arrivals import ReceivedSMS


class LoggedIn(msgspec.Struct, frozen=True):
    """The device took our login; SMS may be sent."""


class LoginRefused(msgspec.Struct, frozen=True):
    """The device said no to our login."""

    text: str


class Settled(msgspec.Struct, frozen=True):
    """What became of the SMS of that ticket."""

    ticket: int
    outcome: Outcome


class Result(msgspec.Struct, frozen=True):
    """A result for an SMS that this session does not wait for (any more)."""

    id: str
    status: str


class Received(msgspec.Struct, frozen=True):
    """An SMS, or a segment of one, came in."""

    sms: ReceivedSMS


class Printed(msgspec.Struct, frozen=True):
    """What the command of that ticket printed; None with `error`: nothing."""

    ticket: int
    output: str | None
    error: str = ""


class PortsChanged(msgspec.Struct, frozen=True):
    """The state of these ports is another one."""

    ports: tuple[int, ...]


class Roomier(msgspec.Struct, frozen=True):
    """A port has become ready."""


class Noted(msgspec.Struct, frozen=True):
    """Something worth a line in the log."""

    what: str


class Over(msgspec.Struct, frozen=True):
    """The conversation has ended; the connection is to be closed."""

    why: str


Event = (
    LoggedIn
    | LoginRefused
    | Settled
    | Result
    | Received
    | Printed
    | PortsChanged
    | Roomier
    | Noted
    | Over
)
