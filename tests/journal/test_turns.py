"""Which commands others wait for, as the journal writes it down."""

from __future__ import annotations

from gdemoi.facts import AttemptStarted, Cancelled, Holding, Permission
from gdemoi.journal.turns import HOLDS
from gdemoi.message import CommandPace, MessageClass, Turn
from tests.journal.builders import (
    NOW,
    JournalTestCase,
    acceptance,
    attempting,
    taken,
)

COMMAND = MessageClass.COMMAND


class TurnTests(JournalTestCase):
    def command(self, id_: str, **fields):
        return acceptance(id_, class_=COMMAND, **fields)

    def holding(self) -> list[tuple[str, float | None, bool]]:
        found = self.did(self.journal.holding())
        return [(one.id, one.until, one.begun) for one in found]

    def test_from_the_acceptance_to_the_release(self) -> None:
        """It is told once, after the commit; notifications have no row."""
        told: list[Holding] = []
        self.journal.on_turns(told.extend)
        self.accept(self.command("c1"), self.command("c2"), acceptance("n1"))
        self.assertEqual(self.holding(), [("c1", HOLDS, False), ("c2", HOLDS, False)])
        self.note(attempting("c2"))
        # what has begun goes before what has not
        self.assertEqual(self.holding(), [("c2", HOLDS, True), ("c1", HOLDS, False)])
        self.assertEqual(told, [])
        self.note(taken("p2", name="c2"))
        self.assertEqual([(one.id, one.until) for one in told], [("c2", None)])
        self.assertEqual(self.holding(), [("c1", HOLDS, False)])
        self.note(Cancelled("c1", NOW + 1))
        self.assertEqual([(one.id, one.until) for one in told[1:]], [("c1", None)])
        self.assertEqual(self.holding(), [])

    def test_times_are_written_down(self) -> None:
        """A gap is a time in the row; a sweep deletes it when that is over."""
        self.accept(self.command("c1", turn=Turn(gap_s=30.0)))
        self.note(attempting("c1"))
        self.note(taken("p1", name="c1"))
        ((id_, until, begun),) = self.holding()
        assert until is not None
        self.assertEqual((id_, begun), ("c1", True))
        self.did(self.journal.sweep(until - 1))
        self.assertEqual(len(self.holding()), 1)
        self.did(self.journal.sweep(until + 1))
        self.assertEqual(self.holding(), [])

    def test_pace_none(self) -> None:
        """It has no row."""
        self.accept(self.command("c1", turn=Turn(pace=CommandPace.NONE)))
        self.assertEqual(self.holding(), [])


def permission(journal, fact: AttemptStarted) -> list[Permission]:
    found: list[Permission] = []
    journal.begin(fact, found.append, found.append)
    return found
