"""Lines that keep alive and do not do their part."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.interfaces import IHalting
from gdemoi.message import Accepted, Outcome, Refused, Uncertain
from tests.goip.rig import HOME, SECOND, Rig, line_settings


class SilentLineTests(SynchronousTestCase):
    """The one line of a channel: when is it chosen again?"""

    def setUp(self) -> None:
        self.rig = Rig({"a": line_settings()})
        self.rig.register("a")
        self.rig.heard()

    def rests(self) -> float:
        """Return how long the line rests from now on, its keepalives going on."""
        attempt = self.rig.clock.seconds()
        while self.rig.channel.unable() is not None:
            self.rig.pass_time(1)
            if int(self.rig.clock.seconds() - attempt) % 30 == 0:
                self.rig.register("a")
        return self.rig.clock.seconds() - attempt

    def silent(self) -> list[Outcome]:
        """Submit one SMS, and let the line say nothing to it."""
        self.rig.register("a")
        outcomes = self.rig.submit()
        self.rig.pass_time(20)
        self.assertEqual(len(outcomes), 1)
        return outcomes

    def test_silence_rests_longer_each_time(self) -> None:
        """Ten seconds, twice as long each time, a quarter of an hour."""
        rests = []
        for _ in range(9):
            self.silent()
            rests.append(round(self.rests()))
        self.assertEqual(rests, [10, 20, 40, 80, 160, 320, 640, 900, 900])

    def test_success_is_a_new_beginning(self) -> None:
        """After an SMS that went well silence counts from one again."""
        for _ in range(3):
            self.silent()
            self.rests()
        self.went_well()
        self.silent()
        self.assertEqual(round(self.rests()), 10)

    def test_someone_who_acted_need_not_wait(self) -> None:
        """`resume` of the channel lets its lines rest no longer."""
        for _ in range(3):
            self.silent()
            self.rests()
        self.silent()
        self.assertIsNotNone(self.rig.channel.unable())
        IHalting(self.rig.channel).end_halt()
        self.assertIsNone(self.rig.channel.unable())

    def went_well(self) -> None:
        """Send one SMS well."""
        self.rig.register("a")
        outcomes = self.rig.submit()
        sendid = self.rig.until_send()
        self.rig.say(f"OK {sendid} 1 7\n")
        self.rig.say(f"DONE {sendid}\n")
        self.assertIsInstance(outcomes[0], Accepted)
        self.rig.pass_time(3)

    def test_silence_after_send(self) -> None:
        """Nobody knows of the SMS, but the line is as silent."""
        rests = []
        for _ in range(3):
            self.rig.register("a")
            outcomes = self.rig.submit()
            self.rig.until_send()
            self.rig.pass_time(20)
            self.assertIsInstance(outcomes[0], Uncertain)
            rests.append(round(self.rests()))
        self.assertEqual(rests, [10, 20, 40])

    def test_a_late_verdict_ends_the_rest(self) -> None:
        """The device was slow, and works."""
        self.rig.submit()
        sendid = self.rig.until_send()
        self.rig.pass_time(20)
        self.assertIsNotNone(self.rig.channel.unable())
        self.rig.say(f"OK {sendid} 1 7\n")
        self.assertIsNone(self.rig.channel.unable())
        self.assertEqual(self.rig.channel.lines["a"].failed_sends, 0)

    def test_refused_requests(self) -> None:
        """A line that says `too many sessions` to each request."""
        rests = []
        for _ in range(4):
            self.rig.submit()
            self.rig.say(f"ERROR {self.rig.sendid()} too many sessions\n")
            self.rig.say(f"DONE {self.rig.sendid()}\n")
            rests.append(round(self.rests()))
            self.rig.register("a")
        self.assertEqual(rests, [10, 20, 40, 80])

    def test_keepalives_say_login_and_answers_say_logout(self) -> None:
        """Its keepalive is believed once; then it rests."""
        rests = []
        for _ in range(4):
            self.rig.pass_time(3)
            self.rig.submit()
            sendid = self.rig.until_send()
            self.rig.say(f"ERROR {sendid} GSM_LOGOUT\n")
            self.rig.say(f"DONE {sendid}\n")
            self.rig.register("a")
            rests.append(round(self.rests()))
        self.assertEqual(rests, [0, 10, 20, 40])

    def test_lost_exchanges(self) -> None:
        """A device that forgets each exchange is left alone too."""
        outcomes = self.rig.submit()
        for _ in range(3):
            self.rig.say(f"ERROR {self.rig.until_send()} SENDID\n")
        self.assertIsInstance(outcomes[0], Refused)
        self.assertEqual(self.rig.channel.unable(), "1 the device loses its exchanges")

    def test_wrong_password_is_capped(self) -> None:
        """Five minutes at first, never over a quarter of an hour."""
        rests = []
        for _ in range(3):
            self.rig.submit()
            self.rig.say(f"ERROR {self.rig.sendid()} PASSWORD\n")
            self.rig.say(f"DONE {self.rig.sendid()}\n")
            rests.append(round(self.rests()))
            self.rig.register("a")
        self.assertEqual(rests, [300, 600, 900])


class OnTrialTests(SynchronousTestCase):
    """A line that was silent, beside one that works."""

    def setUp(self) -> None:
        self.rig = Rig({"a": line_settings(), "b": line_settings()})
        self.rig.register("a", HOME)
        self.rig.register("b", SECOND)
        self.rig.submit(to="+79165550001", from_="a")
        self.rig.pass_time(31)
        self.rig.register("a", HOME)
        self.rig.register("b", SECOND)
        self.rig.heard()

    def test_one_sms_tries_it_out(self) -> None:
        """Others do not queue behind the one that may wait in vain."""
        for number in range(4):
            self.rig.submit(to=f"+7916555100{number}")
        lines = self.rig.channel.lines
        self.assertEqual(len(lines["a"].waiting), 0)
        self.assertIsNotNone(lines["a"].exchange)
        self.assertEqual(len(lines["b"].waiting), 2)

    def test_a_known_number_does_not_queue_there_either(self) -> None:
        """The tracker's line is on trial and busy: the other one sends."""
        self.rig.session.sender.affinity.note("+79165550007", "a")
        self.rig.submit(to="+79165550007")
        self.assertIsNotNone(self.rig.channel.lines["a"].exchange)
        self.rig.submit(to="+79165550007")
        self.assertIsNotNone(self.rig.channel.lines["b"].exchange)

    def test_alone_it_takes_what_there_is(self) -> None:
        """Without another line they wait their turn."""
        self.rig.pass_time(96)
        self.rig.register("a", HOME)
        first = self.rig.submit(to="+79165550007")
        second = self.rig.submit(to="+79165550008")
        self.assertEqual((first, second), ([], []))
        self.assertEqual(len(self.rig.channel.lines["a"].waiting), 1)
