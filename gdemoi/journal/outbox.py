"""The outbox: events as their rows keep them, and as they are published.

A status event is short until it is read: what its message's row knows is not
written a second time.
"""

from __future__ import annotations

import msgspec

from gdemoi.contract.event_json import Segments, StatusEvent, encode_event
from gdemoi.facts import OutboxEvent
from gdemoi.journal.stored_form import StoredEvent
from gdemoi.moments import rfc3339

_NULL = msgspec.Raw(b"null")


def status_event(
    message_id: str, correlation: msgspec.Raw, told: StoredEvent
) -> StatusEvent:
    """Return the event as it is published and shown in the story."""
    return StatusEvent(
        1,
        "status",
        told.event_id,
        message_id,
        told.seq,
        told.state,
        told.final,
        rfc3339(told.at),
        told.channel,
        told.line,
        told.attempt,
        Segments(*told.segments),
        told.provider_ids,
        told.error,
        correlation or _NULL,
    )


def status_key(told: StoredEvent) -> str:
    """Return the routing key of a status event."""
    return f"status.{told.state}.{told.channel or '-'}"


class OutboxRow(msgspec.Struct, array_like=True, gc=False):
    """An event as the outbox keeps it; a status event is short until it is read."""

    seq: int
    event_id: str
    message_id: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    told: StoredEvent | None = None
    correlation: bytes = b""
    routing_key: str = ""
    body: bytes = b""


encode_chunk = msgspec.msgpack.Encoder().encode
_decode_chunk = msgspec.msgpack.Decoder(list[OutboxRow]).decode


def events_of(chunk: bytes) -> list[OutboxEvent]:
    """Return the events of a row of the outbox, ready to publish."""
    return [event_of(row) for row in _decode_chunk(chunk)]


def event_of(row: OutboxRow) -> OutboxEvent:
    """Return an event ready to publish."""
    key, body, told = row.routing_key, row.body, row.told
    if told is not None:
        correlation = msgspec.Raw(row.correlation)
        key = status_key(told)
        body = encode_event(status_event(row.message_id or "", correlation, told))
    return OutboxEvent(
        row.seq,
        row.event_id,
        key,
        body,
        row.message_id,
        row.reply_to,
        row.correlation_id,
    )
