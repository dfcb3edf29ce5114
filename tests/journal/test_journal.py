"""The journal as the gateway calls it, in memory and on a file, without threads."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from gdemoi.facts import (
    Cancelled,
    Decided,
    Decision,
    Duplicate,
    Final,
    Hold,
    IdReused,
    QueuedBatch,
    Stored,
    Wait,
)
from gdemoi.interfaces import IJournal
from gdemoi.journal import Journal
from gdemoi.journal.stored_form import (
    MessageRecord,
    StoredAttempt,
    decode_record,
    encode_record,
)
from gdemoi.message import (
    Error,
    MessageState,
    ReceiptId,
    Report,
    Uncertain,
    provider_key,
)
from tests.journal.builders import (
    BAD,
    BUSY,
    NOW,
    TTL,
    JournalTestCase,
    acceptance,
    answered,
    attempting,
    held,
    progress,
    receipt,
    refused,
    refused_in_part,
    taken,
    unsure,
)

DAY = 86_400.0


class LifeTests(JournalTestCase):
    def test_it_is_an_ijournal(self) -> None:
        """The seam is kept."""
        self.assertTrue(verifyObject(IJournal, self.journal))

    def test_a_trace_is_in_every_event(self) -> None:
        """Of a message that came with one; others have no such field."""
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        self.accept(acceptance("a", traceparent=trace), acceptance("b"))
        first, second = self.did(self.journal.events(0, 10))
        self.assertEqual(first.traceparent, trace)
        self.assertEqual(msgspec.json.decode(first.body)["traceparent"], trace)
        self.assertIsNone(second.traceparent)
        self.assertNotIn("traceparent", msgspec.json.decode(second.body))
        story = self.did(self.journal.story("a"))
        assert story is not None
        self.assertEqual(story["events"][0]["traceparent"], trace)
        self.assertEqual(story["message"]["traceparent"], trace)

    def test_what_nobody_can_count_is_told(self) -> None:
        """Times beyond the calendar and numbers beyond floats hide no message.

        Neither its story nor a search that finds it nor its events.
        """
        odd = acceptance(expires_at=1e300, correlation=msgspec.Raw(b"[1e999,-0]"))
        self.accept(odd)
        found, _ = self.did(self.journal.search({}, 10, None))
        self.assertEqual(found[0]["expires_at"], "9999-12-31T23:59:59.000Z")
        story = msgspec.json.encode(self.story())
        self.assertEqual(story.count(b'"correlation":[1e999,-0]'), 2)
        (event,) = self.did(self.journal.events(0, 10))
        self.assertIn(b'"correlation":[1e999,-0]', event.body)

    def test_a_receipt_with_a_date_beyond_the_calendar(self) -> None:
        """It counts, and the story shows the end of the calendar."""
        self.accept(acceptance(attempting=True))
        self.note(taken("a1"))
        self.receive(receipt("a1", at=253402387139.0))
        self.assertEqual(self.states()[-1], ("delivered", True))
        stamp = self.story()["receipts"][0]["stamp"]
        self.assertEqual(stamp, "9999-12-31T23:59:59.000Z")

    def test_the_newest_number_outlives_its_events(self) -> None:
        """An outbox that was swept empty still knows how far it had come."""
        self.assertEqual(self.did(self.journal.newest_seq()), 0)
        self.accept(acceptance(attempting=True))
        self.note(taken("a1"))
        self.assertEqual(self.did(self.journal.newest_seq()), 2)
        self.sweep(NOW + 400 * DAY)
        self.sweep(NOW + 800 * DAY)
        kept = self.journal._reads.put(self.journal._queries.last_seq)
        self.assertEqual(self.did(kept), 0)
        self.assertGreater(self.did(self.journal.newest_seq()), 2)

    def test_whole_life(self) -> None:
        """Accepted, submitted, delivered: as docs/events.rst, "States", has it."""
        self.assertEqual(self.accept(acceptance(attempting=True)), [Stored()])
        self.assertEqual(self.note(taken("a1", "a2")), [True])
        self.receive(receipt("a1"))
        match = self.receive(receipt("a2"))
        self.assertEqual((match.message_id, match.provider_id), ("m1", "a2"))
        bodies = self.bodies()
        self.assertEqual(
            self.states(),
            [
                ("accepted", False),
                ("submitted", False),
                ("enroute", False),
                ("delivered", True),
            ],
        )
        self.assertEqual([body["seq"] for body in bodies], [1, 2, 3, 4])
        self.assertEqual(len({body["event_id"] for body in bodies}), 4)
        submitted = {**bodies[1], "event_id": "e"}
        self.assertEqual(
            submitted,
            {
                "v": 1,
                "type": "status",
                "event_id": "e",
                "id": "m1",
                "seq": 2,
                "state": "submitted",
                "final": False,
                "at": "1970-01-12T13:46:41.000Z",
                "channel": "mts",
                "line": None,
                "attempt": 1,
                "segments": {
                    "total": 2,
                    "submitted": 2,
                    "delivered": 0,
                    "failed": 0,
                },
                "provider_ids": ["a1", "a2"],
                "error": None,
                "correlation": {"k": 1},
            },
        )

    def test_routing_keys_and_reply_to(self) -> None:
        """Events carry their key and what the AMQP side echoes."""
        self.accept(
            acceptance("m1", reply_to="answers", correlation_id="c-1"),
            acceptance("m2", None, following=Final(MessageState.REJECTED)),
        )
        events = self.did(self.journal.events(0, 10))
        self.assertEqual(
            [(e.routing_key, e.reply_to, e.correlation_id) for e in events],
            [
                ("status.accepted.mts", "answers", "c-1"),
                ("status.rejected.-", None, None),
            ],
        )

    def test_report_none_and_final(self) -> None:
        """What is not published is still in the story."""
        self.accept(
            acceptance("m1", attempting=True, report=Report.NONE),
            acceptance("m2", attempting=True, report=Report.FINAL),
        )
        for name, provider_id in (("m1", "a1"), ("m2", "a2")):
            self.note(taken(provider_id, name=name))
            self.receive(receipt(provider_id))
        self.assertEqual(self.states("m1"), [])
        self.assertEqual(self.states("m2"), [("delivered", True)])
        events = [event["state"] for event in self.story("m1")["events"]]
        self.assertEqual(events, ["accepted", "submitted", "delivered"])

    def test_duplicate_and_reused_ids(self) -> None:
        """One id, one message; within a batch as between batches."""
        verdicts = self.accept(
            acceptance("m1"),
            acceptance("m1"),
            acceptance("m1", fingerprint=b"other"),
        )
        here = Duplicate(MessageState.ACCEPTED)
        self.assertEqual(verdicts, [Stored(), here, IdReused()])
        self.note(Cancelled("m1", NOW))
        self.assertEqual(
            self.accept(acceptance("m1")), [Duplicate(MessageState.CANCELLED)]
        )
        self.assertEqual(self.accept(acceptance("m1", fingerprint=b"x")), [IdReused()])
        self.assertEqual(len(self.bodies()), 2)

    def test_one_batch_of_everything(self) -> None:
        """A whole life in one transaction comes to the same."""
        writes = self.journal._writes
        writes.hold()
        answers = [
            self.journal.accept([acceptance(attempting=True)]),
            self.journal.note(taken("a1")),
            self.journal.receipt(receipt("0A1")),
            self.journal.accept([acceptance()]),
        ]
        writes.release()
        results = [self.did(answer) for answer in answers]
        self.assertEqual(results[0], [Stored()])
        self.assertEqual(results[2].message_id, "m1")
        self.assertEqual(results[3], [Duplicate(MessageState.DELIVERED)])
        self.assertEqual(self.states()[-1], ("delivered", True))

    def test_unknown_message(self) -> None:
        """A fact about nothing is False, a story None."""
        self.assertEqual(self.note(attempting("nobody")), [False])
        self.assertIsNone(self.story("nobody"))

    def test_a_job_that_cannot_be_done_does_not_hurt_its_batch(self) -> None:
        """A text that no database takes fails alone."""
        writes = self.journal._writes
        writes.hold()
        good = self.journal.accept([acceptance("good")])
        bad = self.journal.accept([acceptance("bad", from_="\ud800")])
        also = self.journal.accept([acceptance("also")])
        writes.release()
        self.assertEqual(self.did(good), [Stored()])
        self.assertEqual(self.did(also), [Stored()])
        self.failureResultOf(bad, UnicodeEncodeError)
        self.assertIsNone(self.story("bad"))


class ReceiptTests(JournalTestCase):
    def test_receipt_before_the_answer(self) -> None:
        """Kept, visible, and given to its message when the answer names it."""
        self.accept(acceptance(attempting=True))
        self.assertIsNone(self.receive(receipt("0A1")))
        [(at, found)] = self.did(self.journal.unmatched(10))
        self.assertEqual((at, found.provider_id), (NOW, "0A1"))
        self.assertEqual(self.did(self.journal.count_unmatched()), 1)
        self.note(taken("a1"))
        self.assertEqual(
            self.states()[-2:], [("submitted", False), ("delivered", True)]
        )
        self.assertEqual(self.did(self.journal.unmatched(10)), [])

    def test_receipt_of_another_account_is_kept_apart(self) -> None:
        """The same id at another carrier is another message's."""
        self.accept(acceptance(attempting=True))
        self.note(taken("a1"))
        self.assertIsNone(self.receive(receipt("a1", account="beeline")))
        self.assertEqual(self.states()[-1], ("submitted", False))

    def test_unmatched_receipts_are_forgotten_after_a_day(self) -> None:
        """A day is enough for any answer."""
        self.receive(receipt("a1"))
        self.sweep(NOW + DAY - 1)
        self.assertEqual(len(self.did(self.journal.unmatched(10))), 1)
        self.sweep(NOW + DAY)
        self.assertEqual(self.did(self.journal.unmatched(10)), [])
        self.accept(acceptance(attempting=True))
        self.note(taken("a1"))
        self.assertEqual(self.states()[-1], ("submitted", False))

    def test_every_id_that_a_receipt_names_is_tried(self) -> None:
        """A foreign first id hides nothing; the story tells."""
        for index, first in enumerate(("FOREIGN99", "0", "6fa459ea-ee8a-3ca4")):
            name, own = f"m{index}", f"100{index}"
            self.accept(acceptance(name, attempting=True))
            self.note(taken(own, name=name))
            found = receipt(first, keys=(provider_key(first),))
            match = self.receive(replace(found, also=(ReceiptId(own, (own,)),)))
            self.assertEqual((match.message_id, match.provider_id), (name, own))
            self.assertEqual(self.states(name)[-1], ("delivered", True))
            [said] = self.story(name)["receipts"]
            self.assertEqual(said["provider_id"], first)
            self.assertEqual(said["matched_by"], own)

    def test_the_same_spelling_of_the_second_id_goes_first(self) -> None:
        """A look-alike of the first id is not preferred to it."""
        self.accept(
            acceptance("m1", attempting=True), acceptance("m2", attempting=True)
        )
        self.note(taken("ff", name="m1"), taken("1000", name="m2"))
        found = receipt("255", keys=("255", "ff"), also=(ReceiptId("1000", ("1000",)),))
        self.assertEqual(self.receive(found).message_id, "m2")

    def test_two_ids_before_the_answer(self) -> None:
        """A kept receipt is found by either, and kept no longer."""
        found = receipt("FOREIGN99", also=(ReceiptId("1000", ("1000",)),))
        self.assertIsNone(self.receive(found))
        self.accept(acceptance(attempting=True))
        self.note(taken("1000"))
        self.assertEqual(self.states()[-1], ("delivered", True))
        self.assertEqual(self.did(self.journal.count_unmatched()), 0)

    def test_one_receipt_for_the_whole(self) -> None:
        """Any of the ids, and each state once."""
        for index, named in enumerate(("a", "c")):
            name = f"m{index}"
            self.accept(acceptance(name, attempting=True))
            self.note(taken(*(f"{name}{i}" for i in "abc"), name=name))
            self.receive(receipt(f"{name}{named}", MessageState.ENROUTE, whole=True))
            self.receive(receipt(f"{name}{named}", whole=True))
            self.assertEqual(
                self.states(name)[-2:], [("enroute", False), ("delivered", True)]
            )
            last = [b for b in self.bodies() if b["id"] == name][-1]
            self.assertEqual(last["segments"]["delivered"], 3)

    def test_one_receipt_of_a_segment_is_not_the_whole(self) -> None:
        """Without the key each segment is waited for."""
        self.accept(acceptance(attempting=True))
        self.note(taken("a", "b"))
        self.receive(receipt("a"))
        self.assertEqual(self.states()[-1], ("enroute", False))

    def test_matched_by_our_own_id_is_told(self) -> None:
        """The id that a cloud echoes is the one that led there."""
        self.accept(acceptance(attempting=True))
        self.receive(receipt("T1", message_id="m1"))
        [said] = self.story()["receipts"]
        self.assertEqual(said["matched_by"], "m1")

    def test_receipt_by_our_own_id(self) -> None:
        """A provider that echoes our id needs no other."""
        self.accept(acceptance(attempting=True))
        match = self.receive(receipt("T1", message_id="m1"))
        self.assertEqual(match.message_id, "m1")
        self.assertEqual(self.states()[-1], ("delivered", True))

    def test_our_own_id_from_a_channel_that_never_had_it(self) -> None:
        """A stranger cannot deliver our message."""
        self.accept(acceptance(attempting=True))
        self.note(taken("a1"))
        found = receipt("T1", message_id="m1", channel="twilio", account="twilio")
        self.assertIsNone(self.receive(found))
        self.assertEqual(self.states()[-1], ("submitted", False))

    def test_hex_receipt_for_a_decimal_id(self) -> None:
        """Matched by the keys of the channel, and the id shown as stored."""
        self.accept(acceptance(attempting=True))
        self.note(taken("255"))
        match = self.receive(receipt("FF", keys=("ff", "255"), about="9161112233"))
        self.assertEqual((match.provider_id, match.key), ("255", "255"))

    def test_receipt_after_the_end_is_in_the_story(self) -> None:
        """The second last word changes nothing."""
        self.accept(acceptance(attempting=True))
        self.note(taken("a1"))
        self.receive(receipt("a1"))
        match = self.receive(receipt("a1", MessageState.UNDELIVERED))
        self.assertEqual(match.message_id, "m1")
        story = self.story()
        self.assertEqual(story["state"], "delivered")
        self.assertEqual([r["counted"] for r in story["receipts"]], [True, False])


class ProgressTests(JournalTestCase):
    """What is known of a message that has left in part."""

    WAIT = Wait(NOW + 5, "mts", BUSY)

    def begun(self, *ids: str | None, following: Decision = WAIT) -> None:
        """Take a message whose first attempt was refused in part."""
        self.accept(acceptance(attempting=True))
        self.note(refused_in_part(following, *ids))

    def test_the_lane_hears_of_it(self) -> None:
        """With the ids, the reference and the account."""
        self.begun("a1", None, "")
        [queued] = self.take("mts", NOW + 9).messages
        self.assertEqual(queued.progress, progress("a1", None, ""))
        self.assertEqual(self.story()["provider_ids"], ["a1"])
        self.assertEqual(self.story()["attempts"][0]["segments"], 3)

    def test_so_does_the_start(self) -> None:
        """An attempt without outcome, and one that is held."""
        self.begun("a1", None)
        self.note(attempting(attempt=2, at=NOW + 6))
        [found] = self.did(self.journal.interrupted())
        self.assertEqual((found.held, found.progress), (False, progress("a1", None)))
        outcome = Uncertain(
            why="?",
            provider_ids=("a1",),
            segments=2,
            progress=progress("a1", None),
        )
        self.note(answered(outcome, held(), attempt=2))
        [found] = self.did(self.journal.interrupted())
        self.assertEqual((found.held, found.progress), (True, progress("a1", None)))
        self.assertEqual(found.provider_ids, ("a1",))

    def test_receipts_before_the_outcome(self) -> None:
        """They come before the refusal is written, and match it."""
        self.accept(acceptance(attempting=True))
        self.assertIsNone(self.receive(receipt("a1")))
        self.note(refused_in_part(self.WAIT, "a1", None))
        self.assertEqual(self.did(self.journal.count_unmatched()), 0)
        self.note(attempting(attempt=2, at=NOW + 6), taken("a1", "a2", attempt=2))
        self.assertEqual(self.states()[-1], ("submitted", False))
        self.receive(receipt("a2"))
        self.assertEqual(self.states()[-1], ("delivered", True))

    def test_ids_of_a_final_refusal(self) -> None:
        """Receipts match, also spelled otherwise; a part that arrived is no whole."""
        self.begun("0A1", None, following=Final(MessageState.REJECTED, BAD))
        self.assertEqual(self.receive(receipt("0A1")).message_id, "m1")
        self.assertEqual(self.did(self.journal.count_unmatched()), 0)
        self.assertEqual(self.states()[-1], ("uncertain", False))

    def test_shared_ids(self) -> None:
        """Rows of the provider ids are one for each id."""
        self.accept(acceptance(attempting=True))
        self.note(taken("77", "77", "8"))
        self.assertEqual(self.receive(receipt("77")).message_id, "m1")
        self.receive(receipt("77"))
        self.assertEqual(self.states()[-1], ("enroute", False))
        self.receive(receipt("8"))
        self.assertEqual(self.states()[-1], ("delivered", True))
        self.assertEqual(self.bodies()[-1]["segments"]["delivered"], 3)

    def test_a_record_of_before(self) -> None:
        """Rows without the new fields are read as they were meant."""
        whole = msgspec.msgpack.decode(encode_record(MessageRecord(NOW, attempt=3)))
        last = MessageRecord.__struct_fields__.index("attempt")
        old = msgspec.msgpack.encode(whole[: last + 1])
        record = decode_record(old)
        self.assertEqual((record.attempt, record.progress), (3, None))
        attempt = msgspec.msgpack.encode([1, "mts", NOW, "unsure", NOW, "mts"])
        known = msgspec.msgpack.decode(attempt, type=StoredAttempt)
        self.assertEqual((known.taken, known.counts()), (0, (0, 0, 0, 0)))

    def test_an_uncertain_end_without_an_attempt(self) -> None:
        """What can never follow is told uncertain, with the reason."""
        self.begun("a1", None)
        why = Error("gateway:partly_sent", "the rest cannot follow")
        self.assertEqual(self.note(Decided("m1", Hold(NOW + 6, why), NOW + 6)), [True])
        self.assertEqual(self.note(Cancelled("m1", NOW + 6)), [False])
        self.assertEqual(self.journal.backlog(), {})
        self.sweep(NOW + 7)
        self.assertEqual(self.states()[-1], ("uncertain", False))
        self.assertEqual(self.bodies()[-1]["error"]["code"], "gateway:partly_sent")
        self.receive(receipt("a1"))
        self.sweep(NOW + 40 * 86_400)
        self.assertEqual(self.states()[-1], ("uncertain", True))


class BacklogTests(JournalTestCase):
    def taken_names(self, now: float = NOW, limit: int = 10, *skip: str) -> list[str]:
        """Return the ids at the head of lane mts."""
        batch = self.did(self.journal.take("mts", limit, now, frozenset(skip)))
        return [one.message.id for one in batch.messages]

    def test_by_priority_then_by_age(self) -> None:
        """Commands overtake; equals keep their order."""
        self.accept(
            acceptance("a"),
            acceptance("b", priority=7),
            acceptance("c"),
            acceptance("d", "beeline"),
            acceptance("e", priority=7),
        )
        self.assertEqual(self.taken_names(), ["b", "e", "a", "c"])
        self.assertEqual(self.taken_names(NOW, 2, "b"), ["e", "a"])
        self.assertEqual(self.journal.backlog(), {"mts": 4, "beeline": 1})

    def test_not_before_it_is_due(self) -> None:
        """What waits for later is taken later, in its place."""
        later = Wait(NOW + 60, "mts")
        self.accept(acceptance("later", priority=9, following=later), acceptance("now"))
        self.assertEqual(self.taken_names(NOW + 59), ["now"])
        self.assertEqual(self.take("mts", NOW + 59).next_due, NOW + 60)
        self.assertEqual(self.taken_names(NOW + 60), ["later", "now"])
        self.assertIsNone(self.take("mts", NOW + 60).next_due)
        self.sweep(NOW + 61)
        self.assertEqual(self.taken_names(NOW + 61), ["later", "now"])

    def test_when_the_next_is_due_is_of_the_same_moment(self) -> None:
        """Who reads the lane for another time meanwhile changes nothing.

        `adopt_orphans` reads all of a lane, due or not; the lane must still hear when
        it has to look again.
        """
        self.accept(
            acceptance("soon", following=Wait(NOW + 5, "mts")),
            acceptance("later", following=Wait(NOW + 60, "mts")),
            acceptance("elsewhere", following=Wait(NOW + 1, "beeline")),
        )
        self.assertEqual(len(self.take("mts", float("inf")).messages), 2)
        self.assertEqual(self.take("mts", NOW), QueuedBatch([], NOW + 5))
        self.assertEqual(self.take("mts", NOW + 5).next_due, NOW + 60)
        self.assertIsNone(self.take("megafon", NOW).next_due)

    def test_retries_know_what_was_tried(self) -> None:
        """The lane hears of channels and attempts that came before."""
        self.accept(acceptance(attempting=True))
        self.note(refused(Wait(NOW + 5, "beeline", BUSY)))
        self.assertEqual(self.journal.backlog(), {"beeline": 1})
        [queued] = self.take("beeline", NOW + 5).messages
        self.assertEqual(
            (queued.tried, queued.due, queued.attempts, queued.channel),
            (("mts",), NOW + 5, 1, "beeline"),
        )
        self.assertEqual(
            self.note(attempting(attempt=2, channel="beeline", at=NOW + 5)), [True]
        )
        self.assertEqual(self.journal.backlog(), {})

    def test_moved_lane(self) -> None:
        """A message stands in one lane only."""
        self.accept(acceptance())
        self.note(Decided("m1", Wait(NOW, "beeline"), NOW))
        self.assertEqual(self.taken_names(), [])
        self.assertEqual(self.journal.backlog(), {"beeline": 1})


class SweepTests(JournalTestCase):
    settings = {"keep_s": 30 * DAY, "receipt_ttl_s": DAY}  # noqa: RUF012

    def test_expired(self) -> None:
        """What waits past its time is expired, and leaves its lane."""
        self.accept(acceptance())
        self.sweep(NOW + TTL - 1)
        self.assertEqual(self.states(), [("accepted", False)])
        self.sweep(NOW + TTL)
        self.assertEqual(self.states()[-1], ("expired", True))
        self.assertEqual(self.journal.backlog(), {})

    def test_open_attempts_are_left_alone(self) -> None:
        """Sweeping does not end what is on its way, nor loops over it."""
        self.accept(*(acceptance(f"m{n}", attempting=True) for n in range(501)))
        self.sweep(NOW + 2 * TTL)
        self.assertEqual(len(self.bodies()), 501)
        self.assertEqual(len(self.did(self.journal.interrupted())), 501)

    def test_held_is_told_uncertain_at_its_time(self) -> None:
        """The hold may end before the expiry."""
        self.accept(acceptance(attempting=True))
        self.note(unsure(held(NOW + 60)))
        self.sweep(NOW + 59)
        self.assertEqual(self.states(), [("accepted", False)])
        self.sweep(NOW + 60)
        self.assertEqual(self.states()[-1], ("uncertain", False))
        self.sweep(NOW + 60 + DAY)
        self.assertEqual(self.states()[-1], ("uncertain", True))

    def test_settled_counts_from_the_last_fact(self) -> None:
        """A day after the last receipt, not after the acceptance."""
        self.accept(acceptance(attempting=True))
        self.note(taken("a1", "a2"))
        self.sweep(NOW + TTL + 1)
        self.receive(receipt("a1"))
        self.sweep(NOW + DAY + 2)
        self.assertEqual(self.states()[-1], ("enroute", False))
        self.sweep(NOW + DAY + TTL + 2)
        self.assertEqual(self.states()[-1], ("enroute", True))
        self.assertEqual(self.bodies()[-1]["error"]["code"], "gateway:no_receipt")

    def test_retention(self) -> None:
        """What is over goes after journal_keep, what is not stays."""
        self.accept(
            acceptance("over", attempting=True), acceptance("open", attempting=True)
        )
        self.note(taken("a1", name="over"))
        self.receive(receipt("a1"))
        self.sweep(NOW + 29 * DAY)
        self.assertIsNotNone(self.story("over"))
        self.sweep(NOW + 31 * DAY)
        self.assertIsNone(self.story("over"))
        self.assertIsNotNone(self.story("open"))
        self.assertEqual(self.did(self.journal.counts()), {"accepted": 1})
        self.assertIsNone(self.receive(receipt("a1")))
        self.assertEqual(self.accept(acceptance("over")), [Stored()])

    def test_counts_by_state(self) -> None:
        """The numbers of the status page follow the states."""
        self.accept(acceptance("a", attempting=True), acceptance("b"))
        self.note(taken("a1", name="a"))
        self.assertEqual(
            self.did(self.journal.counts()), {"submitted": 1, "accepted": 1}
        )


class EventTests(JournalTestCase):
    def test_told_after_each_commit_with_events(self) -> None:
        """Publishers wake up once per commit."""
        events: list[int] = []
        self.journal.on_events(events.append)
        self.accept(acceptance("a"), acceptance("b"))
        self.did(self.journal.set_cursor("amqp", "1"))
        self.note(Cancelled("a", NOW))
        self.assertEqual(events, [2, 3])

    def test_bookmarks(self) -> None:
        """A cursor is what was last written, None before."""
        self.assertIsNone(self.did(self.journal.cursor("amqp")))
        self.did(self.journal.set_cursor("amqp", "7"))
        self.did(self.journal.set_cursor("amqp", "8"))
        self.assertEqual(self.did(self.journal.cursor("amqp")), "8")

    def test_channel_and_line_changes(self) -> None:
        """News of binds and lines are events of their own."""
        self.did(self.journal.changed("mts", None, "down", "timeout", NOW))
        self.did(self.journal.changed("office", "goip1", "up", "registered", NOW))
        events = self.did(self.journal.events(0, 10))
        self.assertEqual(
            [event.routing_key for event in events],
            ["channel.mts", "line.office.goip1"],
        )
        line = msgspec.json.decode(events[1].body)
        self.assertEqual(
            {**line, "event_id": ""},
            {
                "v": 1,
                "type": "line",
                "event_id": "",
                "channel": "office",
                "line": "goip1",
                "state": "up",
                "reason": "registered",
                "at": "1970-01-12T13:46:40.000Z",
            },
        )

    def test_read_in_pieces(self) -> None:
        """`after` and `limit` page through the outbox without gaps."""
        self.accept(*(acceptance(f"m{n}") for n in range(250)))
        seqs, after = [], 0
        while events := self.did(self.journal.events(after, 90)):
            seqs += [event.seq for event in events]
            after = seqs[-1]
        self.assertEqual(seqs, list(range(1, 251)))
        self.assertEqual(self.journal.last_seq(), 250)


class MemoryTests(SynchronousTestCase):
    def test_nothing_piles_up(self) -> None:
        """A thousand lives leave no record in memory."""
        clock = Clock()
        clock.rightNow = NOW
        journal = Journal("sqlite://", clock, inline=True)
        self.successResultOf(journal.open())
        for n in range(200):
            for answer in (
                journal.accept([acceptance(f"m{n}", attempting=True)]),
                journal.note(taken(f"a{n}", name=f"m{n}")),
                journal.receipt(receipt(f"a{n}")),
            ):
                self.successResultOf(answer)
        self.assertEqual(len(journal._transaction.cache.live), 0)
        self.assertEqual(len(journal._transaction.cache.by_provider), 0)
        self.successResultOf(journal.close())
