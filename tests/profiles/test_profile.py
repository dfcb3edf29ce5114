"""What a profile reads in a command, and what it hides."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.profiles.profile import MASK
from tests.profiles.builders import LIBRARY, mine, profile


class ReadingTests(SynchronousTestCase):
    def test_a_verb_has_its_own_times(self) -> None:
        """GTRTO is answered twice, within a minute."""
        command = profile("queclink").read("AT+GTRTO=gl300,1,,,,,,000F$")
        self.assertEqual((command.answers, command.within_s), (2, 60.0))
        self.assertEqual(command.caught["serial"], "000F")

    def test_verbs_of_any_case_where_the_family_folds(self) -> None:
        """``RESET`` is Ruptela's ``reset``."""
        ruptela = profile("ruptela")
        command = ruptela.read("pass RESET")
        self.assertTrue(command.effect.reboot)
        self.assertEqual(ruptela.settle_s(command), 60.0)

    def test_what_does_not_fit_says_nothing(self) -> None:
        """Then the family's own times hold."""
        command = profile("queclink").read("hello")
        self.assertFalse(command.fits)
        self.assertIsNone(command.verb)
        self.assertEqual(command.answers, 1)

    def test_texts_without_end_are_not_read(self) -> None:
        """No command is so long."""
        self.assertFalse(mine().read("GO " + "x" * 1600).fits)


class SecretTests(SynchronousTestCase):
    def test_an_answer_that_tells_the_password(self) -> None:
        """TR71: Galileosky's ChangePass, both ways."""
        galileosky = profile("galileosky")
        self.assertEqual(galileosky.masked("ChangePass 1234"), "ChangePass ***")
        masked = galileosky.masked_answer("current password 1234")
        self.assertEqual(masked, "current password ***")
        self.assertEqual(galileosky.secret_spans("ChangePass 1234"), [(11, 15)])

    def test_what_cannot_be_read_is_hidden_whole(self) -> None:
        """Nobody knows where in it the password is."""
        self.assertEqual(profile("teltonika").masked("secret getinfo"), MASK)
        self.assertEqual(profile("teltonika").masked("ВКЛ"), MASK)

    def test_what_is_nearly_a_command_shows_the_rest(self) -> None:
        """Without its tail, with other blanks, in another case."""
        for name, text, masked in (
            ("queclink", "AT+GTGLM=gl300,1,000D", "AT+GTGLM=***,1,000D"),
            ("queclink", "AT+GTPIN=gl300,1,1234", MASK),
            ("gt06", "123456,RELAY,1", "***,RELAY,1"),
            ("gt06", "RELAY,1", "RELAY,1"),
            ("omnicomm", "*1234 GETINFO", "**** GETINFO"),
            ("wonlex", "pw,123456,ts", "pw,***,ts"),
            ("bw32", "#6666#APN,internet", "#***#APN,internet"),
            ("twin-mask", "$SMS,000000;W001,123456", "$SMS,***"),
            ("teltonika", "getinfo", "getinfo"),
            ("teltonika", "login pass GETINFO", "*** *** GETINFO"),
            ("ruptela", "secret", MASK),
        ):
            self.assertEqual(profile(name).masked(text), masked, (name, text))

    def test_a_mask_that_takes_as_many_units(self) -> None:
        """What is shown of the octets has the length and alphabet of what leaves."""
        for text, masked in (
            ("login pass getinfo", "***** **** getinfo"),
            ("lo[gin pass getinfo", "**~*** **** getinfo"),
            ("loЖin pass getinfo", "**\u25a0** **** getinfo"),
        ):
            self.assertEqual(profile("teltonika").masked_alike(text), masked)

    def test_families_without_passwords_hide_nothing(self) -> None:
        """A StarLine command is shown as it is."""
        self.assertEqual(profile("starline-messenger").masked("0x"), "0x")
        self.assertEqual(profile("starline-messenger").secret_spans("0x"), [])

    def test_an_answer_longer_than_is_read(self) -> None:
        """The rest is shown as it came."""
        text = "current password 1234 " + "x" * 3000
        masked = profile("galileosky").masked_answer(text)
        self.assertNotIn("1234", masked)
        self.assertTrue(masked.endswith("x" * 1000))

    def test_no_password_of_an_example_is_shown(self) -> None:
        """Each word that a family's form catches as one is hidden."""
        for one in LIBRARY:
            for example in one.file.example:
                text, masked = example.command, one.masked(example.command)
                for start, end in one.secret_spans(text):
                    word = text[start:end]
                    # a phone number may happen to hold the same digits
                    self.assertLess(masked.count(word), text.count(word), one.name)
