"""What a delivery receipt says, and how its message id is spelled.

Receipts: SMPP 3.4 appendix B (the text form), §5.2.12 (esm_class), §5.3.2.35
(message_state), and the variants that carriers send: other order, other case,
missing fields, states in full, dates of 10, 12 or 14 digits.  Order of trust:
TLVs, then esm_class, then the text.  Nothing here raises on any input.

Ids: a receipt often names a message by another spelling than submit_sm_resp did,
hexadecimal here and decimal there (SMPP 3.3 prescribes it, Vonage documents it).
`IdForms` turns a receipt's id into the stored forms (`provider_key`) under which the
message may be found, and learns from the matches which form the carrier uses.  Ids
stay text everywhere.
"""

from __future__ import annotations

import re
import string
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Final

import msgspec

from gdemoi.message import MessageState, provider_key
from gdemoi.smpp.pdu.commands import TYPE_INTERMEDIATE, TYPE_MASK, TYPE_RECEIPT
from gdemoi.text import charset

# 0x24 is reserved, and sent by some for an intermediate receipt
_RECEIPTS: Final = frozenset((TYPE_RECEIPT, TYPE_INTERMEDIATE, 0x24))

MESSAGE_STATES: Final[dict[int, str]] = {
    0: "SCHEDLD",
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
    9: "SKIPPED",
}

# UNKNOWN is missing on purpose: who does not know the state says none.  Then the
# other witness (text, error code) counts, and the message stays open.
_WORDS: Final[dict[MessageState, tuple[str, ...]]] = {
    MessageState.DELIVERED: ("DELIVRD", "DELIVERED", "DELIVERD", "DELIV", "DELIVERY"),
    MessageState.EXPIRED: ("EXPIRED", "EXPIRD"),
    MessageState.UNDELIVERED: (
        *("UNDELIV", "UNDELIVERABLE", "UNDELIVERED", "UNDELIVRD", "FAILED"),
        *("FAIL", "DELETED", "SKIPPED", "ERROR"),
    ),
    MessageState.REJECTED: ("REJECTD", "REJECTED", "REJECT"),
    MessageState.ENROUTE: (
        *("ENROUTE", "ACCEPTD", "ACCEPTED", "BUFFRED", "BUFFERED", "BUFFERD"),
        *("ACKED", "SCHEDLD", "SCHEDULED", "QUEUED", "PENDING", "SENT"),
    ),
}
STATE_OF_WORD: Final[dict[str, MessageState]] = {
    word: state for state, words in _WORDS.items() for word in words
}


class ReceiptText(msgspec.Struct, frozen=True):
    """The fields of a receipt's text, verbatim; None where a field is missing."""

    id: str | None = None
    sub: str | None = None
    dlvrd: str | None = None
    submit_date: str | None = None
    done_date: str | None = None
    stat: str | None = None
    err: str | None = None
    text: str | None = None

    @property
    def is_receipt(self) -> bool:
        """Nothing but an id and a state is needed."""
        return bool(self.id) and bool(self.stat)


NOTHING: Final = ReceiptText()

# The form of SMPP 3.4 appendix B, as most centres send it.
_PLAIN: Final = re.compile(
    r"id:(\S+) sub:(\S*) dlvrd:(\S*) submit date:(\S*) done date:(\S*)"
    r" stat:(\S+) err:(\S*)(?: [tT]ext:(.*))?\s*",
    re.DOTALL,
)
_LABEL: Final = re.compile(
    r"(?<![a-z0-9])(id|sub|dlvrd|submit[ _-]?date|done[ _-]?date|stat|err|text)\s*:",
    re.IGNORECASE,
)
_AROUND: Final = " \t\r\n\0"
# some centres put the whole receipt between quotes, as manuals print it
_AROUND_FIELDS: Final = _AROUND + "\"'"
# A receipt's own text is short; what is longer is not searched for labels.
_LONGEST: Final = 4096
# An SMS holds 140 octets of packed septets; a receipt is not much longer.
_LONGEST_PACKED: Final = 512


def parse_text(octets: bytes) -> ReceiptText:
    """Read a receipt's text, of any dialect; `NOTHING` when it has no field."""
    shown = octets[:_LONGEST].decode("latin-1")
    plain = _PLAIN.fullmatch(shown)
    if plain is not None:
        *fields, text = plain.groups()
        id_, sub, dlvrd, submit_date, done_date, stat, err = fields
        if text is not None:
            text = text.strip(_AROUND)
        return ReceiptText(id_, sub, dlvrd, submit_date, done_date, stat, err, text)
    return _parse_loosely(shown)


def _parse_loosely(shown: str) -> ReceiptText:
    """Find the labels in any order and case; the value runs to the next label."""
    found: dict[str, str] = {}
    name, start = "", 0
    for label in _LABEL.finditer(shown):
        if name and name not in found:
            found[name] = shown[start : label.start()].strip(_AROUND_FIELDS)
        name = _field(label[1])
        start = label.end()
        if name == "text":
            break
    if not name:
        return NOTHING
    if name not in found:
        around = _AROUND if name == "text" else _AROUND_FIELDS
        found[name] = shown[start:].strip(around)
    return ReceiptText(**found)


def _field(label: str) -> str:
    lowered = label.lower()
    if lowered.startswith("submit"):
        return "submit_date"
    return "done_date" if lowered.startswith("done") else lowered


def parse_date(digits: str | None, zone: tzinfo = UTC) -> float | None:
    """Read YYMMDDhhmm, YYMMDDhhmmss or YYYYMMDDhhmmss; a bad date is no date."""
    if not digits or not digits.isascii() or not digits.isdigit():
        return None
    form = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    if form is None:
        return None
    try:
        return datetime.strptime(digits, form).replace(tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        return None


def text_of(octets: bytes) -> ReceiptText:
    """Read a receipt by its octets, whatever data_coding says of them.

    Many carriers write plain ASCII under data_coding 8; others UCS2 of either
    order, with a byte order mark or without; some pack septets.
    """
    plain = parse_text(octets)
    if plain.is_receipt:
        return plain
    packed = _packed(octets)
    if packed.is_receipt:
        return packed
    if b"\0" not in octets:
        return plain
    for codec in ("utf-16-be", "utf-16-le"):
        wide = octets[: 2 * _LONGEST].decode(codec, "replace").lstrip("\ufeff")
        read = parse_text(wide.encode("latin-1", "replace"))
        if read.is_receipt or (plain is NOTHING and read is not NOTHING):
            return read
    return plain


def _packed(octets: bytes) -> ReceiptText:
    """Read a receipt whose septets are packed (TS 23.038 §6.1.2)."""
    if len(octets) > _LONGEST_PACKED:
        return NOTHING
    text = charset.decode(octets, "gsm7")
    return parse_text(text.encode("latin-1", "replace"))


class ReceiptFacts(msgspec.Struct, frozen=True):
    """What one receipt says, whichever way it says it.

    `state` is None when neither TLV nor text names one that is known.  `also` are
    further ids that it names, the less trusted ones.
    """

    id: str
    word: str
    state: MessageState | None
    err: str | None
    done_date: str | None
    intermediate: bool
    also: tuple[str, ...] = ()


def facts_of(
    esm_class: int,
    octets: bytes,
    receipted_message_id: bytes | None = None,
    message_state: int | None = None,
    network_error_code: bytes | None = None,
    *,
    by_text: bool = False,
) -> ReceiptFacts | None:
    """Return what a deliver_sm or data_sm says as a receipt, None: it is none.

    `by_text` also takes, for receipts, texts that look like one although
    esm_class does not say so (a phone can write such a text too).
    """
    kind = esm_class & TYPE_MASK
    hinted = receipted_message_id is not None or message_state is not None
    certain = kind in _RECEIPTS or (
        receipted_message_id is not None and message_state is not None
    )
    if not (certain or hinted or kind or by_text):
        return None
    text = text_of(octets) if octets else NOTHING
    # no phone sets a type or these TLVs: with them, a receipt's text is a receipt
    if not (certain or text.is_receipt):
        return None
    word, state = _state_of(text, message_state)
    intermediate = bool(kind & TYPE_INTERMEDIATE)
    if intermediate and state is not MessageState.DELIVERED:
        state = MessageState.ENROUTE
    first, second = _id(receipted_message_id), text.id or ""
    return ReceiptFacts(
        first or second,
        word,
        state,
        text.err or _network_error(network_error_code),
        text.done_date,
        intermediate,
        (second,) if first and second and first != second else (),
    )


def _state_of(
    text: ReceiptText, message_state: int | None
) -> tuple[str, MessageState | None]:
    """Return the word and the state; the TLV goes before the text if it knows."""
    word = (text.stat or "").upper()
    state = STATE_OF_WORD.get(word)
    by_tlv = MESSAGE_STATES.get(message_state) if message_state is not None else None
    if by_tlv is None:
        return word, state
    known = STATE_OF_WORD.get(by_tlv)
    if known is None and state is not None:
        return word, state
    return by_tlv, known


def _id(receipted_message_id: bytes | None) -> str:
    """The NUL at the end may be missing; what follows a NUL is no id."""
    if receipted_message_id is None:
        return ""
    return receipted_message_id.partition(b"\0")[0].decode("latin-1").strip(_AROUND)


def _network_error(value: bytes | None) -> str | None:
    """Octet 1 is the network's type, 2 and 3 the code (SMPP 3.4 §5.3.2.31)."""
    if value is None or len(value) != 3:
        return None
    code = int.from_bytes(value[1:], "big")
    return str(code) if code else None


# -- the spelling of ids


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
