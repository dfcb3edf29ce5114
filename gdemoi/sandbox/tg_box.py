"""A TG gateway without the radio: ports, commands, and books of what was sent.

Knows what commands do and what a device prints for them, and what goes on the air;
`tg` puts it on a connection.  What is to go wrong is said with `plan` (the next
SMS) or `usual` (all others), in the words of `BEHAVIOURS`.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import unquote_plus

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gdemoi.message import Charset
from gdemoi.sandbox.tg_dialects import DIALECTS, Dialect, content, event
from gdemoi.sandbox.trackers import TrackerPark
from gdemoi.text import gsm7, segments

# What may become of an SMS:
BEHAVIOURS: Final = (
    "ok",  # taken, sent, Status: 1
    "failed",  # taken, not sent, Status: 0
    "none",  # sent, but no result is ever told
    "late",  # sent, the result comes after `late_s`
    "odd",  # sent, the result is Status: 2
    "silent",  # sent, the command itself is not answered
    "cut-before",  # the connection breaks before it is sent
    "cut-after",  # it is sent, then the connection breaks
    "no-gsm",  # not sent: "No GSM running on span N"
    "command-failed",  # not sent: "Command '...' failed."
    "denied",  # not sent: Permission denied
    "failed-sent",  # taken, sent, Status: 0 and then Status: 1
    "error-sent",  # Response: Error, sent all the same, Status: 1
)
_ON_AIR: Final = frozenset(
    {"ok", "none", "late", "odd", "silent", "cut-after", "failed-sent", "error-sent"}
)
# the statuses that are told, one after the other
_RESULTS: Final = {
    "ok": "1",
    "failed": "0",
    "late": "1",
    "odd": "2",
    "failed-sent": "01",
    "error-sent": "1",
}
# what is said of an SMS is true
TRUTHFUL_BEHAVIOURS: Final = tuple(
    behaviour for behaviour in BEHAVIOURS if not behaviour.endswith("-sent")
)

_send_sms = re.compile(
    r'gsm send sms (\d+) (\S+) (?:"(.*)"|(\S+))(?: +(\S+))? *', re.DOTALL
).fullmatch
_show_span = re.compile(r"gsm show (span )?(\d+) *").fullmatch
_send_ussd = re.compile(r'gsm send ussd (\d+) "?([^" ]+)"?(?: +(\d+))? *').fullmatch
_send_at = re.compile(r"gsm send at (\d+) (.+)").fullmatch
_power = re.compile(r"gsm power (on|off) (\d+) *").fullmatch

# A phone that gets a text: what it answers and when, or None.
Phone = Callable[[str, str], "tuple[str, float] | None"]


def tracker(number: str, text: str) -> tuple[str, float] | None:
    """A tracker answers what ends in a question mark."""
    if not text.endswith("?"):
        return None
    return f"{text[:-1]}: ok, 55.7558N 37.6173E, Внуково", 2.0


@frozen
class TgAiredSms:
    """An SMS that really left."""

    at: float
    port: int
    to: str
    text: str
    id: str


@define
class BoxPort:
    """One SIM of the box."""

    number: int
    status: str | None = None
    powered: bool = True
    signal: int = 24
    last_sent: float = float("-inf")


@frozen
class TgSendDone:
    """What a command printed; None: the device does not answer.

    `cut`: the connection breaks now.  `error`: ``Response: Error`` instead.
    `after_s`: the device was busy with it for so long.
    """

    printed: str | None = ""
    error: str | None = None
    cut: bool = False
    after_s: float = 0.0


@define(eq=False)
class TgBox:
    """The device.  `tell` sends an event to every logged-in connection."""

    clock: IReactorTime
    dialect: Dialect = DIALECTS["2019"]
    username: str = "apiuser"
    password: str = "apipass"
    phone: Phone = tracker
    trackers: TrackerPark = field(factory=TrackerPark)
    usual: str = "ok"
    result_s: float = 3.0
    late_s: float = 90.0
    segment_gap_s: float = 4.0
    # SMS that follow one another faster on a port are counted in `too_fast`
    interval_s: float = 10.0
    max_line: int = 1024
    # a device that takes "+" for a blank, as a web server would
    plus_is_blank: bool = True
    permitted: bool = True
    # folded names of actions that are not answered
    mute: set[str] = field(factory=set)
    ports: dict[int, BoxPort] = field(factory=dict)
    plan: deque[str] = field(factory=deque)
    air: Counter[tuple[str, str]] = field(factory=Counter)
    last: list[TgAiredSms] = field(factory=list)
    inbox: list[tuple[int, str, str]] = field(factory=list)
    commands: list[str] = field(factory=list)
    too_fast: int = 0
    listeners: list[Callable[[bytes], None]] = field(factory=list)
    calls: set[IDelayedCall] = field(factory=set)
    _reference: int = 243
    # books keep the last of these
    keep: int = 1000

    @classmethod
    def with_ports(
        cls, clock: IReactorTime, count: int, dialect: str = "2019"
    ) -> TgBox:
        """Return a box with ports 1 to `count`, all up."""
        box = cls(clock, DIALECTS[dialect])
        box.ports = {number: BoxPort(number) for number in range(1, count + 1)}
        return box

    # -- time --------------------------------------------------------------------

    def later(self, after_s: float, work: Callable[[], None]) -> None:
        """Do `work` after a while, unless the box is stopped."""

        def run() -> None:
            self.calls.discard(call)
            work()

        call = self.clock.callLater(after_s, run)
        self.calls.add(call)

    def stop(self) -> None:
        """Leave no timer behind."""
        for call in self.calls:
            call.cancel()
        self.calls.clear()

    def tell(self, written: str) -> None:
        """Send an event to all who are logged in."""
        for listener in list(self.listeners):
            listener(written.encode("utf-8"))

    # -- SMS that come in -----------------------------------------------------------

    def incoming(
        self,
        port: int,
        sender: str,
        text: str,
        *,
        base: int = 1,
        reference: str | None = None,
        skip: frozenset[int] = frozenset(),
    ) -> None:
        """Let an SMS come in at `port`; a long one comes segment by segment.

        Who is not connected does not get it, now or later: only the inbox has it.
        """
        self.inbox = [*self.inbox[-self.keep :], (port, sender, text)]
        fits = gsm7.fits(text)
        cut = segments.split(text, Charset.GSM8 if fits else Charset.UCS2)
        assert not isinstance(cut, segments.TooLong), "a phone cannot send this"
        texts = [segment.text or "" for segment in cut]
        if len(texts) == 1:
            index = self.dialect.single_index
            self.tell(self._received(port, sender, "", index, 1, texts[0]))
            return
        self._reference = (self._reference + 1) % 256
        shared = reference or str(self._reference)
        for place, piece in enumerate(texts):
            written = self._received(
                port, sender, shared, place + base, len(texts), piece
            )
            if place in skip:
                continue
            if place:
                self.later(place * self.segment_gap_s, partial(self.tell, written))
            else:
                self.tell(written)

    def _received(
        self, port: int, sender: str, sms_id: str, index: int, total: int, text: str
    ) -> str:
        span = port - 1 + self.dialect.port_counts_from
        return event(
            "ReceivedSMS",
            [
                ("ID", sms_id),
                (self.dialect.port_header, str(span)),
                ("Sender", sender),
                ("Recvtime", "2025-03-06 06:12:09"),
                ("Index", str(index)),
                ("Total", str(total)),
                ("Smsc", "+79168999100"),
                ("Content", content(text)),
            ],
        )

    # -- commands ----------------------------------------------------------------------

    def run(self, command: str) -> TgSendDone:
        """Do one ``smscommand``."""
        self.commands = [*self.commands[-self.keep :], command]
        if found := _send_sms(command):
            text = found[3] if found[3] is not None else found[4]
            return self._send(int(found[1]), found[2], text, found[5], command)
        if command.strip() == "gsm show spans":
            return TgSendDone("".join(map(self._span_line, self.ports.values())))
        if found := _show_span(command):
            return self._show(int(found[2]), short=not found[1], command=command)
        if found := _send_ussd(command):
            return self._ussd(int(found[1]), found[2])
        if found := _send_at(command):
            known = int(found[1]) - 1 in self.ports
            return TgSendDone("" if known else self._no_gsm(int(found[1])))
        if found := _power(command):
            return self._powered(int(found[2]), found[1] == "on")
        return self._unknown(command)

    def _unknown(self, command: str) -> TgSendDone:
        return TgSendDone(
            f"No such command '{command}' (type 'core show help {command}' for other"
            " possible commands)\n"
        )

    def _no_gsm(self, span: int) -> str:
        return f"No GSM running on span {span}\n"

    def _status(self, port: BoxPort) -> str:
        if not port.powered:
            return "Power off, Provisioned, Down, Active,Standard"
        return port.status or self.dialect.up

    def _span_line(self, port: BoxPort) -> str:
        return f"GSM span {port.number + 1}: {self._status(port)}\n"

    def _show(self, span: int, *, short: bool, command: str) -> TgSendDone:
        port = self.ports.get(span - 1)
        if short and not self.dialect.short_show:
            return self._unknown(command)
        if port is None:
            return TgSendDone(self._no_gsm(span))
        return TgSendDone(
            f"D-channel: {span}\n"
            f"Status: {self._status(port)}\n"
            "Type: CPE\nManufacturer: Sandbox\nModel Name: TG\n"
            f"Model IMEI: 86749502395{span:04}\n"
            "Network Name: Sandbox Mobile\n"
            "Network Status: Registered (Home network)\n"
            f"Signal Quality (0,31): {port.signal}\n"
            "BER value (0,7): 0\n"
            f"SIM IMSI: 25001000000{span:04}\n"
            "SIM SMS Center Number: +79168999100\n"
            "State: READY\n"
            f"Last send AT: AT+CREG?{self.dialect.literal_end}"
        )

    def _ussd(self, span: int, code: str) -> TgSendDone:
        port = self.ports.get(span - 1)
        if port is None:
            return TgSendDone(self._no_gsm(span))
        if not code.endswith("#"):
            return TgSendDone(f"0:Send USSD failed on span {span}\n", after_s=1.0)
        said = f"{code}: баланс 123.45 р.\r\n\r\nспасибо".encode("utf-16-be").hex()
        return TgSendDone(
            f"1:{self.dialect.ussd_success} {span}\n\tUSSD Responses: 1\n"
            f"\tUSSD Code: 72\n\tUSSD Len: {len(said)}\n"
            f"\tUSSD Message: {said.upper()}\n",
            after_s=2.0,
        )

    def _powered(self, span: int, on: bool) -> TgSendDone:
        port = self.ports.get(span - 1)
        if port is None:
            return TgSendDone(self._no_gsm(span))
        port.powered = on
        return TgSendDone(f"Power {'on' if on else 'off'} span {span} OK\n")

    # -- SMS that go out ------------------------------------------------------

    def _send(
        self, span: int, to: str, written: str, sms_id: str | None, command: str
    ) -> TgSendDone:
        port = self.ports.get(span - 1)
        behaviour = self.plan.popleft() if self.plan else self.usual
        if port is None or not port.powered or behaviour == "no-gsm":
            return TgSendDone(self._no_gsm(span))
        if behaviour == "denied":
            return TgSendDone(error="Permission denied")
        if behaviour == "command-failed":
            return TgSendDone(f"Command '{command}' failed.\n")
        if behaviour == "cut-before":
            return TgSendDone(cut=True)
        if not self.plus_is_blank:
            written = written.replace("+", "%2B")
        text = unquote_plus(written)
        if behaviour in _ON_AIR:
            self._on_air(port, to, text, sms_id or "")
        self._plan_results(behaviour, sms_id or "(null)")
        if behaviour == "error-sent":
            return TgSendDone(error="Out of order")
        return TgSendDone(
            None if behaviour == "silent" else "", cut=behaviour == "cut-after"
        )

    def _plan_results(self, behaviour: str, sms_id: str) -> None:
        after_s = self.late_s if behaviour == "late" else self.result_s
        for number, status in enumerate(_RESULTS.get(behaviour, ""), 1):
            self.later(number * after_s, partial(self._result, sms_id, status))

    def _on_air(self, port: BoxPort, to: str, text: str, sms_id: str) -> None:
        now = self.clock.seconds()
        # a hair of tolerance: the clock of a test adds fractions of seconds
        if now - port.last_sent < self.interval_s - 1e-6:
            self.too_fast += 1
        port.last_sent = now
        self.air[(to, text)] += 1
        self.last = [
            *self.last[-self.keep :],
            TgAiredSms(now, port.number, to, text, sms_id),
        ]
        answers = self.trackers.take(to, text, now)
        if answers is None:
            answer = self.phone(to, text)
            answers = [] if answer is None else [answer]
        for said, after_s in answers:
            self.later(after_s, partial(self.incoming, port.number, to, said))

    def _result(self, sms_id: str, status: str) -> None:
        headers = [("ID", sms_id), ("Smsc", "+79168999100"), ("Status", status)]
        self.tell(event("UpdateSMSSend", headers))

    def doubles(self) -> list[tuple[str, str]]:
        """Return what went on the air more than once."""
        return [what for what, count in self.air.items() if count > 1]
