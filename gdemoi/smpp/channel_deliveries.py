"""Deliveries on their way up: read, hand over, answer when they are written down.

The SMSC is answered after the commit and not before; while the journal cannot
write it is told ESME_RX_T_APPN, and repeats later.  When too many wait for
their commit, the connection is read no further.
"""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gdemoi.errors import Unavailable
from gdemoi.interfaces import IChannelEvents
from gdemoi.message import Receipt, ReceiptMatch
from gdemoi.smpp.inbound import DeliveryReader, DeliveryRepeats
from gdemoi.smpp.pdu.headers import ROK
from gdemoi.smpp.pdu.pdus import DataSm, DeliverSm
from gdemoi.smpp.pdu.statuses import Status
from gdemoi.smpp.protocol import EsmeProtocol
from gdemoi.smpp.receipts import IdForms
from gdemoi.smpp.settings import SmppSettings

log = Logger()

RX_T_APPN: Final = int(Status.RX_T_APPN)
# Deliveries that may wait for their commit before a connection is held.
MOST_WAITING: Final = 500
# Receipts that match nothing are told in the log so often.
TELL_UNMATCHED_S: Final = 60.0


# An account may have several channels (and a new one after a reload): a repetition
# over another bind is known to all that run by one clock.
_repeats: WeakKeyDictionary[IReactorTime, dict[str, DeliveryRepeats]] = (
    WeakKeyDictionary()
)


def repeats_of(clock: IReactorTime, account: str) -> DeliveryRepeats:
    """Return what the channels of one account remember of their deliveries."""
    return _repeats.setdefault(clock, {}).setdefault(account, DeliveryRepeats())


def _named(receipt: Receipt, key: str | None) -> str:
    """Return the id, of those that a receipt names, which has that stored form."""
    names = (one.id for one in receipt.also if key in one.keys)
    return receipt.provider_id if key in receipt.keys else next(names, "")


class Deliveries:
    """The way up of one channel's receipts and messages."""

    def __init__(
        self,
        channel: str,
        account: str,
        settings: SmppSettings,
        clock: IReactorTime,
        ids: IdForms,
    ) -> None:
        self.receipts = 0
        self.unmatched = 0
        self.messages = 0
        self.deferred = 0
        self.waiting = 0
        self.events: IChannelEvents | None = None
        repeats = repeats_of(clock, account)
        self.reader = DeliveryReader(channel, account, settings, ids, repeats)
        self._channel = channel
        self._clock = clock
        self._ids = ids
        self._held: set[EsmeProtocol] = set()
        self._untold = 0
        self._notified_at = float("-inf")

    def came(self, esme: EsmeProtocol, pdu: DeliverSm | DataSm) -> None:
        """Take a delivery; it is answered over the same connection."""
        events = self.events
        if events is None:
            esme.answer(pdu, RX_T_APPN)
            return
        read = self.reader.read(pdu, esme.serial, self._clock.seconds())
        self.waiting += 1
        if self.waiting >= MOST_WAITING and esme not in self._held:
            self._held.add(esme)
            esme.hold(True)
        writing: Deferred[Any]
        if isinstance(read, Receipt):
            self.receipts += 1
            writing = events.receipt(read).addCallback(self._matched, read)
        else:
            self.messages += 1
            writing = events.inbound(read)
        writing.addCallbacks(  # type: ignore[unused-awaitable]
            self._written, self._not_written, (esme, pdu), errbackArgs=(esme, pdu)
        )

    def _matched(self, match: ReceiptMatch | None, receipt: Receipt) -> None:
        key = None if match is None else match.key
        self._ids.learn(_named(receipt, key), key)
        if match is None:
            self.unmatched += 1
            self._report_unmatched(receipt)

    def _written(self, _: Any, esme: EsmeProtocol, pdu: DeliverSm | DataSm) -> None:
        self._over(esme)
        esme.answer(pdu, ROK)

    def _not_written(
        self, failure: Failure, esme: EsmeProtocol, pdu: DeliverSm | DataSm
    ) -> None:
        self.deferred += 1
        self._over(esme)
        esme.answer(pdu, RX_T_APPN)
        if failure.check(Unavailable) is None:
            log.failure(
                "{channel}: a delivery could not be taken",
                failure=failure,
                channel=self._channel,
            )

    def _over(self, esme: EsmeProtocol) -> None:
        self.waiting -= 1
        if self._held and self.waiting < MOST_WAITING // 2:
            held, self._held = self._held, set()
            for one in held:
                one.hold(False)

    def _report_unmatched(self, receipt: Receipt) -> None:
        self._untold += 1
        now = self._clock.seconds()
        if now - self._notified_at < TELL_UNMATCHED_S:
            return
        log.info(
            "{channel}: {count} receipts match no message, the last {id!a}: {raw!a}",
            channel=self._channel,
            count=self._untold,
            id=receipt.provider_id,
            raw=receipt.raw,
        )
        self._notified_at = now
        self._untold = 0
