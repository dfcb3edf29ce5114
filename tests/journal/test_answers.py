"""Answers to commands, as the journal finds and keeps them."""

from __future__ import annotations

import json

from gdemoi.message import CommandPace, Inbound, MessageClass, Turn
from tests.journal.builders import (
    NOW,
    JournalTestCase,
    acceptance,
    attempting,
    taken,
)

NUMBER = "+79161234567"


class AnswerTests(JournalTestCase):
    def left(self, name: str, **fields) -> None:
        """Let a command leave."""
        fields = {"class_": MessageClass.COMMAND, "to": NUMBER, **fields}
        self.accept(acceptance(name, **fields))
        self.note(attempting(name), taken(f"p-{name}", name=name))

    def comes(self, text: str) -> dict:
        """Let an SMS come; return its event."""
        sms = Inbound(channel="mts", from_=NUMBER, to="7", text=text, received_at=NOW)
        self.did(self.journal.inbound(sms))
        events = self.did(self.journal.events(0, 1000))
        return json.loads(events[-1].body)

    def test_the_newest_one_that_waits(self) -> None:
        """Notifications to the number, and what was answered, are passed over."""
        self.left("n1", class_=MessageClass.NOTIFICATION)
        self.left("c1")
        self.assertEqual(self.comes("one")["reply_to"], "c1")
        self.left("c2")
        self.left("n2", class_=MessageClass.NOTIFICATION)
        self.assertEqual(self.comes("two")["reply_to"], "c2")
        self.assertIsNone(self.comes("three")["reply_to"])
        told = self.did(self.journal.story("c2"))["answers"]
        self.assertEqual([one["text"] for one in told], ["two"])

    def test_none_is_told_by_a_sweep(self) -> None:
        """Once, and the row that others waited for is gone."""
        self.left("c1", turn=Turn(pace=CommandPace.ANSWERED, answer_within_s=60.0))
        (held,) = self.did(self.journal.holding())
        assert held.until is not None
        for _ in range(2):
            self.did(self.journal.sweep(held.until + 1))
        told = self.did(self.journal.story("c1"))["answers"]
        self.assertEqual([one["state"] for one in told], ["none"])
        self.assertEqual(self.did(self.journal.holding()), [])
