"""The table of the benchmarks: samples, ratios, targets, JSON."""

import io
import json

from rich.console import Console
from twisted.trial.unittest import SynchronousTestCase

from bench import figures
from bench.figures import Line

OURS = Line(
    name="batches",
    rate=4_000.0,
    cpu_us=220.0,
    p99_ms=12.0,
    rss_mb=118.4,
    target={"rate": 8_000, "cpu_us": 110, "p99_ms": 50},
)
KANNEL = Line(name="batches", subject="Kannel, memory", rate=5_000.0, cpu_us=440.0)


def shown(*lines: Line) -> list[str]:
    """Return the rows of the table as it is printed, blanks made one."""
    out = io.StringIO()
    Console(file=out, width=200).print(figures.table(lines, "a title"))
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


class CombineTests(SynchronousTestCase):
    def test_cpu_is_the_least_and_the_rest_is_the_median(self) -> None:
        """What else the machine does adds to CPU, and to the rest either way."""
        taken = [
            Line(name="w", rate=rate, cpu_us=cpu, p99_ms=p99)
            for rate, cpu, p99 in ((900.0, 300.0, 9.0), (1_000.0, 210.0, 4.0),
                                   (500.0, 250.0, 5.0))
        ]  # fmt: skip
        (line,) = figures.combine(taken)
        self.assertEqual(
            (line.rate, line.cpu_us, line.p99_ms, line.samples),
            (900.0, 210.0, 5.0, 3),
        )

    def test_work_and_subject_make_the_line(self) -> None:
        """Samples that took turns come together again, in the order of the first."""
        taken = [OURS, KANNEL, Line(name="other", rate=1.0), KANNEL, OURS]
        found = [(one.name, one.subject, one.samples) for one in figures.combine(taken)]
        self.assertEqual(
            found,
            [
                ("batches", "gdemoi", 2),
                ("batches", "Kannel, memory", 2),
                ("other", "gdemoi", 1),
            ],
        )

    def test_a_failed_sample_does_not_hide_a_good_one(self) -> None:
        """Only work of which no sample succeeded has failed."""
        failed = Line(name="batches", failed="no broker")
        self.assertIsNone(figures.combined([failed, OURS]).failed)
        self.assertEqual(figures.combined([failed, failed]).failed, "no broker")

    def test_the_most_memory_of_each_subject(self) -> None:
        """It is the last line, with a target for us alone."""
        peer = Line(name="x", subject="Kannel", rss_mb=30.0)
        lines = [OURS, Line(name="b", rss_mb=121.0), peer, KANNEL]
        ours, theirs = figures.most_memory(lines, 120.0)
        self.assertEqual((ours.rss_mb, ours.target), (121.0, {"rss_mb": 120.0}))
        self.assertEqual((theirs.subject, theirs.rss_mb), ("Kannel", 30.0))
        self.assertEqual(dict(theirs.target), {})


class TargetTests(SynchronousTestCase):
    def test_rates_are_floors_and_all_else_ceilings(self) -> None:
        """So many at least; so much CPU, time and memory at most."""
        for name, figure, target, kept in (
            ("rate", 8_000.0, 8_000.0, True),
            ("rate", 7_999.0, 8_000.0, False),
            ("cpu_us", 110.0, 110.0, True),
            ("cpu_us", 110.1, 110.0, False),
            ("p99_ms", 51.0, 50.0, False),
            ("value", 4.9, 5.0, True),
        ):
            with self.subTest(name=name, figure=figure):
                self.assertIs(figures.is_kept(name, figure, target), kept)

    def test_a_missing_tool_is_no_failure(self) -> None:
        """Its line says what it needs; the command ends well."""
        for line, failure in (
            (Line(name="quorum", failed="needs RabbitMQ; none is at host:5672"), False),
            (Line(name="quorum", failed="TimeoutError: 9 of 10 events"), True),
            (OURS, False),
        ):
            with self.subTest(failed=line.failed):
                self.assertIs(figures.is_failure(line), failure)

    def test_what_is_missed(self) -> None:
        """A figure without a target, and a target without a figure, miss nothing."""
        self.assertEqual(figures.missed(OURS), ["rate", "cpu_us"])
        self.assertEqual(figures.missed(Line(name="x", target={"rate": 9})), [])

    def test_ratios_are_ours_by_theirs(self) -> None:
        """Only of what both have; nothing is divided by zero."""
        found = figures.ratios(OURS, {"rate": 5_000.0, "cpu_us": 440.0, "p50_ms": 1.0})
        self.assertEqual(found, {"rate": 0.8, "cpu_us": 0.5})
        self.assertEqual(figures.ratios(OURS, {"rate": 0.0}), {})


class TableTests(SynchronousTestCase):
    def test_ours_beside_its_target_then_the_peer(self) -> None:
        """Ours is first whatever the order; a missed target has its mark."""
        rows = shown(KANNEL, OURS)
        ours, theirs = rows[-3:-1] if not rows[-1] else rows[-2:]
        self.assertEqual(
            ours,
            "batches gdemoi 4,000 220 12.0 118 ≥ 8,000/s, ≤ 110 µs, p99 ≤ 50 ms "
            "rate 0.50!, CPU 2.00!, p99 0.24",
        )
        self.assertEqual(theirs, "Kannel, memory 5,000 440 rate 0.80, CPU 0.50")

    def test_a_failure_says_why(self) -> None:
        """In the place of the figures."""
        rows = shown(Line(name="quorum", failed="connection refused"))
        self.assertIn("quorum gdemoi connection refused", rows)

    def test_other_figures_have_their_unit(self) -> None:
        """Seconds of a start, and their target."""
        line = Line(name="start", value=1.25, unit="s", target={"value": 5})
        self.assertIn("start gdemoi 1.25 s ≤ 5 s value 0.25", shown(line))


class JsonTests(SynchronousTestCase):
    def test_what_was_written_is_read(self) -> None:
        """All fields of all lines come back."""
        text = figures.written([OURS, KANNEL], {"made": "2026-11-28T02:00:00Z"})
        self.assertEqual(figures.read(text), [OURS, KANNEL])
        self.assertEqual(json.loads(text)["made"], "2026-11-28T02:00:00Z")

    def test_another_json_is_refused(self) -> None:
        """Neither another program's nor another version's is taken for one."""
        for text in ("{", "[]", '{"version": 2, "lines": []}', '{"version": 1}',
                     '{"version": 1, "lines": [{"speed": 1}]}'):  # fmt: skip
            with self.subTest(text=text):
                self.assertRaises(ValueError, figures.read, text)

    def test_an_earlier_run_stands_beside_this_one(self) -> None:
        """Only what was measured now, only our own lines, and without targets."""
        earlier = [OURS, KANNEL, Line(name="gone", rate=1.0)]
        now = [Line(name="batches", rate=6_000.0)]
        found = figures.beside(now, earlier, "monday")
        self.assertEqual([one.subject for one in found], ["gdemoi", "monday"])
        self.assertEqual((found[1].rate, dict(found[1].target)), (4_000.0, {}))


class RowTests(SynchronousTestCase):
    def test_a_unit_chooses_the_column(self) -> None:
        """As small benchmarks tell (name, value, unit, target)."""
        cost, rate, count = figures.of_rows(
            [
                ("encode", 1.1, "µs", 1.2),
                ("consume", 9_000.0, "messages/s", None),
                ("calls", 31.0, "", None),
            ]
        )
        self.assertEqual((cost.cpu_us, dict(cost.target)), (1.1, {"cpu_us": 1.2}))
        self.assertEqual((rate.rate, rate.unit), (9_000.0, ""))
        self.assertEqual((count.value, count.figures()), (31.0, {"value": 31.0}))
