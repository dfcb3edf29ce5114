"""Whose turn it is: commands to one number leave one at a time, over all channels.

Theory of operation.  Each number has a line of commands, in the order in which they
were accepted; those that have begun (an attempt was about to leave) stand before the
others.  A command may leave when nobody before it holds the number.  One holds it from
its acceptance (`join`) until the journal says, after a commit, that it does not any
more, or only until a certain time: that is decided in `gdemoi.journal.turns`, from
what is written, and `load` reads it after a restart.  So nothing here must be
remembered, and nobody waits for what has ended, however it ended.

A lane that has a command whose turn it is not asks to be woken (`wait`).  Commands
whose `not_before` is ahead are not in line, and hold nobody up until they have begun.
Notifications never come here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Final, Protocol

from attrs import define
from twisted.internet.interfaces import IReactorTime

from gdemoi.facts import Holding
from gdemoi.message import Outbound
from gdemoi.tasks import Alarm

HOLDS: Final = float("inf")
# Another gateway has a command to the number under way: look again after this.
ELSEWHERE_S: Final = 1.0


class Waiter(Protocol):
    """Who has a command that waits for its turn."""

    def turn_came(self, message_id: str) -> None:
        """Let it stand in line again: it may be its turn."""

    def turn_gone(self, message_id: str) -> None:
        """Drop it: it is over."""


@define(slots=True, eq=False)
class _TurnPlace:
    """A command in the line of its number."""

    id: str
    # it is in line from then on
    since: float
    until: float = HOLDS
    begun: bool = False
    # the journal has it
    stored: bool = False
    # acceptances of it that are not written yet: a platform may ask twice
    taking: int = 0

    def holds(self, now: float) -> bool:
        return self.until > now and (self.begun or self.since <= now)


class Turns:
    """The lines of all numbers to which commands are on their way."""

    def __init__(self, clock: IReactorTime, *, shared: bool = False) -> None:
        self._clock = clock
        # other gateways send what is in these lines too
        self._shared = shared
        self._lines: dict[str, list[_TurnPlace]] = {}
        # ids of all that stand in them
        self._ids: set[str] = set()
        self._waiters: dict[str, Waiter] = {}
        # numbers that another gateway is busy with, and until when we leave them alone
        self._elsewhere: dict[str, float] = {}
        # when a number may be free by time alone
        self._times: list[tuple[float, str]] = []
        self._alarm = Alarm(clock, self._time_came)

    def stop(self) -> None:
        """Leave no timer."""
        self._alarm.cancel()

    def seconds(self) -> float:
        """Return the time by which turns are counted."""
        return self._clock.seconds()

    @property
    def numbers(self) -> int:
        """How many numbers have a line."""
        return len(self._lines)

    # -- commands come and go ----------------------------------------------

    def load(self, rows: Iterable[Holding]) -> None:
        """Take over what the journal has, after a restart."""
        for row in rows:
            if row.id not in self._ids:
                self._ids.add(row.id)
                line = self._lines.setdefault(row.to, [])
                line.append(
                    _TurnPlace(row.id, row.since, row.until or 0.0, row.begun, True)
                )
                self._at(row.to, row.until or 0.0)

    def join(self, message: Outbound) -> bool:
        """Let a new command stand in line; False: it does already.

        Each `join` is followed by `stored` or `leave`.
        """
        if message.id in self._ids:
            for place in self._lines.get(message.to, ()):
                if place.id == message.id:
                    place.taking += 1
            return False
        self._ids.add(message.id)
        since = message.not_before or 0.0
        line = self._lines.get(message.to)
        if line is None:
            line = self._lines[message.to] = []
        line.append(_TurnPlace(message.id, since, taking=1))
        return True

    def stored(self, message: Outbound) -> None:
        """Hear that the journal has taken it."""
        for place in self._lines.get(message.to, ()):
            if place.id == message.id:
                place.stored = True
                place.taking -= 1

    def leave(self, message: Outbound) -> None:
        """Take a command out of the line that was not accepted after all.

        It stays when the journal has it, or when it was handed in once more.
        """
        for place in self._lines.get(message.to, ()):
            if place.id == message.id:
                place.taking -= 1
                if place.stored or place.taking > 0:
                    return
        self._drop(message.to, message.id)
        self._wake(message.to)

    def free(self, message: Outbound) -> bool:
        """Tell whether it is the turn of a command.

        One that stands in no line is over, or was taken over from another gateway: the
        journal knows.
        """
        line = self._lines.get(message.to)
        if line is None or line[0].id == message.id or message.id not in self._ids:
            return not self._elsewhere or self._is_ours(message.to)
        now = self._clock.seconds()
        for place in line:
            if place.id == message.id:
                break
            if self._holds(place, now):
                return False
        return self._is_ours(message.to)

    def _holds(self, place: _TurnPlace, now: float) -> bool:
        """Tell whether later commands wait for one.

        On a shared journal those that wait elsewhere do not count here: two gateways
        would wait for one another.  The journal is asked at the beginning anyway.
        """
        if self._shared and not place.begun and place.id not in self._waiters:
            return False
        return place.holds(now)

    def _is_ours(self, number: str) -> bool:
        return self._elsewhere.get(number, 0.0) <= self._clock.seconds()

    def begin(self, message: Outbound) -> None:
        """A command is about to leave: it stands before those that have not begun."""
        if message.id not in self._ids:
            if not self._shared:
                # it is over, as the journal will say: nobody is to wait for it
                return
            self._ids.add(message.id)
        line = self._lines.get(message.to)
        if line is None:
            # taken over from another gateway
            line = self._lines[message.to] = [_TurnPlace(message.id, 0.0, stored=True)]
        if line[0].id == message.id:
            line[0].begun = True
            return
        mine = next((place for place in line if place.id == message.id), None)
        if mine is None:
            mine = _TurnPlace(message.id, 0.0, stored=True)
        elif mine.begun:
            return
        else:
            line.remove(mine)
        mine.begun = True
        line.insert(sum(place.begun for place in line), mine)

    def elsewhere(self, message: Outbound) -> None:
        """Another gateway's command is first: wait, behind our own others.

        They may be older than this one, in the order that all gateways share.
        """
        number = message.to
        line = self._lines.get(number, [])
        for place in line:
            if place.id == message.id:
                place.begun = False
                line.remove(place)
                line.append(place)
                break
        until = self._clock.seconds() + ELSEWHERE_S
        self._elsewhere[number] = until
        self._at(number, until)

    # -- who waits ---------------------------------------------------------

    def wait(self, message: Outbound, waiter: Waiter) -> None:
        """Wake `waiter` when it may be the turn of a command of its."""
        self._waiters[message.id] = waiter
        line = self._lines.setdefault(message.to, [])
        if not any(place.id == message.id for place in line):
            # another gateway has accepted it
            since = message.not_before or 0.0
            line.append(_TurnPlace(message.id, since, stored=True))
            self._ids.add(message.id)

    def forget(self, message_id: str) -> None:
        """Wake nobody for a command that was taken out of its lane."""
        self._waiters.pop(message_id, None)

    # -- what the journal says ---------------------------------------------

    def changed(self, told: Sequence[Holding]) -> None:
        """Let commands hold their numbers no longer, or until a certain time."""
        for one in told:
            if one.until is None:
                self._drop(one.to, one.id)
                self._over(one.id)
            else:
                self._until(one.to, one.id, one.until)
            self._wake(one.to)

    def heard(self, told: Sequence[Holding]) -> None:
        """Hear from another gateway what `changed` hears of our own commits."""
        for one in told:
            self._elsewhere.pop(one.to, None)
        self.changed(told)

    def known(self) -> dict[str, str]:
        """Return the commands that the journal has, with their numbers."""
        return {
            place.id: number
            for number, line in self._lines.items()
            for place in line
            if place.stored
        }

    def compare(self, known: dict[str, str], rows: Iterable[Holding]) -> None:
        """Take over what other gateways did to our commands.

        `known` are those of before `rows` were read: what is not among the rows holds
        no longer.
        """
        gone = dict(known)
        for row in rows:
            gone.pop(row.id, None)
            if row.until is not None and row.until != HOLDS:
                self._until(row.to, row.id, row.until)
                self._wake(row.to)
        self.changed([Holding(number, id_, None) for id_, number in gone.items()])

    def _until(self, number: str, message_id: str, until: float) -> None:
        for place in self._lines.get(number, ()):
            if place.id == message_id and place.until != until:
                place.until = until
                self._at(number, until)

    def _drop(self, number: str, message_id: str) -> None:
        self._ids.discard(message_id)
        line = self._lines.get(number)
        if line is None:
            return
        if len(line) == 1:
            if line[0].id == message_id:
                del self._lines[number]
            return
        for place in line:
            if place.id == message_id:
                line.remove(place)
                return

    def _over(self, message_id: str) -> None:
        waiter = self._waiters.pop(message_id, None)
        if waiter is not None:
            waiter.turn_gone(message_id)

    def _wake(self, number: str) -> None:
        """Wake the lane of the command whose turn it is, if one waits for that."""
        if not self._waiters or not self._is_ours(number):
            return
        now = self._clock.seconds()
        for place in self._lines.get(number, ()):
            if place.id in self._waiters and (place.begun or place.since <= now):
                self._waiters.pop(place.id).turn_came(place.id)
                return
            if self._holds(place, now):
                return

    # -- time --------------------------------------------------------------

    def _at(self, number: str, at: float) -> None:
        if at != HOLDS:
            heappush(self._times, (at, number))
            self._alarm.set(self._times[0][0])

    def _time_came(self) -> None:
        now = self._clock.seconds()
        while self._times and self._times[0][0] <= now:
            number = heappop(self._times)[1]
            if self._elsewhere.get(number, HOLDS) <= now:
                del self._elsewhere[number]
            line = self._lines.get(number, [])
            for place in [place for place in line if place.until <= now]:
                self._drop(number, place.id)
            self._wake(number)
        if self._times:
            self._alarm.set(self._times[0][0])
