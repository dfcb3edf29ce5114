"""Clients that nobody here wrote, at the SMPP door of a gateway process.

The gateway is a process of its own, the carrier behind it an SMSC of the sandbox in
this one.  Each client submits, gets a receipt for each message and an SMS from a phone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import treq
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.trial.unittest import TestCase

from gdemoi.sandbox.smsc import Smsc, SmscFactory
from gdemoi.sandbox.smsc_personality import SmscPersonality
from tests.flows.process import GatewayProcess, free_port
from tests.peers.peer import Peer
from tests.peers.programs import (
    HERE,
    require_node_package,
    require_perl_module,
    require_program,
    require_python_package,
)
from tests.watch import until

pytestmark = pytest.mark.timeout(300)
INI = """\
[gateway]
name = door-test
home_country = RU
journal = sqlite:///journal.sqlite
unsure_hold = 1s
retry_first = 1s

[smpp:carrier]
host = 127.0.0.1
port = {carrier}
system_id = demo
password = demo
window = 20

[account:fleet]
class = notification
numbers = *

[smpp-server:door]
listen = tcp:{door}:interface=127.0.0.1

[smpp-client:esme]
account = fleet
password = secret
"""
ENVIRONMENT = {"PATH": os.environ.get("PATH", "")}


class DoorCase(TestCase):
    timeout = 280

    async def setUp(self) -> None:
        how = SmscPersonality(
            password="demo", response_delay_s=0.01, receipt_delay_s=0.02, tracker=False
        )
        self.smsc = Smsc({"demo": how}, reactor)
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.listening = await endpoint.listen(SmscFactory(self.smsc))
        self.door = free_port()
        ini = INI.format(carrier=self.listening.getHost().port, door=self.door)
        self.gateway = GatewayProcess(Path(self.mktemp()), ini)
        self.peer: Peer | None = None

    async def tearDown(self) -> None:
        if self.peer is not None:
            await self.peer.stop()
        self.gateway.end()
        await self.listening.stopListening()
        for session in list(self.smsc.sessions):
            session.transport.abortConnection()
        await until(lambda: not self.smsc.sessions)
        self.smsc.stop()

    async def client(self, *command: str) -> Peer:
        """Start the gateway, then a client that binds to it."""
        self.gateway.start()
        await self.gateway.ready()
        self.peer = peer = Peer()
        arguments = (*command, str(self.door), "esme", "secret")
        await peer.start(arguments, ENVIRONMENT)
        bound = await peer.saw("bound")
        self.assertEqual(bound["status"], 0)
        return peer

    async def conversation(self, *command: str) -> None:
        """Submit, get the answers, the receipts and an SMS."""
        peer = await self.client(*command)
        await peer.order("send", first=1000, count=50)
        await peer.watch.until(lambda: len(peer.all("receipt")) >= 50, "50 receipts")
        answers = peer.all("answer")
        self.assertEqual({one["status"] for one in answers}, {0})
        ids = {one["id"] for one in answers}
        receipts = peer.all("receipt")
        self.assertEqual({one["id"] for one in receipts}, ids)
        self.assertEqual(len(receipts), 50)
        for one in receipts:
            self.assertIn(f"id:{one['id']} sub:001 dlvrd:001 ", one["text"])
            self.assertIn("stat:DELIVRD err:000 text:w1", one["text"])
        sent = sorted(taken.text for taken in self.smsc.taken)
        self.assertEqual(sent, [f"w{number}" for number in range(1000, 1050)])
        self.smsc.send_mo("demo", "79161234567", "7777", "hello from a phone")
        inbound = await peer.saw("inbound")
        self.assertEqual(inbound["text"], "hello from a phone")

    def received(self, peer: Peer) -> set[str]:
        """Return the ids that a client has receipts for."""
        return {one["id"] for one in peer.all("receipt")}


class NodeTests(DoorCase):
    def command(self) -> tuple[str, str]:
        return require_node_package("smpp"), str(HERE / "node_esme.js")

    async def test_conversation(self) -> None:
        """node-smpp."""
        await self.conversation(*self.command())

    async def test_kill_9_in_mid_load(self) -> None:
        """Thrice: each message that was answered has its receipt, none is lost."""
        peer = await self.client(*self.command())
        for life in range(3):
            binds = len(peer.all("bound"))
            answered = len(peer.all("answer"))
            first = 10_000 * (life + 1)
            for batch in range(10):
                await peer.order("send", first=first + batch * 40, count=40)
            await peer.watch.until(
                lambda answered=answered: len(peer.all("answer")) > answered + 100,
                "answers",
            )
            self.gateway.kill(signal.SIGKILL)
            self.gateway.start()
            await self.gateway.ready()
            await peer.watch.until(
                lambda binds=binds: len(peer.all("bound")) > binds, "a bind again"
            )
        taken = {one["id"] for one in peer.all("answer") if one["status"] == 0}
        self.assertGreater(len(taken), 300)
        await peer.watch.until(
            lambda: taken <= self.received(peer), f"receipts of {len(taken)} messages"
        )
        for one in peer.all("receipt"):
            self.assertIn("stat:DELIVRD", one["text"])
        words = {one["word"] for one in peer.all("answer") if one["status"] == 0}
        self.assertEqual(words - {taken.text for taken in self.smsc.taken}, set())


class PerlTests(DoorCase):
    async def test_conversation(self) -> None:
        """Net::SMPP."""
        perl = require_perl_module("Net::SMPP")
        await self.conversation(perl, str(HERE / "perl_esme.pl"))


class SmpplibTests(DoorCase):
    async def test_conversation(self) -> None:
        """smpplib."""
        require_python_package("smpplib")
        await self.conversation(sys.executable, str(HERE / "smpplib_esme.py"))


KANNEL = """\
group = core
admin-port = {admin}
admin-password = x
smsbox-port = {smsbox}
log-file = {folder}/bearerbox.log
log-level = 0
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"

group = smsc
smsc = smpp
smsc-id = gdemoi
host = 127.0.0.1
port = {door}
transceiver-mode = true
smsc-username = esme
smsc-password = secret
system-type = VMA

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
log-file = {folder}/smsbox.log
log-level = 0

group = sendsms-user
username = u
password = p
max-messages = 5

group = sms-service
keyword = default
max-messages = 0
get-url = "http://127.0.0.1:{web}/mo?text=%a&from=%p"
"""


class KannelTests(DoorCase):
    """Kannel's bearerbox as the client: what many platforms speak through."""

    async def setUp(self) -> None:
        await super().setUp()
        self.boxes: list[subprocess.Popen[bytes]] = []
        self.called: list[tuple[str, dict[bytes, list[bytes]]]] = []

    async def tearDown(self) -> None:
        for box in reversed(self.boxes):
            box.terminate()
            await until(lambda box=box: box.poll() is not None)  # type: ignore[misc]
        await super().tearDown()

    async def kannel(self) -> int:
        """Start both boxes and whom they call; return the port of sendsms."""
        from twisted.web.resource import Resource
        from twisted.web.server import Site

        called = self.called

        class Calls(Resource):
            isLeaf = True

            def render_GET(self, request: Any) -> bytes:
                called.append((request.path.decode(), dict(request.args)))
                return b""

        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        web = await endpoint.listen(Site(Calls()))
        self.addCleanup(web.stopListening)
        folder = Path(self.mktemp()).resolve()
        folder.mkdir(parents=True)
        self.web, sendsms = web.getHost().port, free_port()
        text = KANNEL.format(
            admin=free_port(),
            smsbox=free_port(),
            sendsms=sendsms,
            door=self.door,
            web=self.web,
            folder=folder,
        )
        (folder / "kannel.conf").write_text(text)
        for name in ("bearerbox", "smsbox"):
            box = subprocess.Popen(
                [require_program(name), str(folder / "kannel.conf")],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
            )
            self.boxes.append(box)
            ports = {"bearerbox": "smsbox_port", "smsbox": "sendsms"}
            await until(lambda: self._listens(folder, ports[name]))  # noqa: B023
        return sendsms

    def _listens(self, folder: Path, what: str) -> bool:
        log = folder / ("bearerbox.log" if what == "smsbox_port" else "smsbox.log")
        if not log.exists():
            return False
        told = log.read_text("utf-8", "replace")
        word = "BOX" if what == "smsbox_port" else "Connected to bearerbox"
        return word in told or "Kannel bearerbox" in told

    async def test_conversation(self) -> None:
        """DS13, DS20, DS34: texts short and long, receipts by its own table, an SMS."""
        require_program("bearerbox")
        self.gateway.start()
        await self.gateway.ready()
        sendsms = await self.kannel()
        texts = ["ping", "Двери открыты", "x" * 300]
        for number, text in enumerate(texts):
            query = {
                "username": "u",
                "password": "p",
                "to": f"7916123456{number}",
                "from": "GdeMoi",
                "text": text,
                "charset": "UTF-8",
                "coding": 0 if text.isascii() else 2,
                "dlr-mask": 31,
                "dlr-url": f"http://127.0.0.1:{self.web}/dlr?n={number}&d=%d&a=%A",
            }
            url = f"http://127.0.0.1:{sendsms}/cgi-bin/sendsms?{urlencode(query)}"
            await self.accepted(url)

        def delivered() -> set[bytes]:
            return {
                args[b"n"][0]
                for path, args in self.called
                if path == "/dlr" and args[b"d"] == [b"1"]
            }

        await until(lambda: delivered() == {b"0", b"1", b"2"})
        sent = {taken.text for taken in self.smsc.taken}
        self.assertLessEqual({"ping", "Двери открыты"}, sent)
        parts = [t.text for t in self.smsc.taken if t.text.endswith("xxx")]
        self.assertEqual(sum(text.count("x") for text in parts), 300)
        self.smsc.send_mo("demo", "79161234567", "7777", "hello")
        await until(lambda: any(path == "/mo" for path, _ in self.called))

    async def accepted(self, url: str) -> None:
        """Hand a message to Kannel as soon as it listens."""
        status = 0
        for _ in range(100):
            try:
                response = await treq.get(url, persistent=False)
                await treq.content(response)
                status = response.code
            except Exception as fault:  # noqa: BLE001
                self.fault = fault
            if status == 202:
                return
            from twisted.internet.task import deferLater

            await deferLater(reactor, 0.1)
        raise AssertionError(f"{status}, {json.dumps(str(self.fault))}")
