"""Messages and facts to test with, short to write."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.facts import (
    Acceptance,
    AttemptEnded,
    AttemptStarted,
    Decision,
    Final,
    Hold,
    QueuedBatch,
    Submitted,
    Wait,
)
from gdemoi.journal import Journal
from gdemoi.message import (
    Accepted,
    Error,
    Inbound,
    MessageState,
    Outbound,
    Outcome,
    Progress,
    Receipt,
    Refused,
    Uncertain,
)

NOW = 1_000_000.0
TTL = 7_200.0
BUSY = Error("smpp:0x14", "queue full", True)
BAD = Error("smpp:0xb", "no such number")


def message(name: str = "m1", **fields: Any) -> Outbound:
    """Return a message accepted at NOW."""
    whole: dict[str, Any] = {
        "id": name,
        "to": "+79161112233",
        "accepted_at": NOW,
        "expires_at": NOW + TTL,
        "text": "text",
        "correlation": msgspec.Raw(b'{"k":1}'),
        **fields,
    }
    return Outbound(**whole)


def acceptance(
    name: str = "m1",
    channel: str | None = "mts",
    attempting: bool = False,
    following: Wait | Final | None = None,
    fingerprint: bytes = b"same",
    **fields: Any,
) -> Acceptance:
    """Return the acceptance of `message(name, …)`."""
    return Acceptance(
        message(name, **fields), fingerprint, channel, attempting, following
    )


def attempting(
    name: str = "m1", attempt: int = 1, channel: str = "mts", at: float = NOW
) -> AttemptStarted:
    """Return the intent of an attempt."""
    return AttemptStarted(name, attempt, channel, at)


def answered(
    outcome: Outcome,
    following: Decision,
    name: str = "m1",
    attempt: int = 1,
    channel: str = "mts",
    at: float = NOW + 1,
) -> AttemptEnded:
    """Return the end of an attempt."""
    return AttemptEnded(name, attempt, channel, channel, outcome, following, at)


def taken(
    *provider_ids: str, final: bool = False, segments: int = 0, **where: Any
) -> AttemptEnded:
    """Return an answer that accepts the message."""
    outcome = Accepted(
        provider_ids=provider_ids, segments=segments or len(provider_ids) or 1
    )
    return answered(outcome, Submitted(final), **where)


def refused(following: Decision, error: Error = BUSY, **where: Any) -> AttemptEnded:
    """Return an answer that refuses the message."""
    return answered(Refused(error=error), following, **where)


def unsure(following: Decision, *provider_ids: str, **where: Any) -> AttemptEnded:
    """Return an attempt of which nobody knows the end."""
    return answered(
        Uncertain(why="no answer", provider_ids=provider_ids), following, **where
    )


def progress(*ids: str | None, account: str = "mts", form: str = "f") -> Progress:
    """Return how far a message in parts has got."""
    return Progress(account=account, ids=ids, segments=len(ids), reference=7, form=form)


def refused_in_part(
    following: Decision, *ids: str | None, **where: Any
) -> AttemptEnded:
    """Return an answer that refuses a message of which some parts are taken."""
    outcome = Refused(error=BUSY, progress=progress(*ids))
    return answered(outcome, following, **where)


def held(until: float = NOW + 60) -> Hold:
    """Return the decision to send nothing."""
    return Hold(until)


def receipt(
    provider_id: str = "a1",
    state: MessageState = MessageState.DELIVERED,
    error: Error | None = None,
    **fields: Any,
) -> Receipt:
    """Return a receipt of channel (and account) mts."""
    whole: dict[str, Any] = {"account": "mts", "channel": "mts", **fields}
    return Receipt(provider_id=provider_id, state=state, error=error, **whole)


def inbound(text: str | None = "hi", **fields: Any) -> Inbound:
    """Return an SMS that came in."""
    whole: dict[str, Any] = {
        "channel": "mts",
        "from_": "+79160000001",
        "to": "1234",
        "received_at": NOW,
        **fields,
    }
    return Inbound(text=text, **whole)


class JournalTestCase(SynchronousTestCase):
    """A journal in memory, without threads, with a clock to turn."""

    url = "sqlite://"
    settings: ClassVar[dict[str, Any]] = {}

    def setUp(self) -> None:
        """Open it."""
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.journal = self.opened()

    def opened(self, **settings: Any) -> Journal:
        """Return an open journal at `url`, closed when the test is over."""
        journal = Journal(
            self.url, self.clock, inline=True, **{**self.settings, **settings}
        )
        self.did(journal.open())
        self.addCleanup(journal.close)
        return journal

    def did(self, deferred: Deferred[Any]) -> Any:
        """Return what a Deferred fired with."""
        return self.successResultOf(deferred)

    def accept(self, *acceptances: Acceptance) -> Any:
        """Write messages down; return the verdicts."""
        return self.did(self.journal.accept(acceptances))

    def note(self, *facts: Any) -> list[bool]:
        """Record facts; return what each was worth."""
        return [self.did(self.journal.note(fact)) for fact in facts]

    def receive(self, found: Receipt) -> Any:
        """Record a receipt; return the match."""
        return self.did(self.journal.receipt(found))

    def take(self, channel: str, now: float) -> QueuedBatch:
        """Read what is due in a lane."""
        batch: QueuedBatch = self.did(self.journal.take(channel, 9, now, frozenset()))
        return batch

    def sweep(self, now: float) -> None:
        """Let it be `now`."""
        self.clock.rightNow = max(now, self.clock.rightNow)
        self.did(self.journal.sweep(now))

    def bodies(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the published events as a consumer reads them."""
        events = self.did(self.journal.events(after, 1_000))
        return [msgspec.json.decode(event.body) for event in events]

    def states(self, name: str = "m1") -> list[tuple[str, bool]]:
        """Return what was published of a message: state and finality."""
        return [(b["state"], b["final"]) for b in self.bodies() if b.get("id") == name]

    def story(self, name: str = "m1") -> Any:
        """Return the story of a message."""
        return self.did(self.journal.story(name))
