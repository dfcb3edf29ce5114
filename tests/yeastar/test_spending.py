"""Ports with budgets, under the real dispatcher and journal."""

from __future__ import annotations

from typing import Any

from gdemoi.kit.calendar import quiet_hours
from gdemoi.message import MessageClass, Outbound
from gdemoi.yeastar.encoded import TgEncodedMessage
from gdemoi.yeastar.settings import YeastarSettings
from tests.yeastar.flow import FlowTestCase
from tests.yeastar.rig import Rig

NOTIFICATION = MessageClass.NOTIFICATION
LONG = "x" * 200  # two segments


class BudgetFlowTests(FlowTestCase):
    def used(self, rig: Rig) -> list[int]:
        lines = rig.channel.describe()["lines"]
        return [line["budget"]["day"]["used"] for line in lines]

    def to(self, n: int) -> dict[str, Any]:
        return {"to": f"+7900123456{n}", "class_": NOTIFICATION}

    def test_each_port_has_the_budget(self) -> None:
        """TR66: two segments go where they fit whole; then they wait."""
        rig = self.build(2, per_day=3, interval_s=0.0)
        for n in range(3):
            self.accept(f"m{n}", text=LONG, **self.to(n))
            rig.later(5.0)
        self.assertEqual(self.used(rig), [2, 2])
        self.assertEqual(rig.on_air(), 2)
        self.assertEqual(self.states("m2"), ["accepted", "waiting"])
        self.accept("m3", text="short", **self.to(4))
        rig.later(5.0)
        self.assertEqual(self.states("m3"), ["accepted", "submitted"])
        self.accept("m4", text="short", **self.to(5))
        rig.later(5.0)
        self.assertEqual(self.used(rig), [3, 3])
        why = rig.channel.unable()
        assert why is not None
        self.assertIn("port 1: 3 of 3 SMS used; until ", why)
        self.assertIn("port 2: 3 of 3 SMS used; until ", why)

    def test_a_refusal_gives_back(self) -> None:
        """TR66: Status 0: nothing is spent; a cut link leaves it spent."""
        rig = self.build(per_day=3)
        rig.box.plan.append("failed")
        self.accept("m1", **self.to(1))
        rig.later(5.0)
        self.assertEqual(self.used(rig), [0])
        rig.later(20.0)
        self.assertEqual(self.used(rig), [1])
        rig.box.plan.append("cut-before")
        self.accept("m2", **self.to(2))
        rig.later(30.0)
        self.assertEqual(self.states("m2"), ["accepted"])
        self.assertEqual(self.used(rig), [2])

    def test_quiet_hours(self) -> None:
        """TR68: a notification waits, a command leaves."""
        rig = self.build(quiet=quiet_hours("14:00-15:00"))
        self.accept("m1", **self.to(1))
        self.accept("c1", to="+79001234569")
        rig.later(5.0)
        self.assertEqual(self.states("m1"), ["accepted", "waiting"])
        self.assertEqual(self.states("c1"), ["accepted", "submitted"])

    def test_a_port_cools_down(self) -> None:
        """TR70: the second submit starts 20 s after the first one's outcome."""
        rig = self.build(cooldown_s=20.0, interval_s=1.0)
        self.accept("m1", **self.to(1))
        rig.later(5.0)
        self.accept("m2", **self.to(2))
        rig.later(12.0)
        self.assertEqual(rig.on_air(), 1)
        rig.later(10.0)
        self.assertEqual(rig.on_air(), 2)

    def test_weights(self) -> None:
        """A port of weight 3 sends three times as much."""
        rig = self.build(2, weights={"1": 3.0}, interval_s=0.0)
        for n in range(8):
            self.accept(f"m{n}", **self.to(n))
            rig.later(3.0)
        lines = rig.channel.describe()["lines"]
        self.assertEqual([line["sent"] for line in lines], [6, 2])

    def test_ports_share_what_comes_at_once(self) -> None:
        """Two reservations before any submit: one for each port."""
        rig = self.build(2, per_day=9)
        found = []
        for n in range(3):
            prepared = rig.channel.prepare(self.message(f"m{n}"))
            assert isinstance(prepared, TgEncodedMessage)
            rig.channel.reserve(prepared)
            found.append(prepared)
        self.assertEqual([one.port for one in found], [1, 2, 1])
        for one in found:
            rig.channel.release(one)
        self.assertEqual(
            [p.reserved for p in rig.channel._ports.by_number.values()], [0, 0]
        )

    def test_a_port_is_kept_alive(self) -> None:
        """TR69: each port whose number is known sends one, over itself."""
        rig = self.build(
            3,
            numbers={"1": "+79160000001", "3": "+79160000003"},
            keepalive_s=60 * 86_400.0,
            keepalive_to="+79161112255",
        )
        rig.later(20.0)
        lines = rig.channel.describe()["lines"]
        self.assertEqual([line["sent"] for line in lines], [1, 0, 1])

    def message(self, name: str) -> Any:
        return Outbound(
            id=name, text="x", accepted_at=0.0, expires_at=1e12, **self.to(1)
        )

    def test_settings(self) -> None:
        """Weights are of ports that there are; a reserve is of a limit."""
        given = YeastarSettings(
            host="h",
            username="u",
            password="p",
            ports=(1, 2),
            weights={"3": 2.0},
            reserve_commands=5,
        )
        self.assertEqual(
            [name for name, _ in given.complaints()], ["weight.3", "reserve_commands"]
        )
        self.assertEqual(given.weight_of(1), 1.0)
        usual = {"host": "h", "username": "u", "password": "p"}
        alive = YeastarSettings(**usual, keepalive_s=60.0, keepalive_to="112")
        self.assertEqual(
            [name for name, _ in alive.complaints()],
            ["keepalive_to", "keepalive", "keepalive"],
        )
