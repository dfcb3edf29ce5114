"""A small SMPP client for the demo: binds, submits one text, reads one receipt.

Blocking, one socket, nothing but the codec: what a program does that speaks SMPP to its
carrier, and to gdemoi by another host and port.
"""

from __future__ import annotations

import socket
from typing import Any, Final, Self

from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.headers import PduFramer
from gdemoi.smpp.pdu.pdus import BindTransceiver, DeliverSm, SubmitSm

LIMIT_S: Final = 30.0


class DemoEsme:
    """One bound session."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=LIMIT_S)
        self._framer = PduFramer()
        self._came: list[Any] = []
        self._number = 0

    def bind(self, system_id: str, password: str) -> Any:
        """Bind as transceiver; return the answer."""
        return self._ask(BindTransceiver(system_id=system_id, password=password))

    def submit(self, sender: str, to: str, text: bytes) -> Any:
        """Submit a text with a receipt; return the answer."""
        return self._ask(
            SubmitSm(
                source_addr_ton=5,
                source_addr=sender,
                dest_addr_ton=1,
                dest_addr_npi=1,
                destination_addr=to.removeprefix("+"),
                registered_delivery=1,
                short_message=text,
            )
        )

    def receipt(self) -> str:
        """Return the text of the next deliver_sm, and acknowledge it."""
        while True:
            for one in self._came:
                if isinstance(one, DeliverSm):
                    self._came.remove(one)
                    self._send(pdus.answer(one))
                    return one.short_message.decode("latin-1")
            self._read()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, pdu: pdus.Pdu) -> None:
        self._socket.sendall(pdus.encode(pdu))

    def _ask(self, pdu: pdus.Pdu) -> Any:
        self._number += 1
        pdu.sequence_number = self._number
        self._send(pdu)
        while True:
            for one in self._came:
                answers = one.command_id & pdus.RESPONSE
                if answers and one.sequence_number == self._number:
                    self._came.remove(one)
                    return one
            self._read()

    def _read(self) -> None:
        octets = self._socket.recv(65536)
        if not octets:
            raise ConnectionResetError("the gateway hung up")
        self._came += [pdus.decode(frame) for frame in self._framer.feed(octets)]
