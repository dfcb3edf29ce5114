"""The values of an ESME's session: its states, its parameters, what it reports.

`SessionState` and the operation matrix are SMPP 3.4 §2.  The events are returned by
`receive`, `tick` and `lost` of `gdemoi.smpp.session`, in order, one for each thing that
happened; whoever holds the session matches all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import msgspec
from attrs import frozen

from gdemoi.smpp.pdu.headers import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    BINDS,
    CANCEL_SM,
    DATA_SM,
    QUERY_SM,
    REPLACE_SM,
    SUBMIT_MULTI,
    SUBMIT_SM,
)
from gdemoi.smpp.pdu.pdus import DataSm, DeliverSm, Pdu, UnparsedPdu
from gdemoi.smpp.settings import Tlvs

# After the SMSC's unbind, outstanding answers are awaited so long; after ours,
# its unbind_resp.
LAST_ANSWERS_S: Final = 2.0
UNBIND_TIMEOUT_S: Final = 5.0
# Requests given up whose late answer would still be understood.
LATE_LIMIT: Final = 10_000

# Known requests that an SMSC never sends: answered ESME_RINVBNDSTS.
OURS_ONLY: Final = BINDS | {QUERY_SM, SUBMIT_SM, REPLACE_SM, CANCEL_SM, SUBMIT_MULTI}


class SessionState(Enum):
    """Where the conversation stands (SMPP 3.4 §2.2, and its stages between)."""

    OPEN = "open"
    BINDING = "binding"
    BOUND_TX = "bound as transmitter"
    BOUND_RX = "bound as receiver"
    BOUND_TRX = "bound as transceiver"
    DRAINING = "draining"
    UNBINDING = "unbinding"
    CLOSED = "closed"


BOUND_BY: Final = {
    BIND_TRANSMITTER: SessionState.BOUND_TX,
    BIND_RECEIVER: SessionState.BOUND_RX,
    BIND_TRANSCEIVER: SessionState.BOUND_TRX,
}
BOUND: Final = frozenset(BOUND_BY.values())
_SUBMITS: Final = frozenset(
    {SUBMIT_SM, SUBMIT_MULTI, DATA_SM, QUERY_SM, CANCEL_SM, REPLACE_SM}
)
# SMPP 3.4 table 2-1, the column of the ESME; other states submit nothing.
MAY_SUBMIT: Final[dict[SessionState, frozenset[int]]] = {
    SessionState.BOUND_TX: _SUBMITS,
    SessionState.BOUND_TRX: _SUBMITS,
    SessionState.BOUND_RX: frozenset({DATA_SM}),
}
# deliver_sm on a transmitter is against the table, but nothing is lost by it.
MAY_DELIVER: Final = BOUND | {SessionState.DRAINING, SessionState.UNBINDING}


@frozen(kw_only=True)
class SessionParameters:
    """What a session needs to know; times in seconds, 0: never.

    `bind_request()` makes the octets of the bind, which hold the password.
    """

    bind_request: Callable[[], bytes]
    bind_command: int = BIND_TRANSCEIVER
    version: int = 0x34
    tlvs: Tlvs = Tlvs.AUTO
    window: int = 10
    bind_timeout_s: float = 30.0
    response_timeout_s: float = 30.0
    enquire_link_s: float = 30.0
    link_timeout_s: float = 30.0


# -- events


class Bound(msgspec.Struct, frozen=True):
    """The bind was accepted; `tlvs`: optional parameters may be sent."""

    system_id: str
    sc_interface_version: int | None
    tlvs: bool
    round_trip_s: float


class BindRefused(msgspec.Struct, frozen=True):
    """The bind was answered with an error; None: with none that can be read."""

    command_status: int | None
    why: str


class ResponseReceived(msgspec.Struct, frozen=True):
    """A request of ours got its answer (perhaps a generic_nack)."""

    context: Any
    pdu: Pdu | UnparsedPdu
    round_trip_s: float


class LateResponseReceived(msgspec.Struct, frozen=True):
    """An answer to a request that was given up before (`ResponseMissing`)."""

    context: Any
    pdu: Pdu | UnparsedPdu


class ResponseMissing(msgspec.Struct, frozen=True):
    """Nobody knows what became of a request: no answer in time, or ever."""

    context: Any
    why: str
    # there was time enough
    timed_out: bool = False


class DeliveryReceived(msgspec.Struct, frozen=True):
    """A deliver_sm or data_sm, to be answered with `session.answer`."""

    pdu: DeliverSm | DataSm


class OutbindReceived(msgspec.Struct, frozen=True):
    """The SMSC asks us to bind (outbind), over a connection that it made."""

    system_id: str
    password: str

    def __repr__(self) -> str:
        return f"OutbindReceived({self.system_id!r}, '***')"


class UnbindReceived(msgspec.Struct, frozen=True):
    """The SMSC wants to end; nothing new may be submitted."""


class SessionNotice(msgspec.Struct, frozen=True):
    """Something worth a line in the log, and nothing else."""

    what: str
    sequence_number: int = 0


class SessionEnded(msgspec.Struct, frozen=True):
    """The conversation has ended: write the outbox and close."""

    why: str


SessionEvent = (
    Bound
    | BindRefused
    | ResponseReceived
    | LateResponseReceived
    | ResponseMissing
    | DeliveryReceived
    | OutbindReceived
    | UnbindReceived
    | SessionNotice
    | SessionEnded
)
