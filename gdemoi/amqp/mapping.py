"""Compatibility readers: platforms that cannot write the JSON of a message.

Three forms, chosen by ``format`` in ``[amqp]`` (docs/amqp.rst, "Platforms that cannot
write this JSON"):

* ``v1``: the JSON of docs/contract.rst, "The message".
* ``headers``: the body is the text (UTF-8), or the octets of a binary SMS when
  its content-type is ``application/octet-stream``; all other fields are AMQP
  headers with the names of the fields.  Headers that begin with ``x-`` belong to
  brokers and are passed over, and so are those of tracing; any other unknown one is
  an error.
* ``map``: a foreign JSON object; a section ``[amqp-map:NAME]`` says for each field
  where it is found: a path (``device.phone``), or ``const:WORD``.
  What is not mapped is passed over, but no object on the way to what is mapped may
  have a name twice.

This file turns octets and headers into the fields of a message.  It does not know
what the fields mean: `envelope` does.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, Final

import msgspec

from gdemoi.contract.envelope import Defaults, parse, parse_fields
from gdemoi.contract.fields import check_names
from gdemoi.contract.trace_context import HEADER, traceparent
from gdemoi.errors import InvalidMessage
from gdemoi.message import Outbound

# The body, the properties of the delivery, now
Reader = Callable[[bytes, Mapping[str, Any], float], Outbound]

CONSTANT: Final = "const:"
_OCTETS: Final = "application/octet-stream"
_OF_CONTENT: Final = ("text", "binary")
# W3C Trace Context and Baggage, which clients' libraries add by themselves
_OF_TRACES: Final = frozenset((HEADER, "tracestate", "baggage"))
_ABSENT: Final = object()
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def v1(defaults: Defaults) -> Reader:
    """Return the reader of the JSON of a message."""

    def read(body: bytes, properties: Mapping[str, Any], now: float) -> Outbound:
        return parse(
            body,
            defaults=defaults,
            now=now,
            message_id=properties.get("message-id"),
            reply_to=properties.get("reply-to"),
            correlation_id=properties.get("correlation-id"),
            traceparent=_trace_of(properties),
        )

    return read


def _trace_of(properties: Mapping[str, Any]) -> str | None:
    """Return the ``traceparent`` of a delivery's headers."""
    found = properties.get("headers")
    return traceparent(found.get(HEADER)) if found else None


def headers(defaults: Defaults) -> Reader:
    """Return the reader of a plain body with its fields in the headers."""

    def read(body: bytes, properties: Mapping[str, Any], now: float) -> Outbound:
        fields = {
            name: value
            for name, value in properties.get("headers", {}).items()
            if not name.lower().startswith("x-") and name not in _OF_TRACES
        }
        for name in _OF_CONTENT:
            if name in fields:
                raise InvalidMessage("invalid", "the body is the content", name)
        if properties.get("content-type") == _OCTETS:
            fields["binary"] = base64.b64encode(body).decode()
        else:
            fields["text"] = _text(body)
        return _take(fields, defaults, properties, now)

    return read


def mapped(fields: Mapping[str, str], defaults: Defaults) -> Reader:
    """Return the reader of a foreign JSON; `fields` maps ours to theirs."""
    constants = {
        name: place.removeprefix(CONSTANT)
        for name, place in fields.items()
        if place.startswith(CONSTANT)
    }
    paths = [
        (name, place.split("."))
        for name, place in fields.items()
        if name not in constants
    ]
    objects = _objects(paths)

    def read(body: bytes, properties: Mapping[str, Any], now: float) -> Outbound:
        try:
            foreign = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            raise InvalidMessage(
                "invalid", f"not a JSON object in UTF-8: {fault}"[:300]
            ) from None
        check_names(body, objects)
        found: dict[str, Any] = dict(constants)
        for name, path in paths:
            value = _at(foreign, path)
            if value is not _ABSENT:
                found[name] = value
        return _take(found, defaults, properties, now)

    return read


def _objects(paths: Sequence[tuple[str, list[str]]]) -> dict[str, Any]:
    """Return the tree of the objects that the paths lead through, and `smpp`."""
    tree: dict[str, Any] = {}
    for name, path in paths:
        within = tree
        for step in path if name != "correlation" else path[:-1]:
            within = within.setdefault(step, {})
        if name == "smpp":
            within.setdefault("tlvs", {})
    return tree


def _at(value: Any, path: list[str]) -> Any:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return _ABSENT
        value = value[step]
    return value


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as fault:
        raise InvalidMessage("invalid", f"not UTF-8: {fault}", "text") from None


def _number(name: str, value: Any) -> Any:
    """Return a value with numbers as JSON has them; others stay as they are.

    A table has a type of its own for moments, and numbers that are none: left alone,
    those would count as absent, and another message than the one meant would go out.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float | Decimal) and not isfinite(value):
        raise InvalidMessage("invalid", f"{name[:64]} is not a number", name[:64])
    return value


def _take(
    fields: dict[str, Any],
    defaults: Defaults,
    properties: Mapping[str, Any],
    now: float,
) -> Outbound:
    for name, value in fields.items():
        fields[name] = value = _number(name, value)
        if isinstance(value, bytes):
            raise InvalidMessage("invalid", f"{name[:64]} is octets", name[:64])
    # Numbers are where foreign platforms put ids and phones.
    for name in ("id", "to", "from"):
        value = fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            fields[name] = str(value)
    return parse_fields(
        fields,
        defaults=defaults,
        now=now,
        message_id=properties.get("message-id"),
        reply_to=properties.get("reply-to"),
        correlation_id=properties.get("correlation-id"),
        traceparent=_trace_of(properties),
    )
