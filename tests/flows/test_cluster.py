"""Real gateways on one PostgreSQL journal: who owns, who is killed, what is lost."""

from __future__ import annotations

import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from gdemoi.sandbox.smsc import Smsc, SmscFactory
from gdemoi.sandbox.smsc_personality import SmscPersonality
from tests.flows.process import GONE, GatewayProcess
from tests.journal.postgres import SERVER, fresh_database
from tests.watch import LIMIT_S, LOOK_EVERY_S, until

pytestmark = pytest.mark.timeout(300)
INI = """\
[gateway]
name = {name}
home_country = RU
journal = {journal}
unsure_hold = 1s
retry_first = 1s
takes_back_after = 2s
{owns}

[smpp:carrier]
host = 127.0.0.1
port = {port}
system_id = demo
password = demo
window = 10
"""
SETTLED = {"uncertain", "delivered", "undelivered", "expired", "rejected"}
TAKEN_OVER_S = 10.0
AHEAD_S = 30.0
# longer than a lease
AWAY_S = 7.0


class ClusterTests(TestCase):
    timeout = 280

    async def setUp(self) -> None:
        """Make a database, an SMSC, and two gateways."""
        self.journal = fresh_database(self)
        self.personality = SmscPersonality(
            password="demo",
            response_delay_s=0.1,
            receipt_delay_s=0.05,
            tracker=False,
        )
        self.smsc = Smsc({"demo": self.personality}, reactor)
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self.listening = await endpoint.listen(SmscFactory(self.smsc))
        self.first = self.gateway("gw-1", owns="owns = carrier")
        # its machine's clock is off, in all of these tests
        self.second = self.gateway("gw-2", ahead_s=AHEAD_S)

    def gateway(
        self, name: str, owns: str = "", ahead_s: float = 0.0
    ) -> GatewayProcess:
        ini = INI.format(
            name=name,
            journal=self.journal,
            port=self.listening.getHost().port,
            owns=owns,
        )
        made = GatewayProcess(Path(self.mktemp()), ini, ahead_s)
        self.addCleanup(made.end)
        return made

    async def tearDown(self) -> None:
        for one in (self.first, self.second):
            one.end()
        await self.listening.stopListening()
        for session in list(self.smsc.sessions):
            session.transport.abortConnection()
        await until(lambda: not self.smsc.sessions)
        self.smsc.stop()

    async def both(self) -> None:
        """Start them; the first one owns the channel."""
        self.first.start()
        await self.first.ready()
        self.second.start()
        await self.second.ready()

    async def channel(self, gateway: GatewayProcess) -> dict[str, Any]:
        _, answer = await gateway.call("GET", "/v1/channels")
        return answer["channels"][0]

    async def post(
        self, gateway: GatewayProcess, first: int, count: int, **fields: Any
    ) -> list[str]:
        """Post messages, every second one a command; return their ids."""
        batch = [
            {
                "id": f"{'c' if n % 2 == 0 else 'n'}{n}",
                "to": f"+7916{n:07}",
                "text": f"text {n}",
                "class": "command" if n % 2 == 0 else "notification",
                **fields,
            }
            for n in range(first, first + count)
        ]
        status, answers = await gateway.call("POST", "/v1/messages", batch)
        self.assertEqual(status, 202, answers)
        return [one["id"] for one in answers if one["state"] == "accepted"]

    async def events(self, gateway: GatewayProcess) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in await gateway.events():
            if event["type"] == "status":
                found[event["id"]].append(event)
        return found

    async def settled(
        self, gateway: GatewayProcess, ids: list[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """Wait until every message is final or uncertain; return their events."""
        ends_at = reactor.seconds() + LIMIT_S
        events: dict[str, list[dict[str, Any]]] = {}
        open_ids = ids
        while reactor.seconds() < ends_at:
            events = await self.events(gateway)
            open_ids = [
                id_
                for id_ in ids
                if not events[id_] or events[id_][-1]["state"] not in SETTLED
            ]
            if not open_ids:
                return events
            await deferLater(reactor, LOOK_EVERY_S)
        stuck = {id_: [e["state"] for e in events[id_]] for id_ in open_ids[:5]}
        logs = self.first.log.read_text() + self.second.log.read_text()
        raise AssertionError(f"{len(open_ids)} not settled: {stuck}\n{logs[-6000:]}")

    async def has(self, gateway: GatewayProcess, owner: str, limit_s: float) -> float:
        """Wait until a gateway says who owns the channel, and it is up; how long."""
        began = reactor.seconds()
        while True:
            try:
                found = await self.channel(gateway)
            except GONE:
                found = {"owner": None}
            if found["owner"] == owner and found["unable"] is None:
                return reactor.seconds() - began
            took_s = reactor.seconds() - began
            logs = self.first.log.read_text() + self.second.log.read_text()
            self.assertLess(took_s, limit_s, f"{found}\n{logs}"[-6000:])
            await deferLater(reactor, LOOK_EVERY_S)

    def check(self, events: dict[str, list[dict[str, Any]]], ids: list[str]) -> None:
        """Compare what was accepted, what arrived and what was told."""
        sent = Counter(taken.text for taken in self.smsc.taken)
        self.assertEqual([i for i in ids if not events[i]], [], "lost")
        for id_ in ids:
            told = events[id_]
            self.assertEqual([e["seq"] for e in told], list(range(1, len(told) + 1)))
            self.assertLessEqual(sum(e["final"] for e in told), 1, told)
            count = sent[f"text {id_[1:]}"]
            if told[-1]["state"] == "delivered":
                self.assertGreaterEqual(count, 1, id_)
            else:
                self.assertEqual((id_[0], told[-1]["state"]), ("c", "uncertain"))
            if id_.startswith("c"):
                self.assertLessEqual(count, 1, id_)

    async def test_the_owner_is_killed(self) -> None:
        """With a backlog: its partner binds within 10 s and sends the rest."""
        await self.both()
        found = await self.channel(self.second)
        self.assertEqual(found["owner"], "gw-1")
        self.assertIn("owned by gw-1", found["reason"])
        ids = await self.post(self.first, 1000, 100)
        ids += await self.post(self.second, 3000, 100)
        await until(lambda: len(self.smsc.taken) > 60)
        self.first.kill(signal.SIGKILL)
        before = len(self.smsc.taken)
        await self.has(self.second, "gw-2", TAKEN_OVER_S)
        events = await self.settled(self.second, ids)
        self.assertGreater(len(self.smsc.taken), before)
        self.check(events, ids)
        # what was killed comes back, and has its channel again after a while
        self.first.start()
        await self.has(self.first, "gw-1", LIMIT_S)
        ids = await self.post(self.second, 5000, 20)
        self.check(await self.settled(self.first, ids), ids)

    async def test_what_a_dead_gateway_took_expires(self) -> None:
        """By the clock of the database's server, at whichever gateway lives."""
        await self.both()
        await self.first.call("POST", "/v1/channels/carrier/pause")
        ids = await self.post(self.first, 1000, 2, ttl=12)
        short = await self.post(self.second, 2000, 2, ttl=3)
        began = reactor.seconds()
        self.first.kill(signal.SIGKILL)
        events = await self.settled(self.second, ids + short)
        self.assertEqual({e[-1]["state"] for e in events.values()}, {"expired"})
        self.assertEqual(self.smsc.taken, [])
        for some, ttl_s in ((short, 3.0), (ids, 12.0)):
            for id_ in some:
                at = datetime.fromisoformat(events[id_][-1]["at"]).timestamp()
                self.assertGreater(at - began, ttl_s - 2.0)
                self.assertLess(at - began, ttl_s + TAKEN_OVER_S)

    async def test_the_database_goes_away(self) -> None:
        """Nothing is taken meanwhile; what is out is awaited, and nothing is lost."""
        await self.both()
        ids = await self.post(self.first, 1000, 150)
        ids += await self.post(self.second, 3000, 150)
        await until(lambda: len(self.smsc.taken) > 40)
        with self.away():
            status, _ = await self.first.call("POST", "/v1/messages", [])
            body = {"to": "+79160000001", "text": "no", "id": "no"}
            status, _ = await self.first.call("POST", "/v1/messages", body)
            self.assertEqual(status, 503)
            await deferLater(reactor, AWAY_S)
        events = await self.settled(self.second, ids)
        self.check(events, ids)
        self.assertEqual(events["no"], [])
        again = await self.post(self.second, 5000, 20)
        self.check(await self.settled(self.first, again), again)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let nobody connect to the database, and end all that have."""
        name = self.journal.rpartition("/")[2]
        with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            server.execute(f"{end} WHERE datname = '{name}'")
            try:
                yield
            finally:
                server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    async def test_an_orderly_end(self) -> None:
        """Its partner has the channel at once, and nothing is uncertain."""
        await self.both()
        ids = await self.post(self.first, 1000, 100)
        await until(lambda: len(self.smsc.taken) > 20)
        process = self.first.process
        assert process is not None
        process.terminate()
        await until(lambda: process.poll() is not None)
        self.assertEqual(process.returncode, 0)
        self.assertLess(await self.has(self.second, "gw-2", TAKEN_OVER_S), 3.0)
        events = await self.settled(self.second, ids)
        other = [events[i] for i in ids if events[i][-1]["state"] != "delivered"]
        self.assertEqual(other, [])
        self.check(events, ids)
        self.assertEqual(len(self.smsc.taken), len(ids))
