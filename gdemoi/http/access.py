"""The door of the HTTP side: body limits, the token, foreign web pages.

Knows nothing of what lies behind it.  A body over the limit is never kept in
memory, chunked or not; an answer is always JSON.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from io import BytesIO
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from gdemoi.http.answers import Problem, encode, error_of, refuse

# How much of a body over the limit is read and thrown away, so that the client
# hears 413 instead of a broken connection.
PATIENCE: Final = 8
# Health for watchers, and a page that holds nothing but asks for the token.
_OPEN: Final = (b"/health/live", b"/health/ready", b"/", b"/page.js")
_METHODS: Final = (b"GET", b"HEAD", b"POST", b"DELETE")
_TOO_LARGE: Final = "too_large"


class BoundedRequest(Request):
    """A request whose body is in memory, up to the limit of its site."""

    body_limit = 1024 * 1024
    too_large = False
    _taken = 0
    content: BytesIO

    def gotLength(self, length: int | None) -> None:
        """Hear the length that the client declares; None: chunked."""
        self.content = BytesIO()
        if length is not None and length > self.body_limit:
            self.too_large = True
            if length > self.body_limit * PATIENCE:
                self._hang_up()

    def handleContentChunk(self, data: bytes) -> None:
        """Take some of the body."""
        self._taken += len(data)
        if self._taken > self.body_limit:
            self.too_large = True
            self.content = BytesIO()
        if not self.too_large:
            self.content.write(data)
        elif self._taken > self.body_limit * PATIENCE:
            self._hang_up()

    def _hang_up(self) -> None:
        """Answer before the body has ended, since it might never end."""
        body = encode(_too_large(self.body_limit).body)
        channel: Any = self.channel
        channel.transport.write(
            b"HTTP/1.1 413 Request Entity Too Large\r\n"
            b"content-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        channel.loseConnection()


def _too_large(limit: int) -> Problem:
    return Problem(413, _TOO_LARGE, f"the body is over {limit} octets")


class AccessGuard(Resource):
    """Lets through to the resource behind it who may pass."""

    isLeaf = True

    def __init__(self, behind: IResource, token: str | None) -> None:
        super().__init__()
        self._behind = behind
        self._token = None if token is None else token.encode("utf-8")

    def render(self, request: IRequest) -> Any:
        """Check the request, then hand it on."""
        request.setHeader(b"server", b"gdemoi")
        request.setHeader(b"x-content-type-options", b"nosniff")
        problem = self._problem(request)
        if problem is not None:
            return refuse(request, problem)
        return self._behind.render(request)

    def _problem(self, request: IRequest) -> Problem | None:
        if getattr(request, "too_large", False):
            # The rest of the connection may be the rest of the body.
            request.setHeader(b"connection", b"close")
            return _too_large(getattr(request, "body_limit", 0))
        try:
            b"/".join(request.postpath).decode("utf-8")
        except UnicodeDecodeError:
            return Problem(400, "invalid", "the path is not UTF-8")
        if request.path in _OPEN:
            return None
        if self._token is None:
            return _foreign(request)
        given = request.getHeader(b"authorization") or b""
        scheme, _, word = given.partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(
            word.strip(), self._token
        ):
            return None
        return Problem(401, "unauthorized", "Authorization: Bearer TOKEN is needed")


def _foreign(request: IRequest) -> Problem | None:
    """Refuse what a web page of somebody else made a local browser send.

    Without a token, loopback is the only protection, and browsers are local.
    """
    host = _hostname(request.getHeader(b"host"))
    if host is not None and not _is_loopback(host):
        return Problem(403, "forbidden", "without a token only loopback is served")
    origin = request.getHeader(b"origin")
    own = (request.getHeader(b"host") or b"").decode("latin-1")
    if origin is not None and _netloc(origin) != own:
        return Problem(403, "forbidden", "a page of another origin may not ask")
    return None


def _netloc(origin: bytes) -> str | None:
    """Return host and port of an Origin; None when it is no address."""
    try:
        return urlsplit(origin.decode("latin-1")).netloc
    except ValueError:
        return None


def _hostname(header: bytes | None) -> str | None:
    if not header:
        return None
    try:
        return urlsplit("//" + header.decode("latin-1")).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return bool(ip_address(host).is_loopback)
    except ValueError:
        return host == "localhost"


def bounded(limit: int) -> type[BoundedRequest]:
    """Return the requests of a site with a limit on bodies."""

    class Bounded(BoundedRequest):
        """A request of this site."""

        body_limit = limit

    return Bounded


class BoundedSite(Site):
    """A site with a limit on bodies, and without an access log.

    URLs of searches hold phone numbers; `answered` hears of each request instead.
    """

    displayTracebacks = False
    noisy = False

    def __init__(
        self,
        resource: IResource,
        body_limit: int,
        clock: IReactorTime,
        answered: Callable[[str, int], None],
    ) -> None:
        super().__init__(
            resource,
            requestFactory=bounded(body_limit),
            parsePOSTFormSubmission=False,
            reactor=clock,
        )
        self._answered = answered

    def log(self, request: Any) -> None:
        """Tell method and status, and write nothing."""
        method = request.method if request.method in _METHODS else b"other"
        self._answered(method.decode("ascii"), request.code)


def unexpected() -> dict[str, Any]:
    """Return the body for a fault of our own."""
    return error_of("internal", "the gateway failed; its log tells why")
