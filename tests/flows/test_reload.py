"""The configuration changes under load, with the real process and a real broker.

One channel stays the same and keeps its connection; another changes its window, and the
broker's side its heartbeat, again and again while messages come by HTTP and AMQP.
Nothing is lost, nothing doubled, and each message's events are whole.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from gdemoi.sandbox.smsc import Smsc, SmscFactory
from gdemoi.sandbox.smsc_personality import SmscPersonality
from tests.amqp.live import Platform, Vhost, remove_own_vhost
from tests.flows.process import GatewayProcess
from tests.services import RABBITMQ, require_rabbitmq
from tests.watch import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]
INI = """\
[gateway]
name = reload-test
home_country = RU
journal = sqlite:///journal.sqlite

[amqp]
url = amqp://guest@127.0.0.1:{broker}/{vhost}
prefix = {prefix}
heartbeat = {heartbeat}s

[smpp:same]
host = 127.0.0.1
port = {port}
system_id = same
password = demo

[smpp:other]
host = 127.0.0.1
port = {port}
system_id = other
password = demo
window = {window}

[route:notifications]
class = notification
channels = same

[route:commands]
channels = other
"""
RELOADS = 5
BATCH = 20
PAUSE_S = 0.04


def tearDownModule() -> None:
    """Leave nothing at the broker."""
    remove_own_vhost()


class ReloadTests(TestCase):
    timeout = 580

    async def setUp(self) -> None:
        require_rabbitmq()
        self.vhost = Vhost()
        self.addCleanup(self.vhost.remove)
        how = SmscPersonality(
            password="demo", response_delay_s=0.01, receipt_delay_s=0.02, tracker=False
        )
        self.smsc = Smsc({"same": how, "other": how}, reactor)
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.listening = await endpoint.listen(SmscFactory(self.smsc))
        self.gateway = GatewayProcess(Path(self.mktemp()), self.ini(0))
        self.loading = True
        self.answered: list[str] = []

    async def tearDown(self) -> None:
        self.gateway.end()
        await self.listening.stopListening()
        for session in list(self.smsc.sessions):
            session.transport.abortConnection()
        await until(lambda: not self.smsc.sessions)
        self.smsc.stop()

    def ini(self, number: int) -> str:
        """Return the configuration number so and so."""
        return INI.format(
            broker=RABBITMQ[1],
            vhost=self.vhost.path,
            prefix=self.vhost.prefix,
            port=self.listening.getHost().port,
            heartbeat=10 + number,
            window=20 + number,
        )

    async def load(self) -> None:
        """Hand in batches, about 500 messages a second, until told to stop."""
        number = 0
        while self.loading:
            batch = [self.message(number + n) for n in range(BATCH)]
            number += BATCH
            status, answers = await self.gateway.call("POST", "/v1/messages", batch)
            self.assertEqual(status, 202)
            self.answered += [one["id"] for one in answers]
            await deferLater(reactor, PAUSE_S)

    def message(self, number: int) -> dict[str, Any]:
        command = number % 2 == 0
        return {
            "id": f"m{number}",
            "to": f"+7916{number:07}",
            "text": f"text {number}",
            "class": "command" if command else "notification",
        }

    async def reload(self, number: int) -> dict[str, Any]:
        """Write configuration `number`, and let the gateway read it."""
        head, _, http = self.gateway.config.read_text().partition("[http]")
        assert head
        self.gateway.config.write_text(f"{self.ini(number)}\n[http]{http}")
        status, report = await self.gateway.call("POST", "/v1/reload")
        self.assertEqual(status, 200)
        found: dict[str, Any] = report
        return found

    def binds(self, system_id: str) -> list[int]:
        """Return which connections are bound under a name, as numbers."""
        return [
            id(session)
            for session in self.smsc.sessions
            if session.system_id == system_id
        ]

    async def test_nothing_is_lost_or_doubled(self) -> None:
        self.gateway.start()
        await self.gateway.ready()
        (kept,) = self.binds("same")
        (changed,) = self.binds("other")
        load = Deferred.fromCoroutine(self.load())
        for number in range(1, RELOADS + 1):
            await deferLater(reactor, 0.3)
            report = await self.reload(number)
            self.assertEqual(report["status"], "changed", report)
            self.assertEqual(
                [one["text"] for one in report["changes"]],
                [
                    f"[amqp] heartbeat = {10 + number}s (was {9 + number}s)",
                    f"[smpp:other] window = {20 + number} (was {19 + number})",
                ],
            )
        self.loading = False
        await load
        self.assertEqual(self.binds("same"), [kept])
        self.assertNotEqual(self.binds("other"), [changed])
        await self.all_told()

        sent = Counter(taken.text for taken in self.smsc.taken)
        self.assertEqual([text for text, count in sent.items() if count > 1], [])
        self.assertEqual(len(sent), len(self.answered))

    async def all_told(self) -> None:
        """Wait for each message's last event at the broker; see that all are whole."""
        stories: dict[str, dict[int, str]] = defaultdict(dict)

        def read() -> None:
            with Platform(self.vhost) as platform:
                for _, body in platform.drain("status"):
                    event = json.loads(body)
                    stories[event["id"]][event["seq"]] = event["state"]

        def open_ones() -> list[str]:
            return [i for i in self.answered if "delivered" not in stories[i].values()]

        for _ in range(100):
            await deferToThread(read)
            if not open_ones():
                break
            await deferLater(reactor, 0.2)
        self.assertEqual(open_ones(), [], self.gateway.log.read_text()[-3000:])
        for id_, story in stories.items():
            self.assertEqual(sorted(story), list(range(1, len(story) + 1)), id_)
