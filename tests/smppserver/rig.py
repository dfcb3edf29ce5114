"""A gateway in memory with an SMPP door, and clients without sockets.

Real: journal, dispatcher, door.  The far sides are a channel that the test leads by
hand, and clients that write and read PDUs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.accounts.account import Account
from gdemoi.accounts.settings import AccountSettings
from gdemoi.contract.envelope import Defaults
from gdemoi.journal import Journal
from gdemoi.message import Inbound, MessageState, Outbound, Receipt, provider_key
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router
from gdemoi.service.gateway import RunningGateway
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import PduFramer
from gdemoi.smppserver.protocol import ServerConnection
from gdemoi.smppserver.service import SmppDoor
from gdemoi.smppserver.settings import SmppClientSettings, SmppServerSettings
from tests.routing.channels import HandChannel

NOW = 1_795_000_000.0
TO = "+79161234567"
P = TypeVar("P", bound=pdus.Pdu)


class Wire(StringTransport):
    """A connection that remembers how it ended, and whether it is read."""

    aborted = False
    reading = True

    def abortConnection(self) -> None:
        self.aborted = True

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """There is no delay."""


class Esme:
    """A client's connection: writes PDUs, reads what came."""

    def __init__(self, connection: ServerConnection, host: str) -> None:
        self.connection = connection
        self.wire = Wire(peerAddress=IPv4Address("TCP", host, 40000))
        self.number = 0
        self.unread: list[Any] = []
        # deliver_sm that were read and not answered
        self.kept: list[pdus.DeliverSm] = []
        self._framer = PduFramer()
        connection.makeConnection(self.wire)

    def send(self, pdu: pdus.Pdu) -> int:
        """Send a request under the next number, or an answer under its own."""
        if not pdu.command_id & pdus.RESPONSE:
            self.number += 1
            pdu.sequence_number = self.number
        self.raw(pdus.encode(pdu))
        return pdu.sequence_number

    def raw(self, octets: bytes) -> None:
        """Send octets, if the other side reads."""
        self.connection.dataReceived(octets)

    def read(self) -> list[Any]:
        """Return what came since the last time."""
        octets = self.wire.value()
        self.wire.clear()
        found = [pdus.decode(frame) for frame in self._framer.feed(octets)]
        found, self.unread = self.unread + found, []
        return found

    def read_all(self) -> list[Any]:
        """Read; keep each deliver_sm until it is answered, return the others."""
        came = self.read()
        self.kept += [one for one in came if isinstance(one, pdus.DeliverSm)]
        return [one for one in came if not isinstance(one, pdus.DeliverSm)]

    def ask(self, pdu: pdus.Pdu) -> Any:
        """Send a request; return the answer to it, which must be there."""
        answer = self._answer_to(self.send(pdu))
        if answer is None:
            raise AssertionError(f"no answer to {pdu}")
        return answer

    def bind(
        self,
        kind: type[pdus.Pdu] = pdus.BindTransceiver,
        system_id: str = "car",
        password: str = "secret",
        version: int = 0x34,
    ) -> Any:
        """Bind; return the answer, or None when there is none yet."""
        number = self.send(
            kind(system_id=system_id, password=password, interface_version=version)  # type: ignore[call-arg]
        )
        return self._answer_to(number)

    def _answer_to(self, number: int) -> Any:
        """Return the answer to a request, if there is one; leave what else came."""
        came = self.read()
        found = [
            one
            for one in came
            if one.sequence_number == number and one.command_id & pdus.RESPONSE
        ]
        self.unread = [one for one in came if one not in found[:1]]
        return found[0] if found else None

    def deliveries(self) -> list[pdus.DeliverSm]:
        """Return the deliver_sm that came since the last reading."""
        came = self.read()
        self.unread = [one for one in came if not isinstance(one, pdus.DeliverSm)]
        return [one for one in came if isinstance(one, pdus.DeliverSm)]

    def ack(self, *deliveries: pdus.DeliverSm, status: int = 0) -> None:
        """Answer deliver_sm."""
        for one in deliveries:
            self.send(pdus.answer(one, status))

    def hang_up(self, clean: bool = True) -> None:
        """Close the connection."""
        reason = ConnectionDone() if clean else ConnectionLost()
        self.connection.connectionLost(Failure(reason))

    @property
    def closed(self) -> bool:
        """Whether the server closed the connection, or is about to."""
        return self.wire.disconnecting or self.wire.aborted


def submit(to: str = "79161234567", text: bytes = b"ping", **fields: Any) -> Any:
    """Return a submit_sm."""
    return pdus.SubmitSm(
        **{
            "source_addr_ton": 5,
            "source_addr": "GdeMoi",
            "dest_addr_ton": 1,
            "dest_addr_npi": 1,
            "destination_addr": to,
            "short_message": text,
            **fields,
        }
    )


class DoorTestCase(SynchronousTestCase):
    """A gateway with a door; a test says what it has with `door` and `client`."""

    # whether events are told here from the beginning
    leads = True
    url = "sqlite://"

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.channel = HandChannel()
        self.server_settings = SmppServerSettings()
        self.accounts = {"car": AccountSettings()}
        self.clients = {"car": SmppClientSettings(password="secret")}
        self.backlog_limit = 100_000
        self.running = False
        self.esmes: list[Esme] = []

    def tearDown(self) -> None:
        if self.running:
            self.close()

    def open(self, journal: Journal | None = None) -> None:
        """Start the gateway."""
        self.journal = journal or Journal(self.url, self.clock, inline=True)
        self.result(self.journal.open())
        self.dispatcher = Dispatcher(
            self.journal,
            self.clock,
            Router([], ["a"]),
            [self.channel],
            backlog_limit=self.backlog_limit,
        )
        self.result(self.dispatcher.start())
        self.gateway = RunningGateway(
            self.dispatcher, self.journal, self.clock, Defaults("RU"), "test"
        )
        self.door = SmppDoor(
            {"main": self.server_settings},
            self.clients,
            {
                name: Account(name, one, self.journal, self.clock)
                for name, one in self.accounts.items()
            },
            self.gateway,
            self.journal,
            self.clock,
            lambda: 0.5,
            leads=self.leads,
        )
        self.result(self.door.load())
        self.running = True

    def close(self) -> None:
        """Stop the gateway; clients that are there close when they are asked to."""
        self.running = False
        stopping = Deferred.fromCoroutine(self.door.stop())
        for esme in self.esmes:
            if not esme.connection.session.closed or not esme.wire.disconnecting:
                for one in esme.read():
                    if isinstance(one, pdus.Unbind):
                        esme.send(pdus.answer(one))
            esme.hang_up()
        self.clock.pump([0.05] * 120)
        self.successResultOf(stopping)
        self.result(self.dispatcher.stop(0.0))
        self.result(self.journal.close())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def result(self, work: Awaitable[Any]) -> Any:
        """Return what something comes to."""

        async def awaited() -> Any:
            return await work

        return self.successResultOf(Deferred.fromCoroutine(awaited()))

    def esme(self, host: str = "10.0.0.1") -> Esme:
        """Return a fresh connection."""
        if not self.running:
            self.open()
        found = Esme(self.door.servers["main"].build(), host)
        self.esmes.append(found)
        return found

    def bound(
        self,
        kind: type[pdus.Pdu] = pdus.BindTransceiver,
        host: str = "10.0.0.1",
        **how: Any,
    ) -> Esme:
        """Return a bound connection."""
        esme = self.esme(host)
        answer = esme.bind(kind, **how)
        self.assertEqual(answer.command_status, 0)
        return esme

    def taken(self, esme: Esme, **fields: Any) -> str:
        """Submit a message that is taken; return its id."""
        answer = esme.ask(submit(**fields))
        self.assertEqual(answer.command_status, 0, answer)
        return str(answer.message_id)

    def story(self, message_id: str) -> Any:
        """Return what the journal has of a message."""
        return self.result(self.gateway.story(message_id))

    def message(self, message_id: str) -> Outbound:
        """Return a message as the channel was given it, or waits to be."""
        for ready, _, _ in self.channel.submitted:
            if ready.message.id == message_id:
                return ready.message
        raise AssertionError(f"{message_id} did not leave")

    def outcome(
        self, message_id: str, state: MessageState = MessageState.DELIVERED
    ) -> None:
        """Let the network say what became of a message that was submitted."""
        receipt = Receipt(
            account=self.channel.account,
            channel="a",
            provider_id=f"p-{message_id}",
            keys=(provider_key(f"p-{message_id}"),),
            state=state,
        )
        self.result(self.journal.receipt(receipt))

    def answer(self, message_id: str) -> None:
        """Let the channel take a message."""
        self.channel.answer(index=self.channel.ids.index(message_id))

    def delivered(self, message_id: str) -> None:
        """Let a message go all its way."""
        self.answer(message_id)
        self.outcome(message_id)

    def arrive(self, text: str = "hello", **fields: Any) -> None:
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

    def texts(self, deliveries: Sequence[pdus.DeliverSm]) -> list[str]:
        """Return the texts of deliver_sm."""
        return [one.short_message.decode("latin-1") for one in deliveries]
