"""One AMQP connection: txamqp's client with its faults replaced.

What is kept of txamqp: its model of the protocol, the generated method calls on
channels, and the delegate's way of answering the broker.  What is replaced, and
why, is in the tests, one per fault.  Above all:

* frames are walked in place and content is put together here, as octets;
* nothing queues inside: an answer fires its Deferred, a delivery goes to the
  channel's owner, in one call for all that came with one read;
* heartbeats are negotiated and cost two flags and one timer;
* a connection that is over says so, with its reason, to everyone who waits.

This file knows frames, channels and heartbeats.  It knows neither queues nor what
the messages mean.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IHandshakeListener, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from txamqp.client import TwistedDelegate
from txamqp.message import Message
from txamqp.protocol import AMQClient
from zope.interface import implementer

from gdemoi.amqp.channel import Channel, reason_text
from gdemoi.amqp.codec import frame
from gdemoi.amqp.spec import (
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    spec,
)
from gdemoi.errors import GdemoiError, TheirFault, Unavailable
from gdemoi.net.faults import ANSWERS_TLS, in_words, of_loss, speaks_tls
from gdemoi.net.reconnector import LoginRefused
from gdemoi.tasks import spawn

# What we ask for where the broker sets no limit; RabbitMQ's own default.
FRAME_MAX: Final = 131072
# The broker may not send more than this before frame_max is agreed on.
_FIRST_FRAME_MAX: Final = 1 << 20
# Two intervals of silence close a connection (AMQP 0-9-1 §4.2.7); looked at
# twice per interval, so that it is noticed within two and a half.
_SILENT_LOOKS: Final = 5
# Replies that someone must act on before another try makes sense: access
# refused, not allowed (no such vhost).
_REFUSALS: Final = (403, 530)
REFUSED_PAUSE_S: Final = 30.0

CAPABILITIES: Final = {
    "publisher_confirms": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "exchange_exchange_bindings": True,
    "authentication_failure_close": True,
}

_PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"
_HEARTBEAT: Final = frame(FRAME_HEARTBEAT, 0, b"")
_frame_head = struct.Struct(">BHI").unpack_from


class Delegate(TwistedDelegate):  # type: ignore[misc]
    """Answers what the broker says of itself; named ``class_method``."""

    client: Client

    def connection_start(self, ch: Channel, msg: Message) -> None:
        """Log in, and say what we can do."""
        self.client.server_properties = msg.server_properties
        ch.connection_start_ok(
            client_properties={
                "product": "gdemoi",
                "connection_name": self.client.name,
                "capabilities": CAPABILITIES,
            },
            mechanism=self.client.mechanism,
            response=self.client.response,
            locale=self.client.locale,
        )

    def connection_tune(self, ch: Channel, msg: Message) -> None:
        """Agree on the smaller frame and the shorter heartbeat; 0 is no limit."""
        client = self.client
        client.frame_max = min(FRAME_MAX, msg.frame_max or FRAME_MAX)
        offered = [beat for beat in (msg.heartbeat, client.heartbeat_s) if beat]
        client.heartbeat_s = min(offered, default=0)
        ch.connection_tune_ok(msg.channel_max, client.frame_max, client.heartbeat_s)
        client.start_heartbeat()
        client.started.fire()

    def connection_close(self, ch: Channel, msg: Message) -> None:
        """The broker ends it."""
        ch.connection_close_ok()
        self.client.do_close(msg)

    def connection_blocked(self, ch: Channel, msg: Message) -> None:
        """The broker takes no publishes for now (its memory or disk is full)."""
        self.client.set_blocked(msg.reason)

    def connection_unblocked(self, ch: Channel, msg: Message) -> None:
        """The broker takes publishes again."""
        self.client.set_blocked(None)

    def basic_cancel(self, ch: Channel, msg: Message) -> None:
        """The queue under a consumer is gone: start over, declare it again."""
        self.client.give_up("the broker cancelled the consumer (queue deleted?)")

    def close(self, reason: Any) -> None:
        """Finish what txamqp's own `close` would: called by `do_close`."""
        self.client.started.fail_if_not_fired(Unavailable(reason_text(reason)))
        self.client.transport.loseConnection()


@implementer(IHandshakeListener)
class Client(AMQClient):  # type: ignore[misc]
    """A connection to one broker, as a conversation that a keeper can keep.

    `prepare(client)` is awaited after the login and before `ready()` fires: it
    declares the topology and opens publishers and consumers.
    """

    channelClass = Channel
    channels: dict[int, Channel]
    closed: bool
    frame_max = _FIRST_FRAME_MAX
    blocked: str | None = None

    def __init__(
        self,
        *,
        name: str,
        vhost: str,
        username: str,
        password: str,
        heartbeat_s: int,
        clock: IReactorTime,
        log: Logger,
        prepare: Callable[[Client], Any],
        on_blocked: Callable[[str | None], None] = lambda reason: None,
    ) -> None:
        super().__init__(Delegate(), vhost, spec(), heartbeat=0, clock=clock)
        self.name = name
        self.heartbeat_s = heartbeat_s
        self.server_properties: dict[str, Any] = {}
        self.reason = ""
        self._username = username
        self._password = password
        self._log = log
        self._prepare = prepare
        self._on_blocked = on_blocked
        self._tail = b""
        self._heard = self._said = self._first = True
        # TLS, where it is spoken
        self._agreed = False
        self._silent_looks = 0
        self._beat = LoopingCall(self._look_at_heartbeat)
        self._beat.clock = clock
        self._next_channel = 1
        self._touched: list[Channel] = []
        # it delivered something, or confirmed a publish
        self.worked = False
        self._over: Deferred[str] = Deferred()
        self._reply_code = 0

    def __repr__(self) -> str:
        return f"<amqp connection {self.name} {self.reason or 'open'}>"

    # ---- the keeper's side ----

    def ready(self) -> Deferred[None]:
        """Fire when logged in and prepared."""
        return Deferred.fromCoroutine(self._ready())

    async def _ready(self) -> None:
        try:
            await self.authenticate(self._username, self._password)
        except GdemoiError as fault:
            raise self._refusal() or fault from None
        await self._prepare(self)

    def _refusal(self) -> LoginRefused | None:
        if self._reply_code in _REFUSALS:
            return LoginRefused(self.reason, REFUSED_PAUSE_S)
        return None

    def over(self) -> Deferred[str]:
        """Fire with the reason when the connection has ended."""
        return self._over

    def abort(self) -> None:
        """Close at once; harmless when already closed."""
        self.give_up("closed by us")

    def give_up(self, reason: str) -> None:
        """Close at once, because of `reason`."""
        self.do_close(Unavailable(reason))
        self.transport.abortConnection()

    async def close_politely(self) -> None:
        """Say goodbye and wait for the answer."""
        if not self.closed:
            await self.channels[0].connection_close(
                reply_code=200, reply_text="goodbye"
            )
            self.do_close(Unavailable("closed by us"))

    # ---- txamqp's calls, as they should have been ----

    async def authenticate(
        self,
        username: str,
        password: str,
        mechanism: str = "PLAIN",
        locale: str = "en_US",
    ) -> Message:
        """Log in and open the virtual host."""
        self.response = f"\0{username}\0{password}"
        self.mechanism, self.locale = mechanism, locale
        await self.started.wait()
        return await self.channels[0].connection_open(self.vhost)

    def channel(self, id: int) -> Deferred[Channel]:
        """Return a channel by number; fails at once on a closed connection."""
        if self.closed:
            return fail(Unavailable(self.reason))
        if id not in self.channels:
            self.channels[id] = self.channelFactory(id, None, self)
        return succeed(self.channels[id])

    async def open_channel(self) -> Channel:
        """Open a channel whose number was not used before on this connection."""
        number, self._next_channel = self._next_channel, self._next_channel + 1
        channel = await self.channel(number)
        await channel.channel_open()
        return channel

    def close(self, reason: Any = None, within: float = 0) -> Deferred[None]:
        """Close without a goodbye; `close_politely` is the other one."""
        self.do_close(reason or Unavailable("closed by us"))
        return succeed(None)

    def do_close(self, reason: Any) -> None:
        """End it for everyone who waits; the first reason counts."""
        if self.closed:
            return
        self.closed = True
        if isinstance(reason, Message):
            self._reply_code = reason.reply_code
        self.reason = reason_text(reason)
        if self._beat.running:
            self._beat.stop()
        channels, self.channels = dict(self.channels), {}
        for channel in channels.values():
            channel.close(reason)
        self.delegate.close(reason)
        self._over.callback(self.reason)

    def channel_failed(self, channel: Channel, reason: Failure) -> None:
        """Forget a channel that the broker closed; its number is not used again."""
        self.channels.pop(channel.id, None)

    def set_blocked(self, reason: str | None) -> None:
        """Note that the broker takes (or takes no) publishes."""
        self.blocked = reason
        if reason is None:
            self._log.info("{name}: the broker takes publishes again", name=self.name)
        else:
            self._log.warn(
                "{name}: the broker takes no publishes: {reason}",
                name=self.name,
                reason=reason,
            )
        self._on_blocked(reason)

    # ---- the wire ----

    def connectionMade(self) -> None:
        """Speak first."""
        set_no_delay = getattr(self.transport, "setTcpNoDelay", None)
        if set_no_delay is not None:
            set_no_delay(True)
        self.channels[0] = self.channelFactory(0, None, self)
        self.send_init_string()

    def send_init_string(self) -> None:
        """Ask for AMQP 0-9-1; txamqp's own asks for something older."""
        self.transport.write(_PROTOCOL_HEADER)

    def handshakeCompleted(self) -> None:
        """TLS is agreed upon."""
        self._agreed = True

    def connectionLost(self, reason: Failure) -> None:
        """Tell everyone."""
        lost = of_loss(reason.value, self.transport, self._agreed)
        why = lost or in_words(reason.value)
        self.do_close(Unavailable(f"connection lost: {why}"))
        self.disconnected.fire()

    def send(self, octets: bytes) -> None:
        """Write whole frames."""
        self._said = True
        self.transport.write(octets)

    def dataReceived(self, data: bytes) -> None:
        """Take any number of frames, and the beginning of the next."""
        self._heard = True
        if self._first:
            self._first = False
            if speaks_tls(data):
                self.give_up(f"{ANSWERS_TLS} (amqps://)")
                return
        if self._tail:
            data = self._tail + data
        try:
            self._walk(data)
        except (TheirFault, struct.error) as fault:
            self._log.error(
                "{name}: the broker's bytes make no sense: {fault}",
                name=self.name,
                fault=fault,
            )
            self.give_up(f"protocol error: {fault}")
        touched, self._touched = self._touched, []
        for channel in touched:
            channel.hand_over()

    def _walk(self, data: bytes) -> None:
        at, end = 0, len(data)
        longest = self.frame_max
        while end - at >= 8 and not self.closed:
            kind, number, size = _frame_head(data, at)
            stop = at + 7 + size
            if size > longest:
                raise TheirFault(f"a frame of {size} octets, over the limit")
            if stop >= end:
                break
            if data[stop] != FRAME_END:
                raise TheirFault("a frame without its end")
            channel = self.channels.get(number)
            if channel is not None:
                self._frame(kind, channel, data, at + 7, stop)
            elif number not in range(self._next_channel):
                raise TheirFault(f"a frame for channel {number}, never opened")
            at = stop + 1
        self._tail = data[at:]

    def _frame(
        self, kind: int, channel: Channel, data: bytes, start: int, stop: int
    ) -> None:
        if kind == FRAME_METHOD:
            channel.method_frame(data, start, stop)
        elif kind == FRAME_HEADER:
            channel.header_frame(data, start, stop)
        elif kind == FRAME_BODY:
            channel.body_frame(data, start, stop)
        elif kind != FRAME_HEARTBEAT:
            raise TheirFault(f"a frame of unknown type {kind}")

    def touch(self, channel: Channel) -> None:
        """Hand this channel's deliveries over after the present read."""
        self.worked = True
        self._touched.append(channel)

    # ---- heartbeats ----

    def start_heartbeat(self) -> None:
        """Begin, with the agreed interval; 0 is none."""
        if self.heartbeat_s:
            spawn(self._beat_on(), self._log, "the heartbeat")

    async def _beat_on(self) -> None:
        await self._beat.start(self.heartbeat_s / 2, now=False)

    def _look_at_heartbeat(self) -> None:
        if not self._said:
            self.transport.write(_HEARTBEAT)
        self._said = False
        self._silent_looks = 0 if self._heard else self._silent_looks + 1
        self._heard = False
        if self._silent_looks >= _SILENT_LOOKS - 1:
            self.give_up(f"the broker was silent for {2 * self.heartbeat_s} s")
