"""What happens seldom to a channel."""

import errno
from typing import Any

import msgspec
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault
from gdemoi.message import MessageClass, MessageState, Outcome, Uncertain
from gdemoi.net.port import LISTEN_AGAIN_S
from gdemoi.sandbox.smsc import SmscPersonality
from gdemoi.smpp.channel import _MOST_NOTED, KIND
from gdemoi.smpp.channel_links import OutbindPort
from gdemoi.smpp.encoder import SmppEncodedMessage
from gdemoi.smpp.inbound import DeliveryRepeats
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import DataSm, DeliverSm
from gdemoi.smpp.pdu.tlvs import Tag
from gdemoi.smpp.session_requests import Requests
from gdemoi.smpp.session_types import LATE_LIMIT, SessionNotice
from gdemoi.smpp.submit_attempts import SubmitAttempt
from gdemoi.text.segments import Method
from tests.smpp.rig import NOW, ChannelRig

PLAIN = SmscPersonality(password="secret", tracker=False)


class RebindTests(SynchronousTestCase):
    def test_the_form_changes_with_the_smsc(self) -> None:
        """Prepared for TLVs, sent without: headers instead, under one reference."""
        rig = ChannelRig(long_messages=Method.SAR)
        prepared = rig.channel.prepare(rig.message("x" * 400))
        rig.smsc.accounts["esme"] = SmscPersonality(
            password="secret", tracker=False, version=0
        )
        rig.server.transport.abortConnection()
        rig.advance(3)
        outcomes: list[Any] = []
        rig.channel.submit(prepared, 1).addCallback(outcomes.append)
        rig.turn(8)
        self.assertEqual(outcomes[0].segments, 3)
        self.assertEqual({taken.pdu.esm_class for taken in rig.smsc.taken}, {0x40})
        rig.stop()

    def test_the_first_host_is_still_away(self) -> None:
        """The working session is kept, and the first host looked for again."""
        rig = ChannelRig(hosts=("a", "b"), start=False, primary_return_s=100.0)
        rig.net.listening.pop(("a", 2775))
        rig.channel.start(rig.recorder)
        rig.advance(350, step=5)
        self.assertEqual([h for h, _ in rig.net.attempts], ["a", "b", "a", "a", "a"])
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(len(rig.smsc.sessions), 1)
        rig.stop()

    def test_stopping_before_anything_is_bound(self) -> None:
        """At every stage; nothing is left."""
        rig = ChannelRig(start=False)
        rig.net.listening.clear()
        rig.channel.start(rig.recorder)
        rig.stop()
        rig = ChannelRig(start=False)
        rig.stop()

    def test_a_bind_that_is_refused_while_stopping_makes_no_pair(self) -> None:
        """No new links then."""
        rig = ChannelRig(
            SmscPersonality(password="secret", transceiver=False),
            latency_s=1.0,
            start=False,
        )
        rig.channel.start(rig.recorder)
        rig.channel.stop(1.0)
        rig.advance(20)
        self.assertEqual(len(rig.channel.links), 1)
        self.assertEqual(rig.smsc.sessions, [])


class QueryTests(SynchronousTestCase):
    def asked(self, rig: ChannelRig, *ids: str, **fields: Any) -> list[Any]:
        """Ask about a message; the list gets the answer."""
        found: list[Any] = []
        rig.channel.ask(rig.message(**fields), ids).addCallback(found.append)
        rig.turn(8)
        return found

    def test_segments_are_asked_for_one_by_one(self) -> None:
        """One answer is returned, the others go up; also while nothing can write."""
        rig = ChannelRig(query=True)
        rig.submit(rig.message("x" * 300))
        rig.advance(1)
        before = len(rig.recorder.receipts)
        (found,) = self.asked(rig, "1001", "1002", from_=None)
        self.assertEqual(
            (found.provider_id, found.state), ("1002", MessageState.DELIVERED)
        )
        self.assertEqual(len(rig.recorder.receipts), before + 1)
        rig.recorder.broken = True
        (found,) = self.asked(rig, "1001", "1002")
        self.assertEqual(found.provider_id, "1002")
        rig.stop()

    def test_no_answer_is_no_news(self) -> None:
        """Silence, a lost link, a state that says nothing."""
        rig = ChannelRig(query=True, response_timeout_s=5.0)
        rig.server.dataReceived = lambda data: None
        found = self.asked(rig, "1001")
        rig.advance(6)
        self.assertEqual(found, [None])
        found = self.asked(rig, "1001")
        rig.server.transport.abortConnection()
        rig.advance(3)
        self.assertEqual(found, [None])
        rig.submit(rig.message())
        for state in (7, 77):
            rig.smsc.taken[-1].state = state
            self.assertEqual(self.asked(rig, rig.smsc.taken[-1].message_id), [None])
        rig.stop()

    def test_a_late_answer_to_a_query_is_nothing(self) -> None:
        """The message was told as unsure already."""
        rig = ChannelRig(query=True, response_timeout_s=5.0)
        server = rig.server
        server.dataReceived = lambda data: None
        found = self.asked(rig, "1001")
        rig.advance(6)
        server.send(pdus.QuerySmResp(sequence_number=2, message_state=2))
        rig.turn()
        self.assertEqual((found, rig.recorder.lates), ([None], []))
        rig.stop()


class UpwardTests(SynchronousTestCase):
    def test_a_fault_of_ours_is_logged_and_asked_for_again(self) -> None:
        """The SMSC is told 0x64, and the bind stays."""
        rig = ChannelRig()

        def inbound(_: Any) -> Deferred[None]:
            failing: Deferred[None] = Deferred()
            failing.errback(ZeroDivisionError("a bug"))
            return failing

        rig.recorder.inbound = inbound  # type: ignore[method-assign]
        rig.smsc.deliver("esme", DeliverSm(source_addr="1"))
        rig.turn()
        self.assertEqual([status for _, status in rig.smsc.answered], [0x64])
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        rig.stop()

    def test_a_delivery_before_anyone_listens(self) -> None:
        """It is asked for again."""
        rig = ChannelRig()
        rig.channel.deliveries.events = None
        rig.smsc.deliver("esme", DeliverSm(source_addr="1"))
        rig.turn()
        self.assertEqual([status for _, status in rig.smsc.answered], [0x64])
        rig.stop()

    def test_an_unknown_state_is_what_its_code_says(self) -> None:
        """Without a table it is no final state."""
        from gdemoi.smpp.error_codes import load_table

        text = b"id:1 stat:WHAT err:050"
        rig = ChannelRig(error_table=load_table("mensatek"))
        rig.smsc.deliver("esme", DeliverSm(esm_class=4, short_message=text))
        rig.turn()
        (receipt,) = rig.recorder.receipts
        self.assertEqual(receipt.state, MessageState.UNDELIVERED)
        rig.stop()
        rig = ChannelRig()
        rig.smsc.deliver("esme", DeliverSm(esm_class=4, short_message=text))
        rig.smsc.deliver(
            "esme", DeliverSm(esm_class=4, short_message=b"id:1 stat:UNDELIV")
        )
        rig.turn()
        first, second = rig.recorder.receipts
        self.assertEqual(first.state, MessageState.ENROUTE)
        assert second.error is not None
        self.assertEqual(second.error.code, "receipt:undeliv")
        rig.stop()

    def test_what_is_remembered_has_limits(self) -> None:
        """Oddities, repetitions, late numbers: none grows without end."""
        rig = ChannelRig()
        reported: list[Any] = []
        globalLogPublisher.addObserver(reported.append)
        self.addCleanup(globalLogPublisher.removeObserver, reported.append)
        for number in range(_MOST_NOTED + 50):
            rig.channel._note(rig.channel.links[0], SessionNotice(f"odd {number}"))
        self.assertEqual(len(rig.channel.noted), _MOST_NOTED)
        self.assertEqual(len(reported), _MOST_NOTED)
        repeats = DeliveryRepeats()
        for number in range(6000):
            repeats.key(DataSm(source_addr=str(number)), number, NOW)
            repeats.session_ended(number, NOW)
        self.assertLessEqual(len(repeats._last), 5000)
        self.assertLessEqual(len(repeats._ended), 100)
        requests = Requests(1.0)
        for _ in range(LATE_LIMIT + 10):
            requests.add(0x80000004, None, NOW)
        requests.expire(NOW + 1)
        self.assertEqual(len(requests._late), LATE_LIMIT)
        rig.stop()

    def test_a_restart_forgets_what_was_told_before(self) -> None:
        """The same words right after a restart of ours are a message, not a repeat."""
        words = DataSm(source_addr="1")
        before = DeliveryRepeats().key(words, 1, NOW)
        after = DeliveryRepeats().key(words, 1, NOW + 5.0)
        self.assertNotEqual(before, after)

    def test_only_what_would_be_the_same_goes_on(self) -> None:
        """The same id with other content is another message."""
        rig = ChannelRig(SmscPersonality(password="secret", silent=2, tracker=False))
        message = rig.message("x" * 200, id="one")
        (outcome,) = (rig.submit(message),)
        rig.advance(31)
        (unsure,) = outcome
        assert isinstance(unsure, Uncertain)
        progress = unsure.progress
        assert progress is not None
        self.assertEqual(unsure.provider_ids, ("1001",))
        self.assertEqual(progress.ids, ("1001", None))
        rest = rig.channel.resume(message, progress)
        assert rest is not None
        self.assertEqual(rest.taken, ["1001", None])
        for other in (
            rig.message("y" * 200, id="one"),
            rig.message("x" * 300, id="one"),
            rig.message("x" * 200, id="one", from_="Other"),
            rig.message("x" * 200, id="one", to="+79160000000"),
            rig.message("x" * 200, id="one", udh=b"\x09\x24"),
        ):
            self.assertIsNone(rig.channel.resume(other, progress), other)
        strange = msgspec.structs.replace(progress, account="another")
        self.assertIsNone(rig.channel.resume(message, strange))
        rig.stop()

    def test_a_link_without_tlvs_after_one_with(self) -> None:
        """A command begun in SAR does not go on with headers."""
        rig = ChannelRig(long_messages=Method.SAR)
        command = rig.message("x" * 400, class_=MessageClass.COMMAND)
        for message, left in ((command, False), (rig.message("x" * 400), True)):
            prepared = rig.channel.prepare(message)
            assert isinstance(prepared, SmppEncodedMessage)
            prepared.taken[0] = "1"
            outcomes: list[Outcome] = []
            submission = SubmitAttempt(prepared, 1, outcomes.append)
            submission.begin(tlvs=False)
            self.assertEqual(len(submission.todo), 3 if left else 0)
            if not left:
                (unsure,) = outcomes
                assert isinstance(unsure, Uncertain)
                assert unsure.progress is not None
                self.assertEqual(unsure.progress.ids, ("1", None, None))
        rig.stop()

    def test_headers_are_the_same_with_and_without_tlvs(self) -> None:
        """The rest goes on over a link that takes no TLVs."""
        rig = ChannelRig(vendor_tlvs={"0x1403": b"1"})
        command = rig.message("x" * 400, class_=MessageClass.COMMAND)
        prepared = rig.channel.prepare(command)
        assert isinstance(prepared, SmppEncodedMessage)
        prepared.taken[1] = "2"
        submission = SubmitAttempt(prepared, 1, lambda outcome: None)
        submission.begin(tlvs=False)
        self.assertEqual(submission.todo, [2, 0])
        rig.stop()

    def test_why_a_message_was_refused_in_words(self) -> None:
        """additional_status_info_text is told with the status."""
        rig = ChannelRig()
        rig.server.dataReceived = lambda data: None
        outcomes = rig.submit(rig.message())
        rig.server.send(
            pdus.SubmitSmResp(
                sequence_number=2,
                command_status=0x45,
                tlvs=((int(Tag.additional_status_info_text), b"no money\0"),),
            )
        )
        rig.turn()
        self.assertIn("no money", outcomes[0].error.text)  # type: ignore[union-attr]
        rig.stop()

    def test_a_contradiction_is_unsure(self) -> None:
        """A generic_nack that says ROK: nobody knows."""
        rig = ChannelRig()
        rig.server.dataReceived = lambda data: None
        outcomes = rig.submit(rig.message())
        rig.server.send(pdus.GenericNack(sequence_number=2))
        rig.turn()
        (outcome,) = outcomes
        assert isinstance(outcome, Uncertain)
        self.assertIn("contradict", outcome.why)
        self.assertTrue(outcome.unclear)
        rig.stop()

    def test_a_late_contradiction_settles_nothing(self) -> None:
        """The submit stays unsure and no refusal is told late."""
        rig = ChannelRig(response_timeout_s=5.0)
        rig.server.dataReceived = lambda data: None
        outcomes = rig.submit(rig.message())
        rig.advance(6)
        self.assertIsInstance(outcomes[0], Uncertain)
        rig.server.send(pdus.GenericNack(sequence_number=2))
        rig.turn()
        self.assertEqual(rig.recorder.lates, [])
        rig.stop()


class MakingTests(SynchronousTestCase):
    def test_the_kind_makes_a_channel(self) -> None:
        """As the assembly does it; without a trace there is none to read."""
        rig = ChannelRig(start=False, pdu_ring=0)
        channel = KIND.make("x", rig.settings, [], rig.context)
        self.assertEqual((channel.name, channel.kind), ("x", "smpp"))
        with self.assertRaises(OurFault):
            channel.capture()

    def test_an_outbind_port_listens_and_stops(self) -> None:
        """Only when configured; sessions that began there end with it."""
        rig = ChannelRig(
            start=False, outbind_listen="tcp:2776", outbind_password="knock"
        )
        reactor = MemoryReactorClock()
        context = evolve(rig.context, reactor=reactor)
        port = OutbindPort("x", rig.settings, context, rig.channel.deliveries, None)
        port.start()
        self.assertEqual([one[0] for one in reactor.tcpServers], [2776])
        for _ in range(6):
            rig.net.listen("us", 2776, port.make)
            rig.net.endpoint("us", 2776).connect(_Silent())
        rig.turn(8)
        self.assertLessEqual(len(port.sessions), 4)
        stopped: list[Any] = []
        Deferred.fromCoroutine(port.stop(1.0)).addCallback(stopped.append)
        rig.advance(5)
        self.assertEqual(stopped, [None])
        self.assertEqual(port.sessions, [])


class _Deaf(MemoryReactorClock):
    """A reactor whose ports others have, for so many tries."""

    tries = 2

    def listenTCP(self, port: int, *rest: Any, **more: Any) -> Any:
        if self.tries:
            self.tries -= 1
            in_use = OSError(errno.EADDRINUSE, "Address already in use")
            raise CannotListenError("", port, in_use)
        return super().listenTCP(port, *rest, **more)


class OutbindPortTests(SynchronousTestCase):
    def test_a_port_in_use(self) -> None:
        """Told to who waits for it, with what to do; tried again until it is had."""
        rig = ChannelRig(
            start=False, outbind_listen="tcp:2776", outbind_password="knock"
        )
        reactor = _Deaf()
        around = evolve(rig.context, reactor=reactor, clock=reactor)
        port = OutbindPort("x", rig.settings, around, rig.channel.deliveries, None)
        port.start()
        why = self.successResultOf(port.port.first)
        assert why is not None
        self.assertEqual(why.key, "outbind_listen")
        self.assertIn("tcp:2776: Address already in use: another program", str(why))
        self.assertEqual(reactor.tcpServers, [])
        reactor.advance(LISTEN_AGAIN_S)
        reactor.advance(LISTEN_AGAIN_S)
        self.assertEqual([one[0] for one in reactor.tcpServers], [2776])
        self.assertEqual(reactor.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])
        self.successResultOf(Deferred.fromCoroutine(port.stop(0)))

    def test_stopped_while_it_waits(self) -> None:
        """No timer is left."""
        rig = ChannelRig(
            start=False, outbind_listen="tcp:2776", outbind_password="knock"
        )
        reactor = _Deaf()
        around = evolve(rig.context, reactor=reactor, clock=reactor)
        port = OutbindPort("x", rig.settings, around, rig.channel.deliveries, None)
        port.start()
        self.successResultOf(Deferred.fromCoroutine(port.stop(0)))
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_none_is_wanted(self) -> None:
        """Then there is nothing to wait for."""
        rig = ChannelRig(start=False)
        rig.channel.start(rig.recorder)
        self.assertIsNone(self.successResultOf(rig.channel.listening()))
        rig.stop()


class _Silent:
    """A factory of protocols that say nothing."""

    def buildProtocol(self, addr: object) -> Any:
        from twisted.internet.protocol import Protocol

        return Protocol()
