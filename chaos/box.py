"""A GoIP box as a process of its own, which writes down every SMS that it sent.

It is the sandbox's box on real sockets.  Each SMS is a line of JSON in the log, written
before the gateway hears of it: ``at_ns`` (of the monotonic clock), ``number``, and
``text``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from twisted.internet import reactor as the_reactor
from twisted.internet.protocol import DatagramProtocol

from gdemoi.sandbox.goip_box import BoxLine, GoipBox, GoipPersonality

# so that a gateway that was started anew soon knows its lines
KEEPALIVE_S: Final = 2.0
HOW: Final = GoipPersonality(sending_s=0.1, receipt_after_s=0.1)


def secret(number: int) -> tuple[str, str]:
    """Return id and password of a line."""
    return f"line{number}", f"secret{number}"


class LoggedBox(GoipBox):
    """Writes down what went out."""

    log: Path

    def aired(self, line: BoxLine, number: str, text: str, sms_no: int) -> None:
        """Write first, then let the network answer."""
        said = {"at_ns": time.monotonic_ns(), "number": number, "text": text}
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(said) + "\n")
        self.air.clear()
        super().aired(line, number, text, sms_no)


class Socket(DatagramProtocol):
    """The socket of one line."""

    noisy = False
    line: BoxLine

    def __init__(self, port: int) -> None:
        self._port = port

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Give it to the line."""
        self.line.receive(datagram)

    def send(self, datagram: bytes) -> None:
        """Say something to the gateway."""
        if self.transport is not None:
            self.transport.write(datagram, ("127.0.0.1", self._port))


def main(words: Sequence[str]) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="chaos.box")
    parser.add_argument("--port", type=int, required=True, help="of the gateway")
    parser.add_argument("--lines", type=int, required=True)
    parser.add_argument("--log", required=True)
    asked = parser.parse_args(words)
    reactor: Any = the_reactor
    box = LoggedBox(reactor, phone=lambda *_: None)
    box.keepalive_s = KEEPALIVE_S
    box.log = Path(asked.log)
    for number in range(asked.lines):
        socket = Socket(asked.port)
        name, password = secret(number)
        socket.line = box.add(name, password, f"+79{number:09}", socket.send, HOW)
        reactor.listenUDP(0, socket, interface="127.0.0.1")
        socket.line.start()
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1:])
