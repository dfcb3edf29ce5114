"""Tests live where the house says: one folder of tests for each of its folders."""

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
