"""The SMS of each line whose fate nobody knows yet, for an hour.

A late OK or ERROR, or a receipt, may still tell it.  A receipt may also come while
the exchange is still waiting for a verdict that was lost: it is kept as an orphan,
and is the verdict when the exchange ends without one.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import define, field, frozen

from gdemoi.goip.numbers import agree
from gdemoi.goip.session_events import GoipJob

UNSURE_S: Final = 3600.0
UNSURE_LIMIT: Final = 50
ORPHANS_LIMIT: Final = 200


@frozen
class _UncertainSms:
    job: GoipJob
    at: float


@frozen
class UnmatchedReceipt:
    """A receipt that no SMS was known for."""

    line: str
    number: str
    sms_no: str
    at: float


@define(eq=False)
class UncertainSms:
    """By line; the oldest of each are forgotten."""

    _lines: dict[str, deque[_UncertainSms]] = field(factory=dict)
    _orphans: deque[UnmatchedReceipt] = field(
        factory=lambda: deque(maxlen=ORPHANS_LIMIT)
    )

    def is_empty_for(self, line: str, number: str) -> bool:
        """Whether no SMS of a line to this number is unsure."""
        kept = self._lines.get(line, ())
        return not any(agree(one.job.to, number) for one in kept)

    def keep(self, unmatched: UnmatchedReceipt) -> None:
        """Remember a receipt that came while its SMS may be under way."""
        self._orphans.append(unmatched)

    def adopt(self, line: str, number: str, since: float) -> UnmatchedReceipt | None:
        """Return the one orphan that can be about an SMS begun at `since`."""
        mine = [
            one
            for one in self._orphans
            if one.line == line and one.at >= since and agree(one.number, number)
        ]
        if len(mine) != 1:
            return None
        self._orphans.remove(mine[0])
        return mine[0]

    def note(self, line: str, job: GoipJob, now: float) -> None:
        """Remember an SMS that may have gone out."""
        kept = self._lines.setdefault(line, deque(maxlen=UNSURE_LIMIT))
        kept.append(_UncertainSms(job, now))

    def settle(self, line: str, job: GoipJob) -> bool:
        """Forget a job; False when it was settled before."""
        kept = self._lines.get(line, deque())
        mine = [one for one in kept if one.job is job]
        if mine:
            kept.remove(mine[0])
        return bool(mine)

    def claim(self, line: str, number: str, now: float) -> GoipJob | None:
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
