"""Commands that talk to a running gateway."""

from __future__ import annotations

import json
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cli.show import story
from gdemoi.contract.gateway import MessagePage, Search
from gdemoi.goip.lines import Line, line_view
from gdemoi.http.settings import HttpSettings
from gdemoi.kit.budgets import Budget
from gdemoi.kit.calendar import quiet_hours
from gdemoi.moments import EARLIEST, LATEST
from tests.cli.fake_terminal import Terminal
from tests.goip.rig import line_settings
from tests.http.gateway import Client, FakeGateway

SEND = ("send", "--id", "a1", "--to", "89161234567")
STORY: dict[str, Any] = {
    "id": "a1",
    "state": "delivered",
    "final": True,
    "to": "+79161234567",
    "from": "GdeMoi",
    "class": "command",
    "channel": "smsc",
    "accepted_at": "2026-11-21T03:00:00.000Z",
    "expires_at": "2026-11-21T05:00:00.000Z",
    "error": None,
    "segments": {"total": 2, "submitted": 2, "delivered": 2, "failed": 0},
    "message": {"text": " [bold]setdigout 1 "},
    "events": [
        {"type": "status", "seq": 1, "state": "accepted", "final": False,
         "at": "2026-11-21T03:00:00.000Z", "attempt": 0},
        {"type": "status", "seq": 2, "state": "submitted", "final": False,
         "at": "2026-11-21T03:00:00.250Z", "channel": "smsc", "attempt": 1,
         "provider_ids": ["p1", "p2"]},
        {"type": "status", "seq": 3, "state": "delivered", "final": True,
         "at": "2026-11-21T03:01:02.000Z", "channel": "smsc", "attempt": 1,
         "segments": {"total": 2, "delivered": 2}},
    ],
    "attempts": [
        {"attempt": 1, "channel": "smsc", "at": "2026-11-21T03:00:00.010Z",
         "answered_at": "2026-11-21T03:00:00.240Z", "outcome": "accepted",
         "provider_ids": ["p1", "p2"], "error": None},
    ],
    "receipts": [
        {"at": "2026-11-21T03:01:02.000Z", "provider_id": "p1", "state": "delivered",
         "counted": True, "verified": True, "raw": "id:p1 stat:DELIVRD"},
    ],
    "answers": [],
    "omitted": 0,
}  # fmt: skip


class StoryGateway(FakeGateway):
    """A gateway whose every message has one story."""

    states: list[str]

    async def story(self, message_id: str) -> dict[str, Any] | None:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        known = {"accepted": 1, "submitted": 2, "delivered": 3, "expired": 3}[state]
        return STORY | {
            "state": state,
            "final": state in ("delivered", "expired"),
            "events": STORY["events"][:known],
        }


def telling(*states: str) -> Terminal:
    gateway = StoryGateway()
    gateway.states = list(states)
    return Terminal(Client(gateway))


class SendTests(SynchronousTestCase):
    def test_an_option_given_twice_is_refused(self) -> None:
        """Of two texts the last one went out; channels may be given often."""
        terminal = Terminal()
        said = terminal.type(*SEND, "--text", "lock", "--text", "unlock")
        self.assertEqual(said.exit_code, 2)
        self.assertIn("--text is given twice", said.output)
        self.assertEqual(terminal.asked, [])
        ways = ("--channel", "a", "--channel", "b")
        self.assertEqual(terminal.type(*SEND, "--text", "x", *ways).exit_code, 0)

    def test_every_option_reaches_the_gateway(self) -> None:
        """What is typed is what is sent; spaces of the text stay."""
        terminal = Terminal()
        result = terminal.type(
            *SEND, "--text", "  a ", "--from", "X", "--class", "command",
            "--ttl", "5m", "--priority", "9", "--channel", "smsc", "--channel", "b",
            "--on-unsure", "fail", "--flash", "--max-segments", "2",
        )  # fmt: skip
        self.assertEqual(result.exit_code, 0, result.output)
        message, _ = terminal.client.gateway.taken["a1"]
        self.assertEqual((message.to, message.text), ("+79161234567", "  a "))
        self.assertEqual((message.from_, message.class_), ("X", "command"))
        self.assertEqual(message.expires_at - message.accepted_at, 300.0)
        self.assertEqual((message.priority, message.channels), (9, ("smsc", "b")))
        self.assertTrue(message.flash)
        self.assertIn("a1 ○ accepted", result.output)

    def test_binary(self) -> None:
        """Octets are typed in hexadecimal."""
        terminal = Terminal()
        terminal.type(*SEND, "--binary", "00ff", "--udh", "0401020304")
        message, _ = terminal.client.gateway.taken["a1"]
        self.assertEqual((message.binary, message.udh), (b"\0\xff", b"\4\1\2\3\4"))

    def test_a_repeat_says_so(self) -> None:
        """A duplicate is no failure, and tells where the first one stands."""
        terminal = Terminal()
        terminal.type(*SEND, "--text", "x")
        result = terminal.type(*SEND, "--text", "x")
        self.assertEqual(result.exit_code, 0)
        self.assertIn("duplicate (it is submitted)", result.output)

    def test_wrong_use_is_2(self) -> None:
        """Neither text nor octets, or both, or no hexadecimal: usage."""
        for words in ((), ("--text", "x", "--binary", "00"), ("--binary", "xyz")):
            result = Terminal().type(*SEND, *words)
            self.assertEqual(result.exit_code, 2, result.output)
        result = Terminal().type(*SEND, "--text", "x", "--ttl", "5y")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("is not a duration", result.output)

    def test_a_refusal_is_1_and_names_the_field(self) -> None:
        """The gateway's words are told, with the field and the code."""
        result = Terminal().type("send", "--to", "12", "--text", "x")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("'12' is not a phone number (bad_number)", result.output)

    def test_a_refusal_has_a_remedy(self) -> None:
        """What can be done about it, as `explain` tells it; not with --json."""
        words = ("send", "--to", "+99912345678", "--text", "x")
        result = Terminal().type(*words)
        self.assertEqual(result.exit_code, 1)
        self.assertIn("(no_route)\n→ `explain` tells why", result.output)
        self.assertNotIn("→", Terminal().type(*words, "--json").output)

    def test_refusals_as_json(self) -> None:
        """With --json an error is JSON too."""
        result = Terminal().type("send", "--to", "1", "--text", "x", "--json")
        self.assertEqual(result.exit_code, 1)
        found = json.loads(result.output)["error"]
        self.assertEqual((found["code"], found["field"]), ("gateway:bad_number", "to"))

    def test_wait_until_delivered(self) -> None:
        """Each event is shown once, as it comes; delivered is 0."""
        terminal = telling("accepted", "accepted", "submitted", "delivered")
        result = terminal.type(*SEND, "--text", "x", "--wait", "1m")
        self.assertEqual(result.exit_code, 0, result.output)
        for word in ("→ submitted", "✓ delivered", "id p1, p2"):
            self.assertEqual(result.output.count(word), 1, result.output)
        self.assertEqual(len(terminal.slept), 3)

    def test_wait_ends(self) -> None:
        """Another end, or none in time, is 1."""
        result = telling("expired").type(*SEND, "--text", "x", "--wait", "1m")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("a1 is expired", result.output)
        terminal = telling("submitted")
        result = terminal.type(*SEND, "--text", "x", "--wait", "2s")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("a1 is still submitted", result.output)
        self.assertEqual(terminal.now, 2.0)

    def test_wait_for_the_answer(self) -> None:
        """It is shown; 0 unless it is an error, or there is none."""
        ok = {
            "type": "answer", "id": "a1", "state": "ok", "text": "OK!", "seq": 3,
            "at": "2026-11-21T03:14:09.000Z",
        }  # fmt: skip
        error = {**ok, "state": "error", "text": "ER"}
        for answers, status, words in (
            ([ok], 0, "↩ answer ok  'OK!'"),
            ([error], 1, "a1 was answered with an error"),
            ([{**ok, "state": "none", "text": None}], 1, "and not answered"),
        ):
            gateway = FakeGateway(answers={"a1": answers})
            terminal = Terminal(Client(gateway))
            result = terminal.type(*SEND, "--text", "x", "--wait-answer", "1m")
            self.assertEqual((result.exit_code, answers), (status, answers))
            self.assertIn(words, result.output)
        result = telling("expired").type(*SEND, "--text", "x", "--wait-answer", "1m")
        self.assertIn("a1 is expired, and not answered", result.output)
        both = ("--wait", "1s", "--wait-answer", "1s")
        self.assertEqual(
            telling("expired").type(*SEND, "--text", "x", *both).exit_code, 2
        )


class ReadingTests(SynchronousTestCase):
    def test_the_second_id_of_a_receipt(self) -> None:
        """The story tells by which of them it was matched."""
        one = {"provider_id": "FOREIGN99", "state": "delivered", "matched_by": "p1"}
        for by, shown in (("p1", True), ("FOREIGN99", False), (None, False)):
            out = StringIO()
            reported = {**STORY, "receipts": [{**one, "matched_by": by}]}
            story(Console(file=out, width=200), reported)
            self.assertEqual("matched by p1" in out.getvalue(), shown)

    def test_a_story_is_a_timeline(self) -> None:
        """Events, attempts and receipts stand in order of time."""
        result = telling("delivered").type("story", "a1")
        self.assertEqual(result.exit_code, 0, result.output)
        places = [
            result.output.index(word)
            for word in (
                "accepted  ",
                "attempt 1",
                "answer",
                "→ submitted",
                "+62.000 s" if "+62.000 s" in result.output else "+0:01:02",
                "stat:DELIVRD",
            )
        ]
        self.assertEqual(places, sorted(places), result.output)
        self.assertIn("' [bold]setdigout 1 '", result.output)

    def test_a_story_as_json(self) -> None:
        """--json is the API's answer."""
        result = telling("delivered").type("story", "a1", "--json")
        self.assertEqual(json.loads(result.output), STORY)

    def test_an_unknown_story(self) -> None:
        """404 is 1, with the gateway's words."""
        result = Terminal().type("story", "nobody")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("there is no message nobody", result.output)

    def test_list(self) -> None:
        """Filters go to the gateway, the page is a table with its cursor."""
        terminal = Terminal()
        terminal.type(*SEND, "--text", "x")
        result = terminal.type("list", "--state", "delivered", "--since", "2h")
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("a1", result.output)
        self.assertIn("--cursor next", result.output)
        (wanted,) = terminal.client.gateway.searched
        self.assertEqual(wanted.state, "delivered")
        assert wanted.since is not None
        self.assertGreater(wanted.since, 1e9)

    def test_a_list_on_a_narrow_terminal(self) -> None:
        """The id that `story` and `cancel` want is whole at 80 columns, and at 40.

        So it is in a pipe, which has no width, and so are the other words.
        """
        long, error = "cmd-" + "0123456789" * 6, "no alphabet has these letters"
        rows = [
            {"id": id_, "state": "undelivered", "to": "+79161234567",
             "from": "GdeMoi", "channel": "mensatek",
             "accepted_at": "2026-11-21T03:00:00.000Z",
             "error": {"code": "gateway:unencodable", "text": error}}
            for id_ in (long, "a1")
        ]  # fmt: skip
        for columns in (160, 80, 40, None):
            terminal = Terminal(Client(SearchGateway(rows)), columns=columns)
            lines = terminal.type("list").output.splitlines()
            self.assertTrue(any(long in line for line in lines), columns)
            for word in ("+79161234567", "undelivered", "GdeMoi", "mensatek", "a1"):
                self.assertTrue(any(word in line for line in lines), (columns, word))
        self.assertEqual(len(lines), 3)
        self.assertIn(error, lines[1])

    def test_receipts_on_a_narrow_terminal(self) -> None:
        """Ids of receipts are whole too, however long the account's name is."""
        id_ = "0123456789abcdef-" * 4
        receipt = {"received_at": "2026-11-21T03:00:00.000Z", "channel": "mensatek",
                   "account": "user@smpp01.mensatek.com", "provider_id": id_,
                   "state": "delivered", "about": "+79161234567"}  # fmt: skip
        for columns in (160, 80, 40, None):
            gateway = FakeGateway(lost_receipts=[receipt])
            result = Terminal(Client(gateway), columns=columns).type("unmatched")
            self.assertIn(id_, result.output)
            self.assertIn("+79161234567", result.output)

    def test_events_without_some_fields(self) -> None:
        """What is not there is not told: no `None` for a number, a text, an id."""
        terminal = Terminal()
        for body in (
            {"type": "inbound", "from": "+7916", "to": None, "text": "OK"},
            {"type": "inbound", "from": "+7916", "to": "", "text": None,
             "binary": "AP8=", "channel": "a", "line": None},
            {"type": "inbound", "from": "", "to": None, "text": None, "binary": None},
            {"type": "status", "id": "m1", "state": "accepted", "channel": None,
             "line": None, "error": None, "provider_ids": None, "segments": None},
            {"type": "line", "channel": None, "line": None, "state": "up",
             "reason": None},
        ):  # fmt: skip
            terminal.client.gateway.tell(json.dumps(body))
        output = terminal.type("events").output
        self.assertNotIn("None", output)
        self.assertIn("+7916  'OK'", output)
        self.assertIn("+7916  binary AP8=  a", output)

    def test_times_of_any_size(self) -> None:
        """What leads beyond the calendar is its end; what is no time is told."""
        for given, since in (
            ("9999-12-31T23:59:59-23:59", LATEST),
            ("0001-01-01T00:00:00+23:59", EARLIEST),
            ("9999999999999d", EARLIEST),
        ):
            terminal = Terminal()
            result = terminal.type("list", "--since", given)
            self.assertEqual(result.exit_code, 0, result.output)
            self.assertEqual(terminal.client.gateway.searched[0].since, since)
        for given in ("9" * 400 + "d", "1..2h", ".h", "0001-01-01", "x", ""):
            result = Terminal().type("list", "--since", given)
            self.assertEqual(result.exit_code, 2, given)
            self.assertIn("is not a time like", result.output)

    def test_arguments_that_are_no_utf_8(self) -> None:
        """They end in words, whichever command they are given to."""
        bad = "\udcff"
        for words in (
            *(("story", bad), ("cancel", bad), ("pause", bad), ("trace", bad)),
            *(("list", "--to", bad), ("list", "--cursor", bad)),
            *(("events", "--after", bad), ("events", "-f", "--after", bad)),
            *(("line", "office/goip1", bad), ("line", "a/b", "ussd", bad)),
            ("send", "--to", bad, "--text", "x"),
            ("send", "--to", "112", "--text", bad),
            ("send", "--to", "112", "--text", "x", "--channel", bad),
            ("--url", "http://[::1", "status"),
            *(("story", ""), ("cancel", ""), ("pause", "")),
        ):
            result = Terminal().type(*words)
            self.assertIsInstance(result.exception, SystemExit, words)
            self.assertIn(result.exit_code, (1, 2), words)
            self.assertIn("Error: ", result.output)

    def test_an_empty_list(self) -> None:
        """Nothing found is told, and is no failure."""
        result = Terminal().type("list")
        self.assertEqual((result.exit_code, result.output), (0, "nothing found\n"))

    def test_events(self) -> None:
        """Every type of event has its line; `after` goes on from there."""
        terminal = Terminal()
        for body in (
            {"type": "status", "id": "a1", "state": "delivered", "seq": 3,
             "at": "2026-11-21T03:01:02.000Z", "channel": "smsc", "attempt": 2},
            {"type": "inbound", "from": "+7916", "to": "+7495", "text": "[red]OK",
             "received_at": "2026-11-21T03:01:02.000Z", "channel": "office"},
            {"type": "line", "channel": "office", "line": "goip1", "state": "down",
             "reason": "no keepalive", "at": "2026-11-21T03:01:02.000Z"},
        ):  # fmt: skip
            terminal.client.gateway.tell(json.dumps(body))
        result = terminal.type("events")
        for words in (
            "✓ delivered  a1  smsc  attempt 2",
            "+7916 → +7495  '[red]OK'",
            "● down  line office/goip1  no keepalive",
            "--after 3",
        ):
            self.assertIn(words, result.output)
        page = json.loads(terminal.type("events", "--after", "2", "--json").output)
        self.assertEqual((len(page["events"]), page["after"]), (1, 3))

    def test_an_inbound_sms_to_a_port(self) -> None:
        """Its ports and header are shown."""
        terminal = Terminal()
        body = {"type": "inbound", "from": "+7917", "to": "+7495", "text": "hi"}
        body |= {"udh": "0605040b8423f0", "dest_port": 2948, "source_port": 0}
        terminal.client.gateway.tell(json.dumps(body))
        self.assertIn(
            "'hi'  port 2948, from port 0, udh 0605040b8423f0",
            terminal.type("events").output,
        )

    def test_an_inbound_sms_whose_sender_came_otherwise(self) -> None:
        """In one form, and as it came beside it."""
        terminal = Terminal()
        body = {"type": "inbound", "from": "+79161234567", "from_raw": "89161234567"}
        terminal.client.gateway.tell(json.dumps(body | {"to": "+7495", "text": "hi"}))
        self.assertIn(
            "+79161234567 (89161234567) → +7495", terminal.type("events").output
        )

    def test_alerts_among_the_events(self) -> None:
        """Whether it began or is over, which one, and why."""
        gateway = FakeGateway()
        gateway.tell(
            '{"type": "alert", "name": "carrier", "state": "firing",'
            ' "text": "channel smsc is down: cut", "at": "2026-11-28T02:09:38.000Z"}'
        )
        shown = Terminal(Client(gateway)).type("events").output
        self.assertIn("! firing  carrier  channel smsc is down: cut", shown)

    def test_the_last_events(self) -> None:
        """Without a place the newest ones are shown."""
        terminal = Terminal()
        for number in range(5):
            terminal.client.gateway.tell(f'{{"type":"status","id":"m{number}"}}')
        result = terminal.type("events", "--limit", "2")
        self.assertNotIn("m2", result.output)
        self.assertIn("m3", result.output)
        self.assertIn("m4", result.output)

    def test_following_events(self) -> None:
        """--follow reads the stream, one JSON document to a line."""
        terminal = Terminal()
        terminal.client.gateway.tell('{"type":"status","state":"delivered","n":1}')
        terminal.client.gateway.tell('{"type":"status","state":"expired","n":2}')
        result = terminal.type("events", "--follow", "--after", "0", "--json")
        self.assertEqual(
            [json.loads(x)["n"] for x in result.output.splitlines()], [1, 2]
        )
        self.assertEqual(terminal.asked[0].get_header("Accept"), "text/event-stream")

    def test_cancel(self) -> None:
        """What waits is taken back; what has left is 1."""
        terminal = Terminal()
        terminal.type(*SEND, "--text", "x")
        self.assertIn("a1 is cancelled", terminal.type("cancel", "a1").output)
        terminal.type("send", "--id", "gone", "--to", "89161234567", "--text", "x")
        result = terminal.type("cancel", "gone")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("it has left", result.output)


class SearchGateway(FakeGateway):
    """A gateway whose searches find what is given."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        super().__init__()
        self.rows = rows

    async def search(self, wanted: Search) -> MessagePage:
        return MessagePage(self.rows, None)


class Lines(FakeGateway):
    def channels(self) -> list[dict[str, Any]]:
        lines = [
            {"name": "goip1", "state": "up", "facts": {"signal": 21}},
            {"name": "two"},
        ]
        return [
            {"name": "office", "kind": "goip", "state": "degraded", "backlog": 3,
             "in_flight": 1, "window": 8, "rate": 2.0, "present_rate": 0.5,
             "sent": 17, "reason": "1 line down", "balance": "9.50 EUR",
             "lines": lines},
            {"name": "depot", "state": "up", "paused": True, "lines": lines[1:]},
        ]  # fmt: skip


class OperatingTests(SynchronousTestCase):
    def test_status(self) -> None:
        """Channels and lines, with what holds them back."""
        result = Terminal(Client(Lines())).type("status", "--all")
        self.assertEqual(result.exit_code, 0, result.output)
        for words in (
            "ready",
            "● degraded",
            "‖ paused",
            "1 / 8",
            "0.5 of 2/s",
            "balance 9.50 EUR",
            "office/goip1",
            "signal 21",
        ):
            self.assertIn(words, result.output)

    def test_when_it_is_tried_again(self) -> None:
        """Of a channel that rests, of senders that do, and of a connection."""
        at = datetime(2026, 11, 28, 12, 34, 56).timestamp()
        senders = [{"sender": "A", "next_try_at": at + 9}, {"next_try_at": at}]
        resting = {"refused_senders": senders}
        for reported in (
            {"state": "down", "next_try_at": at},
            {"state": "degraded", **resting},
            {"state": "down", "binds": [{"name": "trx", "next_try_at": at}]},
        ):
            gateway = FakeGateway(
                described=[{"name": "smsc", "kind": "smpp", **reported}]
            )
            said = Terminal(Client(gateway)).type("status").output
            self.assertIn("next try at 12:34:56", said)

    def test_a_line_at_a_glance(self) -> None:
        """A GSM line is one row at 80 columns; --all tells everything of it."""
        line = Line("goip1", line_settings())
        line.facts.update({"pro": "MegaFon", "imsi": "250020000000000"})
        shown = {**line_view(line, 0.0), "state": "up", "reason": ""}
        shown |= {"number": "+79161112201", "address": "192.0.2.7:10991"}
        shown |= {"signal": 21, "sent_today": 3, "daily_limit": 300, "seen_at": 1.0}
        channel = {"name": "office", "kind": "goip", "state": "up", "lines": [shown]}
        terminal = Terminal(Client(FakeGateway(described=[channel])), columns=80)
        lines = terminal.type("status").output.splitlines()
        (row,) = [one for one in lines if "office/goip1" in one]
        at = lines.index(row)
        self.assertEqual(lines[at + 1 :], [])
        for word in ("up", "+79161112201", "MegaFon", "signal 21", "today 3 of 300"):
            self.assertIn(word, row)
        every = terminal.type("status", "--all").output
        self.assertIn("192.0.2.7:10991", every.replace("\n", ""))

    def test_the_budget_of_a_line(self) -> None:
        """What is used of each limit, and that it is quiet."""
        given = line_settings(per_day=9, per_month=90, quiet=quiet_hours("0:00-8:00"))
        line = Line("goip1", given)
        line.budget = Budget("office/goip1", given)
        line.budget.spend(3, "+79161112233", 0.0)
        channel = {"name": "office", "kind": "goip", "state": "up"}
        channel["lines"] = [{**line_view(line, 0.0), "state": "up", "reason": ""}]
        terminal = Terminal(Client(FakeGateway(described=[channel])), columns=200)
        for asked in (("status",), ("status", "--all")):
            said = terminal.type(*asked).output
            for words in ("day 3 of 9", "month 3 of 90", "quiet 00:00-08:00"):
                self.assertIn(words, said)

    def test_status_of_a_gateway_that_is_not_ready(self) -> None:
        """The reason is told; the channels are shown all the same."""
        result = Terminal(Client(FakeGateway(why_unready="backlog full"))).type(
            "status"
        )
        self.assertIn("not ready", result.output)
        self.assertIn("smsc", result.output)

    def test_status_after_a_loss(self) -> None:
        """It is not to be overlooked."""
        result = Terminal(Client(FakeGateway(what_was_lost="95 messages"))).type(
            "status"
        )
        self.assertIn("lost: 95 messages", result.output)

    def test_status_with_alerts(self) -> None:
        """A line for each that is on, before all else."""
        firing = [
            {"name": "carrier", "subject": "smsc", "channel": "smsc",
             "when": "channel_down > 2m", "text": "channel smsc is down: cut",
             "since": 1_795_000_000.0}
        ]  # fmt: skip
        result = Terminal(Client(FakeGateway(firing=firing))).type("status")
        self.assertIn("! carrier: channel smsc is down: cut (since ", result.output)

    def test_status_of_doors(self) -> None:
        """Servers, clients and accounts: what they took and what they refused."""
        doors = [
            {"kind": "smpp-server", "name": "main", "listen": "127.0.0.1:2775",
             "bound": 2, "refused": {"foreign address": 4}},
            {"kind": "smpp-client", "name": "car", "sessions": [{}, {}],
             "submitted": 17, "waiting": 5, "given_up": 1, "last_given_up": "m1: old",
             "refused": {}},
            {"kind": "account", "name": "fleet", "taken": 17, "today": 9,
             "refused": {"rate": 3}},
        ]  # fmt: skip
        result = Terminal(Client(FakeGateway(doors_there=doors))).type("status")
        said = " ".join(result.output.split())
        for words in (
            "main smpp-server 2 at 127.0.0.1:2775; refused: foreign address 4",
            "car smpp-client 2 17 waiting 5; given up 1: m1: old",
            "fleet account 17 today 9; refused: rate 3",
        ):
            self.assertIn(words, said)

    def test_status_of_gateways(self) -> None:
        """Those that share the journal, and what each of them owns."""
        gateways = [
            {"name": "gw-1", "state": "up", "owns": ["channel:mts", "outbox"]},
            {"name": "gw-2", "state": "stopped", "owns": []},
        ]
        result = Terminal(Client(FakeGateway(gateways_there=gateways))).type("status")
        said = [line.split() for line in result.output.splitlines()]
        # the state has a sign in front
        [first] = [words for words in said if "gw-1" in words]
        self.assertEqual(first[-3:], ["up", "channel:mts,", "outbox"])
        [second] = [words for words in said if "gw-2" in words]
        self.assertEqual(second[-1], "stopped")

    def test_status_as_json(self) -> None:
        """--json has all that the API tells."""
        found = json.loads(Terminal().type("--json", "status").output)
        self.assertEqual(found["channels"][0]["name"], "smsc")
        self.assertEqual(found["ready"]["status"], "ready")
        self.assertEqual(found["ready"]["messages"], {})

    def test_pause_and_resume(self) -> None:
        """Both reach the channel; an unknown one is 1."""
        terminal = Terminal()
        self.assertIn("smsc is paused", terminal.type("pause", "smsc").output)
        self.assertEqual(terminal.client.gateway.paused, {"smsc"})
        self.assertIn("smsc goes on", terminal.type("resume", "smsc").output)
        self.assertEqual(terminal.type("pause", "x").exit_code, 1)

    def test_line_commands(self) -> None:
        """A line is found by its name, and its words are printed as they are."""
        terminal = Terminal(Client(Lines()))
        result = terminal.type("line", "goip1", "ussd", "*100#")
        self.assertEqual(result.output, "office/goip1 ussd ['*100#']\n")
        result = terminal.type("line", "depot/two", "ussd", "-x")
        self.assertEqual(result.output, "depot/two ussd ['-x']\n")

    def test_lines_that_are_not_meant(self) -> None:
        """Unknown and ambiguous names are told with what there is."""
        terminal = Terminal(Client(Lines()))
        result = terminal.type("line", "nine", "ussd")
        self.assertIn("lines are: goip1, two, two", result.output)
        result = terminal.type("line", "two", "ussd")
        self.assertIn("several lines two: office/two, depot/two", result.output)
        self.assertEqual(result.exit_code, 1)


class ReachingTests(SynchronousTestCase):
    def test_no_gateway_is_3(self) -> None:
        """A refused connection is told in words."""
        terminal = Terminal(refused=ConnectionRefusedError(111, "Connection refused"))
        result = terminal.type("status")
        self.assertEqual(result.exit_code, 3)
        self.assertIn(
            "no gateway answers at http://127.0.0.1:8990: Connection refused",
            result.output,
        )

    def test_a_wrong_token_is_1_with_advice(self) -> None:
        """401 tells how to give a token."""
        terminal = Terminal(Client(settings=HttpSettings(token="open sesame")))
        result = terminal.type("status")
        self.assertEqual(result.exit_code, 1)
        self.assertIn("give --token, --config or GDEMOI_TOKEN", result.output)
        self.assertEqual(terminal.type("status", "--token", "open sesame").exit_code, 0)
        self.assertEqual(terminal.type("--token", "open sesame", "status").exit_code, 0)

    def test_the_address_comes_from_the_configuration(self) -> None:
        """--config gives URL and token; secrets of carriers are not looked up."""
        file = Path(self.mktemp())
        terminal = Terminal(Client(settings=HttpSettings(token="open sesame")))
        for listen, url in {
            "tcp:7001:interface=127.0.0.1": "http://127.0.0.1:7001",
            "tcp:7002": "http://127.0.0.1:7002",
            "tcp6:7003:interface=\\:\\:1": "http://[::1]:7003",
            "ssl:7004:interface=localhost:privateKey=x": "https://localhost:7004",
        }.items():
            file.write_text(
                f"[http]\nlisten = {listen}\ntoken = open sesame\n"
                "[smpp:x]\npassword = env:NOT_MINE\n"
            )
            result = terminal.type("status", "--config", str(file))
            self.assertEqual(result.exit_code, 0, result.output)
            self.assertTrue(terminal.asked[-1].full_url.startswith(f"{url}/"))

    def test_configurations_that_do_not_tell(self) -> None:
        """No file, no [http], a broken [http], a unix socket: 2."""
        file = Path(self.mktemp())
        for content in (
            "[gateway]\n",
            "[http]\nlisen = x\n",
            "[http]\nlisten=unix:x\n",
        ):
            file.write_text(content)
            result = Terminal().type("status", "--config", str(file))
            self.assertEqual(result.exit_code, 2, result.output)
        result = Terminal().type("status", "--config", str(file) + ".no")
        self.assertEqual(result.exit_code, 2)
        self.assertIn("No such file", result.output)

    def test_something_else_answers(self) -> None:
        """A web server that is no gateway is told as such."""

        class Other(Client):
            def open(self, *_: Any, **__: Any) -> Any:
                connection = super().open("GET", "/health/live")
                connection.transport.clear()
                connection.transport.write(b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n<html>")
                return connection

        result = Terminal(Other()).type("status")
        self.assertEqual(result.exit_code, 3)
        self.assertIn("but not as a gdemoi gateway does", result.output)
