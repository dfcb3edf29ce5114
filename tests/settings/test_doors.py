"""Sections of accounts, SMPP servers and clients, checked against each other."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.ini.networks import allows, networks
from gdemoi.message import MessageClass
from gdemoi.smppserver.settings import BindKind
from tests.settings.test_settings import loaded, said

CHANNEL = "[box:a]\n"
SERVER = "[smpp-server:main]\n"
CLIENT = "[smpp-client:car]\npassword = secret\n"


class DoorSectionTests(SynchronousTestCase):
    def test_good(self) -> None:
        """A server, its clients and their accounts, with all that they may say."""
        found = loaded(
            CHANNEL
            + SERVER
            + "[account:fleet]\nrate = 20/s\ndaily = 1000\nclass = notification\n"
            "channels = a\n"
            "[smpp-client:car]\npassword = secret\naccount = fleet\nservers = main\n"
            "binds = transmitter, receiver\nallow_ip = 10.1.2.3/8, ::1\n"
            "receipt_zone = Europe/Moscow\n"
        )
        self.assertEqual(list(found.smpp_servers), ["main"])
        account = found.accounts["fleet"]
        told = (account.rate, account.daily, account.class_, account.channels)
        self.assertEqual(told, (20.0, 1000, MessageClass.NOTIFICATION, ("a",)))
        client = found.smpp_clients["car"]
        self.assertEqual(client.binds, (BindKind.TRANSMITTER, BindKind.RECEIVER))
        nets = (ip_network("10.0.0.0/8"), ip_network("::1"))
        self.assertEqual(client.allow_ip, nets)

    def complains(self, text: str, *words: str) -> None:
        """See that a file has just these complaints, one for each of `words`."""
        found = said(CHANNEL + text)
        self.assertEqual(len(found), len(words), found)
        for line, word in zip(found, words, strict=True):
            self.assertIn(word, line)

    def test_names_of_others(self) -> None:
        """Accounts, servers and channels that there are not."""
        self.complains(
            SERVER + CLIENT + "account = fleat\n[account:fleet]\n",
            "there is no [account:fleat]; did you mean fleet?",
        )
        self.complains(
            SERVER + CLIENT + "servers = mein\n", "there is no [smpp-server:mein]"
        )
        self.complains("[account:x]\nchannels = b\n", "there is no channel b")

    def test_one_system_id_twice(self) -> None:
        """Nobody could tell who binds."""
        self.complains(
            SERVER + CLIENT + "[smpp-client:bus]\npassword = x\nsystem_id = car\n",
            "car is that of [smpp-client:car] too",
        )

    def test_what_many_clients_cannot_send(self) -> None:
        """Warnings about long passwords and names."""
        self.complains(
            SERVER + "[smpp-client:a-very-long-name]\npassword = longer-than-8\n",
            "warning: is longer than 15 characters",
            "warning: is longer than 8 characters",
        )

    def test_open_to_the_world(self) -> None:
        """A warning, unless addresses or certificates are asked for."""
        anywhere = SERVER + "listen = tcp:2775\n"
        self.complains(anywhere + CLIENT, "anyone may connect, in clear text")
        self.complains(anywhere + "allow_ip = 10.0.0.0/8\n" + CLIENT)

    def test_halves(self) -> None:
        """A server without clients, clients without a server."""
        self.complains(SERVER, "has no [smpp-client:NAME]")
        self.complains(CLIENT, "there is no [smpp-server:NAME]")

    def test_values(self) -> None:
        """What is no endpoint, network, zone, or contradicts itself."""
        for text, word in (
            (SERVER + "listen = 2775\n" + CLIENT, "is not an endpoint"),
            (SERVER + "listen = unix:/x\n" + CLIENT, "is not an endpoint"),
            (SERVER + "tls_ca = x.pem\n" + CLIENT, "tls"),
            (SERVER + "session_init = 0\n" + CLIENT, "more than nothing"),
            (SERVER + "system_id = sixteen-letters-\n" + CLIENT, "up to 15"),
            (SERVER + CLIENT + "allow_ip = 10.0.0\n", "is not an address or network"),
            (SERVER + CLIENT + "receipt_zone = Mars\n", "is not a time zone"),
            (SERVER + CLIENT + "event_ttl = 60d\n", "longer than journal_keep"),
            (SERVER + CLIENT + "event_ttl = 1m\n", "is less than 1h"),
            (SERVER + "[smpp-client:car]\n", "password"),
            ("[account:x]\nallowed_sender = A\ndefault_sender = B\n", "default_sender"),
        ):
            found = said(CHANNEL + text)
            self.assertTrue(any(word in one for one in found), (text, found))

    def test_two_on_one_port(self) -> None:
        """Of ours, whatever they are."""
        self.complains(SERVER + "[smpp-server:other]\n" + CLIENT, "choose another port")

    def test_networks(self) -> None:
        """IPv4, also as IPv6 shows it; none allows anybody."""
        nets = networks("10.0.0.0/8, 2001:db8::/32")
        for host, good in (
            ("10.9.9.9", True), ("::ffff:10.9.9.9", True), ("11.0.0.1", False),
            ("2001:db8::7", True), ("2001:db8::7%eth0", True), ("x", False),
            ("", False),
        ):  # fmt: skip
            self.assertEqual(allows(nets, host), good, host)
            self.assertTrue(allows((), host))


class HttpDoorSectionTests(SynchronousTestCase):
    """Sections of Kannel's and Jasmin's clients, aliases and webhooks."""

    KANNEL = "[kannel:{}]\npassword = secret\n"

    def complains(self, text: str, *words: str) -> None:
        """See that a file has just these complaints, one for each of `words`."""
        found = said(CHANNEL + text)
        self.assertEqual(len(found), len(words), found)
        for line, word in zip(found, words, strict=True):
            self.assertIn(word, line)

    def test_they_share_a_port(self) -> None:
        """Of any kind, when they write the same; another's port is a clash."""
        same = "listen = tcp:14000:interface=127.0.0.1\n"
        jasmin = "[jasmin:c]\npassword = secret\n"
        text = self.KANNEL.format("a") + same + self.KANNEL.format("b") + same
        found = loaded(CHANNEL + text + jasmin + same)
        self.assertEqual(list(found.doors.kannel), ["a", "b"])
        self.assertEqual([name for name, _ in found.doors.clients()], ["a", "b", "c"])
        server = "[smpp-server:s]\nlisten = tcp:14000:interface=127.0.0.1\n" + CLIENT
        self.complains(self.KANNEL.format("a") + same + server, "is where")

    def test_names_and_users(self) -> None:
        """Two clients of one name at one port; accounts and channels there are not."""
        one, two = self.KANNEL.format("a"), self.KANNEL.format("b")
        self.complains(one + two + "username = a\n", "a is that of [kannel:a] too")
        self.complains(one + "account = x\n", "there is no [account:x]")
        self.complains(one + "smsc.m = x\n", "there is no channel x")
        self.complains(self.KANNEL.format("a b"), "a door's name is of letters")
        self.complains(one + "event_ttl = 90d\n", "is longer than journal_keep")

    def test_addresses_that_are_called(self) -> None:
        """A private one needs callback_allow of the account."""
        mine = self.KANNEL.format("a") + "get_url = http://10.0.0.1/mo?t=%a\n"
        self.complains(mine, "which callback_allow does not name")
        allowed = "[account:a]\ncallback_allow = 10.0.0.0/8\n"
        self.assertEqual(said(CHANNEL + mine + allowed), [])
        jasmin = "[jasmin:a]\npassword = x\ninbound_url = http://127.0.0.1/mo\n"
        self.complains(jasmin, "which callback_allow does not name")

    def test_a_port_that_everybody_reaches(self) -> None:
        """In clear text, without allow_ip: a warning."""
        text = CHANNEL + self.KANNEL.format("a") + "listen = tcp:13013\n"
        warnings = [str(one) for one in loaded(text).warnings]
        self.assertTrue(any("anyone may ask, in clear text" in w for w in warnings))
