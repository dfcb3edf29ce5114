"""The head of a lane's backlog, in memory: which message is next.

By priority, then by age.  A command leaves only when no other command to the same
number is under way here, so that "set" and "restart" do not overtake one another:
until then it is blocked behind that number.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from heapq import heapify, heappop, heappush

from attrs import define
from twisted.logger import Logger

from gdemoi.interfaces import EncodedMessage, IChannel, IContinuing
from gdemoi.message import Error, MessageClass, Outbound, Progress, Refused

log = Logger()

# -priority, time of acceptance, count: smaller is earlier, and no two are equal
Order = tuple[int, float, int]
_UNPLACED: Order = (0, 0.0, 0)
_NOTIFICATION = MessageClass.NOTIFICATION


@define(slots=True, eq=False)
class QueueEntry:
    """A message in memory, on its way through one lane."""

    message: Outbound
    tried: tuple[str, ...]
    prepared: EncodedMessage | None
    # the number of the last attempt
    attempts: int = 0
    # how many attempts ended unsure
    uncertain_attempts: int = 0
    order: Order = _UNPLACED
    # which of its parts left in an earlier attempt
    progress: Progress | None = None

    @property
    def serial(self) -> bool:
        """Whether it must not overtake others to the same number."""
        return self.message.class_ is not _NOTIFICATION


class Backlog(Enum):
    """Whether the journal holds messages of a lane that are not in memory.

    ==========  ===================  ====================  =======================
    is          `add`: one more      `reading`             `read`, was it all
    ==========  ===================  ====================  =======================
    EMPTY       OLDER                --                    --
    OLDER       OLDER                READING               --
    READING     READING_OLDER        --                    EMPTY, else OLDER
    READING_…   READING_OLDER        --                    OLDER
    ==========  ===================  ====================  =======================

    Unless it is EMPTY a new message must not enter memory: an older one may be in
    the journal.
    """

    EMPTY = "memory has all that is due"
    OLDER = "the journal has more"
    READING = "the journal is being read"
    READING_OLDER = "it is being read, and more has come since"

    def add(self) -> Backlog:
        """Return what it is when a message was left to the journal."""
        reading = self in (Backlog.READING, Backlog.READING_OLDER)
        return Backlog.READING_OLDER if reading else Backlog.OLDER

    def read(self, *, all_of_it: bool) -> Backlog:
        """Return what it is after the journal was read."""
        known = all_of_it and self is Backlog.READING
        return Backlog.EMPTY if known else Backlog.OLDER


class ReadyQueue:
    """The messages that stand ready, and the numbers that are busy."""

    def __init__(self) -> None:
        self._heap: list[tuple[Order, QueueEntry]] = []
        self._busy: dict[str, list[tuple[Order, QueueEntry]]] = {}
        # how many wait behind a busy number
        self.blocked = 0
        # numbers whose command waits for its next try: its id, and until when
        self._blocked: dict[str, tuple[str, float]] = {}
        # ids of all that memory answers for, beside what is in flight
        self.in_memory: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[QueueEntry]:
        return iter([entry for _, entry in sorted(self._heap)])

    def push(self, entry: QueueEntry) -> None:
        """Let a message stand in line, at the place that it had before."""
        self.place(entry)
        self.in_memory.add(entry.message.id)
        heappush(self._heap, (entry.order, entry))

    def place(self, entry: QueueEntry) -> None:
        """Give a message its place in the order, once and for all."""
        if entry.order is _UNPLACED:
            self._count += 1
            message = entry.message
            entry.order = (-message.priority, message.accepted_at, self._count)

    def pop(self) -> QueueEntry | None:
        """Take the next one whose number is free; None: all others are blocked."""
        while self._heap:
            placed = heappop(self._heap)
            entry = placed[1]
            if self._is_blocked(entry):
                heappush(self._busy[entry.message.to], placed)
                self.blocked += 1
                continue
            self.in_memory.discard(entry.message.id)
            return entry
        return None

    def _is_blocked(self, entry: QueueEntry) -> bool:
        number = entry.message.to
        if number not in self._busy or not entry.serial:
            return False
        blocked = self._blocked.get(number)
        if blocked is None or blocked[0] != entry.message.id:
            return True
        # it goes first; the others are blocked again when it has begun
        del self._blocked[number]
        self._free(number)
        return False

    def block(self, entry: QueueEntry, until: float) -> None:
        """Keep later commands to a number behind one that will be tried again.

        It stands in the journal until then; at `until` nobody waits for it any more
        (it may have expired, been cancelled or moved to another lane).
        """
        number = entry.message.to
        if entry.serial and number not in self._busy:
            self._busy[number] = []
            self._blocked[number] = (entry.message.id, until)

    def blocked_until(self) -> float | None:
        """Return when the next number is free again at the latest."""
        return min((until for _, until in self._blocked.values()), default=None)

    def unblock(self, now: float) -> None:
        """Let go what was blocked behind a number for long enough."""
        for number, (_, until) in list(self._blocked.items()):
            if until <= now:
                del self._blocked[number]
                self._free(number)

    def remove(self, message_id: str) -> QueueEntry | None:
        """Take a message out of the line (cancelled, or moved away)."""
        for placed in self._heap:
            if placed[1].message.id == message_id:
                self._heap.remove(placed)
                heapify(self._heap)
                self.in_memory.discard(message_id)
                return placed[1]
        return None

    def is_busy(self, number: str) -> bool:
        """Whether a command to this number is under way."""
        return number in self._busy

    def begin(self, entry: QueueEntry) -> None:
        """A message is under way: its number is busy, if it is a command."""
        self.place(entry)
        if entry.serial:
            self._busy.setdefault(entry.message.to, [])

    def end(self, entry: QueueEntry) -> None:
        """It is no longer: what was blocked behind it stands in line again."""
        if entry.serial:
            self._free(entry.message.to)

    def _free(self, number: str) -> None:
        blocked = self._busy.pop(number, ())
        self.blocked -= len(blocked)
        for placed in blocked:
            heappush(self._heap, placed)


def must_fit(message: Outbound, progress: Progress | None) -> bool:
    """Whether a message has left in part and only its missing parts may follow.

    A notification may leave whole once more; of a command the phone would have a
    half and a whole.
    """
    return progress is not None and message.class_ is not MessageClass.NOTIFICATION


def stranded(message: Outbound, progress: Progress, where: str) -> Error:
    """Return why the rest of a message that left in part stays here."""
    text = f"{progress.taken} of {len(progress.ids)} parts have left"
    return Error("gateway:partly_sent", f"{text}; the rest cannot follow {where}")


def prepare(
    channel: IChannel, message: Outbound, progress: Progress | None = None
) -> EncodedMessage | Refused:
    """Let a channel prepare a message; a fault of ours costs only this message.

    What has left in part goes on where it stood, where that is possible.
    """
    try:
        if progress is not None:
            rest = None
            if channel.account == progress.account and IContinuing.providedBy(channel):
                rest = channel.resume(message, progress)
            if rest is not None:
                return rest
            if must_fit(message, progress):
                where = f"over {channel.name} in the same form"
                return Refused(error=stranded(message, progress, where))
        return channel.prepare(message)
    except Exception:  # noqa: BLE001 - the boundary of one message
        log.failure(
            "{channel} cannot prepare {id}", channel=channel.name, id=message.id
        )
        text = f"{channel.name} could not prepare it; see the log"
        return Refused(error=Error("gateway:fault", text))
