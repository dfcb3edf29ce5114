"""What the log has, in the time of a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.service.logs import LogRepeats


class Logged:
    """Lines of level info and above, as they would be written."""

    def __init__(self, case: SynchronousTestCase, seconds: Callable[[], float]) -> None:
        self.lines: list[str] = []
        # what was handed to the log, written or not
        self.heard = 0
        self._seconds = seconds
        self._repeats = LogRepeats()
        globalLogPublisher.addObserver(self)
        case.addCleanup(globalLogPublisher.removeObserver, self)

    def __call__(self, event: dict[str, Any]) -> None:
        """Hear of a line (`twisted.logger.ILogObserver`)."""
        if event.get("log_level") in (None, LogLevel.debug):
            return
        if not str(event.get("log_namespace")).startswith("gdemoi."):
            return
        self.heard += 1
        stamped = event | {"log_time": self._seconds()}
        self.lines += [formatEvent(one) for one in self._repeats.heard(stamped)]

    def of(self, word: str) -> list[str]:
        """Return the lines that have a word."""
        return [line for line in self.lines if word in line]
