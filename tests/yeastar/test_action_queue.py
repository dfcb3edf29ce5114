"""One action at a time, and answers that count only for it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.yeastar.action_queue import Action, ActionPurpose, ActionQueue, sms_command
from gdemoi.yeastar.ami import AmiBlock


def answer(action_id: str | None) -> AmiBlock:
    """Return a response with that ActionID."""
    headers = {"response": b"Success"}
    if action_id is not None:
        headers["actionid"] = action_id.encode()
    return AmiBlock(headers)


class DialogueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.dialogue = ActionQueue()
        self.dialogue.ask(
            sms_command(ActionPurpose.SPANS, "gsm show spans", 10.0),
            Action(ActionPurpose.PING, "Ping", (), 5.0),
        )

    def test_one_at_a_time(self) -> None:
        """The second is written when the first was answered."""
        first = self.dialogue.pump(100.0)
        assert first is not None
        self.assertIsNone(self.dialogue.pump(100.0))
        self.assertEqual(self.dialogue.deadline, 110.0)
        self.assertEqual(
            self.dialogue.outbox(),
            b"Action: smscommand\r\nActionID: 1\r\ncommand: gsm show spans\r\n\r\n",
        )
        self.assertIs(self.dialogue.answered(answer("1"), 101.0), first)
        self.assertIsNotNone(self.dialogue.pump(102.0))
        self.assertEqual(self.dialogue.deadline, 107.0)
        self.assertFalse(self.dialogue.idle)
        self.dialogue.answered(answer(None), 103.0)
        self.assertTrue(self.dialogue.idle)
        self.assertEqual(self.dialogue.answered_at, 103.0)

    def test_other_answers(self) -> None:
        """Another's id, or an answer when nothing was asked, answers nothing."""
        self.assertIsNone(self.dialogue.answered(answer(None), 100.0))
        self.dialogue.pump(100.0)
        self.assertIsNone(self.dialogue.answered(answer("2"), 101.0))
        self.assertIsNotNone(self.dialogue.answered(answer(" 1"), 101.0))
