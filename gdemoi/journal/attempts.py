"""What is known of the attempts of one message: outcomes, provider ids, segments.

An attempt is one submit of the whole message, or of what was left of it.  Here an
outcome or a receipt changes the attempt that it is about, and a record tells what its
attempts amount to: taken, in part, perhaps out.  What becomes of the message, and which
events say so, is `message_state`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final as Constant

from gdemoi.facts import AttemptEnded
from gdemoi.journal.stored_form import AttemptOutcome, MessageRecord, StoredAttempt
from gdemoi.message import (
    FINAL,
    RANK,
    Accepted,
    Error,
    MessageState,
    Outcome,
    Receipt,
    Refused,
    Uncertain,
    ids_in,
    provider_key,
)

# a segment that is not delivered and never will be
LOST: Constant = FINAL - {MessageState.DELIVERED}


def attempt_of(record: MessageRecord, number: int) -> StoredAttempt | None:
    for attempt in reversed(record.attempts):
        if attempt.number == number:
            return attempt
    return None


def owner_of(
    record: MessageRecord, receipt: Receipt, provider_id: str
) -> StoredAttempt | None:
    """Return the attempt that a receipt is about."""
    for attempt in reversed(record.attempts):
        if provider_id and provider_id in attempt.provider_ids:
            return attempt
    if provider_id:
        return None
    for attempt in reversed(record.attempts):
        if (
            attempt.channel == receipt.channel
            and attempt.outcome is not AttemptOutcome.REFUSED
        ):
            return attempt
    return None


# What an attempt's outcome so far may still give way to.
_GIVES_WAY_TO: Constant[dict[AttemptOutcome | None, tuple[type, ...]]] = {
    None: (Accepted, Refused, Uncertain),
    AttemptOutcome.UNSURE: (Accepted, Refused),
    AttemptOutcome.REFUSED: (Accepted,),
    AttemptOutcome.ACCEPTED: (),
}


def outcome_counts(
    record: MessageRecord, attempt: StoredAttempt, outcome: Outcome
) -> bool:
    """Tell whether an outcome counts against what is known of its attempt.

    ==============  ==============  ==============  ==============
    so far          Accepted        Refused         Uncertain
    ==============  ==============  ==============  ==============
    open            counts          counts          counts
    uncertain       counts          counts          known already
    refused         counts (1)      known already   no
    accepted        known already   no              no
    ==============  ==============  ==============  ==============

    (1) until the message is final: a refusal may have ended it, and that was told.
    """
    if attempt.outcome is AttemptOutcome.REFUSED and record.final:
        return False
    return isinstance(outcome, _GIVES_WAY_TO[attempt.outcome])


def close_attempt(
    record: MessageRecord, attempt: StoredAttempt, fact: AttemptEnded
) -> None:
    """Close an attempt with its outcome."""
    outcome: Outcome = fact.outcome
    attempt.answered_at = fact.at
    attempt.account = fact.account
    attempt.line = outcome.line
    if attempt.number == record.attempt:
        record.open = False
    if not record.final:
        record.at = fact.at
    record_ids(record, attempt, outcome)
    if isinstance(outcome, Accepted):
        attempt.outcome = AttemptOutcome.ACCEPTED
        attempt.error = None
        record.taken = record.taken or has_taken(record, attempt)
        record.progress = None
    elif isinstance(outcome, Refused):
        attempt.outcome = AttemptOutcome.REFUSED
        attempt.error = outcome.error
    else:
        attempt.outcome = AttemptOutcome.UNSURE
        attempt.error = Error("gateway:uncertain", outcome.why)


def record_ids(record: MessageRecord, attempt: StoredAttempt, outcome: Outcome) -> None:
    """Record which segments the far side has according to an outcome, with ids."""
    if isinstance(outcome, Accepted):
        attempt.segments = outcome.segments
    else:
        if isinstance(outcome, Uncertain):
            attempt.segments = max(attempt.segments, outcome.segments)
        progress = outcome.progress
        if progress is not None:
            attempt.segments = progress.segments
            attempt.taken = max(attempt.taken, progress.taken)
            record.progress = progress.joined(record.progress)
    ids = ids_in(outcome)
    if ids and ids != attempt.provider_ids:
        _learn(record, attempt, ids)


def _learn(record: MessageRecord, attempt: StoredAttempt, ids: tuple[str, ...]) -> None:
    """Add the ids that an attempt does not know, once for each segment.

    A receipt that came before, for this attempt or for an earlier one whose rest it
    sent, holds for every segment with that id.
    """
    progress = record.progress
    carried = () if progress is None else progress.provider_ids
    known = Counter(attempt.provider_ids)
    fresh = []
    for provider_id in ids:
        if known[provider_id] > 0:
            known[provider_id] -= 1
        elif provider_id:
            fresh.append(provider_id)
    said: dict[str, MessageState] = {}
    for one in record.attempts:
        if one is not attempt and one.account != attempt.account:
            continue
        for provider_id, state in zip(one.provider_ids, one.states, strict=True):
            if state is not None and (one is attempt or provider_id in carried):
                said[provider_id] = state
    attempt.provider_ids = (*attempt.provider_ids, *fresh)
    attempt.states = attempt.states + [said.get(i) for i in fresh]


def mark_segments(attempt: StoredAttempt, receipt: Receipt, provider_id: str) -> bool:
    """Note a receipt in the segments of its attempt; False when it says nothing new.

    A state replaces one of lower rank (`RANK`) only.  A receipt that names no segment
    is always news: it is about the message.
    """
    states = attempt.states
    places = _segments_of(attempt, receipt, provider_id)
    rank = RANK[receipt.state]
    older = [i for i in places if (s := states[i]) is None or RANK[s] < rank]
    for index in older:
        states[index] = receipt.state
    return bool(older) or not places


def _segments_of(
    attempt: StoredAttempt, receipt: Receipt, provider_id: str
) -> Sequence[int]:
    """Return the places, in the attempt's provider ids, that a receipt is about.

    `provider_id` is the attempt's spelling of the id that led here; it is empty when
    the receipt named our own id (`Receipt.message_id`).  The first row that applies:

    ===================================  ==========================================
    the receipt names                    segments
    ===================================  ==========================================
    our own id, and no provider id       none
    an id, for the whole message         all (and one more if the id is new)
    our own id, and an id that is new    one more, which gets this id
    a known id                           those that bear it; spelled in any way
                                         (`provider_key`) where our own id led here
    ===================================  ==========================================
    """
    ids = attempt.provider_ids
    if provider_id:
        found = [i for i, known in enumerate(ids) if known == provider_id]
    else:
        wanted = provider_key(receipt.provider_id)
        found = [i for i, known in enumerate(ids) if provider_key(known) == wanted]
        if not found and receipt.provider_id:
            attempt.provider_ids = (*ids, receipt.provider_id)
            attempt.states.append(None)
            found = [len(ids)]
    return range(len(attempt.states)) if found and receipt.whole else found


def has_taken(record: MessageRecord, attempt: StoredAttempt) -> bool:
    """Tell whether an attempt is known to have left whole, and to have lost nothing."""
    if not LOST.isdisjoint(attempt.states):
        return False
    if attempt.outcome is AttemptOutcome.ACCEPTED:
        return True
    return any(attempt.states) and not is_in_part(record, attempt)


def is_in_part(record: MessageRecord, attempt: StoredAttempt) -> bool:
    """Tell whether only some segments of an attempt are known to have left.

    The whole is unsure then, or was refused, and what was decided about the message
    (to be held, or sent again) stays as it is.
    """
    if attempt.outcome is AttemptOutcome.REFUSED:
        return True
    known = len(attempt.states)
    return (
        attempt.outcome is AttemptOutcome.UNSURE
        and not record.final
        and known < attempt.segments
    )


def awaits_nothing(record: MessageRecord, attempt: StoredAttempt) -> bool:
    """Tell whether no more segments will follow those of a refused attempt."""
    return (
        attempt.outcome is AttemptOutcome.REFUSED
        and record.state is MessageState.UNCERTAIN
        and record.lane is None
        and record.held_until is None
    )


def has_left_in_part(
    record: MessageRecord, beside: StoredAttempt | None = None
) -> bool:
    """Tell whether the far side has some segments, but not all.

    Not asked of a message whose last attempt (`beside`) nobody knows about: what
    becomes of it is for the message's own `on_unsure` to say.
    """
    if beside is not None and beside.outcome is AttemptOutcome.UNSURE:
        return False
    progress = record.progress
    return progress is not None and progress.taken > 0


def partly_sent(record: MessageRecord, error: Error | None) -> Error:
    """Return why a message that has left in part has no better end."""
    assert record.progress is not None
    progress = record.progress
    text = f"{progress.taken} of {len(progress.ids)} parts have left"
    if error is not None:
        text += f"; {error.code}: {error.text}"
    return Error("gateway:partly_sent", text)


def may_be_out(record: MessageRecord, beside: StoredAttempt | None = None) -> bool:
    """Tell whether nobody knows what became of some attempt.

    One that lost a segment is known to have failed.
    """
    return any(
        a.outcome is AttemptOutcome.UNSURE
        and a is not beside
        and LOST.isdisjoint(a.states)
        for a in record.attempts
    )
