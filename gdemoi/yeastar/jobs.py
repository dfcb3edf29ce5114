"""The SMS of one connection: each waits for a port, is written, is settled.

States of a job: waiting (no port yet), queued (its port is reserved, the action
stands in the `ActionQueue`), written (the command left), taken (the device printed no
refusal).  Before "written" its end is a refusal: nothing left.  From "written" on
nothing but the device's own word makes it a refusal; silence is `Uncertain`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from attrs import define, field

from gdemoi.message import Accepted, Error, Outcome, Refused, Scope, Uncertain
from gdemoi.yeastar.ports import Port

# An SMS waits for its port no longer than this beyond the port's rest.
PORT_WAIT_S: Final = 60.0
# Ids are eighths of a second, so that those of a restarted gateway are new ones;
# ten digits, and no more than a 32-bit integer of the device holds.
_IDS_PER_S: Final = 8
_ID_LIMIT: Final = 2**31 - 1
_WRAPPED: Final = 2**30

SENT, FAILED = "1", "0"
# The code of the error that ``Status: 0`` is.
NOT_TAKEN: Final = "yeastar:0"


class SmsIds:
    """Numbers SMS so that no id comes again, not even after a restart."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, now: float) -> str:
        """Return a new id."""
        fresh = int(now * _IDS_PER_S) % _ID_LIMIT + 1
        if fresh > self._last or self._last - fresh > _WRAPPED:
            self._last = fresh
        else:
            self._last += 1
        return str(self._last)


@define(eq=False)
class SmsCommand:
    """One command to send; `only` are the ports that may be used (none: any).

    `ids` are those under which it was written, one for each port that was tried.
    """

    to: str
    quoted: str
    segments: int = 1
    only: tuple[int, ...] = ()
    ids: list[str] = field(factory=list)


@define(eq=False)
class TgJob:
    """An SMS on its way through this connection."""

    ticket: int
    sms: SmsCommand
    give_up_at: float
    id: str = ""
    port: Port | None = None
    written: bool = False
    deadline: float | None = None
    refused_by: set[int] = field(factory=set)
    last_refusal: Refused | None = None

    @property
    def line(self) -> str | None:
        """Return the name of its port."""
        return str(self.port.number) if self.port is not None else None

    def accepted(self) -> Accepted:
        """Return: the network has it, and nothing more will be heard."""
        return Accepted(
            provider_ids=(self.id,),
            segments=self.sms.segments,
            line=self.line,
            receipt_expected=False,
        )

    def unsure(
        self, why: str, *, silent: bool = False, unclear: bool = False
    ) -> Uncertain:
        """Return: it may have gone out; `silent`: the device did not say.

        `unclear`: it did, and that leaves it open.
        """
        return Uncertain(
            why=why,
            provider_ids=(self.id,),
            segments=self.sms.segments,
            line=self.line,
            unanswered=silent,
            unclear=unclear,
        )

    def contradicted(self, why: str) -> Uncertain:
        """Return: the device says of it that it went out, and that it did not."""
        return Uncertain(
            why=why,
            provider_ids=tuple(self.sms.ids),
            segments=self.sms.segments,
            unclear=True,
        )

    def failed(self) -> Refused:
        """Return: the device says that the network did not take it."""
        text = "the device reports that the SMS was not sent (Status: 0)"
        return Refused(error=Error(NOT_TAKEN, text, retryable=True), line=self.line)


def outcome_of(job: TgJob, status: str) -> Outcome:
    """Return what ``UpdateSMSSend`` says; any status but 0 and 1 says nothing."""
    if status == SENT:
        return job.accepted()
    if status == FAILED:
        return job.failed()
    why = f"the device reports an unknown status {status!r}"
    return job.unsure(why, unclear=True)


def no_port(why: str, *, whole: bool = True) -> Refused:
    """Return: nothing left; no port can send now, or not the one asked for."""
    return Refused(
        error=Error("yeastar:no_port", why, retryable=True),
        scope=Scope.CHANNEL_FOR_A_WHILE if whole else Scope.MESSAGE,
        by_us=True,
        until_able=whole,
    )


class TgJobs:
    """The jobs of a connection, by ticket and by id."""

    def __init__(self) -> None:
        self.by_ticket: OrderedDict[int, TgJob] = OrderedDict()
        self._by_id: dict[str, TgJob] = {}
        # those that look for another port, by the ids that were refused
        self._refused: dict[str, TgJob] = {}
        self._count = 0

    def add(self, sms: SmsCommand, give_up_at: float) -> TgJob:
        """Take an SMS in."""
        self._count += 1
        job = TgJob(self._count, sms, give_up_at)
        self.by_ticket[job.ticket] = job
        return job

    def name(self, job: TgJob, sms_id: str) -> None:
        """Give a job the id under which its result will come."""
        job.id = sms_id
        self._by_id[sms_id] = job

    def of_id(self, sms_id: str) -> TgJob | None:
        """Return the job that waits for that id."""
        return self._by_id.get(sms_id)

    def unname(self, job: TgJob) -> None:
        """Take the id back: no result should come under it."""
        self._by_id.pop(job.id, None)
        self._refused[job.id] = job
        job.id = ""

    def refused_as(self, sms_id: str) -> TgJob | None:
        """Return the job that the device refused under that id."""
        return self._refused.get(sms_id)

    def remove(self, job: TgJob) -> None:
        """Forget a settled job."""
        self.by_ticket.pop(job.ticket, None)
        self._by_id.pop(job.id, None)
        for sms_id in job.sms.ids:
            self._refused.pop(sms_id, None)

    def waiting(self) -> list[TgJob]:
        """Return the jobs without a port, oldest first."""
        return [job for job in self.by_ticket.values() if job.port is None]

    def deadline(self) -> float | None:
        """Return the earliest time at which a job must be settled."""
        times = [
            job.give_up_at if job.port is None else job.deadline
            for job in self.by_ticket.values()
        ]
        return min((at for at in times if at is not None), default=None)
