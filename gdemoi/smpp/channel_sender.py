"""What one channel sends: segments and queries over the bind that submits.

Segments leave in order, as far as the window goes and spaced by the lane's rate (far
sides count segments); every answer finds its message's `SubmitAttempt`, and the last
one makes its outcome.  query_sm (SMPP 3.4 §4.8) asks what became of a message, and
leaves before segments.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gdemoi.cellrate import CellRate
from gdemoi.interfaces import IChannelEvents, Rate
from gdemoi.message import Error, Outcome, Receipt, Refused, Scope
from gdemoi.smpp.addresses import Address
from gdemoi.smpp.encoder import SmppEncodedMessage
from gdemoi.smpp.error_codes import refusal
from gdemoi.smpp.pdu.headers import INVBNDSTS, ROK
from gdemoi.smpp.pdu.pdus import (
    Pdu,
    QuerySm,
    QuerySmResp,
    SubmitSmResp,
    UnparsedPdu,
    encode,
)
from gdemoi.smpp.pdu.tlvs import Tag
from gdemoi.smpp.protocol import EsmeProtocol
from gdemoi.smpp.receipts import MESSAGE_STATES, STATE_OF_WORD
from gdemoi.smpp.settings import SmppSettings
from gdemoi.smpp.submit_attempts import SubmitAttempt
from gdemoi.tasks import Alarm

# message_state UNKNOWN (§5.2.28) is also said of a message that the SMSC has
# forgotten: it is no news.
_UNKNOWN_STATE: Final = 7
_SUBMIT_SM_RESP: Final = SubmitSmResp.command_id
# After ESME_RINVBNDSTS: the answers to what else is under way are awaited so long.
_REBIND_GRACE_S: Final = 2.0
# An error PDU with the status of success: it neither took nor refused the segment.
_CONTRADICTION: Final = "the answer contradicts itself: generic_nack with ESME_ROK"


class PendingQuery:
    """One query_sm on its way; `answer` fires with the response, or None."""

    def __init__(self) -> None:
        self.answer: Deferred[Pdu | UnparsedPdu | None] = Deferred()


def unavailable(reason: str) -> Refused:
    """Return the refusal of what certainly did not leave."""
    return Refused(
        error=Error("gateway:unavailable", reason, retryable=True),
        scope=Scope.CHANNEL_FOR_A_WHILE,
        by_us=True,
        until_able=True,
    )


class SmppSender:
    """Messages and queries on their way out."""

    def __init__(self, settings: SmppSettings, clock: IReactorTime) -> None:
        self.statuses: Counter[int] = Counter()
        self.accepted = 0
        self.refused = 0
        self.unsure = 0
        self.late = 0
        self.esme: EsmeProtocol | None = None
        self.events: IChannelEvents | None = None
        # the lane's
        self.rate: Rate | None = None
        self._clock = clock
        self._cells = CellRate()
        self._alarm = Alarm(clock, self.pump)
        self._overrides = settings.overrides
        self._queue: deque[SubmitAttempt] = deque()
        self._queries: deque[tuple[bytes, PendingQuery]] = deque()
        self._pumping = False

    def __len__(self) -> int:
        return len(self._queue)

    def submit(
        self, prepared: SmppEncodedMessage, attempt: int, *, tlvs: bool
    ) -> Deferred[Outcome]:
        """Send what of the message the SMSC does not have yet."""
        done: Deferred[Outcome] = Deferred()
        submission = SubmitAttempt(prepared, attempt, done.callback)
        submission.begin(tlvs=tlvs)
        if submission.todo:
            self._queue.append(submission)
            self.pump()
        return done

    def ask(self, octets: bytes) -> Deferred[Pdu | UnparsedPdu | None]:
        """Send a query; None when nobody answered."""
        asked = PendingQuery()
        self._queries.append((octets, asked))
        self.pump()
        return asked.answer

    def pump(self) -> None:
        """Let leave what the window and the rate take."""
        esme = self.esme
        if esme is None or self._pumping:
            return
        self._pumping = True
        try:
            free = esme.session.free
            while free > 0 and self._queries:
                esme.submit(*self._queries.popleft())
                free -= 1
            queue = self._queue
            while free > 0 and queue:
                submission = queue[0]
                if submission.todo and not self._may_leave():
                    break
                if submission.todo:
                    place = submission.leaves()
                    esme.submit(submission.octets[place], (submission, place))
                    free -= 1
                if not submission.todo:
                    queue.popleft()
        finally:
            self._pumping = False

    def _may_leave(self) -> bool:
        """Count a segment as leaving now, or ring when it may."""
        rate = None if self.rate is None else self.rate.present
        if rate is None:
            return True
        now = self._clock.seconds()
        wait_s = self._cells.wait_s(rate, now)
        if wait_s > 0.0:
            self._alarm.set(now + wait_s)
            return False
        self._cells.spend(1, rate, now)
        return True

    # -- answers

    def answered(self, context: Any, pdu: Pdu | UnparsedPdu) -> None:
        """Take the answer to a request."""
        if isinstance(context, PendingQuery):
            context.answer.callback(pdu)
            return
        submission, place = context
        if self._settle(submission, place, pdu) == INVBNDSTS and self.esme is not None:
            # the SMSC does not think that we are bound: bind again
            self.esme.drain(_REBIND_GRACE_S)

    def _settle(
        self,
        submission: SubmitAttempt,
        place: int,
        pdu: Pdu | UnparsedPdu,
        *,
        late: bool = False,
    ) -> int:
        status = pdu.command_status
        if status == ROK:
            if pdu.command_id == _SUBMIT_SM_RESP:
                self.accepted += 1
                submission.accepted(place, message_id_of(pdu), late=late)
            elif not late:
                self.unsure += 1
                submission.unsure(_CONTRADICTION, unclear=True)
            return status
        self.refused += 1
        self.statuses[status] += 1
        submission.refused(place, self._refusal(pdu), late=late)
        return status

    def _refusal(self, pdu: Pdu | UnparsedPdu) -> Refused:
        reason, said = None, ""
        if isinstance(pdu, Pdu) and pdu.tlvs:
            reason = pdu.tlv_int(Tag.delivery_failure_reason)
            said = pdu.tlv_text(Tag.additional_status_info_text) or ""
        return refusal(pdu.command_status, self._overrides, reason, said)

    def unanswered(self, context: Any, why: str, *, silent: bool) -> None:
        """Nobody knows what became of a request; `silent`: for want of an answer."""
        if isinstance(context, PendingQuery):
            context.answer.callback(None)
            return
        self.unsure += 1
        submission, _ = context
        submission.unsure(why, silent=silent)

    def answered_late(self, context: Any, pdu: Pdu | UnparsedPdu) -> None:
        """Take an answer to a request that was given up."""
        if isinstance(context, PendingQuery):
            return
        self.late += 1
        submission, place = context
        is_over = submission.over
        self._settle(submission, place, pdu, late=True)
        outcome = submission.late_outcome() if is_over else None
        if outcome is not None and self.events is not None:
            message_id = submission.prepared.message.id
            self.events.late(message_id, submission.attempt, outcome)

    def give_back(self, reason: str) -> None:
        """Nothing can leave any more: refuse what has not left."""
        self._alarm.cancel()
        refused = unavailable(reason)
        queue, self._queue = self._queue, deque()
        for submission in queue:
            submission.cannot_leave(refused)
        queries, self._queries = self._queries, deque()
        for _, asked in queries:
            asked.answer.callback(None)


def message_id_of(pdu: Pdu | UnparsedPdu) -> str:
    """Return the id in a submit_sm_resp, as far as it can be read."""
    if isinstance(pdu, SubmitSmResp):
        return pdu.message_id
    if isinstance(pdu, UnparsedPdu):
        return pdu.body.partition(b"\0")[0].decode("latin-1")
    return ""


# -- query_sm (SMPP 3.4 §4.8)


def query(message_id: str, source: Address) -> bytes:
    """Return the octets of a query_sm."""
    return encode(
        QuerySm(
            message_id=message_id,
            source_addr_ton=source.ton,
            source_addr_npi=source.npi,
            source_addr=source.addr,
        )
    )


def receipt_of(
    channel: str, account: str, message_id: str, answer: Pdu | UnparsedPdu | None
) -> Receipt | None:
    """Return what an answer says as a receipt, None when it says nothing."""
    if not isinstance(answer, QuerySmResp) or answer.command_status:
        return None
    if answer.message_state == _UNKNOWN_STATE:
        return None
    state = STATE_OF_WORD.get(MESSAGE_STATES.get(answer.message_state, ""))
    if state is None:
        return None
    return Receipt(
        account=account,
        channel=channel,
        provider_id=message_id,
        state=state,
        raw=f"query_sm: {MESSAGE_STATES[answer.message_state]}",
    )
