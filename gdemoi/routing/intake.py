"""New messages find their way and go into the journal.

A message is answered for only after its commit.  When its lane has room, attempt 1
begins in that same commit, so that the message leaves at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gdemoi.contract.sticky import Basis, KnownWay
from gdemoi.errors import Unavailable
from gdemoi.facts import Acceptance, AcceptResult, Rejected, Stored
from gdemoi.facts import Final as Ended
from gdemoi.interfaces import EncodedMessage, IJournal
from gdemoi.message import (
    Error,
    MessageClass,
    MessageState,
    Outbound,
    Refused,
    Scope,
    Sticky,
    Turn,
    filled,
    is_sticky,
    why_stopped,
)
from gdemoi.routing.lanes import Lane
from gdemoi.routing.ready_queue import QueueEntry
from gdemoi.routing.rules import Router, with_defaults
from gdemoi.routing.trackers import Trackers
from gdemoi.routing.turns import Turns

_STORED: Final = Stored()
# So many trackers whose first command is on its way are remembered.
BEGUN_WAYS: Final = 10_000
_NOTIFICATION: Final = MessageClass.NOTIFICATION


class _Place(msgspec.Struct):
    """Where a message of a batch stands, while the batch is written."""

    index: int
    acceptance: Acceptance
    entry: QueueEntry | None
    lane: Lane | None
    fast_path: bool = False


class _Way(msgspec.Struct):
    """Where a message goes first; `prepared` is None when its sender rests there."""

    message: Outbound
    lane: Lane
    prepared: EncodedMessage | None


class Intake:
    """Takes messages for the lanes of one dispatcher."""

    def __init__(
        self,
        journal: IJournal,
        clock: IReactorTime,
        router: Router,
        lanes: Mapping[str, Lane],
        backlog_limit: int,
        turns: Turns,
    ) -> None:
        self.router = router
        self.backlog_limit = backlog_limit
        # set when there are any whose commands are looked at
        self.trackers: Trackers | None = None
        # what commands are taken for that do not say, nor their route
        self.turn: Turn | None = None
        # by account and number: of trackers whose first command is on its way
        self._begun_ways: OrderedDict[tuple[str | None, str], KnownWay] = OrderedDict()
        # opened by the dispatcher when all that was interrupted is settled
        self.closed = True
        self._journal = journal
        self._clock = clock
        self._lanes = lanes
        self._turns = turns
        self._full = False

    def full(self) -> bool:
        """Whether the backlog is over its mark; it clears at nine tenths."""
        waiting = sum(self._journal.backlog().values())
        limit = self.backlog_limit * 0.9 if self._full else self.backlog_limit
        self._full = waiting >= limit
        return self._full

    def accept(
        self,
        messages: Sequence[tuple[Outbound, bytes]],
        *,
        keep_rejected: bool = False,
    ) -> Deferred[list[AcceptResult | Rejected]]:
        """Take messages (each with its fingerprint); fires after the commit.

        What no channel can carry is `Rejected`; with `keep_rejected` it is also
        written down, with its final event.  Fails with `Unavailable` when the
        backlog is full or the journal cannot write: then nothing was taken.
        """
        if self.closed:
            return fail(Unavailable("the gateway is starting or stopping"))
        if self.full():
            return fail(Unavailable("the backlog is full"))
        verdicts: list[AcceptResult | Rejected] = []
        places: list[_Place] = []
        unable = _Unable(self._lanes)
        stopped: dict[tuple[str, str], str] = {}
        for index, (message, fingerprint) in enumerate(messages):
            way = self._way_in_sequence(message, unable, stopped)
            if isinstance(way, Error):
                verdicts.append(Rejected(way))
                if keep_rejected:
                    places.append(_refused_place(index, message, fingerprint, way))
                continue
            tracker = way.message.tracker
            verdicts.append(_STORED if tracker is None else Stored(tracker))
            places.append(self._place(index, fingerprint, way, unable))
        if not places:
            return succeed(verdicts)
        written = self._journal.accept([place.acceptance for place in places])
        return written.addCallbacks(
            self._committed, self._not_committed, (places, verdicts), {}, (places,)
        )

    def _place(
        self, index: int, fingerprint: bytes, way: _Way, unable: _Unable
    ) -> _Place:
        message, lane = way.message, way.lane
        entry = QueueEntry(message, (), way.prepared)
        joined = entry.serial and self._turns.join(message)
        fast_path = (
            way.prepared is not None
            and unable[lane.name] is None
            and lane.may_use_fast_path(message)
            and (not entry.serial or (joined and self._turns.free(message)))
        )
        if fast_path:
            lane.reserve(entry)
        acceptance = Acceptance(message, fingerprint, lane.name, fast_path)
        return _Place(index, acceptance, entry, lane, fast_path)

    def _not_committed(self, failure: Failure, places: list[_Place]) -> Failure:
        for place in places:
            self._give_back(place)
        return failure

    def _committed(
        self,
        written: list[AcceptResult],
        places: list[_Place],
        verdicts: list[AcceptResult | Rejected],
    ) -> list[AcceptResult | Rejected]:
        """Let what was written go its way; return the verdict for each message."""
        touched: set[Lane] = set()
        for place, verdict in zip(places, written, strict=True):
            lane, entry = place.lane, place.entry
            if not isinstance(verdict, Stored):
                verdicts[place.index] = verdict
                self._give_back(place)
            elif entry is not None and lane is not None:
                if entry.serial:
                    self._turns.stored(entry.message)
                if place.fast_path and not verdict.began:
                    # another gateway has the channel, and is told of it
                    lane.release(entry)
                elif place.fast_path and not verdict.waits:
                    lane.launch(entry)
                elif place.fast_path:
                    self._wait(lane, entry)
                else:
                    lane.admit(entry)
                    touched.add(lane)
        for lane in touched:
            lane.pump()
        return verdicts

    def _wait(self, lane: Lane, entry: QueueEntry) -> None:
        """Let one wait that the journal did not let begin."""
        lane.release(entry)
        self._turns.elsewhere(entry.message)
        lane.admit(entry)
        lane.pump()

    def _give_back(self, place: _Place) -> None:
        """Give back what was taken for a message that is not to leave."""
        lane, entry = place.lane, place.entry
        if lane is None or entry is None:
            return
        if place.fast_path:
            lane.release(entry)
        if entry.serial:
            self._turns.leave(entry.message)

    def _way_in_sequence(
        self, message: Outbound, unable: _Unable, stopped: dict[tuple[str, str], str]
    ) -> _Way | Error:
        """Find its way; after one that has none, the rest of its sequence has none."""
        if not message.stops or message.turn is None:
            return self._way(message, unable)
        key = message.queue, message.turn.sequence or ""
        if key in stopped:
            return why_stopped(stopped[key])
        way = self._way(message, unable)
        if isinstance(way, Error):
            stopped[key] = message.id
        return way

    def _way(self, message: Outbound, unable: _Unable) -> _Way | Error:
        """Find the first channel, able ones first, that can carry the message.

        For want of one, the first that could if the sender did not rest there: nothing
        is wrong with the message, so it is taken, and the lane decides.
        """
        if message.expires_at <= self._clock.seconds():
            return Error("gateway:expired", "the message had expired when it came")
        route = self.router.route(message)
        if route.rule is None or not route.channels:
            return Error("gateway:no_route", "no route leads anywhere for this message")
        # what the message itself names wins over what is remembered
        named = message.from_ is not None or bool(message.channels)
        message = with_defaults(message, route.rule)
        if self.turn is not None and message.class_ is not _NOTIFICATION:
            turn = filled(message.turn, self.turn)
            message = msgspec.structs.replace(message, turn=turn)
        trackers = self.trackers
        if trackers is not None:
            examined = trackers.examined(message)
            if isinstance(examined, Error):
                return examined
            message = examined
        if message.turn is not None and is_sticky(message):
            return self._sticky_way(message, route.channels, unable, named)
        return self._first_way(message, route.channels, unable, None)

    def forget_way(self, account: str | None, number: str) -> None:
        """Forget a way that is not written down yet."""
        self._begun_ways.pop((account, number), None)

    def _sticky_way(
        self, message: Outbound, names: Sequence[str], unable: _Unable, named: bool
    ) -> _Way | Error:
        """Find the way that the tracker knows, or another where that may be."""
        assert message.turn is not None
        key = message.account, message.to
        known = None if named else self._journal.known_way(*key)
        if known is None and not named:
            # none is written down yet, but one is on its way
            known = self._begun_ways.get(key)
        if known is None:
            return self._remembered(self._first_way(message, names, unable, None))
        turn = msgspec.structs.replace(message.turn, known_channel=known.channel)
        channels: tuple[str, ...]
        if turn.sticky is Sticky.REQUIRE:
            if known.channel not in names:
                why = (
                    f"no route leads to {known.channel}, the only one its tracker knows"
                )
                return Error("gateway:no_route", why)
            names = channels = (known.channel,)
        else:
            channels = message.channels
            if known.channel in names:
                others = [name for name in names if name != known.channel]
                names = (known.channel, *others)
        message = msgspec.structs.replace(message, turn=turn, channels=channels)
        return self._first_way(message, names, unable, known)

    def _remembered(self, way: _Way | Error) -> _Way | Error:
        """Let the next ones go the same way, until that is written down."""
        if isinstance(way, _Way):
            ways, message = self._begun_ways, way.message
            known = KnownWay(way.lane.name, None, message.from_, Basis.SUBMITTED)
            ways[message.account, message.to] = known
            while len(ways) > BEGUN_WAYS:
                ways.popitem(last=False)
        return way

    def _first_way(
        self,
        message: Outbound,
        names: Sequence[str],
        unable: _Unable,
        known: KnownWay | None,
    ) -> _Way | Error:
        """Return the first able channel, in order, that can carry a message."""
        refused: Refused | None = None
        resting: Lane | None = None
        given = message
        for name in _able_first(names, unable):
            message = given
            if known is not None and known.sender and name == known.channel:
                message = msgspec.structs.replace(given, from_=known.sender)
            lane = self._lanes[name]
            prepared = lane.prepare(message)
            if not isinstance(prepared, Refused):
                return _Way(message, lane, prepared)
            refused = refused or prepared
            if prepared.scope is Scope.SENDER:
                resting = resting or lane
        if resting is not None:
            return _Way(message, resting, None)
        assert refused is not None
        return refused.error


class _Unable(dict[str, str | None]):
    """Why a channel cannot send, by its name: asked once for a batch."""

    def __init__(self, lanes: Mapping[str, Lane]) -> None:
        super().__init__()
        self._lanes = lanes

    def __missing__(self, name: str) -> str | None:
        self[name] = why = self._lanes[name].unable()
        return why


def _able_first(names: Sequence[str], unable: _Unable) -> Sequence[str]:
    """Put the channels that can send now first, else keep the order."""
    if unable[names[0]] is None:
        return names
    return sorted(names, key=lambda name: unable[name] is not None)


def _refused_place(
    index: int, message: Outbound, fingerprint: bytes, error: Error
) -> _Place:
    state = (
        MessageState.EXPIRED
        if error.code == "gateway:expired"
        else MessageState.REJECTED
    )
    final = Ended(state, error)
    acceptance = Acceptance(message, fingerprint, None, next=final)
    return _Place(index, acceptance, None, None)
