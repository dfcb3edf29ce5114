"""Open messages: when each is asked for, and what survives a restart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.open_messages import (
    BUCKETS,
    POLLING,
    RECONCILING,
    OpenMessage,
    OpenMessages,
    SeenMarks,
    bucket_of,
)
from tests.cloud.net import NOW


def one(name: str = "g1", *ids: str, to: str = "+79001234567") -> OpenMessage:
    return OpenMessage(
        message_id=name,
        to=to,
        ids=ids or (f"p-{name}",),
        sent_at=NOW,
        until=NOW + 3600,
    )


def opened(pauses: tuple[float, ...] = POLLING, random: float = 0.5) -> OpenMessages:
    return OpenMessages(pauses, lambda: random)


class ScheduleTests(SynchronousTestCase):
    def test_the_pauses_grow_to_ten_minutes(self) -> None:
        """5, 15, 30, 60, 120, 300 seconds, then 600 again and again."""
        messages, now, pauses = opened(), NOW, []
        messages.add(one())
        for _ in range(9):
            due = messages.next_due()
            assert due is not None
            pauses.append(due - now)
            now = due
            self.assertEqual(len(messages.due(now, 10)), 1)
        self.assertEqual(
            pauses, [5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 600.0, 600.0]
        )

    def test_jitter_is_ten_percent(self) -> None:
        """Many messages of one moment are not asked for in one moment."""
        for random, pause_s in ((0.0, 4.5), (1.0, 5.5)):
            messages = opened(random=random)
            messages.add(one())
            self.assertAlmostEqual((messages.next_due() or 0) - NOW, pause_s)

    def test_with_webhooks_questions_begin_later(self) -> None:
        """They only mend what was lost."""
        messages = opened(RECONCILING)
        messages.add(one())
        self.assertEqual(messages.next_due(), NOW + 120)

    def test_so_many_at_once(self) -> None:
        """The others stay due."""
        messages = opened()
        for n in range(5):
            messages.add(one(f"m{n}"))
        self.assertEqual(messages.due(NOW, 10), [])
        self.assertEqual(len(messages.due(NOW + 5, 2)), 2)
        self.assertEqual(len(messages.due(NOW + 5, 10)), 3)
        self.assertEqual(messages.due(NOW + 5, 10), [])

    def test_nobody_is_asked_for_ever(self) -> None:
        """An hour after its validity, or 72 hours after it was sent."""
        messages, message = opened(), one()
        self.assertFalse(messages.is_over(message, NOW + 7200))
        self.assertTrue(messages.is_over(message, NOW + 7201))
        message.until = NOW + 10**7
        self.assertTrue(messages.is_over(message, NOW + 72 * 3600 + 1))

    def test_a_message_closes_with_its_last_segment(self) -> None:
        """Each provider id has a last word of its own."""
        messages = opened()
        messages.add(one("g1", "a", "b"))
        messages.settle("a")
        self.assertEqual(messages.by_provider("b"), messages.hint("g1", "", None, NOW))
        messages.settle("b")
        self.assertEqual((len(messages), messages.next_due()), (0, None))
        messages.settle("b")

    def test_a_message_that_was_sent_again_is_followed_by_both_ids(self) -> None:
        """Either attempt may be told about."""
        messages = opened()
        messages.add(one("g1", "a"))
        messages.add(one("g1", "b"))
        self.assertEqual(len(messages), 1)
        messages.settle("a")
        kept = messages.by_provider("b")
        self.assertEqual(kept and kept.ids, ("b",))

    def test_the_oldest_goes_when_there_are_too_many(self) -> None:
        """Memory is bounded."""
        messages = OpenMessages(POLLING, lambda: 0.5, most=2)
        for n in range(3):
            messages.add(one(f"m{n}"))
        self.assertEqual(len(messages), 2)
        self.assertIsNone(messages.by_provider("p-m0"))


class HintTests(SynchronousTestCase):
    def test_a_hint_finds_its_message(self) -> None:
        """By our reference, by provider id, by the only number."""
        messages = opened()
        messages.add(one("g1", "a"))
        for hint in (("g1", "", None), (None, "a", None), (None, "", "+79001234567")):
            found = messages.hint(*hint, NOW)
            self.assertEqual(found and found.message_id, "g1", hint)

    def test_a_hint_that_names_the_number_in_national_form(self) -> None:
        """It is the message to that number all the same."""
        messages = opened()
        messages.add(one("g1"))
        for number in ("89001234567", "9001234567", "79001234567"):
            found = messages.hint(None, "", number, NOW)
            self.assertEqual(found and found.message_id, "g1", number)
        self.assertIsNone(messages.hint(None, "", "89001234568", NOW))

    def test_two_messages_to_one_number_are_in_doubt(self) -> None:
        """A number alone counts only when one open message goes there."""
        messages = opened()
        messages.add(one("g1"))
        messages.add(one("g2"))
        self.assertIsNone(messages.hint("other", "", "+79001234567", NOW))

    def test_a_hint_may_come_before_the_answer(self) -> None:
        """For two minutes it is remembered; then the message is asked for at once."""
        for wait_s, due in ((100, NOW), (121, NOW + 5)):
            messages = opened()
            self.assertIsNone(messages.hint(None, "a", None, NOW - wait_s))
            messages.add(one("g1", "a"))
            self.assertEqual(messages.next_due(), due, wait_s)

    def test_hints_about_nobody_are_bounded(self) -> None:
        """Whoever forges them cannot fill our memory."""
        messages = opened()
        for n in range(5000):
            messages.hint(f"x{n}", f"y{n}", None, NOW)
        messages.add(one("x0", "y0"))
        self.assertEqual(messages.next_due(), NOW + 5)


class KeptTests(SynchronousTestCase):
    def test_everything_open_survives_in_buckets(self) -> None:
        """What one process writes down the next one reads, schedule and all."""
        messages = opened()
        for n in range(100):
            messages.add(one(f"m{n}", f"a{n}", f"b{n}"))
        messages.due(NOW + 5, 50)
        messages.settle("a7")
        again = opened()
        for bucket in range(BUCKETS):
            again.load(messages.dump(bucket))
        self.assertEqual(len(again), 100)
        self.assertEqual(again.next_due(), messages.next_due())
        kept = again.by_provider("b7")
        self.assertEqual(kept and kept.ids, ("b7",))

    def test_only_what_changed_is_dirty(self) -> None:
        """One message is one bucket."""
        messages = opened()
        messages.add(one("g1"))
        self.assertEqual(messages.dirty, {bucket_of("g1")})
        messages.dirty.clear()
        messages.close("g1")
        self.assertEqual(messages.dirty, {bucket_of("g1")})
        self.assertEqual(messages.dump(bucket_of("g1")), "[]")
        self.assertEqual(len(messages), 0)

    def test_a_hint_before_the_bookmarks_are_read_is_not_lost(self) -> None:
        """A receipt at the very start makes the kept message be asked for at once."""
        messages = opened(RECONCILING)
        messages.add(one("g1", "p1"))
        messages.add(one("g2", "p2"))
        again = opened(RECONCILING)
        self.assertIsNone(again.hint("g1", "", None, NOW + 3))
        for bucket in range(BUCKETS):
            again.load(messages.dump(bucket))
        self.assertEqual([due.message_id for due in again.due(NOW + 3, 9)], ["g1"])

    @given(st.text(max_size=60))
    def test_a_broken_bookmark_holds_nothing(self, text: str) -> None:
        """It never stops the start."""
        messages = opened()
        messages.load(text)
        self.assertEqual(len(messages), 0)

    @given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=40))
    def test_the_next_question_is_never_forgotten(
        self, steps: list[tuple[int, int]]
    ) -> None:
        """Whatever is added, asked, hastened and settled: what is open is due."""
        messages, now = opened(), NOW
        for wait_s, what in steps:
            now += wait_s
            name = f"m{wait_s % 7}"
            if what <= 1:
                messages.add(one(name))
            elif what == 2:
                messages.settle(f"p-{name}")
            elif what == 3 and (found := messages.by_provider(f"p-{name}")):
                messages.ask_soon(found, now)
            else:
                messages.due(now, 2)
            self.assertEqual(messages.next_due() is None, len(messages) == 0)


class SeenTests(SynchronousTestCase):
    def test_marks_hold_for_their_window(self) -> None:
        """And are bounded in number."""
        seen = SeenMarks(most=2)
        seen.remember("a", NOW + 10)
        self.assertTrue(seen.knows("a", NOW + 9))
        self.assertFalse(seen.knows("a", NOW + 10))
        seen.remember("b", NOW + 10)
        seen.remember("c", NOW + 10)
        self.assertFalse(seen.knows("a", NOW))
        self.assertTrue(seen.knows("c", NOW))
