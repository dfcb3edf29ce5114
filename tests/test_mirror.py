"""Tests mirror the package: a folder of tests for each of its folders."""

import tomllib
from collections import defaultdict
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "gdemoi"
# whole gateways, programs that nobody here wrote, benchmarks and faults
OWN = {"flows", "peers", "bench", "chaos"}


def packages(top: Path) -> set[str]:
    """Return the packages at any depth below a folder, by their path."""
    found = (path.parent.relative_to(top) for path in top.rglob("__init__.py"))
    return {str(folder) for folder in found}


def modules() -> dict[str, set[str]]:
    """Return the folders in which there is a module, for each module's name."""
    found = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        name = path.parent.name if path.stem == "__init__" else path.stem
        found[name].add(str(path.parent.relative_to(PACKAGE)))
    return found


class MirrorTests(SynchronousTestCase):
    def test_each_package_has_its_tests(self) -> None:
        """No package without a folder of tests, no folder without its package."""
        self.assertEqual(packages(TESTS) - OWN, packages(PACKAGE))

    def test_tests_of_a_module_stand_where_the_module_does(self) -> None:
        """`test_pace.py` is in the folder of `pace.py`, after every move."""
        places = modules()
        wrong = []
        for path in TESTS.rglob("test_*.py"):
            folder = str(path.parent.relative_to(TESTS))
            name = path.stem.removeprefix("test_")
            if folder not in OWN and name in places and folder not in places[name]:
                wrong.append(f"{folder}/{path.name}: the module is in {places[name]}")
        self.assertEqual(wrong, [])

    def test_the_sample_of_mutants_names_what_there_is(self) -> None:
        """`.ci/run` tries mutants of modules by their names, with tests by theirs."""
        sample = tomllib.loads((TESTS.parent / ".ci" / "mutants.toml").read_text())
        for module in sample["modules"]:
            self.assertTrue((PACKAGE / f"{module}.py").is_file(), module)
        for path in sample["tests"]:
            self.assertTrue((TESTS.parent / path).is_file(), path)
