"""Facts about an outbound message, in the order in which they may be told.

The dispatcher decides (`Decision`), the journal records (`Fact`): each fact is
written in one transaction together with the events that it causes.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from gdemoi.message import (
    Error,
    HttpOrigin,
    Inbound,
    MessageState,
    Outbound,
    Outcome,
    Progress,
    SmppOrigin,
    Tracker,
)


class Submitted(msgspec.Struct, frozen=True, gc=False):
    """The far side has it; wait for receipts (or not: final)."""

    final: bool = False


class Wait(msgspec.Struct, frozen=True, gc=False):
    """Try again on `channel` not before `until`."""

    until: float
    channel: str
    error: Error | None = None


class Hold(msgspec.Struct, frozen=True, gc=False):
    """May have gone out: nothing is sent; `uncertain` is told at `until`.

    `error` says why, where the last attempt's own does not.
    """

    until: float
    error: Error | None = None


class Final(msgspec.Struct, frozen=True, gc=False):
    """This is the last word."""

    state: MessageState
    error: Error | None = None


Decision = Submitted | Wait | Hold | Final


class Acceptance(msgspec.Struct, frozen=True, gc=False):
    """A new message with what is already known of its way.

    `channel` is the lane that it stands in; `attempting` says that attempt 1 on
    that channel rides in the same commit.  `next` is set when the message is
    over or must wait before it began (rejected on arrival, no route, expired).
    `fingerprint` tells a repeat of the same content from a reused id.
    """

    message: Outbound
    fingerprint: bytes
    channel: str | None
    attempting: bool = False
    next: Wait | Final | None = None


class Stored(msgspec.Struct, frozen=True, gc=False):
    """The message is in the journal; `tracker`: what its profile finds.

    `waits`: its attempt did not begin, since another gateway has a command to this
    number under way.  `began` is False when its attempt was to begin in the same commit
    (`Acceptance.attempting`) and could not: the channel is another gateway's now.
    """

    tracker: Tracker | None = None
    waits: bool = False
    began: bool = True


class Duplicate(msgspec.Struct, frozen=True, gc=False):
    """The same message was taken before; it stands at `state`."""

    state: MessageState


class IdReused(msgspec.Struct, frozen=True, gc=False):
    """The id was used before for another content: `id_reused`."""


class Rejected(msgspec.Struct, frozen=True):
    """The message cannot be sent by any way that it may go."""

    error: Error


AcceptResult = Stored | Duplicate | IdReused


class Spend(msgspec.Struct, frozen=True, gc=False):
    """So many SMS of a line's budget, in one of the periods that it counts in.

    `scope` names the line (and the number, where that is counted by itself), `period`
    the hour, day or month, which ends at `ends`.
    """

    scope: str
    period: str
    units: int
    ends: float


class AttemptStarted(msgspec.Struct, frozen=True, gc=False):
    """Attempt number `attempt` (from 1) on `channel` is about to leave.

    `spends`: what is counted of it against the budget of its line, in the same commit.
    """

    id: str
    attempt: int
    channel: str
    at: float
    spends: tuple[Spend, ...] = ()


class AttemptEnded(msgspec.Struct, frozen=True, gc=False):
    """Attempt `attempt` ended in `outcome`; `next` is what was decided.

    `returned`: what its intent had counted, when nothing left after all.
    """

    id: str
    attempt: int
    channel: str
    account: str
    outcome: Outcome
    next: Decision
    at: float
    returned: tuple[Spend, ...] = ()


class Decided(msgspec.Struct, frozen=True, gc=False):
    """Without an attempt: wait longer, move to another lane, hold it, or end it."""

    id: str
    next: Wait | Hold | Final
    at: float


class Cancelled(msgspec.Struct, frozen=True, gc=False):
    """The platform takes the message back; only what has not left can be."""

    id: str
    at: float


class MessageStep(msgspec.Struct, frozen=True, gc=False):
    """A message came to a state, and that is committed: for the log and the CDR file.

    `segments` are total, submitted, delivered and failed ones; `submitted_at` is when
    the first attempt began, None before.
    """

    message: Outbound
    state: MessageState
    final: bool
    at: float
    channel: str | None
    line: str | None
    attempt: int
    segments: tuple[int, int, int, int]
    provider_ids: tuple[str, ...]
    error: Error | None
    submitted_at: float | None = None


class InboundStep(msgspec.Struct, frozen=True, gc=False):
    """An SMS came in whole, and that is committed."""

    inbound: Inbound
    inbound_id: str


Step = MessageStep | InboundStep

Fact = AttemptStarted | AttemptEnded | Decided | Cancelled


class Permission(Enum):
    """What the journal says to an attempt that is about to leave."""

    GO = "go"
    # the message has moved past it: it is over, or was tried meanwhile
    PAST = "past"
    # another gateway has a command to the same number under way
    LATER = "later"


class Holding(msgspec.Struct, frozen=True, gc=False):
    """A command that others to its number wait for, in the order of acceptance.

    `until`: nobody waits for it any more (inf: not known yet; None: at once).  It is in
    line from `since` on, and `begun` when an attempt of it was about to leave.
    """

    to: str
    id: str
    until: float | None
    since: float = 0.0
    begun: bool = False


class QueuedMessage(msgspec.Struct, frozen=True, gc=False):
    """A message that waits for its lane, with the channels tried so far.

    `attempts` is the number of the last attempt, 0 before the first; `progress` says
    which parts left before, if some did.
    """

    message: Outbound
    channel: str
    tried: tuple[str, ...]
    due: float
    attempts: int = 0
    # how many of them ended unsure
    uncertain_attempts: int = 0
    progress: Progress | None = None


class QueuedBatch(msgspec.Struct, frozen=True, gc=False):
    """The head of a lane's backlog, as one snapshot of the journal shows it.

    `messages` are due, in the order in which they shall leave; `next_due` is when the
    first of the others will be (seconds since 1970), None when no other waits.
    """

    messages: list[QueuedMessage]
    next_due: float | None = None


class InterruptedAttempt(msgspec.Struct, frozen=True, gc=False):
    """An unsure attempt, found when the journal was opened.

    Its outcome was never heard, or (`held`) it was Unsure and the message is held;
    `provider_ids` are those that are known, `progress` what left in part before.
    """

    message: Outbound
    channel: str
    attempt: int
    tried: tuple[str, ...]
    held: bool = False
    provider_ids: tuple[str, ...] = ()
    # how many attempts ended unsure, without one that has no outcome yet
    uncertain_attempts: int = 0
    progress: Progress | None = None


class OutboxEvent(msgspec.Struct, frozen=True, gc=False):
    """One row of the outbox, ready to publish.

    `seq` numbers all events of this journal; `routing_key` is relative to the
    events exchange; `body` is its JSON (docs/events.rst), as bytes.
    """

    seq: int
    event_id: str
    routing_key: str
    body: bytes
    message_id: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    # of a message that an SMPP client submitted
    origin: SmppOrigin | None = None
    traceparent: str | None = None
    # of a message that came by an HTTP door
    http_origin: HttpOrigin | None = None
