"""What one message costs the SMPP part of the gateway, receipt included.

prepare → encode → session → submit_sm_resp → receipt → deliver_sm_resp, in a
bound channel whose far side is octets made beforehand; no journal, no socket.
"""

from __future__ import annotations

import gc
import time
from struct import pack
from typing import Any

from bench.figures import Line, of_rows
from bench.rig import Work
from gdemoi.message import Outbound
from gdemoi.smpp.pdu import pdus
from tests.smpp.rig import NOW, ChannelRig

COUNT = 20_000
BATCH = 100
RUNS = 3
BUDGET_US = 60.0


class Sink:
    """A transport that swallows what is written."""

    def write(self, octets: bytes) -> None:
        """Swallow it."""

    def loseConnection(self) -> None:
        """There is nothing to close."""

    abortConnection = unregisterProducer = loseConnection


def answers(start: int, number: int) -> bytes:
    """Return the responses of one batch, whose first request was `number`."""
    return b"".join(
        pack(">IIII", 25, 0x80000004, 0, number + n) + b"%08x\0" % (start + n)
        for n in range(BATCH)
    )


def receipts(start: int) -> bytes:
    """Return the receipts of one batch."""
    return b"".join(
        pdus.encode(
            pdus.DeliverSm(
                sequence_number=start + n + 1,
                source_addr_ton=1,
                source_addr_npi=1,
                source_addr="79161234567",
                destination_addr="GdeMoi",
                esm_class=4,
                short_message=b"id:%08x sub:001 dlvrd:001 submit date:1702051010"
                b" done date:1702051011 stat:DELIVRD err:000" % (start + n),
            )
        )
        for n in range(BATCH)
    )


def messages(start: int) -> list[Outbound]:
    """Return the messages of one batch."""
    return [
        Outbound(
            id=f"m{start + n}",
            to=f"+7916{start + n:07}",
            from_="GdeMoi",
            accepted_at=NOW,
            expires_at=NOW + 7200,
            text=f"setparam {start + n:08};server gps.example.org:2004",
        )
        for n in range(BATCH)
    ]


def run() -> float:
    """Return the CPU of one message, in microseconds."""
    rig = ChannelRig(window=BATCH)
    channel = rig.channel
    esme: Any = channel.sender.esme
    esme.transport = Sink()
    done: list[Any] = []
    spent = 0.0
    for start in range(0, COUNT, BATCH):
        batch, answered = messages(start), answers(start, start + 2)
        reported = receipts(start)
        begun = time.process_time()
        for message in batch:
            prepared: Any = channel.prepare(message)
            channel.submit(prepared, 1).addCallback(done.append)
        rig.clock.advance(0)
        esme.dataReceived(answered)
        esme.dataReceived(reported)
        rig.clock.advance(0)
        spent += time.process_time() - begun
        rig.recorder.receipts.clear()
    assert len(done) == COUNT
    return spent / COUNT * 1e6


def main(work: Work) -> list[Line]:
    """Return the line."""
    # as the gateway has it, see `gdemoi.service.tap`
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    best = min(run() for _ in range(RUNS))
    return of_rows([("SMPP: a message and its receipt", best, "µs", BUDGET_US)])
