"""Events as the platform reads them: the JSON and routing keys of docs/events.rst.

This file knows the shape of each event and its routing key, nothing about when
it is told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from gdemoi.message import Error, Finding, Inbound, MessageState
from gdemoi.moments import rfc3339

encode_event = msgspec.json.Encoder().encode


class Segments(msgspec.Struct, frozen=True, gc=False):
    """How many segments there are, and what became of them."""

    total: int
    submitted: int
    delivered: int
    failed: int


class SenderChanged(msgspec.Struct, frozen=True, gc=False):
    """The channel that the tracker knows, and the one that was taken instead."""

    from_: str = msgspec.field(name="from")
    to: str | None


class StatusEvent(msgspec.Struct, gc=False):
    """A message moved on; one of them per message is final."""

    v: Literal[1]
    type: Literal["status"]
    event_id: str
    id: str
    seq: int
    state: MessageState
    final: bool
    at: str
    channel: str | None
    line: str | None
    attempt: int
    segments: Segments
    provider_ids: tuple[str, ...]
    error: Error | None
    correlation: msgspec.Raw
    # the account that the message names, or that its client belongs to
    account: str | msgspec.UnsetType = msgspec.UNSET
    # the trace that the message belongs to, if it came with one
    traceparent: str | msgspec.UnsetType = msgspec.UNSET
    # of `accepted` only: what the tracker's profile finds in the command
    findings: tuple[Finding, ...] | msgspec.UnsetType = msgspec.UNSET
    # it goes another way than its tracker knows
    sender_changed: SenderChanged | msgspec.UnsetType = msgspec.UNSET


class AnswerFields(msgspec.Struct, kw_only=True):
    """What an inbound SMS says to a command."""

    state: str
    # key, pattern or order
    by: str | None
    pattern: str | None = None
    profile: str | None = None
    part: int = 1
    late: bool = False
    ambiguous: bool = False
    candidates: tuple[str, ...] = ()
    repaired: bool = False
    again: bool = False


class AnswerEvent(msgspec.Struct, kw_only=True):
    """A command was answered, or (state ``none``) was not in time."""

    v: int = 1
    type: Literal["answer"] = "answer"
    event_id: str
    id: str
    seq: int
    state: str
    by: str | None
    inbound: str | None
    text: str | None
    at: str
    late: bool
    answer: AnswerFields | None
    correlation: msgspec.Raw
    account: str | msgspec.UnsetType = msgspec.UNSET
    traceparent: str | msgspec.UnsetType = msgspec.UNSET


class InboundEvent(msgspec.Struct, kw_only=True):
    """An SMS came in."""

    v: int = 1
    type: Literal["inbound"] = "inbound"
    event_id: str
    id: str
    from_: str = msgspec.field(name="from")
    to: str | None
    text: str | None
    binary: bytes | None
    charset: str
    segments: int
    complete: bool
    channel: str
    line: str | None
    received_at: str
    sent_at: str | None
    # the command that it answers
    reply_to: str | None = None
    answer: AnswerFields | msgspec.UnsetType = msgspec.UNSET
    # the sender as it came, when that is not `from`
    from_raw: str | msgspec.UnsetType = msgspec.UNSET
    # there only when the SMS had them; `udh` in hexadecimal
    udh: str | msgspec.UnsetType = msgspec.UNSET
    source_port: int | msgspec.UnsetType = msgspec.UNSET
    dest_port: int | msgspec.UnsetType = msgspec.UNSET


class ChangeEvent(msgspec.Struct, kw_only=True):
    """A bind or a GSM line went up, down, or half down."""

    v: int = 1
    type: Literal["channel", "line"]
    event_id: str
    channel: str
    line: str | None
    state: str
    reason: str
    at: str


class AlertEvent(msgspec.Struct, kw_only=True):
    """Something that is watched went wrong, still is, or is well again."""

    v: int = 1
    type: Literal["alert"] = "alert"
    event_id: str
    name: str
    state: str
    subject: str
    channel: str | None
    when: str
    text: str
    since: str
    at: str


def alert_body(event: AlertEvent) -> bytes:
    """Return the JSON of an alert."""
    return encode_event(event)


def alert_key(name: str) -> str:
    """Return the routing key of an alert."""
    return f"alert.{name}"


def inbound_body(
    inbound: Inbound,
    inbound_id: str,
    event_id: str,
    answers: tuple[str, AnswerFields] | None = None,
) -> bytes:
    """Return the JSON of an inbound SMS, with the command that it answers."""
    sent_at = inbound.sent_at
    return encode_event(
        InboundEvent(
            event_id=event_id,
            id=inbound_id,
            from_=inbound.from_,
            to=inbound.to,
            text=inbound.text,
            binary=inbound.binary,
            charset=inbound.charset,
            segments=inbound.segments,
            complete=inbound.complete,
            channel=inbound.channel,
            line=inbound.line,
            received_at=rfc3339(inbound.received_at),
            sent_at=None if sent_at is None else rfc3339(sent_at),
            from_raw=msgspec.UNSET if inbound.from_raw is None else inbound.from_raw,
            udh=msgspec.UNSET if inbound.udh is None else inbound.udh.hex(),
            source_port=_set(inbound.source_port),
            dest_port=_set(inbound.dest_port),
            reply_to=None if answers is None else answers[0],
            answer=msgspec.UNSET if answers is None else answers[1],
        )
    )


def _set(port: int | None) -> int | msgspec.UnsetType:
    return msgspec.UNSET if port is None else port


def change_body(
    channel: str, line: str | None, state: str, reason: str, at: float, event_id: str
) -> bytes:
    """Return the JSON of a channel's or line's change."""
    return encode_event(
        ChangeEvent(
            type="channel" if line is None else "line",
            event_id=event_id,
            channel=channel,
            line=line,
            state=state,
            reason=reason,
            at=rfc3339(at),
        )
    )


def change_key(channel: str, line: str | None) -> str:
    """Return the routing key of a change."""
    return f"channel.{channel}" if line is None else f"line.{channel}.{line}"


class _EventTimes(msgspec.Struct):
    """When it happened, as each kind of event spells it."""

    at: datetime | None = None
    received_at: datetime | None = None


_read_times: Final = msgspec.json.Decoder(_EventTimes).decode


def moment_of(body: bytes) -> float:
    """Return when an event was, of its JSON: epoch seconds.

    Endless for one that cannot be read: what is wrong is told where it is used.
    """
    try:
        times = _read_times(body)
    except msgspec.MsgspecError:
        return float("inf")
    at = times.at or times.received_at
    return 0.0 if at is None else at.timestamp()


def plain(value: Any) -> Any:
    """Return a struct as what `json.dumps` takes."""
    return msgspec.json.decode(encode_event(value))
