"""The whole configuration: from a file to one consistent value.

`examine` gives what can be used and everything that is wrong; `load` raises when
anything is.  Rooms: `gateway` (``[gateway]``), `configuration` (the value),
`checks` (between sections), `disk` (real files).  Kinds of channels come from
`gdemoi.kinds`; nothing here knows a protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from os.path import normpath

from gdemoi.ini import Complaint, Sources, parse
from gdemoi.interfaces import ChannelKind
from gdemoi.settings.checks import Examination
from gdemoi.settings.configuration import (
    BadConfiguration,
    ChannelSettings,
    Configuration,
)
from gdemoi.settings.disk import Disk
from gdemoi.settings.gateway import GatewaySettings

__all__ = [
    "BadConfiguration",
    "ChannelSettings",
    "Configuration",
    "Disk",
    "GatewaySettings",
    "examine",
    "known_kinds",
    "load",
]


def known_kinds() -> tuple[ChannelKind, ...]:
    """Return the kinds of channels there are."""
    # Imported late: the settings of one kind are read without loading them all.
    from gdemoi.kinds import KINDS

    return tuple(KINDS)


def examine(
    file: str,
    *,
    kinds: Sequence[ChannelKind] | None = None,
    sources: Sources | None = None,
) -> tuple[Configuration | None, list[Complaint]]:
    """Return the configuration, if it can be used, and all complaints in order.

    Raises `OSError` when the file itself cannot be read.
    """
    file = normpath(file)
    document = parse(file, sources or Disk())
    known = known_kinds() if kinds is None else kinds
    examination = Examination(file, document, known)
    examination.run()
    document.complaints.sort(key=lambda one: (one.place.file != file, one.place))
    if document.errors:
        return None, document.complaints
    return examination.result(), document.complaints


def load(
    file: str,
    *,
    kinds: Sequence[ChannelKind] | None = None,
    sources: Sources | None = None,
) -> Configuration:
    """Return the configuration; raise `BadConfiguration` with every complaint."""
    configuration, complaints = examine(file, kinds=kinds, sources=sources)
    if configuration is None:
        raise BadConfiguration([one for one in complaints if not one.warning])
    return configuration
