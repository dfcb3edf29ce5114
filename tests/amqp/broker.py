"""A broker in memory, on our own codec: the far side of the AMQP tests.

It speaks enough of RabbitMQ for what gdemoi uses, and can be told to misbehave.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.test.iosim import FakeTransport, IOPump

from gdemoi.amqp.codec import decode_method, encode_method, frame
from gdemoi.amqp.spec import FRAME_BODY, FRAME_HEADER, FRAME_METHOD, spec

HEADER = b"AMQP\x00\x00\x09\x01"


class Stored:
    """A message in a queue: everything as it came."""

    def __init__(self, exchange: str, key: str, properties: bytes, body: bytes) -> None:
        self.exchange = exchange
        self.key = key
        self.properties = properties
        self.body = body
        self.redelivered = False


class Broker:
    """Exchanges, queues and the connections to them."""

    def __init__(self) -> None:
        self.exchanges: dict[str, str] = {"": "direct"}
        self.queues: dict[str, deque[Stored]] = {}
        self.bindings: list[tuple[str, str, str]] = []
        self.arguments: dict[str, dict[str, Any]] = {}
        self.sides: list[Side] = []
        self.calls: list[str] = []
        # misbehaviour
        self.frame_max = 131072
        self.heartbeat = 60
        self.refuse: tuple[int, str] | None = None
        self.hold_confirms = False
        self.decline = 0
        self.mute = False
        # method -> (code, text): answered by closing the channel
        self.close_channel_on: dict[str, tuple[int, str]] = {}
        # a queue that may be looked for but not declared
        self.refuse_declare: str | None = None

    def connection(self) -> Side:
        """Return the broker's end of a new connection."""
        side = Side(self)
        self.sides.append(side)
        return side

    def put(self, queue: str, body: bytes, properties: bytes = b"\x00\x00") -> None:
        """Put a message into a queue, as a platform would."""
        self.publish(Stored("", queue, properties, body))

    def publish(self, message: Stored) -> bool:
        """Route a message; False when no queue takes it."""
        targets = [
            queue
            for queue, exchange, key in self.bindings
            if exchange == message.exchange and _matches(key, message.key)
        ]
        if message.exchange == "" and message.key in self.queues:
            targets = [message.key]
        for queue in targets:
            self.queues[queue].append(message)
        self.deliver()
        return bool(targets)

    def deliver(self) -> None:
        """Hand out what consumers have room for."""
        for side in self.sides:
            side.deliver()

    def delete_queue(self, name: str) -> None:
        """Delete a queue with its bindings, as an operator does."""
        self.queues.pop(name, None)
        self.arguments.pop(name, None)
        self.bindings = [one for one in self.bindings if one[0] != name]

    def delete_exchange(self, name: str) -> None:
        """Delete an exchange with its bindings."""
        self.exchanges.pop(name, None)
        self.bindings = [one for one in self.bindings if one[1] != name]

    def bodies(self, queue: str) -> list[bytes]:
        """Return the bodies in a queue."""
        return [message.body for message in self.queues.get(queue, ())]


def _matches(pattern: str, key: str) -> bool:
    if pattern.endswith(".#"):
        return key == pattern[:-2] or key.startswith(pattern[:-1])
    return pattern == key


class ChannelState:
    """One channel, seen from the broker."""

    def __init__(self) -> None:
        self.prefetch = 0
        self.consumer: tuple[str, str] | None = None
        self.unacked: dict[int, tuple[str, Stored]] = {}
        self.next_tag = 1
        self.confirms = False
        self.published = 0
        self.held: list[int] = []
        self.receiving: tuple[str, str, bool] | None = None
        self.properties = b""
        self.size = 0
        self.parts: list[bytes] = []


class Side(Protocol):
    """The broker's end of one connection."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.channels: dict[int, ChannelState] = {}
        self.buffer = b""
        self.greeted = False
        self.client_properties: dict[str, Any] = {}
        self.tuned: tuple[int, int, int] | None = None
        self.acks: list[tuple[str, int, bool]] = []
        self.heartbeats = 0
        self.closed = False

    def dataReceived(self, data: bytes) -> None:
        self.buffer += data
        if not self.greeted:
            assert self.buffer[:8] == HEADER, self.buffer[:8]
            self.buffer, self.greeted = self.buffer[8:], True
            self.say(0, "connection", "start", 0, 9, {"product": "fake"}, "PLAIN", "x")
        while len(self.buffer) >= 7:
            kind, number, size = struct.unpack_from(">BHI", self.buffer)
            if len(self.buffer) < size + 8:
                break
            assert self.buffer[7 + size] == 206
            payload, self.buffer = self.buffer[7 : 7 + size], self.buffer[8 + size :]
            self.frame(kind, number, payload)

    def connectionLost(self, reason: Any = None) -> None:
        self.closed = True
        for state in self.channels.values():
            self.requeue(state)
        self.channels.clear()

    def say(self, number: int, klass: str, name: str, *args: Any) -> None:
        """Send a method."""
        method = spec().classes.byname[klass].methods.byname[name]
        self.write(frame(FRAME_METHOD, number, encode_method(method, args)))

    def write(self, octets: bytes) -> None:
        if not self.broker.mute and not self.closed:
            assert self.transport is not None
            self.transport.write(octets)

    def content(self, number: int, message: Stored) -> bytes:
        """Return the frames of a content."""
        head = struct.pack(">HHQ", 60, 0, len(message.body)) + message.properties
        longest = (self.tuned[1] if self.tuned else 131072) - 8
        return frame(FRAME_HEADER, number, head) + b"".join(
            frame(FRAME_BODY, number, message.body[at : at + longest])
            for at in range(0, len(message.body), longest)
        )

    def frame(self, kind: int, number: int, payload: bytes) -> None:
        state = self.channels.get(number)
        if kind == 8:
            self.heartbeats += 1
        elif kind == FRAME_METHOD:
            method, args = decode_method(spec(), payload)
            name = f"{method.klass.name}_{method.name}".replace("-", "_")
            self.broker.calls.append(name)
            if number and state is None and name != "channel_open":
                return  # on its way when the broker closed the channel
            closing = self.broker.close_channel_on.get(name)
            if closing and state is not None:
                self.close_channel(number, *closing)
                return
            getattr(self, f"on_{name}")(number, *args)
        elif state is not None and state.receiving is not None:
            if kind == FRAME_HEADER:
                (state.size,) = struct.unpack_from(">Q", payload, 4)
                state.properties = payload[12:]
                state.parts = []
            else:
                state.parts.append(payload)
            if sum(map(len, state.parts)) >= state.size:
                self.published(number, state)

    def close_channel(self, number: int, code: int, text: str) -> None:
        """Close a channel because of an error."""
        state = self.channels.pop(number)
        self.requeue(state)
        self.say(number, "channel", "close", code, text, 0, 0)

    def requeue(self, state: ChannelState) -> None:
        for _, (queue, message) in sorted(state.unacked.items(), reverse=True):
            message.redelivered = True
            self.broker.queues[queue].appendleft(message)
        state.unacked.clear()

    # ---- connection and channel ----

    def on_connection_start_ok(
        self, n: int, properties: dict[str, Any], *rest: Any
    ) -> None:
        self.client_properties = properties
        self.login = rest
        if self.broker.refuse:
            self.say(0, "connection", "close", *self.broker.refuse, 0, 0)
        else:
            self.say(
                0,
                "connection",
                "tune",
                2047,
                self.broker.frame_max,
                self.broker.heartbeat,
            )

    def on_connection_tune_ok(self, n: int, *tuned: int) -> None:
        self.tuned = (tuned[0], tuned[1], tuned[2])

    def on_connection_open(self, n: int, vhost: str, *rest: Any) -> None:
        self.say(0, "connection", "open-ok", "")

    def on_connection_close(self, n: int, *rest: Any) -> None:
        self.say(0, "connection", "close-ok")

    def on_connection_close_ok(self, n: int) -> None:
        assert self.transport is not None
        self.transport.loseConnection()

    def on_channel_open(self, n: int, *rest: Any) -> None:
        self.channels[n] = ChannelState()
        self.say(n, "channel", "open-ok", b"")

    def on_channel_close(self, n: int, *rest: Any) -> None:
        self.requeue(self.channels.pop(n))
        self.say(n, "channel", "close-ok")

    def on_channel_close_ok(self, n: int) -> None:
        pass

    # ---- topology ----

    def on_exchange_declare(
        self, n: int, _: int, name: str, kind: str, passive: bool, *rest: Any
    ) -> None:
        if passive and name not in self.broker.exchanges:
            self.close_channel(n, 404, f"NOT_FOUND - no exchange '{name}'")
            return
        self.broker.exchanges.setdefault(name, kind)
        self.say(n, "exchange", "declare-ok")

    def on_queue_declare(
        self, n: int, _: int, name: str, passive: bool, *rest: Any
    ) -> None:
        queues, arguments = self.broker.queues, rest[-1]
        if passive and name not in queues:
            self.close_channel(n, 404, f"NOT_FOUND - no queue '{name}'")
            return
        if not passive and name == self.broker.refuse_declare:
            self.close_channel(n, 403, f"ACCESS_REFUSED - queue '{name}'")
            return
        if (
            not passive
            and self.broker.arguments.setdefault(name, arguments) != arguments
        ):
            self.close_channel(n, 406, "PRECONDITION_FAILED - inequivalent arg")
            return
        queues.setdefault(name, deque())
        self.say(n, "queue", "declare-ok", name, len(queues[name]), 0)

    def on_queue_bind(
        self, n: int, _: int, queue: str, exchange: str, key: str, *rest: Any
    ) -> None:
        if (queue, exchange, key) not in self.broker.bindings:
            self.broker.bindings.append((queue, exchange, key))
        self.say(n, "queue", "bind-ok")

    # ---- publishing ----

    def on_confirm_select(self, n: int, *rest: Any) -> None:
        self.channels[n].confirms = True
        self.say(n, "confirm", "select-ok")

    def on_basic_publish(
        self, n: int, _: int, exchange: str, key: str, mandatory: bool, *rest: Any
    ) -> None:
        self.channels[n].receiving = (exchange, key, mandatory)
        self.channels[n].size = 1 << 60

    def published(self, n: int, state: ChannelState) -> None:
        assert state.receiving is not None
        exchange, key, mandatory = state.receiving
        state.receiving = None
        state.published += 1
        if exchange not in self.broker.exchanges:
            self.close_channel(n, 404, f"NOT_FOUND - no exchange '{exchange}'")
            return
        message = Stored(exchange, key, state.properties, b"".join(state.parts))
        if self.broker.decline:
            self.broker.decline -= 1
            self.say(n, "basic", "nack", state.published, False, False)
            return
        if not self.broker.publish(message) and mandatory:
            self.say(n, "basic", "return", 312, "NO_ROUTE", exchange, key)
            self.write(self.content(n, message))
        if state.confirms:
            state.held.append(state.published)
            if not self.broker.hold_confirms:
                self.confirm(n)

    def confirm(self, n: int, multiple: bool = True) -> None:
        """Confirm what is held back."""
        held, self.channels[n].held = self.channels[n].held, []
        if held and multiple:
            self.say(n, "basic", "ack", held[-1], True)
        elif held:
            for tag in reversed(held):
                self.say(n, "basic", "ack", tag, False)

    # ---- consuming ----

    def on_basic_qos(self, n: int, size: int, count: int, *rest: Any) -> None:
        self.channels[n].prefetch = count
        self.say(n, "basic", "qos-ok")

    def on_basic_consume(
        self, n: int, _: int, queue: str, tag: str, *rest: Any
    ) -> None:
        self.channels[n].consumer = (queue, tag)
        self.say(n, "basic", "consume-ok", tag)
        self.deliver()

    def on_basic_cancel(self, n: int, tag: str, *rest: Any) -> None:
        self.channels[n].consumer = None
        self.say(n, "basic", "cancel-ok", tag)

    def on_basic_get(self, n: int, _: int, queue: str, no_ack: bool) -> None:
        if not self.broker.queues[queue]:
            self.say(n, "basic", "get-empty", "")
            return
        message = self.broker.queues[queue].popleft()
        self.say(n, "basic", "get-ok", 1, False, message.exchange, message.key, 0)
        self.write(self.content(n, message))

    def deliver(self) -> None:
        """Deliver what the prefetch allows."""
        for n, state in self.channels.items():
            if state.consumer is None:
                continue
            queue = self.broker.queues.get(state.consumer[0], deque())
            while queue and (not state.prefetch or len(state.unacked) < state.prefetch):
                message = queue.popleft()
                tag, state.next_tag = state.next_tag, state.next_tag + 1
                state.unacked[tag] = (state.consumer[0], message)
                self.say(
                    n,
                    "basic",
                    "deliver",
                    state.consumer[1],
                    tag,
                    message.redelivered,
                    message.exchange,
                    message.key,
                )
                self.write(self.content(n, message))

    def on_basic_ack(self, n: int, tag: int, multiple: bool) -> None:
        state = self.channels[n]
        self.acks.append(("ack", tag, multiple))
        known = [t for t in state.unacked if t == tag or (multiple and t <= tag)]
        assert known, f"unknown delivery tag {tag}"
        for each in known:
            del state.unacked[each]
        self.deliver()

    def on_basic_nack(self, n: int, tag: int, multiple: bool, requeue: bool) -> None:
        self.acks.append(("nack", tag, multiple))


class Network:
    """Connects clients to brokers in memory; `flush` moves all octets."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.pumps: list[IOPump] = []

    def link(self, client: Protocol, broker: Broker) -> Side:
        """Connect a client."""
        side = broker.connection()
        near = FakeTransport(client, isServer=False)
        far = FakeTransport(side, isServer=True)
        self.pumps.append(IOPump(client, side, near, far, False, clock=self.clock))
        side.makeConnection(far)
        client.makeConnection(near)
        return side

    def flush(self) -> None:
        """Move octets until nothing moves."""
        moved = True
        while moved:
            moved = sum(pump.pump() for pump in list(self.pumps)) > 0

    def cut(self) -> None:
        """Lose all connections at once."""
        lost = list(self.pumps)
        for pump in lost:
            pump.clientIO.stream.clear()
            pump.serverIO.stream.clear()
            pump.serverIO.loseConnection()
        self.flush()
        # a client may have come back already
        self.pumps = [pump for pump in self.pumps if pump not in lost]

    def endpoint(self, broker: Broker | None) -> Any:
        """Return an endpoint that connects to a broker (None: refuses)."""
        return _Endpoint(self, broker)


class _Endpoint:
    def __init__(self, network: Network, broker: Broker | None) -> None:
        self.network = network
        self.broker = broker

    def connect(self, factory: Factory) -> Deferred[Any]:
        if self.broker is None:
            return fail(ConnectionRefusedError())
        client = factory.buildProtocol(None)
        assert isinstance(client, Protocol)
        self.network.link(client, self.broker)
        return succeed(client)
