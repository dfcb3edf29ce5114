"""Names that mean one thing: no class of the package is called like another."""

import ast
from collections import defaultdict
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PACKAGE = Path(__file__).parent.parent / "gdemoi"


class ClassNameTests(SynchronousTestCase):
    def test_no_class_name_twice(self) -> None:
        """A name found by a search is the one that was meant."""
        places = defaultdict(list)
        for path in sorted(PACKAGE.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(str(path.relative_to(PACKAGE)))
        twice = {name: found for name, found in places.items() if len(found) > 1}
        self.assertEqual(twice, {})
        self.assertGreater(len(places), 100)
