"""Publishing with confirms: nothing is done until the broker has said so.

One channel of its own, a bounded window of unconfirmed messages, `mandatory` on
request.  The publisher keeps no queue and repeats nothing: its owner knows the
truth (the journal's cursor, the unacked delivery) and starts over from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from txamqp.message import Message

from gdemoi.amqp.channel import Channel
from gdemoi.amqp.client import Client
from gdemoi.amqp.codec import encode_properties, short_string
from gdemoi.contract.trace_context import HEADER

T = TypeVar("T")

PERSISTENT: Final = 2
JSON: Final = "application/json"


# What all events have in common, up to where their own properties begin.
_COMMON: Final = {"content-type": JSON, "delivery-mode": PERSISTENT}
_PLAIN: Final = encode_properties({**_COMMON, "message-id": ""})[:-1]
_CORRELATED: Final = encode_properties(
    {**_COMMON, "correlation-id": "", "message-id": ""}
)[:-2]


def json_properties(
    message_id: str,
    correlation_id: str | None = None,
    traceparent: str | None = None,
) -> bytes:
    """Encode the properties that every event has."""
    if traceparent is not None:
        traced = {**_COMMON, "message-id": message_id}
        if correlation_id is not None:
            traced["correlation-id"] = correlation_id
        return encode_properties({**traced, "headers": {HEADER: traceparent}})
    if correlation_id is None:
        return _PLAIN + short_string(message_id)
    return _CORRELATED + short_string(correlation_id) + short_string(message_id)


class Unroutable(NamedTuple):
    """The broker found no queue for it."""

    text: str


class Declined(NamedTuple):
    """The broker said basic.nack: it could not keep it."""


class _Unconfirmed(NamedTuple, Generic[T]):
    tag: int
    token: T
    exchange: str
    routing_key: str
    message_id: str


class Publisher(Generic[T]):
    """Publishes for one owner, who gets its tokens back.

    `confirmed(tokens)` for those the broker keeps, in the order of publishing;
    `failed(token, why)` for one returned or declined; `lost(reason)` when the
    channel is over: nothing more is heard of what was unconfirmed.
    """

    def __init__(
        self,
        *,
        window: int,
        confirmed: Callable[[list[T]], None],
        failed: Callable[[T, Unroutable | Declined], None],
        lost: Callable[[str], None],
    ) -> None:
        self.window = window
        self.published = 0
        self._confirmed = confirmed
        self._failed = failed
        self._lost = lost
        self._client: Client | None = None
        self._channel: Channel | None = None
        self._next_tag = 1
        # In the order of their tags.  `_out_of_order` holds the tags that were
        # settled while an earlier one was not.
        self._unconfirmed: deque[_Unconfirmed[T]] = deque()
        self._out_of_order: set[int] = set()
        # What was returned and not yet confirmed.  One message may be there twice:
        # published again before the broker had confirmed its return.
        self._returned: dict[tuple[str, str, str], list[str]] = {}

    async def attach(self, client: Client) -> None:
        """Begin on a fresh connection."""
        channel = await client.open_channel()
        await channel.confirm_select()
        channel.on_confirm = self._on_confirm
        channel.on_return = self._on_return
        channel.on_closed = self._on_closed
        self._next_tag = 1
        self._client, self._channel = client, channel

    def room(self) -> int:
        """Return how many may be published now."""
        if self._client is None or self._client.blocked is not None:
            return 0
        return self.window - len(self._unconfirmed)

    def unconfirmed(self) -> int:
        """Return how many are on their way."""
        return len(self._unconfirmed) - len(self._out_of_order)

    def publish(
        self,
        token: T,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: bytes,
        message_id: str,
    ) -> None:
        """Send one message, mandatory; ask `room()` before."""
        assert self._channel is not None
        self._unconfirmed.append(
            _Unconfirmed(self._next_tag, token, exchange, routing_key, message_id)
        )
        self._next_tag += 1
        self.published += 1
        self._channel.publish(exchange, routing_key, body, properties)

    def _on_confirm(self, tag: int, multiple: bool, taken: bool) -> None:
        waiting = self._unconfirmed
        confirmed: list[T] = []
        if multiple or (waiting and waiting[0].tag == tag):
            while waiting and waiting[0].tag <= tag:
                self._settle(waiting.popleft(), taken, confirmed)
            while waiting and waiting[0].tag in self._out_of_order:
                self._out_of_order.remove(waiting.popleft().tag)
        else:
            at = tag - waiting[0].tag if waiting else -1
            if 0 <= at < len(waiting):
                self._settle(waiting[at], taken, confirmed)
                self._out_of_order.add(tag)
        if confirmed:
            self._confirmed(confirmed)

    def _settle(self, sent: _Unconfirmed[T], taken: bool, confirmed: list[T]) -> None:
        if sent.tag in self._out_of_order:
            self._out_of_order.remove(sent.tag)
            return
        if not taken:
            self._failed(sent.token, Declined())
            return
        if self._returned:
            key = (sent.exchange, sent.routing_key, sent.message_id)
            texts = self._returned.get(key)
            if texts is not None:
                text = texts.pop()
                if not texts:
                    del self._returned[key]
                self._failed(sent.token, Unroutable(text))
                return
        confirmed.append(sent.token)

    def _on_return(self, message: Message, properties: dict[str, Any]) -> None:
        # It comes before the ack of the same message (RabbitMQ, "Consumer
        # Acknowledgements and Publisher Confirms").
        key = (
            message.exchange,
            message.routing_key,
            properties.get("message-id", ""),
        )
        text = f"{message.reply_code} {message.reply_text}"
        self._returned.setdefault(key, []).append(text)

    def _on_closed(self, reason: str) -> None:
        client, self._client, self._channel = self._client, None, None
        self._unconfirmed.clear()
        self._out_of_order.clear()
        self._returned.clear()
        self._lost(reason)
        if client is not None and not client.closed:
            # The channel alone was closed: an exchange is gone, or forbidden.
            client.give_up(f"publishing: {reason}")
