"""``twistd gdemoi-sms`` as a process: what it says, and how it ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, Queue
from tempfile import mkdtemp
from threading import Thread

import pytest
from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[2]
TWISTD = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
GATEWAY = "[gateway]\nname = test\njournal = sqlite:///j.sqlite\n"
# up to five processes in one test
pytestmark = pytest.mark.timeout(600)
# so that a broken test ends; nothing waits for it to pass
LIMIT_S = 60


def wait_for(true: Callable[[], bool]) -> None:
    """Look at the files of a process until something is true of them."""
    ends_at = time.monotonic() + LIMIT_S
    while not true():
        if time.monotonic() > ends_at:
            raise AssertionError(f"it did not come true in {LIMIT_S} s")
        time.sleep(0.02)


class Gateway:
    """One process, and the lines that it writes to stdout and stderr."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        self.said = ""
        self._lines: Queue[str] = Queue()
        self._reading = Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def await_line(self, text: str) -> None:
        """Wait until it says something that it has not said before."""
        while True:
            try:
                line = self._lines.get(timeout=LIMIT_S)
            except Empty:
                line = ""
            self.said += line
            if text in line:
                return
            if not line:
                raise AssertionError(f"no {text!r} in {self.said}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ends(self) -> int:
        """Wait for its end and its last line; return its status."""
        status = self.process.wait(LIMIT_S)
        self._reading.join(LIMIT_S)
        while line := self._lines.get_nowait():
            self.said += line
        return status

    def kill(self) -> None:
        """See that it is gone."""
        self.process.kill()
        self.process.wait(LIMIT_S)
        self._reading.join(LIMIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()


class ProcessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.file = self.folder / "gateway.ini"
        # the address of a socket has 107 octets at most
        short = mkdtemp(prefix="gdemoi-")
        self.addCleanup(shutil.rmtree, short)
        self.socket = f"{short}/s"

    def write(self, text: str) -> None:
        """Write the configuration."""
        self.file.write_text(text)
        self.file.chmod(0o600)

    def start(self, *options: str, ours: tuple[str, ...] = ()) -> Gateway:
        """Start the gateway; it is killed at the latest when the test is over."""
        command = [
            *(sys.executable, "-c", TWISTD, "-n", "--pidfile=", *options),
            *("gdemoi-sms", "--config", str(self.file.resolve()), *ours),
        ]
        gateway = Gateway(command, self.folder)
        self.addCleanup(gateway.kill)
        return gateway

    def running(self, *options: str, ours: tuple[str, ...] = ()) -> Gateway:
        """Start the gateway and wait until it is ready."""
        gateway = self.start(*options, ours=ours)
        gateway.await_line("test is running")
        return gateway

    def refused(self) -> str:
        """Start what cannot start; return what it says."""
        gateway = self.start()
        self.assertEqual(gateway.ends(), 1)
        self.assertNotIn("Traceback", gateway.said)
        self.assertNotIn("Usage", gateway.said)
        return gateway.said

    def test_a_bad_file(self) -> None:
        """All complaints, nothing else, status 1."""
        self.write(GATEWAY + "nmae = x\n[smpp:a]\nport = abc\n")
        said = self.refused()
        for text in ("the configuration cannot be used", ":4: [gateway] nmae", "port"):
            self.assertIn(text, said)
        self.assertLessEqual(len(said.splitlines()), 8, said)

    def test_a_file_that_cannot_be_read(self) -> None:
        """Its name, and why."""
        self.assertIn("gateway.ini: No such file or directory", self.refused())

    def test_a_port_in_use(self) -> None:
        """One line that names the key; status 1."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            listen = f"tcp:{port}:interface=127.0.0.1"
            self.write(f"{GATEWAY}[http]\nlisten = {listen}\n")
            said = self.refused()
        place = f"{self.file.resolve()}:5: [http] listen: {listen}"
        self.assertIn(f"test cannot start: {place}: Address already in use: ", said)
        self.assertIn("choose another port", said)

    def test_a_port_of_datagrams_in_use(self) -> None:
        """A GoIP's too: the place of the key and what to do; status 1."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            goip = f"[goip:g]\nlisten = 127.0.0.1:{port}\n"
            line = "[goip-line:l]\nchannel = g\npassword = x\n"
            self.write(GATEWAY + goip + line)
            said = self.refused()
        place = f"{self.file.resolve()}:5: [goip:g] listen: 127.0.0.1:{port}"
        self.assertIn(f"test cannot start: {place}: Address already in use: ", said)

    def test_a_journal_that_is_none(self) -> None:
        """Garbage in its place: what it is and what to do; it is left as it was."""
        garbage = b"not a database" * 1000
        (self.folder / "j.sqlite").write_bytes(garbage)
        self.write(f"{GATEWAY}[smpp:a]\nhost = 127.0.0.1\nsystem_id = a\n")
        said = self.refused()
        self.assertIn(":3: [gateway] journal: ", said)
        self.assertIn("j.sqlite is no SQLite database: another file must", said)
        self.assertEqual((self.folder / "j.sqlite").read_bytes(), garbage)

    def test_a_journal_that_was_deleted(self) -> None:
        """kill -9, the files removed: told, and started only on demand."""
        http = f"[http]\nlisten = unix:{self.socket}\ntoken = a-long-token\n"
        nobody = "[smpp:a]\nhost = 127.0.0.1\nport = 1\nsystem_id = a\npassword = a\n"
        self.write(GATEWAY + http + nobody)
        gateway = self.running()
        self.post()
        gateway.kill()
        for end in ("", "-wal", "-shm"):
            (self.folder / f"j.sqlite{end}").unlink()
        said = self.refused()
        place = f"{self.file.resolve()}:3: [gateway] journal"
        self.assertIn(f"test cannot start: {place}: at least 1 messages", said)
        gateway = self.start(ours=("--accept-loss",))
        gateway.await_line("that was accepted")
        gateway.await_line("test is running")
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.ends(), 0)
        self.running()

    def post(self) -> None:
        """Hand one message in."""
        body = b'{"id":"m","to":"+79161234567","text":"x"}'
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(LIMIT_S)
            client.connect(self.socket)
            client.sendall(
                b"POST /v1/messages HTTP/1.0\r\nHost: x\r\n"
                b"Authorization: Bearer a-long-token\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            said = client.makefile("rb").read()
        self.assertIn(b" 202 ", said.splitlines()[0])

    def ask(self, path: str) -> bytes:
        """Ask the gateway; return its answer."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(LIMIT_S)
            client.connect(self.socket)
            client.sendall(
                b"GET %b HTTP/1.0\r\nHost: x\r\n"
                b"Authorization: Bearer a-long-token\r\n\r\n" % path.encode()
            )
            return client.makefile("rb").read()

    def test_a_journal_that_is_damaged(self) -> None:
        """Garbled while it runs: 503; then words, with --accept-loss too."""
        http = f"[http]\nlisten = unix:{self.socket}\ntoken = a-long-token\n"
        nobody = "[smpp:a]\nhost = 127.0.0.1\nport = 1\nsystem_id = a\npassword = a\n"
        self.write(GATEWAY + http + nobody)
        gateway = self.running()
        self.post()
        gateway.signal(signal.SIGTERM)
        # what it wrote stands in the file now
        self.assertEqual(gateway.ends(), 0)
        gateway = self.running()
        with (self.folder / "j.sqlite").open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(8192)
            file.write(b"\xa5" * (size - 8192))
        wait_for(lambda: b" 503 " in self.ask("/v1/status"))
        answer = self.ask("/health/ready")
        self.assertIn(b" 503 ", answer.splitlines()[0])
        self.assertIn(b"is damaged", answer)
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.ends(), 0)
        self.assertNotIn("Traceback", gateway.said)
        place = f"{self.file.resolve()}:3: [gateway] journal: "
        for ours in ((), ("--accept-loss",)):
            refused = self.start(ours=ours)
            self.assertEqual(refused.ends(), 1)
            self.assertNotIn("Traceback", refused.said)
            self.assertIn(f"test cannot start: {place}", refused.said)
            self.assertIn("j.sqlite is damaged: put a good copy", refused.said)

    def test_signals(self) -> None:
        """SIGHUP reads the file again, SIGTERM ends with status 0."""
        self.write(GATEWAY)
        gateway = self.running()
        self.write(GATEWAY + "[what]\n")
        gateway.signal(signal.SIGHUP)
        gateway.await_line("refused and the running one kept")
        gateway.await_line(":4: [what]: is an unknown section")
        self.write(GATEWAY)
        gateway.signal(signal.SIGHUP)
        gateway.await_line("configuration changed")
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.ends(), 0)
        self.assertNotIn("Traceback", gateway.said)

    def test_a_log_that_was_moved_away(self) -> None:
        """SIGUSR2: what `twistd -l` writes goes to a new file of the old name."""
        self.write(GATEWAY)
        log = self.folder / "gateway.log"
        moved = self.folder / "gateway.log.1"
        gateway = self.start("-l", str(log.resolve()))
        wait_for(lambda: log.exists() and "test is running" in log.read_text())
        log.rename(moved)
        gateway.signal(signal.SIGUSR2)
        wait_for(log.exists)
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.ends(), 0)
        self.assertIn("test has stopped", log.read_text())
        self.assertNotIn("test has stopped", moved.read_text())
