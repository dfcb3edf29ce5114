"""The whole service: starting, stopping, and a configuration that changes.

Real: journal, dispatcher, HTTP side, files.  The far sides are channels that the
test leads by hand.  And the tree of webhook resources.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.logger import capturedLogs, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource, getChildForRequest
from twisted.web.test.requesthelper import DummyRequest
from zope.interface import implementer

from gdemoi.contract.envelope import fingerprint
from gdemoi.errors import CannotListen
from gdemoi.ini import key, text
from gdemoi.interfaces import ChannelContext, ChannelKind, IChannelEvents, IListening
from gdemoi.message import Accepted, Error, Outbound, Outcome, Refused
from gdemoi.service.assembly import GatewayService, Webhooks
from gdemoi.service.logs import LogRepeats
from gdemoi.settings import load
from tests.journal.builders import acceptance
from tests.routing.channels import HandChannel, Ready
from tests.watch import Watch, until


@frozen(kw_only=True)
class HandSettings:
    """A far side that a test leads."""

    host: str = key(text, default="x", doc="any word")
    down: str | None = key(text, default=None, doc="why nothing can be sent")


@implementer(IListening)
@define(eq=False)
class Standing(HandChannel):
    """A channel that writes down when it starts and stops."""

    diary: list[str] = field(factory=list)
    host: str = ""
    watch: Watch = field(factory=Watch)

    def start(self, events: IChannelEvents) -> None:
        super().start(events)
        self.diary.append(f"{self.name} starts")

    def submit(self, prepared: Ready, attempt: int) -> Deferred[Outcome]:
        answer = super().submit(prepared, attempt)
        self.watch.look()
        return answer

    def listening(self) -> Deferred[CannotListen | None]:
        deaf = CannotListen("host", "the port is taken")
        return succeed(deaf if self.host == "deaf" else None)

    def stop(self, grace_s: float) -> Deferred[None]:
        self.diary.append(f"{self.name} stops")
        self.down = "stopping"
        for _, _, waiting in self.submitted:
            if not waiting.called:
                gone = Error("gateway:stopping", "the channel stops", retryable=True)
                waiting.callback(Refused(error=gone))
        return super().stop(grace_s)


class ServiceTestCase(TestCase):
    """A gateway over hand-led channels, from a file that the test rewrites."""

    timeout = 110

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.file = self.folder / "gateway.ini"
        self.diary: list[str] = []
        self.made: dict[str, list[Standing]] = {}
        self.services: list[GatewayService] = []
        self.watch = Watch()
        kind = ChannelKind("hand", HandSettings, self.make)
        self.load = partial(load, kinds=[kind])
        # a service sets the level of whatever observes the log
        before = list(globalLogPublisher._observers)
        self.addCleanup(globalLogPublisher._observers.__setitem__, slice(None), before)

    async def tearDown(self) -> None:
        for service in self.services:
            if service.running:
                await service.stopService()

    def make(
        self,
        name: str,
        settings: HandSettings,
        parts: list[tuple[str, str, Any]],
        around: ChannelContext,
    ) -> Standing:
        """Make a channel (`ChannelKind.make`)."""
        channel = Standing(
            name=name,
            account=name,
            down=settings.down,
            diary=self.diary,
            host=settings.host,
            watch=self.watch,
        )
        around.mount(name, Resource())
        self.made.setdefault(name, []).append(channel)
        return channel

    def write(self, *sections: str, gateway: str = "") -> None:
        """Write the configuration."""
        head = f"[gateway]\nname = test\njournal = sqlite:///j.sqlite\n{gateway}\n"
        self.file.write_text(head + "\n".join(sections) + "\n")
        self.file.chmod(0o600)

    def service(self) -> GatewayService:
        """Return a service of the configuration, not started."""
        loaded = self.load(str(self.file))
        made = GatewayService(loaded, reactor, self.load)
        self.services.append(made)
        return made

    async def running(self) -> GatewayService:
        """Return a running service."""
        service = self.service()
        service.startService()
        await service.ready
        return service

    async def sent(self, channel: Standing, ids: Sequence[str]) -> None:
        """Wait until a channel has these messages, in whatever order."""
        what = f"{ids} at {channel.name}"
        await self.watch.until(lambda: sorted(channel.ids) == sorted(ids), what)

    async def changed(self, service: GatewayService) -> None:
        """Wait until no change of the configuration is under way."""
        while service._changing is not None:
            await service._changing

    async def reload(self, service: GatewayService) -> list[str]:
        """Reload to the end; return what was logged."""
        with capturedLogs() as events:
            service.reload()
            await self.changed(service)
        return [formatEvent(event) for event in events]

    def send(
        self, service: GatewayService, id_: str, to: str = "+79161234567"
    ) -> Awaitable[Any]:
        """Hand a message in, as the HTTP side does."""
        now = service.gateway.seconds()
        message = Outbound(
            id=id_, to=to, text="x", accepted_at=now, expires_at=now + 3600
        )
        return service.gateway.accept([(message, fingerprint(message))])


A, B = "[hand:a]\nhost = one", "[hand:b]\nhost = one"
TO_A, TO_B = "[route:all]\nchannels = a", "[route:all]\nchannels = b"
BOTH = "[route:all]\nchannels = a, b"


class StartTests(ServiceTestCase):
    async def test_start_and_stop(self) -> None:
        """Channels start once there is a journal; everything is closed at the end."""
        self.write(A, B, BOTH, "[http]\nlisten = tcp:0:interface=127.0.0.1")
        service = self.service()
        self.assertEqual(self.diary, [])
        service.startService()
        await service.ready
        self.assertTrue((self.folder / "j.sqlite").exists())
        self.assertEqual(self.diary, ["a starts", "b starts"])
        (port,) = service._ports
        await service.stopService()
        self.assertEqual(self.diary[2:], ["a stops", "b stops"])
        self.assertFalse(port.connected)  # type: ignore[attr-defined]
        again = await self.running()
        self.assertFalse(again.failed)

    async def refused(self, service: GatewayService) -> str:
        """Start what cannot start; return what was logged as critical."""
        stopped: Deferred[None] = Deferred()
        self.patch(service, "reactor", _Stops(service.reactor, stopped))
        with capturedLogs() as events:
            service.startService()
            await stopped
        self.assertTrue(service.failed)
        self.assertEqual([e for e in events if "log_failure" in e], [])
        (line,) = [
            formatEvent(event)
            for event in events
            if event["log_level"].name == "critical"
        ]
        await service.stopService()
        return line

    async def test_a_port_in_use(self) -> None:
        """One line names section and key; no channel was started."""
        self.write(A, TO_A, "[http]\nlisten = tcp:0:interface=127.0.0.1")
        first = await self.running()
        number = first._ports[0].getHost().port  # type: ignore[attr-defined]
        listen = f"[http]\nlisten = tcp:{number}:interface=127.0.0.1"
        self.write(A, TO_A, listen, gateway="")
        text = self.file.read_text().replace("j.sqlite", "k.sqlite")
        self.file.write_text(text)
        said = await self.refused(self.service())
        self.assertIn(f":10: [http] listen: tcp:{number}", said)
        self.assertIn("Address already in use", said)
        self.assertEqual(self.diary[:1], ["a starts"])
        self.assertNotIn("a starts", self.diary[1:])

    async def test_a_cdr_file_that_cannot_be(self) -> None:
        """Is told at the start, with its line."""
        self.write(A, TO_A, gateway="cdr = nowhere/cdr.jsonl")
        said = await self.refused(self.service())
        self.assertIn(":4: [gateway] cdr: ", said)

    async def test_a_key_file_that_is_not_there(self) -> None:
        """The line names key and file."""
        listen = "ssl:0:privateKey=/nonexistent.pem:interface=127.0.0.1"
        self.write(A, TO_A, f"[http]\nlisten = {listen}\ntoken = a-long-token")
        said = await self.refused(self.service())
        self.assertIn(f"gateway.ini:10: [http] listen: {listen}: ", said)
        self.assertIn("No such file", said)

    async def test_a_key_file_that_holds_no_key(self) -> None:
        """OpenSSL's list of tuples is told in words, without a traceback."""
        listen = f"ssl:0:privateKey={self.file.absolute()}:interface=127.0.0.1"
        self.write(A, TO_A, f"[http]\nlisten = {listen}")
        said = await self.refused(self.service())
        self.assertIn(f"gateway.ini:10: [http] listen: {listen}: ", said)
        self.assertIn("must hold a certificate and its private key", said)

    async def test_a_journal_that_is_damaged_where_no_check_looks(self) -> None:
        """Met when open attempts are read: the line names the key all the same."""
        self.write(A, TO_A)
        service = await self.running()
        await service.journal.accept([acceptance("m1", "a", attempting=True)])
        await service.stopService()
        with closing(sqlite3.connect(self.folder / "j.sqlite")) as other, other:
            other.execute("UPDATE messages SET record = x'ff'")
        service = self.service()
        stopped: Deferred[None] = Deferred()
        self.patch(service, "reactor", _Stops(service.reactor, stopped))
        with capturedLogs() as events:
            service.startService()
            await stopped
        self.assertEqual([e for e in events if "log_failure" in e], [])
        said = [formatEvent(e) for e in events if e["log_level"].name == "critical"]
        self.assertIn("gateway.ini:3: [gateway] journal: ", said[-1])
        self.assertIn("is damaged: put a good copy back", said[-1])
        await service.stopService()

    async def test_a_journal_that_another_gateway_has(self) -> None:
        """It is left alone, and the line names it."""
        self.write(A, TO_A)
        await self.running()
        said = await self.refused(self.service())
        self.assertIn("another gateway has this journal open", said)

    async def test_a_journal_without_a_folder(self) -> None:
        """The line names the folder."""
        self.write(A, TO_A)
        text = self.file.read_text().replace("j.sqlite", "nowhere/j.sqlite")
        self.file.write_text(text)
        said = await self.refused(self.service())
        self.assertIn("nowhere does not exist", said)

    async def test_stopped_while_it_starts(self) -> None:
        """No failure is told, and nothing stays open."""
        self.write(A, TO_A)
        service = self.service()
        with capturedLogs() as events:
            service.startService()
            await service.stopService()
        self.assertFalse(service.failed)
        self.assertEqual([e for e in events if e["log_level"].name == "critical"], [])
        await self.running()

    async def test_a_channel_that_cannot_listen(self) -> None:
        """The start ends: its line has the place of the key that names the port."""
        self.write(A, "[hand:b]\nhost = deaf", BOTH)
        said = await self.refused(self.service())
        self.assertIn("gateway.ini:8: [hand:b] host: the port is taken", said)

    async def test_the_same_mistake_again(self) -> None:
        """Who reloads the same bad file twice is told every complaint twice."""
        self.write(A, TO_A)
        service = await self.running()
        self.write(*(f"[hand:x{n}]\nhots = two" for n in range(30)))
        repeats = LogRepeats()
        for _ in range(2):
            with capturedLogs() as events:
                await self.reload(service)
            reported = [one for event in events for one in repeats.heard(event)]
            lines = [formatEvent(one) for one in reported]
            self.assertEqual(len([one for one in lines if "hots" in one]), 30)

    async def test_a_channel_that_cannot_listen_any_more(self) -> None:
        """While it runs it goes on: the channel tries again, the log has the place."""
        self.write(A, B, BOTH)
        service = await self.running()
        self.write(A, "[hand:b]\nhost = deaf", BOTH)
        (said,) = [one for one in await self.reload(service) if "taken" in one]
        self.assertIn("[hand:b] host: the port is taken; it is tried again", said)
        self.assertFalse(service.failed)
        self.assertTrue(service.running)


class _Stops:
    """A reactor that cannot be stopped, and tells who tried."""

    def __init__(self, real: Any, stopped: Deferred[None]) -> None:
        self._real = real
        self._stopped = stopped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def stop(self) -> None:
        self._stopped.callback(None)

    def callWhenRunning(self, work: Callable[[], None]) -> None:
        work()


class ReloadTests(ServiceTestCase):
    async def test_a_bad_file_changes_nothing(self) -> None:
        """Every complaint is logged; the running configuration stays."""
        self.write(A, TO_A)
        service = await self.running()
        self.write("[hand:a]\nhots = two", "[route:all]\nchannels = c", "[what]")
        said = "\n".join(await self.reload(service))
        for word in ("hots: is unknown", "no channel c", "unknown section", "kept"):
            self.assertIn(word, said)
        self.assertEqual(self.diary, ["a starts"])
        self.assertEqual(list(service.dispatcher.lanes), ["a"])
        await self.send(service, "m1")
        await self.sent(self.made["a"][0], ["m1"])

    async def test_what_is_answered(self) -> None:
        """To whoever asked, whether there was something to wait for or not."""
        self.write(A, TO_A)
        service = await self.running()
        for dry_run in (True, False):
            report = await service.gateway.reload(dry_run)
            self.assertEqual((report["status"], report["changes"]), ("unchanged", []))
        self.write("[hand:a]\nhost = two", TO_A)
        report = await service.gateway.reload(True)
        self.assertEqual(report["status"], "would_change")
        self.assertEqual(self.diary, ["a starts"])
        told = [one["text"] for one in report["changes"]]
        report = await service.gateway.reload(False)
        self.assertEqual(report["status"], "changed")
        self.assertEqual([one["text"] for one in report["changes"]], told)
        self.write("[hand:a]\nhots = three", TO_A)
        for dry_run in (True, False):
            report = await service.gateway.reload(dry_run)
            self.assertEqual(report["status"], "refused")
            self.assertIn("hots: is unknown", report["complaints"][0])
        self.assertEqual(self.made["a"][-1].host, "two")

    async def test_a_file_that_is_gone(self) -> None:
        """As a bad one."""
        self.write(A, TO_A)
        service = await self.running()
        self.file.unlink()
        said = "\n".join(await self.reload(service))
        self.assertIn("No such file", said)
        self.assertEqual(self.diary, ["a starts"])

    async def test_a_changed_channel_is_replaced_the_others_stay(self) -> None:
        """One stops and starts anew; the other keeps its connection and lane."""
        self.write(A, B, BOTH)
        service = await self.running()
        lane = service.dispatcher.lanes["b"]
        self.write("[hand:a]\nhost = two", B, BOTH)
        said = await self.reload(service)
        self.assertIn("configuration changed: a changed, none gone, none new", said)
        self.assertEqual(self.diary[2:], ["a stops", "a starts"])
        self.assertEqual([one.host for one in self.made["a"]], ["one", "two"])
        self.assertEqual(len(self.made["b"]), 1)
        self.assertIs(service.dispatcher.lanes["b"], lane)
        self.assertIn(b"a", service.webhooks._sms.children)
        await self.send(service, "m1")
        await self.sent(self.made["a"][1], ["m1"])

    async def test_an_unchanged_file(self) -> None:
        """Nothing is touched."""
        self.write(A, B, BOTH)
        service = await self.running()
        await self.reload(service)
        self.assertEqual(self.diary, ["a starts", "b starts"])

    async def test_what_was_on_its_way_goes_on(self) -> None:
        """The old channel gives it back, the new one sends it; none is lost."""
        self.write(A, TO_A, gateway="retry_first = 50ms")
        service = await self.running()
        await self.send(service, "m1")
        old = self.made["a"][0]
        await self.sent(old, ["m1"])
        self.write("[hand:a]\nhost = two", TO_A, gateway="retry_first = 50ms")
        await self.reload(service)
        new = self.made["a"][1]
        await self.sent(new, ["m1"])
        new.answer(Accepted(provider_ids=("p1",)))
        self.assertEqual(old.ids, ["m1"])

    async def test_messages_of_a_removed_channel_go_another_way(self) -> None:
        """It is closed; what waited for it leaves by the channel that is left."""
        self.write("[hand:a]\ndown = no network", B, TO_A)
        service = await self.running()
        for number in range(3):
            await self.send(service, f"m{number}", f"+7916123450{number}")
        self.assertEqual(service.journal.backlog(), {"a": 3})
        self.write(B, TO_B)
        said = await self.reload(service)
        self.assertIn("configuration changed: none changed, a gone, none new", said)
        self.assertIn("a stops", self.diary)
        self.assertEqual(list(service.dispatcher.lanes), ["b"])
        self.assertNotIn(b"a", service.webhooks._sms.children)
        left = self.made["b"][0]
        await self.sent(left, ["m0", "m1", "m2"])
        self.assertEqual(service.journal.backlog(), {})

    async def test_what_a_removed_channel_had_on_its_way(self) -> None:
        """It finishes before the channel goes, and is decided by the new routes."""
        self.write(A, B, TO_A, gateway="retry_first = 50ms")
        service = await self.running()
        await self.send(service, "m1")
        await self.sent(self.made["a"][0], ["m1"])
        self.write(B, TO_B, gateway="retry_first = 50ms")
        await self.reload(service)
        await self.sent(self.made["b"][0], ["m1"])

    async def test_routes_change_at_once(self) -> None:
        """The next message goes the new way; channels are not touched."""
        self.write(A, B, TO_A)
        service = await self.running()
        await self.send(service, "m1")
        # a lane that still reads its backlog sends a little later
        await self.sent(self.made["a"][0], ["m1"])
        self.write(A, B, TO_B)
        await self.reload(service)
        await self.send(service, "m2", "+79161234568")
        await self.sent(self.made["b"][0], ["m2"])
        self.assertEqual(self.made["a"][0].ids, ["m1"])
        self.assertEqual(self.diary, ["a starts", "b starts"])

    async def test_a_new_channel(self) -> None:
        """It starts, and routes may lead to it."""
        self.write(A, TO_A)
        service = await self.running()
        self.write(A, B, TO_B)
        await self.reload(service)
        self.assertEqual(self.diary, ["a starts", "b starts"])
        await self.send(service, "m1")
        await self.sent(self.made["b"][0], ["m1"])

    async def test_a_pause_outlives_the_change(self) -> None:
        """What an operator paused stays paused when its settings change."""
        self.write(A, TO_A)
        service = await self.running()
        await service.gateway.pause("a")
        self.write("[hand:a]\nhost = two", TO_A)
        await self.reload(service)
        self.assertTrue(service.dispatcher.lanes["a"].paused)
        await self.send(service, "m1")
        self.assertEqual(self.made["a"][1].ids, [])
        await service.gateway.resume("a")
        await self.sent(self.made["a"][1], ["m1"])

    async def test_settings_of_the_gateway_itself(self) -> None:
        """What can change does; the rest is named, at each reload."""
        self.write(A, TO_A)
        service = await self.running()
        changed = "home_country = ES\nbacklog_limit = 7\njournal_keep = 1d"
        http = "[http]\nlisten = tcp:0:interface=127.0.0.1"
        self.write(A, TO_A, http, gateway=changed)
        for _ in range(2):
            said = await self.reload(service)
            self.assertIn("[http] has changed; that takes a restart", said)
            self.assertIn("journal_keep has changed; that takes a restart", said)
        self.assertEqual(service.gateway.defaults.home_country, "ES")
        self.assertEqual(service.dispatcher.home_country, "ES")
        self.assertEqual(service.dispatcher.intake.backlog_limit, 7)

    async def test_alerts_change_at_once(self) -> None:
        """A new one is watched, and what is on is in the status."""
        self.write(A, TO_A)
        service = await self.running()
        self.write(A, TO_A, "[alert:full]\nwhen = disk_free < 99999GiB\ndamping = 0s")
        await self.reload(service)
        await service.alerts.look()
        [shown] = service.gateway.alerts()
        self.assertEqual(shown["name"], "full")
        self.assertEqual(shown["subject"], str(self.folder.resolve()))
        events = await service.gateway.events(0, 100)
        self.assertEqual([e.routing_key for e in events], ["alert.full"])
        self.write(A, TO_A)
        await self.reload(service)
        await service.alerts.look()
        self.assertEqual(service.gateway.alerts(), [])

    async def test_the_cdr_file(self) -> None:
        """A line for each message that is over; a bad place keeps the one before."""
        self.write(A, TO_A, gateway="cdr = cdr.jsonl")
        service = await self.running()
        await self.send(service, "m1")
        channel = self.made["a"][0]
        await self.sent(channel, ["m1"])
        channel.answer(Accepted(receipt_expected=False))
        file = self.folder / "cdr.jsonl"
        await until(lambda: file.read_text())
        [record] = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual((record["id"], record["state"]), ("m1", "submitted"))
        self.write(A, TO_A, gateway="cdr = nowhere/cdr.jsonl")
        said = await self.reload(service)
        [refused] = [line for line in said if "nowhere" in line and ".ini:" in line]
        self.assertIn("gateway.ini:4: [gateway] cdr: ", refused)
        self.assertIn("No such file or directory", refused)
        self.assertTrue(service._messages.wants_steps)

    async def test_a_second_wish_meanwhile(self) -> None:
        """It is granted after the first, with the file as it is then."""
        self.write(A, TO_A)
        service = await self.running()
        self.write("[hand:a]\nhost = two", TO_A)
        service.reload()
        self.write("[hand:a]\nhost = three", TO_A)
        service.reload()
        service.reload()
        await self.changed(service)
        self.assertEqual(len(self.made["a"]), 3)
        self.assertEqual(self.diary[1:], ["a stops", "a starts", "a stops", "a starts"])
        self.assertEqual(self.made["a"][-1].host, "three")

    async def test_not_before_it_runs_nor_after(self) -> None:
        """A signal that comes too early or too late changes nothing."""
        self.write(A, TO_A)
        service = self.service()
        self.write("[hand:a]\nhost = two", TO_A)
        service.startService()
        service.reload()
        await service.ready
        self.assertEqual(self.diary, ["a starts"])
        await service.stopService()
        service.reload()
        self.assertEqual(self.diary, ["a starts", "a stops"])
        self.assertEqual(len(self.made["a"]), 1)


class WebhooksTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.webhooks = Webhooks()
        self.mounted = Resource()
        self.incoming = Resource()
        self.mounted.putChild(b"incoming", self.incoming)
        self.webhooks.mount("eu", self.mounted)

    def find(self, *path: bytes) -> Resource:
        request = DummyRequest(list(path))
        return getChildForRequest(self.webhooks, request)

    def status(self, *path: bytes) -> int:
        request = DummyRequest(list(path))
        getChildForRequest(self.webhooks, request).render(request)
        assert request.responseCode is not None
        return int(request.responseCode)

    def test_a_channel_is_found_below_its_name(self) -> None:
        """/sms/<channel>/incoming is what the channel mounted there."""
        self.assertIs(self.find(b"sms", b"eu", b"incoming"), self.incoming)

    def test_everything_else_is_not_found(self) -> None:
        """Other paths answer 404."""
        for path in ((b"",), (b"sms", b"us"), (b"admin",), (b"sms", b"eu", b"x")):
            self.assertEqual(self.status(*path), 404)

    def test_an_unmounted_channel_is_gone(self) -> None:
        """After a reload without the channel its path answers 404."""
        self.webhooks.unmount("eu")
        self.assertEqual(self.status(b"sms", b"eu", b"incoming"), 404)
        self.webhooks.unmount("eu")
