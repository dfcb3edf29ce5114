"""What ``errorstatus:e`` and a receipt's ``state`` mean.

`e` is 1 in most firmware ("usually it is equal to 1"), else the modem's +CMS
ERROR: 1–127 network causes (GSM 04.11 annex E), 128–255 TP failure causes,
300–511 modem errors (GSM 07.05 §3.2.5).  `state` is the TP-Status octet of GSM
03.40 §9.2.3.15.
"""

from __future__ import annotations

from typing import Final

from gdemoi.message import MessageState

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
    """Return the state that a TP-Status tells.

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
