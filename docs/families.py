"""``families.rst`` made from the profiles; ``make docs`` writes it, a test compares it.

Knows reStructuredText and the profiles; every fact is a profile's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from docs.reference import filled, titled, written
from gdemoi.profiles.findings import DEFECTS
from gdemoi.profiles.format import AnswerState
from gdemoi.profiles.library import Library
from gdemoi.profiles.profile import Profile

HEAD = """\
.. Made by "make docs" from the profiles (gdemoi/profiles/*.toml): do not edit.

Families of trackers
====================

What the built-in profiles know, and how sure it is: **A**, the maker's own document was
read; **B**, another's code, guide or test was read; **C**, it is often said, and no
document was read.  A fact holds for the document that is named, not for every
firmware.  How profiles are used is told in `trackers.rst <trackers.rst>`_.
"""
WORDS = {
    AnswerState.OK: "ok",
    AnswerState.ERROR: "error",
    AnswerState.UNKNOWN: "not to be told apart",
    AnswerState.PART: "a part",
}
CHANGED = {
    "password": "password",
    "authorised": "numbers that may give commands",
    "server": "server",
    "sim": "SIM",
}


def table(profiles: list[Profile]) -> Iterator[str]:
    """Yield the table of all families."""
    yield ".. csv-table::\n   :delim: |\n   :widths: 20, 5, 50, 25"
    yield "   :header: profile, sure, family, answers are known by\n"
    for one in profiles:
        cells = (f"``{one.name}``", one.file.sure, one.file.title, known_by(one))
        yield "   " + " | ".join(cells)
    yield ""


def known_by(one: Profile) -> str:
    """Return how answers of a family are told from one another."""
    if one.file.answers.no_echo:
        return "sentences that are alarms as well"
    keyed = [rule for rule in one.answers if rule.pattern.keys]
    if not one.answers:
        return "their order only"
    if len(keyed) == len(one.answers):
        return "what they repeat"
    return "what they repeat, and sentences" if keyed else "sentences"


def family(one: Profile) -> Iterator[str]:
    """Yield what is known of one family."""
    file = one.file
    yield titled(file.title, "-")
    sources = "; ".join(file.sources)
    yield filled(written(f"Profile `{file.name}`, sure: {file.sure} ({sources})."))
    yield ""
    for note in file.notes:
        yield filled(written(note), "* ").replace("\n* ", "\n  ")
    if file.notes:
        yield ""
    facts = [*limits(one), *verbs(one), *answers(one)]
    for fact in facts:
        yield f"* {fact}"
    if facts:
        yield ""
    commands = [e.command for e in file.example if not set(DEFECTS) & {*e.findings}]
    if commands:
        yield "::\n"
        yield from (f"    {line}" for c in commands for line in shown(c))
        yield ""


def shown(command: str) -> list[str]:
    """Return a command as an example: blanks at its ends are seen."""
    lines = command.split("\n")
    return ["␣" * (len(x) - len(x.lstrip(" "))) + x.strip(" ")
            + "␣" * (len(x) - len(x.rstrip(" "))) for x in lines]  # fmt: skip


def limits(one: Profile) -> Iterator[str]:
    """Yield what of a text the tracker reads, where that is known."""
    sms = one.file.sms
    if sms.max_units:
        yield f"at most {sms.max_units} units"
    if one.file.command.case == "ignore":
        yield "letters of any case"


def verbs(one: Profile) -> Iterator[str]:
    """Yield what is special about single commands."""
    for word, verb in one.file.verbs.items():
        told = []
        if verb.answers is not None:
            told.append("never answers" if not verb.answers else
                        f"answers {verb.answers} times")  # fmt: skip
        if verb.effect.reboot:
            told.append("starts the tracker anew")
        told += [f"changes the {CHANGED[what]}" for what in verb.effect.sets]
        grade = f" ({verb.sure})" if verb.sure else ""
        if told:
            yield f"``{word}``: {', '.join(told)}{grade}"


def answers(one: Profile) -> Iterator[str]:
    """Yield the kinds of answers, with their grade where it is another one."""
    for rule in one.file.answer:
        grade = f" ({rule.sure})" if rule.sure and rule.sure != one.file.sure else ""
        yield f"answer ``{rule.match.strip()}``: {WORDS[rule.state]}{grade}"
    for own in one.file.unsolicited:
        grade = f" ({own.sure})" if own.sure and own.sure != one.file.sure else ""
        yield f"by itself ``{own.match.strip()}``{grade}"


def page() -> str:
    """Return the whole page."""
    profiles = list(Library())
    parts = [HEAD, "\n".join(table(profiles))]
    parts += ["\n".join(family(one)) for one in profiles]
    return "\n".join(parts)
