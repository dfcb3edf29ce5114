"""Names, addresses, and the connections to them."""

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectingCancelledError,
    ConnectionRefusedError,
    DNSLookupError,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.net.endpoints import HostEndpoint
from gdemoi.net.hosts import Host
from gdemoi.net.reconnector import FAULTS, Reconnector
from tests.named_reactor import NamedReactor

FACTORY = Factory.forProtocol(Protocol)
FACTORY.noisy = False


class HostEndpointTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.reactor = NamedReactor(self.clock)
        self.reactor.names["two.example"] = ["192.0.2.1", "2001:db8::2"]
        for address in ("192.0.2.1", "2001:db8::2"):
            self.reactor.net.listen(address, 7, Protocol)

    def connect(self, host: Host, timeout_s: float = 10.0) -> Deferred[Any]:
        """Begin to connect."""
        connecting = HostEndpoint(self.reactor, host, timeout_s).connect(FACTORY)
        self.clock.pump([0.0] * 4)
        return connecting

    def test_each_address_has_its_turn(self) -> None:
        """One that was connected to in vain is not connected to again."""
        host = Host("two.example", 7)
        for wanted in ("192.0.2.1", "2001:db8::2", "192.0.2.1"):
            self.successResultOf(self.connect(host))
            self.assertEqual(host.address, wanted)
            host.failed()

    def test_it_is_looked_up_each_time(self) -> None:
        """What the name means may have changed since."""
        host = Host("two.example", 7)
        self.successResultOf(self.connect(host))
        self.reactor.names["two.example"] = ["192.0.2.3"]
        self.reactor.net.listen("192.0.2.3", 7, Protocol)
        self.successResultOf(self.connect(host))
        self.assertEqual(host.address, "192.0.2.3")
        self.assertEqual(self.reactor.asked, ["two.example"] * 2)

    def test_plain_addresses_are_not_looked_up(self) -> None:
        """Neither IPv4 nor IPv6 ones."""
        for address in ("192.0.2.1", "2001:db8::2"):
            self.successResultOf(self.connect(Host(address, 7)))
        self.assertEqual(self.reactor.asked, [])
        self.assertEqual(self.reactor.tried, ["192.0.2.1", "2001:db8::2"])

    def test_an_address_that_drops_packets_holds_nobody_up(self) -> None:
        """The next is tried 0.3 s later; the first that answers is taken."""
        self.reactor.dropping.add("192.0.2.1")
        host = Host("two.example", 7)
        connecting = self.connect(host)
        self.assertNoResult(connecting)
        self.clock.pump([0.3, 0.0, 0.0])
        self.successResultOf(connecting)
        self.assertEqual(host.address, "2001:db8::2")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_fast_address_that_failed_does_not_shut_a_slow_one_out(self) -> None:
        """It is left out of the race until all others were tried."""
        self.reactor.slow["192.0.2.1"] = 2.0
        host = Host("two.example", 7)
        connecting = self.connect(host)
        self.clock.pump([0.3, 0.0, 0.0])
        self.successResultOf(connecting)
        self.assertEqual(host.address, "2001:db8::2")
        host.failed()
        connecting = self.connect(host)
        self.clock.pump([0.5] * 4)
        self.successResultOf(connecting)
        self.assertEqual(host.address, "192.0.2.1")

    def test_no_address_answers(self) -> None:
        """The fault is a connection's, and the round is over."""
        self.reactor.net.listening.clear()
        host = Host("two.example", 7)
        connecting = self.connect(host)
        self.clock.pump([0.3] * 3)
        self.failureResultOf(connecting, ConnectionRefusedError)
        self.assertTrue(host.failed())

    def test_a_name_that_the_resolver_does_not_know(self) -> None:
        """The fault names it, and is one that keepers know."""
        failure = self.failureResultOf(self.connect(Host("no.example", 7)))
        self.assertIsInstance(failure.value, FAULTS)
        self.assertIn("no.example", str(failure.value))

    def test_what_is_no_name(self) -> None:
        """The system's resolver would never answer (`UnicodeError` in its thread)."""
        for name in ("smsc..example", f"{'x' * 64}.example"):
            self.failureResultOf(self.connect(Host(name, 7)), DNSLookupError)
        self.assertEqual(self.reactor.asked, [])

    def test_a_resolver_that_says_nothing(self) -> None:
        """Is not waited for longer than a connection; what it says late is nothing."""
        self.reactor.mute = True
        connecting = self.connect(Host("two.example", 7))
        self.clock.advance(10.0)
        failure = self.failureResultOf(connecting, DNSLookupError)
        self.assertIn("10 s", str(failure.value))
        self.reactor.unanswered[0]()
        self.assertEqual(self.reactor.tried, [])

    def test_cancelling(self) -> None:
        """At each stage; nothing is left, and a late answer connects nobody."""
        self.reactor.mute = True
        connecting = self.connect(Host("two.example", 7))
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.reactor.unanswered[0]()
        self.reactor.mute = False
        self.reactor.dropping = {"192.0.2.1", "2001:db8::2"}
        connecting = self.connect(Host("two.example", 7))
        connecting.cancel()
        self.failureResultOf(connecting, ConnectingCancelledError)
        self.assertEqual(self.reactor.tried, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_keeper_that_is_stopped_during_a_lookup_stays_stopped(self) -> None:
        """A lookup that is cancelled is no fault to try again after."""
        self.reactor.mute = True
        endpoint = HostEndpoint(self.reactor, Host("two.example", 7))
        keeper: Reconnector[Any] = Reconnector(
            self.clock,
            Logger(),
            "tried",
            lambda: endpoint.connect(FACTORY),
            lambda state, reason: None,
            lambda: 0.5,
        )
        keeper.start()
        keeper.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
