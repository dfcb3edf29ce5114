"""Which SIM is next: by state, by interval, by load."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.yeastar.ports import Port, Ports


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
        self.assertFalse(ports.hope(0.0, (1,), (1,)))

    def test_t27_down_ports_are_skipped(self) -> None:
        """What the device says of a port counts, and so does its silence."""
        ports = Ports((1, 2))
        changed = ports.told({2: "Power on, Undetected SIM Card"})
        self.assertEqual([port.number for port in changed], [1, 2])
        self.assertEqual(
            ports.unable(0.0),
            "port 1: undetected sim card; port 2: the device has no such span",
        )
        self.assertFalse(ports.hope(0.0, (), ()))
        (mended,) = ports.told({2: "Power on, Up"})
        self.assertEqual(mended.number, 1)
        self.assertIsNone(ports.unable(0.0))
        self.assertEqual(ports.told({2: "Power on, Up, Active"}), [])

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
