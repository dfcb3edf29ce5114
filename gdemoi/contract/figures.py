"""Figures: what is counted while the gateway runs, and one look at all of it.

Counting stands in the hot path, so that these are plain numbers in lists and slots:
whoever counts holds the object, and labels and text are made when somebody asks
(`gdemoi.http.metrics`, `gdemoi.alerts`).  All counts are of this process: they begin
with 0 at its start, as Prometheus expects of counters.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from attrs import field, frozen

from gdemoi.message import Accepted, Error, MessageState, Outcome, Refused

# Upper bounds in seconds.  A message leaves within milliseconds, or waits for its lane.
WAIT_BOUNDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0,
)  # fmt: skip
RESPONSE_BOUNDS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
)  # fmt: skip
RECEIPT_BOUNDS: Final = (
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0,
    86400.0, 259200.0,
)  # fmt: skip
COMMIT_BOUNDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
BATCH_BOUNDS: Final = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0)
# Statuses of one channel that are told apart: a far side may invent any number.
STATUSES: Final = 100
ACCEPTED: Final = "accepted"
UNCERTAIN: Final = "uncertain"
OTHER: Final = "other"


class Histogram:
    """How often values fell between bounds, and their sum.

    `observe` costs a bisection; one thread observes, any may read.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Iterable[float]) -> None:
        self.bounds = tuple(bounds)
        # one more than bounds: what is beyond the last
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value; below zero (a clock was put back) it is zero."""
        if value < 0.0:
            value = 0.0
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def cumulative(self) -> list[tuple[float, int]]:
        """Return (upper bound, values up to it), the last bound being infinity."""
        bounds = (*self.bounds, float("inf"))
        return list(zip(bounds, accumulate(self.counts), strict=True))


class LaneFigures:
    """What one channel's lane counts; it outlives a changed configuration."""

    __slots__ = (
        "accepted",
        "inbound",
        "publish_to_submit",
        "refused",
        "submit_to_response",
        "uncertain",
    )

    def __init__(self) -> None:
        self.accepted = 0
        self.uncertain = 0
        # code of the error -> how often
        self.refused: Counter[str] = Counter()
        self.inbound = 0
        self.publish_to_submit = Histogram(WAIT_BOUNDS)
        self.submit_to_response = Histogram(RESPONSE_BOUNDS)

    def heard(self, outcome: Outcome) -> None:
        """Count an answer of the far side, in time or late."""
        if isinstance(outcome, Accepted):
            self.accepted += 1
        elif not isinstance(outcome, Refused):
            self.uncertain += 1
        elif not outcome.by_us:
            code = outcome.error.code
            if code not in self.refused and len(self.refused) >= STATUSES:
                code = OTHER
            self.refused[code] += 1

    def statuses(self) -> dict[str, int]:
        """Return how often each status came."""
        return {
            ACCEPTED: self.accepted,
            UNCERTAIN: self.uncertain,
            **dict(self.refused),
        }


class JournalFigures:
    """What the journal counts, in its writing thread, of what is committed."""

    __slots__ = ("batch_size", "commit_s", "errors", "states", "submit_to_receipt")

    def __init__(self) -> None:
        self.commit_s = Histogram(COMMIT_BOUNDS)
        self.batch_size = Histogram(BATCH_BOUNDS)
        # (channel, state) -> how often a message came to that state there
        self.states: Counter[tuple[str | None, MessageState]] = Counter()
        # channel -> when an error of a message was last told there, and which
        self.errors: dict[str | None, tuple[float, Error]] = {}
        self.submit_to_receipt: dict[str, Histogram] = {}

    def waited_for_receipt(self, channel: str, seconds: float) -> None:
        """Count the time from a submit to the receipt that ended its message."""
        found = self.submit_to_receipt.get(channel)
        if found is None:
            found = self.submit_to_receipt[channel] = Histogram(RECEIPT_BOUNDS)
        found.observe(seconds)


@frozen(kw_only=True)
class StoredFigures:
    """What only a query of the journal knows.

    `oldest_s`: how long the oldest message that could leave waits, by channel;
    `octets`: the size of the database, with its write-ahead log.
    """

    states: Mapping[str, int] = field(factory=dict)
    unmatched: int = 0
    oldest_s: Mapping[str, float] = field(factory=dict)
    octets: int = 0


@frozen(kw_only=True)
class AmqpStatus:
    """How the broker's side stands, for the status page, the metrics and alerts.

    `taken`, `invalid`, `published` and `passed` count since the start; `unsettled` are
    deliveries without an ack, `held` those that the gateway does not take now;
    `unconfirmed` publishes without a confirm, `behind` events that are not with the
    broker; `lag_s` is the age of the oldest of them.
    """

    state: str
    reason: str
    broker: str
    blocked: str | None
    taken: int
    invalid: int
    unsettled: int
    held: int
    published: int
    passed: int
    unconfirmed: int
    behind: int
    # why events stand still, when they do
    stuck: str | None
    lag_s: float = 0.0


@frozen(kw_only=True)
class Figures:
    """One look at a running gateway.

    `unready` are the reasons why it takes no messages; `channels` is what
    `Gateway.channels` returns, `doors` what `Gateway.doors` does; `stored` is None
    while the journal cannot be read, `amqp` where there is none; `alerts` is what
    `Gateway.alerts` returns.
    """

    at: float
    unready: Sequence[str] = ()
    channels: Sequence[Mapping[str, Any]] = ()
    lanes: Mapping[str, LaneFigures] = field(factory=dict)
    journal: JournalFigures = field(factory=JournalFigures)
    stored: StoredFigures | None = None
    last_event: int = 0
    amqp: AmqpStatus | None = None
    doors: Sequence[Mapping[str, Any]] = ()
    alerts: Sequence[Mapping[str, Any]] = ()
