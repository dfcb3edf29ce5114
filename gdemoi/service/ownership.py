"""What this gateway owns among those that share its journal, and what follows from it.

`Membership` says what the journal shows (`Beat`); here channels are started and
stopped, the publisher of events leads or not, and lanes of other gateways' channels
learn how those fare.  One step at a time for each lease: it is taken, or given up,
before anything else is done about it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from gdemoi.errors import Unavailable
from gdemoi.facts import Holding
from gdemoi.interfaces import IChannel
from gdemoi.journal.leases import (
    CHANNEL,
    CLOCK,
    LEASE_S,
    OUTBOX,
    Cluster,
    News,
    Wishes,
)
from gdemoi.journal.membership import Beat, Membership, Registry
from gdemoi.journal.server_clock import ServerClock
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.lanes import Elsewhere
from gdemoi.settings.gateway import GatewaySettings
from gdemoi.tasks import spawn

log = Logger()

WATCH_EVERY_S: Final = 1.0
# One that may be another's by now is let go of without waiting for long.
LOST_GRACE_S: Final = 3.0


class Duty(msgspec.Struct):
    """What a lease that is no channel's stands for: how it begins and ends here."""

    begin: Callable[[], Awaitable[None]]
    end: Callable[[], Awaitable[None]]


class Ownership:
    """Acts on what the journal says is ours.

    `remake` gives a fresh channel for one that was used; `is_paused` whether an
    operator paused it; `duties` what else can be done here at present, by lease.
    """

    def __init__(
        self,
        url: str,
        settings: GatewaySettings,
        dispatcher: Dispatcher,
        reactor: Any,
        clock: ServerClock,
        *,
        remake: Callable[[str], IChannel],
        describe: Callable[[str], dict[str, Any]],
        is_paused: Callable[[str], Awaitable[bool]],
        heard: Callable[[int], None],
        duties: Callable[[], Mapping[str, Duty]] = dict,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = settings.name
        self.settings = settings
        self._duties = duties
        # of those that have begun: how they end
        self._begun: dict[str, Duty] = {}
        self.cluster = Cluster()
        self._dispatcher = dispatcher
        self._remake = remake
        self._describe = describe
        self._is_paused = is_paused
        self._heard = heard
        self._monotonic = monotonic
        self._clock = clock
        self.membership = Membership(
            Registry(url, settings.name, clock.machine_seconds),
            reactor,
            seen=self.seen,
            failed=self.failed,
            woken=self.woken,
        )
        self._ours: set[str] = set()
        # being taken or given up
        self._moving: set[str] = set()
        self._beat_at = monotonic()
        self._trouble: str | None = None
        self._leaving = False
        self._watch = LoopingCall(self.look)
        self._watch.clock = reactor

    # -- life --------------------------------------------------------------

    def start(self) -> None:
        """Come to the others."""
        self._wish()
        self.membership.start()
        self._watch.start(WATCH_EVERY_S, now=False)  # type: ignore[unused-awaitable]

    def leave_channels(self) -> None:
        """Give all channels up: they have stopped."""
        self._leaving = True
        self._wish()
        for lease in [one for one in self._ours if one.startswith(CHANNEL)]:
            self._ours.discard(lease)
            self.membership.let_go(lease)

    def stop(self) -> Deferred[None]:
        """Give up the rest, and be gone; fires when the others can know."""
        self._leaving = True
        if self._watch.running:
            self._watch.stop()
        return self.membership.stop()

    def configure(self, settings: GatewaySettings) -> None:
        """Wish otherwise from now on."""
        self.settings = settings
        self._wish()
        self.membership.kick()

    async def reopened(self, channel: str) -> None:
        """Hear that a channel was made anew: if it was ours it is again."""
        lease = CHANNEL + channel
        if lease in self._ours and lease not in self._moving:
            self._ours.discard(lease)
            self._step(lease, self._take(lease), "taking")
        self.configure(self.settings)

    def _wish(self) -> None:
        can = [CHANNEL + name for name in self._dispatcher.lanes]
        can += [CLOCK, *self._duties()]
        self.membership.wishes = Wishes(
            tuple(can),
            self.settings.owns,
            self.settings.takes_back_after_s,
            self._leaving,
        )

    # -- what others ask ---------------------------------------------------

    def owns(self, channel: str) -> bool:
        """Whether a channel is used here."""
        return CHANNEL + channel in self._ours

    @property
    def leads(self) -> bool:
        """Whether events are published by us."""
        return OUTBOX in self._ours

    def owner(self, channel: str) -> str | None:
        """Return the gateway that uses a channel."""
        return self.cluster.owner(CHANNEL + channel)

    def describe(self) -> list[dict[str, Any]]:
        """Return all gateways, JSON-ready."""
        return [
            {
                "name": one.name,
                "state": _state(one.wishes, one.alive),
                "up_s": round(one.up_s),
                "seen_s": round(one.seen_s, 1),
                "owns": sorted(self.cluster.of(one.name)) if one.alive else [],
            }
            for one in self.cluster.members
        ]

    # -- what the membership tells -----------------------------------------

    def seen(self, beat: Beat) -> None:
        """Act on what a beat saw."""
        if self._trouble is not None:
            log.info("the other gateways can be seen again")
            self._trouble = None
        self._beat_at = beat.at
        self._clock.set(beat.ahead_s)
        self.cluster = beat.cluster
        self._dispatcher.known_channels = beat.cluster.known_channels()
        self._tell_lanes()
        if self._leaving:
            return
        for lease in beat.mine - self._ours - self._moving:
            self._step(lease, self._take(lease), "taking")
        for lease in self._ours - beat.mine - self._moving:
            self._step(lease, self._lose(lease, LOST_GRACE_S), "losing")
        for lease in set(beat.plan.let_go) - self._moving:
            self._step(lease, self._give_up(lease), "giving up")

    def failed(self, why: str) -> None:
        """Hear that the journal could not be asked."""
        if why != self._trouble:
            self._trouble = why
            log.error("the other gateways cannot be seen: {why}", why=why)
        self.look()

    def woken(self, news: list[News]) -> None:
        """Hear what other gateways did."""
        self._heard(max(one.seq for one in news))
        freed = [Holding(*command) for one in news for command in one.freed]
        self._dispatcher.turns.heard(freed)
        self._dispatcher.woken({lane for one in news for lane in one.lanes})
        if any(one.changed for one in news):
            spawn(self._read_pauses(), log, "reading what is paused")

    def look(self) -> None:
        """Let go of what may be another's by now; tell how the rest fares."""
        self._wish()
        self.membership.reports = {
            lease: msgspec.json.encode(self._describe(lease.removeprefix(CHANNEL)))
            for lease in self._ours
            if lease.startswith(CHANNEL)
        }
        late_s = self._monotonic() - self._beat_at
        if late_s < LEASE_S or self._leaving or self._alone:
            return
        for lease in self._ours - self._moving:
            self._step(lease, self._lose(lease, LOST_GRACE_S), "losing")

    @property
    def _alone(self) -> bool:
        """Whether nobody was there to take what is ours; what it begins is fenced."""
        return not any(
            one.alive and not one.wishes.leaving and one.name != self.name
            for one in self.cluster.members
        )

    # -- steps -------------------------------------------------------------

    def _step(self, lease: str, step: Any, what: str) -> None:
        self._moving.add(lease)
        spawn(self._stepped(lease, step, what), log, f"{what} {lease}")

    async def _stepped(self, lease: str, step: Awaitable[None], what: str) -> None:
        try:
            await step
        except Unavailable as fault:
            log.warn(
                "{what} {lease}: {fault}; again with the next beat",
                what=what,
                lease=lease,
                fault=fault,
            )
        finally:
            self._moving.discard(lease)

    async def _take(self, lease: str) -> None:
        if lease == CLOCK:
            await self._dispatcher.keep_time()
        elif not lease.startswith(CHANNEL):
            duty = self._duties().get(lease)
            if duty is None:
                return
            await duty.begin()
            self._begun[lease] = duty
        else:
            name = lease.removeprefix(CHANNEL)
            lane = self._dispatcher.lanes.get(name)
            if lane is None:
                return
            lane.paused = await self._is_paused(name)
            await self._dispatcher.own(name)
        self._ours.add(lease)
        self.look()

    async def _give_up(self, lease: str) -> None:
        """Let a lease go in order: the next one takes it when all is done here."""
        if lease in self._ours:
            await self._lose(lease, self.settings.shutdown_grace_s)
        self.membership.let_go(lease)

    async def _lose(self, lease: str, grace_s: float) -> None:
        self._ours.discard(lease)
        if lease == CLOCK:
            self._dispatcher.keeps_time = False
        elif not lease.startswith(CHANNEL):
            duty = self._begun.pop(lease, None)
            if duty is not None:
                await duty.end()
        else:
            name = lease.removeprefix(CHANNEL)
            if name in self._dispatcher.lanes:
                await self._dispatcher.give_up(name, self._remake(name), grace_s)
        self._tell_lanes()

    async def _read_pauses(self) -> None:
        for name, lane in list(self._dispatcher.lanes.items()):
            paused = await self._is_paused(name)
            if lane.paused and not paused:
                lane.resume()
                lane.pump()
            lane.paused = paused

    def _tell_lanes(self) -> None:
        """Let lanes of channels that are not used here know how they fare."""
        for name, lane in self._dispatcher.lanes.items():
            if lane.elsewhere is None:
                continue
            owner = self.owner(name)
            described = self.cluster.report(CHANNEL + name) if owner else {}
            unable: str | None = "no gateway owns it"
            if owner is not None:
                unable = described.get("unable", f"{owner} begins to use it")
            lane.elsewhere = Elsewhere(owner, unable, described)


def _state(wishes: Wishes, alive: bool) -> str:
    if wishes.leaving:
        return "stopped"
    return "up" if alive else "down"
