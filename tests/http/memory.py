"""A whole gateway without sockets, and a WSGI application that asks it.

Checkers of APIs speak WSGI; every request goes through the octets of HTTP all the
same, and through the API, the gateway and a journal in memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gdemoi.contract.envelope import Defaults
from gdemoi.http.api import Api
from gdemoi.http.settings import HttpSettings
from gdemoi.journal import Journal
from gdemoi.message import Error, MessageState, Receipt
from gdemoi.profiles.library import Library
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router
from gdemoi.routing.trackers import TrackerRule, Trackers
from gdemoi.service.gateway import RunningGateway
from tests.http.gateway import NOW, Connection, parsed
from tests.routing.channels import HandChannel
from tests.service.test_gateway import TracedChannel

# The most that a long poll may wait; the clock is moved past it.
LONG_POLL_S = 60.0
PASSED = [
    {"number": number, "at": NOW, "direction": "out", "link": "1", "line": "submit_sm"}
    for number in (1, 2)
]
Environ = dict[str, Any]
# what neither end of a connection hands on to an application
_HOP_BY_HOP = ("transfer-encoding", "connection")


def result(work: Awaitable[Any]) -> Any:
    """Return what something comes to at once."""
    found: list[Any] = []

    async def awaited() -> Any:
        return await work

    Deferred.fromCoroutine(awaited()).addBoth(found.append)
    (one,) = found
    return one


async def reloaded(dry_run: bool) -> dict[str, Any]:
    """Return what a file that has not changed comes to."""
    return {"status": "unchanged", "changes": [], "complaints": [], "warnings": []}


class Whole:
    """A gateway with two channels and an API, from the octets to the journal."""

    def __init__(self, token: str, rules: Sequence[TrackerRule] = ()) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.journal = Journal("sqlite://", self.clock, inline=True)
        result(self.journal.open())
        self.channel = TracedChannel(kind="smpp", kept=PASSED)
        plain = HandChannel(name="b", account="b")
        self.dispatcher = Dispatcher(
            self.journal, self.clock, Router([], ["a", "b"]), [self.channel, plain]
        )
        result(self.dispatcher.start())
        library = Library()
        self.dispatcher.intake.trackers = Trackers(
            library, tuple(rules), self.journal.tracker
        )
        defaults = Defaults("RU", profiles=library)
        gateway = RunningGateway(
            self.dispatcher, self.journal, self.clock, defaults, "test"
        )
        gateway.reload_now = reloaded
        settings = HttpSettings(token=token, long_poll_s=LONG_POLL_S)
        self.api = Api(gateway, settings, self.clock)
        self._token = token

    def live(self) -> None:
        """Let a message pass with all that can be told of it, and one that waits."""
        self.ask("POST", "/v1/messages", LIVED)
        self.channel.answer()
        receipt = Receipt(
            account="account-a", channel="a", provider_id="p-lived", keys=("p-lived",),
            state=MessageState.DELIVERED, at=NOW, raw="id:p-lived stat:DELIVRD",
        )  # fmt: skip
        result(self.dispatcher.receipt(receipt))
        stray = Receipt(
            account="account-a", channel="a", provider_id="X", keys=("x",),
            state=MessageState.UNDELIVERED, at=NOW, error=Error("receipt:1", "no"),
        )  # fmt: skip
        result(self.dispatcher.receipt(stray))

    def close(self) -> None:
        """End it."""
        result(self.dispatcher.stop(0.0))
        result(self.journal.close())

    def ask(self, method: str, target: str, body: bytes = b"", **more: str) -> bytes:
        """Return the octets of an answer; a long poll ends at once."""
        headers = {"authorization": f"Bearer {self._token}"} | more
        return self.asked(method, target, body, headers)

    def asked(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> bytes:
        """Return the octets of an answer to a request with these headers only."""
        lines = [f"{method} {target} HTTP/1.1", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection = Connection(self.api)
        head = "\r\n".join(lines).encode("latin-1")
        connection.send(head + b"\r\n\r\n" + body)
        heard = connection.heard()
        if not heard:
            self.clock.advance(LONG_POLL_S)
            heard = connection.heard()
        return heard

    def wsgi(
        self, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer as a WSGI application (PEP 3333)."""
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        headers["host"] = "localhost"
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        # as it was written: PATH_INFO is unquoted
        target = environ["RAW_URI"].partition("?")[0]
        if environ["QUERY_STRING"]:
            target += "?" + environ["QUERY_STRING"]
        heard = self.asked(environ["REQUEST_METHOD"], target, body, headers)
        answer = parsed(heard)
        words = HTTPStatus(answer.status).phrase
        kept = [one for one in answer.headers.items() if one[0] not in _HOP_BY_HOP]
        start_response(f"{answer.status} {words}", kept)
        return [answer.body]


LIVED = (
    b'{"id":"lived","to":"+79161234567","text":"x","correlation":[1e999],'
    b'"expires_at":"9999-12-31T23:59:59-23:59"}'
)
