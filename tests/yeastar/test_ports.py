"""Which SIM is next: by state, by interval, by load."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.yeastar.ami import AmiBlock
from gdemoi.yeastar.commands import Action, SpanDetails
from gdemoi.yeastar.ports import Polling, Port, Ports


class PortsTests(SynchronousTestCase):
    def chosen(self, ports: Ports, now: float, **more: tuple[int, ...]) -> Port:
        """Return the next port."""
        port = ports.choose(now, more.get("only", ()), more.get("without", ()))
        assert port is not None
        return port

    def test_load_is_spread(self) -> None:
        """The port that has rested longest is next."""
        ports = Ports((1, 2, 3), interval_s=1.0)
        used = []
        for now in range(6):
            port = self.chosen(ports, float(now))
            ports.begin(port)
            ports.written(port, 1, float(now))
            ports.end(port)
            used.append(port.number)
        self.assertEqual(used, [1, 2, 3, 1, 2, 3])

    def test_only_and_without(self) -> None:
        """A choice may be narrowed; what is left out is no hope either."""
        ports = Ports((1, 2))
        self.assertEqual(self.chosen(ports, 0.0, only=(2,)).number, 2)
        self.assertEqual(self.chosen(ports, 0.0, without=(1,)).number, 2)
        self.assertIsNone(ports.choose(0.0, (1,), (1,)))
        self.assertFalse(ports.has_candidate(0.0, (1,), (1,)))

    def test_down_ports_are_skipped(self) -> None:
        """What the device says of a port counts, and so does its silence."""
        ports = Ports((1, 2))
        changed = ports.update({2: "Power on, Undetected SIM Card"})
        self.assertEqual([port.number for port in changed], [1, 2])
        self.assertEqual(
            ports.unable(0.0),
            "port 1: undetected sim card; port 2: the device has no such span",
        )
        self.assertFalse(ports.has_candidate(0.0, (), ()))
        (mended,) = ports.update({2: "Power on, Up"})
        self.assertEqual(mended.number, 1)
        self.assertIsNone(ports.unable(0.0))
        self.assertEqual(ports.update({2: "Power on, Up, Active"}), [])

    def test_blocked_for_a_while(self) -> None:
        """A port that refused is used again later."""
        ports = Ports((1,))
        ports.block(ports.by_number[1], "No GSM", 60.0, 0.0)
        self.assertEqual(ports.unable(59.9), "port 1: No GSM")
        self.assertEqual(ports.next_change(0.0), 60.0)
        self.assertEqual(ports.ready(60.0), 1)

    def test_offset(self) -> None:
        """Port 1 is span 2, or what the settings say."""
        self.assertEqual(Ports((1,)).by_number[1].span, 2)
        self.assertEqual(Ports((1,), span_offset=0).by_number[1].span, 1)

    def test_how_long_a_sim_rests(self) -> None:
        """The interval for each segment, from when the SMS was written."""
        for segments in (1, 2, 5):
            ports = Ports((1,), interval_s=10.0)
            port = self.chosen(ports, 100.0)
            ports.begin(port)
            self.assertEqual(ports.ready(100.0), 0)
            ports.written(port, segments, 103.0)
            ports.end(port)
            free_at = 103.0 + 10.0 * segments
            for now, ready in (
                (103.0, 0),
                (free_at - 0.1, 0),
                (free_at, 1),
                (free_at + 1, 1),
            ):
                self.assertEqual((now, ports.ready(now)), (now, ready))
                self.assertEqual(ports.choose(now, (), ()) is None, not ready)
                self.assertTrue(ports.has_candidate(now, (), ()))
            self.assertEqual(ports.next_change(103.0), free_at)
            self.assertIsNone(ports.next_change(free_at))

    def test_a_settled_sms_frees_no_sim_before_its_time(self) -> None:
        """Nor does a block that ends early, nor one that was refused."""
        ports = Ports((1,), interval_s=10.0)
        port = self.chosen(ports, 0.0)
        ports.begin(port)
        ports.written(port, 1, 0.0)
        ports.block(port, "refused", 3.0, 1.0)
        ports.end(port)
        self.assertEqual([ports.ready(now) for now in (3.9, 4.0, 9.9, 10.0)],
                         [0, 0, 0, 1])  # fmt: skip
        self.assertEqual(ports.next_change(1.0), 10.0)
        ports.block(port, "refused", 60.0, 5.0)
        self.assertEqual(ports.next_change(5.0), 125.0)
        ports.works(port)
        self.assertEqual([ports.ready(now) for now in (9.9, 10.0)], [0, 1])

    def test_who_rested_longest_is_next(self) -> None:
        """Also when it has sent more; among equals the one that sent less."""
        ports = Ports((1, 2, 3), interval_s=1.0)
        for number, at in ((1, 5.0), (2, 3.0), (3, 5.0)):
            ports.written(ports.by_number[number], 1, at)
        ports.by_number[2].sent = 9
        ports.by_number[1].sent = 2
        self.assertEqual(self.chosen(ports, 10.0).number, 2)
        self.assertEqual(self.chosen(ports, 10.0, without=(2,)).number, 3)


def commands(actions: list[Action]) -> list[str]:
    """Return the commands, shortened to what they ask about."""
    return [one.headers[0][1].removeprefix("gsm show ") for one in actions]


class DescribeTests(SynchronousTestCase):
    def test_what_an_operator_sees(self) -> None:
        """A port that was never heard of, one that works, one that is blocked."""
        ports = Ports((1, 2), phones={2: "+79161112233"}, interval_s=10.0)
        first, second = ports.by_number.values()
        fresh = first.describe(0.0)
        self.assertEqual((fresh["state"], fresh["reason"]), ("unknown", ""))
        ports.update({3: "Power on, Up"})
        second.details = SpanDetails(
            operator="MTS", registration="home", signal=9, imei="3", imsi="4", smsc="5"
        )
        ports.begin(second)
        ports.written(second, 2, 100.0)
        second.sent, second.failed, second.unsure = 3, 2, 1
        self.assertEqual(
            second.describe(105.0),
            {
                "name": "2",
                "state": "up",
                "reason": "",
                "budget": None,
                "number": "+79161112233",
                "span": 3,
                "status": "Power on, Up",
                "signal": 9,
                "operator": "MTS",
                "registration": "home",
                "imsi": "4",
                "imei": "3",
                "smsc": "5",
                "busy": True,
                "free_in_s": 15.0,
                "sent": 3,
                "failed": 2,
                "unsure": 1,
            },
        )
        ports.block(second, "No GSM", 60.0, 120.0)
        shown = second.describe(130.0)
        self.assertEqual(
            (shown["state"], shown["reason"], shown["free_in_s"]),
            ("down", "No GSM", 0.0),
        )


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
        changed, asked = polling.on_spans(AmiBlock({}, "GSM span 2: Power on, Up\n"))
        self.assertEqual((changed, commands(asked)), ([1], ["span 2"]))
        self.assertEqual(polling.on_spans(AmiBlock({}, "nonsense")), (None, []))
        polling.on_details(2, AmiBlock({}, "Signal Quality (0,31): 9\n"))
        polling.on_details(77, AmiBlock({}, "Signal Quality (0,31): 9\n"))
        self.assertEqual(ports.by_number[1].details.signal, 9)
