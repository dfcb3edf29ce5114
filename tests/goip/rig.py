"""The far sides of a GoIP channel in tests: what is above it, the socket below it.

`Rig` holds a real channel on a `Clock`; the test speaks as the device
(`rig.say`) and reads what the server wrote, with the time (`rig.heard`).
"""

from __future__ import annotations

from ipaddress import ip_network
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from gdemoi.errors import Unavailable
from gdemoi.goip.channel import GoipChannel, make
from gdemoi.goip.settings import GoipLineSettings, GoipSettings
from gdemoi.interfaces import ChannelContext, IChannel, IChannelEvents
from gdemoi.journal.receipts import Candidate, choose, keys_of
from gdemoi.message import (
    Accepted,
    Inbound,
    MessageClass,
    Outbound,
    Outcome,
    Receipt,
    ReceiptMatch,
    Refused,
    provider_key,
)

Address = tuple[str, int]
HOME: Address = ("127.0.0.1", 10991)
SECOND: Address = ("127.0.0.1", 10992)
EPOCH = 1_700_000_000.0


@implementer(IChannelEvents)
class EventsRecorder:
    """What stands above the channel; it remembers, and matches as the journal.

    `broken`: the journal cannot write.  `slow`: commits wait for `commit()`.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.inbounds: list[Inbound] = []
        self.receipts: list[Receipt] = []
        self.matched: list[tuple[Receipt, str]] = []
        self.lates: list[tuple[str, int, Outcome]] = []
        self.changes: list[tuple[str, str, str | None]] = []
        self.rousings = 0
        self.broken = False
        self.slow = False
        self.known: list[Candidate] = []
        self._dedup: set[str] = set()
        self._commits: list[Deferred[Any]] = []

    def able(self, channel: IChannel) -> None:
        self.rousings += 1

    def changed(
        self, channel: IChannel, state: str, reason: str, line: str | None = None
    ) -> None:
        self.changes.append((state, reason, line))

    def late(self, message_id: str, attempt: int, outcome: Outcome) -> None:
        self.lates.append((message_id, attempt, outcome))

    def accepted(self, message_id: str, to: str, outcome: Outcome) -> None:
        """Hear of the provider ids of a message."""
        if isinstance(outcome, Accepted):
            now = self.clock.seconds()
            self.known += [
                Candidate(provider_key(one), one, message_id, to, True, now)
                for one in outcome.provider_ids
            ]

    def inbound(self, inbound: Inbound) -> Deferred[None]:
        if self.broken:
            return fail(Unavailable("the disk is full"))
        if inbound.dedup not in self._dedup:
            self._dedup.add(inbound.dedup or "")
            self.inbounds.append(inbound)
        return self._committed(None)

    def receipt(self, receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        if self.broken:
            return fail(Unavailable("the disk is full"))
        self.receipts.append(receipt)
        keys = keys_of(receipt)
        near = [one for one in self.known if one.key in keys]
        found = choose(receipt, near, self.clock.seconds())
        if found is None:
            return self._committed(None)
        self.matched.append((receipt, found.message_id))
        return self._committed(
            ReceiptMatch(found.message_id, found.provider_id, found.key)
        )

    def commit(self) -> None:
        """Let the slow commits end."""
        commits, self._commits = self._commits, []
        for one in commits:
            one.callback(None)

    def _committed(self, value: Any) -> Deferred[Any]:
        if not self.slow:
            return succeed(value)
        waiting: Deferred[Any] = Deferred()
        self._commits.append(waiting)
        return waiting.addCallback(lambda _: value)


class Socket:
    """The transport: keeps what was written and when."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.written: list[tuple[float, bytes, Address]] = []
        self.closed = False

    def write(self, datagram: bytes, address: Address) -> None:
        self.written.append((self.clock.seconds() - EPOCH, datagram, address))

    def stopListening(self) -> None:
        self.closed = True


class Reactor:
    """The one thing that a GoIP channel wants of the reactor."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sockets: list[Socket] = []

    def listenUDP(self, port: int, protocol: Any, interface: str = "") -> Socket:
        socket = Socket(self.clock)
        protocol.transport = socket
        self.sockets.append(socket)
        return socket


def line_settings(**given: Any) -> GoipLineSettings:
    """Return a line's settings."""
    return GoipLineSettings(**{"channel": "office", "password": "password1", **given})


LINES = {
    "goipid1": line_settings(),
    "goipid2": line_settings(password="pw2"),
}


class Rig:
    """A channel named `office`, its recorder, its socket and a clock."""

    def __init__(
        self,
        lines: dict[str, GoipLineSettings] | None = None,
        *,
        cursors: dict[str, str] | None = None,
        seed: int = 1,
        start: bool = True,
        **settings: Any,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(EPOCH)
        self.recorder = EventsRecorder(self.clock)
        self.reactor = Reactor(self.clock)
        self.cursors = {} if cursors is None else cursors
        if "allow_src" in settings:
            settings["allow_src"] = tuple(map(ip_network, settings["allow_src"]))
        self.settings = GoipSettings(**settings)
        self.channel: GoipChannel = make(
            "office",
            self.settings,
            [("goip-line", name, one) for name, one in (lines or LINES).items()],
            ChannelContext(
                reactor=self.reactor,
                clock=self.clock,
                random=Random(seed).random,
                public_url=None,
                mount=lambda name, resource: None,
                cursor=lambda name: succeed(self.cursors.get(name)),
                set_cursor=self._set_cursor,
            ),
        )
        self.session = self.channel.session
        self._serial = 0
        self._read = 0
        if start:
            self.channel.start(self.recorder)
            self.socket = self.reactor.sockets[-1]

    def _set_cursor(self, name: str, value: str) -> Deferred[None]:
        self.cursors[name] = value
        return succeed(None)

    # -- what the device sends ---------------------------------------------

    def say(self, datagram: bytes | str, address: Address = HOME) -> list[bytes]:
        """Send one datagram; return what was written because of it."""
        raw = datagram.encode() if isinstance(datagram, str) else datagram
        before = len(self.socket.written)
        self.channel.protocol.datagramReceived(raw, address)
        return [one for _, one, _ in self.socket.written[before:]]

    def asked(self, datagram: bytes | str, address: Address = HOME) -> str | None:
        """Send one datagram; return its one answer without the newline."""
        before = len(self.socket.written)
        answers = self.say(datagram, address)
        assert len(answers) <= 1, answers
        assert all(a == address for _, _, a in self.socket.written[before:])
        return answers[0].decode().rstrip("\r\n ") if answers else None

    def register(
        self,
        line: str = "goipid1",
        address: Address = HOME,
        status: str = "LOGIN",
        **more: str,
    ) -> None:
        """Send a good keepalive."""
        password = self.channel.lines[line].settings.password
        fields = "".join(f"{name}:{value};" for name, value in more.items())
        self._serial += 1
        answer = self.asked(
            f"req:{self._serial};id:{line};pass:{password};{fields}"
            f"gsm_status:{status};",
            address,
        )
        assert answer is not None

    # -- what the gateway asks ---------------------------------------------

    def message(
        self, text: str | None = "hello", to: str = "+8613800138000", **more: Any
    ) -> Outbound:
        """Return a message that expires in an hour."""
        now = self.clock.seconds()
        self._serial += 1
        given = {
            "id": f"m{self._serial}",
            "to": to,
            "text": text,
            "accepted_at": now,
            "expires_at": now + 3600,
            "class_": MessageClass.COMMAND,
            **more,
        }
        return Outbound(**given)

    def submit(self, *args: Any, **more: Any) -> list[Outcome]:
        """Submit a message; the list holds its outcome when there is one."""
        message = self.message(*args, **more)
        prepared = self.channel.prepare(message)
        assert not isinstance(prepared, Refused), prepared
        outcomes: list[Outcome] = []

        def received(outcome: Outcome) -> None:
            self.recorder.accepted(message.id, message.to, outcome)
            outcomes.append(outcome)

        self.channel.submit(prepared, 1).addCallback(received)
        return outcomes

    def heard(self) -> list[tuple[float, str]]:
        """Return (time, datagram) of what was written since the last call."""
        new = self.socket.written[self._read :]
        self._read = len(self.socket.written)
        return [(round(at, 3), datagram.decode()) for at, datagram, _ in new]

    def sendid(self, word: str = "MSG") -> int:
        """Return the sendid of the last datagram that begins so."""
        for _, datagram, _ in reversed(self.socket.written):
            if datagram.startswith(word.encode() + b" "):
                return int(datagram.split()[1])
        raise AssertionError(f"no {word} was written")

    def until_send(self) -> int:
        """Lead the newest exchange to SEND; return its sendid."""
        sendid = self.sendid()
        self.say(f"PASSWORD {sendid}\n")
        self.say(f"SEND {sendid}\n")
        return sendid

    def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass in steps."""
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end - 1e-6:
            self.clock.advance(min(step, end - self.clock.seconds()))
