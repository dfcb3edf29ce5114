"""Requests to platforms: made of events, repeated until they are taken.

What it promises: docs/doors.rst, "Callbacks".

Events are read from the journal after a bookmark of the section's own.  One that the
section wants is held until the far side has taken it; then the bookmark passes it.  The
bookmark also names what is held with its tries, and what was given up, so that a
restart goes on where it was: the far side may hear something twice, and never not at
all.

Events about one message go one after the other, in their order.  A far side that fails
three times in a row is asked one request at a time; when it takes one again, all that
waits for it goes at once.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec
from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gdemoi.cloud.exchange import HttpAnswer, HttpRequest, retry_after_s
from gdemoi.contract.event_json import moment_of
from gdemoi.errors import OurFault, Unavailable
from gdemoi.facts import OutboxEvent
from gdemoi.interfaces import IJournal
from gdemoi.moments import rfc3339
from gdemoi.tasks import Alarm, spawn

CURSOR: Final = "callbacks:{}"
# Events in memory for one section; further ones are read when some of these are over.
HELD: Final = 500
# Those that were given up are listed so long; the oldest leave the list first.
PARKED: Final = 1000
# How long a settled event may stay unwritten.
BOOKMARK_AFTER_S: Final = 0.5
# Failures in a row after which a far side counts as down.
DOWN_AFTER: Final = 3
# Pauses after a failure (docs/doors.rst, "Callbacks").
SCHEDULE_S: Final = (
    *(5.0, 300.0, 1800.0, 2 * 3600.0, 5 * 3600.0),
    *(10 * 3600.0, 14 * 3600.0, 20 * 3600.0, 24 * 3600.0),
)
JITTER: Final = 0.1
# Far sides that fail are shown when nothing waits for them any more, but not all.
FAILING_KEPT: Final = 50
LONGEST_PAUSE_S: Final = 86400.0
GONE: Final = 410
# The far side asks us to slow down (RFC 6585 §4, RFC 9110 §15.6).
SLOW_DOWN: Final = frozenset({429, 502, 503, 504})
READ_AT_ONCE: Final = 500
_AGAIN_S: Final = 1.0


@frozen(kw_only=True)
class CallbackPolicy:
    """How one section's callbacks are repeated.

    `schedule_s`: the pauses after the first, second … failure; after the last one it
    is given up.  `refusal_s`: the least pause after a 4xx that asks for nothing else.
    `gone_disables`: 410 ends all calls of the section, not this one alone.
    """

    schedule_s: tuple[float, ...] = SCHEDULE_S
    refusal_s: float = 0.0
    gone_disables: bool = False
    event_ttl_s: float = 7 * 86400.0
    in_flight: int = 4


class HttpClient(Protocol):
    """Sends requests; `gdemoi.cloud.http.CloudHttp`."""

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """Send a request; raises `Unavailable` when there is no whole answer."""


class CallbackMaker(Protocol):
    """What a section does with events: which it wants, and what is asked of whom."""

    policy: CallbackPolicy

    def wants(self, event: OutboxEvent) -> bool:
        """Tell whether an event may become a request."""

    def target(self, event: OutboxEvent) -> str:
        """Return which far side it is for: host and port."""

    def request(self, event: OutboxEvent, now: float) -> HttpRequest | None:
        """Return the request of an event; None: nothing is to be told after all.

        Raises `OurFault` or `ValueError` when it can never be made.
        """

    def is_taken(self, event: OutboxEvent, answer: HttpAnswer) -> bool:
        """Tell whether an answer says that the far side has it."""


class HeldNote(msgspec.Struct, array_like=True, frozen=True):
    """An event that is not settled: its number, its tries, when it goes again."""

    seq: int
    tries: int = 0
    again_at: float = 0.0


class ParkedNote(msgspec.Struct, array_like=True, frozen=True):
    """An event that was given up: its number, when, and why."""

    seq: int
    at: float
    why: str


class Bookmark(msgspec.Struct, frozen=True, omit_defaults=True):
    """All up to `after` is settled but for `held`."""

    after: int
    held: list[HeldNote] = []
    parked: list[ParkedNote] = []
    disabled: str = ""


class _Pending:
    """One event on its way."""

    __slots__ = ("again_at", "event", "target", "tries", "why")

    def __init__(self, event: OutboxEvent, target: Target, note: HeldNote) -> None:
        self.event = event
        self.target = target
        self.tries = note.tries
        self.again_at = note.again_at
        self.why = ""

    def __lt__(self, other: _Pending) -> bool:
        return self.event.seq < other.event.seq


class Target:
    """One far side, and how it fares."""

    __slots__ = (
        *("failures", "flying", "held", "name"),
        *("ready", "since", "until", "why"),
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: list[_Pending] = []
        # events that are not settled, and requests that are not answered
        self.held = 0
        self.flying = 0
        self.failures = 0
        # nothing leaves before then
        self.until = 0.0
        # since when it fails, and why
        self.since: float | None = None
        self.why = ""

    @property
    def is_down(self) -> bool:
        """Whether it failed several times in a row."""
        return self.failures >= DOWN_AFTER


class Callbacks:
    """The callbacks of one section, from the outbox to the far side's answer."""

    log = Logger()

    def __init__(
        self,
        label: str,
        maker: CallbackMaker,
        http: HttpClient,
        journal: IJournal,
        clock: IReactorTime,
        random: Callable[[], float],
        *,
        hungry: Callable[[], None] = lambda: None,
    ) -> None:
        # ``webhook:NAME``
        self.label = label
        self.delivered = 0
        self.failed = 0
        self.given_up = 0
        self.disabled = ""
        # all up to here was looked at
        self.position = 0
        self.hungry = hungry
        self._maker = maker
        self._policy = maker.policy
        self._http = http
        self._journal = journal
        self._clock = clock
        self._random = random
        self._held: dict[int, _Pending] = {}
        # what is about one message goes in order: the first of each may leave
        self._chains: dict[str, deque[_Pending]] = {}
        self._later: list[tuple[float, int, _Pending]] = []
        self._targets: dict[str, Target] = {}
        self._parked: deque[ParkedNote] = deque(maxlen=PARKED)
        self._written: Bookmark | None = None
        self._stopped = False
        self._pumping = False
        self._wants_pump = False
        self._bookmark = Alarm(clock, self._write_soon)
        self._again = Alarm(clock, self.pump)

    async def load(self, newest: int) -> None:
        """Find the bookmark; a section that is new begins at `newest`."""
        told = await self._journal.cursor(CURSOR.format(self.label))
        if not told:
            self.position = newest
            await self._write()
            return
        bookmark = msgspec.json.decode(told, type=Bookmark)
        self.position, self._written = bookmark.after, bookmark
        self.disabled = bookmark.disabled
        self._parked.extend(bookmark.parked)
        for note in bookmark.held:
            await self._take_back(note)

    async def _take_back(self, note: HeldNote) -> bool:
        """Read an event of which only the number is known; False: it is gone."""
        for event in await self._journal.events(note.seq - 1, 1):
            if event.seq == note.seq:
                self._hold(event, note)
                return True
        self.log.error(
            "[{label}] event {seq} is not in the journal any more, and was not taken",
            label=self.label,
            seq=note.seq,
        )
        return False

    # -- what comes from the outbox

    @property
    def waiting(self) -> int:
        """How many events are in memory and not settled."""
        return len(self._held)

    @property
    def is_hungry(self) -> bool:
        """Whether more events shall be read for it."""
        return len(self._held) < HELD and not self._stopped and not self.disabled

    def offer(self, event: OutboxEvent) -> None:
        """Take an event that is not before `position`, if it is wanted."""
        try:
            if self._maker.wants(event):
                self._hold(event, HeldNote(event.seq))
        except (OurFault, ValueError, msgspec.MsgspecError) as fault:
            # one event that cannot be read does not hold up the others
            self._note_parked(event, f"it cannot be read: {fault}")

    def reached(self, seq: int) -> None:
        """Hear that all events up to `seq` were offered."""
        self.position = max(self.position, seq)
        self.pump()
        self._bookmark_due()

    def _hold(self, event: OutboxEvent, note: HeldNote) -> None:
        name = self._maker.target(event)
        target = self._targets.get(name)
        if target is None:
            target = self._targets[name] = Target(name)
        pending = _Pending(event, target, note)
        target.held += 1
        self._held[event.seq] = pending
        chain = self._chains.setdefault(_subject(event), deque())
        chain.append(pending)
        if len(chain) == 1:
            self._schedule(pending)

    def _schedule(self, pending: _Pending) -> None:
        if pending.again_at > self._clock.seconds():
            entry = (pending.again_at, pending.event.seq, pending)
            heapq.heappush(self._later, entry)
        else:
            heapq.heappush(pending.target.ready, pending)

    # -- to the far side

    def pump(self) -> None:
        """Send what can be sent now."""
        self._wants_pump = True
        if self._pumping:
            # an answer came while requests were being sent
            return
        self._pumping = True
        try:
            while self._wants_pump:
                self._wants_pump = False
                self._pump_once()
        finally:
            self._pumping = False

    def _pump_once(self) -> None:
        now = self._clock.seconds()
        while self._later and self._later[0][0] <= now:
            pending = heapq.heappop(self._later)[2]
            heapq.heappush(pending.target.ready, pending)
        for target in list(self._targets.values()):
            if not target.ready:
                self._drop_idle(target)
            while target.ready and target.flying < self._most(target, now):
                pending = heapq.heappop(target.ready)
                target.flying += 1
                spawn(self._deliver(pending), self.log, "a callback")
        if self._stopped:
            return
        times = [one.until for one in self._targets.values() if one.ready]
        times += [self._later[0][0]] if self._later else []
        self._again.set(min((one for one in times if one > now), default=None))

    def _most(self, target: Target, now: float) -> int:
        """Return how many requests a far side may have unanswered now."""
        if target.until > now or self._stopped or self.disabled:
            return 0
        return 1 if target.is_down else self._policy.in_flight

    def _drop_idle(self, target: Target) -> None:
        """Forget a far side that nothing waits for; few of those that fail are kept."""
        idle = not target.held and not target.flying
        if idle and (target.since is None or len(self._targets) > FAILING_KEPT):
            self._targets.pop(target.name, None)

    async def _deliver(self, pending: _Pending) -> None:
        now = self._clock.seconds()
        try:
            if now - moment_of(pending.event.body) > self._policy.event_ttl_s:
                self._park(pending, f"nobody took it in time; {pending.why}")
                return
            try:
                request = self._maker.request(pending.event, now)
            except (OurFault, ValueError) as fault:
                self._park(pending, f"it cannot be written: {fault}")
                return
            if request is None:
                self._settle(pending)
                return
            pending.tries += 1
            await self._ask(pending, request)
        except Exception:  # noqa: BLE001 - one event is not to be lost by a fault
            self.log.failure("[{label}] a callback failed", label=self.label)
            self._failed(pending, "a fault of the gateway; its log tells", None)
        finally:
            pending.target.flying -= 1
            self.pump()

    async def _ask(self, pending: _Pending, request: HttpRequest) -> None:
        try:
            answer = await self._http.send(request)
        except Unavailable as fault:
            self._failed(pending, str(fault), None)
            return
        if self._maker.is_taken(pending.event, answer):
            self._taken(pending)
        elif answer.status == GONE:
            self._gone(pending)
        else:
            self._failed(pending, _said(answer), answer)

    def _taken(self, pending: _Pending) -> None:
        target = pending.target
        self.delivered += 1
        was_down, target.failures = target.is_down, 0
        target.until = 0.0
        if target.since is not None:
            self.log.info(
                "[{label}] {target} takes callbacks again",
                label=self.label,
                target=target.name,
            )
            target.since, target.why = None, ""
        self._settle(pending)
        if was_down:
            self._hasten(target)

    def _hasten(self, target: Target | None = None) -> None:
        """Let what waits for a far side (None: for any) go now."""
        kept = []
        for entry in self._later:
            pending = entry[2]
            if target is None or pending.target is target:
                heapq.heappush(pending.target.ready, pending)
            else:
                kept.append(entry)
        heapq.heapify(kept)
        self._later = kept

    def _gone(self, pending: _Pending) -> None:
        if not self._policy.gone_disables:
            self._park(pending, "410 Gone")
            return
        self.disabled = f"{rfc3339(self._clock.seconds())} answered 410 Gone"
        self.log.error(
            "[{label}] {target} answered 410 Gone: nothing more is sent there until"
            " gdemoi-sms callbacks resume {label}",
            label=self.label,
            target=pending.target.name,
        )
        pending.tries -= 1
        self._schedule(pending)
        self._bookmark_due()

    def _failed(self, pending: _Pending, why: str, answer: HttpAnswer | None) -> None:
        now, target = self._clock.seconds(), pending.target
        self.failed += 1
        pending.why = target.why = why
        target.failures += 1
        if target.since is None:
            target.since = now
        if target.failures == DOWN_AFTER:
            self.log.warn(
                "[{label}] {target} takes no callbacks: {why}",
                label=self.label,
                target=target.name,
                why=why,
            )
        pause_s = self._pause_s(pending.tries, answer)
        if pause_s is None:
            self._park(pending, f"given up after {pending.tries} tries: {why}")
            return
        if answer is not None and answer.status in SLOW_DOWN:
            target.until = now + pause_s
        pending.again_at = now + pause_s
        self._schedule(pending)
        self._bookmark_due()

    def _pause_s(self, tries: int, answer: HttpAnswer | None) -> float | None:
        policy = self._policy
        if tries > len(policy.schedule_s):
            return None
        pause_s = policy.schedule_s[tries - 1]
        if answer is not None:
            asked_s = retry_after_s(answer, self._clock.seconds(), LONGEST_PAUSE_S)
            if answer.status in SLOW_DOWN and asked_s is not None:
                return asked_s
            if 400 <= answer.status < 500 and answer.status not in (408, 425, 429):
                pause_s = max(pause_s, policy.refusal_s)
        return pause_s * (1.0 + JITTER * self._random())

    # -- the end of an event

    def _park(self, pending: _Pending, why: str) -> None:
        """Give an event up; it is listed, and can be replayed."""
        self._note_parked(pending.event, why)
        self._settle(pending)

    def _note_parked(self, event: OutboxEvent, why: str) -> None:
        self.given_up += 1
        self._parked.append(ParkedNote(event.seq, self._clock.seconds(), why))
        self.log.error(
            "[{label}] event {seq} of {what} is given up: {why}",
            label=self.label,
            seq=event.seq,
            what=event.message_id or event.routing_key,
            why=why,
        )
        self._bookmark_due()

    def _settle(self, pending: _Pending) -> None:
        event = pending.event
        self._held.pop(event.seq, None)
        pending.target.held -= 1
        subject = _subject(event)
        chain = self._chains[subject]
        chain.popleft()
        if chain:
            self._schedule(chain[0])
        else:
            del self._chains[subject]
        self._bookmark_due()
        if len(self._held) in (0, HELD - 1):
            self.hungry()

    # -- what people ask

    async def replay(self, seqs: Iterable[int] | None = None) -> list[int]:
        """Send again what was given up, all of it or some; return what is sent."""
        wanted = None if seqs is None else frozenset(seqs)
        chosen = [o for o in self._parked if wanted is None or o.seq in wanted]
        found = []
        for note in chosen:
            if note.seq not in self._held and await self._take_back(HeldNote(note.seq)):
                found.append(note.seq)
            if note in self._parked:
                self._parked.remove(note)
        await self._write()
        self.pump()
        return found

    async def parked(self) -> list[dict[str, Any]]:
        """Return what was given up, oldest first, JSON-ready."""
        found = []
        for note in list(self._parked):
            told: dict[str, Any] = {
                "seq": note.seq,
                "given_up_at": rfc3339(note.at),
                "why": note.why,
                "event": None,
            }
            for event in await self._journal.events(note.seq - 1, 1):
                if event.seq == note.seq:
                    told["event"] = msgspec.json.decode(event.body)
            found.append(told)
        return found

    async def resume(self) -> None:
        """Send again to a far side that was given up or rests."""
        self.disabled = ""
        for target in self._targets.values():
            target.until = 0.0
        self._hasten()
        await self._write()
        self.pump()
        self.hungry()

    def describe(self) -> dict[str, Any]:
        """Return the section's callbacks as an operator wants to see them.

        `state`: up, down (a far side fails), disabled.
        """
        failing = [one for one in self._targets.values() if one.is_down]
        state, reason, since = "up", "", None
        if failing:
            first = min(failing, key=lambda one: one.since or 0.0)
            state, reason = "down", f"{first.name}: {first.why}"
            since = None if first.since is None else rfc3339(first.since)
        if self.disabled:
            since, _, reason = self.disabled.partition(" ")
            state = "disabled"
        return {
            "state": state,
            "reason": reason,
            "since": since,
            "waiting": len(self._held),
            "delivered": self.delivered,
            "failed": self.failed,
            "given_up": self.given_up,
            "last_given_up": self._parked[-1].why if self._parked else None,
            "parked": len(self._parked),
        }

    # -- the bookmark

    def _bookmark_due(self) -> None:
        if not self._stopped:
            self._bookmark.set(self._clock.seconds() + BOOKMARK_AFTER_S)

    def _present(self) -> Bookmark:
        held = [
            HeldNote(seq, one.tries, round(one.again_at, 3))
            for seq, one in sorted(self._held.items())
        ]
        return Bookmark(self.position, held, list(self._parked), self.disabled)

    def _write_soon(self) -> None:
        spawn(self._write(), self.log, "writing a bookmark of callbacks")

    async def _write(self) -> None:
        present = self._present()
        if present == self._written:
            return
        before, self._written = self._written, present
        value = msgspec.json.encode(present).decode()
        try:
            await self._journal.set_cursor(CURSOR.format(self.label), value)
        except Unavailable as fault:
            self._written = before
            self.log.warn("the bookmark is not written: {fault}", fault=fault)
            self._bookmark_due()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True
        self._again.cancel()

    @property
    def flying(self) -> int:
        """How many requests are not answered."""
        return sum(one.flying for one in self._targets.values())

    async def close(self) -> None:
        """Write the bookmark and leave no timer."""
        self.stop()
        self._bookmark.cancel()
        await self._write()
        self._bookmark.cancel()


class OutboxFeed:
    """Reads the outbox once for all sections, and for those behind again."""

    log = Logger()

    def __init__(
        self, journal: IJournal, clock: IReactorTime, readers: Sequence[Callbacks]
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._readers = readers
        self._known = 0
        self._reading = False
        self._stopped = False
        self._again = Alarm(clock, self.pump)

    def start(self, last: int) -> None:
        """Begin; the readers know their bookmarks."""
        self._known = last
        self._journal.on_events(self._told)
        self.pump()

    def stop(self) -> None:
        """Read no more."""
        self._stopped = True
        self._again.cancel()

    def _told(self, last: int) -> None:
        self._known = max(self._known, last)
        self.pump()

    def pump(self) -> None:
        """Read on, if somebody wants more and there is more."""
        if not self._reading and not self._stopped and self._behind():
            self._reading = True
            spawn(self._read(), self.log, "reading events for callbacks")

    def _behind(self) -> list[Callbacks]:
        return [
            one for one in self._readers if one.position < self._known and one.is_hungry
        ]

    async def _read(self) -> None:
        try:
            while not self._stopped and (behind := self._behind()):
                await self._read_some(behind)
        except Unavailable as fault:
            self.log.warn("events cannot be read: {fault}", fault=fault)
            self._again.set(self._clock.seconds() + _AGAIN_S)
        finally:
            self._reading = False

    async def _read_some(self, behind: Sequence[Callbacks]) -> None:
        after = min(one.position for one in behind)
        upto = self._known
        events = await self._journal.events(after, READ_AT_ONCE)
        for event in events:
            for one in behind:
                if one.position < event.seq:
                    one.offer(event)
        # numbers may have gaps: with none there, there is nothing up to what was known
        last = events[-1].seq if events else upto
        for one in behind:
            one.reached(last)


def _subject(event: OutboxEvent) -> str:
    """Return what an event is about; events about the same go in order."""
    return event.message_id or event.event_id


def _said(answer: HttpAnswer) -> str:
    said = answer.body[:60].decode("utf-8", "replace").strip()
    shown = "".join(one if one.isprintable() else "?" for one in said)
    return f"HTTP {answer.status} {shown}".strip()
