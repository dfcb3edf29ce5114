"""What waits for one client: receipts and inbound SMS, until it has answered for each.

What it promises: docs/doors.rst, "Receipts and inbound SMS".

Events are read from the journal after a cursor of the client's own, oldest first, and
only while it has a bind that receives.  An event is settled when the client has
answered all of its deliver_sm with ESME_ROK, when it has refused one three times, or
when it is too old; the cursor names how far was read, and what of it is unsettled.
After a restart that is sent again: a client may get something twice, and nothing never.

One that the client asks to have later waits by itself; those behind it go on.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gdemoi.contract.event_json import moment_of
from gdemoi.errors import OurFault, Unavailable
from gdemoi.facts import OutboxEvent
from gdemoi.interfaces import IJournal
from gdemoi.smpp.pdu.headers import GENERIC_NACK
from gdemoi.smpp.pdu.statuses import Status, name_of
from gdemoi.smppserver.receipts import (
    Arrived,
    arrived,
    inbound,
    may_be_told,
    receipt,
)
from gdemoi.smppserver.settings import ReceiptBind, SmppClientSettings
from gdemoi.tasks import Alarm, spawn

CURSOR: Final = "smpp-client:{}"
# Events in memory for one client, sent or not.
HELD: Final = 1000
# How long a settled event may stay unwritten.
BOOKMARK_AFTER_S: Final = 0.5
# A receipt over another bind than the submit_sm's: the client's threads race.
OTHER_BIND_S: Final = 1.0
AGAIN_FIRST_S: Final = 5.0
AGAIN_LAST_S: Final = 600.0
REFUSALS: Final = 3
# Answers that are late in a row before a session is given up.
TIMEOUTS: Final = 3
# The client cannot take it now (SMPP 3.4 §5.1.3).
_LATER: Final = frozenset(
    {
        Status.RMSGQFUL,
        Status.RTHROTTLED,
        Status.RX_T_APPN,
        Status.RSYSERR,
        Status.RINVBNDSTS,
    }
)


class ReceivingSession(Protocol):
    """A bound session that deliver_sm may be sent to."""

    key: str
    host: str

    @property
    def version(self) -> int:
        """The client's version: 0x34, or 0x33 without TLVs."""

    @property
    def free(self) -> int:
        """How many deliver_sm it takes now."""

    @property
    def unanswered(self) -> int:
        """How many it has not answered."""

    def deliver(self, octets: bytes, context: Any) -> None:
        """Send a deliver_sm."""


class _Bookmark(msgspec.Struct, frozen=True):
    """All up to `after` is settled but for `held`."""

    after: int
    held: list[int] = []


class PendingEvent:
    """One event on its way: its deliver_sm, and which of them are answered."""

    __slots__ = (
        *("again_at", "arrived", "event", "left"),
        *("next_s", "pdus", "refused", "under_way"),
    )

    def __init__(self, event: OutboxEvent, arrived: Arrived | None) -> None:
        self.event = event
        self.arrived = arrived
        # made for the version of the session that it goes over
        self.pdus: list[bytes] = []
        # indices of what is not sent, or was not taken
        self.left: list[int] | None = None
        self.under_way = 0
        self.refused = 0
        self.next_s = AGAIN_FIRST_S
        # not before then, when a part of it was not taken
        self.again_at = 0.0

    def __lt__(self, other: PendingEvent) -> bool:
        return self.event.seq < other.event.seq


class ClientDeliveries:
    """The events of one client, from the outbox to its answer."""

    log = Logger()

    def __init__(
        self,
        name: str,
        settings: SmppClientSettings,
        journal: IJournal,
        clock: IReactorTime,
        receivers: Callable[[], Sequence[ReceivingSession]],
        *,
        takes_inbound: Callable[[Arrived], bool],
        hungry: Callable[[], None],
    ) -> None:
        self.name = name
        self.settings = settings
        self.delivered = 0
        self.parked = 0
        self.last_parked = ""
        # all up to here was looked at
        self.position = 0
        self._journal = journal
        self._clock = clock
        self._receivers = receivers
        self._takes_inbound = takes_inbound
        self._hungry = hungry
        self._ready: list[PendingEvent] = []
        # (when, seq, delivery): asked to come later
        self._later: list[tuple[float, int, PendingEvent]] = []
        # not settled, by seq
        self._held: dict[int, PendingEvent] = {}
        self._written: _Bookmark | None = None
        self._closed = False
        self._bookmark = Alarm(clock, self._write_soon)
        self._again = Alarm(clock, self.pump)

    async def load(self, newest: int) -> None:
        """Find the cursor; a client that is new begins at `newest`."""
        told = await self._journal.cursor(CURSOR.format(self.name))
        if told:
            cursor = msgspec.json.decode(told, type=_Bookmark)
            for seq in cursor.held:
                for event in await self._journal.events(seq - 1, 1):
                    if event.seq == seq:
                        self.offer(event)
            self.position, self._written = cursor.after, cursor
        else:
            self.position = newest
            await self._write()

    # -- what comes from the outbox

    @property
    def waiting(self) -> int:
        """How many events are in memory and not settled."""
        return len(self._held)

    @property
    def is_hungry(self) -> bool:
        """Whether more events shall be read for it."""
        return len(self._held) < HELD and any(self._receivers())

    def offer(self, event: OutboxEvent) -> None:
        """Take an event that is not before `position`, if the client is to have it."""
        told = None
        if event.origin is not None:
            if not may_be_told(event.routing_key, event.origin.registered_delivery):
                return
        else:
            try:
                told = arrived(event)
            except msgspec.MsgspecError as fault:
                self.log.error(
                    "SMPP client {client}: event {seq} cannot be read: {fault}",
                    client=self.name,
                    seq=event.seq,
                    fault=fault,
                )
                return
            if not self._takes_inbound(told):
                return
        delivery = PendingEvent(event, told)
        self._held[event.seq] = delivery
        heapq.heappush(self._ready, delivery)

    def reached(self, seq: int) -> None:
        """Hear that all events up to `seq` were offered."""
        self.position = max(self.position, seq)
        self.pump()
        self._bookmark_due()

    # -- to the client

    def pump(self) -> None:
        """Send what can be sent now."""
        if self._closed:
            return
        now = self._clock.seconds()
        while self._later and self._later[0][0] <= now:
            heapq.heappush(self._ready, heapq.heappop(self._later)[2])
        while self._ready:
            delivery = self._ready[0]
            session = self._session_for(delivery)
            if session is None:
                break
            heapq.heappop(self._ready)
            self._send(delivery, session, now)
        if self._later:
            self._again.set(self._later[0][0])

    def _session_for(self, delivery: PendingEvent) -> ReceivingSession | None:
        """Choose the bind: the submit_sm's own, else the least busy of the client."""
        free = [one for one in self._receivers() if one.free > 0]
        origin = delivery.event.origin
        if origin is not None and free:
            for one in free:
                if one.key == origin.session:
                    return one
            if self.settings.receipt_bind is ReceiptBind.SAME_IP:
                hosts = {one.host for one in self._receivers()}
                if origin.host in hosts:
                    free = [one for one in free if one.host == origin.host]
        return min(free, key=lambda one: one.unanswered, default=None)

    def _send(
        self, delivery: PendingEvent, session: ReceivingSession, now: float
    ) -> None:
        origin = delivery.event.origin
        if origin is not None and session.key != origin.session:
            at = origin.submitted_at + OTHER_BIND_S
            if at > now:
                self._wait(delivery, at)
                return
        if now - moment_of(delivery.event.body) > self.settings.event_ttl_s:
            self._park(delivery, "nobody took it in time")
            return
        if delivery.left is None and not self._make(delivery, session):
            return
        assert delivery.left is not None
        while delivery.left and session.free > 0:
            index = delivery.left.pop(0)
            delivery.under_way += 1
            session.deliver(delivery.pdus[index], (self, delivery, index))
        if delivery.left:
            heapq.heappush(self._ready, delivery)

    def _make(self, delivery: PendingEvent, session: ReceivingSession) -> bool:
        """Write the deliver_sm of an event; False: there is nothing to send."""
        settings, event = self.settings, delivery.event
        try:
            if delivery.arrived is not None:
                made = inbound(delivery.arrived, session.version, settings.mo_long)
            else:
                assert event.origin is not None
                one = receipt(
                    event,
                    event.origin,
                    session.version,
                    settings.receipt_zone,
                    settings.no_receipt_channel,
                )
                made = [] if one is None else [one]
        except (OurFault, ValueError, msgspec.MsgspecError) as fault:
            self._park(delivery, f"it cannot be written: {fault}")
            return False
        if not made:
            self._settle(delivery)
            return False
        delivery.pdus, delivery.left = made, list(range(len(made)))
        return True

    def _wait(self, delivery: PendingEvent, at: float) -> None:
        if self._closed:
            return
        heapq.heappush(self._later, (at, delivery.event.seq, delivery))
        self._again.set(self._later[0][0])

    # -- what the client says

    def answered(
        self, delivery: PendingEvent, index: int, command_id: int, status: int
    ) -> None:
        """Take the answer to one deliver_sm."""
        delivery.under_way -= 1
        if delivery.event.seq not in self._held:
            return
        if status != 0 or command_id == GENERIC_NACK:
            self._return(delivery, index)
            pause_s = AGAIN_FIRST_S
            if status in _LATER and command_id != GENERIC_NACK:
                pause_s = delivery.next_s
                delivery.next_s = min(pause_s * 2, AGAIN_LAST_S)
            else:
                delivery.refused += 1
            delivery.again_at = self._clock.seconds() + pause_s
            if delivery.refused >= REFUSALS:
                self._park(delivery, f"the client refused it: {name_of(status)}")
        self._rest(delivery)
        self.pump()

    def missing(self, delivery: PendingEvent, index: int) -> None:
        """Hear that a deliver_sm was not answered: it goes again, as it was."""
        delivery.under_way -= 1
        if delivery.event.seq in self._held:
            self._return(delivery, index)
            self._rest(delivery)

    def _rest(self, delivery: PendingEvent) -> None:
        """Say what follows when nothing of an event is under way."""
        if delivery.under_way or delivery.event.seq not in self._held:
            return
        if delivery.left == []:
            self.delivered += 1
            self._settle(delivery)
            return
        if len(delivery.left or ()) == len(delivery.pdus):
            # the whole is written anew, for whichever version takes it
            delivery.left = None
        self._forget(delivery)
        self._wait(delivery, delivery.again_at)

    def _return(self, delivery: PendingEvent, index: int) -> None:
        assert delivery.left is not None
        delivery.left = sorted([*delivery.left, index])

    def _park(self, delivery: PendingEvent, why: str) -> None:
        """Give an event up; it stays in the message's story."""
        self.parked += 1
        what = delivery.event.message_id or "an inbound SMS"
        self.last_parked = f"{what}: {why}"
        self.log.error(
            "SMPP client {client}: event {seq} of {what} is given up: {why}",
            client=self.name,
            seq=delivery.event.seq,
            what=what,
            why=why,
        )
        self._forget(delivery)
        self._settle(delivery)

    def _forget(self, delivery: PendingEvent) -> None:
        self._ready = [one for one in self._ready if one is not delivery]
        heapq.heapify(self._ready)
        self._later = [one for one in self._later if one[2] is not delivery]
        heapq.heapify(self._later)

    # -- the cursor

    def _settle(self, delivery: PendingEvent) -> None:
        seq = delivery.event.seq
        if self._held.pop(seq, None) is None:
            return
        self._bookmark_due()
        if len(self._held) == HELD - 1 or not self._held:
            self._hungry()

    def _bookmark_due(self) -> None:
        if self._closed:
            return
        self._bookmark.set(self._clock.seconds() + BOOKMARK_AFTER_S)

    def _present(self) -> _Bookmark:
        return _Bookmark(self.position, sorted(self._held))

    def _write_soon(self) -> None:
        spawn(self._write(), self.log, "writing a client's cursor")

    async def _write(self) -> None:
        present = self._present()
        if present == self._written:
            return
        before, self._written = self._written, present
        value = msgspec.json.encode(present).decode()
        try:
            await self._journal.set_cursor(CURSOR.format(self.name), value)
        except Unavailable as fault:
            self._written = before
            self.log.warn("the cursor is not written: {fault}", fault=fault)
            self._bookmark_due()

    async def close(self) -> None:
        """Write the cursor and leave no timer."""
        self._closed = True
        self._again.cancel()
        self._bookmark.cancel()
        await self._write()


class EventFeed:
    """Reads the outbox once for all clients, and for those behind again."""

    READ_AT_ONCE: Final = 500

    log = Logger()

    def __init__(
        self,
        journal: IJournal,
        clock: IReactorTime,
        clients: Sequence[ClientDeliveries],
    ) -> None:
        self._journal = journal
        self._clients = clients
        self._known = 0
        self._reading = False
        self._stopped = False
        self._again = Alarm(clock, self.pump)
        self._clock = clock

    def follow(self, clients: Sequence[ClientDeliveries]) -> None:
        """Read for these clients from now on; they know their cursors."""
        self._clients = clients
        self.pump()

    def start(self, last: int) -> None:
        """Begin; the clients know their cursors."""
        self._known = last
        self._journal.on_events(self._told)
        self.pump()

    def stop(self) -> None:
        """Read no more."""
        self._stopped = True
        self._again.cancel()

    def _told(self, last: int) -> None:
        self._known = max(self._known, last)
        self.pump()

    def pump(self) -> None:
        """Read on, if somebody wants more and there is more."""
        if not self._reading and not self._stopped and self._behind():
            self._reading = True
            spawn(self._read(), self.log, "reading events for SMPP clients")

    def _behind(self) -> list[ClientDeliveries]:
        return [
            one for one in self._clients if one.position < self._known and one.is_hungry
        ]

    async def _read(self) -> None:
        try:
            while not self._stopped and (behind := self._behind()):
                await self._read_some(behind)
        except Unavailable as fault:
            self.log.warn("events cannot be read: {fault}", fault=fault)
            self._again.set(self._clock.seconds() + 1.0)
        finally:
            self._reading = False

    async def _read_some(self, behind: Sequence[ClientDeliveries]) -> None:
        after = min(one.position for one in behind)
        upto = self._known
        events = await self._journal.events(after, self.READ_AT_ONCE)
        reading = [one for one in behind if one.position >= after]
        by_name = {one.name: one for one in reading}
        for event in events:
            if event.origin is not None:
                one = by_name.get(event.origin.client)
                if one is not None and one.position < event.seq:
                    one.offer(event)
            elif event.routing_key.startswith("inbound."):
                for one in reading:
                    if one.position < event.seq:
                        one.offer(event)
        # numbers may have gaps: with none there, there is nothing up to what was known
        last = events[-1].seq if events else upto
        for one in reading:
            one.reached(last)
