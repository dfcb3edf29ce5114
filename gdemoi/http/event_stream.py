"""Events over HTTP (docs/http.rst, "Events"): long polls and event streams.

Every reader keeps its own place (the seq of the last event it has); the journal
is read anew from there, so that nothing is held in memory for a slow reader.  The
stream is that of the HTML standard, "Server-sent events": `id` is the seq.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.web.iweb import IRequest
from zope.interface import implementer

from gdemoi.contract.gateway import Gateway
from gdemoi.contract.viewer import event_for_viewer
from gdemoi.errors import Unavailable
from gdemoi.facts import OutboxEvent
from gdemoi.http.access import is_viewer
from gdemoi.http.answers import Problem, QueryParameters, answer
from gdemoi.http.settings import HttpSettings

log = Logger()

# an event to its JSON
Telling = Callable[[OutboxEvent], bytes]

# A comment this often keeps proxies from closing a silent stream.
STREAM_SILENCE_S: Final = 15.0
STREAM_BATCH: Final = 500


@implementer(IPushProducer)
class StreamProducer:
    """Holds a stream back while its reader is slow."""

    def __init__(self) -> None:
        self._shut: Deferred[None] | None = None

    def pauseProducing(self) -> None:
        """Hear that the transport's buffer is full."""
        self._shut = self._shut or Deferred()

    def resumeProducing(self) -> None:
        """Hear that it is empty again."""
        shut, self._shut = self._shut, None
        if shut is not None:
            shut.callback(None)

    def stopProducing(self) -> None:
        """Hear that the reader is gone; the request's end tells the stream."""

    async def open(self) -> None:
        """Wait until more may be written."""
        if self._shut is not None:
            await self._shut


class EventStream:
    """All readers of events over HTTP."""

    def __init__(
        self, gateway: Gateway, settings: HttpSettings, clock: IReactorTime
    ) -> None:
        self.readers = 0
        self._gateway = gateway
        self._settings = settings
        self._clock = clock
        self._closed = False
        self._waits: set[Deferred[None]] = set()

    def close(self) -> None:
        """End all waits and streams."""
        self._closed = True
        for wait in list(self._waits):
            wait.cancel()

    async def serve(self, request: IRequest) -> bytes | None:
        """Answer ``GET /v1/events``, as a poll or a stream."""
        query = QueryParameters(request, ("after", "limit", "wait", "masked"))
        accepts = request.getHeader(b"accept") or b""
        streams = b"text/event-stream" in accepts
        told = self._telling(request, query)
        after = await self._place(request, query, streams)
        if self._closed or self.readers >= self._settings.streams:
            raise Problem(
                503, "unavailable", "too many readers of events", retry_after_s=5
            )
        self.readers += 1
        try:
            if streams:
                await self._stream(request, after, told)
                return None
            limit = query.limit()
            wait_s = query.seconds("wait", self._settings.long_poll_s)
            return answer(request, await self._poll(after, limit, wait_s, told))
        finally:
            self.readers -= 1

    def _telling(self, request: IRequest, query: QueryParameters) -> Telling:
        """Return how events are told: whole, or as people may see them."""
        asked = query.text("masked") or "no"
        if is_viewer(request) and asked in ("yes", "no"):
            return self._viewed
        match asked:
            case "yes":
                return self._gateway.masked
            case "no":
                return _whole
        raise Problem(422, "invalid", "masked is yes or no", "masked")

    def _viewed(self, event: OutboxEvent) -> bytes:
        return event_for_viewer(self._gateway.masked(event))

    async def _place(
        self, request: IRequest, query: QueryParameters, streams: bool
    ) -> int:
        given = query.text("after")
        if streams:
            last = request.getHeader(b"last-event-id")
            given = last.decode("latin-1") if last else given or "now"
        if given == "now":
            return self._gateway.last_event()
        if given is None:
            return 0
        if not (given.isascii() and given.isdigit() and len(given) < 19):
            raise Problem(422, "invalid", "after is the seq of an event", "after")
        after = int(given)
        if after > self._gateway.last_event():
            await self._refuse_the_future(after)
        return after

    async def _refuse_the_future(self, after: int) -> None:
        """Refuse a place that no event has reached: nothing would come for long.

        Such a place is of another journal, or of this one before an older copy was
        put back.  What is committed may be known to a reader before it is to us, so
        the journal itself is asked.
        """
        newest = await self._gateway.newest_event()
        if after > newest:
            raise Problem(
                409,
                "after_ahead",
                f"after={after} is ahead of the newest event, {newest}: it is a place"
                " in another journal, or in this one before an older copy was put back",
                "after",
                newest=newest,
            )

    async def _poll(
        self, after: int, limit: int, wait_s: float, told: Telling
    ) -> bytes:
        events = await self._gateway.events(after, limit)
        if not events and wait_s > 0:
            await self.wait(after, wait_s)
            events = await self._gateway.events(after, limit)
        last = events[-1].seq if events else after
        bodies = b",".join([told(event) for event in events])
        return b'{"events":[%s],"after":%d}' % (bodies, last)

    @property
    def closed(self) -> bool:
        """Whether all waits have been ended."""
        return self._closed

    def seconds(self) -> float:
        """Return the time by which waits are counted."""
        return self._clock.seconds()

    async def wait(self, after: int, wait_s: float) -> bool:
        """Wait for an event; False when none came in time."""
        wait = self._gateway.events_after(after).addTimeout(wait_s, self._clock)
        self._waits.add(wait)
        try:
            await wait
        except TimeoutError:
            return False
        except CancelledError:
            if not self._closed:
                raise
            return False
        finally:
            self._waits.discard(wait)
        return True

    async def _stream(self, request: Any, after: int, told: Telling) -> None:
        request.setHeader(b"content-type", b"text/event-stream")
        request.setHeader(b"cache-control", b"no-store")
        # nginx would hold the stream back
        request.setHeader(b"x-accel-buffering", b"no")
        request.write(b": gdemoi\n\n")
        producer = StreamProducer()
        request.registerProducer(producer, True)
        try:
            await self._flow(request, producer, after, told)
        except Unavailable as fault:
            log.warn("a stream of events ends early: {fault}", fault=fault)
        # A reader that went has cancelled this coroutine, and has no producer.
        request.unregisterProducer()

    async def _flow(
        self, request: Any, producer: StreamProducer, after: int, told: Telling
    ) -> None:
        while not self._closed:
            events = await self._gateway.events(after, STREAM_BATCH)
            if events:
                after = events[-1].seq
                request.write(_lines(events, told))
                await producer.open()
            elif not await self.wait(after, STREAM_SILENCE_S):
                request.write(b":\n\n")


def _whole(event: OutboxEvent) -> bytes:
    return event.body


def _lines(events: Sequence[OutboxEvent], told: Telling) -> bytes:
    return b"".join(
        [b"id: %d\ndata: %s\n\n" % (event.seq, told(event)) for event in events]
    )
