"""Tests live where the house says: one folder of tests for each of its folders."""

import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

TESTS = Path(__file__).parent
HOUSE = TESTS.parent / "gdemoi"
# whole lives, and programs that nobody here wrote
OWN = {"flows", "peers"}


def folders(top: Path) -> set[str]:
    """Return the packages below a folder."""
    return {path.parent.name for path in top.glob("*/__init__.py")}


class MirrorTests(SynchronousTestCase):
    def test_each_package_has_its_tests(self) -> None:
        """No package without a folder of tests, no folder without its package."""
        self.assertEqual(folders(TESTS) - OWN, folders(HOUSE))

    def test_the_sample_of_mutants_names_what_there_is(self) -> None:
        """`.ci/run` tries mutants of modules by their names, with tests by theirs."""
        sample = tomllib.loads((TESTS.parent / ".ci" / "mutants.toml").read_text())
        for module in sample["modules"]:
            self.assertTrue((HOUSE / f"{module}.py").is_file(), module)
        for path in sample["tests"]:
            self.assertTrue((TESTS.parent / path).is_file(), path)
