"""The sandbox's GoIP box on real UDP: ``[sandbox-goip:NAME]``.

Each line has a socket of its own, as each line of a device has its own port; the
loss, the doubles and the delays of `goip_net` happen between box and socket, in
both directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final

from attrs import evolve, frozen
from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from gdemoi.goip.settings import listen_address
from gdemoi.ini import (
    boolean,
    choice,
    decimal,
    duration,
    integer,
    key,
    words,
)
from gdemoi.sandbox.goip_box import BoxLine, GoipBox, GoipPersonality, tracker
from gdemoi.sandbox.goip_net import LinkQuality, Wire
from gdemoi.sandbox.trackers import TRACKERS, TrackerPark

# word of `behaviour` -> how all lines behave
BEHAVIOURS: Final[dict[str, GoipPersonality]] = {
    "plain": GoipPersonality(),
    "old": GoipPersonality(ok_form="old", receipt_after_s=None),
    "polled": GoipPersonality(pushes_verdict=False),
    "waits": GoipPersonality(waits_forever=True),
    "silent": GoipPersonality(silent_to=frozenset({"SEND"})),
    "rejects": GoipPersonality(rejects="too many sessions"),
    "wrong-password": GoipPersonality(wrong_password=True),
    "logged-out": GoipPersonality(gsm_logout=True),
    "forgets": GoipPersonality(forgets=True),
}


@frozen(kw_only=True)
class SandboxGoipSettings:
    """A GoIP box that registers at a gateway on this machine."""

    server: tuple[str, int] = key(
        listen_address,
        default=("127.0.0.1", 44444),
        doc="the gateway's listen address",
    )
    lines: tuple[str, ...] = key(
        words,
        doc="id/password/number of each line",
        example="goip1/secret1/+79161112201, goip2/secret2/+79161112202",
    )
    loss: float = key(
        decimal(0, 0.9), default=0.0, doc="share of datagrams lost, each way"
    )
    doubled: float = key(
        decimal(0, 1), default=0.0, doc="share of datagrams that come twice"
    )
    delay_s: float = key(
        duration, default=0.0, doc="datagrams come up to so late, in any order"
    )
    seed: int = key(integer(0), default=1, doc="of the network's randomness")
    sending_s: float = key(
        duration,
        default=2.0,
        name="sending_time",
        doc="what the modem takes for an SMS",
    )
    receipt_after_s: float = key(
        duration, default=2.0, doc="from the SMS to its delivery receipt"
    )
    repeats: int = key(
        integer(0, 100),
        default=3,
        doc="how often RECEIVE and DELIVER are repeated, every 3 s",
    )
    answers: bool = key(
        boolean, default=True, doc="phones answer texts that end with ?"
    )
    trackers: tuple[str, ...] = key(
        TRACKERS,
        default=(),
        doc="trackers among the phones, as number/family/password",
        example="+79161000001/teltonika, +79161000002/queclink/gl300",
    )
    behaviour: str = key(
        choice(*BEHAVIOURS), default="plain", doc="which misbehaviour all lines have"
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Yield lines that cannot be read."""
        for line in self.lines:
            if line.count("/") != 2:
                yield "lines", f"{line!r} is not id/password/number"


class _LineSocket(DatagramProtocol):
    """One line's socket; the lossy network is between it and the line."""

    noisy = False

    def __init__(self, server: tuple[str, int], up: Wire, down: Wire) -> None:
        self.server = server
        self.line: BoxLine | None = None
        self._up = up
        self._down = down

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Take what the gateway says, if the network lets it through."""
        if self.line is not None:
            self._down.carry(self.line.receive, datagram)

    def send(self, datagram: bytes) -> None:
        """Say something to the gateway, if the network lets it through."""
        self._up.carry(self._write, datagram)

    def _write(self, datagram: bytes) -> None:
        if self.transport is not None:
            self.transport.write(datagram, self.server)


class BoxService(Service):
    """Starts and stops one box."""

    log = Logger()

    def __init__(self, settings: SandboxGoipSettings, reactor: Any) -> None:
        self.settings = settings
        self._reactor = reactor
        phone = tracker if settings.answers else _mute
        self.box = GoipBox(reactor, phone, TrackerPark(settings.trackers))
        self._ports: list[IListeningPort] = []

    def startService(self) -> None:
        """Open a socket for each line and register."""
        super().startService()
        given = self.settings
        quality = LinkQuality(
            loss=given.loss, doubled=given.doubled, delay_s=given.delay_s
        )
        up = Wire(self._reactor, quality, Random(given.seed))
        down = Wire(self._reactor, quality, Random(given.seed + 1))
        behaviour = _behaviour(given)
        host = "::1" if ":" in given.server[0] else "127.0.0.1"
        for one in given.lines:
            name, password, number = one.split("/")
            socket = _LineSocket(given.server, up, down)
            socket.line = self.box.add(name, password, number, socket.send, behaviour)
            self._ports.append(self._reactor.listenUDP(0, socket, interface=host))
            socket.line.start()
        self.log.info(
            "GoIP box with {count} lines, {loss} of datagrams lost",
            count=len(given.lines),
            loss=given.loss,
        )

    async def _close(self) -> None:
        for port in self._ports:
            closing = port.stopListening()
            if closing is not None:
                await closing
        self._ports.clear()

    def stopService(self) -> Any:
        """Fall silent and close the sockets."""
        super().stopService()
        for line in self.box.lines.values():
            line.stop()
        if self.box.doubles():
            self.log.error("sent more than once: {what}", what=self.box.doubles())
        return Deferred.fromCoroutine(self._close())


def _behaviour(given: SandboxGoipSettings) -> GoipPersonality:
    base = BEHAVIOURS[given.behaviour]
    after_s = None if base.receipt_after_s is None else given.receipt_after_s
    return evolve(
        base,
        sending_s=given.sending_s,
        receipt_after_s=after_s,
        repeats=given.repeats,
    )


def _mute(number: str, text: str) -> None:
    """A phone that never answers."""


def make_service(settings: SandboxGoipSettings, reactor: Any) -> IService:
    """Make the box of one section."""
    return BoxService(settings, reactor)
