"""Sending: jobs wait at their line, exchanges run, devices have five at a time.

Theory of operation.  A job is given to a line when it comes (`choose`), and waits
there for its turn: the exchange before it is released, `min_interval` has passed,
and the device (its IP address) has a place free.  When the line becomes unusable,
jobs that have not begun are given to other lines or back upward; an exchange that
has begun goes on by its own timers.

An answer counts only under a sendid of ours and from its line's address.  Ended
exchanges are remembered for ten minutes: so long a sendid is not used again, and
a late verdict on an `SmsUncertain` is still reported.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Final

from attrs import define

from gdemoi.goip.datagrams import ExchangeStep, agree
from gdemoi.goip.exchange import (
    BUSY_DEVICE_S,
    SILENT_DEVICE_S,
    DeadlineHeap,
    Exchange,
    ExchangeLost,
    ExchangeStage,
    Result,
    SmsFailed,
    SmsNotSent,
    SmsSent,
    SmsUncertain,
)
from gdemoi.goip.lines import Affinity, Line, NoUsableLine, choose
from gdemoi.goip.outcomes import LINE_TROUBLE, text_of
from gdemoi.goip.receipts import UncertainSms, provider_id_of
from gdemoi.goip.session_events import GoipJob, JobEnded, LateResult, SessionEvent
from gdemoi.goip.settings import GoipSettings
from gdemoi.kit.recent import Recent

Address = tuple[str, int]

# A sendid is not used again within this.
REMEMBER_S: Final = 600.0
ENDED_LIMIT: Final = 100_000
SENDID_LIMIT: Final = 2**31 - 1
# "session unknown, start again with MSG": so often for one job
AGAIN_LIMIT: Final = 2
# A message whose line was lost is tried over another one so soon.
MOVED_S: Final = 1.0
# So many SMS refused in a row suspend the line: twice as long each time.
FAILURES_LIMIT: Final = 3
FAILING_FIRST_S: Final = 60.0
# A line that was repaired is tried again within a quarter of an hour.
LONGEST_SUSPENSION_S: Final = 900.0


@define(eq=False, slots=True)
class ExchangeAttempt:
    """An exchange with its job and line, from MSG to ten minutes after its end.

    `exchange` is dropped at its end, unless a late verdict may still matter.
    """

    job: GoipJob | None
    line: Line
    exchange: Exchange | None
    device: str
    began_at: float = 0.0
    reported: bool = False
    released: bool = False
    ended_at: float = 0.0


class GoipSender:
    """Runs the exchanges of all lines."""

    def __init__(
        self,
        settings: GoipSettings,
        lines: Mapping[str, Line],
        timers: DeadlineHeap,
        random: Callable[[], float],
        write: Callable[[bytes, Address], None],
    ) -> None:
        self.affinity = Affinity()
        self.unsure = UncertainSms()
        self.unexpected = 0
        self._settings = settings
        self._exchange_timers = settings.timers
        self._lines = lines
        self._timers = timers
        self._random = random
        self._write = write
        self._attempts: dict[int, ExchangeAttempt] = {}
        self._ended: Recent[int, ExchangeAttempt] = Recent(ENDED_LIMIT)
        self._places: dict[str, set[int]] = {}
        self._queues: dict[str, deque[Line]] = {}
        self._stopping = False

    # -- asked by the session ----------------------------------------------

    def submit(self, job: GoipJob, now: float) -> list[SessionEvent]:
        """Give a job to a line, or back."""
        if self._stopping:
            return [_not_sent(job, None, "stopping", "the channel stops", 5.0)]
        chosen = self.choose(job.to, job.line, now, patient=job.patient)
        if isinstance(chosen, NoUsableLine):
            return [without_line(job, chosen)]
        chosen.waiting.append(job)
        return self.advance(chosen, now)

    def choose(
        self,
        to: str,
        bound: str | None,
        now: float,
        *,
        patient: bool,
        among: Collection[str] | None = None,
    ) -> Line | NoUsableLine:
        """Return the line that sends to a number; `bound`: the only one that may.

        `among`: those whose budget allows it, None: any.
        """
        lines = [
            line for name, line in self._lines.items() if among is None or name in among
        ]
        known = None
        if self._settings.affinity != "no":
            known = self._lines.get(self.affinity.line(to) or "")
        required = self._settings.affinity == "require"
        if known not in lines and not required:
            known = None
        return choose(
            lines,
            self._lines.get(bound) if bound else None,
            known,
            now,
            required=required,
            patient=patient,
        )

    def advance(self, line: Line, now: float) -> list[SessionEvent]:
        """Begin the next job of a line, if it may begin."""
        events: list[SessionEvent] = []
        if line.waiting and line.unusable(now) is not None:
            return self._hand_on(line, now)
        while line.waiting and self._is_free(line):
            job = line.waiting[0]
            if now >= job.expires_at:
                line.waiting.popleft()
                events.append(_not_sent(job, line.name, "expired", "it has expired"))
                continue
            if now < line.next_at:
                self._timers.set(("next", line.name), line.next_at)
                return events
            assert line.address is not None
            if not self._has_place(line, line.address[0]):
                return events
            line.waiting.popleft()
            events += self._begin(job, line, now)
        return events

    def said(
        self, said: ExchangeStep, address: Address, now: float
    ) -> tuple[bool, list[SessionEvent]]:
        """Take an answer; return whether its sendid is an exchange's."""
        attempt = self._attempts.get(said.sendid)
        known = attempt or self._ended.get(said.sendid)
        if known is None:
            return False, []
        if address != known.line.address or known.exchange is None:
            self.unexpected += 1
            return True, []
        self._send(known, known.exchange.receive(said.word, said.rest, now))
        return True, self._after(said.sendid, known, now)

    def ring(self, sendid: int, now: float) -> list[SessionEvent]:
        """Tell an exchange that its deadline has come."""
        attempt = self._attempts.get(sendid)
        if attempt is None or attempt.exchange is None:
            return []
        self._send(attempt, attempt.exchange.tick(now))
        return self._after(sendid, attempt, now)

    def stop(self, now: float) -> list[SessionEvent]:
        """Give back what has not begun; end what has not said SEND."""
        self._stopping = True
        events: list[SessionEvent] = []
        for line in self._lines.values():
            while line.waiting:
                job = line.waiting.popleft()
                events.append(
                    _not_sent(job, line.name, "stopping", "the channel stops", 5.0)
                )
        for sendid, attempt in list(self._attempts.items()):
            if attempt.exchange is not None and not attempt.exchange.sends:
                events += self._abort(sendid, attempt, now)
        return events

    def abort(self, now: float) -> list[SessionEvent]:
        """End every exchange now; what said SEND is `SmsUncertain`."""
        events: list[SessionEvent] = []
        for sendid, attempt in list(self._attempts.items()):
            events += self._abort(sendid, attempt, now)
        return events

    @property
    def unfinished(self) -> int:
        """How many jobs still await their result."""
        return sum(not attempt.reported for attempt in self._attempts.values())

    def is_taken(self, sendid: int) -> bool:
        """Whether a sendid is, or was lately, in use."""
        return sendid in self._attempts or sendid in self._ended

    def new_sendid(self, others: Callable[[int], bool] = lambda _: False) -> int:
        """Return a random 31-bit sendid that was not used lately."""
        while True:
            sendid = 1 + int(self._random() * SENDID_LIMIT)
            if not self.is_taken(sendid) and not others(sendid):
                return sendid

    def is_open_with(self, line: Line, number: str) -> bool:
        """Whether the line is just sending to this number, its OK not yet heard."""
        exchange = line.exchange
        if exchange is None or not exchange.sends or exchange.result is not None:
            return False
        return agree(exchange.number.decode("ascii"), number)

    def forget(self, now: float) -> None:
        """Drop what is too old to matter."""
        self._ended.forget(lambda attempt: now - attempt.ended_at >= REMEMBER_S)

    # -- exchanges ---------------------------------------------------------

    def _begin(self, job: GoipJob, line: Line, now: float) -> list[SessionEvent]:
        assert line.address is not None
        sendid = self.new_sendid()
        exchange = Exchange(
            sendid,
            line.in_line_form(job.to).encode("ascii"),
            job.text,
            line.password,
            self._exchange_timers,
        )
        attempt = ExchangeAttempt(job, line, exchange, line.address[0], now)
        self._attempts[sendid] = attempt
        self._places.setdefault(attempt.device, set()).add(sendid)
        line.exchange = exchange
        line.next_at = now + line.settings.min_interval_s
        self._send(attempt, exchange.begin(now))
        return self._after(sendid, attempt, now)

    def _send(self, attempt: ExchangeAttempt, datagrams: list[bytes]) -> None:
        address = attempt.line.address
        if address is not None:
            for datagram in datagrams:
                self._write(datagram, address)

    def _after(
        self, sendid: int, attempt: ExchangeAttempt, now: float
    ) -> list[SessionEvent]:
        """Look at an exchange after each step: count, report, release, close."""
        exchange = attempt.exchange
        assert exchange is not None
        if exchange.sends and not exchange.counted and attempt.job is not None:
            exchange.counted = True
            self._count(attempt.line, attempt.job.units, now)
            self.affinity.note(attempt.job.to, attempt.line.name)
        events: list[SessionEvent] = []
        if exchange.result is not None and not attempt.reported:
            attempt.reported = True
            events += self._report(attempt, exchange.result, now)
        if exchange.late is not None and attempt.job is not None:
            events += self._report_late(attempt, attempt.job, exchange.late, now)
        self._timers.set(("exchange", sendid), exchange.deadline)
        if exchange.released and not attempt.released:
            attempt.released = True
            events += self._release(sendid, attempt, now)
        if exchange.stage is ExchangeStage.CLOSED and sendid in self._attempts:
            self._close(sendid, attempt, now)
        return events

    def _count(self, line: Line, units: int, now: float) -> None:
        """Count an SMS when its SEND first leaves."""
        line.count(units, now)
        if line.is_spent(now):
            self._timers.set(("day", line.name), line.next_day(now))

    def _report(
        self, attempt: ExchangeAttempt, result: Result, now: float
    ) -> list[SessionEvent]:
        job, line = attempt.job, attempt.line
        assert job is not None
        provider_id = None
        match result:
            case ExchangeLost():
                return self._again(job, line, now)
            case SmsSent(sms_no):
                line.works()
                if sms_no is not None:
                    provider_id = line.sent.note(sms_no, job.to, now).provider_id
            case SmsNotSent():
                self._back_off_after(line, result, now)
            case SmsUncertain(why):
                unmatched = self.unsure.adopt(line.name, job.to, attempt.began_at)
                if unmatched is not None:
                    known = provider_id_of(line.name, unmatched.sms_no, unmatched.at)
                    line.works()
                    return [JobEnded(job, line.name, SmsSent(unmatched.sms_no), known)]
                self.unsure.note(line.name, job, now)
                self._back_off(line, why, SILENT_DEVICE_S, now)
            case SmsFailed(code):
                self._count_failure(line, code, now)
        return [JobEnded(job, line.name, result, provider_id)]

    def _again(self, job: GoipJob, line: Line, now: float) -> list[SessionEvent]:
        job.again += 1
        if job.again > AGAIN_LIMIT:
            why = "the device loses its exchanges"
            self._back_off(line, why, BUSY_DEVICE_S, now)
            return [_not_sent(job, line.name, "SENDID", why)]
        line.waiting.appendleft(job)
        line.next_at = now
        return []

    def _back_off_after(self, line: Line, result: SmsNotSent, now: float) -> None:
        pause_s = result.suspend_s
        if result.logged_out:
            line.gsm_status = "LOGOUT"
            # its next keepalive is believed, unless it was wrong before
            pause_s = BUSY_DEVICE_S / 2 if line.failed_sends else 0.0
        self._back_off(line, result.why, pause_s, now)

    def _back_off(self, line: Line, why: str, first_s: float, now: float) -> None:
        """Suspend a line that did not do its part, twice as long for each time.

        Its keepalives may be good all the while: only an SMS that goes out proves
        that it works.
        """
        self._suspend(line, why, first_s * 2.0 ** min(line.failed_sends, 10), now)
        line.failed_sends += 1

    def _suspend(self, line: Line, why: str, pause_s: float, now: float) -> None:
        if pause_s:
            line.suspend(why, now + min(LONGEST_SUSPENSION_S, pause_s))
            self._timers.set(("suspended", line.name), line.suspended_until)

    def _count_failure(self, line: Line, code: int | None, now: float) -> None:
        """Suspend a line that fails again and again: it would take every SMS first."""
        line.failures += 1
        # it spoke, whatever it said
        line.failed_sends = 0
        if code in LINE_TROUBLE or line.failures >= FAILURES_LIMIT:
            more = max(0, line.failures - FAILURES_LIMIT)
            pause_s = FAILING_FIRST_S * 2.0 ** min(more, 10)
            self._suspend(line, f"fails: {text_of(code)}", pause_s, now)

    def _report_late(
        self,
        attempt: ExchangeAttempt,
        job: GoipJob,
        result: SmsSent | SmsFailed,
        now: float,
    ) -> list[SessionEvent]:
        line = attempt.line
        attempt.job = None
        assert attempt.exchange is not None
        was_unknown = isinstance(attempt.exchange.result, SmsUncertain)
        if was_unknown and not self.unsure.settle(line.name, job):
            # a receipt has settled it before
            return []
        provider_id = None
        if isinstance(result, SmsSent):
            line.works()
        if isinstance(result, SmsSent) and result.sms_no is not None:
            provider_id = line.sent.note(result.sms_no, job.to, now).provider_id
        return [LateResult(job, line.name, result, provider_id)]

    def _abort(
        self, sendid: int, attempt: ExchangeAttempt, now: float
    ) -> list[SessionEvent]:
        if attempt.exchange is None:
            return []
        self._send(attempt, attempt.exchange.abort(now, "the channel stops"))
        return self._after(sendid, attempt, now)

    # -- places and lines --------------------------------------------------

    def _is_free(self, line: Line) -> bool:
        return line.exchange is None or line.exchange.released

    def _has_place(self, line: Line, device: str) -> bool:
        if len(self._places.get(device, ())) < self._settings.sessions_per_device:
            return True
        queue = self._queues.setdefault(device, deque())
        if line not in queue:
            queue.append(line)
        return False

    def _release(
        self, sendid: int, attempt: ExchangeAttempt, now: float
    ) -> list[SessionEvent]:
        """The line may go on, and another line of the device too."""
        places = self._places.get(attempt.device, set())
        places.discard(sendid)
        if not places:
            self._places.pop(attempt.device, None)
        line = attempt.line
        if line.exchange is attempt.exchange:
            line.exchange = None
            line.next_at = max(line.next_at, now + line.settings.cooldown_s)
        events = self.advance(line, now) if not self._stopping else []
        queue = self._queues.get(attempt.device)
        while queue and self._has_free_place(attempt.device):
            events += self.advance(queue.popleft(), now)
        if queue is not None and not queue:
            self._queues.pop(attempt.device, None)
        return events

    def _has_free_place(self, device: str) -> bool:
        taken = len(self._places.get(device, ()))
        return taken < self._settings.sessions_per_device

    def _close(self, sendid: int, attempt: ExchangeAttempt, now: float) -> None:
        del self._attempts[sendid]
        exchange = attempt.exchange
        if exchange is not None and not exchange.may_be_contradicted:
            attempt.exchange = attempt.job = None
        attempt.ended_at = now
        self._ended[sendid] = attempt
        self.forget(now)

    def _hand_on(self, line: Line, now: float) -> list[SessionEvent]:
        """Give the jobs of an unusable line to others, or back."""
        events: list[SessionEvent] = []
        jobs = list(line.waiting)
        line.waiting.clear()
        for job in jobs:
            events += self.submit(job, now)
        return events


def without_line(job: GoipJob, found: NoUsableLine) -> JobEnded:
    """Return the end of a job that no line can take."""
    word = "line_unusable" if found.one else "no_line"
    after_s = MOVED_S if job.movable else found.after_s
    return _not_sent(job, None, word, found.why, after_s)


def _not_sent(
    job: GoipJob, line: str | None, word: str, why: str, after_s: float | None = None
) -> JobEnded:
    return JobEnded(job, line, SmsNotSent(word, why), None, after_s)
