from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.sandbox.smsc import SmscPersonality
from gdemoi.smpp.channel_probe import Probed, advice_for, probe
from tests.smpp.rig import ChannelRig


def probed(rig: ChannelRig) -> list[Probed]:
    """Run a probe to its end."""
    found: list[Any] = []
    running = Deferred.fromCoroutine(probe(rig.settings, rig.clock, rig.connect))
    running.addCallback(found.extend)
    rig.advance(2, step=0.01)
    rig.advance(60)
    assert found
    assert not rig.clock.getDelayedCalls()
    return found


def keys(found: Probed) -> list[str]:
    """Return the ini keys that are advised to be looked at."""
    return [one.key for one in found.advice]


class ProbeTests(SynchronousTestCase):
    def test_all_is_well(self) -> None:
        """Connected, bound, measured, unbound; no advice."""
        rig = ChannelRig(latency_s=0.02, start=False)
        (found,) = probed(rig)
        self.assertTrue(found.bound)
        self.assertEqual(found.smsc, "gdemoi-sandbox")
        self.assertAlmostEqual(found.round_trip_ms or 0, 40, delta=15)
        self.assertEqual(found.advice, ())
        self.assertEqual(rig.smsc.sessions, [])
        self.assertIn("round_trip_ms", found.as_data())

    def test_each_host_is_tried(self) -> None:
        """A host that cannot be reached does not hide the other."""
        rig = ChannelRig(hosts=("a", "b"), start=False)
        rig.net.listening.pop(("a", 2775))
        away, good = probed(rig)
        self.assertIsNone(away.connect_ms)
        self.assertEqual(keys(away), ["host", "port", "host"])
        self.assertTrue(good.bound)

    def test_refusals_are_explained(self) -> None:
        """Each status at bind points at the key that mends it."""
        for status, key in (
            (0x0E, "password"),
            (0x0F, "system_id"),
            (0x53, "system_type"),
            (0x0D, "host"),
            (0x05, "bind"),
            (0x03, "bind"),
            (0x400, "system_id"),
        ):
            rig = ChannelRig(
                SmscPersonality(password="secret", refuse_bind=status), start=False
            )
            (found,) = probed(rig)
            self.assertFalse(found.bound)
            self.assertEqual(found.command_status, status)
            self.assertIn(key, keys(found))
            self.assertIn("status", found.as_data())

    def test_silence_hanging_up_and_other_protocols(self) -> None:
        """No answer, a closed connection, HTTP."""
        for behave, key in (
            (lambda server: None, "tls"),
            (lambda server: server.transport.loseConnection(), "tls"),
            (lambda server: server.transport.write(b"HTTP/1.1 400 Bad\r\n"), "port"),
        ):
            rig = ChannelRig(start=False)

            def answer(behave: Any = behave, rig: ChannelRig = rig) -> Any:
                server = ChannelRig.answer(rig)
                server.dataReceived = lambda data: behave(server)  # type: ignore[method-assign]
                return server

            rig.net.listen("smsc.example", 2775, answer)
            (found,) = probed(rig)
            self.assertFalse(found.bound)
            self.assertIn(key, keys(found), found)

    def test_tls_to_a_port_without(self) -> None:
        """Whoever says tls = yes is not told that the far side may want TLS."""
        hung_up, silent = "the far side hung up", "no answer"
        for problem in (hung_up, silent, "command_length 0 is below 16"):
            found = Probed(host="a", port=1, bind="x", connect_ms=1.0, problem=problem)
            plain, over_tls = (
                advice_for(found, ChannelRig(tls=tls, start=False).settings)
                for tls in (False, True)
            )
            self.assertTrue(any("TLS" in one.why for one in plain))
            reported = [one.why for one in over_tls if one.key == "tls"]
            self.assertEqual(len(reported), 1)
            self.assertIn("may not speak TLS", reported[0])

    def test_what_could_be_better(self) -> None:
        """No version told; a window too small for the rate."""
        rig = ChannelRig(
            SmscPersonality(password="secret", version=0),
            latency_s=0.1,
            window=5,
            rate=100.0,
            start=False,
        )
        (found,) = probed(rig)
        self.assertTrue(found.bound)
        self.assertEqual(keys(found), ["tlvs", "window"])
