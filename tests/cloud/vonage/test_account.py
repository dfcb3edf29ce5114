"""Vonage's Reports API and balance (VM-06)."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.exchange import HttpAnswer, HttpRequest
from gdemoi.cloud.provider import StatusAnswer
from gdemoi.cloud.vonage.messages import VonageMessages
from gdemoi.cloud.vonage.sms import VonageSms
from gdemoi.errors import TheirFault
from gdemoi.message import MessageState
from tests.cloud.net import NOW, json_answer, message, vonage

PROVIDER = VonageSms(vonage(reports=True), "ch")


def query(request: HttpRequest | None) -> dict[str, str]:
    assert request is not None
    return dict(parse_qsl(urlsplit(request.url).query))


class ReportsTests(SynchronousTestCase):
    def test_paid_reports_are_off_by_default(self) -> None:
        """Without `reports = yes` nothing is asked."""
        provider = VonageSms(vonage(), "ch")
        self.assertIsNone(provider.status_request(["A1"], NOW))
        self.assertIsNone(provider.search_request(message(), NOW))

    def test_ids_go_as_a_list_without_dates(self) -> None:
        """A question by ids carries neither status nor dates."""
        asked = query(PROVIDER.status_request(["A1", "A2"], NOW))
        self.assertEqual(
            asked,
            {
                "account_id": "abcd1234",
                "product": "SMS",
                "direction": "outbound",
                "id": "A1,A2",
            },
        )
        messages = VonageMessages(vonage(api="messages", reports=True), "ch")
        self.assertEqual(
            query(messages.status_request(["u"], NOW))["product"], "MESSAGES"
        )

    def test_ids_not_found_are_still_pending(self) -> None:
        """What the records do not hold is asked for again."""
        record = {
            "message_id": "A1",
            "client_ref": "g1",
            "status": "delivered",
            "error_code": "0",
            "to": "79001234567",
            "date_finalized": "2026-02-03T12:14:25+0000",
        }
        polled = PROVIDER.status_of(
            json_answer(200, records=[record], ids_not_found="A2"), ["A1", "A2"], NOW
        )
        (receipt,) = polled.receipts
        self.assertEqual(
            (receipt.provider_id, receipt.state, receipt.at),
            ("A1", MessageState.DELIVERED, NOW),
        )
        none = PROVIDER.status_of(
            json_answer(200, records=[], ids_not_found="A1,A2"), ["A1", "A2"], NOW
        )
        self.assertEqual(none, StatusAnswer())
        with self.assertRaises(TheirFault):
            PROVIDER.status_of(HttpAnswer(status=500), ["A1"], NOW)

    def test_a_window_is_24_hours_at_most(self) -> None:
        """However old the bookmark is."""
        asked = query(PROVIDER.inbound_request("", NOW - 86401, NOW, NOW))
        self.assertEqual(asked["date_start"], "2026-02-02T12:14:24Z")
        self.assertEqual(asked["date_end"], "2026-02-03T12:14:24Z")
        self.assertEqual(asked["include_message"], "true")
        old = message(accepted_at=NOW - 90000)
        asked = query(PROVIDER.search_request(old, NOW))
        self.assertEqual(asked["date_start"], "2026-02-02T12:14:25Z")

    def test_a_search_by_our_own_reference(self) -> None:
        """The record with our reference is the message."""
        self.assertEqual(
            query(PROVIDER.search_request(message(), NOW))["client_ref"], "g1"
        )
        rows = [{"message_id": "A1", "client_ref": "g1", "status": "delivered"}]
        found = PROVIDER.found_in(json_answer(200, records=rows), message())
        self.assertEqual(found and found.provider_id, "A1")
        self.assertIsNone(PROVIDER.found_in(json_answer(200, records=[]), message()))

    def test_the_next_page_must_be_on_the_same_host(self) -> None:
        """Credentials go nowhere else."""
        request = PROVIDER.inbound_request("", NOW - 600, NOW, NOW)
        row = {"message_id": "I1", "from": "79001234567", "message_body": " x "}
        for href, goes in (
            ("https://api.nexmo.com/v2/reports/records?cursor=1", True),
            ("https://evil.example/v2/reports/records?cursor=1", False),
            ("https://api.nexmo.com.evil.example/", False),
        ):
            page = PROVIDER.inbound_of(
                json_answer(200, records=[row], _links={"next": {"href": href}}),
                request,
                NOW,
            )
            self.assertEqual(page.next is not None, goes, href)
            self.assertEqual(page.inbounds[0].text, " x ")

    def test_the_balance_is_in_euro(self) -> None:
        """account/get-balance, on the host of the SMS API."""
        request = PROVIDER.balance_request(NOW)
        assert request is not None
        self.assertEqual(request.url, "https://rest.nexmo.com/account/get-balance")
        balance = PROVIDER.balance_of(json_answer(200, value=10.28, autoReload=False))
        assert balance is not None
        self.assertEqual((balance.value, balance.currency), (10.28, "EUR"))
