"""A GoIP box with several SIM lines, as a far side: no socket, only `send`.

Behaves as the vendor's documents and captures say real devices do: keepalives,
five bulk exchanges at a time, ten telids remembered for each, RECEIVE and DELIVER
repeated until acknowledged.  It keeps the books strictly: every SMS that really went
on the air is counted in `air`, so that a test sees each double send.

`GoipPersonality` switches misbehaviour on.  The far side imports nothing of the
gateway's session, only the codec.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec
from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gdemoi.goip.datagrams import ExchangeStep, parse_request, push, say
from gdemoi.sandbox.trackers import TrackerPark

# "GOIP SMS Interface"
SESSIONS_LIMIT: Final = 5
SESSION_S: Final = 90.0
TELIDS_KEPT: Final = 10
KEEPALIVE_S: Final = 30.0
REPEAT_S: Final = 3.0


@frozen(kw_only=True)
class GoipPersonality:
    """How a line behaves.  All times are seconds."""

    # from SEND to the verdict
    sending_s: float = 2.0
    # sends WAIT, then tells the verdict unasked; False: only when polled
    pushes_verdict: bool = True
    # never comes to a verdict
    waits_forever: bool = False
    # OK names sms_no (2015) or not (the first document); trailing blank
    ok_form: str = "new"
    # answers nothing to these words
    silent_to: frozenset[str] = frozenset()
    # the SMS of these numbers fail with this errorstatus ("" = no number)
    fails: dict[str, str] = field(factory=dict)
    # MSG is rejected with this text
    rejects: str = ""
    wrong_password: bool = False
    gsm_logout: bool = False
    # the exchange is forgotten when SEND comes
    forgets: bool = False
    # DELIVER follows after so long; None: never
    receipt_after_s: float | None = 2.0
    receipt_state: int = 0
    repeats: int = 3
    # parts of an inbound SMS are so many characters
    part_length: int = 67


class GoipAiredSms(msgspec.Struct, frozen=True):
    """One SMS that really left a SIM."""

    line: str
    number: str
    text: str
    at: float
    sms_no: int


@define(eq=False)
class Telid:
    """The status of one number in an exchange."""

    number: str
    answer: str = ""
    detail: bytes = b""


@define(eq=False)
class BoxExchange:
    """One exchange that the server opened."""

    text: bytes
    until: float
    authentic: bool = False
    telids: OrderedDict[int, Telid] = field(factory=OrderedDict)


@define(eq=False)
class Repeated:
    """A push that is said until it is acknowledged."""

    datagram: bytes
    left: int
    call: IDelayedCall | None = None


@define(eq=False)
class BoxLine:
    """One SIM line; `send(datagram)` goes to the server."""

    box: GoipBox
    name: str
    password: str
    number: str
    send: Callable[[bytes], None]
    personality: GoipPersonality = field(factory=GoipPersonality)
    gsm_status: str = "LOGIN"
    signal: int = 21
    registered: bool = False
    acknowledged: Counter[str] = field(factory=Counter)
    given_up: Counter[str] = field(factory=Counter)
    rebooted: int = 0
    _count: int = 0
    _sms_no: int = 0
    _recvid: int = 0
    _bulks: dict[int, BoxExchange] = field(factory=dict)
    _pushes: dict[tuple[str, str], Repeated] = field(factory=dict)
    _keepalive: IDelayedCall | None = None

    # -- what the line tells -------------------------------------------------

    def start(self) -> None:
        """Register, and go on every `keepalive_s`."""
        self._recvid = 2_000_000_000 - int(self.box.clock.seconds()) % 1_000_000_000
        self.keepalive()

    def stop(self) -> None:
        """Fall silent."""
        if self._keepalive is not None and self._keepalive.active():
            self._keepalive.cancel()
        self._keepalive = None
        for one in self._pushes.values():
            if one.call is not None and one.call.active():
                one.call.cancel()
        self._pushes.clear()

    def keepalive(self) -> None:
        """Say `req` now, and again in `keepalive_s` (3 s while unregistered)."""
        self._count += 1
        fields = [
            *(("id", self.name.encode()), ("pass", self.password.encode())),
            *(("num", self.number.encode()), ("signal", b"%d" % self.signal)),
            ("gsm_status", self.gsm_status.encode()),
            *(("voip_status", b"LOGOUT"), ("voip_state", b"IDLE")),
            *(("remain_time", b"-1"), ("imei", b"867495023958030")),
            *(("imsi", b"260060172091324"), ("iccid", b"89480611000720913242")),
            *(("pro", b"POL"), ("idle", b"11"), ("disable_status", b"0")),
            *(("SMS_LOGIN", b"N"), ("SMB_LOGIN", b"")),
            *(("CELLINFO", b"LAC:7E5,CELL ID:5E5B"), ("CGATT", b"Y")),
        ]
        self.send(push("req", self._count, fields))
        # A device that has just come up asks more often until it is known.
        pause_s = self.box.keepalive_s if self.registered else REPEAT_S
        self._keepalive = self.box.clock.callLater(pause_s, self.keepalive)

    def receive_sms(self, sender: str, text: str) -> None:
        """An SMS has come to the SIM: long ones come part by part."""
        length = self.personality.part_length
        for start in range(0, max(len(text), 1), length):
            self._recvid -= 1
            self._tell(
                "RECEIVE",
                [("srcnum", sender.encode())],
                str(self._recvid),
                text[start : start + length].encode(),
            )

    def tell(self, verb: str, fields: list[tuple[str, bytes]]) -> None:
        """Push any other fact, repeated until acknowledged."""
        self._count += 1
        self._tell(verb, fields, str(1_571_000_000 + self._count))

    def _tell(
        self,
        verb: str,
        fields: list[tuple[str, bytes]],
        count: str,
        text: bytes | None = None,
    ) -> None:
        own = [("id", self.name.encode()), ("password", self.password.encode())]
        datagram = push(verb, count.encode(), [*own, *fields], text)
        one = Repeated(datagram, self.personality.repeats + 1)
        self._pushes[verb, count] = one
        self._say(verb, count, one)

    def _say(self, verb: str, count: str, one: Repeated) -> None:
        if one.left == 0:
            del self._pushes[verb, count]
            self.given_up[verb] += 1
            return
        one.left -= 1
        self.send(one.datagram)
        one.call = self.box.clock.callLater(REPEAT_S, self._say, verb, count, one)

    # -- what the server says ------------------------------------------------

    def receive(self, datagram: bytes) -> None:
        """Take one datagram of the server."""
        if datagram.startswith(b"reg:"):
            self._registered(b"status:404" not in datagram)
            return
        words = datagram.split()
        if len(words) >= 3 and words[2] in (b"OK", b"ERROR"):
            self._acknowledged(words[0].decode(), words[1].decode(), words[2])
            return
        said = parse_request(datagram)
        if not isinstance(said, ExchangeStep):
            self.box.odd += 1
            return
        if said.word in self.personality.silent_to:
            return
        self.box.heard[said.word] += 1
        match said.word:
            case "MSG":
                self._msg(said)
            case "PASSWORD":
                self._password(said)
            case "SEND":
                self._number(said)
            case "DONE":
                self._bulks.pop(said.sendid, None)
                self._answer("DONE", said.sendid)
            case _:
                self._order(said)

    def _registered(self, good: bool) -> None:
        """The server has answered a keepalive: the next one in `keepalive_s`."""
        call = self._keepalive
        if good and not self.registered and call is not None and call.active():
            call.reset(self.box.keepalive_s)
        self.registered = good

    def _acknowledged(self, verb: str, count: str, word: bytes) -> None:
        one = self._pushes.pop((verb, count), None)
        if word == b"OK":
            self.acknowledged[verb] += 1
        if one is not None and one.call is not None and one.call.active():
            one.call.cancel()

    def _msg(self, said: ExchangeStep) -> None:
        now = self.box.clock.seconds()
        if said.sendid not in self._bulks:
            if self.personality.rejects:
                self._answer("ERROR", said.sendid, self.personality.rejects.encode())
                return
            if self.box.open_sessions(now) >= SESSIONS_LIMIT:
                self.box.crowded += 1
                self._answer("ERROR", said.sendid, b"too many sessions")
                return
            self._bulks[said.sendid] = BoxExchange(said.rest, now + SESSION_S)
        self._answer("PASSWORD", said.sendid)

    def _password(self, said: ExchangeStep) -> None:
        bulk = self._bulk(said.sendid)
        if bulk is None:
            self._answer("ERROR", said.sendid, b"SENDID")
            return
        good = said.rest == self.password.encode()
        if not good or self.personality.wrong_password:
            self._answer("ERROR", said.sendid, b"PASSWORD")
            return
        bulk.authentic = True
        self._answer("SEND", said.sendid)

    def _number(self, said: ExchangeStep) -> None:
        if self.personality.forgets:
            self._bulks.pop(said.sendid, None)
        bulk = self._bulk(said.sendid)
        if bulk is None or not bulk.authentic:
            self._answer("ERROR", said.sendid, b"SENDID")
            return
        if self.personality.gsm_logout or self.gsm_status != "LOGIN":
            self._answer("ERROR", said.sendid, b"GSM_LOGOUT")
            return
        telid, _, number = said.rest.decode("utf-8").partition(" ")
        known = bulk.telids.get(int(telid))
        if known is None:
            known = Telid(number)
            bulk.telids[int(telid)] = known
            while len(bulk.telids) > TELIDS_KEPT:
                bulk.telids.popitem(last=False)
            self.box.clock.callLater(
                self.personality.sending_s, self._air, said.sendid, int(telid), bulk
            )
        elif known.number != number:
            self.box.odd += 1
        self._status(said.sendid, int(telid), known)

    def _status(self, sendid: int, telid: int, known: Telid) -> None:
        detail = b"%d" % telid + known.detail
        self._answer(known.answer or "WAIT", sendid, detail)

    def _bulk(self, sendid: int) -> BoxExchange | None:
        bulk = self._bulks.get(sendid)
        if bulk is not None and self.box.clock.seconds() > bulk.until:
            del self._bulks[sendid]
            return None
        return bulk

    def _air(self, sendid: int, telid: int, bulk: BoxExchange) -> None:
        """The modem has done its work: the SMS went out, or failed."""
        known = bulk.telids[telid]
        fault = self.personality.fails.get(known.number)
        if self.personality.waits_forever:
            return
        if fault is not None:
            known.answer, known.detail = "ERROR", b" errorstatus:" + fault.encode()
        else:
            self._sms_no = self._sms_no % 255 + 1
            known.answer, known.detail = "OK", self._ok_detail()
            text = bulk.text.decode("utf-8", "replace")
            self.box.aired(self, known.number, text, self._sms_no)
        if self.personality.pushes_verdict and sendid in self._bulks:
            self._status(sendid, telid, known)

    def _ok_detail(self) -> bytes:
        match self.personality.ok_form:
            case "old":
                return b""
            case "blank":
                return b" %d " % self._sms_no
        return b" %d" % self._sms_no

    def _answer(self, word: str, sendid: int, rest: bytes = b"") -> None:
        self.send(say(word, sendid, rest))

    def _order(self, said: ExchangeStep) -> None:
        """Answer a line command, if its password is good."""
        password = self.password.encode()
        words = said.rest.split(b" ")
        if password not in words:
            self._answer("ERROR", said.sendid, b"PASSWORD")
            return
        match said.word:
            case "USSD":
                answer = b"Balance: 123.45 RUB (%s)" % b" ".join(words[1:])
            case "get_gsm_num":
                answer = self.number.encode()
            case "svr_reboot_module" | "svr_reboot_dev":
                self.rebooted += 1
                answer = b"ok"
            case "get_gsm_state":
                answer = b"IDLE"
            case "get_imei":
                answer = b"867495023958030"
            case word if word.startswith("set_"):
                answer = words[0] + b" ok"
            case _:
                answer = b"ok"
        self._answer(said.word, said.sendid, answer)

    def open_sessions(self, now: float) -> int:
        """How many exchanges this line holds for the device."""
        for sendid, bulk in list(self._bulks.items()):
            if now > bulk.until:
                del self._bulks[sendid]
        return len(self._bulks)


# What the phone at the other end says to an SMS, and after how long; None: nothing.
Phone = Callable[[str, str], tuple[str, float] | None]


def tracker(number: str, text: str) -> tuple[str, float] | None:
    """A tracker answers what ends in a question mark."""
    if not text.endswith("?"):
        return None
    return f"{text[:-1]}: ok, 55.7558N 37.6173E, Внуково", 2.0


@define(eq=False)
class GoipBox:
    """The device: its lines, and the books of what went on the air."""

    clock: IReactorTime
    phone: Phone = tracker
    trackers: TrackerPark = field(factory=TrackerPark)
    lines: dict[str, BoxLine] = field(factory=dict)
    # (number, text) -> how often it really went out
    air: Counter[tuple[str, str]] = field(factory=Counter)
    last: list[GoipAiredSms] = field(factory=list)
    heard: Counter[str] = field(factory=Counter)
    odd: int = 0
    crowded: int = 0
    aired_total: int = 0
    # how many of `last` are kept
    keep: int = 1000
    keepalive_s: float = KEEPALIVE_S

    def add(
        self,
        name: str,
        password: str,
        number: str,
        send: Callable[[bytes], None],
        personality: GoipPersonality | None = None,
    ) -> BoxLine:
        """Put a SIM in."""
        line = BoxLine(
            self, name, password, number, send, personality or GoipPersonality()
        )
        self.lines[name] = line
        return line

    def aired(self, line: BoxLine, number: str, text: str, sms_no: int) -> None:
        """An SMS went out: write it down, let the phone and the network answer."""
        self.aired_total += 1
        self.air[number, text] += 1
        now = self.clock.seconds()
        self.last.append(GoipAiredSms(line.name, number, text, now, sms_no))
        del self.last[: -self.keep]
        after_s = line.personality.receipt_after_s
        if after_s is not None:
            fields = [
                ("sms_no", b"%d" % sms_no),
                ("state", b"%d" % line.personality.receipt_state),
                ("num", number.encode()),
            ]
            self.clock.callLater(after_s, line.tell, "DELIVER", fields)
        answers = self.trackers.take(number, text, now)
        if answers is None:
            answer = self.phone(number, text)
            answers = [] if answer is None else [answer]
        for said, after_s in answers:
            self.clock.callLater(after_s, line.receive_sms, number, said)

    def doubles(self) -> dict[tuple[str, str], int]:
        """Return what was sent more than once."""
        return {what: count for what, count in self.air.items() if count > 1}

    def open_sessions(self, now: float) -> int:
        """How many exchanges the device holds."""
        return sum(line.open_sessions(now) for line in self.lines.values())
