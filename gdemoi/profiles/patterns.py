"""Patterns of a profile: compiled at load, and proved to end.

A pattern is Python's `re`, matched as a whole (`fullmatch`, DOTALL).  In those for
answers ``(?&name)`` stands for the text that the group `name` caught in the command,
letter for letter.

Answers are written by strangers, and Python's engine backtracks: ``(a+)+b`` would hold
the gateway for years.  So each pattern is walked before it is used, and refused when
it could take more than about `MOST_WAYS` turns on a text of `LONGEST` characters:

* a repeated group may hold neither a repeat nor a choice (but one that is there once
  or not at all may, and one with a fixed count is written out);
* a repeat is *open* when a character may belong to it and to what follows as well
  (``.*,``); each open one multiplies the turns by the length of the text.  ``[^,]*,``
  is closed: it can end in one place only.

No clock is asked: what is refused here never runs.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from attrs import frozen

# Longer texts than any SMS (255 segments are more, but nobody writes them).
LONGEST: Final = 1600
# two open repeats
MOST_WAYS: Final = float((LONGEST + 1) ** 2)
_LONGEST_PATTERN: Final = 1000
_MOST_COPIES: Final = 64

_reference: Final = re.compile(r"\(\?&([A-Za-z_][A-Za-z0-9_]*)\)")
_named_group: Final = re.compile(r"\(\?P<([A-Za-z_][A-Za-z0-9_]*)>")
# The engine's own parser: what it makes of a pattern is what runs.
_parser: Final[Any] = importlib.import_module("re._parser")
_codes: Final[Any] = importlib.import_module("re._constants")

# A set of characters: those below 256 by number, and one for all others.
_OTHERS: Final = 256
_EVERY: Final = frozenset(range(257))
_NOTHING: Final[frozenset[int]] = frozenset()


class BadPattern(ValueError):
    """A pattern that cannot be used; the text says why."""


@frozen
class Pattern:
    """One pattern of a profile.

    `keys` are the groups of the command that it repeats.
    """

    source: str
    keys: tuple[str, ...] = ()

    def match(
        self, text: str, caught: Mapping[str, str], fold: bool = False
    ) -> re.Match[str] | None:
        """Match the whole text, with what the command's groups caught.

        A pattern with a key that the command has not does not fit.  `fold`: the key's
        letters may be of another case.
        """
        if not all(caught.get(key) for key in self.keys):
            return None
        values = tuple(caught[key] for key in self.keys)
        return _exact(self.source, self.keys, values, fold).fullmatch(text)


@lru_cache(maxsize=4096)
def _exact(
    source: str, keys: tuple[str, ...], values: tuple[str, ...], fold: bool
) -> re.Pattern[str]:
    caught = dict(zip(keys, values, strict=True))

    def literal(found: re.Match[str]) -> str:
        escaped = re.escape(caught[found[1]])
        return f"(?i:{escaped})" if fold else f"(?:{escaped})"

    return re.compile(_reference.sub(literal, source), re.DOTALL)


def compiled(source: str) -> re.Pattern[str]:
    """Return a pattern without keys; raise `BadPattern`."""
    if _reference.search(source):
        raise BadPattern("(?&…) is for answers only")
    return _checked(source)


def answer_pattern(source: str, form: str) -> tuple[Pattern, re.Pattern[str] | None]:
    """Return the pattern of an answer, and one that takes any key; raise `BadPattern`.

    The second is None when there is no key in it; `form` is the command's pattern,
    whose groups say what a key may look like.
    """
    keys = tuple(dict.fromkeys(_reference.findall(source)))
    if not keys:
        _checked(source)
        return Pattern(source), None
    groups = {key: group_source(form, key) for key in keys}
    # whatever the key is, it is one text: any one character stands for its beginning
    _checked(_reference.sub(r"[\\s\\S]", source))
    return Pattern(source, keys), _checked(
        _reference.sub(lambda found: f"(?:{groups[found[1]]})", source)
    )


def group_source(form: str, name: str) -> str:
    """Return what stands in the named group of a pattern; raise `BadPattern`."""
    start = form.find(f"(?P<{name}>")
    if start < 0:
        raise BadPattern(f"(?&{name}): the command's form has no such group")
    start += len(f"(?P<{name}>")
    depth, at, inside = 1, start, False
    while at < len(form):
        char = form[at]
        if char == "\\":
            at += 1
        elif inside:
            inside = char != "]"
        elif char == "[":
            inside = True
            # "]" is a letter where a class begins
            at += 1 if form[at + 1 : at + 2] in ("]", "^") else 0
            at += 1 if form[at : at + 2] == "^]" else 0
        elif char in "()":
            depth += 1 if char == "(" else -1
            if not depth:
                return _named_group.sub("(?:", form[start:at])
        at += 1
    raise BadPattern(f"(?&{name}): the group does not end")


@lru_cache(maxsize=4096)
def _checked(source: str) -> re.Pattern[str]:
    if len(source) > _LONGEST_PATTERN:
        raise BadPattern(f"is over {_LONGEST_PATTERN} characters")
    try:
        tree = _parser.parse(source, re.DOTALL)
        found = re.compile(source, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as fault:
        raise BadPattern(f"is no regular expression: {fault}") from None
    ways, most = _ways(list(tree), _NOTHING)
    if max(ways, most) > MOST_WAYS:
        raise BadPattern(
            "may not end: it could take more turns than"
            f" {int(MOST_WAYS)} on {LONGEST} characters; use [^,]*, for .*,"
        )
    return found


# -- how many ways a text may be cut among the parts of a pattern ----------


def _ways(
    nodes: Sequence[tuple[Any, Any]], follow: frozenset[int]
) -> tuple[float, float]:
    """Return the ways of a sequence, and the most that any part of it has by itself.

    `follow` are the characters that may come after it.
    """
    ways, most = 1.0, 1.0
    for at in range(len(nodes) - 1, -1, -1):
        code, value = nodes[at]
        own, inner = _ways_of(code, value, follow)
        ways *= own
        most = max(most, inner, ways)
        first, empty = _first(code, value)
        follow = first | follow if empty else first
    return ways, most


def _ways_of(code: Any, value: Any, follow: frozenset[int]) -> tuple[float, float]:
    c = _codes
    if _single(code, value) is not None or code is c.AT:
        return 1.0, 1.0
    if code is c.SUBPATTERN:
        return _ways(list(value[3]), follow)
    if code is c.ATOMIC_GROUP:
        # given back whole or not at all
        return 1.0, max(_ways(list(value), follow))
    if code in (c.ASSERT, c.ASSERT_NOT):
        return 1.0, max(_ways(list(value[1]), _EVERY))
    if code is c.BRANCH:
        return _ways_of_choice([list(one) for one in value[1]], follow)
    if code in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
        return _ways_of_repeat(code, value, follow)
    word = str(code).lower().replace("_", " ")
    raise BadPattern(f"has a {word}, which no profile may")


def _ways_of_choice(
    choices: list[list[tuple[Any, Any]]], follow: frozenset[int]
) -> tuple[float, float]:
    found = [_ways(one, follow) for one in choices]
    seen: set[int] = set()
    apart = True
    for one in choices:
        first, empty = _first_of(one)
        apart = apart and not empty and not seen & first
        seen |= first
    ways = [own for own, _ in found]
    return (max(ways) if apart else sum(ways)), max(most for _, most in found)


def _ways_of_repeat(
    code: Any, value: Any, follow: frozenset[int]
) -> tuple[float, float]:
    least, most, body = value[0], value[1], list(value[2])
    most = LONGEST if most is _codes.MAXREPEAT else min(int(most), LONGEST)
    least = min(int(least), LONGEST)
    one = _single(*body[0]) if len(body) == 1 else None
    if one is None and least == most:
        if most > _MOST_COPIES:
            raise BadPattern(f"repeats a group more than {_MOST_COPIES} times")
        return _ways(body * most, follow)
    if one is None and most > 1:
        if _holds_choice(body):
            raise BadPattern(
                "may not end: a repeated group has a repeat or a choice in it"
            )
        one = _first_of(body)[0]
        if _first_of(body)[1]:
            raise BadPattern("may not end: a repeated group may be empty")
    elif one is None:
        # there once, or not at all
        ways, inner = _ways(body, follow)
        first, _ = _first_of(body)
        return (ways + 1 if first & follow else ways), inner
    if code is _codes.POSSESSIVE_REPEAT or not one & follow:
        return 1.0, 1.0
    return float(most - least + 1), 1.0


def _holds_choice(nodes: Iterable[tuple[Any, Any]]) -> bool:
    """Tell whether there is more than one way to match these."""
    c = _codes
    for code, value in nodes:
        if _single(code, value) is not None or code is c.AT:
            continue
        if code is c.SUBPATTERN:
            if _holds_choice(value[3]):
                return True
        elif code in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
            if value[0] != value[1] or _holds_choice(value[2]):
                return True
        else:
            return True
    return False


# -- with which characters a part may begin ----------------------------------


def _first_of(nodes: Iterable[tuple[Any, Any]]) -> tuple[frozenset[int], bool]:
    """Return with what a sequence may begin, and whether it may be empty."""
    found = _NOTHING
    for code, value in nodes:
        first, empty = _first(code, value)
        found |= first
        if not empty:
            return found, False
    return found, True


def _first(code: Any, value: Any) -> tuple[frozenset[int], bool]:
    c = _codes
    one = _single(code, value)
    if one is not None:
        return one, False
    if code is c.SUBPATTERN:
        return _first_of(value[3])
    if code is c.ATOMIC_GROUP:
        return _first_of(value)
    if code is c.BRANCH:
        found = [_first_of(one) for one in value[1]]
        return _NOTHING.union(*(f for f, _ in found)), any(e for _, e in found)
    if code in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
        first, empty = _first_of(value[2])
        return first, empty or not value[0]
    return _NOTHING, True


def _single(code: Any, value: Any) -> frozenset[int] | None:
    """Return the characters of a node that takes exactly one; None: it does not."""
    c = _codes
    if code is c.ANY:
        return _EVERY
    if code is c.LITERAL:
        return _letter(value)
    if code is c.NOT_LITERAL:
        return _EVERY - {value} | {_OTHERS}
    if code is not c.IN:
        return None
    items = list(value)
    negated = bool(items) and items[0][0] is c.NEGATE
    # A negated class has all that no item of it surely has.
    found = _NOTHING.union(
        *(_item(one, word, negated) for one, word in items[negated:])
    )
    return _EVERY - found if negated else found


def _letter(number: int) -> frozenset[int]:
    """Return a letter in both cases: flags may say that they are one."""
    char = chr(number)
    both = {ord(one) for one in (char, char.lower(), char.upper()) if len(one) == 1}
    return frozenset(min(one, _OTHERS) for one in both)


def _item(code: Any, value: Any, surely: bool) -> frozenset[int]:
    """Return the characters of one item of a class.

    `surely`: only those that it has whatever the flags are.
    """
    c = _codes
    if code is c.LITERAL:
        return frozenset({value} - {_OTHERS}) if surely else _letter(value)
    if code is c.RANGE:
        low, high = value
        inside = range(low, min(high, 255) + 1)
        if surely:
            return frozenset(inside)
        outside = {_OTHERS} if high > 255 else set()
        return _NOTHING.union(*(_letter(one) for one in inside)) | outside
    word = {
        c.CATEGORY_DIGIT: r"\d",
        c.CATEGORY_NOT_DIGIT: r"\D",
        c.CATEGORY_SPACE: r"\s",
        c.CATEGORY_NOT_SPACE: r"\S",
        c.CATEGORY_WORD: r"\w",
        c.CATEGORY_NOT_WORD: r"\W",
    }[value]
    is_one = re.compile(word).fullmatch
    inside_ = {number for number in range(256) if is_one(chr(number))}
    return frozenset(inside_ if surely else inside_ | {_OTHERS})
