"""New messages find their way and go into the journal.

A message is answered for only after its commit.  When its lane has room, attempt 1
begins in that same commit, so that the message leaves at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gdemoi.errors import Unavailable
from gdemoi.facts import Acceptance, AcceptResult, Rejected, Stored
from gdemoi.facts import Final as Ended
from gdemoi.interfaces import EncodedMessage, IJournal
from gdemoi.message import Error, MessageState, Outbound, Refused, Scope
from gdemoi.routing.lanes import Lane
from gdemoi.routing.ready_queue import QueueEntry
from gdemoi.routing.rules import Router, with_defaults
from gdemoi.routing.trackers import Trackers

_STORED: Final = Stored()


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
    ) -> None:
        self.router = router
        self.backlog_limit = backlog_limit
        # set when there are any whose commands are looked at
        self.trackers: Trackers | None = None
        # opened by the dispatcher when all that was interrupted is settled
        self.closed = True
        self._journal = journal
        self._clock = clock
        self._lanes = lanes
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
        for index, (message, fingerprint) in enumerate(messages):
            way = self._way(message, unable)
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
        fast_path = (
            way.prepared is not None
            and unable[lane.name] is None
            and lane.may_use_fast_path(message)
        )
        if fast_path:
            lane.reserve(entry)
        acceptance = Acceptance(message, fingerprint, lane.name, fast_path)
        return _Place(index, acceptance, entry, lane, fast_path)

    def _not_committed(self, failure: Failure, places: list[_Place]) -> Failure:
        for place in places:
            _give_back(place)
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
                _give_back(place)
            elif entry is not None and lane is not None:
                if place.fast_path:
                    lane.launch(entry)
                else:
                    lane.admit(entry)
                    touched.add(lane)
        for lane in touched:
            lane.pump()
        return verdicts

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
        message = with_defaults(message, route.rule)
        trackers = self.trackers
        if trackers is not None:
            examined = trackers.examined(message)
            if isinstance(examined, Error):
                return examined
            message = examined
        refused: Refused | None = None
        resting: Lane | None = None
        for name in _able_first(route.channels, unable):
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


def _give_back(place: _Place) -> None:
    if place.fast_path and place.lane is not None and place.entry is not None:
        place.lane.release(place.entry)
