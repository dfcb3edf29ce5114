"""What HTTP and AMQP ask of the running gateway, in one place.

The assembly implements `Gateway`; they know nothing else of what is below.
Records that only travel to JSON (stories, channels) are dicts of JSON values, all
others are the words of `gdemoi.message` and `gdemoi.facts`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import Deferred

from gdemoi.contract.envelope import Defaults
from gdemoi.contract.figures import Figures
from gdemoi.contract.sticky import KnownWay
from gdemoi.contract.trackers import TrackerSetting
from gdemoi.facts import AcceptResult, OutboxEvent, Rejected
from gdemoi.message import Outbound


@frozen(kw_only=True)
class Search:
    """What is looked for; None: whatever it is.  Times are epoch seconds.

    `to`, `from_`, `state` and `channel` are whole words; `text` is part of the text,
    in any case of its letters; `cursor` is that of the page before.
    """

    to: str | None = None
    from_: str | None = None
    state: str | None = None
    channel: str | None = None
    text: str | None = None
    since: float | None = None
    until: float | None = None
    limit: int = 100
    cursor: str | None = None


@frozen
class MessagePage:
    """A page of messages, newest first; `cursor` is None on the last.

    With a `text` a page may hold fewer than its limit, or none, and not be the last.
    """

    messages: Sequence[dict[str, Any]]
    cursor: str | None = None


class MessageIntake(Protocol):
    """Takes messages: all that AMQP asks of a gateway."""

    def full(self) -> bool:
        """Tell whether the backlog is over its mark."""

    def accept(
        self,
        messages: Sequence[tuple[Outbound, bytes]],
        *,
        keep_rejected: bool = False,
    ) -> Deferred[list[AcceptResult | Rejected]]:
        """Take messages with their fingerprints; one verdict each, after the commit.

        What no channel can carry is `Rejected`; with `keep_rejected` it is taken as
        well, with its last event: a queue has no other way to hear of it.  Fails
        with `Unavailable` when nothing could be taken; asking again is safe.
        """


class CallbackQueue(Protocol):
    """What people ask of a section that calls platforms."""

    def describe(self) -> dict[str, Any]:
        """Return how it stands: ``state``, ``waiting``, ``given_up`` …"""

    def parked(self) -> Awaitable[Sequence[dict[str, Any]]]:
        """Return what was given up, oldest first: ``seq given_up_at why event``."""

    def replay(self, seqs: Sequence[int] | None) -> Awaitable[Sequence[int]]:
        """Send it again, all of it or some; return the numbers of what is sent."""

    def resume(self) -> Awaitable[None]:
        """Send again to a far side that is disabled or rests."""


class Gateway(MessageIntake, Protocol):
    """A running gateway.  Whatever awaits may raise `Unavailable`."""

    @property
    def defaults(self) -> Defaults:
        """Return what the settings say about messages that do not."""

    @property
    def name(self) -> str:
        """Return the gateway's name."""

    def seconds(self) -> float:
        """Return the time: epoch seconds."""

    def story(self, message_id: str) -> Awaitable[dict[str, Any] | None]:
        """Return a message and all that happened to it; None: unknown.

        Keys: ``id state final to from class channel account accepted_at
        expires_at`` as in `search`, then ``message`` (as it was accepted),
        ``events``, ``attempts``, ``receipts``, ``provider_ids``, as in docs/events.rst,
        "The story of a message".
        """

    def search(self, wanted: Search) -> Awaitable[MessagePage]:
        """Find messages; raises `InvalidMessage` for a broken cursor."""

    def cancel(self, message_id: str) -> Awaitable[bool | None]:
        """Take a message back: True done, False too late, None unknown."""

    def events(self, after: int, limit: int) -> Awaitable[Sequence[OutboxEvent]]:
        """Return events with a seq beyond `after`, in order."""

    def events_after(self, after: int) -> Deferred[None]:
        """Return what fires when there is an event beyond `after`.

        It may be cancelled.
        """

    def last_event(self) -> int:
        """Return the seq of the last event that is known now."""

    def newest_event(self) -> Awaitable[int]:
        """Return the highest seq that an event ever had, asked of the journal."""

    def inbound(
        self, sender: str, since: float, until: float, limit: int
    ) -> Awaitable[Sequence[OutboxEvent]]:
        """Return inbound SMS of a number whose events are kept, the oldest first.

        Times are epoch seconds, of the commit; no more than a number of commits
        after `since` are looked through.
        """

    def counts(self) -> Awaitable[dict[str, int]]:
        """Return how many messages of the journal stand in each state."""

    def unmatched(self, limit: int) -> Awaitable[Sequence[dict[str, Any]]]:
        """Return the newest receipts that are about no message we know.

        Keys: ``received_at account channel line provider_id keys state error at
        about raw verified``.
        """

    def count_unmatched(self) -> Awaitable[int]:
        """Return how many of them are kept."""

    def lost(self) -> Awaitable[str | None]:
        """Return when and what was lost of the journal, if anything."""

    def masked(self, event: OutboxEvent) -> bytes:
        """Return an event's JSON as people may see it: no password of a tracker."""

    def tracker(self, number: str) -> TrackerSetting | None:
        """Return what is set for a tracker's number, None when nothing is."""

    def set_tracker(
        self, number: str, setting: TrackerSetting | None
    ) -> Awaitable[None]:
        """Set it, or (None) take it away; fires after the commit."""

    def known_way(self, account: str | None, number: str) -> KnownWay | None:
        """Return the way that a tracker knows, None when none is remembered."""

    def set_way(
        self, account: str | None, number: str, way: KnownWay | None
    ) -> Awaitable[None]:
        """Set it, or (None) forget it; fires after the commit."""

    def trackers(
        self, limit: int, cursor: str | None
    ) -> Awaitable[tuple[list[tuple[str, TrackerSetting]], str | None]]:
        """Return what is set, in the order of the numbers, and the next cursor."""

    def channels(self) -> Sequence[dict[str, Any]]:
        """Return each channel as an operator wants to see it.

        ``name kind state reason lines balance`` of `IChannel.describe`, and the
        lane's ``backlog in_flight window rate sent paused unanswered``.  While the
        lane rests or is not answered, `state` and `reason` say so;
        ``refused_senders`` are those that rest there.
        """

    def overview(self) -> Awaitable[dict[str, Any]]:
        """Return what each channel did lately, what ails it, what to do.  Never fails.

        Keys: ``at since channels``; a channel has ``name oldest_s rate_now today hour
        last_error remedies``, as in docs/http.rst, "Channels and lines".
        """

    def explain_stored(self, message_id: str) -> Awaitable[dict[str, Any] | None]:
        """Return what `explain` says of a message that was taken; None: unknown.

        With the settings of now; the passwords of trackers are hidden.
        """

    def pause(self, channel: str) -> Awaitable[bool]:
        """Send nothing there for now; False: no such channel."""

    def resume(self, channel: str) -> Awaitable[bool]:
        """Send there again, and try at once what was left alone.

        That is a halted channel, refused senders, lines that rest, a connection that
        waits to be tried.  False: no such channel.
        """

    def trace(self, channel: str, after: int) -> Sequence[dict[str, Any]] | None:
        """Return what passed on a channel lately, as `ITraced.traced`.

        None: no such channel.  Raises `OurFault` when it keeps nothing.
        """

    def capture(self, channel: str) -> bytes | None:
        """Return the same as a pcap file."""

    def explain(self, message: Outbound) -> dict[str, Any]:
        """Return what would happen to a message, and why."""

    def line_command(
        self, channel: str, line: str, verb: str, arguments: Sequence[str]
    ) -> Awaitable[str]:
        """Do a line command.

        Raises `OurFault` for an unknown channel, line or verb, `Unavailable` when
        the device does not answer.
        """

    def reload(self, dry_run: bool) -> Awaitable[dict[str, Any]]:
        """Read the configuration file again; return what that changed.

        Keys: ``status`` (changed, unchanged, refused; with `dry_run`, which changes
        nothing: would_change), ``changes`` (each ``section key before after
        needs_restart text``), ``complaints`` (why it is refused) and ``warnings``.
        """

    def configuration(self) -> dict[str, Any]:
        """Return the configuration that runs: section → key → value, no secrets."""

    def unready(self) -> str | None:
        """Return why no messages can be taken, None when they can."""

    def unready_reasons(self) -> Sequence[str]:
        """Return all reasons why no messages can be taken."""

    def alerts(self) -> Sequence[dict[str, Any]]:
        """Return the alerts that are on, JSON-ready.

        Keys: ``name subject channel when text since`` (epoch seconds).
        """

    def doors(self) -> Sequence[dict[str, Any]]:
        """Return the doors beside HTTP and AMQP, JSON-ready; empty without any.

        `kind` says which (``smpp-server``, ``webhook``, ``account`` …); the keys are
        those of docs/http.rst, "The gateway itself".
        """

    def callbacks(self, section: str) -> CallbackQueue | None:
        """Return the callbacks of a section, ``webhook:erp``; None: there is none."""

    def gateways(self) -> Sequence[dict[str, Any]]:
        """Return the gateways that share the journal; empty when it is ours alone.

        Keys: ``name state up_s seen_s owns`` (docs/http.rst, "The gateway itself").
        """

    def figures(self) -> Awaitable[Figures]:
        """Return what is counted and measured; never fails.

        What only the journal knows is absent while it cannot be read.
        """
