"""The API described for machines: OpenAPI 3.1.

The outbound message's schema is made from the very type that reads it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from gdemoi.amqp.envelope import MANY_LIMIT, Envelope
from gdemoi.message import State

_MESSAGE: Final = {"$ref": "#/components/schemas/Envelope"}
_ERROR: Final = {"$ref": "#/components/schemas/Error"}
_ANSWER: Final = {"$ref": "#/components/schemas/Answer"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _said(text: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": text, **_json(schema or {"type": "object"})}


def _error(text: str) -> dict[str, Any]:
    return _said(text, _ERROR)


def _in(where: str, name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "schema": schema,
        "description": text,
    }


_WORD: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer"}
_ID: Final = _in("path", "id", _WORD, "the message's id")
_NAME: Final = _in("path", "name", _WORD, "the channel's name")


def _messages() -> dict[str, Any]:
    one_or_many = {
        "oneOf": [
            _MESSAGE,
            {"type": "array", "items": _MESSAGE, "maxItems": MANY_LIMIT},
        ]
    }
    filters = [
        _in("query", "to", _WORD, "number"),
        _in("query", "from", _WORD, "sender"),
        _in("query", "state", {"enum": [str(state) for state in State]}, "state"),
        _in("query", "channel", _WORD, "channel"),
        _in("query", "since", _WORD, "accepted at or after (RFC 3339)"),
        _in("query", "until", _WORD, "accepted before (RFC 3339)"),
        _in("query", "limit", _NUMBER, "page length, up to 1000"),
        _in("query", "cursor", _WORD, "`cursor` of the page before"),
    ]
    return {
        "post": {
            "summary": "Take a message, or up to 1000; answers after the commit",
            "requestBody": {"required": True, **_json(one_or_many)},
            "responses": {
                "202": _said("taken (an array is answered in order)", _ANSWER),
                "200": _said("taken before: duplicate", _ANSWER),
                "413": _error("the body is too large"),
                "422": _error("cannot be taken"),
                "503": _error("not now; see Retry-After"),
            },
        },
        "get": {
            "summary": "Find messages, newest first",
            "parameters": filters,
            "responses": {
                "200": _said(
                    "a page",
                    _object(
                        messages={"type": "array", "items": {"type": "object"}},
                        cursor={"type": ["string", "null"]},
                    ),
                ),
                "422": _error("a broken parameter"),
            },
        },
    }


def _message() -> dict[str, Any]:
    return {
        "parameters": [_ID],
        "get": {
            "summary": "A message and its whole story",
            "responses": {"200": _said("the story"), "404": _error("unknown id")},
        },
        "delete": {
            "summary": "Take a message back that has not left yet",
            "responses": {
                "200": _said("cancelled", _ANSWER),
                "404": _error("unknown id"),
                "409": _error("too late"),
            },
        },
    }


def _events() -> dict[str, Any]:
    page = _object(events={"type": "array", "items": {"type": "object"}}, after=_NUMBER)
    return {
        "get": {
            "summary": "Events in order: a long poll, or a stream",
            "parameters": [
                _in("query", "after", _WORD, "seq of the last event seen, or now"),
                _in("query", "limit", _NUMBER, "events at most, up to 1000"),
                _in("query", "wait", {"type": "number"}, "seconds to wait for one"),
                _in("header", "Last-Event-ID", _WORD, "streams: as `after`"),
            ],
            "responses": {
                "200": {
                    "description": "events; `after` goes into the next request",
                    "content": {
                        "application/json": {"schema": page},
                        "text/event-stream": {"schema": _WORD},
                    },
                },
                "503": _error("too many readers"),
            },
        }
    }


def _channel(what: str) -> dict[str, Any]:
    return {
        "parameters": [_NAME],
        "post": {
            "summary": what,
            "responses": {"200": _said("done"), "404": _error("unknown channel")},
        },
    }


def _trace() -> dict[str, Any]:
    record = _object(
        number=_NUMBER, at={"type": "number"}, direction=_WORD, link=_WORD, line=_WORD
    )
    page = _object(records={"type": "array", "items": record}, after=_NUMBER)
    return {
        "parameters": [_NAME],
        "get": {
            "summary": "What passed there lately; secrets are masked",
            "parameters": [
                _in("query", "after", _NUMBER, "number of the last record seen"),
                _in("query", "format", {"enum": ["json", "pcap"]}, "default: json"),
            ],
            "responses": {
                "200": {
                    "description": "records, oldest first, or a capture file",
                    "content": {
                        "application/json": {"schema": page},
                        "application/octet-stream": {"schema": {}},
                    },
                },
                "404": _error("unknown channel, or one that keeps no trace"),
            },
        },
    }


def _unmatched() -> dict[str, Any]:
    many = {"type": "array", "items": {"type": "object"}}
    return {
        "get": {
            "summary": "The newest receipts that are about no message we know",
            "parameters": [_in("query", "limit", _NUMBER, "at most, up to 1000")],
            "responses": {
                "200": _said("receipts", _object(receipts=many, total=_NUMBER))
            },
        }
    }


def _line() -> dict[str, Any]:
    return {
        "parameters": [
            _NAME,
            _in("path", "line", _WORD, "the line's name"),
            _in("path", "verb", _WORD, "ussd, reboot, number …"),
        ],
        "post": {
            "summary": "Do a line command",
            "requestBody": _json({"type": "array", "items": _WORD}),
            "responses": {
                "200": _said("what the device said", _object(answer=_WORD)),
                "422": _error("unknown channel, line or verb"),
                "503": _error("the device does not answer"),
            },
        },
    }


def _get(what: str, **more: Any) -> dict[str, Any]:
    return {"get": {"summary": what, "responses": {"200": _said(what)} | more}}


def _described() -> type[msgspec.Struct]:
    """Return the envelope with `correlation` as what it is to others: any JSON."""
    fields: list[Any] = []
    for field in msgspec.structs.fields(Envelope):
        if field.required:
            fields.append((field.name, field.type))
        else:
            type_ = Any if field.type is msgspec.Raw else field.type
            fields.append((field.name, type_, None))
    names = {f.name: f.encode_name for f in msgspec.structs.fields(Envelope)}
    return msgspec.defstruct(
        "Envelope", fields, rename=names, forbid_unknown_fields=True
    )


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """Return the description."""
    _, schemas = msgspec.json.schema_components(
        [_described()], ref_template="#/components/schemas/{name}"
    )
    explain = {
        "post": {
            "summary": "What would happen to a message; sends nothing",
            "requestBody": {"required": True, **_json(_MESSAGE)},
            "responses": {
                "200": _said("the way and the exact bytes"),
                "422": _error("cannot be taken"),
            },
        }
    }
    unready = _said("messages cannot be taken now")
    error = _object(code=_WORD, text=_WORD, field={"type": ["string", "null"]})
    return {
        "openapi": "3.1.0",
        "info": {"title": "gdemoi", "version": "1"},
        "security": [{"token": []}],
        "paths": {
            "/v1/messages": _messages(),
            "/v1/messages/{id}": _message(),
            "/v1/events": _events(),
            "/v1/explain": explain,
            "/v1/receipts/unmatched": _unmatched(),
            "/v1/status": _get("The gateway, and its messages by state"),
            "/v1/channels": _get("The channels and their lanes"),
            "/v1/channels/{name}/pause": _channel("Send nothing there for now"),
            "/v1/channels/{name}/resume": _channel("Send there again"),
            "/v1/channels/{name}/trace": _trace(),
            "/v1/channels/{name}/lines/{line}/{verb}": _line(),
            "/health/live": _get("This process answers"),
            "/health/ready": _get("Messages can be taken", **{"503": unready}),
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                **schemas,
                "Error": _object(error=error),
                "Answer": _object(id=_WORD, state=_WORD),
            },
        },
    }
