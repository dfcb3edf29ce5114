"""Whatever fails, and whenever: nothing is lost, nothing is blindly repeated."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.flows.chaos import STEPS, run

# more by hand: CHAOS=5000
EXAMPLES = int(os.environ.get("CHAOS", "40"))
# whole lives by the dozen: a busy machine takes minutes for them
pytestmark = pytest.mark.timeout(600 + 10 * EXAMPLES)
numbers = st.integers(0, 255)
step = st.tuples(st.sampled_from(STEPS), numbers, numbers)
often = st.tuples(
    st.sampled_from(("send", "answer", "time", "receipt", "release")), numbers, numbers
)


class ChaosTests(SynchronousTestCase):
    @settings(max_examples=EXAMPLES)
    @given(st.lists(step | often, min_size=10, max_size=60))
    def test_no_promise_is_broken(self, steps: list[tuple[str, int, int]]) -> None:
        """Every acknowledged message ends, truly told, in every life that comes."""
        folder = Path(tempfile.mkdtemp(dir="."))
        try:
            broken, trace = run(folder.absolute(), steps)
        finally:
            shutil.rmtree(folder)
        self.assertEqual(broken, [], "\n".join(trace))

    def test_a_message_does_not_leave_after_its_time(self) -> None:
        """A commit that took longer than the message lives ends it, unsent."""
        steps = [("hold", 1, 0), ("send", 1, 5), ("time", 5, 0)]
        broken, trace = run(Path(tempfile.mkdtemp(dir=".")).absolute(), steps)
        self.assertEqual(broken, [], "\n".join(trace))

    def test_what_a_crash_left_unsure_is_not_told_cancelled(self) -> None:
        """It waits for another try, but the first may have gone out."""
        steps = [("send", 100, 76), ("crash", 0, 0), ("cancel", 219, 20)]
        steps += [("receipt", 32, 203)]
        broken, trace = run(Path(tempfile.mkdtemp(dir=".")).absolute(), steps)
        self.assertEqual(broken, [], "\n".join(trace))
