"""The sections [trackers] and [tracker:…], and the operator's profiles."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.profiles.library import built_in_octets
from gdemoi.settings import examine
from tests.ini.sources import Memory
from tests.settings.test_settings import KINDS, said

BOX = "[box:b]\n"
OWN = "[trackers]\nprofiles = mine\n"


class TrackerSectionTests(SynchronousTestCase):
    def own(self, **files: bytes) -> Memory:
        """Return a folder ``mine`` with these profiles."""
        named = {f"mine/{name}.toml": octets for name, octets in files.items()}
        return Memory(files=named)

    def test_a_good_one(self) -> None:
        """The profile may be built in, or one's own."""
        self.assertEqual(said(BOX + "[tracker:v]\nprofile = gt06\n"), [])
        mine = built_in_octets("gt06").replace(b'"gt06"', b'"acme"')
        text = BOX + OWN + "[tracker:v]\nprofile = acme\n"
        memory = self.own(acme=mine)
        self.assertEqual(said(text, memory), [])
        configuration, _ = examine("g.ini", kinds=KINDS, sources=memory)
        assert configuration is not None
        self.assertIn("acme", configuration.profiles)
        self.assertEqual(configuration.trackers[0].name, "v")

    def test_what_is_wrong(self) -> None:
        """No such profile (with a guess), never reached, strict for nothing."""
        text = BOX + "[tracker:v]\nprofile = teltonica\n"
        (told,) = said(text)
        self.assertIn("there is no profile teltonica", told)
        self.assertIn("teltonika", told)
        text = BOX + "[tracker:a]\nprofile = gt06\n[tracker:b]\nprofile = umka\n"
        (told,) = said(text)
        self.assertIn("is never reached: [tracker:a] takes every tracker", told)
        text = BOX + "[tracker:a]\nprofile = gt06\nstrict_codes = Tail!\n"
        (told,) = said(text)
        self.assertIn("'Tail!' is not a finding's code", told)
        (told,) = said(BOX + "[tracker]\nprofile = gt06\n")
        self.assertIn("needs a name", told)

    def test_a_bad_profile_is_told_with_file_and_key(self) -> None:
        """TR49: ``check`` names both, and the configuration is refused."""
        bad = built_in_octets("gt06").replace(b"'''OK!?'''", b"'''(a+)+'''")
        (told,) = said(BOX + OWN, self.own(bad=bad))
        self.assertIn("mine/bad.toml", told)
        self.assertIn("answer[3].match", told)
        self.assertIn("may not end", told)

    def test_two_of_one_name(self) -> None:
        """Nobody could know which one is meant."""
        one = built_in_octets("gt06")
        (told,) = said(BOX + OWN, self.own(a=one, b=one))
        self.assertIn("there is a profile gt06 already: mine/a.toml", told)

    def test_an_empty_folder(self) -> None:
        """A warning: the name may be wrong."""
        (told,) = said(BOX + OWN)
        self.assertIn("there is no *.toml in mine", told)
