"""The section `[yeastar:…]` as it is read from an ini file."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.ini import reference
from gdemoi.yeastar.settings import YeastarSettings, utc_offset


def made(**more: Any) -> YeastarSettings:
    """Return settings with what is required."""
    usual = {"host": "tg", "username": "u", "password": "hush"}
    return YeastarSettings(**{**usual, **more})


class SettingsTests(SynchronousTestCase):
    def test_the_usual_keys(self) -> None:
        """Its keys are known, the password does not show."""
        names = {one.name for one in reference(YeastarSettings)}
        self.assertLessEqual(
            {"host", "port", "username", "password", "ports", "number.*", "interval"},
            names,
        )
        self.assertNotIn("hush", repr(made()))
        self.assertEqual((made().port, made().interval_s), (5038, 10.0))

    def test_complaints(self) -> None:
        """What no single key can know."""
        self.assertEqual(list(made(ports=(1,), numbers={"1": "+7"}).complaints()), [])
        for more, key in (
            ({"ports": (1,), "numbers": {"2": "+7"}}, "number.2"),
            ({"numbers": {"x": "+7"}}, "number.x"),
            ({"poll_interval_s": 0.0}, "poll_interval"),
            ({"host": "http://192.0.2.30/"}, "host"),
            ({"username": "a\r\nAction: Logoff"}, "username"),
        ):
            self.assertEqual([name for name, _ in made(**more).complaints()], [key])

    def test_offset_from_utc(self) -> None:
        """Hours and minutes with a sign; nothing else."""
        self.assertEqual(utc_offset("+03:00"), 10_800.0)
        self.assertEqual(utc_offset("-0330"), -12_600.0)
        self.assertEqual(utc_offset.render(-12_600.0), "-03:30")
        self.assertEqual(utc_offset.render(10_800.0), "+03:00")
        for wrong in ("3", "Moscow", "+25:00", "+03:60"):
            self.assertRaises(ValueError, utc_offset, wrong)
