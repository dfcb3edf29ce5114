"""The sandbox clouds, and every kind of cloud channel talking to them."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.application.service import IService
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.settings import CloudSettings
from gdemoi.ini import reference
from gdemoi.message import Accepted, MessageState, Outcome, Refused, Scope, Uncertain
from gdemoi.sandbox.clouds import SandboxCloudsSettings, make_service
from gdemoi.sandbox.clouds_network import BEHAVIOURS, Behaviour, tracker
from tests.cloud.net import (
    CLOUDS,
    ChannelRig,
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
    def flow(self, settings: CloudSettings, **changes: Any) -> ChannelRig:
        """Send one long question and wait until everything has come back."""
        net = Net()
        clouds(net, **changes)
        rig = ChannelRig(settings, net=net).start()
        outcome = rig.submit(message(LONG))
        self.assertIsInstance(outcome, Accepted)
        net.advance(30)
        return rig

    def test_every_kind_delivers_with_webhooks(self) -> None:
        """A message is delivered and the tracker's answer comes back, whole."""
        for name, settings in kinds().items():
            rig = self.flow(settings)
            states = [receipt.state for receipt in rig.recorder.receipts]
            self.assertIn(MessageState.DELIVERED, states, name)
            self.assertTrue(
                all(receipt.message_id == "g1" for receipt in rig.recorder.receipts),
                name,
            )
            texts = "".join(
                inbound.text or ""
                for inbound in sorted(
                    rig.recorder.inbounds, key=lambda i: i.part.number if i.part else 0
                )
            )
            self.assertIn("ok, 55.7558N 37.6173E, Внуково", texts, name)
            self.assertTrue(
                all(
                    inbound.from_ == "+79001234567" for inbound in rig.recorder.inbounds
                ),
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
            rig = self.flow(attrs.evolve(settings, **changes))
            rig.net.advance(120)
            states = [receipt.state for receipt in rig.recorder.receipts]
            self.assertIn(MessageState.DELIVERED, states, name)
            if name != "tyntec":
                texts = [inbound.text for inbound in rig.recorder.inbounds]
                self.assertTrue(any("Внуково" in (t or "") for t in texts), name)
                self.assertEqual(len(texts), len(set(texts)), name)

    def test_an_unreachable_phone_is_undelivered(self) -> None:
        """The network's verdict comes back as a final receipt."""
        for name, settings in kinds().items():
            rig = self.flow(settings, unreachable=("+79001234567", "79001234567"))
            states = {receipt.state for receipt in rig.recorder.receipts}
            self.assertIn(MessageState.UNDELIVERED, states, name)
            self.assertNotIn(MessageState.DELIVERED, states, name)

    def test_doubled_and_disordered_receipts_lose_nothing(self) -> None:
        """However receipts come, the delivery is among them."""
        for receipts in ("doubled", "disordered"):
            for name, settings in kinds().items():
                rig = self.flow(settings, receipts=receipts)
                states = [receipt.state for receipt in rig.recorder.receipts]
                self.assertIn(MessageState.DELIVERED, states, f"{name} {receipts}")

    def test_a_receipt_may_come_before_the_answer(self) -> None:
        """What comes before the answer is not lost, whoever it names."""
        for name, settings in kinds().items():
            net = Net()
            sandbox = clouds(net)
            rig = ChannelRig(settings, net=net).start()
            sandbox.behaviour.push("early")
            self.assertIsNone(rig.submit(message("hello")))
            net.advance(2)
            early = [r for r in rig.recorder.receipts if r.message_id == "g1"]
            # Tyntec's are hints about an id that we have not got yet
            self.assertEqual(bool(early), name != "tyntec", name)
            net.advance(30)
            states = [receipt.state for receipt in rig.recorder.receipts]
            self.assertIn(MessageState.DELIVERED, states, name)


class BehaviourTests(SynchronousTestCase):
    def outcome(self, settings: CloudSettings, *behaviour: str) -> Outcome:
        """Return what comes of one send, however long it takes."""
        net = Net()
        sandbox = clouds(net)
        sandbox.behaviour.push(*behaviour)
        rig = ChannelRig(settings, net=net).start()
        outcome = rig.submit(message("hello"), 65)
        assert outcome is not None, behaviour
        stopped = rig.channel.stop(0)
        net.advance(60)
        self.successResultOf(stopped)
        return outcome

    def test_each_misbehaviour_has_its_outcome(self) -> None:
        """Throttled twice, a fault, endless, cut, slow, lost: for every kind."""
        for name, settings in kinds().items():
            throttled = self.outcome(settings, "429", "429")
            assert isinstance(throttled, Refused), name
            self.assertTrue(throttled.throttled, name)
            for behaviour in ("500", "slow", "reset", "huge", "lost", "html"):
                outcome = self.outcome(settings, behaviour)
                self.assertIsInstance(outcome, Uncertain, f"{name} {behaviour}")
            away = self.outcome(settings, "redirect")
            assert isinstance(away, Refused), name
            self.assertEqual(away.scope, Scope.CHANNEL_HALTED, name)
            good = self.outcome(settings, "429", "ok")
            self.assertIsInstance(good, Accepted, name)
            self.assertIsInstance(self.outcome(settings, "early"), Accepted, name)

    def test_wrong_credentials_halt(self) -> None:
        """Every provider knows who is asking."""
        for settings in (
            twilio(base_url=CLOUDS, auth_token="x"),
            vonage(base_url=CLOUDS, api_secret="x"),
            vonage(base_url=CLOUDS, api="messages", api_secret="x"),
            textlocal(base_url=CLOUDS, api_key="wrong-key"),
            tyntec(base_url=CLOUDS, api_key="x"),
        ):
            outcome = self.outcome(settings)
            assert isinstance(outcome, Refused), settings
            self.assertEqual(outcome.scope, Scope.CHANNEL_HALTED)

    def test_a_careless_gateway_would_be_found_out(self) -> None:
        """What the providers' helpfulness would change arrives as it was sent."""
        text = "setparam a;B " + "x" * 150
        for settings in kinds().values():
            net = Net()
            sandbox = clouds(net)
            ChannelRig(settings, net=net).start().submit(message(text))
            self.assertEqual("".join(sms.text for sms in sandbox.network.sent), text)

    def test_words_go_round_and_round(self) -> None:
        """Those that were pushed come first."""
        behaviour = Behaviour(("429", "ok"))
        behaviour.push("500")
        self.assertEqual(
            [behaviour.next() for _ in range(4)], ["500", "429", "ok", "429"]
        )

    def test_a_tracker_answers_questions(self) -> None:
        """And nothing else."""
        self.assertIsNone(tracker("setparam 1"))
        answer = tracker("getinfo?")
        assert answer is not None
        self.assertTrue(answer[0].startswith("getinfo: ok"))


class ServiceTests(SynchronousTestCase):
    def test_the_service_listens(self) -> None:
        """As `twistd gdemoi-sandbox` starts it."""
        reactor = MemoryReactorClock()
        service = make_service(SandboxCloudsSettings(), reactor)
        self.assertTrue(IService.providedBy(service))
        service.privilegedStartService()
        service.startService()
        ((port, _, _, interface),) = reactor.tcpServers
        self.assertEqual((port, interface), (22080, "127.0.0.1"))

    def test_settings(self) -> None:
        """Unknown behaviours are complained about; secrets are not shown."""
        settings = SandboxCloudsSettings(behaviour=("ok", "x"))
        self.assertEqual([key for key, _ in settings.complaints()], ["behaviour"])
        self.assertEqual(list(SandboxCloudsSettings().complaints()), [])
        self.assertNotIn("s3cr3tXY", repr(settings))
        for one in reference(SandboxCloudsSettings):
            self.assertTrue(one.doc)
        self.assertEqual(len(set(BEHAVIOURS)), len(BEHAVIOURS))
