"""What this machine says to a configuration."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.ini import integer, key
from gdemoi.ini.listeners import Listener
from gdemoi.interfaces import ChannelKind
from gdemoi.settings import load
from gdemoi.settings.machine import look, unavailable


@frozen(kw_only=True)
class EarSettings:
    """Something with ears for datagrams."""

    port: int = key(integer(), doc="where")

    def listeners(self) -> Iterator[Listener]:
        yield Listener("port", "udp", "127.0.0.1", self.port)


KINDS = (ChannelKind("ear", EarSettings, lambda *_: None),)


class LookTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.file = self.folder / "g.ini"

    def look(self, content: str, warnings: bool = True) -> list[str]:
        """Return what is said of a configuration, all of it warnings or errors."""
        self.file.write_text(content)
        found = look(load(str(self.file), kinds=KINDS))
        self.assertTrue(all(one.warning is warnings for one in found))
        return [str(one).removeprefix(f"{self.folder}/") for one in found]

    def test_all_is_well(self) -> None:
        """Nothing is said and nothing made; port 0 is always to be had."""
        self.assertEqual(
            self.look(
                "[ear:a]\nport = 0\n[http]\nlisten = tcp:0:interface=127.0.0.1\n"
            ),
            [],
        )
        self.assertEqual([one.name for one in self.folder.iterdir()], ["g.ini"])

    def test_ports_in_use(self) -> None:
        """Of streams and of datagrams, each at the key that names it."""
        with (
            socket.create_server(("127.0.0.1", 0)) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        ):
            datagrams.bind(("127.0.0.1", 0))
            tcp, udp = stream.getsockname()[1], datagrams.getsockname()[1]
            said = self.look(
                f"[http]\nlisten = tcp:{tcp}:interface=127.0.0.1\n"
                f"[ear:a]\nport = {udp}\n"
            )
        why = "cannot be had now: Address already in use: another program"
        for line, start in zip(
            said,
            (
                f"g.ini:2: [http] listen: warning: 127.0.0.1:{tcp} {why}",
                f"g.ini:4: [ear:a] port: warning: 127.0.0.1:{udp} {why}",
            ),
            strict=True,
        ):
            self.assertTrue(line.startswith(start), line)

    def test_another_machines_address(self) -> None:
        """One of TEST-NET-1 is not here; a socket in the file system is not tried."""
        far = Listener("listen", "tcp", "192.0.2.77", 0)
        self.assertIn("does not have that address", unavailable(far) or "")
        self.assertIsNone(unavailable(Listener("listen", "unix", "/x", 0)))

    def test_files_of_tls(self) -> None:
        """A key that is missing, and a file that holds none: no Python list."""
        listen = "listen = ssl:0:privateKey={}:interface=127.0.0.1"
        ssl = f"[ear:a]\nport = 0\n[http]\n{listen}\n"
        (said,) = self.look(ssl.format("/nowhere.pem"), False)
        self.assertTrue(said.startswith("g.ini:4: [http] listen: /nowhere"), said)
        self.assertIn("/nowhere.pem: No such file", said)
        (said,) = self.look(ssl.format(self.file), False)
        self.assertIn("must hold a certificate and its private key", said)
        self.assertNotIn("[(", said)

    def test_the_journal(self) -> None:
        """A folder that is missing, and something else in the journal's place."""
        gateway = "[gateway]\njournal = sqlite:///{}\n[ear:a]\nport = 0\n"
        (said,) = self.look(gateway.format("none/j.sqlite"))
        start = "g.ini:2: [gateway] journal: warning: the folder"
        self.assertTrue(said.startswith(f"{start} {self.folder}/none does not"), said)
        (said,) = self.look(gateway.format("g.ini"))
        self.assertIn("is no SQLite database", said)

    def test_postgresql_is_not_asked(self) -> None:
        """Only whether its driver is there; `check` talks to nobody."""
        gateway = (
            "[gateway]\njournal = postgresql://u@127.0.0.1:1/b\n[ear:a]\nport = 0\n"
        )
        self.assertEqual(self.look(gateway), [])
