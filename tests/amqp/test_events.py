"""The outbox: every event at least once, in order, whatever the broker does."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent

from gdemoi.amqp.codec import decode_properties
from gdemoi.moments import rfc3339
from tests.amqp.fakes import ServiceCase

STATUS = "gdemoi.status"
INBOUND = "gdemoi.inbound"


class EventsCase(ServiceCase):
    def add(self, count: int, **more: Any) -> None:
        for _ in range(count):
            self.outbox.add(**more)
        self.network.flush()

    def numbers(self, queue: str = STATUS) -> list[int]:
        """Return the sequence numbers in a queue."""
        return [json.loads(body)["seq"] for body in self.broker.bodies(queue)]

    def firsts(self) -> list[int]:
        """Return them without repeats."""
        return list(dict.fromkeys(self.numbers()))


class PublishingTests(EventsCase):
    def test_published_in_order_with_the_event_id(self) -> None:
        """Persistent JSON, the routing key as written, message-id = event_id."""
        self.start()
        self.add(3, routing_key="status.delivered.office")
        self.assertEqual(self.numbers(), [1, 2, 3])
        stored = self.broker.queues[STATUS][0]
        self.assertEqual(stored.exchange, "gdemoi.events")
        self.assertEqual(stored.key, "status.delivered.office")
        self.assertEqual(
            decode_properties(stored.properties, 0),
            {
                "content-type": "application/json",
                "delivery-mode": 2,
                "message-id": "e1",
            },
        )

    def test_what_was_written_before_we_began(self) -> None:
        """Is published from the bookmark on."""
        self.add(5)
        self.outbox.cursor_value = "3"
        self.start()
        self.assertEqual(self.numbers(), [4, 5])

    def test_more_than_the_window_and_the_reading(self) -> None:
        """Two thousand, none twice."""
        self.add(2000)
        self.start()
        self.assertEqual(self.numbers(), list(range(1, 2001)))
        self.assertEqual(self.service.status().behind, 0)

    def test_the_window_bounds_what_is_unconfirmed(self) -> None:
        """And goes on with each confirm."""
        self.service = self.made(window=10)
        side = self.start()
        self.broker.hold_confirms = True
        self.add(30)
        self.assertLessEqual(len(self.numbers()), 10)
        self.broker.hold_confirms = False
        for number in list(side.channels):
            side.confirm(number)
        self.network.flush()
        self.assertEqual(self.numbers(), list(range(1, 31)))

    def test_the_trace_goes_on(self) -> None:
        """A message that came with a `traceparent` has it in each event's headers."""
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        self.start()
        self.outbox.add(traceparent=trace)
        self.outbox.add(traceparent=trace, correlation_id="c")
        self.network.flush()
        first, second = [
            decode_properties(stored.properties, 0)
            for stored in self.broker.queues[STATUS]
        ]
        self.assertEqual(first["headers"], {"traceparent": trace})
        self.assertEqual(second["headers"], {"traceparent": trace})
        self.assertEqual((first["message-id"], first["delivery-mode"]), ("e1", 2))
        self.assertEqual((second["message-id"], second["correlation-id"]), ("e2", "c"))

    def test_the_reply_to_queue_gets_a_copy(self) -> None:
        """Beside the exchange, both confirmed before the bookmark moves."""
        self.start()
        self.broker.queues["back"] = self.broker.queues["gdemoi.invalid"].copy()
        self.add(2, reply_to="back")
        self.assertEqual(self.numbers(), [1, 2])
        self.assertEqual(self.numbers("back"), [1, 2])
        self.advance(1)
        self.assertEqual(self.outbox.cursor_value, "2")

    def test_a_reply_to_queue_that_is_gone_holds_up_nobody(self) -> None:
        """It was the platform's to keep."""
        self.start()
        self.add(2, reply_to="gone")
        self.advance(1)
        self.assertEqual((self.numbers(), self.outbox.cursor_value), ([1, 2], "2"))


class AmongGatewaysTests(EventsCase):
    """Where gateways share the journal one of them publishes at a time."""

    def run_to_end(self, coroutine: Any) -> None:
        self.successResultOf(Deferred.fromCoroutine(coroutine))
        self.network.flush()

    def test_by_turns(self) -> None:
        """Nothing while another does; then from where that one stood, each once."""
        self.service = self.made(leads=False)
        self.start()
        self.add(3)
        self.assertEqual(self.numbers(), [])
        self.assertEqual(self.service.status().behind, 0)
        # the other one has published two of them, and goes
        self.outbox.cursor_value = "2"
        self.run_to_end(self.service.lead())
        self.add(2)
        self.assertEqual(self.numbers(), [3, 4, 5])
        self.run_to_end(self.service.follow())
        self.assertEqual(self.outbox.cursor_value, "5")
        self.add(1)
        self.assertEqual(self.numbers(), [3, 4, 5])
        self.outbox.cursor_value = "6"
        self.run_to_end(self.service.lead())
        self.add(1)
        self.assertEqual(self.numbers(), [3, 4, 5, 7])

    def test_the_last_confirms_are_waited_for(self) -> None:
        """So that the next one publishes nothing that is with the broker already."""
        side = self.start()
        self.broker.hold_confirms = True
        self.add(2)
        ending = Deferred.fromCoroutine(self.service.follow())
        self.advance(1)
        self.assertNoResult(ending)
        self.add(1)
        for number in list(side.channels):
            side.confirm(number)
        self.network.flush()
        self.advance(1)
        self.successResultOf(ending)
        self.assertEqual((self.numbers(), self.outbox.cursor_value), ([1, 2], "2"))

    def test_a_connection_that_comes_while_another_publishes(self) -> None:
        """It is not the sign to begin."""
        self.start()
        self.run_to_end(self.service.follow())
        self.add(1)
        self.network.cut()
        self.advance(60)
        self.assertEqual(self.numbers(), [])
        self.run_to_end(self.service.lead())
        self.assertEqual(self.numbers(), [1])


class BookmarkTests(EventsCase):
    def test_the_bookmark_follows_in_batches(self) -> None:
        """Not one write per event."""
        self.start()
        self.add(100)
        self.assertEqual(self.outbox.cursor_writes, 0)
        self.advance(0.5)
        self.assertEqual(
            (self.outbox.cursor_value, self.outbox.cursor_writes), ("100", 1)
        )
        self.add(2000)
        self.assertEqual(self.outbox.cursor_value, "2100")

    def test_the_bookmark_waits_for_the_first_unconfirmed(self) -> None:
        """A later confirm does not carry it over a gap."""
        side = self.start()
        self.broker.hold_confirms = True
        self.add(3)
        [number] = [n for n, s in side.channels.items() if len(s.held) == 3]
        side.say(number, "basic", "ack", 3, False)
        side.say(number, "basic", "ack", 1, False)
        self.advance(1)
        self.assertEqual(self.outbox.cursor_value, "1")
        side.say(number, "basic", "ack", 2, False)
        self.advance(1)
        self.assertEqual(self.outbox.cursor_value, "3")

    def test_an_event_and_its_reply_in_any_order(self) -> None:
        """Both are needed."""
        side = self.start()
        self.broker.hold_confirms = True
        self.add(2, reply_to="gdemoi.invalid")
        [number] = [n for n, s in side.channels.items() if len(s.held) == 4]
        for tag, cursor_value in ((2, None), (3, None), (1, "1"), (4, "2")):
            side.say(number, "basic", "ack", tag, False)
            self.advance(1)
            self.assertEqual(self.outbox.cursor_value, cursor_value)

    def test_a_bookmark_that_cannot_be_written_is_written_later(self) -> None:
        """Publishing goes on."""
        self.start()
        self.add(1)
        self.outbox.failing = True
        self.advance(1)
        self.outbox.failing = False
        self.advance(1)
        self.assertEqual(self.outbox.cursor_value, "1")

    def test_stopping_writes_the_bookmark(self) -> None:
        """So that an orderly restart repeats nothing."""
        self.start()
        self.add(7)
        self.stop()
        self.assertEqual(self.outbox.cursor_value, "7")


class TroubleTests(EventsCase):
    def test_a_lost_link_repeats_from_the_last_confirmed(self) -> None:
        """Every event is there, in order, with its own event_id."""
        self.start()
        self.add(3)
        self.broker.hold_confirms = True
        self.add(3)
        self.network.cut()
        self.broker.hold_confirms = False
        self.advance(2)
        self.assertEqual(self.numbers(), [1, 2, 3, 4, 5, 6, 4, 5, 6])

    def test_declined_ones_are_published_again(self) -> None:
        """basic.nack stops the stream; it starts again where it was."""
        self.start()
        self.broker.decline = 1
        self.add(3)
        self.advance(2)
        self.assertEqual(set(self.numbers()), {1, 2, 3})
        self.assertEqual(self.outbox.cursor_value, "3")
        self.assertEqual(self.numbers()[-3:], [1, 2, 3])

    def test_blocked_means_waiting(self) -> None:
        """And going on when the broker says so."""
        side = self.start()
        side.say(0, "connection", "blocked", "memory")
        self.network.flush()
        self.add(3)
        self.assertEqual(self.numbers(), [])
        self.assertEqual(self.service.status().blocked, "memory")
        side.say(0, "connection", "unblocked")
        self.network.flush()
        self.assertEqual(self.numbers(), [1, 2, 3])

    def test_a_journal_that_cannot_be_read(self) -> None:
        """Is asked again."""
        self.start()
        self.outbox.failing = True
        self.add(2)
        self.outbox.failing = False
        self.advance(2)
        self.assertEqual(self.numbers(), [1, 2])

    def test_unroutable_status_events_wait_for_a_queue(self) -> None:
        """Somebody may be about to bind one; in order, none passed."""
        self.start_passive()
        bindings, self.broker.bindings = self.broker.bindings, []
        self.add(3)
        self.advance(30)
        self.assertEqual(self.service.status().passed, 0)
        self.broker.bindings = bindings
        self.advance(2)
        self.assertEqual(self.numbers(), [1, 2, 3])

    def test_unroutable_for_long_is_passed(self) -> None:
        """After a minute the stream goes on, and stays on, until one is routed.

        Only what is not final, and only with declare = no.
        """
        self.start_passive()
        bindings, self.broker.bindings = self.broker.bindings, []
        self.add(3)
        self.advance(63)
        self.assertEqual(self.service.status().passed, 3)
        self.add(1)
        self.advance(1)
        self.assertEqual(self.outbox.cursor_value, "4")
        self.broker.bindings = bindings
        self.add(1)
        self.assertEqual(self.numbers(), [5])
        self.broker.bindings = []
        self.add(1)
        self.advance(30)
        self.assertEqual(self.service.status().passed, 4)

    def test_nobody_need_listen_to_channels_and_lines(self) -> None:
        """They are passed at once; status events behind them go on."""
        self.start()
        self.outbox.add(routing_key="channel.office")
        self.outbox.add(routing_key="line.office.goip1")
        self.add(1)
        self.assertEqual(self.numbers(), [3])
        self.assertEqual(self.service.status().passed, 2)

    def test_more_passed_than_the_window(self) -> None:
        """What is passed makes room for what follows."""
        self.service = self.made(window=10)
        self.start()
        for _ in range(700):
            self.outbox.add(routing_key="channel.office")
        self.add(1)
        self.assertEqual(self.numbers(), [701])

    @given(
        st.lists(
            st.sampled_from(["add", "add", "cut", "wait", "decline", "hold", "free"]),
            min_size=1,
            max_size=25,
        )
    )
    def test_whatever_happens_all_arrive_in_order(self, steps: list[str]) -> None:
        """At least once each; first arrivals in order unless one was declined."""
        self.setUp()
        self.start()
        for step in steps:
            if step == "add":
                self.outbox.add()
                self.outbox.add()
            elif step == "cut":
                self.network.cut()
            elif step == "decline":
                self.broker.decline = 1
            elif step in ("hold", "free"):
                self.broker.hold_confirms = step == "hold"
            else:
                self.advance(0.75)
            self.network.flush()
        self.broker.hold_confirms = False
        self.network.cut()
        self.broker.decline = 0
        self.advance(65)
        expected = [row.seq for row in self.outbox.rows]
        self.assertEqual(sorted(self.firsts()), expected)
        if "decline" not in steps:
            self.assertEqual(self.firsts(), expected)
        self.assertEqual(self.outbox.cursor_value or "0", str(len(expected)))
        self.stop()
        self.network.flush()


class VanishedTests(EventsCase):
    """Broker objects that vanish under a live connection."""

    def final(self) -> None:
        seq = len(self.outbox.rows) + 1
        body = json.dumps({"seq": seq, "final": True}).encode()
        self.outbox.add("status.delivered.office", body=body)
        self.network.flush()

    def test_a_deleted_queue_is_declared_again_at_once(self) -> None:
        """On the same connection, with its binding; nothing passed."""
        self.start()
        for queue, key in ((STATUS, "status.sent.x"), (INBOUND, "inbound.x")):
            self.broker.delete_queue(queue)
            self.add(3, routing_key=key)
            self.advance(1)
        self.assertEqual(self.numbers(), [1, 2, 3])
        self.assertEqual(self.numbers(INBOUND), [4, 5, 6])
        status = self.service.status()
        self.assertEqual((status.passed, status.behind, status.stuck), (0, 0, None))
        self.assertEqual(len(self.broker.sides), 1)

    def test_a_deleted_binding_is_made_again_at_once(self) -> None:
        """The queue may be there without it."""
        self.start()
        self.broker.bindings.clear()
        self.final()
        self.add(1, routing_key="inbound.office")
        self.advance(1)
        self.assertEqual((self.numbers(), self.numbers(INBOUND)), ([1], [2]))
        self.assertEqual(len(self.broker.bindings), 3)

    def test_a_deleted_exchange_is_declared_again(self) -> None:
        """The broker closes the channel; the next connection declares."""
        self.start()
        self.broker.delete_exchange("gdemoi.events")
        self.add(2)
        self.advance(2)
        self.assertEqual(self.firsts(), [1, 2])
        self.assertEqual(self.service.status().passed, 0)

    def test_deleted_again_and_again(self) -> None:
        """Each time; a look is asked for once a second at most."""
        self.start()
        for _ in range(5):
            self.broker.delete_queue(STATUS)
            self.final()
            self.advance(1.25)
        self.assertEqual(self.numbers(), [5])
        self.assertEqual(self.service.status().passed, 0)
        self.assertEqual(self.outbox.cursor_value, "5")

    def test_what_must_arrive_is_never_passed(self) -> None:
        """With declare = no it is held, and told once as an error."""
        for key, final in (
            ("status.delivered.office", True),
            ("status.submitted.office", True),
            ("inbound.office", False),
        ):
            with self.subTest(key=key):
                self.setUp()
                self.start_passive()
                bindings, self.broker.bindings = self.broker.bindings, []
                body = json.dumps({"seq": 1, "final": final}).encode()
                with capturedLogs() as events:
                    self.outbox.add(key, body=body)
                    self.advance(600)
                errors = [
                    formatEvent(e) for e in events if e["log_level"] >= LogLevel.error
                ]
                self.assertEqual(len(errors), 1, errors)
                self.assertIn(key, errors[0])
                self.assertIn("NO_ROUTE", self.service.status().stuck or "")
                self.assertEqual(self.service.status().passed, 0)
                self.assertIsNone(self.outbox.cursor_value)
                self.broker.bindings = bindings
                self.advance(2)
                queue = INBOUND if key.startswith("inbound") else STATUS
                self.assertEqual(self.numbers(queue), [1])
                self.assertIsNone(self.service.status().stuck)
                self.assert_nothing_left()

    def test_what_follows_a_held_one_is_not_published_again_and_again(self) -> None:
        """Ten minutes of holding: not 600 copies of each."""
        self.start_passive()
        [gone] = [one for one in self.broker.bindings if one[0] == STATUS]
        self.broker.bindings.remove(gone)
        self.final()
        self.add(3, routing_key="inbound.office")
        self.advance(600)
        self.assertLessEqual(len(self.numbers(INBOUND)), 3)
        self.broker.bindings.append(gone)
        self.advance(2)
        self.assertEqual(self.numbers(), [1])
        self.assertEqual(set(self.numbers(INBOUND)), {2, 3, 4})
        self.assertLessEqual(len(self.numbers(INBOUND)), 6)

    def test_a_link_that_is_lost_while_holding(self) -> None:
        """Goes on where it was, after it is bound."""
        self.start_passive()
        bindings, self.broker.bindings = self.broker.bindings, []
        self.final()
        self.advance(70)
        self.network.cut()
        self.advance(70)
        self.broker.bindings = bindings
        self.advance(5)
        self.assertEqual((self.numbers(), self.outbox.cursor_value), ([1], "1"))


class LagTests(EventsCase):
    """How late events are: the age of the oldest that the broker has not."""

    def lag(self) -> tuple[float, int]:
        found = self.result(self.service.figures())
        return found.lag_s, found.behind

    def event(self, ago_s: float, key: str = "at") -> None:
        """Let an event happen that is told as so old."""
        body = json.dumps({key: rfc3339(self.clock.seconds() - ago_s)}).encode()
        self.outbox.add(body=body)
        self.network.flush()

    def test_nothing_waits(self) -> None:
        """No event, or all of them confirmed."""
        self.start()
        self.assertEqual(self.lag(), (0.0, 0))
        self.event(5)
        self.assertEqual(self.lag(), (0.0, 0))

    def test_the_oldest_counts(self) -> None:
        """Of all that are not confirmed, whatever follows it."""
        self.start()
        self.broker.hold_confirms = True
        self.event(90)
        self.event(5)
        lag_s, behind = self.lag()
        self.assertAlmostEqual(lag_s, 90.0, delta=0.01)
        self.assertEqual(behind, 2)

    def test_an_inbound_sms_is_as_old_as_it_came(self) -> None:
        """It has no `at`; `received_at` says it."""
        self.event(40, "received_at")
        self.assertAlmostEqual(self.lag()[0], 40.0, delta=0.01)

    def test_before_the_first_connection(self) -> None:
        """The bookmark says from where on nothing has left."""
        for _ in range(5):
            self.event(30)
        self.outbox.cursor_value = "3"
        lag_s, behind = self.lag()
        self.assertAlmostEqual(lag_s, 30.0, delta=0.01)
        self.assertEqual(behind, 2)
