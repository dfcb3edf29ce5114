"""What travels through the gateway: messages, outcomes and receipts, as values.

This file knows the words of docs/contract.rst, "The message", and docs/events.rst,
"States", and the shapes that the layers hand to one another.  It knows no protocol,
no clock and no storage.  All times are seconds since the epoch (float).

None of these values can be part of a cycle, so the garbage collector need not
visit them (`gc=False`); with thousands of them alive that is a tenth of the work.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class MessageState(StrEnum):
    """Where an outbound message stands; it only ever moves forward."""

    ACCEPTED = "accepted"
    WAITING = "waiting"
    SUBMITTED = "submitted"
    UNCERTAIN = "uncertain"
    ENROUTE = "enroute"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


FINAL: Final = frozenset(
    {
        MessageState.DELIVERED,
        MessageState.UNDELIVERED,
        MessageState.EXPIRED,
        MessageState.REJECTED,
        MessageState.CANCELLED,
    }
)

# The order of docs/events.rst, "States"; a state may follow one of lower rank, and
# WAITING may repeat itself (each try is told).
RANK: Final[dict[MessageState, int]] = {
    MessageState.ACCEPTED: 0,
    MessageState.WAITING: 1,
    MessageState.SUBMITTED: 2,
    MessageState.UNCERTAIN: 3,
    MessageState.ENROUTE: 4,
    **dict.fromkeys(FINAL, 5),
}


class ChannelState(StrEnum):
    """How a channel, a line or a port is: docs/events.rst, "Channels and lines"."""

    UP = "up"
    # it can send, but not all of it
    DEGRADED = "degraded"
    DOWN = "down"
    # a port of which the device has not told anything yet
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, up: int, total: int) -> ChannelState:
        """Return the state of what consists of `total` parts, `up` of which are up."""
        return cls.UP if up == total else cls.DEGRADED if up else cls.DOWN


class MessageClass(StrEnum):
    """What a message is for; drives routes and default policies."""

    COMMAND = "command"
    NOTIFICATION = "notification"
    ACTIVATION = "activation"


_NOTIFICATION: Final = MessageClass.NOTIFICATION


class Charset(StrEnum):
    """The alphabet asked for; `auto` is GSM when it fits, else UCS2."""

    AUTO = "auto"
    GSM7 = "gsm7"
    GSM8 = "gsm8"
    LATIN1 = "latin1"
    UCS2 = "ucs2"


class OnUnencodable(StrEnum):
    """What to do with text that its charset cannot carry."""

    REJECT = "reject"
    UCS2 = "ucs2"
    TRANSLITERATE = "transliterate"


class Transliteration(StrEnum):
    """How Cyrillic is written in Latin letters, see `gdemoi.text.transliterate`."""

    ICAO = "icao"
    GOST = "gost"


class OnUnsure(StrEnum):
    """What to do when a message may or may not have gone out."""

    HOLD = "hold"
    RESEND = "resend"
    FAIL = "fail"


class Report(StrEnum):
    """Which status events of a message are published."""

    NONE = "none"
    FINAL = "final"
    ALL = "all"


class CommandPace(StrEnum):
    """When the next command to a number may leave."""

    # at once: nothing waits for this one, and it waits for nothing
    NONE = "none"
    # when all of its segments were accepted
    SUBMITTED = "submitted"
    DELIVERED = "delivered"
    ANSWERED = "answered"


class Sticky(StrEnum):
    """Whether a command goes the way that its tracker knows."""

    OFF = "off"
    # another way when that one is down, and the event says so
    PREFER = "prefer"
    # it waits for that way
    REQUIRE = "require"


class OnFailure(StrEnum):
    """What becomes of the rest of a sequence when one of it fails."""

    STOP = "stop"
    GO = "go"


class Turn(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How a command and those after it, to the same number, wait for one another.

    `gap_s` passes after its release, and `settle_s` more when the tracker starts anew
    by it.  Commands of one `sequence` (of an account, to a number) stop at the first
    that fails, unless `on_failure` says otherwise.  None: as by itself, or as the route
    or the gateway says.
    """

    pace: CommandPace | None = None
    gap_s: float | None = None
    settle_s: float = 0.0
    answer_within_s: float | None = None
    sequence: str | None = None
    on_failure: OnFailure = OnFailure.STOP
    sticky: Sticky | None = None
    # the channel that it should go by, since its tracker knows it
    known_channel: str | None = None


def filled(turn: Turn | None, other: Turn | None) -> Turn | None:
    """Return what is said of a turn, and what is unsaid as the other one says."""
    if turn is None or other is None:
        return turn or other
    return Turn(
        turn.pace or other.pace,
        other.gap_s if turn.gap_s is None else turn.gap_s,
        turn.settle_s or other.settle_s,
        turn.answer_within_s or other.answer_within_s,
        turn.sequence,
        turn.on_failure,
        turn.sticky or other.sticky,
        turn.known_channel,
    )


class SmppOptions(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """SMPP fields that one message may set for itself (SMPP 3.4 §5.2)."""

    service_type: str | None = None
    protocol_id: int | None = None
    priority_flag: int | None = None
    validity_period: str | None = None
    schedule_delivery_time: str | None = None
    registered_delivery: int | None = None
    replace_if_present_flag: int | None = None
    # "0x1403" -> hexadecimal octets
    tlvs: dict[str, str] = {}


class Finding(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is odd about a command, as its tracker's profile sees it.

    `at` is the place of a character, from 0; `expected` and `found` are numbers, where
    the finding is about one.
    """

    code: str
    text: str
    at: int | None = None
    expected: int | None = None
    found: int | None = None


class RawUserData(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """User data as a client coded it: what can carry the coding sends these octets.

    `octets` begin with a user data header when `esm_class` has UDHI (0x40); 0x80 asks
    for a reply path, other bits are not kept (SMPP 3.4 §5.2.12).  `alphabet` is what
    the client means by data_coding 0, a word of `gdemoi.text.charset`.  `tlvs` are what
    goes with the octets, concatenation by SAR among it.
    """

    octets: bytes
    data_coding: int = 0
    alphabet: str = "gsm8"
    esm_class: int = 0
    # they came in message_payload, which has no limit of an SMS
    payload: bool = False
    tlvs: tuple[tuple[int, bytes], ...] = ()


class SmppOrigin(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """Which SMPP client a message came from, and what its receipts need.

    `client` is the name of its section, `session` the bind that submitted it and
    `host` the address of that; addresses are (TON, NPI, octets) as they were written;
    `text` is how the text begins, in ASCII.
    """

    client: str
    message_id: str
    session: str
    host: str
    source: tuple[int, int, str]
    destination: tuple[int, int, str]
    submitted_at: float
    service_type: str = ""
    registered_delivery: int = 0
    text: str = ""


class HttpOrigin(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """Which HTTP door a message came by, and what its callbacks need.

    `door` is the label of its section (``kannel:vts``); addresses are as they were
    written; `text` is how the text begins, in ASCII; `url` is where to tell what
    becomes of it, `asked` which of that (Kannel: dlr-mask; Jasmin: dlr-level), and
    `fields` what else the door wants back.
    """

    door: str
    source: str
    destination: str
    submitted_at: float
    text: str = ""
    url: str = ""
    asked: int = 0
    method: str = "GET"
    fields: dict[str, str] = {}


class Tracker(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a message is for a tracker: its profile, and what that finds in it."""

    profile: str
    findings: tuple[Finding, ...] = ()


class Outbound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One message to send (MT), complete: defaults filled in, number normalised.

    `to` is ``+E.164`` or a short number as given; exactly one of `text` and
    `binary` is set, with `raw` perhaps none of them; `text` is payload, byte for byte.
    """

    id: str
    to: str
    accepted_at: float
    expires_at: float
    from_: str | None = msgspec.field(name="from", default=None)
    text: str | None = None
    binary: bytes | None = None
    class_: MessageClass = msgspec.field(
        name="class", default=MessageClass.NOTIFICATION
    )
    charset: Charset = Charset.AUTO
    on_unencodable: OnUnencodable = OnUnencodable.UCS2
    # user data header for `binary`, without its length octet's parent UDHL: raw
    # octets as they go on the air, UDHL first
    udh: bytes | None = None
    dest_port: int | None = None
    source_port: int | None = None
    flash: bool = False
    max_segments: int | None = None
    priority: int = 3
    not_before: float | None = None
    channels: tuple[str, ...] = ()
    on_unsure: OnUnsure = OnUnsure.RESEND
    report: Report = Report.ALL
    # JSON as the platform wrote it
    correlation: msgspec.Raw = msgspec.Raw(b"null")
    account: str | None = None
    smpp: SmppOptions | None = None
    # AMQP: a queue that also gets this message's events, and the property to echo
    reply_to: str | None = None
    correlation_id: str | None = None
    # JSON names that the platform left to defaults, which a route may fill in:
    # among ttl, priority, charset, on_unencodable, on_unsure
    unsaid: tuple[str, ...] = ()
    # the table for `OnUnencodable.TRANSLITERATE`, which a route names
    transliteration: Transliteration = Transliteration.ICAO
    # the octets as they came; `text` or `binary` are what they certainly say
    raw: RawUserData | None = None
    origin: SmppOrigin | None = None
    # W3C Trace Context of the request or delivery that brought it
    traceparent: str | None = None
    # the profile that it was looked at with; before that, the one it asks for
    tracker: Tracker | None = None
    # None: as `Turn` is by itself
    turn: Turn | None = None
    http_origin: HttpOrigin | None = None

    @property
    def is_command(self) -> bool:
        """Whether it is for a device: a command or an activation."""
        return self.class_ is not _NOTIFICATION

    @property
    def in_turn(self) -> bool:
        """Whether it goes one at a time with others to its number."""
        if self.class_ is _NOTIFICATION:
            return False
        return self.turn is None or self.turn.pace is not CommandPace.NONE

    @property
    def stops(self) -> bool:
        """Whether it is of a sequence that stops at the first that fails."""
        turn = self.turn
        if turn is None or turn.sequence is None:
            return False
        return turn.on_failure is OnFailure.STOP

    @property
    def queue(self) -> str:
        """What names of sequences belong to: the account and the number."""
        return f"{self.account or ''}\n{self.to}"


class Error(msgspec.Struct, frozen=True, gc=False):
    """Why a message did not get on: ``{"code","text","retryable"}`` of events.

    `code` is namespaced: ``smpp:0x58``, ``mensatek:104``, ``gateway:expired``.
    """

    code: str
    text: str
    retryable: bool = False


def is_sticky(message: Outbound) -> bool:
    """Tell whether the way of a message is remembered."""
    turn = message.turn
    return turn is not None and turn.sticky not in (None, Sticky.OFF)


STOPPED: Final = "gateway:sequence_stopped"


def why_stopped(failed_id: str) -> Error:
    """Return the error of a command that is not sent since another one failed."""
    return Error(STOPPED, f"{failed_id} of its sequence failed; this one was not sent")


class Scope(StrEnum):
    """What a refusal is about."""

    MESSAGE = "message"
    # other senders go on; with a retryable error the message may wait for its own
    SENDER = "sender"
    CHANNEL_FOR_A_WHILE = "channel for a while"
    CHANNEL_HALTED = "channel until someone acts"


class Progress(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far a message that leaves in parts has got: some parts left, not all.

    `ids` has one place for each part, in order: the id under which the far side
    took it (empty: without one), None: not known to be taken.  `account` is whose
    ids they are; `segments` how many SMS all parts make on the air.  `reference`
    is the concatenation reference that the parts bear.  `form` is a digest of what
    the far side was given of all parts (sender, coding, user data): the missing
    ones may follow only in that form.  Empty: they cannot follow by themselves.
    """

    account: str
    ids: tuple[str | None, ...]
    segments: int
    reference: int | None = None
    form: str = ""
    line: str | None = None

    @property
    def provider_ids(self) -> tuple[str, ...]:
        """The ids of the parts that are taken, where they have one."""
        return tuple([one for one in self.ids if one])

    @property
    def taken(self) -> int:
        """How many parts are taken."""
        return len(self.ids) - self.ids.count(None)

    def joined(self, before: Progress | None) -> Progress:
        """Return this with what was known before of the same parts."""
        same = before is not None and (
            (before.account, before.form, before.reference, len(before.ids))
            == (self.account, self.form, self.reference, len(self.ids))
        )
        if before is None or not same or not self.form:
            return self
        both = zip(self.ids, before.ids, strict=True)
        ids = tuple([old if new is None else new for new, old in both])
        return self if ids == self.ids else msgspec.structs.replace(self, ids=ids)


class Accepted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The far side has the message.  One provider id per segment, where given.

    Segments may share an id: it speaks for all that bear it.
    """

    provider_ids: tuple[str, ...] = ()
    segments: int = 1
    line: str | None = None
    # False: no receipt will ever come, so that `submitted` is the last word
    receipt_expected: bool = True


class Refused(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The far side certainly did not take the whole message, and said why.

    `scope` MESSAGE and not `retryable`: final.  `retryable`: worth another try
    after `retry_after_s`.  `throttled`: the far side asks us to slow down.
    `queue_full`: the far side's queue for this number is full; others may go on.
    `scope` SENDER: the message may leave over another channel, else it is rejected
    (or waits, when `retryable`); messages of other senders go on.
    """

    error: Error
    scope: Scope = Scope.MESSAGE
    retry_after_s: float | None = None
    throttled: bool = False
    queue_full: bool = False
    line: str | None = None
    # which parts it did take, of several
    progress: Progress | None = None
    # nobody there said so: nothing left, or nobody could be asked
    by_us: bool = False
    # about a way that is absent: the channel tells `able` when it is there again
    until_able: bool = False


class Uncertain(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The message may have gone out; nobody knows.  Never blindly repeated."""

    why: str
    provider_ids: tuple[str, ...] = ()
    segments: int = 1
    line: str | None = None
    # which parts are known to be taken, of several
    progress: Progress | None = None
    # the far side kept silent although it could have answered
    unanswered: bool = False
    # it did answer, and that leaves open what became of the message
    unclear: bool = False


Outcome = Accepted | Refused | Uncertain


class ReceiptId(msgspec.Struct, frozen=True, gc=False):
    """An id that a receipt names beside its first, and its stored forms."""

    id: str
    keys: tuple[str, ...] = ()


def ids_in(outcome: Outcome) -> tuple[str, ...]:
    """Return the provider ids that an outcome tells, one for each part that has one."""
    if isinstance(outcome, Accepted):
        return outcome.provider_ids
    progress = outcome.progress
    if isinstance(outcome, Refused):
        return () if progress is None else progress.provider_ids
    return outcome.provider_ids or (() if progress is None else progress.provider_ids)


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a network or provider later said about a message (or one segment).

    `keys` are the stored forms (`provider_key`) under which the message may be
    found, best guess first; `provider_id` is verbatim.  `state` is ENROUTE or a
    final state.  `about` is the phone that the receipt speaks of, to tell apart
    look-alike ids.  `message_id` is our own id where the provider echoes it.  `also`
    are further ids that it names, tried when the first leads nowhere.
    """

    account: str
    channel: str
    provider_id: str
    state: MessageState
    keys: tuple[str, ...] = ()
    error: Error | None = None
    at: float | None = None
    about: str | None = None
    message_id: str | None = None
    line: str | None = None
    verified: bool = True
    # the receipt as it came, for the story
    raw: str = ""
    also: tuple[ReceiptId, ...] = ()
    # it speaks for all segments of the message, whichever id it names
    whole: bool = False


class ReceiptMatch(msgspec.Struct, frozen=True, gc=False):
    """Which message a receipt was found to be about, and under which key."""

    message_id: str
    provider_id: str
    key: str


class InboundSegment(msgspec.Struct, frozen=True, gc=False):
    """This inbound SMS is segment `number` (from 1) of `total`.

    `loose`: it may as well be counted from 0, and nobody knows.  The order is the
    same, and with `total` segments there it does not matter.
    """

    reference: str
    total: int
    number: int
    loose: bool = False

    @property
    def possible(self) -> bool:
        """Whether there is such a place."""
        return (0 if self.loose else 1) <= self.number <= self.total


class Numbering(StrEnum):
    """What a far side says of the number of a sender."""

    UNKNOWN = "unknown"
    NATIONAL = "national"
    # a name, or a number that only the far side's network understands
    AS_GIVEN = "as given"


class Inbound(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One SMS that came in (MO), or one segment of a long one.

    `binary` are the user data octets without header; `text` what could be read
    of them in `charset` (a `Charset` word, or a codec's name).  With `part` set
    the journal joins the segments and tells one event.  `dedup` makes repeats
    of the same delivery attach to the first, within `dedup_window_s`.  Both are
    by `account`, whichever of its channels brings the SMS (empty: by channel).
    `from_` becomes E.164 on its way to the journal where `numbering` leaves no doubt;
    `from_raw` is the sender as it came, when that was otherwise.
    """

    channel: str
    from_: str
    to: str | None
    received_at: float
    text: str | None = None
    binary: bytes | None = None
    charset: str = "gsm8"
    line: str | None = None
    sent_at: float | None = None
    part: InboundSegment | None = None
    complete: bool = True
    segments: int = 1
    dedup: str | None = None
    dedup_window_s: float = 600.0
    # how long the other segments are waited for
    join_window_s: float = 600.0
    account: str = ""
    # the user data header, its length octet first, and the ports of it (or of TLVs)
    udh: bytes | None = None
    dest_port: int | None = None
    source_port: int | None = None
    numbering: Numbering = Numbering.UNKNOWN
    from_raw: str | None = None

    @property
    def origin(self) -> str:
        """What repeats and segments of this SMS have in common with it."""
        return self.account or self.channel


def provider_key(provider_id: str) -> str:
    """The stored form of a provider id: folded case, no leading zeros.

    Carriers spell one id in several ways (SMPP 3.4 leaves it open); the exact
    spelling is kept beside it and wins when two messages share a key.
    """
    return provider_id.strip().casefold().lstrip("0") or "0"
