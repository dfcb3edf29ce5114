"""Who may pass, and how much they may bring."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.http.settings import HttpSettings
from tests.http.gateway import Client, Connection, parsed

HEAD = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n"


def bounded(limit: int = 2048) -> Client:
    return Client(settings=HttpSettings(body_limit=limit))


class TokenTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.client = Client(settings=HttpSettings(token="open sesame"))

    def status(self, authorization: str | None) -> int:
        headers = {} if authorization is None else {"authorization": authorization}
        return self.client.ask("GET", "/v1/channels", headers=headers).status

    def test_the_token_opens(self) -> None:
        """The right word after Bearer, in any case of "Bearer", passes."""
        self.assertEqual(self.status("Bearer open sesame"), 200)
        self.assertEqual(self.status("bearer open sesame"), 200)

    def test_everything_else_is_401(self) -> None:
        """No header, another scheme, another word: 401 with a challenge."""
        for given in (None, "", "Bearer", "Bearer x", "Basic open sesame", "open"):
            self.assertEqual(self.status(given), 401, given)
        answer = self.client.ask("GET", "/v1/channels")
        self.assertEqual(answer.code, "gateway:unauthorized")
        self.assertIn("bearer", answer.headers["www-authenticate"])

    def test_nothing_is_told_before_the_token(self) -> None:
        """An unknown path is 401 too, so that nobody can look around."""
        self.assertEqual(self.client.ask("GET", "/v1/nothing").status, 401)

    def test_health_needs_no_token(self) -> None:
        """Whoever watches this machine may ask for its health."""
        self.assertEqual(self.client.ask("GET", "/health/live").status, 200)


class WithoutTokenTests(SynchronousTestCase):
    def test_other_hosts_are_refused(self) -> None:
        """A name that leads a browser to loopback (DNS rebinding) is refused."""
        answer = Client().ask("GET", "/v1/channels", headers={"host": "evil.example"})
        self.assertEqual((answer.status, answer.code), (403, "gateway:forbidden"))
        for host in ("127.0.0.1:8990", "[::1]:8990", "localhost"):
            answer = Client().ask("GET", "/v1/channels", headers={"host": host})
            self.assertEqual(answer.status, 200, host)

    def test_pages_of_others_are_refused(self) -> None:
        """A web page elsewhere cannot make a local browser send an SMS."""
        client = Client()
        body = {"to": "+79161234567", "text": "x"}
        for origin in ("https://evil.example", "null", "", "http://[", "http://[x]"):
            answer = client.ask("POST", "/v1/messages", body, {"origin": origin})
            self.assertEqual(answer.status, 403)
        self.assertEqual(client.gateway.taken, {})
        own = {"origin": "http://localhost:8990"}
        self.assertEqual(client.ask("POST", "/v1/messages", body, own).status, 202)


class BodyTests(SynchronousTestCase):
    def test_a_declared_length_over_the_limit(self) -> None:
        """413 in JSON, after the body was read and thrown away."""
        client = bounded()
        answer = client.ask("POST", "/v1/messages", b"x" * 2049)
        self.assertEqual((answer.status, answer.code), (413, "gateway:too_large"))
        self.assertEqual(answer.headers["connection"], "close")

    def test_the_limit_itself_passes(self) -> None:
        """A body of exactly the limit is read (and is not JSON)."""
        answer = bounded().ask("POST", "/v1/messages", b"x" * 2048)
        self.assertEqual(answer.status, 422)

    def test_a_chunked_body_over_the_limit(self) -> None:
        """Chunks are counted as they come; the whole is never kept."""
        connection = Connection(bounded().api)
        connection.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(5):
            connection.send(b"200\r\n" + b"x" * 512 + b"\r\n")
        connection.send(b"0\r\n\r\n")
        self.assertEqual(parsed(connection.heard()).status, 413)

    def test_a_chunked_body_without_end(self) -> None:
        """Somebody who never stops is answered and hung up on."""
        connection = Connection(bounded().api)
        connection.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(40):
            connection.send(b"200\r\n" + b"x" * 512 + b"\r\n")
            if connection.transport.disconnecting:
                break
        self.assertTrue(connection.transport.disconnecting)
        answer = parsed(connection.heard())
        self.assertEqual((answer.status, answer.code), (413, "gateway:too_large"))

    def test_a_huge_declared_length_is_answered_at_once(self) -> None:
        """A gigabyte is refused before its first octet."""
        connection = Connection(bounded().api)
        connection.send(HEAD + b"content-length: 1000000000\r\n\r\n")
        self.assertEqual(parsed(connection.heard()).status, 413)
        self.assertTrue(connection.transport.disconnecting)

    def test_a_form_is_not_parsed(self) -> None:
        """curl's default content type is no hindrance to JSON."""
        client = Client()
        answer = client.ask(
            "POST",
            "/v1/messages",
            {"id": "f", "to": "+79161234567", "text": "a&b=c"},
            {"content-type": "application/x-www-form-urlencoded"},
        )
        self.assertEqual(answer.status, 202)
        self.assertEqual(client.gateway.taken["f"][0].text, "a&b=c")
