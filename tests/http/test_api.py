"""The HTTP API as a client sees it, over a gateway in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import Unavailable
from gdemoi.http.answers import error_of_refusal
from gdemoi.message import Error
from gdemoi.moments import EARLIEST, LATEST
from tests.http.gateway import NOW, Client, FakeGateway, parsed


def sms(**fields: Any) -> dict[str, Any]:
    return {"id": "a1", "to": "+79161234567", "text": "  hello  "} | fields


class MessagesTests(SynchronousTestCase):
    def test_the_trace_of_a_request(self) -> None:
        """Goes with each of its messages; what is no `traceparent` is absent."""
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        for name, value, expected in (("a", trace, trace), ("b", "junk", None)):
            client = Client()
            body = [{"id": name, "to": "+79161234567", "text": "x"}]
            headers = {"traceparent": value}
            answer = client.ask("POST", "/v1/messages", body, headers)
            self.assertEqual(answer.status, 202)
            message, _ = client.gateway.taken[name]
            self.assertEqual(message.traceparent, expected)

    def test_accepted_only_after_the_commit(self) -> None:
        """202 is said when the journal has the message, not before."""
        commit: Deferred[None] = Deferred()
        client = Client(FakeGateway(commit=commit))
        connection = client.open("POST", "/v1/messages", sms())
        self.assertEqual(connection.heard(), b"")
        commit.callback(None)
        answer = parsed(connection.heard())
        self.assertEqual(answer.status, 202)
        self.assertEqual(answer.json, {"id": "a1", "state": "accepted"})

    def test_text_is_taken_byte_for_byte(self) -> None:
        """Leading and trailing spaces reach the gateway."""
        client = Client()
        client.post(sms())
        self.assertEqual(client.gateway.taken["a1"][0].text, "  hello  ")
        self.assertEqual(client.gateway.taken["a1"][0].accepted_at, NOW)

    def test_an_id_is_made_when_there_is_none(self) -> None:
        """A message without id gets one, and the answer tells it."""
        client = Client()
        answer = client.post({"to": "+79161234567", "text": "x"})
        self.assertEqual(answer.status, 202)
        self.assertEqual(list(client.gateway.taken), [answer.json["id"]])

    def test_a_repeat_is_a_duplicate(self) -> None:
        """The same message again is 200 `duplicate` with its present state."""
        client = Client()
        client.post(sms())
        answer = client.post(sms())
        self.assertEqual(answer.status, 200)
        self.assertEqual(
            answer.json, {"id": "a1", "state": "duplicate", "current": "submitted"}
        )

    def test_a_reused_id_is_refused(self) -> None:
        """The same id with another content is 422 `id_reused`."""
        client = Client()
        client.post(sms())
        answer = client.post(sms(text="other"))
        self.assertEqual(answer.status, 422)
        self.assertEqual(answer.json["error"]["field"], "id")
        self.assertEqual(answer.code, "gateway:id_reused")

    def test_an_unknown_field_is_refused_by_name(self) -> None:
        """A typo in a field is 422 and names it; nothing is taken."""
        client = Client()
        answer = client.post(sms(txet="x"))
        self.assertEqual(answer.status, 422)
        self.assertEqual(answer.code, "gateway:invalid")
        self.assertEqual(answer.json["error"]["field"], "txet")
        self.assertEqual(client.gateway.taken, {})

    def test_no_route_is_refused(self) -> None:
        """What no channel can carry is 422 with the routing's reason."""
        answer = Client().post(sms(to="+999123456789"))
        self.assertEqual((answer.status, answer.code), (422, "gateway:no_route"))

    def test_a_refusal_names_its_field(self) -> None:
        """Where it is one field's fault."""
        for code, name in (("unencodable", "text"), ("sender_not_allowed", "from")):
            reported = error_of_refusal(Error(f"gateway:{code}", "why"))
            self.assertEqual(reported["error"]["field"], name)
        reported = error_of_refusal(Error("gateway:no_route", "why"))
        self.assertIsNone(reported["error"]["field"])

    def test_broken_json(self) -> None:
        """A body that is not JSON, not UTF-8 or nested without end is 422."""
        for body in (b"", b"{", b"\xff\xfe", b"null", b'"x"', b"[" * 100_000):
            answer = Client().post(body)
            self.assertEqual(answer.status, 422, body[:9])
            self.assertEqual(answer.code, "gateway:invalid")

    def test_an_array_is_answered_in_order(self) -> None:
        """Each message of an array has its own answer at its own place."""
        answer = Client().post(
            [sms(), sms(id="b", to="nonsense"), sms(id="c"), sms(), sms(text="z")]
        )
        self.assertEqual(answer.status, 202)
        self.assertEqual(
            [one.get("state") or one["error"]["code"] for one in answer.json],
            [
                "accepted",
                "gateway:bad_number",
                "accepted",
                "duplicate",
                "gateway:id_reused",
            ],
        )

    def test_arrays_have_a_limit(self) -> None:
        """1000 messages are taken, 1001 are refused as a whole."""
        client = Client()
        many = [sms(id=f"m{number}") for number in range(1001)]
        self.assertEqual(client.post(many).status, 422)
        self.assertEqual(client.gateway.taken, {})
        self.assertEqual(client.post(many[:1000]).status, 202)
        self.assertEqual(len(client.gateway.taken), 1000)

    def test_a_full_backlog_is_503_with_retry_after(self) -> None:
        """When no more are taken, the client is told when to come again."""
        answer = Client(FakeGateway(is_full=True)).post(sms())
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.headers["retry-after"], "5")
        self.assertEqual(answer.code, "gateway:unavailable")

    def test_a_journal_that_cannot_write_is_503(self) -> None:
        """Unavailable from below is 503, so that the client repeats."""
        answer = Client(FakeGateway(broken=Unavailable("disk full"))).post(sms())
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.json["error"]["text"], "disk full")

    def test_our_own_fault_is_json_without_a_traceback(self) -> None:
        """What nobody expected is 500 in JSON, and goes to the log only."""
        answer = Client(FakeGateway(broken=KeyError("secret detail"))).post(sms())
        self.assertEqual((answer.status, answer.code), (500, "gateway:internal"))
        self.assertNotIn(b"secret", answer.body)
        self.assertNotIn(b"Traceback", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_story_and_unknown_story(self) -> None:
        """A known id is told, an unknown one is 404."""
        client = Client()
        client.post(sms())
        self.assertEqual(client.ask("GET", "/v1/messages/a1").json["id"], "a1")
        answer = client.ask("GET", "/v1/messages/nobody")
        self.assertEqual((answer.status, answer.code), (404, "gateway:not_found"))

    def test_a_story_that_waits_for_an_answer(self) -> None:
        """It is told with the answer, or without one when the time is over."""
        client = Client()
        client.post(sms())
        path = "/v1/messages/a1?wait=answer&timeout=30"
        connection = client.open("GET", path)
        client.clock.advance(10)
        client.gateway.tell("{}")
        self.assertEqual(connection.heard(), b"")
        client.gateway.answers["a1"] = [{"state": "ok"}]
        client.gateway.tell("{}")
        self.assertEqual(parsed(connection.heard()).json["answers"], [{"state": "ok"}])
        self.assertEqual(client.ask("GET", path).json["answers"], [{"state": "ok"}])
        del client.gateway.answers["a1"]
        connection = client.open("GET", path)
        client.clock.pump([1.0] * 29)
        self.assertEqual(connection.heard(), b"")
        client.clock.advance(1.0)
        self.assertEqual(parsed(connection.heard()).json["answers"], [])
        for wrong in ("wait=end", "wait=answer&timeout=soon", "now=1"):
            answer = client.ask("GET", f"/v1/messages/a1?{wrong}")
            self.assertEqual((wrong, answer.status), (wrong, 422))

    def test_an_id_that_no_message_can_have(self) -> None:
        """The journal is not asked about U+0000, which PostgreSQL cannot hold."""
        client = Client(FakeGateway(broken=KeyError("asked")))
        for method in ("GET", "DELETE"):
            answer = client.ask(method, "/v1/messages/a%00b")
            self.assertEqual((answer.status, answer.code), (404, "gateway:not_found"))

    def test_cancel(self) -> None:
        """What waits is cancelled, what left is 409, what is unknown 404."""
        client = Client()
        client.post([sms(), sms(id="gone")])
        answer = client.ask("DELETE", "/v1/messages/a1")
        self.assertEqual(answer.json, {"id": "a1", "state": "cancelled"})
        self.assertEqual(client.ask("DELETE", "/v1/messages/gone").status, 409)
        self.assertEqual(client.ask("DELETE", "/v1/messages/x").status, 404)

    def test_a_limit_out_of_its_range(self) -> None:
        """Is refused with the range, wherever there is one; it was bent silently."""
        client = Client()
        for path in ("/v1/messages", "/v1/receipts/unmatched", "/v1/events"):
            for limit in ("0", "1001", "9" * 30):
                answer = client.ask("GET", f"{path}?limit={limit}")
                error = answer.json["error"]
                self.assertEqual((answer.status, error["field"]), (422, "limit"))
                self.assertIn("1 to 1000", error["text"])
            self.assertEqual(client.ask("GET", f"{path}?limit=1").status, 200)

    def test_search_passes_what_is_wanted(self) -> None:
        """Every filter arrives, times as epoch seconds."""
        client = Client()
        answer = client.ask(
            "GET",
            "/v1/messages?to=%2B79161234567&state=delivered&since=2026-11-21T03:00:00Z"
            "&until=2026-11-21T06:00:00%2B03:00&limit=1000&cursor=abc",
        )
        self.assertEqual(answer.json, {"messages": [], "cursor": "next"})
        (wanted,) = client.gateway.searched
        self.assertEqual(wanted.to, "+79161234567")
        self.assertEqual(wanted.state, "delivered")
        self.assertEqual(wanted.since, wanted.until)
        self.assertEqual((wanted.limit, wanted.cursor), (1000, "abc"))

    def test_parameters_where_there_are_none(self) -> None:
        """A wish that is not heard is refused, before anything is done.

        Whoever writes ``?dry_run=1`` to a POST must not find an SMS sent.
        """
        client = Client()
        client.post(sms())
        for method, path in (
            *(("POST", "/v1/messages"), ("POST", "/v1/explain")),
            *(("GET", "/v1/messages/a1"), ("DELETE", "/v1/messages/a1")),
            *(("GET", "/v1/channels"), ("GET", "/v1/status")),
            *(("POST", "/v1/channels/smsc/pause"), ("POST", "/v1/channels/a/resume")),
            ("POST", "/v1/channels/office/lines/a/reboot"),
        ):
            for query in ("dry_run=1", "dry_run", "to=1"):
                answer = client.ask(method, f"{path}?{query}", sms(id="b"))
                self.assertEqual(answer.status, 422, (method, path, query))
        self.assertEqual(list(client.gateway.taken), ["a1"])
        self.assertEqual(client.gateway.paused, set())
        self.assertEqual(client.ask("GET", "/health/live?t=1").status, 200)

    def test_times_at_the_ends_of_the_calendar(self) -> None:
        """An offset may lead beyond year 1 or 9999, and no number is too large."""
        for given, meant in (
            ("9999-12-31T23:59:59-23:59", LATEST),
            ("9999-12-31T23:59:59.999999Z", LATEST),
            ("9" * 400, LATEST),
            ("1e300", LATEST),
            ("0001-01-01T00:00:00%2B23:59", EARLIEST),
            ("0001-01-01T00:00:00Z", EARLIEST),
        ):
            client = Client()
            for name in ("since", "until"):
                answer = client.ask("GET", f"/v1/messages?{name}={given}")
                self.assertEqual(answer.status, 200, given)
            since, until = client.gateway.searched
            self.assertEqual((since.since, until.until), (meant, meant), given)

    def test_counts_of_any_length(self) -> None:
        """A number with more digits than Python reads is a number all the same."""
        client = Client()
        for path, status in (
            ("/v1/messages?limit", 422),
            ("/v1/receipts/unmatched?limit", 422),
            ("/v1/channels/smsc/trace?after", 200),
        ):
            answer = client.ask("GET", f"{path}={'9' * 5000}")
            self.assertEqual(answer.status, status)

    def test_search_refuses_what_it_does_not_know(self) -> None:
        """A typo in a filter does not silently find everything."""
        for query in (
            "sate=delivered",
            "state=deliverd",
            "since=yesterday",
            "since=2026-11-21T03:00:00",
            "limit=ten",
            "to=%ff",
            "to=1&to=2",
            "to=%00",
            "to=",
            "to",
            "limit=5&to",
            "sate",
            "%ff",
            "limit=",
            "limit=1.5",
            "since=%D9%A3",
            "since=inf",
        ):
            client = Client()
            answer = client.ask("GET", f"/v1/messages?{query}")
            self.assertEqual(answer.status, 422, query)
            self.assertEqual(client.gateway.searched, [])


class ChannelsTests(SynchronousTestCase):
    def test_channels(self) -> None:
        """The channels are listed as the gateway describes them."""
        answer = Client().ask("GET", "/v1/channels")
        self.assertEqual(answer.json["channels"][0]["name"], "smsc")

    def test_pause_and_resume(self) -> None:
        """Pausing reaches the gateway; an unknown channel is 404."""
        client = Client()
        answer = client.ask("POST", "/v1/channels/smsc/pause")
        self.assertEqual(answer.json, {"name": "smsc", "paused": True})
        self.assertEqual(client.gateway.paused, {"smsc"})
        answer = client.ask("POST", "/v1/channels/smsc/resume")
        self.assertEqual(answer.json, {"name": "smsc", "paused": False})
        self.assertEqual(client.gateway.paused, set())
        self.assertEqual(client.ask("POST", "/v1/channels/x/pause").status, 404)

    def test_line_commands(self) -> None:
        """A line command's arguments go to the device, its words come back."""
        client = Client()
        path = "/v1/channels/office/lines/goip1/ussd"
        for body in (["*100#"], {"arguments": ["*100#"]}):
            answer = client.ask("POST", path, body)
            self.assertEqual(answer.json["answer"], "office/goip1 ussd ['*100#']")
        answer = client.ask("POST", "/v1/channels/office/lines/goip1/reboot")
        self.assertEqual(answer.json["answer"], "office/goip1 reboot []")

    def test_a_line_command_with_its_arguments_twice_is_not_done(self) -> None:
        """The last ones won."""
        client = Client()
        body = b'{"arguments":["*100#"],"arguments":["*200#"]}'
        path = "/v1/channels/goip/lines/L1/ussd"
        answer = client.ask("POST", path, body)
        self.assertEqual(answer.status, 422)
        self.assertEqual(answer.json["error"]["field"], "arguments")

    def test_line_commands_that_cannot_be_done(self) -> None:
        """An unknown verb is 422, a silent device 503, a broken body 422."""
        client = Client()
        base = "/v1/channels/office/lines"
        self.assertEqual(client.ask("POST", f"{base}/a/dance").status, 422)
        self.assertEqual(client.ask("POST", f"{base}/silent/ussd").status, 503)
        for body in (b"{", b"[1]", b'{"args":[]}', b"\xff"):
            self.assertEqual(client.ask("POST", f"{base}/a/ussd", body).status, 422)

    def test_explain(self) -> None:
        """Explain parses as sending does, and takes nothing."""
        client = Client()
        answer = client.ask("POST", "/v1/explain", {"to": "89161234567", "text": "x"})
        self.assertEqual(answer.json, {"to": "+79161234567", "error": None})
        self.assertEqual(client.gateway.taken, {})
        self.assertEqual(client.ask("POST", "/v1/explain", [sms()]).status, 422)
        self.assertEqual(client.ask("POST", "/v1/explain", {"to": "x"}).status, 422)

    def test_health(self) -> None:
        """Live always; ready when messages can be taken."""
        client = Client()
        self.assertEqual(client.ask("GET", "/health/live").status, 200)
        self.assertEqual(client.ask("GET", "/health/ready").status, 200)
        client.gateway.why_unready = "the journal is closed"
        answer = client.ask("GET", "/health/ready")
        self.assertEqual(answer.status, 503)
        self.assertEqual(answer.json["reason"], "the journal is closed")

    def test_unknown_paths_and_methods_are_json(self) -> None:
        """404 and 405 are JSON too, and 405 tells what may be done."""
        client = Client()
        answer = client.ask("GET", "/v1/nothing")
        self.assertEqual((answer.status, answer.code), (404, "gateway:not_found"))
        answer = client.ask("PUT", "/v1/messages")
        self.assertEqual((answer.status, answer.code), (405, "gateway:method"))
        self.assertIn("post", answer.headers["allow"])
        self.assertEqual(client.ask("GET", "/v1/%ff").status, 400)

    def test_openapi_has_every_field_of_messages(self) -> None:
        """The description has them as platforms spell them."""
        document = Client().ask("GET", "/openapi.json").json
        self.assertEqual(document["security"], [{"token": []}, {}])
        fields = document["components"]["schemas"]["Envelope"]["properties"]
        self.assertIn("on_unsure", fields)
        self.assertIn("from", fields)
