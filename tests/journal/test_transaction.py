"""Rows and memory say what the records say, however the facts are batched."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.facts import Acceptance, Cancelled, Decided, Final, Hold, Submitted, Wait
from gdemoi.journal import Journal
from gdemoi.journal.message_state import (
    apply,
    apply_deadlines,
    begin,
    deadline,
    receive,
)
from gdemoi.message import Accepted, MessageState, Receipt, Refused, Uncertain
from tests.journal.builders import (
    BAD,
    BUSY,
    NOW,
    TTL,
    acceptance,
    answered,
    attempting,
    receipt,
)

NAMES = ("m1", "m2")
RECEIPT_TTL = 5_000.0
WAITS = st.builds(
    Wait,
    st.sampled_from([NOW, NOW + 50, NOW + 900]),
    st.sampled_from(["mts", "beeline"]),
    st.sampled_from([None, BUSY]),
)
ENDS = st.builds(
    Final, st.sampled_from([MessageState.UNDELIVERED, MessageState.REJECTED])
)
NAME = st.sampled_from(NAMES)
AT = st.sampled_from([NOW, NOW + 60, NOW + TTL])

FOLLOWING = {
    Accepted: st.builds(Submitted, st.sampled_from([False, False, True])),
    Refused: st.one_of(WAITS, ENDS),
    Uncertain: st.one_of(WAITS, st.builds(Hold, AT)),
}
ATTEMPT = st.sampled_from([1, 1, 1, 2, 3])


@st.composite
def endings(draw):
    """Return an answer whose provider id is the message's own."""
    name = draw(NAME)
    outcome = draw(
        st.sampled_from(
            [
                Accepted(provider_ids=(f"id-{name}",)),
                Refused(error=BAD),
                Uncertain(why="lost"),
            ]
        )
    )
    following = draw(FOLLOWING[type(outcome)])
    attempt = draw(ATTEMPT)
    return answered(outcome, following, name=name, attempt=attempt, at=draw(AT))


STEPS = st.one_of(
    st.builds(
        acceptance,
        NAME,
        attempting=st.booleans(),
        following=st.one_of(st.none(), WAITS, ENDS),
    ),
    st.builds(attempting, NAME, ATTEMPT, at=AT),
    endings(),
    endings(),
    st.builds(Decided, NAME, st.one_of(WAITS, ENDS), AT),
    st.builds(Cancelled, NAME, AT),
    NAME.map(lambda name: receipt(f"id-{name}")),
    st.sampled_from([NOW + 60, NOW + TTL, NOW + 20_000]),
)


class ModelTests(SynchronousTestCase):
    """The journal against a dictionary of records."""

    def play(self, journal: Journal, batches) -> dict:
        """Do the steps in both; return the records."""
        records: dict = {}
        batches = [[acceptance(name, attempting=True) for name in NAMES[:1]], *batches]
        for batch in batches:
            journal._writes.hold()
            steps = [step for step in batch if not isinstance(step, float)]
            answers = [self.step(journal, records, step) for step in steps]
            journal._writes.release()
            for answer in answers:
                self.successResultOf(answer)
            sweeps = [step for step in batch if isinstance(step, float)]
            for now in sweeps:
                self.clock.rightNow = max(now, self.clock.rightNow)
                self.successResultOf(journal.sweep(self.clock.rightNow))
                for record in records.values():
                    apply_deadlines(record, self.clock.rightNow, RECEIPT_TTL)
        return records

    def step(self, journal: Journal, records, step) -> Deferred[Any]:
        """Tell the journal and the records of one step."""
        if isinstance(step, Acceptance):
            if step.message.id not in records:
                records[step.message.id] = begin(step)[0]
            return journal.accept([step])
        if isinstance(step, Receipt):
            self.received(records, step)
            return journal.receipt(step)
        if step.id in records:
            self.applied(records, step)
        return journal.note(step)

    def applied(self, records, fact) -> None:
        """Apply a fact to its record; a receipt that came early follows."""
        record = records[fact.id]
        apply(record, fact)
        early = self.early.get(f"id-{fact.id}", [])
        ids = [i for a in record.attempts for i in a.provider_ids]
        if ids and early:
            for found in early:
                receive(record, found, found.provider_id, self.clock.rightNow)
            early.clear()

    def received(self, records, found: Receipt) -> None:
        """Give a receipt to its record, or keep it."""
        for record in records.values():
            ids = [i for a in record.attempts for i in a.provider_ids]
            if found.provider_id in ids:
                receive(record, found, found.provider_id, self.clock.rightNow)
                return
        self.early.setdefault(found.provider_id, []).append(found)

    @settings(max_examples=200)
    @given(
        st.lists(st.lists(STEPS, min_size=1, max_size=5), min_size=2, max_size=9),
        st.sampled_from([0, 1, 20_000]),
    )
    def test_any_batches_come_to_the_same(self, batches, cached) -> None:
        """States, lanes, counts, events and deadlines agree with the records."""
        self.early: dict[str, list[Receipt]] = {}
        self.clock = Clock()
        self.clock.rightNow = NOW
        journal = Journal(
            "sqlite://",
            self.clock,
            inline=True,
            cached=cached,
            receipt_ttl_s=RECEIPT_TTL,
        )
        self.successResultOf(journal.open())
        records = self.play(journal, deepcopy(batches))
        for name, record in records.items():
            story = self.successResultOf(journal.story(name))
            self.assertEqual(
                [(e["seq"], e["state"], e["final"]) for e in story["events"]],
                [(t.seq, t.state.value, t.final) for t in record.events],
            )
        self.agree(journal, records)
        self.successResultOf(journal.close())

    def agree(self, journal: Journal, records) -> None:
        """Compare what can be asked with what the records say."""
        waiting = {n: r for n, r in records.items() if r.lane is not None}
        lanes = Counter(record.lane for record in waiting.values())
        self.assertEqual(journal.backlog(), dict(lanes))
        for lane in ("mts", "beeline"):
            taken = journal.take(lane, 9, 1e12, frozenset())
            self.assertEqual(
                {queued.message.id for queued in self.successResultOf(taken).messages},
                {n for n, record in waiting.items() if record.lane == lane},
            )
        counts = Counter(record.state.value for record in records.values())
        self.assertEqual(self.successResultOf(journal.counts()), dict(counts))
        opened = {i.message.id for i in self.successResultOf(journal.interrupted())}
        unsettled = {
            name
            for name, record in records.items()
            if record.open or (record.held_until is not None and record.attempts)
        }
        self.assertEqual(
            opened, {name for name in unsettled if not records[name].final}
        )
        published = self.successResultOf(journal.events(0, 999))
        self.assertEqual(
            [event.seq for event in published], list(range(1, len(published) + 1))
        )
        self.assertEqual(len(published), sum(r.seq for r in records.values()))
        rows = journal._transaction.database.rows("SELECT id, deadline FROM messages")
        for name, at in rows:
            true = deadline(records[name], RECEIPT_TTL)
            self.assertEqual(at is None, records[name].final)
            if true is not None:
                self.assertLessEqual(at, max(true, self.clock.rightNow))
