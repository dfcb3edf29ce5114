"""How a carrier spells message ids: hexadecimal here, decimal there.

A receipt often names a message by another spelling than submit_sm_resp did
(SMPP 3.3 prescribes it, Vonage documents it).  This file turns a receipt's id
into the stored forms (`provider_key`) under which the message may be found, and
learns from the matches which form the carrier uses.  Ids stay text everywhere.
"""

from __future__ import annotations

import string
from enum import StrEnum
from typing import Final

from gdemoi.message import provider_key


class IdForm(StrEnum):
    """How ids in responses and in receipts correspond."""

    AUTO = "auto"
    SAME = "same"
    # hexadecimal in submit_sm_resp, decimal in the receipt
    HEX_DEC = "hex-dec"
    # decimal in submit_sm_resp, hexadecimal in the receipt
    DEC_HEX = "dec-hex"


# SMPP 3.4: a message_id has 64 characters at most; longer ones are no numbers.
_LONGEST_NUMBER: Final = 64
_HEX: Final = frozenset(string.hexdigits)
# So many matches in one form, and none in another, make it the carrier's form;
# so many receipts in a row that match nothing make us doubt again.
SURE_AFTER: Final = 10
DOUBT_AFTER: Final = 20


def as_form(receipt_id: str, form: IdForm) -> str | None:
    """Return the key of `receipt_id` in one form; None when it cannot be that."""
    if form is IdForm.SAME:
        return provider_key(receipt_id)
    digits = receipt_id.strip()
    if not digits or len(digits) > _LONGEST_NUMBER:
        return None
    if form is IdForm.HEX_DEC:
        if not (digits.isascii() and digits.isdigit()):
            return None
        return f"{int(digits):x}"
    if not _HEX.issuperset(digits):
        return None
    return str(int(digits, 16))


class IdForms:
    """The forms of one carrier account: configured, or learned from matches."""

    def __init__(self, form: IdForm = IdForm.AUTO) -> None:
        self.form = form
        self.counts: dict[IdForm, int] = dict.fromkeys(
            (IdForm.SAME, IdForm.HEX_DEC, IdForm.DEC_HEX), 0
        )
        self._order: tuple[IdForm, ...] = tuple(self.counts)
        self._unmatched = 0

    @property
    def learned(self) -> IdForm | None:
        """The form in use here: as configured, or by the evidence; None: not yet."""
        if self.form is not IdForm.AUTO:
            return self.form
        first = self._order[0]
        others = sum(self.counts.values()) - self.counts[first]
        sure = self.counts[first] >= SURE_AFTER and not others
        return first if sure else None

    def keys(self, receipt_id: str) -> tuple[str, ...]:
        """Return the stored forms to look for, best guess first."""
        if not receipt_id.strip():
            return ()
        known = self.learned
        if known is not None:
            key = as_form(receipt_id, known)
            # an id that cannot be of the known form is looked for as it is
            return (key if key is not None else provider_key(receipt_id),)
        found = (as_form(receipt_id, form) for form in self._order)
        return tuple(dict.fromkeys(key for key in found if key is not None))

    def learn(self, receipt_id: str, matched_key: str | None) -> None:
        """Take note under which key a receipt's message was found, if it was."""
        if self.form is not IdForm.AUTO:
            return
        if matched_key is None:
            self._unmatched += 1
            if self._unmatched >= DOUBT_AFTER:
                self._unmatched = 0
                self.counts = dict.fromkeys(self.counts, 0)
            return
        self._unmatched = 0
        if self.learned is not None:
            return
        fitting = [f for f in self.counts if as_form(receipt_id, f) == matched_key]
        # one digit is the same in every form, and teaches nothing
        if len(fitting) == 1:
            self.counts[fitting[0]] += 1
            self._order = tuple(
                sorted(self.counts, key=lambda form: -self.counts[form])
            )
