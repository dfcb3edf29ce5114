"""Queues and exchanges: declared, or only looked for."""

from __future__ import annotations

from collections import deque

from twisted.logger import Logger, LogLevel, capturedLogs, formatEvent

from gdemoi.amqp.topology import LAST_LOOK_S, LOOK_S, Topology
from gdemoi.errors import Unavailable
from tests.amqp.broker import Stored
from tests.amqp.fakes import Case, ServiceCase

QUEUES = {"g.outbound", "g.status", "g.inbound", "g.invalid"}


class TopologyTests(Case):
    def test_declares_all_that_the_page_names(self) -> None:
        """Two topic exchanges, four durable queues of the type asked for."""
        client, _ = self.logged_in()
        self.result(Topology("g", "quorum", True).establish(client, Logger()))
        self.assertEqual(self.broker.exchanges["g"], "topic")
        self.assertEqual(self.broker.exchanges["g.events"], "topic")
        self.assertEqual(set(self.broker.queues), QUEUES)
        self.assertEqual(
            set(self.broker.bindings),
            {
                ("g.outbound", "g", "outbound.#"),
                ("g.status", "g.events", "status.#"),
                ("g.inbound", "g.events", "inbound.#"),
            },
        )
        self.assertEqual(self.broker.arguments["g.status"], {"x-queue-type": "quorum"})

    def test_declaring_again_changes_nothing(self) -> None:
        """Every reconnection declares."""
        client, _ = self.logged_in()
        for _ in range(2):
            self.result(Topology("g", "classic", True).establish(client, Logger()))
        self.assertEqual(set(self.broker.queues), QUEUES)
        self.assertEqual(len(self.broker.bindings), 3)

    def test_a_queue_of_another_type_is_used_as_it_is(self) -> None:
        """A changed `queue_type` does not keep the gateway from starting."""
        client, _ = self.logged_in()
        self.result(Topology("g", "classic", True).establish(client, Logger()))
        self.result(Topology("g", "quorum", True).establish(client, Logger()))
        self.assertEqual(self.broker.arguments["g.status"], {"x-queue-type": "classic"})
        self.assertFalse(client.closed)

    def test_passive_mode_only_looks(self) -> None:
        """Nothing is made; what is missing is named."""
        client, _ = self.logged_in()
        passive = Topology("g", "quorum", False)
        fault = self.failure(passive.establish(client, Logger()), Unavailable)
        self.assertIn("exchange g: 404", str(fault))
        self.assertEqual(self.broker.queues, {})
        self.result(Topology("g", "quorum", True).establish(client, Logger()))
        self.broker.bindings.clear()
        self.result(passive.establish(client, Logger()))
        self.assertEqual(self.broker.bindings, [])

    def test_who_may_not_declare_may_still_use(self) -> None:
        """403 to a declaration: then it is looked for."""
        client, _ = self.logged_in()
        self.result(Topology("g", "quorum", True).establish(client, Logger()))
        self.broker.close_channel_on["queue_bind"] = (403, "ACCESS_REFUSED")
        self.result(Topology("g", "quorum", True).establish(client, Logger()))
        self.assertFalse(client.closed)


class UpkeepTests(ServiceCase):
    """What nobody publishes to, looked after."""

    def test_what_platforms_publish_to_comes_back(self) -> None:
        """No publish of ours would find it missing."""
        self.start()
        expected = set(self.broker.bindings)
        self.broker.delete_exchange("gdemoi")
        self.broker.delete_exchange("gdemoi.events")
        self.broker.delete_queue("gdemoi.invalid")
        self.broker.delete_queue("gdemoi.inbound")
        self.advance(LOOK_S)
        self.assertEqual(set(self.broker.exchanges), {"", "gdemoi", "gdemoi.events"})
        self.assertEqual(set(self.broker.bindings), expected)
        self.assertIn("gdemoi.invalid", self.broker.queues)
        self.assertEqual(len(self.broker.sides), 1)

    def test_only_the_binding_of_the_outbound_queue(self) -> None:
        """What platforms publish would be dropped."""
        self.start()
        self.broker.bindings.clear()
        self.advance(LOOK_S)
        self.broker.publish(Stored("gdemoi", "outbound.x", b"\0\0", self.envelope("m")))
        self.network.flush()
        self.assertEqual(list(self.intake.taken), ["m"])

    def test_a_look_does_not_declare_what_is_there(self) -> None:
        """A queue of another type is not asked for each time."""
        self.broker.arguments["gdemoi.status"] = {"x-queue-type": "classic"}
        self.broker.queues["gdemoi.status"] = deque()
        side = self.start()
        numbers = set(side.channels)
        self.advance(10 * LOOK_S)
        # one channel for all looks
        self.assertEqual(len(set(side.channels) - numbers), 1)
        self.assertEqual(self.service.status().state, "up")

    def test_passive_mode_makes_nothing_and_tells_once(self) -> None:
        """As an error; and when it is there again."""
        side = self.start_passive()
        self.broker.delete_exchange("gdemoi")
        with capturedLogs() as events:
            self.advance(600)
            self.assertNotIn("gdemoi", self.broker.exchanges)
            self.broker.exchanges["gdemoi"] = "topic"
            self.advance(LAST_LOOK_S + 1)
        errors = [formatEvent(e) for e in events if e["log_level"] >= LogLevel.error]
        self.assertEqual(len(errors), 1, errors)
        self.assertIn("exchange gdemoi is gone", errors[0])
        self.assertIn("declare = no", errors[0])
        self.assertIn("gdemoi is there again", [formatEvent(e) for e in events])
        self.assertLess(max(side.channels), 30)

    def test_a_declaration_that_is_refused(self) -> None:
        """Is told once and asked for at growing pauses."""
        self.start()
        self.broker.delete_queue("gdemoi.invalid")
        with capturedLogs() as events:
            self.broker.refuse_declare = "gdemoi.invalid"
            self.advance(600)
            self.broker.refuse_declare = None
            self.advance(LAST_LOOK_S + 1)
        errors = [formatEvent(e) for e in events if e["log_level"] >= LogLevel.error]
        self.assertEqual(len(errors), 1, errors)
        self.assertIn("gdemoi.invalid", self.broker.queues)
        self.assertEqual(len(self.broker.sides), 1)

    def test_a_lost_link_leaves_no_timer(self) -> None:
        """While it looks, too."""
        self.start()
        self.clock.advance(LOOK_S)
        self.network.cut()
        self.advance(2)
        self.assertEqual(self.service.status().state, "up")
        self.broker.delete_exchange("gdemoi")
        self.advance(LOOK_S)
        self.assertIn("gdemoi", self.broker.exchanges)
