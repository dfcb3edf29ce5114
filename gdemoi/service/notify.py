"""What systemd is told: ready, reloading, stopping, alive (sd_notify(3)).

Words go as datagrams to the socket that NOTIFY_SOCKET names; without it (no systemd,
or ``Type=exec``) nothing is sent.  A watchdog is fed while the reactor turns and the
journal's thread answers, be it with a fault: starting anew mends no full disk.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

log = Logger()

# The watchdog is fed this often within its time.
_FEEDINGS: Final = 3
_MICROSECONDS: Final = 1_000_000


class ServiceManager:
    """The way to systemd."""

    def __init__(
        self,
        environment: Mapping[str, str],
        clock: IReactorTime,
        is_alive: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._is_alive = is_alive
        self._monotonic = monotonic
        self._feeding = LoopingCall(self._feed)
        self._feeding.clock = clock
        self.watchdog_s = _watchdog_s(environment)

    def ready(self, status: str) -> None:
        """The gateway takes messages; from now on the watchdog is fed."""
        self._tell(f"READY=1\nSTATUS={status}")
        if self.watchdog_s is not None and not self._feeding.running:
            every_s = self.watchdog_s / _FEEDINGS
            # it runs until `stopping`; what fails is logged
            self._feeding.start(every_s)  # type: ignore[unused-awaitable]

    def reloading(self) -> None:
        """The configuration is read again; `ready` ends that."""
        microseconds = int(self._monotonic() * _MICROSECONDS)
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def stopping(self) -> None:
        """The gateway ends."""
        if self._feeding.running:
            self._feeding.stop()
        self._tell("STOPPING=1")

    def _feed(self) -> None:
        if self._is_alive():
            self._tell("WATCHDOG=1")
        else:
            log.error("the watchdog is not fed: the journal does not answer")

    def _tell(self, words: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
                way.setblocking(False)
                way.sendto(words.encode(), address)
        except OSError as fault:
            log.warn("systemd cannot be told: {why}", why=fault.strerror or fault)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """Return the watchdog's time, if this process is the one that feeds it."""
    wanted = environment.get("WATCHDOG_USEC", "")
    owner = environment.get("WATCHDOG_PID", "")
    if not wanted.isdecimal() or (owner and owner != str(os.getpid())):
        return None
    return int(wanted) / _MICROSECONDS or None
