"""Commands to one number go one at a time: which of them others wait for.

The table `turns` has a row for each command that holds its number: from its acceptance
until it is released, and then until its gap is over.  What a row says follows from
message and record alone (`held_until`), so that a restart, another gateway, and who
reads the message anew all come to the same.

A command may leave when none of the others holds the number that began before, or that
is in line (`since`) and was accepted before.  On SQLite the one gateway knows them all
in memory; on PostgreSQL each beginning is looked up here, in the transaction that
writes it, since gateways that share a journal commit one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from gdemoi.facts import AttemptStarted, Decided, Holding, Permission
from gdemoi.facts import Final as Ended
from gdemoi.journal import schema as s
from gdemoi.journal.database import Database
from gdemoi.journal.stored_form import MessageRecord, StoredEvent
from gdemoi.message import (
    FINAL,
    RANK,
    STOPPED,
    CommandPace,
    MessageState,
    Outbound,
    why_stopped,
)

if TYPE_CHECKING:
    from gdemoi.journal.message_cache import CachedMessage
    from gdemoi.journal.transaction import Transaction

HOLDS: Final = float("inf")
# With pace `delivered`: where no receipt comes, it is released so long after its
# submit; the next one is worth more than a receipt that may be lost.
DELIVERED_WITHIN_S: Final = 600.0
# A tracker that is awake answers in seconds; what sleeps, hours later.
ANSWER_WITHIN_S: Final = 120.0
# A sequence that has stopped is remembered for so long: its rest may come late.
REMEMBERED_S: Final = 86_400.0
_SUBMITTED: Final = RANK[MessageState.SUBMITTED]
# what ends a command's sequence; nobody knows of `uncertain`, so the rest is not sent
_FAILED: Final = FINAL - {MessageState.DELIVERED} | {MessageState.UNCERTAIN}
_t = s.turns.c


def held_until(message: Outbound, record: MessageRecord) -> float | None:
    """Return until when others wait for a command; None: they do not wait.

    ====================================  ==========================================
    the command                           others wait
    ====================================  ==========================================
    is accepted, waits, or is held        for further notice (inf)
    is rejected, undelivered, expired,    no longer
    cancelled, or told `uncertain`
    has pace `submitted`                  until it was submitted
    … `delivered`                         until it was delivered, or
                                          `DELIVERED_WITHIN_S` after its submit
    … `answered`                          until it was answered, at most
                                          `answer_within_s` after its delivery, else
                                          its submit
    ====================================  ==========================================

    One of which nobody knows whether it left is released by an answer, too.

    The gap comes on top, and of what the tracker got the time to settle.
    """
    turn = message.turn
    if RANK[record.state] < _SUBMITTED:
        if not record.answers or record.held_until is None:
            return HOLDS
        # nobody knows what became of it, but that it was answered
        gap_s = 0.0 if turn is None or turn.gap_s is None else turn.gap_s
        at = record.answers[-1].until + gap_s
        return at if at > record.at else None
    if turn is None or turn.pace is CommandPace.NONE:
        return None
    gap_s = turn.gap_s or 0.0
    by_time = turn.pace is CommandPace.DELIVERED or turn.pace is CommandPace.ANSWERED
    if not by_time and not gap_s and not turn.settle_s:
        return None
    # `at`: its event was dropped from a long story
    left = min(_first(record, _LEFT), record.at)
    delivered = _first(record, _ARRIVED)
    at = left
    if turn.pace is CommandPace.DELIVERED:
        at = min(delivered, left + DELIVERED_WITHIN_S)
    elif turn.pace is CommandPace.ANSWERED:
        within_s = turn.answer_within_s or ANSWER_WITHIN_S
        at = (left if delivered == HOLDS else delivered) + within_s
        if record.answers:
            at = record.answers[-1].until
    at = min(at + turn.settle_s, _first(record, _FAILED)) + gap_s
    return at if at > record.at else None


_LEFT: Final = frozenset(s for s in MessageState if RANK[s] >= _SUBMITTED)
_ARRIVED: Final = frozenset({MessageState.DELIVERED})


def _first(record: MessageRecord, states: frozenset[MessageState]) -> float:
    """Return when the message first came to one of some states; inf: never."""
    for event in record.events:
        if event.state in states:
            return event.at
    return HOLDS


def row_of(entry: CachedMessage) -> tuple[int, str, str, float, float | None, int]:
    """Return the row of a command that holds its number."""
    hold = entry.hold
    message = entry.message
    return (
        entry.n,
        message.to,
        entry.id,
        message.not_before or 0.0,
        None if hold == HOLDS else hold,
        int(entry.begun),
    )


def write(transaction: Transaction, entries: Sequence[CachedMessage]) -> list[Holding]:
    """Write what has changed of commands; return what others wait for no longer.

    Other gateways are told with the commit (`leases.News`).
    """
    rows: list[tuple[Any, ...]] = []
    over: list[tuple[int]] = []
    changes: list[Holding] = []
    for entry in entries:
        hold, begun = held_until(entry.message, entry.record), entry.record.attempt > 0
        known = entry.hold
        # over when it was accepted: it stands in a line all the same
        stillborn = entry.record.final and entry.record.seq == 1
        if hold == known and begun == entry.begun and not stillborn:
            continue
        entry.hold, entry.begun = hold, begun
        if hold is None:
            if known is not None:
                over.append((entry.n,))
        else:
            rows.append(row_of(entry))
        moved = stillborn or hold != known
        if moved and hold != HOLDS:
            changes.append(Holding(entry.message.to, entry.id, hold))
    statements, many = transaction.statements, transaction.database.many
    if rows:
        many(statements.put_turn, rows)
    if over:
        many(statements.delete_turn, over)
    return changes


# --- who may leave -------------------------------------------------------


def begin(transaction: Transaction, fact: AttemptStarted) -> Permission:
    """Record that an attempt is about to leave, if it may."""
    if transaction.shared:
        if not transaction.owns(fact.channel):
            return Permission.PAST
        entry = transaction.cache.entry(fact.id)
        if (
            entry is not None
            and entry.message.in_turn
            and not entry.record.attempt
            and is_held(transaction, entry.message, entry.n)
        ):
            return Permission.LATER
    counted, _ = transaction.note(fact)
    return Permission.GO if counted else Permission.PAST


def is_held(transaction: Transaction, message: Outbound, n: float) -> bool:
    """Tell whether a command must wait, whoever accepted the others (PostgreSQL).

    `n` is its row number, inf before it has one.
    """
    rows = transaction.database.rows(transaction.statements.find_turns, (message.to,))
    now = transaction.now
    return any(
        other != n
        and (until is None or until > now)
        and (begun or (other < n and since <= now))
        for other, since, until, begun in rows
    )


# --- sequences -----------------------------------------------------------


def sequence_of(message: Outbound) -> tuple[str, str] | None:
    """Return what names the sequence of a command, as two keys; None: it has none."""
    if not message.stops or message.turn is None:
        return None
    return message.queue, message.turn.sequence or ""


def failed(events: Sequence[StoredEvent]) -> bool:
    """Tell whether a command is known to have failed, or perhaps, by new events."""
    return any(event.state in _FAILED for event in events)


def stopped_by(transaction: Transaction, message: Outbound) -> str | None:
    """Return the id of the command that stopped the sequence of this one."""
    key = sequence_of(message)
    if key is None:
        return None
    rows = transaction.database.rows(transaction.statements.find_sequence, key)
    return str(rows[0][0]) if rows and rows[0][1] > transaction.now else None


def stop_sequence(transaction: Transaction, entry: CachedMessage) -> None:
    """Let what has not left of a sequence end, after one of it has failed."""
    key = sequence_of(entry.message)
    if key is None:
        return
    error = entry.record.error
    if error is not None and error.code == STOPPED:
        # it is the other one that is remembered
        return
    until = transaction.now + REMEMBERED_S
    put = transaction.statements.put_sequence
    transaction.database.run(put, (*key, entry.id, until))
    for other in _waiting(transaction, entry):
        if other is entry or sequence_of(other.message) != key or other.record.attempt:
            continue
        last = Ended(MessageState.CANCELLED, why_stopped(entry.id))
        transaction.note(Decided(other.id, last, transaction.now))


def _waiting(transaction: Transaction, entry: CachedMessage) -> list[CachedMessage]:
    """Return the commands to a number that hold it, in the order of acceptance."""
    transaction.flush_turns()
    find = transaction.statements.find_turns
    rows = transaction.database.rows(find, (entry.message.to,))
    found = []
    for n in sorted(row[0] for row in rows):
        other = transaction.by_number(n)
        if other is not None:
            found.append(other)
    return found


# --- queries -------------------------------------------------------------


def holding(database: Database) -> list[Holding]:
    """Read the commands that others wait for, in order, whoever accepted them."""
    rows = database.select(
        select(_t.recipient, _t.id, _t.until, _t.since, _t.begun).order_by(
            _t.begun.desc(), _t.n
        )
    )
    return [
        Holding(to, id_, HOLDS if until is None else until, since, bool(begun))
        for to, id_, until, since, begun in rows
    ]
