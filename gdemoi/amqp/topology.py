"""The queues and exchanges of CONTRACT §5: declared, or only looked for."""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen
from twisted.logger import Logger

from gdemoi.amqp.channel import Channel, ChannelError
from gdemoi.amqp.client import Client
from gdemoi.errors import Unavailable

# Replies to a declaration that mean: it is there, but not as we would make it;
# or: you may not make it.  Then it is used as it is.
_AS_IT_IS: Final = (403, 406)


@frozen
class Topology:
    """The names, all from one prefix."""

    prefix: str
    queue_type: str
    declare: bool

    @property
    def outbound(self) -> str:
        """The queue that platforms publish to."""
        return f"{self.prefix}.outbound"

    @property
    def invalid(self) -> str:
        """The queue for bodies that could not be taken."""
        return f"{self.prefix}.invalid"

    @property
    def events(self) -> str:
        """The exchange that events are published to."""
        return f"{self.prefix}.events"

    def queues(self) -> list[tuple[str, str | None, str]]:
        """Return (queue, exchange it is bound to, binding key)."""
        return [
            (self.outbound, self.prefix, "outbound.#"),
            (f"{self.prefix}.status", self.events, "status.#"),
            (f"{self.prefix}.inbound", self.events, "inbound.#"),
            (self.invalid, None, ""),
        ]

    async def establish(self, client: Client, log: Logger) -> None:
        """See to it that all of it is there; raise `Unavailable` if not."""
        scratch = _Scratch(client, log, self.declare)
        for name in (self.prefix, self.events):
            await scratch.see_to(
                "exchange", name, {"exchange": name, "type": "topic"}, {}
            )
        for queue, exchange, key in self.queues():
            await scratch.see_to(
                "queue", queue, {"queue": queue}, {"x-queue-type": self.queue_type}
            )
            if exchange is not None and self.declare:
                await scratch.bind(queue, exchange, key)
        await scratch.close()


class _Scratch:
    """A channel for declarations, opened again when the broker closes it."""

    def __init__(self, client: Client, log: Logger, declare: bool) -> None:
        self._client = client
        self._log = log
        self._declare = declare
        self._channel: Channel | None = None

    async def see_to(
        self, kind: str, name: str, fields: dict[str, str], arguments: dict[str, str]
    ) -> None:
        what = f"{kind} {name}"
        if self._declare:
            try:
                await self._do(kind, fields, arguments=arguments)
            except ChannelError as error:
                if error.code not in _AS_IT_IS:
                    raise
                self._log.warn(
                    "{what} is used as it is: {error}", what=what, error=error
                )
            else:
                return
        try:
            await self._do(kind, fields, passive=True)
        except ChannelError as error:
            raise Unavailable(f"{what}: {error}") from None

    async def _do(self, kind: str, fields: dict[str, str], **more: Any) -> None:
        channel = await self._open()
        declare = getattr(channel, f"{kind}_declare")
        await declare(durable=True, **fields, **more)

    async def bind(self, queue: str, exchange: str, key: str) -> None:
        channel = await self._open()
        try:
            await channel.queue_bind(queue=queue, exchange=exchange, routing_key=key)
        except ChannelError as error:
            if error.code not in _AS_IT_IS:
                raise
            self._log.warn(
                "{queue} could not be bound to {exchange}: {error}",
                queue=queue,
                exchange=exchange,
                error=error,
            )

    async def close(self) -> None:
        if self._channel is not None and not self._channel.closed:
            await self._channel.channel_close(reply_code=200)

    async def _open(self) -> Channel:
        if self._channel is None or self._channel.closed:
            self._channel = await self._client.open_channel()
        return self._channel
