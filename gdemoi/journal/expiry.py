"""Expiry and retention: the jobs of a sweep, each one bounded.

A message is deleted `keep_s` after its final state, an event `keep_s` after its commit
and not before every publisher has passed it, an unmatched receipt after a day.  Each
job handles `CHUNK` rows and returns whether there are more, so that facts never wait
long behind a sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select

from gdemoi.facts import Decided, Hold
from gdemoi.facts import Final as Ended
from gdemoi.journal.answers import told_none
from gdemoi.journal.inbound_sms import flush_incomplete
from gdemoi.journal.message_state import apply_deadlines
from gdemoi.journal.receipts import decode_receipt, note, remove_unmatched
from gdemoi.journal.schema import messages
from gdemoi.journal.transaction import Transaction
from gdemoi.message import Error, MessageState, OnUnsure

CHUNK: Final = 500
PROMOTE_AFTER_S: Final = 60.0
UNMATCHED_KEEP_S: Final = 86_400.0
IN_DOUBT: Final = Error(
    "gateway:uncertain", "it may have left in the time that the journal has lost"
)


def expire_messages(transaction: Transaction, now: float) -> bool:
    """Apply the deadlines that have passed to their messages."""
    transaction.now = max(transaction.now, now)
    rows = transaction.database.rows(transaction.statements.overdue, (now, CHUNK))
    for row in rows:
        entry = transaction.cache.adopt(row)
        transaction.changed(
            entry, apply_deadlines(entry.record, now, transaction.receipt_ttl_s)
        )
    return len(rows) == CHUNK


def doubt_what_waits(transaction: Transaction, now: float) -> int:
    """Let what waits follow its `on_unsure`: the journal lost what came after.

    A journal that is older than what happened (an older copy, a lost write-ahead log)
    shows messages as waiting that may have left since.  Only those whose time has not
    come certainly have not.  Returns how many are in doubt.
    """
    doubted = 0
    rows = transaction.database.select(
        select(messages.c.id).where(messages.c.lane.is_not(None))
    )
    ids = [str(one) for (one,) in rows]
    for start in range(0, len(ids), CHUNK):
        transaction.cache.load(ids[start : start + CHUNK])
        for id_ in ids[start : start + CHUNK]:
            entry = transaction.cache.entry(id_)
            if entry is None:
                continue
            message = entry.message
            ahead = message.not_before is not None and message.not_before > now
            if message.on_unsure is OnUnsure.RESEND or (
                ahead and not entry.record.attempts
            ):
                continue
            following: Hold | Ended = Hold(now, IN_DOUBT)
            if message.on_unsure is OnUnsure.FAIL:
                following = Ended(MessageState.UNDELIVERED, IN_DOUBT)
            doubted += note(transaction, Decided(id_, following, now))
    return doubted


def forget_messages(transaction: Transaction, now: float, after: int) -> int | None:
    """Delete old messages that are over, oldest first.

    Returns the row number to go on from, None when the rest is too young.  Who
    accepted a message does not matter here: its age is the same for all.
    """
    rows = transaction.database.rows(
        transaction.statements.oldest_messages, (after, CHUNK)
    )
    young = now - transaction.keep_s
    for *row, accepted_at in rows:
        if accepted_at > young:
            return None
        entry = transaction.cache.adopt(row)
        if entry.record.final and entry.record.at <= young:
            transaction.remove(entry)
    return rows[-1][2] if len(rows) == CHUNK else None


def promote(transaction: Transaction, lanes: Sequence[str], now: float) -> bool:
    """Put messages that have been due for a while into their lane's order.

    Rows whose `due` is 0 are in the index by priority and age.

    Not at once: most of them leave within moments of their time, and one that has
    left needs no update of its row and of the lane's index.
    """
    risen = now - PROMOTE_AFTER_S
    for lane in lanes:
        transaction.database.run(transaction.statements.promote, (lane, risen))
    return False


def forget_events(transaction: Transaction, now: float, passed: int | None) -> bool:
    """Delete old events up to `passed` (None: no publisher to wait for)."""
    rows = transaction.database.rows(transaction.statements.oldest_events, (CHUNK,))
    last = 0
    for seq, at in rows:
        if at + transaction.keep_s > now or (passed is not None and seq > passed):
            break
        last = seq
    if not last:
        return False
    transaction.database.run(transaction.statements.delete_events, (last,))
    return last == rows[-1][0] and len(rows) == CHUNK


def forget_receipts(transaction: Transaction, now: float) -> bool:
    """Delete receipts that matched nothing for a day."""
    rows = transaction.database.rows(
        transaction.statements.old_unmatched, (now - UNMATCHED_KEEP_S, CHUNK)
    )
    for n, _, body in rows:
        remove_unmatched(transaction, n, decode_receipt(body))
    return len(rows) == CHUNK


def forget_arrivals(transaction: Transaction, now: float) -> bool:
    """Publish incomplete long SMS as they are; delete ids that repeat no more."""
    transaction.database.run(transaction.statements.delete_arrivals, (now,))
    return flush_incomplete(transaction, now, CHUNK) == CHUNK


def forget_turns(transaction: Transaction, now: float) -> bool:
    """Delete commands that nobody waits for any more, and old stops of sequences.

    Of those that others waited with for an answer it is told that none came.
    """
    database, statements = transaction.database, transaction.statements
    rows = database.rows(statements.past_turns, (now, CHUNK))
    for (n,) in rows:
        entry = transaction.by_number(n)
        if entry is not None:
            told_none(transaction, entry, now)
    if rows:
        database.many(statements.delete_turn, rows)
    database.run(statements.forget_sequences, (now,))
    return len(rows) == CHUNK
