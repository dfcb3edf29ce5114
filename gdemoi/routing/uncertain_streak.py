"""Submits of which nobody knows, one after the other: the channel says so in its state.

A far side may keep a link alive and answer no submit, or answer each with what leaves
it open ("HTTP 503"): all looks well, and every message becomes uncertain.  One verdict,
taken or refused, ends that.  A connection that broke counts for nothing: it shows in
the state of its link.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from gdemoi.message import Accepted, Outcome, Refused, Uncertain

# So many in a row are no accident.
LIMIT: Final = 3


class UncertainStreak:
    """The uncertain submits of one channel since its last verdict."""

    def __init__(self) -> None:
        self.count = 0
        # when the first of them was given up (epoch seconds)
        self.since: float | None = None
        # those since the last answer, whatever it said
        self.unanswered = 0
        self.unanswered_since: float | None = None
        # what is told of it: as it was when there were `LIMIT`, empty before
        self.reason = ""
        # what the last answer said that left it open; empty: there was none
        self.why = ""

    def heard(self, outcome: Outcome, now: float) -> bool:
        """Take an outcome in; True when there is something new to tell."""
        if isinstance(outcome, Uncertain) and (outcome.unanswered or outcome.unclear):
            return self._uncertain(outcome, now)
        if isinstance(outcome, Accepted) or (
            isinstance(outcome, Refused) and not outcome.by_us
        ):
            return self._verdict()
        return False

    def _uncertain(self, outcome: Uncertain, now: float) -> bool:
        self.count += 1
        self.since = now if self.since is None else self.since
        if outcome.unclear:
            self.why = outcome.why
            self.unanswered, self.unanswered_since = 0, None
        else:
            self.unanswered += 1
            if self.unanswered_since is None:
                self.unanswered_since = now
        if self.count == LIMIT:
            self.reason = self.present
        return self.count == LIMIT

    def _verdict(self) -> bool:
        """Something was said; True when the silence had been told."""
        reported = bool(self.reason)
        self.count, self.since, self.reason, self.why = 0, None, "", ""
        self.unanswered, self.unanswered_since = 0, None
        return reported

    @property
    def present(self) -> str:
        """How it is now, in words."""
        since = f"{datetime.fromtimestamp(self.since or 0.0, UTC):%H:%M} UTC"
        if self.why:
            return f"{self.count} messages uncertain since {since}: {self.why}"
        return f"{self.count} submits unanswered since {since}"
