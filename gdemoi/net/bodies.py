"""An HTTP server whose requests may bring only so much.

A body over the limit is never kept in memory, chunked or not; the client hears 413
instead of a broken connection, unless its body has no end.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

# How many times the limit is read and thrown away.
PATIENCE: Final = 8


class BoundedRequest(Request):
    """A request whose body is in memory, up to the limit of its site.

    `too_large`: it was over the limit, and is empty now.
    """

    too_large = False
    _taken = 0
    content: BytesIO

    @property
    def body_limit(self) -> int:
        """The octets that a body may have."""
        channel: Any = self.channel
        limit: int = channel.site.body_limit
        return limit

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
        channel: Any = self.channel
        body: bytes = channel.site.too_large
        kind = b"content-type: application/json\r\n" if body else b""
        channel.transport.write(
            b"HTTP/1.1 413 Request Entity Too Large\r\n%sconnection: close\r\n"
            b"content-length: %d\r\n\r\n%s" % (kind, len(body), body)
        )
        channel.loseConnection()


class BoundedSite(Site):
    """A site with a limit on bodies, and without an access log.

    Addresses hold secret tokens and phone numbers.  Forms are parsed by nobody:
    `request.args` would mix query and body.  `too_large` is the JSON that a body
    without end is answered with; empty: none.
    """

    displayTracebacks = False
    noisy = False

    def __init__(
        self,
        resource: IResource,
        body_limit: int,
        clock: IReactorTime,
        too_large: bytes = b"",
    ) -> None:
        super().__init__(
            resource,
            requestFactory=BoundedRequest,
            parsePOSTFormSubmission=False,
            reactor=clock,
        )
        self.body_limit = body_limit
        self.too_large = too_large

    def log(self, request: Any) -> None:
        """Write nothing."""
