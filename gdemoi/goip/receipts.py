"""Which SMS a DELIVER speaks of: line, sms_no, number and time.

sms_no is a small counter that wraps and restarts, so it names an SMS only for a
while.  The provider id of an SMS is therefore ``line:sms_no:slot``, with a slot
of ten minutes, and a receipt may stand under the slots of the last hour.  As long
as the process remembers the SMS, the receipt gets its one key; after a restart the
journal finds it by slot and number.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec
from attrs import define, field

from gdemoi.goip.numbers import agree
from gdemoi.message import provider_key

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
    _sent: OrderedDict[str, SentSms] = field(factory=OrderedDict)

    def note(self, sms_no: str, to: str, now: float) -> SentSms:
        """Remember an SMS; a number that comes round again names the new one."""
        sms = SentSms(provider_id_of(self.line, sms_no, now), to, now)
        self._sent.pop(sms_no, None)
        self._sent[sms_no] = sms
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
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
