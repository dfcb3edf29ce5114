"""What those see who may only look."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.contract.viewer import event_for_viewer, for_viewer, mask

SECRET = "KEYWORD"
# an object with a text, and whatever may lie around one
TELLING = st.sampled_from(["text", "raw", "binary", "correlation", "udh", "octets"])
TREES = st.recursive(
    TELLING.map(lambda name: {name: SECRET, "id": "m"}),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["message", "events", "raw"]), inner)
    ),
    max_leaves=8,
)


class ViewerTests(SynchronousTestCase):
    def test_form_and_length_stay(self) -> None:
        """A password is no more than its form."""
        self.assertEqual(mask("Set 12! где"), "xxx 00! xxx")

    @given(TREES)
    def test_no_text_at_any_depth(self, tree: object) -> None:
        """However deep a field lies that holds one."""
        self.assertNotIn(SECRET, json.dumps(for_viewer(tree)))

    def test_errors_keep_their_words(self) -> None:
        """They say what is wrong, and are nobody's text."""
        story = {"message": {"text": "a1"}, "error": {"code": "c", "text": "why"}}
        self.assertEqual(
            for_viewer(story),
            {"message": {"text": "x0"}, "error": {"code": "c", "text": "why"}},
        )

    def test_alerts_are_whole(self) -> None:
        """They are about the gateway."""
        alert = b'{"type":"alert","text":"channel a is down"}'
        self.assertEqual(event_for_viewer(alert), alert)
        inbound = json.loads(event_for_viewer(b'{"type":"inbound","text":"a1"}'))
        self.assertEqual(inbound["text"], "x0")
