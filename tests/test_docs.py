"""The documents do not lie: they render, their links and citations lead somewhere.

What a user can write or read (ini keys, fields, endpoints, metrics, error words) is
declared in the code; each of them must be in a document, so that a new one cannot be
forgotten there.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from docutils import nodes
from docutils.core import publish_doctree
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from docs import errors, families
from docs.reference import page
from gdemoi.amqp.topology import Topology
from gdemoi.cli import main
from gdemoi.contract.envelope import Envelope
from gdemoi.contract.event_json import (
    AlertEvent,
    AnswerEvent,
    AnswerFields,
    ChangeEvent,
    InboundEvent,
    Segments,
    StatusEvent,
)
from gdemoi.facts import Acceptance
from gdemoi.http import metrics
from gdemoi.http.api import Api
from gdemoi.http.openapi import document
from gdemoi.journal import Journal, queries
from gdemoi.journal.stored_form import StoredAttempt, StoredReceipt
from gdemoi.message import (
    Charset,
    Error,
    MessageClass,
    MessageState,
    OnUnencodable,
    OnUnsure,
    Outbound,
    Report,
    SmppOptions,
)
from gdemoi.service.tap import Options

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.rst"), *ROOT.glob("docs/**/*.rst")])
# what may cite a document
SOURCES = ("gdemoi", "tests", "bench", "etc", "twisted", ".ci", "Makefile")
_SUFFIXES = (".py", ".ini", ".js", ".html", ".toml", ".service", "")
# docs/http.rst, "Errors"
_CITATION = re.compile(r"\b(docs/[\w-]+\.rst|[A-Z]+\.rst)((?:,? \"[^\"]+\")*)")
_PATH = re.compile(
    r"(?:docs|etc|gdemoi|tests|bench|twisted|newsfragments|\.ci)/[\w./-]*[\w/]"
)


@cache
def tree(path: Path) -> nodes.document:
    """Return a document as docutils reads it; complaints are nodes in it."""
    return publish_doctree(
        path.read_text(encoding="utf-8"),
        source_path=str(path),
        settings_overrides={
            "report_level": 2,
            "halt_level": 6,
            "warning_stream": False,
            "file_insertion_enabled": False,
            "raw_enabled": False,
            "input_encoding": "unicode",
        },
    )


def shown(path: Path) -> str:
    """Return a file's name below the project's folder."""
    return str(path.relative_to(ROOT))


def words_of(name: str, title: str | None = None) -> set[str]:
    """Return the literals of a document, or of one of its sections."""
    whole = tree(ROOT / "docs" / name)
    found: set[str] = set()
    for node in whole.findall(nodes.literal):
        section = node.parent
        while section is not None and title is not None:
            if isinstance(section, nodes.section) and title == section[0].astext():
                break
            section = section.parent
        if title is None or section is not None:
            found |= {node.astext(), *re.findall(r"[^\s,]+", node.astext())}
    return found


def titles(path: Path) -> set[str]:
    """Return the titles of a document's sections."""
    return {title.astext() for title in tree(path).findall(nodes.title)}


def sources() -> list[Path]:
    """Return the files that may cite a document."""
    return sorted(
        path
        for top in SOURCES
        for path in [ROOT / top, *(ROOT / top).rglob("*")]
        if path.is_file()
        and path.suffix in _SUFFIXES
        and not {"__pycache__", "node_modules", "vectors"} & set(path.parts)
        and path != Path(__file__)
    )


def plain(text: str) -> str:
    """Return a source's text with its comments and line breaks out of the way."""
    return re.sub(r"\s*\n\s*(?:#|//|\*)?\s*", " ", text)


class RenderTests(SynchronousTestCase):
    def test_no_document_makes_docutils_complain(self) -> None:
        """No warning in any of them: tables, titles, code blocks, references."""
        reported = [
            f"{shown(path)}: {message.astext()}"
            for path in DOCUMENTS
            for message in tree(path).findall(nodes.system_message)
            if message["level"] >= 2
        ]
        self.assertEqual("\n".join(reported), "")

    def test_no_news_makes_docutils_complain(self) -> None:
        """A fragment that does not render would be found when a version is made."""
        reported = [
            f"{shown(path)}: {message.astext()}"
            for path in sorted(ROOT.glob("newsfragments/*.rst"))
            for message in tree(path).findall(nodes.system_message)
            if message["level"] >= 2
        ]
        self.assertEqual("\n".join(reported), "")

    def test_links_lead_to_files_and_sections(self) -> None:
        """A relative link names a file that exists, and a section that it has."""
        wrong = []
        for path in DOCUMENTS:
            for link in tree(path).findall(nodes.reference):
                parts = urlsplit(link.get("refuri", ""))
                if parts.scheme or not link.get("refuri"):
                    continue
                target = (path.parent / unquote(parts.path)).resolve()
                if not target.exists():
                    wrong.append(f"{shown(path)}: {link['refuri']}: no such file")
                elif parts.fragment and parts.fragment not in tree(target).ids:
                    wrong.append(f"{shown(path)}: {link['refuri']}: no such section")
        self.assertEqual("\n".join(wrong), "")

    def test_files_that_they_name_exist(self) -> None:
        """``gdemoi/smpp/receipts.py`` in a text is a file, or a folder."""
        wrong = [
            f"{shown(path)}: {word}"
            for path in DOCUMENTS
            for text in tree(path).findall(nodes.literal)
            for word in _PATH.findall(text.astext())
            if word == text.astext().rstrip("/") and not (ROOT / word).exists()
        ]
        self.assertEqual("\n".join(wrong), "")


class CitationTests(SynchronousTestCase):
    def test_cited_sections_exist(self) -> None:
        """Where code says ``docs/http.rst, "Errors"``, there is such a section."""
        wrong, count = [], 0
        for source in sources():
            text = plain(source.read_text(encoding="utf-8"))
            for name, sections in _CITATION.findall(text):
                count += 1
                document = ROOT / name
                if document not in DOCUMENTS:
                    wrong.append(f"{shown(source)}: there is no {name}")
                    continue
                wrong += [
                    f'{shown(source)}: {name} has no section "{section}"'
                    for section in re.findall(r"\"([^\"]+)\"", sections)
                    if section not in titles(document)
                ]
        self.assertEqual("\n".join(wrong), "")
        self.assertGreater(count, 20, "nobody cites anything: is the search broken?")

    def test_nothing_cites_what_is_not_in_the_project(self) -> None:
        """No rule rests on a page that a reader cannot open."""
        private = re.compile(
            r"\b(?:CONTRACT|ARCHITECTURE|STYLE)\b(?! OR TORT|, TORT)"
            r"|\b(?:amqp|cloud|doors|goip|navixy|smpp|trackers|yeastar)\.md\b"
            r"|\b[Cc]ase \d+\b|contract's §"
        )
        wrong = [
            f"{shown(source)}: {found[0]}"
            for source in sources()
            for found in private.finditer(source.read_text(encoding="utf-8"))
        ]
        self.assertEqual("\n".join(wrong), "")


def where_is() -> list[list[str]]:
    """Return the rows of docs/architecture.rst, "Where is …": what, file, name."""
    page = tree(ROOT / "docs/architecture.rst")
    rows = [
        [entry.astext() for entry in row.findall(nodes.entry)]
        for row in page.findall(nodes.row)
    ]
    return [row for row in rows if len(row) == 3 and row[1].endswith(".py")]


class ArchitectureTests(SynchronousTestCase):
    def test_where_is_names_what_is_there(self) -> None:
        """Each row of the table: the file exists and defines the name."""
        rows = where_is()
        wrong = []
        for what, file, name in rows:
            path = ROOT / file
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            if not re.search(
                rf"^\s*(?:(?:async )?def|class) {name}\b|^{name}\b", text, re.M
            ):
                wrong.append(f"{what}: no {name} in {file}")
        self.assertEqual("\n".join(wrong), "")
        self.assertGreater(len(rows), 30)

    def test_every_package_has_its_place(self) -> None:
        """The table of layers names each module and package."""
        known = words_of("architecture.rst")
        found = {
            path.stem if path.is_file() else path.name
            for path in (ROOT / "gdemoi").iterdir()
            if path.suffix == ".py" or (path / "__init__.py").exists()
        }
        self.assertEqual(found - known - {"__init__", "logs"}, set())

    def test_the_tour_of_the_readme_is_part_of_it(self) -> None:
        """The README's tour names files of the table, and those most asked for."""
        tour = re.findall(
            r"``(gdemoi/[\w/]+\.py)``", (ROOT / "README.rst").read_text("utf-8")
        )
        known = words_of("architecture.rst")
        self.assertEqual(set(tour) - known, set())

    def test_a_newcomer_finds_the_rules_that_matter_most(self) -> None:
        """Both the table and the tour answer these, in the same words."""
        readme = " ".join((ROOT / "README.rst").read_text("utf-8").split())
        rows = {what: (file, name) for what, file, name in where_is()}
        for what, file, name in (
            ("a submit_sm is built", "gdemoi/smpp/encoder.py", "SmppEncoder"),
            ("a receipt finds its message", "gdemoi/journal/receipts.py", "choose"),
            ("the retry is decided", "gdemoi/routing/retry.py", "decide"),
            (
                "a webhook's signature is checked",
                "gdemoi/cloud/twilio/signature.py",
                "is_signed",
            ),
        ):
            self.assertEqual(rows.get(what), (file, name), what)
            self.assertIn(f"``{file}``: {what}", readme)


def fields_of(struct: type[msgspec.Struct]) -> set[str]:
    """Return a struct's fields as they are called in JSON."""
    return {field.encode_name for field in msgspec.structs.fields(struct)}


class ReferenceTests(SynchronousTestCase):
    def test_every_key_is_there(self) -> None:
        """docs/keys.rst is what the declarations say; ``make docs`` writes it anew."""
        written = (ROOT / "docs/keys.rst").read_text(encoding="utf-8")
        self.assertEqual(written, page(), "docs/keys.rst is old: run make docs")

    def test_every_family_is_there(self) -> None:
        """docs/families.rst is what the profiles say; ``make docs`` writes it anew."""
        written = (ROOT / "docs/families.rst").read_text(encoding="utf-8")
        told = "docs/families.rst is old: run make docs"
        self.assertEqual(written, families.page(), told)

    def test_the_pages_of_errors_are_made_from_the_tables(self) -> None:
        """In both languages; ``make docs`` writes them anew."""
        for name, words in (
            ("docs/errors.rst", errors.ENGLISH),
            ("docs/ru/errors.rst", errors.RUSSIAN),
        ):
            text = (ROOT / name).read_text(encoding="utf-8")
            self.assertEqual(text, errors.page(words), f"{name} is old: run make docs")

    def test_the_pages_of_errors_name_what_the_contract_names(self) -> None:
        """Each word of docs/contract.rst, "Error words"; nothing else."""
        named = {
            word.removeprefix("gateway:")
            for word in words_of("contract.rst", "Error words")
            if re.fullmatch(r"gateway:[a-z_]+", word)
        }
        self.assertEqual(set(errors.GATEWAY), named)

    def lacks(self, what: set[str], name: str, title: str | None = None) -> None:
        """Assert that each word stands in a document's section, as a literal."""
        missing = what - words_of(name, title)
        self.assertEqual(missing, set(), f'docs/{name}, "{title}" lacks them')

    def test_every_field_of_a_message(self) -> None:
        """Each field that a platform may write, and the words that it may hold."""
        self.lacks(fields_of(Envelope), "contract.rst", "The message")
        self.lacks(fields_of(SmppOptions), "contract.rst", "SMPP fields")
        for words in (Charset, OnUnencodable, OnUnsure, Report, MessageClass):
            self.lacks({str(word) for word in words}, "contract.rst", "The message")

    def test_every_field_of_an_event(self) -> None:
        """Each field of the three events, in the section of its event."""
        for event, title in (
            (StatusEvent, "Status events"),
            (Segments, "Status events"),
            (Error, "Status events"),
            (InboundEvent, "Inbound SMS"),
            (AnswerEvent, "Answers"),
            (AnswerFields, "Answers"),
            (ChangeEvent, "Channels and lines"),
            (AlertEvent, "Alerts"),
        ):
            self.lacks(fields_of(event), "events.rst", title)
        self.lacks({str(state) for state in MessageState}, "events.rst", "States")

    def test_every_field_of_a_story(self) -> None:
        """What ``GET /v1/messages/ID`` tells, down to attempts and receipts."""
        journal = Journal("sqlite://", Clock(), inline=True)
        self.successResultOf(journal.open())
        message = Outbound(id="m", to="+79161234567", accepted_at=0.0, expires_at=9.0)
        self.successResultOf(journal.accept([Acceptance(message, b"", "here")]))
        story = self.successResultOf(journal.story("m"))
        self.successResultOf(journal.close())
        assert story is not None
        attempt = queries._attempt_json(StoredAttempt(1, "here", 0.0))
        said = queries._receipt_json(
            StoredReceipt(0.0, "here", "1", MessageState.DELIVERED, True)
        )
        fields = {*story, *attempt, *said}
        self.lacks(fields, "events.rst", "The story of a message")

    def test_every_endpoint(self) -> None:
        """Each method and path that the API answers, and each parameter."""
        paths = set()
        for rule in Api.app.url_map.iter_rules():
            path = re.sub(r"<(?:message_)?(\w+)>", r"{\1}", rule.rule)
            paths |= {f"{method} {path}" for method in rule.methods or ()}
        paths = {path for path in paths if not path.startswith("HEAD ")}
        self.lacks(paths, "http.rst")
        described = document()["paths"]
        reported = {
            f"{method.upper()} {path}"
            for path, item in described.items()
            for method in item
            if method != "parameters"
        }
        # the status page is for people
        wanted = paths - {"GET /", "GET /page.js", "GET /page/{name}"}
        self.assertEqual(reported, wanted, "openapi and the API are not the same")
        parameters = {
            one["name"]
            for item in described.values()
            for part in (item, *item.values())
            if isinstance(part, dict)
            for one in part.get("parameters", ())
            if one["in"] != "path"
        }
        self.lacks(parameters, "http.rst")

    def test_every_metric(self) -> None:
        """Each figure that Prometheus gathers."""
        source = Path(metrics.__file__).read_text(encoding="utf-8")
        known = words_of("monitoring.rst", "Metrics")
        names = set(re.findall(r"\"(gdemoi_\w+)\"", source))
        missing = {n for n in names if not {n, f"{n}_total", f"{n}_info"} & known}
        self.assertEqual(missing, set())
        self.assertGreater(len(names), 10)

    def test_every_error_word(self) -> None:
        """Each word of the gateway's own namespace, and no word that is not told."""
        reported = set()
        making = re.compile(
            r"(?:_Unfit|_refused|\brefused|InvalidMessage|Problem|error_of)\("
            r"\s*(?:\d+,\s*)?\"([a-z_]+)\""
        )
        for source in (ROOT / "gdemoi").rglob("*.py"):
            if "sandbox" in source.parts:
                continue
            text = source.read_text(encoding="utf-8")
            reported |= set(re.findall(r"\"gateway:([a-z_]+)\"", text))
            reported |= set(making.findall(text))
        reported |= {"unauthorized", "too_large"}
        known = words_of("contract.rst", "Error words") | words_of("http.rst", "Errors")
        written = {
            word.removeprefix("gateway:")
            for word in known
            if re.fullmatch(r"gateway:[a-z_]+", word)
        }
        self.assertEqual(written, reported)

    def test_every_queue_and_exchange(self) -> None:
        """What is declared at the broker, and the bindings."""
        topology = Topology("gdemoi", "quorum", True)
        names = {name for _, name, _, _ in topology.things()}
        keys = {key for _, _, key in topology.bindings()}
        self.lacks(names | keys, "amqp.rst", "What is declared")

    def test_every_command(self) -> None:
        """Each command of the command line, and each flag of the gateway."""
        flags = {f"--{flag[0]}" for flag in Options.optFlags}
        title = "Commands and exit statuses"
        self.lacks({*main.commands, *flags}, "contract.rst", title)
