"""The cloud providers on one listening port, for tests and the demo.

Stateful fakes over the providers' own paths: they remember what they took, deliver
it after a while, sign callbacks like the real ones, and misbehave when told to.  A
channel is pointed at them with `base_url`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import IService
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from gdemoi.ini import boolean, duration, key, text, words
from gdemoi.ini import choice as one_of
from gdemoi.sandbox.clouds_http import (
    CallbackSender,
    CloudReply,
    CloudRequest,
    CloudRoute,
    ProviderApi,
)
from gdemoi.sandbox.clouds_network import (
    BEHAVIOURS,
    RECEIPTS,
    Behaviour,
    PhoneNetwork,
    silent,
    tracker,
)
from gdemoi.sandbox.clouds_textlocal import TextlocalApi, TextlocalApiSettings
from gdemoi.sandbox.clouds_twilio import TwilioApi, TwilioApiSettings
from gdemoi.sandbox.clouds_tyntec import TyntecApi, TyntecApiSettings
from gdemoi.sandbox.clouds_vonage import VonageApi, VonageApiSettings

SLOW_S: Final = 1.0  # between two octets of a slow answer
HUGE: Final = b"x" * 65536
EARLY_S: Final = 5.0  # an answer that comes after its receipt

log = Logger()


@frozen(kw_only=True, slots=False)
class CloudsSettings:
    """What all the sandbox's cloud providers share."""

    listen: str = key(
        text,
        default="tcp:22080:interface=127.0.0.1",
        doc="a Twisted endpoint description",
    )
    delivery_s: float = key(
        duration, default=1.0, doc="from a send to its last receipt"
    )
    answers: bool = key(
        boolean, default=True, doc="phones answer texts that end with ?"
    )
    behaviour: tuple[str, ...] = key(
        words,
        default=("ok",),
        doc=f"what happens to sends in turn: {', '.join(BEHAVIOURS)}",
    )
    receipts: str = key(
        one_of(*RECEIPTS), default="once", doc="how receipts go wrong, if at all"
    )
    unreachable: tuple[str, ...] = key(
        words, default=(), doc="phones that nothing is delivered to"
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Yield words that are no behaviour."""
        for word in self.behaviour:
            if word not in BEHAVIOURS:
                yield "behaviour", f"{word!r} is not one of {', '.join(BEHAVIOURS)}"


# A stand-in is one file, its class here, and its keys among the bases below.
APIS: Final[tuple[type[ProviderApi], ...]] = (
    TwilioApi,
    VonageApi,
    TextlocalApi,
    TyntecApi,
)


# attrs takes the keys of the last base first
@frozen(kw_only=True, slots=False)
class SandboxCloudsSettings(
    TyntecApiSettings,
    TextlocalApiSettings,
    VonageApiSettings,
    TwilioApiSettings,
    CloudsSettings,
):
    """The cloud providers on one port."""


class Clouds(Resource):
    """All of them behind one address."""

    isLeaf = True

    def __init__(
        self, settings: SandboxCloudsSettings, clock: IReactorTime, agent: IAgent
    ) -> None:
        super().__init__()
        own = settings
        self.clock = clock
        self.behaviour = Behaviour(own.behaviour)
        self.callbacks = CallbackSender(agent, clock)
        # "METHOD path" of every request, in order
        self.requests: list[CloudRequest] = []
        network = PhoneNetwork(
            clock,
            own.delivery_s,
            tracker if own.answers else silent,
            frozenset(own.unreachable),
            own.receipts,
        )
        self.network = network
        self.apis = {api.name: api(network, self.callbacks, own) for api in APIS}
        self._routes = [
            (route, api) for api in self.apis.values() for route in api.routes()
        ]

    def render(self, request: Any) -> Any:
        """Find whose address it is, and let it answer in its way."""
        asked = CloudRequest(
            method=request.method.decode("ascii"),
            path=request.path.decode("ascii"),
            query={
                name.decode("ascii"): values[0].decode("utf-8")
                for name, values in request.args.items()
            }
            if request.method == b"GET"
            else {},
            headers={
                name.decode("latin-1").lower(): values[0].decode("latin-1")
                for name, values in request.requestHeaders.getAllRawHeaders()
            },
            body=request.content.read(),
        )
        self.requests.append(asked)
        for route, api in self._routes:
            found = re.fullmatch(route.pattern, asked.path)
            if found is not None and route.method == asked.method:
                return self._answer(request, route, api, asked, found.groups())
        return _write(request, CloudReply(404, b"{}"))

    def _answer(
        self,
        request: Any,
        route: CloudRoute,
        api: ProviderApi,
        asked: CloudRequest,
        words: tuple[str, ...],
    ) -> Any:
        word = self.behaviour.next() if route.sends else "ok"
        if word in ("429", "500"):
            return _write(request, api.problem(int(word)))
        if word == "redirect":
            away = {"location": "http://evil.example/"}
            return _write(request, CloudReply(301, b"", headers=away))
        if word == "html":
            return _write(request, CloudReply(200, b"<html>hello</html>", "text/html"))
        if word == "partial":
            api.partial = True
        said = route.answer(asked, *words)
        match word:
            case "lost":
                request.transport.abortConnection()
                return NOT_DONE_YET
            case "reset":
                return _reset(request, said)
            case "slow":
                return self._slow(request, said)
            case "huge":
                return self._huge(request)
            case "early":
                self.clock.callLater(EARLY_S, _finish, request, said)
                return NOT_DONE_YET
        return _write(request, said)

    def _slow(self, request: Any, said: CloudReply) -> Any:
        """Write one octet a second."""
        gone: list[bool] = []
        request.notifyFinish().addErrback(lambda _: gone.append(True))
        _begin(request, said)
        octets = [said.body[i : i + 1] for i in range(len(said.body))]

        def write() -> None:
            if gone:
                return
            if not octets:
                request.finish()
                return
            request.write(octets.pop(0))
            self.clock.callLater(SLOW_S, write)

        write()
        return NOT_DONE_YET

    def _huge(self, request: Any) -> Any:
        """Write until the other side hangs up."""
        gone: list[bool] = []
        request.notifyFinish().addErrback(lambda _: gone.append(True))

        def write() -> None:
            if not gone:
                request.write(HUGE)
                self.clock.callLater(0.01, write)

        write()
        return NOT_DONE_YET


def _begin(request: Any, said: CloudReply) -> None:
    request.setResponseCode(said.status)
    request.setHeader("content-type", said.content_type)
    for name, value in said.headers.items():
        request.setHeader(name, value)


def _write(request: Any, said: CloudReply) -> bytes:
    _begin(request, said)
    return said.body


def _finish(request: Any, said: CloudReply) -> None:
    if request.channel is None:
        return
    _begin(request, said)
    request.write(said.body)
    request.finish()


def _reset(request: Any, said: CloudReply) -> Any:
    """Break the connection in the middle of the answer."""
    _begin(request, said)
    request.setHeader("content-length", str(len(said.body)))
    request.write(said.body[: len(said.body) // 2])
    request.transport.loseConnection()
    return NOT_DONE_YET


class QuietSite(Site):
    """A site without an access log."""

    noisy = False

    def log(self, request: Any) -> None:
        """Write no access log."""


def make_service(settings: SandboxCloudsSettings, reactor: Any) -> IService:
    """Return the clouds as a service that listens."""
    agent = Agent(reactor, connectTimeout=5.0, pool=HTTPConnectionPool(reactor))
    clouds = Clouds(settings, reactor, agent)
    endpoint = serverFromString(reactor, settings.listen)
    return StreamServerEndpointService(endpoint, QuietSite(clouds))
