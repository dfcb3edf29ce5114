"""What an operator may say of HTTP doors and webhooks."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from gdemoi.doors.client import complaint_of_url
from gdemoi.doors.signature import standard_key
from gdemoi.http.settings import endpoint
from gdemoi.ini import (
    Converter,
    boolean,
    choice,
    duration,
    each,
    integer,
    key,
    secret,
    text,
    words,
)
from gdemoi.ini.listeners import Listener, listener
from gdemoi.ini.networks import Network, networks
from gdemoi.message import MessageState

EVENT_TYPES: Final = ("status", "answer", "inbound", "channel", "line", "alert")
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
class HttpDoorSettings:
    """What the sections of all HTTP doors have: a port, a client, its callbacks."""

    listen: str = key(
        endpoint,
        default="tcp:13013:interface=127.0.0.1",
        doc="where the door listens; sections that write the same share the port",
    )
    account: str | None = key(
        text,
        default=None,
        doc="its [account:NAME]; absent: an account of the section's own name",
    )
    username: str | None = key(
        text, default=None, doc="the client's user name; absent: the section's name"
    )
    password: str = key(secret, doc="the client's password")
    allow_ip: tuple[Network, ...] = key(
        networks,
        default=(),
        doc="addresses that it may ask from; absent: any",
        example="10.0.0.0/8, 192.0.2.7",
    )
    max_messages: int = key(
        integer(1, 255),
        default=10,
        doc="SMS that one message may become; longer ones are refused, never cut",
    )
    channel_names: dict[str, str] = key(
        text,
        name="smsc.*",
        default={},
        doc="the client's name of a channel: smsc.modem1 = office",
    )
    timeout_s: float = key(
        duration, default=30.0, doc="how long a callback's answer is waited for"
    )
    in_flight: int = key(
        integer(1, 100), default=4, doc="callbacks to one host without an answer"
    )
    event_ttl_s: float = key(
        duration, default=7 * 86400.0, doc="callbacks that are older are given up"
    )

    def listeners(self) -> Iterator[Listener]:
        """Tell which port this opens."""
        found = listener("listen", self.listen)
        if found is not None:
            yield found

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        if not self.password:
            yield "password", "is empty"
        if not 1.0 <= self.timeout_s <= 60.0:
            yield "timeout", "is not from 1s to 1m"
        if self.event_ttl_s < 3600:
            yield "event_ttl", "is less than 1h: an outage would lose callbacks"


@frozen(kw_only=True)
class KannelSettings(HttpDoorSettings):
    """A client that speaks Kannel's sendsms: its sendsms-user and its sms-service."""

    paths: tuple[str, ...] = key(
        words,
        default=("/cgi-bin/sendsms", "/sendsms", "/kannel/sendsms"),
        doc="where it asks: Kannel's sendsms-url",
    )
    faked_sender: str | None = key(
        text, default=None, doc="sender of all its messages, whatever they say"
    )
    default_sender: str | None = key(
        text, default=None, doc="sender of messages that name none"
    )
    default_smsc: str | None = key(
        text, default=None, doc="channel of messages that name none"
    )
    forced_smsc: str | None = key(
        text, default=None, doc="channel of all its messages, whatever they say"
    )
    dlr_url: str | None = key(
        callback_address,
        default=None,
        doc="where to tell what became of messages that name no dlr-url",
        example="http://vts.example.org/dlr?type=%d&to=%p",
        hidden=True,
    )
    dlr_url_allow: tuple[str, ...] = key(
        words,
        default=(),
        doc="what a dlr-url begins with; absent: anything that may be called",
        example="https://vts.example.org/",
    )
    dlr_extended: bool = key(
        boolean,
        default=False,
        doc="tell expired as 34 and nobody-knows as 66, as Kannel 1.4.5, not as 2",
    )
    get_url: str | None = key(
        callback_address,
        default=None,
        doc="GET this for each inbound SMS of the account",
        example="http://vts.example.org/mo?from=%p&to=%P&text=%a",
        hidden=True,
    )
    post_url: str | None = key(
        callback_address,
        default=None,
        doc="POST each inbound SMS of the account there",
        example="http://vts.example.org/mo",
        hidden=True,
    )
    send_sender: bool = key(
        boolean, default=False, doc="post_url: tell the sender as X-Kannel-From"
    )
    text_fallback: str = key(
        choice("class", "question"),
        default="class",
        doc="letters that GSM has not, in a message of coding 0: as its class says,"
        " or ? as Kannel does",
    )
    partial_to: bool = key(
        boolean,
        default=True,
        doc="take a message for the good ones among several numbers",
    )
    queued_reply: bool = key(
        boolean,
        default=False,
        doc='answer "3: Queued for later delivery" while no channel is up',
    )
    cut: bool = key(
        boolean,
        default=False,
        doc="cut what is longer than max_messages, as Kannel does; else it is refused",
    )
    aliases: dict[str, str] = key(
        text,
        name="alias.*",
        default={},
        doc="the client's name of a parameter: alias.message = text",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        yield from super().complaints()
        if self.get_url is not None and self.post_url is not None:
            yield "post_url", "there is a get_url already"
        for path in self.paths:
            if not path.startswith("/") or "?" in path:
                yield "paths", f"{path!r} is not a path like /sendsms"


@frozen(kw_only=True)
class JasminSettings(HttpDoorSettings):
    """A client that speaks Jasmin's HTTP API and REST API."""

    listen: str = key(
        endpoint,
        default="tcp:1401:interface=127.0.0.1",
        doc="where both APIs listen; sections that write the same share the port",
    )
    max_messages: int = key(
        integer(1, 255),
        default=5,
        doc="SMS that one message may become; longer ones are refused, never cut",
    )
    default_sender: str | None = key(
        text, default=None, doc="sender of messages that name none"
    )
    inbound_url: str | None = key(
        callback_address,
        default=None,
        doc="where inbound SMS of the account are told",
        example="http://vts.example.org/mo",
        hidden=True,
    )
    inbound_method: str = key(
        choice("GET", "POST"), default="GET", doc="how inbound SMS are told"
    )
    text_fallback: str = key(
        choice("class", "question"),
        default="class",
        doc="letters that GSM has not, in a message of coding 0: as its class says,"
        " or ? as Jasmin does",
    )
    utf8_ucs2: bool = key(
        boolean,
        default=False,
        doc="content of coding 8 is UTF-8, to be converted; else octets as they are",
    )
    dlr_err: str = key(
        choice("fixed", "provider"),
        default="fixed",
        doc="err of a callback: 000 delivered and 001 not, or the carrier's digits",
    )
    rest_quotes: bool = key(
        boolean,
        default=False,
        doc="close the quote that Jasmin's REST API leaves open in its answers",
    )


# what a request may say, by our names
ALIAS_FIELDS: Final = ("to", "text", "from", "username", "password", "id", "priority")


@frozen(kw_only=True)
class AliasSettings(HttpDoorSettings):
    """A program that sends SMS by some GET, form or flat JSON of its own."""

    listen: str = key(
        endpoint,
        default="tcp:8991:interface=127.0.0.1",
        doc="where the door listens; sections that write the same share the port",
    )
    paths: tuple[str, ...] = key(words, default=("/sms",), doc="where it asks")
    fields: dict[str, str] = key(
        text,
        name="field.*",
        default={},
        doc="the program's name of to, text, from, username, password, id, priority:"
        " field.to = clientaddress",
    )
    charset: str = key(text, default="utf-8", doc="of the text, as Python calls it")
    default_sender: str | None = key(
        text, default=None, doc="sender of messages that name none"
    )
    success_status: int = key(
        integer(200, 299), default=200, doc="HTTP status of a message that is taken"
    )
    success: str = key(
        text, default="OK", doc="the answer then; {id} is the message's id"
    )
    failure: str = key(
        text, default="ERROR {text}", doc="the answer else; {text} says why"
    )
    dlr_mask: int = key(
        integer(0, 31),
        default=3,
        doc="what dlr_url is told: 1 delivered, 2 not, 4 on its way, 8 submitted, 16"
        " refused by the carrier",
    )
    dlr_url: str | None = key(
        callback_address,
        default=None,
        doc="GET this for what became of a message, with Kannel's escapes",
        example="http://gps.example.org/dlr?id=%I&state=%d",
        hidden=True,
    )
    get_url: str | None = key(
        callback_address,
        default=None,
        doc="GET this for each inbound SMS of the account, with Kannel's escapes",
        example="http://gps.example.org/mo?from=%p&text=%a",
        hidden=True,
    )
    post_url: str | None = key(
        callback_address,
        default=None,
        doc="POST each inbound SMS of the account there, as Kannel does",
        example="http://gps.example.org/mo",
        hidden=True,
    )
    send_sender: bool = key(
        boolean, default=True, doc="post_url: tell the sender as X-Kannel-From"
    )
    dlr_extended: bool = key(
        boolean, default=False, doc="tell expired as 34 and nobody-knows as 66"
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        yield from super().complaints()
        if self.get_url is not None and self.post_url is not None:
            yield "post_url", "there is a get_url already"
        for name in self.fields:
            if name not in ALIAS_FIELDS:
                yield f"field.{name}", f"is none of {' '.join(ALIAS_FIELDS)}"
        for path in self.paths:
            if not path.startswith("/") or "?" in path:
                yield "paths", f"{path!r} is not a path like /sms"
        try:
            codecs.lookup(self.charset)
        except LookupError:
            yield "charset", f"{self.charset!r} is not known"


@frozen(kw_only=True)
class DoorSections:
    """The sections that make doors."""

    webhooks: Mapping[str, WebhookSettings] = field(factory=dict)
    kannel: Mapping[str, KannelSettings] = field(factory=dict)
    jasmin: Mapping[str, JasminSettings] = field(factory=dict)
    aliases: Mapping[str, AliasSettings] = field(factory=dict)

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.webhooks or [*self.clients()])

    def clients(self) -> Iterator[tuple[str, HttpDoorSettings]]:
        """Return the sections that are clients of doors, by their names."""
        yield from self.kannel.items()
        yield from self.jasmin.items()
        yield from self.aliases.items()
