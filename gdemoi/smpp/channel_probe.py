"""A trial of an SMPP service: connect, bind, measure, unbind; and what would help.

`probe` tries each host of a section and returns one `Probed` each, with `Advice`: the
ini keys that are worth changing, and why.  No message is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from gdemoi.errors import Unavailable
from gdemoi.net.faults import in_words
from gdemoi.net.hosts import Host
from gdemoi.smpp.channel_links import (
    BIND_NAMES,
    Connect,
    SingleProtocolFactory,
    secured,
    session_parameters,
    tcp,
)
from gdemoi.smpp.pdu.headers import BIND_RECEIVER, BIND_TRANSCEIVER, BIND_TRANSMITTER
from gdemoi.smpp.pdu.statuses import name_of
from gdemoi.smpp.protocol import EsmeProtocol
from gdemoi.smpp.session_types import BindRefused, Bound, SessionEnded, SessionEvent
from gdemoi.smpp.settings import BindAs, SmppSettings


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
_TLS_TO_NOBODY: Final = (
    Advice("tls", "no, or another port: the far side may not speak TLS at this one"),
)
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
        found = _for_no_answer(probed.problem)
        if settings.tls and found in (_HUNG_UP, _SILENT, _NO_SMPP):
            # what they say of TLS is for who has none
            found = (*_TLS_TO_NOBODY, *(one for one in found if one.key != "tls"))
        return found
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


_COMMANDS: Final = {
    BindAs.TRANSCEIVER: BIND_TRANSCEIVER,
    BindAs.TRANSMITTER: BIND_TRANSMITTER,
    BindAs.RECEIVER: BIND_RECEIVER,
    BindAs.PAIR: BIND_TRANSMITTER,
}
# enquire_links that the round trip is measured with, and the pause between.
_ROUNDS: Final = 3
_PAUSE_S: Final = 0.2
_FALLBACK_S: Final = 10.0
# an endpoint that our limit cancels says ConnectingCancelledError
_CONNECT_FAULTS: Final = (
    Unavailable,
    ConnectError,
    ConnectingCancelledError,
    OSError,
    DeferredTimeoutError,
)


class _Listener:
    """Remembers what happened on the trial's connection."""

    def __init__(self) -> None:
        self.bound: Bound | None = None
        self.refused: BindRefused | None = None
        self.why = ""

    def session_event(self, esme: EsmeProtocol, events: Sequence[SessionEvent]) -> None:
        """Take what happened."""
        for event in events:
            match event:
                case Bound():
                    self.bound = event
                case BindRefused():
                    self.refused = event
                case SessionEnded():
                    self.why = event.why
                case _:
                    pass


async def probe(
    settings: SmppSettings, clock: IReactorTime, connect: Connect | None = None
) -> list[Probed]:
    """Try every host in turn, and each address that can be connected to.

    One finding each.  `clock` is the reactor.
    """
    connect = secured(settings, connect or tcp(clock))
    found = []
    for host in (Host(name, port) for name, port in settings.hosts):
        over = False
        while not over:
            found.append(await _probe_host(settings, clock, connect, host))
            # whatever was found: the other addresses of the name are next
            over = host.failed()
    return found


async def _probe_host(
    settings: SmppSettings, clock: IReactorTime, connect: Connect, host: Host
) -> Probed:
    command = _COMMANDS[settings.bind]
    listener = _Listener()
    esme = EsmeProtocol(session_parameters(settings, command), clock, listener)
    timeout_s = settings.link_timeout_s or _FALLBACK_S
    found = Probed(host=host.name, port=host.port, bind=BIND_NAMES[command])
    begun = clock.seconds()
    try:
        connecting: Deferred[Any] = connect(host).connect(SingleProtocolFactory(esme))
        await connecting.addTimeout(settings.connect_timeout_s or timeout_s, clock)
    except _CONNECT_FAULTS as fault:
        limit = isinstance(fault, ConnectingCancelledError | DeferredTimeoutError)
        why = "no answer" if limit else in_words(fault)
        found = _with(found, problem=why)
        return _with(found, advice=advice_for(found, settings))
    found = _with(found, address=host.address, connect_ms=_ms(clock.seconds() - begun))
    try:
        await esme.ready().addTimeout(timeout_s + 1.0, clock)
    except Unavailable as fault:
        found = _with(found, problem=in_words(fault))
    except DeferredTimeoutError:
        found = _with(found, problem=listener.why or "no answer")
    if listener.refused is not None:
        found = _with(found, command_status=listener.refused.command_status)
    if listener.bound is not None:
        found = await _measure(found, listener.bound, esme, clock)
    if not esme.ended:
        over = esme.over()
        esme.drain(0.0)
        await over.addTimeout(timeout_s, clock, lambda _, __: None)
        esme.abort()
    return _with(found, advice=advice_for(found, settings))


async def _measure(
    found: Probed, bound: Bound, esme: EsmeProtocol, clock: IReactorTime
) -> Probed:
    found = _with(
        found,
        bound=True,
        bind_ms=_ms(bound.round_trip_s),
        smsc=bound.system_id,
        sc_interface_version=bound.sc_interface_version,
    )
    trips: list[float] = []
    for _ in range(_ROUNDS):
        # a bind takes longer than a round trip: forget it
        esme.session.round_trip_s = None
        esme.enquire()
        await deferLater(clock, _PAUSE_S)
        if esme.session.round_trip_s is not None:
            trips.append(esme.session.round_trip_s)
    return _with(found, round_trip_ms=_ms(min(trips)) if trips else None)


def _with(found: Probed, **changes: object) -> Probed:
    return msgspec.structs.replace(found, **changes)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
