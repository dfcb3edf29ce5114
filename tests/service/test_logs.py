"""The log: reopened, its level, and lines that a fault repeats."""

import gc
import io
import json
import re
from itertools import chain
from pathlib import Path
from time import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    Logger,
    LogLevel,
    LogPublisher,
    formatEvent,
    globalLogPublisher,
)
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

import gdemoi
from gdemoi.service.logs import (
    FIRST_S,
    FORGET_S,
    INFO_REPEATS,
    TEXTS_KEPT,
    WARNING_TEXTS,
    LogRepeats,
    RepeatsFilter,
    reopen_logs,
    set_form,
    set_level,
    tell_counts,
)
from gdemoi.settings.gateway import LOG_PARTS


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

    def test_a_log_that_was_closed_stays_closed(self) -> None:
        """Whatever still holds it: a CDR file that is written no more."""
        path = Path(self.mktemp())
        file = LogFile.fromFullPath(str(path))
        file.close()
        path.unlink()
        reopen_logs()
        self.assertFalse(path.exists())

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

    def test_levels_of_parts(self) -> None:
        """One part may talk more, another less; a change forgets the ones before."""
        seen: list[str] = []

        @implementer(ILogObserver)
        class Observer:
            def __call__(self, event: dict[str, object]) -> None:
                seen.append(f"{event['log_namespace']} {event['log_format']}")

        before = list(globalLogPublisher._observers)
        globalLogPublisher._observers[:] = [Observer()]
        self.addCleanup(globalLogPublisher._observers.__setitem__, slice(None), before)
        self.addCleanup(set_level, "info")

        def say() -> list[str]:
            seen.clear()
            for name in ("gdemoi.smpp.session", "gdemoi.http.api", "gdemoi.routing"):
                Logger(name).debug("x")
                Logger(name).info("x")
            return list(seen)

        set_level("info", [("smpp", "debug"), ("http", "warn")])
        self.assertEqual(
            say(),
            ["gdemoi.smpp.session x", "gdemoi.smpp.session x", "gdemoi.routing x"],
        )
        set_level("warn", [("routing", "info")])
        self.assertEqual(say(), ["gdemoi.routing x"])

    def test_json_and_back(self) -> None:
        """`log_format` may change while the gateway runs."""
        file = io.StringIO()
        before = list(globalLogPublisher._observers)
        observer = FileLogObserver(file, lambda event: "plain\n")
        globalLogPublisher._observers[:] = [observer]
        self.addCleanup(globalLogPublisher._observers.__setitem__, slice(None), before)
        set_level("info")
        for form in ("plain", "json", "plain"):
            set_form(form, "gw")
            Logger("gdemoi.test").info("x", each=True)
        first, second, third = file.getvalue().splitlines()
        self.assertEqual((first, third), ("plain", "plain"))
        line = json.loads(second)
        self.assertEqual(line["resource"]["service.instance.id"], "gw")

    def test_every_part_is_one(self) -> None:
        """What `log_levels` takes is a package that writes lines; all of them."""
        package = Path(gdemoi.__file__).parent
        parts = {
            path.relative_to(package).parts[0].removesuffix(".py")
            for path in package.rglob("*.py")
            if re.search(r"\bLogger\(", path.read_text("utf-8"))
        }
        beside = {"sandbox", "profiles", "cli"}
        # the steps of messages have a name of their own
        self.assertEqual(parts - beside - set(LOG_PARTS), set())
        self.assertEqual(set(LOG_PARTS) - parts - {"messages"}, set())

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


class RepeatsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.repeats = LogRepeats()
        self.now = 1000.0

    def hear(
        self, format: str, level: LogLevel = LogLevel.warn, **fields: Any
    ) -> list[str]:
        """Hear of a line; return what is written."""
        event = {
            "log_time": self.now,
            "log_level": level,
            "log_namespace": "x",
            "log_format": format,
            **fields,
        }
        return [formatEvent(one) for one in self.repeats.heard(event)]

    def test_one_line_5744_times(self) -> None:
        """A full disk for 90 s: the line, and the line with its count."""
        written = []
        for _ in range(5744):
            written += self.hear("the disk is {state}", state="full")
            self.now += 90 / 5744
        self.assertEqual(
            written,
            ["the disk is full", "the disk is full (again 3,839 times in 60 s)"],
        )

    def test_the_longer_the_seldomer(self) -> None:
        """A fault of a day is told some thirty times, and no time is left out."""
        written: list[str] = []
        heard = 0
        for _ in range(86400):
            written += self.hear("down")
            heard += 1
            self.now += 1.0
        written += [
            formatEvent(one) for one in self.repeats.due(self.now, all_of_it=True)
        ]
        self.assertLess(len(written), 35)
        counts = [int(line.split()[2].replace(",", "")) for line in written[1:]]
        self.assertEqual(1 + sum(counts), heard)

    def test_the_count_comes_with_any_line(self) -> None:
        """What is due is told also when the fault is over."""
        for _ in range(3):
            self.hear("down")
        self.now += FIRST_S
        self.assertEqual(
            self.hear("all is well", LogLevel.info),
            ["down (again 2 times in 60 s)", "all is well"],
        )

    def test_another_text_is_told(self) -> None:
        """Another reason is news; so is the same after a long silence."""
        self.assertEqual(self.hear("{why}", why="full"), ["full"])
        self.assertEqual(self.hear("{why}", why="read-only"), ["read-only"])
        self.now += FORGET_S
        self.assertEqual(self.hear("{why}", why="full"), ["full"])

    def test_faults_that_alternate(self) -> None:
        """Two reasons in turn are two lines, not one for each change."""
        written = [self.hear("{why}", why=("full", "EIO")[n % 2]) for n in range(100)]
        self.assertEqual(list(chain(*written)), ["full", "EIO"])

    def test_another_id_in_each(self) -> None:
        """Texts of one format have their number; the rest is counted."""
        written = [self.hear("{id} is not taken", id=n) for n in range(1093)]
        self.assertEqual(len([*chain(*written)]), WARNING_TEXTS)
        self.now += FIRST_S
        (line,) = self.hear("{id} is not taken", id=2000)[:1]
        self.assertEqual(
            line,
            f"1092 is not taken (and {1093 - WARNING_TEXTS:,} lines like it in 60 s)",
        )

    def test_lines_of_32_ports(self) -> None:
        """Good news of many lines at once is all told."""
        written = [self.hear("line {n} is up", LogLevel.info, n=n) for n in range(64)]
        self.assertEqual(len([*chain(*written)]), 64)

    def test_good_news_again(self) -> None:
        """Who reloads twice sees it twice; who flaps is counted."""
        written = [self.hear("configuration changed", LogLevel.info) for _ in range(9)]
        self.assertEqual(len([*chain(*written)]), INFO_REPEATS)

    def test_what_is_asked_for_one_by_one(self) -> None:
        """The PDUs of pdu_log and debug pass, all of them."""
        for _ in range(500):
            self.assertEqual(len(self.hear("pdu", LogLevel.info, each=True)), 1)
            self.assertEqual(len(self.hear("detail", LogLevel.debug)), 1)

    def test_failures(self) -> None:
        """A traceback is written once; the count has none."""
        written = []
        for _ in range(3):
            written += self.repeats.heard(
                {
                    "log_time": self.now,
                    "log_level": LogLevel.critical,
                    "log_namespace": "x",
                    "log_format": "reading failed",
                    "log_failure": Failure(ValueError("odd")),
                }
            )
        written += self.repeats.due(self.now + FIRST_S)
        self.assertEqual(["log_failure" in one for one in written], [True, False])
        self.assertIn("reading failed: ValueError('odd')", formatEvent(written[1]))

    def test_what_has_changed_meanwhile(self) -> None:
        """The count is of the text that was told, not of what it would be now."""
        host: list[str] = ["a"]
        self.hear("{host} is down", host=host)
        self.hear("{host} is down", host=host)
        host[0] = "b"
        self.now += FIRST_S
        self.assertEqual(
            self.hear("up", LogLevel.info),
            ["['a'] is down (again once in 60 s)", "up"],
        )

    def test_a_clock_that_is_put_back(self) -> None:
        """Nothing is swallowed until it has caught up."""
        self.hear("down")
        self.now -= 86400
        self.assertEqual(self.hear("down"), ["down"])

    def test_memory_has_an_end(self) -> None:
        """Texts of many formats do not pile up."""
        for n in range(3 * TEXTS_KEPT):
            self.hear(f"format {n}")
        self.assertLessEqual(len(self.repeats._lines), TEXTS_KEPT)
        self.now += FORGET_S
        self.hear("x")
        self.assertEqual(len(self.repeats._lines) + len(self.repeats._groups), 2)

    @given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 100)), max_size=60))
    def test_nothing_is_lost(self, line: list[tuple[int, float]]) -> None:
        """What is told and what is counted together are what was heard."""
        repeats, now, written = LogRepeats(), 0.0, []
        for which, step_s in line:
            now += step_s
            written += repeats.heard(
                {
                    "log_time": now,
                    "log_level": LogLevel.error,
                    "log_namespace": "x",
                    "log_format": "fault {which}",
                    "which": which,
                }
            )
        written += repeats.due(now, all_of_it=True)
        total = 0
        for one in written:
            words = str(one.get("count", "(again once")).split()
            total += 1 if words[1] == "once" else int(words[1])
        self.assertEqual(total, len(line))


class CalmTests(SynchronousTestCase):
    def test_an_observer_behind_it(self) -> None:
        """Loggers of the gateway and Twisted's own: one line each, and the counts."""
        seen: list[str] = []
        repeats_filter = RepeatsFilter(lambda event: seen.append(formatEvent(event)))
        publisher = LogPublisher(repeats_filter)
        log = Logger(observer=publisher)
        for _ in range(50):
            log.error("the journal cannot be written")
        self.assertEqual(seen, ["the journal cannot be written"])
        repeats_filter.flush(4e9)
        self.assertEqual(len(seen), 2)
        self.assertIn("the journal cannot be written (again 49 times in ", seen[1])
