"""A network in memory: real HTTP clients and servers, no ports, no real time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.test import iosim
from twisted.web.client import Agent
from twisted.web.iweb import IAgentEndpointFactory
from twisted.web.resource import IResource, Resource
from zope.interface import implementer

from gdemoi.cloud.channel import PROVIDERS
from gdemoi.cloud.channel_cloud import CloudChannel
from gdemoi.cloud.exchange import HttpAnswer
from gdemoi.cloud.http import CloudHttp
from gdemoi.cloud.provider import Provider, ProviderKind
from gdemoi.cloud.settings import CloudSettings
from gdemoi.cloud.textlocal import TextlocalSettings
from gdemoi.cloud.twilio.provider import TwilioSettings
from gdemoi.cloud.tyntec import TyntecSettings
from gdemoi.cloud.vonage.account import VonageSettings
from gdemoi.cloud.webhooks import MOST_OCTETS
from gdemoi.errors import Unavailable
from gdemoi.interfaces import ChannelContext, IChannel, IChannelEvents
from gdemoi.message import Inbound, Outbound, Outcome, Receipt, ReceiptMatch
from gdemoi.net.bodies import BoundedSite
from gdemoi.sandbox.clouds import Clouds, QuietSite, SandboxCloudsSettings
from gdemoi.settings import load

NOW = 1770120865.0
ACCOUNT = "AC0123456789abcdef0123456789abcdef"
TOKEN = "wh-0123456789abcdef"
PUBLIC = "http://127.0.0.1:22000"
CLOUDS = "http://127.0.0.1:22080"
DEMO = Path(__file__).parents[2] / "etc" / "demo.ini"
VECTORS = Path(__file__).parent / "vectors"


def vectors(name: str) -> Any:
    """Return the facts of one vector file."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def demo_settings(kind: str) -> CloudSettings:
    """Return the settings of the demo's first channel of a kind."""
    channels = load(str(DEMO)).channels
    return next(one.settings for one in channels if one.kind.name == kind)


def kind_of(settings: CloudSettings) -> ProviderKind:
    """Return the kind that has such settings."""
    (kind,) = [one for one in PROVIDERS if one.settings is type(settings)]
    return kind


def provider_of(name: str, settings: CloudSettings) -> Provider[Any]:
    """Return the provider that a channel with these settings would have."""
    return kind_of(settings).make(settings, name)


def message(text: str | None = "setparam 1;2 #€", **changes: Any) -> Outbound:
    """Return a message that lives one hour from NOW."""
    fields: dict[str, Any] = {
        "id": "g1",
        "to": "+79001234567",
        "accepted_at": NOW,
        "expires_at": NOW + 3600,
        "text": text,
    }
    return Outbound(**{**fields, **changes})


def twilio(**changes: Any) -> TwilioSettings:
    """Return Twilio settings."""
    fields: dict[str, Any] = {
        "account_sid": ACCOUNT,
        "auth_token": "tok",
        "allowed_sender": ("+14155552345", "GDEMOI"),
        "balance_every_s": 0.0,
    }
    return TwilioSettings(**{**fields, **changes})


def vonage(**changes: Any) -> VonageSettings:
    """Return Vonage settings, SMS API."""
    fields: dict[str, Any] = {
        "api": "sms",
        "api_key": "abcd1234",
        "api_secret": "s3cr3tXY",
        "signature_secret": "abcdefghijklmnopqrstuvwxyz012345",
        "allowed_sender": ("GDEMOI",),
        "balance_every_s": 0.0,
    }
    return VonageSettings(**{**fields, **changes})


def textlocal(**changes: Any) -> TextlocalSettings:
    """Return Textlocal settings."""
    fields: dict[str, Any] = {
        "api_key": "abcdefgh",
        "allowed_sender": ("GDEMOI",),
        "webhook_token": TOKEN,
        "balance_every_s": 0.0,
    }
    return TextlocalSettings(**{**fields, **changes})


def tyntec(**changes: Any) -> TyntecSettings:
    """Return Tyntec settings."""
    fields: dict[str, Any] = {
        "api_key": "k",
        "allowed_sender": ("GDEMOI",),
        "webhook_token": TOKEN,
    }
    return TyntecSettings(**{**fields, **changes})


@implementer(IStreamClientEndpoint)
class _MemoryRoute:
    def __init__(self, net: Net, host: str, port: int) -> None:
        self._net, self._host, self._port = net, host, port

    def connect(self, factory: Any) -> Deferred[Any]:
        """Connect in memory, or be refused."""
        server_factory = self._net.servers.get((self._host, self._port))
        if server_factory is None:
            return fail(ConnectionRefusedError())
        server = server_factory.buildProtocol(None)
        client = factory.buildProtocol(None)
        pump = iosim.connect(
            server,
            iosim.makeFakeServer(server),
            client,
            iosim.makeFakeClient(client),
            greet=False,
        )
        self._net.pumps.append(pump)
        return succeed(client)


@implementer(IAgentEndpointFactory)
class Net:
    """Hosts and the connections between them, moved on by hand."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.servers: dict[tuple[str, int], Any] = {}
        self.pumps: list[Any] = []

    def endpointForURI(self, uri: Any) -> _MemoryRoute:
        """Return the way to a host."""
        return _MemoryRoute(self, uri.host.decode("ascii"), uri.port)

    def agent(self) -> Agent:
        """Return a real HTTP client on this network."""
        return Agent.usingEndpointFactory(self.clock, self)

    def serve(self, port: int, resource: IResource) -> None:
        """Let a resource answer at 127.0.0.1, as the gateway serves webhooks."""
        self._serve(port, BoundedSite(resource, MOST_OCTETS, self.clock))

    def serve_clouds(self, port: int, clouds: Clouds) -> None:
        """Let sandbox clouds answer at 127.0.0.1."""
        self._serve(port, QuietSite(clouds))

    def serve_factory(self, port: int, factory: Any) -> None:
        """Let any server factory answer at 127.0.0.1."""
        self.servers[("127.0.0.1", port)] = factory

    def _serve(self, port: int, site: Any) -> None:
        # a connection that waits for its next request is no work left over
        site.reactor = self.clock
        site.timeOut = None
        self.serve_factory(port, site)

    def settle(self) -> None:
        """Carry octets until nothing moves."""
        for _ in range(200):
            moved = [pump.flush() for pump in list(self.pumps)]
            self.clock.advance(0)
            if not any(moved):
                return
        # something writes endlessly; time goes on

    def advance(self, seconds: float) -> None:
        """Let time pass, call by call."""
        end = self.clock.seconds() + seconds
        self.settle()
        while True:
            due = [call.getTime() for call in self.clock.getDelayedCalls()]
            following = min((t for t in due if t <= end), default=None)
            if following is None:
                break
            self.clock.advance(max(0.0, following - self.clock.seconds()))
            self.settle()
        self.clock.advance(max(0.0, end - self.clock.seconds()))
        self.settle()


@implementer(IChannelEvents)
class EventsRecorder:
    """What stands above a channel: writes everything down, unless it cannot."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.inbounds: list[Inbound] = []
        self.changes: list[tuple[str, str]] = []
        self.down = False

    def able(self, channel: IChannel) -> None:
        """Hear that something may have changed."""

    def receipt(self, receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        """Write a receipt down."""
        if self.down:
            return fail(Unavailable("the journal is away"))
        self.receipts.append(receipt)
        return succeed(None)

    def inbound(self, inbound: Inbound) -> Deferred[None]:
        """Write an inbound message down."""
        if self.down:
            return fail(Unavailable("the journal is away"))
        self.inbounds.append(inbound)
        return succeed(None)

    def late(self, message_id: str, attempt: int, outcome: Outcome) -> None:
        """Cloud channels have no late answers."""
        raise AssertionError("a late answer")

    def changed(
        self, channel: IChannel, state: str, reason: str, line: str | None = None
    ) -> None:
        """Hear of a change of state."""
        self.changes.append((state, reason))


class ChannelRig:
    """One cloud channel with its surroundings, on a network."""

    def __init__(
        self,
        settings: CloudSettings,
        name: str = "ch",
        net: Net | None = None,
        public_url: str | None = PUBLIC,
        cursors: dict[str, str] | None = None,
        kind: ProviderKind | None = None,
    ) -> None:
        self.net = net or Net()
        self.recorder = EventsRecorder()
        self.cursors = {} if cursors is None else cursors
        self.sms = Resource()
        root = Resource()
        root.putChild(b"sms", self.sms)
        self.net.serve(22000, root)
        context = ChannelContext(
            reactor=self.net.clock,
            clock=self.net.clock,
            random=lambda: 0.5,
            public_url=public_url,
            mount=lambda word, endpoint: self.sms.putChild(word.encode(), endpoint),
            cursor=lambda word: succeed(self.cursors.get(word)),
            set_cursor=self._set_cursor,
        )
        http = CloudHttp(
            self.net.agent(),
            self.net.clock,
            context.random,
            timeout_s=settings.timeout_s,
            in_flight=settings.in_flight,
        )
        provider = (kind or kind_of(settings)).make(settings, name)
        self.channel = CloudChannel("cloud", name, settings, provider, context, http)
        self.provider = provider

    def _set_cursor(self, word: str, value: str) -> Deferred[None]:
        self.cursors[word] = value
        return succeed(None)

    def start(self) -> ChannelRig:
        """Start the channel."""
        self.channel.start(self.recorder)
        self.net.settle()
        return self

    def submit(self, sms: Outbound, seconds: float = 0.0) -> Outcome | None:
        """Submit a message; the outcome if there is one after `seconds`."""
        prepared = self.channel.prepare(sms)
        outcomes: list[Outcome] = []
        self.channel.submit(prepared, 1).addCallback(outcomes.append)
        self.net.settle()
        if seconds:
            self.net.advance(seconds)
        return outcomes[0] if outcomes else None


class Answers(Resource):
    """A provider that answers what it is told to, and remembers the requests."""

    isLeaf = True

    def __init__(
        self, *replies: tuple[int, bytes, dict[str, str]] | Callable[..., Any]
    ):
        super().__init__()
        self.replies = list(replies)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    def render(self, request: Any) -> Any:
        """Answer with the next reply; the last one stays."""
        headers = {
            name.decode().lower(): values[0].decode()
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        self.requests.append(
            (
                request.method.decode(),
                request.uri.decode(),
                headers,
                request.content.read(),
            )
        )
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if callable(reply):
            return reply(request)
        status, body, headers = reply
        request.setResponseCode(status)
        for name, value in headers.items():
            request.setHeader(name, value)
        return body


def json_answer(http_status: int, /, **fields: Any) -> HttpAnswer:
    """Return a provider's answer that holds a JSON object."""
    return HttpAnswer(status=http_status, body=json.dumps(fields).encode())


def answered(value: Any, status: int = 200, **headers: str) -> Any:
    """Return a JSON reply for `Answers`."""
    return (status, json.dumps(value).encode(), headers)


def clouds(net: Net, **changes: Any) -> Clouds:
    """Put sandbox clouds on a network, callbacks going to channels by name."""
    fields: dict[str, Any] = {
        "twilio_incoming": f"{PUBLIC}/sms/ch/incoming",
        "vonage_incoming": f"{PUBLIC}/sms/ch/incoming",
        "vonage_messages_incoming": f"{PUBLIC}/sms/ch/incoming",
        "textlocal_incoming": f"{PUBLIC}/sms/ch/incoming/{TOKEN}",
        "tyntec_incoming": f"{PUBLIC}/sms/ch/incoming/{TOKEN}",
    }
    settings = SandboxCloudsSettings(**{**fields, **changes})
    sandbox = Clouds(settings, net.clock, net.agent())
    net.serve_clouds(22080, sandbox)
    return sandbox
