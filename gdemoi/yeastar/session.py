"""The conversation with one TG over one connection; no I/O, time is an argument.

Theory of operation.  GREETING: we wait shortly for the banner, so that a password
is not sent to what is no manager, then log in in any case (some servers greet
late or never).  LOGGING_IN: nothing but the login leaves.  READY: one action at a
time (`ActionQueue`); SMS take a port (`Ports`), go out as commands with an id of
ours, and are settled by ``UpdateSMSSend`` of that id, before or after the
command's own answer.  OVER: everything written and unsettled is `Uncertain`, what
was not written is refused.

Deadlines: the greeting, the answer to the present action (then the connection is
given up, so that a late answer is never taken for another's), results of SMS,
ports whose pause is over, the next ping, the next poll of the ports.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from gdemoi.message import Accepted, Error, Outcome, Refused, Scope, Uncertain
from gdemoi.yeastar import session_events
from gdemoi.yeastar.ami import AmiBanner, AmiBlock, AmiFramer, NotAmi
from gdemoi.yeastar.commands import (
    Action,
    ActionPurpose,
    ActionQueue,
    refusal_of,
    sms_command,
)
from gdemoi.yeastar.encoded import command_line
from gdemoi.yeastar.inbound import read
from gdemoi.yeastar.jobs import (
    FAILED,
    PORT_WAIT_S,
    SENT,
    SmsCommand,
    SmsIds,
    TgJob,
    TgJobs,
    no_port,
    outcome_of,
)
from gdemoi.yeastar.ports import FORBIDDEN_S, REFUSED_S, SILENT_S, Polling, Port, Ports
from gdemoi.yeastar.settings import YeastarSettings

# Devices greet at once; servers that do not are logged in to without a greeting.
GREETING_WAIT_S: Final = 2.0


class ConnectionStage(Enum):
    """Where the conversation stands."""

    GREETING = "greeting"
    LOGGING_IN = "logging in"
    READY = "ready"
    OVER = "over"


class TgSession:
    """One connection's conversation; each verb returns the events that follow."""

    def __init__(
        self, settings: YeastarSettings, ports: Ports, ids: SmsIds, now: float
    ) -> None:
        self.stage = ConnectionStage.GREETING
        self.banner = ""
        self.ports = ports
        self.jobs = TgJobs()
        self._settings = settings
        self._ids = ids
        self._framer = AmiFramer()
        self._actions = ActionQueue()
        self._events: list[session_events.SessionEvent] = []
        self._login_at: float | None = now + GREETING_WAIT_S
        self._polling = Polling(
            ports, settings.poll_interval_s, settings.answer_timeout_s
        )
        self._reported_ready = 0
        self._ports_at: float | None = None
        self._queries = 0
        self._asked: set[int] = set()
        # the device said something of an SMS
        self._worked = False

    # -- verbs ---------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[session_events.SessionEvent]:
        """Take in what came, any octets."""
        for item in self._framer.feed(data):
            if self.stage is ConnectionStage.OVER:
                break
            match item:
                case AmiBanner(text):
                    self.banner = self.banner or text
                    self._login(now)
                case NotAmi(why):
                    self._end(why, now)
                case AmiBlock():
                    self._block(item, now)
        return self._after(now)

    def submit(self, sms: SmsCommand, now: float) -> int:
        """Take an SMS to send; an event of `tick` settles it, sooner or later."""
        pause_s = self._settings.interval_s * sms.segments
        job = self.jobs.add(sms, now + pause_s + PORT_WAIT_S)
        if self.stage is not ConnectionStage.READY:
            self._settle(job, no_port("the device is not logged in"))
        return job.ticket

    def query(self, command: str, limit_s: float) -> int:
        """Run a command of an operator; `tick` writes it, `CommandOutput` ends it."""
        self._queries += 1
        if self.stage is not ConnectionStage.READY:
            why = "the device is not logged in"
            self._events.append(session_events.CommandOutput(self._queries, None, why))
            return self._queries
        self._asked.add(self._queries)
        self._actions.ask(
            sms_command(ActionPurpose.QUERY, command, limit_s, self._queries)
        )
        return self._queries

    def log_off(self) -> None:
        """Send Logoff; nothing else is to be written after it."""
        if self.stage is ConnectionStage.READY:
            limit_s = self._settings.answer_timeout_s
            self._actions.ask(Action(ActionPurpose.LOGOFF, "Logoff", (), limit_s))

    def tick(self, now: float) -> list[session_events.SessionEvent]:
        """Do what is due."""
        if self.stage is ConnectionStage.OVER:
            return self._take()
        if self._login_at is not None and now >= self._login_at:
            self._login(now)
        deadline = self._actions.deadline
        if deadline is not None and now >= deadline:
            self._silent(now)
            return self._take()
        self._overdue(now)
        if self.stage is ConnectionStage.READY:
            self._keep_alive(now)
        return self._after(now)

    def lost(self, why: str, now: float) -> list[session_events.SessionEvent]:
        """The connection is gone."""
        self._end(why, now)
        return self._take()

    def next_deadline(self) -> float | None:
        """Return when `tick` is due next."""
        if self.stage is ConnectionStage.OVER:
            return None
        times = [self._login_at, self._actions.deadline, self.jobs.deadline()]
        if self.stage is ConnectionStage.READY:
            times += [self._ports_at, self._polling.at, self._ping_at()]
        return min((at for at in times if at is not None), default=None)

    def outbox(self) -> bytes:
        """Return what to write now."""
        return self._actions.outbox()

    # -- between the verbs -----------------------------------------------------

    def _take(self) -> list[session_events.SessionEvent]:
        found, self._events = self._events, []
        return found

    def _after(self, now: float) -> list[session_events.SessionEvent]:
        """Give waiting SMS their ports, write what may be written."""
        if self.stage is ConnectionStage.READY:
            for job in self.jobs.waiting():
                self._assign(job, now)
            ready = self.ports.ready(now)
            if ready > self._reported_ready:
                self._events.append(session_events.PortReady())
            self._reported_ready = ready
            self._ports_at = self.ports.next_change(now)
        if self.stage is not ConnectionStage.OVER:
            self._pump(now)
        return self._take()

    def _pump(self, now: float) -> None:
        one = self._actions.pump(now)
        if one is None or one.purpose is not ActionPurpose.SEND:
            return
        job = self.jobs.by_ticket[one.about]
        assert job.port is not None
        job.written = True
        job.sms.ids.append(job.id)
        self.ports.written(job.port, job.sms.segments, now)

    # -- login, liveness, the end -----------------------------------------------

    def _login(self, now: float) -> None:
        if self.stage is not ConnectionStage.GREETING:
            return
        self.stage = ConnectionStage.LOGGING_IN
        self._login_at = None
        user = (
            ("Username", self._settings.username),
            ("Secret", self._settings.password),
        )
        limit_s = self._settings.answer_timeout_s
        self._actions.ask(Action(ActionPurpose.LOGIN, "Login", user, limit_s))
        self._pump(now)

    def _logged_in(self, block: AmiBlock, now: float) -> None:
        if block.word("response") != "success":
            text = block.get("message") or block.get("response") or ""
            self._events.append(session_events.LoginFailed(text))
            self._end(f"login refused: {text}", now)
            return
        self.stage = ConnectionStage.READY
        self._events.append(session_events.LoggedIn())
        self._reported_ready = 0
        self._actions.ask(*self._polling.first(now))

    def _ping_at(self) -> float | None:
        if not self._actions.idle:
            return None
        return self._actions.answered_at + self._settings.ping_interval_s

    def _keep_alive(self, now: float) -> None:
        self._actions.ask(*self._polling.due(now))
        ping_at = self._ping_at()
        if ping_at is not None and now >= ping_at:
            limit_s = self._settings.answer_timeout_s
            self._actions.ask(Action(ActionPurpose.PING, "Ping", (), limit_s))

    def _silent(self, now: float) -> None:
        one = self._actions.current
        assert one is not None
        self._polling.silent(one)
        self._end(f"no answer to {one.purpose.value} in {one.limit_s:g} s", now)

    def _end(self, why: str, now: float) -> None:
        if self.stage is ConnectionStage.OVER:
            return
        self.stage = ConnectionStage.OVER
        for job in list(self.jobs.by_ticket.values()):
            outcome: Outcome = no_port(f"the connection ended before: {why}")
            if job.written:
                text = f"the connection ended before a result: {why}"
                outcome = job.unsure(text, silent=not self._worked)
            self._settle(job, outcome)
        for ticket in sorted(self._asked):
            self._events.append(session_events.CommandOutput(ticket, None, why))
        self._events.append(session_events.ConnectionEnded(why))

    # -- what comes in -----------------------------------------------------------

    def _block(self, block: AmiBlock, now: float) -> None:
        if "event" in block.headers:
            self._event(block, now)
        elif "response" in block.headers:
            self._response(block, now)
        # who talks without a greeting is a manager all the same; what was said
        # before our login is no answer to it
        self._login(now)

    def _event(self, block: AmiBlock, now: float) -> None:
        name = block.word("event")
        if name == "receivedsms":
            self._events.append(
                session_events.TgSmsReceived(read(block, self._settings.span_offset))
            )
        elif name == "updatesmssend":
            self._result(block, now)

    def _response(self, block: AmiBlock, now: float) -> None:
        one = self._actions.answered(block, now)
        if one is None:
            self._note(f"an answer to nothing we asked: {block.word('response')}")
            return
        match one.purpose:
            case ActionPurpose.LOGIN:
                self._logged_in(block, now)
            case ActionPurpose.SEND:
                self._send_answered(one.about, block, now)
            case ActionPurpose.SPANS:
                self._spans(block)
            case ActionPurpose.SPAN:
                self._polling.on_details(one.about, block)
            case ActionPurpose.QUERY:
                self._printed(one.about, block)
            case ActionPurpose.LOGOFF:
                self._end("logged off", now)
            case ActionPurpose.PING:
                pass  # any answer is a sign of life

    def _printed(self, ticket: int, block: AmiBlock) -> None:
        error = ""
        self._asked.discard(ticket)
        if block.output is None:
            error = block.get("message") or block.get("response") or "no output"
        self._events.append(session_events.CommandOutput(ticket, block.output, error))

    def _note(self, what: str) -> None:
        self._events.append(session_events.ConnectionNotice(what))

    def _spans(self, block: AmiBlock) -> None:
        changed, questions = self._polling.on_spans(block)
        self._actions.ask(*questions)
        if changed is None:
            reason = block.get("message") or (block.output or "")[:80]
            self._note(f"the device does not tell its spans: {reason}")
        elif changed:
            self._events.append(session_events.PortsChanged(tuple(changed)))

    # -- SMS ---------------------------------------------------------------------------

    def _assign(self, job: TgJob, now: float) -> None:
        """Give a waiting SMS its port, or refuse it when no port can take it."""
        port = self.ports.choose(now, job.sms.only, job.refused_by)
        if port is None:
            if not self.ports.has_candidate(now, job.sms.only, job.refused_by):
                self._settle(job, self._no_candidate(job, now))
            return
        self.ports.begin(port)
        job.port = port
        self.jobs.name(job, self._ids.next(now))
        line = command_line(port.span, job.sms.to, job.sms.quoted, job.id)
        limit_s = self._settings.answer_timeout_s
        self._actions.ask(sms_command(ActionPurpose.SEND, line, limit_s, job.ticket))

    def _no_candidate(self, job: TgJob, now: float) -> Refused:
        """Return why no port will take it; while others work, it is about the SMS."""
        why = self.ports.unable(now)
        if job.last_refusal is not None:
            scope = Scope.MESSAGE if why is None else job.last_refusal.scope
            whole = scope is Scope.CHANNEL_FOR_A_WHILE
            return msgspec.structs.replace(
                job.last_refusal, scope=scope, until_able=whole
            )
        if why is not None:
            return no_port(why)
        wanted = ", ".join(map(str, job.sms.only))
        return no_port(f"port {wanted}, which is asked for, cannot send", whole=False)

    def _send_answered(self, ticket: int, block: AmiBlock, now: float) -> None:
        """The command was answered: refused, or taken; the event decides."""
        job = self.jobs.by_ticket.get(ticket)
        if job is None or job.port is None:
            return  # its result came first
        self._worked = True
        if block.word("response") == "error" and "response" not in block.disputed:
            self._send_error(job, block.get("message") or "", now)
            return
        refusal = refusal_of(block.output or "")
        if refusal is None:
            if block.output and block.output.strip():
                self._note(f"after a send the device prints: {block.output[:200]}")
            job.deadline = now + self._settings.result_timeout_s
            return
        scope = Scope.CHANNEL_FOR_A_WHILE if refusal.port_is_down else Scope.MESSAGE
        error = Error(refusal.code, refusal.text, retryable=True)
        job.last_refusal = Refused(error=error, scope=scope, line=job.line)
        if refusal.port_is_down:
            self._block_port(job.port, refusal.text, REFUSED_S, now)
        self._elsewhere(job)

    def _elsewhere(self, job: TgJob) -> None:
        """Nothing left: another port may try."""
        assert job.port is not None
        job.refused_by.add(job.port.number)
        self.ports.end(job.port)
        job.port.free_at = 0.0
        self.jobs.unname(job)
        job.port = None
        job.written = False

    def _send_error(self, job: TgJob, message: str, now: float) -> None:
        assert job.port is not None
        folded = message.casefold()
        error = Error("yeastar:error", message or "Response: Error", retryable=True)
        scope = Scope.MESSAGE
        if "permission denied" in folded or "unknown command" in folded:
            scope = Scope.CHANNEL_HALTED
            code = "permission_denied" if "denied" in folded else "unknown_command"
            error = Error(f"yeastar:{code}", message)
            self._block_port(job.port, message, FORBIDDEN_S, now)
        self._settle(job, Refused(error=error, scope=scope, line=job.line))

    def _block_port(self, port: Port, why: str, first_s: float, now: float) -> None:
        self.ports.block(port, why, first_s, now)
        self._events.append(session_events.PortsChanged((port.number,)))

    def _result(self, block: AmiBlock, now: float) -> None:
        sms_id = (block.get("id") or "").strip()
        status = (block.get("status") or "").strip()
        if "status" in block.disputed:
            status = f"{status} and another"
        job = self.jobs.of_id(sms_id)
        refused = self.jobs.refused_as(sms_id)
        if refused is not None and status != FAILED:
            self._contradicted(refused, f"refused as {sms_id}, then status {status}")
            return
        if job is None or not job.written or "id" in block.disputed:
            self._events.append(session_events.UnexpectedResult(sms_id, status))
            return
        self._worked = True
        if status not in (SENT, FAILED):
            self._note(f"SMS {sms_id}: unknown status {status!r}")
        self._settle(job, outcome_of(job, status), now)

    def _contradicted(self, job: TgJob, why: str) -> None:
        """A port that refused an SMS sent it all the same: no other is to try."""
        self._note(f"the device contradicts itself: {why}")
        self._actions.forget(ActionPurpose.SEND, job.ticket)
        self._settle(job, job.contradicted(f"the device contradicts itself: {why}"))

    def _overdue(self, now: float) -> None:
        for job in list(self.jobs.by_ticket.values()):
            if job.port is None and now >= job.give_up_at:
                self._settle(job, no_port("no port became free in time"))
            elif job.deadline is not None and now >= job.deadline:
                why = f"no result in {self._settings.result_timeout_s:g} s"
                if job.port is not None:
                    self._block_port(job.port, why, SILENT_S, now)
                self._settle(job, job.unsure(why, silent=True), now)

    def _settle(self, job: TgJob, outcome: Outcome, now: float | None = None) -> None:
        port = job.port
        if port is not None:
            self.ports.end(port, now)
            match outcome:
                case Accepted():
                    port.sent += 1
                    self.ports.works(port)
                case Refused():
                    port.failed += 1
                case Uncertain():
                    port.unsure += 1
        self.jobs.remove(job)
        self._events.append(session_events.SmsSettled(job.ticket, outcome))
