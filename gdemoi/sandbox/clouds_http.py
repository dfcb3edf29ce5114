"""What the sandbox's providers share: requests, answers, books and callbacks."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from gdemoi.cloud.exchange import HttpRequest
from gdemoi.cloud.http import CloudHttp
from gdemoi.errors import Unavailable
from gdemoi.sandbox.clouds_network import CloudSms, PhoneNetwork
from gdemoi.tasks import spawn

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
# Pauses before a callback is tried again.
AGAIN_S: Final = (1.0, 5.0, 10.0)

log = Logger()


@frozen
class CloudRequest:
    """A request that a sandbox provider got; header names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        """Return the form in the body."""
        text = self.body.decode("utf-8")
        return dict(parse_qsl(text, keep_blank_values=True))

    def json(self) -> dict[str, Any]:
        """Return the JSON object in the body; an empty one when it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@frozen
class CloudReply:
    """What a sandbox provider answers."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(factory=dict)


def json_reply(status: int, value: Any, **headers: str) -> CloudReply:
    """Return a JSON answer."""
    body = json.dumps(value, ensure_ascii=False).encode("utf-8")
    return CloudReply(
        status, body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


@frozen
class CloudRoute:
    """One address of a provider; `sends`: misbehaviour applies here."""

    method: str
    pattern: str
    answer: Callable[..., CloudReply]
    sends: bool = False


class CallbackSender:
    """Brings callbacks to the gateway, again and again until one is answered 2xx."""

    def __init__(self, agent: IAgent, clock: IReactorTime) -> None:
        self._clock = clock
        self._http = CloudHttp(
            agent, clock, lambda: 0.5, timeout_s=15.0, in_flight=20, insecure=True
        )
        # (url, status or None) of every try
        self.tries: list[tuple[str, int | None]] = []

    def bring(self, url: str | None, body: bytes, headers: dict[str, str]) -> None:
        """Start to bring a callback; without an address there is none."""
        if url:
            request = HttpRequest(
                method="POST",
                url=url.partition("#")[0],
                headers=tuple(headers.items()),
                body=body,
            )
            spawn(self._bring(request), log, "callback")

    async def _bring(self, request: HttpRequest) -> None:
        for pause_s in (*AGAIN_S, None):
            status = await self._try(request)
            self.tries.append((request.url, status))
            if (status is not None and status < 500) or pause_s is None:
                return
            await deferLater(self._clock, pause_s)

    async def _try(self, request: HttpRequest) -> int | None:
        try:
            answer = await self._http.send(request)
        except Unavailable as why:
            log.info("callback failed: {why}", why=why)
            return None
        return answer.status


class ProviderApi(ABC):
    """One provider: its books, its numbers, its callbacks.

    `own` are its settings: attributes that begin with its name, one of them
    ``NAME_incoming`` (where inbound messages are posted).
    """

    name: ClassVar[str]
    # "partial" was asked for: some segments of the next send are not taken
    partial = False

    def __init__(
        self, network: PhoneNetwork, callbacks: CallbackSender, own: Any
    ) -> None:
        self.network = network
        self.callbacks = callbacks
        self.incoming: str | None = getattr(own, f"{self.name}_incoming")
        self.books: dict[str, CloudSms] = {}
        self.received: list[CloudSms] = []
        self.balance = 100.0
        self._count = 0

    @property
    def now(self) -> float:
        """The provider's clock."""
        return self.network.clock.seconds()

    @abstractmethod
    def routes(self) -> list[CloudRoute]:
        """Return the addresses this provider answers at."""

    def problem(self, status: int) -> CloudReply:
        """Return an error answer as this provider writes it."""
        return json_reply(status, {"title": f"error {status}", "detail": "sandbox"})

    @abstractmethod
    def tell(self, sms: CloudSms) -> None:
        """Bring a receipt for the message's state."""

    @abstractmethod
    def receive(self, sms: CloudSms) -> None:
        """Bring what a phone sent."""

    def number(self) -> int:
        """Return the next number of the books."""
        self._count += 1
        return self._count

    def take(self, sms: CloudSms) -> None:
        """Note a message and hand it to the network."""
        self.books[sms.id] = sms
        self.balance -= 0.05 * sms.parts
        self.network.carry(sms, self.tell, self._answered)

    def _answered(self, sms: CloudSms) -> None:
        sms.number = self.number()
        self.received.append(sms)
        self.receive(sms)
