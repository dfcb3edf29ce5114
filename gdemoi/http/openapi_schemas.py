"""The shapes of what the API takes and answers, as JSON Schema (2020-12).

Messages and events are made from the very types that read and write them; what
only travels to JSON (stories, channels) is described here.  An answer may have
more keys than stand here, and those that are `required` in every answer.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gdemoi.contract.envelope import Envelope
from gdemoi.contract.event_json import (
    AlertEvent,
    AnswerEvent,
    ChangeEvent,
    InboundEvent,
    StatusEvent,
)
from gdemoi.contract.sticky import Basis
from gdemoi.message import ChannelState, MessageState

Schema = dict[str, Any]

WORD: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "integer"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
YES_OR_NO: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
STATE: Final[Schema] = {"enum": [str(state) for state in MessageState]}
# What stands in an id, as `gdemoi.contract.envelope.is_id` has it.
ID: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"}
_CODE: Final = "namespaced: gateway:invalid, smpp:0x58, receipt:…"


def ref(name: str) -> Schema:
    """Return a reference to one of `schemas`."""
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """Return a schema that takes null as well."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Schema, **more: Any) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": items, **more}


def record(optional: Schema | None = None, /, **properties: Schema) -> Schema:
    """Return the schema of an object; `optional` properties may be absent."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
    }


def schemas() -> Schema:
    """Return all schemas that have a name."""
    types = [
        _described(Envelope, optional=True, forbid_unknown_fields=True),
        _described(StatusEvent),
        _described(AnswerEvent),
        InboundEvent,
        ChangeEvent,
        AlertEvent,
    ]
    _, made = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    _no_u0000(made["Envelope"])
    return made | _events() | _taking() | _messages() | _standing()


def _described(
    type_: type[msgspec.Struct], optional: bool = False, **options: Any
) -> type[msgspec.Struct]:
    """Return a type with `correlation` as what it is to others: any JSON."""
    fields: list[Any] = []
    for field in msgspec.structs.fields(type_):
        kind = Any if field.name == "correlation" else field.type
        if optional and not field.required:
            fields.append((field.name, kind, None))
        elif field.default is msgspec.UNSET:
            fields.append((field.name, kind, msgspec.UNSET))
        else:
            fields.append((field.name, kind))
    names = {f.name: f.encode_name for f in msgspec.structs.fields(type_)}
    return msgspec.defstruct(type_.__name__, fields, rename=names, **options)


def _no_u0000(envelope: Schema) -> None:
    """Say what `envelope` checks beyond types: no SMS alphabet has a U+0000."""
    for name in ("text", "from", "account", "sequence"):
        word = {"type": "string", "minLength": 1, "pattern": "^[^\\u0000]*$"}
        longest = {} if name == "text" else {"maxLength": 64}
        envelope["properties"][name] = maybe(word | longest)
    envelope["properties"]["id"] = maybe(ID)
    envelope["description"] = "`text` or `binary`, and not both"


def _events() -> Schema:
    kinds = (
        "StatusEvent",
        "InboundEvent",
        "AnswerEvent",
        "ChangeEvent",
        "AlertEvent",
    )
    return {
        "Event": {"oneOf": [ref(name) for name in kinds]},
        "Inbounds": record(inbound=array(ref("InboundEvent"))),
        "Events": record(
            events=array(ref("Event")),
            after={**COUNT, "description": "goes into the next request"},
        ),
    }


def _taking() -> Schema:
    error = record(
        {"field": maybe(WORD)},
        code={**WORD, "description": _CODE},
        text=WORD,
    )
    taken = record(
        {"profile": WORD, "findings": array(ref("Finding"))},
        id=ID,
        state={"const": "accepted"},
    )
    again = record(id=ID, state={"const": "duplicate"}, current=STATE)
    return {
        "Problem": record({"id": ID, "newest": COUNT}, error=error),
        "Taken": taken,
        "Duplicate": again,
        "Answers": array({"anyOf": [ref("Taken"), ref("Duplicate"), ref("Problem")]}),
        "Cancelled": record(id=ID, state={"const": "cancelled"}),
    }


def _messages() -> Schema:
    summary: Schema = {
        "id": ID,
        "state": STATE,
        "final": YES_OR_NO,
        "to": WORD,
        "from": maybe(WORD),
        "class": WORD,
        "account": maybe(WORD),
        "channel": maybe(WORD),
        "attempts_made": COUNT,
        "segments": ref("Segments"),
        "accepted_at": TIME,
        "expires_at": TIME,
        "at": TIME,
        "error": maybe(ref("Error")),
    }
    attempt = record(
        attempt=COUNT,
        channel=WORD,
        line=maybe(WORD),
        account=maybe(WORD),
        at=TIME,
        answered_at=maybe(TIME),
        outcome=maybe(WORD),
        segments=COUNT,
        provider_ids=array(WORD),
        receipts=array(maybe(WORD)),
        error=maybe(ref("Error")),
    )
    receipt = record(
        at=TIME,
        channel=WORD,
        provider_id=WORD,
        state=STATE,
        counted=YES_OR_NO,
        error=maybe(ref("Error")),
        stamp=maybe(TIME),
        matched_by=WORD,
        raw=WORD,
        verified=YES_OR_NO,
    )
    return {
        "Summary": record(**summary),
        "Messages": record(messages=array(ref("Summary")), cursor=maybe(WORD)),
        "Attempt": attempt,
        "Said": receipt,
        "Story": record(
            **summary,
            gateway=maybe(WORD),
            message={"type": "object"},
            tried=array(WORD),
            due=maybe(TIME),
            events=array(ref("StatusEvent")),
            attempts=array(ref("Attempt")),
            provider_ids=array(WORD),
            receipts=array(ref("Said")),
            answers=array(ref("AnswerEvent")),
            omitted=COUNT,
        ),
    }


def _overview() -> Schema:
    number = {"type": "number"}
    words = record(en=WORD, ru=WORD)
    kinds = ("sent", "delivered", "failed", "uncertain")
    minutes = array(COUNT, minItems=60, maxItems=60)
    channel = record(
        name=WORD,
        oldest_s=maybe(number),
        rate_now=number,
        today=record(**dict.fromkeys(kinds, COUNT)),
        hour=record(**dict.fromkeys(kinds, minutes)),
        last_error=maybe(record(at=TIME, code=WORD, text=WORD, remedy=maybe(words))),
        remedies=array(record(subject=WORD, about=WORD, en=WORD, ru=WORD)),
    )
    table = {"type": "object", "additionalProperties": words}
    return {
        "Overview": record(at=number, since=number, channels=array(channel)),
        "Remedies": record(codes=table, words=table),
    }


def _standing() -> Schema:
    number = {"type": "number"}
    why = record(name=WORD, why=maybe(WORD))
    refused = record(
        sender=maybe(WORD),
        country=maybe(WORD),
        code=WORD,
        text=WORD,
        next_try_at=number,
    )
    channel = record(
        {
            "lines": array({"type": "object"}),
            "balance": {},
            "refused_senders": array(refused),
        },
        name=WORD,
        kind=WORD,
        account=WORD,
        state={"enum": [ChannelState.UP, ChannelState.DEGRADED, ChannelState.DOWN]},
        reason=WORD,
        unable=maybe(WORD),
        next_try_at=maybe(number),
        unanswered=COUNT,
        unanswered_since=maybe(number),
        paused=YES_OR_NO,
        window=COUNT,
        rate=maybe(number),
        present_rate=maybe(number),
        throttled=COUNT,
        in_flight=COUNT,
        backlog=COUNT,
        sent=COUNT,
        owner=maybe(WORD),
        elsewhere=YES_OR_NO,
    )
    looked_at = record(
        profile=WORD,
        sure={"enum": ["A", "B", "C"]},
        by=WORD,
        findings=array(ref("Finding")),
        refused=maybe(WORD),
    )
    segment = record(user_data=WORD, units=COUNT, wire=array(WORD))
    tracker = record(
        number=WORD, profile=maybe(WORD), strict=maybe(YES_OR_NO), changed_at=TIME
    )
    alert = record(
        name=WORD,
        subject=WORD,
        channel=maybe(WORD),
        when=WORD,
        text=WORD,
        since=number,
    )
    parked = record(
        seq=COUNT, given_up_at=TIME, why=WORD, event=maybe({"type": "object"})
    )
    passed = record(number=COUNT, at=number, direction=WORD, link=WORD, line=WORD)
    return {
        "Channel": channel,
        "Channels": record(channels=array(ref("Channel"))),
        "Switched": record(name=WORD, paused=YES_OR_NO),
        "LineAnswer": record(channel=WORD, line=WORD, verb=WORD, answer=WORD),
        "Trace": record(name=WORD, records=array(passed), after=COUNT),
        "Unmatched": record(receipts=array({"type": "object"}), total=COUNT),
        "Explanation": record(
            {"transliterated": WORD, "tracker": looked_at},
            to=WORD,
            country=maybe(WORD),
            route=maybe(WORD),
            rules=array(why),
            channels=array(why),
            sender=maybe(WORD),
            charset=maybe(WORD),
            data_coding=maybe(NUMBER),
            segments=array(segment),
            error=maybe(ref("Error")),
        ),
        "Callbacks": record(
            section=WORD,
            state={"enum": ["up", "down", "disabled"]},
            reason=WORD,
            since=maybe(TIME),
            waiting=COUNT,
            delivered=COUNT,
            failed=COUNT,
            given_up=COUNT,
            last_given_up=maybe(WORD),
            parked=array(parked),
        ),
        "CallbacksResumed": record(section=WORD, state=WORD),
        "Replayed": record(section=WORD, replayed=array(COUNT)),
        "Tracker": tracker,
        "KnownWay": record(
            number=WORD,
            account=maybe(WORD),
            channel=WORD,
            line=maybe(WORD),
            sender=maybe(WORD),
            basis={"enum": [str(one) for one in Basis]},
            at=TIME,
        ),
        "Trackers": record(trackers=array(ref("Tracker")), cursor=maybe(WORD)),
        "TrackerForgotten": record(number=WORD, profile={"type": "null"}),
        "Status": record(
            {
                "lost": WORD,
                "doors": array({"type": "object"}),
                "gateways": array({"type": "object"}),
            },
            name=WORD,
            status={"enum": ["ready", "unready"]},
            reason=maybe(WORD),
            messages={"type": "object", "additionalProperties": COUNT},
            receipts_unmatched=COUNT,
            alerts=array(alert),
            role={"enum": ["operator", "viewer"]},
            page_send=YES_OR_NO,
        ),
        **_overview(),
        "Configuration": record(
            sections={
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": WORD,
                },
            },
        ),
        "Reload": record(
            status={"enum": ["changed", "unchanged", "would_change", "refused"]},
            changes=array(
                record(
                    section=WORD,
                    key=maybe(WORD),
                    before=maybe(WORD),
                    after=maybe(WORD),
                    needs_restart=YES_OR_NO,
                    text=WORD,
                )
            ),
            complaints=array(WORD),
            warnings=array(WORD),
        ),
        "Health": record({"reason": WORD, "reasons": array(WORD)}, status=WORD),
    }
