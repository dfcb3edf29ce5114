"""One outcome of many answers, also when some of them come late."""

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted, Error, Outcome, Refused, Unsure
from gdemoi.sandbox.smsc import Personality
from gdemoi.smpp.prepare import Preparer
from gdemoi.smpp.sendings import Sending
from gdemoi.smpp.settings import SmppSettings
from tests.smpp.house import House

GONE = Refused(error=Error("smpp:0x0B", "invalid destination"))


class SendingTests(SynchronousTestCase):
    def sending(self) -> tuple[Sending, list[Outcome]]:
        """Return a try of three segments, and where its outcome will be."""
        message = House(start=False).message("Внимание! " * 15)
        settings = SmppSettings(host=("h",), system_id="esme")
        prepared = Preparer(settings, lambda: 0.5).prepare(message, 0.0, tlvs=True)
        outcomes: list[Outcome] = []
        sending = Sending(prepared, 1, outcomes.append)
        sending.begin(tlvs=True)
        self.assertEqual(len(sending.todo), 3)
        return sending, outcomes

    def test_a_late_answer_before_the_end_leaves_the_others_counted(self) -> None:
        """With window 1: the second segment waits when the first's answer comes."""
        sending, outcomes = self.sending()
        sending.leaves()
        sending.unsure("no answer in 2 s")
        sending.leaves()
        sending.accepted(0, "1", late=True)
        self.assertEqual(outcomes, [])
        sending.accepted(1, "2")
        sending.leaves()
        sending.accepted(2, "3")
        self.assertEqual(outcomes, [Accepted(provider_ids=("1", "2", "3"), segments=3)])

    def test_a_late_answer_does_not_end_it_early(self) -> None:
        """What still waits for its own answer is waited for."""
        sending, outcomes = self.sending()
        for _ in range(3):
            sending.leaves()
        sending.unsure("no answer in 2 s")
        sending.unsure("no answer in 2 s")
        sending.accepted(0, "1", late=True)
        self.assertEqual(outcomes, [])
        sending.accepted(2, "3")
        (outcome,) = outcomes
        assert isinstance(outcome, Unsure)
        self.assertEqual(outcome.provider_ids, ("1", "3"))

    def test_a_late_refusal_stops_the_rest(self) -> None:
        """The rest is not sent, and the outcome is told once."""
        sending, outcomes = self.sending()
        sending.leaves()
        sending.unsure("no answer in 2 s")
        sending.refused(0, GONE, late=True)
        self.assertEqual(outcomes, [GONE])
        self.assertEqual(sending.todo, [])


class LateTests(SynchronousTestCase):
    def test_late_answers_with_window_one_do_not_stop_the_channel(self) -> None:
        """Each answer takes longer than response_timeout: an outcome, and only one."""
        slow = Personality(password="secret", tracker=False, response_delay_s=3.0)
        house = House(slow, window=1, response_timeout_s=2.0)
        first = house.submit(house.message("Внимание! " * 15))
        second = house.submit(house.message("short"))
        house.advance(20)
        self.assertEqual((len(first), len(second)), (1, 1))
        self.assertLessEqual(len(house.upstairs.lates), 2)
        house.stop()
