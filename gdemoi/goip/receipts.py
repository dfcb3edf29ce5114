"""Which SMS a DELIVER is about: line, sms_no, number and time.

sms_no is a small counter that wraps and restarts, so it names an SMS only for a
while.  The provider id of an SMS is therefore ``line:sms_no:slot``, with a slot
of ten minutes, and a receipt may stand under the slots of the last hour.  As long
as the process remembers the SMS (`SentTable`), the receipt gets its one key; after a
restart the journal finds it by slot and number.

UDP reorders and loses: a receipt may overtake the OK of its SMS (`EarlyReceipts`),
or be the only answer that arrives (`UncertainSms`).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import define, field, frozen

from gdemoi.goip.datagrams import Push, agree
from gdemoi.goip.inbound import InboundKey
from gdemoi.goip.session_events import GoipJob, ReceiptReceived
from gdemoi.kit.recent import Recent
from gdemoi.message import provider_key

if TYPE_CHECKING:
    # a line owns its `SentTable`
    from gdemoi.goip.lines import Line

# The vendor's server matches within an hour.
MATCH_WINDOW_S: Final = 3600.0
SLOT_S: Final = 600.0
# SMS remembered for each line
REMEMBERED: Final = 256


class SentSms(msgspec.Struct, frozen=True):
    """An SMS that the device accepted under `sms_no`."""

    provider_id: str
    to: str
    at: float


def provider_id_of(line: str, sms_no: str, at: float) -> str:
    """Return the provider id of an SMS accepted at `at`."""
    return f"{line}:{sms_no}:{int(at // SLOT_S)}"


@define(eq=False)
class SentTable:
    """What one line sent lately, by sms_no."""

    line: str
    _sent: Recent[str, SentSms] = field(factory=lambda: Recent(REMEMBERED))

    def note(self, sms_no: str, to: str, now: float) -> SentSms:
        """Remember an SMS; a number that comes round again names the new one."""
        sms = SentSms(provider_id_of(self.line, sms_no, now), to, now)
        self._sent[sms_no] = sms
        return sms

    def match(self, sms_no: str, number: str, now: float) -> SentSms | None:
        """Return the SMS that a receipt about `number` can mean."""
        sms = self._sent.get(sms_no)
        if sms is None or now - sms.at > MATCH_WINDOW_S:
            return None
        return sms if agree(sms.to, number) else None

    def keys(self, sms_no: str, number: str, now: float) -> tuple[str, ...]:
        """Return the keys that a receipt of now may stand under, best first.

        None when this SMS is remembered as too old.  When sms_no is remembered
        for another phone, the journal still may know an older SMS by it.
        """
        sms = self._sent.get(sms_no)
        if sms is not None and agree(sms.to, number):
            fresh = now - sms.at <= MATCH_WINDOW_S
            return (provider_key(sms.provider_id),) if fresh else ()
        slots = int(MATCH_WINDOW_S // SLOT_S) + 1
        return tuple(
            provider_key(provider_id_of(self.line, sms_no, now - n * SLOT_S))
            for n in range(slots)
        )

    def __len__(self) -> int:
        return len(self._sent)


# -- receipts that overtook the OK of their SMS ------------------------------
# A DELIVER whose sms_no is unknown, while its line is just sending to that very
# number, waits for the OK; when it does not come, the journal gets the receipt as it
# is, and keeps it as unmatched.

EARLY_S: Final = 10.0
EARLY_LIMIT: Final = 500


def sms_no_of(push: Push) -> str:
    """Return the number that the device gave the SMS."""
    return push.fields.get("sms_no", b"").decode("ascii", "replace")


def number_of(push: Push) -> str:
    """Return the phone that a receipt is about, as the device spells it."""
    return push.fields.get("num", b"").decode("utf-8", "replace")


def receipt_received(
    line: Line, key: InboundKey, push: Push, now: float
) -> ReceiptReceived:
    """Return a DELIVER with what is known of its SMS."""
    sms_no, number = sms_no_of(push), number_of(push)
    status = int(push.fields["state"])
    known = line.sent.match(sms_no, number, now)
    return ReceiptReceived(
        key,
        line.name,
        sms_no,
        status,
        line.to_e164(number) if known is None else known.to,
        line.sent.keys(sms_no, number, now),
        known is not None,
        f"DELIVER sms_no:{sms_no};state:{status};num:{number}",
    )


@define(eq=False)
class _EarlyReceipt:
    line: Line
    key: InboundKey
    push: Push
    until: float


@define(eq=False)
class EarlyReceipts:
    """The receipts that wait."""

    _waiting: list[_EarlyReceipt] = field(factory=list)

    def keep(self, line: Line, key: InboundKey, push: Push, now: float) -> bool:
        """Let a receipt wait; False when too many do."""
        if len(self._waiting) >= EARLY_LIMIT:
            return False
        self._waiting.append(_EarlyReceipt(line, key, push, now + EARLY_S))
        return True

    def due(self, now: float) -> list[ReceiptReceived]:
        """Return the receipts whose SMS is known now, or that waited enough."""
        found, kept = [], []
        for one in self._waiting:
            known = one.line.sent.match(sms_no_of(one.push), number_of(one.push), now)
            if known is not None or now >= one.until:
                found.append(receipt_received(one.line, one.key, one.push, now))
            else:
                kept.append(one)
        self._waiting = kept
        return found

    def next(self) -> float | None:
        """Return when the next has waited enough."""
        return min((one.until for one in self._waiting), default=None)

    def __len__(self) -> int:
        return len(self._waiting)


# -- SMS whose verdict was lost ----------------------------------------------
# They are remembered for an hour: a late OK or ERROR, or a receipt, may still give the
# result.  A receipt may also come while the exchange still waits for a verdict that was
# lost: it is kept as unmatched, and is the verdict when the exchange ends without one.

UNSURE_S: Final = 3600.0
UNSURE_LIMIT: Final = 50
UNMATCHED_LIMIT: Final = 200


@frozen
class _UncertainSms:
    job: GoipJob
    at: float


@frozen
class UnmatchedReceipt:
    """A receipt that no SMS was known for."""

    line: str
    number: str
    sms_no: str
    at: float


@define(eq=False)
class UncertainSms:
    """SMS without a verdict, by line; the oldest of each line are forgotten."""

    _lines: dict[str, deque[_UncertainSms]] = field(factory=dict)
    _unmatched: deque[UnmatchedReceipt] = field(
        factory=lambda: deque(maxlen=UNMATCHED_LIMIT)
    )

    def is_empty_for(self, line: str, number: str) -> bool:
        """Whether no SMS of a line to this number is unsure."""
        kept = self._lines.get(line, ())
        return not any(agree(one.job.to, number) for one in kept)

    def keep(self, unmatched: UnmatchedReceipt) -> None:
        """Remember a receipt that came while its SMS may be under way."""
        self._unmatched.append(unmatched)

    def adopt(self, line: str, number: str, since: float) -> UnmatchedReceipt | None:
        """Return the one unmatched receipt that can be of an SMS begun at `since`."""
        mine = [
            one
            for one in self._unmatched
            if one.line == line and one.at >= since and agree(one.number, number)
        ]
        if len(mine) != 1:
            return None
        self._unmatched.remove(mine[0])
        return mine[0]

    def note(self, line: str, job: GoipJob, now: float) -> None:
        """Remember an SMS that may have gone out."""
        kept = self._lines.setdefault(line, deque(maxlen=UNSURE_LIMIT))
        kept.append(_UncertainSms(job, now))

    def settle(self, line: str, job: GoipJob) -> bool:
        """Forget a job; False when it was settled before."""
        kept = self._lines.get(line, deque())
        mine = [one for one in kept if one.job is job]
        if mine:
            kept.remove(mine[0])
        return bool(mine)

    def claim(self, line: str, number: str, now: float) -> GoipJob | None:
        """Return the one job of a line to this number, and forget it.

        None when there are several: nobody could tell which is meant.
        """
        kept = self._lines.get(line, deque())
        mine = [
            one
            for one in kept
            if now - one.at <= UNSURE_S and agree(one.job.to, number)
        ]
        if len(mine) != 1:
            return None
        kept.remove(mine[0])
        return mine[0].job
