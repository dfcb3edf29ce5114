"""The SMSC's side of one SMPP conversation; octets and times in, events out.

Theory of operation (SMPP 3.4 §2).  A session begins OPEN, on a fresh connection.  A
bind comes up as `BindRequested` and is answered by `accept_bind` or `refuse_bind`;
requests of a bound client come up as `Requested`, and the holder answers each with
`answer`, in any order.  `deliver` sends a deliver_sm, at most `deliver_window` of them
without an answer; its outcome comes once, `ResponseReceived` or `ResponseMissing`.
The session ends by the client's unbind (all that is open is answered first), by ours,
or by `SessionEnded` for a reason.  After `SessionEnded` nothing happens.

Who may speak when is `MAY_REQUEST`.  What is out of place gets its own response with
ESME_RINVBNDSTS, what nobody knows generic_nack ESME_RINVCMDID, a body that cannot be
read the status that the codec names: none of them ends the session.  Only a
command_length that cannot be does.  enquire_link is answered in every state.

The client's window is ours to keep: of its requests `window` are worked on at once,
what follows waits here unread (`congested`: read no more octets), while enquire_link
and answers to us are taken at once.

Deadlines: the bind; the rest of half a PDU; silence, then our enquire_link, then more
silence; nothing but enquire_link for `inactivity_s`; each answer to us; the client's
end of the connection after an unbind or a refused bind.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec
from attrs import frozen

from gdemoi.errors import OurFault
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import (
    BINDS,
    CANCEL_SM,
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    GENERIC_NACK,
    HEADER,
    HEADER_OCTETS,
    INVBNDSTS,
    INVCMDID,
    INVCMDLEN,
    QUERY_SM,
    REPLACE_SM,
    RESPONSE,
    ROK,
    SUBMIT_MULTI,
    SUBMIT_SM,
    UNBIND,
    LostFrame,
    PduFramer,
    header,
    numbered,
)
from gdemoi.smpp.pdu.pdus import V34, Pdu, Tag, UnparsedPdu
from gdemoi.smpp.pdu.statuses import Status
from gdemoi.smpp.session_requests import Requests
from gdemoi.smpp.session_types import (
    BOUND,
    BOUND_BY,
    ResponseReceived,
    SessionEnded,
    SessionEvent,
    SessionNotice,
    SessionState,
)

# How long a client may read its last answer, and close the connection itself.
GOODBYE_S: Final = 5.0
HALF_PDU_S: Final = 30.0
_ABOUT_MESSAGES: Final = frozenset(
    {SUBMIT_SM, SUBMIT_MULTI, DATA_SM, QUERY_SM, CANCEL_SM, REPLACE_SM}
)
# SMPP 3.4 table 2-1, the column of the ESME.  replace_sm on a transceiver is not in
# it, and taken all the same.
MAY_REQUEST: Final[dict[SessionState, frozenset[int]]] = {
    SessionState.BOUND_TX: _ABOUT_MESSAGES,
    SessionState.BOUND_TRX: _ABOUT_MESSAGES,
}
_MAY_RECEIVE: Final = frozenset({SessionState.BOUND_RX, SessionState.BOUND_TRX})
_ALREADY_BOUND: Final = int(Status.RALYBND)


@frozen(kw_only=True)
class ServerSessionParameters:
    """What a session needs to know before its bind; times in seconds, 0: never."""

    session_init_s: float = 30.0
    enquire_link_s: float = 30.0
    link_timeout_s: float = 30.0
    inactivity_s: float = 0.0
    response_timeout_s: float = 60.0
    # commands that are unknown here, though the specification has them
    unknown: frozenset[int] = frozenset()


class BindRequested(msgspec.Struct, frozen=True):
    """A client asks to bind: `accept_bind` or `refuse_bind` answers it."""

    pdu: pdus.BindTransmitter | pdus.BindReceiver | pdus.BindTransceiver


class Requested(msgspec.Struct, frozen=True, gc=False):
    """A request about messages, to be answered with `session.answer`."""

    pdu: Pdu


ServerEvent = BindRequested | Requested | SessionEvent
_BIND_PDUS: Final = (
    pdus.BindTransmitter,
    pdus.BindReceiver,
    pdus.BindTransceiver,
)


class ServerSession:
    """One conversation, from connection to close."""

    def __init__(self, parameters: ServerSessionParameters, now: float) -> None:
        self.parameters = parameters
        self.state = SessionState.OPEN
        # of the client: 0x33 has no TLVs and short message ids
        self.version = V34
        self.window = 1
        self.deliver_window = 1
        # when the last whole PDU came
        self.heard_at = now
        # answers that were late, in a row
        self.timeouts = 0
        self._framer = PduFramer()
        self._half_since: float | None = None
        self._out: list[bytes] = []
        # requests that wait for our answer, and those that wait for their turn
        self._open = 0
        self._held: deque[bytes] = deque()
        self._deliveries = Requests(parameters.response_timeout_s)
        self._stage_deadline: float | None = now + parameters.session_init_s
        self._stage_why = f"no bind in {parameters.session_init_s:g} s"
        self._enquired_at: float | None = None
        self._active_at = now
        # the client's unbind, which is answered when all else is
        self._unbind_asked: int | None = None
        self._our_unbind = 0

    # -- what the holder asks

    @property
    def bound(self) -> bool:
        """Whether the client is bound."""
        return self.state in BOUND

    @property
    def receives(self) -> bool:
        """Whether deliver_sm may be sent to it."""
        return self.state in _MAY_RECEIVE

    @property
    def free(self) -> int:
        """How many more deliver_sm may be sent now."""
        if self.state not in _MAY_RECEIVE:
            return 0
        return self.deliver_window - len(self._deliveries)

    @property
    def unanswered(self) -> int:
        """How many deliver_sm wait for an answer."""
        return len(self._deliveries)

    @property
    def congested(self) -> bool:
        """Whether requests wait for their turn, so that no more shall be read."""
        return bool(self._held)

    @property
    def closed(self) -> bool:
        """Whether the conversation is over."""
        return self.state is SessionState.CLOSED

    def accept_bind(
        self,
        request: Pdu,
        *,
        system_id: str,
        window: int,
        deliver_window: int,
        now: float,
    ) -> None:
        """Answer a bind with yes; `interface_version` decides about TLVs."""
        if self.state is not SessionState.BINDING:
            return
        asked = getattr(request, "interface_version", V34)
        self.version = V34 if asked >= V34 else 0x33
        self.window, self.deliver_window = window, deliver_window
        self.state = BOUND_BY[request.command_id]
        self._stage_deadline = None
        self._active_at = now
        # SMPP 3.4 §4.1.2: the version of a 3.4 centre
        tlvs = ((int(Tag.sc_interface_version), bytes((V34,))),)
        resp = pdus.answer(request, system_id=system_id)
        if self.version >= V34:
            resp.tlvs = tlvs
        self._out.append(pdus.encode(resp))

    def refuse_bind(self, request: Pdu, status: int, now: float) -> None:
        """Answer a bind with no; the client has a moment to read it."""
        if self.state is not SessionState.BINDING:
            return
        command_id = request.command_id | RESPONSE
        self._out.append(header(command_id, status, request.sequence_number))
        self._leave("the bind was refused", now)

    def answer(
        self, request: Pdu, status: int, now: float, **fields: Any
    ) -> list[ServerEvent]:
        """Answer a request; returns what had to wait for that."""
        if self.closed:
            return []
        self._open -= 1
        self._out.append(_response(request, status, fields))
        if not self._held and self._unbind_asked is None:
            return []
        return self._go_on(now)

    def deliver(self, octets: bytes, context: Any, now: float) -> None:
        """Send an encoded deliver_sm under a number of this session."""
        if self.free <= 0:
            raise OurFault(
                f"deliver_sm while {self.state.value}, or the window is full"
            )
        number = self._deliveries.add(DELIVER_SM | RESPONSE, context, now)
        self._out.append(numbered(octets, number))
        self._active_at = now

    def enquire(self, now: float) -> None:
        """Ask whether the client lives."""
        if self._enquired_at is None and self.bound:
            self._enquired_at = now
            number = self._deliveries.next_number()
            self._out.append(header(ENQUIRE_LINK, ROK, number))

    def unbind(self, now: float) -> list[ServerEvent]:
        """End the conversation; nothing is delivered any more."""
        if self.closed:
            return []
        if not self.bound:
            return self._over("the gateway is stopping")
        found: list[ServerEvent] = list(self._deliveries.give_up("we unbound"))
        self._our_unbind = self._deliveries.next_number()
        self._out.append(header(UNBIND, ROK, self._our_unbind))
        self._leave("we unbound", now)
        return found

    def outbox(self) -> bytes:
        """Return what is to be written now, and forget it."""
        out = self._out
        if not out:
            return b""
        octets = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return octets

    def lost(self, why: str) -> list[ServerEvent]:
        """The connection is gone; settle what was unanswered."""
        return [] if self.closed else self._over(why)

    # -- time passes

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to do, None: never."""
        if self.closed:
            return None
        found = [self._stage_deadline, self._deliveries.deadline()]
        if self._half_since is not None:
            found.append(self._half_since + HALF_PDU_S)
        if self.bound:
            found.append(self._link_deadline())
            if self.parameters.inactivity_s:
                found.append(self._active_at + self.parameters.inactivity_s)
        times = [at for at in found if at is not None and at != float("inf")]
        return min(times, default=None)

    def _link_deadline(self) -> float:
        if self._enquired_at is not None:
            return self._enquired_at + self.parameters.link_timeout_s
        return self.heard_at + self.parameters.enquire_link_s

    def tick(self, now: float) -> list[ServerEvent]:
        """Do what is due at `now`."""
        if self.closed:
            return []
        if self._stage_deadline is not None and now >= self._stage_deadline:
            return self._over(self._stage_why)
        if self._half_since is not None and now >= self._half_since + HALF_PDU_S:
            return self._over(f"half a PDU for {HALF_PDU_S:g} s")
        if self.bound:
            found = self._tick_bound(now)
            if self.closed:
                return found
        else:
            found = []
        late = self._deliveries.expire(now)
        self.timeouts += len(late)
        return found + list(late)

    def _tick_bound(self, now: float) -> list[ServerEvent]:
        parameters = self.parameters
        if now >= self._link_deadline():
            if self._enquired_at is not None:
                silence_s = now - self.heard_at
                return self._over(f"nothing heard for {silence_s:.0f} s")
            self.enquire(now)
        if parameters.inactivity_s and now >= self._active_at + parameters.inactivity_s:
            why = f"nothing but enquire_link for {parameters.inactivity_s:g} s"
            return [SessionNotice(why), *self.unbind(now)]
        return []

    def _leave(self, why: str, now: float) -> None:
        """Wait for the client to close the connection, or close it soon."""
        self.state = SessionState.UNBINDING
        self._stage_deadline = now + GOODBYE_S
        self._stage_why = why
        self._enquired_at = None

    def _over(self, why: str) -> list[ServerEvent]:
        found: list[ServerEvent] = list(self._deliveries.give_up(why))
        self.state = SessionState.CLOSED
        self._held.clear()
        found.append(SessionEnded(why))
        return found

    # -- octets come

    def receive(self, data: bytes, now: float) -> list[ServerEvent]:
        """Take octets, cut anyhow; any octets: nothing is ever raised."""
        if self.closed:
            return []
        lost: LostFrame | None = None
        try:
            frames = self._framer.feed(data)
        except LostFrame as fault:
            lost = fault
            frames = fault.frames
        if frames:
            self.heard_at = now
            self._enquired_at = self._half_since = None
        if not self._framer.pending:
            self._half_since = None
        elif self._half_since is None:
            self._half_since = now
        found: list[ServerEvent] = []
        for frame in frames:
            found += self._take(frame, now)
            if self.closed:
                return found
        if lost is not None:
            self._out.append(header(GENERIC_NACK, INVCMDLEN, lost.sequence_number))
            found += self._over(str(lost))
        return found

    def _take(self, frame: bytes, now: float) -> list[ServerEvent]:
        _, command_id, status, number = HEADER.unpack_from(frame)
        if command_id in _ABOUT_MESSAGES and command_id not in self.parameters.unknown:
            return self._take_request(command_id, number, frame, now)
        if command_id & RESPONSE:
            return self._take_answer(command_id, status, number, frame, now)
        if command_id == ENQUIRE_LINK:
            self._out.append(header(ENQUIRE_LINK | RESPONSE, ROK, number))
            return []
        if command_id in BINDS:
            return self._take_bind(command_id, number, frame, now)
        if command_id == UNBIND:
            return self._take_unbind(number, now)
        if command_id == DELIVER_SM:
            self._out.append(header(DELIVER_SM | RESPONSE, INVBNDSTS, number))
            return [SessionNotice("deliver_sm is not the client's to send", number)]
        self._out.append(header(GENERIC_NACK, INVCMDID, number))
        return [SessionNotice(f"unknown command_id 0x{command_id:08X}", number)]

    def _take_request(
        self, command_id: int, number: int, frame: bytes, now: float
    ) -> list[ServerEvent]:
        if command_id not in MAY_REQUEST.get(self.state, ()):
            self._out.append(header(command_id | RESPONSE, INVBNDSTS, number))
            return [SessionNotice(f"0x{command_id:X} while {self.state.value}", number)]
        self._active_at = now
        if self._held or self._open >= self.window:
            self._held.append(frame)
            return []
        return self._request(frame)

    def _request(self, frame: bytes) -> list[ServerEvent]:
        pdu = pdus.decode(frame)
        if isinstance(pdu, UnparsedPdu):
            self._out.append(pdus.encode(pdus.answer(pdu)))
            return [SessionNotice(f"{pdu.field}: {pdu.why}", pdu.sequence_number)]
        self._open += 1
        return [Requested(pdu)]

    def _go_on(self, now: float) -> list[ServerEvent]:
        """Take the requests that waited; then the unbind that waited for them."""
        found: list[ServerEvent] = []
        while self._held and self._open < self.window:
            found += self._request(self._held.popleft())
        number = self._unbind_asked
        if number is not None and not self._held and not self._open:
            self._unbind_asked = None
            self._out.append(header(UNBIND | RESPONSE, ROK, number))
            self._leave("the client unbound", now)
        return found

    def _take_bind(
        self, command_id: int, number: int, frame: bytes, now: float
    ) -> list[ServerEvent]:
        if self.state is not SessionState.OPEN:
            already = header(command_id | RESPONSE, _ALREADY_BOUND, number)
            self._out.append(already)
            return [SessionNotice(f"a bind while {self.state.value}", number)]
        pdu = pdus.decode(frame)
        if not isinstance(pdu, _BIND_PDUS):
            self._out.append(header(command_id | RESPONSE, INVCMDLEN, number))
            self._leave("the bind cannot be read", now)
            return [SessionNotice("a bind that cannot be read", number)]
        self.state = SessionState.BINDING
        return [BindRequested(pdu)]

    def _take_unbind(self, number: int, now: float) -> list[ServerEvent]:
        if self.state is SessionState.UNBINDING:
            self._out.append(header(UNBIND | RESPONSE, ROK, number))
            return []
        if not self.bound:
            self._out.append(header(UNBIND | RESPONSE, INVBNDSTS, number))
            return []
        self._unbind_asked = number
        found: list[ServerEvent] = list(self._deliveries.give_up("the client unbound"))
        # requests that wait are taken; new ones and deliveries are over
        self.state = SessionState.DRAINING
        self._stage_deadline = now + self.parameters.response_timeout_s
        self._stage_why = "the client unbound, and its requests are not written down"
        return found + self._go_on(now)

    def _take_answer(
        self, command_id: int, status: int, number: int, frame: bytes, now: float
    ) -> list[ServerEvent]:
        if number and number == self._our_unbind:
            return self._over("unbound")
        pending = self._deliveries.settle(number, command_id, status)
        if pending is None:
            self._deliveries.settle_late(number, command_id, status)
            if command_id == ENQUIRE_LINK | RESPONSE:
                return []
            what = f"0x{command_id:08X}, an answer to nothing, ignored"
            return [SessionNotice(what, number)]
        self.timeouts = 0
        self._active_at = now
        told = pdus.decode(frame)
        return [ResponseReceived(pending.context, told, now - pending.sent_at)]


def _response(request: Pdu, status: int, fields: dict[str, Any]) -> bytes:
    """Return the octets of an answer; an error has no body (SMPP 3.4 §4.4.2)."""
    command_id, number = request.command_id | RESPONSE, request.sequence_number
    if status != ROK:
        return header(command_id, status, number)
    if command_id == SUBMIT_SM | RESPONSE:
        body: bytes = fields["message_id"].encode("ascii") + b"\0"
        return HEADER.pack(HEADER_OCTETS + len(body), command_id, ROK, number) + body
    return pdus.encode(pdus.answer(request, status, **fields))
