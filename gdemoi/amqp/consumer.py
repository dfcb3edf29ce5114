"""Consuming with coalesced acks.

One channel of its own, so that nobody else's error or prefetch touches it.  What
arrived with one read is handed over as one list; what is settled is acked as far
as it is contiguous with one `multiple`, the rest one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from gdemoi.amqp.channel import Channel, Delivery
from gdemoi.amqp.client import Client


class Consumer:
    """Consumes one queue; `arrived(channel, deliveries)` gets what comes.

    Whoever settles hands the channel back: the tags of a connection that is over
    mean nothing on the next.
    """

    def __init__(
        self,
        queue: str,
        prefetch: int,
        tag: str,
        arrived: Callable[[Channel, list[Delivery]], None],
        lost: Callable[[], None],
    ) -> None:
        self.queue = queue
        self.prefetch = prefetch
        self.tag = tag
        self._arrived = arrived
        self._lost = lost
        self._client: Client | None = None
        self._channel: Channel | None = None
        self._unsettled: deque[int] = deque()
        self._done: set[int] = set()
        # acked one by one behind a slow one
        self._acked: set[int] = set()

    async def attach(self, client: Client) -> None:
        """Begin on a fresh connection."""
        channel = await client.open_channel()
        await channel.basic_qos(prefetch_count=self.prefetch)
        channel.on_deliveries = self._on_deliveries
        channel.on_closed = self._on_closed
        self._client, self._channel = client, channel
        await channel.basic_consume(queue=self.queue, consumer_tag=self.tag)

    async def cancel(self) -> None:
        """Take no more; what has arrived may still be settled."""
        if self._channel is not None:
            await self._channel.basic_cancel(consumer_tag=self.tag)

    def unsettled(self) -> int:
        """Return how many deliveries wait for their ack."""
        return len(self._unsettled) - len(self._acked)

    def settle(self, channel: Channel, tags: Iterable[int]) -> None:
        """Ack these deliveries, if their channel still lives."""
        if channel is not self._channel:
            return
        done, unsettled = self._done, self._unsettled
        done.update(tags)
        last = 0
        while unsettled:
            tag = unsettled[0]
            if tag in done:
                last = tag
                done.remove(tag)
            elif tag in self._acked:
                self._acked.remove(tag)
            else:
                break
            unsettled.popleft()
        if last:
            channel.ack(last, multiple=True)
        for tag in sorted(done):
            channel.ack(tag)
        self._acked |= done
        done.clear()

    def _on_deliveries(self, deliveries: list[Delivery]) -> None:
        assert self._channel is not None
        self._unsettled.extend([delivery.tag for delivery in deliveries])
        self._arrived(self._channel, deliveries)

    def _on_closed(self, reason: str) -> None:
        client, self._client, self._channel = self._client, None, None
        self._unsettled.clear()
        self._done.clear()
        self._acked.clear()
        self._lost()
        if client is not None and not client.closed:
            client.give_up(f"consuming {self.queue}: {reason}")
