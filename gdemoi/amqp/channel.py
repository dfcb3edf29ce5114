"""One channel: calls with answers, deliveries, acks and publishes.

The frames that carry the load (deliver, ack and nack of confirms, publish) are
read and written by hand; everything else goes through txamqp's model.  An owner
hears of what arrives through `on_deliveries`, `on_confirm`, `on_return` and
`on_closed`.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from txamqp.content import Content
from txamqp.message import Message
from txamqp.protocol import AMQChannel

from gdemoi.amqp.codec import (
    END,
    decode_method,
    decode_properties,
    encode_method,
    encode_properties,
    frame,
    short_string,
)
from gdemoi.amqp.spec import FRAME_BODY, FRAME_HEADER, FRAME_METHOD
from gdemoi.errors import TheirFault, Unavailable
from gdemoi.net.faults import in_words

_BASIC: Final = 60
_DELIVER: Final = b"\x00\x3c\x00\x3c"
_ACK: Final = b"\x00\x3c\x00\x50"
_NACK: Final = b"\x00\x3c\x00\x78"
_tag_and_bits = struct.Struct(">QB").unpack_from
_header_head = struct.Struct(">HHQ").unpack_from
_frame_head = struct.Struct(">BHI").pack
_content_head = struct.Struct(">BHIHHQ").pack
_ack_frame = struct.Struct(">BHIHHQBB").pack


class ChannelError(Unavailable):
    """The broker closed the channel; `code` is its reply code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def reason_text(reason: Any) -> str:
    """Say why something was closed: a method, a failure or an exception."""
    if isinstance(reason, Message):
        return f"{reason.reply_code} {reason.reply_text}"
    if isinstance(reason, Failure):
        return in_words(reason.value)
    return str(reason)


class Delivery:
    """A message that the broker handed us.

    `fault` is set when its properties could not be read; the body is whole.
    """

    __slots__ = (
        "body",
        "exchange",
        "fault",
        "properties",
        "redelivered",
        "routing_key",
        "tag",
    )

    def __init__(
        self, tag: int, redelivered: bool, exchange: str, routing_key: str
    ) -> None:
        self.tag = tag
        self.redelivered = redelivered
        self.exchange = exchange
        self.routing_key = routing_key
        self.properties: dict[str, Any] = {}
        self.body = b""
        self.fault: str | None = None


def _no_confirm(tag: int, multiple: bool, taken: bool) -> None:
    raise TheirFault("a confirm on a channel that asked for none")


@lru_cache(maxsize=4096)
def _publish_frame(
    channel: int, exchange: str, routing_key: str, mandatory: bool
) -> bytes:
    payload = b"\x00\x3c\x00\x28\x00\x00" + short_string(exchange)
    payload += short_string(routing_key) + (b"\x01" if mandatory else b"\x00")
    return frame(FRAME_METHOD, channel, payload)


class Channel(AMQChannel):  # type: ignore[misc]
    """See the module.  `closed` and `reason` are txamqp's."""

    def __init__(self, id: int, outgoing: object, client: Any) -> None:
        super().__init__(id, outgoing, client)
        self.on_deliveries: Callable[[list[Delivery]], None] | None = None
        self.on_confirm: Callable[[int, bool, bool], None] = _no_confirm
        self.on_return: Callable[[Message, dict[str, Any]], None] | None = None
        self.on_closed: Callable[[str], None] | None = None
        self._answers: deque[tuple[Any, Deferred[Message]]] = deque()
        self._arrived: list[Delivery] = []
        # content that is being put together
        self._carrier: Delivery | Message | None = None
        self._properties: dict[str, Any] = {}
        self._size = 0
        self._parts: list[bytes] | None = None

    # ---- calls ----

    def invoke(
        self, method: Any, args: tuple[Any, ...], content: Content | None = None
    ) -> Deferred[Message | None]:
        """Send a method; fires with the broker's answer, if it has one.

        The generated calls (``queue_declare(…)``) all come through here.
        """
        if self.closed:
            return fail(self._closed_error())
        octets = frame(FRAME_METHOD, self.id, encode_method(method, args))
        if method.content:
            content = content or Content(b"")
            octets += self._content(encode_properties(content.properties), content.body)
        self.client.send(octets)
        nowait = method.fields.byname.get("nowait")
        if not method.responses or (nowait and args[method.fields.index(nowait)]):
            return succeed(None)
        # Without a canceller's help a cancelled call must keep its place: the
        # answer will still come.
        answer: Deferred[Message | None] = Deferred()
        self._answers.append((method, answer))
        return answer

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: bytes,
        mandatory: bool = True,
    ) -> None:
        """Write one message in one go; `properties` are already encoded."""
        self.client.send(
            _publish_frame(self.id, exchange, routing_key, mandatory)
            + self._content(properties, body)
        )

    def _content(self, properties: bytes, body: bytes) -> bytes:
        size = len(body)
        head = (
            _content_head(FRAME_HEADER, self.id, 12 + len(properties), _BASIC, 0, size)
            + properties
            + END
        )
        longest = self.client.frame_max - 8
        if 0 < size <= longest:
            return head + _frame_head(FRAME_BODY, self.id, size) + body + END
        return head + b"".join(
            frame(FRAME_BODY, self.id, body[at : at + longest])
            for at in range(0, size, longest)
        )

    def ack(self, tag: int, multiple: bool = False) -> None:
        """Take a delivery (and with `multiple` all before it) off the queue."""
        self.client.send(
            _ack_frame(FRAME_METHOD, self.id, 13, _BASIC, 80, tag, multiple, END[0])
        )

    def nack(self, tag: int, *, multiple: bool = False, requeue: bool = True) -> None:
        """Give a delivery back."""
        bits = multiple | requeue << 1
        self.client.send(
            _ack_frame(FRAME_METHOD, self.id, 13, _BASIC, 120, tag, bits, END[0])
        )

    # ---- frames ----

    def method_frame(self, data: bytes, start: int, stop: int) -> None:
        """Take a method; deliveries and confirms without txamqp's model."""
        key = data[start : start + 4]
        if key == _DELIVER:
            self._deliver(data, start + 4)
        elif key == _ACK:
            tag, multiple = _tag_and_bits(data, start + 4)
            self.client.worked = True
            self.on_confirm(tag, bool(multiple & 1), True)
        elif key == _NACK:
            tag, multiple = _tag_and_bits(data, start + 4)
            self.on_confirm(tag, bool(multiple & 1), False)
        else:
            method, args = decode_method(self.client.spec, data[start:stop])
            message = Message(method, args)
            if method.content:
                self._begin(message)
            elif method.response:
                self._answer(message)
            else:
                self._notified(message)

    def _deliver(self, data: bytes, at: int) -> None:
        at += 1 + data[at]  # the consumer tag: one consumer per channel
        tag, redelivered = _tag_and_bits(data, at)
        at += 9
        end = at + 1 + data[at]
        exchange = data[at + 1 : end].decode("utf-8", "surrogateescape")
        key = data[end + 1 : end + 1 + data[end]]
        self._begin(
            Delivery(
                tag,
                redelivered == 1,
                exchange,
                key.decode("utf-8", "surrogateescape"),
            )
        )

    def _begin(self, carrier: Delivery | Message) -> None:
        if self._carrier is not None:
            raise TheirFault("a method in the middle of a content")
        self._carrier = carrier

    def header_frame(self, data: bytes, start: int, stop: int) -> None:
        """Take a content header."""
        carrier = self._carrier
        if carrier is None or self._parts is not None:
            raise TheirFault("a content header out of place")
        _, _, self._size = _header_head(data, start)
        try:
            self._properties = decode_properties(data[start + 12 : stop], 0)
        except TheirFault as fault:
            # This message's fault, not the connection's: who takes it decides.
            self._properties = {}
            if isinstance(carrier, Delivery):
                carrier.fault = str(fault)
        self._parts = []
        if self._size == 0:
            self._finish(b"")

    def body_frame(self, data: bytes, start: int, stop: int) -> None:
        """Take a piece of a body."""
        parts = self._parts
        if parts is None:
            raise TheirFault("a body out of place")
        self._size -= stop - start
        if self._size < 0:
            raise TheirFault("a body longer than its header says")
        piece = data[start:stop]
        if self._size:
            parts.append(piece)
        elif parts:
            parts.append(piece)
            self._finish(b"".join(parts))
        else:
            self._finish(piece)

    def _finish(self, body: bytes) -> None:
        carrier, self._carrier, self._parts = self._carrier, None, None
        if isinstance(carrier, Delivery):
            carrier.properties = self._properties
            carrier.body = body
            if not self._arrived:
                self.client.touch(self)
            self._arrived.append(carrier)
            return
        assert carrier is not None
        carrier.content = Content(body, properties=self._properties)
        if carrier.method.response:
            self._answer(carrier)
        elif self.on_return is not None:
            self.on_return(carrier, self._properties)

    def hand_over(self) -> None:
        """Give the owner all that came with one read."""
        arrived, self._arrived = self._arrived, []
        if self.on_deliveries is not None and not self.closed:
            self.on_deliveries(arrived)

    def _answer(self, message: Message) -> None:
        if not self._answers:
            raise TheirFault(f"{message.method.name}, which nobody asked for")
        asked, answer = self._answers.popleft()
        if message.method not in asked.responses:
            raise TheirFault(f"{message.method.name} in answer to {asked.name}")
        if not answer.called:
            answer.callback(message)

    def _notified(self, message: Message) -> None:
        name = f"{message.method.klass.name}_{message.method.name}".replace("-", "_")
        if not hasattr(self.client.delegate, name):
            raise TheirFault(f"{name}, which a broker does not say")
        self.client.delegate.dispatch(self, message)

    # ---- the end ----

    def do_close(self, reason: Any) -> None:
        """Fail everyone who waits, with the broker's reason."""
        if self.closed:
            return
        super().do_close(reason)
        answers, self._answers = self._answers, deque()
        self._carrier = self._parts = None
        self._arrived = []
        for _, answer in answers:
            if not answer.called:
                answer.errback(self._closed_error())
        if self.on_closed is not None:
            self.on_closed(reason_text(reason))

    def _closed_error(self) -> ChannelError:
        code = self.reason.reply_code if isinstance(self.reason, Message) else 0
        return ChannelError(reason_text(self.reason), code)
