"""Dispatcher, journal, channel and TG box together, in memory, with one clock."""

from __future__ import annotations

from typing import Any

from tests.yeastar.flow import FlowTestCase


class FlowTests(FlowTestCase):
    def test_a_link_cut_in_mid_send(self) -> None:
        """Uncertain, and not a second SMS, sent or not by then."""
        for behaviour, on_air in (("cut-before", 0), ("cut-after", 1)):
            rig = self.build()
            rig.box.plan.append(behaviour)
            self.accept("m1")
            rig.later(300.0)
            self.assertEqual(self.states("m1"), ["accepted", "uncertain"])
            self.assertEqual(rig.on_air(), on_air)

    def test_a_link_that_is_back_is_used_at_once(self) -> None:
        """What found the connection lost went out 15 s after the next login.

        Nothing of it had left; the lane rested although the device was there again.
        """
        rig = self.build(ports=1)
        lane = self.recorder.lanes["tg400"]
        writes: Any = self.journal._writes
        self.accept("m1", "m2")
        while self.states("m1")[-1] != "submitted":
            rig.later(0.25)
        self.assertEqual(len(lane.in_flight), 0)
        # the line is cut while the journal writes that the second one leaves
        writes.hold()
        rig.later(rig.settings.interval_s)
        self.assertEqual(len(lane.in_flight), 1)
        rig.cut()
        writes.release()
        self.assertEqual(self.states("m2")[-1], "waiting")
        rig.later(2.0)
        self.assertIsNone(rig.channel.unable())
        self.assertIsNone(lane.unable())
        self.assertEqual(lane.standing("up", ""), ("up", ""))
        rig.later(2.0)
        self.assertEqual(self.states("m2")[-1], "submitted")
        self.assertEqual(rig.box.doubles(), [])

    def test_a_late_result_ends_the_doubt(self) -> None:
        """Held for two minutes; the result that comes in that time counts."""
        rig = self.build()
        rig.box.plan.append("late")
        self.accept("m1")
        rig.later(300.0)
        self.assertEqual(self.states("m1"), ["accepted", "submitted"])
        self.assertEqual(rig.on_air(), 1)

    def test_many_commands(self) -> None:
        """At the pace of the SIMs, each once, none waiting outside the journal."""
        rig = self.build(ports=4)
        names = [f"m{number}" for number in range(30)]
        self.accept(*names[:15])
        for number, name in enumerate(names[15:]):
            self.accept(name, to=f"+7900123{number:04}")
        rig.later(200.0)
        self.assertEqual(rig.on_air(), 30)
        self.assertEqual(rig.box.doubles(), [])
        self.assertEqual(rig.box.too_fast, 0)
        for name in names:
            # those at the end of the line may be told to wait for their turn
            states = [state for state in self.states(name) if state != "waiting"]
            self.assertEqual(states, ["accepted", "submitted"])
        used = {aired.port for aired in rig.box.last}
        self.assertEqual(used, {1, 2, 3, 4})

    def test_a_port_falls_out(self) -> None:
        """The other goes on; a failure of the network is tried again."""
        rig = self.build(ports=2)
        rig.box.ports[2].powered = False
        rig.box.plan.extend(["failed"])
        self.accept("m1", "m2", "m3")
        rig.later(300.0)
        self.assertEqual(rig.on_air(), 3)
        self.assertEqual({aired.port for aired in rig.box.last}, {1})
        for name in ("m1", "m2", "m3"):
            self.assertEqual(self.states(name)[-1], "submitted")

    def test_long_inbound_sms(self) -> None:
        """Joined by the journal; one ID used twice is two SMS, one lost part shows."""
        rig = self.build(dialect="2025")
        text = "Отчёт трекера: 55.7558N 37.6173E, скорость 0, борт 12.6 В. " * 2
        for base, reference in ((1, "7"), (1, "7"), (0, "9")):
            rig.box.incoming(1, "+7900", text, base=base, reference=reference)
            rig.later(10.0)
        rig.box.incoming(1, "+7900", text, reference="7", skip=frozenset({1}))
        rig.later(320.0)
        inbound = self.events("inbound")
        whole = [body for body in inbound if body["complete"]]
        self.assertEqual([body["text"] for body in whole], [text] * 3)
        parts = [body for body in inbound if not body["complete"]]
        self.assertEqual(len(parts), 1)
        self.assertTrue(text.startswith(parts[0]["text"]))
        self.assertEqual(parts[0]["line"], "1")

    def test_the_tracker_answers(self) -> None:
        """A command goes out, its answer comes in."""
        rig = self.build(dialect="2013")
        self.accept("m1?")
        rig.later(10.0)
        (inbound,) = self.events("inbound")
        self.assertEqual(inbound["from"], "+79001234567")
        self.assertTrue(inbound["text"].startswith("text m1: ok"))
