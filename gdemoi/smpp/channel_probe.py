"""A trial of an SMPP service: connect, bind, measure, unbind; nothing is sent.

For `gdemoi-sms probe`: works from the settings alone, beside or without a
running gateway (a carrier that allows one session may answer 0x05 then).
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
from twisted.logger import Logger

from gdemoi.errors import Unavailable
from gdemoi.faults import in_words
from gdemoi.hosts import Host
from gdemoi.smpp.channel_links import (
    BIND_NAMES,
    Connect,
    SingleProtocolFactory,
    secured,
    tcp,
    terms_of,
)
from gdemoi.smpp.probe import Probed, advice_for
from gdemoi.smpp.protocol import EsmeProtocol
from gdemoi.smpp.session_events import BindRefused, Bound, SessionEnded, SessionEvent
from gdemoi.smpp.settings import BindAs, SmppSettings
from gdemoi.smpp.states import BIND_RECEIVER, BIND_TRANSCEIVER, BIND_TRANSMITTER
from gdemoi.tasks import spawn

log = Logger()

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
_NO_CONNECTION: Final = (
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

    def session_event(
        self, esme: EsmeProtocol, happenings: Sequence[SessionEvent]
    ) -> None:
        """Take what happened."""
        for event in happenings:
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
    esme = EsmeProtocol(terms_of(settings, command), clock, listener)
    timeout_s = settings.link_timeout_s or _FALLBACK_S
    found = Probed(host=host.name, port=host.port, bind=BIND_NAMES[command])
    begun = clock.seconds()
    try:
        connecting: Deferred[Any] = connect(host).connect(SingleProtocolFactory(esme))
        await connecting.addTimeout(settings.connect_timeout_s or timeout_s, clock)
    except _NO_CONNECTION as fault:
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


def probe_now(settings: SmppSettings) -> list[Probed]:
    """Run a probe to its end, in a process where no reactor runs yet."""
    from twisted.internet import reactor

    loop: Any = reactor
    found: list[Probed] = []

    async def run() -> None:
        try:
            found.extend(await probe(settings, loop))
        finally:
            loop.stop()

    loop.callWhenRunning(spawn, run(), log, "the probe")
    loop.run()
    return found
