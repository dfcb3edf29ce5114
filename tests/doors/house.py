"""A gateway in memory with HTTP doors, and a platform that is called.

Real: journal, dispatcher, doors, the HTTP client.  The far sides are a channel that the
test leads by hand, and a platform that answers what it is told to.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable
from typing import Any
from urllib.parse import parse_qsl

from attrs import define, field
from treq.testing import RequestTraversalAgent
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from gdemoi.accounts.account import Account
from gdemoi.accounts.settings import AccountSettings
from gdemoi.cloud.http import CloudHttp
from gdemoi.contract.envelope import Defaults
from gdemoi.doors.service import HttpDoors
from gdemoi.doors.settings import DoorSections
from gdemoi.doors.site import BODY_LIMIT
from gdemoi.journal import Journal
from gdemoi.message import (
    Accepted,
    Inbound,
    MessageState,
    Outbound,
    Outcome,
    Receipt,
    provider_key,
)
from gdemoi.net.bodies import BoundedSite
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router
from gdemoi.service.gateway import RunningGateway
from tests.http.gateway import Answer, parsed
from tests.routing.channels import HandChannel

NOW = 1_795_000_000.0
TO = "+79161234567"


@define
class Called:
    """A request that the platform had."""

    method: str
    host: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def query(self) -> dict[str, str]:
        """Return the fields of the query."""
        query = self.path.partition("?")[2]
        return dict(parse_qsl(query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """Return the fields of a form in the body."""
        return dict(parse_qsl(self.body.decode("ascii"), keep_blank_values=True))

    @property
    def json(self) -> Any:
        """Return the JSON in the body."""
        return json.loads(self.body)


@define
class Platform(Resource):
    """A server that keeps what it is asked, and answers what it is told to.

    `answers` come first, one each; then `status` and `said`.  None keeps silent.
    """

    isLeaf = True
    clock: Clock
    called: list[Called] = field(factory=list)
    answers: list[int | tuple[int, dict[str, str]] | None] = field(factory=list)
    status: int | None = 200
    said: bytes = b""
    silent: int = 0

    def __attrs_post_init__(self) -> None:
        Resource.__init__(self)

    def render(self, request: IRequest) -> Any:
        headers = {
            name.decode().lower(): values[0].decode()
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        self.called.append(
            Called(
                request.method.decode(),
                headers["host"],
                request.uri.decode("ascii"),
                headers,
                request.content.read(),
                self.clock.seconds(),
            )
        )
        answer = self.answers.pop(0) if self.answers else self.status
        if answer is None:
            self.silent += 1
            return NOT_DONE_YET
        status, more = answer if isinstance(answer, tuple) else (answer, {})
        request.setResponseCode(status)
        for name, value in more.items():
            request.setHeader(name, value)
        return self.said

    @property
    def times(self) -> list[float]:
        """Return when it was called, in seconds since NOW."""
        return [one.at - NOW for one in self.called]

    @property
    def states(self) -> list[str]:
        """Return the states of the events that came as JSON."""
        return [one.json["state"] for one in self.called]


class DoorsTestCase(SynchronousTestCase):
    """A house with HTTP doors; a test says what it has in `sections`."""

    url = "sqlite://"
    # whether the channel takes all that was sent before the next request
    settles = True

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.platform = Platform(self.clock)
        self.channel = HandChannel()
        self.accounts = {"fleet": AccountSettings()}
        self.sections = DoorSections()
        self.running = False

    def tearDown(self) -> None:
        if self.running:
            self.close()

    def client(self, networks: Any, timeout_s: float) -> CloudHttp:
        """Return a client that finds the platform wherever it goes."""
        self.agent = RequestTraversalAgent(self.platform)
        return CloudHttp(
            self.agent,
            self.clock,
            lambda: 0.5,
            timeout_s=timeout_s,
            in_flight=100,
            insecure=True,
        )

    def open(self, journal: Journal | None = None) -> None:
        """Start the house."""
        self.journal = journal or Journal(self.url, self.clock, inline=True)
        self.result(self.journal.open())
        self.dispatcher = Dispatcher(
            self.journal, self.clock, Router([], ["a"]), [self.channel]
        )
        self.result(self.dispatcher.start())
        self.gateway = RunningGateway(
            self.dispatcher, self.journal, self.clock, Defaults("RU"), "test"
        )
        self.doors = HttpDoors(
            self.sections,
            {
                name: Account(name, one, self.journal, self.clock)
                for name, one in self.accounts.items()
            },
            self.gateway,
            self.journal,
            self.clock,
            lambda: 0.0,
            self.client,
        )
        self.result(self.doors.load())
        self.running = True

    def close(self) -> None:
        """Stop the house."""
        self.settle()
        self.running = False
        stopping = Deferred.fromCoroutine(self.doors.stop())
        self.clock.pump([0.05] * 120)
        self.successResultOf(stopping)
        self.result(self.dispatcher.stop(0.0))
        self.result(self.journal.close())
        # requests that the platform keeps silent about have their deadline still
        self.clock.advance(60.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def restart(self) -> None:
        """Stop, and start again from the same journal file."""
        self.close()
        self.channel.submitted.clear()
        self.open()

    def result(self, work: Awaitable[Any]) -> Any:
        """Return what something comes to."""

        async def awaited() -> Any:
            return await work

        return self.successResultOf(Deferred.fromCoroutine(awaited()))

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.agent.flush()

    # -- requests

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        host: str = "10.0.0.1",
    ) -> Answer:
        """Ask the only port there is; return its answer."""
        if not self.running:
            self.open()
        self.settle()
        transport = self.begin(path, method, body, headers, host)
        heard = transport.value()
        assert heard, "no answer"
        transport.protocol.connectionLost(Failure(ConnectionDone()))
        return parsed(heard)

    def settle(self) -> None:
        """Let the channel take what it was given: commands to a number wait for it."""
        for ready, _, waiting in self.channel.submitted:
            if not waiting.called and self.settles:
                waiting.callback(Accepted(provider_ids=(f"p-{ready.message.id}",)))

    def begin(
        self,
        path: str,
        method: str = "GET",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        host: str = "10.0.0.1",
    ) -> Any:
        """Send a request; return where its answer will be."""
        [site] = self.doors.sites.values()
        transport: Any = StringTransport(peerAddress=IPv4Address("TCP", host, 40000))
        factory = BoundedSite(site, BODY_LIMIT, self.clock)
        protocol: Any = factory.buildProtocol(transport.getPeer())
        protocol.makeConnection(transport)
        transport.protocol = protocol
        lines = [f"{method} {path} HTTP/1.1", "host: gateway"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body or method == "POST":
            lines.append(f"content-length: {len(body)}")
        protocol.dataReceived("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return transport

    # -- messages

    def send(self, message_id: str, **fields: Any) -> None:
        """Take a message that no door brought."""
        now = self.clock.seconds()
        message = Outbound(
            **{
                "id": message_id,
                "to": TO,
                "accepted_at": now,
                "expires_at": now + 7200,
                "text": "ping",
                "account": "fleet",
                **fields,
            }
        )
        [verdict] = self.result(self.gateway.accept([(message, b"")]))
        self.assertEqual(type(verdict).__name__, "Stored")

    def answer(self, message_id: str, outcome: Outcome | None = None) -> None:
        """Let the channel take a message, or say what else."""
        self.channel.answer(
            outcome or Accepted(provider_ids=(f"p-{message_id}",)),
            self.channel.ids.index(message_id),
        )

    def outcome(
        self, message_id: str, state: MessageState = MessageState.DELIVERED, **more: Any
    ) -> None:
        """Let the network say what became of a message that was submitted."""
        receipt = Receipt(
            account=self.channel.account,
            channel="a",
            provider_id=f"p-{message_id}",
            keys=(provider_key(f"p-{message_id}"),),
            state=state,
            **more,
        )
        self.result(self.journal.receipt(receipt))

    def delivered(self, message_id: str) -> None:
        """Let a message go all its way."""
        self.answer(message_id)
        self.outcome(message_id)

    def arrive(self, text: str | None = "hello", **fields: Any) -> None:
        """Let an SMS come in."""
        sms = Inbound(
            **{
                "channel": "a",
                "from_": TO,
                "to": "7777",
                "received_at": self.clock.seconds(),
                "text": text,
                **fields,
            }
        )
        self.result(self.journal.inbound(sms))

    def door(self, name: str) -> dict[str, Any]:
        """Return a door as an operator sees it."""
        return next(one for one in self.doors.describe() if one["name"] == name)
