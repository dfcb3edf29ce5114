"""What lines have sent is counted in the commits of intents and outcomes."""

from __future__ import annotations

import msgspec

from gdemoi.facts import AttemptEnded, AttemptStarted, Spend, Wait
from gdemoi.journal.budgets import Row
from gdemoi.message import Error, Refused, Uncertain
from tests.journal.builders import NOW, JournalTestCase, acceptance, attempting, taken

ENDS = NOW + 3600.0
TWO = Spend("goip1/line1", "day:2026-05-01", 2, ENDS)
NUMBER = Spend("goip1/line1>+79161112233", "day:2026-05-01", 2, ENDS)
REFUSED = Refused(error=Error("goip:1", "no", True))


def begun(name: str = "m1", number: int = 1, *spends: Spend) -> AttemptStarted:
    """Return an intent that counts."""
    fact = attempting(name)
    return msgspec.structs.replace(fact, attempt=number, spends=spends or (TWO, NUMBER))


def ended(outcome: Refused | Uncertain, *returned: Spend) -> AttemptEnded:
    """Return the end of attempt 1; the message waits then."""
    fact = taken("p1")
    after = Wait(NOW + 60.0, "a")
    return msgspec.structs.replace(fact, outcome=outcome, next=after, returned=returned)


class BudgetTests(JournalTestCase):
    def spent(self, channel: str = "goip1") -> list[Row]:
        return sorted(self.did(self.journal.spent(channel)))

    def test_an_intent_counts_and_a_refusal_takes_it_off(self) -> None:
        """TR66: two segments are counted with the intent, and given back."""
        self.accept(acceptance())
        self.note(begun())
        self.assertEqual(
            self.spent(),
            [
                ("goip1/line1", "day:2026-05-01", 2, ENDS),
                ("goip1/line1>+79161112233", "day:2026-05-01", 2, ENDS),
            ],
        )
        self.note(ended(REFUSED, TWO, NUMBER))
        self.assertEqual([units for *_, units, _ in self.spent()], [0, 0])

    def test_what_is_not_counted_as_a_fact_counts_nothing(self) -> None:
        """An intent that comes too late, and an outcome that is told twice."""
        self.accept(acceptance())
        self.assertEqual(self.note(begun()), [True])
        self.assertEqual(
            self.note(ended(REFUSED, TWO), ended(REFUSED, TWO)), [True, False]
        )
        self.assertEqual(self.spent()[0][2], 0)
        self.assertEqual(self.note(begun()), [False])
        self.assertEqual(self.spent()[0][2], 0)

    def test_the_same_intent_once_more(self) -> None:
        """Its first commit looked failed: rather one too much than one too few."""
        self.accept(acceptance())
        self.assertEqual(self.note(begun(), begun()), [True, True])
        self.assertEqual(self.spent()[0][2], 4)

    def test_uncertain_stays_counted(self) -> None:
        """TR66: it may have gone out, so it did."""
        self.accept(acceptance())
        self.note(begun(), ended(Uncertain(why="silence")))
        self.assertEqual(self.spent()[0][2], 2)

    def test_many_of_one_batch_are_one_row(self) -> None:
        """What several messages of one commit spend is added up."""
        self.accept(*(acceptance(f"m{n}") for n in range(5)))
        self.journal._writes.hold()
        noted = [self.journal.note(begun(f"m{n}", 1, TWO)) for n in range(5)]
        self.journal._writes.release()
        self.assertEqual([self.did(one) for one in noted], [True] * 5)
        self.assertEqual(self.spent(), [("goip1/line1", "day:2026-05-01", 10, ENDS)])

    def test_a_channel_reads_its_own(self) -> None:
        """Names that begin alike, or hold a wildcard, are others."""
        self.accept(*(acceptance(f"m{n}") for n in range(3)))
        for n, line in enumerate(("goip1/a", "goip12/a", "goip_/a")):
            self.note(begun(f"m{n}", 1, Spend(line, "day:1", 1, ENDS)))
        self.assertEqual(self.spent("goip1"), [("goip1/a", "day:1", 1, ENDS)])
        self.assertEqual(self.spent("goip_"), [("goip_/a", "day:1", 1, ENDS)])

    def test_a_sweep_forgets_what_is_over(self) -> None:
        """A period that has ended is deleted, one that has not is kept."""
        self.accept(acceptance())
        later = Spend("goip1/line1", "month:2026-05-01", 2, ENDS + 1)
        self.note(begun("m1", 1, TWO, later))
        self.sweep(ENDS)
        self.assertEqual([period for _, period, *_ in self.spent()], [later.period])
