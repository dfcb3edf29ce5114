"""Inbound SMS: repeats, segments of long ones, and their events; news of channels.

Segments are kept until all are there, or until the time that the first one carries is
over (`Inbound.join_window_s`).  Octets are joined before they are decoded where all
segments share a coding, so that an escape or a surrogate pair that was cut in two is
whole again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from gdemoi.contract.event_json import change_body, change_key, inbound_body
from gdemoi.journal.transaction import Transaction
from gdemoi.message import Inbound
from gdemoi.text import charset as charsets
from gdemoi.text.charset import unmarked

# Octets of packed septets start anew in each segment: their texts are joined.
_PACKED = frozenset({"gsm7"})
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class SegmentGroup(msgspec.Struct, array_like=True):
    """The segments so far; `done` is set when they were told."""

    id: str
    deadline: float
    total: int
    parts: list[Inbound] = []
    done: bool = False


def group_key(inbound: Inbound) -> str:
    """Return what all segments of one SMS share, short enough for an index."""
    part = inbound.part
    assert part is not None
    shared = (
        inbound.origin,
        inbound.line,
        inbound.from_,
        inbound.to,
        part.reference,
        part.total,
    )
    return hashlib.blake2b(msgspec.msgpack.encode(shared), digest_size=16).hexdigest()


def number_of(inbound: Inbound) -> int:
    """Return the place of a segment."""
    return inbound.part.number if inbound.part is not None else 0


def repeats(group: SegmentGroup, inbound: Inbound) -> bool | None:
    """Tell whether the group has this segment; None: another one in its place.

    Segments 0 and n of n are counted from 0 and from 1: they are of two SMS.
    """
    numbers = {number_of(inbound), *map(number_of, group.parts)}
    if {0, group.total} <= numbers:
        return None
    for known in group.parts:
        if number_of(known) == number_of(inbound):
            same = (known.text, known.binary, known.sent_at) == (
                inbound.text,
                inbound.binary,
                inbound.sent_at,
            )
            return True if same else None
    return False


def joined(group: SegmentGroup) -> Inbound:
    """Return the whole SMS, or what there is of it with `complete` False."""
    parts = sorted(group.parts, key=number_of)
    first = parts[0]
    complete = len(parts) == group.total
    words = {part.charset for part in parts}
    octets = _octets(parts)
    text: str | None
    if any(part.text is None for part in parts):
        text = None
    elif words == {"ucs2"} and octets is not None and charsets.marked(octets):
        # the mark stands for all segments, whether or not each repeats it
        text = charsets.decode(charsets.remarked(parts_of(parts)), "ucs2")
    elif octets is not None and len(words) == 1 and not words & _PACKED and complete:
        text = charsets.decode(octets, first.charset)
    else:
        text = "".join(part.text or "" for part in parts)
    sent = [part.sent_at for part in parts if part.sent_at is not None]
    broken = text is None or _REPLACEMENT in text or not complete
    return msgspec.structs.replace(
        first,
        text=text,
        binary=octets if broken else None,
        sent_at=min(sent) if sent else None,
        received_at=max(part.received_at for part in parts),
        part=None,
        complete=complete,
        segments=group.total,
        charset=first.charset if len(words) == 1 else "mixed",
        udh=next((part.udh for part in parts if part.udh), None),
        dest_port=_first(part.dest_port for part in parts),
        source_port=_first(part.source_port for part in parts),
    )


def _first(ports: Iterable[int | None]) -> int | None:
    return next((port for port in ports if port is not None), None)


def parts_of(parts: list[Inbound]) -> list[bytes]:
    """Return the octets of each segment."""
    return [part.binary or b"" for part in parts]


def _octets(parts: list[Inbound]) -> bytes | None:
    octets = [part.binary for part in parts if part.binary is not None]
    return b"".join(octets) if len(octets) == len(parts) else None


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
