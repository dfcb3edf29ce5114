"""Reopening logs, and their level."""

import gc
from pathlib import Path
from time import time

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    Logger,
    LogLevel,
    formatEvent,
    globalLogPublisher,
)
from twisted.python.logfile import LogFile
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gdemoi.logs import reopen_logs, set_level, tell_counts


class ReopenTests(SynchronousTestCase):
    def test_a_log_that_was_moved_away_is_made_anew(self) -> None:
        """After logrotate moved the file, new lines go to a new file."""
        path = Path(self.mktemp())
        file = LogFile.fromFullPath(str(path))
        self.addCleanup(file.close)
        file.write("before\n")
        path.rename(f"{path}.1")
        self.assertGreaterEqual(reopen_logs(), 1)
        file.write("after\n")
        file.flush()
        self.assertEqual(path.read_text(), "after\n")

    def test_a_log_that_the_collector_does_not_see(self) -> None:
        """The gateway freezes what lives at its start, its log among it."""
        path = Path(self.mktemp())
        file = LogFile.fromFullPath(str(path))
        self.addCleanup(file.close)
        self.addCleanup(gc.unfreeze)
        gc.freeze()
        path.rename(f"{path}.1")
        reopen_logs()
        self.assertGreater(gc.get_freeze_count(), 0)
        self.assertTrue(path.exists())


class LevelTests(SynchronousTestCase):
    def test_less_important_lines_are_dropped(self) -> None:
        """With `log_level = warn` an info line is not written."""
        seen: list[str] = []

        @implementer(ILogObserver)
        class Observer:
            def __call__(self, event: dict[str, object]) -> None:
                seen.append(str(event["log_format"]))

        before = list(globalLogPublisher._observers)
        globalLogPublisher._observers[:] = [Observer()]
        self.addCleanup(globalLogPublisher._observers.__setitem__, slice(None), before)
        set_level("warn")
        log = Logger()
        log.info("small talk")
        log.emit(LogLevel.warn, "careful")
        self.assertEqual(seen, ["careful"])
        self.assertIsInstance(globalLogPublisher._observers[0], FilteringLogObserver)
        set_level("info")
        log.info("welcome again")
        self.assertEqual(seen, ["careful", "welcome again"])

    def test_repeated_lines_are_counted(self) -> None:
        """Whatever writes the log is told once; the count at the latest at the end."""
        seen: list[str] = []

        @implementer(ILogObserver)
        class Observer:
            def __call__(self, event: dict[str, object]) -> None:
                seen.append(formatEvent(event))

        before = list(globalLogPublisher._observers)
        globalLogPublisher._observers[:] = [Observer()]
        self.addCleanup(globalLogPublisher._observers.__setitem__, slice(None), before)
        set_level("info")
        set_level("info")
        log = Logger()
        for _ in range(5744):
            log.warn("nothing is taken for now")
        tell_counts(time() + 60)
        tell_counts(time() + 60)
        self.assertEqual(len(seen), 2)
        self.assertEqual(seen[0], "nothing is taken for now")
        self.assertIn("nothing is taken for now (again 5,743 times in ", seen[1])
