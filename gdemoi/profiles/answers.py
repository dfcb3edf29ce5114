"""Which command an answer is about: a pure function over what is outstanding.

The caller knows which commands to this tracker left and when (`OutstandingCommand`);
this file knows how texts are compared.  In this order, the first hit wins:

1. a pattern that repeats a part of the command (a *key*), or one for what follows an
   answer that has come;
2. what the tracker sends by itself is no answer: an alarm takes no command's place;
3. a pattern without a key, for the first candidate whose profile has it;
4. what would fit but for its key answers a command that is not among these;
5. a further part of an answer that has begun;
6. no pattern fits and one candidate only is in time: that one, state ``unknown``.

Candidates rank by what is in flight, then by the order in which they left.  What fits
nothing as it came is tried once more as a repaired copy: what the wrong table on the
road made of ``$ @ _ [ \\ ] ^ { | } ~`` is put right.  Only copies are changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from attrs import frozen

from gdemoi.contract.numbers import normalise
from gdemoi.errors import InvalidMessage
from gdemoi.profiles.format import AnswerState
from gdemoi.profiles.patterns import LONGEST
from gdemoi.profiles.profile import AnswerRule, Command, Profile

_TAIL: Final = "\r\n\t "
_REPAIRED: Final = str.maketrans(
    {
        **dict(zip("¤¡§ÄÖÑÜäöñü", "$@_[\\]^{|}~", strict=True)),
        **dict(zip("\0\x02\x11", "@$_", strict=True)),
    }
)
# A short number, or a name: operators write so, trackers do not.
_LEAST_DIGITS: Final = 7
# how calls abroad begin
_PREFIXES: Final = ("00", "810")
# so many digits at the end are of one phone, nearly always
_TAIL_DIGITS: Final = 9


class By(StrEnum):
    """What an answer was recognised by."""

    KEY = "key"
    PATTERN = "pattern"
    ORDER = "order"


@frozen(kw_only=True)
class OutstandingCommand:
    """A command to this tracker that left, or may have left.

    Times are seconds of one clock.  `reachable`: an answer to it can come to where this
    one came.  `parts` are the answers that it got already; while `parts_until` is ahead
    a further one is waited for.
    """

    id: str
    # what it says; None: no profile was chosen for it
    command: Command | None
    left_at: float
    # until when an answer is in time
    deadline: float
    reachable: bool = True
    parts: int = 0
    parts_until: float = 0.0

    @property
    def profile(self) -> Profile | None:
        """Return the profile that it left with."""
        return None if self.command is None else self.command.profile

    def in_flight(self, now: float) -> bool:
        """Tell whether it waits for its answer still."""
        return now <= self.deadline and not self.parts


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says, and of which command: `reply_to`.

    `candidates` are the ids that fitted where it was decided, first the one that was
    taken; more than one, or a family that cannot tell its answer from its alarm, is
    `ambiguous`.
    """

    reply_to: str
    state: AnswerState
    by: By
    pattern: str | None = None
    profile: str | None = None
    part: int = 1
    late: bool = False
    ambiguous: bool = False
    candidates: tuple[str, ...] = ()
    repaired: bool = False


def may_answer(from_: str, text: str | None, binary: bool = False) -> bool:
    """Tell whether an inbound SMS can be an answer of a tracker at all.

    Not one in octets, without text, from a name or from a short number.
    """
    if binary or text is None or not text.strip(_TAIL + "\0"):
        return False
    digits = from_.removeprefix("+")
    return digits.isascii() and digits.isdecimal() and len(digits) >= _LEAST_DIGITS


def tracker_of(
    from_: str, outstanding: Collection[str], home_country: str | None
) -> tuple[str, bool] | None:
    """Return which of the numbers with outstanding commands sent an SMS.

    `from_` may be written as at home or with an international prefix.  The second
    value says that only the last nine digits tell it, and of one number only.
    """
    digits = from_.removeprefix("+")
    if not may_answer(from_, "-"):
        return None
    spelled = [from_, f"+{digits}"]
    spelled += [f"+{digits.removeprefix(p)}" for p in _PREFIXES if digits.startswith(p)]
    try:
        spelled.append(normalise(from_, home_country))
    except InvalidMessage:
        spelled.append(from_)
    for one in spelled:
        if one in outstanding:
            return one, False
    tail = digits[-_TAIL_DIGITS:]
    ending = [one for one in outstanding if one.endswith(tail)]
    if len(tail) == _TAIL_DIGITS and len(ending) == 1:
        return ending[0], True
    return None


def find(
    text: str, candidates: Sequence[OutstandingCommand], now: float
) -> Answer | None:
    """Return which of `candidates` the text answers; None: none of them.

    `text` is as it came; at most `LONGEST` characters of it are read.
    """
    if not candidates:
        return None
    ranked = sorted(
        candidates,
        key=lambda one: (not one.reachable, not one.in_flight(now), one.left_at),
    )
    copy = text[:LONGEST].rstrip(_TAIL)
    corrected = copy.translate(_REPAIRED)
    copies = [copy] if corrected == copy else [copy, corrected]
    for one in copies:
        found, over = _by_pattern(one, ranked, now)
        if found is not None and one is not copy:
            found = msgspec.structs.replace(found, repaired=True)
        if over:
            return found
    return _further_part(ranked, now) or _by_order(ranked, now)


def _by_pattern(
    text: str, ranked: Sequence[OutstandingCommand], now: float
) -> tuple[Answer | None, bool]:
    """Return the answer by a pattern, and whether that is the last word."""
    with_key = [_fitting(text, one, keyed=True) for one in ranked]
    found = _first(ranked, with_key, now)
    if found is not None:
        return found, True
    if any(_by_itself(text, profile) for profile in _profiles(ranked)):
        return None, True
    without = [_fitting(text, one, keyed=False) for one in ranked]
    found = _first(ranked, without, now)
    if found is not None:
        return found, True
    return None, any(_of_another(text, profile) for profile in _profiles(ranked))


def _profiles(candidates: Sequence[OutstandingCommand]) -> Iterator[Profile]:
    """Yield each profile of the candidates once."""
    seen: set[int] = set()
    for one in candidates:
        profile = one.profile
        if profile is not None and id(profile) not in seen:
            seen.add(id(profile))
            yield profile


def _fitting(text: str, one: OutstandingCommand, *, keyed: bool) -> AnswerRule | None:
    """Return the first answer of a candidate's profile that fits, with a key or not."""
    command = one.command
    if command is None:
        return None
    profile = command.profile
    verb = profile.folded(command.verb or "")
    for rule in profile.answers:
        if rule.follows and not one.parts:
            continue
        # what follows an answer is known by it, and looks like a report by itself
        if (_has_key(profile, rule) or rule.follows) is not keyed:
            continue
        if rule.verbs and verb not in rule.verbs:
            continue
        if rule.pattern.match(text, command.caught, profile.folds) is not None:
            return rule
    return None


def _has_key(profile: Profile, rule: AnswerRule) -> bool:
    """Tell whether a rule repeats what only this command says.

    In a family without echo a key proves nothing: an alarm has it as well.
    """
    return bool(rule.pattern.keys) and not profile.file.answers.no_echo


def _by_itself(text: str, profile: Profile) -> bool:
    return any(one.fullmatch(text) is not None for _, one in profile.unsolicited)


def _of_another(text: str, profile: Profile) -> bool:
    """Tell whether it would fit, but for the key."""
    return not profile.file.answers.no_echo and any(
        rule.any_key is not None and rule.any_key.fullmatch(text) is not None
        for rule in profile.answers
    )


def _first(
    ranked: Sequence[OutstandingCommand],
    rules: Sequence[AnswerRule | None],
    now: float,
) -> Answer | None:
    """Return the answer to the first candidate that has a rule."""
    fitting = [
        (one, rule) for one, rule in zip(ranked, rules, strict=True) if rule is not None
    ]
    if not fitting:
        return None
    one, rule = fitting[0]
    profile = one.profile
    assert profile is not None
    return Answer(
        reply_to=one.id,
        state=rule.state,
        by=By.KEY if _has_key(profile, rule) else By.PATTERN,
        pattern=rule.name,
        profile=profile.name,
        part=one.parts + 1,
        late=_is_late(one, now),
        ambiguous=len(fitting) > 1 or profile.file.answers.no_echo,
        candidates=tuple(other.id for other, _ in fitting),
    )


def _is_late(one: OutstandingCommand, now: float) -> bool:
    return now > one.deadline and not (one.parts and now <= one.parts_until)


def _further_part(ranked: Sequence[OutstandingCommand], now: float) -> Answer | None:
    """Return the next part of the one answer that has begun and is not whole."""
    begun = [one for one in ranked if one.parts and now <= one.parts_until]
    if len(begun) != 1:
        return None
    one = begun[0]
    profile = one.profile
    return Answer(
        reply_to=one.id,
        state=AnswerState.PART,
        by=By.ORDER,
        profile=None if profile is None else profile.name,
        part=one.parts + 1,
        candidates=(one.id,),
    )


def _by_order(ranked: Sequence[OutstandingCommand], now: float) -> Answer | None:
    """Return the only command that waits in time as the one that is answered."""
    if len(ranked) != 1 or not ranked[0].in_flight(now):
        return None
    one = ranked[0]
    profile = one.profile
    return Answer(
        reply_to=one.id,
        state=AnswerState.UNKNOWN,
        by=By.ORDER,
        profile=None if profile is None else profile.name,
        candidates=(one.id,),
    )
