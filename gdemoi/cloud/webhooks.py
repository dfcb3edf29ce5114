"""The resources that providers call: /sms/<channel>/incoming and …/status.

It knows bodies, methods, tokens and answers of HTTP; what a webhook says is read by
the provider's pure file.  One answers 2xx only after what it was told is written
down; 503 makes the provider come again.  Nothing is echoed, and a refusal has no
body: whoever forges webhooks learns nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from gdemoi.cloud.exchange import (
    Webhook,
    WebhookContent,
    WebhookDenied,
    WebhookKind,
    WebhookReply,
)
from gdemoi.cloud.freshness import ClockWatch, differs
from gdemoi.cloud.open_messages import SeenMarks
from gdemoi.cloud.provider import Provider
from gdemoi.cloud.reading import same
from gdemoi.errors import TheirFault, Unavailable
from gdemoi.tasks import spawn

MOST_OCTETS: Final = 64 * 1024  # no webhook of these providers comes near it
COME_AGAIN_S: Final = 30

Take = Callable[[WebhookContent], Awaitable[None]]


log = Logger()


@define
class WebhookHandlers:
    """What both webhook resources of a channel share.

    `take` records what was told and fires after the commit; it fails with
    `Unavailable` when that cannot be done now.
    """

    provider: Provider[Any]
    public_url: str
    token: str | None = field(repr=False)
    open_handlers: frozenset[WebhookKind]
    clock: IReactorTime
    take: Take
    channel: str
    seen: SeenMarks = field(factory=SeenMarks)
    counts: Counter[str] = field(factory=Counter)
    clocks: ClockWatch = field(factory=ClockWatch)

    def resource(self) -> Resource:
        """Return what is mounted at /sms/<channel>/."""
        root = _NotFoundResource()
        for kind in self.open_handlers:
            root.putChild(kind.value.encode("ascii"), WebhookResource(self, kind))
        return root

    async def answer(self, webhook: Webhook) -> WebhookReply:
        """Return how a webhook is answered, once what it told is safe."""
        now = self.clock.seconds()
        try:
            content = self.provider.events_of(webhook, now)
        except TheirFault as why:
            return self._refused(webhook, WebhookDenied(400, str(why)))
        if isinstance(content, WebhookDenied):
            return self._refused(webhook, content)
        if content.signed_at is not None:
            self._look_at_clocks(webhook, content.signed_at, now)
        if content.ignored is not None:
            self.counts[content.ignored] += 1
        mark = content.replay_key
        if mark is not None and self.seen.knows(mark, now):
            self.counts["repeated webhook"] += 1
            return content.reply
        try:
            await self.take(content)
        except Unavailable as why:
            self.counts["webhook put off"] += 1
            log.warn(
                "{channel}: a webhook is put off: {why}", channel=self.channel, why=why
            )
            return WebhookReply(503)
        if mark is not None:
            self.seen.remember(mark, now + content.replay_window_s)
        return content.reply

    def _look_at_clocks(self, webhook: Webhook, at: float, now: float) -> None:
        """Say when the provider's clock and ours are apart; seldom, for both last."""
        if differs(at, now):
            self.counts["far clock"] += 1
        why = self.clocks.seen(at, now)
        if why is not None:
            log.warn(
                "{channel}: {kind} webhook {why}",
                channel=self.channel,
                kind=webhook.kind.value,
                why=why,
            )

    def _refused(self, webhook: Webhook, denied: WebhookDenied) -> WebhookReply:
        self.counts["refused webhook"] += 1
        log.warn(
            "{channel}: {kind} webhook refused with {status}: {why}",
            channel=self.channel,
            kind=webhook.kind.value,
            status=denied.status,
            why=denied.why,
        )
        return WebhookReply(denied.status)


class _NotFoundResource(Resource):
    """Where there is no resource: 404, and not a word more."""

    def getChild(self, path: bytes, request: Any) -> Resource:
        """Answer for a name that is not there."""
        return self

    def render(self, request: Any) -> bytes:
        """Refuse."""
        return finish(request, WebhookReply(404))


class WebhookResource(Resource):
    """The resource of one kind of webhook."""

    isLeaf = True

    def __init__(self, handlers: WebhookHandlers, kind: WebhookKind) -> None:
        super().__init__()
        self._handlers = handlers
        self._kind = kind

    def render(self, request: Any) -> Any:
        """Refuse what is not for this resource, then read it."""
        status = self._status_of(request)
        if status is not None:
            self._handlers.counts["refused webhook"] += 1
            return finish(request, WebhookReply(status))
        spawn(self._serve(request), log, "webhook")
        return NOT_DONE_YET

    def _status_of(self, request: Any) -> int | None:
        """Return why the request is refused before anything in it is read."""
        token = self._handlers.token
        given = [word.decode("utf-8", "replace") for word in request.postpath]
        if token is None and given not in ([], [""]):
            return 404
        if token is not None and not same(token, given[0] if len(given) == 1 else ""):
            return 404
        if request.too_large:
            return 413
        takes = self._handlers.provider.takes(self._kind)
        method = request.method.decode("ascii", "replace")
        if method not in takes:
            request.setHeader(b"allow", ", ".join(takes).encode("ascii"))
            return 405
        return None if self._fits(request, takes, method) else 415

    @staticmethod
    def _fits(request: Any, takes: Mapping[str, Sequence[str]], method: str) -> bool:
        """Tell whether the body's type is one that this provider sends."""
        given = (request.getHeader(b"content-type") or b"").decode("latin-1")
        kind = given.partition(";")[0].strip().lower()
        return not takes[method] or kind in takes[method]

    async def _serve(self, request: Any) -> None:
        gone: list[bool] = []
        request.notifyFinish().addBoth(lambda _: gone.append(True))
        request.content.seek(0)
        webhook = Webhook(
            kind=self._kind,
            method=request.method.decode("ascii"),
            # Host and X-Forwarded-* are whatever the caller says they are
            url=self._handlers.public_url + request.uri.decode("latin-1"),
            headers=tuple(
                (name.decode("latin-1").lower(), value.decode("utf-8", "replace"))
                for name, values in request.requestHeaders.getAllRawHeaders()
                for value in values
            ),
            body=request.content.read(),
        )
        reply = await self._handlers.answer(webhook)
        if not gone:
            body = finish(request, reply)
            if body:
                request.write(body)
            request.finish()


def finish(request: Any, reply: WebhookReply) -> bytes:
    """Set status and headers; return the body."""
    # never a type by default: text/plain may be sent to the phone as an answer
    request.defaultContentType = None
    request.setResponseCode(reply.status)
    if reply.status == 503:
        request.setHeader(b"retry-after", b"%d" % COME_AGAIN_S)
    if reply.status == 413:
        # the rest of the connection may be the rest of the body
        request.setHeader(b"connection", b"close")
    if reply.content_type is not None:
        request.setHeader(b"content-type", reply.content_type.encode("ascii"))
    return reply.body
