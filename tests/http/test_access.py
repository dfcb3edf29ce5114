"""Who may pass, and how much they may bring."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.http.api import Api
from gdemoi.http.settings import HttpSettings
from tests.http.gateway import Answer, Client, Connection, parsed

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


class ViewerTests(SynchronousTestCase):
    """``viewer_token`` looks on."""

    def setUp(self) -> None:
        settings = HttpSettings(token="open sesame", viewer_token="only looking")
        self.client = Client(settings=settings)
        self.viewer = {"authorization": "Bearer only looking"}

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        return self.client.ask(method, path, body, self.viewer)

    def test_what_a_viewer_may_not(self) -> None:
        """Each path and method of the API that is not on the list is refused."""
        refused = []
        for rule in Api.app.url_map.iter_rules():
            path = re.sub(r"<\w+>", "smsc", rule.rule)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                if self.ask(method, path).status == 403:
                    refused.append(f"{method} {path}")
        self.assertEqual(
            sorted(one for one in refused if one.startswith("GET")),
            [
                "GET /v1/callbacks/smsc/smsc",
                "GET /v1/channels/smsc/trace",
                "GET /v1/messages/smsc/explain",
            ],
        )
        changing = {
            f"{method} {re.sub(r'<[a-z_]+>', 'smsc', rule.rule)}"
            for rule in Api.app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
        }
        self.assertEqual(changing - set(refused), set())
        self.assertEqual(self.client.gateway.taken, {})
        self.assertEqual(self.client.gateway.paused, set())

    def test_texts_are_masked_by_the_server(self) -> None:
        """Stories, events and receipts, whatever the page asks for."""
        gateway = self.client.gateway
        gateway.tell('{"type":"inbound","from":"+7","text":"PIN 1234"}')
        gateway.lost_receipts.append({"raw": "id:1 text:PIN 1234"})
        for path in (
            "/v1/events?masked=no",
            "/v1/events",
            "/v1/receipts/unmatched",
            "/v1/inbound?from=%2B7",
        ):
            answer = self.ask("GET", path)
            self.assertEqual(answer.status, 200, path)
            self.assertNotIn(b"1234", answer.body, path)
        stream = self.client.open(
            "GET",
            "/v1/events?after=0",
            headers=self.viewer | {"accept": "text/event-stream"},
        )
        heard = stream.heard()
        self.assertIn(b"xxx 0000", heard)
        self.assertNotIn(b"1234", heard)

    def test_texts_are_not_searched_for(self) -> None:
        """Who may not see a text may not guess at it either."""
        self.assertEqual(self.ask("GET", "/v1/messages?text=12").status, 403)
        self.assertEqual(self.ask("GET", "/v1/messages?to=12").status, 200)

    def test_who_asks_is_told(self) -> None:
        """The page shows what can be done."""
        self.assertEqual(self.ask("GET", "/v1/status").json["role"], "viewer")
        own = {"authorization": "Bearer open sesame"}
        told = self.client.ask("GET", "/v1/status", headers=own).json
        self.assertEqual((told["role"], told["page_send"]), ("operator", True))

    def test_other_words_are_wrong(self) -> None:
        """Neither token, nor nothing."""
        for word in ("", "only", "only looking!"):
            headers = {"authorization": f"Bearer {word}"}
            answer = self.client.ask("GET", "/v1/status", headers=headers)
            self.assertEqual(answer.status, 401)


class ViewerSettingsTests(SynchronousTestCase):
    def test_a_word_that_protects_nothing(self) -> None:
        """Without a token, as long as that one, the same, or not for a header."""
        for settings in (
            HttpSettings(viewer_token="only looking"),
            HttpSettings(token="open sesame", viewer_token="short"),
            HttpSettings(token="open sesame", viewer_token="open sesame"),
            HttpSettings(token="open sesame", viewer_token="только смотрю"),
        ):
            keys = [key for key, _ in settings.complaints()]
            self.assertEqual(keys, ["viewer_token"], settings)
        good = HttpSettings(token="open sesame", viewer_token="only looking")
        self.assertEqual(list(good.complaints()), [])
