"""Which questions about the ports are asked, and when."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.yeastar.action_queue import Action
from gdemoi.yeastar.ami import AmiBlock
from gdemoi.yeastar.polling import Polling
from gdemoi.yeastar.ports import Ports


def commands(actions: list[Action]) -> list[str]:
    """Return the commands, shortened to what they ask about."""
    return [one.headers[0][1].removeprefix("gsm show ") for one in actions]


class PollingTests(SynchronousTestCase):
    def test_details_in_turn(self) -> None:
        """All at first, then four ports with each poll."""
        polling = Polling(Ports(range(1, 7)), 60.0, 10.0)
        self.assertEqual(len(polling.first(0.0)), 7)
        self.assertEqual(polling.due(59.9), [])
        self.assertEqual(
            commands(polling.due(60.0)),
            ["spans", "span 2", "span 3", "span 4", "span 5"],
        )
        self.assertEqual(
            commands(polling.due(120.0)),
            ["spans", "span 6", "span 7", "span 2", "span 3"],
        )

    def test_never(self) -> None:
        """An interval of 0 asks nothing."""
        polling = Polling(Ports((1,)), 0.0, 10.0)
        self.assertEqual(polling.first(0.0), [])
        self.assertIsNone(polling.at)

    def test_new_ports_are_asked_about(self) -> None:
        """Spans that were not known yet are ports, and details are asked."""
        ports = Ports(())
        polling = Polling(ports, 60.0, 10.0)
        self.assertEqual(commands(polling.first(0.0)), ["spans"])
        changed, asked = polling.told_spans(AmiBlock({}, "GSM span 2: Power on, Up\n"))
        self.assertEqual((changed, commands(asked)), ([1], ["span 2"]))
        self.assertEqual(polling.told_spans(AmiBlock({}, "nonsense")), (None, []))
        polling.told_details(2, AmiBlock({}, "Signal Quality (0,31): 9\n"))
        polling.told_details(77, AmiBlock({}, "Signal Quality (0,31): 9\n"))
        self.assertEqual(ports.by_number[1].details.signal, 9)
