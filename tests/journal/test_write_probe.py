"""Whether the journal can be written is known also when nobody writes."""

from __future__ import annotations

import sqlite3

from gdemoi.journal.journal import AGAIN_S, BEAT_S, SILENT_S, WriteProbe
from tests.journal.builders import acceptance
from tests.journal.test_files import FileTestCase


class PulseTests(FileTestCase):
    """A journal that cannot write is noticed without traffic."""

    def setUp(self) -> None:
        super().setUp()
        self.pulse = WriteProbe(self.journal, self.clock)
        self.pulse.start()
        self.addCleanup(self.pulse.stop)

    def stranger(self) -> sqlite3.Connection:
        """Lock the journal, as another process would; we do not wait for it."""
        self.journal._database._cursor.execute("PRAGMA busy_timeout = 0")
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        return other

    def test_locked_by_another_process(self) -> None:
        """While nothing comes in, too; and it is seen to be over."""
        other = self.stranger()
        self.clock.pump([BEAT_S, 0])
        self.assertIn("database is locked", self.journal.trouble() or "")
        other.execute("ROLLBACK")
        self.clock.pump([AGAIN_S] * 3)
        self.assertIsNone(self.journal.trouble())

    def test_a_full_disk(self) -> None:
        """Known after the first refusal, told once."""
        for error in ("database or disk is full", "disk I/O error"):
            with self.subTest(error=error):

                def full(why: str = error) -> None:
                    raise sqlite3.OperationalError(why)

                self.patch(self.journal._database, "commit", full)
                self.clock.pump([BEAT_S, AGAIN_S, AGAIN_S])
                self.assertIn(error, self.journal.trouble() or "")
                del self.journal._database.commit
                self.clock.pump([AGAIN_S] * 3)
                self.assertIsNone(self.journal.trouble())

    def test_a_commit_that_hangs(self) -> None:
        """No answer is an answer, after a while."""
        worker = self.journal._writes
        worker.hold()  # type: ignore[attr-defined]
        self.clock.pump([BEAT_S, SILENT_S])
        self.assertIsNone(self.journal.trouble())
        self.clock.advance(0.5)
        self.assertEqual(self.journal.trouble(), "the journal does not answer")
        worker.release()  # type: ignore[attr-defined]
        self.assertIsNone(self.journal.trouble())

    def test_who_writes_needs_no_beat(self) -> None:
        """Facts are proof enough."""
        for number in range(5):
            self.accept(acceptance(f"m{number}"))
            before = self.journal.commits
            self.clock.advance(BEAT_S)
            self.assertEqual(self.journal.commits, before)
        self.clock.advance(BEAT_S)
        self.assertEqual(self.journal.commits, before + 1)

    def test_stopped(self) -> None:
        """No timer is left."""
        self.pulse.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
