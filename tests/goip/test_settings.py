"""The sections of the ini file: what is read, and what is complained about."""

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import ConfigurationError
from gdemoi.goip.channel import KIND
from gdemoi.goip.settings import (
    GoipLineSettings,
    GoipSettings,
    listen_address,
    split_address,
)
from gdemoi.ini import parse, reference
from tests.goip.rig import Rig, line_settings


class _Files:
    """One file in memory."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, path: str) -> bytes:
        return self.text.encode()

    def expand(self, pattern: str, beside: str) -> list[str]:
        return []

    def resolve(self, path: str, beside: str) -> str:
        return path

    def world_readable(self, path: str) -> bool:
        return False

    def variable(self, name: str) -> str | None:
        return {"GOIP1_PASSWORD": "s3cret"}.get(name)


def read(text: str) -> tuple[object, list[str]]:
    """Return the settings of the one section, and the complaints."""
    document = parse("x.ini", _Files(text))
    (section,) = document.sections
    settings = {"goip": GoipSettings, "goip-line": GoipLineSettings}[section.kind]
    found = section.read(settings)
    return found, [str(one) for one in document.complaints]


class SettingsTests(SynchronousTestCase):
    def test_one_line_is_enough(self) -> None:
        """What is left out has a default that works."""
        found, complaints = read("[goip:office]\nlisten = 0.0.0.0:44444\n")
        self.assertEqual(complaints, [])
        assert isinstance(found, GoipSettings)
        self.assertEqual(found.listen, ("0.0.0.0", 44444))
        found, complaints = read(
            "[goip-line:goip1]\nchannel = office\npassword = env:GOIP1_PASSWORD\n"
            "number = +79161112233\n"
        )
        self.assertEqual(complaints, [])
        assert isinstance(found, GoipLineSettings)
        self.assertEqual((found.password, found.number), ("s3cret", "+79161112233"))
        self.assertNotIn("s3cret", repr(found))

    def test_everything_set(self) -> None:
        """Networks, times and pinned addresses in their units."""
        found, complaints = read(
            "[goip:office]\nallow_src = 192.0.2.0/24, 2001:db8::/32\n"
            "line_timeout = 2m\nsource_rate = 0\njoin_window = 1m\n"
            "retry_errors = 1, 38\nlisten = [::]:44000\n"
        )
        self.assertEqual(complaints, [])
        assert isinstance(found, GoipSettings)
        self.assertEqual(found.line_timeout_s, 120.0)
        self.assertIsNone(found.source_rate)
        self.assertEqual(found.listen, ("::", 44000))
        self.assertEqual(found.retry_errors, (1, 38))
        self.assertEqual(len(found.allow_src), 2)

    def test_passwords_that_cannot_be_said(self) -> None:
        """A blank, a semicolon or a newline would break the datagram."""
        for password in ("two words", "a;b", "", "x" * 65, "tab\there"):
            wrong = list(line_settings(password=password).complaints())
            self.assertIn("password", [key for key, _ in wrong], password)
            self.assertNotIn("two words", str(wrong))
        self.assertEqual(list(line_settings().complaints()), [])

    def test_what_does_not_go_together(self) -> None:
        """Limits of the device, and keys that need one another."""
        for settings, key in (
            (GoipSettings(session_limit_s=90.0), "session_limit"),
            (GoipSettings(line_timeout_s=20.0), "line_timeout"),
            (GoipSettings(answer_timeout_s=0.0), "answer_timeout"),
            (line_settings(number_format="local"), "country_code"),
            (line_settings(trunk_prefix="+8"), "trunk_prefix"),
            (line_settings(day_begins_s=90000.0), "day_begins"),
        ):
            self.assertIn(key, [one for one, _ in settings.complaints()])

    def test_addresses(self) -> None:
        """An IP, with or without port; names are not addresses."""
        self.assertEqual(split_address("192.0.2.5"), ("192.0.2.5", None))
        self.assertEqual(split_address("192.0.2.5:10991"), ("192.0.2.5", 10991))
        self.assertEqual(split_address("2001:db8::5"), ("2001:db8::5", None))
        self.assertEqual(split_address("[::1]:5"), ("::1", 5))
        self.assertEqual(listen_address.render(("::", 5)), "[::]:5")
        for wrong in ("host", "1.2.3.4:0", "1.2.3.4:x", "1.2.3.4:99999", ""):
            with self.assertRaises(ValueError):
                split_address(wrong)

    def test_every_key_is_explained(self) -> None:
        """The reference has a sentence for each key."""
        for settings in (GoipSettings, GoipLineSettings):
            for one in reference(settings):
                self.assertTrue(one.doc, one.name)

    def test_line_ids(self) -> None:
        """A channel without lines, and an id that cannot be sent, are refused."""
        for name in ("a b", "a;b", "a:b", "x" * 65):
            with self.assertRaises(ConfigurationError):
                Rig({name: line_settings()}, start=False)
        with self.assertRaises(ConfigurationError):
            KIND.make("x", GoipSettings(), [], None)  # type: ignore[arg-type]
