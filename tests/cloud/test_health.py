"""How an account is, judged by its answers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.health import HALT_LAST_S, Health
from gdemoi.message import Accepted, Error, Refused, Scope, Uncertain
from tests.cloud.net import NOW

HALT = Refused(error=Error("x:1", "no", True), scope=Scope.CHANNEL_HALTED)


class HealthTests(SynchronousTestCase):
    def test_a_broken_account_rests_twice_as_long_each_time(self) -> None:
        """One minute first, one hour at last; an accepted message mends it."""
        health, pauses = Health(), []
        for _ in range(9):
            health.learn(HALT, NOW)
            pause_s = 0
            while health.unable(NOW + pause_s) is not None:
                pause_s += 60
            pauses.append(pause_s)
        self.assertEqual(pauses[:4], [60, 120, 240, 480])
        self.assertEqual(pauses[-1], HALT_LAST_S)
        self.assertEqual((health.state, health.reason), ("down", "x:1: no"))
        self.assertTrue(health.learn(Accepted(), NOW))
        self.assertEqual((health.state, health.unable(NOW)), ("up", None))
        health.learn(HALT, NOW)
        self.assertIsNone(health.unable(NOW + 60))

    def test_what_is_about_one_message_changes_nothing(self) -> None:
        """Neither a refusal nor an unsure one."""
        health = Health()
        for outcome in (Refused(error=Error("x:2", "no")), Uncertain(why="?")):
            self.assertFalse(health.learn(outcome, NOW))
        self.assertEqual(health.state, "up")

    def test_silence_degrades(self) -> None:
        """Three times in a row; any answer starts the count anew."""
        health = Health()
        self.assertEqual([health.silence("x") for _ in range(2)], [False, False])
        health.learn(Uncertain(why="?"), NOW)
        fields = [health.silence("x") for _ in range(4)]
        self.assertEqual(fields, [False, False, True, False])
        self.assertEqual(health.state, "degraded")
        self.assertIsNone(health.unable(NOW))

    def test_what_lasts_is_told_at_once(self) -> None:
        """No TLS at the port, or a certificate: the next try will be as vain."""
        health = Health()
        self.assertTrue(health.silence("no TLS", lasting=True))
        self.assertEqual((health.state, health.reason), ("degraded", "no TLS"))
        self.assertFalse(health.silence("no TLS", lasting=True))
        self.assertTrue(health.learn(Accepted(), NOW))
        self.assertEqual(health.state, "up")

    def test_any_answer_ends_the_silence(self) -> None:
        """It was only silent: a refusal of one message shows that it is there."""
        for outcome in (Refused(error=Error("x:2", "no")), Uncertain(why="?")):
            health = Health()
            for _ in range(3):
                health.silence("x")
            self.assertTrue(health.learn(outcome, NOW))
            self.assertEqual((health.state, health.reason), ("up", ""))
