"""The fields of an envelope whose rules no type can say.

Pure, below `envelope`: each function takes a value as the platform wrote it and
raises `InvalidMessage` with the field's name.

A name that one JSON object has twice is an error too (`check_names`): RFC 8259 §4
leaves open what such an object means, and msgspec takes the last value without a word:
``{"text": "lock", "text": "unlock"}`` would unlock.  Which objects are looked into is
said by a tree of names; the value of a name that is not in the tree may be anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gdemoi.errors import InvalidMessage
from gdemoi.message import SmppOptions

CORRELATION_LIMIT: Final = 1024
TEXT_OF_ERROR_LIMIT: Final = 300
PSEUDO_QUEUES: Final = "amq.rabbitmq."
NULL: Final = msgspec.Raw(b"null")
_is_tlv_tag: Final = re.compile(r"0x[0-9A-Fa-f]{1,4}").fullmatch


def invalid(text: str, field: str | None) -> InvalidMessage:
    """Return the refusal, with text and name cut to a decent length."""
    if field is not None:
        field = field[:64]
    return InvalidMessage("invalid", text[:TEXT_OF_ERROR_LIMIT], field)


def check_reply_to(queue: str) -> None:
    """Refuse what is no queue.

    RabbitMQ's pseudo-queues for direct replies hold nothing, and a malformed name of
    one makes the broker close the connection (541): one message would stop all
    events.
    """
    check_property(queue, "reply_to")
    if queue.startswith(PSEUDO_QUEUES):
        raise invalid("reply_to is not a queue that can hold events", "reply_to")


def check_property(value: str, field: str) -> None:
    """Refuse an AMQP property that no table and no JSON can hold."""
    if value.isascii() and "\0" not in value:
        return
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid(f"{field} is not UTF-8", field) from None
    if "\0" in value:
        raise invalid(f"{field} has a U+0000", field)


def user_data_header(text: str) -> bytes:
    """Read a user data header (3GPP TS 23.040 §9.2.3.24): UDHL, then IEs."""
    try:
        header = bytes.fromhex(text)
    except ValueError:
        raise invalid("udh is not hexadecimal", "udh") from None
    if not header or header[0] != len(header) - 1 or len(header) > 140:
        raise invalid("udh does not begin with its own length (UDHL)", "udh")
    at = 1
    while at + 1 < len(header):
        at += 2 + header[at + 1]
    if at != len(header):
        raise invalid("udh has an information element that runs past it", "udh")
    return header


def correlation(raw: msgspec.Raw) -> msgspec.Raw:
    """Keep the JSON as it was written, without line breaks, and check its UTF-8."""
    if raw is NULL:
        return raw
    octets = bytes(raw)
    if len(octets) > CORRELATION_LIMIT:
        raise InvalidMessage(
            "too_long", f"correlation is over {CORRELATION_LIMIT} bytes", "correlation"
        )
    if not octets.isascii():
        try:
            octets.decode()
        except UnicodeDecodeError as fault:
            raise invalid(f"correlation is not UTF-8: {fault}", "correlation") from None
    if b"\n" in octets or b"\r" in octets:
        octets = msgspec.json.format(octets, indent=-1)
    return msgspec.Raw(octets)


_OCTET_FIELDS: Final = (
    "protocol_id",
    "priority_flag",
    "registered_delivery",
    "replace_if_present_flag",
)
# SMPP 3.4 §5.2: longest C-octet strings, without their NUL
_STRING_FIELDS: Final = (
    ("service_type", 5),
    ("validity_period", 16),
    ("schedule_delivery_time", 16),
)


def check_smpp(options: SmppOptions) -> None:
    for name in _OCTET_FIELDS:
        octet: int | None = getattr(options, name)
        if octet is not None and not 0 <= octet <= 255:
            raise invalid(f"{name} is 0 to 255", f"smpp.{name}")
    for name, limit in _STRING_FIELDS:
        value: str | None = getattr(options, name)
        if value is None:
            continue
        if len(value) > limit or not value.isascii() or "\0" in value:
            raise invalid(f"{name} is up to {limit} of ASCII", f"smpp.{name}")
    for tag, value in options.tlvs.items():
        if not _is_tlv_tag(tag) or not _is_hexadecimal(value):
            raise invalid(
                'a TLV is written "0x1403": "hexadecimal octets"', "smpp.tlvs"
            )


def _is_hexadecimal(value: Any) -> bool:
    try:
        bytes.fromhex(value)
    except ValueError:
        return False
    return True


# name -> what to look into below it
Tree = Mapping[str, "Tree"]

_outermost: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# An object is a tuple of (name, value), an array is a list.
_pairs: Final = json.JSONDecoder(object_pairs_hook=tuple, strict=False).decode


def check_names(body: bytes, tree: Tree) -> None:
    """Raise `InvalidMessage` with the path of a name that an object has twice.

    `body` is an object that msgspec has read.  Each member costs one colon, so that as
    many colons as names show, at a tenth of the price of reading the message, that no
    name comes twice.  A colon elsewhere (in a text, an object within) has the pairs
    read, which costs three times as much.
    """
    if body.count(b":") == len(_outermost(body)):
        return
    # A faulty octet stands only in what is kept as it is, and is complained of there.
    try:
        found = _pairs(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as fault:
        raise invalid(f"not JSON in UTF-8: {fault}", None) from None
    twice = _repeated(found, tree)
    if twice is not None:
        raise invalid(f"{twice} is given twice", twice)


def _repeated(pairs: tuple[tuple[str, Any], ...], tree: Tree) -> str | None:
    known = set()
    for name, value in pairs:
        if name in known:
            return name
        known.add(name)
        if name in tree and isinstance(value, tuple):
            within = _repeated(value, tree[name])
            if within is not None:
                return f"{name}.{within}"
    return None
