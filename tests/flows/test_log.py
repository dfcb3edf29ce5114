"""An hour of a fault is a few lines of the log, at each protocol and door."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.amqp.codec import encode_properties
from gdemoi.errors import Unavailable
from gdemoi.message import Inbound
from gdemoi.yeastar.channel_spool import Spool
from tests.amqp.fakes import ServiceCase
from tests.cloud.net import CLOUDS, ChannelRig, Net, clouds, message, twilio
from tests.goip.rig import Rig, line_settings
from tests.logged import Logged
from tests.smpp.rig import ChannelRig as SmppRig
from tests.yeastar.rig import Rig as TgRig

# The fault, its counts in an hour (after 1, 3, 7, 15, 31 minutes), and what came
# before and after.
FEW = 9


class BrokerTests(ServiceCase):
    """A broker that is away, or cannot do what is asked."""

    def test_a_broker_that_is_down(self) -> None:
        """No line for each try: down once, then counted; up once."""
        self.brokers[1] = None
        logged = Logged(self, self.clock.seconds)
        self.service.start()
        for _ in range(360):
            self.advance(10)
        self.assertGreater(logged.heard, 40)
        self.assertLess(len(logged.lines), FEW, logged.lines)
        self.assertEqual(logged.of("connecting"), [])
        down = logged.of("paused")
        self.assertIn("it is tried again and again", down[0])
        self.assertIn("(again ", down[1])
        self.brokers[1] = self.broker
        self.advance(120)
        self.assertEqual(len(logged.of(": up")), 1)

    def test_a_link_that_flaps(self) -> None:
        """Lost and found every second for ten minutes."""
        self.start()
        logged = Logged(self, self.clock.seconds)
        for _ in range(600):
            self.network.cut()
            self.advance(1)
        self.assertLess(len(logged.lines), 20, logged.lines)

    def test_a_journal_that_cannot_be_written(self) -> None:
        """A message each second for ten minutes: refused once, taken again once."""
        self.start()
        logged = Logged(self, self.clock.seconds)
        self.intake.failing = True
        for n in range(600):
            body = self.envelope(f"m{n}")
            self.broker.put("gdemoi.outbound", body, encode_properties({}))
            self.advance(1)
        self.assertGreater(logged.heard, 20)
        self.assertLess(len(logged.of("nothing is taken for now")), FEW)
        self.intake.failing = False
        self.advance(60)
        self.assertEqual(len(self.intake.taken), 600)
        self.assertEqual(logged.of("taken again"), ["messages are taken again"])

    def test_a_flood_of_broken_messages(self) -> None:
        """Each with another fault in its text."""
        self.start()
        logged = Logged(self, self.clock.seconds)
        for n in range(1000):
            body = self.envelope(f"m{n}", to=f"nobody {n}")
            self.broker.put("gdemoi.outbound", body, encode_properties({}))
        self.advance(1)
        self.assertEqual(logged.heard, 1000)
        self.assertLessEqual(len(logged.lines), 20)
        self.advance(60)
        self.network.cut()
        self.advance(5)
        self.assertEqual(len(logged.of("980 lines like it")), 1, logged.lines)

    def test_a_broker_that_is_full(self) -> None:
        """connection.blocked and unblocked in turn."""
        side = self.start()
        logged = Logged(self, self.clock.seconds)
        for _ in range(100):
            side.say(0, "connection", "blocked", "low on memory")
            side.say(0, "connection", "unblocked")
            self.advance(1)
        self.assertEqual(logged.heard, 200)
        self.assertIn("takes no publishes: low on memory", logged.lines[0])
        self.assertIn("takes publishes again", logged.lines[1])
        self.assertLess(len(logged.lines), 10, logged.lines)


class HostTests(SynchronousTestCase):
    """Hosts that are away."""

    def test_an_smsc_that_is_down(self) -> None:
        """Why, once; the count after it."""
        rig = SmppRig(start=False)
        rig.net.listening.clear()
        logged = Logged(self, rig.clock.seconds)
        rig.channel.start(rig.recorder)
        rig.advance(3600)
        self.assertGreater(logged.heard, 40)
        self.assertLess(len(logged.lines), FEW, logged.lines)
        self.assertIn("trying again and again", logged.lines[0])
        self.assertIn("(again ", logged.lines[1])
        rig.stop()

    def test_a_tg_that_is_down(self) -> None:
        """One change, and one when it is back."""
        device_rig = TgRig().up()
        logged = Logged(self, device_rig.clock.seconds)
        device_rig.recorder.changes.clear()
        device_rig.line_works = False
        device_rig.cut()
        device_rig.later(3600.0)
        downs = [one for one in device_rig.recorder.changes if one[0] is None]
        self.assertEqual(len(downs), 1, downs)
        self.assertLess(len(logged.lines), FEW, logged.lines)
        device_rig.close()

    def test_a_network_that_takes_no_datagrams(self) -> None:
        """A GoIP's keepalives cannot be answered: once, then counted."""
        rig = Rig({"a": line_settings()})
        rig.register("a")
        logged = Logged(self, rig.clock.seconds)

        def refuse(datagram: bytes, address: object) -> None:
            raise OSError(101, "Network is unreachable")

        rig.socket.write = refuse  # type: ignore[method-assign]
        for n in range(720):
            rig.say(f"req:{n};id:a;pass:password1;num:;signal:20;gsm_status:LOGIN;")
            rig.clock.advance(5)
        reported = logged.of("could not be written")
        self.assertIn("Network is unreachable", reported[0])
        self.assertIn("(again ", reported[1])
        self.assertLess(len(reported), FEW, reported)

    def test_a_provider_that_is_away(self) -> None:
        """Questions that fail for an hour; the first answer is told."""
        net = Net()
        sandbox = clouds(net)
        settings = twilio(base_url=CLOUDS, receipts="poll", inbound="poll")
        rig = ChannelRig(settings, net=net).start()
        rig.submit(message())
        logged = Logged(self, net.clock.seconds)
        net.servers.clear()
        for _ in range(360):
            net.advance(10)
        self.assertGreater(rig.channel.describe()["counts"]["failed question"], 30)
        away = logged.of("a question came to nothing")
        self.assertEqual(len(away), 1, logged.lines)
        self.assertLess(len(logged.lines), FEW, logged.lines)
        net.serve_clouds(22080, sandbox)
        net.advance(120)
        self.assertEqual(len(logged.of("questions are answered again")), 1)


class SpoolTests(SynchronousTestCase):
    def test_sms_that_wait_for_the_journal(self) -> None:
        """Told once while it cannot be written, and once when all is recorded."""
        clock, works = Clock(), [False]

        def take(inbound: Inbound) -> Deferred[None]:
            return succeed(None) if works[0] else fail(Unavailable("disk full"))

        spool = Spool("tg", clock, take)
        logged = Logged(self, clock.seconds)
        spool.put(Inbound(channel="tg", from_="1", to=None, received_at=0, text="a"))
        for _ in range(3600):
            clock.advance(1)
        self.assertGreater(logged.heard, 100)
        self.assertLess(len(logged.lines), FEW, logged.lines)
        works[0] = True
        clock.advance(30)
        self.assertEqual(logged.lines[-1], "tg: received SMS are recorded again")
