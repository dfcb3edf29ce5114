"""``gdemoi-sms callbacks``: what was given up, and again."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.fake_terminal import Terminal
from tests.http.gateway import Client, FakeGateway, FakeQueue


class CallbacksTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.queue = FakeQueue()
        gateway = FakeGateway(queues={"webhook:erp": self.queue})
        self.run_ = Terminal(client=Client(gateway)).type

    def test_what_was_given_up_is_shown_and_sent_again(self) -> None:
        """The list, all of it again, and some of it."""
        shown = self.run_("callbacks", "show", "webhook:erp")
        self.assertEqual(shown.exit_code, 0)
        for word in ("disabled", "given up 1", "17", "status m1 delivered", "HTTP 500"):
            self.assertIn(word, shown.output)
        again = self.run_("callbacks", "replay", "webhook:erp")
        self.assertEqual(again.output, "webhook:erp: 17 again\n")
        none = self.run_("callbacks", "replay", "webhook:erp", "16")
        self.assertEqual(none.output, "webhook:erp: nothing again\n")
        told = json.loads(
            self.run_("--json", "callbacks", "show", "webhook:erp").output
        )
        self.assertEqual(told["parked"][0]["seq"], 17)

    def test_resume(self) -> None:
        """A far side that was gone is there again."""
        said = self.run_("callbacks", "resume", "webhook:erp").output
        self.assertEqual(said, "webhook:erp up\n")

    def test_wrong_use(self) -> None:
        """A section that there is not, and one without a kind."""
        self.assertEqual(self.run_("callbacks", "show", "webhook:x").exit_code, 1)
        self.assertEqual(self.run_("callbacks", "show", "erp").exit_code, 2)
