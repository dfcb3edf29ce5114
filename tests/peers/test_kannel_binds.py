"""What `import` makes of a kannel.conf binds as Kannel itself does, octet for octet.

Kannel's bearerbox reads the same file and connects to a port of this test.
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.importing import imported
from gdemoi.settings import Disk, examine
from gdemoi.smpp.channel_links import session_parameters
from gdemoi.smpp.pdu.headers import BIND_RECEIVER, BIND_TRANSCEIVER, BIND_TRANSMITTER
from gdemoi.smpp.pdu.pdus import decode
from gdemoi.smpp.settings import BindAs
from tests.peers.programs import require_program
from tests.watch import LIMIT_S

COMMANDS = {
    BindAs.TRANSCEIVER: BIND_TRANSCEIVER,
    BindAs.TRANSMITTER: BIND_TRANSMITTER,
    BindAs.RECEIVER: BIND_RECEIVER,
}
CORE = """\
group = core
admin-port = {admin}
admin-password = x
smsbox-port = {boxes}

group = smsbox
bearerbox-host = 127.0.0.1

include = "{folder}/smsc.d"
"""
# escapes, a line that goes on, comments and an order that a reader could get wrong
SMSC = r"""# carriers
smsc-id = one
group = smsc
smsc = smpp
host = 127.0.0.1
port = {port}
transceiver-mode = true
smsc-username = "us\\er"
# not the end of the group
smsc-password = "a \"b\" #c"
system-type = \
VMA
address-range = "^79"
interface-version = 33
bind-addr-ton = 1
bind-addr-npi = 1

group = smsc
smsc = smpp
smsc-id = two
host = "127.0.0.1"
port = {port}
smsc-username = sender
smsc-password = pw # no comment
system-type = ""

group = smsc
smsc = smpp
smsc-id = three
host = 127.0.0.1
receive-port = {port}
smsc-username = receiver
smsc-password = env:x
system-type = "VMA"
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def first_pdu(connection: socket.socket) -> bytes:
    """Return the first PDU that a client sends."""
    octets = b""
    while len(octets) < 4 or len(octets) < int.from_bytes(octets[:4], "big"):
        came = connection.recv(1000)
        assert came, "the client hung up before its bind"
        octets += came
    return octets


class KannelBindTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bearerbox = require_program("bearerbox")
        self.folder = Path(self.mktemp()).resolve()
        (self.folder / "smsc.d").mkdir(parents=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LIMIT_S)
        self.addCleanup(self.listener.close)
        port = self.listener.getsockname()[1]
        self.file = self.folder / "kannel.conf"
        self.file.write_text(
            CORE.format(admin=free_port(), boxes=free_port(), folder=self.folder)
        )
        smsc = self.folder / "smsc.d" / "carriers.conf"
        smsc.write_text(SMSC.replace("{port}", str(port)))

    def kannel_binds(self) -> set[bytes]:
        """Run bearerbox until it has bound three times."""
        process = subprocess.Popen(
            [self.bearerbox, "-v", "4", str(self.file)],
            cwd=self.folder,
            env=dict(os.environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        connections: list[socket.socket] = []
        try:
            for _ in range(3):
                connection, _address = self.listener.accept()
                connection.settimeout(LIMIT_S)
                connections.append(connection)
            return {first_pdu(one) for one in connections}
        finally:
            for one in connections:
                one.close()
            process.kill()
            process.wait()

    def our_binds(self) -> set[bytes]:
        """Import the file and build the binds of its channels."""
        text = imported(str(self.file), self.file.read_bytes(), Disk(), None)
        out = self.folder / "out.ini"
        out.write_text(text)
        configuration, complaints = examine(str(out))
        assert configuration is not None, complaints
        found = set()
        for channel in configuration.channels:
            command = COMMANDS[channel.settings.bind]
            found.add(session_parameters(channel.settings, command).bind_request())
        return found

    def test_the_same_binds(self) -> None:
        """Name, password, type, version, addresses and kind of each bind."""

        def without_number(octets: bytes) -> bytes:
            return octets[:12] + octets[16:]

        ours = {without_number(one): decode(one) for one in self.our_binds()}
        kannels = {without_number(one): decode(one) for one in self.kannel_binds()}
        self.assertEqual(len(kannels), 3)
        self.assertEqual(set(ours), set(kannels), (ours, kannels))
