"""A line of the log as JSON, and as an entry of systemd's journal."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import FileLogObserver, Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.service.log_format import (
    LONGEST_VALUE,
    LogOutput,
    datagram,
    is_under_systemd,
    journal_fields,
    journal_socket,
    json_line,
    resource,
)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
AT = 1_795_000_000.25


def event(text: str = "{lane} answers", **fields: Any) -> dict[str, Any]:
    """Return a line as Twisted's logger makes it."""
    given: dict[str, Any] = {
        "log_level": LogLevel.warn, "log_namespace": "gdemoi.routing.lanes",
        "log_format": text, "log_time": AT, "log_source": object(),
    }  # fmt: skip
    return given | fields


class JsonTests(SynchronousTestCase):
    def line(self, **fields: Any) -> dict[str, Any]:
        line = json_line(event(**fields), {"service.name": "g"})
        line.encode()
        found: dict[str, Any] = json.loads(line)
        return found

    def test_the_log_data_model(self) -> None:
        """Time, severity, body and scope, by OpenTelemetry's names."""
        found = self.line(lane="mts")
        self.assertEqual(
            found,
            {
                "timestamp": "2026-11-18T11:06:40.250Z",
                "severity_text": "WARN",
                "severity_number": 13,
                "body": "mts answers",
                "scope": "gdemoi.routing.lanes",
                "attributes": {"gdemoi.channel": "mts"},
                "resource": {"service.name": "g"},
            },
        )

    def test_names(self) -> None:
        """Those that the semantic conventions have a word for; ours for the rest."""
        found = self.line(
            id="cmd-1", channel="mts", line="l1", attempt=2, code="smpp:0x58",
            fault=ValueError("no route"), broker="mq:5672", provider_ids=("1", "2"),
            nothing=None, empty="", said="x", each=True, ratio=0.5, octets=b"\xffx",
        )["attributes"]  # fmt: skip
        self.assertEqual(
            found,
            {
                "messaging.message.id": "cmd-1",
                "gdemoi.channel": "mts",
                "gdemoi.line": "l1",
                "gdemoi.attempt": 2,
                "error.type": "smpp:0x58",
                "error.message": "no route",
                "server.address": "mq",
                "server.port": 5672,
                "gdemoi.provider_ids": ["1", "2"],
                "gdemoi.ratio": 0.5,
                "messaging.message.body.size": "\\xffx",
            },
        )

    def test_addresses(self) -> None:
        """As brokers and hosts are shown: with a port, a vhost, an address of IPv6."""
        for shown, address, port in (
            ("mq:5672", "mq", 5672), ("mq:5672/vhost (192.0.2.1)", "mq", 5672),
            ("[::1]:2775", "::1", 2775), ("192.0.2.1:1", "192.0.2.1", 1),
            ("::1", "::1", None), ("mq", "mq", None),
        ):  # fmt: skip
            found = self.line(host=shown)["attributes"]
            self.assertEqual(found["server.address"], address)
            self.assertEqual(found.get("server.port"), port)

    def test_a_trace(self) -> None:
        """Its parts stand beside the body, where collectors look for them."""
        found = self.line(traceparent=TRACE)
        self.assertEqual(found["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736")
        self.assertEqual(found["span_id"], "00f067aa0ba902b7")
        self.assertEqual(found["trace_flags"], "01")
        self.assertNotIn("gdemoi.traceparent", found["attributes"])

    def test_a_failure(self) -> None:
        """Type, message and traceback, each in its field."""
        try:
            raise KeyError("x")
        except KeyError:
            failure = Failure()
        found = self.line(log_failure=failure, log_level=LogLevel.critical)
        self.assertEqual(found["severity_text"], "FATAL")
        told = found["attributes"]
        self.assertEqual(told["exception.type"], "builtins.KeyError")
        self.assertEqual(told["exception.message"], "'x'")
        self.assertIn("test_a_failure", told["exception.stacktrace"])

    @given(
        st.dictionaries(
            st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(
                lambda name: not name.startswith("log_") and name != "traceparent"
            ),
            st.one_of(st.text(), st.binary(), st.integers(), st.none(), st.booleans()),
        )
    )
    def test_one_line_whatever_is_in_it(self, fields: dict[str, Any]) -> None:
        """Nothing that a far side says can begin a line of its own."""
        line = json_line(event("{a} {b}", **{"a": "x\ny", "b": "", **fields}), {})
        self.assertEqual(len(line.splitlines()), 1)
        json.loads(line)

    def test_what_cannot_be_a_number_or_is_long(self) -> None:
        """Stays JSON, and of a length that collectors take."""
        found = self.line(lane="x" * 99_999, share=float("inf"))
        self.assertEqual(len(found["attributes"]["gdemoi.channel"]), LONGEST_VALUE)
        self.assertEqual(found["attributes"]["gdemoi.share"], "inf")
        # an AMQP property that is no UTF-8; what some take for the end of a line
        found = self.line(lane="a\udcff\u2028b")
        self.assertEqual(found["body"], "a\udcff\u2028b answers")

    def test_who_writes(self) -> None:
        """The gateway's name tells two of them apart."""
        found = resource("gdemoi-1")
        self.assertEqual(found["service.name"], "gdemoi")
        self.assertEqual(found["service.instance.id"], "gdemoi-1")
        self.assertEqual(found["process.pid"], os.getpid())


def parsed(octets: bytes) -> dict[str, str]:
    """Read a datagram as systemd's documentation describes it."""
    found = {}
    while octets:
        name, _, rest = octets.partition(b"\n")
        if b"=" in name:
            name, _, value = name.partition(b"=")
        else:
            (size,) = struct.unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + size], rest[8 + size + 1 :]
        found[name.decode()] = value.decode()
        octets = rest
    return found


class JournalTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """`journalctl MESSAGING_MESSAGE_ID=cmd-1` finds the life of a message."""
        found = journal_fields(event("{id} waits", id="cmd-1", traceparent=TRACE))
        self.assertEqual(
            found,
            {
                "MESSAGE": "cmd-1 waits",
                "PRIORITY": "4",
                "SYSLOG_IDENTIFIER": "gdemoi-sms",
                "GDEMOI_SCOPE": "gdemoi.routing.lanes",
                "TRACE_ID": "4bf92f3577b34da6a3ce929d0e0e4736",
                "SPAN_ID": "00f067aa0ba902b7",
                "TRACE_FLAGS": "01",
                "MESSAGING_MESSAGE_ID": "cmd-1",
            },
        )

    def test_priorities(self) -> None:
        """Those of syslog(3)."""
        for level, priority in (
            ("debug", 7),
            ("info", 6),
            ("error", 3),
            ("critical", 2),
        ):
            line = event(log_level=LogLevel.levelWithName(level))
            self.assertEqual(journal_fields(line)["PRIORITY"], str(priority))

    @given(st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), st.text()))
    def test_the_datagram(self, fields: dict[str, str]) -> None:
        """What goes in comes out, line ends and all."""
        fields = {n: v.encode("utf-8", "ignore").decode() for n, v in fields.items()}
        self.assertEqual(parsed(datagram(fields)), fields)

    def test_a_traceback_is_in_the_message(self) -> None:
        """Where `journalctl` shows it."""
        line = event("{lane} fails", lane="a", log_failure=Failure(ValueError("x")))
        message = journal_fields(line)["MESSAGE"]
        self.assertTrue(message.startswith("a fails\nTraceback"), message)


class OutputTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.file = io.StringIO()
        observer = FileLogObserver(self.file, lambda e: f"plain {e['log_format']}\n")
        self.output = LogOutput(observer)
        self.log = Logger("gdemoi.test", observer=LogPublisher(self.output))
        # an address of a socket is no longer than 108 octets
        self.path = os.path.relpath(Path(self.mktemp()))

    def listening(self) -> socket.socket:
        """Return a journal."""
        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        journal.bind(self.path)
        journal.setblocking(False)
        self.addCleanup(journal.close)
        self.output.journal = journal_socket(self.path)
        assert self.output.journal is not None
        self.addCleanup(self.output.journal.close)
        return journal

    def test_plain(self) -> None:
        """As Twisted writes it."""
        self.log.info("x")
        self.assertEqual(self.file.getvalue(), "plain x\n")

    def test_json(self) -> None:
        """Into the same file."""
        self.output.form = "json"
        self.log.info("x")
        self.assertEqual(json.loads(self.file.getvalue())["body"], "x")

    def test_into_the_journal(self) -> None:
        """With its fields, and not twice."""
        journal = self.listening()
        self.log.warn("{id} waits", id="m1")
        found = parsed(journal.recv(65536))
        self.assertEqual(found["MESSAGING_MESSAGE_ID"], "m1")
        self.assertEqual(self.file.getvalue(), "")

    def test_a_journal_that_takes_nothing(self) -> None:
        """Is full, or away: the line goes where it went before."""
        journal = self.listening()
        for _ in range(10_000):
            self.log.info("x")
            if self.file.getvalue():
                break
        self.assertIn("plain x", self.file.getvalue())
        journal.close()
        self.log.info("y")
        self.assertIn("plain y", self.file.getvalue())

    def test_json_goes_where_it_is_asked_for(self) -> None:
        """Also under systemd: whoever asks for JSON has something that reads it."""
        self.listening()
        self.output.form = "json"
        self.log.info("x")
        self.assertEqual(json.loads(self.file.getvalue())["body"], "x")

    def test_no_journal(self) -> None:
        """Without its socket there is none."""
        self.assertIsNone(journal_socket(f"{self.path}.gone"))

    def test_whether_our_output_is_the_journal(self) -> None:
        """By the numbers that systemd hands over."""
        for number, expected in ((1, True), (2, True)):
            status = os.fstat(number)
            self.patch(
                os, "environ", {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
            )
            self.assertIs(is_under_systemd(), expected)
        for told in ({}, {"JOURNAL_STREAM": "0:0"}, {"JOURNAL_STREAM": "x"}):
            self.patch(os, "environ", told)
            self.assertFalse(is_under_systemd())
