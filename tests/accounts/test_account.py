"""An account's rate, its day, and what it sent a moment ago."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.accounts.account import Account, Limit
from gdemoi.accounts.settings import AccountSettings
from gdemoi.journal import Journal

# 2026-11-18T11:06:40Z
NOW = 1_795_000_000.0


class AccountTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.journal = Journal("sqlite://", self.clock, inline=True)
        self.successResultOf(self.journal.open())
        self.addCleanup(lambda: self.successResultOf(self.journal.close()))

    def account(self, **settings: Any) -> Account:
        """Return an account, as a start finds it."""
        found = Account("car", AccountSettings(**settings), self.journal, self.clock)
        self.successResultOf(Deferred.fromCoroutine(found.load()))
        return found

    def test_no_limits(self) -> None:
        """Anything goes."""
        account = self.account()
        self.assertEqual({account.admit(1000) for _ in range(10)}, {None})
        self.assertEqual(account.taken, 10_000)

    def test_rate(self) -> None:
        """A second's worth at once, then as fast as it says, over a long time."""
        account = self.account(rate=10.0)
        found = [account.admit() for _ in range(11)]
        self.assertEqual(found, [None] * 10 + [Limit.RATE])
        taken = 0
        for _ in range(1000):
            self.clock.advance(0.05)
            taken += account.admit() is None
        self.assertEqual(taken, 500)

    def test_slow_rates(self) -> None:
        """One per minute is one per minute."""
        account = self.account(rate=1 / 60)
        self.assertIsNone(account.admit())
        self.clock.advance(59.0)
        self.assertEqual(account.admit(), Limit.RATE)
        self.clock.advance(1.0)
        self.assertIsNone(account.admit())

    def test_many_at_once(self) -> None:
        """More than a second's worth of one request is taken from a full second."""
        account = self.account(rate=5.0)
        self.assertIsNone(account.admit(20))
        self.clock.advance(3.0)
        self.assertEqual(account.admit(), Limit.RATE)
        self.clock.advance(1.2)
        self.assertIsNone(account.admit())

    def test_a_day(self) -> None:
        """Of UTC; all of a request or nothing; known to the next start."""
        account = self.account(daily=5)
        self.assertIsNone(account.admit(3))
        self.assertEqual(account.admit(3), Limit.DAILY)
        self.assertIsNone(account.admit(2))
        again = self.account(daily=5)
        self.assertEqual((again.today, again.admit()), (5, Limit.DAILY))
        self.clock.rightNow = NOW - NOW % 86400 + 86399.0
        self.assertEqual(again.admit(), Limit.DAILY)
        self.clock.advance(1.0)
        self.assertIsNone(again.admit())
        self.assertEqual(again.today, 1)

    def test_a_month_of_its_time_zone(self) -> None:
        """Days and months turn by the clock of the account; the least is left."""
        moscow = ZoneInfo("Europe/Moscow")
        given = {"timezone": moscow, "month_starts": 20, "monthly": 4, "daily": 3}
        account = self.account(**given)
        self.assertEqual((account.admit(3), account.left), (None, 0))
        # 2026-11-19T00:00 in Moscow
        self.clock.rightNow = NOW - NOW % 86400 + 75_600.0
        again = self.account(**given)
        self.assertEqual((again.today, again.month, again.left), (0, 3, 1))
        self.assertEqual(again.admit(2), Limit.MONTHLY)
        self.assertIsNone(again.admit(1))
        again.returned(1)
        self.assertEqual((again.today, again.month), (0, 3))
        self.clock.advance(86_400.0)
        self.assertEqual(again.left, 3)

    def test_the_count_of_an_older_version(self) -> None:
        """It wrote the day as its number since 1970."""
        self.successResultOf(self.journal.set_cursor("account:car", "20775 4"))
        self.assertEqual(self.account(daily=5).today, 4)

    def test_what_was_not_taken_is_given_back(self) -> None:
        """It counts neither for the day nor in the figures."""
        account = self.account(daily=5)
        account.admit(3)
        account.returned(2)
        self.assertEqual((account.today, account.taken), (1, 1))

    def test_repeats(self) -> None:
        """Within `dedup_window` the first id, then no more."""
        account = self.account(dedup_window_s=10.0)
        account.remember(b"x", "1")
        self.assertEqual(account.first_of(b"x"), "1")
        self.assertIsNone(account.first_of(b"y"))
        self.clock.advance(10.0)
        self.assertIsNone(account.first_of(b"x"))

    def test_figures(self) -> None:
        """As an operator sees them."""
        account = self.account(daily=5, rate=2.0)
        account.admit(2)
        account.admit(1)
        self.assertEqual(
            account.describe(),
            {
                "name": "car",
                "taken": 2,
                "today": 2,
                "daily": 5,
                "month": None,
                "monthly": None,
                "rate": 2.0,
                "refused": {"rate": 1},
            },
        )
