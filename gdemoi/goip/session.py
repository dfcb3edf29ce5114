"""The conversation with all devices at one UDP port, without I/O.

Theory of operation.  Each SIM line is a client of its own: own id, own password,
own source address, known by its keepalive (`req`) every 30 s.  Devices speak at any
time (`Push`): keepalives, inbound SMS, receipts, states; each is checked by
id, password and, where pinned, address, and answered once.  We speak to a line's
address only: bulk exchanges (`sender`) and line commands (`LineCommand`); their answers
(`ExchangeStep`) count only from that address and under our sendid.

Deadlines: a line without keepalives, exchanges and commands, the pause between two
SMS, the end of a suspension, receipts that overtook the OK of their SMS.

Safe against strangers: no answer is longer than what it answers unless the line
proved its password; one answer for a datagram; every table is bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from gdemoi.errors import OurFault, Unavailable
from gdemoi.goip.datagrams import (
    ExchangeStep,
    Push,
    UnparsedDatagram,
    not_taken,
    parse,
    registered,
    taken,
)
from gdemoi.goip.exchange import DeadlineHeap, LineCommand, command_of
from gdemoi.goip.inbound import InboundKey, InboundRepeats, SourceFilter, key_of
from gdemoi.goip.lines import REPORT_FIELDS, Line
from gdemoi.goip.receipts import (
    EarlyReceipts,
    number_of,
    receipt_received,
    sms_no_of,
)
from gdemoi.goip.sender import GoipSender
from gdemoi.goip.session_events import (
    DatagramRejected,
    GoipJob,
    LineAddressChanged,
    LineAvailable,
    LineCommandEnded,
    LineReported,
    LineStateChanged,
    SessionEvent,
    SmsReceived,
)
from gdemoi.goip.settings import GoipSettings
from gdemoi.message import ChannelState

Address = tuple[str, int]

# Kinds of datagram that carry no id: answers to our own line commands.
_COMMAND_ANSWERS: Final = frozenset({"GSM", "AT"})


class GoipSession:
    """All lines of one channel; each verb returns the events that follow."""

    def __init__(
        self,
        settings: GoipSettings,
        lines: Iterable[Line],
        random: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.lines = {line.name: line for line in lines}
        self.counts: Counter[str] = Counter()
        self._by_id = {line.name.encode(): line for line in self.lines.values()}
        self._by_address: dict[Address, Line] = {}
        self._sources = SourceFilter(settings.source_rate, settings.allow_src)
        self._arrivals = InboundRepeats()
        self._timers = DeadlineHeap()
        self._out: list[tuple[bytes, Address]] = []
        self._commands: dict[int, tuple[Line, LineCommand]] = {}
        self._early = EarlyReceipts()
        self._last_states: dict[str, str] = {}
        self.sender = GoipSender(
            settings, self.lines, self._timers, random, self._write
        )

    # -- the verbs ---------------------------------------------------------

    def receive(self, data: bytes, address: Address, now: float) -> list[SessionEvent]:
        """Take one datagram; any bytes, from anywhere."""
        if not self._sources.is_allowed(address[0]):
            return self._rejected(address, "not in allow_src")
        known = address in self._by_address
        if not self._sources.admit(address, known, now):
            self.counts["limited"] += 1
            return []
        datagram = parse(data)
        match datagram:
            case ExchangeStep():
                return self._said(datagram, address, now)
            case Push() if datagram.verb in _COMMAND_ANSWERS:
                return self._command_answer(datagram, data, address, now)
            case Push():
                return self._push(datagram, len(data), address, now)
            case UnparsedDatagram():
                return self._rejected(address, datagram.why)

    def submit(self, job: GoipJob, now: float) -> list[SessionEvent]:
        """Send one SMS; its end comes as `JobEnded`, perhaps at once."""
        return self._with_lines(self.sender.submit(job, now), now)

    def begin_command(
        self, line_name: str, verb: str, arguments: Sequence[str], now: float
    ) -> int:
        """Begin a line command; returns the sendid that `LineCommandEnded` bears."""
        line = self.lines.get(line_name)
        if line is None:
            raise OurFault(f"no line {line_name!r}")
        row, value = command_of(verb, arguments)
        if not line.alive or line.address is None:
            raise Unavailable(f"line {line_name} is down")
        if line.command is not None:
            raise Unavailable(f"line {line_name} is busy with another command")
        sendid = self.sender.new_sendid(self._commands.__contains__)
        given = self.settings
        command = LineCommand(
            sendid,
            row,
            value,
            line.password,
            given.answer_timeout_s,
            given.repeats,
            given.ussd_repeat_s,
        )
        self._commands[sendid] = (line, command)
        line.command = command
        self._after_command(line, command, command.begin(now))
        return sendid

    def stored(self, key: InboundKey, now: float) -> None:
        """Hear that an arrival is committed: acknowledge it."""
        self._out += self._arrivals.stored(key, now)

    def not_stored(self, key: InboundKey) -> None:
        """Hear that an arrival could not be written: let it be repeated."""
        self._arrivals.not_stored(key)
        self.counts["not_stored"] += 1

    def tick(self, now: float) -> list[SessionEvent]:
        """Tell that time has passed."""
        events: list[SessionEvent] = []
        for what, name in self._timers.due(now):
            events += self._ring(what, name, now)
        self.sender.forget(now)
        return self._with_lines(events, now)

    def next_deadline(self) -> float | None:
        """Return when `tick` is wanted next."""
        return self._timers.next()

    def outbox(self) -> list[tuple[bytes, Address]]:
        """Return what to write now, and where to."""
        out, self._out = self._out, []
        return out

    def stop(self, now: float) -> list[SessionEvent]:
        """Begin nothing new; what has said SEND may end by itself."""
        return self._with_lines(self.sender.stop(now), now)

    def abort(self, now: float) -> list[SessionEvent]:
        """End everything now, with DONE."""
        events = self.sender.abort(now)
        for line, command in list(self._commands.values()):
            command.fault, command.deadline = "the channel stops", None
            events += self._after_command(line, command, [])
        return self._with_lines(events, now)

    def end_halt(self, now: float) -> list[SessionEvent]:
        """End all suspensions: an operator says that the cause is removed."""
        events: list[SessionEvent] = []
        for line in self.lines.values():
            line.works()
            events += self._look(line, now)
        return events

    def state_at(self, now: float) -> tuple[ChannelState, str]:
        """Return the state of the whole: up, degraded or down, and why."""
        usable = [line for line in self.lines.values() if not line.unusable(now)]
        total = len(self.lines)
        if len(usable) == total and total:
            return ChannelState.UP, ""
        reasons = Counter(line.unusable(now) for line in self.lines.values())
        reasons.pop(None, None)
        reported = ", ".join(f"{count} {why}" for why, count in reasons.most_common(3))
        if usable:
            why = f"{len(usable)} of {total} lines usable: {reported}"
            return ChannelState.DEGRADED, why
        return ChannelState.DOWN, reported or "no lines are configured"

    # -- what devices send -------------------------------------------------

    def _push(
        self, push: Push, size: int, address: Address, now: float
    ) -> list[SessionEvent]:
        if push.verb != "req" and not push.verb.isupper():
            return self._rejected(address, "unknown word")
        line = self._by_id.get(push.id)
        if line is None or not line.knows(push.password):
            return self._bad_auth(push, line, size, address)
        if not line.may_be_at(address):
            self.counts["wrong_place"] += 1
            return self._rejected(address, f"{line.name} is pinned to another address")
        match push.verb:
            case "req":
                return self._keepalive(push, line, address, now)
            case "RECEIVE":
                return self._sms(push, line, address, now)
            case "DELIVER":
                return self._receipt(push, line, address, now)
        return self._other(push, line, address)

    def _bad_auth(
        self, push: Push, line: Line | None, size: int, address: Address
    ) -> list[SessionEvent]:
        self.counts["bad_auth"] += 1
        answer = b""
        if line is not None:
            line.bad_auth += 1
        if push.verb == "req" and self.settings.reject_reply == "404":
            answer = registered(push.count, 404)
        elif push.verb == "RECEIVE" and line is not None and line.address == address:
            answer = not_taken("RECEIVE", push.count, b"wrong password")
        if answer and len(answer) <= size:
            self._write(answer, address)
        who = "unknown id" if line is None else f"wrong password for {line.name}"
        return self._rejected(address, who)

    def _keepalive(
        self, push: Push, line: Line, address: Address, now: float
    ) -> list[SessionEvent]:
        before = line.address
        moved = line.keepalive(push, address, now)
        self._write(registered(push.count, self.settings.keepalive_ok_status), address)
        events: list[SessionEvent] = []
        if moved:
            if before is not None and self._by_address.get(before) is line:
                del self._by_address[before]
            self._by_address[address] = line
            self.counts["moved"] += before is not None
            events.append(LineAddressChanged(line.name, *address))
        if ("lost", line.name) not in self._timers:
            self._timers.set(("lost", line.name), now + line.timeout_s)
        events += self._look(line, now)
        return self._with_lines(events, now)

    def _sms(
        self, push: Push, line: Line, address: Address, now: float
    ) -> list[SessionEvent]:
        srcnum = push.fields.get("srcnum", b"")
        assert push.text is not None
        key = key_of(line.name, "RECEIVE", push.count, srcnum, push.text)
        if not self._is_first(key, push, address, now):
            return []
        line.received_total += 1
        raw = srcnum.decode("utf-8", "replace")
        sender = line.to_e164(raw)
        if sender:
            self.sender.affinity.note(sender, line.name)
        recvid = push.count.decode("ascii")
        return [
            SmsReceived(
                key,
                line.name,
                recvid,
                sender,
                push.text,
                f"goip:{line.name}:{recvid}:{key[3].hex()}",
                raw,
            )
        ]

    def _receipt(
        self, push: Push, line: Line, address: Address, now: float
    ) -> list[SessionEvent]:
        sms_no = push.fields.get("sms_no", b"")
        status = push.fields.get("state", b"")
        number = push.fields.get("num", b"")
        numeric = sms_no.isdigit() and status.isdigit()
        if not numeric or len(sms_no) > 20 or len(status) > 3 or len(number) > 64:
            return self._rejected(address, f"DELIVER of {line.name} that names no SMS")
        key = key_of(line.name, "DELIVER", push.count, sms_no, status, number)
        if not self._is_first(key, push, address, now):
            return []
        about = number_of(push)
        known = line.sent.match(sms_no_of(push), about, now)
        early = known is None and self.sender.is_open_with(line, about)
        if early and self._early.keep(line, key, push, now):
            self._timers.set(("early", ""), self._early.next())
            return []
        return [receipt_received(line, key, push, now)]

    def _is_first(
        self, key: InboundKey, push: Push, address: Address, now: float
    ) -> bool:
        """Whether to report it; a repeat of what is committed is answered."""
        answer = taken(push.verb, push.count)
        first, safe = self._arrivals.arrive(key, answer, address, now)
        if safe:
            self._write(answer, address)
        if not first:
            self.counts["repeated"] += 1
        return first

    def _other(self, push: Push, line: Line, address: Address) -> list[SessionEvent]:
        if push.verb not in REPORT_FIELDS:
            self.counts["unknown_verb"] += 1
            if self.settings.ack_unknown:
                self._write(taken(push.verb, push.count), address)
            return []
        line.note_report(push)
        self._write(taken(push.verb, push.count), address)
        return [LineReported(line.name, push.verb)]

    # -- what devices answer -----------------------------------------------

    def _said(
        self, said: ExchangeStep, address: Address, now: float
    ) -> list[SessionEvent]:
        mine, events = self.sender.said(said, address, now)
        if mine:
            return self._with_lines(events, now)
        found = self._commands.get(said.sendid)
        if found is None or found[0].address != address:
            self.counts["stray"] += 1
            return self._rejected(address, "an answer to nothing that was asked")
        line, command = found
        return self._after_command(
            line, command, command.receive(said.word, said.rest, now)
        )

    def _command_answer(
        self, push: Push, data: bytes, address: Address, now: float
    ) -> list[SessionEvent]:
        """``GSM:sendid;…`` answers a command; it has neither id nor password."""
        sendid = int(push.count)
        rest = data.partition(b";")[2]
        return self._said(ExchangeStep(push.verb, sendid, rest), address, now)

    def _after_command(
        self, line: Line, command: LineCommand, datagrams: list[bytes]
    ) -> list[SessionEvent]:
        if line.address is not None:
            for datagram in datagrams:
                self._write(datagram, line.address)
        self._timers.set(("command", command.sendid), command.deadline)
        if command.answer is None and command.fault is None:
            return []
        del self._commands[command.sendid]
        line.command = None
        return [
            LineCommandEnded(command.sendid, line.name, command.answer, command.fault)
        ]

    # -- time and lines ----------------------------------------------------

    def _ring(self, what: str, name: str | int, now: float) -> list[SessionEvent]:
        if what == "exchange":
            return self.sender.ring(int(name), now)
        if what == "command":
            found = self._commands.get(int(name))
            if found is None:
                return []
            return self._after_command(*found, found[1].tick(now))
        if what == "early":
            return self._early_receipts(now)
        line = self.lines[str(name)]
        if what == "lost":
            return self._lost(line, now)
        if what == "day":
            return [LineAvailable(line.name), *self.sender.advance(line, now)]
        return [*self._look(line, now), *self.sender.advance(line, now)]

    def _lost(self, line: Line, now: float) -> list[SessionEvent]:
        if line.is_lost(now):
            line.alive = False
            return self._look(line, now)
        assert line.seen_at is not None
        # a moment later than the limit, so that the limit itself is still alive
        self._timers.set(("lost", line.name), line.seen_at + line.timeout_s + 0.5)
        return []

    def _look(self, line: Line, now: float) -> list[SessionEvent]:
        """Tell a line's new standing, and let its jobs go or move."""
        state, reason = line.state_at(now)
        if self._last_states.get(line.name, ChannelState.DOWN) == state:
            return []
        self._last_states[line.name] = state
        events: list[SessionEvent] = [LineStateChanged(line.name, state, reason)]
        return events + self.sender.advance(line, now)

    def _with_lines(self, events: list[SessionEvent], now: float) -> list[SessionEvent]:
        """Add what the events changed: standings, and receipts that waited."""
        if not events:
            return events
        touched = {getattr(event, "line", None) for event in events}
        for name in touched:
            line = self.lines.get(name) if name else None
            if line is not None:
                events += self._look(line, now)
        return events + self._early_receipts(now)

    def _early_receipts(self, now: float) -> list[SessionEvent]:
        """Let receipts go whose SMS is known now, or that have waited enough."""
        if not self._early:
            return []
        events: list[SessionEvent] = [*self._early.due(now)]
        self._timers.set(("early", ""), self._early.next())
        return events

    def _rejected(self, address: Address, why: str) -> list[SessionEvent]:
        self.counts["odd"] += 1
        return [DatagramRejected(address[0], address[1], why)]

    def _write(self, datagram: bytes, address: Address) -> None:
        self._out.append((datagram, address))
