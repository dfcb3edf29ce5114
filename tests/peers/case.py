"""A channel of ours, started by this test, towards a peer on loopback."""

from __future__ import annotations

import json
import os
from random import random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from gdemoi.errors import Unavailable
from gdemoi.interfaces import ChannelContext, EncodedMessage, IChannelEvents
from gdemoi.message import (
    Inbound,
    Outbound,
    Outcome,
    Receipt,
    ReceiptMatch,
    provider_key,
)
from gdemoi.smpp.channel import KIND, SmppChannel
from gdemoi.smpp.settings import SmppSettings
from tests.peers.peer import Peer
from tests.peers.programs import HERE, require_node_package, require_perl_module
from tests.watch import Watch

ENVIRONMENT = {"PATH": os.environ.get("PATH", "")}


@implementer(IChannelEvents)
class EventsRecorder:
    """What is above a channel: writes down, matches by id, can be slow or broken."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.receipts: list[Receipt] = []
        self.inbounds: list[Inbound] = []
        self.lates: list[tuple[str, int, Outcome]] = []
        self.changes: list[tuple[str, str]] = []
        self.matches: list[ReceiptMatch | None] = []
        self.known: dict[str, str] = {}
        # not None: commits wait here until the test fires them
        self.commits: list[Deferred[Any]] | None = None
        self.broken = False

    def able(self, channel: Any) -> None:
        self.watch.look()

    def receipt(self, receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        self.receipts.append(receipt)
        match = None
        for key in receipt.keys:
            if key in self.known:
                match = ReceiptMatch(self.known[key], receipt.provider_id, key)
                break
        self.matches.append(match)
        return self._commit(match)

    def inbound(self, inbound: Inbound) -> Deferred[None]:
        self.inbounds.append(inbound)
        return self._commit(None)

    def late(self, message_id: str, attempt: int, outcome: Outcome) -> None:
        self.lates.append((message_id, attempt, outcome))
        self.watch.look()

    def changed(
        self, channel: Any, state: str, reason: str, line: str | None = None
    ) -> None:
        self.changes.append((state, reason))
        self.watch.look()

    def learn(self, message_id: str, *provider_ids: str) -> None:
        """Know the ids of a message, as the journal would."""
        for provider_id in provider_ids:
            self.known[provider_key(provider_id)] = message_id

    def _commit(self, answer: Any) -> Deferred[Any]:
        self.watch.look()
        done: Deferred[Any] = Deferred()
        if self.broken:
            done.errback(Unavailable("the disk is full"))
            return done
        if self.commits is None:
            return succeed(answer)
        self.commits.append(done)
        return done.addCallback(lambda _: answer)


class PeerCase(TestCase):
    """Whatever a test starts here is stopped after it, the channel first."""

    timeout = 110
    peer: Peer
    recorder: EventsRecorder
    channel: SmppChannel

    async def _start(self, command: list[str]) -> Peer:
        self.peer = Peer()
        self.addCleanup(self.peer.stop)
        await self.peer.start(command, ENVIRONMENT)
        return self.peer

    def connect(self, **settings: Any) -> SmppChannel:
        """Make a channel to the peer as the gateway makes it, and start it."""
        values: dict[str, Any] = {
            "host": ("127.0.0.1",),
            "port": self.peer.port,
            "system_id": "esme",
            "password": "secret",
            "reconnect_min_s": 0.05,
            "reconnect_max_s": 0.1,
            **settings,
        }
        around = ChannelContext(
            reactor=reactor,
            clock=reactor,
            random=random,
            public_url=None,
            mount=lambda name, resource: None,
            cursor=lambda name: succeed(None),
            set_cursor=lambda name, value: succeed(None),
        )
        self.recorder = EventsRecorder()
        self.channel = KIND.make("carrier", SmppSettings(**values), [], around)
        self.addCleanup(self.stop)
        self.channel.start(self.recorder)
        return self.channel

    def stop(self) -> Deferred[None]:
        """Stop the channel, with a second for what is unanswered."""
        return self.channel.stop(1.0)

    async def up(self, times: int = 1) -> None:
        """Wait until the channel is up (again)."""
        await self.recorder.watch.until(
            lambda: [c for c in self.recorder.changes if c[0] == "up"][times - 1 :],
            f"the channel up {times} times",
        )
        await self.peer.catch_up()

    async def bound(self, **settings: Any) -> None:
        """Connect and wait until the channel is up."""
        self.connect(**settings)
        await self.up()

    async def receipts(self, count: int = 1) -> list[Receipt]:
        """Wait for so many receipts."""
        return await self._came(self.recorder.receipts, count, "receipts")

    async def inbounds(self, count: int = 1) -> list[Inbound]:
        """Wait for so many SMS from phones, or segments of them."""
        return await self._came(self.recorder.inbounds, count, "SMS")

    async def _came(self, there: list[Any], count: int, what: str) -> list[Any]:
        await self.recorder.watch.until(
            lambda: len(there) >= count, f"{count} {what} came"
        )
        await self.peer.catch_up()
        return there

    def message(self, text: str | None = "Hello", **fields: Any) -> Outbound:
        """Return a message; what is not said is usual."""
        now = reactor.seconds()
        values: dict[str, Any] = {
            "id": "m1",
            "to": "+79161234567",
            "from_": "GdeMoi",
            "accepted_at": now,
            "expires_at": now + 7200,
            "text": text,
            **fields,
        }
        return Outbound(**values)

    def submit(self, message: Outbound) -> Deferred[Outcome]:
        """Prepare and submit; fires with the outcome."""
        prepared: Any = self.channel.prepare(message)
        return Deferred.fromCoroutine(self.send(prepared))

    async def send(self, prepared: EncodedMessage, attempt: int = 1) -> Outcome:
        """Submit, and return the outcome when the peer's tellings are here too."""
        outcome = await self.channel.submit(prepared, attempt)
        await self.peer.catch_up()
        return outcome

    async def ask(self, provider_id: str) -> Receipt | None:
        """Ask what became of the usual message."""
        answer = await self.channel.ask(self.message(), [provider_id])
        await self.peer.catch_up()
        return answer


class NodeCase(PeerCase):
    """With an SMSC upon node-smpp."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.program = require_node_package("smpp")

    async def node(self, **account: Any) -> Peer:
        """Start the SMSC."""
        script = str(HERE / "node_smsc.js")
        return await self._start([self.program, script, json.dumps(account)])


class PerlCase(PeerCase):
    """With an SMSC upon Net::SMPP."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.program = require_perl_module("Net::SMPP")

    async def perl(self) -> Peer:
        """Start the SMSC."""
        return await self._start([self.program, str(HERE / "perl_smsc.pl")])
