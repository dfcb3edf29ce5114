"""When a message still leaves, when the intake opens, what a late word is worth."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from gdemoi.message import Accepted, Error, MessageState, Progress, Refused, Uncertain
from tests.routing.test_dispatcher import Case

BUSY = Refused(error=Error("smpp:0x08", "system error", retryable=True))


class SlowJournal:
    """A journal on a slow disk: what is committed is told later, when `tell` is called.

    Only what a message has to wait for before it leaves: its acceptance and its
    intents.
    """

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.slow = False
        self._untold: list[tuple[Deferred[Any], Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def accept(self, acceptances: Any) -> Deferred[Any]:
        return self._later(self._journal.accept(acceptances))

    def begin(self, fact: Any, done: Any, failed: Any, *args: Any) -> None:
        begun: Deferred[Any] = Deferred()
        self._journal.begin(fact, begun.callback, begun.errback)
        self._later(begun).addCallbacks(done, failed, args, errbackArgs=args)

    def _later(self, done: Deferred[Any]) -> Deferred[Any]:
        if not self.slow:
            return done
        untold: Deferred[Any] = Deferred()
        done.addCallback(lambda value: self._untold.append((untold, value)))
        return untold

    def tell(self) -> None:
        """Tell of all commits."""
        while self._untold:
            untold, value = self._untold.pop(0)
            untold.callback(value)


class SlowCommitTests(Case):
    """The disk took its time: does what was committed still leave?"""

    def setUp(self) -> None:
        super().setUp()
        self.end(self.dispatcher)
        self.disk = SlowJournal(self.journal)
        self.dispatcher = self.build(self.disk)  # type: ignore[arg-type]

    def test_at_once_from_the_door(self) -> None:
        """Attempt 1 rides in the commit of the acceptance."""
        for took_s, leaves in ((0.0, 1), (19.9, 1), (20.0, 0), (20.1, 0), (900.0, 0)):
            id_ = f"m{took_s:g}"
            expires_at = self.clock.seconds() + 20.0
            self.disk.slow = True
            message = self.message(id_, expires_at=expires_at)
            self.dispatcher.intake.accept([(message, b"")])
            self.passes(took_s, id_, leaves)

    def test_out_of_the_line(self) -> None:
        """It stood behind another one; its intent is a commit of its own."""
        hand = self.hands["a"]
        hand.window = 1
        for took_s, leaves in ((0.0, 1), (9.9, 1), (10.0, 0), (10.1, 0), (900.0, 0)):
            id_ = f"m{took_s:g}"
            expires_at = self.clock.seconds() + 20.0
            self.accept(self.message(f"first-{id_}"))
            self.accept(self.message(id_, expires_at=expires_at))
            self.clock.advance(10.0)
            self.disk.slow = True
            hand.answer(Accepted(provider_ids=(f"p-{id_}",)))
            self.passes(took_s, id_, leaves)

    def passes(self, took_s: float, id_: str, leaves: int) -> None:
        """Let a commit take so long; see whether the message left, and its end."""
        hand = self.hands["a"]
        # not by a sweep in the meantime: that would be the journal's own doing
        self.clock.rightNow += took_s
        self.disk.slow = False
        self.disk.tell()
        self.assertEqual((took_s, hand.ids.count(id_)), (took_s, leaves))
        if leaves:
            hand.answer(Accepted(provider_ids=(f"p-{id_}",)))
        end = "submitted" if leaves else "expired"
        self.assertEqual((took_s, self.states(id_)[-1]), (took_s, end))
        self.assertEqual(self.events(id_)[-1]["final"], not leaves)


class DoorTests(Case):
    def test_where_the_door_closes_and_opens_again(self) -> None:
        """Closed at 50, open again under nine tenths of it, and then up to 50."""
        hand = self.hands["a"]
        hand.down = "no bind"
        self.accept(*(self.message(f"m{n}") for n in range(49)))
        self.assertEqual(self.waiting(), (49, False))
        self.accept(self.message("m49"))
        self.assertEqual(self.waiting(), (50, True))
        found = []
        for _ in range(7):
            self.one_leaves()
            found.append(self.waiting())
        self.assertEqual(found[:5], [(n, True) for n in (49, 48, 47, 46, 45)])
        self.assertEqual(found[5:], [(44, False), (43, False)])
        for number in range(7):
            self.accept(self.message(f"again{number}"))
            waiting = 44 + number
            self.assertEqual(self.waiting(), (waiting, waiting >= 50))
        self.refuse(self.message("more"))

    def one_leaves(self) -> None:
        hand = self.hands["a"]
        hand.down, hand.window = None, 1
        self.dispatcher.able(hand)
        hand.down = "no bind"
        hand.answer()

    def waiting(self) -> tuple[int, bool]:
        """Return how many wait, and whether nothing is taken."""
        return sum(self.journal.backlog().values()), self.dispatcher.intake.full()


def part(*ids: str | None) -> Progress:
    """Return what the far side has of a message in parts."""
    return Progress(account="account-a", ids=ids, segments=len(ids), form="f")


class LateTests(Case):
    """An answer after its time, by what was known before and what it says."""

    def test_what_a_late_answer_is_worth(self) -> None:
        """A late doubt is no news; a late certainty is, once."""
        nobody = Uncertain(why="no answer", segments=2)
        for late, states, sent in (
            ((nobody,), ["accepted", "uncertain"], 1),
            ((nobody, nobody), ["accepted", "uncertain"], 1),
            ((Accepted(provider_ids=("p",)),), ["accepted", "submitted"], 1),
            ((Accepted(provider_ids=("p",)), nobody), ["accepted", "submitted"], 1),
            ((nobody, Accepted(provider_ids=("p",))), ["accepted", "submitted"], 1),
            ((BUSY,), ["accepted", "waiting"], 2),
            ((BUSY, nobody), ["accepted", "waiting"], 2),
        ):
            with self.subTest(late):
                self.setUp()
                self.accept(self.command("c1"))
                self.hands["a"].answer(nobody)
                for one in late:
                    self.dispatcher.late("c1", 1, one)
                self.clock.pump([1.0] * 40)
                self.assertEqual(self.states("c1"), states)
                self.assertEqual(len(self.hands["a"].ids), sent)

    def test_a_late_doubt_that_knows_a_segment_more(self) -> None:
        """Its id is kept, its receipt counts, and nothing leaves because of it."""
        for policy, sent in (("c1", 1), ("n1", 2)):
            with self.subTest(policy):
                self.setUp()
                make = self.command if policy == "c1" else self.message
                self.accept(make(policy))
                self.hands["a"].answer(Uncertain(why="no answer", segments=2))
                late = Uncertain(
                    why="no answer",
                    provider_ids=("p1",),
                    segments=2,
                    progress=part("p1", None),
                )
                self.dispatcher.late(policy, 1, late)
                match = self.successResultOf(
                    self.dispatcher.receipt(self.receipt("p1"))
                )
                self.assertEqual(match and match.message_id, policy)
                self.clock.pump([1.0] * 20)
                self.assertEqual(len(self.hands["a"].ids), sent)
                self.assertNotIn("delivered", self.states(policy))

    def test_a_late_answer_counts_after_a_resend(self) -> None:
        """The first SMS was taken after all: the second one's refusal ends nothing."""
        self.accept(self.message("n1"))
        self.hands["a"].answer(Uncertain(why="no answer"))
        self.clock.pump([1.0] * 12)
        self.assertEqual(self.hands["a"].ids, ["n1", "n1"])
        self.dispatcher.late("n1", 1, Accepted(provider_ids=("p1",)))
        self.hands["a"].answer(Refused(error=Error("smpp:0x0b", "no such number")))
        self.successResultOf(
            self.dispatcher.receipt(self.receipt("p1", MessageState.DELIVERED))
        )
        self.assertEqual(self.states("n1")[-1], "delivered")
        self.assertEqual([e["final"] for e in self.events("n1")].count(True), 1)
