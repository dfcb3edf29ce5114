"""What the log says of a bind that does not come about."""

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.smpp.house import House


class LogTests(SynchronousTestCase):
    def warnings(self, house: House, seconds: float) -> list[str]:
        """Start and let time pass; return what was logged as a warning."""
        with capturedLogs() as events:
            house.channel.start(house.upstairs)
            house.advance(seconds)
        return [
            formatEvent(event)
            for event in events
            if event["log_level"].name == "warn"
            and "trying again" in formatEvent(event)
        ]

    def test_why_there_is_no_bind_is_logged_once(self) -> None:
        """Each host and reason once, however often it is tried."""
        house = House(hosts=("a", "b"), start=False)
        house.net.listening.clear()
        said = self.warnings(house, 300)
        self.assertEqual(len(said), 2, said)
        self.assertIn("carrier (transceiver): a:2775:", said[0])
        self.assertIn("b:2775:", said[1])
        house.stop()
