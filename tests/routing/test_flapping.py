"""What flaps floods neither the log nor the platform."""

from __future__ import annotations

import json

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.routing.flapping import CHANGES, FLAPPING, HOLD_S, Flapping
from tests.routing.test_dispatcher import Case

Told = tuple[float, str, str | None, str, str]


class FlappingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[Told] = []
        self.flapping = Flapping(self.clock, self.hear)

    def hear(self, channel: str, line: str | None, state: str, reason: str) -> None:
        self.events.append((self.clock.seconds(), channel, line, state, reason))

    def flap(self, times: int, every_s: float = 30.0, line: str | None = "l") -> None:
        """Let a line go down and up by turns, then hold."""
        for number in range(times):
            if number % 2:
                self.flapping.changed("a", line, "up", "")
            else:
                self.flapping.changed("a", line, "degraded", "GSM LOGOUT")
            self.clock.advance(every_s)

    def test_a_few_changes_are_told_at_once(self) -> None:
        """A restart, a bad minute: each change as it is."""
        self.flap(CHANGES)
        self.assertEqual([at for at, *_ in self.events], [0, 30, 60, 90])
        self.assertEqual(self.events[-1][3:], ("up", ""))

    def test_a_day_of_flapping(self) -> None:
        """2880 changes: five are told, and one more when it holds."""
        self.flap(2880)
        self.assertEqual(len(self.events), CHANGES + 1)
        self.assertEqual(self.events[-1][3:], ("degraded", f"GSM LOGOUT; {FLAPPING}"))
        self.clock.advance(HOLD_S)
        self.assertEqual(len(self.events), CHANGES + 2)
        self.assertEqual(self.events[-1][3:], ("up", "after 2875 changes more"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_at_any_pace_it_is_bounded(self) -> None:
        """No pace makes more than one line in two minutes, but for the first."""
        for every_s in (1.0, 30.0, 100.0, 119.0, 121.0, 149.0, 151.0, 700.0):
            self.setUp()
            self.flap(int(36_000 / every_s), every_s)
            self.clock.advance(HOLD_S)
            self.assertLessEqual(
                len(self.events), 36_000 / HOLD_S + CHANGES + 1, every_s
            )
            self.assertNotIn("more", self.events[0][4])
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_last_word_is_true(self) -> None:
        """Whatever was held back, the state that stays is told."""
        for times in range(1, 20):
            self.setUp()
            self.flap(times, 10.0)
            self.clock.advance(HOLD_S)
            self.assertEqual(self.events[-1][3], "up" if times % 2 == 0 else "degraded")

    def test_lines_do_not_count_for_each_other(self) -> None:
        """A device with 32 lines that is restarted tells of each."""
        for number in range(32):
            self.flapping.changed("a", str(number), "down", "no keepalive")
            self.flapping.changed("a", str(number), "up", "")
        self.assertEqual(len(self.events), 64)

    def test_the_end(self) -> None:
        """What was held is told at the end, and no timer is left."""
        self.flap(8, 1.0)
        self.flapping.stop()
        self.assertEqual(self.events[-1][3:], ("up", "after 3 changes more"))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class HouseTests(Case):
    def test_events_of_a_flapping_channel(self) -> None:
        """The platform hears a few events, and the lane goes on at once."""
        channel = self.hands["a"]
        self.accept(self.message("m1"))
        channel.answer()
        for number in range(200):
            channel.down = None if number % 2 else "no carrier"
            self.dispatcher.changed(channel, "up" if number % 2 else "down", "")
        self.accept(self.message("m2"))
        self.assertEqual(channel.ids, ["m1", "m2"])
        self.clock.advance(HOLD_S)
        events = self.successResultOf(self.journal.events(0, 1000))
        states = [
            json.loads(event.body)["state"]
            for event in events
            if event.routing_key.startswith("channel")
        ]
        self.assertEqual(len(states), CHANGES + 2)
        self.assertEqual(states[-1], "up")
