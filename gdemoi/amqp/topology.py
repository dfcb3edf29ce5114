"""Queues and exchanges (docs/amqp.rst, "What is declared"): made, or looked for.

`Topology` says what there is to be, `Upkeep` sees to it as long as a connection
lives: somebody may delete a queue, a binding or an exchange under it, and the
broker tells nobody but the consumer of a queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gdemoi.amqp.channel import Channel, ChannelError
from gdemoi.amqp.client import Client
from gdemoi.errors import Unavailable
from gdemoi.tasks import Alarm, spawn

# Replies to a declaration that mean: it is there, but not as we would make it;
# or: you may not make it.  Then it is used as it is.
_AS_IT_IS: Final = (403, 406)
_NOT_FOUND: Final = 404
# How long something may be missing that no publish of ours would find missing: the
# exchange that platforms publish to, a binding beside which there is another.  A
# look asks for six names and binds three times, without an effect.
LOOK_S: Final = 5.0
# While something stays missing: each look costs a channel's number (of 2047).
LAST_LOOK_S: Final = 60.0
# Looks that a publish asks for are no closer together.
ASKED_S: Final = 1.0

# kind, name, fields, arguments
Thing = tuple[str, str, dict[str, str], dict[str, str]]


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

    def things(self) -> Iterator[Thing]:
        """Return (kind, name, fields, arguments) of each declaration, in order."""
        for name in (self.prefix, self.events):
            yield "exchange", name, {"exchange": name, "type": "topic"}, {}
        for name, _, _ in self.queues():
            yield "queue", name, {"queue": name}, {"x-queue-type": self.queue_type}

    def bindings(self) -> list[tuple[str, str, str]]:
        """Return (queue, exchange, key) of each binding that we make."""
        if not self.declare:
            return []
        return [
            (queue, exchange, key)
            for queue, exchange, key in self.queues()
            if exchange is not None
        ]

    async def establish(self, client: Client, log: Logger) -> None:
        """See to it that all of it is there; raise `Unavailable` if not."""
        scratch = _Scratch(client, log, self.declare)
        for thing in self.things():
            await scratch.see_to(*thing)
        for binding in self.bindings():
            try:
                await scratch.bind(*binding)
            except ChannelError as error:
                if error.code not in _AS_IT_IS:
                    raise
                log.warn("{error}", error=error)
        await scratch.close()


class Upkeep:
    """Keeps a topology there: on each connection, and while one lives.

    `repaired()` is called after a look that found, or put, everything in its place:
    what no queue took may be published again.
    """

    def __init__(
        self,
        topology: Topology,
        clock: IReactorTime,
        log: Logger,
        repaired: Callable[[], None],
    ) -> None:
        # what is missing or refused, as it was told
        self.missing: dict[str, str] = {}
        self._topology = topology
        self._clock = clock
        self._log = log
        self._repaired = repaired
        self._client: Client | None = None
        self._scratch: _Scratch | None = None
        self._alarm = Alarm(clock, self._look_soon)
        self._looking = False
        # a publish found something missing: tell when all is in its place
        self._asked = False
        self._looked_at = 0.0
        self._pause_s = LOOK_S
        # (queue, exchange, key) that we may not bind; asked once per connection
        self._refused: set[tuple[str, str, str]] = set()

    async def attach(self, client: Client) -> None:
        """Begin on a fresh connection; raise `Unavailable` if something is missing."""
        try:
            await self._topology.establish(client, self._log)
        except Unavailable as fault:
            if not client.closed:
                self._miss("", str(fault))
            raise
        self.missing.clear()
        self._refused.clear()
        self._client = client
        self._scratch = _Scratch(client, self._log, self._topology.declare)
        self._pause_s = LOOK_S
        self._next_look()

    def ask(self) -> None:
        """Look now: the broker said that it has no place for a message."""
        self._asked = True
        if self.missing or self._looking:
            return  # told, and looked at soon enough
        due = self._looked_at + ASKED_S
        if due <= self._clock.seconds():
            self._look_soon()
        else:
            self._alarm.set(due)

    def close(self) -> None:
        """Look no more, until there is a fresh connection."""
        self._client = None
        self._alarm.cancel()

    def _next_look(self) -> None:
        self._alarm.set(self._clock.seconds() + self._pause_s)

    def _look_soon(self) -> None:
        client = self._client
        if client is None or client.closed or self._looking:
            return
        self._looking = True
        self._looked_at = self._clock.seconds()
        spawn(self._look(client), self._log, "looking after the queues")

    async def _look(self, client: Client) -> None:
        asked, self._asked = self._asked, False
        try:
            whole = await self._see_to_all()
        except Unavailable:
            return  # the connection is over: the next one declares
        finally:
            self._looking = False
        if client is not self._client:
            return
        self._pause_s = LOOK_S if whole else min(LAST_LOOK_S, 2 * self._pause_s)
        self._next_look()
        if whole and (asked or self._asked):
            self._asked = False
            self._repaired()

    async def _see_to_all(self) -> bool:
        """Return whether all is in its place now; raise when the link is over."""
        assert self._scratch is not None
        for thing in self._topology.things():
            kind, name, _, _ = thing
            try:
                gone = await self._scratch.put_back(*thing)
            except ChannelError as error:
                self._raise_if_over(error)
                self._miss(name, f"{kind} {name} is gone ({error})")
                continue
            if gone:
                self._log.warn("{what} was gone and is declared again", what=name)
            self._found(name)
        for binding in self._topology.bindings():
            if binding not in self._refused:
                await self._bind(binding)
        return not self.missing

    async def _bind(self, binding: tuple[str, str, str]) -> None:
        assert self._scratch is not None
        name = " ".join(binding)
        try:
            await self._scratch.bind(*binding)
        except ChannelError as error:
            self._raise_if_over(error)
            if error.code in _AS_IT_IS:
                self._refused.add(binding)
            elif not self.missing:
                self._miss(name, str(error))
        else:
            self._found(name)

    def _raise_if_over(self, error: ChannelError) -> None:
        if self._client is None or self._client.closed:
            raise error

    def _miss(self, name: str, text: str) -> None:
        """Tell that something is missing: once, not at each look."""
        if self.missing.get(name) == text:
            return
        self.missing[name] = text
        declare = self._topology.declare
        self._log.error(
            "{text}; {remedy}",
            text=text,
            remedy="it is tried again"
            if declare
            else "declare = no: declare and bind it, what it is for is held",
        )

    def _found(self, name: str) -> None:
        if self.missing.pop(name, None) is not None:
            self._log.info("{what} is there again", what=name)


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

    async def put_back(
        self, kind: str, name: str, fields: dict[str, str], arguments: dict[str, str]
    ) -> bool:
        """Look for something that was there; tell whether it had to be declared.

        Only looked for as long as it is there: a declaration that differs from it
        would be refused each time.
        """
        try:
            await self._do(kind, fields, passive=True)
        except ChannelError as error:
            if error.code != _NOT_FOUND or not self._declare:
                raise
            await self._do(kind, fields, arguments=arguments)
            return True
        return False

    async def _do(self, kind: str, fields: dict[str, str], **more: Any) -> None:
        channel = await self._open()
        declare = getattr(channel, f"{kind}_declare")
        await declare(durable=True, **fields, **more)

    async def bind(self, queue: str, exchange: str, key: str) -> None:
        """Bind a queue; raises `ChannelError` when the broker will not."""
        channel = await self._open()
        try:
            await channel.queue_bind(queue=queue, exchange=exchange, routing_key=key)
        except ChannelError as error:
            raise ChannelError(
                f"{queue} could not be bound to {exchange}: {error}", error.code
            ) from None

    async def close(self) -> None:
        if self._channel is not None and not self._channel.closed:
            await self._channel.channel_close(reply_code=200)

    async def _open(self) -> Channel:
        if self._channel is None or self._channel.closed:
            self._channel = await self._client.open_channel()
        return self._channel
