"""query_sm: asking the SMSC what became of a message (SMPP 3.4 §4.8)."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred

from gdemoi.message import Receipt
from gdemoi.smpp.addresses import Address
from gdemoi.smpp.pdu.pdus import Pdu, QuerySm, QuerySmResp, UnparsedPdu, encode
from gdemoi.smpp.receipts import MESSAGE_STATES, STATE_OF_WORD

# Answered of a message that the SMSC has forgotten, too: no news.
_UNKNOWN: Final = 7


class PendingQuery:
    """One query_sm on its way; `answer` fires with the response, or None."""

    def __init__(self) -> None:
        self.answer: Deferred[Pdu | UnparsedPdu | None] = Deferred()


def query(message_id: str, source: Address) -> bytes:
    """Return the octets of a query_sm."""
    return encode(
        QuerySm(
            message_id=message_id,
            source_addr_ton=source.ton,
            source_addr_npi=source.npi,
            source_addr=source.addr,
        )
    )


def receipt_of(
    channel: str, account: str, message_id: str, answer: Pdu | UnparsedPdu | None
) -> Receipt | None:
    """Return what an answer says as a receipt, None when it says nothing."""
    if not isinstance(answer, QuerySmResp) or answer.command_status:
        return None
    if answer.message_state == _UNKNOWN:
        return None
    state = STATE_OF_WORD.get(MESSAGE_STATES.get(answer.message_state, ""))
    if state is None:
        return None
    return Receipt(
        account=account,
        channel=channel,
        provider_id=message_id,
        state=state,
        raw=f"query_sm: {MESSAGE_STATES[answer.message_state]}",
    )
