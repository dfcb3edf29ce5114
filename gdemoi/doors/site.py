"""The ports of HTTP doors: sections that write the same `listen` share one.

A request finds its door by its path.  Doors answer in their own words, also to what no
door has: Kannel's.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.logger import Logger
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from gdemoi.errors import CannotListen
from gdemoi.net.bodies import BoundedSite
from gdemoi.net.faults import UNOPENED, of_port
from gdemoi.tasks import spawn

# Larger than any SMS, as JSON or XML, to many numbers.
BODY_LIMIT: Final = 1024 * 1024

log = Logger()

# (HTTP status, body, headers)
DoorAnswer = tuple[int, bytes, dict[str, str]]
Handler = Callable[[IRequest], Coroutine[Any, Any, DoorAnswer]]


class DoorSite(Resource):
    """One port: handlers by path."""

    isLeaf = True

    def __init__(self, description: str, clock: IReactorTime) -> None:
        super().__init__()
        self.description = description
        # path -> who answers
        self.handlers: dict[bytes, Handler] = {}
        self.port: IListeningPort | None = None
        self.at_work = 0
        self.closing = False
        self._clock = clock

    def render(self, request: IRequest) -> Any:
        """Answer a request of any method, when its handler has an answer."""
        request.setHeader(b"server", b"gdemoi")
        spawn(self._answer(request), log, "answering a door's request")
        return NOT_DONE_YET

    async def _answer(self, request: Any) -> None:
        self.at_work += 1
        try:
            answer = await self._answer_of(request)
        except Exception:  # noqa: BLE001 - the boundary of one request
            log.failure("a door's request failed")
            answer = 500, b"Sending failed.", {}
        finally:
            self.at_work -= 1
        status, body, headers = answer
        if request.channel is None:
            # the client has gone; what it sent is in the journal
            return
        request.setResponseCode(status)
        for name, value in headers.items():
            request.setHeader(name.encode("ascii"), value.encode("latin-1", "replace"))
        request.setHeader(b"content-length", b"%d" % len(body))
        request.write(body)
        request.finish()

    async def _answer_of(self, request: Any) -> DoorAnswer:
        html = {"Content-Type": "text/html"}
        if getattr(request, "too_large", False):
            return 413, b"Request too large", html | {"Connection": "close"}
        if self.closing:
            retry = {"Retry-After": "5"}
            return 503, b"Temporal failure, try again later.", html | retry
        handler = self.handlers.get(request.path)
        if handler is None:
            return 404, b"Unknown request.", html
        return await handler(request)

    async def listen(self, reactor: Any) -> None:
        """Open the port; raise `CannotListen`."""
        site = BoundedSite(self, BODY_LIMIT, self._clock)
        try:
            self.port = await serverFromString(reactor, self.description).listen(site)
        except UNOPENED as fault:
            why = f"{self.description}: {of_port(fault)}"
            raise CannotListen("listen", why) from fault
        here: Any = self.port.getHost()
        at = f"{here.host}:{here.port}" if hasattr(here, "port") else self.description
        paths = sorted(one.decode() for one in self.handlers)
        log.info("doors at {at}: {paths}", at=at, paths=" ".join(paths))

    @property
    def where(self) -> str:
        """Where it listens, as people write it."""
        here: Any = None if self.port is None else self.port.getHost()
        if hasattr(here, "port"):
            return f"{here.host}:{here.port}"
        return self.description
