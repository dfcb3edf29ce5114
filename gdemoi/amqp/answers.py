"""Answers to envelopes (docs/events.rst, "Answers to an envelope").

A body that cannot be taken goes unchanged to the invalid queue, and when its id
could be read, a ``rejected`` event tells the platform.  A reused id is told as
``rejected`` too, a repeat as ``duplicate``.

These events are no part of a message's story: their `seq` is 0.  ``duplicate`` and
``id_reused`` are never final, since the message that owns the id has, or will
have, its own final event.  Their `event_id` follows from the envelope, so that
telling them twice tells them once.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gdemoi.amqp.channel import Delivery
from gdemoi.amqp.client import Client
from gdemoi.amqp.codec import encode_properties
from gdemoi.amqp.publisher import (
    PERSISTENT,
    Declined,
    Publisher,
    Unroutable,
    json_properties,
)
from gdemoi.amqp.topology import Topology
from gdemoi.contract.envelope import id_in, is_id
from gdemoi.contract.event_json import Segments, StatusEvent
from gdemoi.contract.fields import PSEUDO_QUEUES
from gdemoi.errors import InvalidMessage, OurFault
from gdemoi.message import Error, MessageState, Outbound, Report
from gdemoi.moments import rfc3339
from gdemoi.tasks import Alarm

WINDOW: Final = 500
# When the broker would not keep an invalid body, or had no queue for it.
TRY_AGAIN_S: Final = 5.0
_NULL: Final = msgspec.Raw(b"null")
_NO_SEGMENTS: Final = Segments(0, 0, 0, 0)
_DUPLICATE: Final = cast(MessageState, "duplicate")
# What would have an effect of its own when an invalid body is published again:
# user-id is checked against who publishes, an expiration would delete the body, a
# reply-to may be refused, CC and BCC would route a copy (perhaps back to us).
_NOT_TO_REPEAT: Final = ("user-id", "expiration", "cluster-id", "reply-to")
_ROUTING_HEADERS: Final = ("CC", "BCC")
_encode: Final = msgspec.json.Encoder().encode


class _Answer(NamedTuple):
    """One publish, and what to do when the broker has it."""

    exchange: str
    routing_key: str
    body: bytes
    properties: bytes
    message_id: str
    # an invalid body, or its final event; another answer may be passed when, after
    # a second try, nobody listens for it
    must_arrive: bool
    done: Callable[[], None]
    tried: bool = False


class Answers:
    """Publishes answers; `done()` is called when the broker has confirmed.

    Nothing is remembered over a lost connection: the deliveries that are
    answered here are then still unacked, and come again.
    """

    def __init__(
        self,
        topology: Topology,
        clock: IReactorTime,
        log: Logger,
        no_place: Callable[[], None],
    ) -> None:
        self.invalid = 0
        self._no_place = no_place
        # places that were told to be missing, and how often since
        self._missing: dict[str, int] = {}
        self._topology = topology
        self._clock = clock
        self._log = log
        self._waiting: deque[_Answer] = deque()
        self._again: list[_Answer] = []
        self._alarm = Alarm(clock, self._try_again)
        self._publisher: Publisher[_Answer] = Publisher(
            window=WINDOW,
            confirmed=self._confirmed,
            failed=self._failed,
            lost=self._lost,
        )

    async def attach(self, client: Client) -> None:
        """Begin on a fresh connection."""
        await self._publisher.attach(client)

    def unconfirmed(self) -> int:
        """Return how many answers are not with the broker yet."""
        return len(self._waiting) + len(self._again) + self._publisher.unconfirmed()

    def pump(self) -> None:
        """Publish what waits, as far as there is room."""
        room = self._publisher.room()
        while self._waiting and room > 0:
            answer = self._waiting.popleft()
            self._publisher.publish(
                answer,
                answer.exchange,
                answer.routing_key,
                answer.body,
                answer.properties,
                answer.message_id,
            )
            room -= 1

    # ---- what is answered ----

    def refuse(
        self, delivery: Delivery, why: InvalidMessage, done: Callable[[], None]
    ) -> None:
        """Move a delivery to the invalid queue, and tell its platform."""
        self.invalid += 1
        properties = delivery.properties
        id_ = id_in(delivery.body) or properties.get("message-id")
        message_id = id_ if id_ is not None and is_id(id_) else None
        if message_id is not None:
            # acked when both are with the broker: what has not arrived comes again
            done = _after(2, done)
        self._put(
            "",
            self._topology.invalid,
            delivery.body,
            _with_reason(delivery, why),
            str(properties.get("message-id", "")),
            done,
            must_arrive=True,
        )
        if message_id is not None:
            error = Error(f"gateway:{why.code}", _readable(why.text))
            self._tell(
                message_id,
                MessageState.REJECTED,
                error,
                final=True,
                correlation=_NULL,
                of=delivery.body,
                reply_to=properties.get("reply-to"),
                correlation_id=properties.get("correlation-id"),
                done=done,
            )

    def reused(self, message: Outbound, of: bytes, done: Callable[[], None]) -> None:
        """Tell that the id belongs to another message; `of` is its fingerprint."""
        if message.report is Report.NONE:
            done()
            return
        error = Error("gateway:id_reused", "the id was used for another message")
        self._tell_of(message, MessageState.REJECTED, error, of, done)

    def repeated(self, message: Outbound, of: bytes) -> None:
        """Tell that the message had been taken before."""
        if message.report is Report.ALL:
            self._tell_of(message, _DUPLICATE, None, of, _nothing)

    def _tell_of(
        self,
        message: Outbound,
        state: MessageState,
        error: Error | None,
        of: bytes,
        done: Callable[[], None],
    ) -> None:
        self._tell(
            message.id,
            state,
            error,
            final=False,
            correlation=message.correlation,
            of=of,
            reply_to=message.reply_to,
            correlation_id=message.correlation_id,
            done=done,
        )

    def _tell(
        self,
        id_: str,
        state: MessageState,
        error: Error | None,
        *,
        final: bool,
        correlation: msgspec.Raw,
        of: bytes,
        reply_to: str | None,
        correlation_id: str | None,
        done: Callable[[], None],
    ) -> None:
        event_id = _event_id(id_, state, error, of)
        body = _encode(
            StatusEvent(
                v=1,
                type="status",
                event_id=event_id,
                id=id_,
                seq=0,
                state=state,
                final=final,
                at=rfc3339(self._clock.seconds()),
                channel=None,
                line=None,
                attempt=0,
                segments=_NO_SEGMENTS,
                provider_ids=(),
                error=error,
                correlation=correlation,
            )
        )
        properties = json_properties(event_id, correlation_id)
        key = f"status.{state}.-"
        if reply_to and not reply_to.startswith(PSEUDO_QUEUES):
            self._put("", reply_to, body, properties, event_id, _nothing)
        self._put(
            self._topology.events,
            key,
            body,
            properties,
            event_id,
            done,
            must_arrive=final,
        )

    def _put(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        properties: bytes,
        message_id: str,
        done: Callable[[], None],
        *,
        must_arrive: bool = False,
    ) -> None:
        self._waiting.append(
            _Answer(
                exchange, routing_key, body, properties, message_id, must_arrive, done
            )
        )
        self.pump()

    # ---- what the broker says to it ----

    def _confirmed(self, answers: list[_Answer]) -> None:
        for answer in answers:
            if self._missing:
                self._found(answer)
            answer.done()
        self.pump()

    def _failed(self, answer: _Answer, why: Unroutable | Declined) -> None:
        self._tell_once(answer, why)
        unroutable = isinstance(why, Unroutable)
        # nobody need keep a reply-to queue; ours may have been deleted
        may_pass = not answer.exchange or answer.tried
        if unroutable and may_pass and not answer.must_arrive:
            answer.done()
            return
        self._again.append(answer._replace(tried=True))
        self._alarm.set(self._clock.seconds() + TRY_AGAIN_S)
        if unroutable:
            self._no_place()

    def _tell_once(self, answer: _Answer, why: Unroutable | Declined) -> None:
        place = _place(answer)
        if place not in self._missing:
            tell = self._log.error if answer.must_arrive else self._log.warn
            tell("no place for an answer to {place}: {why}", place=place, why=why)
        self._missing[place] = self._missing.get(place, 0) + 1

    def _found(self, answer: _Answer) -> None:
        place = _place(answer)
        times = self._missing.pop(place, None)
        if times is not None:
            self._log.info(
                "{place} takes answers again, after {times} failed tries",
                place=place,
                times=times,
            )

    def try_now(self) -> None:
        """Publish again what had no place: what was missing is there again."""
        self._alarm.cancel()
        self._try_again()

    def _try_again(self) -> None:
        self._waiting.extend(self._again)
        self._again.clear()
        self.pump()

    def _lost(self, reason: str) -> None:
        self._waiting.clear()
        self._again.clear()
        self._alarm.cancel()


def _after(calls: int, done: Callable[[], None]) -> Callable[[], None]:
    """Return what calls `done` when it has been called itself so often."""
    left = iter(range(calls - 1, -1, -1))

    def one_more() -> None:
        if next(left) == 0:
            done()

    return one_more


def _place(answer: _Answer) -> str:
    """Return where an answer goes, without the words that differ each time."""
    if answer.exchange:
        return answer.exchange
    return answer.routing_key if answer.must_arrive else "reply-to queues"


def _nothing() -> None:
    """What is to be done when a mere telling has arrived."""


def _readable(text: str) -> str:
    """Return text that JSON can hold: a refusal may quote what is no UTF-8."""
    return text.encode("utf-8", "replace").decode()


def _event_id(id_: str, state: str, error: Error | None, of: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in (id_, state, error.code if error else ""):
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    digest.update(of)
    return digest.hexdigest()


def _with_reason(delivery: Delivery, why: InvalidMessage) -> bytes:
    """Return the delivery's own properties, with our headers added."""
    added = {
        "x-reason": f"{why.code}: {_readable(why.text)}",
        "x-field": _readable(why.field or ""),
        "x-routing-key": delivery.routing_key,
    }
    properties: dict[str, Any] = dict(delivery.properties)
    for name in _NOT_TO_REPEAT:
        properties.pop(name, None)
    headers = {
        f"x-{name}" if name in _ROUTING_HEADERS else name: value
        for name, value in properties.get("headers", {}).items()
    }
    properties["delivery-mode"] = PERSISTENT
    properties["headers"] = {**headers, **added}
    try:
        return encode_properties(properties)
    except OurFault:
        return encode_properties({"delivery-mode": PERSISTENT, "headers": added})
