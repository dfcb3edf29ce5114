"""Programs that nobody of this project wrote, over real sockets on loopback.

Run when they are there: PyPI ``yeastarAPI`` beside our own packages, and npm
``asterisk-ami-test-server`` in the directory that GDEMOI_NODE_MODULES names or in
tests/peers/node_modules.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import skipUnless

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from gdemoi.interfaces import IChannel
from gdemoi.message import (
    Accepted,
    Inbound,
    MessageClass,
    Outbound,
    Refused,
    Scope,
)
from gdemoi.sandbox.tg import BoxFactory
from gdemoi.sandbox.tg_box import TgBox
from gdemoi.yeastar.channel import YeastarChannel
from gdemoi.yeastar.settings import YeastarSettings
from tests.peers.peer import Peer
from tests.watch import Watch
from tests.yeastar.rig import EventsRecorder, Rig

HERE = Path(__file__).parent
NODE = shutil.which("node")
MODULES = Path(
    os.environ.get("GDEMOI_NODE_MODULES", HERE.parent / "peers" / "node_modules")
)
AMI_SERVER = MODULES / "asterisk-ami-test-server"

YEASTAR_API = """
import sys, yeastarapi
conn = yeastarapi.Connection("127.0.0.1", int(sys.argv[1]), "apiuser", "apipass")
assert conn.LoggedIn
answer = yeastarapi.SendSMS(conn, 1, "040000000", "Hello World!")
assert (answer.Response, answer.Status) == ("Follows", "1"), vars(answer)
assert answer.ID == "$id", answer.ID
assert "D-channel: 2" in yeastarapi.PortStatus(conn, 1)
conn.close()
"""


class WatchedRecorder(EventsRecorder):
    """A recorder of which a test can await what the channel tells."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Watch()

    def able(self, channel: IChannel) -> None:
        super().able(channel)
        self.watch.look()

    def inbound(self, inbound: Inbound) -> Deferred[None]:
        done = super().inbound(inbound)
        self.watch.look()
        return done

    def changed(
        self, channel: IChannel, state: str, reason: str, line: str | None = None
    ) -> None:
        super().changed(channel, state, reason, line)
        self.watch.look()


class PeerCase(TestCase):
    """Channels over real TCP, stopped after the test."""

    timeout = 110

    def channel(self, port: int, **more: Any) -> tuple[YeastarChannel, WatchedRecorder]:
        """Return a started channel to a port on loopback, and its recorder."""
        usual: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "username": "apiuser",
            "password": "apipass",
            "ports": (1,),
        }
        around = evolve(Rig().context(), reactor=reactor, clock=reactor)
        settings = YeastarSettings(**{**usual, **more})
        channel = YeastarChannel("tg", settings, around)
        recorder = WatchedRecorder()
        channel.start(recorder)
        self.addCleanup(channel.stop, 0.0)
        return channel, recorder

    def box(self) -> tuple[TgBox, int]:
        """Return a box that listens on loopback, and its port."""
        box = TgBox.with_ports(reactor, 2)  # type: ignore[arg-type]
        box.result_s = 0.3
        listening = reactor.listenTCP(  # type: ignore[attr-defined]
            0, BoxFactory(box), interface="127.0.0.1"
        )
        self.addCleanup(listening.stopListening)
        self.addCleanup(box.stop)
        return box, listening.getHost().port


def message(text: str) -> Outbound:
    """Return a command."""
    return Outbound(
        id="m1",
        to="+79001234567",
        accepted_at=0.0,
        expires_at=1e12,
        text=text,
        class_=MessageClass.COMMAND,
    )


class SandboxPeerTests(PeerCase):
    def test_channel_and_box_over_tcp(self) -> Deferred[None]:
        """Our channel connects to our box as it would to a device."""
        return Deferred.fromCoroutine(self._over_tcp())

    async def _over_tcp(self) -> None:
        box, port = self.box()
        channel, recorder = self.channel(port)
        await recorder.watch.until(lambda: channel.unable() is None, "the login")
        prepared = channel.prepare(message("where?"))
        assert not isinstance(prepared, Refused)
        outcome = await channel.submit(prepared, 1)
        self.assertIsInstance(outcome, Accepted)
        await recorder.watch.until(lambda: recorder.inbounds, "the answer")
        self.assertEqual(box.doubles(), [])

    @skipUnless(find_spec("yeastarapi"), "PyPI yeastarAPI is not installed")
    def test_yeastarapi(self) -> Deferred[None]:
        """PyPI yeastarAPI logs in, sends, and reads a port's state."""
        return Deferred.fromCoroutine(self._yeastarapi())

    async def _yeastarapi(self) -> None:
        box, port = self.box()
        command = [sys.executable, "-c", YEASTAR_API, str(port)]
        done = await deferToThread(
            subprocess.run, command, capture_output=True, text=True, timeout=90
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(dict(box.air), {("040000000", "Hello World!"): 1})


@skipUnless(
    NODE and AMI_SERVER.is_dir(), "node or npm asterisk-ami-test-server is not there"
)
class AmiServerTests(PeerCase):
    async def server(self, auth_timeout_ms: int = 100_000) -> Peer:
        """Return a running server."""
        server = Peer()
        self.addCleanup(server.stop)
        command = [str(NODE), str(HERE / "ami_server.js"), str(auth_timeout_ms)]
        await server.start(command, {**os.environ, "NODE_PATH": str(MODULES)})
        return server

    def test_login_events_and_errors(self) -> Deferred[None]:
        """Good and bad passwords, pings, an SMS by broadcast, a refused command."""
        return Deferred.fromCoroutine(self._t32())

    async def _t32(self) -> None:
        server = await self.server()
        bad, refusing = self.channel(server.port, password="wrong")
        good, recorder = self.channel(
            server.port, ping_interval_s=0.05, answer_timeout_s=90.0, poll_interval_s=0
        )
        await refusing.watch.until(lambda: "refused" in (bad.unable() or ""), "no")
        self.assertEqual(bad.unable(), "login refused: Authentication failed")
        await recorder.watch.until(lambda: good.unable() is None, "the login")
        # its greeting comes after the login, and so before this block
        event = (
            "Event: ReceivedSMS\r\nPrivilege: all,smscommand\r\nID: \r\n"
            "GsmSpan: 2\r\nSender: +7900\r\nIndex: 1\r\nTotal: 1\r\n"
            "Content: Ok+%2B\r\n--END SMS EVENT--\r\n\r\n"
        )
        await server.order("broadcast", text=event)
        await recorder.watch.until(lambda: recorder.inbounds, "the SMS")
        self.assertEqual(recorder.inbounds[0].text, "Ok +")
        # one follows only when the one before was answered
        await server.saw("ping", count=12)
        self.assertIsNone(good.unable())
        self.assertEqual([change[1] for change in recorder.changes], ["up"])
        prepared = good.prepare(message("x"))
        assert not isinstance(prepared, Refused)
        refused = await good.submit(prepared, 1)
        assert isinstance(refused, Refused)
        self.assertIs(refused.scope, Scope.CHANNEL_HALTED)
        self.assertEqual(refused.error.text, "Invalid/unknown command")

    def test_authentication_time_out(self) -> Deferred[None]:
        """A server that hangs up before our login is tried again later."""
        return Deferred.fromCoroutine(self._t32_time_out())

    async def _t32_time_out(self) -> None:
        server = await self.server(auth_timeout_ms=100)
        channel, recorder = self.channel(server.port)
        await recorder.watch.until(lambda: recorder.changes, "the end")
        self.assertEqual(recorder.changes[0][1], "down")
        self.assertIsNotNone(channel.unable())
