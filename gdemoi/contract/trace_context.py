"""The trace that a message belongs to: W3C Trace Context, ``traceparent``.

It is carried from the request or the AMQP delivery into events and the log, as it
came: the gateway makes no spans of its own.  What is not a ``traceparent`` counts as
absent, as the specification asks (§3.2): it must never keep a message from being taken.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

HEADER: Final = "traceparent"
# §3.2.2: version, trace-id, parent-id, trace-flags; later versions may add more
_FORM: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-"
    r"([0-9a-f]{2})(-[\x21-\x7e]{0,100})?"
)


class TraceIds(NamedTuple):
    """The parts of a ``traceparent``, in hexadecimal."""

    trace_id: str
    span_id: str
    trace_flags: str


def traceparent(value: Any) -> str | None:
    """Return a header's value if it is a ``traceparent``, else None."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return None
    match = _FORM.fullmatch(value)
    if match is None or (match[1] == "00" and match[5] is not None):
        return None
    return value


def ids_of(value: str) -> TraceIds:
    """Return the parts of what `traceparent` returned."""
    _, trace_id, span_id, flags = value.split("-")[:4]
    return TraceIds(trace_id, span_id, flags)
