"""From text to values: numbers, durations, rates, sizes, lists, choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.ini import (
    boolean,
    choice,
    decimal,
    duration,
    each,
    integer,
    rate,
    size,
    text,
    web_address,
    words,
)
from gdemoi.ini.units import Wrong, rendered, suspicious
from gdemoi.message import Charset


class UnitsTests(SynchronousTestCase):
    def taken(self, converter: Callable[[str], Any], cases: dict[str, Any]) -> None:
        for value, wanted in cases.items():
            self.assertEqual(converter(value), wanted, value)

    def refused(self, converter: Callable[[str], Any], *values: str) -> None:
        for value in values:
            with self.assertRaises(ValueError, msg=value):
                converter(value)

    def test_durations(self) -> None:
        """Durations are seconds; a bare number is seconds too."""
        self.taken(
            duration,
            {
                "500ms": 0.5,
                "30s": 30.0,
                "5m": 300.0,
                "5min": 300.0,
                "2h": 7200.0,
                "1d": 86400.0,
                "1.5h": 5400.0,
                "30": 30.0,
                "0": 0.0,
                "2 h": 7200.0,
            },
        )
        self.refused(duration, "", "s", "-1s", "1y", "1/s", "1e3", "nan", "inf", "٣s")

    def test_a_unit_that_is_nearly_right_is_hinted(self) -> None:
        """`30sec` hints at what was meant."""
        with self.assertRaises(Wrong) as caught:
            duration("30mins")
        self.assertEqual(caught.exception.hint, "30min")

    def test_milliseconds_are_suspected(self) -> None:
        """A bare number of 1000 and more looks like milliseconds."""
        self.assertEqual(suspicious(duration, "3000"), "3000ms")
        self.assertIsNone(suspicious(duration, "999"))
        self.assertIsNone(suspicious(duration, "3000s"))
        self.assertIsNone(suspicious(integer(), "3000"))

    def test_rates(self) -> None:
        """Rates are per second; zero is no limit."""
        self.taken(
            rate,
            {
                "20/s": 20.0,
                "30/min": 0.5,
                "3600/h": 1.0,
                "86400/day": 1.0,
                "5": 5.0,
                "0/s": None,
                "0": None,
            },
        )
        self.refused(rate, "", "/s", "20/x", "20s", "-1/s", "a/s")

    def test_sizes(self) -> None:
        """Sizes are octets; KiB is 1024, kB is 1000."""
        self.taken(
            size, {"512": 512, "64KiB": 65536, "1MiB": 1048576, "10kB": 10000, "1B": 1}
        )
        self.refused(size, "", "64kib?", "1/KiB", "-1", "9" * 400)

    def test_booleans(self) -> None:
        """yes and no, and what means the same."""
        self.taken(boolean, {"yes": True, "No": False, "true": True, "off": False})
        self.refused(boolean, "", "1", "maybe")

    def test_numbers(self) -> None:
        """Whole and decimal numbers, within their bounds."""
        self.taken(integer(0, 65535), {"0": 0, "65535": 65535, "0x1F": 31})
        self.refused(integer(0, 65535), "-1", "65536", "abc", "1.0", "1_0", "", "٣")
        self.taken(decimal(0, 1), {"0.5": 0.5, ".5": 0.5, "1": 1.0})
        self.refused(decimal(0, 1), "1.1", "-0.1", "nan", "1e0", "")
        with self.assertRaisesRegex(ValueError, "more than 65535"):
            integer(0, 65535)("65536")

    def test_lists(self) -> None:
        """Commas cut, except in quotes; quotes keep spaces."""
        self.taken(
            words,
            {
                "a": ("a",),
                "a, b": ("a", "b"),
                'a, " b, c "': ("a", " b, c "),
                "a, b,": ("a", "b"),
                '""': ("",),
            },
        )
        self.refused(words, "", "a,,b", ",a", 'a, "b', '"')
        self.taken(each(integer(1, 8)), {"1, 2": (1, 2)})
        self.refused(each(integer(1, 8)), "1, 9")

    def test_choices(self) -> None:
        """Words give themselves, an enum its member; slips are hinted."""
        self.assertEqual(choice("a", "b")("b"), "b")
        self.assertIs(choice(Charset)("gsm7"), Charset.GSM7)
        with self.assertRaises(Wrong) as caught:
            choice(Charset)("gms7")
        self.assertEqual(caught.exception.hint, "gsm7")

    def test_addresses_of_the_web(self) -> None:
        """http or https and a host; no slash at the end, nothing behind a path."""
        self.taken(
            web_address,
            {
                "https://sms.example.org/": "https://sms.example.org",
                "http://127.0.0.1:8990/a": "http://127.0.0.1:8990/a",
            },
        )
        self.refused(
            web_address,
            *("sms.example.org", "ftp://a.example", "https://", "http://["),
            *("https://u@a.example", "https://a.example/?a", "https://a.example/#a"),
        )

    def test_text_is_kept(self) -> None:
        """Text is whatever was written."""
        self.assertEqual(text("  a#;b  "), "  a#;b  ")

    @given(st.floats(min_value=0, max_value=1e7))
    def test_durations_read_what_they_render(self, seconds: float) -> None:
        """A duration that is shown in the reference can be written in the ini."""
        rounded = round(seconds, 3)
        again = duration(rendered(duration, rounded))
        self.assertAlmostEqual(again, rounded, places=3)

    @given(st.integers(min_value=0, max_value=2**40))
    def test_sizes_read_what_they_render(self, octets: int) -> None:
        """A size that is shown can be written."""
        self.assertEqual(size(rendered(size, octets)), octets)

    @given(
        st.text(), st.sampled_from([duration, rate, size, boolean, words, integer()])
    )
    def test_any_text_is_a_value_or_a_value_error(
        self, value: str, converter: Callable[[str], Any]
    ) -> None:
        """Nothing but `ValueError` comes out of a converter."""
        try:
            converter(value)
        except ValueError as error:
            self.assertTrue(str(error))
