"""The log as a whole: its levels, its form, no repeated lines, and logrotate.

Log lines that a fault repeats are written once and then counted, by an observer that
stands before whatever writes the log: it holds for every line of every protocol, of
HTTP and AMQP, and of Twisted itself.

Two limits, since a fault repeats a line word for word (``the journal cannot be
written``) or with another id each time:

* one text is told once (an info line a few times), and after a while again with the
  count: ``… (again 312 times in 60 s)``, less often the longer it lasts;
* of one format so many different texts are told in a minute, then the last with the
  count: ``… (and 87 lines like it in 60 s)``.

Lines that somebody asked to see one by one (the PDUs of `pdu_log`, what a SIGHUP came
to) bear ``each=True`` and pass, as does debug.  Time is that of the events; there is
no timer: what is due is told with the next line of any kind, or by `flush`.
"""

from __future__ import annotations

import gc
from collections.abc import Hashable, Iterable
from threading import Lock
from typing import Any, Final
from weakref import WeakSet

from attrs import define, field
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEvent,
    globalLogPublisher,
)
from twisted.python.logfile import BaseLogFile
from zope.interface import implementer

from gdemoi.service.log_format import (
    LogOutput,
    is_under_systemd,
    journal_socket,
    resource,
)

Event = dict[str, Any]

# The first count is told after so long, the next after twice as long.
FIRST_S: Final = 60.0
LONGEST_S: Final = 3600.0
# A fault that was silent for so long is a new one.  Longer than the rarest trial:
# `primary_return` is 10 minutes.
FORGET_S: Final = 900.0
# A line of good news is told so often before it is counted: a person who reloads
# twice is to see it twice.
INFO_REPEATS: Final = 3
# Different texts of one format in `FIRST_S`: GoIPs and TGs have up to 32 lines each,
# which come up one after the other.
WARNING_TEXTS: Final = 20
INFO_TEXTS: Final = 200
# Texts that are remembered at once; beyond it formats alone are counted.
TEXTS_KEPT: Final = 2_000
_WARNINGS: Final = frozenset((LogLevel.warn, LogLevel.error, LogLevel.critical))


@define
class _RepeatedLine:
    """One text: when it was last told and heard, and how often not told since."""

    written_at: float
    heard_at: float
    text: str
    head: Event
    repeats_left: int
    forget_s: float
    window_s: float = FIRST_S
    suppressed: int = 0


@define
class _FormatCount:
    """The different texts of one format."""

    since: float
    text: str
    head: Event
    written: int = 0
    suppressed: int = 0


class LogRepeats:
    """Which lines are told; pure, each call gives the events to write."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, _RepeatedLine] = {}
        self._groups: dict[Hashable, _FormatCount] = {}
        self._next_at = float("-inf")

    def heard(self, event: Event) -> list[Event]:
        """Return what is to be written now that `event` came."""
        level = event.get("log_level")
        if event.get("each") or level is LogLevel.debug or level is None:
            return [event]
        now = float(event["log_time"])
        due = self.due(now)
        if self._is_written(event, now, is_bad=level in _WARNINGS):
            due.append(event)
        return due

    def _is_written(self, event: Event, now: float, *, is_bad: bool) -> bool:
        kind = (event.get("log_namespace"), event.get("log_format"))
        # now: what an event holds may have changed when its count is told
        text = _text(event)
        key = (*kind, text)
        line = self._lines.get(key)
        if line is not None and 0 <= now - line.heard_at < line.forget_s:
            line.heard_at = now
            if line.repeats_left > 0:
                line.repeats_left -= 1
                line.written_at = now
                return True
            line.suppressed += 1
            return False
        if not self._has_room(
            kind, text, event, now, WARNING_TEXTS if is_bad else INFO_TEXTS
        ):
            return False
        if len(self._lines) < TEXTS_KEPT:
            repeats_left, forget_s = (
                (0, FORGET_S) if is_bad else (INFO_REPEATS - 1, FIRST_S)
            )
            self._lines[key] = _RepeatedLine(
                now, now, text, _head(event), repeats_left, forget_s
            )
        return True

    def _has_room(
        self, kind: Hashable, text: str, event: Event, now: float, most: int
    ) -> bool:
        group = self._groups.get(kind)
        if group is None:
            group = self._groups[kind] = _FormatCount(now, text, _head(event))
        if group.written < most:
            group.written += 1
            return True
        group.suppressed += 1
        group.text = text
        return False

    def due(self, now: float, *, all_of_it: bool = False) -> list[Event]:
        """Return the counts that are to be told by now; forget what is quiet."""
        if not all_of_it and self._next_at - FIRST_S <= now < self._next_at:
            return []
        # looked at once a second; the clock may have been put back
        self._next_at = now + 1.0
        counts: list[Event] = []
        for key, line in list(self._lines.items()):
            passed_s = now - line.written_at
            if line.suppressed and (all_of_it or not 0 <= passed_s < line.window_s):
                again = _again(line, passed_s)
                counts.append(_counted(line, now, again))
                line.suppressed, line.written_at = 0, now
                line.window_s = min(2 * line.window_s, LONGEST_S)
            elif not 0 <= now - line.heard_at < line.forget_s:
                del self._lines[key]
        for kind, group in list(self._groups.items()):
            passed_s = now - group.since
            if all_of_it or not 0 <= passed_s < FIRST_S:
                if group.suppressed:
                    others = (
                        f"(and {group.suppressed:,} lines like it in {passed_s:.0f} s)"
                    )
                    counts.append(_counted(group, now, others))
                del self._groups[kind]
        return counts


def _again(line: _RepeatedLine, passed_s: float) -> str:
    times = "once" if line.suppressed == 1 else f"{line.suppressed:,} times"
    return f"(again {times} in {passed_s:.0f} s)"


def _counted(of: _RepeatedLine | _FormatCount, now: float, count: str) -> Event:
    """Return a line with its count; without a traceback, which stands above."""
    return of.head | {
        "log_time": now,
        "log_format": "{text} {count}",
        "text": of.text,
        "count": count,
    }


def _head(event: Event) -> Event:
    """Return where a line comes from; not the line, which may hold much alive."""
    names = ("log_level", "log_namespace", "log_system")
    return {name: event[name] for name in names if name in event}


def _text(event: Event) -> str:
    text = formatEvent(event)
    failure = event.get("log_failure")
    return f"{text}: {failure.value!r}" if failure is not None else text


@implementer(ILogObserver)
@define(eq=False)
class RepeatsFilter:
    """An observer that hands to another what `LogRepeats` says, from any thread."""

    observer: ILogObserver
    repeats: LogRepeats = field(factory=LogRepeats)
    _lock: Lock = field(factory=Lock)

    def __call__(self, event: Event) -> None:
        """Hear of a line."""
        with self._lock:
            written = self.repeats.heard(event)
        for one in written:
            self.observer(one)

    def flush(self, now: float) -> None:
        """Tell what is counted: nothing more may come."""
        with self._lock:
            written = self.repeats.due(now, all_of_it=True)
        for one in written:
            self.observer(one)


# shared by all observers, so that the level may change again
_threshold: Final = LogLevelFilterPredicate()
_filters: Final[WeakSet[RepeatsFilter]] = WeakSet()
_outputs: Final[WeakSet[LogOutput]] = WeakSet()


@implementer(ILogFilterPredicate)
class _TwistedTlsErrors:
    """Drops what Twisted tells with a traceback and a channel in words.

    A certificate for another name ends the connection with that as its reason.
    """

    def __call__(self, event: dict[str, Any]) -> Any:
        is_twice = event.get("log_namespace") == "twisted.internet._sslverify"
        return PredicateResult.no if is_twice else PredicateResult.maybe


_twisted_tls_errors: Final = _TwistedTlsErrors()


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
    # one that was closed (a CDR file of before) is not to come back
    files = [file for file in files if not file.closed]
    for file in files:
        file.reopen()
    return len(files)


def set_level(level: str, of_parts: Iterable[tuple[str, str]] = ()) -> None:
    """Drop log lines less important than `level` from now on; count repeated ones.

    `of_parts`: (package of `gdemoi`, another level for its lines).
    """
    _threshold.clearLogLevels()
    _threshold.setLogLevelForNamespace("", LogLevel.levelWithName(level))
    for part, other in of_parts:
        namespace = f"gdemoi.{part}"
        _threshold.setLogLevelForNamespace(namespace, LogLevel.levelWithName(other))
    for observer in list(globalLogPublisher._observers):
        if isinstance(observer, FilteringLogObserver):
            continue
        output = LogOutput(observer)
        repeats_filter = RepeatsFilter(output)
        _filters.add(repeats_filter)
        _outputs.add(output)
        filtered: ILogObserver = FilteringLogObserver(
            repeats_filter, [_threshold, _twisted_tls_errors]
        )
        globalLogPublisher.removeObserver(observer)
        globalLogPublisher.addObserver(filtered)


def set_form(form: str, name: str) -> None:
    """Write lines as ``plain`` or ``json`` from now on; `name` is the gateway's.

    Under systemd plain lines are entries of its journal, with fields.
    """
    journal = journal_socket() if form == "plain" and is_under_systemd() else None
    for output in list(_outputs):
        before, output.journal = output.journal, None
        if before is not None:
            before.close()
        output.form, output.by = form, resource(name)
        if isinstance(output.observer, FileLogObserver):
            output.journal = journal


def tell_counts(now: float) -> None:
    """Write how often repeated lines came, since no more may come."""
    for repeats_filter in list(_filters):
        repeats_filter.flush(now)
