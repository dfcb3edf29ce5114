"""The ESME's side of one SMPP conversation; octets and times in, events out.

Theory of operation (SMPP 3.4 §2).  A session begins OPEN, on a fresh connection. `bind`
sends the bind request, and nothing else leaves until it is answered.  In a BOUND state
requests are submitted, at most `window` of them unanswered; the far side's deliver_sm
and data_sm come up as `DeliveryReceived`, and the holder answers each with `answer`.
The session ends by `drain` (wait for outstanding answers, theirs and ours, then
unbind), by the far side's unbind (answered at once; outstanding answers are awaited for
a moment), or by `SessionEnded` for a reason.  After `SessionEnded` nothing happens.

Who may speak when is in `MAY_SUBMIT`, `MAY_DELIVER` and `_take_other`.  enquire_link is
answered in every state.  Any whole PDU is a sign of life.

Deadlines: the answer to the bind, to unbind and the end of a drain (one field,
since they exclude each other); the answer to each request, in order of sending;
silence before our enquire_link; the answer to that.  `next_deadline` is the
earliest; `tick` does what is due.

A request that is not answered in time is told as `ResponseMissing`, once: it may have
gone out.  Its number stays taken for a while, so that a late answer still finds
it (`LateResponseReceived`).  An answer counts only by its sequence number.

Unknown is data (§3.3, §4.3): requests that nobody knows get generic_nack
ESME_RINVCMDID, requests of the wrong direction get ESME_RINVBNDSTS, broken
bodies the status that the codec names; none of them ends the session.  Only a
command_length that cannot be does: no PDU after it can be found.
"""

from __future__ import annotations

from typing import Any, Final

from gdemoi.errors import OurFault
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import (
    ALERT_NOTIFICATION,
    BINDS,
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    GENERIC_NACK,
    HEADER,
    INVBNDSTS,
    INVCMDID,
    INVCMDLEN,
    OUTBIND,
    RESPONSE,
    ROK,
    UNBIND,
    LostFrame,
    PduFramer,
    header,
    numbered,
    response,
)
from gdemoi.smpp.pdu.pdus import DataSm, DeliverSm, UnparsedPdu
from gdemoi.smpp.pdu.statuses import name_of
from gdemoi.smpp.pdu.tlvs import Tag
from gdemoi.smpp.session_requests import Requests
from gdemoi.smpp.session_types import (
    BOUND,
    BOUND_BY,
    LAST_ANSWERS_S,
    MAY_DELIVER,
    MAY_SUBMIT,
    OURS_ONLY,
    UNBIND_TIMEOUT_S,
    BindRefused,
    Bound,
    DeliveryReceived,
    LateResponseReceived,
    OutbindReceived,
    ResponseReceived,
    SessionEnded,
    SessionEvent,
    SessionNotice,
    SessionParameters,
    SessionState,
    UnbindReceived,
)
from gdemoi.smpp.settings import Tlvs
from gdemoi.smpp.trace import Direction, Trace

BIND_ANSWERS: Final = frozenset(command | RESPONSE for command in BINDS)
_BIND_ANSWER_PDUS: Final = (
    pdus.BindReceiverResp,
    pdus.BindTransmitterResp,
    pdus.BindTransceiverResp,
)


class EsmeSession:
    """One conversation, from connection to close."""

    def __init__(
        self,
        parameters: SessionParameters,
        now: float,
        trace: Trace | None = None,
        first: int = 1,
    ) -> None:
        self.parameters = parameters
        self._enter(SessionState.OPEN)
        self.tlvs = False
        # smoothed as TCP does it (RFC 6298): seven eighths of what was known
        self.round_trip_s: float | None = None
        # answers to our submits and queries
        self.answered = 0
        self.window = parameters.window
        self._trace = trace
        self._framer = PduFramer()
        self._out: list[bytes] = []
        self._requests = Requests(parameters.response_timeout_s, first)
        # deliveries that came and wait for our answer
        self._answers_due = 0
        self._bind_number = 0
        self._bind_sent_at = 0.0
        self._unbind_number = 0
        self._drain_to_unbind = False
        self._stage_deadline: float | None = None
        self._received_at = now
        self._enquire_number = 0
        self._enquire_sent_at: float | None = None
        self._enquire_deadline: float | None = None

    # -- what the holder asks

    def _enter(self, state: SessionState) -> None:
        self.state = state
        # whether requests may be submitted, and which
        self.bound = state in BOUND
        self._may_submit = MAY_SUBMIT.get(state, frozenset())

    @property
    def _closed(self) -> bool:
        return self.state is SessionState.CLOSED

    @property
    def free(self) -> int:
        """How many more requests the window takes."""
        return self.window - len(self._requests) if self.bound else 0

    @property
    def unanswered(self) -> int:
        """How many requests of ours wait for an answer."""
        return len(self._requests)

    def bind(self, now: float) -> None:
        """Send the bind request."""
        if self.state is not SessionState.OPEN:
            raise OurFault(f"bind while {self.state.value}")
        self._bind_number = self._requests.next_number()
        self._bind_sent_at = now
        self._stage(SessionState.BINDING, now, self.parameters.bind_timeout_s or None)
        self._send(numbered(self.parameters.bind_request(), self._bind_number), now)

    def submit(self, octets: bytes, context: Any, now: float) -> int:
        """Send an encoded request under a number of this session; return it.

        Its outcome is reported with `context`, exactly once.
        """
        command_id = int.from_bytes(octets[4:8], "big")
        if command_id not in self._may_submit:
            raise OurFault(f"0x{command_id:X} while {self.state.value}")
        if len(self._requests) >= self.window:
            raise OurFault("the window is full")
        number = self._requests.add(command_id | RESPONSE, context, now)
        self._send(numbered(octets, number), now)
        return number

    def answer(
        self, request: DeliverSm | DataSm, status: int, now: float
    ) -> list[SessionEvent]:
        """Answer a request that `DeliveryReceived`; each exactly once."""
        if self.state is SessionState.CLOSED:
            return []
        self._respond(request.command_id, status, request.sequence_number, now)
        self._answers_due -= 1
        return self._drained(now) if self.state is SessionState.DRAINING else []

    def drain(self, now: float, grace_s: float) -> list[SessionEvent]:
        """Submit no more; unbind when all is answered, or after `grace_s`."""
        if self.bound:
            self._drain_to_unbind = True
            self._stage(SessionState.DRAINING, now, grace_s)
            return self._drained(now)
        if self.state is SessionState.DRAINING:
            self._drain_to_unbind = True
        if self.state in (SessionState.OPEN, SessionState.BINDING):
            return self._over("stopped before it was bound")
        return []

    def outbox(self) -> bytes:
        """Return what is to be written now, and forget it."""
        out = self._out
        if not out:
            return b""
        octets = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return octets

    def lost(self, why: str) -> list[SessionEvent]:
        """The connection is gone; settle what was unanswered."""
        return [] if self.state is SessionState.CLOSED else self._over(why)

    # -- time passes

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to do, None: never."""
        if self.state is SessionState.CLOSED:
            return None
        deadline = self._stage_deadline
        for other in (self._requests.deadline(), self._link_deadline()):
            if other is not None and (deadline is None or other < deadline):
                deadline = other
        return deadline

    def _link_deadline(self) -> float | None:
        if self._enquire_deadline is not None:
            return self._enquire_deadline
        if not self.bound and self.state is not SessionState.DRAINING:
            return None
        parameters = self.parameters
        if parameters.enquire_link_s <= 0 or parameters.link_timeout_s <= 0:
            return None
        return self._received_at + parameters.enquire_link_s

    def tick(self, now: float) -> list[SessionEvent]:
        """Do what is due at `now`."""
        if self.state is SessionState.CLOSED:
            return []
        found = self._requests.expire(now)
        if self._stage_deadline is not None and now >= self._stage_deadline:
            return found + self._stage_ended(now)
        link = self._link_deadline()
        if link is not None and now >= link:
            if self._enquire_deadline is not None:
                silence_s = now - self._received_at
                return found + self._over(f"nothing heard for {silence_s:.0f} s")
            self.enquire(now)
        if found and self.state is SessionState.DRAINING:
            found += self._drained(now)
        return found

    def _stage_ended(self, now: float) -> list[SessionEvent]:
        if self.state is SessionState.BINDING:
            why = f"no answer to the bind in {self.parameters.bind_timeout_s:g} s"
            return [BindRefused(None, why), *self._over(why)]
        if self.state is SessionState.DRAINING:
            if self._drain_to_unbind:
                return self._unbind(now)
            return self._over("the SMSC unbound")
        return self._over("unbound; the SMSC did not answer")

    def enquire(self, now: float) -> None:
        """Send an enquire_link; also when there was no silence."""
        self._enquire_number = self._requests.next_number()
        self._enquire_sent_at = now
        self._enquire_deadline = now + self.parameters.link_timeout_s
        self._send(header(ENQUIRE_LINK, ROK, self._enquire_number), now)

    def _drained(self, now: float) -> list[SessionEvent]:
        """Take the last step of a drain when nothing is unanswered, either way."""
        if self._requests or self._answers_due:
            return []
        if self._drain_to_unbind:
            return self._unbind(now)
        return self._over("the SMSC unbound")

    def _unbind(self, now: float) -> list[SessionEvent]:
        found = self._requests.give_up("no answer before the end")
        self._stage(SessionState.UNBINDING, now, UNBIND_TIMEOUT_S)
        self._enquire_deadline = None
        self._unbind_number = self._requests.next_number()
        self._send(header(UNBIND, ROK, self._unbind_number), now)
        return found

    def _over(self, why: str) -> list[SessionEvent]:
        found = self._requests.give_up(why)
        self._enter(SessionState.CLOSED)
        self._stage_deadline = self._enquire_deadline = None
        found.append(SessionEnded(why))
        return found

    def _stage(self, state: SessionState, now: float, limit_s: float | None) -> None:
        self._enter(state)
        self._stage_deadline = None if limit_s is None else now + limit_s

    # -- octets come

    def receive(self, data: bytes, now: float) -> list[SessionEvent]:
        """Take octets, cut anyhow; any octets: nothing is ever raised."""
        if self.state is SessionState.CLOSED:
            return []
        lost: LostFrame | None = None
        try:
            frames = self._framer.feed(data)
        except LostFrame as fault:
            lost = fault
            frames = fault.frames
        if frames:
            self._received_at = now
            self._enquire_deadline = None
        found: list[SessionEvent] = []
        for frame in frames:
            if self._trace is not None:
                self._trace.note(now, Direction.IN, frame)
            found += self._take(frame, now)
            if self._closed:
                return found
        if lost is not None:
            self._send(header(GENERIC_NACK, INVCMDLEN, lost.sequence_number), now)
            found += self._over(str(lost))
        return found

    def _take(self, frame: bytes, now: float) -> list[SessionEvent]:
        _, command_id, status, number = HEADER.unpack_from(frame)
        if command_id & RESPONSE:
            return self._take_answer(command_id, status, number, frame, now)
        if command_id in (DELIVER_SM, DATA_SM):
            return self._take_delivery(command_id, number, frame, now)
        if command_id == ENQUIRE_LINK:
            self._respond(command_id, ROK, number, now)
            return []
        if command_id == UNBIND:
            return self._take_unbind(number, now)
        return self._take_other(command_id, number, frame, now)

    def _take_answer(
        self, command_id: int, status: int, number: int, frame: bytes, now: float
    ) -> list[SessionEvent]:
        pending = self._requests.settle(number, command_id, status)
        if pending is not None:
            round_trip_s = now - pending.sent_at
            self._measured(round_trip_s)
            self.answered += 1
            answered = ResponseReceived(
                pending.context, pdus.decode(frame), round_trip_s
            )
            if self.state is SessionState.DRAINING:
                return [answered, *self._drained(now)]
            return [answered]
        if number == self._bind_number and self.state is SessionState.BINDING:
            if command_id in BIND_ANSWERS or command_id == GENERIC_NACK:
                return self._take_bind_answer(command_id, status, frame, now)
        elif number == self._unbind_number and self.state is SessionState.UNBINDING:
            if command_id in (UNBIND | RESPONSE, GENERIC_NACK):
                return self._over("unbound")
        elif (
            number == self._enquire_number
            and self._enquire_sent_at is not None
            and command_id in (ENQUIRE_LINK | RESPONSE, GENERIC_NACK)
        ):
            self._measured(now - self._enquire_sent_at)
            self._enquire_sent_at = None
            return []
        context = self._requests.settle_late(number, command_id, status)
        if context is not None:
            return [LateResponseReceived(context, pdus.decode(frame))]
        return [
            SessionNotice(f"0x{command_id:08X}, an answer to nothing, ignored", number)
        ]

    def _measured(self, round_trip_s: float) -> None:
        known = self.round_trip_s
        self.round_trip_s = (
            round_trip_s if known is None else known + (round_trip_s - known) / 8
        )

    def _take_bind_answer(
        self, command_id: int, status: int, frame: bytes, now: float
    ) -> list[SessionEvent]:
        """No body, no TLV, unknown TLVs: all accepted; the status decides."""
        if status != ROK or command_id == GENERIC_NACK:
            why = f"bind refused: {name_of(status)}"
            return [BindRefused(status, why), *self._over(why)]
        system_id, version = bind_answer(frame)
        tlvs = self.parameters.tlvs
        self.tlvs = tlvs is Tlvs.YES or (
            tlvs is Tlvs.AUTO and min(self.parameters.version, version or 0) >= 0x34
        )
        self._stage(BOUND_BY[self.parameters.bind_command], now, None)
        self._received_at = now
        self.round_trip_s = now - self._bind_sent_at
        return [Bound(system_id, version, self.tlvs, self.round_trip_s)]

    def _take_delivery(
        self, command_id: int, number: int, frame: bytes, now: float
    ) -> list[SessionEvent]:
        if self.state not in MAY_DELIVER:
            self._respond(command_id, INVBNDSTS, number, now)
            return [SessionNotice(f"0x{command_id:X} while {self.state.value}", number)]
        pdu = pdus.decode(frame)
        if isinstance(pdu, DeliverSm | DataSm):
            self._answers_due += 1
            return [DeliveryReceived(pdu)]
        assert isinstance(pdu, UnparsedPdu)
        self._respond(command_id, pdu.status, number, now)
        return [
            SessionNotice(f"a broken 0x{command_id:X}: {pdu.field} {pdu.why}", number)
        ]

    def _take_unbind(self, number: int, now: float) -> list[SessionEvent]:
        self._respond(UNBIND, ROK, number, now)
        if self.state in BOUND:
            self._stage(SessionState.DRAINING, now, LAST_ANSWERS_S)
            return [UnbindReceived(), *self._drained(now)]
        if self.state is SessionState.BINDING:
            why = "the SMSC unbound instead of answering the bind"
            return [BindRefused(None, why), *self._over(why)]
        if self.state is SessionState.DRAINING:
            self._drain_to_unbind = False
            return self._drained(now)
        return self._over("the SMSC unbound")

    def _take_other(
        self, command_id: int, number: int, frame: bytes, now: float
    ) -> list[SessionEvent]:
        if command_id == ALERT_NOTIFICATION:
            return [SessionNotice("alert_notification", number)]
        if command_id == OUTBIND:
            pdu = pdus.decode(frame)
            if self.state is SessionState.OPEN and isinstance(pdu, pdus.Outbind):
                return [OutbindReceived(pdu.system_id, pdu.password)]
            return [SessionNotice(f"outbind while {self.state.value}, ignored", number)]
        if command_id in OURS_ONLY:
            self._respond(command_id, INVBNDSTS, number, now)
            return [
                SessionNotice(f"0x{command_id:X} is not the SMSC's to send", number)
            ]
        self._send(header(GENERIC_NACK, INVCMDID, number), now)
        return [SessionNotice(f"unknown command_id 0x{command_id:08X}", number)]

    # -- octets leave

    def _respond(self, command_id: int, status: int, number: int, now: float) -> None:
        self._send(response(command_id, status, number), now)

    def _send(self, octets: bytes, now: float) -> None:
        if self._trace is not None:
            self._trace.note(now, Direction.OUT, octets)
        self._out.append(octets)


def bind_answer(frame: bytes) -> tuple[str, int | None]:
    """Return what can be read of a bind's answer: system_id, version."""
    pdu = pdus.decode(frame)
    if isinstance(pdu, _BIND_ANSWER_PDUS):
        return pdu.system_id, pdu.tlv_int(Tag.sc_interface_version)
    return "", None
