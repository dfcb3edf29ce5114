"""The whole configuration: from a file to one consistent value.

`examine` gives what can be used and everything that is wrong; `load` raises when
anything is.  Modules: `gateway` (``[gateway]``), `configuration` (the value),
`checks` (between sections), `machine` (ports and files of this machine).  Kinds of
channels come from `gdemoi.kinds`; nothing here knows a protocol.
"""

from __future__ import annotations

import glob
import os
import stat
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


class Disk:
    """The real files and environment of this machine: `gdemoi.ini.Sources`."""

    def read(self, path: str) -> bytes:
        """Return a file's octets."""
        with open(path, "rb") as file:
            return file.read()

    def expand(self, pattern: str, beside: str) -> list[str]:
        """Return the files that match, sorted."""
        folder = os.path.dirname(beside)
        return sorted(
            os.path.normpath(found)
            for found in glob.glob(os.path.join(folder, pattern))
        )

    def resolve(self, path: str, beside: str) -> str:
        """Return `path`, relative to the folder of the file `beside`, absolute.

        Absolute, because a daemon goes to another folder.
        """
        return os.path.abspath(os.path.join(os.path.dirname(beside), path))

    def world_readable(self, path: str) -> bool:
        """Tell whether everybody on this machine may read the file."""
        try:
            return bool(os.stat(path).st_mode & stat.S_IROTH)
        except OSError:
            return False

    def variable(self, name: str) -> str | None:
        """Return an environment variable."""
        return os.environ.get(name)
