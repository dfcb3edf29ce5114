"""Webhook endpoints: what is refused, and when a webhook is answered."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import jwt
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.cloud.exchange import HttpAnswer, HttpRequest
from gdemoi.cloud.http import CloudHttp
from gdemoi.cloud.settings import CloudSettings
from gdemoi.cloud.twilio.signature import signature
from gdemoi.cloud.vonage.signature import sms_signature
from gdemoi.cloud.webhooks import MOST_OCTETS
from gdemoi.message import MessageState
from tests.cloud.journal import JournalTestCase
from tests.cloud.net import (
    ACCOUNT,
    NOW,
    PUBLIC,
    TOKEN,
    ChannelRig,
    Net,
    textlocal,
    twilio,
    tyntec,
    vonage,
)

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class WebhookTestCase(SynchronousTestCase):
    """One started channel, and a provider that calls its webhooks."""

    def open(self, settings: CloudSettings, **changes: Any) -> ChannelRig:
        self.rig = ChannelRig(settings, **changes).start()
        self.net = self.rig.net
        return self.rig

    def call(
        self,
        path: str,
        body: bytes = b"",
        kind: str = FORM,
        method: str = "POST",
        **headers: str,
    ) -> HttpAnswer:
        """Ask a path below /sms/ch/ and return the answer."""
        http = CloudHttp(
            self.net.agent(), self.net.clock, lambda: 0.5, timeout_s=60, in_flight=9
        )
        named = [("Content-Type", kind)] if kind else []
        named += [(name.replace("_", "-"), value) for name, value in headers.items()]
        request = HttpRequest(
            method=method,
            url=f"{PUBLIC}/sms/ch/{path}",
            headers=tuple(named),
            body=body,
        )
        asked = Deferred.fromCoroutine(http.send(request))
        self.net.settle()
        answer = self.successResultOf(asked)
        if answer.status >= 400:
            self.assertEqual(answer.body, b"")
        return answer

    def twilio(self, endpoint: str = "status", **changes: str) -> HttpAnswer:
        """Knock as Twilio does."""
        pairs = {
            "MessageSid": "SM1",
            "MessageStatus": "delivered",
            "To": "+79001234567",
            "From": "+79001234567",
            "Body": " #ok ",
            "AccountSid": ACCOUNT,
            **changes,
        }
        path = f"{endpoint}?m=g1" if endpoint == "status" else endpoint
        signed = signature("tok", f"{PUBLIC}/sms/ch/{path}", list(pairs.items()))
        body = urlencode(pairs).encode()
        return self.call(path, body, X_Twilio_Signature=signed)

    def vonage(
        self, nonce: str = "n1", endpoint: str = "status", **changes: str
    ) -> HttpAnswer:
        """Knock as the SMS API does."""
        fields = {
            "msisdn": "79001234567",
            "to": "GDEMOI",
            "messageId": "A1",
            "status": "delivered",
            "api-key": "abcd1234",
            "timestamp": str(int(self.net.clock.seconds())),
            "nonce": nonce,
            **changes,
        }
        secret = "abcdefghijklmnopqrstuvwxyz012345"
        fields["sig"] = sms_signature(fields, secret, "md5hash")
        return self.call(endpoint, urlencode(fields).encode())


class TwilioDoorTests(WebhookTestCase):
    def setUp(self) -> None:
        self.open(twilio())

    def test_a_status_is_told_and_answered_empty(self) -> None:
        """204 without a body or a type, after the receipt was written down."""
        answer = self.twilio()
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertNotIn("content-type", answer.headers)
        (receipt,) = self.rig.recorder.receipts
        self.assertEqual(
            (receipt.state, receipt.verified, receipt.message_id),
            (MessageState.DELIVERED, True, "g1"),
        )

    def test_a_repeat_is_told_once(self) -> None:
        """The second one is answered alike and told to nobody."""
        self.assertEqual([self.twilio().status for _ in range(2)], [204, 204])
        self.assertEqual(len(self.rig.recorder.receipts), 1)
        self.assertEqual(self.rig.channel.describe()["counts"], {"repeated webhook": 1})

    def test_unknown_words_are_counted(self) -> None:
        """They are told as receipts that settle nothing."""
        self.assertEqual(self.twilio(MessageStatus="teleported").status, 204)
        self.assertEqual(self.rig.recorder.receipts[0].state, MessageState.ENROUTE)
        self.assertEqual(
            self.rig.channel.describe()["counts"], {"unknown status word": 1}
        )

    def test_inbound_is_answered_with_empty_twiml(self) -> None:
        """Never text/plain, which Twilio would send to the phone."""
        answer = self.twilio("incoming")
        self.assertEqual(
            (answer.status, answer.headers["content-type"], answer.body),
            (200, "text/xml", b"<Response/>"),
        )
        self.assertEqual(self.rig.recorder.inbounds[0].text, " #ok ")

    def test_a_forged_status_is_403(self) -> None:
        """Nothing is told, and the reason is not echoed."""
        body = urlencode({"MessageSid": "SM1", "AccountSid": ACCOUNT}).encode()
        for headers in ({}, {"X_Twilio_Signature": "x"}):
            self.assertEqual(self.call("status?m=g1", body, **headers).status, 403)
        self.assertEqual(self.rig.recorder.receipts, [])

    def test_a_body_over_64_kib_is_413(self) -> None:
        """One octet too many is enough, and nothing is parsed."""
        for size in (MOST_OCTETS + 1, 200_000):
            self.assertEqual(self.call("status", b"a" * size).status, 413)
        self.assertEqual(self.call("status", b"a" * MOST_OCTETS).status, 403)

    def test_an_endless_chunked_body_is_cut_off(self) -> None:
        """Memory stays flat, and the connection is closed."""
        heard = bytearray()
        lost: list[Any] = []

        class Endless(Protocol):
            def connectionMade(self) -> None:
                self.transport.write(
                    b"POST /sms/ch/status HTTP/1.1\r\nHost: x\r\n"
                    b"Content-Type: application/x-www-form-urlencoded\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n"
                )

            def dataReceived(self, data: bytes) -> None:
                heard.extend(data)

            def connectionLost(self, reason: Any = None) -> None:
                lost.append(reason)

        way = self.net.endpointForURI(_Here())
        client = self.successResultOf(way.connect(Factory.forProtocol(Endless)))
        for _ in range(40):
            if not lost:
                client.transport.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                self.net.settle()
        self.assertTrue(lost)
        self.assertTrue(heard.startswith(b"HTTP/1.1 413 "))

    def test_types_that_are_not_taken_are_415(self) -> None:
        """multipart, plain text, nothing; JSON without the hash of its body."""
        for kind in ("multipart/form-data; boundary=x", "text/plain", "", JSON):
            self.assertEqual(self.call("status", b"{}", kind).status, 415, kind)

    def test_methods_that_are_not_taken_are_405(self) -> None:
        """With the ones that are."""
        answer = self.call("status", b"", "", "PUT")
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST, GET"))

    def test_when_the_journal_is_away_twilio_comes_again(self) -> None:
        """503 with Retry-After; the repeat is told."""
        self.rig.recorder.down = True
        answer = self.twilio()
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "30"))
        self.rig.recorder.down = False
        self.assertEqual(self.twilio().status, 204)
        self.assertEqual(len(self.rig.recorder.receipts), 1)

    def test_an_answer_waits_for_the_commit(self) -> None:
        """Nothing is acknowledged before it is written down."""
        written: Deferred[None] = Deferred()
        self.rig.recorder.inbound = lambda inbound: written  # type: ignore[method-assign,assignment]
        with self.assertRaises(self.failureException):
            self.twilio("incoming")
        written.callback(None)
        self.net.settle()

    def test_behind_a_proxy_the_public_address_is_signed(self) -> None:
        """A prefix that the proxy takes away is in public_url, and Host is not read."""
        self.open(twilio(), public_url="https://gw.example.org/gate")
        pairs = {"MessageSid": "SM1", "MessageStatus": "sent", "AccountSid": ACCOUNT}
        body = urlencode(pairs).encode()
        for address, status in (
            ("https://gw.example.org/gate/sms/ch/status?m=%67", 204),
            ("https://gw.example.org/gate/sms/ch/status?m=g", 403),
            (f"{PUBLIC}/sms/ch/status?m=%67", 403),
        ):
            signed = signature("tok", address, list(pairs.items()))
            answer = self.call("status?m=%67", body, X_Twilio_Signature=signed)
            self.assertEqual(answer.status, status, address)

    def test_paths_that_are_not_there(self) -> None:
        """A longer path, or another door, is 404."""
        for path in ("status/x", "status/x/y"):
            self.assertEqual(self.call(path, b"a=1").status, 404)

    def test_a_caller_that_is_gone_is_not_answered(self) -> None:
        """What it told is still written down."""
        written: list[Deferred[None]] = []

        def slow(inbound: Any) -> Deferred[None]:
            written.append(Deferred())
            return written[0]

        self.rig.recorder.inbound = slow  # type: ignore[method-assign,assignment]
        with self.assertRaises(self.failureException):
            self.twilio("incoming")
        for pump in self.net.pumps:
            pump.client.transport.loseConnection()
            pump.flush()
        written[0].callback(None)
        self.net.settle()
        self.assertEqual(self.flushLoggedErrors(), [])


class _Here:
    host, port = b"127.0.0.1", 22000


class VonageDoorTests(WebhookTestCase):
    def test_a_nonce_is_told_once(self) -> None:
        """Twice within the window: 200, and dropped."""
        self.open(vonage())
        self.assertEqual([self.vonage().status for _ in range(2)], [200, 200])
        self.assertEqual(len(self.rig.recorder.receipts), 1)
        self.vonage(nonce="n2")
        self.assertEqual(len(self.rig.recorder.receipts), 2)

    def test_an_old_call_is_401(self) -> None:
        """Older than Vonage repeats, or more than an hour ahead."""
        self.open(vonage())
        for age_s in (90_001, -3601):
            old = self.vonage(timestamp=str(int(NOW) - age_s))
            self.assertEqual(old.status, 401)

    def test_a_day_of_outage_loses_nothing(self) -> None:
        """Vonage repeats with the first time for 24 h."""
        self.open(vonage())
        sms = {"text": "#ok", "type": "text"}
        old = str(int(NOW) - 86400)
        self.assertEqual(
            self.vonage("n1", "incoming", timestamp=old, **sms).status, 200
        )
        self.assertEqual(self.vonage(timestamp=old, nonce="n2").status, 200)
        self.assertEqual([i.text for i in self.rig.recorder.inbounds], ["#ok"])
        self.assertEqual(len(self.rig.recorder.receipts), 1)
        self.assertEqual(self.rig.channel.describe()["counts"]["far clock"], 2)

    def test_a_repeat_is_known_for_as_long(self) -> None:
        """A nonce of yesterday is still dropped, whatever age is allowed."""
        for allowed_s in (90_000.0, 3 * 86400.0):
            self.open(vonage(webhook_age_s=allowed_s, receipts="webhook"))
            first = str(int(NOW))
            self.assertEqual(self.vonage(timestamp=first).status, 200)
            self.net.advance(allowed_s)
            self.assertEqual(self.vonage(timestamp=first).status, 200)
            self.assertEqual(len(self.rig.recorder.receipts), 1)
            self.net.advance(1.0)
            self.assertEqual(self.vonage(timestamp=first).status, 401)

    def test_a_clock_that_is_ahead(self) -> None:
        """Within an hour, with one line in the log."""
        lines: list[str] = []
        self.open(vonage())
        watch = lambda event: lines.append(formatEvent(event))  # noqa: E731
        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)
        for number in range(3):
            ahead = str(int(NOW) + 3600)
            fields = self.vonage(nonce=f"a{number}", timestamp=ahead)
            self.assertEqual(fields.status, 200)
        lines = [line for line in lines if "clocks" in line]
        self.assertEqual(
            lines,
            ["ch: status webhook signed 3600 s ahead of our time: the clocks differ"],
        )

    def test_too_big_or_of_another_type(self) -> None:
        """65 KiB is 413; text/plain is 415."""
        self.open(vonage())
        self.assertEqual(self.call("status", b"a" * 66560).status, 413)
        self.assertEqual(self.call("status", b"a=1", "text/plain").status, 415)

    def test_a_get_is_a_webhook_too(self) -> None:
        """Without a body and without a type."""
        self.open(vonage(signature_secret=None, webhook_token=TOKEN))
        query = urlencode({"messageId": "A1", "status": "delivered"})
        answer = self.call(f"status/{TOKEN}?{query}", b"", "", "GET")
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.rig.recorder.receipts[0].provider_id, "A1")

    def test_a_missing_token_is_503_and_a_wrong_one_401(self) -> None:
        """503 makes Vonage repeat what it failed to sign."""
        self.open(vonage(api="messages"))
        self.assertEqual(self.call("status", b"{}", JSON).status, 503)
        wrong = self.call("status", b"{}", JSON, Authorization="Bearer a.b")
        self.assertEqual(wrong.status, 401)

    def test_a_token_is_told_once(self) -> None:
        """The same token and body: 200, and dropped; with another body 401."""
        self.open(vonage(api="messages"))
        body = b'{"message_uuid":"u1","status":"delivered","client_ref":"g1"}'
        claims = {
            "iat": int(NOW),
            "jti": "1",
            "payload_hash": hashlib.sha256(body).hexdigest(),
            "api_key": "abcd1234",
        }
        secret = "abcdefghijklmnopqrstuvwxyz012345"
        token = "Bearer " + jwt.encode(claims, secret, algorithm="HS256")
        for _ in range(2):
            answer = self.call("status", body, JSON, Authorization=token)
            self.assertEqual(answer.status, 200)
        self.assertEqual(len(self.rig.recorder.receipts), 1)
        other = body.replace(b"delivered", b"rejected")
        answer = self.call("status", other, JSON, Authorization=token)
        self.assertEqual(answer.status, 401)


class RestartTests(WebhookTestCase, JournalTestCase):
    def open(self, settings: CloudSettings, **changes: Any) -> ChannelRig:
        return JournalTestCase.open(self, settings, **changes)

    def test_an_sms_of_yesterday_is_told_once(self) -> None:
        """Its id is in the journal, also when the gateway was started anew and the
        nonce is forgotten."""
        self.open(vonage())
        fields = {"text": "#ok", "type": "text", "timestamp": str(int(NOW))}
        self.assertEqual(self.vonage("n1", "incoming", **fields).status, 200)
        self.net.advance(89_990.0)
        up = self.rig.recorder
        self.rig = ChannelRig(vonage(), net=self.net)
        self.rig.recorder = up
        self.rig.start()
        self.assertEqual(self.vonage("n1", "incoming", **fields).status, 200)
        self.assertEqual(len(up.inbounds), 2)
        self.assertEqual([sms["text"] for sms in self.events("inbound")], ["#ok"])


class TokenDoorTests(WebhookTestCase):
    FIELDS = urlencode(
        {"number": "79001234567", "status": "D", "customID": "g1"}
    ).encode()

    def test_a_wrong_path_token_is_404(self) -> None:
        """Missing, wrong, or more than a token: nothing is told."""
        self.open(textlocal())
        for path in ("status", "status/", "status/wrong", f"status/{TOKEN}/x"):
            self.assertEqual(self.call(path, self.FIELDS).status, 404, path)
        self.assertEqual(self.rig.recorder.receipts, [])
        self.assertEqual(self.call(f"status/{TOKEN}", self.FIELDS).status, 200)

    def test_only_small_form_posts(self) -> None:
        """65 KiB is 413, JSON 415, GET 405."""
        self.open(textlocal())
        path = f"status/{TOKEN}"
        self.assertEqual(self.call(path, b"a" * 66560).status, 413)
        self.assertEqual(self.call(path, b"{}", JSON).status, 415)
        self.assertEqual(self.call(path, b"", "", "GET").status, 405)

    def test_tokens_sizes_and_types(self) -> None:
        """Wrong token 404, 65 KiB 413, text/xml 415."""
        self.open(tyntec())
        self.assertEqual(self.call("status/x", b"{}", JSON).status, 404)
        path = f"status/{TOKEN}"
        self.assertEqual(self.call(path, b"a" * 66560, JSON).status, 413)
        self.assertEqual(self.call(path, b"<a/>", "text/xml").status, 415)

    def test_broken_bodies_are_400(self) -> None:
        """Without a traceback."""
        self.open(tyntec())
        path = f"incoming/{TOKEN}"
        for body in (b"[]", b"null", b"[" * 10_000, b'{"message": 5}', b"\xff"):
            self.assertEqual(self.call(path, body, JSON).status, 400)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_when_the_journal_is_away_tyntec_comes_again(self) -> None:
        """503; Tyntec repeats for 48 hours."""
        self.open(tyntec())
        fields = {"from": "+79001234567", "to": "1", "message": "x", "requestId": "r1"}
        body = json.dumps(fields).encode()
        self.rig.recorder.down = True
        self.assertEqual(self.call(f"incoming/{TOKEN}", body, JSON).status, 503)
        self.rig.recorder.down = False
        self.assertEqual(self.call(f"incoming/{TOKEN}", body, JSON).status, 200)
        self.assertEqual(len(self.rig.recorder.inbounds), 1)

    def test_a_door_that_is_not_wanted_is_not_there(self) -> None:
        """inbound = none leaves the status door only."""
        self.open(textlocal(inbound="none"))
        self.assertEqual(self.call(f"incoming/{TOKEN}", b"a=1").status, 404)

    def test_before_the_start_webhooks_are_put_off(self) -> None:
        """A channel that is not started cannot write anything down."""
        self.rig = ChannelRig(textlocal(), net=Net())
        self.net = self.rig.net
        self.assertEqual(self.call(f"status/{TOKEN}", self.FIELDS).status, 503)
