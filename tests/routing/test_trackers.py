"""Commands to trackers through the whole gateway: findings, strict, passwords."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.contract.envelope import Defaults, fingerprint, parse
from gdemoi.message import Inbound, MessageState, Receipt
from gdemoi.routing.trackers import TrackerRule, TrackerSettings
from tests.http.gateway import NOW, Answer, Connection, parsed
from tests.http.memory import Whole, result

T = "+79161234567"
GLM = "AT+GTGLM=gl300,1,1,2,13813888888,13913999999,,,,,000D"


def rule(profile: str, **more: Any) -> TrackerRule:
    """Return the section ``[tracker:vans]``."""
    return TrackerRule("vans", TrackerSettings(profile=profile, **more))


class TrackerCase(SynchronousTestCase):
    rules: tuple[TrackerRule, ...] = ()

    def setUp(self) -> None:
        self.whole = Whole("t", self.rules)
        self.addCleanup(self.whole.close)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        octets = b"" if body is None else msgspec.json.encode(body)
        return parsed(self.whole.ask(method, path, octets))

    def post(self, text: str, **more: Any) -> Answer:
        """Post a command to T."""
        message = {"id": "cmd", "to": T, "text": text, "class": "command", **more}
        return self.ask("POST", "/v1/messages", message)

    def codes(self, answer: Answer) -> list[str]:
        return [one["code"] for one in answer.json["findings"]]

    def left(self) -> list[str | None]:
        """Return the texts that left."""
        return [one.message.text for one, _, _ in self.whole.channel.submitted]


class ByTheMessageTests(TrackerCase):
    def test_a_good_command(self) -> None:
        """TR1: findings are there and empty; the text leaves as it came."""
        asked = {"profile": "teltonika"}
        answer = self.post("  getinfo", tracker=asked)
        self.assertEqual((answer.status, answer.json["profile"]), (202, "teltonika"))
        self.assertEqual(answer.json["findings"], [])
        self.assertEqual(self.left(), ["  getinfo"])

    def test_an_odd_command_leaves_unchanged(self) -> None:
        """TR2: it is told in the answer, in the event and in the story."""
        answer = self.post("getinfo", tracker={"profile": "teltonika"})
        told = {
            "code": "leading_space",
            "text": "without login and password 2 blanks (U+0020) come first;"
            " there are 0",
            "expected": 2,
            "found": 0,
        }
        self.assertEqual(answer.json["findings"], [told])
        self.assertEqual(self.left(), ["getinfo"])
        events = self.ask("GET", "/v1/events").json["events"]
        self.assertEqual(events[0]["state"], "accepted")
        self.assertEqual(events[0]["findings"], [told])
        self.assertTrue(all("findings" not in one for one in events[1:]))
        story = self.ask("GET", "/v1/messages/cmd").json
        self.assertEqual(story["message"]["tracker"]["findings"], [told])

    def test_a_story_hides_login_and_password(self) -> None:
        """TR4: what leaves is whole."""
        self.post("login pass getinfo", tracker={"profile": "teltonika"})
        octets = self.whole.ask("GET", "/v1/messages/cmd")
        self.assertNotIn(b"login", octets)
        self.assertNotIn(b"pass", octets)
        message = parsed(octets).json["message"]
        self.assertEqual(message["text"], "*** *** getinfo")
        self.assertIs(message["masked"], True)
        self.assertEqual(self.left(), ["login pass getinfo"])

    def test_a_receipt_quotes_the_command(self) -> None:
        """TR71: its ``text:`` is hidden in the story too."""
        self.post("login pass getinfo", tracker={"profile": "teltonika"})
        self.whole.channel.answer()
        raw = "id:p-cmd stat:DELIVRD err:000 text:login pass getinfo"
        receipt = Receipt(
            account="account-a",
            channel="a",
            provider_id="p-cmd",
            keys=("p-cmd",),
            state=MessageState.DELIVERED,
            raw=raw,
        )
        result(self.whole.dispatcher.receipt(receipt))
        octets = self.whole.ask("GET", "/v1/messages/cmd")
        self.assertIn(b"text:***", octets)
        self.assertNotIn(b"login", octets)

    def test_a_profile_that_there_is_not(self) -> None:
        """TR14: 422, and the field is named; explain says the same."""
        answer = self.post("getinfo", tracker={"profile": "teltonica"})
        self.assertEqual((answer.status, answer.code), (422, "gateway:invalid"))
        self.assertEqual(answer.json["error"]["field"], "tracker.profile")
        message = {"to": T, "text": "x", "tracker": {"profile": "x"}}
        self.assertEqual(self.ask("POST", "/v1/explain", message).status, 422)

    def test_a_field_that_there_is_not(self) -> None:
        """TR15: a typo is an error, and so is a field given twice."""
        answer = self.post("x", tracker={"pase": "answered"})
        self.assertEqual(answer.status, 422)
        self.assertEqual(answer.json["error"]["field"], "tracker.pase")
        twice = (
            b'{"to":"+79161234567","text":"x",'
            b'"tracker":{"profile":"gt06","profile":"umka"}}'
        )
        answer = parsed(self.whole.ask("POST", "/v1/messages", twice))
        self.assertEqual(answer.json["error"]["field"], "tracker.profile")

    def test_without_a_profile_nothing_is_new(self) -> None:
        """TR16: no key in the answer, the events or the story."""
        answer = self.post("getinfo")
        self.assertEqual(answer.json, {"id": "cmd", "state": "accepted"})
        for path in ("/v1/events", "/v1/messages/cmd"):
            octets = self.whole.ask("GET", path)
            for word in (b"findings", b"tracker", b"profile", b"masked"):
                self.assertNotIn(word, octets)

    def test_a_repeat_is_a_repeat(self) -> None:
        """The profile is no part of what is sent."""
        self.post("getinfo")
        answer = self.post("getinfo", tracker={"profile": "teltonika"})
        self.assertEqual(answer.json["state"], "duplicate")

    def test_octets_are_not_looked_at(self) -> None:
        """A binary SMS passes by, whatever was asked."""
        message = {"id": "b", "to": T, "binary": "AAEC", "tracker": {"profile": "gt06"}}
        answer = self.ask("POST", "/v1/messages", message)
        self.assertEqual(answer.json, {"id": "b", "state": "accepted"})


class BySectionTests(TrackerCase):
    rules = (rule("queclink", to=("+7916*",), strict=True, strict_codes=("tail",)),)

    def test_a_strict_tracker(self) -> None:
        """TR17: refused, nothing leaves, and the next one does."""
        answer = self.post(GLM)
        self.assertEqual(answer.status, 422)
        self.assertEqual(answer.code, "gateway:tracker_check")
        self.assertIn("tail", answer.json["error"]["text"])
        self.assertEqual(answer.json["error"]["field"], "text")
        self.assertEqual(self.left(), [])
        self.assertEqual(self.post(GLM + "$").status, 202)
        self.assertEqual(self.left(), [GLM + "$"])

    def test_over_amqp(self) -> None:
        """TR17: a queue hears it as its last event, and the story is masked."""
        body = msgspec.json.encode({"to": T, "text": GLM, "class": "command"})
        gateway = self.whole.dispatcher.intake
        message = parse(body, defaults=Defaults("RU"), now=NOW, message_id="q")
        result(gateway.accept([(message, fingerprint(message))], keep_rejected=True))
        (event,) = self.ask("GET", "/v1/events").json["events"]
        self.assertEqual((event["state"], event["final"]), ("rejected", True))
        self.assertEqual(event["error"]["code"], "gateway:tracker_check")
        story = self.ask("GET", "/v1/messages/q").json
        self.assertNotIn("gl300", story["message"]["text"])

    def test_what_is_not_chosen_does_not_refuse(self) -> None:
        """Only `strict_codes` do."""
        answer = self.post(GLM.replace("gl300", "") + "$")
        self.assertEqual(self.codes(answer), ["password_missing"])

    def test_only_commands_and_activations(self) -> None:
        """TR62: a notification to the same number is not looked at."""
        answer = self.post("hello", **{"class": "notification"})
        self.assertEqual(answer.json, {"id": "cmd", "state": "accepted"})

    def test_other_numbers(self) -> None:
        """The globs are of the number."""
        answer = self.post("hello", to="+79261234567")
        self.assertEqual(answer.json, {"id": "cmd", "state": "accepted"})

    def test_the_message_goes_before_the_section(self) -> None:
        """And has the section's strictness."""
        answer = self.post("RELAY,1", tracker={"profile": "gt06"})
        self.assertEqual(answer.code, "gateway:tracker_check")
        answer = self.post("RELAY,1#", tracker={"profile": "gt06"})
        self.assertEqual(answer.json["profile"], "gt06")

    def test_explain_tells_all_and_hides_the_password(self) -> None:
        """TR4, TR71: which profile and why, and no word of the secret in any form."""
        message = {"to": T, "text": GLM, "class": "command"}
        octets = self.whole.ask("POST", "/v1/explain", msgspec.json.encode(message))
        self.assertNotIn(b"gl300", octets)
        told = parsed(octets).json
        self.assertEqual(told["tracker"]["by"], "section vans")
        self.assertEqual(told["tracker"]["sure"], "A")
        self.assertEqual(told["tracker"]["refused"], "tail")
        self.assertEqual(told["error"]["code"], "gateway:tracker_check")


class ByNumberTests(TrackerCase):
    rules = (rule("gt06"),)

    def test_set_told_and_taken_away(self) -> None:
        """PUT, GET, DELETE; the number in whatever form."""
        path = "/v1/trackers/89161234567"
        self.assertEqual(self.ask("GET", path).status, 404)
        answer = self.ask("PUT", path, {"profile": "umka"})
        told = {
            "number": T,
            "profile": "umka",
            "strict": None,
            "changed_at": "2026-11-18T10:26:40.000Z",
        }
        self.assertEqual((answer.status, answer.json["number"]), (200, T))
        self.assertEqual(answer.json | {"changed_at": ""}, told | {"changed_at": ""})
        self.assertEqual(self.ask("GET", f"/v1/trackers/{T}").json, answer.json)
        self.assertEqual(self.post(" OUTPUT0 1").json["profile"], "umka")
        answer = self.ask("DELETE", path)
        self.assertEqual(answer.json, {"number": T, "profile": None})
        self.assertEqual(self.ask("DELETE", path).status, 404)
        self.assertEqual(self.post("RELAY,1#", id="2").json["profile"], "gt06")

    def test_it_goes_before_the_sections(self) -> None:
        """Also when it says: none; and it may be strict by itself."""
        self.ask("PUT", f"/v1/trackers/{T}", {"profile": None})
        self.assertNotIn("profile", self.post("RELAY,1").json)
        self.ask("PUT", f"/v1/trackers/{T}", {"profile": "gt06", "strict": True})
        answer = self.post("RELAY,1", id="2")
        self.assertEqual(answer.code, "gateway:tracker_check")

    def test_what_cannot_be_set(self) -> None:
        """A profile that there is not, no number, another field."""
        for path, body, field in (
            (T, {"profile": "x"}, "profile"),
            ("hello", {"profile": "gt06"}, "number"),
            (T, {"profile": "gt06", "pace": 1}, "pace"),
            (T, {}, "profile"),
            (T, {"profile": 1}, "profile"),
        ):
            answer = self.ask("PUT", f"/v1/trackers/{path}", body)
            self.assertEqual(answer.status, 422, (path, body))
            self.assertEqual(answer.json["error"]["field"], field)
        answer = parsed(self.whole.ask("PUT", f"/v1/trackers/{T}", b"{"))
        self.assertEqual(answer.status, 422)
        twice = b'{"profile": "gt06", "profile": "umka"}'
        answer = parsed(self.whole.ask("PUT", f"/v1/trackers/{T}", twice))
        self.assertEqual(answer.json["error"]["field"], "profile")

    def test_pages(self) -> None:
        """In the order of the numbers."""
        numbers = [f"+7916123456{n}" for n in range(5)]
        for number in reversed(numbers):
            self.ask("PUT", f"/v1/trackers/{number}", {"profile": "gt06"})
        found, cursor = [], ""
        while cursor is not None:
            more = f"&cursor={cursor.replace('+', '%2B')}" if cursor else ""
            page = self.ask("GET", f"/v1/trackers?limit=2{more}").json
            self.assertLessEqual(len(page["trackers"]), 2)
            found += [one["number"] for one in page["trackers"]]
            cursor = page["cursor"]
        self.assertEqual(found, numbers)


class SecretAnswerTests(TrackerCase):
    rules = (rule("galileosky"),)

    def test_nothing_that_people_see_has_the_password(self) -> None:
        """TR71: the platform's events have the text whole, masked ones have not."""
        self.post("ChangePass 4711")
        sms = Inbound(
            channel="a", from_=T, to=None, received_at=NOW, text="current password 4711"
        )
        result(self.whole.dispatcher.inbound(sms))
        whole = self.whole.ask("GET", "/v1/events")
        self.assertIn(b"current password 4711", whole)
        for target in ("/v1/events?masked=yes", "/v1/messages/cmd", "/metrics"):
            octets = self.whole.ask("GET", target)
            self.assertNotIn(b"4711", octets, target)
        explained = {"to": T, "text": "ChangePass 4711", "class": "command"}
        octets = self.whole.ask("POST", "/v1/explain", msgspec.json.encode(explained))
        self.assertNotIn(b"4711", octets)
        masked = self.ask("GET", "/v1/events?masked=yes").json["events"]
        self.assertIn("current password ***", [one.get("text") for one in masked])
        self.assertEqual(self.ask("GET", "/v1/events?masked=maybe").status, 422)

    def test_a_stream_is_masked_too(self) -> None:
        """That is what the status page reads."""
        asked = "GET /v1/events?masked=yes&after=0 HTTP/1.1"
        sms = Inbound(
            channel="a", from_=T, to=None, received_at=NOW, text="current password 4711"
        )
        result(self.whole.dispatcher.inbound(sms))
        connection = Connection(self.whole.api)
        head = "\r\n".join(
            (asked, "authorization: Bearer t", "accept: text/event-stream", "", "")
        )
        connection.send(head.encode())
        heard = connection.heard()
        self.assertIn(b"current password ***", heard)
        self.assertNotIn(b"4711", heard)
        connection.protocol.connectionLost(Failure(ConnectionDone()))
