"""The sections ``[amqp]`` and ``[amqp-map:NAME]``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import attrs
from attrs import field, frozen

from gdemoi.amqp.mapping import CONSTANT
from gdemoi.ini import (
    boolean,
    choice,
    duration,
    each,
    integer,
    key,
    secret,
    size,
    text,
)
from gdemoi.ini.pem import authorities, own_certificate
from gdemoi.ini.units import Converter

PORT: Final = 5672
TLS_PORT: Final = 5671
# Two octets in connection.tune-ok.
LONGEST_HEARTBEAT_S: Final = 65535
# RabbitMQ names are up to 255 octets; ours add up to ten to the prefix.
_is_prefix: Final = re.compile(r"[A-Za-z0-9._:\-]{1,200}").fullmatch


@frozen
class BrokerUrl:
    """One address of a broker."""

    host: str
    port: int
    tls: bool
    vhost: str
    username: str
    password: str | None = field(repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}{'' if self.vhost == '/' else f'/{self.vhost}'}"


def _url(value: str) -> BrokerUrl:
    parts = urlsplit(value)
    if parts.scheme not in ("amqp", "amqps"):
        raise ValueError("a broker's address is amqp://user@host:5672/vhost (or amqps)")
    if not parts.hostname:
        raise ValueError("there is no host in the broker's address")
    if parts.query or parts.fragment:
        raise ValueError("options after ? belong in keys of their own")
    tls = parts.scheme == "amqps"
    # The AMQP URI specification: no path is "/", and so is %2F.
    vhost = unquote(parts.path[1:]) or "/"
    return BrokerUrl(
        host=parts.hostname,
        port=parts.port or (TLS_PORT if tls else PORT),
        tls=tls,
        vhost=vhost,
        username=unquote(parts.username or "guest"),
        password=None if parts.password is None else unquote(parts.password),
    )


def _prefix(value: str) -> str:
    if not _is_prefix(value):
        raise ValueError(f"{value!r} is not a name for queues (A-Z a-z 0-9 . _ : -)")
    return value


def _place(value: str) -> str:
    if not value or value == CONSTANT:
        raise ValueError("a field's path (device.phone) or const:WORD is wanted")
    return value


url: Final = Converter("amqp address", _url)


@frozen(kw_only=True)
class AmqpSettings:
    """The message broker that platforms publish to and hear events from."""

    url: tuple[BrokerUrl, ...] = key(
        each(url),
        doc="brokers, in order of preference; amqps:// is TLS",
        example="amqp://user@host1:5672/vhost, amqp://user@host2:5672/vhost",
        hidden=True,
    )
    password: str | None = key(
        secret, default=None, doc="password, for addresses that have none"
    )
    prefix: str = key(
        Converter("name", _prefix),
        default="gdemoi",
        doc="the first word of all queues and exchanges",
    )
    prefetch: int = key(
        integer(1, 65535), default=500, doc="deliveries taken before the first ack"
    )
    window: int = key(
        integer(1, 65535), default=1000, doc="events published before the first confirm"
    )
    queue_type: str = key(
        choice("quorum", "classic"), default="quorum", doc="type of declared queues"
    )
    declare: bool = key(
        boolean,
        default=True,
        doc="declare queues and exchanges; no: only check that they are there",
    )
    format: str = key(
        choice("v1", "headers", "map"),
        default="v1",
        doc="v1: the JSON of a message; headers: text body, fields in headers; "
        "map: a foreign JSON",
    )
    map: str | None = key(
        text, default=None, doc="with format = map: the name of its [amqp-map:…]"
    )
    heartbeat_s: float = key(
        duration, default=30.0, doc="the longest silence on the connection; 0: none"
    )
    connect_timeout_s: float = key(
        duration, default=5.0, doc="for each address in turn"
    )
    open_timeout_s: float = key(
        duration, default=15.0, doc="for the login and the declarations"
    )
    unroutable_s: float = key(
        duration,
        default=60.0,
        doc="how long a state that no queue takes is tried again before it is passed;"
        " final states and inbound SMS are never passed",
    )
    max_body: int = key(size, default=1048576, doc="octets; a longer body is invalid")
    tls_ca: str | None = key(
        authorities, default=None, doc="PEM file of authorities; none: the system's"
    )
    tls_certificate: str | None = key(
        own_certificate,
        default=None,
        doc="PEM file with our certificate and key, if asked for",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Yield what single keys cannot know."""
        if self.format == "map" and self.map is None:
            yield "map", "format = map needs the name of an [amqp-map:…] section"
        if self.format != "map" and self.map is not None:
            yield "map", "is only for format = map"
        if self.password is None and any(
            one.password is None and one.username != "guest" for one in self.url
        ):
            yield "password", "is missing, and an address has none"
        if self.heartbeat_s > LONGEST_HEARTBEAT_S:
            yield "heartbeat", f"AMQP has none over {LONGEST_HEARTBEAT_S} s"
        if not any(one.tls for one in self.url):
            for name in ("tls_ca", "tls_certificate"):
                if getattr(self, name) is not None:
                    yield name, "is only for amqps:// addresses"

    def password_for(self, broker: BrokerUrl) -> str:
        """Return the password to log in with."""
        return broker.password or self.password or "guest"


def _mapped(doc: str, name: str | None = None, example: str = "") -> str | None:
    place = Converter("path | const:WORD", _place)
    found: str | None = key(place, default=None, name=name, doc=doc, example=example)
    return found


@frozen(kw_only=True)
class AmqpMapSettings:
    """Where a foreign JSON holds the fields of a message."""

    to: str = key(
        Converter("path | const:WORD", _place),
        doc="the number to send to",
        example="device.phone",
    )
    id: str | None = _mapped("the client's id; else the message-id property")
    from_: str | None = _mapped("the sender", "from")
    text: str | None = _mapped("the text", example="message")
    binary: str | None = _mapped("the octets, in base64")
    class_: str | None = _mapped("what it is for", "class", "const:command")
    charset: str | None = _mapped("the alphabet")
    on_unencodable: str | None = _mapped("what to do with text that does not fit")
    udh: str | None = _mapped("the user data header, hexadecimal")
    dest_port: str | None = _mapped("the port to send to")
    source_port: str | None = _mapped("the port to send from")
    flash: str | None = _mapped("whether it is shown at once")
    max_segments: str | None = _mapped("the most segments it may take")
    priority: str | None = _mapped("0 to 9")
    not_before: str | None = _mapped("RFC 3339, with zone")
    ttl: str | None = _mapped("seconds")
    expires_at: str | None = _mapped("RFC 3339, with zone")
    on_unsure: str | None = _mapped("hold, resend or fail")
    report: str | None = _mapped("none, final or all")
    correlation: str | None = _mapped("what is echoed in events")
    account: str | None = _mapped("label for routes and quotas")

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Yield what single keys cannot know."""
        if (self.text is None) is (self.binary is None):
            yield "text", "either text or binary is to be mapped"

    def fields(self) -> Mapping[str, str]:
        """Return the names of fields and where each is found."""
        return {
            name.rstrip("_"): place
            for name, place in attrs.asdict(self).items()
            if place is not None
        }
