"""A port of our own that is opened as soon as it can be had.

What has it may be this very program as it was before a reload: so it is tried again
and again, and whoever waits for the first try hears why it failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IListeningPort,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gdemoi.errors import CannotListen
from gdemoi.ini.listeners import parts_of
from gdemoi.net.faults import UNOPENED, of_port
from gdemoi.tasks import background

# A port that another has is tried again after so long.
LISTEN_AGAIN_S: Final = 10.0
# Connections that the kernel keeps for us until they are taken.
BACKLOG: Final = 511
_WITH_BACKLOG: Final = ("tcp", "tcp4", "tcp6", "ssl", "unix")


def server_endpoint(reactor: Any, description: str) -> IStreamServerEndpoint:
    """Return the endpoint of an ini's ``listen``, with room for many at once.

    Twisted's own backlog is 50: of more connections in one moment the kernel drops the
    first segment, and the client tries again only a second later.
    """
    kind = description.removeprefix("haproxy:").partition(":")[0]
    named = parts_of(description)[1]
    if kind in _WITH_BACKLOG and "backlog" not in named:
        description = f"{description}:backlog={BACKLOG}"
    endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    return endpoint


@define(eq=False)
class PersistentPort:
    """The port `where`, which the ini's `key` names.

    `listen` opens it: it returns the port, or a Deferred of it.  `changed` hears each
    new reason why it cannot be had, and None when it is open.  `first` fires with why
    the first try failed, None when it did not; `why` tells why there is no port now.
    """

    _clock: IReactorTime
    _log: Logger
    _key: str
    _where: str
    _listen: Callable[[], Any]
    _changed: Callable[[str | None], None]
    first: Deferred[CannotListen | None] = field(factory=Deferred, init=False)
    port: IListeningPort | None = field(default=None, init=False)
    why: str = field(default="not started", init=False)
    _opening: Deferred[Any] | None = field(default=None, init=False)
    _stopped: bool = field(default=False, init=False)

    def start(self) -> None:
        """Begin to try, unless it was stopped before."""
        if self._stopped:
            return
        self._opening = background(self._open(), self._log, f"opening {self._where}")

    async def stop(self) -> None:
        """Try no more, and close it."""
        self._stopped = True
        self.why = "stopped"
        if self._opening is not None:
            self._opening.cancel()
        port, self.port = self.port, None
        if port is not None:
            await maybeDeferred(port.stopListening)

    async def _open(self) -> None:
        while self.port is None:
            try:
                self.port = await maybeDeferred(self._listen)
            except UNOPENED as fault:
                why = CannotListen(self._key, f"{self._where}: {of_port(fault)}")
                if str(why) != self.why:
                    self.why = str(why)
                    self._changed(self.why)
                self._tell_first(why)
                await deferLater(self._clock, LISTEN_AGAIN_S)
        self._tell_first(None)
        self._changed(None)

    def _tell_first(self, why: CannotListen | None) -> None:
        if not self.first.called:
            self.first.callback(why)
