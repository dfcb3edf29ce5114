"""Queues and exchanges: declared, or only looked for."""

from __future__ import annotations

from twisted.logger import Logger

from gdemoi.amqp.topology import Topology
from gdemoi.errors import Unavailable
from tests.amqp.house import Case

QUEUES = {"g.outbound", "g.status", "g.inbound", "g.invalid"}


class TopologyTests(Case):
    def test_declares_all_of_the_contract(self) -> None:
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
