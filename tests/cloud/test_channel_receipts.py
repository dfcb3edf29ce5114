"""Hints about sends whose answer was lost, and how far they are believed."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.settings import CloudSettings
from gdemoi.message import Accepted, MessageState, Uncertain
from gdemoi.sandbox.clouds import Clouds
from tests.cloud.net import CLOUDS, ChannelRig, Net, clouds, message, textlocal, tyntec


class LostAnswerTests(SynchronousTestCase):
    def begin(self, settings: CloudSettings, *behaviour: str) -> Clouds:
        net = Net()
        sandbox = clouds(net, behaviour=behaviour)
        self.rig = ChannelRig(settings, net=net).start()
        self.net = net
        return sandbox

    def states(self) -> list[tuple[MessageState, bool]]:
        return [(one.state, one.verified) for one in self.rig.recorder.receipts]

    def questions(self, sandbox: Clouds) -> int:
        return sum("message" in asked.path for asked in sandbox.requests)

    def test_a_receipt_brings_the_id_that_was_lost(self) -> None:
        """Tyntec names its id and our reference: it is asked, and its word counts."""
        sandbox = self.begin(tyntec(base_url=CLOUDS), "lost")
        outcome = self.rig.submit(message())
        self.assertIsInstance(outcome, Uncertain)
        self.net.advance(5)
        self.assertEqual(self.states()[-1], (MessageState.DELIVERED, True))
        self.assertEqual(self.rig.recorder.receipts[-1].message_id, "g1")
        self.assertEqual(self.questions(sandbox), 2)

    def test_a_receipt_that_was_quicker_than_the_loss(self) -> None:
        """It is kept while the answer may still come, and used when none does."""
        sandbox = self.begin(tyntec(base_url=CLOUDS, timeout_s=10.0), "slow")
        self.assertIsNone(self.rig.submit(message(), 9))
        self.assertEqual((self.states(), self.questions(sandbox)), ([], 0))
        self.net.advance(2)
        self.assertEqual(self.states()[-1], (MessageState.DELIVERED, True))

    def test_without_an_id_the_receipt_is_all_there_is(self) -> None:
        """Textlocal names our reference only: it is believed, as not verified."""
        sandbox = self.begin(textlocal(base_url=CLOUDS), "lost")
        self.assertIsInstance(self.rig.submit(message()), Uncertain)
        self.net.advance(5)
        self.assertEqual(self.states()[-1], (MessageState.DELIVERED, False))
        self.assertEqual(self.questions(sandbox), 0)

    def test_without_an_id_and_quicker_than_the_loss(self) -> None:
        """On its way while the answer may come; then as the receipt says."""
        self.begin(textlocal(base_url=CLOUDS, timeout_s=10.0), "slow")
        self.assertIsNone(self.rig.submit(message(), 9))
        self.assertEqual({state for state, _ in self.states()}, {MessageState.ENROUTE})
        self.net.advance(2)
        self.assertEqual(self.states()[-1], (MessageState.DELIVERED, False))

    def test_an_answer_says_more_than_a_hint(self) -> None:
        """Receipt first, then the answer: the question is asked, the hint unused."""
        sandbox = self.begin(textlocal(base_url=CLOUDS), "early")
        outcome: Any = self.rig.submit(message(), 6)
        self.assertIsInstance(outcome, Accepted)
        self.assertEqual(self.states()[-1], (MessageState.DELIVERED, True))
        self.assertEqual(self.questions(sandbox), 1)

    def test_the_journal_is_away_when_the_answer_is_lost(self) -> None:
        """The outcome is told all the same; the provider's next word is taken."""
        self.begin(textlocal(base_url=CLOUDS, timeout_s=10.0), "slow")
        self.assertIsNone(self.rig.submit(message(), 9))
        self.rig.recorder.down = True
        self.net.advance(2)
        counts = self.rig.channel.describe()["counts"]
        self.assertEqual(counts["receipt put off"], 1)
        self.assertEqual(self.rig.channel.describe()["in_flight"], 0)

    def restarted(self, settings: CloudSettings, seconds: float) -> Clouds:
        """Send, lose the answer, and start anew; the receipt comes to the new one."""
        sandbox = self.begin(settings, "lost")
        self.rig.submit(message())
        self.rig = ChannelRig(settings, net=self.net).start()
        self.net.advance(seconds)
        return sandbox

    def ask(self) -> None:
        asked = self.rig.channel.ask(message(), ())
        self.net.settle()
        self.assertIsNone(self.successResultOf(asked))

    def test_after_a_restart_the_receipt_is_kept_for_the_question(self) -> None:
        """It came before anyone asked what became of the message."""
        sandbox = self.restarted(tyntec(base_url=CLOUDS), 5)
        self.assertEqual((self.states(), self.questions(sandbox)), ([], 0))
        self.ask()
        self.assertEqual(self.states()[-1], (MessageState.DELIVERED, True))

    def test_after_a_restart_the_question_waits_for_the_receipt(self) -> None:
        """It came after, and is believed as far as it would have been before."""
        self.restarted(textlocal(base_url=CLOUDS), 0)
        self.ask()
        self.net.advance(5)
        self.assertEqual(self.states()[-1], (MessageState.DELIVERED, False))
