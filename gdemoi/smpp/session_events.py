"""What a session tells: one record per thing that happened, in order.

Returned by `receive`, `tick` and `lost` of `gdemoi.smpp.session`; whoever holds
the session matches all of them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gdemoi.smpp.pdu.pdus import DataSm, DeliverSm, Pdu, UnparsedPdu


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
        return f"Outbound({self.system_id!r}, '***')"


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
