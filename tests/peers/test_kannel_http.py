"""Kannel's bearerbox as the client of our Kannel door: its ``smsc = http``."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import treq
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from gdemoi.sandbox.smsc import Smsc, SmscFactory
from gdemoi.sandbox.smsc_personality import SmscPersonality
from tests.flows.process import GatewayProcess, free_port
from tests.peers.programs import require_program
from tests.watch import until

pytestmark = pytest.mark.timeout(300)
INI = """\
[gateway]
name = kannel-http
home_country = RU
journal = sqlite:///journal.sqlite

[smpp:carrier]
host = 127.0.0.1
port = {carrier}
system_id = demo
password = demo

[account:fleet]
callback_allow = 127.0.0.1

[kannel:vts]
listen = tcp:{door}:interface=127.0.0.1
account = fleet
password = secret
"""
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
smsc = http
system-type = kannel
smsc-id = gdemoi
send-url = "http://127.0.0.1:{door}/cgi-bin/sendsms"
port = {back}
dlr-url = "http://127.0.0.1:{back}/?username=vts&password=secret"
smsc-username = vts
smsc-password = secret
connect-allow-ip = "127.0.0.1"

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
log-file = {folder}/smsbox.log
log-level = 0

group = sendsms-user
username = u
password = p
max-messages = 5
"""


class Calls(Resource):
    """What Kannel tells the program that speaks to it."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.came: list[dict[bytes, list[bytes]]] = []

    def render_GET(self, request: Any) -> bytes:
        self.came.append(dict(request.args))
        return b""


class KannelHttpTests(TestCase):
    timeout = 280

    async def setUp(self) -> None:
        self.boxes: list[subprocess.Popen[bytes]] = []
        for name in ("bearerbox", "smsbox"):
            require_program(name)
        how = SmscPersonality(
            password="demo", response_delay_s=0.01, receipt_delay_s=0.02, tracker=False
        )
        self.smsc = Smsc({"demo": how}, reactor)
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.listening = await endpoint.listen(SmscFactory(self.smsc))
        self.calls = Calls()
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.web = await endpoint.listen(Site(self.calls))
        self.door = free_port()
        ini = INI.format(carrier=self.listening.getHost().port, door=self.door)
        self.gateway = GatewayProcess(Path(self.mktemp()), ini)

    async def tearDown(self) -> None:
        for box in reversed(self.boxes):
            box.terminate()
            await until(lambda box=box: box.poll() is not None)  # type: ignore[misc]
        self.gateway.end()
        await self.web.stopListening()
        await self.listening.stopListening()
        for session in list(self.smsc.sessions):
            session.transport.abortConnection()
        await until(lambda: not self.smsc.sessions)
        self.smsc.stop()

    async def kannel(self) -> int:
        """Start both boxes; return the port of Kannel's own sendsms."""
        folder = self.gateway.folder
        sendsms = free_port()
        text = KANNEL.format(
            admin=free_port(), smsbox=free_port(), sendsms=sendsms, door=self.door,
            back=free_port(), folder=folder,
        )  # fmt: skip
        (folder / "kannel.conf").write_text(text)
        for name, word in (("bearerbox", "BOX"), ("smsbox", "Connected to bearerbox")):
            box = subprocess.Popen(
                [require_program(name), str(folder / "kannel.conf")],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
            )
            self.boxes.append(box)
            log = folder / f"{name}.log"
            await until(
                lambda log=log, word=word: (
                    log.exists()  # type: ignore[misc]
                    and (
                        word in log.read_text("utf-8", "replace")
                        or "Kannel bearerbox" in log.read_text("utf-8", "replace")
                    )
                )
            )
        return sendsms

    def logs(self) -> str:
        """Return what the three programs logged last."""
        names = ("bearerbox.log", "smsbox.log", "gateway.log")
        files = [self.gateway.folder / name for name in names]
        return "\n".join(one.read_text("utf-8", "replace")[-6000:] for one in files)

    async def send(self, url: str) -> None:
        """Hand a message to Kannel as soon as it listens."""
        for _ in range(100):
            try:
                response = await treq.get(url, persistent=False)
            except ConnectError:
                await deferLater(reactor, 0.1)
                continue
            await treq.content(response)
            self.assertEqual(response.code, 202)
            return
        raise AssertionError("Kannel does not listen")

    async def test_conversation(self) -> None:
        """DK29: it sends, and its own receipts come by way of our dlr-url."""
        self.gateway.start()
        await self.gateway.ready()
        sendsms = await self.kannel()
        web = self.web.getHost().port
        texts = ["ping", "Двери открыты", "a+b & c%d"]
        for number, text in enumerate(texts):
            query = {
                "username": "u", "password": "p", "to": f"+7916123456{number}",
                "from": "GdeMoi", "text": text, "charset": "UTF-8",
                "coding": 0 if text.isascii() else 2, "dlr-mask": 31,
                "dlr-url": f"http://127.0.0.1:{web}/dlr?n={number}&d=%d",
            }  # fmt: skip
            await self.send(
                f"http://127.0.0.1:{sendsms}/cgi-bin/sendsms?{urlencode(query)}"
            )

        def delivered() -> set[bytes]:
            came = self.calls.came
            return {args[b"n"][0] for args in came if args[b"d"] == [b"1"]}

        await until(lambda: delivered() == {b"0", b"1", b"2"}, self.logs, 30.0)
        self.assertEqual({taken.text for taken in self.smsc.taken}, set(texts))
