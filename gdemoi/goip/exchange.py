"""One bulk exchange: one SMS to one number over one line, without any I/O.

Theory of operation ("GOIP SMS Interface", Process for Bulk SMS).  We speak
first, and every step may be lost, doubled or late::

    MSG ──PASSWORD──▶ AUTH ──SEND──▶ SUBMIT ──OK│ERROR──▶ DONE ──DONE──▶ CLOSED

MSG, PASSWORD and DONE may be repeated freely.  SEND is repeated with the same
telid: the device remembers its last ten telids and answers with the status, it
does not send again.  After WAIT the same SEND is the poll for the status.

What may be said of the SMS hangs on one fact: has SEND left us?  Before it,
every end is `SmsNotSent`.  After it, only the device's own word ends it well or ill
(`SmsSent`, `SmsFailed`); silence is `SmsUncertain`.  The device drops an exchange 90 s
after MSG, so it is closed before.  DONE is said in every case.  An OK that comes
after an ERROR contradicts it: the SMS may be out, and is not to be sent again
(`late`).

The answer "session unknown" (`ERROR sendid SENDID`) to a SEND that left us once,
and to which nothing else was ever said, proves that it was not taken (`ExchangeLost`).
The same answer to a repeated SEND proves nothing, as the WAIT may have been lost.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec
from attrs import define, frozen

from gdemoi.goip.datagrams import (
    bulk_request,
    end_request,
    number_request,
    password_request,
)

TELID: Final = 1
# How long a line is left alone after what it answered, at first.
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

    `word` names the reason in error codes; the line is better left alone for
    `rest_s`; `logged_out`: until its keepalive says LOGIN.
    """

    word: str
    why: str
    rest_s: float = 0.0
    logged_out: bool = False


class SmsUncertain(msgspec.Struct, frozen=True):
    """SEND left us and no verdict came."""

    why: str
    # in all the time that there was
    silent: bool = False


class ExchangeLost(msgspec.Struct, frozen=True):
    """The device does not know this exchange: open a new one."""


Result = SmsSent | SmsFailed | SmsNotSent | SmsUncertain | ExchangeLost


@frozen
class ExchangeTimers:
    """The timers of an exchange; the settings tell what each is for."""

    answer_timeout_s: float = 5.0
    repeats: int = 3
    poll_interval_s: float = 5.0
    session_limit_s: float = 85.0


@define(eq=False)
class Exchange:
    """The conversation under one sendid.

    `receive` and `tick` return the datagrams to send; then look at `result`
    (set once) and at `released` (the line may go on to its next SMS).
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
    # how often SEND left us, and whether the device ever spoke of it
    sends: int = 0
    waited: bool = False
    # the SMS stands in the line's daily count
    counted: bool = False
    # an answer after `SmsUncertain` had been told, or an OK after an ERROR
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
            return self._farewell(now)
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
            return self._unknown_there(now)
        if reported == "GSM_LOGOUT":
            refused = SmsNotSent(
                "GSM_LOGOUT", "the line is not on its network", 0.0, True
            )
            return self._refused_unheard(refused, now)
        if self.stage is ExchangeStage.SUBMIT:
            # about an earlier step, or unclear: the poll will tell
            self.unexpected += 1
            return []
        if reported == "PASSWORD":
            refused = SmsNotSent("PASSWORD", "wrong password", WRONG_PASSWORD_S)
        else:
            refused = SmsNotSent("ERROR", f"rejected: {reported}", BUSY_DEVICE_S)
        return self._finish(refused, now)

    def _refused_unheard(self, refused: SmsNotSent, now: float) -> list[bytes]:
        """Believe a refusal after SEND only if nothing can have been lost."""
        if self.sends > 1 or self.waited:
            return self._finish(SmsUncertain(f"{refused.why}, after SEND"), now)
        return self._finish(refused, now)

    def _unknown_there(self, now: float) -> list[bytes]:
        if self.sends > 1 or self.waited:
            return self._finish(SmsUncertain("the device lost the exchange"), now)
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

    def _farewell(self, now: float) -> list[bytes]:
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
