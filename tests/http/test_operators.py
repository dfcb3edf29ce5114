"""What operators ask: traces, receipts that match nothing, the whole's state."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import Unavailable
from tests.http.gateway import Client, FakeGateway, FakeQueue


def passed(number: int) -> dict[str, Any]:
    """Return what a channel kept."""
    return {
        "number": number,
        "at": 1_795_000_000.0 + number,
        "direction": "out",
        "link": "transceiver",
        "line": f"EnquireLink(sequence_number={number})",
    }


class TraceTests(SynchronousTestCase):
    def test_records_and_where_to_go_on(self) -> None:
        """All there are, then those beyond the last one seen."""
        client = Client(FakeGateway(passed=[passed(1), passed(2)]))
        page = client.ask("GET", "/v1/channels/smsc/trace").json
        self.assertEqual([one["number"] for one in page["records"]], [1, 2])
        self.assertEqual((page["name"], page["after"]), ("smsc", 2))
        page = client.ask("GET", "/v1/channels/smsc/trace?after=1").json
        self.assertEqual([one["number"] for one in page["records"]], [2])
        page = client.ask("GET", "/v1/channels/smsc/trace?after=2").json
        self.assertEqual((page["records"], page["after"]), ([], 2))

    def test_a_capture_file(self) -> None:
        """It is a download named after the channel."""
        answer = Client().ask("GET", "/v1/channels/smsc/trace?format=pcap")
        self.assertEqual(answer.body, b"\xd4\xc3\xb2\xa1")
        self.assertEqual(answer.headers["content-type"], "application/octet-stream")
        self.assertIn("smsc.pcap", answer.headers["content-disposition"])

    def test_no_such_channel_and_no_trace(self) -> None:
        """404 both ways, and the text says which."""
        client = Client()
        for name, code, text in (
            ("nobody", "gateway:not_found", "there is no channel nobody"),
            ("office", "gateway:no_trace", "kind goip keep no trace"),
        ):
            for form in ("json", "pcap"):
                path = f"/v1/channels/{name}/trace?format={form}"
                answer = client.ask("GET", path)
                self.assertEqual((answer.status, answer.code), (404, code))
                self.assertIn(text, answer.json["error"]["text"])

    def test_broken_parameters(self) -> None:
        """They are named."""
        for query in ("format=xml", "after=x", "before=1"):
            answer = Client().ask("GET", f"/v1/channels/smsc/trace?{query}")
            self.assertEqual(answer.status, 422, query)
            self.assertEqual(answer.json["error"]["field"], query.split("=")[0])


class CallbacksTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.client = Client(FakeGateway(queues={"webhook:erp": FakeQueue()}))

    def test_how_they_stand(self) -> None:
        """What is counted, and the list of what was given up."""
        found = self.client.ask("GET", "/v1/callbacks/webhook/erp").json
        self.assertEqual(found["section"], "webhook:erp")
        self.assertEqual(found["state"], "disabled")
        self.assertEqual([one["seq"] for one in found["parked"]], [17])

    def test_again(self) -> None:
        """All of it, some of it, and what is no list of numbers."""
        path = "/v1/callbacks/webhook/erp/replay"
        ask = self.client.ask
        self.assertEqual(ask("POST", path).json["replayed"], [17])
        self.assertEqual(ask("POST", path, [16]).json["replayed"], [])
        for bad in ({"a": 1}, ["x"], b"[", [1.5]):
            with self.subTest(body=bad):
                self.assertEqual(ask("POST", path, bad).status, 422)

    def test_resume(self) -> None:
        """And 404 for what calls nobody."""
        answer = self.client.ask("POST", "/v1/callbacks/webhook/erp/resume")
        self.assertEqual(answer.json, {"section": "webhook:erp", "state": "up"})
        for method, path in (
            ("GET", "/v1/callbacks/webhook/x"),
            ("POST", "/v1/callbacks/x/erp/resume"),
            ("POST", "/v1/callbacks/webhook/x/replay"),
        ):
            self.assertEqual(self.client.ask(method, path).status, 404)


class WholeTests(SynchronousTestCase):
    def test_unmatched_receipts(self) -> None:
        """The newest, and how many there are."""
        gateway = FakeGateway(
            lost_receipts=[{"provider_id": "a"}, {"provider_id": "b"}]
        )
        found = Client(gateway).ask("GET", "/v1/receipts/unmatched?limit=1").json
        self.assertEqual(found, {"receipts": [{"provider_id": "a"}], "total": 2})

    def test_status(self) -> None:
        """Readiness, messages by state, unmatched receipts."""
        gateway = FakeGateway(states={"delivered": 3}, lost_receipts=[{}])
        self.assertEqual(
            Client(gateway).ask("GET", "/v1/status").json,
            {
                "name": "gdemoi-1",
                "status": "ready",
                "reason": None,
                "messages": {"delivered": 3},
                "receipts_unmatched": 1,
                "alerts": [],
                "role": "operator",
                "page_send": True,
            },
        )
        gateway.firing = [{"name": "carrier", "text": "channel smsc is down"}]
        found = Client(gateway).ask("GET", "/v1/status").json
        self.assertEqual(found["alerts"], gateway.firing)
        gateway.why_unready = "the gateway is stopping"
        found = Client(gateway).ask("GET", "/v1/status").json
        self.assertEqual(found["status"], "unready")
        self.assertEqual(found["reason"], "the gateway is stopping")

    def test_what_was_lost(self) -> None:
        """Is told as long as it is known."""
        gateway = FakeGateway(what_was_lost="2026-11-27T09:00:00Z at least 95 messages")
        found = Client(gateway).ask("GET", "/v1/status").json
        self.assertEqual(found["lost"], gateway.what_was_lost)

    def test_status_without_a_journal(self) -> None:
        """Not now."""
        answer = Client(FakeGateway(broken=Unavailable("disk"))).ask(
            "GET", "/v1/status"
        )
        self.assertEqual(answer.status, 503)


class ReloadTests(SynchronousTestCase):
    def test_reload(self) -> None:
        """It changes something unless it is only asked what it would change."""
        client = Client()
        for query, dry_run in (
            ("", False),
            ("?dry_run=no", False),
            ("?dry_run=yes", True),
        ):
            answer = client.ask("POST", f"/v1/reload{query}")
            self.assertEqual(answer.status, 200)
            expected = "would_change" if dry_run else "changed"
            self.assertEqual(answer.json["status"], expected)
        self.assertEqual(client.gateway.reloads, [False, False, True])

    def test_a_word_that_is_neither(self) -> None:
        client = Client()
        answer = client.ask("POST", "/v1/reload?dry_run=1")
        self.assertEqual(
            (answer.status, answer.json["error"]["field"]), (422, "dry_run")
        )
        self.assertEqual(client.gateway.reloads, [])

    def test_before_the_gateway_runs(self) -> None:
        client = Client(FakeGateway(broken=Unavailable("the gateway is starting")))
        self.assertEqual(client.ask("POST", "/v1/reload").status, 503)

    def test_the_configuration_that_runs(self) -> None:
        answer = Client().ask("GET", "/v1/configuration")
        self.assertEqual(
            answer.json["sections"]["smpp:carrier"]["password"], "(secret)"
        )
