"""What other programs' settings become: whole files, and what is wrong with them.

The inputs in ``golden/`` are written from the formats' documentation.
"""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.importing import BadImport, imported, jasmin, kannel, navixy, recognised
from gdemoi.importing.drafts import Draft, Found, name_of, quoted, seconds
from gdemoi.ini import Place
from gdemoi.settings import Configuration, Disk, examine
from gdemoi.smpp.settings import SmppSettings

GOLDEN = Path(__file__).parent / "golden"


class Shelf(Disk):
    """Files in memory; folders are those of their names."""

    def __init__(self, **files: str | bytes) -> None:
        self.files = {name.replace("__", "/"): text for name, text in files.items()}

    def read(self, path: str) -> bytes:
        found = self.files.get(path)
        if found is None:
            raise FileNotFoundError(2, "No such file or directory")
        return found.encode() if isinstance(found, str) else found

    def expand(self, pattern: str, beside: str) -> list[str]:
        folder = pattern.removesuffix("*")
        return sorted(one for one in self.files if one.startswith(folder))

    def resolve(self, path: str, beside: str) -> str:
        return path

    def world_readable(self, path: str) -> bool:
        return False


def converted(text: str | bytes, form: str | None = None, **others: str) -> str:
    """Return what a file `in` becomes."""
    octets = text.encode() if isinstance(text, str) else text
    return imported("in", octets, Shelf(**others), form)


def configuration(text: str) -> Configuration:
    """Return a file as the gateway takes it; no complaint but that it is empty."""
    found, complaints = examine("out.ini", sources=Shelf(**{"out.ini": text}))
    told = [str(one) for one in complaints if "no channel" not in one.what]
    assert told == [], told
    assert found is not None
    return found


def golden(name: str) -> str:
    file = GOLDEN / name
    text = imported(str(file), file.read_bytes(), Disk(), None)
    return text.replace(f"{GOLDEN}/", "")


class GoldenTests(SynchronousTestCase):
    maxDiff = None

    def test_whole_files(self) -> None:
        """Each golden input is recognised, and becomes its golden output."""
        for name in ("kannel.conf", "jasmin.txt", "gates.json"):
            with self.subTest(name):
                expected = (GOLDEN / name).with_suffix(".ini").read_text("utf-8")
                self.assertEqual(golden(name), expected)

    def test_the_gateway_takes_them(self) -> None:
        """No golden output has a complaint, not even a warning."""
        for name, channels in (
            ("kannel.conf", ["mts", "mts-2"]),
            ("jasmin.txt", ["Demo"]),
            ("gates.json", ["MTS-osnovnoi", "textlocal", "nexmo"]),
        ):
            with self.subTest(name):
                found = configuration(golden(name))
                self.assertEqual([one.name for one in found.channels], channels)

    def test_secrets_are_kept_as_they_are(self) -> None:
        """Quotes, # and words that would be looked up; Kannel sends eight letters."""
        found = configuration(golden("kannel.conf"))
        passwords = [one.settings.password for one in found.channels]
        self.assertEqual(passwords, ['a "b" #c', "env:secr"])

    def test_every_word_of_the_input_is_in_the_output(self) -> None:
        """What is not a key is a comment: nothing is dropped unseen."""
        text = golden("gates.json")
        for word in ("owner_id", "submit_timeout", "ISO-8859-15", "colour", "url"):
            self.assertIn(word, text)
        for word in ("turbo", "KOI8-R", "allowed-prefix", "+7;8", "core"):
            self.assertIn(word, golden("kannel.conf"))


class DraftTests(SynchronousTestCase):
    @given(st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp"))))
    def test_a_secret_is_read_back(self, secret: str) -> None:
        """Whatever a password holds, the gateway reads the same."""
        draft = Draft("smpp", "a", SmppSettings, "x:1")
        draft.put("host", "h")
        draft.put("system_id", "u")
        draft.put("password", secret)
        draft.put("long_credentials", "yes")
        if not secret.isascii():
            # SMPP carries ASCII: the section is there, switched off, and says so
            self.assertIn("# switched off: password: only ASCII", draft.text())
            return
        found, _ = examine("o", sources=Shelf(o=draft.text()))
        assert found is not None
        self.assertEqual(found.channels[0].settings.password, secret)

    def test_names(self) -> None:
        """A channel's name is made of letters, digits, _ and -, each name once."""
        self.assertEqual(name_of("МТС Москва", ()), "MTS-Moskva")
        self.assertEqual(name_of("a b", ("a-b", "a-b-2")), "a-b-3")
        self.assertEqual(name_of("¿?", ()), "imported")

    def test_a_value_that_cannot_be_is_a_comment(self) -> None:
        """A line end in a value cannot become another key."""
        draft = Draft("smpp", "a", SmppSettings, "x:1")
        draft.put(
            "system_id", "u\nbind = x", Found("login", "u\nbind = x", Place("x", 1))
        )
        self.assertEqual(
            draft.lines,
            [
                "# login = u\\x0abind = x: system_id cannot be that:"
                " a control character cannot stand in the file"
            ],
        )
        self.assertRaises(ValueError, quoted, "a\x00")

    def test_what_is_set_twice_is_a_comment(self) -> None:
        """The first one holds, and the second is told."""
        draft = Draft("smpp", "a", SmppSettings, "x:1")
        draft.put("port", "1")
        draft.put("port", "2")
        self.assertEqual(draft.lines, ["port = 1", "# port = 2: port is set already"])

    def test_durations(self) -> None:
        """Milliseconds are written so only where they must be."""
        self.assertEqual([seconds(3000), seconds(1500)], ["3s", "1500ms"])


class RecognitionTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """A text is told from the others by what only it has."""
        for text, form in (
            ('[{"provider": "smpp"}]', "navixy"),
            ('{\n "sms_gates": []}', "navixy"),
            ("group = smsc\n", "kannel"),
            ("# x\n  include = y\n", "kannel"),
            ("cid Demo\nhost x\n", "jasmin"),
            ("jcli : smppccm -l\n", "jasmin"),
            ("[smpp:a]\nhost = x\n", None),
            ("", None),
        ):
            with self.subTest(text):
                self.assertEqual(recognised(text), form)

    def test_what_is_none_of_them(self) -> None:
        """One line says what there may be."""
        fault = self.assertRaises(BadImport, converted, "hello\n")
        self.assertEqual(
            str(fault),
            "in: expected sms_gates rows in JSON, a kannel.conf, or what Jasmin's"
            " smppccm prints; say which by --from",
        )

    def test_octets_that_are_no_text(self) -> None:
        """The line that is not UTF-8 is told."""
        fault = self.assertRaises(BadImport, converted, b"group = smsc\n# \xff\n")
        self.assertEqual(str(fault), "in:2: expected text in UTF-8")

    @given(st.text(), st.sampled_from(["navixy", "kannel", "jasmin"]))
    def test_any_text_is_a_file_or_a_fault(self, text: str, form: str) -> None:
        """Nothing else comes out, and what comes out is taken."""
        try:
            found = converted(text, form)
        except BadImport as fault:
            self.assertTrue(fault.complaints)
        else:
            configuration(found)


# what may stand as a value: numbers, words of the formats, and anything else
VALUES = st.one_of(
    st.integers(-2, 70000).map(str),
    st.sampled_from(
        ("yes", "no", "true", "transmitter", "GSM8", "0x03", "None", "1.5", "h:1", "*")
    ),
    st.text(max_size=50),
)


class AnyValueTests(SynchronousTestCase):
    """Each form with its own keys and whatever values: a good file, or a fault."""

    def good(self, text: str, form: str) -> None:
        try:
            found = converted(text, form)
        except BadImport as fault:
            self.assertTrue(fault.complaints)
            self.assertTrue(all(one.place.line for one in fault.complaints))
        else:
            configuration(found)

    @given(st.dictionaries(st.sampled_from(sorted(kannel._RULES)), VALUES))
    def test_kannel(self, values: dict[str, str]) -> None:
        """A group of SMPP."""
        lines = ["group = smsc", "smsc = smpp", "host = h", "port = 1"]
        lines += ["smsc-username = u", "smsc-password = p"]
        lines += [f"{word} = {' '.join(one.split())}" for word, one in values.items()]
        self.good("\n".join(lines), "kannel")

    @given(st.dictionaries(st.sampled_from(sorted(jasmin._RULES)), VALUES))
    def test_jasmin(self, values: dict[str, str]) -> None:
        """A connector."""
        lines = ["cid a"]
        lines += [f"{word} {' '.join(one.split())}" for word, one in values.items()]
        self.good("\n".join(lines), "jasmin")

    @given(
        st.sampled_from(sorted(navixy._PROVIDERS)),
        st.data(),
    )
    def test_navixy(self, provider: str, data: st.DataObject) -> None:
        """A row of each provider, with any JSON as its params."""
        rules = navixy._PROVIDERS[provider][2]
        scalars = st.one_of(VALUES, st.integers(), st.booleans(), st.lists(VALUES))
        params = data.draw(st.dictionaries(st.sampled_from(sorted(rules)), scalars))
        whole = {"addresses": ["h:1"], "login": "u", "address": "h", **params}
        row = {"provider": provider, "label": data.draw(VALUES), "params": whole}
        self.good(json.dumps([row]), "navixy")
