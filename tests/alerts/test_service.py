"""Alerts of a running gateway: lanes, journal and clock are real, channels by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.alerts.conditions import parse
from gdemoi.alerts.notices import Teller
from gdemoi.alerts.service import (
    CURSOR,
    Alerts,
    certificate_files,
    expiry,
    journal_folder,
)
from gdemoi.alerts.settings import AlertSettings
from gdemoi.contract.envelope import Defaults
from gdemoi.errors import Unavailable
from gdemoi.journal import Journal
from gdemoi.message import Outbound
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router, Rule
from gdemoi.service.gateway import RunningGateway
from gdemoi.settings import load
from tests.ini.sources import Memory
from tests.routing.channels import HandChannel
from tests.smpp.test_tls import CERTIFICATE, KEY

NOW = 1_795_000_000.0


class DownChannel(HandChannel):
    """One that tells that it is down while it is."""

    def describe(self) -> dict[str, Any]:
        state = "up" if self.down is None else "down"
        return {"state": state, "reason": self.down or "", "lines": []}


class AlertsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.journal = Journal("sqlite://", self.clock, inline=True)
        self.successResultOf(self.journal.open())
        self.carrier, self.office = DownChannel(name="carrier"), HandChannel(name="b")
        rule = Rule(name="all", channels=(("carrier", 1), ("b", 1)))
        self.dispatcher = Dispatcher(
            self.journal, self.clock, Router([rule], ["carrier", "b"]),
            [self.carrier, self.office],
        )  # fmt: skip
        self.run_to_end(self.dispatcher.start())
        self.gateway = RunningGateway(
            self.dispatcher, self.journal, self.clock, Defaults("RU"), "gw"
        )
        self.free = 10 * 1024**3

    def tearDown(self) -> None:
        self.alerts.stop()
        self.run_to_end(self.dispatcher.stop(0.0))
        self.successResultOf(self.journal.close())

    def run_to_end(self, coroutine: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def begin(self, bookmarks: Any = None, **whens: str | AlertSettings) -> None:
        """Start to watch."""
        self.alerts = Alerts(
            {name: self.made(when) for name, when in whens.items()},
            self.gateway,
            bookmarks or self.journal,
            Teller(self.gateway, self.journal.write_event, self.clock, None),  # type: ignore[arg-type]
            self.clock,
            folder="/var/lib/gdemoi",
            places={},
            free=lambda folder: self.free,
        )
        self.run_to_end(self.alerts.start())

    def made(self, when: str | AlertSettings) -> AlertSettings:
        if isinstance(when, AlertSettings):
            return when
        return AlertSettings(when=parse(when))

    def told(self) -> list[tuple[str, str]]:
        """Return name and state of all alert events."""
        events = self.successResultOf(self.journal.events(0, 1000))
        bodies = [json.loads(event.body) for event in events]
        return [(b["name"], b["state"]) for b in bodies if b["type"] == "alert"]

    def active(self) -> list[str]:
        return [one["name"] for one in self.alerts.active()]


class LookTests(AlertsCase):
    def test_a_channel_that_goes_down_and_comes_back(self) -> None:
        """The event, the line of the status, and the end of both."""
        self.begin(carrier="channel_down > 2m")
        self.carrier.down = "cut"
        self.clock.pump([10.0] * 12)
        self.assertEqual((self.told(), self.active()), ([], []))
        self.clock.advance(10)
        self.assertEqual(self.told(), [("carrier", "firing")])
        [shown] = self.alerts.active()
        self.assertEqual(shown["text"], "channel carrier is down: cut")
        self.assertEqual(shown["since"], NOW + 10)
        self.carrier.down = None
        self.clock.pump([10.0] * 8)
        self.assertEqual(self.told()[1:], [("carrier", "recovered")])
        self.assertEqual(self.active(), [])

    def test_the_sms_leaves_by_the_other_channel(self) -> None:
        """It is a message of the gateway's own, with its life and its events."""
        alert = AlertSettings(when=parse("channel_down > 2m"), sms=("+79161234567",))
        self.begin(carrier=alert)
        self.carrier.down = "cut"
        self.clock.pump([10.0] * 14)
        [(ready, _, _)] = self.office.submitted
        self.assertEqual(
            ready.message.text, "gw: carrier: channel carrier is down: cut"
        )
        self.assertEqual(self.carrier.submitted, [])

    def test_the_disk(self) -> None:
        """Where the journal is."""
        self.begin(disk="disk_free < 1GiB")
        self.free = 1024**3 - 1
        self.clock.pump([10.0] * 8)
        self.assertEqual(self.told(), [("disk", "firing")])
        self.assertIn("/var/lib/gdemoi", self.alerts.active()[0]["text"])

    def test_what_waits_in_the_journal(self) -> None:
        """The age of the oldest message, as the journal knows it."""
        self.begin(queue="queue_age > 5m")
        self.dispatcher.lanes["carrier"].pause()
        self.send()
        self.clock.pump([10.0] * 37)
        self.assertEqual(self.told(), [("queue", "firing")])

    def send(self) -> None:
        """Take a message that leaves by the carrier."""
        message = Outbound(
            id="m", to="+79161234567", text="x", accepted_at=self.clock.seconds(),
            expires_at=self.clock.seconds() + 9999, channels=("carrier",),
        )  # fmt: skip

        async def accept() -> None:
            await self.gateway.accept([(message, b"")])

        self.run_to_end(accept())

    def test_a_restart(self) -> None:
        """What is on is remembered in the journal, and not told again."""
        self.begin(carrier="channel_down > 2m")
        self.carrier.down = "cut"
        self.clock.pump([10.0] * 14)
        self.alerts.stop()
        self.begin(carrier="channel_down > 2m")
        self.assertEqual(self.active(), ["carrier"])
        self.clock.pump([10.0] * 30)
        self.assertEqual(self.told(), [("carrier", "firing")])

    def test_it_is_written_when_something_changes(self) -> None:
        """Not with every look."""
        self.begin(carrier="channel_down > 2m")
        self.carrier.down = "cut"
        self.clock.pump([10.0] * 14)
        self.successResultOf(self.journal.set_cursor(CURSOR, "mine"))
        self.clock.pump([10.0] * 14)
        self.assertEqual(self.successResultOf(self.journal.cursor(CURSOR)), "mine")

    def test_a_journal_that_cannot_be_written(self) -> None:
        """Does not keep an alert from being on, and is tried with the next look."""

        class Broken:
            tries = 0

            def cursor(self, name: str) -> Deferred[None]:
                return fail(Unavailable("no disk"))

            def set_cursor(self, name: str, value: str) -> Deferred[None]:
                self.tries += 1
                return fail(Unavailable("no disk"))

        broken = Broken()
        self.begin(broken, carrier="channel_down > 2m")
        self.carrier.down = "cut"
        self.clock.pump([10.0] * 15)
        self.assertEqual(self.active(), ["carrier"])
        self.assertGreater(broken.tries, 1)

    def test_a_look_that_fails(self) -> None:
        """Is logged, and the next one comes."""
        self.begin(disk="disk_free < 1GiB")
        self.free = None  # type: ignore[assignment]
        self.clock.advance(10)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
        self.free = 1
        self.clock.pump([10.0] * 8)
        self.assertEqual(self.active(), ["disk"])

    def test_a_changed_configuration(self) -> None:
        """An alert that is taken away is over; a new one is watched."""
        self.begin(carrier="channel_down > 2m")
        self.carrier.down = "cut"
        self.clock.pump([10.0] * 14)
        self.alerts.configure({"disk": self.made("disk_free < 1GiB")}, {})
        self.free = 1
        self.clock.pump([10.0] * 8)
        self.assertEqual(self.active(), ["disk"])

    def test_in_the_log(self) -> None:
        """One line each, in words."""
        with capturedLogs() as logs:
            self.begin(carrier="channel_down > 2m")
            self.carrier.down = "cut"
            self.clock.pump([10.0] * 14)
        lines = [formatEvent(one) for one in logs if one.get("alert")]
        self.assertEqual(lines, ["alert gw: carrier: channel carrier is down: cut"])


class CertificateTests(SynchronousTestCase):
    def test_when_it_expires(self) -> None:
        """The earliest of the file's certificates; none where there is none."""
        file = Path(self.mktemp())
        file.write_bytes(KEY + CERTIFICATE)
        found = expiry(str(file))
        assert found is not None
        self.assertGreater(found, 1_700_000_000)
        file.write_bytes(b"nothing")
        self.assertIsNone(expiry(str(file)))
        with capturedLogs() as logs:
            self.assertIsNone(expiry(f"{file}.gone"))
        self.assertIn("No such file", formatEvent(logs[0]))

    def test_which_files(self) -> None:
        """Those that we show: where we listen, and to brokers."""
        pem = CERTIFICATE + KEY
        text = (
            "[http]\n"
            "listen = ssl:1:interface=127.0.0.1:privateKey=k.pem:certKey=c.pem\n"
            "[amqp]\nurl = amqps://guest@h/\ntls_certificate = a.pem\n"
            "[smpp-server:door]\nlisten = tcp:2775\ntls_certificate = d.pem\n"
        )
        files = {f"/here/{name}.pem": pem for name in "kcad"}
        sources = Memory(files={"g.ini": text.encode(), **files})
        found = certificate_files(load("g.ini", sources=sources))
        names = {what: Path(path).name for what, path in found.items()}
        self.assertEqual(
            names,
            {
                "[http] listen": "c.pem",
                "[amqp] tls_certificate": "a.pem",
                "[smpp-server:door] tls_certificate": "d.pem",
            },
        )

    def test_where_the_journal_is(self) -> None:
        """Of a file; a database is elsewhere."""
        self.assertEqual(journal_folder("sqlite:////var/lib/x/j.sqlite"), "/var/lib/x")
        self.assertIsNone(journal_folder("postgresql://u@h/b"))
