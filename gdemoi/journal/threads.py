"""The journal's two threads: one commits, one reads.

`Threaded` hands jobs to a thread, in order and all that have gathered at a time; their
answers come back to the reactor thread in one call.  `Inline` does the same in the
caller, for tests.

`JournalWriter` does all jobs of a batch in one transaction (group commit).  When that
fails every caller of the batch gets `Unavailable`, nothing of it is kept in memory, and
the next batch waits longer, up to 2 s.  `JournalReader` gives each job one snapshot.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Final, Protocol, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorTime,
)
from twisted.logger import Logger
from twisted.python.failure import Failure

from gdemoi.errors import Unavailable
from gdemoi.facts import Holding, Step
from gdemoi.journal.database import NOT_NOW, Database, Gone
from gdemoi.journal.faults import Damaged, Soundness
from gdemoi.journal.high_water_mark import HighWaterMarkFile
from gdemoi.journal.sticky import Row
from gdemoi.journal.stored_form import OutboxRow
from gdemoi.journal.transaction import Transaction

log = Logger()

# More jobs and messages than this in one transaction gain nothing, and their answers
# come in one turn of the reactor: a client behind them waits for all of it.
BATCH_LIMIT: Final = 500
# So many need not wait for the end of the reactor's turn.
LARGE: Final = 100
# How long jobs wait for others that nobody waits for (an attempt's outcome, a
# receipt).  A crash meanwhile finds the attempt open, as if the answer had been as
# much later.
PATIENCE_S: Final = 0.004
# So many facts may wait for the disk before new ones are turned away.
WAITING_LIMIT: Final = 20_000

# (account, provider key)
ReceiptKey = tuple[str, str]
_T = TypeVar("_T")


class Answerable(Protocol):
    """Whoever hears the answer to a job: a Deferred, or a `Reply`."""

    def callback(self, result: Any) -> Any:
        """Hear the answer; a Failure is one too."""

    def errback(self, fail: Failure) -> Any:
        """Hear that there is none."""


class Reply:
    """Functions that hear an answer; cheaper than a Deferred, and for one hearer."""

    __slots__ = ("_args", "_done", "_failed")

    def __init__(
        self,
        done: Callable[..., None],
        failed: Callable[..., None],
        args: tuple[Any, ...],
    ) -> None:
        self._done = done
        self._failed = failed
        self._args = args

    def callback(self, result: Any) -> None:
        """Call the one that fits; what fails there is only logged."""
        called = self._failed if isinstance(result, Failure) else self._done
        try:
            called(result, *self._args)
        except Exception:  # noqa: BLE001 - the answers after it must be heard
            log.failure("hearing from the journal failed")

    errback = callback


@define(slots=True, eq=False)
class Job:
    """One thing to do in the thread, and who hears its answer.

    `ids` are the messages that it is about, `receipt_keys` the provider keys that
    it will look up: what a batch needs is read at once, not one by one.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    ids: Sequence[str] = ()
    receipt_keys: Sequence[ReceiptKey] = ()
    answer: Answerable = field(factory=Deferred)

    def do(self) -> Any:
        """Return what the function returns."""
        return self.function(*self.args)


def tried(function: Callable[..., _T], *args: Any) -> _T | Failure:
    """Return what `function` returns, or the Failure of what it raises.

    Whatever a job raises must reach its caller, and the thread goes on.
    """
    try:
        return function(*args)
    except BaseException:  # noqa: BLE001 - the boundary of the thread
        return Failure()


class BatchRunner(Protocol):
    """Runs jobs in a thread, and hands their answers out on the reactor thread."""

    def work(self, jobs: Sequence[Job]) -> Any:
        """Do the jobs (in the thread); return what `deliver` wants."""

    def deliver(self, done: Any) -> None:
        """Fire the Deferreds (on the reactor thread)."""

    def failed(self, jobs: Sequence[Job], failure: Failure) -> None:
        """Fail the Deferreds of jobs that a fault of ours ended."""


class Worker(Protocol):
    """Does jobs in order."""

    def start(self) -> None:
        """Begin."""

    def put(
        self,
        function: Callable[..., _T],
        *args: Any,
        ids: Sequence[str] = (),
        receipt_keys: Sequence[ReceiptKey] = (),
        patient: bool = False,
    ) -> Deferred[_T]:
        """Do a `Job`; fires with what `function` returns.

        `patient`: nobody waits for it, so that it may wait for others.
        """

    def take(self, job: Job, *, patient: bool = False) -> None:
        """Do a job; its `answer` hears of it, also when it cannot be taken."""

    def stop(self) -> Deferred[None]:
        """Take no more; fires when all that was taken is done."""


class Inline:
    """Does each job in the caller; `hold` gathers them, as commits would."""

    def __init__(self, runner: BatchRunner) -> None:
        self._runner = runner
        self._held: list[Job] | None = None
        self._open = True

    def start(self) -> None:
        """Nothing to start."""

    def put(
        self,
        function: Callable[..., _T],
        *args: Any,
        ids: Sequence[str] = (),
        receipt_keys: Sequence[ReceiptKey] = (),
        patient: bool = False,
    ) -> Deferred[_T]:
        """Do a job now, or when `release` is called."""
        answer: Deferred[_T] = Deferred()
        self.take(Job(function, args, ids, receipt_keys, answer))
        return answer

    def take(self, job: Job, *, patient: bool = False) -> None:
        """Do a job now, or when `release` is called."""
        if not self._open:
            job.answer.errback(Failure(Unavailable("the journal is closed")))
        elif self._held is not None:
            self._held.append(job)
        else:
            self._runner.deliver(self._runner.work([job]))

    def hold(self) -> None:
        """Gather jobs from now on."""
        self._held = []

    def release(self) -> None:
        """Do all that were gathered, as one batch."""
        jobs, self._held = self._held or [], None
        if jobs:
            self._runner.deliver(self._runner.work(jobs))

    def stop(self) -> Deferred[None]:
        """Take no more."""
        self._open = False
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done


class Batches:
    """Gathers jobs on the reactor thread; hands them over one batch at a time.

    A commit costs as much as the work of a few messages, so that what belongs
    together should share one.  A batch is handed over

    * at the end of the reactor's turn: what came over all sockets goes together;
    * at once, when it is large: the thread works while the turn goes on;
    * `PATIENCE_S` later, when nobody waits for any of its jobs (`patient`): the next
      ones take them along;
    * never while another one is being worked on: `done` lets the next one go.
    """

    def __init__(
        self,
        clock: IReactorTime,
        at_end_of_turn: Callable[[Callable[[], None]], Any],
        hand_over: Callable[[list[Job]], None],
    ) -> None:
        self._clock = clock
        # not a timer: those wait when the machine's clock is put back
        self._at_end_of_turn = at_end_of_turn
        self._hand_over = hand_over
        self._turn_ends = False
        self._jobs: list[Job] = []
        self._weight = 0
        self._working = False
        # the end of patience is waited for
        self._call: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, job: Job, *, patient: bool) -> None:
        """Add a job."""
        self._jobs.append(job)
        self._weight += 1 + len(job.ids)
        if self._working:
            return
        if self._weight >= LARGE:
            self.flush()
        elif not patient:
            self._flush_at_end_of_turn()
        elif self._call is None and not self._turn_ends:
            self._call = self._clock.callLater(PATIENCE_S, self._patience_ends)

    def _flush_at_end_of_turn(self) -> None:
        if not self._turn_ends:
            self._turn_ends = True
            self._at_end_of_turn(self._turn_ended)

    def _turn_ended(self) -> None:
        self._turn_ends = False
        self.flush()

    def _patience_ends(self) -> None:
        self._call = None
        self.flush()

    def flush(self) -> None:
        """Hand over what has gathered, up to `BATCH_LIMIT` in weight."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._working or not self._jobs:
            return
        jobs, self._jobs = self._jobs, []
        if self._weight > BATCH_LIMIT:
            weight = 0
            for number, job in enumerate(jobs, 1):
                weight += 1 + len(job.ids)
                if weight >= BATCH_LIMIT:
                    jobs, self._jobs = jobs[:number], jobs[number:]
                    break
        self._weight = sum(1 + len(job.ids) for job in self._jobs)
        self._working = True
        self._hand_over(jobs)

    def done(self) -> None:
        """The batch that was handed over is done: the next one may follow."""
        self._working = False
        if self._jobs:
            # what its answers bring in this turn goes along
            self._flush_at_end_of_turn()


class Threaded:
    """Does the jobs in one thread, in order, a batch at a time."""

    def __init__(self, runner: BatchRunner, reactor: Any, name: str) -> None:
        self._runner = runner
        self._reactor = reactor
        self._queue: SimpleQueue[list[Job] | None] = SimpleQueue()
        self._batches = Batches(reactor, reactor.callFromThread, self._queue.put)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._open = False
        self._stopping = False
        self._stopped: Deferred[None] = Deferred()

    def start(self) -> None:
        """Start the thread."""
        self._open = True
        self._thread.start()

    def put(
        self,
        function: Callable[..., _T],
        *args: Any,
        ids: Sequence[str] = (),
        receipt_keys: Sequence[ReceiptKey] = (),
        patient: bool = False,
    ) -> Deferred[_T]:
        """Queue a job; fails at once when too many wait."""
        answer: Deferred[_T] = Deferred()
        self.take(Job(function, args, ids, receipt_keys, answer), patient=patient)
        return answer

    def take(self, job: Job, *, patient: bool = False) -> None:
        """Queue a job; fails at once when too many wait."""
        if not self._open:
            job.answer.errback(Failure(Unavailable("the journal is closed")))
        elif len(self._batches) >= WAITING_LIMIT:
            job.answer.errback(Failure(Unavailable("the journal cannot keep up")))
        else:
            self._batches.put(job, patient=patient)

    def stop(self) -> Deferred[None]:
        """Take no more; fires when all that was taken is done."""
        if self._open:
            self._open = False
            self._stopping = True
            self._batches.flush()
            self._end_when_done()
        elif self._thread.ident is None and not self._stopped.called:
            # never started: there is nothing to wait for
            self._stopped.callback(None)
        return self._stopped

    def _end_when_done(self) -> None:
        if not len(self._batches):
            self._queue.put(None)

    def _run(self) -> None:
        queue, call = self._queue, self._reactor.callFromThread
        while (jobs := queue.get()) is not None:
            call(self._finished, jobs, tried(self._runner.work, jobs))
        call(self._gone)

    def _finished(self, jobs: list[Job], done: Any) -> None:
        """Hand the answers out (on the reactor thread), and go on."""
        self._batches.done()
        if isinstance(done, Failure):
            self._runner.failed(jobs, done)
        else:
            self._runner.deliver(done)
        if self._stopping:
            self._batches.flush()
            self._end_when_done()

    def _gone(self) -> None:
        self._thread.join()
        self._stopped.callback(None)


_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 2.0
# What was committed so long ago is in the file itself, not in its log alone.
CHECKPOINT_S: Final = 5.0


@define
class BatchResult:
    """The results of a batch, on their way to the reactor thread."""

    answers: list[tuple[Answerable, Any]] = field(factory=list)
    events: list[OutboxRow] = field(factory=list)
    # how the backlogs changed
    lanes: dict[str, int] = field(factory=dict)
    steps: list[Step] = field(factory=list)
    # commands that others wait for no longer, or only so long
    holding: list[Holding] = field(factory=list)
    # that trackers know
    ways: list[Row] = field(factory=list)
    commits: int = 0


def unavailable(failure: Failure) -> Failure:
    """Return the failure that callers get when the database does not answer."""
    if failure.check(Unavailable):
        return failure
    return Failure(Unavailable(f"journal: {failure.value}"))


class JournalWriter:
    """Runs the batches of the writing thread, and remembers why one failed."""

    log = Logger()

    def __init__(
        self,
        transaction: Transaction,
        soundness: Soundness,
        seconds: Callable[[], float],
        delivered: Callable[[BatchResult], None],
        patient: bool,
    ) -> None:
        self._seconds = seconds
        self._transaction = transaction
        self._soundness = soundness
        self._delivered = delivered
        self._pause_s = 0.0
        # why nothing can be written now, and how many batches were refused so far
        self.trouble: str | None = None
        self._refusals = 0
        self._checkpoint_at = 0.0
        # set when the journal has been compared with it
        self.mark: HighWaterMarkFile | None = None
        # set when the journal closes: then no failure is waited out
        self.hurry = threading.Event()
        if not patient:
            self.hurry.set()

    def work(self, jobs: Sequence[Job]) -> BatchResult:
        """Do the jobs in one transaction (in the thread)."""
        if self._pause_s:
            self.hurry.wait(self._pause_s)
        done = BatchResult()
        self._work(jobs, done)
        if done.commits:
            self._checkpoint()
        return done

    def _work(self, jobs: Sequence[Job], done: BatchResult) -> None:
        failure = tried(self._commit_all, jobs, done)
        if failure is None:
            return
        failure = self._soundness.judged(failure)
        if failure.check(*NOT_NOW):
            self._refused(jobs, done, failure)
        elif len(jobs) == 1:
            done.answers.append((jobs[0].answer, failure))
        else:
            # a fault in one job must not fail the others: each by itself
            for job in jobs:
                self._work([job], done)

    def _commit_all(self, jobs: Sequence[Job], done: BatchResult) -> None:
        self._soundness.check()
        began = self._seconds()
        answers, events, lanes, holding, ways = self._transaction.transact(
            lambda: [(job.answer, job.do()) for job in jobs],
            [i for job in jobs for i in job.ids],
            [key for job in jobs for key in job.receipt_keys],
            began,
        )
        figures = self._transaction.figures
        figures.commit_s.observe(self._seconds() - began)
        figures.batch_size.observe(sum([len(job.ids) or 1 for job in jobs]))
        if self.trouble is not None:
            self._recovered()
        if self.mark is not None:
            counters = self._transaction.counters
            self.mark.put(counters["n"], counters["seq"], self._seconds())
        done.answers += answers
        done.events += events
        done.steps += self._transaction.take_steps()
        done.holding += holding
        done.ways += ways
        done.commits += 1
        for lane, change in lanes.items():
            done.lanes[lane] = done.lanes.get(lane, 0) + change

    def _recovered(self) -> None:
        self.log.info(
            "the journal can be written again; {count} batches were refused",
            count=self._refusals,
        )
        self.trouble, self._pause_s, self._refusals = None, 0.0, 0

    def _refused(
        self, jobs: Sequence[Job], done: BatchResult, failure: Failure
    ) -> None:
        """Fail a batch that the database did not take; log it once per reason."""
        self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        self._refusals += 1
        text = f"the journal cannot be written: {failure.value}"
        if text != self.trouble:
            self.trouble = text
            if failure.check(Gone):
                self._gone(text)
            elif not failure.check(Damaged):  # that was told
                self.log.error("{text}; what comes is refused", text=text)
        why = unavailable(failure)
        done.answers += [(job.answer, why) for job in jobs]

    def _gone(self, text: str) -> None:
        self.log.critical(
            "{text}; nothing is taken and nothing sent: stop the gateway, put the"
            " files back, or start it anew",
            text=text,
        )
        if self.mark is not None:
            # whoever starts here next is to know
            self.mark.restore()

    def _checkpoint(self) -> None:
        """Keep what stands in the write-ahead log alone small and young."""
        now = self._seconds()
        if 0 <= now - self._checkpoint_at < CHECKPOINT_S:
            return
        self._checkpoint_at = now
        failure = tried(self._transaction.database.checkpoint)
        if failure is not None and not self._soundness.judged(failure).check(Damaged):
            # nothing is lost by it, and the next commit fails too if it matters
            self.log.warn("no checkpoint: {why}", why=failure.value)

    def deliver(self, done: BatchResult) -> None:
        """Fire the Deferreds (on the reactor thread)."""
        self._delivered(done)

    def failed(self, jobs: Sequence[Job], failure: Failure) -> None:
        """Fail all Deferreds of a batch that a fault of ours ended."""
        self.log.failure("the journal's writer failed", failure=failure)
        for job in jobs:
            job.answer.errback(failure)


class JournalReader:
    """Runs the jobs of the reading thread, each in one snapshot."""

    log = Logger()

    def __init__(self, database: Database, soundness: Soundness) -> None:
        self._database = database
        self._soundness = soundness

    def work(self, jobs: Sequence[Job]) -> list[tuple[Answerable, Any]]:
        """Do the jobs one after the other (in the thread)."""
        return [(job.answer, self._ask(job)) for job in jobs]

    def _ask(self, job: Job) -> Any:
        """Return the answer, or a Failure."""
        for _ in range(2):
            answer = tried(self._read, job)
            if not isinstance(answer, Failure):
                break
            self._database.rollback()
            answer = self._soundness.judged(answer)
            if not answer.check(*NOT_NOW):
                break
            # reading twice is no harm, and the connection may have been old
            answer = unavailable(answer)
        return answer

    def _read(self, job: Job) -> Any:
        self._soundness.check()
        self._database.begin()
        answer = job.do()
        self._database.commit()
        return answer

    def deliver(self, done: list[tuple[Answerable, Any]]) -> None:
        """Fire the Deferreds (on the reactor thread)."""
        for deferred, answer in done:
            deferred.callback(answer)

    def failed(self, jobs: Sequence[Job], failure: Failure) -> None:
        """Fail all Deferreds of a batch that a fault of ours ended."""
        self.log.failure("the journal's reader failed", failure=failure)
        for job in jobs:
            job.answer.errback(failure)
