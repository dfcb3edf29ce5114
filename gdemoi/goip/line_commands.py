"""Line commands: what may be asked of a line beside SMS, and how it answers.

Interface document of 2015-10-28, "server commands".  One request, one answer,
both in one datagram; the password stands in the request.  What may be repeated
is repeated; a restart is not, and a USSD code at most once, because each may have
been done although its answer was lost.  Changing an IMEI is not offered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from attrs import define, frozen

from gdemoi.errors import OurFault
from gdemoi.goip.datagrams import end_request, line_request

_USSD_CODE: Final = re.compile(r"[0-9*#+]{1,64}\Z")
_DIGITS: Final = re.compile(r"-?[0-9]{1,9}\Z")
_NUMBER: Final = re.compile(r"\+?[0-9]{3,20}\Z")


@frozen
class CommandVerb:
    """How one of our words is spelled to the device.

    `value` checks the argument; `good` and `bad` are the words of its answers
    (always the asked word and ERROR); `again`: repeating it does no harm.
    """

    word: str
    value: re.Pattern[str] | None = None
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    again: bool = True
    password_first: bool = False
    # the server closes the exchange with DONE
    close: bool = False


VERBS: Final[dict[str, CommandVerb]] = {
    "ussd": CommandVerb(
        "USSD", _USSD_CODE, (), ("USSDERROR",), False, password_first=True, close=True
    ),
    "ussd-exit": CommandVerb("USSDEXIT"),
    "number": CommandVerb("get_gsm_num"),
    "set-number": CommandVerb("set_gsm_num", _NUMBER),
    "state": CommandVerb("get_gsm_state"),
    "remain": CommandVerb("get_remain_time"),
    "reset-remain": CommandVerb("reset_remain_time"),
    "expiry": CommandVerb("get_exp_time"),
    "set-expiry": CommandVerb("set_exp_time", _DIGITS),
    "imei": CommandVerb("get_imei"),
    "call-interval": CommandVerb("get_out_call_interval"),
    "set-call-interval": CommandVerb("set_out_call_interval", _DIGITS),
    "drop-call": CommandVerb("svr_drop_call"),
    "cells": CommandVerb("get_cells_list"),
    "info": CommandVerb("GSM"),
    "reboot": CommandVerb("svr_reboot_module", again=False),
    "reboot-device": CommandVerb("svr_reboot_dev", again=False),
}


def order_of(verb: str, arguments: Sequence[str]) -> tuple[CommandVerb, bytes | None]:
    """Return the verb's table row and its checked argument, or raise `OurFault`."""
    row = VERBS.get(verb)
    if row is None:
        # `balance` is the channel's own: it dials the line's balance_ussd
        known = ", ".join([*VERBS, "balance"])
        raise OurFault(f"no line command {verb!r}; there are: {known}")
    wanted = 0 if row.value is None else 1
    if len(arguments) != wanted:
        raise OurFault(f"{verb} takes {wanted or 'no'} argument")
    if row.value is None:
        return row, None
    if not row.value.match(arguments[0]):
        raise OurFault(f"{verb}: {arguments[0]!r} is not a value for it")
    return row, arguments[0].encode("ascii")


@define(eq=False)
class LineCommand:
    """One line command under its sendid; `answer` or `fault` is set at its end."""

    sendid: int
    verb: CommandVerb
    value: bytes | None
    password: bytes
    answer_timeout_s: float = 5.0
    repeats: int = 3
    # for USSD: repeated once after this, 0: never; no answer after twice this
    ussd_repeat_s: float = 30.0
    answer: str | None = None
    fault: str | None = None
    deadline: float | None = None
    _left: int = 0
    _pause_s: float = 0.0

    def begin(self, now: float) -> list[bytes]:
        """Ask."""
        ussd = self.verb.word == "USSD"
        self._left = self.repeats if self.verb.again else 0
        self._pause_s = self.answer_timeout_s * (1 if self.verb.again else 4)
        if ussd:
            self._left = 1 if self.ussd_repeat_s else 0
            self._pause_s = self.ussd_repeat_s or 30.0
        return self._say(now)

    def receive(self, word: str, rest: bytes, now: float) -> list[bytes]:
        """Take an answer under our sendid."""
        if self.deadline is None:
            return []
        text = rest.decode("utf-8", "replace")
        if word == self.verb.word or word in self.verb.good:
            if word == "USSD" and text.strip() == "USSD send failed!":
                self.fault = text.strip()
            else:
                self.answer = self._without_value(text)
        elif word == "ERROR" or word in self.verb.bad:
            self.fault = f"{word} {text}"[:160].strip()
        else:
            return []
        self.deadline = None
        return [end_request(self.sendid)] if self.verb.close else []

    def tick(self, now: float) -> list[bytes]:
        """Tell that time has passed."""
        if self.deadline is None or now < self.deadline:
            return []
        if self._left == 0:
            self.fault, self.deadline = "no answer", None
            return [end_request(self.sendid)] if self.verb.close else []
        self._left -= 1
        return self._say(now)

    def _say(self, now: float) -> list[bytes]:
        self.deadline = now + self._pause_s
        values = [self.password] if self.value is None else [self.value, self.password]
        if self.verb.password_first:
            values.reverse()
        return [line_request(self.verb.word, self.sendid, values)]

    def _without_value(self, text: str) -> str:
        """``set_gsm_num i num ok`` answers ok; USSD text stays as it is."""
        if self.verb.word != "USSD" and self.value is not None:
            return text.removeprefix(self.value.decode("ascii")).strip()
        return text
