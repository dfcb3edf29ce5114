"""The head of a lane's backlog, in memory: which message is next.

By priority, then by age.  A command leaves only when its turn has come (`Turns`), so
that "set" and "restart" do not overtake one another: until then it is blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from heapq import heapify, heappop, heappush

from attrs import define
from twisted.logger import Logger

from gdemoi.facts import Spend
from gdemoi.interfaces import EncodedMessage, IChannel, IContinuing
from gdemoi.message import Error, MessageClass, Outbound, Progress, Refused
from gdemoi.routing.turns import Turns

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
    # what its intent counts against the budget of its line
    spends: tuple[Spend, ...] = ()
    # the platform knows that it waits for its turn
    told_busy: bool = False

    @property
    def serial(self) -> bool:
        """Whether it must not overtake others to the same number."""
        message = self.message
        return message.class_ is not _NOTIFICATION and message.in_turn


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
    """The messages that stand ready, and the commands whose turn it is not.

    `go_on` is called when the turn of one has come.
    """

    def __init__(self, turns: Turns, go_on: Callable[[], None]) -> None:
        self._turns = turns
        self._go_on = go_on
        self._heap: list[tuple[Order, QueueEntry]] = []
        # commands that wait for those before them to their number, by id
        self._blocked: dict[str, QueueEntry] = {}
        # of those nobody was told of: since when they wait, the oldest first
        self._since: dict[str, float] = {}
        # ids of all that memory answers for, beside what is in flight
        self.in_memory: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[QueueEntry]:
        return iter([entry for _, entry in sorted(self._heap)])

    @property
    def blocked(self) -> int:
        """How many wait for their turn."""
        return len(self._blocked)

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
        """Take the next one whose turn it is; None: all others wait for theirs."""
        while self._heap:
            entry = heappop(self._heap)[1]
            message = entry.message
            if entry.serial and not self._turns.free(message):
                self._blocked[message.id] = entry
                if not entry.told_busy:
                    self._since[message.id] = self._turns.seconds()
                self._turns.wait(message, self)
                continue
            self.in_memory.discard(message.id)
            return entry
        return None

    def long_blocked(self, until: float, limit: int) -> list[QueueEntry]:
        """Return those that wait for their turn since before `until`, each once."""
        found: list[QueueEntry] = []
        while self._since and len(found) < limit:
            message_id, since = next(iter(self._since.items()))
            if since > until:
                break
            del self._since[message_id]
            entry = self._blocked.get(message_id)
            if entry is not None:
                entry.told_busy = True
                found.append(entry)
        return found

    def turn_came(self, message_id: str) -> None:
        """Let a command stand in line again."""
        entry = self._blocked.pop(message_id, None)
        self._since.pop(message_id, None)
        if entry is not None:
            heappush(self._heap, (entry.order, entry))
            self._go_on()

    def turn_gone(self, message_id: str) -> None:
        """Forget a command that is over."""
        if self._blocked.pop(message_id, None) is not None:
            self.in_memory.discard(message_id)

    def stop(self) -> None:
        """Wait for no turns any more."""
        for message_id in self._blocked:
            self._turns.forget(message_id)

    def remove(self, message_id: str) -> QueueEntry | None:
        """Take a message out of the line (cancelled, or moved away)."""
        entry = self._blocked.pop(message_id, None)
        if entry is not None:
            self._turns.forget(message_id)
            self.in_memory.discard(message_id)
            return entry
        for placed in self._heap:
            if placed[1].message.id == message_id:
                self._heap.remove(placed)
                heapify(self._heap)
                self.in_memory.discard(message_id)
                return placed[1]
        return None

    def begin(self, entry: QueueEntry) -> None:
        """A message is under way."""
        self.place(entry)
        if entry.serial:
            self._turns.begin(entry.message)


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
