"""A sandbox SMSC: the far side of SMPP over the gateway's own codec.

Takes binds by account, takes submits, answers and sends receipts in the way of
the account's personality (`smsc_personality`), sends MO messages on request, and
behaves as one of those "tracker" devices that answer a command.  Works on any
transport and clock: in memory for tests, on loopback for the demo.
"""

from __future__ import annotations

from typing import Any

import msgspec
from attrs import frozen
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import IService
from twisted.internet import protocol
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure

from gdemoi.ini import key, text
from gdemoi.sandbox.smsc_centre import Bind, Smsc
from gdemoi.sandbox.smsc_personality import SmscPersonality, read_personality
from gdemoi.sandbox.trackers import TRACKERS, TrackerPark
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import LostFrame, PduFramer
from gdemoi.smpp.pdu.pdus import DeliverSm, Pdu, SubmitSm, UnparsedPdu
from gdemoi.smpp.pdu.statuses import Status
from gdemoi.smpp.pdu.tlvs import Tag

__all__ = [
    "SandboxSmscSettings",
    "Smsc",
    "SmscFactory",
    "SmscPersonality",
    "SmscProtocol",
    "make_service",
]


class SmscProtocol(protocol.Protocol):
    """One connection from an ESME."""

    def __init__(self, smsc: Smsc) -> None:
        self.smsc = smsc
        self.system_id = ""
        self.kind = ""
        self.how = SmscPersonality()
        self.ended = False
        self.unread: list[bytes] = []
        self._framer = PduFramer()
        self._number = 0
        self._asked: dict[int, Pdu] = {}
        self._kept_back: Pdu | None = None
        self._submits = 0

    @property
    def receives(self) -> bool:
        """Whether deliver_sm may be sent here."""
        return self.kind in ("receiver", "transceiver")

    @property
    def submits(self) -> bool:
        """Whether submit_sm may come from here."""
        return self.kind in ("transmitter", "transceiver")

    def send(self, pdu: Pdu) -> None:
        """Write a PDU."""
        if not self.ended and self.transport is not None:
            self.transport.write(pdus.encode(pdu))

    def request(self, pdu: Pdu) -> None:
        """Send a request of ours under its own number."""
        self._number += 1
        self._asked[self._number] = pdu
        self.send(msgspec.structs.replace(pdu, sequence_number=self._number))

    def unbind(self) -> None:
        """Ask the ESME to go."""
        self.request(pdus.Unbind())

    # -- IProtocol

    def dataReceived(self, data: bytes) -> None:
        """Take PDUs."""
        try:
            frames = self._framer.feed(data)
        except LostFrame as lost:
            for frame in lost.frames:
                self._take(pdus.decode(frame))
            nack = pdus.GenericNack(
                command_status=lost.command_status,
                sequence_number=lost.sequence_number,
            )
            self.send(nack)
            self.transport.loseConnection()  # type: ignore[union-attr]
            return
        for frame in frames:
            self._take(pdus.decode(frame))

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """Forget the session; what was not answered is sent again later."""
        self.ended = True
        if self in self.smsc.sessions:
            self.smsc.sessions.remove(self)
        for pdu in self._asked.values():
            if isinstance(pdu, DeliverSm):
                self.smsc.deliver(self.system_id, pdu)
        self._asked.clear()

    # -- PDUs

    def _take(self, pdu: Pdu | UnparsedPdu) -> None:
        match pdu:
            case UnparsedPdu():
                self.send(pdus.answer(pdu))
            case pdus.EnquireLink() | pdus.EnquireLinkResp():
                if isinstance(pdu, pdus.EnquireLink):
                    self.send(pdus.answer(pdu))
            case pdus.BindTransmitter() | pdus.BindReceiver() | pdus.BindTransceiver():
                self._bind(pdu)
            case pdus.Unbind():
                self.send(pdus.answer(pdu))
                self.transport.loseConnection()  # type: ignore[union-attr]
            case _ if pdu.command_id & 0x80000000:
                self._answer(pdu)
            case _ if not self.kind:
                self.send(pdus.answer(pdu, Status.RINVBNDSTS))
            case _:
                self._request(pdu)

    def _bind(self, pdu: Bind) -> None:
        status = Status.RALYBND if self.kind else self.smsc.admit(pdu)
        if status:
            self.send(pdus.answer(pdu, status))
            return
        self.system_id = pdu.system_id
        self.how = self.smsc.accounts[self.system_id]
        self.kind = pdu.command.removeprefix("bind_")
        version = self.how.version
        tlvs = ((Tag.sc_interface_version, bytes((version,))),) if version else ()
        self.send(pdus.answer(pdu, 0, system_id="gdemoi-sandbox", tlvs=tlvs))
        self.smsc.sessions.append(self)
        if self.receives:
            self.smsc.flush(self)

    def _answer(self, pdu: Pdu) -> None:
        asked = self._asked.pop(pdu.sequence_number, None)
        if isinstance(asked, DeliverSm):
            self.smsc.note_answer(asked, pdu.command_status)
            if pdu.command_status == Status.RX_T_APPN:
                self.smsc.later(1.0, self.smsc.deliver, self.system_id, asked)
        elif isinstance(asked, pdus.Unbind):
            self.transport.loseConnection()  # type: ignore[union-attr]

    def _request(self, pdu: Pdu) -> None:
        match pdu:
            case SubmitSm() if self.submits:
                self._submit(pdu)
            case pdus.QuerySm() if self.submits:
                self._query(pdu)
            case pdus.CancelSm() | pdus.ReplaceSm() if self.submits:
                self.send(pdus.answer(pdu, Status.RCANCELFAIL))
            case pdus.SubmitSm() | pdus.QuerySm():
                self.send(pdus.answer(pdu, Status.RINVBNDSTS))
            case _:
                self.send(pdus.answer(pdu, Status.RINVCMDID))

    def _submit(self, pdu: SubmitSm) -> None:
        how = self.how
        status, taken = self.smsc.take(self, pdu)
        self._submits += 1
        message_id = "" if taken is None else taken.message_id
        answer = pdus.answer(pdu, status, message_id=message_id)
        if taken is not None and how.early:
            self.smsc.follow(taken, how)
        if not how.silent or self._submits % how.silent:
            self.smsc.later(how.response_delay_s, self._respond, answer)
        if taken is not None and not how.early:
            self.smsc.later(how.response_delay_s, self.smsc.follow, taken, how)

    def _respond(self, answer: Pdu) -> None:
        if not self.how.disorder:
            self.send(answer)
        elif self._kept_back is None:
            self._kept_back = answer
            self.smsc.later(0.05, self._release)
        else:
            self.send(answer)
            self._release()

    def _release(self) -> None:
        kept_back, self._kept_back = self._kept_back, None
        if kept_back is not None:
            self.send(kept_back)

    def _query(self, pdu: pdus.QuerySm) -> None:
        taken = self.smsc.find(pdu.message_id)
        if taken is None:
            self.send(pdus.answer(pdu, Status.RQUERYFAIL))
            return
        answer = pdus.answer(
            pdu, 0, message_id=taken.message_id, message_state=taken.state
        )
        self.send(answer)


class SmscFactory(protocol.Factory):
    """Makes sessions of one centre."""

    noisy = False

    def __init__(self, smsc: Smsc) -> None:
        self.smsc = smsc

    def buildProtocol(self, addr: IAddress | None) -> SmscProtocol:
        """Return the protocol of one connection."""
        return SmscProtocol(self.smsc)


@frozen(kw_only=True)
class SandboxSmscSettings:
    """A sandbox SMSC, with accounts that behave in different ways."""

    listen: str = key(
        text,
        default="tcp:2775:interface=127.0.0.1",
        doc="where it listens, a Twisted endpoint",
    )
    accounts: dict[str, SmscPersonality] = key(
        read_personality,
        name="account.*",
        default={},
        doc="account.SYSTEM_ID = password=… and other words of its personality",
        example="password=secret receipts=mensatek ids=hex receipt_ids=dec",
    )
    trackers: tuple[str, ...] = key(
        TRACKERS,
        default=(),
        doc="trackers among the phones, as number/family/password",
        example="+79161000001/teltonika, +79161000002/queclink/gl300",
    )


class _SmscService(StreamServerEndpointService):
    """Listens, and leaves no timer behind when it stops."""

    def __init__(self, settings: SandboxSmscSettings, reactor: Any) -> None:
        park = TrackerPark(settings.trackers)
        self.smsc = Smsc(settings.accounts, reactor, park)
        endpoint = serverFromString(reactor, settings.listen)
        super().__init__(endpoint, SmscFactory(self.smsc))

    def stopService(self) -> Any:
        """Stop listening and forget what was to come."""
        self.smsc.stop()
        for session in list(self.smsc.sessions):
            session.transport.abortConnection()  # type: ignore[union-attr]
        return super().stopService()


def make_service(settings: SandboxSmscSettings, reactor: Any) -> IService:
    """Make the service of a ``[sandbox-smsc:…]`` section."""
    service: IService = _SmscService(settings, reactor)
    return service
