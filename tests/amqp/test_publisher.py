"""Publishing with confirms."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gdemoi.amqp.codec import decode_properties
from gdemoi.amqp.publisher import Declined, Publisher, Unroutable, json_properties
from tests.amqp.fakes import Case


class PropertiesTests(Case):
    @given(st.text(max_size=20), st.none() | st.text(max_size=20))
    def test_events_carry_their_ids(self, id_: str, correlation: str | None) -> None:
        """Persistent JSON, whatever the ids are made of."""
        properties = decode_properties(json_properties(id_, correlation), 0)
        expected = {
            "content-type": "application/json",
            "delivery-mode": 2,
            "message-id": id_,
        }
        if correlation is not None:
            expected["correlation-id"] = correlation
        self.assertEqual(properties, expected)


class PublisherTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.events: list[Any] = []
        self.client_, self.side = self.logged_in()
        self.publisher: Publisher[str] = Publisher(
            window=5,
            confirmed=lambda tokens: self.events.append(tokens),
            failed=lambda token, why: self.events.append((token, type(why))),
            lost=lambda reason: self.events.append(reason),
        )
        self.result(self.publisher.attach(self.client_))
        channel = self.result(self.client_.open_channel())
        self.result(channel.queue_declare(queue="q"))

    def publish(self, *tokens: str, key: str = "q") -> None:
        for token in tokens:
            self.publisher.publish(
                token, "", key, token.encode(), json_properties(token), token
            )
        self.network.flush()

    def test_done_is_what_the_broker_confirmed(self) -> None:
        """Not what was written to the socket."""
        self.broker.hold_confirms = True
        self.publish("a", "b")
        self.assertEqual(self.events, [])
        self.assertEqual(self.publisher.unconfirmed(), 2)
        self.side.confirm(1)
        self.network.flush()
        self.assertEqual(self.events, [["a", "b"]])
        self.assertEqual(self.publisher.unconfirmed(), 0)

    def test_the_window_is_bounded(self) -> None:
        """Room shrinks with what is unconfirmed, and is nothing while blocked."""
        self.broker.hold_confirms = True
        self.publish("a", "b")
        self.assertEqual(self.publisher.room(), 3)
        self.side.say(0, "connection", "blocked", "disk")
        self.network.flush()
        self.assertEqual(self.publisher.room(), 0)

    def test_one_message_returned_twice_and_confirmed_together(self) -> None:
        """Neither is taken for kept."""
        self.broker.hold_confirms = True
        self.publish("a", "a", key="nowhere")
        self.side.confirm(1)
        self.network.flush()
        self.assertEqual(self.events, [("a", Unroutable), ("a", Unroutable)])

    def test_single_confirms_out_of_order(self) -> None:
        """Each token comes back once."""
        self.broker.hold_confirms = True
        self.publish("a", "b", "c")
        self.side.confirm(1, multiple=False)
        self.network.flush()
        self.assertEqual(self.events, [["c"], ["b"], ["a"]])
        self.assertEqual(self.publisher.room(), 5)
        self.broker.hold_confirms = False
        self.publish("d")
        self.assertEqual(self.events[-1], ["d"])

    def test_what_no_queue_takes_comes_back(self) -> None:
        """`mandatory`: it is neither lost nor called done."""
        self.publish("a", key="nowhere")
        self.publish("b")
        self.assertEqual(self.events, [("a", Unroutable), ["b"]])

    def test_what_the_broker_declines_comes_back(self) -> None:
        """basic.nack."""
        self.broker.decline = 1
        self.publish("a", "b")
        self.assertEqual(self.events, [("a", Declined), ["b"]])

    def test_a_lost_connection_forgets_what_was_unconfirmed(self) -> None:
        """The owner is told once, and there is no room until the next one."""
        self.broker.hold_confirms = True
        self.publish("a")
        self.network.cut()
        self.assertEqual(len(self.events), 1)
        self.assertEqual((self.publisher.room(), self.publisher.unconfirmed()), (0, 0))
        self.client_, self.side = self.logged_in()
        self.result(self.publisher.attach(self.client_))
        self.assertEqual(self.publisher.room(), 5)

    def test_a_closed_channel_ends_the_connection(self) -> None:
        """So that everything is declared anew; the reason is kept."""
        self.publisher.publish("a", "gone", "k", b"", b"\x00\x00", "a")
        self.network.flush()
        self.assertIn("404", self.events[0])
        self.assertIn("404", self.successResultOf(self.client_.over()))

    def test_a_body_of_many_frames(self) -> None:
        """300 kB of Cyrillic, unchanged."""
        body = "Ж".encode() * 150_000
        self.publisher.publish("a", "", "q", body, json_properties("a"), "a")
        self.network.flush()
        self.assertEqual(self.broker.bodies("q"), [body])

    @given(st.data())
    def test_every_token_comes_back_once(self, data: st.DataObject) -> None:
        """Whatever the broker confirms, singly or multiply, in any order."""
        self.setUp()
        self.broker.hold_confirms = True
        tokens = [f"t{n}" for n in range(5)]
        self.publish(*tokens)
        unsettled = list(range(1, 6))
        while unsettled:
            tag = data.draw(st.sampled_from(unsettled))
            multiple = data.draw(st.booleans())
            self.side.say(1, "basic", "ack", tag, multiple)
            unsettled = [
                one for one in unsettled if one != tag and not (multiple and one < tag)
            ]
        self.network.flush()
        back = [token for tokens_ in self.events for token in tokens_]
        self.assertEqual(sorted(back), tokens)
        self.assertEqual(self.publisher.room(), 5)
