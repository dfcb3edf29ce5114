"""command_status: the numbers and their names (SMPP 3.4 §5.1.3, table 5-2).

Knows what the specification says of each number, and SMPP 5.0's further names.
What is to be done about one is in `gdemoi.smpp.error_codes`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Status(IntEnum):
    """The command_status values of SMPP 3.4, without the prefix ESME_."""

    ROK = 0x00
    RINVMSGLEN = 0x01
    RINVCMDLEN = 0x02
    RINVCMDID = 0x03
    RINVBNDSTS = 0x04
    RALYBND = 0x05
    RINVPRTFLG = 0x06
    RINVREGDLVFLG = 0x07
    RSYSERR = 0x08
    RINVSRCADR = 0x0A
    RINVDSTADR = 0x0B
    RINVMSGID = 0x0C
    RBINDFAIL = 0x0D
    RINVPASWD = 0x0E
    RINVSYSID = 0x0F
    RCANCELFAIL = 0x11
    RREPLACEFAIL = 0x13
    RMSGQFUL = 0x14
    RINVSERTYP = 0x15
    RINVNUMDESTS = 0x33
    RINVDLNAME = 0x34
    RINVDESTFLAG = 0x40
    RINVSUBREP = 0x42
    RINVESMCLASS = 0x43
    RCNTSUBDL = 0x44
    RSUBMITFAIL = 0x45
    RINVSRCTON = 0x48
    RINVSRCNPI = 0x49
    RINVDSTTON = 0x50
    RINVDSTNPI = 0x51
    RINVSYSTYP = 0x53
    RINVREPFLAG = 0x54
    RINVNUMMSGS = 0x55
    RTHROTTLED = 0x58
    RINVSCHED = 0x61
    RINVEXPIRY = 0x62
    RINVDFTMSGID = 0x63
    RX_T_APPN = 0x64
    RX_P_APPN = 0x65
    RX_R_APPN = 0x66
    RQUERYFAIL = 0x67
    RINVOPTPARSTREAM = 0xC0
    ROPTPARNOTALLWD = 0xC1
    RINVPARLEN = 0xC2
    RMISSINGOPTPARAM = 0xC3
    RINVOPTPARAMVAL = 0xC4
    RDELIVERYFAILURE = 0xFE
    RUNKNOWNERR = 0xFF


# What an operator reads.
MEANINGS: Final[dict[int, str]] = {
    Status.ROK: "no error",
    Status.RINVMSGLEN: "invalid message length",
    Status.RINVCMDLEN: "invalid command length",
    Status.RINVCMDID: "invalid command id",
    Status.RINVBNDSTS: "command not allowed in this bind state",
    Status.RALYBND: "already bound",
    Status.RINVPRTFLG: "invalid priority flag",
    Status.RINVREGDLVFLG: "invalid registered_delivery",
    Status.RSYSERR: "system error",
    Status.RINVSRCADR: "invalid source address",
    Status.RINVDSTADR: "invalid destination address",
    Status.RINVMSGID: "invalid message id",
    Status.RBINDFAIL: "bind failed",
    Status.RINVPASWD: "invalid password",
    Status.RINVSYSID: "invalid system_id",
    Status.RCANCELFAIL: "cancel_sm failed",
    Status.RREPLACEFAIL: "replace_sm failed",
    Status.RMSGQFUL: "message queue full",
    Status.RINVSERTYP: "invalid service type",
    Status.RINVNUMDESTS: "invalid number of destinations",
    Status.RINVDLNAME: "invalid distribution list name",
    Status.RINVDESTFLAG: "invalid destination flag",
    Status.RINVSUBREP: "submit with replace not allowed",
    Status.RINVESMCLASS: "invalid esm_class",
    Status.RCNTSUBDL: "cannot submit to a distribution list",
    Status.RSUBMITFAIL: "submit failed",
    Status.RINVSRCTON: "invalid source TON",
    Status.RINVSRCNPI: "invalid source NPI",
    Status.RINVDSTTON: "invalid destination TON",
    Status.RINVDSTNPI: "invalid destination NPI",
    Status.RINVSYSTYP: "invalid system_type",
    Status.RINVREPFLAG: "invalid replace_if_present flag",
    Status.RINVNUMMSGS: "invalid number of messages",
    Status.RTHROTTLED: "throttled: the rate allowed was exceeded",
    Status.RINVSCHED: "invalid scheduled delivery time",
    Status.RINVEXPIRY: "invalid validity period",
    Status.RINVDFTMSGID: "predefined message invalid or not found",
    Status.RX_T_APPN: "receiver's temporary application error",
    Status.RX_P_APPN: "receiver's permanent application error",
    Status.RX_R_APPN: "receiver's application rejects the message",
    Status.RQUERYFAIL: "query_sm failed",
    Status.RINVOPTPARSTREAM: "error in the optional part of the body",
    Status.ROPTPARNOTALLWD: "optional parameter not allowed",
    Status.RINVPARLEN: "invalid parameter length",
    Status.RMISSINGOPTPARAM: "expected optional parameter missing",
    Status.RINVOPTPARAMVAL: "invalid value of an optional parameter",
    Status.RDELIVERYFAILURE: "delivery failure",
    Status.RUNKNOWNERR: "unknown error",
}

# SMPP 5.0 §4.7.6 names these; centres that call themselves 3.4 send some.
_LATER_NAMES: Final[dict[int, str]] = {
    0x100: "RSERTYPUNAUTH",
    0x101: "RPROHIBITED",
    0x102: "RSERTYPUNAVAIL",
    0x103: "RSERTYPDENIED",
    0x104: "RINVDCS",
    0x105: "RINVSRCADDRSUBUNIT",
    0x106: "RINVDSTADDRSUBUNIT",
    0x107: "RINVBCASTFREQINT",
    0x108: "RINVBCASTALIAS_NAME",
    0x109: "RINVBCASTAREAFMT",
    0x10A: "RINVNUMBCAST_AREAS",
    0x10B: "RINVBCASTCNTTYPE",
    0x10C: "RINVBCASTMSGCLASS",
    0x10D: "RBCASTFAIL",
    0x10E: "RBCASTQUERYFAIL",
    0x10F: "RBCASTCANCELFAIL",
    0x110: "RINVBCAST_REP",
    0x111: "RINVBCASTSRVGRP",
    0x112: "RINVBCASTCHANIND",
}

# §5.1.3: reserved for the vendors of centres.
VENDOR: Final = range(0x400, 0x500)

_NAMES: Final[dict[int, str]] = {
    int(status): f"ESME_{status.name}: {MEANINGS[status]}" for status in Status
} | {number: f"ESME_{name}" for number, name in _LATER_NAMES.items()}


def name_of(command_status: int) -> str:
    """Return name and meaning of any number: ``ESME_RTHROTTLED: throttled …``."""
    known = _NAMES.get(command_status)
    if known is not None:
        return known
    origin = "vendor's own" if command_status in VENDOR else "unknown"
    return f"{origin} command_status 0x{command_status:08X}"
