"""The ways that trackers know, as the journal keeps them."""

from __future__ import annotations

from gdemoi.contract.sticky import Basis, KnownWay
from gdemoi.message import MessageClass, Sticky, Turn
from tests.journal.builders import JournalTestCase, acceptance, attempting, taken

NUMBER = "+79161234567"
SET = KnownWay("mts", None, "MINE", Basis.SET, 1.0)


class WayTests(JournalTestCase):
    def test_in_the_commit_of_the_outcome(self) -> None:
        """Of those that ask for it only; the newest row is read at the start."""
        turn = Turn(sticky=Sticky.PREFER)
        for name, way in (("c1", None), ("c2", turn)):
            self.accept(
                acceptance(name, class_=MessageClass.COMMAND, to=NUMBER, turn=way)
            )
            self.note(attempting(name), taken(f"p-{name}", name=name))
            known = self.journal.known_way(None, NUMBER)
            self.assertEqual(known is not None, way is not None)
        assert known is not None
        self.assertEqual((known.channel, known.basis), ("mts", Basis.SUBMITTED))

    def test_set_and_forgotten(self) -> None:
        """Both stay so over a restart, for one account only."""
        self.did(self.journal.set_way("fleet", NUMBER, SET))
        for after, way in ((SET, SET), (None, None)):
            self.did(self.journal.set_way("fleet", NUMBER, after))
            self.journal._ways = type(self.journal._ways)()
            self.did(self.journal.read_others())
            self.assertEqual(self.journal.known_way("fleet", NUMBER), way)
            self.assertIsNone(self.journal.known_way(None, NUMBER))
