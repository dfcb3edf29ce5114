"""Verbs of operators, made into commands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import OurFault
from gdemoi.yeastar.channel_lines import VERBS, commands_of


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
