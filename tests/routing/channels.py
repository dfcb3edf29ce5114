"""A channel that the test leads by hand: the far side of a lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from gdemoi.interfaces import IChannel, IChannelEvents, IContinuing, IHalting
from gdemoi.message import (
    Accepted,
    Error,
    Outbound,
    Outcome,
    Progress,
    Receipt,
    Refused,
)


@define
class Ready:
    """What this channel makes of a message."""

    message: Outbound
    segments: int = 1
    sender: str | None = None
    charset: str = "gsm8"
    data_coding: int | None = 0
    taken: int = 0

    def user_data(self) -> list[tuple[str, int]]:
        return [("00", 1)] * self.segments

    def wire(self) -> list[list[str]]:
        return [["00"]] * self.segments


@implementer(IChannel, IHalting)
@define(eq=False, slots=False)
class HandChannel:
    """Keeps what was submitted until the test answers."""

    name: str = "a"
    kind: str = "hand"
    account: str = "account-a"
    window: int = 10
    rate: float | None = None
    down: str | None = None
    refuses: Error | None = None
    segments: int = 1
    submitted: list[tuple[Ready, int, Deferred[Outcome]]] = field(factory=list)
    answers: list[Outcome] = field(factory=list)
    asked: list[tuple[str, ...]] = field(factory=list)
    knows: Receipt | None = None
    stopped: float | None = None
    events: IChannelEvents | None = None
    end_halt_count: int = 0

    def end_halt(self) -> None:
        self.end_halt_count += 1

    def start(self, events: IChannelEvents) -> None:
        self.events = events

    def stop(self, grace_s: float) -> Deferred[None]:
        self.stopped = grace_s
        return succeed(None)

    def unable(self) -> str | None:
        return self.down

    def prepare(self, message: Outbound) -> Ready | Refused:
        if self.refuses is not None:
            return Refused(error=self.refuses)
        return Ready(message, self.segments, message.from_)

    def submit(self, prepared: Ready, attempt: int) -> Deferred[Outcome]:
        answer: Deferred[Outcome] = Deferred()
        self.submitted.append((prepared, attempt, answer))
        if self.answers:
            answer.callback(self.answers.pop(0))
        return answer

    def ask(
        self, message: Outbound, provider_ids: Sequence[str]
    ) -> Deferred[Receipt | None]:
        self.asked.append((message.id, *provider_ids))
        return succeed(self.knows)

    def describe(self) -> dict[str, Any]:
        return {"state": "up", "reason": "", "lines": []}

    def command(self, line: str, verb: str, arguments: Sequence[str]) -> Deferred[str]:
        return succeed(f"{line} {verb} {' '.join(arguments)}")

    # -- the test's hand

    def answer(self, outcome: Outcome | None = None, index: int = -1) -> None:
        """Answer one submit."""
        ready, _, waiting = self.submitted[index]
        waiting.callback(outcome or Accepted(provider_ids=(f"p-{ready.message.id}",)))

    @property
    def ids(self) -> list[str]:
        """Return the ids in the order in which they were submitted."""
        return [ready.message.id for ready, _, _ in self.submitted]


@implementer(IContinuing)
class PartChannel(HandChannel):
    """One that sends the missing parts alone, if they would have the form `form`."""

    form: str = "f"

    def resume(self, message: Outbound, progress: Progress) -> Ready | None:
        if progress.form != self.form:
            return None
        return Ready(message, len(progress.ids), taken=progress.taken)
