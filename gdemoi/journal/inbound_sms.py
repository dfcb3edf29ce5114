"""Inbound SMS: repeats, segments of long ones, and their events; news of channels.

Segments are kept until all are there, or until the time that the first one carries is
over (`Inbound.join_window_s`).  Octets are joined before they are decoded where all
segments share a coding, so that an escape or a surrogate pair that was cut in two is
whole again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from gdemoi.contract.event_json import change_body, change_key, inbound_body
from gdemoi.facts import InboundStep
from gdemoi.journal.answers import answer_of
from gdemoi.journal.transaction import Transaction
from gdemoi.message import Inbound
from gdemoi.text import charset as charsets

_PACKED = frozenset({"gsm7"})
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class SegmentGroup(msgspec.Struct, array_like=True):
    """The segments so far; `done`: the SMS was published."""

    id: str
    deadline: float
    total: int
    parts: list[Inbound] = []
    done: bool = False


def group_keys(inbound: Inbound) -> list[str]:
    """Return what all segments of one SMS share, short enough for an index.

    The first is how it is written; the others are how it was written before
    accounts were the key and senders had one form, for an SMS of which some
    segments came before an upgrade.
    """
    origins = dict.fromkeys((inbound.origin, inbound.channel))
    senders = dict.fromkeys((inbound.from_, inbound.from_raw or inbound.from_))
    return [_group_key(inbound, o, sender) for o in origins for sender in senders]


def _group_key(inbound: Inbound, origin: str, sender: str) -> str:
    part = inbound.part
    assert part is not None
    shared = (origin, inbound.line, sender, inbound.to, part.reference, part.total)
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
    """Return the whole SMS, or what there is of it with `complete` False.

    `binary` has the octets of all segments where `text` does not say all: when it is
    None, has characters that could not be read, or lacks segments.
    """
    parts = sorted(group.parts, key=number_of)
    first = parts[0]
    complete = len(parts) == group.total
    octets = [part.binary for part in parts if part.binary is not None]
    if len(octets) < len(parts):
        octets = []
    text = _text_of(parts, octets, complete)
    broken = text is None or _REPLACEMENT in text or not complete
    codings = {part.charset for part in parts}
    return msgspec.structs.replace(
        first,
        text=text,
        binary=b"".join(octets) if broken and octets else None,
        sent_at=min(_given(parts, "sent_at"), default=None),
        received_at=max(part.received_at for part in parts),
        part=None,
        complete=complete,
        segments=group.total,
        charset=first.charset if len(codings) == 1 else "mixed",
        udh=next(filter(None, _given(parts, "udh")), None),
        dest_port=next(_given(parts, "dest_port"), None),
        source_port=next(_given(parts, "source_port"), None),
    )


def _text_of(
    parts: Sequence[Inbound], octets: Sequence[bytes], complete: bool
) -> str | None:
    """Return the text of an SMS in segments; None when one of them has none.

    `octets` are those of each segment, none at all when one came without.  The first
    row that applies:

    ==========================================  =====================================
    the segments                                how they are read
    ==========================================  =====================================
    octets of some are not known, or not all    each by itself: the texts are joined
    are of one coding
    UCS2, the first with a byte order mark      octets of all, in the order of the
                                                mark, whether or not each repeats it
    packed GSM septets                          each by itself: septets start anew in
                                                each segment
    incomplete                                  each by itself
    otherwise                                   octets of all
    ==========================================  =====================================
    """
    texts = [part.text for part in parts if part.text is not None]
    if len(texts) < len(parts):
        return None
    coding = parts[0].charset
    if octets and all(part.charset == coding for part in parts):
        if coding == "ucs2" and charsets.has_mark(b"".join(octets)):
            return charsets.decode(charsets.joined_with_mark(octets), coding)
        if coding not in _PACKED and complete:
            return charsets.decode(b"".join(octets), coding)
    return "".join(texts)


def _given(parts: Iterable[Inbound], name: str) -> Iterator[Any]:
    """Return what segments say in a field, of those that say something."""
    values = (getattr(part, name) for part in parts)
    return (value for value in values if value is not None)


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
    """Keep a segment; publish the SMS when it was the last one missing.

    Returns the id that the whole SMS has or will get, None for a repeated segment.
    """
    part = inbound.part
    assert part is not None
    if not part.possible:
        # its numbers fit no group: it is published alone rather than lost
        inbound_id = transaction.new_id()
        report_inbound(transaction, inbound, inbound_id)
        return inbound_id
    keys = group_keys(inbound)
    find = transaction.statements.find_group
    key, rows = keys[0], []
    for one in keys:
        rows = transaction.database.rows(find, (one,))
        if rows:
            key = one
            break
    group = _decode(rows[0][0]) if rows else None
    if group is not None:
        known = repeats(group, inbound)
        if known:
            return None
        if known is None or group.done:
            # another SMS with the same reference: the one before gets no more
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
    """Publish what there is of a long SMS, once."""
    if not group.done and group.parts:
        report_inbound(transaction, joined(group), group.id)
        group.done = True


def flush_incomplete(transaction: Transaction, until: float, limit: int) -> int:
    """Publish up to `limit` incomplete SMS whose time is over; return how many."""
    rows = transaction.database.rows(transaction.statements.old_groups, (until, limit))
    for key, body, _ in rows:
        finish(transaction, _decode(body))
        transaction.database.run(transaction.statements.delete_group, (key,))
        transaction.bump("groups", -1)
    return len(rows)


def report_inbound(transaction: Transaction, inbound: Inbound, inbound_id: str) -> None:
    """Put an inbound SMS into the outbox."""
    if inbound.text is not None:
        inbound = msgspec.structs.replace(
            inbound, text=charsets.without_mark(inbound.text)
        )
    event_id = transaction.new_id()
    answers = answer_of(transaction, inbound, inbound_id, transaction.now)
    body = inbound_body(inbound, inbound_id, event_id, answers)
    transaction.publish(f"inbound.{inbound.channel}", event_id, body)
    if transaction.keeps_steps:
        transaction.steps.append(InboundStep(inbound, inbound_id))


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
