"""What came in, on its way up: told first, acknowledged when it is safe."""

from __future__ import annotations

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gdemoi.errors import Unavailable
from gdemoi.goip.inbound_repeats import Key
from gdemoi.goip.joiner import LongSmsJoiner
from gdemoi.goip.outcomes import inbound_of, receipt_of
from gdemoi.goip.protocol import GoipProtocol
from gdemoi.goip.receipts import provider_id_of
from gdemoi.goip.session_events import ReceiptReceived, SmsReceived
from gdemoi.goip.uncertain import UnmatchedReceipt
from gdemoi.interfaces import IChannelEvents
from gdemoi.message import Accepted


class InboundForwarder:
    """Carries inbound SMS and receipts to the house, and its word back."""

    log = Logger()

    def __init__(
        self,
        name: str,
        account: str,
        protocol: GoipProtocol,
        joiner: LongSmsJoiner,
        clock: IReactorTime,
        events: IChannelEvents,
    ) -> None:
        self._name = name
        self._account = account
        self._protocol = protocol
        self._session = protocol.session
        self._joiner = joiner
        self._clock = clock
        self._events = events

    async def sms(self, received: SmsReceived) -> None:
        """Tell an SMS upward; acknowledge it when it is safe."""
        now = self._clock.seconds()
        number = self._session.lines[received.line].number
        inbound = inbound_of(received, self._name, number, now)
        part = self._joiner.part(received.line, received.srcnum, received.recvid, now)
        if part is not None:
            inbound = msgspec.structs.replace(
                inbound, part=part, join_window_s=self._joiner.window_s
            )
        safe = False
        try:
            await self._events.inbound(inbound)
            safe = True
        except Unavailable as fault:
            self._not_safe(received.line, fault)
        finally:
            self._settle(received.key, safe)

    async def receipt(self, received: ReceiptReceived) -> None:
        """Tell a receipt upward; acknowledge it when it is safe."""
        now = self._clock.seconds()
        receipt = receipt_of(received, self._account, self._name, now)
        safe = False
        try:
            match = await self._events.receipt(receipt)
            safe = True
            if match is None and not received.known:
                self._unmatched(received, now)
        except Unavailable as fault:
            self._not_safe(received.line, fault)
        finally:
            self._settle(received.key, safe)

    def _unmatched(self, received: ReceiptReceived, now: float) -> None:
        """A receipt about no SMS that we know: perhaps the unsure one.

        When the OK was lost, DELIVER is the device's later word on the same fact;
        it counts when exactly one SMS of this line to this number is unsure, or
        is waiting for its verdict.
        """
        sender, job = self._session.sender, None
        if received.keys and sender.is_open_with(
            self._session.lines[received.line], received.about
        ):
            if sender.unsure.is_empty_for(received.line, received.about):
                sender.unsure.keep(
                    UnmatchedReceipt(
                        received.line, received.about, received.sms_no, now
                    )
                )
        elif received.keys:
            job = sender.unsure.claim(received.line, received.about, now)
        if job is None:
            self.log.info(
                "{channel}: line {line}: a receipt for the unknown sms_no {sms_no}",
                channel=self._name,
                line=received.line,
                sms_no=received.sms_no,
            )
            return
        outcome = Accepted(
            provider_ids=(provider_id_of(received.line, received.sms_no, now),),
            segments=job.units,
            line=received.line,
        )
        self._events.late(job.message_id, job.attempt, outcome)

    def _not_safe(self, line: str, fault: Unavailable) -> None:
        self.log.warn(
            "{channel}: line {line}: not acknowledged, since {fault}",
            channel=self._name,
            line=line,
            fault=str(fault),
        )

    def _settle(self, key: Key, safe: bool) -> None:
        if safe:
            self._session.stored(key, self._clock.seconds())
        else:
            self._session.not_stored(key)
        self._protocol.flush()
