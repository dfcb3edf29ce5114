"""Where sections want to listen, compared."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.ini.listeners import Listener, is_loopback, listener, parts_of, with_files


class ListenerTests(SynchronousTestCase):
    def test_descriptions(self) -> None:
        """What a description of Twisted's listens on, as people write it."""
        for description, shown in (
            ("tcp:8990", "0.0.0.0:8990"),
            ("tcp:8990:interface=127.0.0.1", "127.0.0.1:8990"),
            ("tcp:interface=localhost:port=1", "127.0.0.1:1"),
            (r"tcp6:1:interface=\:\:1", "[::1]:1"),
            ("tcp6:1", "[::]:1"),
            ("ssl:443:privateKey=k.pem", "0.0.0.0:443"),
            ("haproxy:tcp:80", "0.0.0.0:80"),
            ("unix:/run/a:mode=600", "/run/a"),
        ):
            self.assertEqual(str(listener("listen", description)), shown, description)

    def test_what_opens_nothing(self) -> None:
        """A socket of systemd's, and what is no description."""
        for description in ("systemd:domain=INET:index=0", "", "haproxy:", "tcp:x"):
            self.assertIsNone(listener("listen", description), description)

    def test_escapes(self) -> None:
        """A colon in a value has a backslash."""
        placed, named = parts_of(r"unix:/a\:b:mode=6\=0")
        self.assertEqual((placed, named), (["unix", "/a:b"], {"mode": "6=0"}))

    def test_files_lie_beside_the_ini(self) -> None:
        """They were looked for in whatever folder the daemon was in."""
        for description, placed in (
            ("tcp:8990:interface=127.0.0.1", "tcp:8990:interface=127.0.0.1"),
            ("ssl:443:privateKey=k.pem", "ssl:443:privateKey=/etc/k.pem"),
            ("ssl:443:k.pem:c.pem", "ssl:443:privateKey=/etc/k.pem:certKey=/etc/c.pem"),
            (
                r"ssl:port=443:extraCertChain=a\:b:interface=\:\:1",
                r"ssl:port=443:extraCertChain=/etc/a\:b:interface=\:\:1"
                ":privateKey=/etc/server.pem",
            ),
            ("unix:sock:660", "unix:address=/etc/sock:660"),
            ("systemd:domain=INET:index=0", "systemd:domain=INET:index=0"),
        ):
            found = with_files(description, lambda file: f"/etc/{file}")
            self.assertEqual(found, placed)

    def test_clashes(self) -> None:
        """One port of one address is had once; any address is every address."""

        def clash(one: str, other: str) -> bool:
            first, second = listener("a", one), listener("b", other)
            assert first is not None and second is not None
            self.assertEqual(first.clashes(second), second.clashes(first))
            return first.clashes(second)

        loopback = "tcp:1:interface=127.0.0.1"
        for other in ("tcp:1", loopback, "tcp6:1", "ssl:1"):
            self.assertTrue(clash(loopback, other), other)
        other_port, other_host = "tcp:2", "tcp:1:interface=192.0.2.1"
        for other in (other_port, other_host, r"tcp6:1:interface=\:\:1"):
            self.assertFalse(clash(loopback, other), other)
        self.assertTrue(clash("unix:/a", "unix:/a"))
        self.assertFalse(clash("unix:/a", "unix:/b"))
        self.assertFalse(clash("tcp:0", "tcp:0"))
        self.assertFalse(clash(r"tcp6:1:interface=\:\:1", "tcp:1"))

    def test_datagrams_and_streams_are_apart(self) -> None:
        """UDP and TCP have ports of their own."""
        streams = Listener("a", "tcp", "0.0.0.0", 1)
        self.assertFalse(streams.clashes(Listener("a", "udp", "0.0.0.0", 1)))

    def test_loopback(self) -> None:
        """Addresses that only this machine reaches."""
        self.assertTrue(is_loopback("127.1.2.3") and is_loopback("::1"))
        self.assertTrue(is_loopback("localhost"))
        self.assertFalse(is_loopback("192.0.2.1") or is_loopback("a name"))
