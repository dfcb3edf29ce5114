"""The SMPP door of a whole service: its ports, TLS, and its end; real sockets."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import protocol, reactor, ssl
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.logger import capturedLogs, formatEvent

from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import PduFramer
from gdemoi.smpp.pdu.pdus import BindTransceiver, Unbind
from tests.peers.certificates import self_signed
from tests.service.test_assembly import A, ServiceTestCase
from tests.smppserver.rig import submit
from tests.watch import Watch

DOOR = "[smpp-server:main]\nlisten = tcp:0:interface=127.0.0.1\n"
CLIENT = "[smpp-client:car]\npassword = secret\n"


class SocketEsme(protocol.Protocol):
    """A client over a socket; what came is there to be waited for."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.came: list[Any] = []
        self.gone = False
        self._framer = PduFramer()

    def dataReceived(self, data: bytes) -> None:
        self.came += [pdus.decode(frame) for frame in self._framer.feed(data)]
        self.watch.look()

    def connectionLost(self, reason: Any = None) -> None:
        self.gone = True
        self.watch.look()

    async def ask(self, pdu: pdus.Pdu, number: int) -> Any:
        """Send a request; return its answer."""
        pdu.sequence_number = number
        self.transport.write(pdus.encode(pdu))
        return await self.watch.until(
            lambda: next(
                (
                    one
                    for one in self.came
                    if one.sequence_number == number and one.command_id & pdus.RESPONSE
                ),
                None,
            ),
            f"an answer to {pdu}",
        )


class DoorServiceTests(ServiceTestCase):
    async def connect(self, service: Any, *, tls: bool = False) -> SocketEsme:
        """Return a client's connection."""
        port = service.smpp.servers["main"].port.getHost().port
        endpoint: Any = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        if tls:
            # nothing is checked: the certificate is the test's own
            endpoint = wrapClientTLS(ssl.CertificateOptions(), endpoint)
        esme: SocketEsme = await endpoint.connect(
            protocol.Factory.forProtocol(SocketEsme)
        )
        return esme

    async def test_bind_submit_and_stop(self) -> None:
        """DS31: a client submits; at the end it gets an unbind, and all is closed."""
        self.write(A, DOOR, CLIENT)
        service = await self.running()
        esme = await self.connect(service)
        bound = await esme.ask(BindTransceiver(system_id="car", password="secret"), 1)
        self.assertEqual(bound.command_status, 0)
        taken = await esme.ask(submit(), 2)
        self.assertEqual(taken.command_status, 0)
        story: Any = await service.gateway.story(taken.message_id)
        self.assertEqual(story["account"], "car")
        doors = {one["kind"]: one for one in service.gateway.doors()}
        self.assertEqual(doors["smpp-client"]["submitted"], 1)
        self.assertEqual(doors["account"]["taken"], 1)
        stopping = service.stopService()
        asked = await esme.watch.until(
            lambda: next((o for o in esme.came if isinstance(o, Unbind)), None),
            "an unbind",
        )
        assert esme.transport is not None
        esme.transport.write(pdus.encode(pdus.answer(asked)))
        await esme.watch.until(lambda: esme.gone, "the end")
        await stopping

    async def test_tls(self) -> None:
        """DS33: a bind over TLS; clear text on the port ends the connection."""
        certificate, key = self_signed("127.0.0.1", str(self.folder))
        both = self.folder.resolve() / "both.pem"
        with open(certificate) as one, open(key) as two:
            both.write_text(one.read() + two.read())
        both.chmod(0o600)
        self.write(A, f"{DOOR}tls_certificate = {both}", f"{CLIENT}require_tls = yes")
        service = await self.running()
        esme = await self.connect(service, tls=True)
        bound = await esme.ask(BindTransceiver(system_id="car", password="secret"), 1)
        self.assertEqual(bound.command_status, 0)
        clear = await self.connect(service)
        assert clear.transport is not None
        bind = BindTransceiver(system_id="car", password="secret", sequence_number=1)
        clear.transport.write(pdus.encode(bind) * 3)
        await clear.watch.until(lambda: clear.gone, "the end")
        self.assertEqual(clear.came, [])
        for one in (esme,):
            one.transport.abortConnection()  # type: ignore[union-attr]
            await one.watch.until(lambda one=one: one.gone, "the end")  # type: ignore[misc]

    async def test_a_port_that_is_taken(self) -> None:
        """The start fails, with the line that names the port."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.write(
                A,
                f"[smpp-server:main]\nlisten = tcp:{port}:interface=127.0.0.1",
                CLIENT,
            )
            service = self.service()
            stopped: Deferred[None] = Deferred()
            self.patch(service, "reactor", _Stops(service.reactor, stopped))
            with capturedLogs() as events:
                service.startService()
                await stopped
        said = "\n".join(formatEvent(one) or "" for one in events)
        self.assertIn("[smpp-server:main] listen:", said)
        self.assertIn(str(port), said)

    async def test_clients_that_change(self) -> None:
        """A changed one is unbound and binds anew; others stay, new ones come."""
        other = "[smpp-client:bus]\npassword = secret\n"
        self.write(A, DOOR, CLIENT, other)
        service = await self.running()
        bind = {"password": "secret"}
        car, bus = await self.connect(service), await self.connect(service)
        await car.ask(BindTransceiver(system_id="car", **bind), 1)
        await bus.ask(BindTransceiver(system_id="bus", **bind), 1)
        self.write(
            A,
            DOOR,
            CLIENT.replace("secret", "other"),
            other,
            "[smpp-client:new]\npassword = secret\n",
            "[account:new]\nrate = 1/s\n",
        )
        said = "\n".join(await self.reload(service))
        self.assertNotIn("restart", said)
        asked = await car.watch.until(
            lambda: next((o for o in car.came if isinstance(o, Unbind)), None),
            "an unbind",
        )
        assert car.transport is not None
        car.transport.write(pdus.encode(pdus.answer(asked)))
        await car.watch.until(lambda: car.gone, "the end")
        taken = await bus.ask(submit(), 2)
        self.assertEqual(taken.command_status, 0)
        self.assertFalse(any(isinstance(one, Unbind) for one in bus.came))
        again, fresh = await self.connect(service), await self.connect(service)
        bound = await again.ask(BindTransceiver(system_id="car", password="other"), 1)
        self.assertEqual(bound.command_status, 0)
        bound = await fresh.ask(BindTransceiver(system_id="new", **bind), 1)
        self.assertEqual(bound.command_status, 0)
        answers = [(await fresh.ask(submit(), n)).command_status for n in (2, 3)]
        self.assertEqual(answers, [0, 0x58])
        self.write(A, DOOR, other, "[account:bus]\ndaily = 1\n")
        await self.reload(service)
        self.assertEqual(list(service.smpp.clients), ["bus"])
        for one in (bus, again, fresh):
            await one.watch.until(
                lambda one=one: any(isinstance(o, Unbind) for o in one.came), "unbind"
            )
            one.transport.abortConnection()  # type: ignore[union-attr]
            await one.watch.until(lambda one=one: one.gone, "the end")

    async def test_a_changed_server_takes_a_restart(self) -> None:
        """And the log says so."""
        self.write(A, DOOR, CLIENT)
        service = await self.running()
        self.write(A, DOOR + "connections = 7\n", CLIENT)
        said = "\n".join(await self.reload(service))
        self.assertIn("[smpp-server:…] has changed; that takes a restart", said)


class _Stops:
    """A reactor that tells when it is asked to stop."""

    def __init__(self, real: Any, stopped: Deferred[None]) -> None:
        self._real = real
        self._stopped = stopped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def stop(self) -> None:
        if not self._stopped.called:
            self._stopped.callback(None)

    def callWhenRunning(self, call: Any, *args: Any) -> None:
        call(*args)
