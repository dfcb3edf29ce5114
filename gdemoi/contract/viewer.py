"""What those see who may look and not touch: everything but what messages say.

Works on the JSON of stories, events and receipts, so that a field that is added there
is looked at too.  Errors keep their words; they are the gateway's or the carrier's.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

HIDDEN: Final = "***"
# what tells a text in other letters, at any depth
_OCTETS: Final = frozenset(
    {"binary", "raw", "octets", "udh", "user_data", "wire", "correlation"}
)
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


def mask(text: str) -> str:
    """Return a text of the same length and form: ``Set 12!`` is ``xxx 00!``."""
    return "".join(
        "0" if char.isdecimal() else "x" if char.isalnum() else char for char in text
    )


def for_viewer(value: Any, name: str = "") -> Any:
    """Return what a viewer sees of a JSON value that is called `name`."""
    if name == "error":
        return value
    if name in _OCTETS and value is not None:
        return HIDDEN
    if isinstance(value, dict):
        return {key: for_viewer(one, key) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [for_viewer(one, name) for one in value]
    if name == "text" and isinstance(value, str):
        return mask(value)
    return value


def event_for_viewer(body: bytes) -> bytes:
    """Return what a viewer sees of an event; alerts are about the gateway."""
    event = _decode(body)
    if event.get("type") == "alert":
        return body
    return _encode(for_viewer(event))
