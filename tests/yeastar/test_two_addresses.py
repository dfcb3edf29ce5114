"""A device whose name has two addresses, the second of which is good."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.sandbox.tg import BoxConnection
from gdemoi.sandbox.tg_box import TgBox
from gdemoi.yeastar.channel import YeastarChannel
from tests.named_reactor import NamedReactor
from tests.yeastar.rig import Rig

ONE, TWO = "192.0.2.1", "2001:db8::2"


class NamedRig(Rig):
    """A world whose device has a name; `first` answers at its first address."""

    def __init__(self, first: Any = None, **settings: Any) -> None:
        super().__init__(host="tg.example", **settings)
        self.reactor = NamedReactor(self.clock)
        self.reactor.names["tg.example"] = [ONE, TWO]
        self.reactor.net.listen(ONE, 5038, first or self.stranger)
        self.reactor.net.listen(TWO, 5038, lambda: BoxConnection(self.box))
        self.channel = YeastarChannel(
            "tg400",
            self.settings,
            attrs.evolve(self.context(), reactor=self.reactor),
        )

    def stranger(self) -> BoxConnection:
        """Make the end of a device that does not know our login."""
        box = TgBox.with_ports(self.clock, 1, "2019")
        box.password = "another"
        return BoxConnection(box)


class AddressTests(SynchronousTestCase):
    def up_at_the_second(self, rig: NamedRig, within_s: float) -> None:
        """Start; assert that the second address is in use in time."""
        rig.channel.start(rig.recorder)
        rig.later(within_s)
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.reactor.tried, [ONE, TWO])
        self.assertEqual(rig.channel.describe()["address"], f"tg.example:5038 ({TWO})")

    def test_an_address_that_refuses_the_login(self) -> None:
        """It was chosen again and again; the next is tried soon."""
        rig = NamedRig()
        self.up_at_the_second(rig, 3)
        self.assertEqual(rig.close(), [])

    def test_an_address_that_says_nothing(self) -> None:
        """After the login's timeout the next one has its turn."""
        rig = NamedRig(Protocol, answer_timeout_s=5.0)
        self.up_at_the_second(rig, 8)
        self.assertEqual(rig.close(), [])

    def test_where_it_worked_comes_first_after_a_lost_line(self) -> None:
        """The address that says nothing is not waited for again."""
        rig = NamedRig(Protocol, answer_timeout_s=5.0)
        self.up_at_the_second(rig, 8)
        outcomes = rig.submit()
        rig.later(30)
        self.assertTrue(outcomes)
        rig.reactor.net.wires[-1][1].abortConnection()
        rig.later(3)
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.reactor.tried, [ONE, TWO, TWO])
        self.assertEqual(rig.close(), [])

    def test_a_name_that_is_not_known_is_told_once_and_asked_for_again(self) -> None:
        """When the resolver knows it again, the device is logged in to."""
        rig = NamedRig()
        rig.reactor.names.clear()
        rig.channel.start(rig.recorder)
        rig.later(100)
        ((line, state, reason),) = rig.recorder.changes
        self.assertEqual((line, state), (None, "down"))
        self.assertIn("tg.example", reason)
        rig.reactor.names["tg.example"] = [TWO]
        rig.later(61)
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.close(), [])
