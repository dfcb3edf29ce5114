"""`make demo` keeps to itself, and says why when it cannot go on."""

from __future__ import annotations

import io
import json
import signal
import socket
import sys
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.sandbox.demo import Demo
from gdemoi.sandbox.demo_processes import (
    DATAGRAMS,
    ROOT,
    STREAMS,
    DemoFailed,
    DemoProcesses,
    free_ports,
    moved,
)
from gdemoi.sandbox.tap import read
from gdemoi.settings import examine

PORTS = {port: 40_000 + at for at, port in enumerate((*STREAMS, *DATAGRAMS))}


def copy(file: str) -> str:
    """Return what the demo makes of a file in etc/."""
    return moved((ROOT / "etc" / file).read_text("utf-8"), PORTS, "gdemoi-demo-x")


class FilesTests(SynchronousTestCase):
    def test_nothing_is_shared_with_the_files_in_etc(self) -> None:
        """No port, no journal, no name: a demo beside a demo by hand is alone."""
        for file in ("demo.ini", "sandbox.ini"):
            text = copy(file)
            for port in PORTS:
                self.assertNotIn(str(port), text)
        self.assertIn("name = gdemoi-demo-x\n", copy("demo.ini"))
        self.assertIn("journal = sqlite:///journal.sqlite\n", copy("demo.ini"))

    def test_every_port_of_them_is_known(self) -> None:
        """One that were forgotten would be shared, and be somebody else's."""
        numbers = set()
        for file in ("demo.ini", "sandbox.ini"):
            for line in (ROOT / "etc" / file).read_text("utf-8").splitlines():
                words = line.replace("/", ":").replace(" ", ":").split(":")
                digits = [w for w in words if w.isdecimal() and 4 <= len(w) <= 5]
                numbers |= {int(word) for word in digits}
        self.assertEqual(numbers, set(PORTS))

    def test_ports_that_others_use_by_default(self) -> None:
        """The demo by hand takes none of those that a real gateway has."""
        self.assertFalse(set(PORTS) & {8990, 22000, 44444, 2775, 5038})

    def test_the_copies_are_good_and_meet(self) -> None:
        """Both files load, and the gateway asks where the far sides listen."""
        folder = Path(self.mktemp())
        folder.mkdir()
        for file in ("demo.ini", "sandbox.ini"):
            (folder / file).write_text(copy(file), encoding="utf-8")
            (folder / file).chmod(0o600)
        configuration, complaints = examine(str(folder / "demo.ini"))
        assert configuration is not None
        self.assertEqual([str(one) for one in complaints if not one.warning], [])
        settings = {one.name: one.settings for one in configuration.channels}
        peers, wrong = read(str(folder / "sandbox.ini"))
        self.assertEqual(wrong, [])
        sandbox = dict(peers)
        self.assertIn(str(settings["carrier"].port), sandbox["sandbox-smsc"].listen)
        self.assertEqual(settings["tg"].port, sandbox["sandbox-tg"].listen_port)
        self.assertEqual(settings["goip"].listen, sandbox["sandbox-goip"].server)

    def test_ports_are_free_and_different(self) -> None:
        """TCP and UDP, held together while they are looked for."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            found = free_ports()
            self.assertEqual(set(found), set(PORTS))
            self.assertNotIn(taken.getsockname()[1], found.values())
        self.assertEqual(len({found[one] for one in STREAMS}), len(STREAMS))


class Answers:
    """What answers at the demo's address; keeps what it was asked."""

    def __init__(self, name: str, status: int = 200) -> None:
        self.name = name
        self.status = status
        self.asked: list[tuple[str, str]] = []

    def open(self, request: urllib.request.Request) -> IO[bytes]:
        path = request.full_url.split("/", 3)[-1]
        self.asked.append((request.get_method(), path))
        body = json.dumps({"name": self.name, "channels": []}).encode()
        if self.status != 200:
            raise urllib.error.HTTPError(
                request.full_url, self.status, "", Message(), io.BytesIO(body)
            )
        return io.BytesIO(body)


class DemoTests(SynchronousTestCase):
    def processes(self, answers: Any = None) -> DemoProcesses:
        folder = Path(self.mktemp())
        folder.mkdir()
        processes = DemoProcesses(folder, PORTS, "gdemoi-demo-x")
        if answers is not None:
            processes.open = answers.open
        self.addCleanup(processes.stop)
        return processes

    def over(self, processes: DemoProcesses) -> str:
        """Return the word with which a demo ends."""
        demo = Demo(Console(file=io.StringIO()), processes)
        return str(self.assertRaises(DemoFailed, demo.run, True))

    def test_another_gateway_gets_no_message(self) -> None:
        """One with real carriers would have sent the demo's numbers real SMS."""
        answers = Answers("gdemoi-1")
        said = self.over(self.processes(answers))
        self.assertIn("another gateway (gdemoi-1)", said)
        self.assertIn("nothing was sent", said)
        self.assertEqual(answers.asked, [("GET", "v1/status")])

    def test_something_else_gets_no_message(self) -> None:
        """Neither a gateway with a token, nor what is no gateway."""
        refusing = Answers("gdemoi-1", 401)
        self.assertIn("401", self.over(self.processes(refusing)))
        self.assertEqual(len(refusing.asked), 1)
        other = self.processes()
        other.open = lambda request: io.BytesIO(b"<html>")
        self.assertIn("is no gateway", self.over(other))

    def test_a_process_that_ends(self) -> None:
        """It is told with its status and the end of its log, and not waited for."""
        for code, how in (
            ("print('port 1 is in use'); raise SystemExit(3)", "exit status 3"),
            ("import os; print('x', flush=True); os.kill(os.getpid(), 9)", "signal 9"),
        ):
            processes = self.processes(Answers("gdemoi-demo-x"))
            processes.run("gdemoi-sms", [sys.executable, "-c", code])
            processes.children[0].process.wait()
            said = self.over(processes)
            self.assertIn(f"gdemoi-sms has ended ({how})", said)
            self.assertIn(str(processes.folder), said)
        self.assertNotIn("port 1", said)

    def test_a_process_that_ends_after_the_start(self) -> None:
        """The far sides too, while messages are sent and events are read."""
        processes = self.processes(Answers("gdemoi-demo-x"))
        processes.run("gdemoi-sandbox", [sys.executable, "-c", "print('boom')"])
        processes.children[0].process.wait()
        demo = Demo(Console(file=io.StringIO()), processes)
        for path in ("/v1/messages", "/v1/events?after=0"):
            over = self.assertRaises(DemoFailed, demo.call, "GET", path)
            self.assertIn("gdemoi-sandbox has ended (exit status 0)", str(over))
            self.assertIn("boom", str(over))

    def test_no_process_is_left(self) -> None:
        """Stopping ends each, and those that ended already are no trouble."""
        processes = self.processes()
        wait = "import signal; signal.pause()"
        processes.run("a", [sys.executable, "-c", wait])
        processes.run("b", [sys.executable, "-c", ""])
        processes.children[1].process.wait()
        processes.stop()
        first, second = [child.process.returncode for child in processes.children]
        self.assertEqual((first, second), (-signal.SIGTERM, 0))
