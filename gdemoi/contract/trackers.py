"""What is set for one tracker by hand, as HTTP takes it and the journal keeps it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gdemoi.contract.fields import check_names, invalid
from gdemoi.moments import rfc3339


class TrackerSetting(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is set for a number; it goes before the sections ``[tracker:…]``.

    `profile` None: none, whatever the sections say; `strict` None: as the section that
    fits says.  Stored as it is: fields are only ever added at the end, with defaults.
    """

    profile: str | None
    strict: bool | None = None
    # seconds since the epoch
    changed_at: float = 0.0


class TrackerBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``PUT /v1/trackers/NUMBER``."""

    profile: Annotated[str, Meta(min_length=1, max_length=64)] | None
    strict: bool | None = None


_decode = msgspec.json.Decoder(TrackerBody).decode


def read_body(body: bytes) -> TrackerBody:
    """Read what is to be set; raise `InvalidMessage` naming the field."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        text, _, place = str(fault).partition(" - at `$.")
        named = text.partition("field `")[2].rstrip("`")
        field = place.rstrip("`") or named or None
        raise invalid(text, field) from None
    check_names(body, {})
    return found


def tracker_json(number: str, setting: TrackerSetting) -> dict[str, Any]:
    """Return what is set for a number, JSON-ready."""
    return {
        "number": number,
        "profile": setting.profile,
        "strict": setting.strict,
        "changed_at": rfc3339(setting.changed_at),
    }
