"""What a line remembers, and which number belongs to it."""

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.datagrams import Push
from gdemoi.goip.lines import FACTS_LIMIT, TALKS_LIMIT, Affinity, Line
from tests.goip.rig import HOME, line_settings


class AffinityTests(SynchronousTestCase):
    def test_talks_are_bounded(self) -> None:
        """The numbers that were silent longest are forgotten."""
        affinity = Affinity()
        for number in range(TALKS_LIMIT + 10):
            affinity.note(f"+7916{number:07d}", "a")
        self.assertEqual(len(affinity), TALKS_LIMIT)
        self.assertIsNone(affinity.line("+79160000000"))
        self.assertEqual(affinity.line(f"+7916{TALKS_LIMIT:07d}"), "a")

    def test_loaded_talks_do_not_override(self) -> None:
        """What was learned since the start is newer than what was saved."""
        affinity = Affinity()
        affinity.note("+79160000001", "new")
        affinity.load({"160000001": "old", "160000002": "old"})
        self.assertEqual(affinity.line("+79160000001"), "new")
        self.assertEqual(affinity.line("+79160000002"), "old")


class FactsTests(SynchronousTestCase):
    def test_facts_are_bounded(self) -> None:
        """A line cannot make us remember endless facts."""
        line = Line("a", line_settings())
        for start in range(10):
            fields = {f"x{start}{n}": b"v" * 500 for n in range(60)}
            line.keepalive(Push("req", b"1", fields), HOME, 0.0)
        self.assertLessEqual(len(line.facts), FACTS_LIMIT)
        self.assertLessEqual(max(map(len, line.facts.values())), 160)

    def test_missing_values(self) -> None:
        """`(null)` and `<NULL>` are nothing; signal 99 is kept as told."""
        line = Line("a", line_settings())
        fields = {"num": b"(null)", "pro": b"<NULL>", "signal": b"99"}
        line.keepalive(Push("req", b"1", fields), HOME, 0.0)
        self.assertIsNone(line.number)
        self.assertEqual((line.facts["pro"], line.signal), ("", 99))
