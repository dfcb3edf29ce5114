"""Which profile a tracker has, and what it finds in a command.

Chosen by the message (``tracker.profile``), else by what was set for the number, else
by the first section ``[tracker:…]`` that fits; the last two for commands and
activations only.  What is found is told and nothing is altered; a strict tracker's
command is refused when a finding says that it would not be understood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec
from attrs import field, frozen

from gdemoi.contract.trackers import TrackerSetting
from gdemoi.ini import Converter, boolean, each, key, text, words
from gdemoi.message import (
    CommandPace,
    Error,
    Finding,
    MessageClass,
    Outbound,
    Tracker,
    Turn,
    filled,
)
from gdemoi.profiles.findings import DEFECTS, findings
from gdemoi.profiles.library import Library
from gdemoi.profiles.profile import Profile

_NOTHING_SET: Final = TrackerSetting(None)
CHECKED: Final = "gateway:tracker_check"


def _code(value: str) -> str:
    if not value.replace("_", "").isalpha() or not value.islower():
        raise ValueError(f"{value!r} is not a finding's code")
    return value


_CODES: Final = Converter("finding", _code)


@frozen(kw_only=True)
class TrackersSettings:
    """What is known of trackers: folders with profiles of your own."""

    profiles: tuple[str, ...] = key(
        words,
        default=(),
        doc="folders of *.toml files, relative to this file; a profile with the name"
        " of a built-in one replaces it",
        example="profiles",
    )


@frozen(kw_only=True)
class TrackerSettings:
    """Trackers of one kind: which numbers they are, and what is known of them.

    The first section that fits a command or activation gives it its profile; all
    conditions must hold.  A profile alters nothing.
    """

    profile: str = key(text, doc="its profile's name", example="teltonika")
    to: tuple[str, ...] = key(
        words, default=(), doc="condition: globs of the number", example="+7916*"
    )
    account: tuple[str, ...] = key(
        words, default=(), doc="condition: globs of the message's account"
    )
    strict: bool = key(
        boolean, default=False, doc="refuse commands that have one of `strict_codes`"
    )
    strict_codes: tuple[str, ...] = key(
        each(_CODES),
        default=DEFECTS,
        doc="findings for which a strict tracker's command is refused",
    )

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Tell what contradicts itself, as (key, why)."""
        if not self.strict_codes:
            yield "strict_codes", "nothing could ever be refused"


@frozen
class TrackerRule:
    """One section ``[tracker:NAME]``."""

    name: str
    settings: TrackerSettings

    def fits(self, message: Outbound) -> bool:
        """Tell whether all conditions hold."""
        wanted = self.settings
        return _globs(message.to, wanted.to) and _globs(message.account, wanted.account)


def _globs(value: str | None, globs: Sequence[str]) -> bool:
    return not globs or (
        value is not None and any(fnmatchcase(value, one) for one in globs)
    )


@frozen
class Choice:
    """The profile of a message, why it is that one, and what is refused."""

    profile: Profile
    # "message", "number" or "section NAME"
    by: str
    refused: frozenset[str] = frozenset()


class CurrentProfiles:
    """The names of the profiles at the moment; a reload changes them."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def __contains__(self, name: object) -> bool:
        return name in self.library


def _no_setting(number: str) -> TrackerSetting | None:
    return None


@frozen(eq=False)
class Trackers:
    """All that is known of trackers; `setting` looks a number up."""

    library: Library = field(factory=Library)
    rules: tuple[TrackerRule, ...] = ()
    setting: Callable[[str], TrackerSetting | None] = _no_setting

    def choice(self, message: Outbound) -> Choice | None:
        """Return the profile of a message, None when it has none."""
        if message.text is None:
            # octets are not looked at
            return None
        asked = message.tracker
        if asked is None and message.class_ is MessageClass.NOTIFICATION:
            return None
        rule = next((one for one in self.rules if one.fits(message)), None)
        own = self.setting(message.to)
        if asked is not None:
            name, by = asked.profile, "message"
        elif own is not None:
            if own.profile is None:
                return None
            name, by = own.profile, "number"
        elif rule is not None:
            name, by = rule.settings.profile, f"section {rule.name}"
        else:
            return None
        profile = self.library.get(name)
        if profile is None:
            # it was there when it was set
            return None
        return Choice(profile, by, _refused(rule, own or _NOTHING_SET))

    def examined(self, message: Outbound) -> Outbound | Error:
        """Return the message with what its profile finds, or why it is refused.

        Of the message nothing but `tracker` is another.
        """
        choice = self.choice(message)
        if choice is None:
            if message.tracker is None:
                return message
            return msgspec.structs.replace(message, tracker=None)
        found = self.found(choice, message)
        wrong = [one for one in found if one.code in choice.refused]
        if wrong:
            told = "; ".join(f"{one.code}: {one.text}" for one in wrong)
            return Error(CHECKED, f"{choice.profile.name}: {told}")
        tracker = Tracker(choice.profile.name, found)
        turn = message.turn
        if message.class_ is not MessageClass.NOTIFICATION:
            turn = _turn(choice.profile, message)
        return msgspec.structs.replace(message, tracker=tracker, turn=turn)

    def found(self, choice: Choice, message: Outbound) -> tuple[Finding, ...]:
        """Return what a profile finds in a message."""
        assert message.text is not None
        return findings(choice.profile, message.text, self.library)

    def profile_of(self, number: str) -> Profile | None:
        """Return the profile that a number's commands have, of any account."""
        probe = Outbound(
            id="-",
            to=number,
            accepted_at=0.0,
            expires_at=0.0,
            text="-",
            class_=MessageClass.COMMAND,
        )
        choice = self.choice(probe)
        return None if choice is None else choice.profile


def _turn(profile: Profile, message: Outbound) -> Turn | None:
    """Return the turn of a command, with what its profile knows of it.

    One that is never answered need not be waited for longer than its delivery.
    """
    assert message.text is not None
    command, turn = profile.read(message.text), message.turn
    settle_s = profile.settle_s(command)
    known = Turn(settle_s=settle_s, answer_within_s=command.within_s)
    if turn is not None and turn.pace is CommandPace.ANSWERED:
        turn = filled(turn, known)
        if turn is not None and not command.answers:
            turn = msgspec.structs.replace(turn, pace=CommandPace.DELIVERED)
        return turn
    return filled(turn, Turn(settle_s=settle_s)) if settle_s else turn


def _refused(rule: TrackerRule | None, own: TrackerSetting) -> frozenset[str]:
    """Return the codes for which a command is refused."""
    is_strict = own.strict
    if is_strict is None:
        is_strict = rule is not None and rule.settings.strict
    if not is_strict:
        return frozenset()
    return frozenset(DEFECTS if rule is None else rule.settings.strict_codes)
