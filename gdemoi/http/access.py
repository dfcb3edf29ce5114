"""What every HTTP request passes first: body limits, the token, foreign web pages.

Knows nothing of what lies behind it.  An answer is always JSON.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from gdemoi.http.answers import Problem, encode, refuse
from gdemoi.ini.listeners import is_loopback
from gdemoi.net.bodies import BoundedSite

# Health for watchers, and a page that holds nothing but asks for the token.
_OPEN: Final = (b"/health/live", b"/health/ready", b"/", b"/page.js")
_PAGE: Final = b"/page/"
# What a viewer may ask; what is not here tells texts, or changes something.
_VIEWED: Final = re.compile(
    rb"/(openapi\.json|metrics"
    rb"|v1/(status|overview|inbound|remedies|channels|events|configuration|receipts/unmatched"
    rb"|messages(/[^/]+)?|trackers(/[^/]+(/sender)?)?))/?"
).fullmatch
_METHODS: Final = (b"GET", b"HEAD", b"POST", b"DELETE")
_TOO_LARGE: Final = "too_large"


def _too_large(limit: int) -> Problem:
    return Problem(413, _TOO_LARGE, f"the body is over {limit} octets")


class AccessGuard(Resource):
    """Lets through to the resource behind it who may pass."""

    isLeaf = True

    def __init__(
        self, behind: IResource, token: str | None, viewer_token: str | None = None
    ) -> None:
        super().__init__()
        self._behind = behind
        self._token = None if token is None else token.encode("utf-8")
        self._viewer = None if viewer_token is None else viewer_token.encode("utf-8")

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
        if request.path in _OPEN or request.path.startswith(_PAGE):
            return None
        if self._token is None:
            return _foreign(request)
        given = request.getHeader(b"authorization") or b""
        scheme, _, word = given.partition(b" ")
        if scheme.lower() == b"bearer":
            if hmac.compare_digest(word.strip(), self._token):
                return None
            if self._viewer and hmac.compare_digest(word.strip(), self._viewer):
                return _as_viewer(request)
        return Problem(401, "unauthorized", "Authorization: Bearer TOKEN is needed")


def is_viewer(request: IRequest) -> bool:
    """Tell whether who asks may only look, and see no texts."""
    return getattr(request, "viewer", False)


def _as_viewer(request: Any) -> Problem | None:
    """Let a viewer look at what has no texts, or where they are masked."""
    request.viewer = True
    if request.method not in (b"GET", b"HEAD") or not _VIEWED(request.path):
        return Problem(403, "forbidden", "viewer_token only looks; this takes `token`")
    return None


def _foreign(request: IRequest) -> Problem | None:
    """Refuse what a web page of somebody else made a local browser send.

    Without a token, loopback is the only protection, and browsers are local.
    """
    if not _names_loopback(request.getHeader(b"host")):
        what = "the Host header names no loopback address, and no token is set"
        return Problem(403, "forbidden", what)
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


@lru_cache(maxsize=64)
def _names_loopback(header: bytes | None) -> bool:
    """Tell whether a Host header is absent or names this machine."""
    if not header:
        return True
    try:
        host = urlsplit("//" + header.decode("latin-1")).hostname or ""
    except ValueError:
        return False
    return is_loopback(host)


class ApiSite(BoundedSite):
    """The site of the API; `answered` hears method and status of each request."""

    def __init__(
        self,
        resource: IResource,
        body_limit: int,
        clock: IReactorTime,
        answered: Callable[[str, int], None],
    ) -> None:
        too_large = encode(_too_large(body_limit).body)
        super().__init__(resource, body_limit, clock, too_large)
        self._answered = answered

    def log(self, request: Any) -> None:
        """Tell method and status, and write nothing."""
        method = request.method if request.method in _METHODS else b"other"
        self._answered(method.decode("ascii"), request.code)
