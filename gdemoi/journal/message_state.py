"""The state machine of one message: facts go in, status events come out.

States only move forward (docs/events.rst, "States"), each event has the next `seq`,
exactly one is final.  Nothing here touches a database, the clock or JSON: the
transaction loads a `MessageRecord`, applies facts to it, and writes it back together
with the events.  What an outcome or a receipt changes in its attempt is in `attempts`.

What may change a record:

* `AttemptStarted` opens an attempt, `AttemptEnded` closes it.  A late answer to an
  attempt that ended `Uncertain` still counts, and so does a late acceptance of what
  was refused, until the message is final.
* what the far side has of a message that left in part (`Progress`) is kept whatever
  the outcome was; the attempt that sends the rest takes over its ids and receipts.
* a receipt counts for the attempt that owns its provider id; before the attempt has
  one the journal keeps the receipt unmatched.
* deadlines (`apply_deadlines`) expire a message that waits, report a held one as
  `uncertain`, and make a submitted one final when no receipt comes.
"""

from __future__ import annotations

from typing import Final as Constant

from gdemoi.facts import (
    Acceptance,
    AttemptEnded,
    AttemptStarted,
    Cancelled,
    Decided,
    Decision,
    Fact,
    Final,
    Hold,
    Submitted,
    Wait,
)
from gdemoi.journal.attempts import (
    LOST,
    attempt_of,
    awaits_nothing,
    close_attempt,
    has_left_in_part,
    has_taken,
    is_in_part,
    mark_segments,
    may_be_out,
    outcome_counts,
    owner_of,
    partly_sent,
    record_ids,
)
from gdemoi.journal.stored_form import (
    KEPT_FIRST,
    KEPT_LAST,
    AttemptOutcome,
    MessageRecord,
    StoredAttempt,
    StoredEvent,
    StoredReceipt,
    shorten,
    shorten_attempts,
)
from gdemoi.message import (
    FINAL,
    RANK,
    Accepted,
    Error,
    MessageState,
    Receipt,
)

EXPIRED: Constant = Error("gateway:expired", "the time to live has passed")
NO_RECEIPT: Constant = Error("gateway:no_receipt", "no final receipt has come")
_SUBMITTED: Constant = RANK[MessageState.SUBMITTED]
_ENROUTE: Constant = RANK[MessageState.ENROUTE]
_NO_SEGMENTS: Constant = (0, 0, 0, 0)
# Python 3.11 looks up an attribute of an enum slowly: once, not for every message
_ACCEPTED: Constant = MessageState.ACCEPTED
_WAITING: Constant = MessageState.WAITING
_TAKEN: Constant = MessageState.SUBMITTED
_DELIVERED: Constant = MessageState.DELIVERED


def begin(acceptance: Acceptance) -> tuple[MessageRecord, list[StoredEvent]]:
    """Return the record of a new message, and its first events.

    Its attempt 1 is open when the acceptance says so (`Acceptance.attempting`).
    """
    message = acceptance.message
    at = message.accepted_at
    record = MessageRecord(message.expires_at, at=at, channel=acceptance.channel)
    following = acceptance.next
    if isinstance(following, Final):
        # rejected before it was accepted: it has this one event
        return record, [_move_to(record, following.state, at, following.error)]
    events = [_move_to(record, _ACCEPTED, at)]
    if message.tracker is not None:
        events[0].findings = message.tracker.findings
    if following is not None:
        record.channel = following.channel
        events.append(_wait(record, following, at))
    elif acceptance.attempting and acceptance.channel is not None:
        _open_attempt(record, 1, acceptance.channel, at)
    else:
        record.lane = acceptance.channel
        record.due = message.not_before or 0.0
    return record, events


def apply(record: MessageRecord, fact: Fact) -> tuple[bool, list[StoredEvent]]:
    """Apply a fact to a record; return whether it counted, and the new events.

    It does not count when the message has moved past it: an attempt must not be sent
    then, and a message cannot be cancelled.
    """
    if isinstance(fact, AttemptEnded):
        return _answered(record, fact)
    if isinstance(fact, AttemptStarted):
        return _attempting(record, fact)
    if isinstance(fact, Decided):
        return _decided(record, fact)
    return _cancelled(record, fact)


def receive(
    record: MessageRecord, receipt: Receipt, provider_id: str, now: float, by: str = ""
) -> tuple[bool, list[StoredEvent]]:
    """Apply a receipt to a record; return whether it counted, and the new events.

    `provider_id` is the matching id as the record spells it, empty when the provider
    named our own id instead; `by` is the one of the receipt's ids that led here.
    """
    attempt = owner_of(record, receipt, provider_id)
    counted = not record.final and attempt is not None
    if counted and attempt is not None:
        counted = mark_segments(attempt, receipt, provider_id)
    record.receipts.append(
        StoredReceipt(
            now,
            receipt.channel,
            receipt.provider_id,
            receipt.state,
            counted,
            receipt.error,
            receipt.at,
            receipt.raw,
            receipt.verified,
            by,
        )
    )
    if len(record.receipts) > KEPT_FIRST + KEPT_LAST:
        shorten(record, record.receipts)
    if not counted or attempt is None:
        return False, []
    record.at = now
    if receipt.state in LOST:
        # an attempt that lost a segment no longer counts as taken
        record.taken = any(has_taken(record, one) for one in record.attempts)
    else:
        record.taken = record.taken or not is_in_part(record, attempt)
    return True, _state_by_receipts(record, attempt, receipt, now)


def apply_deadlines(
    record: MessageRecord, now: float, receipt_ttl_s: float
) -> list[StoredEvent]:
    """Return the events of what is due at `now`: expiry, end of a hold, no receipt.

    `receipt_ttl_s`: so long after its last fact a message that was submitted waits for
    a receipt.
    """
    if record.final or record.open:
        return []
    if record.held_until is not None:
        if record.held_until > now:
            return []
        record.held_until = None
        if RANK[record.state] >= RANK[MessageState.UNCERTAIN]:
            return []
        why = record.held_why
        if why is None and record.attempts:
            why = record.attempts[-1].error
        return [_move_to(record, MessageState.UNCERTAIN, now, why)]
    if RANK[record.state] >= _SUBMITTED:
        if record.at + receipt_ttl_s > now:
            return []
        return [_move_to(record, record.state, now, NO_RECEIPT, final=True)]
    if record.expires_at > now:
        return []
    return _end(record, Final(MessageState.EXPIRED, EXPIRED), now)


def deadline(record: MessageRecord, receipt_ttl_s: float) -> float | None:
    """Return when `apply_deadlines` has work next; None: not before another fact."""
    if record.final or record.open:
        return None
    if record.held_until is not None:
        return record.held_until
    if RANK[record.state] >= _SUBMITTED:
        return record.at + receipt_ttl_s
    return record.expires_at


def _move_to(
    record: MessageRecord,
    state: MessageState,
    at: float,
    error: Error | None = None,
    final: bool = False,
    attempt: StoredAttempt | None = None,
) -> StoredEvent:
    """Move the record to `state` and return the event that says so."""
    final = final or state in FINAL
    record.seq = seq = record.seq + 1
    record.state = state
    record.at = at
    record.error = error
    if final:
        record.final = True
        record.lane = record.held_until = None
    if attempt is None and record.attempts and state is not _WAITING:
        attempt = record.attempts[-1]
    if attempt is None:
        number = record.attempt
        segments, ids = _left_before(record)
        event = StoredEvent(
            seq, state, final, at, record.channel, None, number, segments, ids, error
        )
    else:
        event = StoredEvent(
            seq,
            state,
            final,
            at,
            attempt.channel,
            attempt.line,
            attempt.number,
            attempt.counts(),
            attempt.provider_ids,
            error,
        )
    record.events.append(event)
    if seq > KEPT_FIRST + KEPT_LAST:
        shorten(record, record.events)
    return event


def _left_before(
    record: MessageRecord,
) -> tuple[tuple[int, int, int, int], tuple[str, ...]]:
    """Return the segments and ids that a waiting message is known to have out."""
    if record.progress is None or not record.attempts:
        return _NO_SEGMENTS, ()
    last = record.attempts[-1]
    return last.counts(), last.provider_ids


def _wait(record: MessageRecord, following: Wait, at: float) -> StoredEvent:
    """Put the message into a backlog and return the event of it."""
    record.channel = record.lane = following.channel
    record.due = following.until
    record.held_until = None
    return _move_to(record, MessageState.WAITING, at, following.error)


def _open_attempt(record: MessageRecord, number: int, channel: str, at: float) -> None:
    """Open an attempt."""
    record.attempts.append(StoredAttempt(number, channel, at))
    if number > KEPT_FIRST + KEPT_LAST:
        shorten_attempts(record)
    record.attempt = number
    record.open = True
    record.lane = None
    record.channel = channel
    record.at = at
    if channel not in record.tried:
        record.tried = (*record.tried, channel)


def _attempting(
    record: MessageRecord, fact: AttemptStarted
) -> tuple[bool, list[StoredEvent]]:
    if record.open:
        # the same intent once more (its first commit looked failed) is no news
        last = record.attempts[-1]
        return (last.number, last.channel) == (fact.attempt, fact.channel), []
    past = record.final or RANK[record.state] >= _SUBMITTED
    if past or record.held_until is not None or fact.attempt <= record.attempt:
        return False, []
    if fact.at >= record.expires_at:
        return False, _end(record, Final(MessageState.EXPIRED, EXPIRED), fact.at)
    _open_attempt(record, fact.attempt, fact.channel, fact.at)
    return True, []


def _answered(
    record: MessageRecord, fact: AttemptEnded
) -> tuple[bool, list[StoredEvent]]:
    """Let an outcome change its attempt, and the message as that attempt may.

    An outcome that does not count (`outcome_counts`) gives at most ids of segments.
    One that counts closes the attempt; the first row that applies says what the message
    does:

    ==============================================  ==========  ====================
    the message, and the attempt                    Accepted    Refused, Uncertain
    ==============================================  ==========  ====================
    is final                                        nothing     nothing
    earlier attempt, a receipt says it failed       nothing     nothing
    earlier attempt, or any attempt was taken       `fact.next` `_taken_elsewhere`
    last attempt, none was taken                    `fact.next` `fact.next`
    ==============================================  ==========  ====================
    """
    attempt = attempt_of(record, fact.attempt)
    if attempt is None:
        return False, []
    outcome = fact.outcome
    if not outcome_counts(record, attempt, outcome):
        record_ids(record, attempt, outcome)
        return False, []
    close_attempt(record, attempt, fact)
    earlier = attempt.number != record.attempt
    if record.final or (earlier and not LOST.isdisjoint(attempt.states)):
        return False, []
    if (earlier or record.taken) and not isinstance(outcome, Accepted):
        return _taken_elsewhere(record, fact.at)
    counted, events = _follow(record, fact.next, fact.at, attempt)
    if any(attempt.states) and not record.final:
        events += _known_before(record, attempt, fact.at)
    return counted, events


def _taken_elsewhere(
    record: MessageRecord, at: float
) -> tuple[bool, list[StoredEvent]]:
    """Let an attempt fail that another one speaks for.

    If a receipt said meanwhile that the message is out, and nothing is to be sent any
    more, it is `enroute`: while this attempt was open that could not be told.
    """
    waits = record.lane is not None or record.open
    if not record.taken or waits or RANK[record.state] >= _SUBMITTED:
        return False, []
    return True, [_move_to(record, MessageState.ENROUTE, at)]


def arrived(record: MessageRecord, at: float) -> list[StoredEvent]:
    """Return the event of a message whose answer proves that it did arrive.

    It was not known before whether it was taken: only of its last attempt, since an
    earlier one would be another SMS than the one that may be out.
    """
    if record.final or record.open or not record.attempts:
        return []
    attempt = record.attempts[-1]
    if attempt.outcome is not AttemptOutcome.UNSURE:
        return []
    record.taken = True
    record.held_until = record.lane = None
    return [_move_to(record, _DELIVERED, at, None, True, attempt)]


def _known_before(
    record: MessageRecord, attempt: StoredAttempt, at: float
) -> list[StoredEvent]:
    """Return the event, if any, that receipts from before the answer amount to."""
    for state in (s for s in attempt.states if s is not None):
        lost = state in FINAL and state is not _DELIVERED
        if not lost and not (state is _DELIVERED and attempt.delivered()):
            continue
        if lost and (attempt.number != record.attempt or is_in_part(record, attempt)):
            continue
        said = reversed(record.receipts)
        error = next((one.error for one in said if one.state is state), None)
        return [_move_to(record, state, at, error, True, attempt)]
    return []


def _follow(
    record: MessageRecord, following: Decision, at: float, attempt: StoredAttempt | None
) -> tuple[bool, list[StoredEvent]]:
    """Apply a decision, as far as states may only move forward."""
    if isinstance(following, Submitted):
        return _submitted(record, following, at, attempt)
    if isinstance(following, Final):
        events = _end(record, following, at, attempt)
        return bool(events), events
    if isinstance(following, Hold):
        record.held_until = following.until
        record.held_why = following.error
        record.lane = None
        return True, []
    if RANK[record.state] >= _SUBMITTED:
        return False, []
    return True, [_wait(record, following, at)]


def _end(
    record: MessageRecord, last: Final, at: float, attempt: StoredAttempt | None = None
) -> list[StoredEvent]:
    """Report the final state, unless an attempt other than `attempt` may be out.

    Then whatever became of the others says nothing: the message is `uncertain`.  So it
    is when some of its segments have left: whoever reads `rejected` or `expired` may
    send the whole again.
    """
    error = last.error
    if not may_be_out(record, attempt):
        if not has_left_in_part(record, attempt):
            return [_move_to(record, last.state, at, error)]
        error = partly_sent(record, error)
        if any(not LOST.isdisjoint(one.states) for one in record.attempts):
            # one lost segment is a lost message, however it would have ended
            return [_move_to(record, MessageState.UNDELIVERED, at, error)]
    record.lane = record.held_until = None
    if RANK[record.state] >= RANK[MessageState.UNCERTAIN]:
        return []
    return [_move_to(record, MessageState.UNCERTAIN, at, error)]


def _submitted(
    record: MessageRecord,
    following: Submitted,
    at: float,
    attempt: StoredAttempt | None,
) -> tuple[bool, list[StoredEvent]]:
    record.held_until = record.lane = None
    state = _TAKEN
    if RANK[record.state] >= _SUBMITTED:
        # after `uncertain` there is no way back to `submitted`
        known = record.state is MessageState.UNCERTAIN
        state = MessageState.ENROUTE if known else record.state
        if not known and not following.final:
            return True, []
    return True, [_move_to(record, state, at, None, following.final, attempt)]


def _decided(record: MessageRecord, fact: Decided) -> tuple[bool, list[StoredEvent]]:
    if record.final or record.open:
        return False, []
    following = fact.next
    if (
        isinstance(following, Wait)
        and following.error is None
        and record.state is MessageState.WAITING
        and record.lane == following.channel
    ):
        record.due = following.until
        record.at = fact.at
        return True, []
    return _follow(record, following, fact.at, None)


def _cancelled(
    record: MessageRecord, fact: Cancelled
) -> tuple[bool, list[StoredEvent]]:
    gone = record.open or record.taken or record.held_until is not None
    gone = gone or any(a.outcome is AttemptOutcome.UNSURE for a in record.attempts)
    gone = gone or has_left_in_part(record)
    if record.final or gone or RANK[record.state] >= _SUBMITTED:
        return False, []
    return True, [_move_to(record, MessageState.CANCELLED, fact.at)]


def _state_by_receipts(
    record: MessageRecord, attempt: StoredAttempt, receipt: Receipt, now: float
) -> list[StoredEvent]:
    """Return the event, if any, that a receipt and those before it amount to.

    The first row that applies; "in part": not all segments are known to have left.

    =====================  ==============================  ==========================
    the receipt says       the attempt                     the event
    =====================  ==============================  ==========================
    delivered              every segment was delivered     `delivered`, final
    lost (another final    an earlier one                  none: a later one speaks
    state)                                                 for the message
    lost                   in part, and more may follow    none: what was decided for
                                                           the message stands
    lost                   otherwise                       that state, final: one lost
                                                           segment is a lost message
    any other, or          in part                         none
    delivered in part
    the same               whole                           `enroute`, unless it was
                                                           told; it waits no longer
    =====================  ==============================  ==========================
    """
    state = receipt.state
    if state is _DELIVERED and attempt.delivered():
        return [_move_to(record, _DELIVERED, now, receipt.error, True, attempt)]
    in_part = is_in_part(record, attempt)
    if state in LOST:
        earlier = attempt.number != record.attempt
        if earlier or (in_part and not awaits_nothing(record, attempt)):
            return []
        return [_move_to(record, state, now, receipt.error, True, attempt)]
    if in_part:
        return []
    record.lane = record.held_until = None
    if RANK[record.state] >= _ENROUTE:
        return []
    return [_move_to(record, MessageState.ENROUTE, now, None, False, attempt)]
