"""What lanes count of their messages."""

from __future__ import annotations

from gdemoi.contract.figures import LaneFigures
from gdemoi.message import Accepted, Error, Inbound, Refused, Uncertain
from tests.routing.channels import HandChannel
from tests.routing.test_dispatcher import Case


class LaneFiguresTests(Case):
    def figures(self) -> LaneFigures:
        return self.dispatcher.figures["a"]

    def test_the_way_of_a_message(self) -> None:
        """How long it waited for its submit, and the submit for its answer."""
        self.accept(self.message(accepted_at=self.clock.seconds() - 2.0))
        self.clock.advance(0.25)
        self.hands["a"].answer()
        found = self.figures()
        self.assertEqual(found.publish_to_submit.sum, 2.0)
        self.assertEqual(found.submit_to_response.sum, 0.25)
        self.assertEqual(found.statuses(), {"accepted": 1, "uncertain": 0})

    def test_a_wait_that_was_asked_for(self) -> None:
        """Does not count: `not_before` begins it."""
        now = self.clock.seconds()
        self.accept(self.message(accepted_at=now, not_before=now + 60))
        self.clock.pump([30, 31])
        waits = self.figures().publish_to_submit
        self.assertEqual((waits.count, waits.sum), (1, 1.0))

    def test_only_the_first_submit(self) -> None:
        """Is counted as a wait; each has its answer."""
        self.accept(self.message())
        self.hands["a"].answer(Refused(error=Error("smpp:0x8", "busy", retryable=True)))
        self.clock.pump([10, 30])
        self.hands["a"].answer(Accepted())
        found = self.figures()
        self.assertEqual(len(self.hands["a"].submitted), 2)
        self.assertEqual(found.publish_to_submit.count, 1)
        self.assertEqual(found.submit_to_response.count, 2)
        self.assertEqual(found.statuses()["smpp:0x8"], 1)

    def test_a_late_answer(self) -> None:
        """Counts when it comes, beside the uncertainty before it."""
        self.accept(self.command("m1"))
        self.hands["a"].answer(Uncertain(why="no answer"))
        self.dispatcher.late("m1", 1, Accepted(provider_ids=("p",)))
        self.assertEqual(self.figures().statuses(), {"accepted": 1, "uncertain": 1})

    def test_inbound(self) -> None:
        """An SMS that came in, by its channel; an unknown channel breaks nothing."""
        for channel in ("a", "a", "gone"):
            inbound = Inbound(
                channel=channel, from_="+79160000000", to=None,
                received_at=self.clock.seconds(), text="x",
            )  # fmt: skip
            self.successResultOf(self.dispatcher.inbound(inbound))
        self.assertEqual(self.figures().inbound, 2)

    def test_a_changed_channel_goes_on_counting(self) -> None:
        """A new configuration does not begin at 0, which looks like a restart."""
        self.accept(self.message())
        self.hands["a"].answer()
        self.run_to_end(self.dispatcher.close_channel("a", 0.0))
        self.dispatcher.open_channel(HandChannel(name="a", account="account-a"))
        self.assertEqual(self.dispatcher.lanes["a"].figures.accepted, 1)
