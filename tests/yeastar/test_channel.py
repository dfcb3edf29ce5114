"""The channel against the sandbox's TG box, in memory."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from gdemoi.errors import OurFault, Unavailable
from gdemoi.interfaces import IChannel, IHalting
from gdemoi.message import (
    Accepted,
    MessageClass,
    Outbound,
    Refused,
    Scope,
    Uncertain,
)
from gdemoi.sandbox.tg_box import TRUTHFUL_BEHAVIOURS
from gdemoi.sandbox.tg_dialects import DIALECTS
from gdemoi.yeastar.channel import KIND
from gdemoi.yeastar.encoded import TgEncodedMessage
from tests.yeastar.rig import TO, Rig


class ChannelCase(SynchronousTestCase):
    """Every test ends with a stop that leaves no timer."""

    def rig(self, *args: object, **more: object) -> Rig:
        """Return a world that is taken down after the test."""
        rig = Rig(*args, **more)  # type: ignore[arg-type]
        self.addCleanup(self.close, rig)
        return rig

    def close(self, rig: Rig) -> None:
        """Stop, and look for what was left."""
        self.assertEqual(rig.close(), [])


class SendingTests(ChannelCase):
    def test_sends_in_every_dialect(self) -> None:
        """Login, send and the tracker's answer, with the words of each firmware."""
        for dialect in DIALECTS:
            rig = self.rig(dialect=dialect).up()
            verifyObject(IChannel, rig.channel)
            self.assertIsNone(rig.channel.unable())
            outcomes = rig.submit('  set "x" + 1%\\?')
            self.assertEqual(outcomes, [])
            rig.later(4.0)
            (accepted,) = outcomes
            assert isinstance(accepted, Accepted)
            self.assertFalse(accepted.receipt_expected)
            self.assertEqual(accepted.line, "1")
            self.assertEqual(rig.box.air, {(TO, '  set "x" + 1%\\?'): 1})
            rig.later(5.0)
            (inbound,) = rig.recorder.inbounds
            self.assertEqual(inbound.from_, TO)
            self.assertEqual(
                inbound.text, '  set "x" + 1%\\: ok, 55.7558N 37.6173E, Внуково'
            )
            self.assertEqual(inbound.line, "1")

    def test_late_result(self) -> None:
        """An SMS without a result is unsure; the result that comes is told late."""
        rig = self.rig().up()
        rig.box.plan.append("late")
        outcomes = rig.submit()
        rig.later(61.0)
        (unsure,) = outcomes
        assert isinstance(unsure, Uncertain)
        self.assertEqual(rig.recorder.lates, [])
        rig.later(40.0)
        ((message_id, attempt, outcome),) = rig.recorder.lates
        self.assertEqual((message_id, attempt), ("m1", 1))
        assert isinstance(outcome, Accepted)
        self.assertEqual(outcome.provider_ids, unsure.provider_ids)
        self.assertEqual(rig.on_air(), 1)

    def test_unanswered_command(self) -> None:
        """Silence after the command: unsure, a new connection, no second SMS."""
        rig = self.rig().up()
        rig.box.plan.append("silent")
        outcomes = rig.submit()
        rig.later(30.0)
        self.assertIsInstance(outcomes[0], Uncertain)
        self.assertEqual(rig.connections, 2)
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.on_air(), 1)

    def test_cut_in_mid_send(self) -> None:
        """A cut line is unsure, whether or not the SMS had left by then."""
        for behaviour, sent in (("cut-before", 0), ("cut-after", 1)):
            rig = self.rig().up()
            rig.box.plan.append(behaviour)
            outcomes = rig.submit()
            rig.later(1.0)
            (unsure,) = outcomes
            self.assertIsInstance(unsure, Uncertain)
            rig.later(60.0)
            self.assertEqual(rig.on_air(), sent)
            self.assertIsNone(rig.channel.unable())

    def test_result_on_the_next_connection(self) -> None:
        """A result for our own SMS counts for it alone, over a reconnection."""
        rig = self.rig().up()
        outcomes = rig.submit()
        rig.later(1.0)
        rig.box.usual = "none"
        rig.cut()
        self.assertIsInstance(outcomes[0], Uncertain)
        rig.later(1.5)
        second = rig.submit("other", "m2")
        rig.later(20.0)
        self.assertEqual([late[:2] for late in rig.recorder.lates], [("m1", 1)])
        self.assertEqual(second, [])

    def test_what_the_device_never_speaks_of_is_told_to_be_unanswered(self) -> None:
        """No result, or no answer at all; not what a good connection's end cut off."""
        for behaviours, unanswered in (
            (["none"], True),
            (["silent"], True),
            (["cut-after"], True),
            (["ok", "cut-after"], False),
            (["odd"], False),
        ):
            rig = self.rig(2).up()
            rig.box.plan.extend(behaviours)
            for number in range(len(behaviours)):
                outcomes = rig.submit(message_id=f"m{number}")
                rig.later(20.0)
            rig.later(60.0)
            (unsure,) = outcomes
            assert isinstance(unsure, Uncertain)
            self.assertEqual(unsure.unanswered, unanswered, behaviours)

    def test_results_that_contradict_a_refusal(self) -> None:
        """Status 0 or an error, then Status 1: it is out, and not tried again."""
        for behaviour in ("failed-sent", "error-sent"):
            rig = self.rig().up()
            rig.box.plan.append(behaviour)
            outcomes = rig.submit()
            rig.later(10.0)
            self.assertIsInstance(outcomes[0], Refused)
            ((message_id, attempt, outcome),) = rig.recorder.lates
            self.assertEqual((message_id, attempt), ("m1", 1))
            self.assertIsInstance(outcome, Accepted)

    def test_several_results_for_a_long_sms_prove_nothing(self) -> None:
        """They may be about its segments."""
        rig = self.rig().up()
        rig.box.plan.append("failed-sent")
        outcomes = rig.submit("x" * 200, class_=MessageClass.NOTIFICATION)
        rig.later(10.0)
        self.assertIsInstance(outcomes[0], Refused)
        self.assertEqual(rig.recorder.lates, [])

    def test_failed(self) -> None:
        """Status 0 is a refusal that another try may mend."""
        rig = self.rig().up()
        rig.box.plan.append("failed")
        outcomes = rig.submit()
        rig.later(4.0)
        (refused,) = outcomes
        assert isinstance(refused, Refused)
        self.assertEqual(refused.error.code, "yeastar:0")
        self.assertEqual(rig.on_air(), 0)

    def test_denied(self) -> None:
        """The channel is unable until someone acts, or some minutes pass."""
        rig = self.rig().up()
        rig.box.plan.append("denied")
        (refused,) = rig.submit()
        assert isinstance(refused, Refused)
        self.assertIs(refused.scope, Scope.CHANNEL_HALTED)
        self.assertEqual(rig.channel.unable(), "port 1: Permission denied")
        self.assertEqual(rig.recorder.changes[-1], ("1", "down", "Permission denied"))
        rig.later(301.0)
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.recorder.changes[-1], ("1", "up", ""))

    def test_someone_who_acted_need_not_wait(self) -> None:
        """`resume` of the channel unblocks its ports at once."""
        rig = self.rig().up()
        rig.box.plan.append("denied")
        rig.submit()
        self.assertIsNotNone(rig.channel.unable())
        IHalting(rig.channel).end_halt()
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.recorder.changes[-1], ("1", "up", ""))

    def test_window_counts_ready_ports(self) -> None:
        """What the lane may send is what ports can take now."""
        rig = self.rig(ports=2).up()
        self.assertEqual(rig.channel.window, 2)
        first = rig.submit("one", "m1")
        self.assertEqual(rig.channel.window, 2)
        second = rig.submit("two", "m2")
        self.assertEqual(rig.channel.window, 2)
        rig.later(4.0)
        self.assertEqual((len(first), len(second)), (1, 1))
        self.assertEqual(rig.channel.window, 0)
        before = rig.recorder.ables
        rig.later(7.0)
        self.assertEqual(rig.channel.window, 2)
        self.assertGreater(rig.recorder.ables, before)
        self.assertEqual({aired.port for aired in rig.box.last}, {1, 2})

    def test_never_too_fast(self) -> None:
        """Twenty SMS given at once leave at the devices' pace, each once."""
        rig = self.rig(ports=4).up()
        waiting = [f"m{number}" for number in range(20)]
        done = []
        while waiting or not all(done):
            while waiting and rig.channel.window > sum(not one for one in done):
                name = waiting.pop()
                done.append(rig.submit(f"text {name}", name))
            rig.later(1.0)
        self.assertEqual(rig.on_air(), 20)
        self.assertEqual(rig.box.doubles(), [])
        self.assertEqual(rig.box.too_fast, 0)

    def test_split_notification(self) -> None:
        """Parts leave in order by one port, each after its rest."""
        rig = self.rig(ports=2, max_line=300).up()
        text = "Слово за словом. " * 6
        outcomes = rig.submit(text, class_=MessageClass.NOTIFICATION)
        rig.later(60.0)
        (accepted,) = outcomes
        assert isinstance(accepted, Accepted)
        self.assertGreater(len(accepted.provider_ids), 1)
        self.assertEqual("".join(aired.text for aired in rig.box.last), text)
        self.assertEqual(len({aired.port for aired in rig.box.last}), 1)
        self.assertEqual(rig.box.too_fast, 0)

    def test_split_notification_in_part(self) -> None:
        """What went out of it is not sent again when a part is refused."""
        rig = self.rig(max_line=300).up()
        rig.box.plan.extend(["ok", "failed"])
        text = "Слово за словом. " * 6
        outcomes = rig.submit(text, class_=MessageClass.NOTIFICATION)
        rig.later(30.0)
        (refused,) = outcomes
        assert isinstance(refused, Refused)
        self.assertTrue(refused.throttled)
        self.assertEqual(rig.on_air(), 1)

    def test_split_notification_resubmitted(self) -> None:
        """The same `Prepared` goes on where it stood."""
        rig = self.rig(max_line=300).up()
        rig.box.plan.extend(["ok", "failed"])
        text = "Слово за словом. " * 6
        prepared = rig.channel.prepare(
            Outbound(id="m", to=TO, accepted_at=0.0, expires_at=1e12, text=text)
        )
        assert isinstance(prepared, TgEncodedMessage)
        first = rig.resubmit(prepared)
        rig.later(30.0)
        self.assertIsInstance(first[0], Refused)
        second = rig.resubmit(prepared)
        rig.later(120.0)
        self.assertIsInstance(second[0], Accepted)
        self.assertEqual("".join(aired.text for aired in rig.box.last), text)
        self.assertEqual(rig.box.doubles(), [])

    def test_split_notification_after_a_restart(self) -> None:
        """A channel made anew goes on where the other stood."""
        text = "Слово за словом. " * 6
        for behaviour, kind in (("failed", Refused), ("silent", Uncertain)):
            rig = self.rig(max_line=300).up()
            rig.box.plan.extend(["ok", behaviour])
            outcomes = rig.submit(text, class_=MessageClass.NOTIFICATION)
            rig.later(400.0)
            (outcome,) = outcomes
            assert isinstance(outcome, kind), outcome
            progress = outcome.progress
            assert progress is not None
            self.assertEqual(progress.taken, 1)
            self.assertEqual(progress.provider_ids, (progress.ids[0],))
            message = Outbound(
                id="m1", to=TO, accepted_at=0.0, expires_at=1e12, text=text
            )
            again = rig.channel.resume(message, progress)
            assert again is not None
            self.assertEqual((again.taken, again.pinned), (1, 1))
            accepted = rig.resubmit(again)
            rig.later(400.0)
            assert isinstance(accepted[0], Accepted)
            self.assertEqual(accepted[0].provider_ids[0], progress.ids[0])
            first, *_ = again.pieces
            before = rig.box.air[TO, text[: len(first.segments) * 70]]
            self.assertLessEqual(before, 1)
            other = self.rig(max_line=200).up()
            self.assertIsNone(other.channel.resume(message, progress))

    def test_a_long_command_that_the_network_did_not_take(self) -> None:
        """A phone may have its first SMS: no second try of a command."""
        for text, fields, sure in (
            ("x" * 300, {}, False),
            ("x" * 300, {"class_": MessageClass.NOTIFICATION}, True),
            ("x" * 100, {}, True),
        ):
            rig = self.rig().up()
            rig.box.plan.append("failed")
            outcomes = rig.submit(text, **fields)
            rig.later(60.0)
            (outcome,) = outcomes
            self.assertIsInstance(outcome, Refused if sure else Uncertain)

    def test_split_notification_given_up(self) -> None:
        """A part that is refused again and again ends it, for good."""
        rig = self.rig(max_line=300, interval_s=1.0).up()
        rig.box.plan.extend(["ok", *["failed"] * 9])
        prepared = rig.channel.prepare(
            Outbound(
                id="m",
                to=TO,
                accepted_at=0.0,
                expires_at=1e12,
                text="Слово за словом. " * 6,
            )
        )
        tries = 0
        while True:
            tries += 1
            outcomes = rig.resubmit(prepared)
            rig.later(30.0)
            (refused,) = outcomes
            assert isinstance(refused, Refused)
            if not refused.throttled:
                break
        self.assertEqual(tries, 4)
        self.assertFalse(refused.error.retryable)
        self.assertEqual(refused.error.code, "yeastar:partly_sent")
        self.assertEqual(rig.on_air(), 1)

    def test_not_connected(self) -> None:
        """Without a connection nothing leaves, and another try may do."""
        rig = self.rig()
        rig.line_works = False
        rig.up()
        (refused,) = rig.submit()
        assert isinstance(refused, Refused)
        self.assertTrue(refused.error.retryable)
        self.assertIs(refused.scope, Scope.CHANNEL_FOR_A_WHILE)


class FatesTests(ChannelCase):
    @given(
        st.lists(st.sampled_from(TRUTHFUL_BEHAVIOURS), min_size=1, max_size=8),
        st.lists(st.floats(0.0, 20.0), max_size=3),
        st.sampled_from(sorted(DIALECTS)),
    )
    @settings(max_examples=40)
    def test_what_is_said_of_an_sms_is_true(
        self, behaviours: list[str], cuts: list[float], dialect: str
    ) -> None:
        """Accepted was sent once, refused was not sent, nothing was sent twice.

        Whatever the device does with each SMS, and whenever the line is cut.
        """
        rig = Rig(ports=2, dialect=dialect).up()
        rig.box.plan.extend(behaviours)
        outcomes = {}
        for number in range(len(behaviours)):
            outcomes[f"text {number}"] = rig.submit(f"text {number}", f"m{number}")
            if cuts:
                rig.later(cuts.pop())
                rig.cut()
            rig.later(3.0)
        rig.later(400.0)
        for text, reported in outcomes.items():
            (outcome,) = reported
            on_air = rig.box.air[(TO, text)]
            match outcome:
                case Accepted():
                    self.assertEqual(on_air, 1)
                case Refused():
                    self.assertEqual(on_air, 0)
                case Uncertain():
                    self.assertLessEqual(on_air, 1)
        for message_id, _, late in rig.recorder.lates:
            on_air = rig.box.air[(TO, f"text {message_id[1:]}")]
            self.assertEqual(on_air, int(isinstance(late, Accepted)))
        self.assertEqual(rig.box.too_fast, 0)
        self.assertEqual(rig.close(), [])


class ConnectionTests(ChannelCase):
    def test_refused_login(self) -> None:
        """Not tried again within a minute; the reason is told once."""
        rig = self.rig(password="wrong#secret").up()
        self.assertEqual(rig.connections, 1)
        self.assertEqual(rig.channel.unable(), "login refused: Authentication failed")
        rig.later(58.0)
        self.assertEqual(rig.connections, 1)
        rig.later(62.0)
        self.assertEqual(rig.connections, 3)
        self.assertEqual(len(rig.recorder.changes), 1)
        reported = f"{rig.recorder.changes} {rig.channel.describe()}"
        self.assertNotIn("wrong#secret", reported + repr(rig.settings))

    def test_hung_up_at_once(self) -> None:
        """Who is not on the device's list backs off: 1, 2, 4 … 60 s."""
        rig = self.rig()
        rig.box.permitted = False
        rig.up()
        self.assertEqual(rig.connections, 2)
        seen = []
        for _ in range(8):
            before, since = rig.connections, rig.clock.seconds()
            while rig.connections == before:
                rig.later(0.25)
            seen.append(round(rig.clock.seconds() - since))
        self.assertEqual(seen, [2, 4, 8, 16, 32, 60, 60, 60])

    def test_silent_login(self) -> None:
        """No answer to the login: dropped after ten seconds, then a pause."""
        rig = self.rig()
        rig.box.mute.add("login")
        rig.up()
        rig.later(8.75)
        self.assertEqual(rig.connections, 1)
        rig.later(2.0)
        self.assertEqual(rig.connections, 2)

    def test_no_pong(self) -> None:
        """A device that does not answer pings is connected anew."""
        rig = self.rig(poll_interval_s=0.0).up()
        rig.box.mute.add("ping")
        outcomes = rig.submit()
        rig.later(28.0)
        rig.box.usual = "none"
        rig.later(15.0)
        self.assertEqual(rig.connections, 2)
        self.assertIsInstance(outcomes[0], Accepted)

    def test_refused_a_hundred_times(self) -> None:
        """The pause stays at a minute, and the gateway hears of it once."""
        rig = self.rig()
        rig.line_works = False
        rig.up()
        rig.later(100 * 60.0)
        self.assertGreater(rig.connections, 95)
        self.assertLess(rig.connections, 115)
        self.assertEqual([change[1] for change in rig.recorder.changes], ["down"])
        rig.line_works = True
        rig.later(61.0)
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.recorder.changes[1][:2], (None, "up"))

    def test_the_rest_of_a_port_outlives_a_connection(self) -> None:
        """After a reconnection the same SIM still rests."""
        rig = self.rig().up()
        rig.submit("one", "m1")
        rig.later(4.0)
        rig.cut()
        rig.later(1.5)
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(rig.channel.window, 0)
        rig.submit("two", "m2")
        rig.later(20.0)
        self.assertEqual(rig.on_air(), 2)
        self.assertEqual(rig.box.too_fast, 0)

    def test_stop_waits_for_what_is_under_way(self) -> None:
        """An unanswered SMS gets its grace; then comes the goodbye."""
        rig = self.rig().up()
        outcomes = rig.submit()
        stopping = rig.channel.stop(20.0)
        self.assertEqual(rig.channel.unable(), "stopping")
        rig.later(2.0)
        self.assertFalse(stopping.called)
        rig.later(2.0)
        self.assertIsInstance(outcomes[0], Accepted)
        self.assertTrue(stopping.called)
        self.assertEqual(rig.box.listeners, [])

    def test_stop_without_grace(self) -> None:
        """What is under way then is unsure."""
        rig = self.rig().up()
        outcomes = rig.submit()
        stopping = rig.channel.stop(0.0)
        rig.later(3.0)
        self.assertTrue(stopping.called)
        self.assertIsInstance(outcomes[0], Uncertain)


class InboundTests(ChannelCase):
    def test_the_journal_is_down(self) -> None:
        """A TG never repeats: what comes is kept, and recorded once, in order."""
        rig = self.rig(dialect="2025").up()
        rig.recorder.journal_works = False
        for number in range(3):
            rig.box.incoming(1, "+79005550000", f"alarm {number}")
        rig.later(100.0)
        self.assertEqual(rig.recorder.inbounds, [])
        self.assertEqual(rig.channel.describe()["unrecorded_sms"], 3)
        self.assertLess(rig.recorder.offered, 12)
        rig.recorder.journal_works = True
        rig.later(31.0)
        texts = [inbound.text for inbound in rig.recorder.inbounds]
        self.assertEqual(texts, ["alarm 0", "alarm 1", "alarm 2"])
        self.assertEqual(len({one.dedup for one in rig.recorder.inbounds}), 3)
        rig.later(100.0)
        self.assertEqual(len(rig.recorder.inbounds), 3)
        self.assertEqual(rig.channel.describe()["unrecorded_sms"], 0)

    def test_stopped_meanwhile(self) -> None:
        """A stop waits for the journal within its grace, and leaves no timer."""
        rig = self.rig().up()
        rig.recorder.journal_works = False
        rig.box.incoming(1, "+79005550000", "alarm")
        rig.later(1.0)
        stopping = rig.channel.stop(10.0)
        rig.later(2.0)
        self.assertFalse(stopping.called)
        rig.recorder.journal_works = True
        rig.later(6.0)
        self.assertTrue(stopping.called)
        self.assertEqual(len(rig.recorder.inbounds), 1)

    def test_long_sms_in_segments(self) -> None:
        """Each goes up as it comes, under one reference."""
        rig = self.rig(dialect="2025").up()
        text = "Длинный ответ трекера: " * 5
        rig.box.incoming(1, "+79005550000", text)
        rig.later(1.0)
        self.assertEqual(len(rig.recorder.inbounds), 1)
        rig.later(10.0)
        parts = [inbound.part for inbound in rig.recorder.inbounds]
        self.assertEqual([part.number for part in parts if part], [1, 2])
        self.assertEqual(len({part.reference for part in parts if part}), 1)
        self.assertEqual("".join(one.text or "" for one in rig.recorder.inbounds), text)


class OperatorTests(ChannelCase):
    def test_describe(self) -> None:
        """Ports are lines, with what the device tells of them."""
        rig = self.rig(ports=2, numbers={"1": "+79161112233"})
        rig.box.ports[2].status = "Power on, Provisioned, Undetected SIM Card"
        rig.up()
        reported = rig.channel.describe()
        why = f"port 2: {reported['lines'][1]['reason']}"
        self.assertEqual((reported["state"], reported["reason"]), ("degraded", why))
        self.assertIn("sim card", why)
        self.assertEqual(reported["device"], "Asterisk Call Manager/1.1")
        first, second = reported["lines"]
        self.assertEqual(
            {name: first[name] for name in ("name", "state", "signal", "number")},
            {"name": "1", "state": "up", "signal": 24, "number": "+79161112233"},
        )
        self.assertEqual(first["operator"], "Sandbox Mobile")
        self.assertEqual(first["imsi"], "250010000000002")
        self.assertEqual(
            (second["state"], second["reason"]), ("down", "undetected sim card")
        )
        self.assertIn(("2", "down", "undetected sim card"), rig.recorder.changes)
        self.assertNotIn("apipass", str(reported))

    def test_a_port_comes_and_goes(self) -> None:
        """The next poll finds it, and the gateway hears of the line."""
        rig = self.rig(ports=1).up()
        rig.box.ports[1].status = "Power on, Provisioned, Unregistered Network"
        rig.later(61.0)
        self.assertEqual(rig.channel.unable(), "port 1: unregistered network")
        rig.box.ports[1].status = None
        rig.later(61.0)
        self.assertIsNone(rig.channel.unable())
        self.assertEqual(
            rig.recorder.changes[-2:],
            [("1", "down", "unregistered network"), ("1", "up", "")],
        )

    def test_ussd(self) -> None:
        """The network's answer, in its letters; SMS wait behind it."""
        rig = self.rig().up()
        answer = rig.channel.command("1", "ussd", ["*100#"])
        outcomes = rig.submit()
        rig.later(1.0)
        self.assertNoResult(answer)
        self.assertEqual(rig.on_air(), 0)
        rig.later(2.0)
        self.assertEqual(
            self.successResultOf(answer), "*100#: баланс 123.45 р.\r\n\r\nспасибо"
        )
        rig.later(4.0)
        self.assertIsInstance(outcomes[0], Accepted)
        failing = rig.channel.command("1", "ussd", ["123"])
        rig.later(2.0)
        failure = self.failureResultOf(failing, Unavailable)
        self.assertIn("USSD failed", str(failure.value))

    def test_other_verbs(self) -> None:
        """Power, AT and show; unknown lines, verbs and arguments are our fault."""
        rig = self.rig().up()
        channel = rig.channel
        rebooting = channel.command("1", "reboot", [])
        rig.later(1.0)
        self.assertIn("Power on span 2", self.successResultOf(rebooting))
        showing = channel.command("1", "show", [])
        rig.later(1.0)
        self.assertIn("State: READY", self.successResultOf(showing))
        at = channel.command("1", "at", ["AT+CSQ"])
        rig.later(1.0)
        self.successResultOf(at)
        for line, verb, arguments in (
            ("7", "show", []),
            ("x", "show", []),
            ("1", "explode", []),
            ("1", "ussd", []),
            ("1", "ussd", ['*100#"\r\nAction: Logoff']),
            ("1", "at", ["AT\nAction: Logoff"]),
            ("1", "at", ['AT"']),
            ("1", "on", ["please"]),
        ):
            self.failureResultOf(channel.command(line, verb, arguments), OurFault)

    def test_commands_without_a_device(self) -> None:
        """Say that it is not there; a device that falls silent, too."""
        rig = self.rig()
        self.failureResultOf(rig.channel.command("1", "show", []), Unavailable)
        rig.up()
        rig.box.mute.add("smscommand")
        waiting = rig.channel.command("1", "show", [])
        rig.later(11.0)
        self.failureResultOf(waiting, Unavailable)

    def test_cannot_be_asked(self) -> None:
        """There is no query for an SMS."""
        rig = self.rig()
        self.assertIsNone(
            self.successResultOf(rig.channel.ask(None, ()))  # type: ignore[arg-type]
        )

    def test_kind(self) -> None:
        """The kind makes channels over TCP from its settings."""
        rig = Rig()
        around = evolve(rig.context(), reactor=reactor)
        channel = KIND.make("tg", rig.settings, [], around)
        self.assertEqual((channel.name, channel.account), ("tg", "tg"))
        self.assertEqual(channel.unable(), "idle")
