"""The events of a `GoipSession`, and the job that it is given."""

from __future__ import annotations

import msgspec
from attrs import define

from gdemoi.goip.exchange import SmsFailed, SmsNotSent, SmsSent, SmsUncertain
from gdemoi.goip.inbound import InboundKey
from gdemoi.message import ChannelState


@define(eq=False, kw_only=True)
class GoipJob:
    """One SMS to send; `message_id` and `attempt` come back with its end."""

    message_id: str
    attempt: int
    to: str
    text: bytes
    units: int
    expires_at: float
    # the line that the sender names
    line: str | None = None
    # it waits for the line that the number knows, however many wait there
    patient: bool = True
    again: int = 0
    # a half of it and the whole must not both go out
    command: bool = False
    # its line was chosen when it was counted there; another one may be another time
    movable: bool = False


class JobEnded(msgspec.Struct, frozen=True):
    """A job has ended.  `provider_id` is set when a receipt may come."""

    job: GoipJob
    line: str | None
    result: SmsSent | SmsFailed | SmsNotSent | SmsUncertain
    provider_id: str | None = None
    # it never left the queue: no line could take it; ask again after this
    after_s: float | None = None


class LateResult(msgspec.Struct, frozen=True):
    """The verdict on a job that ended as `SmsUncertain`, or an OK after an ERROR."""

    job: GoipJob
    line: str
    result: SmsSent | SmsFailed
    provider_id: str | None = None


class LineAddressChanged(msgspec.Struct, frozen=True):
    """A line has another address than before."""

    line: str
    host: str
    port: int


class LineStateChanged(msgspec.Struct, frozen=True):
    """A line is now up, degraded or down."""

    line: str
    state: ChannelState
    reason: str


class SmsReceived(msgspec.Struct, frozen=True):
    """An inbound SMS; the session must hear `stored(key)` or `not_stored(key)`.

    `srcnum` is in the international form where the line's settings allow it, `raw` as
    it came.
    """

    key: InboundKey
    line: str
    recvid: str
    srcnum: str
    text: bytes
    dedup: str
    raw: str


class ReceiptReceived(msgspec.Struct, frozen=True):
    """A delivery receipt; the session must hear of `key` as for `SmsReceived`.

    `about` is the phone in the form that the message had, as far as known.
    """

    key: InboundKey
    line: str
    sms_no: str
    status: int
    about: str
    keys: tuple[str, ...]
    known: bool
    raw: str


class LineReported(msgspec.Struct, frozen=True):
    """A device reported something else of a line (call, cell, USSD of the network)."""

    line: str
    verb: str


class LineCommandEnded(msgspec.Struct, frozen=True):
    """A line command has ended, in an answer or a fault."""

    sendid: int
    line: str
    answer: str | None
    fault: str | None


class LineAvailable(msgspec.Struct, frozen=True):
    """A line that was spent may send again: a new day has begun."""

    line: str


class DatagramRejected(msgspec.Struct, frozen=True):
    """A datagram that was not taken, for the log (which is rate-limited)."""

    host: str
    port: int
    why: str


SessionEvent = (
    JobEnded
    | LateResult
    | LineAddressChanged
    | LineStateChanged
    | SmsReceived
    | ReceiptReceived
    | LineReported
    | LineCommandEnded
    | LineAvailable
    | DatagramRejected
)
