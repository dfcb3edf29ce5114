"""An inbound SMS that answers a command: found, told with both, and never lost.

Which command it is, is decided by `gdemoi.profiles.answers`; here is what it may be
decided from: the commands to that number that left, or may have left, and are not
fully answered yet, read from their rows.  The inbound event names the command, and
the command gets an event of its own and an entry in its record.  An answer is no
delivery state: only one that bears a command's own key proves that a doubtful one did
arrive.

The same text again is no second answer when it bears the time of the first (an SMSC
that repeats), or when it answers nothing else (a tracker that repeats).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import field, frozen

from gdemoi.contract.event_json import AnswerEvent, AnswerFields, encode_event
from gdemoi.contract.numbers import INTERNATIONAL, normalise
from gdemoi.errors import InvalidMessage
from gdemoi.journal import sticky, turns
from gdemoi.journal.message_cache import CachedMessage
from gdemoi.journal.message_state import arrived
from gdemoi.journal.stored_form import MessageRecord, StoredAnswer, StoredAttempt
from gdemoi.message import RANK, CommandPace, Inbound, MessageState, Outbound
from gdemoi.moments import rfc3339
from gdemoi.profiles.answers import (
    Answer,
    By,
    OutstandingCommand,
    find,
    may_answer,
)
from gdemoi.profiles.format import AnswerState
from gdemoi.profiles.library import Library
from gdemoi.profiles.profile import Command

if TYPE_CHECKING:
    from gdemoi.journal.transaction import Transaction

# Without a profile: so long after its time an answer is still known as one that came
# before.  A tracker that slept answers hours later.
LATE_S: Final = 86_400.0
PARTS_GAP_S: Final = 20.0
# More commands to one number than this are not looked at.
LOOKED_AT: Final = 64
NONE: Final = "none"


@frozen
class AnsweringRules:
    """How answers are read: the profiles, and what numbers without ``+`` mean."""

    library: Library = field(factory=Library)
    home_country: str | None = None

    def numbers(self, from_: str) -> list[str]:
        """Return the numbers that a sender may be, the likeliest first."""
        digits = from_.removeprefix("+")
        found = [from_]
        if not INTERNATIONAL(from_):
            found += [f"+{digits}"]
            found += [
                f"+{digits.removeprefix(prefix)}"
                for prefix in ("00", "810")
                if digits.startswith(prefix)
            ]
            try:
                found.append(normalise(from_, self.home_country))
            except InvalidMessage:
                return found
        return list(dict.fromkeys(found))


@frozen
class _Asked:
    """A command that may be answered, beside how it is compared."""

    entry: CachedMessage
    command: Command | None
    within_s: float
    late_s: float
    parts_gap_s: float
    left_at: float

    @property
    def answers(self) -> list[StoredAnswer]:
        return [one for one in self.entry.record.answers if one.state != NONE]

    @property
    def deadline(self) -> float:
        return asked_at(self.entry.record, self.left_at) + self.within_s

    def over(self, now: float) -> bool:
        """Whether nothing more can answer it."""
        if now > self.left_at + self.within_s + self.late_s:
            return True
        known = self.answers
        if known:
            return now >= known[-1].until
        # without a pattern a late one could be anything
        return self.command is None and now > self.deadline

    def outstanding(self, inbound: Inbound) -> OutstandingCommand:
        known = self.answers
        last = self.entry.record.attempts[-1]
        line = last.line is None or inbound.line is None or last.line == inbound.line
        return OutstandingCommand(
            id=self.entry.id,
            command=self.command,
            left_at=self.left_at,
            deadline=self.deadline,
            reachable=last.channel == inbound.channel and line,
            parts=len(known),
            parts_until=known[-1].until if known else 0.0,
        )


def asked_at(record: MessageRecord, left_at: float) -> float:
    """Return from when on an answer is waited for: delivery, submit, or the attempt."""
    at = left_at
    for event in record.events:
        if event.state is MessageState.DELIVERED:
            return event.at
        if event.state is MessageState.SUBMITTED:
            at = event.at
    return at


def answer_of(
    transaction: Transaction, inbound: Inbound, inbound_id: str, now: float
) -> tuple[str, AnswerFields] | None:
    """Return the id of the command that an SMS answers, and what it says; None: none.

    What it changes in the command is recorded and told with it.
    """
    text = inbound.text
    octets = text is None or inbound.dest_port is not None
    if text is None or not may_answer(inbound.from_, text, octets):
        return None
    asked = _asked(transaction, inbound.from_)
    if not asked:
        return None
    if inbound.sent_at is not None:
        again = _again(asked, text, inbound.sent_at, now)
        if again is not None:
            return again
    open_ = {one.entry.id: one for one in asked if not one.over(now)}
    candidates = [one.outstanding(inbound) for one in open_.values()]
    found = find(text, candidates, now)
    if found is None:
        return _again(asked, text, None, now)
    one = open_[found.reply_to]
    answer = _stored(found, one, inbound, inbound_id, now)
    _record(transaction, one.entry, answer, inbound.channel)
    sticky.answered(transaction, one.entry, inbound)
    return one.entry.id, fields_of(answer)


def _asked(transaction: Transaction, from_: str) -> list[_Asked]:
    """Read the commands to a number that left or may have left, in that order."""
    rules = transaction.answer_rules
    for number in rules.numbers(from_):
        found = [
            asked
            for entry in transaction.latest_to(number, LOOKED_AT)
            if (asked := _as_asked(entry, rules.library)) is not None
        ]
        if found:
            return sorted(found, key=lambda one: (one.left_at, one.entry.n))
    return []


def _as_asked(entry: CachedMessage, library: Library) -> _Asked | None:
    message, record = entry.message, entry.record
    attempts = [one for one in record.attempts if _may_have_left(one)]
    if not message.is_command or message.text is None or not attempts:
        return None
    tracker, turn = message.tracker, message.turn
    profile = None if tracker is None else library.get(tracker.profile)
    said_s = None if turn is None else turn.answer_within_s
    left_at = attempts[0].at
    if profile is None:
        within_s = said_s or turns.ANSWER_WITHIN_S
        return _Asked(entry, None, within_s, LATE_S, PARTS_GAP_S, left_at)
    command = profile.read(message.text)
    within_s = said_s or command.within_s
    return _Asked(
        entry, command, within_s, profile.late_s, profile.parts_gap_s, left_at
    )


def _may_have_left(attempt: StoredAttempt) -> bool:
    return attempt.outcome != "refused" or attempt.taken > 0


def _again(
    asked: Sequence[_Asked], text: str, sent_at: float | None, now: float
) -> tuple[str, AnswerFields] | None:
    """Return the answer that came with the same text before, told once more."""
    for one in reversed(asked):
        for answer in one.answers:
            same_time = sent_at is None or answer.sent_at == sent_at
            if answer.text == text and same_time and now <= answer.at + one.late_s:
                fields = fields_of(answer)
                fields.again = True
                return one.entry.id, fields
    return None


def _stored(
    found: Answer, one: _Asked, inbound: Inbound, inbound_id: str, now: float
) -> StoredAnswer:
    command = one.command
    no_echo = command is not None and command.profile.file.answers.no_echo
    wanted = 1 if command is None else max(1, command.answers)
    whole = found.state is not AnswerState.PART and found.part >= wanted
    until = now if whole else now + one.parts_gap_s
    if no_echo and found.state is AnswerState.UNKNOWN:
        # an alarm looks the same: the command's own answer may still come
        until = one.deadline
    state = found.state
    if state is AnswerState.PART:
        state = AnswerState.OK if found.by is not By.ORDER else AnswerState.UNKNOWN
    return StoredAnswer(
        0,
        str(state),
        str(found.by),
        inbound_id,
        now,
        until,
        inbound.text or "",
        found.late,
        found.pattern,
        found.profile,
        found.part,
        found.ambiguous,
        found.candidates,
        found.repaired,
        inbound.sent_at,
    )


def _record(
    transaction: Transaction, entry: CachedMessage, answer: StoredAnswer, channel: str
) -> None:
    """Write an answer into its command's record, and tell it."""
    record = entry.record
    if answer.by == By.KEY and not record.final and not record.taken:
        # only what arrived can be repeated
        transaction.changed(entry, arrived(record, answer.at))
    _tell(transaction, entry, answer, channel)
    if answer.state == AnswerState.ERROR:
        turns.stop_sequence(transaction, entry)


def _tell(
    transaction: Transaction, entry: CachedMessage, answer: StoredAnswer, channel: str
) -> None:
    record = entry.record
    record.seq = answer.seq = record.seq + 1
    record.at = max(record.at, answer.at)
    answer.event_id = transaction.new_id()
    record.answers.append(answer)
    transaction.changed(entry, ())
    key = f"answer.{answer.state}.{channel}"
    event = event_of(entry.message, answer)
    transaction.tell(entry, key, answer.event_id, encode_event(event))


def told_none(transaction: Transaction, entry: CachedMessage, now: float) -> None:
    """Tell, once, that no answer came in time to a command that others waited with."""
    message, record = entry.message, entry.record
    turn = message.turn
    asked = turn is not None and turn.pace is CommandPace.ANSWERED
    out = RANK[record.state] >= RANK[MessageState.SUBMITTED] and record.taken
    if not asked or record.answers or not out:
        return
    answer = StoredAnswer(0, NONE, "", "", now, now, "")
    _tell(transaction, entry, answer, record.channel or "-")


def fields_of(answer: StoredAnswer) -> AnswerFields:
    """Return what an event says of an answer."""
    return AnswerFields(
        state=answer.state,
        by=answer.by or None,
        pattern=answer.pattern,
        profile=answer.profile,
        part=answer.part,
        late=answer.late,
        ambiguous=answer.ambiguous,
        candidates=answer.candidates,
        repaired=answer.repaired,
    )


def event_of(message: Outbound, answer: StoredAnswer) -> AnswerEvent:
    """Return the event of a command's own that tells its answer."""
    none = answer.state == NONE
    return AnswerEvent(
        event_id=answer.event_id,
        id=message.id,
        seq=answer.seq,
        state=answer.state,
        by=answer.by or None,
        inbound=answer.inbound or None,
        text=None if none else answer.text,
        at=rfc3339(answer.at),
        late=answer.late,
        answer=None if none else fields_of(answer),
        correlation=message.correlation,
        account=_given(message.account),
        traceparent=_given(message.traceparent),
    )


def _given(value: str | None) -> str | msgspec.UnsetType:
    return msgspec.UNSET if value is None else value
