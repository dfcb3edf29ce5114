"""A gateway in virtual time whose far sides, disk and power fail at will.

The real dispatcher over the real journal (a SQLite file); a life ends like a
killed process: the file is copied as it lies there and opened by the next life.
`Chaos` is the far side and knows what is true: it survives every life and knows which
submits the channels really took.  `Chaos.do` takes steps made of numbers, so
that hypothesis can shrink them; `Chaos.settle` lets everything come to rest and
`Chaos.complaints` says which promise was broken.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from gdemoi.errors import Unavailable
from gdemoi.facts import Cancelled, Duplicate, Stored
from gdemoi.interfaces import IChannel, IChannelEvents
from gdemoi.journal import Journal
from gdemoi.journal.threads import BatchResult, Job
from gdemoi.message import (
    RANK,
    Accepted,
    CommandPace,
    Error,
    MessageClass,
    MessageState,
    OnUnsure,
    Outbound,
    Outcome,
    Receipt,
    Refused,
    Scope,
    Turn,
    Uncertain,
    provider_key,
)
from gdemoi.routing import lanes
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.retry import RetryPolicy
from gdemoi.routing.rules import Router, Rule
from tests.routing.channels import Ready

POLICY = RetryPolicy(tries=3, first_s=5.0, last_s=40.0, hold_s=30.0)
NAMES = ("a", "b", "c")
BACKLOG = 12
LONG_S = 500_000.0
RECEIPT_TTL_S = 5_000.0
WEIGHTED = Rule(
    name="weighted",
    channels=(("a", 2), ("b", 1)),
    weighted=True,
    classes=("activation",),
)
FAILOVER = Rule(name="failover", channels=(("a", 1), ("b", 1), ("c", 1)))
BUSY = Error("hand:busy", "busy", True)
WARNING_TEXTS = Error("hand:bad", "bad")
REFUSALS = (
    Refused(error=WARNING_TEXTS),
    Refused(error=BUSY),
    Refused(error=BUSY, throttled=True),
    Refused(error=BUSY, throttled=True, retry_after_s=7.0),
    Refused(error=BUSY, scope=Scope.CHANNEL_FOR_A_WHILE),
    Refused(error=WARNING_TEXTS, scope=Scope.CHANNEL_FOR_A_WHILE, retry_after_s=9.0),
    Refused(error=WARNING_TEXTS, scope=Scope.CHANNEL_HALTED),
)
# most as they are by themselves
TURNS = (
    None,
    None,
    Turn(gap_s=3.0),
    Turn(pace=CommandPace.NONE),
    Turn(pace=CommandPace.DELIVERED),
    Turn(sequence="s1"),
)
RECEIPTS = (
    MessageState.DELIVERED,
    MessageState.ENROUTE,
    MessageState.UNDELIVERED,
    MessageState.EXPIRED,
)


@define(eq=False)
class Submit:
    """One submit as the far side saw it."""

    id: str
    attempt: int
    channel: str
    life: int
    provider_ids: tuple[str, ...]
    answer: Deferred[Outcome]
    at: float
    # whether the far side took it; None: not decided yet
    taken: bool | None = None
    outcome: Outcome | None = None
    late: Outcome | None = None
    receipts: list[MessageState] = field(factory=list)
    # what the gateway was told has certainly been written down
    known: bool = False

    @property
    def refused(self) -> bool:
        """Whether the far side has said that it did not take it."""
        return isinstance(self.late or self.outcome, Refused)


@implementer(IChannel)
class FarSide:
    """A channel of one life: what is submitted goes to the world."""

    kind = "hand"

    def __init__(self, world: Chaos, name: str) -> None:
        self.world, self.name = world, name
        self.account = f"account-{name}"
        self.window = {"a": 2, "b": 1, "c": 3}[name]
        self.rate = {"a": None, "b": 2.0, "c": None}[name]
        self.segments = {"a": 1, "b": 1, "c": 2}[name]
        self.life = world.life
        self.waiting: list[Submit] = []
        self.events: Any = None

    def start(self, events: IChannelEvents) -> None:
        self.events = events

    def stop(self, grace_s: float) -> Deferred[None]:
        return succeed(None)

    def unable(self) -> str | None:
        return "down" if self.name in self.world.down else None

    def prepare(self, message: Outbound) -> Ready | Refused:
        if self.name in self.world.picky and "odd" in (message.text or ""):
            return Refused(error=Error("gateway:unencodable", "odd"))
        return Ready(message, self.segments)

    def submit(self, prepared: Ready, attempt: int) -> Deferred[Outcome]:
        return self.world.submitted(self, prepared, attempt)

    def ask(
        self, message: Outbound, provider_ids: Sequence[str]
    ) -> Deferred[Receipt | None]:
        return succeed(None)

    def describe(self) -> dict[str, Any]:
        return {"state": "up", "reason": "", "lines": []}

    def command(self, line: str, verb: str, arguments: Sequence[str]) -> Deferred[str]:
        return succeed("")


class Frail:
    """The journal's crew on a machine that may stop: at a commit, or after it."""

    def __init__(self, runner: Any, world: Chaos, writes: bool) -> None:
        self.runner, self.world, self.writes = runner, world, writes
        self.slow = False
        self._late: list[Any] = []

    def work(self, jobs: Sequence[Job]) -> Any:
        if self.world.dead:
            return None
        if self.writes and self.world.disk_full:
            why = Failure(Unavailable("disk full"))
            return BatchResult(answers=[(job.answer, why) for job in jobs])
        done = self.runner.work(jobs)
        if self.writes and self.world.fuse is not None:
            self.world.fuse -= 1
            self.world.dead = self.world.fuse <= 0
        return done

    def deliver(self, done: Any) -> None:
        if self.world.dead:
            return
        if self.slow:
            self._late.append(done)
        else:
            self.runner.deliver(done)

    def deliver_all(self) -> None:
        """Catch up, in order: what comes of it stands behind what waits."""
        self.slow = True
        while self._late:
            done = self._late.pop(0)
            if not self.world.dead:
                self.runner.deliver(done)
        self.slow = False

    @property
    def idle(self) -> bool:
        return not self._late

    def failed(self, jobs: Sequence[Job], failure: Failure) -> None:
        self.runner.failed(jobs, failure)


@cache
def _empty() -> bytes:
    """Return a new journal's file, so that not every life migrates."""
    folder = Path("chaos-template").absolute()
    folder.mkdir(exist_ok=True)
    path = folder / "empty.sqlite"
    journal = Journal(f"sqlite:///{path}", Clock(), inline=True)
    journal.open().addErrback(Failure.raiseException)
    journal.close().addErrback(Failure.raiseException)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path.read_bytes()


class Chaos:
    """The far sides and the disk, and one run of the gateway after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.life = 0
        self.clock = Clock()
        self.now = 1_000.0
        self.down: set[str] = set()
        self.picky: set[str] = {"b"}
        self.disk_full = False
        self.full_at = 0.0
        self.dead = False
        self.fuse: int | None = None
        self.count = 0
        self.broken: list[str] = []
        self.submits: list[Submit] = []
        self.by_id: dict[str, list[Submit]] = {}
        # all that was ever offered, and what was answered for
        self.offered: dict[str, Outbound] = {}
        self.acknowledged: dict[str, int] = {}
        self.cancelled: set[str] = set()
        self.trace: list[str] = []
        path = folder / "life-0.sqlite"
        path.write_bytes(_empty())
        self.begin(path)

    # -- lives -------------------------------------------------------------

    def begin(self, path: Path) -> None:
        """Start a gateway over a file."""
        self.path = path
        self.clock = Clock()
        self.clock.rightNow = self.now
        self.dead, self.fuse, self.disk_full = False, None, False
        self.journal = Journal(
            f"sqlite:///{path}",
            self.clock,
            inline=True,
            receipt_ttl_s=RECEIPT_TTL_S,
            keep_s=1e9,
        )
        self.did(self.journal.open())
        self.writes: Any = self.journal._writes
        self.reads: Any = self.journal._reads
        for worker, is_writer in ((self.writes, True), (self.reads, False)):
            worker._runner = Frail(worker._runner, self, is_writer)
        self.far = {name: FarSide(self, name) for name in NAMES}
        self.dispatcher = Dispatcher(
            self.journal,
            self.clock,
            Router([WEIGHTED, FAILOVER], NAMES),
            self.far.values(),
            policy=POLICY,
            backlog_limit=BACKLOG,
        )
        starting = Deferred.fromCoroutine(self.dispatcher.start())
        self.did(starting)

    def did(self, deferred: Deferred[Any]) -> Any:
        """Return what fired."""
        found: list[Any] = []
        deferred.addBoth(found.append)
        if not found:
            raise AssertionError("it waits for something")
        if isinstance(found[0], Failure):
            found[0].raiseException()
        return found[0]

    def crash(self) -> None:
        """Pull the plug; begin anew with what lies on the disk."""
        self.dead = True
        self.life += 1
        path = self.folder / f"life-{self.life}.sqlite"
        for tail in ("", "-wal", ".mark"):
            old = f"{self.path}{tail}"
            if os.path.exists(old):
                shutil.copyfile(old, f"{path}{tail}")
        for database in (self.journal._database, self.journal._reading):
            database.close()
        self.trace.append(f"{self.now} -- life {self.life}")
        self.begin(path)

    def revive(self) -> None:
        """Begin anew if the fuse has blown."""
        if self.dead:
            self.crash()

    # -- the far side ------------------------------------------------------

    def complain(self, what: str) -> None:
        """Note a broken promise."""
        self.trace.append(f"{self.now} !! {what}")
        self.broken.append(what)

    @property
    def idle(self) -> bool:
        """Whether all that was said to the journal is written and heard of."""
        if self.disk_full:
            self.full_at = self.now
        held = self.writes._held is not None
        # what could not be written is tried again each second
        mended = self.now - self.full_at > 2 * lanes.JOURNAL_PAUSE_S
        return mended and not held and self.writes._runner.idle

    def submitted(
        self, far: FarSide, prepared: Ready, attempt: int
    ) -> Deferred[Outcome]:
        """Take a submit; see whether it may be."""
        message = prepared.message
        number = len(self.submits)
        ids = tuple(f"{far.name}{number}-{k}" for k in range(prepared.segments))
        answer: Deferred[Outcome] = Deferred()
        submit = Submit(message.id, attempt, far.name, self.life, ids, answer, self.now)
        if self.dead:
            # the rest of a batch whose first answer was the last thing done
            return answer
        if far.life != self.life:
            self.complain(f"{message.id} leaves a gateway that was killed")
        self.trace.append(f"{self.now} submit {message.id} #{attempt} on {far.name}")
        before = self.by_id.setdefault(message.id, [])
        self._may_leave(message, submit, before)
        if message.class_ is not MessageClass.NOTIFICATION:
            self._in_order(far, message, before)
        far.waiting.append(submit)
        before.append(submit)
        self.submits.append(submit)
        if len(far.waiting) > far.window:
            self.complain(f"{len(far.waiting)} in flight on {far.name}")
        return answer

    def _may_leave(
        self, message: Outbound, submit: Submit, before: list[Submit]
    ) -> None:
        offered = self.offered.get(message.id)
        if offered is None:
            self.complain(f"{message.id} was never offered")
        elif (offered.text, offered.to) != (message.text, message.to):
            self.complain(f"{message.id} was changed")
        if message.id in self.cancelled:
            self.complain(f"{message.id} leaves, but it was cancelled")
        if self.now >= message.expires_at:
            self.complain(f"{message.id} leaves after its time")
        if message.not_before is not None and self.now < message.not_before:
            self.complain(f"{message.id} leaves before its time")
        self._may_repeat(message, submit, before)

    def _may_repeat(
        self, message: Outbound, submit: Submit, before: list[Submit]
    ) -> None:
        if any(s.attempt >= submit.attempt for s in before):
            self.complain(f"{message.id}: attempt {submit.attempt} again")
        unsure = [s for s in before if not s.refused]
        if unsure and message.on_unsure is not OnUnsure.RESEND:
            self.complain(f"{message.id} is blindly repeated")
        if len(unsure) >= POLICY.tries:
            self.complain(f"{message.id} is repeated without end")
        for s in unsure:
            if s.life == self.life and s.outcome is None:
                self.complain(f"{message.id} leaves twice at once")
            if s.known and isinstance(s.late or s.outcome, Accepted):
                self.complain(f"{message.id} leaves again though it was taken")

    def _in_order(self, far: FarSide, message: Outbound, before: list[Submit]) -> None:
        if not message.in_turn:
            return
        for other in self.submits:
            sent = self.offered[other.id]
            unanswered = other.life == self.life and other.outcome is None
            if unanswered and sent.in_turn and sent.to == message.to:
                self.complain(f"{message.id} overtakes {other.id} under way")
        if before or message.id not in self.acknowledged:
            return
        for id_, entry in self.journal._transaction.cache.live.items():
            peer, record = entry.message, entry.record
            if (
                peer.in_turn
                and peer.to == message.to
                and peer.not_before is None
                and message.not_before is None
                and self.acknowledged.get(id_, 1 << 60) < self.acknowledged[message.id]
                and RANK[record.state] < RANK[MessageState.SUBMITTED]
            ):
                self.complain(f"{message.id} overtakes {id_}")

    def answer(self, submit: Submit, outcome: Outcome) -> None:
        """Let the channel hear of a submit."""
        far = self.far[submit.channel]
        if submit not in far.waiting:
            return
        far.waiting.remove(submit)
        self.trace.append(
            f"{self.now} answer {submit.id} #{submit.attempt}"
            f" {type(outcome).__name__} {getattr(outcome, 'scope', '')}"
        )
        submit.outcome = outcome
        if isinstance(outcome, Accepted):
            submit.taken = True
        elif isinstance(outcome, Refused):
            submit.taken = False
        submit.answer.callback(outcome)
        self.heard()

    def heard(self) -> None:
        """What was said till now is written, if the journal is at rest."""
        if self.idle and not self.dead:
            for submit in self.submits:
                if submit.life == self.life and submit.outcome is not None:
                    submit.known = True

    def outcome(self, submit: Submit, pick: int) -> Outcome:
        """Make one of the things a channel may say."""
        ids, total = submit.provider_ids, len(submit.provider_ids)
        kind = pick % 12
        if kind < 7 and submit.taken is not True:
            return REFUSALS[kind]
        if kind == 7 or kind == 8:
            submit.taken = submit.taken or bool(pick & 16)
            known = ids[: pick // 32 % (total + 1)] if submit.taken else ()
            return Uncertain(why="silence", provider_ids=known, segments=total)
        if kind == 9:
            return Accepted(segments=total, provider_ids=(), receipt_expected=False)
        return Accepted(provider_ids=ids, segments=total)

    # -- steps -------------------------------------------------------------

    def do(self, step: str, x: int, y: int) -> None:
        """Do one step."""
        if not self.broken:
            getattr(self, f"step_{step}")(x, y)
            self.heard()
            self.revive()

    def step_send(self, x: int, y: int) -> None:
        """Offer one to three messages."""
        batch = [self._message(x + 7 * k, y + 11 * k) for k in range(1 + x % 3)]
        self._offer(batch)

    def _message(self, x: int, y: int) -> Outbound:
        self.count += 1
        class_ = tuple(MessageClass)[x % 3]
        policy = tuple(OnUnsure)[y % 3]
        message = Outbound(
            id=f"m{self.count}",
            to=f"+7916123456{x // 3 % 2}",
            text=f"{'odd' if y % 11 == 0 else ''} {self.count} ",
            class_=class_,
            on_unsure=policy,
            accepted_at=self.now,
            expires_at=self.now + (20.0 if y % 5 == 0 else LONG_S),
            not_before=self.now + 12.0 if y % 7 == 0 else None,
            priority=(3, 7)[y // 3 % 2],
            turn=TURNS[y // 6 % len(TURNS)],
        )
        self.offered[message.id] = message
        return message

    def step_repeat(self, x: int, y: int) -> None:
        """Offer a message again, as it was or changed."""
        if self.offered:
            known = list(self.offered.values())[x % len(self.offered)]
            self._offer([known], b"other" if y % 4 == 0 else None)

    def _offer(self, batch: list[Outbound], print_: bytes | None = None) -> None:
        marked = [(m, print_ or (m.text or "").encode()) for m in batch]
        repeated = [m.id in self.acknowledged for m in batch]

        def verdicts(found: Any) -> None:
            if isinstance(found, Failure):
                found.trap(Unavailable)
                return
            for message, again, verdict in zip(batch, repeated, found, strict=True):
                self.trace.append(f"{self.now} {message.id} {verdict} {message}")
                if isinstance(verdict, Stored) and again:
                    self.complain(f"{message.id} was taken twice")
                if print_ is not None and not again and isinstance(verdict, Stored):
                    self.complain(f"{message.id} taken by a test that changes nothing")
                if isinstance(verdict, Stored | Duplicate):
                    self.acknowledged.setdefault(message.id, len(self.acknowledged))

        if print_ is not None and not all(repeated):
            return
        accepting = self.dispatcher.intake.accept(marked)
        accepting.addBoth(verdicts).addErrback(self._fault)

    def _fault(self, failure: Failure) -> None:
        self.complain(f"a fault: {failure.getTraceback()}")

    def _pending(self) -> list[Submit]:
        return [s for name in NAMES for s in self.far[name].waiting]

    def step_answer(self, x: int, y: int) -> None:
        """Answer one submit."""
        pending = self._pending()
        if pending:
            submit = pending[x % len(pending)]
            self.answer(submit, self.outcome(submit, y))

    def step_accept_all(self, x: int, y: int) -> None:
        """Take all that is out."""
        for submit in self._pending():
            self.answer(submit, self.outcome(submit, 10))

    def step_late(self, x: int, y: int) -> None:
        """Answer after all what was unsure."""
        unsure = [
            s
            for s in self.submits
            if isinstance(s.outcome, Uncertain)
            and s.late is None
            and s.life == self.life
        ]
        if not unsure:
            return
        submit = unsure[x % len(unsure)]
        outcome = self.outcome(submit, y)
        known = bool(submit.outcome.provider_ids)  # type: ignore[union-attr]
        if isinstance(outcome, Uncertain) or (known and isinstance(outcome, Refused)):
            return
        submit.taken = isinstance(outcome, Accepted)
        submit.late = outcome
        submit.known = False
        self.trace.append(f"{self.now} late {submit.id} #{submit.attempt} {outcome}")
        self.far[submit.channel].events.late(submit.id, submit.attempt, outcome)

    def step_receipt(self, x: int, y: int) -> None:
        """Let a receipt come, early, twice, or of nobody's."""
        able = [s for s in self.submits if s.taken is not False and not s.refused]
        able = able[-12:]
        if not able or self.dead:
            return
        submit = able[x % len(able)]
        state = RECEIPTS[y % 4]
        submit.taken = True
        ids = submit.provider_ids if y & 8 else submit.provider_ids[:1]
        for provider_id in ids:
            submit.receipts.append(state)
            self.trace.append(f"{self.now} receipt {provider_id} {state}")
            account = "stranger" if y % 13 == 0 else f"account-{submit.channel}"
            match = self.dispatcher.receipt(
                Receipt(
                    account=account,
                    channel=submit.channel,
                    provider_id=provider_id,
                    keys=(provider_key(provider_id),),
                    state=state,
                )
            )

            def matched(found: Any, account: str = account) -> None:
                if isinstance(found, Failure):
                    found.trap(Unavailable)
                elif found is not None and account == "stranger":
                    self.complain("a stranger's receipt counts")
                elif found is not None and found.message_id != submit.id:
                    self.complain(f"a receipt of {submit.id} hits {found.message_id}")

            match.addBoth(matched).addErrback(self._fault)

    def step_cancel(self, x: int, y: int) -> None:
        """Take a message back."""
        if not self.offered:
            return
        id_ = list(self.offered)[-1 - x % min(5, len(self.offered))]

        def done(found: Any) -> None:
            if isinstance(found, Failure):
                found.trap(Unavailable)
            elif found:
                self.trace.append(f"{self.now} cancelled {id_}")
                self.cancelled.add(id_)
                self.dispatcher.forget(id_)

        noted = self.journal.note(Cancelled(id_, self.now))
        noted.addBoth(done).addErrback(self._fault)

    def step_flap(self, x: int, y: int) -> None:
        """A channel goes down or comes up."""
        name = NAMES[x % 3]
        self.down ^= {name}
        state = "down" if name in self.down else "up"
        self.far[name].events.changed(self.far[name], state, "")

    def step_pause(self, x: int, y: int) -> None:
        """An operator pauses or resumes."""
        lane = self.dispatcher.lanes[NAMES[x % 3]]
        if lane.paused:
            lane.resume()
        else:
            lane.pause()

    def step_reload(self, x: int, y: int) -> None:
        """A channel is replaced: what it has out is answered as it closes."""
        name = NAMES[x % 3]
        if not self.idle:
            return
        closing = Deferred.fromCoroutine(self.dispatcher.close_channel(name, 1.0))
        for submit in list(self.far[name].waiting):
            self.answer(submit, self.outcome(submit, 7 + 16 * (y % 2)))
        closing.addErrback(self._fault)
        self.far[name] = FarSide(self, name)
        self.dispatcher.open_channel(self.far[name])

    def step_disk(self, x: int, y: int) -> None:
        """The disk is full, or has room again."""
        self.disk_full = not self.disk_full
        self.full_at = self.now

    def step_hold(self, x: int, y: int) -> None:
        """Commits take their time; so do their answers."""
        if x % 2 and self.writes._held is None:
            self.writes.hold()
        elif x % 3 == 0:
            self.reads._runner.slow = True
        else:
            self.writes._runner.slow = True

    def step_release(self, x: int, y: int) -> None:
        """Let the journal catch up."""
        if x % 2 == 0:
            self._let_reads()
        self._let_writes()
        self._let_reads()

    def _let_writes(self) -> None:
        runner = self.writes._runner
        if self.writes._held is not None:
            self.writes.release()
        runner.deliver_all()

    def _let_reads(self) -> None:
        self.reads._runner.deliver_all()

    def step_time(self, x: int, y: int) -> None:
        """Time passes."""
        seconds = (0.1, 0.5, 1.0, 3.0, 8.0, 30.0)[x % 6]
        for _ in range(5):
            self.pass_(seconds / 5)

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        if not self.dead:
            self.now += seconds
            self.clock.advance(seconds)

    def step_crash(self, x: int, y: int) -> None:
        """The power goes, now or at one of the next commits."""
        if x % 2:
            self.fuse = 1 + y % 5
        else:
            self.crash()

    # -- the end -----------------------------------------------------------

    def settle(self) -> None:
        """Mend everything and wait until nothing moves any more."""
        self.fuse = None
        self.revive()
        self.disk_full = False
        self.step_release(0, 0)
        self.down.clear()
        for lane in self.dispatcher.lanes.values():
            lane.resume()
        for far in self.far.values():
            far.events.able(far)
        for _ in range(800):
            self.pass_(1.0)
            self.step_accept_all(0, 0)
            if self.broken:
                return
        for name, lane in self.dispatcher.lanes.items():
            if not lane.settled:
                self.complain(f"lane {name} keeps {lane.waiting} {lane.in_flight}")
        if self.journal.backlog():
            self.complain(f"the backlog is stuck: {self.journal.backlog()}")
        self.pass_(RECEIPT_TTL_S)
        self.pass_(1.0)
        self.pass_(1.0)

    def complaints(self) -> list[str]:
        """Return which promises were broken."""
        if not self.broken:
            self._end()
        if not self.broken:
            for id_ in self.acknowledged:
                self._look_at(id_)
            self._look_at_outbox()
        return self.broken

    def _end(self) -> None:
        self.did(Deferred.fromCoroutine(self.dispatcher.stop(1.0)))
        late = list(self.clock.getDelayedCalls())
        if late:
            self.complain(f"timers are left: {late}")

    def close(self) -> None:
        """Let go of the file."""
        for database in (self.journal._database, self.journal._reading):
            database.close()

    def _look_at(self, id_: str) -> None:
        story = self.did(self.journal.story(id_))
        if story is None:
            self.complain(f"{id_} is lost")
            return
        events = story["events"]
        if [e["seq"] for e in events] != list(range(1, len(events) + 1)):
            self.complain(f"{id_}: seq has gaps")
        ranks = [RANK[MessageState(e["state"])] for e in events]
        if ranks != sorted(ranks):
            self.complain(f"{id_} goes back: {[e['state'] for e in events]}")
        finals = [e["final"] for e in events]
        if sum(finals) != 1 or not finals[-1]:
            self.complain(f"{id_} ends {[e['state'] for e in events]} {finals}")
        self._tells_truth(id_, MessageState(events[-1]["state"]), story)

    def _tells_truth(self, id_: str, state: MessageState, story: Any) -> None:
        submits = self.by_id.get(id_, [])
        said = {r for s in submits for r in s.receipts}
        unsent = {MessageState.REJECTED, MessageState.EXPIRED, MessageState.CANCELLED}
        failed = said - {MessageState.DELIVERED, MessageState.ENROUTE}
        if state in unsent and not failed and any(s.taken for s in submits):
            self.complain(f"{id_} is told {state}, but a channel took it")
        if state in (MessageState.ACCEPTED, MessageState.WAITING):
            self.complain(f"{id_} ends {state}")
        heard = [s for s in submits if s.known and isinstance(s.outcome, Accepted)]
        if (
            heard
            and not said
            and state not in (MessageState.SUBMITTED, MessageState.ENROUTE)
        ):
            policy = self.offered[id_].on_unsure
            if policy is not OnUnsure.FAIL:
                self.complain(f"{id_} was taken, but is told {state}")
        if state is MessageState.DELIVERED and MessageState.DELIVERED not in said:
            self.complain(f"{id_} is told delivered by nobody")

    def _look_at_outbox(self) -> None:
        events = self.did(
            self.journal._reads.put(self.journal._queries.events, 0, 1_000_000)
        )
        seqs = [e.seq for e in events]
        if seqs != sorted(set(seqs)) or seqs != list(range(1, len(seqs) + 1)):
            self.complain("the outbox is out of order")
        if len({e.event_id for e in events}) != len(events):
            self.complain("an event id came twice")


STEPS = tuple(
    sorted(name.removeprefix("step_") for name in dir(Chaos) if "step_" in name)
)


def run(
    folder: Path, steps: Sequence[tuple[str, int, int]]
) -> tuple[list[str], list[str]]:
    """Live through some steps; return the complaints and what happened."""
    limits = lanes.HEAD_LIMIT, lanes.LOW_MARK
    lanes.HEAD_LIMIT, lanes.LOW_MARK = 3, 2
    chaos = Chaos(folder)
    try:
        for step in steps:
            chaos.do(*step)
        if not chaos.broken:
            chaos.settle()
        return chaos.complaints(), chaos.trace
    finally:
        chaos.close()
        lanes.HEAD_LIMIT, lanes.LOW_MARK = limits
