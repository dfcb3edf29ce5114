"""What is set for single trackers, in both journals."""

from __future__ import annotations

from gdemoi.contract.trackers import TrackerSetting
from tests.journal.builders import NOW, JournalTestCase

UMKA = TrackerSetting("umka", True, NOW)
NONE = TrackerSetting(None, None, NOW)


class TrackerTests(JournalTestCase):
    def test_it_is_kept(self) -> None:
        """After a restart it is as it was set last."""
        self.did(self.journal.set_tracker("+1", TrackerSetting("gt06")))
        self.did(self.journal.set_tracker("+1", UMKA))
        self.did(self.journal.set_tracker("+2", NONE))
        self.did(self.journal.set_tracker("+3", UMKA))
        self.did(self.journal.set_tracker("+3", None))
        for _ in range(2):
            self.assertEqual(self.journal.tracker("+1"), UMKA)
            self.assertEqual(self.journal.tracker("+2"), NONE)
            self.assertIsNone(self.journal.tracker("+3"))
            self.assertIsNone(self.journal.tracker("+4"))
            page = self.did(self.journal.trackers(9))
            self.assertEqual(page, ([("+1", UMKA), ("+2", NONE)], None))
            if self.journal._database.in_memory:
                break
            self.did(self.journal.close())
            self.journal = self.opened()

    def test_pages(self) -> None:
        """By number, each once."""
        for n in range(5):
            self.did(self.journal.set_tracker(f"+{n}", UMKA))
        first, cursor = self.did(self.journal.trackers(2))
        second, cursor = self.did(self.journal.trackers(2, cursor))
        third, end = self.did(self.journal.trackers(2, cursor))
        numbers = [number for number, _ in (*first, *second, *third)]
        self.assertEqual(numbers, [f"+{n}" for n in range(5)])
        self.assertIsNone(end)

    def test_set_again_after_it_was_taken_away(self) -> None:
        """The row that stays behind is used again."""
        for setting in (UMKA, None, NONE):
            self.did(self.journal.set_tracker("+1", setting))
            self.assertEqual(self.journal.tracker("+1"), setting)
