"""``twistd gdemoi-sms`` as a process: what it says, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[1]
TWISTD = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
GATEWAY = "[gateway]\nname = test\njournal = sqlite:///j.sqlite\n"
LIMIT_S = 30


class ProcessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.file = self.folder / "gateway.ini"
        self.log = self.folder / "log"

    def write(self, text: str) -> None:
        """Write the configuration."""
        self.file.write_text(text)
        self.file.chmod(0o600)

    def start(
        self, *options: str, ours: tuple[str, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start the gateway; it is killed at the latest when the test is over."""
        with self.log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-c", TWISTD, "-n", "--pidfile=", *options),
                    *("gdemoi-sms", "--config", str(self.file.resolve()), *ours),
                ],
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        self.addCleanup(process.wait, LIMIT_S)
        self.addCleanup(process.kill)
        return process

    def refused(self) -> str:
        """Start what cannot start; return what it says."""
        self.assertEqual(self.start().wait(LIMIT_S), 1)
        said = self.log.read_text()
        self.assertNotIn("Traceback", said)
        self.assertNotIn("Usage", said)
        return said

    def await_line(self, text: str) -> None:
        """Wait until the log has a line."""
        until = time.monotonic() + LIMIT_S
        while text not in self.log.read_text():
            if time.monotonic() > until:
                raise AssertionError(f"no {text!r} in {self.log.read_text()}")
            time.sleep(0.02)

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
        line = f"test cannot start: [http] listen = {listen}: Address already in use"
        self.assertIn(line, said)

    def test_a_journal_that_was_deleted(self) -> None:
        """kill -9, the files removed: told, and started only on demand (B20)."""
        http = "[http]\nlisten = unix:s\ntoken = a-long-token\n"
        nobody = "[smpp:a]\nhost = 127.0.0.1\nport = 1\nsystem_id = a\npassword = a\n"
        self.write(GATEWAY + http + nobody)
        process = self.start()
        self.await_line("test is running")
        self.post()
        process.kill()
        process.wait(LIMIT_S)
        for end in ("", "-wal", "-shm"):
            (self.folder / f"j.sqlite{end}").unlink()
        said = self.refused()
        self.assertIn("test cannot start: journal: at least 1 messages", said)
        process = self.start(ours=("--accept-loss",))
        self.await_line("that was accepted")
        self.await_line("test is running")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT_S), 0)
        self.start()
        self.await_line("test is running")

    def post(self) -> None:
        """Hand one message in."""
        body = b'{"id":"m","to":"+79161234567","text":"x"}'
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(LIMIT_S)
            client.connect(str(self.folder / "s"))
            client.sendall(
                b"POST /v1/messages HTTP/1.0\r\nHost: x\r\n"
                b"Authorization: Bearer a-long-token\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            said = client.makefile("rb").read()
        self.assertIn(b" 202 ", said.splitlines()[0])

    def test_signals(self) -> None:
        """SIGHUP reads the file again, SIGTERM ends with status 0."""
        self.write(GATEWAY)
        process = self.start()
        self.await_line("test is running")
        self.write(GATEWAY + "[what]\n")
        process.send_signal(signal.SIGHUP)
        self.await_line("refused and the running one kept")
        self.await_line(":4: [what]: is an unknown section")
        self.write(GATEWAY)
        process.send_signal(signal.SIGHUP)
        self.await_line("configuration changed")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT_S), 0)
        self.assertNotIn("Traceback", self.log.read_text())

    def test_a_log_that_was_moved_away(self) -> None:
        """SIGUSR2: what `twistd -l` writes goes to a new file of the old name."""
        self.write(GATEWAY)
        self.log = self.folder / "gateway.log"
        moved = self.folder / "gateway.log.1"
        process = self.start("-l", str(self.log.resolve()))
        self.await_line("test is running")
        self.log.rename(moved)
        process.send_signal(signal.SIGUSR2)
        until = time.monotonic() + LIMIT_S
        while not self.log.exists() and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT_S), 0)
        self.assertIn("test has stopped", self.log.read_text())
        self.assertNotIn("test has stopped", moved.read_text())
