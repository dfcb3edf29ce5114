"""A real broker for tests: a virtual host of its own, and a proxy in between."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pika
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet import protocol
from twisted.internet.interfaces import IListeningPort

from tests.services import RABBITMQ

RABBITMQCTL = shutil.which("rabbitmqctl")
# Restarting the application concerns everybody who uses this broker.
MAY_RESTART = os.environ.get("GDEMOI_TEST_BROKER_RESTART") == "1"


def rabbitmqctl(*arguments: str) -> bool:
    """Run the broker's own tool; False when it cannot be used here."""
    if RABBITMQCTL is None:
        return False
    done = subprocess.run(
        [RABBITMQCTL, "-q", *arguments], capture_output=True, timeout=60, check=False
    )
    return done.returncode == 0


@cache
def own_vhost() -> str:
    """Make a virtual host for this run; "/" where that cannot be done."""
    name = f"gdemoi-{uuid.uuid4().hex[:8]}"
    made = rabbitmqctl("add_vhost", name) and rabbitmqctl(
        "set_permissions", "-p", name, "guest", ".*", ".*", ".*"
    )
    return name if made else "/"


def remove_own_vhost() -> None:
    """Delete it again, with all that is in it."""
    if own_vhost.cache_info().currsize and own_vhost() != "/":
        rabbitmqctl("delete_vhost", own_vhost())
    own_vhost.cache_clear()


class Vhost:
    """The virtual host of this run, and a prefix of one test's own in it."""

    def __init__(self) -> None:
        self.name = own_vhost()
        self.prefix = f"g{uuid.uuid4().hex[:8]}"

    @property
    def path(self) -> str:
        """Return it as the path of an address."""
        return self.name.replace("/", "%2F")

    def remove(self) -> None:
        """Delete the queues and exchanges of this test."""
        with Platform(self) as platform:
            for word in ("outbound", "status", "inbound", "invalid", "retry"):
                platform.channel.queue_delete(platform.name(word))
            for exchange in (self.prefix, platform.name("events")):
                platform.channel.exchange_delete(exchange)

    def disturb(self) -> None:
        """Restart the broker, or throw everybody out where that is not ours to do."""
        if MAY_RESTART:
            rabbitmqctl("stop_app")
            rabbitmqctl("start_app")
        else:
            rabbitmqctl("close_all_connections", "-p", self.name, "maintenance")


class Platform:
    """A platform that publishes and listens, with pika."""

    def __init__(self, vhost: Vhost) -> None:
        self.vhost = vhost

    def __enter__(self) -> Platform:
        host, port = RABBITMQ
        self.connection = pika.BlockingConnection(
            pika.ConnectionParameters(host, port, virtual_host=self.vhost.name)
        )
        self.channel = self.connection.channel()
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def name(self, word: str) -> str:
        """Return the name of a queue."""
        return f"{self.vhost.prefix}.{word}"

    def publish(self, body: bytes, **properties: Any) -> None:
        """Put one body into the outbound queue."""
        self.channel.basic_publish(
            "",
            self.name("outbound"),
            body,
            pika.BasicProperties(delivery_mode=2, **properties),
        )

    def waiting(self, word: str) -> int:
        """Return how many messages a queue holds."""
        found = self.channel.queue_declare(self.name(word), passive=True)
        return int(found.method.message_count)

    def drain(self, word: str) -> list[tuple[Any, bytes]]:
        """Take all that is in a queue: (properties, body)."""
        queue = self.name(word)
        taken: list[tuple[Any, bytes]] = []
        while self.waiting(word):
            for method, properties, body in self.channel.consume(
                queue, auto_ack=True, inactivity_timeout=0.3
            ):
                if method is None:
                    break
                taken.append((properties, body))
            self.channel.cancel()
        return taken


class Proxy(protocol.Factory):
    """Passes a connection on, until it is told to misbehave."""

    noisy = False

    def __init__(self, reactor: Any, tls: Any = None) -> None:
        self.reactor = reactor
        self.pairs: list[_Near] = []
        self.connections = 0
        # cut the link after so many more octets to the client
        self.truncate_after: int | None = None
        self.port: IListeningPort = (
            reactor.listenTCP(0, self, interface="127.0.0.1")
            if tls is None
            else reactor.listenSSL(0, self, tls, interface="127.0.0.1")
        )

    @property
    def number(self) -> int:
        """Return the port."""
        return int(self.port.getHost().port)

    def buildProtocol(self, address: Any) -> protocol.Protocol:
        """Take one more connection."""
        near = _Near(self)
        self.pairs.append(near)
        self.connections += 1
        return near

    def cut(self) -> None:
        """Break all links, with whatever is on its way."""
        for near in list(self.pairs):
            near.abort()

    def stall(self) -> None:
        """Pass nothing on any more, and close nothing."""
        for near in self.pairs:
            near.stalled = True


class _Near(protocol.Protocol):
    """The client's side."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.far: _Far | None = None
        self.waiting: list[bytes] = []
        self.stalled = False

    def connectionMade(self) -> None:
        host, port = RABBITMQ
        factory = protocol.ClientFactory.forProtocol(lambda: _Far(self))
        factory.noisy = False
        self.proxy.reactor.connectTCP(host, port, factory)

    def dataReceived(self, data: bytes) -> None:
        if self.far is None:
            self.waiting.append(data)
        elif not self.stalled:
            assert self.far.transport is not None
            self.far.transport.write(data)

    def to_client(self, data: bytes) -> None:
        """Pass on what the broker says."""
        if self.stalled:
            return
        assert self.transport is not None
        left = self.proxy.truncate_after
        if left is not None and len(data) >= left:
            self.proxy.truncate_after = None
            self.transport.write(data[:left])
            self.transport.loseConnection()
            self.stalled = True
            return
        if left is not None:
            self.proxy.truncate_after = left - len(data)
        self.transport.write(data)

    def abort(self) -> None:
        """Reset both sides."""
        for side in (self, self.far):
            if side is not None and side.transport is not None:
                side.transport.abortConnection()  # type: ignore[attr-defined]

    def connectionLost(self, reason: Any = None) -> None:
        if self in self.proxy.pairs:
            self.proxy.pairs.remove(self)
        if self.far is not None and self.far.transport is not None:
            self.far.transport.abortConnection()  # type: ignore[attr-defined]


class _Far(protocol.Protocol):
    """The broker's side."""

    def __init__(self, near: _Near) -> None:
        self.near = near

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.near.far = self
        self.transport.write(b"".join(self.near.waiting))

    def dataReceived(self, data: bytes) -> None:
        self.near.to_client(data)

    def connectionLost(self, reason: Any = None) -> None:
        if self.near.transport is not None and not self.near.stalled:
            self.near.transport.loseConnection()


def self_signed(host: str) -> tuple[bytes, bytes]:
    """Return the PEMs of a certificate for `host` and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
