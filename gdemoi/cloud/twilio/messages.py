"""What one message at Twilio says: a row of a list, a resource, a webhook's fields.

It knows statuses and dates, and how a message is known again by its text; requests
and webhooks are `provider`'s.  It obeys the Message resource's reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final

from attrs import frozen

from gdemoi.cloud.provider import Provider, S
from gdemoi.cloud.reading import count_of, text_of
from gdemoi.message import Inbound, MessageState, Outbound, Receipt

SEARCH_SLACK_S: Final = 60.0  # their clock against ours

# The provider has it and nothing more is known, so nothing is told.
TAKEN: Final = frozenset({"accepted", "scheduled", "queued", "sending"})
STATUSES: Final[dict[str, MessageState]] = {
    "sent": MessageState.ENROUTE,
    "partially_delivered": MessageState.ENROUTE,
    "delivered": MessageState.DELIVERED,
    "read": MessageState.DELIVERED,
    "undelivered": MessageState.UNDELIVERED,
    "failed": MessageState.REJECTED,
    "canceled": MessageState.REJECTED,
}

# ErrorCode of a failed or undelivered message: (state, worth another message)
ASYNC_CODES: Final[dict[str, tuple[MessageState, bool]]] = {
    **dict.fromkeys(
        ("30001", "30003", "30008", "30017", "30022", "30410", "63017", "63018"),
        (MessageState.UNDELIVERED, True),
    ),
    **dict.fromkeys(("30005", "30006", "30023"), (MessageState.UNDELIVERED, False)),
    **dict.fromkeys(
        ("30002", "30004", "30007", "30010", "30018", "30024", "30032", "30034"),
        (MessageState.REJECTED, False),
    ),
    **dict.fromkeys(("30450", "21610"), (MessageState.REJECTED, False)),
    "30036": (MessageState.EXPIRED, False),
}


@frozen
class TwilioMessages(Provider[S]):
    """What reads the messages of one account for one channel."""

    def receipt(
        self,
        sid: str,
        word: str,
        code: str | None,
        about: str | None,
        reference: str | None,
        text: str | None = None,
    ) -> Receipt | None:
        """Return what a status word and an error code say; None: no news."""
        if word.lower() in TAKEN:
            return None
        state, retryable = STATUSES.get(word.lower()), False
        if code and state in (MessageState.UNDELIVERED, MessageState.REJECTED):
            state, retryable = ASYNC_CODES.get(code, (state, False))
        return self.status_receipt(
            sid,
            state,
            word,
            code,
            text,
            retryable=retryable,
            about=about,
            message_id=reference,
            raw=f"MessageStatus={word}" + (f" ErrorCode={code}" if code else ""),
        )

    def receipt_of_row(self, row: Mapping[str, Any]) -> Receipt | None:
        """Return what a message resource says; None: no news."""
        return self.receipt(
            text_of(row.get("sid")) or "",
            text_of(row.get("status")) or "",
            text_of(row.get("error_code")),
            text_of(row.get("to")),
            None,
            text_of(row.get("error_message")),
        )

    def found_row(
        self, rows: Sequence[Mapping[str, Any]], message: Outbound
    ) -> Receipt | None:
        """Return the one message of that text since ours was accepted, if one."""
        since = message.accepted_at - SEARCH_SLACK_S
        found = [
            row
            for row in rows
            if str(row.get("direction", "")).startswith("outbound")
            and row.get("body") == message.text
            and (date_of(row.get("date_created")) or 0.0) >= since
        ]
        if len(found) != 1:
            return None
        sid = text_of(found[0].get("sid")) or ""
        known = self.receipt_of_row(found[0])
        if known is not None:
            return known
        return self.new_receipt(
            sid,
            MessageState.ENROUTE,
            about=message.to,
            raw=f"found as {text_of(found[0].get('status'))}",
        )

    def inbound(
        self,
        sid: str,
        from_: str,
        to: str | None,
        text: str,
        parts: Any,
        now: float,
        sent_at: float | None = None,
    ) -> Inbound:
        """Return what a phone sent to one of our numbers.

        Twilio writes the plus of numbers itself; what comes without is a short code.
        """
        return Inbound(
            channel=self.channel,
            account=self.account,
            from_=from_,
            to=to,
            received_at=now,
            text=text,
            charset="utf-8",
            sent_at=sent_at,
            segments=count_of(parts) or 1,
            dedup=f"{self.account}:{sid}",
            # list polling overlaps, and a webhook may come beside it
            dedup_window_s=7 * 86400.0,
        )

    def inbound_of_row(self, row: Mapping[str, Any], now: float) -> Inbound:
        """Return an inbound message out of a list."""
        return self.inbound(
            text_of(row.get("sid")) or "",
            text_of(row.get("from")) or "",
            text_of(row.get("to")),
            text_of(row.get("body")) or "",
            row.get("num_segments"),
            now,
            date_of(row.get("date_sent")),
        )


def date_of(value: Any) -> float | None:
    """Return an RFC 2822 date as epoch seconds."""
    try:
        return parsedate_to_datetime(str(value or "")).timestamp()
    except (ValueError, OverflowError):
        return None
