"""What a channel reports of lines and SMS, word for word where it counts."""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.inbound import MOST_PARTS, LongSmsJoiner
from gdemoi.message import Refused, Uncertain
from tests.goip.rig import Rig, line_settings


class ToldTests(SynchronousTestCase):
    def test_no_secret_of_a_keepalive_is_kept(self) -> None:
        """Whatever the device calls its password; the other facts are shown."""
        rig = Rig({"a": line_settings()})
        rig.register("a", password="password1", num="+79161112233")
        shown = repr((rig.channel.describe(), rig.channel.lines["a"].facts))
        self.assertIn("+79161112233", shown)
        self.assertNotIn("password1", shown)

    def test_states_of_a_line(self) -> None:
        """up, degraded (no network, resting), down; with the reason."""
        rig = Rig({"a": line_settings()})
        line = rig.channel.lines["a"]
        now = rig.clock.seconds()
        self.assertEqual(line.state_at(now), ("down", "no keepalive yet"))
        rig.register("a", status="LOGOUT")
        self.assertEqual(line.state_at(now), ("degraded", "GSM LOGOUT"))
        rig.register("a")
        self.assertEqual(line.state_at(now), ("up", ""))
        line.suspend("silent", now + 10)
        self.assertEqual(line.state_at(now + 9.9), ("degraded", "silent"))
        self.assertEqual(line.state_at(now + 10), ("up", ""))
        rig.pass_time(100)
        self.assertEqual(line.state_at(rig.clock.seconds()), ("down", "no keepalive"))

    def test_why_nobody_knows(self) -> None:
        """The reason of a doubt, and the line."""
        rig = Rig({"a": line_settings()})
        rig.register("a")
        outcomes = rig.submit()
        rig.until_send()
        rig.pass_time(21)
        (outcome,) = outcomes
        assert isinstance(outcome, Uncertain)
        self.assertEqual((outcome.why, outcome.line), ("no answer to SEND", "a"))

    def test_the_log_tells_an_outcome_in_words(self) -> None:
        """It printed the whole record as Python shows it."""
        rig = Rig({"a": line_settings()})
        rig.register("a")
        rig.submit()
        rig.until_send()
        with capturedLogs() as events:
            rig.pass_time(21)
        said = " ".join(map(formatEvent, events))
        self.assertIn("nobody knows whether it was sent: no answer to SEND", said)
        self.assertNotIn("Uncertain(", said)
        rig = Rig({"a": line_settings()})
        rig.register("a")
        rig.submit()
        sendid = rig.until_send()
        with capturedLogs() as events:
            rig.say(f"ERROR {sendid} 1 errorstatus:38\n")
        said = " ".join(map(formatEvent, events))
        self.assertNotIn("Refused(", said)
        self.assertIn(": refused: goip:", said)

    def test_when_to_ask_again(self) -> None:
        """Without a usable line: soon; about one line only: in a minute."""
        rig = Rig({"a": line_settings(), "b": line_settings()})
        for sender, pause_s in ((None, 5.0), ("a", 60.0)):
            (outcome,) = rig.submit(from_=sender)
            assert isinstance(outcome, Refused)
            self.assertEqual((sender, outcome.retry_after_s), (sender, pause_s))
            self.assertTrue(outcome.error.retryable)

    def test_explain_shows_the_number_as_the_line_dials_it(self) -> None:
        """With the line that the sender names."""
        local = line_settings(number_format="local", country_code="7", trunk_prefix="8")
        rig = Rig({"a": local, "b": line_settings()})
        for sender, number in (("a", "89161234567"), ("b", "+79161234567")):
            message = rig.message(to="+79161234567", from_=sender)
            prepared = rig.channel.prepare(message)
            assert not isinstance(prepared, Refused)
            self.assertIn(f" {number}", repr(prepared.wire()))


class JoinerTests(SynchronousTestCase):
    def test_how_long_parts_are_of_one_sms(self) -> None:
        """Within the window from the first one, its end not included."""
        for after_s, same in ((59.9, True), (60.0, False), (60.1, False)):
            rig = Rig(join_window_s=60.0)
            rig.register("goipid1")
            for recvid in (10, 9):
                rig.say(
                    f"RECEIVE:{recvid};id:goipid1;password:password1;srcnum:+7900;msg:x"
                )
                rig.clock.advance(after_s)
            one, two = rig.recorder.inbounds
            assert one.part is not None and two.part is not None
            found = one.part.reference == two.part.reference
            self.assertEqual((after_s, found), (after_s, same))
            self.assertEqual(one.charset, "utf8")

    def test_places_of_parts(self) -> None:
        """By the numbers that count down; what has no place of its own, after all."""
        for recvids, places in (
            ((100, 99, 98), [8, 9, 10]),
            ((100, 101, 102), [8, 7, 6]),
            ((100, 93, 92), [8, 15, None]),
            ((100, 107, 108), [8, 1, 9]),
            ((100, 100, 100), [8, 9, 10]),
        ):
            joiner = LongSmsJoiner(60.0)
            parts = [joiner.part("a", "+79", str(one), 0.0) for one in recvids]
            assert parts[0] is not None
            found = [
                one.number if one and one.reference == parts[0].reference else None
                for one in parts
            ]
            self.assertEqual((recvids, found), (recvids, places))
            self.assertTrue(all(one and 1 <= one.number <= MOST_PARTS for one in parts))
