"""The platform's side as a whole: one connection, what runs on it, and its end.

Connects to the brokers in their order of preference, logs in, declares, opens
publishers and consumer, in that order; when anything fails, everything starts
over.  What was unconfirmed or unacked is then told or taken again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from math import ceil
from typing import Any, Final

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from gdemoi.amqp.answers import Answers
from gdemoi.amqp.client import Client
from gdemoi.amqp.consumer import Consumer
from gdemoi.amqp.events import EventsPublisher
from gdemoi.amqp.ingress import Ingress
from gdemoi.amqp.mapping import Reader, headers, mapped, v1
from gdemoi.amqp.settings import AmqpMapSettings, AmqpSettings, BrokerUrl
from gdemoi.amqp.topology import Topology, Upkeep
from gdemoi.contract.envelope import Defaults
from gdemoi.contract.figures import AmqpStatus
from gdemoi.contract.gateway import MessageIntake
from gdemoi.errors import ConfigurationError, Unavailable
from gdemoi.interfaces import IJournal
from gdemoi.net.certificates import client_options
from gdemoi.net.endpoints import HostEndpoint
from gdemoi.net.hosts import Host, Hosts
from gdemoi.net.reconnector import Backoff, Reconnector, ReconnectorState

CLOSE_TIMEOUT_S: Final = 3.0
# One attempt on all brokers may take this much longer than its parts: the lookup
# of the name and the connection, each.
_SLACK_S: Final = 1.0
_BACKOFF: Final = Backoff(first_s=0.5, last_s=30.0)


def reader(
    settings: AmqpSettings, maps: Mapping[str, AmqpMapSettings], defaults: Defaults
) -> Reader:
    """Return the reader that the settings ask for."""
    if settings.format == "headers":
        return headers(defaults)
    if settings.format == "map":
        found = maps.get(settings.map or "")
        if found is None:
            raise ConfigurationError(f"there is no section [amqp-map:{settings.map}]")
        return mapped(found.fields(), defaults)
    return v1(defaults)


def endpoint(
    reactor: Any, settings: AmqpSettings, broker: BrokerUrl, host: Host
) -> IStreamClientEndpoint:
    """Return the endpoint of one broker, with TLS where its URL asks for it.

    `host` is the broker's, and remembers how its addresses fared.
    """
    plain = HostEndpoint(reactor, host, timeout_s=settings.connect_timeout_s)
    if not broker.tls:
        return plain
    return wrapClientTLS(tls_options(settings, broker.host), plain)


def tls_options(settings: AmqpSettings, host: str) -> Any:
    """Return how the broker's certificate is checked, and ours shown."""
    return client_options(host, settings.tls_ca, settings.tls_certificate)


class AmqpService:
    """Starts and stops everything that speaks AMQP.

    `start()`; at the end `stop_taking()`, so that what was taken can finish, and
    when the last events are written, `stop()`.
    """

    def __init__(
        self,
        settings: AmqpSettings,
        maps: Mapping[str, AmqpMapSettings],
        gateway: MessageIntake,
        journal: IJournal,
        reactor: Any,
        *,
        defaults: Defaults,
        name: str,
        connect_to: Callable[[BrokerUrl, Host], IStreamClientEndpoint] | None = None,
        backoff: Backoff = _BACKOFF,
        random: Callable[[], float] = random.random,
        leads: bool = True,
        clock: IReactorTime | None = None,
    ) -> None:
        self._log = Logger(namespace="gdemoi.amqp")
        self._settings = settings
        self._clock: IReactorTime = clock or reactor
        self._name = name
        self._connect_to = connect_to or (
            lambda broker, host: endpoint(reactor, settings, broker, host)
        )
        self._topology = Topology(
            settings.prefix, settings.queue_type, settings.declare
        )
        self._upkeep = Upkeep(self._topology, self._clock, self._log, self._repaired)
        self._answers = Answers(
            self._topology, self._clock, self._log, self._upkeep.ask
        )
        self._ingress = Ingress(
            self._consumer,
            reader(settings, maps, defaults),
            gateway,
            self._answers,
            self._clock,
            self._log,
            max_body=settings.max_body,
        )
        self._events = EventsPublisher(
            journal,
            self._topology.events,
            self._clock,
            self._log,
            window=settings.window,
            unroutable_s=settings.unroutable_s,
            no_place=self._upkeep.ask,
            leads=leads,
        )
        self._hosts = Hosts((one.host, one.port) for one in settings.url)
        # the address being tried has not let us in yet
        self._unproven = False
        self._stopping = False
        count = len(settings.url)
        self._keeper: Reconnector[Client] = Reconnector(
            self._clock,
            self._log,
            "amqp",
            self._connect,
            self._state_changed,
            random,
            backoff=backoff,
            connect_timeout_s=settings.connect_timeout_s * 2 * count + _SLACK_S,
            ready_timeout_s=settings.open_timeout_s,
            has_others=lambda: self._unproven and self._hosts.present.has_others,
        )

    def start(self) -> None:
        """Begin to connect."""
        self._keeper.start()

    async def lead(self) -> None:
        """Publish events from now on, as the one gateway of several."""
        await self._events.lead()

    async def follow(self) -> None:
        """Publish events no more: another gateway will."""
        await self._events.follow()

    async def stop_taking(self, grace_s: float = 5.0) -> None:
        """Take no more messages; returns when all that was handed in is acked.

        What the broker has no place for (a blocked broker, a queue that is gone)
        is waited for no longer than `grace_s`: it is unacked, and comes again.
        """
        try:
            await self._in_time(self._ingress.stop(), grace_s)
        except Unavailable as fault:
            self._log.warn("some deliveries stay unacked: {fault}", fault=fault)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Publish what is left for up to `grace_s`, say goodbye, close."""
        self._stopping = True
        client = self._keeper.conversation
        if client is not None:
            try:
                await self._in_time(self._ingress.stop(), grace_s)
                await self._in_time(self._events.drain(), grace_s)
                await self._in_time(client.close_politely(), CLOSE_TIMEOUT_S)
            except Unavailable as fault:
                self._log.warn("no orderly end: {fault}", fault=fault)
        self._keeper.stop()
        await self._events.close()

    def status(self) -> AmqpStatus:
        """Return how it stands now."""
        client = self._keeper.conversation
        return AmqpStatus(
            state=self._keeper.state.value,
            reason=self._keeper.reason,
            broker=self._shown,
            blocked=client.blocked if client is not None else None,
            taken=self._ingress.taken,
            invalid=self._answers.invalid,
            unsettled=self._ingress.unsettled(),
            held=self._ingress.held(),
            published=self._events.published,
            passed=self._events.passed,
            unconfirmed=self._events.unconfirmed() + self._answers.unconfirmed(),
            behind=self._events.behind(),
            stuck=self._events.held,
        )

    async def figures(self) -> AmqpStatus:
        """Return how it stands now, with how late events are; raises `Unavailable`."""
        lag_s, behind = await self._events.lag()
        return evolve(self.status(), lag_s=lag_s, behind=behind)

    # ---- the connection ----

    async def _connect(self) -> Client:
        """Try the brokers in turn, beginning with the last good one."""
        faults = []
        for _ in self._settings.url:
            broker = self._broker
            factory = Factory.forProtocol(partial(self._client, broker))
            factory.noisy = False
            # Unless it gets as far as being up, the next one has its turn.
            self._unproven = True
            try:
                endpoint = self._connect_to(broker, self._hosts.present)
                client = await endpoint.connect(factory)
            except (ConnectError, OSError, Unavailable) as fault:
                faults.append(f"{self._shown}: {fault}")
                self._failed()
                continue
            assert isinstance(client, Client)
            return client
        raise Unavailable("; ".join(faults))

    @property
    def _broker(self) -> BrokerUrl:
        """The broker in use, or to be tried next."""
        return self._settings.url[self._hosts.index]

    @property
    def _shown(self) -> str:
        """The broker as people see it, with the address where its name has one."""
        address = self._hosts.present.address
        broker = self._broker
        return (
            str(broker) if address in (None, broker.host) else f"{broker} ({address})"
        )

    def _failed(self) -> None:
        self._unproven = False
        self._hosts.failed(self._clock.seconds())

    def _client(self, broker: BrokerUrl) -> Client:
        return Client(
            name=self._name,
            vhost=broker.vhost,
            username=broker.username,
            password=self._settings.password_for(broker),
            heartbeat_s=ceil(self._settings.heartbeat_s),
            clock=self._clock,
            log=self._log,
            prepare=self._prepare,
            on_blocked=self._blocked,
        )

    async def _prepare(self, client: Client) -> None:
        await self._upkeep.attach(client)
        await self._answers.attach(client)
        await self._events.attach(client)
        await self._ingress.attach(client)

    def _repaired(self) -> None:
        self._answers.try_now()
        self._events.try_now()

    def _consumer(self, arrived: Any, lost: Any) -> Consumer:
        return Consumer(
            self._topology.outbound,
            self._settings.prefetch,
            self._name,
            arrived,
            lost,
        )

    def _blocked(self, reason: str | None) -> None:
        if reason is None:
            self._answers.pump()
            self._events.resume()

    def _state_changed(self, state: ReconnectorState, reason: str) -> None:
        broker = self._shown
        if state is ReconnectorState.UP:
            self._unproven = False
            self._hosts.present.held()
        else:
            self._upkeep.close()
        if (
            state in (ReconnectorState.PAUSED, ReconnectorState.REFUSED)
            and self._unproven
        ):
            self._failed()
        if (
            state in (ReconnectorState.PAUSED, ReconnectorState.REFUSED)
            and not self._stopping
        ):
            self._log.warn(
                "broker {broker}: {state}: {reason}; it is tried again and again",
                broker=broker,
                state=state.value,
                reason=reason.rstrip("."),
            )
            return
        # each try is nobody's news; that it is up, and at last stopped, is
        is_news = state in (ReconnectorState.UP, ReconnectorState.STOPPED)
        tell = self._log.info if is_news else self._log.debug
        tell("broker {broker}: {state}", broker=broker, state=state.value)

    # ---- the end ----

    async def _in_time(self, work: Any, limit_s: float) -> None:
        waiting = Deferred.fromCoroutine(work).addTimeout(
            limit_s, self._clock, onTimeoutCancel=_too_late
        )
        await waiting


def _too_late(result: Any, limit_s: float) -> Any:
    raise Unavailable(f"not done in {limit_s:g} s")
