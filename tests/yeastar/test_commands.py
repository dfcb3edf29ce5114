"""One action at a time, and answers that count only for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault
from gdemoi.yeastar.ami import AmiBlock
from gdemoi.yeastar.commands import (
    VERBS,
    Action,
    ActionPurpose,
    ActionQueue,
    commands_of,
    details_of,
    refusal_of,
    sms_command,
    spans_of,
    trouble_of,
    ussd_of,
)


def answer(action_id: str | None) -> AmiBlock:
    """Return a response with that ActionID."""
    headers = {"response": b"Success"}
    if action_id is not None:
        headers["actionid"] = action_id.encode()
    return AmiBlock(headers)


class DialogueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.dialogue = ActionQueue()
        self.dialogue.ask(
            sms_command(ActionPurpose.SPANS, "gsm show spans", 10.0),
            Action(ActionPurpose.PING, "Ping", (), 5.0),
        )

    def test_one_at_a_time(self) -> None:
        """The second is written when the first was answered."""
        first = self.dialogue.pump(100.0)
        assert first is not None
        self.assertIsNone(self.dialogue.pump(100.0))
        self.assertEqual(self.dialogue.deadline, 110.0)
        self.assertEqual(
            self.dialogue.outbox(),
            b"Action: smscommand\r\nActionID: 1\r\ncommand: gsm show spans\r\n\r\n",
        )
        self.assertIs(self.dialogue.answered(answer("1"), 101.0), first)
        self.assertIsNotNone(self.dialogue.pump(102.0))
        self.assertEqual(self.dialogue.deadline, 107.0)
        self.assertFalse(self.dialogue.idle)
        self.dialogue.answered(answer(None), 103.0)
        self.assertTrue(self.dialogue.idle)
        self.assertEqual(self.dialogue.answered_at, 103.0)

    def test_other_answers(self) -> None:
        """Another's id, or an answer when nothing was asked, answers nothing."""
        self.assertIsNone(self.dialogue.answered(answer(None), 100.0))
        self.dialogue.pump(100.0)
        self.assertIsNone(self.dialogue.answered(answer("2"), 101.0))
        self.assertIsNotNone(self.dialogue.answered(answer(" 1"), 101.0))


class AnswersTests(SynchronousTestCase):
    def test_words_of_a_status(self) -> None:
        """Up in both firmwares' words; no SIM, no network or no power is not."""
        for status in (
            "Power on, Provisioned, Up, Active,Standard",
            "Power on, Up, Active, Standard",
        ):
            self.assertIsNone(trouble_of(status))
        for status, why in (
            ("Power on, Provisioned, Undetected SIM Card, Active,Standard", "sim"),
            ("Power on, Unregistered Network, Up, Active", "network"),
            ("Power off, Up", "power off"),
            ("Power on, Provisioned, Down, Active", "not up"),
            ("", "not up"),
        ):
            trouble = trouble_of(status)
            assert trouble is not None
            self.assertIn(why, trouble)

    def test_spans(self) -> None:
        """Each line of `gsm show spans` is a span; other lines are not."""
        self.assertEqual(
            spans_of("GSM span 2: Power on, Up\ngsm span 11:Power off\nhello: x\n"),
            {2: "Power on, Up", 11: "Power off"},
        )

    def test_details(self) -> None:
        """Signal, operator and the rest, with units in the names dropped."""
        reported = details_of(
            "D-channel: 2\nStatus: Power on, Up\nNetwork Name: MegaFon\n"
            "Network Status: Registered (Home network)\nSignal Quality (0,31): 30\n"
            "SIM IMSI: 250020000000001\nSIM SMS Center Number: +79168999100\n"
        )
        self.assertEqual(reported.signal, 30)
        self.assertEqual(reported.operator, "MegaFon")
        self.assertEqual(reported.registration, "Registered (Home network)")
        self.assertEqual(reported.imsi, "250020000000001")
        self.assertEqual(reported.smsc, "+79168999100")
        self.assertIsNone(details_of("Signal Quality (0,31): ?").signal)

    def test_refusals(self) -> None:
        """The phrases that say "not sent", and silence that does not."""
        down = refusal_of("No GSM running on span 2\n")
        failed = refusal_of("Command 'gsm send sms 2 +7 \"x\" 1' failed.\n")
        assert down is not None and failed is not None
        self.assertTrue(down.port_is_down)
        self.assertEqual(failed.code, "yeastar:command_failed")
        self.assertFalse(failed.port_is_down)
        self.assertIsNotNone(refusal_of("No such command 'gsm send sms'"))
        for nothing in ("", "\n", "OK", "whatever new firmware says"):
            self.assertIsNone(refusal_of(nothing))

    def test_ussd(self) -> None:
        """UCS2 in hex, plain text, both spellings of success, and failures."""
        hexed = "баланс\n\n5".encode("utf-16-be").hex().upper()
        for head in (
            "Received USSD success on span: 2",
            "Recive USSD sucess on span 2",
        ):
            output = (
                f"1:{head}\n\tUSSD Responses: 1\n\tUSSD Code: 72\n\tUSSD Len: 36\n"
                f"\tUSSD Message: {hexed}\n"
            )
            self.assertEqual(ussd_of(output), (True, "баланс\n\n5"))
        plain = (
            "1:Received USSD success on span: 2\n\tUSSD Code: 15\n\tUSSD Message: 1234"
        )
        self.assertEqual(ussd_of(plain), (True, "1234"))
        self.assertEqual(
            ussd_of("0:Send USSD timeout on span 2\n"),
            (False, "0:Send USSD timeout on span 2"),
        )

    @given(st.text(max_size=200))
    def test_any_output_is_read(self, output: str) -> None:
        """Nothing that a device may print raises."""
        trouble_of(output)
        refusal_of(output)
        self.assertIsInstance(ussd_of(output)[0], bool)
        self.assertIsInstance(spans_of(output), dict)
        details_of(output)


class CommandsTests(SynchronousTestCase):
    def test_each_verb(self) -> None:
        """The very commands."""
        self.assertEqual(
            commands_of(2, "ussd", ["*100#"], 30.0), ['gsm send ussd 2 "*100#" 30']
        )
        self.assertEqual(
            commands_of(2, "at", ["AT+CSQ"], 30.0), ["gsm send at 2 AT+CSQ"]
        )
        self.assertEqual(
            commands_of(3, "reboot", [], 30.0), ["gsm power off 3", "gsm power on 3"]
        )
        self.assertEqual(commands_of(3, "on", [], 30.0), ["gsm power on 3"])
        self.assertEqual(commands_of(3, "show", [], 30.0), ["gsm show span 3"])

    @given(st.sampled_from(VERBS), st.lists(st.text(max_size=20), max_size=2))
    def test_no_argument_becomes_another_command(
        self, verb: str, arguments: list[str]
    ) -> None:
        """One line, no more quotes than ours, or a refusal."""
        try:
            commands = commands_of(2, verb, arguments, 30.0)
        except OurFault:
            return
        for command in commands:
            self.assertTrue(command.isascii() and command.isprintable())
            self.assertEqual(command.count('"'), 2 if verb == "ussd" else 0)
