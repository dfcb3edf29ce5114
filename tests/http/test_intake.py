"""POST /v1/messages past Klein: other spellings, clients that go, faults of ours."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.http.gateway import Client, FakeGateway, parsed

SMS = {"id": "m1", "to": "+79161234567", "text": "x"}


class PathTests(SynchronousTestCase):
    def test_a_slash_at_the_end(self) -> None:
        answer = Client().ask("POST", "/v1/messages/", SMS)
        self.assertEqual(answer.status, 202)
        self.assertEqual(answer.json, {"id": "m1", "state": "accepted"})

    def test_quoted_letters(self) -> None:
        answer = Client().ask("POST", "/v1/%6Dessages", SMS)
        self.assertEqual(answer.status, 202)

    def test_a_parameter_is_refused_whatever_it_is(self) -> None:
        client = Client()
        for query in ("?dry_run=1", "?dry_run", "?"):
            answer = client.ask("POST", f"/v1/messages{query}", SMS)
            self.assertEqual(answer.status, 202 if query == "?" else 422, query)
        self.assertEqual(len(client.gateway.taken), 1)


class GoneTests(SynchronousTestCase):
    def test_a_client_that_goes_before_the_commit(self) -> None:
        """Its message is taken; nobody is answered, and nothing fails."""
        commit: Deferred[None] = Deferred()
        client = Client(FakeGateway(commit=commit))
        connection = client.open("POST", "/v1/messages", SMS)
        connection.protocol.connectionLost(Failure(ConnectionDone()))
        commit.callback(None)
        self.assertEqual(connection.heard(), b"")
        self.assertIn("m1", client.gateway.taken)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_two_requests_on_one_connection(self) -> None:
        """They are answered one after the other, with their length."""
        client = Client()
        connection = client.open("POST", "/v1/messages", SMS)
        first = parsed(connection.heard())
        self.assertEqual(first.headers["content-length"], str(len(first.body)))
        connection.send(
            b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n"
            b"\r\n{}"
        )
        second = parsed(connection.heard())
        self.assertEqual(second.status, 422)
        self.assertEqual(second.headers["content-length"], str(len(second.body)))


class FaultTests(SynchronousTestCase):
    def test_a_fault_of_ours_is_json(self) -> None:
        """Before the commit or after it; the detail goes to the log only."""
        later: Deferred[None] = Deferred()
        at_once = Client(FakeGateway(broken=KeyError("detail")))
        connection = Client(FakeGateway(commit=later)).open("POST", "/v1/messages", SMS)
        later.errback(KeyError("detail"))
        for octets in (
            at_once.open("POST", "/v1/messages", SMS).heard(),
            connection.heard(),
        ):
            answer = parsed(octets)
            self.assertEqual((answer.status, answer.code), (500, "gateway:internal"))
            self.assertNotIn(b"detail", octets)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 2)
