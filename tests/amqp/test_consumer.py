"""Consuming with coalesced acks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gdemoi.amqp.channel import Channel, Delivery
from gdemoi.amqp.consumer import Consumer
from tests.amqp.fakes import Case


class ConsumerTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.client_, self.side = self.logged_in()
        channel = self.result(self.client_.open_channel())
        self.result(channel.queue_declare(queue="q"))
        self.got: list[Delivery] = []
        self.channels: list[Channel] = []
        self.losses = 0
        self.consumer = Consumer("q", 10, "gw", self.arrived, self.lost)
        self.result(self.consumer.attach(self.client_))

    def arrived(self, channel: Channel, deliveries: list[Delivery]) -> None:
        self.channels.append(channel)
        self.got += deliveries

    def lost(self) -> None:
        self.losses += 1

    def put(self, count: int) -> None:
        for number in range(count):
            self.broker.put("q", b"%d" % number)
        self.network.flush()

    def settle(self, *tags: int) -> None:
        self.consumer.settle(self.channels[-1], tags)
        self.network.flush()

    def test_fault_15_no_more_than_the_prefetch(self) -> None:
        """The rest stays in the broker until something is acked."""
        self.put(15)
        self.assertEqual(len(self.got), 10)
        self.assertEqual(self.consumer.unsettled(), 10)
        self.assertEqual(len(self.broker.queues["q"]), 5)
        self.settle(1, 2)
        self.assertEqual(len(self.got), 12)
        self.assertLess(
            self.broker.calls.index("basic_qos"),
            self.broker.calls.index("basic_consume"),
        )

    def test_a_finished_batch_is_one_ack(self) -> None:
        """With `multiple`, up to the last."""
        self.put(5)
        self.settle(1, 2, 3, 4, 5)
        self.assertEqual(self.side.acks, [("ack", 5, True)])
        self.assertEqual(self.consumer.unsettled(), 0)

    def test_behind_a_slow_one_acks_are_single(self) -> None:
        """A slow message holds up nobody; nothing is acked twice."""
        self.put(5)
        self.settle(2, 4)
        self.assertEqual(self.side.acks, [("ack", 2, False), ("ack", 4, False)])
        self.settle(1)
        self.settle(3)
        self.settle(5)
        self.assertEqual(
            self.side.acks[2:], [("ack", 1, True), ("ack", 3, True), ("ack", 5, True)]
        )

    def test_tags_of_an_old_connection_are_dropped(self) -> None:
        """On the next they would ack another message."""
        self.put(3)
        self.network.cut()
        self.assertEqual((self.losses, self.consumer.unsettled()), (1, 0))
        self.client_, self.side = self.logged_in()
        self.result(self.consumer.attach(self.client_))
        self.assertTrue(all(one.redelivered for one in self.got[3:]))
        self.consumer.settle(self.channels[0], [1])
        self.network.flush()
        self.assertEqual(self.side.acks, [])

    def test_cancel_takes_no_more(self) -> None:
        """What has arrived may still be acked."""
        self.put(3)
        self.result(self.consumer.cancel())
        self.put(3)
        self.assertEqual(len(self.got), 3)
        self.settle(1, 2, 3)
        self.assertEqual(self.side.acks, [("ack", 3, True)])

    def test_a_closed_channel_ends_the_connection(self) -> None:
        """For instance consumer_timeout (406): everything starts over."""
        self.side.close_channel(self.channels[-1].id if self.channels else 2, 406, "x")
        self.network.flush()
        self.assertIn("406", self.successResultOf(self.client_.over()))

    @given(st.permutations(list(range(1, 11))), st.integers(1, 4))
    def test_every_delivery_is_acked_once(self, order: list[int], step: int) -> None:
        """In whatever order they are settled (the broker refuses unknown tags)."""
        self.setUp()
        self.put(10)
        for at in range(0, 10, step):
            self.settle(*order[at : at + step])
        state = self.side.channels[self.channels[-1].id]
        self.assertEqual((state.unacked, self.consumer.unsettled()), ({}, 0))
