"""Which host and which address is next."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.net.hosts import FAILED_LATELY_S, Host, Hosts


class HostsTests(SynchronousTestCase):
    def test_round_and_round(self) -> None:
        """Each failure is counted once, and moves on."""
        hosts = Hosts((("a", 1), ("b", 2), ("c", 3)))
        for wanted in ("a", "b", "c", "a"):
            self.assertEqual(hosts.present.name, wanted)
            hosts.failed(100.0)
        self.assertEqual(hosts.failures, [2, 1, 1])

    def test_home_after_a_good_session(self) -> None:
        """Unless the first host failed a moment ago."""
        hosts = Hosts((("a", 1), ("b", 2)))
        hosts.failed(100.0)
        hosts.ended(100.0 + FAILED_LATELY_S - 1)
        self.assertFalse(hosts.on_primary)
        hosts.ended(100.0 + FAILED_LATELY_S)
        self.assertTrue(hosts.on_primary)

    def test_home_when_the_session_ends_and_not_before(self) -> None:
        """What ends is told of the host that it was with."""
        hosts = Hosts((("a", 1), ("b", 2)))
        hosts.failed(100.0)
        hosts.go_to_primary()
        self.assertFalse(hosts.on_primary)
        hosts.ended(101.0)
        self.assertTrue(hosts.on_primary)
        self.assertEqual(hosts.failures, [1, 0])

    def test_all_addresses_of_a_name_before_the_next_host(self) -> None:
        """A name is left, and counts as failed, when each of its addresses failed."""
        hosts = Hosts((("a", 1), ("b", 2)))
        for address in ("192.0.2.1", "192.0.2.2"):
            self.assertEqual(hosts.present.name, "a")
            hosts.present.choose(("192.0.2.1", "192.0.2.2"))
            hosts.present.connected(address)
            hosts.failed(100.0)
        self.assertEqual(hosts.present.name, "b")
        hosts.ended(100.0 + FAILED_LATELY_S - 1)
        self.assertFalse(hosts.on_primary)

    def test_one_bad_address_does_not_make_the_primary_bad(self) -> None:
        """The first host is gone back to when another address of it held."""
        hosts = Hosts((("a", 1), ("b", 2)))
        hosts.present.choose(("192.0.2.1", "192.0.2.2"))
        hosts.present.connected("192.0.2.1")
        hosts.failed(100.0)
        hosts.ended(101.0)
        self.assertTrue(hosts.on_primary)


class HostTests(SynchronousTestCase):
    def test_what_failed_in_this_round_is_left_out(self) -> None:
        """Until all have failed; then all are tried anew, the oldest failure first."""
        host = Host("smsc.example", 2775)
        self.assertEqual(host.choose(("x", "y", "z")), ("x", "y", "z"))
        host.connected("y")
        self.assertFalse(host.failed())
        self.assertEqual(host.choose(("x", "y", "z")), ("x", "z"))
        host.connected("x")
        self.assertFalse(host.failed())
        self.assertEqual(host.choose(("x", "y", "z")), ("z",))
        host.connected("z")
        self.assertTrue(host.failed())
        self.assertEqual(host.choose(("x", "y", "z")), ("y", "x", "z"))

    def test_without_a_connection_all_that_were_tried_failed(self) -> None:
        """The round is over at once."""
        host = Host("smsc.example", 2775)
        host.choose(("x", "y"))
        self.assertTrue(host.failed())

    def test_what_failed_before_a_good_session_comes_last(self) -> None:
        """Also when the resolver names it first; what held comes first."""
        host = Host("smsc.example", 2775)
        host.choose(("x", "y"))
        host.connected("x")
        host.failed()
        host.choose(("x", "y"))
        host.connected("y")
        host.held()
        self.assertEqual(host.choose(("x", "y")), ("y", "x"))

    def test_a_name_whose_addresses_change(self) -> None:
        """Those that are gone are forgotten; new ones are tried."""
        host = Host("smsc.example", 2775)
        host.choose(("x",))
        host.connected("x")
        self.assertTrue(host.failed())
        self.assertEqual(host.choose(("y",)), ("y",))
        host.connected("y")
        self.assertTrue(host.failed())
        self.assertEqual(host.choose(("x", "y")), ("x", "y"))

    def test_a_name_that_is_not_known(self) -> None:
        """There is nothing to try, and the next host has its turn."""
        host = Host("smsc.example", 2775)
        host.looking_up()
        self.assertEqual(host.choose(()), ())
        self.assertTrue(host.failed())

    def test_how_it_is_shown(self) -> None:
        """The name, and the address where it is another."""
        host = Host("smsc.example", 2775)
        self.assertEqual(str(host), "smsc.example:2775")
        host.choose(("192.0.2.1",))
        host.connected("192.0.2.1")
        self.assertEqual(str(host), "smsc.example:2775 (192.0.2.1)")
        plain = Host("2001:db8::1", 2775)
        plain.connected("2001:db8::1")
        self.assertEqual(str(plain), "[2001:db8::1]:2775")

    @given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 5))
    def test_no_address_is_starved(self, winners: list[int], count: int) -> None:
        """Whichever wins the race each time, a round connects to each address once."""
        host = Host("smsc.example", 2775)
        names = [f"192.0.2.{number}" for number in range(count)]
        this_round: list[str] = []
        for winner in winners:
            left = host.choose(names)
            host.connected(left[winner % len(left)])
            assert host.address is not None
            this_round.append(host.address)
            if host.failed():
                self.assertEqual(sorted(this_round), names)
                this_round.clear()
