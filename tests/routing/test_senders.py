"""Refused senders of one channel: who rests, and how long."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gdemoi.message import Error, Outbound, Refused, Scope
from gdemoi.routing.senders import LIMIT, REST_LAST_S, Senders

NO = Refused(error=Error("twilio:21606", "not yours"), scope=Scope.SENDER)


def to(number: str) -> Outbound:
    """Return a message to a number."""
    return Outbound(id="m", to=number, accepted_at=0.0, expires_at=9.0, text="hi")


RUSSIA, SPAIN = to("+79161234567"), to("+34600000000")


class SendersTests(SynchronousTestCase):
    def test_a_refused_sender_rests_and_others_do_not(self) -> None:
        """For the country that it was refused for, since it may be good in others."""
        senders = Senders()
        senders.refused("A", RUSSIA, NO, 0.0)
        found = senders.refusal("A", to("+79160000000"), 59.0)
        assert found is not None
        self.assertEqual((found.error, found.retry_after_s), (NO.error, 1.0))
        self.assertIsNone(senders.refusal("B", RUSSIA, 0.0))
        self.assertIsNone(senders.refusal(None, RUSSIA, 0.0))
        self.assertIsNone(senders.refusal("A", SPAIN, 0.0))
        self.assertIsNone(senders.refusal("A", RUSSIA, 60.0))

    def test_it_rests_longer_each_time(self) -> None:
        """To an hour; what was under way with it makes the rest no longer."""
        senders = Senders()
        now, pauses = 0.0, []
        for _ in range(8):
            until = senders.refused("A", RUSSIA, NO, now)
            self.assertEqual(senders.refused("A", RUSSIA, NO, now + 1.0), until)
            pauses.append(until - now)
            now = until
        self.assertEqual(pauses[:3], [60.0, 120.0, 240.0])
        self.assertEqual(pauses[-1], REST_LAST_S)

    def test_a_message_that_is_taken_mends_it(self) -> None:
        """The next refusal begins anew."""
        senders = Senders()
        senders.refused("A", RUSSIA, NO, 0.0)
        senders.refused("A", RUSSIA, NO, 60.0)
        self.assertFalse(senders.taken("A", SPAIN))
        self.assertTrue(senders.taken("A", RUSSIA))
        self.assertIsNone(senders.refusal("A", RUSSIA, 61.0))
        self.assertEqual(senders.refused("A", RUSSIA, NO, 61.0), 121.0)

    def test_the_far_side_may_name_the_pause(self) -> None:
        """At least that."""
        busy = Refused(
            error=Error("twilio:21611", "queue full", True),
            scope=Scope.SENDER,
            retry_after_s=300.0,
        )
        senders = Senders()
        self.assertEqual(senders.refused("A", RUSSIA, busy, 0.0), 300.0)
        self.assertEqual(senders.next_end(10.0), 300.0)
        self.assertIn("sender A has to wait for RU (", senders.reason(10.0))

    def test_who_rests_is_shown(self) -> None:
        """With the reason and the time of the next try; a few by name."""
        senders = Senders()
        self.assertEqual(senders.reason(0.0), "")
        for name in ("D", "C", "B", None):
            senders.refused(name, RUSSIA, NO, 0.0)
        self.assertEqual(
            senders.reason(1.0),
            "sender B is refused for RU (twilio:21606 not yours); "
            "sender C is refused for RU (twilio:21606 not yours); 2 more",
        )
        shown = {
            "sender": "D",
            "country": "RU",
            "code": "twilio:21606",
            "text": "not yours",
            "next_try_at": 60.0,
        }
        self.assertEqual(senders.describe(1.0)[0], shown)
        senders.lift()
        self.assertEqual((senders.describe(1.0), senders.next_end(1.0)), ([], None))

    def test_memory_has_an_end(self) -> None:
        """A platform may choose any sender: the oldest are forgotten."""
        senders = Senders()
        for number in range(LIMIT + 5):
            senders.refused(f"S{number}", RUSSIA, NO, 0.0)
        self.assertEqual(len(senders.describe(1.0)), LIMIT)
        self.assertIsNone(senders.refusal("S0", RUSSIA, 1.0))
