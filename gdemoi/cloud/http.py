"""The one way out to providers: an HTTP request and its answer, or why there is none.

It knows connections, deadlines, how much of an answer is read, and whether a request
may have left; it knows no provider.  The client is treq without its kindnesses:
redirects, cookies and decompression are not wanted with credentials and hostile
answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import treq
from attrs import define, field
from hyperlink import URL
from OpenSSL import SSL
from service_identity import CertificateError
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.defer import TimeoutError as DeadlinePassed
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
    DNSLookupError,
)
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.ssl import VerificationError
from twisted.internet.task import deferLater
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    HTTPConnectionPool,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    _StandardEndpointFactory,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import (
    IAgent,
    IAgentEndpointFactory,
    IBodyProducer,
    IResponse,
)
from zope.interface import implementer

from gdemoi.cloud.exchange import HttpAnswer, HttpRequest
from gdemoi.cloud.handshake import AgreedEndpoints, HandshakeFailed, HttpFactory
from gdemoi.cloud.settings import is_private
from gdemoi.errors import Unavailable
from gdemoi.net.certificates import Named
from gdemoi.net.endpoints import AddressBarred
from gdemoi.net.faults import in_words

MOST_OCTETS: Final = 1024 * 1024  # of an answer
CONNECT_TIMEOUT_S: Final = 10.0
# Shorter than any provider's own, so that a send rarely meets a closing connection.
KEEP_IDLE_S: Final = 20
BACKOFF_S: Final = 1.0
TOO_MANY_REQUESTS: Final = 429
USER_AGENT: Final = "gdemoi"


class RequestNotSent(Unavailable):
    """The request certainly did not leave: it may be repeated.

    `lasting`: nor will it, before someone acts.
    """

    def __init__(self, text: str, *, lasting: bool = False) -> None:
        super().__init__(text)
        self.lasting = lasting


class RequestUnanswered(Unavailable):
    """The request may have left, and no whole answer came."""


@implementer(IBodyProducer)
@define
class _Body:
    """A request body that remembers whether it was handed to a connection."""

    octets: bytes
    left: bool = field(default=False, init=False)

    @property
    def length(self) -> int:
        return len(self.octets)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write everything at once: our bodies are small."""
        self.left = True
        consumer.write(self.octets)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def pauseProducing(self) -> None:
        """Nothing is left to pause."""

    def resumeProducing(self) -> None:
        """Nothing is left to resume."""

    def stopProducing(self) -> None:
        """Nothing is left to stop."""


class _Enough(Exception):
    """More of an answer came than is read."""


class _Reading(proxyForInterface(IResponse)):  # type: ignore[misc]
    """A response whose connection can be broken off while its body is read."""

    _reader: Any = None

    def deliverBody(self, protocol: Any) -> None:
        """Give the body to `protocol`."""
        self._reader = protocol
        self.original.deliverBody(protocol)

    def abort(self) -> None:
        """Close the connection without reading the rest."""
        transport = getattr(self._reader, "transport", None)
        # treq and Agent can only say goodbye politely, which over TLS waits for the
        # far side; an endless answer is cut off below them.
        below = getattr(transport, "_producer", transport)
        close = getattr(below, "abortConnection", None) or getattr(
            below, "loseConnection", None
        )
        if close is not None:
            close()


@implementer(IAgent)
@define
class _Plain:
    """Carries one request for treq, and hides from it what it would act upon.

    It would keep cookies, and unpack gzip without a limit: 64 KiB may become 64 MiB.
    """

    agent: IAgent
    reading: _Reading | None = field(default=None, init=False)

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Ask for what nobody packed."""
        headers = Headers() if headers is None else headers
        headers.setRawHeaders(b"Accept-Encoding", [b"identity"])
        sent = self.agent.request(method, uri, headers, bodyProducer)
        return sent.addCallback(self._bare)

    def abort(self) -> None:
        """Break the answer off, if one has begun."""
        if self.reading is not None:
            self.reading.abort()

    def _bare(self, response: IResponse) -> IResponse:
        for name in (b"set-cookie", b"content-encoding"):
            response.headers.removeHeader(name)
        self.reading = _Reading(response)
        return self.reading


_FAULTS: Final = (
    CancelledError,
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
    DNSLookupError,
    DeadlinePassed,
    HandshakeFailed,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    SSL.Error,
    VerificationError,
)


class CloudHttp:
    """Requests to one provider: so many at once, each within its deadline."""

    def __init__(
        self,
        agent: IAgent,
        clock: IReactorTime,
        random: Callable[[], float],
        *,
        timeout_s: float,
        in_flight: int,
        insecure: bool = False,
        close: Callable[[], Any] = lambda: None,
    ) -> None:
        self._agent = agent
        self._clock = clock
        self._random = random
        self._timeout_s = timeout_s
        self._slots = DeferredSemaphore(in_flight)
        self._insecure = insecure
        self._close = close
        self._closing = False

    def finish(self) -> None:
        """Let nothing more leave, whatever still waits for its turn."""
        self._closing = True

    def close(self) -> None:
        """Close the connections that are kept."""
        self._close()

    async def submit(self, request: HttpRequest) -> HttpAnswer:
        """Send what must not be sent twice.

        What surely was not taken (no connection, 429 without a Retry-After) is sent
        once more after a pause; raises `RequestNotSent` or `RequestUnanswered`.
        """
        try:
            answer = await self.send(request)
        except RequestNotSent:
            if self._closing:
                raise
            answer = None
        if answer is not None and (
            answer.status != TOO_MANY_REQUESTS or "retry-after" in answer.headers
        ):
            return answer
        try:
            await deferLater(self._clock, BACKOFF_S * (1.0 + self._random()))
        except CancelledError:
            raise RequestNotSent("given up while waiting to try again") from None
        return await self.send(request)

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """Send a request and read its answer.

        Raises `RequestNotSent` or `RequestUnanswered`.
        """
        if not (self._insecure or is_private(request.url)):
            raise RequestNotSent("plain http leads to another machine")
        body = _Body(request.body) if request.body else None
        try:
            await self._slots.acquire()
        except CancelledError:
            raise RequestNotSent("given up while waiting for its turn") from None
        try:
            if self._closing:
                raise RequestNotSent("the channel is stopping")
            work = Deferred.fromCoroutine(self._exchange(request, body))
            return await work.addTimeout(self._timeout_s, self._clock, _late)
        except _FAULTS as why:
            text = explained(why)
            if not_left(why) or (body is not None and not body.left):
                lasting = isinstance(why, HandshakeFailed) and why.lasting
                raise RequestNotSent(text, lasting=lasting) from None
            raise RequestUnanswered(text) from None
        finally:
            self._slots.release()

    async def _exchange(self, request: HttpRequest, body: _Body | None) -> HttpAnswer:
        headers = Headers()
        for name, value in request.headers:
            headers.addRawHeader(name, value)
        if not headers.hasHeader("User-Agent"):
            headers.addRawHeader("User-Agent", USER_AGENT)
        line = _Plain(self._agent)
        response = await line.request(
            request.method.encode("ascii"), _octets_of(request.url), headers, body
        )
        octets, cut = await _read(response, line)
        return HttpAnswer(
            status=response.code,
            headers={
                name.decode("latin-1").lower(): values[-1].decode("latin-1")
                for name, values in response.headers.getAllRawHeaders()
            },
            body=octets,
            cut=cut,
        )


def _octets_of(url: str) -> bytes:
    """Return an address as it is written on the wire; ASCII stays as it is."""
    parts = urlsplit(url)
    if url.isascii() and parts.path:
        return url.encode("ascii")
    return URL.from_text(url).to_uri().to_text().encode("ascii")


def _late(result: Any, timeout_s: float) -> Failure:
    """Name the deadline, whatever its cancellation made of the request."""
    return Failure(DeadlinePassed())


async def _read(response: Any, line: _Plain) -> tuple[bytes, bool]:
    """Return the body, and whether it was cut; hang up when it is not read whole."""
    octets = bytearray()

    def take(data: bytes) -> None:
        room = MOST_OCTETS - len(octets)
        octets.extend(data[:room])
        if len(data) > room:
            raise _Enough

    whole = False
    try:
        await treq.collect(response, take)
        whole = True
    except _Enough:
        pass
    finally:
        if not whole:
            line.abort()
    return bytes(octets), not whole


_BEFORE: Final = (
    ConnectError,
    ConnectingCancelledError,
    DNSLookupError,
    HandshakeFailed,
    VerificationError,
    CertificateError,
)


def not_left(why: BaseException) -> bool:
    """Tell whether a fault came before any octet of the request could leave.

    An error of TLS proves that only before the two have agreed upon it: whatever
    OpenSSL calls it, later the request may have been written.
    """
    if isinstance(why, _BEFORE):
        return True
    reasons: list[Any] = getattr(why, "reasons", [])
    return any(not_left(reason.value) for reason in reasons)


def explained(why: BaseException) -> str:
    """Return a fault in a few words: class names, never addresses or bodies."""
    if isinstance(why, HandshakeFailed | AddressBarred):
        return str(why)
    if isinstance(why, SSL.Error):
        return in_words(why)
    reasons: list[Any] = getattr(why, "reasons", [])
    inner = ", ".join(explained(reason.value) for reason in reasons)
    name = "deadline passed" if isinstance(why, DeadlinePassed) else type(why).__name__
    return f"{name} ({inner})" if inner else name


class NamedPolicy(BrowserLikePolicyForHTTPS):
    """Has the names of certificates checked by `gdemoi.net.certificates.Named`."""

    def creatorForNetloc(self, hostname: bytes, port: int) -> Named:
        """Return how to connect to a host."""
        options = super().creatorForNetloc(hostname, port)
        return Named(options, hostname.decode("ascii"))


def make_agent(
    reactor: Any, connections: int, endpoints: IAgentEndpointFactory | None = None
) -> tuple[Agent, HTTPConnectionPool]:
    """Return an agent that checks certificates, and the pool to close at the end.

    `endpoints` are those of TCP and TLS; None: the system's, checked by `NamedPolicy`.
    """
    if endpoints is None:
        endpoints = _StandardEndpointFactory(
            reactor, NamedPolicy(), CONNECT_TIMEOUT_S, None
        )
    pool = HTTPConnectionPool(reactor, persistent=True)
    pool._factory = HttpFactory
    pool.maxPersistentPerHost = connections
    pool.cachedConnectionTimeout = KEEP_IDLE_S
    # only the caller knows what may be repeated
    pool.retryAutomatically = False
    agent = Agent.usingEndpointFactory(reactor, AgreedEndpoints(endpoints), pool)
    return agent, pool
