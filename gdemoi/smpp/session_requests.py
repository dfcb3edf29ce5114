"""Our requests that wait for answers: numbers, the window, deadlines.

SMPP 3.4 §3.2: sequence numbers are 1 to 0x7FFFFFFF, growing by one over all
requests of a session; here also: never one that is still unanswered.  All
requests wait equally long, so that the order of sending is that of deadlines.
"""

from __future__ import annotations

from typing import Any, Final

from gdemoi.kit.recent import Recent
from gdemoi.smpp.pdu.headers import GENERIC_NACK, LAST_NUMBER, ROK
from gdemoi.smpp.session_types import LATE_LIMIT, ResponseMissing, SessionEvent

# Refused requests whose refusal may still be taken back.
REFUSED_LIMIT: Final = 100


class Pending:
    """A request that waits for its answer."""

    __slots__ = ("answer_id", "context", "deadline", "sent_at")

    def __init__(
        self, answer_id: int, context: Any, sent_at: float, deadline: float
    ) -> None:
        self.answer_id = answer_id
        self.context = context
        self.sent_at = sent_at
        self.deadline = deadline

    def answered_by(self, answer_id: int) -> bool:
        """Whether this command_id can answer it (SMPP 3.4 §3.2, §4.3)."""
        return answer_id in (self.answer_id, GENERIC_NACK)


class Requests:
    """The unanswered requests of one session."""

    def __init__(self, response_timeout_s: float, first: int = 1) -> None:
        self._response_timeout_s = response_timeout_s or float("inf")
        self._last = first - 1
        self._pending: dict[int, Pending] = {}
        # given up: a late answer is still understood
        self._late: Recent[int, Pending] = Recent(LATE_LIMIT)
        # answered with an error: an SMSC may take that back
        self._refused: Recent[int, Pending] = Recent(REFUSED_LIMIT)

    def __len__(self) -> int:
        return len(self._pending)

    def next_number(self) -> int:
        """Return a number that no unanswered request has."""
        number = self._last
        while True:
            number = 1 if number >= LAST_NUMBER else number + 1
            kept = number in self._late or number in self._refused
            if number not in self._pending and not kept:
                self._last = number
                return number

    def add(self, answer_id: int, context: Any, now: float) -> int:
        """Count a request as sent now; return its number."""
        number = self.next_number()
        deadline = now + self._response_timeout_s
        self._pending[number] = Pending(answer_id, context, now, deadline)
        return number

    def settle(self, number: int, answer_id: int, status: int = 0) -> Pending | None:
        """Take the request that an answer is for; None: for nothing of ours.

        One that contradicts itself says nothing: the true answer may come yet.
        """
        pending = self._pending.get(number)
        if pending is None or not pending.answered_by(answer_id):
            return None
        del self._pending[number]
        if _contradicts_itself(answer_id, status):
            self._late[number] = pending
        elif status != ROK:
            self._refused[number] = pending
        return pending

    def settle_late(self, number: int, answer_id: int, status: int = 0) -> Any | None:
        """Take the context of a request that was given up or refused; None: of none.

        An answer of another type, or one that contradicts itself, says nothing about
        it, now as little as before.
        """
        kept = self._late
        if status == ROK and number in self._refused:
            kept = self._refused
        pending = kept.get(number)
        if pending is None or not pending.answered_by(answer_id):
            return None
        if _contradicts_itself(answer_id, status):
            return None
        del kept[number]
        return pending.context

    def deadline(self) -> float | None:
        """Return when the oldest request is to be given up."""
        for pending in self._pending.values():
            return pending.deadline
        return None

    def expire(self, now: float) -> list[SessionEvent]:
        """Give up what has waited too long; a late answer is still understood."""
        found: list[SessionEvent] = []
        pending = self._pending
        while pending:
            number = next(iter(pending))
            first = pending[number]
            if first.deadline > now:
                break
            del pending[number]
            self._late[number] = first
            waited_s = now - first.sent_at
            why = f"no answer in {waited_s:.0f} s"
            found.append(ResponseMissing(first.context, why, timed_out=True))
        return found

    def give_up(self, why: str) -> list[SessionEvent]:
        """Give everything up: no answer can come any more."""
        found: list[SessionEvent] = [
            ResponseMissing(pending.context, why) for pending in self._pending.values()
        ]
        self._pending.clear()
        return found


def _contradicts_itself(answer_id: int, status: int) -> bool:
    """Whether an answer is an error that reports success (generic_nack, ESME_ROK)."""
    return answer_id == GENERIC_NACK and status == ROK
