"""The profiles of gdemoi: each is whole, graded, and proved by its examples."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.profiles.format import Grade
from gdemoi.profiles.library import Library, built_in_names
from gdemoi.profiles.proofs import tried, unproved
from tests.profiles.builders import HEAD, LIBRARY, mine, profile

# Every family of which a document, or another's code, was read.
FAMILIES = {
    *("teltonika", "teltonika-ft", "teltonika-fm36", "ruptela", "galileosky"),
    *("navtelecom", "navtelecom-signal", "arnavi", "umka", "omnicomm"),
    *("omnicomm-oko", "starline-messenger", "queclink", "queclink-gl100"),
    *("suntech", "suntech-st9", "meitrack", "coban", "xexun", "gt06", "tk905"),
    *("sinotrack", "sinotrack-words", "wonlex", "365gps", "meiligao", "bofan"),
    *("twin-mask", "smc", "bw32"),
}


class LibraryTests(SynchronousTestCase):
    def test_all_families_are_there(self) -> None:
        """One file each, under its own name."""
        self.assertEqual(built_in_names(), FAMILIES)
        for name in FAMILIES:
            self.assertEqual(profile(name).name, name)

    def test_their_examples_are_as_they_say(self) -> None:
        """What ``gdemoi-sms profiles test`` tries."""
        for one in LIBRARY:
            self.assertEqual([str(d) for d in tried(one, LIBRARY)], [], one.name)

    def test_each_pattern_for_answers_has_an_example(self) -> None:
        """No sentence without a text that fits it."""
        for one in LIBRARY:
            self.assertEqual(unproved(one), [], one.name)
            self.assertTrue(one.file.example, one.name)

    def test_none_rests_on_hearsay_alone(self) -> None:
        """Single facts may, and say so; a whole family does not."""
        for one in LIBRARY:
            self.assertIsNot(one.file.sure, Grade.C, one.name)
            self.assertTrue(one.file.sources, one.name)

    def test_an_own_one_goes_before(self) -> None:
        """A file of the operator replaces the built-in one of its name."""
        own = mine(head=HEAD.replace('"mine"', '"gt06"'))
        library = Library({"gt06": own})
        self.assertIs(library.get("gt06"), own)
        self.assertEqual(library.names(), LIBRARY.names())
        self.assertIn("gt06", library)
        self.assertNotIn("gt07", library)
        self.assertIsNone(library.get("gt07"))
