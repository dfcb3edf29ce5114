"""Exchanges that we open with a line, without any I/O: an SMS, or a line command.

Each runs under a random `sendid` of its own.  `begin`, `receive` and `tick` return
the datagrams to send; `deadline` says when the next `tick` is due.

`Exchange` sends one SMS to one number ("GOIP SMS Interface", Process for Bulk SMS).
Every datagram may be lost, doubled or late::

    MSG ──PASSWORD──▶ AUTH ──SEND──▶ SUBMIT ──OK│ERROR──▶ DONE ──DONE──▶ CLOSED

MSG, PASSWORD and DONE may be repeated freely.  SEND is repeated with the same
telid: the device remembers its last ten telids and answers with the status, it
does not send again.  After WAIT the same SEND is the poll for the status.

What is known of the SMS hangs on one fact: has SEND left us?  Before it, every end
is `SmsNotSent`.  After it, only an answer of the device proves success or failure
(`SmsSent`, `SmsFailed`); silence is `SmsUncertain`.  The device drops an exchange
90 s after MSG, so it is closed before.  DONE is sent in every case.  An OK that
comes after an ERROR contradicts it: the SMS may be out, and is not to be sent again
(`late`).

The answer "session unknown" (`ERROR sendid SENDID`) to a SEND that left us once,
and to which nothing else was ever answered, proves that it was not taken
(`ExchangeLost`).  The same answer to a repeated SEND proves nothing, as the WAIT may
have been lost.

`LineCommand` is one request and one answer (2015-10-28, "server commands"), with
the password in the request.  What may be repeated is repeated; a restart is not, and
a USSD code at most once, because each may have been done although its answer was
lost.  Changing an IMEI is not offered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

import msgspec
from attrs import define, frozen

from gdemoi.errors import OurFault
from gdemoi.goip.datagrams import (
    bulk_request,
    end_request,
    line_request,
    number_request,
    password_request,
)

TELID: Final = 1
# How long a line is suspended after what it answered, the first time.
BUSY_DEVICE_S: Final = 10.0
SILENT_DEVICE_S: Final = 10.0
WRONG_PASSWORD_S: Final = 300.0


class ExchangeStage(Enum):
    """Where the exchange stands: which of our datagrams awaits its answer."""

    MSG = "MSG"
    AUTH = "PASSWORD"
    SUBMIT = "SEND"
    DONE = "DONE"
    CLOSED = "closed"


class SmsSent(msgspec.Struct, frozen=True):
    """The device says that the network took it; `sms_no` names its receipt."""

    sms_no: str | None = None


class SmsFailed(msgspec.Struct, frozen=True):
    """The device says that the network did not take it."""

    code: int | None = None


class SmsNotSent(msgspec.Struct, frozen=True):
    """SEND never left us, or was refused unheard: another try is safe.

    `word` names the reason in error codes; the line is better suspended for
    `suspend_s`; `logged_out`: until its keepalive says LOGIN.
    """

    word: str
    why: str
    suspend_s: float = 0.0
    logged_out: bool = False


class SmsUncertain(msgspec.Struct, frozen=True):
    """SEND left us and no verdict came."""

    why: str
    # in all the time that there was
    silent: bool = False
    # the device spoke of it, and left it open
    unclear: bool = False


class ExchangeLost(msgspec.Struct, frozen=True):
    """The device does not know this exchange: open a new one."""


Result = SmsSent | SmsFailed | SmsNotSent | SmsUncertain | ExchangeLost


@frozen
class ExchangeTimers:
    """The timers of an exchange; see the settings of these names."""

    answer_timeout_s: float = 5.0
    repeats: int = 3
    poll_interval_s: float = 5.0
    session_limit_s: float = 85.0


@define(eq=False)
class Exchange:
    """The exchange that sends one SMS.

    After each step look at `result` (set once) and at `released` (the line may go
    on to its next SMS).
    """

    sendid: int
    number: bytes
    text: bytes
    password: bytes
    timers: ExchangeTimers
    stage: ExchangeStage = ExchangeStage.MSG
    result: Result | None = None
    deadline: float | None = None
    released: bool = False
    # how often SEND left us, and whether the device ever answered WAIT
    sends: int = 0
    waited: bool = False
    # the SMS stands in the line's daily count
    counted: bool = False
    # an answer after `SmsUncertain` was reported, or an OK after an ERROR
    late: SmsSent | SmsFailed | None = None
    unexpected: int = 0
    complaint: str = ""
    _repeats_left: int = 0
    _limit_at: float = 0.0

    @property
    def may_be_contradicted(self) -> bool:
        """Whether an answer to come may still change what is known of the SMS."""
        good = isinstance(self.result, SmsSent | ExchangeLost)
        return bool(self.sends) and not good

    def begin(self, now: float) -> list[bytes]:
        """Open it."""
        self._limit_at = now + self.timers.session_limit_s
        return self._enter(ExchangeStage.MSG, now)

    def receive(self, word: str, rest: bytes, now: float) -> list[bytes]:
        """Take one answer of the device under our sendid."""
        match word, self.stage:
            case "PASSWORD", ExchangeStage.MSG:
                return self._enter(ExchangeStage.AUTH, now)
            case "SEND", ExchangeStage.MSG | ExchangeStage.AUTH:
                return self._enter(ExchangeStage.SUBMIT, now)
            case "WAIT", ExchangeStage.SUBMIT:
                return self._wait(rest, now)
            case "OK", _:
                return self._ok(rest, now)
            case "ERROR", _:
                return self._error(rest, now)
            case "DONE", ExchangeStage.DONE:
                self.stage, self.released, self.deadline = (
                    ExchangeStage.CLOSED,
                    True,
                    None,
                )
            case _:
                self.unexpected += 1
        return []

    def tick(self, now: float) -> list[bytes]:
        """Tell that time has passed."""
        if self.deadline is None or now < self.deadline:
            return []
        if self.stage is ExchangeStage.DONE:
            return self._release_line(now)
        if now >= self._limit_at:
            return self._give_up(now, f"no end in {self.timers.session_limit_s:g} s")
        if not self.waited:
            if self._repeats_left == 0:
                return self._give_up(now, f"no answer to {self.stage.value}")
            self._repeats_left -= 1
        return self._say(now)

    def abort(self, now: float, why: str) -> list[bytes]:
        """End it now, whatever stands; says DONE."""
        if self.stage in (ExchangeStage.DONE, ExchangeStage.CLOSED):
            return []
        return self._give_up(now, why, silent=False)

    # -- steps -------------------------------------------------------------

    def _enter(self, stage: ExchangeStage, now: float) -> list[bytes]:
        self.stage = stage
        self._repeats_left = self.timers.repeats
        return self._say(now)

    def _say(self, now: float) -> list[bytes]:
        """Return the datagram of this stage, and await its answer."""
        pause_s = self.timers.answer_timeout_s
        match self.stage:
            case ExchangeStage.MSG:
                datagram = bulk_request(self.sendid, self.text)
            case ExchangeStage.AUTH:
                datagram = password_request(self.sendid, self.password)
            case ExchangeStage.SUBMIT:
                self.sends += 1
                datagram = number_request(self.sendid, TELID, self.number)
                if self.waited:
                    pause_s = self.timers.poll_interval_s
            case _:
                datagram = end_request(self.sendid)
        self.deadline = now + pause_s
        if self.stage is not ExchangeStage.DONE:
            self.deadline = min(self.deadline, self._limit_at)
        return [datagram]

    def _wait(self, rest: bytes, now: float) -> list[bytes]:
        if not _is_ours(rest.split()):
            self.unexpected += 1
            return []
        self.waited = True
        poll_s = self.timers.poll_interval_s
        self.deadline = min(now + poll_s if poll_s else self._limit_at, self._limit_at)
        return []

    def _ok(self, rest: bytes, now: float) -> list[bytes]:
        """``OK sendid telid [sms_no] [blank]``; old firmware names no sms_no."""
        words = rest.split()
        if not _is_ours(words) or not self.sends:
            self.unexpected += 1
            return []
        sms_no = words[1][:20].decode("ascii", "replace") if len(words) > 1 else None
        return self._verdict(SmsSent(sms_no), now)

    def _verdict(self, result: SmsSent | SmsFailed, now: float) -> list[bytes]:
        if self.stage is ExchangeStage.SUBMIT:
            return self._finish(result, now)
        unknown = isinstance(self.result, SmsUncertain)
        contradicted = isinstance(self.result, SmsFailed | SmsNotSent) and isinstance(
            result, SmsSent
        )
        if (unknown or contradicted) and self.late is None:
            self.late = result
        else:
            self.unexpected += 1
        return []

    def _error(self, rest: bytes, now: float) -> list[bytes]:
        words = rest.split()
        reported = _readable(rest)
        if _is_ours(words) and self.sends:
            _, _, code = rest.partition(b"errorstatus:")
            digits = code.strip()[:4]
            return self._verdict(
                SmsFailed(int(digits) if digits.isdigit() else None), now
            )
        if self.stage in (ExchangeStage.DONE, ExchangeStage.CLOSED):
            self.unexpected += 1
            return []
        self.complaint = reported
        if reported == "SENDID":
            return self._exchange_lost(now)
        if reported == "GSM_LOGOUT":
            refused = SmsNotSent(
                "GSM_LOGOUT", "the line is not on its network", 0.0, True
            )
            return self._refused_after_send(refused, now)
        if self.stage is ExchangeStage.SUBMIT:
            # about an earlier step, or unclear: the answer to the next poll decides
            self.unexpected += 1
            return []
        if reported == "PASSWORD":
            refused = SmsNotSent("PASSWORD", "wrong password", WRONG_PASSWORD_S)
        else:
            refused = SmsNotSent("ERROR", f"rejected: {reported}", BUSY_DEVICE_S)
        return self._finish(refused, now)

    def _refused_after_send(self, refused: SmsNotSent, now: float) -> list[bytes]:
        """Believe a refusal after SEND only if nothing can have been lost."""
        if self.sends > 1 or self.waited:
            why = f"{refused.why}, after SEND"
            return self._finish(SmsUncertain(why, unclear=True), now)
        return self._finish(refused, now)

    def _exchange_lost(self, now: float) -> list[bytes]:
        if self.sends > 1 or self.waited:
            why = "the device lost the exchange"
            return self._finish(SmsUncertain(why, unclear=True), now)
        self.result, self.released = ExchangeLost(), True
        self.stage, self.deadline = ExchangeStage.CLOSED, None
        return []

    def _give_up(self, now: float, why: str, *, silent: bool = True) -> list[bytes]:
        if self.complaint:
            why = f"{why} (it said: {self.complaint})"
        if self.sends:
            return self._finish(SmsUncertain(why, silent=silent), now)
        return self._finish(SmsNotSent("silence", why, SILENT_DEVICE_S), now)

    def _finish(self, result: Result, now: float) -> list[bytes]:
        self.result = result
        return self._enter(ExchangeStage.DONE, now)

    def _release_line(self, now: float) -> list[bytes]:
        """Release the line after one timeout; go on saying DONE for a while.

        A DONE that is lost would keep one of the device's five exchanges.
        """
        self.released = True
        if self._repeats_left == 0:
            self.stage, self.deadline = ExchangeStage.CLOSED, None
            return []
        self._repeats_left -= 1
        return self._say(now)


def _readable(rest: bytes) -> str:
    """Return a device's free text, on one line and short: it reaches logs."""
    text = rest[:80].decode("utf-8", "replace").strip()
    return "".join(char if char.isprintable() else "?" for char in text)


def _is_ours(words: list[bytes]) -> bool:
    return bool(words) and words[0].isdigit() and int(words[0]) == TELID


# -- line commands ------------------------------------------------------------

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


def command_of(verb: str, arguments: Sequence[str]) -> tuple[CommandVerb, bytes | None]:
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


# -- deadlines ----------------------------------------------------------------

# (kind, name of the line or sendid)
TimerKey = tuple[str, str | int]


class DeadlineHeap:
    """The deadlines of a session by key; setting one again replaces it.

    A deadline that was moved stays in the heap until it is the earliest: the dict
    says which entries still count.
    """

    def __init__(self) -> None:
        self._at: dict[TimerKey, float] = {}
        self._heap: list[tuple[float, int, TimerKey]] = []
        self._count = count()

    def set(self, key: TimerKey, at: float | None) -> None:
        """Set the deadline of `key` to `at`, or remove it."""
        if at is None:
            self._at.pop(key, None)
        elif self._at.get(key) != at:
            self._at[key] = at
            heappush(self._heap, (at, next(self._count), key))
            if len(self._heap) > 64 + 4 * len(self._at):
                self._rebuild()

    def next(self) -> float | None:
        """Return the earliest deadline."""
        while self._heap:
            at, _, key = self._heap[0]
            if self._at.get(key) == at:
                return at
            heappop(self._heap)
        return None

    def due(self, now: float) -> list[TimerKey]:
        """Take out the keys whose time has come, in order."""
        found = []
        while (at := self.next()) is not None and at <= now:
            key = heappop(self._heap)[2]
            del self._at[key]
            found.append(key)
        return found

    def __contains__(self, key: TimerKey) -> bool:
        return key in self._at

    def __len__(self) -> int:
        return len(self._at)

    def _rebuild(self) -> None:
        self._heap = [(at, next(self._count), key) for key, at in self._at.items()]
        heapify(self._heap)
