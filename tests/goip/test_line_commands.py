"""Line commands: spelling, repeats, answers, and what is not asked."""

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault, Unavailable
from tests.goip.rig import HOME, SECOND, Rig, line_settings


class OrderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig({"a": line_settings()})
        self.rig.register("a")
        self.rig.heard()

    def ask(self, verb: str, *arguments: str):  # type: ignore[no-untyped-def]
        """Order something; return (Deferred, datagram, sendid)."""
        asked = self.rig.channel.command("a", verb, arguments)
        _, datagram, address = self.rig.socket.written[-1]
        self.assertEqual(address, HOME)
        return asked, datagram, int(datagram.split()[1])

    def test_spelling(self) -> None:
        """Each command as the 2015 document spells it, without a newline."""
        for verb, arguments, expected in (
            ("ussd", ["*100#"], "USSD {} password1 *100#"),
            ("number", [], "get_gsm_num {} password1"),
            ("set-number", ["+7916"], "set_gsm_num {} +7916 password1"),
            ("reboot", [], "svr_reboot_module {} password1"),
            ("reboot-device", [], "svr_reboot_dev {} password1"),
            ("state", [], "get_gsm_state {} password1"),
            ("imei", [], "get_imei {} password1"),
            ("drop-call", [], "svr_drop_call {} password1"),
        ):
            asked, datagram, sendid = self.ask(verb, *arguments)
            self.assertEqual(datagram.decode(), expected.format(sendid))
            self.rig.say(f"{datagram.split()[0].decode()} {sendid} fine\n")
            self.successResultOf(asked)

    def test_ussd(self) -> None:
        """The answer comes back with its lines, and the exchange is closed."""
        asked, _, sendid = self.ask("ussd", "*100#")
        self.rig.heard()
        self.rig.say(f"USSD {sendid} Баланс: 12,30 р.\nСпасибо")
        self.assertEqual(self.successResultOf(asked), "Баланс: 12,30 р.\nСпасибо")
        self.assertEqual([one for _, one in self.rig.heard()], [f"DONE {sendid}\n"])

    def test_balance(self) -> None:
        """The line's own code is dialled, and the answer is shown."""
        asked, datagram, sendid = self.ask("balance")
        self.assertIn(b" *100#", datagram)
        self.rig.say(f"USSD {sendid} 12.30 RUB\n")
        self.assertEqual(self.successResultOf(asked), "12.30 RUB")
        self.assertNotIn("balance", self.rig.channel.describe()["lines"][0]["told"])
        shown = self.rig.channel.describe()["lines"][0]["balance"]
        self.assertEqual(shown, "12.30 RUB")

    def test_ussd_faults(self) -> None:
        """USSDERROR, ERROR and the vendor's literal text are failures."""
        for answer in (
            "USSDERROR {} no network",
            "ERROR {} x",
            "USSD {} USSD send failed!",
        ):
            asked, _, sendid = self.ask("ussd", "*100#")
            self.rig.say(answer.format(sendid))
            self.failureResultOf(asked, Unavailable)

    def test_ussd_is_repeated_once(self) -> None:
        """After 30 s once more, since an earlier repeat breaks the dialogue."""
        asked, _, _ = self.ask("ussd", "*100#")
        self.rig.heard()
        self.rig.pass_time(61)
        sent = [(at, one.split()[0]) for at, one in self.rig.heard()]
        self.assertEqual(sent, [(30.0, "USSD"), (60.0, "DONE")])
        self.assertIn("no answer", str(self.failureResultOf(asked, Unavailable)))

    def test_harmless_questions_are_repeated(self) -> None:
        """A question goes four times at 5 s, then nobody answers."""
        asked, _, _ = self.ask("number")
        self.rig.pass_time(20)
        self.assertEqual([at for at, _ in self.rig.heard()], [0.0, 5.0, 10.0, 15.0])
        self.failureResultOf(asked, Unavailable)

    def test_reboot_is_asked_once(self) -> None:
        """A restart whose answer was lost is not asked for again."""
        asked, _, _ = self.ask("reboot")
        self.rig.pass_time(60)
        self.assertEqual(len(self.rig.heard()), 1)
        self.failureResultOf(asked, Unavailable)

    def test_colon_answer(self) -> None:
        """`GSM:id;…` has no credentials; it counts from the line's address."""
        asked, _, sendid = self.ask("info")
        answer = f"GSM:{sendid};get_gsm_num:(null);get_gsm_state:IDLE"
        self.rig.say(answer, SECOND)
        self.assertNoResult(asked)
        self.rig.say(answer)
        self.assertEqual(
            self.successResultOf(asked), "get_gsm_num:(null);get_gsm_state:IDLE"
        )

    def test_value_is_not_told_twice(self) -> None:
        """`set_gsm_num i num ok` answers ok."""
        asked, _, sendid = self.ask("set-number", "+7916")
        self.rig.say(f"set_gsm_num {sendid} +7916 ok\n")
        self.assertEqual(self.successResultOf(asked), "ok")

    def test_what_is_not_asked(self) -> None:
        """Unknown lines, verbs and values are our own fault, and not written."""
        for line, verb, arguments in (
            ("z", "number", []),
            ("a", "set_imei", ["1"]),
            ("a", "number", ["+7916"]),
            ("a", "ussd", []),
            ("a", "ussd", ["*100# password1"]),
            ("a", "ussd", ["*100#\nDONE 1"]),
            ("a", "set-number", ["+7 9"]),
        ):
            asked = self.rig.channel.command(line, verb, arguments)
            self.failureResultOf(asked, OurFault)
        self.assertEqual(self.rig.heard(), [])

    def test_an_unknown_verb_is_told_all_there_are(self) -> None:
        """Also `balance`, which dials the line's code."""
        asked = self.rig.channel.command("a", "dance", [])
        reported = str(self.failureResultOf(asked, OurFault).value)
        for verb in ("ussd", "balance", "reboot-device"):
            self.assertIn(verb, reported)

    def test_busy_or_down(self) -> None:
        """One command at a time; none to a line that is away."""
        first, _, sendid = self.ask("number")
        second = self.rig.channel.command("a", "state", [])
        self.failureResultOf(second, Unavailable)
        self.rig.say(f"get_gsm_num {sendid} 7916\n")
        self.assertEqual(self.successResultOf(first), "7916")
        self.rig.pass_time(120)
        self.failureResultOf(self.rig.channel.command("a", "state", []), Unavailable)

    def test_stop_ends_it(self) -> None:
        """Nobody waits for a command of a stopped channel."""
        asked, _, _ = self.ask("number")
        self.successResultOf(self.rig.channel.stop(0))
        self.failureResultOf(asked, Unavailable)
        self.assertEqual(self.rig.clock.getDelayedCalls(), [])

    def test_sms_and_command_at_one_time(self) -> None:
        """An exchange and a command of one line do not mix."""
        outcomes = self.rig.submit()
        sms = self.rig.sendid()
        asked, _, sendid = self.ask("number")
        self.assertNotEqual(sms, sendid)
        self.rig.say(f"PASSWORD {sms}\n")
        self.rig.say(f"get_gsm_num {sendid} 7916\n")
        self.assertEqual(self.successResultOf(asked), "7916")
        self.rig.say(f"SEND {sms}\n")
        self.rig.say(f"OK {sms} 1 5\n")
        self.assertEqual(len(outcomes), 1)
