"""The files of the page: words in both languages, nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.http.api import PAGE_PARTS
from gdemoi.message import ChannelState, MessageState
from tests.http.gateway import Client

FOLDER = Path(str(files("gdemoi.http")))
SOURCES = {
    path.name: path.read_text(encoding="utf-8")
    for path in [*FOLDER.glob("page.*"), *FOLDER.glob("page/*")]
}


def table(name: str) -> dict[str, str]:
    """Return the words of a language."""
    body = re.search(rf"const {name} = \{{(.*?)\n\}};", SOURCES["words.js"], re.S)
    assert body is not None
    pairs = re.findall(r"(\w+):\s*((?:\"[^\"]*\"(?:\s*\+\s*)?)+)", body[1])
    return {word: "".join(re.findall(r'"([^"]*)"', said)) for word, said in pairs}


def used() -> set[str]:
    """Return the words that the page asks for."""
    found = {str(state) for state in (*MessageState, *ChannelState)}
    for text in SOURCES.values():
        found |= set(re.findall(r"\bt\(\"(\w+)\"", text))
        found |= set(re.findall(r"data-(?:t|label)=\"(\w+)\"", text))
        for listed in re.findall(
            r"\[([^\]]*)\]\.map\(\(one\) => (?:one && )?t\(", text
        ):
            found |= set(re.findall(r"\"(\w+)\"", listed))
    for verb in ("pause", "resume", "hurry", "ussd", "reboot", "balance", "show"):
        found |= {verb, f"sure{verb}"}
    return found


class WordsTests(SynchronousTestCase):
    def test_each_word_is_there_in_russian(self) -> None:
        """And in Russian letters, but for names."""
        russian = table("RU")
        self.assertGreater(len(used()), 100)
        self.assertEqual(used() - set(russian), set())
        latin = {word for word, said in russian.items() if not re.search("[а-я]", said)}
        self.assertEqual(latin, {"id", "ussd"})

    def test_the_values_of_sentences_are_the_same(self) -> None:
        """A sentence with places has them in both languages."""
        russian, english = table("RU"), table("EN")
        for word, said in english.items():
            places = re.findall(r"\{\d\}", said)
            self.assertEqual(
                sorted(places), sorted(re.findall(r"\{\d\}", russian[word])), word
            )
        self.assertFalse([w for w, said in english.items() if re.search("[а-я]", said)])


class FilesTests(SynchronousTestCase):
    def test_each_is_served_and_allowed(self) -> None:
        """Without a token, as what it is; nothing else of the folder's parents."""
        client = Client()
        for name in PAGE_PARTS:
            answer = client.ask("GET", f"/page/{name}")
            self.assertEqual(answer.status, 200, name)
            kind = "css" if name.endswith(".css") else "javascript"
            self.assertIn(kind, answer.headers["content-type"])
            self.assertIn(
                "default-src 'none'", answer.headers["content-security-policy"]
            )
        for path in ("../api.py", "..%2fapi.py", "%2e%2e/api.py", "api.py", "x.js", ""):
            self.assertEqual(client.ask("GET", f"/page/{path}").status, 404, path)

    def test_nothing_makes_markup_or_leaves_the_gateway(self) -> None:
        """What came over the air is put in as text, in every module."""
        for name, text in SOURCES.items():
            code = re.sub(r"^\s*//.*$", "", text, flags=re.M)
            self.assertNotRegex(
                code,
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(",
                name,
            )
            self.assertNotRegex(code, r"https?://|url\(", name)

    def test_modules_can_be_read(self) -> None:
        """By another engine than the browser's, where it is there."""
        node = shutil.which("node")
        if node is None:
            raise SkipTest("there is no node (Debian: nodejs)")
        for name, text in SOURCES.items():
            if name.endswith(".js"):
                done = subprocess.run(
                    [node, "--input-type=module", "--check"],
                    input=text.encode(), capture_output=True, check=False,
                )  # fmt: skip
                self.assertEqual(done.returncode, 0, (name, done.stderr.decode()))
