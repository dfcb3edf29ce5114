"""The whole path in a process of its own: broker, journal, SMSC, receipts, events.

The gateway runs under twistd behind the proxy; broker and sandbox SMSC are on this
side.  It is cut off, the broker throws it out, and it is killed with -9.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pika.exceptions import ChannelClosedByBroker
from twisted.internet import reactor as the_reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from gdemoi.message import FINAL
from gdemoi.sandbox.smsc import Smsc, SmscFactory, SmscPersonality
from tests.amqp.live import Platform, Proxy, Vhost, remove_own_vhost
from tests.services import require_rabbitmq
from tests.watch import until

reactor: Any = the_reactor
ROOT = Path(__file__).resolve().parents[2]
TWISTD = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
COUNT = int(os.environ.get("GDEMOI_TEST_MESSAGES", "10000"))
WINDOW = 100
LIMIT_S = 200.0
pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

INI = """\
[gateway]
name = path
home_country = RU
journal = sqlite:///journal.sqlite
shutdown_grace = 5s
unsure_hold = 2s

[amqp]
url = amqp://guest@127.0.0.1:{broker}/{vhost}
prefix = {prefix}
heartbeat = 4s

[smpp:carrier]
host = 127.0.0.1
port = {smsc}
system_id = demo
password = demo
window = {window}
enquire_link = 2s
"""


def tearDownModule() -> None:
    """Leave nothing at the broker."""
    remove_own_vhost()


class CountingSmsc(Smsc):
    """An SMSC that counts what it took, by phone."""

    def __init__(self) -> None:
        account = SmscPersonality(password="demo", receipt_delay_s=0.05, tracker=False)
        super().__init__({"demo": account}, reactor)
        self.counts: Counter[str] = Counter()

    def take(self, session: Any, pdu: Any) -> Any:
        self.counts[pdu.destination_addr] += 1
        return super().take(session, pdu)


class PathTests(TestCase):
    timeout = 580

    def setUp(self) -> None:
        require_rabbitmq()
        self.vhost = Vhost()
        self.addCleanup(self.vhost.remove)
        self.proxy = Proxy(reactor)
        self.addCleanup(self.proxy.port.stopListening)
        self.smsc = CountingSmsc()
        self.addCleanup(self.smsc.stop)
        port = reactor.listenTCP(0, SmscFactory(self.smsc), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        (self.folder / "gateway.ini").write_text(
            INI.format(
                broker=self.proxy.number,
                vhost=self.vhost.path,
                prefix=self.vhost.prefix,
                window=WINDOW,
                smsc=port.getHost().port,
            )
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.addCleanup(self.kill)

    def start(self) -> None:
        """Start the gateway."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", TWISTD, "-n", "--pidfile="),
                    *("gdemoi-sms", "--config", "gateway.ini"),
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def kill(self, with_: signal.Signals = signal.SIGKILL) -> int:
        """End the gateway; return its exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(with_)
        process, self.process = self.process, None
        return process.wait(30)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true."""
        await until(true, self.state, LIMIT_S)

    def state(self) -> str:
        log = (self.folder / "log").read_text()
        return f"{len(self.smsc.counts)} at the SMSC\n{log[-3000:]}"

    def sent(self, share: float) -> Callable[[], bool]:
        """Tell whether this share of all has reached the SMSC."""
        return lambda: len(self.smsc.counts) >= share * COUNT

    def publish(self) -> None:
        """Publish everything, as commands: they are never blindly repeated."""
        with Platform(self.vhost) as platform:
            while not self.declared(platform):
                platform.connection.sleep(0.1)
            for number in range(COUNT):
                fields = {
                    "id": f"m{number}",
                    "to": f"+7916{number:07}",
                    "text": "Где ты?",
                    "class": "command",
                }
                platform.publish(json.dumps(fields, ensure_ascii=False).encode())

    def declared(self, platform: Platform) -> bool:
        """Tell whether the gateway has declared its queues."""
        try:
            platform.waiting("outbound")
        except ChannelClosedByBroker:
            platform.channel = platform.connection.channel()
            return False
        return True

    def read(self) -> dict[str, list[dict[str, Any]]]:
        """Return the events of each message, repeats left out, as they came."""
        stories: dict[str, list[dict[str, Any]]] = defaultdict(list)
        seen: set[str] = set()
        with Platform(self.vhost) as platform:
            self.assertEqual(platform.waiting("outbound"), 0)
            self.assertEqual(platform.waiting("invalid"), 0)
            for _, body in platform.drain("status"):
                event = json.loads(body)
                if event["event_id"] not in seen and event["seq"]:
                    seen.add(event["event_id"])
                    stories[event["id"]].append(event)
        return stories

    async def settle(self) -> dict[str, list[dict[str, Any]]]:
        """Wait for the last receipt, end the gateway, read all events."""
        await self.until(lambda: len(self.smsc.counts) >= COUNT - self.may_miss)
        await self.until(lambda: self.ended() == COUNT)
        await deferToThread(self.kill, signal.SIGTERM)
        return await deferToThread(self.read)

    def ended(self) -> int:
        """Return how many messages the journal knows to have ended, or uncertain."""
        journal = f"file:{self.folder}/journal.sqlite?mode=ro"
        ends = (*FINAL, "uncertain")
        marks = ", ".join("?" * len(ends))
        with closing(sqlite3.connect(journal, uri=True)) as reading:
            query = f"SELECT count(*) FROM messages WHERE state IN ({marks})"
            (count,) = reading.execute(query, [str(end) for end in ends]).fetchone()
        return int(count)

    # intents in the journal whose octets never left: at most a window each time
    may_miss = 0

    def assert_whole(self, stories: dict[str, list[dict[str, Any]]]) -> Counter[str]:
        """Assert none lost, none twice, in order; return how they ended."""
        ends: Counter[str] = Counter()
        self.assertEqual(len(stories), COUNT)
        for id_, reported in stories.items():
            numbers = [event["seq"] for event in reported]
            self.assertEqual(numbers, list(range(1, len(reported) + 1)), id_)
            finals = [event for event in reported if event["final"]]
            self.assertLessEqual(len(finals), 1, id_)
            if finals:
                self.assertIn(reported[-1]["state"], FINAL)
            else:
                self.assertEqual(reported[-1]["state"], "uncertain", reported)
            ends[reported[-1]["state"]] += 1
        twice = [phone for phone, count in self.smsc.counts.items() if count > 1]
        self.assertEqual(twice, [])
        return ends

    async def test_cut_links_and_a_restart_of_the_broker(self) -> None:
        """Five cut links, one expulsion: all delivered, each once."""
        self.start()
        publishing = deferToThread(self.publish)
        for step in range(5):
            await self.until(self.sent((step + 1) / 8))
            if step % 2:
                self.proxy.truncate_after = 10_007
            else:
                self.proxy.cut()
        await publishing
        await deferToThread(self.vhost.disturb)
        ends = self.assert_whole(await self.settle())
        self.assertEqual(ends, {"delivered": COUNT})

    async def test_killed_with_9(self) -> None:
        """Twice, under load: none lost, none sent twice; the rest is uncertain."""
        self.may_miss = 2 * WINDOW
        self.start()
        publishing = deferToThread(self.publish)
        for share in (0.25, 0.6):
            await self.until(self.sent(share))
            self.kill()
            self.start()
        await publishing
        ends = self.assert_whole(await self.settle())
        self.assertLessEqual(ends["uncertain"], 4 * WINDOW)
        self.assertLessEqual(set(ends), {"delivered", "uncertain"})
