"""Reopening the log after it was moved away (logrotate), and its level."""

from __future__ import annotations

import gc
from typing import Final

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogPublisher,
)
from twisted.python.logfile import BaseLogFile

# shared by all observers, so that the level may change again
_threshold: Final = LogLevelFilterPredicate()


def reopen_logs() -> int:
    """Reopen every log file of this process; return how many there were.

    ``twistd`` opens its log itself and hands it to nobody, so it is looked for
    among the living objects: once per signal, not in any hot path.
    """
    frozen = gc.get_freeze_count() > 0
    if frozen:
        # what the collector leaves alone for good is not listed by it
        gc.unfreeze()
    files = [thing for thing in gc.get_objects() if isinstance(thing, BaseLogFile)]
    if frozen:
        gc.freeze()
    for file in files:
        file.reopen()
    return len(files)


def set_level(level: str) -> None:
    """Drop log lines less important than `level` from now on."""
    _threshold.setLogLevelForNamespace("", LogLevel.levelWithName(level))
    for observer in list(globalLogPublisher._observers):
        if isinstance(observer, FilteringLogObserver):
            continue
        filtered: ILogObserver = FilteringLogObserver(observer, [_threshold])
        globalLogPublisher.removeObserver(observer)
        globalLogPublisher.addObserver(filtered)
