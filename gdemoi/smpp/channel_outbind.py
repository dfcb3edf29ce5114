"""A port where the SMSC may knock: outbind (SMPP 3.4 §2.2.1, §4.1.7).

Off unless configured.  Whoever opens a connection here and says the agreed
password is answered with a bind as receiver; anyone else learns nothing, least
of all our own credentials.
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gdemoi.errors import CannotListen
from gdemoi.faults import UNOPENED, of_port
from gdemoi.interfaces import ChannelContext
from gdemoi.smpp.channel_deliveries import Deliveries
from gdemoi.smpp.channel_links import terms_of
from gdemoi.smpp.protocol import EsmeFactory, EsmeProtocol
from gdemoi.smpp.session_events import (
    DeliveryReceived,
    OutbindReceived,
    SessionEnded,
    SessionEvent,
)
from gdemoi.smpp.settings import SmppSettings
from gdemoi.smpp.states import BIND_RECEIVER
from gdemoi.smpp.trace import Trace
from gdemoi.tasks import background

log = Logger()

# Connections that may be open here at once.
_MOST: Final = 4
# A port that another has is tried again after so long.
LISTEN_AGAIN_S: Final = 10.0
# Serial numbers apart from those of the links.
_FIRST_SERIAL: Final = 1_000_000_000


class OutbindPort:
    """The listening port of one channel, and the sessions that began there."""

    def __init__(
        self,
        channel: str,
        settings: SmppSettings,
        surroundings: ChannelContext,
        deliveries: Deliveries,
        trace: Trace | None,
    ) -> None:
        self.sessions: list[EsmeProtocol] = []
        self._channel = channel
        self._settings = settings
        self._surroundings = surroundings
        self._deliveries = deliveries
        self._trace = None if trace is None else trace.for_link("outbind")
        self._terms = terms_of(settings, BIND_RECEIVER)
        self._port: IListeningPort | None = None
        # fires with why the first try to listen failed, None when it did not
        self.listened: Deferred[CannotListen | None] = Deferred()
        self._listening: Deferred[Any] | None = None
        self._serial = _FIRST_SERIAL

    def start(self) -> None:
        """Listen, when configured."""
        if not self._settings.outbind_listen:
            self._tell_first(None)
            return
        what = f"listening for outbind to {self._channel}"
        self._listening = background(self._listen(), log, what)

    async def stop(self, grace_s: float) -> None:
        """Listen no more and end the sessions."""
        if self._listening is not None:
            self._listening.cancel()
        port, self._port = self._port, None
        if port is not None:
            stopped = port.stopListening()
            if isinstance(stopped, Deferred):
                await stopped
        for esme in list(self.sessions):
            over = esme.over()
            esme.drain(grace_s)
            await over

    async def _listen(self) -> None:
        """Listen; try again: what has the port may be this channel as it was before."""
        where = self._settings.outbind_listen
        told = ""
        while self._port is None:
            try:
                endpoint = serverFromString(self._surroundings.reactor, where)
                self._port = await endpoint.listen(EsmeFactory(self.make))
            except UNOPENED as fault:
                why = CannotListen("outbind_listen", f"{where}: {of_port(fault)}")
                if told and str(why) != told:
                    log.error("{channel}: {why}", channel=self._channel, why=why)
                told = str(why)
                self._tell_first(why)
                await deferLater(self._surroundings.clock, LISTEN_AGAIN_S)
        self._tell_first(None)

    def _tell_first(self, why: CannotListen | None) -> None:
        if not self.listened.called:
            self.listened.callback(why)

    def make(self) -> EsmeProtocol:
        """Return the protocol of a connection that the SMSC opened."""
        esme = EsmeProtocol(
            self._terms,
            self._surroundings.clock,
            self,
            self._trace,
            may_bind=self._may_bind,
        )
        self._serial += 1
        esme.serial = self._serial
        self.sessions.append(esme)
        if len(self.sessions) > _MOST:
            self.sessions[0].abort()
        return esme

    def _may_bind(self, outbind: OutbindReceived) -> bool:
        agreed = self._settings.outbind_password.encode()
        good = compare_digest(outbind.password.encode(), agreed)
        if not good:
            log.warn(
                "{channel}: an outbind of {system_id!a} with a wrong password",
                channel=self._channel,
                system_id=outbind.system_id,
            )
        return good

    def session_event(
        self, esme: EsmeProtocol, happenings: Sequence[SessionEvent]
    ) -> None:
        """Pass deliveries up (`gdemoi.smpp.protocol.Ear`)."""
        for event in happenings:
            if isinstance(event, DeliveryReceived):
                self._deliveries.came(esme, event.pdu)
            elif isinstance(event, SessionEnded) and esme in self.sessions:
                self.sessions.remove(esme)
                now = self._surroundings.clock.seconds()
                self._deliveries.reader.session_ended(esme.serial, now)
