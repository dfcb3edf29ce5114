"""What an operator may say of HTTP doors and webhooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from gdemoi.doors.client import complaint_of_url
from gdemoi.doors.signature import standard_key
from gdemoi.ini import (
    Converter,
    choice,
    duration,
    each,
    integer,
    key,
    secret,
    text,
    words,
)
from gdemoi.ini.networks import Network, networks
from gdemoi.message import MessageState

EVENT_TYPES: Final = ("status", "inbound", "channel", "line", "alert")
# Standard Webhooks, "Deliverability": 15 to 30 seconds.
SHORTEST_TIMEOUT_S: Final = 1.0
LONGEST_TIMEOUT_S: Final = 30.0


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an address like https://erp.example.org/sms")
    return value


# It may hold a password, so it is a secret of its own and stays out of every repr.
callback_address: Final = Converter("address", _address)


@frozen(kw_only=True)
class WebhookSettings:
    """Where events are posted, signed as Standard Webhooks 1.0.0 says."""

    url: str = key(
        callback_address,
        doc="where events are posted; user:password@ before the host is HTTP Basic",
        example="https://erp.example.org/sms-events",
        hidden=True,
    )
    secret_: str = key(
        secret,
        doc="the key of the signature: whsec_ and base64 of 24 to 64 octets",
        example="env:GDEMOI_WEBHOOK_SECRET",
    )
    old_secret: str | None = key(
        secret,
        default=None,
        doc="the key before it, which signs too for the first 24 hours",
    )
    accounts: tuple[str, ...] = key(
        words,
        default=(),
        doc="events of these accounts only, and their inbound SMS; absent: of all",
    )
    types: tuple[str, ...] = key(
        each(choice(*EVENT_TYPES)),
        default=("status", "inbound"),
        doc="which events: " + " ".join(EVENT_TYPES),
    )
    states: tuple[MessageState, ...] = key(
        each(choice(MessageState)),
        default=(),
        doc="of status events those with these states; absent: all",
    )
    format: str = key(
        choice("json", "form"),
        default="json",
        doc="the body: JSON, or the same fields as a form, flat",
    )
    headers: dict[str, str] = key(
        text,
        name="header.*",
        default={},
        doc="a header of every request: header.Tenant = fleet",
    )
    callback_allow: tuple[Network, ...] = key(
        networks,
        default=(),
        doc="private networks and addresses that url may lead to",
        example="10.0.0.0/8, 127.0.0.1",
    )
    timeout_s: float = key(
        duration, default=15.0, doc="how long an answer is waited for"
    )
    in_flight: int = key(
        integer(1, 100), default=4, doc="requests without an answer at most"
    )
    event_ttl_s: float = key(
        duration,
        default=7 * 86400.0,
        doc="events that are older are given up",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        why = complaint_of_url(self.url, self.callback_allow)
        if why is not None:
            yield "url", why
        yield from _complaints_of_secret("secret", self.secret_)
        if self.old_secret is not None:
            yield from _complaints_of_secret("old_secret", self.old_secret)
            if self.old_secret == self.secret_:
                yield "old_secret", "is the same as secret"
        if not SHORTEST_TIMEOUT_S <= self.timeout_s <= LONGEST_TIMEOUT_S:
            yield "timeout", "is not from 1s to 30s"
        if self.states and "status" not in self.types:
            yield "states", "is only for status events"
        for name, value in self.headers.items():
            if not (name.replace("-", "").isalnum() and value.isprintable()):
                yield f"header.{name}", "is no header"
        if self.event_ttl_s < 3600:
            yield "event_ttl", "is less than 1h: an outage would lose events"


def _complaints_of_secret(name: str, value: str) -> Iterator[tuple[str, str]]:
    try:
        standard_key(value)
    except ValueError as fault:
        yield name, str(fault)


@frozen(kw_only=True)
class DoorSections:
    """The sections that make doors."""

    webhooks: Mapping[str, WebhookSettings] = field(factory=dict)

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.webhooks)
