"""The journal on a file: what survives, what is guarded, what may fail."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
from twisted.internet.task import Clock

from gdemoi.errors import ConfigurationError, Unavailable
from gdemoi.facts import Cancelled, Final, Stored, Wait
from gdemoi.journal import Journal
from gdemoi.message import MessageState
from tests.journal.builders import (
    BUSY,
    NOW,
    JournalTestCase,
    acceptance,
    attempting,
    held,
    inbound,
    receipt,
    refused,
    taken,
    unsure,
)

DAY = 86_400.0


class FileTestCase(JournalTestCase):
    """The same on a file, where reading has a connection of its own."""

    def setUp(self) -> None:
        """Choose a fresh file."""
        self.path = os.path.join(self.mktemp() + ".sqlite")
        self.url = f"sqlite:///{os.path.abspath(self.path)}"
        super().setUp()

    def again(self, **settings) -> None:
        """Close and open it once more."""
        self.did(self.journal.close())
        self.journal = self.opened(**settings)


class FileTests(FileTestCase):
    def test_everything_is_there_again(self) -> None:
        """Backlog, open attempts, events, cursors and counts survive."""
        self.accept(acceptance("waits"), acceptance("open", attempting=True))
        self.did(self.journal.set_cursor("amqp", "1"))
        before = self.did(self.journal.events(0, 10))
        self.again()
        self.assertEqual(self.journal.backlog(), {"mts": 1})
        [interrupted] = self.did(self.journal.interrupted())
        self.assertEqual(
            (interrupted.message.id, interrupted.channel, interrupted.attempt),
            ("open", "mts", 1),
        )
        self.assertEqual(self.did(self.journal.events(0, 10)), before)
        self.assertEqual(self.did(self.journal.cursor("amqp")), "1")
        self.assertEqual(self.did(self.journal.counts()), {"accepted": 2})
        self.note(unsure(held(), name="open"))
        [held_one] = self.did(self.journal.interrupted())
        self.assertTrue(held_one.held)
        self.sweep(NOW + DAY)
        self.assertEqual(self.did(self.journal.interrupted()), [])

    def test_numbers_go_on_after_everything_was_forgotten(self) -> None:
        """A publisher's cursor never meets an old number again."""
        self.accept(acceptance("a", None, following=Final(MessageState.REJECTED)))
        self.sweep(NOW + 40 * DAY)
        self.again()
        self.assertEqual(self.did(self.journal.events(0, 10)), [])
        self.accept(acceptance("b"))
        [event] = self.did(self.journal.events(0, 10))
        self.assertEqual(event.seq, 2)

    def test_events_wait_for_their_publishers(self) -> None:
        """An event that a publisher has not passed is kept, however old."""
        self.again(keep_for=("amqp", "webhook"))
        self.accept(acceptance("a"))
        self.accept(acceptance("b"))
        self.accept(acceptance("c"))
        self.sweep(NOW + 31 * DAY)
        self.did(self.journal.set_cursor("amqp", "2"))
        self.did(self.journal.set_cursor("webhook", "1"))
        self.sweep(NOW + 31 * DAY)
        self.again()
        seqs = [event.seq for event in self.did(self.journal.events(0, 10))]
        self.assertEqual(seqs[0], 2)

    def test_second_gateway_is_told(self) -> None:
        """Two processes on one file would both send."""
        other = Journal(self.url, Clock(), inline=True)
        failure = self.failureResultOf(other.open(), ConfigurationError)
        self.assertIn("another gateway has this journal open", str(failure.value))
        self.assertIn(f"(process {os.getpid()})", str(failure.value))
        self.did(self.journal.close())
        self.opened()

    def test_nobody_else_may_read_it(self) -> None:
        """Commands hold passwords of trackers."""
        self.accept(acceptance())
        for end in ("", "-wal"):
            self.assertEqual(os.stat(self.path + end).st_mode & 0o777, 0o600)

    def test_a_journal_of_the_future_is_refused(self) -> None:
        """A downgrade does not touch tables that it does not know."""
        self.did(self.journal.close())
        with sqlite3.connect(self.path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        other = Journal(self.url, Clock(), inline=True)
        failure = self.failureResultOf(other.open(), ConfigurationError)
        self.assertIn("newer gdemoi", str(failure.value))

    def test_closed_journal_takes_nothing(self) -> None:
        """After close everything fails at once."""
        self.did(self.journal.close())
        self.failureResultOf(self.journal.accept([acceptance()]), Unavailable)

    def test_a_small_memory_changes_nothing(self) -> None:
        """Records that fell out of memory are read again."""
        self.again(cached=1)
        self.accept(*(acceptance(f"m{n}", attempting=True) for n in range(5)))
        for n in range(5):
            self.note(taken(f"a{n}", name=f"m{n}"))
        for n in range(5):
            self.assertEqual(self.receive(receipt(f"a{n}")).message_id, f"m{n}")
        self.assertEqual(self.did(self.journal.counts()), {"delivered": 5})

    def test_search(self) -> None:
        """By number, sender, state, channel and time, in pages."""
        self.accept(
            acceptance("a", to="+111", from_="one"),
            acceptance("b", "beeline", to="+222"),
            acceptance("c", to="+111", accepted_at=NOW + 50),
        )
        self.note(Cancelled("a", NOW))

        def found(**filters) -> list[str]:
            rows, _ = self.did(self.journal.search(filters, 10))
            return [row["id"] for row in rows]

        self.assertEqual(found(), ["c", "b", "a"])
        self.assertEqual(found(to="+111"), ["c", "a"])
        self.assertEqual(found(**{"from": "one"}), ["a"])
        self.assertEqual(found(state="cancelled"), ["a"])
        self.assertEqual(found(channel="beeline"), ["b"])
        self.assertEqual(found(since=NOW + 1), ["c"])
        self.assertEqual(found(until=NOW + 1), ["b", "a"])
        first, cursor = self.did(self.journal.search({}, 2))
        rest, end = self.did(self.journal.search({}, 2, cursor))
        self.assertEqual([row["id"] for row in [*first, *rest]], ["c", "b", "a"])
        self.assertIsNone(end)
        self.failureResultOf(self.journal.search({"colour": 1}, 2), ValueError)
        for foreign in ("x", "-1", "9" * 19, "²"):
            self.failureResultOf(self.journal.search({}, 2, foreign), ValueError)

    def test_story(self) -> None:
        """Message, events, attempts, ids and receipts, ready for JSON."""
        self.accept(acceptance(attempting=True))
        self.note(
            refused(Wait(NOW + 5, "mts", BUSY)), attempting(attempt=2, at=NOW + 5)
        )
        self.note(taken("a1", attempt=2, at=NOW + 6))
        self.receive(receipt("a1", raw="id:a1 stat:DELIVRD"))
        story = msgspec.json.decode(msgspec.json.encode(self.story()))
        self.assertEqual(
            [(e["seq"], e["state"]) for e in story["events"]],
            [(1, "accepted"), (2, "waiting"), (3, "submitted"), (4, "delivered")],
        )
        self.assertEqual(
            [(a["attempt"], a["outcome"]) for a in story["attempts"]],
            [(1, "refused"), (2, "accepted")],
        )
        self.assertEqual(story["provider_ids"], ["a1"])
        self.assertEqual(story["receipts"][0]["raw"], "id:a1 stat:DELIVRD")
        self.assertEqual(story["message"]["correlation"], {"k": 1})


class CrashTests(FileTestCase):
    def test_what_was_acknowledged_is_there_and_nothing_else(self) -> None:
        """The process ends between writing and commit."""
        self.accept(acceptance("told", attempting=True))
        transaction = self.journal._transaction
        commits = transaction.database.commit
        transaction.database.commit = lambda: 1 / 0
        self.failureResultOf(self.journal.accept([acceptance("untold")]))
        del transaction.database.commit
        self.assertEqual(transaction.database.commit, commits)
        # the far side of the crash: files as they lie on the disk
        self.copy_as_found()
        self.assertIsNone(self.story("untold"))
        self.assertEqual(self.story("told")["state"], "accepted")
        self.assertEqual([b["id"] for b in self.bodies()], ["told"])

    def copy_as_found(self) -> None:
        """Open a copy of the files of a journal that was never closed."""
        copy = self.mktemp() + ".sqlite"
        for end in ("", "-wal"):
            with open(self.path + end, "rb") as old, open(copy + end, "wb") as new:
                new.write(old.read())
        self.url = f"sqlite:///{os.path.abspath(copy)}"
        self.journal = self.opened()

    def test_a_copy_of_the_living_file_has_all_that_was_acknowledged(self) -> None:
        """No close, no checkpoint: the write-ahead log is enough."""
        self.accept(*(acceptance(f"m{n}", attempting=True) for n in range(300)))
        for n in range(300):
            self.note(taken(f"a{n}", name=f"m{n}"))
        self.copy_as_found()
        self.assertEqual(self.did(self.journal.counts()), {"submitted": 300})
        self.assertEqual(self.receive(receipt("a7")).message_id, "m7")


class KilledTests(FileTestCase):
    def test_killed_in_mid_load(self) -> None:
        """kill -9: all that was acknowledged is there, each with its attempt."""
        self.did(self.journal.close())
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.journal.load", self.url],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout is not None
        said = [child.stdout.readline().split() for _ in range(200)]
        child.kill()
        said += [line.split() for line in child.stdout if line.endswith("\n")]
        child.stdout.close()
        child.wait()
        self.journal = self.opened()
        accepted = {name for what, name in said if what == "accepted"}
        submitted = {name for what, name in said if what == "submitted"}
        self.assertTrue(submitted <= accepted)
        for name in accepted:
            self.assertIsNotNone(self.story(name), name)
        for name in submitted:
            self.assertEqual(self.story(name)["state"], "submitted")
        # what has no answer is found as interrupted, nothing else is
        counts = self.did(self.journal.counts())
        interrupted = self.did(self.journal.interrupted())
        self.assertEqual(len(interrupted), counts.get("accepted", 0))
        self.assertGreaterEqual(counts.get("submitted", 0), len(submitted))
        for number, body in enumerate(self.bodies(), 1):
            self.assertIn(body["seq"], (1, 2), number)


class FailingDiskTests(FileTestCase):
    def full(self) -> None:
        """Let the disk be full."""

        def commit() -> None:
            raise sqlite3.OperationalError("database or disk is full")

        self.journal._transaction.database.commit = commit

    def test_refused_and_repaired(self) -> None:
        """While nothing can be written callers hear Unavailable; then it goes on."""
        self.accept(acceptance("before", attempting=True))
        self.full()
        failure = self.failureResultOf(
            self.journal.accept([acceptance("during")]), Unavailable
        )
        self.assertIn("full", str(failure.value))
        self.failureResultOf(self.journal.note(taken("a1", name="before")), Unavailable)
        del self.journal._transaction.database.commit
        self.assertEqual(self.accept(acceptance("during")), [Stored()])
        self.assertEqual(self.note(taken("a1", name="before")), [True])
        self.assertEqual(self.states("before")[-1], ("submitted", False))
        self.assertEqual(
            [body["id"] for body in self.bodies()], ["before", "during", "before"]
        )

    def test_a_disk_that_is_really_full(self) -> None:
        """SQLite's own words; what was written before is still whole."""
        self.accept(acceptance("before"))
        database = self.journal._transaction.database
        [[pages]] = database.rows("PRAGMA page_count")
        database.run(f"PRAGMA max_page_count = {pages + 2}")
        batch = [acceptance(f"m{n}", text="x" * 500) for n in range(200)]
        failure = self.failureResultOf(self.journal.accept(batch), Unavailable)
        self.assertIn("full", str(failure.value))
        database.run("PRAGMA max_page_count = 1000000")
        self.assertEqual(self.journal.backlog(), {"mts": 1})
        self.assertEqual(self.accept(*batch), [Stored()] * 200)
        self.assertEqual(self.journal.backlog(), {"mts": 201})
        seqs = [event.seq for event in self.did(self.journal.events(0, 999))]
        self.assertEqual(seqs, list(range(1, 202)))

    def test_a_row_that_somebody_deleted(self) -> None:
        """Its facts find nothing and make no blank row; the others are written."""
        batch = [acceptance(f"m{n}", attempting=True) for n in range(3)]
        self.accept(*batch)
        self.journal._transaction.database.run("DELETE FROM messages WHERE id = 'm1'")
        self.journal._writes.hold()
        noted = [self.journal.note(taken(f"a{n}", name=f"m{n}")) for n in range(3)]
        self.journal._writes.release()
        self.assertEqual([self.did(one) for one in noted], [True, False, True])
        counts = self.journal._transaction.database.rows(
            "SELECT id, state FROM messages"
        )
        self.assertEqual(counts, [("m0", "submitted"), ("m2", "submitted")])

    def test_receipt_and_inbound_are_refused_too(self) -> None:
        """The upstream is not acknowledged, and repeats."""
        self.full()
        self.failureResultOf(self.journal.receipt(receipt()), Unavailable)
        self.failureResultOf(self.journal.inbound(inbound()), Unavailable)
        self.assertEqual(self.journal.backlog(), {})
