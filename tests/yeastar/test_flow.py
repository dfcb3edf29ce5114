"""Dispatcher, journal, channel and TG box together, in memory, with one clock."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.journal import Journal
from gdemoi.message import MessageClass, OnUnsure, Outbound
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router
from tests.yeastar.world import World


class FlowTests(SynchronousTestCase):
    def build(self, ports: int = 1, **settings: Any) -> World:
        """Start the house over one device."""
        world = World(ports, **settings)
        self.world = world
        self.journal = Journal("sqlite://", world.clock, inline=True)
        self.successResultOf(self.journal.open())
        self.house = Dispatcher(
            self.journal, world.clock, Router([], ("tg400",)), [world.channel]
        )
        self.run_to_end(self.house.start())
        world.later(1.0)
        self.addCleanup(self.end, self.house, world)
        return world

    def end(self, house: Dispatcher, world: World) -> None:
        """Stop the house; no timer may be left."""
        stopping = Deferred.fromCoroutine(house.stop(1.0))
        world.later(5.0)
        self.successResultOf(stopping)
        world.box.stop()
        self.assertEqual(world.clock.getDelayedCalls(), [])

    def run_to_end(self, coroutine: Any) -> Any:
        """Return what a coroutine that waits for nothing returns."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def accept(self, *names: str, **fields: Any) -> None:
        """Hand commands in, as a platform would."""
        now = self.world.clock.seconds()
        usual: dict[str, Any] = {
            "to": "+79001234567",
            "class_": MessageClass.COMMAND,
            "on_unsure": OnUnsure.HOLD,
            "accepted_at": now,
            "expires_at": now + 7200.0,
        }
        batch = [
            (Outbound(id=name, text=f"text {name}", **{**usual, **fields}), b"")
            for name in names
        ]
        self.run_to_end(self.house.intake.accept(batch))
        self.world.flush()

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one type, in order."""
        events = self.successResultOf(self.journal.events(0, 10_000))
        bodies = [json.loads(event.body) for event in events]
        return [body for body in bodies if body["type"] == kind]

    def states(self, name: str) -> list[str]:
        """Return the states that were told of a message."""
        return [body["state"] for body in self.told("status") if body["id"] == name]

    def test_a_link_cut_in_mid_send(self) -> None:
        """Uncertain, and not a second SMS, sent or not by then."""
        for fate, on_air in (("cut-before", 0), ("cut-after", 1)):
            world = self.build()
            world.box.plan.append(fate)
            self.accept("m1")
            world.later(300.0)
            self.assertEqual(self.states("m1"), ["accepted", "uncertain"])
            self.assertEqual(world.on_air(), on_air)

    def test_a_link_that_is_back_is_used_at_once(self) -> None:
        """What found the connection lost went out 15 s after the next login.

        Nothing of it had left; the lane rested although the device was there again.
        """
        world = self.build(ports=1)
        lane = self.house.lanes["tg400"]
        writes: Any = self.journal._writes
        self.accept("m1", "m2")
        while self.states("m1")[-1] != "submitted":
            world.later(0.25)
        self.assertEqual(len(lane.in_flight), 0)
        # the line is cut while the journal writes that the second one leaves
        writes.hold()
        world.later(world.settings.interval_s)
        self.assertEqual(len(lane.in_flight), 1)
        world.cut()
        writes.release()
        self.assertEqual(self.states("m2")[-1], "waiting")
        world.later(2.0)
        self.assertIsNone(world.channel.unable())
        self.assertIsNone(lane.unable())
        self.assertEqual(lane.standing("up", ""), ("up", ""))
        world.later(2.0)
        self.assertEqual(self.states("m2")[-1], "submitted")
        self.assertEqual(world.box.doubles(), [])

    def test_a_late_result_ends_the_doubt(self) -> None:
        """Held for two minutes; the result that comes in that time counts."""
        world = self.build()
        world.box.plan.append("late")
        self.accept("m1")
        world.later(300.0)
        self.assertEqual(self.states("m1"), ["accepted", "submitted"])
        self.assertEqual(world.on_air(), 1)

    def test_many_commands(self) -> None:
        """At the pace of the SIMs, each once, none waiting outside the journal."""
        world = self.build(ports=4)
        names = [f"m{number}" for number in range(30)]
        self.accept(*names[:15])
        for number, name in enumerate(names[15:]):
            self.accept(name, to=f"+7900123{number:04}")
        world.later(200.0)
        self.assertEqual(world.on_air(), 30)
        self.assertEqual(world.box.doubles(), [])
        self.assertEqual(world.box.too_fast, 0)
        for name in names:
            self.assertEqual(self.states(name), ["accepted", "submitted"])
        used = {aired.port for aired in world.box.last}
        self.assertEqual(used, {1, 2, 3, 4})

    def test_a_port_falls_out(self) -> None:
        """The other goes on; a failure of the network is tried again."""
        world = self.build(ports=2)
        world.box.ports[2].powered = False
        world.box.plan.extend(["failed"])
        self.accept("m1", "m2", "m3")
        world.later(300.0)
        self.assertEqual(world.on_air(), 3)
        self.assertEqual({aired.port for aired in world.box.last}, {1})
        for name in ("m1", "m2", "m3"):
            self.assertEqual(self.states(name)[-1], "submitted")

    def test_long_inbound_sms(self) -> None:
        """Joined by the journal; one ID used twice is two SMS, one lost part shows."""
        world = self.build(dialect="2025")
        text = "Отчёт трекера: 55.7558N 37.6173E, скорость 0, борт 12.6 В. " * 2
        for base, reference in ((1, "7"), (1, "7"), (0, "9")):
            world.box.incoming(1, "+7900", text, base=base, reference=reference)
            world.later(10.0)
        world.box.incoming(1, "+7900", text, reference="7", skip=frozenset({1}))
        world.later(320.0)
        inbound = self.told("inbound")
        whole = [body for body in inbound if body["complete"]]
        self.assertEqual([body["text"] for body in whole], [text] * 3)
        parts = [body for body in inbound if not body["complete"]]
        self.assertEqual(len(parts), 1)
        self.assertTrue(text.startswith(parts[0]["text"]))
        self.assertEqual(parts[0]["line"], "1")

    def test_the_tracker_answers(self) -> None:
        """A command goes out, its answer comes in."""
        world = self.build(dialect="2013")
        self.accept("m1?")
        world.later(10.0)
        (inbound,) = self.told("inbound")
        self.assertEqual(inbound["from"], "+79001234567")
        self.assertTrue(inbound["text"].startswith("text m1: ok"))
