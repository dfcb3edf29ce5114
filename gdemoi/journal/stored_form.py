"""What a row of the journal holds: values that fit into one column each.

* a message as the platform gave it (`Outbound`), as JSON, since its `correlation` is;
* `MessageRecord`, its state and history, as msgpack; message_state.py changes it;
* `OutboxRow`, an event, as msgpack.  A status event is stored without what its
  message's row says already, and becomes whole JSON when it is published.

Fields are only ever added at the end, with defaults: older rows must still be read.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final as Constant

import msgspec

from gdemoi.contract.event_json import (
    Segments,
    SenderChanged,
    StatusEvent,
    encode_event,
)
from gdemoi.facts import OutboxEvent
from gdemoi.message import (
    FINAL,
    Error,
    Finding,
    HttpOrigin,
    MessageState,
    Outbound,
    Progress,
    SmppOrigin,
)
from gdemoi.moments import rfc3339

# A message that is tried again every few seconds for days must not grow without
# bound: of each list the first and the last entries are kept.
KEPT_FIRST: Constant = 16
KEPT_LAST: Constant = 48
_DELIVERED: Constant = MessageState.DELIVERED
_NULL: Constant = msgspec.Raw(b"null")


class StoredEvent(msgspec.Struct, array_like=True, gc=False):
    """One status event, without what is the same in all of its message."""

    seq: int
    state: MessageState
    final: bool
    at: float
    channel: str | None
    line: str | None
    attempt: int
    # total, submitted, delivered, failed
    segments: tuple[int, int, int, int]
    provider_ids: tuple[str, ...]
    error: Error | None
    event_id: str = ""
    # of the first event, when the command was looked at
    findings: tuple[Finding, ...] | None = None
    # the channel that its tracker knows, when it goes by another
    changed_from: str | None = None


class AttemptOutcome(StrEnum):
    """How an attempt ended, as its row has it."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNSURE = "unsure"


class StoredAttempt(msgspec.Struct, array_like=True, gc=False):
    """One try on one channel; `outcome` is None while it is open.

    `provider_ids` has an id once for each segment that bears it, with those that an
    earlier attempt got when this one sends only the rest.
    """

    number: int
    channel: str
    at: float
    outcome: AttemptOutcome | None = None
    answered_at: float | None = None
    account: str | None = None
    line: str | None = None
    segments: int = 0
    provider_ids: tuple[str, ...] = ()
    # what the receipts said, in the order of the provider ids
    states: list[MessageState | None] = []
    error: Error | None = None
    # segments that the far side is known to have, when it has not all of them
    taken: int = 0

    def counts(self) -> tuple[int, int, int, int]:
        """Return segments: total, submitted, delivered, failed."""
        total = self.segments
        states = self.states
        accepted = self.outcome is AttemptOutcome.ACCEPTED
        taken = total if accepted else max(self.taken, len(states))
        if not any(states):
            return (total, taken, 0, 0)
        total = max(total, len(states))
        delivered = states.count(_DELIVERED)
        failed = len([state for state in states if state in FINAL]) - delivered
        if accepted and len(states) < total:
            # a segment without an id goes with the others, when they agree
            if delivered == len(states):
                delivered = total
            elif failed and len(set(self.provider_ids)) == 1:
                failed = total
        return (total, taken, delivered, failed)

    def delivered(self) -> bool:
        """Tell whether every segment is known to have arrived.

        A provider that gives one id for the whole message speaks for all of its
        segments; an attempt that ended Unsure needs a receipt for each.  Of one
        that was refused some segment never left.
        """
        if self.outcome is AttemptOutcome.REFUSED:
            return False
        known = len(self.states)
        if self.states.count(_DELIVERED) < known:
            return False
        return (
            not known
            or self.outcome is not AttemptOutcome.UNSURE
            or known >= self.segments
        )


class StoredReceipt(msgspec.Struct, array_like=True, gc=False):
    """One receipt of a message; `counted` False: it changed nothing."""

    at: float
    channel: str
    provider_id: str
    state: MessageState
    counted: bool
    error: Error | None = None
    stamp: float | None = None
    raw: str = ""
    verified: bool = True
    # the id, of those that it names, by which it was matched
    by: str = ""


class StoredAnswer(msgspec.Struct, array_like=True, gc=False):
    """What a tracker said to a command; state ``none``: nothing, in time.

    `inbound` is the id of the SMS, `until` when no further part of it is waited for.
    """

    seq: int
    state: str
    by: str
    inbound: str
    at: float
    until: float
    text: str
    late: bool = False
    pattern: str | None = None
    profile: str | None = None
    part: int = 1
    ambiguous: bool = False
    candidates: tuple[str, ...] = ()
    repaired: bool = False
    sent_at: float | None = None
    event_id: str = ""


class MessageRecord(msgspec.Struct, array_like=True, gc=False):
    """The state of one message, and all that happened to it."""

    expires_at: float
    state: MessageState = MessageState.ACCEPTED
    final: bool = False
    seq: int = 0
    # when the last fact changed it, seconds since 1970
    at: float = 0.0
    channel: str | None = None
    error: Error | None = None
    # the backlog that it waits in, None: in none
    lane: str | None = None
    due: float = 0.0
    held_until: float | None = None
    # the last attempt has no outcome yet
    open: bool = False
    # an attempt was accepted whole, or receipts say so: the message is out
    taken: bool = False
    tried: tuple[str, ...] = ()
    attempts: list[StoredAttempt] = []
    events: list[StoredEvent] = []
    receipts: list[StoredReceipt] = []
    omitted: int = 0
    # the number of the last attempt
    attempt: int = 0
    # what of it the far side has, when that is some of several parts
    progress: Progress | None = None
    # why it is held, where the last attempt does not say so
    held_why: Error | None = None
    answers: list[StoredAnswer] = []


# plain strings: what drivers take without asking, and `.value` is slow
WORDS: Constant[dict[MessageState, str]] = {
    state: state.value for state in MessageState
}
encode_message = msgspec.json.Encoder().encode
decode_message = msgspec.json.Decoder(Outbound).decode
encode_record = msgspec.msgpack.Encoder().encode
decode_record = msgspec.msgpack.Decoder(MessageRecord).decode
# The sqlite3 module takes a bytearray as it is; for `bytes` it looks for an
# adapter first, which costs more than all the rest of a value.
blob = bytearray


def uncertain_attempts_of(record: MessageRecord) -> int:
    """Return how many attempts ended unsure; none of them is ever forgotten."""
    return sum(
        1 for attempt in record.attempts if attempt.outcome is AttemptOutcome.UNSURE
    )


def shorten(
    record: MessageRecord, entries: list[StoredEvent] | list[StoredReceipt]
) -> None:
    """Drop the oldest entry behind the first ones when a list is too long."""
    while len(entries) > KEPT_FIRST + KEPT_LAST:
        del entries[KEPT_FIRST]
        record.omitted += 1


def shorten_attempts(record: MessageRecord) -> None:
    """Forget refused attempts of the middle; what may have left is kept."""
    attempts = record.attempts
    if len(attempts) <= KEPT_FIRST + KEPT_LAST:
        return
    for index in range(KEPT_FIRST, len(attempts) - 1):
        if attempts[index].outcome is AttemptOutcome.REFUSED and _repeated(
            attempts, index
        ):
            del attempts[index]
            record.omitted += 1
            return


def _repeated(attempts: list[StoredAttempt], index: int) -> bool:
    """Tell whether a later attempt knows all ids of this one."""
    ids = set(attempts[index].provider_ids)
    return not ids or any(ids.issubset(a.provider_ids) for a in attempts[index + 1 :])


def status_event(
    message_id: str,
    correlation: msgspec.Raw,
    event: StoredEvent,
    account: str | None = None,
    traceparent: str | None = None,
) -> StatusEvent:
    """Return the event as it is published and shown in the story."""
    return StatusEvent(
        1,
        "status",
        event.event_id,
        message_id,
        event.seq,
        event.state,
        event.final,
        rfc3339(event.at),
        event.channel,
        event.line,
        event.attempt,
        Segments(*event.segments),
        event.provider_ids,
        event.error,
        correlation or _NULL,
        msgspec.UNSET if account is None else account,
        msgspec.UNSET if traceparent is None else traceparent,
        msgspec.UNSET if event.findings is None else event.findings,
        _changed(event),
    )


def _changed(event: StoredEvent) -> SenderChanged | msgspec.UnsetType:
    if event.changed_from is None:
        return msgspec.UNSET
    return SenderChanged(event.changed_from, event.channel)


def status_key(event: StoredEvent) -> str:
    """Return the routing key of a status event."""
    return f"status.{event.state}.{event.channel or '-'}"


class OutboxRow(msgspec.Struct, array_like=True, gc=False):
    """An event in the outbox: `event` for a status event, else key and body."""

    seq: int
    event_id: str
    message_id: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    event: StoredEvent | None = None
    correlation: bytes = b""
    routing_key: str = ""
    body: bytes = b""
    account: str | None = None
    origin: SmppOrigin | None = None
    traceparent: str | None = None
    http_origin: HttpOrigin | None = None


encode_chunk = msgspec.msgpack.Encoder().encode
_decode_chunk = msgspec.msgpack.Decoder(list[OutboxRow]).decode


def events_of(chunk: bytes) -> list[OutboxEvent]:
    """Return the events of a row of the outbox, ready to publish."""
    return [event_of(row) for row in _decode_chunk(chunk)]


def event_of(row: OutboxRow) -> OutboxEvent:
    """Return an event ready to publish."""
    key, body, event = row.routing_key, row.body, row.event
    if event is not None:
        correlation = msgspec.Raw(row.correlation)
        key = status_key(event)
        body = encode_event(
            status_event(
                row.message_id or "", correlation, event, row.account, row.traceparent
            )
        )
    return OutboxEvent(
        row.seq,
        row.event_id,
        key,
        body,
        row.message_id,
        row.reply_to,
        row.correlation_id,
        row.origin,
        row.traceparent,
        row.http_origin,
    )
