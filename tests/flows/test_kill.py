"""kill -9 in mid-load, with the real process: nothing lost, nothing blindly doubled."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from gdemoi.sandbox.smsc import Smsc, SmscFactory
from gdemoi.sandbox.smsc_personality import SmscPersonality
from tests.flows.process import GONE, GatewayProcess
from tests.watch import LIMIT_S, LOOK_EVERY_S, until

pytestmark = pytest.mark.timeout(600)
INI = """\
[gateway]
name = kill-test
home_country = RU
journal = sqlite:///journal.sqlite
unsure_hold = 1s
retry_first = 1s

[smpp:carrier]
host = 127.0.0.1
port = {port}
system_id = demo
password = demo
window = 20
"""
BATCH = 20
SETTLED = {"uncertain", "delivered", "undelivered", "expired", "rejected"}


class KillTests(TestCase):
    timeout = 580
    # what is configured beside one carrier
    INI = ""

    async def setUp(self) -> None:
        how = SmscPersonality(
            password="demo", response_delay_s=0.02, receipt_delay_s=0.05, tracker=False
        )
        self.smsc = Smsc({"demo": how}, reactor)
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.listening = await endpoint.listen(SmscFactory(self.smsc))
        port = self.listening.getHost().port
        ini = (INI + self.INI).format(port=port)
        self.gateway = GatewayProcess(Path(self.mktemp()), ini)

    async def tearDown(self) -> None:
        self.gateway.end()
        await self.listening.stopListening()
        for session in list(self.smsc.sessions):
            session.transport.abortConnection()
        await until(lambda: not self.smsc.sessions)
        self.smsc.stop()

    async def load(self, first: int, until_taken: int) -> list[str]:
        """Post batches until the SMSC has so many; return the ids answered 202."""
        answered: list[str] = []
        number = first
        while len(self.smsc.taken) < until_taken:
            batch = [self.message(n) for n in range(number, number + BATCH)]
            number += BATCH
            try:
                status, answers = await self.gateway.call("POST", "/v1/messages", batch)
            except GONE:
                break
            self.assertEqual(status, 202)
            answered += [one["id"] for one in answers if one["state"] == "accepted"]
        return answered

    def message(self, number: int) -> dict[str, Any]:
        command = number % 2 == 0
        return {
            "id": f"{'c' if command else 'n'}{number}",
            "to": f"+7916{number:07}",
            "text": f"text {number}",
            "class": "command" if command else "notification",
        }

    async def settled(self, ids: list[str]) -> dict[str, list[str]]:
        """Wait until every message is final or uncertain; return their states."""
        states: dict[str, list[str]] = {}
        ends_at = reactor.seconds() + LIMIT_S
        while reactor.seconds() < ends_at:
            states = defaultdict(list)
            for event in await self.gateway.events():
                if event["type"] == "status":
                    states[event["id"]].append(event["state"])
            open_ids = [
                id_
                for id_ in ids
                if states[id_][-1:] and states[id_][-1] not in SETTLED
            ]
            lost = [id_ for id_ in ids if not states[id_]]
            self.assertEqual(lost, [], "answered 202, but not in the journal")
            if not open_ids:
                return states
            await deferLater(reactor, LOOK_EVERY_S)
        stuck = {id_: states[id_] for id_ in open_ids[:5]}
        raise AssertionError(f"not settled: {stuck}\n{self.gateway.log.read_text()}")

    async def test_kill_9_in_mid_load(self) -> None:
        """Three kills: each 202 ends final or uncertain; no command goes out twice."""
        answered: list[str] = []
        for life in range(3):
            self.gateway.start()
            await self.gateway.ready()
            answered += await self.load(100_000 * (life + 1), 150 * (life + 1))
            self.gateway.kill()
        self.gateway.start()
        await self.gateway.ready()
        states = await self.settled(answered)

        self.assertGreater(len(answered), 300)
        sent = Counter(taken.text for taken in self.smsc.taken)
        twice = [text for text, count in sent.items() if count > 1]
        # only notifications (odd numbers), whose policy is to be sent again
        self.assertEqual([t for t in twice if int(t.split()[1]) % 2 == 0], [])
        for id_ in answered:
            final = states[id_][-1]
            if final == "delivered":
                self.assertEqual(sent[f"text {id_[1:]}"] >= 1, True, id_)
            else:
                self.assertEqual((id_, final), (id_, "uncertain"))
                self.assertTrue(id_.startswith("c"), id_)

    async def test_sigterm_lets_unanswered_submits_finish(self) -> None:
        """An orderly end leaves no message uncertain, and exits with 0."""
        self.gateway.start()
        await self.gateway.ready()
        answered = await self.load(100_000, 100)
        process = self.gateway.process
        assert process is not None
        process.terminate()
        await until(lambda: process.poll() is not None)
        self.assertEqual(process.returncode, 0)
        self.gateway.start()
        await self.gateway.ready()
        states = await self.settled(answered)
        self.assertEqual({states[id_][-1] for id_ in answered}, {"delivered"})
        sent = Counter(taken.text for taken in self.smsc.taken)
        self.assertEqual([text for text, count in sent.items() if count > 1], [])


# of the long form: COMMANDS=2000
COMMANDS = int(os.environ.get("COMMANDS", "400"))


class OrderTests(KillTests):
    """Commands to fifty trackers over two carriers, and the process is killed."""

    NUMBERS = 50
    INI = """
[smpp:second]
host = 127.0.0.1
port = {port}
system_id = demo
password = demo
window = 20

[route:all]
channels = carrier, second
policy = weighted
"""

    async def test_sigterm_lets_unanswered_submits_finish(self) -> None:
        """Elsewhere."""

    async def test_kill_9_in_mid_load(self) -> None:
        """In order for each number, none doubled, none overtaken, none lost."""
        answered: list[str] = []
        for life in range(3):
            self.gateway.start()
            await self.gateway.ready()
            answered += await self.load(len(answered), COMMANDS * (life + 1) // 4)
            self.gateway.kill()
        self.gateway.start()
        await self.gateway.ready()
        number = 1 + max(int(id_[1:]) for id_ in answered)
        while number < COMMANDS:
            batch = [self.message(n) for n in range(number, number + BATCH)]
            number += BATCH
            _, answers = await self.gateway.call("POST", "/v1/messages", batch)
            answered += [one["id"] for one in answers]
        await self.settled(answered)
        sent = [int(taken.text.split()[1]) for taken in self.smsc.taken]
        self.assertEqual([n for n, count in Counter(sent).items() if count > 1], [])
        by_tracker = defaultdict(list)
        for n in sent:
            by_tracker[n % self.NUMBERS].append(n)
        self.assertEqual(len(by_tracker), self.NUMBERS)
        for tracker, numbers in by_tracker.items():
            self.assertEqual((tracker, numbers), (tracker, sorted(numbers)))

    def message(self, number: int) -> dict[str, Any]:
        return {
            "id": f"c{number}",
            "to": f"+7916000{number % self.NUMBERS:04}",
            "text": f"text {number}",
            "class": "command",
        }
