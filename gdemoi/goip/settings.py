"""The sections ``[goip:…]`` and ``[goip-line:…]`` of the ini file.

This file knows what an operator may choose and why; every other file of the
package gets these records.  A line section's name is the authentication id.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from attrs import frozen

from gdemoi.goip.datagrams import WORD_LIMIT
from gdemoi.goip.exchange import ExchangeTimers
from gdemoi.goip.outcomes import RETRY
from gdemoi.ini import (
    Converter,
    boolean,
    choice,
    duration,
    each,
    integer,
    key,
    rate,
    secret,
    text,
)
from gdemoi.ini.listeners import Listener
from gdemoi.kit.budgets import BudgetSettings

# "GOIP SMS Interface": the device stops an exchange after 90 s
DEVICE_LIMIT_S: Final = 90.0
_UNSPEAKABLE: Final = frozenset(" ;\r\n\t\x00")

Address = tuple[str, int | None]


def _network(value: str) -> IPv4Network | IPv6Network:
    return ip_network(value, strict=False)


def split_address(value: str) -> Address:
    """Return (IP, port or None) of ``192.0.2.5``, ``192.0.2.5:10991``, ``[::1]:5``."""
    host, port = value, ""
    if value.startswith("["):
        host, _, port = value[1:].partition("]")
        port = port.removeprefix(":")
    elif value.count(":") == 1:
        host, _, port = value.partition(":")
    ip_address(host)
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{port!r} is not a port")
    return host, int(port) if port else None


def _listen(value: str) -> tuple[str, int]:
    host, port = split_address(value)
    return host, 44444 if port is None else port


def _rendered(value: object) -> str:
    host, port = value if isinstance(value, tuple) else (value, None)
    shown = f"[{host}]" if port and ":" in str(host) else str(host)
    return f"{shown}:{port}" if port else shown


networks: Final = each(Converter("network", _network))
address: Final = Converter("address", split_address, _rendered)
listen_address: Final = Converter("address", _listen, _rendered)


@frozen(kw_only=True)
class GoipSettings:
    """A UDP port at which GoIP devices register; its lines are `goip-line`s."""

    listen: tuple[str, int] = key(
        listen_address,
        default=("0.0.0.0", 44444),
        doc="where devices send their datagrams: address:port",
    )
    allow_src: tuple[IPv4Network | IPv6Network, ...] = key(
        networks,
        default=(),
        doc="networks that datagrams may come from; none: from anywhere",
        example="192.0.2.0/24, 198.51.100.7",
    )
    account: str = key(
        text, default="", doc="the account that receipts match in; empty: the name"
    )
    keepalive_ok_status: int = key(
        integer(-1, 999),
        default=0,
        doc="status that answers a good keepalive: 0, or 200 as the vendor's server",
    )
    reject_reply: str = key(
        choice("silent", "404"),
        default="silent",
        doc="answer to a keepalive with a wrong id or password",
    )
    line_timeout_s: float = key(
        duration, default=95.0, doc="a line without keepalives for so long is down"
    )
    answer_timeout_s: float = key(
        duration, default=5.0, doc="wait for each answer before repeating"
    )
    repeats: int = key(
        integer(0, 50), default=3, doc="how often an unanswered datagram is repeated"
    )
    poll_interval_s: float = key(
        duration, default=5.0, doc="after WAIT, ask for the status so often; 0: never"
    )
    session_limit_s: float = key(
        duration, default=85.0, doc="end an exchange before the device does (90 s)"
    )
    sessions_per_device: int = key(
        integer(1, 64), default=5, doc="exchanges at one time with one IP address"
    )
    ussd_repeat_s: float = key(
        duration, default=30.0, doc="repeat a USSD code once after this; 0: never"
    )
    max_segments: int = key(
        integer(1, 45),
        default=15,
        doc="a text that needs more SMS is refused; devices split into at most 15",
    )
    affinity: str = key(
        choice("prefer", "require", "no"),
        default="prefer",
        doc="send from the line that last talked with the number",
    )
    unknown_sender: str = key(
        choice("ignore", "refuse"),
        default="ignore",
        doc="a sender that is no line's name or number (a SIM cannot take another)",
    )
    receipts: bool = key(
        boolean, default=True, doc="devices send delivery receipts (DELIVER)"
    )
    retry_errors: tuple[int, ...] = key(
        each(integer(0, 999)),
        default=RETRY,
        doc="error statuses after which another try is made; others are final",
    )
    join_window_s: float = key(
        duration,
        default=0.0,
        doc="join SMS of one sender that come within it (they bear no part numbers);"
        " 0: publish each by itself",
    )
    ack_unknown: bool = key(
        boolean, default=True, doc="acknowledge kinds of datagram that we do not know"
    )
    source_rate: float | None = key(
        rate, default=50.0, doc="datagrams taken from one source, with bursts of twice"
    )

    def listeners(self) -> Iterator[Listener]:
        """Tell which port these settings open."""
        yield Listener("listen", "udp", *self.listen)

    @property
    def timers(self) -> ExchangeTimers:
        """Return the timers of an exchange."""
        return ExchangeTimers(
            self.answer_timeout_s,
            self.repeats,
            self.poll_interval_s,
            self.session_limit_s,
        )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Yield what does not go together."""
        if self.answer_timeout_s <= 0:
            yield "answer_timeout", "must be more than 0"
        if not 10.0 <= self.session_limit_s < DEVICE_LIMIT_S:
            yield "session_limit", "must be from 10s to under 90s, the device's limit"
        if self.line_timeout_s < 30.0:
            yield "line_timeout", "must be over 30s, the pause between keepalives"


@frozen(kw_only=True)
class GoipLineSettings(BudgetSettings):
    """One SIM line of a GoIP; the section's name is its authentication id."""

    channel: str = key(text, doc="the goip channel it belongs to")
    password: str = key(secret, doc="the password set on the device for this line")
    number: str | None = key(
        text, default=None, doc="the SIM's number; also names the line as sender"
    )
    enabled: bool = key(
        boolean, default=True, doc="no: it may register and receive, and never sends"
    )
    address: Address | None = key(
        address,
        default=None,
        doc="accept the line only from this address (and port, if given)",
        example="192.0.2.5:10991",
    )
    number_format: str = key(
        choice("as_is", "plus", "noplus", "local"),
        default="as_is",
        doc="how the operator wants numbers: +79161112233, without the plus, or local",
    )
    country_code: str = key(
        text, default="", doc="for number_format = local: the SIM's country code"
    )
    trunk_prefix: str = key(
        text, default="", doc="for number_format = local: what replaces +country_code"
    )
    min_interval_s: float = key(
        duration, default=3.0, doc="least time from one SMS to the next"
    )
    daily_limit: int = key(
        integer(0), default=0, doc="SMS (segments) per day from this SIM; 0: no limit"
    )
    day_begins_s: float = key(
        duration, default=0.0, doc="when the day of daily_limit begins, after 00:00 UTC"
    )
    balance_ussd: str = key(
        text, default="*100#", doc="the code that `line NAME balance` dials"
    )

    def phone_numbers(self) -> Iterator[tuple[str, str]]:
        """Tell the SIM's number, as (key, number): no other line has it."""
        if self.number is not None:
            yield "number", self.number

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Yield what the wire cannot carry, and what does not go together."""
        if not self.password or len(self.password.encode()) > WORD_LIMIT:
            yield "password", f"must have 1 to {WORD_LIMIT} bytes"
        if _UNSPEAKABLE & set(self.password):
            yield "password", "blanks, semicolons and newlines cannot be sent to a GoIP"
        if self.number_format == "local" and not self.country_code.isdigit():
            yield "country_code", "number_format = local needs digits here"
        if self.trunk_prefix and not self.trunk_prefix.isdigit():
            yield "trunk_prefix", "must be digits"
        if not 0 <= self.day_begins_s < 86400:
            yield "day_begins", "must be under 24h"
        yield from self.budget_complaints()
