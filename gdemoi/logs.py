"""The log as a whole: its level, no repeated lines, and logrotate."""

from __future__ import annotations

import gc
from typing import Any, Final
from weakref import WeakSet

from twisted.logger import (
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    globalLogPublisher,
)
from twisted.python.logfile import BaseLogFile
from zope.interface import implementer

from gdemoi.log_repeats import Calm

# shared by all observers, so that the level may change again
_threshold: Final = LogLevelFilterPredicate()
_calm: Final[WeakSet[Calm]] = WeakSet()


@implementer(ILogFilterPredicate)
class _ToldByOthers:
    """Drops what Twisted tells with a traceback and a channel in words.

    A certificate for another name ends the connection with that as its reason.
    """

    def __call__(self, event: dict[str, Any]) -> Any:
        is_twice = event.get("log_namespace") == "twisted.internet._sslverify"
        return PredicateResult.no if is_twice else PredicateResult.maybe


_told_by_others: Final = _ToldByOthers()


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
    """Drop log lines less important than `level` from now on; count repeated ones."""
    _threshold.setLogLevelForNamespace("", LogLevel.levelWithName(level))
    for observer in list(globalLogPublisher._observers):
        if isinstance(observer, FilteringLogObserver):
            continue
        calm = Calm(observer)
        _calm.add(calm)
        filtered: ILogObserver = FilteringLogObserver(
            calm, [_threshold, _told_by_others]
        )
        globalLogPublisher.removeObserver(observer)
        globalLogPublisher.addObserver(filtered)


def tell_counts(now: float) -> None:
    """Write how often repeated lines came, since no more may come."""
    for calm in list(_calm):
        calm.flush(now)
