"""What a profile reads in a command, and what it hides."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.profiles.profile import MASK
from tests.profiles.house import LIBRARY, mine, profile


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
    def test_tr71_an_answer_that_tells_the_password(self) -> None:
        """TR71: Galileosky's ChangePass, both ways."""
        galileosky = profile("galileosky")
        self.assertEqual(galileosky.masked("ChangePass 1234"), "ChangePass ***")
        masked = galileosky.masked_answer("current password 1234")
        self.assertEqual(masked, "current password ***")
        self.assertEqual(galileosky.secrets_of("ChangePass 1234"), ("1234",))

    def test_what_cannot_be_read_is_hidden_whole(self) -> None:
        """Nobody knows where in it the password is."""
        self.assertEqual(profile("teltonika").masked("secret getinfo"), MASK)
        self.assertEqual(
            profile("teltonika").secrets_of("secret getinfo"), ("secret getinfo",)
        )

    def test_families_without_passwords_hide_nothing(self) -> None:
        """A StarLine command is shown as it is."""
        self.assertEqual(profile("starline-messenger").masked("0x"), "0x")
        self.assertEqual(profile("starline-messenger").secrets_of("0x"), ())

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
                masked = one.masked(example.command)
                for word in one.secrets_of(example.command):
                    shown = masked.count(word)
                    # a phone number may happen to hold the same digits
                    self.assertLess(shown, example.command.count(word), one.name)
