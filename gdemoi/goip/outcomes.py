"""What an exchange, a receipt or an SMS of a GoIP means in gdemoi's own types.

`Refused` only where the device, or our own silence, proves that nothing went out.

``errorstatus:e`` is 1 in most firmware ("usually it is equal to 1"), else the modem's
+CMS ERROR: 1–127 network causes (GSM 04.11 annex E), 128–255 TP failure causes,
300–511 modem errors (GSM 07.05 §3.2.5).  The ``state`` of a receipt is the TP-Status
octet of GSM 03.40 §9.2.3.15.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from gdemoi.goip.exchange import SmsFailed, SmsNotSent, SmsSent
from gdemoi.goip.session_events import (
    GoipJob,
    JobEnded,
    LateResult,
    ReceiptReceived,
    SmsReceived,
)
from gdemoi.message import (
    Accepted,
    Error,
    Inbound,
    MessageState,
    Outcome,
    Receipt,
    Refused,
    Scope,
    Uncertain,
)

# A message that one line refused may go over another soon.
RETRY_S = 5.0
# Words of `SmsNotSent` that no device said.
_OURS = frozenset({"silence", "no_line", "line_unusable", "stopping"})
# An error status that is worth another try: not at once.
ERROR_RETRY_S = 30.0


def outcome_of(
    over: JobEnded | LateResult,
    receipts: bool,
    retry_errors: Collection[int],
    able: bool,
) -> Outcome:
    """Return what became of a message.

    `able`: some line can send now.  If none can, a refusal is about the whole
    channel, so that another one may be taken.
    """
    result, units, line = over.result, over.job.units, over.line
    match result:
        case SmsSent():
            ids = () if over.provider_id is None else (over.provider_id,)
            return Accepted(
                provider_ids=ids,
                segments=units,
                line=line,
                receipt_expected=receipts and bool(ids),
            )
        case SmsFailed(code):
            return _failed(code, over.job, line, retry_errors, able)
        case SmsNotSent():
            after_s = over.after_s if isinstance(over, JobEnded) else None
            return _not_sent(result, after_s, line, able)
    return Uncertain(
        why=result.why,
        segments=units,
        line=line,
        unanswered=result.silent,
        unclear=result.unclear,
    )


def _failed(
    code: int | None,
    job: GoipJob,
    line: str | None,
    retry_errors: Collection[int],
    able: bool,
) -> Outcome:
    text, units = text_of(code), job.units
    if code in DOUBTFUL:
        return _unclear(f"goip:{code} {text}", units, line)
    retryable = code is None or code in retry_errors
    if units > 1 and retryable and job.command and code in LINE_TROUBLE:
        # the line may have lost its network behind the first segment
        why = f"goip:{code} {text}; of {units} segments some may have gone"
        return _unclear(why, units, line)
    if units > 1 and retryable and code not in LINE_TROUBLE:
        # the device does not say how many of the segments went out before
        text, retryable = f"{text}; of {units} segments some may have gone", False
    name = "error" if code is None else str(code)
    whole = retryable and not able
    return Refused(
        error=Error(f"goip:{name}", text, retryable),
        scope=Scope.CHANNEL_FOR_A_WHILE if whole else Scope.MESSAGE,
        retry_after_s=ERROR_RETRY_S if retryable else None,
        line=line,
        until_able=whole,
    )


def _unclear(why: str, segments: int, line: str | None) -> Uncertain:
    return Uncertain(why=why, segments=segments, line=line, unclear=True)


def _not_sent(
    result: SmsNotSent, after_s: float | None, line: str | None, able: bool
) -> Refused:
    if result.word == "expired":
        error = Error("gateway:expired", result.why, True)
        return Refused(error=error, line=line, by_us=True)
    whole = not able or result.word in ("no_line", "stopping")
    scope = Scope.CHANNEL_FOR_A_WHILE if whole else Scope.MESSAGE
    return Refused(
        error=Error(f"goip:{result.word}", result.why, True),
        scope=scope,
        retry_after_s=after_s or RETRY_S,
        line=line,
        by_us=result.word in _OURS,
        until_able=whole,
    )


def receipt_of(
    received: ReceiptReceived, account: str, channel: str, now: float
) -> Receipt:
    """Return the receipt for a DELIVER."""
    state = state_of(received.status)
    error = None
    if state in (MessageState.UNDELIVERED, MessageState.EXPIRED):
        error = Error(f"receipt:{received.status}", status_text(received.status))
    return Receipt(
        account=account,
        channel=channel,
        provider_id=f"{received.line}:{received.sms_no}",
        state=state,
        keys=received.keys,
        error=error,
        at=now,
        about=received.about or None,
        line=received.line,
        raw=received.raw,
    )


def inbound_of(
    received: SmsReceived, channel: str, to: str | None, now: float
) -> Inbound:
    """Return the inbound SMS; broken UTF-8 also comes whole, as octets."""
    try:
        text, binary = received.text.decode("utf-8"), None
    except UnicodeDecodeError:
        text, binary = received.text.decode("utf-8", "replace"), received.text
    return Inbound(
        channel=channel,
        from_=received.srcnum,
        from_raw=received.raw,
        to=to,
        received_at=now,
        text=text,
        binary=binary,
        charset="utf8",
        line=received.line,
        dedup=received.dedup,
    )


# -- error codes and receipt states -------------------------------------------

TEXTS: Final[dict[int, str]] = {
    1: "failed, no reason given (or: unassigned number)",
    8: "operator determined barring",
    10: "call barred",
    17: "network failure",
    21: "short message transfer rejected",
    22: "memory capacity exceeded",
    27: "destination out of service",
    28: "unidentified subscriber",
    29: "facility rejected",
    30: "unknown subscriber",
    38: "network out of order",
    41: "temporary failure",
    42: "congestion",
    47: "resources unavailable",
    50: "facility not subscribed",
    69: "facility not implemented",
    81: "invalid short message reference",
    95: "invalid message",
    96: "invalid mandatory information",
    111: "protocol error",
    127: "interworking",
    208: "SIM memory full",
    302: "operation not allowed",
    304: "invalid PDU mode parameter",
    305: "invalid text mode parameter",
    310: "no SIM card",
    311: "SIM PIN required",
    313: "SIM failure",
    314: "SIM busy",
    315: "SIM wrong",
    316: "SIM PUK required",
    320: "memory failure",
    322: "memory full",
    330: "SMS centre address unknown",
    331: "no network service",
    332: "network timeout",
    500: "unknown error",
}

# The line cannot send at all until something changes on it.
LINE_TROUBLE: Final = frozenset({310, 311, 313, 315, 316, 322, 330, 331})
# The SMS left the modem, and the network's word on it is missing.
DOUBTFUL: Final = frozenset({332})
# Worth another try, also on another line; the default of `retry_errors`.
RETRY: Final = (1, 17, 38, 41, 42, 47, 310, 311, 313, 314, 315, 316, 322, 330, 331)


def text_of(code: int | None) -> str:
    """Return the words for an error status."""
    if code is None:
        return "failed, no code given"
    return TEXTS.get(code, f"error status {code}")


def state_of(status: int) -> MessageState:
    """Return the state of a message by its TP-Status.

    1–31 count as delivered (forwarded, only unconfirmed), since calling them
    undelivered would invite a second command; 2 was replaced on its way.
    """
    if status < 32:
        return MessageState.UNDELIVERED if status == 2 else MessageState.DELIVERED
    if status < 64 or status > 127:
        return MessageState.ENROUTE
    return MessageState.EXPIRED if status == 70 else MessageState.UNDELIVERED


STATUS_TEXTS: Final[dict[int, str]] = {
    2: "replaced at the service centre",
    64: "remote procedure error",
    65: "incompatible destination",
    66: "connection rejected by the phone",
    67: "not obtainable",
    68: "quality of service not available",
    69: "no interworking available",
    70: "validity period expired",
    71: "deleted by the sender",
    72: "deleted by the service centre",
    73: "does not exist",
    96: "congestion, gave up",
    97: "phone busy, gave up",
    98: "no response from the phone, gave up",
    99: "service rejected, gave up",
    100: "quality of service not available, gave up",
    101: "error in the phone, gave up",
}


def status_text(status: int) -> str:
    """Return the words for a TP-Status that is no success."""
    return STATUS_TEXTS.get(status, f"TP-Status {status}")
