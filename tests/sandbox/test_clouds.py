"""The sandbox clouds, and every kind of cloud channel talking to them."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.settings import CloudSettings
from gdemoi.message import Accepted, State
from tests.cloud.net import (
    CLOUDS,
    House,
    Net,
    clouds,
    message,
    textlocal,
    twilio,
    tyntec,
    vonage,
)

LONG = "Внимание: автомобиль покинул геозону «Склад №1»? " * 3 + "?"


def kinds(**changes: Any) -> dict[str, CloudSettings]:
    """Return settings of each kind, all pointed at the sandbox."""
    at: dict[str, Any] = {"base_url": CLOUDS, **changes}
    return {
        "twilio": twilio(**at),
        "vonage sms": vonage(**at),
        "vonage messages": vonage(api="messages", **at),
        "textlocal": textlocal(**at),
        "tyntec": tyntec(**at),
    }


class FlowTests(SynchronousTestCase):
    def flow(self, settings: CloudSettings, **changes: Any) -> House:
        """Send one long question and wait until everything has come back."""
        net = Net()
        clouds(net, **changes)
        house = House(settings, net=net).start()
        outcome = house.submit(message(LONG))
        self.assertIsInstance(outcome, Accepted)
        net.advance(30)
        return house

    def test_every_kind_delivers_with_webhooks(self) -> None:
        """A message is delivered and the tracker's answer comes back, whole."""
        for name, settings in kinds().items():
            house = self.flow(settings)
            states = [receipt.state for receipt in house.up.receipts]
            self.assertIn(State.DELIVERED, states, name)
            self.assertTrue(
                all(receipt.message_id == "g1" for receipt in house.up.receipts), name
            )
            texts = "".join(
                inbound.text or ""
                for inbound in sorted(
                    house.up.inbounds, key=lambda i: i.part.number if i.part else 0
                )
            )
            self.assertIn("ok, 55.7558N 37.6173E, Внуково", texts, name)
            self.assertTrue(
                all(inbound.from_ == "+79001234567" for inbound in house.up.inbounds),
                name,
            )

    def test_every_kind_delivers_by_polling(self) -> None:
        """Without a public address receipts and inbound messages are asked for."""
        for name, settings in kinds(receipts="poll", inbound="poll").items():
            changes: dict[str, Any] = {}
            if name.startswith("vonage"):
                changes = {"reports": True}
            if name == "tyntec":
                changes = {"inbound": "none"}
            if name == "twilio":
                changes = {"allowed_sender": ("+14155552345",)}
            house = self.flow(attrs.evolve(settings, **changes))
            house.net.advance(120)
            states = [receipt.state for receipt in house.up.receipts]
            self.assertIn(State.DELIVERED, states, name)
            if name != "tyntec":
                texts = [inbound.text for inbound in house.up.inbounds]
                self.assertTrue(any("Внуково" in (t or "") for t in texts), name)
                self.assertEqual(len(texts), len(set(texts)), name)

    def test_an_unreachable_phone_is_undelivered(self) -> None:
        """The network's verdict comes back as a final receipt."""
        for name, settings in kinds().items():
            house = self.flow(settings, unreachable=("+79001234567", "79001234567"))
            states = {receipt.state for receipt in house.up.receipts}
            self.assertIn(State.UNDELIVERED, states, name)
            self.assertNotIn(State.DELIVERED, states, name)

    def test_doubled_and_disordered_receipts_lose_nothing(self) -> None:
        """However receipts come, the delivery is among them."""
        for receipts in ("doubled", "disordered"):
            for name, settings in kinds().items():
                house = self.flow(settings, receipts=receipts)
                states = [receipt.state for receipt in house.up.receipts]
                self.assertIn(State.DELIVERED, states, f"{name} {receipts}")

    def test_a_receipt_may_come_before_the_answer(self) -> None:
        """What comes before the answer is not lost, whoever it names."""
        for name, settings in kinds().items():
            net = Net()
            sandbox = clouds(net)
            house = House(settings, net=net).start()
            sandbox.behaviour.push("early")
            self.assertIsNone(house.submit(message("hello")))
            net.advance(2)
            early = [r for r in house.up.receipts if r.message_id == "g1"]
            # Tyntec's are hints about an id that we have not got yet
            self.assertEqual(bool(early), name != "tyntec", name)
            net.advance(30)
            states = [receipt.state for receipt in house.up.receipts]
            self.assertIn(State.DELIVERED, states, name)
