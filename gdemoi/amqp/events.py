"""Publishes the journal's outbox: in order, at least once, never forgotten.

What it promises: docs/amqp.rst, "What holds when something breaks".

Events are read from the journal after a cursor, published with confirms, and
the cursor follows the last event that is confirmed together with all before
it.  After a lost connection, reading begins again at the cursor, so that some
events are published twice, with the same event_id as message-id.

The cursor is written in batches: a crash costs repeats, never losses.

An event that no queue takes stops the stream: what is missing is asked to be
declared again, and the event is published again, alone, until a queue takes it.
An inbound SMS and a final state are never passed.  Other states are passed after
a while; until one is routed again, later ones of their kind at once.  Nobody need
listen to channels, lines, or a reply-to queue: those are passed at once always.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gdemoi.amqp.client import Client
from gdemoi.amqp.publisher import (
    Declined,
    Publisher,
    Unroutable,
    json_properties,
)
from gdemoi.contract.event_json import moment_of
from gdemoi.errors import Unavailable
from gdemoi.facts import OutboxEvent
from gdemoi.interfaces import IJournal
from gdemoi.tasks import Alarm, spawn

CURSOR: Final = "amqp"
# How long, and for how many events, a confirmed cursor may stay unwritten.
CURSOR_AFTER_S: Final = 0.5
CURSOR_AFTER: Final = 2000
READ_AT_ONCE: Final = 500
AGAIN_S: Final = 1.0
STOP_LOOK_S: Final = 0.02
# So long the last confirms are waited for before another gateway publishes.
FOLLOW_S: Final = 3.0
# What a platform is expected to hear of; nobody need listen to the rest.
_HEARD: Final = ("status.", "inbound.")


class _Final(msgspec.Struct):
    """What an event's body says of its being the last."""

    final: bool = False


_read_final: Final = msgspec.json.Decoder(_Final).decode


class _Sent(NamedTuple):
    """One publish of an event: to the exchange, or to its reply-to queue."""

    event: OutboxEvent
    is_reply: bool


class EventsPublisher:
    """Reads, publishes, and moves the cursor."""

    def __init__(
        self,
        journal: IJournal,
        exchange: str,
        clock: IReactorTime,
        log: Logger,
        *,
        window: int,
        unroutable_s: float,
        no_place: Callable[[], None],
        leads: bool = True,
    ) -> None:
        # of gateways that share the journal one publishes, the others only watch
        self._leads = leads
        self._attached = False
        self.published = 0
        self.passed = 0
        # why the stream stands still
        self.held: str | None = None
        self._no_place = no_place
        self._journal = journal
        self._exchange = exchange
        self._clock = clock
        self._log = log
        self._unroutable_s = unroutable_s
        self._publisher: Publisher[_Sent] = Publisher(
            window=window,
            confirmed=self._confirmed,
            failed=self._failed,
            lost=self._lost,
        )
        # last event that the journal told of, that we read, that is confirmed
        # with all before it, and that the cursor names
        self._known = 0
        self._read = 0
        self._done = 0
        self._written: int | None = None
        # sequence numbers on their way, oldest first, and those among them that
        # were settled out of turn
        self._under_way: deque[int] = deque()
        self._settled: set[int] = set()
        # with the first of two publishes confirmed
        self._half_done: set[int] = set()
        self._ready: deque[OutboxEvent] = deque()
        self._reading = False
        # bumped when all that is under way counts no more
        self._round = 0
        self._paused = True
        self._cursor_timer = Alarm(clock, self._write_cursor_soon)
        self._again = Alarm(clock, self._start_again)
        # Up to here one is published at a time: what follows one that is held
        # would be published again and again with it.
        self._alone_up_to = 0
        self._tries = 0
        # kind of event -> since when no queue takes it
        self._unroutable: dict[str, float] = {}

    async def attach(self, client: Client) -> None:
        """Begin on a fresh connection, where the cursor stands."""
        if self._written is None:
            await self._read_cursor()
            self._journal.on_events(self._on_journal_events)
        await self._publisher.attach(client)
        self._attached = True
        self._start_again()

    async def _read_cursor(self) -> None:
        self._written = self._done = int(await self._journal.cursor(CURSOR) or 0)
        self._known = max(self._known, self._done)

    async def lead(self) -> None:
        """Publish from now on, from where the one before us stood."""
        if self._written is not None:
            await self._read_cursor()
        self._leads = True
        if self._attached:
            self._start_again()

    async def follow(self) -> None:
        """Publish no more; returns when the cursor says what is published."""
        self._leads = False
        ends_at = self._clock.seconds() + FOLLOW_S
        while self._under_way and self._clock.seconds() < ends_at:
            await deferLater(self._clock, STOP_LOOK_S)
        self._forget()
        self._paused = True
        self._cursor_timer.cancel()
        self._again.cancel()
        await self._write_cursor()

    def behind(self) -> int:
        """Return how many events are not with the broker yet (about)."""
        return max(0, self._known - self._done) if self._leads else 0

    async def lag(self) -> tuple[float, int]:
        """Return the age of the oldest event not with the broker, and how many are not.

        0.0 when there is none.  Raises `Unavailable` when the journal cannot be read.
        """
        done = self._done
        if self._written is None or not self._leads:
            # what the journal has is known to nobody here
            done = int(await self._journal.cursor(CURSOR) or 0)
        waiting = await self._journal.events(done, READ_AT_ONCE)
        if not waiting:
            return 0.0, 0
        age_s = self._clock.seconds() - moment_of(waiting[0].body)
        return max(0.0, age_s), max(len(waiting), self.behind())

    def unconfirmed(self) -> int:
        """Return how many publishes wait for their confirm."""
        return self._publisher.unconfirmed()

    async def drain(self) -> None:
        """Wait until everything known is published, and write the cursor."""
        while self._known > self._done and not self._paused:
            await deferLater(self._clock, STOP_LOOK_S)
        await self.close()

    async def close(self) -> None:
        """Write the cursor and leave no timer."""
        self._paused = True
        self._cursor_timer.cancel()
        self._again.cancel()
        await self._write_cursor()

    def resume(self) -> None:
        """Go on: the broker takes publishes again."""
        self._pump()

    def try_now(self) -> None:
        """Publish again what is held: what was missing is there again."""
        if self.held is not None and self._paused:
            self._again.cancel()
            self._start_again()

    # ---- reading ----

    def _on_journal_events(self, last: int) -> None:
        self._known = max(self._known, last)
        self._pump()

    def _start_again(self) -> None:
        """Forget what is under way and read from the last one that is done."""
        if not self._leads:
            return
        self._forget()
        self._read = self._done
        self._paused = False
        # Rows may be there that nobody told of: written before we began.
        self._fetch()

    def _fetch(self) -> None:
        if not self._reading:
            self._reading = True
            spawn(self._fetch_some(self._round), self._log, "reading events")

    async def _fetch_some(self, round_: int) -> None:
        try:
            events = await self._journal.events(self._read, READ_AT_ONCE)
        except Unavailable as fault:
            self._log.warn("events cannot be read: {fault}", fault=fault)
            self._pause()
            return
        finally:
            self._reading = False
        if round_ != self._round:
            if not self._paused:
                self._fetch()
            return
        if events:
            self._read = events[-1].seq
            # A full read: there is more, of which nobody may have told.
            more = len(events) == READ_AT_ONCE
            self._known = max(self._known, self._read + more)
            self._ready.extend(events)
        else:
            # Numbers may have gaps; there is nothing up to what was known.
            self._known = self._read
        self._pump()

    def _pump(self) -> None:
        if self._paused or not self._leads:
            return
        room = self._publisher.room()
        ready = self._ready
        while ready and room > 1:
            if self._under_way and self._done < self._alone_up_to:
                return
            room -= self._publish(ready.popleft())
        if not ready and self._known > self._read and room > 1:
            self._fetch()

    def _publish(self, event: OutboxEvent) -> int:
        reply_to = event.reply_to
        properties = json_properties(
            event.event_id, event.correlation_id, event.traceparent
        )
        self._under_way.append(event.seq)
        self._publisher.publish(
            _Sent(event, False),
            self._exchange,
            event.routing_key,
            event.body,
            properties,
            event.event_id,
        )
        if not reply_to:
            return 1
        self._publisher.publish(
            _Sent(event, True),
            "",
            reply_to,
            event.body,
            properties,
            event.event_id,
        )
        return 2

    # ---- what the broker says ----

    def _confirmed(self, sent: list[_Sent]) -> None:
        for one in sent:
            self._settle(one.event)
            if self._unroutable and not one.is_reply:
                self._unroutable.pop(_kind(one.event), None)
        self._pump()

    def _settle(self, event: OutboxEvent) -> None:
        seq, under_way = event.seq, self._under_way
        if not under_way or not under_way[0] <= seq <= under_way[-1]:
            return  # of a round that counts no more
        if event.reply_to and seq not in self._half_done:
            self._half_done.add(seq)
            return
        self._half_done.discard(seq)
        self.published += 1
        if under_way[0] != seq:
            self._settled.add(seq)
            return
        under_way.popleft()
        settled = self._settled
        while under_way and under_way[0] in settled:
            seq = under_way.popleft()
            settled.remove(seq)
        self._done = seq
        self._flows()
        self._cursor_due()

    def _failed(self, sent: _Sent, why: Unroutable | Declined) -> None:
        if isinstance(why, Unroutable) and self._may_pass(sent):
            self.passed += 1
            # nobody need listen to channels, lines and alerts
            tell = self._log.info if sent.event.message_id else self._log.debug
            tell(
                "no queue takes {key} of {id}: passed",
                key=sent.event.reply_to if sent.is_reply else sent.event.routing_key,
                id=sent.event.message_id,
            )
            self._settle(sent.event)
            self._pump()
        elif not self._paused:
            self._hold(sent.event, why)
            self._pause()
            if isinstance(why, Unroutable):
                self._no_place()

    def _hold(self, event: OutboxEvent, why: Unroutable | Declined) -> None:
        self._tries += 1
        self._alone_up_to = max(self._alone_up_to, event.seq)
        text = f"event {event.seq} ({event.routing_key}): {_why(why)}"
        if self.held != text:
            self.held = text
            self._log.error(
                "{held}; it is held, and all that follow it, until a queue takes it",
                held=text,
            )

    def _flows(self) -> None:
        if self.held is not None and self._done >= self._alone_up_to:
            self._log.info(
                "events are published again, after {tries} failed tries",
                tries=self._tries,
            )
            self.held, self._tries = None, 0

    def _may_pass(self, sent: _Sent) -> bool:
        event = sent.event
        if sent.is_reply or not event.routing_key.startswith(_HEARD):
            return True
        now = self._clock.seconds()
        since = self._unroutable.setdefault(_kind(event), now)
        return now - since >= self._unroutable_s and not _must_arrive(event)

    def _pause(self) -> None:
        """Publish nothing for a while, then start again at the last one done."""
        self._forget()
        self._paused = True
        self._again.set(self._clock.seconds() + AGAIN_S)

    def _lost(self, reason: str) -> None:
        self._attached = False
        self._forget()
        self._paused = True
        self._again.cancel()

    def _forget(self) -> None:
        """End the round: what is under way counts no more."""
        self._round += 1
        self._under_way.clear()
        self._settled.clear()
        self._half_done.clear()
        self._ready.clear()

    # ---- the cursor ----

    def _cursor_due(self) -> None:
        assert self._written is not None
        if self._done - self._written >= CURSOR_AFTER:
            self._write_cursor_soon()
        else:
            self._cursor_timer.set(self._clock.seconds() + CURSOR_AFTER_S)

    def _write_cursor_soon(self) -> None:
        spawn(self._write_cursor(), self._log, "writing the cursor")

    async def _write_cursor(self) -> None:
        done = self._done
        if self._written is None or done == self._written:
            return
        before, self._written = self._written, done
        try:
            await self._journal.set_cursor(CURSOR, str(done))
        except Unavailable as fault:
            self._written = before
            self._log.warn("the cursor is not written: {fault}", fault=fault)
            self._cursor_timer.set(self._clock.seconds() + CURSOR_AFTER_S)


def _kind(event: OutboxEvent) -> str:
    return event.routing_key.partition(".")[0]


def _must_arrive(event: OutboxEvent) -> bool:
    """Tell whether nobody would hear of it again: an inbound SMS, a final state."""
    if not event.routing_key.startswith("status."):
        return True
    try:
        return _read_final(event.body).final
    except msgspec.DecodeError:
        return True


def _why(why: Unroutable | Declined) -> str:
    if isinstance(why, Declined):
        return "the broker could not keep it (basic.nack)"
    return f"no queue takes it ({why.text})"
