"""One bulk exchange as a value: numbers for time, state by state."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.exchange import (
    DeadlineHeap,
    Exchange,
    ExchangeLost,
    ExchangeStage,
    ExchangeTimers,
    SmsFailed,
    SmsNotSent,
    SmsSent,
    SmsUncertain,
)

WORDS = st.sampled_from(["PASSWORD", "SEND", "WAIT", "OK", "ERROR", "DONE", "USSD"])
RESTS = st.sampled_from(
    [b"", b"1", b"2", b"1 5", b"1 errorstatus:38", b"1 errorstatus:", b"PASSWORD",
     b"SENDID", b"GSM_LOGOUT", b"busy", b"x y z"]
)  # fmt: skip


def opened(now: float = 0.0) -> Exchange:
    """Return an exchange that has said MSG."""
    exchange = Exchange(7, b"+79", b"hi", b"pw", ExchangeTimers())
    exchange.begin(now)
    return exchange


def submitted() -> Exchange:
    """Return an exchange that has said SEND once."""
    exchange = opened()
    exchange.receive("PASSWORD", b"", 0.0)
    exchange.receive("SEND", b"", 0.0)
    return exchange


class ExchangeTests(SynchronousTestCase):
    def test_early_ticks_do_nothing(self) -> None:
        """A timer that rings before its time writes nothing."""
        exchange = opened()
        self.assertEqual(exchange.tick(4.9), [])
        self.assertEqual(len(exchange.tick(5.0)), 1)

    def test_wait_for_another_telid(self) -> None:
        """It is not ours, and counted."""
        exchange = submitted()
        exchange.receive("WAIT", b"2", 1.0)
        self.assertFalse(exchange.waited)
        self.assertEqual(exchange.unexpected, 1)

    def test_unclear_error_after_send(self) -> None:
        """It ends nothing; what was said stands in the reason at the end."""
        exchange = submitted()
        self.assertEqual(exchange.receive("ERROR", b"what\never", 1.0), [])
        self.assertIsNone(exchange.result)
        for now in (5.0, 10.0, 15.0, 20.0):
            exchange.tick(now)
        assert isinstance(exchange.result, SmsUncertain)
        self.assertIn("what?ever", exchange.result.why)

    def test_second_abort(self) -> None:
        """An exchange ends once."""
        exchange = submitted()
        self.assertEqual(exchange.abort(1.0, "stop"), [b"DONE 7\n"])
        self.assertEqual(exchange.abort(1.0, "stop"), [])

    def test_errors_after_the_end(self) -> None:
        """They change nothing."""
        exchange = submitted()
        exchange.receive("OK", b"1 5", 1.0)
        exchange.receive("ERROR", b"SENDID", 2.0)
        exchange.receive("ERROR", b"1 errorstatus:1", 2.0)
        self.assertEqual(exchange.result, SmsSent("5"))
        self.assertIsNone(exchange.late)

    def test_farewell_goes_on_after_the_release(self) -> None:
        """A lost DONE would keep one of the device's five places."""
        exchange = submitted()
        exchange.receive("OK", b"1 5", 0.0)
        said = [len(exchange.tick(now)) for now in (5.0, 10.0, 15.0, 20.0, 25.0)]
        self.assertEqual(said, [1, 1, 1, 0, 0])
        self.assertTrue(exchange.released)
        self.assertIs(exchange.stage, ExchangeStage.CLOSED)

    @given(
        st.lists(
            st.tuples(WORDS, RESTS, st.floats(0, 12)) | st.floats(0, 12), max_size=40
        )
    )
    def test_any_talk(self, steps: list[tuple[str, bytes, float] | float]) -> None:
        """Whatever is said: one result, in time, and true to what was sent."""
        exchange, now = opened(), 0.0
        first = None
        for step in steps:
            now += step if isinstance(step, float) else step[2]
            if isinstance(step, float):
                exchange.tick(now)
            else:
                exchange.receive(step[0], step[1], now)
            if first is None:
                first = exchange.result
            self.assertIs(exchange.result, first)
        while exchange.deadline is not None:
            self.assertLessEqual(exchange.deadline, max(now, 85.0) + 25.0)
            now = max(now, exchange.deadline)
            exchange.tick(now)
        result = exchange.result
        if isinstance(result, SmsSent | SmsFailed | SmsUncertain):
            self.assertGreater(exchange.sends, 0)
        elif isinstance(result, SmsNotSent | ExchangeLost):
            self.assertLessEqual(exchange.sends, 1)
            self.assertFalse(exchange.waited)
        else:
            self.fail("no result")


class DeadlineHeapTests(SynchronousTestCase):
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
