"""Segments of a long inbound SMS, put together: a value.

This file knows when two segments belong together, when one is a repeat, and how
the whole is read.  It knows no database and no clock; how long a group may wait
is written in its segments (`join_window_s`).

Octets are joined before they are decoded where all segments share a coding, so
that an escape or a surrogate pair that was cut in two is whole again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from gdemoi.message import Inbound
from gdemoi.text import charset as charsets

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
