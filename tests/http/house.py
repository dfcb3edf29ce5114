"""A whole gateway for the page: an SMSC, a GoIP with two SIMs, a carrier that is away.

Real: channels, dispatcher, journal, API.  The far sides are those of the sandbox, on
wires in memory; time is the test's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from gdemoi.contract.envelope import Defaults
from gdemoi.http.api import Api
from gdemoi.http.settings import HttpSettings
from gdemoi.interfaces import ChannelContext
from gdemoi.journal import Journal
from gdemoi.message import MessageClass
from gdemoi.profiles.library import Library
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router
from gdemoi.routing.trackers import TrackerRule, Trackers, TrackerSettings
from gdemoi.sandbox.goip_box import GoipBox, GoipPersonality
from gdemoi.sandbox.goip_net import LinkQuality, MemoryNetwork
from gdemoi.sandbox.memory import MemoryNet
from gdemoi.sandbox.smsc import Smsc, SmscPersonality, SmscProtocol
from gdemoi.sandbox.smsc_personality import Refusal
from gdemoi.service.gateway import RunningGateway
from gdemoi.smpp.channel import SmppChannel
from gdemoi.smpp.settings import SmppSettings
from tests.goip.rig import Rig, line_settings
from tests.http.gateway import Connection

GONE = Failure(ConnectionDone())
TOKEN = "open sesame"
VIEWER = "only looking"
# a number that the SMSC takes nothing for
REFUSED = "79160000011"
TRACKER = "+79165550001"


class House:
    """The gateway, and what its far sides do."""

    def __init__(
        self,
        *,
        personality: dict[str, Any] | None = None,
        smpp: dict[str, Any] | None = None,
        listens: Callable[[], Any] | None = None,
        **settings: Any,
    ) -> None:
        self._personality, self._listens = personality or {}, listens
        self.rig = Rig(
            {"sim1": line_settings(min_interval_s=0.0), "sim2": line_settings()},
            start=False,
        )
        self.clock = self.rig.clock
        self._devices()
        self._centre()
        self.journal = Journal("sqlite://", self.clock, inline=True)
        self.result(self.journal.open())
        away = self._smpp("away", "gone.example", {})
        given_smpp = {"source_ton": 5, **(smpp or {})}
        carrier = self._smpp("carrier", "smsc.example", given_smpp)
        names = ("carrier", "office", "away")
        self.dispatcher = Dispatcher(
            self.journal,
            self.clock,
            Router([], names),
            [carrier, self.rig.channel, away],
        )
        self.result(self.dispatcher.start())
        library = Library()
        library.load()
        rules = (
            TrackerRule("cars", TrackerSettings(profile="teltonika", to=(TRACKER,))),
        )
        self.dispatcher.intake.trackers = Trackers(library, rules, self.journal.tracker)
        self.gateway = RunningGateway(
            self.dispatcher, self.journal, self.clock,
            Defaults("RU", profiles=library), "gdemoi-1",
        )  # fmt: skip
        self.result(self.gateway.watch.start())
        given = HttpSettings(token=TOKEN, viewer_token=VIEWER, **settings)
        self.api = Api(self.gateway, given, self.clock)
        self.requests: list[tuple[str, str]] = []
        # when true no answer comes back, although the gateway has heard the request
        self.loses_answers = False
        self.pass_time(10)

    def close(self) -> None:
        """End it."""
        self.api.close()
        self.gateway.watch.stop()
        stopped = Deferred.fromCoroutine(self.dispatcher.stop(0.0))
        self.pass_time(5)
        self.result(stopped)
        self.result(self.journal.close())

    def _devices(self) -> None:
        self.network = MemoryNetwork(self.clock, LinkQuality(), 5)
        self.rig.reactor.listenUDP = self._listen  # type: ignore[assignment]
        self.box = GoipBox(self.clock)
        self.sims = []
        for n, name in enumerate(("sim1", "sim2")):
            lines: list[Any] = []
            send = self.network.plug(
                ("192.0.2.9", 10991 + n),
                lambda said, lines=lines: lines[0].receive(said),
            )
            line = self.box.add(
                name, "password1", f"+7900000000{n}", send, GoipPersonality()
            )
            if n == 1:
                line.signal, line.gsm_status = 4, "LOGOUT"
            lines.append(line)
            self.sims.append(line)
            line.start()

    def _listen(self, port: int, protocol: Any, interface: str = "") -> Any:
        self.network.attach(protocol)
        return self.network

    def _centre(self) -> None:
        self.net = MemoryNet(self.clock)
        values: dict[str, Any] = {
            "password": "secret", "refuse": (Refusal(REFUSED, 0x0B),),
            **self._personality,
        }  # fmt: skip
        self.personality = SmscPersonality(**values)
        self.smsc = Smsc({"esme": self.personality}, self.clock)
        listens = self._listens or (lambda: SmscProtocol(self.smsc))
        self.net.listen("smsc.example", 2775, listens)

    def _smpp(self, name: str, host: str, more: dict[str, Any]) -> SmppChannel:
        values: dict[str, Any] = {
            "host": (host,), "system_id": "esme", "password": "secret",
            "account": name, **more,
        }  # fmt: skip
        settings = SmppSettings(**values)
        context = ChannelContext(
            reactor=None,
            clock=self.clock,
            random=lambda: 0.5,
            public_url=None,
            mount=lambda name, resource: None,
            cursor=lambda name: succeed(None),
            set_cursor=lambda name, value: succeed(None),
        )
        connect = lambda host: self.net.endpoint(host.name, host.port)  # noqa: E731
        return SmppChannel(name, settings, context, connect)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.rig.pass_time(seconds, 0.25)

    def result(self, work: Awaitable[Any]) -> Any:
        """Return what something comes to at once."""
        found: list[Any] = []

        async def awaited() -> Any:
            return await work

        Deferred.fromCoroutine(awaited()).addBoth(found.append)
        (one,) = found
        return one

    def send(self, id_: str, text: str, to: str = "+79161234567", **more: Any) -> None:
        """Take a message and let it go its way."""
        more.setdefault("class_", MessageClass.COMMAND)
        more.setdefault("from_", None)
        message = self.rig.message(text, id=id_, to=to, **more)
        self.result(self.gateway.accept([(message, text.encode())]))
        self.pass_time(2)

    def channel_says(self, text: str) -> None:
        """Let the GoIP and a message's error tell a text."""
        self.sims[0].receive_sms("+79990000000", text)
        self.pass_time(5)

    def asked(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> bytes:
        """Return the octets of an answer, as `tests.http.chromium` wants them."""
        self.requests.append((method, target))
        lines = [f"{method} {target} HTTP/1.1", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection = Connection(self.api)
        head = "\r\n".join(lines).encode("latin-1")
        connection.send(head + b"\r\n\r\n" + body)
        heard = connection.heard()
        for _ in range(40):
            if heard:
                break
            # a device answers after a while
            self.pass_time(0.25)
            heard = connection.heard()
        if self.loses_answers:
            return b""
        if connection.transport.producer is not None:
            # a stream is read once, and its reader comes again
            connection.protocol.connectionLost(GONE)
        return heard
