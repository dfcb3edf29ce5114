"""The soak's judgement: books of messages, and what must not grow."""

import contextlib
import io
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bench import soak
from bench.soak import Books, Sample


def event(number: int, seq: int, state: str, *, final: bool = False) -> dict[str, Any]:
    """Return a status event."""
    fields = {"type": "status", "id": f"s-{number}", "seq": seq}
    return fields | {"state": state, "final": final}


def life(number: int, last: str = "delivered") -> list[dict[str, Any]]:
    """Return the events of a message from its acceptance to its end."""
    return [
        event(number, 1, "accepted"),
        event(number, 2, "submitted"),
        event(number, 3, last, final=True),
    ]


class BookTests(SynchronousTestCase):
    def books(self, *events: dict[str, Any]) -> Books:
        """Return the books of two messages that heard these events."""
        books = Books(2)
        for one in events:
            books.heard(one)
        return books

    def test_two_whole_lives(self) -> None:
        """Each once at the SMSC, one final event each: nothing is wrong."""
        books = self.books(*life(0), *life(1, "uncertain"))
        self.assertEqual(books.close({0: 1, 1: 1}), [])
        self.assertEqual(books.over(), 2)
        self.assertEqual(dict(books.states), {"delivered": 1, "uncertain": 1})

    def test_what_is_wrong(self) -> None:
        """Lost, doubled, told twice, told with a gap, never told to the end."""
        whole, other = life(0), life(1)
        for name, events, arrivals, said in (
            ("lost", [*whole, *other], {0: 1}, "s-1: never came to the SMSC"),
            ("doubled", [*whole, *other], {0: 1, 1: 2}, "s-1: 2 times at the SMSC"),
            ("gap", [*whole, other[0], other[2]], {0: 1, 1: 1}, "s-1: 1, then 3"),
            ("twice", [*whole, *other, other[2]], {0: 1, 1: 1}, "s-1: 3, then 3"),
            ("open", [*whole, *other[:2]], {0: 1, 1: 1}, "s-1: 0 final events"),
            (
                "two ends",
                [*whole, *other, event(1, 4, "expired", final=True)],
                {0: 1, 1: 1},
                "s-1: 2 final events",
            ),
        ):
            with self.subTest(name=name):
                self.assertIn(said, self.books(*events).close(arrivals))

    def test_uncertain_is_the_word_for_what_may_be_lost(self) -> None:
        """A message that went down with a connection is not lost unseen."""
        books = self.books(*life(0), *life(1, "uncertain"))
        self.assertEqual(books.close({0: 1}), [])
        self.assertEqual(books.close({1: 1}), ["s-0: never came to the SMSC"])

    def test_some_may_be_sent_again(self) -> None:
        """Those that ask for it when nobody knows; the message says so."""
        books = self.books(*life(0), *life(1))
        self.assertEqual(books.close({0: 3, 1: 1}), [])
        self.assertEqual(soak.message(0)["on_unsure"], "resend")
        self.assertNotIn("on_unsure", soak.message(1))

    def test_other_events_are_passed_over(self) -> None:
        """A channel that went down is nobody's message."""
        books = self.books({"type": "channel", "channel": "sink"})
        self.assertEqual(books.wrong, [])

    def test_arrivals_are_counted_by_the_text(self) -> None:
        """Also those that the SMSC took and never answered."""
        texts = [soak.message(n)["text"].encode().hex() for n in (7, 12, 7)]
        lines = [f"1 2 GdeMoi 7916 0 0 {text} 9 ok" for text in texts]
        lines[2] = lines[2].replace(" ok", " dropped")
        self.assertEqual(soak.arrivals_in(lines), {7: 2, 12: 1})


class GrowthTests(SynchronousTestCase):
    def samples(self, **series: list[float]) -> list[Sample]:
        """Return samples in which only these figures move."""
        names = ("rss_mb", "files", "threads", "journal_mb", "wal_mb", "stored")
        count = len(next(iter(series.values())))
        return [
            Sample(
                at_s=float(n),
                backlog=0,
                **{name: series.get(name, [10.0] * count)[n] for name in names},  # type: ignore
            )
            for n in range(count)
        ]

    def test_warming_up_is_no_growth(self) -> None:
        """What rises in the first third and stays is flat."""
        rising = [50.0 + n for n in range(30)] + [80.0] * 70
        self.assertEqual(soak.risen(self.samples(rss_mb=rising)), [])

    def test_a_leak_is_growth(self) -> None:
        """Half a percent with every look, or a file handle that stays."""
        leaking = [100.0 * 1.005**n for n in range(100)]
        (said,) = soak.risen(self.samples(rss_mb=leaking))
        self.assertIn("rss_mb grew from", said)
        (said,) = soak.risen(self.samples(files=[20.0 + n for n in range(100)]))
        self.assertIn("files grew from", said)

    def test_one_peak_is_no_growth(self) -> None:
        """The medians count."""
        peaked = [100.0] * 99 + [900.0]
        self.assertEqual(soak.risen(self.samples(journal_mb=peaked)), [])

    def test_a_short_run_has_medians_too(self) -> None:
        """Even of two looks."""
        samples = self.samples(stored=[5.0, 7.0])
        self.assertEqual(soak.growth(samples, "stored"), (6.0, 6.0))


class SoakOptionTests(SynchronousTestCase):
    def test_a_million_at_a_thousand_per_second(self) -> None:
        """When nothing else is said; a soak that is none is refused."""
        asked = soak.options([])
        self.assertEqual(
            (asked.only, asked.count, asked.rate), ("gateway", 1_000_000, 1_000.0)
        )
        with contextlib.redirect_stderr(io.StringIO()) as out:
            self.assertRaises(SystemExit, soak.options, ["--only", "none"])
        self.assertIn("goip", out.getvalue())
