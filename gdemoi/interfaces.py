"""The seams between the layers, as zope interfaces.

Read `IChannel` first: one configured way out, of any kind.  Everything that a
channel wants to tell goes up through `IChannelEvents`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource
from zope.interface import Attribute, Interface

from gdemoi.contract.sticky import KnownWay
from gdemoi.errors import CannotListen
from gdemoi.facts import (
    Acceptance,
    AcceptResult,
    AttemptStarted,
    Fact,
    Holding,
    InterruptedAttempt,
    OutboxEvent,
    QueuedBatch,
    Spend,
)
from gdemoi.kit.budgets import Budgets
from gdemoi.message import (
    Inbound,
    Outbound,
    Outcome,
    Progress,
    Receipt,
    ReceiptMatch,
    Refused,
)


class EncodedMessage(Protocol):
    """A message made ready for one channel: split, encoded, sender chosen.

    What became of its segments stands in the outcome (`Progress`), and so in the
    journal: a later one made from that goes on where this one stood.
    """

    message: Outbound
    segments: int
    sender: str | None
    charset: str
    data_coding: int | None

    def user_data(self) -> list[tuple[str, int]]:
        """Return (hex of the user data, units in it) for each segment."""

    def wire(self) -> list[list[str]]:
        """Return for each segment the exact bytes that would leave.

        Hex for binary protocols, readable text for the others.
        """


class IChannel(Interface):
    """One configured way out (and in)."""

    name: str = Attribute("the word after the colon in the section's name")
    kind: str = Attribute("the word before it")
    account: str = Attribute("the carrier account that receipts are matched by")
    window: int = Attribute("how many unanswered messages the lane may keep here")
    rate: float | None = Attribute("segments per second, None: no limit")

    def start(events: IChannelEvents) -> None:
        """Begin to connect; tell `events` when the channel becomes able."""

    def stop(grace_s: float) -> Deferred[None]:
        """Let unanswered submits finish for `grace_s`, say goodbye, close."""

    def unable() -> str | None:
        """Return why nothing can be sent now, or None when it can."""

    def prepare(message: Outbound) -> EncodedMessage | Refused:
        """Split and encode; pure.  Refused when the channel can never carry it."""

    def submit(prepared: EncodedMessage, attempt: int) -> Deferred[Outcome]:
        """Send it.  Fires with the outcome; never fails, never is cancelled."""

    def ask(message: Outbound, provider_ids: Sequence[str]) -> Deferred[Receipt | None]:
        """Ask the far side what became of a message, where it can be asked."""

    def describe() -> dict[str, Any]:
        """Return what an operator wants to see, JSON-ready, no secrets.

        Keys that all kinds share: ``state`` (up|down|degraded), ``reason``,
        ``lines`` (a list of dicts with ``name`` and ``state``), ``balance``.
        """

    def command(line: str, verb: str, arguments: Sequence[str]) -> Deferred[str]:
        """Do a line command (``ussd``, ``reboot``, ``number`` …).

        Fires with its answer, fails with `OurFault` for an unknown line or verb
        and with `Unavailable` when the device does not answer.
        """


class IContinuing(Interface):
    """A channel that sends the missing parts of a message alone (beside `IChannel`)."""

    def resume(message: Outbound, progress: Progress) -> EncodedMessage | None:
        """Return the message ready to go on where it stood; pure.

        None when the parts cannot leave in the form that the others had (settings
        have changed, or the link has): they would not fit together.
        """


class IBudgeted(Interface):
    """A channel whose lines have budgets, or may have (beside `IChannel`).

    It chooses the line of a message before the intent is written, so that the intent
    can count it there; nothing leaves over another line under that intent.
    """

    has_budgets: bool = Attribute("whether any line has one")
    budgets: Budgets = Attribute("those of its lines")

    def spent(prepared: EncodedMessage, now: float) -> Refused | None:
        """Return why no line that could send it may at `now`; None: one may."""

    def reserve(prepared: EncodedMessage) -> tuple[Spend, ...] | Refused:
        """Choose its line and count it there; return what the intent counts.

        Refused when no line may send it now.  `submit` follows, or `release`.
        """

    def release(prepared: EncodedMessage) -> str | None:
        """Hear that it is not submitted after all; return the line that it had."""


class IHalting(Interface):
    """A channel that leaves its far side alone after faults (beside `IChannel`)."""

    def end_halt() -> None:
        """Try again at once whatever is left alone: someone has acted."""


class ITraced(Interface):
    """A channel that keeps what passed lately, for people (beside `IChannel`).

    Secrets are always masked, texts of messages if the channel is set so.
    """

    def traced(after: int) -> list[dict[str, Any]]:
        """Return what passed beyond number `after`, oldest first, JSON-ready.

        Keys that all kinds share: ``number``, ``at`` (epoch seconds),
        ``direction`` (in|out), ``link`` and ``line``.  Raises `OurFault` when the
        settings keep nothing.
        """

    def capture() -> bytes:
        """Return what passed as a pcap file.  Raises `OurFault` as `traced`."""


class Rate(Protocol):
    """How fast a lane sends at present, in segments per second; None: no limit."""

    present: float | None


class IPaced(Interface):
    """A channel that sends a message as several segments (beside `IChannel`).

    The lane counts a message's segments when it lets it go; the channel spaces
    them, since far sides count segments and not messages.
    """

    def paced_by(rate: Rate) -> None:
        """Space segments by `rate.present`, which changes as the far side asks."""


class IAttending(Interface):
    """A channel whose far side calls any of our gateways (beside `IChannel`)."""

    def attend(events: IChannelEvents) -> None:
        """Pass on what comes in; send nothing, ask nothing: another gateway does."""


class IListening(Interface):
    """A channel that opens a port of its own (beside `IChannel`)."""

    def listening() -> Deferred[CannotListen | None]:
        """Fire after `start` with why its port cannot be had, None when it listens.

        Of the first try; a channel may go on trying.
        """


class IChannelEvents(Interface):
    """What channels call upward.  Each Deferred fires after the commit."""

    def able(channel: IChannel) -> None:
        """Tell that `channel.unable()` may have changed, either way."""

    def receipt(receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        """Record a receipt; fires with the message it was about, if any.

        Fails with `Unavailable` when the journal cannot take it now.
        """

    def inbound(inbound: Inbound) -> Deferred[None]:
        """Record an SMS that came in; the upstream is acknowledged after it.

        Fails with `Unavailable` when the journal cannot take it now.
        """

    def late(message_id: str, attempt: int, outcome: Outcome) -> None:
        """Tell an answer that came after `submit` had fired with Unsure."""

    def changed(
        channel: IChannel, state: str, reason: str, line: str | None = None
    ) -> None:
        """Tell that a bind or a GSM line is ``up``, ``down`` or ``degraded``."""


class IJournal(Interface):
    """The truth.  Every Deferred fires on the reactor thread, after the commit."""

    shared: bool = Attribute("whether other gateways may write it too")

    def accept(batch: Sequence[Acceptance]) -> Deferred[list[AcceptResult]]:
        """Write new messages down; one verdict each, in order."""

    def note(fact: Fact) -> Deferred[bool]:
        """Record a fact; False when the message has moved past it.

        For `Cancelled`, False means: cannot be cancelled.
        """

    def record(
        fact: Fact,
        recorded: Callable[..., None],
        failed: Callable[..., None],
        *args: Any,
    ) -> None:
        """Record a fact as `note`; for those who do so for every message.

        Calls `recorded(counted, *args)` or `failed(failure, *args)` after the commit.
        """

    def begin(
        fact: AttemptStarted,
        recorded: Callable[..., None],
        failed: Callable[..., None],
        *args: Any,
    ) -> None:
        """Record that an attempt is about to leave, if it may.

        Calls `recorded(permission, *args)` (a `Permission`: only with `GO` it may), or
        `failed(failure, *args)`.
        """

    def known_way(account: str | None, number: str) -> KnownWay | None:
        """Return the way that a tracker knows; kept in memory."""

    def spent(channel: str) -> Deferred[list[tuple[str, str, int, float]]]:
        """Read what the lines of a channel have sent of their budgets.

        As (line or line and number, period, segments, end of the period).
        """

    def holding() -> Deferred[list[Holding]]:
        """Read the commands that others to their number wait for, in order."""

    def on_turns(listener: Callable[[Sequence[Holding]], None]) -> None:
        """Call `listener` after commits with commands that hold no longer."""

    def receipt(receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        """Record a receipt, matched or kept unmatched."""

    def inbound(inbound: Inbound) -> Deferred[str | None]:
        """Record an inbound SMS; the id it got, None for a repeat."""

    def changed(
        channel: str, line: str | None, state: str, reason: str, at: float
    ) -> Deferred[None]:
        """Record that a channel or line went up or down, as an event."""

    def take(
        channel: str, limit: int, now: float, skip: frozenset[str]
    ) -> Deferred[QueuedBatch]:
        """Read what is due in a lane at `now`, by priority, then by age.

        At most `limit` messages, without those whose ids are in `skip`.
        """

    def interrupted(
        channels: Collection[str] | None = None,
    ) -> Deferred[list[InterruptedAttempt]]:
        """Read the attempts without outcome and those of held messages.

        Those on `channels`, before they are used; None: all.
        """

    def backlog() -> dict[str, int]:
        """Return how many messages wait, by channel; kept in memory."""

    def sweep(now: float) -> Deferred[None]:
        """Expire, tell held messages uncertain, settle, join, forget."""

    def read_others() -> Deferred[None]:
        """Take over what gateways changed that share the journal."""

    def flushed() -> Deferred[None]:
        """Fire when all that was handed in before is committed."""

    def events(after: int, limit: int) -> Deferred[list[OutboxEvent]]:
        """Read the outbox in order."""

    def cursor(name: str) -> Deferred[str | None]:
        """Read a named cursor (a publisher's, a poller's)."""

    def set_cursor(name: str, value: str) -> Deferred[None]:
        """Write a named cursor."""

    def on_events(listener: Callable[[int], None]) -> None:
        """Call `listener(last seq)` on the reactor thread after commits with events."""


@frozen
class ChannelContext:
    """What a channel may use of the gateway, handed in when it is made."""

    reactor: Any
    clock: IReactorTime
    # a random source, so that tests repeat
    random: Callable[[], float]
    # how providers reach our webhooks, without a slash at the end; None: not at all
    public_url: str | None
    # mounts a resource at /sms/<channel>/ of the webhook server
    mount: Callable[[str, IResource], None]
    # persistent cursors (poll cursors): the journal's
    cursor: Callable[[str], Deferred[str | None]]
    set_cursor: Callable[[str, str], Deferred[None]]


@frozen
class ChannelKind:
    """A kind of channel: its sections in the ini, and how one is made.

    `settings` is the settings class of ``[name:…]``; `parts` maps further
    section kinds (``goip-line``) to theirs, each with a `channel` key that names
    its owner; `make(name, settings, parts, surroundings)` gives the channel,
    where `parts` is a list of (section kind, section name, settings).
    """

    name: str
    settings: type
    make: Callable[[str, Any, list[tuple[str, str, Any]], ChannelContext], Any]
    aliases: tuple[str, ...] = ()
    parts: Mapping[str, type] = field(factory=dict)
