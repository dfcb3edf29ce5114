"""What an operator may say: ``[smpp-server:NAME]`` and ``[smpp-client:NAME]``."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from attrs import frozen

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
from gdemoi.ini.listeners import Listener, is_loopback, listener, parts_of
from gdemoi.ini.networks import Network, networks
from gdemoi.ini.pem import authorities, own_certificate
from gdemoi.smpp.settings import DefaultCharset

# SMPP 3.4 §4.1: octets without the NUL
SYSTEM_ID_LIMIT: Final = 15
PASSWORD_LIMIT: Final = 8
# What clients are known to send all the same.
LONGEST_PASSWORD: Final = 64


def _endpoint(value: str) -> str:
    placed, named = parts_of(value)
    port = placed[1] if len(placed) > 1 else named.get("port", "")
    well = (
        placed
        and placed[0] in ("tcp", "tcp4", "tcp6")
        and port.isdecimal()
        and int(port) <= 65535
        and not set(named) - {"port", "interface", "backlog"}
    )
    if not well:
        raise ValueError(
            f"{value!r} is not an endpoint like tcp:2775:interface=127.0.0.1"
        )
    return value


def _zone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone like Europe/Moscow") from None


endpoint: Final = Converter("endpoint", _endpoint)
zone: Final = Converter("time zone", _zone, lambda value: value.key)


class BindKind(StrEnum):
    """The binds of SMPP 3.4 §4.1."""

    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"
    TRANSCEIVER = "transceiver"


class ReceiptBind(StrEnum):
    """Which binds of a client a receipt may take, when its own is gone."""

    ANY = "any"
    SAME_IP = "same_ip"


class LongInbound(StrEnum):
    """How a long inbound SMS is handed over."""

    PARTS = "parts"
    PAYLOAD = "payload"


@frozen(kw_only=True)
class SmppServerSettings:
    """A port where SMPP clients bind."""

    listen: str = key(
        endpoint,
        default="tcp:2775:interface=127.0.0.1",
        doc="where clients connect",
    )
    system_id: str = key(
        text, default="gdemoi", doc="our name, as the answer to a bind tells it"
    )
    tls_certificate: str | None = key(
        own_certificate,
        default=None,
        doc="our certificate and key; there is TLS from the first octet then",
        example="/etc/gdemoi/smpp.pem",
    )
    tls_ca: str | None = key(
        authorities,
        default=None,
        doc="clients must show a certificate of these authorities",
        example="/etc/gdemoi/clients.pem",
    )
    allow_ip: tuple[Network, ...] = key(
        networks,
        default=(),
        doc="addresses that may connect; absent: any",
        example="10.0.0.0/8, 192.0.2.7",
    )
    connections: int = key(
        integer(1, 100_000), default=1000, doc="connections at the same time at most"
    )
    unbound_connections: int = key(
        integer(1, 10_000),
        default=20,
        doc="connections of one address that have not bound yet, at most",
    )
    session_init_s: float = key(
        duration, default=30.0, doc="a connection that has not bound by then is closed"
    )
    enquire_link_s: float = key(
        duration, default=30.0, doc="silence after which we send enquire_link"
    )
    link_timeout_s: float = key(
        duration, default=30.0, doc="further silence after which a session is closed"
    )
    inactivity_s: float = key(
        duration,
        default=0.0,
        doc="a session with nothing but enquire_link for so long is closed; 0: never",
    )
    response_timeout_s: float = key(
        duration, default=60.0, doc="how long a deliver_sm_resp is waited for"
    )
    operations: str = key(
        choice("all", "submit"),
        default="all",
        doc="submit: query_sm, cancel_sm, replace_sm, submit_multi are unknown",
    )

    def listeners(self) -> Iterator[Listener]:
        """Tell which port this opens."""
        found = listener("listen", self.listen)
        if found is not None:
            yield found

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(parts_of(self.listen)[1].get("interface", ""))

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        if self.tls_ca is not None and self.tls_certificate is None:
            yield "tls_ca", "needs tls_certificate"
        if len(self.system_id) > SYSTEM_ID_LIMIT or not self.system_id.isascii():
            yield "system_id", f"is up to {SYSTEM_ID_LIMIT} ASCII characters"
        for name in ("session_init_s", "enquire_link_s", "link_timeout_s"):
            if getattr(self, name) <= 0:
                yield name.removesuffix("_s"), "must be more than nothing"
        if self.response_timeout_s <= 0:
            yield "response_timeout", "must be more than nothing"


@frozen(kw_only=True)
class SmppClientSettings:
    """Who may bind to a server of ours, and what it gets."""

    account: str | None = key(
        text,
        default=None,
        doc="its [account:NAME]; absent: an account of the client's own name",
    )
    system_id: str | None = key(
        text, default=None, doc="its system_id; absent: the section's name"
    )
    password: str = key(secret, doc="its password")
    servers: tuple[str, ...] = key(
        words, default=(), doc="the [smpp-server:…] where it may bind; absent: any"
    )
    binds: tuple[BindKind, ...] = key(
        each(choice(BindKind)),
        default=tuple(BindKind),
        doc="which binds it may use",
    )
    allow_ip: tuple[Network, ...] = key(
        networks,
        default=(),
        doc="addresses that it may bind from; absent: any",
        example="10.0.0.0/8, 192.0.2.7",
    )
    require_tls: bool = key(
        boolean, default=False, doc="it may not bind over a port without TLS"
    )
    max_binds: int = key(
        integer(1, 1000), default=10, doc="its sessions at the same time at most"
    )
    window: int = key(
        integer(1, 10_000),
        default=100,
        doc="requests of a session that are worked on at once; more are read later",
    )
    deliver_window: int = key(
        integer(1, 10_000),
        default=10,
        doc="deliver_sm of a session without an answer at most",
    )
    default_charset: DefaultCharset = key(
        choice(DefaultCharset),
        default=DefaultCharset.GSM8,
        doc="what it means by data_coding 0",
    )
    receipt_bind: ReceiptBind = key(
        choice(ReceiptBind),
        default=ReceiptBind.ANY,
        doc="which bind gets a receipt whose own is gone; same_ip: one of that address",
    )
    receipt_zone: ZoneInfo = key(
        zone, default=ZoneInfo("UTC"), doc="the zone of the dates in a receipt's text"
    )
    no_receipt_channel: str = key(
        choice("none", "accepted"),
        default="none",
        doc="what is told of a message whose channel has no receipts: nothing, or"
        " ACCEPTD",
    )
    mo_long: LongInbound = key(
        choice(LongInbound),
        default=LongInbound.PARTS,
        doc="long inbound SMS: parts with a header, or one message_payload",
    )
    event_ttl_s: float = key(
        duration,
        default=7 * 86400.0,
        doc="how long receipts and inbound SMS wait for a bind",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        if not self.password:
            yield "password", "is empty"
        if len(self.password) > LONGEST_PASSWORD:
            yield "password", f"is longer than {LONGEST_PASSWORD} characters"
        if not self.password.isascii():
            yield "password", "has characters that are not ASCII"
        if self.system_id is not None and len(self.system_id) > LONGEST_PASSWORD:
            yield "system_id", f"is longer than {LONGEST_PASSWORD} characters"
        if self.event_ttl_s < 3600:
            yield "event_ttl", "is less than 1h: a restart would lose what waits"
