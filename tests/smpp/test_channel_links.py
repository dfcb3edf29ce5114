"""What becomes of a bind: which address it is tried at, and what the log says."""

from functools import partial
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import PrivateCertificate
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols import tls
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted
from gdemoi.sandbox.smsc import Smsc, SmscFactory, SmscPersonality, SmscProtocol
from gdemoi.service.logs import LogRepeats
from gdemoi.smpp.channel import SmppChannel
from gdemoi.smpp.channel_probe import probe
from tests.named_reactor import NamedReactor
from tests.smpp.rig import ChannelRig
from tests.smpp.test_tls import authority, certificate


def warnings(rig: ChannelRig, seconds: float) -> list[str]:
    """Start and let time pass; return what the log has as a warning."""
    repeats = LogRepeats()
    with capturedLogs() as events:
        rig.channel.start(rig.recorder)
        rig.advance(seconds)
    return [
        formatEvent(event)
        for one in events
        for event in repeats.heard(one)
        if event["log_level"].name == "warn" and "trying again" in formatEvent(event)
    ]


class LogTests(SynchronousTestCase):
    def test_why_there_is_no_bind_is_logged_once(self) -> None:
        """Each host and reason once, however often it is tried."""
        rig = ChannelRig(hosts=("a", "b"), start=False)
        rig.net.listening.clear()
        said = warnings(rig, 300)
        self.assertEqual(len(said), 2, said)
        self.assertIn("carrier (transceiver): a:2775:", said[0])
        self.assertIn("b:2775:", said[1])
        rig.stop()


ONE, TWO = "192.0.2.1", "2001:db8::2"


class AddressRig(ChannelRig):
    """A rig whose SMSC's name has two addresses; the second one is good."""

    def __init__(self, first: Any = None, **settings: Any) -> None:
        super().__init__(start=False, **settings)
        self.reactor = NamedReactor(self.clock)
        self.reactor.names["smsc.example"] = [ONE, TWO]
        if first is not None:
            self.reactor.net.listen(ONE, 2775, first)
        self.reactor.net.listen(TWO, 2775, self.answer)
        self.channel = SmppChannel(
            "carrier",
            self.settings,
            attrs.evolve(self.context, reactor=self.reactor),
        )

    def refusing(self, status: int = 0x0D) -> SmscProtocol:
        """Make the SMSC's end of a connection whose binds are refused."""
        how = SmscPersonality(password="secret", refuse_bind=status)
        return SmscProtocol(Smsc({"esme": how}, self.clock))


class Closing(Protocol):
    """Hangs up at the first octet."""

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


class AddressTests(SynchronousTestCase):
    def bound(self, rig: AddressRig, within_s: float) -> None:
        """Start; assert that the channel is bound at the second address in time."""
        rig.channel.start(rig.recorder)
        rig.advance(within_s)
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.reactor.tried, [ONE, TWO])
        (bind,) = rig.channel.describe()["binds"]
        self.assertEqual(bind["host"], f"smsc.example:2775 ({TWO})")
        rig.stop()

    def test_an_address_that_refuses_binds_is_left_for_the_next(self) -> None:
        """It was chosen again and again: its connections come about."""
        for status in (0x0D, 0x05, 0x08, 0x0E):
            rig = AddressRig()
            rig.reactor.net.listen(ONE, 2775, partial(rig.refusing, status))
            self.bound(rig, 2)

    def test_an_address_that_says_nothing_to_a_bind(self) -> None:
        """After the bind's timeout the next one has its turn."""
        self.bound(AddressRig(Protocol, bind_timeout_s=5.0), 8)

    def test_an_address_that_hangs_up(self) -> None:
        """So it is with load balancers that have nothing behind them."""
        self.bound(AddressRig(Closing), 2)

    def test_a_session_that_is_dropped_at_once(self) -> None:
        """A bind alone proves nothing: some drop each session after it."""
        rig = AddressRig()
        rig.reactor.net.listen(ONE, 2775, rig.answer)
        rig.channel.start(rig.recorder)
        rig.advance(1)
        rig.server.transport.abortConnection()
        rig.advance(3)
        self.assertEqual(rig.reactor.tried, [ONE, TWO])
        rig.stop()

    def test_after_the_last_address_the_first(self) -> None:
        """Round and round, each time looked up anew."""
        rig = AddressRig()
        for address in (ONE, TWO):
            rig.reactor.net.listen(address, 2775, rig.refusing)
        rig.channel.start(rig.recorder)
        rig.advance(30)
        tried = rig.reactor.tried
        self.assertGreater(len(tried), 4)
        self.assertEqual(tried, ([ONE, TWO] * 10)[: len(tried)])
        self.assertEqual(len(rig.reactor.asked), len(tried))
        rig.stop()

    def test_credentials_that_all_addresses_refuse(self) -> None:
        """Each is asked once, then the long pause: nobody is hammered."""
        rig = AddressRig()
        for address in (ONE, TWO):
            rig.reactor.net.listen(address, 2775, partial(rig.refusing, 0x0E))
        rig.channel.start(rig.recorder)
        rig.advance(290, step=1)
        self.assertEqual(rig.reactor.tried, [ONE, TWO])
        rig.advance(20)
        self.assertEqual(rig.reactor.tried, [ONE, TWO] * 2)
        rig.stop()

    def test_an_address_that_worked_is_gone_back_to(self) -> None:
        """When a good session ends, the address that refused is not tried first."""
        rig = AddressRig()
        rig.reactor.net.listen(ONE, 2775, rig.refusing)
        rig.channel.start(rig.recorder)
        rig.advance(5)
        self.assertIsInstance(rig.submit(rig.message())[0], Accepted)
        rig.server.transport.abortConnection()
        rig.advance(2)
        self.assertEqual(rig.reactor.tried, [ONE, TWO, TWO])
        rig.stop()

    def test_all_addresses_of_a_host_before_the_next_host(self) -> None:
        """The order of preference is that of the settings."""
        rig = AddressRig(hosts=("smsc.example", "192.0.2.9"))
        for address in (ONE, TWO):
            rig.reactor.net.listen(address, 2775, rig.refusing)
        rig.reactor.net.listen("192.0.2.9", 2775, rig.answer)
        rig.channel.start(rig.recorder)
        rig.advance(6)
        self.assertEqual(rig.reactor.tried, [ONE, TWO, "192.0.2.9"])
        self.assertEqual(rig.reactor.asked, ["smsc.example"] * 2)
        rig.stop()

    def test_a_name_that_is_not_known_is_told_once_and_asked_for_again(self) -> None:
        """When the resolver knows it again, the bind comes about."""
        rig = AddressRig()
        rig.reactor.names.clear()
        said = warnings(rig, 100)
        self.assertEqual(len(said), 1, said)
        self.assertIn("smsc.example", said[0])
        rig.reactor.names["smsc.example"] = [TWO]
        rig.advance(61)
        self.assertIsNone(rig.channel.unable())
        rig.stop()

    def test_the_log_names_the_address(self) -> None:
        """Which of a name's addresses refuses is what the operator asks."""
        rig = AddressRig()
        rig.reactor.net.listen(ONE, 2775, rig.refusing)
        (said,) = warnings(rig, 5)
        self.assertIn(f"smsc.example:2775 ({ONE}): ", said)
        rig.stop()

    def test_stopping_while_the_name_is_looked_up(self) -> None:
        """Nothing is tried after it."""
        rig = AddressRig()
        rig.reactor.mute = True
        rig.channel.start(rig.recorder)
        rig.stop()
        rig.reactor.unanswered[0]()
        rig.advance(100)
        self.assertEqual(rig.reactor.tried, [])

    def test_the_certificate_is_for_the_name(self) -> None:
        """Not for the address; one that shows another is left for the next."""
        good = certificate("smsc.example")
        bad = certificate("other.example")
        path = authority(self, good[0] + bad[0])
        rig = AddressRig(tls=True, tls_ca=path)
        # Twisted's client side asks nobody which clock to gather small writes by
        self.patch(tls, "_get_default_clock", lambda: rig.clock)
        for address, (pem, key) in ((ONE, bad), (TWO, good)):
            factory = TLSMemoryBIOFactory(
                PrivateCertificate.loadPEM(pem + key).options(),
                False,
                SmscFactory(rig.smsc),
                rig.clock,
            )
            rig.reactor.net.listen(
                address, 2775, lambda factory=factory: factory.buildProtocol(None)
            )
        self.bound(rig, 5)

    def test_a_probe_tries_each_address(self) -> None:
        """It says which of them refuses."""
        rig = AddressRig()
        rig.reactor.net.listen(ONE, 2775, rig.refusing)
        found: list[Any] = []
        running = Deferred.fromCoroutine(probe(rig.settings, rig.reactor))
        running.addCallback(found.extend)
        rig.advance(10, step=0.05)
        self.assertEqual(
            [(one.address, one.bound) for one in found], [(ONE, False), (TWO, True)]
        )
        self.assertEqual(rig.clock.getDelayedCalls(), [])

    def test_a_probe_of_an_address_that_drops_packets(self) -> None:
        """No answer is a finding, and not the end of the probe."""
        rig = AddressRig()
        rig.reactor.dropping = {ONE, TWO}
        found: list[Any] = []
        running = Deferred.fromCoroutine(probe(rig.settings, rig.reactor))
        running.addCallback(found.extend)
        rig.advance(40)
        self.assertEqual([one.problem for one in found], ["no answer"])
        self.assertEqual(rig.clock.getDelayedCalls(), [])
