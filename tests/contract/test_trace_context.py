"""``traceparent``: what is one, and its parts."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.contract.trace_context import ids_of, traceparent

# of the specification, §3.2.3
EXAMPLE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
BAD: tuple[Any, ...] = (
    None, 7, "", "x", b"\xff", {}, EXAMPLE.upper(), f" {EXAMPLE}", f"{EXAMPLE}\n",
    EXAMPLE[:-1], f"{EXAMPLE}-more", EXAMPLE.replace("00-4", "ff-4"),
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    f"01{EXAMPLE[2:]}-" + "x" * 5000,
)  # fmt: skip


class TraceparentTests(SynchronousTestCase):
    def test_good_ones(self) -> None:
        """As text or octets; of a later version with more behind it."""
        later = f"cc{EXAMPLE[2:]}-what-the-future-will-be-like"
        for value in (EXAMPLE, later, f"01{EXAMPLE[2:]}"):
            self.assertEqual(traceparent(value), value)
            self.assertEqual(traceparent(value.encode()), value)

    def test_what_is_none(self) -> None:
        """Counts as absent, and breaks nothing."""
        for value in BAD:
            self.assertIsNone(traceparent(value), value)

    @given(st.one_of(st.text(), st.binary(), st.integers()))
    def test_anything(self, value: Any) -> None:
        """Gives itself or nothing."""
        found = traceparent(value)
        self.assertIn(found, (None, value))

    def test_parts(self) -> None:
        """As logs name them."""
        self.assertEqual(
            ids_of(EXAMPLE),
            ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "01"),
        )
