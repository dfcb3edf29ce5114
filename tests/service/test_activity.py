"""What each channel did lately."""

from __future__ import annotations

from collections import Counter

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.journal import Journal
from gdemoi.message import MessageState as State
from gdemoi.service.activity import Activity, ActivityWatch

NOW = 1_795_000_020.0


def day(at: float) -> str:
    return str(int(at // 86400))


class ActivityTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.activity = Activity(NOW, day)
        self.states: Counter[tuple[str | None, State]] = Counter()

    def count(self, at: float, **counts: int) -> None:
        for word, count in counts.items():
            self.states["a", State(word)] += count
        self.activity.look(at, self.states)

    def test_each_step_counts_once(self) -> None:
        """However often the figures are looked at."""
        self.count(NOW, submitted=3, delivered=1)
        self.count(NOW + 1)
        self.count(NOW + 2, undelivered=1, expired=1, rejected=1, uncertain=1)
        told = self.activity.of("a", NOW + 2)
        self.assertEqual(
            told["today"], {"sent": 3, "delivered": 1, "failed": 3, "uncertain": 1}
        )
        self.assertEqual(told["rate_now"], 0.05)

    def test_the_hour_is_sixty_minutes(self) -> None:
        """The last count is that of the minute that runs; old ones go."""
        self.count(NOW, submitted=2)
        self.count(NOW + 60, submitted=5)
        hour = self.activity.of("a", NOW + 60)["hour"]["sent"]
        self.assertEqual((len(hour), hour[-2:]), (60, [2, 5]))
        self.count(NOW + 3599 + 60)
        hour = self.activity.of("a", NOW + 3600)["hour"]["sent"]
        self.assertEqual(hour, [5] + [0] * 59)

    def test_the_rate_is_of_the_last_minute(self) -> None:
        """What left earlier is not now."""
        self.count(NOW, submitted=60)
        self.assertEqual(self.activity.of("a", NOW)["rate_now"], 1.0)
        self.count(NOW + 60)
        self.assertEqual(self.activity.of("a", NOW + 60)["rate_now"], 0.0)

    def test_a_day_begins_at_midnight(self) -> None:
        """And what was counted on the day before is not today's."""
        self.count(NOW, submitted=2)
        midnight = (NOW // 86400 + 1) * 86400
        self.count(midnight, submitted=1)
        self.assertEqual(self.activity.of("a", midnight)["today"]["sent"], 1)
        self.assertEqual(self.activity.since, midnight)

    def test_a_restart_keeps_the_day(self) -> None:
        """What was saved today goes on; what was saved yesterday does not."""
        self.count(NOW, submitted=2)
        saved = self.activity.saved()
        again = Activity(NOW + 9, day)
        again.restore(saved, NOW + 9)
        again.look(NOW + 10, Counter({("a", State.SUBMITTED): 1}))
        self.assertEqual(again.of("a", NOW + 10)["today"]["sent"], 3)
        self.assertEqual(again.since, NOW)
        later = Activity(NOW + 86400, day)
        later.restore(saved, NOW + 86400)
        self.assertEqual(later.of("a", NOW + 86400)["today"]["sent"], 0)

    def test_unknown_channels_did_nothing(self) -> None:
        """A channel that is new has a story of zeros."""
        told = self.activity.of("new", NOW)
        self.assertEqual(set(told["hour"]["sent"]), {0})


class WatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.journal = Journal("sqlite://", self.clock, inline=True)
        self.successResultOf(self.journal.open())
        self.addCleanup(lambda: self.successResultOf(self.journal.close()))

    def begun(self) -> ActivityWatch:
        watch = ActivityWatch(self.journal, self.clock)
        self.successResultOf(Deferred.fromCoroutine(watch.start()))
        return watch

    def test_the_day_is_remembered_in_the_journal(self) -> None:
        """A gateway that ends and starts again goes on with the day's counts."""
        first = self.begun()
        self.journal.figures().states["a", State.SUBMITTED] = 4
        self.clock.pump([10.0] * 7)
        first.stop()
        self.journal.figures().states.clear()
        second = self.begun()
        told = second.activity.of("a", self.clock.seconds())
        self.assertEqual(told["today"]["sent"], 4)
        second.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_broken_note_begins_anew(self) -> None:
        """What somebody else wrote there stops no gateway."""
        self.successResultOf(self.journal.set_cursor("today", "{"))
        self.begun().stop()
