"""The SMS of each line whose fate nobody knows yet, for an hour.

A late OK or ERROR, or a receipt, may still tell it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import define, field, frozen

from gdemoi.goip.events import Job
from gdemoi.goip.numbers import agree

UNSURE_S: Final = 3600.0
UNSURE_LIMIT: Final = 50


@frozen
class _Unsure:
    job: Job
    at: float


@define(eq=False)
class UnsureSms:
    """By line; the oldest of each are forgotten."""

    _lines: dict[str, deque[_Unsure]] = field(factory=dict)

    def note(self, line: str, job: Job, now: float) -> None:
        """Remember an SMS that may have gone out."""
        kept = self._lines.setdefault(line, deque(maxlen=UNSURE_LIMIT))
        kept.append(_Unsure(job, now))

    def settle(self, line: str, job: Job) -> bool:
        """Forget a job; False when it was settled before."""
        kept = self._lines.get(line, deque())
        mine = [one for one in kept if one.job is job]
        if mine:
            kept.remove(mine[0])
        return bool(mine)

    def claim(self, line: str, number: str, now: float) -> Job | None:
        """Return the one job of a line to this number, and forget it.

        None when there are several: nobody could tell which is meant.
        """
        kept = self._lines.get(line, deque())
        mine = [
            one
            for one in kept
            if now - one.at <= UNSURE_S and agree(one.job.to, number)
        ]
        if len(mine) != 1:
            return None
        kept.remove(mine[0])
        return mine[0].job
