"""Against a real RabbitMQ, with a proxy in between that cuts, stalls, truncates."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pika.exceptions import ChannelClosedByBroker, UnroutableError
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.internet.ssl import PrivateCertificate
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.trial.unittest import TestCase

from gdemoi.amqp.service import AmqpService
from gdemoi.amqp.settings import AmqpSettings, url
from gdemoi.contract.envelope import Defaults
from gdemoi.facts import Acceptance, AttemptEnded, Stored, Submitted
from gdemoi.journal import Journal
from gdemoi.message import Accepted, Inbound, Outbound
from gdemoi.net.reconnector import Backoff
from gdemoi.tasks import spawn
from tests.amqp.live import Platform, Proxy, Vhost, remove_own_vhost, self_signed
from tests.services import require_rabbitmq
from tests.watch import until

reactor: Any = the_reactor
HUNDRED = 100
MANY = 10_000
LIMIT_S = 150.0
pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]


class Gateway:
    """A gateway whose every message leaves at once: accepted, then submitted."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.is_full = False

    def full(self) -> bool:
        return self.is_full

    def accept(
        self,
        messages: Sequence[tuple[Outbound, bytes]],
        *,
        keep_rejected: bool = False,
    ) -> Deferred[list[Any]]:
        return Deferred.fromCoroutine(self.accepted(messages))

    async def accepted(self, messages: Sequence[tuple[Outbound, bytes]]) -> list[Any]:
        verdicts = await self.journal.accept(
            [Acceptance(m, mark, "x", attempting=True) for m, mark in messages]
        )
        for (message, _), verdict in zip(messages, verdicts, strict=True):
            if isinstance(verdict, Stored):
                spawn(self.leave(message.id), Logger(), "leaving")
        return verdicts

    async def leave(self, id_: str) -> None:
        outcome, over = Accepted(receipt_expected=False), Submitted(final=True)
        await self.journal.note(
            AttemptEnded(id_, 1, "x", "x", outcome, over, reactor.seconds())
        )


def tearDownModule() -> None:
    """Leave nothing at the broker."""
    remove_own_vhost()


class LiveCase(TestCase):
    """One gateway behind a proxy, at a virtual host of its own."""

    timeout = 580

    def setUp(self) -> None:
        require_rabbitmq()
        self.vhost = Vhost()
        self.addCleanup(self.vhost.remove)
        self.proxy = Proxy(reactor)
        self.addCleanup(self.proxy.port.stopListening)
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    scheme = "amqp"
    host = "127.0.0.1"

    async def begin(self, **settings: Any) -> None:
        """Open the journal, start the AMQP side, wait until it is up."""
        await self.start(**settings)
        await self.until(lambda: self.service.status().state == "up")

    async def start(self, **settings: Any) -> None:
        """Open the journal and start the AMQP side."""
        self.journal = Journal(f"sqlite:///{self.folder}/journal.sqlite", reactor)
        await self.journal.open()
        self.gateway = Gateway(self.journal)
        place = f"{self.host}:{self.proxy.number}/{self.vhost.path}"
        address = f"{self.scheme}://guest@{place}"
        fields: dict[str, Any] = {"heartbeat_s": 2.0, "open_timeout_s": 5.0}
        self.service = AmqpService(
            AmqpSettings(
                url=(url(address),), prefix=self.vhost.prefix, **(fields | settings)
            ),
            {},
            self.gateway,
            self.journal,
            reactor,
            defaults=Defaults("RU"),
            name="live",
            backoff=Backoff(first_s=0.1, last_s=0.5),
        )
        self.service.start()

    async def end(self) -> None:
        """Stop in order."""
        await self.service.stop()
        await self.journal.close()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true."""
        await until(true, lambda: str(self.service.status()), LIMIT_S)

    def settled(self) -> bool:
        """Tell whether everything that was taken has been told."""
        status = self.service.status()
        return (
            status.state == "up"
            and status.behind == 0
            and status.unsettled == 0
            and status.unconfirmed == 0
        )

    def envelope(self, id_: str, **more: Any) -> bytes:
        """Return a body as a platform writes it."""
        fields = {"id": id_, "to": "+79161234567", "text": "Привет", **more}
        return json.dumps(fields, ensure_ascii=False).encode()


class ManyTests(LiveCase):
    def publish(self) -> None:
        with Platform(self.vhost) as platform:
            for number in range(MANY):
                platform.publish(self.envelope(f"m{number}"))

    async def test_cut_links_and_a_restart_lose_nothing(self) -> None:
        """10,000 messages, five cut links, one broker that throws us out."""
        await self.begin()
        publishing = deferToThread(self.publish)
        await self.until(lambda: self.service.status().taken >= MANY // 20)
        for at in range(5):
            if at % 2:
                self.proxy.truncate_after = 20_011 * at
            else:
                self.proxy.cut()
            seen = self.service.status().taken
            more = min(seen + MANY // 10, MANY)
            await self.until(lambda: self.service.status().taken >= more)  # noqa: B023
        await publishing
        await deferToThread(self.vhost.disturb)
        await self.until(lambda: self.journal.last_seq() >= 2 * MANY)
        await self.until(self.settled)
        self.assertGreaterEqual(self.proxy.connections, 6)
        stories = await deferToThread(self.stories)
        await self.end()
        self.assertEqual(len(stories), MANY)
        for id_, reported in stories.items():
            self.assertEqual(reported, ["accepted", "submitted"], id_)

    def stories(self) -> dict[str, list[str]]:
        """Return the states of each message, repeats left out, in order."""
        stories: dict[str, list[str]] = defaultdict(list)
        seen: set[str] = set()
        with Platform(self.vhost) as platform:
            self.assertEqual(platform.waiting("outbound"), 0)
            self.assertEqual(platform.waiting("invalid"), 0)
            for properties, body in platform.drain("status"):
                event = json.loads(body)
                self.assertEqual(properties.message_id, event["event_id"])
                if event["event_id"] not in seen and event["seq"]:
                    seen.add(event["event_id"])
                    stories[event["id"]].append(event["state"])
        return stories


class LinkTests(LiveCase):
    async def test_a_deaf_link_is_noticed(self) -> None:
        """A proxy that passes nothing and closes nothing: two heartbeats later."""
        await self.begin(heartbeat_s=1.0)
        self.proxy.stall()
        await self.until(lambda: self.service.status().state != "up")
        self.assertIn("silent", self.service.status().reason)
        await self.until(lambda: self.service.status().state == "up")
        await self.end()

    async def test_cut_at_any_octet_of_the_login(self) -> None:
        """It comes up when the link lets it."""
        await self.begin()
        for octets in (0, 7, 300, 700, 1000):
            self.proxy.truncate_after = octets
            self.proxy.cut()
            await self.until(lambda: self.service.status().state != "up")
            await self.until(lambda: self.service.status().state == "up")
        await self.end()

    async def test_a_wrong_password(self) -> None:
        """Is refused, and says so."""
        await self.begin()
        settings = AmqpSettings(
            url=(url(f"amqp://guest:wrong@127.0.0.1:5672/{self.vhost.path}"),)
        )
        other = AmqpService(
            settings,
            {},
            self.gateway,
            self.journal,
            reactor,
            defaults=Defaults(),
            name="x",
        )
        other.start()
        await self.until(lambda: other.status().state == "refused")
        self.assertIn("ACCESS_REFUSED", other.status().reason)
        await other.stop()
        await self.end()

    async def test_a_queue_that_is_deleted_comes_back(self) -> None:
        """basic.cancel, a new connection, a new declaration."""
        await self.begin()
        with Platform(self.vhost) as platform:
            platform.channel.queue_delete(platform.name("outbound"))
            await self.until(lambda: self.proxy.connections == 2)
            await self.until(lambda: self.service.status().state == "up")
            platform.publish(self.envelope("m"))
        await self.until(lambda: self.service.status().taken == 1)
        await self.end()


class VanishedTests(LiveCase):
    """Broker objects that vanish under a live connection."""

    async def vanish(
        self, delete: Callable[[Platform], None], connections: int
    ) -> None:
        """Delete something, publish, and see the message taken and told."""
        await self.begin()
        with Platform(self.vhost) as platform:
            await deferToThread(delete, platform)
            await deferToThread(
                platform.channel.basic_publish,
                "",
                platform.name("outbound"),
                self.envelope("m"),
            )
            await self.until(lambda: self.service.status().taken == 1)
            await self.until(self.settled)
            await self.until(lambda: self.bound(platform))
            states = [json.loads(body)["state"] for _, body in platform.drain("status")]
        status = self.service.status()
        await self.end()
        self.assertEqual(states, ["accepted", "submitted"])
        self.assertEqual((status.passed, status.stuck), (0, None))
        self.assertEqual(self.proxy.connections, connections)

    def bound(self, platform: Platform) -> bool:
        """Tell whether what platforms publish to the exchange finds its queue."""
        with Platform(self.vhost) as other:
            other.channel.confirm_delivery()
            try:
                other.channel.basic_publish(
                    self.vhost.prefix,
                    "outbound.x",
                    self.envelope(f"p{time.monotonic_ns()}", report="none"),
                    mandatory=True,
                )
            except (UnroutableError, ChannelClosedByBroker):
                return False
        return True

    async def test_the_status_queue(self) -> None:
        """Deleted: declared again, on the same connection."""
        await self.vanish(lambda p: p.channel.queue_delete(p.name("status")), 1)

    async def test_a_binding(self) -> None:
        """Of the status queue."""
        await self.vanish(
            lambda p: p.channel.queue_unbind(
                p.name("status"), p.name("events"), "status.#"
            ),
            1,
        )

    async def test_the_exchange_of_events(self) -> None:
        """The broker closes our channel; the next connection declares."""
        await self.vanish(lambda p: p.channel.exchange_delete(p.name("events")), 2)

    async def test_the_exchange_of_platforms(self) -> None:
        """Found by looking, not by publishing."""
        await self.vanish(lambda p: p.channel.exchange_delete(self.vhost.prefix), 1)

    async def test_an_inbound_sms_arrives(self) -> None:
        """Its queue was deleted before it came."""
        await self.begin()
        with Platform(self.vhost) as platform:
            platform.channel.queue_delete(platform.name("inbound"))
            inbound = Inbound(
                channel="c", from_="+79161234567", to="7", received_at=1.0, text="да"
            )
            await self.journal.inbound(inbound)
            await self.until(lambda: self.service.status().published == 1)
            [(_, body)] = platform.drain("inbound")
        await self.end()
        self.assertEqual(json.loads(body)["text"], "да")

    async def test_the_invalid_queue(self) -> None:
        """Deleted: the body is in the new one, and acked."""
        await self.begin()
        with Platform(self.vhost) as platform:
            platform.channel.queue_delete(platform.name("invalid"))
            platform.publish(b"{")
            await self.until(lambda: self.service.status().invalid == 1)
            await self.until(self.settled)
            self.assertEqual([body for _, body in platform.drain("invalid")], [b"{"])
        self.assertEqual(self.proxy.connections, 1)
        await self.end()

    async def test_held_without_the_right_to_declare(self) -> None:
        """declare = no: nothing is passed, and all arrives once it is bound."""
        await self.begin()
        await self.end()
        await self.begin(declare=False, unroutable_s=0.0)
        with Platform(self.vhost) as platform:
            names = (platform.name("status"), platform.name("events"), "status.#")
            platform.channel.queue_unbind(*names)
            platform.publish(self.envelope("m"))
            await self.until(lambda: self.service.status().stuck is not None)
            self.assertIn("submitted", self.service.status().stuck or "")
            platform.channel.queue_bind(*names)
            await self.until(self.settled)
            states = [json.loads(body)["state"] for _, body in platform.drain("status")]
        await self.end()
        self.assertEqual(states, ["submitted"])


class TlsTests(LiveCase):
    scheme = "amqps"
    host = "localhost"

    def setUp(self) -> None:
        super().setUp()
        certificate, key = self_signed("localhost")
        self.authority = self.folder / "ca.pem"
        self.authority.write_bytes(certificate)
        secret = PrivateCertificate.loadPEM(certificate + key)
        self.proxy = Proxy(reactor, secret.options())
        self.addCleanup(self.proxy.port.stopListening)

    async def test_over_tls(self) -> None:
        """With the authority that the settings name."""
        await self.begin(tls_ca=str(self.authority))
        with Platform(self.vhost) as platform:
            platform.publish(self.envelope("m", text="Ж" * 100_000))
            await self.until(lambda: self.service.status().taken == 1)
            await self.until(self.settled)
            self.assertEqual(platform.waiting("status"), 2)
        await self.end()

    async def test_a_certificate_that_nobody_vouches_for(self) -> None:
        """No connection; the reason is told."""
        await self.start()
        await self.until(lambda: "certificate" in self.service.status().reason)
        self.assertNotEqual(self.service.status().state, "up")
        await self.end()


class OddTests(LiveCase):
    async def test_odd_messages_are_handled_and_the_link_lives(self) -> None:
        """Cyrillic everywhere, dead-lettered, nested, big, empty, broken, twice."""
        await self.begin()
        headers = {
            "имя": "Вася",
            "big": 2**40,
            "minus": -5,
            "yes": True,
            "none": None,
            "nested": {"a": [1, "б", {"c": b"\xff".hex()}]},
        }
        bad = [b"", b"{", b"\xff", self.envelope("bad", typo=1)]
        with Platform(self.vhost) as platform:
            platform.publish(self.envelope("first"), headers=headers)
            platform.publish(self.envelope("long", text="Ж" * 150_000))
            platform.publish(self.envelope("twice"), reply_to="nowhere")
            platform.publish(self.envelope("twice"))
            platform.publish(self.envelope("twice", text="other"))
            for body in bad:
                platform.publish(body, headers=headers)
            self.dead_letter(platform, self.envelope("dead"))
            platform.channel.basic_publish(
                platform.vhost.prefix, "outbound.ключ", self.envelope("topic")
            )
            await self.until(lambda: self.service.status().invalid == 4)
            await self.until(lambda: self.service.status().taken == 7)
            await self.until(self.settled)
            self.assertEqual(self.proxy.connections, 1)
            kept = platform.drain("invalid")
            events = [json.loads(body) for _, body in platform.drain("status")]
        await self.end()
        self.assertEqual([body for _, body in kept], bad)
        self.assertEqual(kept[3][0].headers["x-field"], "typo")
        self.assertEqual(kept[3][0].headers["имя"], "Вася")
        reported = {(event["id"], event["state"]) for event in events}
        for id_ in ("first", "long", "twice", "dead", "topic"):
            self.assertIn((id_, "submitted"), reported)
        self.assertIn(("twice", "duplicate"), reported)
        self.assertIn(("twice", "rejected"), reported)
        self.assertIn(("bad", "rejected"), reported)

    async def test_a_reply_to_that_would_break_the_broker(self) -> None:
        """Direct replies are refused: a malformed one is answered with 541."""
        await self.begin()
        with Platform(self.vhost) as platform:
            platform.publish(
                self.envelope("m"), reply_to="amq.rabbitmq.reply-to.g1h2AA5y.x"
            )
            platform.publish(self.envelope("next"))
            await self.until(lambda: self.service.status().taken == 1)
            await self.until(self.settled)
            self.assertEqual(self.proxy.connections, 1)
            [(properties, _)] = platform.drain("invalid")
        await self.end()
        self.assertEqual(properties.headers["x-field"], "reply_to")

    def dead_letter(self, platform: Platform, body: bytes) -> None:
        """Let a message die in another queue, so that it comes with x-death."""
        arguments = {
            "x-message-ttl": 1,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": platform.name("outbound"),
        }
        queue = platform.name("retry")
        platform.channel.queue_declare(queue, durable=True, arguments=arguments)
        platform.channel.basic_publish("", queue, body)

    async def test_backpressure_leaves_messages_in_the_broker(self) -> None:
        """Over the mark nothing is acked; after it all are taken."""
        await self.begin(prefetch=10)
        self.gateway.is_full = True
        with Platform(self.vhost) as platform:
            for number in range(HUNDRED):
                platform.publish(self.envelope(f"m{number}"))
            await self.until(lambda: self.service.status().held == 10)
            self.assertEqual(self.service.status().taken, 0)
            self.gateway.is_full = False
            await self.until(lambda: self.service.status().taken == HUNDRED)
            await self.until(self.settled)
            self.assertEqual(platform.waiting("outbound"), 0)
        await self.end()

    async def test_classic_queues_and_passive_mode(self) -> None:
        """Declared once as classic; then only looked for."""
        await self.begin(queue_type="classic")
        await self.end()
        await self.begin(declare=False)
        with Platform(self.vhost) as platform:
            platform.publish(self.envelope("m"))
        await self.until(lambda: self.service.status().taken == 1)
        await self.end()

    async def test_queues_of_another_type_are_used_as_they_are(self) -> None:
        """406 is no reason not to start."""
        await self.begin(queue_type="classic")
        await self.end()
        await self.begin(queue_type="quorum")
        await self.end()

    async def test_a_restart_publishes_nothing_twice(self) -> None:
        """After an orderly end the bookmark is where the events are."""
        await self.begin()
        with Platform(self.vhost) as platform:
            for number in range(HUNDRED):
                platform.publish(self.envelope(f"m{number}"))
            await self.until(lambda: self.service.status().taken == HUNDRED)
            await self.end()
            await self.begin()
            await self.until(self.settled)
            events = platform.drain("status")
        await self.end()
        self.assertEqual(len(events), 2 * HUNDRED)
