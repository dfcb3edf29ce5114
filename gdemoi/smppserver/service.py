"""The SMPP door as a whole: its ports, its sessions, and its end.

Floods end here: connections are counted before they are heard, those that have not
bound by address too.  What is refused is one line of the log and a figure, and costs
the others nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.internet.ssl import trustRootFromCertificates as trusting
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory

from gdemoi.accounts.account import Account
from gdemoi.contract.gateway import Gateway
from gdemoi.errors import CannotListen, Unavailable
from gdemoi.ini.networks import allows
from gdemoi.interfaces import IJournal
from gdemoi.net.certificates import authorities_of, our_own
from gdemoi.net.faults import UNOPENED, of_port
from gdemoi.net.port import server_endpoint
from gdemoi.smpp.pdu.headers import CANCEL_SM, QUERY_SM, REPLACE_SM, SUBMIT_MULTI
from gdemoi.smpp.pdu.pdus import DataSm, SubmitMulti, SubmitSm
from gdemoi.smpp.pdu.statuses import Status
from gdemoi.smpp.session_types import (
    ResponseMissing,
    ResponseReceived,
    SessionEnded,
    SessionNotice,
)
from gdemoi.smppserver.clients import (
    BindRequest,
    Credentials,
    SmppClient,
    complaint_of_bind,
    is_overlong,
)
from gdemoi.smppserver.deliveries import (
    CURSOR,
    TIMEOUTS,
    ClientDeliveries,
    EventFeed,
)
from gdemoi.smppserver.message_ids import MessageIds
from gdemoi.smppserver.protocol import ServerConnection
from gdemoi.smppserver.receipts import Arrived
from gdemoi.smppserver.requests import ClientRequests
from gdemoi.smppserver.session import (
    BindRequested,
    Requested,
    ServerEvent,
    ServerSessionParameters,
)
from gdemoi.smppserver.settings import (
    SmppClientSettings,
    SmppServerSettings,
)
from gdemoi.smppserver.submits import Sender, SubmitReader
from gdemoi.tasks import spawn

# Whoever guesses waits for each answer.
WRONG_PASSWORD_S: Final = 1.0
# How long silent sessions have to show that they live, when there is no room.
PROBE_S: Final = 5.0
_PROBE_STEP_S: Final = 0.25
UNBIND_S: Final = 5.0
_STEP_S: Final = 0.05
_OPTIONAL: Final = frozenset({QUERY_SM, CANCEL_SM, REPLACE_SM, SUBMIT_MULTI})
_SUBMITS: Final = (SubmitSm, DataSm, SubmitMulti)

log = Logger()


class SmppServer:
    """One ``[smpp-server:…]``: a port, and the connections that came over it."""

    def __init__(
        self, name: str, settings: SmppServerSettings, door: SmppDoor, clock: Any
    ) -> None:
        self.name = name
        self.settings = settings
        self.connections: set[ServerConnection] = set()
        # why connections and binds were refused, and sessions ended -> how often
        self.counts: Counter[str] = Counter()
        self.port: IListeningPort | None = None
        self._door = door
        self._clock: IReactorTime = clock
        self._parameters = ServerSessionParameters(
            session_init_s=settings.session_init_s,
            enquire_link_s=settings.enquire_link_s,
            link_timeout_s=settings.link_timeout_s,
            inactivity_s=settings.inactivity_s,
            response_timeout_s=settings.response_timeout_s,
            unknown=_OPTIONAL if settings.operations == "submit" else frozenset(),
        )

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS from the first octet."""
        return self.settings.tls_certificate is not None

    def build(self) -> ServerConnection:
        """Make the protocol of a connection."""
        return ServerConnection(self._parameters, self._clock, self)

    async def listen(self, reactor: Any) -> None:
        """Open the port; raise `CannotListen`."""
        factory: Any = Factory.forProtocol(self.build)
        factory.noisy = False
        description = self.settings.listen
        try:
            if self.tls:
                factory = TLSMemoryBIOFactory(self._tls_options(), False, factory)
            self.port = await server_endpoint(reactor, description).listen(factory)
        except Unavailable as fault:
            raise CannotListen("tls_certificate", str(fault)) from fault
        except UNOPENED as fault:
            why = f"{description}: {of_port(fault)}"
            raise CannotListen("listen", why) from fault
        here: Any = self.port.getHost()
        log.info(
            "SMPP clients bind at {host}:{port}{tls}",
            host=here.host,
            port=here.port,
            tls=" (TLS)" if self.tls else "",
        )

    def _tls_options(self) -> Any:
        settings = self.settings
        assert settings.tls_certificate is not None
        own = our_own(settings.tls_certificate)
        trusted = None
        if settings.tls_ca is not None:
            trusted = trusting(authorities_of(settings.tls_ca))
        return CertificateOptions(
            privateKey=own.privateKey.original,
            certificate=own.original,
            trustRoot=trusted,
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )

    # -- protocol.ConnectionOwner

    def opened(self, connection: ServerConnection) -> None:
        """Let a connection stay, or close it before it is heard."""
        why = self._unwelcome(connection)
        if why is not None:
            self.refuse(why, connection.host)
            connection.abort(why)
            return
        self.connections.add(connection)
        connection.key = self._door.new_key()

    def _unwelcome(self, connection: ServerConnection) -> str | None:
        settings = self.settings
        if self._door.closing:
            return "the gateway is stopping"
        if not allows(settings.allow_ip, connection.host):
            return "foreign address"
        if len(self.connections) >= settings.connections:
            return "too many connections"
        same = [
            one
            for one in self.connections
            if one.bound is None and one.host == connection.host
        ]
        if len(same) >= settings.unbound_connections:
            return "too many connections without a bind"
        return None

    def refuse(self, why: str, host: str) -> None:
        """Count a refusal, and tell it."""
        self.counts[why] += 1
        log.warn(
            "[smpp-server:{server}] refused {host}: {why}",
            server=self.name,
            host=host,
            why=why,
        )

    def happened(
        self, connection: ServerConnection, events: Sequence[ServerEvent]
    ) -> None:
        """Take what happened in a session."""
        submits: list[Any] = []
        answers = False
        for event in events:
            match event:
                case Requested(pdu) if isinstance(pdu, _SUBMITS):
                    submits.append(pdu)
                case Requested(pdu):
                    self._door.begin(connection.bound.ask(pdu), "answering")
                case ResponseReceived() | ResponseMissing():
                    answers = True
                    _settle(event)
                case BindRequested(pdu):
                    answering = self._door.bind(self, connection, pdu)
                    self._door.begin(answering, "answering a bind")
                case SessionNotice(what):
                    self.counts["misuse"] += 1
                    log.info("{who}: {what}", who=self._who(connection), what=what)
                case SessionEnded(why):
                    self._over(connection, why)
        if submits:
            self._door.begin(connection.bound.submit(submits), "taking messages")
        if answers:
            connection.bound.client.deliveries.pump()
            self._give_up_on(connection)

    def _give_up_on(self, connection: ServerConnection) -> None:
        if connection.session.timeouts >= TIMEOUTS and connection.session.bound:
            self.counts["deliver_sm unanswered"] += 1
            log.warn(
                "{who}: {count} deliver_sm in a row were not answered; unbinding",
                who=self._who(connection),
                count=connection.session.timeouts,
            )
            connection.unbind()

    def _who(self, connection: ServerConnection) -> str:
        bound: ClientRequests | None = connection.bound
        whom = connection.host if bound is None else bound.client.name
        return f"[smpp-server:{self.name}] {whom}"

    def _over(self, connection: ServerConnection, why: str) -> None:
        tell = log.info if connection.bound is not None else log.warn
        if connection.bound is None:
            self.counts["ended without a bind"] += 1
        if connection in self.connections:
            tell("{who}: {why}", who=self._who(connection), why=why)

    def ended(self, connection: ServerConnection) -> None:
        """Forget a connection; what it did not answer goes to others."""
        self.connections.discard(connection)
        bound: ClientRequests | None = connection.bound
        if bound is not None:
            bound.client.sessions.remove(connection)
            bound.client.deliveries.pump()

    def describe(self) -> dict[str, Any]:
        """Return the server as an operator wants to see it."""
        here: Any = self.port.getHost() if self.port is not None else None
        at = f"{here.host}:{here.port}" if here is not None else self.settings.listen
        return {
            "name": self.name,
            "kind": "smpp-server",
            "listen": at,
            "tls": self.tls,
            "connections": len(self.connections),
            "bound": sum(one.bound is not None for one in self.connections),
            "refused": dict(self.counts),
        }


class SmppDoor:
    """All servers and clients of a gateway.

    `start()`; at the end `stop_taking()`, and when the last events are written,
    `stop()`.
    """

    def __init__(
        self,
        servers: Mapping[str, SmppServerSettings],
        clients: Mapping[str, SmppClientSettings],
        accounts: Mapping[str, Account],
        gateway: Gateway,
        journal: IJournal,
        reactor: Any,
        random: Callable[[], float] = random.random,
        leads: bool = True,
    ) -> None:
        self.closing = False
        # clients come and go by a changed configuration
        self._changing = False
        self._accounts = accounts
        self._gateway = gateway
        self._journal = journal
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._ids = MessageIds(journal, random)
        # sessions of another life have other keys
        self._token = f"{int(random() * 0xFFFFFF):06x}"
        self._made = 0
        self._at_work = 0
        self.servers = {
            name: SmppServer(name, settings, self, reactor)
            for name, settings in servers.items()
        }
        self.clients = {
            name: SmppClient(name, settings, accounts[settings.account or name])
            for name, settings in clients.items()
        }
        # clients that are told their events here; another gateway may tell others
        self._led: set[str] | None = None if leads else set()
        self._credentials = Credentials(self.clients)
        self._in_flight: dict[str, set[bytes]] = {}
        for client in self.clients.values():
            client.deliveries = self._deliveries(client)
        self._feed = EventFeed(journal, reactor, self._followed())

    def _followed(self) -> list[ClientDeliveries]:
        """Return the deliveries that events are read for."""
        return [
            one.deliveries
            for one in self.clients.values()
            if self._led is None or one.name in self._led
        ]

    # -- among gateways that share the journal

    def wished(self) -> set[str]:
        """Return the clients that can be told their events here."""
        return {one.name for one in self.clients.values() if one.receivers}

    async def lead(self, name: str) -> None:
        """Tell a client its events from now on; raises `Unavailable`."""
        assert self._led is not None
        client = self.clients[name]
        client.deliveries = self._deliveries(client)
        newest = await self._gateway.newest_event()
        await client.deliveries.load(newest)
        self._led.add(name)
        self._feed.follow(self._followed())
        self._feed.pump()
        client.deliveries.pump()

    async def follow(self, name: str) -> None:
        """Tell a client its events no more; its cursor says how far it got."""
        assert self._led is not None
        if name not in self._led:
            return
        self._led.discard(name)
        self._feed.follow(self._followed())
        if name in self.clients:
            await self.clients[name].deliveries.close()

    def _deliveries(self, client: SmppClient) -> ClientDeliveries:
        return ClientDeliveries(
            client.name,
            client.settings,
            self._journal,
            self._clock,
            lambda: client.receivers,
            takes_inbound=partial(_takes_inbound, client.account),
            hungry=lambda: self._feed.pump(),
        )

    # -- from the beginning to the end

    async def load(self) -> None:
        """Read what the clients have had; raises `Unavailable`."""
        newest = await self._gateway.newest_event()
        followed = self._followed()
        for client in self.clients.values():
            cursor = CURSOR.format(client.name)
            # one that is new begins now, whoever tells it its events
            if client.deliveries in followed or not await self._journal.cursor(cursor):
                await client.deliveries.load(newest)
        self._feed.start(newest)

    async def change(
        self, clients: Mapping[str, SmppClientSettings], changed: Collection[str]
    ) -> None:
        """Take other clients, and those whose accounts have `changed` anew.

        Their sessions are unbound; what waits for them waits for the next ones.
        """
        self._changing = True
        try:
            for name, client in list(self.clients.items()):
                same = clients.get(name) == client.settings
                if not same or client.account.name in changed:
                    for connection in list(client.sessions):
                        connection.unbind()
                    if client.deliveries in self._followed():
                        await client.deliveries.close()
                    del self.clients[name]
            for name, settings in clients.items():
                if name not in self.clients:
                    self.clients[name] = await self._loaded(name, settings)
            self._credentials.know(self.clients)
            self._feed.follow(self._followed())
        finally:
            self._changing = False

    async def _loaded(self, name: str, settings: SmppClientSettings) -> SmppClient:
        """Return a new client with its bookmark; waits until that can be read."""
        client = SmppClient(name, settings, self._accounts[settings.account or name])
        while True:
            client.deliveries = self._deliveries(client)
            try:
                newest = await self._gateway.newest_event()
                await client.deliveries.load(newest)
            except Unavailable as fault:
                what = "SMPP client {name} has to wait: {fault}"
                log.warn(what, name=name, fault=fault)
                await deferLater(self._clock, 1.0)
            else:
                return client

    async def start(self) -> None:
        """Open the ports; raise `CannotListen`, whose key is ``NAME key``."""
        await self.load()
        for name, server in self.servers.items():
            try:
                await server.listen(self._reactor)
            except CannotListen as fault:
                raise CannotListen(f"{name} {fault.key}", str(fault)) from fault

    async def stop_taking(self) -> None:
        """Take no more connections and messages; finish the commits under way."""
        self.closing = True
        for server in self.servers.values():
            if server.port is not None:
                await server.port.stopListening()  # type: ignore[misc]
                server.port = None
        await self._until(lambda: not self._at_work)

    async def stop(self) -> None:
        """Unbind from all clients, close, and write the cursors."""
        self.closing = True
        for connection in self._connections():
            connection.unbind()
        await self._until(lambda: not self._connections())
        for connection in self._connections():
            connection.abort("the gateway is stopping")
        self._feed.stop()
        for deliveries in self._followed():
            await deliveries.close()

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait for something, but not longer than `UNBIND_S`."""
        until = self._clock.seconds() + UNBIND_S
        while not done() and self._clock.seconds() < until:
            await deferLater(self._clock, _STEP_S)

    def _connections(self) -> list[ServerConnection]:
        return [one for server in self.servers.values() for one in server.connections]

    def describe(self) -> list[dict[str, Any]]:
        """Return servers and clients, as an operator wants to see them."""
        clients = [one.describe() for one in self.clients.values()]
        servers = [one.describe() for one in self.servers.values()]
        return [
            *servers,
            *({"kind": "smpp-client", **one} for one in clients),
        ]

    def new_key(self) -> str:
        """Return the name of a session."""
        self._made += 1
        return f"{self._token}-{self._made}"

    def begin(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Start work that a stop waits for."""

        async def counted() -> None:
            self._at_work += 1
            try:
                await work
            finally:
                self._at_work -= 1

        spawn(counted(), log, what)

    # -- a bind

    async def bind(
        self, server: SmppServer, connection: ServerConnection, request: BindRequest
    ) -> None:
        """Answer a bind."""
        now = self._clock.seconds()
        host = connection.host
        client = self._credentials.find(request)
        if is_overlong(request):
            status, why = Status.RINVCMDLEN, "an over-long system_id or password"
        elif self._unready():
            status, why = Status.RSYSERR, self._unready()
        elif self._credentials.is_locked(host, now):
            status, why = Status.RBINDFAIL, "too many wrong passwords"
        elif client is None:
            self._credentials.failed(host, now)
            await deferLater(self._clock, WRONG_PASSWORD_S)
            status, why = Status.RINVPASWD, "wrong system_id or password"
        else:
            status, why = await self._judge(server, connection, request, client)
        if status is not Status.ROK:
            if not connection.session.closed:
                server.refuse(why, host)
            now = self._clock.seconds()
            connection.session.refuse_bind(request, int(status), now)
            connection.flush()
            return
        assert client is not None
        self._accept(server, connection, request, client)

    def _unready(self) -> str:
        """Return why nobody can bind now, "" when one can."""
        if self.closing or self._changing:
            return "the gateway is stopping, or changes its clients"
        # a full backlog is no reason: receipts can go
        return "" if self._gateway.full() else self._gateway.unready() or ""

    async def _judge(
        self,
        server: SmppServer,
        connection: ServerConnection,
        request: BindRequest,
        client: SmppClient,
    ) -> tuple[Status, str]:
        host = connection.host
        why = complaint_of_bind(client, request, server.name, host, tls=server.tls)
        if why is None and not await self._has_room(client):
            why = f"it has {client.settings.max_binds} sessions already"
        if why is None:
            return Status.ROK, ""
        return Status.RBINDFAIL, f"{client.name}: {why}"

    async def _has_room(self, client: SmppClient) -> bool:
        """Tell whether a client may have one more session; the dead make room.

        One that was cut off without a word must be able to come back.
        """
        most = client.settings.max_binds
        if len(client.sessions) < most:
            return True
        asked_at = self._clock.seconds()
        asked = list(client.sessions)
        for connection in asked:
            connection.enquire()
        while True:
            silent = [
                one
                for one in asked
                if one in client.sessions and one.session.heard_at <= asked_at
            ]
            if not silent or self._clock.seconds() >= asked_at + PROBE_S:
                break
            await deferLater(self._clock, _PROBE_STEP_S)
        for connection in silent:
            connection.abort("no answer, and another session wants its place")
        return len([one for one in client.sessions if one not in silent]) < most

    def _accept(
        self,
        server: SmppServer,
        connection: ServerConnection,
        request: BindRequest,
        client: SmppClient,
    ) -> None:
        if connection.session.closed:
            return
        settings = client.settings
        connection.session.accept_bind(
            request,
            system_id=server.settings.system_id,
            window=settings.window,
            deliver_window=settings.deliver_window,
            now=self._clock.seconds(),
        )
        sender = Sender(
            client=client.name,
            account=client.account.name,
            settings=settings,
            account_settings=client.account.settings,
            session=connection.key,
            host=connection.host,
        )
        connection.bound = ClientRequests(
            connection,
            client,
            SubmitReader(sender, self._gateway.defaults),
            self._gateway,
            self._ids,
            self._in_flight.setdefault(client.name, set()),
            lambda: self.closing,
        )
        client.sessions.append(connection)
        connection.flush()
        log.info(
            "[smpp-server:{server}] {client}: {state}, from {host}",
            server=server.name,
            client=client.name,
            state=connection.session.state.value,
            host=connection.host,
        )
        client.deliveries.pump()
        self._feed.pump()


def _settle(event: ResponseReceived | ResponseMissing) -> None:
    """Hand the answer to a deliver_sm, or its lack, to whoever sent it."""
    deliveries, delivery, index = event.context
    if isinstance(event, ResponseMissing):
        deliveries.missing(delivery, index)
    else:
        pdu = event.pdu
        deliveries.answered(delivery, index, pdu.command_id, pdu.command_status)


def _takes_inbound(account: Account, told: Arrived) -> bool:
    """Tell whether an inbound SMS is for an account."""
    return account.takes_inbound(told.channel, told.to)
