"""The sections ``[yeastar:…]`` of the ini file: one for each device.

This file knows what an operator may choose and why; every other file of the
package gets this record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from gdemoi.ini import (
    Converter,
    choice,
    decimal,
    duration,
    each,
    integer,
    key,
    secret,
    text,
)
from gdemoi.kit.budgets import BudgetSettings

# The manual: the text may have 1024 bytes before it is encoded.
TEXT_LIMIT: Final = 1024
# 32 ports is the largest device
_PORTS: Final = 64
_UTC_OFFSET: Final = re.compile(r"([+-])(\d{2}):?(\d{2})")


def _utc_offset(value: str) -> float:
    found = _UTC_OFFSET.fullmatch(value)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        raise ValueError(f"{value!r} is not an offset from UTC such as +03:00")
    seconds = int(found[2]) * 3600.0 + int(found[3]) * 60.0
    return -seconds if found[1] == "-" else seconds


def _rendered_offset(seconds: object) -> str:
    minutes = int(abs(float(str(seconds)))) // 60
    sign = "-" if str(seconds).startswith("-") else "+"
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"


utc_offset: Final = Converter("offset from UTC", _utc_offset, _rendered_offset)


@frozen(kw_only=True)
class YeastarSettings(BudgetSettings):
    """A Yeastar (Neogate) TG gateway, reached by its API on TCP 5038.

    The budget is that of each of its ports.
    """

    host: str = key(text, doc="address of the device", example="192.0.2.30")
    port: int = key(integer(1, 65535), default=5038, doc="TCP port of its API")
    username: str = key(text, doc="user of SMS > API Settings", example="apiuser")
    password: str = key(
        secret, doc="password of SMS > API Settings", example="env:TG_PASSWORD"
    )
    ports: tuple[int, ...] = key(
        each(integer(1, _PORTS)),
        default=(),
        doc="SIM ports to use, as printed on the case; none: all",
        example="1, 2",
    )
    numbers: dict[str, str] = key(
        text,
        name="number.*",
        default={},
        doc="the phone number of the SIM in that port",
        example="number.1 = +79161112233",
    )
    span_offset: int = key(integer(0, 16), default=1, doc="port 1 is GSM span 1 + this")
    interval_s: float = key(
        duration,
        default=10.0,
        doc="rest of a port after each SMS (Yeastar: not faster than 10 s)",
    )
    weights: dict[str, float] = key(
        decimal(0.01, 1000.0),
        name="weight.*",
        default={},
        doc="`weight` of one port",
        example="weight.1 = 2",
    )
    encoding: str = key(
        choice("percent", "raw"),
        default="percent",
        doc="how the text is written: percent-encoded, or as UTF-8 without"
        ' line breaks, ", \\ and %',
    )
    max_line: int = key(
        integer(200, 65536),
        default=1000,
        doc="longest command line that the device reads, in octets: it drops longer"
        " ones without a word",
    )
    long_messages: str = key(
        choice("split", "refuse"),
        default="split",
        doc="a notification over that length: split into several SMS, or refuse;"
        " commands and activations are always refused",
    )
    unknown_sender: str = key(
        choice("ignore", "refuse"),
        default="ignore",
        doc="a sender that is no port's number (a SIM cannot take another)",
    )
    account: str = key(
        text, default="", doc="the account that receipts match in; empty: the name"
    )
    ping_interval_s: float = key(
        duration, default=30.0, doc="silence after which the device is pinged"
    )
    answer_timeout_s: float = key(
        duration, default=10.0, doc="wait for the answer to a login, ping or command"
    )
    result_timeout_s: float = key(
        duration,
        default=60.0,
        doc="wait for the result of an SMS (UpdateSMSSend); then it is uncertain",
    )
    poll_interval_s: float = key(
        duration, default=60.0, doc="ask for the state of the ports so often; 0: never"
    )
    ussd_timeout_s: float = key(
        duration, default=30.0, doc="wait of the device for the answer to a USSD code"
    )
    connect_timeout_s: float = key(duration, default=10.0, doc="wait for a connection")
    join_window_s: float = key(
        duration, default=300.0, doc="wait for all segments of a long inbound SMS"
    )
    utc_offset_s: float | None = key(
        utc_offset,
        default=None,
        name="utc_offset",
        doc="the device's local time; without it, when an SMS came there is not told",
        example="+03:00",
    )

    def weight_of(self, port: int) -> float:
        """Return the weight of a port."""
        return self.weights.get(str(port), self.weight)

    def phone_numbers(self) -> Iterator[tuple[str, str]]:
        """Tell the numbers of the SIMs, as (key, number): no other port has them."""
        for port, number in self.numbers.items():
            yield f"number.{port}", number

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong between keys."""
        scheme, is_url, bare = self.host.partition("://")
        if is_url:
            yield "host", f"write the host without {scheme}://: {bare.rstrip('/')}"
        for port in self.numbers:
            if not port.isdecimal() or (self.ports and int(port) not in self.ports):
                yield f"number.{port}", f"{port} is none of the ports"
        if not self.ports and not self.poll_interval_s:
            yield "poll_interval", "without `ports` the device must be asked for them"
        for port in self.weights:
            if not port.isdecimal() or (self.ports and int(port) not in self.ports):
                yield f"weight.{port}", f"{port} is none of the ports"
        yield from self.budget_complaints()
        if self.keepalive_s and not self.phones:
            yield "keepalive", "needs the numbers of the ports (number.N)"
        for name, value in (("username", self.username), ("password", self.password)):
            if any(char in value for char in "\r\n\x00"):
                yield name, "holds a line break or NUL"

    @property
    def phones(self) -> dict[int, str]:
        """Return {port: number of its SIM}."""
        return {
            int(port): number
            for port, number in self.numbers.items()
            if port.isdecimal()
        }
