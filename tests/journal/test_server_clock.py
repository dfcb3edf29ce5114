"""The server's time on a machine whose clock is off."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.journal.server_clock import ServerClock
from gdemoi.tasks import Alarm


class ServerClockTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Have a machine's clock, and ours by it."""
        self.machine = Clock()
        self.machine.advance(1000.0)
        self.clock = ServerClock(self.machine)

    def test_table(self) -> None:
        """(what the server is ahead by, heard one after the other; what is used)."""
        for ahead_s, used_s, told in (
            (0.0, 0.0, 0),
            (0.4, 0.0, 0),
            (-0.4, 0.0, 0),
            (0.6, 0.6, 0),
            (30.0, 30.0, 1),
            (30.3, 30.0, 0),
            (-30.0, -30.0, 1),
            (0.0, 0.0, 1),
        ):
            with self.subTest(ahead_s=ahead_s), capturedLogs() as lines:
                self.clock.set(ahead_s)
                self.assertEqual(self.clock.seconds(), 1000.0 + used_s)
                self.assertEqual(self.clock.machine_seconds(), 1000.0)
                self.assertEqual(len(lines), told)

    def test_timers(self) -> None:
        """An alarm rings at the server's time; a delay is as long as ever."""
        self.clock.set(30.0)
        rung: list[float] = []
        alarm = Alarm(self.clock, lambda: rung.append(self.clock.seconds()))
        alarm.set(1040.0)
        self.clock.callLater(3.0, rung.append, 3.0)
        self.machine.advance(5.0)
        self.assertEqual(rung, [3.0])
        self.machine.advance(5.0)
        self.assertEqual(rung, [3.0, 1040.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])
