"""The port of a GoIP channel: had, or why not."""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.net.port import LISTEN_AGAIN_S
from tests.goip.rig import Rig


class ListeningTests(SynchronousTestCase):
    def deaf(self, tries: int) -> Rig:
        """Return a started rig whose port another has for so many tries."""
        rig = Rig(start=False)
        listen, left = rig.reactor.listenUDP, [tries]

        def refuse(port: int, protocol: Any, interface: str = "") -> Any:
            if left[0]:
                left[0] -= 1
                in_use = OSError(errno.EADDRINUSE, "Address already in use")
                raise CannotListenError(interface, port, in_use)
            return listen(port, protocol, interface)

        rig.reactor.listenUDP = refuse  # type: ignore[method-assign]
        rig.channel.start(rig.recorder)
        return rig

    def test_at_once(self) -> None:
        """Who waits hears that it listens."""
        self.assertIsNone(self.successResultOf(Rig().channel.listening()))

    def test_a_port_in_use(self) -> None:
        """Key, port and what to do; told once however often it is tried again."""
        rig = self.deaf(3)
        why = self.successResultOf(rig.channel.listening())
        assert why is not None
        self.assertEqual(why.key, "listen")
        self.assertIn("0.0.0.0:44444: Address already in use: another", str(why))
        self.assertEqual(rig.channel.unable(), str(why))
        rig.clock.advance(LISTEN_AGAIN_S)
        rig.clock.advance(LISTEN_AGAIN_S)
        downs = [one for one in rig.recorder.changes if "already in use" in str(one)]
        self.assertEqual(len(downs), 1, downs)
        self.assertEqual(rig.reactor.sockets, [])
        rig.clock.advance(LISTEN_AGAIN_S)
        self.assertEqual(len(rig.reactor.sockets), 1)
        self.assertNotEqual(rig.channel.unable(), str(why))
