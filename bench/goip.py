"""GoIP: a soak of 200 lines in simulated hours, and what keepalives really cost.

The soak runs a real channel against the sandbox's box on one `Clock`, with 20 % of
all datagrams lost each way, some doubled, all delayed.  Each line is offered an SMS
every 3 s; a line that is still busy is offered it when it is free (the lane's
window).  Then the books are compared: what the gateway says of each SMS with what
went on the air.
"""

from __future__ import annotations

import gc
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from bench.figures import Line, of_rows
from bench.rig import Work
from gdemoi.goip.channel import GoipChannel, make
from gdemoi.goip.settings import GoipLineSettings, GoipSettings
from gdemoi.interfaces import ChannelContext, IChannel, IChannelEvents
from gdemoi.message import (
    Accepted,
    Inbound,
    Outbound,
    Outcome,
    Receipt,
    ReceiptMatch,
    Refused,
    Uncertain,
    provider_key,
)
from gdemoi.sandbox.goip_box import BoxLine, GoipBox, GoipPersonality
from gdemoi.sandbox.goip_net import LinkQuality, MemoryNetwork

LINES = 200
OFFER_S = 3.0
EPOCH = 1_700_000_000.0
# how often an SMS went on the air, by what the gateway says of it
EXPECTED: dict[type, tuple[int, ...]] = {
    Accepted: (1,),
    Refused: (0,),
    Uncertain: (0, 1),
}


@implementer(IChannelEvents)
class EventsRecorder:
    """The platform's side: keeps counts, and receipts by their keys."""

    def __init__(self) -> None:
        self.inbound_texts: Counter[str] = Counter()
        self.receipts = 0
        self.unmatched = 0
        self.lates: dict[str, Outcome] = {}
        self.keys: dict[str, str] = {}

    def able(self, channel: IChannel) -> None:
        """Nothing waits here."""

    def changed(self, *args: Any) -> None:
        """Nobody watches."""

    def late(self, message_id: str, attempt: int, outcome: Outcome) -> None:
        """Keep a late verdict."""
        self.lates[message_id] = outcome

    def inbound(self, inbound: Inbound) -> Deferred[None]:
        """Count an inbound SMS."""
        self.inbound_texts[inbound.text or ""] += 1
        return succeed(None)

    def receipt(self, receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        """Match a receipt by its keys."""
        self.receipts += 1
        for key in receipt.keys:
            if key in self.keys:
                return succeed(
                    ReceiptMatch(self.keys.pop(key), receipt.provider_id, key)
                )
        self.unmatched += 1
        return succeed(None)


class _NoReactor:
    """Hands the channel the network instead of a socket."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network

    def listenUDP(self, port: int, protocol: Any, interface: str = "") -> Any:
        """Join protocol and network."""
        self.network.attach(protocol)
        return self.network


class Soak:
    """One channel, one network, many one-line devices."""

    def __init__(self, lines: int, quality: LinkQuality, seed: int = 1) -> None:
        self.clock = Clock()
        self.clock.advance(EPOCH)
        self.recorder = EventsRecorder()
        self.network = MemoryNetwork(self.clock, quality, seed)
        self.random = Random(seed)
        settings = GoipSettings(
            answer_timeout_s=0.3, repeats=8, poll_interval_s=0.5, source_rate=None
        )
        given = [
            (
                "goip-line",
                f"line{n}",
                GoipLineSettings(
                    channel="soak", password=f"secret{n}", min_interval_s=OFFER_S
                ),
            )
            for n in range(lines)
        ]
        self.channel: GoipChannel = make(
            "soak",
            settings,
            given,
            ChannelContext(
                reactor=_NoReactor(self.network),
                clock=self.clock,
                random=self.random.random,
                public_url=None,
                mount=lambda name, resource: None,
                cursor=lambda name: succeed(None),
                set_cursor=lambda name, value: succeed(None),
            ),
        )
        self.channel.start(self.recorder)
        self.boxes = [self._device(n) for n in range(lines)]
        self.serial = 0
        self.sent_inbound: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.wrong: list[str] = []
        # text -> message id of what is not settled yet
        self.open: dict[str, tuple[str, float]] = {}
        self.verdicts: dict[str, Outcome] = {}

    def _device(self, n: int) -> GoipBox:
        box = GoipBox(self.clock, lambda number, text: None, keep=50)
        address = (f"10.0.{n // 250}.{n % 250}", 10991)
        line: BoxLine | None = None
        send = self.network.plug(address, lambda datagram: line_().receive(datagram))

        def line_() -> BoxLine:
            assert line is not None
            return line

        line = box.add(
            f"line{n}",
            f"secret{n}",
            f"+7916{n:07d}",
            send,
            GoipPersonality(sending_s=0.8, receipt_after_s=1.5, repeats=8),
        )
        self.clock.callLater(self.random.random() * 30, line.start)
        return box

    def offer(self) -> None:
        """Offer one SMS for each line that is not busy; sometimes one comes in."""
        room = self.channel.window - len(self.open)
        for _ in range(max(0, room)):
            if self.channel.unable() is not None:
                return
            self._submit()
        for box in self.random.sample(self.boxes, max(1, len(self.boxes) // 40)):
            self.serial += 1
            text = f"in {self.serial}"
            for line in box.lines.values():
                if line.registered:
                    self.sent_inbound[text] += 1
                    line.receive_sms("+79990001122", text)

    def _submit(self) -> None:
        self.serial += 1
        now = self.clock.seconds()
        number = f"+7926{self.random.randrange(10**7):07d}"
        text = f"out {self.serial}"
        message = Outbound(
            id=f"m{self.serial}",
            to=number,
            text=text,
            accepted_at=now,
            expires_at=now + 3600,
        )
        prepared = self.channel.prepare(message)
        assert not isinstance(prepared, Refused)
        self.open[text] = (message.id, now)

        def ended(outcome: Outcome) -> None:
            del self.open[text]
            self.outcomes[type(outcome).__name__] += 1
            if isinstance(outcome, Refused):
                self.refusals[outcome.error.code + " " + outcome.error.text] += 1
            self.verdicts[text] = outcome
            if isinstance(outcome, Accepted):
                for one in outcome.provider_ids:
                    self.recorder.keys[provider_key(one)] = message.id

        self.channel.submit(prepared, 1).addCallback(ended)

    def audit(self) -> None:
        """Compare the verdicts with the air, and forget both."""
        aired: Counter[str] = Counter()
        for box in self.boxes:
            for (_, text), count in box.air.items():
                aired[text] += count
        for text, outcome in self.verdicts.items():
            count = aired.pop(text, 0)
            if count not in EXPECTED[type(outcome)]:
                self.wrong.append(f"{text}: {outcome} but {count} on the air")
        self.verdicts.clear()
        for text, count in aired.items():
            if text not in self.open or count > 1:
                self.wrong.append(f"{text}: {count} on the air and nobody knows")
        self._forget()

    def _forget(self) -> None:
        """Drop what is settled, so that the bench's own books stay flat."""
        received = self.recorder.inbound_texts
        for text in list(self.sent_inbound):
            if received[text] == 1 and int(text[3:]) < self.serial - 5000:
                del self.sent_inbound[text], received[text]
        for box in self.boxes:
            for what in [one for one in box.air if one[1] not in self.open]:
                del box.air[what]

    def run(self, hours: float, reported: Callable[[float], None]) -> None:
        """Let simulated time pass, with an audit every five minutes."""
        for step in range(int(hours * 3600 / OFFER_S)):
            self.offer()
            for _ in range(30):
                self.clock.advance(OFFER_S / 30)
            if step % 100 == 99:
                self.audit()
                reported((step + 1) * OFFER_S / 3600)

    def drain(self) -> None:
        """Offer nothing more, let all end, and audit."""
        for _ in range(1200):
            self.clock.advance(0.1)
        self.audit()


def soak(
    hours: float, lines: int = LINES
) -> list[tuple[str, float, str, float | None]]:
    """Run the soak; return its rows."""
    quality = LinkQuality(loss=0.2, doubled=0.02, delay_s=0.15)
    one = Soak(lines, quality)
    sizes: list[float] = []
    began = time.process_time()

    def reported(hour: float) -> None:
        gc.collect()
        size = resident_mb()
        sizes.append(size)
        print(
            f"{hour:5.2f} h  {dict(one.outcomes)}  memory {size:.1f} MB"
            f"  wrong {len(one.wrong)}",
            flush=True,
        )

    one.run(hours, reported)
    one.drain()
    for wrong in one.wrong[:10]:
        print(wrong)
    gave_up: Counter[str] = Counter()
    for box in one.boxes:
        for line in box.lines.values():
            line.stop()
            gave_up += line.given_up
    received = one.recorder.inbound_texts
    lost = sum(not received[text] for text in one.sent_inbound)
    print(one.refusals.most_common(8))
    print(f"CPU {time.process_time() - began:.0f} s; devices gave up {dict(gave_up)}")
    name = f"GoIP soak, {lines} lines, {hours:g} h, 20 % lost"
    outcomes = one.outcomes
    rows: list[tuple[str, float, str, float | None]] = [
        (f"{name}: SMS accepted", outcomes["Accepted"], "SMS", None),
        (f"{name}: refused unsent, for the lane", outcomes["Refused"], "SMS", None),
        (f"{name}: unsure", outcomes["Uncertain"], "SMS", None),
        (f"{name}: unsure, settled late", len(one.recorder.lates), "SMS", None),
        (f"{name}: verdict not as on the air", len(one.wrong), "SMS", 0),
        # a device gives an SMS up after its own repeats: nobody can help that
        (f"{name}: inbound lost by us", lost - gave_up["RECEIVE"], "SMS", 0),
        (
            f"{name}: inbound told twice",
            sum(n > 1 for n in received.values()),
            "SMS",
            0,
        ),
        (f"{name}: receipts unmatched", one.recorder.unmatched, "SMS", None),
    ]
    if len(sizes) > 6:
        growth = (sizes[-1] / sizes[len(sizes) // 2] - 1) * 100
        rows.append((f"{name}: growth of memory, second half", growth, "%", 5.0))
    return rows


def keepalives(
    lines: int = 1000, rounds: int = 20
) -> list[tuple[str, float, str, float | None]]:
    """Measure what the keepalives of 1,000 lines cost of one core, sockets and all."""
    one = Soak(lines, LinkQuality())
    protocol = one.channel.protocol
    protocol.transport = None
    port: Any = reactor.listenUDP(0, protocol, interface="127.0.0.1")  # type: ignore[attr-defined]
    where = ("127.0.0.1", port.getHost().port)
    device = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    device.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    datagrams = [
        b"req:%d;id:line%d;pass:secret%d;num:;signal:29;gsm_status:LOGIN;"
        b"voip_status:LOGOUT;voip_state:IDLE;remain_time:-1;imei:867495023958030;"
        b"imsi:260060172091324;iccid:89480611000720913242;pro:POL;idle:11;"
        b"disable_status:0;SMS_LOGIN:N;SMB_LOGIN:;CELLINFO:LAC:7E5,CELL ID:5E5B;"
        b"CGATT:Y;" % (n, n, n)
        for n in range(lines)
    ]
    spent_s, answered = 0.0, 0
    for turn in range(rounds + 1):
        one.clock.rightNow += 30.0
        for start in range(0, lines, 50):
            for datagram in datagrams[start : start + 50]:
                device.sendto(datagram, where)
            began = time.process_time()
            port.doRead()
            spent_s += (time.process_time() - began) if turn else 0.0
            for _ in range(50):
                answered += device.recv(100).startswith(b"reg:")
    device.close()
    assert answered == (rounds + 1) * lines
    each_s = spent_s / (rounds * lines)
    share = each_s * lines / 30.0 * 100
    return [
        ("GoIP keepalive of 19 fields, read and answered", each_s * 1e6, "µs", 1000.0),
        (f"GoIP: keepalives of {lines} lines, of one core", share, "%", 5.0),
    ]


def resident_mb() -> float:
    """Return the memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main(work: Work) -> list[Line]:
    """Return what keepalives cost."""
    return of_rows(keepalives())
