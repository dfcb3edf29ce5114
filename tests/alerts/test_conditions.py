"""The words of `when`: how they are written, and what they find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.alerts.conditions import (
    KINDS,
    AlertScope,
    History,
    Observation,
    When,
    amount,
    parse,
)
from gdemoi.ini.units import Wrong
from gdemoi.message import MessageState
from tests.alerts.looks import NOW, broker, channel, line, look

GIB = 1024**3
DAY = 86_400.0

# what is written, what it is, how it is written back
GOOD = {
    "channel_down > 2m": When("channel_down", 120.0),
    "channel_down>90s": When("channel_down", 90.0),
    "line_down > 3m": When("line_down", 180.0),
    "signal < 8": When("signal", 8.0),
    "queue_age > 5m": When("queue_age", 300.0),
    "delivered_ratio < 80% over 15m": When("delivered_ratio", 0.8, 900.0),
    "balance < 10": When("balance", 10.0),
    "balance < -2.5": When("balance", -2.5),
    "events_lag > 1m": When("events_lag", 60.0),
    "disk_free < 1GiB": When("disk_free", GIB),
    "certificate_expires < 14d": When("certificate_expires", 14 * DAY),
    "unready > 30s": When("unready", 30.0),
    "broker_down > 1m": When("broker_down", 60.0),
}

# what is written -> (what is wrong with it, what to write instead)
BAD = {
    "chanel_down > 2m": ("nothing that can be watched", "channel_down > 2m"),
    "": ("nothing that can be watched", "channel_down > 2m"),
    "whatever": ("nothing that can be watched", "channel_down > 2m"),
    "channel_down": ("says no limit", "channel_down > 2m"),
    "channel_down >": ("says no limit", "channel_down > 2m"),
    "channel_down 2m": ("says no limit", "channel_down > 2m"),
    "channel_down < 2m": ("compared by >", "channel_down > 2m"),
    "channel_down >= 5m": ("compared by >", "channel_down > 5m"),
    "signal > 8": ("compared by <", "signal < 8"),
    "channel_down > soon": ("not a duration", "channel_down > 2m"),
    "channel_down > 2minutes": ("not a duration", "channel_down > 2min"),
    "signal < 99": ("CSQ is 0 to 31", "signal < 8"),
    "signal < low": ("not a number", "signal < 8"),
    "delivered_ratio < 80%": ("needs the time", "delivered_ratio < 80% over 15m"),
    "delivered_ratio < 80 over 15m": (
        "not a percentage", "delivered_ratio < 80% over 15m",
    ),
    "delivered_ratio < 0.8 over 1h": (
        "not a percentage", "delivered_ratio < 80% over 1h",
    ),
    "delivered_ratio < 180% over 15m": (
        "between 1% and 100%", "delivered_ratio < 80% over 15m",
    ),
    "delivered_ratio < most over 15m": (
        "not a percentage", "delivered_ratio < 80% over 15m",
    ),
    "delivered_ratio < 80% over 5s": (
        "not a window", "delivered_ratio < 80% over 15m",
    ),
    "delivered_ratio < 80% over a while": (
        "not a duration", "delivered_ratio < 80% over 15m",
    ),
    "queue_age > 5m over 1h": ("only delivered_ratio", "queue_age > 5m"),
    "disk_free < 1Gb": ("not a size", "disk_free < 1GB"),
    "balance < ten": ("not a number", "balance < 10"),
}  # fmt: skip


class WrittenTests(SynchronousTestCase):
    def test_good_ones(self) -> None:
        """Each is read, and written back as one would write it."""
        for written, meant in GOOD.items():
            found = parse(written)
            self.assertEqual(found, meant, written)
            self.assertEqual(parse(str(found)), found, str(found))

    def test_every_word_has_an_example_that_is_one(self) -> None:
        """What a complaint tells to write can be written."""
        for word, kind in KINDS.items():
            found = parse(kind.example)
            self.assertEqual((found.word, str(found)), (word, kind.example))

    def test_bad_ones(self) -> None:
        """Each says what is wrong and what to write instead, which is right."""
        for written, (why, hint) in BAD.items():
            with self.assertRaises(Wrong) as caught:
                parse(written)
            self.assertIn(why, str(caught.exception), written)
            self.assertEqual(caught.exception.hint, hint, written)
            parse(hint)

    @given(st.text())
    def test_anything_is_a_condition_or_told_what_is_wrong(self, text: str) -> None:
        """Nothing else than `Wrong` comes out, and its hint can be written."""
        try:
            parse(text)
        except Wrong as wrong:
            self.assertTrue(wrong.hint)

    def test_amounts(self) -> None:
        """As devices and providers tell them."""
        for told, found in {
            9: 9.0, "9.50 EUR": 9.5, "Balance: 12,30 r.": 12.3, "-4.1": -4.1,
            "none": None, None: None, "": None, True: None,
        }.items():  # fmt: skip
            self.assertEqual(amount(told), found, told)


def read(
    written: str,
    seen: Observation,
    scope: AlertScope | None = None,
    history: History | None = None,
) -> dict[str, bool | None]:
    """Return what a condition finds: subject -> bad."""
    when = parse(written)
    found = when.kind.read(when, seen, scope or AlertScope(), history or History())
    return {one.subject: one.bad for one in found}


class ReadTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Condition, what is there, what it finds."""
        down = channel("smsc", "down", reason="no route to host")
        rows: list[tuple[str, Observation, dict[str, bool | None]]] = [
            ("channel_down > 2m", look(channel("a"), down), {"a": False, "smsc": True}),
            # half of it sends, and what an operator paused is meant to stand still
            ("channel_down > 2m", look(channel("a", "degraded")), {"a": False}),
            ("channel_down > 2m", look({**down, "paused": True}), {"smsc": False}),
            ("line_down > 3m",
             look(channel("g", lines=[line("1"), line("2", "down")])),
             {"g/1": False, "g/2": True}),
            # a port that has never been used tells nothing
            ("line_down > 3m", look(channel("g", lines=[line("1", "unknown")])),
             {"g/1": False}),
            ("signal < 8",
             look(channel("g", lines=[line("1", signal=7), line("2", signal=8),
                                      line("3", signal=99), line("4", signal=None)])),
             {"g/1": True, "g/2": False, "g/3": None, "g/4": None}),
            ("queue_age > 5m",
             look(channel("a"), channel("b"), oldest_s={"a": 301.0}),
             {"a": True, "b": False}),
            ("queue_age > 5m", look(channel("a"), stored=None), {"a": None}),
            ("balance < 10",
             look(channel("a", balance="9.50 EUR"), channel("b", balance=None),
                  channel("g", balance=None, lines=[line("1", balance="11 R")])),
             {"a": True, "b": None, "g": None, "g/1": False}),
            ("events_lag > 1m", look(amqp=broker(lag_s=61.0, behind=4)), {"": True}),
            ("events_lag > 1m", look(amqp=broker(lag_s=59.0)), {"": False}),
            ("events_lag > 1m", look(), {}),
            ("broker_down > 1m", look(amqp=broker("paused")), {"": True}),
            ("broker_down > 1m", look(amqp=broker(blocked="memory")), {"": True}),
            ("broker_down > 1m", look(amqp=broker()), {"": False}),
            ("callbacks_down > 5m",
             look(doors=[
                 {"kind": "webhook", "name": "erp", "state": "down", "waiting": 3},
                 {"kind": "webhook", "name": "old", "state": "disabled", "waiting": 3},
                 {"kind": "webhook", "name": "b", "state": "up", "waiting": 0},
                 {"kind": "smpp-client", "name": "car", "waiting": 5}]),
             {"webhook:erp": True, "webhook:old": True, "webhook:b": False}),
            ("unready > 1m", look(unready=["the backlog is full"]), {"": True}),
            ("unready > 1m", look(), {"": False}),
            ("disk_free < 1GiB", look(disk_free=("/var", GIB - 1)), {"/var": True}),
            ("disk_free < 1GiB", look(disk_free=("/var", GIB)), {"/var": False}),
            ("disk_free < 1GiB", look(), {}),
            ("certificate_expires < 14d",
             look(certificates=(("http", NOW + 13 * DAY), ("amqp", NOW + 15 * DAY),
                                ("old", NOW - 1))),
             {"http": True, "amqp": False, "old": True}),
        ]  # fmt: skip
        for written, seen, expected in rows:
            self.assertEqual(read(written, seen), expected, written)
        # no word without a row; the ratio has tests of its own
        words = {written.split()[0] for written, _, _ in rows}
        self.assertEqual(set(KINDS) - words, {"delivered_ratio"})

    def test_only_the_channels_that_are_meant(self) -> None:
        """By globs of their names; lines go with their channel."""
        seen = look(channel("mts-1"), channel("office", lines=[line("1", "down")]))
        self.assertEqual(
            read("channel_down > 2m", seen, AlertScope(("mts-*",))), {"mts-1": False}
        )
        self.assertEqual(read("line_down > 3m", seen, AlertScope(("mts-*",))), {})

    def test_a_channel_of_another_gateway(self) -> None:
        """Its owner tells of it; of one that nobody owns all do."""
        seen = look(
            channel("theirs", "down", elsewhere=True),
            channel("nobodys", "down", elsewhere=False),
        )
        self.assertEqual(read("channel_down > 2m", seen), {"nobodys": True})

    def test_texts_say_why(self) -> None:
        """What the far side said is in the text, and how much there is of it."""
        for written, seen, said in (
            ("channel_down > 2m", look(channel("a", "down", reason="refused")),
             "channel a is down: refused"),
            ("queue_age > 5m",
             look(channel("a", backlog=12), oldest_s={"a": 420.0}),
             "12 messages wait for a, the oldest 7 min"),
            ("events_lag > 1m", look(amqp=broker(lag_s=90.0, behind=3, stuck="no q")),
             "3 events are not with the broker, the oldest for 90 s: no q"),
            ("certificate_expires < 14d", look(certificates=(("http", NOW - 5),)),
             "the certificate of http has expired"),
            ("balance < 10", look(channel("a", balance="3", currency="EUR")),
             "the balance of a is 3 EUR"),
            ("unready > 1m", look(unready=["x", "y"]), "no messages are taken: x; y"),
        ):  # fmt: skip
            when = parse(written)
            [reading, *_] = when.kind.read(when, seen, AlertScope(), History())
            self.assertEqual(reading.text, said)


class RatioTests(SynchronousTestCase):
    WHEN = "delivered_ratio < 80% over 15m"

    def setUp(self) -> None:
        self.history = History(900.0)

    def ratio(self, at: float, good: int, bad: int) -> bool | None:
        """Look at `at` seconds: so many were delivered, and not, since the start."""
        seen = look(channel("a"), at=NOW + at, ended={"a": (good, bad)})
        found = read(self.WHEN, seen, AlertScope((), 20), self.history)["a"]
        self.history.see(seen.figures)
        return found

    def test_over_its_window(self) -> None:
        """Counts what ended within the time, and forgets what was before."""
        self.assertIs(self.ratio(0, 0, 100), True)
        self.assertIs(self.ratio(600, 100, 100), True)
        # the hundred that failed have left the window
        self.assertIs(self.ratio(1000, 200, 100), False)
        # of those since 600: 80 of 101, then 84 of 105
        self.assertIs(self.ratio(1600, 180, 121), True)
        self.assertIs(self.ratio(1620, 184, 121), False)

    def test_the_edge_of_the_window(self) -> None:
        """What had ended by then is before it."""
        self.assertIs(self.ratio(0, 0, 100), True)
        self.assertIs(self.ratio(900, 100, 100), False)

    def test_the_limit_itself_is_good(self) -> None:
        """80 of 100 is not below 80%."""
        self.assertIs(self.ratio(0, 80, 20), False)
        self.assertIs(self.ratio(10, 159, 41), True)

    def test_too_few_tell_nothing(self) -> None:
        """One failure of one message is no ratio; silence is well."""
        self.assertIs(self.ratio(0, 0, 0), False)
        self.assertIs(self.ratio(10, 0, 19), None)
        self.assertIs(self.ratio(20, 0, 20), True)

    def test_what_was_taken_back_does_not_count(self) -> None:
        """A platform that cancels is not a carrier that fails."""
        seen = look(channel("a"), ended={"a": (20, 0)})
        seen.figures.journal.states["a", MessageState.CANCELLED] = 500
        self.assertEqual(read(self.WHEN, seen, AlertScope((), 20)), {"a": False})

    def test_an_alert_that_is_added_later(self) -> None:
        """Does not count what ended before it was there."""
        self.history = History()
        self.history.see(look(ended={"a": (0, 500)}).figures)
        self.history.widen(900.0)
        self.history.see(look(at=NOW + 10, ended={"a": (0, 500)}).figures)
        self.assertIs(self.ratio(20, 30, 500), False)

    def test_memory_is_bounded(self) -> None:
        """A look every ten seconds for a day keeps a few, not thousands."""
        self.history = History(86_400.0)
        for number in range(9_000):
            self.history.see(look(at=NOW + 10 * number).figures)
        self.assertLessEqual(len(self.history._looks), 125)
