"""Events over HTTP: polls and streams."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import Unavailable
from gdemoi.facts import OutboxEvent
from gdemoi.http.settings import HttpSettings
from tests.http.gateway import Client, FakeGateway, parsed

STREAM = {"accept": "text/event-stream"}


class PollTests(SynchronousTestCase):
    def test_events_in_order_with_a_bookmark(self) -> None:
        """Events come whole and in order; `after` asks for the next."""
        client = Client()
        for number in range(3):
            client.gateway.tell(f'{{"n":{number}}}')
        answer = client.ask("GET", "/v1/events?limit=2").json
        self.assertEqual(answer, {"events": [{"n": 0}, {"n": 1}], "after": 2})
        answer = client.ask("GET", "/v1/events?after=2").json
        self.assertEqual(answer, {"events": [{"n": 2}], "after": 3})
        answer = client.ask("GET", "/v1/events?after=3").json
        self.assertEqual(answer, {"events": [], "after": 3})

    def test_a_long_poll_answers_when_something_happens(self) -> None:
        """The answer comes with the event, not before."""
        client = Client()
        connection = client.open("GET", "/v1/events?wait=30")
        client.clock.advance(10)
        self.assertEqual(connection.heard(), b"")
        client.gateway.tell('{"n":1}')
        answer = parsed(connection.heard()).json
        self.assertEqual(answer, {"events": [{"n": 1}], "after": 1})

    def test_a_long_poll_ends_empty(self) -> None:
        """After `wait` seconds an empty page is the answer."""
        client = Client()
        client.gateway.tell("{}")
        connection = client.open("GET", "/v1/events?wait=30&after=1")
        client.clock.advance(30)
        answer = parsed(connection.heard()).json
        self.assertEqual(answer, {"events": [], "after": 1})
        self.assertEqual(client.api.readers, 0)

    def test_wait_has_a_limit(self) -> None:
        """Nobody can wait longer than long_poll."""
        client = Client(settings=HttpSettings(long_poll_s=5.0))
        connection = client.open("GET", "/v1/events?wait=100000")
        client.clock.advance(5)
        self.assertEqual(parsed(connection.heard()).json["events"], [])

    def test_after_now(self) -> None:
        """`after=now` skips what has been."""
        client = Client()
        client.gateway.tell("{}")
        self.assertEqual(
            client.ask("GET", "/v1/events?after=now").json, {"events": [], "after": 1}
        )

    def test_a_place_that_no_event_has_reached(self) -> None:
        """It is refused with the newest one: a reader would wait in silence.

        So a bookmark of another journal, or of one that was put back from an older
        copy, is told, for polls and for streams.
        """
        client = Client()
        client.gateway.tell("{}")
        last = "9" * 18
        for after, headers in (("2", {}), (last, {}), ("2", STREAM), (last, STREAM)):
            path = f"/v1/events?wait=9&after={after}"
            answer = client.ask("GET", path, headers=headers)
            self.assertEqual((answer.status, answer.code), (409, "gateway:after_ahead"))
            self.assertEqual(answer.json["newest"], 1)
            self.assertEqual(answer.json["error"]["field"], "after")
        answer = client.ask("GET", "/v1/events", None, STREAM | {"last-event-id": "2"})
        self.assertEqual(answer.status, 409)
        self.assertEqual(client.api.readers, 0)

    def test_a_place_that_only_the_journal_knows(self) -> None:
        """Events that were swept away since, or committed just now, are places too."""
        client = Client(FakeGateway(newest=7))
        answer = client.ask("GET", "/v1/events?after=7").json
        self.assertEqual(answer, {"events": [], "after": 7})
        self.assertEqual(client.ask("GET", "/v1/events?after=8").json["newest"], 7)

    def test_broken_parameters(self) -> None:
        """A place that is no number is refused."""
        for query in (
            "after=x", "after=-1", "after=1.5", "wait=x", "wait=nan", "aftr=1",
            "after=", f"after={'9' * 19}", "after=%D9%A3", "wait=-1",
        ):  # fmt: skip
            answer = Client().ask("GET", f"/v1/events?{query}")
            self.assertEqual(answer.status, 422, query)

    def test_a_client_that_goes_frees_its_place(self) -> None:
        """A lost connection ends the wait without an error in the log."""
        client = Client()
        connection = client.open("GET", "/v1/events?wait=30")
        self.assertEqual(client.api.readers, 1)
        connection.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(client.api.readers, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_readers_have_a_limit(self) -> None:
        """One reader too many is 503."""
        client = Client(settings=HttpSettings(streams=1))
        client.open("GET", "/v1/events?wait=30")
        answer = client.ask("GET", "/v1/events")
        self.assertEqual(answer.status, 503)
        self.assertIn("retry-after", answer.headers)

    def test_closing_answers_those_who_wait(self) -> None:
        """When the gateway stops, long polls end at once."""
        client = Client()
        connection = client.open("GET", "/v1/events?wait=30")
        client.api.close()
        self.assertEqual(parsed(connection.heard()).json["events"], [])


class StreamTests(SynchronousTestCase):
    def test_a_stream_tells_each_event_with_its_place(self) -> None:
        """Events go out as they happen; `id` is the place to resume from."""
        client = Client()
        client.gateway.tell('{"old":1}')
        connection = client.open("GET", "/v1/events", headers=STREAM)
        head = connection.heard()
        self.assertIn(b"text/event-stream", head)
        self.assertNotIn(b"old", head)
        client.gateway.tell('{"n":2}')
        client.gateway.tell('{"n":3}')
        reported = connection.heard()
        self.assertIn(b'id: 2\ndata: {"n":2}\n\n', reported)
        self.assertIn(b'id: 3\ndata: {"n":3}\n\n', reported)

    def test_a_stream_resumes(self) -> None:
        """Last-Event-ID wins over `after`, and what was missed comes first."""
        client = Client()
        for number in range(1, 4):
            client.gateway.tell(f'{{"n":{number}}}')
        connection = client.open(
            "GET", "/v1/events?after=0", headers=STREAM | {"last-event-id": "2"}
        )
        reported = connection.heard()
        self.assertIn(b"id: 3\n", reported)
        self.assertNotIn(b"id: 2\n", reported)

    def test_silence_is_broken_by_comments(self) -> None:
        """A comment every 15 seconds keeps proxies from closing the stream."""
        client = Client()
        connection = client.open("GET", "/v1/events", headers=STREAM)
        connection.heard()
        client.clock.advance(15)
        self.assertIn(b":\n\n", connection.heard())
        client.clock.advance(15)
        self.assertIn(b":\n\n", connection.heard())

    def test_a_slow_reader_holds_only_itself_back(self) -> None:
        """While the transport is full, nothing more is read for this reader."""
        client = Client()
        connection = client.open("GET", "/v1/events", headers=STREAM)
        connection.heard()
        producer = connection.transport.producer
        producer.pauseProducing()
        client.gateway.tell('{"n":1}')
        self.assertIn(b"id: 1\n", connection.heard())
        client.gateway.tell('{"n":2}')
        self.assertEqual(connection.heard(), b"")
        producer.resumeProducing()
        self.assertIn(b"id: 2\n", connection.heard())

    def test_a_reader_that_goes_ends_its_stream(self) -> None:
        """A lost connection frees the place, also while held back."""
        client = Client()
        for paused in (False, True):
            connection = client.open("GET", "/v1/events", headers=STREAM)
            if paused:
                connection.transport.producer.pauseProducing()
                client.gateway.tell("{}")
            self.assertEqual(client.api.readers, 1)
            connection.protocol.connectionLost(Failure(ConnectionDone()))
            self.assertEqual(client.api.readers, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_journal_that_cannot_be_read_ends_the_stream(self) -> None:
        """The reader comes again with its place; nothing is thrown at it."""

        class Broken(FakeGateway):
            async def events(self, after: int, limit: int) -> Sequence[OutboxEvent]:
                if self.outbox:
                    raise Unavailable("disk gone")
                return []

        client = Client(Broken())
        connection = client.open("GET", "/v1/events", headers=STREAM)
        client.gateway.tell("{}")
        self.assertTrue(connection.heard().endswith(b"0\r\n\r\n"))
        self.assertEqual(client.api.readers, 0)

    def test_a_new_reader_of_a_gateway_that_stops(self) -> None:
        """It is told to come again."""
        client = Client()
        client.api.close()
        self.assertEqual(client.ask("GET", "/v1/events").status, 503)

    def test_closing_ends_streams(self) -> None:
        """When the gateway stops, streams end orderly."""
        client = Client()
        connection = client.open("GET", "/v1/events", headers=STREAM)
        client.api.close()
        self.assertTrue(connection.heard().endswith(b"0\r\n\r\n"))
