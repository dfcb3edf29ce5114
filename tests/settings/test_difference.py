"""What a changed file would change, in words; secrets are compared and never shown."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.settings import load
from gdemoi.settings.configuration import Configuration
from gdemoi.settings.difference import (
    HIDDEN,
    Change,
    differences,
    secrets_in,
    shown,
    shown_differences,
)

BASE = """\
[gateway]
name = a
home_country = RU
journal = sqlite:///j.sqlite
[http]
listen = tcp:8990:interface=127.0.0.1
[amqp]
url = amqp://guest:guest@127.0.0.1/
[smpp:carrier]
host = 127.0.0.1
port = 2775
system_id = demo
password = one
window = 20
status.0x58 = later 5s
[route:all]
channels = carrier
"""
# what is put in another's place -> what is said of it
ROWS = (
    ("window = 20", "window = 50", "[smpp:carrier] window = 50 (was 20)"),
    ("window = 20\n", "", "[smpp:carrier] window: the default (was 20)"),
    (
        "port = 2775",
        "port = 2775\nbind = pair",
        "[smpp:carrier] bind = pair (was the default)",
    ),
    ("password = one", "password = two", "[smpp:carrier] password is another"),
    (
        "amqp://guest:guest@",
        "amqp://guest:other@",
        "[amqp] url is another",
    ),
    (
        "status.0x58 = later 5s",
        "status.0x58 = later 9s",
        "[smpp:carrier] status.0x58 is another",
    ),
    ("name = a", "name = b", "[gateway] name = b (was a); takes a restart"),
    (
        "tcp:8990:",
        "tcp:8991:",
        "[http] listen = tcp:8991:interface=127.0.0.1 (was the default);"
        " takes a restart",
    ),
    (
        "[route:all]\nchannels = carrier\n",
        "",
        "[route:all] is gone",
    ),
    (
        "[route:all]",
        "[route:first]\nchannels = carrier\n[route:all]",
        "[route:first] is new",
    ),
)


class DifferenceTests(SynchronousTestCase):
    def load(self, text: str) -> Configuration:
        file = Path(self.mktemp())
        file.write_text(text)
        return load(str(file))

    def test_rows(self) -> None:
        base = self.load(BASE)
        for old, new, words in ROWS:
            with self.subTest(new):
                self.assertIn(old, BASE)
                found = differences(base, self.load(BASE.replace(old, new)))
                self.assertEqual(len(found), 1, found)
                self.assertEqual(found[0].words(), words)

    def test_nothing_changed(self) -> None:
        self.assertEqual(differences(self.load(BASE), self.load(BASE)), [])

    def test_what_is_written_otherwise_is_the_same(self) -> None:
        other = BASE.replace("port = 2775", "port=2775").replace(
            "later 5s", "later 5.0s"
        )
        self.assertEqual(differences(self.load(BASE), self.load(other)), [])

    def test_no_secret_is_ever_shown(self) -> None:
        before, after = self.load(BASE), self.load(BASE.replace("one", "two"))
        changes = differences(before, after)
        for told in (repr(shown(before)), repr([c.described() for c in changes])):
            for word in ("one", "two", "guest"):
                self.assertNotIn(f"'{word}'", told)
                self.assertNotIn(":guest@", told)

    def test_by_what_is_shown(self) -> None:
        """Of a running gateway only that is known: secrets cannot be compared."""
        before = shown(self.load(BASE))
        after = shown(self.load(BASE.replace("one", "two").replace("= 20", "= 9")))
        self.assertEqual(
            shown_differences(before, after),
            [Change("smpp:carrier", "window", "20", "9")],
        )
        hidden = ["[gateway] journal", "[amqp] url", "[smpp:carrier] password"]
        self.assertEqual(secrets_in(after), hidden)
        self.assertEqual(after["smpp:carrier"]["password"], HIDDEN)
