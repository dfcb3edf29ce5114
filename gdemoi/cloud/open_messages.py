"""Messages that a provider has told no end of, and when to ask for it.

It knows the schedule of questions, which message a hint speaks of, and how the
list is written down in a bounded number of cursors; it asks nobody.  Time is an
argument.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Final
from zlib import crc32

import msgspec

from gdemoi.contract.numbers import is_spelling_of
from gdemoi.kit.recent import Recent

# Pauses between questions for one message; the last one repeats.
POLLING: Final = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
# With webhooks the questions only mend what was lost while nobody listened.
RECONCILING: Final = (120.0, 300.0, 600.0)
JITTER: Final = 0.1
GIVE_UP_S: Final = 72 * 3600.0
AFTER_VALIDITY_S: Final = 3600.0
ORPHAN_S: Final = 120.0
ORPHANS_KEPT: Final = 1000
BUCKETS: Final = 32
MOST: Final = 50_000


class OpenMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One message on its way; `ids` are those without a last word yet."""

    message_id: str
    to: str
    ids: tuple[str, ...]
    sent_at: float
    until: float
    due: float = 0.0
    asked: int = 0


class OpenMessages:
    """All open messages of a channel, by id and by the time of their question."""

    def __init__(
        self, pauses: tuple[float, ...], random: Callable[[], float], most: int = MOST
    ) -> None:
        self._pauses = pauses
        self._random = random
        self._most = most
        self._open: dict[str, OpenMessage] = {}
        self._kept: list[dict[str, OpenMessage]] = [{} for _ in range(BUCKETS)]
        self._by_provider: dict[str, str] = {}
        self._heap: list[tuple[float, str]] = []
        self._orphans: Recent[str, float] = Recent(ORPHANS_KEPT)
        self.dirty: set[int] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, message: OpenMessage) -> None:
        """Begin to follow a message; a hint that came before it counts now."""
        if len(self._open) >= self._most:
            # the oldest: its receipt is the least likely to come
            self.close(next(iter(self._open)))
        known = self._open.get(message.message_id)
        if known is not None:
            # sent again: what went out first may still be told about
            message.ids = tuple(dict.fromkeys((*known.ids, *message.ids)))
        self._enter(message)
        message.due = message.sent_at + self._pause(message.asked)
        for name in (message.message_id, *message.ids):
            if self._orphans.pop(name, 0.0) > message.sent_at:
                message.due = message.sent_at
        self._push(message)

    def due(self, now: float, limit: int) -> list[OpenMessage]:
        """Return the messages to ask for now; each has its next question planned."""
        found: list[OpenMessage] = []
        while self._heap and self._heap[0][0] <= now and len(found) < limit:
            due, message_id = heapq.heappop(self._heap)
            message = self._open.get(message_id)
            if message is None or message.due != due:
                continue
            message.asked += 1
            message.due = now + self._pause(message.asked)
            self._push(message)
            found.append(message)
        return found

    def next_due(self) -> float | None:
        """Return when the next question is due."""
        while self._heap:
            due, message_id = self._heap[0]
            message = self._open.get(message_id)
            if message is not None and message.due == due:
                return due
            heapq.heappop(self._heap)
        return None

    def is_over(self, message: OpenMessage, now: float) -> bool:
        """Tell whether it is no use to go on asking."""
        return now > min(message.until + AFTER_VALIDITY_S, message.sent_at + GIVE_UP_S)

    def ask_soon(self, message: OpenMessage, now: float) -> None:
        """Ask at `now`, or earlier if that is planned already."""
        message.due = min(message.due, now)
        self._push(message)

    def hint(
        self,
        message_id: str | None,
        provider_id: str,
        number: str | None,
        now: float,
    ) -> OpenMessage | None:
        """Return the open message that an unproven receipt speaks of.

        By our own reference, by provider id, or by number when exactly one open
        message goes there.  What fits nothing yet is remembered for two minutes.
        """
        for name in (message_id, self._by_provider.get(provider_id)):
            if name is not None and name in self._open:
                return self._open[name]
        if number and not provider_id:
            there = [m for m in self._open.values() if is_spelling_of(number, m.to)]
            if len(there) == 1:
                return there[0]
        for name in (message_id, provider_id):
            if name:
                self._orphans[name] = now + ORPHAN_S
        return None

    def by_provider(self, provider_id: str) -> OpenMessage | None:
        """Return the open message with this provider id."""
        return self._open.get(self._by_provider.get(provider_id, ""))

    def settle(self, provider_id: str) -> None:
        """Note the last word on one provider id; the message closes with its last."""
        message = self.by_provider(provider_id)
        if message is None:
            return
        self._by_provider.pop(provider_id, None)
        message.ids = tuple(known for known in message.ids if known != provider_id)
        self.dirty.add(bucket_of(message.message_id))
        if not message.ids:
            self.close(message.message_id)

    def close(self, message_id: str) -> None:
        """Stop following a message."""
        message = self._open.pop(message_id, None)
        if message is not None:
            for provider_id in message.ids:
                self._by_provider.pop(provider_id, None)
            bucket = bucket_of(message_id)
            del self._kept[bucket][message_id]
            self.dirty.add(bucket)

    def dump(self, bucket: int) -> str:
        """Return one bucket as text, to be kept."""
        kept = list(self._kept[bucket].values())
        return msgspec.json.encode(kept).decode("utf-8")

    def load(self, text: str) -> None:
        """Take back a bucket; text that cannot be read holds nothing."""
        for message in _read(text):
            if message.message_id not in self._open:
                self._enter(message)
                for name in (message.message_id, *message.ids):
                    if self._orphans.pop(name, None) is not None:
                        # hinted at between the start and this reading
                        message.due = min(message.due, message.sent_at)
                heapq.heappush(self._heap, (message.due, message.message_id))

    def _enter(self, message: OpenMessage) -> None:
        self._open[message.message_id] = message
        self._kept[bucket_of(message.message_id)][message.message_id] = message
        for provider_id in message.ids:
            self._by_provider[provider_id] = message.message_id

    def _push(self, message: OpenMessage) -> None:
        heapq.heappush(self._heap, (message.due, message.message_id))
        self.dirty.add(bucket_of(message.message_id))

    def _pause(self, asked: int) -> float:
        pause_s = self._pauses[min(asked, len(self._pauses) - 1)]
        return pause_s * (1.0 + JITTER * (2.0 * self._random() - 1.0))


def bucket_of(message_id: str) -> int:
    """Return which of the cursors holds a message."""
    return crc32(message_id.encode("utf-8")) % BUCKETS


def _read(text: str) -> Iterable[OpenMessage]:
    try:
        return msgspec.json.decode(text, type=list[OpenMessage])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return ()


class SeenMarks:
    """One-time marks (nonces, token ids, sids) for as long as they may come again."""

    def __init__(self, most: int = 100_000) -> None:
        self._until: Recent[str, float] = Recent(most)

    def knows(self, mark: str, now: float) -> bool:
        """Tell whether a mark was remembered and still holds."""
        return self._until.get(mark, 0.0) > now

    def remember(self, mark: str, until: float) -> None:
        """Keep a mark; the oldest one goes when there are too many."""
        self._until[mark] = until
