"""Asks a provider what became of messages, and what phones have sent.

For installations that providers cannot reach, and to mend what webhooks lost.  It
knows when to ask (`open_messages` has the schedule) and that a cursor moves only
after everything before it is written down; what is asked and answered is the
provider's pure file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gdemoi.cloud.exchange import HttpRequest
from gdemoi.cloud.http import CloudHttp
from gdemoi.cloud.open_messages import BUCKETS, OpenMessage, OpenMessages
from gdemoi.cloud.provider import InboundPage, Provider, StatusAnswer
from gdemoi.errors import TheirFault, Unavailable
from gdemoi.kit.recent import Recent
from gdemoi.message import FINAL, Error, Inbound, MessageState, Receipt
from gdemoi.tasks import background, spawn

IN_FLIGHT: Final = 2  # questions at once
OVERLAP_S: Final = 600.0  # asked again before the cursor, against late arrivals
# A provider may know a message only some time after it took it.
YOUNG_S: Final = 60.0
AGAIN_S: Final = 15.0
JITTER: Final = 0.1
MOST_PAGES: Final = 1000
MOST_SEEN: Final = 10_000


log = Logger()


@define
class Poller:
    """All questions of one channel."""

    provider: Provider[Any]
    http: CloudHttp
    messages: OpenMessages
    clock: IReactorTime
    random: Callable[[], float]
    channel: str
    inbound_every_s: float | None
    report_receipt: Callable[[Receipt], Awaitable[Any]]
    report_inbound: Callable[[Inbound], Awaitable[Any]]
    cursor: Callable[[str], Deferred[str | None]]
    set_cursor: Callable[[str, str], Deferred[None]]
    counts: Counter[str] = field(factory=Counter)
    stopped: str | None = None
    _seen: Recent[str, None] = field(factory=lambda: Recent(MOST_SEEN))
    _running: list[Deferred[Any]] = field(factory=list)
    _woken: Deferred[None] | None = None
    _saving: bool = False
    _keeping: list[Deferred[None]] = field(factory=list)
    _on: bool = False
    # why the last question had no answer
    _away: str | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._on = True
        self._running.append(background(self._statuses(), log, "status poll"))
        if self.inbound_every_s is not None:
            self._running.append(background(self._inbounds(), log, "inbound poll"))

    def stop(self) -> None:
        """Ask no more."""
        self._on = False
        running, self._running = self._running, []
        for work in running:
            work.cancel()

    def wake(self) -> None:
        """Look again when the next question is due, and keep what has changed."""
        self.save()
        woken, self._woken = self._woken, None
        if woken is not None:
            woken.callback(None)

    # -- what became of messages -------------------------------------------

    async def _statuses(self) -> None:
        for bucket in range(BUCKETS):
            self.messages.load(await self.cursor(self._cursor(bucket)) or "[]")
        while self._on:
            await self._until_due()
            due = self.messages.due(self.clock.seconds(), IN_FLIGHT)
            await gatherResults(
                [background(self.ask_one(message), log, "question") for message in due]
            )
            self.save()

    async def _until_due(self) -> None:
        """Wait until a question is due, or something has changed."""
        due = self.messages.next_due()
        woken: Deferred[None] = Deferred()
        self._woken = woken
        timer = None
        if due is not None:
            timer = self.clock.callLater(
                max(0.0, due - self.clock.seconds()), self.wake
            )
        try:
            await woken
        finally:
            self._woken = None
            if timer is not None and timer.active():
                timer.cancel()

    async def ask_one(self, message: OpenMessage) -> None:
        """Ask for one message; an unsuccessful question is asked again later."""
        now = self.clock.seconds()
        if self.messages.is_over(message, now):
            self.counts["given up"] += 1
            self.messages.close(message.message_id)
            return
        if self.stopped is not None:
            # kept only to know whom an unproven receipt speaks of
            return
        request = self.provider.status_request(message.ids, now)
        if request is None:
            self.messages.close(message.message_id)
            return
        try:
            answer = await self.http.send(request)
            polled = self.provider.status_of(answer, message.ids, now)
        except (Unavailable, TheirFault) as why:
            self._unanswered(str(why))
            return
        try:
            await self._learn(message, polled)
        except Unavailable:
            self.counts["poll put off"] += 1

    async def _learn(self, message: OpenMessage, polled: StatusAnswer) -> None:
        """Write down what a question brought."""
        if polled.stopped is not None:
            self._give_up(polled.stopped)
        else:
            self._answered()
            if polled.missing:
                await self._missing(message)
        for receipt in polled.receipts:
            await self.report_receipt(named(receipt, message.message_id))
            if receipt.state in FINAL:
                self.messages.settle(receipt.provider_id)

    async def _missing(self, message: OpenMessage) -> None:
        now = self.clock.seconds()
        if now - message.sent_at <= YOUNG_S:
            self.messages.ask_soon(message, now + AGAIN_S)
            return
        self.counts["unknown there"] += 1
        self.messages.close(message.message_id)
        code = f"{self.provider.name}:unknown"
        await self.report_receipt(
            Receipt(
                account=self.provider.account,
                channel=self.channel,
                provider_id=message.ids[0],
                state=MessageState.ENROUTE,
                error=Error(code, "the provider does not know the message"),
                message_id=message.message_id,
            )
        )

    def _unanswered(self, why: str) -> None:
        """Count a question that failed; told once, until one is answered."""
        self.counts["failed question"] += 1
        if self._away is None:
            log.warn(
                "{channel}: a question came to nothing: {why}; it is asked again",
                channel=self.channel,
                why=why,
            )
        self._away = why

    def _answered(self) -> None:
        if self._away is not None:
            log.info("{channel}: questions are answered again", channel=self.channel)
        self._away = None

    def _give_up(self, why: str) -> None:
        if self.stopped is None:
            self.stopped = why
            log.warn("{channel}: no more polling: {why}", channel=self.channel, why=why)

    # -- what is kept -------------------------------------------------------

    def save(self) -> None:
        """Write changed buckets down, one writer at a time."""
        if self.messages.dirty and not self._saving:
            self._saving = True
            spawn(self._save(), log, "poll cursors")

    async def kept(self) -> None:
        """Wait until what has changed so far is written down, or cannot be."""
        if self.messages.dirty or self._saving:
            kept: Deferred[None] = Deferred()
            self._keeping.append(kept)
            self.save()
            try:
                await kept
            except CancelledError:
                return  # the outcome that waits for this must be told all the same

    async def _save(self) -> None:
        try:
            while self.messages.dirty:
                keeping, self._keeping = self._keeping, []
                try:
                    await self._save_once()
                finally:
                    for kept in keeping:
                        kept.callback(None)
        except Unavailable:
            self.counts["bookmark put off"] += 1
        finally:
            self._saving = False
            keeping, self._keeping = self._keeping, []
            for kept in keeping:
                kept.callback(None)

    async def _save_once(self) -> None:
        """Write all changed buckets down in one commit."""
        buckets = sorted(self.messages.dirty)
        self.messages.dirty.clear()
        writing = [
            self.set_cursor(self._cursor(bucket), self.messages.dump(bucket))
            for bucket in buckets
        ]
        away: Unavailable | None = None
        for written in writing:
            try:
                await written
            except Unavailable as why:
                away = why
        if away is not None:
            self.messages.dirty.update(buckets)
            raise away

    def _cursor(self, bucket: int) -> str:
        return f"cloud:{self.channel}:open:{bucket}"

    # -- what phones have sent ----------------------------------------------

    async def _inbounds(self) -> None:
        every_s = self.inbound_every_s or 0.0
        while self._on:
            why = await background(self.poll_inbound(), log, "inbound poll")
            if why is not None:
                log.warn(
                    "{channel}: no more inbound polling: {why}",
                    channel=self.channel,
                    why=why,
                )
                return
            jitter = 1.0 + JITTER * (2.0 * self.random() - 1.0)
            await deferLater(self.clock, every_s * jitter)

    async def poll_inbound(self) -> str | None:
        """Ask every source once; return why it is of no use to ask again."""
        try:
            request = self.provider.sources_request()
            answer = None if request is None else await self.http.send(request)
            for source in self.provider.sources_of(answer):
                why = await self._poll_source(source)
                if why is not None:
                    return why
        except (Unavailable, TheirFault) as why:
            self._unanswered(str(why))
        else:
            self._answered()
        return None

    async def _poll_source(self, source: str) -> str | None:
        name = f"cloud:{self.channel}:inbound:{source}"
        now = self.clock.seconds()
        kept = await self.cursor(name)
        cursor = now if kept is None else float(kept)
        since, until = cursor - OVERLAP_S, now
        window_s = self.provider.capabilities.inbound_window_s
        if window_s is not None:
            until = min(until, since + window_s)
        request: HttpRequest | None
        request = self.provider.inbound_request(source, since, until, now)
        newest = cursor
        for _ in range(MOST_PAGES):
            # what raises here leaves the cursor: everything is asked for again
            answer = await self.http.send(request)
            page = self.provider.inbound_of(answer, request, now)
            if page.stopped is not None:
                return page.stopped
            await self._take(page)
            newest = max(newest, min(page.newest or 0.0, now))
            request = page.next
            if request is None:
                break
        if window_s is not None:
            newest = until
        if kept is None or newest != cursor:
            await self.set_cursor(name, repr(newest))
        return None

    async def _take(self, page: InboundPage) -> None:
        """Hand up what is new on a page; pages overlap."""
        for inbound in page.inbounds:
            mark = inbound.dedup or ""
            if mark in self._seen:
                continue
            await self.report_inbound(inbound)
            self._seen[mark] = None


def named(receipt: Receipt, message_id: str) -> Receipt:
    """Return a polled receipt with our own id in it."""
    if receipt.message_id is not None:
        return receipt
    fields = {name: getattr(receipt, name) for name in receipt.__struct_fields__}
    return Receipt(**{**fields, "message_id": message_id})
