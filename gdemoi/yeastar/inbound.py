"""Received SMS: from an event to an `Inbound`, one per segment.

A TG hands over each segment of a long SMS by itself, with an ID that the segments
share and that is used again later; the journal joins them.  This file makes the
reference of each group its own (ID and generation) and keeps only bounded memory.
Whether a device counts segments from 0 or from 1 differs by firmware and is known
of no group before its end: the place is reported as it came, and the journal, which
puts them in order, need not know.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import Final

import msgspec
from attrs import define, field

from gdemoi.kit.recent import Recent
from gdemoi.message import Inbound, InboundSegment
from gdemoi.yeastar.ami import AmiBlock, Content, decode_text

GROUP_LIMIT: Final = 256
# 3GPP TS 23.040: the number of segments is one octet; a TG shows the total as it
# came, and what is no total is no group.
TOTAL_LIMIT: Final = 255
_RECVTIME: Final = "%Y-%m-%d %H:%M:%S"


class ReceivedSMS(msgspec.Struct, frozen=True):
    """The event of that name (and of that spelling), read."""

    id: str
    port: int | None
    sender: str
    recvtime: str
    index: int
    total: int
    content: Content


def read(block: AmiBlock, span_offset: int) -> ReceivedSMS:
    """Return what the event says; never raises, whatever it says."""
    span = _number(block.get("gsmspan"))
    # The manual of 2013 has GsmPort, counted from 1; all later devices GsmSpan.
    port = _number(block.get("gsmport")) if span is None else span - span_offset
    return ReceivedSMS(
        id=(block.get("id") or "").strip(),
        port=port,
        # one firmware leaves a trailing @ on alphanumeric senders
        sender=(block.get("sender") or "").strip().removesuffix("@"),
        recvtime=(block.get("recvtime") or "").strip(),
        index=_or(_number(block.get("index")), 1),
        total=_or(_number(block.get("total")), 1),
        content=decode_text(block.headers.get("content", b"")),
    )


def _number(value: str | None) -> int | None:
    digits = (value or "").strip()
    if not digits.removeprefix("-").isdecimal() or len(digits) > 9:
        return None
    return int(digits)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


Key = tuple[int | None, str, str, int]


@define
class _SegmentGroup:
    """The segments of one long SMS so far, by index as the device counts."""

    reference: str
    since: float
    texts: dict[int, str | None] = field(factory=dict)

    def has_room(self, index: int, total: int) -> bool:
        """Whether a segment may be of this SMS.

        Index 0 and index n of n are counted from 0 and from 1: not of one SMS.
        """
        return index not in self.texts and not {0, total} <= {index, *self.texts}


class InboundReader:
    """Makes an `Inbound` of each received SMS or segment."""

    def __init__(
        self,
        channel: str,
        *,
        phones: dict[int, str] | None = None,
        join_window_s: float = 300.0,
        utc_offset_s: float | None = None,
        epoch: str = "",
    ) -> None:
        self._channel = channel
        self._phones = phones or {}
        self._window_s = join_window_s
        self._utc_offset_s = utc_offset_s
        self._epoch = epoch
        self._count = 0
        self._open: OrderedDict[Key, _SegmentGroup] = OrderedDict()
        self._generations: Recent[Key, int] = Recent(GROUP_LIMIT)

    def take(self, sms: ReceivedSMS, now: float) -> list[Inbound]:
        """Return what goes up for this event: mostly one, none for a repeat."""
        self._forget(now)
        plain = self._plain(sms, now)
        if not sms.id or not 1 < sms.total <= TOTAL_LIMIT:
            return [plain]
        if not 0 <= sms.index <= sms.total:
            return [plain]
        return self._segment(sms, plain, now)

    def _plain(self, sms: ReceivedSMS, now: float) -> Inbound:
        self._count += 1
        content = sms.content
        many = sms.total > 1
        return Inbound(
            channel=self._channel,
            from_=sms.sender,
            to=None if sms.port is None else self._phones.get(sms.port),
            received_at=now,
            text=content.text,
            # with the octets of all segments, a letter cut in two is whole again
            binary=content.octets if content.broken or many else None,
            charset="utf8",
            line=None if sms.port is None else str(sms.port),
            sent_at=self._sent_at(sms.recvtime),
            # the device never repeats; we do, when the journal could not write
            dedup=f"tg:{self._epoch}:{self._count}",
            join_window_s=self._window_s,
        )

    def _sent_at(self, recvtime: str) -> float | None:
        if self._utc_offset_s is None:
            return None
        try:
            local = datetime.strptime(recvtime, _RECVTIME).replace(tzinfo=UTC)
        except ValueError:
            return None
        return local.timestamp() - self._utc_offset_s

    def _segment(self, sms: ReceivedSMS, plain: Inbound, now: float) -> list[Inbound]:
        key = (sms.port, sms.sender, sms.id, sms.total)
        group = self._open.get(key)
        if group is not None and group.texts.get(sms.index) == plain.text:
            return []
        if group is not None and not group.has_room(sms.index, sms.total):
            self._close(key)
            group = None
        if group is None:
            group = self._begin(key, now)
        group.texts[sms.index] = plain.text
        if len(group.texts) == sms.total:
            self._close(key)
        part = InboundSegment(group.reference, sms.total, sms.index, loose=True)
        return [msgspec.structs.replace(plain, part=part)]

    def _begin(self, key: Key, now: float) -> _SegmentGroup:
        while len(self._open) >= GROUP_LIMIT:
            self._close(next(iter(self._open)))
        reference = f"{key[2]}.{self._generations.get(key, 0)}"
        group = self._open[key] = _SegmentGroup(reference, now)
        return group

    def _next_reference(self, key: Key) -> str:
        generation = self._generations.get(key, 0) + 1
        self._generations[key] = generation
        return f"{key[2]}.{generation}"

    def _close(self, key: Key) -> None:
        del self._open[key]
        self._next_reference(key)

    def _forget(self, now: float) -> None:
        """Close the groups whose window has passed (the journal has published them)."""
        while self._open:
            key = next(iter(self._open))
            if now - self._open[key].since < self._window_s:
                return
            self._close(key)
