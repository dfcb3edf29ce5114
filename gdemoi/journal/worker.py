"""Where the journal's work is done: a thread of its own, or at once.

This file knows how jobs get to the thread in order, all that have gathered at a
time, and how their answers come back to the reactor thread in one call.  It
refuses to know what the jobs do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from gdemoi.errors import Unavailable

# More jobs and messages than this in one transaction gain nothing.
BATCH_LIMIT: Final = 2_000
# So many facts may wait for the disk before new ones are turned away.
WAITING_LIMIT: Final = 20_000

# (account, provider key)
ReceiptKey = tuple[str, str]
_T = TypeVar("_T")


@define(slots=True, eq=False)
class Job:
    """One thing to do in the thread, and the Deferred that fires with its answer.

    `ids` are the messages that it is about, `receipt_keys` the provider keys that
    it will look up: what a batch needs is read at once, not one by one.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    ids: Sequence[str] = ()
    receipt_keys: Sequence[ReceiptKey] = ()
    answer: Deferred[Any] = field(factory=Deferred)

    def do(self) -> Any:
        """Return what the function returns."""
        return self.function(*self.args)


def tried(function: Callable[..., _T], *args: Any) -> _T | Failure:
    """Return what `function` returns, or the Failure of what it raises.

    Whatever a job raises must reach its caller, and the thread lives on.
    """
    found: list[_T | Failure] = []
    done = maybeDeferred(function, *args).addBoth(found.append)
    assert done.called
    return found[0]


class BatchRunner(Protocol):
    """What does the jobs: a transaction over all of them, and the way back."""

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
    ) -> Deferred[_T]:
        """Do a `Job`; fires with what `function` returns."""

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
    ) -> Deferred[_T]:
        """Do a job now, or when `release` is called."""
        if not self._open:
            return fail(Unavailable("the journal is closed"))
        job = Job(function, args, ids, receipt_keys)
        if self._held is not None:
            self._held.append(job)
        else:
            self._runner.deliver(self._runner.work([job]))
        return job.answer

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


class Threaded:
    """Does the jobs in one thread, in order, all that wait at a time."""

    def __init__(
        self, runner: BatchRunner, reactor: IReactorFromThreads, name: str
    ) -> None:
        self._runner = runner
        self._reactor = reactor
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._open = False
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
    ) -> Deferred[_T]:
        """Queue a job; fails at once when too many wait."""
        if not self._open:
            return fail(Unavailable("the journal is closed"))
        if self._queue.qsize() >= WAITING_LIMIT:
            return fail(Unavailable("the journal cannot keep up"))
        job = Job(function, args, ids, receipt_keys)
        self._queue.put(job)
        return job.answer

    def stop(self) -> Deferred[None]:
        """Take no more; fires when all that was taken is done."""
        if self._open:
            self._open = False
            self._queue.put(None)
        elif self._thread.ident is None and not self._stopped.called:
            # never started: there is nothing to wait for
            self._stopped.callback(None)
        return self._stopped

    def _run(self) -> None:
        queue, call = self._queue, self._reactor.callFromThread
        more = True
        while more:
            jobs: list[Job] = []
            weight = 0
            job = queue.get()
            while job is not None:
                jobs.append(job)
                weight += 1 + len(job.ids)
                if weight >= BATCH_LIMIT:
                    break
                try:
                    job = queue.get_nowait()
                except Empty:
                    break
            more = job is not None
            if jobs:
                done = tried(self._runner.work, jobs)
                if isinstance(done, Failure):
                    call(self._runner.failed, jobs, done)
                else:
                    call(self._runner.deliver, done)
        call(self._gone)

    def _gone(self) -> None:
        self._thread.join()
        self._stopped.callback(None)
