"""Lines with budgets, under the real dispatcher and journal."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.goip.encoded import GoipEncodedMessage
from gdemoi.journal import Journal
from gdemoi.kit.calendar import quiet_hours
from gdemoi.message import MessageClass, OnUnsure, Refused
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.rules import Router
from gdemoi.sandbox.goip_box import BoxLine, GoipBox, GoipPersonality
from gdemoi.sandbox.goip_net import LinkQuality, MemoryNetwork
from tests.goip.rig import EPOCH, Rig, line_settings
from tests.routing.channels import HandChannel

MOSCOW = ZoneInfo("Europe/Moscow")
LONG = "x" * 200  # two segments
DAY_S = 86_400.0
LATER = "keepalive-office-a-2023-11-16"
NOTIFICATION = MessageClass.NOTIFICATION


def midnight(days: int = 1) -> float:
    """Return the end of the test's day in Moscow, or of a later one."""
    now = datetime.fromtimestamp(EPOCH, MOSCOW)
    begins = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return begins.timestamp() + days * DAY_S


class BudgetTestCase(SynchronousTestCase):
    """A box behind a network, a gateway before it, in memory."""

    def build(
        self,
        *lines: dict[str, Any],
        personality: GoipPersonality | None = None,
        other: HandChannel | None = None,
        at: float = EPOCH,
    ) -> None:
        names = "ab"[: len(lines)]
        self.personality = personality or GoipPersonality(sending_s=1.0)
        self.lines = {
            name: line_settings(**{"min_interval_s": 0.0, "timezone": MOSCOW, **given})
            for name, given in zip(names, lines, strict=True)
        }
        self.other = other
        self.journal: Journal | None = None
        self.at = at
        self.start()

    def start(self) -> None:
        """Start a gateway, or another one over the same journal."""
        self.rig = Rig(self.lines, start=False)
        self.clock = self.rig.clock
        self.clock.rightNow = self.at
        self.network = MemoryNetwork(self.clock, LinkQuality(), 5)
        # the channel listens on the network
        self.rig.reactor.listenUDP = self._listen  # type: ignore[assignment]
        if self.journal is None:
            self.journal = Journal("sqlite://", self.clock, inline=True)
            self.successResultOf(self.journal.open())
            self.addCleanup(self.journal.close)
        channels: list[Any] = [self.rig.channel]
        if self.other is not None:
            channels.append(self.other)
        self.dispatcher = Dispatcher(
            self.journal,
            self.clock,
            Router([], tuple(channel.name for channel in channels)),
            channels,
        )
        self.successResultOf(Deferred.fromCoroutine(self.dispatcher.start()))
        self.addCleanup(lambda: self.dispatcher.stop(0.0).close())
        self.box = GoipBox(self.clock)
        for n, name in enumerate(self.lines):
            self._plug(n, name)
        self.pass_time(3)

    def crash(self) -> None:
        """Let the process be gone, and start another one."""
        self.at = self.clock.seconds()
        self.start()

    def _listen(self, port: int, protocol: Any, interface: str = "") -> Any:
        self.network.attach(protocol)
        return self.network

    def _plug(self, n: int, name: str) -> None:
        lines: list[BoxLine] = []
        send = self.network.plug(
            ("192.0.2.9", 10991 + n), lambda datagram: lines[0].receive(datagram)
        )
        given = self.personality
        lines.append(self.box.add(name, "password1", f"+7900{n}", send, given))
        lines[0].start()

    def pass_time(self, seconds: float) -> None:
        self.rig.pass_time(seconds, 0.25)

    def until(self, at: float) -> None:
        """Let the time be `at`; the device keeps quiet on the way."""
        for line in self.box.lines.values():
            line.stop()
        self.clock.rightNow = at - 10.0
        for line in self.box.lines.values():
            line.start()
        self.pass_time(at - self.clock.seconds())

    def accept(self, name: str, text: str = "hello", **more: Any) -> None:
        now = self.clock.seconds()
        given = {"to": f"+79161{len(self.sent()):06}", "class_": NOTIFICATION, **more}
        message = self.rig.message(
            text, id=name, on_unsure=OnUnsure.HOLD, **{"expires_at": now + 9e6, **given}
        )
        accepting = self.dispatcher.intake.accept([(message, text.encode())])
        self.successResultOf(accepting)
        self.pass_time(3)

    def events(self) -> list[dict[str, Any]]:
        assert self.journal is not None
        found = self.successResultOf(self.journal.events(0, 10_000))
        return [json.loads(event.body) for event in found]

    def waits(self, name: str) -> str | None:
        """Return the error word of a message that waits."""
        last = [e for e in self.events() if e.get("id") == name][-1]
        error = last.get("error") or {}
        return error.get("code") if last["state"] == "waiting" else None

    def lines_of_channel(self) -> dict[str, dict[str, Any]]:
        lines = self.rig.channel.describe()["lines"]
        return {str(line["name"]): line for line in lines}

    def used(self, line: str = "a") -> int:
        return int(self.lines_of_channel()[line]["budget"]["day"]["used"])

    def sent(self) -> list[tuple[str, str]]:
        """Return (line, text) of what really left."""
        box = getattr(self, "box", None)
        return [] if box is None else [(one.line, one.text) for one in box.last]


class LimitTests(BudgetTestCase):
    def test_what_does_not_fit_whole_waits_for_the_next_day(self) -> None:
        """TR66: at 2 of 3, two segments wait, none of them leaves; one fits."""
        self.build({"per_day": 3})
        self.accept("m1", LONG)
        self.accept("m2", LONG)
        self.assertEqual(self.waits("m2"), "gateway:budget")
        self.assertEqual(self.used(), 2)
        self.accept("m3", "short")
        self.assertEqual(self.sent(), [("a", LONG), ("a", "short")])
        self.until(midnight() - 1.0)
        self.assertEqual(len(self.sent()), 2)
        self.pass_time(10)
        self.assertEqual(self.sent()[2:], [("a", LONG)])
        self.assertEqual(self.used(), 2)

    def test_another_line_another_channel(self) -> None:
        """TR66: what does not fit one line goes over the next, then another way."""
        other = HandChannel()
        self.build({"per_day": 3}, {"per_day": 2}, other=other)
        for n in range(4):
            self.accept(f"m{n}", LONG)
        self.assertEqual(sorted(line for line, _ in self.sent()), ["a", "b"])
        self.assertEqual(other.ids, ["m2", "m3"])

    def test_a_refusal_gives_back(self) -> None:
        """TR66: the device says that it failed: nothing is spent."""
        fails = GoipPersonality(fails={"+79161000000": "21"})
        self.build({"per_day": 3}, personality=fails)
        self.accept("m1", "hello")
        self.assertEqual(self.used(), 0)
        assert self.journal is not None
        rows = self.successResultOf(self.journal.spent("office"))
        self.assertEqual([units for *_, units, _ in rows], [0])

    def test_uncertain_stays_spent_over_a_restart(self) -> None:
        """TR66: what may have gone out is counted, and what a crash left open."""
        silent = GoipPersonality(waits_forever=True)
        self.build({"per_day": 3}, personality=silent)
        self.accept("m1", "hello")
        self.assertEqual(self.used(), 1)
        self.crash()
        self.assertEqual(self.used(), 1)
        self.accept("m2", "hello")
        self.pass_time(120)
        self.assertEqual(self.used(), 2)

    def test_a_spent_channel_says_why_and_until_when(self) -> None:
        """What waits then is in memory, and leaves when the day turns."""
        self.build({"per_day": 1})
        self.accept("m1")
        why = self.rig.channel.unable()
        assert why is not None
        self.assertIn("line a: 1 of 1 SMS used; until 2023-11-16 00:00+03:00", why)
        self.accept("m2")
        self.assertEqual(len(self.sent()), 1)
        line = self.lines_of_channel()["a"]
        self.assertEqual(line["state"], "degraded")
        self.assertIn("budget:day", line["reason"])
        self.until(midnight() + 10.0)
        self.assertEqual(len(self.sent()), 2)
        self.assertIsNone(self.waits("m2"))

    def test_lines_tell_when_they_are_spent(self) -> None:
        """A line event `degraded`, and `up` when the day turns."""
        self.build({"per_day": 1}, {})
        self.accept("m1")
        self.accept("m2")
        self.pass_time(3)
        self.until(midnight() + 10.0)
        told = [
            (e["state"], e["reason"].partition(" ")[0])
            for e in self.events()
            if e["type"] == "line" and e.get("line") == "a"
        ]
        self.assertIn(("degraded", "budget:day"), told)
        spent = told.index(("degraded", "budget:day"))
        self.assertIn(("up", ""), told[spent:])

    def test_a_reserve_for_commands(self) -> None:
        """A notification waits where a command leaves."""
        self.build({"per_day": 2, "reserve_commands": 1})
        self.accept("m1")
        self.accept("m2")
        self.assertEqual(self.waits("m2"), "gateway:budget")
        self.accept("c1", "reboot", class_=MessageClass.COMMAND)
        self.assertEqual([text for _, text in self.sent()], ["hello", "reboot"])

    def test_a_number_has_a_limit(self) -> None:
        """One number gets one SMS a day; others get theirs."""
        self.build({"per_destination": 1})
        self.accept("m1", to="+79161112233")
        self.accept("m2", to="+79161112233")
        self.accept("m3", to="+79161112244")
        self.assertEqual(self.waits("m2"), "gateway:budget")
        self.assertEqual(len(self.sent()), 2)
        self.crash()
        self.accept("m4", to="+79161112244")
        self.assertEqual(self.waits("m4"), "gateway:budget")
        self.assertEqual(self.sent(), [])


class QuietTests(BudgetTestCase):
    def test_notifications_wait_for_the_morning(self) -> None:
        """TR68: before 22:00 it leaves; then it waits to 08:00; a command leaves."""
        evening = midnight() - 2 * 3600.0
        self.build({"quiet": quiet_hours("22:00-08:00")}, at=evening - 20.0)
        self.accept("m1", "before")
        self.until(evening + 10.0)
        self.accept("m2", "after")
        self.accept("c1", "reboot", class_=MessageClass.COMMAND)
        self.assertEqual([text for _, text in self.sent()], ["before", "reboot"])
        self.assertEqual(self.waits("m2"), "gateway:budget")
        morning = midnight() + 8 * 3600.0
        self.until(morning - 1.0)
        self.assertEqual(len(self.sent()), 2)
        self.pass_time(5)
        self.assertEqual(self.sent()[-1], ("a", "after"))


class ReservationTests(BudgetTestCase):
    def prepared(self, name: str) -> GoipEncodedMessage:
        message = self.rig.message("hello", id=name, class_=NOTIFICATION)
        found = self.rig.channel.prepare(message)
        assert isinstance(found, GoipEncodedMessage)
        return found

    def test_lines_share_what_comes_at_once(self) -> None:
        """Two reservations before any submit: one for each line."""
        self.build({"per_day": 9}, {"per_day": 9})
        first, second = self.prepared("m1"), self.prepared("m2")
        channel = self.rig.channel
        for one in (first, second):
            self.assertNotIsInstance(channel.reserve(one), Refused)
        self.assertEqual({first.reserved, second.reserved}, {"a", "b"})
        for one in (first, second):
            channel.release(one)
            self.assertIsNone(one.reserved)
        self.assertEqual([line.reserved for line in channel.lines.values()], [0, 0])

    def test_nothing_leaves_that_is_not_counted(self) -> None:
        """No line was usable at the intent: none is used at the submit."""
        self.build({"per_day": 9})
        channel, one = self.rig.channel, self.prepared("m1")
        line = channel.lines["a"]
        line.suspend("a fault", self.clock.seconds() + 5.0)
        self.assertEqual(channel.reserve(one), ())
        line.works()
        outcome = self.successResultOf(channel.submit(one, 1))
        self.assertEqual((outcome.error.code, outcome.by_us), ("goip:no_line", True))
        self.assertEqual(self.sent(), [])

    def test_a_weight_is_a_share_of_the_day(self) -> None:
        """A line of weight 3 sends three times as much."""
        self.build({"weight": 3.0}, {})
        for n in range(8):
            self.accept(f"m{n}")
        lines = [line for line, _ in self.sent()]
        self.assertEqual((lines.count("a"), lines.count("b")), (6, 2))

    def test_a_line_cools_down_after_each_sms(self) -> None:
        """TR70: the second submit starts 10 s after the first one's outcome."""
        self.build({"cooldown_s": 10.0})
        self.accept("m1")
        self.assertEqual(len(self.sent()), 1)
        ended = next(
            e
            for e in self.events()
            if e.get("id") == "m1" and e["state"] == "submitted"
        )
        ended_at = datetime.fromisoformat(ended["at"]).timestamp()
        self.accept("m2")
        self.pass_time(15)
        begun = self.rig.session.sender
        self.assertEqual(len(self.sent()), 2)
        self.assertGreaterEqual(self.box.last[1].at - 1.0, ended_at + 10.0)
        self.assertEqual(begun.unfinished, 0)


class KeepAliveTests(BudgetTestCase):
    GIVEN: ClassVar[dict[str, Any]] = {
        "keepalive_s": 60 * DAY_S,
        "keepalive_to": "+79160000001",
        "keepalive_text": "alive",
    }

    def test_one_when_nothing_left_for_so_long(self) -> None:
        """TR69: 60 days after the last SMS one; after any other SMS none."""
        self.build(self.GIVEN)
        # nobody knows when the SIM sent last
        self.assertEqual(self.sent(), [("a", "alive")])
        self.until(midnight(59) - 1.0)
        self.assertEqual(len(self.sent()), 1)
        self.until(midnight(61))
        self.assertEqual(len(self.sent()), 2)
        self.until(midnight(100))
        self.accept("m1")
        self.until(midnight(140))
        self.assertEqual(len(self.sent()), 3)

    def test_one_after_a_long_time_without_a_gateway(self) -> None:
        """TR69: the gateway was down for 100 days: one, not two."""
        self.build(self.GIVEN)
        self.pass_time(5)
        self.clock.rightNow += 100 * DAY_S
        self.crash()
        self.pass_time(30)
        self.assertEqual(self.sent(), [("a", "alive")])

    def test_one_with_two_processes(self) -> None:
        """TR69: another gateway that takes the channel makes the same message."""
        self.build(self.GIVEN, personality=GoipPersonality(gsm_logout=True))
        self.assertEqual(self.sent(), [])
        self.crash()
        self.pass_time(30)
        ids = {e["id"] for e in self.events() if e["type"] == "status"}
        self.assertEqual(ids, {"keepalive-office-a-2023-11-15"})

    def test_it_counts_and_waits(self) -> None:
        """TR69: with the budget spent it waits like any other."""
        given = {"keepalive_s": DAY_S, "per_month": 1, "month_starts": 20}
        self.build({**self.GIVEN, **given})
        self.assertEqual(len(self.sent()), 1)
        self.until(midnight() + 10.0)
        self.assertEqual(len(self.sent()), 1)
        self.assertEqual(
            [e["state"] for e in self.events() if e.get("id") == LATER], ["accepted"]
        )
        self.assertIsNotNone(self.rig.channel.unable())
        month = self.lines_of_channel()["a"]["budget"]["month"]
        self.assertEqual((month["used"], month["limit"]), (1, 1))
