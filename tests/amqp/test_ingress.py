"""From deliveries to messages: nothing is acked before it is safe."""

from __future__ import annotations

import json
import struct
from itertools import chain
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from gdemoi.amqp.codec import decode_properties, encode_properties
from gdemoi.amqp.settings import AmqpMapSettings
from tests.amqp.fakes import ServiceCase

# strings as they come off the wire: any octets
WORDS = st.binary(max_size=12).map(lambda o: o.decode("utf-8", "surrogateescape"))
OUTBOUND = "gdemoi.outbound"
INVALID = "gdemoi.invalid"
STATUS = "gdemoi.status"


class IngressCase(ServiceCase):
    def setUp(self) -> None:
        super().setUp()
        self.side = self.start()

    def put(self, body: bytes, **properties: Any) -> None:
        """Publish as a platform does."""
        named = {name.replace("_", "-"): value for name, value in properties.items()}
        self.broker.put(OUTBOUND, body, encode_properties(named))

    def unacked(self) -> int:
        """Return how many deliveries the broker waits for."""
        return sum(len(s.unacked) for s in self.side.channels.values())

    def invalid(self) -> list[tuple[bytes, dict[str, Any]]]:
        """Return what is in the invalid queue."""
        return [
            (stored.body, decode_properties(stored.properties, 0))
            for stored in self.broker.queues[INVALID]
        ]

    def statuses(self) -> list[dict[str, Any]]:
        """Return the status events that were published."""
        return [json.loads(body) for body in self.broker.bodies(STATUS)]


class TakingTests(IngressCase):
    def test_acked_after_the_commit(self) -> None:
        """Not a moment before; all that came together with one ack."""
        self.intake.waiting = []
        for number in range(3):
            self.put(self.envelope(f"m{number}"))
        self.network.flush()
        self.assertEqual(sum(map(len, self.intake.calls)), 3)
        self.assertEqual((self.unacked(), self.side.acks), (3, []))
        self.intake.commit()
        self.network.flush()
        self.assertEqual(self.unacked(), 0)
        self.assertEqual(self.intake.taken["m0"].text, "Привет")
        self.assertEqual(self.service.status().taken, 3)

    def test_properties_become_fields(self) -> None:
        """message-id, reply-to and correlation-id."""
        body = b'{"to":"112","text":"x"}'
        self.put(body, message_id="m-1", reply_to="back", correlation_id="c-1")
        self.network.flush()
        message = self.intake.taken["m-1"]
        self.assertEqual((message.reply_to, message.correlation_id), ("back", "c-1"))

    def test_a_profile_that_there_is_not(self) -> None:
        """TR14: it goes to gdemoi.invalid, and the field is named."""
        body = b'{"to":"112","text":"x","tracker":{"profile":"teltonica"}}'
        self.put(body, message_id="m-1")
        self.network.flush()
        ((kept, properties),) = self.invalid()
        self.assertEqual(kept, body)
        self.assertIn("tracker.profile", str(properties["headers"]))
        self.assertEqual(self.intake.taken, {})

    def test_a_commit_after_the_link_was_lost(self) -> None:
        """Its ack is dropped; the redelivered copy is a duplicate and acked."""
        self.intake.waiting = []
        self.put(self.envelope("m"))
        self.network.flush()
        self.network.cut()
        self.intake.commit()
        self.intake.waiting = None
        self.advance(2)
        self.side = self.broker.sides[-1]
        self.assertEqual(self.intake.calls, [["m"], ["m"]])
        self.assertEqual((self.unacked(), len(self.broker.queues[OUTBOUND])), (0, 0))
        self.assertEqual(self.statuses(), [])

    def test_taken_from_the_exchange_too(self) -> None:
        """Exchange `gdemoi`, key `outbound.anything`."""
        self.assertIn((OUTBOUND, "gdemoi", "outbound.#"), self.broker.bindings)


class BackpressureTests(IngressCase):
    def test_while_the_journal_fails_nothing_is_acked_nor_given_back(self) -> None:
        """It is tried again, ever more slowly, in the order it came."""
        self.intake.failing = True
        self.put(self.envelope("m1"))
        self.network.flush()
        self.put(self.envelope("m2"))
        self.network.flush()
        self.assertEqual((self.unacked(), self.side.acks), (2, []))
        self.advance(20)
        self.assertLess(len(self.intake.calls), 30)
        self.assertEqual(self.service.status().held, 2)
        self.intake.failing = False
        self.intake.calls.clear()
        self.advance(6)
        self.assertEqual(list(chain(*self.intake.calls)), ["m1", "m2"])
        self.assertEqual(self.unacked(), 0)

    def test_over_the_mark_deliveries_stay_in_the_broker(self) -> None:
        """The prefetch fills, the gateway is not even asked."""
        self.intake.is_full = True
        for number in range(600):
            self.put(self.envelope(f"m{number}"))
        self.network.flush()
        self.assertEqual(self.intake.calls, [])
        self.assertEqual(self.unacked(), 500)
        self.assertEqual(len(self.broker.queues[OUTBOUND]), 100)
        self.intake.is_full = False
        self.advance(6)
        self.assertEqual(len(self.intake.taken), 600)
        self.assertEqual(
            list(self.intake.taken), [f"m{number}" for number in range(600)]
        )
        self.assertEqual(self.unacked(), 0)

    def test_held_ones_of_a_lost_link_are_forgotten(self) -> None:
        """They come again with the next one."""
        self.intake.is_full = True
        self.put(self.envelope("m"))
        self.network.flush()
        self.network.cut()
        self.assertEqual(self.service.status().held, 0)
        self.intake.is_full = False
        self.advance(2)
        self.assertEqual(list(self.intake.taken), ["m"])


class InvalidTests(IngressCase):
    def test_a_broken_body_is_kept_unchanged(self) -> None:
        """With reason, field and routing key; its own headers stay."""
        body = b'{"id":"a","to":"+79161234567","text":"x","chanels":["y"]}'
        self.put(body, headers={"x-death": [{"count": 1}]}, user_id="guest")
        self.network.flush()
        [(kept, properties)] = self.invalid()
        self.assertEqual(kept, body)
        headers = properties["headers"]
        self.assertEqual(headers["x-field"], "chanels")
        self.assertEqual(headers["x-routing-key"], OUTBOUND)
        self.assertIn("invalid: ", headers["x-reason"])
        self.assertEqual(headers["x-death"], [{"count": 1}])
        self.assertNotIn("user-id", properties)
        self.assertEqual(self.unacked(), 0)
        self.assertEqual(self.service.status().invalid, 1)

    def test_what_would_have_an_effect_again_is_not_repeated(self) -> None:
        """No expiry of the kept body, no copy of it by CC back to us."""
        self.put(
            b"{",
            headers={"CC": [OUTBOUND], "x": 1},
            expiration="1000",
            reply_to="amq.rabbitmq.reply-to",
            message_id="m",
        )
        self.network.flush()
        [(_, properties)] = self.invalid()
        headers = properties.pop("headers")
        self.assertEqual(properties, {"delivery-mode": 2, "message-id": "m"})
        self.assertEqual((headers["x-CC"], headers["x"]), ([OUTBOUND], 1))
        self.assertNotIn("CC", headers)

    def test_every_kind_of_broken_body(self) -> None:
        """Empty, no JSON, no UTF-8, 300 kB, unreadable headers: the link lives."""
        table = b"\x01kz\x00"
        unreadable = b"\x20\x00" + struct.pack(">I", len(table)) + table
        bodies = [b"", b"{", b"\xff\xfe", b"x" * 300_000, b'{"id":"a"}']
        for body in bodies:
            self.put(body)
        self.broker.put(OUTBOUND, self.envelope("b"), unreadable)
        self.put(self.envelope("good"))
        self.network.flush()
        self.assertEqual([kept for kept, _ in self.invalid()][:5], bodies)
        self.assertEqual(len(self.invalid()), 6)
        self.assertEqual(list(self.intake.taken), ["good"])
        self.assertEqual(self.unacked(), 0)

    def test_a_300_kb_text_is_not_broken(self) -> None:
        """What becomes of it is for the channels to say."""
        self.put(self.envelope("m", text="Ж" * 150_000))
        self.network.flush()
        self.assertEqual(len(self.intake.taken["m"].text or ""), 150_000)

    def test_a_body_over_the_limit(self) -> None:
        """1 MiB, as over HTTP."""
        self.put(b" " * (1 << 20) + self.envelope("m"))
        self.network.flush()
        [(_, properties)] = self.invalid()
        self.assertIn("too_long", properties["headers"]["x-reason"])

    def test_acked_only_when_the_broker_has_it(self) -> None:
        """Nothing is lost between the two queues."""
        self.broker.hold_confirms = True
        self.put(b"{")
        self.network.flush()
        self.assertEqual((len(self.invalid()), self.unacked()), (1, 1))
        for number in self.side.channels:
            self.side.confirm(number)
        self.network.flush()
        self.assertEqual(self.unacked(), 0)

    def test_when_the_invalid_queue_is_gone(self) -> None:
        """It stays unacked, and is tried again until there is a place for it.

        So with declare = no; else it is declared again.
        """
        self.stop()
        self.side = self.start_passive()
        queue = self.broker.queues.pop(INVALID)
        self.put(b"{")
        self.advance(12)
        self.assertEqual(self.unacked(), 1)
        self.broker.queues[INVALID] = queue
        self.advance(6)
        self.assertEqual((len(self.invalid()), self.unacked()), (1, 0))

    def test_a_deleted_invalid_queue_is_declared_again(self) -> None:
        """At once, and no delivery waits for it."""
        self.broker.delete_queue(INVALID)
        self.put(b"{")
        self.advance(0.25)
        self.assertEqual((len(self.invalid()), self.unacked()), (1, 0))
        self.assertEqual(len(self.broker.sides), 1)

    def test_when_the_broker_declines_it(self) -> None:
        """basic.nack: again."""
        self.broker.decline = 1
        self.put(b"{")
        self.advance(6)
        self.assertEqual((len(self.invalid()), self.unacked()), (1, 0))


class AnswerTests(IngressCase):
    def test_a_body_with_an_id_is_told_rejected(self) -> None:
        """So that the platform need not read the invalid queue."""
        self.put(b'{"id":"a","to":"x","text":"y"}', reply_to="back", correlation_id="c")
        self.broker.queues["back"] = self.broker.queues["gdemoi.inbound"].copy()
        self.network.flush()
        [event] = self.statuses()
        self.assertEqual(event["id"], "a")
        self.assertEqual((event["state"], event["final"]), ("rejected", True))
        self.assertEqual(event["error"]["code"], "gateway:bad_number")
        self.assertEqual(self.broker.queues[STATUS][0].key, "status.rejected.-")
        [stored] = self.broker.queues["back"]
        properties = decode_properties(stored.properties, 0)
        self.assertEqual(properties["correlation-id"], "c")
        self.assertEqual(properties["message-id"], event["event_id"])

    def test_no_answer_is_lost_with_the_status_queue(self) -> None:
        """It is declared again, and all three kinds told."""
        self.put(self.envelope("m"))
        self.network.flush()
        self.broker.delete_queue(STATUS)
        self.put(b'{"id":"a","to":"x","text":"y"}')
        self.put(self.envelope("m", text="other"))
        self.put(self.envelope("m"))
        self.advance(0.25)
        reported = {(event["id"], event["state"]) for event in self.statuses()}
        expected = {("a", "rejected"), ("m", "rejected"), ("m", "duplicate")}
        self.assertEqual(reported, expected)
        self.assertEqual(self.unacked(), 0)

    def test_a_rejection_that_nobody_takes_is_held(self) -> None:
        """With declare = no: the delivery stays unacked, no line per try."""
        self.stop()
        self.side = self.start_passive()
        bindings, self.broker.bindings = self.broker.bindings, []
        with capturedLogs() as events:
            self.put(b'{"id":"a","to":"x","text":"y"}')
            self.advance(600)
        reported = [e for e in events if "no place for an answer" in e["log_format"]]
        self.assertEqual(len(reported), 1)
        self.assertEqual((len(self.invalid()), self.unacked()), (1, 1))
        self.broker.bindings = bindings
        self.advance(6)
        [event] = self.statuses()
        self.assertEqual((event["state"], event["final"]), ("rejected", True))
        self.assertEqual(self.unacked(), 0)

    def test_without_an_id_nobody_is_told(self) -> None:
        """There is no name to tell it by."""
        self.put(b"{}")
        self.network.flush()
        self.assertEqual(self.statuses(), [])

    def test_a_reused_id_is_told_and_acked(self) -> None:
        """Its event is not final: the first message's story goes on."""
        self.put(self.envelope("m"))
        self.put(self.envelope("m", text="other", correlation={"n": 1.50}))
        self.network.flush()
        [event] = self.statuses()
        self.assertEqual(event["error"]["code"], "gateway:id_reused")
        self.assertEqual((event["seq"], event["final"]), (0, False))
        self.assertEqual(event["correlation"], {"n": 1.5})
        self.assertEqual(self.unacked(), 0)
        self.assertEqual(self.invalid(), [])

    def test_a_repeat_is_told_duplicate(self) -> None:
        """When the platform published it again, not when the broker did."""
        self.put(self.envelope("m"))
        self.put(self.envelope("m"))
        self.network.flush()
        [event] = self.statuses()
        self.assertEqual((event["state"], event["final"]), ("duplicate", False))
        self.assertEqual(self.unacked(), 0)

    def test_report_is_obeyed(self) -> None:
        """`final` hides duplicates, `none` hides all."""
        for report in ("final", "none"):
            self.put(self.envelope(f"m-{report}", report=report))
            self.put(self.envelope(f"m-{report}", report=report))
        self.put(self.envelope("m-none", text="other", report="none"))
        self.network.flush()
        self.assertEqual(self.statuses(), [])
        self.assertEqual(self.unacked(), 0)

    def test_told_twice_has_the_same_event_id(self) -> None:
        """A delivery whose ack was lost is answered again."""
        body = b'{"id":"a","to":"x","text":"y"}'
        self.put(body)
        self.put(body)
        self.network.flush()
        first, second = self.statuses()
        self.assertEqual(first["event_id"], second["event_id"])


class MapTests(IngressCase):
    maps = {"legacy": AmqpMapSettings(to="phone", text="message")}  # noqa: RUF012

    def made(self, *urls: str, **settings: Any) -> Any:
        return super().made(*urls, format="map", map="legacy")

    def test_a_foreign_json_is_taken(self) -> None:
        """With the message-id property for its id."""
        self.put(b'{"phone":89161234567,"message":"x","more":1}', message_id="m")
        self.network.flush()
        self.assertEqual(self.intake.taken["m"].to, "+79161234567")


class HostileTests(IngressCase):
    @given(
        st.sampled_from(["v1", "headers", "map"]),
        st.binary(max_size=60),
        st.fixed_dictionaries(
            {},
            optional={
                "content-type": WORDS,
                "correlation-id": WORDS,
                "reply-to": WORDS,
                "message-id": WORDS,
                "headers": st.dictionaries(
                    WORDS | st.sampled_from(["to", "id", "from", "correlation", "CC"]),
                    WORDS | st.binary(max_size=5) | st.integers(-5, 5) | st.none(),
                    max_size=4,
                ),
            },
        ),
    )
    def test_no_delivery_breaks_the_link(
        self, format_: str, body: bytes, properties: dict[str, Any]
    ) -> None:
        """Whatever its octets and properties, it is taken or kept, and acked."""
        self.stop()
        self.maps = {"m": AmqpMapSettings(to="to", text="text")}  # type: ignore[misc]
        self.service = ServiceCase.made(
            self, format=format_, map="m" if format_ == "map" else None
        )
        self.side = self.start()
        before = len(self.broker.sides)
        self.broker.put(OUTBOUND, body, encode_properties(properties))
        self.network.flush()
        self.assertEqual(self.unacked(), 0)
        self.assertEqual(len(self.broker.queues[OUTBOUND]), 0)
        self.assertFalse(self.side.closed)
        self.assertEqual(len(self.broker.sides), before)


class StopTests(IngressCase):
    def test_takes_no_more_and_waits_for_commits(self) -> None:
        """What was handed in is acked, what comes later stays in the broker."""
        self.intake.waiting = []
        self.put(self.envelope("m1"))
        self.network.flush()
        stopping = Deferred.fromCoroutine(self.service.stop_taking())
        self.network.flush()
        self.put(self.envelope("m2"))
        self.advance(1)
        self.assertNoResult(stopping)
        self.intake.commit()
        self.advance(1)
        self.successResultOf(stopping)
        self.assertEqual(list(self.intake.taken), ["m1"])
        self.assertEqual((self.unacked(), len(self.broker.queues[OUTBOUND])), (0, 1))

    def test_stopping_while_the_gateway_is_full(self) -> None:
        """Held deliveries stay unacked; nobody waits for them."""
        self.intake.is_full = True
        self.put(self.envelope("m"))
        self.network.flush()
        self.result(self.service.stop_taking())
        self.assertEqual(self.unacked(), 1)
