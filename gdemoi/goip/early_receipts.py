"""Receipts that overtook the OK of their SMS: UDP reorders.

A DELIVER whose sms_no nobody knows, while its line is just sending to that very
number, waits for the OK; when it does not come, the journal gets the receipt as it
is, and keeps it as unmatched.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from gdemoi.goip.datagrams import Push
from gdemoi.goip.inbound_repeats import Key
from gdemoi.goip.lines import Line
from gdemoi.goip.session_events import ReceiptReceived

EARLY_S: Final = 10.0
EARLY_LIMIT: Final = 500


def sms_no_of(push: Push) -> str:
    """Return the number that the device gave the SMS."""
    return push.fields.get("sms_no", b"").decode("ascii", "replace")


def number_of(push: Push) -> str:
    """Return the phone that a receipt speaks of, as the device spells it."""
    return push.fields.get("num", b"").decode("utf-8", "replace")


def receipt_received(line: Line, key: Key, push: Push, now: float) -> ReceiptReceived:
    """Return a DELIVER with what is known of its SMS."""
    sms_no, number = sms_no_of(push), number_of(push)
    status = int(push.fields["state"])
    known = line.sent.match(sms_no, number, now)
    return ReceiptReceived(
        key,
        line.name,
        sms_no,
        status,
        line.unspelled(number) if known is None else known.to,
        line.sent.keys(sms_no, number, now),
        known is not None,
        f"DELIVER sms_no:{sms_no};state:{status};num:{number}",
    )


@define(eq=False)
class _EarlyReceipt:
    line: Line
    key: Key
    push: Push
    until: float


@define(eq=False)
class EarlyReceipts:
    """The receipts that wait."""

    _waiting: list[_EarlyReceipt] = field(factory=list)

    def keep(self, line: Line, key: Key, push: Push, now: float) -> bool:
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
