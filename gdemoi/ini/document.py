"""A whole configuration: includes, secrets, and settings read from sections.

All complaints are gathered; nothing stops at the first.  Files, environment and
permissions come in through `Sources`, so that reading stays a pure function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, TypeVar

from attrs import define, field, frozen

from gdemoi.ini.declared import Key, keys_of
from gdemoi.ini.units import (
    Converter,
    FileConverter,
    Wrong,
    likely,
    secret,
    suspicious,
    uncommented,
    unquoted,
    words,
)
from gdemoi.ini.words import Block, Complaint, Place, Word, read

S = TypeVar("S")

_MISSING: Final = object()
_A_LINE_OF_ITS_OWN: Final = "a comment is a line of its own"
# A complaint is for people: more of a strange value than this helps nobody.
_LONGEST: Final = 300


class Sources(Protocol):
    """What lies outside the text: files and the environment."""

    def read(self, path: str) -> bytes:
        """Return a file's octets; raises `OSError`."""

    def expand(self, pattern: str, beside: str) -> list[str]:
        """Return the files that match, sorted; relative to the file `beside`."""

    def resolve(self, path: str, beside: str) -> str:
        """Return `path` relative to the folder of the file `beside`."""

    def world_readable(self, path: str) -> bool:
        """Tell whether everybody on this machine may read the file."""

    def variable(self, name: str) -> str | None:
        """Return an environment variable."""


@define
class Document:
    """All sections of a configuration, and what is wrong with them."""

    sources: Sources
    sections: list[Section] = field(factory=list)
    complaints: list[Complaint] = field(factory=list)
    _checked: set[str] = field(factory=set)

    def first_open_secret(self, file: str) -> bool:
        """Tell whether everybody may read `file`, once for each file."""
        if file in self._checked:
            return False
        self._checked.add(file)
        return self.sources.world_readable(file)

    @property
    def errors(self) -> list[Complaint]:
        """Return the complaints that make the configuration unusable."""
        return [one for one in self.complaints if not one.warning]

    def of_kind(self, kind: str) -> list[Section]:
        """Return the sections ``[kind]`` and ``[kind:…]``, in file order."""
        return [section for section in self.sections if section.kind == kind]

    def complain(
        self, place: Place, what: str, *, hint: str | None = None, warning: bool = False
    ) -> None:
        """Add a complaint that belongs to no section."""
        self.complaints.append(Complaint(place, what, hint=hint, warning=warning))


@frozen
class Section:
    """One section; `read` turns it into a settings record."""

    document: Document = field(repr=False)
    block: Block = field(repr=False)
    kind: str
    name: str | None

    @property
    def label(self) -> str:
        """Return what stands between the brackets."""
        return self.block.label

    @property
    def place(self) -> Place:
        """Return where the section begins."""
        return self.block.place

    def place_of(self, key: str) -> Place:
        """Return where a key is set; the section's beginning when it is not."""
        word = self.block.words.get(key)
        return word.place if word else self.block.place

    def complain(
        self,
        key: str | None,
        what: str,
        *,
        hint: str | None = None,
        warning: bool = False,
    ) -> None:
        """Add a complaint about `key`, or about the section as a whole."""
        place = self.place if key is None else self.place_of(key)
        self.document.complaints.append(
            Complaint(place, what, self.label, key, hint, warning)
        )

    def read(self, settings: type[S]) -> S | None:
        """Return the settings, or None after complaints about them."""
        before = len(self.document.errors)
        declared = keys_of(settings)
        meant = self._unknown(declared)
        values: dict[str, Any] = {}
        for one in declared:
            if one.pattern is not None:
                values[one.field] = self._pattern(one, one.pattern)
                continue
            word = self.block.words.get(one.name)
            if word is not None:
                values[one.field] = self._value(one, one.name, word)
            elif one.required and one.name not in meant:
                self.complain(one.name, "is required and missing")
        if len(self.document.errors) > before:
            return None
        return self._made(settings, values)

    def _made(self, settings: type[S], values: dict[str, Any]) -> S | None:
        try:
            made = settings(**values)
        except ValueError as error:
            self.complain(None, str(error))
            return None
        checks = getattr(made, "complaints", None)
        found: list[tuple[str, str]] = list(checks()) if checks else []
        for key, what in found:
            self.complain(key or None, what)
        return None if found else made

    def _unknown(self, declared: Iterable[Key]) -> set[str]:
        """Complain about unknown keys; return the ones that were meant."""
        known = [one.name for one in declared]
        beginnings = tuple(name[:-1] for name in known if name.endswith("*"))
        # a slip of the pen is more likely for a key that is not set
        missing = [name for name in known if name not in self.block.words]
        meant: set[str] = set()
        for name in self.block.words:
            if name in known or (beginnings and name.startswith(beginnings)):
                continue
            hint = likely(name, missing) or likely(name, known)
            self.complain(name, "is unknown here", hint=hint)
            meant |= {hint} if hint else set()
        return meant

    def _pattern(self, one: Key, beginning: str) -> dict[str, Any]:
        return {
            name.removeprefix(beginning): self._value(one, name, word)
            for name, word in self.block.words.items()
            if name.startswith(beginning)
        }

    def _value(self, one: Key, name: str, word: Word) -> Any:
        converter = one.converter
        meant = uncommented(word.value)
        if converter is secret and meant and not meant.startswith(_LOOKED_UP):
            meant = ""  # never in a complaint
        tail = "" if meant is None else f"; {_A_LINE_OF_ITS_OWN}"
        try:
            value = self._converted(converter, name, word)
        except ValueError as error:
            hint = meant or (error.hint if isinstance(error, Wrong) else None)
            self.complain(name, _short(str(error)) + tail, hint=hint)
        except OSError as error:
            # a value may name a file that its converter reads
            why = error.strerror or error
            self.complain(name, f"cannot be read: {why}{tail}", hint=meant or None)
        else:
            if meant is not None:
                what = f"the value goes on to the end of its line{tail}"
                self.complain(name, what, hint=meant or None, warning=True)
            return value
        return _MISSING

    def _converted(self, converter: Callable[[str], Any], name: str, word: Word) -> Any:
        """Return the value; raises `ValueError` and `OSError`."""
        listed = isinstance(converter, Converter) and converter.listed
        value = word.value if listed else unquoted(word.value)
        if converter is secret:
            return self._secret(name, value, quoted=value != word.value)
        if isinstance(converter, FileConverter):
            return self._of_file(converter, name, value, word.place.file)
        meant = suspicious(converter, value)
        if meant is not None:
            self.complain(name, f"{value} is in seconds", hint=meant, warning=True)
        return converter(value)

    def _of_file(
        self, converter: FileConverter[Any], name: str, value: str, beside: str
    ) -> Any:
        """Return a value that names a file; what is in that is looked at."""
        sources = self.document.sources
        placed = converter.place(value, lambda file: sources.resolve(file, beside))
        if converter.check is not None:
            try:
                converter.check(_octets(sources, placed))
            except Wrong as wrong:
                raise ValueError(f"{placed} {wrong}") from None
        if converter.private:
            self._warn_if_open(name, placed)
        return converter(placed)

    def _secret(self, name: str, value: str, *, quoted: bool) -> str:
        """Look a secret up; what it is never appears in a complaint."""
        sources = self.document.sources
        file = self.place_of(name).file
        if not quoted and value.startswith("env:"):
            found = sources.variable(value[4:])
            if found is None:
                raise ValueError(f"the environment variable {value[4:]} is not set")
            if not found:
                raise ValueError(f"the environment variable {value[4:]} is empty")
            return found
        if not quoted and value.startswith("credential:"):
            folder = sources.variable("CREDENTIALS_DIRECTORY")
            if folder is None:
                raise ValueError(
                    "there are no credentials: CREDENTIALS_DIRECTORY is not set (it is"
                    " by LoadCredential= in a systemd unit)"
                )
            name_of_it = value.removeprefix("credential:")
            if not name_of_it or "/" in name_of_it:
                raise ValueError(f"{name_of_it!r} is not the name of a credential")
            return _one_line(sources, f"{folder}/{name_of_it}")
        if not quoted and value.startswith("file:"):
            named = sources.resolve(value[5:], file)
            found = _one_line(sources, named)
            self._warn_if_open(name, named)
            return found
        if value and self.document.first_open_secret(file):
            self.complain(
                name,
                "a secret in a file that everybody may read;"
                " chmod o-r it, or use env:, file: or credential:",
                warning=True,
            )
        return value

    def _warn_if_open(self, name: str, file: str) -> None:
        """Warn of a file of secrets that everybody may read, once for each."""
        if self.document.first_open_secret(file):
            what = f"{file} holds a secret and everybody may read it; chmod o-r it"
            self.complain(name, what, warning=True)


# how a secret that stands elsewhere begins
_LOOKED_UP: Final = ("env:", "file:", "credential:")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _octets(sources: Sources, file: str) -> bytes:
    try:
        return sources.read(file)
    except OSError as error:
        why = error.strerror or str(error)
        raise ValueError(f"cannot read {file}: {why}") from None


def _one_line(sources: Sources, file: str) -> str:
    octets = _octets(sources, file)
    try:
        text = octets.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8") from None
    line, _, rest = text.replace("\r\n", "\n").partition("\n")
    if rest.strip():
        raise ValueError(f"{file} has more than one line")
    if not line:
        raise ValueError(f"{file} is empty")
    return line


def parse(file: str, sources: Sources) -> Document:
    """Read a file and all that it includes; raises `OSError` for the first file."""
    document = Document(sources)
    blocks: dict[str, Block] = {}
    _take(document, blocks, file, sources.read(file), (file,))
    document.sections += [
        Section(document, block, block.kind, block.name) for block in blocks.values()
    ]
    return document


def _take(
    document: Document,
    blocks: dict[str, Block],
    file: str,
    octets: bytes,
    chain: tuple[str, ...],
) -> None:
    """Add a file's sections, then those of the files it includes."""
    found, complaints = read(file, octets)
    document.complaints += complaints
    includes: list[tuple[Block, Word]] = []
    for block in found:
        if block.label == "gateway" and "include" in block.words:
            includes.append((block, block.words["include"]))
            if len(chain) > 1 and len(block.words) == 1:
                # an included file may include further ones, and that only
                continue
        before = blocks.setdefault(block.label, block)
        if before is not block:
            document.complaints.append(
                Complaint(block.place, f"is already at {before.place}", block.label)
            )
    for block, word in includes:
        _include(document, blocks, block, word, chain)


def _include(
    document: Document,
    blocks: dict[str, Block],
    block: Block,
    word: Word,
    chain: tuple[str, ...],
) -> None:
    def complain(what: str, *, warning: bool = False) -> None:
        document.complaints.append(
            Complaint(word.place, what, block.label, "include", warning=warning)
        )

    try:
        patterns = words(word.value)
    except ValueError as error:
        complain(str(error))
        return
    for pattern in patterns:
        files = document.sources.expand(pattern, word.place.file)
        if not files and set(pattern) & set("*?["):
            complain(f"no file matches {pattern}", warning=True)
        elif not files:
            complain(f"there is no file {pattern}")
        for file in files:
            if file in chain:
                complain("a loop: " + " includes ".join((*chain, file)))
                continue
            try:
                octets = document.sources.read(file)
            except OSError as error:
                complain(f"cannot read {file}: {error.strerror or error}")
                continue
            _take(document, blocks, file, octets, (*chain, file))
