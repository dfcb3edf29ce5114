"""The sandbox's TG box, spoken to in the manner of published clients.

Each script below writes and expects what one client found in the field writes and
expects (names of projects, none of their code): the box must please them all, so
that it is a device and not only the other half of our own channel.
"""

from __future__ import annotations

from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.sandbox.tg import (
    BoxConnection,
    BoxFactory,
    SandboxTgSettings,
    make_box,
    make_service,
)
from gdemoi.sandbox.tg_box import TgBox
from gdemoi.sandbox.tg_dialects import DIALECTS

BANNER = "Asterisk Call Manager/1.1\r\n"
LOGGED_IN = "Response: Success\r\nMessage: Authentication accepted\r\n\r\n"
TAKEN = "Response: Follows\r\nPrivilege: SMSCommand\r\n--END COMMAND--\r\n\r\n"


class Client:
    """One connection to a box, with the test as the client."""

    def __init__(self, box: TgBox | None = None, dialect: str = "2019") -> None:
        self.clock = Clock()
        self.box = box or TgBox.with_ports(self.clock, 2, dialect)
        self.transport = StringTransport()
        self.connection = BoxFactory(self.box).buildProtocol(None)
        self.connection.makeConnection(self.transport)

    def read(self) -> str:
        """Return what the box wrote since last asked."""
        written = self.transport.value().decode()
        self.transport.clear()
        return written

    def say(self, text: str) -> str:
        """Write something, return what is answered at once."""
        self.connection.dataReceived(text.encode())
        return self.read()

    def log_in(self) -> Client:
        """Log in as most do."""
        self.say("Action: Login\r\nUsername: apiuser\r\nSecret: apipass\r\n\r\n")
        return self


class FieldClientsTests(SynchronousTestCase):
    def test_nuxwayti(self) -> None:
        """Logs in without reading the banner, waits for the end of the event."""
        client = Client()
        said = client.say(
            "Action: Login\r\nUsername: apiuser\r\nSecret: apipass\r\n\r\n"
        )
        self.assertIn("Response: Success", said)
        said = client.say(
            f'Action: smscommand\r\ncommand: gsm send sms 2 +7900 "{quote("a b+c")}" 17'
            "\r\n\r\n"
        )
        client.clock.advance(3.0)
        said += client.read()
        self.assertIn("--END SMS EVENT--", said)
        self.assertIn("Status: 1", said)
        self.assertEqual(dict(client.box.air), {("+7900", "a b+c"): 1})

    def test_creattico(self) -> None:
        """Compares the first lines of the login one by one, codes blanks as +."""
        client = Client()
        said = client.say(
            "Action: Login\r\nUsername: apiuser\r\nSecret: apipass\r\n\r\n"
        )
        self.assertEqual(
            said.split("\r\n")[:4],
            [
                "Asterisk Call Manager/1.1",
                "Response: Success",
                "Message: Authentication accepted",
                "",
            ],
        )
        said = client.say(
            "Action: smscommand\r\ncommand: gsm send sms 2 3331234567"
            f' "{quote_plus("prova àèì")}" 16900000001234\r\n\r\n'
        )
        self.assertEqual(said.count("\r\n"), 4)
        self.assertEqual(dict(client.box.air), {("3331234567", "prova àèì"): 1})

    def test_zabbix_script(self) -> None:
        """Bare line feeds, everything in one write, `Command:` in capitals."""
        client = Client()
        said = client.say(
            "Action: Login\nUsername: apiuser\nSecret: apipass\n\n"
            "Action: smscommand\nCommand: gsm show spans\n\nAction: Logoff\n\n\n"
        )
        spans = [line for line in said.split("\n") if "GSM span" in line]
        self.assertEqual(
            spans[0].removeprefix("Privilege: SMSCommand\r"),
            "GSM span 2: Power on, Provisioned, Up, Active,Standard",
        )
        self.assertEqual(len(spans), 2)
        self.assertIn("Goodbye", said)
        self.assertTrue(client.transport.disconnecting)

    def test_neogate_interface(self) -> None:
        """Waits for the banner, mixes line ends, reads output from the third line."""
        client = Client()
        self.assertEqual(client.read(), BANNER)
        self.assertEqual(
            client.say("Action: login\nUsername: apiuser\nSecret: apipass\r\n\r\n"),
            LOGGED_IN,
        )
        said = client.say("Action: smscommand\ncommand: gsm show spans\r\n\r\n")
        self.assertTrue(said.endswith("\r\n\r\n"))
        self.assertIn("GSM span", said.split("\r\n")[2])
        said = client.say("Action: smscommand\r\ncommand: gsm show span 2\r\n\r\n")
        self.assertTrue(said.split("\r\n")[2].startswith("D-channel: 2\n"))
        client.say(
            'Action: smscommand\ncommand: gsm send sms 2 7900 "приве́т мир" ab#cd#1'
            "\r\n\r\n"
        )
        client.clock.advance(3.0)
        self.assertIn("ID: ab#cd#1\r\n", client.read())
        said = client.say(
            'Action: SMSCommand\ncommand: gsm send ussd 2 "*100#" \r\n\r\n'
        )
        self.assertEqual(said, "")
        client.clock.advance(2.0)
        self.assertIn("1:Received USSD success on span: 2\n\t", client.read())

    def test_andrejro2(self) -> None:
        """Reads two lines of the login's answer, then three of the send's."""
        client = Client()
        client.read()
        said = client.say(
            "Action: Login\r\nUsername: apiuser\r\nSecret: apipass\r\n\r\n"
        )
        self.assertEqual(said, LOGGED_IN)
        said = client.say(
            "Action: smscommand\r\ncommand: gsm send sms 3 +421900 "
            f'"{quote_plus("Ahoj!")}" 12-ab\r\n\r\n'
        )
        self.assertEqual(said, TAKEN)
        self.assertEqual(client.box.last[0].port, 2)

    def test_keep_alive_by_empty_lines(self) -> None:
        """Bare CRLFs between actions are nothing."""
        client = Client().log_in()
        self.assertEqual(client.say("\r\n\r\n\r\n"), "")
        self.assertIn("Pong", client.say("Action: Ping\r\n\r\n"))

    def test_events_on(self) -> None:
        """`Action: Events` is answered, though nothing needs it."""
        client = Client().log_in()
        self.assertIn("Success", client.say("Action: Events\r\nEventMask: on\r\n\r\n"))


class DeviceTests(SynchronousTestCase):
    def test_dialects(self) -> None:
        """Pong, the words of a span, the port's name and a single SMS's index."""
        for year, pong, up, received in (
            ("2013", "Response: Pong", "Provisioned", ("GsmPort: 1", "Index: 1")),
            ("2019", "Ping: Pong", "Provisioned", ("GsmSpan: 2", "Index: 1")),
            ("2025", "Ping: Pong", "Active, Standard", ("GsmSpan: 2", "Index: 0")),
        ):
            client = Client(dialect=year).log_in()
            self.assertIn(pong, client.say("Action: Ping\r\n\r\n"))
            self.assertIn(
                up, client.say("Action: smscommand\r\ncommand: gsm show spans\r\n\r\n")
            )
            client.box.incoming(1, "+7900", "Ok then")
            said = client.read()
            for line in (*received, "Content: Ok+then", "Total: 1"):
                self.assertIn(f"\r\n{line}\r\n", said)

    def test_action_ids(self) -> None:
        """Echoed after Privilege by later firmware, not at all by the oldest."""
        for year, echoed in (("2013", False), ("2019", True), ("2025", True)):
            client = Client(dialect=year).log_in()
            said = client.say(
                "Action: smscommand\r\nActionID: x9\r\ncommand: gsm show spans\r\n\r\n"
            )
            self.assertEqual("SMSCommand\r\nActionID: x9\r\nGSM" in said, echoed)

    def test_long_sms_comes_in_segments(self) -> None:
        """Four seconds apart, with one ID, a mark before each UCS2 text."""
        client = Client(dialect="2025").log_in()
        client.read()
        client.box.incoming(1, "+7900", "я" * 100)
        first = client.read()
        self.assertIn("Index: 1\r\nTotal: 2", first)
        self.assertIn("Content: %EF%BB%BF%D1%8F", first)
        client.clock.advance(4.0)
        second = client.read()
        self.assertIn("Index: 2\r\nTotal: 2", second)
        self.assertIn("ID: 244\r\n", first)
        self.assertIn("ID: 244\r\n", second)

    def test_refusals(self) -> None:
        """Wrong password, no login, unknown actions and commands."""
        client = Client()
        client.read()
        self.assertIn("Permission denied", client.say("Action: Ping\r\n\r\n"))
        said = client.say("Action: Login\r\nUsername: a\r\nSecret: b\r\n\r\n")
        self.assertIn("Message: Authentication failed", said)
        self.assertTrue(client.transport.disconnecting)
        client = Client().log_in()
        self.assertIn("Invalid/unknown command", client.say("Action: Dance\r\n\r\n"))
        self.assertIn("Missing action", client.say("Hello: x\r\n\r\n"))
        self.assertIn(
            "No such command",
            client.say("Action: smscommand\r\ncommand: core stop now\r\n\r\n"),
        )
        self.assertIn(
            "No GSM running on span 9",
            client.say('Action: smscommand\r\ncommand: gsm send sms 9 1 "x"\r\n\r\n'),
        )

    def test_long_lines_are_dropped_without_a_word(self) -> None:
        """As a stock manager does; what follows is served."""
        client = Client().log_in()
        text = "a" * 1100
        command = f'Action: smscommand\r\ncommand: gsm send sms 2 1 "{text}" 5\r\n\r\n'
        self.assertEqual(client.say(command), "")
        self.assertIn("Pong", client.say("Action: Ping\r\n\r\n"))
        self.assertEqual(client.box.air, {})

    def test_result_without_an_id(self) -> None:
        """The event says (null)."""
        client = Client().log_in()
        client.say('Action: smscommand\r\ncommand: gsm send sms 2 1 "x"\r\n\r\n')
        client.clock.advance(3.0)
        self.assertIn("ID: (null)\r\n", client.read())

    def test_power_off(self) -> None:
        """A port without power sends nothing, and says so in its status."""
        client = Client().log_in()
        client.say("Action: smscommand\r\ncommand: gsm power off 2\r\n\r\n")
        self.assertIn(
            "GSM span 2: Power off",
            client.say("Action: smscommand\r\ncommand: gsm show spans\r\n\r\n"),
        )
        self.assertIn(
            "No GSM running",
            client.say('Action: smscommand\r\ncommand: gsm send sms 2 1 "x" 1\r\n\r\n'),
        )

    def test_counts_what_is_sent(self) -> None:
        """Doubles and haste are in the books."""
        client = Client().log_in()
        for _ in range(2):
            client.say('Action: smscommand\r\ncommand: gsm send sms 2 1 "x" 1\r\n\r\n')
        self.assertEqual(client.box.doubles(), [("1", "x")])
        self.assertEqual(client.box.too_fast, 1)

    def test_actions_wait_for_a_ussd_code(self) -> None:
        """One after another, as the device does them."""
        client = Client().log_in()
        said = client.say(
            'Action: smscommand\r\ncommand: gsm send ussd 2 "*1#" 30\r\n\r\n'
            "Action: Ping\r\n\r\n"
        )
        self.assertEqual(said, "")
        client.clock.advance(2.0)
        said = client.read()
        self.assertLess(said.index("USSD"), said.index("Pong"))

    @given(st.lists(st.binary(max_size=60), max_size=10))
    def test_any_octets(self, chunks: list[bytes]) -> None:
        """Nothing that a client writes raises."""
        client = Client().log_in()
        for chunk in chunks:
            client.connection.dataReceived(chunk)
        client.connection.dataReceived(b"\r\n\r\n")
        client.box.stop()


class ServiceTests(SynchronousTestCase):
    def test_service_listens_on_loopback(self) -> None:
        """On the port of its settings, and nowhere else."""
        reactor = MemoryReactorClock()
        service = make_service(SandboxTgSettings(listen_port=5039), reactor)
        service.startService()
        ((port, factory, _, interface),) = reactor.tcpServers
        self.assertEqual((port, interface), (5039, "127.0.0.1"))
        self.assertIsInstance(factory.buildProtocol(None), BoxConnection)
        self.successResultOf(service.stopService())
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_settings(self) -> None:
        """They make the box: ports, dialect, fates, a phone that keeps silent."""
        box = make_box(
            SandboxTgSettings(ports=4, dialect="2025", result="none", answers=False),
            Clock(),
        )
        self.assertEqual(sorted(box.ports), [1, 2, 3, 4])
        self.assertIs(box.dialect, DIALECTS["2025"])
        self.assertEqual(box.usual, "none")
        self.assertIsNone(box.phone("+7", "where?"))
        self.assertNotIn("apipass", repr(SandboxTgSettings()))
