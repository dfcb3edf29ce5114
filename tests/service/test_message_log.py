"""What became of messages: lines of the log, and the CDR file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.facts import InboundStep, MessageStep
from gdemoi.journal import Journal
from gdemoi.message import Error, Inbound, MessageClass, MessageState, Outbound, Report
from gdemoi.routing.trackers import TrackerRule, Trackers, TrackerSettings
from gdemoi.service.message_log import (
    CdrFileSettings,
    MessageLog,
    record_of,
    record_of_inbound,
    shown,
)
from tests.journal.builders import (
    NOW,
    acceptance,
    receipt,
    taken,
)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MESSAGE = Outbound(
    id="cmd-1", to="+79161234567", from_="GdeMoi", text="Set 12!\nпуск",
    accepted_at=NOW, expires_at=NOW + 60, account="fleet", traceparent=TRACE,
)  # fmt: skip


def step(state: MessageState = MessageState.DELIVERED, **more: Any) -> MessageStep:
    """Return a step of the message."""
    given: dict[str, Any] = {
        "message": MESSAGE, "state": state, "final": state is MessageState.DELIVERED,
        "at": NOW + 9, "channel": "mts", "line": None, "attempt": 1,
        "segments": (2, 2, 2, 0), "provider_ids": ("a1", "a2"), "error": None,
        "submitted_at": NOW + 1,
    }  # fmt: skip
    return MessageStep(**(given | more))


INBOUND = InboundStep(
    Inbound(
        channel="office", from_="+79160000000", to="+79161111111", received_at=NOW,
        text="OK\n2026-01-01 forged", line="l1",
    ),
    "in-1",
)  # fmt: skip


class SecretTests(SynchronousTestCase):
    def test_passwords_of_trackers_are_masked(self) -> None:
        """TR71: in the log and in records, of commands and of answers."""
        rule = TrackerRule("all", TrackerSettings(profile="galileosky"))
        trackers = Trackers(rules=(rule,))
        command = replace(MESSAGE, text="ChangePass 4711", class_=MessageClass.COMMAND)
        answer = replace(INBOUND.inbound, text="current password 4711")
        steps = [step(message=command), InboundStep(answer, "in-2")]
        told = MessageLog("all", "yes", trackers=trackers)
        with capturedLogs() as captured:
            told.heard(steps)
        lines = [str(one) + (formatEvent(one) or "") for one in captured]
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertNotIn("4711", line)
        self.assertEqual(
            record_of(step(message=command), "yes", trackers)["text"], "ChangePass ***"
        )
        found = record_of_inbound(InboundStep(answer, "in-2"), "yes", trackers)
        self.assertEqual(found["text"], "current password ***")


class TextTests(SynchronousTestCase):
    def test_how_texts_are_shown(self) -> None:
        """Not at all, masked, or as they are."""
        text = "Set 12! пуск"
        for texts, expected in {
            "no": None, "mask": "xxx 00! xxxx", "yes": text
        }.items():  # fmt: skip
            self.assertEqual(shown(text, texts), expected)
            self.assertIsNone(shown(None, texts))


class LineTests(SynchronousTestCase):
    def lines(self, *steps: Any, **settings: Any) -> list[str]:
        """Return what is logged of steps."""
        with capturedLogs() as logs:
            MessageLog(**settings).heard(steps)
        return [formatEvent(one) for one in logs]

    def test_words(self) -> None:
        """One line a step, with the message's id first."""
        busy = Error("smpp:0x58", "throttled", retryable=True)
        for one, expected in (
            (step(MessageState.ACCEPTED), "cmd-1 accepted for +79161234567"),
            (step(MessageState.WAITING, error=busy),
             "cmd-1 waiting for mts: smpp:0x58 throttled"),
            (step(MessageState.SUBMITTED, attempt=2, line="l1"),
             "cmd-1 submitted by mts/l1 at attempt 2 as a1 a2"),
            (step(), "cmd-1 delivered by mts"),
            (step(MessageState.REJECTED, channel=None, error=busy),
             "cmd-1 rejected: smpp:0x58 throttled"),
        ):  # fmt: skip
            self.assertEqual(self.lines(one, facts="all"), [expected])

    def test_what_is_asked_for(self) -> None:
        """All steps, the last ones, or none."""
        steps = step(MessageState.ACCEPTED), step(), INBOUND
        for facts, count in {"all": 3, "final": 2, "none": 0}.items():
            self.assertEqual(len(self.lines(*steps, facts=facts)), count)

    def test_a_text_is_one_line(self) -> None:
        """In quotes and escaped: an SMS cannot forge what follows it."""
        [line] = self.lines(step(MessageState.ACCEPTED), facts="all", texts="yes")
        self.assertEqual(line, 'cmd-1 accepted for +79161234567: "Set 12!\\nпуск"')
        [line] = self.lines(INBOUND, facts="all", texts="yes")
        self.assertNotIn("\n", line)
        [line] = self.lines(INBOUND, facts="all")
        self.assertEqual(line, "in-1 came in from +79160000000 by office")

    def test_fields(self) -> None:
        """For those who read JSON: the id, the trace, the code of the error."""
        with capturedLogs() as logs:
            MessageLog(facts="all").heard([step(error=Error("mts:5", "gone"))])
        [line] = logs
        self.assertEqual((line["id"], line["code"]), ("cmd-1", "mts:5"))
        self.assertEqual((line["traceparent"], line["account"]), (TRACE, "fleet"))
        self.assertIsNone(line["sms_text"])
        self.assertEqual(line["log_namespace"], "gdemoi.messages")


class RecordTests(SynchronousTestCase):
    def test_a_message(self) -> None:
        """All that a bill or a complaint asks for; no text unless it is wanted."""
        self.assertEqual(
            record_of(step(), "no"),
            {
                "direction": "mt", "id": "cmd-1", "to": "+79161234567",
                "from": "GdeMoi", "class": "notification", "account": "fleet",
                "state": "delivered", "error": None, "channel": "mts", "line": None,
                "attempts": 1, "segments": 2, "segments_submitted": 2,
                "segments_delivered": 2, "segments_failed": 0,
                "provider_ids": ["a1", "a2"],
                "accepted_at": "1970-01-12T13:46:40.000Z",
                "submitted_at": "1970-01-12T13:46:41.000Z",
                "ended_at": "1970-01-12T13:46:49.000Z",
                "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            },
        )  # fmt: skip
        self.assertEqual(record_of(step(), "mask")["text"], "xxx 00!\nxxxx")
        self.assertEqual(record_of(step(), "yes")["text"], MESSAGE.text)

    def test_one_that_never_left(self) -> None:
        """Has no channel and no time of a submit, and says why."""
        found = record_of(
            step(MessageState.REJECTED, channel=None, submitted_at=None,
                 error=Error("gateway:no_route", "no route"), segments=(0, 0, 0, 0)),
            "no",
        )  # fmt: skip
        self.assertEqual(found["submitted_at"], None)
        self.assertEqual(
            found["error"], {"code": "gateway:no_route", "text": "no route"}
        )

    def test_an_inbound_sms(self) -> None:
        """As it came in."""
        found = record_of_inbound(INBOUND, "no")
        self.assertEqual((found["direction"], found["id"]), ("mo", "in-1"))
        self.assertEqual((found["channel"], found["line"]), ("office", "l1"))
        self.assertNotIn("text", found)

    def test_octets(self) -> None:
        """Of a binary SMS are hexadecimal."""
        binary = replace(MESSAGE, text=None, binary=b"\x00\xff")
        self.assertEqual(record_of(step(message=binary), "yes")["text"], "00ff")


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "cdr.jsonl"

    def made(self, size: int = 0, files: int = 0, **settings: Any) -> MessageLog:
        """Return a log that writes records."""
        log = MessageLog()
        cdr = CdrFileSettings(str(self.path), size, files)
        log.change(settings.get("facts", "none"), settings.get("texts", "no"), cdr)
        self.addCleanup(log.close)
        return log

    def records(self, path: Path | None = None) -> list[dict[str, Any]]:
        lines = (path or self.path).read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def test_one_line_for_each_that_is_over(self) -> None:
        """Not for steps on the way; inbound SMS too."""
        log = self.made()
        log.heard([step(MessageState.ACCEPTED), step(), INBOUND])
        log.heard([step(MessageState.SUBMITTED)])
        found = self.records()
        self.assertEqual([one["id"] for one in found], ["cmd-1", "in-1"])
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o640)

    def test_what_was_there_stays(self) -> None:
        """A restart goes on at the end."""
        for _ in range(2):
            log = self.made()
            log.heard([step()])
            log.close()
        self.assertEqual(len(self.records()), 2)

    def test_rotated(self) -> None:
        """By size; so many older ones are kept, and no record is cut in two."""
        log = self.made(size=2_000, files=2)
        for _ in range(40):
            log.heard([step()])
        names = sorted(one.name for one in self.folder.iterdir())
        self.assertEqual(names, ["cdr.jsonl", "cdr.jsonl.1", "cdr.jsonl.2"])
        for name in names:
            for record in self.records(self.folder / name):
                self.assertEqual(record["id"], "cmd-1")

    def test_a_disk_that_is_full(self) -> None:
        """Costs records, which the log says, and nothing else."""
        log = self.made()
        assert log._file is not None
        log._file._file.close()
        with capturedLogs() as logs:
            log.heard([step()])
        self.assertIn("1 records are not in the CDR file", formatEvent(logs[0]))

    def test_a_change(self) -> None:
        """To another file, to a bad one (the old one stays), and to none."""
        log = self.made()
        other = CdrFileSettings(str(self.folder / "b.jsonl"), 0, 0)
        log.change("none", "no", other)
        log.heard([step()])
        bad = CdrFileSettings(str(self.folder / "no" / "c.jsonl"), 0, 0)
        self.assertRaises(OSError, log.change, "none", "no", bad)
        log.heard([step()])
        self.assertEqual(len(self.records(self.folder / "b.jsonl")), 2)
        log.change("none", "no", None)
        log.heard([step()])
        self.assertEqual(len(self.records(self.folder / "b.jsonl")), 2)
        self.assertFalse(log.wants_steps)


class CommittedTests(SynchronousTestCase):
    """What the journal tells of its commits."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = NOW
        self.journal = Journal("sqlite://", self.clock, inline=True)
        self.did(self.journal.open())
        self.addCleanup(lambda: self.did(self.journal.close()))
        self.steps: list[Any] = []
        self.journal.on_steps(self.steps.extend)
        self.journal.want_steps(True)

    def did(self, work: Deferred[Any]) -> Any:
        return self.successResultOf(work)

    def test_the_life_of_a_message(self) -> None:
        """Each step once, also where no event was asked for."""
        self.did(self.journal.accept([acceptance("a", attempting=True,
                                                 report=Report.NONE)]))  # fmt: skip
        self.did(self.journal.note(taken("p1", name="a")))
        self.did(self.journal.receipt(receipt("p1")))
        self.assertEqual(
            [(one.message.id, one.state.value, one.final) for one in self.steps],
            [("a", "accepted", False), ("a", "submitted", False),
             ("a", "delivered", True)],
        )  # fmt: skip
        last = self.steps[-1]
        self.assertEqual(last.submitted_at, NOW)
        self.assertEqual((last.channel, last.provider_ids), ("mts", ("p1",)))

    def test_inbound(self) -> None:
        """Once, with the id that its event has."""
        inbound = replace(INBOUND.inbound, dedup="d")
        found = self.did(self.journal.inbound(inbound))
        self.did(self.journal.inbound(inbound))
        [only] = self.steps
        self.assertEqual((only.inbound_id, only.inbound.text), (found, inbound.text))

    def test_not_unless_it_is_wanted(self) -> None:
        """A gateway without a message log pays nothing for it."""
        self.journal.want_steps(False)
        self.did(self.journal.accept([acceptance("a")]))
        self.assertEqual(self.steps, [])
