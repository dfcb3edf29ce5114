"""The whole AMQP side: connecting, starting over, stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock

from gdemoi.amqp.service import AmqpService, endpoint, reader, tls_options
from gdemoi.amqp.settings import AmqpSettings, url
from gdemoi.contract.envelope import Defaults
from gdemoi.errors import ConfigurationError
from gdemoi.net.certificates import Named
from gdemoi.net.hosts import Host
from tests.amqp.broker import Broker, Side
from tests.amqp.fakes import ServiceCase
from tests.amqp.live import self_signed
from tests.named_reactor import NamedReactor

ONE, TWO = "192.0.2.1", "2001:db8::2"


class ConnectingTests(ServiceCase):
    def test_the_order_of_opening(self) -> None:
        """Login, declarations, publishers, and last of all the consumer."""
        self.start()
        calls = [
            call
            for call in dict.fromkeys(self.broker.calls)
            if call not in ("channel_open", "channel_close", "basic_qos")
        ]
        self.assertEqual(
            calls,
            [
                "connection_start_ok",
                "connection_tune_ok",
                "connection_open",
                "exchange_declare",
                "queue_declare",
                "queue_bind",
                "confirm_select",
                "basic_consume",
            ],
        )

    def test_fault_21_it_comes_back_and_consumes_again(self) -> None:
        """However often the link is lost."""
        self.start()
        for number in range(5):
            self.network.cut()
            self.broker.put("gdemoi.outbound", self.envelope(f"m{number}"))
            self.advance(40)
            self.assertEqual(self.service.status().state, "up")
        self.assertEqual(list(self.intake.taken), [f"m{number}" for number in range(5)])

    def test_pauses_grow_until_it_is_stable(self) -> None:
        """A link that is lost at once after each login is not hammered."""
        self.start()
        for _ in range(8):
            self.network.cut()
            self.advance(1)
        self.assertLess(len(self.broker.sides), 6)

    def test_the_next_broker_when_one_refuses(self) -> None:
        """In one go, without a pause between."""
        self.service = self.made("amqp://guest@a:1/", "amqp://guest@b:2/")
        self.brokers[1] = None
        self.start()
        self.assertEqual(self.service.status().broker, "b:2")

    def test_the_next_broker_when_one_does_not_let_us_in(self) -> None:
        """After the pause, the next has its turn."""
        self.service = self.made("amqp://guest@a:1/", "amqp://guest@b:2/")
        bad = Broker()
        bad.refuse = (541, "INTERNAL_ERROR")
        self.brokers[1] = bad
        self.service.start()
        self.advance(2)
        status = self.service.status()
        self.assertEqual((status.state, status.broker), ("up", "b:2"))

    def test_a_good_broker_is_gone_back_to(self) -> None:
        """After a lost link, where it worked before comes first."""
        self.service = self.made("amqp://guest@a:1/", "amqp://guest@b:2/")
        self.brokers[1] = None
        self.start()
        self.brokers[1] = self.broker
        self.network.cut()
        self.advance(2)
        self.assertEqual(self.service.status().broker, "b:2")

    def test_a_wrong_password_is_told(self) -> None:
        """As a state that someone must mend."""
        self.broker.refuse = (403, "ACCESS_REFUSED - Login was refused")
        self.service.start()
        self.advance(1)
        status = self.service.status()
        self.assertEqual(status.state, "refused")
        self.assertIn("ACCESS_REFUSED", status.reason)

    def test_a_broker_that_says_nothing(self) -> None:
        """Is given up after the time for opening."""
        self.broker.mute = True
        self.service.start()
        self.advance(15.25)
        status = self.service.status()
        self.assertEqual(status.state, "paused")
        self.assertIn("no answer", status.reason)

    def test_a_queue_that_was_deleted_is_declared_again(self) -> None:
        """basic.cancel ends the connection; the next one declares."""
        side = self.start()
        del self.broker.queues["gdemoi.outbound"]
        [number] = [n for n, s in side.channels.items() if s.consumer]
        side.say(number, "basic", "cancel", "gw", True)
        self.network.flush()
        self.advance(2)
        self.assertIn("gdemoi.outbound", self.broker.queues)
        self.broker.put("gdemoi.outbound", self.envelope("m"))
        self.network.flush()
        self.assertEqual(list(self.intake.taken), ["m"])

    def test_prefix_and_type_of_queues(self) -> None:
        """From the settings."""
        self.service = self.made(prefix="sms", queue_type="classic", prefetch=7)
        side = self.start()
        self.assertIn("sms.outbound", self.broker.queues)
        self.assertEqual(
            self.broker.arguments["sms.inbound"], {"x-queue-type": "classic"}
        )
        self.assertIn(7, [state.prefetch for state in side.channels.values()])


class StoppingTests(ServiceCase):
    def test_an_orderly_end(self) -> None:
        """Cancel, commits, acks, events, bookmark, goodbye; in this order."""
        side = self.start()
        self.intake.waiting = []
        self.broker.put("gdemoi.outbound", self.envelope("m"))
        self.network.flush()
        stopping = Deferred.fromCoroutine(self.service.stop(10.0))
        self.advance(1)
        self.assertNoResult(stopping)
        self.outbox.add()
        self.intake.commit()
        self.advance(1)
        self.successResultOf(stopping)
        self.assertEqual(side.acks, [("ack", 1, True)])
        self.assertEqual(self.outbox.cursor_value, "1")
        order = [
            call
            for call in self.broker.calls
            if call in ("basic_cancel", "basic_ack", "connection_close")
        ]
        self.assertEqual(order, ["basic_cancel", "basic_ack", "connection_close"])

    def test_the_end_does_not_wait_for_ever(self) -> None:
        """A broker that confirms nothing gets its grace, no more."""
        self.start()
        self.broker.hold_confirms = True
        self.outbox.add()
        self.network.flush()
        stopping = Deferred.fromCoroutine(self.service.stop(5.0))
        self.advance(4)
        self.assertNoResult(stopping)
        self.advance(2)
        self.successResultOf(stopping)
        self.assertIsNone(self.outbox.cursor_value)

    def test_stopping_without_a_connection(self) -> None:
        """Ends at once."""
        self.brokers[1] = None
        self.service.start()
        self.advance(1)
        self.stop()
        self.assertEqual(self.service.status().state, "stopped")

    def test_stopping_when_never_started(self) -> None:
        """Ends at once, too."""
        self.stop()

    def test_the_link_is_lost_while_stopping(self) -> None:
        """There is nothing more to wait for."""
        self.start()
        self.broker.hold_confirms = True
        self.outbox.add()
        self.network.flush()
        stopping = Deferred.fromCoroutine(self.service.stop(5.0))
        self.network.cut()
        self.advance(1)
        self.successResultOf(stopping)

    def test_an_answer_without_a_place_does_not_keep_it_from_stopping(self) -> None:
        """Its delivery stays unacked and comes again."""
        side = self.start_passive()
        self.broker.delete_queue("gdemoi.invalid")
        self.broker.put("gdemoi.outbound", b"{")
        self.network.flush()
        stopping = Deferred.fromCoroutine(self.service.stop_taking())
        self.advance(4)
        self.assertNoResult(stopping)
        self.advance(2)
        self.successResultOf(stopping)
        self.assertEqual(side.acks, [])

    def test_a_blocked_broker_does_not_keep_it_from_stopping(self) -> None:
        """Nor does one that takes no publishes now."""
        side = self.start()
        side.say(0, "connection", "blocked", "disk")
        self.network.flush()
        self.broker.put("gdemoi.outbound", b"{")
        self.network.flush()
        stopping = Deferred.fromCoroutine(self.service.stop_taking())
        self.advance(6)
        self.successResultOf(stopping)


class MakingTests(ServiceCase):
    def settings(self, **more: Any) -> AmqpSettings:
        return AmqpSettings(url=(url("amqp://guest@here/"),), **more)

    def test_readers(self) -> None:
        """One per format; a map must exist."""
        for settings in (self.settings(), self.settings(format="headers")):
            self.assertTrue(callable(reader(settings, {}, Defaults())))
        with self.assertRaises(ConfigurationError):
            reader(self.settings(format="map", map="x"), {}, Defaults())

    def test_endpoints(self) -> None:
        """TLS where the address asks for it."""
        settings = self.settings()
        plain, secure = (
            endpoint(MemoryReactorClock(), settings, url(address), Host("here", 1))
            for address in ("amqp://guest@here/", "amqps://guest@here/")
        )
        self.assertNotEqual(type(plain), type(secure))

    def test_authorities_are_read_from_a_file(self) -> None:
        """One or several in one PEM."""
        certificate = self_signed("localhost")
        path = Path(self.mktemp())
        path.write_bytes(certificate[0] * 2)
        options = tls_options(self.settings(tls_ca=str(path)), "localhost")
        self.assertTrue(hasattr(options, "clientConnectionForTLS"))
        # a certificate that bears no name passes Twisted's own check
        self.assertIsInstance(options, Named)


class AddressTests(ServiceCase):
    """A broker's name with two addresses, the second of which is good."""

    def named(self, first: Any, *urls: str, **settings: Any) -> AmqpService:
        """Make the service; its reactor knows the name `rabbit`."""
        self.reactor = NamedReactor(self.clock)
        self.reactor.names["rabbit"] = [ONE, TWO]
        self.reactor.net.listen(ONE, 5672, first)
        self.reactor.net.listen(TWO, 5672, lambda: Side(self.broker))
        self.service = AmqpService(
            AmqpSettings(
                url=tuple(map(url, urls or ("amqp://guest@rabbit/",))), **settings
            ),
            self.maps,
            self.intake,
            self.outbox,  # type: ignore[arg-type]
            self.reactor,
            defaults=Defaults("RU"),
            name="gw",
            random=lambda: 0.5,
        )
        return self.service

    def up_at_the_second(self, within_s: float) -> None:
        """Start; assert that the second address is in use in time."""
        self.service.start()
        self.advance(within_s)
        status = self.service.status()
        self.assertEqual(status.state, "up", status.reason)
        self.assertEqual(status.broker, f"rabbit:5672 ({TWO})")
        self.assertEqual(self.reactor.tried, [ONE, TWO])

    def refusing(self) -> Side:
        """Make the end of a broker that does not let us in."""
        bad = Broker()
        bad.refuse = (530, "NOT_ALLOWED - vhost / not found")
        return Side(bad)

    def test_an_address_that_refuses_the_login(self) -> None:
        """It was chosen again and again: its connections come about."""
        self.named(self.refusing)
        self.up_at_the_second(5)

    def test_an_address_that_says_nothing(self) -> None:
        """After the time for opening the next one has its turn."""
        self.named(Protocol, open_timeout_s=5.0)
        self.up_at_the_second(8)

    def test_where_it_worked_comes_first_after_a_lost_link(self) -> None:
        """The address that refused is not tried again as long as the other works."""
        self.named(self.refusing)
        self.up_at_the_second(5)
        self.reactor.net.wires[-1][1].abortConnection()
        self.advance(5)
        self.assertEqual(self.service.status().state, "up")
        self.assertEqual(self.reactor.tried, [ONE, TWO, TWO])

    def test_all_addresses_of_a_broker_before_the_next_broker(self) -> None:
        """The order of preference is that of the settings."""
        self.named(self.refusing, "amqp://guest@rabbit/", "amqp://guest@192.0.2.9/")
        self.reactor.net.listen(TWO, 5672, self.refusing)
        self.reactor.net.listen("192.0.2.9", 5672, lambda: Side(self.broker))
        self.service.start()
        self.advance(125)
        self.assertEqual(self.service.status().broker, "192.0.2.9:5672")
        self.assertEqual(self.reactor.tried, [ONE, TWO, "192.0.2.9"])

    def test_a_name_that_is_not_known(self) -> None:
        """The next broker has its turn at once."""
        self.named(Protocol, "amqp://guest@nowhere/", "amqp://guest@rabbit/")
        self.reactor.net.listen(ONE, 5672, lambda: Side(self.broker))
        self.service.start()
        self.advance(0.5)
        self.assertEqual(self.service.status().broker, f"rabbit:5672 ({ONE})")
