"""Binds: who may, as what, how often, and what the others are told."""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent

from gdemoi.accounts.settings import AccountSettings
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    Tag,
)
from gdemoi.smppserver.settings import (
    BindKind,
    SmppClientSettings,
    SmppServerSettings,
    networks,
)
from tests.smppserver.rig import DoorTestCase, submit

BINDS = (BindTransmitter, BindReceiver, BindTransceiver)


class BindTests(DoorTestCase):
    def test_each_kind_has_its_answer(self) -> None:
        """DS1: the answer is of the same kind, with our name."""
        for kind in BINDS:
            answer = self.esme().bind(kind)
            self.assertIsInstance(answer, kind.response)
            self.assertEqual((answer.command_status, answer.system_id), (0, "gdemoi"))

    def test_the_version_of_the_answer(self) -> None:
        """DS1: sc_interface_version only for clients of 3.4 and later."""
        for asked, told in ((0x00, None), (0x33, None), (0x34, 0x34), (0x50, 0x34)):
            answer = self.esme().bind(version=asked)
            self.assertEqual(answer.tlv_int(Tag.sc_interface_version), told, hex(asked))

    def test_wrong_credentials(self) -> None:
        """DS2: one answer after one delay, whichever half was wrong; no session."""
        self.open()
        with capturedLogs() as logged:
            for system_id, password in (("car", "guess"), ("nobody", "secret")):
                esme = self.esme()
                self.assertIsNone(esme.bind(system_id=system_id, password=password))
                self.clock.advance(0.9)
                self.assertEqual(esme.read(), [])
                self.clock.advance(0.1)
                [answer] = esme.read()
                self.assertEqual(answer.command_status, 0x0E)
                self.assertEqual(len(pdus.encode(answer)), 16)
                self.assertFalse(esme.closed)
                self.clock.advance(5.0)
                self.assertTrue(esme.closed)
        self.assertEqual(self.door.clients["car"].sessions, [])
        lines = "\n".join(formatEvent(one) or "" for one in logged)
        self.assertIn("wrong system_id or password", lines)
        self.assertNotIn("guess", lines)

    def test_who_guesses_is_locked_out(self) -> None:
        """Ten wrong passwords in a minute: that address has to wait, others do not."""
        for _ in range(10):
            self.esme("10.0.0.9").bind(password="guess")
        self.clock.advance(1.0)
        self.assertEqual(self.esme("10.0.0.9").bind().command_status, 0x0D)
        self.assertEqual(self.esme("10.0.0.1").bind().command_status, 0)
        self.clock.advance(60.0)
        self.assertEqual(self.esme("10.0.0.9").bind().command_status, 0)

    def test_addresses_of_a_client(self) -> None:
        """DS3: outside `allow_ip` 0x0D, inside 0."""
        self.clients["car"] = SmppClientSettings(
            password="secret", allow_ip=networks("10.1.0.0/16, 192.0.2.7")
        )
        for host, status in (
            ("10.1.2.3", 0), ("192.0.2.7", 0), ("10.2.0.1", 0x0D), ("192.0.2.8", 0x0D),
        ):  # fmt: skip
            self.assertEqual(self.esme(host).bind().command_status, status, host)

    def test_kinds_of_a_client(self) -> None:
        """A bind that the client may not use: 0x0D."""
        self.clients["car"] = SmppClientSettings(
            password="secret", binds=(BindKind.TRANSMITTER, BindKind.RECEIVER)
        )
        found = [self.esme().bind(kind).command_status for kind in BINDS]
        self.assertEqual(found, [0, 0, 0x0D])

    def test_a_client_of_another_server(self) -> None:
        """It may not bind here."""
        self.clients["car"] = SmppClientSettings(password="secret", servers=("other",))
        self.assertEqual(self.esme().bind().command_status, 0x0D)

    def test_tls_may_be_required(self) -> None:
        """DS33: over a port without TLS such a client gets 0x0D."""
        self.clients["car"] = SmppClientSettings(password="secret", require_tls=True)
        self.assertEqual(self.esme().bind().command_status, 0x0D)

    def test_one_session_too_many(self) -> None:
        """DS4: 0x0D when all others answer an enquire_link."""
        self.clients["car"] = SmppClientSettings(password="secret", max_binds=2)
        others = [self.bound(), self.bound(BindReceiver)]
        self.clock.advance(1.0)
        late = self.esme()
        self.assertIsNone(late.bind())
        self.clock.advance(0.1)
        for other in others:
            [asked] = other.read()
            self.assertIsInstance(asked, pdus.EnquireLink)
            other.send(pdus.answer(asked))
        self.clock.advance(0.5)
        self.assertEqual(late.read()[0].command_status, 0x0D)
        self.assertEqual([other.closed for other in others], [False, False])

    def test_a_dead_session_makes_room(self) -> None:
        """DS4: one that was cut off without FIN is gone within ten seconds."""
        self.clients["car"] = SmppClientSettings(password="secret", max_binds=1)
        dead = self.bound()
        self.clock.advance(1.0)
        late = self.esme()
        self.assertIsNone(late.bind())
        self.clock.pump([0.25] * 24)
        self.assertEqual(late.read()[0].command_status, 0)
        self.assertTrue(dead.wire.aborted)

    def test_a_second_bind(self) -> None:
        """DS5: 0x05, before the password is looked at, and the session goes on."""
        esme = self.bound()
        self.assertEqual(esme.bind(password="guess").command_status, 0x05)
        self.assertEqual(esme.ask(submit()).command_status, 0)

    def test_while_the_gateway_cannot_take_anything(self) -> None:
        """0x08, never an error about the password: clients do not come back then."""
        self.open()
        self.dispatcher.stopping = True
        self.assertEqual(self.esme().bind().command_status, 0x08)
        self.dispatcher.stopping = False
        self.assertEqual(self.esme().bind().command_status, 0)

    def test_overlong_strings(self) -> None:
        """0x02, then the end; a longer password than 3.4 allows is read."""
        self.clients["car"] = SmppClientSettings(password="p" * 20)
        esme = self.esme()
        frame = b"car\0" + b"p" * 20 + b"\0\0\x34\0\0\0"
        esme.raw(_framed(0x09, frame))
        self.assertEqual(esme.read()[0].command_status, 0)
        esme = self.esme()
        esme.raw(_framed(0x09, b"car\0" + b"p" * 100 + b"\0\0\x34\0\0\0"))
        self.assertEqual(esme.read()[0].command_status, 0x02)
        self.clock.advance(5.0)
        self.assertTrue(esme.closed)

    def test_strings_without_an_end(self) -> None:
        """0x02, then the end."""
        esme = self.esme()
        esme.raw(_framed(0x09, b"car"))
        self.assertEqual(esme.read()[0].command_status, 0x02)
        self.clock.advance(5.0)
        self.assertTrue(esme.closed)

    def test_accounts_are_shared_by_clients(self) -> None:
        """Two clients of one account, each with a name of its own."""
        self.accounts = {"fleet": AccountSettings()}
        self.clients = {
            "a": SmppClientSettings(password="pa", account="fleet"),
            "b": SmppClientSettings(password="pb", account="fleet", system_id="bee"),
        }
        first = self.bound(system_id="a", password="pa")
        second = self.bound(system_id="bee", password="pb")
        for esme in (first, second):
            story = self.story(self.taken(esme))
            self.assertEqual(story["account"], "fleet")


class ConnectionTests(DoorTestCase):
    def test_foreign_addresses(self) -> None:
        """Closed before they are heard; counted, and one line of the log."""
        self.server_settings = SmppServerSettings(allow_ip=networks("10.0.0.0/8"))
        self.open()
        with capturedLogs() as logged:
            esme = self.esme("192.0.2.1")
        self.assertTrue(esme.wire.aborted)
        self.assertEqual(self.door.servers["main"].counts["foreign address"], 1)
        self.assertTrue(any("192.0.2.1" in (formatEvent(one) or "") for one in logged))
        self.assertEqual(self.esme("10.9.9.9").bind().command_status, 0)

    def test_ten_thousand_connections(self) -> None:
        """Those of one address that do not bind leave room for others."""
        self.open()
        esme = self.bound()
        for _ in range(10_000):
            self.esme("10.0.0.66")
        server = self.door.servers["main"]
        self.assertEqual(len(server.connections), 21)
        self.assertEqual(server.counts["too many connections without a bind"], 9_980)
        self.assertEqual(self.esme("10.0.0.2").bind().command_status, 0)
        self.assertEqual(esme.ask(submit()).command_status, 0)

    def test_from_many_addresses(self) -> None:
        """There is an end to all connections."""
        self.server_settings = SmppServerSettings(connections=50)
        for number in range(60):
            self.esme(f"10.0.1.{number}")
        self.assertEqual(len(self.door.servers["main"].connections), 50)

    def test_no_bind(self) -> None:
        """DS7: closed after 30 seconds."""
        esme = self.esme()
        self.clock.advance(29.0)
        self.assertFalse(esme.closed)
        self.clock.advance(1.0)
        self.assertTrue(esme.closed)

    def test_half_a_header(self) -> None:
        """DS7: closed after 30 seconds, bound or not."""
        for esme in (self.esme(), self.bound()):
            self.clock.advance(5.0)
            esme.raw(b"\0\0\0\x10\0\0")
            for _ in range(6):
                self.clock.advance(5.0)
            self.assertTrue(esme.closed)


def _framed(command_id: int, body: bytes) -> bytes:
    head = (16 + len(body), command_id, 0, 1)
    return b"".join(one.to_bytes(4, "big") for one in head) + body
