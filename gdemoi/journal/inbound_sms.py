"""Inbound SMS and news of channels: the jobs that write them down.

This file knows when an SMS is a repeat, and keeps the segments of long ones
until all are there; how they are joined is known to `joining`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gdemoi.contract.event_json import change_body, change_key, inbound_body
from gdemoi.journal.joining import SegmentGroup, group_key, joined, repeats
from gdemoi.journal.transaction import Transaction
from gdemoi.message import Inbound
from gdemoi.text.charset import unmarked

# A phone that never sends its last segments must not fill the journal.
GROUP_LIMIT: Final = 10_000
# An id of ours that would not fit an index.
_DEDUP_LIMIT: Final = 512

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SegmentGroup).decode


def arrive(transaction: Transaction, inbound: Inbound, now: float) -> str | None:
    """Record an inbound SMS; the id it got, None for a repeat."""
    if inbound.dedup is not None and _seen(transaction, inbound, inbound.dedup, now):
        return None
    if inbound.part is not None and inbound.part.total > 1:
        inbound_id = _gather(transaction, inbound, now)
    else:
        inbound_id = transaction.new_id()
        report_inbound(transaction, inbound, inbound_id)
    if inbound.dedup is not None and inbound_id is not None:
        transaction.database.run(
            transaction.statements.put_arrival,
            (
                inbound.origin,
                inbound.dedup[:_DEDUP_LIMIT],
                now + inbound.dedup_window_s,
                inbound_id,
            ),
        )
    return inbound_id


def _seen(transaction: Transaction, inbound: Inbound, dedup: str, now: float) -> bool:
    find = transaction.statements.find_arrival
    # by the channel: as it was written before accounts were the key
    for origin in dict.fromkeys((inbound.origin, inbound.channel)):
        rows = transaction.database.rows(find, (origin, dedup[:_DEDUP_LIMIT]))
        if rows and rows[0][1] > now:
            return True
    return False


def _gather(transaction: Transaction, inbound: Inbound, now: float) -> str | None:
    """Keep a segment; tell the SMS when it was the last one missing."""
    part = inbound.part
    assert part is not None
    if not part.possible:
        # no place in any group: it goes up alone rather than get lost
        inbound_id = transaction.new_id()
        report_inbound(transaction, inbound, inbound_id)
        return inbound_id
    key = group_key(inbound)
    rows = transaction.database.rows(transaction.statements.find_group, (key,))
    group = _decode(rows[0][0]) if rows else None
    if group is not None:
        known = repeats(group, inbound)
        if known:
            return None
        if known is None or group.done:
            # the same reference for another SMS: what was there is over
            finish(transaction, group)
            group = None
    if group is None:
        if transaction.bump("groups", 0 if rows else 1) > GROUP_LIMIT:
            flush_incomplete(transaction, float("inf"), 10)
        group = SegmentGroup(
            transaction.new_id(), now + inbound.join_window_s, part.total
        )
    group.parts.append(inbound)
    if len(group.parts) == group.total:
        finish(transaction, group)
    _keep(transaction, key, group)
    return group.id


def _keep(transaction: Transaction, key: str, group: SegmentGroup) -> None:
    transaction.database.run(
        transaction.statements.put_group,
        (key, transaction.owner, group.deadline, int(group.done), _encode(group)),
    )


def finish(transaction: Transaction, group: SegmentGroup) -> None:
    """Tell what there is of a long SMS, once."""
    if not group.done and group.parts:
        report_inbound(transaction, joined(group), group.id)
        group.done = True


def flush_incomplete(transaction: Transaction, until: float, limit: int) -> int:
    """Tell the long SMS that waited `until` then, as they are; return how many."""
    rows = transaction.database.rows(transaction.statements.old_groups, (until, limit))
    for key, body, _ in rows:
        finish(transaction, _decode(body))
        transaction.database.run(transaction.statements.delete_group, (key,))
        transaction.bump("groups", -1)
    return len(rows)


def report_inbound(transaction: Transaction, inbound: Inbound, inbound_id: str) -> None:
    """Put an inbound SMS into the outbox."""
    if inbound.text is not None:
        inbound = msgspec.structs.replace(inbound, text=unmarked(inbound.text))
    event_id = transaction.new_id()
    body = inbound_body(inbound, inbound_id, event_id)
    transaction.publish(f"inbound.{inbound.channel}", event_id, body)


def change(
    transaction: Transaction,
    channel: str,
    line: str | None,
    state: str,
    reason: str,
    at: float,
) -> None:
    """Put news of a channel or line into the outbox."""
    event_id = transaction.new_id()
    body = change_body(channel, line, state, reason, at, event_id)
    transaction.publish(change_key(channel, line), event_id, body)
