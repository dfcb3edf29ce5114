"""The journal with its real threads: group commit, draining, back-off."""

from __future__ import annotations

import os
import sqlite3
import threading

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.trial.unittest import TestCase

from gdemoi.errors import ConfigurationError, Unavailable
from gdemoi.facts import Stored
from gdemoi.journal import Journal, threads
from tests.journal.lives import acceptance, receipt, taken


class ThreadTests(TestCase):
    async def setUp(self) -> None:
        """Open a journal on a file."""
        self.url = f"sqlite:///{os.path.abspath(self.mktemp())}"
        self.journal = Journal(self.url, reactor)
        await self.journal.open()

    async def tearDown(self) -> None:
        """Close it."""
        await self.journal.close()

    def stall(self) -> threading.Event:
        """Let the next commit wait until the returned event is set."""
        go, database = threading.Event(), self.journal._transaction.database
        commit = database.commit

        def wait() -> None:
            go.wait(30)
            database.commit = commit
            commit()

        database.commit = wait
        return go

    async def test_what_arrives_during_a_commit_shares_the_next(self) -> None:
        """A hundred messages, two commits; told on the reactor thread."""
        before = self.journal.commits
        go = self.stall()
        first = self.journal.accept([acceptance("m0", attempting=True)])
        rest = [
            self.journal.accept([acceptance(f"m{n}", attempting=True)])
            for n in range(1, 100)
        ]
        threads = []
        rest[-1].addCallback(
            lambda verdicts: threads.append(threading.current_thread()) or verdicts
        )
        go.set()
        self.assertEqual(await first, [Stored()])
        self.assertEqual(await gatherResults(rest), [[Stored()]] * 99)
        self.assertLessEqual(self.journal.commits - before, 3)
        self.assertEqual(threads, [threading.current_thread()])

    async def test_a_whole_life(self) -> None:
        """Facts of one message keep their order without being awaited."""
        answers = [
            self.journal.accept([acceptance(attempting=True)]),
            self.journal.note(taken("a1")),
            self.journal.receipt(receipt("a1")),
        ]
        await gatherResults(answers)
        events = await self.journal.events(0, 10)
        self.assertEqual(
            [event.routing_key for event in events],
            ["status.accepted.mts", "status.submitted.mts", "status.delivered.mts"],
        )

    async def test_close_finishes_what_was_taken(self) -> None:
        """Draining: every Deferred fires before close does, and it is on disk."""
        answers = [self.journal.accept([acceptance(f"m{n}")]) for n in range(50)]
        await self.journal.close()
        self.assertTrue(all(answer.called for answer in answers))
        self.journal = Journal(self.url, reactor)
        await self.journal.open()
        self.assertEqual(self.journal.backlog(), {"mts": 50})

    async def test_reading_does_not_wait_for_writing(self) -> None:
        """A search is answered while a commit hangs."""
        await self.journal.accept([acceptance("m0")])
        go = self.stall()
        hanging = self.journal.accept([acceptance("m1")])
        rows, _ = await self.journal.search({}, 10)
        self.assertEqual([row["id"] for row in rows], ["m0"])
        self.assertFalse(hanging.called)
        go.set()
        await hanging

    async def test_too_much_waiting_is_turned_away(self) -> None:
        """The queue before a slow disk is bounded."""
        self.patch(threads, "WAITING_LIMIT", 10)
        go = self.stall()
        answers = [self.journal.accept([acceptance(f"m{n}")]) for n in range(30)]
        refused = [answer for answer in answers if answer.called]
        self.assertGreaterEqual(len(refused), 19)
        for answer in refused:
            self.failureResultOf(answer, Unavailable)
        go.set()
        await gatherResults([answer for answer in answers if answer not in refused])

    async def test_goes_on_after_a_failed_commit(self) -> None:
        """The batch hears Unavailable, the next one is written."""
        database = self.journal._transaction.database

        def full() -> None:
            del database.commit
            raise sqlite3.OperationalError("disk I/O error")

        database.commit = full
        answer = self.journal.accept([acceptance("m0")])
        await self.assertFailure(answer, Unavailable)
        self.assertEqual(await self.journal.accept([acceptance("m0")]), [Stored()])
        self.flushLoggedErrors()

    async def test_closing_what_never_opened(self) -> None:
        """A gateway that fails to start can still stop."""
        other = Journal("sqlite:////no/such/folder/journal.sqlite", reactor)
        await self.assertFailure(other.open(), ConfigurationError)
        await other.close()

    async def test_another_process_that_locks_the_file(self) -> None:
        """A stranger's write lock is waited out, not an error."""
        stranger = sqlite3.connect(
            self.url.removeprefix("sqlite:///"),
            isolation_level=None,
            check_same_thread=False,
        )
        stranger.execute("BEGIN IMMEDIATE")
        answer = self.journal.accept([acceptance("m0")])
        timer = threading.Timer(0.05, stranger.execute, ("ROLLBACK",))
        timer.start()
        self.assertEqual(await answer, [Stored()])
        timer.join()
        stranger.close()
