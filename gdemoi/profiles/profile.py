"""A profile ready for use: what a command says, and what is secret in it.

A profile never alters a command.  `findings` looks for what is wrong with one,
`answers` for the command that an answer is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import field, frozen

from gdemoi.profiles.format import (
    AnswerState,
    BadProfile,
    Effect,
    Grade,
    ProfileFile,
    Verb,
    read,
    seconds,
)
from gdemoi.profiles.patterns import (
    LONGEST,
    BadPattern,
    Pattern,
    answer_pattern,
    compiled,
)
from gdemoi.text import gsm7

MASK: Final = "***"
VERB: Final = "verb"
SECRET: Final = "secret"
_NOT_GSM: Final = "\N{BLACK SQUARE}"
# U+0020, and what looks like it or like nothing
_leading: Final = re.compile("[\\s\u00ad\u200b-\u200f\u2060\ufeff]*").match
_NO_VERB: Final = Verb()
_NO_EFFECT: Final = Effect()


@frozen
class Command:
    """A command as its profile reads it; `caught` has what its groups caught.

    `fits` is False when it does not look like this family: then nothing is caught.
    """

    text: str
    profile: Profile
    fits: bool = False
    caught: Mapping[str, str] = field(factory=dict)
    # where each group of `caught` stands: (start, end)
    spans: Mapping[str, tuple[int, int]] = field(factory=dict, repr=False)
    # how many answers are expected, and within what time the first
    answers: int = 1
    within_s: float = 120.0
    effect: Effect = _NO_EFFECT

    @property
    def verb(self) -> str | None:
        """Return the verb, None when there is none or it could not be read."""
        return self.caught.get(VERB)


@frozen
class AnswerRule:
    """One kind of answer of a family."""

    name: str
    state: AnswerState
    pattern: Pattern
    # fits whatever the key is; None: the pattern has no key
    any_key: re.Pattern[str] | None
    # to these verbs only; none: to all
    verbs: frozenset[str]
    follows: bool
    sure: Grade


@frozen
class CheckRule:
    """One finding that the profile itself declares."""

    code: str
    when: re.Pattern[str]
    text: str


@frozen(eq=False)
class Profile:
    """One family, with its patterns compiled."""

    file: ProfileFile = field(repr=False)
    # where it was read: a path, or "built in"
    place: str
    form: re.Pattern[str] = field(repr=False)
    any_case: re.Pattern[str] = field(repr=False)
    checks: tuple[CheckRule, ...] = field(repr=False)
    answers: tuple[AnswerRule, ...] = field(repr=False)
    unsolicited: tuple[tuple[str, re.Pattern[str]], ...] = field(repr=False)
    secret_answers: tuple[re.Pattern[str], ...] = field(repr=False)
    secret_unread: tuple[re.Pattern[str], ...] = field(repr=False)
    verbs: Mapping[str, Verb] = field(repr=False)
    within_s: float
    late_s: float
    parts_gap_s: float
    gap_s: float
    known_verbs: frozenset[str] = field(repr=False)
    # verb -> groups that are secret, "" -> those of any verb
    _secret_groups: Mapping[str, tuple[str, ...]] = field(repr=False)
    _settles: Mapping[str, float] = field(repr=False)
    _withins: Mapping[str, float] = field(repr=False)

    @property
    def name(self) -> str:
        """Return its name."""
        return self.file.name

    @property
    def folds(self) -> bool:
        """Tell whether the letters of a command may be of any case."""
        return self.file.command.case == "ignore"

    def read(self, text: str) -> Command:
        """Return what a command says; one that does not fit the form says nothing."""
        found = self.form.fullmatch(text) if len(text) <= LONGEST else None
        rules = self.file.answers
        if found is None:
            return Command(text, self, answers=rules.default, within_s=self.within_s)
        names = [name for name, value in found.groupdict().items() if value is not None]
        word = self._word(found)
        verb = self.verbs.get(word, _NO_VERB)
        return Command(
            text,
            self,
            True,
            {name: found[name] for name in names},
            {name: found.span(name) for name in names},
            rules.default if verb.answers is None else verb.answers,
            self._withins.get(word, self.within_s),
            verb.effect,
        )

    def knows(self, command: Command) -> bool:
        """Tell whether a command is surely of this family: form, and a known verb."""
        word = self.folded(command.verb or "")
        return command.fits and (not self.known_verbs or word in self.known_verbs)

    def folded(self, word: str) -> str:
        """Return a word as it is compared in this family."""
        return word.casefold() if self.folds else word

    def _word(self, found: re.Match[str]) -> str:
        return self.folded(found.groupdict().get(VERB) or "")

    def settle_s(self, command: Command) -> float:
        """Return how long the tracker is busy after a command, in seconds."""
        return self._settles.get(self.folded(command.verb or ""), 0.0)

    # -- what is secret ----------------------------------------------------

    def masked(self, text: str) -> str:
        """Return a command without its passwords, for people to see."""
        return _hidden(text, self.secret_spans(text))

    def masked_alike(self, text: str) -> str:
        """Return the same with a sign for each one that is hidden.

        It takes as many units, in the same alphabet, as the command does.
        """
        letters = list(text)
        for start, end in self.secret_spans(text):
            letters[start:end] = [_alike(one) for one in letters[start:end]]
        return "".join(letters)

    def secret_spans(self, text: str) -> list[tuple[int, int]]:
        """Return where passwords stand in a command, as (start, end).

        One that does not fit the form is read with other blanks before it, or letters
        of another case, or by a pattern for that.  Where nothing fits nobody knows
        what of it is a password: all of it, in families that have one.
        """
        if not self._secret_groups:
            return []
        command = self.read(text)
        if command.fits:
            return self._spans(command, 0)
        run = leading(text)
        corrected = " " * self.file.command.leading_spaces + text[run:]
        command = self.read(corrected)
        # a word that is no known verb may be the password
        if self.known_verbs and self.knows(command):
            return self._spans(command, run - self.file.command.leading_spaces)
        patterns = (self.any_case, *self.secret_unread)
        for pattern in patterns if len(text) <= LONGEST else ():
            found = pattern.fullmatch(text)
            if found is not None:
                caught = found.groupdict()
                names = [n for n in (*self._all_secrets, SECRET) if caught.get(n)]
                return [found.span(name) for name in names]
        return [(0, len(text))]

    def _spans(self, command: Command, by: int) -> list[tuple[int, int]]:
        names = [n for n in self.secret_groups(command) if n in command.spans]
        spans = [command.spans[name] for name in names]
        return [(start + by, end + by) for start, end in spans if start < end]

    @property
    def _all_secrets(self) -> tuple[str, ...]:
        return tuple({n: None for names in self._secret_groups.values() for n in names})

    def secret_groups(self, command: Command) -> tuple[str, ...]:
        """Return the groups of a command that are secret."""
        known, word = self._secret_groups, self.folded(command.verb or "")
        return (*known.get("", ()), *(known.get(word, ()) if word else ()))

    def masked_answer(self, text: str) -> str:
        """Return an answer without the passwords that it tells."""
        head, tail = text[:LONGEST], text[LONGEST:]
        spans: list[tuple[int, int]] = []
        for pattern in self.secret_answers:
            found = pattern.fullmatch(head)
            if found is not None and found[SECRET] is not None:
                spans.append(found.span(SECRET))
        return _hidden(head, spans) + tail


def leading(text: str) -> int:
    """Return how many blanks, or what looks like one or like nothing, come first."""
    found = _leading(text)
    assert found is not None
    return found.end()


def _alike(char: str) -> str:
    """Return a sign that takes the units of a character, in its alphabet."""
    if not gsm7.fits(char):
        return _NOT_GSM * (len(char.encode("utf-16-be", "replace")) // 2)
    return "*" if len(gsm7.encode(char)) == 1 else "~"


def _hidden(text: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        if start < end:
            text = text[:start] + MASK + text[end:]
    return text


def load(octets: bytes, place: str) -> Profile:
    """Return the profile of a file; raise `BadProfile` with its place and key."""
    file = read(octets, place)
    return _ProfileMaker(file, place).profile()


class _ProfileMaker:
    """A profile on its way from words to patterns."""

    def __init__(self, file: ProfileFile, place: str) -> None:
        self.file = file
        self.place = place

    def profile(self) -> Profile:
        file = self.file
        form = self._of("command.form", file.command.form)
        folds = file.command.case == "ignore"
        any_case = re.compile(form.pattern, re.DOTALL | re.IGNORECASE)
        self._groups(form)
        return Profile(
            file,
            self.place,
            any_case if folds else form,
            any_case,
            self._checks(),
            self._answers(),
            tuple(
                (one.name, self._of(f"unsolicited[{n}].match", one.match))
                for n, one in enumerate(file.unsolicited)
            ),
            self._with_secret("secrets.answer", file.secrets.answer),
            self._with_secret("secrets.unread", file.secrets.unread, False),
            {(w.casefold() if folds else w): verb for w, verb in file.verbs.items()},
            self._seconds("answers.within", file.answers.within),
            self._seconds("answers.late", file.answers.late),
            self._seconds("answers.parts_gap", file.answers.parts_gap),
            self._seconds("pace.gap", file.pace.gap),
            frozenset(w.casefold() if folds else w for w in file.command.verbs),
            self._secret_groups(folds),
            *self._times(folds),
        )

    def _bad(self, key: str, what: str) -> BadProfile:
        return BadProfile(self.place, key, what)

    def _seconds(self, key: str, text: str) -> float:
        return seconds(self.place, key, text)

    def _of(self, key: str, source: str) -> re.Pattern[str]:
        try:
            return compiled(source)
        except BadPattern as fault:
            raise self._bad(key, str(fault)) from None

    def _groups(self, form: re.Pattern[str]) -> None:
        """See that the groups that other keys name are there."""
        groups = form.groupindex
        wanted: list[tuple[str, str]] = []
        if self.file.command.password:
            wanted.append(("command.password", self.file.command.password))
        secrets = self.file.secrets
        wanted += [("secrets.command", name) for name in secrets.command]
        for word, names in secrets.verbs.items():
            wanted += [(f"secrets.verbs.{word}", name) for name in names]
        if self.file.verbs or self.file.command.verbs or secrets.verbs:
            wanted.append(("verbs", VERB))
        for key, name in wanted:
            if name not in groups:
                raise self._bad(key, f"command.form has no group {name}")

    def _secret_groups(self, folds: bool) -> dict[str, tuple[str, ...]]:
        secrets = self.file.secrets
        found = {
            (word.casefold() if folds else word): names
            for word, names in secrets.verbs.items()
        }
        return found | ({"": secrets.command} if secrets.command else {})

    def _checks(self) -> tuple[CheckRule, ...]:
        return tuple(
            CheckRule(
                one.code, self._of(f"command.check[{n}].when", one.when), one.text
            )
            for n, one in enumerate(self.file.command.check)
        )

    def _answers(self) -> tuple[AnswerRule, ...]:
        found: list[AnswerRule] = []
        names: set[str] = set()
        for number, one in enumerate(self.file.answer):
            key = f"answer[{number}]"
            if one.name in names:
                raise self._bad(f"{key}.name", f"there is an answer {one.name} already")
            names.add(one.name)
            try:
                pattern, any_key = answer_pattern(one.match, self.file.command.form)
            except BadPattern as fault:
                raise self._bad(f"{key}.match", str(fault)) from None
            folds = self.file.command.case == "ignore"
            verbs = frozenset(w.casefold() if folds else w for w in one.verbs)
            sure = one.sure or self.file.sure
            rule = (one.name, one.state, pattern, any_key, verbs, one.follows, sure)
            found.append(AnswerRule(*rule))
        return tuple(found)

    def _with_secret(
        self, where: str, sources: tuple[str, ...], required: bool = True
    ) -> tuple[re.Pattern[str], ...]:
        found = []
        for number, source in enumerate(sources):
            key = f"{where}[{number}]"
            pattern = self._of(key, source)
            if required and SECRET not in pattern.groupindex:
                raise self._bad(key, "has no group (?P<secret>…)")
            found.append(pattern)
        return tuple(found)

    def _times(self, folds: bool) -> tuple[Any, Any]:
        settles: dict[str, float] = {}
        withins: dict[str, float] = {}
        for word, verb in self.file.verbs.items():
            known = word.casefold() if folds else word
            key = f"verbs.{word}"
            settles[known] = self._seconds(f"{key}.effect.settle", verb.effect.settle)
            if verb.answer_within is not None:
                withins[known] = self._seconds(
                    f"{key}.answer_within", verb.answer_within
                )
        return settles, withins
