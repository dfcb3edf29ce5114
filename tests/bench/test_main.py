"""The command line of the benchmarks, and what is run in which order."""

import ast
import contextlib
import importlib
import io
from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from bench import __main__ as command
from bench import figures, kannel
from bench.__main__ import MODULES, Subject
from bench.figures import Line
from bench.rig import ROOT, Work

# what the benchmarks are made of, itself none
PARTS = {"__init__", "__main__", "figures", "rig", "sink", "load", "kannel"}
SOAKS = {"soak", "soak_codec", "soak_smpp"}


def refused(*words: str) -> str:
    """Return what the command line says of words that it does not take."""
    out = io.StringIO()
    with contextlib.redirect_stderr(out):
        try:
            command.options(words)
        except SystemExit:
            return out.getvalue()
    raise AssertionError(f"{words} was taken")


class OptionTests(SynchronousTestCase):
    def test_all_of_them_when_none_is_named(self) -> None:
        """In the order of the table, in full size, without Kannel."""
        asked = command.options([])
        self.assertEqual(asked.only, list(MODULES))
        self.assertEqual((asked.size, asked.peers, asked.base), (1.0, False, None))

    def test_some_by_blanks_or_commas(self) -> None:
        """The order is that of the table, not that of the words."""
        asked = command.options(["--only", "quorum, http8 codec"])
        self.assertEqual(asked.only, ["http8", "quorum", "codec"])

    def test_what_is_wrong_is_said(self) -> None:
        """An unknown name tells which there are; a size must be above 0."""
        told = refused("--only", "http9")
        self.assertIn("no benchmark http9; there are http8, http64", told)
        self.assertIn("above 0", refused("--size", "0"))
        self.assertIn("no benchmark", refused("--only", " "))


class ModuleTests(SynchronousTestCase):
    def test_every_name_has_its_function(self) -> None:
        """What is listed can be run."""
        for name, benchmark in MODULES.items():
            with self.subTest(name=name):
                module = importlib.import_module(f"bench.{benchmark.module}")
                self.assertTrue(callable(getattr(module, benchmark.function)))

    def test_every_module_is_listed(self) -> None:
        """A file under bench/ is a benchmark, a soak, or a part of them."""
        files = {path.stem for path in (ROOT / "bench").glob("*.py")}
        listed = {benchmark.module for benchmark in MODULES.values()}
        self.assertEqual(files - PARTS - SOAKS, listed)
        self.assertEqual(PARTS - files, set())

    def test_no_path_of_one_machine(self) -> None:
        """The C tools are where the environment says, and nowhere else."""
        for path in (ROOT / "bench").glob("*.py"):
            words = [
                node.value
                for node in ast.walk(ast.parse(path.read_text("utf-8")))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
            with self.subTest(path=path.name):
                self.assertFalse([word for word in words if "/shared" in word])


class TurnTests(SynchronousTestCase):
    def test_all_take_turns_and_another_begins_each_round(self) -> None:
        """Nobody is always first after a pause, nor always last."""
        subjects = [Subject(name, Work()) for name in ("a", "b", "c")]
        order = [one.name for one in command.rounds(3, subjects)]
        self.assertEqual("".join(order), "abcbcacab")

    def test_targets_are_ours_alone(self) -> None:
        """A base or a peer is measured by no target."""
        line = Line(name="w", rate=1.0, target={"rate": 2})
        ours = command.told_of(Subject("gdemoi", Work()), line)
        base = command.told_of(Subject("base 98b096f", Work()), line)
        self.assertEqual((ours.subject, dict(ours.target)), ("gdemoi", {"rate": 2}))
        self.assertEqual((base.subject, dict(base.target)), ("base 98b096f", {}))

    def test_one_bad_sample_of_several(self) -> None:
        """It is told where it happened; the table has the others."""
        bad = Line(name="drain", failed="no link")
        good = Line(name="drain at 0 ms", rate=1.0)
        peer = Line(name="drain", subject="Kannel, spool", failed="no link")
        self.assertEqual(command.only_good([good, bad, peer]), [good, peer])

    def test_peers_only_where_they_can_do_the_work(self) -> None:
        """Kannel has no batches."""
        taken: list[tuple[str, str]] = []

        def sample(subject: Subject, benchmark: object, key: str) -> list[Line]:
            taken.append((key, subject.name))
            return [Line(name=key, subject=subject.name, rate=1.0)]

        self.patch(command, "sample", sample)
        asked = command.options(["--only", "http8 batches", "--samples", "1"])
        ours, peer = Subject("gdemoi", Work()), Subject("Kannel, spool", Work())
        with contextlib.redirect_stderr(io.StringIO()):
            lines = command.measure(asked, [ours], [peer])
        expected = [("http8", "gdemoi"), ("http8", "Kannel, spool")]
        self.assertEqual(taken, [*expected, ("batches", "gdemoi")])
        self.assertEqual([one.name for one in lines], ["http8", "http8", "batches"])


class SampleTests(SynchronousTestCase):
    def test_a_benchmark_that_cannot_run_says_why(self) -> None:
        """Its last word stands in the table; the others go on."""
        benchmark = evolve(MODULES["codec"], function="none_such")
        (line,) = command.sample(Subject(figures.OURS, Work()), benchmark, "codec")
        self.assertEqual(line.name, "codec")
        self.assertIn("none_such", line.failed or "")

    def test_a_benchmark_that_hangs_is_ended(self) -> None:
        """With its whole session; its line says how long it was waited for."""
        ended: list[int] = []
        kill = command.os.killpg

        def killpg(group: int, number: int) -> None:
            ended.append(group)
            kill(group, number)

        self.patch(command.os, "killpg", killpg)
        self.patch(command, "LIMIT_S", 0.0)
        subject = Subject(figures.OURS, Work())
        (line,) = command.sample(subject, MODULES["codec"], "codec")
        self.assertEqual(line.failed, "not done after 0 s")
        self.assertEqual(len(ended), 1)
        self.assertRaises(ProcessLookupError, kill, ended[0], 0)

    def test_the_code_under_test_is_that_of_the_tree(self) -> None:
        """`gdemoi` comes from the tree that was asked for, `bench` from here."""
        tree = Path(self.mktemp()).absolute()
        for name in ("gdemoi", "tests"):
            (tree / name).mkdir(parents=True)
            (tree / name / "__init__.py").write_text(f"WHERE = {name!r}\n")
        (tree / "bench").mkdir()
        (tree / "bench" / "__init__.py").write_text("raise SystemExit('not ours')\n")
        (tree / "tests" / "smpp").mkdir()
        (tree / "tests" / "smpp" / "__init__.py").write_text("")
        subject = Subject("base", Work(tree=str(tree)))
        (line,) = command.sample(subject, MODULES["codec"], "codec")
        # our own gdemoi has a message module, this one has none
        self.assertIn("No module named 'gdemoi.message'", line.failed or "")

    def test_a_commit_that_is_none(self) -> None:
        """git's own complaint is told, and nothing is left behind."""
        with (
            self.assertRaisesRegex(SystemExit, "git rev-parse"),
            command.checkout("no-such-commit"),
        ):
            self.fail("there is no such commit")


class PeerTests(SynchronousTestCase):
    def test_without_kannel_one_line_says_so(self) -> None:
        """The benchmarks run without it."""
        self.patch(kannel.shutil, "which", lambda name: None)
        out = io.StringIO()
        asked = command.options(["--peers"])
        with contextlib.redirect_stderr(out):
            self.assertEqual(command.peers_here(asked, Work(tools="x")), [])
        self.assertIn("no bearerbox and smsbox", out.getvalue())

    def test_both_stores_with_it(self) -> None:
        """Memory and spool are two subjects of the same work."""
        self.patch(kannel.shutil, "which", lambda name: name)
        asked = command.options(["--peers"])
        found = command.peers_here(asked, Work(tools="x"))
        self.assertEqual([one.work.peer for one in found], ["memory", "spool"])
        self.assertEqual(found[0].name, "Kannel, memory")
        self.assertEqual(command.peers_here(command.options([]), Work(tools="x")), [])

    def test_the_tools_are_needed_for_its_callbacks(self) -> None:
        """Without them it is not run."""
        self.patch(kannel.shutil, "which", lambda name: name)
        self.assertIn("http_sink", kannel.absent(None))
        self.assertEqual(kannel.absent("/somewhere"), "")
