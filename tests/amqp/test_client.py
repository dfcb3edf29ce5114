"""A connection to a broker; each fault of stock txamqp has a test with its number."""

from __future__ import annotations

import struct
import warnings
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gdemoi.amqp.channel import Channel, ChannelError, Delivery
from gdemoi.amqp.client import Client
from gdemoi.amqp.codec import Timestamp, decode_properties, encode_properties, frame
from gdemoi.amqp.spec import spec, xml
from gdemoi.errors import Unavailable
from gdemoi.net.reconnector import LoginRefused
from tests.amqp.broker import Side, Stored
from tests.amqp.fakes import Case

CYRILLIC = '{"text":"Привет"}'.encode()


class Consuming(Case):
    """A channel that consumes a queue `q`."""

    def setUp(self) -> None:
        super().setUp()
        self.client_, self.side = self.logged_in()
        self.channel = self.result(self.client_.open_channel())
        self.result(self.channel.queue_declare(queue="q", durable=True))
        self.got: list[Delivery] = []
        self.reads: list[int] = []
        self.channel.on_deliveries = self.arrived
        self.result(self.channel.basic_consume(queue="q", consumer_tag="t"))

    def arrived(self, deliveries: list[Delivery]) -> None:
        self.reads.append(len(deliveries))
        self.got += deliveries

    def put(self, body: bytes, properties: bytes = b"\x00\x00") -> Delivery:
        """Put a message into the queue and return it as delivered."""
        self.broker.put("q", body, properties)
        self.network.flush()
        return self.got[-1]


class BodyTests(Consuming):
    def test_fault_01_a_cyrillic_body_is_delivered(self) -> None:
        """And the message after it too."""
        self.assertEqual(self.put(CYRILLIC).body, CYRILLIC)
        self.assertEqual(self.put(b"next").body, b"next")

    def test_fault_02_a_body_of_many_frames_is_whole(self) -> None:
        """Text first, then octets that are no text; 300,000 of them."""
        body = b"a" * 150_000 + b"\xff\xfe" * 75_000
        self.assertEqual(self.put(body).body, body)
        cyrillic = "Ж".encode() * 150_001
        self.assertEqual(self.put(cyrillic).body, cyrillic)

    def test_fault_03_a_body_is_always_octets(self) -> None:
        """ASCII or not, empty or not."""
        for body in (b"ascii", b"\xff", b""):
            self.assertIs(type(self.put(body).body), bytes)
            self.assertEqual(self.got[-1].body, body)

    def test_fault_04_lengths_are_in_octets(self) -> None:
        """Cyrillic body, routing key and header arrive as they were sent."""
        self.result(self.channel.queue_declare(queue="очередь"))
        properties = encode_properties({"headers": {"имя": "Вася"}, "type": "тип"})
        self.channel.publish("", "очередь", CYRILLIC, properties)
        self.network.flush()
        [stored] = self.broker.queues["очередь"]
        self.assertEqual(stored.body, CYRILLIC)
        self.assertEqual(
            decode_properties(stored.properties, 0),
            {"headers": {"имя": "Вася"}, "type": "тип"},
        )

    def test_deliveries_of_one_read_come_together(self) -> None:
        """One call for ten messages, in order."""
        for number in range(10):
            self.broker.put("q", b"%d" % number)
        self.network.flush()
        self.assertEqual(self.reads, [10])
        self.assertEqual([d.body for d in self.got], [b"%d" % n for n in range(10)])

    def test_basic_get_and_its_content(self) -> None:
        """An answer that carries content is put together like a delivery."""
        self.result(self.channel.queue_declare(queue="other"))
        self.broker.put("other", CYRILLIC, encode_properties({"message-id": "m"}))
        message = self.result(self.channel.basic_get(queue="other", no_ack=True))
        self.assertEqual(message.content.body, CYRILLIC)
        self.assertEqual(message.content.properties, {"message-id": "m"})
        message = self.result(self.channel.basic_get(queue="other", no_ack=True))
        self.assertEqual(message.method.name, "get-empty")


class HeaderTests(Consuming):
    def test_fault_05_a_dead_lettered_message_is_delivered(self) -> None:
        """x-death is an array of tables with a timestamp and a 64-bit count."""
        death = {"count": 2**40, "time": Timestamp(1), "routing-keys": ["q", None, 0.5]}
        headers = {"x-death": [death], "x-first-death-reason": "rejected"}
        delivery = self.put(b"x", encode_properties({"headers": headers}))
        self.assertEqual(delivery.properties["headers"], headers)
        self.assertIsNone(delivery.fault)

    def test_fault_05_an_unknown_type_fails_that_message_only(self) -> None:
        """No poison loop: the body is there, the fault is told, the link lives."""
        table = b"\x01kz\x00"
        properties = b"\x20\x00" + struct.pack(">I", len(table)) + table
        delivery = self.put(b"x", properties)
        self.assertEqual(delivery.body, b"x")
        self.assertIn("unknown field type", delivery.fault or "")
        self.assertEqual(self.put(b"next").body, b"next")

    def test_fault_06_signs_booleans_and_nesting(self) -> None:
        """-5 stays -5, True stays True."""
        headers = {"n": -5, "yes": True, "in": {"в": {"three": 3}}}
        delivery = self.put(b"x", encode_properties({"headers": headers}))
        self.assertEqual(delivery.properties["headers"], headers)
        self.assertIs(delivery.properties["headers"]["yes"], True)

    def test_fault_06_boolean_arguments_and_capabilities(self) -> None:
        """A boolean is sent as one; so capabilities can be announced."""
        arguments = {"x-single-active-consumer": True}
        self.result(self.channel.queue_declare(queue="sac", arguments=arguments))
        self.assertIs(self.broker.arguments["sac"]["x-single-active-consumer"], True)
        capabilities = self.side.client_properties["capabilities"]
        for name in ("publisher_confirms", "consumer_cancel_notify", "basic.nack"):
            self.assertIs(capabilities[name], True)


class TellingTests(Consuming):
    def test_fault_07_confirms_of_both_kinds_are_heard(self) -> None:
        """basic.ack and basic.nack from the broker reach the owner."""
        heard: list[Any] = []
        self.channel.on_confirm = lambda *confirm: heard.append(confirm)
        self.side.say(self.channel.id, "basic", "ack", 7, True)
        self.side.say(self.channel.id, "basic", "nack", 8, False, False)
        self.network.flush()
        self.assertEqual(heard, [(7, True, True), (8, False, False)])
        self.assertFalse(self.client_.closed)

    def test_fault_07_blocked_and_unblocked(self) -> None:
        """The broker's alarm is noted, and told to who publishes."""
        heard: list[str | None] = []
        client, side = self.logged_in(on_blocked=heard.append)
        side.say(0, "connection", "blocked", "low on memory")
        self.network.flush()
        self.assertEqual(client.blocked, "low on memory")
        side.say(0, "connection", "unblocked")
        self.network.flush()
        self.assertIsNone(client.blocked)
        self.assertEqual(heard, ["low on memory", None])

    def test_fault_11_a_cancelled_consumer_ends_the_connection(self) -> None:
        """A queue that was deleted is noticed, so that it can be declared again."""
        self.side.say(self.channel.id, "basic", "cancel", "t", True)
        self.network.flush()
        self.assertIn("cancelled", self.successResultOf(self.client_.over()))

    def test_fault_17_what_a_broker_may_not_say_is_logged(self) -> None:
        """The connection ends with a reason, not in silence."""
        self.side.say(self.channel.id, "queue", "purge", 0, "q", False)
        self.network.flush()
        self.assertIn("queue_purge", self.successResultOf(self.client_.over()))


class ClosedTests(Consuming):
    def test_fault_08_what_is_unconfirmed_is_known_to_be(self) -> None:
        """A cut link is told to the owner of the channel, with its reason."""
        reported: list[str] = []
        self.channel.on_closed = reported.append
        self.network.cut()
        self.assertEqual(len(reported), 1)
        self.assertIn("connection lost", reported[0])

    def test_fault_09_a_closed_channel_tells_everyone(self) -> None:
        """The caller that waits, the owner; and its number is not used again."""
        reported: list[str] = []
        self.channel.on_closed = reported.append
        self.broker.close_channel_on["queue_declare"] = (406, "inequivalent")
        error = self.failure(self.channel.queue_declare(queue="q"), ChannelError)
        self.assertEqual((error.code, str(error)), (406, "406 inequivalent"))
        self.assertEqual(reported, ["406 inequivalent"])
        again = self.result(self.client_.open_channel())
        self.assertNotEqual(again.id, self.channel.id)
        self.failure(self.channel.queue_declare(queue="q"), ChannelError)
        self.assertFalse(self.client_.closed)

    def test_fault_10_a_missing_exchange_is_told(self) -> None:
        """The channel is closed with 404, and the owner hears it."""
        reported: list[str] = []
        self.channel.on_closed = reported.append
        self.channel.publish("nowhere", "k", b"x", b"\x00\x00")
        self.network.flush()
        self.assertIn("404", reported[0])

    def test_fault_12_nothing_is_opened_on_a_closed_connection(self) -> None:
        """It fails at once, and no timer is left."""
        self.network.cut()
        self.failure(self.client_.open_channel(), Unavailable)
        self.failure(self.channel.queue_declare(queue="q"), ChannelError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_fault_13_closed_is_true_when_anyone_hears_of_it(self) -> None:
        """So that nobody starts something new in an errback."""
        seen: list[bool] = []
        self.broker.mute = True
        waiting = self.channel.queue_declare(queue="q")
        waiting.addErrback(lambda _: seen.append(self.client_.closed))
        self.network.flush()
        self.network.cut()
        self.assertEqual(seen, [True])

    def test_fault_16_closed_channels_are_forgotten(self) -> None:
        """A connection that lives long does not grow."""
        before = len(self.client_.channels)
        for _ in range(5):
            channel = self.result(self.client_.open_channel())
            self.side.close_channel(channel.id, 404, "x")
            self.network.flush()
        self.assertEqual(len(self.client_.channels), before)

    def test_a_call_that_was_cancelled_keeps_its_place(self) -> None:
        """The next answer is not taken for its own."""
        self.broker.mute = True
        first = self.channel.queue_declare(queue="q")
        self.network.flush()
        first.cancel()
        self.failureResultOf(first)
        self.broker.mute = False
        self.side.say(self.channel.id, "queue", "declare-ok", "q", 0, 0)
        second = self.result(self.channel.queue_declare(queue="other"))
        self.assertEqual(second.queue, "other")

    def test_says_goodbye(self) -> None:
        """connection.close is answered before the socket is closed."""
        self.result(self.client_.close_politely())
        self.assertIn("connection_close", self.broker.calls)
        self.assertEqual(self.successResultOf(self.client_.over()), "closed by us")

    def test_the_broker_says_goodbye(self) -> None:
        """A broker that shuts down is answered; its reason is kept."""
        self.side.say(0, "connection", "close", 320, "CONNECTION_FORCED", 0, 0)
        self.network.flush()
        reason = self.successResultOf(self.client_.over())
        self.assertEqual(reason, "320 CONNECTION_FORCED")
        self.assertIn("connection_close_ok", self.broker.calls)


class HeartbeatTests(Case):
    def test_fault_14_the_brokers_proposal_is_taken(self) -> None:
        """The shorter of both; 0 means the other one's."""
        for ours, theirs, agreed in ((0, 60, 60), (30, 60, 30), (30, 0, 30), (0, 0, 0)):
            self.broker.heartbeat = theirs
            client, side = self.logged_in(heartbeat_s=ours)
            assert side.tuned is not None
            self.assertEqual(side.tuned[2], agreed)
            client.abort()
            self.network.flush()

    def test_fault_14_silence_is_filled(self) -> None:
        """Once per interval at least, and not while there is traffic."""
        client, side = self.logged_in(heartbeat_s=10)
        for _ in range(6):
            self.advance(10)
            side.write(frame(8, 0, b""))
            self.network.flush()
        self.assertTrue(6 <= side.heartbeats <= 12, side.heartbeats)
        self.assertFalse(client.closed)
        client.abort()

    def test_fault_14_a_deaf_link_is_noticed(self) -> None:
        """Within two and a half intervals, with the reason."""
        client, _ = self.logged_in(heartbeat_s=10)
        self.broker.mute = True
        self.advance(19)
        self.assertFalse(client.closed)
        self.advance(6)
        self.assertIn("silent", self.successResultOf(client.over()))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_fault_14_one_timer_however_many_frames(self) -> None:
        """Traffic neither cancels nor starts timers."""
        client, _ = self.logged_in(heartbeat_s=10)
        [timer] = self.clock.getDelayedCalls()
        channel = self.result(client.open_channel())
        for number in range(50):
            self.result(channel.queue_declare(queue=f"q{number}"))
        self.assertEqual(self.clock.getDelayedCalls(), [timer])
        client.abort()


class LoginTests(Case):
    def test_logs_in_with_octets(self) -> None:
        """A Cyrillic password is counted in octets, too."""
        _, side = self.logged_in()
        self.assertEqual(side.login[1], "\0u\0п".encode())
        self.assertEqual(side.client_properties["connection_name"], "gw")

    def test_a_refused_login_is_left_alone_for_a_while(self) -> None:
        """403 is for someone to mend; it is not hammered."""
        self.broker.refuse = (403, "ACCESS_REFUSED")
        client, _ = self.client()
        refusal = self.failure(client.ready(), LoginRefused)
        self.assertIn("ACCESS_REFUSED", str(refusal))
        self.assertEqual(refusal.pause_s, 30.0)

    def test_other_ends_of_a_login_are_tried_again_soon(self) -> None:
        """A broker that is starting says 541, or just hangs up."""
        self.broker.refuse = (541, "INTERNAL_ERROR")
        client, _ = self.client()
        fault = self.failure(client.ready(), Unavailable)
        self.assertNotIsInstance(fault, LoginRefused)
        client, _ = self.client()
        ready = client.ready()
        self.network.cut()
        self.failureResultOf(ready, Unavailable)

    def test_a_plain_login_at_a_port_of_tls(self) -> None:
        """The alert that answers it is told as what it is."""
        client, _ = self.client()
        ready = client.ready()
        client.dataReceived(bytes.fromhex("15030100020246"))
        fault = self.failure(ready, Unavailable)
        self.assertIn("the far side speaks TLS at this port (amqps://)", str(fault))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_tls_against_a_plain_port(self) -> None:
        """What OpenSSL says of it is told in words, not as a list."""
        client, _ = self.client()
        ready = client.ready()
        fault = SSL.Error([("SSL routines", "", "wrong version number")])
        client.do_close(Failure(fault))
        said = str(self.failure(ready, Unavailable))
        self.assertIn("the far side does not speak TLS at this port", said)
        self.assertNotIn("[(", said)

    def test_fault_19_no_specification_file_is_needed(self) -> None:
        """The table has RabbitMQ's extensions, and the names txamqp looks for."""
        loaded = spec()
        confirm = loaded.classes.byname["confirm"].methods.byname["select"]
        self.assertIn("nowait", confirm.fields.byname)
        self.assertIn("blocked", loaded.classes.byname["connection"].methods.byname)
        self.assertIn("nack", loaded.classes.byname["basic"].methods.byname)
        self.assertTrue(xml().startswith("<?xml"))

    def test_fault_20_nothing_deprecated_is_used(self) -> None:
        """From the login to the goodbye, without one warning."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            client, _ = self.logged_in()
            channel = self.result(client.open_channel())
            self.result(channel.queue_declare(queue="q"))
            self.result(client.close_politely())
        self.assertEqual([str(one.message) for one in caught], [])

    def test_asks_for_0_9_1(self) -> None:
        """The header that the specification gives, not an older one."""
        octets: list[bytes] = []
        self.patch(Side, "dataReceived", lambda side, data: octets.append(data))
        self.client()
        self.network.flush()
        self.assertEqual(b"".join(octets), b"AMQP\x00\x00\x09\x01")


class FrameTests(Case):
    def test_fault_18_no_limit_on_frames(self) -> None:
        """0 means no limit: then ours is taken, and bodies are sent."""
        self.broker.frame_max = 0
        client, side = self.logged_in()
        assert side.tuned is not None
        self.assertEqual(side.tuned[1], 131072)
        channel = self.result(client.open_channel())
        self.result(channel.queue_declare(queue="q"))
        channel.publish("", "q", b"x" * 300_000, b"\x00\x00")
        self.network.flush()
        self.assertEqual(self.broker.bodies("q"), [b"x" * 300_000])

    def test_small_frames(self) -> None:
        """The least that the specification allows: 4096 octets a frame."""
        self.broker.frame_max = 4096
        client, _ = self.logged_in()
        channel = self.result(client.open_channel())
        self.result(channel.queue_declare(queue="q"))
        for size in (0, 1, 4087, 4088, 4089, 8176, 8177):
            channel.publish("", "q", b"x" * size, b"\x00\x00")
        self.network.flush()
        sizes = [len(body) for body in self.broker.bodies("q")]
        self.assertEqual(sizes, [0, 1, 4087, 4088, 4089, 8176, 8177])

    def test_what_is_no_frame_ends_the_connection(self) -> None:
        """With a reason; never a hang, never an exception."""
        for octets in (
            b"AMQP\x00\x00\x09\x01",
            frame(9, 0, b""),
            frame(1, 0, b"")[:-1] + b"\x00",
            frame(1, 0, b"\x00\x0a"),
            frame(1, 0, b"\x00\x0a\x00\x63"),
            frame(2, 1, b""),
            frame(3, 1, b"x"),
            frame(1, 77, b"\x00\x14\x00\x0b\x00\x00\x00\x00"),
            b"\x01\x00\x00\x7f\xff\xff\xff\x00",
            frame(1, 1, b"\x00\x14\x00\x0b\x00\x00\x00\x00"),
            frame(1, 1, b"\x00\x3c\x00\x3c\x01t"),
            frame(1, 1, b"\x00\x3c\x00\x50\x00"),
        ):
            client, side = self.logged_in()
            self.result(client.open_channel())
            side.write(octets)
            self.network.flush()
            reason = self.successResultOf(client.over())
            self.assertIn("protocol error", reason, octets)

    def test_a_body_longer_than_announced(self) -> None:
        """Is their fault; nothing of it is delivered."""
        client, side = self.logged_in()
        channel = self.result(client.open_channel())
        got: list[Any] = []
        channel.on_deliveries = got.extend
        side.say(channel.id, "basic", "deliver", "t", 1, False, "", "q")
        side.write(frame(2, channel.id, struct.pack(">HHQ", 60, 0, 2) + b"\x00\x00"))
        side.write(frame(3, channel.id, b"xxx"))
        self.network.flush()
        self.assertIn("longer", self.successResultOf(client.over()))
        self.assertEqual(got, [])

    @given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
    def test_chunking_does_not_matter(self, sizes: list[int]) -> None:
        """However the stream is chopped, the same messages come out."""
        client, channel, octets = self.stream()
        got: list[Delivery] = []
        channel.on_deliveries = got.extend
        at = 0
        for size in sizes:
            client.dataReceived(octets[at : at + size])
            at += size
        client.dataReceived(octets[at:])
        self.assertEqual([one.body for one in got], [b"a" * 50, CYRILLIC, b""])
        self.assertEqual([one.tag for one in got], [1, 2, 3])

    @given(st.integers(0, 250), st.binary(min_size=1, max_size=8))
    def test_any_octets_are_taken_or_end_the_connection(
        self, at: int, noise: bytes
    ) -> None:
        """A stream with noise in it never raises."""
        client, _, octets = self.stream()
        client.dataReceived(octets[:at] + noise + octets[at:])
        if client.closed:
            self.assertTrue(client.reason)

    def stream(self) -> tuple[Client, Channel, bytes]:
        """Return a logged-in client and the octets of three deliveries."""
        client, side = self.logged_in()
        channel = self.result(client.open_channel())
        written: list[bytes] = []
        side.write = written.append  # type: ignore[method-assign]
        for tag, body in enumerate((b"a" * 50, CYRILLIC, b""), 1):
            side.say(channel.id, "basic", "deliver", "t", tag, False, "", "q")
            side.write(side.content(channel.id, Stored("", "q", b"\x00\x00", body)))
        return client, channel, b"".join(written)


class PrepareTests(Case):
    def test_ready_means_prepared(self) -> None:
        """The keeper's conversation is up only when all is declared."""
        going_on: Deferred[None] = Deferred()

        async def prepare(client: Client) -> None:
            await going_on

        client, _ = self.client(prepare)
        ready = client.ready()
        self.network.flush()
        self.assertNoResult(ready)
        going_on.callback(None)
        self.successResultOf(ready)

    def test_abort_may_come_at_any_time(self) -> None:
        """Before, during and after; twice."""
        client, _ = self.client()
        client.abort()
        client.abort()
        self.network.flush()
        client, _ = self.logged_in(heartbeat_s=5)
        self.network.cut()
        client.abort()
        self.assertEqual(self.clock.getDelayedCalls(), [])
