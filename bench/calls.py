"""How many of our functions one command passes, from the HTTP body to the SMSC.

The gateway runs in this process, over real sockets, with its journal in its
thread.  Counted are calls of functions of the package (not of what it imports, and
no resumption of a coroutine twice), the files that they stand in, and the Deferreds
that are made meanwhile, also by Twisted.  The least of many messages counts, so
that no timer is counted with it.

``python -m bench.calls --list`` prints the calls in their order.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from types import FrameType
from typing import Any

from attrs import define, field
from twisted.internet import defer, reactor
from twisted.internet.threads import deferToThread

import gdemoi
from bench.figures import Line, of_rows
from bench.rig import Work, free_port, scratch, smsc
from gdemoi.service.tap import Options, makeService
from gdemoi.smpp.session import EsmeSession

MESSAGES = 60
PACKAGE = f"{Path(gdemoi.__file__).parent}/"

INI = """\
[gateway]
name = calls
home_country = RU
journal = sqlite:///{folder}/journal.sqlite
log_level = error

[http]
listen = tcp:{http_port}:interface=127.0.0.1

[smpp:sink]
host = 127.0.0.1
port = {port}
system_id = bench
password = bench
receipts = none
"""


@define(eq=False)
class Tally:
    """What was called while it was open, in all threads."""

    calls: list[tuple[str, str]] = field(factory=list)
    deferreds: int = 0
    is_open: bool = False

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """Hear of a call (see `sys.setprofile`)."""
        if event != "call" or not self.is_open:
            return
        code = frame.f_code
        if code is defer.Deferred.__init__.__code__:
            self.deferreds += 1
        elif code.co_filename.startswith(PACKAGE) and is_new(frame):
            name = code.co_filename.removeprefix(PACKAGE)
            self.calls.append((name, code.co_qualname))

    def open(self) -> None:
        """Count from nothing."""
        self.calls, self.deferreds, self.is_open = [], 0, True

    def files(self) -> set[str]:
        """Return the files that the calls stand in."""
        return {name for name, _ in self.calls}


def is_new(frame: FrameType) -> bool:
    """Tell whether a function is called, not a coroutine or generator resumed.

    The argument of the RESUME instruction is 0 at the start of a function.
    """
    return frame.f_code.co_code[frame.f_lasti + 1] == 0


def count_one(tally: Tally, http_port: int, number: int) -> tuple[int, int, int, Any]:
    """Send one command; return calls, files and Deferreds, and the calls."""
    body = {"id": f"c{number}", "to": f"+7916{number:07}", "text": "where",
            "class": "command"}  # fmt: skip
    connection = HTTPConnection("127.0.0.1", http_port, timeout=20)
    connection.request("POST", "/v1/messages", json.dumps(body))
    answer = connection.getresponse()
    if answer.status != 202:
        raise RuntimeError(f"{answer.status} {answer.read()!r}")
    answer.read()
    connection.close()
    deadline = time.monotonic() + 10
    while tally.is_open and time.monotonic() < deadline:
        time.sleep(0.002)
    # what our own timers and the last message's answers do is over by then
    time.sleep(0.03)
    return len(tally.calls), len(tally.files()), tally.deferreds, tally.calls


def closing(tally: Tally, submit: Callable[..., Any]) -> Callable[..., Any]:
    """Return `submit` so that it closes the tally when the octets are out."""

    def submitted(self: EsmeSession, *args: Any, **options: Any) -> Any:
        answer = submit(self, *args, **options)
        tally.is_open = False
        return answer

    return submitted


def opening(tally: Tally, received: Callable[..., Any]) -> Callable[..., Any]:
    """Return `requestReceived` so that it opens the tally: the body is there."""

    def begun(self: Any, *args: Any) -> Any:
        tally.open()
        return received(self, *args)

    return begun


def measure() -> tuple[int, int, int, Any]:
    """Run a gateway and return the least of many messages."""
    from gdemoi.net.bodies import BoundedRequest

    tally = Tally()
    submit = EsmeSession.submit
    request: Any = BoundedRequest
    received = request.requestReceived
    found: list[tuple[int, int, int, Any]] = []
    with scratch() as folder:
        port, http_port = free_port(), free_port()
        with smsc(folder, port, receipts=False):
            config = Path(folder) / "calls.ini"
            config.write_text(INI.format(folder=folder, port=port, http_port=http_port))
            options = Options()
            options["config"], options["accept-loss"] = str(config), False
            options.postOptions()
            loop: Any = reactor
            service = makeService(options)
            threading.setprofile(tally.profile)
            EsmeSession.submit = closing(tally, submit)  # type: ignore[method-assign]
            request.requestReceived = opening(tally, received)
            service.startService()

            def work() -> None:
                time.sleep(1.5)
                for number in range(MESSAGES):
                    found.append(count_one(tally, http_port, number))

            def end(failure: Any) -> Any:
                done: defer.Deferred[Any] = defer.maybeDeferred(service.stopService)
                done.addBoth(lambda _: loop.stop())
                return failure

            def begin() -> None:
                deferToThread(work).addBoth(end)

            loop.callWhenRunning(begin)
            sys.setprofile(tally.profile)
            loop.run()
            sys.setprofile(None)
            threading.setprofile(None)
    EsmeSession.submit = submit  # type: ignore[method-assign]
    request.requestReceived = received
    return min(found[MESSAGES // 2 :], key=lambda one: one[:3])


def main(work: Work) -> list[Line]:
    """Return the lines."""
    calls, files, deferreds, _ = measure()
    what = "one command, HTTP body to submit_sm"
    rows = [
        (f"{what}: calls of our functions", float(calls), "", None),
        (f"{what}: in files", float(files), "", None),
        (f"{what}: Deferreds", float(deferreds), "", None),
    ]
    return of_rows(rows)


if __name__ == "__main__":
    calls, files, deferreds, listed = measure()
    if "--list" in sys.argv:
        for name, function in listed:
            print(f"{name:32} {function}")
    print(f"{calls} calls in {files} files, {deferreds} Deferreds")
