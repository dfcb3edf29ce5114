"""What is odd about a command, as its profile sees it.  Nothing is altered.

The codes are those of docs/trackers.rst, "Findings".  Their texts are for people and
never hold a password: a part of the command is not repeated in them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final

from gdemoi.message import Finding
from gdemoi.profiles.format import Grade
from gdemoi.profiles.profile import Command, Profile, leading
from gdemoi.text import gsm7

# Findings that mean: the tracker will hardly understand it.  `strict` refuses these.
DEFECTS: Final = (
    "form",
    "leading_space",
    "trailing_space",
    "password_missing",
    "tail",
    "case",
    "charset",
    "too_long",
    "too_many_segments",
)
# The others tell what follows.
REMARKS: Final = (
    "extension_units",
    "other_family",
    "unknown_verb",
    "no_answer",
    "reboot",
    "changes_password",
    "changes_authorised",
    "weak_source",
)
CODES: Final = (*DEFECTS, *REMARKS)

# One SMS, and each segment of several (3GPP TS 23.040 §9.2.3.24)
_SEPTETS: Final = (160, 153)
_UCS2_UNITS: Final = (70, 67)
_MOST_ODD: Final = 10
# of seven letters one is wrong
_NEAR: Final = 0.85


def findings(
    profile: Profile, text: str, others: Iterable[Profile] = ()
) -> tuple[Finding, ...]:
    """Return what is odd about a command; `others` are asked when it fits no form."""
    command = profile.read(text)
    found = [*_letters(profile, text), *_size(profile, text)]
    explained = [*_explained(profile, command)]
    if not command.fits and not explained and not _has(found, "charset"):
        what = f"does not look like a command of {profile.file.title}"
        explained = [Finding("form", what), *_other(profile, text, others)]
    elif text.startswith(" ") and _has(explained, "leading_space"):
        # another family may have just so many blanks
        explained += _other(profile, text, others)
    return (*explained, *found, *_consequences(profile, command))


def _has(found: Iterable[Finding], code: str) -> bool:
    return any(one.code == code for one in found)


# -- its form ----------------------------------------------------------------


def _explained(profile: Profile, command: Command) -> Iterator[Finding]:
    """Yield what is wrong with the form, where that can be named."""
    text = command.text
    rules = profile.file.command
    if not command.fits:
        yield from _blanks(profile, text)
        if not profile.folds and profile.any_case.fullmatch(text[:1600]) is not None:
            what = "the letters are of another case, and this family tells them apart"
            yield Finding("case", what)
    elif rules.password and not command.caught.get(rules.password):
        what = "there is no password, and this family has one in each command"
        yield Finding("password_missing", what)
    reported: set[str] = set()
    for check in profile.checks:
        if check.code not in reported and check.when.fullmatch(text[:1600]) is not None:
            reported.add(check.code)
            yield Finding(check.code, check.text)


def _blanks(profile: Profile, text: str) -> Iterator[Finding]:
    """Yield `leading_space` when the right number of blanks would mend the command."""
    expected = profile.file.command.leading_spaces
    run = leading(text)
    found = text.count(" ", 0, run)
    if text[:run] == " " * expected:
        return
    corrected = " " * expected + text[run:]
    if profile.read(corrected).fits:
        what = (
            f"without login and password {_blanks_in_words(expected)} come first;"
            f" there are {found}"
            if expected
            else f"blanks come first ({run}), and this family has none there"
        )
        yield Finding("leading_space", what, None, expected, found)


def _blanks_in_words(count: int) -> str:
    return "one blank (U+0020)" if count == 1 else f"{count} blanks (U+0020)"


def _other(profile: Profile, text: str, others: Iterable[Profile]) -> Iterator[Finding]:
    """Yield the one other family whose form the command fits; of several, none."""
    fitting = [
        other
        for other in others
        if other is not profile and other.knows(other.read(text))
    ]
    if len(fitting) == 1:
        other = fitting[0]
        what = f"it looks like a command of {other.file.title} ({other.name})"
        yield Finding("other_family", what)


# -- its letters and its length ----------------------------------------------


def _letters(profile: Profile, text: str) -> Iterator[Finding]:
    """Yield the characters that the tracker cannot read, the first ten."""
    charset = profile.file.sms.charset
    if charset == "ucs2-ok":
        return
    odd = [
        (at, char)
        for at, char in enumerate(text)
        if not gsm7.fits(char) or (charset == "ascii" and not char.isascii())
    ]
    for at, char in odd[:_MOST_ODD]:
        name = unicodedata.name(char, "a character without a name")
        yield Finding("charset", f"U+{ord(char):04X} {name} at {at}", at)


def _size(profile: Profile, text: str) -> Iterator[Finding]:
    sms = profile.file.sms
    septets = _septets(text)
    sizes = _UCS2_UNITS if septets is None else _SEPTETS
    units = (
        len(text.encode("utf-16-be", "replace")) // 2 if septets is None else septets
    )
    if sms.max_units and units > sms.max_units:
        what = f"it takes {units} units, and {sms.max_units} are read"
        yield Finding("too_long", what, None, sms.max_units, units)
    elif sms.max_segments:
        segments = 1 if units <= sizes[0] else -(-units // sizes[1])
        if segments > sms.max_segments:
            what = f"it takes {segments} segments, and {sms.max_segments} are read"
            yield Finding("too_many_segments", what, None, sms.max_segments, segments)
            return
        return
    else:
        return
    doubled = 0 if septets is None else septets - len(text)
    if doubled:
        what = f"{doubled} of its characters take two units each: [ ] {{ }} \\ ^ ~ | €"
        yield Finding("extension_units", what, None, None, doubled)


def _septets(text: str) -> int | None:
    """Return the units in the GSM alphabet, None when it has not all characters."""
    try:
        return len(gsm7.encode(text))
    except gsm7.Unencodable:
        return None


# -- what follows from it ----------------------------------------------------


def _near(profile: Profile, command: Command) -> str | None:
    """Return the known verb of which an unknown one may be a slip."""
    if not command.fits or not command.verb or profile.knows(command):
        return None
    words = {profile.folded(one): one for one in profile.file.command.verbs}
    word = profile.folded(command.verb)
    near = get_close_matches(word, list(words), n=1, cutoff=_NEAR)
    return words[near[0]] if near else None


def _consequences(profile: Profile, command: Command) -> Iterator[Finding]:
    effect = command.effect
    near = _near(profile, command)
    if near is not None:
        yield Finding("unknown_verb", f"the verb is not known; near it is {near}")
    if command.fits and not command.answers:
        yield Finding("no_answer", "the tracker does not answer this command")
    if effect.reboot:
        settle_s = profile.settle_s(command)
        after = f", and is busy for {settle_s:g} s" if settle_s else ""
        yield Finding("reboot", f"the tracker starts anew{after}")
    if "password" in effect.sets:
        what = "it changes the password: commands with the old one fail from then on"
        yield Finding("changes_password", what)
    if "authorised" in effect.sets:
        what = "it changes who may give commands: the answer may go elsewhere"
        yield Finding("changes_authorised", what)
    if profile.file.sure is Grade.C:
        what = "no document of this family was read: try it with one device first"
        yield Finding("weak_source", what)
