"""Error codes and receipt states have their words."""

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.outcomes import RETRY, state_of, status_text, text_of
from gdemoi.message import MessageState


class ErrorCodeTests(SynchronousTestCase):
    def test_tp_status_ranges(self) -> None:
        """GSM 03.40: done, still trying, permanent, gave up."""
        for status, state in (
            (0, MessageState.DELIVERED), (1, MessageState.DELIVERED),
            (2, MessageState.UNDELIVERED), (32, MessageState.ENROUTE),
            (63, MessageState.ENROUTE), (64, MessageState.UNDELIVERED),
            (70, MessageState.EXPIRED), (96, MessageState.UNDELIVERED),
            (127, MessageState.UNDELIVERED), (200, MessageState.ENROUTE),
        ):  # fmt: skip
            self.assertEqual(state_of(status), state, status)
        self.assertEqual(status_text(70), "validity period expired")

    def test_every_code_has_words(self) -> None:
        """Also codes that no table knows."""
        for code in (None, *RETRY, 999):
            self.assertTrue(text_of(code))
