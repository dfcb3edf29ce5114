"""A whole gateway over a TG box, in memory, with one clock: for tests of its flows."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.journal import Journal
from gdemoi.message import MessageClass, OnUnsure, Outbound
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router
from tests.yeastar.rig import Rig


class FlowTestCase(SynchronousTestCase):
    def build(self, ports: int = 1, **settings: Any) -> Rig:
        """Start the gateway over one device."""
        rig = Rig(ports, **settings)
        self.rig = rig
        self.journal = Journal("sqlite://", rig.clock, inline=True)
        self.successResultOf(self.journal.open())
        self.recorder = Dispatcher(
            self.journal, rig.clock, Router([], ("tg400",)), [rig.channel]
        )
        self.run_to_end(self.recorder.start())
        rig.later(1.0)
        self.addCleanup(self.end, self.recorder, rig)
        return rig

    def end(self, recorder: Dispatcher, rig: Rig) -> None:
        """Stop the gateway; no timer may be left."""
        stopping = Deferred.fromCoroutine(recorder.stop(1.0))
        rig.later(5.0)
        self.successResultOf(stopping)
        rig.box.stop()
        self.assertEqual(rig.clock.getDelayedCalls(), [])

    def run_to_end(self, coroutine: Any) -> Any:
        """Return what a coroutine that waits for nothing returns."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def accept(self, *names: str, **fields: Any) -> None:
        """Hand commands in, as a platform would."""
        now = self.rig.clock.seconds()
        usual: dict[str, Any] = {
            "to": "+79001234567",
            "class_": MessageClass.COMMAND,
            "on_unsure": OnUnsure.HOLD,
            "accepted_at": now,
            "expires_at": now + 7200.0,
        }
        batch = [
            (Outbound(id=name, **{"text": f"text {name}", **usual, **fields}), b"")
            for name in names
        ]
        self.successResultOf(self.recorder.intake.accept(batch))
        self.rig.flush()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one type, in order."""
        events = self.successResultOf(self.journal.events(0, 10_000))
        bodies = [json.loads(event.body) for event in events]
        return [body for body in bodies if body["type"] == kind]

    def states(self, name: str) -> list[str]:
        """Return the states that were told of a message."""
        return [body["state"] for body in self.events("status") if body["id"] == name]
