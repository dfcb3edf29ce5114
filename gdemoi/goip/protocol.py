"""The UDP shell of a `GoipSession`: datagrams, one timer, a quiet log.

No protocol rule lives here.  All lines are spoken to from the one listening
socket, because their NATs keep only that way open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.internet.error import MessageLengthError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from gdemoi.goip.session import GoipSession
from gdemoi.goip.session_events import DatagramRejected, SessionEvent
from gdemoi.net.faults import in_words
from gdemoi.tasks import Alarm

# Strangers must not fill the log: so many lines of them in so much time.
ODD_LINES: Final = 5
ODD_PERIOD_S: Final = 60.0


class GoipProtocol(DatagramProtocol):
    """Carries datagrams between the socket and the session.

    `reported(events)` gets all events of the session but rejected datagrams, which
    are logged here.
    """

    log = Logger()
    noisy = False

    def __init__(
        self,
        name: str,
        session: GoipSession,
        clock: IReactorTime,
        reported: Callable[[Sequence[SessionEvent]], None],
    ) -> None:
        self.name = name
        self.session = session
        self.unwritten = 0
        self._clock = clock
        self._on_events = reported
        self._alarm = Alarm(clock, self._on_timer)
        self._rejected_since = float("-inf")
        self._rejected_count = 0

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Take a datagram from the socket."""
        now = self._clock.seconds()
        self.settle(self.session.receive(datagram, (addr[0], addr[1]), now))

    def settle(self, events: list[SessionEvent]) -> None:
        """After each verb of the session: write, set the timer, hand on the events."""
        self.flush()
        if events:
            heard = [
                event for event in events if not isinstance(event, DatagramRejected)
            ]
            for event in events:
                if isinstance(event, DatagramRejected):
                    self._log_rejected(event)
            if heard:
                self._on_events(heard)

    def flush(self) -> None:
        """Write what the session wants written; follow its next deadline."""
        for datagram, address in self.session.outbox():
            self._write(datagram, address)
        self._alarm.set(self.session.next_deadline())

    def stopProtocol(self) -> None:
        """The socket is closed: no timer is left."""
        self._alarm.cancel()

    def _write(self, datagram: bytes, address: tuple[str, int]) -> None:
        """Write; a datagram that the system refuses is as good as lost."""
        if self.transport is None:
            self.unwritten += 1
            return
        try:
            self.transport.write(datagram, address)
        except (OSError, MessageLengthError) as fault:
            self.unwritten += 1
            self.log.warn(
                "{channel}: a datagram to {host} could not be written: {fault}",
                channel=self.name,
                host=address[0],
                fault=in_words(fault),
            )

    def _on_timer(self) -> None:
        self.settle(self.session.tick(self._clock.seconds()))

    def _log_rejected(self, rejected: DatagramRejected) -> None:
        now = self._clock.seconds()
        if now - self._rejected_since >= ODD_PERIOD_S:
            if self._rejected_count > ODD_LINES:
                self.log.info(
                    "{channel}: {count} more datagrams were not taken",
                    channel=self.name,
                    count=self._rejected_count - ODD_LINES,
                )
            self._rejected_since, self._rejected_count = now, 0
        self._rejected_count += 1
        if self._rejected_count <= ODD_LINES:
            self.log.info(
                "{channel}: a datagram from {host}:{port} was not taken: {why}",
                channel=self.name,
                host=rejected.host,
                port=rejected.port,
                why=rejected.why,
            )
