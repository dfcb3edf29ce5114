"""A long message that has left in part: what leaves next, after whatever happens.

The real dispatcher, journal (a file) and SMPP channel in virtual time; only the
SMSC is a script.  A life ends by SIGTERM (`stop`), by SIGHUP (`reload`) or like a
killed process (`kill`: the files as they lie there are opened by the next life).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.facts import Cancelled
from gdemoi.interfaces import ChannelContext
from gdemoi.journal import Journal
from gdemoi.message import MessageClass, OnUnsure, Outbound
from gdemoi.net.hosts import Host
from gdemoi.routing.dispatcher import Dispatcher
from gdemoi.routing.retry import RetryPolicy
from gdemoi.routing.rules import Router
from gdemoi.sandbox.memory import MemoryEndpoint, MemoryNet
from gdemoi.sandbox.smsc import Smsc, SmscPersonality, SmscProtocol
from gdemoi.smpp.channel import SmppChannel
from gdemoi.smpp.pdu import pdus
from gdemoi.smpp.pdu.pdus import DeliverSm, SubmitSm
from gdemoi.smpp.settings import SmppSettings
from gdemoi.text.segments import Method

START = 1_795_000_000.0
POLICY = RetryPolicy(tries=4, first_s=10.0, last_s=60.0, hold_s=30.0)
TEXT = "a" * 400
SYSERR, THROTTLED, INVDSTADR = 0x08, 0x58, 0x0B
SILENT = None

# an id (the segment is taken), a command_status, or silence
Answer = str | int | None


@define
class Left:
    """One submit_sm of a long message, as the SMSC saw it."""

    host: str
    number: int
    total: int
    reference: int
    sender: str
    text: bytes


class ScriptedSmsc(SmscProtocol):
    """An SMSC that answers submits as the test says, then takes all."""

    def __init__(self, flow: Flow, host: str) -> None:
        super().__init__(flow.smsc)
        self.flow = flow
        self.host = host
        self.asked: list[SubmitSm] = []

    def _submit(self, pdu: SubmitSm) -> None:
        header, text = pdu.short_message[:6], pdu.short_message[6:]
        reference, total, number = header[3:]
        self.flow.left.append(
            Left(self.host, number, total, reference, pdu.source_addr, text)
        )
        self.asked.append(pdu)
        script = self.flow.script
        made = f"{self.host}-{len(self.flow.left)}"
        answer = script.pop(0) if script else made
        if answer is not SILENT:
            self.say(pdu, answer)

    def say(self, pdu: SubmitSm, answer: Answer) -> None:
        """Answer a submit."""
        status = answer if isinstance(answer, int) else 0
        message_id = answer if isinstance(answer, str) else ""
        self.send(pdus.answer(pdu, status, message_id=message_id))


class Flow(SynchronousTestCase):
    """A gateway with SMPP channels (each with a host of its own name)."""

    hosts: tuple[str, ...] = ("a",)

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = START
        self.script: list[Answer] = []
        self.left: list[Left] = []
        self.sessions: dict[str, ScriptedSmsc] = {}
        self.life = 0
        how = SmscPersonality(password="secret", tracker=False, receipts="none")
        self.smsc = Smsc({"esme": how}, self.clock)
        self.net = MemoryNet(self.clock)
        for host in self.hosts:
            self.net.listen(host, 2775, lambda host=host: self.session(host))
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.begin()
        self.addCleanup(lambda: self.stop())

    def session(self, host: str) -> ScriptedSmsc:
        """Make the SMSC's end of a connection."""
        made = self.sessions[host] = ScriptedSmsc(self, host)
        return made

    @property
    def path(self) -> Path:
        """The journal's file in this life."""
        return (self.folder / f"life-{self.life}.sqlite").absolute()

    def connect(self, host: Host) -> MemoryEndpoint:
        """Return the endpoint of a host."""
        return self.net.endpoint(host.name, host.port)

    def channel(self, host: str, **settings: Any) -> SmppChannel:
        """Make a channel to a host; a window that takes a long message whole."""
        around = ChannelContext(
            reactor=None,
            clock=self.clock,
            random=lambda: 0.1 + 0.1 * self.life,
            public_url=None,
            mount=lambda name, resource: None,
            cursor=lambda name: succeed(None),
            set_cursor=lambda name, value: succeed(None),
        )
        values: dict[str, Any] = {
            "host": (host,),
            "system_id": "esme",
            "password": "secret",
            "window": 10,
            "response_timeout_s": 5.0,
            **settings,
        }
        return SmppChannel(host, SmppSettings(**values), around, self.connect)

    def begin(self, hosts: Sequence[str] = (), **settings: Any) -> None:
        """Start a life over the journal's file."""
        self.journal = Journal(f"sqlite:///{self.path}", self.clock, inline=True)
        self.successResultOf(self.journal.open())
        names = tuple(hosts) or self.hosts
        self.dispatcher = Dispatcher(
            self.journal,
            self.clock,
            Router([], names),
            [self.channel(host, **settings) for host in names],
            policy=POLICY,
        )
        self.run_to_end(self.dispatcher.start())
        self.turn()

    def run_to_end(self, work: Any) -> Any:
        """Return what a coroutine or a Deferred comes to, while time passes."""
        found: list[Any] = []
        done = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        done.addBoth(found.append)
        for _ in range(400):
            if found:
                return found[0]
            self.clock.advance(0.25)
        raise AssertionError("it waits for something")

    def turn(self) -> None:
        """Let the reactor turn; hardly any time passes."""
        for _ in range(12):
            self.clock.advance(0.001)

    def later(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(int(seconds * 4)):
            self.clock.advance(0.25)

    # -- what happens to a gateway

    def stop(self) -> None:
        """SIGTERM."""
        self.run_to_end(self.dispatcher.stop(10.0))
        self.successResultOf(self.journal.close())
        self.turn()

    def restart(self, hosts: Sequence[str] = (), **settings: Any) -> None:
        """SIGTERM and start."""
        self.stop()
        self.begin(hosts, **settings)
        self.later(3)

    def kill(self, hosts: Sequence[str] = (), **settings: Any) -> None:
        """SIGKILL and start: what lies on the disk is all there is."""
        before = self.path
        self.life += 1
        for tail in ("", "-wal"):
            old = Path(f"{before}{tail}")
            if old.exists():
                shutil.copyfile(old, f"{self.path}{tail}")
        dead = self.dispatcher
        for lane in dead.lanes.values():
            lane._journal = Dead()  # type: ignore[assignment]
        self.run_to_end(dead.stop(0.0))
        self.journal._database.close()
        self.journal._reading.close()
        self.begin(hosts, **settings)
        self.later(3)

    def reload(self, **settings: Any) -> None:
        """SIGHUP with other settings of channel a: it is made anew."""
        self.run_to_end(self.dispatcher.close_channel("a", 10.0))
        self.dispatcher.open_channel(self.channel("a", **settings))
        self.later(3)

    def drop(self) -> None:
        """The connection breaks and is made again."""
        self.sessions["a"].transport.abortConnection()
        self.later(8)

    def anew(self) -> None:
        """Begin with an empty journal, unless nothing has happened yet."""
        if self.left:
            self.stop()
            self.left.clear()
            self.life += 10
            self.begin()

    # -- messages

    def send(self, *script: Answer, text: str = TEXT, **fields: Any) -> None:
        """Take a message; the SMSC answers its segments so, and then takes all."""
        self.script[:] = script
        now = self.clock.seconds()
        ttl_s = fields.pop("ttl", 3600.0)
        message = Outbound(
            id="m1",
            to="+79161234567",
            from_="GdeMoi",
            text=text,
            accepted_at=now,
            expires_at=now + ttl_s,
            **{"class_": MessageClass.COMMAND, "on_unsure": OnUnsure.HOLD, **fields},
        )
        self.run_to_end(self.dispatcher.intake.accept([(message, b"")]))
        self.turn()

    def notify(self, *script: Answer, **fields: Any) -> None:
        """Take a notification, which may be sent again."""
        kind = {"class_": MessageClass.NOTIFICATION, "on_unsure": OnUnsure.RESEND}
        self.send(*script, **{**kind, **fields})

    def receipt(self, provider_id: str, stat: str = "DELIVRD", host: str = "a") -> None:
        """Send a receipt."""
        words = (
            f"id:{provider_id} sub:001 dlvrd:001 submit date:2611270900"
            f" done date:2611270901 stat:{stat} err:000 text:"
        )
        self.sessions[host].request(
            DeliverSm(
                source_addr="79161234567", esm_class=4, short_message=words.encode()
            )
        )
        self.turn()

    def numbers(self) -> list[int]:
        """Return which segments left, in order."""
        return [one.number for one in self.left]

    def events(self) -> list[dict[str, Any]]:
        """Return the events of the message."""
        events = self.successResultOf(self.journal.events(0, 1000))
        bodies = [json.loads(event.body) for event in events]
        return [b for b in bodies if b["type"] == "status"]

    def states(self) -> list[str]:
        """Return the states that were told."""
        return [event["state"] for event in self.events()]

    def story(self) -> Any:
        """Return the story of the message."""
        return self.successResultOf(self.journal.story("m1"))

    def unmatched(self) -> int:
        """Return how many receipts found no message."""
        return len(self.successResultOf(self.journal.unmatched(100)))

    def assert_one_message(self) -> None:
        """See that a phone can join all that left, and read it."""
        self.assertEqual(len({one.reference for one in self.left}), 1, self.left)
        self.assertEqual(len({one.total for one in self.left}), 1)
        parts = {one.number: one.text for one in self.left}
        text = b"".join(parts[number] for number in sorted(parts))
        self.assertEqual(text, TEXT.encode())


class Dead:
    """What a killed gateway would still write is not written."""

    def note(self, fact: Any) -> Deferred[Any]:
        return Deferred()

    take = note

    def record(self, fact: Any, done: Any, failed: Any, *args: Any) -> None:
        """Nobody hears of it."""


WAYS = {
    "retry": lambda flow: None,
    "drop": Flow.drop,
    "reload": lambda flow: flow.reload(window=3),
    "restart": lambda flow: flow.restart(window=3),
    "kill": Flow.kill,
    "two lives": lambda flow: (flow.kill(), flow.restart()),
}


class RestTests(Flow):
    """Only what is missing leaves, with the old reference."""

    def test_segment_two_of_three(self) -> None:
        """Whatever happens between the tries."""
        for name, happens in WAYS.items():
            with self.subTest(name):
                self.anew()
                self.send("i1", SYSERR, "i3")
                self.assertEqual(self.numbers(), [1, 2, 3])
                happens(self)
                self.later(15)
                self.assertEqual(self.numbers(), [1, 2, 3, 2])
                self.assert_one_message()
                self.assertEqual(self.states()[-1], "submitted")
                self.assertEqual(
                    self.events()[-1]["provider_ids"], ["i1", self.last_id, "i3"]
                )

    @property
    def last_id(self) -> str:
        return f"a-{len(self.left)}"

    def test_segments_by_outcome(self) -> None:
        """Which segments are missing, and why: the table."""
        for answers, rest in (
            ((SYSERR, "i2", "i3"), [1]),
            (("i1", "i2", SYSERR), [3]),
            (("i1", SYSERR, SYSERR), [2, 3]),
            (("i1", THROTTLED, "i3"), [2]),
            (("", SYSERR, ""), [2]),
            (("77", SYSERR, "77"), [2]),
        ):
            for happens in (Flow.kill, lambda flow: flow.reload(window=4)):
                with self.subTest(answers=answers):
                    self.anew()
                    self.send(*answers)
                    happens(self)
                    self.later(15)
                    self.assertEqual(self.numbers(), [1, 2, 3, *rest])
                    self.assert_one_message()
                    self.assertEqual(self.events()[-1]["segments"]["submitted"], 3)

    def test_again_and_again(self) -> None:
        """Progress grows over several tries and lives."""
        self.send("i1", SYSERR, SYSERR, SYSERR, "i3", SYSERR, text=TEXT)
        self.kill()
        self.later(15)
        self.assertEqual(self.numbers(), [1, 2, 3, 2, 3])
        self.kill()
        self.later(25)
        self.assertEqual(self.numbers(), [1, 2, 3, 2, 3, 2])
        self.kill()
        self.later(45)
        self.assertEqual(self.numbers(), [1, 2, 3, 2, 3, 2, 2])
        self.assert_one_message()
        self.assertEqual(self.states()[-1], "submitted")

    def test_throttled_then_killed(self) -> None:
        """It stands at the head of its lane, and yet in the journal."""
        self.send("i1", THROTTLED, THROTTLED)
        self.kill()
        self.later(10)
        self.assertEqual(self.numbers(), [1, 2, 3, 2, 3])
        self.assert_one_message()

    def test_stopped_in_the_middle(self) -> None:
        """SIGTERM while segments wait for the window: the rest after the start."""
        self.reload(window=1)
        self.send("i1", SILENT)
        self.assertEqual(self.numbers(), [1, 2])
        stopping: list[Any] = []
        done = Deferred.fromCoroutine(self.dispatcher.stop(10.0))
        done.addBoth(stopping.append)
        session = self.sessions["a"]
        session.say(session.asked[-1], "i2")
        self.later(1)
        self.assertTrue(stopping)
        self.successResultOf(self.journal.close())
        self.begin()
        self.later(30)
        self.assertEqual(self.numbers(), [1, 2, 3])
        self.assert_one_message()
        self.assertEqual(self.states()[-1], "submitted")

    def test_a_new_message_bears_another_reference(self) -> None:
        """What follows the rest is not joined to it."""
        self.send("i1", SYSERR, "i3")
        self.kill()
        self.later(15)
        now = self.clock.seconds()
        other = Outbound(
            id="m2",
            to="+79161234567",
            from_="GdeMoi",
            text=TEXT,
            accepted_at=now,
            expires_at=now + 3600,
        )
        self.run_to_end(self.dispatcher.intake.accept([(other, b"")]))
        self.turn()
        self.assertNotEqual(self.left[-1].reference, self.left[0].reference)


class InDoubtTests(Flow):
    """A segment of which nobody knows."""

    def test_killed_in_the_very_middle(self) -> None:
        """No outcome is written: a command is uncertain, never sent again."""
        self.send("i1", SILENT, "i3")
        self.kill()
        self.later(60)
        self.assertEqual(self.numbers(), [1, 2, 3])
        self.assertEqual(self.states()[-1], "uncertain")

    def test_killed_in_the_middle_of_the_rest(self) -> None:
        """What was known before is still known, also of what is uncertain."""
        self.send("i1", SYSERR, "i3", SILENT)
        self.later(11)
        self.assertEqual(self.numbers(), [1, 2, 3, 2])
        self.kill()
        self.later(60)
        self.assertEqual(self.numbers(), [1, 2, 3, 2])
        self.assertEqual(self.states()[-1], "uncertain")
        self.receipt("i1")
        self.receipt("i3")
        self.assertEqual(self.unmatched(), 0)
        self.assertEqual(self.states()[-1], "uncertain")
        self.assertEqual(self.story()["attempts"][-1]["provider_ids"], ["i1", "i3"])

    def test_resend_sends_what_is_not_known(self) -> None:
        """`resend` after a kill repeats only the segment in doubt."""
        for happens in (Flow.kill, Flow.restart, lambda flow: flow.reload(window=2)):
            with self.subTest(happens):
                self.anew()
                self.notify("i1", SILENT, "i3")
                self.later(6)
                happens(self)
                self.later(15)
                self.assertEqual(self.numbers(), [1, 2, 3, 2])
                self.assert_one_message()
                self.assertEqual(self.states()[-1], "submitted")

    def test_a_command_that_may_be_resent(self) -> None:
        """The platform's own `resend`, over the same channel only."""
        self.send("i1", SILENT, "i3", on_unsure=OnUnsure.RESEND)
        self.later(6)
        self.kill()
        self.later(15)
        self.assertEqual(self.numbers(), [1, 2, 3, 2])
        self.assert_one_message()

    def test_a_late_answer_of_one_segment_is_kept(self) -> None:
        """Its id is in the journal though another is still in doubt."""
        self.send("i1", SILENT, SILENT)
        self.later(6)
        session = self.sessions["a"]
        session.say(session.asked[1], "i2")
        self.turn()
        self.kill()
        self.assertEqual(self.story()["provider_ids"], ["i1", "i2"])
        self.receipt("i2")
        self.assertEqual(self.unmatched(), 0)

    def test_a_late_refusal_lets_the_rest_follow(self) -> None:
        """Held, then certain: only that segment leaves again."""
        self.send("i1", SILENT, "i3")
        self.later(6)
        session = self.sessions["a"]
        session.say(session.asked[1], SYSERR)
        self.turn()
        self.kill()
        self.later(15)
        self.assertEqual(self.numbers(), [1, 2, 3, 2])
        self.assert_one_message()


class ReceiptTests(Flow):
    """Receipts of accepted segments match, whenever they come."""

    def test_receipts_by_attempts(self) -> None:
        """Before the outcome, between the tries, after them: the table."""
        for early, between, after in (
            ((), ("i1", "i3"), ("n2",)),
            ((), ("i1",), ("n2", "i3")),
            (("i1",), ("i3",), ("n2",)),
            (("i1", "i3"), (), ("n2",)),
            ((), (), ("i3", "n2", "i1")),
        ):
            for kills in (False, True):
                with self.subTest(early=early, between=between, after=after):
                    self.anew()
                    self.send("i1", SILENT, "i3", "n2")
                    for one in early:
                        self.receipt(one)
                    session = self.sessions["a"]
                    session.say(session.asked[1], SYSERR)
                    self.turn()
                    if kills:
                        self.kill()
                    for one in between:
                        self.receipt(one)
                    self.assertEqual(self.states()[-1], "waiting")
                    self.later(15)
                    self.assertEqual(self.numbers(), [1, 2, 3, 2])
                    for one in after:
                        self.assertNotIn("delivered", self.states())
                        self.receipt(one)
                    self.assertEqual(self.states()[-1], "delivered")
                    self.assertEqual(self.states().count("delivered"), 1)
                    self.assertEqual(self.unmatched(), 0)
                    self.assertEqual(self.events()[-1]["segments"]["delivered"], 3)

    def test_all_receipts_before_the_last_answer(self) -> None:
        """The answer is the last to come: then it is delivered."""
        self.send("i1", SYSERR, "i3", SILENT)
        self.later(11)
        for one in ("i1", "i3", "n2"):
            self.receipt(one)
        session = self.sessions["a"]
        session.say(session.asked[-1], "n2")
        self.turn()
        self.assertEqual(self.states()[-2:], ["submitted", "delivered"])

    def test_a_lost_segment_is_a_lost_message(self) -> None:
        """It was lost between the tries: told when the rest has left."""
        self.send("i1", SYSERR, "i3", "n2")
        self.receipt("i1", "UNDELIV")
        self.assertEqual(self.states()[-1], "waiting")
        self.later(15)
        self.assertEqual(self.states()[-1], "undelivered")


class PartlySentTests(Flow):
    """What has left in part is told neither unsent nor free to be sent again."""

    def end(self) -> tuple[str, str, bool, int]:
        """Return state, error code, finality and segments out, as told last."""
        last = self.events()[-1]
        error = last["error"] or {"code": ""}
        return last["state"], error["code"], last["final"], self.out()

    def out(self) -> int:
        """Return how many segments the last event says are out."""
        return int(self.events()[-1]["segments"]["submitted"])

    def test_no_end_says_that_nothing_left(self) -> None:
        """Refused for good, no tries left, expired: some segments are out all the same.

        A platform that reads `rejected`, `expired` or a retryable `undelivered` sends
        the whole again, and the phone has a half and a whole.
        """
        for name, answers, fields, later_s in (
            ("refused for good", ("i1", INVDSTADR, "i3"), {}, 0),
            ("no tries left", ("i1", SYSERR, "i3", *[SYSERR] * 20), {}, 4000),
            ("expired", ("i1", SYSERR, "i3", *[SYSERR] * 20), {"ttl": 20.0}, 60),
            ("expired, a third", ("i1", *[SYSERR] * 20), {"ttl": 20.0}, 60),
        ):
            with self.subTest(name):
                self.anew()
                self.send(*answers, **fields)
                self.later(later_s)
                left = 1 if name == "expired, a third" else 2
                known = ("uncertain", "gateway:partly_sent", False, left)
                self.assertEqual(self.end(), known)
                self.assertFalse(self.events()[-1]["error"]["retryable"])
                self.kill()
                self.later(60)
                self.assertEqual(self.end(), known)

    def test_it_cannot_be_cancelled(self) -> None:
        """Not even while its rest waits for the next try."""
        self.send("i1", SYSERR, "i3")
        self.assertEqual((self.states()[-1], self.out()), ("waiting", 2))
        self.assertEqual(self.events()[-1]["provider_ids"], ["i1", "i3"])
        taken_back = Cancelled("m1", self.clock.seconds())
        self.assertFalse(self.successResultOf(self.journal.note(taken_back)))
        self.later(15)
        self.assertEqual(self.states()[-1], "submitted")

    def test_its_receipts(self) -> None:
        """Delivered segments make no message; a lost one is its end."""
        self.send("i1", INVDSTADR, "i3")
        self.kill()
        self.receipt("i1")
        self.assertEqual(self.end()[:3], ("uncertain", "gateway:partly_sent", False))
        self.assertEqual(self.unmatched(), 0)
        self.receipt("i3", "UNDELIV")
        self.assertEqual(self.end()[0], "undelivered")
        self.assertTrue(self.end()[2])

    def test_one_of_its_segments_is_lost(self) -> None:
        """It is undelivered, and still nobody is told to send it again."""
        for name, fields, later_s in (
            ("no tries left", {}, 4000),
            ("expired", {"ttl": 20.0}, 60),
        ):
            with self.subTest(name):
                self.anew()
                self.send("i1", SYSERR, "i3", *[SYSERR] * 20, **fields)
                self.receipt("i1", "UNDELIV")
                self.receipt("i3")
                taken_back = Cancelled("m1", self.clock.seconds())
                self.assertFalse(self.successResultOf(self.journal.note(taken_back)))
                self.later(later_s)
                known = ("undelivered", "gateway:partly_sent", True)
                self.assertEqual(self.end()[:3], known)
                self.assertFalse(self.events()[-1]["error"]["retryable"])

    def test_nothing_left_is_told_so(self) -> None:
        """The first segment refused: the other ends are as ever."""
        self.send(INVDSTADR, INVDSTADR, INVDSTADR)
        self.assertEqual(self.states()[-1], "rejected")


class OtherFormTests(Flow):
    """The parts would not fit together any more."""

    def test_a_command_is_uncertain(self) -> None:
        """No mixture leaves, and the reason is told."""
        for settings in (
            {"long_messages": Method.UDH16},
            {"long_messages": Method.PAYLOAD},
            {"long_messages": Method.SAR},
            {"allowed_sender": ("Other",), "on_other_sender": "replace"},
            {"allowed_sender": ("Other",)},
            {"gsm_coding": 1},
            {"account": "another"},
        ):
            for start in (Flow.kill, Flow.restart):
                with self.subTest(settings=settings):
                    self.anew()
                    self.send("i1", SYSERR, "i3")
                    start(self, **settings)
                    self.later(20)
                    self.assertEqual(self.numbers(), [1, 2, 3])
                    self.assertEqual(self.states()[-1], "uncertain")
                    error = self.events()[-1]["error"]
                    self.assertEqual(error["code"], "gateway:partly_sent")

    def test_a_notification_leaves_whole(self) -> None:
        """All of it, under a reference of its own."""
        self.notify("i1", SYSERR, "i3")
        self.kill(gsm_coding=1, long_messages=Method.UDH)
        self.later(20)
        self.assertEqual(self.numbers(), [1, 2, 3, 1, 2, 3])
        self.assertNotEqual(self.left[0].reference, self.left[3].reference)
        self.assertEqual(self.states()[-1], "submitted")

    def test_back_to_the_old_settings(self) -> None:
        """What had to wait meanwhile for the link goes on."""
        self.send("i1", SYSERR, "i3")
        self.restart(window=1, enquire_link_s=20.0)
        self.later(20)
        self.assertEqual(self.numbers(), [1, 2, 3, 2])
        self.assert_one_message()


class FailoverTests(Flow):
    """Two channels: a half here and a whole there is no second try."""

    hosts = ("a", "b")

    def test_a_command_waits_for_its_channel(self) -> None:
        """The channel is at fault: the rest follows when it is well again."""
        self.send("i1", 0x04, "i3")
        self.later(40)
        self.assertEqual([one.host for one in self.left], ["a"] * 4)
        self.assertEqual(self.numbers(), [1, 2, 3, 2])
        self.assert_one_message()

    def test_a_command_whose_channel_is_down_for_long(self) -> None:
        """It is not moved over, also not after a restart."""
        for happens in (lambda flow: None, Flow.restart):
            with self.subTest(happens):
                self.anew()
                self.send("i1", SYSERR, "i3")
                happens(self)
                self.dispatcher.lanes["a"].pause()
                self.later(60)
                self.assertEqual({one.host for one in self.left}, {"a"})
                self.assertNotIn("b", self.story()["tried"])
                self.dispatcher.lanes["a"].resume()
                self.later(20)
                self.assertEqual(self.numbers(), [1, 2, 3, 2])

    def test_a_command_whose_channel_is_gone(self) -> None:
        """It is uncertain, and not sent over the other one."""
        for start in (Flow.kill, Flow.restart):
            with self.subTest(start):
                self.anew()
                self.send("i1", SYSERR, "i3")
                start(self, hosts=("b",))
                self.later(60)
                self.assertEqual({one.host for one in self.left}, {"a"})
                self.assertEqual(self.states()[-1], "uncertain")
                error = self.events()[-1]["error"]
                self.assertEqual(error["code"], "gateway:partly_sent")

    def test_a_notification_goes_over_whole(self) -> None:
        """Half a text twice is better than none."""
        self.notify("i1", 0x04, "i3")
        self.later(10)
        self.assertEqual([one.host for one in self.left], ["a"] * 3 + ["b"] * 3)
        self.assertEqual(self.states()[-1], "submitted")

    def test_resend_goes_on_where_it_stood(self) -> None:
        """Although the other channel is the first able one."""
        self.notify("i1", SILENT, "i3")
        self.later(20)
        self.assertEqual([one.host for one in self.left], ["a"] * 4)
        self.assert_one_message()


class SharedIdTests(Flow):
    """Ids are not one-to-one with segments."""

    def test_ids_by_receipts(self) -> None:
        """One id speaks for all segments that bear it: the table."""
        for ids, receipts in (
            (("77", "77", "77"), ("77",)),
            (("T1", "T1", "T3"), ("T1", "T3")),
            (("T1", "T1", "T3"), ("T3", "T1")),
            (("T1", "T2", "T1"), ("T2", "T1")),
            (("T1", "", "T3"), ("T3", "T1")),
            (("T1", "", "T1"), ("T1",)),
            (("", "", "T3"), ("T3",)),
        ):
            with self.subTest(ids=ids, receipts=receipts):
                self.anew()
                self.send(*ids)
                segments = self.events()[-1]["segments"]
                self.assertEqual((segments["total"], segments["submitted"]), (3, 3))
                for one in receipts:
                    self.assertNotIn("delivered", self.states())
                    self.receipt(one)
                self.assertEqual(self.states()[-1], "delivered")
                segments = self.events()[-1]["segments"]
                self.assertEqual((segments["delivered"], segments["failed"]), (3, 0))
                self.receipt(receipts[-1])
                self.assertEqual(self.states().count("delivered"), 1)
                self.assertEqual(self.unmatched(), 0)

    def test_one_shared_id_is_lost(self) -> None:
        """All segments that bear it are."""
        self.send("T1", "T1", "T3")
        self.receipt("T1", "UNDELIV")
        self.assertEqual(self.states()[-1], "undelivered")
        segments = self.events()[-1]["segments"]
        self.assertEqual((segments["delivered"], segments["failed"]), (0, 2))

    def test_shared_over_two_attempts(self) -> None:
        """The rest gets the id that the others have."""
        for between in (False, True):
            with self.subTest(between):
                self.anew()
                self.send("77", SYSERR, "77", "77")
                if between:
                    self.receipt("77")
                    self.assertEqual(self.states()[-1], "waiting")
                self.kill()
                self.later(15)
                if not between:
                    self.receipt("77")
                self.assertEqual(self.states()[-1], "delivered")
                self.assertEqual(self.events()[-1]["segments"]["delivered"], 3)
