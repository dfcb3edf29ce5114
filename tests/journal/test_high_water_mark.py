"""The high-water mark: what is missing is told, and nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import ConfigurationError, Unavailable
from gdemoi.journal import Journal
from gdemoi.journal.high_water_mark import (
    SYNC_S,
    HighWaterMark,
    HighWaterMarkFile,
    decode,
)
from gdemoi.journal.journal import LEFT_OUT
from tests.journal.builders import acceptance, inbound
from tests.journal.test_files import FileTestCase

NUMBERS = st.integers(0, 2**63)


class MarkTests(SynchronousTestCase):
    @given(NUMBERS, NUMBERS)
    def test_round_trip(self, n: int, seq: int) -> None:
        """Always of one length, so that it is overwritten in place."""
        octets = HighWaterMark(n, seq).encode()
        self.assertEqual(decode(octets), HighWaterMark(n, seq))
        self.assertEqual(len(octets), len(HighWaterMark(0, 0).encode()))

    @given(NUMBERS, st.integers(0, 80), st.integers(0, 255))
    def test_a_damaged_mark_says_nothing(self, n: int, at: int, octet: int) -> None:
        """Rather than something wrong."""
        octets = bytearray(HighWaterMark(n, n).encode())
        at %= len(octets)
        changed = octets[at] != octet
        octets[at] = octet
        self.assertEqual(decode(bytes(octets)) is None, changed)
        self.assertIsNone(decode(bytes(octets[:at])))


class MarkFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.journal = os.path.abspath(self.mktemp())
        self.mark = HighWaterMarkFile(self.journal)
        self.addCleanup(self.mark.close)

    def test_the_disk_is_asked_once_a_second(self) -> None:
        """Each commit writes, few of them wait for the disk."""
        synced: list[int] = []
        self.patch(os, "fdatasync", synced.append)
        for step in range(100):
            self.mark.put(step, step, 100 + step * SYNC_S / 50)
        self.assertEqual(self.mark.read(), (HighWaterMark(99, 99), False))
        self.assertEqual(len(synced), 2)

    def test_it_comes_back_when_it_was_deleted(self) -> None:
        """Within a second of commits, and at the end."""
        self.mark.put(1, 1, 100)
        os.unlink(self.mark.path)
        self.mark.put(2, 2, 100 + SYNC_S)
        self.assertEqual(self.mark.read(), (HighWaterMark(2, 2), False))
        os.unlink(self.mark.path)
        self.mark.close()
        self.assertEqual(self.mark.read(), (HighWaterMark(2, 2), False))

    def test_a_disk_that_takes_none_is_told_once(self) -> None:
        """And keeps nobody from committing."""
        mark = HighWaterMarkFile("/nonexistent/journal")
        with capturedLogs() as events:
            for step in range(5):
                mark.put(step, step, step)
            mark.close()
        self.assertEqual(len(events), 1)
        self.assertIn("No such file", formatEvent(events[0]) or "")


class LossTests(FileTestCase):
    """Files that go, change or come back while no gateway runs."""

    def stopped(self, count: int = 200) -> None:
        """Accept some, and kill the gateway: nothing is closed."""
        for number in range(count):
            self.accept(acceptance(f"m{number}"))
        self.died = os.path.abspath(self.mktemp())
        os.mkdir(self.died)
        for file in Path(self.path).parent.glob(Path(self.path).name + "*"):
            if not file.name.endswith(".lock"):
                shutil.copy(file, self.died)
        self.path = os.path.join(self.died, os.path.basename(self.path))
        self.url = f"sqlite:///{self.path}"

    def refusal(self) -> str:
        """Open what is refused; return what is said."""
        journal = Journal(self.url, self.clock, inline=True)
        failure = self.failureResultOf(journal.open(), ConfigurationError)
        return str(failure.value)

    def test_a_kill_claims_no_loss(self) -> None:
        """Everything is there, and the mark is not beyond it."""
        self.stopped()
        self.journal = self.opened()
        self.assertEqual(self.journal.backlog(), {"mts": 200})
        self.assertIsNone(self.did(self.journal.lost()))

    def test_a_mark_that_stayed_behind_claims_no_loss(self) -> None:
        """After a power cut it may be old, or not there at all."""
        for octets in (HighWaterMark(1, 1).encode(), b"", None):
            with self.subTest(octets=octets):
                self.setUp()
                self.stopped(20)
                mark = Path(self.path + ".mark")
                mark.unlink()
                if octets is not None:
                    mark.write_bytes(octets)
                self.journal = self.opened()
                self.assertEqual(self.journal.backlog(), {"mts": 20})
                self.assertIsNone(self.did(self.journal.lost()))

    def test_a_log_that_was_deleted(self) -> None:
        """200 accepted, fewer known: that is said, with numbers."""
        self.stopped()
        os.rename(self.path + "-wal", self.path + ".away")
        said = self.refusal()
        self.assertRegex(said, r"at least \d+ messages and \d+ events are missing")
        self.assertIn("there were 200 and 200 in all", said)
        self.assertIn("--accept-loss", said)
        # the refusal has changed nothing: the log still fits
        os.rename(self.path + ".away", self.path + "-wal")
        self.journal = self.opened()
        self.assertEqual(self.journal.backlog(), {"mts": 200})

    def test_a_log_that_was_damaged(self) -> None:
        """SQLite stops reading at the first bad checksum."""
        self.stopped()
        with open(self.path + "-wal", "r+b") as file:
            file.seek(os.path.getsize(self.path + "-wal") // 2)
            file.write(b"\xff" * 4096)
        self.assertIn("are missing", self.refusal())

    def test_all_files_deleted(self) -> None:
        """Nothing is made in their place."""
        self.stopped()
        for end in ("", "-wal", "-shm"):
            Path(self.path + end).unlink(missing_ok=True)
        self.assertIn("at least 200 messages and 200 events", self.refusal())
        self.assertFalse(os.path.exists(self.path))

    def test_an_older_copy_put_back(self) -> None:
        """It is whole, and it is not all."""
        self.stopped(20)
        self.journal = self.opened()
        copy = self.path + ".copy"
        self.did(self.journal.close())
        shutil.copy(self.path, copy)
        self.journal = self.opened()
        self.accept(acceptance("later"))
        self.did(self.journal.close())
        shutil.copy(copy, self.path)
        self.assertIn("at least 1 messages and 1 events", self.refusal())

    def test_messages_without_events_count_too(self) -> None:
        """And inbound SMS, which are events only."""
        for number in range(3):
            self.did(self.journal.inbound(inbound(f"text {number}")))
        self.stopped(0)
        os.unlink(self.path + "-wal")
        self.assertIn("at least 0 messages and 3 events", self.refusal())

    def test_a_loss_that_is_accepted(self) -> None:
        """It is logged, told as an event, shown; the next start knows it."""
        self.stopped()
        os.unlink(self.path + "-wal")
        with capturedLogs() as events:
            self.journal = self.opened(accept_loss=True)
        said = [formatEvent(e) for e in events if e["log_level"].name == "critical"]
        self.assertEqual(len(said), 1, said)
        lost = self.did(self.journal.lost()) or ""
        self.assertRegex(lost, r"^\d{4}-.*Z at least \d+ messages and \d+ events are")
        event = self.bodies(after=LEFT_OUT)[-1]
        self.assertEqual(
            (event["type"], event["channel"], event["state"]),
            ("channel", "-", "degraded"),
        )
        self.assertIn("are missing", event["reason"])
        self.again()
        self.assertEqual(self.did(self.journal.lost()), lost)

    def test_no_number_is_used_twice(self) -> None:
        """A platform's place among the events is not met again."""
        self.stopped()
        os.unlink(self.path + "-wal")
        self.journal = self.opened(accept_loss=True)
        self.accept(acceptance("new"))
        found = self.did(self.journal.events(200, 10))
        self.assertEqual(len(found), 2)
        self.assertGreater(found[0].seq, 200)

    def test_a_mark_that_was_acknowledged(self) -> None:
        """By renaming it, where no option can be given; once."""
        self.stopped()
        os.unlink(self.path + "-wal")
        os.rename(self.path + ".mark", self.path + ".mark.accepted")
        self.journal = self.opened()
        self.assertIsNotNone(self.did(self.journal.lost()))
        self.assertFalse(os.path.exists(self.path + ".mark.accepted"))
        self.again()


class VanishedTests(FileTestCase):
    """Files that go or change under a running gateway."""

    def refused(self) -> str:
        """Try to accept; return why it cannot be done."""
        failure = self.failureResultOf(
            self.journal.accept([acceptance("late")]), Unavailable
        )
        self.assertIsNotNone(self.journal.trouble())
        return str(failure.value)

    def test_deleted(self) -> None:
        """The file, or its log alone: nothing more is acknowledged."""
        for end in ("", "-wal"):
            with self.subTest(end=end):
                self.setUp()
                self.accept(acceptance("early"))
                os.unlink(self.path + end)
                self.assertIn("was deleted under the gateway", self.refused())
                self.assertIn("deleted", self.journal.trouble() or "")

    def test_replaced(self) -> None:
        """By a copy that looks the same."""
        self.accept(acceptance("early"))
        shutil.copy(self.path, self.path + ".copy")
        os.rename(self.path + ".copy", self.path)
        self.assertIn("was replaced under the gateway", self.refused())

    def test_during_a_commit(self) -> None:
        """What was written to a file without a name is not acknowledged."""
        self.accept(acceptance("early"))
        begin = self.journal._database.begin

        def then() -> None:
            begin()
            os.unlink(self.path)

        self.patch(self.journal._database, "begin", then)
        self.assertIn("was deleted", self.refused())

    def test_the_next_start_knows(self) -> None:
        """Also when the mark was deleted with the rest."""
        self.accept(acceptance("early"))
        for end in ("", "-wal", "-shm", ".mark"):
            os.unlink(self.path + end)
        with capturedLogs() as events:
            for _ in range(5):
                self.refused()
        critical = [e for e in events if e["log_level"].name == "critical"]
        self.assertEqual(len(critical), 1)
        self.did(self.journal.close())
        other = Journal(self.url, Clock(), inline=True)
        failure = self.failureResultOf(other.open(), ConfigurationError)
        self.assertIn("at least 1 messages", str(failure.value))

    def test_put_back(self) -> None:
        """The same files under their names: it goes on."""
        self.accept(acceptance("early"))
        os.rename(self.path, self.path + ".away")
        self.refused()
        os.rename(self.path + ".away", self.path)
        self.accept(acceptance("late"))
        self.assertIsNone(self.journal.trouble())


class CheckpointTests(FileTestCase):
    def test_the_log_alone_holds_seconds(self) -> None:
        """Without the log, only what came after the last checkpoint is gone."""
        for number in range(50):
            self.clock.advance(1)
            self.accept(acceptance(f"m{number}"))
        copy = os.path.abspath(self.mktemp())
        shutil.copy(self.path, copy)
        self.url = f"sqlite:///{copy}"
        journal = self.opened()
        self.assertGreaterEqual(journal.backlog()["mts"], 45)
