"""Sees from time to time whether the journal can be written."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime

from gdemoi.alarm import Alarm
from gdemoi.journal.journal import BEAT_S, Journal

# In trouble: who waits for the gateway to be ready does not wait long for that.
AGAIN_S: Final = 1.0


class WriteProbe:
    """Lets a journal beat, more often while it is in trouble."""

    def __init__(self, journal: Journal, clock: IReactorTime) -> None:
        self._journal = journal
        self._clock = clock
        self._alarm = Alarm(clock, self._beat)

    def start(self) -> None:
        """Begin; the journal must be open."""
        self._alarm.set(self._clock.seconds() + BEAT_S)

    def stop(self) -> None:
        """Leave no timer."""
        self._alarm.cancel()

    def _beat(self) -> None:
        self._journal.beat()
        pause_s = BEAT_S if self._journal.trouble() is None else AGAIN_S
        self._alarm.set(self._clock.seconds() + pause_s)
