"""A session fed by hand, for tests: octets in, events and PDUs out."""

from typing import Any

from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import BIND_TRANSCEIVER
from gdemoi.smpp.pdu.pdus import Pdu, SubmitSm
from gdemoi.smpp.pdu.tlvs import Tag
from gdemoi.smpp.session import EsmeSession
from gdemoi.smpp.session_types import SessionEvent, SessionParameters, SessionState

NOW = 1000.0
BIND = {
    1: pdus.BindReceiver,
    2: pdus.BindTransmitter,
    9: pdus.BindTransceiver,
}
SUBMIT = pdus.encode(
    SubmitSm(source_addr="GdeMoi", destination_addr="79161234567", short_message=b"hi")
)


def parameters(**given: Any) -> SessionParameters:
    """Return parameters of which some are given."""
    command = given.get("bind_command", BIND_TRANSCEIVER)

    def bind_request() -> bytes:
        return pdus.encode(BIND[command](system_id="esme", password="secret"))

    return SessionParameters(bind_request=bind_request, **given)


def sent(session: EsmeSession) -> list[Any]:
    """Return the PDUs in the outbox, decoded."""
    octets = session.outbox()
    found = []
    while octets:
        length = int.from_bytes(octets[:4], "big")
        found.append(pdus.decode(octets[:length]))
        octets = octets[length:]
    return found


def give(session: EsmeSession, pdu: Pdu, now: float = NOW) -> list[SessionEvent]:
    """Let the SMSC send a PDU."""
    return session.receive(pdus.encode(pdu), now)


def bind_answer(number: int = 1, version: int | None = 0x34, **fields: Any) -> Pdu:
    """Return a bind_transceiver_resp."""
    tlvs = () if version is None else ((Tag.sc_interface_version, bytes((version,))),)
    return pdus.BindTransceiverResp(
        sequence_number=number, system_id="SMSC", tlvs=tlvs, **fields
    )


def bound(now: float = NOW, first: int = 1, **given: Any) -> EsmeSession:
    """Return a session that is bound, with an empty outbox."""
    session = EsmeSession(parameters(**given), now, first=first)
    session.bind(now)
    command = session.parameters.bind_command
    answer = bind_answer(first)
    octets = pdus.encode(answer)
    octets = octets[:4] + (command | 0x80000000).to_bytes(4, "big") + octets[8:]
    session.receive(octets, now)
    session.outbox()
    assert session.bound
    return session


def in_state(state: SessionState) -> EsmeSession:
    """Return a session in any state."""
    match state:
        case SessionState.OPEN:
            return EsmeSession(parameters(), NOW)
        case SessionState.BINDING:
            session = EsmeSession(parameters(), NOW)
            session.bind(NOW)
        case SessionState.BOUND_TX:
            session = bound(bind_command=2)
        case SessionState.BOUND_RX:
            session = bound(bind_command=1)
        case SessionState.BOUND_TRX:
            session = bound()
        case SessionState.DRAINING:
            session = bound()
            session.submit(SUBMIT, "kept", NOW)
            session.drain(NOW, 10.0)
        case SessionState.UNBINDING:
            session = bound()
            session.drain(NOW, 10.0)
        case SessionState.CLOSED:
            session = bound()
            session.lost("gone")
    session.outbox()
    assert session.state is state
    return session
