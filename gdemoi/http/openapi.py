"""The API described for machines: OpenAPI 3.1.

This file knows the paths and what each may be answered; the shapes stand in
`openapi_schemas`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from gdemoi.contract.envelope import MANY_LIMIT
from gdemoi.http.answers import LARGEST_LIMIT
from gdemoi.http.openapi_schemas import (
    COUNT,
    ID,
    STATE,
    WORD,
    Schema,
    array,
    maybe,
    record,
    ref,
    schemas,
)

_ABOUT: Final = """\
SMS gateway for GPS-tracking platforms.

Errors are JSON: `{"error": {"code", "text", "field"}}`.  A method that a path does not
have is answered 405, and `Allow` names those that it has; GET also answers HEAD.
Unknown parameters (under /v1) and unknown fields of a message are errors.  Bodies are
JSON whatever Content-Type says.
"""
_JSON: Final = "application/json"


# -- answers -----------------------------------------------------------------


def _said(text: str, schema: Schema, kind: str = _JSON) -> Schema:
    return {"description": text, "content": {kind: {"schema": schema}}}


def _error(text: str, **headers: Schema) -> Schema:
    named = {"headers": headers} if headers else {}
    return {**_said(text, ref("Problem")), **named}


def _header(text: str, schema: Schema) -> Schema:
    return {"description": text, "required": True, "schema": schema}


def _common() -> Schema:
    """Return the answers that any request may get, by their names."""
    return {
        "Unauthorized": _error(
            "a token is set, and not given",
            **{"WWW-Authenticate": _header("Bearer", WORD)},
        ),
        "Forbidden": _error(
            "no token is set, and the request came by a name that is not loopback, or"
            " from a web page of another origin; or a viewer asks for what takes"
            " `token`"
        ),
        "MethodNotAllowed": _error(
            "the path has other methods", Allow=_header("those that it has", WORD)
        ),
        "TooLarge": _error("the body is over `body_limit`"),
        "BadPath": _error("the path is not UTF-8"),
        "Invalid": _error("a parameter or the body cannot be read; `field` names it"),
        "Unavailable": _error(
            "not now: the backlog is full, the journal cannot be used, or there are too"
            " many readers",
            **{"Retry-After": _header("seconds", COUNT)},
        ),
        "Failed": _error("a fault of the gateway's own; its log tells it"),
    }


def _one_of(name: str) -> Schema:
    return {"$ref": f"#/components/responses/{name}"}


_OF_ANY: Final = {
    "401": _one_of("Unauthorized"),
    "403": _one_of("Forbidden"),
    "405": _one_of("MethodNotAllowed"),
    "413": _one_of("TooLarge"),
    "422": _one_of("Invalid"),
    "500": _one_of("Failed"),
}
_UNAVAILABLE: Final = {"503": _one_of("Unavailable")}


def _operation(
    name: str,
    summary: str,
    answers: dict[str, Schema],
    parameters: tuple[Schema, ...] = (),
    body: Schema | None = None,
    needed: bool = True,
    **more: Any,
) -> Schema:
    """Return one operation with the answers that any may have beside its own."""
    found: Schema = {"operationId": name, "summary": summary, **more}
    if parameters:
        found["parameters"] = list(parameters)
    if body is not None:
        found["requestBody"] = {
            "required": needed,
            "content": {_JSON: {"schema": body}},
        }
    found["responses"] = {**_OF_ANY, **answers}
    return found


def _open(name: str, summary: str, answers: dict[str, Schema]) -> Schema:
    """Return a GET that needs no token."""
    found = _operation(name, summary, answers, security=[])
    for status in ("401", "403", "422"):
        del found["responses"][status]
    return {"get": found}


# -- parameters ----------------------------------------------------------------


def _in(where: str, name: str, schema: Schema, text: str) -> Schema:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "schema": schema,
        "description": text,
    }


def _query(name: str, schema: Schema, text: str) -> Schema:
    return _in("query", name, schema, text)


# any text without U+0000
_TEXT: Final = {"type": "string", "pattern": "^[^\\u0000]+$"}
_MOMENT: Final = {
    "type": "string",
    "anyOf": [
        {"format": "date-time"},
        {"pattern": "^([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"},
    ],
}
_SEQ: Final = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
_PLACE: Final = {"anyOf": [_SEQ, {"const": "now"}]}
_LIMIT: Final = _query(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT},
    "at most so many; default 100",
)
_OF_MESSAGE: Final = _in("path", "id", ID, "the message's id")
_OF_TRACKER: Final = _in("path", "number", WORD, "the tracker's number")
_OF_CHANNEL: Final = _in("path", "name", {"type": "string"}, "the channel's name")


def _path(*parameters: Schema, **operations: Schema) -> Schema:
    for one in operations.values():
        one["responses"]["400"] = _one_of("BadPath")
    return {"parameters": list(parameters), **operations}


# -- paths -----------------------------------------------------------------


def _messages() -> Schema:
    message = ref("Envelope")
    one_or_many = {"oneOf": [message, array(message, maxItems=MANY_LIMIT)]}
    filters = (
        _query("to", _TEXT, "number, as it stands in the message"),
        _query("from", _TEXT, "sender"),
        _query("state", STATE, "state"),
        _query("channel", _TEXT, "channel"),
        _query("text", _TEXT, "part of the text, in any case; looks through 2000"
               " messages a page, so that a page may be empty and not the last"),
        _query("since", _MOMENT, "accepted at or after: RFC 3339, or epoch seconds"),
        _query("until", _MOMENT, "accepted before: RFC 3339, or epoch seconds"),
        _LIMIT,
        _query("cursor", {"type": "string", "pattern": "^[0-9]{1,18}$"},
               "`cursor` of the page before"),
    )  # fmt: skip
    taken = {"anyOf": [ref("Taken"), ref("Answers")]}
    return {
        "post": _operation(
            "send",
            "Take a message, or up to 1000; answers after the commit",
            {
                "202": _said(
                    "taken; an array is answered by an array of the same length and"
                    " order, in which each message has its own answer ([] by [])",
                    taken,
                ),
                "200": _said("this id was taken before", ref("Duplicate")),
                **_UNAVAILABLE,
            },
            body=one_or_many,
        ),
        "get": _operation(
            "search",
            "Find messages, newest first",
            {"200": _said("a page", ref("Messages")), **_UNAVAILABLE},
            filters,
        ),
    }


def _message() -> Schema:
    unknown = {"404": _error("unknown id")}
    return _path(
        _OF_MESSAGE,
        get=_operation(
            "story",
            "A message and its whole story",
            {"200": _said("the story", ref("Story")), **unknown, **_UNAVAILABLE},
            (
                _query("wait", {"enum": ["answer"]}, "until its tracker answers"),
                _query(
                    "timeout",
                    {"type": "number", "minimum": 0},
                    "seconds to wait at most; default 60, cut to 300",
                ),
            ),
        ),
        delete=_operation(
            "cancel",
            "Take a message back that has not left yet",
            {
                "200": _said("cancelled", ref("Cancelled")),
                **unknown,
                "409": _error("too late: it has left, or is over"),
                **_UNAVAILABLE,
            },
        ),
    )


def _message_explained() -> Schema:
    answers = {
        "200": _said("the way and the exact bytes, as they would be now",
                     ref("Explanation")),
        "404": _error("unknown id"),
        **_UNAVAILABLE,
    }  # fmt: skip
    summary = "What would happen now to a message that was taken"
    return _path(_OF_MESSAGE, get=_operation("explain_stored", summary, answers))


def _events() -> Schema:
    stream = {
        "description": "events; `after` goes into the next request",
        "content": {
            _JSON: {"schema": ref("Events")},
            "text/event-stream": {"schema": {"type": "string"}},
        },
    }
    ahead = "`after` is ahead of all events that there are; `newest` is the last one"
    return {
        "get": _operation(
            "events",
            "Events in order: a long poll, or a stream (Accept: text/event-stream)",
            {"200": stream, "409": _error(ahead), **_UNAVAILABLE},
            (
                _query("after", _PLACE, "seq of the last event seen, or now"),
                _LIMIT,
                _query("wait", {"type": "number", "minimum": 0},
                       "seconds to wait for one; cut to `long_poll`"),
                _query("masked", {"enum": ["yes", "no"]},
                       "yes: without the passwords that trackers tell"),
                _in("header", "Last-Event-ID", WORD, "streams only: as `after`"),
            ),
        )
    }  # fmt: skip


def _inbound() -> Schema:
    whose = {**_query("from", _TEXT, "the number, as events have it"), "required": True}
    return {
        "get": _operation(
            "inbound",
            "The inbound SMS of a number whose events are kept, oldest first",
            {"200": _said("a list", ref("Inbounds")), **_UNAVAILABLE},
            (
                whose,
                _query("since", _MOMENT, "committed at or after"),
                _query("until", _MOMENT, "committed before"),
                _LIMIT,
            ),
        )
    }


def _explain() -> Schema:
    return {
        "post": _operation(
            "explain",
            "What would happen to a message; sends nothing",
            {
                "200": _said("the way and the exact bytes", ref("Explanation")),
            },
            body=ref("Envelope"),
        )
    }


def _unmatched() -> Schema:
    return {
        "get": _operation(
            "unmatched",
            "The newest receipts that are about no message we know",
            {"200": _said("receipts", ref("Unmatched")), **_UNAVAILABLE},
            (_LIMIT,),
        )
    }


def _switch(name: str, summary: str) -> Schema:
    done = _said("done", ref("Switched"))
    answers = {"200": done, "404": _error("unknown channel"), **_UNAVAILABLE}
    return _path(_OF_CHANNEL, post=_operation(name, summary, answers))


def _reload() -> Schema:
    dry_run = {
        "name": "dry_run",
        "in": "query",
        "description": "yes: change nothing, only tell",
        "schema": {"enum": ["yes", "no"], "default": "no"},
    }
    report = _said("what it changed, or why it is refused", ref("Reload"))
    return {
        "post": _operation(
            "reload",
            "Read the configuration file again",
            {"200": report, **_UNAVAILABLE},
            (dry_run,),
        )
    }


def _trace() -> Schema:
    found = {
        "description": "records, oldest first, or a capture file",
        "content": {
            _JSON: {"schema": ref("Trace")},
            "application/octet-stream": {"schema": {}},
        },
    }
    return _path(
        _OF_CHANNEL,
        get=_operation(
            "trace",
            "What passed there lately; secrets are masked",
            {
                "200": found,
                "404": _error("unknown channel, or one that keeps no trace"),
            },
            (
                _query("after", COUNT, "number of the last record seen"),
                _query("format", {"enum": ["json", "pcap"]}, "default: json"),
            ),
        ),
    )


def _line() -> Schema:
    words = array(WORD)
    arguments = record({"arguments": words}) | {
        "required": ["arguments"],
        "additionalProperties": False,
    }
    return _path(
        _OF_CHANNEL,
        _in("path", "line", WORD, "the line's name"),
        _in("path", "verb", WORD, "ussd, reboot, number …"),
        post=_operation(
            "line_command",
            "Do a line command; no body is an empty list of arguments",
            {
                "200": _said("what the device said", ref("LineAnswer")),
                "422": _error("unknown channel, line or verb, or a broken body"),
                "503": _one_of("Unavailable"),
            },
            body={"anyOf": [words, arguments]},
            needed=False,
        ),
    )


def _trackers() -> Schema:
    return {
        "get": _operation(
            "trackers",
            "What is set for single trackers, by number",
            {"200": _said("a page", ref("Trackers")), **_UNAVAILABLE},
            (_LIMIT, _query("cursor", _TEXT, "`cursor` of the page before")),
        )
    }


def _sender() -> Schema:
    unknown = {"404": _error("no way is remembered")}
    word = {"type": "string", "minLength": 1, "maxLength": 64}
    body = record({"sender": maybe(word)}, channel=word) | {
        "additionalProperties": False
    }
    way = _said("the way", ref("KnownWay"))
    whose = (_query("account", _TEXT, "whose memory; absent: of no account"),)
    return _path(
        _OF_TRACKER,
        get=_operation(
            "sender",
            "The channel and sender that a tracker knows",
            {"200": way, **unknown},
            whose,
        ),
        put=_operation(
            "set_sender",
            "Set them; answers after the commit",
            {"200": way, "404": _error("no such channel"), **_UNAVAILABLE},
            whose,
            body=body,
        ),
        delete=_operation(
            "forget_sender",
            "Forget them",
            {"200": _said("forgotten", {"type": "object"}), **unknown, **_UNAVAILABLE},
            whose,
        ),
    )


def _tracker() -> Schema:
    unset = {"404": _error("nothing is set for this number")}
    body = record({"strict": maybe({"type": "boolean"})}, profile=maybe(WORD)) | {
        "additionalProperties": False
    }
    set_ = _said("what is set", ref("Tracker"))
    return _path(
        _OF_TRACKER,
        get=_operation("tracker", "What is set for a tracker", {"200": set_, **unset}),
        put=_operation(
            "set_tracker",
            "Set a tracker's profile; answers after the commit",
            {"200": set_, **_UNAVAILABLE},
            body=body,
        ),
        delete=_operation(
            "forget_tracker",
            "Take away what is set for a tracker",
            {
                "200": _said("taken away", ref("TrackerForgotten")),
                **unset,
                **_UNAVAILABLE,
            },
        ),
    )


_NO_CALLBACKS: Final[Schema] = {
    "404": _error("there is no such section that calls"),
    **_UNAVAILABLE,
}
_OF_CALLBACKS: Final = (
    _in("path", "kind", WORD, "webhook, kannel, jasmin, door-alias"),
    _in("path", "name", WORD, "the section's name"),
)


def _callbacks() -> Schema:
    return _path(
        *_OF_CALLBACKS,
        get=_operation(
            "callbacks",
            "How a section's callbacks stand, and what was given up",
            {"200": _said("how they stand", ref("Callbacks")), **_NO_CALLBACKS},
        ),
    )


def _replay() -> Schema:
    return _path(
        *_OF_CALLBACKS,
        post=_operation(
            "replay",
            "Send again what was given up: all of it, or the events of a list",
            {"200": _said("these go again", ref("Replayed")), **_NO_CALLBACKS},
            body=array(COUNT),
        ),
    )


def _get(name: str, summary: str, answer: Schema, **more: Schema) -> Schema:
    return {"get": _operation(name, summary, {"200": answer, **more})}


def _lenient(name: str, summary: str, answer: Schema) -> Schema:
    """Return a GET that passes over parameters."""
    found = _get(name, summary, answer)
    del found["get"]["responses"]["422"]
    return found


def _paths() -> Schema:
    unready = _said("messages cannot be taken now", ref("Health"))
    figures = _said("figures", {"type": "string"}, "text/plain")
    return {
        "/v1/messages": _messages(),
        "/v1/messages/{id}": _message(),
        "/v1/messages/{id}/explain": _message_explained(),
        "/v1/events": _events(),
        "/v1/inbound": _inbound(),
        "/v1/explain": _explain(),
        "/v1/receipts/unmatched": _unmatched(),
        "/v1/trackers": _trackers(),
        "/v1/trackers/{number}": _tracker(),
        "/v1/trackers/{number}/sender": _sender(),
        "/v1/callbacks/{kind}/{name}": _callbacks(),
        "/v1/callbacks/{kind}/{name}/replay": _replay(),
        "/v1/callbacks/{kind}/{name}/resume": _path(
            *_OF_CALLBACKS,
            post=_operation(
                "resume_callbacks",
                "Send again to a far side that is disabled or rests",
                {"200": _said("done", ref("CallbacksResumed")), **_NO_CALLBACKS},
            ),
        ),
        "/v1/status": _get(
            "status",
            "The gateway, and its messages by state",
            _said("how it stands", ref("Status")),
            **_UNAVAILABLE,
        ),
        "/v1/configuration": _get(
            "configuration",
            "The configuration that runs, without secrets and defaults",
            _said("its sections", ref("Configuration")),
        ),
        "/v1/reload": _reload(),
        "/v1/channels": _get(
            "channels",
            "The channels and their lanes",
            _said("all of them", ref("Channels")),
        ),
        "/v1/overview": _get(
            "overview",
            "What each channel did lately, what ails it, and what to do",
            _said("all of them", ref("Overview")),
        ),
        "/v1/remedies": _get(
            "remedies",
            "What to do about errors, by code",
            _said("all of them", ref("Remedies")),
        ),
        "/v1/channels/{name}/pause": _switch("pause", "Send nothing there for now"),
        "/v1/channels/{name}/resume": _switch(
            "resume", "Send there again, and try at once what was left alone"
        ),
        "/v1/channels/{name}/trace": _trace(),
        "/v1/channels/{name}/lines/{line}/{verb}": _line(),
        "/metrics": _lenient("metrics", "Figures for Prometheus", figures),
        "/health/live": _open(
            "live", "This process answers", {"200": _said("it does", ref("Health"))}
        ),
        "/health/ready": _open(
            "ready",
            "Messages can be taken",
            {"200": _said("they can", ref("Health")), "503": unready},
        ),
        "/openapi.json": _lenient(
            "openapi", "This description", _said("OpenAPI 3.1", {"type": "object"})
        ),
    }


@lru_cache(maxsize=2)
def document(token_is_set: bool = True) -> Schema:
    """Return the description; without a token set, none is needed."""
    token: list[Schema] = [{"token": []}]
    return {
        "openapi": "3.1.0",
        "info": {"title": "gdemoi", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/", "description": "this gateway"}],
        "security": token if token_is_set else [*token, {}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": _common(),
            "schemas": schemas(),
        },
    }
