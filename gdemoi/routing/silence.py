"""Submits that go unanswered one after the other: the channel says so in its state.

A far side may keep a link alive and answer no submit: all looks well, and every
message becomes uncertain.  One answer, whatever it says, ends the silence.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from gdemoi.message import Accepted, Outcome, Refused, Uncertain

# So many submits in a row without an answer are no accident.
LIMIT: Final = 3


class Silence:
    """The unanswered submits of one channel since its last answer."""

    def __init__(self) -> None:
        self.count = 0
        # when the first of them was given up (epoch seconds)
        self.since: float | None = None
        # what is told of it: as it was when there were `LIMIT`, empty before
        self.reason = ""

    def heard(self, outcome: Outcome, now: float) -> bool:
        """Take an outcome in; True when there is something new to tell."""
        if isinstance(outcome, Uncertain) and outcome.unanswered:
            self.count += 1
            self.since = now if self.since is None else self.since
            if self.count == LIMIT:
                self.reason = self.present
            return self.count == LIMIT
        if isinstance(outcome, Accepted) or (
            isinstance(outcome, Refused) and not outcome.by_us
        ):
            return self.answered()
        return False

    def answered(self) -> bool:
        """Something was answered; True when the silence had been told."""
        told = bool(self.reason)
        self.count, self.since, self.reason = 0, None, ""
        return told

    @property
    def present(self) -> str:
        """How it is now, in words."""
        since = datetime.fromtimestamp(self.since or 0.0, UTC)
        return f"{self.count} submits unanswered since {since:%H:%M} UTC"
