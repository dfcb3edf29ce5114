"""GoIP under the real dispatcher and journal: what the platform is told."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.journal import Journal
from gdemoi.message import MessageClass, OnUnsure
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.retry import RetryPolicy
from gdemoi.routing.rules import Router
from gdemoi.sandbox.goip_box import BoxLine, GoipBox, GoipPersonality
from gdemoi.sandbox.goip_net import LinkQuality, MemoryNetwork
from tests.goip.rig import Rig, line_settings


class DispatchingTests(SynchronousTestCase):
    """A box behind a network, a gateway before it, in memory."""

    def build(
        self,
        quality: LinkQuality | None = None,
        personality: GoipPersonality | None = None,
        **settings: Any,
    ) -> None:
        self.rig = Rig(
            {"a": line_settings(min_interval_s=0.0), "b": line_settings()},
            start=False,
            **settings,
        )
        self.clock = self.rig.clock
        self.network = MemoryNetwork(self.clock, quality or LinkQuality(), 5)
        # the channel listens on the network
        self.rig.reactor.listenUDP = self._listen  # type: ignore[assignment]
        self.journal = Journal("sqlite://", self.clock, inline=True)
        self.successResultOf(self.journal.open())
        self.dispatcher = Dispatcher(
            self.journal,
            self.clock,
            Router([], ("office",)),
            [self.rig.channel],
            policy=RetryPolicy(hold_s=60.0),
        )
        self.successResultOf(Deferred.fromCoroutine(self.dispatcher.start()))
        self.addCleanup(self.journal.close)
        self.addCleanup(lambda: self.dispatcher.stop(0.0).close())
        self.box = GoipBox(self.clock)
        for n, name in enumerate(("a", "b")):
            self._plug(n, name, personality or GoipPersonality())
        self.pass_time(10)

    def _listen(self, port: int, protocol: Any, interface: str = "") -> Any:
        self.network.attach(protocol)
        return self.network

    def _plug(self, n: int, name: str, personality: GoipPersonality) -> None:
        lines: list[BoxLine] = []
        send = self.network.plug(
            ("192.0.2.9", 10991 + n), lambda datagram: lines[0].receive(datagram)
        )
        lines.append(self.box.add(name, "password1", f"+7900{n}", send, personality))
        lines[0].start()

    def pass_time(self, seconds: float) -> None:
        self.rig.pass_time(seconds, 0.1)

    def accept(self, name: str, text: str, **more: Any) -> None:
        more.setdefault("to", "+79161234567")
        message = self.rig.message(
            text,
            id=name,
            class_=MessageClass.COMMAND,
            on_unsure=OnUnsure.HOLD,
            **more,
        )
        accepting = self.dispatcher.intake.accept([(message, text.encode())])
        self.successResultOf(accepting)

    def events(self) -> list[dict[str, Any]]:
        found = self.successResultOf(self.journal.events(0, 10_000))
        return [json.loads(event.body) for event in found]

    def states(self, name: str) -> list[str]:
        told = [e for e in self.events() if e["type"] == "status"]
        return [e["state"] for e in told if e["id"] == name]

    def test_commands_and_answers_with_thirty_percent_lost(self) -> None:
        """Each command is delivered once, in order, and each answer comes in."""
        self.build(
            LinkQuality(loss=0.3, doubled=0.05, delay_s=0.2),
            GoipPersonality(repeats=20),
            answer_timeout_s=1.0,
            repeats=12,
            poll_interval_s=1.0,
        )
        texts = [f"command {n}?" for n in range(8)]
        for n, text in enumerate(texts):
            self.accept(f"c{n}", text)
        self.pass_time(240)
        self.assertEqual([one.text for one in self.box.last], texts)
        for n in range(8):
            # those at the end of the line may be told to wait for their turn
            states = [state for state in self.states(f"c{n}") if state != "waiting"]
            self.assertEqual(states, ["accepted", "submitted", "delivered"])
        inbound = [e["text"] for e in self.events() if e["type"] == "inbound"]
        self.assertEqual(len(inbound), 8)
        # one tracker, one line: it answers the number that it knows
        self.assertEqual(len({one.line for one in self.box.last}), 1)

    def test_ok_lost_and_receipt_found(self) -> None:
        """Nobody said OK, but DELIVER came: delivered, and never sent again."""
        self.build(
            personality=GoipPersonality(pushes_verdict=False, receipt_after_s=40.0)
        )
        self.accept("c1", "open")
        self.pass_time(0.5)
        # from now on the line hears nothing about this exchange
        line = next(one for one in self.box.lines.values() if one._bulks)
        line.personality = GoipPersonality(
            silent_to=frozenset({"SEND", "DONE"}), receipt_after_s=40.0,
            pushes_verdict=False,
        )  # fmt: skip
        self.pass_time(120)
        self.assertEqual(self.box.air, {("+79161234567", "open"): 1})
        self.assertEqual(self.states("c1")[-1], "delivered")

    def test_silence_is_uncertain_and_final_for_the_line(self) -> None:
        """A command whose verdict never comes is told uncertain, and kept so."""
        self.build(personality=GoipPersonality(waits_forever=True))
        self.accept("c1", "open")
        self.pass_time(300)
        self.assertEqual(self.states("c1"), ["accepted", "uncertain"])
        self.assertLessEqual(self.box.heard["MSG"], 1)

    def show(self, gsm_status: str) -> None:
        """Let all lines tell whether they are in the network."""
        for line in self.box.lines.values():
            line.stop()
            line.gsm_status = gsm_status
            line.keepalive()

    def test_lines_that_come_back_are_used_at_once(self) -> None:
        """All lost the network for a second, and the lane rested for five."""
        self.build(personality=GoipPersonality(rejects="GSM_LOGOUT"))
        lane = self.dispatcher.lanes["office"]
        for n in range(6):
            self.accept(f"c{n}", f"open {n}", to=f"+7916123456{n}")
        self.pass_time(0.5)
        self.show("LOGOUT")
        for line in self.box.lines.values():
            line.personality = GoipPersonality()
        self.pass_time(0.5)
        self.assertIsNotNone(lane.unable())
        self.show("LOGIN")
        self.pass_time(0.2)
        self.assertIsNone(self.rig.channel.unable())
        self.assertIsNone(lane.unable())
        self.pass_time(60)
        for n in range(6):
            self.assertEqual(self.states(f"c{n}")[-1], "delivered")
        self.assertEqual(self.box.doubles(), {})

    def test_a_dead_line_does_not_lose_the_message(self) -> None:
        """Silence before SEND: the message goes over the other line."""
        self.build()
        self.box.lines["a"].personality = GoipPersonality(silent_to=frozenset({"MSG"}))
        self.accept("c1", "open")
        self.pass_time(60)
        self.assertEqual(self.states("c1")[-1], "delivered")
        self.assertEqual([one.line for one in self.box.last], ["b"])
