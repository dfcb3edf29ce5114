"""The HTTP shell: deadlines, limits, and whether a request may have left."""

from __future__ import annotations

import datetime
import gzip
from typing import Any
from urllib.parse import quote, urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import PrivateCertificate
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import NOT_DONE_YET

from gdemoi.cloud.exchange import HttpAnswer, HttpRequest
from gdemoi.cloud.http import (
    MOST_OCTETS,
    CloudHttp,
    NamedPolicy,
    RequestNotSent,
    RequestUnanswered,
    is_private,
    make_agent,
)
from gdemoi.net.certificates import Named
from tests.cloud.net import Answers, Net, answered

URL = "http://127.0.0.1:9000/x"


class _Silent(Protocol):
    """Takes everything and says nothing."""


class _Hanging(Factory):
    protocol = _Silent
    noisy = False


class HttpTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.net = Net()
        self.http = self.make()

    def make(self, **changes: Any) -> CloudHttp:
        fields: dict[str, Any] = {"timeout_s": 30.0, "in_flight": 5, **changes}
        agent = fields.pop("agent", None) or self.net.agent()
        return CloudHttp(agent, self.net.clock, lambda: 0.5, **fields)

    def ask(self, method: str = "POST", url: str = URL) -> Deferred[HttpAnswer]:
        body = b"a=1" if method == "POST" else b""
        request = HttpRequest(
            method=method, url=url, headers=(("X-Key", "v"),), body=body
        )
        asked = Deferred.fromCoroutine(self.http.send(request))
        self.net.settle()
        return asked

    def test_an_answer_comes_whole(self) -> None:
        """Status, headers in lower case, and body."""
        far = Answers(answered({"a": 1}, 201, **{"X-Thing": "Y"}))
        self.net.serve(9000, far)
        answer = self.successResultOf(self.ask())
        self.assertEqual(
            (answer.status, answer.headers["x-thing"], answer.body, answer.cut),
            (201, "Y", b'{"a": 1}', False),
        )
        method, uri, headers, body = far.requests[0]
        self.assertEqual((method, uri, body), ("POST", "/x", b"a=1"))
        self.assertEqual((headers["x-key"], headers["user-agent"]), ("v", "gdemoi"))

    def test_a_refused_connection_sent_nothing(self) -> None:
        """What certainly did not leave may be repeated."""
        self.failureResultOf(self.ask(), RequestNotSent)

    def test_a_redirect_is_not_followed(self) -> None:
        """The answer is handed back; nobody else sees the credentials."""
        far = Answers((301, b"", {"location": "http://127.0.0.1:9001/"}))
        other = Answers(answered({}))
        self.net.serve(9000, far)
        self.net.serve(9001, other)
        self.assertEqual(self.successResultOf(self.ask()).status, 301)
        self.assertEqual(other.requests, [])

    def test_cookies_are_not_kept(self) -> None:
        """No provider follows us from request to request."""
        far = Answers((200, b"{}", {"Set-Cookie": "who=me; Path=/"}))
        self.net.serve(9000, far)
        answer = self.successResultOf(self.ask())
        self.assertNotIn("set-cookie", answer.headers)
        self.successResultOf(self.ask())
        self.assertEqual(["cookie" in one[2] for one in far.requests], [False, False])

    def test_nothing_is_unpacked(self) -> None:
        """Packing is not asked for, and what comes packed stays as small as it is."""
        packed = gzip.compress(bytes(64 * MOST_OCTETS))
        far = Answers((200, packed, {"Content-Encoding": "gzip"}))
        self.net.serve(9000, far)
        answer = self.successResultOf(self.ask())
        self.assertEqual((answer.body, answer.cut), (packed, False))
        self.assertEqual(far.requests[0][2]["accept-encoding"], "identity")

    @given(st.lists(st.tuples(st.text(), st.text()), min_size=1), st.text(min_size=1))
    def test_an_address_is_asked_as_it_was_written(
        self, query: list[tuple[str, str]], step: str
    ) -> None:
        """Signatures are made of these octets: the client rewrites none of them."""
        net = Net()
        far = Answers(answered({}))
        net.serve(9000, far)
        http = CloudHttp(
            net.agent(), net.clock, lambda: 0.5, timeout_s=30.0, in_flight=1
        )
        # not "." or "..", which mean something else in an address
        path = f"/x{quote(step, safe='')}?{urlencode(query)}"
        request = HttpRequest(method="GET", url=f"http://127.0.0.1:9000{path}")
        asked = Deferred.fromCoroutine(http.send(request))
        net.settle()
        self.successResultOf(asked)
        self.assertEqual(far.requests[0][1], path)

    def test_an_endless_answer_is_cut(self) -> None:
        """A mebibyte is read; then the connection is broken off."""
        gone: list[Any] = []

        def endless(request: Any) -> Any:
            request.notifyFinish().addErrback(gone.append)
            for _ in range(40):
                request.write(b"x" * 65536)
            return NOT_DONE_YET

        self.net.serve(9000, Answers(endless))
        answer = self.successResultOf(self.ask())
        self.assertEqual((len(answer.body), answer.cut), (MOST_OCTETS, True))
        self.net.settle()
        self.assertTrue(gone)

    def test_a_slow_answer_is_given_up(self) -> None:
        """One octet a second for ever: after 30 s nobody knows."""

        def slow(request: Any) -> Any:
            request.notifyFinish().addErrback(lambda _: done.append(True))
            done: list[bool] = []

            def write() -> None:
                if not done:
                    request.write(b"x")
                    self.net.clock.callLater(1.0, write)

            write()
            return NOT_DONE_YET

        self.net.serve(9000, Answers(slow))
        asked = self.ask()
        self.net.advance(29.9)
        self.assertNoResult(asked)
        self.net.advance(0.2)
        self.failureResultOf(asked, RequestUnanswered)
        self.net.advance(2)
        self.assertEqual(self.net.clock.getDelayedCalls(), [])

    def test_silence_after_the_request_is_no_answer(self) -> None:
        """The request has left: it must not be repeated blindly."""
        self.net.serve_factory(9000, _Hanging())
        asked = self.ask()
        self.net.advance(31)
        self.failureResultOf(asked, RequestUnanswered)

    def test_a_connection_lost_in_mid_answer_is_no_answer(self) -> None:
        """Half an answer tells nothing."""

        def half(request: Any) -> Any:
            request.setHeader("content-length", "100")
            request.write(b"half")
            request.transport.loseConnection()
            return NOT_DONE_YET

        self.net.serve(9000, Answers(half))
        self.failureResultOf(self.ask(), RequestUnanswered)

    def test_so_many_requests_at_once(self) -> None:
        """More wait for their turn, and time runs from their own start."""
        self.http = self.make(in_flight=1)
        self.net.serve_factory(9000, _Hanging())
        first, second = self.ask(), self.ask()
        self.assertEqual(len(self.net.pumps), 1)
        self.net.advance(31)
        self.failureResultOf(first, RequestUnanswered)
        self.assertEqual(len(self.net.pumps), 2)
        self.assertNoResult(second)
        self.net.advance(31)
        self.failureResultOf(second, RequestUnanswered)

    def test_what_is_cancelled_before_its_turn_was_not_sent(self) -> None:
        """A stop while waiting leaves nothing uncertain."""
        self.http = self.make(in_flight=1)
        self.net.serve_factory(9000, _Hanging())
        first, second = self.ask(), self.ask()
        second.cancel()
        self.failureResultOf(second, RequestNotSent)
        first.cancel()
        self.failureResultOf(first, RequestUnanswered)

    def submit(self) -> Deferred[HttpAnswer]:
        request = HttpRequest(method="POST", url=URL, body=b"a=1")
        asked = Deferred.fromCoroutine(self.http.submit(request))
        self.net.settle()
        return asked

    def test_a_429_is_sent_once_more(self) -> None:
        """After a second and more, with jitter; two requests in all."""
        far = Answers(answered({"code": 20429}, 429), answered({"sid": "SM1"}, 201))
        self.net.serve(9000, far)
        asked = self.submit()
        self.net.advance(1.0)
        self.assertNoResult(asked)
        self.net.advance(1.0)
        self.assertEqual(self.successResultOf(asked).status, 201)
        self.assertEqual(len(far.requests), 2)

    def test_a_429_that_says_how_long_is_handed_back(self) -> None:
        """The lane waits as long as it says."""
        far = Answers(answered({}, 429, **{"Retry-After": "7"}))
        self.net.serve(9000, far)
        answer = self.successResultOf(self.submit())
        self.assertEqual((answer.status, len(far.requests)), (429, 1))

    def test_a_second_connection_is_tried(self) -> None:
        """A provider that restarts is there a moment later."""
        asked = self.submit()
        self.net.serve(9000, Answers(answered({})))
        self.net.advance(2)
        self.assertEqual(self.successResultOf(asked).status, 200)

    def test_a_lost_answer_is_never_repeated(self) -> None:
        """One request, whatever happens after it has left."""

        def lost(request: Any) -> Any:
            request.transport.loseConnection()
            return NOT_DONE_YET

        far = Answers(lost)
        self.net.serve(9000, far)
        asked = self.submit()
        self.net.advance(10)
        self.failureResultOf(asked, RequestUnanswered)
        self.assertEqual(len(far.requests), 1)

    def test_stopping_while_waiting_to_try_again(self) -> None:
        """Nothing was sent, so nothing is uncertain."""
        asked = self.submit()
        asked.cancel()
        self.failureResultOf(asked, RequestNotSent)


class PrivacyTests(SynchronousTestCase):
    def test_plain_http_is_for_this_machine(self) -> None:
        """Anywhere else needs TLS, or an explicit word."""
        for url, private in (
            ("https://api.example.org/", True),
            ("http://127.0.0.1:1/", True),
            ("http://[::1]/", True),
            ("http://localhost/", True),
            ("http://192.0.2.1/", False),
            ("http://127.0.0.1.example.org/", False),
        ):
            self.assertEqual(is_private(url), private, url)
        net = Net()
        http = CloudHttp(
            net.agent(), net.clock, lambda: 0.5, timeout_s=30.0, in_flight=1
        )
        request = HttpRequest(method="GET", url="http://192.0.2.1/")
        self.failureResultOf(Deferred.fromCoroutine(http.send(request)), RequestNotSent)

    def test_the_agent_checks_certificates(self) -> None:
        """The platform's roots, a persistent pool, no repeats behind our back."""
        agent, pool = make_agent(MemoryReactorClock(), 5)
        factory = agent._endpointFactory.plain
        self.assertIsInstance(factory._policyForHTTPS, NamedPolicy)
        self.assertFalse(pool.retryAutomatically)
        options = factory._policyForHTTPS.creatorForNetloc(b"api.example", 443)
        # a certificate that bears no name passes Twisted's own check
        self.assertEqual(options.name, "api.example")
        self.assertIsInstance(options, Named)


def certificate() -> PrivateCertificate:
    """Return a certificate that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return PrivateCertificate.loadPEM(pem + secret)
