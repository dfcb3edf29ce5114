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
from gdemoi.sandbox.tg_box import HONEST
from gdemoi.sandbox.tg_dialects import DIALECTS
from gdemoi.yeastar.channel import KIND
from gdemoi.yeastar.encoded import TgEncodedMessage
from tests.yeastar.world import TO, World


class ChannelCase(SynchronousTestCase):
    """Every test ends with a stop that leaves no timer."""

    def world(self, *args: object, **more: object) -> World:
        """Return a world that is taken down after the test."""
        world = World(*args, **more)  # type: ignore[arg-type]
        self.addCleanup(self.close, world)
        return world

    def close(self, world: World) -> None:
        """Stop, and look for what was left."""
        self.assertEqual(world.close(), [])


class SendingTests(ChannelCase):
    def test_sends_in_every_dialect(self) -> None:
        """Login, send and the tracker's answer, with the words of each firmware."""
        for dialect in DIALECTS:
            world = self.world(dialect=dialect).up()
            verifyObject(IChannel, world.channel)
            self.assertIsNone(world.channel.unable())
            outcomes = world.submit('  set "x" + 1%\\?')
            self.assertEqual(outcomes, [])
            world.later(4.0)
            (accepted,) = outcomes
            assert isinstance(accepted, Accepted)
            self.assertFalse(accepted.receipt_expected)
            self.assertEqual(accepted.line, "1")
            self.assertEqual(world.box.air, {(TO, '  set "x" + 1%\\?'): 1})
            world.later(5.0)
            (inbound,) = world.house.inbounds
            self.assertEqual(inbound.from_, TO)
            self.assertEqual(
                inbound.text, '  set "x" + 1%\\: ok, 55.7558N 37.6173E, Внуково'
            )
            self.assertEqual(inbound.line, "1")

    def test_t08_late_result(self) -> None:
        """An SMS without a result is unsure; the result that comes is told late."""
        world = self.world().up()
        world.box.plan.append("late")
        outcomes = world.submit()
        world.later(61.0)
        (unsure,) = outcomes
        assert isinstance(unsure, Uncertain)
        self.assertEqual(world.house.lates, [])
        world.later(40.0)
        ((message_id, attempt, outcome),) = world.house.lates
        self.assertEqual((message_id, attempt), ("m1", 1))
        assert isinstance(outcome, Accepted)
        self.assertEqual(outcome.provider_ids, unsure.provider_ids)
        self.assertEqual(world.on_air(), 1)

    def test_t09_unanswered_command(self) -> None:
        """Silence after the command: unsure, a new connection, no second SMS."""
        world = self.world().up()
        world.box.plan.append("silent")
        outcomes = world.submit()
        world.later(30.0)
        self.assertIsInstance(outcomes[0], Uncertain)
        self.assertEqual(world.connections, 2)
        self.assertIsNone(world.channel.unable())
        self.assertEqual(world.on_air(), 1)

    def test_cut_in_mid_send(self) -> None:
        """A cut line is unsure, whether or not the SMS had left by then."""
        for fate, sent in (("cut-before", 0), ("cut-after", 1)):
            world = self.world().up()
            world.box.plan.append(fate)
            outcomes = world.submit()
            world.later(1.0)
            (unsure,) = outcomes
            self.assertIsInstance(unsure, Uncertain)
            world.later(60.0)
            self.assertEqual(world.on_air(), sent)
            self.assertIsNone(world.channel.unable())

    def test_t16_result_on_the_next_connection(self) -> None:
        """A result for our own SMS counts for it alone, over a reconnection."""
        world = self.world().up()
        outcomes = world.submit()
        world.later(1.0)
        world.box.usual = "none"
        world.cut()
        self.assertIsInstance(outcomes[0], Uncertain)
        world.later(1.5)
        second = world.submit("other", "m2")
        world.later(20.0)
        self.assertEqual([late[:2] for late in world.house.lates], [("m1", 1)])
        self.assertEqual(second, [])

    def test_what_the_device_never_speaks_of_is_told_to_be_unanswered(self) -> None:
        """No result, or no answer at all; not what a good connection's end cut off."""
        for fates, unanswered in (
            (["none"], True),
            (["silent"], True),
            (["cut-after"], True),
            (["ok", "cut-after"], False),
            (["odd"], False),
        ):
            world = self.world(2).up()
            world.box.plan.extend(fates)
            for number in range(len(fates)):
                outcomes = world.submit(message_id=f"m{number}")
                world.later(20.0)
            world.later(60.0)
            (unsure,) = outcomes
            assert isinstance(unsure, Uncertain)
            self.assertEqual(unsure.unanswered, unanswered, fates)

    def test_results_that_contradict_a_refusal(self) -> None:
        """Status 0 or an error, then Status 1: it is out, and not tried again."""
        for fate in ("failed-sent", "error-sent"):
            world = self.world().up()
            world.box.plan.append(fate)
            outcomes = world.submit()
            world.later(10.0)
            self.assertIsInstance(outcomes[0], Refused)
            ((message_id, attempt, outcome),) = world.house.lates
            self.assertEqual((message_id, attempt), ("m1", 1))
            self.assertIsInstance(outcome, Accepted)

    def test_several_results_for_a_long_sms_prove_nothing(self) -> None:
        """They may be about its segments."""
        world = self.world().up()
        world.box.plan.append("failed-sent")
        outcomes = world.submit("x" * 200, class_=MessageClass.NOTIFICATION)
        world.later(10.0)
        self.assertIsInstance(outcomes[0], Refused)
        self.assertEqual(world.house.lates, [])

    def test_t07_failed(self) -> None:
        """Status 0 is a refusal that another try may mend."""
        world = self.world().up()
        world.box.plan.append("failed")
        outcomes = world.submit()
        world.later(4.0)
        (refused,) = outcomes
        assert isinstance(refused, Refused)
        self.assertEqual(refused.error.code, "yeastar:0")
        self.assertEqual(world.on_air(), 0)

    def test_t10_denied(self) -> None:
        """The channel is unable until someone acts, or some minutes pass."""
        world = self.world().up()
        world.box.plan.append("denied")
        (refused,) = world.submit()
        assert isinstance(refused, Refused)
        self.assertIs(refused.scope, Scope.CHANNEL_UNTIL_MENDED)
        self.assertEqual(world.channel.unable(), "port 1: Permission denied")
        self.assertEqual(world.house.changes[-1], ("1", "down", "Permission denied"))
        world.later(301.0)
        self.assertIsNone(world.channel.unable())
        self.assertEqual(world.house.changes[-1], ("1", "up", ""))

    def test_someone_who_acted_need_not_wait(self) -> None:
        """`resume` of the channel unblocks its ports at once."""
        world = self.world().up()
        world.box.plan.append("denied")
        world.submit()
        self.assertIsNotNone(world.channel.unable())
        IHalting(world.channel).mended()
        self.assertIsNone(world.channel.unable())
        self.assertEqual(world.house.changes[-1], ("1", "up", ""))

    def test_window_counts_ready_ports(self) -> None:
        """What the lane may send is what ports can take now."""
        world = self.world(ports=2).up()
        self.assertEqual(world.channel.window, 2)
        first = world.submit("one", "m1")
        self.assertEqual(world.channel.window, 2)
        second = world.submit("two", "m2")
        self.assertEqual(world.channel.window, 2)
        world.later(4.0)
        self.assertEqual((len(first), len(second)), (1, 1))
        self.assertEqual(world.channel.window, 0)
        before = world.house.ables
        world.later(7.0)
        self.assertEqual(world.channel.window, 2)
        self.assertGreater(world.house.ables, before)
        self.assertEqual({aired.port for aired in world.box.last}, {1, 2})

    def test_never_too_fast(self) -> None:
        """Twenty SMS given at once leave at the devices' pace, each once."""
        world = self.world(ports=4).up()
        waiting = [f"m{number}" for number in range(20)]
        done = []
        while waiting or not all(done):
            while waiting and world.channel.window > sum(not one for one in done):
                name = waiting.pop()
                done.append(world.submit(f"text {name}", name))
            world.later(1.0)
        self.assertEqual(world.on_air(), 20)
        self.assertEqual(world.box.doubles(), [])
        self.assertEqual(world.box.too_fast, 0)

    def test_split_notification(self) -> None:
        """Parts leave in order by one port, each after its rest."""
        world = self.world(ports=2, max_line=300).up()
        text = "Слово за словом. " * 6
        outcomes = world.submit(text, class_=MessageClass.NOTIFICATION)
        world.later(60.0)
        (accepted,) = outcomes
        assert isinstance(accepted, Accepted)
        self.assertGreater(len(accepted.provider_ids), 1)
        self.assertEqual("".join(aired.text for aired in world.box.last), text)
        self.assertEqual(len({aired.port for aired in world.box.last}), 1)
        self.assertEqual(world.box.too_fast, 0)

    def test_split_notification_in_part(self) -> None:
        """What went out of it is not sent again when a part is refused."""
        world = self.world(max_line=300).up()
        world.box.plan.extend(["ok", "failed"])
        text = "Слово за словом. " * 6
        outcomes = world.submit(text, class_=MessageClass.NOTIFICATION)
        world.later(30.0)
        (refused,) = outcomes
        assert isinstance(refused, Refused)
        self.assertTrue(refused.throttled)
        self.assertEqual(world.on_air(), 1)

    def test_split_notification_resubmitted(self) -> None:
        """The same `Prepared` goes on where it stood."""
        world = self.world(max_line=300).up()
        world.box.plan.extend(["ok", "failed"])
        text = "Слово за словом. " * 6
        prepared = world.channel.prepare(
            Outbound(id="m", to=TO, accepted_at=0.0, expires_at=1e12, text=text)
        )
        assert isinstance(prepared, TgEncodedMessage)
        first = world.resubmit(prepared)
        world.later(30.0)
        self.assertIsInstance(first[0], Refused)
        second = world.resubmit(prepared)
        world.later(120.0)
        self.assertIsInstance(second[0], Accepted)
        self.assertEqual("".join(aired.text for aired in world.box.last), text)
        self.assertEqual(world.box.doubles(), [])

    def test_split_notification_after_a_restart(self) -> None:
        """A channel made anew goes on where the other stood (field report A1)."""
        text = "Слово за словом. " * 6
        for fate, kind in (("failed", Refused), ("silent", Uncertain)):
            world = self.world(max_line=300).up()
            world.box.plan.extend(["ok", fate])
            outcomes = world.submit(text, class_=MessageClass.NOTIFICATION)
            world.later(400.0)
            (outcome,) = outcomes
            assert isinstance(outcome, kind), outcome
            progress = outcome.progress
            assert progress is not None
            self.assertEqual(progress.taken, 1)
            self.assertEqual(progress.provider_ids, (progress.ids[0],))
            message = Outbound(
                id="m1", to=TO, accepted_at=0.0, expires_at=1e12, text=text
            )
            again = world.channel.resume(message, progress)
            assert again is not None
            self.assertEqual((again.taken, again.pinned), (1, 1))
            accepted = world.resubmit(again)
            world.later(400.0)
            assert isinstance(accepted[0], Accepted)
            self.assertEqual(accepted[0].provider_ids[0], progress.ids[0])
            first, *_ = again.pieces
            before = world.box.air[TO, text[: len(first.segments) * 70]]
            self.assertLessEqual(before, 1)
            other = self.world(max_line=200).up()
            self.assertIsNone(other.channel.resume(message, progress))

    def test_a_long_command_that_the_network_did_not_take(self) -> None:
        """A phone may have its first SMS: no second try of a command (A1)."""
        for text, fields, sure in (
            ("x" * 300, {}, False),
            ("x" * 300, {"class_": MessageClass.NOTIFICATION}, True),
            ("x" * 100, {}, True),
        ):
            world = self.world().up()
            world.box.plan.append("failed")
            outcomes = world.submit(text, **fields)
            world.later(60.0)
            (outcome,) = outcomes
            self.assertIsInstance(outcome, Refused if sure else Uncertain)

    def test_split_notification_given_up(self) -> None:
        """A part that is refused again and again ends it, for good."""
        world = self.world(max_line=300, interval_s=1.0).up()
        world.box.plan.extend(["ok", *["failed"] * 9])
        prepared = world.channel.prepare(
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
            outcomes = world.resubmit(prepared)
            world.later(30.0)
            (refused,) = outcomes
            assert isinstance(refused, Refused)
            if not refused.throttled:
                break
        self.assertEqual(tries, 4)
        self.assertFalse(refused.error.retryable)
        self.assertEqual(refused.error.code, "yeastar:partly_sent")
        self.assertEqual(world.on_air(), 1)

    def test_not_connected(self) -> None:
        """Without a connection nothing leaves, and another try may do."""
        world = self.world()
        world.line_works = False
        world.up()
        (refused,) = world.submit()
        assert isinstance(refused, Refused)
        self.assertTrue(refused.error.retryable)
        self.assertIs(refused.scope, Scope.CHANNEL_FOR_A_WHILE)


class FatesTests(ChannelCase):
    @given(
        st.lists(st.sampled_from(HONEST), min_size=1, max_size=8),
        st.lists(st.floats(0.0, 20.0), max_size=3),
        st.sampled_from(sorted(DIALECTS)),
    )
    @settings(max_examples=40)
    def test_what_is_said_of_an_sms_is_true(
        self, fates: list[str], cuts: list[float], dialect: str
    ) -> None:
        """Accepted was sent once, refused was not sent, nothing was sent twice.

        Whatever the device does with each SMS, and whenever the line is cut.
        """
        world = World(ports=2, dialect=dialect).up()
        world.box.plan.extend(fates)
        outcomes = {}
        for number in range(len(fates)):
            outcomes[f"text {number}"] = world.submit(f"text {number}", f"m{number}")
            if cuts:
                world.later(cuts.pop())
                world.cut()
            world.later(3.0)
        world.later(400.0)
        for text, told in outcomes.items():
            (outcome,) = told
            on_air = world.box.air[(TO, text)]
            match outcome:
                case Accepted():
                    self.assertEqual(on_air, 1)
                case Refused():
                    self.assertEqual(on_air, 0)
                case Uncertain():
                    self.assertLessEqual(on_air, 1)
        for message_id, _, late in world.house.lates:
            on_air = world.box.air[(TO, f"text {message_id[1:]}")]
            self.assertEqual(on_air, int(isinstance(late, Accepted)))
        self.assertEqual(world.box.too_fast, 0)
        self.assertEqual(world.close(), [])


class ConnectionTests(ChannelCase):
    def test_t03_refused_login(self) -> None:
        """Not tried again within a minute; the reason is told once."""
        world = self.world(password="wrong#secret").up()
        self.assertEqual(world.connections, 1)
        self.assertEqual(world.channel.unable(), "login refused: Authentication failed")
        world.later(58.0)
        self.assertEqual(world.connections, 1)
        world.later(62.0)
        self.assertEqual(world.connections, 3)
        self.assertEqual(len(world.house.changes), 1)
        told = f"{world.house.changes} {world.channel.describe()}"
        self.assertNotIn("wrong#secret", told + repr(world.settings))

    def test_t03_hung_up_at_once(self) -> None:
        """Who is not on the device's list backs off: 1, 2, 4 … 60 s."""
        world = self.world()
        world.box.permitted = False
        world.up()
        self.assertEqual(world.connections, 2)
        seen = []
        for _ in range(8):
            before, since = world.connections, world.clock.seconds()
            while world.connections == before:
                world.later(0.25)
            seen.append(round(world.clock.seconds() - since))
        self.assertEqual(seen, [2, 4, 8, 16, 32, 60, 60, 60])

    def test_t04_silent_login(self) -> None:
        """No answer to the login: dropped after ten seconds, then a pause."""
        world = self.world()
        world.box.mute.add("login")
        world.up()
        world.later(8.75)
        self.assertEqual(world.connections, 1)
        world.later(2.0)
        self.assertEqual(world.connections, 2)

    def test_t28_no_pong(self) -> None:
        """A device that does not answer pings is connected anew."""
        world = self.world(poll_interval_s=0.0).up()
        world.box.mute.add("ping")
        outcomes = world.submit()
        world.later(28.0)
        world.box.usual = "none"
        world.later(15.0)
        self.assertEqual(world.connections, 2)
        self.assertIsInstance(outcomes[0], Accepted)

    def test_t29_refused_a_hundred_times(self) -> None:
        """The pause stays at a minute, and the house hears of it once."""
        world = self.world()
        world.line_works = False
        world.up()
        world.later(100 * 60.0)
        self.assertGreater(world.connections, 95)
        self.assertLess(world.connections, 115)
        self.assertEqual([change[1] for change in world.house.changes], ["down"])
        world.line_works = True
        world.later(61.0)
        self.assertIsNone(world.channel.unable())
        self.assertEqual(world.house.changes[1][:2], (None, "up"))

    def test_the_rest_of_a_port_outlives_a_connection(self) -> None:
        """After a reconnection the same SIM still rests."""
        world = self.world().up()
        world.submit("one", "m1")
        world.later(4.0)
        world.cut()
        world.later(1.5)
        self.assertIsNone(world.channel.unable())
        self.assertEqual(world.channel.window, 0)
        world.submit("two", "m2")
        world.later(20.0)
        self.assertEqual(world.on_air(), 2)
        self.assertEqual(world.box.too_fast, 0)

    def test_stop_waits_for_what_is_under_way(self) -> None:
        """An unanswered SMS gets its grace; then comes the goodbye."""
        world = self.world().up()
        outcomes = world.submit()
        stopping = world.channel.stop(20.0)
        self.assertEqual(world.channel.unable(), "stopping")
        world.later(2.0)
        self.assertFalse(stopping.called)
        world.later(2.0)
        self.assertIsInstance(outcomes[0], Accepted)
        self.assertTrue(stopping.called)
        self.assertEqual(world.box.listeners, [])

    def test_stop_without_grace(self) -> None:
        """What is under way then is unsure."""
        world = self.world().up()
        outcomes = world.submit()
        stopping = world.channel.stop(0.0)
        world.later(3.0)
        self.assertTrue(stopping.called)
        self.assertIsInstance(outcomes[0], Uncertain)


class InboundTests(ChannelCase):
    def test_t24_the_journal_is_down(self) -> None:
        """A TG never repeats: what comes is kept, and recorded once, in order."""
        world = self.world(dialect="2025").up()
        world.house.journal_works = False
        for number in range(3):
            world.box.incoming(1, "+79005550000", f"alarm {number}")
        world.later(100.0)
        self.assertEqual(world.house.inbounds, [])
        self.assertEqual(world.channel.describe()["unrecorded_sms"], 3)
        self.assertLess(world.house.offered, 12)
        world.house.journal_works = True
        world.later(31.0)
        texts = [inbound.text for inbound in world.house.inbounds]
        self.assertEqual(texts, ["alarm 0", "alarm 1", "alarm 2"])
        self.assertEqual(len({one.dedup for one in world.house.inbounds}), 3)
        world.later(100.0)
        self.assertEqual(len(world.house.inbounds), 3)
        self.assertEqual(world.channel.describe()["unrecorded_sms"], 0)

    def test_t24_stopped_meanwhile(self) -> None:
        """A stop waits for the journal within its grace, and leaves no timer."""
        world = self.world().up()
        world.house.journal_works = False
        world.box.incoming(1, "+79005550000", "alarm")
        world.later(1.0)
        stopping = world.channel.stop(10.0)
        world.later(2.0)
        self.assertFalse(stopping.called)
        world.house.journal_works = True
        world.later(6.0)
        self.assertTrue(stopping.called)
        self.assertEqual(len(world.house.inbounds), 1)

    def test_long_sms_in_segments(self) -> None:
        """Each goes up as it comes, under one reference."""
        world = self.world(dialect="2025").up()
        text = "Длинный ответ трекера: " * 5
        world.box.incoming(1, "+79005550000", text)
        world.later(1.0)
        self.assertEqual(len(world.house.inbounds), 1)
        world.later(10.0)
        parts = [inbound.part for inbound in world.house.inbounds]
        self.assertEqual([part.number for part in parts if part], [1, 2])
        self.assertEqual(len({part.reference for part in parts if part}), 1)
        self.assertEqual("".join(one.text or "" for one in world.house.inbounds), text)


class OperatorTests(ChannelCase):
    def test_describe(self) -> None:
        """Ports are lines, with what the device tells of them."""
        world = self.world(ports=2, numbers={"1": "+79161112233"})
        world.box.ports[2].status = "Power on, Provisioned, Undetected SIM Card"
        world.up()
        told = world.channel.describe()
        why = f"port 2: {told['lines'][1]['reason']}"
        self.assertEqual((told["state"], told["reason"]), ("degraded", why))
        self.assertIn("sim card", why)
        self.assertEqual(told["device"], "Asterisk Call Manager/1.1")
        first, second = told["lines"]
        self.assertEqual(
            {name: first[name] for name in ("name", "state", "signal", "number")},
            {"name": "1", "state": "up", "signal": 24, "number": "+79161112233"},
        )
        self.assertEqual(first["operator"], "Sandbox Mobile")
        self.assertEqual(first["imsi"], "250010000000002")
        self.assertEqual(
            (second["state"], second["reason"]), ("down", "undetected sim card")
        )
        self.assertIn(("2", "down", "undetected sim card"), world.house.changes)
        self.assertNotIn("apipass", str(told))

    def test_t27_a_port_comes_and_goes(self) -> None:
        """The next poll finds it, and the house hears of the line."""
        world = self.world(ports=1).up()
        world.box.ports[1].status = "Power on, Provisioned, Unregistered Network"
        world.later(61.0)
        self.assertEqual(world.channel.unable(), "port 1: unregistered network")
        world.box.ports[1].status = None
        world.later(61.0)
        self.assertIsNone(world.channel.unable())
        self.assertEqual(
            world.house.changes[-2:],
            [("1", "down", "unregistered network"), ("1", "up", "")],
        )

    def test_ussd(self) -> None:
        """The network's answer, in its letters; SMS wait behind it."""
        world = self.world().up()
        answer = world.channel.command("1", "ussd", ["*100#"])
        outcomes = world.submit()
        world.later(1.0)
        self.assertNoResult(answer)
        self.assertEqual(world.on_air(), 0)
        world.later(2.0)
        self.assertEqual(
            self.successResultOf(answer), "*100#: баланс 123.45 р.\r\n\r\nспасибо"
        )
        world.later(4.0)
        self.assertIsInstance(outcomes[0], Accepted)
        failing = world.channel.command("1", "ussd", ["123"])
        world.later(2.0)
        failure = self.failureResultOf(failing, Unavailable)
        self.assertIn("USSD failed", str(failure.value))

    def test_other_verbs(self) -> None:
        """Power, AT and show; unknown lines, verbs and arguments are our fault."""
        world = self.world().up()
        channel = world.channel
        rebooting = channel.command("1", "reboot", [])
        world.later(1.0)
        self.assertIn("Power on span 2", self.successResultOf(rebooting))
        showing = channel.command("1", "show", [])
        world.later(1.0)
        self.assertIn("State: READY", self.successResultOf(showing))
        at = channel.command("1", "at", ["AT+CSQ"])
        world.later(1.0)
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
        world = self.world()
        self.failureResultOf(world.channel.command("1", "show", []), Unavailable)
        world.up()
        world.box.mute.add("smscommand")
        waiting = world.channel.command("1", "show", [])
        world.later(11.0)
        self.failureResultOf(waiting, Unavailable)

    def test_cannot_be_asked(self) -> None:
        """There is no query for an SMS."""
        world = self.world()
        self.assertIsNone(
            self.successResultOf(world.channel.ask(None, ()))  # type: ignore[arg-type]
        )

    def test_kind(self) -> None:
        """The kind makes channels over TCP from its settings."""
        world = World()
        around = evolve(world.surroundings(), reactor=reactor)
        channel = KIND.make("tg", world.settings, [], around)
        self.assertEqual((channel.name, channel.account), ("tg", "tg"))
        self.assertEqual(channel.unable(), "idle")
