"""The status page and the figures."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import Unavailable
from gdemoi.http.settings import HttpSettings
from tests.http.gateway import Client, FakeGateway


class Channels(FakeGateway):
    def channels(self) -> list[dict[str, Any]]:
        return [
            {"name": "smsc", "kind": "smpp", "state": "up", "backlog": 7, "sent": 3,
             "paused": False, "balance": None, "present_rate": None,
             "unanswered": 4, "refused_senders": [{"sender": "BAD"}]},
            {"name": "office", "kind": "goip", "state": "degraded", "paused": True,
             "balance": "9.50 EUR", "lines": [{"name": "l1", "state": "up"},
                                              {"name": "l2", "state": "down"}]},
        ]  # fmt: skip


def figures(client: Client) -> dict[tuple[str, str], float]:
    """Return the samples by name and labels."""
    text = client.ask("GET", "/metrics").body.decode()
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class MetricsTests(SynchronousTestCase):
    def test_channels_and_lines(self) -> None:
        """What the gateway tells of its channels becomes figures."""
        found = figures(Client(Channels()))
        for key, value in {
            ("gdemoi_ready", ""): 1.0,
            ("gdemoi_channel_up", "smsc,smpp"): 1.0,
            ("gdemoi_channel_up", "office,goip"): 0.5,
            ("gdemoi_channel_backlog", "smsc,smpp"): 7.0,
            ("gdemoi_channel_paused", "office,goip"): 1.0,
            ("gdemoi_channel_unanswered", "smsc,smpp"): 4.0,
            ("gdemoi_channel_refused_senders", "smsc,smpp"): 1.0,
            ("gdemoi_channel_refused_senders", "office,goip"): 0.0,
            ("gdemoi_channel_balance", "office,goip"): 9.5,
            ("gdemoi_line_up", "office,l1"): 1.0,
            ("gdemoi_line_up", "office,l2"): 0.0,
        }.items():
            self.assertEqual(found[key], value, key)
        self.assertNotIn(("gdemoi_channel_balance", "smsc,smpp"), found)

    def test_requests_and_messages(self) -> None:
        """Requests count by method and status, messages by their answer."""
        client = Client()
        good = {"id": "a", "to": "+79161234567", "text": "x"}
        client.post([good, good, {"to": "x"}])
        client.post(good)
        client.ask("BREW", "/v1/messages")
        found = figures(client)
        for answer, count in {"accepted": 1, "duplicate": 2, "refused": 1}.items():
            self.assertEqual(found["gdemoi_http_messages_total", answer], count)
        for key, count in {"POST,202": 1, "POST,200": 1, "other,405": 1}.items():
            self.assertEqual(found["gdemoi_http_requests_total", key], count)

    def test_an_unready_gateway(self) -> None:
        """Ready is 0 when no messages can be taken."""
        found = figures(Client(FakeGateway(why_unready="full")))
        self.assertEqual(found["gdemoi_ready", ""], 0.0)

    def test_messages_and_unmatched_receipts(self) -> None:
        """Each state has its figure, also those that no message is in."""
        gateway = FakeGateway(
            states={"delivered": 5, "uncertain": 1}, lost_receipts=[{}, {}]
        )
        found = figures(Client(gateway))
        self.assertEqual(found["gdemoi_messages", "delivered"], 5.0)
        self.assertEqual(found["gdemoi_messages", "uncertain"], 1.0)
        self.assertEqual(found["gdemoi_messages", "expired"], 0.0)
        self.assertEqual(found["gdemoi_receipts_unmatched", ""], 2.0)

    def test_a_journal_that_cannot_be_read(self) -> None:
        """Its figures are absent, all others are there."""
        found = figures(Client(FakeGateway(broken=Unavailable("disk"))))
        self.assertNotIn("gdemoi_messages", {name for name, _ in found})
        self.assertEqual(found["gdemoi_ready", ""], 1.0)

    def test_figures_need_the_token(self) -> None:
        """Prometheus can send one."""
        client = Client(settings=HttpSettings(token="open sesame"))
        self.assertEqual(client.ask("GET", "/metrics").status, 401)


class PageTests(SynchronousTestCase):
    def test_the_page_is_open_and_holds_nothing(self) -> None:
        """Page and script come without a token; what they show needs it."""
        client = Client(Channels(), HttpSettings(token="open sesame"))
        page, script = client.ask("GET", "/"), client.ask("GET", "/page.js")
        self.assertEqual((page.status, script.status), (200, 200))
        self.assertIn("text/html", page.headers["content-type"])
        self.assertIn("javascript", script.headers["content-type"])
        self.assertNotIn(b"smsc", page.body + script.body.replace(b'"smsc"', b""))

    def test_the_page_takes_nothing_from_elsewhere(self) -> None:
        """Its policy and its text know only this gateway."""
        page = Client().ask("GET", "/")
        self.assertIn("default-src 'none'", page.headers["content-security-policy"])
        self.assertNotIn(b"//", page.body)
        self.assertNotIn(b"innerHTML", Client().ask("GET", "/page.js").body)

    def test_answers_do_not_tell_versions(self) -> None:
        """The server's name is ours."""
        self.assertEqual(
            Client().ask("GET", "/health/live").headers["server"], "gdemoi"
        )
