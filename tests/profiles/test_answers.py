"""Which command a text answers; times are seconds after the first command left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.profiles.answers import Answer, By, may_answer, tracker_of
from gdemoi.profiles.format import AnswerState
from tests.profiles.builders import LIBRARY, answer, profile, sent

GLM = "AT+GTGLM=gl300,1,1,2,13813888888,13913999999,,,,,{}$"
ACK = "+ACK:GTGLM,1A0102,135790246811220,,{},20101029085505,0025$"
OK, ERROR, UNKNOWN = AnswerState.OK, AnswerState.ERROR, AnswerState.UNKNOWN


class AnswerTests(SynchronousTestCase):
    def said(self, name: str, command: str, text: str) -> AnswerState | None:
        """Return what a text says of the one command that waits, by a pattern."""
        found = answer(text, sent(name, command))
        return None if found is None or found.pattern is None else found.state

    def test_by_its_key(self) -> None:
        """TR19: the serial number comes back."""
        found = answer(ACK.format("000D"), sent("queclink", GLM.format("000D")))
        expected = Answer(
            reply_to="cmd",
            state=OK,
            by=By.KEY,
            pattern="ack",
            profile="queclink",
            candidates=("cmd",),
        )
        self.assertEqual(found, expected)

    def test_the_key_of_another(self) -> None:
        """TR20: an answer to a command that is not among these is nobody's."""
        waiting = sent("queclink", GLM.format("000D"))
        self.assertIsNone(answer(ACK.format("000E"), waiting))

    def test_late_by_its_key(self) -> None:
        """TR21: it goes to the old command, not to the one in flight."""
        old = sent("queclink", GLM.format("000D"), "old")
        new = sent("queclink", GLM.format("000E"), "new", left_at=70.0, deadline=130.0)
        found = answer(ACK.format("000D"), old, new, now=80.0)
        assert found is not None
        self.assertEqual((found.reply_to, found.late), ("old", True))
        self.assertFalse(found.ambiguous)

    def test_a_report_by_itself(self) -> None:
        """TR22: an alarm takes no command's place."""
        waiting = sent("queclink", GLM.format("000D"))
        self.assertIsNone(answer("+RESP:GTSOS,1A0102,1357,,0025$", waiting))

    def test_through_the_wrong_table(self) -> None:
        """TR23: $ came as ¤; a copy is repaired."""
        text = ACK.format("000D").replace("$", "¤")
        found = answer(text, sent("queclink", GLM.format("000D")))
        assert found is not None
        self.assertEqual((found.state, found.by, found.repaired), (OK, By.KEY, True))

    def test_an_error_that_looks_like_a_success(self) -> None:
        """TR24: ``incorrect`` is no ``ok``."""
        command = "pass connect 192.168.0.1,7011,TCP"
        told = self.said("ruptela", command, "connection data incorrect")
        self.assertEqual(told, ERROR)

    def test_both_spellings(self) -> None:
        """TR25: ``Set`` and ``set``."""
        command = "pass setconnection apn,u,p,192.168.0.1,7011,TCP"
        for text in ("Set connection data ok", "set connection data ok"):
            self.assertEqual(self.said("ruptela", command, text), OK)

    def test_ok_and_er(self) -> None:
        """TR26: Omnicomm's RESET."""
        self.assertEqual(self.said("omnicomm", "*RESET#", "RESET ER"), ERROR)
        self.assertEqual(self.said("omnicomm", "*RESET#", "RESET OK"), OK)

    def test_a_misprint_of_the_maker(self) -> None:
        """TR27: CLRDOUT is answered CRLDOUT."""
        self.assertEqual(self.said("omnicomm", "*CLRDOUT 1#", "CRLDOUT OK"), OK)

    def test_sentences(self) -> None:
        """TR28: GT06 says it in words; nothing changed counts as ok."""
        for text in (
            "Cut off the fuel supply: Success!",
            "Already in the state of fuel supply cut off",
            "Already in the state of fuel supply cut off, the command is not running!",
        ):
            found = answer(text, sent("gt06", "RELAY,1#"))
            assert found is not None
            self.assertEqual((found.state, found.by), (OK, By.PATTERN))

    def test_two_that_cannot_be_told_apart(self) -> None:
        """TR29: the first takes it, and both are named."""
        first = sent("gt06", "TIMER,30#", "one", left_at=0.0)
        second = sent("gt06", "APN,x#", "two", left_at=1.0)
        found = answer("OK!", second, first, now=2.0)
        assert found is not None
        self.assertEqual((found.reply_to, found.ambiguous), ("one", True))
        self.assertEqual(found.candidates, ("one", "two"))

    def test_one_at_a_time(self) -> None:
        """TR30: the second has not left, so there is no doubt."""
        found = answer("OK!", sent("gt06", "TIMER,30#"))
        assert found is not None
        self.assertFalse(found.ambiguous)

    def test_under_another_header(self) -> None:
        """TR31: Suntech's id must be the same."""
        waiting = sent("suntech", "ST300CMD;100850000;02;StatusReq")
        found = answer("ST300STT;100850000;010;20110304;10:03:12", waiting)
        assert found is not None
        self.assertEqual((found.state, found.by), (OK, By.KEY))
        self.assertIsNone(answer("ST300STT;999999999;010;20110304", waiting))

    def test_a_cr_at_the_end(self) -> None:
        """TR32: it is no part of what is compared."""
        text = "ST300CMD;Res;100850000;010;Reset\r"
        self.assertEqual(self.said("suntech", "ST300CMD;100850000;02;Reset", text), OK)

    def test_setparam(self) -> None:
        """TR33: also for a command whose blanks are missing."""
        for command in ("setparam 2001:wap", "  setparam 2001:wap"):
            told = self.said("teltonika", command, "New value 2001:wap")
            self.assertEqual(told, OK)
            text = "WARNING: Not supported Param ID or Value detected"
            self.assertEqual(self.said("teltonika", command, text), ERROR)

    def test_answered_by_the_value(self) -> None:
        """TR34: DOUT, with a blank at the end."""
        for command in ("setdigout 1", "  setdigout 1"):
            text = "DOUT1:1 Timeout:INFINITY "
            self.assertEqual(self.said("teltonika", command, text), OK)

    def test_either_apostrophe(self) -> None:
        """TR35: U+2019 as the page has it, and the plain one."""
        for text in (
            "Param ID:99999 doesn\u2019t exist",
            "Param ID:99999 doesn't exist",
        ):
            self.assertEqual(self.said("teltonika", "  getparam 99999", text), ERROR)

    def test_letters_of_any_case(self) -> None:
        """TR36: Coban's ok, and an alarm that is none."""
        waiting = sent("coban", "reset123456")
        for text in ("reset ok", "Reset OK"):
            self.assertEqual(self.said("coban", "reset123456", text), OK)
        self.assertIsNone(answer("sensor alarm! lat:22.5", waiting))

    def test_without_a_profile(self) -> None:
        """TR37: the only command that waits takes what comes in time."""
        waiting = sent(None, "hello?")
        found = answer("hello", waiting)
        assert found is not None
        self.assertEqual((found.state, found.by), (UNKNOWN, By.ORDER))
        self.assertIsNone(answer("hello", waiting, now=61.0))

    def test_two_without_a_profile(self) -> None:
        """TR38: with two out nobody can know."""
        both = (sent(None, "a", "one"), sent(None, "b", "two"))
        self.assertIsNone(answer("hello", *both))

    def test_however_the_number_is_written(self) -> None:
        """TR39: national, international, with 00 or 810, with or without a plus."""
        tracker = "+79161234567"
        for from_ in (
            *("89161234567", "79161234567", "0079161234567", "9161234567"),
            *("81079161234567", "+79161234567"),
        ):
            found = tracker_of(from_, {tracker, "+79261234567"}, "RU")
            self.assertEqual(found, (tracker, False), from_)
        self.assertIsNone(tracker_of("89161234568", {tracker}, "RU"))

    def test_by_its_tail(self) -> None:
        """TR40: nine digits are enough while one number alone ends so."""
        tracker = "+79161234567"
        found = tracker_of("161234567", {tracker, "+79160000000"}, "RU")
        self.assertEqual(found, (tracker, True))
        both = {tracker, "+380161234567"}
        self.assertIsNone(tracker_of("161234567", both, "RU"))
        self.assertIsNone(tracker_of("61234567", {tracker}, "RU"))
        self.assertIsNone(tracker_of("MegaFon", {tracker}, "RU"))

    def test_operators_do_not_answer(self) -> None:
        """TR41: a name or a short number is never a tracker."""
        for from_ in ("MegaFon", "0500", "", "+", "+1234", "٠١٢٣٤٥٦٧٨٩"):
            self.assertFalse(may_answer(from_, "OK!"), from_)
        self.assertTrue(may_answer("+79161234567", "OK!"))

    def test_in_several_sms(self) -> None:
        """TR44: the first fits, the others come within the gap."""
        first = sent("suntech", "ST300CMD;100850000;02;Preset")
        found = answer("NTW;internet", first)
        assert found is not None
        self.assertEqual((found.state, found.part), (AnswerState.PART, 1))
        begun = sent("gt06", "PARAM#", parts=1, parts_until=20.0)
        found = answer("and so on", begun, now=10.0)
        assert found is not None
        self.assertEqual((found.state, found.part), (AnswerState.PART, 2))
        self.assertIsNone(answer("and so on", begun, now=21.0))

    def test_two_answers_by_design(self) -> None:
        """Queclink's GTRTO: the acknowledgement, then the report; no alarm."""
        command = "AT+GTRTO=gl300,1,,,,,,000F$"
        waiting = sent("queclink", command)
        report = "+RESP:GTRTL,1A0102,1357,,0027$"
        self.assertEqual(profile("queclink").read(command).answers, 2)
        self.assertIsNone(answer(report, waiting))
        begun = sent("queclink", command, parts=1, parts_until=20.0)
        found = answer(report, begun)
        assert found is not None
        self.assertEqual((found.pattern, found.part), ("report", 2))
        self.assertIsNone(answer("+RESP:GTSOS,1A0102,1357,,0027$", begun))

    def test_octets_are_no_answer(self) -> None:
        """TR52: a binary SMS, though its octets spell OK!."""
        self.assertFalse(may_answer("+79161234567", "OK!", binary=True))
        for text in (None, "", " ", "\r\n", "\0"):
            self.assertFalse(may_answer("+79161234567", text))

    def test_an_answer_that_is_an_alarm_too(self) -> None:
        """TR53: Navtelecom Signal answers by its status line: always ambiguous."""
        waiting = sent("navtelecom-signal", "1Y")
        line = "M:111 O:N{} 13.44.35 25/11/14 G:0 I:NNNNNNNN"
        found = answer(line.format("Y"), waiting)
        assert found is not None
        self.assertEqual((found.state, found.by), (OK, By.PATTERN))
        self.assertTrue(found.ambiguous)
        found = answer(line.format("N"), waiting)
        assert found is not None
        self.assertEqual((found.state, found.ambiguous), (UNKNOWN, True))
        self.assertIsNone(answer(line.format("Y")))

    def test_late_without_a_key(self) -> None:
        """What fits both goes to the one in flight; the late one is named."""
        late = sent("gt06", "TIMER,30#", "late")
        flying = sent("gt06", "APN,x#", "flying", left_at=70.0, deadline=130.0)
        found = answer("OK!", late, flying, now=80.0)
        assert found is not None
        self.assertEqual((found.reply_to, found.late), ("flying", False))
        self.assertEqual(found.candidates, ("flying", "late"))
        self.assertTrue(found.ambiguous)
        found = answer("OK!", late, now=80.0)
        assert found is not None
        self.assertTrue(found.late)

    def test_what_came_elsewhere_ranks_last(self) -> None:
        """A command whose answers come to this line goes before."""
        far = sent("gt06", "TIMER,30#", "far", reachable=False)
        near = sent("gt06", "APN,x#", "near", left_at=5.0, deadline=65.0)
        found = answer("OK!", far, near, now=6.0)
        assert found is not None
        self.assertEqual(found.candidates, ("near", "far"))

    def test_nothing_is_outstanding(self) -> None:
        """Then nothing is answered."""
        self.assertIsNone(answer("OK!"))

    @given(st.sampled_from(LIBRARY.names()), st.text(max_size=400), st.text())
    def test_any_text_is_an_answer_or_none(
        self, name: str, command: str, text: str
    ) -> None:
        """Whatever comes in, and whatever went out."""
        found = answer(text, sent(name, command))
        if found is not None:
            self.assertEqual(found.reply_to, "cmd")
