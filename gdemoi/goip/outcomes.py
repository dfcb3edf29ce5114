"""From the end of an exchange to the house's outcome; and SMS that belong together.

`Refused` only where the device, or our own silence, proves that nothing went out.
"""

from __future__ import annotations

from collections.abc import Collection

from gdemoi.goip.causes import DOUBTFUL, LINE_TROUBLE, state_of, status_text, text_of
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
        why=result.why, segments=units, line=line, unanswered=result.silent
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
        return Uncertain(why=f"goip:{code} {text}", segments=units, line=line)
    retryable = code is None or code in retry_errors
    if units > 1 and retryable and job.command and code in LINE_TROUBLE:
        # the line may have lost its network behind the first segment
        why = f"goip:{code} {text}; of {units} segments some may have gone"
        return Uncertain(why=why, segments=units, line=line)
    if units > 1 and retryable and code not in LINE_TROUBLE:
        # nobody tells how many of the segments went out before
        text, retryable = f"{text}; of {units} segments some may have gone", False
    name = "error" if code is None else str(code)
    return Refused(
        error=Error(f"goip:{name}", text, retryable),
        scope=Scope.CHANNEL_FOR_A_WHILE if retryable and not able else Scope.MESSAGE,
        retry_after_s=ERROR_RETRY_S if retryable else None,
        line=line,
    )


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
    )


def receipt_of(
    received: ReceiptReceived, account: str, channel: str, now: float
) -> Receipt:
    """Return the house's receipt for a DELIVER."""
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
    """Return the house's inbound SMS; broken UTF-8 also comes whole, as octets."""
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
