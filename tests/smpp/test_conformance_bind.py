"""The ESME's conformance list: connection and bind, cases 1 to 18."""

from itertools import pairwise
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.journal import Journal
from gdemoi.message import Accepted, MessageClass, MessageState, OnUnsure
from gdemoi.net.reconnector import ReconnectorState
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router
from gdemoi.sandbox.smsc import SmscPersonality, SmscProtocol
from gdemoi.smpp.channel import SmppChannel
from gdemoi.smpp.channel_links import OutbindPort, session_parameters
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import BIND_RECEIVER, BIND_TRANSCEIVER, BIND_TRANSMITTER
from gdemoi.smpp.pdu.pdus import DeliverSm
from gdemoi.smpp.pdu.tlvs import Tag
from gdemoi.smpp.settings import BindAs, SmppSettings, Tlvs
from gdemoi.text.segments import Method
from tests.smpp.rig import ChannelRig
from tests.smpp.sessions import NOW, bound, give, sent

GOOD: dict[str, Any] = {"host": ("a",), "system_id": "esme", "password": "secret"}


def first_pdus(rig: ChannelRig, wire: int = 0) -> list[Any]:
    """Return what the ESME wrote on a connection."""
    octets = bytes(rig.net.wires[wire][0].written)
    found = []
    while octets:
        length = int.from_bytes(octets[:4], "big")
        found.append(pdus.decode(octets[:length]))
        octets = octets[length:]
    return found


class HostTests(SynchronousTestCase):
    def test_hosts_in_order_round_and_round(self) -> None:
        """A host that cannot be reached is left for the next; the list wraps."""
        rig = ChannelRig(hosts=("a", "b"), start=False)
        rig.net.listening.clear()
        rig.channel.start(rig.recorder)
        rig.advance(4)
        self.assertEqual([host for host, _ in rig.net.attempts[:3]], ["a", "b", "a"])
        (link,) = rig.channel.links
        self.assertEqual(sum(link.hosts.failures), len(rig.net.attempts))
        rig.stop()

    def test_a_host_may_carry_its_port(self) -> None:
        """`name:port` and `[v6]:port` beside the common port."""
        settings = SmppSettings(
            **{**GOOD, "host": ("a", "b:2776", "[2001:db8::1]:99", "2001:db8::2")}
        )
        self.assertEqual(
            settings.hosts,
            (("a", 2775), ("b", 2776), ("2001:db8::1", 99), ("2001:db8::2", 2775)),
        )

    def test_a_silent_bind_goes_to_the_next_host(self) -> None:
        """No answer in bind_timeout: closed, counted, next host."""
        rig = ChannelRig(hosts=("a", "b"), bind_timeout_s=10.0, start=False)
        server = SmscProtocol(rig.smsc)
        server.dataReceived = lambda data: None  # type: ignore[method-assign]
        rig.net.listen("a", 2775, lambda: server)
        rig.channel.start(rig.recorder)
        rig.advance(9)
        self.assertEqual([host for host, _ in rig.net.attempts], ["a"])
        rig.advance(4)
        self.assertEqual([host for host, _ in rig.net.attempts], ["a", "b"])
        self.assertIsNone(rig.channel.unable())
        self.assertFalse(rig.net.wires[0][0].connected)
        rig.stop()

    def test_refusals_for_a_while_go_to_the_next_host(self) -> None:
        """0x05, 0x0D, 0x08, 0x58 at bind: the ordinary pause, the next host."""
        for status in (0x05, 0x0D, 0x08, 0x58):
            rig = ChannelRig(
                SmscPersonality(password="secret", refuse_bind=status), hosts=("a", "b")
            )
            (link,) = rig.channel.links
            self.assertEqual(link.reconnector.state, ReconnectorState.PAUSED)
            rig.advance(1.5)
            self.assertEqual([h for h, _ in rig.net.attempts][:2], ["a", "b"])
            rig.stop()

    def test_back_to_the_first_host_at_the_next_reconnect(self) -> None:
        """After a session that held on the second host, the first is tried."""
        rig = ChannelRig(hosts=("a", "b"), start=False, primary_return_s=0.0)
        answer = rig.net.listening.pop(("a", 2775))
        rig.channel.start(rig.recorder)
        rig.advance(100)
        rig.net.listening["a", 2775] = answer
        self.assertEqual(rig.channel.links[0].hosts.present.name, "b")
        rig.server.transport.abortConnection()
        rig.advance(3)
        self.assertEqual(rig.net.attempts[-1], ("a", 2775))
        rig.stop()

    def test_a_half_dead_first_host_does_not_flap(self) -> None:
        """A first host that failed a moment ago is left alone."""
        rig = ChannelRig(hosts=("a", "b"), start=False, primary_return_s=0.0)
        rig.net.listening.pop(("a", 2775))
        rig.channel.start(rig.recorder)
        rig.advance(20)
        rig.server.transport.abortConnection()
        rig.advance(3)
        self.assertEqual([h for h, _ in rig.net.attempts], ["a", "b", "b"])
        rig.stop()

    def test_returns_to_the_first_host_after_a_while(self) -> None:
        """When it can be reached again, the session moves, and loses nothing."""
        rig = ChannelRig(hosts=("a", "b"), start=False, primary_return_s=600.0)
        answer = rig.net.listening.pop(("a", 2775))
        rig.channel.start(rig.recorder)
        rig.advance(601, step=10)
        self.assertEqual(rig.channel.links[0].hosts.present.name, "b")
        rig.net.listening["a", 2775] = answer
        rig.advance(600, step=5)
        self.assertEqual(rig.channel.links[0].hosts.present.name, "a")
        self.assertIsNone(rig.channel.unable())
        self.assertIn(pdus.Unbind, [type(one) for one in first_pdus(rig, 0)])
        rig.stop()


class BindTests(SynchronousTestCase):
    def test_one_bind_first_and_nothing_else(self) -> None:
        """Whatever waits, the bind is alone until it is answered."""
        rig = ChannelRig(start=False, bind_timeout_s=60.0)
        server = SmscProtocol(rig.smsc)
        server.dataReceived = lambda data: None  # type: ignore[method-assign]
        rig.net.listen("smsc.example", 2775, lambda: server)
        rig.channel.start(rig.recorder)
        (outcome,) = rig.submit(rig.message())
        self.assertEqual(outcome.error.code, "gateway:unavailable")  # type: ignore[union-attr]
        rig.advance(50)
        (bind,) = first_pdus(rig)
        self.assertEqual(bind.command, "bind_transceiver")
        self.assertEqual(bind.interface_version, 0x34)
        rig.stop()

    def test_transmitter_and_receiver(self) -> None:
        """`pair` is two connections; each alone is one."""
        for bind, kinds in (
            (BindAs.PAIR, ["receiver", "transmitter"]),
            (BindAs.TRANSMITTER, ["transmitter"]),
            (BindAs.RECEIVER, ["receiver"]),
            (BindAs.TRANSCEIVER, ["transceiver"]),
        ):
            rig = ChannelRig(bind=bind)
            self.assertEqual(sorted(one.kind for one in rig.smsc.sessions), kinds)
            self.assertEqual(rig.recorder.changes[-1], ("up", ""))
            rig.stop()

    def test_a_refused_transceiver_becomes_a_pair(self) -> None:
        """ESME_RINVCMDID to bind_transceiver: two binds from now on."""
        rig = ChannelRig(
            SmscPersonality(password="secret", transceiver=False, tracker=False)
        )
        rig.advance(3)
        kinds = sorted(one.kind for one in rig.smsc.sessions)
        self.assertEqual(kinds, ["receiver", "transmitter"])
        for session in list(rig.smsc.sessions):
            session.transport.abortConnection()  # type: ignore[union-attr]
        rig.advance(5)
        commands = [first_pdus(rig, i)[0].command for i in range(len(rig.net.wires))]
        self.assertEqual(commands.count("bind_transceiver"), 1)
        self.assertIsNone(rig.channel.unable())
        rig.stop()

    def test_limits_of_the_fields(self) -> None:
        """Over-long credentials are complaints, unless the operator insists."""
        for key, value in (
            ("system_id", "x" * 16),
            ("password", "x" * 9),
            ("system_type", "x" * 13),
            ("address_range", "x" * 41),
        ):
            settings = SmppSettings(**{**GOOD, key: value})
            self.assertEqual([name for name, _ in settings.complaints()], [key])
            lenient = SmppSettings(**{**GOOD, key: value}, long_credentials=True)
            self.assertEqual(list(lenient.complaints()), [])
            fits = SmppSettings(**{**GOOD, key: value[:-1]})
            self.assertEqual(list(fits.complaints()), [])

    def test_long_credentials_are_sent_whole(self) -> None:
        """Some carriers give passwords over eight characters, and want all of them."""
        given = {
            "system_id": "n" * 20,
            "password": "p" * 30,
            "system_type": "t" * 15,
            "address_range": "r" * 50,
        }
        rig = ChannelRig(**given, long_credentials=True, address_ton=1, address_npi=2)
        bind = first_pdus(rig)[0]
        for key, value in given.items():
            self.assertEqual(getattr(bind, key), value)
        numbers = (bind.interface_version, bind.addr_ton, bind.addr_npi)
        self.assertEqual(numbers, (0x34, 1, 2))
        self.assertNotIn("ppp", str(rig.channel.traced(0)))
        rig.stop()

    def test_long_credentials_change_no_short_bind(self) -> None:
        """What fits is the same octets with the key and without."""
        short = SmppSettings(**GOOD, system_type="VMA")
        lenient = evolve(short, long_credentials=True)
        for command in (BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER):
            strict_octets, octets = (
                session_parameters(one, command).bind_request()
                for one in (short, lenient)
            )
            self.assertEqual(octets, strict_octets)

    def test_version_33(self) -> None:
        """interface_version 0x33, and no TLV whatever the SMSC says."""
        rig = ChannelRig(version="3.3", vendor_tlvs={"0x1403": b"1"})
        self.assertEqual(first_pdus(rig)[0].interface_version, 0x33)
        rig.submit(rig.message("x" * 400))
        self.assertEqual({taken.pdu.tlvs for taken in rig.smsc.taken}, {()})
        rig.stop()

    def test_no_tlvs_without_the_version(self) -> None:
        """SAR and payload fall back to headers when the SMSC is not 3.4."""
        for method in (Method.SAR, Method.PAYLOAD):
            for version in (0, 0x33):
                rig = ChannelRig(
                    SmscPersonality(password="secret", tracker=False, version=version),
                    long_messages=method,
                    vendor_tlvs={"0x1403": b"1"},
                )
                (outcome,) = rig.submit(rig.message("x" * 400))
                self.assertEqual(outcome.segments, 3)  # type: ignore[union-attr]
                for taken in rig.smsc.taken:
                    self.assertEqual(tuple(taken.pdu.tlvs), ())
                    self.assertEqual(taken.pdu.esm_class, 0x40)
                rig.stop()

    def test_tlvs_when_the_smsc_is_34(self) -> None:
        """SAR has its three TLVs, payload its one, and vendor TLVs are added."""
        rig = ChannelRig(long_messages=Method.SAR, vendor_tlvs={"0x1403": b"1"})
        rig.submit(rig.message("x" * 300))
        for number, taken in enumerate(rig.smsc.taken, 1):
            self.assertEqual(taken.pdu.tlv_int(Tag.sar_segment_seqnum), number)
            self.assertEqual(taken.pdu.tlv(0x1403), b"1")
            self.assertEqual(taken.pdu.esm_class, 0)
        rig.stop()
        rig = ChannelRig(long_messages=Method.PAYLOAD)
        (outcome,) = rig.submit(rig.message("x" * 300))
        self.assertEqual(outcome.segments, 1)  # type: ignore[union-attr]
        (taken,) = rig.smsc.taken
        self.assertEqual(taken.pdu.tlv(Tag.message_payload), b"x" * 300)
        self.assertEqual(taken.pdu.short_message, b"")
        rig.stop()

    def test_the_operator_knows_better(self) -> None:
        """`tlvs = yes` sends them to an SMSC that does not say its version."""
        rig = ChannelRig(
            SmscPersonality(password="secret", tracker=False, version=0),
            tlvs=Tlvs.YES,
            vendor_tlvs={"0x1403": b"1"},
        )
        rig.submit(rig.message())
        self.assertEqual(rig.smsc.taken[0].pdu.tlv(0x1403), b"1")
        rig.stop()

    def test_refused_credentials(self) -> None:
        """0x0E, 0x0F, 0x53: one alarm, a long pause, no busy loop."""
        for status in (0x0E, 0x0F, 0x53):
            rig = ChannelRig(
                SmscPersonality(password="secret", refuse_bind=status),
                credential_retry_s=300.0,
            )
            self.assertEqual(
                rig.channel.links[0].reconnector.state, ReconnectorState.REFUSED
            )
            self.assertIn("ESME_RINV", rig.channel.unable() or "")
            rig.advance(299, step=10)
            self.assertEqual(len(rig.net.attempts), 1)
            rig.advance(322, step=10)
            self.assertEqual(len(rig.net.attempts), 3)
            rig.stop()

    def test_corrected_credentials_bind(self) -> None:
        """After someone acted, the next try succeeds."""
        rig = ChannelRig(SmscPersonality(password="other"), credential_retry_s=300.0)
        rig.smsc.accounts["esme"] = SmscPersonality(password="secret")
        rig.advance(301, step=10)
        self.assertIsNone(rig.channel.unable())
        rig.stop()

    def test_pauses_double_and_are_forgotten(self) -> None:
        """1, 2, 4 … 60 s; short again only after a session that held."""
        rig = ChannelRig(start=False)
        answer = rig.net.listening.pop(("smsc.example", 2775))
        times = []
        join = rig.net.join

        def timed(*arguments: Any) -> Any:
            times.append(rig.clock.seconds())
            return join(*arguments)

        rig.net.join = timed  # type: ignore[method-assign]
        rig.channel.start(rig.recorder)
        rig.advance(200, step=0.5)
        pauses = [round(b - a) for a, b in pairwise(times)]
        self.assertEqual(pauses[:7], [1, 2, 4, 8, 16, 32, 60])
        rig.net.listening["smsc.example", 2775] = answer
        rig.advance(80, step=0.5)
        rig.server.transport.abortConnection()
        lost_at = rig.clock.seconds()
        rig.advance(5)
        self.assertLess(times[-1] - lost_at, 2)
        rig.stop()

    def test_a_link_that_drops_often_is_used_all_the_same(self) -> None:
        """Submits were answered: the next bind is at once, the host good."""
        rig = ChannelRig(hosts=("smsc.example", "other.example"))
        for _ in range(8):
            outcomes = rig.submit(rig.message())
            rig.advance(2)
            self.assertIsInstance(outcomes[0], Accepted)
            rig.server.transport.abortConnection()
            lost_at = rig.clock.seconds()
            rig.turn()
            while rig.channel.unable() is not None:
                rig.advance(0.01, step=0.01)
            self.assertLess(rig.clock.seconds() - lost_at, 0.1)
        (bind,) = rig.channel.describe()["binds"]
        self.assertEqual(bind["host"], "smsc.example:2775")
        rig.stop()

    def test_twenty_connectors_do_not_bind_in_the_same_second(self) -> None:
        """All lose their sessions at once; they come back over more than a second."""
        bound_after: list[float] = []
        for number in range(20):
            rig = ChannelRig(start=False)
            rig.context = evolve(rig.context, random=lambda number=number: number / 20)
            rig.channel = SmppChannel("carrier", rig.settings, rig.context, rig.connect)
            rig.channel.start(rig.recorder)
            rig.turn(6)
            rig.advance(20)
            rig.server.transport.abortConnection()
            rig.turn()
            lost_at = rig.clock.seconds()
            while rig.channel.unable() is not None:
                rig.advance(0.01, step=0.01)
            bound_after.append(rig.clock.seconds() - lost_at)
            rig.stop()
        self.assertGreater(max(bound_after) - min(bound_after), 1.0)
        busiest = max(
            sum(start <= at < start + 0.25 for at in bound_after)
            for start in bound_after
        )
        self.assertLessEqual(busiest, 6)

    def test_bind_and_drop_is_slowed_down(self) -> None:
        """A session that is dropped right after its bind is a failure."""
        rig = ChannelRig()
        for _ in range(6):
            rig.server.transport.abortConnection()
            rig.turn()
            while rig.channel.unable() is not None:
                rig.advance(0.5)
        self.assertGreaterEqual(rig.channel.links[0].reconnector.failures, 6)
        self.assertGreater(rig.clock.seconds() - NOW, 30)
        rig.stop()

    def test_receipts_of_a_pair(self) -> None:
        """Submits on the transmitter only; receipts over any session."""
        rig = ChannelRig(bind=BindAs.PAIR)
        rig.submit(rig.message())
        rig.advance(1)
        receiver, transmitter = sorted(rig.smsc.sessions, key=lambda s: s.kind)
        self.assertEqual(rig.recorder.receipts[0].state, MessageState.DELIVERED)
        transmitter.request(
            DeliverSm(esm_class=4, short_message=b"id:1 stat:UNDELIV err:001")
        )
        rig.turn()
        self.assertEqual(len(rig.recorder.receipts), 2)
        receiver.transport.abortConnection()  # type: ignore[union-attr]
        rig.turn()
        self.assertEqual(rig.recorder.changes[-1][0], "degraded")
        self.assertIsNone(rig.channel.unable())
        rig.stop()

    def test_a_receiver_alone_sends_nothing(self) -> None:
        """It says so."""
        rig = ChannelRig(bind=BindAs.RECEIVER)
        self.assertEqual(rig.channel.unable(), "bound for receiving only")
        rig.stop()

    def test_one_session_per_credential(self) -> None:
        """The old connection is gone before the new one binds."""
        rig = ChannelRig(
            SmscPersonality(password="secret", one_session=True, tracker=False)
        )
        for _ in range(3):
            rig.advance(11)
            rig.server.transport.abortConnection()
            rig.advance(4)
            self.assertIsNone(rig.channel.unable())
        self.assertEqual(len(rig.smsc.sessions), 1)
        rig.stop()


class _ResettingSmsc(SmscProtocol):
    """Answers so many submits of a session, and resets the connection."""

    limit = 0

    def send(self, pdu: Any) -> None:
        """Write a PDU, unless it is one too many."""
        if isinstance(pdu, pdus.SubmitSmResp):
            self.limit -= 1
            if self.limit < 0:
                self.transport.abortConnection()  # type: ignore[union-attr]
                return
        super().send(pdu)


class ResetTests(SynchronousTestCase):
    """A far side that resets the link again and again, below the dispatcher."""

    def build(self, limits: list[int], **settings: Any) -> None:
        """Start a gateway before an SMSC whose sessions end after `limits`."""
        self.rig = ChannelRig(start=False, **settings)
        self.limits = limits
        self.rig.net.listen("smsc.example", 2775, self.answer)
        self.clock = self.rig.clock
        self.journal = Journal("sqlite://", self.clock, inline=True)
        self.successResultOf(self.journal.open())
        self.dispatcher = Dispatcher(
            self.journal,
            self.clock,
            Router([], ("carrier",)),
            [self.rig.channel],
            backlog_limit=5000,
        )
        self.run_to_end(self.dispatcher.start())
        self.rig.turn(6)
        self.lane = self.dispatcher.lanes["carrier"]

    def answer(self) -> SmscProtocol:
        """Make the SMSC's end of the next connection; the last one holds."""
        server = _ResettingSmsc(self.rig.smsc)
        server.limit = self.limits.pop(0) if self.limits else 1_000_000
        return server

    def run_to_end(self, coroutine: Any) -> Any:
        """Return what a coroutine that waits for nothing returns."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def accept(self, count: int) -> None:
        """Hand commands in, to as many numbers."""
        batch = [
            (
                self.rig.message(
                    id=f"m{number:04}",
                    to=f"+7916100{number:04}",
                    class_=MessageClass.COMMAND,
                    on_unsure=OnUnsure.HOLD,
                ),
                b"",
            )
            for number in range(count)
        ]
        self.successResultOf(self.dispatcher.intake.accept(batch))

    def seconds_until_sent(self, most_s: float) -> float:
        """Let time pass until nothing waits; return how much did."""
        begun_at = self.clock.seconds()
        while sum(self.journal.backlog().values()) or self.lane.in_flight:
            self.step()
            if self.clock.seconds() - begun_at > most_s:
                break
        return self.clock.seconds() - begun_at

    def step(self) -> None:
        """Let 10 ms pass, at the end of which the journal's commits are through."""
        writes: Any = self.journal._writes
        writes.hold()
        self.rig.advance(0.01, step=0.01)
        writes.release()

    def end(self) -> None:
        """Stop the gateway; what is left is the SMSC's."""
        stopping = Deferred.fromCoroutine(self.dispatcher.stop(1.0))
        self.rig.advance(3)
        self.successResultOf(stopping)

    def test_a_link_that_is_reset_again_and_again_carries_what_it_can(self) -> None:
        """The lane rested five seconds at each reset, the new bind unused.

        1,200 commands over a link that is reset after 50 to 240 answers: nine logins,
        which are a second apart, and hardly a second more.
        """
        limits = [111, 128, 77, 235, 152, 173, 90, 74]
        logins = len(limits) + 1
        self.build(limits, window=20)
        self.accept(1200)
        took_s = self.seconds_until_sent(60.0)
        self.assertLess(took_s, logins + 2.0)
        taken = [pdu.pdu.destination_addr for pdu in self.rig.smsc.taken]
        # what may have gone out at a reset is held, and was not sent again
        self.assertEqual(len(set(taken)), len(taken))
        self.assertGreaterEqual(len(taken), 1200 - 20 * len(limits))
        self.assertEqual(self.rig.channel.links[0].connections, logins)
        self.assertEqual(self.lane.standing("up", ""), ("up", ""))
        self.end()

    def test_what_a_lost_link_gave_back_keeps_its_place(self) -> None:
        """Nothing of it left: it goes first over the next bind, not 15 s later."""
        self.build([30], window=20)
        self.accept(80)
        took_s = self.seconds_until_sent(60.0)
        self.assertLess(took_s, 3.0)
        taken = [pdu.pdu.destination_addr for pdu in self.rig.smsc.taken]
        self.assertEqual(sorted(taken), taken)
        self.assertEqual(len(set(taken)), len(taken))
        self.end()

    def test_a_bind_that_is_up_is_not_told_to_be_down(self) -> None:
        """The channel was `down` for want of a connection that was there again."""
        self.build([3], window=5)
        self.accept(40)
        for _ in range(200):
            self.step()
            own = self.rig.channel.describe()
            shown = self.lane.standing(own["state"], self.rig.channel.reason)
            if self.rig.channel.unable() is None:
                self.assertEqual(shown, ("up", ""))
                self.assertIsNone(self.lane.unable())
        self.assertEqual(self.rig.channel.links[0].connections, 2)
        self.end()


class OutbindTests(SynchronousTestCase):
    def knock(self, password: str) -> tuple[ChannelRig, list[Any]]:
        """Return a rig at whose outbind port the SMSC knocked."""
        rig = ChannelRig(
            outbind_listen="tcp:2776", outbind_password="knock", start=False
        )
        rig.channel.deliveries.events = rig.recorder
        port: OutbindPort = rig.channel.outbind
        rig.net.listen("us", 2776, port.make)
        rig.net.endpoint("us", 2776).connect(_Knocker(password))
        rig.turn()
        theirs = rig.net.wires[-1][1]
        octets = bytes(theirs.written)
        return rig, [pdus.decode(octets)] if octets else []

    def test_off_by_default(self) -> None:
        """Without a port nobody can knock; a port needs a password."""
        settings = SmppSettings(**GOOD, outbind_listen="tcp:2776")
        self.assertEqual(
            [key for key, _ in settings.complaints()], ["outbind_password"]
        )
        self.assertEqual(SmppSettings(**GOOD).outbind_listen, "")

    def test_an_outbind_is_answered_with_a_bind(self) -> None:
        """As receiver, when the SMSC says the agreed password."""
        _, said = self.knock("knock")
        self.assertEqual([one.command for one in said], ["bind_receiver"])

    def test_a_stranger_learns_nothing(self) -> None:
        """A wrong password closes the connection, without our credentials."""
        rig, said = self.knock("guess")
        self.assertEqual(said, [])
        self.assertTrue(rig.net.wires[-1][1].disconnecting)

    def test_outbind_on_a_bound_session_is_ignored(self) -> None:
        """It has no answer, and ends nothing."""
        session = bound()
        give(session, pdus.Outbind(sequence_number=5, system_id="x"))
        self.assertEqual(sent(session), [])
        self.assertTrue(session.bound)


class _Knocker:
    """The SMSC's side of an outbind; a factory of one protocol."""

    def __init__(self, password: str) -> None:
        self.password = password

    def buildProtocol(self, addr: object) -> Any:
        from twisted.internet.protocol import Protocol

        knock = pdus.encode(pdus.Outbind(system_id="SMSC", password=self.password))

        class Knock(Protocol):
            def connectionMade(self) -> None:
                self.transport.write(knock)  # type: ignore[union-attr]

        return Knock()
