"""The channel against the sandbox's box over a bad network: never a double SMS."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Accepted, Outcome, Refused, Uncertain
from gdemoi.sandbox.goip_box import BoxLine, GoipBox, GoipPersonality
from gdemoi.sandbox.goip_net import LinkQuality, MemoryNetwork
from tests.goip.rig import Rig, line_settings


class BoxRig:
    """A rig whose socket is the sandbox's network with one box behind it."""

    def __init__(
        self,
        quality: LinkQuality,
        personality: GoipPersonality | None = None,
        lines: int = 2,
        seed: int = 1,
        **settings: object,
    ) -> None:
        names = [f"line{n}" for n in range(lines)]
        self.rig = Rig(
            {
                name: line_settings(password=f"pw-{name}", min_interval_s=0.0)
                for name in names
            },
            seed=seed,
            **settings,
        )
        self.clock: Clock = self.rig.clock
        self.network = MemoryNetwork(self.clock, quality, seed)
        self.network.attach(self.rig.channel.protocol)
        self.box = GoipBox(self.clock)
        for n, name in enumerate(names):
            self._plug(n, name, personality or GoipPersonality())
        self.rig.pass_time(125, 1)

    def _plug(self, n: int, name: str, personality: GoipPersonality) -> None:
        lines: list[BoxLine] = []
        send = self.network.plug(
            ("192.0.2.9", 10991 + n), lambda datagram: lines[0].receive(datagram)
        )
        lines.append(self.box.add(name, f"pw-{name}", f"+7900{n}", send, personality))
        lines[0].start()

    def send(self, count: int, to: str = "+7926000{:04d}") -> dict[str, list[Outcome]]:
        """Submit SMS with texts of their own; let all end."""
        outcomes = {}
        for n in range(count):
            text = f"command {n}?"
            outcomes[text] = self.rig.submit(text, to=to.format(n))
            self.rig.pass_time(0.5, 0.1)
        for _ in range(600):
            if all(outcomes.values()):
                break
            self.rig.pass_time(1.0, 0.1)
        return outcomes

    def air(self) -> dict[str, int]:
        """Return how often each text really went out."""
        return {text: count for (_, text), count in self.box.air.items()}


EXPECTED = {Accepted: {1}, Refused: {0}, Uncertain: {0, 1}}


class LossyTests(SynchronousTestCase):
    def check(self, rig: BoxRig, outcomes: dict[str, list[Outcome]]) -> None:
        """Compare what is said of each SMS with what went on the air."""
        self.assertEqual(rig.box.doubles(), {})
        air = rig.air()
        for text, received in outcomes.items():
            (outcome,) = received
            self.assertIn(air.get(text, 0), EXPECTED[type(outcome)], (text, outcome))
            if isinstance(outcome, Accepted) and outcome.provider_ids:
                self.assertEqual(self.named(rig, outcome.provider_ids[0]), text)
        self.assertEqual(rig.network.strangers, [])

    def named(self, rig: BoxRig, provider_id: str) -> str:
        """Return the text of the SMS that a provider id names."""
        line, sms_no, _ = provider_id.split(":")
        aired = {(one.line, str(one.sms_no)): one.text for one in rig.box.last}
        return aired[line, sms_no]

    def test_thirty_percent_lost(self) -> None:
        """With 30 % loss each way every SMS goes out, once, and is answered."""
        rig = BoxRig(
            LinkQuality(loss=0.3, doubled=0.05, delay_s=0.3),
            GoipPersonality(repeats=15),
            answer_timeout_s=1.0,
            repeats=12,
            poll_interval_s=1.0,
        )
        outcomes = rig.send(20)
        self.check(rig, outcomes)
        self.assertEqual(
            {type(received[0]) for received in outcomes.values()}, {Accepted}
        )
        rig.rig.pass_time(60, 0.5)
        recorder = rig.rig.recorder
        self.assertEqual(len(recorder.inbounds), 20)
        self.assertEqual(len(recorder.matched), 20)
        self.assertGreater(rig.network.up.lost + rig.network.down.lost, 50)

    def test_ordinary_timers_in_a_storm(self) -> None:
        """With the default timers and 40 % loss, what is said is still true."""
        rig = BoxRig(LinkQuality(loss=0.4, doubled=0.1, delay_s=1.0), lines=3)
        self.check(rig, rig.send(15))

    def test_personalities(self) -> None:
        """Each misbehaviour ends in an outcome that agrees with the air."""
        for personality, kind in (
            (GoipPersonality(waits_forever=True), Uncertain),
            (GoipPersonality(silent_to=frozenset({"SEND"})), Uncertain),
            (GoipPersonality(silent_to=frozenset({"MSG"})), Refused),
            (GoipPersonality(wrong_password=True), Refused),
            (GoipPersonality(rejects="busy"), Refused),
            (GoipPersonality(gsm_logout=True), Refused),
            (GoipPersonality(forgets=True), Refused),
            (GoipPersonality(ok_form="old"), Accepted),
            (GoipPersonality(ok_form="blank"), Accepted),
            (GoipPersonality(pushes_verdict=False), Accepted),
            (GoipPersonality(fails={"+79260000000": "38"}), Refused),
            (GoipPersonality(fails={"+79260000000": ""}), Refused),
        ):
            rig = BoxRig(LinkQuality(), personality, lines=1)
            outcomes = rig.send(1)
            self.check(rig, outcomes)
            ((outcome,),) = outcomes.values()
            self.assertIsInstance(outcome, kind, personality)

    @settings(max_examples=25)
    @given(
        st.floats(0, 0.6),
        st.floats(0, 0.3),
        st.floats(0, 1.5),
        st.floats(0.1, 8),
        st.booleans(),
        st.integers(0, 1000),
    )
    def test_any_weather(
        self,
        loss: float,
        doubled: float,
        delay_s: float,
        sending_s: float,
        pushes: bool,
        seed: int,
    ) -> None:
        """Whatever the network does: no double SMS, no false word about one."""
        rig = BoxRig(
            LinkQuality(loss=loss, doubled=doubled, delay_s=delay_s),
            GoipPersonality(sending_s=max(sending_s, delay_s), pushes_verdict=pushes),
            seed=seed,
            answer_timeout_s=2.0,
            poll_interval_s=2.0,
        )
        if rig.rig.channel.unable() is None:
            outcomes = rig.send(4)
            self.check(
                rig, {t: received for t, received in outcomes.items() if received}
            )
            self.assertTrue(all(outcomes.values()))
