"""The box on real UDP of the loopback, against a real channel."""

from random import Random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from gdemoi.goip.channel import GoipChannel, make
from gdemoi.goip.settings import GoipLineSettings, GoipSettings
from gdemoi.interfaces import ChannelContext, IChannel, IChannelEvents
from gdemoi.message import (
    Accepted,
    Inbound,
    MessageClass,
    Outbound,
    Outcome,
    Receipt,
    ReceiptMatch,
    Refused,
)
from gdemoi.sandbox.goip import BoxService, SandboxGoipSettings, make_service


@implementer(IChannelEvents)
class EventsRecorder:
    """Fires `up` when the channel is up and `answered` when an SMS comes in."""

    def __init__(self) -> None:
        self.up: Deferred[None] = Deferred()
        self.answered: Deferred[Inbound] = Deferred()
        self.receipts: list[Receipt] = []

    def able(self, channel: IChannel) -> None:
        pass

    def changed(
        self, channel: IChannel, state: str, reason: str, line: str | None = None
    ) -> None:
        if state == "up" and line is None and not self.up.called:
            self.up.callback(None)

    def late(self, message_id: str, attempt: int, outcome: Outcome) -> None:
        pass

    def inbound(self, inbound: Inbound) -> Deferred[None]:
        if not self.answered.called:
            self.answered.callback(inbound)
        return succeed(None)

    def receipt(self, receipt: Receipt) -> Deferred[ReceiptMatch | None]:
        self.receipts.append(receipt)
        return succeed(None)


class LoopbackTests(TestCase):
    async def test_command_and_answer_through_a_lossy_box(self) -> None:
        """With 30 % loss a command goes out once and its answer comes in."""
        recorder = EventsRecorder()
        channel = self.channel()
        channel.start(recorder)
        port: Any = channel._port.port
        service = make_service(
            SandboxGoipSettings(
                server=("127.0.0.1", port.getHost().port),
                lines=("goip1/secret1/+79161112201",),
                loss=0.3,
                doubled=0.1,
                delay_s=0.02,
                sending_s=0.1,
                receipt_after_s=0.05,
                repeats=30,
            ),
            reactor,
        )
        assert isinstance(service, BoxService)
        service.startService()
        await recorder.up.addTimeout(60, reactor)
        now = channel._clock.seconds()
        message = Outbound(
            id="m1",
            to="+79167654321",
            text="getgps?",
            accepted_at=now,
            expires_at=now + 60,
            class_=MessageClass.COMMAND,
        )
        prepared = channel.prepare(message)
        assert not isinstance(prepared, Refused)
        outcome = await channel.submit(prepared, 1).addTimeout(60, reactor)
        self.assertIsInstance(outcome, Accepted)
        answer = await recorder.answered.addTimeout(60, reactor)
        self.assertEqual(answer.from_, "+79167654321")
        self.assertEqual(service.box.air, {("+79167654321", "getgps?"): 1})
        await channel.stop(0)
        await service.stopService()

    def channel(self) -> GoipChannel:
        """Return a channel on a free port, with quick timers."""
        return make(
            "office",
            GoipSettings(
                listen=("127.0.0.1", 0),
                answer_timeout_s=0.1,
                repeats=40,
                poll_interval_s=0.1,
            ),
            [
                (
                    "goip-line",
                    "goip1",
                    GoipLineSettings(channel="office", password="secret1"),
                )
            ],
            ChannelContext(
                reactor=reactor,
                clock=reactor,  # type: ignore[arg-type]
                random=Random(5).random,
                public_url=None,
                mount=lambda name, resource: None,
                cursor=lambda name: succeed(None),
                set_cursor=lambda name, value: succeed(None),
            ),
        )


class SettingsTests(SynchronousTestCase):
    def test_lines_that_cannot_be_read(self) -> None:
        """A line is id/password/number."""
        wrong = SandboxGoipSettings(lines=("goip1/secret1",))
        self.assertEqual([key for key, _ in wrong.complaints()], ["lines"])
