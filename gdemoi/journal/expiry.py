"""What time does to the journal: the jobs of a sweep, each one bounded.

This file knows retention: a message goes `keep_s` after its end, an event
`keep_s` after it was told and not before every publisher has passed it, an
unmatched receipt after a day.  Each job does a chunk and returns whether there
is more, so that facts never wait long behind a sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gdemoi.journal.inbound_sms import lapse_groups
from gdemoi.journal.message_state import lapse
from gdemoi.journal.receipts import decode_receipt, remove_unmatched
from gdemoi.journal.transaction import Transaction

CHUNK: Final = 500
PROMOTE_AFTER_S: Final = 60.0
UNMATCHED_KEEP_S: Final = 86_400.0


def lapse_messages(ledger: Transaction, now: float) -> bool:
    """Expire, tell uncertain, settle."""
    ledger.now = max(ledger.now, now)
    rows = ledger.database.rows(ledger.statements.overdue, (ledger.owner, now, CHUNK))
    for row in rows:
        entry = ledger.known.adopt(row)
        ledger.changed(entry, lapse(entry.record, now, ledger.receipt_ttl_s))
    return len(rows) == CHUNK


def forget_messages(ledger: Transaction, now: float, after: int) -> int | None:
    """Delete old messages that are over, oldest first.

    Returns the row number to go on from, None when the rest is too young.  Who
    accepted a message does not matter here: its age is the same for all.
    """
    rows = ledger.database.rows(ledger.statements.oldest_messages, (after, CHUNK))
    young = now - ledger.keep_s
    for *row, accepted_at in rows:
        if accepted_at > young:
            return None
        entry = ledger.known.adopt(row)
        if entry.record.final and entry.record.at <= young:
            ledger.remove(entry)
    return rows[-1][2] if len(rows) == CHUNK else None


def promote(ledger: Transaction, lanes: Sequence[str], now: float) -> bool:
    """Let what has been due for a while stand in its lane by priority.

    Not at once: a lane that read its head a moment ago asks for the next due time
    after it, and must still be told of this one.
    """
    risen = now - PROMOTE_AFTER_S
    for lane in lanes:
        ledger.database.run(ledger.statements.promote, (ledger.owner, lane, risen))
    return False


def forget_events(ledger: Transaction, now: float, passed: int | None) -> bool:
    """Delete old events up to `passed` (None: no publisher to wait for)."""
    rows = ledger.database.rows(ledger.statements.oldest_events, (ledger.owner, CHUNK))
    last = 0
    for seq, at in rows:
        if at + ledger.keep_s > now or (passed is not None and seq > passed):
            break
        last = seq
    if not last:
        return False
    ledger.database.run(ledger.statements.delete_events, (ledger.owner, last))
    return last == rows[-1][0] and len(rows) == CHUNK


def forget_receipts(ledger: Transaction, now: float) -> bool:
    """Delete receipts that matched nothing for a day."""
    rows = ledger.database.rows(
        ledger.statements.old_unmatched, (now - UNMATCHED_KEEP_S, CHUNK)
    )
    for n, _, body in rows:
        remove_unmatched(ledger, n, decode_receipt(body))
    return len(rows) == CHUNK


def forget_arrivals(ledger: Transaction, now: float) -> bool:
    """Tell long SMS as they are, and forget what could repeat no more."""
    ledger.database.run(ledger.statements.delete_arrivals, (now,))
    return lapse_groups(ledger, now, CHUNK) == CHUNK
