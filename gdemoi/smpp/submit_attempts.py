"""One try to send one message: its segments' answers become one outcome.

SMPP knows segments, the gateway knows messages.  The message has an outcome when
no segment of this try waits for an answer and none is left to send: accepted
when all are; refused when one was; unsure when nobody knows of one.  A refusal
for good wins over a doubt, since without that segment nothing can be read.  What
the SMSC has of it by then is part of the outcome (`Progress`), whatever it is.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gdemoi.message import Accepted, MessageClass, Outcome, Refused, Uncertain
from gdemoi.smpp.encoder import SmppEncodedMessage


class SubmitAttempt:
    """The segments of one try; `done` hears the outcome, once."""

    __slots__ = (
        *(
            "_done",
            "_doubted",
            "_heard",
            "_refused",
            "_silent",
            "_unclear",
            "attempt",
            "uncertain_segments",
            "late",
            "octets",
        ),
        *("over", "news", "prepared", "refusal", "todo", "waiting", "why"),
    )

    def __init__(
        self,
        prepared: SmppEncodedMessage,
        attempt: int,
        done: Callable[[Outcome], None],
    ) -> None:
        self.prepared = prepared
        self.attempt = attempt
        self.octets: list[bytes] = []
        # places of segments that have not left in this try, the next one last
        self.todo: list[int] = []
        self.waiting = 0
        self.uncertain_segments = 0
        self.why = ""
        self.refusal: Refused | None = None
        self.over = False
        self.late = False
        # the SMSC has a segment more than was told
        self.news = False
        # whether the SMSC spoke of any segment in this try, and whether it was silent
        self._heard = False
        self._doubted = False
        # places of segments that were refused
        self._refused: set[int] = set()
        self._silent = False
        self._unclear = False
        self._done = done

    def begin(self, *, tlvs: bool) -> None:
        """Take the PDUs for the link that is to carry them.

        A command of which a part has left otherwise than this link lets the rest
        leave stays as it is.
        """
        prepared = self.prepared
        must_fit = (
            prepared.partly_taken
            and prepared.message.class_ is not MessageClass.NOTIFICATION
        )
        if must_fit and not prepared.fits(tlvs=tlvs):
            self.uncertain_segments += 1
            self.why = "a part has left, and the rest would not fit to it"
            self.conclude()
            return
        self.octets = prepared.octets(tlvs=tlvs)
        taken = prepared.taken
        self.todo = [n for n in range(len(taken) - 1, -1, -1) if taken[n] is None]
        if not self.todo:
            self.conclude()

    def leaves(self) -> int:
        """Take the place of the next segment to send."""
        self.waiting += 1
        return self.todo.pop()

    def accepted(self, place: int, message_id: str, *, late: bool = False) -> None:
        """The SMSC has a segment; `late`: of which nobody knew before."""
        self.prepared.taken[place] = message_id
        self.news = self._heard = True
        if place in self._refused:
            # it takes its refusal back: nobody waited for that
            self._refused.discard(place)
            if None not in self.prepared.taken:
                self.refusal = None
            return
        self._settle(late)

    def refused(self, place: int, refusal: Refused, *, late: bool = False) -> None:
        """The SMSC refused a segment; the rest need not be sent now."""
        if self.refusal is None or not refusal.error.retryable:
            self.refusal = refusal
        self._heard = True
        self._refused.add(place)
        self.todo.clear()
        self._settle(late)

    def unsure(self, why: str, *, silent: bool = False, unclear: bool = False) -> None:
        """Nobody knows what became of a segment.

        `silent`: for want of an answer; `unclear`: the answer leaves it open.
        """
        self.uncertain_segments += 1
        self._doubted = True
        self._silent = self._silent or silent
        self._unclear = self._unclear or unclear
        self._heard = self._heard or not silent
        self.why = self.why or why
        self._settle(late=False)

    def cannot_leave(self, refusal: Refused) -> None:
        """The link is gone before everything was sent."""
        if self.todo:
            self.todo.clear()
            self.refusal = self.refusal or refusal
        self.conclude()

    def _settle(self, late: bool) -> None:
        # a late answer takes a doubt away; the others are still waited for
        if late:
            self.uncertain_segments -= 1
        else:
            self.waiting -= 1
        self.conclude()

    def conclude(self) -> None:
        """Tell the outcome when there is one."""
        if not (self.over or self.waiting or self.todo):
            self.over = True
            self.news = False
            self._done(self.outcome())

    def late_outcome(self) -> Outcome | None:
        """Return the outcome that late answers made certain, once.

        Before that (and after it) one that only tells of a segment more.
        """
        news, self.news = self.news, False
        outcome = self.outcome()
        if not (self._doubted or isinstance(outcome, Accepted)):
            # it was refused before, and is as far as it goes
            return None
        certain = not (self.uncertain_segments > 0 or isinstance(outcome, Uncertain))
        if certain and not self.late:
            self.late = True
            return outcome
        return self._unsure() if news else None

    def outcome(self) -> Outcome:
        """Return what is known now."""
        refusal = self.refusal
        doubtful = self.uncertain_segments > 0
        if refusal is not None and not (doubtful and refusal.error.retryable):
            if not self.prepared.partly_taken:
                return refusal
            return msgspec.structs.replace(refusal, progress=self.prepared.progress())
        taken = self.prepared.taken
        if doubtful or None in taken:
            return self._unsure()
        ids = tuple([id_ for id_ in taken if id_])
        return Accepted(
            provider_ids=ids,
            segments=len(taken),
            receipt_expected=self.prepared.receipt_expected and bool(ids),
        )

    def _unsure(self) -> Uncertain:
        taken = self.prepared.taken
        return Uncertain(
            why=self.why or "not all segments were sent",
            provider_ids=tuple([id_ for id_ in taken if id_]),
            segments=len(taken),
            progress=self.prepared.progress(),
            unanswered=self._silent and not self._heard,
            unclear=self._unclear,
        )
