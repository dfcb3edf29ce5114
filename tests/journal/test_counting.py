"""What the journal counts: of what is committed, and nothing else."""

from __future__ import annotations

from gdemoi.errors import Unavailable
from gdemoi.facts import Wait
from gdemoi.message import MessageState
from tests.journal.builders import (
    NOW,
    JournalTestCase,
    acceptance,
    receipt,
    refused,
    taken,
)


class FiguresTests(JournalTestCase):
    def states(self) -> dict[tuple[str | None, str], int]:
        """Return how often each state was reached, by channel."""
        counted = self.journal.figures().states
        return {(channel, str(state)): n for (channel, state), n in counted.items()}

    def test_states_by_channel(self) -> None:
        """Each step of each message, also of those that want no events of it."""
        self.accept(acceptance("a", attempting=True), acceptance("b", attempting=True))
        self.note(taken("p1", name="a"))
        self.note(refused(Wait(NOW + 9, "beeline"), name="b"))
        self.receive(receipt("p1"))
        self.assertEqual(
            self.states(),
            {
                ("mts", "accepted"): 2,
                ("mts", "submitted"): 1,
                ("beeline", "waiting"): 1,
                ("mts", "delivered"): 1,
            },
        )

    def test_how_long_receipts_take(self) -> None:
        """From the attempt to the receipt that ended the message, once."""
        self.accept(acceptance("a", attempting=True))
        self.note(taken("p1", name="a"))
        self.clock.advance(2)
        self.receive(receipt("p1", MessageState.ENROUTE))
        self.assertEqual(self.journal.figures().submit_to_receipt, {})
        self.clock.advance(40)
        self.receive(receipt("p1"))
        self.receive(receipt("p1"))
        waits = self.journal.figures().submit_to_receipt["mts"]
        self.assertEqual((waits.count, waits.sum), (1, 42.0))

    def test_what_is_rolled_back_is_not_counted(self) -> None:
        """A commit that fails has told nothing."""
        database = self.journal._database

        def broken() -> None:
            raise Unavailable("no disk")

        real, database.commit = database.commit, broken  # type: ignore[method-assign]
        self.failureResultOf(self.journal.accept([acceptance("a")]), Unavailable)
        commits = self.journal.figures().commit_s.count
        database.commit = real  # type: ignore[method-assign]
        self.assertEqual(self.states(), {})
        self.accept(acceptance("a"))
        self.assertEqual(self.states(), {("mts", "accepted"): 1})
        self.assertEqual(self.journal.figures().commit_s.count, commits + 1)

    def test_the_size_of_a_batch(self) -> None:
        """Messages count each, whatever request brought them."""
        before = self.journal.figures().batch_size.sum
        self.accept(*[acceptance(f"m{number}") for number in range(7)])
        self.assertEqual(self.journal.figures().batch_size.sum - before, 7)

    def test_the_oldest_that_could_leave(self) -> None:
        """Age begins with the acceptance, or with `not_before`."""
        self.accept(
            acceptance("later", not_before=NOW + 500, accepted_at=NOW - 9_000),
            acceptance("old", accepted_at=NOW - 120),
            acceptance("new", accepted_at=NOW - 5),
            acceptance("there", "beeline", accepted_at=NOW - 1),
        )
        found = self.did(self.journal.stored_figures())
        self.assertEqual(found.oldest_s, {"mts": 120.0, "beeline": 1.0})
        self.clock.advance(700)
        found = self.did(self.journal.stored_figures())
        self.assertEqual(found.oldest_s, {"mts": 820.0, "beeline": 701.0})

    def test_what_was_due_grows_old(self) -> None:
        """A message that could leave at `not_before` and did not."""
        self.accept(acceptance("later", not_before=NOW + 500, accepted_at=NOW - 9_000))
        self.assertEqual(self.did(self.journal.stored_figures()).oldest_s, {"mts": 0.0})
        self.clock.advance(530)
        found = self.did(self.journal.stored_figures()).oldest_s
        self.assertEqual(found, {"mts": 30.0})

    def test_states_and_unmatched(self) -> None:
        """What is there now, whenever it came."""
        self.accept(acceptance("a"), acceptance("b"))
        self.receive(receipt("nobody's"))
        found = self.did(self.journal.stored_figures())
        self.assertEqual((dict(found.states), found.unmatched), ({"accepted": 2}, 1))
