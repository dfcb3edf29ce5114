"""Messages that the documents show can be sent with the files of `make demo`."""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from docutils.core import publish_doctree
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cli.configured import explanation
from gdemoi.settings import load

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "etc" / "demo.ini"
# "to": "…" of JSON and Python, 'to' => '…' of PHP
_PAIR = re.compile(
    r"""(["'])(to|from|text|class|charset)\1\s*(?::|=>)\s*(["'])(.*?)\3""", re.DOTALL
)


def messages() -> list[tuple[str, dict[str, str]]]:
    """Return every message that a code block shows, and the document's name."""
    found = []
    for path in [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst"))]:
        tree = publish_doctree(
            path.read_text(encoding="utf-8"), settings_overrides={"report_level": 5}
        )
        for block in tree.findall(nodes.literal_block):
            fields = {one[2]: one[4] for one in _PAIR.finditer(block.astext())}
            if {"to", "text"} <= fields.keys() and "event_id" not in block.astext():
                found.append((path.name, fields))
    return found


class ExamplesTests(SynchronousTestCase):
    def test_each_message_can_be_sent(self) -> None:
        """Who tries an example on the demo gets an SMS, and no `unencodable`."""
        configuration = load(str(DEMO))
        shown = messages()
        self.assertGreaterEqual(len(shown), 4)
        self.assertIn("amqp.rst", [name for name, _ in shown])
        for name, fields in shown:
            reported = explanation(configuration, fields)
            self.assertIsNone(reported["error"], (name, fields))
            self.assertTrue(reported["segments"], (name, fields))
