from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault
from gdemoi.interfaces import IHalting
from gdemoi.message import Accepted, MessageState, Refused, Uncertain
from gdemoi.sandbox.smsc import SmscPersonality
from tests.smpp.rig import ChannelRig


class ChannelTests(SynchronousTestCase):
    def test_a_message_is_accepted_and_its_receipt_goes_up(self) -> None:
        """Submit, response, receipt, deliver_sm_resp: the main road."""
        rig = ChannelRig()
        self.assertEqual(rig.recorder.changes, [("up", "")])
        outcomes = rig.submit(rig.message("Alarm @ 12:30"))
        self.assertEqual(outcomes, [Accepted(provider_ids=("1001",))])
        self.assertEqual(rig.smsc.taken[0].text, "Alarm @ 12:30")
        rig.advance(1)
        (receipt,) = rig.recorder.receipts
        self.assertEqual(receipt.provider_id, "1001")
        self.assertEqual(receipt.state, MessageState.DELIVERED)
        self.assertEqual(receipt.about, "79161234567")
        self.assertEqual([status for _, status in rig.smsc.answered], [0])
        rig.stop()

    def test_a_long_message_is_one_outcome(self) -> None:
        """Three segments, three ids, one Accepted."""
        rig = ChannelRig()
        outcomes = rig.submit(rig.message("Внимание! " * 15))
        self.assertEqual(
            outcomes,
            [Accepted(provider_ids=("1001", "1002", "1003"), segments=3)],
        )
        rig.stop()

    def test_an_sms_from_a_phone_goes_up_before_it_is_answered(self) -> None:
        """deliver_sm_resp comes after the commit, and not before."""
        rig = ChannelRig()
        rig.recorder.writes = []
        rig.smsc.send_mo("esme", "+79161234567", "+34600000000", "  OK ёж ")
        rig.turn()
        (inbound,) = rig.recorder.inbounds
        self.assertEqual(inbound.text, "  OK ёж ")
        self.assertEqual((inbound.from_, inbound.to), ("+79161234567", "+34600000000"))
        self.assertEqual(rig.smsc.answered, [])
        rig.recorder.writes[0].callback(None)
        rig.turn()
        self.assertEqual([status for _, status in rig.smsc.answered], [0])
        rig.stop()

    def test_a_refused_message_is_refused(self) -> None:
        """The number of the command_status is in the error's code."""
        rig = ChannelRig(
            SmscPersonality(password="secret", refuse=_refuse("7999*:0x0B"))
        )
        (outcome,) = rig.submit(rig.message(to="+79990000000"))
        assert isinstance(outcome, Refused)
        self.assertEqual(outcome.error.code, "smpp:0x0B")
        self.assertFalse(outcome.error.retryable)
        rig.stop()

    def test_silence_is_unsure(self) -> None:
        """No answer in response_timeout: it may have gone out."""
        rig = ChannelRig(
            SmscPersonality(password="secret", silent=1), response_timeout_s=30.0
        )
        outcomes = rig.submit(rig.message())
        rig.advance(29)
        self.assertEqual(outcomes, [])
        rig.advance(2)
        (outcome,) = outcomes
        self.assertIsInstance(outcome, Uncertain)
        rig.stop()

    def test_what_the_smsc_never_answers_is_told_to_be_unanswered(self) -> None:
        """In time, or in all of a session; not what a good session's end cut off."""
        never = SmscPersonality(password="secret", silent=1)
        second = SmscPersonality(password="secret", silent=2)
        for how, texts, cut, unanswered in (
            (never, ["a", "b"], False, [True, True]),
            (never, ["a", "b"], True, [True, True]),
            (second, ["a", "b"], True, [False]),
            (second, ["a", "b"], False, [True]),
            # of two segments the first is answered
            (second, ["x" * 200], False, [False]),
        ):
            rig = ChannelRig(how, response_timeout_s=5.0)
            outcomes = [rig.submit(rig.message(text)) for text in texts]
            rig.advance(1)
            if cut:
                rig.server.transport.abortConnection()
            rig.advance(5)
            found = [one[0] for one in outcomes if isinstance(one[0], Uncertain)]
            self.assertEqual([one.unanswered for one in found], unanswered)
            rig.stop()

    def test_commands_of_an_operator(self) -> None:
        """A pause is cut short."""
        rig = ChannelRig()
        for line, verb in (("receiver", "hurry"), ("-", "reboot")):
            failure = self.failureResultOf(rig.channel.command(line, verb, []))
            self.assertIsNotNone(failure.check(OurFault))
        answer = rig.net.listening.pop(("smsc.example", 2775))
        rig.server.transport.abortConnection()
        rig.advance(40)
        rig.net.listening["smsc.example", 2775] = answer
        hurried = rig.channel.command("-", "hurry", [])
        self.assertEqual(self.successResultOf(hurried), "connecting")
        rig.turn()
        self.assertIsNone(rig.channel.unable())
        rig.stop()

    def test_someone_who_acted_need_not_wait(self) -> None:
        """`resume` of the channel connects at once, also after a wrong password."""
        rig = ChannelRig()
        answer = rig.net.listening.pop(("smsc.example", 2775))
        rig.server.transport.abortConnection()
        rig.advance(40)
        rig.net.listening["smsc.example", 2775] = answer
        IHalting(rig.channel).end_halt()
        rig.turn()
        self.assertIsNone(rig.channel.unable())
        rig.stop()


def _refuse(words: str) -> tuple:
    from gdemoi.sandbox.smsc_personality import read_personality

    return read_personality(f"refuse={words}").refuse
