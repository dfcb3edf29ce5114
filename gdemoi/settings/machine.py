"""What this machine says to a configuration: ports in use, the journal's folder.

It opens ports for a moment and reads; it writes nothing.  All of it may be another
when the gateway starts, so that it is warnings; but for a file that is named and is of
no use.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from twisted.internet.endpoints import serverFromString

from gdemoi.errors import ConfigurationError
from gdemoi.ini import Complaint
from gdemoi.ini.listeners import Listener
from gdemoi.journal.database import Database, url_of
from gdemoi.journal.faults import foreseen
from gdemoi.net.faults import UNOPENED, of_port
from gdemoi.settings.configuration import Configuration


def look(configuration: Configuration) -> list[Complaint]:
    """Return what would keep the gateway from starting here, now."""
    found = [
        configuration.warning(label, one.key, f"{one} cannot be had now: {why}")
        for label, one, _ in listeners(configuration)
        if (why := unavailable(one)) is not None
    ]
    found += [
        configuration.fault(label, one.key, why)
        for label, one, settings in listeners(configuration)
        if (why := _files(getattr(settings, one.key))) is not None
    ]
    why = _journal(configuration)
    if why is not None:
        found.insert(0, configuration.warning("gateway", "journal", why))
    return found


def listeners(configuration: Configuration) -> Iterator[tuple[str, Listener, Any]]:
    """Return each port that is to be opened, with its section: label and settings."""
    sections: list[tuple[str, Any]] = [("http", configuration.http)]
    sections += [(one.label, one.settings) for one in configuration.channels]
    for label, settings in sections:
        listeners_of = getattr(settings, "listeners", None)
        if listeners_of is not None:
            for one in listeners_of():
                yield label, one, settings


def unavailable(listener: Listener) -> str | None:
    """Return why a port cannot be opened now; None: it can."""
    if listener.transport == "unix":
        return None
    kind = socket.SOCK_DGRAM if listener.transport == "udp" else socket.SOCK_STREAM
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    try:
        with socket.socket(family, kind) as trial:
            if kind == socket.SOCK_STREAM:
                # as Twisted: connections that ended lately do not count
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((listener.host, listener.port))
    except OSError as fault:
        return of_port(fault)
    return None


def _files(description: object) -> str | None:
    """Return why the files of an ``ssl:`` description cannot be used."""
    if not isinstance(description, str) or not description.startswith("ssl:"):
        return None
    try:
        serverFromString(object(), description)
    except UNOPENED as fault:
        return of_port(fault)
    return None


def _journal(configuration: Configuration) -> str | None:
    try:
        Database(configuration.journal, configuration.gateway.name)
    except ConfigurationError as fault:
        return str(fault).removeprefix("journal: ")
    url = url_of(configuration.journal)
    if url.get_backend_name() != "sqlite":
        return None
    return foreseen(url.database or "")
