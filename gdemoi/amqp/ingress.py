"""From deliveries to messages: read, hand in, and ack after the commit.

The rules, in the order of their weight:

* A delivery is acked only after the journal has its message, or after the broker
  has confirmed its body in the invalid queue.
* While the journal cannot take more (full, or failing), deliveries stay unacked,
  the prefetch fills, and the rest waits in the broker.  They are not given back:
  quorum queues count that and drop a message after some times.
* What came first is handed in first.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from typing import Final

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gdemoi.amqp.answers import Answers
from gdemoi.amqp.channel import Channel, Delivery
from gdemoi.amqp.client import Client
from gdemoi.amqp.consumer import Consumer
from gdemoi.amqp.mapping import Reader
from gdemoi.contract.envelope import fingerprint
from gdemoi.contract.gateway import MessageIntake
from gdemoi.errors import InvalidMessage, Unavailable
from gdemoi.facts import AcceptResult, Duplicate, IdReused, Rejected
from gdemoi.message import Outbound
from gdemoi.tasks import Alarm, spawn

FIRST_PAUSE_S: Final = 0.1
LAST_PAUSE_S: Final = 5.0
# How often a stop looks whether all is settled.
STOP_LOOK_S: Final = 0.05


@frozen
class _Batch:
    """Messages that came with one read, and the deliveries they came in."""

    channel: Channel
    deliveries: list[Delivery]
    messages: list[Outbound]


class Ingress:
    """Takes what platforms publish."""

    def __init__(
        self,
        consumer: Callable[..., Consumer],
        read: Reader,
        gateway: MessageIntake,
        answers: Answers,
        clock: IReactorTime,
        log: Logger,
        *,
        max_body: int,
    ) -> None:
        self.taken = 0
        self._consumer = consumer(self._arrived, self._lost)
        self._read = read
        self._gateway = gateway
        self._answers = answers
        self._clock = clock
        self._log = log
        self._max_body = max_body
        # batches that the gateway could not take yet; behind them, later ones
        self._held: list[_Batch] = []
        self._handing_in = 0
        self._pause_s = FIRST_PAUSE_S
        # the last batch was not taken
        self._refused = False
        self._alarm = Alarm(clock, self._try_again)
        self._stopping = False

    async def attach(self, client: Client) -> None:
        """Begin to consume on a fresh connection."""
        if not self._stopping:
            await self._consumer.attach(client)

    async def stop(self) -> None:
        """Take no more, and wait until all that was handed in is settled."""
        self._stopping = True
        self._alarm.cancel()
        self._held.clear()
        try:
            await self._consumer.cancel()
        except Unavailable:
            return
        while self._handing_in or self._answers.unconfirmed():
            await deferLater(self._clock, STOP_LOOK_S)

    def unsettled(self) -> int:
        """Return how many deliveries wait for their ack."""
        return self._consumer.unsettled()

    def held(self) -> int:
        """Return how many deliveries wait because the gateway takes none."""
        return sum(len(batch.deliveries) for batch in self._held)

    # ---- one read ----

    def _arrived(self, channel: Channel, deliveries: list[Delivery]) -> None:
        if self._stopping:
            return
        now = self._clock.seconds()
        batch = _Batch(channel, [], [])
        for delivery in deliveries:
            try:
                message = self._message(delivery, now)
            except InvalidMessage as invalid:
                self._refuse(channel, delivery, invalid)
            else:
                batch.deliveries.append(delivery)
                batch.messages.append(message)
        if batch.messages:
            self._offer(batch)

    def _message(self, delivery: Delivery, now: float) -> Outbound:
        if delivery.fault is not None:
            raise InvalidMessage("invalid", f"properties: {delivery.fault}")
        if len(delivery.body) > self._max_body:
            raise InvalidMessage("too_long", f"a body of {len(delivery.body)} octets")
        return self._read(delivery.body, delivery.properties, now)

    def _refuse(
        self, channel: Channel, delivery: Delivery, why: InvalidMessage
    ) -> None:
        self._log.warn(
            "invalid message: {code} {field} {text}",
            code=why.code,
            field=why.field,
            text=why.text,
        )
        self._answers.refuse(
            delivery, why, lambda: self._consumer.settle(channel, [delivery.tag])
        )

    # ---- handing in ----

    def _offer(self, batch: _Batch) -> None:
        if self._held or self._gateway.full():
            self._hold(batch)
        else:
            spawn(self._hand_in(batch), self._log, "handing messages in")

    async def _hand_in(self, batch: _Batch) -> None:
        self._handing_in += 1
        try:
            verdicts = await self._gateway.accept(
                [(message, fingerprint(message)) for message in batch.messages],
                keep_rejected=True,
            )
        except Unavailable as fault:
            self._log.warn("nothing is taken for now: {fault}", fault=fault)
            self._refused = True
            self._hold(batch)
        else:
            self._took(batch, verdicts)
        finally:
            self._handing_in -= 1

    def _took(self, batch: _Batch, verdicts: Sequence[AcceptResult | Rejected]) -> None:
        self._pause_s = FIRST_PAUSE_S
        if self._refused:
            self._refused = False
            self._log.info("messages are taken again")
        self.taken += len(verdicts)
        settled = []
        for delivery, message, verdict in zip(
            batch.deliveries, batch.messages, verdicts, strict=True
        ):
            if isinstance(verdict, IdReused):
                self._reused(batch.channel, delivery, message)
                continue
            if isinstance(verdict, Duplicate) and not delivery.redelivered:
                self._answers.repeated(message, fingerprint(message))
            settled.append(delivery.tag)
        self._consumer.settle(batch.channel, settled)

    def _reused(self, channel: Channel, delivery: Delivery, message: Outbound) -> None:
        self._answers.reused(
            message,
            fingerprint(message),
            lambda: self._consumer.settle(channel, [delivery.tag]),
        )

    # ---- waiting ----

    def _hold(self, batch: _Batch) -> None:
        if self._stopping or batch.channel.closed:
            return  # unacked: it comes again, to us or to another
        insort(self._held, batch, key=lambda held: held.deliveries[0].tag)
        self._alarm.set(self._clock.seconds() + self._pause_s)

    def _try_again(self) -> None:
        if self._gateway.full():
            self._alarm.set(self._clock.seconds() + self._pause_s)
            return
        self._pause_s = min(LAST_PAUSE_S, self._pause_s * 2)
        held, self._held = self._held, []
        for batch in held:
            self._offer(batch)

    def _lost(self) -> None:
        self._held.clear()
        self._alarm.cancel()
