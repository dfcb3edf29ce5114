"""The small rooms of the package: numbers, slots, buckets, timers, tables."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.causes import RETRY, state_of, status_text, text_of
from gdemoi.goip.datagrams import Push
from gdemoi.goip.deadlines import DeadlineHeap
from gdemoi.goip.early_receipts import EARLY_LIMIT, EarlyReceipts
from gdemoi.goip.inbound_repeats import STORED_LIMIT, InboundRepeats, key_of
from gdemoi.goip.joiner import GROUPS_LIMIT, LongSmsJoiner
from gdemoi.goip.line_selection import TALKS_LIMIT, Affinity
from gdemoi.goip.lines import FACTS_LIMIT, Line
from gdemoi.goip.numbers import NumberFormat, agree, is_number, spell, unspell
from gdemoi.goip.receipts import REMEMBERED, SentTable
from gdemoi.goip.sources import TokenBucket
from gdemoi.message import MessageState, provider_key
from tests.goip.rig import HOME, line_settings

forms: st.SearchStrategy[NumberFormat] = st.sampled_from(
    ["as_is", "plus", "noplus", "local"]
)


class NumberTests(SynchronousTestCase):
    @given(forms, st.integers(10**9, 10**10 - 1))
    def test_spelling_comes_back(self, form: NumberFormat, national: int) -> None:
        """What a line is told in its form is read back as E.164."""
        number = f"+7{national}"
        spelled = spell(number, form, "7", "8")
        self.assertTrue(is_number(spelled))
        self.assertEqual(unspell(spelled, form, "7", "8"), number)
        self.assertTrue(agree(spelled, number))

    @given(forms, st.sampled_from(["100", "2121", "MegaFon", "", "+"]))
    def test_short_numbers_and_names_stay(self, form: NumberFormat, given: str) -> None:
        """Service numbers and names are never respelled."""
        self.assertEqual(spell(given, form, "7", "8").lstrip("+"), given.lstrip("+"))
        self.assertEqual(unspell(given, form, "7", "8"), given)

    @given(st.text(max_size=25))
    def test_is_number_lets_no_word_in(self, number: str) -> None:
        """What passes cannot be more than one word of the datagram."""
        if is_number(number):
            self.assertEqual(number.encode("ascii").split(), [number.encode("ascii")])

    def test_other_numbers_do_not_agree(self) -> None:
        """The last nine digits tell phones apart; short numbers as a whole."""
        self.assertFalse(agree("+79160000001", "+79160000002"))
        self.assertFalse(agree("100", "2100"))
        self.assertTrue(agree("+79160000001", "89160000001"))


class SentTableTests(SynchronousTestCase):
    @given(
        st.floats(1.6e9, 1.9e9),
        st.floats(0, 3599),
        st.integers(0, 255).map(str),
    )
    def test_keys_of_a_later_process_hold_the_id(
        self, at: float, later: float, sms_no: str
    ) -> None:
        """Within the hour a table that remembers nothing still finds the key."""
        sms = SentTable("goip1").note(sms_no, "+79", at)
        keys = SentTable("goip1").keys(sms_no, "+79", at + later)
        self.assertIn(provider_key(sms.provider_id), keys)
        self.assertLessEqual(len(keys), 7)

    @given(st.floats(1.6e9, 1.9e9), st.floats(4201, 1e6))
    def test_keys_do_not_reach_back(self, at: float, later: float) -> None:
        """An SMS of long ago has none of the keys of now."""
        sms = SentTable("goip1").note("5", "+79", at)
        keys = SentTable("goip1").keys("5", "+79", at + later)
        self.assertNotIn(provider_key(sms.provider_id), keys)

    def test_table_is_bounded(self) -> None:
        """Only the latest SMS of a line are remembered."""
        table = SentTable("a")
        for number in range(1000):
            table.note(str(number), "+79", float(number))
        self.assertEqual(len(table), REMEMBERED)
        self.assertIsNotNone(table.match("999", "+79", 999.0))

    def test_line_names_do_not_mix(self) -> None:
        """Two lines with one sms_no have two keys."""
        one = SentTable("a").note("5", "+79", 0.0)
        two = SentTable("b").note("5", "+79", 0.0)
        self.assertNotEqual(one.provider_id, two.provider_id)


class TimersTests(SynchronousTestCase):
    @given(
        st.lists(
            st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 50)),
            max_size=60,
        )
    )
    def test_rings_what_was_set_last(self, steps: list[tuple[str, int | None]]) -> None:
        """As a plain dict of deadlines would."""
        timers, plain = DeadlineHeap(), {}
        for name, at in steps:
            timers.set((name, 0), at)
            plain[name] = at
        wanted = {name: at for name, at in plain.items() if at is not None}
        self.assertEqual(timers.next(), min(wanted.values(), default=None))
        self.assertEqual(len(timers), len(wanted))
        rang = timers.due(25)
        self.assertEqual(
            {name for name, _ in rang}, {n for n, at in wanted.items() if at <= 25}
        )
        self.assertEqual([plain[n] for n, _ in rang], sorted(plain[n] for n, _ in rang))

    def test_heap_stays_small(self) -> None:
        """A deadline that moves ten thousand times does not fill memory."""
        timers = DeadlineHeap()
        for number in range(10_000):
            timers.set(("a", 1), float(number))
        self.assertLess(len(timers._heap), 100)
        self.assertEqual(timers.next(), 9999.0)


class BucketTests(SynchronousTestCase):
    @given(st.lists(st.floats(0, 3), max_size=200))
    def test_never_more_than_rate_and_burst(self, pauses: list[float]) -> None:
        """In any time, no more than burst + rate × time."""
        bucket = TokenBucket(5.0, 10.0, 10.0, 0.0)
        now, taken = 0.0, 0
        for pause in pauses:
            now += pause
            taken += bucket.take(now)
            self.assertLessEqual(taken, 10 + 5 * now + 1e-6)


class ArrivalsTests(SynchronousTestCase):
    def test_remembered_for_ten_minutes(self) -> None:
        """A later datagram of the same content is a new arrival."""
        arrivals, key = InboundRepeats(), key_of("a", "RECEIVE", b"1", b"x")
        self.assertEqual(arrivals.arrive(key, b"OK", HOME, 0.0), (True, False))
        arrivals.stored(key, 0.0)
        self.assertEqual(arrivals.arrive(key, b"OK", HOME, 599.0), (False, True))
        self.assertEqual(arrivals.arrive(key, b"OK", HOME, 600.0), (True, False))

    def test_bounded(self) -> None:
        """Neither what is safe nor what is in flight grows without end."""
        arrivals = InboundRepeats()
        for number in range(STORED_LIMIT + 500):
            key = key_of("a", "RECEIVE", b"%d" % number)
            arrivals.arrive(key, b"OK", HOME, 0.0)
            arrivals.stored(key, 0.0)
        self.assertLessEqual(len(arrivals), STORED_LIMIT)

    def test_content_is_in_the_key(self) -> None:
        """Fields that run into one another are told apart."""
        self.assertNotEqual(
            key_of("a", "RECEIVE", b"1", b"ab", b"c"),
            key_of("a", "RECEIVE", b"1", b"a", b"bc"),
        )


class OtherTableTests(SynchronousTestCase):
    def test_talks_are_bounded(self) -> None:
        """The numbers that were silent longest are forgotten."""
        affinity = Affinity()
        for number in range(TALKS_LIMIT + 10):
            affinity.note(f"+7916{number:07d}", "a")
        self.assertEqual(len(affinity), TALKS_LIMIT)
        self.assertIsNone(affinity.line("+79160000000"))
        self.assertEqual(affinity.line(f"+7916{TALKS_LIMIT:07d}"), "a")

    def test_loaded_talks_do_not_override(self) -> None:
        """What was learned since the start is newer than what was saved."""
        affinity = Affinity()
        affinity.note("+79160000001", "new")
        affinity.load({"160000001": "old", "160000002": "old"})
        self.assertEqual(affinity.line("+79160000001"), "new")
        self.assertEqual(affinity.line("+79160000002"), "old")

    def test_joiner_is_bounded_and_never_repeats_a_place(self) -> None:
        """Each part has its own place; the sixteenth begins a new SMS."""
        joiner = LongSmsJoiner(60.0)
        parts = [joiner.part("a", "+79", "100", 0.0) for _ in range(16)]
        places = {(one.reference, one.number) for one in parts if one}
        self.assertEqual(len(places), 16)
        for number in range(GROUPS_LIMIT + 100):
            joiner.part("a", str(number), "1", 0.0)
        self.assertLessEqual(len(joiner._groups), GROUPS_LIMIT)

    def test_early_receipts_are_bounded(self) -> None:
        """Too many are told at once instead."""
        early, line = EarlyReceipts(), Line("a", line_settings())
        fields = {"sms_no": b"1", "state": b"0", "num": b"+79"}
        push = Push("DELIVER", b"1", fields)
        key = key_of("a", "DELIVER", b"1")
        kept = [early.keep(line, key, push, 0.0) for _ in range(EARLY_LIMIT + 1)]
        self.assertEqual(kept[-2:], [True, False])
        self.assertEqual(len(early.due(10.0)), EARLY_LIMIT)
        self.assertEqual((len(early), early.next()), (0, None))

    def test_facts_are_bounded(self) -> None:
        """A line cannot make us remember endless facts."""
        line = Line("a", line_settings())
        for start in range(10):
            fields = {f"x{start}{n}": b"v" * 500 for n in range(60)}
            line.keepalive(Push("req", b"1", fields), HOME, 0.0)
        self.assertLessEqual(len(line.facts), FACTS_LIMIT)
        self.assertLessEqual(max(map(len, line.facts.values())), 160)

    def test_missing_values(self) -> None:
        """`(null)` and `<NULL>` are nothing; signal 99 is kept as told."""
        line = Line("a", line_settings())
        fields = {"num": b"(null)", "pro": b"<NULL>", "signal": b"99"}
        line.keepalive(Push("req", b"1", fields), HOME, 0.0)
        self.assertIsNone(line.number)
        self.assertEqual((line.facts["pro"], line.signal), ("", 99))


class CausesTests(SynchronousTestCase):
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
