"""What a trial of an SMPP service found, and what in the ini would mend it.

Facts and advice only; who connects and binds is `gdemoi.smpp.channel_probe`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gdemoi.smpp.pdu.statuses import name_of
from gdemoi.smpp.settings import SmppSettings


class Advice(msgspec.Struct, frozen=True):
    """One thing worth changing: the ini key, and why."""

    key: str
    why: str


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What one host answered, at one of its addresses."""

    host: str
    port: int
    bind: str
    # the one of the host's addresses that answered
    address: str | None = None
    # how long the connection took, None: there was none
    connect_ms: float | None = None
    bound: bool = False
    bind_ms: float | None = None
    round_trip_ms: float | None = None
    command_status: int | None = None
    # system_id in the bind's answer, and the version that it tells
    smsc: str = ""
    sc_interface_version: int | None = None
    problem: str = ""
    advice: tuple[Advice, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        if self.command_status:
            found["status"] = name_of(self.command_status)
        return found


_BY_STATUS: Final[dict[int, tuple[Advice, ...]]] = {
    0x03: (
        Advice("bind", "the SMSC does not know this bind; try pair (or transmitter)"),
    ),
    0x05: (
        Advice(
            "bind",
            "another session holds this login: another gateway, or our last one that"
            " the SMSC has not given up yet",
        ),
    ),
    0x08: (
        Advice("password", "a system error at bind is often a wrong login"),
        Advice("system_type", "some carriers want one"),
    ),
    0x0D: (
        Advice(
            "host", "bind failed: often our IP address is not on the carrier's list"
        ),
        Advice("bind", "or there are too many sessions of this login"),
        Advice("system_id", "or the login is wrong"),
    ),
    0x0E: (Advice("password", "the SMSC refuses it (at most 8 characters)"),),
    0x0F: (Advice("system_id", "the SMSC does not know it"),),
    0x53: (Advice("system_type", "the SMSC wants another one; ask the carrier"),),
    0x58: (Advice("reconnect_min", "the SMSC finds that we bind too often"),),
}
_NO_CONNECTION: Final = (
    Advice("host", "nobody can be reached there; does the name resolve?"),
    Advice("port", "or at another port"),
    Advice("host", "or the carrier's firewall does not know our IP address"),
)
_NO_AUTHORITY: Final = (Advice("tls_ca", "the file cannot be used"),)
_HUNG_UP: Final = (
    Advice("tls", "the far side hung up before it answered: it may want TLS (or not)"),
    Advice("host", "or it does not know our IP address"),
)
_NO_SMPP: Final = (
    Advice("port", "what answers there is not SMPP"),
    Advice("tls", "or it speaks TLS"),
)
_SILENT: Final = (
    Advice("tls", "connected, but no answer to the bind: it may want TLS"),
    Advice("version", "or the other version of SMPP"),
    Advice("bind_timeout", "or more time"),
)
_NO_TLS: Final = (Advice("tls", "no, or the port where the carrier speaks TLS"),)
_ANSWERS_TLS: Final = (Advice("tls", "yes: the carrier speaks TLS at this port"),)
_NO_CERTIFICATE: Final = (
    Advice("tls_name", "the certificate is for another name"),
    Advice("tls_ca", "or is signed by an authority that has to be named"),
)


def advice_for(probed: Probed, settings: SmppSettings) -> tuple[Advice, ...]:
    """Return what would mend what was found; nothing when all is well."""
    if probed.connect_ms is None:
        return _NO_AUTHORITY if "tls_ca" in probed.problem else _NO_CONNECTION
    if probed.command_status:
        return _BY_STATUS.get(
            probed.command_status,
            (Advice("system_id", f"ask the carrier about {probed.command_status:#x}"),),
        )
    if not probed.bound:
        return _for_no_answer(probed.problem)
    return _for_a_bind(probed, settings)


def _for_no_answer(problem: str) -> tuple[Advice, ...]:
    lowered = problem.lower()
    if "command_length" in lowered:
        return _NO_SMPP
    if "certificate" in lowered or "verif" in lowered:
        return _NO_CERTIFICATE
    if "not speak tls" in lowered or "tls was not agreed" in lowered:
        return _NO_TLS
    if "speaks tls" in lowered:
        return _ANSWERS_TLS
    if "no answer" in lowered:
        return _SILENT
    return _HUNG_UP


def _for_a_bind(probed: Probed, settings: SmppSettings) -> tuple[Advice, ...]:
    found = []
    version = probed.sc_interface_version
    if settings.version == "3.4" and (version is None or version < 0x34):
        said = "does not say its version" if version is None else "says 3.3"
        found.append(
            Advice(
                "tlvs",
                f"the SMSC {said}, so no optional parameters are sent and long texts"
                " go with headers; tlvs = yes if the carrier takes them",
            )
        )
    if probed.round_trip_ms is not None and settings.rate is not None:
        needed = settings.rate * probed.round_trip_ms / 1000
        if needed > settings.window:
            found.append(
                Advice(
                    "window",
                    f"{settings.rate:g} segments per second need a window of"
                    f" {needed:.0f} at this round trip",
                )
            )
    return tuple(found)
