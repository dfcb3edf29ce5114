"""A bare SMSC for benchmarks, where the C one is not at hand.

It takes the options of ``smsc_sink`` that the benchmarks use and writes the same log:
one line for each submit_sm, ``ns seq source dest dcs esm_class hex-text connection
outcome`` (ns of the monotonic clock).  At its end it prints ``FINAL`` and a JSON.  It
reads no more of a PDU than it needs, so that it costs the machine little.

With ``--write-through`` what it answered is in the log's file: it may be killed then.
SIGUSR1 lets every connection hang up at its next submit_sm, which is taken and not
answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import struct
import sys
import time
from collections import deque
from collections.abc import Sequence
from io import StringIO
from typing import Any, Final

BIND_RESP: Final = {1: 0x80000001, 2: 0x80000002, 9: 0x80000009}
SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK = 4, 5, 6, 0x15
RESP: Final = 0x80000000
# receipts under way on one connection, as smsc_sink has it
WINDOW: Final = 128
HEADER: Final = struct.Struct(">IIII")


class Submit:
    """What is needed of a submit_sm (SMPP 3.4 §4.4.1)."""

    __slots__ = ("dcs", "dest", "esm_class", "registered", "source", "text")

    def __init__(self, pdu: bytes) -> None:
        at = pdu.index(0, 16) + 3
        end = pdu.index(0, at)
        self.source, at = pdu[at:end], end + 3
        end = pdu.index(0, at)
        self.dest, at = pdu[at:end], end + 1
        self.esm_class = pdu[at]
        at = pdu.index(0, at + 3) + 1
        at = pdu.index(0, at) + 1
        self.registered, self.dcs = pdu[at] & 1, pdu[at + 2]
        self.text = pdu[at + 5 : at + 5 + pdu[at + 4]]

    def __str__(self) -> str:
        """Return it as the log has it."""
        source = self.source.decode("ascii", "replace") or "-"
        dest = self.dest.decode("ascii", "replace") or "-"
        return f"{source} {dest} {self.dcs} {self.esm_class} {self.text.hex() or '-'}"


def receipt(submit: Submit, number: int) -> bytes:
    """Return the body of the deliver_sm that says: delivered."""
    text = b"id:%010d sub:001 dlvrd:001 submit date:2601010000" % number
    text += b" done date:2601010000 stat:DELIVRD err:000 text:" + submit.text[:20]
    return b"".join(
        (
            *(b"\0\1\1", submit.dest, b"\0\5\0", submit.source),
            *(b"\0\4\0\0\0\0\0\0\0\0", bytes([len(text)]), text),
        )
    )


class Sink:
    """All connections together: counts, receipts that wait, the log."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.numbers = time.time_ns() // 1000
        self.submits = self.dropped = 0
        self.first_ns = self.last_ns = 0
        self.links: list[Link] = []
        self.receivers: list[Link] = []
        self.waiting: deque[bytes] = deque()
        self.log = StringIO()

    def report(self, body: bytes) -> None:
        """Let a receipt go to whoever is bound, in time."""
        self.waiting.append(body)
        self.pump()

    def pump(self) -> None:
        """Send receipts while somebody has room for them."""
        for link in self.receivers:
            while self.waiting and link.unanswered < WINDOW:
                link.deliver(self.waiting.popleft())

    def hang_up(self) -> None:
        """Let every connection end at its next submit_sm."""
        for link in self.links:
            link.hangs_up = True

    def flush(self) -> None:
        """Write the log to its file."""
        text, self.log = self.log.getvalue(), StringIO()
        if text and self.options.log:
            with open(self.options.log, "a", encoding="ascii") as out:
                out.write(text)

    def final(self) -> str:
        """Return the last words."""
        span_s = (self.last_ns - self.first_ns) / 1e9
        rate = (self.submits - 1) / span_s if span_s else 0.0
        told = {"submits": self.submits, "dropped": self.dropped}
        return "FINAL " + json.dumps(told | {"span_s": span_s, "mean_rate": rate})


class Link(asyncio.Protocol):
    """One connection."""

    transport: asyncio.Transport

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.rest = b""
        self.out: list[bytes] = []
        self.unanswered = self.taken = self.sequence = 0
        self.hangs_up = False

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport
        self.sink.links.append(self)

    def connection_lost(self, reason: Exception | None) -> None:
        """Send it no more receipts."""
        self.sink.links.remove(self)
        if self in self.sink.receivers:
            self.sink.receivers.remove(self)

    def data_received(self, data: bytes) -> None:
        """Answer every PDU that is whole; write all answers at once."""
        stream = self.rest + data
        at = 0
        while len(stream) - at >= 16:
            length, command, _, sequence = HEADER.unpack_from(stream, at)
            if len(stream) - at < length:
                break
            self.heard(command, sequence, stream[at : at + length])
            at += length
        self.rest = stream[at:]
        self.write()

    def write(self) -> None:
        """Write what has been collected."""
        if self.sink.options.write_through:
            self.sink.flush()
        if self.out and not self.transport.is_closing():
            self.transport.write(b"".join(self.out))
        self.out.clear()

    def heard(self, command: int, sequence: int, pdu: bytes) -> None:
        """Answer one PDU."""
        if command == SUBMIT_SM:
            self.submitted(sequence, Submit(pdu))
        elif command == DELIVER_SM | RESP:
            self.unanswered -= 1
            self.sink.pump()
        elif command in BIND_RESP:
            self.answer(BIND_RESP[command], sequence, b"sink\0")
            if command != 2:
                self.sink.receivers.append(self)
        elif command in (ENQUIRE_LINK, UNBIND):
            self.answer(command | RESP, sequence)

    def submitted(self, sequence: int, submit: Submit) -> None:
        """Take a message; answer now or later, and report it when that is asked."""
        sink, options = self.sink, self.sink.options
        now_ns = time.monotonic_ns()
        sink.first_ns, sink.last_ns = sink.first_ns or now_ns, now_ns
        sink.submits += 1
        self.taken += 1
        drops = self.hangs_up or 0 < options.drop_after <= self.taken
        if options.log:
            outcome = "dropped" if drops else "ok"
            line = f"{submit} {id(self)} {outcome}\n"
            sink.log.write(f"{now_ns} {sequence} {line}")
        if drops:
            sink.dropped += 1
            self.write()
            self.transport.abort()
            return
        sink.numbers += 1
        body = b"%010d\0" % sink.numbers
        loop = asyncio.get_running_loop()
        if options.resp_delay_ms:
            later_s = options.resp_delay_ms / 1000
            loop.call_later(later_s, self.answer_late, sequence, body)
        else:
            self.answer(SUBMIT_SM | RESP, sequence, body)
        if options.dlr_ms >= 0 and submit.registered:
            told = receipt(submit, sink.numbers)
            later_s = (options.resp_delay_ms + options.dlr_ms) / 1000
            loop.call_later(later_s, sink.report, told)

    def answer(self, command: int, sequence: int, body: bytes = b"") -> None:
        """Put an answer to the others of this read."""
        self.out.append(HEADER.pack(16 + len(body), command, 0, sequence) + body)

    def answer_late(self, sequence: int, body: bytes) -> None:
        """Answer a submit_sm after its delay."""
        self.answer(SUBMIT_SM | RESP, sequence, body)
        self.write()

    def deliver(self, body: bytes) -> None:
        """Send a receipt."""
        self.sequence += 1
        self.unanswered += 1
        head = HEADER.pack(16 + len(body), DELIVER_SM, 0, self.sequence)
        self.transport.write(head + body)


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """Read the options; raise `SystemExit` when they are wrong."""
    parser = argparse.ArgumentParser(prog="bench.sink")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dlr-ms", type=float, default=-1.0)
    parser.add_argument("--resp-delay-ms", type=float, default=0.0)
    parser.add_argument("--drop-after", type=int, default=0)
    parser.add_argument("--log")
    parser.add_argument("--write-through", action="store_true")
    # it always answers at once; taken so that both sinks have one command line
    parser.add_argument("--quickack", action="store_true")
    return parser.parse_args(words)


async def serve(options: argparse.Namespace) -> None:
    """Listen until SIGTERM."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    sink = Sink(options)
    loop.add_signal_handler(signal.SIGUSR1, sink.hang_up)
    await loop.create_server(lambda: Link(sink), "127.0.0.1", options.port)

    def tick() -> None:
        sink.flush()
        loop.call_later(1.0, tick)

    tick()
    await ended.wait()
    sink.flush()
    print(sink.final(), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(parsed(sys.argv[1:])))
