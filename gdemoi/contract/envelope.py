"""The JSON of a message, as bytes in and `Outbound` out; HTTP uses it too.

The fields are those of docs/contract.rst, "The message".

This file knows every field that a platform may write, its type, its default and
what may not stand together.  It refuses to know where the bytes came from, what
channels exist, and whether a channel can carry the text: it never alters one
character of it.

Choices that a table of fields does not tell:

* `v` may be absent; when it is there it is 1.  A field that is null is absent.
* A field that is given twice is refused, in `smpp` too; `correlation` may hold
  whatever it likes.
* An `id` in the body wins over the `message-id` property.
* `ttl` and the default ttl count from `not_before` where that is given, else from
  the acceptance.
* `udh` is the whole user data header in hexadecimal, UDHL included, and goes with
  `binary` only; ports and `udh` exclude each other.
* class `activation` has the policies of `command`: it changes a device, so that
  it is neither degraded nor blindly repeated.
* U+0000 is refused in every string: no SMS alphabet has it, and it would end the
  text early in more than one far side.  Octets of any value go in `binary`.
* Empty `text` and empty `binary` are refused.
* A time beyond the calendar's ends (a zone's offset in year 9999, a ttl from there)
  is that end.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import uuid
from collections.abc import Callable, Container
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from attrs import frozen
from msgspec import Meta

from gdemoi.contract.fields import (
    NULL,
    Tree,
    check_names,
    check_property,
    check_reply_to,
    check_smpp,
    correlation,
    invalid,
    user_data_header,
)
from gdemoi.contract.numbers import INTERNATIONAL, normalise
from gdemoi.errors import InvalidMessage
from gdemoi.message import (
    Charset,
    CommandPace,
    MessageClass,
    OnFailure,
    OnUnencodable,
    OnUnsure,
    Outbound,
    Report,
    SmppOptions,
    Sticky,
    Tracker,
    Turn,
)
from gdemoi.moments import within

MANY_LIMIT: Final = 1000
_LONGEST_TTL_S: Final = 366 * 86400.0

# What an id looks like; a match object or None.
is_id: Final = re.compile(r"[A-Za-z0-9._:\-]{1,64}").fullmatch
_place_of_error: Final = re.compile(r" - at `\$\.?([^`]*)`$").search
_named_field: Final = re.compile(r"(?:unknown|missing required) field `([^`]*)`").search

Port = Annotated[int, Meta(ge=0, le=65535)]
Moment = Annotated[datetime, Meta(tz=True)]
Word = Annotated[str, Meta(min_length=1, max_length=64)]


class TrackerFields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What a message says of the tracker that it is for."""

    profile: Word | None = None
    pace: CommandPace | None = None
    gap: Annotated[float, Meta(ge=0, le=86400)] | None = None
    answer_within: Annotated[float, Meta(gt=0, le=86400)] | None = None
    sticky: Sticky | None = None


class Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The fields of docs/contract.rst, "The message", as platforms spell them."""

    to: str
    v: Literal[1] | None = None
    id: str | None = None
    from_: Word | None = msgspec.field(name="from", default=None)
    text: str | None = None
    binary: bytes | None = None
    class_: MessageClass | None = msgspec.field(name="class", default=None)
    charset: Charset | None = None
    on_unencodable: OnUnencodable | None = None
    udh: str | None = None
    dest_port: Port | None = None
    source_port: Port | None = None
    flash: bool | None = None
    max_segments: Annotated[int, Meta(ge=1, le=255)] | None = None
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None
    not_before: Moment | None = None
    ttl: Annotated[float, Meta(ge=0, le=_LONGEST_TTL_S)] | None = None
    expires_at: Moment | None = None
    channels: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=64)] | None = (
        None
    )
    on_unsure: OnUnsure | None = None
    report: Report | None = None
    correlation: msgspec.Raw = NULL
    account: Word | None = None
    smpp: SmppOptions | None = None
    tracker: TrackerFields | None = None
    sequence: Word | None = None
    on_failure: OnFailure | None = None


@frozen
class Defaults:
    """What the gateway's settings say about messages that do not."""

    home_country: str | None = None
    default_ttl_s: float = 7200.0
    # the names of the profiles that a message may ask for
    profiles: Container[str] = ()


# class -> (priority, on_unsure, on_unencodable)
POLICIES: Final = {
    MessageClass.COMMAND: (7, OnUnsure.HOLD, OnUnencodable.REJECT),
    MessageClass.ACTIVATION: (7, OnUnsure.HOLD, OnUnencodable.REJECT),
    MessageClass.NOTIFICATION: (3, OnUnsure.RESEND, OnUnencodable.UCS2),
}

# What a route may fill in, by whether the platform left each to its default.
_MAY_BE_UNSAID: Final = ("ttl", "priority", "charset", "on_unencodable", "on_unsure")
_UNSAID: Final = {
    absent: tuple(itertools.compress(_MAY_BE_UNSAID, absent))
    for absent in itertools.product((False, True), repeat=len(_MAY_BE_UNSAID))
}

# The objects of a message whose names may come only once.
_OBJECTS: Final[Tree] = {"smpp": {"tlvs": {}}, "tracker": {}}

_NO_TURN: Final = Turn()

_decode: Final = msgspec.json.Decoder(Envelope).decode
_decode_lax: Final = msgspec.json.Decoder(Envelope, strict=False).decode
_split: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_peek: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_pack: Final = msgspec.msgpack.Encoder().encode


def parse(
    body: bytes,
    *,
    defaults: Defaults,
    now: float,
    message_id: str | None = None,
    reply_to: str | None = None,
    correlation_id: str | None = None,
    traceparent: str | None = None,
    new_id: Callable[[], str] | None = None,
) -> Outbound:
    """Read one envelope; raise `InvalidMessage` naming the JSON field.

    Without an id of its own it gets `message_id`, or else one that `new_id` makes.
    """
    try:
        envelope = _decode(body)
    except msgspec.ValidationError as fault:
        raise _complaint(str(fault)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise _unreadable(fault) from None
    check_names(body, _OBJECTS)
    return complete(
        envelope,
        defaults=defaults,
        now=now,
        message_id=message_id,
        reply_to=reply_to,
        correlation_id=correlation_id,
        traceparent=traceparent,
        new_id=new_id,
    )


def parse_fields(
    fields: dict[str, Any],
    *,
    defaults: Defaults,
    now: float,
    message_id: str | None = None,
    reply_to: str | None = None,
    correlation_id: str | None = None,
    traceparent: str | None = None,
) -> Outbound:
    """Take an envelope that came as fields; numbers may be spelled as text."""
    try:
        envelope = _decode_lax(msgspec.json.encode(fields))
    except msgspec.ValidationError as fault:
        raise _complaint(str(fault)) from None
    except (TypeError, ValueError, RecursionError) as fault:
        raise _unreadable(fault) from None
    return complete(
        envelope,
        defaults=defaults,
        now=now,
        message_id=message_id,
        reply_to=reply_to,
        correlation_id=correlation_id,
        traceparent=traceparent,
    )


def parse_many(
    body: bytes,
    *,
    defaults: Defaults,
    now: float,
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    traceparent: str | None = None,
) -> list[Outbound | InvalidMessage]:
    """Read an object, or an array of up to 1000; one result each, in order.

    A missing id is made by `new_id`; `traceparent` is that of the request.  Raises
    `InvalidMessage` when the body as a whole is not that.
    """
    if not body.lstrip().startswith(b"["):
        return [_one(body, defaults, now, new_id, traceparent)]
    try:
        bodies = _split(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise _unreadable(fault) from None
    if len(bodies) > MANY_LIMIT:
        raise InvalidMessage("too_long", f"more than {MANY_LIMIT} messages", None)
    found = [_one(bytes(each), defaults, now, new_id, traceparent) for each in bodies]
    return _stopped(found)


def _stopped(
    found: list[Outbound | InvalidMessage],
) -> list[Outbound | InvalidMessage]:
    """Take nothing of a sequence after what is no message: it may be one of it."""
    first = next(
        (n for n, one in enumerate(found) if isinstance(one, InvalidMessage)), None
    )
    if first is None:
        return found
    text = f"number {first + 1} of the list is not taken, so the sequence stops"
    return [
        InvalidMessage("sequence_stopped", text, "sequence")
        if number > first and isinstance(one, Outbound) and one.stops
        else one
        for number, one in enumerate(found)
    ]


def id_in(body: bytes) -> str | None:
    """Return the id of a body that could not be taken, as far as it has one."""
    try:
        raw = _peek(body).get("id")
        found = None if raw is None else msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, str) and is_id(found) else None


def fingerprint(message: Outbound) -> bytes:
    """Return the identity of what would be sent, for telling repeats from reuse.

    Times, policies and what is only echoed do not count: the same envelope
    published again an hour later is the same message.
    """
    return hashlib.blake2b(
        _pack(
            (
                message.to,
                message.from_,
                message.text,
                message.binary,
                message.class_,
                message.charset,
                message.on_unencodable,
                message.udh,
                message.dest_port,
                message.source_port,
                message.flash,
                message.max_segments,
                message.channels,
                message.account,
                message.smpp,
            )
        ),
        digest_size=16,
    ).digest()


def complete(
    envelope: Envelope,
    *,
    defaults: Defaults,
    now: float,
    message_id: str | None,
    reply_to: str | None,
    correlation_id: str | None,
    traceparent: str | None = None,
    new_id: Callable[[], str] | None = None,
) -> Outbound:
    """Check what the types cannot, and fill the defaults in."""
    id_ = message_id if envelope.id is None else envelope.id
    if id_ is None:
        if new_id is None:
            raise invalid("id is missing", "id")
        id_ = new_id()
    if not is_id(id_):
        raise invalid("id is 1 to 64 of A-Z a-z 0-9 . _ : -", "id")
    if reply_to is not None:
        check_reply_to(reply_to)
    if correlation_id is not None:
        check_property(correlation_id, "correlation_id")
    to = envelope.to
    if not INTERNATIONAL(to):
        to = normalise(to, defaults.home_country)
    _check_content(envelope)
    class_ = envelope.class_ or MessageClass.NOTIFICATION
    priority, on_unsure, on_unencodable = POLICIES[class_]
    not_before, expires_at = _times(envelope, now, defaults.default_ttl_s)
    if envelope.priority is not None:
        priority = envelope.priority
    return Outbound(
        id=id_,
        to=to,
        accepted_at=now,
        expires_at=expires_at,
        from_=envelope.from_,
        text=envelope.text,
        binary=envelope.binary,
        class_=class_,
        charset=envelope.charset or Charset.AUTO,
        on_unencodable=envelope.on_unencodable or on_unencodable,
        udh=None if envelope.udh is None else user_data_header(envelope.udh),
        dest_port=envelope.dest_port,
        source_port=envelope.source_port,
        flash=envelope.flash or False,
        max_segments=envelope.max_segments,
        priority=priority,
        not_before=not_before,
        channels=envelope.channels or (),
        on_unsure=envelope.on_unsure or on_unsure,
        report=envelope.report or Report.ALL,
        correlation=correlation(envelope.correlation),
        account=envelope.account,
        smpp=envelope.smpp,
        reply_to=reply_to,
        correlation_id=correlation_id,
        traceparent=traceparent,
        unsaid=_UNSAID[
            envelope.ttl is None and envelope.expires_at is None,
            envelope.priority is None,
            envelope.charset is None,
            envelope.on_unencodable is None,
            envelope.on_unsure is None,
        ],
        tracker=None
        if envelope.tracker is None
        else _tracker(envelope.tracker, defaults.profiles),
        turn=None
        if envelope.tracker is None and envelope.sequence is None
        else _turn(envelope),
    )


def _tracker(fields: TrackerFields, known: Container[str]) -> Tracker | None:
    """Return what is asked for; refuse a profile that there is not."""
    if fields.profile is None:
        return None
    if fields.profile not in known:
        raise invalid(f"there is no profile {fields.profile}", "tracker.profile")
    return Tracker(fields.profile)


def _turn(envelope: Envelope) -> Turn | None:
    """Return what is said of a command's turn."""
    asked = envelope.tracker or TrackerFields()
    said = Turn(
        asked.pace,
        asked.gap,
        answer_within_s=asked.answer_within,
        sequence=envelope.sequence,
        on_failure=envelope.on_failure or OnFailure.STOP,
        sticky=asked.sticky,
    )
    return None if said == _NO_TURN else said


def _check_turn(envelope: Envelope) -> None:
    asked = envelope.tracker
    if envelope.on_failure is not None and envelope.sequence is None:
        raise invalid("on_failure needs a sequence", "on_failure")
    if envelope.sequence is not None and "\0" in envelope.sequence:
        raise invalid("sequence has a U+0000", "sequence")
    if envelope.class_ in (MessageClass.COMMAND, MessageClass.ACTIVATION):
        if asked is not None and asked.pace is CommandPace.NONE and envelope.sequence:
            raise invalid("a sequence needs a pace other than none", "sequence")
        return
    if envelope.sequence is not None:
        raise invalid("notifications have no sequence", "sequence")
    if asked is not None:
        for word in ("pace", "gap", "answer_within", "sticky"):
            if getattr(asked, word) is not None:
                raise invalid(f"notifications have no {word}", f"tracker.{word}")


def _one(
    body: bytes,
    defaults: Defaults,
    now: float,
    new_id: Callable[[], str],
    traceparent: str | None,
) -> Outbound | InvalidMessage:
    try:
        return parse(
            body,
            defaults=defaults,
            now=now,
            new_id=new_id,
            traceparent=traceparent,
        )
    except InvalidMessage as invalid:
        return invalid


def _unreadable(fault: Exception) -> InvalidMessage:
    return invalid(f"not JSON in UTF-8: {fault}", None)


def _complaint(text: str) -> InvalidMessage:
    """Turn msgspec's sentence into ours, with the field it speaks of."""
    place = _place_of_error(text)
    field = place[1] if place else ""
    named = _named_field(text)
    if named:
        field = f"{field}.{named[1]}" if field else named[1]
    if place:
        text = text[: place.start()]
    return invalid(text, field or None)


def _check_content(envelope: Envelope) -> None:
    text = envelope.text
    if (text is None) is (envelope.binary is None):
        if text is None:
            raise invalid("text or binary is missing", "text")
        raise invalid("text and binary exclude each other", "binary")
    if not text and not envelope.binary:
        field = "text" if text is not None else "binary"
        raise invalid(f"{field} is empty", field)
    if text is not None:
        if "\0" in text:
            raise invalid("text has a U+0000", "text")
        if envelope.udh is not None:
            raise invalid("udh goes with binary only", "udh")
    _check_words(envelope)
    if envelope.source_port is not None and envelope.dest_port is None:
        raise invalid("source_port needs dest_port", "source_port")
    if envelope.tracker is not None or envelope.sequence or envelope.on_failure:
        _check_turn(envelope)
    if envelope.udh is not None and envelope.dest_port is not None:
        raise invalid("udh and ports exclude each other", "udh")


def _check_words(envelope: Envelope) -> None:
    if envelope.from_ is not None and "\0" in envelope.from_:
        raise invalid("from has a U+0000", "from")
    if envelope.account is not None and "\0" in envelope.account:
        raise invalid("account has a U+0000", "account")
    if envelope.channels is not None and any("\0" in c for c in envelope.channels):
        raise invalid("a channel's name has a U+0000", "channels")
    if envelope.smpp is not None:
        check_smpp(envelope.smpp)


def _times(
    envelope: Envelope, now: float, default_ttl_s: float
) -> tuple[float | None, float]:
    start = now
    not_before: float | None = None
    if envelope.not_before is not None:
        not_before = within(envelope.not_before.timestamp())
        start = max(now, not_before)
    if envelope.expires_at is None:
        ttl_s = default_ttl_s if envelope.ttl is None else envelope.ttl
        return not_before, within(start + ttl_s)
    if envelope.ttl is not None:
        raise invalid("ttl and expires_at exclude each other", "ttl")
    expires_at = within(envelope.expires_at.timestamp())
    if not_before is not None and expires_at <= not_before:
        raise invalid("expires_at is not after not_before", "expires_at")
    return not_before, expires_at
