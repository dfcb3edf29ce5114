"""Polling: bookmarks, pages, repeats, and what survives a restart."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from gdemoi.errors import Unavailable
from gdemoi.message import Accepted, MessageState
from tests.cloud.net import (
    ACCOUNT,
    CLOUDS,
    NOW,
    Answers,
    ChannelRig,
    Net,
    answered,
    clouds,
    message,
    textlocal,
    twilio,
    tyntec,
    vonage,
)

DATE = "Tue, 03 Feb 2026 12:14:25 +0000"
LIST = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


def row(sid: str, **changes: Any) -> dict[str, Any]:
    return {
        "sid": sid,
        "direction": "inbound",
        "from": "+79001234567",
        "to": "+14155552345",
        "body": f"text of {sid}",
        "num_segments": "1",
        "date_sent": DATE,
        **changes,
    }


def page(*sids: str, following: str | None = None) -> Any:
    return answered(
        {"messages": [row(sid) for sid in sids], "next_page_uri": following}
    )


class InboundTests(SynchronousTestCase):
    def rig(self, *replies: Any, cursors: dict[str, str] | None = None) -> ChannelRig:
        net = Net()
        self.far = Answers(*replies)
        net.serve(22080, self.far)
        settings = twilio(
            base_url=CLOUDS,
            receipts="none",
            inbound="poll",
            allowed_sender=("+14155552345",),
        )
        return ChannelRig(settings, net=net, cursors=cursors).start()

    def texts(self, rig: ChannelRig) -> list[str]:
        return [(inbound.text or "")[8:] for inbound in rig.recorder.inbounds]

    def test_pages_are_read_and_repeats_told_once(self) -> None:
        """Two pages, then an overlap of three: each message goes up once."""
        rig = self.rig(
            page("SM1", "SM2", following=f"{LIST}?Page=1"),
            page("SM3"),
            page("SM4", "SM3", "SM2", "SM1"),
            page(),
        )
        self.assertEqual(self.texts(rig), ["SM1", "SM2", "SM3"])
        self.assertEqual(self.far.requests[1][1], f"{LIST}?Page=1")
        rig.net.advance(31)
        self.assertEqual(self.texts(rig), ["SM1", "SM2", "SM3", "SM4"])

    def test_a_failed_page_leaves_the_bookmark(self) -> None:
        """500 on page two: everything is asked for again, and told once."""
        begun = {"cloud:ch:inbound:+14155552345": repr(NOW - 1000)}
        rig = self.rig(
            page("SM1", following=f"{LIST}?Page=1"),
            answered({}, 500),
            page("SM1", following=f"{LIST}?Page=1"),
            page("SM2"),
            page(),
            cursors=begun,
        )
        self.assertEqual(rig.cursors, begun)
        self.assertEqual(rig.channel.describe()["counts"], {"failed question": 1})
        rig.net.advance(31)
        self.assertEqual(self.texts(rig), ["SM1", "SM2"])
        self.assertEqual(rig.cursors, {"cloud:ch:inbound:+14155552345": repr(NOW)})

    def test_a_question_begins_ten_minutes_before_the_bookmark(self) -> None:
        """Against messages that arrive late in the list."""
        rig = self.rig(
            page(), cursors={"cloud:ch:inbound:+14155552345": repr(NOW - 1000)}
        )
        # 12:14:25 less 1000 s less 600 s
        self.assertIn("DateSent%3E=2026-02-03T11%3A47%3A45Z", self.far.requests[0][1])
        self.assertIn("To=%2B14155552345", self.far.requests[0][1])
        rig.net.settle()

    def test_outbound_rows_are_not_inbound(self) -> None:
        """The list holds both directions."""
        rig = self.rig(
            answered({"messages": [row("SM1", direction="outbound-api"), row("SM2")]})
        )
        self.assertEqual(self.texts(rig), ["SM2"])

    def test_the_bookmark_stays_while_the_journal_is_away(self) -> None:
        """What could not be written down is asked for again."""
        begun = {"cloud:ch:inbound:+14155552345": repr(NOW - 1000)}
        rig = self.rig(answered({"messages": []}), cursors=begun)
        rig.recorder.down = True
        self.far.replies = [page("SM1")]
        rig.net.advance(31)
        self.assertEqual((self.texts(rig), rig.cursors), ([], begun))
        rig.recorder.down = False
        rig.net.advance(31)
        self.assertEqual(self.texts(rig), ["SM1"])

    def test_nothing_old_is_fetched_at_the_first_start(self) -> None:
        """The first bookmark is now."""
        rig = self.rig(page())
        self.assertEqual(rig.cursors, {"cloud:ch:inbound:+14155552345": repr(NOW)})

    def test_broken_answers_do_not_end_the_polling(self) -> None:
        """HTML, a wrong shape, a date from the future."""
        rig = self.rig(
            (200, b"<html>", {}),
            answered({"messages": 5}),
            answered({"messages": [row("SM1", date_sent="Tue, 03 Feb 2099 12:14:25")]}),
            page("SM2"),
        )
        rig.net.advance(100)
        self.assertEqual(self.texts(rig), ["SM1", "SM2"])
        cursor = float(rig.cursors["cloud:ch:inbound:+14155552345"])
        self.assertLessEqual(cursor, rig.net.clock.seconds())

    def test_textlocal_asks_each_inbox_from_its_bookmark(self) -> None:
        """min_time is the bookmark less ten minutes."""
        net = Net()
        sandbox = clouds(net)
        cursors = {"cloud:ch:inbound:10": repr(NOW - 100)}
        settings = textlocal(base_url=CLOUDS, receipts="none", inbound="poll")
        ChannelRig(settings, net=net, cursors=cursors).start()
        bodies = [
            asked.form() for asked in sandbox.requests if "get_messages" in asked.path
        ]
        self.assertEqual(
            (bodies[0]["inbox_id"], bodies[0]["min_time"]), ("10", str(int(NOW - 700)))
        )

    def test_an_account_on_the_proxy_is_not_polled(self) -> None:
        """One warning, and no more questions."""
        net = Net()
        sandbox = clouds(net)
        sandbox.apis["textlocal"].interact = True
        settings = textlocal(
            base_url=CLOUDS, receipts="none", inbound="poll", inboxes=("10",)
        )
        ChannelRig(settings, net=net).start()
        net.advance(300)
        self.assertEqual(len(sandbox.requests), 1)

    def test_an_old_bookmark_is_caught_up_day_by_day(self) -> None:
        """No window is wider than 24 hours."""
        net = Net()
        sandbox = clouds(net)
        cursors = {"cloud:ch:inbound:": repr(NOW - 3 * 86400)}
        settings = vonage(
            base_url=CLOUDS, receipts="none", inbound="poll", reports=True
        )
        ChannelRig(settings, net=net, cursors=cursors).start()
        net.advance(180)
        for asked in sandbox.requests:
            start, end = (
                datetime.fromisoformat(asked.query[name]).timestamp()
                for name in ("date_start", "date_end")
            )
            self.assertLessEqual(end - start, 86400)
        self.assertGreater(float(cursors["cloud:ch:inbound:"]), NOW)


class StatusTests(SynchronousTestCase):
    def test_open_messages_survive_a_restart(self) -> None:
        """Another process asks for what the first one sent."""
        net = Net()
        clouds(net, delivery_s=300.0)
        settings = twilio(base_url=CLOUDS, receipts="poll", inbound="none")
        cursors: dict[str, str] = {}
        first = ChannelRig(settings, net=net, cursors=cursors).start()
        self.assertIsInstance(first.submit(message()), Accepted)
        net.advance(60)
        stopped = first.channel.stop(1)
        net.settle()
        self.successResultOf(stopped)
        fields = [receipt.state for receipt in first.recorder.receipts]
        self.assertNotIn(MessageState.DELIVERED, fields)
        second = ChannelRig(settings, net=net, cursors=cursors).start()
        self.assertEqual(len(second.channel.messages), 1)
        net.advance(900)
        self.assertEqual(second.recorder.receipts[-1].state, MessageState.DELIVERED)
        self.assertEqual(second.recorder.receipts[-1].message_id, "g1")
        self.assertEqual(len(second.channel.messages), 0)
        self.assertEqual(
            [kept for kept in cursors.values() if kept != "[]"], [], cursors
        )

    def test_a_receipt_that_could_not_be_written_is_asked_for_again(self) -> None:
        """The message stays open until its last word is safe."""
        net = Net()
        clouds(net)
        settings = twilio(base_url=CLOUDS, receipts="poll", inbound="none")
        rig = ChannelRig(settings, net=net).start()
        rig.submit(message())
        rig.recorder.down = True
        net.advance(10)
        self.assertEqual(len(rig.channel.messages), 1)
        rig.recorder.down = False
        net.advance(60)
        self.assertEqual(rig.recorder.receipts[-1].state, MessageState.DELIVERED)
        self.assertEqual(rig.channel.describe()["counts"], {"poll put off": 1})

    def test_two_questions_at_once_at_most(self) -> None:
        """However many messages are due."""
        net = Net()
        sandbox = clouds(net)
        settings = twilio(
            base_url=CLOUDS, receipts="poll", inbound="none", in_flight=50
        )
        rig = ChannelRig(settings, net=net).start()
        for n in range(20):
            rig.submit(message(id=f"m{n}"))
        net.servers.clear()
        net.advance(5)
        self.assertLessEqual(rig.channel.describe()["counts"]["failed question"], 20)
        net.serve_clouds(22080, sandbox)
        net.advance(120)
        delivered = [
            r for r in rig.recorder.receipts if r.state is MessageState.DELIVERED
        ]
        self.assertEqual(len({r.message_id for r in delivered}), 20)

    def test_a_message_that_never_ends_is_given_up(self) -> None:
        """An hour after its validity nobody asks any more."""
        net = Net()
        clouds(net, delivery_s=10**7)
        settings = twilio(base_url=CLOUDS, receipts="poll", inbound="none")
        rig = ChannelRig(settings, net=net).start()
        rig.submit(message())
        net.advance(7200 + 1300)
        self.assertEqual(len(rig.channel.messages), 0)
        self.assertEqual(rig.channel.describe()["counts"], {"given up": 1})

    def test_vonage_segments_are_followed_one_by_one(self) -> None:
        """The message closes with its last segment."""
        net = Net()
        sandbox = clouds(net)
        settings = vonage(
            base_url=CLOUDS, receipts="poll", inbound="none", reports=True
        )
        rig = ChannelRig(settings, net=net).start()
        outcome = rig.submit(message("я" * 71))
        assert isinstance(outcome, Accepted)
        self.assertEqual(len(outcome.provider_ids), 2)
        # the second one is not in the reports yet
        late = sandbox.apis["vonage"].books.pop(outcome.provider_ids[1])
        net.advance(6)
        self.assertEqual(len(rig.channel.messages), 1)
        sandbox.apis["vonage"].books[late.id] = late
        net.advance(30)
        self.assertEqual(len(rig.channel.messages), 0)
        delivered = {
            r.provider_id
            for r in rig.recorder.receipts
            if r.state is MessageState.DELIVERED
        }
        self.assertEqual(delivered, set(outcome.provider_ids))


class _SlowRecorder(ChannelRig):
    """A gateway whose cursors take their time."""

    def _set_cursor(self, word: str, value: str) -> Deferred[None]:
        written: Deferred[None] = Deferred()
        self.net.clock.callLater(1.0, written.callback, None)
        return written.addCallback(lambda _: self.cursors.update({word: value}))


class _LostRecorder(ChannelRig):
    """A gateway that cannot write cursors down."""

    def _set_cursor(self, word: str, value: str) -> Deferred[None]:
        return fail(Unavailable("the journal is away"))


class KeptTests(SynchronousTestCase):
    def rig(self, kind: type[ChannelRig]) -> ChannelRig:
        net = Net()
        clouds(net)
        return kind(tyntec(base_url=CLOUDS, receipts="poll"), net=net).start()

    def test_the_list_is_written_before_the_outcome_is_told(self) -> None:
        """Whoever stops between the two asks for the message all the same."""
        rig = self.rig(_SlowRecorder)
        self.assertIsNone(rig.submit(message()))
        rig.net.advance(0.9)
        self.assertEqual(rig.cursors, {})
        outcome = rig.submit(message(id="g2"), 0.2)
        self.assertIn('"g1"', str(rig.cursors))
        self.assertIsNone(outcome)
        rig.net.advance(2)
        self.assertIn('"g2"', str(rig.cursors))
        self.assertEqual(rig.channel.describe()["in_flight"], 0)

    def test_a_list_that_cannot_be_written_holds_nothing_up(self) -> None:
        """The outcome is told, and the fact counted."""
        rig = self.rig(_LostRecorder)
        self.assertIsInstance(rig.submit(message()), Accepted)
        self.assertIn("bookmark put off", rig.channel.describe()["counts"])

    def test_a_stop_while_the_list_is_written_keeps_the_outcome(self) -> None:
        """The provider has taken the message: that is told, come what may."""
        rig = self.rig(_SlowRecorder)
        prepared = rig.channel.prepare(message())
        outcome = rig.channel.submit(prepared, 1)
        rig.net.settle()
        stopped = rig.channel.stop(0.5)
        rig.net.advance(0.6)
        self.assertIsInstance(self.successResultOf(outcome), Accepted)
        self.successResultOf(stopped)
        rig.net.advance(2)
