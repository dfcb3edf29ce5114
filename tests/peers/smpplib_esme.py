"""A client of an SMSC for tests, upon smpplib (PyPI): one connection, one thread.

As the other peers it obeys JSON lines on stdin and tells JSON lines on stdout; it ends
when stdin does.  ``python smpplib_esme.py PORT SYSTEM_ID PASSWORD``
"""

from __future__ import annotations

import json
import logging
import select
import sys
from typing import Any

import smpplib.client
import smpplib.consts
import smpplib.gsm


def announce(event: str, **facts: Any) -> None:
    """Tell something."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def came(pdu: Any) -> int:
    """Tell of a deliver_sm, and answer it with success."""
    is_receipt = pdu.esm_class & 0x04
    message_id = pdu.receipted_message_id
    announce(
        "receipt" if is_receipt else "inbound",
        id=message_id.decode() if message_id else None,
        text=(pdu.short_message or b"").decode("latin-1"),
    )
    return 0


def main() -> None:
    """Bind, then obey."""
    port, system_id, password = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    client = smpplib.client.Client(
        "127.0.0.1", int(port), allow_unknown_opt_params=True
    )
    client.set_message_received_handler(came)
    client.set_message_sent_handler(
        lambda pdu: announce(
            "answer", status=pdu.status, id=pdu.message_id.decode(), word=None
        )
    )
    client.connect()
    client.bind_transceiver(system_id=system_id, password=password)
    announce("listening", port=int(port))
    announce("bound", status=0)
    while True:
        ready, _, _ = select.select([client._socket, sys.stdin], [], [])
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                break
            order = json.loads(line)
            if order["do"] == "send":
                send(client, order["first"], order["count"])
            announce("done", order=order["order"])
        else:
            client.read_once()
    client.unbind()
    client.disconnect()


def send(client: Any, first: int, count: int) -> None:
    """Submit messages, in the alphabet and in the parts that smpplib chooses."""
    for number in range(first, first + count):
        parts, coding, flags = smpplib.gsm.make_parts(f"w{number}")
        for part in parts:
            client.send_message(
                source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
                source_addr="GdeMoi",
                dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
                destination_addr=f"7916{number:07}",
                short_message=part,
                data_coding=coding,
                esm_class=flags,
                registered_delivery=True,
            )


main()
