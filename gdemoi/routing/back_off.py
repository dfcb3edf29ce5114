"""What a lane does about refusals: go slower, leave the channel or a sender alone.

A refusal may be about the message only; then nothing changes here.  Else, by
`Refused`:

=========================  =====================================================
`throttled`                the pace goes down, perhaps to a pause (`Pace`)
`queue_full`               the pace too, when it is said of several numbers
`scope` SENDER             that sender rests, others go on (`Senders`)
`scope` CHANNEL_…          the whole channel is left alone (`Suspension`): for a
                           while, until it is there again, or until someone acts
=========================  =====================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gdemoi.interfaces import IChannel, IHalting, IPaced
from gdemoi.message import Accepted, Refused, Scope
from gdemoi.routing.pace import Pace
from gdemoi.routing.ready_queue import QueueEntry
from gdemoi.routing.senders import Senders
from gdemoi.tasks import Alarm

log = Logger()

# How long a lane leaves a channel alone that cannot serve for a while, or until
# someone acts (then it tries one message again).
REST_S: Final = 5.0
MENDED_S: Final = 300.0
# The journal could not write or read: try again after this.
JOURNAL_PAUSE_S: Final = 1.0
# "Queue full" for so many numbers within so long is about the channel.
FULL_NUMBERS: Final = 3
FULL_LATELY_S: Final = 5.0
# A pause that the far side asked for is shown like a rest from this length on.
LONG_PAUSE_S: Final = 30.0


class BackOff:
    """The pace, the rests and the refused senders of one lane.

    `go_on` is called when something may leave that could not before, `changed` when
    what an operator sees is another now, `senders_free` when a sender may be used
    again.
    """

    def __init__(
        self,
        channel: IChannel,
        clock: IReactorTime,
        *,
        go_on: Callable[[], None],
        changed: Callable[[], None],
        senders_free: Callable[[], None],
    ) -> None:
        self.pace = Pace(channel.rate)
        if IPaced.providedBy(channel):
            IPaced(channel).paced_by(self.pace)
        self.senders = Senders()
        self._channel = channel
        self._clock = clock
        self._go_on = go_on
        self._changed = changed
        self._senders_free = senders_free
        self._suspension = Suspension()
        self._stopping = False
        # a pause is under way that is shown
        self._long_pause = False
        # numbers whose queue was full at the far side, and when that was said
        self._full: dict[str, float] = {}
        self._pace_alarm = Alarm(clock, self._pause_over)
        self._suspension_timer = Alarm(clock, self._rest_over)
        self._sender_alarm = Alarm(clock, self.look_at_senders)

    # -- what may leave ----------------------------------------------------

    def unable(self, now: float) -> str | None:
        """Return why nothing can leave now, None when it can."""
        if self._suspension.until > now:
            return self._suspension.reason(now)
        return self._channel.unable()

    def in_pace(self, now: float) -> bool:
        """Tell whether the pace lets a message go now; `go_on` when it does."""
        wait_s = self.pace.wait_s(now)
        if wait_s > 0.0:
            self._pace_alarm.set(now + wait_s)
            return False
        return True

    # -- what an operator sees ---------------------------------------------

    def rests_until(self, now: float) -> float | None:
        """Return when the channel is tried again; None: it does not rest."""
        until = self._suspension.until
        return until if until > now else None

    def rest_reason(self, now: float) -> str | None:
        """Return why the whole channel rests, None: it does not."""
        return self._suspension.reason(now)

    def limits(self, now: float) -> str:
        """Return what else holds messages up; empty: nothing."""
        if self._long_pause and self.pace.paused(now):
            return "the far side asks us to wait"
        return self.senders.reason(now)

    # -- what the far side says --------------------------------------------

    def taken(self, entry: QueueEntry, outcome: Accepted, now: float) -> None:
        """A message was taken: the pace may rise, and its sender is good."""
        self.pace.went_well(now, outcome.segments)
        if self.senders.taken(_sender(entry), entry.message):
            self.look_at_senders()

    def refused(self, entry: QueueEntry, refused: Refused, now: float) -> Refused:
        """Slow down or rest, as the refusal asks; return it with the pause."""
        if refused.scope is Scope.SENDER:
            return self._sender_refused(entry, refused, now)
        if refused.throttled:
            pause_s = self.pace.throttled(now, refused.retry_after_s)
            self._pace_alarm.set(now + pause_s)
            if pause_s >= LONG_PAUSE_S and not self._long_pause:
                self._long_pause = True
                self._changed()
        elif refused.scope is Scope.CHANNEL_FOR_A_WHILE:
            self._leave_alone(refused, now)
        elif refused.scope is Scope.CHANNEL_HALTED:
            self._halt(refused, now)
        return refused

    def queue_full(self, number: str, now: float) -> None:
        """The far side's queue for a number is full; slow down if for several."""
        full = self._full
        full[number] = now
        for one in [one for one, at in full.items() if now - at > FULL_LATELY_S]:
            del full[one]
        if len(full) >= FULL_NUMBERS:
            self._pace_alarm.set(now + self.pace.throttled(now))

    def _halt(self, refused: Refused, now: float) -> None:
        pause_s = refused.retry_after_s or MENDED_S
        log.error(
            "{lane} halts: {code} {text}; it tries one message again"
            " in {pause:g} s, or at once on resume",
            lane=self._channel.name,
            code=refused.error.code,
            text=refused.error.text,
            pause=pause_s,
        )
        self._suspend(_words(refused), now + pause_s)
        self._changed()

    def _leave_alone(self, refused: Refused, now: float) -> None:
        """Rest for a while, unless the channel itself tells when it is over."""
        until = now + (refused.retry_after_s or REST_S)
        if refused.until_able and self._channel.unable() is not None:
            if not self._stopping:
                # look then, should it not
                self._suspension_timer.set(max(until, self._suspension.until))
            return
        self._suspend(_words(refused), until, until_able=refused.until_able)
        self._changed()

    def journal_fault(self, why: str) -> None:
        """Let nothing leave while the journal cannot be written or read."""
        self._suspend(why, self._clock.seconds() + JOURNAL_PAUSE_S)

    def _suspend(self, why: str, until: float, *, until_able: bool = False) -> None:
        self._suspension.begin(why, until, until_able=until_able)
        if not self._stopping:
            self._suspension_timer.set(self._suspension.until)

    # -- senders -----------------------------------------------------------

    def _sender_refused(
        self, entry: QueueEntry, refused: Refused, now: float
    ) -> Refused:
        """Let the sender rest here, and no other."""
        sender = _sender(entry)
        known = self.senders.refusal(sender, entry.message, now)
        until = self.senders.refused(sender, entry.message, refused, now)
        if known is None:
            why = self.senders.reason(now)
            log.warn("{lane}: {why}", lane=self._channel.name, why=why)
            self._sender_alarm_at(now)
            self._changed()
        return msgspec.structs.replace(refused, retry_after_s=until - now)

    def _sender_alarm_at(self, now: float) -> None:
        end = self.senders.next_end(now)
        if end is not None and not self._stopping:
            self._sender_alarm.set(end)

    @property
    def senders_rest(self) -> bool:
        """Whether any sender rests now."""
        return self.senders.next_end(self._clock.seconds()) is not None

    def look_at_senders(self) -> None:
        """A sender may be used again: who waited for one stands in line."""
        self._senders_free()
        self._sender_alarm_at(self._clock.seconds())
        self._changed()
        self._go_on()

    # -- time passes, someone acts -----------------------------------------

    def _rest_over(self) -> None:
        self._changed()
        self._go_on()

    def _pause_over(self) -> None:
        if self._long_pause and not self.pace.paused(self._clock.seconds()):
            self._long_pause = False
            self._changed()
        self._go_on()

    def able(self, now: float) -> bool:
        """Hear that the channel is able again; True when a rest ended by it."""
        ended = self._suspension.able(now)
        if self._suspension.until > now and not self._stopping:
            self._suspension_timer.set(self._suspension.until)
        return ended

    def lift(self) -> None:
        """End all of it: someone acted."""
        self._suspension.lift()
        self.senders.lift()
        self.pace.lift(self._clock.seconds())
        if IHalting.providedBy(self._channel):
            IHalting(self._channel).end_halt()
        self._changed()
        self.look_at_senders()

    def stop(self) -> None:
        """Leave no timer."""
        self._stopping = True
        for alarm in (self._pace_alarm, self._suspension_timer, self._sender_alarm):
            alarm.cancel()


def _sender(entry: QueueEntry) -> str | None:
    return None if entry.prepared is None else entry.prepared.sender


def _words(refused: Refused) -> str:
    return f"{refused.error.code}: {refused.error.text}"


@define
class _Period:
    until: float = 0.0
    why: str = ""

    def begin(self, until: float, why: str) -> None:
        """Begin, unless it lasts longer already."""
        if until >= self.until:
            self.until, self.why = until, why


@define
class Suspension:
    """How long a lane leaves its channel alone, and why.

    There are two kinds.  One that was asked for (Retry-After, a halt, a journal that
    cannot write) lasts its time.  One that came of a way that is absent lasts until the
    channel tells that it is there again; its time is only for want of such a word.
    Pure: times are epoch seconds.
    """

    # when it ends; in the past: there is none
    until: float = field(default=0.0, init=False)
    _asked: _Period = field(factory=_Period, init=False)
    _absent: _Period = field(factory=_Period, init=False)

    def _changed(self) -> None:
        self.until = max(self._asked.until, self._absent.until)

    def begin(self, why: str, until: float, *, until_able: bool = False) -> None:
        """Begin until then; a longer one is not shortened by a shorter one."""
        (self._absent if until_able else self._asked).begin(until, why)
        self._changed()

    def reason(self, now: float) -> str | None:
        """Return why nothing leaves now, None: it may."""
        for period in (self._asked, self._absent):
            if period.until > now:
                return period.why
        return None

    def able(self, now: float) -> bool:
        """The way is there again; True when it ended by that."""
        active = self.until > now
        self._absent.until = 0.0
        self._changed()
        return active and self.until <= now

    def lift(self) -> None:
        """End it, whatever it came of: someone acted."""
        self._asked.until = self._absent.until = self.until = 0.0
