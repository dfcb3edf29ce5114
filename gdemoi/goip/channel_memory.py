"""What a GoIP channel keeps over a restart: daily counts, and affinities.

Written to the journal's cursors a little after it changes: the counts soon, because
a daily limit must hold; the affinities rarely, because they are many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gdemoi.errors import Unavailable
from gdemoi.goip.lines import Affinity, Line
from gdemoi.tasks import Alarm, spawn

COUNTS_PAUSE_S: Final = 5.0
TALKS_PAUSE_S: Final = 60.0

_encode = msgspec.json.Encoder().encode
_counts = msgspec.json.Decoder(dict[str, tuple[int, int]]).decode
_affinity = msgspec.json.Decoder(dict[str, str]).decode


class ChannelMemory:
    """Loads and saves; `changed()` after every SMS."""

    log = Logger()

    def __init__(
        self,
        channel: str,
        lines: Mapping[str, Line],
        affinity: Affinity,
        clock: IReactorTime,
        cursor: Callable[[str], Deferred[str | None]],
        set_cursor: Callable[[str, str], Deferred[None]],
    ) -> None:
        self._counts_name = f"goip:{channel}:counts"
        self._affinity_name = f"goip:{channel}:talks"
        self._lines = lines
        self._affinity = affinity
        self._clock = clock
        self._cursor = cursor
        self._set_cursor = set_cursor
        self._saved_counts = ""
        self._counts_alarm = Alarm(clock, self._ring_counts)
        self._affinity_alarm = Alarm(clock, self._affinity_due)
        self._armed = False

    async def load(self) -> None:
        """Take back what the process before this one knew."""
        try:
            counts = await self._cursor(self._counts_name)
            affinity = await self._cursor(self._affinity_name)
            for name, (day, sent) in _counts(counts or "{}").items():
                line = self._lines.get(name)
                if line is not None and line.day == 0:
                    line.day, line.sent_today = day, sent
            self._affinity.load(_affinity(affinity or "{}"))
        except (Unavailable, msgspec.DecodeError) as fault:
            self.log.warn("daily counts are not known: {fault}", fault=str(fault))

    def changed(self) -> None:
        """Save before long."""
        if not self._armed:
            self._armed = True
            self._counts_alarm.set(self._clock.seconds() + COUNTS_PAUSE_S)
        if self._affinity.changed:
            self._affinity.changed = False
            self._affinity_alarm.set(self._clock.seconds() + TALKS_PAUSE_S)

    async def save(self) -> None:
        """Save now, and no more; for the end."""
        self._counts_alarm.cancel()
        self._affinity_alarm.cancel()
        await self._save_counts()
        await self._save_affinity()

    def _ring_counts(self) -> None:
        self._armed = False
        spawn(self._save_counts(), self.log, "saving daily counts")

    def _affinity_due(self) -> None:
        spawn(self._save_affinity(), self.log, "saving who talked with whom")

    async def _save_counts(self) -> None:
        counts = {
            name: (line.day, line.sent_today)
            for name, line in self._lines.items()
            if line.day
        }
        text = _encode(counts).decode("ascii")
        if (
            counts
            and text != self._saved_counts
            and await self._save(self._counts_name, text)
        ):
            self._saved_counts = text

    async def _save_affinity(self) -> None:
        affinity = self._affinity.saved()
        if affinity:
            await self._save(self._affinity_name, _encode(affinity).decode())

    async def _save(self, name: str, text: str) -> bool:
        try:
            await self._set_cursor(name, text)
        except Unavailable as fault:
            self.log.warn("could not save {name}: {fault}", name=name, fault=str(fault))
            return False
        return True
